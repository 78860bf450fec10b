// Room of the Teach tab.
import { empty, fill } from "../studio.js";

export const room = { id: "rate", title: "Rate", hint: "Judge the candidates of one image; the next one is ready.", mount };

function mount(node) {
  return { open: () => fill(node, empty({ title: "Rate" })) };
}
