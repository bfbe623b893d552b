// A line without axes: the shape of the last hour. Gaps stay gaps.
import { h } from "vue";

export function sparkPath(values, width = 100, height = 28) {
  const known = values.filter((v) => v !== null && v !== undefined);
  if (known.length < 2) return "";
  const low = Math.min(...known), high = Math.max(...known), span = high - low || Math.abs(high) || 1;
  const x = (i) => (i / (values.length - 1)) * width;
  const y = (v) => height - 2 - ((v - low) / span) * (height - 4);
  let path = "", pen = false;
  values.forEach((v, i) => {
    if (v === null || v === undefined) { pen = false; return; }
    path += `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
    pen = true;
  });
  return path;
}

export function spark(values, tone = "accent", label = "") {
  const path = sparkPath(values || []);
  return h("svg", { class: "tg-spark", viewBox: "0 0 100 28", preserveAspectRatio: "none", role: "img", "aria-label": label || "its course over the last hour" }, [
    path ? h("path", { d: path, fill: "none", stroke: `var(--tg-${tone})`, "stroke-width": 1.5, "vector-effect": "non-scaling-stroke", "stroke-linejoin": "round" })
      : h("line", { x1: 0, x2: 100, y1: 26, y2: 26, stroke: "var(--tg-border-strong)", "stroke-dasharray": "2 3", "vector-effect": "non-scaling-stroke" }),
  ]);
}
