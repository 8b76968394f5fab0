"""Statistics: against closed forms, and their intervals against their promise."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from conftest import without_types
from hypothesis import given
from hypothesis import strategies as st

from ghr import similarity, stats
from ghr.measure import agreement


def white(n, *shape, seed=0):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scenes(n, h=10, w=14, seed=0):
    """Smooth images, larger than needed, to be cropped."""
    coarse = torch.rand(n, 1, h // 3, w // 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.interpolate(coarse, (h, w), mode="bilinear")


# Slopes and margins -----------------------------------------------------------------------------------------------


def test_the_slope_of_a_power_law_is_its_exponent():
    """MSE = c sigma^(2 s) has slope s, whatever c is and whichever axis holds the images."""
    input_psnr = np.array([9.0, 12, 20, 21])
    errors = 3.7 * 10 ** (-0.7 * input_psnr / 10)[:, None] * np.array([0.5, 1.5])  # two images, of mean 1
    assert stats.slope(errors, input_psnr) == pytest.approx(0.7)
    resampled = np.stack([errors, 2 * errors], 1)  # noise levels, resamples, images
    assert stats.slope(resampled, input_psnr, -1) == pytest.approx([0.7, 0.7])
    assert stats.slope(10 ** (-input_psnr / 10)[:, None], input_psnr) == pytest.approx(1)  # the noisy image itself


def test_a_margin_is_over_the_best_control():
    own, low, high = np.array([3.0, 5]), np.array([0.0, 1]), np.array([6.0, 0])
    assert stats.margin(own, low, high) == pytest.approx(1)
    assert stats.margin(own, high, low) == stats.margin(own, low, high)
    assert stats.margin(own, own) == 0


# Intervals --------------------------------------------------------------------------------------------------------


def test_intervals_of_a_mean_cover_it_nineteen_times_in_twenty():
    """200 samples of 40 skewed values; the share has a standard error of .015, a bootstrap of 40 falls short by .02."""
    draws = np.random.default_rng(1).exponential(size=(200, 40))
    intervals = [stats.estimate(np.mean, values, resamples=400) for values in draws]
    assert 0.88 <= np.mean([e.low <= 1 <= e.high for e in intervals]) <= 0.99
    assert np.mean([e.high - e.low for e in intervals]) == pytest.approx(2 * 1.96 / math.sqrt(40), rel=0.1)
    assert all(e.value == pytest.approx(values.mean()) for e, values in zip(intervals, draws, strict=True))


def test_samples_are_resampled_together():
    """The mean of a - a is 0 whatever is drawn."""
    values = np.random.default_rng(0).normal(size=30)
    e = stats.estimate(lambda a, b, axis: np.mean(a - b, axis), values, torch.from_numpy(values))
    assert (e.value, e.low, e.high) == (0, 0, 0)


def test_an_estimate_is_the_same_again_and_leaves_the_global_generator_alone():
    values = np.random.default_rng(0).normal(size=30)
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 (the global generator is the point)
    assert stats.estimate(np.median, values) == stats.estimate(np.median, values)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_an_estimate_formats_with_its_interval():
    assert f"{stats.Estimate(1.234, 0.5, 2):.1f}" == "1.2 [0.5, 2.0]"


def test_unpaired_samples_are_resampled_by_themselves():
    """The difference of two means has the standard error of both, whatever their lengths; paired with itself, none."""
    a, b = np.random.default_rng(0).normal(size=400), np.random.default_rng(1).normal(size=900)
    e = stats.estimate(lambda a, b, axis: np.mean(a, axis) - np.mean(b, axis), a, b, paired=False)
    assert e.high - e.low == pytest.approx(2 * 1.96 * math.sqrt(a.var() / 400 + b.var() / 900), rel=0.1)
    again = stats.estimate(lambda a, b, axis: np.mean(a, axis) - np.mean(b, axis), a, a, paired=False)
    assert again.high - again.low == pytest.approx(2 * 1.96 * math.sqrt(2 * a.var() / 400), rel=0.1)


def test_the_interval_of_a_maximum_holds_the_maximum():
    """Of twenty equal means the largest is found by luck, and resampling adds luck: its bootstrap lies above it."""
    samples = np.random.default_rng(0).normal(size=(20, 50))
    e = stats.estimate(lambda *rows, axis: np.max([np.abs(np.mean(r, axis)) for r in rows], axis=0), *samples)
    assert e.low <= e.value <= e.high


def test_noise_levels_are_resampled_together():
    """Rows of one array keep their images: the difference of equal rows is 0 whatever is drawn."""
    rows = np.random.default_rng(0).normal(size=(1, 40)).repeat(2, 0)
    e = stats.estimate(lambda x, axis: np.mean(x, axis)[0] - np.mean(x, axis)[1], rows)
    assert (e.value, e.low, e.high) == (0, 0, 0)


def test_images_of_one_region_count_as_one():
    """Copies say nothing new: the interval of 30 regions of four or eight equal images is that of 30 values."""
    values, counts = np.random.default_rng(0).normal(size=30), np.tile([4, 8], 15)
    copied, labels = values.repeat(counts), np.arange(30).repeat(counts)
    order = np.random.default_rng(1).permutation(len(copied))
    together = stats.estimate(np.mean, copied[order], regions=labels[order])
    apart = stats.estimate(np.mean, copied)
    centred = counts * (values - copied.mean())  # delta method for a ratio of sums over regions
    expected = 2 * 1.96 * math.sqrt((centred**2).sum()) / counts.sum()
    assert together.high - together.low == pytest.approx(expected, rel=0.1)
    assert apart.high - apart.low < 0.5 * expected


def test_regions_of_one_image_each_change_little():
    values = np.random.default_rng(0).normal(size=100)
    e = stats.estimate(np.mean, values, regions=np.arange(100))
    assert e.high - e.low == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.1)


def test_each_unpaired_sample_has_regions_of_its_own():
    a, b = np.random.default_rng(0).normal(size=(2, 60))
    labels = np.arange(20).repeat(3)

    def difference(a, b, axis):
        return np.mean(a, axis) - np.mean(b, axis)

    plain = stats.estimate(difference, a, b, paired=False)
    clustered = stats.estimate(difference, a.repeat(3)[:60], b, regions=[labels, None], paired=False)
    assert clustered.high - clustered.low > 1.15 * (plain.high - plain.low)


def test_labels_that_do_not_fit_the_images_are_refused():
    with pytest.raises(ValueError, match=r"\[20\] images have \[19\] labels"):
        stats.estimate(np.mean, np.ones(20), regions=np.arange(19))


def test_one_region_has_no_interval():
    """Its resamples would all be the same; nor has an unpaired sample of one region."""
    values = np.random.default_rng(0).normal(size=20)
    with pytest.raises(ValueError, match="at least two regions, got one"):
        stats.estimate(np.mean, values, regions=np.full(20, "a"))
    with pytest.raises(ValueError, match="at least two regions, got one"):
        stats.estimate(stats.psnr_gap, values**2, values**2, regions=[None, np.zeros(20)], paired=False)
    assert stats.estimate(np.mean, values, regions=np.arange(20) // 10).low < values.mean()


def test_values_that_are_not_finite_are_counted_and_refused():
    values = np.array([0.1, math.nan, 0.3, math.inf])
    with pytest.raises(ValueError, match="2 values are not finite"):
        stats.estimate(np.median, values)


def test_values_that_carry_a_graph_or_few_bits_are_taken():
    values = torch.arange(8.0, requires_grad=True)
    assert stats.estimate(np.mean, values) == stats.estimate(np.mean, values.detach().bfloat16())


def test_students_interval_of_a_mean_is_the_known_one():
    values = np.random.default_rng(0).normal(size=8)
    e = stats.student(np.mean, values)
    arm = scipy.stats.t.ppf(0.975, 7) * values.std(ddof=1) / 8**0.5
    assert (e.value, e.low, e.high) == pytest.approx((values.mean(), values.mean() - arm, values.mean() + arm))


def test_students_interval_of_a_ratio_covers_it_nineteen_times_in_twenty():
    """Eight images: a bootstrap's interval holds the truth about 88 times in a hundred."""
    generator = np.random.default_rng(0)
    held = [
        e.low <= 2 <= e.high
        for pair in (generator.normal((2.0, 1.0), 0.2, size=(400, 8, 2)).transpose(0, 2, 1))
        for e in [stats.student(stats.ratio, *pair)]
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / 400) ** 0.5)


