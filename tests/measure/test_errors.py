"""Training against test: denoisers whose errors are known, and logs made up for the purpose."""

import csv
import io
import math

import numpy as np
import pytest
import torch

from ghr import runs
from ghr.experiments import Study
from ghr.images import Halves
from ghr.images.photographs import Regions
from ghr.measure import errors
from ghr.noise import SIGMAS, add_noise
from ghr.recipes import Run
from ghr.references import BlindEmpiricalDenoiser, EmpiricalDenoiser, WienerDenoiser
from ghr.stats import estimate, psnr_gap, psnr_of_mean, slope

H, W = 7, 13
SIGMA_21 = 10 ** (-21 / 20)


def pictures(n, seed=0):
    return torch.rand(n, 1, H, W, generator=torch.Generator().manual_seed(seed))


def made(denoisers, data, held_out, regions=None):
    """A study of stand-ins: {(n, half): denoiser}, {n: (A's images, B's)}."""
    chosen = {key: Run(n=key[0], half=key[1][0], size=8) for key in denoisers}
    halves = {n: Halves(a, b, held_out) for n, (a, b) in data.items()}
    return Study("toys", chosen, denoisers, halves, held_out, regions)


def constant(image):
    return lambda y, sigma=None: image.expand_as(y)


def shrinking(factor):
    return lambda y, sigma=None: factor * y


def psnr_left(f, x, sigma, seed=0):
    """PSNR of the mean error, by the definition."""
    y = add_noise(x, sigma, torch.Generator().manual_seed(seed))
    return -10 * math.log10((f(y) - x).double().square().mean().item())


# Statistics -------------------------------------------------------------------------------------------------------


def test_the_mean_gap_is_the_mean_over_noise_levels():
    train, test = np.array([[0.01, 0.03], [0.2, 0.2]]), np.array([[0.1, 0.3], [0.2, 0.2]])
    assert errors.mean_gap(train, test) == pytest.approx((10 + 0) / 2)


def test_resamples_are_measured_one_by_one():
    rng = np.random.default_rng(0)
    train, test = rng.exponential(size=(2, 3, 4, 6))  # levels, resamples, images
    alone = [errors.mean_gap(train[:, k], test[:, k]) for k in range(4)]
    assert errors.mean_gap(train, test, axis=-1) == pytest.approx(alone)


# What is measured -------------------------------------------------------------------------------------------------


def test_errors_are_those_of_one_noise_for_every_denoiser():
    x = pictures(70)
    found = errors.errors(shrinking(1.0), x, [0.1, 0.4], seed=3)
    z = torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
    assert found.shape == (2, 70)
    assert found[0] == pytest.approx((0.1 * z).square().mean((1, 2, 3)).numpy(), rel=1e-4)
    assert found[1] == pytest.approx(16 * found[0], rel=1e-4)
    assert errors.errors(shrinking(0.0), x, [0.4]) == pytest.approx(x.square().mean((1, 2, 3)).numpy()[None], rel=1e-4)


def test_small_sets_are_repeated_and_the_largest_meets_more_images():
    a, b = pictures(1000), pictures(1000, seed=1)
    keys = [(n, half) for n in (3, 1000) for half in "AB"]
    study = made(dict.fromkeys(keys, shrinking(1.0)), {3: (a[:3], b[:3]), 1000: (a, b)}, pictures(800, seed=2))
    repeated = errors.training_images(study, 3, "B")
    assert len(repeated) == len(errors.held_out(study, 3)) == 300
    assert torch.equal(repeated[:6], torch.cat([b[:3], b[:3]]))
    assert torch.equal(errors.training_images(study, 1000, "A"), a[:500])
    assert torch.equal(errors.held_out(study, 1000), study.held_out[:500])
    few = made({(3, "A"): shrinking(1.0)}, {3: (a[:3], b[:3])}, pictures(20, seed=2))
    assert len(errors.training_images(few, 3, "A")) == len(errors.held_out(few, 3)) == 20


def test_a_network_that_knows_no_image_has_no_gap():
    """Training images are the test images, and noise is the same: all errors are equal."""
    x = pictures(200)
    keys = [(n, half) for n in (100, 200) for half in "AB"]
    study = made(dict.fromkeys(keys, shrinking(0.8)), dict.fromkeys((100, 200), (x, x)), x)
    curves, gaps = errors.generalization(study)
    assert [e.value for e in curves["gap"]] == [0] * 4 * 16
    assert [e.value for e in gaps["gap"] + gaps["mean"]] == [0] * 8
    assert gaps["views"] == [study.runs[n, half].images_seen / n for n, half in keys]
    assert all(e.low < 0 < e.high for e in curves["gap"])  # two sets of images, drawn by themselves


