// A world of images of two pixels: training images are dragged on a plane, particles flow to the best denoiser's answer.
// Its numbers are at hand in the console as `document.querySelector("[data-script=plane]").live`.
import { bring, called, link, linked, make, tools } from "./figure.js";

const COUNT = 220; // particles of a panel
const TRAIL = 10; // of their last places
const [LOW, HIGH] = [-0.12, 1.12]; // what is seen of the plane, in image units
const RATE = 1.4; // of the flow dy/dt = RATE (f(y) - y), per second
const [FEWEST, MOST] = [1, 12]; // training images
const NEAR = 26; // how far from a point a finger may be, in dots of the page

// The mean of training images, each weighted by how likely it is behind y: ghr.references.EmpiricalDenoiser.
function denoise([a, b], sigma, points) {
  let nearest = Infinity;
  for (const [p, q] of points) nearest = Math.min(nearest, (a - p) ** 2 + (b - q) ** 2);
  let [total, first, second] = [0, 0, 0];
  for (const [p, q] of points) {
    const weight = Math.exp((nearest - (a - p) ** 2 - (b - q) ** 2) / (2 * sigma ** 2));
    total += weight;
    first += weight * p;
    second += weight * q;
  }
  return [first / total, second / total];
}

function flow(y, sigma, points, share) {
  const answer = denoise(y, sigma, points);
  return [y[0] + share * (answer[0] - y[0]), y[1] + share * (answer[1] - y[1])];
}

const distance = ([a, b], [p, q]) => Math.hypot(a - p, b - q);
const between = (low, x, high) => Math.min(high, Math.max(low, x));
const mean = (points) => [0, 1].map((k) => points.reduce((sum, x) => sum + x[k], 0) / points.length);
const lattice = (side) =>
  Array.from({ length: side ** 2 }, (_, i) =>
    [i % side, Math.floor(i / side)].map((k) => LOW + ((k + 0.5) / side) * (HIGH - LOW)),
  );

// Where the flow ends, from everywhere.
function ends(sigma, points) {
  const found = [];
  for (let y of [...lattice(9), ...points]) {
    for (let step = 0; step < 150; step++) y = flow(y, sigma, points, 0.3);
    if (!found.some((other) => distance(y, other) < 0.03)) found.push(y);
  }
  return found;
}

// What is seen at a noise level, in a sentence.
function seen(sigma, points) {
  const found = ends(sigma, points);
  const learned = found.filter((y) => points.some((x) => distance(x, y) < 0.03)).length;
  if (points.length === 1) return "there is one training image, and everything falls into it.";
  if (found.length === 1)
    return distance(found[0], mean(points)) < 0.03
      ? `everything flows to one place, the mean of all ${points.length} images.`
      : "everything flows to one place, an average of images.";
  if (learned === found.length)
    return learned === points.length
      ? `everything falls into one of the ${learned} training images: they are known by heart.`
      : `everything falls into one of ${learned} of the ${points.length} training images.`;
  const others = found.length - learned;
  return `everything flows to ${found.length} places: ${learned || "none"} of them ${learned === 1 ? "is a training image" : "are training images"}, ${others} ${others === 1 ? "is an average" : "are averages"} of several.`;
}

// One noise level ----------------------------------------------------------------------------------------------------

class Panel {
  constructor(figure, side, sigma) {
    Object.assign(this, { figure, side, sigma });
    this.canvas = make("canvas", { className: "dark-light", role: "img" });
    this.box = make("div", { className: "live-box" }, this.canvas);
    this.words = make("p");
    this.output = make("output", { ariaHidden: "true" });
    this.slider = make("input", { type: "range", min: -1.7, max: 0, step: 0.02, ariaLabel: `noise on the ${side}, σ` });
    this.slider.value = Math.log10(sigma);
    this.slider.addEventListener("input", () => {
      this.sigma = 10 ** this.slider.value;
      figure.changed();
    });
    const label = make("label", {}, make("span", { textContent: "noise, σ" }), this.output, this.slider);
    this.element = make("div", {}, this.box, this.words, make("div", { className: "explorer-sliders" }, label));
    this.particles = Array.from({ length: COUNT }, () => this.born(4 * Math.random()));
  }

