// The grid of records: a list as long as the data set of which only the part near the eye is on the page.
import { api, debounce, el, empty, fill, fmt, icon, problem } from "../studio.js";
import { card } from "./cards.js";
import { desk, heard } from "./desk.js";
import { sortable } from "./filters.js";
import { PAGE, Pages } from "./pages.js";
import { onQuery, query, setQuery, setSort } from "./query.js";

const NEAR = "700px";
const SKELETON_AFTER_MS = 120;
const SIZE = "align2-select-size", SEEN = "align2-select-seen";
const HEIGHTS = { compact: 120, large: 356 }; // a card's height in pixels: fixed, so that pages that are away keep their place
const GAP = 8;
const LINE = 152; // header, tabs and the line of the lists lie over what is above this height of the window
const GO = "Places of the list on the page; type a number to go there (#)";
const NONE = {
  kept: ["Nothing is kept", "Move a cut to the left, or keep records by hand (K)."], dropped: ["Nothing is dropped", "Every record passes both cuts."],
  hand: ["Nothing was decided by hand", "Keep (K) or drop (D) a record: it outranks the cuts and is listed here."], unscored: ["Every record has both scores", "There is nothing to make up for here."],
};

const stored = (name) => { try { return localStorage.getItem(name); } catch { return null; } };

