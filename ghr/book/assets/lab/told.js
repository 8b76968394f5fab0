// What a cell told a figure of images: base64 of a byte or two a pixel, as ghr.book.told writes it.

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const split = (all, size) =>
  Array.from({ length: all.length / size ** 2 }, (_, i) => all.subarray(i * size ** 2, (i + 1) * size ** 2));

// Images, in image units.
export const images = (text, size) => split(bytes(text), size).map((levels) => Float32Array.from(levels, (v) => v / 255));

// Functions of either sign, of unit length.
export const vectors = (text, size) =>
  split(new Int8Array(bytes(text).buffer), size).map((levels) => {
    const norm = Math.hypot(...levels);
    return Float64Array.from(levels, (v) => v / norm);
  });

export const places = (text) => new Uint16Array(bytes(text).buffer);
