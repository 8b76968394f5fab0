"""Is a basis harmonic, and adapted to one image? Eigenvectors and images enter, numbers leave.

"Geometry-adaptive harmonic" in four indices, own choice: the paper shows such bases and does not define them.
Harmonic: frequency grows from one vector to the next (`h1`). Adapted: vectors vary where the image does and another
image does not (`h2`), along its contours rather than across (`h3`), and span what the smoothest functions on the image
span (`h4`). Each is read beside the same number for bases that cannot know the image (`dct`, `principal`, `random`).
Images are functions on the grid graph: pixels are joined to their four neighbours, nothing beyond the border.
"""

import functools
from collections.abc import Sequence

import numpy as np
import pywt
import scipy.fft
import torch
from jaxtyping import Float, Int
from scipy import sparse
from scipy.sparse.linalg import eigsh
from torch import Tensor

from ghr.denoiser import require_images

INDICES = ("H1", "H2", "H3", "H4")
WIDTH = 0.08  #: grey values further apart than this are on two sides of a contour (image units)
DENSE = 2048  #: pixels up to which all modes of an image's Laplacian are had at once


def _require_grey(vectors: Tensor | None, *images: Tensor) -> None:
    """Refuses what these indices do not know: several channels, two sizes, pixels that are not finite."""
    batches = [*([] if vectors is None else [vectors]), *(x[None] for x in images)]
    require_images(*batches)
    for one in batches:
        if one.shape[1] != 1:
            raise ValueError(f"Bases are measured on grey images, got {one.shape[1]} channels: take one at a time.")
        if one.shape[-2:] != batches[0].shape[-2:]:
            h, w, rows, columns = *batches[0].shape[-2:], *one.shape[-2:]
            raise ValueError(f"Vectors and images must have one size, got {h}x{w} and {rows}x{columns}.")


def weights(x: Float[Tensor, "1 h w"], width: float = WIDTH) -> tuple[Float[Tensor, "h w_1"], Float[Tensor, "h_1 w"]]:
    """How strongly an image joins neighbouring pixels: fully inside a region, hardly across a contour. ::

        w_ij = exp(-(x_i - x_j)^2 / 2 width^2)

    Args:
        x: clean image.
        width: image units.

    Returns:
        Weights of horizontal and of vertical neighbours.

    Raises:
        ValueError: for several channels, or pixels that are not finite.
    """
    _require_grey(None, x)
    return tuple((-x[0].diff(dim=dim).square() / (2 * width**2)).exp() for dim in (1, 0))


def energy(
    vectors: Float[Tensor, "k 1 h w"], x: Float[Tensor, "1 h w"] | None = None, width: float = WIDTH
) -> Float[Tensor, " k"]:
    """Dirichlet energy of functions on the grid, with the weights of an image or without. ::

        e'L_x e = sum_ij w_ij (e_i - e_j)^2 over neighbours;   e'L e with all w_ij = 1

    Args:
        vectors: functions.
        x: clean image, or None.
        width: of its weights, image units.

    Returns:
        One value per vector; for a unit vector and no image, its Rayleigh quotient q, about its squared frequency in
        radians per pixel.

    Raises:
        ValueError: for several channels, vectors of another size than the image, or numbers that are not finite.
    """
    _require_grey(vectors, *([] if x is None else [x]))
    horizontal, vertical = (1, 1) if x is None else weights(x, width)
    across, down = vectors[:, 0].diff(dim=2).square(), vectors[:, 0].diff(dim=1).square()
    return (across * horizontal).sum((1, 2)) + (down * vertical).sum((1, 2))


def h1(vectors: Float[Tensor, "k 1 h w"]) -> float:
    """Harmonic: does frequency grow? Spearman correlation of a vector's rank with its Rayleigh quotient.

    Args:
        vectors: unit vectors, by falling eigenvalue, at least two.

    Returns:
        1 when each vector oscillates faster than the one before; 0 without order.

    Raises:
        ValueError: for a single vector, and as `energy`.
    """
    from scipy.stats import spearmanr

    if len(vectors) < 2:
        raise ValueError("Whether frequency grows is seen of at least two vectors, got one.")
    quotients = energy(vectors)
    return float(spearmanr(np.arange(len(quotients)), quotients.cpu().numpy()).statistic)


