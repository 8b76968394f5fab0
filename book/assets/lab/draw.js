// Two networks without a common training image draw from one noise: the reader guesses what they draw, then sees it.
// What was drawn is at hand in the console as `document.querySelector("[data-script=draw]").result`.
import { called, link, linked, make, place, tools } from "../figure.js";
import { floats, list, loading, megabytes, paint, quiet, seat, size, spec, start } from "./engine.js";
import { DEFAULTS, gaussian, rho } from "./maths.js";

const d = size ** 2;
const FIRST = 10; // training images of the first question
const BLENDS = Array.from({ length: 21 }, (_, k) => (k / 20).toFixed(2));

class Draw {
  constructor(el) {
    this.el = el;
    this.set = list.sets.find(({ name }) => name === el.dataset.networks);
    this.pairs = Object.values(Object.groupBy(this.set.networks, ({ n, width }) => `${n} ${width}`))
      .map((pair) => ["A", "B"].map((half) => pair.find((net) => net.half === half)))
      .filter((pair) => pair.every(Boolean) && pair[0].width === this.set.networks[0].width);
    this.texts = this.pairs.map(([{ n }]) => n.toLocaleString("en"));
    const view = linked(el);
    this.n = Math.max(0, place(this.texts, view.n ?? `${FIRST}`));
    this.seed = /^\d{1,9}$/.test(view.seed) ? +view.seed : 0;
    this.blend = Math.max(0, place(BLENDS, view.blend));
    [this.right, this.guesses] = [0, 0];
    this.asks = seat();
    this.gate();
  }

  // Before anything is loaded the still stands there, and one button.
  gate() {
    const { bytes } = list.runtime.wasm;
    this.button = make("button", { type: "button", textContent: "Draw from a noise of your own" });
    this.trouble = make("p", { className: "live-trouble", role: "alert" });
    this.news = make("div", {}, make("progress", { hidden: true, ariaLabel: "Loading" }), make("p"));
    this.why = this.el.querySelector(".live-why");
    this.why.textContent = `Loads what runs networks in your browser${bytes ? ` (${megabytes(bytes)}, less when the server compresses)` : ""}, then two networks.`;
    this.bar = loading(this.news);
    this.button.addEventListener("click", () => this.begin());
    this.el.querySelector("script").remove();
    this.el.append(make("p", { className: "live-buttons" }, this.button), this.trouble, this.news);
  }

  ask(task, rest, tell = this.bar) {
    return this.asks(task, { size, ...rest }, tell);
  }

  async begin() {
    this.button.disabled = true;
    this.trouble.textContent = "";
    try {
      await start(this.bar);
      const [starts, mean] = [this.set.starts, this.set.mean];
      this.mean = await floats(this.asks, mean, this.bar);
      this.noises = await floats(this.asks, starts, this.bar);
      quiet(this.news);
      this.build();
      this.ready();
      this.one.focus({ preventScroll: true });
    } catch (error) {
      this.fail(error);
    }
    this.button.disabled = false;
  }

  fail({ message }) {
    quiet(this.news);
    this.trouble.textContent = message;
    this.button.textContent = "Try again";
    this.button.parentElement.hidden = false;
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
    if (this.stage) return;
    this.tiles = make("div", { className: "explorer-tiles" });
    this.tiles.style.setProperty("--columns", 3);
    this.words = make("p", { className: "explorer-words" });
    this.words.setAttribute("aria-live", "polite");
    this.stage = make("div", {}, this.tiles, this.words);
    for (const half of ["", "A", "B", " ", "A", "B"]) {
      const canvas = make("canvas", { width: size, height: size, className: "dark-light", role: "img" });
      this.tiles.append(make("div", { className: half.trim() && `explorer-${half}` }, ...(half === " " ? [] : [canvas, make("p")])));
    }
    const button = (textContent, act) => {
      const made = make("button", { type: "button", textContent });
      made.addEventListener("click", act);
      return made;
    };
    this.one = button("One image", () => this.guessed("one"));
    this.two = button("Two images", () => this.guessed("two"));
    const fresh = button("New noise", () => {
      this.seed++;
      this.turn.value = this.blend = 0;
      this.ready();
    });
    const slider = (label, max, moved) => {
      const output = make("output", { ariaHidden: "true" });
      const input = make("input", { type: "range", min: 0, max, step: 1, ariaLabel: label });
      input.addEventListener("input", () => moved(+input.value));
      return [make("label", {}, make("span", { textContent: label }), output, input), input];
    };
    const [images, n] = slider("training images in each half", this.texts.length - 1, (k) => {
      this.n = k;
      this.ready();
    });
    const [turn, blend] = slider("from this noise to the next", BLENDS.length - 1, (k) => {
      this.blend = k;
      this.guess ? this.draw() : this.ready();
    });
    [this.size, this.turn] = [n, blend];
    const sliders = make("div", { className: "explorer-sliders" }, images, turn);
    const buttons = make("p", { className: "live-buttons" }, this.one, this.two, fresh);
    this.el.replaceChildren(this.stage, buttons, sliders, this.trouble, this.news);
    const rows = () => [["N", "seed", "blend", "rho of A and B", "nearest in A", "nearest in B"], this.row()];
    tools(this.el, this.stage, () => called(this.el, this.state()), rows);
  }

