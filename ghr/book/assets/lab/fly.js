// Shuffled faces: the pixels of a noisy face, of what a network makes of it and of its eigenvectors there fly back to where
// they belong, and away; below, the network of faces at the same face. What is seen first is told by the page.
// What was found is at hand in the console as `document.querySelector("[data-script=fly]").result`.
import { bring, linked, make, place, slider } from "../figure.js";
import { Asking, bold, buttons, sliders } from "./asking.js";
import { decibels, grey, levels, pictures, quiet, signed, size, spec } from "./engine.js";
import { alignment, gaussian, psnr } from "./maths.js";
import { images, places, vectors } from "./told.js";

const d = size ** 2;
const DOT = 4; // side of a pixel on its canvas
const FACES = 8; // to choose from
const SIGMAS = levels(["0.10", "0.30", "0.50"]);
const WAYS = Array.from({ length: 21 }, (_, k) => `${5 * k}%`); // of the pixels' way back
const [WAIT, FLIGHT] = [0.9, 1.8]; // seconds

const smooth = (t) => t * t * (3 - 2 * t);
const shuffled = (x, order) => x.map((_, i) => x[order[i]]);
const back = (x, order) => {
  const found = x.slice();
  order.forEach((from, i) => (found[from] = x[i]));
  return found;
};

class Fly extends Asking {
  constructor(el) {
    super(el, "two networks, as soon as you choose another face or noise");
    const { order, known, sets, sigma, face, ranks } = this.told;
    this.ranks = ranks;
    this.blocks = Object.keys(order).map(Number);
    this.orders = Object.fromEntries(this.blocks.map((block) => [block, places(order[block])]));
    this.orders[1] = Uint16Array.from({ length: d }, (_, i) => i);
    this.seen = {}; // by block, σ and face
    for (const { block, pictures, basis, ...rest } of known) {
      const [noisy, answer] = images(pictures, size);
      this.seen[[block, sigma.toFixed(2), face]] = { ...rest, noisy, answer, vectors: vectors(basis, size) };
    }
    this.names = this.blocks.map((block) => (block < size ? `${block} by ${block}` : "whole image"));
    const view = linked(el);
    const or = (k, other) => (k < 0 ? other : k);
    this.block = or(this.blocks.indexOf(+view.blocks), this.blocks.length - 1);
    this.sigma = or(SIGMAS.indexOf(view.sigma), SIGMAS.indexOf(sigma.toFixed(2)));
    this.face = or(place(Array.from({ length: FACES }, (_, k) => `${k + 1}`), view.face), face);
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.way = view.back >= 0 ? Math.min(20, Math.round(20 * view.back)) : this.still ? 20 : 0; // in twentieths
    this.build();
    this.look(false);
    if (!this.still && view.back === undefined) this.soon();
  }

  // Elements ---------------------------------------------------------------------------------------------------------

  build() {
    const row = (title) => {
      const tiles = ["", "", ...this.ranks].map((rank) => this.tile(rank && "A"));
      for (const { firstChild } of tiles) firstChild.width = firstChild.height = size * DOT;
      const grid = make("div", { className: "explorer-tiles live-six" }, ...tiles);
      grid.style.setProperty("--columns", tiles.length);
      return { tiles, head: make("p", { className: "live-title", textContent: title }), grid };
    };
    this.rowsShown = [row(""), row("What the network of faces finds, at the same face and noise")];
    this.words = make("p", { className: "explorer-words" });
    this.words.setAttribute("aria-live", "polite");
    this.stage = make("div", {}, ...this.rowsShown.flatMap(({ head, grid }) => [head, grid]), this.words);
    this.go = this.button("", () => this.fly(this.way < 20 ? 20 : 0));
    const faces = Array.from({ length: FACES }, (_, k) => `${k + 1}`);
    this.ways = slider("way back", WAYS, this.way, (k) => this.move(k));
    const moved = [
      this.ways,
      slider("shuffled in blocks of", this.names, this.block, (k) => ((this.block = k), this.look())),
      slider("noise, σ", SIGMAS, this.sigma, (k) => ((this.sigma = k), this.look())),
      slider("face", faces, this.face, (k) => ((this.face = k), this.look())),
    ];
    this.lay(buttons(this.go), sliders(...moved));
  }

