// The worker of browser.js: loads files and runs networks. A message asks {id, from, task, ...}, answers are {id, tell: ...}
// while it runs and {id, result: ...} or {id, error: sentence} at its end. A newer message from the same figure ends the
// work for an older one.
import { cosines, crc32, gaussian, leading, local, nearest, rho, schedule } from "./maths.js";
import { described } from "./onnx.js";

const SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
];
const FEW = 24; // groups of training images, 200 in each: so many are all searched for the nearest one
const SEARCHED = 8; // groups in which it is looked for where there are more
const KEPT = 6; // networks in memory; the one unused for longest goes first
const LARGEST = 128; // side of the images of a reader's network, pixels
const MEASURED = 64; // side up to which its Jacobian is measured where the file does not multiply with it
const STEP = 0.002; // norm of the change of an image by which it is: more opens ReLUs, less drowns in rounding
const WHOLE = 5e8; // bytes of a file that fit into memory
const files = new Map(),
  networks = new Map(),
  latest = new Map(); // message of each figure
let ort, root;
let mine = null; // the reader's network: its number, sessions, and the Jacobian that was measured last

class Trouble extends Error {} // its message is a sentence for the reader, and the worker can go on

self.onmessage = async ({ data: { id, from, task, ...rest } }) => {
  latest.set(from, id);
  const tell = (news) => self.postMessage({ id, tell: news });
  const stale = async () => {
    await new Promise((resolve) => setTimeout(resolve)); // newer messages come in only between two tasks of the browser
    return latest.get(from) !== id;
  };
  try {
    self.postMessage({ id, result: await TASKS[task](rest, tell, stale) });
  } catch (error) {
    self.postMessage({ id, error: sentence(error), fatal: !(error instanceof Trouble) });
  }
};

function sentence(error) {
  const text = error?.message ?? String(error);
  if (error instanceof Trouble) return text;
  if (error instanceof RangeError || /RangeError|bad_alloc/.test(text))
    return `The browser ran out of memory: close other pages, then start again. (${text})`;
  if (/Content Security Policy|unsafe-eval/i.test(text))
    return `This browser or server does not allow WebAssembly here, which the networks need. (${text})`;
  return `The networks could not be run: ${text}`;
}

async function sha256(data) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// A file with its progress, whole or not at all; one from another server only if it is what was published.
async function load(file, tell) {
  const name = file.path ?? file.url.split("/").at(-1);
  if (file.sha256 && !globalThis.crypto.subtle)
    throw new Trouble(`The file ${name} comes from another server and can be checked over https only: open the page there.`);
  let response,
    got = 0;
  const parts = [];
  try {
    response = await fetch(new URL(file.path ?? file.url, root));
    if (!response.ok) throw new Trouble(`The file ${name} is missing on the server (status ${response.status}).`);
    for (const reader = response.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      got += value.length;
      tell({ name, got, bytes: file.bytes });
    }
  } catch (error) {
    if (error instanceof Trouble) throw error;
    throw new Trouble(`The file ${name} could not be loaded: is there a connection to the network?`);
  }
  const data = new Uint8Array(got);
  parts.reduce((place, part) => (data.set(part, place), place + part.length), 0);
  if ((file.crc32 !== undefined && crc32(data) !== file.crc32) || (file.sha256 && (await sha256(data)) !== file.sha256))
    throw new Trouble(`The file ${name} is damaged: its checksum is not the one that was published.`);
  return data;
}

function kept(file, tell) {
  if (!files.has(file.path))
    files.set(
      file.path,
      load(file, tell).catch((error) => {
        files.delete(file.path); // the next try asks again
        throw error;
      }),
    );
  return files.get(file.path);
}

// Images that ghr.book.laboratory wrote: levels from low to high.
async function images(file, size, tell) {
  let levels = await kept(file, tell);
  if (file.deflated) {
    const stream = new Blob([levels]).stream().pipeThrough(new DecompressionStream("deflate"));
    levels = new Uint8Array(await new Response(stream).arrayBuffer());
  }
  const one = (i) => levels.subarray(i * size ** 2, (i + 1) * size ** 2);
  const unit = (v) => file.low + (v / 255) * (file.high - file.low);
  return Array.from({ length: levels.length / size ** 2 }, (_, i) => Float32Array.from(one(i), unit));
}

