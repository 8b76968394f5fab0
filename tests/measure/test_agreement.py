"""One function or two: denoisers whose disagreement is known."""

import csv
import io
import math

import numpy as np
import pytest
import torch

from ghr.experiments import Study
from ghr.images import Halves
from ghr.images.photographs import Regions
from ghr.measure import agreement
from ghr.measure.agreement import GRID
from ghr.measure.errors import memory
from ghr.noise import SIGMAS
from ghr.recipes import Run
from ghr.stats import estimate, ratio
from ghr.tables import Table

H, W = 7, 13


def pictures(n, seed=0):
    return torch.rand(n, 1, H, W, generator=torch.Generator().manual_seed(seed))


def made(denoisers, held_out, regions=None):
    chosen = {key: Run(n=key[0], half=key[1][0], size=8) for key in denoisers}
    halves = {n: Halves(pictures(n, seed=8), pictures(n, seed=9), held_out) for n, _ in denoisers}
    return Study("toys", chosen, denoisers, halves, held_out, regions)


def shrinking(factor):
    return lambda y, sigma=None: factor * y


class Erring:
    """x_hat = x + independent noise of deviation .1, whatever y is; all images are equal."""

    def __init__(self, x, seed):
        self.x, self.generator = x, torch.Generator().manual_seed(seed)

    def __call__(self, y, sigma=None):
        return self.x.expand_as(y) + 0.1 * torch.randn(y.shape, generator=self.generator)


def test_two_equal_networks_are_one_function():
    study = made({(n, half): shrinking(0.7) for n in (3, 5) for half in "AB"}, pictures(20))
    curves, sums = agreement.agreement(study)
    every = [e for e in curves["u"] if e] + curves["variance"] + sums["discrepancy"]
    assert {(e.low, e.value, e.high) for e in every} == {(0, 0, 0)}
    assert set(curves["apart"]) == {None}
    assert len(curves.rows) == 2 * len(GRID)
    assert sums["n"] == [3, 5]
    assert {(row.one, row.other, row.differs) for row in sums} == {("A", "B", "images and seed")}


def test_two_exact_memorizers_are_two_memories():
    """U = 1 whatever the noise; their model variance is about half of the error, since both miss the same image."""
    study = made({(4, half): shrinking(1.0) for half in "AB"}, pictures(40))
    study = made({key: memory(study, *key) for key in study.denoisers}, study.held_out)
    curves, _ = agreement.agreement(study)
    strong = Table(tuple(row for row in curves if row.sigma >= 0.05))
    assert {row.u for row in curves} - {row.u for row in strong} == {None}
    assert [x for e in strong["u"] for x in (e.low, e.value, e.high)] == pytest.approx([1] * 3 * len(strong.rows))
    assert strong["variance"] == strong["memories"]
    assert all(0.3 < e.value < 0.7 for e in strong["memories"])


def test_unrelated_errors_of_equal_size_are_all_variance():
    """At each noise level within four standard errors; K = .02 (.02^-2 - 1) / 2."""
    x = pictures(1)
    study = made({(5, "A"): Erring(x, 0), (5, "B"): Erring(x, 1)}, x.expand(200, -1, -1, -1))
    curves, (row,) = agreement.agreement(study)
    assert curves["sigma"] == GRID.tolist() == sorted({*SIGMAS, 0.02, 0.05, 0.1, 1.0})
    assert curves["input_psnr"] == pytest.approx(-20 * np.log10(GRID))
    error = 4 * math.sqrt(4 / (200 * H * W))
    assert [e.value for e in curves["variance"]] == pytest.approx([1] * len(GRID), abs=error)
    assert [e.value for e in curves["error"]] == pytest.approx([20] * len(GRID), abs=0.2)
    assert [e.value for e in curves["apart"]] == pytest.approx([20 - 10 * math.log10(2)] * len(GRID), abs=0.2)
    assert row.discrepancy.value == pytest.approx(0.02 * (0.02**-2 - 1) / 2, rel=0.1)  # trapezoids on 15 levels


def test_the_order_of_a_pair_changes_nothing():
    study = made({(5, "A"): shrinking(0.7), (5, "B"): shrinking(0.2)}, pictures(30))
    forward, there = agreement.agreement(study)
    backward, back = agreement.agreement(study, [("B", "A", "images and seed")])
    assert there.rows[0].discrepancy == back.rows[0].discrepancy
    for field in ("u", "apart", "error", "variance"):
        assert forward[field] == backward[field]


