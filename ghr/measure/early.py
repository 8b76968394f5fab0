"""Whom does a network resemble on its way? Networks of one set that saw more and more images enter, distances leave.

Simpler denoisers may be stations of training: a network could first learn what a mean and a covariance hold, then what
windows of training images hold, and then more. So at each length of training the distance of its answers to each of
these is measured, on the same noisy held-out images, beside that to a network of other images that was trained to the
end. Windows are those that come nearest to each network, on held-out images that serve for nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from ghr.denoiser import denoise
from ghr.experiments import Study
from ghr.measure import rivals
from ghr.measure.rivals import CALIBRATED, OTHER, WIENER, explained
from ghr.noise import add_noise, mse
from ghr.references import AffineDistillation, LocalDenoiser, PatchDenoiser, WienerDenoiser
from ghr.references.local import Windowed
from ghr.stats import Estimate, student
from ghr.tables import Table

IMAGES = 16  #: held-out images on which answers are compared
LEVELS = (0.1, 0.3)  #: noise levels, image units
AFFINE, TRAINED = "affine map", "other half"
_MACHINES = {"LS": LocalDenoiser, "PSPC": PatchDenoiser}
SIDES = MappingProxyType({name: rivals.SIDES[name] for name in _MACHINES})  #: windows to choose from


@dataclass(frozen=True)
class Resembles:
    """One network, at the end of a training of some length, beside one other denoiser; means over images."""

    n: int  #: training images
    half: str  #: label of the network
    images_seen: int  #: in training, with repetition
    denoiser: str  #: "Wiener", "LS", "PSPC"; "affine map", the nearest to this network; "other half", fully trained
    sigma: float  #: noise level, image units
    input_psnr: float  #: the same, dB
    window: int | None  #: side of windows, pixels; None of what has none
    error: Estimate  #: mean squared error of the network per pixel, squared image units
    apart: Estimate  #: mean squared distance of their answers per pixel, squared image units
    beyond: Estimate  #: share that it explains of what the network does beyond Wiener; 0 is Wiener's own


def resemblance(
    studies: Sequence[Study],
    half: str = "A",
    *,
    sides: Mapping[str, Sequence[int]] = SIDES,
    most: int | None = None,
    images: int = IMAGES,
    calibrated: int = CALIBRATED,
    sigmas: Sequence[float] = LEVELS,
    draws: int | None = None,
    seed: int = 0,
) -> Table[Resembles]:
    """Does training pass by simpler denoisers? ::

        apart(t) = E ||f_t(y) - g(y)||^2 / d,   y = x + sigma z,   x held out

    Args:
        studies: networks of one set of training images, the largest N of each, from the shortest training to the
            longest; the last has the other half too.
        half: label of the networks.
        sides: windows to choose from, by name: "LS", "PSPC".
        most: training images with which windows are chosen, the first ones (None: all).
        images: held-out images.
        calibrated: held-out images with which windows are chosen, the last ones.
        sigmas: noise standard deviations, image units.
        draws: noisy images to which affine maps are fitted (None: 8 for each pixel).
        seed: of the noise; windows are chosen with that of the next seed.

    Returns:
        One row for each noise level, network and denoiser.

    Raises:
        ValueError: for networks of several N, or when images serve for both.
    """
    last = studies[-1]
    n, held_out = last.largest, last.held_out
    if {study.largest for study in studies} != {n}:
        raise ValueError(f"Networks are of one N, got {sorted({study.largest for study in studies})}.")
    if images + calibrated > len(held_out):
        raise ValueError(
            f"{images} images and {calibrated} others for windows are wanted, but {len(held_out)} are held out."
        )
    x = last.training(n, half)
    networks, trained = [study.denoisers[n, half] for study in studies], last.denoisers[n, OTHER[half]]
    machines = {name: (_MACHINES[name](x[:most], some[0]), _MACHINES[name](x, some[0])) for name, some in sides.items()}
    affine = [AffineDistillation(f, x, draws, seed) for f in networks]
    wiener, clean, rows = WienerDenoiser(x), held_out[:images], []
    for sigma in sigmas:
        y, other = (_noisy(some, sigma, k) for some, k in ((clean, seed), (held_out[-calibrated:], seed + 1)))
        windows = {
            name: _nearest(part, sides[name], [denoise(f, other, sigma) for f in networks], other, sigma)
            for name, (part, _) in machines.items()
        }
        found = {  # of each denoiser, its answer beside each network's
            WIENER: [denoise(wiener, y, sigma)] * len(networks),
            **{name: _answers(machines[name][1], some, y, sigma) for name, some in windows.items()},
            AFFINE: [denoise(f, y, sigma) for f in affine],
            TRAINED: [denoise(trained, y, sigma)] * len(networks),
        }
        level = float(sigma), float(-20 * np.log10(sigma))
        for k, (study, f) in enumerate(zip(studies, networks, strict=True)):
            answer, seen = denoise(f, y, sigma), study.runs[n, half].images_seen
            error, to_wiener = student(np.mean, mse(answer, clean)), mse(answer, found[WIENER][k])
            for name, answers in found.items():
                apart = mse(answer, answers[k])
                means = error, student(np.mean, apart), student(explained, apart, to_wiener)
                rows.append(
                    Resembles(n, half, seen, name, *level, windows[name][k] if name in windows else None, *means)
                )
    return Table(tuple(rows), Resembles)


def _noisy(x: Tensor, sigma: float, seed: int) -> Tensor:
    return add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))


def _nearest(machine: Windowed, sides: Sequence[int], answers: Sequence[Tensor], y: Tensor, sigma: float) -> list[int]:
    """The window with which a machine comes nearest to each network."""
    tried = [denoise(machine.with_window(side), y, sigma) for side in sides]
    return [sides[int(torch.stack([mse(a, x_hat).mean() for x_hat in tried]).argmin())] for a in answers]


def _answers(machine: Windowed, windows: Sequence[int], y: Tensor, sigma: float) -> list[Tensor]:
    """What a machine answers with each window, which networks may share."""
    drawn = {window: denoise(machine.with_window(window), y, sigma) for window in set(windows)}
    return [drawn[window] for window in windows]
