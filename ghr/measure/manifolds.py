"""Discs, a ray, plane waves: how far is a network from the optimum, and what does it keep too much?

Noisy images on a manifold of few dimensions enter, answers of a network and of the optimum beside it; errors, kept
dimensions, and directions along the manifold and beyond it leave. Errors and traces are arrays whose first axis runs
over noise levels and whose last one runs over images. Departure from the paper: the optimum on discs is computed, not
its limit of weak noise.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from ghr import harmonic, jacobian
from ghr.denoiser import denoise
from ghr.experiments import Study
from ghr.images import synthetic
from ghr.measure.harmonicity import margins
from ghr.noise import SIGMAS, add_noise, mse
from ghr.references import DiscPosterior
from ghr.references.discs import LEAST
from ghr.stats import Estimate, estimate, psnr_gap, psnr_of_mean, ratio, slope
from ghr.tables import Table

WEAK = 0.04  #: noise level at which whole Jacobians are taken, the paper's
LEVELS = np.append(SIGMAS, WEAK)
WINDOW = (21, 40)  #: input PSNR, dB: where error and slope are judged
KEPT = 0.1  #: a direction counts as kept above this eigenvalue
MOST = 50  #: eigenvectors in memory
ORDERS = range(2, 6)  #: of the contour waves
EDGE, SMOOTH_EDGE = "random, at the edge", "smooth, at the edge"  #: controls that know where the edge is
DIMENSIONS = {"discs": 5, "ray": 1, "sines": 2}  #: of the manifolds
PAPER = (1.177, 1.067, 1.004, 0.999, 0.945, 0.674, 0.552, 0.39, 0.304, 0.278)  #: its Figure 5, in the order printed


# Error and kept dimensions ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """What a denoiser made of some noisy images at each noise level."""

    sigmas: Float[np.ndarray, " k"]  #: noise standard deviations, image units
    errors: Float[np.ndarray, "k n"]  #: ||f(y) - x||^2 / d of each image, squared image units
    traces: Float[np.ndarray, "k n"]  #: tr J at each image, dimensions
    effective: Float[np.ndarray, "k n"] | None = None  #: sample size of each posterior mean; None for networks


def answers(
    denoiser, x: Float[Tensor, "n c h w"], sigmas: Float[np.ndarray, " k"] = LEVELS, seed: int = 0, probes: int = 8
) -> Answers:
    """Errors and kept dimensions of a network.

    Args:
        denoiser: called f(y, sigma), in evaluation mode.
        x: clean images.
        sigmas: noise standard deviations, image units.
        seed: of the noise, the same at every level and for every denoiser; and of the probes.
        probes: random vectors of a trace.

    Returns:
        Answers.
    """
    columns = []
    for sigma in map(float, sigmas):
        y = _noisy(x, sigma, seed)
        error = mse(x, denoise(denoiser, y, sigma))
        columns.append((error, jacobian.trace(denoiser, y, sigma, probes=probes, seed=seed)[0]))
    return Answers(sigmas, *_stacked(columns))


def posteriors(x: Float[Tensor, "n 1 h w"], sigmas: Float[np.ndarray, " k"] = LEVELS, seed: int = 0) -> Answers:
    """The same of the optimum on discs, the exact posterior mean.

    Args:
        x: clean discs.
        sigmas: noise standard deviations, image units.
        seed: of the noise.

    Returns:
        Answers with the effective sample size of each posterior.
    """
    columns = []
    for sigma in map(float, sigmas):
        best = DiscPosterior(x.shape[-1]).posterior(_noisy(x, sigma, seed), sigma)
        columns.append((mse(x, best.mean), best.trace, best.effective))
    return Answers(sigmas, *_stacked(columns))


def projections(
    projection, x: Float[Tensor, "n c h w"], sigmas: Float[np.ndarray, " k"] = LEVELS, seed: int = 0
) -> Answers:
    """The same of a projection on a flat manifold, whose trace is its rank.

    Args:
        projection: RayDenoiser or SineDenoiser.
        x: clean images.
        sigmas: noise standard deviations, image units.
        seed: of the noise.

    Returns:
        Answers.
    """
    errors = torch.stack([mse(x, projection(_noisy(x, float(sigma), seed))) for sigma in sigmas]).double().numpy()
    return Answers(sigmas, errors, np.full_like(errors, projection.basis.shape[1]))


def _stacked(columns: Sequence[Sequence[Tensor]]) -> list[np.ndarray]:
    return [torch.stack(column).double().numpy() for column in zip(*columns, strict=True)]


def _noisy(x: Tensor, sigma: float, seed: int) -> Tensor:
    return add_noise(x, sigma, torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Sampling:
    """How far posterior means are to be trusted: a sum over n effective samples errs by a share of about 1/n."""

    least: float  #: smallest effective number of samples
    doubtful: int  #: posterior means with fewer than `ghr.references.discs.LEAST`
    of: int  #: posterior means in all


def sampling(optimum: Answers) -> Table[Sampling]:
    """Are there enough samples for posterior means?

    Args:
        optimum: of `posteriors`.

    Returns:
        One row.
    """
    effective = optimum.effective
    return Table((Sampling(float(effective.min()), int((effective < LEAST).sum()), effective.size),))


@dataclass(frozen=True)
class Level:
    """A denoiser beside the optimum at one noise level."""

    images: str  #: image set
    denoiser: str  #: network, or "optimum"
    sigma: float  #: noise standard deviation, image units
    input_psnr: float  #: dB
    output_psnr: Estimate  #: of the mean squared error, dB
    ratio: Estimate  #: mean squared error over that of the optimum
    loss: Estimate  #: PSNR of the optimum less that of the denoiser, dB
    trace: Estimate  #: tr J, dimensions


def levels(images: str, found: Mapping[str, Answers], optimum: Answers) -> Table[Level]:
    """How far from the optimum, and how many dimensions too many?

    Args:
        images: name of the image set.
        found: by name, answers to the same noisy images as the optimum's.
        optimum: the best answers.

    Returns:
        One row for each denoiser and noise level; last the optimum's own.
    """
    rows = []
    for name, own in {**found, "optimum": optimum}.items():
        for k, sigma in enumerate(own.sigmas):
            pair = own.errors[k], optimum.errors[k]
            rows.append(
                Level(
                    images,
                    name,
                    float(sigma),
                    float(-20 * np.log10(sigma)),
                    output_psnr=estimate(psnr_of_mean, pair[0]),
                    ratio=estimate(ratio, *pair),
                    loss=estimate(psnr_gap, *pair[::-1]),
                    trace=estimate(np.mean, own.traces[k]),
                )
            )
    return Table(tuple(rows))


@dataclass(frozen=True)
class Deficit:
    """A denoiser beside the optimum over the noise levels of WINDOW."""

    images: str  #: image set
    denoiser: str  #: network, or "optimum"
    smallest: Estimate  #: mean squared error over that of the optimum, at the noise level where it is smallest
    rise: Estimate  #: smallest rise of that ratio from one noise level to the next weaker one
    slope: Estimate  #: of output on input PSNR
    trace: Estimate  #: tr J at sigma = WEAK, dimensions


def deficits(images: str, found: Mapping[str, Answers], optimum: Answers) -> Table[Deficit]:
    """Is the error above the optimum's at every noise level, and the more the weaker the noise?

    Args:
        images: name of the image set.
        found: by name, answers to the same noisy images as the optimum's, WEAK the last noise level.
        optimum: the best answers.

    Returns:
        One row for each denoiser; last the optimum's own.
    """
    input_psnr = -20 * np.log10(optimum.sigmas)
    inside = np.flatnonzero((input_psnr[:-1] >= WINDOW[0]) & (input_psnr[:-1] <= WINDOW[1]))
    rows = []
    for name, own in {**found, "optimum": optimum}.items():
        pair = own.errors[inside], optimum.errors[inside]
        rows.append(
            Deficit(
                images,
                name,
                smallest=estimate(smallest, *pair),
                rise=estimate(rise, *pair),
                slope=estimate(partial(slope, input_psnr=input_psnr[inside]), pair[0]),
                trace=estimate(np.mean, own.traces[-1]),
            )
        )
    return Table(tuple(rows))


def smallest(errors: np.ndarray, best: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """The smallest ratio of mean errors over noise levels.

    Args:
        errors: squared errors, noise levels along the first axis.
        best: those of the optimum.
        axis: that of the images.

    Returns:
        Without unit.
    """
    return ratio(errors, best, axis).min(0)


def rise(errors: np.ndarray, best: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """The smallest rise of the ratio of mean errors from one noise level to the next weaker one.

    Args:
        errors: squared errors, noise levels along the first axis, the weakest noise first.
        best: those of the optimum.
        axis: that of the images.

    Returns:
        Positive when the ratio rises at every step, without unit.
    """
    return -np.diff(ratio(errors, best, axis), axis=0).max(0)


# Along the manifold and beyond ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dissection:
    """One Jacobian, divided by a manifold's tangent at the clean image."""

    eigenvalues: Float[Tensor, " k"]  #: the first of its symmetric part
    eigenvectors: Float[Tensor, "k 1 h w"]  #: and their vectors
    surplus: Float[Tensor, "k 1 h w"]  #: first eigenvectors of what is left when the tangent is taken out on both sides
    beyond: float  #: its trace, dimensions kept beyond the tangent
    count: int  #: its eigenvalues above KEPT
    trace: float  #: tr J, dimensions
    left: float  #: share of the leading left singular vectors in the tangent, directions in which the answer moves
    right: float  #: of the right ones, directions in which y must move to be heard
    symmetric: float  #: of the eigenvectors of the symmetric part
    asym: float  #: ||J - J'||_F / ||J||_F
    error_along: float  #: squared error along the tangent, summed over pixels, in units of sigma^2
    error_beyond: float  #: and beyond it

    @property
    def along(self) -> float:
        """Dimensions kept along the tangent."""
        return self.trace - self.beyond


