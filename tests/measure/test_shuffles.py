"""Shuffles: what treats pixels as a list loses nothing, and a moved network has a moved basis."""

import dataclasses

import numpy as np
import pytest
import torch

from ghr import harmonic, runs
from ghr.experiments import Study
from ghr.images import Halves
from ghr.images.synthetic import shuffle
from ghr.measure import bases, rivals, shuffles
from ghr.recipes import Run
from ghr.references import WienerDenoiser
from ghr.stats import Estimate


def study(name, denoiser, training, held_out):
    run, n = Run(images=name, size=16, n=len(training)), len(training)
    return Study(name, {(n, "A"): run}, {(n, "A"): denoiser}, {n: Halves(training, training, held_out)}, held_out)


@pytest.fixture
def faces():
    """Smooth images, 12 by 12."""
    coarse = torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.nn.functional.interpolate(coarse, (12, 12), mode="bilinear")


def moved(f, block):
    """The denoiser of shuffled images that is one of faces, moved along."""
    return lambda y, sigma=None: shuffle(f(shuffle(y, block, inverse=True)), block)


def test_names_tell_the_side_of_blocks(faces):
    names = {"avatars": 1, "avatars-shuffled-4": 4, "avatars-shuffled": 12}
    assert [shuffles.side(study(name, torch.nn.Identity(), faces, faces)) for name in names] == list(names.values())


def test_a_moved_denoiser_is_itself_on_faces(unet, images):
    """12 by 20 in blocks of 4; a plain network on shuffled images is another one."""
    y, plain = images[:2], unet(images[:2]).detach()
    assert torch.allclose(shuffles.on_faces(moved(unet, 4), 4)(y), plain, atol=1e-12)
    assert (shuffles.on_faces(unet, 4)(y) - plain).norm() > 0.1 * plain.norm()
    told = lambda y, sigma: sigma * y  # noqa: E731
    assert torch.equal(shuffles.on_faces(told, 2)(y, 0.5), 0.5 * y)


def test_noise_of_the_permutations_own_seed_is_refused_since_the_shuffle_sorts_it(faces):
    """Of one generator, uniform numbers, which were sorted to make the permutation, become normal ones."""
    upper = {}
    for seed in (0, 1):
        noise = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(seed))
        upper[seed] = abs(shuffle(noise)[..., :16, :].mean().item()) * 512**0.5
    assert upper[0] > 8 > 3 > upper[1]
    identity = lambda y, sigma=None: y  # noqa: E731
    one = study("avatars-shuffled-4", identity, faces, faces)
    for ask in (
        lambda: shuffles.errors_on_faces(identity, faces, 4, seed=0),
        lambda: shuffles.filters([one], faces[:2], 0.3, seed=0),
        lambda: rivals.locality([one], faces[:2], window=3, seed=0),
    ):
        with pytest.raises(ValueError, match="sort this noise: take another seed"):
            ask()


