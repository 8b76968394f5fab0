"""What is one denoiser like? It enters with images; how well it denoises, what laws it obeys, what it draws leave."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr.denoiser import denoise
from ghr.experiments import Study
from ghr.jacobian import noise_level, products, trace
from ghr.noise import SIGMAS, add_noise, denoising_mse, mse, score
from ghr.references import EmpiricalDenoiser, log_density
from ghr.similarity import nearest
from ghr.stats import Estimate, estimate, psnr_of_mean
from ghr.tables import Table


@dataclass(frozen=True)
class Network:
    """A trained network and its images, in numbers."""

    images: str  #: image set
    network: str  #: key of ghr.recipes.NETWORKS
    n: int  #: training images
    half: str  #: label of the network
    side: int  #: height of an image, pixels
    pixels: int  #: numbers in an image
    parameters: int  #: numbers in the network
    images_seen: int  #: in training, with repetition


def networks(*studies: Study) -> Table[Network]:
    """What there is to be measured.

    Args:
        *studies: networks and images.

    Returns:
        One row for each network.
    """
    rows = []
    for study, (n, label), run in [(s, *item) for s in studies for item in s.runs.items()]:
        x, parameters = study.held_out[0], study.denoisers[n, label].parameters()
        numbers = x.shape[-2], x.numel(), sum(p.numel() for p in parameters), run.images_seen
        rows.append(Network(study.name, run.network, n, label, *numbers))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Denoised:
    """Noisy images before and after."""

    sigma: float  #: noise standard deviation, image units
    noisy: Estimate  #: PSNR of the mean error before, dB
    denoised: Estimate  #: PSNR of the mean error after, dB


def denoised(denoiser, x: Float[Tensor, "n c h w"], sigmas: Sequence[float] = (0.1,), seed: int = 0) -> Table[Denoised]:
    """How much noise does a denoiser take away?

    Args:
        denoiser: called f(y, sigma), in evaluation mode.
        x: clean images, none of which it was trained on.
        sigmas: noise standard deviations, image units.
        seed: of the noise.

    Returns:
        One row for each noise level.
    """
    rows = []
    for sigma in sigmas:
        y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
        errors = mse(y, x), denoising_mse(denoiser, x, sigma, seed)
        rows.append(Denoised(sigma, *(estimate(psnr_of_mean, one) for one in errors)))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Law:
    """How far an equation is from holding."""

    law: str  #: "scaling" is f(a y) / a = f(y), "product" is J y = f(y)
    factor: float | None  #: a; None of a product
    off: float  #: norm of the difference over that of f(y)


def homogeneity(
    denoiser: Callable, y: Float[Tensor, "n c h w"], factors: Sequence[float] = (0.1, 0.5, 2.0, 10.0)
) -> Table[Law]:
    """Does a denoiser without constants scale with its input, and is it its own Jacobian's product? ::

        f(a y) = a f(y),     hence J y = f(y)

    Args:
        denoiser: blind, differentiable, in evaluation mode.
        y: noisy images.
        factors: a, positive.

    Returns:
        One row for each factor, and one of the product.

    Source: Mohan et al. 2020; the second is Euler's theorem.
    """
    x_hat = denoise(denoiser, y)
    push, _ = products(denoiser, y)

    def off(answer: Tensor) -> float:
        return ((answer - x_hat).norm() / x_hat.norm()).item()

    rows = [Law("scaling", a, off(denoise(denoiser, a * y) / a)) for a in factors]
    return Table((*rows, Law("product", None, off(push(y)))))


@dataclass(frozen=True)
class NoiseLevel:
    """The noise level that a denoiser saw, beside the one there is."""

    case: str  #: denoiser and images
    sigma: float  #: noise standard deviation, image units
    input_psnr: float  #: the same, dB
    removed: Estimate  #: mean of ||y - f(y)|| / sqrt(d), over sigma: smaller by what of the noise is kept
    seen: Estimate | None  #: mean of sigma_hat, over sigma; None where not fewer than all dimensions are kept


def noise_levels(
    cases: Mapping[str, tuple[Callable, Float[Tensor, "_ c h w"]]],
    sigmas: Sequence[float] | Float[np.ndarray, " k"] = SIGMAS,
    seed: int = 0,
    probes: int = 4,
) -> Table[NoiseLevel]:
    """Does a denoiser that is not told the noise level know it? ::

        sigma_hat = ||y - f(y)|| / sqrt(d - tr J)       of an optimal denoiser: sigma

    Args:
        cases: denoiser, called f(y, sigma), and clean images, by name.
        sigmas: noise standard deviations, image units.
        seed: of the noise and of the probes.
        probes: of each trace.

    Returns:
        One row for each case and noise level.

    Source: `ghr.jacobian.noise_level`.
    """
    rows = []
    for name, (denoiser, x) in cases.items():
        for sigma in map(float, sigmas):
            y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
            x_hat = denoise(denoiser, y, sigma)
            traces, _ = trace(denoiser, y, sigma, probes=probes, seed=seed)
            removed = (y - x_hat).flatten(1).norm(dim=1) / math.sqrt(x[0].numel())
            seen = noise_level(y, x_hat, traces)
            there = estimate(np.mean, seen / sigma) if seen.isfinite().all() else None
            level = sigma, -20 * math.log10(sigma), estimate(np.mean, removed / sigma), there
            rows.append(NoiseLevel(name, *level))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Miyasawa:
    """How far a denoiser's score is from the gradient of the log density."""

    sigma: float  #: noise standard deviation, image units
    off: float  #: largest difference of a component, 1 / image unit


def miyasawa(world: Float[Tensor, "n c h w"], y: Float[Tensor, "b c h w"], sigmas: Sequence[float]) -> Table[Miyasawa]:
    """Are the two sides of Miyasawa's formula equal, where both are known? ::

        grad log p_sigma(y) = (f(y, sigma) - y) / sigma^2

    Args:
        world: all images that there are, float64.
        y: noisy images at which both sides are computed: the left by differentiating the log density.
        sigmas: noise standard deviations, image units.

    Returns:
        One row for each noise level.

    Source: Miyasawa 1961.
    """
    rows, f = [], EmpiricalDenoiser(world)
    for sigma in sigmas:
        asked = y.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(log_density(world, asked, sigma).sum(), asked)
        rows.append(Miyasawa(sigma, (gradient - score(f, y, sigma)).abs().max().item()))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Likeness:
    """How near images lie to training images, by centred cosine."""

    images: str  #: whose
    least: float  #: the least near of them
    median: Estimate  #: of all


def likeness(named: Mapping[str, Float[Tensor, "_ c h w"]], training: Float[Tensor, "n c h w"]) -> Table[Likeness]:
    """Are images copies of training images?

    Args:
        named: images by what they are, at least two each.
        training: images that they may be copies of.

    Returns:
        One row for each name.

    Source: `ghr.similarity.nearest`.
    """
    rows = []
    for name, x in named.items():
        rho, _ = nearest(x, training)
        rows.append(Likeness(name, rho.min().item(), estimate(np.median, rho)))
    return Table(tuple(rows))
