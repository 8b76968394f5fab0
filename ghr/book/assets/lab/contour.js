// Images of two regular regions along a regular contour, drawn here: what a network makes of them with noise, and what
// wavelets do, which follow no contour; and both again for a contour that is rougher or smoother, all else being equal.
// What was found is at hand in the console as `document.querySelector("[data-script=contour]").result`.
import { bring, linked, make, place, slider } from "../figure.js";
import { Asking, bold, buttons, sliders } from "./asking.js";
import { decibels, levels, paint, size, spec } from "./engine.js";
import { normal, psnr, thresholded, uniform } from "./maths.js";

const d = size ** 2;
const [TEXTURE, BEND, OFFSET, CONTRAST] = [0.1, 0.1, 0.2, 0.1]; // those of ghr.images.synthetic
const REGULAR = ["1", "1.25", "1.5", "1.75", "2", "2.5", "3", "4", "5"]; // regularities to choose from
const SIGMAS = levels(["0.02", "0.05", "0.10", "0.15", "0.20", "0.30", "0.40", "0.50"]);
const [WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM] = [460, 170, 44, 12, 70, 38]; // of the curves, in their own units

// Everything in an image and its noise that is left to chance, in the order of ghr.images.synthetic.c_alpha.
function drawn(seed) {
  const next = uniform(seed);
  return {
    field: [normal(next, d), normal(next, d)],
    levels: [next(), next(), next()],
    waves: [normal(next, 2 * size - 1), normal(next, 2 * size - 1)],
    angle: next(),
    offset: next(),
    noise: normal(next, d),
  };
}

// The real and the imaginary part of a Fourier sum of white noise times |w|^-e: one texture for each region.
function fields([re, im], exponent) {
  const turns = Array.from({ length: size }, (_, k) => [Math.cos, Math.sin].map((wave) => wave((2 * Math.PI * k) / size)));
  const cycles = (k) => (k < size / 2 ? k : k - size);
  const damp = Float64Array.from(re, (_, i) => Math.max(1, Math.hypot(cycles(i % size), cycles(Math.floor(i / size)))) ** -exponent);
  const scale = TEXTURE / (size * Math.sqrt(damp.reduce((sum, v) => sum + v ** 2, 0) / d));
  let found = [re, im].map((part) => part.map((v, i) => v * damp[i] * scale));
  for (const [far, near] of [[1, size], [size, 1]]) { // along rows, then along columns
    const sums = [new Float64Array(d), new Float64Array(d)];
    for (let line = 0; line < size; line++)
      for (let to = 0; to < size; to++)
        for (let from = 0; from < size; from++) {
          const [c, s] = turns[(to * from) % size];
          const [a, b] = found.map((part) => part[line * near + from * far]);
          sums[0][line * near + to * far] += c * a - s * b;
          sums[1][line * near + to * far] += s * a + c * b;
        }
    found = sums;
  }
  return found;
}

// Heights of the contour, pixels, at each pixel of a line of four sides.
function line([re, im], exponent) {
  const length = 4 * size;
  const damp = Float64Array.from(re, (_, k) => ((k + 1) / 4) ** -exponent);
  const scale = (BEND * size) / Math.hypot(...damp);
  return Float64Array.from({ length }, (_, t) => {
    const angle = (k) => (2 * Math.PI * (k + 1) * t) / length;
    return scale * damp.reduce((sum, v, k) => sum + v * (re[k] * Math.cos(angle(k)) - im[k] * Math.sin(angle(k))), 0);
  });
}

// An image of regions of one regularity along a contour of another: ghr.images.synthetic.c_alpha.
function scene(chance, alpha, contour) {
  const [difference, low, order] = [1 - (1 - CONTRAST) * Math.sqrt(chance.levels[0]), ...chance.levels.slice(1)];
  const darker = (1 - difference) * low;
  const [top, bottom] = order < 0.5 ? [darker, darker + difference] : [darker + difference, darker];
  const [above, below] = fields(chance.field, alpha);
  const bend = line(chance.waves, contour);
  const [cos, sin] = [Math.cos, Math.sin].map((wave) => wave(2 * Math.PI * chance.angle));
  const offset = size * OFFSET * (2 * chance.offset - 1);
  return Float32Array.from(above, (_, i) => {
    const [across, down] = [i % size, Math.floor(i / size)].map((x) => x - (size - 1) / 2);
    const [u, v] = [cos * across + sin * down, cos * down - sin * across - offset];
    const at = u + bend.length / 2;
    const left = Math.floor(at);
    const slope = bend[left + 1] - bend[left];
    const height = bend[left] + (at - left) * slope;
    const box = Math.abs(cos - slope * sin) + Math.abs(sin + slope * cos); // a pixel's box, seen along the slope
    const share = Math.min(1, Math.max(0, (v - height) / box + 0.5));
    return (1 - share) * (bottom + below[i]) + share * (top + above[i]);
  });
}