  state() {
    return { blocks: this.blocks[this.block], sigma: SIGMAS[this.sigma], face: this.face + 1, back: this.way / 20 };
  }

  rows() {
    const { values, faces } = this.el.result;
    const rows = this.ranks.map((rank, k) => [rank, values[k], faces.values[k]]);
    return [["eigenvector", "eigenvalue, shuffled faces", "eigenvalue, faces"], ...rows];
  }

  // What is found ----------------------------------------------------------------------------------------------------

  look(theirs = true) {
    if (theirs) this.linked();
    this.work(() => this.both());
  }

  async both() {
    const [block, sigma, face] = [this.blocks[this.block], SIGMAS[this.sigma], this.face];
    for (const { grid } of this.rowsShown) grid.classList.add("live-stale");
    for (const one of [block, 1]) {
      const key = [one, sigma, face];
      this.seen[key] ??= await this.at(...key);
      if (!this.seen[key]) delete this.seen[key];
      if (this.next) return;
    }
    this.conclude(this.seen[[block, sigma, face]], this.seen[[1, sigma, face]]);
  }

  async load() {
    this.images = await pictures(this.asks, this.sets.find(({ name }) => name === this.told.sets[1]).images, this.bar);
  }

  // A network at a noisy face, moved along with its pixels: its answer and eigenvectors.
  async at(block, sigma, face) {
    await this.wake();
    const set = this.sets.find(({ name }) => name === this.told.sets[block]);
    if (!set) throw { message: "This build of the book has no network of these images." };
    const [z, order] = [gaussian(face, d), this.orders[block]];
    const x = shuffled(this.images[face], order);
    const y = shuffled(this.images[face].map((v, i) => v + sigma * z[i]), order);
    const asked = { network: spec(this.network(set)), y, sigma: +sigma, k: this.ranks.at(-1), tolerance: 0.01 };
    const found = await this.ask("basis", asked, (heard) => {
      if (heard.name) return this.bar(heard);
      quiet(this.news);
      this.news.lastElementChild.textContent = `Looking for eigenvectors: ${heard.products} products with the Jacobian`;
    });
    if (!found) return null;
    const ranked = (all) => this.ranks.map((rank) => all[rank - 1]);
    const quality = [psnr(x, y), psnr(x, found.x_hat)];
    return { noisy: y, answer: found.x_hat, values: ranked([...found.values]), vectors: ranked(found.vectors), all: found.vectors, psnr: quality };
  }

  conclude(own, faces) {
    this.shown = [own, faces].map(({ noisy, answer, vectors }, k) => ({
      order: this.orders[k ? 1 : this.blocks[this.block]],
      colours: [...[noisy, answer].map((x) => dyed(x, grey)), ...vectors.map((e) => dyed(e, signed(e)))],
    }));
    [own, faces].forEach(({ values, psnr }, k) => {
      const titles = [["noisy", decibels(psnr[0])], ["denoised", decibels(psnr[1])]];
      titles.push(...this.ranks.map((rank, i) => [`k = ${rank}`, `λ = ${values[i].toFixed(2)}`]));
      titles.forEach(([what, number], i) => this.rowsShown[k].tiles[i].lastChild.replaceChildren(bold(what), ` ${number}`));
      this.rowsShown[k].grid.classList.remove("live-stale");
    });
    const order = this.orders[this.blocks[this.block]];
    const share = own.share ?? alignment(own.all.map((e) => back(e, order)), faces.all);
    const where = this.blocks[this.block] < size ? `Shuffled in blocks of ${this.names[this.block]} pixels` : "Shuffled as a whole";
    this.words.textContent = `${where}, of a face of ${decibels(own.psnr[0])} a network makes ${own.psnr[1].toFixed(1)}, of the same face in order a network of faces ${faces.psnr[1].toFixed(1)}. The best denoiser would make equally much of both. With their pixels put back, the first ${this.ranks.at(-1)} eigenvectors lie in those of the network of faces to ${share.toFixed(2)}.`;
    this.draw();
    this.name();
    this.el.result = { ...this.state(), values: own.values, vectors: own.vectors, noisy: own.noisy, answer: own.answer, psnr: own.psnr, faces, share };
  }

