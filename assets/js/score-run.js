// The left side of the Score tab: scorers, precision, the plan before the run, and the run itself.
import { activeJobs, api, ApiError, el, fill, fmt, icon, jobList, param, problem, refresh, setParams, studio, tell, toast } from "./studio.js";
import { held, showCard } from "./score-cards.js";

const PRECISIONS = [["auto", "Automatic"], ["bf16", "bf16"], ["fp16", "fp16"], ["fp32", "fp32"]];
const QUANTIZATIONS = [["auto", "Automatic"], ["none", "None"], ["int8", "int8"], ["nf4", "nf4 (4 bit)"]];
const PREPARATIONS = [["auto", "As the scorer"], ["pad", "Padded square"], ["crop", "Middle cut out"]];
const TYPES = [["conversation", "Conversation"], ["detail", "Detail"], ["complex", "Complex reasoning"]];
const SAMPLES = [32, 256, 2048, 16384];
const ASK_AGAIN_MS = 500;

export class RunPanel {
  constructor(node, { started }) {
    Object.assign(this, { node, started, overview: null, plan: null, refusal: null, asked: 0, signature: "" });
    this.scorers = el("div", { class: "stack tight" });
    this.planBox = el("div", { class: "plan stack tight", "aria-live": "polite" });
    this.action = el("div", { class: "stack tight" });
    this.workers = el("label", { class: "field", hidden: true });
    this.jobs = el("div", { class: "job-list flush" });
    this.last = el("div", { class: "small-text" });
    this.stopJobs = jobList(this.jobs, (job) => job.kind === "score" && job.active && job.dataset_id === studio.dataset?.id, { title: "Scoring" });
  }

  get wish() {
    const kinds = ["question", "answer"].filter((kind) => param(`score_${kind}`) !== "0");
    const scorers = Object.fromEntries(kinds.map((kind) => [kind, param(`score_${kind}_scorer`)]).filter(([kind, name]) => this.installed(kind).some((card) => card.name === name)));
    return { dataset: studio.dataset?.id, kinds, precision: known(PRECISIONS, param("score_precision")), quantization: known(QUANTIZATIONS, param("score_quantization")),
      records: this.records().some(([value]) => value === param("score_records")) ? param("score_records") : "all", image: known(PREPARATIONS, param("score_image")), scorers, workers: Number.parseInt(param("score_workers"), 10) || "auto" };
  }

  installed(kind) { return (this.overview?.scorers ?? []).filter((card) => card.kind === kind); }

  /** Which records can be asked for, each with its number. */
  records() {
    const { dataset, types } = this.overview ?? {};
    if (!dataset) return [["all", "All records"]];
    return [["all", `All ${fmt.int(dataset.records)}`], ...TYPES.filter(([type]) => types?.[type]).map(([type, label]) => [`type:${type}`, `${label}, ${fmt.int(types[type])}`]), ["kept", "Kept by the open cuts"],
      ...SAMPLES.filter((count) => count < dataset.records).map((count) => [`sample:${count}`, `A sample of ${fmt.int(count)}, evenly`])];
  }

  draw(overview) {
    this.overview = overview;
    if (!this.node.contains(this.planBox)) {
      fill(this.node, el("section", { class: "card stack" }, el("h2", { text: "Score" }), this.scorers, (this.choices = this.settings()), this.planBox, this.action, this.jobs, this.last));
    }
    const about = JSON.stringify([overview.dataset, overview.types]);
    if (this.about && this.about !== about) this.renewSettings(); // another data set has other counts
    this.about = about;
    this.drawScorers();
    this.drawLast();
    this.drawAction();
    this.askPlan();
  }

  jobsMoved() {
    if (!this.overview) return;
    this.drawAction();
  }

  drawScorers() {
    const cards = this.overview.scorers.filter((card) => card.active);
    const signature = JSON.stringify(this.overview.scorers.map((card) => [card.name, card.revision, card.active]));
    if (signature === this.signature && cards.length) return; // drawn already: a live update must not take the focus away
    this.signature = signature;
    if (!cards.length) return fill(this.scorers, el("p", { class: "quiet", text: "No scorer is installed. They belong in assets/scorers; python -m pipeline.teaching.train makes them." }));
    fill(this.scorers, cards.map((card) => this.scorerRow(card)));
  }

