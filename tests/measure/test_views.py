"""Equal views: networks that are a memory or that know nothing, and curves whose crossing is known."""

import numpy as np
import pytest
import torch

from ghr import experiments
from ghr.experiments import Study
from ghr.images import Halves
from ghr.measure import views
from ghr.measure.errors import errors
from ghr.recipes import Run
from ghr.references import EmpiricalDenoiser, WienerDenoiser
from ghr.stats import Estimate
from ghr.tables import Table

X = torch.rand(100, 1, 16, 16, generator=torch.Generator().manual_seed(0))
A, B, HELD_OUT, OTHERS = X[:8], X[8:16], X[16:60], X[60:]


def made(seen, **denoisers):
    """Networks of eight images each, by half."""
    chosen = {(8, half): Run(n=8, half=half, size=16, images_seen=seen) for half in denoisers}
    found = dict(zip(chosen, denoisers.values(), strict=True))
    return Study("avatars", chosen, found, {8: Halves(A, B, HELD_OUT)}, HELD_OUT)


def nearly(memory):
    """What is exact has no error in dB."""
    return lambda y, sigma=None: 0.99 * memory(y, sigma) + 0.01 * y


def test_a_memory_has_a_gap_and_copies_and_what_knows_no_image_has_neither():
    affine = WienerDenoiser(OTHERS)
    remembered = made(800, A=nearly(EmpiricalDenoiser(A)), B=nearly(EmpiricalDenoiser(B)))
    found = views.viewed([remembered, made(80, A=affine, B=affine)], samples=12)
    assert [(row.half, row.views) for row in found] == [("A", 10), ("A", 100), ("B", 10), ("B", 100)]
    for row in found.where(views=100):
        assert row.gap.low > 20
        assert row.copies.value == pytest.approx(1, abs=0.02)
        assert row.alike.value < 0.6
    for row in found.where(views=10):
        assert abs(row.gap.value) < 0.5
        assert row.copies.value < 0.1
        assert (row.alike.low, row.alike.high) == pytest.approx((1, 1))


def test_gaps_are_those_of_one_noise_level_and_a_half_alone_is_like_no_other():
    affine = WienerDenoiser(OTHERS)
    (row,) = views.viewed([made(80, A=affine)], seed=2, samples=3)
    assert row.alike is None
    train, test = (
        -10 * np.log10(errors(affine, x, [0.1], 2).astype(float).mean())
        for x in (A[torch.arange(len(HELD_OUT)) % len(A)], HELD_OUT)
    )
    assert (row.test.value, row.gap.value) == pytest.approx((test, train - test))


def curve(n, of_views):
    level = Estimate(20.0, 19.0, 21.0)
    return [
        views.Viewed(n, "A", v, level, Estimate(g, g - 0.5, g + 0.25), 9, Estimate(0, 0, 0), None)
        for v, g in of_views.items()
    ]


def test_a_larger_set_is_asked_at_the_views_at_which_the_smaller_one_is_remembered():
    found = Table((*curve(10, {16: 0.0, 64: 2.0, 256: 4.0}), *curve(100, {64: 0.0, 256: 1.0})), views.Viewed)
    row, later = views.equal(found, 10, 100, (3.0, 4.0))
    assert row.views == pytest.approx(128)
    assert (row.larger.value, row.larger.low, row.larger.high) == pytest.approx((0.5, 0.0, 0.75))
    assert (later.views, later.larger.value) == (256, 1.0)


def test_what_was_not_seen_as_often_is_not_known():
    found = Table((*curve(10, {16: 0.0, 64: 4.0}), *curve(100, {64: 0.0, 256: 1.0})), views.Viewed)
    early, late, never = views.equal(found, 10, 100, (1.0, 3.0, 5.0))
    assert (early.views, late.views) == pytest.approx((16 * 4**0.25, 16 * 4**0.75))
    assert early.larger is None
    assert never.views is None
    assert late.larger is None
    assert views.equal(found, 10, 77).rows[0].larger is None
    assert views.equal(found, 77, 100).rows[0].views is None


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_a_study_holds_the_networks_of_one_number_of_views(monkeypatch, scale):
    found = []
    x = torch.zeros(1, 1, 16, 16)

    def study(chosen):
        found.append(chosen)
        return Study("avatars", chosen, dict.fromkeys(chosen, torch.nn.Identity()), {}, x)

    monkeypatch.setattr(experiments, "study", study)
    assert [some.runs for some in experiments.equal_views(scale)] == found
    counts = [{round(run.images_seen / run.n, 1) for run in chosen.values()} for chosen in found]
    assert all(len(count) == 1 for count in counts)
    assert [min(count) for count in counts] == sorted(min(count) for count in counts)
    assert {run.schedule for chosen in found for run in chosen.values()} == {"trapezoid"}
    both = {n for chosen in found for n, half in chosen if half == "B"}
    assert both or scale == "laptop"  # where halves B are trained later
    assert all({(n, "A"), (n, "B")} <= chosen.keys() for chosen in found for n, _ in chosen if n in both)