def dissect(
    j: Float[Tensor, "d d"], error: Float[Tensor, "1 h w"], directions: Float[Tensor, "k d"], sigma: float
) -> Dissection:
    """What a denoiser keeps along a manifold and beyond it, and its error in the same two parts. ::

        surplus: eigenvectors of P S P,   P = I - T'T,   S = (J + J')/2;     left: ||T U_k||_F^2 / k

    Args:
        j: Jacobian at a noisy image.
        error: x_hat - x there, image units.
        directions: T, orthonormal rows that span the manifold's tangent at the clean image.
        sigma: noise standard deviation, image units.

    Returns:
        Dissection.
    """
    k, d, shape = len(directions), len(j), error.shape
    tangent, flat = directions.to(j), error.flatten().double()
    most = min(MOST, d // 2)
    u, _, v = torch.linalg.svd(j)
    basis = jacobian.eigenbasis(j, shape)
    off = torch.eye(d, dtype=j.dtype) - tangent.T @ tangent
    surplus = jacobian.eigenbasis(off @ j @ off, shape)
    along, vectors = (directions @ flat).square().sum(), tangent.reshape(-1, *shape)
    return Dissection(
        eigenvalues=basis.eigenvalues[:most].clone(),
        eigenvectors=basis.eigenvectors[:most].clone(),  # a view would keep the rest in memory
        surplus=surplus.eigenvectors[:most].clone(),
        beyond=surplus.eigenvalues.sum().item(),
        count=int((surplus.eigenvalues > KEPT).sum()),
        trace=j.trace().item(),
        left=harmonic.alignment(u.T[:k].reshape(-1, *shape), vectors),
        right=harmonic.alignment(v[:k].reshape(-1, *shape), vectors),
        symmetric=harmonic.alignment(basis.eigenvectors[:k], vectors),
        asym=jacobian.asymmetry(j),
        error_along=along.item() / sigma**2,
        error_beyond=(flat.square().sum() - along).item() / sigma**2,
    )


def dissections(
    denoiser,
    x: Float[Tensor, "n 1 h w"],
    tangents: Sequence[Float[Tensor, "k d"]],
    sigma: float = WEAK,
    seed: int = 0,
    matrix: Callable | None = None,
) -> tuple[Dissection, ...]:
    """The Jacobians of a denoiser at the first images, as many as there are tangents.

    Args:
        denoiser: called f(y, sigma), in evaluation mode.
        x: clean images; all get their noise, so that the first ones do not depend on how many are taken.
        tangents: of the manifold at each of the first images.
        sigma: noise standard deviation, image units.
        seed: of the noise.
        matrix: y -> its Jacobian there (default: by automatic differentiation).

    Returns:
        One Dissection for each tangent.
    """
    matrix = matrix or partial(jacobian.jacobian, denoiser, sigma=sigma)
    first, found = slice(len(tangents)), []
    for clean, y, directions in zip(x[first], _noisy(x, sigma, seed)[first].split(1), tangents, strict=True):
        error = denoise(denoiser, y, sigma)[0] - clean
        found.append(dissect(matrix(y), error, directions, sigma))
    return tuple(found)


@dataclass(frozen=True)
class Parts:
    """What a denoiser keeps and where it errs, along the manifold and beyond it; means over images."""

    images: str  #: image set
    denoiser: str  #: network, or "optimum"
    left: Estimate  #: share of the leading left singular vectors in the tangent
    right: Estimate  #: of the right ones
    symmetric: Estimate  #: of the eigenvectors of the symmetric part
    trace: Estimate  #: tr J at these images, dimensions
    along: Estimate  #: dimensions kept along the tangent
    beyond: Estimate  #: dimensions kept beyond it
    error_along: Estimate  #: squared error along it, summed over pixels, in units of sigma^2
    error_beyond: Estimate  #: and beyond it
    count: Estimate  #: directions beyond the tangent with an eigenvalue above KEPT
    asym: Estimate  #: ||J - J'||_F / ||J||_F


def parts(images: str, found: Mapping[str, Sequence[Dissection]]) -> Table[Parts]:
    """Where does a denoiser keep too much?

    Args:
        images: name of the image set.
        found: dissections by name of the denoiser.

    Returns:
        One row for each denoiser.
    """
    names = ("left", "right", "symmetric", "trace", "along", "beyond", "error_along", "error_beyond", "count", "asym")
    rows = []
    for denoiser, some in found.items():
        means = (estimate(np.mean, np.array([getattr(part, name) for part in some])) for name in names)
        rows.append(Parts(images, denoiser, *means))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Eigenvalue:
    """One eigenvalue of the symmetric part of a Jacobian, mean over images."""

    images: str  #: image set
    denoiser: str  #: network, or "optimum"
    rank: int  #: from 1
    value: Estimate  #: shrinkage factor


def spectra(images: str, found: Mapping[str, Sequence[Dissection]], ranks: Iterable[int]) -> Table[Eigenvalue]:
    """Eigenvalues by rank.

    Args:
        images: name of the image set.
        found: dissections by name of the denoiser.
        ranks: from 1.

    Returns:
        One row for each denoiser and rank.
    """
    rows = []
    for denoiser, some in found.items():
        values = np.array([part.eigenvalues.double().numpy() for part in some])
        rows += [Eigenvalue(images, denoiser, k, estimate(np.mean, values[:, k - 1])) for k in ranks]
    return Table(tuple(rows))


# What the surplus is made of --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Surplus:
    """Is a surplus harmonic, adapted and along the contour? Means over discs, of one basis."""

    denoiser: str  #: network
    basis: str  #: "its own", or that of a control
    h1: Estimate  #: frequency grows
    h2: Estimate  #: share of energy across this image's contours, less that across another's
    h3: Estimate  #: variation along over across contours
    h4: Estimate  #: share in the smoothest functions on this image, less that in another's
    waves: Estimate  #: share of the first vectors in the span of the contour waves


@dataclass(frozen=True)
class Margin:
    """The surplus of a network against the best of its controls."""

    denoiser: str  #: network
    h2: Estimate  #: own less the best control; above 0 is ahead
    h3: Estimate  #: below 0 is ahead
    h4: Estimate  #: above 0 is ahead
    waves: Estimate  #: above 0 is ahead
    edge: Estimate  #: the same against random vectors confined to the edge, which are among no other margin's controls
    smooth_edge: Estimate  #: the same against smooth ones


def surplus(
    denoiser: str,
    some: Sequence[Dissection],
    x: Float[Tensor, "n 1 h w"],
    parameters: Float[Tensor, "5 n"],
    held_out: Float[Tensor, "m 1 h w"],
) -> tuple[Table[Surplus], Table[Margin]]:
    """What does a network keep beyond the tangent of discs?

    Taking the tangent out of any basis leaves a trace of the contour in it. So the controls go the same way: the
    surplus of a third disc, principal components of discs, cosines, random vectors, all made perpendicular to the
    tangent of the disc in hand. None of these knows where its edge is; two more do and know nothing else: random
    vectors times the edge's profile, as drawn, and smoothed before by two averages over 3 by 3 pixels.

    Args:
        denoiser: name of the network.
        some: its dissections.
        x: the clean discs.
        parameters: theirs.
        held_out: discs whose principal components are taken.

    Returns:
        One row for each basis; and own against the best control that does not know the edge, and against those that
        do, in one row.
    """
    most, size = len(some[0].surplus), x.shape[-1]
    tangents = [synthetic.disc_tangent(p, size) for p in parameters.T]
    bent = [
        harmonic.perpendicular(synthetic.contour_waves(p, size, ORDERS), tangent)
        for p, tangent in zip(parameters.T, tangents, strict=True)
    ]
    counts = np.clip([part.count for part in some], 3, most)
    own = [part.surplus for part in some]
    controls = {
        "its own": own,
        "a third disc's": [*own[2:], *own[:2]],
        "principal": [harmonic.principal(held_out, most)] * len(some),
        "cosines": [harmonic.dct(size, size)[1 : most + 1]] * len(some),  # the constant lies in every tangent
        "random": [harmonic.random(most, size, size, seed=k) for k in range(len(some))],
    }
    blind = list(controls)[1:]
    profiles = [synthetic.contour_waves(p, size, (0,))[0] for p in parameters.T]
    for name, vectors in {EDGE: controls["random"], SMOOTH_EDGE: [_smooth(v) for v in controls["random"]]}.items():
        controls[name] = [v.flatten(1) * profile for v, profile in zip(vectors, profiles, strict=True)]
    found = {}
    for name, vectors in controls.items():
        off = [harmonic.perpendicular(v[:k], t) for v, k, t in zip(vectors, counts, tangents, strict=True)]
        found[name] = harmonic.indices([rows.view(-1, 1, size, size) for rows in off], counts, x)
        found[name]["waves"] = np.array([share(*pair) for pair in zip(off, bent, strict=True)])
    names = (*harmonic.INDICES, "waves")
    rows = [
        Surplus(denoiser, name, *(estimate(np.mean, values[index]) for index in names))
        for name, values in found.items()
    ]
    ahead = [margins(found, against=names)["waves"] for names in ([EDGE], [SMOOTH_EDGE])]
    best = margins(found, against=blind)
    return Table(tuple(rows)), Table((Margin(denoiser, *(best[i] for i in ("H2", "H3", "H4", "waves")), *ahead),))


def _smooth(vectors: Float[Tensor, "k 1 h w"]) -> Float[Tensor, "k 1 h w"]:
    for _ in range(2):
        vectors = avg_pool2d(pad(vectors, [1] * 4, mode="replicate"), 3, stride=1)
    return vectors


def share(vectors: Float[Tensor, "n d"], span: Float[Tensor, "k d"]) -> float:
    """How much of the first vectors, as many as the span has dimensions, lies in it.

    Args:
        vectors: orthonormal rows.
        span: orthonormal rows.

    Returns:
        From 0 to 1; k / d by chance.
    """
    first = vectors[: len(span)]
    return (first @ span.T).square().sum().item() / len(first)


# Without curvature ------------------------------------------------------------------------------------------------


def flat(
    studies: Sequence[Study], projections_on: Sequence[Callable], tested: int = 48, dissected: int = 4, seed: int = 0
) -> tuple[Table[Level], Table[Deficit], Table[Parts]]:
    """All of the above on flat manifolds, whose optimum at weak noise is a projection.

    Args:
        studies: of one network each.
        projections_on: RayDenoiser or SineDenoiser of each.
        tested: test images.
        dissected: how many of them whole Jacobians are taken at.
        seed: of the noise and of the probes.

    Returns:
        `levels`, `deficits` and `parts` of all studies; the projection is called the optimum.
    """
    rows: list[list] = [[], [], []]
    for study, projection in zip(studies, projections_on, strict=True):
        (denoiser,), x = study.denoisers.values(), study.held_out[:tested]
        found, best = {study.network: answers(denoiser, x, seed=seed)}, projections(projection, x, seed=seed)
        some = dissections(denoiser, x, [projection.basis.T] * dissected, seed=seed)
        tables = (*(f(study.name, found, best) for f in (levels, deficits)), parts(study.name, {study.network: some}))
        for all_rows, table in zip(rows, tables, strict=True):
            all_rows += table.rows
    return tuple(Table(tuple(all_rows)) for all_rows in rows)
