"""Do networks compute one function? Denoisers and held-out images enter, how far their answers lie apart leaves. ::

    U(sigma) = E||f_A(y) - f_B(y)||^2 / E||m_A(y) - m_B(y)||^2       0 = one function, 1 = two memories
    K(A, B) = (1/d) int_.02^1 E||f_A(y) - f_B(y)||^2 sigma^-3 d sigma

m_A and m_B are the exact blind memorizers of the two halves. The error of two such networks has two parts ::

    (E||f_A - x||^2 + E||f_B - x||^2) / 2 = E<f_A - x, f_B - x> + E||f_A - f_B||^2 / 2

what both get wrong alike (bias, and what the noise has destroyed), and model variance. All see one noise. Intervals
are over images; whole regions of photographs are drawn into them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr.denoiser import denoise, require_images
from ghr.experiments import Study
from ghr.measure.errors import MEMORY_IMAGES, memory
from ghr.noise import SIGMAS, add_noise, mse
from ghr.stats import Estimate, estimate, psnr_of_mean, ratio
from ghr.tables import Table

IMAGES = 300  #: held-out images that are compared
RANGE = (0.02, 1.0)  #: noise levels of K, image units
STRONG = 0.05  #: from this noise level on two memories are a yardstick, image units
NAMED = 0.1  #: noise level at which two halves are held against two seeds, image units
GRID = np.unique([*SIGMAS, STRONG, NAMED, *RANGE])  #: of U, with the limits of K's integral
HALVES = (("A", "B", "images and seed"),)  #: pairs of networks, and what differs between them
CONTROLS = (
    *HALVES,
    ("A, seed of B", "B, seed of A", "images and seed"),
    ("A", "B, seed of A", "images"),
    ("B", "A, seed of B", "images"),
    ("A", "A, seed of B", "seed"),
    ("B", "B, seed of A", "seed"),
)


@dataclass(frozen=True)
class Distance:
    """How far two networks are apart at one noise level, and how far from the truth."""

    n: int  #: training images of each
    one: str  #: label of one network
    other: str  #: label of the other one
    differs: str  #: what differs between their trainings
    sigma: float  #: noise level, image units
    input_psnr: float  #: the same, dB
    #: U, their disagreement over that of the exact memorizers of halves A and B, a ratio; None for sigma below .05
    u: Estimate | None
    apart: Estimate | None  #: their disagreement ||f_A - f_B||^2 / d as a PSNR, dB; None where they are equal
    error: Estimate  #: mean of both errors as a PSNR, dB
    variance: Estimate  #: share of that error that is model variance; the rest both networks get wrong alike
    memories: Estimate | None  #: the same share of the two exact memorizers; None for sigma below .05


@dataclass(frozen=True)
class Agreement:
    """How far two networks are one function, over noise levels from .02 to 1."""

    n: int  #: training images of each
    one: str  #: label of one network
    other: str  #: label of the other one
    differs: str  #: what differs between their trainings
    discrepancy: Estimate  #: K, nats per pixel


@dataclass(frozen=True)
class Chance:
    """How much of a disagreement the choice of images explains, beyond the chance of training."""

    n: int  #: training images of each
    half: str  #: half whose network is compared with the other half's, and with its own of another seed
    over_seed: Estimate  #: disagreement when images and seed differ, over that when the seed does, at sigma = .1


def model_variance(
    denoisers: Sequence[Callable], x: Float[Tensor, "n c h w"], sigma: float, seed: int = 0
) -> tuple[Float[Tensor, "k k n"], Float[Tensor, "k n"]]:
    """Disagreement of each two of k denoisers on the same noisy images, beside the error of each. ::

        ||f_i(y) - f_j(y)||^2 / d,        ||f_i(y) - x||^2 / d

    Args:
        denoisers: k functions f(y, sigma).
        x: held-out images.
        sigma: noise standard deviation, image units.
        seed: of the noise, which all share.

    Returns:
        Disagreements and errors, squared image units, image by image.

    Raises:
        TypeError: as `ghr.denoiser.denoise`.
        ValueError: as `ghr.denoiser.denoise`.
    """
    require_images(x)
    y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
    x_hats = [denoise(f, y, sigma) for f in denoisers]
    apart = torch.stack([torch.stack([mse(a, b) for b in x_hats]) for a in x_hats])
    return apart, torch.stack([mse(x_hat, x) for x_hat in x_hats])


def variance_share(disagreement: np.ndarray, error: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Share of the error of two denoisers that is model variance; the rest both get wrong alike. ::

        E||f_A - f_B||^2 / 2  /  ((E||f_A - x||^2 + E||f_B - x||^2) / 2)

    Two exact memorizers have about a half, not 1: both errors contain the same clean image.

    Args:
        disagreement: ||f_A - f_B||^2 / d, one per image.
        error: mean of ||f_A - x||^2 / d and ||f_B - x||^2 / d, of the same images.
        axis: that of the images.

    Returns:
        A number without unit, 0 for one function, 1 for uncorrelated errors.

    Source: paper, Section 2, of two networks instead of many.
    """
    return np.mean(disagreement, axis) / (2 * np.mean(error, axis))


