"""The optimum on discs: posterior means of `ghr.images.synthetic.discs` in noise of known level, and their Jacobians.

Noisy images enter; posterior means leave, and covariances over sigma^2. Given a disc's radius and centre, the image is
linear in its two levels, and these integrate out. Radius and centre take importance sampling: exact up to a Monte Carlo
error, which the effective sample size tells. Departure: the paper has no optimum for discs. The density is that of
`discs`, with its limits of radius, centre, levels and contrast.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import gammaincinv
from torch import Tensor, nn
from torch.nn.functional import max_pool3d

from ghr.denoiser import require_level
from ghr.images.synthetic import CONTRAST, RADII, coverage

CELLS = (8, 16, 16)  #: of the grid over radius, across, down
FLOOR = 0.1  #: least share of the draws from the grid; and of these, from all cells alike: weights are bounded
PEAKS, CLIMB, STEP = 4, 6, 1e-4  # local maxima, iterations that refine them, step of a difference quotient
FREEDOM, INFLATION = 5, 1.5  # Student's t around a peak: degrees of freedom, its scale over the covariance
STUDENT = math.gamma((FREEDOM + 3) / 2) / math.gamma(FREEDOM / 2) / (FREEDOM * math.pi) ** 1.5  #: its density at 0
PILOT, ROUNDS, HEALTHY = 512, 5, 0.4  # samples that correct the peaks, at most how often, until what share is effective
DOUBT, SPARE, NARROW = 20, 0.2, 4  # samples that a curvature counts for; a moved peak's share, by how much narrower
NODES, REACH = 20, 6  # of the quadrature over the background, its half-width in standard deviations
LEAST = 50  #: effective samples: with fewer, the error exceeds a seventh of the posterior's standard deviation


@dataclass(frozen=True)
class Posterior:
    """What noisy images say about clean ones."""

    mean: Float[Tensor, "b 1 h w"]  #: image units
    trace: Float[Tensor, " b"]  #: of J*, how many dimensions are kept
    effective: Float[Tensor, " b"]  #: sample size, 1 / sum_i w_i^2


class DiscPosterior(nn.Module):
    """Posterior mean when x is one of `ghr.images.synthetic.discs`, with a noise level that is told. ::

        f(y, sigma) = E[x|y] = sum_i w_i E[x | y, u_i],   w_i ~ p(y | u_i) / q(u_i),   sum_i w_i = 1

    u = (radius, across, down) in the unit cube, where the prior is uniform; the levels are integrated out of p(y | u).
    q mixes a grid over the cube, each cell by its evidence (broad posteriors), and Student's t around the grid's local
    maxima (sharp ones). These are refined by Gauss-Newton, then, since coverage has kinks, by pilot samples: weighted
    means and covariances; and where too few are effective, the least peak moves to the heaviest sample. The seed fixes
    all random numbers, the same for all images, so that f is a function, and its error in common. No autograd goes
    through it: `jacobian` has its Jacobian.

    Args:
        size: side in pixels.
        samples: per image; powers of 2 fill the cube best.
        seed: of them.

    Raises:
        ValueError: when called, without a positive sigma, for images that are not square, of another size, or of
            several channels, or where autograd is asked for.
        RuntimeError: when called, for fewer than LEAST effective samples.

    Source: own derivation; incremental mixtures: Raftery & Bao 2010; q: own choice, half of the samples are effective.
    """

    def __init__(self, size: int, *, samples: int = 2048, seed: int = 0):
        super().__init__()
        self.size, self.samples = size, samples
        cells = torch.cartesian_prod(*((torch.arange(k, dtype=torch.float64) + 0.5) / k for k in CELLS))
        self.register_buffer("cells", cells)
        self.register_buffer("rendered", self._render(cells))
        sobol = torch.quasirandom.SobolEngine(5, scramble=True, seed=seed)  # component, three coordinates, chi^2
        uniform = sobol.draw(samples + PILOT, dtype=torch.float64) + 2.0**-32  # never 0
        chi2 = torch.from_numpy(2 * gammaincinv(FREEDOM / 2, uniform[:, 4:].numpy()))
        self.register_buffer("uniform", uniform[:, :4].contiguous())
        self.register_buffer("student", torch.special.ndtri(uniform[:, 1:4]) * (FREEDOM / chi2).sqrt())
        self.eval()

    def forward(self, y: Float[Tensor, "b c h w"], sigma: float | None = None) -> Float[Tensor, "b c h w"]:
        if y.requires_grad and torch.is_grad_enabled():
            raise ValueError("Autograd does not go through a posterior mean of samples: jacobian has its Jacobian.")
        posterior = self.posterior(y, require_level(sigma))
        if not (least := float(posterior.effective.min())) >= LEAST:  # so are NaNs caught
            raise RuntimeError(f"{least:.0f} effective samples are too few: take more, or is y no disc at this sigma?")
        return posterior.mean

    def posterior(self, y: Float[Tensor, "b c h w"], sigma: float) -> Posterior:
        """Posterior means, the traces of their Jacobians, and how far to trust them. ::

            tr J* = (E[||x||^2 | y] - ||E[x|y]||^2) / sigma^2

        Args:
            y: noisy discs, image units.
            sigma: noise standard deviation, image units.

        Returns:
            Posterior; its mean like y, the rest float64, without unit.

        Raises:
            ValueError: as the class.
        """
        sigma = require_level(sigma)
        means, traces, effective = [], [], []
        for image in self._flat(y):
            w, c, moments = self._weighted(image, sigma)
            b, delta, bb, bd, dd = w * moments
            means.append(b.sum() + delta @ c)
            square = bb.sum() * c.shape[1] + 2 * bd @ c.sum(1) + dd @ torch.linalg.vecdot(c, c)
            traces.append((square - means[-1].square().sum()) / sigma**2)
            effective.append(1 / w.square().sum())
        return Posterior(torch.stack(means).to(y.dtype).view_as(y), torch.stack(traces), torch.stack(effective))

    def jacobian(self, y: Float[Tensor, "1 c h w"], sigma: float) -> Float[Tensor, "d d"]:
        """The Jacobian of the posterior mean at one noisy image: symmetric and positive. ::

            J* = Cov[x|y] / sigma^2 = (E[x x' | y] - E[x|y] E[x|y]') / sigma^2

        Args:
            y: noisy disc, image units.
            sigma: noise standard deviation, image units.

        Returns:
            J*, without unit; `ghr.jacobian.eigenbasis` takes it.

        Raises:
            ValueError: as the class.

        Source: Miyasawa 1961.
        """
        sigma = require_level(sigma)
        w, c, moments = self._weighted(self._flat(y)[0], sigma)
        b, delta, bb, bd, dd = w * moments
        mean, cross = b.sum() + delta @ c, bd @ c
        covariance = bb.sum() + cross + cross[:, None] + (c.T * dd) @ c - mean * mean[:, None]
        return (covariance / sigma**2).to(y.dtype)

    def _flat(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        if y.shape[1:] != (1, self.size, self.size):
            raise ValueError(f"Discs have 1 channel and {self.size}x{self.size} pixels, got {tuple(y.shape[1:])}.")
        return y.detach().flatten(1).double()

    def _render(self, u: Float[Tensor, "n 3"]) -> Float[Tensor, "n d"]:
        """Coverage of the discs at places of the unit cube."""
        radius = self.size * (RADII[0] + (RADII[1] - RADII[0]) * u[:, 0])
        centre = radius + (self.size - 2 * radius) * u[:, 1:].T
        return coverage(*centre, radius, self.size).flatten(1)

    def _levels(self, c: Float[Tensor, "n d"], y: Float[Tensor, " d"], sigma: float) -> tuple[Tensor, Tensor]:
        """Evidence of coverages, and given each the moments of background b and contrast delta = foreground f - b. ::

            p(y | u) = int int exp(-||y - b - (f - b) c||^2 / 2 sigma^2) db df
            over 0 <= b, f <= 1, |f - b| >= CONTRAST

        A Gaussian around the least squares, on two triangles. Over f, given b, the integral is a closed form. It varies
        slowly with b, the better known of the two: Gauss-Legendre, on each triangle's own interval, errs by 1e-5 or so.

        Args:
            c: coverages.
            y: noisy image, image units.
            sigma: noise standard deviation, image units.

        Returns:
            log p(y | u) up to a constant; E[b], E[delta], E[b^2], E[b delta], E[delta^2], given y and u.
        """
        ones, e, s = c.sum(1), torch.linalg.vecdot(c, c), c @ y
        a, o, t = len(y) - 2 * ones + e, ones - e, y.sum() - s
        det = a * e - o.square()  # normal equations: [[a, o], [o, e]] (b, f)' = (t, s)'
        b_hat, f_hat = (e * t - o * s) / det, (a * s - o * t) / det
        peak = (b_hat * t + f_hat * s - y.square().sum()) / (2 * sigma**2) - det.log() / 2
        b_hat, b_sd, f_sd, slope, level = (  # samples, triangles, nodes
            v[:, None, None] for v in (b_hat, sigma * (e / det).sqrt(), sigma / e.sqrt(), o / e, s / e)
        )
        nodes, weights = y.new_tensor(np.array(np.polynomial.legendre.leggauss(NODES)))
        bright = y.new_tensor([[1], [0]])  # discs brighter than their background, and darker
        lowest = CONTRAST * (1 - bright)
        middle = b_hat.clamp(lowest, lowest + 1 - CONTRAST)
        low = torch.maximum(middle - REACH * b_sd, lowest)
        half = (torch.minimum(middle + REACH * b_sd, lowest + 1 - CONTRAST) - low) / 2
        b = low + half * (1 + nodes)

        start, end = bright * (b + CONTRAST), bright + (1 - bright) * (b - CONTRAST)
        f = level - slope * b  # the mean of the foreground given b, without its limits
        alpha, beta = (start - f) / f_sd, (end - f) / f_sd
        upper = alpha + beta > 0  # there, take the mirror image: a difference of small numbers keeps its digits
        less, more = (torch.special.log_ndtr(torch.where(upper, p, q)) for p, q in ((-beta, alpha), (-alpha, beta)))
        mass = more + (-(less - more).exp()).log1p()
        at_start, at_end = ((-z.square() / 2 - mass).exp() / math.sqrt(2 * math.pi) for z in (alpha, beta))
        f_mean = f + f_sd * (at_start - at_end)
        f_square = f.square() + f_sd.square() + f_sd * ((f + start) * at_start - (f + end) * at_end)

        logits = ((half / b_sd * weights).log() - ((b - b_hat) / b_sd).square() / 2 + mass).flatten(1)
        moments = b, f_mean - b, b.square(), b * (f_mean - b), f_square - 2 * b * f_mean + b.square()
        weights = logits.softmax(1)
        return peak + logits.logsumexp(1), torch.stack([torch.linalg.vecdot(weights, m.flatten(1)) for m in moments])

    def _peaks(
        self, evidence: Float[Tensor, " n"], y: Float[Tensor, " d"], sigma: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Local maxima of the grid's evidence, refined by Gauss-Newton: places, covariances, shares of the mass. ::

            gradient = <E[delta (y - b - delta c) | y, u], dc/du> / sigma^2
            precision = E[delta^2 | y, u] <P dc/du, P dc/du> / sigma^2 + 12,   P takes out what the levels can imitate

        12 is the precision of the uniform prior: one over its variance.

        Args:
            evidence: of the grid's places.
            y: noisy image, image units.
            sigma: noise standard deviation, image units.

        Returns:
            Places, covariances and shares of the peaks.
        """
        grid = evidence.view(1, 1, *CELLS)
        maxima = (max_pool3d(grid, 3, stride=1, padding=1) == grid).flatten()
        u, eye = self.cells[evidence.where(maxima, -math.inf).topk(PEAKS).indices], torch.eye(3).to(y)
        for _ in range(CLIMB):
            c = self._render(u)
            slopes = torch.stack([self._render(u + h) - self._render(u - h) for h in STEP * eye], 1) / (2 * STEP)
            values, (_, delta, _, bd, dd) = self._levels(c, y, sigma)
            gradient = slopes @ (delta[:, None] * y - bd[:, None] - dd[:, None] * c)[:, :, None] / sigma**2
            plane = torch.linalg.qr(torch.stack([torch.ones_like(c), c], 2)).Q
            slopes = slopes - slopes @ plane @ plane.mT
            covariances = (dd[:, None, None] * slopes @ slopes.mT / sigma**2 + 12 * eye).inverse()
            u = (u + (covariances @ gradient)[:, :, 0]).clamp(0, 1)
        return u, covariances, (values + covariances.logdet() / 2).softmax(0)

    def _weighted(self, y: Float[Tensor, " d"], sigma: float) -> tuple[Tensor, Tensor, Tensor]:
        """Samples given a noisy image: weights (n), coverages (n,d), moments of the levels (5,n)."""
        evidence, _ = self._levels(self.rendered, y, sigma)
        cells = (1 - FLOOR) * evidence.softmax(0) + FLOOR / len(evidence)
        peaks, covariances, shares = self._peaks(evidence, y, sigma)
        shares = (1 - FLOOR) * shares
        for _ in range(ROUNDS):
            w, u, of_peaks, *_ = self._draw(peaks, covariances, shares, cells, slice(self.samples, None), y, sigma)
            effective, heaviest = 1 / w.square().sum(), w.argmax()
            w = w * of_peaks  # the part of each weight that a peak answers for
            total = w.sum(1)
            trust = total.square() / (total.square() + DOUBT * w.square().sum(1) + 1e-12)
            w = w / total.clamp(min=1e-12)[:, None]
            offsets = u - (w @ u)[:, None]
            peaks = peaks.lerp(w @ u, trust[:, None])
            covariances = covariances.lerp((w[:, :, None] * offsets).mT @ offsets, trust[:, None, None])
            shares = total * ((1 - FLOOR) / total.sum()).clamp(max=1)
            if effective > HEALTHY * PILOT:
                break
            least = total.argmin()  # moves to where q is too small by most
            peaks[least], covariances[least] = u[heaviest], covariances[total.argmax()] / NARROW
            shares = (1 - SPARE) * shares
            shares[least] += SPARE * (1 - FLOOR)
        w, _, _, c, moments = self._draw(peaks, covariances, shares, cells, slice(self.samples), y, sigma)
        return w, c, moments

    def _draw(
        self,
        peaks: Float[Tensor, "p 3"],
        covariances: Float[Tensor, "p 3 3"],
        shares: Float[Tensor, " p"],
        cells: Float[Tensor, " k"],
        rows: slice,
        y: Float[Tensor, " d"],
        sigma: float,
    ) -> tuple[Tensor, ...]:
        """Samples of the mixture.

        Args:
            peaks: places in the unit cube.
            covariances: of the peaks.
            shares: of the peaks in q.
            cells: shares of the grid's cells in what is left.
            rows: which of the random numbers.
            y: noisy image, image units.
            sigma: noise standard deviation, image units.

        Returns:
            Weights (n), places (n,3), the peaks' parts of q (p,n), coverages (n,d) and moments (5,n).
        """
        uniform, counts = self.uniform[rows], torch.tensor(CELLS).to(y)
        mixture = torch.cat([shares, (1 - shares.sum()) * cells])
        k = torch.searchsorted(mixture.cumsum(0), uniform[:, 0].contiguous()).clamp(max=len(mixture) - 1)
        peak, cell = k.clamp(max=PEAKS - 1), (k - PEAKS).clamp(min=0)
        factors = torch.linalg.cholesky(INFLATION * covariances)
        near = peaks[peak] + (factors[peak] @ self.student[rows][:, :, None])[:, :, 0]
        u = near.where((k < PEAKS)[:, None], self.cells[cell] + (uniform[:, 1:] - 0.5) / counts)
        inside = ((u > 0) & (u < 1)).all(1)
        u = u.clamp(0, 1 - 1e-9)

        z = torch.linalg.solve_triangular(factors, (u - peaks[:, None]).mT, upper=False)
        t = STUDENT * (1 + z.square().sum(1) / FREEDOM) ** (-(FREEDOM + 3) / 2)
        t = t * (shares / factors.diagonal(dim1=1, dim2=2).prod(1))[:, None]
        q = t.sum(0) + mixture[PEAKS:].view(CELLS)[(u * counts).long().unbind(1)] * len(cells)
        c = self._render(u)
        evidence, moments = self._levels(c, y, sigma)
        return (evidence - q.log()).where(inside, -math.inf).softmax(0), u, t / q, c, moments