  /** The scorer of a kind that is chosen, where several are installed. */
  picker(card) {
    const all = this.installed(card.kind);
    if (all.length < 2) return null;
    const select = el("select", { class: "select", "aria-label": `Scorer of ${card.kind_label.toLowerCase()}`, on: { change: () => { setParams({ [`score_${card.kind}_scorer`]: all.find((one) => one.name === select.value)?.active ? null : select.value }); this.wishMoved(); } } },
      all.map((one) => el("option", { value: one.name, text: one.name, selected: one.name === (this.wish.scorers[card.kind] ?? card.name) })));
    return el("span", { class: "picker" }, select, icon("down"));
  }

  scorerRow(card) {
    const box = el("input", { type: "checkbox", checked: this.wish.kinds.includes(card.kind), on: { change: () => { setParams({ [`score_${card.kind}`]: box.checked ? null : "0" }); this.wishMoved(); } } });
    const figure = held(card);
    return el("label", { class: "scorer" }, box,
      el("span", { class: "row apart nowrap" }, el("span", { class: "strong", text: card.kind_label }),
        el("button", { class: "btn small plain", type: "button", title: "What it was trained on, and how it was measured", on: { click: (event) => { event.preventDefault(); showCard(card); } } }, "Card")),
      el("span", { class: "small-text clip", title: `${card.name}@${card.revision} on ${card.base_label}`, text: `${card.name} · ${card.base_label}` }),
      figure ? el("span", { class: "small-text", title: figure.title }, el("b", { class: "num", text: figure.share }), ` ${figure.text}`, figure.guess ? el("span", { class: "warn-text", text: " · guessing gets 50 %" }) : null) : el("span", { class: "small-text quiet", text: "no held-out figure in its card" }), this.picker(card));
  }

  settings() {
    const choice = (name, label, options) => {
      const select = el("select", { class: "select", on: { change: () => { setParams({ [`score_${name}`]: select.value === options[0][0] ? null : select.value }); this.wishMoved(); } } },
        options.map(([value, text]) => el("option", { value, text, selected: value === this.wish[name] })));
      return el("label", { class: "field" }, el("span", { text: label }), el("span", { class: "picker" }, select, icon("down")));
    };
    const { precision, quantization, image, workers } = this.wish;
    const chosen = [precision, quantization, image, workers].some((value) => value !== "auto");
    return el("div", { class: "stack tight score-settings" }, choice("records", "Records", this.records()),
      el("details", { class: "score-more", open: chosen }, el("summary", { class: "small-text", text: "Precision, quantization, images" }),
        el("div", { class: "cols-2" }, choice("precision", "Precision", PRECISIONS), choice("quantization", "Quantization", QUANTIZATIONS), choice("image", "Images", PREPARATIONS), this.workers)));
  }

  /** How many processes share the run: asked only where the machine offers a choice, or a choice was made elsewhere. */
  drawWorkers() {
    const { workers } = this.wish;
    const counts = [...new Set([...(this.plan?.workers.choices ?? [1]), ...(workers === "auto" ? [] : [workers])])].sort((a, b) => a - b);
    this.workers.hidden = counts.length < 2;
    const signature = JSON.stringify([counts, workers]);
    if (signature === this.workersDrawn) return;
    this.workersDrawn = signature;
    const select = el("select", { class: "select", on: { change: () => { setParams({ score_workers: select.value === "auto" ? null : select.value }); this.wishMoved(); } } },
      [["auto", "Automatic"], ...counts.map((count) => [count, fmt.int(count)])].map(([value, text]) => el("option", { value, text, selected: value === workers })));
    fill(this.workers, el("span", { text: "Workers" }), el("span", { class: "picker" }, select, icon("down")));
  }

  renewSettings() {
    const fresh = this.settings();
    this.choices.replaceWith(fresh);
    this.choices = fresh;
  }

  /** Take over a precision and a quantization, as if a person had picked them. */
  choose(precision, quantization) {
    setParams({ score_precision: precision, score_quantization: quantization });
    this.renewSettings();
    this.wishMoved();
    this.node.scrollIntoView({ block: "nearest" });
    toast(`The next run is set to ${precision}${quantization === "none" ? "" : ` ${quantization}`}.`);
  }

