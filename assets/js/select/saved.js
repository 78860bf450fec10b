// Stored selections: save the working cuts under a name, open, list with counts, compare two.
import { api, confirm, el, fill, fmt, problem, toast } from "../studio.js";
import { compareSelections } from "./compare.js";
import { desk, openSelection } from "./desk.js";
import { popover } from "./popover.js";
import { words } from "./spec.js";

const WORKING = "current";

/** The button "Selections" with its panel. → {node, stop()} */
export function saved() {
  let list = [];
  const pop = popover("Selections", "Stored selections", async (body) => {
    try { list = (await api.get("/api/selections/named", { dataset: desk.id })).selections; } catch (error) { return fill(body, problem(error)); }
    fill(body, el("h3", { text: "Save the cuts as they stand" }), saveForm(), el("h3", { text: "Stored selections" }),
      list.length ? el("ul", { class: "saved-list" }, list.map(row)) : el("p", { class: "quiet", text: "None yet. A stored selection keeps the cuts and the scorers they were made with; rewriting, export and fine-tuning can use it by name." }),
      list.length ? compareForm() : null);
  }, { wide: true });

  function saveForm() {
    const name = el("input", { class: "input", type: "text", maxLength: 120, placeholder: "Name, for example: strict 0.2", "aria-label": "Name of the selection", data: { focus: "save" } });
    const wrong = el("p", { class: "cut-problem", role: "alert", hidden: true });
    return el("form", { class: "save-form", on: { submit: async (event) => {
      event.preventDefault();
      const wish = name.value.trim();
      const there = list.find((s) => s.name === wish);
      if (there && !(await confirm({ title: `Save “${wish}” again?`, text: `It now keeps ${fmt.ofN(there.kept, there.of)} records; the cuts as they stand keep ${fmt.ofN(desk.live.counts.kept, desk.cube.n)}.`, action: "Save" }))) return;
      try {
        const answer = await api.post("/api/selections/named", { dataset: desk.id, name: wish });
        toast(`Saved “${answer.name}”: ${fmt.ofN(answer.kept, answer.of)} records.`, { kind: "good" });
        pop.again();
      } catch (error) { wrong.hidden = false; wrong.textContent = `${error.message}. ${error.hint ?? ""}`; name.setAttribute("aria-invalid", "true"); }
    } } }, el("div", { class: "row nowrap" }, name, el("button", { class: "btn primary", text: "Save" })), wrong);
  }

  const row = (s) => el("li", { data: { selection: s.name } },
    el("div", { class: "grow" }, el("p", { class: "record-text strong", text: s.name }),
      el("p", { class: "quiet small-text num", text: [s.kept === null ? s.why : `${fmt.ofN(s.kept, s.of)} kept`, words(s.spec), fmt.when(s.created_at), s.author].join(" · ") })),
    el("button", { class: "btn small", text: "Open", "aria-label": `Open ${s.name}`, on: { click: () => { pop.show(false); openSelection(s.name); } } }));

  function compareForm() {
    const names = [WORKING, ...list.map((s) => s.name)];
    const choice = (label, chosen) => el("select", { class: "select", "aria-label": label }, names.map((name) => el("option", { value: name, text: name === WORKING ? "The cuts as they stand" : name, selected: name === chosen })));
    const left = choice("First selection", WORKING), right = choice("Second selection", list[0].name);
    return el("form", { class: "compare-form", on: { submit: (event) => { event.preventDefault(); pop.show(false); compareSelections(left.value, right.value); } } },
      el("h3", { text: "Compare two" }), el("div", { class: "row nowrap" }, left, el("span", { class: "quiet", text: "with" }), right, el("button", { class: "btn", text: "Compare" })));
  }

  return { node: pop.node, open: () => { pop.show(true); pop.node.querySelector("[data-focus=save]")?.focus(); setTimeout(() => pop.node.querySelector("[data-focus=save]")?.focus(), 200); }, stop: pop.stop };
}
