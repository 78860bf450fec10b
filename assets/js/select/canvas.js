// The cascade canvas: one line a type from imported to kept, with both cuts on it, and the sum below.
import { el, fill, fmt, openTab, studio } from "../studio.js";
import { ALL, groupsOf, STAGES, TYPES } from "./cascade.js";
import { desk, heard, setSpec } from "./desk.js";
import { panel } from "./panel.js";

const nameOf = (group) => (group === ALL ? "All types" : desk.info.types.find((type) => type.id === group).label);

/** Fill a node with the canvas of the open data set. Returns a way to stop. */
export function canvas(node) {
  let panels = [], cells = [], shape = "", perType = null;
  const notes = el("div", { class: "without small-text" });
  const build = () => {
    panels.forEach((p) => p.stop());
    perType = desk.spec.per_type;
    const groups = groupsOf(desk.spec).filter((group) => group === ALL || desk.columns.imported[TYPES.indexOf(group)] > 0);
    const sums = desk.spec.per_type ? [ALL] : TYPES.filter((type, t) => desk.columns.imported[t] > 0);
    panels = [];
    cells = [];
    fill(node, el("div", { class: `cascade ${desk.spec.per_type ? "by-type" : "as-one"}`, role: "group", "aria-label": "Cascade" },
      head(),
      groups.map((group) => {
        const both = STAGES.map((stage) => panel(stage, group, nameOf(group)));
        panels.push(...both);
        const from = el("div", { class: "cascade-from" }), to = el("div", { class: "cascade-to" });
        cells.push({ group, from, to });
        return el("div", { class: "cascade-row", data: { group } }, from, both.map((p) => p.node), to);
      }),
      sums.map((group) => {
        const row = el("div", { class: `cascade-row cascade-sum ${group === ALL ? "total" : ""}`, data: { sum: group } });
        cells.push({ group, row });
        return row;
      })), notes);
    draw();
    panels.forEach((p) => p.draw());
  };
  const draw = () => { for (const cell of cells) drawCell(cell); };
  const drawNotes = () => { fill(notes, without()); notes.hidden = !notes.children.length; };
  const loaded = () => {
    if (!desk.loaded) return;
    drawNotes();
    const now = JSON.stringify([desk.id, desk.spec.per_type, desk.columns.imported, desk.info.keys, STAGES.map((stage) => desk.info.scorers[stage].map((row) => row.digest))]);
    if (now === shape) { draw(); panels.forEach((p) => p.draw()); return; }
    shape = now;
    build();
  };
  const moved = () => { if (desk.spec.per_type === perType) draw(); else { shape = ""; loaded(); } };
  loaded();
  const stops = [heard("load", loaded), heard("live", moved)];
  return () => { stops.forEach((f) => f()); panels.forEach((p) => p.stop()); };
}

function head() {
  const column = (number, title, note, stage) => el("div", { class: "cascade-title" }, el("h2", {}, el("span", { class: "stage-number", text: number }), title), el("span", { class: "quiet small-text", text: note }), scorer(stage));
  return el("div", { class: "cascade-row cascade-head" }, el("div", { class: "cascade-title" }, el("h2", { text: "Imported" })),
    column("1", "Questions", "the best pass on", "question"), column("2", "Answers", "of those that passed", "answer"), el("div", { class: "cascade-title" }, el("h2", { text: "Kept" })));
}

