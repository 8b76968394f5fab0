"""Beyond the start: samples of which it is known how much a mean and a covariance explain."""

import math

import numpy as np
import pytest
import torch
from conftest import without_types

from ghr import sampling, similarity
from ghr.experiments import Study
from ghr.images import Halves
from ghr.measure import beyond, samples
from ghr.measure.beyond import Ahead, strong_generalization
from ghr.measure.samples import Nearness, Samples
from ghr.recipes import Run
from ghr.references import WienerDenoiser
from ghr.stats import Estimate, estimate, median_difference

H, W = 7, 13
SOME = Estimate(0.5, 0.4, 0.6)


def pictures(n, seed=0):
    return torch.rand(n, 1, H, W, generator=torch.Generator().manual_seed(seed))


def made(a, b, held_out, denoisers=None, network="UNet"):
    n = len(a)
    chosen = {(n, half): Run(n=n, half=half, size=8, network=network) for half in "AB"}
    found = dict(zip(chosen, denoisers or [lambda y, sigma=None: y] * 2, strict=True))
    return Study("toys", chosen, found, {n: Halves(a, b, held_out)}, held_out)


def drawn(study, x_a, x_b):
    """Samples made up."""
    n = study.largest
    images = {(n, "A"): x_a, (n, "B"): x_b}
    return Samples(study, {n: range(len(x_a))}, images, {}, {}, {})


def near_of(n):
    """Two networks of which nothing is known against strong generalization."""
    excess = Estimate(0, -0.1, 0.02)
    return [Nearness(n, half, SOME, SOME, excess, SOME, SOME, SOME, SOME) for half in "AB"]


def table(rows):
    return samples.Table(tuple(rows))


# Strong generalization --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "excess", "beyond_wiener", "verdict"),
    [
        ((0.2, 0.1, 0.3), (-0.1, -0.2, 0.03), (0.2, 0.1, 0.3), "holds"),
        ((0.2, 0.1, 0.3), (-0.1, -0.2, 0.04), (0.2, 0.1, 0.3), "is undecided"),  # perhaps nearer than held-out images
        ((0.2, -0.01, 0.3), (-0.1, -0.2, 0.03), (0.2, 0.1, 0.3), "is undecided"),  # perhaps a training image is nearer
        ((0.2, 0.1, 0.3), (-0.1, -0.2, 0.03), (0.2, -0.01, 0.3), "is undecided"),  # perhaps so beyond Wiener
        ((-0.2, -0.3, -0.1), (-0.1, -0.2, 0.03), (0.2, 0.1, 0.3), "does not hold"),
        ((0.2, 0.1, 0.3), (0.1, 0.04, 0.2), (0.2, 0.1, 0.3), "does not hold"),
        ((0.2, 0.1, 0.3), (-0.1, -0.2, 0.03), (-0.2, -0.3, -0.1), "does not hold"),
    ],
)
def test_strong_generalization_asks_three_conditions_of_both_halves(ahead, excess, beyond_wiener, verdict):
    good = near_of(5)[0]
    one = Nearness(5, "A", SOME, SOME, Estimate(*excess), Estimate(*ahead), SOME, SOME, SOME)
    far = Ahead(5, "A", SOME, Estimate(*beyond_wiener)), Ahead(5, "B", SOME, SOME)
    assert strong_generalization([one, good], far) == verdict
    assert strong_generalization([good, one], far[::-1]) == verdict


def test_two_wiener_denoisers_draw_one_image_and_pass_no_test():
    """They agree as two networks of one density would, and it is all in the start."""
    a, b, held_out = pictures(300), pictures(300, seed=1), pictures(40, seed=2)
    study = made(a, b, held_out, [WienerDenoiser(a), WienerDenoiser(b)])
    found = samples.draw(study, {300: range(30)})
    (row,), halves = beyond.compare(found, beyond.wiener(found), table(near_of(300)))
    assert row.same_noise.value == row.wieners.value > 0.5
    assert row.floor.value == pytest.approx(1)
    assert row.residual.value == 0
    assert [half.ahead.value for half in halves] == [0, 0]
    assert row.strong == "is undecided"


# Beyond Wiener ----------------------------------------------------------------------------------------------------


def test_the_wiener_sample_walks_as_the_networks_do_and_has_no_more_seeds_than_it_needs():
    a, b, held_out = pictures(30), pictures(30, seed=1), pictures(9, seed=2)
    found = drawn(made(a, b, held_out), pictures(300), pictures(300))
    walks = beyond.wiener(found)
    assert walks[30, "A"].shape == (beyond.SEEDS, 1, H, W)
    start = sampling.gaussian_start(held_out, range(beyond.SEEDS))
    last = list(sampling.sample(WienerDenoiser(b), start))[-1].x_hat
    assert torch.equal(walks[30, "B"], last)


