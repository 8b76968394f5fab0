"""Does a network do better on its training images than on new ones? A study enters, errors in dB leave.

All errors are PSNRs of the mean squared error, whose difference is the gap ::

    gap(N, sigma) = PSNR_train - PSNR_test,        G(N) = its mean over the noise levels of `noise.SIGMAS`

Small training sets are repeated with fresh noise to match the number of test images. Noise is drawn from the seed and
is the same for every denoiser. Whole regions of photographs are drawn into the intervals.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import runs
from ghr.experiments import Study
from ghr.noise import SIGMAS, denoising_mse
from ghr.references import BlindEmpiricalDenoiser, WienerDenoiser
from ghr.stats import Estimate, estimate, psnr_gap, psnr_of_mean
from ghr.tables import Table

IMAGES, MOST_IMAGES = 300, 500  # test images of each N, and of the largest N, where gaps are small
MEMORY_IMAGES = 100  #: of the memorizing optimum, each of whose answers is a sum over all training images
NAMED_PSNR = 21  #: input PSNR of the gaps that are compared between N, dB
LOG_SIGMA = 0.1  #: noise level at which the log of a training is read
MARGIN = 0.5  #: a network that comes so near to the level of the largest N generalizes, dB
APART = 1.0  #: a gap larger than this is memory, dB

_INPUT_PSNR = np.append(-20 * np.log10(SIGMAS), NAMED_PSNR)
_SIGMAS = 10 ** (-_INPUT_PSNR / 20)
_GRID = slice(len(SIGMAS))


@dataclass(frozen=True)
class Curve:
    """Error of one network at one noise level."""

    n: int  #: training images
    half: str  #: label of the network
    sigma: float  #: noise level, image units
    input_psnr: float  #: the same, dB
    training: Estimate  #: output PSNR on its training images, dB
    test: Estimate  #: output PSNR on test images, dB
    gap: Estimate  #: training less test, dB


@dataclass(frozen=True)
class Gap:
    """What a network gains on its training images."""

    n: int  #: training images
    half: str  #: label of the network
    gap: Estimate  #: at input 21 dB, dB
    mean: Estimate  #: G, the mean over the paper's noise levels, dB
    test: Estimate  #: output PSNR on test images at input 21 dB, dB
    views: float  #: of each training image in training: images seen over N


@dataclass(frozen=True)
class Exchange:
    """Training images of both halves, denoised by their own network and by that of the other half, at input 21 dB."""

    n: int  #: training images
    on_a: Estimate  #: by how much network A is better on A's images, dB
    on_b: Estimate  #: by how much network B is better on B's images, dB
    own: float  #: mean of both, what a network gains on its own images, dB
    better: float  #: half their difference, by how much A is the better network on all images, dB


@dataclass(frozen=True)
class Rival:
    """Denoisers that are understood completely, fitted to half A, at one noise level."""

    n: int  #: training images
    sigma: float  #: noise level, image units
    input_psnr: float  #: the same, dB
    memory_training: float  #: output PSNR of the blind memorizing optimum on its training images, dB
    memory_test: float  #: the same on test images, dB
    wiener: Estimate  #: output PSNR of the Wiener denoiser on test images, dB


@dataclass(frozen=True)
class Advantage:
    """A network beside the Wiener denoiser of the same images, at one noise level."""

    n: int  #: training images of both
    sigma: float  #: noise level, image units
    input_psnr: float  #: the same, dB
    gain: Estimate  #: by how much the network is better on test images, dB


@dataclass(frozen=True)
class Moment:
    """One entry of a training's log."""

    n: int  #: training images
    half: str  #: label of the network
    images_seen: int  #: so far, with repetition
    views: float  #: of each training image, so far
    training: float  #: output PSNR on training images at sigma = .1, dB
    test: float  #: output PSNR on test images at sigma = .1, dB
    gap: float  #: by how much training images are better, dB
    copies: float | None  #: share of 64 samples that are copies of a training image, where it was measured


@dataclass(frozen=True)
class Onset:
    """When a network begins to generalize and to memorize; the log has one entry for each power of two of its steps."""

    n: int  #: training images
    half: str  #: label of the network
    level: float  #: output PSNR on test images that counts as generalizing, the same for all N, dB
    generalizing: int | None  #: images seen when it is first reached; None if never
    memorizing: int | None  #: images seen when the training PSNR is first 1 dB above the test PSNR; None if never
    views: float | None  #: of each training image until then: images seen over N
    copies: float | None  #: share of samples at the end that are copies by the published rule; None if unknown


