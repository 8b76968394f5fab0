"""Linearity: of denoisers that are linear, affine, or quadratic."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from ghr.experiments import Study
from ghr.images import Halves
from ghr.measure.linearity import linearity
from ghr.noise import add_noise
from ghr.recipes import Run
from ghr.references import EmpiricalDenoiser

H, W, SIGMA = 4, 6, 0.3
SMALL = {"images": 8, "sigmas": (SIGMA,), "draws": 4000}


def pictures(n, seed):
    return torch.rand(n, 1, H, W, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


DATA = {n: Halves(pictures(n, 0), pictures(n, 1), pictures(12, 2)) for n in (1, 10, 30)}


def study(f, sizes=(10, 30)):
    keys = [(n, half) for n in sizes for half in "AB"]
    chosen = {key: Run(n=key[0], half=key[1], size=8) for key in keys}
    return Study("avatars", chosen, dict.fromkeys(keys, f), {n: DATA[n] for n in sizes}, DATA[10].held_out)


def network(f, **other):
    return linearity(study(f), **SMALL | other).where(n=30, denoiser="network")


def test_a_linear_map_is_linear_by_both_and_an_affine_one_by_the_second():
    kernel = torch.rand(1, 1, 3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    (linear,) = network(lambda y, sigma=None: functional.conv2d(y, kernel, padding=1))
    assert linear.score.value == pytest.approx(1)
    assert linear.left.value == pytest.approx(0, abs=1e-20)
    (affine,) = network(lambda y, sigma=None: 0.5 * y + 2 * DATA[10].a[0])
    assert affine.score.value < 1 - 1e-4  # hardly: a cosine sees most of what all answers share
    assert affine.left.value == pytest.approx(0, abs=1e-20)


def test_squares_leave_what_no_line_through_normal_numbers_explains():
    """Of y^2, y normal with mean m and variance s^2, the best line leaves 2 s^4 of a variance of 4 m^2 s^2 + 2 s^4."""
    flat = torch.full((1000, 1, H, W), 0.25, dtype=torch.float64)
    one = study(lambda y, sigma=None: y.square(), sizes=(10,))
    one.data[10] = Halves(DATA[10].a, flat[:10], flat)
    (row,) = linearity(
        Study("avatars", one.runs, one.denoisers, one.data, flat), images=1000, sigmas=(SIGMA,), draws=20_000
    ).where(denoiser="network")
    expected = 2 * SIGMA**4 / (4 * 0.25**2 * SIGMA**2 + 2 * SIGMA**4)
    assert row.left.value == pytest.approx(expected, rel=0.05)
    y = add_noise(flat, SIGMA, torch.Generator().manual_seed(0)).flatten(1)
    cosines = functional.cosine_similarity(
        (y[::2] + y[1::2]).square() / 2, (y[::2].square() + y[1::2].square()) / 2**0.5
    )
    assert row.score.value == pytest.approx(cosines.mean().item())


def test_beside_a_network_stand_memory_and_wiener_of_its_images():
    found = linearity(study(EmpiricalDenoiser(DATA[30].a), sizes=(1, 10, 30)), **SMALL)
    assert [(row.n, row.denoiser) for row in found] == [
        (n, name) for n in (10, 30) for name in ("network", "memorizer", "Wiener")
    ]
    own, memory, wiener = found.where(n=30)
    assert (own.score, own.left) == (memory.score, memory.left)
    assert found.one(n=10, denoiser="memorizer").left.value != pytest.approx(memory.left.value)
    assert memory.left.value > 0.1
    assert wiener.left.value == pytest.approx(0, abs=1e-12)
    assert wiener.input_psnr == pytest.approx(-20 * np.log10(SIGMA))


@pytest.mark.parametrize("images", [3, 2])
def test_images_come_in_pairs(images):
    with pytest.raises(ValueError, match=f"in pairs.*got {images}"):
        network(lambda y, sigma=None: y, images=images)
