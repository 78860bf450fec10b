// The room where a candidate scorer is seen beside the present one before anybody adopts it: choose, cost, report, verdict.
import { activeJobs, api, el, emit, empty, fill, fmt, icon, jobList, on, param, problem, refresh, setParams, studio, tell } from "../studio.js";
import { chooseKind, otherKind, teachKind, toldKind } from "./kind.js";
import { Candidates } from "./trial/candidates.js";
import { Report } from "./trial/report.js";
import { Verdicts } from "./trial/verdicts.js";

export const room = { id: "trial", title: "Try a scorer", hint: "What a taught scorer would change, before you adopt it.", mount };

const KINDS = ["question", "answer"];
const SAMPLES = [64, 256, 1024, 8192];
const ASK_AGAIN_MS = 500;

function mount(node) {
  const trial = new TrialRoom(node);
  on("job-end", (job) => trial.jobEnded(job));
  on("jobs", () => trial.jobsMoved());
  return { open: () => trial.open(), close: () => { trial.shown = false; } };
}

class TrialRoom {
  constructor(node) {
    Object.assign(this, { node, shown: false, overview: null, asked: 0, costAsked: 0, sample: null, cost: null });
    this.list = el("section", { class: "card stack tight tr-list", "aria-label": "Scorers" });
    this.costBox = el("section", { class: "card stack tight tr-cost", "aria-label": "Before the trial", "aria-live": "polite" });
    this.jobs = el("div", { class: "job-list flush" });
    this.main = el("div", { class: "stack tr-main" });
    this.decide = el("div", {});
    this.history = el("section", { class: "card stack tight", "aria-label": "What people decided" });
    this.report = new Report();
    this.verdicts = new Verdicts(this.decide, this.history, { changed: () => this.load() });
    this.candidates = new Candidates(this.list, { pick: (kind, reference) => this.pick(kind, reference) });
    jobList(this.jobs, (job) => job.kind === "trial" && job.active && job.dataset_id === studio.dataset?.id, { title: "Trial" });
    this.columns = el("div", { class: "with-rail tr-columns" }, el("aside", { class: "rail stack", "aria-label": "Candidates" }, this.list, this.costBox), el("div", { class: "stack tr-main" }, this.jobs, this.main, this.decide, this.history));
  }

  open() {
    this.shown = true;
    if (!this.columns.isConnected) fill(this.node, this.columns);
    if (this.dataset !== studio.dataset?.id) Object.assign(this, { dataset: studio.dataset?.id, overview: null, sample: null, drawn: "" });
    this.load();
  }

  async load() {
    const turn = ++this.asked;
    try {
      const found = await api.get("/api/trials", { dataset: this.dataset });
      if (turn !== this.asked) return;
      this.overview = found;
    } catch (error) {
      if (turn === this.asked) fill(this.main, problem(error));
      return;
    }
    this.draw();
  }

  /** The kind and candidate of the address where the list has them (also one that was just adopted); else the newest nobody has decided on. */
  get chosen() {
    const { scorers } = this.overview;
    const kind = toldKind() ?? KINDS.find((one) => scorers[one].some((row) => row.standing === "undecided")) ?? teachKind();
    const able = scorers[kind].filter((row) => row.standing !== "present");
    return { kind, row: scorers[kind].find((row) => row.reference === param("trial_candidate")) ?? able.find((row) => row.standing === "undecided") ?? able[0] ?? null };
  }

  pick(kind, reference) {
    if (kind !== toldKind()) chooseKind(kind);
    setParams({ trial_candidate: reference });
    this.draw();
  }

  draw() {
    const { kind, row } = this.chosen;
    this.candidates.draw(this.overview, kind, row);
    this.verdicts.drawHistory(this.overview.verdicts);
    if (!row) {
      this.costBox.hidden = true;
      fill(this.decide);
      const beside = otherKind(kind), waiting = this.overview.scorers[beside].filter((one) => one.standing === "undecided").length;
      if (waiting) return fill(this.main, el("div", { class: "card" }, empty({ icon: "info", title: `No other ${kind} scorer yet`, text: `${fmt.plural(waiting, `${beside} scorer`)} ${waiting === 1 ? "waits" : "wait"} to be tried.`, action: { label: beside === "question" ? "Show questions" : "Show answers", run: () => this.pick(beside, null) } })));
      return fill(this.main, el("div", { class: "card" }, empty({ icon: "info", title: `No other ${kind} scorer yet`, text: "Teach one from your ratings; it then waits here to be tried. An adapter in the authors' layout is tried on the command line first: python -m pipeline trial NAME --candidate DIR --kind KIND.", action: { label: "Go to Train", run: () => emit("teach-room", "train") } })));
    }
    setParams({ teach_kind: kind, trial_candidate: row.reference }); // a verdict must not make the page jump to another one
    if (row.standing === "present") this.drawPresent(row);
    else this.askCost(kind, row);
    this.drawReport(kind, row);
  }

  drawPresent(row) {
    this.costAsked += 1;
    this.costBox.hidden = false;
    fill(this.costBox, el("p", { class: "small-text" }, el("b", { text: row.name }), " is the present scorer: scoring uses it. Choose another one to try it beside this one."));
  }

  get running() { return activeJobs(["trial"]).length > 0; }

