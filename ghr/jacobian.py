"""A denoiser at one noisy image is a linear map: its Jacobian, the basis in which it shrinks, and what follows.

A denoiser and noisy images enter, matrices, eigenvalues and traces leave. A bias-free ReLU network in evaluation mode
is linear on a cone around y, so that f(y) = J(y) y: it projects y on the eigenvectors of J and shrinks each coefficient
by its eigenvalue. The optimum's Jacobian is a covariance, J* = Cov[x|y] / sigma^2, symmetric; a network's is not quite.
Departure from the paper: the basis is that of the symmetric part, and the asymmetry is reported beside it.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh
from threadpoolctl import threadpool_limits
from torch import Tensor

from ghr.denoiser import batches, call, denoise, plain, require_evaluation, require_images

NO_GRADIENT = (
    "No gradient passes through this denoiser: its answer does not depend on y, or it is made outside of torch, as "
    "wavelets are."
)


@dataclass(frozen=True)
class Basis:
    """Eigenvectors of the symmetric part S = (J + J')/2, by falling eigenvalue."""

    eigenvalues: Float[Tensor, " k"]  #: shrinkage factors, 1 keeps, 0 removes
    eigenvectors: Float[Tensor, "k c h w"]  #: orthonormal
    residuals: Float[Tensor, " k"]  #: ||S e - lambda e||, bounds the error of the eigenvalue


def jacobian(f, y: Float[Tensor, "1 c h w"], sigma: float | None = None, *, chunk: int = 64) -> Float[Tensor, "d d"]:
    """The whole Jacobian at one noisy image: one forward pass, and a backward pass for each block of rows. ::

        J_ij = d f_i / d y_j

    Args:
        f: denoiser, in evaluation mode.
        y: noisy image, image units.
        sigma: its noise standard deviation, image units; None for blind denoisers.
        chunk: rows at a time.

    Returns:
        J, without unit; d = c h w.

    Raises:
        TypeError: as `ghr.denoiser.denoise`.
        ValueError: as `ghr.denoiser.denoise`, for more than one image, or where no gradient passes.
    """
    _require(f, y)
    _require_one(y)
    d = y.numel()
    # copies of y rather than batched gradients of one y: channels_last batches take the fast convolutions
    copies = y.detach().expand(min(chunk, d), *y.shape[1:]).contiguous(memory_format=torch.channels_last)
    copies, x_hat = _passed(f, copies, sigma)
    rows = []
    for pixels in torch.eye(d, dtype=y.dtype, device=y.device).split(len(copies)):
        weights = torch.zeros_like(x_hat)
        weights[: len(pixels)] = pixels.view(-1, *y.shape[1:])
        rows.append(_gradient(x_hat, copies, weights)[: len(pixels)].reshape(len(pixels), d))
    return torch.cat(rows)


def by_differences(
    f, y: Float[Tensor, "1 c h w"], sigma: float | None = None, *, step: float = 0.01, chunk: int = 64
) -> Float[Tensor, "d d"]:
    """The whole Jacobian of a denoiser that torch cannot differentiate, e.g. one that runs outside of it. ::

        J e_j = (f(y + h e_j) - f(y - h e_j)) / 2 h

    Args:
        f: denoiser, in evaluation mode.
        y: noisy image, image units.
        sigma: its noise standard deviation, image units; None for blind denoisers.
        step: h, image units: in float32, large enough for six digits of f to leave four of J.
        chunk: columns at a time, each of which asks for two answers.

    Returns:
        J, without unit; where f bends within h, the slope of its chord.

    Raises:
        TypeError: as `ghr.denoiser.denoise`.
        ValueError: as `ghr.denoiser.denoise`, for more than one image, or a step that is not positive.
    """
    _require(f, y)
    _require_one(y)
    if not 0 < step < math.inf:
        raise ValueError(f"A difference needs a positive step, got {step}.")
    columns = []
    for moves in (step * torch.eye(y.numel(), dtype=y.dtype, device=y.device)).split(chunk):
        moves = moves.view(-1, *y.shape[1:])
        forth, back = denoise(f, torch.cat([y + moves, y - moves]), sigma, 2 * chunk).chunk(2)
        columns.append((forth - back).flatten(1) / (2 * step))
    return torch.cat(columns).T


def _require(f, y) -> None:
    require_evaluation(f)
    require_images(y)


def _require_one(y: Tensor) -> None:
    if len(y) != 1:
        raise ValueError(f"A Jacobian belongs to one noisy image, got {len(y)}: take y[:1], or each of y.split(1).")


def _passed(f, y: Tensor, sigma: float | Tensor | None) -> tuple[Tensor, Tensor]:
    """Images that are asked for gradients, and what a denoiser makes of them."""
    y = y.requires_grad_()
    with torch.enable_grad():
        x_hat = call(plain(f), y, sigma)  # what was compiled knows first derivatives only, and drops them once used
    if not x_hat.requires_grad:
        raise ValueError(NO_GRADIENT)
    return y, x_hat


def _gradient(x_hat: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """J' v at images that are asked for gradients."""
    (gradient,) = torch.autograd.grad(x_hat, y, v, retain_graph=True, allow_unused=True)
    if gradient is None:
        raise ValueError(NO_GRADIENT)
    return gradient.detach()


def asymmetry(j: Float[Tensor, "d d"]) -> float:
    """How far a Jacobian is from symmetric: 0 for a gradient field of a potential, as the optimum is. ::

        asym = ||J - J'||_F / ||J||_F

    Args:
        j: of `jacobian`.

    Returns:
        asym, without unit.
    """
    return float((j - j.T).norm() / j.norm())


def eigenbasis(j: Float[Tensor, "d d"], shape: tuple[int, int, int]) -> Basis:
    """All eigenvectors of the symmetric part of a Jacobian. ::

        (J + J')/2 = sum_k lambda_k e_k e_k'

    Args:
        j: of `jacobian`.
        shape: (c, h, w) of the image.

    Returns:
        Basis of d pairs.

    Source: paper, Section 3; symmetric part: own choice, see `asymmetry`.
    """
    symmetric = (j + j.T) / 2
    values, vectors = torch.linalg.eigh(symmetric)
    values, vectors = values.flip(0), vectors.flip(1)
    residuals = (symmetric @ vectors - values * vectors).norm(dim=0)
    return Basis(values, vectors.T.reshape(-1, *shape), residuals)


def leading(
    f,
    y: Float[Tensor, "1 c h w"],
    k: int,
    sigma: float | None = None,
    *,
    tolerance: float = 1e-3,
    seed: int = 0,
) -> Basis:
    """The k leading eigenpairs of the symmetric part without the matrix: Lanczos on products with J and J'.

    Args:
        f: denoiser, in evaluation mode.
        y: noisy image, image units.
        k: pairs wanted, k < d.
        sigma: noise standard deviation of y, image units; None for blind denoisers.
        tolerance: of an eigenvalue, relative.
        seed: of the first vector.

    Returns:
        Basis of k pairs; memory is O(k d).

    Raises:
        TypeError: as `ghr.denoiser.denoise`.
        ValueError: as `products`, for more than one image, or for k >= d.
        scipy.sparse.linalg.ArpackNoConvergence: when Lanczos finds fewer pairs.

    Source: Lanczos with implicit restarts (ARPACK, scipy).
    """
    _require(f, y)
    _require_one(y)
    d = y.numel()
    if not 1 <= k < d:
        raise ValueError(f"Between 1 and {d - 1} leading pairs of {d} can be had, not {k}: use eigenbasis for all.")
    push, pull = products(f, y, sigma)

    def symmetric(v: np.ndarray) -> np.ndarray:
        v = torch.from_numpy(v).to(y).view_as(y)
        return ((push(v) + pull(v)) / 2).flatten().double().cpu().numpy()

    start = np.random.default_rng(seed).normal(size=d)
    operator = LinearOperator((d, d), matvec=lambda v: symmetric(v.ravel()), dtype=np.float64)
    # a few more vectors than ARPACK's 2 k + 1: with them 50 pairs of 6,400 take 237 products instead of 254
    ncv = min(d, max(20, 5 * k // 2))
    with threadpool_limits(1, "blas"):  # ARPACK's threads spin while they wait, and take the cores from torch's
        values, vectors = eigsh(operator, k, which="LA", v0=start, tol=tolerance, ncv=ncv)
    values, vectors = values[::-1].copy(), vectors[:, ::-1].T.copy()
    residuals = [np.linalg.norm(symmetric(e) - value * e) for value, e in zip(values, vectors, strict=True)]
    return Basis(
        torch.from_numpy(values).to(y),
        torch.from_numpy(vectors).to(y).view(k, *y.shape[1:]),
        torch.tensor(residuals).to(y),
    )


def products(
    f, y: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"] | None = None
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Products with the Jacobians of a batch of noisy images: v -> J v and v -> J' v.

    J' v is the gradient of f . v, from one forward pass. J v is a pass of v through the linear map that f is at y,
    traced once (about as long as 100 products with a small network). No image of a batch sees another in evaluation
    mode, so v holds one vector for each.

    Args:
        f: denoiser, in evaluation mode, differentiable by torch.
        y: noisy images, image units.
        sigma: their noise standard deviation, image units; None for blind denoisers.

    Returns:
        (push, pull), functions of tensors shaped as y.

    Raises:
        TypeError: as `ghr.denoiser.denoise`.
        ValueError: as `ghr.denoiser.denoise`, or where no gradient passes.
    """
    _require(f, y)
    y, x_hat = _passed(f, y.detach().clone(memory_format=torch.preserve_format), sigma)
    _gradient(x_hat, y, torch.zeros_like(x_hat))  # raises where no gradient passes

    def pull(v: Tensor) -> Tensor:
        return _gradient(x_hat, y, v)

    return _linear(f, y.detach(), sigma), pull


@torch.no_grad()
def _linear(f, y: Tensor, sigma: float | Tensor | None) -> Callable[[Tensor], Tensor]:
    """v -> J v at y."""
    with warnings.catch_warnings():  # torch 2.13 says both of its own code
        warnings.filterwarnings("ignore", "Attempted to insert a get_attr Node", UserWarning)
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
        try:
            _, push = torch.func.linearize(lambda y: call(plain(f), y, sigma), y)
        except (RuntimeError, NotImplementedError) as error:
            raise ValueError(f"torch cannot follow this denoiser forwards, so that J v is not had: {error}") from error
    return torch.no_grad()(push)


def symmetric(
    f, y: Float[Tensor, "b c h w"], sigma: float | None = None
) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
    """What a homogeneous denoiser does to images, and what the symmetric part of its Jacobian alone would do. ::

        f(y) = J y,     S y = (f(y) + J'y) / 2

    Args:
        f: denoiser, in evaluation mode.
        y: noisy images, image units.
        sigma: their noise standard deviation, image units; None for blind denoisers.

    Returns:
        f(y) and S y; where f is not homogeneous, the second one is not S y.

    Raises:
        TypeError: as `ghr.denoiser.denoise`.
        ValueError: as `ghr.denoiser.denoise`, or where no gradient passes.
    """
    _require(f, y)
    pairs = []
    for part, level in batches(y, sigma, 64):
        part, x_hat = _passed(f, part.detach().clone(memory_format=torch.preserve_format), level)
        pairs.append((x_hat.detach(), (x_hat.detach() + _gradient(x_hat, part, part.detach())) / 2))
    x_hat, s_y = (torch.cat(each) for each in zip(*pairs, strict=True))
    return x_hat, s_y


def trace(
    f,
    y: Float[Tensor, "b c h w"],
    sigma: float | Float[Tensor, "b 1 1 1"] | None = None,
    *,
    probes: int = 16,
    seed: int = 0,
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """tr J of each image, its number of kept dimensions, by Hutchinson's estimator. ::

        tr J = E v' J v,   v of independent signs

    Args:
        f: denoiser, in evaluation mode.
        y: noisy images, image units.
        sigma: their noise standard deviation, image units; None for blind denoisers.
        probes: vectors v, at least 2.
        seed: of the signs.

    Returns:
        Estimate and its standard error, image by image.

    Raises:
        TypeError: as `ghr.denoiser.denoise`.
        ValueError: as `ghr.denoiser.denoise`, for fewer than two probes, or where no gradient passes.

    Source: Hutchinson 1990.
    """
    if probes < 2:
        raise ValueError(f"A standard error needs at least two probes, got {probes}.")
    _require(f, y)
    generator = torch.Generator(y.device).manual_seed(seed)
    parts = []
    for part, level in batches(y, sigma, 64):
        part, x_hat = _passed(f, part.detach().clone(memory_format=torch.preserve_format), level)
        draws = []
        for _ in range(probes):
            v = torch.randint(0, 2, part.shape, generator=generator, device=y.device).to(y) * 2 - 1
            draws.append((v * _gradient(x_hat, part, v)).sum((1, 2, 3)))
        parts.append(torch.stack(draws))
    draws = torch.cat(parts, 1)
    return draws.mean(0), draws.std(0) / probes**0.5


def sure(
    y: Float[Tensor, "b c h w"], x_hat: Float[Tensor, "b c h w"], traces: Float[Tensor, " b"], sigma: float
) -> Float[Tensor, " b"]:
    """Squared error per pixel without the clean image: unbiased, not always positive. ::

        SURE = (2 sigma^2 tr J + ||y - f(y)||^2) / d - sigma^2

    Args:
        y: noisy images.
        x_hat: denoised ones.
        traces: tr J of each.
        sigma: noise standard deviation, image units.

    Returns:
        Squared image units.

    Source: Stein 1981.
    """
    return (y - x_hat).square().mean((1, 2, 3)) + 2 * sigma**2 * traces / y[0].numel() - sigma**2


def noise_level(
    y: Float[Tensor, "b c h w"], x_hat: Float[Tensor, "b c h w"], traces: Float[Tensor, " b"]
) -> Float[Tensor, " b"]:
    """The noise level that a blind denoiser saw, from what it removed, were it optimal. ::

        sigma_hat = ||y - f(y)|| / sqrt(d - tr J)         (||y - f(y)|| / sqrt(d) is too small)

    Args:
        y: noisy images.
        x_hat: denoised ones.
        traces: tr J of each.

    Returns:
        Image units; not a number where tr J >= d.

    Source: E||y - f||^2 = sigma^2 (d - tr J) at the optimum.
    """
    return ((y - x_hat).square().sum((1, 2, 3)) / (y[0].numel() - traces)).sqrt()
