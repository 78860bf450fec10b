// The list of scorers of a kind: the present one, those to try, and the discarded ones behind a fold.
import { kindSwitch } from "../kind.js";
import { api, el, fill, fmt, studio, tell } from "../../studio.js";

const ORIGINS = { shipped: "ships with the studio", taught: "taught here", adapter: "authors' layout" };
export const STANDINGS = { present: ["Present", "accent"], choosable: ["Choosable", ""], undecided: ["Not decided", "warn"], discarded: ["Discarded", ""] };
export const percent = (value, digits = 1) => (value === null || value === undefined ? "–" : `${fmt.number(100 * value, digits)} %`);

export class Candidates {
  constructor(node, { pick }) {
    Object.assign(this, { node, pick, folded: true });
  }

  draw(overview, kind, chosen) {
    const rows = overview.scorers[kind];
    const shown = rows.filter((row) => row.standing !== "discarded"), away = rows.filter((row) => row.standing === "discarded");
    const fold = el("details", { class: "tr-away", open: !this.folded || chosen?.standing === "discarded", on: { toggle: () => { this.folded = !fold.open; } } },
      el("summary", { class: "small-text", text: `Discarded: ${fmt.int(away.length)} of ${fmt.int(rows.length)}` }), el("div", { class: "stack tight" }, away.map((row) => this.row(row, chosen))));
    fill(this.node,
      kindSwitch(kind, (to) => this.pick(to, null), { label: "Kind of scorer", tone: "small-seg" }),
      el("div", { class: "stack tight", role: "list", "aria-label": "Scorers" }, shown.map((row) => this.row(row, chosen))), away.length ? fold : null);
  }

  row(row, chosen) {
    const present = row.standing === "present", [word, tone] = STANDINGS[row.standing];
    const from = [ORIGINS[row.origin], row.made_at && row.origin !== "shipped" ? fmt.when(row.made_at) : "", row.author ? `by ${row.author}` : ""].filter(Boolean).join(" · ");
    const figure = row.figure ? `${percent(row.figure.value)} of ${fmt.plural(row.figure.pairs, "held-out pair")}` : "no held-out figure of its own";
    return el("div", { class: `tr-scorer ${row === chosen ? "chosen" : ""} ${present ? "present" : ""}`, role: "listitem", data: { scorer: row.reference } },
      el("button", { class: "tr-pick", type: "button", "aria-pressed": String(row === chosen), title: present ? "The one scoring uses now" : row.reference, on: { click: () => this.pick(row.kind, row.reference) } },
        el("span", { class: "row apart nowrap" }, el("span", { class: "strong clip", text: row.name }), el("span", { class: `chip ${tone}`, text: word })),
        el("span", { class: "small-text num", title: row.figure ? `95 %: ${percent(row.figure.low)} to ${percent(row.figure.high)}, told by its training` : "", text: figure }),
        el("span", { class: "small-text quiet clip", title: `${row.base_label} · ${row.revision.slice(0, 8)}`, text: from }),
        row.problem ? el("span", { class: "small-text bad-text", text: row.problem }) : null),
      el("button", { class: "btn small plain tr-card-btn", type: "button", text: "Card", on: { click: () => showCard(row) } }));
  }
}

/** The scorer's card as a sheet, as the text it is, with a way to download it. */
export async function showCard(row) {
  const query = { kind: row.kind, scorer: row.reference, dataset: studio.dataset?.id };
  try {
    const found = await api.get("/api/trust/card", query);
    const dialog = el("dialog", { class: "sheet modal scorer-card", "aria-label": `Card of ${row.name}`, on: { close: () => dialog.remove(), click: (event) => { if (event.target === dialog) dialog.close(); } } },
      el("div", { class: "row apart nowrap" }, el("h2", { class: "clip", text: row.name }), el("a", { class: "btn small", href: `/api/trust/card.md?${new URLSearchParams(query)}`, download: found.file, text: "Download" })),
      el("p", { class: "quiet", text: [row.kind_label, row.base_label, row.revision ? `revision ${row.revision.slice(0, 8)}` : ""].filter(Boolean).join(" · ") }),
      el("pre", { class: "card-text", tabIndex: 0, text: found.markdown }), el("form", { method: "dialog", class: "row end" }, el("button", { class: "btn", text: "Close" })));
    document.body.append(dialog);
    dialog.showModal();
  } catch (error) { tell(error); }
}
