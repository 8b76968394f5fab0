"""Does a network gain when it sees more images, or does it stop? Trainings enter, curves leave.

Networks of one image set, each trained to the end of a schedule of its own, on some times as many images as the one
before, the longest perhaps from several seeds. Where the best denoiser is known, they are measured by their distance
from it; where it is not, by their lead over rivals that are not trained. What still falls at the end is undertraining;
what does not would be a bias of the network. ::

    excess(t) = E ||f_t(y) - f*(y)||^2 / E ||f*(y) - x||^2,   t images seen, f* the optimum;   excess ~ t^-p
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
from ghr.measure import gaussian_fields, rates
from ghr.measure.errors import errors
from ghr.measure.manifolds import WEAK
from ghr.noise import add_noise, mse
from ghr.references import DiscPosterior, RayDenoiser
from ghr.stats import Estimate, estimate, psnr_gap, ratio
from ghr.tables import Table


@dataclass(frozen=True)
class Course:
    """A network after a training of some length, beside the optimum; means over images."""

    images: str  #: image set
    images_seen: int  #: in training, with repetition
    seed: int  #: of the training
    sigma: float  #: noise level, image units
    loss: Estimate  #: PSNR of the optimum less that of the network, dB
    excess: Estimate  #: E ||f(y) - f*(y)||^2 / E ||f*(y) - x||^2, f* the optimum; the loss is that of 1 + excess
    trace: Estimate  #: tr J, dimensions
    best: float  #: tr J of the optimum at the same noisy images, dimensions


@dataclass(frozen=True)
class Fall:
    """How fast the networks of one image set come nearer to the optimum, one of the longest trainings at the end."""

    images: str  #: image set
    seed: int  #: of the longest training
    shortest: int  #: training, images seen
    longest: int  #: the same
    power: Estimate  #: p of excess ~ t^-p, a line through all trainings on two log axes
    last: Estimate  #: the same between the last two trainings
    kept: Estimate  #: tr J after the last training over that after the one before


@dataclass(frozen=True)
class Lead:
    """A network after a training of some length, beside rivals that are not trained."""

    images: str  #: image set
    images_seen: int  #: in training, with repetition
    seed: int  #: of the training
    rival: str  #: one of `rates.RIVALS`
    lead: Estimate  #: output PSNR of the network less that of the rival, mean over `rates.LEVEL`, dB
    gained: Estimate | None  #: output PSNR less that after the next shorter training, the same mean, dB


def courses(
    studies: Sequence[Study], x: Mapping[str, Float[Tensor, "m 1 h w"]], tested: int = 48, seed: int = 0
) -> tuple[Table[Course], Table[Fall]]:
    """How far from the optimum is each network, and does more training still help?

    Args:
        studies: of one network each, of discs, a ray or Gaussian fields; from the shortest training of a set to the
            longest, of which there may be several.
        x: clean images of some sets (the others: test images).
        tested: test images.
        seed: of the noise and of the probes, the same for all.

    Returns:
        One row for each network; one for each of the longest trainings.

    Raises:
        ValueError: for a single network of an image set, and for another image set.
    """
    rows, falls = [], []
    for name in dict.fromkeys(study.name for study in studies):
        some = [study for study in studies if study.name == name]
        runs = [run for study in some for run in study.runs.values()]
        longest = max(run.images_seen for run in runs)
        ends = [k for k, run in enumerate(runs) if run.images_seen == longest]
        if len(ends) == len(runs):
            raise ValueError(f"One training of {name} shows no fall: give two lengths of training or more.")
        clean = x[name] if name in x else some[0].held_out[:tested]
        y = add_noise(clean, WEAK, torch.Generator().manual_seed(seed))
        target, kept = optimum(some[0], y)
        best, dimensions = _squares(target, clean), kept.mean().item()
        apart, traces = [], []
        for study, run in zip(some, runs, strict=True):
            (f,) = study.denoisers.values()
            answer = denoise(f, y, WEAK)
            apart.append(_squares(answer, target))
            traces.append(jacobian.trace(f, y, WEAK, seed=seed)[0].double().numpy())
            rows.append(
                Course(
                    name,
                    run.images_seen,
                    run.seed,
                    WEAK,
                    loss=estimate(psnr_gap, best, _squares(answer, clean)),
                    excess=estimate(ratio, apart[-1], best),
                    trace=estimate(np.mean, traces[-1]),
                    best=dimensions,
                )
            )
        for end in ends:
            on = [k for k in range(len(runs)) if k not in ends] + [end]
            t, pair = np.array([runs[k].images_seen for k in on], float), ([apart[k] for k in on], [best] * len(on))
            falls.append(
                Fall(
                    name,
                    runs[end].seed,
                    runs[on[0]].images_seen,
                    longest,
                    power=estimate(partial(_power, seen=t), *map(np.stack, pair)),
                    last=estimate(partial(_power, seen=t[-2:]), *(np.stack(values[-2:]) for values in pair)),
                    kept=estimate(ratio, traces[end], traces[on[-2]]),
                )
            )
    return Table(tuple(rows)), Table(tuple(falls))


def leads(studies: Sequence[Study], measured: rates.Errors, tested: int = 64, seed: int = 0) -> Table[Lead]:
    """Where the optimum is not known: what does a network lead its rivals by, and does more training still help?

    Args:
        studies: of one network each; from the shortest training of a set to the longest, of which there may be several.
        measured: errors of `rates.RIVALS` on these sets, as `rates.beside_rivals` gives them.
        tested: test images, those of the rivals.
        seed: of the noise, that of the rivals.

    Returns:
        One row for each network and rival.
    """
    rows, before = [], {}
    for study in studies:
        (run,), (f,) = study.runs.values(), study.denoisers.values()
        own = before[study.name, run.images_seen] = errors(f, study.held_out[:tested], rates.SIGMAS, seed)
        shorter = max((t for name, t in before if name == study.name and t < run.images_seen), default=None)
        gained = estimate(rates.lead, own, before[study.name, shorter]) if shorter else None
        for rival in rates.RIVALS:
            over = estimate(rates.lead, own, measured[study.name, rival])
            rows.append(Lead(study.name, run.images_seen, run.seed, rival, over, gained))
    return Table(tuple(rows), Lead)


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


def _power(values: np.ndarray, over: np.ndarray, axis: int = -1, *, seen: np.ndarray) -> np.ndarray | np.floating:
    """p of a ratio of means ~ t^-p, by a line on two log axes."""
    log_t, log_q = np.log(seen) - np.log(seen).mean(), np.log(ratio(values, over, axis))
    return -np.tensordot(log_t, log_q, 1) / (log_t**2).sum()