  born(age = 0) {
    const y = [Math.random(), Math.random()].map((x) => LOW + x * (HIGH - LOW));
    return { y, age, life: 3 + 2 * Math.random(), trail: [] };
  }

  move(seconds) {
    const share = 1 - Math.exp(-RATE * seconds);
    this.particles = this.particles.map((one) => {
      if ((one.age += seconds) > one.life) return this.born();
      one.trail.push(one.y);
      if (one.trail.length > TRAIL) one.trail.shift();
      one.y = flow(one.y, this.sigma, this.figure.points, share);
      return one;
    });
  }

  // From image units to dots of the canvas, whose second axis points down.
  at([a, b]) {
    const unit = this.canvas.width / (HIGH - LOW);
    return [(a - LOW) * unit, (HIGH - b) * unit];
  }

  // Shades of the density of noisy images, up to a factor; made again when it changes.
  shade(ink) {
    const side = 62;
    this.density ??= new OffscreenCanvas(side, side);
    const context = this.density.getContext("2d");
    const { points } = this.figure;
    const heights = lattice(side).map((y) =>
      points.reduce((sum, x) => sum + Math.exp(-(distance(x, y) ** 2) / (2 * this.sigma ** 2)), 0),
    );
    const highest = Math.max(...heights);
    context.clearRect(0, 0, side, side);
    context.fillStyle = ink;
    heights.forEach((height, i) => {
      context.globalAlpha = (0.22 * height) / highest;
      context.fillRect(i % side, side - 1 - Math.floor(i / side), 1, 1);
    });
    this.shaded = true;
  }

  draw(colours) {
    const { canvas, figure } = this;
    const context = canvas.getContext("2d");
    const dot = canvas.width / this.box.clientWidth || 1; // dots of the canvas for one of the page
    if (!this.shaded) this.shade(colours.ink);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(this.density, 0, 0, canvas.width, canvas.height);
    context.lineWidth = dot;
    context.strokeStyle = colours.line;
    const [left, top] = this.at([0, 1]);
    context.strokeRect(left, top, this.at([1, 0])[0] - left, this.at([1, 0])[1] - top);
    context.fillStyle = colours.muted;
    context.font = `${11 * dot}px sans-serif`;
    context.fillText("first pixel →", left, this.at([0, 0])[1] + 13 * dot);
    context.save();
    context.rotate(-Math.PI / 2);
    context.fillText("second pixel →", -this.at([0, 0])[1], left - 5 * dot);
    context.restore();

    figure.points.forEach((x, k) => this.swatch(context, x, dot, colours, k === figure.held));
    const [across, down] = this.at(mean(figure.points));
    context.strokeStyle = colours.muted;
    context.beginPath();
    for (const [p, q] of [[-1, -1], [1, 1], [-1, 1], [1, -1]])
      context[p === -1 ? "moveTo" : "lineTo"](across + 5 * p * dot, down + 5 * q * dot);
    context.stroke();
    context.fillStyle = colours.muted;
    context.fillText("mean", across + 9 * dot, down + 4 * dot);

    const paths = figure.moving ? this.particles.map(({ y, trail }) => [...trail, y]) : this.streams();
    context.strokeStyle = context.fillStyle = colours.flow;
    context.globalAlpha = 0.35;
    context.beginPath();
    for (const path of paths) path.forEach((y, i) => context[i ? "lineTo" : "moveTo"](...this.at(y)));
    context.stroke();
    context.globalAlpha = 0.85;
    for (const path of paths) {
      const [a, b] = this.at(path.at(-1));
      context.fillRect(a - 1.25 * dot, b - 1.25 * dot, 2.5 * dot, 2.5 * dot);
    }
    context.globalAlpha = 1;
  }

  // Where nothing moves: whole ways, from all over the plane.
  streams() {
    return lattice(13).map((y) => {
      const way = [y];
      for (let step = 0; step < 60; step++) way.push(flow(way.at(-1), this.sigma, this.figure.points, 0.1));
      return way;
    });
  }

