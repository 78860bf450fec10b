// The left side of the Rewrite tab: what is rewritten, by which model, the plan before the run, and the run itself.
import { activeJobs, api, ApiError, el, fill, fmt, icon, jobList, openTab, param, problem, refresh, setParams, studio, tell } from "../studio.js";

const PARTS = [["question", "Questions"], ["answer", "Answers"]];
const DRAFTS = [1, 2, 3, 4, 6, 8];
const ASK_AGAIN_MS = 500;

export class RunPanel {
  constructor(node, { started }) {
    Object.assign(this, { node, started, overview: null, plan: null, refusal: null, asked: 0 });
    this.settings = el("div", { class: "stack tight" });
    this.planBox = el("div", { class: "plan stack tight", "aria-live": "polite" });
    this.action = el("div", { class: "stack tight" });
    this.jobs = el("div", { class: "job-list flush" });
    this.last = el("div", { class: "small-text" });
    this.stop = jobList(this.jobs, (job) => job.kind === "rewrite" && job.active && job.dataset_id === studio.dataset?.id, { title: "Rewriting" });
  }

  get wish() {
    const parts = PARTS.map(([part]) => part).filter((part) => param(`rw_${part}`) !== "0");
    const drafts = Number(param("rw_drafts"));
    return { dataset: studio.dataset?.id, selection: param("rw_selection"), parts, model: param("rw_model") || "embedded", drafts: DRAFTS.includes(drafts) ? drafts : 3 };
  }

  reset() { this.plan = null; this.refusal = null; }

  draw(overview) {
    const first = !this.node.contains(this.planBox);
    this.overview = overview;
    if (first) fill(this.node, el("section", { class: "card stack" }, el("h2", { text: "Rewrite" }), this.settings, this.planBox, this.action, this.jobs, this.last));
    this.drawSettings();
    this.drawLast();
    this.drawAction();
    if (!this.plan) this.askPlan();
  }

  jobsMoved() { if (this.overview) this.drawAction(); }

  drawSettings() {
    const signature = JSON.stringify([this.overview.dataset.id, this.overview.selections, this.overview.models]);
    if (signature === this.signature) return; // drawn already: a live update must not take the focus away
    this.signature = signature;
    const { selections, models } = this.overview;
    const named = selections.filter((one) => one.name !== "current");
    const boxes = PARTS.map(([part, label]) => {
      const box = el("input", { type: "checkbox", checked: this.wish.parts.includes(part), on: { change: () => this.moved({ [`rw_${part}`]: box.checked ? null : "0" }) } });
      return el("label", { class: "rw-check" }, box, label);
    });
    fill(this.settings,
      this.choice("selection", "Selection", [["", "The cuts as they stand"], ...named.map((one) => [one.name, one.name])], ""),
      el("div", { class: "row rw-parts", role: "group", "aria-label": "What is rewritten" }, boxes),
      el("div", { class: "cols-2 rw-two" }, this.choice("model", "Model", models.map((model) => [model.name, model.label]), "embedded"),
        this.choice("drafts", "Drafts a text", DRAFTS.map((n) => [String(n), String(n)]), "3")),
      this.honesty = el("div", {}));
    this.drawHonesty();
  }

  choice(name, label, options, usual) {
    const now = param(`rw_${name}`) || usual;
    const select = el("select", { class: "select", on: { change: () => this.moved({ [`rw_${name}`]: select.value === usual ? null : select.value }) } },
      options.map(([value, text]) => el("option", { value, text, selected: value === now })));
    return el("label", { class: "field" }, el("span", { text: label }), el("span", { class: "picker" }, select, icon("down")));
  }

  drawHonesty() {
    const model = this.overview.models.find((one) => one.name === this.wish.model);
    if (this.wish.model !== "embedded") return fill(this.honesty, model?.note ? el("p", { class: "small-text quiet", text: model.note }) : null);
    fill(this.honesty, el("div", { class: "rw-honest" }, icon("info"), el("p", { class: "small-text" },
      "The embedded model has 135 million parameters and writes poorly. Asked plainly it answered 5 of 5 test questions instead of rewriting them. So strict guards keep most originals, and many proposals are small edits that the model only ranks. Each says which.")));
  }

  moved(params) {
    setParams(params);
    this.reset();
    this.drawHonesty();
    this.askPlan();
    this.drawAction();
  }

