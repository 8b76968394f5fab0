"""What does a network owe to the order of pixels? Networks of shuffled faces enter, beside the network of faces.

All meet the same faces with the same noise, moved along with the pixels; what they lose, and the bases that they find,
leave. A block of side 1 is no shuffle. Errors are arrays whose first axis runs over noise levels and whose last one
runs over faces; they are keyed by the side of the blocks.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import harmonic, runs
from ghr.denoiser import denoise
from ghr.experiments import Study
from ghr.images.synthetic import shuffle
from ghr.measure import bases
from ghr.measure.balance import self_consistency
from ghr.measure.errors import errors
from ghr.noise import SIGMAS, add_noise
from ghr.references import EmpiricalDenoiser, WienerDenoiser
from ghr.stats import Estimate, estimate, psnr_gap, psnr_of_mean
from ghr.tables import Table

NAMED = (0.1, 0.3, 0.5)  #: noise levels of text and tables
LEVELS = np.sort(np.append(SIGMAS, NAMED))
JUDGED = (0.1, 0.5)  #: noise levels between which losses have their targets
BASES_AT = 0.3  #: noise level of the bases, the paper's for shuffled faces
GROUPS = (1, 4, 8, 16, 32, 64, 128)  #: where groups of ranks begin
PAPER = {5: 1.182, 17: 1.07, 29: 0.974, 41: 0.91, 53: 0.87}  #: its eigenvalues by rank, whole shuffle, 80 by 80 pixels

Errors = Mapping[int, np.ndarray]  #: by side of the blocks: noise levels by faces


def side(study: Study) -> int:
    """The side of the blocks inside which an image set is shuffled.

    Args:
        study: of faces, shuffled or not, e.g. "avatars", "avatars-shuffled-4" or "avatars-shuffled".

    Returns:
        Pixels; 1 for faces as they are, the side of the image for a whole shuffle.
    """
    if "-shuffled" not in study.name:
        return 1
    words = study.name.partition("-shuffled")[2]
    return int(words.removeprefix("-")) if words else study.held_out.shape[-1]


def on_faces(denoiser, block: int) -> Callable:
    """A denoiser of shuffled images as one of faces: it shuffles, denoises and puts the pixels back.

    Args:
        denoiser: of shuffled images, called f(y, sigma).
        block: side of the blocks, pixels.

    Returns:
        Denoiser of faces, called f(y, sigma).
    """

    def f(y: Float[Tensor, "b c h w"], sigma: float | None = None) -> Float[Tensor, "b c h w"]:
        return shuffle(denoise(denoiser, shuffle(y, block), sigma), block, inverse=True)

    return f


def errors_on_faces(
    denoiser, x: Float[Tensor, "n c h w"], block: int, sigmas: Float[np.ndarray, " k"] = LEVELS, seed: int = 1
) -> Float[np.ndarray, "k n"]:
    """Squared error that a denoiser of shuffled images leaves on faces.

    Args:
        denoiser: of shuffled images, called f(y, sigma).
        x: clean faces, as they are.
        block: side of the blocks, pixels.
        sigmas: noise standard deviations, image units.
        seed: of the noise, not 0; noise is the same at the same pixel of the face for every denoiser.

    Returns:
        Squared image units, noise levels by faces.

    Raises:
        ValueError: for seed 0.
    """
    require_other_numbers(seed)
    return errors(on_faces(denoiser, block), x, sigmas, seed)


def require_other_numbers(seed: int) -> None:
    """Noise that begins with the random numbers that made the permutation would be sorted by it.

    Args:
        seed: of the noise.

    Raises:
        ValueError: for 0, the permutation's.
    """
    if seed == 0:
        raise ValueError(
            "Random numbers of seed 0 made the permutation, which would sort this noise: take another seed."
        )


def of_studies(studies: Sequence[Study], x: Float[Tensor, "n c h w"], seed: int = 1) -> tuple[Errors, Errors]:
    """Errors of networks, and of Wiener denoisers that are fitted to the same training images.

    Args:
        studies: of one shuffle each, or of faces as they are.
        x: clean faces, as they are.
        seed: of the noise, not 0.

    Returns:
        Errors of the networks of half A at the largest N, and of Wiener, by side of the blocks.
    """
    networks, wiener = {}, {}
    for study in studies:
        n, block = study.largest, side(study)
        networks[block] = errors_on_faces(study.denoisers[n, "A"], x, block, seed=seed)
        wiener[block] = errors_on_faces(WienerDenoiser(study.training(n)), x, block, seed=seed)
    return networks, wiener


# Losses -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Control:
    """Does a denoiser that treats pixels as a list lose anything by a shuffle?"""

    denoiser: str  #: "Wiener" or "memory", the optimum of the training images alone
    change: float  #: largest relative change of an error, over shuffles, noise levels and faces
    rounding: float  #: what float32 would explain, beside the smallest errors
    tested: int  #: faces


def controls(wiener: Errors, plain: Study, whole: Study, faces: int = 16, seed: int = 1) -> Table[Control]:
    """Do shuffled sets hold what the faces hold?

    Args:
        wiener: errors of Wiener denoisers, block 1 among them.
        plain: faces as they are.
        whole: faces shuffled as a whole.
        faces: test faces of the memorizing optimum, which is slow; at sigma = BASES_AT alone.
        seed: of the noise, not 0.

    Returns:
        One row for Wiener and one for the memorizing optimum.
    """
    x, rounding = plain.held_out[:faces], float(np.finfo(np.float32).eps / LEVELS.min())
    before, after = (
        errors_on_faces(EmpiricalDenoiser(study.training(study.largest)), x, side(study), np.array([BASES_AT]), seed)
        for study in (plain, whole)
    )
    moved = max(float(np.abs(own / wiener[1] - 1).max()) for block, own in wiener.items() if block > 1)
    return Table(
        (
            Control("Wiener", moved, rounding, wiener[1].shape[1]),
            Control("memory", float(np.abs(after / before - 1).max()), rounding, len(x)),
        )
    )


@dataclass(frozen=True)
class Loss:
    """A network of shuffled faces beside the network of faces, at one noise level."""

    block: int  #: side of the blocks, pixels; 1 for the network of faces itself
    half: str  #: of the training images; B for faces as they are, what chance does
    sigma: float  #: noise standard deviation, image units
    input_psnr: float  #: dB
    lost: Estimate  #: PSNR of the network of faces, half A, less that of this network, dB
    over_wiener: Estimate  #: PSNR of this network less that of Wiener, dB


def losses(networks: Errors, wiener: Errors, half_b: np.ndarray) -> Table[Loss]:
    """How much is lost by shuffling, and is it still better than linear?

    Args:
        networks: of half A, block 1 among them, at LEVELS.
        wiener: of Wiener denoisers.
        half_b: errors of half B's network of faces as they are.

    Returns:
        One row for each shuffle and noise level; then those of half B.
    """
    rows = []
    for block, half, own in [*((block, "A", own) for block, own in networks.items()), (1, "B", half_b)]:
        for k, sigma in enumerate(LEVELS):
            lost, over = estimate(psnr_gap, networks[1][k], own[k]), estimate(psnr_gap, own[k], wiener[block][k])
            rows.append(Loss(block, half, float(sigma), float(-20 * np.log10(sigma)), lost, over))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Deficit:
    """What shuffling costs over the noise levels of JUDGED."""

    images: str  #: "avatars-shuffled" for the whole image
    network: str  #: key of ghr.recipes.NETWORKS
    least_loss: Estimate  #: smallest loss of a whole shuffle over noise levels, dB
    least_rise: Estimate  #: smallest rise of the loss from one block size to the next larger, over noise levels, dB
    chance: Estimate  #: PSNR of half A less that of half B on faces as they are, where they differ most, dB
    better: int  #: noise levels at which the whole shuffle's network is better than Wiener
    worse: int  #: and worse
    levels: int  #: noise levels in all


def deficit(
    networks: Errors, found: Table[Loss], images: str = "avatars-shuffled", network: str = "UNet"
) -> Table[Deficit]:
    """Does a shuffle cost something at every noise level, and a larger one more?

    Args:
        networks: errors by side of the blocks, 1 among them, at LEVELS.
        found: of `losses`.
        images: name of the whole shuffle's image set.
        network: kind of network.

    Returns:
        One row.
    """
    blocks, inside = sorted(networks), judged(LEVELS)
    whole = found.where(block=blocks[-1], half="A")
    over = [row.over_wiener for row in whole if judged(row.sigma)]
    apart = [row.lost for row in found.where(half="B") if judged(row.sigma)]
    row = Deficit(
        images,
        network,
        least_loss=estimate(least_loss, networks[1][inside], networks[blocks[-1]][inside]),
        least_rise=estimate(least_rise, *(networks[block][inside] for block in blocks[1:])),
        chance=max(apart, key=lambda e: abs(e.value)),
        better=sum(e.low > 0 for e in over),
        worse=sum(e.high < 0 for e in over),
        levels=len(over),
    )
    return Table((row,))


def judged(sigma: float | np.ndarray) -> bool | np.ndarray:
    """Whether a noise level has targets.

    Args:
        sigma: noise standard deviation, image units.

    Returns:
        True from .1 to .5.
    """
    return (sigma >= JUDGED[0]) & (sigma <= JUDGED[1])


def least_loss(plain: np.ndarray, shuffled: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """The smallest loss over noise levels.

    Args:
        plain: squared errors on faces as they are, noise levels along the first axis.
        shuffled: the same of shuffled faces.
        axis: that of the images.

    Returns:
        dB.
    """
    return psnr_gap(plain, shuffled, axis).min(0)


def least_rise(*by_block: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """The smallest rise of the loss from one block size to the next, over sizes and noise levels.

    Args:
        by_block: squared errors from the smallest blocks to the largest, noise levels along the first axis.
        axis: that of the images.

    Returns:
        dB.
    """
    return -np.diff([psnr_of_mean(own, axis) for own in by_block], axis=0).max((0, 1))


@dataclass(frozen=True)
class Averages:
    """What a shuffle inside blocks leaves in order."""

    block: int  #: side of the blocks, pixels
    held: float  #: share of the faces' variance about their mean that block averages hold


def averages(x: Float[Tensor, "n c h w"], blocks: Sequence[int]) -> Table[Averages]:
    """How much of the faces' variance is in averages over blocks, which a shuffle inside blocks leaves as they are?

    Args:
        x: clean faces.
        blocks: sides, pixels.

    Returns:
        One row for each side.
    """
    return Table(tuple(Averages(block, held_by_averages(x, block)) for block in blocks))


def held_by_averages(x: Float[Tensor, "n c h w"], block: int) -> float:
    """Share of the variance of images about their mean that averages over blocks hold. ::

        sum ||A (x_i - m)||^2 / sum ||x_i - m||^2,   A: average over each block

    Args:
        x: images.
        block: side, pixels.

    Returns:
        1 for blocks of one pixel.
    """
    centred = x - x.mean(0)
    averages = torch.nn.functional.avg_pool2d(centred, block)
    return (averages.square().sum() * block**2 / centred.square().sum()).item()


@dataclass(frozen=True)
class Trail:
    """A line of the training logs of all shuffles."""

    block: int  #: side of the blocks, pixels
    images_seen: int  #: so far
    train: float  #: PSNR on training images, dB
    test: float  #: PSNR on test images, dB
    lost: float  #: PSNR of the network of faces on test images at the same time, less this one, dB


def trails(studies: Sequence[Study], sigma: float = 0.1) -> Table[Trail]:
    """How the loss went while the networks were trained, by their logs.

    Args:
        studies: of one shuffle each; the first of faces as they are. All have seen the same numbers of images.
        sigma: noise level of the log, one of `runs.LOG_SIGMAS`.

    Returns:
        One row for each shuffle and line of the log.
    """
    column, rows = runs.LOG_SIGMAS.index(sigma), []
    logs = [runs.log(study.runs[study.largest, "A"]) for study in studies]
    for study, log in zip(studies, logs, strict=True):
        for seen, train, test, plain in zip(
            log["images_seen"], log["train"], log["test"], logs[0]["test"], strict=True
        ):
            lost = plain[column] - test[column]
            rows.append(Trail(side(study), seen, train[column], test[column], lost))
    return Table(tuple(rows))


# Bases ------------------------------------------------------------------------------------------------------------


def filters(
    studies: Sequence[Study], x: Float[Tensor, "n c h w"], sigma: float = BASES_AT, seed: int = 1
) -> dict[int, tuple[bases.Filter, ...]]:
    """Networks as matrices at the same noisy faces, as each sees them.

    Args:
        studies: of one shuffle each.
        x: clean faces, as they are.
        sigma: noise standard deviation, image units.
        seed: of the noise, not 0.

    Returns:
        Filters by side of the blocks, one for each face.
    """
    y = _noisy(x, sigma, seed)
    return {
        block: bases.filters(study.denoisers[study.largest, "A"], shuffle(x, block), shuffle(y, block), sigma)
        for study in studies
        for block in (side(study),)
    }


def untrained(
    study: Study, x: Float[Tensor, "n c h w"], sigma: float = BASES_AT, seed: int = 1
) -> tuple[bases.Filter, ...]:
    """The same of the network before its first step, whose normalization alone has seen images, noisy ones.

    Args:
        study: of one shuffle.
        x: clean faces, as they are.
        sigma: noise standard deviation, image units.
        seed: of the noise, not 0.

    Returns:
        One filter for each face.
    """
    n, block = study.largest, side(study)
    network = runs.untrained(study.runs[n, "A"], study.training(n), seed)
    return bases.filters(network, shuffle(x, block), shuffle(_noisy(x, sigma, seed), block), sigma)


def _noisy(x: Tensor, sigma: float, seed: int) -> Tensor:
    require_other_numbers(seed)
    return add_noise(x, sigma, torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Kept:
    """The basis of one shuffle's network, with its pixels put back, beside that of the network of faces."""

    block: int  #: side of the blocks, pixels
    trace: Estimate  #: tr J, dimensions
    consistency: Estimate  #: SC = d MSE / (sigma^2 E tr J), 1 at the optimum
    asym: Estimate  #: ||J - J'||_F / ||J||_F
    as_faces: Estimate  #: alignment with the basis of the network of faces at the same face
    as_principal: Estimate  #: with the principal components of faces
    as_next: Estimate  #: with its own basis at the next face
    chance: float  #: mean K / d