/** Fill a node with the grid. `hooks`: {choose(id, node), look(id), picks (of bulk.js), counted(total, of), drawn()}. `controls`: a node for order, place and size. */
export function grid(node, controls, hooks) {
  let pages = null, blocks = [], turn = 0, failed = null, range = "", size = stored(SIZE) === "large" ? "large" : "compact";
  const sizes = el("div", { class: "seg", role: "group", "aria-label": "Size of the cards" });
  const order = el("select", { class: "select", "aria-label": "Order", on: { change: () => setSort({ ...query.sort, by: order.value }) } });
  const way = el("button", { type: "button", class: "icon-btn grid-way", on: { click: () => setSort({ ...query.sort, ascending: !query.sort.ascending }) } });
  const go = el("input", { class: "input num grid-go", type: "text", inputmode: "numeric", placeholder: "Go to #", "aria-label": "Go to the record at this place of the list", title: GO });
  const fresh = el("button", { class: "btn small grid-fresh", hidden: true, title: "The list is as it was when it was asked for; records decided since then still stand in it", text: "Update list", on: { click: () => renew() } });
  const body = el("div", { class: "grid-body" });
  fill(controls, go, el("div", { class: "row nowrap grid-order" }, el("div", { class: "picker" }, order, icon("down")), way), sizes);
  fill(node, body);

  // --- blocks: one a page; far from the eye they are empty and keep their height
  const eye = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const block = blocks.find((b) => b.node === target);
      if (block) isIntersecting ? mount(block) : unmount(block);
      else if (isIntersecting && target === foot) grow(1);
      else if (isIntersecting && target === top) grow(-1);
    }
  }, { rootMargin: `${NEAR} 0px` });
  const foot = el("div", { class: "grid-edge" }), top = el("div", { class: "grid-edge" });
  eye.observe(foot);
  eye.observe(top);

  let width = 0; // as last seen: asking the page for it while cards are put in would lay it out twice
  const across = () => Math.max(1, Math.floor(((width ||= body.clientWidth) + GAP) / (smallest() + GAP)));
  const smallest = () => (size === "large" ? 236 : 300);
  const sizeOf = (n) => Math.max(0, Math.min(PAGE, (pages.total ?? PAGE) - n * PAGE));
  const heightOf = (n) => { const rows = Math.ceil(sizeOf(n) / across()); return rows * (HEIGHTS[size] + GAP); };
  const fit = () => { body.style.setProperty("--across", across()); for (const block of blocks) block.node.style.height = `${heightOf(block.page)}px`; };

  function blockOf(n) {
    const block = { page: n, cards: [], on: false, node: el("div", { class: "picks", role: "list", data: { page: n } }) };
    block.node.style.height = `${heightOf(n)}px`;
    eye.observe(block.node);
    return block;
  }

  async function mount(block) {
    if (block.on) return;
    block.on = true;
    const mine = turn, source = pages;
    const waiting = source.cards.has(block.page) ? 0 : setTimeout(() => { if (block.on && !block.cards.length) fill(block.node, skeletons(Math.min(12, sizeOf(block.page)))); }, SKELETON_AFTER_MS);
    let found;
    try { found = await source.page(block.page); } catch (error) {
      clearTimeout(waiting);
      if (mine !== turn || !block.on || error.name === "AbortError") return;
      fill(block.node, trouble(error, () => { block.on = false; mount(block); }));
      return;
    }
    clearTimeout(waiting);
    if (mine !== turn || !block.on || source !== pages) return;
    place(block, found);
    source.ahead(block.page + 1);
    hooks.drawn?.();
    tellRange();
  }

  function place(block, found) {
    const before = new Map(block.cards.map((c) => [c.id, c]));
    block.cards = found.map((record) => {
      const known = before.get(record.id);
      if (known) known.update(record);
      return known ?? card(record, { choose: hooks.choose, look: hooks.look, pick: hooks.picks.toggle, picked: hooks.picks.has });
    });
    const nodes = block.cards.map((c) => c.node);
    if (nodes.length !== block.node.children.length || nodes.some((n, i) => block.node.children[i] !== n)) {
      const held = document.activeElement;
      fill(block.node, nodes);
      if (held?.isConnected && held !== document.activeElement && held.matches?.(".pick")) held.focus({ preventScroll: true });
    }
    block.node.style.height = `${heightOf(block.page)}px`;
  }

  function unmount(block) {
    if (!block.on || block.node.contains(document.activeElement)) return; // what has the keyboard stays
    block.on = false;
    block.cards = [];
    block.node.replaceChildren();
  }

  /** Put one more page below or above what there is. */
  function grow(by) {
    if (!pages || pages.count === null || failed || !blocks.length) return;
    const n = by > 0 ? blocks.at(-1).page + 1 : blocks[0].page - 1;
    if (n < 0 || n >= pages.count) return;
    const block = blockOf(n);
    if (by > 0) { blocks.push(block); foot.before(block.node); } else {
      blocks.unshift(block);
      body.style.overflowAnchor = "none"; // what is read stays where it is, by our own sum
      top.after(block.node);
      document.scrollingElement.scrollTop += heightOf(n);
      requestAnimationFrame(() => { body.style.overflowAnchor = ""; });
    }
    again();
  }
  /** The observer tells of changes only: ask it anew, in case an edge is still near. */
  const again = () => { for (const edge of [foot, top]) { eye.unobserve(edge); eye.observe(edge); } };

  // --- lists
  const skeletons = (n) => Array.from({ length: n }, () => el("div", { class: "pick skeleton", "aria-hidden": "true" }));
  const trouble = (error, retry) => el("div", { class: "grid-trouble" }, problem(error),
    el("div", { class: "row" }, el("button", { class: "btn", text: "Try again", on: { click: retry } }), Object.keys(query.now).length ? el("button", { class: "btn plain", text: "Clear all filters", on: { click: clearAll } }) : null));
  const clearAll = () => setQuery(Object.fromEntries(Object.keys(query.now).map((part) => [part, null])));

  function start(n) {
    blocks.forEach((b) => eye.unobserve(b.node));
    blocks = [blockOf(n)];
    fill(body, top, blocks[0].node, foot);
    fit();
    again();
  }

  /** Ask for the list of the present query from its beginning, or from a place. */
  async function ask({ at = 0, under = null } = {}) {
    if (!desk.loaded) return;
    const mine = ++turn;
    pages?.stop();
    pages = new Pages(desk.id, query.now, query.sort);
    failed = null;
    fresh.hidden = true;
    head();
    const first = Math.floor(at / PAGE);
    const waiting = setTimeout(() => { if (mine === turn) { blocks.forEach((b) => eye.unobserve(b.node)); blocks = []; fill(body, el("div", { class: "picks" }, skeletons(8))); fit(); } }, SKELETON_AFTER_MS);
    try {
      await pages.page(first);
      if (mine === turn && !pages.cards.get(first).length && pages.total) await pages.page(pages.count - 1);
    } catch (error) {
      clearTimeout(waiting);
      if (mine !== turn || error.name === "AbortError") return;
      failed = error;
      blocks = [];
      fill(body, trouble(error, () => ask({ at })));
      hooks.counted?.(null, null);
      return;
    }
    clearTimeout(waiting);
    if (mine !== turn) return;
    hooks.counted?.(pages.total, pages.of);
    if (!pages.total) { blocks = []; go.placeholder = "Go to #"; fill(body, nothing()); hooks.drawn?.(); return; }
    start(Math.min(first, pages.count - 1));
    await mount(blocks[0]);
    if (at > 0 || under !== null) reveal(Math.min(at, pages.total - 1), { under });
  }

  function nothing() {
    const parts = Object.keys(query.now);
    const action = parts.length ? { label: parts.length === 1 && query.now.show ? "Show all records" : "Clear all filters", run: clearAll } : null;
    const [title, hint] = !pages.of ? ["This data set holds no record", "The import report on the Data tab says why rows were skipped."]
      : parts.length === 1 && NONE[query.now.show] ? NONE[query.now.show]
      : parts.length === 1 && query.now.text ? [`None of ${fmt.plural(pages.of, "record")} has these words`, "A search looks for all of the words, anywhere in questions and answers. “Quotes” ask for a phrase; try fewer or other words."]
      : [`None of ${fmt.plural(pages.of, "record")} fits`, "All filters must hold at once. Take one away above, or widen a range."];
    return empty({ title, text: hint, icon: "search", action });
  }

  /** The same list anew: what is on the page is brought up to date where it stands. */
  const renew = debounce(async () => {
    if (!desk.loaded) return;
    if (!pages || failed || !blocks.length) { ask(); return; }
    const mine = turn, shown = blocks.filter((b) => b.on);
    if (!shown.length) { ask(); return; }
    const next = new Pages(desk.id, query.now, query.sort), first = shown[0].page, many = shown.at(-1).page - first + 1;
    try {
      await next.load(first, many);
      if (mine !== turn) return;
      if (next.total && first >= next.count) { ask({ at: next.total - 1 }); return; }
    } catch (error) {
      if (mine === turn && error.name !== "AbortError") { failed = error; fill(body, trouble(error, () => ask())); }
      return;
    }
    pages.stop();
    pages = next;
    fresh.hidden = true;
    hooks.counted?.(pages.total, pages.of);
    if (!pages.total) { ask(); return; }
    for (const block of blocks.filter((b) => b.page >= pages.count)) { eye.unobserve(block.node); block.node.remove(); }
    blocks = blocks.filter((b) => b.page < pages.count);
    for (const block of blocks) if (block.on && pages.cards.has(block.page)) place(block, pages.cards.get(block.page));
    fit();
    again();
    hooks.drawn?.();
    tellRange();
  }, 60);

  // --- going to a place
  const cardAt = (index) => blocks.find((b) => b.page === Math.floor(index / PAGE))?.cards[index % PAGE] ?? null;

  /** Bring the record at a place into sight, loading what is needed. → its card or null */
  async function reveal(index, { focus = false, under = null } = {}) {
    const n = Math.floor(index / PAGE), mine = turn;
    let block = blocks.find((b) => b.page === n);
    if (!block) {
      if (blocks.length && n === blocks.at(-1).page + 1) { grow(1); block = blocks.at(-1); }
      else if (blocks.length && n === blocks[0].page - 1) { grow(-1); block = blocks[0]; }
      else { start(n); block = blocks[0]; }
    }
    await mount(block);
    if (!block.cards.length) await pages.page(n).then(() => new Promise(requestAnimationFrame));
    if (mine !== turn) return null;
    const found = cardAt(index);
    if (!found) return null;
    if (focus) found.node.focus({ preventScroll: true });
    const box = found.node.getBoundingClientRect();
    if (under !== null) scrollBy(0, box.top - under);
    else if (box.top < LINE) scrollBy(0, box.top - LINE);
    else if (box.bottom > innerHeight - 12) scrollBy(0, box.bottom - innerHeight + 12);
    return found;
  }

  go.addEventListener("keydown", async (event) => {
    if (event.key === "Escape") { go.value = ""; go.blur(); return; }
    if (event.key !== "Enter") return;
    event.preventDefault();
    const wanted = Number(go.value.replace(/[\s,#]/g, ""));
    const bad = !Number.isInteger(wanted) || wanted < 1 || !pages?.total || wanted > pages.total;
    go.setAttribute("aria-invalid", String(bad));
    go.title = bad ? `Type a whole number from 1 to ${fmt.int(pages?.total ?? 0)}` : GO;
    if (bad) return;
    go.value = "";
    go.blur();
    await reveal(wanted - 1, { under: LINE + 8 }).then((found) => found?.node.focus({ preventScroll: true }));
  });

  // --- the head line
  const labels = () => [["answer", "Answer score"], ["question", "Question score"], ["row", "Order of the file"], ...(query.now.like ? [["similarity", "Likeness"]] : []), ...sortable().map((c) => [c.name, c.label])];
  function head() {
    fill(order, labels().map(([by, label]) => el("option", { value: by, text: label, selected: by === query.sort.by })));
    if (!labels().some(([by]) => by === query.sort.by)) order.append(el("option", { value: query.sort.by, text: query.sort.by, selected: true }));
    const up = query.sort.ascending;
    const words = query.sort.by === "row" ? ["First rows first", "Last rows first"] : ["Lowest first", "Highest first"];
    fill(way, el("span", { class: `way ${up ? "up" : "down"}` }, icon("down")));
    way.setAttribute("aria-label", up ? words[0] : words[1]);
    way.title = `${up ? words[0] : words[1]}; press for the other way`;
    fill(sizes, [["compact", "text", "Compact cards"], ["large", "image", "Large cards"]].map(([id, name, label]) => el("button", { type: "button", "aria-pressed": String(size === id), "aria-label": label, title: label, on: { click: () => resize(id) } }, icon(name))));
    body.className = `grid-body ${size}`;
    body.style.setProperty("--pick-height", `${HEIGHTS[size]}px`);
  }
  function resize(id) {
    const at = firstSeen();
    size = id;
    try { localStorage.setItem(SIZE, id); } catch { /* lasts for this page */ }
    head();
    fit();
    if (at) reveal(at.index, { under: at.under });
    again();
  }

  // --- where the eye is: told in the head line, and kept for a reload
  function firstSeen() {
    for (const block of blocks) for (const [i, c] of block.cards.entries()) {
      const box = c.node.getBoundingClientRect();
      if (box.bottom > LINE + 20 && box.height) return { index: block.page * PAGE + i, under: box.top };
    }
    return null;
  }
  function tellRange() {
    if (!pages?.total) return;
    const first = firstSeen();
    let last = first?.index ?? 0;
    for (const block of blocks) for (const [i, c] of block.cards.entries()) { const box = c.node.getBoundingClientRect(); if (box.height && box.top < innerHeight - 30) last = Math.max(last, block.page * PAGE + i); }
    const from = first?.index ?? 0;
    const text = `# ${fmt.int(from + 1)}–${fmt.int(Math.max(from, last) + 1)}`;
    if (text !== range) go.placeholder = range = text;
  }
  const keyOfList = () => JSON.stringify([desk.id, query.now, query.sort]);
  const keepPlace = debounce(() => {
    if (!pages?.total || !node.isConnected || !node.clientWidth) return;
    const seen = firstSeen(), line = node.getBoundingClientRect().top;
    const inGrid = seen && line < innerHeight / 2;
    try { sessionStorage.setItem(SEEN, JSON.stringify({ key: keyOfList(), index: inGrid ? seen.index : 0, under: inGrid ? seen.under : null, y: scrollY })); } catch { /* no memory, no place */ }
  }, 250);
  let frame = 0;
  const scrolled = () => { frame ||= requestAnimationFrame(() => { frame = 0; tellRange(); keepPlace(); }); };
  addEventListener("scroll", scrolled, { passive: true });

  /** The first list of this page: where it was left before a reload. */
  function begin() {
    let seen = null;
    try { seen = JSON.parse(sessionStorage.getItem(SEEN)); } catch { /* none */ }
    if (seen?.key !== keyOfList()) return ask();
    if (seen.under === null) return ask().then(() => scrollTo(0, seen.y));
    return ask({ at: seen.index, under: seen.under });
  }

  const cards = () => blocks.flatMap((b) => b.cards);
  const redraw = () => cards().forEach((c) => c.draw());

  /** Records were decided: their cards are told anew; the list itself stays until it is asked for. */
  async function decided(moved) {
    if (moved === null || moved === undefined || !moved.size) { renew(); return; }
    const ids = cards().map((c) => c.id).filter((id) => moved.has(id));
    fresh.hidden = !["kept", "dropped", "hand"].includes(query.now.show) && !query.now.reasons;
    if (!ids.length) return;
    try {
      const answer = await api.post("/api/record-lists/cards", { dataset: desk.id, records: ids });
      for (const record of answer.records) {
        const similarity = pages.card(record.id)?.similarity;
        const told = similarity === undefined ? record : { ...record, similarity };
        const place = pages.placeOf(record.id), known = place === null ? null : pages.cards.get(Math.floor(place / PAGE));
        if (known) known[place % PAGE] = told;
        cards().find((c) => c.id === record.id)?.update(told);
      }
      hooks.drawn?.();
    } catch { renew(); }
  }

  let of = null; // the data set whose list is on the page
  const load = () => {
    if (!desk.loaded) return;
    if (of === desk.id) { renew(); return; }
    of = desk.id;
    begin();
  };
  const watcher = new ResizeObserver(([{ contentRect }]) => { width = contentRect.width; if (blocks.length && width) { fit(); again(); tellRange(); } });
  watcher.observe(body);
  head();
  load();
  const stops = [heard("load", load), heard("settled", () => renew()), heard("live", redraw), heard("decided", decided), onQuery(() => ask())];

  return {
    cards, reveal, redraw, renew: () => renew(), head, fresh,
    get pages() { return pages; },
    get columnsAcross() { return across(); },
    goTo: () => { go.focus(); go.select(); },
    order: () => { order.focus(); order.showPicker?.(); },
    stop: () => { stops.forEach((f) => f()); eye.disconnect(); watcher.disconnect(); pages?.stop(); removeEventListener("scroll", scrolled); },
  };
}

