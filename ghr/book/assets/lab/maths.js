// Mathematics of the engine and its figures, on plain arrays: nothing here knows of networks, pages or workers.

// Random numbers of a seed, each at a call: uniform in [0, 1) by mulberry32, and normal ones of those by Box & Muller.
export function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
export const normal = (next, n) =>
  Float64Array.from({ length: n }, () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
export const gaussian = (seed, n) => normal(uniform(seed), n);

// Of the sampler: those of ghr.sampling.sample.
export const DEFAULTS = { steps: 20, first: 1, last: 0.01 };

// Noise levels of the sampler: ghr.sampling.schedule.
export function schedule(steps, first, last) {
  const a = first ** 0.2,
    b = last ** 0.2;
  return Array.from({ length: steps + 1 }, (_, i) => (a + (i / steps) * (b - a)) ** 5);
}

export const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);

// Peak signal-to-noise ratio, dB, peak 1: ghr.noise.psnr.
export const psnr = (x, other) => -10 * Math.log10(x.reduce((sum, v, i) => sum + (v - other[i]) ** 2, 0) / x.length);

// Centred cosine: ghr.similarity.rho.
export function rho(a, b) {
  const [p, q] = [a, b].map((x) => {
    const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
    const centred = Float64Array.from(x, (v) => v - mean);
    const norm = Math.max(Math.sqrt(dot(centred, centred)), 1e-12);
    return centred.map((v) => v / norm);
  });
  return dot(p, q);
}

// The training image of largest centred cosine: ghr.similarity.nearest.
export function nearest(image, known) {
  const all = known.map((other) => rho(image, other));
  const index = all.indexOf(Math.max(...all));
  return { index, rho: all[index] };
}

// Bases of n by n images that know no image, as functions from an image to its coefficients (of sides) and back. ---------

// All matrices that follow are orthonormal, so that back is transposed.
const sandwich = (rows, image, n, back) => {
  const half = new Float64Array(n * n),
    whole = new Float64Array(n * n);
  const entry = back ? (a, i) => rows[i][a] : (a, i) => rows[a][i];
  for (let a = 0; a < n; a++)
    for (let j = 0; j < n; j++) for (let i = 0; i < n; i++) half[a * n + j] += entry(a, i) * image[i * n + j];
  for (let a = 0; a < n; a++)
    for (let b = 0; b < n; b++) for (let j = 0; j < n; j++) whole[a * n + b] += entry(b, j) * half[a * n + j];
  return whole;
};

// The cosine modes: ghr.harmonic.dct.
export function cosines(n) {
  const rows = Array.from({ length: n }, (_, a) =>
    Float64Array.from({ length: n }, (_, i) => Math.sqrt((a ? 2 : 1) / n) * Math.cos((Math.PI * (i + 0.5) * a) / n)),
  );
  return { to: (x) => sandwich(rows, x, n, false), back: (c) => sandwich(rows, c, n, true) };
}

// Daubechies' wavelets with four vanishing moments on periodic images, of two scales: ghr.harmonic.wavelets.
const DB4 = [
  -0.010597401785069032, 0.0328830116668852, 0.030841381835560764, -0.18703481171909309, -0.027983769416859854,
  0.6308807679298589, 0.7148465705529157, 0.2303778133088965,
];
export function wavelets(n) {
  const scale = (m) =>
    Array.from({ length: m }, (_, a) => {
      const row = new Float64Array(m);
      for (let j = 0; j < 8; j++)
        row[(((2 * a + 4 - j) % m) + m) % m] += a < m / 2 ? DB4[j] : (j % 2 ? 1 : -1) * DB4[7 - j];
      return row;
    });
  const [fine, coarse] = [scale(n), scale(n / 2)];
  const m = n / 2;
  const corner = (x, change) => {
    const small = change(Float64Array.from({ length: m * m }, (_, i) => x[Math.floor(i / m) * n + (i % m)]));
    return x.map((v, i) => (i % n < m && i < m * n ? small[Math.floor(i / n) * m + (i % n)] : v));
  };
  return {
    to: (x) => corner(sandwich(fine, x, n, false), (small) => sandwich(coarse, small, m, false)),
    back: (c) => sandwich(fine, corner(Float64Array.from(c), (small) => sandwich(coarse, small, m, true)), n, true),
  };
}

