"""A denoiser at one noisy image is a linear map: its Jacobian, the basis in which it shrinks, and what follows.

A denoiser and noisy images enter, matrices, eigenvalues and traces leave. A bias-free ReLU network in evaluation mode
is linear on a cone around y, so that f(y) = J(y) y: it projects y on the eigenvectors of J and shrinks each coefficient
by its eigenvalue. The optimum's Jacobian is a covariance, J* = Cov[x|y] / sigma^2, symmetric; a network's is not quite.
Departure from the paper: the basis is that of the symmetric part, and the asymmetry is reported beside it.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from ghr.denoisers import BFCNN, UNet, require_evaluation


@dataclass(frozen=True)
class Basis:
    """Eigenvectors of the symmetric part S = (J + J')/2, by falling eigenvalue."""

    eigenvalues: Float[Tensor, " k"]  # shrinkage factors: 1 keeps, 0 removes
    eigenvectors: Float[Tensor, "k c h w"]  # orthonormal
    residuals: Float[Tensor, " k"]  # ||S e - lambda e||: bounds the error of the eigenvalue


def jacobian(denoiser, y: Float[Tensor, "1 c h w"], chunk: int = 64) -> Float[Tensor, "d d"]:
    """The whole Jacobian at one noisy image: one forward pass, and a backward pass for each block of rows.

    J_ij = d f_i / d y_j

    denoiser: y -> x_hat, in evaluation mode.  y: image units.  chunk: rows at a time.
    Returns: J, without unit; d = c h w.
    Raises: ValueError for a module in training mode.
    """
    require_evaluation(denoiser)
    d = y.numel()
    # copies of y rather than batched gradients of one y: channels_last batches take the fast convolutions
    copies = y.detach().expand(min(chunk, d), *y.shape[1:]).contiguous(memory_format=torch.channels_last)
    copies.requires_grad_()
    with torch.enable_grad():
        x_hat = denoiser(copies)
    rows = []
    for pixels in torch.eye(d, dtype=y.dtype, device=y.device).split(len(copies)):
        weights = torch.zeros_like(x_hat)
        weights[: len(pixels)] = pixels.view(-1, *y.shape[1:])
        (gradients,) = torch.autograd.grad(x_hat, copies, weights, retain_graph=True)
        rows.append(gradients[: len(pixels)].reshape(len(pixels), d))
    return torch.cat(rows)


def asymmetry(j: Float[Tensor, "d d"]) -> float:
    """asym = ||J - J'||_F / ||J||_F: 0 for a gradient field of a potential, as the optimum is."""
    return float((j - j.T).norm() / j.norm())


def eigenbasis(j: Float[Tensor, "d d"], shape: tuple[int, int, int]) -> Basis:
    """All eigenvectors of the symmetric part of a Jacobian.

    (J + J')/2 = sum_k lambda_k e_k e_k'

    j: of `jacobian`.  shape: (c, h, w) of the image.
    Returns: Basis of d pairs.
    Source: paper, Section 3; symmetric part: own choice, see `asymmetry`.
    """
    symmetric = (j + j.T) / 2
    values, vectors = torch.linalg.eigh(symmetric)
    values, vectors = values.flip(0), vectors.flip(1)
    residuals = (symmetric @ vectors - values * vectors).norm(dim=0)
    return Basis(values, vectors.T.reshape(-1, *shape), residuals)


def leading(denoiser, y: Float[Tensor, "1 c h w"], k: int, tolerance: float = 1e-3, seed: int = 0) -> Basis:
    """The k leading eigenpairs of the symmetric part without the matrix: Lanczos on products with J and J'.

    denoiser: y -> x_hat, in evaluation mode.  y: image units.  k: pairs wanted, k < d.  tolerance: of an eigenvalue,
    relative.  seed: of the first vector.
    Returns: Basis of k pairs; memory is O(k d).
    Raises: ValueError for a module in training mode or k >= d; scipy's ArpackNoConvergence.
    Source: Lanczos with implicit restarts (ARPACK, scipy).
    """
    d = y.numel()
    if not 1 <= k < d:
        raise ValueError(f"Between 1 and {d - 1} leading pairs of {d} can be had, not {k}: use eigenbasis for all.")
    push, pull = products(denoiser, y)

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


def products(denoiser, y: Float[Tensor, "b c h w"]) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Products with the Jacobians of a batch of noisy images: v -> J v and v -> J' v, from one forward pass.

    J' v is the gradient of f . v. J v is a pass of v through the network, each ReLU held as y set it; of any other
    denoiser it is the gradient of J' v, which is linear in v (of a network that would take twice as long). No image of
    a batch sees another in evaluation mode, so v holds one vector for each.

    denoiser: y -> x_hat, in evaluation mode.  y: image units.
    Returns: (push, pull), functions of tensors shaped as y.
    Raises: ValueError for a module in training mode.
    """
    require_evaluation(denoiser)
    with torch.enable_grad():
        y = y.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        x_hat = denoiser(y)

    def pull(v: Tensor) -> Tensor:
        return torch.autograd.grad(x_hat, y, v, retain_graph=True)[0].detach()

    if isinstance(denoiser, UNet | BFCNN):
        return _held(denoiser, y), pull

    with torch.enable_grad():
        anything = torch.zeros_like(x_hat, requires_grad=True)
        (pulled,) = torch.autograd.grad(x_hat, y, anything, create_graph=True)

    def push(v: Tensor) -> Tensor:
        return torch.autograd.grad(pulled, anything, v, retain_graph=True)[0].detach()

    return push, pull


class _Gate(nn.Module):
    """A ReLU that stays, at each place, open or shut as its first input decided."""

    def __init__(self):
        super().__init__()
        self.open = None

    def forward(self, x: Tensor) -> Tensor:
        if self.open is None:
            self.open = (x > 0).to(x)
        return x * self.open


def _held(network: nn.Module, y: Tensor) -> Callable[[Tensor], Tensor]:
    """v -> J v at y, of a network whose only bends are its ReLUs; what biases add is subtracted."""
    held = copy.deepcopy(network)
    for block in list(held.modules()):
        for name, layer in block.named_children():
            if isinstance(layer, nn.ReLU):
                setattr(block, name, _Gate())
    with torch.no_grad():
        held(y)
        constant = held(torch.zeros_like(y))

    def push(v: Tensor) -> Tensor:
        with torch.no_grad():
            return held(v) - constant

    return push


def trace(
    denoiser, y: Float[Tensor, "b c h w"], probes: int = 16, seed: int = 0
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """tr J of each image, its number of kept dimensions, by Hutchinson's estimator.

    tr J = E v' J v,   v of independent signs

    denoiser: y -> x_hat, in evaluation mode.  y: image units.  probes: vectors v, at least 2.  seed: of the signs.
    Returns: estimate and its standard error, image by image.
    Raises: ValueError for a module in training mode or fewer than two probes.
    Source: Hutchinson 1990.
    """
    if probes < 2:
        raise ValueError(f"A standard error needs at least two probes, got {probes}.")
    require_evaluation(denoiser)
    generator = torch.Generator(y.device).manual_seed(seed)
    parts = []
    for part in y.split(64):
        part = part.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        with torch.enable_grad():
            x_hat = denoiser(part)
        draws = []
        for _ in range(probes):
            v = torch.randint(0, 2, part.shape, generator=generator, device=y.device).to(y) * 2 - 1
            draws.append((v * torch.autograd.grad(x_hat, part, v, retain_graph=True)[0]).sum((1, 2, 3)))
        parts.append(torch.stack(draws).detach())
    draws = torch.cat(parts, 1)
    return draws.mean(0), draws.std(0) / probes**0.5


def sure(
    y: Float[Tensor, "b c h w"], x_hat: Float[Tensor, "b c h w"], traces: Float[Tensor, " b"], sigma: float
) -> Float[Tensor, " b"]:
    """Squared error per pixel without the clean image: unbiased, not always positive.

    SURE = (2 sigma^2 tr J + ||y - f(y)||^2) / d - sigma^2

    y, x_hat: noisy and denoised images.  traces: tr J of each.  sigma: noise standard deviation, image units.
    Returns: squared image units.
    Source: Stein 1981.
    """
    return (y - x_hat).square().mean((1, 2, 3)) + 2 * sigma**2 * traces / y[0].numel() - sigma**2


def noise_level(
    y: Float[Tensor, "b c h w"], x_hat: Float[Tensor, "b c h w"], traces: Float[Tensor, " b"]
) -> Float[Tensor, " b"]:
    """The noise level that a blind denoiser saw, from what it removed, were it optimal.

    sigma_hat = ||y - f(y)|| / sqrt(d - tr J)         (||y - f(y)|| / sqrt(d) alone is too small)

    y, x_hat: noisy and denoised images.  traces: tr J of each.
    Returns: image units; not a number where tr J >= d.
    Source: E||y - f||^2 = sigma^2 (d - tr J) at the optimum.
    """
    return ((y - x_hat).square().sum((1, 2, 3)) / (y[0].numel() - traces)).sqrt()


def oracle(coefficients: Float[Tensor, "... k"], sigma: float) -> tuple[Float[Tensor, "... k"], Float[Tensor, "... k"]]:
    """The best shrinkage factors in an orthonormal basis, were the clean coefficients c_k known, and what they leave.

    lambda_k = c_k^2 / (c_k^2 + sigma^2),     E (lambda_k <y, e_k> - c_k)^2 = sigma^2 lambda_k

    coefficients: c_k = <x, e_k> of clean images.  sigma: noise standard deviation, image units.
    Returns: factors, and squared error of each coefficient.
    Source: Donoho & Johnstone 1994.
    """
    factors = coefficients.square() / (coefficients.square() + sigma**2)
    return factors, sigma**2 * factors
