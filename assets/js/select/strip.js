// The borderline strip: the records just below and just above one cut, side by side, to set a cut by eye.
import { api, el, fill, fmt, icon, problem, toast } from "../studio.js";
import { ALL, groupsOf, STAGES } from "./cube.js";
import { card } from "./cards.js";
import { decide, desk, heard, setSpec, step } from "./desk.js";
import { exactShare, withCut } from "./spec.js";

const FOLDED = "align2-select-strip", WAY = "align2-select-strip-way";
const FINE = 2; // decimals beyond the usual: at the line all scores look alike
const recall = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
const note = (name, value) => { try { localStorage.setItem(name, value); } catch { /* lasts for this page */ } };

/**
 * The cut that lets one record of the strip change sides and nothing else: pure. `cut`: the present one · `line`: {passed, members} with exact numbers · `scores`: those of the side,
 * nearest to the cut first · `at`: the record's place in it · `side`: "below" (let it pass) or "above" (let it fall). → {cut} or {why} where no cut can do it.
 */
export function cutTo({ cut, line, scores, at, side }) {
  if (["random", "pass"].includes(cut.mode)) return { why: cut.mode === "random" ? "This stage draws by chance: it has no line to move." : "This stage lets everything pass: it has no line to move." };
  const own = scores[at];
  let last = at; // equal scores change sides together
  while (last + 1 < scores.length && scores[last + 1] === own) last += 1;
  const moved = last + 1;
  if (cut.mode === "value") return { cut: { mode: "value", amount: side === "below" ? justUnder(own) : justOver(own, scores[last + 1]) } };
  const passed = Math.max(0, Math.min(line.members, line.passed + (side === "below" ? moved : -moved)));
  return { cut: cut.mode === "count" ? { mode: "count", amount: passed } : { mode: "share", amount: exactShare(passed, line.members) } };
}

const CLOSE = 1e-6; // cards carry six decimals of a score
const justUnder = (value) => Number((value - CLOSE).toFixed(6));
const justOver = (value, next) => Number((next === undefined ? value + CLOSE : Math.max(value + CLOSE, Math.min(next - CLOSE, value + (next - value) / 2))).toFixed(6));

