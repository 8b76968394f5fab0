"""Is the shrinkage right? A study enters, error and kept dimensions of its networks leave, beside what the optimum has.

The optimum's squared error is sigma^2 E tr J. So three numbers are 1 for it: self-consistency SC, Stein's estimate of
the error over the error, and the noise level that a blind network saw over the one that is there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import jacobian
from ghr.denoiser import denoise
from ghr.experiments import Study
from ghr.noise import SIGMAS, add_noise, mse
from ghr.stats import Estimate, estimate, psnr_of_mean, ratio
from ghr.tables import Table

STRONG = SIGMAS[SIGMAS >= 0.05]  #: where the noise level can be seen
MODERATE = STRONG <= 0.5  #: of these, where SC is judged
PROBES = 8  #: of each trace


@dataclass(frozen=True)
class Accounts:
    """What one denoiser does at some noise levels (rows), image by image (columns)."""

    errors: Float[np.ndarray, "k n"]  #: ||f(y) - x||^2 / d, squared image units
    traces: Float[np.ndarray, "k n"]  #: tr J, by Hutchinson's estimator
    stein: Float[np.ndarray, "k n"]  #: Stein's estimate of the error, which needs no clean image
    seen: Float[np.ndarray, "k n"]  #: noise level seen by an optimal blind denoiser, image units


def accounts(
    denoiser, x: Float[Tensor, "n c h w"], sigmas: Sequence[float] | Float[np.ndarray, " k"] = STRONG, seed: int = 0
) -> Accounts:
    """Error, trace, Stein's estimate and noise level of a denoiser.

    Args:
        denoiser: called f(y, sigma), in evaluation mode.
        x: clean images.
        sigmas: noise standard deviations, image units.
        seed: of the noise, and of the probes of the traces.

    Returns:
        Accounts, one value for each noise level and image.

    Raises:
        ValueError: for a module in training mode.

    Source: `ghr.jacobian.trace`, `sure` and `noise_level`.
    """
    columns = []
    for sigma in map(float, sigmas):
        y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
        x_hat = denoise(denoiser, y, sigma)
        traces, _ = jacobian.trace(denoiser, y, sigma, probes=PROBES, seed=seed)
        seen = jacobian.noise_level(y, x_hat, traces)
        columns.append([mse(x, x_hat), traces, jacobian.sure(y, x_hat, traces, sigma), seen])
    return Accounts(*(torch.stack(column).double().numpy() for column in zip(*columns, strict=True)))


def self_consistency(
    errors: np.ndarray, traces: np.ndarray, sigma: float | Float[np.ndarray, " k"], d: int, axis: int = -1
) -> np.ndarray | np.floating:
    """Error over what the kept dimensions account for. ::

        SC = MSE / (sigma^2 E tr J)

    Args:
        errors: ||f(y) - x||^2 / d, squared image units.
        traces: tr J of the same images.
        sigma: noise standard deviation, image units, or one for each row.
        d: pixels of an image.
        axis: of images.

    Returns:
        1 at the optimum, more when a denoiser errs more than the dimensions that it keeps account for.

    Source: Miyasawa 1961: the optimum's J is the covariance of x given y, over sigma^2.
    """
    share = ratio(errors, traces, axis)
    return share * d / _rows(sigma, share) ** 2


def misjudged(seen: np.ndarray, sigma: Float[np.ndarray, " k"], axis: int = -1) -> np.ndarray | np.floating:
    """Largest relative error of the mean noise level seen. ::

        max_sigma |mean(sigma_hat) / sigma - 1|

    Args:
        seen: sigma_hat, noise levels in rows, image units.
        sigma: noise standard deviation of each row.
        axis: of images.

    Returns:
        Share of the noise level.
    """
    mean = np.mean(seen, axis)
    return np.abs(mean / _rows(sigma, mean) - 1).max(0)


def _rows(sigma: float | np.ndarray, values: np.ndarray | np.floating) -> np.ndarray:
    """Noise levels, shaped to divide what has noise levels in its first axis."""
    return np.reshape(sigma, (-1, *[1] * (np.ndim(values) - 1))) if np.ndim(sigma) else np.asarray(sigma)


def _extreme(choose: Callable, errors: np.ndarray, traces: np.ndarray, sigma: np.ndarray, d: int, axis: int):
    return choose(self_consistency(errors, traces, sigma, d, axis), axis=0)


@dataclass(frozen=True)
class Level:
    """The accounts of one network at one noise level, over test images."""

    images: str  #: image set
    network: str  #: key of ghr.recipes.NETWORKS
    n: int  #: training images
    half: str  #: of the training images
    sigma: float  #: noise standard deviation, image units
    input_psnr: float  #: dB
    psnr: Estimate  #: dB
    trace: Estimate  #: tr J, dimensions kept
    sc: Estimate  #: error over sigma^2 tr J
    stein: Estimate  #: Stein's estimate of the error over the error
    seen: Estimate | None  #: noise level seen over that there is; None where not fewer than all dimensions are kept


@dataclass(frozen=True)
class Balance:
    """The accounts of one network over noise levels."""

    images: str  #: image set
    network: str  #: key of ghr.recipes.NETWORKS
    n: int  #: training images
    half: str  #: of the training images
    smallest: Estimate  #: SC for sigma between .05 and .5
    largest: Estimate  #: SC for sigma between .05 and .5
    #: largest ``|sigma_hat / sigma - 1|``; None where not fewer than all dimensions are kept
    misjudged: Estimate | None


def balance(*studies: Study, tested: int = 64, seed: int = 0) -> tuple[Table[Level], Table[Balance]]:
    """Do errors agree with the dimensions that networks keep?

    Args:
        *studies: networks of halves A and B, and images.
        tested: test images.
        seed: of the noise and of the probes.

    Returns:
        Half A of every N, and half B of N from 10 to 100 and of the largest; a row for each noise level, and one over
        noise levels.
    """
    levels, rows = [], []
    for study, (n, half), denoiser in [(s, *item) for s in studies for item in s.denoisers.items()]:
        if half == "A" or 10 <= n <= 100 or n == study.largest:
            found = accounts(denoiser, study.held_out[:tested], STRONG, seed)
            of_images = partial(estimate, regions=study.regions and study.regions.held_out[:tested])
            where, d = (study.name, study.network, n, half), study.held_out[0].numel()
            levels += [_level(where, found, k, d, of_images) for k in range(len(STRONG))]
            pair = found.errors[MODERATE], found.traces[MODERATE]
            extremes = (partial(_extreme, choose, sigma=STRONG[MODERATE], d=d) for choose in (np.min, np.max))
            smallest, largest = (of_images(extreme, *pair) for extreme in extremes)
            off = _if_finite(of_images, partial(misjudged, sigma=STRONG), found.seen)
            rows.append(Balance(*where, smallest, largest, off))
    return Table(tuple(levels)), Table(tuple(rows))


def _level(where: tuple[str, str, int, str], found: Accounts, k: int, d: int, of_images: Callable) -> Level:
    sigma, errors, traces = float(STRONG[k]), found.errors[k], found.traces[k]
    return Level(
        *where,
        sigma,
        input_psnr=float(-20 * np.log10(sigma)),
        psnr=of_images(psnr_of_mean, errors),
        trace=of_images(np.mean, traces),
        sc=of_images(partial(self_consistency, sigma=sigma, d=d), errors, traces),
        stein=of_images(ratio, found.stein[k], errors),
        seen=_if_finite(of_images, np.mean, found.seen[k] / sigma),
    )


def _if_finite(of_images: Callable, statistic: Callable, values: np.ndarray) -> Estimate | None:
    return of_images(statistic, values) if np.isfinite(values).all() else None
