// The form of a fine-tune: what is trained on, and fields from the server's one table.
import { LaunchForm } from "../run-launch.js";
import { el, fill, icon, openTab, studio } from "../studio.js";

const names = { lora: "LoRA", qlora: "QLoRA, 4-bit base" };

export class TuneForm extends LaunchForm {
  constructor(node, beside, { reload }) {
    super(node, beside, { kind: "tune", tab: "tune", route: "/api/runs", address: "run", verb: "Launch", names, reload });
  }

  reset() {
    const { told = {}, selection = null, name = "" } = this.recall();
    Object.assign(this, { told, selection, name, found: null, refusal: null, drawn: "" });
  }

  get kept() {
    return { told: this.told, selection: this.selection, name: this.name };
  }

  get wish() {
    return { dataset: studio.dataset?.id, selection: this.selection, settings: this.told, name: this.name };
  }

  draw(overview) {
    this.overview = overview;
    if (this.drawn) return this.ask(); // the fields stay as they are: a reload of the list must not take the focus away
    this.drawn = "drawn";
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

  besideLaunch() {
    return this.found?.facts.kept === 0 ? el("button", { class: "btn small", on: { click: () => openTab("select") } }, "Go to Select") : null;
  }
}
