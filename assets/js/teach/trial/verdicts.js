// Adopt, keep both, discard: what each does, under whose name; and the history of what people decided, with undo.
import { api, el, fill, fmt, refresh, tell, toast } from "../../studio.js";
import { nameProblem, raterName, rememberRater } from "../rate/rater.js";

const CHOICES = [
  ["adopted", "Adopt", "primary", (name, present) => `Scoring uses ${name} from now on; ${present} stays choosable.`],
  ["kept", "Keep both", "", (name, present) => `Scoring goes on with ${present}; ${name} can be chosen in the Score tab.`],
  ["discarded", "Discard", "", (name) => `${name} is hidden from the choices. Nothing is deleted.`],
];
const WORDS = { adopted: "adopted", kept: "kept beside the present one", discarded: "discarded" };
const SHOWN = 8;

export class Verdicts {
  constructor(decide, history, { changed }) {
    Object.assign(this, { decide, history, changed, all: false });
  }

  drawDecide(row, { trial }, present) {
    const input = el("input", { class: "input tr-name", placeholder: "Your name", "aria-label": "Your name", maxLength: 60, autocomplete: "off", value: raterName() });
    const wrong = el("p", { class: "bad-text small-text", role: "alert" });
    const say = async (verdict, button) => {
      const name = input.value.trim().normalize("NFC");
      wrong.textContent = nameProblem(name) ? "Type your name first: it tells whose decision this is." : "";
      if (wrong.textContent) return input.focus();
      rememberRater(name);
      button.disabled = true;
      try {
        const said = await api.post("/api/trials/verdicts", { kind: row.kind, scorer: row.reference, verdict, author: name, trial: trial.id });
        toast(`${row.name} is ${WORDS[verdict]}.`, { kind: "good", action: { label: "Undo", run: () => this.undo(said.id, name) } });
        refresh(); // what counts may be another key now, and the header tells it
      } catch (error) { tell(error); }
      button.disabled = false;
      this.changed();
    };
    const adopted = row.standing === "present";
    const now = adopted ? "Scoring uses it now; the decision can be undone below." : row.standing === "choosable" ? "It can be chosen by hand now." : row.standing === "discarded" ? "It is discarded now." : "Nobody has decided on it yet.";
    fill(this.decide, el("section", { class: "card stack tr-decide", "aria-label": "Decide" },
      el("div", { class: "row apart" }, el("div", {}, el("h2", { text: `What becomes of ${row.name}?` }), el("p", { class: "small-text quiet", text: now })), el("label", { class: "row nowrap small-text" }, "Decided by", input)), wrong,
      el("div", { class: "tr-choices" }, CHOICES.map(([verdict, text, tone, words]) => el("div", { class: "stack tight" },
        el("button", { class: `btn ${tone}`, disabled: adopted && verdict === "adopted", data: { verdict }, on: { click: (event) => say(verdict, event.currentTarget) }, text }), el("p", { class: "small-text quiet", text: words(row.name, adopted ? "the one before" : present?.name ?? "the shipped one") })))),
      el("p", { class: "small-text quiet", text: "Scores of both stay apart, each under its own key. Every decision can be undone." })));
  }

  async undo(id, name) {
    try { await api.post(`/api/trials/verdicts/${id}/undo`, { author: name || raterName() || "somebody" }); toast("The decision is taken back.", { kind: "good" }); refresh(); } catch (error) { tell(error); }
    this.changed();
  }

  drawHistory(rows) {
    this.history.hidden = !rows.length;
    const by = new Map(rows.map((row) => [row.id, row]));
    const shown = this.all ? rows : rows.slice(0, SHOWN);
    fill(this.history, el("div", { class: "row apart" }, el("h2", { text: "What people decided" }), el("span", { class: "small-text quiet num", text: fmt.ofN(shown.length, rows.length) })),
      el("ul", { class: "tr-history" }, shown.map((row) => el("li", { class: row.undone ? "undone" : "", data: { verdict: row.id } },
        el("span", { class: "tr-what" }, el("b", { text: row.author }), row.undoes ? ` took back: ${row.name} ${WORDS[row.verdict]} by ${by.get(row.undoes)?.author ?? "somebody"}` : ` ${WORDS[row.verdict].split(" ")[0]} `, row.undoes ? "" : el("span", { class: "strong", text: row.name }), row.undoes ? "" : row.verdict === "kept" ? " beside the present one" : "",
          el("span", { class: "quiet", text: ` · ${row.kind}s · ${row.revision.slice(0, 8)}${row.trial ? ` · trial ${row.trial}` : ""}` })),
        el("span", { class: "small-text quiet num", text: fmt.when(row.created_at) }),
        row.undoes ? el("span", {}) : row.undone ? el("span", { class: "chip", text: "taken back" }) : el("button", { class: "btn small", text: "Undo", on: { click: () => this.undo(row.id, raterName()) } })))),
      rows.length > SHOWN && !this.all ? el("button", { class: "btn small more", text: `Show all ${fmt.int(rows.length)}`, on: { click: () => { this.all = true; this.drawHistory(rows); } } }) : null);
  }
}
