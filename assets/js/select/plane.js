// Many points on a canvas: zoom, move, point at one, outline a region. Drawn by hand because the chart library's fast points need eval, which the page forbids.
import { el } from "../studio.js";

const REACH = 9; // px: how near the pointer must be to a point
const NEAREST_CORNER = 4; // px between corners of a lasso
const CLICK = 4; // px: a shorter drag is a click
const MOST_ZOOM = 400;

/** A box that holds all points, a little wider: {cx, cy, width, height} in their own units. */
export function extentOf({ n, x, y }) {
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < n; i++) { x0 = Math.min(x0, x[i]); x1 = Math.max(x1, x[i]); y0 = Math.min(y0, y[i]); y1 = Math.max(y1, y[i]); }
  if (!n) return { cx: 0, cy: 0, width: 2, height: 2 };
  return { cx: (x0 + x1) / 2, cy: (y0 + y1) / 2, width: Math.max(1e-6, (x1 - x0) * 1.08), height: Math.max(1e-6, (y1 - y0) * 1.08) };
}

/** An index to find the point nearest to a place: nearest(px, py, reach) → place or −1, in the points' own units. */
export function indexOf({ n, x, y }, { cx, cy, width, height }) {
  const side = Math.max(1, Math.min(256, Math.round(Math.sqrt(n / 4)))), cells = new Map();
  const column = (value) => Math.floor(((value - cx) / width + 0.5) * side), line = (value) => Math.floor(((value - cy) / height + 0.5) * side);
  for (let i = 0; i < n; i++) { const key = column(x[i]) * 1000 + line(y[i]); if (!cells.has(key)) cells.set(key, []); cells.get(key).push(i); }
  return (px, py, reach) => {
    let best = -1, found = reach * reach;
    const a1 = Math.min(side, column(px + reach)), b1 = Math.min(side, line(py + reach));
    for (let a = Math.max(0, column(px - reach)); a <= a1; a++) for (let b = Math.max(0, line(py - reach)); b <= b1; b++)
      for (const i of cells.get(a * 1000 + b) ?? []) { const d = (x[i] - px) ** 2 + (y[i] - py) ** 2; if (d <= found) { found = d; best = i; } }
    return best;
  };
}

/**
 * → {node, show({points, layers, labels, outline, ink, paper, accent}), set mode, fit(), stop()}. points: {n, x, y} · layers: [{places, colour, size, opacity, hollow}], drawn in order ·
 * labels: [{x, y, text}] · outline: [[x, y], …] or null. Tells hover(place or −1), click(place), outlined(corners or null).
 */
