"""When memory sets in: logs made up for the purpose, whose times and laws are known."""

import math

import numpy as np
import pytest
import torch

from ghr import runs
from ghr.experiments import Study
from ghr.images import Halves
from ghr.measure import onset
from ghr.noise import denoising_mse
from ghr.recipes import Run
from ghr.recipes import onset as onset_runs
from ghr.stats import student


def nothing(y, sigma=None):
    return y


def made(sizes=(4, 8, 16), widths=(2, 4), seeds=3, training=None):
    """A study of trainings, no network of which is looked at."""
    held_out = torch.rand(300, 1, 6, 7, generator=torch.Generator().manual_seed(9))
    chosen = {
        (n, f"{width}/{seed}"): Run(n=n, width=width, seed=seed, size=8)
        for n in sizes
        for width in widths
        for seed in range(seeds)
    }
    data = {n: Halves(held_out[:n] if training is None else training[n], held_out[:0], held_out) for n in sizes}
    return Study("toys", chosen, dict.fromkeys(chosen, nothing), data, held_out)


def written(monkeypatch, gap, test=20.0):
    """Logs whose gap at sigma = .1 is a function of run and images seen; other levels say something else."""
    seen = [int(2 ** (k / 4)) for k in range(24, 64)]

    def log(run):
        at = runs.LOG_SIGMAS.index(0.1)
        rows = [[99.0] * len(runs.LOG_SIGMAS) for _ in range(2 * len(seen))]
        for k, t in enumerate(seen):
            rows[k][at], rows[k + len(seen)][at] = test + gap(run, t), test
        shares = [run.seed / 64 for _ in seen]
        return {"images_seen": seen, "train": rows[: len(seen)], "test": rows[len(seen) :], "copies": shares}

    monkeypatch.setattr(runs, "log", log)
    return seen


def test_a_curve_crosses_on_a_line_in_log_time():
    assert onset.crossing([10, 100, 1000], [0, 0.5, 1.5], 1) == pytest.approx(10**2.5)
    assert onset.crossing([10, 100, 1000], [0, 1, 1.5], 1) == pytest.approx(100)
    assert onset.crossing([10, 100], [2, 3], 1) == 10
    assert onset.crossing([10, 100], [0, 0.9], 1) is None
    assert onset.crossing([1, 10, 100, 1000], [0, 2, 0, 2], 1) == pytest.approx(10**0.5)  # the first time


def test_the_exponent_is_that_of_the_power_law():
    assert onset.exponent([2, 8, 32], [3 * n**1.25 for n in (2, 8, 32)]) == pytest.approx(1.25)
    assert onset.exponent([2, 8, 32], [7, 7, 7]) == pytest.approx(0)


def test_easy_images_are_no_memory(monkeypatch):
    """Training images that any network denoises better: the judge's gap is taken off."""
    written(monkeypatch, lambda run, t: 1.5)
    dark = {n: 0.1 * torch.rand(n, 1, 6, 7) for n in (4, 8)}
    study = made((4, 8), (2,), 1, dark)
    half = lambda y, sigma=None: 0.5 * y  # noqa: E731
    found = onset.courses(study, half)
    psnr = lambda x: -10 * math.log10(denoising_mse(half, x, 0.1).mean())  # noqa: E731
    for row in found:
        assert row.excess == pytest.approx(1.5 - (psnr(dark[row.n]) - psnr(study.held_out[:256])), abs=1e-4)
        assert row.views == row.images_seen / row.n
    assert max(found["excess"]) < 0
    assert set(onset.times(found)["apart"]) == {None}


def test_times_are_read_for_each_training(monkeypatch):
    written(monkeypatch, lambda run, t: math.log2(t / (100 * run.n * run.width)))
    study = made()
    moments = onset.courses(study, nothing)
    assert all(row.copies == row.seed / 64 for row in moments)
    found = onset.times(moments)
    assert [(row.n, row.width, row.seed) for row in found] == [(r.n, r.width, r.seed) for r in study.runs.values()]
    psnr = lambda x: -10 * math.log10(denoising_mse(nothing, x[:256], 0.1).mean())  # noqa: E731
    easy = {
        n: psnr(study.training(n, "2/0")) - psnr(study.held_out) for n in study.sizes
    }  # of the noise that was drawn
    for row in found:
        wanted = 100 * row.n * row.width * 2 ** (1 + easy[row.n])
        assert row.apart == pytest.approx(wanted, rel=0.01)
        assert row.views == row.apart / row.n


