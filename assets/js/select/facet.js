// One column as a filter: a small histogram with a brush, a choice of yes and no, or a list of values with counts.
// Each facet is {node, draw(found, wish)}: `found` is the server's answer for the column, `wish` what the query asks of it.
import { debounce, el, fill, fmt, icon } from "../studio.js";

const SVG = "http://www.w3.org/2000/svg";
const BAR_HEIGHT = 38;
const FIRST_VALUES = 8;
const MOST_VALUES = 200;
const WHILE_DRAGGED_MS = 120;
const STEPS = 50;

/** A number of a column as its fields show it: as many decimals as its spread needs. */
export function plainNumber(value, low, high) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const spread = Math.abs(high - low) || Math.abs(value) || 1;
  const digits = Math.max(0, Math.min(6, 3 - Math.floor(Math.log10(spread)) - 1));
  return String(Number(value.toFixed(digits))).replace("-", "−");
}

/** Read what a person typed into an end of a range. → a number, null (empty: open), or undefined where it is no number. A decimal comma is fine. */
export function readEnd(text) {
  const plain = text.trim().replace("−", "-").replace(/\s/g, "").replace(/^([+-]?\d*),(\d+)$/, "$1.$2").replace(/,(?=\d{3}(\D|$))/g, "");
  if (!plain) return null;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) && Number.isFinite(Number(plain)) ? Number(plain) : undefined;
}

function bars(counts, most, name) {
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("class", name);
  const parts = [];
  counts.forEach((n, i) => {
    if (!n) return;
    const height = Math.max(1.2, (BAR_HEIGHT * n) / most);
    parts.push(`M${i + 0.06} ${BAR_HEIGHT}v${-height.toFixed(2)}h.88v${height.toFixed(2)}z`);
  });
  path.setAttribute("d", parts.join(""));
  return path;
}

