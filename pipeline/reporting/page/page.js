// Draws the charts of the page in the colours of its theme, anew when the theme changes and for paper.
const figures = JSON.parse(document.getElementById("figures").textContent);

function coloured(value, style) {
  if (typeof value === "string") return /^--[a-z0-9-]+$/.test(value) ? style.getPropertyValue(value).trim() : value;
  if (Array.isArray(value)) return value.map((one) => coloured(one, style));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, coloured(one, style)]));
  return value;
}

function draw() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  for (const node of document.querySelectorAll("[data-figure]")) {
    const { data, layout } = coloured(figures[node.dataset.figure], style);
    const axis = { gridcolor: read("--line"), linecolor: read("--line"), zerolinecolor: read("--line"), tickfont: { color: read("--ink-3"), size: 11 }, automargin: true };
    const base = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 44, r: 8, t: 26, b: 34 }, font: { family: "Inter, system-ui, sans-serif", size: 12, color: read("--ink-2") },
      legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom", traceorder: "normal" }, hoverlabel: { bgcolor: read("--card"), font: { color: read("--ink") } } };
    for (const name of new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((key) => /^[xy]axis/.test(key))])) layout[name] = { ...axis, ...layout[name] };
    Plotly.react(node, data, { ...base, ...layout }, { displayModeBar: false, responsive: true });
  }
}

draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
addEventListener("beforeprint", () => { document.documentElement.classList.add("paper"); draw(); for (const one of document.querySelectorAll("details")) one.open = true; });
addEventListener("afterprint", () => { document.documentElement.classList.remove("paper"); draw(); });
