// One figure: {label, value, unit, tone?, sub?, spark?, large?, href?, title?}. Its place is kept while it is unknown.
import { h } from "vue";
import { figure, spark } from "tidegate-ui";

export default {
  props: { data: Object },
  render() {
    const { label, value, unit, tone, sub, spark: values, large, href, title } = this.data || {};
    const [digits, name] = figure(value, unit);
    return h(href ? "a" : "div", { class: ["tg-stat", large && "tg-stat-large"], href, title, style: href && { color: "inherit" } }, [
      h("span", { class: "tg-label" }, label),
      h("span", { class: ["tg-stat-value", tone && `tg-tone-${tone}`] }, [digits, name && h("span", { class: "tg-unit" }, name)]),
      values && spark(values, tone && tone !== "muted" ? tone : "accent", `${label}, the last hour`),
      sub !== undefined && h("span", { class: "tg-stat-sub" }, sub || " "),
    ]);
  },
};
