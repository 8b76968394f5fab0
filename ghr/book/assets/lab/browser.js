// Who answers figures in a page: a worker in the browser, employed when one first asks. In a cell of Jupyter kernel.js
// stands for this.
import { megabytes } from "../figure.js";

const script = document.getElementById("networks");
export const list = JSON.parse(script.textContent); // of ghr.book.laboratory.export
const files = new URL(script.dataset.files, document.baseURI).href;
const waiting = new Map();
let worker, begun;
let asked = 0;
let seats = 0;

// What a figure says below its still; first: what is loaded first after the runtime, in words.
export function loads(first) {
  const { bytes } = list.runtime.wasm;
  const weight = bytes ? ` (${megabytes(bytes)}, less when the server compresses)` : "";
  return `Loads what runs networks in your browser${weight}, then ${first}.`;
}

// The noise levels of a slider.
export const levels = (sigmas) => sigmas;

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
