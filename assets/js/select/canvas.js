// The cascade canvas: a line a type from imported to kept with both cuts on it, the sum below, and beside them both scores together and the flow.
import { bind, el, fill, fmt, openTab, studio } from "../studio.js";
import { ALL, groupsOf, STAGES, TYPES } from "./cube.js";
import { desk, heard, setSpec } from "./desk.js";
import { joint } from "./joint.js";
import { notices } from "./notices.js";
import { panel } from "./panel.js";
import { setQuery } from "./query.js";
import { sankey } from "./sankey.js";

const nameOf = (group) => (group === ALL ? "All types" : desk.info.types.find((type) => type.id === group).label);
const typesHere = () => TYPES.filter((type, t) => desk.cube.imported[t] > 0);
let shown = null; // the canvas on the page, for the keys

/** Fill a node with the canvas of the open data set. Returns a way to stop. */
export function canvas(node) {
  let panels = [], cells = [], shape = "", perType = null;
  const told = el("div", {}), rows = el("div", { class: "canvas-rows" }), side = el("div", { class: "canvas-side" });
  const notes = el("div", { class: "without small-text" });
  fill(node, told, el("div", { class: "canvas-card" }, rows, side), notes);
  const views = [joint(side), sankey(side)];

  const build = () => {
    panels.forEach((p) => p.stop());
    perType = desk.spec.per_type;
    const groups = perType ? typesHere() : groupsOf(desk.spec);
    const sums = perType ? [ALL] : typesHere();
    panels = [];
    cells = [];
    fill(rows, el("div", { class: `cascade ${perType ? "by-type" : "as-one"} rows-${groups.length}`, role: "group", "aria-label": "Cascade" },
      head(),
      groups.map((group, i) => {
        const both = STAGES.map((stage) => panel(stage, group, nameOf(group), { ticks: i === groups.length - 1 }));
        panels.push(...both);
        const from = el("div", { class: "cascade-from" }), to = el("div", { class: "cascade-to" });
        cells.push({ group, from, to });
        return el("div", { class: "cascade-row", data: { group } }, from, both.map((p) => p.node), to);
      }),
      el("div", { class: "cascade-sums" }, sums.map((group) => {
        const row = el("div", { class: `cascade-row cascade-sum ${group === ALL ? "total" : ""}`, data: { sum: group } });
        cells.push({ group, row });
        return row;
      }))));
    draw();
    panels.forEach((p) => p.draw());
  };
  const draw = () => { for (const cell of cells) drawCell(cell); };
  const drawNotes = () => { fill(notes, without()); notes.hidden = !notes.children.length; };
  const loaded = () => {
    if (!desk.loaded) return;
    drawNotes();
    const now = JSON.stringify([desk.id, desk.spec.per_type, desk.cube.imported, desk.info.keys, STAGES.map((stage) => desk.info.scorers[stage].map((row) => row.digest))]);
    if (now === shape) { draw(); panels.forEach((p) => p.draw()); return; }
    shape = now;
    build();
  };
  const moved = () => { if (desk.spec.per_type === perType) draw(); else { shape = ""; loaded(); } };
  loaded();
  shown = { focus: (stage) => { const found = panels.find((p) => p.node.dataset.stage === stage && p.handle.checkVisibility()); (found?.handle ?? panels.find((p) => p.node.dataset.stage === stage)?.node.querySelector("select"))?.focus(); } };
  const stops = [heard("load", loaded), heard("frame", moved), notices(told)];
  return () => { shown = null; stops.forEach((f) => f()); views.forEach((view) => view.stop()); panels.forEach((p) => p.stop()); };
}

bind("select", "q", "First question cut; Tab goes on to the next", () => shown?.focus("question"));
bind("select", "a", "First answer cut", () => shown?.focus("answer"));

function head() {
  const column = (number, title, note, stage) => el("div", { class: "cascade-title" }, el("h2", {}, el("span", { class: "stage-number", text: number }), title), el("span", { class: "quiet small-text stage-note", text: note }), scorer(stage));
  return el("div", { class: "cascade-row cascade-head" }, el("div", { class: "cascade-title" }, el("h2", { text: "Imported" })),
    column("1", "Questions", "the best pass on", "question"), column("2", "Answers", "of those that passed", "answer"), el("div", { class: "cascade-title" }, el("h2", { text: "Kept" })));
}

/** Which scorer's numbers these are; a choice where there are several. */
function scorer(stage) {
  const found = desk.info.scorers[stage];
  if (!found.length) return el("span", { class: "chip warn", text: `no ${stage} scores yet` });
  const used = desk.info.keys[stage];
  if (found.length === 1) return el("span", { class: "quiet small-text clip stage-scorer", title: `Scored by ${found[0].label}`, text: found[0].label });
  const select = el("select", { class: "cut-mode stage-scorer", "aria-label": `Scorer of the ${stage} scores`, on: { change: () => setSpec({ ...desk.spec, [`${stage}_key`]: select.value || null }, { now: true, reload: true }) } },
    el("option", { value: "", text: `Last used: ${found[0].label}`, selected: !desk.spec[`${stage}_key`] }),
    found.map((row) => el("option", { value: row.digest, text: `${row.label} (${fmt.int(row.places)})`, selected: desk.spec[`${stage}_key`] === row.digest })));
  select.title = found.find((row) => row.digest === used)?.label ?? "";
  return select;
}

