"""The noise law, the noise, and the numbers read off it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ghr import noise


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("law", [0.5, 1.0, 1.5, 2.0])
def test_sigma_to_the_inverse_exponent_is_uniform(law):
    """Kolmogorov's distance of 20,000 draws; 1.95 / sqrt(n) is exceeded once in a thousand."""
    sigma = noise.sample_sigma(20_000, law, generator())
    assert sigma.shape == (20_000, 1, 1, 1)
    u = sigma.flatten().double() ** (1 / law)
    assert stats.kstest(u.numpy(), "uniform").statistic < 1.95 / math.sqrt(len(u))
    quantiles = torch.quantile(sigma.flatten(), torch.tensor([0.25, 0.5, 0.75]))
    torch.testing.assert_close(quantiles, torch.tensor([0.25, 0.5, 0.75]) ** law, atol=0.015 * max(1, law), rtol=0)


def test_evaluation_grid_is_that_of_the_paper():
    assert len(noise.SIGMAS) == 15
    assert noise.SIGMAS[[0, -1]] * 255 == pytest.approx([10**0.3, 10**2.4])
    assert np.ptp(np.diff(np.log(noise.SIGMAS))) < 1e-12


@given(c=st.floats(1e-3, 1.5), sign=st.sampled_from([-1, 1]))
def test_psnr_of_a_constant_error(c, sign):
    x = torch.rand(3, 2, 5, 7, generator=generator(), dtype=torch.float64)
    expected = torch.full((3,), -20 * math.log10(c), dtype=torch.float64)
    torch.testing.assert_close(noise.psnr(x, x + sign * c), expected, atol=1e-9, rtol=0)


def test_psnr_and_mse_are_per_image():
    x = torch.zeros(3, 1, 3, 5)
    x_hat = torch.tensor([0.1, 0.2, 0.4]).view(3, 1, 1, 1).expand_as(x)
    torch.testing.assert_close(noise.mse(x, x_hat), torch.tensor([0.01, 0.04, 0.16]))
    torch.testing.assert_close(noise.psnr(x, x_hat), -10 * torch.tensor([0.01, 0.04, 0.16]).log10())


def test_a_denoiser_is_told_the_noise_level_if_it_can_be():
    def told(y, sigma):
        """The level that it was told, everywhere."""
        return torch.full_like(y, sigma)

    x = torch.zeros(2, 1, 3, 5)
    torch.testing.assert_close(noise.denoising_mse(told, x, 0.3), torch.full((2,), 0.09))
    torch.testing.assert_close(noise.score(told, x, 0.3), torch.full_like(x, 0.3 / 0.3**2))
    with pytest.raises(ValueError, match="sigma must be positive, got 0"):
        noise.score(told, x, 0.0)


def test_noise_is_white_with_the_sigma_of_each_image():
    """Variance, mean and correlation of neighbours within four standard errors."""
    x = torch.rand(3, 1, 101, 99, generator=generator(1))
    sigma = torch.tensor([0.05, 0.3, 2.0]).view(3, 1, 1, 1)
    z = (noise.add_noise(x, sigma, generator()) - x) / sigma
    d = 101 * 99
    assert ((z.square().mean((1, 2, 3)) - 1).abs() < 4 * math.sqrt(2 / d)).all()
    assert (z.mean((1, 2, 3)).abs() < 4 / math.sqrt(d)).all()
    assert ((z[..., 1:] * z[..., :-1]).mean((1, 2, 3)).abs() < 4 / math.sqrt(d)).all()
    assert abs((z[0] * z[1]).mean()) < 4 / math.sqrt(d)


def test_noise_is_a_function_of_the_generator_alone():
    x = torch.rand(2, 1, 5, 7)
    before = torch.get_rng_state(), x.clone()
    first = noise.add_noise(x, 0.1, generator(3))
    assert torch.equal(first, noise.add_noise(x, 0.1, generator(3)))
    assert not torch.equal(first, noise.add_noise(x, 0.1, generator(4)))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.equal(x, before[1])


@pytest.mark.parametrize("sigma", [0.05, 0.7])
def test_score_of_a_gaussian(sigma):
    """x ~ N(mu, s^2): the score of y is -(y - mu) / (s^2 + sigma^2)."""
    mu, s = 0.4, 0.25
    y = torch.randn(2, 1, 3, 5, generator=generator(), dtype=torch.float64)
    score = noise.score(lambda y: mu + s**2 / (s**2 + sigma**2) * (y - mu), y, sigma)
    torch.testing.assert_close(score, -(y - mu) / (s**2 + sigma**2), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("batch", [1, 3, 7, 256])
def test_denoising_error_does_not_depend_on_the_batch(batch):
    x = torch.rand(7, 1, 5, 6, generator=generator())
    whole = noise.denoising_mse(lambda y: 0.5 * y, x, 0.3, batch=100)
    assert torch.equal(noise.denoising_mse(lambda y: 0.5 * y, x, 0.3, batch=batch), whole)


def test_every_denoiser_meets_the_same_noise():
    seen = []

    def spy(factor):
        def denoiser(y):
            seen.append(y)
            assert not torch.is_grad_enabled()
            return factor * y

        return denoiser

    x = torch.rand(4, 1, 5, 6, generator=generator())
    for factor, seed in ((1.0, 5), (0.2, 5), (1.0, 6)):
        noise.denoising_mse(spy(factor), x, 0.3, seed=seed)
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    assert torch.equal(seen[0], noise.add_noise(x, 0.3, generator(5)))


def test_identity_leaves_the_variance_of_the_noise():
    x = torch.rand(50, 1, 20, 31, generator=generator())
    errors = noise.denoising_mse(lambda y: y, x, 0.3)
    assert errors.shape == (50,)
    assert abs(errors.mean() - 0.09) < 4 * 0.09 * math.sqrt(2 / x.numel())
