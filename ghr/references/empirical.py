"""The memorizer: the exact optimum when the density is a sum of Dirac masses on the training images.

Training images enter, a denoiser leaves that knows nothing else. A network that reaches its training error has learned
this function, and a reverse diffusion with it lands on a training image.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ghr.denoiser import require_level, require_shape


class EmpiricalDenoiser(nn.Module):
    """Posterior mean when x is one of n images, each equally likely, and the noise level is told. ::

        f(y, sigma) = sum_i w_i x_i,   w = softmax_i log p(y | x_i),   log p(y | x_i) = -||y - x_i||^2 / (2 sigma^2)

    The softmax is exact over the whole set, in blocks (streaming log-sum-exp).

    Args:
        x: training images.
        block: training images at a time.

    Raises:
        ValueError: when called, without a positive sigma, or for images of another shape.

    Source: paper, Eq. 6 for the empirical density.
    """

    def __init__(self, x: Float[Tensor, "n c h w"], *, block: int = 4096):
        super().__init__()
        # float64: at small sigma a squared distance is divided by 1e-4, beyond float32's digits
        self.register_buffer("x", x.flatten(1).double())
        self.register_buffer("energy", self.x.square().sum(1))  # ||x_i||^2
        self.shape, self.block = tuple(x.shape[1:]), block
        self.eval()

    def forward(self, y: Float[Tensor, "b c h w"], sigma: float | None = None) -> Float[Tensor, "b c h w"]:
        sigma = require_level(sigma)
        return self._mean(y, lambda distances: -distances / (2 * sigma**2))

    def _mean(
        self, y: Float[Tensor, "b c h w"], log_likelihood: Callable[[Tensor], Tensor]
    ) -> Float[Tensor, "b c h w"]:
        """Mean of the training images by their log likelihoods, a function of squared distances (b,n)."""
        require_shape(y, self.shape)
        flat = y.flatten(1).double()
        peak = flat.new_full((len(flat), 1), -math.inf)
        total, weighted = torch.zeros_like(peak), torch.zeros_like(flat)
        for x, energy in zip(self.x.split(self.block), self.energy.split(self.block), strict=True):
            distances = (flat.square().sum(1)[:, None] - 2 * flat @ x.T + energy).clamp(min=0)
            logits = log_likelihood(distances)
            new_peak = torch.maximum(peak, logits.amax(1, keepdim=True)).detach()
            decay, w = (peak - new_peak).exp(), (logits - new_peak).exp()
            total, weighted = total * decay + w.sum(1, keepdim=True), weighted * decay + w @ x
            peak = new_peak
        return (weighted / total).to(y.dtype).view_as(y)


class BlindEmpiricalDenoiser(EmpiricalDenoiser):
    """The same as blind as the networks: sigma has the prior of their training, and what is told is ignored. ::

        p(y | x_i) = int_0^1 sigma^(1/a - 1) (sigma + .02)^-c sigma^-d e^(-||y - x_i||^2 / 2 sigma^2) d sigma

    The prior is the noise law u^a times the loss weight of exponent c. A class of its own, since a and c mean nothing
    to the one that is told, and since no call can then take one for the other.

    Args:
        x: training images.
        sigma_law: a of the run.
        loss_weight: c of the run.
        block: training images at a time.

    Raises:
        ValueError: when called, for images of another shape.

    Source: own derivation.
    """

    def __init__(
        self, x: Float[Tensor, "n c h w"], *, sigma_law: float = 1.0, loss_weight: float = 0.0, block: int = 4096
    ):
        super().__init__(x, block=block)
        table = _blind_log_likelihood(self.x.shape[1], sigma_law, loss_weight)
        self.register_buffer("table", table.to(x.device, copy=True))

    def forward(
        self, y: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        return self._mean(y, self._log_likelihood)

    def _log_likelihood(self, distances: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
        place = (distances.clamp(min=1e-30).log() / 2 - _LOG_R[0]) / (_LOG_R[1] - _LOG_R[0])
        left = place.detach().clamp(0, len(_LOG_R) - 2).long()
        return self.table[left].lerp(self.table[left + 1], place - left)


class RayEmpiricalDenoiser(nn.Module):
    """The memorizer among denoisers without constants: posterior mean when x is a multiple of one of n images. ::

        f(y) = sum_i w_i <y, u_i> u_i,   u_i = x_i / ||x_i||,   w = softmax_i -(d - 1) log r_i,   r_i: from y to ray i

    Each ray, every place on it, and every log noise level are equally likely. So f(a y) = a f(y), as of every bias-free
    network and not of `EmpiricalDenoiser`.

    Args:
        x: training images.

    Raises:
        ValueError: for an image of zeros; when called, for images of another shape.

    Source: own derivation; a ray goes on through 0, as in `RayDenoiser`.
    """

    def __init__(self, x: Float[Tensor, "n c h w"]):
        super().__init__()
        flat = x.flatten(1).double()
        lengths = flat.norm(dim=1, keepdim=True)
        if not lengths.all():
            raise ValueError("An image of zeros has no ray: give images with some pixel that is not 0.")
        self.register_buffer("directions", flat / lengths)
        self.shape = tuple(x.shape[1:])
        self.eval()

    def forward(
        self, y: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        require_shape(y, self.shape)
        flat = y.flatten(1).double()
        along = flat @ self.directions.T
        # on a ray rounding leaves a distance; a floor that grows with y keeps f homogeneous
        energy = flat.square().sum(1, keepdim=True)
        squared = torch.maximum(energy - along.square(), 1e-14 * energy).clamp(min=torch.finfo(flat.dtype).tiny)
        w = torch.softmax(-(flat.shape[1] - 1) / 2 * squared.log(), 1)
        return ((w * along) @ self.directions).to(y.dtype).view_as(y)


# log distances, spaced so that linear interpolation of log p is exact to 1e-4
_LOG_R = torch.linspace(-7, 7, 2**15, dtype=torch.float64)


@functools.cache
def _blind_log_likelihood(d: int, sigma_law: float, loss_weight: float) -> Float[Tensor, " k"]:
    """log int_0^1 sigma^(1/a - 1) (sigma + .02)^-c sigma^-d exp(-r^2 / 2 sigma^2) d sigma, up to a constant, by log r.

    It takes seconds, and depends on the number of pixels and the run alone: one table serves every training set.
    """
    log_sigma = torch.linspace(-12, 0, 4096, dtype=torch.float64)  # the integrand's width in log sigma is ~ 1/sqrt(2 d)
    # d sigma = sigma d log sigma
    prior = log_sigma / sigma_law - loss_weight * (log_sigma.exp() + 0.02).log() - d * log_sigma
    quadratic = (-2 * log_sigma).exp() / 2
    return torch.cat(
        [torch.logsumexp(prior - part[:, None].square() * quadratic, 1) for part in _LOG_R.exp().split(256)]
    )


def log_density(x: Float[Tensor, "n c h w"], y: Float[Tensor, "b c h w"], sigma: float) -> Float[Tensor, " b"]:
    """Log density of noisy images when x is one of n images, each equally likely; differentiable. ::

        log p_sigma(y) = log sum_i exp(-||y - x_i||^2 / 2 sigma^2) + a constant

    Args:
        x: training images, few.
        y: noisy images.
        sigma: noise standard deviation, image units.

    Returns:
        One value for each noisy image, up to a constant that depends on sigma.
    """
    squared = (y.flatten(1)[:, None] - x.flatten(1)).square().sum(2)
    return torch.logsumexp(-squared / (2 * sigma**2), 1)


def ray_bound(input_psnr: float | np.ndarray | Tensor, d: int) -> float | np.ndarray | Tensor:
    """Output PSNR of the projection on an image's ray: at weak noise, the best that a bias-free one can do. ::

        f(y) = <y, x> x / ||x||^2 leaves sigma^2 / d of the noise:  output = input + 10 log10 d

    Args:
        input_psnr: dB.
        d: pixels.

    Returns:
        Output PSNR, dB.
    """
    return input_psnr + 10 * math.log10(d)
