"""Slopes, levels and losses: power laws, denoisers that are their own rivals, and the exact optimum."""

import csv
import io

import numpy as np
import pytest
import torch

from ghr import harmonic
from ghr.experiments import Study
from ghr.images import Halves, synthetic
from ghr.measure import bases, gaussian_fields, rates
from ghr.noise import SIGMAS, add_noise, mse
from ghr.recipes import Run
from ghr.references import StationaryWienerDenoiser, WaveletDenoiser
from ghr.stats import Estimate


def study(name, denoiser, x, n=100):
    """One network of an image set."""
    run = Run(images=name, n=n)
    return Study(name, {(n, "A"): run}, {(n, "A"): denoiser}, {n: Halves(x, x, x)}, x)


def law(slope, level=0.0, images=4, psnr=rates.INPUT_PSNR):
    """Errors whose mean has the output PSNR slope * input + level."""
    spread = np.linspace(0.5, 1.5, images)
    return 10 ** (-(slope * psnr + level) / 10)[:, None] * spread


def psnr_of(x, x_hat):
    """Of the mean squared error."""
    return -10 * np.log10(mse(x, x_hat).mean().item())


def test_names_tell_regularity_and_theory():
    """|w|^-alpha is regularity alpha - 1 in the plane and alpha - 1/2 on a line; the smaller one decides."""
    r = rates.regularity("c_alpha-3-1")
    assert (r.alpha, r.contour, r.hoelder, r.even, r.authors) == (3, 1, False, False, False)
    assert (r.named, r.true) == (1 / 2, pytest.approx(1 / 3))
    assert r.label == "α = 3, contour 1"
    assert (rates.regularity("c_alpha-3").named, rates.regularity("c_alpha-3").true) == (3 / 4, 2 / 3)
    h = rates.regularity("hoelder-2.5")
    assert (h.named, h.true, h.even, h.label) == (2.5 / 3.5, 2.5 / 3.5, True, "α = 2.5, Hölder")
    assert [rates.regularity(name).authors for name in ("c_alpha-2", "hoelder-2")] == [True, False]
    with pytest.raises(ValueError, match='"fields-2" is no set of C'):
        rates.regularity("fields-2")


def test_each_window_has_its_own_slope():
    psnr = rates.INPUT_PSNR
    bent = 10 ** (-np.where(psnr < 15, 0.2 * psnr, 0.9 * psnr - 10.5) / 10)[:, None] * np.array([0.5, 1.5])
    rows = rates.slopes({("c_alpha-2", "UNet"): bent, ("c_alpha-2", "TI db4"): law(0.7)})
    (middle,) = rows.where(denoiser="UNet", low=15)
    assert (middle.slope.value, middle.slope.low, middle.slope.high) == pytest.approx((0.9, 0.9, 0.9))
    (whole,) = rows.where(denoiser="UNet", low=9)
    assert 0.5 < whole.slope.value < 0.9
    assert [row.slope.value for row in rows.where(denoiser="TI db4")] == pytest.approx([0.7, 0.7])
    assert {(row.alpha, row.named) for row in rows} == {(2, 2 / 3)}
    assert rows.where(denoiser="TI db4", low=9).rows[0].nearer == pytest.approx((0.7 - 2 / 3) - (0.7 - 1 / 2))


def beside(own, other, name="c_alpha-2"):
    """A network and three rivals that are equally good."""
    return {(name, "UNet"): own} | {(name, rival): other for rival in rates.RIVALS}


def test_a_lead_is_a_difference_of_levels_and_steeper_one_of_slopes():
    rows = rates.leads(beside(law(0.8, 3), law(0.8)))
    assert [row.rival for row in rows] == list(rates.RIVALS)
    assert [row.lead.value for row in rows] == pytest.approx([3, 3, 3])
    assert [row.steeper.value for row in rows] == pytest.approx([0, 0, 0], abs=1e-12)
    assert rows.rows[0].level == pytest.approx(0.8 * 18 + 3)  # the mean of input 9 to 27 dB
    (row,) = rates.leads(beside(law(0.9), law(0.7))).where(rival="TI db4")
    assert row.steeper.value == pytest.approx(0.2)
    assert row.lead.value == pytest.approx(0.2 * 18)


