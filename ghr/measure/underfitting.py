"""Where does a network generalize? A study enters; where it knows its images, and how far it is from memory, leave.

Over all functions the optimum of a training loss is the memorizer of the training images (`errors.memory`); among
those without constants it is the memorizer of their rays. Training asks for that at noisy training images, and nowhere
else; the sampler goes to other places. So three things are told apart: the noise level at which training images are
favoured most, the distance to the memorizer at each of these places, beside that of denoisers which never saw the
images, and how far a network favours what it has drawn itself. Noise is drawn from the seed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import sampling
from ghr.denoiser import denoise
from ghr.experiments import Key, Study
from ghr.measure.errors import errors, memory
from ghr.noise import SIGMAS, add_noise, mse
from ghr.references import RayEmpiricalDenoiser, WienerDenoiser
from ghr.stats import Estimate, estimate, psnr_gap, ratio
from ghr.tables import Table

IMAGES, SEEDS, STEPS = 64, range(32), 10  #: noisy images of each kind; sampling seeds, and steps of their walks
LEVELS = (0.05, 0.1, 0.2, 0.4, 0.8)  #: noise levels at which places are compared, image units; the walk's nearest
OWN_AT = 0.1  #: noise level at which samples are noised afresh, image units


@dataclass(frozen=True)
class Gap:
    """What a network gains on its training images, at one noise level."""

    n: int  #: training images
    half: str  #: label of the network
    sigma: float  #: noise level, image units
    input_psnr: float  #: the same, dB
    gap: Estimate  #: PSNR on training less that on test images, dB


@dataclass(frozen=True)
class Peak:
    """Where a network gains most on its training images."""

    n: int  #: training images
    half: str  #: label of the network
    sigma: float  #: noise level of the largest gap, of those that were measured, image units
    at: Estimate  #: the same as input PSNR, dB
    gap: Estimate  #: the largest gap, dB


def gaps(
    study: Study,
    half: str = "A",
    *,
    images: int = IMAGES,
    sigmas: Sequence[float] | Float[np.ndarray, " k"] = SIGMAS,
    seed: int = 0,
) -> tuple[Table[Gap], Table[Peak]]:
    """At which noise level does a network know its training images best?

    Args:
        study: networks and images.
        half: label of the networks.
        images: training and test images; smaller training sets are repeated with other noise.
        sigmas: noise standard deviations, image units.
        seed: of the noise.

    Returns:
        One row for each N and noise level; and one for each N.
    """
    levels, peaks, sigmas = [], [], np.asarray(sigmas, float)
    input_psnr = -20 * np.log10(sigmas)
    for n in study.sizes:
        f, regions = study.denoisers[n, half], _regions(study, n, half, images)
        train, test = (errors(f, x, sigmas, seed) for x in (_training(study, n, half, images), study.held_out[:images]))
        found = [estimate(psnr_gap, *pair, regions=regions, paired=False) for pair in zip(train, test, strict=True)]
        rows = zip(sigmas.tolist(), input_psnr.tolist(), found, strict=True)
        levels += [Gap(n, half, *row) for row in rows]

        def most(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
            return input_psnr[psnr_gap(a, b, axis).argmax(0)]

        at = estimate(most, train, test, regions=regions, paired=False)
        largest = max(found, key=lambda gap: gap.value)
        peaks.append(Peak(n, half, float(10 ** (-at.value / 20)), at, largest))
    return Table(tuple(levels), Gap), Table(tuple(peaks), Peak)


# Distance to the memorizer ------------------------------------------------------------------------------------------


def draw(
    study: Study, *, labels: Sequence[str] = ("A", "B"), seeds: Sequence[int] = SEEDS, steps: int = STEPS
) -> Mapping[Key, tuple[sampling.State, ...]]:
    """Every state of walks of all networks from one start: `ghr.sampling.sample`, by the probability-flow ODE.

    Args:
        study: networks, and held-out images, whose moments the start has.
        labels: of the networks.
        seeds: sampling seeds, the same for all.
        steps: of Heun's method.

    Returns:
        States by N and label.

    Raises:
        FloatingPointError: when a walk diverges.
    """
    start = sampling.gaussian_start(study.held_out, seeds)
    keys = [(n, label) for n in study.sizes for label in labels]
    walks = {key: tuple(sampling.sample(study.denoisers[key], start, steps=steps)) for key in keys}
    return MappingProxyType(walks)


@dataclass(frozen=True)
class Apart:
    """How far a denoiser is from memory of a network's training images, at three places of one noise level."""

    n: int  #: training images
    half: str  #: label of the network whose training images are remembered
    memory: str  #: of "images" (`errors.memory`), or of their "rays" (`RayEmpiricalDenoiser`)
    denoiser: str  #: "network"; or one that never saw these images, "other half" or "Wiener of the other half"
    sigma: float  #: noise level, of a state of the network's walk, image units
    input_psnr: float  #: the same, dB
    training: Estimate  #: mean squared distance per pixel at noisy training images, squared image units
    new: Estimate  #: the same at noisy test images
    walk: Estimate  #: mean squared distance per pixel where the network's own sampler comes by, same unit
    walk_over_training: Estimate | None  #: ratio of the two; None where the denoiser is the memorizer
    walk_over_new: Estimate | None  #: the same for test images
    over_network: Estimate | None  #: distance at training images, over that of the network; None where this is 0