/** Which scorer's numbers these are; a choice where there are several. */
function scorer(stage) {
  const found = desk.info.scorers[stage];
  if (!found.length) return el("span", { class: "chip warn", text: `no ${stage} scores yet` });
  const used = desk.info.keys[stage];
  if (found.length === 1) return el("span", { class: "quiet small-text clip stage-scorer", title: `Scored by ${found[0].label}`, text: found[0].label });
  const select = el("select", { class: "select stage-scorer-choice", "aria-label": `Scorer of the ${stage} scores`, on: { change: () => setSpec({ ...desk.spec, [`${stage}_key`]: select.value || null }, { now: true, reload: true }) } },
    el("option", { value: "", text: `Last used: ${found[0].label}`, selected: !desk.spec[`${stage}_key`] }),
    found.map((row) => el("option", { value: row.digest, text: `${row.label} (${fmt.int(row.places)})`, selected: desk.spec[`${stage}_key`] === row.digest })));
  select.title = found.find((row) => row.digest === used)?.label ?? "";
  return select;
}

function drawCell({ group, from, to, row }) {
  const f = desk.live.funnel.find((r) => r.group === group);
  if (row) {
    const bar = (n) => el("span", { class: "sum-bar" }, el("i", { style: { width: f.imported ? `${(100 * n) / f.imported}%` : "0" } }));
    return fill(row,
      el("div", { class: "cascade-from" }, el("span", { class: `sum-name ${group}` }, group === ALL ? null : el("span", { class: "dot" }), nameOf(group)), el("span", { class: "num quiet" }, `${fmt.int(f.imported)} imported`), bar(f.imported)),
      el("div", { class: "sum-cell" }, el("span", { class: "num" }, el("b", { text: fmt.int(f.question) }), ` of ${fmt.int(f.scored)} with a question score pass`), bar(f.question)),
      el("div", { class: "sum-cell" }, el("span", { class: "num" }, el("b", { text: fmt.int(f.answer) }), ` of ${fmt.int(f.answered)} with an answer score pass`), bar(f.answer)),
      el("div", { class: "cascade-to", data: { kept: group } }, keptWords(f), bar(f.kept)));
  }
  fill(from, el("span", { class: `row-name ${group}` }, group === ALL ? null : el("span", { class: "dot" }), nameOf(group)),
    el("span", { class: "num" }, el("b", { text: fmt.int(f.imported) }), " imported"),
    f.imported > f.scored ? el("span", { class: "num small-text warn-text", text: `${fmt.int(f.imported - f.scored)} without a score` }) : null);
  fill(to, keptWords(f));
  to.dataset.kept = group;
}

function keptWords(f) {
  const notes = [f.handKept ? `${fmt.int(f.handKept)} kept by hand` : "", f.handDropped ? `${fmt.int(f.handDropped)} dropped by hand` : "", f.capped ? `${fmt.int(f.capped)} over the image cap` : ""].filter(Boolean);
  return [el("span", { class: "kept-count num" }, el("b", { text: fmt.int(f.kept) }), el("span", { class: "quiet", text: ` of ${fmt.int(f.imported)} · ${fmt.share(f.kept, f.imported)}` })),
    ...notes.map((text) => el("span", { class: "num small-text quiet", text }))];
}

/** A sentence for each stage where records have no score: how many of how many, why, and what to do. */
function without() {
  const scoring = studio.jobs.some((job) => job.active && job.kind === "score" && job.dataset_id === desk.id);
  return STAGES.filter((stage) => desk.info.unscored[stage].without).map((stage) => {
    const { without: n, of, reasons } = desk.info.unscored[stage];
    const none = !desk.info.scorers[stage].length;
    const why = reasons.length ? `: ${reasons.map((r) => `${r.reason} (${stage === "question" ? fmt.int(r.places) : fmt.plural(r.places, "answer")})`).join("; ")}` : scoring ? ": scoring is still at work" : ": not scored yet";
    return el("p", { data: { without: stage } }, el("b", { class: "num", text: fmt.ofN(n, of) }), ` records have no ${stage} score`, el("span", { class: "record-text", text: why }),
      ". They pass no cut; ", none && !scoring ? el("button", { class: "link", type: "button", text: `score the ${stage}s`, on: { click: () => openTab("score") } }) : "find them under “No score”", none && !scoring ? ", or keep records by hand." : " and keep by hand those you want.");
  });
}
