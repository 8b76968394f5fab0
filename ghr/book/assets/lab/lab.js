// The laboratory as the reader meets it: controls on the page, pictures drawn from what worker.js computes.
// The arrays behind the pictures are `document.getElementById("lab").result`, for whoever opens the console.
import { called, link, linked, megabytes, tools } from "../figure.js";
import {
  decibels, floats, list, loading, paint, pictures, prepared, quiet, resized, seat, signed, size, spec, start,
} from "./engine.js";
import { DEFAULTS, gaussian, nearest, psnr, rho } from "./maths.js";

const root = document.getElementById("lab");
const still = root.querySelector(".lab-still");
const { steps } = DEFAULTS;

// Elements ---------------------------------------------------------------------------------------------------------

function make(markup) {
  const template = document.createElement("template");
  template.innerHTML = markup.trim();
  return template.content.firstElementChild;
}

const runtimeBytes = list.runtime.wasm.bytes;
const weightBytes = list.sets[0].networks[0].weights.bytes;
const options = list.sets.map((set, i) => `<option value="${i}">${set.label}</option>`).join("");
const gate = make(`<div class="lab-gate">
  <button type="button" class="lab-start">Start the laboratory</button>
  <p>Loads what runs networks in your browser${runtimeBytes ? ` (${megabytes(runtimeBytes)}, less when the server compresses)` : ""},
  then each network when you choose it (${megabytes(weightBytes)} for most). Everything is computed on your machine: images that you upload
  or draw, and a network of your own, never leave this page.</p>
</div>`);
const news = make(
  `<div class="lab-news"><progress hidden aria-label="Loading"></progress><p class="lab-status"></p><p role="alert" class="lab-trouble"></p></div>`,
);
const app = make(`<div class="lab-app" hidden>
  <fieldset class="lab-modes"><legend>Experiment</legend>
    <label><input type="radio" name="mode" value="denoise" checked><span>Denoise</span></label>
    <label><input type="radio" name="mode" value="sample"><span>Sample</span></label>
    <label><input type="radio" name="mode" value="basis"><span>Basis</span></label>
  </fieldset>
  <figure class="lab-stage"><div class="lab-tiles"></div><figcaption aria-live="polite"></figcaption></figure>
  <div class="lab-controls">
    <fieldset class="lab-network"><legend>Network</legend>
      <label class="lab-field">trained on <select name="trained">${options}</select></label>
      <fieldset class="lab-half"><legend>half</legend>
        <label><input type="radio" name="half" value="A" checked><span>A</span></label>
        <label><input type="radio" name="half" value="B"><span>B</span></label>
      </fieldset>
      <label class="lab-slider"><span>training images</span> <b aria-hidden="true"></b><input type="range" name="n" min="0" step="1"></label>
      <label class="lab-button">Take your own network<input type="file" name="network"></label>
      <span class="lab-hint lab-own">An ONNX file, chosen or dropped on this page: a noisy grey image in, the clean one out, pixels from 0 to 1.
      It is never sent anywhere.</span>
    </fieldset>
    <fieldset class="lab-noise"><legend>Noise</legend>
      <label class="lab-slider"><span>σ</span> <b aria-hidden="true"></b><input type="range" name="sigma" min="-2" max="0" step="0.02" value="-0.7"></label>
      <label class="lab-slider lab-step"><span>step</span> <b aria-hidden="true"></b><input type="range" name="step" min="1" max="${steps}" step="1" value="${steps}"></label>
      <label class="lab-field">seed <input type="number" name="seed" min="0" max="${list.seeds - 1}" step="1" value="0"></label>
      <button type="button" name="next">next seed</button>
      <label class="lab-field lab-k">eigenvectors <select name="k"><option>6</option><option selected>14</option><option>22</option></select></label>
    </fieldset>
    <fieldset class="lab-image"><legend>Image</legend>
      <label class="lab-field">from <select name="set">${options}</select></label>
      <div class="lab-thumbnails" role="radiogroup" aria-label="Held-out images"></div>
      <label class="lab-button">Upload an image<input type="file" name="upload" accept="image/*"></label>
      <button type="button" name="draw" aria-pressed="false">Draw on the image</button>
      <span class="lab-brush" hidden>
        <label class="lab-field">ink <input type="range" name="ink" min="0" max="1" step="0.05" value="0"></label>
        <button type="button" name="blank">Blank sheet</button>
        <span class="lab-hint">Draw with the pointer, or focus the clean image: arrow keys move, the space bar paints.</span>
      </span>
    </fieldset>
  </div>
</div>`);
root.append(gate, app, news);

