"""Clean images enter, noisy images leave, and a number comes back: noise law, noise, PSNR, score.

Units: images and sigma in [0,1]; 0-255 only on axis labels. Departure from the paper: its text draws sigma uniformly
in [0,1], its code draws u^2; here the exponent is an argument and part of each `Run`.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

SIGMAS = np.logspace(0.3, 2.4, 15) / 255  # evaluation grid of the paper's code: .0078 ... .985


def sample_sigma(
    n: int, sigma_law: float, generator: torch.Generator, device: torch.device | str = "cpu"
) -> Float[Tensor, "n 1 1 1"]:
    """Noise levels of a training batch.

    sigma = u^a, u uniform in [0,1]

    n: batch size.  sigma_law: the exponent a, larger means more small noise.
    Returns: sigma, in image units, shaped to multiply images.
    Source: paper, Section 2 (a = 1); the authors' code (a = 2).
    """
    return torch.rand(n, 1, 1, 1, generator=generator, device=device) ** sigma_law


def add_noise(
    x: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"], generator: torch.Generator | None = None
) -> Float[Tensor, "b c h w"]:
    """Noisy images y = x + sigma z, z white Gaussian noise of unit variance.

    x: clean images.  sigma: noise standard deviation, image units.  generator: source of z, on the device of x.
    Returns: y, image units, not clipped.
    """
    z = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return x + sigma * z


def mse(x: Float[Tensor, "b c h w"], x_hat: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Mean squared error of each image, in squared image units: ||x - x_hat||^2 / d."""
    return (x - x_hat).square().mean((1, 2, 3))


def psnr(x: Float[Tensor, "b c h w"], x_hat: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio of each image, peak 1.

    PSNR = -10 log10(||x - x_hat||^2 / d)

    x, x_hat: images in [0,1] units.
    Returns: dB, one value per image; the caller averages.
    """
    return -10 * mse(x, x_hat).log10()


def at_level(denoiser, sigma: float):
    """What denoises one noise level: `denoiser.at(sigma)` of a denoiser that is told it, itself where it is blind.

    denoiser: y -> x_hat, or with a method `at`.  sigma: noise standard deviation, image units.
    Returns: y -> x_hat.
    """
    return denoiser.at(sigma) if hasattr(denoiser, "at") else denoiser


def score(denoiser, y: Float[Tensor, "b c h w"], sigma: float) -> Float[Tensor, "b c h w"]:
    """Gradient of the log density of noisy images, read off the denoiser.

    grad log p_sigma(y) = (f(y) - y) / sigma^2            (Miyasawa 1961; paper, Eq. 3)

    y: noisy images, [0,1] units.  sigma: noise standard deviation, same units.
    Returns: score, in 1 / image unit.
    """
    return (at_level(denoiser, sigma)(y) - y) / sigma**2


@torch.no_grad()
def denoising_mse(
    denoiser, x: Float[Tensor, "n c h w"], sigma: float, seed: int = 0, batch: int = 64
) -> Float[Tensor, " n"]:
    """Squared error left by a denoiser, image by image.

    MSE_i = ||f(x_i + sigma z_i) - x_i||^2 / d

    denoiser: y -> x_hat, told sigma if it can be.  x: clean images.  sigma: noise standard deviation, image units.
    seed: of z; the same seed gives every denoiser the same noise.  batch: images at a time.
    Returns: squared image units, one value per image.
    """
    denoiser = at_level(denoiser, sigma)
    y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
    return torch.cat([mse(clean, denoiser(noisy)) for clean, noisy in zip(x.split(batch), y.split(batch), strict=True)])