def errors(
    f, x: Float[Tensor, "n c h w"], sigmas: Sequence[float] | Float[np.ndarray, " k"], seed: int = 0
) -> Float[np.ndarray, "k n"]:
    """Squared errors of a denoiser, one row for each noise level. ::

        ||f(x_i + sigma z_i) - x_i||^2 / d

    Args:
        f: denoiser, called f(y, sigma).
        x: clean images.
        sigmas: noise standard deviations, image units.
        seed: of the noise z, the same for every denoiser.

    Returns:
        Squared image units, by noise level and image.
    """
    return np.stack([denoising_mse(f, x, float(sigma), seed).numpy() for sigma in sigmas])


def training_images(study: Study, n: int, label: str) -> Float[Tensor, "m c h w"]:
    """As many training images of a network as it meets test images: small sets are repeated.

    Args:
        study: networks and images.
        n: training images of the network.
        label: what else tells it from the others.

    Returns:
        Its first training images.
    """
    x = study.training(n, label)
    return x[torch.arange(_count(study, n)) % len(x)]


def held_out(study: Study, n: int) -> Float[Tensor, "m c h w"]:
    """The test images that networks of one N meet: more for the largest N, where gaps are small.

    Args:
        study: networks and images.
        n: training images of the networks.

    Returns:
        The first test images.
    """
    return study.held_out[: _count(study, n)]


def memory(study: Study, n: int, half: str = "A") -> BlindEmpiricalDenoiser:
    """The blind memorizing optimum of a half: over all functions, the one that fulfils the training loss best.

    Args:
        study: networks and images.
        n: training images.
        half: label of the network that was trained on them.

    Returns:
        Denoiser whose noise levels have the prior of the network's training.
    """
    run = study.runs[n, half]
    return BlindEmpiricalDenoiser(study.training(n, half), sigma_law=run.sigma_law, loss_weight=run.loss_weight)


