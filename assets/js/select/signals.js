// The signals of the data set: what each tells, what it costs, running it, and what it gave.
import { api, el, empty, fill, fmt, icon, jobRow, on, problem, refresh, studio, tell } from "../studio.js";
import { desk } from "./desk.js";
import { latest, openSheet } from "./sheet.js";

const KINDS = ["signal", "signal_model", "index"];
const STATES = { missing: ["", "not measured"], stale: ["warn", "out of date"], ready: ["good", "measured"], queued: ["running", "waiting"], running: ["running", "at work"] };
const LANES = { text: "reads the texts", images: "looks at the pictures", model: "runs a model" };

/** Ask for a run. True when it was queued; what stands in the way is told. */
export async function runSignal(signal) {
  try {
    await api.post("/api/signals/run", { dataset: desk.id, signal });
    refresh();
    return true;
  } catch (error) { tell(error); return false; }
}

/** Open the sheet; `focus` is the name of the signal to stand out. */
export function openSignals({ focus = "" } = {}) {
  const stops = [];
  const sheet = openSheet("Signals", { name: "signals-sheet", lead: "Each measures every record once and gives columns to filter, sort and draw by. A run goes on when the page is closed.", closed: () => stops.forEach((stop) => stop()) });
  const answerOf = latest();
  const list = el("div", { class: "signal-list" });
  const rows = new Map(); // signal name → its job's row, so that progress moves without drawing all anew
  let known = null;
  fill(sheet.body, list);
  fill(list, el("p", { class: "quiet", text: "Timing a small sample of each …" }));

  function one(signal) {
    const [tone, word] = STATES[signal.state] ?? ["", signal.state];
    const busy = ["queued", "running"].includes(signal.state);
    const job = signal.job ? jobRow(studio.jobs.find((now) => now.id === signal.job.id) ?? signal.job, { title: signal.state === "queued" ? "Waiting for its turn" : "At work" }) : null;
    if (job) rows.set(signal.job.id, job);
    const again = signal.state === "ready" ? "Run again" : signal.goes_on ? "Go on" : "Run";
    const blocked = signal.blocked ? el("p", { class: "warn-text small-text", text: signal.blocked }) : null;
    const failed = signal.failure ? el("div", { class: "signal-failure" }, icon("warn"), el("div", {}, el("p", { text: signal.failure.error || "The last run failed." }), signal.failure.hint ? el("p", { class: "quiet", text: signal.failure.hint }) : null)) : null;
    const made = signal.made_at ? `${fmt.when(signal.made_at)}${signal.took >= 1 ? `, took ${fmt.duration(signal.took)}` : ""}` : "";
    return el("article", { class: `signal ${signal.name === focus ? "wanted" : ""}`, data: { signal: signal.name, state: signal.state } },
      el("div", { class: "signal-text" },
        el("div", { class: "row" }, el("h3", { text: signal.label }), el("span", { class: `chip ${tone}`, text: word }), signal.automatic ? el("span", { class: "quiet small-text", text: "made after each import" }) : null),
        el("p", { text: signal.help }),
        el("p", { class: "quiet small-text" }, signal.columns.map((column) => el("span", { class: "signal-column", title: column.help, text: column.label }))),
        signal.note ? el("p", { class: "quiet small-text", text: signal.note }) : null, blocked, failed, job?.node ?? null),
      el("div", { class: "signal-run" }, el("div", { class: "row nowrap" },
        el("p", { class: "num signal-cost", title: signal.cost }, el("b", { text: signal.cost.split(";")[0] }), el("span", { class: "quiet", text: LANES[signal.needs] })),
        busy ? null : el("button", { type: "button", class: "btn small", disabled: Boolean(signal.blocked), "aria-label": `${again}: ${signal.label}`, text: again, on: { click: async (event) => { event.target.disabled = true; await runSignal(signal.name); read(); } } })),
        made ? el("p", { class: "quiet small-text num", text: made }) : null));
  }
  function draw() {
    rows.clear();
    fill(list, known.signals.length ? known.signals.map(one) : empty({ title: "No signals here", text: "This studio has none to run." }));
    list.querySelector(".signal.wanted")?.scrollIntoView({ block: "nearest" });
  }
  const read = () => answerOf(() => api.get("/api/signals", { dataset: desk.id }), (answer) => { if (sheet.alive()) { known = answer; draw(); } }, (error) => fill(list, problem(error)));
  const mine = (job) => KINDS.includes(job.kind) && job.dataset_id === desk.id;
  let before = "";
  stops.push(
    on("jobs", () => {
      const active = studio.jobs.filter(mine);
      for (const job of active) rows.get(job.id)?.update(job);
      const now = active.map((job) => `${job.id} ${job.state}`).join();
      if (now !== before) { before = now; read(); }
    }),
    on("job-end", (job) => { if (mine(job)) read(); }), on("dataset", () => sheet.close()));
  read();
}
