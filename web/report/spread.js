// How experts spread: a dot for the median, a bar for the middle 90 %, a line for all; and medians by layer.
import {data, grid, indexes, projections} from "./data.js";
import {base, css, Plot} from "./colour.js";
import {limits, percent, quantile, show, some, sortedFinite} from "./format.js";

export function summary(values) {
  const sorted = sortedFinite(values);
  return {n: sorted.length, low: sorted[0], p05: quantile(sorted, 0.05), median: quantile(sorted, 0.5), p95: quantile(sorted, 0.95), high: sorted.at(-1)};
}

const marksOf = (rows, along, unit, name) => [
  Plot.ruleX(rows, {x: along, y1: "low", y2: "high", stroke: css("--mute"), strokeWidth: 1}),
  Plot.ruleX(rows, {x: along, y1: "p05", y2: "p95", stroke: css("--bar"), strokeWidth: 5, strokeLinecap: "round"}),
  Plot.dot(rows, {x: along, y: "median", fill: css("--acc"), r: 3}),
  Plot.tip(rows, Plot.pointerX({
    x: along, y: "median", fill: css("--bg"), stroke: css("--line"), fontSize: 13,
    title: (d) => `${name(d)}, ${d.n} matrices\nmedian ${show(d.median, unit)}\n5 to 95 %: ${show(d.p05, unit)} to ${show(d.p95, unit)}\nall: ${show(d.low, unit)} to ${show(d.high, unit)}`,
  })),
];

/* Indexes of matrices by their layer. */
function byLayerOf(members) {
  const groups = new Map();
  for (const i of members) {
    const layer = data.matrices.layer[i];
    if (groups.has(layer)) groups.get(layer).push(i);
    else groups.set(layer, [i]);
  }
  return groups;
}

/* One panel a projection: the metric's spread over the experts of each layer. */
export function byLayer(holder, metric) {
  const all = sortedFinite(metric.values);
  holder.replaceChildren();
  if (all.length === 0) return void (holder.textContent = "No values.");
  const panels = document.createElement("div"), wide = new Set(data.matrices.layer).size > 40;
  panels.className = wide ? "panels wide" : "panels";
  holder.append(panels);
  const frame = limits(metric.values), cut = frame[0] > all[0] || frame[1] < all.at(-1);
  for (const proj of projections) {
    const g = grid(proj), members = byLayerOf(g.members);
    const rows = g.layers
      .map((layer) => ({layer, ...summary(members.get(layer).map((i) => metric.values[i]))}))
      .filter((row) => row.n > 0);
    if (rows.length === 0) continue;
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    caption.textContent = proj;
    const width = Math.max(260, Math.min(panels.clientWidth || 340, wide ? 1100 : 360));
    figure.append(caption, Plot.plot({
      ...base(), width, height: 220, marginLeft: 58, marginBottom: 36, insetLeft: 8, insetRight: 8,
      x: {label: "layer", tickFormat: String, labelAnchor: "center", labelArrow: "none", ticks: some(rows.map((r) => r.layer), width / 36)},
      y: {domain: frame, clamp: true, grid: true, nice: !cut, label: null, tickFormat: (v) => show(v, metric.unit), ticks: 5},
      marks: marksOf(rows, "layer", metric.unit, (d) => `layer ${d.layer}, ${proj}`),
    }));
    panels.append(figure);
  }
  if (!cut) return;
  const note = document.createElement("figcaption");
  note.textContent = `Lines that reach the edge go on beyond it: all values run from ${show(all[0], metric.unit)} to ${show(all.at(-1), metric.unit)}.`;
  holder.append(note);
}

