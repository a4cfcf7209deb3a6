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

/* Two methods: the pair's verdict, and their images one over the other. */
class Pair {
  constructor(box, data) {
    this.box = box;
    this.data = data;
    this.picks = ["first", "second"].map((name) => box.querySelector(`[name=${name}]`));
    for (const [place, pick] of this.picks.entries()) {
      pick.append(...data.methods.map((label, index) => new Option(label, index)));
      pick.value = String(Math.min(place, data.methods.length - 1));
      pick.addEventListener("change", () => this.show(true));
    }
    this.image = box.querySelector("[name=image]");
    for (let i = 0; i < data.images; i++) this.image.append(new Option(`image ${i + 1}`, i));
    this.image.addEventListener("change", () => this.show(true));
    this.cut = box.querySelector("[name=cut]");
    this.cut.addEventListener("input", () => this.slide());
    this.read();
    box.hidden = false;
    this.show(false);
  }

  /* #first=unet&second=tv stands in the address, so that a comparison can be shared. */
  read() {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const pick of this.picks) {
      const index = this.data.methods.indexOf(given.get(pick.name));
      if (index >= 0) pick.value = String(index);
    }
    const image = Number(given.get("image")) - 1;
    if (image >= 0 && image < this.data.images) this.image.value = String(image);
  }

  show(changed) {
    const [a, b] = this.picks.map((pick) => Number(pick.value));
    if (changed) {
      const kept = new URLSearchParams({ first: this.data.methods[a], second: this.data.methods[b] });
      if (this.image.value > 0) kept.set("image", Number(this.image.value) + 1);
      history.replaceState(null, "", "#" + kept);
    }
    const sentence = a === b ? "Choose two methods." : this.data.sentences[a][b];
    this.box.querySelector("output").textContent = sentence;
    const stage = this.box.querySelector(".stage");
    const strips = [this.data.strips[a], this.data.strips[b]];
    stage.hidden = strips.some((strip) => !strip);
    if (stage.hidden) return;
    for (const [place, picture] of stage.querySelectorAll("img").entries()) {
      const strip = strips[place], index = Number(this.image.value);
      picture.src = strip.path;
      picture.alt = `${this.data.methods[place ? b : a]}, test image ${index + 1}`;
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
