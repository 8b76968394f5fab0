// A disc that is dragged and grows; beside it directions of images, as what they do to it: x + t e, t to and fro. Five lead
// to other discs; the others are the leading eigenvectors of the network's Jacobian, those of the first disc told by the page.
// What was found is at hand in the console as `document.querySelector("[data-script=disc]").result`.
import { bring, linked, make, slider } from "../figure.js";
import { Asking, bold, buttons, sliders } from "./asking.js";
import { levels, paint, signed, size, spec } from "./engine.js";
import { alignment, dot, gaussian, orthonormal, within } from "./maths.js";
import { vectors } from "./told.js";

const d = size ** 2;
const COUNT = 10; // eigenvectors
const NAMES = ["across", "down", "radius", "grey", "ground"]; // of the five numbers, in the order of ghr.images
const ORDERS = [2, 3, 4, 5]; // of the contour waves
const [SMALLEST, LARGEST] = [0.1 * size, 0.3 * size]; // radius: ghr.images.synthetic.RADII
const CONTRAST = 0.1; // least difference of the two levels
const LEVELS = Array.from({ length: 21 }, (_, k) => (k / 20).toFixed(2));
const SIGMAS = levels(["0.02", "0.04", "0.10", "0.20", "0.30"]);
const PERIOD = 2.4; // seconds of a swing
const SWING = 0.9; // its largest change of a pixel, in contrasts of the disc,
const STEP = 4; // and its largest t
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const between = (low, x, high) => Math.min(high, Math.max(low, x));

// A disc, how it changes with each of its five numbers, and how when its contour is bent into waves: ghr.images.synthetic.
function drawn([across, down, radius, level, ground]) {
  const pixels = Array.from({ length: d }, (_, i) => [(i % size) + 0.5 - across, Math.floor(i / size) + 0.5 - down]);
  const over = pixels.map(([a, b]) => radius - Math.hypot(a, b) + 0.5);
  const cover = Float64Array.from(over, (v) => between(0, v, 1));
  const edge = over.map((v) => +(v > 0 && v < 1) * (level - ground));
  const field = (one) => Float64Array.from(pixels, ([a, b], i) => one(a, b, i));
  return {
    x: Float32Array.from(cover, (c) => ground + (level - ground) * c),
    five: [
      field((a, b, i) => edge[i] && (edge[i] * a) / Math.hypot(a, b)),
      field((a, b, i) => edge[i] && (edge[i] * b) / Math.hypot(a, b)),
      field((a, b, i) => edge[i]),
      cover,
      cover.map((c) => 1 - c),
    ],
    waves: ORDERS.flatMap((m) => [Math.cos, Math.sin].map((wave) => field((a, b, i) => edge[i] * wave(m * Math.atan2(b, a))))),
  };
}

// Five numbers that make a disc: it fits, and differs from its ground; what was not moved gives way last.
function possible([across, down, radius, level, ground], moved) {
  const r = between(SMALLEST, radius, LARGEST);
  const apart = Math.max(CONTRAST, Math.abs(level - ground)) * (level < ground ? -1 : 1);
  const fits = (x) => x >= -1e-9 && x <= 1 + 1e-9;
  const pair = moved === 4 ? [ground + apart, ground] : [level, level - apart];
  const levels = pair.every(fits) ? pair : moved === 4 ? [ground - apart, ground] : [level, level + apart];
  return [...[across, down].map((x) => between(r, x, size - r)), r, ...levels.map((x) => between(0, x, 1))];
}

class Disc extends Asking {
  constructor(el) {
    super(el, "a network, as soon as you move the disc");
    this.sigma = Math.max(0, SIGMAS.indexOf(this.told.sigma.toFixed(2)));
    this.found = { values: this.told.values, vectors: vectors(this.told.vectors, size) };
    this.moving = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    el.frames = 0;
    this.build();
    const view = linked(el);
    const numbers = ["across", "down", "radius", "level", "ground"].map((name) => parseFloat(view[name]));
    if (SIGMAS.includes(view.sigma)) this.sigma = SIGMAS.indexOf(view.sigma);
    const elsewhere = numbers.every((x) => x >= 0);
    this.five = possible(elsewhere ? numbers : this.told.parameters);
    this.place();
    if (elsewhere) this.look();
    else this.conclude();
  }

  // Elements ---------------------------------------------------------------------------------------------------------

