// One record with everything that is known of it: the panel beside the grid, and the large view.
import { api, el, fill, fmt, icon, openRecord, photo, problem } from "../studio.js";
import { score, toggles } from "./cards.js";
import { decide, desk, standing } from "./desk.js";
import { columnOf } from "./filters.js";
import { setQuery } from "./query.js";

const TURNS_SHOWN = 100;

const ask = (id) => api.get("/api/record-lists/detail", { dataset: desk.id, record: id });

/** What was decided on a record and why, in one sentence. */
function verdict(record, now) {
  const by = record.history?.find((step) => !step.undone);
  const who = by && now.byHand ? ` by ${by.author === "screen" ? "hand" : by.author}, ${fmt.when(by.created_at)}` : " by hand";
  return now.byHand === "keep" ? `Kept${who}, whatever the cuts say` : now.byHand === "drop" ? `Dropped${who}, whatever the cuts say` : now.kept ? "Kept: passed both cuts" : `Dropped: ${now.reason}`;
}

/** Ways on from a record: more like it, others of its image. */
function ways(record, { leave = () => {} } = {}) {
  const map = Boolean(columnOf("map_x"));
  const go = (change) => { leave(); setQuery(change); };
  return el("div", { class: "row look-ways" },
    el("button", { type: "button", class: "btn small", disabled: !map, title: map ? "The 1,000 records most like this one, most alike first" : "Needs the signal “Map”: run it first", text: "More like this", on: { click: () => go({ like: { record: record.id } }) } }),
    record.image ? el("button", { type: "button", class: "btn small", title: "All records of this image", text: "Same image", on: { click: () => go({ same_image_as: record.id }) } }) : null);
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

const folded = (title, content, { open = false, note = "" } = {}) => (content ? el("details", { class: "look-more", open }, el("summary", {}, title, note ? el("span", { class: "quiet num", text: ` ${note}` }) : null), content) : null);

const KINDS = { question: "Questions", answer: "Answer" };
function scoresOf(record) {
  if (!record.scores?.length) return null;
  const used = desk.info.keys;
  return el("div", { class: "look-scroll" }, el("table", { class: "table look-table" },
    el("thead", {}, el("tr", {}, ["Of", "Scorer", ""].map((text, i) => el("th", { class: i === 2 ? "n" : "", text: i === 2 ? "Score" : text })))),
    el("tbody", {}, record.scores.slice(0, 400).map((row) => el("tr", { class: used[row.kind] === row.key ? "used" : "" },
      el("td", { text: row.kind === "question" ? KINDS.question : [record.conversation.length > 1 && row.turn >= 0 ? `turn ${row.turn + 1}` : "", row.candidate >= 0 ? `answer ${row.candidate + 1}` : "answer"].filter(Boolean).join(", ") }),
      el("td", { title: `${row.label} · key ${row.key}`, class: "record-text" }, row.label, used[row.kind] === row.key ? el("span", { class: "quiet", text: " · in use" }) : null),
      el("td", { class: "n" }, row.score === null ? el("span", { class: "warn-text", title: row.why, text: row.why ? "failed" : "none" }) : score(row.score, row.kind)))))));
}

const VERDICTS = { keep: "Keep", drop: "Drop", clear: "Take the mark back" };
function historyOf(record) {
  if (!record.history?.length) return null;
  return el("ol", { class: "history" }, record.history.map((step) => el("li", { class: step.undone ? "undone" : "" }, el("div", { class: "grow" },
    el("p", { class: "history-text record-text", text: VERDICTS[step.verdict] ?? step.verdict }), el("p", { class: "quiet small-text", text: [fmt.when(step.created_at), step.author === "screen" ? "" : step.author, / records?\b/.test(step.detail) ? step.detail : "", step.undone ? "undone" : ""].filter(Boolean).join(" · ") })))));
}

const valueText = (row) => (row.value === null ? "–" : row.kind === "flag" ? (row.value ? "yes" : "no") : row.kind === "number" ? `${Number.isInteger(row.value) ? fmt.int(row.value) : fmt.number(row.value, 3)}${row.unit ? ` ${row.value === 1 ? row.unit.replace(/s$/, "") : row.unit}` : ""}` : row.kind === "group" ? (row.value >= 0 ? `group ${row.value}` : "alone") : String(row.value));
function signalsOf(record) {
  const rows = (record.signals ?? []).filter((row) => row.value !== null && !row.name.startsWith("field.")); // those stand with the file
  if (!rows.length) return null;
  return el("dl", { class: "look-facts" }, rows.map((row) => [el("dt", { title: row.help, text: row.label }), el("dd", { class: "num record-text", dir: "auto", text: valueText(row) })]));
}

function rewritesOf(record) {
  if (!record.rewrites?.length) return null;
  return el("ol", { class: "look-rewrites" }, record.rewrites.map((row) => el("li", {}, el("p", { class: "record-text", dir: "auto", text: row.text || "(no text)" }),
    el("p", { class: "quiet small-text", text: [`${row.part === "question" ? "question" : "answer"}${record.conversation.length > 1 ? ` of turn ${row.turn + 1}` : ""}`, row.verdict ?? "", row.kept ? "" : row.reason].filter(Boolean).join(" · ") }))));
}

function provenanceOf(record, { fields = true } = {}) {
  const from = record.provenance ?? {};
  const rows = [["File", from.file], ["Row", fmt.int(from.row)], ["Id", from.key], ["Format", from.format], ["Imported", from.imported_at ? fmt.when(from.imported_at) : ""], ["Type", `${record.type_label}, ${from.type_told ? "told by the file" : "inferred"}`], ["Images", (from.images ?? []).join(", ")], ["Content", from.content?.slice(0, 16)],
    ...Object.entries(fields ? record.extra ?? {} : {}).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)])].filter(([, value]) => value !== undefined && value !== "" && value !== null);
  return el("dl", { class: "look-facts" }, rows.map(([name, value]) => [el("dt", { text: name }), el("dd", { class: "record-text", dir: "auto", title: String(value), text: String(value).slice(0, 600) })]));
}

