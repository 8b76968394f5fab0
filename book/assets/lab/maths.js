// Mathematics of the laboratory, on plain arrays: nothing here knows of networks, pages or workers.

// White noise of a seed: mulberry32 for uniform numbers, Box & Muller for normal ones.
export function gaussian(seed, n) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return Float64Array.from(
    { length: n },
    () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

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
