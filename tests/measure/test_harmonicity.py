"""The indices beside their controls, on bases that are made for an image and on one that is the same for all."""

import dataclasses

import numpy as np
import pytest
import torch

from ghr import harmonic, runs
from ghr.experiments import Study
from ghr.images import Halves
from ghr.measure import harmonicity
from ghr.measure.bases import Filter, Filters
from ghr.recipes import Run
from ghr.stats import student

H, W = 10, 14
D = H * W
MANY = 6


@pytest.fixture(scope="module")
def x():
    """Dark and bright regions with a contour in a direction of its own each."""
    rows, columns = np.mgrid[:H, :W]
    angles = 0.2 + np.linspace(0, np.pi, MANY, endpoint=False)
    sides = [np.cos(a) * (rows - H / 2) + np.sin(a) * (columns - W / 2) > 0.3 for a in angles]
    return torch.from_numpy(np.where(sides, 0.8, 0.2))[:, None]


def as_filters(vectors, trace):
    return tuple(Filter(torch.zeros(D), v, *(0.0, 0.5, trace, 0.01, 0.01, 0.0, 0.0)) for v in vectors)


def training(n=40, seed=0):
    return torch.rand(n, 1, H, W, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def found_by(x, small, large, untrained, sigmas=(0.1, 0.3)):
    """Filters of a study of N = 5 and 40, by bases for each image."""
    network = torch.nn.Conv2d(1, 1, 3, bias=False)
    keys = [(n, half) for n in (5, 40) for half in "AB"]
    made = {key: Run(images="discs", size=8, n=key[0], half=key[1], images_seen=1000 * key[0]) for key in keys}
    halves = {n: Halves(training(n), training(n, 1), x) for n in (5, 40)}
    study = Study("discs", made, dict.fromkeys(keys, network), halves, x)
    at = {(5, half, 0.1): as_filters(small, 8.0)[: MANY // 2] for half in "AB"}
    at |= {(40, half, sigma): as_filters(large, 12.0) for half in "AB" for sigma in sigmas}
    seen = {n: as_filters(some, 12.0)[:3] for n, some in ((5, small), (40, large))}
    return Filters(study, x, sigmas, 0, at, as_filters(untrained, 12.0)[: MANY // 2], seen)


@pytest.fixture
def adapted(x):
    """At the largest N the smoothest functions on each image, before training and at small N cosines."""
    cosines = [harmonic.dct(H, W)[: D // 2]] * MANY
    return found_by(x, cosines, [harmonic.smoothest(image, D // 2) for image in x], cosines)


def test_controls_know_other_images_or_none(x):
    own = [harmonic.random(20, H, W, seed=10 + i) for i in range(MANY)]
    found = harmonicity.controls(own, training())
    assert list(found) == ["its own", "a third image's", "principal", "cosines", "random"]
    assert all(torch.equal(a, b) for a, b in zip(found["a third image's"], own[2:] + own[:2], strict=True))
    assert torch.equal(found["principal"][3], harmonic.principal(training(), 20))
    assert len(found["principal"]) == MANY
    assert not torch.equal(found["random"][0], found["random"][1])
    assert len(harmonicity.controls(own, training(5))["principal"][0]) == 4  # 5 images have 4 components


def test_no_basis_counts_by_more_vectors_than_the_shortest_has(x):
    long, short = [harmonic.dct(H, W)[:30]] * MANY, [harmonic.random(7, H, W)] * MANY
    found = harmonicity.indices({"long": long, "short": short}, [5, 9, 30, 9, 9, 9], x)
    expected = harmonic.indices(long, [5, 7, 7, 7, 7, 7], x)
    assert all(np.array_equal(found["long"][index], expected[index]) for index in harmonic.INDICES)


def test_equal_bases_have_no_margin():
    values = {index: np.random.default_rng(0).normal(size=8) for index in harmonic.INDICES}
    for e in harmonicity.margins({"its own": values, "other": values}).values():
        assert (e.value, e.low, e.high) == (0, 0, 0)


def test_a_margin_is_held_against_the_best_control_and_of_h3_less_is_better():
    values = np.random.default_rng(0).normal(size=8)
    found = {
        "its own": {"H2": values, "H3": values},
        "near": {"H2": values - 0.1, "H3": values + 0.1},
        "far": {"H2": values - 2, "H3": values + 2},
    }
    all_ahead = harmonicity.margins(found)
    assert (all_ahead["H2"].value, all_ahead["H3"].value) == pytest.approx((0.1, -0.1))
    assert all_ahead["H3"].low <= all_ahead["H3"].value <= all_ahead["H3"].high
    far_only = harmonicity.margins(found, against=["far"])
    assert (far_only["H2"].value, far_only["H3"].value) == pytest.approx((2, -2))
    behind = harmonicity.margins(found, own="far", against=["near"])
    assert (behind["H2"].value, behind["H3"].value) == pytest.approx((-1.9, 1.9))


def test_a_margin_over_few_images_has_students_interval():
    own, control = np.random.default_rng(0).normal(size=(2, 8))
    found = harmonicity.margins({"its own": {"H2": own}, "other": {"H2": control}}, interval=student)
    expected = student(np.mean, own - control)
    assert (found["H2"].low, found["H2"].high) == pytest.approx((expected.low, expected.high))


def test_one_basis_for_all_images_gains_nothing(x):
    """What an image gains its successor loses."""
    cosines = [harmonic.dct(H, W)[: D // 2]] * MANY
    table, margins = harmonicity.harmonicity(found_by(x, cosines, cosines, cosines))
    for row in table.where(basis="its own"):
        assert (row.h2.value, row.h4.value) == pytest.approx((0, 0), abs=1e-9)
        assert row.h1.value > 0.99
    assert max(abs(row.h2.value) for row in margins) < 1e-9


def test_bases_made_for_their_images_are_ahead_of_every_control(adapted):
    table, margins = harmonicity.harmonicity(adapted)
    assert [(row.half, row.sigma) for row in margins] == [("A", 0.1), ("A", 0.3), ("B", 0.1), ("B", 0.3)]
    assert min(row.h2.low for row in margins) > 0.1
    assert min(row.h4.low for row in margins) > 0.1
    for half, rows in table.where(sigma=0.1).by("half"):
        by_basis = {row.basis: row for row in rows}
        assert list(by_basis) == ["its own", "a third image's", "principal", "cosines", "random"]
        own, third, fixed = (by_basis[name].h4.value for name in ("its own", "a third image's", "principal"))
        (margin,) = margins.where(half=half, sigma=0.1)
        assert margin.h4.value == pytest.approx(own - max(third, fixed))


def test_which_image_is_first_does_not_matter(adapted):
    """The other and the third image are the next in a circle."""
    turned = dataclasses.replace(
        adapted,
        x=adapted.x.roll(-1, 0),
        at={key: (*some[1:], some[0]) for key, some in adapted.at.items()},
    )
    first, second = (harmonicity.harmonicity(found)[0].where(basis="its own") for found in (adapted, turned))
    for a, b in zip(first, second, strict=True):
        values = [(row.h1.value, row.h2.value, row.h3.value, row.h4.value) for row in (a, b)]
        assert values[0] == pytest.approx(values[1])


def test_growth_counts_as_many_vectors_at_every_n(adapted):
    table = harmonicity.growth(adapted)
    assert [(row.half, row.n) for row in table] == [("A", 5), ("A", 40), ("B", 5), ("B", 40)]
    small, large = table.where(half="A")
    x = adapted.x[: MANY // 2]
    expected = harmonic.indices([harmonic.dct(H, W)] * 3, [12] * 3, x)
    assert (small.h2.value, small.h4.value) == pytest.approx((expected["H2"].mean(), expected["H4"].mean()))
    assert large.h4.low > small.h4.high


def test_bases_at_training_images_stand_beside_those_at_test_images(adapted):
    """Filters at training images are those of test images here, so that only the images differ."""
    table = harmonicity.seen(adapted)
    assert [(row.n, row.at, row.tested) for row in table] == [
        (n, at, 3) for n in (5, 40) for at in ("training", "test")
    ]
    x = adapted.x[:3]
    for n, basis in ((5, [harmonic.dct(H, W)] * 3), (40, [harmonic.smoothest(image, 12) for image in x])):
        for at, images in (("training", training()[:3]), ("test", x)):
            row = table.one(n=n, at=at)
            expected = harmonic.indices(basis, [12] * 3, images)
            assert (row.h2.value, row.h4.value) == pytest.approx((expected["H2"].mean(), expected["H4"].mean()))
            assert row.trace.value == {5: 8.0 if at == "test" else 12.0, 40: 12.0}[n]
            assert row.psnr.value == pytest.approx(20)


def test_kinds_are_measured_at_the_same_images_by_as_many_vectors(adapted, monkeypatch):
    at = runs.LOG_SIGMAS.index(0.1)
    log = {"train": [[0.0] * 4, [k + 30.0 for k in range(4)]], "test": [[0.0] * 4, [28.5] * 4]}
    monkeypatch.setattr(runs, "log", lambda run: log)
    told, low = [], harmonic.dct(H, W)[:20].flatten(1)

    def denoiser(y, sigma=None):
        told.append(sigma)
        return (y.flatten(1) @ low.T @ low).view_as(y)

    denoiser.parameters = lambda: [torch.zeros(11)]
    run = Run(images="discs", size=8, n=40, network="ConditionalUNet")
    key = (40, "ConditionalUNet")
    others = Study("discs", {key: run}, {key: denoiser}, adapted.study.data, adapted.x)
    table = harmonicity.kinds([adapted, adapted], others)
    rows = [(row.network, row.n, row.half) for row in table]
    one = [("UNet", 5, "A"), ("UNet", 5, "B"), ("UNet", 40, "A"), ("UNet", 40, "B"), ("UNet", 0, "A")]
    assert rows == [*one, *one, ("ConditionalUNet", 40, "A")]
    largest, untrained, other = table.rows[2], table.rows[4], table.rows[-1]
    x = adapted.x[: MANY // 2]
    expected = harmonic.indices([harmonic.smoothest(image, 12) for image in x], [12] * 3, x)
    assert largest.h4.value == pytest.approx(expected["H4"].mean())
    assert (largest.parameters, largest.images_seen, largest.ahead) == (9, 40_000, 30 + at - 28.5)
    assert (untrained.images_seen, untrained.ahead) == (0, None)
    assert largest.psnr.value == pytest.approx(20)  # an error of .01
    assert (other.parameters, other.trace.value) == (11, pytest.approx(20))
    assert other.asym.value < 1e-12
    assert set(told) == {0.1}
