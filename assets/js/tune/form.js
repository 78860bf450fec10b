// The form of a run: fields from the server's one table, the check before launch, and the command as it will run.
import { CommandBox, baseField, findingsList, knobField } from "../run-parts.js";
import { activeJobs, api, debounce, el, fill, fmt, icon, openTab, problem, refresh, setParams, studio, tell } from "../studio.js";

const ASK_AGAIN_MS = 500;
const SAVED = "align2-tune-form";
const CHOICES = { lora: "LoRA", qlora: "QLoRA, 4-bit base" };

export class LaunchForm {
  /** `node` takes the fields, `beside` what is known before a launch and the launch itself. */
  constructor(node, beside, { changed }) {
    Object.assign(this, { node, beside, changed, asked: 0, drawn: false });
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
    Object.assign(this, { told: {}, selection: null, name: "", found: null, refusal: null, drawn: false });
    try {
      const kept = JSON.parse(sessionStorage.getItem(`${SAVED}-${studio.dataset?.id}`) ?? "{}");
      Object.assign(this, { told: kept.told ?? {}, selection: kept.selection ?? null, name: kept.name ?? "" });
    } catch { /* nothing kept */ }
  }

  save() {
    try { sessionStorage.setItem(`${SAVED}-${studio.dataset?.id}`, JSON.stringify({ told: this.told, selection: this.selection, name: this.name })); } catch { /* a full store keeps nothing */ }
  }

  get wish() {
    return { dataset: studio.dataset?.id, selection: this.selection, settings: this.told, name: this.name };
  }

  draw(overview) {
    this.overview = overview;
    if (this.drawn) return this.ask(); // the fields stay as they are: a reload of the list must not take the focus away
    this.drawn = true;
    const select = el("select", { class: "select", on: { change: () => { this.selection = select.value; this.moved(); } } },
      overview.selections.map((one) => el("option", { value: one.name, text: one.label, selected: one.name === this.selection })));
    const name = el("input", { class: "input", type: "text", maxLength: 80, value: this.name, placeholder: "optional", on: { input: () => { this.name = name.value; this.moved(); } } });
    const shown = (advanced) => overview.fields.filter((one) => one.advanced === advanced).map((one) => this.field(one));
    fill(this.node, el("section", { class: "card stack" }, el("h2", { text: "Fine-tune" }),
      el("label", { class: "field" }, el("span", { text: "Selection" }), el("span", { class: "picker" }, select, icon("down"))),
      el("label", { class: "field" }, el("span", { text: "Name of the run" }), name),
      el("div", { class: "tune-fields" }, shown(false)),
      el("details", { class: "tune-more" }, el("summary", { text: "More settings" }), el("div", { class: "tune-fields" }, shown(true)))));
    this.ask();
  }

  get base() {
    return this.told.base ?? "embedded";
  }

  field(one) {
    const value = this.told[one.name] ?? one.default;
    if (one.name === "base") // another base brings its own defaults
      return baseField(one, value, this.overview.bases, (base) => { this.told = base === "embedded" ? {} : { base }; this.drawn = false; this.save(); this.changed(); });
    return knobField(one, value, (to) => { this.told = { ...this.told, [one.name]: to }; this.moved(); }, CHOICES);
  }

  moved() {
    this.save();
    this.later();
  }

  async ask() {
    const turn = ++this.asked;
    const wish = this.wish;
    this.beside.hidden = !wish.dataset || activeJobs(["tune"]).length > 0;
    if (this.beside.hidden) return;
    try {
      let answer;
      while ((answer = await api.post("/api/runs/check", wish)).state === "measuring") {
        if (turn !== this.asked) return;
        if (!this.found) fill(this.check, el("p", { class: "quiet small-text measuring", text: "Looking at this machine …" }));
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
        if (turn !== this.asked || studio.tab !== "tune") return;
      }
      if (turn !== this.asked) return;
      Object.assign(this, { found: answer, refusal: null });
    } catch (error) {
      if (turn !== this.asked) return;
      Object.assign(this, { found: null, refusal: error });
    }
    this.drawCheck();
    this.drawCommand();
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
      fact("Time", `about ${fmt.duration(it.seconds)}`, `From ${it.seconds_from}.`));
  }

  drawCommand() {
    this.commands.draw(this.found && !this.refusal ? this.found.command : null);
  }

  drawAction() {
    if (!this.overview) return;
    const atWork = activeJobs(["tune"]).length > 0;
    if (atWork !== this.beside.hidden) { this.beside.hidden = atWork; if (!atWork) this.ask(); }
    if (atWork) return;
    const nothing = this.found && this.found.facts.kept === 0;
    fill(this.action, el("button", { class: "btn primary wide-btn", disabled: !this.found?.launchable || Boolean(this.refusal), on: { click: (event) => this.launch(event.currentTarget) } }, this.found?.launchable ? `Launch ${fmt.plural(this.found.steps, "step")}` : "Launch"),
      nothing ? el("button", { class: "btn small", on: { click: () => openTab("select") } }, "Go to Select") : null);
  }

  async launch(button) {
    button.disabled = true;
    try { await api.post("/api/runs", this.wish); setParams({ run: null }); await refresh(); } catch (error) { tell(error); }
    this.changed();
  }
}
