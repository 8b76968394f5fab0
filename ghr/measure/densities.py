"""Do two networks know the same probabilities? A study enters; log densities by its networks leave, compared.

A denoiser gives the density of a clean image, up to where the noise levels are cut, by an integral of its errors on
that image (I-MMSE). It is exact for the optimal denoiser alone; of a network it is what the network's errors imply.
Each network is asked with noise of its own, and one network twice, so that chance is seen.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr.denoiser import denoise
from ghr.experiments import Study
from ghr.noise import mse
from ghr.references import WienerDenoiser
from ghr.similarity import gradient_energy
from ghr.stats import Estimate, estimate
from ghr.tables import Table

IMAGES, DRAWS = 64, 4  #: held-out images; pairs of noise images for each of them and each noise level
LEVELS = tuple(np.geomspace(0.02, 1, 15).tolist())  #: noise levels of the integral, image units


def surprise(
    f: Callable,
    x: Float[Tensor, "n c h w"],
    sigmas: Sequence[float] | Float[np.ndarray, " k"] = LEVELS,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Float[np.ndarray, " n"]:
    """Negative log density of each image by the errors of a denoiser on it. ::

        -log p(x) = d/2 log(2 pi e) - int_0^inf (d sigma^2 / (1 + sigma^2) - E||f(x + sigma z) - x||^2) sigma^-3 d sigma

    The integral is taken by the trapezoidal rule in log sigma, over the levels that are given; what lies outside counts
    as nothing. So levels that do not reach from 0 to infinity shift all images, and hide what finer noise would tell.

    Args:
        f: denoiser, called f(y, sigma); the equation is exact for the best one.
        x: clean images.
        sigmas: noise standard deviations, rising, image units.
        draws: pairs z, -z for each image and level.
        seed: of the noise.

    Returns:
        Nats, one value for each image.

    Source: Kong, Brekelmans & Ver Steeg 2023, Eq. 8, with sigma^-2 for the signal-to-noise ratio.
    """
    d, integrand = x[0].numel(), []
    generator = torch.Generator(x.device).manual_seed(seed)
    for sigma in sigmas:
        errors = torch.zeros(len(x), dtype=torch.float64)
        for _ in range(draws):
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
            for sign in (1, -1):
                errors += d * mse(denoise(f, x + sign * sigma * z, sigma), x).double().cpu() / (2 * draws)
        # sigma^-3 d sigma = sigma^-2 d log sigma
        integrand.append(((d * sigma**2 / (1 + sigma**2) - errors) / sigma**2).numpy())
    return d / 2 * math.log(2 * math.pi * math.e) - np.trapezoid(np.stack(integrand), np.log(sigmas), axis=0)


@dataclass(frozen=True)
class Surprise:
    """Negative log density of one held-out image by two denoisers, nats per pixel."""

    images: str  #: image set
    n: int  #: training images
    other: str  #: what stands beside network A: "B", or "exact"
    image: int  #: its place among the held-out images
    first: float  #: by network A
    again: float  #: by network A with other noise: what chance alone changes
    second: float  #: by the other denoiser, with noise of its own


@dataclass(frozen=True)
class Shared:
    """How well two denoisers agree on log densities, or one with itself."""

    images: str  #: image set
    n: int  #: training images
    other: str  #: what stands beside network A: "B", "exact", or "A" with other noise
    count: int  #: held-out images
    correlation: Estimate  #: of the log densities, over images
    slope: Estimate  #: of the other's on the first's; nats per nat
    spread: Estimate  #: standard deviation of their difference, nats per pixel
    range: Estimate  #: standard deviation of the first's over images, nats per pixel


def surprises(
    study: Study,
    n: int | None = None,
    exact: Callable | None = None,
    *,
    images: int = IMAGES,
    sigmas: Sequence[float] | Float[np.ndarray, " k"] = LEVELS,
    draws: int = DRAWS,
    seed: int = 0,
) -> Table[Surprise]:
    """What network A and another denoiser find likely, held-out image by held-out image.

    Args:
        study: networks of half A, and of half B unless the optimum is given.
        n: training images (None: the largest N).
        exact: the best denoiser of these images, where it is known, in place of network B.
        images: held-out images.
        sigmas: noise standard deviations of the integral, rising, image units.
        draws: pairs of noise images for each image and level.
        seed: of the noise.

    Returns:
        One row for each image.
    """
    n, x = n or study.largest, study.held_out[:images]
    a, other = study.denoisers[n, "A"], "exact" if exact else "B"
    three = (a, a, exact or study.denoisers[n, "B"])
    found = [surprise(f, x, sigmas, draws=draws, seed=3 * seed + k) / x[0].numel() for k, f in enumerate(three)]
    rows = [Surprise(study.name, n, other, k, *map(float, values)) for k, values in enumerate(zip(*found, strict=True))]
    return Table(tuple(rows), Surprise)


def densities(found: Table[Surprise], regions: np.ndarray | None = None) -> Table[Shared]:
    """Do two denoisers find the same images likely?

    Args:
        found: as `surprises` gives them.
        regions: of photographs, one label for each image.

    Returns:
        Network A and the other in one row; A and A with other noise, the least difference that could be seen, in
        another.
    """
    one, rows = found.rows[0], []
    for name, field in ((one.other, "second"), ("A", "again")):
        pair = np.array(found["first"]), np.array(found[field])
        numbers = [estimate(statistic, *pair, regions=regions) for statistic in (correlation, slope, spread)]
        widest = estimate(np.std, pair[0], regions=regions)
        rows.append(Shared(one.images, one.n, name, len(found), *numbers, widest))
    return Table(tuple(rows), Shared)


@dataclass(frozen=True)
class Simple:
    """What something simple knows of a network's surprise, over held-out images."""

    images: str  #: image set
    n: int  #: training images
    known: str  #: "squared contrast", "gradient energy", or "Wiener", the surprise of this denoiser
    correlation: Estimate  #: with the surprise of network A
    partial: Estimate  #: of both networks' surprise, without what it explains of each


