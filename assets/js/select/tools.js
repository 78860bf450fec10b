// The tools beside the toolbar: solver, variety, comparison, signals, map, report. Each is a sheet of its own.
import { bind, el, tell } from "../studio.js";
import { compareSelections } from "./compare.js";
import { desk } from "./desk.js";
import { openMap } from "./map.js";
import { openReport } from "./report.js";
import { openSignals } from "./signals.js";
import { openSolver } from "./solver.js";
import { openVariety } from "./variety.js";

/** needs "scores": the tool has nothing to work on before the first score. */
const TOOLS = [
  { id: "solve", label: "Solve…", key: "w", title: "Find the cuts for a number of records", needs: "scores", open: openSolver },
  { id: "variety", label: "Variety…", key: "y", title: "Caps per image and cluster, and a varied choice", needs: "scores", open: openVariety },
  { id: "compare", label: "Compare…", key: "e", title: "Compare two selections", needs: "scores", open: () => compareSelections() },
  { id: "signals", label: "Signals…", key: "l", title: "Measure more of every record", needs: "", open: () => openSignals() },
  { id: "map", label: "Map…", key: "m", title: "Like records near each other", needs: "", open: openMap },
  { id: "report", label: "Report…", key: "o", title: "The selection as a file for a colleague", needs: "", open: openReport },
];

const usable = (tool) => desk.loaded && (tool.needs !== "scores" || Boolean(desk.axes.question || desk.axes.answer));

/** → a node with the buttons. */
export function tools() {
  return el("div", { class: "tools-line", role: "group", "aria-label": "Tools" }, TOOLS.map((tool) => el("button", { type: "button", class: "btn small plain", disabled: !usable(tool), data: { tool: tool.id },
    title: usable(tool) ? `${tool.title} (${tool.key.toUpperCase()})` : `${tool.title}: needs scores first`, text: tool.label, on: { click: () => start(tool) } })));
}

async function start(tool) {
  if (!usable(tool)) return;
  try { await tool.open(); } catch (error) { tell(error); }
}

for (const tool of TOOLS) bind("select", tool.key, tool.title, () => start(tool));

// Other parts of the tab name a signal that they need; the event stops at the document, so it is caught on its way there.
addEventListener("align2:signals", (event) => { if (desk.loaded && !document.querySelector("dialog.signals-sheet[open]")) openSignals({ focus: event.detail?.signal ?? "" }); }, true);
