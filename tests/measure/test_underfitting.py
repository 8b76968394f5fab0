"""Where networks generalize: of networks that are the memorizer, that know nothing, or that know one noise level."""

import numpy as np
import pytest
import torch

from ghr.experiments import Study
from ghr.images import Halves
from ghr.images.photographs import Regions
from ghr.measure import errors, underfitting
from ghr.noise import add_noise
from ghr.recipes import Run
from ghr.references import BlindEmpiricalDenoiser, RayEmpiricalDenoiser, WienerDenoiser

H, W = 5, 8


def pictures(n, seed=0):
    return torch.rand(n, 1, H, W, generator=torch.Generator().manual_seed(seed))


def made(a, b=None, n=4, held_out=12, regions=None):
    x, new = pictures(n), pictures(held_out, 1)
    chosen = {(n, half): Run(n=n, half=half, size=8) for half in "AB"}
    denoisers = dict(zip(chosen, (a, b or a), strict=True))
    return Study("avatars", chosen, denoisers, {n: Halves(x, x.flip(-1), new)}, new, regions)


def memories(n=4):
    """Networks that fulfil their training loss."""
    x, run = pictures(n), Run()
    law = {"sigma_law": run.sigma_law, "loss_weight": run.loss_weight}
    return BlindEmpiricalDenoiser(x, **law), BlindEmpiricalDenoiser(x.flip(-1), **law)


def shrinking(factor):
    return lambda y, sigma=None: factor * y


def test_a_network_that_knows_one_noise_level_peaks_there():
    """Exact on training images near sigma = .1, otherwise the same for all: the gap is largest there, and elsewhere
    that of chance."""
    x = pictures(4)

    def f(y, sigma=None):
        near = (y[:, None] - x).flatten(2).norm(dim=2)
        known = ((near.min(1).values - 0.1 * (H * W) ** 0.5).abs() < 0.3)[:, None, None, None]
        return torch.where(known, x[near.argmin(1)] + 1e-4, 0.5 * y)

    found, peaks = underfitting.gaps(made(f), images=12, sigmas=(0.01, 0.1, 0.9))
    (peak,) = peaks
    assert peak.sigma == pytest.approx(0.1)
    assert (peak.at.low, peak.at.value, peak.at.high) == pytest.approx((20, 20, 20))
    assert peak.gap == found.one(sigma=0.1).gap
    assert peak.gap.value > 50 > 5 > abs(found.one(sigma=0.9).gap.value)


def test_gaps_are_those_of_the_errors_of_the_book():
    """On the same images and noise; a network of one factor has the gap that its images have."""
    study = made(shrinking(0.7))
    found, _ = underfitting.gaps(study, "B", images=8, sigmas=(0.2,), seed=3)
    pair = [
        errors.errors(shrinking(0.7), x, (0.2,), 3)[0].mean()
        for x in (pictures(4).flip(-1).repeat(2, 1, 1, 1), study.held_out[:8])
    ]
    assert found["gap"][0].value == pytest.approx(10 * np.log10(pair[1] / pair[0]))


def test_the_memorizer_is_at_no_distance_from_itself():
    study = made(*memories())
    walks = underfitting.draw(study, seeds=range(3), steps=4)
    for half, other in ("AB", "BA"):
        found = underfitting.apart(study, walks, half, other, images=6)
        for row in found.where(memory="images", denoiser="network"):
            assert (row.training.high, row.new.high, row.walk.high) == (0, 0, 0)
            assert row.walk_over_training is None
            assert row.walk_over_new is None
            assert row.over_network is None
        assert found.one(memory="images", denoiser="other half", sigma=found["sigma"][-1]).training.low > 1e-3