const [tiles, caption, progress, status, trouble] = [
  "tiles",
  "stage figcaption",
  "news progress",
  "status",
  "trouble",
].map((name) => root.querySelector(`.lab-${name}`));
const control = Object.fromEntries([...root.querySelectorAll("[name]")].map((element) => [element.name, element]));
const radio = (name) => root.querySelector(`[name=${name}]:checked`).value;

// The engine -------------------------------------------------------------------------------------------------------

const bar = loading(news);
const asks = seat();
const ask = (task, rest, tell = bar) => asks(task, rest, tell);

// What is chosen ---------------------------------------------------------------------------------------------------

const images = new Map(); // of each set, once loaded
let shown; // the set whose images stand on the page: not the one chosen while that is loading, or could not be had
let own = null; // an uploaded or drawn image
let mine = null; // a reader's network, in the place of a set of networks
let adopted = 0; // how many there were

const trained = () => (control.trained.value === "mine" ? mine : list.sets[control.trained.value]);
const side = () => trained().side ?? size; // of the network's images
const sizes = () => [...new Map(trained().networks.map((net) => [`${net.n} ${net.width}`, net])).values()];

function chosen(half) {
  if (trained() === mine) return half === "A" ? mine.networks[0] : undefined;
  const { n, width } = sizes()[control.n.value];
  return trained().networks.find((net) => net.n === n && net.width === width && net.half === half);
}

const one = () => chosen(trained() === mine ? "A" : radio("half")); // of the experiments with one network

const sigma = () => 10 ** control.sigma.value;
const seed = () => Math.min(list.seeds - 1, Math.max(0, Math.round(+control.seed.value))); // whatever was typed
const words = ({ n, width }, what = "") => {
  if (trained() === mine) return mine.label;
  const twice = sizes().filter((net) => net.n === n).length > 1; // of one size there may be networks of two widths
  return `N = ${n.toLocaleString("en")}${what}${twice ? ` (width ${width})` : ""}`;
};

const network = () => words(sizes()[control.n.value], ` ${trained().label}`);

// Who answers, as captions begin.
const who = (half) => (trained() === mine ? "Your network" : `Network ${half}`);

function clean() {
  return resized(own ?? images.get(shown)[radio("image")], side());
}

function noisy() {
  const [x, s] = [clean(), sigma()];
  const z = gaussian(seed(), x.length);
  return x.map((v, i) => v + s * z[i]);
}

