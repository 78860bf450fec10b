// Keep or drop many at once: all records of the present filter, or those picked together. The count stands before the click, the way back after it.
import { api, confirm, el, fill, fmt, icon, tell, toast } from "../studio.js";
import { applied, decide, desk, heard, step } from "./desk.js";
import { chips } from "./filters.js";
import { onQuery, query } from "./query.js";
import { popover } from "./popover.js";

const MOST_PICKED = 5000;
const WORDS = { keep: "Keep", drop: "Drop", clear: "Take back the marks of" };
const DONE = { keep: "Kept", drop: "Dropped", clear: "Marks taken back:" };

/** The filter in a few words, for the history. */
export const filterWords = () => chips().map((chip) => [chip.label, chip.value].filter(Boolean).join(" ")).join(", ").slice(0, 200) || "all records";

/** What a bulk mark would do, in sentences. `count` as /api/record-lists/count gives it. Pure. */
export function consequences(verdict, { total, kept, hand }) {
  if (verdict === "clear") return [`${fmt.plural(hand.keep + hand.drop, "record")} of them carr${hand.keep + hand.drop === 1 ? "ies" : "y"} a mark by hand; the cuts decide about ${hand.keep + hand.drop === 1 ? "it" : "them"} again.`];
  const other = verdict === "keep" ? total - kept : kept, against = verdict === "keep" ? hand.drop : hand.keep;
  return [
    other ? `${fmt.ofN(other, total)} are ${verdict === "keep" ? "dropped" : "kept"} now and would change sides.` : `All of them are ${verdict === "keep" ? "kept" : "dropped"} now; the mark holds them there whatever the cuts say later.`,
    against ? `${fmt.int(against)} of them ${against === 1 ? "was" : "were"} ${verdict === "keep" ? "dropped" : "kept"} by hand before.` : "",
    "One step back undoes it.",
  ].filter(Boolean);
}

/** Ask, then mark every record of the present filter. */
export async function markAll(verdict) {
  const now = query.now, dataset = desk.id;
  try {
    const count = await api.post("/api/record-lists/count", { dataset, query: now });
    const marked = count.hand.keep + count.hand.drop;
    if (!count.total) { toast("This filter holds no record."); return; }
    if (verdict === "clear" && !marked) { toast("No record of this filter carries a mark by hand."); return; }
    const agreed = await confirm({ title: `${WORDS[verdict]} ${count.total === 1 ? "the one record" : `all ${fmt.int(count.total)} records`} of this filter?`, text: [`Filter: ${filterWords()}`, ...consequences(verdict, count)], action: verdict === "clear" ? `Take back ${fmt.int(marked)}` : `${WORDS[verdict]} ${fmt.int(count.total)}`, danger: verdict === "drop" });
    if (!agreed || dataset !== desk.id) return;
    const answer = await api.post("/api/decisions/decide-all", { dataset, query: now, verdict, expected: count.total, words: filterWords() });
    applied(answer, null);
    toast(`${DONE[verdict]} ${fmt.plural(answer.marked ?? count.total, "record")} by hand.`, { kind: "good", action: { label: "Undo", run: () => step("undo", answer.action ?? null) }, seconds: 15 });
  } catch (error) { tell(error); }
}

/** The button with the three marks for all records of the filter. → {node, open(), counted(total, of), stop()} */
export function bulkMenu() {
  let total = null;
  const label = el("span", { class: "num" }, "Mark all");
  const pop = popover(label, "Mark all records of this filter", (body) => {
    const choice = (verdict, name, text, hint) => el("button", { type: "button", class: `menu-item by-${verdict}`, disabled: !total, data: { verdict }, on: { click: () => { pop.show(false); markAll(verdict); } } }, icon(name), el("span", {}, el("b", { text }), el("span", { class: "quiet small-text", text: hint })));
    const all = total === 1 ? "the one record" : `all ${fmt.int(total ?? 0)}`;
    fill(body, choice("keep", "check", `Keep ${all}`, "by hand, whatever the cuts say"), choice("drop", "close", `Drop ${all}`, "by hand, whatever the cuts say"), choice("clear", "left", "Take marks back", "the cuts decide about them again"));
    body.querySelector("button:not(:disabled)")?.focus();
  });
  pop.node.classList.add("bulk");
  return { node: pop.node, open: () => pop.show(true), stop: pop.stop, counted: (n) => { total = n; label.textContent = n === null ? "Mark all" : `Mark all ${fmt.int(n)}`; pop.button.disabled = !n; pop.again(); } };
}

/** Records picked together, and the bar that says what to do with them. `place(id)` gives a record's place in the list, `at(place)` its id. → {has, toggle, clear, judge, node, stop()} */
export function picks({ place, at, redraw }) {
  const chosen = new Set();
  let anchor = null;
  const node = el("div", { class: "picked-bar", role: "status", hidden: true });
  const told = () => { draw(); redraw(); };

  /** Add or take out one record; with Shift everything from the last one on. */
  async function toggle(id, event = {}) {
    if (event.shiftKey && anchor !== null && place(anchor) !== null && place(id) !== null) {
      const [from, to] = [place(anchor), place(id)].sort((a, b) => a - b);
      if (to - from >= MOST_PICKED) { toast(`At most ${fmt.int(MOST_PICKED)} records are picked one by one.`, { hint: "Use a filter and “Mark all” for more." }); return; }
      for (let i = from; i <= to; i++) { const one = await at(i); if (one !== null) chosen.add(one); }
    } else {
      chosen.has(id) ? chosen.delete(id) : chosen.add(id);
      anchor = id;
    }
    told();
  }
  const clear = () => { if (!chosen.size) return; chosen.clear(); anchor = null; told(); };
  async function judge(verdict) {
    const ids = [...chosen];
    if (!(await decide(ids, verdict))) return false;
    const action = desk.activity ?? null; // this very step, whatever is done until the toast is pressed
    toast(`${DONE[verdict]} ${fmt.plural(ids.length, "record")} by hand.`, { kind: "good", action: { label: "Undo", run: () => step("undo", action) }, seconds: 12 });
    clear();
    return true;
  }
  function draw() {
    node.hidden = !chosen.size;
    const button = (verdict, name, label, key) => el("button", { type: "button", class: "btn small", title: `${label} (${key})`, on: { click: () => judge(verdict) } }, icon(name), label);
    fill(node, el("b", { class: "num", text: `${fmt.plural(chosen.size, "record")} picked` }), button("keep", "check", "Keep", "K"), button("drop", "close", "Drop", "D"), button("clear", "left", "Take marks back", "C"), el("button", { type: "button", class: "icon-btn", "aria-label": "Pick none", title: "Pick none (Esc)", on: { click: clear } }, icon("close")));
  }
  const stops = [onQuery(clear), heard("load", () => desk.loaded && of !== desk.id && ((of = desk.id), clear()))];
  let of = desk.id;
  return { has: (id) => chosen.has(id), get size() { return chosen.size; }, toggle, clear, judge, node, stop: () => stops.forEach((f) => f()) };
}
