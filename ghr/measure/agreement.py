"""Do networks compute one function? Denoisers and held-out images enter, how far their answers lie apart leaves. ::

    V(sigma) = E||f_A(y) - f_B(y)||^2 / (2 E||f_A(y) - x||^2)        0 = one function
    K(A, B) = (1/d) int_.02^1 E||f_A(y) - f_B(y)||^2 sigma^-3 d sigma

Both see the same noise. Intervals are over images; whole regions of photographs are drawn into them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr.denoiser import denoise, require_images
from ghr.experiments import Study
from ghr.noise import SIGMAS, add_noise, mse
from ghr.stats import Estimate, estimate
from ghr.tables import Table

IMAGES = 300  #: held-out images that are compared
RANGE = (0.02, 1.0)  #: noise levels of K, and of the largest V, image units
GRID = np.unique([*SIGMAS, *RANGE])  #: of V, with the limits of K's integral
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
class Variance:
    """Model variance of two networks at one noise level."""

    n: int  #: training images of each
    one: str  #: label of the network whose error is in the denominator
    other: str  #: label of the other one
    differs: str  #: what differs between their trainings
    sigma: float  #: noise level, image units
    input_psnr: float  #: the same, dB
    v: Estimate  #: V, a ratio


@dataclass(frozen=True)
class Agreement:
    """How far two networks are one function, over noise levels from .02 to 1."""

    n: int  #: training images of each
    one: str  #: label of the network whose error is in the denominator
    other: str  #: label of the other one
    differs: str  #: what differs between their trainings
    largest: Estimate  #: largest V, a ratio
    discrepancy: Estimate  #: K, nats per pixel


@dataclass(frozen=True)
class Chance:
    """How much of a disagreement the choice of images explains, beyond the chance of training."""

    n: int  #: training images of each
    half: str  #: half whose network is compared with the other half's, and with its own of another seed
    over_seed: Estimate  #: largest V when images and seed differ, over largest V when the seed differs alone


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


def variance_ratio(disagreement: np.ndarray, error: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Model variance: 0 = one function, 1 = uncorrelated errors of equal size. ::

        V(sigma) = E||f_A(y) - f_B(y)||^2 / (2 E||f_A(y) - x||^2)

    Args:
        disagreement: ||f_A - f_B||^2 / d, one per image.
        error: ||f_A - x||^2 / d of the same images.
        axis: that of the images.

    Returns:
        A number without unit.
    """
    return np.mean(disagreement, axis) / (2 * np.mean(error, axis))


def largest_ratio(disagreement: np.ndarray, error: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Largest V over the noise levels of GRID between .02 and 1. ::

        max_{.02 <= sigma <= 1} V(sigma)

    Args:
        disagreement: ||f_A - f_B||^2 / d, noise levels of GRID along the first axis.
        error: ||f_A - x||^2 / d of the same.
        axis: that of the images.

    Returns:
        A number without unit.
    """
    return variance_ratio(disagreement, error, axis)[_inside(GRID)].max(0)


def over_control(
    disagreement: np.ndarray, error: np.ndarray, control: np.ndarray, axis: int = -1
) -> np.ndarray | np.floating:
    """Largest V of two halves over the largest V of two seeds of one half. ::

        max V(A, B) / max V(A, A with another seed)

    Args:
        disagreement: ||f_A - f_B||^2 / d, noise levels of GRID along the first axis.
        error: ||f_A - x||^2 / d of the same.
        control: ||f_A - f_A'||^2 / d of the same, A' trained on A's images with another seed.
        axis: that of the images.

    Returns:
        A number without unit; 1 when the images make no difference.
    """
    return largest_ratio(disagreement, error, axis) / largest_ratio(control, error, axis)


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
) -> tuple[Table[Variance], Table[Agreement]]:
    """Are two networks one function? For every N, and every pair of its networks.

    Args:
        study: networks and images.
        pairs: labels of both networks, and what differs between them.
        seed: of the noise.

    Returns:
        V by N, pair and noise level; largest V and K by N and pair.
    """
    curves, sums, _ = _measure(study, pairs, (), seed)
    return curves, sums


def chance(study: Study, seed: int = 0) -> tuple[Table[Variance], Table[Agreement], Table[Chance]]:
    """Data or chance? What images and seed do together, and what each does alone.

    Args:
        study: networks labelled as by `experiments.controls`.
        seed: of the noise.

    Returns:
        V by N, pair and noise level; largest V and K by N and pair; and, by N and half, largest V when both differ over
        largest V when the seed does.
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
    denoisers, x = [study.denoisers[n, label] for label in labels], study.held_out[:IMAGES]
    levels = [model_variance(denoisers, x, float(sigma), seed) for sigma in GRID]
    apart, errors = (torch.stack(part, -2).numpy() for part in zip(*levels, strict=True))
    return apart, errors


def _measure(
    study: Study, pairs: Sequence[tuple[str, str, str]], controls: Sequence[tuple[str, str, str]], seed: int
) -> tuple[Table[Variance], Table[Agreement], Table[Chance]]:
    labels = list(dict.fromkeys(label for one, other, _ in pairs for label in (one, other)))
    place = {label: k for k, label in enumerate(labels)}
    curves, sums, chances = [], [], []
    for n in study.sizes:
        apart, errors = disagreements(study, n, labels, seed)
        for one, other, differs in pairs:
            both, error = apart[place[one], place[other]], errors[place[one]]
            for k, sigma in enumerate(GRID):
                v = _estimate(study, variance_ratio, both[k], error[k])
                curves.append(Variance(n, one, other, differs, float(sigma), float(-20 * np.log10(sigma)), v))
            largest = _estimate(study, largest_ratio, both, error)
            k = _estimate(study, np.mean, discrepancy(both, GRID))
            sums.append(Agreement(n, one, other, differs, largest, k))
        for half, other, same in controls:
            of_halves, of_seeds = (apart[place[half], place[label]] for label in (other, same))
            over_seed = _estimate(study, over_control, of_halves, errors[place[half]], of_seeds)
            chances.append(Chance(n, half, over_seed))
    return Table(tuple(curves)), Table(tuple(sums)), Table(tuple(chances))


def _estimate(study: Study, statistic: Callable, *samples: np.ndarray) -> Estimate:
    return estimate(statistic, *samples, regions=study.regions and study.regions.held_out[:IMAGES])


def _inside(sigmas: Float[np.ndarray, " k"]) -> np.ndarray:
    return (sigmas >= RANGE[0]) & (sigmas <= RANGE[1])
