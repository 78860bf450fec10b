// The table of origins: what each holds, a switch whether it teaches, and a few of its pairs with image, better and worse text.
import { api, el, fill, fmt, icon, photo, problem, tell } from "../../studio.js";

const GROUPS = { people: "Rated here", file: "From files", act: "Your own acts" };
const KINDS = [["question", "Questions"], ["answer", "Answers"]];
/** Which origin's pairs are unfolded, and of which kind; kept while the page lives. */
const shown = { origin: "", kind: "" };

export function origins(told, { scope, changed }) {
  const body = el("tbody", {});
  const draw = () => {
    const rows = [];
    let group = "";
    for (const row of told.origins) {
      if (row.group !== group) rows.push(el("tr", { class: "xc-group" }, el("th", { colSpan: 7, scope: "rowgroup", text: GROUPS[(group = row.group)] })));
      rows.push(...lines(row, { scope, changed, redraw: draw }));
    }
    fill(body, rows);
  };
  draw();
  return el("section", { class: "card stack tight" },
    el("div", { class: "row apart" }, el("h2", { text: "Where preferences come from" }), el("span", { class: "quiet small-text", text: "The switch says whether an origin teaches." })),
    el("table", { class: "table xc-origins" },
      el("thead", {}, el("tr", {}, ["Teaches", "Origin", "Question pairs", "Answer pairs", "Images", "Images at hand", ""].map((name, i) => el("th", { class: i > 1 ? "n" : "", text: name })))), body));
}

function lines(row, { scope, changed, redraw }) {
  const open = shown.origin === row.origin;
  const both = KINDS.map(([kind]) => row[kind]).filter(Boolean);
  const sum = (name) => both.reduce((all, one) => all + one[name], 0);
  const pairs = (kind) => row[kind]
    ? [el("div", { text: fmt.int(row[kind].pairs) }), el("div", { class: "quiet small-text", text: `${fmt.plural(row[kind].items, "item")}${row[kind].ties ? `, ${fmt.int(row[kind].ties)} tied` : ""}` })]
    : el("span", { class: "quiet", text: "–" });
  const flip = el("input", { type: "checkbox", role: "switch", class: "xc-switch", checked: row.teaches, "aria-label": `${row.label} teaches`, on: { change: async () => {
    flip.disabled = true;
    try { await api.post("/api/rating_exchange/origins", { origin: row.origin, teaches: flip.checked }); } catch (error) { tell(error); }
    changed();
  } } });
  const unfold = el("button", { class: "btn small", "aria-expanded": String(open), "aria-label": `${open ? "Hide" : "Show"} pairs of ${row.label}`, on: { click: () => { Object.assign(shown, open ? { origin: "" } : { origin: row.origin, kind: "" }); redraw(); } } }, open ? "Hide" : "Look", icon("down"));
  const line = el("tr", { class: `${row.teaches ? "" : "xc-off"} ${open ? "open" : ""}` },
    el("td", {}, flip),
    el("td", {}, el("div", { class: "xc-name", text: row.group === "file" ? row.origin.replace(/^file: /, "") : row.label }), row.says ? el("div", { class: "quiet small-text", text: row.says }) : null),
    el("td", { class: "n" }, pairs("question")), el("td", { class: "n" }, pairs("answer")), el("td", { class: "n", text: fmt.int(sum("images")) }),
    el("td", { class: "n", text: fmt.ofN(sum("with_picture"), sum("items")) }), el("td", { class: "n" }, unfold));
  return open ? [line, el("tr", { class: "xc-look" }, el("td", { colSpan: 7 }, looked(row, scope())))] : [line];
}

/** A few pairs of one origin; the answer to a click, so it is asked for when it is unfolded. */
function looked(row, dataset) {
  const kinds = KINDS.filter(([kind]) => row[kind]?.pairs);
  const node = el("div", { class: "stack tight" });
  if (!kinds.length) return fill(node, el("p", { class: "quiet", text: "Everything here is tied: no text is better than another." }));
  if (!kinds.some(([kind]) => kind === shown.kind)) shown.kind = kinds[0][0];
  const list = el("div", { class: "xc-pairs" }, el("div", { class: "skeleton xc-pair-skeleton" }));
  const load = async () => {
    try {
      const found = await api.get("/api/rating_exchange/preview", { dataset, origin: row.origin, kind: shown.kind });
      fill(list, found.map(pair));
    } catch (error) { fill(list, problem(error)); }
  };
  const seg = el("div", { class: "seg small", role: "group", "aria-label": "Kind of pairs" });
  const drawSeg = () => fill(seg, kinds.map(([kind, label]) => el("button", { "aria-pressed": String(kind === shown.kind), text: label, on: { click: () => { shown.kind = kind; drawSeg(); load(); } } })));
  drawSeg();
  load();
  return fill(node, kinds.length > 1 ? seg : null, list);
}

export const tile = (one) => photo({ key: one.image_name, image: one.image, text_only: !one.image_name, problem: one.image_name ? `${one.image_name} is not at hand` : "" });

function pair(one) {
  const side = (name, text, score) => el("div", { class: `xc-side ${name}` }, el("div", { class: "small-text xc-side-head" }, el("span", { text: name === "better" ? "Better" : "Worse" }), el("span", { class: "num", text: fmt.number(score) })), el("p", { class: "record-text", dir: "auto", text }));
  return el("article", { class: "xc-pair" }, tile(one),
    el("div", { class: "stack tight grow" },
      el("div", { class: "row apart nowrap" }, el("p", { class: "record-text strong xc-question", dir: "auto", text: one.question || "Question sets" }), el("span", { class: "quiet small-text clip xc-raters", title: one.raters.join(", "), text: one.raters.join(", ") })),
      el("div", { class: "xc-sides" }, side("better", one.better, one.scores[0]), side("worse", one.worse, one.scores[1]))));
}
