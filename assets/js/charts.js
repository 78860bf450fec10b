// Plotly in the theme's colours. The library is 4.8 MB from our own disk and comes only when a chart is first drawn.
import { el } from "./dom.js";
import { on } from "./state.js";

let library = null;
export function loadPlotly() {
  library ??= new Promise((resolve, reject) => {
    const script = el("script", {
      src: "/studio/plotly.min.js",
      on: {
        load: () => resolve(window.Plotly),
        error: () => {
          library = null;
          reject(new Error("The chart library did not load."));
        },
      },
    });
    document.head.append(script);
  });
  return library;
}

/** The theme's colours as they are now, by the names of studio.css: {ink, ink2, ink3, line, card, paper, accent, bad, good, warn, types: {conversation, detail, complex}}. */
export function themeColors() {
  const style = getComputedStyle(document.body);
  const read = (name) => style.getPropertyValue(`--a2-${name}`).trim();
  return {
    ink: read("ink"),
    ink2: read("ink-2"),
    ink3: read("ink-3"),
    line: read("line"),
    lineStrong: read("line-strong"),
    card: read("card"),
    paper: read("paper"),
    sunk: read("sunk"),
    accent: read("accent"),
    accentSoft: read("accent-soft"),
    bad: read("bad"),
    good: read("good"),
    warn: read("warn"),
    types: { conversation: read("type-conversation"), detail: read("type-detail"), complex: read("type-complex") },
  };
}

/** Layout that every chart starts from, in the present theme. */
export function themeLayout() {
  const c = themeColors();
  const axis = {
    gridcolor: c.line,
    linecolor: c.lineStrong,
    zerolinecolor: c.lineStrong,
    tickcolor: c.lineStrong,
    tickfont: { color: c.ink3, size: 11 },
    title: { font: { color: c.ink2, size: 12 } },
    automargin: true,
  };
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    colorway: [c.accent, c.types.detail, c.types.complex, c.ink3],
    font: { family: "Inter, ui-sans-serif, system-ui, sans-serif", size: 12, color: c.ink2 },
    margin: { l: 44, r: 12, t: 12, b: 36 },
    xaxis: axis,
    yaxis: axis,
    bargap: 0.04,
    hovermode: "x unified",
    hoverlabel: { bgcolor: c.card, bordercolor: c.lineStrong, font: { color: c.ink, size: 12 } },
    legend: { orientation: "h", x: 0, y: 1.08, font: { color: c.ink2, size: 12 } },
    showlegend: false,
  };
}

const merged = (a, b) => {
  const out = { ...a };
  for (const [key, value] of Object.entries(b ?? {}))
    out[key] = value && typeof value === "object" && !Array.isArray(value) ? merged(out[key] ?? {}, value) : value;
  return out;
};

const drawn = new Map();

/** Draw or update a chart. `make(colors)` gives {data, layout} and is called again when the theme changes, so colours come from it. */
export async function chart(node, make, config = {}) {
  const Plotly = await loadPlotly();
  drawn.set(node, { make, config });
  const { data, layout } = make(themeColors());
  for (const [other] of drawn)
    if (!other.isConnected && other !== node) {
      drawn.delete(other);
      Plotly.purge(other);
    }
  const base = themeLayout();
  for (const key of Object.keys(layout ?? {})) if (/^[xy]axis\d+$/.test(key)) base[key] = base[key[0] + "axis"];
  await Plotly.react(node, data, merged(base, layout), { displayModeBar: false, responsive: true, ...config });
  return Plotly;
}

on("theme", () => {
  for (const [node, { make, config }] of [...drawn]) if (node.isConnected) chart(node, make, config);
});