function drawCell(cell) {
  const { group, from, to, row } = cell;
  const f = desk.live.funnel.find((r) => r.group === group);
  const now = JSON.stringify([f, desk.live.approximate]);
  if (cell.drawn === now) return; // a cut of another type was moved
  cell.drawn = now;
  const name = el("span", { class: `row-name ${group}` }, group === ALL ? null : el("span", { class: "dot" }), nameOf(group));
  if (row) {
    const bar = (n) => el("span", { class: "sum-bar" }, el("i", { style: { width: f.imported ? `${(100 * n) / f.imported}%` : "0" } }));
    const stage = (n, of) => el("div", { class: "sum-cell" }, el("span", { class: "num" }, el("b", { text: fmt.int(n) }), ` of ${fmt.int(of)} pass`), bar(n));
    return fill(row, el("div", { class: "cascade-from" }, name, el("span", { class: "num quiet" }, fmt.int(f.imported))),
      stage(f.question, membersOf("question", f)), stage(f.answer, membersOf("answer", f)), el("div", { class: "cascade-to", data: { kept: group } }, keptWords(f), bar(f.kept)));
  }
  fill(from, name, el("span", { class: "num" }, el("b", { text: fmt.int(f.imported) }), el("span", { class: "imported-word", text: " imported" })),
    f.imported > f.scored ? el("span", { class: "num small-text warn-text", title: "They have no question score, so they pass no cut", text: `${fmt.int(f.imported - f.scored)} no score` }) : null);
  fill(to, keptWords(f));
  to.dataset.kept = group;
}

/** How many records a stage chooses from: those with a score; all that come so far where it doesn't look at scores. */
function membersOf(stage, row) {
  const lines = desk.live.lines[stage];
  if (lines[row.group]) return Math.round(lines[row.group].members);
  if (desk.spec.per_type) return Math.round(Object.values(lines).reduce((sum, line) => sum + line.members, 0));
  const all = ["pass", "random"].includes(desk.spec[stage][ALL].mode);
  return stage === "question" ? (all ? row.imported : row.scored) : all ? row.question : row.answered;
}

/** The number kept, and what hands and caps did to it. "≈": caps and variety are guessed until the server has answered. */
function keptWords(f) {
  const guessed = desk.live.approximate;
  const notes = [f.handKept ? `+${fmt.int(f.handKept)} by hand` : "", f.handDropped ? `−${fmt.int(f.handDropped)} by hand` : "", f.capped ? `${guessed ? "≈\u2009" : ""}−${fmt.int(f.capped)} by caps` : ""].filter(Boolean);
  return [el("span", { class: "kept-count num", title: guessed ? "About: the caps are counted when the line stands still" : "" }, el("b", { text: `${guessed ? "≈\u2009" : ""}${fmt.int(f.kept)}` }), el("span", { class: "quiet" }, el("span", { class: "kept-of", text: ` of ${fmt.int(f.imported)} ·` }), ` ${fmt.share(f.kept, f.imported)}`)),
    notes.length ? el("span", { class: "num small-text quiet kept-notes", title: `${fmt.plural(f.handKept, "record")} kept by hand, ${fmt.int(f.handDropped)} dropped by hand, ${fmt.int(f.capped)} left out by caps or for variety`, text: notes.join(", ") }) : null];
}

/** A line for each stage where records have no score: how many of how many, why, and a way to see them. */
function without() {
  const scoring = studio.jobs.some((job) => job.active && job.kind === "score" && job.dataset_id === desk.id);
  return STAGES.filter((stage) => desk.info.unscored[stage].without).map((stage) => {
    const { without: n, of, reasons } = desk.info.unscored[stage];
    const none = !desk.info.scorers[stage].length;
    const why = reasons.length ? `: ${reasons.map((r) => `${r.reason} (${stage === "question" ? fmt.int(r.places) : fmt.plural(r.places, "answer")})`).join("; ")}` : scoring ? ": scoring is still at work" : ": not scored yet";
    const text = [el("b", { class: "num", text: fmt.ofN(n, of) }), ` records have no ${stage} score${why}. They pass no cut.`];
    return el("p", { data: { without: stage } }, el("span", { class: "record-text", title: `${fmt.ofN(n, of)} records have no ${stage} score${why}` }, text), none && !scoring ? el("button", { class: "link", type: "button", text: `Score the ${stage}s`, on: { click: () => openTab("score") } })
      : el("button", { class: "link", type: "button", text: "Show them", on: { click: () => setQuery({ show: "unscored", ranges: null, reasons: null }) } }));
  });
}
