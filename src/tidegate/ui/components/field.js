// One control outside a dialog: {label, value, kind: text|search|number|select|check|datetime-local, options: [[value, label]], placeholder, name}.
// It tells what was typed once the typing rests, and at once on Enter.
import { h } from "vue";

export default {
  props: { data: Object },
  emits: ["value"],
  data: () => ({ wait: 0 }),
  methods: {
    tell(value, rest) {
      clearTimeout(this.wait);
      this.wait = setTimeout(() => this.$emit("value", value), rest);
    },
  },
  render() {
    const { label, value, kind = "text", options = [], placeholder, name, hint } = this.data || {};
    if (kind === "check") {
      return h("label", { class: "tg-check" }, [h("input", { type: "checkbox", name, checked: value, onChange: (e) => this.tell(e.target.checked, 0) }), h("span", label)]);
    }
    const common = { class: "tg-input", name, placeholder, title: hint, "aria-label": label };
    const control = kind === "select"
      ? h("select", { ...common, onChange: (e) => this.tell(e.target.value, 0) }, options.map(([each, words]) => h("option", { value: each, selected: each === value }, words)))
      : h("input", { ...common, type: kind, value, step: kind === "datetime-local" ? 1 : "any", autocomplete: "off", onInput: (e) => this.tell(e.target.value, 450), onKeydown: (e) => e.key === "Enter" && this.tell(e.target.value, 0) });
    return h("label", { class: "tg-field" }, [label && h("span", label), control]);
  },
};