/** The panel beside the grid. → {node, show(id), draw(), again(), id} */
export function panel({ look }) {
  const node = el("aside", { class: "look card", "aria-label": "Record in detail", tabIndex: 0 });
  let shown = null, record = null, asked = 0;
  const nothing = () => fill(node, el("div", { class: "look-none" }, icon("image"), el("p", { class: "quiet", text: "Choose a record to see its picture, every answer and all that is known of it." }),
    el("p", { class: "quiet small-text" }, el("kbd", { text: "←" }), " ", el("kbd", { text: "→" }), " walk  ", el("kbd", { text: "K" }), " keep  ", el("kbd", { text: "D" }), " drop  ", el("kbd", { text: "?" }), " all keys")));

  async function show(id, { quiet = false } = {}) {
    if (shown !== id) { record = null; node.classList.add("old"); }
    shown = id;
    if (id === null) return nothing();
    const mine = ++asked;
    try {
      const answer = await ask(id);
      if (mine !== asked) return;
      record = answer;
      const open = new Set([...node.querySelectorAll("details[open]")].map((d) => d.dataset.part));
      draw(open);
      if (!quiet) node.scrollTop = 0;
    } catch (error) { if (mine === asked) { record = null; fill(node, problem(error)); } }
    node.classList.remove("old");
  }

  let before = "";
  function draw(open = null) {
    if (!record || record.id !== shown || !desk.loaded) return;
    const now = standing(record);
    const side = `${record.id} ${now.code} ${now.byHand}`;
    if (!open && side === before) return; // a cut that moves past others draws nothing here
    before = side;
    const kept = open ?? new Set([...node.querySelectorAll("details[open]")].map((d) => d.dataset.part));
    const part = (name, title, content, note) => { const d = folded(title, content, { note, open: kept.has(name) }); if (d) d.dataset.part = name; return d; };
    const marks = record.history?.length ?? 0;
    fill(node, el("button", { type: "button", class: "look-photo", title: "Large view (Enter)", "aria-label": "Large view", on: { click: () => look(record.id) } }, photo(record)),
      el("div", { class: "row nowrap" }, el("span", { class: `chip ${record.type}`, text: record.type_label }), el("span", { class: "clip quiet small-text", title: record.key, text: record.key }), el("span", { class: "quiet small-text num look-row", text: `row ${fmt.int(record.row)}` })),
      el("p", { class: `look-verdict ${now.kept ? "kept" : "dropped"}`, text: verdict(record, now) }), toggles(record.id, now, { wide: true }),
      el("dl", { class: "look-scores num" }, el("div", {}, el("dt", { text: "Question score" }), el("dd", {}, now.question === null ? el("span", { class: "warn-text", text: record.question_why || "none" }) : score(now.question, "question"))),
        el("div", {}, el("dt", { text: record.turns > 1 ? `Answer score, mean of ${record.turns}` : "Answer score" }), el("dd", {}, now.answer === null ? el("span", { class: "warn-text", text: "none" }) : score(now.answer, "answer")))),
      el("div", { class: "look-turns" }, record.conversation.slice(0, TURNS_SHOWN).map((turn, i) => turnOf(turn, i, record.conversation.length))),
      record.conversation.length > TURNS_SHOWN ? el("p", { class: "quiet", text: `${TURNS_SHOWN} of ${fmt.int(record.conversation.length)} turns are shown.` }) : null,
      ways(record),
      el("div", { class: "look-folds" }, part("signals", "Signals", signalsOf(record)), part("scores", "Every score", scoresOf(record), fmt.int(record.scores?.length ?? 0)), part("history", "Decisions", historyOf(record), fmt.int(marks)), part("rewrites", "Rewrites", rewritesOf(record), fmt.int(record.rewrites?.length ?? 0)), part("from", "Where it came from", provenanceOf(record))));
  }

  nothing();
  return { node, show, draw: () => draw(), again: () => shown !== null && show(shown, { quiet: true }), get id() { return shown; } };
}

