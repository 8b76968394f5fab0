"""Early networks: of denoisers that are one of those they are compared with."""

import numpy as np
import pytest
import torch
from torch import nn

from ghr.experiments import Study
from ghr.images import Halves
from ghr.measure.early import resemblance
from ghr.noise import add_noise, mse
from ghr.recipes import Run
from ghr.references import LocalDenoiser, PatchDenoiser, WienerDenoiser

H, W, N = 4, 6, 20
SMALL = {"sides": {"LS": (1, 3), "PSPC": (1, 2)}, "images": 4, "calibrated": 3, "sigmas": (0.3,), "draws": 400}


def pictures(n, seed):
    """Smooth images, unlike each other."""
    coarse = torch.rand(n, 1, 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return nn.functional.interpolate(coarse, (H, W), mode="bilinear")


X, HELD_OUT = pictures(N, 0), pictures(12, 1)


def made(seen, a, b=None, n=N):
    chosen = {(n, half): Run(n=n, half=half, size=8, images_seen=seen) for half in ("AB" if b else "A")}
    return Study(
        "avatars", chosen, dict(zip(chosen, (a, b), strict=False)), {n: Halves(X, X.flip(0), HELD_OUT)}, HELD_OUT
    )


def shrinking(y, sigma=None):
    return 0.5 * y + 0.1


def beside(f, trained=shrinking, **other):
    """The first network's rows by the name of what it is compared with."""
    rows = resemblance([made(64, f), made(128, trained, lambda y: 0.3 * y)], **SMALL | other)
    return {row.denoiser: row for row in rows.where(images_seen=64)}


def test_a_network_that_is_one_of_these_is_known_by_it():
    """And by no other: what is at distance zero is the denoiser itself, with its own window."""
    for known, windows in (
        (LocalDenoiser(X, 3), {"LS": 3}),
        (LocalDenoiser(X, 1), {"LS": 1, "PSPC": 1}),  # with windows of one pixel both are one
        (PatchDenoiser(X, 2), {"PSPC": 2}),
    ):
        rows = beside(known).values()
        assert {row.denoiser: row.window for row in rows if row.apart.value < 1e-12} == windows


def test_what_is_affine_is_its_own_affine_map():
    found = beside(shrinking)
    assert found["affine map"].apart.value == pytest.approx(0, abs=1e-20)
    assert found["affine map"].beyond.value == pytest.approx(1)
    assert found["Wiener"].beyond.value == 0
    assert found["Wiener"].apart.value > 1e-4


def test_distances_are_those_of_one_noise_on_images_that_fit_no_window():
    found = beside(shrinking, seed=5)
    y = add_noise(HELD_OUT[:4], 0.3, torch.Generator().manual_seed(5))
    answer = shrinking(y)
    assert found["Wiener"].error.value == pytest.approx(mse(answer, HELD_OUT[:4]).mean().item())
    assert found["Wiener"].apart.value == pytest.approx(mse(answer, WienerDenoiser(X)(y, 0.3)).mean().item())
    assert found["other half"].apart.value == pytest.approx(mse(answer, 0.3 * y).mean().item())
    other = add_noise(HELD_OUT[-3:], 0.3, torch.Generator().manual_seed(6))
    tried = {side: mse(shrinking(other), LocalDenoiser(X, side)(other, 0.3)).mean().item() for side in (1, 3)}
    assert found["LS"].window == min(tried, key=tried.get)
    off = mse(answer, LocalDenoiser(X, found["LS"].window)(y, 0.3))
    assert found["LS"].apart.value == pytest.approx(off.mean().item())
    assert found["LS"].beyond.value == pytest.approx(1 - off.mean().item() / found["Wiener"].apart.value)


def test_windows_may_be_chosen_with_few_training_images():
    """The answers that are compared are those of all."""
    found = beside(shrinking, most=2)
    other = add_noise(HELD_OUT[-3:], 0.3, torch.Generator().manual_seed(1))
    tried = {side: mse(shrinking(other), PatchDenoiser(X[:2], side)(other, 0.3)).mean().item() for side in (1, 2)}
    y = add_noise(HELD_OUT[:4], 0.3, torch.Generator().manual_seed(0))
    assert found["PSPC"].window == min(tried, key=tried.get)
    expected = mse(shrinking(y), PatchDenoiser(X, found["PSPC"].window)(y, 0.3)).mean().item()
    assert found["PSPC"].apart.value == pytest.approx(expected)


def test_each_length_of_training_has_its_rows():
    studies = [made(64, shrinking), made(128, lambda y: y, lambda y: 0.3 * y)]
    rows = resemblance(studies, **SMALL | {"sigmas": (0.1, 0.3)})
    assert list(dict.fromkeys(rows["denoiser"])) == ["Wiener", "LS", "PSPC", "affine map", "other half"]
    assert {(row.sigma, row.images_seen) for row in rows} == {(s, seen) for s in (0.1, 0.3) for seen in (64, 128)}
    assert len(rows) == 2 * 2 * 5
    assert rows.rows[0].input_psnr == pytest.approx(20)
    last = rows.where(images_seen=128, sigma=0.3, denoiser="Wiener").rows[0]
    assert np.sqrt(last.error.value) == pytest.approx(0.3, rel=0.2)  # it answers with the noisy image


def test_networks_of_several_sets_are_refused():
    with pytest.raises(ValueError, match=r"Networks are of one N, got \[10, 20\]"):
        resemblance([made(64, shrinking, n=10), made(128, shrinking, shrinking)], **SMALL)


def test_an_image_serves_for_one_thing():
    with pytest.raises(ValueError, match="10 images and 3 others for windows are wanted, but 12 are held out"):
        beside(shrinking, images=10)
