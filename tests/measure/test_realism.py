"""Sets of images that are told apart or not: known answers, brute force, and a network whose features are plain."""

import itertools

import numpy as np
import pytest
import torch
from scipy import linalg, stats

from ghr.experiments import Study
from ghr.images import Halves
from ghr.images.photographs import Regions
from ghr.measure import realism
from ghr.measure.samples import Samples
from ghr.networks import UNet
from ghr.recipes import Run

H, W = 8, 12


def pictures(n, seed=0):
    """Rough images: a blur takes much from them."""
    return torch.rand(n, 1, H, W, generator=torch.Generator().manual_seed(seed))


def judge():
    torch.manual_seed(0)
    return UNet(width=2, scales=2).eval()


def drawn(a, b, held_out, regions=None, width=16):
    chosen = {(7, half): Run(n=7, half=half, size=8, width=width) for half in "AB"}
    study = Study("toys", chosen, dict.fromkeys(chosen, judge()), {7: Halves(a, b, held_out)}, held_out, regions)
    return Samples(study, {7: range(len(a))}, {(7, "A"): a, (7, "B"): b}, {}, {}, {})


def test_features_are_means_and_deviations_of_the_encoder():
    f, x = judge(), pictures(5)
    found = realism.features(f, x, batch=2)
    assert found.shape == (5, 2 * (2 + 4 + 8))
    first = f.encoder[0](x)
    second = f.encoder[1](f.pool(first))
    assert found[:, :2] == pytest.approx(first.mean((2, 3)).detach().numpy(), abs=1e-6)
    assert found[:, 2:4] == pytest.approx(first.std((2, 3), correction=0).detach().numpy(), abs=1e-6)
    assert found[:, 4:8] == pytest.approx(second.mean((2, 3)).detach().numpy(), abs=1e-6)
    assert not any(block._forward_hooks for block in (*f.encoder, f.middle))


def test_a_blur_keeps_the_mean_of_a_wave_and_halves_a_middle_one():
    """The factor at frequency w is (1 + cos w) / 2 in each direction."""
    columns = torch.arange(W)
    wave = torch.cos(torch.pi / 2 * columns).expand(1, 1, H, W)
    assert torch.allclose(realism.blurred(wave)[..., 1:-1], 0.5 * wave[..., 1:-1], atol=1e-6)
    checks = ((-1.0) ** (columns + torch.arange(H)[:, None]))[None, None]
    assert realism.blurred(checks).abs().max() < 1e-6
    assert torch.allclose(realism.blurred(torch.ones(2, 1, H, W)), torch.ones(()), atol=1e-6)


def test_the_area_is_the_share_of_pairs_in_order():
    a, b = np.array([0.0, 1, 1, 3]), np.array([1.0, 2, 3])
    of_a, of_b = realism.area(a, b)
    pairs = [1 if y > x else 0.5 if y == x else 0 for x, y in itertools.product(a, b)]
    assert of_a.mean() == pytest.approx(np.mean(pairs))
    assert of_b.mean() == pytest.approx(np.mean(pairs))
    assert of_a.mean() == pytest.approx(stats.mannwhitneyu(b, a).statistic / 12)
    assert realism.area(a, a)[0].mean() == 0.5


def test_the_classifier_reaches_the_best_area_of_two_gaussians():
    """Of shift m in units of the spread no classifier has more than Phi(m / sqrt 2); of one law it has 1/2."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 2000, 5))
    groups = (np.arange(2000), np.arange(2000))
    assert realism.area(*realism.scores(a, b, groups))[0].mean() == pytest.approx(0.5, abs=0.03)
    b[:, 2] += 1
    mixed = rng.normal(size=(5, 5))  # a linear map of all features changes nothing, but for the shrinkage
    for map_ in (np.eye(5), mixed):
        found = realism.area(*realism.scores(a @ map_, b @ map_, groups))[0].mean()
        assert found == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.03)


def test_no_point_is_scored_by_a_classifier_that_has_seen_its_group():
    """Forty groups of equal points, labelled at random: who learns them by heart tells all apart."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(80, 60))
    a, b = np.repeat(centres[:40], 5, 0), np.repeat(centres[40:], 5, 0)
    apart = np.arange(200)
    together = np.repeat(np.arange(40), 5)
    assert realism.area(*realism.scores(a, b, (apart, apart)))[0].mean() > 0.95
    assert realism.area(*realism.scores(a, b, (together, together)))[0].mean() < 0.65


