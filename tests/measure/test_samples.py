"""Samples: of networks whose images are known, and made up where only what is said about them counts."""

import csv
import dataclasses
import io
import math

import numpy as np
import pytest
import torch

from ghr import sampling, similarity
from ghr.experiments import Study
from ghr.images import Halves
from ghr.images.photographs import Regions
from ghr.measure import samples
from ghr.measure.samples import Nearness, Samples
from ghr.recipes import Run
from ghr.references import WienerDenoiser
from ghr.stats import decibels, estimate, median_difference, ratio

H, W = 16, 18


def pictures(n, seed=0):
    """Smooth images, unlike each other."""
    coarse = torch.rand(n, 1, 4, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (H, W), mode="bilinear")


def made(denoisers, data, held_out, regions=None, width=16):
    chosen = {key: Run(n=key[0], half=key[1], size=8, width=width) for key in denoisers}
    halves = {n: Halves(a, b, held_out) for n, (a, b) in data.items()}
    return Study("toys", chosen, denoisers, halves, held_out, regions)


def drawn(study, images, **other):
    """Samples made up, with what is measured on them."""
    nearest = {key: similarity.nearest(x, study.training(*key)) for key, x in images.items()}
    null = {key: similarity.nearest(study.held_out[: len(x)], study.training(*key))[0] for key, x in images.items()}
    seeds = {n: range(len(images[n, "A"])) for n, _ in images}
    parts = {"seeds": seeds, "images": images, "walks": {}, "nearest": nearest, "null": null}
    return Samples(study, **(parts | other))


def to_nearest(x):
    """Answers with the nearest of some images."""
    return lambda y, sigma=None: x[torch.cdist(y.flatten(1), x.flatten(1)).argmin(1)]


def shrinking(factor):
    return lambda y, sigma=None: factor * y


# Drawing ----------------------------------------------------------------------------------------------------------


def test_many_seeds_where_a_target_is_judged():
    study = made({(n, "A"): shrinking(1.0) for n in (1, 10, 300)}, {}, pictures(5))
    assert samples.seeds(study) == {1: range(128), 10: range(256), 300: range(512)}
    assert samples.seeds(study, seed=2, at_most=200) == {
        1: range(2000, 2128),
        10: range(2000, 2200),
        300: range(2000, 2200),
    }


def test_one_function_draws_one_image_from_one_noise():
    x, held_out = pictures(6), pictures(20, seed=1)
    f = WienerDenoiser(pictures(50, seed=2))
    study = made({(6, "A"): f, (6, "B"): f}, {6: (x, pictures(6, seed=3))}, held_out)
    found = samples.draw(study, {6: range(8)})
    assert torch.equal(found.images[6, "A"], found.images[6, "B"])
    assert found.alike(6).tolist() == pytest.approx([1] * 8)
    start = sampling.gaussian_start(held_out, range(8))
    states = list(sampling.sample(f, start))
    assert torch.equal(found.images[6, "A"], states[-1].x_hat)
    assert list(found.walks[6]) == [state.sigma[0].item() for state in states]
    assert all(rho.tolist() == pytest.approx([1] * 8) for rho in found.walks[6].values())
    assert torch.equal(found.nearest[6, "B"][0], similarity.nearest(states[-1].x_hat, study.training(6, "B"))[0])
    assert torch.equal(found.null[6, "A"], similarity.nearest(held_out[:8], x)[0])
    alike, _ = samples.compare(found)
    assert alike.rows[0].same_noise.value == pytest.approx(1)
    assert alike.rows[0].other_noise.value < 0.9
    assert all(step.similarity.value == pytest.approx(1) for step in samples.steps(found))


def test_a_sample_depends_on_its_seed_and_not_on_how_many_there_are():
    f = WienerDenoiser(pictures(50, seed=2))
    study = made(
        {(n, half): f for n in (6, 7) for half in "AB"}, dict.fromkeys((6, 7), (pictures(7),) * 2), pictures(9)
    )
    found = samples.draw(study, {6: range(3), 7: range(5)})
    torch.testing.assert_close(found.images[7, "A"][:3], found.images[6, "A"])


def test_memories_of_two_sets_are_copies_and_do_not_generalize():
    a, b = pictures(4), pictures(4, seed=1)
    study = made({(4, "A"): to_nearest(a), (4, "B"): to_nearest(b)}, {4: (a, b)}, pictures(30, seed=2))
    found = samples.draw(study, {4: range(20)})
    (alike,), near = samples.compare(found)
    for network in near:
        assert network.nearest.value == pytest.approx(1)
        assert network.excess.value == pytest.approx(1 - network.null.value)
        assert network.copies.value == network.ray_copies.value == 1
        assert network.closer.value == 0
        assert network.ahead.value == pytest.approx(alike.same_noise.value - 1)
    assert alike.seeds == 20
    shown, known = found.beside(4, "B", slice(3, 5))
    assert torch.equal(shown, found.images[4, "B"][3:5])
    torch.testing.assert_close(known, shown)


