// A network beside a rival that is computed here, exactly, from the network's own training images: their answers to a noisy
// image of the book, of the reader, or drawn by hand, and the difference.
// What was found is at hand in the console as `document.querySelector("[data-script=rival]").result`.
import { bring, linked, make, place, slider } from "../figure.js";
import { bold, buttons, named, sliders } from "./asking.js";
import { decibels, levels, quiet, reach, signed, size, spec } from "./engine.js";
import { Looking } from "./looking.js";
import { gaussian, psnr } from "./maths.js";

const d = size ** 2;
const RIVALS = ["memorizer", "LS", "PSPC"];
const START = 1000; // training images at first: what they weigh is loaded quickly

class Rival extends Looking {
  constructor(el) {
    super(el, "a network and its training images", "Compare them on an image of your own");
    const { networks } = this.set;
    this.networks = networks.filter(
      ({ half, width, training, groups }) => half === "A" && width === networks[0].width && (training ?? groups),
    );
    this.texts = this.networks.map(({ n }) => n.toLocaleString("en"));
    this.sigmas = levels(Object.keys(this.told.windows.PSPC).sort((a, b) => a - b));
    const view = linked(el);
    const or = (k, other) => (k < 0 ? other : k);
    const most = Math.max(0, this.networks.findLastIndex(({ n }) => n <= START));
    this.n = or(place(this.texts, view.n), most);
    this.sigma = or(place(this.sigmas, view.sigma), this.sigmas.indexOf(`${this.told.sigma}`));
    this.rival = or(RIVALS.indexOf(view.rival), RIVALS.indexOf("PSPC"));
    this.wanted = view.image ?? `${this.told.face + 1}`;
  }

  // Elements ---------------------------------------------------------------------------------------------------------

  build() {
    this.grid("live-five", ["clean", "noisy", "network", "rival", "difference"], ["network"]);
    const chosen = (name) => (k) => {
      this[name] = k;
      this.look();
    };
    const moved = [
      slider("rival", RIVALS, this.rival, chosen("rival")),
      slider("noise, σ", this.sigmas, this.sigma, chosen("sigma")),
      slider(named(this.networks[0].n) ? "denoiser" : "training images of both, N", this.texts, this.n, chosen("n")),
      slider("image", this.names, this.image, (k) => this.choose(k)),
      this.inks(),
    ];
    this.lay(buttons(this.upload(), this.blank()), sliders(...moved));
    this.el.querySelector("input").focus({ preventScroll: true });
  }

  state() {
    const image = this.own ? "" : this.names[this.image];
    return { n: this.texts[this.n].replaceAll(",", ""), sigma: this.sigmas[this.sigma], rival: RIVALS[this.rival], image };
  }

  rows() {
    const { x, y, answer, rival } = this.el.result;
    return [["clean", "noisy", "network", "rival"], ...Array.from(x, (v, i) => [v, y[i], answer[i], rival[i]])];
  }

  // What is found ----------------------------------------------------------------------------------------------------

  ready() {
    this.mark();
    this.look();
  }

  look() {
    this.linked();
    this.x = this.own ?? this.images[this.image];
    this.show("clean", [bold(this.own ? "your image" : "image")], this.x);
    this.shown.rival.classList.add("live-stale");
    this.work(() => this.both());
  }

  // Of the windows: that of the nearest level, by ratio, which has one, as ghr.references.local.
  side(name, sigma) {
    const windows = Object.entries(this.told.windows[name]);
    const off = windows.map(([level]) => Math.abs(Math.log(level / sigma)));
    return windows[off.indexOf(Math.min(...off))][1];
  }

  async both() {
    const [sigma, name, n] = [this.sigmas[this.sigma], RIVALS[this.rival], this.texts[this.n]];
    const seen = named(this.networks[this.n].n) ? "training images" : `${n} training ${n === "1" ? "image" : "images"}`;
    const { x } = this;
    const z = gaussian(0, d);
    const y = x.map((v, i) => v + sigma * z[i]);
    const quality = { noisy: psnr(x, y) };
    this.show("noisy", [bold("noisy"), ` ${decibels(quality.noisy)}`], y);
    const network = this.networks[this.n];
    const answer = await this.ask("denoise", { network: spec(network), y, sigma: +sigma });
    quality.network = psnr(x, answer);
    this.show("network", [bold("network"), ` ${decibels(quality.network)}`], answer);
    if (this.next) return;
    const whole = name === "memorizer";
    const side = whole ? 2 * size - 1 : this.side(name, sigma);
    const rival = await this.ask("rival", { network, y, sigma: +sigma, side, patches: name === "PSPC" }, (heard) => {
      if (heard.name) return this.bar(heard);
      quiet(this.news);
      this.news.lastElementChild.textContent = `Comparing with ${seen}: ${Math.round(100 * heard.done)}%`;
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
    this.words.textContent = `σ = ${sigma}: the network makes ${decibels(quality.network)}, ${name}${parts} of the same ${seen}, ${decibels(quality.rival)}. They are ${apart.toFixed(3)} apart (root mean square), ${apart < error ? "less" : "more"} than the network is from the clean image (${error.toFixed(3)}). The difference is network less rival: blue below zero, red above.`;
    this.el.result = { x, y, answer, rival, quality, apart, side, name, n: network.n };
  }
}

bring("rival", Rival);
