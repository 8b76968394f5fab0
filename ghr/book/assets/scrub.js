// A slider through two trainings: what each network makes of the same noisy face and draws from the same noise, early and
// late; a dot on the curve of each gap follows, and can be dragged. Everything is told by the page.
import { bring, called, link, linked, make, picture, slider, tools } from "./figure.js";

const [WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM] = [460, 176, 44, 10, 76, 38]; // of the curves, in their own units
const PAUSE = 650; // milliseconds between two entries
const svg = (name, attributes = {}, text = "") => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  Object.entries(attributes).forEach((pair) => element.setAttribute(...pair));
  element.textContent = text;
  return element;
};
const comma = (n) => n.toLocaleString("en");
const times = (views) => (views < 10 ? views.toFixed(1) : comma(Math.round(views)));

class Scrub {
  constructor(el) {
    this.el = el;
    this.start(el);
  }

  async start(el) {
    this.told = JSON.parse(el.querySelector("script").textContent);
    const { size, clean, noisy, trainings } = this.told;
    this.size = size;
    const grey = (text) => {
      const levels = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      return Array.from({ length: levels.length / size ** 2 }, (_, k) => levels.subarray(k * size ** 2, (k + 1) * size ** 2));
    };
    [this.clean, this.noisy] = [grey(clean), grey(noisy)];
    this.trainings = await Promise.all(
      trainings.map(async (one) => ({
        ...one,
        near: grey(one.near),
        sheets: await Promise.all(one.pictures.map((text) => picture(`data:image/webp;base64,${text}`))),
      })),
    );
    this.moments = [...new Set(this.trainings.flatMap(({ seen }) => seen))].sort((a, b) => a - b);
    const view = linked(el);
    const off = this.moments.map((seen) => Math.abs(Math.log(seen / view.seen)));
    this.moment = view.seen > 0 ? off.indexOf(Math.min(...off)) : this.moments.length - 1;
    this.face = view.face >= 1 && view.face <= this.clean.length ? Math.floor(view.face) - 1 : Math.min(1, this.clean.length - 1);
    this.build();
    this.show();
  }

  // Elements ---------------------------------------------------------------------------------------------------------

  build() {
    const grid = (...names) => {
      const tiles = names.map(() => this.tile());
      const element = make("div", { className: "explorer-tiles" }, ...tiles);
      element.style.setProperty("--columns", 4);
      return [tiles, element];
    };
    const [faces, first] = grid("clean", "noisy", ...this.trainings);
    const [draws, second] = grid(...this.trainings, ...this.trainings);
    Object.assign(this, { faces, draws });
    this.words = make("p", { className: "explorer-words" });
    this.words.setAttribute("aria-live", "polite");
    this.curves = this.axes();
    this.stage = make("div", {}, first, second, this.curves, this.words);
    this.play = make("button", { type: "button", textContent: "Play" });
    this.play.addEventListener("click", () => (this.playing ? this.stop() : this.run()));
    this.time = slider("images seen in training", this.moments.map(comma), this.moment, (k) => this.to(k));
    const shown = slider("face", this.clean.map((_, k) => `${k + 1}`), this.face, (k) => {
      this.face = k;
      this.changed();
    });
    this.el.replaceChildren(
      this.stage,
      make("p", { className: "live-buttons" }, this.play),
      make("div", { className: "explorer-sliders" }, this.time.element, shown.element),
    );
    tools(this.el, this.stage, () => called(this.el, this.state()), () => this.rows());
  }

  tile() {
    const canvas = make("canvas", { width: this.size, height: this.size, className: "dark-light", role: "img" });
    return make("div", {}, canvas, make("p"));
  }