def discrepancy(disagreements: Float[np.ndarray, "k n"], sigmas: Float[np.ndarray, " k"]) -> Float[np.ndarray, " n"]:
    """Truncated discrepancy of two denoisers, image by image. ::

        K(A, B) = (1/d) int_.02^1 E||f_A(y) - f_B(y)||^2 sigma^-3 d sigma      (trapezoids in log sigma)

    Not a bound on a divergence: the networks are not exact scores and the range is cut.

    Args:
        disagreements: ||f_A - f_B||^2 / d at each sigma.
        sigmas: increasing, image units; those in [.02, 1] count.

    Returns:
        Nats per pixel.

    Source: the paper's Eq. 4, between two networks.
    """
    inside = _inside(sigmas)
    sigmas = sigmas[inside]
    return np.trapezoid(disagreements[inside] * sigmas[:, None] ** -2, np.log(sigmas), axis=0)


def linearity(f, y: Float[Tensor, "n c h w"], sigma: float | None = None) -> Float[Tensor, " m"]:
    """How far a denoiser obeys superposition: 1 = linear on these images. ::

        cos( f((y_1 + y_2) / sqrt 2),  (f(y_1) + f(y_2)) / sqrt 2 ):   the mixture has the noise level of its parts

    Args:
        f: denoiser, in evaluation mode.
        y: noisy images, at least two; the first half is mixed with the second.
        sigma: their noise standard deviation, image units; None for blind denoisers.

    Returns:
        One cosine for each of the n // 2 pairs (means are not removed).

    Raises:
        TypeError: as `ghr.denoiser.denoise`.
        ValueError: as `ghr.denoiser.denoise`, and for fewer than two images.

    Source: the linearity score of Li, Dai & Qu 2024.
    """
    require_images(y)
    if len(y) < 2:
        raise ValueError("Superposition is measured on pairs of images, got one image.")
    first, second = y[: len(y) // 2], y[len(y) // 2 : len(y) // 2 * 2]
    f_1, f_2, mixed = (denoise(f, images, sigma).flatten(1) for images in (first, second, (first + second) / 2**0.5))
    return torch.nn.functional.cosine_similarity(mixed, f_1 + f_2)


def agreement(
    study: Study, pairs: Sequence[tuple[str, str, str]] = HALVES, seed: int = 0
) -> tuple[Table[Distance], Table[Agreement]]:
    """Are two networks one function? For every N, and every pair of its networks.

    Args:
        study: networks and images.
        pairs: labels of both networks, and what differs between them.
        seed: of the noise.

    Returns:
        Distances by N, pair and noise level; K by N and pair.
    """
    curves, sums, _ = _measure(study, pairs, (), seed)
    return curves, sums


def chance(study: Study, seed: int = 0) -> tuple[Table[Distance], Table[Agreement], Table[Chance]]:
    """Data or chance? What images and seed do together, and what each does alone.

    Args:
        study: networks labelled as by `experiments.controls`.
        seed: of the noise.

    Returns:
        Distances by N, pair and noise level; K by N and pair; and, by N and half, the disagreement when both differ
        over that when the seed does.
    """
    return _measure(study, CONTROLS, (("A", "B", "A, seed of B"), ("B", "A", "B, seed of A")), seed)


def disagreements(
    study: Study, n: int, labels: Sequence[str], seed: int = 0
) -> tuple[Float[np.ndarray, "k k levels images"], Float[np.ndarray, "k levels images"]]:
    """Disagreements and errors of some networks of one N on held-out images, at the noise levels of GRID. ::

        ||f_i(y) - f_j(y)||^2 / d,        ||f_i(y) - x||^2 / d

    Args:
        study: networks and images.
        n: training images of the networks.
        labels: what tells them apart.
        seed: of the noise.

    Returns:
        Squared image units, in the order of the labels.
    """
    return _levels([study.denoisers[n, label] for label in labels], study.held_out[:IMAGES], GRID, seed)


def _levels(
    denoisers: Sequence[Callable], x: Float[Tensor, "n c h w"], sigmas: Float[np.ndarray, " levels"], seed: int
) -> tuple[Float[np.ndarray, "k k levels n"], Float[np.ndarray, "k levels n"]]:
    levels = [model_variance(denoisers, x, float(sigma), seed) for sigma in sigmas]
    apart, errors = (torch.stack(part, -2).double().numpy() for part in zip(*levels, strict=True))
    return apart, errors


def _measure(
    study: Study, pairs: Sequence[tuple[str, str, str]], controls: Sequence[tuple[str, str, str]], seed: int
) -> tuple[Table[Distance], Table[Agreement], Table[Chance]]:
    labels = list(dict.fromkeys(label for one, other, _ in pairs for label in (one, other)))
    place = {label: k for k, label in enumerate(labels)}
    curves, sums, chances = [], [], []
    for n in study.sizes:
        apart, errors = disagreements(study, n, labels, seed)
        exact = [memory(study, n, half) for half in "AB"]
        of_exact = _levels(exact, study.held_out[:MEMORY_IMAGES], GRID[GRID >= STRONG], seed)
        memories = dict(
            zip(GRID[GRID >= STRONG], zip(of_exact[0][0, 1], of_exact[1].mean(0), strict=True), strict=True)
        )
        shares = {sigma: _estimate(study, variance_share, *parts) for sigma, parts in memories.items()}
        for one, other, differs in pairs:
            both, error = apart[place[one], place[other]], (errors[place[one]] + errors[place[other]]) / 2
            for sigma, apart_here, error_here in zip(GRID, both, error, strict=True):
                level = (
                    _u(study, apart_here, memories[sigma][0]) if sigma in memories else None,
                    _estimate(study, psnr_of_mean, apart_here) if apart_here.any() else None,
                    _estimate(study, psnr_of_mean, error_here),
                    _estimate(study, variance_share, apart_here, error_here),
                    shares.get(sigma),
                )
                curves.append(Distance(n, one, other, differs, float(sigma), float(-20 * np.log10(sigma)), *level))
            sums.append(Agreement(n, one, other, differs, _estimate(study, np.mean, discrepancy(both, GRID))))
        for half, other, same in controls:
            pair = (apart[place[half], place[label], list(GRID).index(NAMED)] for label in (other, same))
            chances.append(Chance(n, half, _estimate(study, ratio, *pair)))
    return Table(tuple(curves)), Table(tuple(sums)), Table(tuple(chances))


def _u(study: Study, apart: np.ndarray, memories: np.ndarray) -> Estimate:
    """On the images that the memorizers met."""
    return _estimate(study, ratio, apart[: len(memories)], memories)


def _estimate(study: Study, statistic: Callable, *samples: np.ndarray) -> Estimate:
    return estimate(statistic, *samples, regions=study.regions and study.regions.held_out[: len(samples[0])])


def _inside(sigmas: Float[np.ndarray, " k"]) -> np.ndarray:
    return (sigmas >= RANGE[0]) & (sigmas <= RANGE[1])