  build() {
    const picture = this.tile();
    this.canvas = picture.firstChild;
    this.handles = ["centre", "edge"].map((name) => this.handle(name));
    const keys = make("div", { role: "application" }, ...this.handles);
    keys.ariaLabel = "The disc: arrow keys move its centre, and its edge out and in";
    this.box = make("div", { className: "live-box" }, this.canvas, keys);
    const row = (title, half, count) => {
      const tiles = Array.from({ length: count }, () => this.tile(half));
      const grid = make("div", { className: "explorer-tiles live-ring" }, ...tiles);
      grid.style.setProperty("--columns", 5);
      return [tiles, make("div", {}, make("p", { className: "live-title", textContent: title }), grid)];
    };
    const [five, first] = row("Five directions to other discs", "", 5);
    const [before, second] = row("What the network keeps most: eigenvectors 1 to 5", "A", 5);
    const [after, third] = row("and what it keeps next: 6 to 10", "A", 5);
    this.tiles = { five, vectors: [...before, ...after] };
    this.words = make("p", { className: "explorer-words" });
    this.words.setAttribute("aria-live", "polite");
    this.kept = make("div", { className: "live-kept" }, second, third);
    const levels = ["grey of the disc", "grey of its ground"].map((label, k) =>
      slider(label, LEVELS, 0, (place) => {
        this.five[3 + k] = +LEVELS[place];
        this.changed(3 + k);
      }),
    );
    this.levels = levels;
    const noise = slider("noise, σ", SIGMAS, this.sigma, (k) => {
      this.sigma = k;
      this.changed();
    });
    const title = make("p", { className: "live-title", textContent: "Drag the disc, or its edge" });
    const left = make("div", {}, this.box, title, sliders(...levels, noise));
    this.stage = make("div", {}, make("div", { className: "live-disc" }, left, make("div", {}, first, this.kept)), this.words);
    this.play = this.button("Pause", () => this.toggle(!this.moving));
    this.lay(buttons(this.play));
    this.draggable();
    new IntersectionObserver(([{ isIntersecting }]) => ((this.visible = isIntersecting), this.animate())).observe(this.el);
    this.toggle(this.moving);
  }

  handle(name) {
    const made = make("button", { type: "button", className: "live-handle" });
    made.addEventListener("keydown", (event) => {
      const move = MOVES[event.key];
      if (!move) return;
      event.preventDefault();
      const by = event.shiftKey ? 2 : 0.5;
      if (name === "centre") move.forEach((x, k) => (this.five[k] += by * x));
      else this.five[2] += by * (move[0] - move[1]);
      this.changed();
    });
    return made;
  }

  draggable() {
    const where = ({ clientX, clientY }) => {
      const { left, top, width } = this.canvas.getBoundingClientRect();
      return [clientX - left, clientY - top].map((x) => (x / width) * size);
    };
    // what a pointer takes hold of: the edge from a bit inside of it to a bit outside, the disc within
    const close = (event) => {
      const at = where(event);
      const off = Math.hypot(at[0] - this.five[0], at[1] - this.five[1]) - this.five[2];
      const reach = Math.min(2, this.five[2] / 2.5);
      return off < -reach ? "centre" : off < 2.5 ? "edge" : undefined;
    };
    const { box } = this;
    box.addEventListener("pointerdown", (event) => {
      this.held = close(event);
      if (!this.held) return;
      box.setPointerCapture(event.pointerId);
      this.grip = where(event).map((x, k) => x - this.five[k]);
    });
    box.addEventListener("pointermove", (event) => {
      box.style.cursor = { centre: "move", edge: "ew-resize" }[this.held ?? close(event)] ?? "";
      if (!this.held) return;
      const at = where(event);
      if (this.held === "centre") at.forEach((x, k) => (this.five[k] = x - this.grip[k]));
      else this.five[2] = Math.hypot(at[0] - this.five[0], at[1] - this.five[1]);
      this.changed();
    });
    for (const end of ["pointerup", "pointercancel"]) box.addEventListener(end, () => (this.held = undefined));
    // a finger on the disc moves it; anywhere else it moves the page
    box.addEventListener("touchstart", (event) => close(event.touches[0]) && event.preventDefault(), { passive: false });
  }

  state() {
    const [across, down, radius, level, ground] = this.five.map((x) => x.toFixed(2));
    return { across, down, radius, level, ground, sigma: SIGMAS[this.sigma] };
  }

  rows() {
    const rows = this.found.values.map((value, k) => [k + 1, value, within(this.found.vectors[k], this.tangent)]);
    return [["eigenvector", "eigenvalue", "share in the five directions"], ...rows];
  }

  // After whatever the reader changed.
  changed(moved) {
    this.five = possible(this.five, moved);
    this.place();
    this.look();
  }

