"""The four indices on bases whose answer is known."""

import math

import numpy as np
import pytest
import torch
from conftest import without_types

from ghr import harmonic

H, W = 18, 13


@pytest.fixture
def step():
    """A dark and a bright region with a slanted contour."""
    rows, columns = np.mgrid[:H, :W]
    return torch.from_numpy(np.where(rows + 2 * columns > 20, 0.8, 0.2))[None]


@pytest.fixture
def other():
    """The same with another contour."""
    rows, columns = np.mgrid[:H, :W]
    return torch.from_numpy(np.where(2 * rows - columns > 10, 0.8, 0.2))[None]


def laplacian(x=None):
    """The definition: a loop over neighbours."""
    matrix = np.zeros((H * W, H * W))
    for r in range(H):
        for c in range(W):
            for r2, c2 in ((r + 1, c), (r, c + 1)):
                if r2 < H and c2 < W:
                    a, b = r * W + c, r2 * W + c2
                    w = 1 if x is None else math.exp(-((x[0, r, c] - x[0, r2, c2]) ** 2) / (2 * 0.08**2))
                    matrix[[a, b], [a, b]] += w
                    matrix[[a, b], [b, a]] -= w
    return torch.from_numpy(matrix)


def test_energy_is_the_quadratic_form_of_the_laplacian(step):
    vectors = harmonic.random(5, H, W)
    flat = vectors.flatten(1)
    assert torch.allclose(harmonic.energy(vectors), (flat @ laplacian() * flat).sum(1))
    assert torch.allclose(harmonic.energy(vectors, step), (flat @ laplacian(step) * flat).sum(1))


def test_dct_modes_are_orthonormal_eigenvectors_of_the_grid_by_frequency():
    modes = harmonic.dct(H, W)
    flat, quotients = modes.flatten(1), harmonic.energy(modes)
    assert torch.allclose(flat @ flat.T, torch.eye(H * W).double(), atol=1e-12)
    assert torch.allclose(flat @ laplacian(), quotients[:, None] * flat, atol=1e-12)
    assert (quotients.diff() >= -1e-12).all()
    assert quotients[0] < 1e-12


