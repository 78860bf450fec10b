// The Fine-tune tab: the form on the left; beside it the check before launch, runs with their curves, and the two models' answers.
import { activeJobs, api, el, empty, fill, fmt, island, jobList, on, openTab, problem, studio, toast } from "./studio.js";
import { AskPanel } from "./tune/ask.js";
import { TuneForm } from "./tune/form.js";
import { FineTunes } from "./tune/runs.js";

island("tune", (node) => {
  const tab = new TuneTab(node);
  const off = [
    on("dataset", () => tab.open()),
    on("tab", (id) => { if (id === "tune") tab.open(); }),
    on("jobs", () => tab.jobsMoved()),
    on("job-end", (job) => tab.jobEnded(job)),
  ];
  tab.open();
  return () => off.forEach((f) => f());
});

class TuneTab {
  constructor(node) {
    Object.assign(this, { node, asked: 0, seen: null, overview: null });
    this.rail = el("aside", { class: "rail stack", "aria-label": "New fine-tune" });
    this.jobs = el("div", { class: "job-list flush" });
    this.runs = el("div", { class: "stack" });
    this.questions = el("div", { class: "stack" });
    this.before = el("section", { class: "card stack tune-before", "aria-label": "Before launch", hidden: true });
    this.main = el("div", { class: "tune-main stack" }, this.jobs, this.before, this.runs, this.questions);
    this.form = new TuneForm(this.rail, this.before, { reload: () => this.load() });
    this.list = new FineTunes(this.runs, { reload: () => this.load() });
    this.ask = new AskPanel(this.questions);
    jobList(this.jobs, (job) => job.kind === "tune" && job.active && job.dataset_id === studio.dataset?.id, { title: "Fine-tune" });
  }

  open() {
    if (!studio.ready || studio.tab !== "tune") return;
    if (!studio.dataset) {
      this.seen = null;
      return fill(this.node, empty({ title: "There is nothing to train on yet", text: "Bring a data set in and choose what to keep. A fine-tune reads what the cuts keep, with its accepted rewrites.", icon: "folder", action: { label: "Go to Data", run: () => openTab("data") } }));
    }
    if (this.seen !== studio.dataset.id) {
      this.seen = studio.dataset.id;
      this.overview = null;
      this.form.reset();
      fill(this.node, el("div", { class: "with-rail tune-columns" }, this.rail, this.main));
    }
    this.load();
  }

  async load() {
    const turn = ++this.asked;
    const dataset = studio.dataset?.id;
    let overview, rows;
    try { [overview, rows] = await Promise.all([api.get("/api/runs/form", { dataset, base: this.form.base }), api.get("/api/runs")]); } catch (error) { if (turn === this.asked) fill(this.runs, problem(error)); return; }
    if (turn !== this.asked || dataset !== studio.dataset?.id) return;
    this.overview = overview;
    this.form.draw(overview);
    this.list.draw(rows);
    this.ask.draw(rows);
  }

  jobsMoved() {
    if (studio.tab !== "tune" || !this.overview) return;
    this.form.drawAction();
    const active = activeJobs(["tune"]);
    if (active.length) this.list.moved(active[0]);
  }

  jobEnded(job) {
    if (job.kind !== "tune" || job.dataset_id !== this.seen) return;
    if (job.state === "done") toast(`The fine-tune is finished${job.name ? `: ${job.name}` : ""}.`, { kind: "good", action: studio.tab === "tune" ? null : { label: "Show", run: () => openTab("tune") } });
    if (job.state === "failed") toast(`The fine-tune failed: ${job.error}`, { kind: "bad" });
    if (studio.tab === "tune") this.load();
  }
}

export const percentLess = (first, last) => (first ? `${last <= first ? "−" : "+"}${fmt.number((100 * Math.abs(last - first)) / first, 1)} %` : "");
