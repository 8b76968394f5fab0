"""Local rivals: against plain loops on 6 by 7 images, and where they are the memorizer or a pixel's own posterior."""

import itertools
import math

import pytest
import torch
from conftest import without_types
from torch.func import jacrev

from ghr.denoiser import denoise
from ghr.noise import add_noise, mse
from ghr.references import (
    EmpiricalDenoiser,
    EquivariantLocalDenoiser,
    LocalDenoiser,
    PatchDenoiser,
    PrincipalLocalDenoiser,
    WienerDenoiser,
    local,
)

H, W, N = 6, 7, 9
SIGMAS = (0.05, 0.3, 2.0)
WINDOWED = (LocalDenoiser, EquivariantLocalDenoiser, PatchDenoiser)


@pytest.fixture
def x():
    """Nine 6 by 7 images of two channels, float64."""
    return torch.rand(N, 2, H, W, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def y(x):
    return x[:3] + 0.3 * torch.randn(3, 2, H, W, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def posterior(logits, values):
    """Softmax mean by a plain loop."""
    w = [math.exp(logit - max(logits)) for logit in logits]
    return sum(weight * value for weight, value in zip(w, values, strict=True)) / sum(w)


def span(place, n, window):
    """Places of a window around one, cut at the border."""
    return slice(max(0, place - window // 2), min(n, place + window // 2 + 1))


def around(i, j, window):
    return (..., span(i, H, window), span(j, W, window))


def log_weight(a, b, sigma):
    return -((a - b) ** 2).sum().item() / (2 * sigma**2)


def local_by_loops(x, y, sigma, window):
    x_hat = torch.empty_like(y)
    for b, i, j in itertools.product(range(len(y)), range(H), range(W)):
        near = around(i, j, window)
        logits = [log_weight(y[b][near], clean[near], sigma) for clean in x]
        x_hat[b, :, i, j] = posterior(logits, x[:, :, i, j])
    return x_hat


def cut(i, j, window):
    """How far the window around a place reaches up, down, left and right."""
    half = window // 2
    return min(i, half), min(H - 1 - i, half), min(j, half), min(W - 1 - j, half)


def equivariant_by_loops(x, y, sigma, window):
    x_hat, places = torch.empty_like(y), list(itertools.product(range(H), range(W)))
    for i, j in places:
        like = [(k, m) for k, m in places if cut(k, m, window) == cut(i, j, window)]
        known = [(clean[around(k, m, window)], clean[:, k, m]) for clean in x for k, m in like]
        for b in range(len(y)):
            logits = [log_weight(y[b][around(i, j, window)], seen, sigma) for seen, _ in known]
            x_hat[b, :, i, j] = posterior(logits, [value for _, value in known])
    return x_hat


def patches_by_loops(x, y, sigma, side):
    total, count = torch.zeros_like(y), torch.zeros(H, W)
    for i, j in itertools.product(range(H - min(side, H) + 1), range(W - min(side, W) + 1)):
        patch = (..., slice(i, i + side), slice(j, j + side))
        count[patch] += 1
        for noisy, composite in zip(y, total, strict=True):
            logits = [log_weight(noisy[patch], clean[patch], sigma) for clean in x]
            composite[patch] += posterior(logits, [clean[patch] for clean in x])
    return total / count


@pytest.mark.parametrize("sigma", [0.1, 2.0])
@pytest.mark.parametrize(
    ("kind", "loops", "window"),
    [
        (LocalDenoiser, local_by_loops, 3),
        (LocalDenoiser, local_by_loops, 7),
        (EquivariantLocalDenoiser, equivariant_by_loops, 3),
        (EquivariantLocalDenoiser, equivariant_by_loops, 5),
        (PatchDenoiser, patches_by_loops, 2),
        (PatchDenoiser, patches_by_loops, 3),
        (PatchDenoiser, patches_by_loops, 6),  # as high as the image, less wide
    ],
)
def test_windows_against_plain_loops(x, y, kind, loops, window, sigma):
    x, y = x[:5], y[:2]
    torch.testing.assert_close(kind(x, window)(y, sigma), loops(x, y, sigma, window), atol=1e-9, rtol=0)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_principal_locality_against_plain_loops(x, y, sigma):
    """The windows from the Wiener filter as a matrix: H = C (C + sigma^2 I)^-1, a row divided by its own entry."""
    centred = x.flatten(1) - x.flatten(1).mean(0)
    covariance = centred.T @ centred / N
    wiener = covariance @ torch.linalg.inv(covariance + sigma**2 * torch.eye(len(covariance)))
    relative = (wiener / wiener.diagonal()[:, None]).abs()
    seen = relative >= 0.3 * relative.max()
    found = PrincipalLocalDenoiser(x, threshold=0.3)
    assert torch.equal(found.windows(sigma), seen.double())
    assert 0.02 < seen.double().mean() < 0.9
    expected = torch.empty_like(y)
    for b, p in itertools.product(range(len(y)), range(len(covariance))):
        squares = (y[b].flatten() - x.flatten(1)) ** 2
        logits = [-row[seen[:, p]].sum().item() / (2 * sigma**2) for row in squares]
        expected[b].view(-1)[p] = posterior(logits, x.flatten(1)[:, p])
    torch.testing.assert_close(found(y, sigma), expected, atol=1e-9, rtol=0)


def test_a_pixel_that_never_changes_is_known(x, y):
    """Its row of the Wiener filter is zero, and its window holds nothing: the mean, which is its value, is left."""
    x = x.clone()
    x[:, :, 0, 0] = 0.25
    assert torch.allclose(PrincipalLocalDenoiser(x)(y, 0.3)[:, :, 0, 0], torch.tensor(0.25, dtype=torch.float64))


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("kind", WINDOWED)
def test_the_whole_image_as_window_is_the_memorizer(x, y, kind, sigma):
    torch.testing.assert_close(kind(x, 2 * W - 1)(y, sigma), EmpiricalDenoiser(x)(y, sigma), atol=1e-9, rtol=0)


def test_windows_that_see_everything_are_the_memorizer(x, y):
    """The smallest threshold lets the Wiener filter see all pixels."""
    found = PrincipalLocalDenoiser(x, threshold=1e-12)
    torch.testing.assert_close(found(y, 0.3), EmpiricalDenoiser(x)(y, 0.3), atol=1e-9, rtol=0)


@pytest.mark.parametrize("kind", [LocalDenoiser, PatchDenoiser])
def test_one_pixel_is_its_own_posterior(x, y, kind):
    """E[x_p | y_p] over the values that training images have there."""
    w = (-(y[:, None] - x).square().sum(2, keepdim=True) / (2 * 0.3**2)).softmax(1)
    torch.testing.assert_close(kind(x, 1)(y, 0.3), (w * x).sum(1), atol=1e-12, rtol=0)


def test_one_pixel_anywhere_is_a_function_of_its_value(x, y):
    """E[x | y] over the values of all pixels of all training images: the border cuts no window of one pixel."""
    values = x.movedim(1, -1).flatten(0, 2)
    w = (-(y.movedim(1, -1).flatten(0, 2)[:, None] - values).square().sum(-1) / (2 * 0.3**2)).softmax(1)
    found = EquivariantLocalDenoiser(x, 1)(y, 0.3).movedim(1, -1).flatten(0, 2)
    torch.testing.assert_close(found, w @ values, atol=1e-12, rtol=0)


def test_inner_pixels_move_with_the_image(x):
    """Equivariant away from the border, whatever the place; LS is not."""
    wide = torch.rand(1, 2, H, W + 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    pair = torch.cat([wide[..., :W], wide[..., 1 : W + 1]])
    left, right = EquivariantLocalDenoiser(x, 3)(pair, 0.3)
    torch.testing.assert_close(left[:, 1:-1, 2 : W - 1], right[:, 1:-1, 1 : W - 2], atol=1e-12, rtol=0)
    fixed = LocalDenoiser(x, 3)(pair, 0.3)
    assert (fixed[0, :, 1:-1, 2 : W - 1] - fixed[1, :, 1:-1, 1 : W - 2]).abs().max() > 0.01


def test_the_border_is_seen(x, y):
    """A pixel at the edge is compared with pixels at the same edge only: those of the inside may be anything."""
    other = x.clone()
    other[:, :, 2:-2, 2:-2] = 7
    found = (EquivariantLocalDenoiser(images, 3)(y, 0.3) for images in (x, other))
    a, b = (x_hat[:, :, 0] for x_hat in found)
    assert torch.allclose(a, b, atol=1e-9)


def made(x):
    return [kind(x, 3) for kind in WINDOWED] + [PrincipalLocalDenoiser(x)]


def test_batch_and_block_change_nothing(x, y):
    for one, other in zip(made(x), [kind(x, 3, block=2) for kind in WINDOWED], strict=False):
        torch.testing.assert_close(one(y, 0.3), other(y, 0.3), atol=1e-12, rtol=0)
    for f in made(x):
        assert torch.equal(f(y, 0.3)[1:2], f(y[1:2], 0.3))
    blocks = (PrincipalLocalDenoiser(x, block=block)(y, 0.3) for block in (2, 512))
    torch.testing.assert_close(*blocks, atol=1e-12, rtol=0)


def test_each_image_may_have_its_own_sigma(x, y):
    levels = torch.tensor([0.05, 0.3, 2.0], dtype=torch.float64).view(3, 1, 1, 1)
    for f in (*made(x), LocalDenoiser(x, {0.1: 1, 1.0: 5})):
        expected = torch.cat([f(one, level.item()) for one, level in zip(y.split(1), levels, strict=True)])
        assert torch.equal(f(y, levels), expected)
        assert torch.equal(denoise(f, y, levels, 2), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_noise_levels_have_finite_answers(x, dtype):
    """Next to no noise leaves the training image; much noise leaves their mean, of ELS that of all like places."""
    x = x.to(dtype)
    for f in made(x):
        weak, strong = f(x[:2], 1e-3), f(x[:2], 10.0)
        assert weak.dtype == strong.dtype == dtype
        assert (weak - x[:2]).abs().max() < 1e-3
        alike = x[:, :, 1:-1, 1:-1].mean((0, 2, 3)) if isinstance(f, EquivariantLocalDenoiser) else x.mean(0)[:, 2, 3]
        assert (strong[:, :, 2, 3] - alike).abs().max() < 0.02
        assert f(x[:2] + 1e3, 1e-3).isfinite().all()


def test_the_window_of_the_nearest_noise_level_is_taken(x, y):
    """Nearest by ratio: .3 is nearer to .5 than to .1."""
    table = {0.1: 1, 0.5: 5}
    for kind in WINDOWED:
        found = kind(x, table)
        assert torch.equal(found(y, 0.3), kind(x, 5)(y, 0.3))
        assert torch.equal(found(y, 0.2), kind(x, 1)(y, 0.2))
        assert torch.equal(found.with_window(3)(y, 0.3), kind(x, 3)(y, 0.3))
        assert found.window == table


def test_a_larger_precision_is_that_of_the_training_images(x, y):
    """An image of float32 may be denoised in float64, and comes back as it came."""
    for f in made(x):
        found = f(y.float(), 0.3)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), f(y, 0.3), atol=1e-6, rtol=0)


def test_jacobian_of_a_pixel_is_its_covariance_with_its_window(x, y):
    """dx_hat[p] / dy[q] = Cov(x_p, x_q | y_W(p)) / sigma^2 inside the window, and zero outside."""
    f, sigma, (i, j) = LocalDenoiser(x, 3), 0.3, (2, 4)
    jacobian = jacrev(lambda image: f(image[None], sigma)[0, 0, i, j])(y[0])
    seen = torch.zeros(H, W, dtype=torch.bool)
    seen[i - 1 : i + 2, j - 1 : j + 2] = True
    w = (-(y[0] - x)[:, :, seen].square().sum((1, 2)) / (2 * sigma**2)).softmax(0)
    centred = x - torch.tensordot(w, x, 1)
    expected = torch.einsum("n,n,nchw->chw", w, centred[:, 0, i, j], centred) / sigma**2
    torch.testing.assert_close(jacobian, expected * seen, atol=1e-9, rtol=0)


def matrix_of(f, y, sigma):
    """Row by row, by automatic differentiation."""
    return jacrev(lambda image: f(image[None], sigma)[0].flatten())(y).flatten(1)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize(
    "f",
    [
        lambda x: LocalDenoiser(x, 3, block=4),
        lambda x: PatchDenoiser(x, 3),
        lambda x: PatchDenoiser(x, 2 * W),
        lambda x: PrincipalLocalDenoiser(x, threshold=0.3, block=4),
    ],
)
def test_jacobians_are_those_of_automatic_differentiation(x, y, f, sigma):
    denoiser = f(x)
    found = denoiser.jacobian(y, sigma)
    assert found.shape == (3, 2 * H * W, 2 * H * W)
    for j, image in zip(found, y, strict=True):
        torch.testing.assert_close(j, matrix_of(denoiser, image, sigma), atol=1e-9, rtol=1e-7)


def test_few_pixels_are_summed_one_by_one(x, y, monkeypatch):
    """The sparse product is the dense one, and gradients pass through the latter."""
    f = PrincipalLocalDenoiser(x, threshold=0.3)
    dense = f(y, 0.3)
    monkeypatch.setattr(local, "SPARSE", 1.1)
    assert torch.equal(f(y, 0.3), dense)  # with gradients
    sparse = denoise(f, y, 0.3)
    torch.testing.assert_close(sparse, dense, atol=1e-12, rtol=0)


def test_a_threshold_belongs_to_a_noise_level(x, y):
    f = PrincipalLocalDenoiser(x, threshold={0.1: 0.3, 0.5: 0.01})
    for sigma, threshold in ((0.2, 0.3), (0.3, 0.01)):
        assert f.window_at(sigma) == threshold
        assert torch.equal(f(y, sigma), PrincipalLocalDenoiser(x, threshold=threshold)(y, sigma))
    assert torch.equal(f.with_window(0.3)(y, 0.5), PrincipalLocalDenoiser(x, threshold=0.3)(y, 0.5))


def test_what_cannot_be_done_is_refused_in_one_sentence(x, y):
    plain = without_types(local)
    with pytest.raises(ValueError, match="told the noise level"):
        LocalDenoiser(x, 3)(y)
    with pytest.raises(ValueError, match="sigma must be positive"):
        PatchDenoiser(x, 3)(y, -1.0)
    with pytest.raises(ValueError, match="told one noise level"):
        plain.LocalDenoiser(x, 3)(y, torch.ones(2))
    with pytest.raises(ValueError, match=r"images of shape \(2, 6, 7\)"):
        PrincipalLocalDenoiser(x)(y[..., 1:], 0.3)
    for kind in (LocalDenoiser, EquivariantLocalDenoiser):
        with pytest.raises(ValueError, match="odd side, got 4"):
            kind(x, 4)
        with pytest.raises(ValueError, match="odd side"):
            kind(x, 3).with_window({0.1: 2})
    for wrong, words in ((0, "at least one pixel"), ({}, "at least one pixel"), ({-0.1: 3}, "positive noise levels")):
        with pytest.raises(ValueError, match=words):
            PatchDenoiser(x, wrong)
    with pytest.raises(ValueError, match="above 0 and at most 1, got 2"):
        PrincipalLocalDenoiser(x, threshold=2.0)
    with pytest.raises(ValueError, match="at least one image or patch, got block=0"):
        LocalDenoiser(x, 3, block=0)
    with pytest.raises(TypeError, match="must be a torch tensor"):
        plain.LocalDenoiser([1.0], 3)


def test_told_more_they_know_more(x):
    """Near training images the memorizer beats the Wiener filter; so does a window of nearly the whole image."""
    noisy = add_noise(x, 0.2, torch.Generator().manual_seed(5))
    left = [mse(f(noisy, 0.2), x).mean().item() for f in (WienerDenoiser(x), LocalDenoiser(x, 5), LocalDenoiser(x, 13))]
    assert left[2] < left[1] < left[0]