  async askPlan() {
    const turn = ++this.asked, wish = this.wish;
    if (!wish.dataset || !wish.parts.length || activeJobs(["rewrite"]).length) return this.drawPlan();
    this.drawPlan(true);
    try {
      let answer;
      while ((answer = await api.post("/api/rewrites/plan", wish)).state === "measuring") {
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
        if (turn !== this.asked || studio.tab !== "rewrite") return;
      }
      if (turn !== this.asked) return;
      const nothing = answer.state === "nothing";
      Object.assign(this, { plan: nothing ? null : answer, refusal: nothing ? new ApiError(answer.error, answer) : null, nothing });
    } catch (error) {
      if (turn !== this.asked) return;
      Object.assign(this, { plan: null, refusal: error, nothing: false });
    }
    this.drawPlan();
    this.drawAction();
  }

  drawPlan(waiting = false) {
    this.waiting = waiting;
    this.planBox.hidden = activeJobs(["rewrite"]).length > 0;
    if (this.refusal) {
      return fill(this.planBox, problem(this.refusal instanceof ApiError ? this.refusal : new ApiError(String(this.refusal))),
        this.nothing ? el("button", { class: "btn small", on: { click: () => openTab(this.overview.scored ? "select" : "score") } }, this.overview.scored ? "Go to Select" : "Go to Score") : null);
    }
    if (waiting) return fill(this.planBox, el("p", { class: "quiet small-text measuring", text: "Looking at this machine …" }));
    const { plan } = this;
    if (!plan) { this.planBox.hidden = true; return; }
    const fact = (name, value) => [el("dt", { text: name }), el("dd", { class: "num" }, value)];
    const parts = Object.entries(plan.by_part).map(([part, n]) => fmt.plural(n, part)).join(", ");
    fill(this.planBox, el("h3", { text: "Plan" }), el("dl", { class: "facts" },
      fact("Texts", `${parts} of ${fmt.plural(plan.records, "kept record")}`),
      plan.left < plan.texts ? fact("There already", fmt.ofN(plan.texts - plan.left, plan.texts)) : null,
      fact("Runs on", `${plan.device === "cuda" ? "GPU" : "CPU"}, ${plan.precision}${plan.quantization === "none" ? "" : `, ${plan.quantization}`}`),
      fact("Memory", `about ${plan.gib.toFixed(1)} of ${plan.free_gib.toFixed(1)} GiB free`),
      fact("Time", plan.seconds === null ? "told after the first texts" : plan.left ? `about ${fmt.duration(plan.seconds)}, as the last run` : "nothing is left to do")),
    el("p", { class: "small-text quiet", text: plan.reason }));
  }

  drawAction() {
    const running = activeJobs(["rewrite"])[0];
    for (const input of this.settings.querySelectorAll("input, select")) input.disabled = Boolean(running);
    this.planBox.hidden = Boolean(running) || !(this.plan || this.refusal || this.waiting);
    if (running) return fill(this.action);
    const { plan } = this, ready = this.overview.models.find((model) => model.name === this.wish.model)?.ready !== false;
    const words = !this.wish.parts.length ? "Choose questions or answers" : plan?.left === 0 ? "All rewritten by this model" : !plan ? "Start rewriting"
      : plan.left < plan.texts ? `Go on: ${fmt.ofN(plan.left, plan.texts)} left` : `Rewrite ${fmt.plural(plan.left, "text")}`;
    fill(this.action, el("button", { class: "btn primary wide-btn", disabled: !plan || !ready || !plan.left, on: { click: (event) => this.start(event.currentTarget) } }, plan?.left === 0 ? icon("check") : null, words),
      ready ? null : el("p", { class: "small-text warn-text" }, "The embedded model is not fetched. Run ", el("code", { class: "mono", text: "make model" }), " once."));
  }

  async start(button) {
    button.disabled = true;
    try {
      await api.post("/api/rewrites", { ...this.wish, precision: this.plan.precision, quantization: this.plan.quantization });
      setParams({ rw_key: null, rw_id: null });
      await refresh();
    } catch (error) { tell(error); }
    this.reset();
    this.started();
  }

  drawLast() {
    const job = this.overview.last;
    if (!job) return fill(this.last);
    if (job.active) return fill(this.last, el("p", { class: "quiet", text: "Closing this page does not stop it; each batch is stored as it is written." }));
    const reached = job.total ? ` at ${fmt.ofN(job.done, job.total)}` : "";
    const text = job.state === "cancelled" ? `Last run: stopped${reached}, ${fmt.when(job.ended_at)}. It goes on where it stopped.` : job.state === "failed" ? `The last run failed${reached}: ${job.error}`
      : `Last run: ${fmt.when(job.ended_at)}, ${fmt.plural(job.result.written_now ?? 0, "text")} in ${fmt.duration(job.result.seconds)}.`;
    fill(this.last, el("p", { class: job.state === "failed" ? "bad-text" : "quiet", text }), job.state === "failed" && job.hint ? el("p", { class: "quiet", text: job.hint }) : null);
  }
}
