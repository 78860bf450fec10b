// The line above the canvas: per type or together, presets, the cap per image, undo and redo, stored selections, a link to what is on the page.
import { el, fill, icon, toast } from "../studio.js";
import { TYPES } from "./cube.js";
import { desk, heard, replaceSpec, setProblem, setSpec, step } from "./desk.js";
import { popover } from "./popover.js";
import { saved } from "./saved.js";
import { perType, same, together } from "./spec.js";

/** Fill a node with the toolbar. Returns a way to stop. */
export function toolbar(node) {
  const grouping = el("div", { class: "seg", role: "group", "aria-label": "Cuts" },
    el("button", { type: "button", data: { value: "type" }, title: "One cut for each instruction type", text: "Per type", on: { click: () => setSpec(perType(desk.spec, passedByType()), { now: true }) } }),
    el("button", { type: "button", data: { value: "all" }, title: "One cut for all types together", text: "Together", on: { click: () => setSpec(together(desk.spec, desk.live.lines), { now: true }) } }));
  const cap = el("input", { class: "input num cap-field", type: "text", inputmode: "numeric", autocomplete: "off", placeholder: "any", "aria-label": "At most this many records per image" });
  const capProblem = el("span", { class: "cut-problem cap-problem", role: "alert", hidden: true });
  const undo = el("button", { class: "btn small", on: { click: () => step("undo") } }, icon("left"), "Undo");
  const redo = el("button", { class: "btn small", on: { click: () => step("redo") } }, "Redo", icon("right"));
  const link = el("button", { class: "btn small", "aria-label": "Copy link", title: "Copy an address that shows the cuts, filters and record as they stand here", on: { click: copyLink } }, icon("copy"), "Link");
  const named = saved(), ready = presets();
  fill(node, el("div", { class: "bar-line" }, grouping, ready.node,
    el("label", { class: "cap", title: "At most so many records of one image; empty: any number" }, el("span", { text: "Per image ≤" }), cap), capProblem, el("span", { class: "grow" }),
    el("div", { class: "row nowrap" }, undo, redo), named.node, link));

  const takeCap = () => {
    const text = cap.value.trim();
    const value = text === "" ? null : Number(text);
    if (value !== null && (!Number.isInteger(value) || value < 1 || value > 1e9)) {
      return setProblem({ place: "per_image", message: `“${text.slice(0, 30)}” is no cap per image`, hint: "Use a whole number of 1 or more, or leave it empty. Nothing was changed." });
    }
    setProblem(null);
    if (value !== desk.spec.per_image) setSpec({ ...desk.spec, per_image: value }, { now: true });
  };
  cap.addEventListener("change", takeCap);
  cap.addEventListener("keydown", (event) => {
    if (event.key === "Enter") takeCap();
    if (event.key === "Escape") { setProblem(null); cap.value = desk.spec.per_image ?? ""; cap.blur(); }
  });

  const draw = () => {
    if (!desk.loaded) return;
    grouping.children[0].setAttribute("aria-pressed", String(desk.spec.per_type));
    grouping.children[1].setAttribute("aria-pressed", String(!desk.spec.per_type));
    ready.draw();
    if (document.activeElement !== cap) cap.value = desk.spec.per_image ?? "";
    for (const [button, name, word] of [[undo, "undo", "Undo"], [redo, "redo", "Redo"]]) {
      button.disabled = desk[name] === null;
      button.title = desk[name] === null ? `Nothing to ${name}` : `${word}: ${desk[name]} (${name === "undo" ? "U" : "R"})`;
    }
    drawProblem();
  };
  const drawProblem = () => {
    const mine = desk.problem?.place === "per_image" ? desk.problem : null;
    cap.setAttribute("aria-invalid", String(Boolean(mine)));
    capProblem.hidden = !mine;
    capProblem.textContent = mine ? `${mine.message}. ${mine.hint}` : "";
  };
  draw();
  const stops = [heard("load", draw), heard("live", draw), heard("decided", draw), heard("problem", drawProblem), named.stop, ready.stop];
  return () => stops.forEach((f) => f());
}

const sameCuts = (a, b) => same([a.per_type, a.question, a.answer], [b.per_type, b.question, b.answer]);

/** What the button says of an open preset: the line has room for no more. */
const SHORT = { authors: "0.3 × 0.3", random: "Random", top: "Top score", everything: "Everything" };

/** The button with the presets: what each is and which one is open. */
function presets() {
  const label = el("span", { class: "preset-name" });
  const pop = popover(label, "Presets", (body) => {
    fill(body, desk.info.presets.map((preset) => el("button", { type: "button", class: "menu-item preset", data: { preset: preset.id }, "aria-pressed": String(sameCuts(preset.spec, desk.spec)), "aria-label": preset.label, on: { click: () => use(preset) } },
      icon(sameCuts(preset.spec, desk.spec) ? "check" : "right"), el("span", {}, el("b", { text: preset.label }), el("span", { class: "quiet small-text", text: preset.note })))));
    body.querySelector("button")?.focus();
  }, { wide: true, left: true });
  const use = (preset) => {
    pop.show(false);
    const { question_key, answer_key } = desk.spec;
    replaceSpec({ ...desk.spec, ...preset.spec, per_image: desk.spec.per_image, question_key, answer_key }, `Cuts set to ${preset.label}`);
  };
  const draw = () => {
    const open = desk.info.presets.find((preset) => sameCuts(preset.spec, desk.spec));
    label.textContent = open ? SHORT[open.id] ?? open.label : "Presets";
    pop.button.setAttribute("aria-label", open ? `Presets: ${open.label.split(": ").at(-1)}` : "Presets");
    pop.button.title = open ? open.note : "Ready-made cuts: the authors' cut, as many at random, top score only, everything";
  };
  return { node: pop.node, draw, stop: pop.stop };
}

function passedByType() {
  return Object.fromEntries(TYPES.map((type) => [type, desk.live.funnel.find((row) => row.group === type)]));
}

async function copyLink() {
  const address = location.href;
  try {
    await navigator.clipboard.writeText(address);
    toast("The link is copied.", { kind: "good", hint: "It opens this data set with these cuts, filters and the chosen record." });
  } catch { // no right to the clipboard: the person copies it
    const field = el("input", { class: "input", readOnly: true, value: address, "aria-label": "Link to this page as it stands" });
    const dialog = el("dialog", { class: "sheet modal", "aria-label": "Copy link", on: { close: () => dialog.remove() } }, el("h2", { text: "Copy this link" }), field, el("form", { method: "dialog", class: "row end" }, el("button", { class: "btn", text: "Close" })));
    document.body.append(dialog);
    dialog.showModal();
    field.select();
  }
}
