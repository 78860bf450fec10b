// What the forms of all kinds of training share: fields that are kept, the check before launch with its facts, the command, the launch.
import { CommandBox, baseField, findingsList, knobField } from "./run-parts.js";
import { activeJobs, api, debounce, el, fill, fmt, problem, refresh, setParams, studio, tell } from "./studio.js";

const ASK_AGAIN_MS = 500;

/**
 * A form gives its `kept` (what a reload must not lose), its `wish` (what the server is asked), and draws fields and action itself.
 * told: { kind of job, tab, route, address of the chosen run, names of choices, reload }.
 */
export class LaunchForm {
  /** `node` takes the fields, `beside` what is known before a launch and the launch itself. */
  constructor(node, beside, told) {
    Object.assign(this, { names: {}, ...told, node, beside, asked: 0, drawn: "" });
    this.check = el("div", { class: "stack tight", "aria-live": "polite" });
    this.facts = el("dl", { class: "facts" });
    const command = el("div", { class: "stack tight" });
    this.commands = new CommandBox(command);
    this.action = el("div", { class: "stack tight" });
    fill(beside, el("h2", { text: "Before launch" }), el("div", { class: "tune-known" }, this.check, el("div", { class: "stack" }, this.facts, this.action)), command);
    this.later = debounce(() => this.ask(), 350);
    this.reset();
  }

  get place() {
    return `align2-${this.kind}-form-${studio.dataset?.id}`;
  }

  /** What this data set's form was left with. */
  recall() {
    try { return JSON.parse(sessionStorage.getItem(this.place) ?? "{}"); } catch { return {}; }
  }

  save() {
    try { sessionStorage.setItem(this.place, JSON.stringify(this.kept)); } catch { /* a full store keeps nothing */ }
  }

  get base() {
    return this.told.base ?? "embedded";
  }

  get atWork() {
    return activeJobs([this.kind]).length > 0;
  }

  field(one) {
    const value = this.told[one.name] ?? one.default;
    if (one.name === "base") // another base brings its own defaults
      return baseField(one, value, this.overview.bases, (base) => { this.told = base === "embedded" ? {} : { base }; this.drawn = ""; this.save(); this.reload(); });
    return knobField(one, value, (to) => { this.told = { ...this.told, [one.name]: to }; this.moved(); }, this.names);
  }

  moved() {
    this.save();
    this.later();
  }

  async ask() {
    const turn = ++this.asked;
    const wish = this.wish;
    this.beside.hidden = !wish.dataset || this.atWork;
    if (this.beside.hidden) return;
    try {
      let answer;
      while ((answer = await api.post(`${this.route}/check`, wish)).state === "measuring") {
        if (turn !== this.asked) return;
        if (!this.found) fill(this.check, el("p", { class: "quiet small-text measuring", text: "Looking at this machine …" }));
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
        if (turn !== this.asked || studio.tab !== this.tab) return;
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

  /** Draws what starts the run; a form adds its own words around `launchButton`. */
  drawAction() {
    if (!this.overview) return;
    if (this.atWork !== this.beside.hidden) { this.beside.hidden = this.atWork; if (!this.atWork) this.ask(); }
    if (!this.atWork) fill(this.action, this.launchButton(), this.besideLaunch?.() ?? null);
  }

  launchButton() {
    const ready = this.found?.launchable && !this.refusal;
    return el("button", { class: "btn primary wide-btn", disabled: !ready, on: { click: (event) => this.launch(event.currentTarget) } }, ready ? `${this.verb} ${fmt.plural(this.found.steps, "step")}` : this.verb);
  }

  async launch(button) {
    button.disabled = true;
    try { await api.post(this.route, this.wish); setParams({ [this.address]: null }); await refresh(); } catch (error) { tell(error); }
    this.reload();
  }
}
