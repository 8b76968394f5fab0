// What figures have in common that look at an image, of the book or of the reader, and at a pixel of it.
import { make, place, slider } from "../figure.js";
import { Asking } from "./asking.js";
import { paint, pictures, prepared, size } from "./engine.js";

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const INKS = ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"];
const NONE = "none: pick a pixel";

export class Looking extends Asking {
  pixel = [size / 2, size / 2];
  ink = NONE; // what a pointer that is held, or space, draws with on the clean image

  async load() {
    this.images = await pictures(this.asks, this.set.images, this.bar);
    this.names = this.images.map((_, i) => `${i + 1}`);
    this.image = Math.max(0, place(this.names, this.wanted));
    this.own = null;
  }

  // Tiles by name, those of the network in its colour; the clean one, first, can be picked from.
  grid(kind, names, networks) {
    this.tiles = make("div", { className: `explorer-tiles ${kind}` });
    this.tiles.style.setProperty("--columns", 5);
    this.shown = Object.fromEntries(names.map((name) => [name, this.tile(networks.includes(name) ? "A" : "")]));
    this.tiles.append(...Object.values(this.shown));
    this.words = make("p", { className: "explorer-words" });
    this.words.setAttribute("aria-live", "polite");
    this.stage = make("div", {}, this.tiles, this.words);
    this.pick(this.shown.clean);
  }

  upload() {
    const input = make("input", { type: "file", accept: "image/*" });
    input.addEventListener("input", async () => {
      const [file] = input.files;
      input.value = ""; // so that the same file chosen again is an event again
      if (!file) return;
      try {
        this.take(await prepared(file));
      } catch ({ message }) {
        this.trouble.textContent = message;
      }
    });
    return make("label", { className: "live-upload" }, "Your own image ", input);
  }

  // A slider of inks; without one a pointer picks a pixel.
  inks(without) {
    const texts = without ? [NONE, ...INKS] : INKS;
    const dip = (k) => {
      this.ink = texts[k];
      const [canvas] = this.shown.clean.children;
      canvas.style.touchAction = this.draws ? "none" : "";
      this.mark();
    };
    dip(0);
    return slider("ink, to draw with", texts, 0, dip);
  }

  get draws() {
    return this.ink !== NONE;
  }

  blank() {
    return this.button("Empty page", () => this.take(new Float32Array(size ** 2).fill(0.5)));
  }

  take(image) {
    this.own = image;
    this.look();
  }

  // Two pixels by two, in the colour of the ink.
  dab() {
    const image = (this.own ?? this.images[this.image]).slice();
    const [x, y] = this.pixel;
    for (const row of [y, y + 1]) for (const column of [x, x + 1])
      if (row < size && column < size) image[row * size + column] = +this.ink;
    this.drawn(image);
  }

  drawn(image) {
    this.take(image);
  }

  choose(k) {
    [this.image, this.own] = [k, null];
    this.look();
  }

  // A pixel is picked by a pointer, or by arrow keys.
  pick(tile) {
    const [canvas] = tile.children;
    Object.assign(canvas, { role: "application", tabIndex: 0 });
    canvas.style.cursor = "crosshair";
    tile.classList.add("live-picked");
    canvas.addEventListener("pointerdown", (event) => {
      this.point(event);
      if (!this.draws) return;
      canvas.setPointerCapture(event.pointerId);
      this.dab();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.draws || !canvas.hasPointerCapture(event.pointerId)) return;
      this.point(event);
      this.dab();
    });
    canvas.addEventListener("keydown", (event) => {
      const move = MOVES[event.key];
      if (event.key === " " && this.draws) {
        event.preventDefault();
        return this.dab();
      }
      if (!move) return;
      event.preventDefault();
      this.at(this.pixel.map((x, i) => x + move[i]));
    });
  }

  point({ target, clientX, clientY }) {
    const { left, top, width } = target.getBoundingClientRect();
    this.at([clientX - left, clientY - top].map((x) => Math.floor((x / width) * size)));
  }

  at(pixel) {
    this.pixel = pixel.map((x) => Math.min(size - 1, Math.max(0, x)));
    this.mark();
  }

  mark() {
    const [x, y] = this.pixel;
    const tile = this.shown.clean;
    const [canvas] = tile.children;
    canvas.ariaLabel = `Clean image: arrow keys choose a pixel, now column ${x + 1}, row ${y + 1}${this.draws ? ", and space draws" : ""}`;
    tile.style.setProperty("--x", (x + 0.5) / size);
    tile.style.setProperty("--y", (y + 0.5) / size);
  }

  show(name, title, values, colour) {
    const [canvas, caption] = this.shown[name].children;
    caption.replaceChildren(...title);
    if (name !== "clean") canvas.ariaLabel = caption.textContent;
    paint(canvas, values, colour);
  }
}
