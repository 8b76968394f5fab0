"""Bandlets: a threshold in the orthonormal basis that follows the contours of the noisy image, without training.

A noisy image enters, a denoised one leaves; in between, a wavelet basis whose coefficients are regrouped along
contours, square by square, in the directions that pay. It is the classical answer for C^alpha images, near-optimal by
theorem and built by hand. Departures from the source: in a square, a Haar transform of the points in the order of one
straight direction (the authors' discrete bandelets of 2005), not Alpert polynomials along a curved flow; squares grow
only while they tile a subband, up to 8 for 80 by 80 pixels; the coarsest scale is kept as it is.
"""

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
import pywt
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ghr.denoiser import require_level

SMALLEST, LARGEST = 4, 16  # sides of squares, in coefficients (the authors' toolbox: 4 to 32)
PENALTY = 1 / 7  #: coefficients that a bit of geometry is worth (Le Pennec & Mallat 2005: a coefficient takes 7 bits)
PLAIN, ELSEWHERE = -1, -2  # a leaf that keeps its wavelets; a square that is no leaf: smaller or larger ones are


@dataclass(frozen=True)
class Geometry:
    """A bandlet basis for each image: a quadtree of squares for each detail subband, a direction for each leaf."""

    wavelet: str  #: of PyWavelets
    #: by band and side, direction from 0, PLAIN or ELSEWHERE of each square; bands from fine to coarse, three a scale
    squares: tuple[dict[int, Int[Tensor, "b c _ _"]], ...]


