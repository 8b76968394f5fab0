// Two networks without a common training image draw from one noise: the reader guesses what they draw, then sees it.
// What was drawn is at hand in the console as `document.querySelector("[data-script=draw]").result`.
import { bring, linked, make, place, slider } from "../figure.js";
import { Asking, bold, buttons, named, sliders } from "./asking.js";
import { floats, list, paint, quiet, size, spec } from "./engine.js";
import { DEFAULTS, gaussian, rho } from "./maths.js";

const d = size ** 2;
const FIRST = 10; // training images of the first question
const BLENDS = Array.from({ length: 21 }, (_, k) => (k / 20).toFixed(2));

class Draw extends Asking {
  constructor(el) {
    super(el, "two networks", "Draw from a noise of your own");
    const { networks } = this.set;
    this.pairs = networks
      .filter(({ half, width }) => half === "A" && width === networks[0].width)
      .map((a) => [a, networks.find((b) => b.half === "B" && b.n === a.n && b.width === a.width)])
      .filter((pair) => pair.every(Boolean));
    this.texts = this.pairs.map(([{ n }]) => n.toLocaleString("en"));
    const view = linked(el);
    this.n = Math.max(0, place(this.texts, view.n ?? `${FIRST}`));
    this.seed = /^\d{1,9}$/.test(view.seed) ? +view.seed : 0;
    this.blend = Math.max(0, place(BLENDS, view.blend));
    [this.right, this.guesses] = [0, 0];
  }

  async load() {
    this.mean = await floats(this.asks, this.set.mean, this.bar);
    this.noises = await floats(this.asks, this.set.starts, this.bar);
  }

  // Noise of a seed, as a difference from the mean: those of the chapters first, then others of the same law, of which
  // each is a sum of theirs with random weights whose squares sum to 1.
  noise(seed) {
    const row = (k) => this.noises.subarray(k * d, (k + 1) * d).map((v, i) => v - this.mean[i]);
    if (seed < list.seeds) return row(seed);
    const weights = gaussian(seed, list.seeds);
    const norm = Math.hypot(...weights);
    return weights.reduce((sum, w, k) => row(k).map((v, i) => sum[i] + (w / norm) * v), new Float32Array(d));
  }

  // Where both begin: a noise turned towards the next, by angle, so that every blend has the same law.
  begins() {
    const angle = (BLENDS[this.blend] * Math.PI) / 2;
    const [here, next] = [this.noise(this.seed), this.noise(this.seed + 1)];
    return here.map((v, i) => this.mean[i] + Math.cos(angle) * v + Math.sin(angle) * next[i]);
  }

  // Elements ---------------------------------------------------------------------------------------------------------

  build() {
    this.tiles = make("div", { className: "explorer-tiles" });
    this.tiles.style.setProperty("--columns", 3);
    this.words = make("p", { className: "explorer-words" });
    this.words.setAttribute("aria-live", "polite");
    this.stage = make("div", {}, this.tiles, this.words);
    for (const half of ["", "A", "B", null, "A", "B"]) this.tiles.append(half === null ? make("div") : this.tile(half));
    this.one = this.button("One image", () => this.guessed("one"));
    this.two = this.button("Two images", () => this.guessed("two"));
    const fresh = this.button("New noise", () => {
      this.seed++;
      this.turn.set((this.blend = 0));
      this.ready();
    });
    const number = slider(named(this.pairs[0][0].n) ? "denoisers" : "training images in each half", this.texts, this.n, (k) => {
      this.n = k;
      this.ready();
    });
    this.turn = slider("from this noise to the next", BLENDS, this.blend, (k) => {
      this.blend = k;
      this.guess ? this.draw() : this.ready();
    });
    const guesses = buttons(make("span", { textContent: "My guess:" }), this.one, this.two, fresh);
    this.lay(guesses, sliders(number, this.turn));
    this.one.focus({ preventScroll: true });
  }

  rows() {
    const { rho, nearest } = this.el.result ?? {};
    const names = ["N", "seed", "blend", "rho of A and B", "nearest in A", "nearest in B"];
    return [names, [...Object.values(this.state()), rho, ...(nearest ?? []).map((x) => x?.rho)]];
  }

