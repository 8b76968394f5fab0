"""What is one denoiser like, whoever trained it? It enters with images; what the book measures of its networks leaves.

No run, no second network and no training set is needed. Where training images are given, what a denoiser gains on them
and what its samples share with them is measured as well.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import harmonic, jacobian
from ghr.denoiser import denoise
from ghr.foreign import PREDICTIONS, UNITS, Convention, Foreign
from ghr.measure.bases import Filter, alignments, kept, of_matrix, values, vectors
from ghr.measure.errors import errors
from ghr.measure.harmonicity import JUDGES, controls, indices, margins
from ghr.noise import add_noise, denoising_mse
from ghr.similarity import distance_ratio, gradient_energy, nearest
from ghr.stats import Estimate, estimate, psnr_gap, psnr_of_mean, share
from ghr.tables import Table

HINT_SIGMAS = (0.05, 0.1, 0.3)  #: noise levels at which conventions are tried


@dataclass(frozen=True)
class Curve:
    """Error of a denoiser at one noise level."""

    sigma: float  #: noise level, image units
    input_psnr: float  #: the same, dB
    noisy: Estimate  #: PSNR of the noisy images, dB
    test: Estimate  #: PSNR of the denoised images, dB
    training: Estimate | None  #: the same on its training images, dB; None where none are given
    gap: Estimate | None  #: training less test, dB


def curve(
    f,
    x: Float[Tensor, "n c h w"],
    sigmas: Sequence[float] | Float[np.ndarray, " k"],
    training: Float[Tensor, "m c h w"] | None = None,
    seed: int = 0,
) -> Iterator[Curve]:
    """How much noise does a denoiser take away, and more of it from its training images?

    Args:
        f: denoiser, called f(y, sigma), in evaluation mode.
        x: clean images, none of which it was trained on.
        sigmas: noise standard deviations, image units.
        training: images that it was trained on, at least two.
        seed: of the noise.

    Yields:
        One row for each noise level.
    """
    for sigma in map(float, sigmas):
        noisy = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed)) - x
        (test,) = errors(f, x, [sigma], seed)
        before = estimate(psnr_of_mean, noisy.square().mean((1, 2, 3)))
        known = [None, None]
        if training is not None:
            (own,) = errors(f, training, [sigma], seed)
            known = [estimate(psnr_of_mean, own), estimate(psnr_gap, own, test, paired=False)]
        yield Curve(sigma, -20 * math.log10(sigma), before, estimate(psnr_of_mean, test), *known)


@dataclass(frozen=True)
class Response:
    """What a denoiser's answer follows at one noise level: the number that it is told, or the noise in the image."""

    sigma: float  #: noise level of the images, image units
    half: float  #: ||f(y, sigma/2) - f(y, sigma)|| / ||f(y, sigma)||; 0 of a blind one
    twice: float  #: the same when told twice the noise level
    scaling: float  #: ||f(2 y, 2 sigma) / 2 - f(y, sigma)|| / ||f(y, sigma)||; 0 of a homogeneous one


def response(f, x: Float[Tensor, "n c h w"], sigma: float, seed: int = 0) -> Response:
    """Does a denoiser use the noise level that it is told, and does it scale?

    Args:
        f: denoiser, called f(y, sigma), in evaluation mode.
        x: clean images.
        sigma: noise standard deviation, image units; half and twice of it are told as well, as far as f knows them.
        seed: of the noise.

    Returns:
        Response.
    """
    low, high = f.convention.levels if isinstance(f, Foreign) else (0, math.inf)
    y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
    x_hat = denoise(f, y, sigma)

    def off(answer: Tensor) -> float:
        return ((answer - x_hat).norm() / x_hat.norm()).item()

    half, twice = max(sigma / 2, low), min(2 * sigma, high)
    factor = twice / sigma
    return Response(
        sigma, off(denoise(f, y, half)), off(denoise(f, y, twice)), off(denoise(f, factor * y, twice) / factor)
    )


def meant(f: Foreign, x: Float[Tensor, "n c h w"], seed: int = 0) -> tuple[bool, str]:
    """Is a denoiser better than doing nothing at any noise level, and if not, would it be under another convention?

    Args:
        f: denoiser; its network is tried in all units and with all that it could predict.
        x: clean images, a few.
        seed: of the noise.

    Returns:
        Whether it is, and a sentence that says what might be meant.
    """

    def gains(one) -> list[float]:
        low, high = one.convention.levels
        found = []
        for sigma in HINT_SIGMAS:
            if low <= sigma <= high:
                error = denoising_mse(one, x, sigma, seed).mean().item()
                found.append(-10 * math.log10(error / sigma**2) if math.isfinite(error) and error > 0 else -math.inf)
        return found or [-math.inf]

    if max(gains(f)) > 0:
        return True, ""
    how, best = f.convention, (0.0, "")
    for units in UNITS:
        for predicts in PREDICTIONS[how.told]:
            other = Convention(units, how.told, predicts, how.bars, how.sigma_data)
            gained = float(np.mean(gains(Foreign(f.network, other, f.channels, f.size))))
            if gained > best[0]:
                best = gained, f"units {units} and predicts {predicts} would take away {gained:.1f} dB of the noise"
    told = "it is worse than doing nothing at every noise level"
    guess = best[1] or "no other units or prediction does better, so the images or what it is told may be others"
    return False, f"As units {how.units} and predicts {how.predicts} are read, {told}: {guess}."