def test_one_group_cannot_be_tested():
    x = np.zeros((4, 2))
    with pytest.raises(ValueError, match="needs two groups"):
        realism.scores(x, x, (np.zeros(4, int), np.arange(4)))


def test_the_frechet_distance_is_that_of_the_formula():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)), 3 + rng.normal(size=(60, 4))
    cov = [np.cov(x.T, bias=True) for x in (a, b)]
    wanted = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(cov[0] + cov[1] - 2 * linalg.sqrtm(cov[0] @ cov[1]).real)
    assert realism.frechet(a, b) == pytest.approx(wanted, rel=1e-6)
    assert realism.frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert realism.frechet(a, 2 + a) == pytest.approx(4 * 4)


def test_samples_of_the_law_pass_and_blurred_ones_do_not():
    x, held_out = pictures(100, 1), pictures(400, 9)
    good, poor = drawn(x, x, held_out), drawn(realism.blurred(x), realism.blurred(x), held_out, width=32)
    passing, failing, null, check = realism.realism(judge(), good, poor)
    assert (passing.kind, passing.n, passing.width, passing.count, passing.size) == ("samples", 7, 16, 200, 100)
    assert (null.kind, null.n, null.count, check.kind) == ("held out", None, 200, "held out, blurred")
    for row in (passing, null):
        assert row.auc.low < 0.5 < row.auc.high
        assert row.distance.value == pytest.approx(1, abs=0.5)  # two sets of 100 images: a fifth of scatter
    for row in (failing, check):
        assert row.auc.low > 0.9
        assert row.distance.low > 2


def test_sets_of_two_networks_are_compared_at_one_size():
    """A larger set of the same law would look further from the real one: more of it than of chance is seen."""
    x, held_out = realism.blurred(pictures(150, 1)), pictures(400, 9)
    large, small = drawn(x, x, held_out), drawn(x[:30], x[:30], held_out, width=32)
    both = realism.realism(judge(), large, small)
    assert set(both["size"]) == {30}
    assert both.rows[0].count == both.rows[1].count == 60
    assert (both.rows[0].auc, both.rows[0].distance) == (both.rows[1].auc, both.rows[1].distance)
    assert realism.realism(judge(), large).rows[0].distance.value > 1.5 * both.rows[0].distance.value


def test_what_is_of_one_network_counts_once_and_silent_channels_not_at_all():
    f = judge()
    with torch.no_grad():
        f.encoder[0][0].weight[0] = 0  # nothing passes this channel
    x = drawn(pictures(40, 1), pictures(40, 2), pictures(120, 9))
    rows = realism.realism(f, x, x)
    assert [row.kind for row in rows] == ["samples", "held out", "held out, blurred"]
    assert np.isfinite([row.distance.high for row in rows]).all()


def test_regions_of_photographs_are_left_out_together():
    """Each region has a brightness of its own, in both parts' null: within one region all is known."""
    places = np.repeat(np.arange(20), 10)
    bright = 4 * torch.rand(20, 1, 1, 1, generator=torch.Generator().manual_seed(3))[torch.from_numpy(places)]
    held_out = bright + 0.05 * pictures(200, 4)
    regions = Regions(places, places, places)
    x = drawn(pictures(40, 1), pictures(40, 2), held_out, regions)
    alone = realism.realism(judge(), drawn(pictures(40, 1), pictures(40, 2), held_out)).one(kind="held out")
    together = realism.realism(judge(), x).one(kind="held out")
    assert together.auc.high - together.auc.low > 1.5 * (alone.auc.high - alone.auc.low)