// Everything that follows from the controls alone.
function refresh() {
  const mode = radio("mode");
  app.dataset.mode = mode;
  app.toggleAttribute("data-mine", trained() === mine);
  control.n.max = sizes().length - 1;
  const halves = trained()
    .networks.filter((net) => net.n === sizes()[control.n.value].n)
    .map((net) => net.half);
  for (const input of root.querySelectorAll("[name=half]")) input.disabled = !halves.includes(input.value);
  if (!halves.includes(radio("half")) && trained() !== mine) root.querySelector(`[name=half][value=${halves[0]}]`).checked = true;
  const say = (input, text) => {
    input.closest("label").querySelector("b").textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  say(control.n, words(sizes()[control.n.value]));
  say(control.sigma, sigma().toPrecision(2));
  control.draw.setAttribute("aria-pressed", !root.querySelector(".lab-brush").hidden);
}

// Pictures ---------------------------------------------------------------------------------------------------------

function tile(name, title, half = "") {
  let found = tiles.querySelector(`[data-name="${name}"]`);
  if (!found) {
    found = make(
      `<figure data-name="${name}"><canvas class="dark-light" width="${size}" height="${size}" role="img"></canvas><figcaption></figcaption></figure>`,
    );
    tiles.append(found);
  }
  found.className = half && `lab-${half}`;
  found.lastElementChild.innerHTML = title;
  found.firstElementChild.setAttribute("aria-label", found.lastElementChild.textContent);
  return found.firstElementChild;
}

// The three experiments: each asks the worker, draws, and returns what it found, or null when it was overtaken. ------

const EXPERIMENTS = {
  async denoise() {
    const [x, y, level, net] = [clean(), noisy(), sigma(), one()];
    const says = `${who(net.half)}, ${network()}`;
    const x_hat = await ask("denoise", { network: spec(net), size: side(), y });
    const [before, after] = [psnr(x, y), psnr(x, x_hat)];
    paint(tile("clean", "clean"), x);
    paint(tile("noisy", `noisy <b>${decibels(before)}</b>`), y);
    paint(tile("denoised", `denoised <b>${decibels(after)}</b>`, net.half), x_hat);
    const gain = `${decibels(before)} before, ${decibels(after)} after`;
    caption.textContent = `${says}: σ = ${level.toPrecision(2)}, ${gain}.`;
    const rows = [["sigma", "noisy (dB)", "denoised (dB)"], [level, before, after]];
    return { x, y, x_hat, sigma: level, before, after, rows };
  },

  async sample() {
    const [pair, says, d] = [["A", "B"].map(chosen).filter(Boolean), network(), side() ** 2];
    const chance = seed();
    const drawn = trained() === mine ? null : await floats(ask, trained().starts, bar);
    // a network of one's own begins with grey, whose noise has the sampler's first level
    const noise = drawn?.slice(chance * d, (chance + 1) * d) ?? Float32Array.from(gaussian(chance, d), (z) => 0.5 + DEFAULTS.first * z);
    const training = [];
    for (const net of pair) training.push(net.training && (await pictures(ask, net.training, bar)));
    const moments = [];
    caption.textContent = "";
    const show = ({ sigma: level, walks }) => {
      const known = walks.map(({ x_hat }, i) => training[i] && nearest(x_hat, training[i]));
      pair.forEach(({ half }, i) => {
        const by = half && `<b>${half}</b> `;
        paint(tile(`y ${half}`, `${by}noisy, σ\u00a0=\u00a0${level.toFixed(2)}`, half), walks[i].y);
        paint(tile(`x ${half}`, `${by}denoised`, half), walks[i].x_hat);
        if (known[i])
          paint(
            tile(`n ${half}`, `nearest in ${half}, ρ\u00a0=\u00a0<b>${known[i].rho.toFixed(2)}</b>`, half),
            training[i][known[i].index],
          );
      });
      return { known, rho: walks.length > 1 ? rho(walks[0].x_hat, walks[1].x_hat) : null };
    };
    const columns = training[0] ? 3 : 2;
    const halves = pair.map(({ half }) => half).join("");
    if (+tiles.dataset.columns !== columns || tiles.dataset.halves !== halves) tiles.replaceChildren();
    Object.assign(tiles.dataset, { columns, halves });
    const say = (step) => {
      control.step.value = step;
      control.step.closest("label").querySelector("b").textContent = `${step} of ${steps}`;
      control.step.setAttribute("aria-valuetext", `${step} of ${steps}`);
    };
    const done = await ask("sample", { pair: pair.map(spec), size: side(), start: noise, ...DEFAULTS }, (moment) => {
      if (moment.name) return bar(moment);
      quiet(news);
      moments.push(moment);
      say(moment.step);
      show(moment);
    });
    if (!done) return null;
    const conclude = (step) => {
      const found = show(moments[step - 1]);
      say(step);
      const alike =
        found.rho === null ? "" : ` Similarity of the two images: ρ(A,\u00a0B)\u00a0=\u00a0${found.rho.toFixed(2)}.`;
      const copies = found.known
        .map((one, i) => (one ? ` To the nearest of ${pair[i].half}'s training images: ${one.rho.toFixed(2)}.` : ""))
        .join("");
      caption.textContent = `${says}, seed ${chance}, step ${step} of ${steps}.${alike}${copies}`;
      return found;
    };
    const { rho: alike, known } = conclude(steps);
    const rows = moments.map((m) => [m.step, m.sigma, ...(pair.length > 1 ? [rho(...m.walks.map((w) => w.x_hat))] : [])]);
    rows.unshift(["step", "sigma", ...(pair.length > 1 ? ["rho"] : [])]);
    return { start: noise, seed: chance, moments, rho: alike, nearest: known, conclude, rows };
  },

  async basis() {
    const [y, level, net, k] = [noisy(), sigma(), one(), +control.k.value];
    const says = `${who(net.half)}, ${network()}`;
    const found = await ask("basis", { network: spec(net), size: side(), y, k }, (heard) => {
      if (heard.name) return bar(heard);
      progress.hidden = !heard.of;
      if (heard.of) Object.assign(progress, { max: heard.of, value: heard.direction });
      status.textContent = heard.of
        ? `Measuring the Jacobian, since this file does not multiply with it: direction ${heard.direction} of ${heard.of}`
        : `Looking for eigenvectors: ${heard.products} products with the Jacobian`;
    });
    if (!found) return null;
    if (tiles.childElementCount !== k + 2) tiles.replaceChildren();
    paint(tile("noisy", "noisy"), y);
    paint(tile("denoised", "denoised", net.half), found.x_hat);
    found.vectors.forEach((vector, i) =>
      paint(
        tile(`e ${i + 1}`, `λ<sub>${i + 1}</sub>\u00a0=\u00a0<b>${found.values[i].toFixed(2)}</b>`),
        vector,
        signed(vector),
      ),
    );
    const range = `λ runs from ${found.values[0].toFixed(2)} to ${found.values.at(-1).toFixed(2)}`;
    const directions = `the ${k} directions that the network keeps most, of ${side() ** 2}`;
    const how = net.own && !mine.exact ? " Its Jacobian was measured by differences, so λ is known to about 0.01." : "";
    caption.textContent = `${says}, σ = ${level.toPrecision(2)}: ${directions}. ${range}.${how}`;
    return { y, ...found, rows: [["k", "eigenvalue"], ...found.values.map((value, i) => [i + 1, value])] };
  },
};

// One computation at a time; what changes meanwhile ends it and begins the next. -------------------------------------

let busy = false;
let again = false;
let reading = 0; // images on their way
let mishap = null; // with the reader's last choice of an image: a computation that was under way must not wipe it out

function rest() {
  if (!busy && !reading) app.removeAttribute("aria-busy");
}

async function update() {
  mishap = null;
  trouble.textContent = "";
  refresh();
  link(root, state());
  again = true;
  if (busy) return void ask("stop", {}).catch(() => {}); // a worker that is gone has stopped
  busy = true;
  while (again) {
    again = false;
    const mode = radio("mode");
    app.setAttribute("aria-busy", "true");
    root.result = null;
    try {
      if (tiles.dataset.mode !== mode) tiles.replaceChildren();
      tiles.dataset.mode = mode;
      const result = await EXPERIMENTS[mode]();
      if (result === null) continue; // overtaken
      root.result = { mode, ...result };
      if (mode === "denoise") drawable(root.querySelector("[data-name=clean] canvas"));
      told(mishap);
    } catch (error) {
      told(error);
    }
  }
  busy = false;
  rest();
}

// A sentence on what went wrong takes the place of the pictures, and the static figure comes back. After what the
// worker cannot mend, it has to be started again.
function told(error) {
  quiet(news);
  trouble.textContent = error?.message ?? "";
  still.hidden = !error;
  root.querySelector(".lab-stage").hidden = Boolean(error);
  gate.hidden = !error?.fatal;
  app.hidden = Boolean(error?.fatal);
}

const button = gate.querySelector("button");

async function begin() {
  button.disabled = true;
  trouble.textContent = "";
  try {
    await start(bar);
    largest();
    const view = linked(root);
    revisit(view);
    await thumbnails();
    tick("image", view.image);
    if (mine) {
      const before = control.trained.value;
      await adopt(mine.file); // the worker that had it is gone
      control.trained.value = before;
      largest();
    }
    told(null);
    root.querySelector("[name=mode]:checked").focus({ preventScroll: true });
    root.scrollIntoView(); // the button was below the static figure, the pictures are where that began
    await update();
  } catch (error) {
    told({ message: error.message, fatal: true });
  }
  button.disabled = false;
  button.textContent = "Try again";
}
button.addEventListener("click", begin);

// The slider's place for the largest training set; a wider network of the same set stands behind it.
function largest() {
  const nets = sizes();
  control.n.max = nets.length - 1;
  control.n.value = nets.findIndex(({ n }) => n === nets.at(-1).n);
}

// The address of a view ---------------------------------------------------------------------------------------------

const SHOWN = { denoise: ["half", "sigma", "seed", "set", "image"], sample: ["seed"] };
SHOWN.basis = [...SHOWN.denoise, "k"];

function state() {
  const mode = radio("mode");
  const { n, width } = sizes()[control.n.value];
  const network = trained() === mine ? {} : { trained: trained().name, n, width }; // no address leads to a reader's file
  const all = { half: radio("half"), sigma: sigma().toPrecision(3), seed: seed(), k: control.k.value };
  Object.assign(all, { set: list.sets[control.set.value].name, image: own ? "" : radio("image") });
  return { mode, ...network, ...Object.fromEntries(SHOWN[mode].map((name) => [name, all[name]])) };
}

const tick = (name, value) =>
  root.querySelectorAll(`[name=${name}]`).forEach((input) => (input.checked ||= input.value === value));

// What an address says and the laboratory does not have is as it was.
function revisit(view) {
  for (const [name, wanted] of [["trained", view.trained], ["set", view.set]]) {
    const k = list.sets.findIndex((set) => set.name === wanted);
    if (k >= 0) control[name].value = k;
  }
  if (view.trained) largest();
  const k = sizes().findIndex(({ n, width }) => n === +view.n && [undefined, `${width}`].includes(view.width));
  if (k >= 0) control.n.value = k;
  if (view.sigma > 0) control.sigma.value = Math.log10(view.sigma);
  if (view.seed) control.seed.value = view.seed;
  for (const option of control.k.options) option.selected ||= option.value === view.k;
  tick("mode", view.mode);
  tick("half", view.half);
}

// Choosing, uploading and drawing images -----------------------------------------------------------------------------

async function thumbnails() {
  const key = control.set.value;
  const set = list.sets[key];
  try {
    if (!images.has(key)) images.set(key, await pictures(ask, set.images, bar));
  } catch (error) {
    if (key !== control.set.value) return;
    control.set.value = shown ?? key;
    throw error;
  }
  if (key !== control.set.value) return; // another one was chosen meanwhile
  if (key === shown) return; // after a restart the reader's image is still there
  const choices = images.get(key).map((image, i) => {
    const label = make(
      `<label><input type="radio" name="image" value="${i}" aria-label="${set.label}, image ${i + 1}"><canvas class="dark-light" width="${size}" height="${size}"></canvas></label>`,
    );
    paint(label.lastElementChild, image);
    return label;
  });
  choices[0].firstElementChild.checked = true;
  root.querySelector(".lab-thumbnails").replaceChildren(...choices);
  shown = key;
  own = null;
}

// A network of the reader's takes its place beside the others, and is chosen.
async function adopt(file) {
  const x = images.get(shown)[0];
  const number = ++adopted;
  const { side, exact, worse } = await seat()("adopt", { file, number, size, x }, bar);
  mine = { label: file.name, file, side, exact, networks: [{ own: number, half: "" }] };
  let option = control.trained.querySelector("[value=mine]");
  if (!option) {
    option = Object.assign(document.createElement("option"), { value: "mine" });
    control.trained.append(option);
  }
  option.textContent = `your own: ${file.name}`;
  control.trained.value = "mine";
  largest();
  const grain = side === size ? "" : ` It takes images of ${side} by ${side} pixels: those of this page are resized for it.`;
  const hint = worse ? " It is worse than doing nothing at σ = 0.1 and 0.3: is the answer the clean image, in pixels from 0 to 1?" : "";
  root.querySelector(".lab-own").textContent = `${file.name} runs here and is sent nowhere.${grain}${hint}`;
}

function keep(image) {
  own = image;
  for (const input of root.querySelectorAll("[name=image]")) input.checked = false;
}

const cursor = { x: 0.5, y: 0.5 }; // shares of the side
const at = (share) => Math.min(side() - 1, Math.max(0, Math.floor(share * side())));

function ink() {
  const [size, tone] = [side(), +control.ink.value];
  const radius = size / 24;
  const inside = (i) => Math.hypot((i % size) - at(cursor.x), Math.floor(i / size) - at(cursor.y)) <= radius;
  keep(clean().map((v, i) => (inside(i) ? tone : v)));
  paint(root.querySelector("[data-name=clean] canvas"), own);
  update();
}

// The clean image takes ink while drawing is on.
function drawable(canvas) {
  const on = control.draw.getAttribute("aria-pressed") === "true";
  canvas.parentElement.classList.toggle("lab-drawable", on);
  if (!on) {
    canvas.removeAttribute("tabindex");
    canvas.setAttribute("role", "img");
    return;
  }
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "Clean image to draw on: arrow keys move the brush, the space bar paints");
  mark(canvas);
}

