"""Optima of two flat manifolds, a ray and a family of sines: projections on the few directions that exist.

Noisy images enter, their projections leave. Each is the optimum at weak noise, and needs neither the law of the
amplitudes nor the noise level, which a blind bias-free network does not know either.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ghr.denoiser import require_shape
from ghr.images import synthetic


class _Projection(nn.Module):
    """Projection on the span of images; sigma is ignored. ::

    f(y) = U U'y,   U orthonormal, of k columns;   MSE = k sigma^2 / d
    """

    def __init__(self, images: Float[Tensor, "k c h w"]):
        super().__init__()
        self.register_buffer("basis", torch.linalg.qr(images.flatten(1).double().T).Q)
        self.shape = tuple(images.shape[1:])
        self.eval()

    def forward(
        self, y: Float[Tensor, "b c h w"], sigma: float | Float[Tensor, "b 1 1 1"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        require_shape(y, self.shape)
        return (y.flatten(1).double() @ self.basis @ self.basis.T).to(y.dtype).view_as(y)


class RayDenoiser(_Projection):
    """Projection on the multiples of one image: the best that a homogeneous denoiser of one image can be. ::

        f(y) = <y, x> x / ||x||^2;   MSE = sigma^2 / d

    Args:
        x: the image.

    Raises:
        ValueError: for an image of zeros; when called, for images of another shape.
    """

    def __init__(self, x: Float[Tensor, "1 c h w"]):
        if not x.any():
            raise ValueError("An image of zeros has no ray: give one with some pixel that is not 0.")
        super().__init__(x)


class SineDenoiser(_Projection):
    """Projection on the plane that `synthetic.sines` of all phases and amplitudes span. ::

        f(y) = U U'y,   U of two columns;   MSE = 2 sigma^2 / d

    Args:
        size: side in pixels.
        direction: radians from the horizontal.

    Raises:
        ValueError: when called, for images of another shape.
    """

    def __init__(self, size: int, direction: float = synthetic.DIRECTION):
        super().__init__(synthetic.plane_wave(size, direction, torch.tensor([0.0, math.pi / 2])))