def test_one_image_has_no_covariance_and_is_left_out():
    found = drawn(made(pictures(1), pictures(1, seed=1), pictures(9, seed=2)), pictures(4), pictures(4))
    walks = beyond.wiener(found)
    shared, ahead = beyond.compare(found, walks, table(near_of(1)))
    assert not walks
    assert shared.rows == ahead.rows == ()


def test_what_two_networks_add_alike_is_what_they_share_beyond_wiener():
    """Half of what each adds to its Wiener sample is shared: a cosine of a half. Of unrelated ones it is 0."""
    a, b, held_out = pictures(60), pictures(60, seed=1), pictures(9, seed=2)
    study = made(a, b, held_out)
    walks = beyond.wiener(drawn(study, *[pictures(50)] * 2))
    noise = [torch.randn(50, 1, H, W, generator=torch.Generator().manual_seed(k)) for k in range(3)]
    shared = [walks[60, half] + 3 * (noise[0] + own) for half, own in zip("AB", noise[1:], strict=True)]
    (row,), halves = beyond.compare(drawn(study, *shared), walks, table(near_of(60)))
    error = 4 * 1.5 / math.sqrt(H * W * 50)  # of a median
    assert row.residual.value == pytest.approx(0.5, abs=error)
    assert row.partial.value == pytest.approx(0.5, abs=2 * error)  # what is alike with W by chance is taken away
    assert row.floor.value < 0.3
    assert row.seeds == 50
    assert all(half.ahead.value == pytest.approx(row.residual.value - half.nearest.value) for half in halves)
    unrelated = [walks[60, half] + own for half, own in zip("AB", noise[1:], strict=True)]
    (row,), _ = beyond.compare(drawn(study, *unrelated), walks, table(near_of(60)))
    assert row.residual.value == pytest.approx(0, abs=error)


def test_other_images_share_what_is_subtracted_from_both():
    """Of two unrelated images seen from one origin of the same size, the cosine is a half: the null of the residual."""
    a, held_out = pictures(60), pictures(9, seed=2)
    study = made(a, a, held_out)
    walks = {(60, half): 0.3 * torch.randn(80, 1, H, W, generator=torch.Generator().manual_seed(4)) for half in "AB"}
    x = 0.3 * torch.randn(80, 1, H, W, generator=torch.Generator().manual_seed(5))
    (row,), _ = beyond.compare(drawn(study, x, x), walks, table(near_of(60)))
    assert row.null.value == pytest.approx(0.5, abs=0.1)
    assert row.residual.value == row.partial.value == pytest.approx(1)


def test_a_partial_correlation_is_that_of_the_formula_and_takes_all_away_of_the_third_image():
    a, b, w = (pictures(6, seed=k).double() for k in range(3))
    ab, aw, bw = (similarity.rho(*pair) for pair in ((a, b), (a, w), (b, w)))
    expected = (ab - aw * bw) / ((1 - aw**2) * (1 - bw**2)).sqrt()
    torch.testing.assert_close(similarity.partial_rho(a, b, w), expected)
    assert similarity.partial_rho(2 * w + 0.3, b, w).tolist() == [0] * 6
    torch.testing.assert_close(similarity.partial_rho(a, b, torch.ones_like(a)), ab)


def test_the_nearest_from_an_origin_is_found_by_a_loop():
    x, training, origins = pictures(5), pictures(9, seed=1), pictures(5, seed=2)
    loop = [
        max(similarity.rho(x[k : k + 1] - origins[k], one[None] - origins[k]).item() for one in training)
        for k in range(5)
    ]
    assert similarity.nearest_beyond(x, training, origins).tolist() == pytest.approx(loop, abs=1e-5)
    plain = similarity.nearest(x, training)[0]
    torch.testing.assert_close(similarity.nearest_beyond(x, training, torch.zeros_like(x)), plain)


def test_what_does_not_come_in_pairs_is_refused():
    x = pictures(5)
    untyped = without_types(similarity)
    with pytest.raises(ValueError, match="Each image needs an origin, got 5 and 3"):
        untyped.nearest_beyond(x, x, x[:3])
    with pytest.raises(ValueError, match="Images must come in pairs, got 5 and 3"):
        untyped.partial_rho(x, x, x[:3])