def test_students_interval_takes_samples_of_one_length_and_two_values_at_least():
    with pytest.raises(ValueError, match="two values or more, equally many"):
        stats.student(stats.ratio, np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="two values or more"):
        stats.student(np.mean, np.ones(1))
    with np.errstate(divide="ignore", invalid="ignore"), pytest.raises(ValueError, match="not finite"):
        stats.student(stats.psnr_of_mean, np.zeros(3))


def test_a_share_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one flag"):
        stats.share(np.array([], dtype=bool))


def test_a_statistic_that_is_not_finite_is_refused():
    """The logarithm of a mean that can fall below zero: some resamples have none."""
    values = np.random.default_rng(0).normal(size=30)
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="not finite"):
        stats.estimate(stats.psnr_of_mean, values - values.mean() + 0.1)


def test_one_value_has_no_interval():
    with pytest.raises(ValueError, match="at least two values, got 1"):
        stats.estimate(np.mean, np.array([1.0]))


def test_samples_of_unequal_length_are_refused():
    """They cannot be resampled together."""
    with pytest.raises(ValueError, match="length"):
        stats.estimate(stats.psnr_gap, np.ones(20), np.ones(30))


@pytest.mark.parametrize(("true", "n"), [(0, 50), (50, 50), (20, 50)])
def test_a_share_has_wilsons_interval(true, n):
    """Centre (p + z^2 / 2n) / (1 + z^2 / n), never of width 0."""
    flags = np.arange(n) < true
    p, z = true / n, 1.959964
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    for values in (flags, torch.from_numpy(flags)):
        e = stats.share(values)
        assert (e.value, e.low, e.high) == pytest.approx((p, centre - half, centre + half), abs=1e-6)


