// A question: two images, each with noise and as a network answers; it has seen one of the two in training. Which? The
// reader guesses, sees, and goes on. Everything is told by the page.
import { bring, called, link, linked, make, picture, place, slider, tools } from "./figure.js";

const ORDINALS = ["first", "second"];
const decibels = (value) => `${value.toFixed(1)}\u00a0dB`;

class Guess {
  constructor(el) {
    this.el = el;
    this.start(el);
  }

  async start(el) {
    this.told = JSON.parse(el.querySelector("script").textContent);
    this.sheet = await picture(this.told.sheet);
    this.texts = this.told.questions.map(({ n }) => n.toLocaleString("en"));
    this.scores = this.texts.map(() => [0, 0]); // right, of: for each N
    const view = linked(el);
    this.n = Math.max(0, place(this.texts, view.n));
    this.pair = view.pair >= 1 && view.pair <= this.pairs() ? Math.floor(view.pair) - 1 : 0;
    this.build();
    this.ask();
  }

  question() {
    return this.told.questions[this.n];
  }

  pairs() {
    return this.question().seen.length;
  }

  // Elements ---------------------------------------------------------------------------------------------------------

  build() {
    const [height, width] = this.told.side;
    this.tiles = ["", "", "A", "", "", "A"].map((half) => {
      const canvas = make("canvas", { width, height, className: "dark-light", role: "img" });
      return make("div", { className: half && `explorer-${half}` }, canvas, make("p"));
    });
    const grid = make("div", { className: "explorer-tiles live-five" }, ...this.tiles);
    grid.style.setProperty("--columns", 6);
    this.words = make("p", { className: "explorer-words" });
    this.words.setAttribute("aria-live", "polite");
    this.stage = make("div", {}, grid, this.words);
    const button = (textContent, act) => {
      const made = make("button", { type: "button", textContent });
      made.addEventListener("click", act);
      return made;
    };
    this.choices = ORDINALS.map((text, k) => button(`The ${text}`, () => this.guessed(k)));
    const next = button("Another pair", () => this.go(this.n, (this.pair + 1) % this.pairs()));
    const number = slider("training images, N", this.texts, this.n, (k) => this.go(k, 0));
    this.el.replaceChildren(
      this.stage,
      make("p", { className: "live-buttons" }, make("span", { textContent: "My guess, it has seen:" }), ...this.choices, next),
      make("div", { className: "explorer-sliders" }, number.element),
    );
    tools(this.el, this.stage, () => called(this.el, this.state()), () => this.rows());
  }

  state() {
    return { n: this.question().n, pair: this.pair + 1 };
  }

  rows() {
    const rows = this.told.questions.flatMap(({ n, seen, psnr }) => seen.map((k, i) => [n, i + 1, psnr[i][k], psnr[i][1 - k]]));
    return [["N", "pair", "training image (dB)", "new image (dB)"], ...rows];
  }

  // The six pictures of a pair, with captions.
  show(captions) {
    const [{ side: [height, width], columns, frames, questions }, sheet] = [this.told, this.sheet];
    const before = questions.slice(0, this.n).reduce((sum, { seen }) => sum + seen.length, 0);
    frames[before + this.pair].tiles.forEach(([at], k) => {
      const [canvas, caption] = this.tiles[k].children;
      const [title, number = ""] = captions[k];
      caption.replaceChildren(make("b", { textContent: title }), ` ${number}`);
      canvas.ariaLabel = caption.textContent.trim();
      const from = [(at % columns) * width, Math.floor(at / columns) * height];
      canvas.getContext("2d").drawImage(sheet, ...from, width, height, 0, 0, width, height);
    });
  }

  // The question -----------------------------------------------------------------------------------------------------

  go(n, pair) {
    [this.n, this.pair] = [n, pair];
    this.ask();
    link(this.el, this.state());
  }

  ask() {
    this.guess = null;
    this.show(ORDINALS.flatMap((text) => [[`${text} face`], ["noisy"], ["answer"]]));
    this.press();
    this.words.textContent = `A network of N = ${this.texts[this.n]} faces answers to two faces with noise, σ = ${this.told.sigma}. One of the two is of its training, the other is new to it. Which one has it seen? Guess.`;
    this.el.result = { ...this.state(), guess: null };
  }

  press() {
    this.choices.forEach((button, k) => button.setAttribute("aria-pressed", this.guess === k));
  }

  guessed(guess) {
    if (this.guess !== null) return;
    this.guess = guess;
    const [known, psnr] = [this.question().seen[this.pair], this.question().psnr[this.pair]];
    const score = this.scores[this.n];
    score[0] += guess === known;
    score[1]++;
    this.show(ORDINALS.flatMap((_, k) => [[k === known ? "seen in training" : "new"], ["noisy"], ["answer", decibels(psnr[k])]]));
    this.press();
    const scores = this.scores.map(([right, of], k) => of && `${right} of ${of} at N = ${this.texts[k]}`).filter(Boolean);
    this.words.textContent = `${guess === known ? "Right" : "No"}: it has seen the ${ORDINALS[known]}. Of that it makes ${decibels(psnr[known])}, of the new one ${decibels(psnr[1 - known])}. You guessed right ${scores.join(", ")}; chance is one half.`;
    this.el.result = { ...this.state(), guess, seen: known, scores: this.scores };
  }
}

bring("guess", Guess);