def h2(
    vectors: Float[Tensor, "k 1 h w"], x: Float[Tensor, "1 h w"], other: Float[Tensor, "1 h w"], width: float = WIDTH
) -> float:
    """Adapted: do vectors vary where the image does? Geometry gain with the image, minus that with another image. ::

        gain(x) = mean_k [1 - e_k'L_x e_k / e_k'L e_k]:   the share of a vector's energy that lies across contours of x

    Args:
        vectors: unit vectors; constant ones, whose energy is 0, are left out.
        x: clean image.
        other: another one.
        width: of the weights, image units.

    Returns:
        Between -1 and 1; 0 when the vectors do not know the image.

    Raises:
        ValueError: as `energy`, and when all vectors are constant.
    """
    full = energy(vectors)
    varying = full > 1e-6
    if not varying.any():
        raise ValueError("All vectors are constant: none can vary where an image does.")
    gains = [(1 - energy(vectors, image, width)[varying] / full[varying]).mean() for image in (x, other)]
    return float(gains[0] - gains[1])


def h3(vectors: Float[Tensor, "k 1 h w"], x: Float[Tensor, "1 h w"]) -> float:
    """Adapted: do vectors run along contours? Gradient energy along over across contours, over that of DCT modes. ::

        r = sum_k sum_p (grad e_k . t_p)^2 / sum_k sum_p (grad e_k . n_p)^2,     n = grad x / |grad x|, t perpendicular

    p: edge pixels, where ``|grad x|`` is in its top decile. The DCT modes are those whose Rayleigh quotients are
    nearest to the vectors' own, the mean of all modes of one quotient, so that neither frequency nor orientation alone
    counts.

    Args:
        vectors: unit vectors.
        x: clean image, not flat.

    Returns:
        Below 1 when the vectors vary less along contours, for their frequency, than cosines do.

    Raises:
        ValueError: for an image without edges, and as `energy`.
    """
    _require_grey(vectors, x)
    quotients, cosines_along, cosines_across = _cosines_at_edges(x.double().cpu().numpy().tobytes(), *x.shape[-2:])
    nearest = np.abs(quotients[:, None] - energy(vectors).double().cpu().numpy()).argmin(0)
    along, across = (part.double().sum().item() for part in _along_and_across(vectors, x))
    return along / across / (cosines_along[nearest].sum() / cosines_across[nearest].sum()).item()


def h4(
    vectors: Float[Tensor, "k 1 h w"], x: Float[Tensor, "1 h w"], other: Float[Tensor, "1 h w"], width: float = WIDTH
) -> float:
    """Adapted: do vectors span the smoothest functions on the image? Alignment with the image, minus another image's.

    `alignment` with V_x, the k eigenvectors of L_x of smallest eigenvalue, less that with another image's.

    Args:
        vectors: orthonormal.
        x: clean image.
        other: another one.
        width: of the weights, image units.

    Returns:
        Between -1 and 1; 0 when the vectors do not know the image.

    Raises:
        ValueError: as `energy`.
    """
    _require_grey(vectors, x, other)
    own, foreign = (alignment(vectors, smoothest(image, len(vectors), width).to(vectors)) for image in (x, other))
    return own - foreign


def indices(
    bases: Sequence[Float[Tensor, "_ 1 h w"]],
    counts: Sequence[int] | Int[np.ndarray, " n"],
    images: Float[Tensor, "n 1 h w"],
) -> dict[str, Float[np.ndarray, " n"]]:
    """The four indices of a basis for each image; the other image of `h2` and `h4` is the next one.

    Args:
        bases: one for each image.
        counts: how many of its vectors count.
        images: clean ones, at least two: of a single one the other would be itself.

    Returns:
        By name, one value per image.

    Raises:
        ValueError: for a single image, when there are not as many bases and counts as images, and as the indices.
    """
    if len(images) < 2:
        raise ValueError("H2 and H4 compare an image with another one: at least two images are needed, got one.")
    x = images.double()
    found = []
    for vectors, count, own, other in zip(bases, counts, x, x.roll(-1, 0), strict=True):
        some = vectors[:count].double()
        found.append((h1(some), h2(some, own, other), h3(some, own), h4(some, own, other)))
    return dict(zip(INDICES, np.array(found).T, strict=True))


