// Precision and quantization on this machine: start a comparison on a sample, watch it, read the table and the advice.
import { activeJobs, api, el, fill, fmt, jobList, problem, refresh, studio, tell } from "./studio.js";

const KIND = "compare_precision";
const KIND_NAMES = { question: "questions", answer: "answers" };

/** A section for the Score tab. `use(precision, quantization)` takes a variant over into the run's settings. */
export class ComparisonPanel {
  constructor({ use }) {
    Object.assign(this, { use, asked: 0, dataset: 0, drawn: "" });
    this.node = el("section", { class: "card stack comparison", "aria-label": "Precision and quantization on this machine" });
    this.action = el("div", { class: "row nowrap" });
    this.jobs = el("div", { class: "job-list flush" });
    this.table = el("div", { class: "stack tight" });
    this.stopJobs = jobList(this.jobs, (job) => job.kind === KIND && job.active && job.dataset_id === studio.dataset?.id, { title: "Comparing precisions" });
    fill(this.node, el("div", { class: "row apart" }, el("h2", { text: "Precision and quantization on this machine" }), this.action),
      el("p", { class: "small-text quiet", text: "Scores one sample with each variant, one model in memory at a time, and compares speed, memory and ranking. Its numbers are not kept as scores of the data set." }), this.jobs, this.table);
  }

  async load() {
    const turn = ++this.asked;
    const dataset = studio.dataset?.id;
    if (!dataset) return;
    try {
      const found = await api.get("/api/comparisons", { dataset });
      if (turn !== this.asked) return;
      if (this.dataset !== dataset) { this.dataset = dataset; this.drawn = ""; fill(this.action); fill(this.table); }
      this.found = found;
      this.drawAction();
      this.drawResult(found);
    } catch (error) { if (turn === this.asked) fill(this.table, problem(error)); }
  }

  jobsMoved() { if (this.found) this.drawAction(); }

  drawAction() {
    const running = activeJobs([KIND]).length > 0;
    const { sample } = this.found;
    if (!this.size?.isConnected) {
      this.size = el("input", { class: "input sample-size num", type: "number", min: sample.least, max: sample.most, step: 1, value: sample.usual, "aria-label": "Records of the sample" });
      this.button = el("button", { class: "btn", on: { click: () => this.start() } });
      fill(this.action, el("label", { class: "row nowrap small-text" }, "Sample", this.size, el("span", { class: "quiet", text: `of ${fmt.int(this.found.records)} records` })), this.button);
    }
    this.size.disabled = running;
    this.button.disabled = running;
    this.button.textContent = running ? "Comparing …" : this.found.result ? "Compare again" : "Compare";
  }

  async start() {
    this.button.disabled = true;
    try { await api.post("/api/comparisons", { dataset: studio.dataset.id, sample: Number(this.size.value) }); await refresh(); } catch (error) { tell(error); }
    await this.load();
  }

  drawResult({ job, result }) {
    const signature = JSON.stringify([job?.id, job?.state, result?.job]);
    if (signature === this.drawn) return;
    this.drawn = signature;
    const ended = job && !job.active && job.id !== result?.job;
    fill(this.table,
      ended && job.state === "failed" ? problem({ message: `The last comparison failed: ${job.error}`, hint: job.hint }) : ended && job.state === "cancelled" ? el("p", { class: "small-text quiet", text: "The last comparison was stopped before its first variant was done." }) : null,
      result ? this.resultTable(result) : job?.active || ended ? null : el("p", { class: "quiet", text: "Not compared yet. With 64 records it takes a minute or two on a CPU with the embedded model." }));
  }

  resultTable(result) {
    const kinds = result.kinds;
    const each = (row, show, title) => kinds.map((kind) => el("div", { title: title?.(row.kinds[kind], kind) ?? "" }, show(row.kinds[kind])));
    const share = Math.round(100 * result.share);
    const head = [["Variant", ""], ["Records / s", ""], ["×", `Records a second ÷ those of ${result.reference}`], ["Memory", `Peak of weights and working space, measured; in brackets as planned. The program itself takes about ${fmt.number(result.runtime_gib, 1)} GiB more.`], ["Load", "Seconds to load the model"],
      ["Spearman", `Ranking beside that of ${result.reference}: 1 is the same order`], [`Same of best ${share} %`, `Records that both keep of the best ${share} % in each instruction type`], ["Largest diff.", "Largest difference of one text's score"], ["No number", "Texts without a score"]];
    return el("div", { class: "stack tight" },
      el("p", { class: "advice" }, el("span", { class: "chip accent", text: "Advised" }), " ", result.advice),
      el("div", { class: "table-scroll", tabIndex: 0, role: "region", "aria-label": "Variants" }, el("table", { class: "table variants" },
        el("thead", {}, el("tr", {}, head.map(([name, title], i) => el("th", { class: i ? "n" : "", title, text: name })), el("th"))),
        el("tbody", {}, result.rows.map((row) => el("tr", { data: { variant: row.name }, class: row.name === result.advised ? "advised" : "" },
          el("td", {}, el("span", { class: "strong", text: row.label }), el("div", { class: "row marks" }, row.reference ? el("span", { class: "chip", text: "reference" }) : null, row.choice ? el("span", { class: "chip", title: result.choice, text: "plan's choice" }) : null)),
          row.problem ? el("td", { colSpan: head.length, class: "small-text" }, el("span", { class: "warn-text", text: `Not run: ${row.problem}` }), row.hint ? el("span", { class: "quiet", text: ` ${row.hint}` }) : null) : [
            el("td", { class: "n", text: fmt.number(row.records_per_s, row.records_per_s < 10 ? 2 : 0) }),
            el("td", { class: "n", text: fmt.number(row.speedup, 2) }),
            el("td", { class: "n" }, row.measured_gib === null ? el("span", { class: "quiet", title: "This system does not tell a process its peak memory", text: "not told" }) : `${fmt.number(row.measured_gib, 2)} GiB`, el("div", { class: "quiet small-text", text: `(${fmt.number(row.planned_gib, 2)})` }), row.halvings ? el("div", { class: "warn-text small-text", text: `halved ${fmt.plural(row.halvings, "time")}` }) : null),
            el("td", { class: "n", text: `${fmt.number(row.load_s, 1)} s` }),
            el("td", { class: "n" }, each(row, (k) => fmt.number(k.spearman, 4), (k, kind) => k.reason || KIND_NAMES[kind])),
            el("td", { class: "n" }, each(row, (k) => (k.kept === null ? "–" : fmt.ofN(k.both, k.kept)), (k, kind) => KIND_NAMES[kind])),
            el("td", { class: "n" }, each(row, (k) => fmt.number(k.largest, 3), (k, kind) => KIND_NAMES[kind])),
            el("td", { class: "n" }, each(row, (k) => fmt.ofN(k.unscored, k.texts), (k, kind) => KIND_NAMES[kind])),
            el("td", { class: "n" }, el("button", { class: "btn small", title: "Take it over into the run's settings", text: "Use", on: { click: () => this.use(row.precision, row.quantization) } })),
          ]))))),
      el("p", { class: "small-text quiet", text: [`${fmt.ofN(result.sample, result.records)} records, ${fmt.plural(result.texts, "text")}, on ${result.machine}, ${fmt.when(result.ended_at)}.`,
        kinds.length > 1 ? `Where a cell has two lines: ${kinds.map((kind) => KIND_NAMES[kind]).join(", then ")}.` : "",
        result.stopped ? `Stopped: ${fmt.ofN(result.rows.length, result.asked.length)} variants were measured.` : ""].filter(Boolean).join(" ") }));
  }
}