// A network's two sessions; that of the products is made when it is first wanted.
async function session(network, graph, tell) {
  if (network.own) {
    require(network.own);
    return mine[graph];
  }
  const key = network.weights.path;
  const held = networks.get(key) ?? { weights: await load(network.weights, tell) };
  networks.delete(key);
  networks.set(key, held);
  held[graph] ??= await ort.InferenceSession.create(await kept(network.graph[graph], tell), {
    executionProviders: ["wasm"],
    externalData: [{ path: "weights", data: held.weights }],
  });
  for (const [old, { forward, products }] of [...networks].slice(0, -KEPT)) {
    networks.delete(old);
    await Promise.all([forward?.release(), products?.release()]);
  }
  return held[graph];
}

const tensor = (values, size) => new ort.Tensor("float32", Float32Array.from(values), [1, 1, size, size]);

async function denoiser(network, size, tell) {
  const forward = await session(network, "forward", tell);
  const [input, output] = [forward.inputNames[0], forward.outputNames[0]];
  return async (y) => (await forward.run({ [input]: tensor(y, size) }, [output]))[output].data;
}

// A reader's network -------------------------------------------------------------------------------------------------

// Why a file is no network for these pages, in a sentence; nothing where it is one.
function refusal(name, said) {
  if (!said) return `The file ${name} is no ONNX file: \`ghr export\` makes one of a network.`;
  const listed = said.inputs.map((one) => one.name).join(", ");
  if (said.inputs.length !== 1)
    return `The network of ${name} takes ${said.inputs.length} inputs (${listed}): those here take an image alone.`;
  const [{ kind, axes }] = said.inputs;
  if (kind !== 1) return `The network of ${name} takes other numbers than float32, which those here take.`;
  if (axes?.length !== 4)
    return `The network of ${name} takes inputs of ${axes?.length ?? "no"} axes: expected four, for number, channels, height and width.`;
  const [batch, channels, height, width] = axes;
  if (batch > 1) return `The network of ${name} takes ${batch} images at a time: export it for one.`;
  if (channels > 1) return `The network of ${name} takes images of ${channels} channels: those here are grey, of one.`;
  if (height !== width && height && width)
    return `The network of ${name} takes images of ${height} by ${width} pixels: those here are square.`;
  if (Math.max(height, width) > LARGEST)
    return `The network of ${name} takes images of ${height} by ${width} pixels: here they are at most ${LARGEST} by ${LARGEST}.`;
  if (said.elsewhere)
    return `The weights of ${name} lie in a second file: export it into one, in torch with external_data=False.`;
}

function require(number) {
  if (mine?.number !== number) throw new Trouble("Your network is no longer here: choose its file again.");
}

// A session that is not run any more once another network has taken its place.
async function opened(bytes, number) {
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const { inputNames, outputNames } = session;
  const run = (...asked) => (require(number), session.run(...asked));
  return { inputNames, outputNames, run, session };
}

const brief = (error) => (error?.message ?? String(error)).split("\n")[0].slice(0, 200);

// Runs what may fail at a file of the reader's, and says so; memory that runs out is no fault of the file.
async function tried(what, run) {
  try {
    return await run();
  } catch (error) {
    if (error instanceof Trouble || error instanceof RangeError || /bad_alloc/.test(error?.message)) throw error;
    throw new Trouble(`${what} (${brief(error)}).`);
  }
}

// Its Jacobian by central differences along the cosines, which are orthonormal; S v = (A Q' v + Q A' v) / 2 for A = J Q.
async function measured(f, y, size, tell, stale) {
  const d = size * size;
  const { to, back } = cosines(size);
  if (mine.at?.every((v, i) => v === y[i])) return symmetric(mine.columns, to, back);
  const columns = [];
  for (let k = 0; k < d; k++) {
    const step = back(Float64Array.from({ length: d }, (_, i) => (i === k ? STEP : 0)));
    const [up, down] = [await f(y.map((v, i) => v + step[i])), await f(y.map((v, i) => v - step[i]))];
    columns.push(up.map((v, i) => (v - down[i]) / (2 * STEP)));
    if (k % 8 === 0) {
      if (await stale()) return null;
      tell({ direction: k, of: d });
    }
  }
  Object.assign(mine, { at: y, columns });
  return symmetric(columns, to, back);
}