def test_wavelets_lead_themselves_by_nothing():
    points = rates.curves(beside(law(0.8, 3), law(0.8)))
    assert [row.over_wavelets.value for row in points.where(denoiser="TI db4")] == [0] * 9
    assert [row.over_wavelets.value for row in points.where(denoiser="UNet")] == pytest.approx([3] * 9)


def test_the_worst_is_that_of_the_papers_kinds_alone():
    measured = {
        **beside(law(0.8, 2), law(0.7), "c_alpha-1"),
        **beside(law(0.8, 1), law(0.8), "c_alpha-3"),
        **beside(law(0.1, -9), law(0.8), "c_alpha-3-1"),
        **beside(law(0.1, -9), law(0.8), "hoelder-2"),
        ("c_alpha-3", "BFCNN"): law(0.8, 5),
        ("c_alpha-3", "bandlets"): law(0.8, 0.5),
    }
    unet, chain = rates.worst(measured)
    assert (unet.network, unet.alphas, chain.network, chain.alphas) == ("UNet", "1, 3", "BFCNN", "3")
    assert (unet.least_slope.value, unet.least_lead.value) == pytest.approx((0, 1), abs=1e-12)
    assert (chain.least_slope.value, chain.least_lead.value) == pytest.approx((0, 5), abs=1e-12)
    assert (unet.least_over_bandlets.value, chain.least_over_bandlets.value) == pytest.approx((0.5, 4.5))


def test_kinds_of_bandlets_stand_beside_wavelets():
    """A row for each; on a contour that leaves the image, mirrored borders are better than periodic ones."""
    x = synthetic.load("c_alpha-5", 16, 20, start=50)
    rows = rates.variants(study("c_alpha-5", torch.nn.Identity().eval(), x), tested=8)
    assert [(row.moments, row.border) for row in rows] == [(1, 0), (1, 8), (2, 8), (4, 8)]
    y = add_noise(x[:8], rates.SOME, torch.Generator().manual_seed(0))
    plain, haar = (psnr_of(x[:8], f(y, rates.SOME)) for f in (WaveletDenoiser(), rates.bandlets(16)))
    assert rows.rows[1].output_psnr.value == pytest.approx(haar, abs=1e-4)
    assert rows.rows[1].over_wavelets.value == pytest.approx(haar - plain, abs=1e-4)
    assert rows.rows[1].output_psnr.value > rows.rows[0].output_psnr.value + 0.1
    with pytest.raises(ValueError, match="moments must be from 1 to 16"):
        rates.bandlets(16, moments=17)(y, 0.1)


def test_whatever_has_the_slopes_of_theory_passes():
    measured = {}
    for alpha in (1, 5):
        theory = alpha / (alpha + 1)
        for denoiser, off in (("UNet", 0.0), ("TI db4", 0.056), ("bandlets", -0.058), ("Wiener", 0.3 * (alpha - 1))):
            measured[f"c_alpha-{alpha}", denoiser] = law(theory + off)
    rows = rates.passing(rates.slopes(measured))
    assert [(row.denoiser, row.passed, row.of) for row in rows] == [
        *(("UNet", 2, 2), ("TI db4", 2, 2), ("bandlets", 0, 2), ("Wiener", 1, 2))
    ]
    assert rows.rows[0].tolerance == pytest.approx(2 / 3 - 0.61)
    assert [row.off_named for row in rows] == pytest.approx([0, 0.056, 0.058, 0.6])
    assert rows.rows[0].off_true == pytest.approx((1 / 2 + 5 / 6 - 4 / 5) / 2)


def test_wavelets_keep_all_of_a_contour_that_stands_above_the_noise():
    """At 36 dB and more an edge costs a fixed number of coefficients: an error in proportion to sigma^2, slope 1."""
    x = synthetic.load("c_alpha-5", 32, 4, start=50)
    (row,) = rates.beyond([study("c_alpha-5", torch.nn.Identity().eval(), x)], tested=3)
    assert (row.images, row.alpha) == ("c_alpha-5", 5)
    assert row.before < row.after.value < 1.05
    measured = rates.beside_rivals([study("c_alpha-5", torch.nn.Identity().eval(), x)], tested=3, fitted=5)
    (same,) = rates.slopes(measured).where(denoiser="TI db4", low=9)
    assert (row.before, same.tested) == (same.slope.value, 3)