// A hard threshold of db4 coefficients at 3 sigma, averaged over all shifts, borders mirrored: ghr.references.WaveletDenoiser.
export function thresholded(y, sigma, scales = 4) {
  const n = Math.sqrt(y.length);
  const edge = 2 ** scales;
  const m = edge * (2 + Math.ceil(n / edge)); // what is transformed: whole steps of the coarsest scale
  const mirror = (i) => (i < 0 ? -1 - i : i >= n ? 2 * n - 1 - i : i);
  const low = DB4.toReversed();
  const high = low.map((_, k) => (k % 2 ? -1 : 1) * DB4[k]);
  // sums of pixels at a distance of step, along rows (across) or columns, weighted by a filter; periodic
  const filtered = (x, filter, step, across) => {
    const found = new Float64Array(m * m);
    for (let a = 0; a < m; a++)
      for (let k = 0; k < 8; k++) {
        const [b, w] = [(((a + k * step) % m) + m) % m, filter[k]];
        if (across) for (let i = 0; i < m * m; i += m) found[i + a] += w * x[i + b];
        else for (let j = 0; j < m; j++) found[a * m + j] += w * x[b * m + j];
      }
    return found;
  };
  const descend = (x, step) => {
    if (step === edge) return x;
    const [coarse, ...details] = [low, high].flatMap((rows) => {
      const half = filtered(x, rows, step, true);
      return [low, high].map((columns) => filtered(half, columns, step, false));
    });
    const kept = details.map((part) => part.map((v) => (Math.abs(v) > 3 * sigma ? v : 0)));
    const [first, second] = [[descend(coarse, 2 * step), kept[0]], kept.slice(1)].map((pair) => {
      const back = pair.map((part, k) => filtered(part, [low, high][k], -step, false));
      return back[0].map((v, i) => v + back[1][i]);
    });
    const wide = filtered(second, high, -step, true);
    return filtered(first, low, -step, true).map((v, i) => (v + wide[i]) / 4);
  };
  const padded = Float64Array.from({ length: m * m }, (_, i) => {
    const [row, column] = [Math.floor(i / m) - edge, (i % m) - edge].map(mirror);
    return y[row * n + column];
  });
  const found = descend(padded, 1);
  return Float32Array.from(y, (_, i) => found[(Math.floor(i / n) + edge) * m + (i % n) + edge]);
}

// Given vectors, of which there may be fewer than pixels.
export const spanned = (vectors) => ({
  to: (x) => Float64Array.from(vectors, (e) => dot(e, x)),
  back: (c) =>
    vectors.reduce((sum, e, k) => (c[k] ? sum.map((v, i) => v + c[k] * e[i]) : sum), new Float64Array(vectors[0].length)),
});

// Unit vectors that span the same, each perpendicular to those before it.
export function orthonormal(vectors) {
  const found = [];
  for (const v of vectors) {
    let rest = Float64Array.from(v);
    for (let twice = 0; twice < 2; twice++)
      for (const e of found) {
        const along = dot(rest, e);
        rest = rest.map((x, i) => x - along * e[i]);
      }
    const norm = Math.sqrt(dot(rest, rest));
    found.push(rest.map((x) => x / norm));
  }
  return found;
}

// How much of a unit vector lies in the span of orthonormal ones, from 0 to 1; and the mean over several of it.
export const within = (v, basis) => basis.reduce((sum, e) => sum + dot(v, e) ** 2, 0);
export const alignment = (vectors, basis) => vectors.reduce((sum, v) => sum + within(v, basis), 0) / vectors.length;

