"use strict";

/* Wide tables say that they scroll. */
function hint() {
  for (const box of document.querySelectorAll(".scroll")) box.classList.toggle("wide", box.scrollWidth > box.clientWidth + 1);
}

/* Commands can be copied where the browser lets a page do so. */
function addCopyButtons() {
  for (const block of document.querySelectorAll("pre.copied")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(block.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(block);
        button.textContent = "Selected";
      }
    });
    block.before(button);
  }
}

/* Two methods: the pair's verdict, the scores of two of their trainings, and the images of these. */
class Pair {
  constructor(box, data) {
    this.box = box;
    this.data = data;
    this.picks = this.selects("first", "second");
    this.runs = this.selects("first_run", "second_run");
    this.image = box.querySelector("[name=image]");
    this.cut = box.querySelector("[name=cut]");
    for (const [place, pick] of this.picks.entries()) {
      pick.append(...data.methods.map((label, index) => new Option(label, index)));
      pick.value = String(data.start[place]);
      pick.addEventListener("change", () => { this.offer(place); this.show(true); });
    }
    for (let i = 0; i < data.images; i++) this.image.append(new Option(data.numbers[i] ?? i, i));
    for (const select of [...this.runs, this.image]) select.addEventListener("change", () => this.show(true));
    this.cut.addEventListener("input", () => this.slide());
    this.read();
    box.hidden = false;
    this.show(false);
  }

  selects(...names) {
    return names.map((name) => this.box.querySelector(`[name=${name}]`));
  }

  /* The trainings of a chosen method; nothing to choose where there is one. */
  offer(place) {
    const runs = this.data.runs[Number(this.picks[place].value)];
    this.runs[place].replaceChildren(...runs.map((run, index) => new Option(`seed ${run.seed}`, index)));
    this.runs[place].parentElement.hidden = runs.length < 2;
  }

  /* #first=unet&second=tv stands in the address, so that a comparison can be shared. */
  read() {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const [place, pick] of this.picks.entries()) {
      const index = this.data.methods.indexOf(given.get(pick.name));
      if (index >= 0) pick.value = String(index);
      else if (place && pick.value === this.picks[0].value) pick.value = pick.value === "0" ? "1" : "0";
      this.offer(place);
      const seed = given.get(`${pick.name}_seed`), runs = this.data.runs[Number(pick.value)];
      const run = runs.findIndex((each) => String(each.seed) === seed);
      if (run >= 0) this.runs[place].value = String(run);
    }
    const image = [...this.image.options].findIndex((option) => option.text === given.get("image"));
    if (image >= 0) this.image.value = String(image);
    if (given.get("first")) document.getElementById("pairs").scrollIntoView();
  }

  write(chosen) {
    const [first, second] = this.picks.map((pick) => pick.selectedOptions[0].text);
    const kept = new URLSearchParams({ first, second });
    for (const [place, run] of chosen.entries())
      if (this.runs[place].value > 0) kept.set(`${this.picks[place].name}_seed`, run.seed);
    if (this.image.value > 0) kept.set("image", this.image.selectedOptions[0].text);
    history.replaceState(null, "", "#" + kept);
  }

  show(changed) {
    const places = this.picks.map((pick) => Number(pick.value)), [a, b] = places;
    const chosen = places.map((method, place) => this.data.runs[method][Number(this.runs[place].value)]);
    if (changed) this.write(chosen);
    const names = places.map((method) => this.data.methods[method]);
    this.box.querySelector("output").textContent = a === b ? this.ofOne(chosen, names[0]) : this.data.sentences[a][b];
    const told = chosen.map((run, place) => `${names[place]}, seed ${run.seed}: ${run.mean}`);
    document.getElementById("trainings").textContent = `What is shown: ${told.join("; ")}.`;
    this.draw(chosen.map((run) => run.strip), names);
  }

  ofOne(chosen, name) {
    if (chosen[0] === chosen[1]) return "Choose two methods, or two trainings of one.";
    return `Two trainings of ${name}: chance of initialisation and order, no verdict.`;
  }

  draw(strips, names) {
    const stage = this.box.querySelector(".stage");
    stage.hidden = strips.some((strip) => !strip);
    if (stage.hidden) return;
    for (const [place, picture] of stage.querySelectorAll("img").entries()) {
      const strip = strips[place], index = Number(this.image.value);
      picture.src = strip.path;
      picture.alt = `${names[place]}, test image ${this.image.selectedOptions[0].text}`;
      picture.style.aspectRatio = `${strip.width} / ${strip.height}`;
      picture.style.objectPosition = `0 ${(100 * index) / Math.max(strip.count - 1, 1)}%`;
    }
    this.slide();
  }

  slide() {
    this.box.querySelector(".stage").style.setProperty("--cut", `${this.cut.value}%`);
  }
}

addCopyButtons();
const pair = document.getElementById("pair-data");
if (pair) new Pair(document.getElementById("compare"), JSON.parse(pair.textContent));
addEventListener("resize", hint);
document.addEventListener("drawn", hint);
hint();
