// Effects drawn over what they belong to: words tinted in their text, cells over the photo. Sign by line style too, never by colour alone.
import { el } from "./dom.js";

/** An effect with its sign, fine enough to tell small ones apart. */
export const signed = (effect) => `${effect < 0 ? "−" : "+"}${amount(Math.abs(effect))}`;
export const amount = (value) => (value === null || value === undefined ? "–" : value.toFixed(value < 0.0995 ? 3 : 2));

const FAINT = 0.15;

/** Class and strength (0 to 1) of an effect on a scale; nothing is marked below the noise, and what is faint gets no line. */
function tint(effect, scale, noise) {
  if (effect === null || !scale || Math.abs(effect) <= noise) return { kind: "ex-none", strength: 0 };
  const strength = Math.min(1, Math.abs(effect) / scale);
  return { kind: `${effect < 0 ? "lowers" : "raises"} ${strength < FAINT ? "faint" : ""}`, strength };
}
function told(effect, noise) {
  if (effect === null) return "nothing would be left to score without it";
  if (Math.abs(effect) <= noise) return `${signed(effect)}: within the noise of ±${amount(noise)}`;
  return `${signed(effect)}: ${effect < 0 ? "lowers" : "raises"} the score`;
}

/** Arrow keys move between nodes that share one place in the tab order. `next(index, key)` gives the index to go to, or undefined. */
function rove(nodes, next) {
  nodes.forEach((node, i) => {
    node.tabIndex = i ? -1 : 0;
    node.addEventListener("keydown", (event) => {
      const to = nodes[next(i, event.key)];
      if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)) return;
      event.preventDefault(); // and so kept from the view, where arrows walk the records
      event.stopPropagation();
      if (!to) return;
      nodes.forEach((one) => (one.tabIndex = one === to ? 0 : -1));
      to.focus();
    });
  });
}

/**
 * A text as nodes with its words marked. Offsets count code points. `plain(text)` draws what lies between; `say(line)` hears what is
 * pointed at or focused. Gives [nodes, the word nodes].
 */
export function markedText(text, words, { scale, noise, plain, say }) {
  const points = Array.from(text);
  const piece = (from, to) => points.slice(from, to).join("");
  const nodes = [];
  const marks = [];
  let at = 0;
  for (const word of words) {
    if (word.start > at) nodes.push(plain(piece(at, word.start)));
    const mark = tint(word.effect, scale, noise);
    const line = `“${piece(word.start, word.end)}” ${told(word.effect, noise)}`;
    const node = el("span", {
      class: `ex-word ${mark.kind}`,
      style: { "--strength": mark.strength },
      title: told(word.effect, noise),
      text: piece(word.start, word.end),
      on: { mouseenter: () => say(line), focus: () => say(line) },
    });
    nodes.push(node);
    marks.push(node);
    at = word.end;
  }
  if (at < points.length) nodes.push(plain(piece(at, points.length)));
  return [nodes, marks];
}

/** One place in the tab order for all words of an explanation; left and right walk them. */
export const walkWords = (marks) => rove(marks, (i, key) => i + ({ ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[key] ?? 0));

/** Cells over a photo, which turns grey beneath them. `show(scale)` draws them on a scale, null hides them; `stop()` takes them away. */
export function heat(tile, cells, noise, say) {
  const flat = cells.effects.flat();
  const strongest = [...flat.keys()].filter((i) => flat[i] !== null && Math.abs(flat[i]) > noise).sort((a, b) => Math.abs(flat[b]) - Math.abs(flat[a])).slice(0, 3);
  const nodes = flat.map((effect, i) => {
    const line = `Row ${Math.floor(i / cells.columns) + 1}, column ${(i % cells.columns) + 1} of the picture: ${told(effect, noise)}`;
    return el(
      "div",
      { title: told(effect, noise), role: "img", "aria-label": line, on: { mouseenter: () => say(line), focus: () => say(line) } },
      strongest.includes(i) ? el("b", { class: "num", text: signed(effect) }) : null,
    );
  });
  rove(nodes, (i, key) => {
    const column = i % cells.columns;
    if (key === "ArrowLeft") return column ? i - 1 : undefined;
    if (key === "ArrowRight") return column < cells.columns - 1 ? i + 1 : undefined;
    return i + ({ ArrowUp: -cells.columns, ArrowDown: cells.columns }[key] ?? 0);
  });
  const layer = el("div", { class: "ex-heat", role: "group", "aria-label": `What each of ${cells.rows} × ${cells.columns} cells of the picture adds to the score` }, nodes);
  layer.style.setProperty("grid-template", `repeat(${cells.rows}, 1fr) / repeat(${cells.columns}, 1fr)`);
  const img = tile.querySelector("img");
  const place = () => {
    const { naturalWidth: width, naturalHeight: height } = img;
    if (!width || !height) return;
    const scale = Math.min(tile.clientWidth / width, tile.clientHeight / height);
    const [left, top, right, bottom] = cells.shown;
    const x = (tile.clientWidth - width * scale) / 2;
    const y = (tile.clientHeight - height * scale) / 2;
    Object.assign(layer.style, {
      left: `${x + left * width * scale}px`,
      top: `${y + top * height * scale}px`,
      width: `${(right - left) * width * scale}px`,
      height: `${(bottom - top) * height * scale}px`,
    });
  };
  const watching = new ResizeObserver(place);
  watching.observe(tile);
  img.addEventListener("load", place);
  tile.append(layer);
  place();
  return {
    show(scale) {
      layer.hidden = scale === null;
      tile.classList.toggle("ex-grey", scale !== null);
      nodes.forEach((node, i) => {
        const mark = tint(flat[i], scale, noise);
        node.className = `ex-cell ${mark.kind}`;
        node.style.setProperty("--strength", mark.strength);
      });
    },
    stop() {
      watching.disconnect();
      tile.classList.remove("ex-grey");
      layer.remove();
    },
  };
}
