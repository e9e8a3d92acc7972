// The report's charts. Every number they show stands in the page's tables or in the run's files as well.
import {data, indexes, label} from "./data.js";
import {heatmaps} from "./heatmap.js";
import {byLayer, schemesByLayer, schemesByProjection} from "./spread.js";
import {percent, show} from "./format.js";

const at = (id) => document.getElementById(id);

/* All that can be mapped: the statistics, the error of each scheme, the deltas. */
const mappable = [
  ...data.metrics,
  ...data.schemes.map((s) => ({key: `fro.${s.name}`, label: `error of ${s.name}`, unit: "share", help: "relative Frobenius error", values: s.values})),
  ...data.deltas.map((d) => ({key: `delta.${d.name}`, label: `${d.name}`, unit: "share", signed: true, help: `error of ${d.a} minus error of ${d.b}`, values: d.values})),
];

function options(select, list, chosen) {
  for (const metric of list) {
    const option = document.createElement("option");
    option.value = metric.key;
    option.textContent = metric.label + (metric.help ? ": " + metric.help : "");
    select.append(option);
  }
  select.value = list.some((m) => m.key === chosen) ? chosen : list[0].key;
}

/* Shows all that is known of one matrix under the heat maps, and in the address, so that it can be sent. */
function pick(i) {
  const m = data.matrices;
  const parts = [...data.metrics.filter((x) => x.pinned).map((x) => `${x.label} ${show(x.values[i], x.unit)}`), ...data.schemes.map((s) => `${s.name} ${percent(s.values[i])}`)];
  const out = at("picked");
  out.replaceChildren(Object.assign(document.createElement("b"), {textContent: label(i)}), document.createTextNode(": " + parts.join(", ") + "."));
  history.replaceState(null, "", `#layer${m.layer[i]}/expert${m.expert[i]}/${m.proj[i]}`);
  for (const row of document.querySelectorAll("tr[data-i]")) row.classList.toggle("hit", row.dataset.i === String(i));
}

function pickFromAddress() {
  const match = /^#layer(-?\d+)\/expert(-?\d+)\/(.+)$/.exec(decodeURIComponent(location.hash));
  if (!match) return;
  const m = data.matrices;
  const i = indexes.find((k) => m.layer[k] === +match[1] && m.expert[k] === +match[2] && m.proj[k] === match[3]);
  if (i === undefined) return;
  pick(i);
  at("experts").scrollIntoView();
}

const find = (list, key) => list.find((m) => m.key === key);

/* The charts that have a chooser, by its id. */
const choosers = {
  metric: (metric) => heatmaps(at("heatmaps"), metric, pick),
  layermetric: (metric) => byLayer(at("bylayer"), metric),
};

const redraw = (id) => choosers[id](find(mappable, at(id).value));

function draw() {
  if (data.metrics.length > 0) Object.keys(choosers).forEach(redraw);
  if (data.schemes.length > 0) {
    schemesByProjection(at("schemes"));
    schemesByLayer(at("schemelayers"));
  }
  document.documentElement.dataset.drawn = "yes";
}

if (data.metrics.length > 0) {
  for (const id of Object.keys(choosers)) {
    options(at(id), mappable, "rms");
    at(id).addEventListener("change", () => redraw(id));
  }
  for (const hidden of document.querySelectorAll("[data-needs-charts]")) hidden.hidden = false;
}
draw();
pickFromAddress();
addEventListener("hashchange", pickFromAddress);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
addEventListener("beforeprint", draw);
let waiting, lastWidth = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === lastWidth) return;
  lastWidth = innerWidth;
  clearTimeout(waiting);
  waiting = setTimeout(draw, 150);
});
for (const row of document.querySelectorAll("tr[data-i]")) {
  row.tabIndex = 0;
  row.style.cursor = "pointer";
  row.addEventListener("click", () => (pick(+row.dataset.i), at("experts").scrollIntoView()));
  row.addEventListener("keydown", (e) => e.key === "Enter" && row.click());
}