def kept(
    found: Mapping[int, Sequence[bases.Filter]], principal: Float[Tensor, "k c h w"], sigma: float = BASES_AT
) -> Table[Kept]:
    """How many dimensions are kept, and which?

    K, the vectors compared, is tr J of the network of faces at each face: that of the optimum does not change when
    pixels are shuffled.

    Args:
        found: of `filters`, block 1 among them.
        principal: principal components of faces.
        sigma: noise standard deviation at which the networks were differentiated.

    Returns:
        One row for each shuffle.
    """
    counts, faces, d = bases.kept(found[1]), bases.vectors(found[1]), principal[0].numel()
    rows = []
    for block, some in found.items():
        back = put_back(bases.vectors(some), block)
        rivals = (faces, [principal.to(back[0])] * len(back), [*back[1:], back[0]])
        alignments = (estimate(np.mean, bases.alignments(back, rival, counts)) for rival in rivals)
        consistency = partial(self_consistency, sigma=sigma, d=d)
        pair = bases.values(some, "error"), bases.values(some, "trace")

        trace, asym = estimate(np.mean, pair[1]), estimate(np.mean, bases.values(some, "asym"))
        rows.append(Kept(block, trace, estimate(consistency, *pair), asym, *alignments, chance=counts.mean() / d))
    return Table(tuple(rows))


