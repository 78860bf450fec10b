// The trust panel: how far a scorer can be trusted, section by section, each with its chart, one sentence and its n.
import { activeJobs, api, el, empty, fill, fmt, icon, jobList, on, param, problem, refresh, setParams, studio, tell } from "../studio.js";
import { kindSwitch, teachKind } from "./kind.js";
import { STANDINGS, percent, showCard } from "./trial/candidates.js";
import { SECTIONS } from "./trust/sections.js";

export const room = { id: "trust", title: "Trust", hint: "How far to trust a scorer, and where not.", mount };

function mount(node) {
  const panel = new TrustRoom(node);
  on("job-end", (job) => panel.jobEnded(job));
  on("jobs", () => panel.jobsMoved());
  return { open: () => panel.open(), close: () => { panel.shown = false; } };
}

class TrustRoom {
  constructor(node) {
    Object.assign(this, { node, shown: false, asked: 0, found: null });
    this.bar = el("section", { class: "card row apart tu-bar", "aria-label": "Which scorer" });
    this.jobs = el("div", { class: "job-list flush" });
    this.body = el("div", { class: "stack" });
    this.page = el("div", { class: "stack" }, this.bar, this.jobs, this.body);
    jobList(this.jobs, (job) => job.kind === "trust" && job.active && job.dataset_id === studio.dataset?.id, { title: "Trust report" });
  }

  get kind() { return teachKind(); }
  get running() { return activeJobs(["trust"]).length > 0; }

  open() {
    this.shown = true;
    if (!this.page.isConnected) fill(this.node, this.page);
    if (this.dataset !== studio.dataset?.id) Object.assign(this, { dataset: studio.dataset?.id, drawn: "" });
    this.load();
  }

  async load() {
    const turn = ++this.asked, query = { dataset: this.dataset, kind: this.kind };
    try {
      let found;
      try { found = await api.get("/api/trust", { ...query, scorer: param("trust_scorer") }); } catch (error) {
        if (error.status !== 404 || !param("trust_scorer")) throw error;
        setParams({ trust_scorer: null }); // an address of another kind or workspace: the present one is shown
        found = await api.get("/api/trust", query);
      }
      if (turn !== this.asked) return;
      this.found = found;
      this.drawBar();
      this.draw();
    } catch (error) {
      if (turn === this.asked) { this.drawn = ""; fill(this.body, problem(error)); }
    }
  }

  choose(values) {
    setParams(values);
    this.drawn = "";
    this.load();
  }

  drawBar() {
    const { scorer, scorers, sample, report } = this.found;
    const select = el("select", { class: "select", "aria-label": "Scorer", on: { change: () => this.choose({ trust_scorer: select.value }) } },
      scorers.map((row) => el("option", { value: row.reference, text: `${row.name} · ${STANDINGS[row.standing][0].toLowerCase()}`, selected: row.reference === scorer.reference })));
    const size = el("input", { class: "input num tu-sample", type: "number", min: sample.least, max: sample.most, value: sample.usual, "aria-label": "Records whose images are swapped" });
    this.button = el("button", { class: `btn ${report ? "" : "primary"}`, disabled: this.running || Boolean(scorer.problem), on: { click: () => this.start(Number(size.value)) } }, this.running ? "Measuring …" : report ? "Measure again" : "Measure");
    fill(this.bar,
      el("div", { class: "row" }, kindSwitch(this.kind, () => this.choose({ trust_scorer: null }), { label: "Kind of scorer" }),
        el("span", { class: "picker tu-pick" }, select, icon("down")), el("button", { class: "btn small plain", text: "Card", on: { click: () => showCard(scorer) } })),
      el("div", { class: "row" }, el("label", { class: "row nowrap small-text", title: "Each text is scored behind its own picture and behind another record's" }, "Swap images of", size, el("span", { class: "quiet num", text: `of ${fmt.int(this.found.records)} records` })), this.button));
  }

  async start(sample) {
    this.button.disabled = true;
    try { await api.post("/api/trust", { dataset: this.dataset, kind: this.kind, scorer: this.found.scorer.reference, sample }); await refresh(); } catch (error) { tell(error); }
    this.load();
  }

  draw() {
    const { report, scorer, job, stale } = this.found;
    const signature = JSON.stringify([this.dataset, scorer.reference, scorer.revision, report?.job, job?.id, job?.state]);
    if (signature === this.drawn) return;
    this.drawn = signature;
    const note = scorer.problem ? problem({ message: `${scorer.name} can't be measured`, hint: scorer.problem }) : job && !job.active && job.id !== report?.job
      ? (job.state === "failed" ? problem({ message: `The last report failed: ${job.error}`, hint: job.hint }) : el("p", { class: "quiet small-text", text: "The last report was stopped. What it scored is kept: measuring again goes on from there." })) : null;
    if (!report) {
      return fill(this.body, note, el("div", { class: "card" }, empty({ icon: "info", title: job?.active ? "The panel draws itself when the report is done" : `${scorer.name} has not been measured here`,
        text: "Measuring scores the rated pairs that are new to it and a sample of records behind swapped images, and reads what this data set has stored. You then see where it agrees with people, whether its confidence is earned, what it leans on, and whether it looks at the picture." })));
    }
    const { accuracy, ratings } = report, { overall, length } = accuracy;
    fill(this.body, note, stale ? el("p", { class: "tr-stale small-text" }, icon("warn"), ` ${stale} Measure again.`) : null,
      el("section", { class: "card tu-head", "aria-label": "In short" },
        el("div", { class: "tu-figure" }, el("b", { class: "num", text: overall.value === null ? "–" : percent(overall.value, 0) }), el("span", { class: "small-text quiet num", text: overall.value === null ? `${fmt.ofN(overall.n, overall.needed)} pairs needed` : `${percent(overall.low, 0)} to ${percent(overall.high, 0)}` })),
        el("div", { class: "stack tight" }, el("p", { class: "tr-words", text: accuracy.words }),
          el("p", { class: "small-text quiet num", text: [`${fmt.ofN(ratings.pairs, ratings.all_pairs)} pairs are new to it, on ${fmt.plural(ratings.images, "image")}; ${fmt.int(ratings.with_picture)} with their picture.`, accuracy.unscored_pairs ? `${fmt.plural(accuracy.unscored_pairs, "pair")} without a score.` : "",
            length.value === null ? "" : `Longer is better: ${percent(length.value)}.`, `Measured ${fmt.when(report.ended_at)} with ${report.scorer.key_label}; intervals are 95 % over whole images.`].filter(Boolean).join(" ") }))),
      el("div", { class: "tu-grid" }, SECTIONS.map((section) => section(report))));
  }

  jobsMoved() {
    if (!this.shown || !this.found || studio.tab !== "teach" || this.wasRunning === this.running) return;
    this.wasRunning = this.running;
    this.load();
  }

  jobEnded(job) {
    if (this.shown && ["trust", "teach"].includes(job.kind)) { this.drawn = ""; this.load(); }
  }
}
