// The engine: what figures need to ask networks, whoever answers, and to show the answers.
import { megabytes } from "../figure.js";
import { levels, list, loads, seat, start } from "./browser.js";

export { levels, list, loads, seat, start };
export const { size } = list;
export const spec = (network) => ({ ...network, graph: list.graphs[network.graph] });

// What a figure hears while files are loaded: shows it in its news, a progress bar and a line of text.
export const loading = (news) => {
  const [bar, line] = [news.querySelector("progress"), news.querySelector("p")];
  return ({ name, got, bytes, words }) => {
    if (!name) return;
    bar.hidden = false;
    Object.assign(bar, bytes ? { max: bytes, value: got } : {});
    line.textContent = words ?? `Loading ${name}: ${megabytes(got)}${bytes ? ` of ${megabytes(bytes)}` : ""}`;
  };
};

export function quiet(news) {
  const [bar, line] = [news.querySelector("progress"), news.querySelector("p")];
  bar.hidden = true;
  bar.removeAttribute("value");
  line.textContent = "";
}

// Images of a file that ghr.book.laboratory wrote.
export const pictures = (ask, file, tell) => ask("images", { file, size }, tell);

export async function floats(ask, file, tell) {
  return new Float32Array((await ask("file", { file }, tell)).slice().buffer);
}

export function paint(canvas, values, colour = grey) {
  const side = Math.sqrt(values.length);
  if (canvas.width !== side) canvas.width = canvas.height = side; // a reader's network has images of its own size
  const context = canvas.getContext("2d", { willReadFrequently: true }); // small and made on the CPU
  const image = context.createImageData(side, side);
  values.forEach((v, i) => image.data.set([...colour(v), 255], 4 * i));
  context.putImageData(image, 0, 0);
}

export const grey = (v) => Array(3).fill(Math.round(255 * Math.min(1, Math.max(0, v))));

const DIVERGING = [
  [5, 48, 97],
  [67, 147, 195],
  [247, 247, 247],
  [214, 96, 77],
  [103, 0, 31],
]; // anchors of RdBu, reversed

// Where a vector's own scale ends: one pixel in a hundred lies beyond (ghr.plots).
export const reach = (vector) =>
  Math.max(1e-12, Float64Array.from(vector, Math.abs).sort()[Math.floor(0.99 * (vector.length - 1))]);

// Blue below zero, red above.
export function signed(vector, limit = reach(vector)) {
  return (v) => {
    const place = Math.min(3.999, Math.max(0, 2 + (2 * v) / limit));
    const k = Math.floor(place);
    return DIVERGING[k].map((c, i) => Math.round(c + (place - k) * (DIVERGING[k + 1][i] - c)));
  };
}

export const decibels = (value) => `${value.toFixed(1)}\u00a0dB`;

// A reader's own image as the networks take it: a square from its middle, reduced to a side and grey.
export async function prepared(file, size = list.size) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw { message: `The file ${file.name} could not be read as an image.` };
  }
  const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const side = Math.min(bitmap.width, bitmap.height);
  if (side < size) {
    const found = `${file.name} is ${bitmap.width} by ${bitmap.height} pixels`;
    throw { message: `The image ${found}: the networks take ${size} by ${size}, choose a larger one.` };
  }
  context.fillStyle = "white"; // what is transparent goes on white, as in ghr.images
  context.fillRect(0, 0, size, size);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, size, size);
  bitmap.close();
  return read(context, size);
}

const read = (context, size) => {
  const { data } = context.getImageData(0, 0, size, size);
  return Float32Array.from({ length: size ** 2 }, (_, i) => (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 765);
};

// An image at another side, in 256 levels.
export function resized(values, size) {
  if (values.length === size ** 2) return values;
  const [from, to] = [document.createElement("canvas"), document.createElement("canvas")];
  paint(from, values);
  to.width = to.height = size;
  const context = to.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(from, 0, 0, size, size);
  return read(context, size);
}