def apart(
    study: Study,
    walks: Mapping[Key, Sequence[sampling.State]],
    half: str = "A",
    other: str = "B",
    *,
    images: int = IMAGES,
    sigmas: Sequence[float] = LEVELS,
    seed: int = 0,
) -> Table[Apart]:
    """Is a network nearer to memory where it was trained than where its sampler goes, and is training the reason? ::

        E||f(y) - m(y)||^2 / d      m the blind memorizer of training images (`errors.memory`), or that of their rays

    At weak noise memory answers a noisy training image with the clean one. So there the distance is the error of f,
    small for every good denoiser: two that never saw these images stand beside the network.

    Args:
        study: networks of two halves, and images.
        walks: of `draw`.
        half: label of the networks.
        other: label of networks that never saw their training images.
        images: noisy training and test images; smaller training sets are repeated with other noise.
        sigmas: noise standard deviations, image units; taken are those of the nearest states of the walk.
        seed: of the noise.

    Returns:
        One row for each N, noise level, memory and denoiser.

    Source: Song et al. 2025, there by the norm of scores, and without the two.
    """
    rows = []
    for n in study.sizes:
        f, regions = study.denoisers[n, half], (*_regions(study, n, half, images), None)
        unseen = study.denoisers[n, other], WienerDenoiser(study.training(n, other))
        denoisers = dict(zip(("network", "other half", "Wiener of the other half"), (f, *unseen), strict=True))
        memories = {"images": memory(study, n, half), "rays": RayEmpiricalDenoiser(study.training(n, half))}
        for state in _nearest(walks[n, half], sigmas):
            sigma = state.sigma[0].item()
            noisy = [
                add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
                for x in (_training(study, n, half, images), study.held_out[:images])
            ]
            places, where = (*noisy, state.y), (sigma, float(-20 * np.log10(sigma)))
            answers = {name: [denoise(g, y, sigma) for y in places] for name, g in denoisers.items()}
            for kind, m in memories.items():
                known = [denoise(m, y, sigma) for y in places]
                at_own = mse(answers["network"][0], known[0])
                for name, found in answers.items():
                    far = [mse(*pair) for pair in zip(found, known, strict=True)]
                    rows.append(Apart(n, half, kind, name, *where, *_compared(far, at_own, regions)))
    return Table(tuple(rows), Apart)


def _compared(far: Sequence[Tensor], at_own: Tensor, regions: Sequence[np.ndarray | None]) -> Iterator[Estimate | None]:
    """Means of distances at three places; the last over either other; the first over that of the network."""
    training, new, walk = far
    yield from (estimate(np.mean, e, regions=r) for e, r in zip(far, regions, strict=True))
    yield from (_over(walk, e, regions=(None, r), paired=False) for e, r in zip((training, new), regions, strict=False))
    yield _over(training, at_own, regions=regions[0])


def _over(values: Tensor, reference: Tensor, **how) -> Estimate | None:
    """Ratio of two means of distances; None where the second are 0."""
    return estimate(ratio, values, reference, **how) if (reference > 0).all() else None


def _nearest(states: Sequence[sampling.State], sigmas: Sequence[float]) -> list[sampling.State]:
    """The state nearest to each noise level, each once; the weakest noise last, as in the walk."""
    levels = np.log([state.sigma[0].item() for state in states])
    places = sorted({int(np.abs(levels - np.log(sigma)).argmin()) for sigma in sigmas})
    return [states[place] for place in places]


# Own samples --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Favour:
    """By how much networks denoise images of their own better than those of the other half do; dB, mean of halves."""

    n: int  #: training images
    sigma: float  #: noise level, image units
    training: Estimate  #: on training images
    samples: Estimate  #: on samples of their own, noised afresh


def favours(
    study: Study,
    walks: Mapping[Key, Sequence[sampling.State]],
    *,
    images: int = IMAGES,
    sigma: float = OWN_AT,
    seed: int = 0,
) -> Table[Favour]:
    """Does a network know what it draws better than the network of the other half knows it? ::

        1/2 (PSNR_A - PSNR_B on A's images) + 1/2 (PSNR_B - PSNR_A on B's images)

    Samples have no clean image to compare a state of their walk with; so the sample is noised afresh.

    Args:
        study: networks of halves A and B.
        walks: of `draw`.
        images: training images; smaller sets are repeated with other noise.
        sigma: noise standard deviation, image units.
        seed: of the noise.

    Returns:
        One row for each N.
    """
    rows = []
    for n in study.sizes:
        found = []
        for pair in (
            [_training(study, n, half, images) for half in "AB"],
            [walks[n, half][-1].x_hat for half in "AB"],
        ):
            four = [
                errors(study.denoisers[n, half], x, (sigma,), seed)[0]
                for x, halves in zip(pair, ("AB", "BA"), strict=True)
                for half in halves
            ]
            found.append(estimate(favour, *four))
        rows.append(Favour(n, sigma, *found))
    return Table(tuple(rows), Favour)


def favour(
    a_own: np.ndarray, a_other: np.ndarray, b_own: np.ndarray, b_other: np.ndarray, axis: int = -1
) -> np.ndarray | np.floating:
    """Mean of two gains in PSNR. ::

        1/2 (PSNR(a_own) - PSNR(a_other)) + 1/2 (PSNR(b_own) - PSNR(b_other))

    Args:
        a_own: squared errors of network A on images of A, squared image units.
        a_other: of network B on them.
        b_own: of network B on images of B.
        b_other: of network A on them.
        axis: that of the images.

    Returns:
        Decibels.
    """
    return (psnr_gap(a_own, a_other, axis) + psnr_gap(b_own, b_other, axis)) / 2


def _training(study: Study, n: int, half: str, images: int) -> Float[Tensor, "m c h w"]:
    x = study.training(n, half)
    return x[torch.arange(images) % len(x)]


def _regions(study: Study, n: int, half: str, images: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Regions of training and test images; repeated training images count by their noise: this set, not another."""
    if study.regions is None:
        return None, None
    labels = study.regions.a if study.runs[n, half].half == "A" else study.regions.b
    return labels[:images] if n >= images else None, study.regions.held_out[:images]
