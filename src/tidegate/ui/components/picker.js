// The window of time: how far back from now, or from when to when. {text, live, now: [[name, words]], chosen, from, to, compare, comparisons}
import { h } from "vue";
import { fullTime, zone } from "tidegate-ui";

const local = (seconds) => {
  const date = new Date(seconds * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
};

export default {
  props: { data: Object },
  emits: ["choose"],
  data: () => ({ open: false, from: "", to: "" }),
  mounted() {
    this.away = (event) => { if (!this.$el.contains(event.target) || event.key === "Escape") this.open = false; };
    document.addEventListener("pointerdown", this.away);
    document.addEventListener("keydown", (event) => event.key === "Escape" && (this.open = false));
  },
  beforeUnmount() { document.removeEventListener("pointerdown", this.away); },
  methods: {
    toggle() {
      this.open = !this.open;
      this.from = local(this.data.from); this.to = local(this.data.to);
    },
    choose(query) { this.open = false; this.$emit("choose", query); },
    absolute(event) {
      event.preventDefault();
      const from = new Date(this.from).getTime() / 1000, to = new Date(this.to).getTime() / 1000;
      if (from < to) this.choose({ from: Math.round(from), to: Math.round(to) });
    },
  },
  render() {
    const { text, live, choices = [], chosen, comparisons = [], compare, from, to } = this.data || {};
    const panel = this.open && h("div", { class: "tg-popover", role: "dialog", "aria-label": "Window of time" }, [
      h("div", { class: "tg-picker-grid" }, choices.map(([name, words]) =>
        h("button", { type: "button", class: ["tg-button", name === chosen && "tg-button-primary"], onClick: () => this.choose({ window: name }) }, words))),
      h("form", { class: "tg-stack-tight", onSubmit: this.absolute }, [
        h("label", { class: "tg-field" }, [h("span", `from (${zone()})`), h("input", { class: "tg-input", type: "datetime-local", value: this.from, onInput: (e) => (this.from = e.target.value) })]),
        h("label", { class: "tg-field" }, [h("span", `to (${zone()})`), h("input", { class: "tg-input", type: "datetime-local", value: this.to, onInput: (e) => (this.to = e.target.value) })]),
        h("button", { class: "tg-button", type: "submit" }, "Show these"),
      ]),
      comparisons.length > 0 && h("label", { class: "tg-field", style: { marginTop: "var(--tg-space-3)" } }, [h("span", "compare with"),
        h("select", { class: "tg-input", onChange: (e) => this.choose({ compare: e.target.value }) }, comparisons.map(([name, words]) => h("option", { value: name, selected: name === compare }, words)))]),
    ]);
    return h("div", { class: "tg-picker" }, [
      h("button", { type: "button", class: "tg-button", "aria-expanded": this.open ? "true" : "false", title: from ? `${fullTime(from)} to ${fullTime(to)}` : undefined, onClick: this.toggle }, [
        live && h("span", { class: "tg-tone-ok", "aria-hidden": "true" }, "●"), text, h("span", { class: "tg-tone-muted" }, zone()), h("span", { "aria-hidden": "true" }, "▾")]),
      panel,
    ]);
  },
};
