"""What do two networks share beyond their common start? Samples enter, similarity less what Wiener explains leaves.

The start of a walk already carries the leading components of one definite image, and a mean and a covariance turn it
into much of the sample. So each sample is seen from W, the sample that the Wiener denoiser of the same training images
draws from the same noise, by the same walk ::

    floor: rho(A, W_A)         beyond Wiener: rho(A - W_A, B - W_B)

rho is the centred cosine. Two Wiener denoisers leave nothing, and pass no test here. Intervals are over sampling seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ghr import sampling
from ghr.experiments import Key, Study
from ghr.measure.agreement import model_variance
from ghr.measure.samples import TOLERANCE, Nearness, Samples
from ghr.references import WienerDenoiser
from ghr.similarity import nearest_beyond, partial_rho, rho
from ghr.stats import Estimate, estimate, median_difference, psnr_of_mean
from ghr.tables import Table

SEEDS = 256  #: sampling seeds of each N that are looked at here, at most
LEVEL = 0.1  #: noise level at which two networks are held against each other, image units

Walks = Mapping[Key, Float[Tensor, "b c h w"]]  #: Wiener samples, by N and half


@dataclass(frozen=True)
class Beyond:
    """Similarity of two networks' samples from the same noise, and what of it a mean and a covariance explain."""

    n: int  #: training images of each
    seeds: int  #: sampling seeds
    same_noise: Estimate  #: c_AB, median rho of A's and B's samples
    floor: Estimate  #: median rho of a sample and the Wiener sample of the same images, mean of both halves
    wieners: Estimate  #: median rho of the Wiener samples of both halves
    residual: Estimate  #: beyond Wiener: median rho(A - W_A, B - W_B)
    null: Estimate  #: the same with a sample of B from other noise in place of B's
    partial: Estimate  #: median partial correlation of A's and B's samples, given both Wiener samples' mean
    strong: str  #: strong generalization "holds", "does not hold", or "is undecided"


@dataclass(frozen=True)
class Ahead:
    """Are two samples more alike than either is to a training image, beyond Wiener?"""

    n: int  #: training images
    half: str  #: label of the network
    nearest: Estimate  #: median over seeds of the largest rho(sample - W, training image - W)
    ahead: Estimate  #: rho(A - W_A, B - W_B) less that, of medians


@dataclass(frozen=True)
class Pair:
    """Similarity of the samples of two networks from the same noise."""

    n: int  #: training images of each
    one: str  #: one network and its half, e.g. "UNet A"
    other: str  #: the other one
    changed: str  #: what differs between them: "images", "architecture" or "both" (and always the seed of the training)
    plain: Estimate  #: median rho of their samples
    beyond: Estimate  #: the same beyond Wiener, whose samples of both halves are averaged


@dataclass(frozen=True)
class Exchange:
    """What it costs one network's agreement with another architecture when that has seen other images."""

    n: int  #: training images of each
    one: str  #: the network and its half, e.g. "UNet A"
    other: str  #: the other architecture, e.g. "BFCNN"
    plain: Estimate  #: median rho to that of the same images less median rho to that of the other half's
    beyond: Estimate  #: the same beyond Wiener


def wiener(samples: Samples) -> Walks:
    """Samples of the Wiener denoisers of both halves, from the noise of some samples, by the same walk.

    Args:
        samples: of both networks; the first 256 seeds of each N count.

    Returns:
        Images by N and half; none of N = 1, since one image has no covariance.
    """
    study, walks = samples.study, {}
    for n, seeds in _sizes(samples).items():
        start = sampling.gaussian_start(study.held_out, seeds[:SEEDS])
        for half in "AB":
            walks[n, half] = sampling.last(sampling.sample(WienerDenoiser(study.training(n, half)), start))
    return MappingProxyType(walks)


def strong_generalization(near: Sequence[Nearness], beyond: Sequence[Ahead]) -> str:
    """Whether networks draw one density's images rather than their training set's, or those of its second moments. ::

        c_AB > c_NN,   c_NN <= c_null + .03,   and beyond Wiener c_AB > c_NN,   for both halves, by whole intervals

    Args:
        near: both networks of one N.
        beyond: the same.

    Returns:
        "holds", "does not hold" when an interval contradicts it, or "is undecided".

    Source: own choice: the paper shows samples beside their nearest training images and gives no number. Without the
        last condition two Wiener denoisers would pass.
    """
    ahead = [row.ahead for row in (*near, *beyond)]
    if all(e.low > 0 for e in ahead) and all(row.excess.high <= TOLERANCE for row in near):
        return "holds"
    if any(e.high < 0 for e in ahead) or any(row.excess.low > TOLERANCE for row in near):
        return "does not hold"
    return "is undecided"


