"""The optimum on discs against brute-force quadrature, and the identities of an exact posterior mean."""

import numpy as np
import pytest
import torch

from ghr.images.synthetic import coverage, discs
from ghr.references import DiscPosterior


def noisy(n, size, sigma, seed):
    """Discs and noisy discs, float64; sigma one for all, or one for each."""
    generator = torch.Generator().manual_seed(seed)
    x = discs(n, size, generator).double()
    z = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    return x, x + torch.as_tensor(sigma).view(-1, 1, 1, 1) * z


def brute_force(y, sigma):
    """E[x|y] and Cov[x|y] / sigma^2 by a sum over all five parameters, 15,680 places times 3,072 pairs of levels."""
    size, flat = y.shape[-1], y.flatten()
    u = torch.cartesian_prod(*((torch.arange(k, dtype=torch.float64) + 0.5) / k for k in (20, 28, 28)))
    radius = size * (0.1 + 0.2 * u[:, 0])
    c = coverage(*(radius + (size - 2 * radius) * u[:, 1:].T), radius, size).flatten(1)
    (difference, dw), (v, vw) = (map(torch.from_numpy, np.polynomial.legendre.leggauss(k)) for k in (24, 64))
    difference, v = 0.55 + 0.45 * difference, 0.5 + 0.5 * v  # from .1 to 1, from 0 to 1
    low, w = ((1 - difference)[:, None] * part for part in (v, dw[:, None] * vw))  # the lower level, and its room
    high = low + difference[:, None]
    b, delta = torch.stack([low, high]).flatten(), torch.stack([high - low, low - high]).flatten()
    w = w.flatten().repeat(2)

    of_levels = torch.stack([torch.ones_like(b), b, delta, b * b, b * delta, delta * delta])
    ones = torch.ones(len(c), dtype=torch.float64)
    constant = (flat - flat.mean()).square().sum()  # without a disc; keeps the exponential within range
    squares = [flat @ flat - constant, -2 * flat.sum(), -2 * c @ flat, len(flat), 2 * c.sum(1), (c * c).sum(1)]
    squares = torch.stack([part * ones for part in squares], 1) / (-2 * sigma**2)  # ||y - b - delta c||^2, by terms
    moments = torch.cat([(part @ of_levels).exp_() @ (w * of_levels).T for part in squares.split(2048)]).T
    _, b, delta, bb, bd, dd = moments / moments[0].sum()
    mean, cross = b.sum() + delta @ c, bd @ c
    second = bb.sum() + cross + cross[:, None] + c.T @ (dd[:, None] * c)
    return mean, (second - mean[:, None] * mean) / sigma**2