class Contour extends Asking {
  constructor(el) {
    super(el, "a network", "Draw such images");
    this.trained = Object.entries(this.told.sets)
      .map(([text, name]) => ({ text, name, set: this.sets.find((set) => set.name === name) }))
      .filter(({ set }) => set);
    const view = linked(el);
    const or = (k, other) => (k < 0 ? other : k);
    this.alpha = or(place(REGULAR, view.alpha), REGULAR.indexOf("3"));
    this.contour = or(place(REGULAR, view.contour), REGULAR.length - 1);
    this.sigma = or(place(SIGMAS, view.sigma), SIGMAS.indexOf("0.30"));
    const named = (wanted) => this.trained.findIndex(({ name }) => name === wanted);
    this.who = Math.max(0, or(named(view.network), named(this.told.first)));
    this.seed = /^\d{1,9}$/.test(view.seed) ? +view.seed : 0;
  }

  // Elements ---------------------------------------------------------------------------------------------------------

  build() {
    this.tiles = Object.fromEntries(["clean", "noisy", "network", "wavelets"].map((name) => [name, this.tile(name === "network" ? "A" : "")]));
    const grid = make("div", { className: "explorer-tiles live-many" }, ...Object.values(this.tiles));
    grid.style.setProperty("--columns", 4);
    this.curves = make("div");
    this.words = make("p", { className: "explorer-words" });
    this.words.setAttribute("aria-live", "polite");
    this.stage = make("div", {}, grid, this.curves, this.words);
    const chosen = (name) => (k) => {
      this[name] = k;
      this.look();
    };
    const moved = [
      slider("regularity of the contour", REGULAR, this.contour, chosen("contour")),
      slider("regularity of the regions, α", REGULAR, this.alpha, chosen("alpha")),
      slider("noise, σ", SIGMAS, this.sigma, chosen("sigma")),
      slider("network of images with", this.trained.map(({ text }) => text), this.who, chosen("who")),
    ];
    const fresh = this.button("New image", () => {
      this.seed++;
      this.look();
    });
    this.lay(buttons(fresh), sliders(...moved));
    this.el.querySelector("input").focus({ preventScroll: true });
  }

  state() {
    const { name } = this.trained[this.who];
    return { seed: this.seed, alpha: REGULAR[this.alpha], contour: REGULAR[this.contour], sigma: SIGMAS[this.sigma], network: name };
  }

  rows() {
    const rows = this.found.flatMap(({ quality }, k) => [[REGULAR[k], quality.noisy, quality.network, quality.wavelets]]);
    return [["regularity of the contour", "noisy (dB)", "network (dB)", "wavelets (dB)"], ...rows];
  }

  show(name, title, values) {
    const [canvas, caption] = this.tiles[name].children;
    caption.replaceChildren(...title);
    canvas.ariaLabel = caption.textContent;
    paint(canvas, values);
  }

