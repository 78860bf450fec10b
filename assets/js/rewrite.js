// The Rewrite tab: start panel at the left; beside it the workbench, what came of the run, and a box to try any text.
import { activeJobs, api, el, empty, fill, icon, island, on, openTab, param, problem, setParams, studio } from "./studio.js";
import { Bench } from "./rewrite/bench.js";
import { LiveBox } from "./rewrite/live.js";
import { RunPanel } from "./rewrite/run.js";
import { Summary } from "./rewrite/summary.js";

const VIEWS = [["bench", "Workbench"], ["came", "What came of it"], ["try", "Try a text"]];
const RELOAD_MS = 4000;

island("rewrite", (node) => {
  const rail = el("div", { class: "rail stack" });
  const seg = el("div", { class: "seg", role: "group", "aria-label": "View" });
  const picker = el("div", { class: "rw-key" });
  const bodies = Object.fromEntries(VIEWS.map(([id]) => [id, el("div", { class: "stack rw-view", data: { view: id } })]));
  const main = el("div", { class: "stack rw-main" }, el("div", { class: "row apart rw-head" }, seg, picker), Object.values(bodies));
  const frame = el("div", { class: "with-rail rw-columns" }, rail, main);
  fill(node, frame);

  const bench = new Bench(bodies.bench, { changed: () => load({ quiet: true }) });
  const summary = new Summary(bodies.came);
  const live = new LiveBox(bodies.try);
  const panel = new RunPanel(rail, { started: () => load() });
  let overview = null, last = 0, stale = true, asked = 0;

  const view = () => (VIEWS.some(([id]) => id === param("rw_view")) ? param("rw_view") : "bench");
  const show = () => {
    fill(seg, VIEWS.map(([id, label]) => el("button", { type: "button", "aria-pressed": String(id === view()), on: { click: () => { setParams({ rw_view: id === "bench" ? null : id }); show(); } } }, label)));
    for (const [id, body] of Object.entries(bodies)) body.hidden = id !== view();
    picker.hidden = view() === "try" || (overview?.keys.length ?? 0) < 2;
    bench.shown = view() === "bench";
    if (view() === "came") summary.drawCharts();
  };
  const drawKeys = () => {
    const keys = overview.keys;
    if (keys.length < 2) return fill(picker);
    const select = el("select", { class: "select", "aria-label": "Which run", on: { change: () => { setParams({ rw_key: select.value === keys[0].key ? null : select.value, rw_id: null }); load(); } } },
      keys.map(({ key, texts }, i) => el("option", { value: key, text: `${i ? "" : "Latest: "}${key} (${texts})`, selected: key === (param("rw_key") || keys[0].key) })));
    fill(picker, el("span", { class: "picker" }, select, icon("down")));
  };

  async function load({ quiet = false } = {}) {
    if (studio.tab !== "rewrite" || !studio.ready) { stale = true; return; }
    stale = false;
    last = Date.now();
    const turn = ++asked;
    if (!studio.dataset) {
      frame.classList.remove("with-rail");
      rail.hidden = true;
      return fill(main, empty({ title: "No data set is open", text: "Bring one in first; what is kept of it is rewritten here.", icon: "folder", action: { label: "Go to Data", run: () => openTab("data") } }));
    }
    if (rail.hidden) { rail.hidden = false; frame.classList.add("with-rail"); fill(main, el("div", { class: "row apart rw-head" }, seg, picker), Object.values(bodies)); }
    const dataset = studio.dataset.id;
    try {
      overview = await api.get("/api/rewrites", { dataset });
      const key = overview.keys.some((k) => k.key === param("rw_key")) ? param("rw_key") : "";
      const [queue, sums] = await Promise.all([bench.load(dataset, key, { quiet }), api.get("/api/rewrites/summary", { dataset, key })]);
      if (turn !== asked) return;
      panel.draw(overview);
      drawKeys();
      live.draw(overview);
      bench.draw(queue, overview);
      summary.draw(sums, overview);
      show();
    } catch (error) {
      if (turn === asked) fill(bodies.bench, problem(error));
    }
  }

  const stops = [
    on("dataset", () => { setParams({ rw_key: null, rw_id: null }); panel.reset(); load(); }),
    on("tab", (tab) => { if (tab === "rewrite" && (stale || Date.now() - last > RELOAD_MS)) load(); }),
    on("jobs", () => { panel.jobsMoved(); if (activeJobs(["rewrite"]).length && Date.now() - last > RELOAD_MS) load({ quiet: true }); }),
    on("job-end", (job) => { if (["rewrite", "score", "import"].includes(job.kind) && job.dataset_id === studio.dataset?.id) { panel.reset(); load({ quiet: job.kind === "rewrite" }); } }),
  ];
  show();
  if (studio.ready) load();
  return () => { stops.forEach((f) => f()); bench.stop(); panel.stop(); };
});
