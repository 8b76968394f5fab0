"""Is a basis harmonic, and adapted to its image? Bases enter, the four indices leave, beside bases that cannot know it.

The indices H1 to H4 are those of `ghr.harmonic`. What counts is a basis' margin over the best of its controls, over the
same images: another image's basis has the network's habits without the image, principal components those of the
image set.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from ghr import harmonic, recipes, runs
from ghr.experiments import Study
from ghr.measure.bases import Filter, Filters, filters, kept, values, vectors
from ghr.stats import Estimate, estimate, margin, psnr_of_mean, student
from ghr.tables import Table

LESS_IS_BETTER = ("H3",)
JUDGES = ("a third image's", "principal")  #: the controls against which a verdict counts


def controls(
    own: Sequence[Float[Tensor, "k 1 h w"]],
    training: Float[Tensor, "n 1 h w"],
) -> dict[str, Sequence[Float[Tensor, "_ 1 h w"]]]:
    """A basis for each image, and the bases that it is held against.

    Args:
        own: the denoiser's basis at each image, at least three.
        training: images whose principal components are a control.

    Returns:
        Vectors for each image by name, "its own", "a third image's" (the second image is the other one of H2 and H4),
        "principal", "cosines" and "random".
    """
    many, most, (h, w) = len(own), len(own[0]), training.shape[-2:]
    return {
        "its own": own,
        "a third image's": [*own[2:], *own[:2]],
        "principal": [harmonic.principal(training, min(most, len(training) - 1))] * many,
        "cosines": [harmonic.dct(h, w)] * many,
        "random": [harmonic.random(most, h, w, seed=i) for i in range(many)],
    }


def indices(
    bases: Mapping[str, Sequence[Float[Tensor, "_ 1 h w"]]],
    counts: Sequence[int] | Int[np.ndarray, " n"],
    x: Float[Tensor, "n 1 h w"],
) -> dict[str, dict[str, Float[np.ndarray, " n"]]]:
    """The four indices of some bases, by equally many vectors of each.

    Args:
        bases: by name, vectors for each image.
        counts: how many vectors of an image's basis count; fewer where a basis has fewer.
        x: clean images, at least two; the other image of H2 and H4 is the next one.

    Returns:
        By basis and index, one value for each image.
    """
    counts = np.minimum(counts, min(len(basis) for each in bases.values() for basis in each))
    return {name: harmonic.indices(each, counts, x) for name, each in bases.items()}


def margins(
    found: Mapping[str, Mapping[str, np.ndarray]],
    own: str = "its own",
    against: Sequence[str] | None = None,
    interval: Callable[..., Estimate] = estimate,
) -> dict[str, Estimate]:
    """By how much one basis is ahead of the best of others, index by index.

    Args:
        found: by basis and index, one value for each image, e.g. of `indices`.
        own: the basis that is judged.
        against: its controls (default: all others).
        interval: `ghr.stats.estimate`, or `student` where images are few.

    Returns:
        By index, own less the best control in the mean. Above 0 is ahead, but of H3, where less is better, below 0.
    """
    names = [name for name in found if name != own] if against is None else against
    rows = {}
    for index in found[own]:
        sign = -1 if index in LESS_IS_BETTER else 1
        ahead = interval(margin, *(sign * found[name][index] for name in (own, *names)))
        rows[index] = Estimate(sign * ahead.value, *sorted((sign * ahead.low, sign * ahead.high)))
    return rows


# A study ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Indices:
    """The four indices of one kind of basis, mean over images."""

    images: str  #: image set
    network: str  #: key of ghr.recipes.NETWORKS
    n: int  #: training images
    half: str  #: of the training images
    sigma: float  #: noise standard deviation, image units
    basis: str  #: whose; "its own" is the network's at each image, the others are controls
    h1: Estimate  #: rank correlation of rank and frequency
    h2: Estimate  #: geometry gain, less that with another image
    h3: Estimate  #: energy along over across contours, over that of cosines; less is better
    h4: Estimate  #: alignment with the smoothest functions on the image, less that with another image


@dataclass(frozen=True)
class Margin:
    """By how much the network's own basis is ahead of the better of a third image's and of principal components."""

    images: str  #: image set
    network: str  #: key of ghr.recipes.NETWORKS
    n: int  #: training images
    half: str  #: of the training images
    sigma: float  #: noise standard deviation, image units
    h2: Estimate  #: above 0 is ahead
    h3: Estimate  #: below 0 is ahead
    h4: Estimate  #: above 0 is ahead


def harmonicity(*found: Filters) -> tuple[Table[Indices], Table[Margin]]:
    """Are the bases of the largest N harmonic and adapted, beside all controls?

    Args:
        *found: filters of each study, at three images or more.

    Returns:
        Indices of each half at each noise level, one row for each basis, and one row of margins.
    """
    rows, ahead = [], []
    for one, half in itertools.product(found, "AB"):
        study, n = one.study, one.study.largest
        training = study.training(n, half)
        for sigma in one.sigmas:
            some = one.largest(half, sigma)
            counts = kept(some)
            own = [basis[: counts.max()] for basis in vectors(some)]
            measured = indices(controls(own, training), counts, one.x[: len(some)])
            where = (study.name, study.network, n, half, sigma)
            rows += [Indices(*where, basis, **_means(by_index)) for basis, by_index in measured.items()]
            by_index = margins(measured, against=JUDGES, interval=student)
            ahead.append(Margin(*where, **{name.lower(): by_index[name] for name in ("H2", "H3", "H4")}))
    return Table(tuple(rows)), Table(tuple(ahead))


def growth(*found: Filters) -> Table[Indices]:
    """The indices against N, by as many vectors as the network of the largest N keeps.

    Args:
        *found: filters of each study.

    Returns:
        One row for each half and N that was differentiated, at the lowest noise level.
    """
    rows = []
    for one, half in itertools.product(found, "AB"):
        study, sigma, counts = one.study, one.sigmas[0], kept(one.largest(half))
        for n in study.sizes:
            if some := one.at.get((n, half, sigma)):
                measured = harmonic.indices(vectors(some), counts[: len(some)], one.x[: len(some)])
                rows.append(Indices(study.name, study.network, n, half, sigma, "its own", **_means(measured)))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Seen:
    """A network of half A at its own training images or at test images, mean over images.

    H2 and H4 are of as many vectors as the network of the largest N keeps at these images.
    """

    images: str  #: image set
    n: int  #: training images
    at: str  #: which images it was differentiated at, "training" or "test"
    tested: int  #: so many
    sigma: float  #: noise standard deviation, image units
    psnr: Estimate  #: of the denoised images, dB
    trace: Estimate  #: tr J
    h2: Estimate  #: share of energy across the image's contours, less that across another image's
    h4: Estimate  #: share in the smoothest functions on the image, less that in another image's


def seen(found: Filters) -> Table[Seen]:
    """Does the basis of a training image look different from that of a test image?

    Args:
        found: filters of a study, some of them at training images.

    Returns:
        Two rows for each N of which there are such, at equally many images and the lowest noise level.
    """
    study, sigma, top = found.study, found.sigmas[0], found.study.largest
    rows = []
    for n, at_training in found.seen.items():
        many = len(at_training)
        there = {
            "training": (at_training, kept(found.seen[top]), found.training(n)),
            "test": (found.at[n, "A", sigma][:many], kept(found.largest())[:many], found.x[:many]),
        }
        for at, (some, counts, x) in there.items():
            means = _means(harmonic.indices(vectors(some), counts, x))
            psnr, trace = student(psnr_of_mean, values(some, "error")), student(np.mean, values(some, "trace"))
            rows.append(Seen(study.name, n, at, many, sigma, psnr, trace, means["h2"], means["h4"]))
    return Table(tuple(rows))


def _means(by_index: Mapping[str, np.ndarray]) -> dict[str, Estimate]:
    return {index.lower(): student(np.mean, per_image) for index, per_image in by_index.items()}


# Kinds of networks --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """One network as a denoiser and as a basis, mean over images."""

    network: str  #: key of ghr.recipes.NETWORKS
    n: int  #: training images; 0 of an untrained network
    half: str  #: of the training images
    parameters: int  #: numbers in the network
    images_seen: int  #: in training; 0 of an untrained network
    ahead: float | None  #: training over test images at the end of the training log, dB; None of an untrained network
    psnr: Estimate  #: of the denoised images, dB
    hom: Estimate  #: ||f(y) - J y|| / ||f(y)||
    asym: Estimate  #: ||J - J'||_F / ||J||_F
    trace: Estimate  #: tr J
    h1: Estimate  #: rank correlation of rank and frequency
    h2: Estimate  #: share of energy across the image's contours, less that across another image's
    h3: Estimate  #: variation along over across contours, over that of cosines; less is better
    h4: Estimate  #: share in the smoothest functions on the image, less that in another image's


def kinds(found: Sequence[Filters], others: Study) -> Table[Kind]:
    """Does an adapted basis come with the architecture or with training?

    All are measured at the same few images, by as many vectors as the first study's largest network keeps.

    Args:
        found: filters of studies of one image set; every N of half A counts, of the largest N half B as well, and the
            untrained network.
        others: more networks of these images, blind or told.

    Returns:
        One row for each network, at the lowest noise level.
    """
    first = found[0]
    many, sigma = len(first.untrained), first.sigmas[0]
    x, y, counts = first.x[:many], first.y(sigma)[:many], kept(first.largest())[:many]
    rows = []
    for one in found:
        for (n, half, level), some in one.at.items():
            if level == sigma:
                run, denoiser = one.study.runs[n, half], one.study.denoisers[n, half]
                rows.append(_kind(run, denoiser, some[:many], counts, x, sigma))
        run, denoiser = (each[one.study.largest, "A"] for each in (one.study.runs, one.study.denoisers))
        rows.append(_kind(run, denoiser, one.untrained, counts, x, sigma, trained=False))
    for key, run in others.runs.items():
        denoiser = others.denoisers[key]
        rows.append(_kind(run, denoiser, filters(denoiser, x, y, sigma), counts, x, sigma))
    return Table(tuple(rows))


def _kind(
    run: recipes.Run,
    denoiser: Callable,
    some: Sequence[Filter],
    counts: np.ndarray,
    x: Tensor,
    sigma: float,
    trained: bool = True,
) -> Kind:
    ahead = None
    if trained:
        log, level = runs.log(run), runs.LOG_SIGMAS.index(sigma)
        ahead = log["train"][-1][level] - log["test"][-1][level]
    return Kind(
        run.network,
        run.n if trained else 0,
        run.half,
        parameters=sum(p.numel() for p in denoiser.parameters()),
        images_seen=run.images_seen if trained else 0,
        ahead=ahead,
        psnr=student(psnr_of_mean, values(some, "error")),
        **{field: student(np.mean, values(some, field)) for field in ("hom", "asym", "trace")},
        **_means(harmonic.indices(vectors(some), counts, x)),
    )