  // The disc, its five directions and everything that is known without the network.
  place() {
    const { x, five, waves } = drawn(this.five);
    this.x = x;
    this.directions = five.map((v) => v.map((one) => one / Math.sqrt(dot(v, v))));
    this.tangent = orthonormal(five);
    this.waves = orthonormal([...five, ...waves]).slice(5);
    const [across, down, radius, level, ground] = this.five;
    const style = this.stage.style;
    for (const [name, value] of Object.entries({ x: across, y: down, r: radius })) style.setProperty(`--${name}`, value / size);
    this.handles[0].ariaLabel = `Centre of the disc: ${across.toFixed(1)} across, ${down.toFixed(1)} down, in pixels`;
    this.handles[1].ariaLabel = `Edge of the disc: radius ${radius.toFixed(1)} pixels`;
    this.canvas.ariaLabel = `A disc of grey ${level.toFixed(2)} on ${ground.toFixed(2)}`;
    [level, ground].forEach((v, k) => this.levels[k].set(Math.round(20 * v)));
    paint(this.canvas, x);
    this.draw();
  }

  look() {
    this.linked();
    this.kept.classList.add("live-stale");
    this.work(() => this.basis());
  }

  async basis() {
    await this.wake();
    const { x, five } = this;
    const z = gaussian(0, d);
    const y = x.map((v, i) => v + SIGMAS[this.sigma] * z[i]);
    const asked = { network: spec(this.network()), y, sigma: +SIGMAS[this.sigma], k: COUNT, tolerance: 0.003 };
    const found = await this.ask("basis", asked, (heard) => heard.name && this.bar(heard));
    if (!found || this.next || five !== this.five) return;
    const turned = (e, k) => (dot(e, this.found.vectors[k]) < 0 ? e.map((v) => -v) : e); // as the one before it swung
    this.found = { values: [...found.values], vectors: found.vectors.map(turned) };
    this.y = y;
    this.kept.classList.remove("live-stale");
    this.conclude();
  }

  conclude() {
    const { values, vectors } = this.found;
    const [first, next] = [vectors.slice(0, 5), vectors.slice(5)];
    const known = orthonormal(first);
    this.shares = { first: alignment(first, this.tangent), next: alignment(next, this.tangent), waves: alignment(next, this.waves) };
    const caption = (tile, ...text) => {
      tile.lastChild.replaceChildren(...text);
      tile.firstChild.ariaLabel = tile.lastChild.textContent;
    };
    this.tiles.five.forEach((tile, k) => caption(tile, bold(NAMES[k]), ` ${within(this.directions[k], known).toFixed(2)}`));
    this.tiles.vectors.forEach((tile, k) => caption(tile, bold(`${k + 1}`), ` λ = ${values[k].toFixed(2)}`));
    const { first: found, next: other, waves } = this.shares;
    const range = [values[5], values.at(-1)].map((v) => v.toFixed(2)).join(" to ");
    this.words.textContent = `The five directions to other discs: the network's first five eigenvectors lie in them to ${found.toFixed(2)} (below each of the five, its own share). Its next five, which it still multiplies by ${range}, lie in them to ${other.toFixed(2)}, and to ${waves.toFixed(2)} in waves along the contour: what they make is no disc.`;
    this.draw();
    this.el.result = { parameters: this.five, sigma: +SIGMAS[this.sigma], y: this.y, values, vectors, shares: this.shares };
  }

  // Drawing ----------------------------------------------------------------------------------------------------------

  toggle(moving) {
    this.moving = moving;
    this.play.textContent = moving ? "Pause: show the directions" : "Play: show what they do";
    this.animate();
  }

  animate() {
    if (!this.running) this.running = requestAnimationFrame((now) => this.frame(now));
  }

  frame(now) {
    this.running = null;
    this.draw(now / 1000);
    this.el.frames++;
    if (this.moving && this.visible) this.animate();
  }

  // What moves is the disc; what stands still is the direction itself, blue below zero and red above.
  draw(seconds = performance.now() / 1000) {
    const { five, vectors: tiles } = this.tiles;
    const all = [...this.directions.map((e, k) => [five[k], e]), ...this.found.vectors.map((e, k) => [tiles[k], e])];
    const [contrast, share] = [Math.abs(this.five[3] - this.five[4]), Math.sin((2 * Math.PI * seconds) / PERIOD)];
    for (const [tile, e] of all)
      if (this.moving) deform(tile.firstChild, this.x, e, contrast, share);
      else paint(tile.firstChild, e, signed(e));
  }
}

// x + t e; share: of the longest way, from -1 to 1.
function deform(canvas, x, e, contrast, share) {
  const most = e.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const t = share * Math.min(STEP, (SWING * contrast) / most);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const { data } = (canvas.image ??= context.createImageData(size, size));
  x.forEach((v, i) => {
    data[4 * i] = data[4 * i + 1] = data[4 * i + 2] = 255 * (v + t * e[i]);
    data[4 * i + 3] = 255;
  });
  context.putImageData(canvas.image, 0, 0);
}

bring("disc", Disc);
