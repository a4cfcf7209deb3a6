"use strict";

/* One test image, enlarged: as every row of its gallery shows it, the same region of each. */

/* So many pixels of an image are seen at least. */
const FEWEST = 6;

class Lens {
  constructor(dialog) {
    this.dialog = dialog;
    this.boxes = dialog.querySelector(".boxes");
    this.pointers = new Map();
    for (const name of ["smaller", "larger", "whole", "before", "after"])
      dialog.querySelector(`[name=${name}]`).addEventListener("click", () => this[name]());
    dialog.addEventListener("keydown", (event) => this.press(event));
  }

  /* A gallery's images open it, and for keyboards a row of buttons below: one for each test image. */
  offer(table) {
    const columns = Math.max(...[...table.rows].map((row) => row.cells.length - 1));
    const line = table.createTFoot().insertRow();
    line.append(Object.assign(document.createElement("th"), { scope: "row", textContent: "enlarge" }));
    for (let column = 0; column < columns; column++) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: "⤢" });
      button.setAttribute("aria-label", `Enlarge picture ${column + 1} as all rows show it`);
      button.addEventListener("click", () => this.open(table, column));
      line.insertCell().append(button);
    }
    for (const image of table.querySelectorAll("img"))
      image.addEventListener("click", () => this.open(table, image.closest("td").cellIndex - 1));
  }

  open(table, column) {
    Object.assign(this, { table, column, columns: table.tFoot.rows[0].cells.length - 1, largest: 1 });
    this.fill();
    this.whole();
    this.dialog.showModal();
  }

  /* A window for each row; where all images of a row are alike it has only the first. */
  fill() {
    const windows = [...this.table.tBodies[0].rows].map((row) => {
      const image = (row.cells[this.column + 1]?.querySelector("img") ? row.cells[this.column + 1] : row.cells[1]);
      return this.window(row, image.querySelector("img"), image.querySelector("span")?.textContent ?? "");
    });
    this.boxes.replaceChildren(...windows);
    this.dialog.querySelector("h2").textContent = `Picture ${this.column + 1} of ${this.columns}`;
  }

  window(row, image, score) {
    const figure = document.createElement("figure"), frame = document.createElement("div"), caption = document.createElement("figcaption");
    const copy = image.cloneNode();
    copy.removeAttribute("loading");
    copy.draggable = false;
    frame.append(copy);
    frame.style.aspectRatio = image.style.aspectRatio;
    const name = row.cells[0].querySelector("a") ?? row.cells[0].firstChild;
    const told = score || [...row.cells[0].querySelectorAll("small")].map((small) => small.textContent).join(", ");
    caption.append(name.textContent.trim(), " ", Object.assign(document.createElement("small"), { textContent: told }));
    figure.append(frame, caption);
    if (row.dataset.fixed) {
      figure.className = "fixed";
    } else {
      this.largest = Math.max(this.largest, parseInt(image.style.aspectRatio) / FEWEST);
      this.listen(frame);
    }
    return figure;
  }

  listen(frame) {
    frame.addEventListener("pointerdown", (event) => this.down(event));
    frame.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, (event) => this.up(event));
    frame.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.magnify(2 ** (-event.deltaY / 100), ...this.place(event));
    }, { passive: false });
  }

  /* Where an event is in its window, from 0 to 1. */
  place(event) {
    const box = event.currentTarget.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  down(event) {
    if (event.button) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    if (!this.pointers.size) this.moved = 0;
    this.pointers.set(event.pointerId, this.place(event));
  }

  /* One finger moves the region, two change its size as well. */
  move(event) {
    const before = this.pointers.get(event.pointerId), now = this.place(event);
    if (!before) return;
    this.pointers.set(event.pointerId, now);
    this.moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (!other) return this.pan(before[0] - now[0], before[1] - now[1]);
    const [was, is] = [before, now].map((point) => Math.hypot(point[0] - other[0], point[1] - other[1]));
    this.magnify(is / Math.max(was, 0.01), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }

  up(event) {
    const ended = this.pointers.delete(event.pointerId) && !this.pointers.size;
    if (!ended || event.type !== "pointerup" || this.moved > 0.03) return;
    if (this.zoom === this.largest) this.whole();
    else this.magnify(2, ...this.place(event));
  }

  press(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const keys = { "+": "larger", "=": "larger", "-": "smaller", 0: "whole", PageUp: "before", PageDown: "after" };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps && this.zoom > 1) this.pan(...steps[event.key].map((step) => step / 4));
    else if (event.key in keys) this[keys[event.key]]();
    else return;
    event.preventDefault();
  }

  /* By a part of the window. */
  pan(x, y) {
    this.left += x / this.zoom;
    this.top += y / this.zoom;
    this.draw();
  }

  /* What is at (x, y) of the window stays there. */
  magnify(factor, x = 0.5, y = 0.5) {
    const zoom = Math.min(Math.max(this.zoom * factor, 1), this.largest);
    this.left += x / this.zoom - x / zoom;
    this.top += y / this.zoom - y / zoom;
    this.zoom = zoom;
    this.draw();
  }

  larger() { this.magnify(2); }
  smaller() { this.magnify(1 / 2); }

  whole() {
    Object.assign(this, { zoom: 1, left: 0, top: 0 });
    this.draw();
  }

  before() { this.turn(-1); }
  after() { this.turn(1); }

  turn(step) {
    this.column = (this.column + step + this.columns) % this.columns;
    this.fill();
  }

  draw() {
    const most = 1 - 1 / this.zoom;
    this.left = Math.min(Math.max(this.left, 0), most);
    this.top = Math.min(Math.max(this.top, 0), most);
    const values = { zoom: this.zoom, left: this.left, top: this.top };
    for (const [name, value] of Object.entries(values)) this.boxes.style.setProperty(`--${name}`, value);
    this.boxes.classList.toggle("moves", this.zoom > 1);
    this.dialog.querySelector("output").textContent = `${Number(this.zoom.toPrecision(2))}×`;
  }
}

const dialog = document.querySelector("dialog.lens");
if (dialog) {
  const lens = new Lens(dialog);
  for (const table of document.querySelectorAll(".gallery")) lens.offer(table);
  for (const line of document.querySelectorAll(".zoom")) line.hidden = false;
}
