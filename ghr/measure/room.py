"""How many images must a network be given, so that it does not begin to store them? Logs enter, N by size leaves.

Networks of several widths see equally many images of small sets, at a constant rate. The fewer images a set has, the
farther a network's gap has opened by then. N* is where the gap is 1 dB: of more images it has not begun to remember.
If a network stored what its parameters have room for, N* would be in proportion to their number p. ::

    excess(N*, p, t) = 1 dB,   N* ~ p^e   at one t, in images seen
"""

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ghr.experiments import Network
from ghr.measure.errors import APART
from ghr.measure.onset import Moment, exponent
from ghr.stats import Estimate, student
from ghr.tables import Table


@dataclass(frozen=True)
class Needed:
    """How many images one network needs after so much training; None where it is not among the N that were tried."""

    width: int  #: of the network
    parameters: int  #: learned numbers, p
    seed: int  #: of initial weights and training noise
    images_seen: int  #: in training, with repetition
    n: float | None  #: N*, training images of which the excess gap is 1 dB


@dataclass(frozen=True)
class Growth:
    """How the number of images that are needed grows with a network's size."""

    images_seen: int  #: in training, with repetition
    smallest: int  #: parameters of the smallest network
    largest: int  #: of the largest
    seeds: int  #: trainings of each size and N
    exponent: Estimate | None  #: e of N* ~ p^e; interval over seeds


def needed(moments: Table[Moment], networks: Table[Network], images_seen: int) -> Table[Needed]:
    """How many images does each network need? Between two N, on a line in log N.

    Args:
        moments: logs, as `ghr.measure.onset.courses` gives them; those that have no entry at this time are passed over.
        networks: of these trainings, as `ghr.experiments.networks` gives them.
        images_seen: in training, with repetition.

    Returns:
        One row for each width and seed, from the narrowest.

    Raises:
        ValueError: when no log has an entry at this time.
    """
    then, rows = moments.where(images_seen=images_seen), []
    if not len(then):
        raise ValueError(f"No log has an entry after {images_seen} images.")
    for width in sorted(set(then["width"])):
        parameters = networks.where(width=width).rows[0].parameters
        for seed, some in then.where(width=width).by("seed"):
            curve = sorted((row.n, row.excess) for row in some)
            rows.append(Needed(width, parameters, seed, images_seen, _closes(curve)))
    return Table(tuple(rows), Needed)


def _closes(curve: list[tuple[int, float]]) -> float | None:
    """The N from which on the excess is below 1 dB; None when that is not between two N."""
    found = None
    for (n, excess), (following, less) in itertools.pairwise(curve):
        if excess >= APART > less:
            found = n * (following / n) ** ((excess - APART) / (excess - less))
    return found if curve[-1][1] < APART else None


def growth(found: Table[Needed]) -> Table[Growth]:
    """By which power of its parameters does a network need more images? A fit for each seed, and their mean.

    Args:
        found: of one number of images seen, as `needed` gives them; a seed that has no N* at some width is left out.

    Returns:
        A row for all widths; and where there are more than two, one for each two that follow each other. An exponent is
        None where fewer than two seeds are left.
    """
    (images_seen,), sizes = set(found["images_seen"]), sorted(set(found["parameters"]))
    rows = []
    for chosen in (sizes, *(itertools.pairwise(sizes) if len(sizes) > 2 else ())):
        part = Table(tuple(row for row in found if row.parameters in chosen), Needed)
        whole = [some for _, some in part.by("seed") if len(some) == len(chosen) > 1 and None not in some["n"]]
        slopes = [exponent(some["parameters"], some["n"]) for some in whole]
        mean = student(np.mean, np.array(slopes)) if len(slopes) > 1 else None
        rows.append(Growth(images_seen, min(chosen), max(chosen), len(set(part["seed"])), mean))
    return Table(tuple(rows), Growth)


def through(found: Table[Needed], power: float) -> Float[np.ndarray, " k"]:
    """N* as it would be in proportion to a power of p, through the geometric mean of what was found. ::

        log N*(p) = mean(log N* - e log p) + e log p

    Args:
        found: as `needed` gives them.
        power: e.

    Returns:
        N* for each number of parameters in the table, increasing; NaN where no N* was found at all.
    """
    p, known = np.array(sorted(set(found["parameters"]))), [row for row in found if row.n]
    middle = np.mean([np.log(row.n) - power * np.log(row.parameters) for row in known]) if known else np.nan
    return np.exp(middle) * p**power
