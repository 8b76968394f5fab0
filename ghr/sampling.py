"""A denoiser and a start enter, new images leave, state by state.

Noise is a function of (sampling seed, step) alone, image by image (numpy's Philox keyed by both), so a sample does not
depend on batch, device or network: two networks given the same seeds see the same noise. Step and stop are decided per
image, so a result never depends on its batch mates. Departures from the paper: one start for all N and both halves,
taken from held-out images; the default sampler is the probability-flow ODE by Heun's method, which is deterministic
given the start (`sample`); the paper's stochastic Algorithm 1 is `sample_stochastic`, and `sample_sde` the reverse SDE.
"""

import itertools
import math
import operator
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr.denoiser import call, require_evaluation, require_images


@dataclass(frozen=True)
class State:
    """One moment of the reverse diffusion, image by image."""

    y: Float[Tensor, "b c h w"]  #: current noisy images, image units
    x_hat: Float[Tensor, "b c h w"]  #: what the denoiser makes of them; the sample, at the end
    sigma: Float[Tensor, " b"]  #: noise level of y, scheduled or estimated (`sample_stochastic`)


def noise(seeds: Sequence[int], step: int, shape: tuple[int, ...]) -> Float[Tensor, "b ..."]:
    """White noise of each sampling seed at one step: step 0 is the start.

    Args:
        seeds: one per image, integers from 0.
        step: from 0.
        shape: of one image.

    Returns:
        Tensor ``(len(seeds), *shape)``, float64 on the CPU.

    Raises:
        ValueError: for seeds that are no integers, or negative ones.
    """
    try:
        seeds = [operator.index(seed) for seed in seeds]
    except TypeError as error:
        raise ValueError(f"Sampling seeds must be integers, got {list(seeds)}.") from error
    if min(seeds, default=0) < 0:
        raise ValueError(f"Sampling seeds must be 0 or more, got {min(seeds)}.")
    draws = [np.random.Generator(np.random.Philox(key=[seed, step])).standard_normal(shape) for seed in seeds]
    return torch.from_numpy(np.stack(draws))


def gaussian_start(
    held_out: Float[Tensor, "m c h w"], seeds: Sequence[int], sigma_0: float = 1.0, covariance: bool = True
) -> Float[Tensor, "b c h w"]:
    """Noisy images to start from: Gaussian, with the moments of held-out images. ::

        y_0 ~ N(m, C + sigma_0^2 I);  without covariance N(m, sigma_0^2 I), as in the paper

    Args:
        held_out: images that no network was trained on; a single one has no covariance.
        seeds: one per image.
        sigma_0: standard deviation of the noise, image units.
        covariance: whether C counts.

    Returns:
        Start of each seed, image units.

    Raises:
        TypeError: for images that are no tensor of floating point numbers.
        ValueError: for images that are none, or not finite; for a negative sigma_0; for seeds as `noise`.

    Source: own choice: the mean plus unit noise is far from the noisy images' law when bright and dark images differ
    by more than sigma_0 in norm, and gives flat samples.
    """
    require_images(held_out)
    if not 0 <= sigma_0 < math.inf:
        raise ValueError(f"sigma_0 must be 0 or more, got {sigma_0}.")
    flat = held_out.flatten(1).double().cpu()
    mean = flat.mean(0)
    z = noise(seeds, 0, tuple(flat.shape[1:]))
    start = sigma_0 * z
    if covariance and len(flat) > 1:  # (C + sigma_0^2 I)^(1/2) z: away from the images' principal axes it is sigma_0 z
        _, deviations, axes = torch.linalg.svd((flat - mean) / (len(flat) - 1) ** 0.5, full_matrices=False)
        start += ((deviations.square() + sigma_0**2).sqrt() - sigma_0) * (z @ axes.T) @ axes
    return (mean + start).view(len(seeds), *held_out.shape[1:]).to(held_out)


def schedule(steps: int, sigma_0: float = 1.0, sigma_end: float = 0.01) -> Float[np.ndarray, " steps_1"]:
    """Noise levels from sigma_0 to sigma_end, denser where they are small. ::

        sigma_i = (a + (i / steps) (b - a))^5,   a = sigma_0^(1/5), b = sigma_end^(1/5)

    Args:
        steps: number of them.
        sigma_0: first noise level, image units.
        sigma_end: last one.

    Returns:
        Noise levels, one more than steps.

    Raises:
        ValueError: for fewer than one step, or levels that do not fall from sigma_0 to a sigma_end above 0.

    Source: own choice after Karras et al. 2022, Eq. 5 (there exponent 7).
    """
    if steps < 1:
        raise ValueError(f"A walk needs at least one step, got steps={steps}.")
    if not 0 < sigma_end < sigma_0 < math.inf:
        raise ValueError(
            f"Noise levels must fall from sigma_0 to a sigma_end above 0, got sigma_0={sigma_0} and "
            f"sigma_end={sigma_end}."
        )
    return np.linspace(sigma_0 ** (1 / 5), sigma_end ** (1 / 5), steps + 1) ** 5


