// What the book's figures share: elements, their state in the address of the page, and downloads of what they show.
import { figures, id, link, linked } from "./inpage.js";

export { link, linked };

export const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

// Brings figures to life; script: their name.
export const bring = (script, Figure) => {
  for (const el of figures(script)) new Figure(el);
};

// Where a text stands among others, or else the number nearest to it; -1 where neither does.
export function place(texts, wanted = "") {
  const plain = texts.map((text) => text.replaceAll(",", ""));
  const off = plain.map((text) => (wanted.trim() ? Math.abs(text - wanted) : NaN));
  return plain.includes(wanted) ? plain.indexOf(wanted) : off.indexOf(Math.min(...off));
}

// A slider over texts, with its label: the reader moves it, which moved(k) is told, and so does set(k).
export function slider(label, texts, k, moved) {
  const output = make("output", { ariaHidden: "true" }); // the slider says it already
  const input = make("input", { type: "range", min: 0, max: texts.length - 1, step: 1, ariaLabel: label });
  input.dataset.lmSuppressShortcuts = true; // JupyterLab would take the arrow keys for itself
  const set = (place) => {
    input.value = place;
    output.textContent = texts[place];
    input.setAttribute("aria-valuetext", texts[place]);
  };
  input.addEventListener("input", () => {
    set(+input.value);
    moved(+input.value);
  });
  set(k);
  const element = make("label", { hidden: texts.length < 2 }, make("span", { textContent: label }), output, input);
  return { element, set };
}

// Downloads ----------------------------------------------------------------------------------------------------------

// Buttons for what stands in a stage, and where there is one for its curve: rows() gives names, then numbers.
export function tools(el, stage, name, rows) {
  const button = (kind, what, blob) => {
    const made = make("button", { type: "button", textContent: kind, ariaLabel: `Download ${what} as ${kind}` });
    made.addEventListener("click", async () => {
      const href = URL.createObjectURL(await blob());
      make("a", { href, download: `${name()}.${kind.toLowerCase()}` }).click();
      setTimeout(() => URL.revokeObjectURL(href), 10_000);
    });
    return made;
  };
  const quoted = (cell) => (/[",\n]/.test(cell) ? `"${`${cell}`.replaceAll('"', '""')}"` : cell);
  const csv = () => new Blob([rows().map((row) => `${row.map(quoted).join(",")}\n`).join("")], { type: "text/csv" });
  const line = make("p", { className: "explorer-tools" }, "Download ", button("PNG", "what is shown", () => png(stage)));
  if (rows) line.append(" ", button("CSV", "its numbers", csv));
  el.append(line);
}

// A name for what is shown: of its figure and its state.
export const called = (el, state) => [id(el) || "figure", ...Object.entries(state).map((pair) => pair.join("-"))].join("_");

// A stage as it is seen, three dots a pixel: its canvases, drawings, coloured edges and words where they stand.
export async function png(stage) {
  const [scale, edge, box] = [3, 10, stage.getBoundingClientRect()];
  const [width, height] = [box.width + 2 * edge, box.height + 2 * edge];
  const canvas = make("canvas", { width: width * scale, height: height * scale });
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.translate(edge - box.left, edge - box.top);
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--pst-color-background") || "white";
  context.fillRect(box.left - edge, box.top - edge, width, height);
  context.imageSmoothingEnabled = false;
  for (const part of stage.querySelectorAll(":not(svg *)")) {
    const { left, top, width, height } = part.getBoundingClientRect();
    const style = getComputedStyle(part);
    if (!width || style.visibility === "hidden") continue;
    if (part.matches("canvas")) {
      context.filter = style.filter; // of a drawing on a dark page
      context.drawImage(part, left, top, width, height);
      context.filter = "none";
    }
    else if (part.matches("svg")) context.drawImage(await drawing(part, width, height), left, top, width, height);
    else if (parseFloat(style.borderTopWidth)) {
      context.fillStyle = style.borderTopColor;
      context.fillRect(left, top, width, parseFloat(style.borderTopWidth));
    }
  }
  const texts = document.createTreeWalker(stage, NodeFilter.SHOW_TEXT);
  for (const range = new Range(); texts.nextNode();) {
    const node = texts.currentNode;
    if (node.parentElement.closest("svg")) continue;
    const style = getComputedStyle(node.parentElement);
    Object.assign(context, { font: `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`, fillStyle: style.color });
    context.textBaseline = "middle";
    for (const word of node.data.matchAll(/\S+/g)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const at = range.getBoundingClientRect();
      if (at.width && style.visibility !== "hidden") context.fillText(word[0], at.left, at.top + at.height / 2);
    }
  }
  return new Promise((done) => canvas.toBlob(done));
}

// An SVG with the styles that the page gives it, as a picture.
async function drawing(svg, width, height) {
  const copy = svg.cloneNode(true);
  const parts = [...copy.querySelectorAll("*")];
  svg.querySelectorAll("*").forEach((part, i) => {
    const { fill, stroke, strokeWidth, fontSize, fontFamily } = getComputedStyle(part);
    Object.assign(parts[i].style, { fill, stroke, strokeWidth, fontSize, fontFamily });
  });
  Object.entries({ width, height, xmlns: "http://www.w3.org/2000/svg" }).forEach((pair) => copy.setAttribute(...pair));
  return picture(`data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`);
}

export async function picture(src) {
  const image = Object.assign(new Image(), { src });
  await image.decode();
  return image;
}