  // Pixels that fly --------------------------------------------------------------------------------------------------

  // Once, when the figure is first in view, so that it needs no hand.
  soon() {
    const watch = new IntersectionObserver(
      ([{ isIntersecting }]) => {
        if (!isIntersecting) return;
        watch.disconnect();
        setTimeout(() => this.way === 0 && !this.flying && this.fly(20, false), WAIT * 1000);
      },
      { threshold: 0.5 },
    );
    watch.observe(this.stage);
  }

  fly(to, theirs = true) {
    if (this.still) return this.move(to);
    const [from, begun] = [this.way, performance.now()];
    const flight = (this.flying = {});
    const frame = (now) => {
      if (this.flying !== flight) return;
      const share = Math.min(1, Math.max(0, now - begun) / 1000 / FLIGHT);
      this.way = from + (to - from) * share;
      this.draw();
      if (share < 1) return requestAnimationFrame(frame);
      this.flying = null;
      this.moved(theirs);
    };
    requestAnimationFrame(frame);
  }

  move(way) {
    this.flying = null;
    this.way = way;
    this.moved();
    this.draw();
  }

  moved(theirs = true) {
    this.ways.set(Math.round(this.way));
    this.name();
    if (theirs) this.linked();
    if (this.el.result) this.el.result.back = this.way / 20;
  }

  name() {
    const put = this.way >= 20;
    this.go.textContent = put ? "Shuffle the pixels" : "Put the pixels back";
    const where = put ? "the same with the pixels put back, as we see it" : this.way ? "pixels on their way" : "as it sees them";
    this.rowsShown[0].head.textContent = `What the network of shuffled faces finds: ${where}`;
    const how = [put ? "with the pixels put back" : "as the network sees it", "in order"];
    this.rowsShown.forEach(({ tiles }, k) => {
      for (const { firstChild, lastChild } of tiles) firstChild.ariaLabel = `${lastChild.textContent}, ${how[k]}`;
    });
  }

  draw() {
    if (!this.shown) return;
    this.el.frames = (this.el.frames ?? 0) + 1;
    this.shown.forEach(({ order, colours }, row) => {
      // each leaves a little later than the one before it, and all arrive
      const at = Array.from(order, (to, i) => {
        const share = smooth(Math.min(1, Math.max(0, (this.way / 20) * 1.5 - (0.5 * i) / d)));
        const between = (a, b) => Math.round(DOT * (a + share * (b - a)));
        return [between(i % size, to % size), between(Math.floor(i / size), Math.floor(to / size))];
      });
      colours.forEach((dye, k) => scattered(this.rowsShown[row].tiles[k].firstChild, dye, at));
    });
  }
}

// Colours of an image, four bytes in one number.
const dyed = (values, colour) =>
  Uint32Array.from(values, (v) => colour(v).reduce((all, c, k) => all + c * 256 ** k, 255 * 256 ** 3));

function scattered(canvas, dye, at) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const image = (canvas.image ??= context.createImageData(canvas.width, canvas.height));
  const dots = new Uint32Array(image.data.buffer);
  dots.fill(0);
  at.forEach(([x, y], i) => {
    for (let row = y; row < y + DOT; row++) dots.fill(dye[i], row * canvas.width + x, row * canvas.width + x + DOT);
  });
  context.putImageData(image, 0, 0);
}

bring("fly", Fly);
