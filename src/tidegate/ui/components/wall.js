// Endpoints as rows that can be read from across a room: {rows: [{key, href, name, level, state, words, model, needs: [{words, href, level, since}],
//   arms: [{version, role, weight}], rollout?: {href, words, step, steps, person}, figures: [{key, label, value, unit, sub, tone, spark}]}]}.
// Rows are told apart by their key; a figure keeps its place while it is unknown.
import * as Vue from "vue";
import { h } from "vue";
import { ago, figure, spark, ticking } from "tidegate-ui";

function split(arms) {
  const shown = arms.filter((arm) => arm.weight > 0);
  return h("div", { class: "tg-wall-split" }, [
    h("div", { class: "tg-wall-bar", "aria-hidden": "true" }, shown.map((arm) => h("i", { key: arm.version + arm.role, class: `tg-fill-${arm.role}`, style: { flexGrow: arm.weight } }))),
    h("div", { class: "tg-wall-arms" }, arms.map((arm) => h("span", { key: arm.version + arm.role, class: `tg-tone-${arm.role}` }, [
      `${arm.version} `, h("span", { class: "tg-tone-muted" }, arm.weight > 0 ? `${Number(arm.weight.toPrecision(3))}% ${arm.role}` : arm.role)]))),
  ]);
}

function progress(one) {
  const dots = Array.from({ length: one.steps }, (_, place) => h("i", { key: place, class: place < one.step ? "tg-is-done" : place === one.step ? "tg-is-now" : "" }));
  return h("a", { class: ["tg-wall-rollout", one.person && "tg-tone-warning"], href: one.href }, [h("span", { class: "tg-wall-steps", "aria-hidden": "true" }, dots), one.words]);
}

function number(one) {
  const [digits, unit] = figure(one.value, one.unit);
  return h("div", { key: one.key, class: "tg-wall-figure", title: one.title }, [
    h("span", { class: "tg-label" }, one.label),
    h("span", { class: ["tg-wall-value", one.tone && `tg-tone-${one.tone}`] }, [one.tone === "warning" ? h("span", { class: "tg-wall-sign", "aria-label": "outside its limit" }, "▲") : null, digits, unit && h("span", { class: "tg-unit" }, unit)]),
    one.spark ? spark(one.spark, one.tone && one.tone !== "muted" ? one.tone : "accent", `${one.label}, the last hour`) : h("span", { class: "tg-spark" }),
    h("span", { class: "tg-stat-sub" }, one.sub || " "),
  ]);
}

export default {
  props: { data: Object },
  render() {
    const now = ticking(Vue).value;
    return h("div", { class: "tg-wall" }, ((this.data || {}).rows || []).map((row) => h("article", { key: row.key, class: ["tg-wall-row", `tg-is-${row.level}`] }, [
      h("div", { class: "tg-wall-head" }, [
        h("div", { class: "tg-wall-name" }, [h("a", { href: row.href }, row.name), h("span", { class: `tg-pill tg-pill-${row.level}` }, row.state)]),
        row.needs.length
          ? h("ul", { class: "tg-wall-needs" }, row.needs.map((need) => h("li", { key: need.href + need.words }, [
            h("a", { href: need.href, class: `tg-tone-${need.level}`, title: need.words }, need.words), need.since ? h("span", { class: "tg-tone-muted" }, ` ${ago(need.since, now)}`) : null])))
          : h("p", { class: "tg-wall-words" }, row.words),
        split(row.arms),
        row.rollout && progress(row.rollout),
      ]),
      h("div", { class: "tg-wall-figures" }, row.figures.map(number)),
    ])));
  },
};
