"""Do networks compute one function? Denoisers and held-out images enter, how far their answers lie apart leaves."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr.denoiser import denoise, require_images
from ghr.noise import add_noise, mse


def model_variance(
    denoisers: Sequence, x: Float[Tensor, "n c h w"], sigma: float, seed: int = 0
) -> tuple[Float[Tensor, "k k n"], Float[Tensor, "k n"]]:
    """Disagreement of each two of k denoisers on the same noisy images, beside the error of each.

    Args:
        denoisers: k of them, in evaluation mode.
        x: held-out images.
        sigma: noise standard deviation, image units.
        seed: of the noise, shared.

    Returns:
        ||f_i(y) - f_j(y)||^2 / d and ||f_i(y) - x||^2 / d, image by image, squared image units.

    Raises:
        TypeError: as `ghr.denoiser.denoise`.
        ValueError: as `ghr.denoiser.denoise`.
    """
    require_images(x)
    y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
    x_hats = [denoise(f, y, sigma) for f in denoisers]
    apart = torch.stack([torch.stack([mse(a, b) for b in x_hats]) for a in x_hats])
    return apart, torch.stack([mse(x_hat, x) for x_hat in x_hats])


def variance_ratio(disagreement: np.ndarray, error: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """How far two denoisers are one function: 0 = one function, 1 = uncorrelated equal errors. ::

        V(sigma) = E||f_A(y) - f_B(y)||^2 / (2 E||f_A(y) - x||^2)

    Args:
        disagreement: of A and B, squared image units, one value per image.
        error: of A, the same.
        axis: of images.

    Returns:
        V, without unit.
    """
    return np.mean(disagreement, axis) / (2 * np.mean(error, axis))


def linearity(f, y: Float[Tensor, "n c h w"], sigma: float | None = None) -> Float[Tensor, " m"]:
    """How far a denoiser obeys superposition: 1 = linear on these images. ::

        cos( f((y_1 + y_2) / sqrt 2),  (f(y_1) + f(y_2)) / sqrt 2 ):   the mixture has the noise level of its parts

    Args:
        f: denoiser, in evaluation mode.
        y: noisy images, at least two; the first half is mixed with the second.
        sigma: their noise standard deviation, image units; None for blind denoisers.

    Returns:
        One cosine for each of the n // 2 pairs (means are not removed).

    Raises:
        TypeError: as `ghr.denoiser.denoise`.
        ValueError: as `ghr.denoiser.denoise`, and for fewer than two images.

    Source: the linearity score of Li, Dai & Qu 2024.
    """
    require_images(y)
    if len(y) < 2:
        raise ValueError("Superposition is measured on pairs of images, got one image.")
    first, second = y[: len(y) // 2], y[len(y) // 2 : len(y) // 2 * 2]
    f_1, f_2, mixed = (denoise(f, images, sigma).flatten(1) for images in (first, second, (first + second) / 2**0.5))
    return torch.nn.functional.cosine_similarity(mixed, f_1 + f_2)


def discrepancy(disagreements: Float[np.ndarray, "k n"], sigmas: Float[np.ndarray, " k"]) -> Float[np.ndarray, " n"]:
    """Truncated discrepancy of two denoisers, image by image, in nats per pixel.

    K(A, B) = (1/d) int_.02^1 E||f_A(y) - f_B(y)||^2 sigma^-3 d sigma      (trapezoids in log sigma)

    disagreements: ||f_A - f_B||^2 / d at each sigma.  sigmas: increasing, image units; those in [.02, 1] count.
    Not a bound on a divergence: the networks are not exact scores and the range is cut.
    Source: the paper's Eq. 4, between two networks.
    """
    inside = (sigmas >= 0.02) & (sigmas <= 1)
    sigmas = sigmas[inside]
    return np.trapezoid(disagreements[inside] * sigmas[:, None] ** -2, np.log(sigmas), axis=0)
