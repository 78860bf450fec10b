// Saved views: a filter and an order under a name, each with how many records it holds now.
import { api, confirm, el, fill, fmt, icon, problem, tell, toast } from "../studio.js";
import { desk } from "./desk.js";
import { nameOf } from "./people.js";
import { popover } from "./popover.js";
import { openQuery, query, sameQuery } from "./query.js";
import { filterWords } from "./bulk.js";

const sameSort = (a, b) => a.by === b.by && a.ascending === b.ascending;

/** The button "Views" with its panel. → {node, open(), stop()} */
export function views() {
  let list = [];
  const pop = popover("Views", "Saved views", async (body) => {
    try { list = (await api.get("/api/record-lists/views", { dataset: desk.id })).views; } catch (error) { return fill(body, problem(error)); }
    draw(body);
  }, { wide: true });

  function draw(body) {
    fill(body, saveForm(body), el("h3", { text: "Saved views" }),
      list.length ? el("ul", { class: "saved-list" }, list.map((view) => row(view, body))) : el("p", { class: "quiet", text: "None yet. Set filters and an order, give them a name, and come back to them with one click." }));
  }

  async function save(name, wish, body) {
    const answer = await api.post("/api/record-lists/views", { dataset: desk.id, name, ...wish });
    list = answer.views;
    if (pop.open) draw(body);
  }

  function saveForm(body) {
    const name = el("input", { class: "input", type: "text", maxLength: 120, placeholder: "Name, for example: doubtful details", "aria-label": "Name of the view", data: { focus: "view" } });
    const wrong = el("p", { class: "cut-problem", role: "alert", hidden: true });
    return el("form", { class: "save-form", on: { submit: async (event) => {
      event.preventDefault();
      const wish = name.value.trim(), there = list.find((view) => view.name === wish);
      if (there && !(await confirm({ title: `Save “${wish}” again?`, text: "The filter and order it holds now are replaced.", action: "Save" }))) return;
      try { await save(wish, { query: query.now, sort: query.sort }, body); toast(`Saved the view “${wish}”.`, { kind: "good" }); } catch (error) {
        wrong.hidden = false;
        wrong.textContent = `${error.message}. ${error.hint ?? ""}`;
        name.setAttribute("aria-invalid", "true");
      }
    } } }, el("h3", { text: "Save what the list shows" }), el("p", { class: "quiet small-text record-text", text: filterWords() }), el("div", { class: "row nowrap" }, name, el("button", { class: "btn primary", text: "Save" })), wrong);
  }

  const row = (view, body) => {
    const here = sameQuery(view.query, query.now) && sameSort(view.sort, query.sort);
    return el("li", { data: { view: view.name } },
      el("div", { class: "grow" }, el("p", { class: "record-text strong", text: view.name }),
        el("p", { class: "quiet small-text num", text: [view.total === null ? "asks for a column that is not here" : fmt.plural(view.total, "record"), nameOf(view.author) === "somebody" ? "" : view.author, fmt.when(view.created_at)].filter(Boolean).join(" · ") })),
      el("button", { class: "btn small", disabled: here, text: here ? "Open" : "Open", "aria-label": `Open the view ${view.name}`, title: here ? "This view is open" : "", on: { click: () => { pop.show(false); openQuery(view.query, view.sort); } } }),
      el("button", { class: "icon-btn", "aria-label": `Delete the view ${view.name}`, title: "Delete", on: { click: async () => {
        try {
          const answer = await api.delete("/api/record-lists/views", { dataset: desk.id, name: view.name });
          list = answer.views;
          draw(body);
          toast(`Deleted the view “${view.name}”.`, { action: { label: "Undo", run: () => save(view.name, { query: answer.deleted.query, sort: answer.deleted.sort }, body).catch(tell) }, seconds: 10 });
        } catch (error) { tell(error); }
      } } }, icon("trash")));
  };
  return { node: pop.node, open: () => { pop.show(true); setTimeout(() => pop.node.querySelector("[data-focus=view]")?.focus(), 150); }, stop: pop.stop };
}
