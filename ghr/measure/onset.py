"""When does memory set in? Trainings of small sets at a constant rate enter, times and their law leave.

The gap of a network at sigma = .1 is read off its training's log. A small set may be of easy images, so the gap of a
judge is taken off it: of a network that has seen neither these training images nor the test images ::

    excess(t) = (PSNR_train - PSNR_test of the network after t images) - (PSNR_train - PSNR_test of the judge)

Memory has set in when the excess is 1 dB. If each image has to be seen a number of times, whatever the other images
are, the time in images seen grows as N^1; if it does not depend on the set, as N^0.

Source: Bonnaire et al. 2025 (a time to memorize in proportion to N, for networks told sigma and Adam).
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ghr.experiments import Study
from ghr.measure.errors import APART, LOG_SIGMA, learning
from ghr.noise import denoising_mse
from ghr.stats import Estimate, psnr_of_mean, student
from ghr.tables import Table

LOG_IMAGES = 256  #: of each set are measured by the log of a training


@dataclass(frozen=True)
class Moment:
    """One entry of a training's log."""

    n: int  #: training images
    width: int  #: of the network
    seed: int  #: of initial weights and training noise
    images_seen: int  #: so far, with repetition
    views: float  #: of each training image, so far
    excess: float  #: of training over test PSNR at sigma = .1, less that of the judge, dB
    copies: float  #: share of 64 samples that are copies of a training image


@dataclass(frozen=True)
class Time:
    """When memory set in, in images seen; None where a training ended before."""

    n: int  #: training images
    width: int  #: of the network
    seed: int  #: of initial weights and training noise
    apart: float | None  #: the excess is 1 dB
    views: float | None  #: the same, per training image


@dataclass(frozen=True)
class Law:
    """How the time grows with N: as N to an exponent, and as a start plus a number of views times N."""

    networks: str  #: "width 8", or "all"
    first: int  #: the smallest N
    last: int  #: the largest N
    seeds: int  #: trainings of each N
    apart: Estimate | None  #: exponent of the time until the excess is 1 dB; interval over seeds and widths
    start: Estimate | None  #: images that a network sees before any set could be remembered
    views: Estimate | None  #: of each image, from then on


@dataclass(frozen=True)
class Step:
    """How much the time grows from one N to the next: a power law has the same exponent at each step."""

    first: int  #: the smaller N
    last: int  #: the larger N
    trainings: int  #: of each, all widths and seeds
    exponent: Estimate | None  #: of the time until the excess is 1 dB; interval over trainings


def courses(study: Study, judge: Callable) -> Table[Moment]:
    """The logs of some trainings, each gap less that of a judge who knows none of the images.

    Args:
        study: trainings of several N, widths and seeds, under any labels.
        judge: denoiser that was trained on other images of the same kind.

    Returns:
        One row for each entry of each log.
    """

    def judged(x) -> float:
        return float(psnr_of_mean(denoising_mse(judge, x[:LOG_IMAGES], LOG_SIGMA).numpy()))

    of_test, rows = judged(study.held_out), []
    one_of_each = dict(study.runs.keys())  # trainings of one N share their images
    easy = {n: judged(study.training(n, label)) - of_test for n, label in one_of_each.items()}
    for entry in learning(study):
        run, excess = study.runs[entry.n, entry.half], entry.training - entry.test - easy[entry.n]
        rows.append(Moment(entry.n, run.width, run.seed, entry.images_seen, entry.views, excess, entry.copies))
    return Table(tuple(rows), Moment)


def times(moments: Table[Moment]) -> Table[Time]:
    """When does each training begin to memorize? Between two entries of its log, on a line in log time.

    Args:
        moments: as `courses` gives them.

    Returns:
        One row for each training.
    """
    rows = []
    for n, of_n in moments.by("n"):
        for width, of_width in of_n.by("width"):
            for seed, log in of_width.by("seed"):
                apart = crossing(log["images_seen"], log["excess"], APART)
                rows.append(Time(n, width, seed, apart, apart and apart / n))
    return Table(tuple(rows), Time)


def law(found: Table[Time]) -> Table[Law]:
    """How the time to memorize grows with N: a fit for each seed and width, and the mean of fits.

    Args:
        found: as `times` gives them; an N that not every training of a width reached is left out for this width.

    Returns:
        One row for each width, and one for all together.
    """
    fits: dict[str, list[tuple[float, float, float]]] = {}
    for width, of_width in found.by("width"):
        lost = {row.n for row in of_width if row.apart is None}
        kept = [[(row.n, row.apart) for row in of_seed if row.n not in lost] for _, of_seed in of_width.by("seed")]
        pairs = [tuple(zip(*of_seed, strict=True)) for of_seed in kept if len(of_seed) > 1]
        fits[f"width {width}"] = [(exponent(*pair), *line(*pair)) for pair in pairs]
    fits["all"] = [fit for of_width in fits.values() for fit in of_width]
    sizes, seeds, rows = found["n"], len(set(found["seed"])), []
    for name, of_name in fits.items():
        means = [_mean(values) for values in zip(*of_name, strict=True)] or [None] * 3
        rows.append(Law(name, min(sizes), max(sizes), seeds, *means))
    return Table(tuple(rows), Law)


def steps(found: Table[Time]) -> Table[Step]:
    """The exponent between neighbours: where it is 1, an image has to be seen equally often in both sets.

    Args:
        found: as `times` gives them.

    Returns:
        One row for each two N that follow each other.
    """
    rows = []
    for first, last in itertools.pairwise(sorted(set(found["n"]))):
        apart = [{(row.width, row.seed): row.apart for row in found.where(n=n)} for n in (first, last)]
        both = [key for key, time in apart[0].items() if time and apart[1].get(key)]
        slopes = [exponent((first, last), [of_n[key] for of_n in apart]) for key in both]
        rows.append(Step(first, last, len(slopes), _mean(slopes)))
    return Table(tuple(rows), Step)


def exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """Least squares exponent of a power law. ::

        log time_i = a + b log size_i

    Args:
        sizes: above 0, at least two.
        times: above 0, of any unit.

    Returns:
        b, without unit.
    """
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def line(sizes: Sequence[float], times: Sequence[float]) -> tuple[float, float]:
    """Least squares line, each time weighted by its inverse: relative errors count alike. ::

        time_i = start + views size_i

    Args:
        sizes: at least two.
        times: above 0.

    Returns:
        start, in the times' unit, and views, in this unit for each of the sizes'.
    """
    views, start = np.polyfit(sizes, times, 1, w=1 / np.asarray(times))
    return float(start), float(views)


def crossing(times: Sequence[float], values: Sequence[float], level: float) -> float | None:
    """When a curve first reaches a level, on a line between entries in log time.

    Args:
        times: above 0, increasing.
        values: of the curve, one for each time.
        level: in the values' unit.

    Returns:
        Time, None if never; the first entry's where it is reached there.
    """
    reached = [value >= level for value in values]
    if not any(reached):
        return None
    k = reached.index(True)
    if k == 0:
        return float(times[0])
    before, after = values[k - 1 : k + 1]
    share = (level - before) / (after - before)
    return float(times[k - 1] * (times[k] / times[k - 1]) ** share)


def _mean(values: Sequence[float]) -> Estimate | None:
    return student(np.mean, np.array(values)) if len(values) > 1 else None
