// Layer by expert heat maps of one metric, a panel a projection, one colour scale for all panels.
import {data, grid, projections, outliers, label} from "./data.js";
import {base, css, isDark, Plot, scale} from "./colour.js";
import {limits, show, some, sortedFinite} from "./format.js";

/* Every cell of the grid, the missing ones too: {x, y, i, value}. */
function cellsOf(g, values) {
  const cells = [];
  for (let y = 0; y < g.layers.length; y++)
    for (let x = 0; x < g.columns; x++) {
      const i = g.cells.get(y * g.columns + x);
      cells.push({x, y, i, value: i === undefined ? null : values[i]});
    }
  return cells;
}

const ticks = (n, most) => some(Array.from({length: n}, (_, k) => k), most);

function hatch() {
  const pattern = document.createElementNS("http://www.w3.org/2000/svg", "pattern");
  pattern.id = "missing";
  for (const [k, v] of Object.entries({width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)"})) pattern.setAttribute(k, v);
  pattern.innerHTML = `<rect width="5" height="5" fill="${css("--bg")}"/><line x1="0" y1="0" x2="0" y2="5" stroke="${css("--hatch")}" stroke-width="1.5"/>`;
  return pattern;
}

function panel(g, metric, color, width, onPick) {
  const cells = cellsOf(g, metric.values);
  const outlying = new Set(outliers(metric.values, g.members));
  const flat = g.layers.length < 3; // no room for a word along the axis
  const left = flat ? 56 : 34, right = 8, inner = width - left - right;
  const size = Math.max(Math.min(inner / g.columns, 26), 0.5);
  const high = Math.max(Math.min(size, 26), Math.min(8, 420 / g.layers.length));
  const gap = size > 6 ? 0.5 : 0;
  const box = {x1: (d) => d.x, x2: (d) => d.x + 1, y1: (d) => d.y, y2: (d) => d.y + 1};
  const present = cells.filter((d) => d.value !== null), absent = cells.filter((d) => d.value === null);
  const experts = ticks(g.nRouted, Math.max(3, inner / 42));
  const sharedName = (g.columns - experts.at(-1) - 0.5) * size + right > 50 ? "shared" : "s";
  const large = cells.length > 6000; // thousands of rectangles are slow to move about: one picture instead
  const svg = Plot.plot({
    ...base(),
    width: left + right + size * g.columns,
    height: high * g.layers.length + 34 + 6,
    marginLeft: left, marginRight: right, marginTop: 6, marginBottom: 34,
    x: {domain: [0, g.columns], axis: null}, y: {domain: [g.layers.length, 0], axis: null},
    color,
    marks: [
      large
        ? Plot.raster(cells, {
            width: g.columns, height: g.layers.length, x1: 0, x2: g.columns, y1: 0, y2: g.layers.length,
            x: (d) => d.x + 0.5, y: (d) => d.y + 0.5, fill: "value", imageRendering: "pixelated", interpolate: "none",
          })
        : Plot.rect(present, {...box, fill: "value", inset: gap, shapeRendering: "crispEdges"}),
      Plot.rect(absent.slice(0, 6000), {...box, fill: "url(#missing)", inset: gap}),
      Plot.rect(present.filter((d) => outlying.has(d.i)), {...box, stroke: css("--out"), strokeWidth: size > 8 ? 2 : 1, fill: "none", inset: gap}),
      Plot.text(ticks(g.layers.length, 16), {x: 0, y: (k) => k + 0.5, text: (k) => (flat ? "layer " : "") + (g.layers[k] < 0 ? "?" : String(g.layers[k])), textAnchor: "end", dx: -5, fill: css("--mute")}),
      Plot.text(experts, {x: (k) => k + 0.5, y: g.layers.length, text: String, dy: 11, fill: css("--mute")}),
      g.hasShared ? Plot.text([sharedName], {x: g.columns, y: g.layers.length, text: String, textAnchor: "end", dx: right, dy: 11, fill: css("--mute")}) : null,
      Plot.text(["expert"], {frameAnchor: "bottom", dy: 28, fill: css("--mute")}),
      flat ? null : Plot.text(["layer"], {frameAnchor: "left", rotate: -90, dx: -26, fill: css("--mute")}),
      Plot.tip(present, Plot.pointer({
        x: (d) => d.x + 0.5, y: (d) => d.y + 0.5, maxRadius: 40, fill: css("--bg"), stroke: css("--line"), fontSize: 13,
        title: (d) => `${label(d.i)}\n${metric.label} ${show(d.value, metric.unit)}${outlying.has(d.i) ? "\noutlier of its panel" : ""}`,
      })),
    ],
  });
  svg.append(hatch());
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${metric.label} of ${g.proj}, ${g.layers.length} layers by ${g.columns} experts`);
  svg.addEventListener("click", () => svg.value && onPick(svg.value.i));
  return svg;
}

/* The colour bar: the metric, the colours, both ends and the middle; "≤" and "≥" where values lie beyond. */
function legend(color, metric, low, high) {
  const [first, last] = color.domain, width = 280, top = 22, {apply} = Plot.scale({color});
  const at = (k) => first + (last - first) * k;
  const stops = Array.from({length: 33}, (_, k) => `<stop offset="${k / 32}" stop-color="${apply(at(k / 32))}"/>`).join("");
  const label = (k, anchor, beyond = "") => `<text x="${k * width}" y="${top + 24}" text-anchor="${anchor}">${beyond}${show(at(k), metric.unit)}</text>`;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [k, v] of Object.entries({width, height: top + 30, viewBox: `0 0 ${width} ${top + 30}`, class: "bar", role: "img"})) svg.setAttribute(k, v);
  svg.innerHTML = `<defs><linearGradient id="colours">${stops}</linearGradient></defs><rect y="${top}" width="${width}" height="9" fill="url(#colours)"/>` +
    label(0, "start", low < first ? "\u2264\u202f" : "") + label(0.5, "middle") + label(1, "end", high > last ? "\u2265\u202f" : "");
  const name = document.createElementNS("http://www.w3.org/2000/svg", "text");
  name.setAttribute("y", 12);
  name.textContent = metric.label;
  svg.append(name);
  svg.setAttribute("aria-label", `colours of ${metric.label}, from ${show(first, metric.unit)} to ${show(last, metric.unit)}`);
  return svg;
}

export function heatmaps(holder, metric, onPick) {
  const grids = projections.map(grid);
  const wide = grids.some((g) => g.columns > 40);
  const panels = document.createElement("div");
  panels.className = wide ? "panels wide" : "panels";
  holder.replaceChildren(panels);
  const [low, high] = limits(metric.values);
  const color = {...scale(low, high, metric.signed, metric.label), clamp: true};
  const inRow = wide ? 1 : Math.max(1, Math.min(grids.length, Math.floor((holder.clientWidth + 22) / (320 + 22))));
  const width = Math.max(240, (holder.clientWidth - 22 * (inRow - 1)) / inRow);
  for (const g of grids) {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    caption.textContent = g.proj;
    figure.append(caption, panel(g, metric, color, width, onPick));
    panels.append(figure);
  }
  const all = sortedFinite(metric.values), bar = document.createElement("figure");
  bar.append(legend(color, metric, all[0], all.at(-1)));
  if (all[0] < color.domain[0] || all.at(-1) > color.domain[1]) {
    const note = document.createElement("figcaption");
    note.textContent = `The colours end where few values are left; all of them run from ${show(all[0], metric.unit)} to ${show(all.at(-1), metric.unit)}.`;
    bar.append(note);
  }
  holder.append(bar);
}
