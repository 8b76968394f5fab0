"""Room: logs made up for the purpose, whose power is known."""

import math

import numpy as np
import pytest

from ghr.experiments import Network
from ghr.measure import room
from ghr.measure.onset import Moment
from ghr.stats import student
from ghr.tables import Table

PARAMETERS = {4: 10_000, 8: 40_000, 16: 160_000}


def network(width):
    return Network("toys", 1, "A", "UNet", width, PARAMETERS[width], 8, 64, 100, 1.0, 10)


NETWORKS = Table(tuple(map(network, PARAMETERS)))


def logs(excess, sizes=(10, 40, 160, 640), widths=(16, 4, 8), seeds=3, times=(50, 100)):
    """Trainings whose excess gap is a function of N, parameters, seed and time."""
    every = [(n, width, seed, t) for n in sizes for width in widths for seed in range(seeds) for t in times]
    rows = (Moment(n, w, s, t, t / n, excess(n, PARAMETERS[w], s, t), 0.0) for n, w, s, t in every)
    return Table(tuple(rows), Moment)


def test_what_is_needed_is_where_the_gap_is_one_decibel():
    """The gap falls by 1 dB with each doubling of N, and is 1 dB where N is 37 (seed 0)."""
    found = room.needed(logs(lambda n, p, seed, t: 1 - math.log2(n / (37 + seed))), NETWORKS, 100)
    assert [row.n for row in found.where(width=8)] == pytest.approx([37, 38, 39])
    assert [(row.width, row.seed) for row in found] == [(w, s) for w in (4, 8, 16) for s in range(3)]
    assert [row.parameters for row in found.where(seed=0)] == list(PARAMETERS.values())
    assert set(found["images_seen"]) == {100}


def test_the_time_that_is_asked_for_is_the_one_that_counts():
    moments = logs(lambda n, p, seed, t: 1 - math.log2(n / t))
    assert {round(n, 6) for t in (50, 100) for n in room.needed(moments, NETWORKS, t)["n"]} == {50, 100}
    with pytest.raises(ValueError, match="No log has an entry after 70 images"):
        room.needed(moments, NETWORKS, 70)


def test_what_was_not_tried_is_not_known():
    """Neither where all sets are remembered, nor where none is."""
    for constant in (0.5, 2.0):
        assert set(room.needed(logs(lambda n, p, s, t, gap=constant: gap), NETWORKS, 100)["n"]) == {None}
    # the last crossing counts: of more images none is remembered
    humps = {10: 2.0, 40: 0.5, 160: 1.5, 640: 0.5}
    found = room.needed(logs(lambda n, p, s, t: humps[n]), NETWORKS, 100)
    assert found["n"] == pytest.approx([160 * 2] * 9)


def test_the_power_is_the_mean_of_the_seeds():
    powers = np.array([0.4, 0.5, 0.65])
    moments = logs(lambda n, p, seed, t: 1 - math.log2(n / (100 * (p / 40_000) ** powers[seed])))
    row, *steps = room.growth(room.needed(moments, NETWORKS, 50))
    wanted, found = student(np.mean, powers), row.exponent
    assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high))
    assert (row.images_seen, row.smallest, row.largest, row.seeds) == (50, 10_000, 160_000, 3)
    assert [(step.smallest, step.largest) for step in steps] == [(10_000, 40_000), (40_000, 160_000)]
    assert [step.exponent.value for step in steps] == pytest.approx([wanted.value] * 2)


def test_a_power_that_falls_with_size_is_seen_between_neighbours():
    bent = {10_000: 20, 40_000: 80, 160_000: 160}
    found = room.growth(room.needed(logs(lambda n, p, seed, t: 1 - math.log2(n / bent[p])), NETWORKS, 100))
    assert [row.exponent.value for row in found] == pytest.approx([0.75, 1, 0.5])


def test_a_power_goes_through_the_mean_of_what_was_found():
    found = room.needed(logs(lambda n, p, seed, t: 1 - math.log2(n / (100 * (p / 40_000) ** 0.5))), NETWORKS, 100)
    assert room.through(found, 0.5) == pytest.approx([50, 100, 200])  # which is what was found
    assert room.through(found, 1) == pytest.approx([25, 100, 400])  # through the geometric mean
    nothing = room.needed(logs(lambda n, p, s, t: 0.0), NETWORKS, 100)
    assert np.isnan(room.through(nothing, 1)).all()


def test_a_seed_without_an_answer_at_some_width_has_no_power():
    def excess(n, p, seed, t):
        lost = seed == 1 and p == 10_000
        return 2.0 if lost else 1 - math.log2(n / (100 * (p / 40_000) ** (0.4 + 0.1 * seed)))

    row, *_ = room.growth(room.needed(logs(excess), NETWORKS, 100))
    assert row.exponent.value == pytest.approx((0.4 + 0.6) / 2)
    alone, *_ = room.growth(room.needed(logs(excess, seeds=2), NETWORKS, 100))
    assert alone.exponent is None
    found = room.needed(logs(excess), NETWORKS, 100)
    part = Table(tuple(row for row in found if (row.seed, row.width) != (2, 8)))  # not trained
    assert room.growth(part).rows[0].exponent is None
