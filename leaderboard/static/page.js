"use strict";

/* Charts: figures lie in the page as JSON; colours of text and grid come from the style sheet. */

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/* On a phone a legend takes a line per entry: the chart grows by them instead of shrinking. */
function heightFor(figure, width) {
  if (figure.layout.showlegend === false) return figure.layout.height || 300;
  return 350 + (width < 500 ? 20 * figure.data.length : 0);
}

function themed(figure, width) {
  const layout = { ...figure.layout, height: heightFor(figure, width) };
  const axis = { gridcolor: colour("--grid"), zerolinecolor: colour("--grid"), linecolor: colour("--line"), automargin: true };
  return {
    ...layout,
    font: { color: colour("--text"), family: getComputedStyle(document.body).fontFamily, size: 13 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 55, r: 20, t: 15, b: layout.showlegend === false ? 50 : layout.height - 240 },
    legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" },
    hoverlabel: { bgcolor: colour("--panel"), font: { color: colour("--text") } },
    xaxis: { ...axis, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
  };
}

function drawCharts() {
  for (const script of document.querySelectorAll("script.figure")) {
    const figure = JSON.parse(script.textContent);
    for (const trace of figure.data) if (trace.error_x) trace.error_x.color = colour("--soft");
    const options = { responsive: true, displaylogo: false, displayModeBar: false };
    const width = document.getElementById(script.dataset.target).clientWidth;
    Plotly.react(script.dataset.target, figure.data, themed(figure, width), options);
  }
}

/* The table of all runs. */

const SHOWN = ["rank", "operator", "dataset", "method", "psnr", "ssim", "above_floor", "images_per_second", "trainings", "parameters", "floor", "status"];
const FILTERS = { operator: "operator", method: "model", dataset: "dataset", hardware: "hardware", status: "status" };
const TITLES = {
  psnr: "PSNR (dB)", ssim: "SSIM", above_floor: "above mean (dB)", images_per_second: "images/s",
  share: "floor to ceiling", parameters: "weights", method: "model", floor: "against the mean",
};
const DIGITS = { psnr: 2, psnr_low: 2, psnr_high: 2, above_floor: 2, ssim: 3, ssim_low: 3, ssim_high: 3 };

function escaped(value) {
  const box = document.createElement("span");
  box.textContent = value;
  return box.innerHTML.replaceAll('"', "&quot;");
}

/* Missing values sort below -inf, which sorts below every finite value. */
function sortable(value) {
  if (value === null) return -1e301;
  if (value === "inf") return 1e300;
  return value === "-inf" ? -1e300 : value;
}

function shown(name, value) {
  if (value === null) return "";
  if (value === "inf") return "+∞";
  if (value === "-inf") return "−∞";
  if (name === "share") return Math.round(100 * value) + " %";
  if (name in DIGITS) return value.toFixed(DIGITS[name]).replace(/^-(?=0\.?0*$)/, "").replace("-", "−");
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

function column(data, index) {
  const name = data.columns[index].name;
  const numeric = data.rows.every((row) => row[index] === null || typeof row[index] === "number" || /^-?inf$/.test(row[index]));
  const render = numeric ? number(data, name) : text(data, name);
  return {
    data: (row) => row[index],
    title: escaped(TITLES[name] || name.replaceAll("_", " ")),
    visible: SHOWN.includes(name),
    className: numeric ? "num" : "text",
    type: numeric ? "num" : "string",
    name: name,
    render: (value, kind, row) => render(value, kind, row[row.length - 1]),
  };
}

function number(data, name) {
  return (value, kind, id) => {
    if (kind === "sort" || kind === "type") return sortable(value);
    const star = name === "psnr" && data.best[id] && kind === "display";
    return star ? `<span class="star">${shown(name, value)}</span>` : shown(name, value);
  };
}

function text(data, name) {
  const links = { method: data.links, operator: data.problems };
  return (value, kind, id) => {
    if (name === "rank" && kind === "sort") return value === null ? "~" : value.split("–")[0].padStart(5, "0");
    if (kind !== "display") return value === null ? "" : value;
    const safe = value === null ? "" : escaped(value);
    return name in links ? `<a href="${escaped(encodeURI(links[name][id]))}">${safe}</a>` : safe;
  };
}

function makeTable(data) {
  const rows = data.rows.map((row, id) => [...row, id]);
  const names = data.columns.map((c) => c.name);
  const role = names.indexOf("role"), status = names.indexOf("status");
  const table = new DataTable("#table", {
    data: rows,
    columns: data.columns.map((_, index) => column(data, index)),
    order: [[names.indexOf("operator"), "asc"], [names.indexOf("dataset"), "asc"], [names.indexOf("psnr"), "desc"]],
    pageLength: 25,
    deferRender: true,
    scrollX: true,
    autoWidth: false,
    layout: { topStart: { buttons: [{ extend: "colvis", text: "Columns" }] }, topEnd: "search" },
    createdRow: (element, row) => {
      if (row[status] !== "ok") element.classList.add("failed");
      else if (row[role] !== "model") element.classList.add("baseline");
      if (data.best[row[row.length - 1]]) element.classList.add("best");
    },
  });
  data.columns.forEach((c, index) => table.column(index).header().setAttribute("title", c.about));
  return table;
}

function makeFilters(data, table) {
  const form = document.getElementById("filters");
  const names = data.columns.map((c) => c.name);
  for (const [name, label] of Object.entries(FILTERS)) {
    const index = names.indexOf(name);
    const values = [...new Set(data.rows.map((row) => row[index] || ""))].filter(Boolean).sort();
    addSelect(form, label, values, (value) => table.column(index).search(value ? (cell) => cell === value : "").draw());
  }
  const operator = names.indexOf("operator");
  const noisy = (row) => /\bnois/.test(row[operator]);
  let wanted = "";
  table.search.fixed("noise", (_text, row) => !wanted || noisy(row) === (wanted === "with noise"));
  addSelect(form, "noise", ["with noise", "without noise"], (value) => { wanted = value; table.draw(); });
}

function addSelect(form, label, values, changed) {
  const box = document.createElement("label"), select = document.createElement("select");
  select.name = label;
  select.append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
  select.addEventListener("change", () => changed(select.value));
  box.append(label, select);
  form.append(box);
}

const source = document.getElementById("data");
if (source) {
  const data = JSON.parse(source.textContent);
  if (matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.classList.add("dark");
  window.table = makeTable(data);
  makeFilters(data, window.table);
}
if (document.querySelector("script.figure")) {
  drawCharts();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
}