def put_back(vectors: Sequence[Float[Tensor, "k c h w"]], block: int) -> list[Float[Tensor, "k c h w"]]:
    """Bases on the shuffled grid with their pixels where they were.

    Args:
        vectors: of each face.
        block: side of the blocks, pixels.

    Returns:
        Bases on the grid of faces.
    """
    return [shuffle(some, block, inverse=True) for some in vectors]


@dataclass(frozen=True)
class Eigenvalue:
    """One eigenvalue, mean over faces."""

    block: int  #: side of the blocks, pixels
    rank: int  #: from 1
    value: Estimate  #: shrinkage factor


def spectra(found: Mapping[int, Sequence[bases.Filter]], ranks: Sequence[int]) -> Table[Eigenvalue]:
    """Eigenvalues by rank; for the optimum they do not change when pixels are shuffled.

    Args:
        found: of `filters`.
        ranks: from 1.

    Returns:
        One row for each shuffle and rank.
    """
    rows = []
    for block, some in found.items():
        values = np.array([one.eigenvalues.numpy() for one in some])
        rows += [Eigenvalue(block, int(k), estimate(np.mean, values[:, k - 1])) for k in ranks]
    return Table(tuple(rows))


@dataclass(frozen=True)
class Frequency:
    """How fine the eigenvectors of a group of ranks are, on one grid."""

    block: int  #: side of the blocks of the images, pixels
    basis: str  #: whose
    grid: str  #: "shuffled", or that of "faces"
    first: int  #: rank, from 1
    last: int  #: rank
    frequency: Estimate  #: mean of e' L e over the group's vectors e of unit norm; over faces
    random: float  #: of random vectors: tr L / d


