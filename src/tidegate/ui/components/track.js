// The steps of a rollout on a line, and who answers now. data: {steps: [{number, text, kind, weight?, state: done|now|next|failed, sub?}],
//   traffic: [{name, role, share, text}], mirror: {name, share}?, until?, label}
// Stations are shares of the traffic; between them lie pauses and analyses. States are told apart by sign and word, not by colour alone.
import { h } from "vue";
import * as Vue from "vue";
import { ticking } from "tidegate-ui";

const SIGNS = { done: "✓", now: "", next: "", failed: "✕" };
const WORDS = { done: "done", now: "here now", next: "to come", failed: "ended here" };

function span(seconds) {
  if (seconds < 1) return "any moment";
  if (seconds < 90) return `${Math.round(seconds)} s left`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min left`;
  return seconds < 172800 ? `${(seconds / 3600).toFixed(1)} h left` : `${(seconds / 86400).toFixed(1)} d left`;
}

export default {
  props: { data: Object },
  mounted() {
    // The page is made after the browser has looked for the fragment: go there now, so that :target holds.
    if (location.hash.length > 1) setTimeout(() => document.getElementById(location.hash.slice(1)) && location.replace(location.hash), 60);
    this.$nextTick(this.center);
  },
  methods: {
    center() {
      const list = this.$refs.steps, now = list?.querySelector("[aria-current]");
      if (now && list.scrollWidth > list.clientWidth) list.scrollLeft = now.offsetLeft - list.clientWidth / 2;
    },
  },
  render() {
    const { steps = [], traffic = [], mirror, until, label } = this.data || {};
    const left = until ? span(Math.max(0, until - ticking(Vue).value)) : "";
    return h("div", { class: "tg-rollout" }, [
      h("div", { class: "tg-traffic", role: "img", "aria-label": traffic.map((one) => `${one.text} ${one.name}`).join(", ") },
        traffic.filter((one) => one.share > 0).map((one) => h("div", { key: one.role, class: `tg-traffic-part tg-traffic-${one.role}`, style: { flexGrow: one.share } }))),
      h("div", { class: "tg-traffic-words" }, [
        ...traffic.map((one) => h("span", { key: one.role, class: `tg-tone-${one.role}` }, [h("b", one.text), ` ${one.name}`])),
        mirror && h("span", { class: "tg-tone-shadow" }, [h("b", mirror.text), ` ${mirror.name}`]),
      ]),
      h("ol", { ref: "steps", class: "tg-track", "aria-label": label, tabindex: 0 }, steps.map((step) => h("li", {
        key: step.number, class: ["tg-step", `tg-step-${step.state}`, step.kind === "setWeight" && "tg-step-station"], "aria-current": step.state === "now" ? "step" : undefined,
        title: `step ${step.number + 1}: ${step.text}, ${WORDS[step.state]}`,
      }, [
        h("span", { class: "tg-step-mark", "aria-hidden": "true" }, SIGNS[step.state]),
        h("span", { class: "tg-step-text" }, step.text),
        h("span", { class: "tg-step-sub" }, step.state === "now" ? left || step.sub || "here" : step.state === "failed" ? "ended here" : step.sub || ""),
      ]))),
    ]);
  },
};
