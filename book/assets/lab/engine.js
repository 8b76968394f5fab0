// The engine: networks for every figure of a page, in one worker, which is employed when a figure first asks for it.

const script = document.getElementById("networks");
export const list = JSON.parse(script.textContent); // of ghr.book.laboratory.export
export const { size } = list;
const files = new URL(script.dataset.files, document.baseURI).href;
const waiting = new Map();
let worker, begun;
let asked = 0;
let seats = 0;

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
export const spec = (network) => ({ ...network, graph: list.graphs[network.graph] });

// What a figure hears while files are loaded: shows it in its news, a progress bar and a line of text.
export const loading = (news) => {
  const [bar, line] = [news.querySelector("progress"), news.querySelector("p")];
  return ({ name, got, bytes }) => {
    if (!name) return;
    bar.hidden = false;
    Object.assign(bar, bytes ? { max: bytes, value: got } : {});
    line.textContent = `Loading ${name}: ${megabytes(got)}${bytes ? ` of ${megabytes(bytes)}` : ""}`;
  };
};

export function quiet(news) {
  const [bar, line] = [news.querySelector("progress"), news.querySelector("p")];
  bar.hidden = true;
  bar.removeAttribute("value");
  line.textContent = "";
}

// A figure's own way to ask: what it asks ends what it asked before, not what other figures did.
export function seat() {
  const from = ++seats;
  return (task, rest = {}, tell = () => {}) =>
    new Promise((done, fail) => {
      if (!worker) return fail({ message: "" });
      waiting.set(++asked, { done, fail, tell });
      worker.postMessage({ id: asked, from, task, ...rest });
    });
}

// Loads what runs networks, once for the page; after what the worker cannot mend, anew.
export function start(tell) {
  begun ??= employ(tell).catch((error) => {
    begun = null;
    throw error;
  });
  return begun;
}

function employ(tell) {
  dismiss({ message: "" });
  worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  let answered = false; // a script that has spoken was loaded: what it stumbles over later is something else
  worker.onerror = ({ message: text }) =>
    dismiss({
      message: answered
        ? `The networks could not be run: ${text}`
        : `The script that runs the networks could not be loaded: is there a connection to the network?${text ? ` (${text})` : ""}`,
      fatal: true,
    });
  worker.onmessage = ({ data }) => {
    answered = true;
    const { done, fail, tell } = waiting.get(data.id) ?? {};
    if (data.tell) return tell?.(data.tell);
    waiting.delete(data.id);
    if (data.fatal) begun = null;
    data.error ? fail?.({ message: data.error, fatal: data.fatal }) : done?.(data.result);
  };
  return seat()("start", { runtime: list.runtime, files }, tell);
}

// Ends the worker, whose answers are still owed.
function dismiss(error) {
  worker?.terminate();
  worker = begun = null;
  for (const { fail } of waiting.values()) fail(error);
  waiting.clear();
}

// Images of a file that ghr.book.laboratory wrote.
export const pictures = (ask, file, tell) => ask("images", { file, size }, tell);

export async function floats(ask, file, tell) {
  return new Float32Array((await ask("file", { file }, tell)).slice().buffer);
}

export function paint(canvas, values, colour = grey) {
  const context = canvas.getContext("2d", { willReadFrequently: true }); // small and made on the CPU
  const image = context.createImageData(size, size);
  values.forEach((v, i) => image.data.set([...colour(v), 255], 4 * i));
  context.putImageData(image, 0, 0);
}

export const grey = (v) => Array(3).fill(Math.round(255 * Math.min(1, Math.max(0, v))));
