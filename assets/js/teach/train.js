// Room of the Teach tab.
import { empty, fill } from "../studio.js";

export const room = { id: "train", title: "Train", hint: "Teach a scorer from the ratings.", mount };

function mount(node) {
  return { open: () => fill(node, empty({ title: "Train" })) };
}
