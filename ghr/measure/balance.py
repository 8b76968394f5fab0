"""Is it a shrinkage, and is it the right one? A study enters, errors, kept dimensions and asymmetry of networks leave.

The optimum's J is symmetric if it is told the noise level, and its squared error sigma^2 E tr J. So four numbers are
known for it: what the symmetric part of J leaves out is 0; self-consistency SC, Stein's estimate of the error over the
error, and the noise level that a blind network saw over the one that is there are 1. What blindness alone costs a best
denoiser `blind` measures. None of these takes the matrix J: a few products with it suffice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import jacobian, sampling
from ghr.experiments import Study
from ghr.measure.bases import first_images
from ghr.noise import add_noise, mse
from ghr.references import RayWienerDenoiser
from ghr.stats import Estimate, estimate, psnr_gap, psnr_of_mean, ratio
from ghr.tables import Table

SIGMAS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)  #: noise levels, image units; below, a level is hardly seen
PROBES = 4  #: of each trace; their chance is small beside that of 64 images


@dataclass(frozen=True)
class Accounts:
    """What one denoiser does at some noise levels (rows), image by image (columns)."""

    errors: Float[np.ndarray, "k n"]  #: ||f(y) - x||^2 / d, squared image units
    symmetric: Float[np.ndarray, "k n"]  #: ||S y - x||^2 / d, S the symmetric part of J, squared image units
    left: Float[np.ndarray, "k n"]  #: ||f(y) - S y||^2 / d, squared image units
    power: Float[np.ndarray, "k n"]  #: ||f(y)||^2 / d, squared image units
    traces: Float[np.ndarray, "k n"]  #: tr J, by Hutchinson's estimator
    stein: Float[np.ndarray, "k n"]  #: Stein's estimate of the error, which needs no clean image
    seen: Float[np.ndarray, "k n"]  #: noise level seen by an optimal blind denoiser, image units


def accounts(
    denoiser, x: Float[Tensor, "n c h w"], sigmas: Sequence[float] | Float[np.ndarray, " k"] = SIGMAS, seed: int = 0
) -> Accounts:
    """Errors, trace, Stein's estimate and noise level of a homogeneous denoiser.

    Args:
        denoiser: called f(y, sigma), in evaluation mode.
        x: clean images.
        sigmas: noise standard deviations, image units.
        seed: of the noise, and of the probes of the traces.

    Returns:
        Accounts, one value for each noise level and image.

    Raises:
        ValueError: for a module in training mode.

    Source: `ghr.jacobian.symmetric`, `trace`, `sure` and `noise_level`.
    """
    columns = []
    for sigma in map(float, sigmas):
        y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
        x_hat, s_y = jacobian.symmetric(denoiser, y, sigma)
        traces, _ = jacobian.trace(denoiser, y, sigma, probes=PROBES, seed=seed)
        seen = jacobian.noise_level(y, x_hat, traces)
        pairs = [mse(x, x_hat), mse(x, s_y), mse(x_hat, s_y), x_hat.square().mean((1, 2, 3))]
        columns.append([*pairs, traces, jacobian.sure(y, x_hat, traces, sigma), seen])
    return Accounts(*(torch.stack(column).double().numpy() for column in zip(*columns, strict=True)))


def self_consistency(
    errors: np.ndarray, traces: np.ndarray, sigma: float | Float[np.ndarray, " k"], d: int, axis: int = -1
) -> np.ndarray | np.floating:
    """Error over what the kept dimensions account for. ::

        SC = d MSE / (sigma^2 E tr J)

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


def _rows(sigma: float | np.ndarray, values: np.ndarray | np.floating) -> np.ndarray:
    """Noise levels, shaped to divide what has noise levels in its first axis."""
    return np.reshape(sigma, (-1, *[1] * (np.ndim(values) - 1))) if np.ndim(sigma) else np.asarray(sigma)


@dataclass(frozen=True)
class Balance:
    """The accounts of a denoiser at one noise level, over images."""

    images: str  #: image set
    n: int  #: training images
    half: str  #: of the training images
    tested: int  #: images
    sigma: float  #: noise standard deviation, image units
    input_psnr: float  #: dB
    psnr: Estimate  #: of f(y), dB
    loss: Estimate  #: PSNR of f(y) over that of S y, dB
    left: Estimate  #: ||f(y) - S y||^2 over ||f(y)||^2, share of energy
    trace: Estimate  #: tr J, dimensions kept
    sc: Estimate  #: error over sigma^2 tr J
    stein: Estimate  #: Stein's estimate of the error over the error
    seen: Estimate | None  #: noise level seen over that there is; None where not fewer than all dimensions are kept


@dataclass(frozen=True)
class Level(Balance):
    """The accounts of one network at one noise level, over test images."""

    network: str  #: key of ghr.recipes.NETWORKS
    width: int  #: channels of its first scale


def levels(*studies: Study, tested: int = 64, half: str = "A", seed: int = 0) -> Table[Level]:
    """Do networks do what the symmetric part of their Jacobian does, and err as the dimensions that they keep say?

    Args:
        *studies: homogeneous networks of both halves, and images.
        tested: test images; of photographs, one from each of the first regions.
        half: of the training images.
        seed: of the noise and of the probes.

    Returns:
        One row for each N and noise level.
    """
    rows = []
    for study in studies:
        x, d = first_images(study, tested), study.held_out[0].numel()
        for n in study.sizes:
            found, run = accounts(study.denoisers[n, half], x, SIGMAS, seed), study.runs[n, half]
            of = {"network": study.network, "width": run.width}
            rows += [
                Level(study.name, n, half, len(x), sigma, **_numbers(found, k, sigma, d), **of)
                for k, sigma in enumerate(SIGMAS)
            ]
    return Table(tuple(rows))


def blind(study: Study, tested: int = 64, half: str = "A", seed: int = 0) -> Table[Balance]:
    """How far from symmetric is a best denoiser's J when nobody tells it the noise level?

    The symmetry of J needs the noise level to be told. Networks are not, so this is the null of what their symmetric
    part leaves out: `RayWienerDenoiser`, as free of constants as they are, on Gaussian images with the mean and
    covariance of the training images.

    Args:
        study: whose largest set gives mean and covariance.
        tested: Gaussian images.
        half: of the training images.
        seed: of the images, the noise and the probes.

    Returns:
        One row for each noise level.
    """
    n, training = study.largest, study.training(study.largest, half)
    x = sampling.gaussian_start(training, range(seed, seed + tested), sigma_0=0.0)
    found, d = accounts(RayWienerDenoiser(training), x, SIGMAS, seed), x[0].numel()
    every = (Balance(study.name, n, half, tested, s, **_numbers(found, k, s, d)) for k, s in enumerate(SIGMAS))
    return Table(tuple(every))


def _numbers(found: Accounts, k: int, sigma: float, d: int) -> dict[str, float | Estimate | None]:
    errors, traces, seen = found.errors[k], found.traces[k], found.seen[k]
    return {
        "input_psnr": float(-20 * np.log10(sigma)),
        "psnr": estimate(psnr_of_mean, errors),
        "loss": estimate(psnr_gap, errors, found.symmetric[k]),
        "left": estimate(ratio, found.left[k], found.power[k]),
        "trace": estimate(np.mean, traces),
        "sc": estimate(partial(self_consistency, sigma=sigma, d=d), errors, traces),
        "stein": estimate(ratio, found.stein[k], errors),
        "seen": estimate(np.mean, seen / sigma) if np.isfinite(seen).all() else None,
    }