// An image rebuilt from k coefficients, the first ones or the largest.
export function rebuilt({ to, back }, x, k, largest) {
  const all = to(x);
  const order = [...all.keys()];
  if (largest) order.sort((i, j) => Math.abs(all[j]) - Math.abs(all[i]));
  const kept = new Float64Array(all.length);
  for (const i of order.slice(0, k)) kept[i] = all[i];
  return back(kept);
}

// Rivals of a network, made of its training images: ghr.references.local. ------------------------------------------------

// Sums of an image of side n over rectangles: spans are [start, end) of their sides.
function sums(values, n, spans) {
  const m = spans.length,
    table = new Float64Array((n + 1) ** 2), // of what lies above and to the left
    found = new Float64Array(m * m);
  for (let a = 0; a < n; a++)
    for (let b = 0, row = 0; b < n; b++)
      table[(a + 1) * (n + 1) + b + 1] = table[a * (n + 1) + b + 1] + (row += values[a * n + b]);
  for (let a = 0; a < m; a++) {
    const [top, bottom] = spans[a].map((place) => place * (n + 1));
    for (let b = 0; b < m; b++) {
      const [left, right] = spans[b];
      found[a * m + b] = table[bottom + right] - table[top + right] - table[bottom + left] + table[top + left];
    }
  }
  return found;
}

const FLOOR = -60; // of a log weight below the largest

// The posterior mean of each pixel, given a window of noisy pixels around it (LS), or that of whole patches, averaged where
// they overlap (PSPC); with the whole image as window both are the memorizer.
// batches: () -> training images, some at a time, asynchronously; side: of the windows in pixels; patches: of which kind.
// Returns: image, or null when stale() says so.
export async function local(batches, y, sigma, side, patches, stale) {
  const n = Math.sqrt(y.length);
  const places = Array.from({ length: patches ? n - Math.min(side, n) + 1 : n }, (_, p) => p);
  const half = Math.floor(side / 2);
  const spans = places.map((p) => (patches ? [p, Math.min(n, p + side)] : [Math.max(0, p - half), Math.min(n, p + half + 1)]));
  const m = places.length;
  const logits = (x) => sums(x.map((v, i) => (y[i] - v) ** 2), n, spans).map((v) => v / (-2 * sigma ** 2));
  const largest = new Float64Array(m * m).fill(-Infinity),
    total = new Float64Array(m * m),
    mean = new Float64Array(n * n);
  for await (const images of batches()) {
    for (const x of images)
      logits(x).forEach((v, p) => {
        if (v - largest[p] < FLOOR) return;
        if (v > largest[p]) {
          const fall = Math.exp(largest[p] - v);
          total[p] *= fall;
          if (!patches) mean[p] *= fall;
          largest[p] = v;
        }
        const w = Math.exp(v - largest[p]);
        total[p] += w;
        if (!patches) mean[p] += w * x[p];
      });
    if (await stale()) return null;
  }
  if (!patches) return Float32Array.from(mean, (v, p) => v / total[p]);
  // again: a sum over patches cannot be divided before all training images are seen
  const holding = Array.from({ length: n }, (_, p) => [Math.max(0, p - Math.min(side, n) + 1), Math.min(m, p + 1)]);
  const over = (w) => sums(w, m, holding);
  for await (const images of batches()) {
    for (const x of images) {
      const w = logits(x).map((v, p) => (v - largest[p] < FLOOR ? 0 : Math.exp(v - largest[p]) / total[p]));
      if (w.some((v) => v > 0)) over(w).forEach((v, p) => (mean[p] += v * x[p]));
    }
    if (await stale()) return null;
  }
  const count = over(new Float64Array(m * m).fill(1));
  return Float32Array.from(mean, (v, p) => v / count[p]);
}

// CRC-32 as zlib has it, against damage on the way.
const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let k = 0; k < 8; k++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});
export function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC[(crc ^ byte) & 255];
  return ~crc >>> 0;
}

