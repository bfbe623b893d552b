// One cell of a table, of facts, of anything: a string, a number, or an object that says how it is to be shown.
//   {text, href?, sub?, mono?, clip?, tone?, title?}   {num, unit?, tone?, sub?, low?, high?}   {pill, tone?}   {pills: [[words, tone]]}
//   {time}                        {spark: [...], tone?}    {bar, of?, tone?, unit?}             {cells: [cell, ...]}
import * as Vue from "vue";
import { h } from "vue";
import { ago, figure, figureText, fullTime, ticking } from "./figures.js";
import { spark } from "./spark.js";

export function cell(value) {
  if (value === null || value === undefined || value === "") return h("span", { class: "tg-tone-muted" }, "–");
  if (typeof value === "string") return h("span", value);
  if (typeof value === "number") return number({ num: value });
  if (typeof value === "boolean") return h("span", value ? "yes" : "no");
  if ("cells" in value) return h("span", { class: "tg-cell-pills" }, value.cells.map(cell));
  if ("pill" in value) return h("span", { class: `tg-pill tg-pill-${value.tone || "muted"}`, title: value.title }, value.pill);
  if ("pills" in value) return h("span", { class: "tg-cell-pills" }, value.pills.map(([words, tone]) => h("span", { class: `tg-pill tg-pill-${tone || "muted"}` }, words)));
  if ("num" in value) return number(value);
  if ("time" in value) return value.time === null ? cell(null) : h("time", { title: fullTime(value.time) }, ago(value.time, ticking(Vue).value));
  if ("spark" in value) return spark(value.spark, value.tone, value.title);
  if ("bar" in value) return bar(value);
  return words(value);
}

function words(value) {
  const classes = [value.tone && `tg-tone-${value.tone}`, value.mono && "tg-mono", value.clip && "tg-cell-clip"].filter(Boolean);
  const body = h(value.href ? "a" : "span", {
    class: value.href ? [...classes, "tg-cell-link"] : classes, href: value.href, title: value.title || (value.clip ? value.text : undefined),
  }, value.text);
  return value.sub ? h("span", [body, h("span", { class: "tg-cell-sub" }, value.sub)]) : body;
}

function number(value) {
  const [digits, unit] = figure(value.num, value.unit);
  const between = value.low !== undefined && value.low !== null ? `${figureText(value.low, value.unit)} to ${figureText(value.high, value.unit)}` : value.sub;
  return h("span", { class: value.tone && `tg-tone-${value.tone}`, title: value.title }, [
    digits, unit && h("span", { class: "tg-tone-muted" }, unit === "%" ? unit : ` ${unit}`), between && h("span", { class: "tg-cell-sub" }, between),
  ]);
}

function bar(value) {
  const share = Math.max(0, Math.min(1, value.of ? value.bar / value.of : value.bar));
  return h("span", { class: "tg-bar", title: value.title }, [
    h("span", { class: "tg-bar-track" }, [h("span", { class: ["tg-bar-fill", value.tone && `tg-is-${value.tone}`], style: { display: "block", width: `${(share * 100).toFixed(1)}%` } })]),
    h("span", figureText(value.bar, value.unit ?? "share")),
  ]);
}
