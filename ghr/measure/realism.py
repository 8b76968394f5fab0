"""Can samples be told from real images? Samples and held-out images enter, a classifier's area and a distance leave.

Pixels are a poor measure of likeness, and no feature network for these images can be had. So images are described by
what an *independent* denoiser makes of them: a UNet that was trained on images of another kind and was never looked at
while samples were made. Its channels' means and standard deviations over pixels, at each scale, are the features; those
that are 0 at most images are left out.

Held-out images are divided in two. The first part is what all sets are compared with. The second is the null, two real
sets; and, blurred, the check that the measure sees what is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ghr.measure.samples import Samples
from ghr.stats import Estimate, estimate
from ghr.tables import Table

FOLDS = 10  #: parts of the cross-validation
SHRINKAGE = 0.01  #: share of the mean variance that is added to each variance of the classifier
DRAWS, LARGEST_SET = 50, 512  #: random sets whose distance is measured, and images in each
ALIVE = 0.5  #: share of images at which a feature must not be 0 to count
BINOMIAL = (0.25, 0.5, 0.25)  #: the blur of the check, down and across


@dataclass(frozen=True)
class Realism:
    """A set of images beside held-out ones."""

    kind: str  #: "samples", "held out" (the null) or "held out, blurred" (the check)
    n: int | None  #: training images of the network that drew them
    width: int | None  #: of that network
    count: int  #: images in the set, of both halves' networks together
    auc: Estimate  #: area under the curve of a classifier that did not see the image: .5 not told apart, 1 always
    distance: Estimate  #: Fréchet distance to held-out images over that of two held-out sets, both squared
    size: int  #: images in each set of the distance: the fewer, the harder to tell sets apart


def realism(judge: nn.Module, *several: Samples) -> Table[Realism]:
    """Samples of the largest N against held-out images, beside a null and a check.

    Args:
        judge: UNet that was trained on other images; those that it sees here have no noise.
        several: samples of one image set, e.g. of networks of two widths; what is of the same network counts once.

    Returns:
        A row for each samples, one for held-out images and one for blurred ones. Intervals of areas are over images
        (regions of photographs are drawn together), those of distances hold what random sets vary by.
    """
    study = several[0].study
    middle = len(study.held_out) // 2
    regions = np.arange(len(study.held_out)) if study.regions is None else np.asarray(study.regions.held_out)
    real, others = features(judge, study.held_out[:middle]), study.held_out[middle:]
    drawn = {each.study.runs[each.study.largest, "A"]: each for each in several}
    # as many of all: a larger set teaches the classifier more, and has a smaller distance to be above
    count = min(len(each.images[each.study.largest, "A"]) for each in drawn.values())
    size, rows = min(LARGEST_SET, count, len(real) // 2, len(others)), []
    for run, samples in drawn.items():
        pair = [features(judge, samples.images[run.n, half][:count]) for half in "AB"]
        rows.append(_row(("samples", run.n, run.width), pair, np.arange(count), real, regions[:middle], size))
    for name, x in (("held out", others), ("held out, blurred", blurred(others))):
        sets = [features(judge, x)]
        rows.append(_row((name, None, None), sets, regions[middle:], real, regions[:middle], size))
    return Table(tuple(rows))


def features(judge: nn.Module, x: Float[Tensor, "n c h w"], batch: int = 256) -> Float[np.ndarray, "n k"]:
    """What a UNet makes of images: means and standard deviations of its encoder's channels, at each scale.

    Args:
        judge: UNet.
        x: images.
        batch: images at a time.

    Returns:
        Two numbers for each channel.
    """
    found: list[list[Tensor]] = []

    def note(module, images, channels):
        found[-1] += [channels.mean((2, 3)), channels.std((2, 3), correction=0)]

    hooks = [block.register_forward_hook(note) for block in (*judge.encoder, judge.middle)]
    try:
        with torch.no_grad():
            for part in x.split(batch):
                found.append([])
                judge(part)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat([torch.cat(parts, 1) for parts in found]).cpu().double().numpy()


def blurred(x: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Images after a binomial blur of 3 x 3 pixels, with mirrored borders.

    Args:
        x: images.

    Returns:
        Images of the same size.
    """
    line = torch.tensor(BINOMIAL)
    return nn.functional.conv2d(nn.functional.pad(x, (1, 1, 1, 1), "reflect"), torch.outer(line, line)[None, None])


