// The Train room: what there is to learn from, the form and its check, and the trainings with their curves.
import { activeJobs, api, el, fill, jobList, on, openTab, param, problem, studio, toast } from "../studio.js";
import { teachKind } from "./kind.js";
import { TeachForm } from "./train/form.js";
import { Trainings } from "./train/runs.js";
import { SourceTable } from "./train/sources.js";

export const room = { id: "train", title: "Train", hint: "Teach a scorer from the ratings.", mount };

function mount(node) {
  const train = new TrainRoom(node);
  on("jobs", () => train.jobsMoved());
  on("job-end", (job) => train.jobEnded(job));
  return { open: () => train.open(), close: () => train.close() };
}

class TrainRoom {
  constructor(node) {
    Object.assign(this, { node, asked: 0, seen: null, shown: false, overview: null });
    this.rail = el("aside", { class: "rail stack", "aria-label": "New training" });
    this.jobs = el("div", { class: "job-list flush" });
    this.ground = el("section", { class: "card stack tight train-ground", "aria-label": "What there is to learn from" });
    this.before = el("section", { class: "card stack tune-before", "aria-label": "Before launch", hidden: true });
    this.runs = el("div", { class: "stack" });
    this.main = el("div", { class: "tune-main stack" }, this.jobs, this.ground, this.before, this.runs);
    this.form = new TeachForm(this.rail, this.before, { reload: () => this.load() });
    this.sources = new SourceTable(this.ground, this.form);
    this.list = new Trainings(this.runs, { reload: () => this.load() });
    jobList(this.jobs, (job) => job.kind === "teach" && job.active, { title: "Training" });
  }

  open() {
    this.shown = true;
    if (this.seen !== studio.dataset?.id) {
      this.seen = studio.dataset?.id;
      this.overview = null;
      this.form.reset();
      fill(this.node, el("div", { class: "with-rail tune-columns train-room" }, this.rail, this.main));
    }
    this.looking = Boolean(param("training"));
    this.form.take(teachKind());
    this.load();
  }

  close() {
    this.shown = false;
  }

  async load() {
    const turn = ++this.asked;
    const dataset = this.seen;
    let overview, rows;
    try { [overview, rows] = await Promise.all([api.get("/api/lessons/form", { dataset, kind: this.form.judged, base: this.form.base, everywhere: this.form.everywhere || null }), api.get("/api/lessons")]); } catch (error) { if (turn === this.asked) fill(this.runs, problem(error)); return; }
    if (turn !== this.asked || dataset !== studio.dataset?.id) return;
    this.overview = overview;
    this.form.draw(overview);
    this.sources.draw(overview);
    this.list.draw(rows);
    this.arrange();
  }

  /** A training at work, one just finished, or one the address names stands first; what the next one would learn from comes below it. */
  arrange() {
    this.main.classList.toggle("runs-first", this.looking || activeJobs(["teach"], { all: true }).length > 0);
  }

  get visible() {
    return this.shown && studio.tab === "teach" && this.overview;
  }

  jobsMoved() {
    if (!this.visible) return;
    this.form.drawAction();
    this.arrange();
    const active = activeJobs(["teach"], { all: true });
    if (active.length) this.list.moved(active[0]);
  }

  jobEnded(job) {
    if (job.kind !== "teach") return;
    if (this.visible) this.looking = true;
    if (job.state === "done") toast(`The training is finished${job.name ? `: ${job.name}` : ""}.`, { kind: "good", action: this.visible ? null : { label: "Show", run: () => openTab("teach") } });
    if (job.state === "failed") toast(`The training failed: ${job.error}`, { kind: "bad", hint: job.hint });
    if (this.visible) this.load();
  }
}