def test_a_mixture_stands_between_those_that_share_a_part():
    measured = {
        ("c_alpha-3-1", "UNet"): law(0.6),
        ("c_alpha-3", "UNet"): law(0.8, images=5),
        ("c_alpha-1", "UNet"): law(0.5),
        ("c_alpha-3-1", "TI db4"): law(0.5),
        ("hoelder-3-1", "UNet"): law(0.5),  # no images to compare it with
    }
    (row,) = rates.mixtures(measured)
    found = (row.slope, row.over_regions, row.over_contour, row.off_middle)
    assert [e.value for e in found] == pytest.approx([0.6, -0.2, 0.1, -0.05])


def test_a_network_that_is_its_rival_leaves_the_same_errors():
    """TI db4 as a network, which is not told less; Wiener has the mean and covariance of the set's first images."""
    x = synthetic.load("c_alpha-2", 16, 4, start=100)
    twice = [study("c_alpha-2", WaveletDenoiser(), x), study("c_alpha-2", WaveletDenoiser(), x)]
    measured = rates.beside_rivals(twice, tested=3, fitted=50)
    assert list(measured) == [("c_alpha-2", name) for name in ("UNet", *rates.RIVALS)]
    assert np.array_equal(measured["c_alpha-2", "UNet"], measured["c_alpha-2", "TI db4"])
    assert [errors.shape for errors in measured.values()] == [(9, 3)] * 4
    leads = rates.leads(measured)
    assert leads.where(rival="TI db4").rows[0].lead == Estimate(0, 0, 0)


def test_the_exact_optimum_loses_nothing_to_itself_and_has_the_error_of_the_formula():
    x = synthetic.load("fields-2", 16, 60)
    best = StationaryWienerDenoiser(synthetic.spectrum(16, 2.0))
    sigmas = SIGMAS[(SIGMAS >= 0.02) & (SIGMAS <= 0.7)]
    rows, (total,) = gaussian_fields.losses(study("fields-2", best, x), sigmas)
    assert {row.loss for row in rows} == {Estimate(0, 0, 0)}
    assert (total.largest, total.slope, total.limit) == (Estimate(0, 0, 0), total.exact_slope, 1 / 2)
    assert total.formula < 0.2  # of a mean over 60 fields
    rows, (total,) = gaussian_fields.losses(study("fields-2", lambda y: y, x), sigmas)
    assert total.slope.value == pytest.approx(1, abs=0.01)
    assert total.largest.value == max(row.loss.value for row in rows) == rows.where(sigma=total.at).rows[0].loss.value
    assert total.mean < total.largest.value


def test_the_basis_of_the_optimum_is_in_the_span_of_its_own_waves():
    x = synthetic.load("fields-2", 12, 3)
    fields = study("fields-2", torch.nn.Identity(), x)
    best = gaussian_fields.exact_basis(fields, x[:1], 0.1)
    spectrum = synthetic.spectrum(12, 2.0)
    factors = (spectrum / (spectrum + 0.01)).flatten().sort(descending=True).values
    assert torch.allclose(best.eigenvalues, factors, atol=1e-9)
    rows = gaussian_fields.subspaces([best.eigenvectors[:72]] * 3, best)
    assert [row.fourier.value for row in rows] == pytest.approx([1] * len(rows.rows))
    assert [row.another.value for row in rows] == pytest.approx([1] * len(rows.rows))
    assert [row.k for row in rows][:3] == [5, 9, 13]  # |w| <= 1 share a factor; then |w|^2 = 2 and 4
    (nearest,) = rows.where(nearest=True)
    assert abs(nearest.k - factors.sum()) == min(abs(row.k - factors.sum()) for row in rows)
    blind = gaussian_fields.subspaces([harmonic.random(72, 12, 12, seed=k) for k in range(3)], best)
    assert [row.fourier.value for row in blind] == pytest.approx([row.chance for row in blind], abs=0.1)