def best_basis(
    x: Float[Tensor, "b c h w"], threshold: float, *, wavelet: str = "db2", penalty: float = PENALTY
) -> Geometry:
    """The bandlet basis in which an image is cheapest: dynamic programming from the smallest squares up. ::

        min over bases of  sum_k min(c_k^2, T^2) + penalty T^2 bits,       c_k the coefficients of all detail subbands

    bits: one for each split and for each leaf of the quadtrees, log2(4 side) more for a leaf with a direction.

    Args:
        x: images; each channel of each has its basis.
        threshold: T, image units.
        wavelet: of PyWavelets, orthogonal.
        penalty: of a bit, in coefficients; infinite leaves plain wavelets.

    Returns:
        Geometry, for `analysis` and `synthesis`.

    Raises:
        ValueError: for sides that are no multiples of 8, or another wavelet.

    Source: Peyré & Mallat 2008; bits: after the authors' toolbox; db2: own choice, see `BandletDenoiser`.
    """
    coefficients, ceiling, squares = _wavelets(x.double(), wavelet), threshold**2, []
    for band in _bands(*x.shape[-2:], wavelet):
        tree, cost = {}, None
        for side in _sides(coefficients[band]):
            v = _cut(coefficients[band], side)
            turned = v[..., _orders(side).to(v.device)] @ _haar(side).to(v).T  # b c row column direction point
            plain = v.square().clamp(max=ceiling).sum(-1, keepdim=True) + penalty * ceiling
            directed = turned.square().clamp(max=ceiling).sum(-1) + penalty * ceiling * (1 + math.log2(4 * side))
            own, choice = torch.cat([plain, directed], -1).min(-1)
            choice = choice + PLAIN
            if cost is not None:
                parts = _cut(cost, 2).sum(-1) + penalty * ceiling
                merged = own <= parts
                for smaller, chosen in tree.items():
                    under = merged.repeat_interleave(side // smaller, -2).repeat_interleave(side // smaller, -1)
                    tree[smaller] = torch.where(under, ELSEWHERE, chosen)
                own, choice = torch.where(merged, own, parts), torch.where(merged, choice, ELSEWHERE)
            cost, tree[side] = own, choice
        squares.append(tree)
    return Geometry(wavelet, tuple(squares))


def analysis(x: Float[Tensor, "b c h w"], geometry: Geometry) -> Float[Tensor, "b c h w"]:
    """Coefficients of images in their bandlet bases. ::

        c = B x:    the wavelets of x;  where a leaf v has a direction  H P v,
                    P sorts along it, H is the Haar transform

    Args:
        x: images.
        geometry: of each, or of one for all.

    Returns:
        float64, image units; subbands in quadrants, the coarse scale in the upper left corner.

    Raises:
        ValueError: as `best_basis`.
    """
    return _regroup(_wavelets(x.double(), geometry.wavelet), geometry)


def synthesis(c: Float[Tensor, "b c h w"], geometry: Geometry) -> Float[Tensor, "b c h w"]:
    """Images from their coefficients in bandlet bases, the inverse of `analysis`. ::

        x = B' c

    Args:
        c: coefficients, image units.
        geometry: of each, or of one for all.

    Returns:
        float64, image units.
    """
    x, (h, w) = _regroup(c.double(), geometry, back=True), c.shape[-2:]
    for level in reversed(range(_levels(h, w, geometry.wavelet))):
        corner = (..., slice(h >> level), slice(w >> level))
        rows, columns = (_filters(n >> level, geometry.wavelet).to(x) for n in (h, w))
        x[corner] = rows.T @ x[corner] @ columns
    return x


class BandletDenoiser(nn.Module):
    """Hard threshold in the best bandlet basis of the noisy image itself, averaged over translations. ::

        f(y, sigma) = mean_s S_s' B' 1(|c| > T) c,     c = B S_s y
        B the best basis of S_s y, S_s a circular shift, T = cut sigma

    While no choice changes, f is linear: without shifts an orthogonal projector, its trace the number of terms kept.

    Args:
        wavelet: of PyWavelets, orthogonal.
        cut: threshold over sigma.
        penalty: of a bit of geometry, see `best_basis`; infinite for the same threshold in plain wavelets.
        shifts: by 0 to shifts - 1 rows and as many columns; 8 come within 0.2 dB of 16, time grows with the square.

    Raises:
        ValueError: for shifts < 1; when called, without a positive sigma, and as `best_basis`.

    Source: Peyré, Le Pennec, Dossal & Mallat 2007; shifts: Coifman & Donoho 1995. Own choices: cut 3, where theory has
    a multiple of sqrt(log d); db2, up to 0.8 dB above db4 on C^alpha images of 32 and 80 pixels (at sharp contours
    haar is better still, but gains next to nothing from directions).
    """

    def __init__(self, *, wavelet: str = "db2", cut: float = 3.0, penalty: float = PENALTY, shifts: int = 1):
        super().__init__()
        if shifts < 1:
            raise ValueError(f"shifts must be at least 1, got {shifts}: 1 denoises the image where it stands.")
        self.wavelet, self.cut, self.penalty, self.shifts = wavelet, cut, penalty, shifts
        self.eval()

    def forward(self, y: Float[Tensor, "b c h w"], sigma: float | None = None) -> Float[Tensor, "b c h w"]:
        threshold = self.cut * require_level(sigma)
        # image by image: memory stays that of one search, and no rounding depends on batch mates
        return torch.stack([self._denoise(image.double(), threshold) for image in y]).to(y.dtype)

    def _denoise(self, image: Float[Tensor, "c h w"], threshold: float) -> Float[Tensor, "c h w"]:
        shifts = list(itertools.product(range(self.shifts), repeat=2))
        spun = torch.stack([image.roll(shift, (-2, -1)) for shift in shifts])
        geometry = best_basis(spun.detach(), threshold, wavelet=self.wavelet, penalty=self.penalty)
        c = analysis(spun, geometry)
        keep = c.abs() > threshold
        h, w = (n >> _levels(*image.shape[-2:], self.wavelet) for n in image.shape[-2:])
        keep[..., :h, :w] = True
        x_hat = synthesis(torch.where(keep, c, 0), geometry)
        return torch.stack([x.roll((-i, -j), (-2, -1)) for x, (i, j) in zip(x_hat, shifts, strict=True)]).mean(0)


def _wavelets(x: Float[Tensor, "b c h w"], wavelet: str) -> Float[Tensor, "b c h w"]:
    """Wavelet coefficients of periodic images: each scale splits the corner that the last one left in quadrants."""
    x, (h, w) = x.clone(), x.shape[-2:]
    if h % (2 * SMALLEST) or w % (2 * SMALLEST):
        raise ValueError(f"{h} by {w} pixels cannot be cut into squares: crop or pad to multiples of {2 * SMALLEST}.")
    for level in range(_levels(h, w, wavelet)):
        corner = (..., slice(h >> level), slice(w >> level))
        rows, columns = (_filters(n >> level, wavelet).to(x) for n in (h, w))
        x[corner] = rows @ x[corner] @ columns.T
    return x


def _regroup(c: Float[Tensor, "b c h w"], geometry: Geometry, back: bool = False) -> Float[Tensor, "b c h w"]:
    """From wavelet to bandlet coefficients in each leaf with a direction, H P v, or back, P' H' v."""
    c = c.clone()
    for band, tree in zip(_bands(*c.shape[-2:], geometry.wavelet), geometry.squares, strict=True):
        for side, choice in tree.items():
            v, haar = _cut(c[band], side), _haar(side).to(c)
            order = _orders(side, inverse=back).to(c.device)[choice.clamp(min=0)]
            turned = torch.take_along_dim(v @ haar, order, -1) if back else torch.take_along_dim(v, order, -1) @ haar.T
            c[band] = _paste(torch.where(choice[..., None] >= 0, turned, v), side)
    return c


@functools.cache
def _levels(h: int, w: int, wavelet: str) -> int:
    """As many scales as the filter fits and both sides can be halved, at least one."""
    halvings = [(n & -n).bit_length() - 1 for n in (h, w)]
    return max(1, min(pywt.dwt_max_level(min(h, w), wavelet), *halvings))


@functools.cache
def _filters(n: int, wavelet: str) -> Float[Tensor, "n n"]:
    """One scale of the wavelet transform of n periodic points, an orthogonal matrix: coarse half, then details."""
    if not pywt.Wavelet(wavelet).orthogonal:
        raise ValueError(f"{wavelet} is not an orthogonal wavelet, as bandlets need: take haar, a db, sym or coif.")
    return torch.from_numpy(np.concatenate(pywt.dwt(np.eye(n), wavelet, "periodization", axis=0)))


def _bands(h: int, w: int, wavelet: str) -> list[tuple]:
    """Where the detail subbands lie: three quadrants a scale, from fine to coarse."""
    bands = []
    for level in range(1, _levels(h, w, wavelet) + 1):
        rows, columns = ((slice(n >> level), slice(n >> level, 2 * (n >> level))) for n in (h, w))
        bands += [(..., rows[i], columns[j]) for i, j in ((0, 1), (1, 0), (1, 1))]
    return bands


def _sides(band: Float[Tensor, "b c h w"]) -> list[int]:
    """Sides of the dyadic squares that tile a subband, smallest first; without any it keeps its wavelets."""
    sides = [SMALLEST << k for k in range((LARGEST // SMALLEST).bit_length())]
    return [side for side in sides if band.shape[-2] % side == band.shape[-1] % side == 0]


def _cut(band: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "b c _ _ p"]:
    """A subband as rows and columns of squares, each a vector of its points."""
    return band.unflatten(-1, (-1, side)).unflatten(-3, (-1, side)).transpose(-2, -3).flatten(-2)


def _paste(squares: Float[Tensor, "b c _ _ p"], side: int) -> Float[Tensor, "b c h w"]:
    """The inverse of `_cut`."""
    return squares.unflatten(-1, (side, side)).transpose(-2, -3).flatten(-2).flatten(-3, -2)


@functools.cache
def _orders(side: int, inverse: bool = False) -> Int[Tensor, "k p"]:
    """The points of a square line by line along each of 4 side directions: by their distance from a line.

    k-th direction: (k + 1/2) pi / (4 side) from the rows, as in the authors' toolbox; no two points tie.
    """
    i, j = np.divmod(np.arange(side * side), side)
    angles = (np.arange(4 * side)[:, None] + 0.5) * np.pi / (4 * side)
    orders = np.argsort(i * np.cos(angles) - j * np.sin(angles))
    return torch.from_numpy(np.argsort(orders) if inverse else orders)


@functools.cache
def _haar(side: int) -> Float[Tensor, "p p"]:
    """The orthonormal Haar transform of side^2 points in a row, as a matrix: their mean first."""
    matrix = np.ones((1, 1))
    while len(matrix) < side * side:
        matrix = np.concatenate([np.kron(matrix, [1, 1]), np.kron(np.eye(len(matrix)), [1, -1])]) / 2**0.5
    return torch.from_numpy(matrix)
