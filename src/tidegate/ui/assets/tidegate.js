// Before the first paint: the theme. After it: keys. "g" and a letter goes to a page, "/" to the search, "j" to the first row of the
// page (the table walks on from there), "t" changes the theme, "?" tells.
(function () {
  const root = document.documentElement, dark = window.matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("tidegate-theme"); } catch { return null; } };
  const apply = () => {
    root.dataset.theme = stored() || (dark.matches ? "dark" : "light");
    window.dispatchEvent(new Event("tidegate-theme"));
  };
  apply();
  dark.addEventListener("change", apply);
  window.tidegate = {
    theme() {
      try { localStorage.setItem("tidegate-theme", root.dataset.theme === "dark" ? "light" : "dark"); } catch { /* a private window */ }
      apply();
    },
  };

  const pages = { o: "/", r: "/rollouts", a: "/alarms", n: "/monitors", d: "/drift", p: "/review", l: "/log", m: "/models", s: "/settings" };
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
    if (going && Date.now() - going < 1200 && pages[event.key]) { going = 0; window.location.assign(pages[event.key]); return; }
    going = 0;
    if (event.key === "g") going = Date.now();
    else if (event.key === "t") window.tidegate.theme();
    else if (event.key === "/") { const search = document.querySelector("input[type=search]"); if (search) { search.focus(); event.preventDefault(); } }
    else if (event.key === "j" && !event.target.closest("tr")) { const row = document.querySelector("tr.tg-go"); if (row) { row.focus(); event.preventDefault(); } }
    else if (event.key === "?") document.getElementById("tg-keys")?.showModal();
  });
})();
