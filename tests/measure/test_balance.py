"""The accounts of exact optima balance, and those of other denoisers are off by what is known."""

import numpy as np
import pytest
import torch

from ghr.experiments import Study
from ghr.images import Halves
from ghr.images.photographs import Regions
from ghr.measure import balance
from ghr.noise import add_noise
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
    """Table of the exact optimum at 200 images."""
    return balance.levels(study(white(200) * VARIANCES.sqrt(), wiener, sizes=(1, 300)), tested=200)


def test_for_the_exact_optimum_everything_is_one_and_nothing_is_left_out(optimum):
    for row in optimum.where(n=300):
        for e in (row.sc, row.stein, row.seen):
            assert abs(e.value - 1) < e.high - e.low  # four standard errors
        assert row.sc.high - row.sc.low < 0.4
        kept = (VARIANCES / (VARIANCES + row.sigma**2)).sum().item()
        assert row.trace.value == pytest.approx(kept, rel=1e-6)  # the probes of a diagonal matrix are exact
        assert row.psnr.value == pytest.approx(-10 * np.log10(row.sigma**2 * kept / D), abs=0.1)
        assert row.input_psnr == pytest.approx(-20 * np.log10(row.sigma))
        assert (row.loss.value, row.left.value) == pytest.approx((0, 0), abs=1e-9)


def test_each_network_of_one_half_has_a_row_for_each_level(optimum):
    assert [(row.n, row.half, row.sigma) for row in optimum] == [(n, "A", s) for n in (1, 300) for s in balance.SIGMAS]
    assert set(optimum["tested"]) == {200}


def test_what_leaves_noise_in_keeps_all_dimensions_and_sees_no_noise_level():
    """f(y) = y: error sigma^2, tr J = d, so SC and Stein's ratio are 1, and sigma_hat is 0 / 0."""
    for row in balance.levels(study(white(50), lambda y, sigma=None: y), tested=50):
        assert row.trace.value == D
        assert row.sc.value == pytest.approx(1, abs=4 * (2 / 50 / D) ** 0.5)
        assert row.stein.value == pytest.approx(1, abs=4 * (2 / 50 / D) ** 0.5)
        assert row.seen is None


def test_what_the_symmetric_part_leaves_out_is_the_rest():
    """f(y) = (y + y turned upside down and shifted by a column) / 2, and S takes its transpose as well."""

    def turned(y, sigma=None):
        return (y + y.flip(2).roll(1, 3)) / 2

    x = white(60)
    found = balance.accounts(turned, x, (0.1,))
    y = add_noise(x, 0.1, torch.Generator().manual_seed(0))
    s_y = turned(y) / 2 + (y + y.roll(-1, 3).flip(2)) / 4
    assert found.symmetric[0] == pytest.approx((s_y - x).square().mean((1, 2, 3)).numpy())
    assert found.left[0] == pytest.approx((turned(y) - s_y).square().mean((1, 2, 3)).numpy())
    assert found.power[0] == pytest.approx(turned(y).square().mean((1, 2, 3)).numpy())
    (row,) = [row for row in balance.levels(study(x, turned), tested=60) if row.sigma == 0.1]
    assert row.left.value == pytest.approx(found.left[0].sum() / found.power[0].sum())
    assert row.loss.value == pytest.approx(10 * np.log10(found.symmetric[0].mean() / found.errors[0].mean()))


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


def test_of_photographs_one_image_of_each_region_counts():
    labels = np.repeat(np.arange(20), 5)
    x = white(100) * VARIANCES.sqrt()
    of_regions = balance.levels(study(x, wiener, Regions(labels, labels, labels)), tested=100)
    alone = balance.levels(study(x[::5], wiener), tested=100)
    assert of_regions["tested"] == alone["tested"] == [20] * len(balance.SIGMAS)
    assert of_regions["psnr"] == alone["psnr"]


def test_the_blind_optimum_balances_and_its_matrix_is_not_symmetric():
    """Of Gaussian images it errs as the dimensions that it keeps say, and sees the noise level that nobody told it."""
    pixels = 0.5 + 0.2 * white(400, 1) * VARIANCES.sqrt().roll(D // 2)
    found = balance.blind(study(pixels, wiener), tested=100)
    assert [row.sigma for row in found] == list(balance.SIGMAS)
    for row in found.where(sigma=0.1):
        assert abs(row.sc.value - 1) < row.sc.high - row.sc.low
        assert row.seen.value == pytest.approx(1, abs=0.02)
        assert row.left.low > 0
        assert row.loss.low > 0.3
    assert (found.rows[0].n, found.rows[0].tested, found.rows[0].images) == (300, 100, "discs")