# Its Jacobian -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Matrix:
    """A denoiser's Jacobian at one noisy image: the basis of its symmetric part, and its singular vectors."""

    filter: Filter  #: eigenvectors, and what J does
    singular: Float[Tensor, " d"]  #: singular values of J, falling
    left: Float[Tensor, "k c h w"]  #: first left singular vectors, directions in which the answer moves
    right: Float[Tensor, "k c h w"]  #: first right singular vectors, directions to which it listens


def matrix(
    f, x: Float[Tensor, "1 c h w"], sigma: float, seed: int = 0, smooth: bool = True, most: int | None = None
) -> Matrix:
    """A denoiser at one noisy image, as a matrix.

    Args:
        f: denoiser, called f(y, sigma), in evaluation mode.
        x: clean image.
        sigma: noise standard deviation, image units.
        seed: of the noise.
        smooth: whether torch can differentiate f; differences are taken where it cannot.
        most: vectors that are kept (default: half of all).

    Returns:
        Matrix.

    Raises:
        ValueError: as `ghr.jacobian.jacobian`.
    """
    y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
    j = (jacobian.jacobian if smooth else jacobian.by_differences)(f, y, sigma)
    most = y.numel() // 2 if most is None else most
    u, s, v = torch.linalg.svd(j)
    left, right = (one[:most].clone().view(-1, *x.shape[1:]) for one in (u.T, v))
    return Matrix(of_matrix(j, x, y, denoise(f, y, sigma), most), s, left, right)


@dataclass(frozen=True)
class Geometry:
    """The Jacobians of a denoiser at one noise level, mean over images."""

    sigma: float  #: noise standard deviation, image units
    tested: int  #: images
    psnr: Estimate  #: of f(y), dB
    trace: Estimate  #: tr J, dimensions kept
    dimension: Estimate  #: ||f(y) - x||^2 / sigma^2, dimensions as the error counts them; tr J of the optimum
    hom: Estimate  #: ||f(y) - J y|| / ||f(y)||, 0 of a homogeneous one
    asym: Estimate  #: ||J - J'||_F / ||J||_F, 0 of the optimum
    top: Estimate  #: largest eigenvalue of the symmetric part S
    loss: Estimate  #: PSNR of f(y) over that of S y, dB
    two_sides: Estimate  #: alignment of the first K left with the first K right singular vectors, K = tr J
    eigen_right: Estimate  #: alignment of the first K eigenvectors of S with the first K right singular vectors
    chance: float  #: mean K / d, the alignment of unrelated subspaces


def geometry(found: Mapping[float, Sequence[Matrix]]) -> Table[Geometry]:
    """How many dimensions does a denoiser keep, and is it a symmetric shrinkage?

    Args:
        found: by noise level, one Matrix for each image.

    Returns:
        One row for each noise level.
    """
    rows = []
    for sigma, some in found.items():
        own = [one.filter for one in some]
        counts, d = kept(own), own[0].eigenvalues.numel()
        means = {field: estimate(np.mean, values(own, field)) for field in ("trace", "hom", "asym")}
        wrong, symmetric = values(own, "error"), values(own, "symmetric_error")
        left, right = [one.left for one in some], [one.right for one in some]
        rows.append(
            Geometry(
                sigma,
                len(some),
                psnr=estimate(psnr_of_mean, wrong),
                dimension=estimate(np.mean, wrong * d / sigma**2),
                top=estimate(np.mean, np.array([one.eigenvalues[0].item() for one in own])),
                loss=estimate(psnr_gap, wrong, symmetric),
                two_sides=estimate(np.mean, alignments(left, right, counts)),
                eigen_right=estimate(np.mean, alignments(vectors(own), right, counts)),
                chance=float(counts.mean() / d),
                **means,
            )
        )
    return Table(tuple(rows), Geometry)


@dataclass(frozen=True)
class Kept:
    """The dimensions that a denoiser keeps at one noise level, where its Jacobian is too large to be made whole."""

    sigma: float  #: noise standard deviation, image units
    tested: int  #: images
    psnr: Estimate  #: of f(y), dB
    trace: Estimate  #: tr J by random signs, dimensions kept
    dimension: Estimate  #: ||f(y) - x||^2 / sigma^2, dimensions as the error counts them; tr J of the optimum


