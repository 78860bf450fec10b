// Whose word it is: the rater's name, asked once and remembered in this browser.
import { el, fill } from "../../studio.js";

const SAVED = "align2-rater";
export const LONGEST = 60;

export function raterName() {
  try { return localStorage.getItem(SAVED) ?? ""; } catch { return ""; }
}
export function rememberRater(name) {
  try { localStorage.setItem(SAVED, name); } catch { /* asked again on the next page */ }
}

/** A problem with a name as a sentence, "" where there is none. The studio checks again. */
export function nameProblem(name) {
  if (!name.trim()) return "Type your name first: it tells whose rating this is.";
  if ([...name.trim()].length > LONGEST) return `Use at most ${LONGEST} characters.`;
  return /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name.trim()) ? "The name holds a character that can't be shown." : "";
}

/** The card that asks for the name. raters: [{name, rated}] who rated before; done(name) is called with a good one. */
export function askRater(node, raters, done) {
  const input = el("input", { class: "input", placeholder: "Your name", "aria-label": "Your name", maxLength: 200, autocomplete: "off", value: raterName() });
  const wrong = el("p", { class: "bad-text small-text", role: "alert" });
  const take = () => {
    const typed = input.value.trim().normalize("NFC");
    const problem = nameProblem(typed);
    wrong.textContent = problem;
    input.setAttribute("aria-invalid", String(Boolean(problem)));
    if (problem) return input.focus();
    const name = raters.find((one) => one.name.toLowerCase() === typed.toLowerCase())?.name ?? typed;
    rememberRater(name);
    done(name);
  };
  input.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); take(); } });
  fill(node, el("section", { class: "card stack rt-who" },
    el("div", { class: "stack tight" }, el("h2", { text: "Who is rating?" }), el("p", { class: "quiet", text: "Each word is kept under a name, so that several people's ratings can be compared." })),
    el("div", { class: "row nowrap" }, input, el("button", { class: "btn primary", text: "Start rating", on: { click: take } })), wrong,
    raters.length ? el("div", { class: "stack tight" }, el("span", { class: "small-text quiet", text: "Or go on as" }),
      el("div", { class: "row" }, raters.slice(0, 12).map((one) => el("button", { class: "btn small rt-name", title: one.name, on: { click: () => { input.value = one.name; take(); } } },
        el("span", { class: "clip", text: one.name }), el("span", { class: "quiet num", text: ` ${one.rated}` }))))) : null));
  input.focus();
  input.select();
}