function mark(canvas) {
  canvas.parentElement.style.setProperty("--x", (at(cursor.x) + 0.5) / side());
  canvas.parentElement.style.setProperty("--y", (at(cursor.y) + 0.5) / side());
}

tiles.addEventListener("pointerdown", (event) => drawn(event));
tiles.addEventListener("pointermove", (event) => event.buttons && drawn(event));
function drawn(event) {
  const canvas = event.target.closest(".lab-drawable canvas");
  if (!canvas) return;
  const box = canvas.getBoundingClientRect();
  cursor.x = (event.clientX - box.left) / box.width;
  cursor.y = (event.clientY - box.top) / box.height;
  mark(canvas);
  ink();
}
tiles.addEventListener("keydown", (event) => {
  const canvas = event.target.closest(".lab-drawable canvas");
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], " ": [0, 0] }[event.key];
  if (!canvas || !move) return;
  event.preventDefault();
  const moved = (share, by) => (at((at(share) + by + 0.5) / side()) + 0.5) / side();
  cursor.x = moved(cursor.x, move[0]);
  cursor.y = moved(cursor.y, move[1]);
  mark(canvas);
  if (event.key === " ") ink();
});

const name = () => called(root, state());
tools(root.querySelector(".lab-controls"), root.querySelector(".lab-stage"), name, () => root.result?.rows ?? []);

