"""Do networks of large sets remember nothing because there are many images, or because each was seen less often?

Networks of several N enter, each trained at a constant rate until each of its images was seen a number of times, and
ended by a short decay; gap, copies and agreement leave, so that sets are compared at *equal* views. ::

    gap(N, views) = PSNR_train - PSNR_test at sigma = .1
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ghr import copies, sampling, similarity
from ghr.experiments import Study
from ghr.measure.copies import NULL, nearness
from ghr.measure.errors import LOG_SIGMA, MOST_IMAGES, errors
from ghr.measure.onset import crossing
from ghr.stats import Estimate, estimate, psnr_gap, psnr_of_mean
from ghr.tables import Table

SAMPLES = 64  #: sampling seeds of each network
GAPS = (1.0, 3.0)  #: of the smaller set, at which the larger one is asked, dB: memory has set in, and is plain


@dataclass(frozen=True)
class Viewed:
    """One network after a number of views of each of its images."""

    n: int  #: training images
    half: str  #: label of the network
    views: float  #: of each training image, images seen over N
    test: Estimate  #: output PSNR on test images at sigma = .1, dB
    gap: Estimate  #: by how much training images come out better, dB
    samples: int  #: sampling seeds
    copies: Estimate  #: share of copies among its samples, as `ghr.copies.judge` tells it
    alike: Estimate | None  #: c_AB, median rho of A's and B's samples from the same noise; None of a half alone


@dataclass(frozen=True)
class Equal:
    """A larger set after as many views of each image as a smaller one takes to be remembered."""

    small: int  #: its N
    large: int  #: the other's
    gap: float  #: of the smaller set, dB
    views: float | None  #: at which it has this gap; None if it never has it
    larger: Estimate | None  #: gap of the larger set after as many views, dB; None where it was not seen as often


def viewed(studies: Sequence[Study], seed: int = 0, samples: int = SAMPLES) -> Table[Viewed]:
    """Gap, copies and agreement by N and views.

    Args:
        studies: networks of one image set, those of one number of views in a study, as
            `ghr.experiments.equal_views` gives them.
        seed: of the noise; and the first sampling seed.
        samples: sampling seeds of each network.

    Returns:
        One row for each network, by N and half, and by views.
    """
    rows = []
    for study in studies:
        start = sampling.gaussian_start(study.held_out, range(1000 * seed, 1000 * seed + samples))
        drawn = {key: sampling.last(sampling.sample(f, start)) for key, f in study.denoisers.items()}
        test = study.held_out[:MOST_IMAGES]
        for (n, half), f in study.denoisers.items():
            training, both = study.training(n, half), [drawn.get((n, label)) for label in "AB"]
            seen = training[torch.arange(len(test)) % len(training)]  # small sets are repeated
            pair = [errors(f, x, [LOG_SIGMA], seed)[0] for x in (seen, test)]
            told = copies.judge(nearness(drawn[n, half], training), nearness(study.held_out[:NULL], training)).share
            alike = None if any(x is None for x in both) else estimate(np.median, similarity.rho(*both))
            views = study.runs[n, half].images_seen / n
            gap = estimate(psnr_gap, *pair, paired=False)
            rows.append(Viewed(n, half, views, estimate(psnr_of_mean, pair[1]), gap, samples, told, alike))
    return Table(tuple(sorted(rows, key=lambda row: (row.n, row.half, row.views))), Viewed)


def equal(found: Table[Viewed], small: int, large: int, gaps: Sequence[float] = GAPS, half: str = "A") -> Table[Equal]:
    """When the smaller set has this gap, which one has the larger set at equal views?

    Both curves are lines between trainings in log views; the interval is that of the larger set's gap there, of its two
    nearest trainings, and the views are taken for given.

    Args:
        found: as `viewed` gives them.
        small: N of the smaller set.
        large: N of the larger one.
        gaps: that the smaller one is to have, dB.
        half: label of the networks.

    Returns:
        One row for each gap.
    """
    first, second = (found.where(n=n, half=half) for n in (small, large))
    rows = []
    for gap in gaps:
        views = crossing(first["views"], [row.value for row in first["gap"]], gap) if len(first) else None
        larger = None
        if views is not None and len(second) and second["views"][0] <= views <= second["views"][-1]:
            log_views = np.log(second["views"])
            columns = [[getattr(row, end) for row in second["gap"]] for end in ("value", "low", "high")]
            larger = Estimate(*(float(np.interp(np.log(views), log_views, column)) for column in columns))
        rows.append(Equal(small, large, gap, views, larger))
    return Table(tuple(rows), Equal)