const symmetric = (columns, to, back) => (v) => {
  const push = new Float64Array(v.length);
  to(v).forEach((c, k) => columns[k].forEach((x, i) => (push[i] += c * x)));
  const pull = back(Float64Array.from(columns, (column) => column.reduce((sum, x, i) => sum + x * v[i], 0)));
  return push.map((x, i) => (x + pull[i]) / 2);
};

const TASKS = {
  async start({ runtime, files: address }, tell) {
    if (typeof WebAssembly !== "object") throw new Trouble("This browser has no WebAssembly, which the networks need.");
    if (!WebAssembly.validate(new Uint8Array(SIMD)))
      throw new Trouble("This browser is too old for the networks: its WebAssembly has no SIMD instructions.");
    root = address;
    const binary = await load(runtime.wasm, tell);
    // the bytes that were checked, not what the other server would send the next time
    const { url, sha256: checked } = runtime.module;
    const script = async () =>
      URL.createObjectURL(new Blob([await load(runtime.module, tell)], { type: "text/javascript" }));
    try {
      // from another server the bytes that were checked, not what it would send the next time; from this one, bytes too
      // where it sends an .mjs as something else than a script
      const usual = checked ? Promise.reject() : import(new URL(url, root));
      ort = await usual.catch(async () => import(await script()));
    } catch (error) {
      if (error instanceof Trouble) throw error;
      throw new Trouble(
        `The file ${url.split("/").at(-1)} could not be loaded: is there a connection to the network?`,
      );
    }
    Object.assign(ort.env.wasm, { numThreads: 1, proxy: false, wasmBinary: binary });
  },

  // A file of the reader's becomes a network; nothing of it leaves the browser.
  async adopt({ file, number, size, x }) {
    const { name } = file;
    if (file.size > WHOLE) throw new Trouble(`The file ${name} is too large: at most ${WHOLE / 1e6} MB fit here.`);
    const bytes = await tried(`The file ${name} could not be read`, async () => new Uint8Array(await file.arrayBuffer()));
    const said = described(bytes);
    const refused = refusal(name, said);
    if (refused) throw new Trouble(refused);
    const side = said.inputs[0].axes[2] ?? said.inputs[0].axes[3] ?? size;
    const forward = await tried(`The network of ${name} cannot be run here`, () => opened(bytes, number));
    const [input, output] = [forward.inputNames[0], forward.outputNames[0]];
    const answer = async (y) =>
      (await tried(`The network of ${name} does not take images of ${side} by ${side} pixels`, () =>
        forward.session.run({ [input]: tensor(y, side) }, [output]),
      ))[output];
    const levels = [0.1, 0.3];
    const worse = [];
    for (const [k, level] of levels.entries()) {
      const clean = x.length === side * side ? x : new Float32Array(side * side).fill(0.5);
      const z = gaussian(k, clean.length);
      const { data, dims } = await answer(clean.map((v, i) => v + level * z[i]));
      if (data.length !== clean.length || dims.at(-1) !== side)
        throw new Trouble(`The network of ${name} answers an image of 1x1x${side}x${side} with ${dims.join("x")} numbers.`);
      if (!data.every(Number.isFinite)) throw new Trouble(`The network of ${name} answers with NaN or infinite numbers.`);
      worse.push(data.reduce((sum, v, i) => sum + (v - clean[i]) ** 2, 0) > level ** 2 * clean.length);
    }
    const note = said.notes["ghr.products"];
    const products =
      note &&
      (await tried(`The products in ${name} cannot be run here`, () =>
        opened(Uint8Array.from(atob(note), (c) => c.charCodeAt(0)), number),
      ));
    const before = mine;
    mine = { number, forward, products };
    await Promise.all([before?.forward.session.release(), before?.products?.session.release()]);
    return { side, exact: Boolean(products), worse: worse.every(Boolean) };
  },

  stop: () => null, // being newer is enough

  file: ({ file }, tell) => kept(file, tell),

  images: ({ file, size }, tell) => images(file, size, tell),

  // The training image nearest to an image: of thousands all are compared, of more those in the groups most like it.
  async nearest({ network: { training, groups }, size, image }, tell) {
    if (!training && !groups) return null;
    let files = [training];
    if (groups) {
      const listed = JSON.parse(new TextDecoder().decode(await kept(groups, tell)));
      const alike = (await images(listed.centres, size, tell)).map((centre) => rho(image, centre));
      const order = [...alike.keys()].sort((i, j) => alike[j] - alike[i]);
      files = order.slice(0, order.length > FEW ? SEARCHED : FEW).map((k) => listed.groups[k]);
    }
    let best = { rho: -Infinity };
    for (const file of files) {
      const known = await images(file, size, tell);
      const found = nearest(image, known);
      if (found.rho > best.rho) best = { rho: found.rho, image: known[found.index] };
    }
    return best;
  },

  // What a rival makes of y: an exact machine of the network's own training images, all of them.
  async rival({ network: { training, groups }, size, y, sigma, side, patches }, tell, stale) {
    let known = [training];
    if (groups) known = JSON.parse(new TextDecoder().decode(await kept(groups, tell))).groups;
    let done = 0;
    async function* batches() {
      for (const file of known) {
        yield await images(file, size, tell);
        tell({ done: ++done / known.length / (patches ? 2 : 1) });
      }
    }
    return local(batches, y, sigma, side, patches, stale);
  },

  async denoise({ network, size, y }, tell) {
    return (await denoiser(network, size, tell))(y);
  },

  // Probability-flow ODE by Heun's method, as ghr.sampling.sample: float32 states, one step of every network in turn.
  async sample({ pair, size, start, steps, first, last }, tell, stale) {
    const denoisers = [];
    for (const network of pair) denoisers.push(await denoiser(network, size, tell));
    const sigmas = schedule(steps, first, last);
    const walks = [];
    for (const f of denoisers) walks.push({ f, y: start, x_hat: await f(start) });
    for (let step = 0; step < steps; step++) {
      const sigma = sigmas[step],
        smaller = sigmas[step + 1];
      for (const walk of walks) {
        const { f, y, x_hat } = walk;
        const slope = y.map((v, i) => (v - x_hat[i]) / sigma);
        const euler = y.map((v, i) => v + (smaller - sigma) * slope[i]);
        const below = await f(euler);
        walk.y = y.map((v, i) => v + ((smaller - sigma) * (slope[i] + (euler[i] - below[i]) / smaller)) / 2);
        walk.x_hat = await f(walk.y);
      }
      if (await stale()) return null;
      tell({ step: step + 1, sigma: smaller, walks: walks.map(({ y, x_hat }) => ({ y, x_hat })) });
    }
    return true;
  },

  // Leading eigenvectors of the Jacobian's symmetric part at y, as ghr.jacobian.leading.
  async basis({ network, size, y, k, tolerance }, tell, stale) {
    const forward = await session(network, "forward", tell);
    const products = await session(network, "products", tell);
    if (!products) {
      if (size > MEASURED)
        throw new Trouble(
          `The Jacobian of images of ${size} by ${size} pixels takes too long to measure: at most ${MEASURED} by ${MEASURED}, or a file of \`ghr export\`.`,
        );
      const f = await denoiser(network, size, tell);
      const multiply = await measured(f, y, size, tell, stale);
      const paused = async (v) => ((await stale()) ? null : multiply(v));
      const found = multiply && (await leading(paused, gaussian(0, size * size), k, (done) => tell({ products: done }), tolerance));
      return found && { x_hat: await f(y), ...found };
    }
    const { x_hat, gates } = await forward.run({ y: tensor(y, size) });
    const multiply = async (v) => {
      const { push, pull } = await products.run({ gates, v: tensor(v, size) });
      return (await stale()) ? null : Float64Array.from(push.data, (x, i) => (x + pull.data[i]) / 2);
    };
    const found = await leading(multiply, gaussian(0, size * size), k, (done) => tell({ products: done }), tolerance);
    return found && { x_hat: x_hat.data, ...found };
  },

  // A pixel's filter, which is its row of the Jacobian at y, and where the pixel goes, its column.
  async filter({ network, size, y, pixel }, tell) {
    const forward = await session(network, "forward", tell);
    const products = await session(network, "products", tell);
    const { gates } = await forward.run({ y: tensor(y, size) });
    const one = tensor(Float32Array.from({ length: size * size }, (_, i) => +(i === pixel)), size);
    const { push, pull } = await products.run({ gates, v: one });
    return { row: pull.data, column: push.data };
  },
};
