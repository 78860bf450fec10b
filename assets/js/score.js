// The Score tab: what to score and with which plan on the left, how the scores spread on the right.
import { activeJobs, api, el, empty, fill, icon, island, on, openTab, param, problem, setParams, studio } from "./studio.js";
import { AgreementPanel } from "./score-agreement.js";
import { ComparisonPanel } from "./score-comparison.js";
import { drawExamples } from "./score-examples.js";
import { drawKeys, keyPicker } from "./score-keys.js";
import { RunPanel } from "./score-run.js";
import { spreadChart } from "./score-spread.js";

const LIVE_MS = 2500;
const KINDS = ["question", "answer"];

island("score", (node) => {
  const tab = new ScoreTab(node);
  const off = [
    on("dataset", () => tab.open()),
    on("tab", (id) => { if (id === "score") tab.open(); }),
    on("jobs", () => tab.jobsMoved()),
    on("job-end", (job) => tab.jobEnded(job)),
  ];
  tab.open();
  return () => off.forEach((f) => f());
});

class ScoreTab {
  constructor(node) {
    Object.assign(this, { node, asked: 0, overview: null, seen: null, drawnAt: 0, timer: 0, hadScores: false });
    this.rail = el("aside", { class: "rail score-rail stack", "aria-label": "Scoring run" });
    this.main = el("div", { class: "score-main stack" });
    this.run = new RunPanel(this.rail, { started: () => this.load() });
    this.head = el("div", { class: "row apart score-head" });
    this.charts = el("div", { class: "cols-2" });
    this.keys = el("section", { class: "card stack tight" });
    this.examples = el("section", { class: "stack", "aria-label": "Examples" });
    this.agreement = new AgreementPanel();
    this.comparison = new ComparisonPanel({ use: (precision, quantization) => this.run.choose(precision, quantization) });
    this.boxes = Object.fromEntries(KINDS.map((kind) => [kind, spreadChart(kind)]));
  }

  /** Draw for the open data set; asks the server only while this tab is the one a person looks at. */
  open() {
    if (!studio.ready || studio.tab !== "score") return;
    if (!studio.dataset) {
      this.seen = null;
      return fill(this.node, empty({ title: "There is nothing to score yet", text: "Bring a data set in first. Its questions and answers are scored here.", action: { label: "Go to Data", run: () => openTab("data") } }));
    }
    if (this.seen !== studio.dataset.id) {
      if (this.seen !== null) setParams({ question_key: null, answer_key: null, agree_first: null, agree_second: null });
      this.seen = studio.dataset.id;
      this.overview = null;
      fill(this.rail, el("div", { class: "skeleton score-skeleton" }));
      fill(this.main, el("div", { class: "skeleton score-skeleton" }));
      fill(this.node, el("div", { class: "with-rail score-columns" }, this.rail, this.main));
    }
    this.load();
  }

  jobsMoved() {
    if (studio.tab !== "score" || !studio.dataset) return;
    this.run.jobsMoved();
    this.comparison.jobsMoved();
    if (!activeJobs(["score"]).length || this.timer) return;
    const wait = Math.max(0, LIVE_MS - (Date.now() - this.drawnAt));
    this.timer = setTimeout(() => { this.timer = 0; if (studio.tab === "score") this.load({ live: true }); }, wait);
  }

  jobEnded(job) {
    if (job.kind === "compare_precision" && job.dataset_id === studio.dataset?.id && studio.tab === "score") this.comparison.load();
    if (job.kind !== "score" || job.dataset_id !== studio.dataset?.id) return;
    // A run may have made a new key: the newest is shown unless a person picked one for this page.
    if (studio.tab === "score") this.load();
  }

  async load({ live = false } = {}) {
    const turn = ++this.asked;
    const dataset = studio.dataset?.id;
    if (!dataset) return;
    let overview;
    try { overview = await api.get("/api/scores", { dataset }); } catch (error) { if (turn === this.asked) fill(this.main, problem(error)); return; }
    if (turn !== this.asked || dataset !== studio.dataset?.id) return;
    this.overview = overview;
    this.run.draw(overview);
    if (!live && !overview.model_missing) this.comparison.load();
    const scored = KINDS.some((kind) => overview.keys[kind].length);
    if (!scored) return this.drawEmpty();
    if (!this.main.contains(this.charts)) fill(this.main, this.head, this.charts, this.examples, this.keys, this.agreement.node, this.comparison.node);
    await this.drawScores(turn, dataset, live);
  }

  async drawScores(turn, dataset, live) {
    const wish = { dataset, question_key: this.known("question"), answer_key: this.known("answer") };
    try {
      const spread = await api.get("/api/scores/spread", wish);
      if (turn !== this.asked) return;
      this.drawnAt = Date.now();
      this.drawHead(spread);
      if (!this.charts.childElementCount) fill(this.charts, KINDS.map((kind) => this.boxes[kind].node));
      for (const kind of KINDS) this.boxes[kind].draw(spread[kind], { running: activeJobs(["score"]).length > 0 });
      drawKeys(this.keys, this.overview);
      this.agreement.draw(this.overview, { live });
      const type = param("score_type");
      const examples = await api.get("/api/scores/examples", { ...wish, type });
      if (turn === this.asked) drawExamples(this.examples, examples, { live, again: () => this.load() });
    } catch (error) { if (turn === this.asked) fill(this.examples, problem(error)); }
  }

  /** The key in the address, "" where it is none of this data set's: then the last used one counts. */
  known(kind) {
    const wanted = param(`${kind}_key`);
    return this.overview.keys[kind].some((key) => key.digest === wanted) ? wanted : "";
  }

  drawHead(spread) {
    const pickers = KINDS.map((kind) => keyPicker(kind, this.overview.keys[kind], spread[kind].key, (digest) => { setParams({ [`${kind}_key`]: digest }); this.load(); }));
    if (this.head.contains(document.activeElement) && document.activeElement.tagName === "SELECT") return; // a picker is open: leave it alone
    fill(this.head, el("h1", { text: "How the scores spread" }), el("div", { class: "row score-pickers" }, pickers));
  }

  drawEmpty() {
    const { overview } = this;
    const running = activeJobs(["score"]).length > 0;
    if (overview.model_missing) {
      return fill(this.main, empty({ icon: "info", title: "The embedded model is not on this machine yet",
        text: "Run make model once in the studio's folder: it fetches 110 MB, checks them and converts them. Then come back here.", action: { label: "Look again", run: () => this.load() } }));
    }
    fill(this.main, el("div", { class: "card" }, running
      ? empty({ icon: "jobs", title: "The first scores are on their way", text: "The histograms draw themselves here while the run goes on. Closing this page does not stop it." })
      : empty({ icon: "info", title: "Nothing is scored yet", text: "Check the plan on the left and start. You then see here how questions and answers spread in each instruction type, with the best, middle and worst of them. To choose a precision first, compare them below on a few records." })), this.comparison.node);
  }
}
