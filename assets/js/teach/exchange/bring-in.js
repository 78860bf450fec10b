// The form that brings a preference file in: send it through the browser, or name its path on the machine that runs the studio.
import { api, el, fill, fmt, icon, problem, refresh, studio, toast } from "../../studio.js";
import { placeField, send } from "../../data-import.js";

const place = () => ({ way: "send", file: null, path: "", token: null });
/** What a person has filled in; kept while the page lives. */
const wish = { file: place(), images: place(), own: true, choice: "ask" };
let sending = null;

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

  async function submit(event) {
    event.preventDefault();
    fill(errors);
    start.disabled = true;
    sending = new AbortController();
    try {
      if (wish.file.way === "send" ? !wish.file.file : !wish.file.path.trim())
        throw Object.assign(new Error("no file is named"), { place: "Ratings", hint: "Choose a JSON or JSONL file, or give its path on this machine." });
      const file = await chosen(wish.file, progress);
      const images = await chosen(wish.images, progress);
      await api.post("/api/rating_exchange/import", { file, images, dataset: wish.own ? studio.dataset?.id ?? null : null, choice: wish.choice });
      Object.assign(wish, { file: place(), images: place() });
      drawPlaces();
      await refresh();
      started();
    } catch (error) {
      for (const part of [wish.file, wish.images]) if (error.status === 404) part.token = null; // swept meanwhile: send it anew
      if (error.name === "AbortError") toast("Sending was stopped; nothing of it was kept.");
      else fill(errors, problem(error));
    } finally {
      sending = null;
      start.disabled = false;
      progress.hidden = true;
    }
  }

  drawPlaces();
  const own = el("input", { type: "checkbox", checked: wish.own, on: { change: () => { wish.own = own.checked; drawPlaces(); } } });
  const choice = el("select", { class: "select", value: wish.choice, on: { change: () => { wish.choice = choice.value; } } }, CHOICES.map(([id, label]) => el("option", { value: id, text: label, selected: id === wish.choice })));
  fill(node, el("h2", { text: "Bring ratings in" }),
    el("form", { class: "stack", novalidate: true, on: { submit } }, places,
      el("label", { class: "row nowrap xc-check" }, own, el("span", { class: "small-text" }, "They belong to ", el("b", { text: studio.dataset?.name ?? "the open data set" }))),
      el("label", { class: "field" }, el("span", { text: "Where it contradicts another file" }), el("span", { class: "picker" }, choice, icon("down"))),
      errors, progress, start));
}

/** Where a file is, as the studio takes it; sent once, also when the first try was refused. */
async function chosen(part, node) {
  if (part.way === "path") return { path: part.path };
  if (!part.file) return {};
  if (!part.token) {
    const facts = el("span", { class: "num small-text quiet" });
    node.hidden = false;
    fill(node, el("div", { class: "row apart nowrap" }, el("span", { class: "clip", text: `Sending ${part.file.name}` }), el("button", { class: "btn small", type: "button", on: { click: () => sending?.abort() } }, icon("stop"), "Stop")), facts);
    part.token = (await send(part.file, { signal: sending.signal, progress: (sent, size, rate) => { facts.textContent = `${fmt.bytes(sent)} of ${fmt.bytes(size)} · ${fmt.bytes(rate)}/s`; } })).token;
  }
  return { upload: part.token };
}
