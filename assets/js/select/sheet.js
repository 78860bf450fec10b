// A large dialog over the page, for tools that need room: a head with a title, a body, and a foot with what can be done.
import { el, fill, icon } from "../studio.js";

/**
 * Open a sheet. `lead` says in a sentence what it is for; `closed` is called once it is gone.
 * → {node, body, foot, close(), alive()}: fill body and foot; alive() is false after it was closed.
 */
export function openSheet(title, { lead = "", name = "", closed = () => {} } = {}) {
  const body = el("div", { class: "tool-body", tabIndex: -1, autofocus: true }), foot = el("div", { class: "tool-foot", hidden: true });
  const heading = el("h2", { text: title });
  const node = el("dialog", { class: `sheet modal tool-sheet ${name}`, "aria-label": title, on: { close: () => { node.remove(); closed(); }, pointerdown: (event) => { if (event.target === node) node.close(); } } },
    el("div", { class: "tool-head" }, el("div", { class: "grow" }, heading, lead ? el("p", { class: "quiet", text: lead }) : null), el("button", { type: "button", class: "icon-btn", "aria-label": "Close", on: { click: () => node.close() } }, icon("close"))),
    body, foot);
  document.body.append(node);
  node.showModal();
  return {
    node, body, close: () => node.close(), alive: () => node.isConnected,
    title: (text) => { heading.textContent = text; node.setAttribute("aria-label", text); },
    foot: (...children) => { fill(foot, ...children); foot.hidden = foot.childElementCount === 0; },
  };
}

/** A choice of one: options [[value, text], …], the one in use, and what hears of another. */
export function picker(options, value, changed, props = {}) {
  return el("div", { class: "picker" }, el("select", { class: "select", ...props, on: { change: (event) => changed(event.target.value) } }, options.map(([id, text]) => el("option", { value: id, text, selected: id === value }))), icon("down"));
}

/** Answers that come late: only the one to the last question is taken. ask(f) runs f; then(answer) or failed(error) hears of it. */
export function latest() {
  let turn = 0;
  return async (ask, then, failed) => {
    const mine = ++turn;
    try {
      const answer = await ask();
      if (mine === turn) then(answer);
    } catch (error) {
      if (mine === turn) failed(error);
    }
  };
}

/** Buttons of which one is pressed: choices [[value, label, title], …]. → {node, value, set(value)} */
export function segments(label, choices, value, changed) {
  const buttons = choices.map(([id, text, title = ""]) => el("button", { type: "button", data: { value: id }, title, text, on: { click: () => { set(id); changed(id); } } }));
  const node = el("div", { class: "seg", role: "group", "aria-label": label }, buttons);
  const made = { node, value, set };
  function set(next) {
    made.value = next;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.value === String(next)));
  }
  set(value);
  return made;
}

/** A whole number typed by a person, 1 to a thousand million: → {value} (null where the field is empty), or {problem}. */
export function readWhole(text) {
  const typed = text.trim(), bare = /^\d{1,3}([\s,._']\d{3})+$/.test(typed) ? typed.replace(/\D/g, "") : typed; // 14,000 and 14.000, but not 1.5
  if (bare === "") return { value: null };
  const value = Number(bare);
  if (!/^\d+$/.test(bare) || value < 1 || value > 1e9) return { problem: `“${text.trim().slice(0, 30)}” is no whole number of 1 or more` };
  return { value };
}
