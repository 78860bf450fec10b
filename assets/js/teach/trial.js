// Room of the Teach tab.
import { empty, fill } from "../studio.js";

export const room = { id: "trial", title: "Try a scorer", hint: "What a taught scorer would change, before you adopt it.", mount };

function mount(node) {
  return { open: () => fill(node, empty({ title: "Try a scorer" })) };
}