def test_distances_are_those_of_the_definition():
    study = made({(5, "A"): shrinking(0.7), (5, "B"): shrinking(0.2)}, pictures(30))
    curves, _ = agreement.agreement(study)
    apart, errors = agreement.disagreements(study, 5, ("A", "B"))
    memories = [memory(study, 5, half) for half in "AB"]
    for k, row in enumerate(curves):
        between, _ = agreement.model_variance(memories, study.held_out, float(GRID[k]))
        both, error = apart[0, 1, k].mean(), errors[:, k].mean()
        if row.sigma >= 0.05:
            assert row.u.value == pytest.approx(both / between[0, 1].mean().item(), rel=1e-5)
        assert row.apart.value == pytest.approx(-10 * math.log10(both))
        assert row.error.value == pytest.approx(-10 * math.log10(error))
        assert row.variance.value == pytest.approx(both / (2 * error))


def test_resamples_are_measured_one_by_one():
    apart, error = np.random.default_rng(0).exponential(size=(2, 4, 6))
    alone = [agreement.variance_share(apart[k], error[k]) for k in range(4)]
    assert agreement.variance_share(apart, error, axis=-1) == pytest.approx(alone)


def crossed(a, b, a_of_b, b_of_a):
    factors = {"A": a, "B": b, "A, seed of B": a_of_b, "B, seed of A": b_of_a}
    return made({(5, label): shrinking(factor) for label, factor in factors.items()}, pictures(30))


def test_where_the_seed_decides_images_explain_nothing():
    """A with B's seed is B, and the other way round."""
    curves, sums, chances = agreement.chance(crossed(0.7, 0.2, 0.2, 0.7))
    assert [(row.half, row.over_seed.value) for row in chances] == [("A", 1), ("B", 1)]
    apart = {(row.one, row.other): row.discrepancy.value for row in sums}
    assert apart["A", "A, seed of B"] == apart["A", "B"] > 0
    assert apart["A", "B, seed of A"] == apart["B", "A, seed of B"] == 0
    assert len(curves.rows) == 6 * len(GRID)
    assert [row.differs for row in sums] == ["images and seed"] * 2 + ["images"] * 2 + ["seed"] * 2


def test_where_images_decide_they_explain_more_than_a_seed():
    """A and B differ by .5 y, two seeds of A by .1 y: 25 times the variance; two seeds of B by .25 y: 4 times."""
    _, _, chances = agreement.chance(crossed(0.7, 0.2, 0.6, 0.45))
    assert [row.over_seed.value for row in chances] == pytest.approx([25, 4], rel=1e-3)


def test_one_noise_level_decides_how_much_a_seed_explains():
    study = crossed(0.7, 0.2, 0.6, 0.45)
    apart, _ = agreement.disagreements(study, 5, ("A", "B", "A, seed of B"), seed=3)
    _, _, (a, _) = agreement.chance(study, seed=3)
    k = GRID.tolist().index(0.1)
    assert a.over_seed == estimate(ratio, apart[0, 1, k], apart[0, 2, k])


def test_whole_regions_are_drawn_and_no_more_than_300_images_count():
    held_out, labels = pictures(320), np.arange(320) // 8
    study = made({(5, "A"): shrinking(0.7), (5, "B"): shrinking(0.2)}, held_out, Regions(labels, labels, labels))
    curves, (row,) = agreement.agreement(study, seed=2)
    apart, errors = agreement.disagreements(study, 5, ("A", "B"), seed=2)
    assert apart.shape == (2, 2, len(GRID), 300)
    pair = apart[0, 1, 4], errors[:, 4].mean(0)
    assert curves.rows[4].variance == estimate(agreement.variance_share, *pair, regions=labels[:300])
    assert row.discrepancy == estimate(np.mean, agreement.discrepancy(apart[0, 1], GRID), regions=labels[:300])
    plain, _ = agreement.agreement(made(study.denoisers, held_out), seed=2)
    two = [memory(study, 5, half) for half in "AB"]
    memories = agreement.model_variance(two, held_out[:100], float(GRID[-1]), 2)[0][0, 1].numpy()
    last, of_images = curves.rows[-1], plain.rows[-1]
    assert last.u.value == of_images.u.value == pytest.approx(ratio(apart[0, 1, -1, :100], memories), rel=1e-5)
    assert last.u.low != of_images.u.low


def test_tables_come_back_from_csv():
    study = made({(5, "A"): shrinking(0.7), (5, "B"): shrinking(0.2)}, pictures(30))
    curves, _ = agreement.agreement(study)
    rows = list(csv.DictReader(io.StringIO(curves.csv())))
    assert [float(row["apart"]) for row in rows] == [e.value for e in curves["apart"]]
    assert [float(row["u_high"] or -1) for row in rows] == [e.high if e else -1 for e in curves["u"]]
    assert rows[0]["differs"] == "images and seed"