  wishMoved() {
    this.plan = null;
    this.refusal = null;
    this.askPlan();
    this.drawAction();
  }

  async askPlan() {
    const turn = ++this.asked;
    const wish = this.wish;
    if (!wish.dataset || this.overview.model_missing || !wish.kinds.every((kind) => this.overview.scorers.some((card) => card.kind === kind)) || !wish.kinds.length || activeJobs(["score"]).length) return this.drawPlan();
    if (!this.plan) this.drawPlan({ waiting: true });
    try {
      let answer;
      while ((answer = await api.post("/api/scores/plan", wish)).state === "measuring") {
        if (turn !== this.asked) return;
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
        if (turn !== this.asked || studio.tab !== "score") return;
      }
      if (turn !== this.asked) return;
      Object.assign(this, { plan: answer, refusal: null });
    } catch (error) {
      if (turn !== this.asked) return;
      Object.assign(this, { plan: null, refusal: error });
    }
    this.drawPlan();
    this.drawAction();
  }

  drawPlan({ waiting = false } = {}) {
    this.waiting = waiting;
    this.drawWorkers();
    this.planBox.hidden = activeJobs(["score"]).length > 0;
    if (this.refusal) return fill(this.planBox, problem(this.refusal instanceof ApiError ? this.refusal : new ApiError(String(this.refusal))));
    if (waiting) return fill(this.planBox, el("p", { class: "quiet small-text measuring", text: "Looking at this machine …" }));
    const plan = this.plan;
    if (!plan) { this.planBox.hidden = true; return; }
    const shared = plan.workers.chosen;
    const fact = (name, value, title = "") => [el("dt", { text: name }), el("dd", { class: "num", title }, value)];
    fill(this.planBox,
      el("h3", { text: "Plan" }),
      el("dl", { class: "facts" },
        fact("Runs on", `${shared > 1 ? `${fmt.int(shared)} × ` : ""}${plan.device === "cuda" ? "GPU" : "CPU"}, ${plan.precision}${plan.quantization === "none" ? "" : `, ${plan.quantization}`}`, `${plan.machine}, ${fmt.plural(plan.cores, "core")}`),
        fact("Memory", `about ${(plan.gib * (plan.device === "cuda" ? 1 : shared)).toFixed(1)} of ${plan.free_gib.toFixed(1)} GiB free${shared > 1 && plan.device === "cuda" ? " on each" : ""}`, `${plan.total_gib.toFixed(1)} GiB in all`),
        fact("Time", plan.texts ? `about ${aboutTime(plan.seconds)} for ${fmt.plural(plan.texts, "text")}` : "nothing is left to do", plan.seconds_from)),
      el("p", { class: "small-text quiet", text: plan.reason }),
      el("div", { class: "reuse" }, plan.stages.map((stage) => [el("span", { class: "small-text", title: stage.key_label, text: stage.label }),
        el("div", { class: "meter-bar", role: "img", "aria-label": `${stage.label}: ${fmt.ofN(stage.done, stage.records)} records scored under this key`, title: stage.key_label }, el("div", { style: { width: stage.records ? `${(100 * stage.done) / stage.records}%` : "0" } })),
        el("span", { class: "small-text num", text: fmt.ofN(stage.done, stage.records) })])),
      el("p", { class: "small-text quiet", text: reused(plan, this.overview.last) }));
  }

  drawAction() {
    const running = activeJobs(["score"])[0];
    for (const input of this.node.querySelectorAll(".scorer > input, .score-settings select")) input.disabled = Boolean(running);
    this.planBox.hidden = Boolean(running) || !(this.plan || this.refusal || this.waiting);
    if (running) return fill(this.action);
    const { plan } = this;
    const left = plan ? Math.max(0, ...plan.stages.map((stage) => stage.left)) : null;
    const begun = plan?.stages.some((stage) => stage.done > 0);
    const blocked = !this.overview || this.overview.model_missing || !this.overview.scorers.length || !this.wish.kinds.length || this.refusal || left === 0;
    const words = !this.wish.kinds.length ? "Choose questions or answers" : left === 0 ? "All scored under this key" : left === null ? "Start scoring"
      : begun ? `Go on: ${fmt.ofN(left, plan.records)} left` : `Score ${fmt.plural(left, "record")}`;
    fill(this.action, el("button", { class: "btn primary wide-btn", disabled: Boolean(blocked), on: { click: (event) => this.start(event.currentTarget) } }, left === 0 ? icon("check") : null, words),
      this.overview?.model_missing ? el("p", { class: "small-text warn-text" }, "The embedded model is not fetched. Run ", el("code", { class: "mono", text: "make model" }), " once.") : null);
  }

