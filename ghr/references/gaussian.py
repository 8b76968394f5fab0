"""Wiener denoisers: the exact optimum when the density is Gaussian, and the best affine one for images that are not.

Training images enter, only their mean and covariance stay; or, for stationary fields, a spectrum. What a network does
better than this it owes to more than second moments. One is as blind and as free of constants as the networks are.
Beside them the affine map nearest to a network: what of it is linear at all.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ghr.denoiser import denoise, require_level, require_shape
from ghr.noise import add_noise


class WienerDenoiser(nn.Module):
    """Posterior mean when x ~ N(m, C), with mean and covariance of training images and a told noise level. ::

        f(y, sigma) = m + C (C + sigma^2 I)^-1 (y - m)
        MSE = sum_k s_k sigma^2 / (s_k + sigma^2), s_k eigenvalues of C

    C is the mean of (x - m)(x - m)' over the training images, so that f is the best affine denoiser on them.

    Args:
        x: training images; a single one has no covariance, and its f is constant.

    Raises:
        ValueError: when called, without a positive sigma, or for images of another shape.

    Source: Wiener filter; Li, Dai & Qu 2024 compare diffusion models with it.
    """

    def __init__(self, x: Float[Tensor, "n c h w"]):
        super().__init__()
        flat = x.flatten(1).double()
        centred = flat - flat.mean(0)
        variances, axes = torch.linalg.eigh(centred.T @ centred / len(x))
        self.register_buffer("mean", flat.mean(0))
        self.register_buffer("axes", axes)
        self.register_buffer("variances", variances.clamp(min=0))
        self.shape = tuple(x.shape[1:])
        self.eval()

    def forward(self, y: Float[Tensor, "b c h w"], sigma: float | None = None) -> Float[Tensor, "b c h w"]:
        shrink = self.variances / (self.variances + require_level(sigma) ** 2)
        require_shape(y, self.shape)
        centred = y.flatten(1).double() - self.mean
        return (self.mean + centred @ self.axes * shrink @ self.axes.T).to(y.dtype).view_as(y)

    def sample(self, y: Float[Tensor, "b c h w"], sigma_0: float = 1.0) -> Float[Tensor, "b c h w"]:
        """Where the probability-flow ODE ends that follows this denoiser from noisy images to sigma = 0. ::

            m + C^(1/2) (C + sigma_0^2 I)^(-1/2) (y - m)

        Args:
            y: start, image units.
            sigma_0: its noise level, image units.

        Returns:
            Samples, image units; Gaussian with mean m and covariance C when the start has covariance C + sigma_0^2 I.

        Source: own derivation: each coefficient c of variance s follows dc / d sigma = sigma c / (s + sigma^2).
        """
        shrink = (self.variances / (self.variances + sigma_0**2)).sqrt()
        centred = y.flatten(1).double() - self.mean
        return (self.mean + centred @ self.axes * shrink @ self.axes.T).to(y.dtype).view_as(y)


class RayWienerDenoiser(nn.Module):
    """Posterior mean when a Gaussian image of any contrast is seen at any noise level, and neither is told. ::

        x = a g,  g ~ N(m, C),  sigma = a t,     log a and log t equally likely everywhere
        f(y) = sum_t w_t(y) W_t y + v_t(y) (I - W_t) m,     W_t = C (C + t^2 I)^-1
        w_t = p(t | y),   v_t = p(t | y) E[a | t, y]

    So f(a y) = a f(y) and f(y) = J(y) y, as of every bias-free network; but J is not symmetric, as the noise level is
    not told. Contrasts are summed from a fifth to twice ||y|| / ||m||, t from .01 to 3, in steps that are fine beside
    what an image of some hundred pixels leaves open.

    Args:
        x: training images.

    Raises:
        ValueError: for images of mean zero, whose contrast means nothing; when called, for images of another shape.

    Source: own derivation; the Gaussian counterpart of `RayEmpiricalDenoiser`.
    """

    def __init__(self, x: Float[Tensor, "n c h w"]):
        super().__init__()
        wiener = WienerDenoiser(x)
        if not wiener.mean.any():
            raise ValueError("The mean of these images is zero: contrast needs a mean to be told from noise.")
        contrasts, levels = torch.arange(-1.6, 0.7, 0.01).double().exp(), torch.arange(-4.6, 1.1, 0.02).double().exp()
        inverse = 1 / (wiener.variances + levels[:, None] ** 2)
        self.register_buffer("axes", wiener.axes)
        self.register_buffer("mean", wiener.mean @ wiener.axes)
        self.register_buffer("inverse", inverse)  # of each variance of noisy coefficients, by level
        self.register_buffer("shrink", wiener.variances * inverse)
        self.register_buffer("contrasts", contrasts)
        self.shape = wiener.shape
        self.eval()

    def forward(self, y: Float[Tensor, "b c h w"], sigma: float | None = None) -> Float[Tensor, "b c h w"]:
        require_shape(y, self.shape)
        c = y.flatten(1).double() @ self.axes
        a = self.contrasts * (c.norm(dim=1, keepdim=True) / self.mean.norm())  # contrasts, by image
        # ||y - a m||^2 in the metric of each level, over a^2
        square, product = c.square() @ self.inverse.T, (c * self.mean) @ self.inverse.T
        misfit = square[..., None] / a[:, None] ** 2 - 2 * product[..., None] / a[:, None]
        constant = (self.mean.square() @ self.inverse.T) - self.inverse.log().sum(1)
        log_p = -(misfit + constant[:, None]) / 2 - c.shape[1] * a.log()[:, None]
        p = log_p.flatten(1).softmax(1).view_as(log_p)  # of each level and contrast
        found = (p.sum(2) @ self.shrink) * c + ((p * a[:, None]).sum(2) @ (1 - self.shrink)) * self.mean
        return (found @ self.axes.T).to(y.dtype).view_as(y)


class AffineDistillation(nn.Module):
    """The affine map that answers most like a denoiser, at a told noise level. ::

        g(y, sigma) = L y + b,   L, b = argmin E ||f(y, sigma) - L y - b||^2

    The mean is over noisy training images, repeated with other noise until there are `draws` of them; the map is fitted
    at the first call of a noise level. With few draws it misses more of f than the nearest map does: of what that one
    leaves, d / draws more.

    Args:
        denoiser: f.
        x: training images.
        draws: noisy images to which it is fitted (None: 8 for each pixel).
        seed: of their noise.

    Raises:
        ValueError: for draws that hardly determine a map; when called, without a positive sigma, or for images of
            another shape.

    Source: linear distillation, Li, Dai & Qu 2024; here by least squares in closed form.
    """

    def __init__(self, denoiser: Callable, x: Float[Tensor, "n c h w"], draws: int | None = None, seed: int = 0):
        super().__init__()
        pixels = x[0].numel()
        self.draws = 8 * pixels if draws is None else draws
        if self.draws < 2 * pixels:
            raise ValueError(
                f"{self.draws} draws hardly determine a map of {pixels} pixels: give {2 * pixels} or more."
            )
        self.denoiser, self.seed = denoiser, seed
        self.register_buffer("x", x)
        self._maps: dict[float, Tensor] = {}
        self.eval()

    def forward(self, y: Float[Tensor, "b c h w"], sigma: float | None = None) -> Float[Tensor, "b c h w"]:
        level = require_level(sigma)
        require_shape(y, self.x.shape[1:])
        if level not in self._maps:
            self._maps[level] = self._fit(level)
        return (_with_one(y) @ self._maps[level]).to(y.dtype).view_as(y)

    def _fit(self, sigma: float) -> Float[Tensor, "d_plus_1 d"]:
        """L' above b, from sums over draws."""
        generator = torch.Generator(self.x.device).manual_seed(self.seed)
        gram, cross = 0.0, 0.0
        for places in (torch.arange(self.draws) % len(self.x)).split(4096):
            y = add_noise(self.x[places], sigma, generator)
            inputs = _with_one(y)
            gram += inputs.T @ inputs
            cross += inputs.T @ denoise(self.denoiser, y, sigma).flatten(1).double()
        return torch.linalg.solve(gram, cross)