def test_a_walk_that_diverges_is_told():
    study = made(dict.fromkeys([(4, "A"), (4, "B")], shrinking(1e4)), {4: (pictures(4),) * 2}, pictures(9))
    with pytest.raises(FloatingPointError, match="diverged"):
        samples.draw(study, {4: range(3)})


# Comparing --------------------------------------------------------------------------------------------------------


def test_other_noise_compares_each_sample_with_the_one_before():
    x = pictures(5)
    study = made(dict.fromkeys([(4, "A"), (4, "B")], shrinking(1.0)), {4: (pictures(4, seed=1),) * 2}, pictures(9))
    (alike,), _ = samples.compare(drawn(study, {(4, "A"): x, (4, "B"): x.roll(-1, 0)}))
    assert alike.other_noise.value == pytest.approx(1)
    assert alike.same_noise.value < 0.9


def test_one_image_has_no_second_nearest():
    study = made(dict.fromkeys([(1, "A"), (1, "B")], shrinking(1.0)), {1: (pictures(1),) * 2}, pictures(9))
    _, near = samples.compare(drawn(study, dict.fromkeys([(1, "A"), (1, "B")], pictures(5, seed=1))))
    assert near["copies"] + near["ray_copies"] == [None] * 4
    assert all(0 <= e.value <= 1 for e in near["closer"])


def test_held_out_patches_are_drawn_by_regions_and_samples_are_not():
    labels = np.arange(40) // 8
    data, images = {4: (pictures(4, seed=1),) * 2}, dict.fromkeys([(4, "A"), (4, "B")], pictures(30))
    study = made(dict.fromkeys(images, shrinking(1.0)), data, pictures(40, seed=2), Regions(labels, labels, labels))
    found = drawn(study, images)
    _, (network, _) = samples.compare(found)
    near, null = found.nearest[4, "A"][0], found.null[4, "A"]
    assert network.nearest == estimate(np.median, near)
    assert network.null == estimate(np.median, null, regions=labels[:30])
    both = {"regions": [None, labels[:30]], "paired": False}
    assert network.excess == estimate(median_difference, near, null, **both)


def test_a_shifted_mirror_image_is_a_copy_at_last():
    x, held_out = pictures(6), torch.cat([pictures(3), pictures(7, seed=3)])
    copies = x.roll((2, -3), (-2, -1)).flip(-1)
    images = {(6, "A"): copies, (6, "B"): x}
    study = made(dict.fromkeys(images, shrinking(1.0)), {6: (x, x)}, held_out)
    found = drawn(study, images)
    a, b = samples.moved(found)
    assert a.nearest.value > found.nearest[6, "A"][0].median().item() + 0.05
    assert b.nearest.value == pytest.approx(1)
    assert a.null == b.null
    assert a.excess.value == pytest.approx(a.nearest.value - a.null.value)
    assert a.false_positives.value == pytest.approx(0.3)  # three of the ten held-out images are training images


def test_steps_hold_the_median_and_the_middle_half():
    study = made(dict.fromkeys([(4, "A"), (4, "B")], shrinking(1.0)), {4: (pictures(4),) * 2}, pictures(9))
    rho = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.8])
    found = drawn(study, dict.fromkeys([(4, "A"), (4, "B")], pictures(5)), walks={4: {0.5: rho, 0.1: rho + 0.1}})
    first, last = samples.steps(found)
    assert (first.n, first.sigma, last.sigma) == (4, 0.5, 0.1)
    assert last.input_psnr == pytest.approx(20)
    assert (first.lower, first.similarity.value, first.upper) == pytest.approx((0.1, 0.2, 0.3))
    assert last.similarity.value == pytest.approx(0.3)


def test_equal_networks_agree_under_every_sampler_and_a_diverging_walk_agrees_with_nothing():
    f, held_out = WienerDenoiser(pictures(50, seed=2)), pictures(12)
    data = {4: (pictures(4),) * 2}
    blind = lambda y, sigma=None: f(y, 1.0)  # noqa: E731
    table = samples.samplers(range(3), made({(4, "A"): blind, (4, "B"): blind}, data, held_out))
    assert table["sampler"] == ["ODE, Heun", "SDE", "Algorithm 1"]
    assert [e.value for e in table["same_noise"]] == pytest.approx([1, 1, 1])
    start = sampling.gaussian_start(held_out, range(3))
    x = sampling.last(sampling.sample(blind, start))
    expected = similarity.gradient_energy(x).mean() / similarity.gradient_energy(held_out).mean()
    assert table.rows[0].energy.value == pytest.approx(expected.item())
    table = samples.samplers(range(3), made({(4, "A"): blind, (4, "B"): shrinking(1e4)}, data, held_out))
    assert [e.value for e in table["same_noise"]] == [0, 0, 0]
    assert table["energy"] == [None] * 3


