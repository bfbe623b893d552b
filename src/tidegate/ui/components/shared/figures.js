// Figures as people read them. A unit is a word of the house: "", "share", "s", "ms", "bytes", "/s", "rows", ...
const SMALL = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]];
const BYTES = ["B", "KB", "MB", "GB", "TB"];
const COUNTS = ["", "k", "M", "G", "T"];

function digits(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e6 || size < 1e-4) return value.toPrecision(3).replace(/\.?0+(e|$)/, "$1");
  const places = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : Math.min(5, 2 - Math.floor(Math.log10(size)));
  return value.toLocaleString("en-US", { maximumFractionDigits: places, minimumFractionDigits: 0 });
}

function scaled(value, base, names) {
  let step = 0;
  while (Math.abs(value) >= base * 0.9995 && step < names.length - 1) { value /= base; step += 1; }
  return [digits(Number(value.toPrecision(3))), names[step]];
}

// [number, unit] as two texts, so that a page can set the unit smaller.
export function figure(value, unit = "") {
  if (value === null || value === undefined) return ["–", ""];
  if (typeof value === "string") return [value, unit];
  if (unit === "share" || unit === "%") {
    const percent = value * 100;
    const places = Math.abs(percent) >= 99.95 || Math.abs(percent) === 0 ? 1 : Math.abs(percent) >= 10 ? 1 : Math.abs(percent) >= 0.1 ? 2 : 3;
    return [Number(percent.toFixed(places)).toString(), "%"];
  }
  if (unit === "s" || unit === "ms") {
    let seconds = unit === "ms" ? value / 1000 : value;
    const size = Math.abs(seconds);
    if (size >= 172800) return [digits(seconds / 86400), "d"];
    if (size >= 7200) return [digits(seconds / 3600), "h"];
    if (size >= 120) return [digits(seconds / 60), "min"];
    for (const [factor, name] of SMALL) if (size >= factor * 0.9995) return [digits(Number((seconds / factor).toPrecision(3))), name];
    return seconds === 0 ? ["0", unit] : [digits(seconds / 1e-6), "µs"];
  }
  if (unit === "bytes") return scaled(value, 1000, BYTES);
  if (unit === "rows" || unit === "count" || unit === "requests") {
    const [number, factor] = Math.abs(value) < 10000 ? [digits(value), ""] : scaled(value, 1000, COUNTS);
    return [number + factor, unit === "count" ? "" : unit];
  }
  if (unit === "/s" && Math.abs(value) >= 10000) { const [n, f] = scaled(value, 1000, COUNTS); return [n + f, "/s"]; }
  return [digits(value), unit];
}

export function figureText(value, unit = "") {
  const [number, name] = figure(value, unit);
  return name === "" ? number : name === "%" ? number + "%" : `${number} ${name}`;
}

// Seconds since the epoch -> "3 min ago"; null -> "".
export function ago(time, now = Date.now() / 1000) {
  if (time === null || time === undefined) return "";
  const past = now - time, size = Math.abs(past);
  const words = size < 5 ? "now" : size < 90 ? `${Math.round(size)} s` : size < 5400 ? `${Math.round(size / 60)} min`
    : size < 129600 ? `${Math.round(size / 3600)} h` : `${Math.round(size / 86400)} d`;
  return words === "now" ? words : past >= 0 ? `${words} ago` : `in ${words}`;
}

const FULL = new Intl.DateTimeFormat("en-GB", { year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const SHORT = new Intl.DateTimeFormat("en-GB", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const fullTime = (time) => `${FULL.format(time * 1000)} ${zone()}`;
export const shortTime = (time) => (Math.abs(Date.now() / 1000 - time) < 43200 ? CLOCK : SHORT).format(time * 1000);

export function zone() {
  const minutes = -new Date().getTimezoneOffset();
  const sign = minutes < 0 ? "−" : "+", size = Math.abs(minutes);
  const rest = size % 60 ? ":" + String(size % 60).padStart(2, "0") : "";
  return minutes === 0 ? "UTC" : `UTC${sign}${Math.floor(size / 60)}${rest}`;
}

// Ages on a page move on by themselves: one clock for all components.
export const clock = { now: null };
export function ticking(Vue) {
  if (clock.now === null) {
    clock.now = Vue.ref(Date.now() / 1000);
    setInterval(() => (clock.now.value = Date.now() / 1000), 5000);
  }
  return clock.now;
}
