// A recording's shape: loudest and quietest sample of each column, drawn once it is decoded.
import { h } from "vue";
import { onTheme, token } from "tidegate-ui";

export const wave = {
  props: { src: String },
  data: () => ({ peaks: null }),
  async mounted() {
    this.forget = onTheme(() => this.draw());
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.$el);
    try {
      const bytes = await (await fetch(this.src)).arrayBuffer();
      const sound = await new OfflineAudioContext(1, 1, 16000).decodeAudioData(bytes);
      const samples = sound.getChannelData(0), columns = 400, peaks = [];
      for (let at = 0; at < columns; at++) {
        let low = 0, high = 0;
        for (let i = Math.floor((at * samples.length) / columns), end = Math.floor(((at + 1) * samples.length) / columns); i < end; i++) { low = Math.min(low, samples[i]); high = Math.max(high, samples[i]); }
        peaks.push([low, high]);
      }
      this.peaks = peaks;
      this.draw();
    } catch { /* what can't be decoded can't be drawn; the player says so */ }
  },
  beforeUnmount() { this.forget(); this.sizes.disconnect(); },
  methods: {
    draw() {
      const canvas = this.$el, width = canvas.clientWidth, height = canvas.clientHeight;
      if (!this.peaks || !width) return;
      canvas.width = width * devicePixelRatio; canvas.height = height * devicePixelRatio;
      const pen = canvas.getContext("2d"), step = canvas.width / this.peaks.length, middle = canvas.height / 2;
      pen.fillStyle = token("accent");
      this.peaks.forEach(([low, high], place) => pen.fillRect(place * step, middle - high * middle, Math.max(1, step * 0.7), Math.max(1, (high - low) * middle)));
    },
  },
  render() { return h("canvas", { class: "tg-desk-wave", role: "img", "aria-label": "The shape of the recording" }); },
};
