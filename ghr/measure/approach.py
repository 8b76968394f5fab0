"""Does a network come to its optimum when it sees more images, or does it stop before? Trainings enter, limits leave.

Networks of one image set whose best denoiser is known, each trained to the end of a schedule of its own on four times
as many images as the one before. What falls towards the optimum is undertraining; what is left in the limit would be a
bias of the network. A limit is an extrapolation: it says where the curve leads if it goes on as it went. ::

    q(t) = q_inf + a t^-b,   t images seen,   .05 <= b <= 2
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import jacobian
from ghr.denoiser import denoise
from ghr.experiments import Study
from ghr.measure import gaussian_fields
from ghr.measure.manifolds import WEAK
from ghr.noise import add_noise, mse
from ghr.references import DiscPosterior, RayDenoiser
from ghr.stats import Estimate, estimate, psnr_gap, ratio
from ghr.tables import Table

LEAST = 4  #: lengths of training from which a limit is read; three numbers are fitted
_POWERS = np.linspace(0.05, 2, 118)  # b


@dataclass(frozen=True)
class Course:
    """A network after a training of some length, beside the optimum; means over images."""

    images: str  #: image set
    images_seen: int  #: in training, with repetition
    sigma: float  #: noise level, image units
    loss: Estimate  #: PSNR of the optimum less that of the network, dB
    excess: Estimate  #: E ||f(y) - f*(y)||^2 / E ||f*(y) - x||^2, f* the optimum; the loss is that of 1 + excess
    trace: Estimate  #: tr J, dimensions
    best: float  #: tr J of the optimum at the same noisy images, dimensions


@dataclass(frozen=True)
class Limit:
    """Where the networks of one image set lead; limits are None of fewer lengths of training than LEAST."""

    images: str  #: image set
    shortest: int  #: training, images seen
    longest: int  #: the same
    lengths: int  #: of training
    power: Estimate  #: p of excess ~ t^-p, a line through all on two log axes
    last: Estimate  #: the same between the last two trainings
    excess: Estimate | None  #: limit of the excess error, a share of the optimum's
    trace: Estimate | None  #: limit of tr J, dimensions
    best: float  #: tr J of the optimum, dimensions


def courses(
    studies: Sequence[Study], x: Mapping[str, Float[Tensor, "m 1 h w"]], tested: int = 48, seed: int = 0
) -> tuple[Table[Course], Table[Limit]]:
    """How far from the optimum is each network, and where does its image set lead?

    Args:
        studies: of one network each, of discs, a ray or Gaussian fields; from the shortest training of a set to the
            longest.
        x: clean images of some sets (the others: test images).
        tested: test images.
        seed: of the noise and of the probes, the same for all.

    Returns:
        One row for each network; one for each image set.
    """
    rows, limits = [], []
    for name in dict.fromkeys(study.name for study in studies):
        some = [study for study in studies if study.name == name]
        clean = x[name] if name in x else some[0].held_out[:tested]
        y = add_noise(clean, WEAK, torch.Generator().manual_seed(seed))
        target, kept = optimum(some[0], y)
        best, dimensions = _squares(target, clean), kept.mean().item()
        seen, apart, traces = [], [], []
        for study in some:
            (run,), (f,) = study.runs.values(), study.denoisers.values()
            answer = denoise(f, y, WEAK)
            seen.append(run.images_seen)
            apart.append(_squares(answer, target))
            traces.append(jacobian.trace(f, y, WEAK, seed=seed)[0].double().numpy())
            rows.append(
                Course(
                    name,
                    run.images_seen,
                    WEAK,
                    loss=estimate(psnr_gap, best, _squares(answer, clean)),
                    excess=estimate(ratio, apart[-1], best),
                    trace=estimate(np.mean, traces[-1]),
                    best=dimensions,
                )
            )
        t, pair = np.array(seen, float), (np.stack(apart), np.stack([best] * len(seen)))
        enough = len(seen) >= LEAST
        limits.append(
            Limit(
                name,
                min(seen),
                max(seen),
                len(seen),
                power=estimate(partial(_power, seen=t), *pair),
                last=estimate(partial(_power, seen=t[-2:]), *(values[-2:] for values in pair)),
                excess=estimate(partial(limit, seen=t), *pair) if enough else None,
                trace=estimate(partial(limit, seen=t), np.stack(traces)) if enough else None,
                best=dimensions,
            )
        )
    return Table(tuple(rows)), Table(tuple(limits), Limit)


def optimum(study: Study, y: Float[Tensor, "n 1 h w"]) -> tuple[Float[Tensor, "n 1 h w"], Float[Tensor, " n"]]:
    """The best answers at the noise level of whole Jacobians, and how many dimensions they keep.

    Args:
        study: of discs, a ray or Gaussian fields.
        y: images of this set with noise of sigma = WEAK.

    Returns:
        Best estimates and tr J of each. On discs by integrals over all discs; on a ray by projection, which is the
        optimum where noise is weak beside the contrast; on fields by the exact Wiener denoiser.

    Raises:
        ValueError: for another image set.
    """
    if study.name == "discs":
        best = DiscPosterior(y.shape[-1]).posterior(y, WEAK)
        return best.mean, best.trace
    if study.name == "ray":
        project = RayDenoiser(study.held_out[:1])
        return project(y), torch.ones(len(y))
    if study.name.startswith("fields-"):
        exact = gaussian_fields.exact(study)
        (spectrum,) = exact.buffers()
        return exact(y, WEAK), (spectrum / (spectrum + WEAK**2)).sum().expand(len(y))
    raise ValueError(f'No best denoiser of "{study.name}" is known: expected discs, ray or Gaussian fields.')


def _squares(a: Tensor, b: Tensor) -> Float[np.ndarray, " n"]:
    return mse(a, b).double().numpy()


def limit(
    values: np.ndarray, over: np.ndarray | None = None, axis: int = -1, *, seen: Float[np.ndarray, " k"]
) -> np.ndarray | np.floating:
    """The limit q_inf of a mean that falls as q_inf + a t^-b, not below 0. ::

        q_inf, a, b = argmin sum_k ((q_inf + a t_k^-b) / q_k - 1)^2

    Args:
        values: positive, lengths of training along the first axis.
        over: if given, q is the ratio of the means.
        axis: that of the images.
        seen: t, images seen.

    Returns:
        In the unit of the values, or of the ratio.
    """
    q = values.mean(axis) if over is None else ratio(values, over, axis)
    weight = 1 / q**2
    best, end = np.full(q.shape[1:], np.inf), np.zeros(q.shape[1:])
    for b in _POWERS:  # of one b it is least squares, of which the best one is taken
        u = ((seen / seen.min()) ** -b).reshape(-1, *[1] * (q.ndim - 1))
        total = weight.sum(0)
        u_mean, q_mean = (weight * u).sum(0) / total, (weight * q).sum(0) / total
        a = (weight * (u - u_mean) * (q - q_mean)).sum(0) / (weight * (u - u_mean) ** 2).sum(0)
        here = np.maximum(q_mean - a * u_mean, 0)
        a = np.where(here > 0, a, (weight * u * q).sum(0) / (weight * u**2).sum(0))  # with a limit of 0
        off = (weight * (here + a * u - q) ** 2).sum(0)
        best, end = np.where(off < best, off, best), np.where(off < best, here, end)
    return end[()]


def _power(values: np.ndarray, over: np.ndarray, axis: int = -1, *, seen: np.ndarray) -> np.ndarray | np.floating:
    """p of q ~ t^-p, by a line on two log axes."""
    log_t, log_q = np.log(seen) - np.log(seen).mean(), np.log(ratio(values, over, axis))
    return -np.tensordot(log_t, log_q, 1) / (log_t**2).sum()
