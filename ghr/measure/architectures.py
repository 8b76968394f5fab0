"""Which networks have the basis? Studies of several architectures enter, one row for each network and N leaves.

Each is asked the same: does it memorize (the gap), do two of its halves agree beyond what a mean and a covariance give,
is its basis harmonic and adapted to the image (H1 to H4, beside a basis that does not know the image), how many
dimensions does it keep, and does it look near. All are measured at the same images and noise, and by as many vectors as
the first study's largest network keeps. The basis is that of J: where f(y) = J y it explains the whole answer, and how
far a network is from that is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ghr import jacobian
from ghr.experiments import Study
from ghr.measure import bases, errors, harmonicity
from ghr.measure.beyond import LEVEL, common
from ghr.measure.rivals import NEAR, neighbours
from ghr.noise import add_noise
from ghr.references import WienerDenoiser
from ghr.stats import Estimate, estimate, psnr_gap, psnr_of_mean, student
from ghr.tables import Table

NULL = "a third image's"  #: the basis that has a network's habits without the image


@dataclass(frozen=True)
class Architecture:
    """One kind of network, trained on N images: half A, and beside half B where two networks are compared."""

    images: str  #: image set
    network: str  #: key of ghr.recipes.NETWORKS
    n: int  #: training images of each half
    parameters: int  #: learned numbers
    images_seen: int  #: in training, with repetition
    psnr: Estimate  #: of test images at input 21 dB, dB
    gap: Estimate  #: of training images less that, dB
    same_noise: Estimate | None  #: median rho of A's and B's samples from the same noise; None of A alone
    beyond: Estimate | None  #: the same beyond Wiener, rho(A - W, B - W); None of A alone, or where a walk diverges
    beyond_null: Estimate | None  #: the same with a sample of B from other noise
    sigma: float  #: noise level of what follows, image units
    tested: int  #: noisy test images of what follows, means over which follow
    kept: float  #: vectors of each basis that count
    hom: Estimate  #: ||f(y) - J y|| / ||f(y)||, 0 where the basis explains the whole answer
    asym: Estimate  #: ||J - J'||_F / ||J||_F
    trace: Estimate  #: tr J, dimensions that are kept
    h1: Estimate  #: rank correlation of rank and frequency
    h2: Estimate  #: geometry gain, less that with another image
    h2_null: Estimate  #: the same of the basis at a third image
    h2_ahead: Estimate  #: h2 less that of the better of the basis at a third image and principal components
    h3: Estimate  #: energy along over across contours, over that of cosines; less is better
    h4: Estimate  #: alignment with the smoothest functions on the image, less that with another image
    h4_null: Estimate  #: the same of the basis at a third image
    h4_ahead: Estimate  #: h4 less that of the better of the basis at a third image and principal components
    near: Estimate  #: share of the energy of J's rows in 5 x 5 pixels around their own, which is left out
    near_wiener: float  #: the same of the Wiener filter of the same training images
    near_even: float  #: the same of rows that look everywhere alike


def architectures(
    studies: Sequence[Study],
    *,
    images: int = 4,
    tests: int = errors.IMAGES,
    seeds: Sequence[int] = range(32),
    sigma: float = LEVEL,
    seed: int = 0,
) -> Table[Architecture]:
    """Gap, agreement, basis and locality of several architectures.

    Args:
        studies: networks of half A of one image set, grey, and of half B where there is one; each of one architecture.
        images: held-out images at which networks are differentiated, at least three. A Jacobian of a thousand pixels is
            a thousand passes backward.
        tests: training and test images whose errors are compared, at most as many as are held out.
        seeds: of the samples, at least two.
        sigma: noise standard deviation at which networks are differentiated, image units.
        seed: of the noise.

    Returns:
        One row for each study and N.

    Raises:
        ValueError: for fewer than three images.
    """
    if images < 3:
        raise ValueError(f"A basis is held against those at two other images: take three or more, got {images}.")
    x = studies[0].held_out[:images]
    y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
    counts, rows = None, []
    for study in studies:
        for n in reversed(study.sizes):  # the largest one of the first study says how many vectors count
            f, training, run = study.denoisers[n, "A"], study.training(n), study.runs[n, "A"]
            some = bases.filters(f, x, y, sigma, whole=True)
            counts = bases.kept(some) if counts is None else counts
            near = neighbours(*x.shape[-2:], NEAR)
            shares = [nearby(one.j, near) for one in some]
            wiener = nearby(jacobian.jacobian(WienerDenoiser(training), y[:1].double(), sigma), near)
            alike, residual, null = _agreement(study, n, seeds, seed)
            rows.append(
                Architecture(
                    study.name,
                    study.network,
                    n,
                    sum(weights.numel() for weights in f.parameters()),
                    run.images_seen,
                    *_errors(study, n, tests, seed),
                    alike,
                    residual,
                    null,
                    float(sigma),
                    len(x),
                    float(counts.mean()),
                    **{field: student(np.mean, bases.values(some, field)) for field in ("hom", "asym", "trace")},
                    **_indices(some, counts, training, x),
                    near=student(np.mean, np.array(shares)),
                    near_wiener=wiener,
                    near_even=nearby(torch.ones(len(near), len(near)), near),
                )
            )
    return Table(tuple(rows), Architecture)


def nearby(j: Float[Tensor, "d d"], near: Bool[Tensor, "d d"]) -> float:
    """How local a linear denoiser is: where the energy of its rows lies, each row's own pixel left out. ::

        sum_{j near i, j != i} J_ij^2 / sum_{j != i} J_ij^2

    Args:
        j: Jacobian.
        near: which pixels are near each, as of `ghr.measure.rivals.neighbours`.

    Returns:
        Share, from 0 to 1.
    """
    energy = j.double().cpu().square().fill_diagonal_(0)
    return float(energy[near].sum() / energy.sum())


def _errors(study: Study, n: int, tests: int, seed: int) -> tuple[Estimate, Estimate]:
    """PSNR on test images, and the gap, at input 21 dB."""
    level, f = 10 ** (-errors.NAMED_PSNR / 20), study.denoisers[n, "A"]
    pair = errors.training_images(study, n, "A"), errors.held_out(study, n)
    train, test = (errors.errors(f, some[:tests], [level], seed)[0] for some in pair)
    return estimate(psnr_of_mean, test), estimate(psnr_gap, train, test, paired=False)


def _agreement(study: Study, n: int, seeds: Sequence[int], seed: int) -> tuple[Estimate | None, ...]:
    """Agreement of A and B, the same beyond Wiener, and its null; none of A alone, or where a walk diverges."""
    if (n, "B") not in study.runs:
        return None, None, None
    try:
        (row,) = common(study.of(n), seeds, seed)
    except FloatingPointError:
        return None, None, None
    return row.same_noise, row.residual, row.null


def _indices(
    some: Sequence[bases.Filter], counts: Int[np.ndarray, " m"], training: Tensor, x: Tensor
) -> dict[str, Estimate]:
    """The four indices, those of the null, and what the basis is ahead of its controls."""
    own = [basis[: counts.max()] for basis in bases.vectors(some)]
    found = harmonicity.indices(harmonicity.controls(own, training), counts, x)
    ahead = harmonicity.margins(found, against=harmonicity.JUDGES, interval=student)
    indices = {name.lower(): student(np.mean, values) for name, values in found["its own"].items()}
    for name in ("H2", "H4"):
        indices[f"{name.lower()}_null"] = student(np.mean, found[NULL][name])
        indices[f"{name.lower()}_ahead"] = ahead[name]
    return indices
