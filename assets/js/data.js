import { el, fill, island } from "./studio.js";
island("data", (node) => fill(node, el("p", { text: "…" })));