def mean_gap(train: np.ndarray, test: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Gap between training and test PSNR, averaged over noise levels. ::

        G = mean_sigma( PSNR_train(sigma) - PSNR_test(sigma) )

    Args:
        train: squared errors on training images, noise levels along the first axis.
        test: the same on test images.
        axis: that of the images.

    Returns:
        dB.
    """
    return psnr_gap(train, test, axis).mean(0)


def generalization(study: Study, seed: int = 0) -> tuple[Table[Curve], Table[Gap]]:
    """Errors of every network on training and on test images, and the gap between them.

    Args:
        study: networks and images.
        seed: of the noise.

    Returns:
        Error and gap by network and noise level (the paper's, and input 21 dB as the last); the gap by network.
    """
    train, test, curves, gaps = {}, {}, [], []
    for key, f in study.denoisers.items():
        train[key] = errors(f, training_images(study, *key), _SIGMAS, seed)
        test[key] = errors(f, held_out(study, key[0]), _SIGMAS, seed)
    for (n, half), rows in train.items():
        regions, others = _regions(study, n, half), test[n, half]
        unpaired = partial(estimate, regions=regions, paired=False)
        for sigma, psnr, a, b in zip(_SIGMAS, _INPUT_PSNR, rows, others, strict=True):
            levels = [estimate(psnr_of_mean, e, regions=r) for e, r in zip((a, b), regions, strict=True)]
            curves.append(Curve(n, half, float(sigma), float(psnr), *levels, unpaired(psnr_gap, a, b)))
        of_mean = unpaired(mean_gap, rows[_GRID], others[_GRID])
        views = study.runs[n, half].images_seen / n
        gaps.append(Gap(n, half, curves[-1].gap, of_mean, curves[-1].test, views))
    return Table(tuple(curves)), Table(tuple(gaps))


def exchange(study: Study, seed: int = 0) -> Table[Exchange]:
    """Are training images easy, or known? Each half's images, denoised by both halves' networks, at input 21 dB.

    A small set may hold easy images; the network of the other half, which has not seen them, tells.

    Args:
        study: networks of halves A and B.
        seed: of the noise.

    Returns:
        One row for each N.
    """
    rows = []
    for n in study.sizes:
        found = []
        for own, other in ("AB", "BA"):
            x = training_images(study, n, own)
            pair = [errors(study.denoisers[n, half], x, _SIGMAS[-1:], seed)[0] for half in (own, other)]
            found.append(estimate(psnr_gap, *pair, regions=_regions(study, n, own)[0]))
        a, b = found
        rows.append(Exchange(n, a, b, (a.value + b.value) / 2, (a.value - b.value) / 2))
    return Table(tuple(rows))


def rivals(study: Study, seed: int = 0) -> Table[Rival]:
    """The memorizing optimum and the Wiener denoiser, both of half A, at the paper's noise levels.

    Args:
        study: networks and images.
        seed: of the noise.

    Returns:
        One row for each N and noise level. The memorizing optimum is measured on 100 images and has no interval.
    """
    rows = []
    for n in study.sizes:
        test, blind = held_out(study, n), memory(study, n)
        two = training_images(study, n, "A")[:MEMORY_IMAGES], test[:MEMORY_IMAGES]
        of_memory = [errors(blind, x, _SIGMAS[_GRID], seed) for x in two]
        of_wiener = errors(WienerDenoiser(study.training(n)), test, _SIGMAS[_GRID], seed)
        regions = _regions(study, n, "A")[1]
        for k, e in enumerate(of_wiener):
            with np.errstate(divide="ignore"):  # memory's error on training images underflows to 0
                levels = [float(psnr_of_mean(each[k])) for each in of_memory]
            wiener = estimate(psnr_of_mean, e, regions=regions)
            rows.append(Rival(n, float(_SIGMAS[k]), float(_INPUT_PSNR[k]), *levels, wiener))
    return Table(tuple(rows))


def over_wiener(study: Study, seed: int = 0) -> Table[Advantage]:
    """Is the network of the largest N more than a mean and a covariance? Network and Wiener of half A, on test images.

    Args:
        study: networks and images.
        seed: of the noise.

    Returns:
        One row for each of the paper's noise levels.
    """
    n = study.largest
    pair = study.denoisers[n, "A"], WienerDenoiser(study.training(n))
    both = [errors(f, held_out(study, n), _SIGMAS[_GRID], seed) for f in pair]
    regions, rows = _regions(study, n, "A")[1], []
    for sigma, psnr, network, wiener in zip(_SIGMAS, _INPUT_PSNR, *both, strict=False):
        gain = estimate(psnr_gap, network, wiener, regions=regions)
        rows.append(Advantage(n, float(sigma), float(psnr), gain))
    return Table(tuple(rows))


def learning(study: Study) -> Table[Moment]:
    """The log of each training at sigma = .1: at most 256 images, none repeated.

    Args:
        study: networks and images.

    Returns:
        One row for each network and entry of its log.
    """
    rows, column = [], runs.LOG_SIGMAS.index(LOG_SIGMA)
    for (n, half), run in study.runs.items():
        log = runs.log(run)
        copies = log.get("copies") or [None] * len(log["images_seen"])  # older logs have none
        for seen, train, test, share in zip(log["images_seen"], log["train"], log["test"], copies, strict=True):
            psnr = train[column], test[column]
            rows.append(Moment(n, half, seen, seen / n, *psnr, psnr[0] - psnr[1], share))
    return Table(tuple(rows))


def onsets(moments: Table[Moment]) -> Table[Onset]:
    """When does each network begin to generalize, when to memorize?

    The level of generalizing is half a dB below what the networks of the largest N reach at the end.

    Args:
        moments: the logs, as `learning` gives them.

    Returns:
        One row for each network.
    """
    largest = max(moments["n"])
    ends = [log.rows[-1].test for _, log in moments.where(n=largest).by("half")]
    level, rows = min(ends) - MARGIN, []
    for n, of_n in moments.by("n"):
        for half, log in of_n.by("half"):
            reached = _first(log, lambda moment: moment.test >= level)
            apart = _first(log, lambda moment: moment.gap > APART)
            rows.append(Onset(n, half, level, reached, apart, apart and apart / n, log.rows[-1].copies))
    return Table(tuple(rows))


def _first(log: Table[Moment], holds: Callable[[Moment], bool]) -> int | None:
    return next((moment.images_seen for moment in log if holds(moment)), None)


def _count(study: Study, n: int) -> int:
    return min(MOST_IMAGES if n == study.largest else IMAGES, len(study.held_out))


def _regions(study: Study, n: int, label: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Regions of training and test images; repeated training images count by their noise: this set, not another."""
    if study.regions is None:
        return None, None
    count = _count(study, n)
    labels = study.regions.a if study.runs[n, label].half == "A" else study.regions.b
    return labels[:count] if n >= count else None, study.regions.held_out[:count]
