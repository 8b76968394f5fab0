"""Wiener denoisers: the exact optimum when the density is Gaussian, and the best affine one for images that are not.

Training images enter, only their mean and covariance stay; or, for stationary fields, a spectrum. What a network does
better than this it owes to more than second moments.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ghr.references.told import Told


class WienerDenoiser(Told):
    """Posterior mean when x ~ N(m, C), with the mean and covariance of training images and a known noise level.

    f(y) = m + C (C + sigma^2 I)^-1 (y - m)          MSE = sum_k s_k sigma^2 / (s_k + sigma^2), s_k eigenvalues of C

    C is the mean of (x - m)(x - m)' over the training images, so that f is the best affine denoiser on them.

    x: training images; a single one has no covariance, and its f is constant.  sigma: image units.
    Raises: ValueError for sigma <= 0.
    Source: Wiener filter; Li, Dai & Qu 2024 compare diffusion models with it.
    """

    def __init__(self, x: Float[Tensor, "n c h w"], sigma: float):
        super().__init__(sigma)
        flat = x.flatten(1).double()
        centred = flat - flat.mean(0)
        variances, axes = torch.linalg.eigh(centred.T @ centred / len(x))
        self.register_buffer("mean", flat.mean(0))
        self.register_buffer("axes", axes)
        self.register_buffer("variances", variances.clamp(min=0))

    def forward(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        shrink = self.variances / (self.variances + self.sigma**2)
        centred = y.flatten(1).double() - self.mean
        return (self.mean + centred @ self.axes * shrink @ self.axes.T).to(y.dtype).view_as(y)

    def sample(self, y: Float[Tensor, "b c h w"], sigma_0: float = 1.0) -> Float[Tensor, "b c h w"]:
        """Where the probability-flow ODE ends that follows this denoiser from noisy images to sigma = 0. ::

            m + C^(1/2) (C + sigma_0^2 I)^(-1/2) (y - m)

        Args:
            y: start, image units.
            sigma_0: its noise level, image units.

        Returns:
            Samples, image units: Gaussian with mean m and covariance C when the start has covariance C + sigma_0^2 I.

        Source: own derivation: each coefficient c of variance s follows dc / d sigma = sigma c / (s + sigma^2).
        """
        shrink = (self.variances / (self.variances + sigma_0**2)).sqrt()
        centred = y.flatten(1).double() - self.mean
        return (self.mean + centred @ self.axes * shrink @ self.axes.T).to(y.dtype).view_as(y)


class StationaryWienerDenoiser(Told):
    """Posterior mean of a stationary Gaussian field of mean zero on a torus: each Fourier coefficient is shrunk alone.

    F f(y) = s / (s + sigma^2) F y,   F the orthonormal Fourier transform;   MSE = mean of s sigma^2 / (s + sigma^2)

    spectrum: variance s of each Fourier coefficient, squared image units.  sigma: image units.
    Raises: ValueError for sigma <= 0.
    Source: Wiener filter.
    """

    def __init__(self, spectrum: Float[Tensor, "h w"], sigma: float):
        super().__init__(sigma)
        self.register_buffer("spectrum", spectrum.double())

    def forward(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        shrink = self.spectrum / (self.spectrum + self.sigma**2)
        return torch.fft.ifft2(shrink * torch.fft.fft2(y.double())).real.to(y.dtype)
