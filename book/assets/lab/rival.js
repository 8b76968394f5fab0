// A network beside a rival that is computed here, exactly, from the network's own training images: their answers to a noisy
// image of the book, of the reader, or drawn by hand, and the difference.
// What was found is at hand in the console as `document.querySelector("[data-script=rival]").result`.
import { called, linked, make, place, tools } from "../figure.js";
import { Asking, bold } from "./asking.js";
import { decibels, paint, pictures, prepared, quiet, reach, signed, size, spec } from "./engine.js";
import { gaussian, psnr } from "./maths.js";

const d = size ** 2;
const RIVALS = ["memorizer", "LS", "PSPC"];
const START = 1000; // training images at first: what they weigh is loaded quickly
const INKS = ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"];
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class Rival extends Asking {
  constructor(el) {
    super(el, "a network and its training images", "Compare them on an image of your own");
    const { networks } = this.set;
    this.networks = networks.filter(
      ({ half, width, training, groups }) => half === "A" && width === networks[0].width && (training ?? groups),
    );
    this.texts = this.networks.map(({ n }) => n.toLocaleString("en"));
    this.sigmas = Object.keys(this.told.windows.PSPC).sort((a, b) => a - b);
    const view = linked(el);
    const or = (k, other) => (k < 0 ? other : k);
    const most = this.networks.findLastIndex(({ n }) => n <= START);
    this.n = or(place(this.texts, view.n), most);
    this.sigma = or(place(this.sigmas, view.sigma), this.sigmas.indexOf(`${this.told.sigma}`));
    this.rival = or(RIVALS.indexOf(view.rival), RIVALS.indexOf("PSPC"));
    this.wanted = view.image ?? `${this.told.face + 1}`;
    this.at = [size / 2, size / 2];
  }

  async load() {
    this.images = await pictures(this.asks, this.set.images, this.bar);
    this.names = this.images.map((_, i) => `${i + 1}`);
    this.image = Math.max(0, place(this.names, this.wanted));
    this.own = null;
  }

  // Elements ---------------------------------------------------------------------------------------------------------

  build() {
    this.tiles = make("div", { className: "explorer-tiles live-five" });
    this.tiles.style.setProperty("--columns", 5);
    this.shown = Object.fromEntries(
      ["clean", "noisy", "network", "rival", "difference"].map((name) => {
        const tile = this.tile(name === "network" ? "A" : "");
        this.tiles.append(tile);
        return [name, tile];
      }),
    );
    this.words = make("p", { className: "explorer-words" });
    this.words.setAttribute("aria-live", "polite");
    this.stage = make("div", {}, this.tiles, this.words);
    this.brush(this.shown.clean);
    const chosen = (name) => (k) => {
      this[name] = k;
      this.look();
    };
    const sliders = [
      this.slider("rival", RIVALS, this.rival, chosen("rival")),
      this.slider("noise, σ", this.sigmas, this.sigma, chosen("sigma")),
      this.slider("training images of both, N", this.texts, this.n, chosen("n")),
      this.slider("image", this.names, this.image, (k) => {
        [this.image, this.own] = [k, null];
        this.look();
      }),
      this.slider("ink, to draw with", INKS, (this.ink = 0), (k) => (this.ink = k)),
    ];
    const blank = this.button("Empty page", () => this.take(new Float32Array(d).fill(0.5)));
    this.el.replaceChildren(
      this.stage,
      make("p", { className: "live-buttons" }, this.upload(), blank),
      make("div", { className: "explorer-sliders" }, ...sliders.map(({ element }) => element)),
      this.trouble,
      this.news,
    );
    tools(this.el, this.stage, () => called(this.el, this.state()), () => this.rows());
    this.el.querySelector("input").focus({ preventScroll: true });
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

  take(image) {
    this.own = image;
    this.look();
  }

  // The clean image is drawn upon by a pointer, or by arrow keys and space.
  brush(tile) {
    const [canvas] = tile.children;
    Object.assign(canvas, { role: "application", tabIndex: 0 });
    canvas.style.cursor = "crosshair";
    canvas.style.touchAction = "none";
    tile.classList.add("live-picked");
    const point = ({ clientX, clientY }) => {
      const { left, top, width } = canvas.getBoundingClientRect();
      this.point([clientX - left, clientY - top].map((x) => Math.floor((x / width) * size)));
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      point(event);
      this.dab();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      point(event);
      this.dab();
    });
    canvas.addEventListener("keydown", (event) => {
      const move = MOVES[event.key];
      if (move) this.point(this.at.map((x, i) => x + move[i]));
      else if (event.key === " ") this.dab();
      else return;
      event.preventDefault();
    });
  }

  point(at) {
    this.at = at.map((x) => Math.min(size - 1, Math.max(0, x)));
    const [x, y] = this.at;
    const [canvas] = this.shown.clean.children;
    canvas.ariaLabel = `Clean image: arrow keys choose a pixel, now column ${x + 1}, row ${y + 1}, and space draws`;
    this.shown.clean.style.setProperty("--x", (x + 0.5) / size);
    this.shown.clean.style.setProperty("--y", (y + 0.5) / size);
  }

  // Two pixels by two, in the colour of the ink.
  dab() {
    const image = (this.own ?? this.images[this.image]).slice();
    const [x, y] = this.at;
    for (const row of [y, y + 1]) for (const column of [x, x + 1])
      if (row < size && column < size) image[row * size + column] = +INKS[this.ink];
    this.take(image);
  }

  state() {
    const image = this.own ? "" : this.names[this.image];
    return { n: this.texts[this.n].replaceAll(",", ""), sigma: this.sigmas[this.sigma], rival: RIVALS[this.rival], image };
  }

  rows() {
    const { x, y, answer, rival } = this.el.result;
    return [["clean", "noisy", "network", "rival"], ...Array.from(x, (v, i) => [v, y[i], answer[i], rival[i]])];
  }

  show(name, title, values, colour) {
    const [canvas, caption] = this.shown[name].children;
    caption.replaceChildren(...title);
    if (name !== "clean") canvas.ariaLabel = caption.textContent;
    paint(canvas, values, colour);
  }

  // What is found ----------------------------------------------------------------------------------------------------

  ready() {
    this.point(this.at);
    this.look();
  }

  look() {
    this.linked();
    this.x = this.own ?? this.images[this.image];
    this.show("clean", [bold(this.own ? "your image" : "image")], this.x);
    this.shown.rival.classList.add("live-stale");
    this.work(() => this.both());
  }

  async both() {
    const [sigma, name, n] = [this.sigmas[this.sigma], RIVALS[this.rival], this.texts[this.n]];
    const { x } = this;
    const z = gaussian(0, d);
    const y = x.map((v, i) => v + sigma * z[i]);
    const quality = { noisy: psnr(x, y) };
    this.show("noisy", [bold("noisy"), ` ${decibels(quality.noisy)}`], y);
    const network = this.networks[this.n];
    const answer = await this.ask("denoise", { network: spec(network), y });
    quality.network = psnr(x, answer);
    this.show("network", [bold("network"), ` ${decibels(quality.network)}`], answer);
    if (this.next) return;
    const whole = name === "memorizer";
    const side = whole ? 2 * size - 1 : this.told.windows[name][sigma];
    const rival = await this.ask("rival", { network, y, sigma: +sigma, side, patches: name === "PSPC" }, (heard) => {
      if (heard.name) return this.bar(heard);
      quiet(this.news);
      this.news.lastElementChild.textContent = `Comparing with ${n} training images: ${Math.round(100 * heard.done)}%`;
    });
    if (!rival || this.next) return;
    quality.rival = psnr(x, rival);
    const off = answer.map((v, i) => v - rival[i]);
    const rms = (v) => Math.sqrt(v.reduce((sum, one) => sum + one ** 2, 0) / d);
    const [apart, error] = [rms(off), 10 ** (-quality.network / 20)];
    const limit = reach(off);
    this.show("rival", [bold(name), ` ${decibels(quality.rival)}`], rival);
    this.show("difference", [bold("difference"), ` ±${limit.toFixed(2)}`], off, signed(off, limit));
    this.shown.rival.classList.remove("live-stale");
    const parts = whole ? "" : `, which sees ${name === "PSPC" ? "patches" : "windows"} of ${side} by ${side} pixels`;
    this.words.textContent = `σ = ${sigma}: the network makes ${decibels(quality.network)}, ${name}${parts} of the same ${n} training ${n === "1" ? "image" : "images"}, ${decibels(quality.rival)}. They are ${apart.toFixed(3)} apart (root mean square), ${apart < error ? "less" : "more"} than the network is from the clean image (${error.toFixed(3)}). The difference is network less rival: blue below zero, red above.`;
    this.el.result = { x, y, answer, rival, quality, apart, side, name, n: network.n };
  }
}

for (const el of document.querySelectorAll('.live[data-script="rival"]')) new Rival(el);