  // Curves over the contours that were asked for; behind the last point of each stands whose it is.
  draw() {
    const known = REGULAR.map((text, k) => ({ x: LEFT + ((text - 1) / 4) * (WIDTH - LEFT - RIGHT), k })).filter(({ k }) => this.found[k]);
    const levels = known.flatMap(({ k }) => [this.found[k].quality.network, this.found[k].quality.wavelets]);
    const [least, most] = [Math.floor(Math.min(...levels) - 0.2), Math.ceil(Math.max(...levels) + 0.2)];
    const up = (v) => TOP + ((most - v) / (most - least)) * (HEIGHT - TOP - BOTTOM);
    const [floor, step] = [HEIGHT - BOTTOM, most - least > 5 ? 2 : 1];
    const text = (x, y, anchor, what) => `<text x="${x}" y="${y}" text-anchor="${anchor}">${what}</text>`;
    const parts = [`<path d="M${LEFT} ${TOP}V${floor}H${WIDTH - RIGHT}"/>`];
    for (let k = 1; k <= 5; k++) parts.push(text(LEFT + ((k - 1) / 4) * (WIDTH - LEFT - RIGHT), floor + 14, "middle", k));
    for (let v = least; v <= most; v += step) parts.push(text(LEFT - 9, up(v) + 4, "end", v));
    parts.push(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "middle", "regularity of the contour"));
    parts.push(`<text transform="translate(12 ${(TOP + floor) / 2}) rotate(-90)" text-anchor="middle">PSNR (dB)</text>`);
    for (const name of ["network", "wavelets"]) {
      const points = known.map(({ x, k }) => [x.toFixed(1), up(this.found[k].quality[name]).toFixed(1)]);
      const [end, here] = [points.at(-1), points[known.findIndex(({ k }) => k === this.contour)]];
      parts.push(`<g class="live-${name}"><path class="explorer-line" d="M${points.map((point) => point.join(" ")).join("L")}"/>`);
      parts.push(`<circle r="5" cx="${here[0]}" cy="${here[1]}"/>${text(+end[0] + 9, +end[1] + 4, "start", name)}</g>`);
    }
    this.curves.innerHTML = `<svg class="explorer-curve" viewBox="0 0 ${WIDTH} ${HEIGHT}" aria-hidden="true">${parts.join("")}</svg>`;
  }

  // What is found ----------------------------------------------------------------------------------------------------

  ready() {
    this.look();
  }

  look() {
    this.linked();
    this.work(() => this.compare());
  }

  // Answers to one scene; those of other contours are kept as long as only the contour moves.
  async compare() {
    const { seed, alpha, sigma, network } = this.state();
    const scenes = [seed, alpha, sigma, network].join();
    if (this.scenes !== scenes) [this.scenes, this.found, this.chance] = [scenes, [], drawn(seed)];
    const { contour } = this;
    const { text, set } = this.trained[this.who];
    const asked = { network: spec(this.network(set)), sigma: +sigma, alpha: +alpha };
    this.found[contour] ??= await this.answer({ ...asked, contour: +REGULAR[contour] });
    const { x, y, answer, wavelets, quality } = this.found[contour];
    this.show("clean", [bold("clean")], x);
    this.show("noisy", [bold("noisy"), ` ${decibels(quality.noisy)}`], y);
    this.show("network", [bold("network"), ` ${decibels(quality.network)}`], answer);
    this.show("wavelets", [bold("wavelets"), ` ${decibels(quality.wavelets)}`], wavelets);
    this.draw();
    for (const [k, other] of REGULAR.entries()) {
      if (this.next) return;
      this.found[k] ??= await this.answer({ ...asked, contour: +other });
    }
    this.draw();
    const [rough, smooth] = [this.found[0].quality, this.found.at(-1).quality];
    const gains = Object.fromEntries(["network", "wavelets"].map((name) => [name, smooth[name] - rough[name]]));
    const told = (v) => `${v < -0.05 ? "−" : "+"}${decibels(Math.abs(v))}`;
    this.words.textContent = `Regions of α = ${alpha}, contour of ${REGULAR[contour]}, σ = ${sigma}: the network of images with ${text} makes ${decibels(quality.network)}, wavelets ${decibels(quality.wavelets)}. The same image with a contour of ${REGULAR.at(-1)} in place of ${REGULAR[0]}: ${told(gains.network)} for the network, ${told(gains.wavelets)} for wavelets.`;
    this.el.result = { ...this.state(), x, y, answer, wavelets, quality, gains, chance: this.chance, curves: this.found.map((one) => one.quality) };
  }

  async answer({ network, sigma, alpha, contour }) {
    const x = scene(this.chance, alpha, contour);
    const y = x.map((v, i) => v + sigma * this.chance.noise[i]);
    const answer = await this.ask("denoise", { network, y, sigma });
    const wavelets = thresholded(y, sigma);
    const quality = { noisy: psnr(x, y), network: psnr(x, answer), wavelets: psnr(x, wavelets) };
    return { x, y, answer, wavelets, quality };
  }
}

bring("contour", Contour);
