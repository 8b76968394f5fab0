"""Planted copies: what every rule must find, and what none may."""

import dataclasses

import pytest
import torch

from ghr import copies as science
from ghr.experiments import Study
from ghr.images import Halves
from ghr.measure import copies
from ghr.measure.samples import Samples
from ghr.recipes import Run

H, W = 18, 22


def study(n=60, m=400, training=None):
    coarse = torch.rand(n + m, 1, 5, 6, generator=torch.Generator().manual_seed(0))
    x = torch.nn.functional.interpolate(coarse, (H, W), mode="bilinear")
    x = (x * 255).round() / 255
    held_out = x[n:]
    training = x[:n] if training is None else training(x[:n], held_out)
    run = Run(images="discs", size=16, n=n)
    data = {n: Halves(training, training, held_out)}
    return Study("toys", {(n, "A"): run}, {(n, "A"): torch.nn.Identity()}, data, held_out)


def test_what_each_rule_is_made_for_is_found_and_what_it_is_not_is_missed():
    """Pixel distances do not know shifts and mirrors; nearness does; 1% of held-out images pass for copies."""
    rows = copies.detection(study(), planted=30)
    assert len(rows) == 3 * len(science.ALTERATIONS)
    found = {(row.rule, row.alteration): row.found.value for row in rows}
    for rule in ("nearness", "d1/d2 < 1/3", "pixel distance"):
        assert found[rule, "unchanged"] == 1
    for how in ("shifted by 3 pixels", "mirrored", "brighter, less contrast", "JPEG, quality 50"):
        assert found["nearness", how] == 1
    assert found["d1/d2 < 1/3", "mirrored"] < 0.2
    assert found["pixel distance", "mirrored"] < 0.2
    assert found["nearness", "blended half and half"] < 1
    assert all(row.planted == 30 for row in rows)
    assert all(row.false_positives.value <= 0.04 for row in rows.where(rule="nearness"))


def test_false_positives_are_counted_on_images_that_set_no_threshold():
    """The second half of the held-out images are training images: all of them pass for copies."""
    taken = study(n=200, training=lambda x, held_out: held_out[200:])
    rows = copies.detection(taken, planted=5)
    assert {row.false_positives.value for row in rows.where(rule="nearness")} == {1}
    assert {row.false_positives.value for row in rows.where(rule="pixel distance")} == {1}


def test_a_planted_share_is_told():
    rows = copies.recovered(study(), samples=50)
    assert rows["planted"] == [0, 0.02, 0.1, 0.5]
    assert rows["samples"] == [50] * 4
    assert [row.found.low <= row.planted <= row.found.high for row in rows] == [True] * 4
    assert rows["found"][-1].value == pytest.approx(0.5, abs=0.02)


def test_copies_among_samples_are_told_and_one_image_has_none():
    """Half of A's samples are training images, mirrored and paler: the published rule sees none; B's are new."""
    toys = study(n=60, m=400)
    n, new = toys.largest, toys.held_out[300:]
    paler = 0.6 * toys.training(n)[:50].flip(-1) + 0.2
    one = Run(images="discs", size=16, n=1)
    toys = dataclasses.replace(toys, runs={**toys.runs, (n, "B"): toys.runs[n, "A"], (1, "A"): one})
    images = {(n, "A"): torch.cat([paler, new[:50]]), (n, "B"): new, (1, "A"): new}
    a, b = copies.copied(Samples(toys, {n: range(100), 1: range(100)}, images, {}, {}, {}))
    assert (a.half, b.half, a.n, a.samples) == ("A", "B", n, 100)
    assert a.found.low < 0.5 < a.found.high
    assert a.rule.value < 0.1
    assert b.found.low == 0
    assert b.found.value < 0.05


def test_too_few_held_out_images_are_one_sentence():
    with pytest.raises(ValueError, match="Four held-out images or more are needed, toys has 3"):
        copies.detection(study(m=3))