@pytest.mark.parametrize(
    ("place", "levels", "sigma"),
    [
        ((3.1, 4.4, 1.2), (0.9, 0.2), 0.3),
        ((4.0, 4.0, 1.9), (0.97, 0.02), 0.2),  # both levels near their limits
        ((5.5, 3.0, 2.1), (0.45, 0.57), 0.2),  # darker, by little more than the least contrast
        ((2.2, 5.3, 1.7), (0.1, 0.6), 0.5),  # everywhere and anything
    ],
    ids=["plain", "box", "contrast", "broad"],
)
def test_mean_and_jacobian_equal_brute_force(place, levels, sigma):
    """Each pixel, the trace and the matrix within four standard errors of the effective samples."""
    c = coverage(*torch.tensor(place, dtype=torch.float64)[:, None], 8)
    y = levels[1] + (levels[0] - levels[1]) * c
    y = y + sigma * torch.randn(y.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    mean, j = brute_force(y, sigma)
    denoiser = DiscPosterior(8, samples=2**15)
    posterior, jacobian = denoiser.posterior(y, sigma), denoiser.jacobian(y, sigma)
    error = 4 / posterior.effective**0.5
    assert error < 0.04
    assert ((posterior.mean.flatten() - mean).abs() < error * sigma * j.diagonal().sqrt()).all()
    assert abs(posterior.trace - j.trace()) < error * (2 * j.square().sum()).sqrt()
    assert (jacobian - j).norm() < error * (j.trace() ** 2 + j.square().sum()).sqrt()


@pytest.mark.parametrize("sigma", [0.04, 0.005])
def test_five_dimensions_are_kept_of_a_disc(sigma):
    """As many as it has parameters, once noise is weak; within four standard errors over discs."""
    traces = DiscPosterior(32, samples=1024).posterior(noisy(8, 32, sigma, 0)[1], sigma).trace
    error = traces.std() / 8**0.5
    assert error < 0.15
    assert abs(traces.mean() - 5) < 4 * error


@pytest.fixture(scope="module")
def many():
    """120 discs of 8 by 8, each with its own noise level between .01 and .5, and their posteriors."""
    sigma = torch.logspace(np.log10(0.01), np.log10(0.5), 120, dtype=torch.float64)
    x, y = noisy(120, 8, sigma, 3)
    f = DiscPosterior(8, samples=512)
    return sigma, x, y, [f.posterior(image[None], float(s)) for s, image in zip(sigma, y, strict=True)]


def test_the_squared_error_is_the_trace_on_average(many):
    """E ||f(y) - x||^2 = sigma^2 tr J*: the law of an exact posterior."""
    sigma, x, _, posteriors = many
    mean, trace = (torch.cat([getattr(p, name) for p in posteriors]) for name in ("mean", "trace"))
    difference = (mean - x).square().sum((1, 2, 3)) / sigma**2 - trace
    error = difference.std() / 120**0.5
    assert error < 0.08 * trace.mean()
    assert abs(difference.mean()) < 3 * error


def test_the_effective_sample_size_is_healthy_at_every_noise_level(many):
    share = torch.cat([p.effective for p in many[3]]) / 512
    assert share.min() > 0.3
    assert all(part.median() > 0.4 for part in share.split(30))


def test_the_effective_sample_size_tells_the_error():
    """Eight seeds spread by less than so many independent draws would: the numbers fill the cube evenly."""
    y = noisy(1, 8, 0.2, 2)[1]
    posteriors = [DiscPosterior(8, samples=512, seed=seed).posterior(y, 0.2) for seed in range(8)]
    spread = torch.cat([p.mean for p in posteriors]).var(0).sum()
    claim = torch.cat([0.2**2 * p.trace / p.effective for p in posteriors]).mean()
    assert 0 < spread < 0.3 * claim


def test_the_jacobian_is_the_gradient_of_the_mean():
    """Miyasawa: against central differences with common random numbers, in the direction that y tells most about."""
    y = noisy(1, 16, 0.1, 4)[1]
    f = DiscPosterior(16, samples=4096)
    j = f.jacobian(y, 0.1)
    values, vectors = torch.linalg.eigh(j)
    assert (j - j.T).abs().max() < 1e-12
    assert values[0] > -1e-12
    h = 0.02 * vectors[:, -1].view_as(y)
    difference = (f(y + h, 0.1) - f(y - h, 0.1)).flatten() / 0.04
    assert (difference - values[-1] * vectors[:, -1]).norm() < 0.02


def test_the_trace_is_that_of_the_jacobian():
    f, y = DiscPosterior(8, samples=512), noisy(1, 8, 0.1, 5)[1]
    torch.testing.assert_close(f.jacobian(y, 0.1).trace(), f.posterior(y, 0.1).trace[0], rtol=1e-10, atol=0)


def test_batch_mates_do_not_matter():
    f, y = DiscPosterior(8, samples=512), noisy(3, 8, 0.1, 6)[1]
    whole = f.posterior(y, 0.1)
    alone = f.posterior(y[1:2], 0.1)
    assert torch.equal(f(y, 0.1), whole.mean)
    for name in ("mean", "trace", "effective"):
        assert torch.equal(getattr(whole, name)[1:2], getattr(alone, name))


def test_images_keep_their_precision_and_global_state_its_own():
    """Single precision in and out, computed in double; neither y nor the global generator is touched."""
    y = noisy(1, 8, 0.1, 8)[1].float()
    copy, state = y.clone(), torch.get_rng_state()
    f = DiscPosterior(8, samples=512)
    assert f(y, 0.1).dtype == f.jacobian(y, 0.1).dtype == torch.float32
    assert torch.equal(f(y, 0.1), f(y.double(), 0.1).float())
    assert torch.equal(y, copy)
    assert torch.equal(torch.get_rng_state(), state)
    assert not f.training


@pytest.mark.parametrize("sigma", [0.0, -0.1])
def test_noise_must_be_positive(sigma):
    f, y = DiscPosterior(8, samples=512), noisy(1, 8, 0.1, 7)[1]
    for measure in (f, f.posterior, f.jacobian):
        with pytest.raises(ValueError, match="sigma must be positive"):
            measure(y, sigma)


@pytest.mark.parametrize("shape", [(1, 8, 9), (3, 8, 8), (1, 16, 16)])
def test_other_images_are_refused(shape):
    f = DiscPosterior(8, samples=512)
    for measure in (f, f.posterior, f.jacobian):
        with pytest.raises(ValueError, match=r"1 channel and 8x8 pixels, got \(" + ", ".join(map(str, shape))):
            measure(torch.rand(1, *shape), 0.1)


def test_no_disc_at_all_is_said():
    """Where no disc comes near, no weights can be right."""
    y = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    f = DiscPosterior(8, samples=512)
    assert f.posterior(y, 0.001).effective < 50
    with pytest.raises(RuntimeError, match="effective samples are too few"):
        f(y, 0.001)


def test_autograd_is_refused_rather_than_wrong():
    f, y = DiscPosterior(8, samples=512), noisy(1, 8, 0.1, 9)[1].requires_grad_()
    with pytest.raises(ValueError, match="Autograd does not go through"):
        f(y, 0.1)
    with torch.no_grad():
        assert f(y, 0.1).isfinite().all()
