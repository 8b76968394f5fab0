"""Clean images enter, noisy images leave, and a number comes back: noise law, noise, PSNR, score.

Units: images and sigma in [0,1]; 0-255 only on axis labels. Departure from the paper: its text draws sigma uniformly
in [0,1], its code draws u^2; here the exponent is an argument and part of each `Run`.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr.denoiser import call, denoise, require_evaluation, require_images, require_level

SIGMAS = np.logspace(0.3, 2.4, 15) / 255  #: evaluation grid of the paper's code: .0078 ... .985


def sample_sigma(
    n: int, sigma_law: float, generator: torch.Generator, device: torch.device | str = "cpu"
) -> Float[Tensor, "n 1 1 1"]:
    """Noise levels of a training batch. ::

        sigma = u^a, u uniform in [0,1]

    Args:
        n: batch size.
        sigma_law: the exponent a, larger means more small noise.
        generator: source of u.
        device: of u, that of the generator.

    Returns:
        Sigma, in image units, shaped to multiply images.

    Source: paper, Section 2 (a = 1); the authors' code (a = 2).
    """
    return torch.rand(n, 1, 1, 1, generator=generator, device=device) ** sigma_law


def add_noise(
    x: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"], generator: torch.Generator | None = None
) -> Float[Tensor, "b c h w"]:
    """Noisy images. ::

        y = x + sigma z, z white Gaussian noise of unit variance

    Args:
        x: clean images.
        sigma: noise standard deviation, image units.
        generator: source of z, on the device of x.

    Returns:
        Noisy images y, image units, not clipped.
    """
    z = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return x + sigma * z


def mse(x: Float[Tensor, "b c h w"], x_hat: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Mean squared error of each image. ::

        MSE = ||x - x_hat||^2 / d

    Args:
        x: clean images.
        x_hat: estimates of them.

    Returns:
        Squared image units, one value per image.
    """
    return (x - x_hat).square().mean((1, 2, 3))


def psnr(x: Float[Tensor, "b c h w"], x_hat: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio of each image, peak 1. ::

        PSNR = -10 log10(||x - x_hat||^2 / d)

    Args:
        x: clean images, [0,1] units.
        x_hat: estimates of them, same units.

    Returns:
        Decibels, one value per image; the caller averages.
    """
    return -10 * mse(x, x_hat).log10()


def score(f, y: Float[Tensor, "b c h w"], sigma: float) -> Float[Tensor, "b c h w"]:
    """Gradient of the log density of noisy images, read off the denoiser. ::

        grad log p_sigma(y) = (f(y, sigma) - y) / sigma^2

    Args:
        f: denoiser, in evaluation mode.
        y: noisy images, [0,1] units.
        sigma: noise standard deviation, same units.

    Returns:
        Score, in 1 / image unit.

    Raises:
        TypeError: as `ghr.denoiser.denoise`.
        ValueError: as `ghr.denoiser.denoise`, and for a sigma that is not positive.

    Source: Miyasawa 1961; paper, Eq. 3.
    """
    require_evaluation(f)
    require_images(y)
    return (call(f, y, require_level(sigma)) - y) / sigma**2


def denoising_mse(f, x: Float[Tensor, "n c h w"], sigma: float, seed: int = 0, batch: int = 64) -> Float[Tensor, " n"]:
    """Squared error left by a denoiser, image by image. ::

        MSE_i = ||f(x_i + sigma z_i, sigma) - x_i||^2 / d

    Args:
        f: denoiser, in evaluation mode.
        x: clean images.
        sigma: noise standard deviation, image units.
        seed: of z; the same seed gives every denoiser the same noise.
        batch: images at a time.

    Returns:
        Squared image units, one value per image.

    Raises:
        TypeError: as `ghr.denoiser.denoise`.
        ValueError: as `ghr.denoiser.denoise`.
    """
    require_images(x)
    y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
    return mse(x, denoise(f, y, sigma, batch))
