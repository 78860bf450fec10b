// Room of the Teach tab.
import { empty, fill } from "../studio.js";

export const room = { id: "agreement", title: "Agreement", hint: "How far raters agree, and what they should settle.", mount };

function mount(node) {
  return { open: () => fill(node, empty({ title: "Agreement" })) };
}