/**
 * The large view of a record. `walk(step, id)` gives the next id, `position(id)` its place in words, `judge(id, verdict)` decides (a promise), `moved`, `closed` as in openRecord.
 */
export function large(id, { walk, position, judge, moved, closed, undo }) {
  let current = null; // {record, head, draw}
  const decided = async (what) => {
    if (!current) return;
    const { id: mine } = current;
    if (await judge(mine, what)) await current?.again();
  };
  const dialog = openRecord(id, {
    walk, position, moved, closed,
    actions: (record) => {
      const head = el("div", { class: "viewer-judge" }), facts = el("div", { class: "look-folds viewer-facts" });
      const one = { id: record.id, facts, again: null };
      one.again = async () => {
        try {
          const told = await ask(one.id);
          const now = standing(told);
          fill(head, el("span", { class: `look-verdict ${now.kept ? "kept" : "dropped"}`, text: verdict(told, now) }), toggles(one.id, now, { wide: true, mark: decided }));
          const open = new Set([...facts.querySelectorAll("details")].filter((d) => d.open).map((d) => d.dataset.part));
          const first = !facts.children.length;
          const part = (name, title, content, note) => { const d = folded(title, content, { note, open: first ? name !== "from" : open.has(name) }); if (d) d.dataset.part = name; return d; };
          fill(facts, part("signals", "Signals", signalsOf(told)), part("scores", "Every score, with its key", scoresOf(told), fmt.int(told.scores.length)), part("history", "Decisions", historyOf(told), fmt.int(told.history.length)),
            part("rewrites", "Rewrites", rewritesOf(told), fmt.int(told.rewrites.length)), part("from", "Where it came from", provenanceOf(told, { fields: false })), ways(told, { leave: () => dialog.close() }));
        } catch (error) { fill(facts, problem(error)); }
      };
      current = one;
      one.again();
      return head;
    },
    more: () => current.facts,
    keys: [["k", "Keep by hand", () => decided("keep")], ["d", "Drop by hand", () => decided("drop")], ["c", "Take the mark back", () => decided("clear")], ["u", "Undo the last manual step", async () => { await undo(); current?.again(); }]],
  });
  return dialog;
}
