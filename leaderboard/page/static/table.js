"use strict";

/* The table of all runs. Texts of records become text nodes: nothing here parses markup. */

/* Rows that are shown at first: what a phone or a desk takes in. */
const FIRST = matchMedia("(max-width: 40rem)").matches ? 8 : 20;

/* Columns come as numbers, or as codes into a list of distinct texts; -1 is a missing one. */
function decoded(column) {
  return column.texts ? column.values.map((code) => (code < 0 ? null : column.texts[code])) : column.values;
}

function ordered(value) {
  return value === "inf" ? Infinity : value === "-inf" ? -Infinity : value;
}

function shown(column, value) {
  if (value === null) return "";
  if (value === "inf") return "+∞";
  if (value === "-inf") return "−∞";
  if (column.texts) return value;
  if (column.name === "share") return Math.round(100 * value) + " %";
  if (column.digits) return value.toFixed(column.digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−");
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/* A name breaks between its parts, not inside a word. */
function soft(text) {
  return text.split(/(?<=[:,+/])(?=\S)/).flatMap((part, index) => (index ? [element("wbr", {}), part] : [part]));
}

class Runs {
  constructor(data) {
    this.data = data;
    this.columns = new Map(data.columns.map((c) => [c.name, { ...c, cells: decoded(c) }]));
    this.count = data.count;
    this.words = Array.from({ length: this.count }, (_, row) =>
      data.columns.map((c) => this.columns.get(c.name).cells[row]).filter((v) => typeof v === "string").join("\n").toLowerCase());
    this.state = this.read();
    this.most = FIRST;
  }

  /* What is shown stands in the address: #method=unet&sort=-psnr. */
  read() {
    const given = new URLSearchParams(location.hash.slice(1));
    const filters = {};
    for (const name of Object.keys(this.data.filters)) if (given.get(name)) filters[name] = given.get(name);
    const sort = (given.get("sort") || "").replace(/^-/, "");
    const columns = (given.get("columns") || "").split(",").filter((name) => this.columns.has(name));
    return {
      filters, query: given.get("q") || "", sort: this.columns.has(sort) ? sort : "", down: given.get("sort")?.startsWith("-"),
      columns: columns.length ? columns : this.data.shown.filter((name) => this.columns.has(name)),
    };
  }

  write() {
    const { filters, query, sort, down, columns } = this.state;
    const kept = new URLSearchParams(filters);
    if (query) kept.set("q", query);
    if (sort) kept.set("sort", (down ? "-" : "") + sort);
    if (columns.join() !== this.data.shown.filter((name) => this.columns.has(name)).join()) kept.set("columns", columns.join());
    if (kept.toString()) history.replaceState(null, "", "#" + kept);
    else if (location.hash.includes("=")) history.replaceState(null, "", "#runs");
  }

  cell(name, row) {
    return this.columns.get(name)?.cells[row] ?? null;
  }

  fits(row, without) {
    const { filters, query } = this.state;
    return query.toLowerCase().split(/\s+/).every((word) => this.words[row].includes(word)) &&
      Object.entries(filters).every(([name, value]) => name === without || this.cell(name, row) === value);
  }

  rows() {
    const found = Array.from({ length: this.count }, (_, row) => row).filter((row) => this.fits(row));
    const { sort, down } = this.state;
    if (!sort) return found;
    const keys = sort === "rank" ? ["rank_best", "rank_worst"] : [sort];
    return found.sort((a, b) => {
      for (const key of keys) {
        const [x, y] = [ordered(this.cell(key, a)), ordered(this.cell(key, b))];
        if (x === y) continue;
        if (x === null || y === null) return x === null ? 1 : -1;
        const order = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x < y ? -1 : 1;
        return down ? -order : order;
      }
      return a - b;
    });
  }

  draw() {
    const rows = this.rows();
    this.write();
    this.drawHead();
    document.querySelector("#table tbody").replaceChildren(...rows.slice(0, this.most).map((row) => this.drawRow(row)));
    const all = rows.length === this.count ? "" : ` of ${this.count}`;
    document.getElementById("found").textContent = `${rows.length}${all} run${this.count === 1 ? "" : "s"}`;
    const more = document.getElementById("more");
    more.hidden = rows.length <= this.most;
    more.textContent = `Show all ${rows.length}`;
    this.drawFilters();
    document.dispatchEvent(new Event("drawn"));
  }

  drawHead() {
    const focused = document.activeElement?.dataset?.column;
    const heads = this.state.columns.map((name) => {
      const column = this.columns.get(name), sorted = this.state.sort === name;
      const button = element("button", { type: "button", title: column.about, "data-column": name }, column.title);
      button.addEventListener("click", () => this.sortBy(name));
      const order = sorted ? (this.state.down ? "descending" : "ascending") : null;
      return element("th", { scope: "col", "aria-sort": order, class: column.texts ? null : "num" }, button);
    });
    document.querySelector("#table thead").replaceChildren(element("tr", {}, ...heads));
    if (focused) document.querySelector(`#table button[data-column="${CSS.escape(focused)}"]`)?.focus();
  }

  /* Scores go down first, everything else up; the third click gives the first order back. */
  sortBy(name) {
    const first = Boolean(this.columns.get(name).digits);
    if (this.state.sort !== name) Object.assign(this.state, { sort: name, down: first });
    else if (this.state.down === first) this.state.down = !first;
    else this.state.sort = "";
    this.draw();
  }

  drawRow(row) {
    const failed = this.cell("status", row) !== "ok", model = this.cell("role", row) === "model";
    const cells = this.state.columns.map((name) => this.drawCell(name, row));
    return element("tr", { class: failed ? "failed" : model ? null : "baseline" }, ...cells);
  }

  drawCell(name, row) {
    const column = this.columns.get(name), text = shown(column, column.cells[row]);
    if (name === "method") {
      const problem = element("a", { href: this.data.problems[this.data.problem[row]] }, ...soft(`${this.cell("operator", row)} on ${this.cell("dataset", row)}`));
      return element("th", { scope: "row" }, element("a", { href: this.data.links[row] }, ...soft(text)), element("small", {}, problem));
    }
    const best = name === this.data.score && this.data.best[row];
    return element("td", { class: column.texts ? "text" : "num" }, best ? "★ " + text : text);
  }

  drawFilters() {
    for (const select of document.querySelectorAll("#filters select")) {
      const name = select.name, counts = new Map();
      for (let row = 0; row < this.count; row++) {
        const value = this.cell(name, row);
        if (value && this.fits(row, name)) counts.set(value, (counts.get(value) || 0) + 1);
      }
      const chosen = this.state.filters[name] || "";
      if (chosen && !counts.has(chosen)) counts.set(chosen, 0);
      const values = [...counts.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      select.replaceChildren(new Option("all", ""), ...values.map((v) => new Option(`${v} (${counts.get(v)})`, v)));
      select.value = chosen;
    }
  }

  start() {
    const form = document.getElementById("filters");
    const search = element("input", { type: "search", name: "q" });
    search.value = this.state.query;
    search.addEventListener("input", () => { this.state.query = search.value.trim(); this.most = FIRST; this.draw(); });
    form.append(element("label", {}, "search", search));
    for (const [name, title] of Object.entries(this.data.filters)) {
      if (!this.columns.has(name)) continue;
      const select = element("select", { name });
      select.addEventListener("change", () => { this.choose(name, select.value); });
      form.append(element("label", {}, title, select));
    }
    form.append(this.chooser());
    form.addEventListener("submit", (event) => event.preventDefault());
    document.getElementById("more").addEventListener("click", () => { this.most = Infinity; this.draw(); });
    window.addEventListener("hashchange", () => {
      if (!location.hash.includes("=")) return;
      this.state = this.read();
      search.value = this.state.query;
      this.draw();
    });
    const shared = location.hash.includes("=");
    this.draw();
    if (shared) document.getElementById("runs").scrollIntoView();
  }

  choose(name, value) {
    if (value) this.state.filters[name] = value;
    else delete this.state.filters[name];
    this.most = FIRST;
    this.draw();
  }

  chooser() {
    const boxes = this.data.columns.map((column) => {
      const box = element("input", { type: "checkbox", name: `column-${column.name}` });
      box.checked = this.state.columns.includes(column.name);
      box.addEventListener("change", () => {
        const wanted = new Set(this.state.columns);
        if (box.checked) wanted.add(column.name);
        else wanted.delete(column.name);
        const order = [...this.data.shown, ...this.columns.keys()];
        this.state.columns = [...new Set(order)].filter((name) => wanted.has(name));
        this.draw();
      });
      return element("label", { title: column.about }, box, column.title);
    });
    return element("details", { class: "chooser" }, element("summary", {}, "columns"), element("div", {}, ...boxes));
  }
}

const source = document.getElementById("data");
if (source) {
  window.runs = new Runs(JSON.parse(source.textContent));
  window.runs.start();
}
