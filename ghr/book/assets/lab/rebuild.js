// An image rebuilt from few vectors: those of the network's basis at it, cosines, wavelets and principal components; and what
// the network does at a pixel, its filter and where it sends it.
// What was found is at hand in the console as `document.querySelector("[data-script=rebuild]").result`.
import { bring, linked, make, place, slider } from "../figure.js";
import { bold, buttons, named, sliders, titled } from "./asking.js";
import { decibels, floats, levels, quiet, signed, size, spec } from "./engine.js";
import { Looking } from "./looking.js";
import { cosines, gaussian, psnr, rebuilt, spanned, wavelets } from "./maths.js";

const d = size ** 2;
const KS = [1, 2, 4, 8, 16, 32, 64, 100]; // vectors
const SIGMAS = levels(["0.1"]); // of the noise at which the network is looked at
// of each choice of vectors, the basis, and which of its vectors: the first, or those of the largest coefficients
const CHOICES = {
  eigenvectors: ["eigenvectors", "first"],
  chosen: ["eigenvectors", "largest"],
  cosines: ["cosines", "largest"],
  wavelets: ["wavelets", "largest"],
  principal: ["principal", "largest"],
};

class Rebuild extends Looking {
  constructor(el) {
    super(el, "a network", "Rebuild images, your own too");
    const { networks } = this.set;
    this.networks = networks.filter(({ half, width }) => half === "A" && width === networks[0].width);
    this.texts = this.networks.map(({ n }) => n.toLocaleString("en"));
    const view = linked(el);
    const or = (k, other) => (k < 0 ? other : k);
    this.n = or(place(this.texts, view.n), this.texts.length - 1);
    this.k = or(place(KS.map(String), view.k), KS.indexOf(64));
    this.sigma = SIGMAS.indexOf("0.1");
    this.wanted = view.image;
    this.pixel = ["x", "y"].map((name) => (view[name] >= 0 && view[name] < size ? Math.floor(view[name]) : size / 2));
  }

  async load() {
    await super.load();
    const rows = await floats(this.asks, this.set.components, this.bar);
    const row = (k) => rows.subarray(k * d, (k + 1) * d);
    this.mean = row(0);
    const components = Array.from({ length: rows.length / d - 1 }, (_, k) => row(k + 1));
    this.bases = { cosines: cosines(size), wavelets: wavelets(size), principal: spanned(components) };
  }

  // Elements ---------------------------------------------------------------------------------------------------------

  build() {
    const networks = ["denoised", "row", "column", "eigenvectors", "chosen"];
    this.grid("live-many", ["clean", "noisy", "denoised", "row", "column", ...Object.keys(CHOICES)], networks);
    const seen = slider(named(this.networks[0].n) ? "denoiser" : "training images, N", this.texts, this.n, (k) => {
      this.n = k;
      this.look();
    });
    const count = slider("vectors, K", KS.map(String), this.k, (k) => {
      this.k = k;
      this.rebuild();
    });
    const chosen = slider("image", this.names, this.image, (k) => this.choose(k));
    const noise = slider("noise, σ", SIGMAS, this.sigma, (k) => {
      this.sigma = k;
      this.look();
    });
    this.lay(sliders(count, chosen, seen, noise, this.inks(true)), buttons(this.upload(), this.blank()));
    this.el.querySelector("input").focus({ preventScroll: true });
  }

  at(pixel) {
    super.at(pixel);
    this.linked();
    if (!this.busy && !this.draws) this.work(() => this.filter()); // else what is under way ends with the filter
  }

  // Eigenvectors take seconds: they wait for the end of a stroke.
  drawn(image) {
    this.own = image;
    this.show("clean", [bold("your image")], image);
    clearTimeout(this.stroke);
    this.stroke = setTimeout(() => this.look(), 400);
  }