def test_psnr_of_the_mean_is_not_the_mean_of_psnrs():
    errors = np.array([[0.01, 0.0001], [0.04, 0.04]])
    assert stats.psnr_of_mean(errors) == pytest.approx([-10 * math.log10(0.00505), -10 * math.log10(0.04)])
    assert stats.psnr_of_mean(errors, axis=0) == pytest.approx([-10 * math.log10(0.025), -10 * math.log10(0.02005)])


def test_gap_is_positive_when_training_images_are_denoised_better():
    assert stats.psnr_gap(np.array([0.001, 0.003]), np.array([0.01, 0.03])) == pytest.approx(10)
    assert stats.psnr_gap(np.array([0.2, 0.3]), np.array([0.2, 0.3])) == 0


# Same function? ---------------------------------------------------------------------------------------------------


class Erring:
    """x_hat = x + independent noise of deviation .1, whatever y is."""

    def __init__(self, x, seed):
        self.x, self.generator = x, torch.Generator().manual_seed(seed)

    def __call__(self, y):
        x = self.x[: len(y)]
        return x + 0.1 * torch.randn(x.shape, generator=self.generator, dtype=x.dtype)


def test_one_function_has_no_model_variance(bfcnn, odd_images):
    disagreement, error = agreement.model_variance([bfcnn, bfcnn], odd_images, 0.3)
    assert disagreement[0, 1].tolist() == 5 * [0]
    assert (error > 0).all()
    assert agreement.variance_share(disagreement[0, 1].numpy(), error.mean(0).numpy()) == 0


def test_independent_errors_have_model_variance_one():
    """V = E||e_A - e_B||^2 / (2 E||e_A||^2), within four standard errors."""
    x = scenes(1).expand(200, -1, -1, -1)
    disagreement, error = agreement.model_variance([Erring(x, 0), Erring(x, 1)], x, 0.3)
    assert (disagreement.shape, error.shape) == ((2, 2, 200), (2, 200))
    ratio = agreement.variance_share(disagreement[0, 1].numpy(), error.mean(0).numpy())
    assert abs(ratio - 1) < 4 * math.sqrt(2 * 2 / x.numel())


def test_model_variance_shows_all_denoisers_the_same_noisy_images():
    """More than one batch of images; f_i - f_j = (i - j) y with the y that all saw, and each has its own error."""
    x = scenes(300)
    seen = x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(4), dtype=x.dtype)
    denoisers = [lambda y, k=k: k * y for k in range(3)]
    disagreement, error = agreement.model_variance(denoisers, x, 0.3, seed=4)
    for i in range(3):
        torch.testing.assert_close(error[i], (i * seen - x).square().mean((1, 2, 3)))
        for j in range(3):
            torch.testing.assert_close(disagreement[i, j], ((i - j) * seen).square().mean((1, 2, 3)))