  async askCost(kind, row) {
    const turn = ++this.costAsked;
    this.costBox.hidden = false;
    if (row.problem) return fill(this.costBox, problem({ message: `${row.name} can't be tried`, hint: row.problem }));
    if (this.running) return this.drawCost(null);
    const wish = { dataset: this.dataset, kind, candidate: row.reference, ...(this.sample ? { sample: this.sample } : {}) };
    if (!this.cost || this.cost.about !== JSON.stringify(wish)) fill(this.costBox, el("h3", { text: "Before the trial" }), el("p", { class: "quiet small-text", text: "Looking at this machine …" }));
    try {
      let found;
      while ((found = await api.post("/api/trials/plan", wish)).state === "measuring") {
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
        if (turn !== this.costAsked || !this.shown) return;
      }
      if (turn !== this.costAsked) return;
      this.cost = { ...found, about: JSON.stringify(wish), wish };
      this.drawCost(this.cost);
    } catch (error) {
      if (turn === this.costAsked) fill(this.costBox, el("h3", { text: "Before the trial" }), problem(error));
    }
  }

  drawCost(cost) {
    if (!cost) return fill(this.costBox, el("p", { class: "quiet small-text", text: "A trial is running. Closing this page does not stop it; what is scored is kept." }));
    const records = this.overview.dataset.records;
    const select = el("select", { class: "select small-select", "aria-label": "Records", on: { change: () => { this.sample = Number(select.value) || null; this.draw(); } } },
      [[0, `All ${fmt.int(records)}`], ...SAMPLES.filter((n) => n < records).map((n) => [n, `${fmt.int(n)}, evenly over the file`])].map(([value, text]) => el("option", { value, text, selected: value === (this.sample ?? 0) })));
    const fact = (name, value, title = "") => [el("dt", { text: name }), el("dd", { class: "num", title }, value)];
    fill(this.costBox, el("h3", { text: "Before the trial" }),
      el("label", { class: "field" }, el("span", { text: "Records" }), el("span", { class: "picker" }, select, icon("down"))),
      el("dl", { class: "facts" },
        fact("To score", cost.texts ? `${fmt.plural(cost.texts, "text")}` : "nothing: all is stored", `${fmt.int(cost.data_texts)} of the data set, ${fmt.int(cost.rated_texts)} rated ones; stored scores are reused`),
        fact("Time", cost.texts ? `about ${fmt.duration(Math.max(1, cost.seconds))}` : "a moment", cost.seconds_from),
        fact("Runs on", `${cost.device === "cuda" ? "GPU" : "CPU"}, ${cost.precision}${cost.quantization === "none" ? "" : `, ${cost.quantization}`}`),
        fact("New pairs", `${fmt.int(cost.pairs)} on ${fmt.plural(cost.images, "image")}`, `${fmt.plural(cost.trained_on, "more pair")} left out: one of the two was trained on them`)),
      cost.pairs < 20 ? el("p", { class: "small-text warn-text", text: `Fewer than 20 pairs are new to both: accuracy will tell nothing. Rate more, then try again.` }) : null,
      el("button", { class: "btn primary wide-btn tr-go", on: { click: (event) => this.start(event.currentTarget) }, text: cost.texts ? "Try it" : "Compare again" }),
      el("p", { class: "small-text quiet", text: "Scores both on the same texts and changes nothing else." }));
  }

  async start(button) {
    button.disabled = true;
    try { await api.post("/api/trials", this.cost.wish); await refresh(); await this.load(); } catch (error) { button.disabled = false; tell(error); }
  }

  async drawReport(kind, row) {
    const rows = this.overview.trials.filter((one) => one.trial_kind === kind && one.candidate === row.reference);
    const done = rows.find((one) => one.state === "done");
    const last = rows[0];
    const signature = JSON.stringify([this.dataset, kind, row.reference, row.revision, row.standing, done?.id, last?.id, last?.state, this.overview.verdicts[0]?.id]);
    if (signature === this.drawn) return;
    this.drawn = signature;
    const note = last && !last.active && last.id !== done?.id ? (last.state === "failed" ? problem({ message: `The last trial failed: ${last.error}`, hint: last.hint }) : el("p", { class: "quiet small-text", text: "The last trial was stopped. What it scored is kept: trying again goes on from there." })) : null;
    if (!done) {
      fill(this.decide);
      if (row.standing === "present") return fill(this.main, note, el("div", { class: "card" }, empty({ icon: "info", title: `${row.name} is what scoring uses`, text: "Choose another scorer on the left: it is tried beside this one on the same texts. How far this one can be trusted is told in the Trust room.", action: { label: "Go to Trust", run: () => emit("teach-room", "trust") } })));
      return fill(this.main, note, el("div", { class: "card" }, empty({ icon: "info", title: last?.active ? "The report draws itself when the trial is done" : `${row.name} has not been tried on this data set`,
        text: "You then see how often each scorer orders new pairs as people did, how many records would change sides at your cut, and which rise and fall. Then you adopt it, keep both, or discard it." })));
    }
    try {
      const found = await api.get(`/api/trials/${done.id}`);
      if (this.drawn !== signature) return;
      fill(this.main, note, this.report.node);
      this.report.draw(found, this.dataset);
      this.verdicts.drawDecide(row, found, this.overview.scorers[kind].find((one) => one.standing === "present"));
    } catch (error) {
      this.drawn = "";
      fill(this.main, note, problem(error));
    }
  }

  jobsMoved() {
    if (!this.shown || !this.overview || studio.tab !== "teach" || this.wasRunning === this.running) return;
    this.wasRunning = this.running;
    this.draw();
  }

  jobEnded(job) {
    if (this.shown && ["trial", "teach"].includes(job.kind)) { this.drawn = ""; this.load(); }
  }
}
