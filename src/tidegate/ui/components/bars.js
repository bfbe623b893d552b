// A histogram or shares by category: {title, unit, labels: [...], series: [{name, tone?, values}], edges?, height, empty, horizontal?, note}.
import { h } from "vue";
import { echarts, echartsReady } from "tidegate-ui/echarts.js";
import { figureText, ink, onTheme, token } from "tidegate-ui";

export default {
  props: { data: Object },
  mounted() {
    this.forget = onTheme(() => this.draw());
    this.sizes = new ResizeObserver(() => this.chart?.resize());
    this.sizes.observe(this.$refs.canvas);
    this.draw();
  },
  beforeUnmount() { this.forget(); this.sizes.disconnect(); this.chart?.dispose(); },
  watch: { data() { this.draw(); } },
  methods: {
    filled() { return (this.data?.labels || []).length > 0; },
    draw() {
      if (!echarts) { echartsReady.then(() => this.$refs.canvas && this.draw()); return; }
      if (!this.filled()) { this.chart?.clear(); return; }
      this.chart ??= echarts.init(this.$refs.canvas, null, { renderer: "canvas" });
      const { labels, series, unit = "share", horizontal, axis } = this.data;
      const text = { color: token("ink-3"), fontFamily: "Roboto, system-ui, sans-serif", fontSize: 11 };
      const names = { type: "category", data: labels, inverse: !!horizontal, axisTick: { show: false }, axisLine: { lineStyle: { color: token("border") } }, axisLabel: { ...text, color: token("ink-2"), width: horizontal ? 120 : undefined, overflow: "truncate", hideOverlap: true }, name: axis };
      const values = { type: "value", minInterval: unit === "count" ? 1 : undefined, axisLabel: { ...text, formatter: (v) => figureText(v, unit) }, splitLine: { lineStyle: { color: token("grid") } }, splitNumber: 3 };
      this.chart.setOption({
        animation: false, textStyle: text, aria: { enabled: true },
        grid: { left: 4, right: 12, top: 10, bottom: 4, containLabel: true },
        tooltip: { trigger: "axis", confine: true, transitionDuration: 0, renderMode: "richText", backgroundColor: token("raised"), borderColor: token("border-strong"), borderWidth: 1, textStyle: { ...text, color: token("ink"), fontSize: 12 }, axisPointer: { type: "shadow", shadowStyle: { color: token("hover"), opacity: 0.5 } }, formatter: (items) => [items[0].name, ...items.map((item) => `${item.seriesName}  ${figureText(item.value, unit)}`)].join("\n") },
        xAxis: horizontal ? values : names, yAxis: horizontal ? names : values,
        series: series.map((one, place) => { const { color } = ink(one.tone, place); return { name: one.name, type: "bar", data: one.values, color, barGap: one.overlay ? "-100%" : "8%", barCategoryGap: horizontal ? "35%" : "12%", itemStyle: { opacity: one.muted ? 0.45 : 0.9, borderRadius: horizontal ? [0, 2, 2, 0] : [2, 2, 0, 0] }, barMaxWidth: 40 }; }),
      }, { notMerge: true });
    },
  },
  render() {
    const { title, unit = "share", series = [], height = 220, empty, note } = this.data || {};
    return h("figure", { class: "tg-chart" }, [
      h("figcaption", { class: "tg-chart-head" }, [h("span", { class: "tg-h3" }, title), h("span", { class: "tg-label" }, { share: "% of rows", count: "" }[unit] ?? unit)]),
      h("div", { class: "tg-chart-canvas", style: { height: `${height}px` } }, [
        h("div", { ref: "canvas", style: { width: "100%", height: "100%", visibility: this.filled() ? "visible" : "hidden" } }),
        !this.filled() && h("div", { class: "tg-chart-empty" }, empty || "Nothing in this window."),
      ]),
      h("div", { class: "tg-chart-foot" }, [
        h("div", { class: "tg-legend" }, series.map((one, place) => h("span", { key: one.name }, [h("i", { style: { color: ink(one.tone, place).color, borderTopWidth: "8px" } }), one.name]))),
        h("span", note || ""),
      ]),
    ]);
  },
};
