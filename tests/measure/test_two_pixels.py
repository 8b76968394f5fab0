"""Images on a circle: the Jacobian of their denoiser against geometry, and against the denoiser itself."""

import numpy as np
import pytest
import torch

from ghr.measure import two_pixels
from ghr.references import EmpiricalDenoiser


def test_at_weak_noise_a_circle_has_one_dimension():
    weak, strong = two_pixels.circle((0.01, 5.0))
    distance = np.hypot(weak.first - two_pixels.CENTRE, weak.second - two_pixels.CENTRE)
    assert weak.tangent == pytest.approx(two_pixels.RADIUS / distance, abs=1e-3)  # of the projection on a circle
    assert weak.normal == pytest.approx(0, abs=1e-3)
    off = np.hypot(weak.x_first - two_pixels.CENTRE, weak.x_second - two_pixels.CENTRE)
    assert off == pytest.approx(two_pixels.RADIUS, abs=1e-3)
    all_around = two_pixels.RADIUS**2 / 2 / 5**2  # Cov / sigma^2 of the whole circle
    assert (strong.tangent, strong.normal) == pytest.approx((all_around, all_around), rel=0.02)
    assert (strong.x_first, strong.x_second) == pytest.approx((two_pixels.CENTRE, two_pixels.CENTRE), abs=0.03)


def test_changes_become_those_that_the_denoiser_makes():
    """Against the denoiser itself, at a change so small that it is straight."""
    (row,) = two_pixels.circle((0.2,))
    (y, before), (x_hat, after) = two_pixels.changes(row, size=1e-3)
    denoiser = EmpiricalDenoiser(two_pixels.ring(721)[:-1].double().view(-1, 1, 1, 2))
    expected = denoiser(before.double().view(-1, 1, 1, 2), 0.2).view(-1, 2)
    assert torch.allclose(
        after.double() - x_hat.double(), expected - denoiser(y.double().view(1, 1, 1, 2), 0.2).view(1, 2), atol=2e-5
    )
    assert (before - y).norm(dim=1).numpy() == pytest.approx(1e-3, rel=1e-3)
    assert torch.allclose((two_pixels.ring(9) - two_pixels.CENTRE).norm(dim=1), torch.tensor(two_pixels.RADIUS))
