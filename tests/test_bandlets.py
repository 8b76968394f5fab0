"""Bandlets against brute force and their own laws: orthonormal, cheapest, and better than wavelets along contours."""

import functools
import itertools
import math

import numpy as np
import pytest
import pywt
import torch

from ghr.jacobian import jacobian
from ghr.noise import add_noise, psnr
from ghr.references.bandlets import ELSEWHERE, PENALTY, BandletDenoiser, _directed, analysis, best_basis, synthesis


def soft_step(distance):
    """Two grey values, and one pixel between them."""
    return (0.2 + 0.6 * torch.sigmoid(4 * distance))[None, None]


def grid(h, w):
    return torch.meshgrid(torch.arange(h).double(), torch.arange(w).double(), indexing="ij")


def straight(h, w):
    """A straight contour at an odd angle."""
    i, j = grid(h, w)
    return soft_step((i - 0.4 * h) * math.cos(0.4) - (j - w / 2) * math.sin(0.4))


def curved(h, w):
    """An arc of a circle larger than the image."""
    i, j = grid(h, w)
    return soft_step(((i + h).square() + (j - 0.3 * w).square()).sqrt() - 1.45 * h)


def noise(h, w, seed=0):
    return torch.rand(1, 1, h, w, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def bits(tree, side, row=0, column=0):
    """Of one quadtree, from its root down."""
    choice = int(tree[side][0, 0, row, column])
    if choice == ELSEWHERE:
        quarters = itertools.product((2 * row, 2 * row + 1), (2 * column, 2 * column + 1))
        return 1 + sum(bits(tree, side // 2, *quarter) for quarter in quarters)
    return 1 + (math.log2(4 * side) if choice >= 0 else 0)


def lagrangian(x, geometry, threshold, penalty=PENALTY):
    """The definition, in any bandlet basis."""
    cost = analysis(x, geometry)[0, 0].square().clamp(max=threshold**2)
    h, w = (n >> len(geometry.squares) // 3 for n in cost.shape)
    total = float(cost.sum() - cost[:h, :w].sum())
    for tree in filter(None, geometry.squares):
        roots = np.ndindex(*tree[max(tree)].shape[2:])
        total += penalty * threshold**2 * sum(bits(tree, max(tree), *root) for root in roots)
    return total


def haar(v):
    """The definition, by halves."""
    details = []
    while len(v) > 1:
        details = [*((v[::2] - v[1::2]) / 2**0.5), *details]
        v = (v[::2] + v[1::2]) / 2**0.5
    return np.array([*v, *details])


@functools.cache
def direction_order(side, k):
    """By a plain key: distance from a line along the direction, then position on it."""
    a = (k + 0.5) * math.pi / (4 * side)

    def key(point):
        i, j = point
        return round(i * math.cos(a) - j * math.sin(a), 9), i * math.sin(a) + j * math.cos(a)

    return tuple(np.array(sorted(np.ndindex(side, side), key=key)).T)


def leaf_costs(square, threshold, penalty):
    """Of each choice for a leaf: without direction, and with each."""
    side, bit = len(square), penalty * threshold**2
    costs = [np.minimum(square**2, threshold**2).sum() + bit]
    for k in range(4 * side):
        c = haar(square[direction_order(side, k)])
        costs.append(np.minimum(c**2, threshold**2).sum() + bit * (1 + math.log2(4 * side)))
    return np.array(costs)


@pytest.mark.parametrize("penalty", [0, 0.03, PENALTY])
def test_no_quadtree_with_any_directions_is_cheaper(penalty):
    """All 17^4 + 33 bases of each of three 8 by 8 subbands; noise and edges, split, merged and plain."""
    threshold = 0.3
    for x in [straight(16, 16), curved(16, 16), *(noise(16, 16, seed) for seed in range(12))]:
        best = 0
        for band in pywt.dwt2(x[0, 0].numpy(), "db4", "periodization")[1]:
            quarters = [band[r : r + 4, c : c + 4] for r in (0, 4) for c in (0, 4)]
            costs = [leaf_costs(quarter, threshold, penalty) for quarter in quarters]
            split = costs[0][:, None, None, None] + costs[1][:, None, None] + costs[2][:, None] + costs[3]
            best += min(split.min() + penalty * threshold**2, leaf_costs(band, threshold, penalty).min())
        geometry = best_basis(x, threshold, wavelet="db4", penalty=penalty)
        assert lagrangian(x, geometry, threshold, penalty) == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("penalty", [0, 0.03, PENALTY])
def test_squares_of_three_sizes_cost_what_the_recursion_says(penalty):
    """From the root down, where the module goes up."""
    threshold = 0.1

    def cheapest(square):
        whole, half = leaf_costs(square, threshold, penalty).min(), len(square) // 2
        if half < 4:
            return whole
        quarters = [square[r : r + half, c : c + half] for r in (0, half) for c in (0, half)]
        return min(whole, penalty * threshold**2 + sum(map(cheapest, quarters)))

    for x in (straight(32, 32), curved(32, 32)):
        bands = pywt.dwt2(x[0, 0].numpy(), "sym8", "periodization")[1]  # one scale: the filter is long
        geometry = best_basis(x, threshold, wavelet="sym8", penalty=penalty, largest=16)
        expected = sum(map(cheapest, bands))
        assert lagrangian(x, geometry, threshold, penalty) == pytest.approx(expected, rel=1e-10)


def test_no_other_images_basis_is_cheaper():
    """Trees of three sizes of squares; plain wavelets are among the others."""
    images = [straight(32, 64), curved(32, 64), add_noise(curved(32, 64), 0.1, torch.Generator().manual_seed(1))]
    for threshold in (0.1, 0.3):
        bases = [best_basis(x, threshold, largest=16) for x in images]
        bases.append(best_basis(images[0], threshold, largest=16, penalty=math.inf))
        costs = np.array([[lagrangian(x, basis, threshold) for basis in bases] for x in images])
        assert (costs.diagonal()[:, None] <= costs + 1e-12).all()
        assert (costs.diagonal() < 0.99 * costs[:, -1]).all()
    assert {side for tree in bases[0].squares for side in tree if (tree[side] >= 0).any()} == {4, 8, 16}


@pytest.mark.parametrize(
    ("image", "wavelet", "moments"), [(noise, "db2", 1), (straight, "haar", 3), (curved, "db4", 2)]
)
def test_every_basis_is_orthonormal(image, wavelet, moments):
    geometry = best_basis(image(16, 32), 0.3, wavelet=wavelet, penalty=0.02, moments=moments)
    assert any((choice >= 0).any() for tree in geometry.squares for choice in tree.values())
    vectors = analysis(torch.eye(512).view(512, 1, 16, 32), geometry).flatten(1)
    assert torch.allclose(vectors @ vectors.T, torch.eye(512).double(), rtol=0, atol=1e-12)


def test_images_come_back_from_their_coefficients():
    """Non-square, two channels, each with its basis."""
    y = torch.cat([torch.cat([noise(24, 40, k), noise(24, 40, k) + straight(24, 40)], 1) for k in range(3)])
    copy, geometry = y.clone(), best_basis(y, 0.3, penalty=0.02)
    c = analysis(y, geometry)
    c_copy = c.clone()
    assert torch.allclose(synthesis(c, geometry), y, rtol=0, atol=1e-12)
    assert torch.equal(y, copy)
    assert torch.equal(c, c_copy)
    for k, channel in itertools.product(range(3), range(2)):
        alone = y[k : k + 1, channel : channel + 1]
        expected = analysis(alone, best_basis(alone, 0.3, penalty=0.02))
        assert torch.allclose(analysis(y, geometry)[k, channel], expected[0, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("side", [4, 8])
@pytest.mark.parametrize("moments", [1, 2, 3, 4])
def test_polynomials_across_a_direction_leave_as_many_coefficients_as_they_have_terms(side, moments):
    """And those of the next degree more: on the points of a square, whose distances from a line are irregular."""
    i, j = np.divmod(np.arange(side * side), side)
    for k, matrix in enumerate(_directed(side, moments).numpy()):
        angle = (k + 0.5) * math.pi / (4 * side)
        t = (i * math.cos(angle) - j * math.sin(angle)) / side
        powers = t[:, None] ** np.arange(moments + 1)
        c = matrix @ powers
        assert np.allclose(c[moments:, :moments], 0, rtol=0, atol=1e-10)
        assert np.abs(c[moments:, moments]).max() > 1e-4
        assert np.allclose(matrix @ matrix.T, np.eye(side * side), rtol=0, atol=1e-12)


def test_one_moment_is_haars_transform_of_the_points_in_order():
    for k, matrix in enumerate(_directed(4, 1).numpy()):
        expected = np.stack([haar(column[direction_order(4, k)]) for column in np.eye(16).reshape(16, 4, 4)], 1)
        assert np.allclose(np.abs(matrix), np.abs(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("wavelet", ["db2", "db4"])
@pytest.mark.parametrize("image", [straight, curved])
def test_fewer_terms_describe_a_contour_and_better(image, wavelet):
    """Than in the same wavelets."""
    for threshold in (0.1, 0.2):
        x = image(64, 80)
        bandlets, wavelets = (
            analysis(x, best_basis(x, threshold, wavelet=wavelet, penalty=penalty)).flatten().abs().sort().values
            for penalty in (PENALTY, math.inf)
        )
        terms = int((bandlets > threshold).sum())
        assert terms <= (wavelets > threshold).sum()
        assert bandlets[:-terms].square().sum() < 0.7 * wavelets[:-terms].square().sum()


@pytest.mark.parametrize(("wavelet", "shifts"), [("db4", 1), ("db2", 4)])
@pytest.mark.parametrize("image", [straight, curved])
def test_contours_are_denoised_better_than_by_wavelets(image, wavelet, shifts):
    """At equal threshold and, seed by seed, equal noise."""
    x = image(64, 80).expand(6, -1, -1, -1)
    y = add_noise(x, 0.05, torch.Generator().manual_seed(0))
    bandlets, wavelets = (
        psnr(x, BandletDenoiser(wavelet=wavelet, shifts=shifts, penalty=penalty)(y, 0.05))
        for penalty in (PENALTY, math.inf)
    )
    gains = bandlets - wavelets
    assert gains.mean() > 0.4
    assert gains.mean() > 4 * gains.std() / 6**0.5


def test_directions_at_an_infinite_price_leave_a_wavelet_threshold():
    """PyWavelets' own transform, as deep as the filter fits; the coarsest scale is kept."""
    y = add_noise(curved(32, 48), 0.3, torch.Generator().manual_seed(0))
    coarse, *details = pywt.wavedec2(y[0, 0].numpy(), "db4", "periodization", pywt.dwt_max_level(32, "db4"))
    kept = [tuple(pywt.threshold(part, 0.75, "hard") for part in scale) for scale in details]
    expected = torch.from_numpy(pywt.waverec2([coarse, *kept], "db4", "periodization"))
    x_hat = BandletDenoiser(wavelet="db4", cut=2.5, penalty=math.inf)(y, 0.3)[0, 0]
    assert torch.allclose(x_hat, expected, rtol=0, atol=1e-12)
    assert abs(coarse).min() < 0.75 < abs(details[0][0]).max()


def test_the_jacobian_projects_on_the_terms_kept():
    """Symmetric, its own square, of the rank that a count gives; and f(y) = J y."""
    y = add_noise(straight(16, 24), 0.1, torch.Generator().manual_seed(0))
    f = BandletDenoiser()
    j, c = jacobian(f, y, 0.1), analysis(y, best_basis(y, 0.3))[0, 0]
    assert torch.allclose(j, j.T, rtol=0, atol=1e-12)
    assert torch.allclose(j @ j, j, rtol=0, atol=1e-12)
    assert torch.allclose(j @ y.flatten(), f(y, 0.1).flatten(), rtol=0, atol=1e-12)
    kept = c.abs() > 0.3
    kept[:4, :6] = True  # two scales: the coarsest
    assert j.trace().item() == pytest.approx(int(kept.sum()))


def test_shifts_are_averaged_and_make_no_difference_to_a_shifted_image():
    """All translations that an 8 by 8 image has: f commutes with each."""
    y = add_noise(straight(8, 8), 0.1, torch.Generator().manual_seed(0))
    single, spun = BandletDenoiser(), BandletDenoiser(shifts=8)
    shifts = itertools.product(range(8), repeat=2)
    expected = torch.stack([single(y.roll((i, j), (2, 3)), 0.1).roll((-i, -j), (2, 3)) for i, j in shifts]).mean(0)
    assert torch.allclose(spun(y, 0.1), expected, rtol=0, atol=1e-12)
    assert torch.allclose(spun(y.roll((3, 5), (2, 3)), 0.1), expected.roll((3, 5), (2, 3)), rtol=0, atol=1e-12)
    assert (single(y, 0.1) - expected).abs().max() > 1e-3


@pytest.mark.parametrize("border", [4, 16])
def test_borders_are_mirrored(border):
    """As numpy pads, edges repeated."""
    y = add_noise(straight(16, 24), 0.1, torch.Generator().manual_seed(0))
    padded = torch.from_numpy(np.pad(y.numpy(), [(0, 0), (0, 0), (border,) * 2, (border,) * 2], "symmetric"))
    expected = BandletDenoiser()(padded, 0.1)[..., border:-border, border:-border]
    assert torch.equal(BandletDenoiser(border=border)(y, 0.1), expected)


def test_mirrored_borders_denoise_better_where_a_contour_crosses_them():
    x = curved(64, 80).expand(6, -1, -1, -1)
    y = add_noise(x, 0.05, torch.Generator().manual_seed(0))
    gains = psnr(x, BandletDenoiser(border=32)(y, 0.05)) - psnr(x, BandletDenoiser()(y, 0.05))
    assert gains.mean() > 4 * gains.std() / 6**0.5


def test_the_unit_of_images_does_not_matter():
    y = add_noise(straight(32, 48), 0.1, torch.Generator().manual_seed(0))
    f = BandletDenoiser()
    assert torch.allclose(f(255 * y, 25.5), 255 * f(y, 0.1), rtol=0, atol=1e-10)


@pytest.mark.parametrize("shifts", [1, 2])
def test_a_result_does_not_depend_on_batch_mates(shifts):
    x = torch.cat([straight(24, 32), curved(24, 32), noise(24, 32)]).float()
    y, denoiser = add_noise(x, 0.1, torch.Generator().manual_seed(0)), BandletDenoiser(shifts=shifts)
    together = denoiser(y, 0.1)
    assert together.dtype == torch.float32
    assert all(torch.equal(together[k], denoiser(y[k : k + 1], 0.1)[0]) for k in range(3))


def test_what_has_no_bandlets_is_refused():
    with pytest.raises(ValueError, match="12 by 32 pixels cannot be cut into squares: crop or pad to multiples of 8"):
        BandletDenoiser()(noise(12, 32), 0.1)
    with pytest.raises(ValueError, match="bior2.2 is not an orthogonal wavelet, as bandlets need: take haar"):
        BandletDenoiser(wavelet="bior2.2")(noise(16, 32), 0.1)
    with pytest.raises(ValueError, match="border must be from 0 to the side of the image, got 17 for 16 by 32 pixels"):
        BandletDenoiser(border=17)(noise(16, 32), 0.1)
    with pytest.raises(ValueError, match="moments must be from 1 to 16, the points of the smallest square, got 17"):
        best_basis(noise(16, 32), 0.1, moments=17)
    with pytest.raises(ValueError, match="shifts must be at least 1, got 0"):
        BandletDenoiser(shifts=0)