  // A training image: its point, and over it what it is, two pixels.
  swatch(context, x, dot, colours, held) {
    const [a, point] = this.at(x);
    const [side, b] = [10 * dot, point - 15 * dot];
    context.lineWidth = (held ? 3.5 : 2) * dot;
    context.strokeStyle = colours.training;
    context.beginPath();
    context.arc(a, point, 6 * dot, 0, 2 * Math.PI);
    context.stroke();
    x.forEach((level, k) => {
      context.fillStyle = `rgb(${Array(3).fill(Math.round(255 * level))})`;
      context.fillRect(a + (k - 1) * side, b - side / 2, side, side);
    });
    context.strokeRect(a - side, b - side / 2, 2 * side, side);
  }

  say() {
    const sigma = this.sigma.toFixed(2);
    this.output.textContent = sigma;
    this.slider.setAttribute("aria-valuetext", sigma);
    const sentence = `σ = ${sigma}: ${seen(this.sigma, this.figure.points)}`;
    this.words.textContent = sentence;
    this.canvas.ariaLabel = `Plane of two pixels with training images and particles. ${sentence}`;
    return sentence;
  }
}

// The figure ---------------------------------------------------------------------------------------------------------

class Plane {
  constructor(el) {
    this.el = el;
    this.told = JSON.parse(el.querySelector("script").textContent);
    const { left, right, points = "" } = linked(el);
    const numbers = points.split("_").map(Number);
    const given = numbers.length > 1 && numbers.every((x) => x >= 0 && x <= 1); // none is a number below 0, above 1
    this.points = given
      ? Array.from({ length: Math.min(MOST, numbers.length >> 1) }, (_, k) => numbers.slice(2 * k, 2 * k + 2))
      : structuredClone(this.told.points);
    const sigmas = [left, right].map((sigma, k) => (sigma >= 0.02 && sigma <= 1 ? +sigma : this.told.sigmas[k]));
    this.panels = ["left", "right"].map((side, k) => new Panel(this, side, sigmas[k]));
    this.moving = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.stage = make("div", { className: "live-planes" }, ...this.panels.map(({ element }) => element));
    this.words = make("p", { className: "live-heard" });
    this.words.setAttribute("aria-live", "polite");
    this.play = this.button("Pause", () => this.toggle(!this.moving));
    this.more = this.button("Add an image", () => this.add());
    this.fewer = this.button("Remove one", () => this.remove());
    const again = this.button("Start again", () => this.restart());
    const buttons = make("p", { className: "live-buttons" }, this.play, this.more, this.fewer, again);
    el.replaceChildren(this.stage, this.words, buttons);
    tools(el, this.stage, () => called(el, { ...this.state(), points: this.points.length }));
    this.handles = make("div", { className: "live-handles", role: "application" });
    this.handles.ariaLabel = "Training images: arrow keys move the one in focus";
    this.panels[0].box.append(this.handles);
    this.panels.forEach((panel) => this.draggable(panel));
    new ResizeObserver(() => this.fit()).observe(this.stage);
    new IntersectionObserver(([{ isIntersecting }]) => ((this.visible = isIntersecting), this.wake())).observe(el);
    new MutationObserver(() => this.redraw(true)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    el.live = { denoise: (y, sigma) => denoise(y, sigma, this.points), points: () => this.points, frames: 0 };
    this.fit();
    this.toggle(this.moving);
    this.changed(false);
  }

  button(textContent, act) {
    const made = make("button", { type: "button", textContent });
    made.addEventListener("click", act);
    return made;
  }

  state() {
    const [left, right] = this.panels.map(({ sigma }) => sigma.toFixed(3));
    return { left, right, points: this.points.map((x) => x.map((v) => v.toFixed(2)).join("_")).join("_") };
  }

  // After whatever the reader changed.
  changed(theirs = true) {
    const sentences = this.panels.map((panel) => panel.say());
    clearTimeout(this.later); // nobody listens to a sentence for each dot of a slider
    this.later = setTimeout(() => (this.words.textContent = `Left, ${sentences[0]} Right, ${sentences[1]}`), 500);
    this.place();
    this.more.disabled = this.points.length >= MOST;
    this.fewer.disabled = this.points.length <= FEWEST;
    this.redraw(true);
    if (theirs) link(this.el, this.state());
  }

  // Handles by which a keyboard takes hold of training images; pointers take hold of the canvas.
  place() {
    while (this.handles.childElementCount > this.points.length) this.handles.lastChild.remove();
    while (this.handles.childElementCount < this.points.length) {
      const k = this.handles.childElementCount;
      const handle = make("button", { type: "button", className: "live-handle" });
      handle.addEventListener("keydown", (event) => this.pressed(event, k));
      this.handles.append(handle);
    }
    this.points.forEach(([a, b], k) => {
      const handle = this.handles.children[k];
      handle.ariaLabel = `Training image ${k + 1}: first pixel ${a.toFixed(2)}, second pixel ${b.toFixed(2)}`;
      handle.style.left = `${(100 * (a - LOW)) / (HIGH - LOW)}%`;
      handle.style.top = `${(100 * (HIGH - b)) / (HIGH - LOW)}%`;
    });
  }

  pressed(event, k) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (move) this.set(k, this.points[k].map((x, i) => x + move[i] * (event.shiftKey ? 0.1 : 0.02)));
    else if (event.key === "Delete") {
      this.remove(k);
      this.handles.children[Math.min(k, this.points.length - 1)].focus();
    } else return;
    event.preventDefault();
  }

