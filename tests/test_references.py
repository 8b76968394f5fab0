"""References against brute force in small dimension, and the identities of an exact posterior mean."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.func import jacrev

from ghr import jacobian, sampling, training
from ghr.images import synthetic
from ghr.noise import add_noise, score
from ghr.references import (
    AffineDistillation,
    BandletDenoiser,
    BlindEmpiricalDenoiser,
    DiscPosterior,
    EmpiricalDenoiser,
    RayDenoiser,
    RayEmpiricalDenoiser,
    RayWienerDenoiser,
    SineDenoiser,
    StationaryWienerDenoiser,
    WaveletDenoiser,
    WienerDenoiser,
    ray_bound,
)


@pytest.fixture
def x():
    """Six 3 by 5 images, float64."""
    return torch.rand(6, 1, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def y(x):
    """Noisy images: two near a training image, one between two, one far from all."""
    z = torch.randn(4, 1, 3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    base = torch.stack([x[0], x[1], (x[2] + x[3]) / 2, x[4]])
    return base + z * torch.tensor([0.02, 0.1, 0.01, 0.7]).view(4, 1, 1, 1)


def memorizer(x, sigma, block=4096, **prior):
    """The memorizer that is told sigma, or the blind one when there is none."""
    return EmpiricalDenoiser(x, block=block) if sigma else BlindEmpiricalDenoiser(x, block=block, **prior)


def weights(x, y, sigma):
    """Posterior probabilities by a plain loop."""
    out = []
    for noisy in y:
        logits = [-((noisy - clean) ** 2).sum().item() / (2 * sigma**2) for clean in x]
        w = [math.exp(logit - max(logits)) for logit in logits]
        out.append([value / sum(w) for value in w])
    return torch.tensor(out, dtype=torch.float64)


@pytest.mark.parametrize("sigma", [0.05, 0.3, 2.0])
def test_known_sigma_equals_brute_force(x, y, sigma):
    expected = torch.einsum("bn,nchw->bchw", weights(x, y, sigma), x)
    torch.testing.assert_close(EmpiricalDenoiser(x)(y, sigma), expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("sigma", [0.1, 0.3])
def test_jacobian_is_posterior_covariance_over_sigma_squared(x, y, sigma):
    """Symmetric, positive semidefinite."""
    denoiser = EmpiricalDenoiser(x)
    jacobian = jacrev(lambda flat: denoiser(flat.view(1, 1, 3, 5), sigma).flatten())(y[2].flatten())
    w, flat = weights(x, y[2:3], sigma)[0], x.flatten(1)
    centred = flat - w @ flat
    torch.testing.assert_close(jacobian, centred.T @ (w[:, None] * centred) / sigma**2, atol=1e-8, rtol=0)
    assert (jacobian - jacobian.T).abs().max() < 1e-8
    assert torch.linalg.eigvalsh(jacobian).min() > -1e-8
    assert jacobian.trace() > 0.1


@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_score_is_the_gradient_of_the_log_density(x, y, sigma):
    """log p(y) = log mean_i exp(-||y - x_i||^2 / 2 sigma^2), by central differences."""

    def log_density(flat):
        squared = (flat[:, None] - x.flatten(1)).square().sum(-1)
        return torch.logsumexp(-squared / (2 * sigma**2), 1)

    step, flat = 1e-5, y.flatten(1)
    expected = torch.stack(
        [(log_density(flat + step * e) - log_density(flat - step * e)) / (2 * step) for e in torch.eye(15).double()], 1
    )
    found = score(EmpiricalDenoiser(x), y, sigma).flatten(1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def blind_by_quadrature(x, y, a, c):
    """Posterior mean with sigma integrated out, u by u: sigma = u^a, weight (sigma + .02)^-c."""
    u = torch.linspace(0, 1, 40_001, dtype=torch.float64)[1:]
    sigma = u**a
    d = x[0].numel()
    squared = (y.flatten(1)[:, None] - x.flatten(1)).square().sum(-1)
    log = -c * (sigma + 0.02).log() - d * sigma.log() - squared[..., None] / (2 * sigma**2)
    return torch.einsum("bn,nchw->bchw", torch.logsumexp(log, -1).softmax(1), x)


@pytest.mark.parametrize(("a", "c"), [(1.0, 0.0), (2.0, 0.0), (1.5, 1.0), (1.0, 2.0)])
def test_blind_equals_quadrature_over_sigma(x, y, a, c):
    found = BlindEmpiricalDenoiser(x, sigma_law=a, loss_weight=c)(y)
    torch.testing.assert_close(found, blind_by_quadrature(x, y, a, c), atol=2e-4, rtol=0)


def test_blind_depends_on_the_noise_law_and_the_loss_weight(x, y):
    """The quadrature above would not see an exponent that makes no difference."""
    found = [BlindEmpiricalDenoiser(x, sigma_law=a, loss_weight=c)(y) for a, c in ((1.0, 0.0), (2.0, 0.0), (1.0, 2.0))]
    assert (found[0] - found[1]).abs().max() > 1e-3
    assert (found[0] - found[2]).abs().max() > 5e-3


def test_blind_memorizer_is_what_training_minimises(x):
    """On the loss of `train`, it beats itself with any other exponent: its prior of sigma is that of the networks."""
    losses = {}
    x = x / 8  # near each other: there the prior of sigma matters

    class Frozen(torch.nn.Module):
        def __init__(self, denoiser):
            super().__init__()
            self.denoiser, self.one = denoiser, torch.nn.Parameter(torch.ones(()))

        def forward(self, y):
            return self.denoiser(y) * self.one

    for a, c in ((1.5, 1.0), (1.0, 0.0), (2.0, 0.0), (1.0, 2.0)):
        denoiser = Frozen(BlindEmpiricalDenoiser(x, sigma_law=a, loss_weight=c))
        options = {"steps": 1, "seed": 0, "batch": 50_000, "sigma_law": 1.5, "loss_weight": 1.0, "bf16": False}
        losses[a, c] = next(training.train(denoiser, x.float(), **options)).loss
    assert min(losses, key=losses.get) == (1.5, 1.0)


@pytest.mark.parametrize("sigma", [None, 0.02, 0.9])
def test_32x32_images_neither_overflow_nor_underflow(sigma):
    """d = 1,024: densities of 10^-3000, from the image itself to far outside; the mean stays a mean."""
    x = torch.rand(40, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    y = torch.cat([x[:1], x[1:2] + 0.02 * torch.randn(1, 1, 32, 32), x[2:3] + torch.randn(1, 1, 32, 32), 30 + x[3:4]])
    x_hat = memorizer(x, sigma, sigma_law=1.5, loss_weight=1.0)(y, sigma)
    assert x_hat.dtype == torch.float32
    assert x_hat.isfinite().all()
    assert (x_hat >= x.amin(0) - 1e-6).all()
    assert (x_hat <= x.amax(0) + 1e-6).all()
    if sigma != 0.9:
        torch.testing.assert_close(x_hat[:2], x[:2], atol=1e-6, rtol=0)


def test_blind_at_32x32_equals_quadrature_where_images_compete():
    """Three images a little apart, seen in noise: posterior weights away from 0 and 1."""
    generator = torch.Generator().manual_seed(0)
    x = 0.5 + 0.03 * torch.randn(3, 1, 32, 32, generator=generator, dtype=torch.float64)
    y = x[:1] + 0.5 * torch.randn(4, 1, 32, 32, generator=generator, dtype=torch.float64)
    expected = blind_by_quadrature(x, y, 1.5, 1.0)
    assert (expected - x[0]).abs().amax() > 0.01
    found = BlindEmpiricalDenoiser(x, sigma_law=1.5, loss_weight=1.0)(y)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("sigma", [None, 0.3])
@pytest.mark.parametrize("block", [1, 4, 5])
def test_blocks_change_nothing(x, y, sigma, block):
    torch.testing.assert_close(memorizer(x, sigma, block=block)(y, sigma), memorizer(x, sigma)(y, sigma))


@pytest.mark.parametrize("sigma", [None, 0.01, 0.5])
def test_one_image_is_all_there_is(x, y, sigma):
    torch.testing.assert_close(memorizer(x[:1], sigma)(y, sigma), x[:1].expand_as(y))


def test_blind_jacobian_is_the_derivative_of_the_blind_denoiser(x, y):
    """The table is interpolated inside a differentiated path; central differences over many of its cells."""
    denoiser = BlindEmpiricalDenoiser(x)
    point, direction = y[2:3], torch.linspace(-1, 1, 15).double().view(1, 1, 3, 5)
    jacobian = jacrev(lambda flat: denoiser(flat.view(1, 1, 3, 5)).flatten())(point.flatten())
    step = 1e-2
    expected = (denoiser(point + step * direction) - denoiser(point - step * direction)).flatten() / (2 * step)
    scale = expected.abs().max().item()
    torch.testing.assert_close(jacobian @ direction.flatten(), expected, atol=0.02 * scale, rtol=0)


def test_ray_bound_is_the_error_of_the_projection_on_the_ray():
    """<y, x> x / ||x||^2 over 4,000 draws; the mean error has relative deviation sqrt(2 / 4,000)."""
    d, sigma = 35, 0.2
    x = torch.rand(d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = x + sigma * torch.randn(4000, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    error = ((y @ x)[:, None] * x / x.square().sum() - x).square().mean().item()
    bound = ray_bound(-20 * math.log10(sigma), d)
    assert abs(-10 * math.log10(error) - bound) < 4 * 10 / math.log(10) * math.sqrt(2 / 4000)
    assert ray_bound(20.0, 1024) == pytest.approx(50.1, abs=0.01)
    assert np.allclose(ray_bound(torch.tensor([0.0, 10.0]), 100), [20, 30])


# Wiener -----------------------------------------------------------------------------------------------------------


def test_wiener_is_the_textbook_formula(x, y):
    """f(y) = m + C (C + sigma^2 I)^-1 (y - m), by a solver instead of eigenvectors."""
    flat, sigma = x.flatten(1), 0.3
    covariance = torch.cov(flat.T, correction=0)
    gain = torch.linalg.solve(covariance + sigma**2 * torch.eye(15, dtype=torch.float64), covariance).T
    expected = flat.mean(0) + (y.flatten(1) - flat.mean(0)) @ gain.T
    torch.testing.assert_close(WienerDenoiser(x)(y, sigma).flatten(1), expected, rtol=1e-9, atol=1e-12)


def test_wiener_reaches_its_mean_squared_error_on_gaussian_images():
    """sum_k s_k sigma^2 / (s_k + sigma^2), within 3 standard errors over 20,000 images."""
    generator, sigma = torch.Generator().manual_seed(0), 0.5
    mix = torch.randn(15, 15, generator=generator, dtype=torch.float64) / 4
    x = torch.randn(20_000, 15, generator=generator, dtype=torch.float64) @ mix.T
    y = x + sigma * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    denoiser = WienerDenoiser(x.view(-1, 1, 3, 5))
    errors = (denoiser(y.view(-1, 1, 3, 5), sigma).flatten(1) - x).square().sum(1)
    s = torch.linalg.eigvalsh(mix @ mix.T)
    expected = (s * sigma**2 / (s + sigma**2)).sum()
    assert abs(errors.mean() - expected) < 3 * errors.std() / len(errors) ** 0.5


def test_no_linear_denoiser_beats_wiener_on_its_own_images(x):
    """Gradient of the training error with respect to the gain vanishes: sum over images of error times y is 0."""
    x = x.repeat(4000, 1, 1, 1)
    y = x + 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    error = (WienerDenoiser(x)(y, 0.2) - x).flatten(1)
    products = error[:, :, None] * (y - x.mean(0)).flatten(1)[:, None]
    deviation = products.mean(0) / (products.std(0) / len(x) ** 0.5)
    assert deviation.abs().max() < 5  # 225 standard normal values


def test_wiener_of_one_image_answers_with_it(x, y):
    torch.testing.assert_close(WienerDenoiser(x[:1])(y, 0.1), x[:1].expand(4, -1, -1, -1))


@pytest.mark.parametrize("sigma_0", [1.0, 0.4])
def test_the_walk_of_wiener_in_closed_form_is_where_the_sampler_ends(x, y, sigma_0):
    """Heun's method with 400 steps to a noise level of 1e-4."""
    denoiser = WienerDenoiser(x)
    states = sampling.sample(denoiser, y, steps=400, sigma_0=sigma_0, sigma_end=1e-4)
    torch.testing.assert_close(denoiser.sample(y, sigma_0), sampling.last(states), atol=1e-4, rtol=0)