/** Histogram of a number column with a brush. `pick([low, high] or null, {typing})`; an end that stands at the edge is open (null). */
export function numberFacet(column, pick) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "facet-bars");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const handle = (end) => el("div", { class: `brush-end ${end}`, role: "slider", tabIndex: 0, "aria-label": `${column.label}: ${end === "low" ? "lowest" : "highest"}`, data: { end } });
  const ends = { low: handle("low"), high: handle("high") };
  const band = el("div", { class: "brush-band" });
  const tip = el("div", { class: "facet-tip num", hidden: true });
  const surface = el("div", { class: "brush" }, svg, band, ends.low, ends.high, tip);
  const field = (end) => el("input", { class: "input num", type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: false, "aria-label": `${column.label}: ${end === "low" ? "from" : "to"}`, data: { end } });
  const fields = { low: field("low"), high: field("high") };
  const note = el("p", { class: "facet-note quiet", hidden: true });
  const node = el("div", { class: "facet-number" }, surface, el("div", { class: "facet-ends" }, fields.low, el("span", { class: "quiet", text: "to" }), fields.high), note);

  let axis = null, wish = null, drag = null, data = null;
  const low = () => wish?.[0] ?? axis.low, high = () => wish?.[1] ?? axis.high;
  const part = (value) => Math.max(0, Math.min(1, (value - axis.low) / (axis.high - axis.low || 1)));
  const rounded = (value) => Number(plainNumber(value, axis.low, axis.high).replace("−", "-"));

  function draw(found, now) {
    data = found;
    if (drag) { if (data) drawBars(); return; } // the brush is in a hand: only the bars follow
    wish = now ?? null;
    const empty = !data || !data.all.some((n) => n > 0);
    surface.classList.toggle("blank", empty);
    axis = empty ? null : { low: data.low, high: data.high };
    note.hidden = !empty;
    note.textContent = data ? "No record has a value here." : "";
    for (const end of Object.values(fields)) end.disabled = empty && !wish;
    if (!empty) drawBars();
    drawBrush();
  }

  function drawBars() {
    svg.setAttribute("viewBox", `0 0 ${data.all.length} ${BAR_HEIGHT}`); // each on a scale of its own: what a filter leaves is a shape too, however few
    svg.replaceChildren(...[["all", "bars-all"], ["counts", "bars-now"]].map(([name, style]) => bars(data[name], Math.max(1, ...data[name]), style)));
  }

  function drawBrush() {
    if (!axis) { fields.low.value = wish?.[0] ?? ""; fields.high.value = wish?.[1] ?? ""; return; }
    surface.style.setProperty("--low", part(low()));
    surface.style.setProperty("--high", part(high()));
    surface.classList.toggle("set", Boolean(wish));
    for (const [end, value] of [["low", low()], ["high", high()]]) {
      const text = plainNumber(value, axis.low, axis.high);
      ends[end].setAttribute("aria-valuemin", axis.low);
      ends[end].setAttribute("aria-valuemax", axis.high);
      ends[end].setAttribute("aria-valuenow", value);
      ends[end].setAttribute("aria-valuetext", text);
      if (document.activeElement !== fields[end]) {
        fields[end].value = (end === "low" ? wish?.[0] : wish?.[1]) === null || !wish ? "" : text;
        fields[end].setAttribute("aria-invalid", "false");
      }
      fields[end].placeholder = plainNumber(axis[end], axis.low, axis.high);
    }
  }

  const valueAt = (event) => {
    const box = surface.getBoundingClientRect();
    return axis.low + Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * (axis.high - axis.low);
  };
  /** The range between two values; ends at the edge are open, both open is no range. */
  function between(a, b) {
    const [from, to] = a <= b ? [a, b] : [b, a];
    const range = [from <= axis.low ? null : rounded(from), to >= axis.high ? null : rounded(to)];
    return range[0] === null && range[1] === null ? null : range;
  }
  const tell = debounce((range) => { if (drag) pick(range, { typing: `range ${column.name}` }); }, WHILE_DRAGGED_MS);
  const show = (range) => { wish = range; drawBrush(); };

  surface.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !axis) return;
    event.preventDefault();
    surface.setPointerCapture(event.pointerId);
    const at = valueAt(event), end = event.target.dataset?.end;
    const inside = wish && event.target === band;
    drag = end ? { anchor: end === "low" ? high() : low() } : inside ? { from: [low(), high()], at } : { anchor: at };
    drag.before = wish;
    drag.start = event.clientX;
    (ends[end] ?? ends.low).focus({ preventScroll: true });
    tip.hidden = true;
  });
  surface.addEventListener("pointermove", (event) => {
    if (!axis) return;
    if (!drag) return hover(event);
    drag.moved ||= Math.abs(event.clientX - drag.start) > 2;
    if (!drag.moved) return;
    const at = valueAt(event);
    if (drag.from) {
      const width = drag.from[1] - drag.from[0];
      const from = Math.max(axis.low, Math.min(axis.high - width, drag.from[0] + at - drag.at));
      show(between(from, from + width));
    } else show(between(drag.anchor, at));
    tell(wish);
  });
  const drop = (event) => {
    if (!drag) return;
    const { moved, before } = drag;
    drag = null;
    if (event.type === "pointercancel") { show(before); pick(before, {}); return; }
    if (!moved && event.target === surface && before) { show(null); pick(null, {}); return; } // a click beside the brush takes it away
    if (moved) pick(wish, { typing: `range ${column.name}` });
  };
  surface.addEventListener("pointerup", drop);
  surface.addEventListener("pointercancel", drop);
  surface.addEventListener("pointerleave", () => { tip.hidden = true; });

  function hover(event) {
    if (!data) return;
    const box = surface.getBoundingClientRect();
    const n = data.all.length, bin = Math.max(0, Math.min(n - 1, Math.floor(((event.clientX - box.left) / box.width) * n)));
    const width = (axis.high - axis.low) / n, from = axis.low + bin * width;
    tip.hidden = false;
    tip.textContent = `${plainNumber(from, axis.low, axis.high)} to ${plainNumber(from + width, axis.low, axis.high)}: ${fmt.ofN(data.counts[bin], data.all[bin])}`;
  }

  for (const [end, node_] of Object.entries(ends))
    node_.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !axis) return;
      const step = ((axis.high - axis.low) / STEPS) * (event.shiftKey ? 5 : 1);
      const to = { ArrowRight: step, ArrowUp: step, ArrowLeft: -step, ArrowDown: -step, Home: -Infinity, End: Infinity }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      const moved = Math.max(axis.low, Math.min(axis.high, (end === "low" ? low() : high()) + to));
      show(end === "low" ? between(Math.min(moved, high()), high()) : between(low(), Math.max(moved, low())));
      pick(wish, { typing: `range ${column.name}` });
    });

  function take() {
    const typed = { low: readEnd(fields.low.value), high: readEnd(fields.high.value) };
    for (const end of ["low", "high"]) fields[end].setAttribute("aria-invalid", String(typed[end] === undefined));
    if (typed.low === undefined || typed.high === undefined) { note.hidden = false; note.textContent = "Type a number such as 0.25, or leave it empty."; return; }
    if (typed.low !== null && typed.high !== null && typed.low > typed.high) {
      fields.high.setAttribute("aria-invalid", "true");
      note.hidden = false;
      note.textContent = "The lower end must come first.";
      return;
    }
    note.hidden = true;
    const range = typed.low === null && typed.high === null ? null : [typed.low, typed.high];
    wish = range;
    pick(range, {});
  }
  for (const input of Object.values(fields)) {
    input.addEventListener("change", take);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") { event.preventDefault(); take(); }
      if (event.key === "Escape") { event.stopPropagation(); input.blur(); draw(data, wish); }
    });
  }
  return { node, draw };
}

