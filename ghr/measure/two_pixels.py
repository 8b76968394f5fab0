"""The idea in two pixels: images on a circle, whose best denoiser is known, and its Jacobian as a picture.

Noise levels enter; answers and the two eigenvalues leave, along the circle and across it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ghr import jacobian
from ghr.denoiser import denoise
from ghr.references import EmpiricalDenoiser
from ghr.tables import Table

RADIUS = 0.35  #: of the circle of clean images, image units
CENTRE = 0.5  #: of the circle, each of the two pixels, image units
_ANGLE, _MOVE = 0.7, (0.5, 0.35)  # the clean image that gets noise, and its noise along and across the circle, sigmas


@dataclass(frozen=True)
class Circle:
    """The best denoiser of a world of images of two pixels that lie on a circle, at one noisy image."""

    sigma: float  #: noise standard deviation, image units
    first: float  #: pixel of the noisy image
    second: float  #: pixel of the noisy image
    x_first: float  #: pixel of the denoised image
    x_second: float  #: pixel of the denoised image
    tangent: float  #: eigenvalue of J along the circle
    normal: float  #: eigenvalue of J across the circle


def circle(sigmas: Iterable[float], points: int = 720) -> Table[Circle]:
    """A Jacobian that can be drawn: that of the exact denoiser of images on a circle.

    Args:
        sigmas: noise standard deviations, image units.
        points: clean images, evenly spread; their distance is to be well below the noise.

    Returns:
        One row for each noise level; the noisy image is the same clean one with the same noise, only stronger.
    """
    angles = torch.arange(points, dtype=torch.float64) * (2 * math.pi / points)
    denoiser = EmpiricalDenoiser((CENTRE + RADIUS * _direction(angles)).view(-1, 1, 1, 2))
    angle = torch.tensor(_ANGLE, dtype=torch.float64)
    normal, tangent = _direction(angle), _direction(angle + math.pi / 2)
    rows = []
    for sigma in map(float, sigmas):
        y = CENTRE + RADIUS * normal + sigma * (_MOVE[0] * normal + _MOVE[1] * tangent)
        image = y.view(1, 1, 1, 2)
        j, x_hat = jacobian.jacobian(denoiser, image, sigma), denoise(denoiser, image, sigma).flatten()
        across = (y - CENTRE) / (y - CENTRE).norm()
        along = torch.stack([-across[1], across[0]])
        factors = [(way @ j @ way).item() for way in (along, across)]
        rows.append(Circle(sigma, *y.tolist(), *x_hat.tolist(), *factors))
    return Table(tuple(rows))


def ring(points: int = 97) -> Float[Tensor, "k 2"]:
    """The circle of clean images, closed.

    Args:
        points: on it, the first one twice.

    Returns:
        Images of two pixels.
    """
    return CENTRE + RADIUS * _direction(torch.linspace(0, 2 * math.pi, points))


Pair = tuple[Float[Tensor, "1 2"], Float[Tensor, "k 2"]]  #: an image of two pixels, and images around it


def changes(row: Circle, size: float = 0.08) -> tuple[Pair, Pair]:
    """All small changes of a noisy image that have one size, and what the denoiser makes of them to first order. ::

        y + v   ->   f(y) + J v,     ||v|| = size

    Args:
        row: of `circle`.
        size: image units.

    Returns:
        The noisy image and a circle around it, the denoised image and an ellipse around it.
    """
    y, x_hat = torch.tensor([[row.first, row.second]]), torch.tensor([[row.x_first, row.x_second]])
    across = (y - CENTRE) / (y - CENTRE).norm()
    along = across.flip(1) * torch.tensor([-1.0, 1.0])
    turn = _direction(torch.linspace(0, 2 * math.pi, 97)) * size
    before, after = (turn @ torch.cat([a * along, b * across]) for a, b in ((1, 1), (row.tangent, row.normal)))
    return (y, y + before), (x_hat, x_hat + after)


def _direction(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin()], -1)
