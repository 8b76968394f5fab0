"""Same function? Same image? A copy? Denoisers and samples enter, numbers with intervals leave.

Every statistic gives one value per image or per sampling seed; `estimate` turns values into a number with its 95%
bootstrap interval. Nearness to the training set is always read beside the same nearness of held-out images, its null.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import stats
from torch import Tensor

from ghr.noise import add_noise, at_level, mse

BLOCK = 100  # resamples at a time: fifteen noise levels of 2,000 images take 24 MB


@dataclass(frozen=True)
class Estimate:
    """A measured number with its 95% interval."""

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def estimate(
    statistic: Callable,
    *samples: Tensor | np.ndarray,
    regions: np.ndarray | Sequence[np.ndarray | None] | None = None,
    resamples: int = 2000,
    paired: bool = True,
) -> Estimate:
    """A statistic of per-image values, with its 95% bootstrap interval over images.

    statistic: f(*samples, axis=-1) -> a number, e.g. np.mean, np.median or `psnr_of_mean`.
    samples: arrays whose last axis runs over images, of equal lengths and resampled together; if not paired, of any
    lengths, each resampled by itself. Earlier axes, e.g. noise levels, stay together.
    regions: labels; images with one label come from one place and are drawn together (paired: one array of labels,
    else one for each sample, or None where images are independent).
    Returns: Estimate in the statistic's unit. Its interval holds its value: of a maximum, whose bootstrap is biased
    upwards, the interval is widened to do so.
    Raises: ValueError for fewer than two values, paired samples of unequal length, more or fewer labels than images,
    or a statistic that is not finite.
    """
    arrays = [np.asarray(sample, dtype=np.float64) for sample in samples]
    lengths = [array.shape[-1] for array in arrays]
    if paired and len(set(lengths)) > 1:
        raise ValueError(f"Paired samples must have equal length, got {lengths}.")
    if min(lengths) < 2:
        raise ValueError(f"An interval needs at least two values, got {min(lengths)}.")
    value = float(statistic(*arrays, axis=-1))
    generator = np.random.default_rng(0)
    regions = [regions] * len(arrays) if paired or regions is None else regions
    if any(labels is not None and len(labels) != n for labels, n in zip(regions, lengths, strict=True)):
        counts = [labels if labels is None else len(labels) for labels in regions]
        raise ValueError(f"One region for each image is needed: {lengths} images have {counts} labels.")
    resampled: list[np.ndarray] = []
    for done in range(0, resamples, BLOCK):
        count = min(BLOCK, resamples - done)
        if paired:
            places = [_places(lengths[0], regions[0], count, generator)] * len(arrays)
        else:
            places = [_places(n, labels, count, generator) for n, labels in zip(lengths, regions, strict=True)]
        resampled.extend(statistic(*(array[..., p] for array, p in zip(arrays, places, strict=True)), axis=-1))
    if not np.isfinite(resampled).all():
        raise ValueError("The statistic is not finite for some resamples: it has no interval.")
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def _places(n: int, regions: np.ndarray | None, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Which images each resample holds: whole regions are drawn until there are n images, and the last one is cut."""
    if regions is None:
        return generator.integers(n, size=(resamples, n))
    _, label, counts = np.unique(regions, return_inverse=True, return_counts=True)
    order, starts = np.argsort(label, kind="stable"), counts.cumsum() - counts  # images by region
    drawn = np.empty((resamples, 0), int)
    while counts[drawn].sum(1).min() < n:
        drawn = np.hstack([drawn, generator.integers(len(counts), size=(resamples, len(counts)))])
    each = counts[drawn].ravel()
    within = np.arange(each.sum()) - np.repeat(each.cumsum() - each, each)  # 0, 1, ... in each drawn region
    images = order[np.repeat(starts[drawn].ravel(), each) + within]
    totals = counts[drawn].sum(1)
    return images[(totals.cumsum() - totals)[:, None] + np.arange(n)]


def share(flags: Tensor | np.ndarray) -> Estimate:
    """Share of true values, with Wilson's 95% interval: a bootstrap of a share of 0 or 1 would claim certainty.

    flags: boolean, one per image or seed.
    """
    test = stats.binomtest(int(flags.sum()), len(flags))
    interval = test.proportion_ci(method="wilson")
    return Estimate(test.statistic, interval.low, interval.high)