  // Gaps against images seen, on a log axis; a pointer takes hold of a moment anywhere.
  axes() {
    const [low, high] = [this.moments[0], this.moments.at(-1)].map(Math.log2);
    const gaps = this.trainings.flatMap((one) => one.gaps);
    const [least, most] = [Math.min(0, ...gaps), Math.max(1, ...gaps)];
    const across = (seen) => LEFT + ((Math.log2(seen) - low) / Math.max(1, high - low)) * (WIDTH - LEFT - RIGHT);
    const up = (gap) => TOP + ((most - gap) / (most - least)) * (HEIGHT - TOP - BOTTOM);
    const box = svg("svg", { class: "explorer-curve live-drag", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
    const floor = HEIGHT - BOTTOM;
    box.append(svg("path", { d: `M${LEFT} ${TOP}V${floor}H${WIDTH - RIGHT}M${LEFT} ${up(0)}H${WIDTH - RIGHT}` }));
    for (const seen of this.moments.filter((_, k) => k % 3 === 0))
      box.append(svg("text", { x: across(seen), y: floor + 14, "text-anchor": "middle" }, comma(seen)));
    const step = most > 12 ? 5 : most > 4 ? 2 : 1;
    for (let gap = 0; gap <= most; gap += step)
      box.append(svg("text", { x: LEFT - 6, y: up(gap) + 4, "text-anchor": "end" }, `${gap}`));
    box.append(svg("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, "images seen in training"));
    const height = (TOP + floor) / 2;
    const gap = "training − test PSNR (dB)";
    box.append(svg("text", { transform: `translate(12 ${height}) rotate(-90)`, "text-anchor": "middle" }, gap));
    this.dots = this.trainings.map(({ n, seen, gaps, colour }) => {
      const points = seen.map((s, k) => `${across(s).toFixed(1)} ${up(gaps[k]).toFixed(1)}`);
      const dot = svg("circle", { r: 6 });
      dot.style.fill = colour;
      const line = svg("path", { class: "explorer-line", d: `M${points.join("L")}` });
      line.style.stroke = colour;
      const name = svg("text", { x: across(seen.at(-1)) + 9, y: up(gaps.at(-1)) + 4 }, `N = ${comma(n)}`);
      box.append(line, name);
      return { dot, at: (k) => [across(seen[k]), up(gaps[k])] };
    });
    box.append(...this.dots.map(({ dot }) => dot));
    const nearest = ({ clientX }) => {
      const { left, width } = box.getBoundingClientRect();
      const off = this.moments.map((seen) => Math.abs(across(seen) - ((clientX - left) / width) * WIDTH));
      return off.indexOf(Math.min(...off));
    };
    box.addEventListener("pointerdown", (event) => {
      box.setPointerCapture(event.pointerId);
      this.to(nearest(event));
    });
    box.addEventListener("pointermove", (event) => box.hasPointerCapture(event.pointerId) && this.to(nearest(event)));
    return box;
  }

  state() {
    return { seen: this.moments[this.moment], face: this.face + 1 };
  }

  rows() {
    const rows = this.trainings.flatMap(({ n, seen, gaps }) => seen.map((s, k) => [n, s, s / n, gaps[k]]));
    return [["N", "images seen", "views of each", "gap (dB)"], ...rows];
  }

  // Time -------------------------------------------------------------------------------------------------------------

  to(moment, theirs = true) {
    if (theirs) this.stop();
    if (moment === this.moment) return;
    this.moment = moment;
    this.time.set(moment);
    this.changed();
  }

  run() {
    this.play.textContent = "Stop";
    this.words.setAttribute("aria-live", "off"); // nobody listens to a sentence for each entry
    if (this.moment === this.moments.length - 1) this.to(0, false);
    this.playing = setInterval(() => {
      this.to(this.moment + 1, false);
      if (this.moment === this.moments.length - 1) this.stop();
    }, PAUSE);
  }

  stop() {
    clearInterval(this.playing);
    this.playing = null;
    this.play.textContent = "Play";
    this.words.setAttribute("aria-live", "polite");
  }

  changed() {
    this.show();
    link(this.el, this.state());
  }

  show() {
    const { face, size, trainings } = this;
    const seen = this.moments[this.moment];
    // the last entry of each log until now, or its first
    const places = trainings.map((one) => Math.max(0, one.seen.findLastIndex((s) => s <= seen)));
    const caption = (tile, what, number) => {
      tile.lastChild.replaceChildren(make("b", { textContent: what }), ` ${number}`);
      tile.firstChild.ariaLabel = tile.lastChild.textContent;
    };
    const [clean, noisy, ...answers] = this.faces;
    caption(clean, "test face", "");
    levels(clean.firstChild, this.clean[face]);
    caption(noisy, "noisy", `σ = ${this.told.sigma}`);
    levels(noisy.firstChild, this.noisy[face]);
    const cut = (tile, sheet, row) =>
      tile.firstChild.getContext("2d").drawImage(sheet, face * size, row * size, size, size, 0, 0, size, size);
    trainings.forEach(({ n, sheets, near, alike, seen }, k) => {
      const sheet = sheets[places[k]];
      caption(answers[k], `N = ${comma(n)}`, `${times(seen[places[k]] / n)} views`);
      cut(answers[k], sheet, 0);
      const known = this.draws[k];
      caption(known, `nearest of ${comma(n)}`, `alike ${alike[face].toFixed(2)}`);
      levels(known.firstChild, near[face]);
      const draw = this.draws[trainings.length + k];
      caption(draw, `N = ${comma(n)}`, "draws");
      cut(draw, sheet, 1);
      const [x, y] = this.dots[k].at(places[k]);
      this.dots[k].dot.setAttribute("cx", x);
      this.dots[k].dot.setAttribute("cy", y);
    });
    const ended = trainings.filter((one) => one.seen.at(-1) < seen).map(({ n }) => ` (N = ${comma(n)} had ended)`);
    const gaps = trainings.map(({ n, gaps, seen }, k) => {
      const gap = gaps[places[k]];
      return `of N = ${comma(n)}, each seen ${times(seen[places[k]] / n)} times, the network denoises its own images ${Math.abs(gap).toFixed(1)}\u00a0dB ${gap < 0 ? "worse" : "better"} than new ones`;
    });
    this.words.textContent = `After ${comma(seen)} images${ended.join("")}: ${gaps.join("; ")}.`;
    this.el.result = { ...this.state(), places, gaps: trainings.map((one, k) => one.gaps[places[k]]) };
  }
}

function levels(canvas, values) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  values.forEach((v, i) => image.data.set([v, v, v, 255], 4 * i));
  context.putImageData(image, 0, 0);
}

bring("scrub", Scrub);
