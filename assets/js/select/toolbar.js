// The line above the canvas: per type or together, presets, the cap per image, undo and redo, stored selections.
import { el, fill, icon, tell, api, fmt } from "../studio.js";
import { TYPES } from "./cascade.js";
import { desk, heard, replaceSpec, setProblem, setSpec, step } from "./desk.js";
import { popover } from "./popover.js";
import { saved } from "./saved.js";
import { perType, same, together } from "./spec.js";

/** Fill a node with the toolbar. Returns a way to stop. */
export function toolbar(node) {
  const grouping = el("div", { class: "seg", role: "group", "aria-label": "Cuts" },
    el("button", { type: "button", data: { value: "type" }, title: "One cut for each instruction type", text: "Per type", on: { click: () => setSpec(perType(desk.spec, passedByType()), { now: true }) } }),
    el("button", { type: "button", data: { value: "all" }, title: "One cut for all types together", text: "Together", on: { click: () => setSpec(together(desk.spec, desk.live.result.lines), { now: true }) } }));
  const presets = el("div", { class: "row nowrap presets" });
  const cap = el("input", { class: "input num cap-field", type: "text", inputmode: "numeric", autocomplete: "off", placeholder: "any number", "aria-label": "At most this many records per image" });
  const capProblem = el("span", { class: "cut-problem cap-problem", role: "alert", hidden: true });
  const undo = el("button", { class: "btn small", on: { click: () => step("undo") } }, icon("left"), "Undo");
  const redo = el("button", { class: "btn small", on: { click: () => step("redo") } }, "Redo", icon("right"));
  const past = history();
  const named = saved();
  fill(node, el("div", { class: "bar-line" }, grouping, presets,
    el("label", { class: "cap" }, el("span", { text: "Per image at most" }), cap), capProblem, el("span", { class: "grow" }),
    el("div", { class: "row nowrap" }, undo, redo, past.node), named.node));

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
    for (const button of presets.children) {
      const preset = desk.info.presets.find((p) => p.id === button.dataset.preset);
      button.setAttribute("aria-pressed", String(Boolean(preset) && sameCuts(preset.spec, desk.spec)));
    }
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
  const build = () => {
    if (!desk.loaded) return;
    fill(presets, desk.info.presets.map((preset) => el("button", { class: "btn small preset", data: { preset: preset.id }, title: preset.note, text: preset.label,
      on: { click: () => replaceSpec({ ...preset.spec, per_image: desk.spec.per_image, question_key: desk.spec.question_key, answer_key: desk.spec.answer_key }, `Cuts set to ${preset.label}`) } })));
    draw();
  };
  build();
  const stops = [heard("load", build), heard("live", draw), heard("decided", draw), heard("problem", drawProblem), named.stop, past.stop];
  return () => stops.forEach((f) => f());
}

const sameCuts = (a, b) => same([a.per_type, a.question, a.answer], [b.per_type, b.question, b.answer]);

function passedByType() {
  return Object.fromEntries(TYPES.map((type) => [type, desk.live.funnel.find((row) => row.group === type)]));
}

const KINDS = { undo: "Undo", redo: "Redo" };

function history() {
  const pop = popover("History", "What was done by hand", async (body) => {
    let answer;
    try { answer = await api.get("/api/selections/history", { dataset: desk.id }); } catch (error) { return tell(error); }
    fill(body, el("h3", { text: "Done by hand" }),
      answer.actions.length ? el("ol", { class: "history" }, answer.actions.map((action) => el("li", { class: action.undone ? "undone" : "", data: { kind: action.kind } },
        el("div", { class: "grow" }, el("p", { class: "record-text history-text", text: `${KINDS[action.kind] ? `${KINDS[action.kind]}: ` : ""}${action.detail.replace(/^(undo|redo): /, "")}` }), el("p", { class: "quiet small-text", text: [fmt.when(action.created_at), action.author, action.undone ? "undone" : ""].filter(Boolean).join(" · ") })),
        action.kind === "decision" && !action.undone ? el("button", { class: "btn small plain", text: "Undo", "aria-label": `Undo: ${action.detail}`, on: { click: () => step("undo", action.id) } }) : null)))
        : el("p", { class: "quiet", text: "Nothing yet. Keep (K) or drop (D) a record below; each step stands here and can be undone." }),
      answer.total > answer.actions.length ? el("p", { class: "quiet small-text", text: `The latest ${fmt.ofN(answer.actions.length, answer.total)} steps.` }) : null);
  });
  const stop = heard("decided", pop.again);
  return { node: pop.node, stop: () => { stop(); pop.stop(); } };
}