def psnr_of_mean(errors: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """PSNR of a mean squared error: -10 log10 mean(errors), dB."""
    return -10 * np.log10(np.mean(errors, axis=axis))


def psnr_gap(train: np.ndarray, test: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """gap(N, sigma) = PSNR_train - PSNR_test, dB, of equally many per-image squared errors.

    0 for a network that treats its training images as any other image.
    """
    return psnr_of_mean(train, axis) - psnr_of_mean(test, axis)


# Same function? ---------------------------------------------------------------------------------------------------


def model_variance(
    denoisers: Sequence, x: Float[Tensor, "n c h w"], sigma: float, seed: int = 0
) -> tuple[Float[Tensor, "k k n"], Float[Tensor, "k n"]]:
    """Disagreement of each two of k denoisers on the same noisy images, beside the error of each.

    denoisers: k functions y -> x_hat, told sigma if they can be.  x: held-out images.  sigma: image units.
    seed: of the noise, shared.
    Returns: ||f_i(y) - f_j(y)||^2 / d and ||f_i(y) - x||^2 / d, image by image.
    """
    y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
    with torch.no_grad():
        x_hats = [torch.cat([f(part) for part in y.split(64)]) for f in (at_level(g, sigma) for g in denoisers)]
    apart = torch.stack([torch.stack([mse(a, b) for b in x_hats]) for a in x_hats])
    return apart, torch.stack([mse(x_hat, x) for x_hat in x_hats])


def variance_ratio(disagreement: np.ndarray, error: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """V(sigma) = E||f_A(y) - f_B(y)||^2 / (2 E||f_A(y) - x||^2): 0 = one function, 1 = uncorrelated equal errors."""
    return np.mean(disagreement, axis) / (2 * np.mean(error, axis))


def linearity(denoiser, y: Float[Tensor, "n c h w"]) -> Float[Tensor, " m"]:
    """How far a denoiser obeys superposition: 1 = linear on these images.

    cos( f((y_1 + y_2) / sqrt 2),  (f(y_1) + f(y_2)) / sqrt 2 ):   the mixture has the noise level of its parts

    y: noisy images; the first half is mixed with the second.
    Returns: one cosine for each of the n // 2 pairs (means are not removed).
    Source: the linearity score of Li, Dai & Qu 2024.
    """
    first, second = y[: len(y) // 2], y[len(y) // 2 : len(y) // 2 * 2]
    with torch.no_grad():
        f_1, f_2, mixed = (
            torch.cat([denoiser(part) for part in images.split(64)]).flatten(1)
            for images in (first, second, (first + second) / 2**0.5)
        )
    return torch.nn.functional.cosine_similarity(mixed, f_1 + f_2)


def discrepancy(disagreements: Float[np.ndarray, "k n"], sigmas: Float[np.ndarray, " k"]) -> Float[np.ndarray, " n"]:
    """Truncated discrepancy of two denoisers, image by image, in nats per pixel.

    K(A, B) = (1/d) int_.02^1 E||f_A(y) - f_B(y)||^2 sigma^-3 d sigma      (trapezoids in log sigma)

    disagreements: ||f_A - f_B||^2 / d at each sigma.  sigmas: increasing, image units; those in [.02, 1] count.
    Not a bound on a divergence: the networks are not exact scores and the range is cut.
    Source: the paper's Eq. 4, between two networks.
    """
    inside = (sigmas >= 0.02) & (sigmas <= 1)
    sigmas = sigmas[inside]
    return np.trapezoid(disagreements[inside] * sigmas[:, None] ** -2, np.log(sigmas), axis=0)


# Same image? A copy? ----------------------------------------------------------------------------------------------


def _directions(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    flat = x.flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    return flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-12)


def rho(a: Float[Tensor, "n c h w"], b: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Centred cosine of image pairs: each image's mean is removed first. 1 = equal up to brightness and contrast."""
    return (_directions(a) * _directions(b)).sum(1)


def nearest(
    images: Float[Tensor, "n c h w"], training: Float[Tensor, "m c h w"], shifts: int = 0, flips: bool = False
) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    """The most similar training image of each image, by centred cosine, with blocks over the training set.

    shifts: also compare with images moved by up to so many pixels in each direction (edges repeated).
    flips: also compare with mirror images. A shifted copy is a copy.
    Returns: rho to the nearest, and its index.
    """
    known = [_directions(part) for part in training.split(8192)]
    best = images.new_full((len(images),), -torch.inf)
    index = torch.zeros(len(images), dtype=torch.long, device=images.device)
    padded = torch.nn.functional.pad(images, [shifts] * 4, mode="replicate") if shifts else images
    h, w = images.shape[-2:]
    for dy in range(2 * shifts + 1):
        for dx in range(2 * shifts + 1):
            moved = padded[..., dy : dy + h, dx : dx + w]
            for candidate in (moved, moved.flip(-1)) if flips else (moved,):
                directions = _directions(candidate)
                for k, part in enumerate(known):
                    value, place = (directions @ part.T).max(1)
                    better = value > best
                    best[better], index[better] = value[better], place[better] + 8192 * k
    return best, index


def distance_ratio(
    images: Float[Tensor, "n c h w"], training: Float[Tensor, "m c h w"], rays: bool = False
) -> Float[Tensor, " n"]:
    """Distance to the nearest training image over distance to the second nearest; f_mem counts those below 1/3.

    rays: distances to the rays a x_i, a > 0, instead of the images x_i: to a bias-free network, whose f(a y) = a f(y),
    an image and its brighter copy are one.
    Raises: ValueError for fewer than two training images.
    Source: Yoon et al. 2023; rays: own choice.
    """
    if len(training) < 2:
        raise ValueError("The ratio of two distances needs at least two training images.")
    flat, known = images.flatten(1).double(), training.flatten(1).double()
    two = []
    for part in known.split(8192):
        products, squares = flat @ part.T, part.square().sum(1)
        reduction = products.clamp(min=0).square() / squares if rays else 2 * products - squares
        two.append((flat.square().sum(1)[:, None] - reduction).topk(min(2, len(part)), largest=False).values)
    first, second = torch.cat(two, 1).clamp(min=0).sqrt().sort(1).values[:, :2].unbind(1)
    return first / second


# As good as the originals? ----------------------------------------------------------------------------------------


def gradient_energy(images: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Mean squared difference of neighbouring pixels, over both directions: falls when images are blurred."""
    return (images.diff(dim=-1).square().mean((1, 2, 3)) + images.diff(dim=-2).square().mean((1, 2, 3))) / 2


def spectrum(images: Float[Tensor, "n c h w"], bands: int = 8) -> Float[Tensor, "n bands"]:
    """Radial power spectrum: mean squared Fourier modulus in rings of equal width from 0 to Nyquist, mean removed."""
    h, w = images.shape[-2:]
    centred = images - images.mean((-2, -1), keepdim=True)
    power = torch.fft.fft2(centred, norm="ortho").abs().square().mean(1)
    radius = (torch.fft.fftfreq(h)[:, None].square() + torch.fft.fftfreq(w).square()).sqrt()
    ring = (radius * 2 * bands).long()  # the corners beyond Nyquist belong to no ring
    return torch.stack([power[:, ring == k].mean(1) for k in range(bands)], 1)


def mmd(
    a: Float[Tensor, "n c h w"], b: Float[Tensor, "m c h w"], bandwidth: float | None = None, biased: bool = False
) -> float:
    """Squared maximum mean discrepancy of two sets of images averaged 2x2; RBF kernel, median bandwidth.

    bandwidth: distance in units of averaged images; default: the median distance within both sets together.
    biased: count the pairs of an image with itself. Unbiased, the number is 0 on average for one law; biased, it is
    about (1/n + 1/m)(1 - E k) there, so that a ratio to two sets of one law is defined.
    """
    flat = [torch.nn.functional.avg_pool2d(images, 2).flatten(1).double() for images in (a, b)]
    both = torch.cat(flat)
    squared = (both.square().sum(1)[:, None] - 2 * both @ both.T + both.square().sum(1)).clamp(min=0)
    off_diagonal = ~torch.eye(len(both), dtype=torch.bool, device=both.device)
    scale = squared[off_diagonal].median() if bandwidth is None else bandwidth**2
    kernel = (-squared / (2 * scale)).exp().masked_fill(~off_diagonal, float(biased))
    n, m = len(flat[0]), len(flat[1])
    within = kernel[:n, :n].sum() / (n * (n - 1 + biased)) + kernel[n:, n:].sum() / (m * (m - 1 + biased))
    return float(within - 2 * kernel[:n, n:].mean())
