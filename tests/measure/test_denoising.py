"""What one denoiser is like, on maps of which it is known."""

import math

import numpy as np
import pytest
import torch

from ghr import similarity
from ghr.experiments import Study
from ghr.images import Halves
from ghr.measure import denoising
from ghr.noise import SIGMAS
from ghr.recipes import Run
from ghr.references import EmpiricalDenoiser, log_density


def half(y, sigma=None):
    return y / 2


def test_networks_are_counted(odd_images):
    made = {(3, "A"): Run(images="discs", size=8, n=3, network="BFCNN", images_seen=500)}
    study = Study("discs", made, {(3, "A"): torch.nn.Conv2d(1, 2, 3)}, {3: Halves(*[odd_images] * 3)}, odd_images)
    (row,) = denoising.networks(study)
    expected = ("discs", "BFCNN", 3, "A", 7, 91, 20, 500)
    found = (row.images, row.network, row.n, row.half, row.side, row.pixels, row.parameters, row.images_seen)
    assert found == expected


def test_half_the_noisy_image_has_half_the_noise_and_half_the_image_lost(odd_images):
    x = odd_images.repeat(40, 1, 1, 1)
    for row in denoising.denoised(half, x, (0.1, 0.4)):
        error = 2 * math.sqrt(2 / len(x) / x[0].numel()) * 10 / math.log(10)  # two standard errors, dB
        assert row.noisy.value == pytest.approx(-20 * math.log10(row.sigma), abs=2 * error)
        left = (row.sigma**2 + x.square().mean().item()) / 4
        assert row.denoised.value == pytest.approx(-10 * math.log10(left), abs=2 * error)


def test_a_network_without_constants_is_homogeneous_and_one_with_them_is_not(unet, images):
    laws = denoising.homogeneity(unet, images, (0.1, 7.0))
    assert [(row.law, row.factor) for row in laws] == [("scaling", 0.1), ("scaling", 7.0), ("product", None)]
    assert max(laws["off"]) < 1e-10
    constant = torch.ones_like(images)
    found = denoising.homogeneity(lambda y, sigma=None: half(y) + 1, images, (2.0,))
    scaling, product = (row.off for row in found)
    size = (half(images) + 1).norm()
    assert scaling == pytest.approx((constant.norm() / 2 / size).item())  # (y + 1) / 2 instead of y / 2 + 1
    assert product == pytest.approx((constant.norm() / size).item())


def test_the_noise_level_is_seen_by_projections_and_not_by_a_constant():
    """A projection on 20 of 99 dimensions that hold the images takes away all noise that it sees."""
    axes = torch.linalg.qr(torch.randn(99, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    x = (torch.rand(40, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64) @ axes.T).view(
        40, 1, 9, 11
    )
    onto = lambda y, sigma=None: (y.flatten(1) @ axes @ axes.T).view_as(y)  # noqa: E731
    nothing = lambda y, sigma=None: 0 * y  # noqa: E731
    table = denoising.noise_levels({"onto": (onto, x), "all": (nothing, x)}, probes=64)
    error = 4 / math.sqrt(2 * 40 * 79)
    for row in table.where(case="onto"):
        assert row.seen.value == pytest.approx(1, abs=error)
        assert row.removed.value == pytest.approx(math.sqrt(79 / 99), abs=error)
        assert row.input_psnr == pytest.approx(-20 * math.log10(row.sigma))
    assert [row.sigma for row in table.where(case="all")] == pytest.approx(SIGMAS.tolist())
    weakest = table.where(case="all").rows[0]
    assert weakest.seen.value == weakest.removed.value > 5  # it takes the images for noise


def test_a_denoiser_that_keeps_all_sees_no_noise_level():
    (row,) = denoising.noise_levels({"same": (lambda y, sigma=None: 1.0 * y, torch.rand(5, 1, 7, 13))}, (0.2,))
    assert (row.removed.value, row.seen) == (0, None)


def test_the_log_density_is_that_of_a_mixture_of_gaussians(odd_images):
    """By a loop over the world, up to the constant that all y share."""
    y = odd_images[:2] + 0.1
    expected = [
        math.log(sum(math.exp(-(one - x).square().sum().item() / (2 * 0.5**2)) for x in odd_images)) for one in y
    ]
    assert log_density(odd_images, y, 0.5).tolist() == pytest.approx(expected)


def test_both_sides_of_miyasawas_formula_are_equal_and_not_those_of_another_world(odd_images):
    table = denoising.miyasawa(odd_images, odd_images + 0.1, (0.3, 0.05))
    assert table["sigma"] == [0.3, 0.05]
    assert max(table["off"]) < 1e-10
    y = (odd_images + 0.1).requires_grad_()
    (gradient,) = torch.autograd.grad(log_density(odd_images[1:], y, 0.3).sum(), y)
    assert (gradient - denoising.score(EmpiricalDenoiser(odd_images), y.detach(), 0.3)).abs().max() > 1e-3


def test_copies_are_as_like_as_can_be_and_others_are_not(odd_images):
    training = torch.rand(20, 1, 7, 13, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    table = denoising.likeness({"copies": 0.5 * training[:4] + 0.2, "others": odd_images}, training)
    copies, others = table
    assert (copies.least, copies.median.value) == pytest.approx((1, 1))
    rho = similarity.nearest(odd_images, training)[0]
    assert (others.least, others.median.value) == pytest.approx((rho.min().item(), np.median(rho)))
    assert others.median.low < others.median.value < others.median.high < 0.9