def test_curves_and_gaps_are_those_of_the_definition():
    """Networks that answer with one of two images, each trained on one of them."""
    a, b, held_out = pictures(1), pictures(1, seed=1), pictures(40, seed=2)
    study = made({(1, "A"): constant(0.9 * a), (1, "B"): shrinking(0.7)}, {1: (a, b)}, held_out)
    curves, gaps = errors.generalization(study, seed=5)
    assert len(curves.rows) == 2 * 16
    assert curves.rows[-1].input_psnr == 21
    assert [row.sigma for row in curves.where(half="A")][:15] == pytest.approx(SIGMAS)
    for row in curves:
        f, own = (constant(0.9 * a), a) if row.half == "A" else (shrinking(0.7), b)
        train = psnr_left(f, own.expand(40, -1, -1, -1), row.sigma, 5)
        test = psnr_left(f, held_out, row.sigma, 5)
        found = row.training.value, row.test.value, row.gap.value
        assert found == pytest.approx((train, test, train - test), abs=1e-3)
    for row in gaps:
        curve = [e.value for e in curves.where(half=row.half)["gap"]]
        assert row.gap.value == curve[-1]
        assert row.mean.value == pytest.approx(np.mean(curve[:-1]))
        assert row.test == curves.where(half=row.half).rows[-1].test


