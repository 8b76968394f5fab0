"""Are networks of more images nearer to a linear map? A study enters; how linear each denoiser is leaves, by N.

Two things are asked, on noisy images that no network was trained on: is the answer to a sum the sum of the answers, and
how much of an answer does the nearest affine map leave. Beside each network stand two denoisers of its training images:
the memorizer, which training asks for, and the Wiener denoiser, which is affine. ::

    score = E |cos(f(a y + a y'), a f(y) + a f(y'))|,   a = 1 / sqrt(2): the noise stays as strong
    left = E||f(y) - L y - b||^2 / E||f(y) - E f||^2,   L, b: `AffineDistillation`
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ghr.denoiser import denoise
from ghr.experiments import Study
from ghr.noise import add_noise, mse
from ghr.references import AffineDistillation, EmpiricalDenoiser, WienerDenoiser
from ghr.stats import Estimate, estimate, ratio
from ghr.tables import Table

IMAGES = 128  #: held-out images, in pairs
LEVELS = (0.1, 0.3)  #: noise levels, image units
NETWORK, MEMORY, WIENER = "network", "memorizer", "Wiener"  #: denoisers of the same training images


@dataclass(frozen=True)
class Linear:
    """How linear one denoiser is, at one noise level."""

    n: int  #: training images
    half: str  #: label of the network
    denoiser: str  #: "network"; of its training images "memorizer" or "Wiener"
    sigma: float  #: noise level, image units
    input_psnr: float  #: the same, dB
    score: Estimate  #: cosine of the answer to a sum and the sum of two answers, 1 where they are proportional
    left: Estimate  #: share of the answers' variance that the nearest affine map leaves, 0 for an affine denoiser
    over_error: Estimate  #: what that map leaves, over the denoiser's own squared error


def linearity(
    study: Study,
    half: str = "A",
    *,
    other: str = "B",
    images: int = IMAGES,
    sigmas: Sequence[float] = LEVELS,
    draws: int | None = None,
    seed: int = 0,
) -> Table[Linear]:
    """How near is each network to a linear map?

    Affine maps are fitted to answers at images of the other half of the largest N, the same for all.

    Args:
        study: networks of one image set.
        half: label of the networks.
        other: label of a network of the largest N that has none of their training images.
        images: held-out images, an even number.
        sigmas: noise standard deviations, image units.
        draws: noisy images to which affine maps are fitted (None: 8 for each pixel); what maps leave of a network is by
            a share of d / draws too large.
        seed: of the noise.

    Returns:
        One row for each N above one, denoiser and noise level.

    Raises:
        ValueError: for an odd number of images, or fewer than four.

    Source: linearity score and linear distillation, Li, Dai & Qu 2024, there at noisy training images.
    """
    if images % 2 or images < 4:
        raise ValueError(f"Images are taken in pairs, at least two of them; got {images}.")
    x, new = study.held_out[:images], study.training(study.largest, other)
    rows = []
    for n in (n for n in study.sizes if n > 1):  # one image has no covariance
        training = study.training(n, half)
        denoisers = study.denoisers[n, half], EmpiricalDenoiser(training), WienerDenoiser(training)
        for name, f in zip((NETWORK, MEMORY, WIENER), denoisers, strict=True):
            nearest = AffineDistillation(f, new, draws, seed)
            for sigma in sigmas:
                y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
                answers, level = denoise(f, y, sigma), (float(sigma), float(-20 * np.log10(sigma)))
                score = estimate(np.mean, _additive(f, y, answers, sigma))
                left, spread, error = (
                    mse(answers, of) for of in (denoise(nearest, y, sigma), answers.mean(0).expand_as(x), x)
                )
                shares = (estimate(ratio, left, of) for of in (spread, error))
                rows.append(Linear(n, half, name, *level, score, *shares))
    return Table(tuple(rows), Linear)


def _additive(
    f: Callable, y: Float[Tensor, "n c h w"], answers: Float[Tensor, "n c h w"], sigma: float
) -> Float[Tensor, " n_over_2"]:
    """Cosines of f(a y + a y') and a f(y) + a f(y')."""
    sums, summed = ((some[::2] + some[1::2]) / 2**0.5 for some in (y, answers))
    return functional.cosine_similarity(denoise(f, sums, sigma).flatten(1), summed.flatten(1)).abs()
