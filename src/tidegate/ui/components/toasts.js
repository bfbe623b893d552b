// Words that pass: what was done, or why it wasn't. Errors stay until they are clicked away.
import { h } from "vue";

export default {
  data: () => ({ shown: [], last: 0 }),
  methods: {
    say(words, tone) {
      const id = ++this.last;
      this.shown.push({ id, words, tone });
      if (tone !== "firing") setTimeout(() => this.drop(id), 6000);
    },
    drop(id) { this.shown = this.shown.filter((one) => one.id !== id); },
  },
  render() {
    return h("div", { class: "tg-toasts tg-no-print", role: "status", "aria-live": "polite" }, this.shown.map((one) =>
      h("div", { key: one.id, class: ["tg-toast", `tg-toast-${one.tone}`], onClick: () => this.drop(one.id) }, one.words)));
  },
};