def dimensions(f, x: Float[Tensor, "n c h w"], sigma: float, seed: int = 0, probes: int = 8) -> Kept:
    """How many dimensions does a denoiser keep, without the matrix?

    Args:
        f: denoiser, called f(y, sigma), in evaluation mode, differentiable by torch.
        x: clean images, at least two.
        sigma: noise standard deviation, image units.
        seed: of the noise and the signs.
        probes: vectors of signs for each image.

    Returns:
        Kept.

    Raises:
        ValueError: as `ghr.jacobian.trace`.
    """
    y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
    traces, _ = jacobian.trace(f, y, sigma, probes=probes, seed=seed)
    wrong = denoising_mse(f, x, sigma, seed)
    return Kept(
        sigma,
        len(x),
        estimate(psnr_of_mean, wrong),
        estimate(np.mean, traces),
        estimate(np.mean, wrong * x[0].numel() / sigma**2),
    )


@dataclass(frozen=True)
class Rank:
    """One rank of the spectra, mean over images."""

    sigma: float  #: noise level, image units
    rank: int  #: from 1
    eigenvalue: float  #: of the symmetric part of J
    singular: float  #: singular value of J


def spectra(found: Mapping[float, Sequence[Matrix]]) -> Table[Rank]:
    """By which factors does a denoiser multiply?

    Args:
        found: by noise level, one Matrix for each image.

    Returns:
        One row for each noise level and rank.
    """
    rows = []
    for sigma, some in found.items():
        both = [
            torch.stack(each).mean(0).tolist()
            for each in ([m.filter.eigenvalues for m in some], [m.singular for m in some])
        ]
        rows += [Rank(sigma, k, *pair) for k, pair in enumerate(zip(*both, strict=True), 1)]
    return Table(tuple(rows), Rank)


@dataclass(frozen=True)
class Adapted:
    """The four indices of one kind of basis at one noise level, mean over images."""

    sigma: float  #: noise level, image units
    basis: str  #: whose; "its own" is the denoiser's at each image, the others are controls
    h1: Estimate  #: harmonic: rank correlation of rank and frequency
    h2: Estimate  #: adapted: geometry gain, less that with another image
    h3: Estimate  #: adapted: energy along over across contours, over that of cosines; less is better
    h4: Estimate  #: adapted: alignment with the smoothest functions on the image, less that with another image


@dataclass(frozen=True)
class Ahead:
    """By how much the denoiser's own basis is ahead of the better of a third image's and of principal components."""

    sigma: float  #: noise level, image units
    h2: Estimate  #: above 0 is ahead
    h3: Estimate  #: below 0 is ahead
    h4: Estimate  #: above 0 is ahead


def adapted(
    found: Mapping[float, Sequence[Matrix]], x: Float[Tensor, "n 1 h w"], others: Float[Tensor, "m 1 h w"]
) -> tuple[Table[Adapted], Table[Ahead]]:
    """Is a denoiser's basis harmonic, and does it know its image, beside bases that cannot?

    Args:
        found: by noise level, one Matrix for each image.
        x: these images, clean, at least three.
        others: images whose principal components are a control, at least four.

    Returns:
        Indices of each basis, and margins over the controls.
    """
    rows, ahead = [], []
    for sigma, some in found.items():
        own = [one.filter for one in some]
        measured = indices(controls(vectors(own), others), kept(own), x)
        rows += [
            Adapted(sigma, basis, **{index.lower(): estimate(np.mean, each) for index, each in by_index.items()})
            for basis, by_index in measured.items()
        ]
        by_index = margins(measured, against=JUDGES)
        ahead.append(Ahead(sigma, *(by_index[index] for index in harmonic.INDICES[1:])))
    return Table(tuple(rows), Adapted), Table(tuple(ahead), Ahead)


# Its samples --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """Samples, or test images beside them."""

    images: str  #: "samples", or "test images", their null
    many: int  #: how many
    contrast: Estimate  #: standard deviation of an image's pixels, image units
    detail: Estimate  #: gradient energy, squared image units
    nearest: Estimate | None  #: median centred cosine with the nearest training image; None where none are given
    copies: Estimate | None  #: share nearer to one training image than a third of the distance to all others


def drawn(
    samples: Float[Tensor, "n c h w"],
    x: Float[Tensor, "m c h w"],
    training: Float[Tensor, "k c h w"] | None = None,
) -> Table[Drawn]:
    """Are samples like images, and are they copies?

    Args:
        samples: of the denoiser, at least two.
        x: test images.
        training: images that it was trained on.

    Returns:
        A row of samples and a row of test images.

    Source: copies: Yoon et al. 2023.
    """
    rows = []
    for name, some in (("samples", samples), ("test images", x)):
        near = copies = None
        if training is not None:
            near = estimate(np.median, nearest(some, training)[0])
            if len(training) > 1:
                copies = share(distance_ratio(some, training) < 1 / 3)
        contrast, detail = some.flatten(1).std(1), gradient_energy(some)
        rows.append(Drawn(name, len(some), estimate(np.mean, contrast), estimate(np.mean, detail), near, copies))
    return Table(tuple(rows), Drawn)
