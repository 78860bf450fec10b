// The shared core: import from here. Each name is documented where it is defined.
import { bind } from "./keys.js";
import { emit, on, param, setParams, studio, watchPage } from "./state.js";

export { api, ApiError, answer, personName, setPersonName, url } from "./api.js";
export { add, debounce, el, fill, icon } from "./dom.js";
export * as fmt from "./format.js";
export { island } from "./islands.js";
export { bind, pushKeys, toggleKeyHelp } from "./keys.js";
export { confirm, empty, jobList, jobName, jobRow, jobState, meter, problem, stopJob, tell, toast } from "./parts.js";
export { chart, loadPlotly, themeColors, themeLayout } from "./charts.js";
export { openRecord, photo } from "./viewer.js";
export { activeJobs, emit, on, openDataset, param, refresh, setParams, studio } from "./state.js";

// --- theme: the choice outlives the page; Gradio puts its own class on the body, ours wins.
const dark = () => document.documentElement.classList.contains("dark");
function applyTheme() {
  if (document.body.classList.contains("dark") !== dark()) document.body.classList.toggle("dark", dark());
}
export const isDark = dark;
export function toggleTheme() {
  const now = !dark();
  document.documentElement.classList.toggle("dark", now);
  document.documentElement.style.colorScheme = now ? "dark" : "light";
  applyTheme();
  try {
    localStorage.setItem("align2-theme", now ? "dark" : "light");
  } catch {
    /* storage is off: the choice lasts for this page */
  }
  emit("theme", now);
}
applyTheme();
new MutationObserver(applyTheme).observe(document.body, { attributes: true, attributeFilter: ["class"] });

// --- tabs: Gradio draws them; the address remembers which one is open.
const tabButton = (id) => document.getElementById(`tab-${id}-button`);

/** Open a tab by its id ("data", "score", …). */
export function openTab(id) {
  tabButton(id)?.click();
}
function noteTab(button) {
  const id = button.id.replace(/^tab-/, "").replace(/-button$/, "");
  if (studio.tab === id) return;
  studio.tab = id;
  setParams({ tab: id });
  emit("tab", id);
}
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("#road [role=tab]");
  if (button) noteTab(button);
});
function restoreTab() {
  const wanted = param("tab");
  const buttons = [...document.querySelectorAll("#road [role=tab]")];
  if (!buttons.length) return false;
  const button = wanted && tabButton(wanted);
  if (button && button.getAttribute("aria-selected") !== "true") {
    button.click();
    emit("tab", wanted);
  }
  if (!button && wanted) {
    studio.tab = "data";
    setParams({ tab: null });
  }
  document.documentElement.classList.add("road-ready");
  return true;
}
const waitForTabs = new MutationObserver(() => {
  if (restoreTab()) waitForTabs.disconnect();
});
if (!restoreTab()) waitForTabs.observe(document.documentElement, { childList: true, subtree: true });

const tabIds = () => [...document.querySelectorAll("#road [role=tab]")].map((b) => b.id.replace(/^tab-/, "").replace(/-button$/, ""));
for (let i = 0; i < 7; i++)
  bind("*", String(i + 1), ["Data", "Score", "Select", "Rewrite", "Teach", "Export", "Fine-tune"][i], () => {
    const id = tabIds()[i];
    if (id) openTab(id);
  });
bind("*", "t", "Light or dark", toggleTheme);

on("job-end", () => emit("refresh-funnel"));
watchPage();
