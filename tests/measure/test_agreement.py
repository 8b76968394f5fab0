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
from ghr.noise import SIGMAS
from ghr.recipes import Run
from ghr.stats import estimate

H, W = 7, 13


def pictures(n, seed=0):
    return torch.rand(n, 1, H, W, generator=torch.Generator().manual_seed(seed))


def made(denoisers, held_out, regions=None):
    chosen = {key: Run(n=key[0], half=key[1][0], size=8) for key in denoisers}
    halves = {n: Halves(held_out, held_out, held_out) for n, _ in denoisers}
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
    every = curves["v"] + sums["largest"] + sums["discrepancy"]
    assert {(e.low, e.value, e.high) for e in every} == {(0, 0, 0)}
    assert len(curves.rows) == 2 * len(GRID)
    assert sums["n"] == [3, 5]
    assert {(row.one, row.other, row.differs) for row in sums} == {("A", "B", "images and seed")}


def test_unrelated_errors_of_equal_size_have_variance_one():
    """At each noise level within four standard errors; K = .02 (.02^-2 - 1) / 2."""
    x = pictures(1)
    study = made({(5, "A"): Erring(x, 0), (5, "B"): Erring(x, 1)}, x.expand(200, -1, -1, -1))
    curves, (row,) = agreement.agreement(study)
    assert curves["sigma"] == GRID.tolist() == sorted({*SIGMAS, 0.02, 1.0})
    assert curves["input_psnr"] == pytest.approx(-20 * np.log10(GRID))
    assert [e.value for e in curves["v"]] == pytest.approx([1] * len(GRID), abs=4 * math.sqrt(4 / (200 * H * W)))
    assert row.largest.value == max(row.v.value for row in curves if 0.02 <= row.sigma <= 1)
    assert row.discrepancy.value == pytest.approx(0.02 * (0.02**-2 - 1) / 2, rel=0.1)  # trapezoids on 13 levels


def test_the_order_of_a_pair_changes_nothing_but_whose_error_divides():
    study = made({(5, "A"): shrinking(0.7), (5, "B"): shrinking(0.2)}, pictures(30))
    forward, there = agreement.agreement(study)
    backward, back = agreement.agreement(study, [("B", "A", "images and seed")])
    assert there.rows[0].discrepancy == back.rows[0].discrepancy
    apart, errors = agreement.disagreements(study, 5, ("A", "B"))
    assert np.array_equal(apart[0, 1], apart[1, 0])
    for k, (a, b) in enumerate(zip(forward, backward, strict=True)):
        assert a.v.value == pytest.approx(apart[0, 1, k].mean() / (2 * errors[0, k].mean()))
        assert b.v.value == pytest.approx(apart[0, 1, k].mean() / (2 * errors[1, k].mean()))


def test_the_largest_ratio_looks_between_the_limits_only():
    """Levels outside [.02, 1] may disagree as they like."""
    error = np.ones((len(GRID), 3))
    apart = np.where(((GRID >= 0.02) & (GRID <= 1))[:, None], GRID[:, None], 1e6).repeat(3, 1)
    assert (GRID < 0.02).any()
    assert agreement.largest_ratio(apart, error) == pytest.approx(0.5)


def test_resamples_are_measured_one_by_one():
    apart, error, control = np.random.default_rng(0).exponential(size=(3, len(GRID), 4, 6))
    alone = [agreement.over_control(apart[:, k], error[:, k], control[:, k]) for k in range(4)]
    assert agreement.over_control(apart, error, control, axis=-1) == pytest.approx(alone)
    largest = [agreement.largest_ratio(apart[:, k], error[:, k]) for k in range(4)]
    assert agreement.largest_ratio(apart, error, axis=-1) == pytest.approx(largest)


def crossed(a, b, a_of_b, b_of_a):
    factors = {"A": a, "B": b, "A, seed of B": a_of_b, "B, seed of A": b_of_a}
    return made({(5, label): shrinking(factor) for label, factor in factors.items()}, pictures(30))


def test_where_the_seed_decides_images_explain_nothing():
    """A with B's seed is B, and the other way round."""
    curves, sums, chances = agreement.chance(crossed(0.7, 0.2, 0.2, 0.7))
    assert [(row.half, row.over_seed.value) for row in chances] == [("A", 1), ("B", 1)]
    largest = {(row.one, row.other): row.largest.value for row in sums}
    assert largest["A", "A, seed of B"] == largest["A", "B"] > 0
    assert largest["A", "B, seed of A"] == largest["B", "A, seed of B"] == 0
    assert len(curves.rows) == 6 * len(GRID)
    assert [row.differs for row in sums] == ["images and seed"] * 2 + ["images"] * 2 + ["seed"] * 2


def test_where_images_decide_they_explain_more_than_a_seed():
    """A and B differ by .5 y, two seeds of A by .1 y: 25 times the variance; two seeds of B by .25 y: 4 times."""
    _, _, chances = agreement.chance(crossed(0.7, 0.2, 0.6, 0.45))
    assert [row.over_seed.value for row in chances] == pytest.approx([25, 4], rel=1e-3)


def test_whole_regions_are_drawn_and_no_more_than_300_images_count():
    held_out, labels = pictures(320), np.arange(320) // 8
    study = made({(5, "A"): shrinking(0.7), (5, "B"): shrinking(0.2)}, held_out, Regions(labels, labels, labels))
    curves, (row,) = agreement.agreement(study, seed=2)
    apart, errors = agreement.disagreements(study, 5, ("A", "B"), seed=2)
    assert apart.shape == (2, 2, len(GRID), 300)
    pair = apart[0, 1, 4], errors[0, 4]
    assert curves.rows[4].v == estimate(agreement.variance_ratio, *pair, regions=labels[:300])
    assert row.discrepancy == estimate(np.mean, agreement.discrepancy(apart[0, 1], GRID), regions=labels[:300])
    plain, _ = agreement.agreement(made(study.denoisers, held_out), seed=2)
    assert curves.rows[4].v.value == plain.rows[4].v.value
    assert curves.rows[4].v.low != plain.rows[4].v.low


def test_tables_come_back_from_csv():
    study = made({(5, "A"): shrinking(0.7), (5, "B"): shrinking(0.2)}, pictures(30))
    curves, _ = agreement.agreement(study)
    rows = list(csv.DictReader(io.StringIO(curves.csv())))
    assert [float(row["v"]) for row in rows] == [e.value for e in curves["v"]]
    assert [float(row["v_high"]) for row in rows] == [e.high for e in curves["v"]]
    assert rows[0]["differs"] == "images and seed"