def frequencies(
    found: Mapping[int, Sequence[bases.Filter]], before: Sequence[bases.Filter], ranks: Sequence[int] = GROUPS
) -> Table[Frequency]:
    """Smooth on which grid, and up to which rank? Squared frequency of eigenvectors, in groups of ranks. ::

        e' L e = sum of (e_i - e_j)^2 over neighbouring pixels i, j

    Args:
        found: of `filters`, block 1 among them.
        before: of `untrained`, of the largest blocks.
        ranks: where groups begin, from 1, and where the last one ends.

    Returns:
        One row for each group that has as many vectors, of the networks of faces and of the largest blocks, of the
        latter with its pixels put back, and of an untrained network.
    """
    block = max(found)
    own = bases.vectors(found[block])
    judged = {
        (1, "faces' network", "faces"): bases.vectors(found[1]),
        (block, "its network", "shuffled"): own,
        (block, "its network, pixels put back", "faces"): put_back(own, block),
        (block, "an untrained network", "shuffled"): bases.vectors(before),
    }
    h, w = own[0].shape[-2:]
    random, rows = 2 * (h * (w - 1) + w * (h - 1)) / (h * w), []
    for key, some in judged.items():
        finest = torch.stack([harmonic.energy(vectors) for vectors in some]).numpy()
        for first, after in itertools.pairwise(ranks):
            if after - 1 <= finest.shape[1]:
                mean = estimate(np.mean, finest[:, first - 1 : after - 1].mean(1))
                rows.append(Frequency(*key, first, after - 1, mean, random))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Harmonicity:
    """A basis on one grid; means over faces."""

    block: int  #: side of the blocks of the images, pixels
    basis: str  #: whose
    grid: str  #: "shuffled", or that of "faces"
    h1: Estimate  #: frequency grows
    h2: Estimate  #: share of energy across this image's contours, less that across another's
    h3: Estimate  #: variation along over across contours
    h4: Estimate  #: share in the smoothest functions on this image, less that in another's
    h1_more: Estimate  #: H1 of the network's own basis on the shuffled grid less this one's; 0 for faces as they are


