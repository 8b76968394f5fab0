"""One denoiser, against maps whose matrix, response and samples are known."""

import pytest
import torch

from ghr import foreign, harmonic
from ghr.measure import single
from ghr.noise import add_noise
from ghr.references import WienerDenoiser

H, W = 7, 13
D = H * W


@pytest.fixture
def x():
    """Eight smooth images, 7 by 13, float64, in [0,1]."""
    coarse = torch.rand(8, 1, 3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return torch.nn.functional.interpolate(coarse, (H, W), mode="bilinear")


def linear(matrix):
    """y -> matrix y, at any noise."""
    return lambda y, sigma=None: (y.flatten(1) @ matrix.T.to(y)).view_as(y)


def projection(k, seed=0):
    """On k vectors, orthonormal."""
    rows = harmonic.random(k, H, W, seed).flatten(1)
    return rows.T @ rows


def test_a_curve_is_what_is_left_and_its_gap_is_that_to_training_images(x):
    """A denoiser that answers with one of its training images knows that image."""
    f = lambda y, sigma: x[:1].expand_as(y)  # noqa: E731
    seen = x[:1] + torch.tensor([1e-3, -1e-3], dtype=torch.float64).view(2, 1, 1, 1)
    rows = list(single.curve(f, x[1:], [0.1, 0.2], seen))
    expected = -10 * (x[1:] - x[0]).square().mean().log10()
    assert [row.test.value for row in rows] == pytest.approx([float(expected)] * 2)
    assert rows[0].training.value == pytest.approx(60)
    assert rows[0].gap.value == pytest.approx(60 - float(expected))
    assert rows[0].noisy.value == pytest.approx(20, abs=1)
    assert rows[0].input_psnr == pytest.approx(20)
    (alone,) = single.curve(f, x[1:], [0.1])
    assert alone.training is alone.gap is None


def test_who_is_told_the_noise_level_responds_and_who_is_blind_does_not(x):
    told = single.response(lambda y, sigma: sigma * y, x, 0.2)
    assert (told.half, told.twice, told.scaling) == pytest.approx((0.5, 1, 1))
    blind = single.response(lambda y: y / 2, x, 0.2)
    assert (blind.half, blind.twice, blind.scaling) == (0, 0, 0)
    shifted = single.response(lambda y: y - 1, x, 0.2)
    assert shifted.half == 0 < shifted.scaling


def test_nobody_is_told_a_noise_level_that_it_does_not_know(x):
    bars = (0.99, 0.97, 0.95)
    f = foreign.adapt(lambda v, t: t.view(-1, 1, 1, 1) * v, told="step", predicts="clean", bars=bars)
    low, high = f.convention.levels
    found = single.response(f, x, (low + high) / 2)
    assert found.half > 0.9
    assert found.twice > 0.2


def test_the_optimum_is_symmetric_and_keeps_as_many_dimensions_as_its_error_says():
    """Wiener's filter on Gaussian images: MSE = sigma^2 tr J / d, and left and right singular vectors are one basis."""
    generator, sigma = torch.Generator().manual_seed(0), 0.3
    rows = harmonic.random(D, H, W).flatten(1)
    roots = torch.linspace(2, 0.01, D, dtype=torch.float64)
    x = 0.5 + ((torch.randn(4000, D, generator=generator, dtype=torch.float64) * roots) @ rows).view(-1, 1, H, W)
    f = WienerDenoiser(x)
    found = {sigma: [single.matrix(f, one, sigma, seed, most=D) for seed, one in enumerate(x[:40].split(1))]}
    (row,) = single.geometry(found)
    assert row.asym.value < 1e-6
    assert row.two_sides.value == pytest.approx(1)
    assert row.eigen_right.value == pytest.approx(1)
    assert row.dimension.low < row.trace.value < row.dimension.high
    assert row.loss.value != 0  # f has a mean, J does not know
    assert row.chance == pytest.approx(round(row.trace.value) / D)
    spectrum = single.spectra(found)
    assert spectrum["eigenvalue"] == pytest.approx(spectrum["singular"])
    assert sum(spectrum["eigenvalue"]) == pytest.approx(row.trace.value)


def test_a_denoiser_that_moves_elsewhere_than_it_listens_has_two_bases(x):
    """J = U V' with unrelated U and V: alignment by chance, eigenvectors half in each."""
    u, v = (harmonic.random(D, H, W, seed)[:6].flatten(1) for seed in (1, 2))
    f = linear(6 * u.T @ v + projection(6, 1) * 1e-9)
    (row,) = single.geometry({0.1: [single.matrix(f, one, 0.1, most=D) for one in x.split(1)]})
    assert row.two_sides.value < 0.25
    assert row.asym.value > 1
    assert row.hom.value < 1e-9


def test_differences_find_the_same_matrix(x):
    f = linear(projection(9))
    pair = [single.matrix(f, x[:1], 0.1, smooth=smooth) for smooth in (True, False)]
    torch.testing.assert_close(pair[0].singular, pair[1].singular, atol=1e-9, rtol=0)


def test_dimensions_are_counted_without_the_matrix(x):
    """tr J of a projection on nine vectors, by signs; its error is what it leaves out and the noise that it keeps."""
    row = single.dimensions(linear(projection(9)), x, 0.1, probes=400)
    assert row.trace.value == pytest.approx(9, rel=0.03)
    left = (x.flatten(1) - x.flatten(1) @ projection(9)).square().sum(1).mean().item()
    assert row.dimension.value == pytest.approx(9 + left / 0.01, rel=0.03)
    assert row.tested == 8


def test_a_basis_of_the_image_is_adapted_and_a_random_one_is_not(x):
    own = [harmonic.smoothest(one, 20) for one in x]

    def found(bases):
        some = []
        for one, basis in zip(x, bases, strict=True):
            rows = basis.flatten(1)
            factors = torch.linspace(2, 0.1, len(rows), dtype=torch.float64)
            some.append(single.matrix(linear(rows.T @ (factors[:, None] * rows)), one[None], 0.1))
        return {0.1: some}

    measured, ahead = single.adapted(found(own), x, x)
    assert measured.one(basis="its own").h4.value > 0.1
    assert ahead["h4"][0].low > 0
    measured, _ = single.adapted(found([harmonic.random(20, H, W, k) for k in range(8)]), x, x)
    assert measured.one(basis="its own").h4.value == pytest.approx(0, abs=0.05)
    assert set(measured["basis"]) == {"its own", "a third image's", "principal", "cosines", "random"}


def test_copies_are_counted_beside_what_test_images_share(x):
    copies, tests = single.drawn(x[:3] + 0.001, x[4:], x[:4])
    assert (copies.copies.value, copies.many) == (1, 3)
    assert copies.nearest.value == pytest.approx(1)
    assert tests.copies.value < 1
    assert copies.contrast.value == pytest.approx(float(x[:3].flatten(1).std(1).mean()))
    alone, _ = single.drawn(x[:3], x)
    assert alone.copies is alone.nearest is None


@pytest.mark.parametrize(("units", "predicts"), [("signed", "residual"), ("unit", "residual"), ("bytes", "clean")])
def test_a_denoiser_read_in_wrong_units_gets_a_hint(x, units, predicts):
    wiener = WienerDenoiser(add_noise(x, 0.01, torch.Generator().manual_seed(0)))
    a, b = foreign.UNITS[units]

    def network(v, s):
        u = a * wiener((v - b) / a, s / a) + b
        return v - u if predicts == "residual" else u

    good, hint = single.meant(foreign.adapt(network), x)
    assert not good
    assert f"units {units} and predicts {predicts} would take away" in hint
    assert single.meant(foreign.adapt(network, units=units, predicts=predicts), x) == (True, "")


def test_a_denoiser_that_nothing_helps_is_told_so(x):
    good, hint = single.meant(foreign.adapt(lambda v: 1e6 + 0 * v), x)
    assert not good
    assert "no other units or prediction does better" in hint
