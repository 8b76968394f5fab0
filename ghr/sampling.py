"""A denoiser and a start enter, new images leave, state by state.

Noise is a function of (sampling seed, step) alone, image by image (numpy's Philox keyed by both), so a sample does not
depend on batch, device or network: two networks given the same seeds see the same noise. Step and stop are decided per
image, so a result never depends on its batch mates. Departures from the paper: one start for all N and both halves,
taken from held-out images; the default sampler is the probability-flow ODE by Heun's method, which is deterministic
given the start (`sample`); the paper's stochastic Algorithm 1 is `sample_stochastic`, and `sample_sde` the reverse SDE.
"""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr.denoisers import require_evaluation
from ghr.noise import at_level


@dataclass(frozen=True)
class State:
    """One moment of the reverse diffusion, image by image."""

    y: Float[Tensor, "b c h w"]  # current noisy images, image units
    x_hat: Float[Tensor, "b c h w"]  # what the denoiser makes of them; the sample, at the end
    sigma: Float[Tensor, " b"]  # noise level of y: scheduled, or estimated (`sample_stochastic`)


def noise(seeds: Sequence[int], step: int, shape: tuple[int, ...]) -> Float[Tensor, "b ..."]:
    """White noise of each sampling seed at one step: step 0 is the start.

    seeds: one per image.  shape: of one image.
    Returns: (len(seeds), *shape) float64 on the CPU.
    """
    draws = [np.random.Generator(np.random.Philox(key=[seed, step])).standard_normal(shape) for seed in seeds]
    return torch.from_numpy(np.stack(draws))


def gaussian_start(
    held_out: Float[Tensor, "m c h w"], seeds: Sequence[int], sigma_0: float = 1.0, covariance: bool = True
) -> Float[Tensor, "b c h w"]:
    """Noisy images to start from: Gaussian, with the moments of held-out images.

    y_0 ~ N(m, C + sigma_0^2 I);  without covariance N(m, sigma_0^2 I), as in the paper

    held_out: images that no network was trained on.  seeds: one per image.  sigma_0: image units.
    Returns: start of each seed, image units.
    Source: own choice: the mean plus unit noise is far from the noisy images' law when bright and dark images differ
    by more than sigma_0 in norm, and gives flat samples.
    """
    flat = held_out.flatten(1).double().cpu()
    mean = flat.mean(0)
    z = noise(seeds, 0, tuple(flat.shape[1:]))
    start = sigma_0 * z
    if covariance:  # (C + sigma_0^2 I)^(1/2) z: away from the images' principal axes it is sigma_0 z
        _, deviations, axes = torch.linalg.svd((flat - mean) / (len(flat) - 1) ** 0.5, full_matrices=False)
        start += ((deviations.square() + sigma_0**2).sqrt() - sigma_0) * (z @ axes.T) @ axes
    return (mean + start).view(len(seeds), *held_out.shape[1:]).to(held_out)


def schedule(steps: int, sigma_0: float = 1.0, sigma_end: float = 0.01) -> Float[np.ndarray, " steps_1"]:
    """Noise levels from sigma_0 to sigma_end, denser where they are small.

    sigma_i = (a + (i / steps) (b - a))^5,   a = sigma_0^(1/5), b = sigma_end^(1/5)

    Source: own choice after Karras et al. 2022, Eq. 5 (there exponent 7).
    """
    return np.linspace(sigma_0 ** (1 / 5), sigma_end ** (1 / 5), steps + 1) ** 5


@torch.no_grad()
def sample(
    denoiser,
    y: Float[Tensor, "b c h w"],
    *,
    steps: int = 20,
    sigma_0: float = 1.0,
    sigma_end: float = 0.01,
) -> Iterator[State]:
    """Probability-flow ODE by Heun's method: deterministic reverse diffusion.

    dy / d sigma = (y - f(y)) / sigma

    denoiser: y -> x_hat, in evaluation mode, told sigma if it can be.  y: start, e.g. of `gaussian_start`.
    steps: Heun steps, two denoiser calls each.  sigma_0, sigma_end: first and last noise level, image units.
    Yields: State after each step; the last x_hat, unclipped, is the sample.
    Raises: ValueError for a module in training mode.
    Source: Karras et al. 2022, Algorithm 1.
    """
    require_evaluation(denoiser)
    sigmas = schedule(steps, sigma_0, sigma_end)
    x_hat = at_level(denoiser, sigmas[0])(y)
    for sigma, smaller in itertools.pairwise(sigmas):
        slope, below = (y - x_hat) / sigma, at_level(denoiser, smaller)
        euler = y + (smaller - sigma) * slope
        y = y + (smaller - sigma) * (slope + (euler - below(euler)) / smaller) / 2
        x_hat = below(y)
        yield State(y, x_hat, y.new_full((len(y),), smaller))


