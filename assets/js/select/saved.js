// Stored selections: save the working cuts under a name, open, list with counts, compare two.
import { api, confirm, el, fill, fmt, icon, problem, tell, toast } from "../studio.js";
import { card } from "./cards.js";
import { desk, heard, openSelection } from "./desk.js";
import { popover } from "./popover.js";

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
      if (there && !(await confirm({ title: `Save “${wish}” again?`, text: `It now keeps ${fmt.ofN(there.kept, there.of)} records; the cuts as they stand keep ${fmt.ofN(desk.live.counts.kept, desk.columns.n)}.`, action: "Save" }))) return;
      try {
        const answer = await api.post("/api/selections/named", { dataset: desk.id, name: wish });
        toast(`Saved “${answer.name}”: ${fmt.ofN(answer.kept, answer.of)} records.`, { kind: "good" });
        pop.again();
      } catch (error) { wrong.hidden = false; wrong.textContent = `${error.message}. ${error.hint ?? ""}`; name.setAttribute("aria-invalid", "true"); }
    } } }, el("div", { class: "row nowrap" }, name, el("button", { class: "btn primary", text: "Save" })), wrong);
  }

  const row = (s) => el("li", { data: { selection: s.name } },
    el("div", { class: "grow" }, el("p", { class: "record-text strong", text: s.name }),
      el("p", { class: "quiet small-text num", text: [`${fmt.ofN(s.kept, s.of)} kept`, words(s.spec), fmt.when(s.created_at), s.author].join(" · ") })),
    el("button", { class: "btn small", text: "Open", "aria-label": `Open ${s.name}`, on: { click: () => { pop.show(false); openSelection(s.name); } } }));

  function compareForm() {
    const names = [WORKING, ...list.map((s) => s.name)];
    const choice = (label, chosen) => el("select", { class: "select", "aria-label": label }, names.map((name) => el("option", { value: name, text: name === WORKING ? "The cuts as they stand" : name, selected: name === chosen })));
    const left = choice("First selection", WORKING), right = choice("Second selection", list[0].name);
    return el("form", { class: "compare-form", on: { submit: (event) => { event.preventDefault(); pop.show(false); compare(left.value, right.value); } } },
      el("h3", { text: "Compare two" }), el("div", { class: "row nowrap" }, left, el("span", { class: "quiet", text: "with" }), right, el("button", { class: "btn", text: "Compare" })));
  }

  return { node: pop.node, open: () => { pop.show(true); pop.node.querySelector("[data-focus=save]")?.focus(); setTimeout(() => pop.node.querySelector("[data-focus=save]")?.focus(), 200); }, stop: pop.stop };
}

/** The cuts of a selection in a few words. */
export function words(spec) {
  const amount = (cut) => (cut.mode === "share" ? `${Number((cut.amount * 100).toFixed(1))} %` : cut.mode === "count" ? `${fmt.int(cut.amount)} records` : `≥ ${fmt.number(cut.amount)}`);
  const side = (cuts) => { const all = [...new Set(Object.values(cuts).map(amount))]; return all.length === 1 ? all[0] : all.join(" / "); };
  return `${side(spec.question)} × ${side(spec.answer)}${spec.per_type ? " per type" : ""}${spec.per_image ? `, ${spec.per_image} an image` : ""}`;
}

const titleOf = (name) => (name === WORKING ? "the cuts as they stand" : `“${name}”`);

async function compare(left, right) {
  let answer;
  try { answer = await api.get("/api/selections/compare", { dataset: desk.id, left, right }); } catch (error) { return tell(error); }
  const whole = answer.rows.at(-1);
  const examples = (side, name, count) => (count ? el("section", { class: "stack tight" }, el("h3", { text: `Only in ${titleOf(name)}: ${fmt.ofN(count, whole.of)}` }), el("div", { class: "compare-cards" }, answer.examples[side].map((record) => card(record, { bare: true }).node))) : null);
  const dialog = el("dialog", { class: "sheet modal compare-sheet", "aria-label": "Compare two selections", on: { close: () => dialog.remove(), click: (event) => { if (event.target === dialog) dialog.close(); } } },
    el("div", { class: "row apart nowrap" }, el("h2", { text: `Compare ${titleOf(left)} with ${titleOf(right)}` }), el("button", { class: "icon-btn", "aria-label": "Close", on: { click: () => dialog.close() } }, icon("close"))),
    el("table", { class: "table" },
      el("thead", {}, el("tr", {}, el("th", {}), ["Kept in both", `Only in ${titleOf(left)}`, `Only in ${titleOf(right)}`, "In neither", "Records"].map((text) => el("th", { class: "n", text })))),
      el("tbody", {}, answer.rows.map((r) => el("tr", { class: r.group === "all" ? "strong" : "" }, el("td", {}, r.label), ["both", "left", "right", "neither", "of"].map((name) => el("td", { class: "n", text: fmt.int(r[name]) })))))),
    examples("left", left, whole.left), examples("right", right, whole.right));
  document.body.append(dialog);
  dialog.showModal();
}