def test_of_a_mixture_the_strongest_plane_wave_is_shown():
    """A wave is itself; of two waves in one function the stronger is left, with its phase, at norm 1."""
    down, across = torch.meshgrid(torch.arange(6.0), torch.arange(9.0), indexing="ij")
    one = torch.cos(2 * torch.pi * (down / 6 + 2 * across / 9) + 0.4)
    other = torch.cos(2 * torch.pi * 3 * across / 9 + 1)
    mixed = torch.stack([one, 2 * one + other, one - 2 * other])[:, None]
    wanted = torch.stack([one / one.norm(), one / one.norm(), -other / other.norm()])[:, None]
    torch.testing.assert_close(gaussian_fields.plane_waves(mixed), wanted)


def filters(basis, traces):
    """Stand-ins for what a network is at each image."""
    numbers = dict.fromkeys(("hom", "asym", "error", "symmetric_error", "rows", "columns"), 0.0)
    return tuple(
        bases.Filter(eigenvalues=torch.ones(len(v)), eigenvectors=v, trace=trace, **numbers)
        for v, trace in zip(basis, traces, strict=True)
    )


def test_one_basis_for_all_images_gains_nothing_and_the_smoothest_on_each_do():
    kinds = [rates.regularity(name) for name in ("c_alpha-2", "hoelder-2")]
    rough, smooth = (rates.scenes(4, 14, kind, seed=3) for kind in kinds)
    assert rough.shape == (4, 1, 14, 14)
    assert torch.corrcoef(torch.stack([rough.flatten(), smooth.flatten()]))[0, 1] > 0.9  # one scene, another roughness
    clean = {"c_alpha-2": rough, "hoelder-2": smooth, "fields-2": rough}
    found = {
        ("c_alpha-2", "UNet"): filters([harmonic.smoothest(x.double(), 98) for x in rough], [20.0] * 4),
        ("hoelder-2", "UNet"): filters([harmonic.smoothest(x.double(), 98) for x in smooth], [20.0] * 4),
        ("fields-2", "UNet"): filters([harmonic.dct(14, 14)[:98]] * 4, [20.0] * 4),
    }
    rows, gains = rates.adaptation(found, clean)
    assert [row.trace.value for row in rows] == [20, 20, 20]
    assert [(row.images, row.index) for row in gains] == [
        (pool, index) for pool in ("c_alpha", "fields-2") for index in ("H2", "H4")
    ]
    of_fields = gains.where(images="fields-2")
    assert [(row.gain, row.positive) for row in of_fields] == [(Estimate(0, 0, 0), 0)] * 2
    (pooled,) = gains.where(images="c_alpha", index="H4")
    assert pooled.gain.low > 0
    assert (pooled.positive, pooled.scenes) == (4, 4)
    own = [row.h4.value - row.h4_third.value for row in rows.rows[:2]]
    assert (pooled.low, pooled.high, pooled.gain.value) == pytest.approx((min(own), max(own), np.mean(own)))


def test_networks_are_differentiated_at_the_same_noisy_scenes():
    x = synthetic.load("fields-2", 8, 5)
    linear = lambda y: y * torch.linspace(0, 1, 8)  # noqa: E731
    clean, found = rates.differentiated([study("c_alpha-2", linear, x), study("fields-2", linear, x)], many=3, seed=5)
    assert torch.equal(clean["c_alpha-2"], rates.scenes(3, 8, rates.regularity("c_alpha-2"), seed=5))
    assert torch.equal(clean["fields-2"], x[:3])
    for some in found.values():
        assert bases.values(some, "trace") == pytest.approx([32] * 3)
    noise = 0.1 * torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(5))
    left = (linear(x[:3] + noise) - x[:3]).square().mean((1, 2, 3))
    assert bases.values(found["fields-2", "UNet"], "error") == pytest.approx(left.numpy(), rel=1e-5)


def test_a_table_is_the_same_numbers_as_a_csv():
    rows = rates.slopes({("c_alpha-2", "UNet"): law(0.3) + 0.01})
    head, *lines = csv.reader(io.StringIO(rows.csv()))
    assert len(lines) == 2
    for line, row in zip(lines, rows, strict=True):
        read = dict(zip(head, line, strict=True))
        assert tuple(float(read[name]) for name in ("slope", "slope_low", "slope_high")) == (
            *(row.slope.value, row.slope.low, row.slope.high),
        )
        assert (read["images"], float(read["named"])) == ("c_alpha-2", row.named)