def test_the_walk_of_wiener_turns_noisy_images_into_images_of_its_law(x):
    """(C + sigma_0^2 I)^(1/2) u becomes C^(1/2) u, and the mean stays."""
    centred = (x - x.mean(0)).flatten(1)
    covariance = centred.T @ centred / len(x)
    variances, axes = torch.linalg.eigh(covariance + 0.3**2 * torch.eye(15, dtype=torch.float64))
    noisy = (axes * variances.sqrt()).T.view(15, 1, 3, 5) + x.mean(0)
    found = WienerDenoiser(x).sample(noisy, 0.3).flatten(1) - x.mean(0).flatten()
    torch.testing.assert_close(found.T @ found, covariance, atol=1e-9, rtol=0)


def test_stationary_wiener_is_wiener_with_a_circulant_covariance():
    """C from the spectrum by the inverse Fourier transform, and a solver; 7 by 7 pixels, odd on purpose."""
    s, sigma = synthetic.spectrum(7, 1.0), 0.1
    covariance = torch.fft.ifft2(s).real
    index = torch.cartesian_prod(torch.arange(7), torch.arange(7))
    difference = (index[:, None] - index) % 7
    c = covariance[difference[..., 0], difference[..., 1]]
    y = torch.randn(3, 1, 7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = torch.linalg.solve(c + sigma**2 * torch.eye(49, dtype=torch.float64), c) @ y.flatten(1).T
    found = StationaryWienerDenoiser(s)(y, sigma).flatten(1).T
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.02, 0.2])
def test_stationary_wiener_reaches_its_mean_squared_error_on_gaussian_fields(sigma):
    s, generator = synthetic.spectrum(16, 1.5), torch.Generator().manual_seed(0)
    x = synthetic.gaussian_fields(2000, 16, 1.5, generator).double()
    y = x + sigma * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    errors = (StationaryWienerDenoiser(s)(y, sigma) - x).square().mean((1, 2, 3))
    expected = (s * sigma**2 / (s + sigma**2)).mean()
    assert abs(errors.mean() - expected) < 3 * errors.std() / len(errors) ** 0.5