def test_model_variance_tells_the_noise_level_to_denoisers_that_can_be_told():
    def told(y, sigma):
        return torch.full_like(y, sigma)

    x = torch.zeros(3, 1, 3, 5)
    disagreement, error = agreement.model_variance([told, torch.zeros_like], x, 0.3)
    torch.testing.assert_close(disagreement[0, 1], torch.full((3,), 0.09))
    torch.testing.assert_close(error, torch.tensor([[0.09], [0.0]]).expand(2, 3))


def test_discrepancy_of_a_constant_disagreement():
    """int_.02^1 D sigma^-3 d sigma = D (.02^-2 - 1) / 2; what lies outside [.02, 1] does not count."""
    sigmas = np.concatenate([[0.005, 0.019], np.geomspace(0.02, 1, 800), [1.01, 3]])
    disagreements = np.full((len(sigmas), 2), 1.0) * [1e-3, 2e-3]
    disagreements[[0, 1, -2, -1]] = 1e9
    expected = np.array([1e-3, 2e-3]) * (0.02**-2 - 1) / 2
    assert agreement.discrepancy(disagreements, sigmas) == pytest.approx(expected, rel=1e-4)


# Same image? A copy? ----------------------------------------------------------------------------------------------


@given(gain=st.floats(0.1, 10), offset=st.floats(-2, 2))
def test_rho_ignores_brightness_and_contrast_but_not_sign(gain, offset):
    a, b = scenes(3), scenes(3, seed=1)
    expected = similarity.rho(a, b)
    torch.testing.assert_close(similarity.rho(gain * a + offset, b), expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(similarity.rho(b, gain * a + offset), expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(similarity.rho(-gain * a + offset, b), -expected, atol=1e-9, rtol=0)


def test_rho_is_the_correlation_of_pixels():
    a, b = scenes(3), scenes(3, seed=1)
    expected = [np.corrcoef(p.ravel(), q.ravel())[0, 1] for p, q in zip(a.numpy(), b.numpy(), strict=True)]
    assert similarity.rho(a, b).tolist() == pytest.approx(expected)
    assert similarity.rho(a, 0.3 * a + 1).tolist() == pytest.approx([1, 1, 1])


def test_rho_of_a_blank_image_is_zero():
    assert similarity.rho(torch.full((1, 1, 3, 5), 0.4), torch.rand(1, 1, 3, 5)).abs() < 1e-6


def test_nearest_is_the_best_of_all_blocks():
    """9,000 training images are two blocks; the mate of each image is known."""
    training = white(9000, 1, 3, 5)
    places = [0, 8191, 8192, 8999]
    images = training[places] + 0.05 * white(4, 1, 3, 5, seed=1)
    values, index = similarity.nearest(images, training)
    assert index.tolist() == places
    torch.testing.assert_close(values, similarity.rho(images, training[places]))


@pytest.mark.parametrize(("dy", "dx"), [(3, 0), (-3, 2), (0, -3), (1, 1)])
def test_a_shifted_copy_is_found_with_shifts_only(dy, dx):
    """Views of one scene, moved: their inner pixels are the same, only a border differs."""
    big = torch.nn.functional.avg_pool2d(white(6, 1, 34, 38), 2, stride=1)
    training, moved = big[..., 6:26, 6:30], big[..., 6 + dy : 26 + dy, 6 + dx : 30 + dx]
    plain, _ = similarity.nearest(moved, training)
    shifted, index = similarity.nearest(moved, training, shifts=3)
    assert index.tolist() == list(range(6))
    assert (shifted > plain + 0.2).all()
    reach = max(abs(dy), abs(dx))
    enough, _ = similarity.nearest(moved, training, shifts=reach)
    short, _ = similarity.nearest(moved, training, shifts=reach - 1)
    torch.testing.assert_close(enough, shifted)
    assert (short < enough - 0.1).all()


def test_a_mirror_image_is_found_with_flips_only():
    training = scenes(5)
    plain, _ = similarity.nearest(training.flip(-1), training)
    flipped, index = similarity.nearest(training.flip(-1), training, flips=True)
    assert index.tolist() == list(range(5))
    torch.testing.assert_close(flipped, torch.ones(5).double())
    assert plain.max() < 0.99
    upside_down, _ = similarity.nearest(training.flip(-2), training, flips=True)
    assert upside_down.max() < 0.99


def test_shifts_and_flips_only_add_candidates():
    images, training = scenes(5), scenes(20, seed=1)
    plain = similarity.nearest(images, training)[0]
    assert (similarity.nearest(images, training, shifts=1)[0] >= plain).all()
    assert (similarity.nearest(images, training, flips=True)[0] >= plain).all()


def test_distance_ratio_is_that_of_nearest_and_second_nearest():
    training = torch.zeros(3, 1, 1, 3)
    training[1, ..., 0], training[2, ..., 1] = 4, 10
    images = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 5, 0]]).view(3, 1, 1, 3)
    assert similarity.distance_ratio(images, training).tolist() == pytest.approx([1 / 3, 0, 1])