/** Fill a node with the strip. `hooks`: {choose(id, node), look(id), drawn()}. → {cards(), follow(stage, group), judge(id, verdict), stop()} */
export function strip(node, hooks) {
  let stage = "question", group = null, cards = [], sides = { below: [], above: [] }, asked = 0, folded = recall(FOLDED) === "yes", moves = recall(WAY) === "cut";
  const stages = el("div", { class: "seg", role: "group", "aria-label": "Which cut" });
  const groups = el("div", { class: "seg", role: "group", "aria-label": "Which type" });
  const said = el("span", { class: "quiet num small-text clip" });
  const ways = el("div", { class: "seg strip-ways", role: "group", "aria-label": "What keep and drop do here" });
  const fold = el("button", { type: "button", class: "icon-btn strip-fold", on: { click: () => { folded = !folded; note(FOLDED, folded ? "yes" : "no"); draw(); } } }, icon("down"));
  const body = el("div", { class: "strip-body" });
  fill(node, el("div", { class: "section-head" }, fold, el("h2", { text: "At the line" }), stages, groups, said, el("span", { class: "grow" }), el("span", { class: "quiet small-text strip-ask", text: "Keep / drop here" }), ways), body);

  const typesHere = () => groupsOf(desk.spec).filter((g) => g === ALL || (desk.live.funnel.find((row) => row.group === g)?.imported ?? 0) > 0);
  const button = (text, pressed, run, title = "") => el("button", { type: "button", "aria-pressed": String(pressed), title, text, on: { click: run } });
  const nameOf = (g) => (g === ALL ? "All types" : desk.info.types.find((t) => t.id === g).label);

  function head() {
    const here = typesHere();
    if (!here.includes(group)) group = here[0];
    fill(stages, STAGES.map((s) => button(s === "question" ? "Questions" : "Answers", s === stage, () => { stage = s; draw(); })));
    fill(groups, here.map((g) => button(nameOf(g), g === group, () => { group = g; draw(); })));
    groups.hidden = here.length < 2;
    fill(ways, button("makes an exception", !moves, () => way(false), "The record is kept or dropped by hand; the cut stays"), button("moves the cut", moves, () => way(true), "The cut of this type moves so far that the record changes sides, with those between"));
    fold.setAttribute("aria-expanded", String(!folded));
    fold.setAttribute("aria-label", folded ? "Show the records at the line" : "Hide the records at the line");
    node.classList.toggle("folded", folded);
    body.hidden = folded;
  }
  const way = (on) => { moves = on; note(WAY, on ? "cut" : "hand"); head(); };

  async function draw() {
    if (!desk.loaded || !desk.exact) return;
    head();
    const cut = desk.exact.cuts[stage]?.[group];
    const lineless = { pass: "all pass: there is no line", random: "drawn by chance: there is no line" }[desk.spec[stage]?.[group]?.mode];
    said.textContent = !desk.axes[stage] ? "no scores yet" : lineless ? lineless : cut === null || cut === undefined ? "nothing passes this cut" : `passes from ${fmt.number(cut, Math.min(6, desk.digits[stage] + FINE))} up`;
    if (folded) return;
    const near = desk.exact.borderline[stage]?.[group] ?? { below: [], above: [] };
    const mine = ++asked;
    const ids = [...near.below, ...near.above];
    let records = [];
    if (ids.length) {
      try { records = (await api.post("/api/record-lists/cards", { dataset: desk.id, records: ids })).records; } catch (error) { if (mine === asked) fill(body, problem(error)); return; }
      if (mine !== asked) return;
    }
    const byId = new Map(records.map((record) => [record.id, record])), before = new Map(cards.map((c) => [c.id, c]));
    const made = (id) => { const known = before.get(id); known?.update(byId.get(id)); return known ?? card(byId.get(id), { ...hooks, mark: judge, more: FINE }); };
    const side = (list) => list.filter((id) => byId.has(id)).map(made);
    sides = { below: side(near.below), above: side(near.above) };
    cards = [...sides.below.toReversed(), ...sides.above]; // as they stand on the page: the cut lies between
    const held = document.activeElement;
    const track = (name, title, list, none) => el("div", { class: `strip-side ${name}` }, el("h3", { class: "small-text" }, title), el("div", { class: "strip-track", tabIndex: -1 }, list.length ? list.map((c) => c.node) : el("p", { class: "quiet small-text strip-none", text: none })));
    fill(body, track("below", [el("b", { class: "num", text: fmt.int(sides.below.length) }), " just below: dropped, nearest to the cut at the right"], sides.below.toReversed(), desk.axes[stage] ? "No record with a score lies below this cut." : "Score this data set first."),
      track("above", [el("b", { class: "num", text: fmt.int(sides.above.length) }), " just above: they pass, nearest at the left"], sides.above, "No record passes this cut."));
    const left = body.querySelector(".below .strip-track");
    left.scrollLeft = left.scrollWidth; // the nearest ones meet in the middle
    if (held?.isConnected && held.matches?.(".pick")) held.focus({ preventScroll: true });
    hooks.drawn?.();
  }

  /** Keep or drop one of the strip, in the way that is set. True when something was done. */
  async function judge(id, verdict) {
    const side = sides.below.some((c) => c.id === id) ? "below" : "above";
    const crosses = (verdict === "keep" && side === "below") || (verdict === "drop" && side === "above");
    if (!moves || !crosses) {
      const stored = await decide([id], verdict);
      const action = desk.activity ?? null;
      if (stored && verdict !== "clear") toast(`${verdict === "keep" ? "Kept" : "Dropped"} by hand${crosses ? ", against the cut" : ""}.`, { action: { label: "Undo", run: () => step("undo", action) }, seconds: 6 });
      return stored;
    }
    const list = sides[side], at = list.findIndex((c) => c.id === id), row = desk.exact.funnel.find((r) => r.group === group);
    const line = stage === "question" ? { members: row.scored, passed: row.question } : { members: row.answered, passed: row.answer };
    const before = desk.spec;
    const { cut, why } = cutTo({ cut: before[stage][group], line, scores: list.map((c) => c.record[`${stage}_score`]), at, side });
    if (why) { toast(why, { hint: "Choose “makes an exception” to keep or drop this record by hand." }); return false; }
    setSpec(withCut(before, stage, group, cut), { now: true });
    toast(`The ${stage} cut of ${nameOf(group)} moved ${side === "below" ? "down" : "up"} by ${fmt.plural(at + 1, "record")}.`, { action: { label: "Undo", run: () => setSpec(before, { now: true }) }, seconds: 8 });
    return true;
  }

  const redraw = () => cards.forEach((c) => c.draw());
  draw();
  const stops = [heard("load", draw), heard("settled", draw), heard("decided", () => draw()), heard("live", redraw)];
  return { cards: () => (folded ? [] : cards), judge, follow: (s, g) => { if (s !== stage || g !== group) { stage = s; group = g; draw(); } }, stop: () => stops.forEach((f) => f()) };
}