/** Yes, no, or either, with counts. `pick(true | false | null)`. only: words of the one choice of a column that can't be asked for its opposite. */
export function flagFacet(column, pick, { only = "" } = {}) {
  const node = el("div", { class: "facet-flag", role: "group", "aria-label": column.label });
  const draw = (found, wish) => {
    const count = (value) => found?.values?.find((one) => String(one.value) === String(value) || Number(one.value) === Number(value));
    fill(node, (only ? [[true, only]] : [[true, "Yes"], [false, "No"]]).map(([value, label]) => valueRow({ label, count: count(value)?.count ?? (found ? 0 : null), pressed: wish === value, run: () => pick(wish === value ? null : value) })));
  };
  return { node, draw };
}

/** One line with a count that is pressed or not. */
function valueRow({ label, count, pressed, run, title = "", dot = "", one = false, data = {} }) {
  return el("button", { type: "button", class: `facet-value ${dot}`, role: one ? "radio" : null, "aria-pressed": one ? null : String(pressed), "aria-checked": one ? String(pressed) : null, title: title || label, data, on: { click: run } },
    el("span", { class: one ? "facet-radio" : "facet-check" }, pressed && !one ? icon("check") : null), dot ? el("span", { class: "dot" }) : null,
    el("span", { class: "clip grow record-text facet-label", dir: "auto", text: label }), count === null || count === undefined ? null : el("span", { class: "num quiet", text: fmt.int(count) }));
}

/** One of a few, the first of which asks for nothing (who decides what is shown). `pick(id)`. */
export function oneFacet(column, choices, pick) {
  const node = el("div", { role: "radiogroup", "aria-label": column.label });
  const draw = (found, wish, counts = {}) => {
    const count = (id) => found?.values?.find((one) => one.value === id)?.count ?? counts[id] ?? null;
    fill(node, choices.map(([id, label]) => valueRow({ label, count: count(id), pressed: (wish ?? choices[0][0]) === id, run: () => pick(id), one: true, data: { show: id } })));
  };
  return { node, draw };
}

/** Values with counts, most frequent first, found by typing, the first few shown. `pick(list of values)`. dots: values are instruction types with their colours. */
export function valuesFacet(column, pick, { dots = false } = {}) {
  let shown = FIRST_VALUES, now = null, chosen = [];
  const search = el("input", { class: "input", type: "search", placeholder: "Find a value", "aria-label": `${column.label}: find a value`, maxLength: 100 });
  const list = el("div", { role: "group", "aria-label": column.label });
  const more = el("button", { type: "button", class: "link small-text facet-more", on: { click: () => { shown = shown === FIRST_VALUES ? MOST_VALUES : FIRST_VALUES; drawList(); } } });
  const node = el("div", { class: "facet-values" }, search, list, more);
  search.addEventListener("input", () => drawList());
  search.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); search.value = ""; drawList(); search.blur(); } });
  const draw = (found, wish) => {
    now = found?.values ?? null;
    chosen = wish ?? [];
    drawList();
  };
  function drawList() {
    const all = (now ?? []).filter((one) => one.all !== 0 || chosen.includes(one.value));
    search.hidden = all.length <= FIRST_VALUES;
    const wanted = search.hidden ? "" : search.value.trim().toLowerCase();
    const fits = all.filter((one) => chosen.includes(one.value) || !wanted || String(one.label).toLowerCase().includes(wanted));
    const first = fits.slice(0, wanted ? MOST_VALUES : shown);
    for (const value of chosen) if (!first.some((one) => one.value === value)) first.push(all.find((one) => one.value === value) ?? { value, label: String(value), count: now ? 0 : null });
    fill(list, first.map((one) => valueRow({ label: String(one.label ?? one.value) || "(empty)", count: one.count, pressed: chosen.includes(one.value), dot: dots ? one.value : "", title: `${one.label ?? one.value}: ${fmt.ofN(one.count, one.all ?? one.count)}`,
      run: () => pick(chosen.includes(one.value) ? chosen.filter((value) => value !== one.value) : [...chosen, one.value]) })),
      now && !first.length ? el("p", { class: "quiet small-text", text: wanted ? "No value has these letters." : "No record has a value here." }) : null);
    more.hidden = Boolean(wanted) || fits.length <= FIRST_VALUES;
    more.textContent = shown === FIRST_VALUES ? `${fmt.int(fits.length - FIRST_VALUES)} more` : "fewer";
  }
  return { node, draw };
}
