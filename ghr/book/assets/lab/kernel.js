// Who answers figures in a cell of Jupyter: its kernel, by ghr.book.answers. `model` is the widget's, as in incell.js.
// Messages are those of worker.js; their arrays go as float32 buffers, and `{ buffer: k }` stands where the k-th was.

export const list = model.get("listed"); // of ghr.book.answers
const view = Math.random(); // each hears what the kernel says to all of a widget
const waiting = new Map();
let asked = 0;

export const loads = (first) => `Asks the kernel of this notebook, which loads ${first}.`;

// The noise levels of a slider: those of the page, and finer ones between them.
export function levels(sigmas) {
  const fine = Array.from({ length: 41 }, (_, k) => 10 ** (k / 20 - 2));
  const between = fine.filter((sigma) => sigmas.every((known) => Math.abs(Math.log(sigma / known)) > 0.05));
  return [...sigmas, ...between.map((sigma) => sigma.toPrecision(2))].sort((a, b) => a - b);
}

export async function start() {} // the kernel runs already

// Nobody needs to hear of what takes less than a second.
const later = (tell, words) => setTimeout(tell, 1000, { name: "kernel", words });

// A kernel answers in order, and each figure asks one thing at a time: nothing is asked that another message has made old.
const WAITS = "The kernel is at work on cells before this. Was it restarted? Then run this cell again.";
const WORKS = "The kernel is at work.";
export const seat = () => (task, rest = {}, tell = () => {}) =>
  new Promise((done, fail) => {
    const id = `${view}-${++asked}`;
    waiting.set(id, { done, fail, tell, late: later(tell, WAITS) });
    const buffers = [];
    try {
      model.send({ id, task, rest: packed(rest, buffers) }, undefined, buffers);
    } catch ({ message }) {
      clearTimeout(waiting.get(id).late);
      waiting.delete(id);
      fail({ message: `The kernel is gone: run the cell again. (${message})` });
    }
  });

model.on("msg:custom", ({ id, ...said }, buffers) => {
  const one = waiting.get(id);
  if (!one) return;
  clearTimeout(one.late);
  if (said.begun) one.late = later(one.tell, WORKS);
  else if (said.tell) one.tell(unpacked(said.tell, buffers));
  else {
    waiting.delete(id);
    said.error ? one.fail({ message: said.error }) : one.done(unpacked(said.result, buffers));
  }
});

function packed(value, buffers) {
  if (ArrayBuffer.isView(value)) return { buffer: buffers.push(Float32Array.from(value).buffer) - 1 };
  return through(value, (one) => packed(one, buffers));
}

function unpacked(value, buffers) {
  if (value?.buffer === undefined) return through(value, (one) => unpacked(one, buffers));
  const { buffer, byteOffset, byteLength } = buffers[value.buffer];
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

function through(value, change) {
  if (Array.isArray(value)) return value.map(change);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, change(one)]));
}