@torch.no_grad()
def sample(
    f,
    y: Float[Tensor, "b c h w"],
    *,
    steps: int = 20,
    sigma_0: float = 1.0,
    sigma_end: float = 0.01,
) -> Iterator[State]:
    """Probability-flow ODE by Heun's method: deterministic reverse diffusion. ::

        dy / d sigma = (y - f(y, sigma)) / sigma

    Args:
        f: denoiser, in evaluation mode.
        y: start, e.g. of `gaussian_start`.
        steps: Heun steps, two denoiser calls each.
        sigma_0: first noise level, image units.
        sigma_end: last one.

    Yields:
        State after each step; the last x_hat, unclipped, is the sample.

    Raises:
        TypeError: for a start or answers that are no tensors of floating point numbers.
        ValueError: for a denoiser in training mode, or that must be told sigma and is not; for a start that is no
            images, or is not finite; and as `schedule`.
        FloatingPointError: when an image diverges.

    Source: Karras et al. 2022, Algorithm 1.
    """
    require_evaluation(f)
    require_images(y)
    sigmas = schedule(steps, sigma_0, sigma_end)
    x_hat = call(f, y, float(sigmas[0]))
    for sigma, smaller in itertools.pairwise(sigmas):
        slope = (y - x_hat) / sigma
        euler = y + (smaller - sigma) * slope
        y = y + (smaller - sigma) * (slope + (euler - call(f, euler, float(smaller))) / smaller) / 2
        x_hat = call(f, y, float(smaller))
        _require_finite(x_hat)
        yield State(y, x_hat, y.new_full((len(y),), smaller))


@torch.no_grad()
def sample_sde(
    f,
    y: Float[Tensor, "b c h w"],
    seeds: Sequence[int],
    *,
    steps: int = 60,
    sigma_0: float = 1.0,
    sigma_end: float = 0.01,
) -> Iterator[State]:
    """Reverse-time SDE on the schedule of `sample`: each step removes noise and puts some of it back. ::

        y' = f + (s'/s)^2 (y - f) + s' sqrt(1 - (s'/s)^2) z,     s -> s' < s:   exact while f does not change

    Args:
        f: denoiser, in evaluation mode.
        y: start.
        seeds: one per image, of the noise z; step t uses draw t.
        steps: one denoiser call each.
        sigma_0: first noise level, image units.
        sigma_end: last one.

    Yields:
        State after each step; the last x_hat, unclipped, is the sample.

    Raises:
        TypeError: for a start or answers that are no tensors of floating point numbers.
        ValueError: for a denoiser in training mode, or that must be told sigma and is not; for a start that is no
            images, or is not finite; for another number of seeds; and as `schedule`.
        FloatingPointError: when an image diverges.

    Source: ancestral sampling of Ho et al. 2020 and Song et al. 2021, here with variance that explodes.
    """
    require_evaluation(f)
    require_images(y)
    _require_seeds(seeds, y)
    sigmas = schedule(steps, sigma_0, sigma_end)
    x_hat = call(f, y, float(sigmas[0]))
    for t, (sigma, smaller) in enumerate(itertools.pairwise(sigmas), 1):
        kept = (smaller / sigma) ** 2
        z = noise(seeds, t, tuple(y.shape[1:])).to(y)
        y = x_hat + kept * (y - x_hat) + smaller * (1 - kept) ** 0.5 * z
        x_hat = call(f, y, float(smaller))
        _require_finite(x_hat)
        yield State(y, x_hat, y.new_full((len(y),), smaller))


@torch.no_grad()
def sample_stochastic(
    f,
    y: Float[Tensor, "b c h w"],
    seeds: Sequence[int],
    *,
    h0: float = 0.01,
    beta: float = 0.1,
    sigma_end: float = 0.02,
    growing: bool = True,
    max_steps: int = 10_000,
) -> Iterator[State]:
    """The paper's Algorithm 1: coarse to fine gradient ascent on the density, its noise level estimated from y. ::

        r = f(y) - y,  s = ||r|| / sqrt(d),  gamma^2 = ((1 - beta h)^2 - (1 - h)^2) s^2
        y <- y + h r + gamma z      until s <= sigma_end, image by image

    Args:
        f: denoiser, blind, in evaluation mode: here nobody knows the noise level before the denoiser does.
        y: start.
        seeds: one per image, of the noise z; step t uses draw t.
        h0: step size, above 0 and at most 1.
        beta: 1 adds no noise, 0 keeps sigma.
        sigma_end: noise level at which an image stops, image units.
        growing: h_t = h0 t / (1 + h0 (t - 1)) as in the authors' code, else constant as in the paper.
        max_steps: how many steps are too many.

    Yields:
        State after each step (images that stopped stay as they are); the last x_hat is the sample.

    Raises:
        TypeError: for a start or answers that are no tensors of floating point numbers.
        ValueError: for a denoiser in training mode, or that must be told sigma and is not; for a start that is no
            images, or is not finite; for
            another number of seeds; for h0, beta or sigma_end outside their ranges.
        RuntimeError: after max_steps.
        FloatingPointError: when an image diverges.

    Source: paper, Algorithm 1; Kadkhodaie & Simoncelli 2021.
    """
    require_evaluation(f)
    require_images(y)
    _require_seeds(seeds, y)
    if not (0 < h0 <= 1 and 0 <= beta <= 1 and 0 < sigma_end < math.inf):
        raise ValueError(
            f"h0 must be above 0 and at most 1, beta between 0 and 1, and sigma_end above 0, got h0={h0}, beta={beta} "
            f"and sigma_end={sigma_end}."
        )
    y, x_hat = y.clone(), call(f, y)
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
        y[going], x_hat[going] = moved, call(f, moved)
        sigma[going] = (x_hat[going] - moved).square().mean((1, 2, 3)).sqrt()
        _require_finite(sigma)
        yield State(y, x_hat, sigma)


def last(states: Iterator[State]) -> Float[Tensor, "b c h w"]:
    """The sample at the end of a walk: the last denoised image, unclipped.

    Args:
        states: of `sample`, `sample_sde` or `sample_stochastic`.

    Returns:
        Samples, image units.

    Raises:
        ValueError: for a walk without a step.
        FloatingPointError: for one that diverged.
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