# Images or architecture -------------------------------------------------------------------------------------------


def test_exchanged_images_cost_nothing_where_the_architecture_decides():
    a, b, held_out = pictures(30), pictures(30, seed=1), pictures(9, seed=2)
    one, other = pictures(40, seed=3), pictures(40, seed=4)
    unets, chains = made(a, b, held_out), made(a, b, held_out, network="BFCNN")
    found, others = drawn(unets, one, one), drawn(chains, other, other)
    pairs, costs = beyond.exchange(found, others, beyond.wiener(found))
    changed = {(row.one, row.other): row.changed for row in pairs}
    assert changed == {
        ("UNet A", "UNet B"): "images",
        ("UNet A", "BFCNN A"): "architecture",
        ("UNet A", "BFCNN B"): "both",
        ("UNet B", "BFCNN A"): "both",
        ("UNet B", "BFCNN B"): "architecture",
        ("BFCNN A", "BFCNN B"): "images",
    }
    of_images = pairs.where(changed="images")
    assert [e.value for e in of_images["plain"] + of_images["beyond"]] == pytest.approx([1] * 4)
    assert [row.plain for row in pairs.where(changed="architecture")] == [
        row.plain for row in pairs.where(changed="both")
    ]
    assert [(row.one, row.other) for row in costs] == [("UNet A", "BFCNN"), ("UNet B", "BFCNN")]
    assert {value for row in costs for e in (row.plain, row.beyond) for value in (e.low, e.value, e.high)} == {0}


def test_exchanged_images_cost_all_where_images_decide():
    """Networks of one half draw one image, whatever their architecture."""
    a, b, held_out = pictures(30), pictures(30, seed=1), pictures(9, seed=2)
    x, y = pictures(40, seed=3), pictures(40, seed=4)
    unets, chains = made(a, b, held_out), made(a, b, held_out, network="BFCNN")
    found = drawn(unets, x, y)
    pairs, (cost, _) = beyond.exchange(found, drawn(chains, x, y), beyond.wiener(found))
    rho = similarity.rho(x, y)
    expected = estimate(median_difference, torch.ones(40), rho)
    assert (cost.plain.low, cost.plain.high) == pytest.approx((expected.low, expected.high), abs=1e-5)
    assert cost.plain.value == pytest.approx(1 - np.median(rho), abs=1e-5)
    origin = sum(beyond.wiener(found).values()) / 2
    (both,) = [row for row in pairs if (row.one, row.other) == ("UNet A", "BFCNN B")]
    assert both.beyond.value == pytest.approx(np.median(similarity.rho(x - origin, y - origin)), abs=1e-6)


def test_only_an_n_that_both_have_is_compared():
    held_out = pictures(9, seed=2)
    found = drawn(made(pictures(30), pictures(30, seed=1), held_out), pictures(4), pictures(4))
    others = drawn(made(pictures(8), pictures(8, seed=1), held_out, network="BFCNN"), pictures(4), pictures(4))
    pairs, costs = beyond.exchange(found, others, beyond.wiener(found))
    assert pairs.rows == costs.rows == ()


# Networks of which nobody knows the training images -----------------------------------------------------------------


def test_equal_networks_have_all_in_common_and_wiener_is_its_own_floor():
    x = pictures(40)
    wiener = WienerDenoiser(x)
    blurred = lambda y, sigma=None: 0.9 * wiener(y, sigma) + 0.1 * y.roll(3, -1)  # noqa: E731
    study = made(x[:5], x[5:10], x, [blurred, blurred])
    (row,) = beyond.common(study, range(6))
    assert row.apart is None
    assert row.same_noise.value == pytest.approx(1)
    assert row.residual.value == pytest.approx(1)
    assert row.null.value < 0.9
    assert row.floor.value < 0.999
    (row,) = beyond.common(made(x[:5], x[5:10], x, [wiener, blurred]), range(6))
    y_wrong = beyond.model_variance([wiener, blurred], x, beyond.LEVEL, 0)[0][0, 1].mean().item()
    assert row.apart.value == pytest.approx(-10 * math.log10(y_wrong), abs=1e-4)
    assert row.same_noise.value < 1
    assert row.n == 5 and row.seeds == 6  # noqa: PT018


def test_a_network_without_its_other_half_has_nothing_in_common():
    x = pictures(9)
    study = made(x[:2], x[2:4], x)
    alone = Study("toys", study.runs, {(2, "A"): study.denoisers[2, "A"]}, study.data, x)
    assert len(beyond.common(alone, range(2))) == 0