@pytest.mark.parametrize(("name", "shape"), [("db4", (32, 32)), ("db4", (16, 20)), ("haar", (12, 6)), ("db4", (7, 9))])
def test_wavelets_are_orthonormal_and_coarse_first(name, shape):
    """The last three quarters, the finest details, sum to zero each, and oscillate faster than the first quarter."""
    basis = harmonic.wavelets(*shape, name)
    flat, d = basis.flatten(1), shape[0] * shape[1]
    assert torch.allclose(flat @ flat.T, torch.eye(d).double(), atol=1e-10)
    if shape[0] % 2 == 0:
        assert flat[d // 4 :].sum(1).abs().max() < 1e-10
        assert harmonic.energy(basis[: d // 4]).mean() < 0.5 * harmonic.energy(basis[d // 4 :]).mean()


def test_frequency_grows_along_dct_modes_and_not_along_random_vectors():
    modes = harmonic.dct(H, W)[:60]
    assert harmonic.h1(modes) > 0.999
    assert harmonic.h1(modes.flip(0)) < -0.999
    assert abs(harmonic.h1(harmonic.random(60, H, W))) < 3 / 59**0.5


@pytest.mark.parametrize("dense", [True, False])
def test_smoothest_functions_are_the_lowest_eigenvectors(step, dense, monkeypatch):
    """By the whole matrix and, as for large images, by Lanczos."""
    if not dense:
        monkeypatch.setattr(harmonic, "DENSE", 100)
    vectors = harmonic.smoothest(step, 7)
    flat = vectors.flatten(1)
    assert torch.allclose(flat @ flat.T, torch.eye(7).double(), atol=1e-8)
    lowest = torch.linalg.eigvalsh(laplacian(step))[:7]
    assert torch.allclose(harmonic.energy(vectors, step), lowest, atol=1e-8)
    assert harmonic.energy(vectors, step)[1] < 1e-6  # the step itself costs nothing


def test_the_smoothest_functions_of_an_image_are_adapted_to_it(step, other):
    vectors = harmonic.smoothest(step, 20)
    assert harmonic.h2(vectors, step, other) > 0.2
    assert harmonic.h3(vectors, step) < 0.7
    assert harmonic.h4(vectors, step, other) > 0.1
    mirrored = harmonic.smoothest(other, 20)
    assert harmonic.h2(mirrored, step, other) < -0.2
    assert harmonic.h4(mirrored, step, other) == pytest.approx(-harmonic.h4(mirrored, other, step))
    assert harmonic.h3(mirrored, step) > harmonic.h3(vectors, step)


def test_alignment_of_the_smoothest_functions_with_themselves_is_one(step, other):
    vectors = harmonic.smoothest(step, 20)
    overlap = vectors.flatten(1) @ harmonic.smoothest(other, 20).flatten(1).T
    assert harmonic.h4(vectors, step, other) == pytest.approx(1 - overlap.square().sum().item() / 20)


def test_alignment_is_the_share_of_one_subspace_in_the_other():
    """Whatever basis each is written in: 1 with itself, a half when half is shared, k / d on average by chance."""
    vectors = harmonic.random(12, H, W)
    turned = (harmonic.random(6, 2, 3).view(6, 6) @ vectors[:6].flatten(1)).view(6, 1, H, W)
    assert harmonic.alignment(vectors[:6], turned) == pytest.approx(1)
    assert harmonic.alignment(vectors[:6], vectors[3:9]) == pytest.approx(0.5)
    assert harmonic.alignment(vectors[:6], vectors[6:]) == pytest.approx(0, abs=1e-12)
    chance = [harmonic.alignment(vectors[:6], harmonic.random(6, H, W, seed)) for seed in range(1, 41)]
    assert abs(np.mean(chance) - 6 / (H * W)) < 4 * np.std(chance) / 40**0.5


def test_geometry_gain_is_what_lies_across_the_contour(step):
    """A step of weight nearly 0 across the contour: all of its energy is gained; a flat image gains nothing."""
    flat = torch.full_like(step, 0.5)
    jump = (step - step.mean())[None]
    jump = jump / jump.norm()
    assert harmonic.h2(jump, step, flat) == pytest.approx(1, abs=1e-6)
    assert harmonic.h2(torch.cat([jump, torch.full_like(jump, (H * W) ** -0.5)]), step, flat) == pytest.approx(
        1, abs=1e-6
    )


def test_bases_that_cannot_know_the_image_do_not_tell_it_from_another():
    """Over twenty images with random contours the mean lies within three standard errors of zero; DCT gives h3 = 1."""
    rng, values = np.random.default_rng(0), {"h2": [], "h4": []}
    rows, columns = np.mgrid[:H, :W]
    vectors = harmonic.random(20, H, W)

    def image():
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-3, 3)
        side = np.cos(angle) * (rows - H / 2) + np.sin(angle) * (columns - W / 2) > offset
        return torch.from_numpy(np.where(side, 0.8, 0.2))[None]

    for _ in range(20):
        x, y = image(), image()
        values["h2"].append(harmonic.h2(vectors, x, y))
        values["h4"].append(harmonic.h4(vectors, x, y))
        assert harmonic.h3(harmonic.dct(H, W)[1:30], x) == pytest.approx(1, abs=1e-9)
    for sample in values.values():
        assert abs(np.mean(sample)) < 3 * np.std(sample) / 20**0.5


def test_along_and_across_on_plane_waves():
    """Contours of a vertical ramp are horizontal: a wave that runs down is all across, one to the right all along."""
    rows, columns = (torch.from_numpy(grid.astype(float)) for grid in np.mgrid[:H, :W])
    ramp = (rows / 32)[None]  # exact in binary: every pixel is as steep
    waves = torch.stack([torch.sin(0.7 * rows), torch.sin(0.7 * columns)])[:, None]
    along, across = harmonic._along_and_across(waves, ramp)
    down = (waves[0, 0, 2:, 1:-1] - waves[0, 0, :-2, 1:-1]) / 2
    right = (waves[1, 0, 1:-1, 2:] - waves[1, 0, 1:-1, :-2]) / 2
    assert along.tolist() == pytest.approx([0, right.square().sum().item()], abs=1e-20)
    assert across.tolist() == pytest.approx([down.square().sum().item(), 0], abs=1e-20)


def test_h3_does_not_depend_on_which_way_an_image_is_turned(step):
    """On a square grid modes come in pairs of one frequency, upright and lying: none may be preferred."""
    x, vectors = step[:, :W], harmonic.random(9, W, W)
    assert harmonic.h3(vectors, x) == pytest.approx(harmonic.h3(vectors.mT, x.mT), rel=1e-9)
    modes = harmonic.dct(W, W)
    whole = [k for k in range(20, 60) if harmonic.energy(modes)[k] - harmonic.energy(modes)[k - 1] > 1e-6]
    assert harmonic.h3(modes[1 : whole[0]], x) == pytest.approx(1, abs=1e-9)  # pairs are not cut in two


def test_a_flat_image_has_no_contours():
    with pytest.raises(ValueError, match="no contours"):
        harmonic.h3(harmonic.random(3, H, W), torch.full((1, H, W), 0.5).double())


def test_what_is_perpendicular_has_no_part_along_the_directions_and_spans_the_rest():
    directions, vectors = harmonic.random(4, H, W, seed=1).flatten(1), 3 * harmonic.random(6, H, W, seed=2)
    off = harmonic.perpendicular(vectors, directions)
    assert torch.allclose(off @ off.T, torch.eye(6).double(), atol=1e-12)
    assert (off @ directions.T).abs().max() < 1e-12
    rest = vectors.flatten(1) - vectors.flatten(1) @ directions.T @ directions
    for k in (1, 3, 6):  # in their order
        assert torch.allclose(rest[:k] @ off[:k].T @ off[:k], rest[:k], atol=1e-12)


def test_more_principal_components_than_images_are_refused():
    with pytest.raises(ValueError, match="5 images have 4 principal components, not 5"):
        harmonic.principal(torch.rand(5, 1, 4, 4), 5)


def test_principal_components_are_orthonormal_and_carry_the_most_variance():
    x = torch.randn(300, 1, 3, 5, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.1, 1, 5)
    vectors = harmonic.principal(x, 4).flatten(1)
    assert torch.allclose(vectors @ vectors.T, torch.eye(4).double(), atol=1e-10)
    carried = (x.flatten(1).double() @ vectors.T).var(0)
    assert (carried.diff() < 0).all()
    assert carried.sum() > 0.999 * torch.linalg.eigvalsh(torch.cov(x.flatten(1).double().T))[-4:].sum()


def test_indices_are_those_of_each_image_with_the_next_one_as_the_other():
    generator = torch.Generator().manual_seed(5)
    x = torch.rand(3, 1, 9, 7, generator=generator)
    bases = [harmonic.random(6, 9, 7, seed=k) for k in range(3)]
    with pytest.raises(ValueError, match="zip"):
        harmonic.indices(bases[:2], [4, 5], x)
    found = harmonic.indices(bases, [4, 5, 6], x)
    assert list(found) == ["H1", "H2", "H3", "H4"]
    vectors, own, other = bases[2].double(), x[2].double(), x[0].double()
    assert found["H1"][2] == harmonic.h1(vectors)
    assert found["H2"][2] == harmonic.h2(vectors, own, other)
    assert found["H3"][1] == harmonic.h3(bases[1][:5].double(), x[1].double())
    assert found["H4"][2] == harmonic.h4(vectors, own, other)


def test_one_image_has_no_other():
    with pytest.raises(ValueError, match="at least two images are needed, got one"):
        harmonic.indices([harmonic.random(6, 9, 7)], [4], torch.rand(1, 1, 9, 7))


def test_of_one_vector_no_frequency_grows():
    with pytest.raises(ValueError, match="at least two vectors, got one"):
        harmonic.h1(harmonic.random(1, H, W))


INDICES = {
    "energy": lambda vectors, x: without_types(harmonic).energy(vectors, x),
    "h1": lambda vectors, x: without_types(harmonic).h1(vectors),
    "h2": lambda vectors, x: without_types(harmonic).h2(vectors, x, x),
    "h3": lambda vectors, x: without_types(harmonic).h3(vectors, x),
    "h4": lambda vectors, x: without_types(harmonic).h4(vectors, x, x),
}


@pytest.mark.parametrize("measure", INDICES.values(), ids=INDICES)
def test_colours_other_sizes_and_holes_are_refused(measure, step):
    vectors = harmonic.random(4, H, W)
    with pytest.raises(ValueError, match="grey images, got 3 channels"):
        measure(vectors.expand(-1, 3, -1, -1), step)
    if measure is INDICES["h1"]:
        return
    with pytest.raises(ValueError, match="grey images, got 3 channels"):
        measure(vectors, step.expand(3, -1, -1))
    with pytest.raises(ValueError, match=f"one size, got {H}x{W} and {W}x{H}"):
        measure(vectors, step.mT)
    with pytest.raises(ValueError, match="not finite"):
        measure(vectors, step / 0)


def test_constant_vectors_know_no_image(step):
    with pytest.raises(ValueError, match="All vectors are constant"):
        harmonic.h2(torch.ones(2, 1, H, W).double(), step, step)


@pytest.mark.parametrize("basis", [harmonic.dct, harmonic.wavelets])
def test_bases_handed_out_are_the_callers_own(basis):
    """They are worked out once: whoever changes one must not change the next one's."""
    before = basis(8, 4).clone()
    basis(8, 4).zero_()
    assert torch.equal(basis(8, 4), before)


def test_more_vectors_than_pixels_are_refused(step):
    with pytest.raises(ValueError, match="2x3 pixels have 6 orthonormal vectors, not 7"):
        harmonic.random(7, 2, 3)
    for k in (0, H * W + 1):
        with pytest.raises(ValueError, match=f"Between 1 and {H * W} functions can be had"):
            harmonic.smoothest(step, k)
    with pytest.raises(ValueError, match="6 pixels have no 7 principal components"):
        harmonic.principal(torch.rand(9, 1, 2, 3), 7)