// What the controls do -----------------------------------------------------------------------------------------------

app.addEventListener("input", async ({ target }) => {
  const { name } = target;
  if (name === "ink") return;
  if (name === "step") return root.result?.conclude?.(+target.value);
  const file = target.files?.[0];
  if (name === "upload" || name === "network") {
    target.value = ""; // so that the same file chosen again is an event again
    if (!file) return;
  }
  const read = {
    set: thumbnails,
    upload: async () => keep(await prepared(file, side())),
    network: () => adopt(file),
  };
  if (!(await reads(read[name]))) return;
  if (name === "image") own = null;
  if (name === "trained") largest();
  update();
});

// Whether what was to be read is there; what went wrong is told.
async function reads(read = () => {}) {
  app.setAttribute("aria-busy", "true");
  reading++;
  try {
    await read();
  } catch (error) {
    mishap = error;
    told(error);
    return false;
  } finally {
    reading--;
    rest();
  }
  return true;
}

// A file dropped on the page: an image to look at, or else a network.
root.addEventListener("dragover", (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
root.addEventListener("drop", async (event) => {
  const file = event.dataTransfer?.files[0];
  if (!file) return;
  event.preventDefault();
  if (app.hidden) await begin();
  if (app.hidden) return; // it could not begin, and has said why
  const image = file.type.startsWith("image/");
  if (await reads(async () => (image ? keep(await prepared(file, side())) : adopt(file)))) update();
});
control.seed.addEventListener("change", () => (control.seed.value = seed())); // the page shows what is used
control.next.addEventListener("click", () => {
  control.seed.value = (seed() + 1) % list.seeds;
  update();
});
control.draw.addEventListener("click", () => {
  const brush = root.querySelector(".lab-brush");
  brush.hidden = !brush.hidden;
  update();
});
control.blank.addEventListener("click", () => {
  keep(new Float32Array(side() ** 2).fill(0.8));
  update();
});
