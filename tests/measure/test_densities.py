"""Log densities: of Gaussian images, whose density is known, by the Wiener denoiser, which is optimal there."""

import math

import numpy as np
import pytest
import torch

from ghr.experiments import Study
from ghr.images import Halves
from ghr.measure import densities
from ghr.recipes import Run
from ghr.references import WienerDenoiser

H, W = 3, 5
VARIANCES = torch.linspace(0.1, 1.5, H * W, dtype=torch.float64).view(1, H, W)
MEAN = 0.5


def images(n, seed=0):
    z = torch.randn(n, 1, H, W, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return MEAN + VARIANCES.sqrt() * z


def wiener(y, sigma=None):
    return MEAN + VARIANCES / (VARIANCES + sigma**2) * (y - MEAN)


def exact(x):
    """Nats."""
    squares = ((x - MEAN).square() / VARIANCES).flatten(1).sum(1)
    return ((squares + VARIANCES.log().sum() + H * W * math.log(2 * math.pi)) / 2).numpy()


def test_the_optimal_denoiser_knows_the_density():
    """Over all noise levels the integral is the log density of every image, itself and not up to a shift."""
    x = images(6)
    found = densities.surprise(wiener, x.repeat(800, 1, 1, 1), np.geomspace(1e-3, 1e3, 60), draws=1)
    found = found.reshape(800, 6).mean(0)  # of 1,600 draws of noise
    assert found == pytest.approx(exact(x), abs=0.6)
    assert np.corrcoef(found, exact(x))[0, 1] > 0.99


def test_a_worse_denoiser_is_more_surprised():
    """Its errors are larger on average: the mean over images rises (cross entropy)."""
    x, levels = images(200), np.geomspace(0.02, 50, 40)
    own = densities.surprise(wiener, x, levels, draws=1)
    other = densities.surprise(lambda y, sigma=None: 0.9 * wiener(y, sigma), x, levels, draws=1)
    assert other.mean() > own.mean() + 0.5


def test_levels_that_are_cut_leave_the_rest_out():
    """Two ranges side by side add up."""
    x, levels = images(4), np.geomspace(0.02, 2, 21)
    zero = lambda y, sigma=None: 0 * y  # noqa: E731
    constant = H * W / 2 * math.log(2 * math.pi * math.e)
    parts = [densities.surprise(zero, x, part, draws=1) - constant for part in (levels[:11], levels[10:])]
    assert densities.surprise(zero, x, levels, draws=1) - constant == pytest.approx(sum(parts))
    squares = x.flatten(1).square().sum(1).numpy()
    whole = [(H * W * s**2 / (1 + s**2) - squares[0]) / s**2 for s in levels]
    assert sum(parts)[0] == pytest.approx(-np.trapezoid(whole, np.log(levels)))


def study(a, b):
    x = images(40, 1)
    chosen = {(40, half): Run(n=40, half=half, size=8) for half in "AB"}
    return Study("avatars", chosen, {(40, "A"): a, (40, "B"): b}, {40: Halves(x, x, x)}, x)


def asked(networks, exact=None):
    return densities.surprises(networks, exact=exact, images=40, sigmas=np.geomspace(0.1, 10, 30), draws=8)


def test_what_is_asked_of_each_image_is_its_surprise():
    """Three times, each with noise of its own; of the optimum in place of B where it is given."""
    levels = np.geomspace(0.1, 10, 30)
    wrong = lambda y, sigma=None: y + 1  # noqa: E731
    x = images(40, 1)
    for exact in (None, lambda y, sigma=None: 0.5 * y):
        found = asked(study(wiener, wrong), exact)
        assert set(found["other"]) == {"exact" if exact else "B"}
        for seed, (field, f) in enumerate((("first", wiener), ("again", wiener), ("second", exact or wrong))):
            wanted = densities.surprise(f, x, levels, draws=8, seed=seed) / (H * W)
            assert found[field] == pytest.approx(wanted)
    assert found["first"] != found["again"]


def test_equal_networks_know_the_same_up_to_noise():
    found = densities.densities(asked(study(wiener, wiener)))
    for row in found:
        assert row.correlation.value > 0.8
        assert row.correlation.low <= row.correlation.value <= row.correlation.high
        assert row.slope.value == pytest.approx(1, abs=0.25)
        assert row.spread.value < 0.7 * row.range.value
    assert [row.other for row in found] == ["B", "A"]


def test_a_network_that_knows_nothing_agrees_with_nobody():
    """One whose error is that of its noise finds all images alike."""
    wrong = lambda y, sigma=None: y + 1  # noqa: E731
    found = densities.densities(asked(study(wiener, wrong)))
    pair, again = found
    assert pair.correlation.low < 0 < pair.correlation.high
    assert abs(pair.slope.value) < 0.2
    assert pair.spread.value > 0.9 * pair.range.value
    assert again.correlation.value > 0.8


def test_statistics_of_pairs():
    a, b = np.array([0.0, 1, 2, 3]), np.array([1.0, 3, 5, 7])
    assert densities.correlation(a, b) == pytest.approx(1)
    assert densities.correlation(a, -b) == pytest.approx(-1)
    assert densities.slope(a, b) == pytest.approx(2)
    assert densities.spread(a, b) == pytest.approx(np.std(a))
    assert densities.spread(a, a + 5) == pytest.approx(0)
    assert densities.correlation(np.stack([a, a]), np.stack([b, -b])) == pytest.approx([1, -1])


def test_what_is_linear_in_something_simple_is_taken_out():
    """Of a = c + e and b = 2c + e', independent e and e', c leaves nothing; of c + e and 2c + e it leaves all."""
    e = np.random.default_rng(0).standard_normal((3, 4000))
    a, b, c = e[0] + e[2], e[1] + 2 * e[2], e[2]
    assert densities.correlation(a, b) > 0.5
    assert densities.partial_correlation(a, b, c) == pytest.approx(0, abs=4 / 4000**0.5)
    assert densities.partial_correlation(a, e[0] - 2 * c, c) == pytest.approx(1)
    rests = [v - np.polyval(np.polyfit(c, v, 1), c) for v in (a, b)]
    assert densities.partial_correlation(a, b, c) == pytest.approx(np.corrcoef(rests)[0, 1])


def test_simple_things_are_those_of_the_images():
    """Wiener's denoiser of the training images, with noise that no network was asked with; contrast and edges."""
    networks = study(wiener, wiener)
    found, levels = asked(networks), np.geomspace(0.1, 10, 30)
    table = densities.simple(found, networks, sigmas=levels, draws=8)
    assert table["known"] == ["squared contrast", "gradient energy", "Wiener"]
    x = images(40, 1)
    expected = densities.surprise(WienerDenoiser(x), x, levels, draws=8, seed=3)
    assert table.rows[2].correlation.value == pytest.approx(np.corrcoef(found["first"], expected)[0, 1])
    contrast = x.flatten(1).var(1, correction=0).numpy()
    assert table.rows[0].correlation.value == pytest.approx(np.corrcoef(found["first"], contrast)[0, 1])
    edges = (x.diff(dim=-1).square().mean((1, 2, 3)) + x.diff(dim=-2).square().mean((1, 2, 3))).numpy()
    assert table.rows[1].correlation.value == pytest.approx(np.corrcoef(found["first"], edges)[0, 1])
    expected = densities.partial_correlation(*(np.array(found[k]) for k in ("first", "second")), edges)
    assert table.rows[1].partial.value == pytest.approx(expected)