  set(k, x) {
    this.points[k] = x.map((v) => between(0, v, 1));
    this.changed();
  }

  // Where there is most room.
  add() {
    const room = (y) => Math.min(...this.points.map((x) => distance(x, y)), ...y.map((v) => 2 * Math.min(v, 1 - v)));
    this.points.push(lattice(25).reduce((best, y) => (room(y) > room(best) ? y : best)));
    this.changed();
  }

  remove(k = this.points.length - 1) {
    if (this.points.length <= FEWEST) return;
    this.points.splice(k, 1);
    this.changed();
  }

  restart() {
    this.points = structuredClone(this.told.points);
    this.panels.forEach((panel, k) => {
      panel.sigma = this.told.sigmas[k];
      panel.slider.value = Math.log10(panel.sigma);
    });
    this.changed();
  }

  draggable({ canvas }) {
    const where = ({ clientX, clientY }) => {
      const { left, top, width } = canvas.getBoundingClientRect();
      const unit = width / (HIGH - LOW);
      return { unit, y: [(clientX - left) / unit + LOW, HIGH - (clientY - top) / unit] };
    };
    const close = (event) => {
      const { unit, y } = where(event);
      const all = this.points.map((x) => distance(x, y) * unit);
      const k = all.indexOf(Math.min(...all));
      return all[k] < NEAR ? k : undefined;
    };
    canvas.addEventListener("pointerdown", (event) => {
      this.held = close(event);
      if (this.held === undefined) return;
      canvas.setPointerCapture(event.pointerId);
      this.redraw();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.held !== undefined) this.set(this.held, where(event).y);
      else canvas.style.cursor = close(event) === undefined ? "" : "grab";
    });
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, () => {
        this.held = undefined;
        this.redraw();
      });
    // a finger on a training image moves it; anywhere else it moves the page
    const still = (event) => close(event.touches[0]) !== undefined && event.preventDefault();
    canvas.addEventListener("touchstart", still, { passive: false });
  }

  // Drawing ----------------------------------------------------------------------------------------------------------

  fit() {
    for (const { canvas, box } of this.panels) {
      const side = Math.round(box.clientWidth * Math.min(2, devicePixelRatio));
      if (side && canvas.width !== side) canvas.width = canvas.height = side;
    }
    this.redraw();
  }

  redraw(anew = false) {
    if (anew) this.panels.forEach((panel) => (panel.shaded = false));
    if (!this.running) this.running = requestAnimationFrame((now) => this.frame(now));
  }

  toggle(moving) {
    this.moving = moving;
    this.play.textContent = moving ? "Pause" : "Play";
    this.wake();
  }

  wake() {
    this.before = undefined;
    this.redraw();
  }

  frame(now) {
    this.running = null;
    const style = getComputedStyle(this.el);
    const colour = (name) => style.getPropertyValue(`--explorer-${name}`);
    const colours = Object.fromEntries(["ink", "muted", "line", "training", "flow"].map((name) => [name, colour(name)]));
    const seconds = Math.min(0.05, (now - (this.before ?? now)) / 1000);
    this.before = now;
    for (const panel of this.panels) {
      if (this.moving) panel.move(seconds);
      panel.draw(colours);
    }
    this.el.live.frames++;
    if (this.moving && this.visible) this.redraw();
  }
}

bring("plane", Plane);
