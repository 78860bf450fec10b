// The form of a training: kind, fields from the server's one table, the check before launch, the command as it will run.
import { CommandBox, baseField, findingsList, knobField } from "../../run-parts.js";
import { kindSwitch, teachKind } from "../kind.js";
import { activeJobs, api, debounce, el, fill, fmt, problem, refresh, setParams, studio, tell } from "../../studio.js";

const ASK_AGAIN_MS = 500;
const SAVED = "align2-teach-form";
const NAMES = { cosine: "Cosine", linear: "Linear", constant_with_warmup: "Constant", none: "None", rating: "By rating", nf4: "nf4 (QLoRA)", all: "All projections", attention: "Attention", "query and value": "Query and value" };

export class TeachForm {
  /** `node` takes the fields, `beside` what is known before a launch and the launch itself. */
  constructor(node, beside, { reload }) {
    Object.assign(this, { node, beside, reload, asked: 0 });
    this.check = el("div", { class: "stack tight", "aria-live": "polite" });
    this.facts = el("dl", { class: "facts" });
    this.command = el("div", { class: "stack tight" });
    this.commands = new CommandBox(this.command);
    this.action = el("div", { class: "stack tight" });
    fill(beside, el("h2", { text: "Before launch" }), el("div", { class: "tune-known" }, this.check, el("div", { class: "stack" }, this.facts, this.action)), this.command);
    this.later = debounce(() => this.ask(), 350);
    this.reset();
  }

  reset() {
    Object.assign(this, { kind: teachKind(), told: {}, origins: null, everywhere: false, name: "", found: null, refusal: null, drawn: "" });
    try {
      const { told, origins, everywhere, name } = JSON.parse(sessionStorage.getItem(`${SAVED}-${studio.dataset?.id}`) ?? "{}");
      Object.assign(this, { told: told ?? {}, origins: origins ?? null, everywhere: everywhere ?? false, name: name ?? "" });
    } catch { /* nothing kept */ }
  }

  save() {
    const { told, origins, everywhere, name } = this;
    try { sessionStorage.setItem(`${SAVED}-${studio.dataset?.id}`, JSON.stringify({ told, origins, everywhere, name })); } catch { /* a full store keeps nothing */ }
  }

  get base() {
    return this.told.base ?? "embedded";
  }

  get wish() {
    return { dataset: studio.dataset?.id, ratings: { origins: this.origins, everywhere: this.everywhere }, settings: { ...this.told, kind: this.kind }, name: this.name };
  }

  /** The kind may have been chosen in another room. */
  take(kind) {
    if (kind === this.kind) return;
    Object.assign(this, { kind, origins: null });
    this.save();
  }

  chooseOrigins(origins) {
    this.origins = origins;
    this.moved();
  }

  chooseEverywhere(everywhere) {
    Object.assign(this, { everywhere, origins: null });
    this.save();
    this.reload();
  }

  draw(overview) {
    this.overview = overview;
    const now = `${overview.kind} ${this.base}`;
    if (this.drawn === now) return this.ask(); // the fields stay as they are: a reload of the list must not take the focus away
    this.drawn = now;
    const name = el("input", { class: "input", type: "text", maxLength: 80, value: this.name, placeholder: "optional", on: { input: () => { this.name = name.value; this.moved(); } } });
    const fields = (rows) => el("div", { class: "tune-fields" }, rows.map((one) => this.field(one)));
    const folded = overview.fields.filter((one) => one.advanced);
    fill(this.node, el("section", { class: "card stack" }, el("h2", { text: "Teach a scorer" }),
      kindSwitch(this.kind, (kind) => { this.take(kind); this.reload(); }, { label: "Scorer of", tone: "train-kinds" }),
      el("label", { class: "field" }, el("span", { text: "Name" }), name),
      fields(overview.fields.filter((one) => !one.advanced)),
      el("details", { class: "tune-more", open: this.unfolded, on: { toggle: (event) => { this.unfolded = event.target.open; } } }, el("summary", { text: `More settings · ${folded.length}` }),
        Object.entries(overview.groups).map(([id, label]) => { const rows = folded.filter((one) => one.group === id); return rows.length ? el("div", { class: "stack tight train-group" }, el("h3", { text: label }), fields(rows)) : null; }))));
    this.ask();
  }

  field(one) {
    const value = this.told[one.name] ?? one.default;
    if (one.name === "base") // another base brings its own defaults
      return baseField(one, value, this.overview.bases, (base) => { this.told = base === "embedded" ? {} : { base }; this.save(); this.reload(); });
    return knobField(one, value, (to) => { this.told = { ...this.told, [one.name]: to }; this.moved(); }, NAMES);
  }

  moved() {
    this.save();
    this.later();
  }

  get atWork() {
    return activeJobs(["teach"], { all: true }).length > 0;
  }

  async ask() {
    const turn = ++this.asked;
    const wish = this.wish;
    this.beside.hidden = !wish.dataset || this.atWork;
    if (this.beside.hidden) return;
    try {
      let answer;
      while ((answer = await api.post("/api/lessons/check", wish)).state === "measuring") {
        if (turn !== this.asked) return;
        if (!this.found) fill(this.check, el("p", { class: "quiet small-text measuring", text: "Looking at this machine …" }));
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
        if (turn !== this.asked || studio.tab !== "teach") return;
      }
      if (turn !== this.asked) return;
      Object.assign(this, { found: answer, refusal: null });
    } catch (error) {
      if (turn !== this.asked) return;
      Object.assign(this, { found: null, refusal: error });
    }
    this.drawCheck();
    this.commands.draw(this.found && !this.refusal ? this.found.command : null);
    this.drawAction();
  }

  drawCheck() {
    for (const field of this.node.querySelectorAll("[data-field]")) field.classList.toggle("wrong", Boolean(this.refusal?.message?.includes(field.dataset.field)));
    const it = this.found;
    if (this.refusal || !it) { fill(this.facts); return fill(this.check, this.refusal ? problem(this.refusal) : null); }
    const fact = (name, value, title = "") => [el("dt", { text: name }), el("dd", { class: "num", title }, value)];
    fill(this.check, findingsList(it.findings));
    fill(this.facts, fact("Runs on", `${it.plan.device === "cuda" ? "GPU" : "CPU"}, ${it.plan.precision}${it.plan.quantization === "none" ? "" : `, ${it.plan.quantization}`}`, it.plan.reason),
      fact("Steps", fmt.int(it.steps)), fact("Memory", `about ${it.memory.total.toFixed(1)} of ${it.memory.free.toFixed(1)} GiB free`),
      fact("Time", `about ${fmt.duration(it.seconds)}`, `From ${it.seconds_from}.`),
      el("dd", { class: "small-text quiet train-reason", text: it.plan.reason }));
  }

  drawAction() {
    if (!this.overview) return;
    if (this.atWork !== this.beside.hidden) { this.beside.hidden = this.atWork; if (!this.atWork) this.ask(); }
    if (this.atWork) return;
    const ready = this.found?.launchable && !this.refusal;
    fill(this.action, el("button", { class: "btn primary wide-btn", disabled: !ready, on: { click: (event) => this.launch(event.currentTarget) } }, ready ? `Train ${fmt.plural(this.found.steps, "step")}` : "Train"));
  }

  async launch(button) {
    button.disabled = true;
    try { await api.post("/api/lessons", this.wish); setParams({ training: null }); await refresh(); } catch (error) { tell(error); }
    this.reload();
  }
}
