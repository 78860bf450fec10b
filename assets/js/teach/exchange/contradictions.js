// Where two files order the same texts the other way round: who says what, and the choice that is a person's.
import { api, confirm, el, fill, fmt, icon, problem, tell, toast, url } from "../../studio.js";
import { tile } from "./origins.js";

const FEW = 2;

export function contradictions(counts, { scope, changed }) {
  const list = el("div", { class: "stack xc-fights" });
  const path = () => url("/api/rating_exchange/contradictions", { dataset: scope() });
  const decide = async (wish) => {
    try {
      const done = await api.post(path(), wish);
      toast(`${fmt.plural(done.settled, "contradiction")} decided.`, { kind: "good", action: done.settled === 1 ? { label: "Undo", run: undo } : null });
    } catch (error) { tell(error); }
    changed();
  };
  const undo = async () => {
    try { await api.post("/api/rating_exchange/contradictions/undo"); toast("The last choice is undone."); } catch (error) { tell(error); }
    changed();
  };
  const all = async (choice, words) => {
    if (await confirm({ title: `Decide ${fmt.plural(counts.open, "contradiction")} at once?`, text: words, action: "Decide" })) decide({ choice });
  };
  if (!counts.open)
    return el("div", { class: "row xc-peace" }, el("span", { class: "good-text small-text" }, icon("check"), ` No contradiction between files is left open: ${fmt.plural(counts.settled, "choice")} made.`), el("button", { class: "btn small", text: "Undo the last one", on: { click: undo } }));
  load(list, path(), decide);
  return el("section", { class: "card stack", "aria-label": "Contradictions" },
    el("div", { class: "row apart" },
      el("h2", { class: "row" }, el("span", { class: "warn-text" }, icon("warn")), `${fmt.plural(counts.open, "contradiction")} between files`),
      el("div", { class: "row" },
        counts.open > 1 ? [el("span", { class: "quiet small-text", text: "For all:" }),
          el("button", { class: "btn small", text: "Keep both", on: { click: () => all("both", "Both lines stay, and their mean counts. Where they are equally strong, that is a tie.") } }),
          el("button", { class: "btn small", text: "First counts", on: { click: () => all("first", "Of each two lines the one that came in first counts; the later one says nothing about these texts.") } }),
          el("button", { class: "btn small", text: "Later counts", on: { click: () => all("later", "Of each two lines the one that came in later counts; the first one says nothing about these texts.") } })] : null,
        counts.settled ? el("button", { class: "btn small plain", text: `Undo the last of ${fmt.plural(counts.settled, "choice")}`, on: { click: undo } }) : null)),
    list);
}

async function load(list, path, decide) {
  try {
    const told = await api.get(path);
    const show = (few) => fill(list, told.shown.slice(0, few ? FEW : undefined).map((one) => fight(one, decide)),
      few && told.shown.length > FEW ? el("button", { class: "btn small xc-more", text: `Show ${fmt.plural(told.shown.length - FEW, "more", "more")}`, on: { click: () => show(false) } }) : null,
      !few && told.shown.length < told.open ? el("p", { class: "quiet small-text", text: `The first ${fmt.int(told.shown.length)} of ${fmt.int(told.open)} are listed; the others follow as these are decided.` }) : null);
    show(true);
  } catch (error) { fill(list, problem(error)); }
}

function fight(one, decide) {
  const [a, b] = one.pairs[0];
  const ids = { first: one.first.rating, later: one.later.rating };
  const side = (told, better, choice) => el("div", { class: "xc-side" },
    el("div", { class: "small-text xc-side-head" }, el("span", { class: "clip", title: told.rater, text: `${told.rater} · item ${told.item}` }), el("button", { class: "btn small", "aria-label": `${told.rater} counts`, text: "This counts", on: { click: () => decide({ ...ids, choice }) } })),
    el("p", { class: "small-text quiet", text: "says this is better:" }), el("p", { class: "record-text", dir: "auto", text: better }));
  return el("article", { class: "xc-pair" }, tile(one),
    el("div", { class: "stack tight grow" },
      el("div", { class: "row apart nowrap" }, el("p", { class: "record-text strong xc-question", dir: "auto", text: one.question || "Question sets" }),
        el("button", { class: "btn small", text: "Keep both", on: { click: () => decide({ ...ids, choice: "both" }) } })),
      el("div", { class: "xc-sides" }, side(one.first, a, "first"), side(one.later, b, "later")),
      one.pair_count > 1 ? el("p", { class: "quiet small-text", text: `And ${fmt.plural(one.pair_count - 1, "other pair")} of the same two lines.` }) : null));
}