def _with_one(y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d_plus_1"]:
    """Pixels less the middle grey, and a one for the offset."""
    flat = y.flatten(1).double()
    return torch.cat([flat - 0.5, torch.ones_like(flat[:, :1])], 1)


class StationaryWienerDenoiser(nn.Module):
    """Posterior mean of a stationary Gaussian field on a torus, of mean zero: each Fourier mode is shrunk alone. ::

        F f(y, sigma) = s / (s + sigma^2) F y,   F the orthonormal Fourier transform
        MSE = mean of s sigma^2 / (s + sigma^2)

    Args:
        spectrum: variance s of each Fourier coefficient, squared image units.

    Raises:
        ValueError: when called, without a positive sigma, or for images of other sides.

    Source: Wiener filter.
    """

    def __init__(self, spectrum: Float[Tensor, "h w"]):
        super().__init__()
        self.register_buffer("spectrum", spectrum.double())
        self.eval()

    def forward(self, y: Float[Tensor, "b c h w"], sigma: float | None = None) -> Float[Tensor, "b c h w"]:
        shrink = self.spectrum / (self.spectrum + require_level(sigma) ** 2)
        require_shape(y, self.spectrum.shape)
        return torch.fft.ifft2(shrink * torch.fft.fft2(y.double())).real.to(y.dtype)