def scores(
    a: Float[np.ndarray, "n k"],
    b: Float[np.ndarray, "m k"],
    groups: tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]],
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]]:
    """How much each point looks like one of the second set, to a linear discriminant that has not seen its group. ::

        s(v) = (mean_b - mean_a)' (S + r I)^-1 v,   S: covariance within both sets,  r = .01 tr S / k

    Args:
        a: features of one set.
        b: of the other.
        groups: labels of each set; points of one label are left out together.

    Returns:
        Score of each point of a and of b, without unit.

    Raises:
        ValueError: for fewer than two groups in a set.

    Source: Friedman 1989 (the shrinkage).
    """
    folds = []
    for of_set in groups:
        _, place = np.unique(of_set, return_inverse=True)
        if place.max() < 1:
            raise ValueError("A classifier that is tested on other images needs two groups of them in each set.")
        folds.append(place % min(FOLDS, place.max() + 1))
    found = [np.empty(len(points)) for points in (a, b)]
    for fold in range(max(of_set.max() for of_set in folds) + 1):
        kept = [points[of_set != fold] for points, of_set in zip((a, b), folds, strict=True)]
        means = [points.mean(0) for points in kept]
        within = sum((points - mean).T @ (points - mean) for points, mean in zip(kept, means, strict=True))
        within = within / sum(map(len, kept))
        ridge = SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
        direction = np.linalg.solve(within + ridge, means[1] - means[0])
        for of_points, points, of_set in zip(found, (a, b), folds, strict=True):
            of_points[of_set == fold] = (points[of_set == fold] - means[0]) @ direction
    return found[0], found[1]


def area(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"]) -> tuple[np.ndarray, np.ndarray]:
    """Area under the curve of a score, point by point; its mean over either set is the area. ::

        AUC = P(a < b) + P(a = b) / 2

    Args:
        a: scores of one set.
        b: of the other, which are higher where the two are told apart.

    Returns:
        For each point of a the share of b that is higher; for each point of b the share of a that is lower.

    Source: DeLong, DeLong & Clarke-Pearson 1988.
    """
    higher = (b > a[:, None]) + 0.5 * (b == a[:, None])
    return higher.mean(1), higher.mean(0)


def frechet(a: Float[np.ndarray, "n k"], b: Float[np.ndarray, "m k"]) -> float:
    """Squared Fréchet distance of two sets, each taken for Gaussian. ::

        ||mean_a - mean_b||^2 + tr(C_a + C_b - 2 (C_a^(1/2) C_b C_a^(1/2))^(1/2))

    Args:
        a: points of one set.
        b: of the other.

    Returns:
        Squared units of the points.

    Source: Heusel et al. 2017.
    """
    means, spreads = zip(*((points.mean(0), np.cov(points.T, bias=True)) for points in (a, b)), strict=True)
    values, vectors = np.linalg.eigh(spreads[0])
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    product = np.linalg.eigvalsh(root @ spreads[1] @ root).clip(0)
    return float(np.square(means[0] - means[1]).sum() + sum(map(np.trace, spreads)) - 2 * np.sqrt(product).sum())


def _row(
    named: tuple, sets: Sequence[np.ndarray], groups: np.ndarray, real: np.ndarray, regions: np.ndarray, size: int
) -> Realism:
    """One row of sets that have the same groups: samples of A and of B, of which one noise makes one image, nearly."""
    every = np.vstack([*sets, real])
    heard = (every > 0).mean(0) >= ALIVE  # else a few images with a rare channel decide, and blurred ones pass for real
    centre, spread = every[:, heard].mean(0), every[:, heard].std(0)
    *sets, real = ((points[:, heard] - centre) / spread for points in (*sets, real))
    found, groups = np.vstack(sets), np.tile(groups, len(sets))
    points = area(*scores(found, real, (groups, regions)))
    whole = points[0].mean()

    def linear(a, b, axis):
        return (a.mean(axis) + b.mean(axis) - whole).clip(0, 1)  # the area, to first order in either set

    told = estimate(linear, *points, regions=[groups, regions], paired=False)
    return Realism(*named, len(found), told, _distance(sets, real, size), size)


def _distance(sets: Sequence[np.ndarray], real: np.ndarray, size: int) -> Estimate:
    """Random parts of one of the sets, each against as many held-out images, and these against as many others."""
    rng, of_found, of_real = np.random.default_rng(0), [], []
    for _ in range(DRAWS):
        found, shuffled = sets[rng.integers(len(sets))], real[rng.permutation(len(real))]
        of_found.append(frechet(found[rng.permutation(len(found))[:size]], shuffled[:size]))
        of_real.append(frechet(shuffled[size : 2 * size], shuffled[:size]))
    ratios = np.array(of_found) / np.mean(of_real)
    return Estimate(float(ratios.mean()), *map(float, np.quantile(ratios, [0.025, 0.975])))
