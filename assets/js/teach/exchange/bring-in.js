// The form that brings a preference file in: send it through the browser, or name its path on the machine that runs the studio.
import { api, el, fill, icon, refresh, studio } from "../../studio.js";
import { placeField, submitFiles } from "../../file-places.js";

const place = () => ({ way: "send", file: null, path: "", token: null });
/** What a person has filled in; kept while the page lives. */
const wish = { file: place(), images: place(), own: true, choice: "ask" };

const CHOICES = [["ask", "Ask me"], ["both", "Keep both, their mean counts"], ["first", "What was there first counts"], ["later", "This file counts"]];

/** Draw the form; started() is called when the import is queued. */
export function bringIn(node, { started }) {
  const errors = el("div", { class: "stack tight" });
  const progress = el("div", { class: "stack tight", hidden: true });
  const places = el("div", { class: "stack" });
  const start = el("button", { class: "btn primary wide-btn", type: "submit" }, icon("upload"), "Bring in");

  const take = (files) => {
    for (const file of files) {
      const part = /\.zip$/i.test(file.name) ? wish.images : wish.file;
      Object.assign(part, place(), { file });
    }
    drawPlaces();
  };
  const drawPlaces = () => fill(places,
    placeField({ part: wish.file, title: "Ratings", help: "Rated lists, LLaVA-RLHF, TRL chosen / rejected, or listed answers.", accept: ".json,.jsonl,.gz", drop: "Drop a file, or choose it", pathHint: "/home/you/ratings.jsonl", take, redraw: drawPlaces, changed: () => {} }),
    placeField({ part: wish.images, title: "Images", help: `Optional: those of ${wish.own && studio.dataset ? `“${studio.dataset.name}”` : "no data set"} are looked at first.`, accept: ".zip", drop: "Drop a zip, or choose it", pathHint: "/home/you/coco/train2017", take, redraw: drawPlaces, changed: () => {} }));

  const submit = (event) => submitFiles(event, {
    parts: [wish.file, wish.images], errors, progress, start,
    missing: { message: "no file is named", place: "Ratings", hint: "Choose a JSON or JSONL file, or give its path on this machine." },
    work: async (file, images) => {
      await api.post("/api/rating_exchange/import", { file, images, dataset: wish.own ? studio.dataset?.id ?? null : null, choice: wish.choice });
      Object.assign(wish, { file: place(), images: place() });
      drawPlaces();
      await refresh();
      started();
    },
  });

  drawPlaces();
  const own = el("input", { type: "checkbox", checked: wish.own, on: { change: () => { wish.own = own.checked; drawPlaces(); } } });
  const choice = el("select", { class: "select", value: wish.choice, on: { change: () => { wish.choice = choice.value; } } }, CHOICES.map(([id, label]) => el("option", { value: id, text: label, selected: id === wish.choice })));
  fill(node, el("h2", { text: "Bring ratings in" }),
    el("form", { class: "stack", novalidate: true, on: { submit } }, places,
      el("label", { class: "row nowrap xc-check" }, own, el("span", { class: "small-text" }, "They belong to ", el("b", { text: studio.dataset?.name ?? "the open data set" }))),
      el("label", { class: "field" }, el("span", { text: "Where it contradicts another file" }), el("span", { class: "picker" }, choice, icon("down"))),
      errors, progress, start));
}
