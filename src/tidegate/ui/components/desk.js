// One item that a person decides: what it is (pictures, sounds, values), what the model says where that may be seen, and the choices.
// {id, endpoint, question, choices, type: text|number, inputs: [[name, value]], pictures: [{src, name, heat?}], sounds: [{src, name}],
//  opinion, confidence, said, missing, deadline, done, left}. Keys: 1-9 choose, / types, s skips, u takes back, space plays.
import { h } from "vue";
import { token } from "tidegate-ui";
import { wave } from "tidegate-ui/wave.js";

const percent = (share) => `${Math.round(share * 100)}%`;

export default {
  props: { data: Object },
  emits: ["answer", "skip", "undo"],
  data: () => ({ chosen: null, typed: "", now: Date.now() / 1000, seen: true, gone: 0 }),
  watch: { "data.id"() { this.chosen = null; this.typed = ""; } },
  mounted() {
    this.clock = setInterval(() => { this.now = Date.now() / 1000; }, 1000);
    this.keys = (event) => this.key(event);
    window.addEventListener("keydown", this.keys);
  },
  beforeUnmount() { clearInterval(this.clock); window.removeEventListener("keydown", this.keys); },
  methods: {
    key(event) {
      if (event.metaKey || event.ctrlKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
      if (event.key === "g") { this.gone = Date.now(); return; }
      if (Date.now() - this.gone < 1200) { this.gone = 0; return; }
      const place = Number(event.key) - 1, choices = this.data?.choices || [];
      if (event.key === "s") this.leave("skip");
      else if (event.key === "u") this.leave("undo");
      else if (event.key === "h") this.seen = !this.seen;
      else if (event.key === "/" && this.$refs.text) { this.$refs.text.focus(); event.preventDefault(); event.stopImmediatePropagation(); }
      else if (event.key === " " && this.$el.querySelector("audio")) { const one = this.$el.querySelector("audio"); one.paused ? one.play() : one.pause(); event.preventDefault(); }
      else if (place >= 0 && place < Math.min(9, choices.length)) this.choose(choices[place]);
    },
    choose(value) {
      if (this.chosen !== null || !this.data?.id) return;
      this.chosen = value;
      this.$emit("answer", { id: this.data.id, value });
    },
    leave(how) { if (how === "undo" || (this.data?.id && this.chosen === null)) this.$emit(how, { id: this.data?.id ?? 0 }); },
    due(deadline) {
      const left = deadline - this.now, whole = Math.abs(left);
      const words = whole >= 5400 ? `${Math.round(whole / 3600)} h` : whole >= 90 ? `${Math.round(whole / 60)} min` : `${Math.round(whole)} s`;
      return h("span", { class: left < 0 ? "tg-tone-firing" : left < 60 ? "tg-tone-warning" : "" }, left < 0 ? `late by ${words}` : `${words} left`);
    },
    heat(map) {
      const side = Math.round(Math.sqrt(map.length)), most = Math.max(...map.map(Math.abs), 1e-9);
      const cells = map.map((value, place) => h("rect", { x: place % side, y: Math.floor(place / side), width: 1.02, height: 1.02, fill: token(value > 0 ? "canary-fill" : "stable-fill"), "fill-opacity": (0.6 * Math.abs(value)) / most }));
      return h("svg", { class: "tg-desk-heat", viewBox: `0 0 ${side} ${side}`, preserveAspectRatio: "none", "aria-hidden": "true" }, cells);
    },
    picture(one) {
      return h("figure", { key: one.src }, [
        h("div", { class: "tg-desk-picture" }, [h("img", { src: one.src, alt: one.name }), one.heat && this.seen && this.heat(one.heat)]),
        h("figcaption", { class: "tg-note" }, one.heat ? [one.name, " · ", h("button", { type: "button", class: "tg-desk-link", onClick: () => { this.seen = !this.seen; } }, [this.seen ? "hide" : "show", " where the model looks ", h("kbd", "h")])] : one.name),
      ]);
    },
    sound(one) {
      return h("figure", { key: one.src }, [h(wave, { src: one.src }), h("audio", { src: one.src, controls: true, preload: "auto", "aria-label": one.name }), h("figcaption", { class: "tg-note" }, [one.name, " · ", h("kbd", "space"), " plays"])]);
    },
  },
  render() {
    const { id, question, choices = [], type = "text", inputs = [], pictures = [], sounds = [], opinion, confidence, said = [], missing, deadline, done = 0, left = 0 } = this.data || {};
    const busy = this.chosen !== null;
    const words = inputs.length === 1 && typeof inputs[0][1] === "string" && !pictures.length && !sounds.length;
    const item = !id ? [h("div", { class: "tg-desk-rest" }, [h("p", { class: "tg-empty-title" }, "Nothing waits here for you"), h("p", { class: "tg-note" }, "What comes next appears by itself.")])] : [
      missing && h("p", { class: "tg-banner tg-banner-warning" }, missing),
      ...pictures.map((one) => this.picture(one)), ...sounds.map((one) => this.sound(one)),
      words ? h("blockquote", { class: "tg-desk-text" }, inputs[0][1]) : inputs.length > 0 && h("dl", { class: "tg-facts" }, inputs.flatMap(([name, value]) => [h("dt", name), h("dd", { class: "tg-num" }, String(value ?? "—"))])),
    ];
    return h("div", { class: `tg-desk${busy ? " tg-desk-busy" : ""}` }, [
      h("section", { class: "tg-card tg-desk-item", "aria-label": "What it is about" }, item),
      h("section", { class: "tg-card tg-desk-side", "aria-label": "Your answer" }, [
        h("div", { class: "tg-between tg-row tg-note" }, [h("span", `${left.toLocaleString()} wait`), deadline && id ? this.due(deadline) : null]),
        h("h2", { class: "tg-desk-question" }, question || "What is it?"),
        opinion !== null && opinion !== undefined && h("p", { class: "tg-desk-opinion" }, ["The model says ", h("strong", String(opinion)), confidence !== null && confidence !== undefined && [h("span", { class: "tg-desk-sure", role: "img", "aria-label": `${percent(confidence)} sure` }, [h("i", { style: { width: percent(confidence) } })]), ` ${percent(confidence)} sure`]]),
        said.length > 0 && h("p", { class: "tg-desk-opinion" }, ["Others said ", h("strong", said.join(", "))]),
        h("div", { class: "tg-desk-choices" }, choices.map((one, place) => h("button", { key: String(one), type: "button", class: `tg-desk-choice${this.chosen === one ? " tg-desk-chosen" : ""}`, disabled: !id || busy, onClick: () => this.choose(one) }, [h("span", String(one)), place < 9 && h("kbd", place + 1)]))),
        choices.length === 0 && h("form", { class: "tg-row", onSubmit: (event) => { event.preventDefault(); if (this.typed.trim()) this.choose(type === "number" ? Number(this.typed) : this.typed.trim()); } }, [
          h("label", { class: "tg-field", style: { flex: 1 } }, [h("span", ["Your answer ", h("kbd", "/")]), h("input", { ref: "text", class: "tg-input", type, step: "any", name: "answer", autocomplete: "off", value: this.typed, disabled: !id || busy, onInput: (event) => { this.typed = event.target.value; } })]),
          h("button", { type: "submit", class: "tg-button tg-button-primary", disabled: !id || busy || !this.typed.trim(), style: { alignSelf: "end" } }, "Answer"),
        ]),
        h("div", { class: "tg-row tg-between" }, [
          h("div", { class: "tg-row" }, [
            h("button", { type: "button", class: "tg-button", disabled: !id || busy, onClick: () => this.leave("skip") }, ["Skip ", h("kbd", "s")]),
            h("button", { type: "button", class: "tg-button tg-button-quiet", disabled: done === 0, onClick: () => this.leave("undo") }, ["Undo ", h("kbd", "u")]),
          ]),
          h("span", { class: "tg-note" }, `${done.toLocaleString()} answered by you`),
        ]),
      ]),
    ]);
  },
};