export function plane({ label, hover = () => {}, click = () => {}, outlined = () => {} }) {
  const canvas = el("canvas", { tabIndex: 0, role: "img", "aria-label": `${label}. Plus and minus zoom, arrows move, 0 shows all.` }), over = el("canvas", { class: "plane-over" });
  const node = el("div", { class: "plane" }, canvas, over);
  let now = null, view = null, whole = null, nearest = null, mode = "lasso", drag = null, pointed = -1, frame = 0, outline = null;
  const toX = (x) => (x - view.cx) * view.k + node.clientWidth / 2, toY = (y) => node.clientHeight / 2 - (y - view.cy) * view.k;
  const fromX = (px) => (px - node.clientWidth / 2) / view.k + view.cx, fromY = (py) => (node.clientHeight / 2 - py) / view.k + view.cy;
  const least = () => Math.min(node.clientWidth / whole.width, node.clientHeight / whole.height);

  function fit() {
    view = { cx: whole.cx, cy: whole.cy, k: least() };
    soon();
  }
  function show(next) {
    if (next.points !== now?.points) { whole = extentOf(next.points); nearest = indexOf(next.points, whole); view = null; }
    now = next;
    outline = next.outline ?? null;
    soon();
  }
  const soon = () => { frame ||= requestAnimationFrame(() => { frame = 0; draw(); }); };

  function sized(target) {
    const ratio = devicePixelRatio || 1, w = Math.round(node.clientWidth * ratio), h = Math.round(node.clientHeight * ratio);
    if (target.width !== w || target.height !== h) { target.width = w; target.height = h; }
    const context = target.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, node.clientWidth, node.clientHeight);
    return context;
  }
  function draw() {
    if (!now || !node.clientWidth) return;
    if (!view) view = { cx: whole.cx, cy: whole.cy, k: least() };
    const context = sized(canvas), { x, y } = now.points, zoom = Math.min(2.2, Math.sqrt(view.k / least()));
    for (const { places, colour, size, opacity = 1, hollow = false } of now.layers) {
      const d = size * Math.max(1, zoom), r = d / 2;
      Object.assign(context, { fillStyle: colour, strokeStyle: colour, globalAlpha: opacity, lineWidth: 1 });
      if (d < 4.5) { for (const i of places) context.fillRect(toX(x[i]) - r, toY(y[i]) - r, d, d); continue; }
      for (const i of places) { // each its own, so that faint ones add up where they crowd
        context.beginPath();
        context.arc(toX(x[i]), toY(y[i]), r, 0, 2 * Math.PI);
        hollow ? context.stroke() : context.fill();
      }
    }
    context.globalAlpha = 1;
    drawOver();
  }
  function drawOver() {
    if (!now || !view) return;
    const context = sized(over), { ink, paper, accent } = now;
    const corners = drag?.corners ?? outline?.map(([x, y]) => [toX(x), toY(y)]);
    if (corners?.length > 1) {
      context.beginPath();
      corners.forEach(([px, py], i) => (i ? context.lineTo(px, py) : context.moveTo(px, py)));
      context.closePath();
      Object.assign(context, { strokeStyle: accent, fillStyle: accent, lineWidth: 1.5, globalAlpha: 0.09 });
      context.fill();
      context.globalAlpha = 1;
      context.stroke();
    }
    context.font = "600 11.5px Inter, ui-sans-serif, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    const taken = [];
    for (const { x, y, text } of now.labels ?? []) {
      const px = toX(x), py = toY(y), w = context.measureText(text).width / 2 + 5;
      if (px < 0 || py < 0 || px > node.clientWidth || py > node.clientHeight || taken.some((other) => Math.abs(other.px - px) < other.w + w && Math.abs(other.py - py) < 18)) continue; // no name over another
      taken.push({ px, py, w });
      Object.assign(context, { strokeStyle: paper, fillStyle: ink, lineWidth: 4, lineJoin: "round" });
      context.strokeText(text, px, py);
      context.fillText(text, px, py);
    }
    if (pointed >= 0) {
      Object.assign(context, { strokeStyle: ink, lineWidth: 2 });
      context.beginPath();
      context.arc(toX(now.points.x[pointed]), toY(now.points.y[pointed]), 7, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  // --- pointer
  const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const point = (px, py) => nearest(fromX(px), fromY(py), REACH / view.k);
  canvas.addEventListener("pointerdown", (event) => {
    if (!view || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    const start = at(event);
    drag = { start, last: start, corners: mode === "pan" || event.shiftKey ? null : [start], pan: mode === "pan" || event.shiftKey, from: { ...view } };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!view) return;
    const [px, py] = at(event);
    if (!drag) {
      const next = point(px, py);
      canvas.style.cursor = next >= 0 ? "pointer" : mode === "pan" ? "grab" : "crosshair";
      if (next !== pointed) { pointed = next; drawOver(); hover(next); }
      return;
    }
    drag.last = [px, py];
    if (drag.pan) { view = { ...view, cx: drag.from.cx - (px - drag.start[0]) / view.k, cy: drag.from.cy + (py - drag.start[1]) / view.k }; soon(); return; }
    if (mode === "box") { const [ax, ay] = drag.start; drag.corners = [[ax, ay], [px, ay], [px, py], [ax, py]]; } else {
      const [lx, ly] = drag.corners.at(-1);
      if (Math.hypot(px - lx, py - ly) >= NEAREST_CORNER) drag.corners.push([px, py]);
    }
    drawOver();
  });
  const end = (event) => {
    if (!drag) return;
    const { start, last, corners, pan } = drag, far = corners?.some(([px, py]) => Math.hypot(px - start[0], py - start[1]) > CLICK) || Math.hypot(last[0] - start[0], last[1] - start[1]) > CLICK;
    drag = null;
    if (event.type === "pointercancel") { drawOver(); return; }
    if (!far) {
      const hit = point(...start);
      if (hit >= 0) click(hit); else if (outline) { outline = null; outlined(null); }
    } else if (!pan && corners.length >= 3) {
      outline = corners.map(([px, py]) => [fromX(px), fromY(py)]);
      outlined(outline);
    }
    drawOver();
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => { if (!drag && pointed >= 0) { pointed = -1; drawOver(); hover(-1); } });
  canvas.addEventListener("dblclick", () => fit());
  const zoomAt = (px, py, factor) => {
    const k = Math.max(least() * 0.8, Math.min(least() * MOST_ZOOM, view.k * factor)), x = fromX(px), y = fromY(py);
    view = { k, cx: x - (px - node.clientWidth / 2) / k, cy: y - (node.clientHeight / 2 - py) / k };
    soon();
  };
  canvas.addEventListener("wheel", (event) => { if (!view) return; event.preventDefault(); zoomAt(...at(event), Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016))); }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (!view || event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = [node.clientWidth / 2, node.clientHeight / 2], step = 40 / view.k;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (event.key in moves) { view = { ...view, cx: view.cx + moves[event.key][0], cy: view.cy + moves[event.key][1] }; soon(); } else if (["+", "="].includes(event.key)) zoomAt(...middle, 1.3); else if (["-", "_"].includes(event.key)) zoomAt(...middle, 1 / 1.3);
    else if (event.key === "0") fit(); else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const watch = new ResizeObserver(() => soon());
  watch.observe(node);
  return { node, show, fit, set mode(value) { mode = value; }, /** Where a point stands on the page, for tests and tooltips. */ placeOf: (i) => { const box = canvas.getBoundingClientRect(); return [box.left + toX(now.points.x[i]), box.top + toY(now.points.y[i])]; }, stop: () => { watch.disconnect(); cancelAnimationFrame(frame); } };
}
