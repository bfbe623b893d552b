// The theme's colours for what is drawn on a canvas, and word of a change of theme.
export const ROLES = ["stable", "canary", "shadow", "human"];
const LINES = { stable: "solid", canary: [7, 4], shadow: [2, 3], human: [9, 3, 2, 3] };
const OTHERS = ["stable-fill", "canary-fill", "human-fill", "shadow-fill", "accent", "firing", "ink-3", "warning"];

export function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--tg-${name}`).trim();
}

// A line's colour and dash by its tone; without one, by its place among its fellows.
export function ink(tone, place = 0) {
  if (ROLES.includes(tone)) return { color: token(tone), dash: LINES[tone] };
  if (tone) return { color: token(tone) || token("accent"), dash: tone === "muted" ? [3, 3] : "solid" };
  return { color: token(OTHERS[place % OTHERS.length]), dash: place < 4 ? "solid" : [6, 3] };
}

export function onTheme(draw) {
  window.addEventListener("tidegate-theme", draw);
  return () => window.removeEventListener("tidegate-theme", draw);
}
