"""Architectures: of linear denoisers, whose basis and locality are known, of a memorizer, and of what diverges."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from ghr.experiments import Study
from ghr.images import Halves
from ghr.measure import errors
from ghr.measure.architectures import architectures, nearby
from ghr.measure.rivals import neighbours
from ghr.recipes import Run
from ghr.references import EmpiricalDenoiser, WienerDenoiser
from ghr.stats import psnr_gap

H, W = 6, 8
FEW = {"tests": 8, "seeds": range(4)}


def pictures(n, seed=0):
    """Smooth images, unlike each other."""
    coarse = torch.rand(n, 1, 3, 4, generator=torch.Generator().manual_seed(seed))
    return functional.interpolate(coarse, (H, W), mode="bilinear")


class Made(torch.nn.Module):
    """A denoiser with one weight."""

    def __init__(self, f):
        super().__init__()
        self.f, self.weight = f, torch.nn.Parameter(torch.ones(1))
        self.eval()

    def forward(self, y, sigma=None):
        return self.f(y) * self.weight


def made(a, b=None, sizes=(20,), network="UNet"):
    chosen = {(n, half): Run(n=n, half=half, size=8, network=network, images_seen=640) for n in sizes for half in "AB"}
    denoisers = {key: Made(b if b and key[1] == "B" else a) for key in chosen}
    new = pictures(12, 1)
    data = {n: Halves(pictures(n), pictures(n, 2), new) for n in sizes}
    return Study("avatars", chosen, denoisers, data, new)


def blur(y):
    """Mean of 3 x 3 pixels, nothing beyond the border."""
    return functional.avg_pool2d(y, 3, 1, 1)


def flat(y):
    return y.mean((2, 3), keepdim=True).expand_as(y)


def test_a_linear_denoiser_has_one_basis_for_all_images():
    """So nothing that is adapted: its indices are those of the basis at a third image, and not ahead of it."""
    (row,) = architectures([made(blur)], **FEW)
    assert (row.images, row.network, row.n, row.parameters, row.images_seen) == ("avatars", "UNet", 20, 1, 640)
    assert (row.h2, row.h4) == (row.h2_null, row.h4_null)
    assert row.h2_ahead.value <= 0
    assert row.h4_ahead.value <= 0
    assert row.hom.value == pytest.approx(0, abs=1e-6)
    assert row.asym.value == pytest.approx(0, abs=1e-6)
    assert row.trace.value == pytest.approx(H * W / 9, rel=1e-5)
    assert (row.tested, row.kept) == (4, round(H * W / 9))


def test_locality_of_what_looks_near_everywhere_and_as_wiener_does():
    n, study = 20, made(blur)
    assert architectures([study], **FEW)["near"][0].value == pytest.approx(1)
    (row,) = architectures([made(flat)], **FEW)
    assert row.near.value == pytest.approx(row.near_even)
    known = WienerDenoiser(study.training(n))
    (row,) = architectures([made(lambda y: known(y, 0.1))], **FEW)
    assert row.near.value == pytest.approx(row.near_wiener, rel=1e-4)
    assert row.near_even < row.near_wiener < 1


def test_nearby_is_a_share_of_all_energy_but_the_own_pixels():
    near = neighbours(1, 4, 3)
    j = torch.tensor([[9.0, 1, 2, 0], [0, 9, 0, 0], [0, 2, 9, 0], [0, 0, 0, 9]])
    assert nearby(j, near) == pytest.approx((1 + 4) / (1 + 4 + 4))
    assert j.diagonal().tolist() == 4 * [9]  # what was given is not changed


def test_two_halves_of_one_function_agree_and_others_do_not():
    (same,) = architectures([made(blur)], **FEW)
    assert (same.same_noise.value, same.beyond.value) == pytest.approx((1, 1))
    assert same.beyond_null.high < 0.99
    (apart,) = architectures([made(blur, lambda y: blur(y).flip(-1) * 0.9)], **FEW)
    assert apart.same_noise.value < 0.95


def test_the_gap_is_that_of_errors_at_21_db():
    """Small of what treats all images alike, large of a memory."""
    study = made(blur)
    (row,) = architectures([study], seed=3, **FEW)
    level = [10 ** (-21 / 20)]
    pair = [errors.errors(blur, x, level, 3)[0] for x in (study.training(20)[:8], study.held_out[:8])]
    assert row.gap.value == pytest.approx(psnr_gap(*pair), abs=1e-4)
    assert row.psnr.value == pytest.approx(-10 * np.log10(pair[1].mean()), abs=1e-4)
    memory = EmpiricalDenoiser(study.training(20))
    (known,) = architectures([made(lambda y: memory(y, 0.1) + 1e-3)], **FEW)
    assert known.gap.low > 10 > row.gap.high


def test_a_network_whose_walk_diverges_agrees_with_none():
    (row,) = architectures([made(lambda y: -1e9 * blur(y))], **FEW)
    assert (row.same_noise, row.beyond, row.beyond_null) == (None, None, None)


def test_a_half_alone_agrees_with_none_and_is_measured_all_the_same():
    both = made(blur)
    one = {(20, "A"): both.runs[20, "A"]}
    (alone,) = architectures([replace(both, runs=one, denoisers={key: both.denoisers[key] for key in one})], **FEW)
    (whole,) = architectures([both], **FEW)
    assert (alone.same_noise, alone.beyond, alone.beyond_null) == (None, None, None)
    assert (alone.h2, alone.trace, alone.near, alone.gap) == (whole.h2, whole.trace, whole.near, whole.gap)


def test_a_basis_needs_two_other_images():
    with pytest.raises(ValueError, match="take three or more, got 2"):
        architectures([made(blur)], images=2, **FEW)


def test_all_are_measured_by_as_many_vectors_as_the_first_keeps_where_n_is_largest():
    """One row for each kind and N; a study that keeps more does not count more."""
    kinds = made(blur, sizes=(5, 20)), made(lambda y: 0.9 * y + 0.05 * flat(y), network="MLP")
    found = architectures(kinds, **FEW)
    assert [(row.network, row.n) for row in found] == [("UNet", 20), ("UNet", 5), ("MLP", 20)]
    assert set(found["kept"]) == {round(H * W / 9)}
    assert found.one(network="MLP").trace.value > 40
