// Everything people decided by hand, newest first: undo at any point, with what depends on it shown before.
import { api, el, fill, fmt, icon, problem, tell } from "../studio.js";
import { desk, heard, step } from "./desk.js";
import { popover } from "./popover.js";
import { nameOf } from "./people.js";

const KINDS = { undo: "Undo", redo: "Redo" };
const AT_FIRST = 60;
const AT_MOST = 500;

/** What undoing a step means, in sentences. Pure; `preview` as /api/decisions/undo-preview gives it. */
export function undoWords({ records, changes, overruled, later_steps: steps }) {
  const back = changes ? `${fmt.plural(changes, "record")} change${changes === 1 ? "s" : ""} back.` : "No record changes: others have the last word on all of them.";
  if (!overruled) return [back];
  return [back, steps ? `${fmt.ofN(overruled, records)} keep what ${steps === 1 ? "a later step" : `${fmt.int(steps)} later steps`} said:` : `${fmt.ofN(overruled, records)} stay as they are: an earlier step had said the same.`];
}

/** Undo one step; where more than one record is at stake, what would happen is shown first. */
export async function undoStep(action) {
  let preview;
  try { preview = await api.get("/api/decisions/undo-preview", { dataset: desk.id, action: action.id }); } catch (error) { return tell(error); }
  if (preview.records === 1 && !preview.overruled) return step("undo", action.id);
  if (await agreed(preview)) await step("undo", action.id);
}

function agreed(preview) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { class: "sheet modal undo-sheet", "aria-label": "Undo this step?", on: { close: () => { resolve(dialog.returnValue === "yes"); dialog.remove(); } } },
      el("h2", { text: "Undo this step?" }),
      el("p", { class: "record-text strong", text: preview.action.detail }),
      el("p", { class: "quiet small-text", text: `${fmt.when(preview.action.created_at)} · ${nameOf(preview.action.author)}` }),
      undoWords(preview).map((text) => el("p", { text })),
      preview.later.length ? el("ul", { class: "undo-later" }, preview.later.map((one) => el("li", {}, el("span", { class: "clip grow record-text", title: one.detail, text: one.detail }), el("span", { class: "quiet small-text num", text: `${fmt.int(one.shared)} shared · ${nameOf(one.author)}, ${fmt.when(one.created_at)}` }))),
        preview.later_steps > preview.later.length ? el("li", { class: "quiet small-text", text: `and ${fmt.plural(preview.later_steps - preview.later.length, "more step")}` }) : null) : null,
      el("form", { method: "dialog", class: "row end" }, el("button", { class: "btn", value: "no", text: "Cancel" }), el("button", { class: "btn primary", value: "yes", text: preview.changes ? `Undo, ${fmt.int(preview.changes)} change back` : "Undo" })));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** The button "History" with its panel. → {node, stop()} */
export function history() {
  let person = "", limit = AT_FIRST;
  const pop = popover("History", "What was done by hand", read, { wide: true });

  async function read(body) {
    let answer;
    try { answer = await api.get("/api/decisions/history", { dataset: desk.id, limit, person }); } catch (error) { return fill(body, problem(error)); }
    const scroll = body.scrollTop;
    const who = el("select", { class: "select", "aria-label": "Whose steps", on: { change: () => { person = who.value; limit = AT_FIRST; read(body); } } },
      el("option", { value: "", text: "Everybody" }), answer.people.map((name) => el("option", { value: name, text: nameOf(name), selected: name === person })));
    fill(body, el("div", { class: "row apart nowrap" }, el("h3", { text: "Done by hand" }), answer.people.length > 1 || person ? el("div", { class: "picker" }, who, icon("down")) : null,
      el("button", { class: "btn small", disabled: !desk.redo, title: desk.redo ? `Redo: ${desk.redo} (R)` : "Nothing to redo", on: { click: () => step("redo") } }, "Redo", icon("right"))),
      answer.actions.length ? el("ol", { class: "history" }, answer.actions.map(row)) : el("p", { class: "quiet", text: person ? `${nameOf(person)} did nothing by hand here.` : "Nothing yet. Keep (K) or drop (D) a record below; each step stands here and can be undone." }),
      answer.total > answer.actions.length ? (limit < AT_MOST ? el("button", { class: "link small-text", text: `Earlier steps (${fmt.int(answer.total - answer.actions.length)})`, on: { click: () => { limit = AT_MOST; read(body); } } }) : el("p", { class: "quiet small-text", text: `The latest ${fmt.ofN(answer.actions.length, answer.total)} steps.` })) : null);
    body.scrollTop = scroll;
  }

  const row = (action) => el("li", { class: action.undone ? "undone" : "", data: { kind: action.kind, action: action.id } },
    el("div", { class: "grow" }, el("p", { class: "record-text history-text", title: action.detail, text: `${KINDS[action.kind] ? `${KINDS[action.kind]}: ` : ""}${action.detail.replace(/^(undo|redo): /, "")}` }),
      el("p", { class: "quiet small-text", text: [fmt.when(action.created_at), nameOf(action.author), action.undone ? "undone" : ""].filter(Boolean).join(" · ") })),
    action.kind === "decision" && !action.undone ? el("button", { class: "btn small plain", text: "Undo", "aria-label": `Undo: ${action.detail}`, on: { click: () => undoStep(action) } }) : null);

  const stops = [heard("decided", pop.again), heard("live", () => pop.open && shown !== desk.redo && ((shown = desk.redo), pop.again()))];
  let shown = desk.redo;
  return { node: pop.node, open: () => pop.show(true), stop: () => { stops.forEach((f) => f()); pop.stop(); } };
}
