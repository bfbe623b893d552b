// A question before an act: the browser's own modal dialog (focus stays inside, Escape leaves).
// data: {open, title, words, verb, tone, fields: [{name, label, kind, value, options, required, hint}], facts, error, busy, code}
import { h } from "vue";
import { cell } from "tidegate-ui";

export default {
  props: { data: Object },
  emits: ["submit", "cancel"],
  data: () => ({ values: {}, tried: false }),
  watch: {
    "data.open": { handler(open) { this.$nextTick(() => this.show(open)); }, immediate: true },
  },
  methods: {
    show(open) {
      const dialog = this.$refs.dialog;
      if (!dialog) return;
      if (open && !dialog.open) {
        this.values = Object.fromEntries((this.data.fields || []).map((field) => [field.name, field.value ?? (field.kind === "check" ? false : "")]));
        this.tried = false;
        dialog.showModal();
      } else if (!open && dialog.open) dialog.close();
    },
    missing(field) {
      return field.required && this.values[field.name] === "" || field.required && this.values[field.name] === undefined;
    },
    submit(event) {
      event.preventDefault();
      this.tried = true;
      if ((this.data.fields || []).some(this.missing) || this.data.busy) return;
      this.$emit("submit", { ...this.values });
    },
    field(field) {
      const bad = this.tried && this.missing(field);
      const common = {
        class: "tg-input", name: field.name, value: this.values[field.name], placeholder: field.placeholder, "aria-invalid": bad ? "true" : undefined,
        onInput: (event) => (this.values[field.name] = event.target.value),
      };
      if (field.kind === "check") {
        return h("label", { class: "tg-check" }, [h("input", { type: "checkbox", name: field.name, checked: this.values[field.name], onChange: (e) => (this.values[field.name] = e.target.checked) }), h("span", field.label)]);
      }
      const control = field.kind === "select"
        ? h("select", common, field.options.map(([value, label]) => h("option", { value, selected: value === this.values[field.name] }, label)))
        : field.kind === "long" ? h("textarea", common) : h("input", { ...common, type: field.kind || "text", autocomplete: "off", step: "any" });
      return h("label", { class: "tg-field" }, [
        h("span", field.label), control, field.hint && h("span", { class: "tg-note" }, field.hint),
        bad && h("span", { class: "tg-field-error" }, `${field.label}: say a word, please`),
      ]);
    },
  },
  render() {
    const { title, words, verb = "OK", tone, fields = [], facts, error, busy, code, cancel = "Cancel" } = this.data || {};
    return h("dialog", { ref: "dialog", class: "tg-dialog", "aria-label": title, onClose: () => this.data.open && this.$emit("cancel"), onClick: (e) => e.target === this.$refs.dialog && this.$refs.dialog.close() }, [
      h("form", { class: "tg-dialog-body", onSubmit: this.submit }, [
        h("h2", { class: "tg-h2" }, title),
        words && h("p", { class: "tg-prose" }, words),
        facts && h("dl", { class: "tg-facts" }, facts.flatMap(([name, value]) => [h("dt", name), h("dd", [cell(value)])])),
        code && h("code", { class: "tg-code" }, code),
        ...fields.map(this.field),
        error && h("p", { class: "tg-banner tg-banner-firing", role: "alert" }, error),
        h("div", { class: "tg-dialog-foot" }, [
          cancel && h("button", { type: "button", class: "tg-button tg-button-quiet", onClick: () => this.$refs.dialog.close() }, cancel),
          verb && h("button", { type: "submit", disabled: busy, class: ["tg-button", tone === "danger" ? "tg-button-danger" : "tg-button-primary"] }, busy ? "…" : verb),
        ]),
      ]),
    ]);
  },
};