def alignment(u: Float[Tensor, "k *image"], v: Float[Tensor, "k *image"]) -> float:
    """How much of one subspace lies in another of the same dimension. ::

        (1/k) ||U'V||_F^2

    Args:
        u: orthonormal.
        v: orthonormal.

    Returns:
        1 for one subspace, 0 for perpendicular ones, about k / d by chance.
    """
    return float((u.flatten(1) @ v.flatten(1).T).square().sum()) / len(u)


def perpendicular(vectors: Float[Tensor, "k *image"], directions: Float[Tensor, "m d"]) -> Float[Tensor, "k d"]:
    """Vectors without their part along some directions, made orthonormal in their order. ::

        orth(V - V D' D)

    Args:
        vectors: functions on an image.
        directions: orthonormal rows.

    Returns:
        Orthonormal rows, float64; what the first n vectors span beyond the directions, the first n rows span.
    """
    rows = vectors.flatten(1).double()
    rows = rows - rows @ directions.T @ directions
    return torch.linalg.qr(rows.T).Q.T


def smoothest(x: Float[Tensor, "1 h w"], k: int, width: float = WIDTH) -> Float[Tensor, "k 1 h w"]:
    """The k orthonormal functions of least energy on an image: eigenvectors of its Laplacian L_x.

    Args:
        x: clean image.
        k: functions wanted.
        width: of the weights, image units.

    Returns:
        Functions, float64, by rising energy; the first is constant.

    Raises:
        ValueError: for more functions than pixels, or none; as `weights`.
    """
    if not 1 <= k <= x[0].numel():
        raise ValueError(f"Between 1 and {x[0].numel()} functions can be had on as many pixels, not {k}.")
    across, down = (part.double().cpu().numpy().tobytes() for part in weights(x, width))
    h, w = x.shape[-2:]
    vectors = _modes(across, down, h, w, h * w if h * w <= DENSE else k)[:, :k]
    return torch.from_numpy(vectors.T.copy()).view(k, 1, h, w)


@functools.lru_cache(maxsize=32)  # an image meets the bases of many networks
def _modes(across: bytes, down: bytes, h: int, w: int, k: int) -> np.ndarray:
    laplacian = _laplacian(np.frombuffer(across), np.frombuffer(down), h, w)
    if k == h * w:
        return np.linalg.eigh(laplacian.toarray())[1]
    # Lanczos on the inverse of a slightly shifted, hence regular, matrix
    values, vectors = eigsh(laplacian, k, sigma=-1e-3, v0=np.random.default_rng(0).normal(size=h * w))
    return vectors[:, np.argsort(values)]


def _laplacian(across: np.ndarray, down: np.ndarray, h: int, w: int) -> sparse.sparray:
    index = np.arange(h * w).reshape(h, w)
    pairs = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    i, j = (np.concatenate([pair[end].ravel() for pair in pairs]) for end in (0, 1))
    adjacency = sparse.coo_array((np.concatenate([across.ravel(), down.ravel()]), (i, j)), shape=(h * w, h * w))
    return sparse.csgraph.laplacian((adjacency + adjacency.T).tocsc())


# Bases that cannot know the image ---------------------------------------------------------------------------------


def dct(h: int, w: int) -> Float[Tensor, "d 1 h w"]:
    """The cosine modes (DCT-II): eigenvectors of the grid's own Laplacian, by rising frequency.

    Args:
        h: height, pixels.
        w: width, pixels.

    Returns:
        Modes, float64, the caller's own.
    """
    return _dct(h, w).clone()


@functools.lru_cache(maxsize=2)
def _dct(h: int, w: int) -> Float[Tensor, "d 1 h w"]:
    rows, columns = (scipy.fft.idct(np.eye(n), norm="ortho", axis=0).T for n in (h, w))
    modes = torch.from_numpy(np.einsum("ai,bj->abij", rows, columns).reshape(h * w, 1, h, w))
    return modes[energy(modes).argsort(stable=True)]


def wavelets(h: int, w: int, name: str = "db4") -> Float[Tensor, "d 1 h w"]:
    """An orthonormal wavelet basis of periodic images, coarse scales first.

    As many scales as the filter fits and both sides can be halved.

    Args:
        h: height, pixels.
        w: width, pixels.
        name: of PyWavelets, e.g. "haar", "db4" (four vanishing moments, 8 taps).

    Returns:
        Wavelets, float64, the caller's own.

    Raises:
    Source: Daubechies 1988; PyWavelets, mode "periodization".
    """
    return _wavelets(h, w, name).clone()