# Manifolds --------------------------------------------------------------------------------------------------------


def leaves(denoiser, x, sigma, k):
    """Whether images come back, and k sigma^2 / d of the noise stays, within 4 standard errors."""
    torch.testing.assert_close(denoiser(x), x, rtol=0, atol=1e-6)
    z = torch.randn(4000, *x.shape[1:], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    error = denoiser(sigma * z).square().mean((1, 2, 3))
    return abs(error.mean() - k * sigma**2 / x[0].numel()) < 4 * error.std() / 4000**0.5


def test_the_ray_keeps_one_direction(x):
    many = synthetic.rays(x[:1], 5, torch.Generator().manual_seed(0))
    assert leaves(RayDenoiser(x[:1]), many, 0.3, 1)
    y = x[1:2]
    expected = (y * x[0]).sum() * x[:1] / x[0].square().sum()
    torch.testing.assert_close(RayDenoiser(x[:1])(y), expected)
    with pytest.raises(ValueError, match="image of zeros has no ray"):
        RayDenoiser(torch.zeros(1, 1, 3, 5))


def test_the_memorizer_of_rays_equals_quadrature(x, y):
    """Over log noise levels and places on each ray, each alike; weights away from 0 and 1."""
    x = x[:3] / 8 + 0.5
    directions = x.flatten(1) / x.flatten(1).norm(dim=1, keepdim=True)
    sigma = torch.linspace(-6, 6, 4000, dtype=torch.float64).exp()[:, None]
    off = torch.linspace(-8, 8, 161, dtype=torch.float64) * sigma  # d place = sigma d off
    for seen in y.flatten(1):
        places = (directions @ seen)[:, None, None] + off
        squared = (seen.square().sum() - 2 * places * (directions @ seen)[:, None, None] + places.square()) / sigma**2
        logits = -squared / 2 - (len(seen) - 1) * sigma.log()
        w = torch.softmax(logits.flatten(), 0).view_as(logits)
        assert 0.01 < w.sum((1, 2)).max() < 0.99
        expected = (w * places).sum((1, 2)) @ directions
        found = RayEmpiricalDenoiser(x)(seen.view(1, 1, 3, 5)).flatten()
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_the_memorizer_of_rays_scales_with_its_input_and_copies_in_any_tone(x, y):
    f = RayEmpiricalDenoiser(x)
    torch.testing.assert_close(f(1e-3 * y), 1e-3 * f(y))
    torch.testing.assert_close(f(0.4 * x), 0.4 * x)
    torch.testing.assert_close(RayEmpiricalDenoiser(x[:1])(y), RayDenoiser(x[:1])(y))
    assert not f(torch.zeros_like(y)).any()
    with pytest.raises(ValueError, match="image of zeros has no ray"):
        RayEmpiricalDenoiser(torch.stack([x[0], torch.zeros_like(x[0])]))


def test_among_homogeneous_denoisers_the_memorizer_of_rays_errs_least(x):
    """On its images at any noise level, it beats multiples of itself and the told memorizer made homogeneous."""
    x = torch.rand(5, 1, 9, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    f, generator = RayEmpiricalDenoiser(x), torch.Generator().manual_seed(1)
    many = x.repeat(400, 1, 1, 1)
    sigma = torch.rand(len(many), 1, 1, 1, generator=generator, dtype=torch.float64) / 2
    y = many + sigma * torch.randn(many.shape, generator=generator, dtype=torch.float64)
    memory, size = EmpiricalDenoiser(x), y.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    own = (f(y) - many).square().mean()
    others = [c * f(y) for c in (0.97, 1.03)] + [size / 6 * memory(6 * y / size, 0.3)]
    assert all((other - many).square().mean() > own for other in others)


@pytest.mark.parametrize("direction", [0.0, synthetic.DIRECTION, 2.0])
def test_sines_keep_two_directions(direction):
    many = synthetic.sines(5, 12, direction, torch.Generator().manual_seed(0)).double()
    assert leaves(SineDenoiser(12, direction), many, 0.3, 2)


# Wavelets ---------------------------------------------------------------------------------------------------------


def test_wavelet_thresholding_is_the_mean_over_all_shifts():
    """By brute force: 16 shifts of an orthonormal transform with two scales, on the mirrored image."""
    import pywt

    y = torch.rand(2, 1, 9, 14, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mirrored = np.pad(y[:, 0].numpy(), ((0, 0), (4, 7), (4, 6)), mode="symmetric")
    total = 0
    for shift in itertools.product(range(4), range(4)):
        moved = np.roll(mirrored, shift, (1, 2))
        coarse, *details = pywt.wavedec2(moved, "db2", "periodization", 2, axes=(1, 2))
        kept = [tuple(np.where(np.abs(part) > 0.3, part, 0) for part in scale) for scale in details]
        moved = pywt.waverec2([coarse, *kept], "db2", "periodization", axes=(1, 2))
        total = total + np.roll(moved, [-s for s in shift], (1, 2)) / 16
    denoiser = WaveletDenoiser(wavelet="db2", levels=2)
    found = denoiser(y, 0.1)
    np.testing.assert_allclose(found[:, 0].numpy(), total[:, 4:13, 4:18], rtol=0, atol=1e-12)
    assert (found - y).abs().max() > 0.05
    torch.testing.assert_close(denoiser(y[1:], 0.1), found[1:], rtol=0, atol=0)


def test_wavelet_thresholding_denoises_and_keeps_strong_edges():
    x = synthetic.c_alpha(20, 32, 4.0, generator=torch.Generator().manual_seed(0))
    y = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    assert -10 * math.log10((WaveletDenoiser()(y, 0.1) - x).square().mean()) > 27  # the input has 20 dB
    torch.testing.assert_close(WaveletDenoiser()(x, 1e-6), x, rtol=0, atol=1e-4)


# All of them ------------------------------------------------------------------------------------------------------

TOLD = {
    "empirical": lambda x: EmpiricalDenoiser(x),
    "wiener": lambda x: WienerDenoiser(x),
    "stationary": lambda x: StationaryWienerDenoiser(torch.ones(x.shape[-2:])),
    "wavelets": lambda x: WaveletDenoiser(levels=2),
    "bandlets": lambda x: BandletDenoiser(cut=1.0),
    "discs": lambda x: DiscPosterior(8, samples=512),
}


@pytest.mark.parametrize("make", TOLD.values(), ids=TOLD)
def test_references_are_told_a_positive_noise_level_or_say_so(make):
    """And what one call is told leaves nothing behind for the next."""
    x = synthetic.discs(3, 8, torch.Generator().manual_seed(0)).double()
    y, f = x[:1] + 0.2 * torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1)), make(x)
    before = f(y, 0.2)
    assert not torch.equal(f(y, 0.3), before)
    assert torch.equal(f(y, 0.2), before)
    assert torch.equal(make(x)(y, 0.2), before)
    assert not f.training
    with pytest.raises(ValueError, match=r"told the noise level: call it f\(y, sigma\)"):
        f(y)
    for sigma in (0, -0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"sigma must be positive, got {sigma:g}"):
            f(y, sigma)


@pytest.mark.parametrize(
    "denoiser",
    [
        EmpiricalDenoiser(torch.rand(2, 1, 3, 5)),
        BlindEmpiricalDenoiser(torch.rand(2, 1, 3, 5)),
        WienerDenoiser(torch.rand(2, 1, 3, 5)),
        StationaryWienerDenoiser(torch.ones(3, 5)),
        RayDenoiser(torch.rand(1, 1, 3, 5)),
    ],
    ids=lambda f: type(f).__name__,
)
def test_images_of_another_shape_are_refused(denoiser):
    with pytest.raises(ValueError, match=r"made for images of shape \(.*3, 5\), got \(1, 5, 3\)"):
        denoiser(torch.rand(2, 1, 5, 3), 0.1)


def test_blind_references_ignore_what_they_are_told(x, y):
    for f in (BlindEmpiricalDenoiser(x), RayDenoiser(x[:1])):
        assert torch.equal(f(y, 0.3), f(y))


def test_the_blind_memorizers_table_is_its_own(x, y):
    """The likelihood is worked out once for all sets: changing one denoiser's leaves the next one's."""
    f = BlindEmpiricalDenoiser(x)
    before = f(y)
    f.table.zero_()
    assert torch.equal(BlindEmpiricalDenoiser(x)(y), before)


def test_an_affine_map_is_its_own_distillation():
    """With an offset, at each level it is called with, and whatever the images are."""
    x = torch.rand(7, 1, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix = torch.randn(6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    f = lambda y, sigma: (y.flatten(1) @ matrix * sigma + 0.3).view_as(y)  # noqa: E731
    distilled = AffineDistillation(f, x)
    y = torch.randn(3, 1, 2, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for sigma in (0.05, 2.0, 0.05):
        torch.testing.assert_close(distilled(y, sigma), f(y, sigma), atol=1e-9, rtol=0)


def test_the_distillation_of_a_memorizer_comes_to_the_wiener_denoiser():
    """f is E[x | y], so that its best affine map is the best affine map from y to x, at the training images."""
    x = torch.rand(5, 1, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = x + 0.5 * torch.randn(5, 1, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    memory, wiener = EmpiricalDenoiser(x), WienerDenoiser(x)
    off = [
        (AffineDistillation(memory, x, draws)(y, 0.5) - wiener(y, 0.5)).square().mean().sqrt().item()
        for draws in (200, 200_000)
    ]
    assert off[1] < min(off[0] / 8, 0.005)
    assert (memory(y, 0.5) - wiener(y, 0.5)).square().mean().sqrt() > 10 * off[1]


def test_a_distillation_is_the_least_squares_fit_of_all_its_draws():
    """They pass in parts, and the last part is shorter."""
    x = torch.rand(3, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    f, sigma, draws = (lambda y: y.clamp(min=0.2)), 0.4, 4100
    generator = torch.Generator().manual_seed(9)
    places = torch.arange(draws) % 3
    y = torch.cat([add_noise(x[part], sigma, generator) for part in places.split(4096)])
    ones = torch.ones(draws, 1, dtype=torch.float64)
    expected = torch.linalg.lstsq(torch.cat([y.flatten(1), ones], 1), f(y).flatten(1)).solution
    new = torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = AffineDistillation(f, x, draws, seed=9)(new, sigma)
    torch.testing.assert_close(found.flatten(1), torch.cat([new.flatten(1), ones[:2]], 1) @ expected)


def test_what_cannot_be_distilled_is_refused():
    x = torch.rand(3, 1, 2, 2)
    with pytest.raises(ValueError, match="7 draws hardly determine a map of 4 pixels: give 8 or more"):
        AffineDistillation(lambda y: y, x, 7)
    with pytest.raises(ValueError, match="made for images of shape"):
        AffineDistillation(lambda y: y, x)(torch.rand(1, 1, 3, 2), 0.1)
    with pytest.raises(ValueError, match="told the noise level"):
        AffineDistillation(lambda y: y, x)(x)


def test_the_blind_gaussian_optimum_averages_over_contrasts_and_noise_levels():
    """By a sum over both, of normal densities that torch.distributions knows, on images of four pixels."""
    generator = torch.Generator().manual_seed(0)
    x = 0.5 + 0.2 * torch.randn(30, 1, 2, 2, generator=generator, dtype=torch.float64)
    y = torch.rand(3, 1, 2, 2, generator=generator, dtype=torch.float64)
    flat, identity = x.flatten(1), torch.eye(4, dtype=torch.float64)
    m, cov = flat.mean(0), (flat - flat.mean(0)).T @ (flat - flat.mean(0)) / len(x)
    f = RayWienerDenoiser(x)
    t = torch.arange(-4.6, 1.1, 0.02).double().exp()[:, None, None, None]
    noisy = cov + t**2 * identity
    gain = cov @ torch.linalg.inv(noisy)
    for one, found in zip(y.flatten(1), f(y), strict=True):
        # coarser than the denoiser's, as four pixels leave the contrast open
        a = torch.arange(-1.6, 0.7, 0.05).double().exp()[:, None] * one.norm() / m.norm()
        seen = torch.distributions.MultivariateNormal(a * m, a[..., None] ** 2 * noisy)
        means = a * m + (gain @ (one - a * m)[..., None])[..., 0]
        expected = seen.log_prob(one).flatten().softmax(0) @ means.flatten(0, 1)
        torch.testing.assert_close(found.flatten(), expected, rtol=2e-3, atol=2e-3)
    torch.testing.assert_close(f(3 * y), 3 * f(y))
    torch.testing.assert_close(f(y, 0.3), f(y))
    j = jacobian.jacobian(f, y[:1])
    torch.testing.assert_close((j @ y[0].flatten()).view_as(y[0]), f(y[:1])[0])
    with pytest.raises(ValueError, match="images"):
        f(y[..., :1])
    with pytest.raises(ValueError, match="mean of these images is zero"):
        RayWienerDenoiser(torch.zeros_like(x))
