"""Bandlets: a threshold in the orthonormal basis that follows the contours of the noisy image, without training.

A noisy image enters, a denoised one leaves; in between, a wavelet basis whose coefficients are regrouped along
contours, square by square, in the directions that pay. It is the classical answer for C^alpha images, near-optimal by
theorem and built by hand. As in the source a square has an Alpert transform, whose wavelets have vanishing moments on
points that lie irregularly. Departures: it follows one straight direction in each square, not a curved flow; squares
grow only while they tile a subband; the coarsest scale is kept as it is.
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

SMALLEST, LARGEST = 4, 8  # sides of squares, in coefficients (the authors' toolbox: 4 to 32)
SPACING = 5  # pixels from shift to shift: odd, so that every scale meets all its phases
PENALTY = 1 / 7  #: coefficients that a bit of geometry is worth (Le Pennec & Mallat 2005: a coefficient takes 7 bits)
MOMENTS = 1  #: vanishing moments of the transform along a direction; one is Haar's
PLAIN, ELSEWHERE = -1, -2  # a leaf that keeps its wavelets; a square that is no leaf: smaller or larger ones are


@dataclass(frozen=True)
class Geometry:
    """A bandlet basis for each image: a quadtree of squares for each detail subband, a direction for each leaf."""

    wavelet: str  #: of PyWavelets
    moments: int  #: vanishing moments of the transform along a direction
    #: by band and side, direction from 0, PLAIN or ELSEWHERE of each square; bands from fine to coarse, three a scale
    squares: tuple[dict[int, Int[Tensor, "b c _ _"]], ...]


def best_basis(
    x: Float[Tensor, "b c h w"],
    threshold: float,
    *,
    wavelet: str = "db2",
    penalty: float = PENALTY,
    moments: int = MOMENTS,
    largest: int = LARGEST,
) -> Geometry:
    """The bandlet basis in which an image is cheapest: dynamic programming from the smallest squares up. ::

        min over bases of  sum_k min(c_k^2, T^2) + penalty T^2 bits,       c_k the coefficients of all detail subbands

    bits: one for each split and for each leaf of the quadtrees, log2(4 side) more for a leaf with a direction.

    Args:
        x: images; each channel of each has its basis.
        threshold: T, image units.
        wavelet: of PyWavelets, orthogonal.
        penalty: of a bit, in coefficients; infinite leaves plain wavelets.
        moments: vanishing moments of the transform along a direction, 1 to 16.
        largest: side of the largest squares, in coefficients: 4, 8, 16, ...

    Returns:
        Geometry, for `analysis` and `synthesis`.

    Raises:
        ValueError: for sides that are no multiples of 8, other moments, or another wavelet.

    Source: Peyré & Mallat 2008; bits: after the authors' toolbox; db2: own choice, see `BandletDenoiser`.
    """
    if not 1 <= moments <= SMALLEST**2:
        raise ValueError(f"moments must be from 1 to {SMALLEST**2}, the points of the smallest square, got {moments}.")
    coefficients, ceiling, squares = _wavelets(x.double(), wavelet), threshold**2, []
    for band in _bands(*x.shape[-2:], wavelet):
        tree, cost = {}, None
        for side in _sides(coefficients[band], largest):
            v = _cut(coefficients[band], side)
            along = _directed(side, moments).to(v)
            turned = (v @ along.flatten(0, 1).T).unflatten(-1, along.shape[:2])  # b c row column direction point
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
    return Geometry(wavelet, moments, tuple(squares))


def analysis(x: Float[Tensor, "b c h w"], geometry: Geometry) -> Float[Tensor, "b c h w"]:
    """Coefficients of images in their bandlet bases. ::

        c = B x:    the wavelets of x;  where a leaf v has a direction  A v,  A its Alpert transform

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

        f(y, sigma) = R mean_s S_s' B' 1(|c| > T) c,     c = B S_s M y
        B the best basis of S_s M y, S_s a circular shift, T = cut sigma, M mirrors y at its borders, R takes them off

    While no choice changes, f is linear: without borders and shifts an orthogonal projector, its trace the number of
    terms kept.

    Args:
        wavelet: of PyWavelets, orthogonal.
        cut: threshold over sigma.
        penalty: of a bit of geometry, see `best_basis`; infinite for the same threshold in plain wavelets.
        shifts: by 0, 5, 10, ... rows and as many columns, so many of each; time grows with the square.
        moments: see `best_basis`.
        largest: see `best_basis`.
        border: pixels mirrored at each side, at most the image's side; 0 takes the image for periodic.

    Raises:
        ValueError: for shifts < 1; when called, without a positive sigma, for a border beyond the image's side, and as
            `best_basis`.

    Source: Peyré, Le Pennec, Dossal & Mallat 2007; shifts: Coifman & Donoho 1995. Own choices, on C^alpha images of 32
    pixels: cut 3, where theory has a multiple of sqrt(log d); db2; squares of 8, as good as those of 16 in a quarter of
    the time; shifts 5 pixels apart, six of which do what eight neighbours do.
    """

    def __init__(
        self,
        *,
        wavelet: str = "db2",
        cut: float = 3.0,
        penalty: float = PENALTY,
        shifts: int = 1,
        moments: int = MOMENTS,
        largest: int = LARGEST,
        border: int = 0,
    ):
        super().__init__()
        if shifts < 1:
            raise ValueError(f"shifts must be at least 1, got {shifts}: 1 denoises the image where it stands.")
        self.wavelet, self.cut, self.penalty, self.shifts = wavelet, cut, penalty, shifts
        self.moments, self.largest, self.border = moments, largest, border
        self.eval()

    def forward(self, y: Float[Tensor, "b c h w"], sigma: float | None = None) -> Float[Tensor, "b c h w"]:
        threshold = self.cut * require_level(sigma)
        h, w = y.shape[-2:]
        if not 0 <= self.border <= min(h, w):
            raise ValueError(
                f"border must be from 0 to the side of the image, got {self.border} for {h} by {w} pixels."
            )
        rows, columns = (_mirror(n, self.border).to(y.device) for n in (h, w))
        mirrored = y.double()[..., rows, :][..., columns]
        # image by image: memory stays that of one search, and no rounding depends on batch mates
        x_hat = torch.stack([self._denoise(image, threshold) for image in mirrored])
        return x_hat[..., self.border : self.border + h, self.border : self.border + w].to(y.dtype)

    def _denoise(self, image: Float[Tensor, "c h w"], threshold: float) -> Float[Tensor, "c h w"]:
        shifts = list(itertools.product(range(0, SPACING * self.shifts, SPACING), repeat=2))
        spun = torch.stack([image.roll(shift, (-2, -1)) for shift in shifts])
        how = {"wavelet": self.wavelet, "penalty": self.penalty, "moments": self.moments, "largest": self.largest}
        geometry = best_basis(spun.detach(), threshold, **how)
        c = analysis(spun, geometry)
        keep = c.abs() > threshold
        h, w = (n >> _levels(*image.shape[-2:], self.wavelet) for n in image.shape[-2:])
        keep[..., :h, :w] = True
        x_hat = synthesis(torch.where(keep, c, 0), geometry)
        return torch.stack([x.roll((-i, -j), (-2, -1)) for x, (i, j) in zip(x_hat, shifts, strict=True)]).mean(0)


def _mirror(n: int, border: int) -> Int[Tensor, "m"]:
    """Places of n points and of as many mirrored at each end as a border is wide; the point at the end is repeated."""
    places = torch.arange(-border, n + border)
    return torch.where(places < 0, -1 - places, torch.where(places < n, places, 2 * n - 1 - places))


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
    """From wavelet to bandlet coefficients in each leaf with a direction, A v, or back, A' v."""
    c = c.clone()
    for band, tree in zip(_bands(*c.shape[-2:], geometry.wavelet), geometry.squares, strict=True):
        for side, choice in tree.items():
            v = _cut(c[band], side)
            choice = choice.expand(v.shape[:-1])  # one basis may be that of many images
            leaves = (choice >= 0).nonzero(as_tuple=True)
            along = _directed(side, geometry.moments).to(v)[choice[leaves]]
            turned = torch.einsum("lqp,lq->lp" if back else "lqp,lp->lq", along, v[leaves])
            c[band] = _paste(v.index_put(leaves, turned), side)
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