def test_distance_ratio_sees_all_blocks():
    """Nearest in one block, second nearest in another; and both in the last."""
    training = 100 + white(8195, 1, 1, 3)
    training[5], training[8193], training[8194] = 0, 0, 0
    training[5, ..., 0], training[8193, ..., 0], training[8194, ..., 1] = 1, 2, 3
    images = torch.tensor([[0.0, 0, 0], [1.9, 3, 0]]).double().view(2, 1, 1, 3)
    d = [[1, 2], [1.9, math.hypot(0.1, 3)]]
    assert similarity.distance_ratio(images, training).tolist() == pytest.approx([a / b for a, b in d])


def test_a_copy_in_float32_is_seen_as_one():
    """||a - b||^2 from scalar products would lose it in float32."""
    training = 1 + torch.rand(50, 1, 32, 32)
    copies = training[:5] + 1e-4 * torch.randn(5, 1, 32, 32)
    expected = [
        (lambda d: (d[0] / d[1]).item())((copies[i] - training).flatten(1).double().norm(dim=1).sort().values)
        for i in range(5)
    ]
    assert similarity.distance_ratio(copies, training).tolist() == pytest.approx(expected, rel=1e-3)


def test_a_ratio_of_distances_needs_two_images():
    with pytest.raises(ValueError, match="at least two training images"):
        similarity.distance_ratio(torch.rand(1, 1, 3, 5), torch.rand(1, 1, 3, 5))


def test_a_training_image_that_occurs_twice_counts_once():
    """A copy of it has ratio 0, not 0/0; and what is near it is compared with another image."""
    training = white(6, 1, 3, 5)
    images = torch.cat([training[:2], training[:1] + 0.01, white(2, 1, 3, 5, seed=1)])
    for rays in (False, True):
        expected = similarity.distance_ratio(images, training, rays)
        found = similarity.distance_ratio(images, torch.cat([training, training[:3]]), rays)
        assert torch.equal(found, expected)
        assert expected[:2].max() < 1e-6
    twice = torch.zeros(2, 1, 1, 3)
    twice[1, ..., 0] = 2
    assert similarity.distance_ratio(twice, twice.repeat(2, 1, 1, 1)).tolist() == [0, 0]
    with pytest.raises(ValueError, match="two training images that differ"):
        similarity.distance_ratio(images, training[:1].repeat(3, 1, 1, 1))


def test_the_ray_of_a_black_image_is_black():
    training = torch.zeros(3, 1, 1, 2, dtype=torch.float64)
    training[1, ..., 0], training[2, ..., 1] = 2, 3
    image = torch.tensor([[3.0, 1.0]]).double().view(1, 1, 1, 2)
    assert similarity.distance_ratio(image, training, rays=True).item() == pytest.approx(1 / 3)


PAIRS = {
    "rho": lambda a, b: without_types(similarity).rho(a, b),
    "nearest": lambda a, b: without_types(similarity).nearest(a, b),
    "distance_ratio": lambda a, b: without_types(similarity).distance_ratio(a, b),
    "mmd": lambda a, b: without_types(similarity).mmd(a, b),
}


@pytest.mark.parametrize("measure", PAIRS.values(), ids=PAIRS)
def test_images_that_cannot_be_compared_are_refused(measure):
    a = white(3, 1, 4, 6)
    with pytest.raises(ValueError, match=r"one size to be compared, got \(1, 4, 6\) and \(1, 6, 4\)"):
        measure(a, a.mT)
    lost = a.clone()
    lost[1, 0, 2, 3] = math.nan
    for pair in ((lost, a), (a, lost)):
        with pytest.raises(ValueError, match="not finite"):
            measure(*pair)


