// One record as a card: picture, question, best answer, both scores, what the selection makes of it, keep and drop.
import { el, fill, fmt, icon, photo } from "../studio.js";
import { decide, desk, standing } from "./desk.js";

export const score = (value, stage, more = 0) => (value === null || value === undefined || Number.isNaN(value) ? "none" : fmt.number(value, Math.min(6, (desk.digits[stage] ?? 2) + more)));

/** Keep and drop as two small toggles; pressing the pressed one takes the mark back. mark(verdict) where the place does more than decide. */
export function toggles(id, now, { wide = false, mark = (verdict) => decide([id], verdict) } = {}) {
  const button = (verdict, name, label, key) => {
    const pressed = now.byHand === verdict;
    return el("button", { type: "button", class: `toggle by-${verdict}`, "aria-pressed": String(pressed), title: pressed ? "Take the mark back (C)" : `${label} by hand (${key})`, "aria-label": wide ? null : pressed ? `Take back: ${label}` : label,
      on: { click: (event) => { event.stopPropagation(); mark(pressed ? "clear" : verdict); } } }, icon(name), wide ? label : null);
  };
  return el("div", { class: `toggles ${wide ? "wide" : ""}`, role: "group", "aria-label": "By hand" }, button("keep", "check", "Keep", "K"), button("drop", "close", "Drop", "D"));
}

/** Both scores as chips. `more`: so many decimals more than elsewhere, where neighbours are told apart. */
export function scoreChips(now, more = 0) {
  const chip = (letter, stage, value, title) => el("span", { class: `score num ${value === null || Number.isNaN(value) ? "none" : ""}`, title }, el("span", { class: "score-letter", text: letter }), score(value, stage, more));
  return [chip("Q", "question", now.question, "Question score"), chip("A", "answer", now.answer, "Answer score: mean over the turns of the best candidate")];
}

/**
 * A card of the grid or the strip. `record` as /api/record-lists sends it. bare: no toggles and no focus. Hooks: choose(id, node), look(id), mark(id, verdict),
 * pick(id, event) adds it to the records picked together, picked(id) tells whether it is one; more: decimals of the scores beyond the usual. → {node, id, record, draw(), update(record)}
 */
export function card(record, { bare = false, choose = null, look = null, pick = null, picked = null, mark = null, more = 0 } = {}) {
  const state = el("div", { class: "card-state" }), badges = el("div", { class: "pick-badges" });
  const tick = pick ? el("button", { type: "button", class: "pick-tick", tabIndex: -1, "aria-label": "Pick this record (X)", title: "Pick (X); with Shift up to here", on: { click: (event) => { event.stopPropagation(); pick(record.id, { shiftKey: event.shiftKey, ctrlKey: true }); } } }, icon("check")) : null;
  const node = el("article", { class: "pick", data: { record: record.id }, tabIndex: bare ? null : 0 });
  const made = { node, id: record.id, record, draw, update };

  function body() {
    node.setAttribute("aria-label", `Record ${made.record.key}`);
    fill(node, el("div", { class: "pick-photo" }, photo(made.record), badges, tick),
      el("div", { class: "pick-text" },
        el("p", { class: "pick-question record-text", dir: "auto", text: made.record.question || "(empty question)" }),
        el("p", { class: "pick-answer record-text", dir: "auto", text: made.record.answer || "(empty answer)" }),
        state));
  }
  let before = "";
  function draw() { // many cards hear of each move of a cut; only those that change side are drawn
    const now = standing(made.record), r = made.record;
    if (picked) node.classList.toggle("picked", picked(r.id));
    const side = `${now.kept} ${now.byHand} ${r.similarity ?? ""} ${now.question} ${now.answer}`;
    if (side === before) return;
    before = side;
    node.classList.toggle("kept", now.kept);
    node.classList.toggle("dropped", !now.kept);
    node.classList.toggle("by-hand", Boolean(now.byHand));
    const notes = [
      now.byHand ? el("span", { class: `hand hand-${now.byHand}`, text: now.byHand === "keep" ? "kept by hand" : "dropped by hand" }) : null,
      r.similarity !== undefined && r.similarity !== null ? el("span", { class: "num", title: "How alike: 1 is the same direction", text: `${fmt.number(r.similarity)} alike` }) : null,
      r.of > 1 ? el("span", { title: `The best of ${r.of} answers is shown`, text: `best of ${r.of}` }) : null,
      r.turns > 1 ? el("span", { title: `The first of ${r.turns} turns is shown`, text: `${r.turns} turns` }) : null,
      r.rewritten ? el("span", { title: "An accepted rewrite stands in for the original", text: "rewritten" }) : null,
    ];
    fill(badges, notes);
    fill(state, el("span", { class: `dot ${r.type}`, title: r.type_label }), scoreChips(now, more), el("span", { class: "grow" }), bare ? null : toggles(r.id, now, mark ? { mark: (verdict) => mark(r.id, verdict) } : {}));
  }
  /** Another word of the server on the same record. */
  function update(next) {
    const same = ["question", "answer", "image", "key"].every((name) => next[name] === made.record[name]);
    made.record = next;
    if (!same) body();
    draw();
  }

  if (!bare) {
    node.addEventListener("click", (event) => {
      if (pick && (event.shiftKey || event.ctrlKey || event.metaKey)) { event.preventDefault(); getSelection()?.removeAllRanges(); pick(record.id, event); return; }
      choose?.(record.id, node);
    });
    node.addEventListener("mousedown", (event) => { if (event.shiftKey) event.preventDefault(); }); // no text is marked on the way
    node.addEventListener("focus", () => choose?.(record.id, node));
    node.addEventListener("dblclick", () => look?.(record.id));
  }
  body();
  draw();
  return made;
}
