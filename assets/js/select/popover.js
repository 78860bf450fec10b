// A button with a panel below it.
import { el, icon } from "../studio.js";

/** A button that shows or hides a panel below it; closes on Escape and on a click elsewhere. `label` may be a node. left: the panel hangs from the button's left edge. */
export function popover(label, title, fillIt, { wide = false, left = false, plain = false } = {}) {
  const body = el("div", { class: `popover ${wide ? "wide" : ""} ${left ? "from-left" : ""}`, hidden: true, role: "dialog", "aria-label": title });
  const button = el("button", { type: "button", class: `btn small ${plain ? "plain" : ""}`, "aria-haspopup": "dialog", "aria-expanded": "false", on: { click: () => show(body.hidden) } }, label, icon("down"));
  const node = el("div", { class: "pop-anchor" }, button, body);
  const show = (open) => {
    body.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    if (open) fillIt(body);
  };
  const outside = (event) => { if (!body.hidden && event.target.isConnected && !node.contains(event.target) && !event.target.closest("dialog, .toasts")) show(false); };
  const escape = (event) => { if (event.key === "Escape" && !body.hidden && !event.defaultPrevented && !document.querySelector("dialog[open]")) { show(false); button.focus(); } };
  document.addEventListener("click", outside);
  document.addEventListener("keydown", escape);
  return { node, button, show, get open() { return !body.hidden; }, again: () => { if (!body.hidden) fillIt(body); }, stop: () => { document.removeEventListener("click", outside); document.removeEventListener("keydown", escape); } };
}
