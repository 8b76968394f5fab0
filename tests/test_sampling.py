"""Samplers: against densities whose flow is known, image by image, seed by seed."""

import itertools
import math

import numpy as np
import pytest
import torch
from conftest import without_types

from ghr import sampling
from ghr.networks import ConditionalUNet
from ghr.references import BlindEmpiricalDenoiser


class Constant(torch.nn.Module):
    """The denoiser of images that are all of one grey."""

    def __init__(self, grey):
        super().__init__()
        self.grey = grey
        self.eval()

    def forward(self, y):
        return torch.full_like(y, self.grey)


zero = Constant(0.0)


def start(b, *shape, sigma=1.0, dtype=torch.float64):
    return sigma * sampling.noise(range(b), 0, shape).to(dtype)


@pytest.fixture
def faces():
    """Eight unlike 8 by 12 images, float64."""
    return torch.rand(8, 1, 8, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


# Noise ------------------------------------------------------------------------------------------------------------


def test_noise_is_a_function_of_seed_and_step_alone():
    together = sampling.noise([3, 5, 2**40], 2, (1, 4, 5))
    assert together.dtype == torch.float64
    torch.manual_seed(7)
    for i, seed in enumerate([3, 5, 2**40]):
        assert torch.equal(sampling.noise([seed], 2, (1, 4, 5))[0], together[i])
    assert not torch.equal(sampling.noise([3], 1, (1, 4, 5))[0], together[0])


def test_noise_of_neighbouring_seeds_and_steps_is_white():
    """Variance and correlations of 12 draws within 4.5 standard errors."""
    z = torch.stack([sampling.noise(range(4), step, (50, 51)) for step in range(3)]).view(12, -1)
    covariance = z @ z.T / z.shape[1]
    bound = 4.5 / math.sqrt(z.shape[1])
    assert (covariance - torch.eye(12)).abs().max() < bound * math.sqrt(2)
    assert z.mean(1).abs().max() < bound


# Start ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance", [True, False])
def test_start_has_the_moments_of_held_out_images(covariance):
    """Mean m and covariance C + sigma_0^2 I (or sigma_0^2 I), within 4.5 standard errors, 4,000 seeds."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    held_out = 0.5 + (torch.randn(50, 6, generator=generator, dtype=torch.float64) @ mixing).view(50, 1, 2, 3)
    y = sampling.gaussian_start(held_out, range(4000), 0.7, covariance).flatten(1)
    expected = 0.49 * torch.eye(6) + (torch.cov(held_out.flatten(1).T) if covariance else 0)
    variances = expected.diagonal()
    assert ((y.mean(0) - held_out.flatten(1).mean(0)).abs() < 4.5 * (variances / 4000).sqrt()).all()
    error = ((variances[:, None] * variances + expected.square()) / 4000).sqrt()
    assert ((torch.cov(y.T) - expected).abs() < 4.5 * error).all()


def test_start_of_a_seed_does_not_depend_on_its_batch(faces):
    together = sampling.gaussian_start(faces, [4, 9])
    assert together.shape == (2, 1, 8, 12)
    torch.testing.assert_close(sampling.gaussian_start(faces, [9]), together[1:], atol=1e-12, rtol=0)
    assert sampling.gaussian_start(faces.float(), [4]).dtype == torch.float32


# Probability-flow ODE ---------------------------------------------------------------------------------------------


def test_schedule_falls_from_first_to_last_level_densest_at_the_end():
    sigmas = sampling.schedule(20, 2.0, 0.05)
    assert len(sigmas) == 21
    assert sigmas[[0, -1]] == pytest.approx([2, 0.05])
    steps = -np.diff(sigmas)
    assert (steps > 0).all()
    assert (np.diff(steps) < 0).all()
    assert np.ptp(np.diff(sigmas ** (1 / 5))) < 1e-12


class Gaussian:
    """Exact denoiser of N(mean, s^2), told each noise level."""

    mean = torch.linspace(0, 1, 12, dtype=torch.float64).view(1, 1, 3, 4)
    s = torch.linspace(0.1, 2, 12, dtype=torch.float64).view(1, 1, 3, 4)

    def __call__(self, y, sigma):
        return self.mean + self.s**2 / (self.s**2 + sigma**2) * (y - self.mean)


def test_heun_converges_with_order_two_to_the_exact_flow():
    """y(sigma) - m = (y_0 - m) sqrt((s^2 + sigma^2) / (s^2 + sigma_0^2)); order by regression over the steps."""
    y = start(3, 1, 3, 4)
    shrunk = ((Gaussian.s**2 + 0.1**2) / (Gaussian.s**2 + 1)).sqrt()
    exact = Gaussian.mean + (y - Gaussian.mean) * shrunk
    counts, errors = [16, 32, 64, 128], []
    for steps in counts:
        *_, state = sampling.sample(Gaussian(), y, steps=steps, sigma_end=0.1)
        errors.append((state.y - exact).norm().item())
    order = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert 1.9 < order < 2.2
    assert errors[-1] < 1e-3


@pytest.mark.parametrize("calls", [1, 2])
def test_denoisers_are_told_the_level_of_what_they_see(calls):
    """Heun's method asks twice at each level after the first, the SDE once."""
    heard = []

    def listener(y, sigma):
        heard.append(sigma)
        return 0.5 * y

    y, sigmas = start(1, 1, 3, 4), sampling.schedule(3)
    walk = sampling.sample_sde(listener, y, [0], steps=3) if calls == 1 else sampling.sample(listener, y, steps=3)
    sampling.last(walk)
    assert heard == pytest.approx([sigmas[0], *np.repeat(sigmas[1:], calls)])


def test_states_carry_the_schedule_and_the_denoised_image(bfcnn):
    y = start(2, 1, 9, 11)
    states = list(sampling.sample(bfcnn, y, steps=5))
    assert [state.sigma[0].item() for state in states] == pytest.approx(sampling.schedule(5)[1:])
    for state in states:
        assert state.sigma.shape == (2,)
        torch.testing.assert_close(state.x_hat, bfcnn(state.y))
    assert torch.equal(sampling.last(iter(states)), states[-1].x_hat)


def test_the_sample_is_not_clipped():
    y = start(1, 1, 3, 4)
    x = sampling.last(sampling.sample(Constant(1.7), y, steps=3))
    assert torch.equal(x, torch.full_like(y, 1.7))


# Algorithm 1 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("beta", "growing"), [(0.1, False), (0.5, False), (1.0, False), (0.1, True)])
def test_a_zero_denoiser_contracts_sigma_by_one_minus_beta_h(beta, growing):
    """E sigma_(t+1)^2 = (1 - beta h_t)^2 sigma_t^2, each of five steps within four standard errors of 60 images."""
    y = start(60, 1, 15, 17)
    sigma = y.square().mean((1, 2, 3)).sqrt()
    states = sampling.sample_stochastic(zero, y, range(60), h0=0.2, beta=beta, growing=growing)
    for t in range(1, 6):
        state = next(states)
        h = 0.2 * t / (1 + 0.2 * (t - 1)) if growing else 0.2
        ratio = (state.sigma / sigma).square()
        error = ratio.std() / math.sqrt(60)
        assert abs(ratio.mean() - (1 - beta * h) ** 2) < 4 * error + 1e-12
        assert error < 0.02
        sigma = state.sigma


def test_each_step_is_the_papers_with_the_noise_of_its_seed_and_step(bfcnn):
    """y + h r + gamma z, and the z of the first step is not that of the start."""
    y, seeds, h, beta = start(2, 1, 9, 11), [6, 7], 0.05, 0.3
    states = sampling.sample_stochastic(bfcnn, y, seeds, h0=h, beta=beta, growing=False)
    for t in (1, 2):
        state = next(states)
        r = bfcnn(y) - y
        s = r.flatten(1).norm(dim=1) / math.sqrt(99)
        gamma = (((1 - beta * h) ** 2 - (1 - h) ** 2) * s**2).sqrt().view(2, 1, 1, 1)
        y = y + h * r + gamma * sampling.noise(seeds, t, (1, 9, 11))
        torch.testing.assert_close(state.y, y, atol=1e-12, rtol=1e-12)
        torch.testing.assert_close(state.x_hat, bfcnn(y))
        torch.testing.assert_close(state.sigma, (bfcnn(y) - y).square().mean((1, 2, 3)).sqrt())


def test_images_stop_one_by_one_and_then_stay():
    y = start(3, 1, 9, 11) * torch.tensor([0.01, 0.1, 1]).view(3, 1, 1, 1)
    states = list(sampling.sample_stochastic(zero, y, [0, 1, 2], h0=0.1, beta=0.5, sigma_end=0.05))
    steps = [sum((state.sigma[i] > 0.05).item() for state in states) for i in range(3)]
    assert steps[0] == 0 < steps[1] < steps[2] == len(states) - 1
    for state in states:
        assert torch.equal(state.y[0], y[0])
    stopped = [state.y[1] for state in states[steps[1] :]]
    assert all(torch.equal(stopped[0], later) for later in stopped)
    assert (states[-1].sigma <= 0.05).all()


def test_an_earlier_state_is_never_changed():
    states = sampling.sample_stochastic(zero, start(2, 1, 3, 4), [0, 1])
    first = next(states)
    kept = first.y.clone(), first.x_hat.clone(), first.sigma.clone()
    next(states)
    assert all(torch.equal(a, b) for a, b in zip(kept, (first.y, first.x_hat, first.sigma), strict=True))


def test_growing_steps_need_far_fewer_than_constant_ones():
    """The paper's constants: about 100 against 2,995 (science: -log(.05) / (beta h))."""
    y = start(1, 1, 40, 50)
    options = {"h0": 0.01, "beta": 0.1, "sigma_end": 0.05}
    growing = len(list(sampling.sample_stochastic(zero, y, [0], **options)))
    constant = len(list(sampling.sample_stochastic(zero, y, [0], **options, growing=False)))
    assert 60 < growing < 150
    assert 2500 < constant < 3500


def test_the_step_that_reaches_the_end_may_be_the_last_one_allowed():
    y = start(2, 1, 3, 4)
    needed = len(list(sampling.sample_stochastic(zero, y, [0, 1], h0=0.3, beta=0.5)))
    assert len(list(sampling.sample_stochastic(zero, y, [0, 1], h0=0.3, beta=0.5, max_steps=needed))) == needed


def test_a_sampler_that_does_not_arrive_says_so():
    y = start(2, 1, 3, 4)
    with pytest.raises(RuntimeError, match=r"2 images did not reach sigma_end=0.02 in 3 steps"):
        list(sampling.sample_stochastic(zero, y, [0, 1], max_steps=3))


@pytest.mark.parametrize("sampler", [sampling.sample_sde, sampling.sample_stochastic])
def test_one_seed_for_each_image_is_needed(sampler):
    with pytest.raises(ValueError, match="One seed for each of the 2 images is needed, got 1"):
        next(sampler(zero, start(2, 1, 3, 4), [0]))


# The reverse SDE --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [3, 20])
def test_the_sde_keeps_the_law_of_noisy_images_in_any_number_of_steps(steps):
    """One grey plus noise of standard deviation sigma: variance and mean after each step, within 4 standard errors."""
    y = 0.4 + start(50, 1, 20, 21)
    for state in sampling.sample_sde(Constant(0.4), y, range(50), steps=steps, sigma_end=0.1):
        z = (state.y - 0.4) / state.sigma.view(-1, 1, 1, 1)
        assert z.square().mean() == pytest.approx(1, abs=4 * math.sqrt(2 / z.numel()))
        assert z.mean() == pytest.approx(0, abs=4 / math.sqrt(z.numel()))
    assert (y - 0.4).flatten() @ z.flatten() < 0.2 * z.numel()  # the start is forgotten


# Both -------------------------------------------------------------------------------------------------------------

SAMPLERS = {
    "heun": lambda denoiser, y, seeds: sampling.sample(denoiser, y, steps=15),
    "sde": lambda denoiser, y, seeds: sampling.sample_sde(denoiser, y, seeds, steps=40),
    "algorithm 1": lambda denoiser, y, seeds: sampling.sample_stochastic(denoiser, y, seeds, beta=0.5),
}


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_with_the_memorizer_samples_are_training_images(sampler, faces):
    """Each within a hundredth per pixel, and not all the same one."""
    seeds = range(6)
    y = sampling.gaussian_start(faces, seeds)
    x = sampling.last(sampler(BlindEmpiricalDenoiser(faces), y, seeds))
    distances = torch.cdist(x.flatten(1), faces.flatten(1)) / math.sqrt(96)
    nearest, index = distances.min(1)
    assert (nearest < 0.01).all()
    assert len(set(index.tolist())) > 1


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
@pytest.mark.parametrize("case", ["unet", "bfcnn", "memorizer"])
def test_a_sample_does_not_depend_on_its_batch_mates(sampler, case, request):
    """Float64; relative to 1e-9, for a sampler amplifies rounding."""
    shape = (1, 8, 12)
    if case == "memorizer":
        denoiser = BlindEmpiricalDenoiser(torch.rand(4, *shape, dtype=torch.float64))
    else:
        denoiser = request.getfixturevalue(case)
        with torch.no_grad():  # a small residual, so that the sampler stays in bounds
            [m for m in denoiser.modules() if isinstance(m, torch.nn.Conv2d)][-1].weight.mul_(0.3)
    seeds = [5, 6, 7]
    y = sampling.noise(seeds, 0, shape) * torch.tensor([0.3, 1, 2]).view(3, 1, 1, 1)

    def end(part):
        return list(itertools.islice(sampler(denoiser, y[part], seeds[part]), 40))[-1]

    together = end(slice(0, 3))
    for i in range(3):
        alone = end(slice(i, i + 1))
        torch.testing.assert_close(alone.y[0], together.y[i], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(alone.x_hat[0], together.x_hat[i], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_samplers_leave_start_and_denoiser_as_they_were(sampler, bfcnn):
    y = start(2, 1, 9, 11)
    before = y.clone(), {name: value.clone() for name, value in bfcnn.state_dict().items()}
    for _ in zip(range(3), sampler(bfcnn, y, [0, 1]), strict=False):
        pass
    assert torch.equal(y, before[0])
    assert all(torch.equal(value, before[1][name]) for name, value in bfcnn.state_dict().items())
    assert torch.is_grad_enabled()


def test_samplers_keep_no_graph(bfcnn):
    """On the module as it is: the type checker of these tests hides from torch.no_grad that samplers are generators."""
    plain = without_types(sampling)
    y = start(1, 1, 7, 9)
    for states in (plain.sample(bfcnn, y), plain.sample_sde(bfcnn, y, [0]), plain.sample_stochastic(bfcnn, y, [0])):
        assert not next(states).x_hat.requires_grad
        assert torch.is_grad_enabled()


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_a_network_in_training_mode_is_refused_and_not_flipped(sampler, bfcnn):
    bfcnn.train()
    with pytest.raises(ValueError, match="training mode"):
        next(sampler(bfcnn, start(2, 1, 9, 11), [0, 1]))
    assert bfcnn.training


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_a_walk_that_diverges_says_so(sampler):
    """A denoiser that multiplies by -1e30 overflows within a few steps."""
    with pytest.raises(FloatingPointError, match="diverged"):
        sampling.last(sampler(lambda y: -1e30 * y, start(1, 1, 3, 4).float(), [0]))


def test_a_start_below_the_last_level_has_no_sample():
    with pytest.raises(ValueError, match="made no step"):
        sampling.last(sampling.sample_stochastic(zero, start(1, 1, 3, 4, sigma=0.001), [0]))


@pytest.mark.parametrize("sampler", [sampling.sample, lambda f, y, **k: sampling.sample_sde(f, y, [0], **k)])
def test_walks_need_steps_and_levels_that_fall(sampler):
    y = start(1, 1, 3, 4)
    for steps in (0, -1):
        with pytest.raises(ValueError, match=f"at least one step, got steps={steps}"):
            next(sampler(zero, y, steps=steps))
    for levels in ({"sigma_end": 0.0}, {"sigma_end": -1.0}, {"sigma_end": 1.0}, {"sigma_0": math.nan}):
        with pytest.raises(ValueError, match="must fall from sigma_0 to a sigma_end above 0"):
            next(sampler(zero, y, **levels))


@pytest.mark.parametrize(
    "wrong", [{"beta": 1.5}, {"beta": -0.5}, {"beta": math.nan}, {"h0": 0.0}, {"h0": 1.5}, {"sigma_end": 0.0}]
)
def test_algorithm_1_needs_arguments_that_lead_somewhere(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}={next(iter(wrong.values()))}"):
        next(sampling.sample_stochastic(zero, start(1, 1, 3, 4), [0], **wrong))


def test_algorithm_1_has_nothing_to_tell():
    """It asks the denoiser for the noise level: one that must be told it says so."""
    network = ConditionalUNet(width=2, scales=1).eval()
    with pytest.raises(ValueError, match="told the noise level"):
        next(sampling.sample_stochastic(network, start(1, 1, 4, 6, dtype=torch.float32), [0]))
    assert sampling.last(sampling.sample(network, start(1, 1, 4, 6, dtype=torch.float32), steps=2)).shape == (
        1,
        1,
        4,
        6,
    )


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_a_start_that_is_not_finite_is_refused(sampler):
    y = start(2, 1, 3, 4)
    y[1, 0, 2, 3] = math.nan
    with pytest.raises(ValueError, match="not finite"):
        next(sampler(zero, y, [0, 1]))


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_no_state_of_a_walk_that_diverged_is_handed_out(sampler):
    """Whoever takes the last state itself, without `last`, is told as well."""
    with pytest.raises(FloatingPointError, match="diverged"):
        for state in sampler(lambda y: -1e30 * y, start(1, 1, 3, 4).float(), [0]):
            assert state.x_hat.isfinite().all()


def test_one_held_out_image_has_no_covariance(faces):
    y = sampling.gaussian_start(faces[:1], [3, 4], 0.5)
    assert torch.equal(y, faces[:1] + 0.5 * sampling.noise([3, 4], 0, (1, 8, 12)))


@pytest.mark.parametrize("seeds", [[0.5], ["a"], [-5]])
def test_seeds_are_integers_from_0(seeds):
    with pytest.raises(ValueError, match="seeds must be"):
        without_types(sampling).noise(seeds, 0, (1, 3, 4))
