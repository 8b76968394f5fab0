"""The accounts of exact optima balance, and those of other denoisers are off by what is known."""

import numpy as np
import pytest
import torch

from ghr.experiments import Study
from ghr.images import Halves
from ghr.images.photographs import Regions
from ghr.measure import balance
from ghr.recipes import Run

H, W = 7, 13
D = H * W
VARIANCES = torch.logspace(0, -4, D, dtype=torch.float64).view(1, H, W)  # of each pixel, which are independent


def wiener(y, sigma):
    """The exact denoiser of such images."""
    return y * (VARIANCES / (VARIANCES + sigma**2)).to(y)


def white(n, seed=7):  # another seed than the noise's
    return torch.randn(n, 1, H, W, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def study(x, f, regions=None, sizes=(300,)):
    keys = [(n, half) for n in sizes for half in "AB"]
    made = {key: Run(images="discs", size=8, n=key[0], half=key[1]) for key in keys}
    halves = {n: Halves(x, x, x) for n, _ in keys}
    return Study("discs", made, dict.fromkeys(keys, f), halves, x, regions)


@pytest.fixture(scope="module")
def optimum():
    """Tables of the exact optimum at 200 images."""
    return balance.balance(study(white(200) * VARIANCES.sqrt(), wiener, sizes=(1, 10, 300)), tested=200)


def test_for_the_exact_optimum_everything_is_one(optimum):
    levels, rows = optimum
    for row in levels.where(n=300, half="A"):
        for e in (row.sc, row.stein, row.seen):
            assert abs(e.value - 1) < e.high - e.low  # four standard errors
        assert row.sc.high - row.sc.low < 0.4
        kept = (VARIANCES / (VARIANCES + row.sigma**2)).sum().item()
        assert row.trace.value == pytest.approx(kept, rel=1e-6)  # the probes of a diagonal matrix are exact
        assert row.psnr.value == pytest.approx(-10 * np.log10(row.sigma**2 * kept / D), abs=0.1)
        assert row.input_psnr == pytest.approx(-20 * np.log10(row.sigma))
    (row,) = rows.where(n=300, half="A")
    assert 0.88 < row.smallest.value <= row.largest.value < 1.12
    assert row.misjudged.value < 0.03


def test_both_halves_where_targets_are_and_one_elsewhere(optimum):
    _, rows = optimum
    assert [(row.n, row.half) for row in rows] == [(1, "A"), (10, "A"), (10, "B"), (300, "A"), (300, "B")]


def test_extremes_are_over_moderate_noise_alone(optimum):
    levels, rows = optimum
    (row,) = rows.where(n=300, half="B")
    inside = [level.sc.value for level in levels.where(n=300, half="B") if level.sigma <= 0.5]
    assert 0 < len(inside) < len(levels.where(n=300, half="B").rows)
    assert (row.smallest.value, row.largest.value) == pytest.approx((min(inside), max(inside)))


def test_what_leaves_noise_in_keeps_all_dimensions_and_sees_no_noise_level():
    """f(y) = y: error sigma^2, tr J = d, so SC and Stein's ratio are 1, and sigma_hat is 0 / 0."""
    levels, rows = balance.balance(study(white(50), lambda y, sigma=None: y), tested=50)
    for row in levels.where(n=300):
        assert row.trace.value == D
        assert row.sc.value == pytest.approx(1, abs=4 * (2 / 50 / D) ** 0.5)
        assert row.stein.value == pytest.approx(1, abs=4 * (2 / 50 / D) ** 0.5)
        assert row.seen is None
    assert rows["misjudged"] == [None, None]


def test_a_denoiser_that_takes_noise_for_weaker_errs_more_than_it_keeps():
    x = white(500) * VARIANCES.sqrt()
    found = balance.accounts(lambda y, sigma: wiener(y, sigma / 2), x, (0.1, 0.2))
    sc = balance.self_consistency(found.errors, found.traces, np.array([0.1, 0.2]), D)
    for k, sigma in enumerate((0.1, 0.2)):
        a = VARIANCES / (VARIANCES + sigma**2 / 4)
        expected = ((1 - a) ** 2 * VARIANCES + a**2 * sigma**2).sum() / (sigma**2 * a.sum())
        assert sc[k] == pytest.approx(expected.item(), rel=0.03)


def test_self_consistency_takes_one_level_or_one_for_each_row():
    errors, traces = np.full((2, 5, 4), 0.02), np.full((2, 5, 4), 10.0)
    assert balance.self_consistency(errors[0, 0], traces[0, 0], 0.1, 50) == pytest.approx(10)
    of_rows = balance.self_consistency(errors, traces, np.array([0.1, 0.2]), 50)
    assert of_rows.shape == (2, 5)
    assert of_rows[:, 0] == pytest.approx([10, 2.5])


def test_the_noise_level_is_misjudged_by_the_worst_mean():
    sigma = np.array([0.1, 0.5])
    seen = np.array([[0.09, 0.11], [0.4, 0.5]])
    assert balance.misjudged(seen, sigma) == pytest.approx(0.1)
    assert balance.misjudged(np.stack([seen, seen], 1), sigma).tolist() == pytest.approx([0.1, 0.1])


def test_images_of_one_region_are_drawn_together():
    """Twenty images, each five times: intervals are wider than of a hundred independent ones."""
    x = (white(20) * VARIANCES.sqrt()).repeat_interleave(5, 0)
    x = x * torch.linspace(0.5, 1.5, 20, dtype=x.dtype).repeat_interleave(5).view(-1, 1, 1, 1)
    labels = np.repeat(np.arange(20), 5)
    alone, together = (
        balance.balance(study(x, wiener, regions), tested=100)[0].rows[-1]
        for regions in (None, Regions(labels, labels, labels))
    )
    assert together.psnr.value == alone.psnr.value
    assert together.psnr.high - together.psnr.low > 1.5 * (alone.psnr.high - alone.psnr.low)