  state() {
    const [x, y] = this.pixel;
    const image = this.own ? "" : this.names[this.image];
    const sigma = SIGMAS.length > 1 ? { sigma: SIGMAS[this.sigma] } : {};
    return { n: this.texts[this.n].replaceAll(",", ""), k: KS[this.k], image, x, y, ...sigma };
  }

  rows() {
    const found = KS.map((k) => [k, ...Object.values(this.all(k)).map((image) => psnr(this.x, image))]);
    return [["K", ...Object.keys(CHOICES)], ...found];
  }

  // What is found ----------------------------------------------------------------------------------------------------

  ready() {
    this.look();
  }

  look() {
    this.linked();
    this.work(() => this.basis());
  }

  async basis() {
    const [z, sigma] = [gaussian(0, d), +SIGMAS[this.sigma]];
    this.x = this.own ?? this.images[this.image];
    this.y = this.x.map((v, i) => v + sigma * z[i]);
    this.show("clean", [bold(this.own ? "your image" : "image")], this.x);
    this.show("noisy", [bold("noisy"), ` σ = ${sigma}`], this.y);
    this.mark();
    const network = spec(this.networks[this.n]);
    const found = await this.ask("basis", { network, y: this.y, sigma, k: KS.at(-1), tolerance: 0.01 }, (heard) => {
      if (heard.name) return this.bar(heard);
      quiet(this.news);
      this.news.lastElementChild.textContent = `Looking for eigenvectors: ${heard.products} products with the Jacobian`;
    });
    if (!found || this.next) return;
    this.show("denoised", [bold("denoised"), ` ${decibels(psnr(this.x, found.x_hat))}`], found.x_hat);
    this.values = found.values;
    this.bases.eigenvectors = spanned(found.vectors);
    await this.filter();
  }

  async filter() {
    const [x, y] = this.pixel;
    const network = spec(this.networks[this.n]);
    const { row, column } = await this.ask("filter", { network, y: this.y, sigma: +SIGMAS[this.sigma], pixel: y * size + x });
    if (this.next) return;
    if (this.pixel[0] !== x || this.pixel[1] !== y) return this.filter(); // another was picked meanwhile
    this.show("row", [bold("filter"), " of the pixel"], row, signed(row));
    this.show("column", [bold("where"), " it goes"], column, signed(column));
    this.filters = { row, column };
    this.rebuild();
  }

  all(k) {
    const off = this.x.map((v, i) => v - this.mean[i]);
    const one = ([name, [basis, choice]]) => {
      const near = rebuilt(this.bases[basis], off, k, choice === "largest");
      return [name, near.map((v, i) => v + this.mean[i])];
    };
    return Object.fromEntries(Object.entries(CHOICES).map(one));
  }

  rebuild() {
    this.linked();
    if (!this.filters) return;
    const k = KS[this.k];
    const images = this.all(k);
    const quality = Object.fromEntries(Object.entries(images).map(([name, image]) => [name, psnr(this.x, image)]));
    const titles = { eigenvectors: `first ${k} of its own`, cosines: `${k} cosines`, wavelets: `${k} wavelets` };
    titles.chosen = `${k} largest of its own`;
    titles.principal = `${k} principal components`;
    for (const name of Object.keys(CHOICES)) this.show(name, [bold(titles[name]), ` ${decibels(quality[name])}`], images[name]);
    const others = ["cosines", "wavelets", "principal"].map((name) => quality[name].toFixed(1));
    this.words.textContent = `From the first ${k} eigenvectors of ${titled(this.networks[this.n].n)} the image is rebuilt to ${decibels(quality.eigenvectors)}, from the ${k} largest of the first ${KS.at(-1)} to ${decibels(quality.chosen)}; from its ${k} largest cosines, wavelets and principal components to ${others.join(", ")}\u00a0dB. The filter of the picked pixel is its row of the Jacobian: red counts, blue is taken away.`;
    this.el.result = { x: this.x, y: this.y, k, quality, values: this.values, ...this.filters, pixel: this.pixel };
  }
}

bring("rebuild", Rebuild);
