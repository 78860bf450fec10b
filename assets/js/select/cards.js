// One record as a card: picture, question, best answer, both scores, what the selection makes of it, keep and drop.
import { api, el, fill, fmt, icon, photo, problem } from "../studio.js";
import { decide, desk, standing } from "./desk.js";

const score = (value, stage) => fmt.number(value, desk.digits[stage] ?? 2);

/** Keep and drop as two small toggles; pressing the pressed one takes the mark back. */
function toggles(id, now, { wide = false } = {}) {
  const button = (verdict, name, label, key) => {
    const pressed = now.byHand === verdict;
    return el("button", { type: "button", class: `toggle by-${verdict}`, "aria-pressed": String(pressed), title: pressed ? "Take the mark back (C)" : `${label} by hand (${key})`, "aria-label": wide ? null : pressed ? `Take back: ${label}` : label,
      on: { click: (event) => { event.stopPropagation(); decide([id], pressed ? "clear" : verdict); } } }, icon(name), wide ? label : null);
  };
  return el("div", { class: `toggles ${wide ? "wide" : ""}`, role: "group", "aria-label": "By hand" }, button("keep", "check", "Keep", "K"), button("drop", "close", "Drop", "D"));
}

function scores(now) {
  const chip = (letter, stage, value, title) => el("span", { class: "score num", title }, el("span", { class: "score-letter", text: letter }), Number.isNaN(value) || value === null ? "none" : score(value, stage));
  return [chip("Q", "question", now.question, "Question score"), chip("A", "answer", now.answer, "Answer score: mean over the turns of the best candidate")];
}

/** A card of the grid or the strip. `record` as /api/selections sends it. bare: no toggles and no focus. → {node, id, draw()} */
export function card(record, { bare = false, choose = null, look = null } = {}) {
  const state = el("div", { class: "card-state" });
  const node = el("article", { class: "pick", data: { record: record.id }, tabIndex: bare ? null : 0, "aria-label": `Record ${record.key}` },
    el("div", { class: "pick-photo" }, photo(record)),
    el("div", { class: "pick-text" },
      el("p", { class: "pick-question record-text", dir: "auto", text: record.question || "(empty question)" }),
      el("p", { class: "pick-answer record-text", dir: "auto", text: record.answer || "(empty answer)" }),
      state));
  if (!bare) {
    node.addEventListener("click", () => choose?.(record.id, node));
    node.addEventListener("focus", () => choose?.(record.id, node));
    node.addEventListener("dblclick", () => look?.(record.id));
  }
  let before = "";
  const draw = () => { // many cards hear of each move of a cut; only those that change side are drawn
    const now = standing(record.id);
    const side = now && `${now.kept} ${now.byHand}`;
    if (!now || side === before) return;
    before = side;
    node.classList.toggle("kept", now.kept);
    node.classList.toggle("dropped", !now.kept);
    node.classList.toggle("by-hand", Boolean(now.byHand));
    fill(state, el("span", { class: `dot ${record.type}`, title: record.type_label }), scores(now),
      record.of > 1 ? el("span", { class: "quiet", title: `The best of ${record.of} answers is shown`, text: `best of ${record.of}` }) : null,
      record.turns > 1 ? el("span", { class: "quiet", text: `turn 1 of ${record.turns}` }) : null,
      now.byHand ? el("span", { class: `chip ${now.byHand === "keep" ? "accent" : "warn"}`, text: now.byHand === "keep" ? "kept by hand" : "dropped by hand" }) : null,
      el("span", { class: "grow" }), bare ? null : toggles(record.id, now));
  };
  draw();
  return { node, id: record.id, draw };
}

/** The panel beside the grid: one record with all its candidates. → {node, show(id), draw(), id} */
export function details() {
  const node = el("aside", { class: "look card", "aria-label": "Record in detail", tabIndex: 0 });
  let shown = null, record = null, asked = 0;
  const nothing = () => fill(node, el("div", { class: "look-none" }, icon("image"), el("p", { class: "quiet", text: "Choose a record to see its picture, every answer candidate and both scores." }),
    el("p", { class: "quiet small-text" }, el("kbd", { text: "←" }), " ", el("kbd", { text: "→" }), " walk, ", el("kbd", { text: "K" }), " keep, ", el("kbd", { text: "D" }), " drop")));

  async function show(id) {
    shown = id;
    if (id === null) { record = null; return nothing(); }
    const mine = ++asked;
    try {
      const answer = await api.get(`/api/selections/records/${id}`, { dataset: desk.id });
      if (mine !== asked) return;
      record = answer;
      draw();
      node.scrollTop = 0;
    } catch (error) { if (mine === asked) { record = null; fill(node, problem(error)); } }
  }

  function draw() {
    if (!record || record.id !== shown) return;
    const now = standing(record.id);
    if (!now) return;
    const rule = now.code === 6 ? "Kept by hand, whatever the cuts say" : now.code === 7 ? "Dropped by hand, whatever the cuts say" : now.kept ? "Kept: passed both cuts" : `Dropped: ${now.reason}`;
    fill(node, el("div", { class: "look-photo" }, photo(record)),
      el("div", { class: "row" }, el("span", { class: `chip ${record.type}`, text: record.type_label }), el("span", { class: "clip quiet small-text grow", title: record.key, text: `${record.key} · row ${fmt.int(record.row)}` })),
      el("p", { class: `look-verdict ${now.kept ? "kept" : "dropped"}`, text: rule }), toggles(record.id, now, { wide: true }),
      el("dl", { class: "look-scores num" }, el("div", {}, el("dt", { text: "Question score" }), el("dd", {}, Number.isNaN(now.question) ? el("span", { class: "warn-text", text: record.question_why || "none" }) : score(now.question, "question"))),
        el("div", {}, el("dt", { text: record.turns > 1 ? `Answer score, mean of ${record.turns} turns` : "Answer score" }), el("dd", {}, Number.isNaN(now.answer) ? el("span", { class: "warn-text", text: "none" }) : score(now.answer, "answer")))),
      el("div", { class: "look-turns" }, record.conversation.slice(0, 100).map((turn, i) => turnOf(turn, i, record.conversation.length))),
      record.conversation.length > 100 ? el("p", { class: "quiet", text: `100 of ${fmt.int(record.conversation.length)} turns are shown.` }) : null);
  }

  function turnOf(turn, i, of) {
    const many = turn.answers.length > 1;
    return el("section", {}, of > 1 ? el("p", { class: "quiet small-text", text: `Turn ${i + 1} of ${of}` }) : null,
      el("p", { class: "look-question record-text", dir: "auto", text: turn.question || "(empty question)" }),
      turn.answers.map((answer, c) => el("div", { class: `look-answer ${many && turn.best === c ? "best" : ""}` },
        el("p", { class: "record-text", dir: "auto", text: answer.text || "(empty answer)" }),
        el("p", { class: "small-text num quiet" }, answer.score === null ? el("span", { class: answer.why ? "warn-text" : "", text: answer.why ? `no score: ${answer.why}` : "no score" }) : score(answer.score, "answer"),
          many ? ` · ${c + 1} of ${turn.answers.length}` : "", many && turn.best === c ? el("b", { class: "best-mark", text: " best, used" }) : ""))),
      turn.answers.length ? null : el("p", { class: "quiet", text: "(no answer)" }));
  }

  nothing();
  return { node, show, draw, get id() { return shown; } };
}
