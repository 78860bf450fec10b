// Which texts the rooms of the Teach tab are about, questions or answers: one choice for all rooms, in the address and kept in this browser.
import { el, param, setParams } from "../studio.js";

const KINDS = [["question", "Questions"], ["answer", "Answers"]];
const SAVED = "align2-teach-kind";
const known = (value) => KINDS.some(([id]) => id === value);

function saved() {
  try { return localStorage.getItem(SAVED); } catch { return null; }
}

/** The kind the address names, null where it names none. */
export const toldKind = () => (known(param("teach_kind")) ? param("teach_kind") : null);

/** "question" or "answer". Answers come first where nobody chose: there a record has several candidates to begin with. */
export const teachKind = () => toldKind() ?? (known(saved()) ? saved() : "answer");

/** What stands beside a kind. */
export const otherKind = (kind) => (kind === "question" ? "answer" : "question");

export function chooseKind(kind) {
  try { localStorage.setItem(SAVED, kind); } catch { /* lasts for this address */ }
  setParams({ teach_kind: kind });
}

/** The switch of a room. `pick` is called after the choice is made; the focus leaves the button, so that keys go to the room. */
export function kindSwitch(kind, pick, { label = "What is rated", tone = "" } = {}) {
  return el("div", { class: `seg ${tone}`, role: "group", "aria-label": label }, KINDS.map(([id, text]) => el("button", { type: "button", "aria-pressed": String(id === kind), text, on: {
    click: (event) => { event.currentTarget.blur(); if (id !== kind) { chooseKind(id); pick(id); } } } })));
}