  state() {
    return { n: this.texts[this.n].replaceAll(",", ""), seed: this.seed, blend: BLENDS[this.blend] };
  }

  show(k, title, values) {
    const [canvas, caption] = this.tiles.children[k].children;
    caption.replaceChildren(...title);
    canvas.ariaLabel = values ? caption.textContent : `${caption.textContent}: not yet drawn`;
    if (values) return paint(canvas, values);
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, size, size);
    context.fillStyle = getComputedStyle(caption).color;
    Object.assign(context, { font: `${size / 2}px sans-serif`, textAlign: "center", textBaseline: "middle" });
    context.fillText("?", size / 2, size / 2);
  }

  press() {
    this.one.setAttribute("aria-pressed", this.guess === "one");
    this.two.setAttribute("aria-pressed", this.guess === "two");
    this.turn.element.querySelector("input").disabled = !this.guess; // else it would show two question marks and no more
    this.linked();
  }

  // The question -----------------------------------------------------------------------------------------------------

  ready() {
    this.guess = null;
    this.el.result = null;
    this.press();
    this.show(0, [bold("noise"), " for both"], this.begins());
    ["A", "B"].forEach((half, i) => {
      this.show(1 + i, [bold(`${half} draws`)], null);
      this.show(4 + i, [bold(`nearest in ${half}`)], null);
    });
    const [{ n }] = this.pairs[this.n];
    const many = `Each network has seen ${this.texts[this.n]} ${n === 1 ? "image" : "images"}, and none that the other has seen.`;
    const who = named(n) ? `Two denoisers, “${n}”.` : many;
    this.words.textContent = `${who} Both begin with the noise on the left. Will they draw one and the same new image, or two? Guess.`;
  }

  guessed(guess) {
    if (this.guess) return;
    [this.guess, this.counts] = [guess, true];
    this.draw();
  }

  draw() {
    this.press();
    this.work(() => this.walk());
  }

  async walk() {
    const [pair, who, noise] = [this.pairs[this.n].map(spec), this.n, this.begins()];
    const left = () => who !== this.n || !this.guess; // the reader is elsewhere by now
    this.show(0, [bold("noise"), " for both"], noise);
    let samples;
    await this.ask("sample", { pair, start: noise, ...DEFAULTS }, (moment) => {
      if (moment.name) return this.bar(moment);
      quiet(this.news);
      samples = moment.walks.map(({ x_hat }) => x_hat);
      if (left()) return;
      samples.forEach((x, i) => this.show(1 + i, [bold(`${"AB"[i]} draws`), ` σ = ${moment.sigma.toFixed(2)}`], x));
    });
    const nearest = [];
    for (const [i, network] of pair.entries()) nearest.push(await this.ask("nearest", { network, image: samples[i] }));
    if (this.next || left()) return;
    samples.forEach((x, i) => {
      this.show(1 + i, [bold(`${"AB"[i]} draws`)], x);
      if (nearest[i]) this.show(4 + i, [bold(`nearest in ${"AB"[i]}`), ` ${nearest[i].rho.toFixed(2)}`], nearest[i].image);
    });
    this.conclude({ start: noise, samples, nearest, rho: rho(...samples) });
  }

  // One image: when the two are more like each other than either is like an image of its network's training.
  conclude(found) {
    const known = found.nearest.every(Boolean);
    const verdict = found.nearest.some((x) => x && x.rho >= found.rho) ? "two" : "one";
    if (this.counts) {
      this.guesses++;
      this.right += verdict === this.guess;
      this.counts = false;
    }
    const what = { one: "One new image, drawn twice", two: "Two images" }[verdict];
    const than = { one: "more than", two: "less than" }[verdict];
    const copies = found.nearest.map((x) => x?.rho.toFixed(2)).join(" and ");
    const tell = known ? `, ${than} to their nearest training images (${copies})` : "";
    this.words.textContent = `${what}: A's and B's are alike to ${found.rho.toFixed(2)}${tell}. You guessed ${this.right} of ${this.guesses} right.`;
    this.el.result = { ...found, verdict, n: this.pairs[this.n][0].n, seed: this.seed, blend: +BLENDS[this.blend] };
  }
}

bring("draw", Draw);