def test_the_law_is_the_mean_of_the_slopes_of_seeds_and_widths():
    tau = lambda n, width, seed: 30 * n ** (1 + 0.1 * seed + 0.01 * width)  # noqa: E731
    rows = [
        onset.Time(n, width, seed, tau(n, width, seed), tau(n, width, seed) / n)
        for n in (10, 100, 1000)
        for width in (2, 4)
        for seed in range(3)
    ]
    narrow, wide, every = onset.law(onset.Table(tuple(rows)))
    assert [narrow.networks, wide.networks, every.networks] == ["width 2", "width 4", "all"]
    assert (every.first, every.last, every.seeds) == (10, 1000, 3)
    slopes = np.array([1.02, 1.12, 1.22])
    assert narrow.apart.value == pytest.approx(1.12)
    assert narrow.apart.low == pytest.approx(student(np.mean, slopes).low)
    assert every.apart.low == pytest.approx(student(np.mean, np.concatenate([slopes, slopes + 0.02])).low)


def test_an_n_that_some_training_did_not_reach_is_left_out():
    """Else the slow seeds would be missing where N is large, and the exponent too small."""
    rows = [onset.Time(n, 2, seed, 7.0 * n, 7.0) for n in (10, 100) for seed in range(2)]
    rows += [onset.Time(1000, 2, 0, 50.0, 0.05), onset.Time(1000, 2, 1, None, None)]
    narrow, every = onset.law(onset.Table(tuple(rows)))
    assert narrow.apart.value == pytest.approx(1)
    assert narrow == onset.Law("width 2", 10, 1000, 2, every.apart, every.start, every.views)
    assert narrow.start.value == pytest.approx(0, abs=1e-6)
    assert narrow.views.value == pytest.approx(7)


def test_a_start_that_all_sets_share_is_told_from_views():
    rows = [
        onset.Time(n, width, seed, (1 + seed) * (500 + 9 * width * n), 1.0)
        for n in (10, 100, 1000)
        for width in (1, 2)
        for seed in range(2)
    ]
    narrow, wide, every = onset.law(onset.Table(tuple(rows)))
    assert (narrow.start.value, wide.start.value) == pytest.approx((750, 750))
    assert (narrow.views.value, wide.views.value) == pytest.approx((13.5, 27))
    assert every.views.value == pytest.approx(20.25)
    assert every.apart.value < 1
    two = onset.line([10, 100, 1000], [10.0, 200.0, 1000.0])  # relative errors: the small ones pull as hard
    assert abs(10 - (two[0] + 10 * two[1])) < abs(200 - (two[0] + 100 * two[1]))


def test_the_exponent_between_neighbours_is_that_of_each_training():
    """Times that start at a constant and end in proportion to N: 0, then 1; one training that never got there."""
    tau = {10: 100.0, 100: 100.0, 1000: 1000.0}
    rows = [onset.Time(n, 2, seed, t * (1 + seed), t / n) for n, t in tau.items() for seed in range(3)]
    rows[-1] = onset.Time(1000, 2, 2, None, None)
    flat, steep = onset.steps(onset.Table(tuple(rows)))
    assert (flat.first, flat.last, flat.trainings) == (10, 100, 3)
    assert (steep.first, steep.last, steep.trainings) == (100, 1000, 2)
    assert flat.exponent.value == pytest.approx(0, abs=1e-9)
    assert steep.exponent.value == pytest.approx(1)


def test_the_runs_are_small_sets_at_a_constant_rate_seen_equally_often():
    found = onset_runs("laptop")
    assert {run.schedule for run in found} == {"constant"}
    assert {run.half for run in found} == {"A"}
    assert {run.images_seen / run.n for run in found} == {512}
    assert len({(run.n, run.width, run.seed) for run in found}) == len(found) == 24