# Quality ----------------------------------------------------------------------------------------------------------


def test_held_out_images_are_as_good_as_themselves():
    """Both halves' samples are the held-out images: two sets of one law."""
    x = pictures(60)
    study = made(dict.fromkeys([(4, "A"), (4, "B")], shrinking(1.0)), {4: (pictures(4, seed=1),) * 2}, x)
    (found,), bands = samples.quality(drawn(study, dict.fromkeys(study.denoisers, x)))
    assert (found.energy.value, found.deviation.value) == pytest.approx((1, 0), abs=1e-6)
    assert found.energy.low < 1 < found.energy.high
    assert found.set_size == 30
    assert bands["frequency"] == pytest.approx(np.arange(1, 16, 2) / 32)
    assert [e.value for e in bands["power"]] == pytest.approx([0] * 8, abs=1e-5)


def test_two_sets_of_one_law_have_a_discrepancy_of_one_and_two_laws_more():
    x, fresh = pictures(200), pictures(100, seed=9)
    keys, data = dict.fromkeys([(4, "A"), (4, "B")], shrinking(1.0)), {4: (pictures(4, seed=1),) * 2}
    narrow, wide = (made(keys, data, x, width=width) for width in (8, 16))
    found = [drawn(narrow, dict.fromkeys(keys, fresh)), drawn(wide, dict.fromkeys(keys, 0.5 + 0.5 * fresh))]
    same, brighter = samples.quality(*found)[0]["discrepancy"]
    assert same.low < 1 < same.high
    assert same.value == pytest.approx(1, abs=0.3)
    assert brighter.low > 2


def test_blurred_images_lack_energy_at_high_frequencies():
    x = torch.rand(60, 1, H, W, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    keys, data = dict.fromkeys([(4, "A"), (4, "B")], shrinking(1.0)), {4: (pictures(4, seed=1),) * 2}
    narrow, wide = (made(keys, data, x, width=width) for width in (8, 16))
    sharp, soft = drawn(narrow, dict.fromkeys(keys, x)), drawn(wide, dict.fromkeys(keys, blurred))
    table, bands = samples.quality(sharp, soft, soft)
    assert table["width"] == [8, 16]
    assert table.rows[1].energy.high < 1
    powers = [e.value for e in bands.where(width=16)["power"]]
    assert max(powers[3:]) < -3 < powers[0]
    assert table.rows[1].deviation.value == pytest.approx(max(map(abs, powers)))


def test_of_each_seed_the_mean_of_both_networks_counts():
    x = pictures(20)
    study = made(dict.fromkeys([(4, "A"), (4, "B")], shrinking(1.0)), {4: (pictures(4, seed=1),) * 2}, x)
    (found,), _ = samples.quality(drawn(study, {(4, "A"): x, (4, "B"): 2 * x}))
    energy = similarity.gradient_energy(x)
    alone = {"regions": [None, None], "paired": False}
    assert found.energy.value == pytest.approx(2.5)
    expected = estimate(ratio, 2.5 * energy, energy, **alone)
    assert (found.energy.low, found.energy.high) == pytest.approx((expected.low, expected.high), rel=1e-5)


def test_ratios_decibels_and_differences():
    a, b = np.array([[1.0, 3], [10, 30]]), np.array([[1.0, 1], [2, 2]])
    assert ratio(a, b) == pytest.approx([2, 10])
    assert decibels(a, b) == pytest.approx([10 * math.log10(2), 10])
    assert samples.largest_deviation(a, b) == pytest.approx(10)
    assert samples.largest_deviation(b, a) == pytest.approx(10)
    assert median_difference(np.array([1.0, 2, 9]), np.array([0.0, 1])) == 1.5


@pytest.mark.parametrize("statistic", [ratio, decibels, median_difference, samples.largest_deviation])
def test_resamples_are_measured_one_by_one(statistic):
    a, b = np.random.default_rng(0).exponential(size=(2, 3, 4, 7))
    alone = np.stack([statistic(a[:, k], b[:, k]) for k in range(4)], -1)
    assert statistic(a, b, axis=-1) == pytest.approx(alone)


def test_tables_come_back_from_csv():
    images = dict.fromkeys([(4, "A"), (4, "B")], pictures(5))
    study = made(dict.fromkeys(images, shrinking(1.0)), {4: (pictures(4, seed=1),) * 2}, pictures(9))
    alike, near = samples.compare(drawn(study, images))
    (back,) = csv.DictReader(io.StringIO(alike.csv()))
    assert int(back["seeds"]) == 5
    assert float(back["same_noise_low"]) == alike.rows[0].same_noise.low
    names = [field.name for field in dataclasses.fields(Nearness)]
    assert near.columns()[0][:5] == [*names[:3], "nearest_low", "nearest_high"]