@functools.lru_cache(maxsize=2)
def _wavelets(h: int, w: int, name: str) -> Float[Tensor, "d 1 h w"]:
    levels = pywt.dwt_max_level(min(h, w), name)
    while h % 2**levels or w % 2**levels:
        levels -= 1
    pixels = np.eye(h * w).reshape(h * w, h, w)
    coarse, *details = pywt.wavedec2(pixels, name, "periodization", levels, axes=(1, 2))
    parts = [coarse, *(part for scale in details for part in scale)]
    coefficients = np.concatenate([part.reshape(h * w, -1) for part in parts], 1)  # of each pixel on each wavelet
    return torch.from_numpy(coefficients.T.copy().reshape(h * w, 1, h, w))


def principal(x: Float[Tensor, "n 1 h w"], k: int) -> Float[Tensor, "k 1 h w"]:
    """The k leading principal components of images: the Wiener denoiser's basis, the same for all images.

    Args:
        x: clean images.
        k: components wanted.

    Returns:
        Components, float64, by falling variance.

    Raises:
        ValueError: for k >= n, since n images have n - 1 components, or more than pixels; pixels that are not finite.
    """
    require_images(x)
    if k > x[0].numel():
        raise ValueError(f"Images of {x[0].numel()} pixels have no {k} principal components.")
    if k >= len(x):
        raise ValueError(f"{len(x)} images have {len(x) - 1} principal components, not {k}.")
    axes = torch.linalg.eigh(torch.cov(x.flatten(1).double().T)).eigenvectors
    return axes.flip(1).T[:k].reshape(k, *x.shape[1:])


def by_energy(vectors: Float[Tensor, "k 1 h w"], x: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "k 1 h w"]:
    """A fixed basis in the order in which images need it, as principal components are. ::

        falling mean of <x - m, e_k>^2,     m: mean of the images

    Args:
        vectors: orthonormal, float64.
        x: images; of the energy, the first 10,000 count.

    Returns:
        The same vectors in another order.
    """
    centred = (x[:10_000] - x.mean(0)).flatten(1).double()
    return vectors[(centred @ vectors.flatten(1).T).square().mean(0).argsort(descending=True)]


def random(k: int, h: int, w: int, seed: int = 0) -> Float[Tensor, "k 1 h w"]:
    """Orthonormal vectors without any structure.

    Args:
        k: how many.
        h: height, pixels.
        w: width, pixels.
        seed: of the vectors.

    Returns:
        Vectors, float64.

    Raises:
        ValueError: for more vectors than pixels.
    """
    if k > h * w:
        raise ValueError(f"{h}x{w} pixels have {h * w} orthonormal vectors, not {k}.")
    generator = torch.Generator().manual_seed(seed)
    columns = torch.randn(h * w, k, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(columns).Q.T.reshape(k, 1, h, w)


@functools.lru_cache(maxsize=32)
def _cosines_at_edges(x: bytes, h: int, w: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rayleigh quotients of cosines, each once, and the mean energy along and across an image's contours at each."""
    modes = _dct(h, w)
    quotients, group, sizes = np.unique(energy(modes).numpy().round(9), return_inverse=True, return_counts=True)
    parts = _along_and_across(modes, torch.from_numpy(np.frombuffer(x).reshape(1, h, w).copy()))
    along, across = (np.bincount(group, part.numpy()) / sizes for part in parts)
    return quotients, along, across


def _along_and_across(vectors: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient energy of each vector along and across the contours of an image, at its edge pixels."""

    def gradients(images: Tensor) -> tuple[Tensor, Tensor]:
        """Central differences, at inner pixels."""
        right, down = images[..., 1:-1, 2:] - images[..., 1:-1, :-2], images[..., 2:, 1:-1] - images[..., :-2, 1:-1]
        return right / 2, down / 2

    dx, dy = (part[0] for part in gradients(x))
    strength = (dx.square() + dy.square()).sqrt()
    edge = (strength >= strength.quantile(0.9)) & (strength > 0)
    if not edge.any():
        raise ValueError("A flat image has no contours: h3 needs one with edges.")
    normal = dx[edge] / strength[edge], dy[edge] / strength[edge]
    ex, ey = (part[:, 0][:, edge] for part in gradients(vectors))
    along, across = ey * normal[0] - ex * normal[1], ex * normal[0] + ey * normal[1]
    return along.square().sum(1), across.square().sum(1)
