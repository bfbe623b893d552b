// Traffic -> versions -> outcomes, as it flows now: {rate, sub, moving, streams: [{key, name, role, share, lines: [text], href?, state?}],
//   outcomes: [{key, name, tone, share, value, unit, sub?, href?}]}. A band is as wide as its share; copies for a shadow are dashed and end
// at the shadow: nobody is given its answers.
import { h } from "vue";
import { figure } from "tidegate-ui";

const LEAST = 1.2;

// Where bands leave a side of height 100: heaped up around its middle, as wide together as `most`.
function heap(shares, most) {
  const total = shares.reduce((sum, one) => sum + one, 0) || 1;
  const widths = shares.map((one) => (one > 0 ? Math.max((one / total) * most, LEAST) : 0));
  let at = 50 - widths.reduce((sum, one) => sum + one, 0) / 2;
  return widths.map((width) => { const place = [at, width]; at += width; return place; });
}

// Where they arrive: each in the middle of its own lane.
const lanes = (shares, most) => shares.map((one, place) => {
  const lane = 100 / shares.length, width = one > 0 ? Math.max(Math.min((one * most), lane * 0.9), LEAST) : 0;
  return [lane * (place + 0.5) - width / 2, width];
});

const band = ([a, u], [b, v]) => `M0 ${a}C50 ${a} 50 ${b} 100 ${b}V${b + v}C50 ${b + v} 50 ${a + u} 0 ${a + u}Z`;
const middle = ([a, u], [b, v]) => `M0 ${a + u / 2}C50 ${a + u / 2} 50 ${b + v / 2} 100 ${b + v / 2}`;

function flow(key, bands, still) {
  return h("svg", { key, class: ["tg-loop-flow", still && "tg-is-still"], viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" }, bands.filter((one) => one.share > 0).flatMap((one) => [
    h("path", { key: one.key, class: "tg-loop-band", d: band(one.from, one.to), style: { fill: `var(--tg-${one.ink})`, opacity: one.faint ? 0.12 : undefined } }),
    h("path", { key: `${one.key} drift`, class: "tg-loop-drift", d: middle(one.from, one.to), "vector-effect": "non-scaling-stroke", style: { stroke: `var(--tg-${one.ink})`, animationDuration: `${(3.2 - 1.6 * Math.min(one.share, 1)).toFixed(1)}s` } }),
  ]));
}

const node = (one, classes, children) => h(one.href ? "a" : "div", { key: one.key, class: ["tg-loop-node", ...classes], href: one.href, style: one.href && { color: "inherit" } }, children);

function big(value, unit) {
  const [digits, name] = figure(value, unit);
  return h("span", { class: "tg-loop-big" }, [digits, name && h("span", { class: "tg-unit" }, name)]);
}

export default {
  props: { data: Object },
  render() {
    const { rate, sub, moving, streams = [], outcomes = [], empty } = this.data || {};
    if (!streams.length) return h("div", { class: "tg-chart-empty", style: { position: "static", minHeight: "13rem" } }, empty || "No traffic yet.");
    const shares = streams.map((one) => one.share), shown = streams.filter((one) => one.role !== "shadow");
    const leaving = heap(shares, 70), arriving = lanes(shares, 60);
    const first = streams.map((one, place) => ({ key: one.key, share: one.share, ink: `${one.role}-fill`, from: leaving[place], to: arriving[place], faint: one.role === "shadow" }));
    // each version's answers end in each outcome in proportion to all outcomes: which version failed is said beside it
    const ends = heap(outcomes.map((one) => one.share), 70), total = shown.reduce((sum, one) => sum + one.share, 0) || 1;
    const arrive = lanes(outcomes.map((one) => one.share), 60);
    const second = [];
    outcomes.forEach((out, place) => {
      let from = ends[place][0], to = arrive[place][0];
      shown.forEach((one) => {
        const u = (ends[place][1] * one.share) / total, v = (arrive[place][1] * one.share) / total;
        second.push({ key: one.key + out.key, share: out.share * one.share, ink: out.tone === "ok" ? `${one.role}-fill` : out.tone, from: [from, u], to: [to, v] });
        from += u; to += v;
      });
    });
    const words = streams.map((one) => `${one.name} ${one.lines.join(", ")}`).join("; ");
    return h("div", { class: "tg-loop", role: "group", "aria-label": `Traffic to versions: ${words}` }, [
      h("div", { class: "tg-loop-side" }, [node({ key: "traffic" }, [], [h("span", { class: "tg-label" }, "Traffic"), big(rate, "/s"), h("span", { class: "tg-stat-sub" }, sub)])]),
      flow("in", first, !moving),
      h("div", { class: "tg-loop-versions" }, streams.map((one) => node(one, [`tg-is-${one.role}`], [
        h("span", { class: "tg-loop-name" }, [one.name, h("span", { class: `tg-pill tg-pill-${one.role}` }, one.role), one.state && h("span", { class: "tg-tone-firing" }, one.state)]),
        h("span", { class: ["tg-loop-facts", one.tone && `tg-tone-${one.tone}`] }, one.lines.map((line) => h("span", { key: line }, line)))]))),
      flow("out", second, !moving),
      h("div", { class: "tg-loop-side" }, outcomes.map((one) => node(one, [`tg-is-${one.tone}`], [h("span", { class: "tg-label" }, one.name), big(one.value, one.unit), one.sub && h("span", { class: "tg-stat-sub" }, one.sub)]))),
    ]);
  },
};