def test_pairs_are_pairs():
    with pytest.raises(ValueError, match="come in pairs, got 3 and 1"):
        without_types(similarity).rho(white(3, 1, 4, 6), white(1, 1, 4, 6))


# As good as the originals? ----------------------------------------------------------------------------------------


def test_gradient_energy_of_a_ramp():
    """Slopes a down and b across: (a^2 + b^2) / 2; brightness does not count."""
    ramp = 0.02 * torch.arange(7.0)[:, None] + 0.05 * torch.arange(11.0) + 0.3
    energy = similarity.gradient_energy(torch.stack([ramp, 2 * ramp])[:, None])
    assert energy.tolist() == pytest.approx([(0.02**2 + 0.05**2) / 2, 4 * (0.02**2 + 0.05**2) / 2], rel=1e-4)


@pytest.mark.parametrize(("ky", "kx", "band"), [(0, 1, 0), (0, 5, 3), (3, 0, 2), (3, 4, 3), (4, 4, 4), (0, 11, 7)])
def test_a_wave_has_its_power_in_the_ring_of_its_frequency(ky, kx, band):
    """cos of amplitude .4: two modes of squared modulus .04 h w, spread over the ring by the mean."""
    h, w = 18, 24
    phase = 2 * math.pi * (ky * torch.arange(h).double()[:, None] / h + kx * torch.arange(w).double() / w)
    power = similarity.spectrum(0.7 + 0.4 * phase.cos()[None, None])[0]
    fy, fx = np.meshgrid(np.fft.fftfreq(h), np.fft.fftfreq(w), indexing="ij")
    members = (np.floor(np.hypot(fy, fx) * 16 + 1e-12) == band).sum()
    expected = torch.zeros(8).double()
    expected[band] = 2 * 0.04 * h * w / members
    torch.testing.assert_close(power, expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(("shape", "bands"), [((8, 8), 8), ((5, 6), 8), ((4, 4), 4)])
def test_images_too_small_for_a_spectrum_are_refused(shape, bands):
    """A ring without a frequency would have no mean."""
    with pytest.raises(ValueError, match=f"{shape[0]}x{shape[1]} pixels have no frequency in some of {bands} rings"):
        similarity.spectrum(white(2, 1, *shape), bands)
    assert similarity.spectrum(white(2, 1, *shape), 2).isfinite().all()


def test_images_of_one_line_have_no_gradient_energy():
    with pytest.raises(ValueError, match="at least 2x2 pixels are needed, got 1x6"):
        similarity.gradient_energy(white(2, 1, 1, 6))


def test_mmd_is_refused_where_it_is_not_defined():
    a = white(4, 1, 4, 6)
    with pytest.raises(ValueError, match="two images or more are needed in each set, got 1 and 4"):
        similarity.mmd(a[:1], a)
    assert math.isfinite(similarity.mmd(a[:1], a, biased=True))
    for pair, bandwidth in (((torch.zeros(3, 1, 4, 6), torch.zeros(2, 1, 4, 6)), None), ((a, a), 0.0), ((a, a), -1.0)):
        with pytest.raises(ValueError, match="bandwidth must be positive"):
            similarity.mmd(*pair, bandwidth)
    with pytest.raises(ValueError, match="at least 2x2 pixels are needed, got 1x6"):
        similarity.mmd(white(3, 1, 1, 6), white(3, 1, 1, 6))


def test_white_noise_has_a_flat_spectrum_at_its_variance():
    """Each band within four standard errors; the first also holds the mean, which is removed."""
    power = similarity.spectrum(0.2 * white(500, 1, 16, 15)).mean(0)
    fy, fx = np.meshgrid(np.fft.fftfreq(16), np.fft.fftfreq(15), indexing="ij")
    members = [(np.floor(np.hypot(fy, fx) * 16) == k).sum() for k in range(8)]
    for k in range(8):
        share = (members[k] - 1) / members[k] if k == 0 else 1
        assert abs(power[k] - 0.04 * share) < 4 * 0.04 * math.sqrt(2 / (500 * members[k]))


def test_mmd_is_unbiased_for_one_law_and_positive_for_two():
    """20 pairs of sets: the mean is 0 within four standard errors; sets of different contrast stand out of them all."""
    same = np.array([similarity.mmd(white(60, 1, 6, 8, seed=k), white(50, 1, 6, 8, seed=100 + k)) for k in range(20)])
    assert abs(same.mean()) < 4 * same.std(ddof=1) / math.sqrt(20)
    assert same.min() < 0 < same.max()
    assert similarity.mmd(white(60, 1, 6, 8), 2 * white(50, 1, 6, 8, seed=1)) > 3 * same.max()


def test_mmd_of_two_far_point_clouds():
    """Two tight clusters far apart: kernel 1 within, exp(-D^2 / 2 b^2) across; images are averaged 2x2 first."""
    a, b = torch.zeros(4, 1, 4, 6), torch.ones(5, 1, 4, 6)
    assert similarity.mmd(a, b, bandwidth=1.0) == pytest.approx(2 - 2 * math.exp(-6 / 2))
    assert similarity.mmd(a, b, bandwidth=3.0) == pytest.approx(2 - 2 * math.exp(-6 / 18))
    checkerboard = (-1.0) ** torch.arange(6).expand(4, 1, 4, 6)
    assert similarity.mmd(a, a + checkerboard, bandwidth=1.0) == pytest.approx(0)


def test_biased_mmd_is_the_distance_of_the_means_of_features():
    """It is a squared norm: 0 for a set and itself; for one law about (1/n + 1/m)(1 - E k)."""
    a, b = white(40, 1, 6, 8), white(50, 1, 6, 8, seed=1)
    assert similarity.mmd(a, a, bandwidth=2.0, biased=True) == pytest.approx(0, abs=1e-12)
    flat_a, flat_b = (torch.nn.functional.avg_pool2d(x, 2).flatten(1) for x in (a, b))
    mean_kernel = (-torch.cdist(flat_a, flat_b).square() / 8).exp().mean().item()
    values = [
        similarity.mmd(white(40, 1, 6, 8, seed=k), white(50, 1, 6, 8, seed=99 + k), 2.0, biased=True) for k in range(20)
    ]
    expected = (1 / 40 + 1 / 50) * (1 - mean_kernel)
    assert np.mean(values) == pytest.approx(expected, abs=4 * np.std(values) / math.sqrt(20) + 0.02 * expected)


def test_a_brighter_copy_is_a_copy_of_a_ray_only():
    """Distances do not see it, distances to rays do; a negative is no copy of either."""
    training = 0.5 + 0.1 * white(6, 1, 5, 7, seed=2)
    brighter = 1.5 * training[[4]]
    assert similarity.distance_ratio(brighter, training) > 1 / 3
    assert similarity.distance_ratio(brighter, training, rays=True) < 1e-6
    assert similarity.distance_ratio(-brighter, training, rays=True) == pytest.approx(1)


def test_distances_to_rays_equal_the_best_scale_found_by_search():
    images, training = white(4, 1, 3, 5, seed=3), white(5, 1, 3, 5, seed=4)
    scales = torch.linspace(0, 3, 30_001, dtype=torch.float64)
    expected = []
    for image in images.double():
        found = [(image.flatten() - scales[:, None] * x.flatten()).norm(dim=1).min() for x in training.double()]
        first, second = sorted(found)[:2]
        expected.append(first / second)
    torch.testing.assert_close(
        similarity.distance_ratio(images, training, rays=True), torch.stack(expected), atol=1e-6, rtol=0
    )


# Linear? ----------------------------------------------------------------------------------------------------------


def test_a_linear_denoiser_obeys_superposition_and_a_gate_does_not():
    y = white(9, 1, 5, 7)
    assert agreement.linearity(lambda y: 0.3 * y.flip(-1), y).tolist() == pytest.approx([1] * 4, abs=1e-12)
    # E relu(u) relu(a) at correlation cos t is (sin t + (pi - t) cos t) / 2 pi (Cho & Saul 2009), here t = pi / 4
    t = math.pi / 4
    product = (math.sin(t) + (math.pi - t) * math.cos(t)) / (2 * math.pi)
    expected = 2 * product / math.sqrt((1 + 1 / math.pi) / 2)
    many = white(2, 1, 300, 301)
    assert agreement.linearity(torch.relu, many).item() == pytest.approx(expected, abs=0.005)
