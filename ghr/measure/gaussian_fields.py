"""Gaussian fields, whose best denoiser is known: what does a network lose, and does it shrink in the same subspaces?

One network of fields enters; its loss against the exact Wiener denoiser leaves, and its first vectors beside plane
waves. PSNR is that of the mean squared error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import harmonic, jacobian
from ghr.experiments import Study
from ghr.images import synthetic
from ghr.measure import bases, rates
from ghr.measure.errors import errors
from ghr.references import StationaryWienerDenoiser
from ghr.stats import Estimate, estimate, psnr_gap, slope
from ghr.tables import Table


@dataclass(frozen=True)
class Loss:
    """A network beside the exact optimum on Gaussian fields, at one noise level."""

    sigma: float  #: noise standard deviation, image units
    input_psnr: float  #: dB
    loss: Estimate  #: PSNR of the exact Wiener denoiser less that of the network, dB


@dataclass(frozen=True)
class Optimality:
    """A network beside the exact optimum on Gaussian fields, over all noise levels."""

    images: str  #: image set
    network: str  #: key of ghr.recipes.NETWORKS
    alpha: float  #: decay of the spectrum
    tested: int  #: fields
    largest: Estimate  #: largest loss, dB
    at: float  #: its noise level, image units
    mean: float  #: mean loss, dB
    slope: Estimate  #: of the network's output on input PSNR, over the first window
    exact_slope: Estimate  #: the same of the optimum
    limit: float  #: the same in the limit of weak noise and many pixels, (alpha - 1) / alpha
    formula: float  #: largest distance of the optimum's measured PSNR from the formula for its expectation, dB


def losses(
    study: Study, sigmas: Float[np.ndarray, " k"], tested: int = 200, seed: int = 0
) -> tuple[Table[Loss], Table[Optimality]]:
    """How much does a network lose where the optimum is known exactly?

    Args:
        study: one network of Gaussian fields.
        sigmas: noise standard deviations, image units.
        tested: test images.
        seed: of the noise.

    Returns:
        One row for each noise level, and one for all of them.
    """
    (denoiser,), x, input_psnr = study.denoisers.values(), study.held_out[:tested], -20 * np.log10(sigmas)
    alpha, spectrum = float(study.name.partition("-")[2]), _spectrum(study)
    pair = [errors(f, x, sigmas, seed) for f in (exact(study), denoiser)]
    rows = [
        Loss(float(sigma), float(level), estimate(psnr_gap, best, own))
        for sigma, level, best, own in zip(sigmas, input_psnr, *pair, strict=True)
    ]
    formula = np.array([(spectrum * sigma**2 / (spectrum + sigma**2)).mean().item() for sigma in sigmas.tolist()])
    inside = rates.within(rates.WINDOWS[0], input_psnr)
    exact_slope, own_slope = (estimate(partial(slope, input_psnr=input_psnr[inside]), found[inside]) for found in pair)
    values = np.array([row.loss.value for row in rows])
    total = Optimality(
        images=study.name,
        network=study.network,
        alpha=alpha,
        tested=len(x),
        largest=estimate(_largest_gap, *pair),
        at=float(sigmas[values.argmax()]),
        mean=float(values.mean()),
        slope=own_slope,
        exact_slope=exact_slope,
        limit=(alpha - 1) / alpha,
        formula=float(np.abs(10 * np.log10(pair[0].mean(1) / formula)).max()),
    )
    return Table(tuple(rows)), Table((total,))


def _largest_gap(best: np.ndarray, own: np.ndarray, axis: int) -> np.ndarray | np.floating:
    return psnr_gap(best, own, axis).max(0)


def _spectrum(study: Study) -> Tensor:
    return synthetic.spectrum(study.held_out.shape[-1], float(study.name.partition("-")[2]))


def exact(study: Study) -> StationaryWienerDenoiser:
    """The optimum on Gaussian fields.

    Args:
        study: of Gaussian fields.

    Returns:
        Denoiser, called f(y, sigma).
    """
    return StationaryWienerDenoiser(_spectrum(study))


def exact_basis(study: Study, y: Float[Tensor, "1 1 h w"], sigma: float) -> jacobian.Basis:
    """The basis in which the optimum on Gaussian fields shrinks: plane waves, the same at every image.

    Args:
        study: of Gaussian fields.
        y: any noisy image.
        sigma: noise standard deviation, image units.

    Returns:
        Basis of d pairs, float64.
    """
    return jacobian.eigenbasis(jacobian.jacobian(exact(study), y.double(), sigma), y.shape[1:])


def plane_waves(functions: Float[Tensor, "k 1 h w"]) -> Float[Tensor, "k 1 h w"]:
    """Of each function the one plane wave that it holds most of. ::

        Re F^-1(F(v) at its largest coefficient), to norm 1

    Waves of one frequency share a factor of the optimum, so that any mixture of them is an eigenvector, and what a
    solver finds is one; each wave alone is as good, and shows what they are.

    Args:
        functions: e.g. eigenvectors of the optimum.

    Returns:
        A wave of one frequency for each, with the function's phase there.

    Source: own choice: of a group, waves are easier to read than mixtures.
    """
    spectra = torch.fft.fft2(functions)
    size = spectra.abs().flatten(1)
    waves = torch.fft.ifft2(spectra * (size == size.amax(1, keepdim=True)).view(spectra.shape)).real
    return waves / waves.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


@dataclass(frozen=True)
class Subspaces:
    """How much of a network's first K vectors lies in other subspaces of as many dimensions."""

    k: int  #: dimensions, K
    fourier: Estimate  #: the K lowest Fourier modes
    cosines: Estimate  #: the K lowest cosines
    another: Estimate  #: the network's own first K vectors at the next image
    chance: float  #: K / d
    nearest: bool  #: whether no other K here is nearer to tr J*, the dimensions that the optimum keeps


def subspaces(own: Sequence[Float[Tensor, "k 1 h w"]], best: jacobian.Basis) -> Table[Subspaces]:
    """Does a network shrink in the same subspaces as the optimum?

    Args:
        own: the network's eigenvectors at each image, by falling eigenvalue.
        best: of `exact_basis`.

    Returns:
        One row at the end of each group of waves, up to twice the dimensions that the optimum keeps; waves of one
        frequency share a factor, so that only whole groups are a subspace.
    """
    own, sides, d = [vectors.double() for vectors in own], own[0].shape[-2:], own[0][0].numel()
    cosines = harmonic.dct(*sides)
    dimensions = best.eigenvalues.sum().item()
    reach = min(2 * round(dimensions), d // 2)
    ends = 1 + np.flatnonzero(-best.eigenvalues.diff().numpy()[:reach] > 1e-9)
    nearest, rows = ends[np.abs(ends - dimensions).argmin()], []
    for k in ends.tolist():
        rivals = ([best.eigenvectors] * len(own), [cosines] * len(own), [*own[1:], own[0]])
        found = (estimate(np.mean, bases.alignments(own, rival, [k] * len(own))) for rival in rivals)
        rows.append(Subspaces(k, *found, chance=k / d, nearest=k == int(nearest)))
    return Table(tuple(rows))
