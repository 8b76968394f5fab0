// A figure with sliders, in two lives. In Jupyter (`render`) a kernel computes each frame; in a page the element carries
// them. Either way it is drawn here, from what ghr.book.widgets.pack makes.

import { called, link, linked, make, picture, place as found, slider, tools } from "./figure.js";

// What the sliders say, by their names.
const state = (sliders, place) =>
  Object.fromEntries(sliders.map(({ name, texts }, k) => [name, texts[place[k]].replaceAll(",", "")]));

// Draws frames into el and builds its sliders; `moved` is told the position of each slider.
function figure(el, { sliders, form, moved }) {
  const tiles = make("div", { className: "explorer-tiles" });
  tiles.style.setProperty("--columns", form.columns);
  const words = make("p", { className: "explorer-words" });
  words.setAttribute("aria-live", "polite");
  const parts = [tiles];
  if (form.axes) parts.push(make("div", { innerHTML: form.axes }).firstChild);
  const place = sliders.map(({ start }) => start);
  let shown; // packed, and the frame of it
  const controls = sliders.map(({ label, texts, start }, k) => {
    const told = (at) => {
      place[k] = at;
      moved([...place]);
    };
    return slider(label, texts, start, told).element;
  });
  const stage = make("div", {}, ...parts, words);
  el.classList.add("explorer");
  el.replaceChildren(stage, make("div", { className: "explorer-sliders" }, ...controls));
  const rows = () => {
    const lines = shown[0].values[shown[1].curve];
    const heads = lines.map((_, k) => form.labels[1] + (k ? `, line ${k + 1}` : ""));
    return [[form.labels[0], ...heads], ...form.x.map((x, i) => [x, ...lines.map((line) => line[i])])];
  };
  tools(el, stage, () => called(el, state(sliders, place)), form.axes && rows);

  return (sheet, packed, frame) => {
    shown = [packed, frame];
    const [h, w] = packed.side;
    frame.tiles.forEach(([k, title, note, half], i) => {
      let box = tiles.children[i];
      if (!box) {
        box = make("div", {}, make("canvas", { width: w, height: h, className: "dark-light" }), make("p"));
        box.firstChild.setAttribute("role", "img");
        tiles.append(box);
      }
      box.className = half && `explorer-${half}`;
      box.lastChild.replaceChildren(make("b", { textContent: title }), ` ${note}`);
      box.firstChild.setAttribute("aria-label", `${title} ${note}`.trim());
      const at = [(k % packed.columns) * w, Math.floor(k / packed.columns) * h];
      box.firstChild.getContext("2d").drawImage(sheet, ...at, w, h, 0, 0, w, h);
    });
    words.textContent = frame.words;
    if ("curve" in frame) {
      el.querySelector(".explorer-line").setAttribute("d", packed.curves[frame.curve]);
      const [x, y] = frame.mark ?? [-9, -9];
      const dot = el.querySelector("circle");
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
    }
  };
}

// With a kernel: one position is asked for at a time, the last one wins.
export default {
  async render({ model, el }) {
    let [asked, wanted] = [null, null];
    const ask = () => {
      if (asked || !wanted) return;
      [asked, wanted] = [wanted, null];
      model.set("place", asked);
      model.save_changes();
    };
    const sliders = model.get("sliders").map((one, k) => ({ ...one, start: model.get("place")[k] }));
    const draw = figure(el, {
      sliders,
      form: model.get("form"),
      moved(place) {
        wanted = place;
        ask();
      },
    });
    const show = async () => {
      const packed = model.get("shown");
      draw(await picture(packed.sheet), packed, packed.frames[0]);
      el.dataset.place = packed.place;
      if (String(packed.place) === String(asked)) asked = null;
      ask();
    };
    model.on("change:shown", show);
    await show();
    return () => model.off("change:shown", show);
  },
};

// In a page: everything is there.
async function start(el) {
  const script = el.querySelector(":scope > script");
  if (!script) return; // a widget's own
  const packed = JSON.parse(script.textContent);
  const sheet = await picture(packed.sheet);
  const wanted = linked(el);
  const sliders = packed.sliders.map((slider) => {
    const k = found(slider.texts, wanted[slider.name]);
    return k < 0 ? slider : { ...slider, start: k };
  });
  const show = (place) => {
    draw(sheet, packed, packed.frames[place.reduce((sum, k, i) => sum * sliders[i].texts.length + k, 0)]);
    el.dataset.place = place;
  };
  const draw = figure(el, {
    ...packed,
    sliders,
    moved(place) {
      show(place);
      link(el, state(sliders, place));
    },
  });
  show(sliders.map(({ start }) => start));
}

for (const el of document.querySelectorAll("div.explorer")) start(el);
