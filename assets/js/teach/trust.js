// Room of the Teach tab.
import { empty, fill } from "../studio.js";

export const room = { id: "trust", title: "Trust", hint: "How far a scorer can be trusted.", mount };

function mount(node) {
  return { open: () => fill(node, empty({ title: "Trust" })) };
}