def test_lists_of_pixels_lose_nothing_by_a_shuffle(faces):
    """Wiener and the memorizer of the shuffled set, to rounding; a network that knows neighbours does."""
    blur = lambda y, sigma=None: (y + y.roll(1, -1)) / 2  # noqa: E731
    names = ("avatars", "avatars-shuffled-4", "avatars-shuffled")
    studies = [
        study(name, blur, shuffle(faces[:15], block) if block > 1 else faces[:15], faces[15:])
        for name, block in zip(names, (1, 4, 12), strict=True)
    ]
    networks, wiener = shuffles.of_studies(studies, faces[15:], seed=3)
    assert list(networks) == list(wiener) == [1, 4, 12]
    rows = shuffles.controls(wiener, studies[0], studies[-1], faces=3, seed=3)
    assert [row.denoiser for row in rows] == ["Wiener", "memory"]
    assert max(row.change for row in rows) < 1e-8
    assert [row.tested for row in rows] == [5, 3]
    k = list(shuffles.LEVELS).index(0.1)
    noise = 0.1 * torch.randn(5, 1, 12, 12, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    left = (WienerDenoiser(faces[:15])(faces[15:] + noise, 0.1) - faces[15:]).square().mean((1, 2, 3))
    assert wiener[1][k] == pytest.approx(left.numpy())
    assert networks[12][k].mean() > 1.5 * networks[1][k].mean()


def levels(decibels, spread=(0.5, 1.5)):
    """Errors that are so many dB above 1 at every noise level."""
    return np.full((len(shuffles.LEVELS), 1), 10 ** (decibels / 10)) * np.array(spread)


def test_losses_are_differences_on_the_same_faces():
    networks = {1: levels(0), 4: levels(1), 16: levels(3)}
    wiener = dict.fromkeys(networks, levels(2))
    rows = shuffles.losses(networks, wiener, levels(-0.25))
    assert {row.lost for row in rows.where(block=1, half="A")} == {Estimate(0, 0, 0)}
    for block, half, lost, over in ((4, "A", 1, 1), (16, "A", 3, -1), (1, "B", -0.25, 2.25)):
        some = rows.where(block=block, half=half)
        assert [row.lost.value for row in some] == pytest.approx([lost] * len(shuffles.LEVELS))
        assert [row.over_wiener.value for row in some] == pytest.approx([over] * len(shuffles.LEVELS))
    (total,) = shuffles.deficit(networks, rows)
    assert (total.least_loss.value, total.least_rise.value) == pytest.approx((3, 2))
    assert total.chance.value == pytest.approx(-0.25)
    inside = sum(0.1 <= sigma <= 0.5 for sigma in shuffles.LEVELS)
    assert (total.better, total.worse, total.levels) == (0, inside, inside)


def test_least_loss_and_rise_are_over_the_judged_noise_levels_alone():
    networks = {1: levels(0), 4: levels(1), 16: levels(3)}
    out, edge = np.argmin(shuffles.LEVELS), list(shuffles.LEVELS).index(0.5)
    networks[16][out] = 1e-9
    networks[4][edge] *= 10 ** (1.5 / 10)
    rows = shuffles.losses(networks, networks, networks[1])
    (total,) = shuffles.deficit(networks, rows)
    assert (total.least_loss.value, total.least_rise.value) == pytest.approx((3, 0.5))
    assert (total.better, total.worse) == (0, 0)
    falling = [levels(0), levels(2), levels(1.4)]
    assert shuffles.least_rise(*falling) == pytest.approx(-0.6)


def test_block_averages_hold_what_is_constant_in_blocks():
    generator = torch.Generator().manual_seed(0)
    flat = torch.rand(6, 1, 3, 5, generator=generator).repeat_interleave(4, -1).repeat_interleave(4, -2)
    ripple = torch.tensor([1.0, -1, 1, -1]).repeat(5) * torch.rand(6, 1, 1, 1, generator=generator)
    rows = shuffles.averages(flat, (1, 2, 4))
    assert [(row.block, row.held) for row in rows] == [(block, pytest.approx(1)) for block in (1, 2, 4)]
    assert shuffles.held_by_averages(ripple.expand(6, 1, 12, 20), 2) == pytest.approx(0, abs=1e-6)
    both = shuffles.held_by_averages(flat + ripple, 4)
    variances = [(x - x.mean(0)).square().sum() * scale for x, scale in ((flat, 1), (ripple, 12))]
    assert both == pytest.approx((variances[0] / sum(variances)).item(), rel=0.2)


def test_trails_are_beside_that_of_the_faces(monkeypatch, faces):
    logs = {
        "avatars": {"images_seen": [64, 128], "train": [[0, 25.0], [0, 27.0]], "test": [[0, 24.0], [0, 26.0]]},
        "avatars-shuffled": {"images_seen": [64, 128], "train": [[0, 22.0], [0, 23.0]], "test": [[0, 21.0], [0, 22.5]]},
    }
    monkeypatch.setattr(runs, "log", lambda run: logs[run.images])
    rows = shuffles.trails([study(name, torch.nn.Identity(), faces, faces) for name in logs])
    assert [(row.block, row.images_seen, row.train, row.test, row.lost) for row in rows] == [
        *((1, 64, 25, 24, 0), (1, 128, 27, 26, 0), (12, 64, 22, 21, 3), (12, 128, 23, 22.5, 3.5))
    ]


@pytest.fixture
def found(unet, faces):
    """An excited network of faces, and the same moved along."""
    studies = [
        study("avatars", lambda y, sigma=None: unet(y), faces, faces),
        study("avatars-shuffled-4", moved(unet, 4), faces, faces),
    ]
    return shuffles.filters(studies, faces[:3], 0.3, seed=1)


def test_a_moved_network_keeps_the_same_dimensions_and_has_the_same_basis_once_put_back(found, faces):
    """The optimum's case: eigenvalues as they were, vectors moved; no network that is another one."""
    principal = harmonic.principal(torch.rand(90, 1, 12, 12, generator=torch.Generator().manual_seed(0)), 72)
    plain, shuffled = shuffles.kept(found, principal, 0.3)
    assert (plain.block, shuffled.block) == (1, 4)
    assert plain.as_faces.value == pytest.approx(1)
    assert shuffled.as_faces.value == pytest.approx(1, abs=1e-6)
    for field in ("trace", "consistency", "asym", "as_principal", "as_next"):
        assert getattr(shuffled, field).value == pytest.approx(getattr(plain, field).value, rel=1e-4, abs=1e-6)
    counts = bases.kept(found[1])
    assert plain.chance == pytest.approx(counts.mean() / 144)
    pair = bases.values(found[1], "error"), bases.values(found[1], "trace")
    assert plain.consistency.value == pytest.approx(pair[0].mean() * 144 / (0.09 * pair[1].mean()))
    one, other = (shuffles.spectra(found, (1, 7)).where(block=block) for block in (1, 4))
    assert [row.value.value for row in one] == pytest.approx([row.value.value for row in other], rel=1e-6)
    assert [row.rank for row in one] == [1, 7]


def test_a_moved_basis_is_harmonic_on_the_grid_of_faces_alone(found, faces):
    principal = harmonic.dct(12, 12)[:72]  # stands in for principal components that are as harmonic as can be
    rows = shuffles.harmonicity(found, faces[:3], principal, found[4])
    assert [(row.block, row.basis, row.grid) for row in rows] == [
        (1, "faces' network", "faces"),
        (1, "principal components", "faces"),
        (4, "its network", "shuffled"),
        (4, "faces' network, moved along", "shuffled"),
        (4, "principal components, moved along", "shuffled"),
        (4, "an untrained network", "shuffled"),
        (4, "its network, pixels put back", "faces"),
    ]
    plain, components, own, along, far, before, back = rows
    for index in ("h1", "h2", "h3", "h4"):
        assert getattr(back, index).value == pytest.approx(getattr(plain, index).value, rel=1e-3, abs=1e-3)
        assert getattr(own, index).value == pytest.approx(getattr(along, index).value, rel=1e-3, abs=1e-3)
    assert components.h1.value > 0.99 > 0.5 > far.h1.value
    assert (before.h1_more, own.h1_more) == (Estimate(0, 0, 0), Estimate(0, 0, 0))
    assert far.h1_more.value == pytest.approx(own.h1.value - far.h1.value)
    assert components.h1_more.value == pytest.approx(plain.h1.value - components.h1.value)


def test_vectors_that_are_smooth_on_one_grid_alone_say_so(found):
    """Cosines of the grid of faces, as a network's of shuffled faces: their eigenvalues there, about random's here."""
    modes = harmonic.dct(12, 12)[:40]
    own = [dataclasses.replace(one, eigenvectors=shuffle(modes, 12)) for one in found[4]]
    plain = [dataclasses.replace(one, eigenvectors=modes) for one in found[4]]
    rows = shuffles.frequencies({1: plain, 12: own}, plain, (1, 4, 16, 64))
    assert [(row.first, row.last) for row in rows.where(basis="faces' network")] == [(1, 3), (4, 15)]
    first = {row.basis: row for row in rows.where(first=1)}
    expected = (0 + 2 * (2 - 2 * np.cos(np.pi / 12))) / 3
    for basis in ("faces' network", "its network, pixels put back", "an untrained network"):
        assert first[basis].frequency.value == pytest.approx(expected, abs=1e-6)
    assert first["its network"].frequency.value > 1
    assert rows["random"] == pytest.approx([harmonic.energy(harmonic.dct(12, 12)).mean().item()] * len(rows))


def test_noise_is_moved_along_with_the_pixels(faces):
    """Each network gets the noise of the same pixel of the face."""
    sees = []

    def network(y, sigma=None):
        if not y.requires_grad:
            sees.append(y)
        return y * 0.5

    shuffles.filters([study("avatars-shuffled-4", network, faces, faces)], faces[:2], 0.3, seed=5)
    noise = torch.randn(2, 1, 12, 12, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    assert torch.equal(torch.cat(sees), shuffle(faces[:2] + 0.3 * noise, 4))