  row() {
    const { rho, nearest } = this.el.result ?? {};
    return [this.texts[this.n].replace(",", ""), this.seed, BLENDS[this.blend], rho, ...(nearest ?? []).map((x) => x?.rho)];
  }

  state() {
    return { n: this.texts[this.n].replaceAll(",", ""), seed: this.seed, blend: BLENDS[this.blend] };
  }

  tile(k, title, values) {
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

  say(input, text) {
    input.value = input === this.size ? this.n : this.blend;
    input.setAttribute("aria-valuetext", text);
    input.previousElementSibling.textContent = text;
  }

  controls() {
    this.say(this.size, this.texts[this.n]);
    this.say(this.turn, BLENDS[this.blend]);
    this.one.setAttribute("aria-pressed", this.guess === "one");
    this.two.setAttribute("aria-pressed", this.guess === "two");
    link(this.el, this.state());
  }

  // The question -----------------------------------------------------------------------------------------------------

  ready() {
    this.guess = null;
    this.el.result = null;
    this.controls();
    this.tile(0, [make("b", { textContent: "noise" }), " for both"], this.begins());
    const bold = (text) => make("b", { textContent: text });
    ["A", "B"].forEach((half, i) => {
      this.tile(1 + i, [bold(`${half} draws`)], null);
      this.tile(4 + i, [bold(`nearest in ${half}`)], null);
    });
    this.words.textContent = `Each network has seen ${this.texts[this.n]} ${this.texts[this.n] === "1" ? "image" : "images"}, and none that the other has seen. Both begin with the noise on the left. Will they draw one and the same new image, or two? Guess.`;
  }

  guessed(guess) {
    const first = !this.guess;
    this.guess = guess;
    this.fresh = first;
    this.controls();
    if (first) this.draw();
  }

  // One walk at a time; what is asked for meanwhile follows.
  async draw() {
    this.controls();
    this.again = true;
    if (this.busy) return;
    this.busy = true;
    this.el.setAttribute("aria-busy", "true");
    while (this.again) {
      this.again = false;
      this.trouble.textContent = "";
      this.el.result = null;
      try {
        await this.walk();
      } catch (error) {
        this.trouble.textContent = error.message;
      }
      quiet(this.news);
    }
    this.busy = false;
    this.el.removeAttribute("aria-busy");
  }

  async walk() {
    const [pair, who, noise] = [this.pairs[this.n].map(spec), this.n, this.begins()];
    const bold = (text) => make("b", { textContent: text });
    this.tile(0, [bold("noise"), " for both"], noise);
    let samples;
    await this.ask("sample", { pair, start: noise, ...DEFAULTS }, (moment) => {
      if (moment.name) return this.bar(moment);
      quiet(this.news);
      samples = moment.walks.map(({ x_hat }) => x_hat);
      if (who !== this.n || !this.guess) return; // the reader is elsewhere by now
      samples.forEach((x, i) => this.tile(1 + i, [bold(`${"AB"[i]} draws`), ` σ = ${moment.sigma.toFixed(2)}`], x));
    });
    const nearest = [];
    for (const [i, network] of pair.entries()) nearest.push(await this.ask("nearest", { network, image: samples[i] }));
    if (this.again || who !== this.n || !this.guess) return;
    samples.forEach((x, i) => {
      this.tile(1 + i, [bold(`${"AB"[i]} draws`)], x);
      if (nearest[i]) this.tile(4 + i, [bold(`nearest in ${"AB"[i]}`), ` ${nearest[i].rho.toFixed(2)}`], nearest[i].image);
    });
    this.conclude({ start: noise, samples, nearest, rho: rho(...samples) });
  }

  // One image: when the two are more like each other than either is like an image of its network's training.
  conclude(found) {
    const known = found.nearest.every(Boolean);
    const verdict = found.nearest.some((x) => x && x.rho >= found.rho) ? "two" : "one";
    if (this.fresh) {
      this.guesses++;
      this.right += verdict === this.guess;
      this.fresh = false;
    }
    const what = { one: "One new image, drawn twice", two: "Two images" }[verdict];
    const than = { one: "more than", two: "less than" }[verdict];
    const copies = found.nearest.map((x) => x?.rho.toFixed(2)).join(" and ");
    const tell = known ? `, ${than} to their nearest training images (${copies})` : "";
    this.words.textContent = `${what}: A's and B's are alike to ${found.rho.toFixed(2)}${tell}. You guessed ${this.right} of ${this.guesses} right.`;
    this.el.result = { ...found, verdict, n: this.pairs[this.n][0].n, seed: this.seed, blend: +BLENDS[this.blend] };
  }
}

for (const el of document.querySelectorAll('.live[data-script="draw"]')) new Draw(el);
