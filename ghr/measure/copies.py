"""Does the test of copies find copies? Studies enter, of which images alone are used: known ones are planted.

Samples are held-out images, among them altered training images at a known rate. Thresholds come from one half of the
held-out images, false positives are counted on the other.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import copies, similarity
from ghr.experiments import Study
from ghr.measure.samples import Samples
from ghr.stats import Estimate, share
from ghr.tables import Table

PLANTED = 200  #: altered training images for each alteration
SAMPLES = 400  #: among which copies are planted at a rate
NULL = 1000  #: held-out images that say what no copy looks like
RATES = (0.0, 0.02, 0.1, 0.5)
MOVES = ("shifted by 1 pixel", "shifted by 2 pixels", "mirrored")  # of copies planted at a rate
COPY = 1 / 3  #: of d1 / d2, below which the published rule counts a copy


@dataclass(frozen=True)
class Detection:
    """How many planted copies one rule finds."""

    images: str  #: image set
    n: int  #: training images
    rule: str  #: "nearness", "d1/d2 < 1/3" or "pixel distance"
    alteration: str  #: what was done to copies, key of `copies.ALTERATIONS`
    planted: int  #: copies
    found: Estimate  #: share of them that the rule calls copies
    false_positives: Estimate  #: share of held-out images that it calls copies


@dataclass(frozen=True)
class Recovered:
    """A share of copies, planted and measured."""

    images: str  #: image set
    n: int  #: training images
    planted: float  #: share of samples that are training images, moved by one or two pixels or mirrored
    found: Estimate  #: share of copies as `copies.judge` tells it
    samples: int  #: samples


@dataclass(frozen=True)
class Copied:
    """Copies among the samples of two networks of one N."""

    images: str  #: image set
    n: int  #: training images of each network
    half: str  #: label of the network
    samples: int  #: sampling seeds
    found: Estimate  #: share of copies as `copies.judge` tells it
    rule: Estimate  #: share of samples with d1 / d2 < 1/3, pixel by pixel


def nearness(images: Float[Tensor, "n c h w"], training: Float[Tensor, "m c h w"]) -> Float[Tensor, " n"]:
    """What the test of copies looks at: how much nearer the nearest training image is than any other.

    Args:
        images: samples, or images that cannot be copies.
        training: training images.

    Returns:
        Ratio of distances from 0, a copy, to 1, as `ghr.copies.search` finds it.
    """
    return copies.joined(copies.search(images, training)).ratio


def copied(samples: Samples) -> Table[Copied]:
    """Do samples copy? The test of `ghr check` beside the published rule.

    Args:
        samples: of both networks; held-out images are the null, the first 1,000.

    Returns:
        One row for each N above one, and half.
    """
    study, rows = samples.study, []
    for (n, half), x in samples.images.items():
        if n > 1:
            training = study.training(n, half)
            told = copies.judge(nearness(x, training), nearness(study.held_out[:NULL], training)).share
            rule = share(similarity.distance_ratio(x, training) < COPY)
            rows.append(Copied(study.name, n, half, len(x), told, rule))
    return Table(tuple(rows), Copied)


def detection(*studies: Study, n: int | None = None, planted: int = PLANTED, seed: int = 0) -> Table[Detection]:
    """Planted copies that are found, beside false positives: this test, the rule d1/d2 < 1/3, and pixel distance.

    The threshold of this test, and of pixel distance, is passed by 1% of one half of the held-out images; the rule's
    is fixed.

    Args:
        studies: whose images are used.
        n: training images of half A (default: the largest N of each).
        planted: copies for each alteration.
        seed: of the choice of copies, and of their alterations.

    Returns:
        One row for each study, alteration and rule.

    Raises:
        ValueError: for fewer than four held-out images.
    """
    rows = []
    for study in studies:
        count = study.largest if n is None else n
        training, null, others = _parts(study, count)
        source = torch.randperm(len(training), generator=torch.Generator().manual_seed(seed))[:planted]
        mixed = others[torch.arange(len(source)) % len(others)]
        thresholds = _thresholds(null, training)
        of_others = _numbers(others, training)
        for how in copies.ALTERATIONS:
            found = _numbers(copies.alter(training[source], how, mixed, seed), training)
            for rule, threshold in thresholds.items():
                flags, false = (numbers[rule] < threshold for numbers in (found, of_others))
                rows.append(Detection(study.name, count, rule, how, len(source), share(flags), share(false)))
    return Table(tuple(rows), Detection)


def recovered(*studies: Study, n: int | None = None, samples: int = SAMPLES, seed: int = 0) -> Table[Recovered]:
    """Is the share of copies that is told the one that was planted?

    Args:
        studies: whose images are used.
        n: training images of half A (default: the largest N of each).
        samples: held-out images and copies together.
        seed: of the choice of images, and of their alterations.

    Returns:
        One row for each study and rate; fewer samples where there are not enough held-out images.

    Raises:
        ValueError: for fewer than four held-out images.
    """
    rows = []
    for study in studies:
        count = study.largest if n is None else n
        training, null, others = _parts(study, count)
        others = others[:samples]
        ratio = nearness(others, training)
        source = torch.randperm(len(training), generator=torch.Generator().manual_seed(seed))[: len(others)]
        altered = [copies.alter(training[source], how, training[source], seed) for how in MOVES]
        kind = torch.arange(len(source)) % len(MOVES)
        of_copies = nearness(torch.stack(altered)[kind, torch.arange(len(source))], training)
        reference = nearness(null, training)
        for rate in RATES:
            many = round(rate * len(others))
            planted = of_copies[:many]
            mixed = torch.cat([planted, ratio[many:]])
            told = copies.judge(mixed, reference).share
            rows.append(Recovered(study.name, count, len(planted) / len(mixed), told, len(mixed)))
    return Table(tuple(rows), Recovered)


def _parts(study: Study, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Training images, and both halves of the held-out ones."""
    m = len(study.held_out) // 2
    if m < 2:
        raise ValueError(f"Four held-out images or more are needed, {study.name} has {len(study.held_out)}.")
    return study.training(n).float(), study.held_out[:m].float(), study.held_out[m:].float()


def _numbers(images: Tensor, training: Tensor) -> dict[str, np.ndarray]:
    """What each rule looks at; the smaller, the more of a copy."""
    flat, known = images.flatten(1), training.flatten(1)
    squares = flat.square().sum(1)[:, None] + known.square().sum(1) - 2 * flat @ known.T
    return {
        "nearness": nearness(images, training).numpy(),
        "d1/d2 < 1/3": similarity.distance_ratio(images, training).numpy(),
        "pixel distance": squares.amin(1).clamp(min=0).sqrt().numpy(),
    }


def _thresholds(null: Tensor, training: Tensor) -> dict[str, float]:
    numbers = _numbers(null, training)
    set_by_null = {rule: copies.judge(torch.zeros(1), torch.from_numpy(numbers[rule])).threshold for rule in numbers}
    return set_by_null | {"d1/d2 < 1/3": COPY}
