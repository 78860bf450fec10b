// Pieces that every kind of training shows: a setting as a field, the base's field, lines of the check, the command, states.
import { el, fill, icon } from "./dom.js";
import { tell, toast } from "./parts.js";

export const RUN_STATES = { done: ["finished", "good"], running: ["running", "accent"], queued: ["waiting", ""], failed: ["failed", "bad"], cancelled: ["stopped", "warn"] };
const LEVELS = { good: ["check", "good-text"], warn: ["warn", "warn-text"], bad: ["close", "bad-text"] };
const LANGUAGES = [["shell", "Shell"], ["python", "Python"], ["yaml", "YAML"]];

/** One setting as a field: a switch, a choice or a box. `one` is a row of the server's table, `set(value)` is called as it changes. */
export function knobField(one, value, set, names = {}) {
  const title = `${one.help}${one.range ? ` Allowed: ${one.range}.` : ""}`;
  if (one.kind === "switch") {
    const box = el("input", { type: "checkbox", checked: value, on: { change: () => set(box.checked) } });
    return el("label", { class: "tune-switch", title, data: { field: one.name } }, box, el("span", { text: one.label }));
  }
  let input;
  if (one.kind === "choice") {
    const select = el("select", { class: "select", on: { change: () => set(select.value) } },
      one.choices.map((choice) => el("option", { value: choice, text: names[choice] ?? choice, selected: choice === value })));
    input = el("span", { class: "picker" }, select, icon("down"));
  } else {
    input = el("input", { class: "input num", type: "text", inputmode: "decimal", value: String(value), autocomplete: "off", on: { input: (event) => set(event.target.value) } });
  }
  return el("label", { class: "field", title, data: { field: one.name } }, el("span", {}, one.label, one.unit ? el("span", { class: "quiet", text: ` · ${one.unit}` }) : null), input);
}

/** The base model: one of the known ones, or a folder or hub id typed in. `take(base)` is called with a whole choice. */
export function baseField(one, value, bases, take) {
  const known = bases.some((base) => base.name === value);
  const box = el("input", { class: "input", type: "text", maxLength: 500, value: known ? "" : value, placeholder: "folder, or owner/name of the hub", "aria-label": "Folder or hub id", hidden: known,
    on: { change: () => { if (box.value.trim()) take(box.value.trim()); } } });
  const select = el("select", { class: "select", on: { change: () => { if (select.value) return take(select.value); box.hidden = false; box.focus(); } } },
    bases.map((base) => el("option", { value: base.name, text: base.label, title: base.note, selected: base.name === value })),
    el("option", { value: "", text: "Another: a folder or hub id …", selected: !known }));
  return el("div", { class: "field wide", title: one.help, data: { field: one.name } }, el("label", { class: "field" }, el("span", { text: one.label }), el("span", { class: "picker" }, select, icon("down"))), box);
}

/** The lines of a check before launch, each with its way out. */
export const findingsList = (findings) =>
  el("ul", { class: "tune-findings" }, findings.map((one) => el("li", { data: { level: one.level } }, el("span", { class: LEVELS[one.level][1] }, icon(LEVELS[one.level][0])),
    el("div", {}, el("p", { text: one.text }), one.hint ? el("p", { class: "quiet", text: one.hint }) : null))));

/** The command in three spellings, with a copy button. Remembers the language it was last shown in. */
export class CommandBox {
  constructor(node) {
    Object.assign(this, { node, language: "shell", commands: null });
  }

  draw(commands) {
    this.commands = commands;
    if (!commands) return fill(this.node);
    const text = commands[this.language];
    fill(this.node, el("div", { class: "row apart" }, el("h3", { text: "The command" }),
      el("div", { class: "row" }, el("div", { class: "seg tune-languages", role: "group", "aria-label": "Language" }, LANGUAGES.map(([id, label]) => el("button", { type: "button", "aria-pressed": String(id === this.language), on: { click: () => { this.language = id; this.draw(this.commands); } } }, label))),
        el("button", { class: "btn small", on: { click: () => navigator.clipboard?.writeText(text).then(() => toast("Copied."), tell) } }, icon("copy"), "Copy"))),
      el("pre", { class: "tune-command mono", tabIndex: 0 }, this.language === "shell" ? text.split(/ (?=-)/).map((part, i) => [i ? " " : "", el("span", { class: "unbroken", text: part })]) : text));
  }
}

const SMOOTH = 0.8;
/** Exponential mean, its start corrected, so that the line doesn't begin at zero. */
export function smoothed(values) {
  let mean = 0;
  return values.map((value, i) => { mean = SMOOTH * mean + (1 - SMOOTH) * value; return mean / (1 - SMOOTH ** (i + 1)); });
}

/** [x, y] of one curve as the server tells it. */
export const curveLine = (curves, name) => [(curves[name] ?? []).map(([step]) => step), (curves[name] ?? []).map(([, value]) => value)];

/** A figure with its name above and what it rests on below. */
export const runTile = (label, value, note, title = "") =>
  el("div", { class: "tune-tile", title }, el("span", { class: "small-text quiet", text: label }), el("span", { class: "tune-big num", text: value }), el("span", { class: "small-text quiet num", text: note }));

/** What changed since the run before, in words. */
export const changeWords = (run) => (!run.before ? "the first" : run.difference.length ? run.difference.map((one) => `${one.field} ${one.before ?? "—"} → ${one.now ?? "—"}`).join(", ") : "none");

/** A run's manifest over the page. */
export function showManifest(run, told) {
  const dialog = el("dialog", { class: "sheet modal tune-manifest", "aria-label": "Manifest", on: { close: () => dialog.remove(), click: (event) => { if (event.target === dialog) dialog.close(); } } },
    el("h2", { text: `Manifest of ${run.name}` }), el("p", { class: "small-text quiet mono", text: told.folder }), el("pre", { class: "tune-command mono", tabIndex: 0, text: JSON.stringify(told.manifest, null, 2) }),
    el("form", { method: "dialog", class: "row end" }, el("button", { class: "btn", text: "Close" })));
  document.querySelector("#a2, body").append(dialog);
  dialog.showModal();
}