def harmonicity(
    found: Mapping[int, Sequence[bases.Filter]],
    x: Float[Tensor, "n 1 h w"],
    principal: Float[Tensor, "k 1 h w"],
    before: Sequence[bases.Filter],
) -> Table[Harmonicity]:
    """Harmonic on which grid, the one that the network sees, or that of faces?

    Args:
        found: of `filters`, block 1 among them.
        x: clean faces, as they are.
        principal: principal components of faces.
        before: of `untrained`, of the largest blocks.

    Returns:
        For faces the network and principal components; for each shuffle its network, the network of faces and principal
        components moved along, of the largest blocks an untrained network, and its network with pixels put back.
    """
    counts, faces, many = bases.kept(found[1]), bases.vectors(found[1]), len(x)
    judged = {
        (1, "faces' network", "faces"): (faces, x),
        (1, "principal components", "faces"): ([principal] * many, x),
    }
    for block, some in found.items():
        if block == 1:
            continue
        own, image = bases.vectors(some), shuffle(x, block)
        on_grid = {
            "its network": own,
            "faces' network, moved along": [shuffle(vectors, block) for vectors in faces],
            "principal components, moved along": [shuffle(principal, block)] * many,
        }
        if block == max(found):
            on_grid["an untrained network"] = bases.vectors(before)
        judged |= {(block, name, "shuffled"): (vectors, image) for name, vectors in on_grid.items()}
        judged[block, "its network, pixels put back", "faces"] = (put_back(own, block), x)
    indices = {key: harmonic.indices(vectors, counts, images) for key, (vectors, images) in judged.items()}
    rows = []
    for (block, basis, grid), values in indices.items():
        own = indices[(block, "its network", "shuffled") if block > 1 else (1, "faces' network", "faces")]
        means = (estimate(np.mean, values[index]) for index in harmonic.INDICES)
        rows.append(Harmonicity(block, basis, grid, *means, h1_more=estimate(np.mean, own["H1"] - values["H1"])))
    return Table(tuple(rows))
