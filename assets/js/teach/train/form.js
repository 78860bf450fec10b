// The form of a training: kind, which ratings, and fields from the server's one table.
import { LaunchForm } from "../../run-launch.js";
import { kindSwitch, teachKind } from "../kind.js";
import { activeJobs, el, fill, studio } from "../../studio.js";

const names = { cosine: "Cosine", linear: "Linear", constant_with_warmup: "Constant", none: "None", rating: "By rating", nf4: "nf4 (QLoRA)", all: "All projections", attention: "Attention", "query and value": "Query and value" };

export class TeachForm extends LaunchForm {
  constructor(node, beside, { reload }) {
    super(node, beside, { kind: "teach", tab: "teach", route: "/api/lessons", address: "training", verb: "Train", names, reload });
  }

  reset() {
    const { told = {}, origins = null, everywhere = false, name = "" } = this.recall();
    Object.assign(this, { judged: teachKind(), told, origins, everywhere, name, found: null, refusal: null, drawn: "" });
  }

  get kept() {
    const { told, origins, everywhere, name } = this;
    return { told, origins, everywhere, name };
  }

  get wish() {
    return { dataset: studio.dataset?.id, ratings: { origins: this.origins, everywhere: this.everywhere }, settings: { ...this.told, kind: this.judged }, name: this.name };
  }

  get atWork() {
    return activeJobs(["teach"], { all: true }).length > 0; // one training at a time, whatever data set it belongs to
  }

  /** The kind may have been chosen in another room. */
  take(kind) {
    if (kind === this.judged) return;
    Object.assign(this, { judged: kind, origins: null });
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
      kindSwitch(this.judged, (kind) => { this.take(kind); this.reload(); }, { label: "Scorer of", tone: "train-kinds" }),
      el("label", { class: "field" }, el("span", { text: "Name" }), name),
      fields(overview.fields.filter((one) => !one.advanced)),
      el("details", { class: "tune-more", open: this.unfolded, on: { toggle: (event) => { this.unfolded = event.target.open; } } }, el("summary", { text: `More settings · ${folded.length}` }),
        Object.entries(overview.groups).map(([id, label]) => { const rows = folded.filter((one) => one.group === id); return rows.length ? el("div", { class: "stack tight train-group" }, el("h3", { text: label }), fields(rows)) : null; }))));
    this.ask();
  }
}