def test_distances_are_mean_squares_at_the_three_places():
    """Of network, other half and Wiener of the other half, each from both memories, by hand."""
    f, g, (m, _) = shrinking(0.5), shrinking(0.9), memories()
    study = made(f, g)
    walks = underfitting.draw(study, labels=("A",), seeds=(3, 8), steps=4)
    found = underfitting.apart(study, walks, images=6, sigmas=(0.3, 0.29, 1e-9), seed=5)
    states = walks[4, "A"]
    assert len(states) == 4
    strong, weak = dict.fromkeys(found["sigma"])  # equal states once
    assert weak == pytest.approx(0.01)
    state = min(states, key=lambda s: abs(np.log(s.sigma[0].item() / 0.3)))
    assert strong == state.sigma[0].item()
    places = [
        add_noise(x, strong, torch.Generator().manual_seed(5))
        for x in (pictures(4)[[0, 1, 2, 3, 0, 1]], study.held_out[:6])
    ]
    denoisers = {"network": f, "other half": g, "Wiener of the other half": WienerDenoiser(pictures(4).flip(-1))}
    remembered = {"images": m, "rays": RayEmpiricalDenoiser(pictures(4))}
    assert len(found.where(sigma=strong)) == 6
    for kind, known in remembered.items():
        own = found.one(memory=kind, denoiser="network", sigma=strong).training.value
        for name, h in denoisers.items():
            row = found.one(memory=kind, denoiser=name, sigma=strong)
            far = [(h(y, strong) - known(y)).square().mean().item() for y in (*places, state.y)]
            assert [row.training.value, row.new.value, row.walk.value] == pytest.approx(far, rel=1e-4)
            assert row.walk_over_training.value == pytest.approx(far[2] / far[0], rel=1e-4)
            assert row.walk_over_new.value == pytest.approx(far[2] / far[1], rel=1e-4)
            assert row.over_network.value == pytest.approx(far[0] / own, rel=1e-4)


def test_a_network_that_remembers_where_it_was_trained_alone_underfits_selectively():
    """The memorizer near its images, another function elsewhere: far from memory at new images only."""
    m, _ = memories()
    x = pictures(4)

    def f(y, sigma=None):
        near = (y[:, None] - x).flatten(2).norm(dim=2).min(1).values < 1
        return torch.where(near[:, None, None, None], m(y), 0.5 * y)

    study = made(f)
    found = underfitting.apart(study, underfitting.draw(study, seeds=range(3), steps=4), images=6, sigmas=(0.05,))
    row = found.one(memory="images", denoiser="network")
    assert row.training.high < 1e-12 < row.new.low


def test_the_memorizer_of_rays_is_at_no_distance_from_itself():
    x = pictures(4)
    study = made(RayEmpiricalDenoiser(x), RayEmpiricalDenoiser(x.flip(-1)))
    walks = underfitting.draw(study, labels=("A",), seeds=range(3), steps=4)
    found = underfitting.apart(study, walks, images=6, sigmas=(0.1,))
    own = found.one(memory="rays", denoiser="network")
    assert (own.training.high, own.new.high, own.walk.high, own.over_network) == (0, 0, 0, None)
    assert found.one(memory="images", denoiser="network").walk.value > 1e-3
    assert found.one(memory="rays", denoiser="other half").training.low > 1e-3


def test_networks_that_are_one_favour_nothing():
    study = made(shrinking(0.5))
    (row,) = underfitting.favours(study, underfitting.draw(study, seeds=range(4), steps=3), images=6)
    assert (row.training.value, row.samples.value) == (0, 0)


def test_memories_favour_what_they_draw():
    """Their own images, if these are the study's; with exchanged halves the other's, but still their own samples."""
    a, b = (lambda y, sigma=None, m=m: m(y) + 0.01 * y for m in memories())  # an error of zero has no PSNR
    for pair, sign in (((a, b), 1), ((b, a), -1)):
        study = made(*pair)
        (row,) = underfitting.favours(study, underfitting.draw(study, seeds=range(4), steps=8), images=6)
        assert min(sign * row.training.low, sign * row.training.high) > 10
        assert row.samples.low > 10


def test_a_favour_is_the_mean_of_two_gains():
    ten, one = np.full(3, 0.1), np.full(3, 1.0)
    assert underfitting.favour(ten, one, one, one) == pytest.approx(5)
    assert underfitting.favour(one, one, ten, one) == pytest.approx(5)
    assert underfitting.favour(ten, one, one, ten) == pytest.approx(0)


def test_photographs_of_one_region_are_drawn_together():
    """Pairs of equal images: intervals are those of half as many."""
    regions = Regions(np.arange(12) // 2, np.arange(12) // 2, np.arange(12) // 2)
    pairs = pictures(6).repeat_interleave(2, 0)
    widths = []
    for labels in (None, regions):
        study = made(shrinking(0.9), n=12, regions=labels)
        study = Study(study.name, study.runs, study.denoisers, {12: Halves(pairs, pairs, pairs)}, pairs, labels)
        (row,), _ = underfitting.gaps(study, images=12, sigmas=(1e-9,))
        widths.append(row.gap.high - row.gap.low)
    assert widths[1] > 1.2 * widths[0]