def compare(samples: Samples, walks: Walks, near: Table[Nearness]) -> tuple[Table[Beyond], Table[Ahead]]:
    """Are A's samples B's, beyond what the start and second moments decide?

    Args:
        samples: of both networks.
        walks: Wiener samples from the same noise, as `wiener` gives them.
        near: nearness of the samples to their training sets, as `ghr.measure.samples.compare` gives it.

    Returns:
        Agreement by N, of N above 1; nearness to the training set by N and half.
    """
    rows, halves = [], []
    for n in _sizes(samples):
        w = {half: walks[n, half] for half in "AB"}
        x = {half: samples.images[n, half][: len(w[half])] for half in "AB"}
        rest = {half: x[half] - w[half] for half in "AB"}
        residual = rho(rest["A"], rest["B"])
        both = []
        for half in "AB":
            nearest = nearest_beyond(x[half], samples.study.training(n, half), w[half])
            ahead = estimate(median_difference, residual, nearest)
            both.append(Ahead(n, half, estimate(np.median, nearest), ahead))
        found = (
            rho(x["A"], x["B"]),
            (rho(x["A"], w["A"]) + rho(x["B"], w["B"])) / 2,
            rho(w["A"], w["B"]),
            residual,
            rho(rest["A"], x["B"].roll(1, 0) - w["B"]),
            partial_rho(x["A"], x["B"], (w["A"] + w["B"]) / 2),
        )
        strong = strong_generalization(near.where(n=n).rows, both)
        rows.append(Beyond(n, len(residual), *(estimate(np.median, values) for values in found), strong))
        halves += both
    return Table(tuple(rows), Beyond), Table(tuple(halves), Ahead)


@dataclass(frozen=True)
class Common:
    """What two networks of one N have in common, where nobody knows what they were trained on."""

    images: str  #: image set
    network: str  #: kind, key of `ghr.recipes.NETWORKS`
    n: int  #: training images of each
    seeds: int  #: sampling seeds
    error: Estimate  #: PSNR of both networks on held-out images at the noise level LEVEL, dB
    apart: Estimate | None  #: their disagreement there as a PSNR, dB; higher is closer, None for one function
    same_noise: Estimate  #: c_AB, median rho of A's and B's samples
    floor: Estimate  #: median rho of a sample and the Wiener sample of held-out images, mean of both
    residual: Estimate  #: beyond Wiener: median rho(A - W, B - W)
    null: Estimate  #: the same with a sample of B from other noise in place of B's


def common(study: Study, seeds: Sequence[int], seed: int = 0) -> Table[Common]:
    """Are two networks one function, and do they draw one image, as far as held-out images alone can tell?

    Args:
        study: networks and held-out images; every N that has both halves counts.
        seeds: of the samples, at least two.
        seed: of the noise.

    Returns:
        One row for each such N.

    Raises:
        FloatingPointError: when a walk diverges.
    """
    rows, start = [], sampling.gaussian_start(study.held_out, seeds)
    w = sampling.last(sampling.sample(WienerDenoiser(study.held_out), start))
    for n in study.sizes:
        if any((n, half) not in study.denoisers for half in "AB"):
            continue
        f, g = (study.denoisers[n, half] for half in "AB")
        apart, errors = model_variance([f, g], study.held_out, LEVEL, seed)
        a, b = (sampling.last(sampling.sample(one, start)) for one in (f, g))
        found = (rho(a, b), (rho(a, w) + rho(b, w)) / 2, rho(a - w, b - w), rho(a - w, b.roll(1, 0) - w))
        distance = estimate(psnr_of_mean, apart[0, 1]) if apart.any() else None
        medians = (estimate(np.median, values) for values in found)
        error = estimate(psnr_of_mean, errors.mean(0))
        rows.append(Common(study.name, study.network, n, len(seeds), error, distance, *medians))
    return Table(tuple(rows), Common)


def exchange(samples: Samples, others: Samples, walks: Walks) -> tuple[Table[Pair], Table[Exchange]]:
    """Images or architecture? Samples from the same noise of two architectures, both halves of each.

    Args:
        samples: of one architecture.
        others: of the other one, trained on the same images and started from the same noise.
        walks: Wiener samples from this noise, as `wiener` gives them.

    Returns:
        Similarity by N, which both have, and pair of networks; what exchanging the images of the other architecture
        changes, by N and network.
    """
    pairs, exchanges = [], []
    names = samples.study.network, others.study.network
    for n in sorted(_sizes(samples).keys() & _sizes(others).keys()):
        count = min(len(samples.seeds[n]), len(others.seeds[n]), len(walks[n, "A"]))
        x = {
            (name, half): each.images[n, half][:count]
            for name, each in zip(names, (samples, others), strict=True)
            for half in "AB"
        }
        origin = (walks[n, "A"] + walks[n, "B"])[:count] / 2  # one for all, so that nothing but a network is exchanged
        rest = {key: images - origin for key, images in x.items()}

        def alike(one: tuple[str, str], other: tuple[str, str], x=x, rest=rest) -> list[Tensor]:
            return [rho(x[one], x[other]), rho(rest[one], rest[other])]

        keys = list(x)
        for place, one in enumerate(keys):
            for other in keys[place + 1 :]:
                same = tuple(a == b for a, b in zip(one, other, strict=True))
                changed = {(True, False): "images", (False, True): "architecture", (False, False): "both"}[same]
                found = (estimate(np.median, values) for values in alike(one, other))
                pairs.append(Pair(n, " ".join(one), " ".join(other), changed, *found))
        for half, exchanged in ("AB", "BA"):
            one = names[0], half
            mates = zip(alike(one, (names[1], half)), alike(one, (names[1], exchanged)), strict=True)
            costs = (estimate(median_difference, own, other) for own, other in mates)
            exchanges.append(Exchange(n, " ".join(one), names[1], *costs))
    return Table(tuple(pairs), Pair), Table(tuple(exchanges), Exchange)


def _sizes(samples: Samples) -> dict[int, Sequence[int]]:
    """Sampling seeds by N, of N above 1."""
    return {n: seeds for n, seeds in samples.seeds.items() if n > 1}
