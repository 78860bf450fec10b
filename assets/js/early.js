// Runs before the first paint: the theme a person chose (or their system's) must not flash in late.
(() => {
  let wish = null;
  try {
    wish = localStorage.getItem("align2-theme");
  } catch {
    /* storage is off: follow the system */
  }
  const told = new URLSearchParams(location.search).get("__theme");
  if (told === "dark" || told === "light") wish = told;
  const dark = wish ? wish === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.classList.toggle("dark", dark);
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
})();