@torch.no_grad()
def sample_sde(
    denoiser,
    y: Float[Tensor, "b c h w"],
    seeds: Sequence[int],
    *,
    steps: int = 60,
    sigma_0: float = 1.0,
    sigma_end: float = 0.01,
) -> Iterator[State]:
    """Reverse-time SDE on the schedule of `sample`: each step removes noise and puts some of it back.

    y' = f + (s'/s)^2 (y - f) + s' sqrt(1 - (s'/s)^2) z,     s -> s' < s:   exact while f does not change

    denoiser: as for `sample`.  y: start.  seeds: one per image, of the noise z; step t uses draw t.
    steps: one denoiser call each.  sigma_0, sigma_end: first and last noise level, image units.
    Yields: State after each step; the last x_hat, unclipped, is the sample.
    Raises: ValueError for a module in training mode or another number of seeds.
    Source: ancestral sampling of Ho et al. 2020 and Song et al. 2021, here with variance that explodes.
    """
    require_evaluation(denoiser)
    _require_seeds(seeds, y)
    sigmas = schedule(steps, sigma_0, sigma_end)
    x_hat = at_level(denoiser, sigmas[0])(y)
    for t, (sigma, smaller) in enumerate(itertools.pairwise(sigmas), 1):
        kept = (smaller / sigma) ** 2
        z = noise(seeds, t, tuple(y.shape[1:])).to(y)
        y = x_hat + kept * (y - x_hat) + smaller * (1 - kept) ** 0.5 * z
        x_hat = at_level(denoiser, smaller)(y)
        yield State(y, x_hat, y.new_full((len(y),), smaller))


@torch.no_grad()
def sample_stochastic(
    denoiser,
    y: Float[Tensor, "b c h w"],
    seeds: Sequence[int],
    *,
    h0: float = 0.01,
    beta: float = 0.1,
    sigma_end: float = 0.02,
    growing: bool = True,
    max_steps: int = 10_000,
) -> Iterator[State]:
    """The paper's Algorithm 1: coarse to fine gradient ascent on the density, its noise level estimated from y.

    r = f(y) - y,  s = ||r|| / sqrt(d),  gamma^2 = ((1 - beta h)^2 - (1 - h)^2) s^2
    y <- y + h r + gamma z      until s <= sigma_end, image by image

    denoiser: y -> x_hat, in evaluation mode.  y: start.  seeds: one per image, of the noise z; step t uses draw t.
    h0: step size; growing: h_t = h0 t / (1 + h0 (t - 1)) as in the authors' code, else constant as in the paper.
    beta: 1 adds no noise, 0 keeps sigma.  sigma_end: image units.
    Yields: State after each step (images that stopped stay as they are); the last x_hat is the sample.
    Raises: ValueError for a module in training mode or another number of seeds; RuntimeError after max_steps;
    FloatingPointError when an image diverges.
    Source: paper, Algorithm 1; Kadkhodaie & Simoncelli 2021.
    """
    require_evaluation(denoiser)
    _require_seeds(seeds, y)
    y, x_hat = y.clone(), denoiser(y)
    sigma = (x_hat - y).square().mean((1, 2, 3)).sqrt()
    t = 0
    while len(going := (sigma > sigma_end).nonzero().squeeze(1)):
        if t == max_steps:
            raise RuntimeError(
                f"{len(going)} images did not reach sigma_end={sigma_end} in {max_steps} steps: raise it or h0."
            )
        t += 1
        h = h0 * t / (1 + h0 * (t - 1)) if growing else h0
        gamma = ((1 - beta * h) ** 2 - (1 - h) ** 2) ** 0.5 * sigma[going, None, None, None]
        z = noise([seeds[i] for i in going.tolist()], t, tuple(y.shape[1:])).to(y)
        moved = y[going] + h * (x_hat[going] - y[going]) + gamma * z
        y, x_hat, sigma = y.clone(), x_hat.clone(), sigma.clone()  # an earlier State is never changed
        y[going], x_hat[going] = moved, denoiser(moved)
        sigma[going] = (x_hat[going] - moved).square().mean((1, 2, 3)).sqrt()
        _require_finite(sigma)
        yield State(y, x_hat, sigma)


def last(states: Iterator[State]) -> Float[Tensor, "b c h w"]:
    """The sample at the end of a walk: the last denoised image, unclipped.

    Raises: ValueError for a walk without a step; FloatingPointError for one that diverged.
    """
    end = deque(states, maxlen=1)
    if not end:
        raise ValueError("The sampler made no step: its start is already below sigma_end.")
    _require_finite(end[0].x_hat)
    return end[0].x_hat


def _require_finite(values: Tensor) -> None:
    if not values.isfinite().all():
        raise FloatingPointError("The sampler diverged: the denoiser is not trained well enough where noise is strong.")


def _require_seeds(seeds: Sequence[int], y: Tensor) -> None:
    if len(seeds) != len(y):
        raise ValueError(f"One seed for each of the {len(y)} images is needed, got {len(seeds)}.")