/* Error of each scheme by projection, cheapest scheme first. */
export function schemesByProjection(holder) {
  const rows = [];
  for (const s of data.schemes)
    for (const proj of projections) {
      const row = summary(indexes.filter((i) => data.matrices.proj[i] === proj).map((i) => s.values[i]));
      if (row.n > 0) rows.push({scheme: `${s.name} (${s.bpw} bits)`, proj, ...row});
    }
  if (rows.length === 0) return void (holder.textContent = "No scheme was simulated.");
  const width = Math.min(holder.clientWidth || 700, 820);
  holder.replaceChildren(Plot.plot({
    ...base(), width, height: 40 + rows.length * 22 + data.schemes.length * 12, marginLeft: 84, marginRight: 30, marginTop: 24, marginBottom: 36,
    fy: {label: null, domain: [...new Set(rows.map((r) => r.scheme))], axis: null, padding: 0.25},
    y: {label: null, domain: projections, tickSize: 0},
    x: {label: "relative Frobenius error, share of the weights' norm", labelAnchor: "center", labelArrow: "none", domain: [0, Math.max(...rows.map((r) => r.high)) * 1.05], grid: true, tickFormat: percent, ticks: Math.max(2, Math.min(6, Math.floor((width - 114) / 90)))},
    marks: [
      Plot.text([...new Set(rows.map((r) => r.scheme))], {fy: (d) => d, text: (d) => d, frameAnchor: "top-left", dx: -80, dy: -13, textAnchor: "start", fontWeight: 600}),
      Plot.ruleY(rows, {fy: "scheme", y: "proj", x1: "low", x2: "high", stroke: css("--mute")}),
      Plot.ruleY(rows, {fy: "scheme", y: "proj", x1: "p05", x2: "p95", stroke: css("--bar"), strokeWidth: 6, strokeLinecap: "round"}),
      Plot.dot(rows, {fy: "scheme", y: "proj", x: "median", fill: css("--acc"), r: 4}),
      Plot.tip(rows, Plot.pointer({
        fy: "scheme", y: "proj", x: "median", fill: css("--bg"), stroke: css("--line"), fontSize: 13,
        title: (d) => `${d.scheme}, ${d.proj}, ${d.n} matrices\nmedian ${percent(d.median)}\n5 to 95 %: ${percent(d.p05)} to ${percent(d.p95)}\nall: ${percent(d.low)} to ${percent(d.high)}`,
      })),
    ],
  }));
}

/* Median error of each scheme over the layers. */
export function schemesByLayer(holder) {
  const layers = [...new Set(data.matrices.layer)].filter((l) => l >= 0).sort((a, b) => a - b);
  const none = () => void (holder.previousElementSibling?.remove(), holder.remove()); // its heading too
  if (layers.length < 2 || data.schemes.length === 0) return none();
  const members = byLayerOf(indexes);
  const rows = data.schemes.flatMap((s) => layers.map((layer) => {
    const row = summary(members.get(layer).map((i) => s.values[i]));
    return {scheme: s.name, layer, ...row};
  })).filter((row) => row.n > 0);
  if (rows.length === 0) return none();
  const width = Math.min(holder.clientWidth || 700, 820);
  const last = data.schemes.map((s) => rows.filter((r) => r.scheme === s.name).at(-1)).filter(Boolean);
  holder.replaceChildren(Plot.plot({
    ...base(), width, height: 300, marginLeft: 58, marginRight: 120, marginBottom: 36,
    x: {label: "layer", labelAnchor: "center", labelArrow: "none", tickFormat: String, ticks: some(layers, (width - 178) / 36)},
    y: {label: null, tickFormat: percent, grid: true, zero: true, nice: true, ticks: 6},
    marks: [
      Plot.areaY(rows, {x: "layer", y1: "p05", y2: "p95", z: "scheme", fill: css("--acc"), fillOpacity: 0.15}),
      Plot.lineY(rows, {x: "layer", y: "median", z: "scheme", stroke: css("--acc"), strokeWidth: 1.5}),
      Plot.text(last, {x: "layer", y: "median", text: "scheme", textAnchor: "start", dx: 8}),
      Plot.tip(rows, Plot.pointer({
        x: "layer", y: "median", fill: css("--bg"), stroke: css("--line"), fontSize: 13,
        title: (d) => `${d.scheme}, layer ${d.layer}, ${d.n} matrices\nmedian ${percent(d.median)}\n5 to 95 %: ${percent(d.p05)} to ${percent(d.p95)}`,
      })),
    ],
  }));
}
