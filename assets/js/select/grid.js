// The grid of records: kept, dropped, by hand, without a score or all; sorted, searched, a page at a time.
import { api, debounce, el, empty, fill, fmt, icon, param, problem, setParams } from "../studio.js";
import { TYPES } from "./cascade.js";
import { card } from "./cards.js";
import { desk, heard } from "./desk.js";

const PAGE = 48;
const SHOWS = [["kept", "Kept"], ["dropped", "Dropped"], ["hand", "By hand"], ["unscored", "No score"], ["all", "All"]];
const SORTS = [["answer", false, "Answer score, best first"], ["answer", true, "Answer score, lowest first"], ["question", false, "Question score, best first"], ["question", true, "Question score, lowest first"], ["row", true, "Order of the file"]];
const NONE = {
  kept: ["Nothing is kept", "Move a cut to the left, or keep records by hand."], dropped: ["Nothing is dropped", "Every record passes both cuts."],
  hand: ["Nothing was decided by hand", "Keep (K) or drop (D) a record: it outranks the cuts and is listed here."], unscored: ["Every record has both scores", ""], all: ["No records", ""],
};

/** Fill a node with the grid. `hooks`: {choose(id, node), look(id)}. → {cards(), turn(by), stop()} */
export function grid(node, hooks) {
  const wish = { show: SHOWS.some(([id]) => id === param("show")) ? param("show") : "kept", type: TYPES.includes(param("type")) ? param("type") : "", sort: 0, text: "", offset: 0 };
  let cards = [], page = null, asked = 0;
  const shows = el("div", { class: "seg", role: "group", "aria-label": "Which records" });
  const type = el("select", { class: "select", "aria-label": "Instruction type", on: { change: () => set({ type: type.value }) } });
  const sort = el("select", { class: "select", "aria-label": "Order", on: { change: () => set({ sort: Number(sort.value) }) } }, SORTS.map(([, , label], i) => el("option", { value: String(i), text: label })));
  const text = el("input", { class: "input", type: "search", maxLength: 500, placeholder: "Search the text", "aria-label": "Search the text" });
  text.addEventListener("input", debounce(() => set({ text: text.value }), 250));
  const said = el("span", { class: "quiet num small-text" });
  const pager = el("div", { class: "row nowrap pager" });
  const fresh = el("button", { class: "btn small", hidden: true, text: "Show the list anew", on: { click: () => ask() } });
  const body = el("div", { class: "picks" });
  fill(node, el("div", { class: "section-head" }, el("h2", { text: "Records" }), shows, el("span", { class: "grow" }), el("div", { class: "search" }, icon("search"), text)),
    el("div", { class: "grid-line" }, el("div", { class: "picker" }, type, icon("down")), el("div", { class: "picker" }, sort, icon("down")), fresh, el("span", { class: "grow" }), said, pager), body);

  function set(change) {
    Object.assign(wish, { offset: 0 }, change);
    setParams({ show: wish.show === "kept" ? null : wish.show, type: wish.type || null });
    ask();
  }
  fill(shows, SHOWS.map(([id, label]) => el("button", { type: "button", data: { show: id }, on: { click: () => set({ show: id }) } }, label, el("span", { class: "num quiet" }))));
  const head = () => {
    if (!desk.loaded) return;
    for (const button of shows.children) {
      button.setAttribute("aria-pressed", String(button.dataset.show === wish.show));
      button.lastChild.textContent = ` ${fmt.int(desk.live.counts[button.dataset.show])}`;
    }
  };
  const drawTypes = () => fill(type, el("option", { value: "", text: "All types" }), desk.info.types.map((t) => el("option", { value: t.id, text: t.label, selected: t.id === wish.type })));

  async function ask() {
    if (!desk.loaded) return;
    const mine = ++asked;
    const [by, ascending] = SORTS[wish.sort];
    head();
    let answer;
    try {
      answer = await api.get("/api/selections/records", { dataset: desk.id, show: wish.show, type: wish.type, text: wish.text, sort: by, ascending, offset: wish.offset, limit: PAGE });
    } catch (error) { if (mine === asked) { cards = []; fill(body, problem(error)); } return; }
    if (mine !== asked) return;
    if (!answer.records.length && wish.offset > 0 && answer.total > 0) { wish.offset = Math.floor((answer.total - 1) / PAGE) * PAGE; return ask(); }
    page = answer;
    fresh.hidden = true;
    cards = answer.records.map((record) => card(record, hooks));
    const filtered = wish.text || wish.type;
    const [title, hint] = filtered && desk.live.counts[wish.show] ? ["No record fits", "Change the search or the type."] : NONE[wish.show];
    fill(body, cards.length ? cards.map((c) => c.node) : empty({ title, text: hint, icon: "search" }));
    said.textContent = answer.total ? `${fmt.int(answer.offset + 1)}–${fmt.int(answer.offset + cards.length)} of ${fmt.int(answer.total)}${answer.total === answer.of ? "" : ` (${fmt.ofN(answer.total, answer.of)} records)`}` : `0 of ${fmt.int(answer.of)} records`;
    const to = (label, name, offset, off, key) => el("button", { class: "icon-btn", "aria-label": label, title: `${label} (${key})`, disabled: off, on: { click: () => { wish.offset = offset; ask(); } } }, icon(name));
    fill(pager, to("Previous page", "left", Math.max(0, wish.offset - PAGE), wish.offset === 0, "["), el("span", { class: "num small-text", text: answer.total ? `page ${fmt.ofN(Math.floor(wish.offset / PAGE) + 1, Math.ceil(answer.total / PAGE))}` : "" }), to("Next page", "right", wish.offset + PAGE, wish.offset + PAGE >= answer.total, "]"));
    hooks.drawn?.();
  }
  const redraw = () => { head(); cards.forEach((c) => c.draw()); };
  const decided = () => { fresh.hidden = !page || wish.show === "all" || desk.live.counts[wish.show] === page.total || Boolean(wish.text || wish.type); };
  const load = () => { drawTypes(); ask(); };
  if (desk.loaded) load();
  const stops = [heard("load", load), heard("settled", ask), heard("live", redraw), heard("decided", decided)];
  return {
    cards: () => cards,
    turn: (by) => { if (page && wish.offset + by * PAGE >= 0 && wish.offset + by * PAGE < page.total) { wish.offset += by * PAGE; ask(); } },
    stop: () => stops.forEach((f) => f()),
  };
}