def test_whole_regions_are_drawn_unless_training_images_are_repeated():
    """Forty test patches of ten regions; a set of twenty is repeated, one of fifty is not."""
    a, b, held_out = pictures(50), pictures(50, seed=1), pictures(40, seed=2)
    labels = np.arange(50) // 5
    regions = Regions(labels, labels[::-1].copy(), np.arange(40) // 4)
    keys = [(n, half) for n in (20, 50) for half in "AB"]
    data = {20: (a[:20], b[:20]), 50: (a, b)}
    study = made(dict.fromkeys(keys, shrinking(0.9)), data, held_out, regions)
    curves, gaps = errors.generalization(study)
    for n, half, of_training in ((20, "A", None), (50, "A", labels[:40]), (50, "B", labels[::-1][:40])):
        train, test = (
            errors.errors(shrinking(0.9), x, [SIGMA_21])[0]
            for x in (errors.training_images(study, n, half), errors.held_out(study, n))
        )
        both = [of_training, regions.held_out]
        assert gaps.where(n=n, half=half).rows[0].gap == estimate(psnr_gap, train, test, regions=both, paired=False)
        row = curves.where(n=n, half=half).rows[-1]
        assert row.training == estimate(psnr_of_mean, train, regions=of_training)
        assert row.test == estimate(psnr_of_mean, test, regions=regions.held_out)


def test_exchanged_networks_tell_easy_images_from_known_ones():
    a, b, held_out = pictures(1), pictures(1, seed=1), pictures(40, seed=2)
    study = made({(1, "A"): constant(0.9 * a), (1, "B"): constant(0.8 * b)}, {1: (a, b)}, held_out)
    (row,) = errors.exchange(study)
    mse = lambda x, y: (x - y).double().square().mean().item()  # noqa: E731
    on_a = 10 * math.log10(mse(0.8 * b, a) / mse(0.9 * a, a))
    on_b = 10 * math.log10(mse(0.9 * a, b) / mse(0.8 * b, b))
    assert (row.on_a.value, row.on_b.value) == pytest.approx((on_a, on_b), abs=1e-4)
    assert (row.own, row.better) == pytest.approx(((on_a + on_b) / 2, (on_a - on_b) / 2), abs=1e-4)
    same = made({(1, "A"): shrinking(0.9), (1, "B"): shrinking(0.9)}, {1: (a, b)}, held_out)
    (row,) = errors.exchange(same)
    assert (row.on_a.value, row.on_a.high, row.on_b.value, row.own, row.better) == (0, 0, 0, 0, 0)


def test_of_one_image_memory_and_wiener_are_constant(monkeypatch):
    """Memory has no error on it; Wiener has no covariance to shrink with."""
    monkeypatch.setattr(errors, "memory", lambda study, n: EmpiricalDenoiser(study.training(n)))
    x, held_out = pictures(1), pictures(50, seed=2)
    study = made({(1, "A"): shrinking(1.0)}, {1: (x, pictures(1, seed=1))}, held_out)
    table = errors.rivals(study)
    assert table["sigma"] == pytest.approx(SIGMAS)
    expected = -10 * math.log10((x - held_out).double().square().mean().item())
    for row in table:
        assert row.memory_training > 100
        assert row.memory_test == pytest.approx(expected, abs=1e-4)
        assert row.wiener.value == pytest.approx(expected, abs=1e-4)
        assert row.wiener.low < expected < row.wiener.high


def test_memory_is_as_blind_as_its_run():
    study = made({(5, "A"): shrinking(1.0)}, {5: (pictures(5), pictures(5, seed=1))}, pictures(9, seed=2))
    found, y = errors.memory(study, 5), pictures(3, seed=3)
    run = study.runs[5, "A"]
    same = BlindEmpiricalDenoiser(pictures(5), sigma_law=run.sigma_law, loss_weight=run.loss_weight)
    assert torch.equal(found(y), same(y))


def test_wiener_is_not_better_than_itself():
    x, held_out = pictures(60), pictures(50, seed=2)
    study = made({(60, "A"): WienerDenoiser(x), (2, "A"): shrinking(0.0)}, {60: (x, x), 2: (x, x)}, held_out)
    table = errors.over_wiener(study)
    assert {row.n for row in table} == {60}
    assert [(e.low, e.value, e.high) for e in table["gain"]] == [(0, 0, 0)] * 15
    worse = made({(60, "A"): shrinking(0.0)}, {60: (x, x)}, held_out)
    assert all(e.high < 0 for e in errors.over_wiener(worse)["gain"])


def test_slope_of_the_measured_curve():
    """Output PSNR falls by half of what input PSNR does."""
    at = np.array([6.0, 9.0, 20.0])
    assert slope(10 ** -(at / 20)[:, None].repeat(3, 1), at) == pytest.approx(0.5)


# Logs -------------------------------------------------------------------------------------------------------------


def test_onsets_are_first_times_in_the_log(monkeypatch):
    """N = 2 memorizes at 200 images and never generalizes; N = 50 generalizes at 200 (A) and 100 (B)."""
    column = runs.LOG_SIGMAS.index(0.1)

    def log(train, test, copies=None):
        row = lambda psnr: [psnr if k == column else 99.0 for k in range(len(runs.LOG_SIGMAS))]  # noqa: E731
        found = {"images_seen": [100, 200, 400], "train": list(map(row, train)), "test": list(map(row, test))}
        return found | ({"copies": copies} if copies else {})

    logs = {
        (2, "A"): log((20.0, 26.0, 30.0), (20.0, 21.0, 19.0), [None, 0.25, 0.75]),
        (2, "B"): log((20.0, 21.0, 22.0), (20.0, 21.0, 22.5)),
        (50, "A"): log((20.0, 23.9, 25.0), (20.0, 23.5, 25.0), [0.0, 0.0, 0.0]),
        (50, "B"): log((23.5, 23.6, 24.0), (23.6, 23.6, 24.0), [0.0, 0.0, 0.125]),
    }
    study = made(dict.fromkeys(logs, shrinking(1.0)), {n: (pictures(n),) * 2 for n in (2, 50)}, pictures(3))
    monkeypatch.setattr(runs, "log", lambda run: logs[run.n, run.half])
    moments = errors.learning(study)
    assert len(moments.rows) == 12
    assert moments.where(n=2, half="A")["views"] == [50, 100, 200]
    assert moments.where(n=2, half="A")["training"] == [20, 26, 30]
    assert moments.where(n=50, half="B")["test"] == [23.6, 23.6, 24]
    assert moments.where(n=2, half="A")["gap"] == [0, 5, 11]
    assert moments.rows[0].copies is None
    table = errors.onsets(moments)
    assert table["level"] == [23.5] * 4  # half a dB below the worse of the two largest
    assert table["generalizing"] == [None, None, 200, 100]
    assert table["memorizing"] == [200, None, None, None]
    assert table["views"] == [100, None, None, None]
    assert table["copies"] == [0.75, None, 0.0, 0.125]


def test_tables_come_back_from_csv():
    a, held_out = pictures(1), pictures(40, seed=2)
    study = made({(1, "A"): constant(0.9 * a)}, {1: (a, a)}, held_out)
    _, gaps = errors.generalization(study)
    (row,) = csv.DictReader(io.StringIO(gaps.csv()))
    assert [float(row[k]) for k in ("mean", "mean_low", "mean_high")] == [
        gaps.rows[0].mean.value,
        gaps.rows[0].mean.low,
        gaps.rows[0].mean.high,
    ]
