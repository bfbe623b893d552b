// A chart over time. data: {title, unit, href?, height, group, start, end (unix seconds), kind: line|area|stacked|bars,
//   series: [{name, tone?, points: [[t, v|null]...], low?, high?: [[t, v]...], dash?, muted?}], limits: [{name, value, tone, drag?}],
//   marks: [{time, kind, words, href?, tone?}], empty, low?, high?, log?}
// Charts of one group share the cursor; a drag across zooms all of them (the page is told the new window).
import { h } from "vue";
import { echarts, echartsReady } from "tidegate-ui/echarts.js";
import { figureText, fullTime, ink, onTheme, token, zone } from "tidegate-ui";

const clip = (value, most) => (value.length > most ? value.slice(0, most - 1) + "…" : value);

export default {
  props: { data: Object },
  emits: ["zoom", "limit"],
  mounted() {
    this.draw = this.draw.bind(this);
    this.forget = onTheme(this.draw);
    this.sizes = new ResizeObserver(() => { this.chart?.resize(); this.handles(); });
    this.sizes.observe(this.$refs.canvas);
    this.draw();
  },
  beforeUnmount() {
    this.forget();
    this.sizes.disconnect();
    this.chart?.dispose();
  },
  watch: { data() { this.draw(); } },
  methods: {
    filled() { return (this.data?.series || []).some((one) => one.points.some((point) => point[1] !== null)); },
    draw() {
      if (!echarts) { echartsReady.then(() => this.$refs.canvas && this.draw()); return; }
      if (!this.filled()) { this.chart?.clear(); return; }
      if (!this.chart) {
        this.chart = echarts.init(this.$refs.canvas, null, { renderer: "canvas" });
        if (this.data.group) { this.chart.group = this.data.group; echarts.connect(this.data.group); }
        this.chart.on("click", (event) => { const href = event.data?.href; if (!this.swept && href && href.startsWith("/")) window.location.assign(href); });
      }
      this.chart.setOption(this.options(), { notMerge: true });
      this.handles();
    },
    series() {
      const found = [], kind = this.data.kind || "line";
      this.data.series.forEach((one, place) => {
        const { color, dash } = ink(one.tone, place), times = (points) => points.map(([t, v]) => [t * 1000, v]);
        if (one.low && one.high) {
          const lows = times(one.low), highs = one.high.map(([t, v], i) => [t * 1000, v === null || one.low[i][1] === null ? null : v - one.low[i][1]]);
          const quiet = { type: "line", stack: `band ${place}`, symbol: "none", silent: true, lineStyle: { opacity: 0 }, tooltip: { show: false }, stackStrategy: "all", z: 1 };
          found.push({ ...quiet, name: `${one.name} low`, data: lows });
          found.push({ ...quiet, name: `${one.name} high`, data: highs, areaStyle: { color, opacity: 0.14 } });
        }
        const alone = one.points.filter((point) => point[1] !== null).length < 3;
        found.push({
          name: one.name, type: kind === "bars" ? "bar" : "line", data: times(one.points), color, symbol: alone || one.dots ? "circle" : "none", symbolSize: 5, connectNulls: false, z: one.muted ? 2 : 3,
          stack: kind === "stacked" ? "all" : undefined, barMaxWidth: 14, animation: false,
          lineStyle: { width: one.muted ? 1.25 : 2, type: one.dash || dash, opacity: one.muted ? 0.65 : 1, join: "round" },
          areaStyle: kind === "stacked" ? { opacity: 0.35 } : kind === "area" ? { opacity: 0.12 } : undefined,
          step: one.step ? "end" : undefined,
        });
      });
      const limits = (this.data.limits || []).filter((one) => one.value !== null && one.value !== undefined);
      const marks = (this.data.marks || []).filter((one) => one.time >= this.data.start && one.time <= this.data.end);
      if (found.length) {
        const last = found[found.length - 1];
        const lines = limits.map((one) => ({
          yAxis: one.value, name: one.name, lineStyle: { color: token(one.tone || "firing"), type: [5, 4], width: 1.25 },
          label: { formatter: `${clip(one.name, 26)} ${figureText(one.value, this.data.unit)}`, position: "insideEndTop", color: token(one.tone || "firing"), fontSize: 11 },
        })).concat(marks.map((one) => ({
          xAxis: one.time * 1000, name: one.words, href: one.href, lineStyle: { color: token(one.tone || "ink-3"), width: 1, type: "solid", opacity: 0.75 },
          label: { formatter: { alarm: "■", rollout: "◆", decision: "◇", deployment: "▲" }[one.kind] || "●", position: "end", distance: 1, color: token(one.tone || "ink-3"), fontSize: 11 },
        })));
        last.markLine = { symbol: "none", animation: false, data: lines, tooltip: { show: true } };
      }
      return found;
    },
    options() {
      const { unit, start, end, group, low, high, log } = this.data;
      const text = { color: token("ink-3"), fontFamily: "Roboto, system-ui, sans-serif", fontSize: 11 };
      const values = this.data.series.flatMap((one) => [...one.points, ...(one.high || [])].map((point) => point[1])).filter((v) => v !== null);
      const limits = (this.data.limits || []).map((one) => one.value).filter((v) => v !== null && v !== undefined);
      const top = Math.max(...values, ...limits.filter((v) => log || v <= Math.max(...values) * 4));
      const power = (value, round) => 10 ** round(Math.log10(value) + 1e-9);
      const most = log ? power(top, Math.ceil) : limits.length ? top * 1.04 || undefined : unit !== "share" ? undefined : top === 0 ? 0.01 : top > 0.8 && top <= 1 ? 1 : undefined;
      const least = log ? power(Math.min(...values), Math.floor) : Math.min(...values) >= 0 && unit !== "" ? 0 : undefined;
      return {
        animation: false, textStyle: text, useUTC: false,
        grid: { left: 4, right: 8, top: 18, bottom: 4, containLabel: true },
        tooltip: {
          trigger: "axis", confine: true, transitionDuration: 0, backgroundColor: token("raised"), borderColor: token("border-strong"), borderWidth: 1, padding: [8, 10], order: "valueDesc",
          textStyle: { ...text, color: token("ink"), fontSize: 12 }, axisPointer: { type: "line", snap: true, lineStyle: { color: token("border-strong") } }, renderMode: "richText",
          formatter: (items) => this.words(Array.isArray(items) ? items : [items]),
        },
        xAxis: { type: "time", min: start * 1000, max: end * 1000, axisLine: { lineStyle: { color: token("border") } }, axisTick: { show: false }, axisLabel: { ...text, hideOverlap: true, alignMinLabel: "left", alignMaxLabel: "right" }, splitLine: { show: false }, splitNumber: 5 },
        yAxis: {
          type: log ? "log" : "value", scale: true, min: low ?? least, max: high ?? most, interval: !log && (high !== undefined || most === 1 || most === 0.01) ? (high ?? most) / 2 : undefined,
          axisLabel: { ...text, formatter: (value) => figureText(value, unit === "/s" ? "" : unit) }, splitLine: { lineStyle: { color: token("grid") } }, splitNumber: 3,
        },
        series: this.series(), aria: { enabled: true },
      };
    },
    words(items) {
      if (items[0]?.componentType === "markLine") return clip(String(items[0].name), 200);
      const shown = items.filter((item) => item.value && item.value[1] !== null && item.value[1] !== undefined && !/ (low|high)$/.test(item.seriesName));
      if (!shown.length) return "";
      const near = (this.data.marks || []).filter((one) => Math.abs(one.time - shown[0].value[0] / 1000) < (this.data.end - this.data.start) / 60).slice(0, 3);
      return [fullTime(shown[0].value[0] / 1000), ...shown.slice(0, 12).map((item) => `${clip(item.seriesName, 40)}  ${figureText(item.value[1], this.data.unit)}`), ...near.map((one) => clip(one.words, 70))].join("\n");
    },
    // A line that may be dragged has a handle of our own beside it, reachable by keyboard too.
    handles() {
      const found = [];
      if (this.chart && this.filled()) {
        (this.data.limits || []).forEach((one, place) => {
          if (one.drag) found.push({ place, one, y: this.chart.convertToPixel({ yAxisIndex: 0 }, one.value) });
        });
      }
      this.grips = found;
      this.$forceUpdate();
    },
    move(place, value, done) {
      const limits = this.data.limits.map((one, each) => (each === place ? { ...one, value } : one));
      this.data.limits = limits;
      this.chart.setOption(this.options(), { notMerge: true });
      this.handles();
      this.$emit("limit", { place, name: limits[place].name, value, done });
    },
    // A drag across asks for that window. Not ECharts' brush: in a group of connected charts it tells every chart of every move.
    sweep(event) {
      if (event.button || event.pointerType === "touch" || event.target.closest("button") || !this.filled()) return;
      const box = this.$refs.canvas.getBoundingClientRect(), began = event.clientX;
      const at = (x) => Math.min(Math.max(x - box.left, 0), box.width);
      const time = (x) => Math.min(Math.max(this.chart.convertFromPixel({ xAxisIndex: 0 }, at(x)) / 1000, this.data.start), this.data.end);
      const show = (from, to) => { this.swept = to - from > 4 ? [from, to] : null; this.$forceUpdate(); };
      const ends = (e) => [Math.min(began, e.clientX), Math.max(began, e.clientX)];
      const drag = (e) => { const [from, to] = ends(e); show(at(from), at(to)); };
      const drop = (e) => {
        window.removeEventListener("pointermove", drag);
        window.removeEventListener("pointerup", drop);
        const [from, to] = ends(e).map(time);
        if (this.swept && to - from > 1) this.$emit("zoom", { from, to });
        setTimeout(() => show(0, 0), 0);
      };
      window.addEventListener("pointermove", drag);
      window.addEventListener("pointerup", drop);
    },
    grab(event, place) {
      event.preventDefault();
      const box = this.$refs.canvas.getBoundingClientRect();
      const at = (e) => this.chart.convertFromPixel({ yAxisIndex: 0 }, Math.min(Math.max(e.clientY - box.top, 6), box.height - 20));
      let last = this.data.limits[place].value, told = 0, late = 0;
      const tell = () => { told = Date.now(); this.move(place, last, false); };
      const drag = (e) => { last = at(e); clearTimeout(late); if (Date.now() - told > 120) tell(); else late = setTimeout(tell, 120); };
      const drop = () => { clearTimeout(late); window.removeEventListener("pointermove", drag); window.removeEventListener("pointerup", drop); this.move(place, last, true); };
      window.addEventListener("pointermove", drag);
      window.addEventListener("pointerup", drop);
    },
    nudge(event, place) {
      const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const value = this.data.limits[place].value;
      this.move(place, value + step * Math.max(Math.abs(value) * 0.02, 1e-9), true);
    },
  },
  render() {
    const { title, unit, series = [], height = 180, empty, href, note } = this.data || {};
    const filled = this.filled(), last = (one) => [...one.points].reverse().find((point) => point[1] !== null);
    const now = series.length === 1 && filled ? last(series[0]) : null;
    return h("figure", { class: "tg-chart" }, [
      h("figcaption", { class: "tg-chart-head" }, [
        href ? h("a", { class: "tg-h3", href, style: { color: "inherit" } }, title) : h("span", { class: "tg-h3" }, title),
        h("span", { class: "tg-label" }, { share: "%", "": "", s: "seconds", "/s": "a second" }[unit] ?? unit),
        now && h("span", { class: "tg-chart-now" }, figureText(now[1], unit)),
      ]),
      h("div", { class: "tg-chart-canvas", style: { height: `${height}px` }, onPointerdown: this.sweep }, [
        h("div", { ref: "canvas", style: { width: "100%", height: "100%", visibility: filled ? "visible" : "hidden" } }),
        !filled && h("div", { class: "tg-chart-empty" }, empty || "Nothing in this window. Choose a longer one, or send requests."),
        this.swept && h("div", { class: "tg-chart-sweep", style: { left: `${this.swept[0]}px`, width: `${this.swept[1] - this.swept[0]}px` } }),
        ...(this.grips || []).map(({ place, one, y }) => h("button", {
          type: "button", class: "tg-grip", role: "slider", "aria-label": one.name, "aria-valuenow": one.value, "aria-orientation": "vertical",
          "aria-valuetext": figureText(one.value, unit), style: { top: `${y - 9}px` }, onPointerdown: (e) => this.grab(e, place), onKeydown: (e) => this.nudge(e, place),
        }, "↕")),
      ]),
      h("div", { class: "tg-chart-foot" }, [
        h("div", { class: "tg-legend" }, series.length > 1 && filled ? series.map((one, place) => {
          const { color, dash } = ink(one.tone, place), value = last(one);
          return h("span", { key: one.name }, [h("i", { style: { color, borderTopStyle: (one.dash || dash) === "solid" ? "solid" : one.tone === "shadow" || one.tone === "muted" ? "dotted" : "dashed" } }), one.name, value && h("span", { class: "tg-tone-muted" }, figureText(value[1], unit))]);
        }) : note || ""),
        h("span", zone()),
      ]),
    ]);
  },
};