// Leading eigenpairs of a symmetric matrix from its products: a Krylov basis by Lanczos' recursion, made orthogonal
// again in full at each step, and Rayleigh-Ritz in it. An eigenvalue is off by no more than its residual.
// multiply: v -> promise of S v, or of null to give up.  tell(done): after each product.
// Returns: values by fall, unit vectors, residuals; or null.
export async function leading(multiply, start, k, tell, tolerance = 5e-4) {
  const scaled = (v, by) => v.map((x) => x * by);
  const basis = [scaled(start, 1 / Math.sqrt(dot(start, start)))],
    alphas = [],
    betas = [];
  for (;;) {
    const w = await multiply(basis.at(-1));
    if (w === null) return null;
    alphas.push(dot(w, basis.at(-1)));
    for (let twice = 0; twice < 2; twice++)
      for (const q of basis) {
        const c = dot(w, q);
        for (let i = 0; i < w.length; i++) w[i] -= c * q[i];
      }
    const beta = Math.sqrt(dot(w, w)),
      m = alphas.length;
    tell(m);
    const closed = beta < 1e-8 || m === start.length;
    if (closed || (m >= 2 * k && m % 8 === 0)) {
      const tail = Float64Array.from({ length: m }, (_, i) => +(i === m - 1));
      const values = tridiagonal(alphas, betas, [tail]);
      const order = [...values.keys()].sort((i, j) => values[j] - values[i]).slice(0, k);
      const residuals = order.map((i) => Math.abs(beta * tail[i]));
      if (closed || Math.max(...residuals) < tolerance) {
        const rows = basis.map((_, j) => Float64Array.from({ length: m }, (_, i) => +(i === j)));
        tridiagonal(alphas, betas, rows);
        const vectors = order.map((i) =>
          rows.reduce((sum, row, j) => sum.map((x, p) => x + row[i] * basis[j][p]), new Float64Array(start.length)),
        );
        return { values: order.map((i) => values[i]), vectors, residuals };
      }
    }
    betas.push(beta);
    basis.push(scaled(w, 1 / beta));
  }
}

// Eigenvalues of a symmetric tridiagonal matrix, diagonal a and beside it b, by implicit QR steps with Wilkinson's shift
// (Golub & Van Loan, Algorithm 8.3.2). The rotations are applied to rows: those of the identity become eigenvectors.
function tridiagonal(diagonal, beside, rows) {
  const a = Float64Array.from(diagonal),
    b = Float64Array.from(beside);
  const small = (i) => Math.abs(b[i]) <= 1e-15 * (Math.abs(a[i]) + Math.abs(a[i + 1]));
  for (let high = a.length - 1; high > 0;) {
    if (small(high - 1)) {
      high--;
      continue;
    }
    let low = high - 1;
    while (low > 0 && !small(low - 1)) low--;
    const half = (a[high - 1] - a[high]) / 2,
      last = b[high - 1];
    let x = a[low] - a[high] + last ** 2 / (half + (half < 0 ? -1 : 1) * Math.hypot(half, last)),
      z = b[low];
    for (let k = low; k < high; k++) {
      const r = Math.hypot(x, z),
        c = r ? x / r : 1,
        s = r ? -z / r : 0;
      if (k > low) b[k - 1] = r;
      const [p, q, t] = [a[k], b[k], a[k + 1]];
      a[k] = c * c * p - 2 * c * s * q + s * s * t;
      a[k + 1] = s * s * p + 2 * c * s * q + c * c * t;
      b[k] = c * s * (p - t) + (c * c - s * s) * q;
      if (k < high - 1) {
        x = b[k];
        z = -s * b[k + 1];
        b[k + 1] *= c;
      }
      for (const row of rows) [row[k], row[k + 1]] = [c * row[k] - s * row[k + 1], s * row[k] + c * row[k + 1]];
    }
  }
  return a;
}