def _sides(band: Float[Tensor, "b c h w"], largest: int) -> list[int]:
    """Sides of the dyadic squares that tile a subband, smallest first; without any it keeps its wavelets."""
    sides = [SMALLEST << k for k in range((largest // SMALLEST).bit_length())]
    return [side for side in sides if band.shape[-2] % side == band.shape[-1] % side == 0]


def _cut(band: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "b c _ _ p"]:
    """A subband as rows and columns of squares, each a vector of its points."""
    return band.unflatten(-1, (-1, side)).unflatten(-3, (-1, side)).transpose(-2, -3).flatten(-2)


def _paste(squares: Float[Tensor, "b c _ _ p"], side: int) -> Float[Tensor, "b c h w"]:
    """The inverse of `_cut`."""
    return squares.unflatten(-1, (side, side)).transpose(-2, -3).flatten(-2).flatten(-3, -2)


@functools.cache
def _directed(side: int, moments: int) -> Float[Tensor, "k p p"]:
    """Alpert's transform of a square along each of 4 side directions, orthogonal matrices; one moment is Haar's. ::

        A = (polynomials of the distance t from a line, of degrees below m; then, from coarse to fine, for each dyadic
             group of points in the order of t, what is orthogonal to these polynomials on either half of the group)

    k-th direction: (k + 1/2) pi / (4 side) from the rows, as in the authors' toolbox; no two points tie.
    """
    i, j = np.divmod(np.arange(side * side), side)
    angles = (np.arange(4 * side)[:, None] + 0.5) * np.pi / (4 * side)
    t = i * np.cos(angles) - j * np.sin(angles)
    order = np.argsort(t)
    leaf = 1 << (moments - 1).bit_length()  # the smallest group that holds so many independent polynomials
    t = np.take_along_axis(t, order, -1).reshape(len(t), -1, leaf, 1) / side
    products = t ** np.arange(moments)  # of a group's functions, single points at first, with the polynomials
    functions, rows = np.broadcast_to(np.eye(leaf), (*t.shape[:2], leaf, leaf)), []
    while True:
        turn, products = np.linalg.qr(products, "complete")
        functions = turn.swapaxes(-1, -2) @ functions  # only the first so many are not orthogonal to polynomials
        rows.append(_diagonal(functions[..., moments:, :], functions.shape[1])[:, 0])
        functions, products = functions[..., :moments, :], products[..., :moments, :]
        if functions.shape[1] == 1:
            break
        functions = _diagonal(functions, 2)
        products = products.reshape(*functions.shape[:2], 2 * moments, moments)
    sorted_ = np.concatenate([functions[:, 0], *rows[::-1]], 1)
    matrices = np.empty_like(sorted_)
    np.put_along_axis(matrices, np.broadcast_to(order[:, None], sorted_.shape), sorted_, -1)
    return torch.from_numpy(matrices)


def _diagonal(blocks: np.ndarray, many: int) -> np.ndarray:
    """So many blocks each along the diagonal of one: (k, groups, f, n) to (k, groups / many, many f, many n)."""
    k, groups, f, n = blocks.shape
    whole = np.zeros((k, groups // many, many, f, many, n))
    for one in range(many):
        whole[:, :, one, :, one] = blocks[:, one::many]
    return whole.reshape(k, groups // many, many * f, many * n)
