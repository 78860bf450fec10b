// The borderline strip: the records just below and just above one cut, side by side, to set a cut by eye.
import { api, el, fill, fmt, problem } from "../studio.js";
import { ALL, groupsOf, STAGES, TYPES } from "./cascade.js";
import { card } from "./cards.js";
import { desk, heard } from "./desk.js";

/** Fill a node with the strip. `hooks`: {choose(id, node), look(id)}. → {cards(), stop()} */
export function strip(node, hooks) {
  let stage = "question", group = null, cards = [], asked = 0;
  const stages = el("div", { class: "seg", role: "group", "aria-label": "Which cut" });
  const groups = el("div", { class: "seg", role: "group", "aria-label": "Which type" });
  const said = el("span", { class: "quiet num small-text" });
  const body = el("div", { class: "strip-body" });
  fill(node, el("div", { class: "section-head" }, el("h2", { text: "At the line" }), stages, groups, said), body);

  const typesHere = () => groupsOf(desk.spec).filter((g) => g === ALL || desk.columns.imported[TYPES.indexOf(g)] > 0);
  const button = (text, pressed, run) => el("button", { type: "button", "aria-pressed": String(pressed), text, on: { click: run } });

  async function draw() {
    if (!desk.loaded || !desk.exact) return;
    const here = typesHere();
    if (!here.includes(group)) group = here[0];
    fill(stages, STAGES.map((s) => button(s === "question" ? "Questions" : "Answers", s === stage, () => { stage = s; draw(); })));
    fill(groups, here.map((g) => button(g === ALL ? "All types" : desk.info.types.find((t) => t.id === g).label, g === group, () => { group = g; draw(); })));
    groups.hidden = here.length < 2;
    const near = desk.exact.borderline[stage]?.[group];
    if (!near) return;
    const mine = ++asked;
    const ids = [...near.below, ...near.above];
    let records = [];
    if (ids.length) {
      try { records = (await api.post("/api/selections/cards", { dataset: desk.id, records: ids })).records; } catch (error) { if (mine === asked) fill(body, problem(error)); return; }
      if (mine !== asked) return;
    }
    const byId = new Map(records.map((record) => [record.id, record]));
    cards = [];
    const side = (list, title, none) => {
      const made = list.filter((id) => byId.has(id)).map((id) => card(byId.get(id), hooks));
      cards.push(...made);
      return el("div", { class: "strip-side" }, el("h3", { class: "small-text" }, title), made.length ? made.map((c) => c.node) : el("p", { class: "quiet small-text strip-none", text: none }));
    };
    const cut = desk.exact.cuts[stage]?.[group];
    said.textContent = cut === null || cut === undefined ? "nothing passes this cut" : `lowest score that passes: ${fmt.number(cut, desk.digits[stage])}`;
    fill(body, side(near.below, `${fmt.plural(near.below.length, "record")} just below`, "No record with a score lies below this cut."),
      side(near.above, `${fmt.plural(near.above.length, "record")} just above`, "No record passes this cut."));
    hooks.drawn?.();
  }
  const redraw = () => cards.forEach((c) => c.draw());
  draw();
  const stops = [heard("load", draw), heard("settled", draw), heard("live", redraw)];
  return { cards: () => cards, follow: (s, g) => { if (s !== stage || g !== group) { stage = s; group = g; draw(); } }, stop: () => stops.forEach((f) => f()) };
}