  async start(button) {
    button.disabled = true;
    // What was shown is what runs: the plan's own choice, not "automatic" decided anew in the worker.
    const shown = this.plan ? { precision: this.plan.precision, quantization: this.plan.quantization } : {};
    try { await api.post("/api/scores", { ...this.wish, ...shown }); setParams({ question_key: null, answer_key: null }); await refresh(); } catch (error) { tell(error); }
    this.started();
  }

  drawLast() {
    const job = this.overview.last;
    if (!job) return fill(this.last);
    if (job.active) return fill(this.last, el("p", { class: "quiet", text: `In ${job.params.precision === "auto" ? "a precision chosen by the worker" : job.params.precision}${["auto", "none"].includes(job.params.quantization) ? "" : `, ${job.params.quantization}`}. Closing this page does not stop it; what is scored is kept.` }));
    const reached = job.total ? ` at ${fmt.ofN(job.done, job.total)}` : "";
    const text = job.state === "cancelled" ? `Last run: stopped${reached}, ${fmt.when(job.ended_at)}.`
      : job.state === "failed" ? `The last run failed${reached}: ${job.error}` : `Last run: ${fmt.when(job.ended_at)}, took ${fmt.duration(job.ended_at - job.started_at)}.`;
    fill(this.last, el("p", { class: job.state === "failed" ? "bad-text" : "quiet", text }), job.state === "failed" && job.hint ? el("p", { class: "quiet", text: job.hint }) : null, reuseFacts(job.reuse));
  }
}

/** What the last run did not have to do twice; nothing where it computed nothing. */
function reuseFacts(r) {
  if (!r) return null;
  const fact = (name, value, title) => [el("dt", { text: name }), el("dd", { class: "num", title }, value)];
  return el("details", { class: "reuse-facts", open: true }, el("summary", { text: "What was reused" }), el("dl", { class: "facts" },
    fact("Images", `${fmt.int(r.images_encoded)} encoded, serving ${fmt.plural(r.texts, "text")}`, `${fmt.ofN(r.texts_reusing, r.texts)} texts found their image decoded and encoded already`),
    fact("Image prefix", `${fmt.ofN(r.shared_tokens, r.one_by_one_tokens)} tokens saved`, "Positions of image prefixes that one text a pass would have computed again"),
    fact("Work", `${fmt.number(r.times, 2)} × as much without sharing`, `${fmt.int(r.real_tokens)} tokens were computed; one text a pass would take ${fmt.int(r.one_by_one_tokens)}`),
    fact("Padding", `${fmt.number(100 * r.padding, 1)} % of ${fmt.int(r.real_tokens)} tokens`, "Positions that were computed and hold nothing, beside the real ones"),
    r.halvings ? fact("Memory", `batch halved ${fmt.plural(r.halvings, "time")}`, "Memory ran out; the work went on in smaller batches") : null));
}

const known = (options, value) => (options.some(([name]) => name === value) ? value : "auto");

function reused(plan, last) {
  if (!plan.stages.some((stage) => stage.done)) return "Nothing is scored under this key yet.";
  const stopped = last && ["cancelled", "failed"].includes(last.state) && plan.stages.some((stage) => stage.left);
  return stopped ? "The last run stopped early. It goes on where it stopped." : "Scored already under this key: reused, not scored again.";
}

/** An estimate says no more than it knows: 37 → "40 s", 4183 → "1 h 10 min". */
export function aboutTime(s) {
  if (s < 10) return "10 s";
  if (s < 60) return fmt.duration(Math.round(s / 10) * 10);
  if (s < 3600) return `${Math.round(s / 60)} min`;
  return s < 36000 ? fmt.duration(Math.round(s / 600) * 600) : `${Math.round(s / 3600)} h`;
}
