"""Manifolds: the optimum against itself, Jacobians that are put together, and waves that are known."""

import numpy as np
import pytest
import torch

from ghr import harmonic
from ghr.experiments import Study
from ghr.images import Halves, synthetic
from ghr.measure import manifolds
from ghr.noise import add_noise
from ghr.recipes import Run
from ghr.references import DiscPosterior, RayDenoiser, SineDenoiser
from ghr.stats import Estimate

SIZE, SIGMA = 17, 0.01

# torch.func.jvp compiles its own parts with it
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")


@pytest.fixture(scope="module")
def parameters():
    return synthetic.disc_parameters(4, SIZE, torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def tangents(parameters):
    return [synthetic.disc_tangent(p, SIZE) for p in parameters.T]


def test_the_optimum_on_discs_keeps_five_dimensions_and_loses_nothing_to_itself(parameters):
    x = synthetic.draw_discs(parameters, SIZE)
    found = manifolds.posteriors(x, np.array([0.1, SIGMA]), seed=1)
    assert found.traces.mean(1) == pytest.approx([5, 5], abs=0.5)
    assert found.errors.mean(1) == pytest.approx(5 * found.sigmas**2 / SIZE**2, rel=0.6)
    (row,) = manifolds.sampling(found)
    assert row.least == found.effective.min() > 100
    assert (row.doubtful, row.of) == (0, 8)
    rows = manifolds.levels("discs", {"same": found}, found)
    assert [row.denoiser for row in rows] == ["same", "same", "optimum", "optimum"]
    assert {(row.ratio, row.loss) for row in rows} == {(Estimate(1, 1, 1), Estimate(0, 0, 0))}
    assert [row.trace.value for row in rows.where(denoiser="same")] == pytest.approx(found.traces.mean(1))
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    again = DiscPosterior(SIZE).posterior(x + SIGMA * noise, SIGMA)
    assert np.array_equal(found.traces[1], again.trace.numpy())


def test_a_projection_is_measured_alike_as_a_network_and_as_an_optimum():
    """Its trace is its rank; as a network's it is estimated, with a standard error of 1/2 for each image."""
    x = synthetic.rays(torch.rand(1, 1, 9, 13, generator=torch.Generator().manual_seed(0)), 40, None)
    project, sigmas = RayDenoiser(x[:1]), np.array([0.5, 0.1])
    exact = manifolds.projections(project, x, sigmas, seed=3)
    network = manifolds.answers(project, x, sigmas, seed=3, probes=8)
    assert np.array_equal(exact.errors, network.errors)
    assert (exact.traces == 1).all()
    assert network.traces.mean(1) == pytest.approx([1, 1], abs=0.4)
    assert exact.errors.mean(1) == pytest.approx(sigmas**2 / (9 * 13), rel=0.5)
    assert (manifolds.projections(SineDenoiser(12), synthetic.sines(2, 12), sigmas).traces == 2).all()


def answers(errors, sigmas):
    return manifolds.Answers(sigmas, errors, np.full_like(errors, 7.0))


def test_deficits_are_judged_between_21_and_40_db():
    """Errors of the optimum have slope 1; the network's are 2, 3 and 6 times as large from 21 to 40 dB."""
    psnr = np.array([41.0, 39, 30, 22, 20, 28])  # the last one is that of whole Jacobians
    sigmas = 10 ** (-psnr / 20)
    best = (sigmas**2)[:, None] * np.array([0.5, 1.0, 1.5])
    own = best * np.array([50, 6, 3, 2, 0.1, 1])[:, None]
    network, optimum = manifolds.deficits("discs", {"UNet": answers(own, sigmas)}, answers(best, sigmas))
    assert (network.smallest.value, network.rise.value) == pytest.approx((2, 1))
    assert network.trace.value == 7
    assert network.slope.value < 0.9
    assert (optimum.denoiser, optimum.smallest, optimum.rise) == ("optimum", Estimate(1, 1, 1), Estimate(0, 0, 0))
    assert optimum.slope.value == pytest.approx(1)
    falling = best * np.array([1, 2, 3, 2, 1, 1])[:, None]
    assert manifolds.rise(falling[1:4], best[1:4]) == pytest.approx(-1)
    levels = manifolds.levels("discs", {"UNet": answers(own, sigmas)}, answers(best, sigmas))
    assert [row.loss.value for row in levels.where(denoiser="UNet")][1] == pytest.approx(10 * np.log10(6))


def test_the_optimum_lies_in_the_tangent_at_weak_noise(parameters, tangents):
    x, exact = synthetic.draw_discs(parameters, SIZE), DiscPosterior(SIZE)
    some = manifolds.dissections(exact, x, tangents, SIGMA, seed=1, matrix=lambda y: exact.jacobian(y, SIGMA))
    (row,) = manifolds.parts("discs", {"optimum": some})
    assert row.left.value > 0.97
    assert row.left.value == pytest.approx(row.right.value, abs=1e-4)  # it is symmetric
    assert row.along.value + row.beyond.value == pytest.approx(row.trace.value)
    assert row.trace.value == pytest.approx(5, abs=0.5)
    assert row.beyond.value < 0.4
    assert row.error_along.value + row.error_beyond.value == pytest.approx(
        (exact(add_noise(x, SIGMA, torch.Generator().manual_seed(1)), SIGMA) - x).square().sum().item() / 4 / SIGMA**2,
        rel=1e-4,
    )
    assert row.error_beyond.value < row.error_along.value
    spectrum = manifolds.spectra("discs", {"optimum": some}, (1, 5, 6))
    assert [e.rank for e in spectrum] == [1, 5, 6]
    assert spectrum.rows[1].value.value > 0.8 > 0.2 > spectrum.rows[2].value.value


def test_a_jacobian_that_is_put_together_is_taken_apart():
    """Three tangent directions, one more half kept, another hardly; the answer moves along u where y moves along v."""
    d = 35
    rows = harmonic.random(8, 5, 7, seed=1).flatten(1)
    tangent, u, v, extra, faint = rows[:3], rows[3], rows[4], rows[5], rows[6]
    j = tangent.T @ tangent + 0.5 * extra[:, None] * extra + 0.05 * faint[:, None] * faint
    error = (2 * SIGMA * tangent[1] + SIGMA * extra).view(1, 5, 7).float()
    part = manifolds.dissect(j, error, tangent, SIGMA)
    assert (part.left, part.right, part.symmetric, part.asym) == pytest.approx((1, 1, 1, 0), abs=1e-9)
    assert (part.trace, part.along, part.beyond, part.count) == pytest.approx((3.55, 3, 0.55, 1))
    assert (part.error_along, part.error_beyond) == pytest.approx((4, 1), rel=1e-5)
    assert len(part.eigenvalues) == len(part.surplus) == d // 2
    assert part.eigenvalues[:6].tolist() == pytest.approx([1, 1, 1, 0.5, 0.05, 0], abs=1e-9)
    assert abs(part.surplus[0].flatten() @ extra) == pytest.approx(1)
    assert (part.surplus.flatten(1)[:2] @ tangent.T).abs().max() < 1e-9
    turned = manifolds.dissect(tangent[0][:, None] * v, error, tangent[:1], SIGMA)
    assert (turned.left, turned.right) == pytest.approx((1, 0), abs=1e-9)
    assert manifolds.dissect(u[:, None] * tangent[0], error, tangent[:1], SIGMA).right == pytest.approx(1)


def test_images_get_the_noise_that_they_have_among_all(parameters, tangents):
    """Whole Jacobians are taken at fewer images than errors: at the same noisy ones."""
    seen = []
    x = synthetic.draw_discs(parameters, SIZE)
    halve = lambda y: y / 2  # noqa: E731

    def matrix(y):
        seen.append(y)
        return torch.eye(SIZE**2) / 2

    manifolds.dissections(halve, x, tangents[:2], SIGMA, seed=4, matrix=matrix)
    assert torch.equal(torch.cat(seen), add_noise(x, SIGMA, torch.Generator().manual_seed(4))[:2])
    (part,) = manifolds.dissections(halve, x, tangents[:1], SIGMA, seed=4)
    assert part.trace == pytest.approx(SIZE**2 / 2)


def test_a_surplus_of_contour_waves_is_found_and_beats_every_control(parameters, tangents):
    x, held_out = synthetic.draw_discs(parameters, SIZE), synthetic.discs(80, SIZE, torch.Generator().manual_seed(9))
    some = []
    for p, tangent in zip(parameters.T, tangents, strict=True):
        waves = harmonic.perpendicular(synthetic.contour_waves(p, SIZE), tangent)
        j = tangent.T @ tangent + waves.T @ (torch.linspace(0.9, 0.2, 8).double()[:, None] * waves)
        some.append(manifolds.dissect(j, torch.zeros(1, SIZE, SIZE), tangent, SIGMA))
    rows, (ahead,) = manifolds.surplus("UNet", some, x, parameters, held_out)
    knowing = ["random, at the edge", "smooth, at the edge"]
    assert [row.basis for row in rows] == ["its own", "a third disc's", "principal", "cosines", "random", *knowing]
    shares = {row.basis: row.waves.value for row in rows}
    assert shares["its own"] == pytest.approx(1)
    assert shares["random"] == pytest.approx(8 / (SIZE**2 - 5), abs=0.03)
    assert ahead.waves.value == pytest.approx(1 - max(shares[row.basis] for row in rows.rows[1:5]))
    assert (ahead.edge.value, ahead.smooth_edge.value) == pytest.approx([1 - shares[name] for name in knowing])
    assert 2 * shares["random"] < shares[knowing[0]] < shares[knowing[1]]  # few pixels; and few waves
    assert ahead.waves.low > 0.2
    assert ahead.h2.value > 0  # across the contours of its own disc
    assert rows.rows[0].h1.value > 0.8  # two waves of each order, by falling eigenvalue


def test_a_share_is_of_no_more_vectors_than_the_span_has():
    rows = harmonic.random(6, 4, 5).flatten(1)
    assert manifolds.share(rows, rows[:2]) == pytest.approx(1)
    assert manifolds.share(rows, rows[1:3]) == pytest.approx(1 / 2)
    assert manifolds.share(rows[:1], rows[:4]) == pytest.approx(1)
    assert manifolds.share(rows[:2], rows[3:]) == pytest.approx(0, abs=1e-12)


def study(name, denoiser, x):
    run = Run(images=name, n=10)
    return Study(name, {(10, "A"): run}, {(10, "A"): denoiser}, {10: Halves(x, x, x)}, x)


def test_a_projection_loses_nothing_to_itself_on_flat_manifolds():
    ray = synthetic.rays(torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(0)), 6, None)
    waves, optima = synthetic.sines(6, 12), (RayDenoiser(ray[:1]), SineDenoiser(12))
    studies = [study("ray", optima[0], ray), study("sines", optima[1], waves)]
    levels, deficits, parts = manifolds.flat(studies, optima, tested=5, dissected=2)
    assert [(row.images, row.denoiser) for row in deficits] == [
        (name, denoiser) for name in ("ray", "sines") for denoiser in ("UNet", "optimum")
    ]
    assert {row.ratio for row in levels} == {Estimate(1, 1, 1)}
    assert [row.trace.value for row in deficits.where(denoiser="optimum")] == [1, 2]
    for row, dimensions in zip(parts, (1, 2), strict=True):
        assert (row.left.value, row.right.value) == pytest.approx((1, 1), abs=1e-5)
        assert (row.along.value, row.beyond.value, row.error_beyond.value) == pytest.approx(
            (dimensions, 0, 0), abs=1e-3
        )
    mixed = manifolds.flat(studies[:1], [optima[0]], tested=3, dissected=2, seed=7)
    assert mixed[0].rows[0].output_psnr != levels.rows[0].output_psnr
