// Who works here: a name beside what one does, and word of what others did to the same data set meanwhile.
import { el, fill, on, personName, setPersonName, studio, toast } from "../studio.js";
import { desk, heard, load } from "./desk.js";
import { popover } from "./popover.js";

const NOBODY = "screen";
const LONGEST = 60;

/** A person as they are called on the page. */
export const nameOf = (author) => (author === NOBODY || !author ? "somebody" : author === "cli" ? "the command line" : author);

/** The button "You: Maria" with a field for the name. → {node, stop()} */
export function you() {
  const label = el("span", {});
  const draw = () => fill(label, "You", personName() ? [": ", el("b", { class: "clip", text: personName() })] : null);
  const pop = popover(label, "Who works here", (body) => {
    const name = el("input", { class: "input", type: "text", maxLength: LONGEST, value: personName(), placeholder: "Maria", "aria-label": "Your name", autocomplete: "name" });
    fill(body, el("form", { class: "stack tight", on: { submit: (event) => { event.preventDefault(); setPersonName(name.value.trim().slice(0, LONGEST)); draw(); pop.show(false); } } },
      el("h3", { text: "Your name" }), el("p", { class: "quiet small-text", text: "It stands beside what you decide, so that others who work on this data set know who did it. It opens no doors." }),
      el("div", { class: "row nowrap" }, name, el("button", { class: "btn primary", text: "Save" }))));
    name.focus();
  }, { plain: true });
  pop.node.classList.add("you");
  draw();
  addEventListener("storage", draw);
  return { node: pop.node, stop: () => { removeEventListener("storage", draw); pop.stop(); } };
}

/** What another person's step is called in a toast: "Maria: Drop 31 records". Pure. */
export const stepWords = ({ author, detail, kind }) => `${nameOf(author) === "somebody" ? "Somebody else" : nameOf(author)}: ${kind === "undo" || kind === "redo" ? detail.replace(/^(undo|redo): /, kind === "undo" ? "undid " : "did again ") : detail || "changed decisions"}`;

/** Follow what others (and one's own other tabs) do: read the page anew, and say so where it was somebody else. `show()` opens the history. Returns a way to stop. */
export function follow({ show }) {
  let of = null, seen = null, late = false;
  const own = (author) => author === (personName() || NOBODY);
  async function take() {
    const now = studio.activity;
    if (!now || studio.dataset?.id !== desk.id || !desk.loaded) return;
    if (of !== desk.id || !seen) { of = desk.id; seen = { ...now }; return; }
    const stepped = now.action > Math.max(seen.action, desk.activity ?? 0), cut = now.selection > seen.selection && now.selection !== desk.seen;
    seen = { ...now };
    if (!stepped && !cut) return;
    if (stepped && !own(now.author) && now.kind !== "rewrite") toast(stepWords(now), { action: { label: "Show", run: show }, seconds: 8 });
    if (cut && !own(now.selection_author)) toast(`${nameOf(now.selection_author) === "somebody" ? "Somebody else" : nameOf(now.selection_author)} moved the cuts.`, { hint: "You see theirs now.", seconds: 8 });
    if (desk.drag || desk.link || desk.conflict) { late = true; return; } // nothing is taken out of a hand
    await load();
  }
  const stops = [on("activity", take), heard("settled", () => { if (late && !desk.drag && !desk.link && !desk.conflict) { late = false; load(); } })];
  take();
  return () => stops.forEach((f) => f());
}
