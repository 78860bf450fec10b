// Room of the Teach tab.
import { empty, fill } from "../studio.js";

export const room = { id: "exchange", title: "In and out", hint: "Ratings from files and into files; what your own edits say.", mount };

function mount(node) {
  return { open: () => fill(node, empty({ title: "In and out" })) };
}