def simple(
    found: Table[Surprise],
    study: Study,
    *,
    sigmas: Sequence[float] | Float[np.ndarray, " k"] = LEVELS,
    draws: int = DRAWS,
    seed: int = 0,
) -> Table[Simple]:
    """Is what networks find unlikely more than contrast, edges, or what a mean and a covariance know?

    Args:
        found: as `surprises` gives them.
        study: its networks and images.
        sigmas: noise standard deviations of Wiener's surprise, rising, image units.
        draws: pairs of noise images for each image and level.
        seed: of the noise, which is none of the networks'.

    Returns:
        One row for each simple thing.
    """
    n, x = found["n"][0], study.held_out[: len(found)]
    wiener = WienerDenoiser(study.training(n, "A"))
    known = {
        "squared contrast": x.double().flatten(1).var(1, correction=0).numpy(),
        "gradient energy": gradient_energy(x.double()).numpy(),
        "Wiener": surprise(wiener, x, sigmas, draws=draws, seed=3 * seed + 3) / x[0].numel(),
    }
    pair, rows = (np.array(found["first"]), np.array(found["second"])), []
    for name, values in known.items():
        numbers = estimate(correlation, pair[0], values), estimate(partial_correlation, *pair, values)
        rows.append(Simple(study.name, n, name, *numbers))
    return Table(tuple(rows), Simple)


def partial_correlation(a: np.ndarray, b: np.ndarray, c: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Correlation of what a straight line on c leaves of a and of b. ::

        (r_ab - r_ac r_bc) / sqrt((1 - r_ac^2) (1 - r_bc^2))

    Args:
        a: one value per image.
        b: as many.
        c: as many, what is taken out.
        axis: that of the images.

    Returns:
        From -1 to 1.
    """
    ab, ac, bc = (correlation(*pair, axis) for pair in ((a, b), (a, c), (b, c)))
    return (ab - ac * bc) / np.sqrt((1 - ac**2) * (1 - bc**2))


def correlation(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Pearson's correlation. ::

        cov(a, b) / (sd(a) sd(b))

    Args:
        a: one value per image.
        b: as many.
        axis: that of the images.

    Returns:
        From -1 to 1.
    """
    a, b = a - a.mean(axis, keepdims=True), b - b.mean(axis, keepdims=True)
    return (a * b).mean(axis) / np.sqrt((a**2).mean(axis) * (b**2).mean(axis))


def slope(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Slope of the least squares line of b on a. ::

        cov(a, b) / var(a)

    Args:
        a: one value per image.
        b: as many.
        axis: that of the images.

    Returns:
        Unit of b per unit of a.
    """
    a, b = a - a.mean(axis, keepdims=True), b - b.mean(axis, keepdims=True)
    return (a * b).mean(axis) / (a**2).mean(axis)


def spread(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Standard deviation of a difference. ::

        sd(b - a)

    Args:
        a: one value per image.
        b: as many, of the same unit.
        axis: that of the images.

    Returns:
        Number in their unit.
    """
    return np.std(b - a, axis)
