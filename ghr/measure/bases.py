"""In which basis does a denoiser shrink, and whose basis is it? A study enters, its networks as matrices leave.

`of_study` differentiates the networks of a study at some noisy images, once; the other functions read what it found.
Images are few, a Jacobian of a thousand pixels taking half a second: intervals are Student's. Departure from the paper:
bases are those of the symmetric part of J; singular vectors stand beside them, and `ghr.measure.balance` measures what
the symmetric part leaves out.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ghr import harmonic, jacobian, runs
from ghr.denoiser import denoise
from ghr.experiments import Study
from ghr.noise import add_noise
from ghr.stats import Estimate, psnr_gap, student
from ghr.tables import Table

KS = tuple(2**k for k in range(9))  #: numbers of vectors at which bases are compared


@dataclass(frozen=True)
class Filter:
    """A denoiser at one noisy image, as the matrix J by which it filters it; S is its symmetric part."""

    eigenvalues: Float[Tensor, " d"]  #: shrinkage factors, of S, falling
    eigenvectors: Float[Tensor, "k c h w"]  #: the first of S, orthonormal
    hom: float  #: ||f(y) - J y|| / ||f(y)||, 0 for a homogeneous denoiser
    asym: float  #: ||J - J'||_F / ||J||_F, 0 for the optimum
    trace: float  #: tr J, the number of dimensions that are kept
    error: float  #: ||f(y) - x||^2 / d, squared image units
    symmetric_error: float  #: ||S y - x||^2 / d, squared image units
    rows: float  #: standard deviation of the row sums of J over pixels
    columns: float  #: standard deviation of the column sums of J over pixels
    j: Float[Tensor, "d d"] | None = None  #: J itself, where it was asked for


def filters(
    denoiser,
    x: Float[Tensor, "n c h w"],
    y: Float[Tensor, "n c h w"],
    sigma: float | None = None,
    most: int | None = None,
    whole: bool = False,
) -> tuple[Filter, ...]:
    """A denoiser as a matrix, at each of some noisy images.

    Args:
        denoiser: called f(y, sigma), in evaluation mode.
        x: clean images, [0,1] units.
        y: the same with noise.
        sigma: noise standard deviation of y; blind denoisers need none.
        most: eigenvectors that are kept of each (default: half of all).
        whole: keep each Jacobian as well.

    Returns:
        One Filter for each image.

    Raises:
        ValueError: for a module in training mode.
    """
    return tuple(
        of_matrix(
            jacobian.jacobian(denoiser, seen, sigma), clean[None], seen, denoise(denoiser, seen, sigma), most, whole
        )
        for clean, seen in zip(x, y.split(1), strict=True)
    )


def of_matrix(
    j: Float[Tensor, "d d"],
    x: Float[Tensor, "1 c h w"],
    y: Float[Tensor, "1 c h w"],
    x_hat: Float[Tensor, "1 c h w"],
    most: int | None = None,
    whole: bool = False,
) -> Filter:
    """What a denoiser's Jacobian at one noisy image says.

    Args:
        j: the Jacobian.
        x: clean image, [0,1] units.
        y: the same with noise.
        x_hat: the same denoised.
        most: eigenvectors that are kept (default: half of all).
        whole: keep j as well.

    Returns:
        Filter.
    """
    basis = jacobian.eigenbasis(j, y.shape[1:])
    clean, seen, x_hat = x.flatten(), y.flatten(), x_hat.flatten()
    return Filter(
        eigenvalues=basis.eigenvalues,
        # a view would keep the other half in memory
        eigenvectors=basis.eigenvectors[: len(seen) // 2 if most is None else most].clone(),
        hom=((x_hat - j @ seen).norm() / x_hat.norm()).item(),
        asym=jacobian.asymmetry(j),
        trace=j.trace().item(),
        error=(x_hat - clean).square().mean().item(),
        symmetric_error=((j + j.T) @ seen / 2 - clean).square().mean().item(),
        rows=j.sum(1).std().item(),
        columns=j.sum(0).std().item(),
        j=j if whole else None,
    )


def values(some: Sequence[Filter], field: str) -> Float[np.ndarray, " n"]:
    """One number of each filter.

    Args:
        some: filters, one for each image.
        field: name of a field of Filter, e.g. "trace".

    Returns:
        One value for each image, in the field's unit.
    """
    return np.array([getattr(one, field) for one in some])


def vectors(some: Sequence[Filter]) -> list[Float[Tensor, "k c h w"]]:
    """The basis of each filter.

    Args:
        some: filters, one for each image.

    Returns:
        Eigenvectors, by falling eigenvalue, for each image.
    """
    return [one.eigenvectors for one in some]


def kept(some: Sequence[Filter]) -> Int[np.ndarray, " n"]:
    """How many vectors of each basis count as kept. ::

        K = round(tr J),     at least 3, at most as many as the filter holds

    Args:
        some: filters, one for each image.

    Returns:
        K for each image.

    Source: own choice: tr J is the number of dimensions that the optimum leaves open.
    """
    return np.clip(np.round(values(some, "trace")), 3, len(some[0].eigenvectors)).astype(int)


# A study ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filters:
    """The networks of one study as matrices, at the same noisy images."""

    study: Study  #: networks of halves A and B, and images
    x: Float[Tensor, "m c h w"]  #: clean test images; of photographs, one from each of the first regions
    sigmas: tuple[float, ...]  #: noise levels, image units, lowest first
    seed: int  #: of the noise
    #: by N, half and noise level, at the first images of x: the largest N at all of them for half A and the lowest
    #: level and at half of them else, smaller N at few of them for the lowest level
    at: Mapping[tuple[int, str, float], tuple[Filter, ...]]
    #: the largest N's network of half A before its training, at few test images and the lowest level
    untrained: tuple[Filter, ...]
    #: by N, networks of half A at few of their own training images and the lowest level
    seen: Mapping[int, tuple[Filter, ...]]

    def largest(self, half: str = "A", sigma: float | None = None) -> tuple[Filter, ...]:
        """The filters of the largest N.

        Args:
            half: of the training images.
            sigma: noise level (default: the lowest).

        Returns:
            One Filter for each image.
        """
        return self.at[self.study.largest, half, self.sigmas[0] if sigma is None else sigma]

    def y(self, sigma: float) -> Float[Tensor, "m c h w"]:
        """The noisy images at which the networks were differentiated.

        Args:
            sigma: noise standard deviation, image units.

        Returns:
            Noisy images, in the order of x.
        """
        return _noisy(self.x, sigma, self.seed)

    def training(self, n: int) -> Float[Tensor, "k c h w"]:
        """The training images at which a network of half A was differentiated.

        Args:
            n: its N, one of `seen`.

        Returns:
            Clean images; of a set with fewer, some twice.
        """
        return _first(self.study.training(n, "A"), len(self.seen[n]))

    def row(
        self,
        image: int,
        ranks: Sequence[int],
        n: int | None = None,
        sigma: float | None = None,
        half: str = "A",
        training: bool = False,
    ) -> Float[Tensor, "k c h w"]:
        """What a reader wants to see of one filter.

        Args:
            image: place among the images.
            ranks: of eigenvectors, from 1.
            n: training images of the network (default: the largest).
            sigma: noise level (default: the lowest).
            half: of the training images.
            training: whether it is a training image, at the lowest noise level and of half A.

        Returns:
            Noisy image, denoised image, and the eigenvectors.
        """
        n = self.study.largest if n is None else n
        sigma = self.sigmas[0] if sigma is None else sigma
        y = (_noisy(self.training(n), sigma, self.seed) if training else self.y(sigma))[image : image + 1]
        some = self.seen[n] if training else self.at[n, half, sigma]
        x_hat = denoise(self.study.denoisers[n, half], y, sigma)
        return torch.cat([y, x_hat, some[image].eigenvectors[[rank - 1 for rank in ranks]]])

    def at_pixels(self, image: int, pixels: Sequence[tuple[int, int]]) -> Float[Tensor, "k c h w"]:
        """From which pixels the largest N's network of half A makes one, and where one goes, at the lowest noise level.

        Args:
            image: place among the images.
            pixels: line and column of each, of the first channel.

        Returns:
            For each pixel its row of J, then its column, of a thorough study.
        """
        j, shape = self.largest()[image].j, self.x.shape[1:]
        places = [line * shape[-1] + column for line, column in pixels]
        return torch.stack([each.view(shape) for place in places for each in (j[place], j[:, place])])


def of_study(
    study: Study,
    many: int = 32,
    few: int = 0,
    sigmas: Sequence[float] = (0.1, 0.3),
    seed: int = 0,
    thorough: bool = False,
) -> Filters:
    """The networks of a study as matrices, at some of its test images.

    Args:
        study: networks of halves A and B, and images.
        many: test images of the largest N, half A, at the lowest noise level; half as many, but not below few, for half
            B and other levels.
        few: test images of smaller N (both halves; of N = 1 half A alone) and of the untrained network; by default
            these are left out.
        sigmas: noise standard deviations, image units, lowest first.
        seed: of the noise, the same for every network.
        thorough: keep Jacobians and all their eigenvectors, of the largest N, half A, at the lowest noise level; and
            differentiate that network, and the one of the N nearest to 100, at few training images as well.

    Returns:
        Filters.
    """
    x, top, low = first_images(study, many), study.largest, sigmas[0]
    noisy = {sigma: _noisy(x, sigma, seed) for sigma in sigmas}
    at: dict[tuple[int, str, float], tuple[Filter, ...]] = {}
    for (n, half), denoiser in study.denoisers.items():
        for sigma in sigmas if n == top else sigmas[:1]:
            main = (n, half, sigma) == (top, "A", low)
            count = few if n < top else len(x) if main else max(len(x) // 2, min(few, len(x)))
            if count and (n > 1 or half == "A"):
                whole = thorough and main
                most = x[0].numel() if whole else None
                at[n, half, sigma] = filters(denoiser, x[:count], noisy[sigma][:count], sigma, most, whole)
    untrained: tuple[Filter, ...] = ()
    seen = {}
    if few:
        before = runs.untrained(study.runs[top, "A"], study.training(top, "A"), seed)
        untrained = filters(before, x[:few], noisy[low][:few], low)
    if thorough:
        small = min(study.sizes, key=lambda n: (abs(math.log(n / 100)), n))
        for n in sorted({small, top}):
            images = _first(study.training(n, "A"), few)
            seen[n] = filters(study.denoisers[n, "A"], images, _noisy(images, low, seed), low)
    frozen = MappingProxyType(at), untrained, MappingProxyType(seen)
    return Filters(study, x, tuple(sigmas), seed, *frozen)


def _first(x: Tensor, many: int) -> Tensor:
    return x[torch.arange(many) % len(x)]


def first_images(study: Study, many: int) -> Float[Tensor, "m c h w"]:
    """The first test images of a study; of photographs, one from each of the first regions: they are independent.

    Args:
        study: networks and images.
        many: images wanted.

    Returns:
        Clean images, fewer where there are not as many regions.
    """
    if study.regions is None:
        return study.held_out[:many]
    _, places = np.unique(study.regions.held_out, return_index=True)
    return study.held_out[sorted(places)[:many]]


def _noisy(x: Tensor, sigma: float, seed: int) -> Tensor:
    return add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))


# Is it a symmetric matrix? ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Anatomy:
    """The Jacobians of one network at one noise level, mean over images."""

    images: str  #: image set
    network: str  #: key of ghr.recipes.NETWORKS
    n: int  #: training images
    half: str  #: of the training images
    sigma: float  #: noise standard deviation, image units
    tested: int  #: images at which the network was differentiated
    hom: Estimate  #: ||f(y) - J y|| / ||f(y)||
    asym: Estimate  #: ||J - J'||_F / ||J||_F
    rows: Estimate  #: standard deviation of row sums
    columns: Estimate  #: standard deviation of column sums
    trace: Estimate  #: tr J
    top: Estimate  #: largest eigenvalue of the symmetric part


def anatomy(*found: Filters) -> Table[Anatomy]:
    """How far are Jacobians symmetric?

    Args:
        *found: filters of each study.

    Returns:
        One row for each network and noise level, at its test images.
    """
    rows = []
    for one, (n, half, sigma), some in [(f, *item) for f in found for item in f.at.items()]:
        fields = ("hom", "asym", "rows", "columns", "trace")
        means = {field: student(np.mean, values(some, field)) for field in fields}
        means["top"] = student(np.mean, np.array([each.eigenvalues[0].item() for each in some]))
        rows.append(Anatomy(one.study.name, one.study.network, n, half, sigma, len(some), **means))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Singular:
    """The first K singular vectors of J beside the first K eigenvectors of its symmetric part S, mean over images."""

    images: str  #: image set
    k: int  #: vectors
    value: Estimate  #: singular value of rank k
    eigenvalue: Estimate  #: eigenvalue of rank k
    left_right: Estimate  #: alignment of left with right singular vectors: what is written with what is read
    right_own: Estimate  #: alignment of right singular vectors with eigenvectors
    left_own: Estimate  #: alignment of left singular vectors with eigenvectors
    chance: float  #: alignment of random subspaces, K / d
    rest: Estimate  #: share of ||f(y)||^2 that K terms of J's singular expansion leave out
    eigen_rest: Estimate  #: share of ||f(y)||^2 that K terms of the expansion of S leave out


def singular(found: Filters, ks: Iterable[int] = KS) -> Table[Singular]:
    """Is the basis in which a network writes the one in which it reads, and is either the eigenbasis of S? ::

        J y = sum_k s_k u_k <v_k, y>,     S y = sum_k lambda_k e_k <e_k, y>

    Args:
        found: filters of a study whose Jacobians were kept.
        ks: numbers of vectors; those above the number of pixels are left out.

    Returns:
        One row for each number, of the largest N, half A, at the lowest noise level.
    """
    d = found.x[0].numel()
    ks = [k for k in (*ks, d) if k <= d]
    per_image = []
    for one, seen in zip(found.largest(), found.y(found.sigmas[0]).flatten(1), strict=True):
        u, s, vt = torch.linalg.svd(one.j)
        u, own, x_hat = u.T, one.eigenvectors.flatten(1), one.j @ seen
        terms = ((s * (vt @ seen))[:, None] * u, (one.eigenvalues * (own @ seen))[:, None] * own)
        rests = [(x_hat - each.cumsum(0)).square().sum(1) / x_hat.square().sum() for each in terms]
        pairs = [harmonic.alignment(a[:k], b[:k]) for k in ks for a, b in ((u, vt), (vt, own), (u, own))]
        places = [k - 1 for k in ks]
        columns = [s[places], one.eigenvalues[places], *torch.tensor(pairs).view(-1, 3).T, *(r[places] for r in rests)]
        per_image.append(torch.stack([column.double() for column in columns]))
    numbers = torch.stack(per_image, -1).numpy()  # what, k, image
    rows = []
    for at, k in enumerate(ks):
        found_at = [student(np.mean, what[at]) for what in numbers]
        rows.append(Singular(found.study.name, k, *found_at[:5], k / d, *found_at[5:]))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Symmetric:
    """A denoiser that a symmetric matrix makes, beside the network from which the matrix is made."""

    images: str  #: image set
    matrix: str  #: which: "S", "S without negative eigenvalues", "S with the best factors", "(J'J)^1/2", "(JJ')^1/2"
    loss: Estimate  #: PSNR of f(y) over that of the matrix times y, dB


def symmetric(found: Filters) -> Table[Symmetric]:
    """What is lost if a network is made to shrink, in whichever symmetric way is nearest to it? ::

        S = (J + J')/2 = E diag(lambda) E',     J = U diag(s) V',     (J'J)^1/2 = V diag(s) V'

    S is the nearest symmetric matrix to J, S without its negative eigenvalues the nearest that shrinks, both by
    Frobenius' norm; the roots are the symmetric factors of J's polar decompositions. The best factors are common to
    all images, one for each rank, and chosen with their clean images: no other common ones err less on these.

    Args:
        found: filters of a study whose Jacobians were kept.

    Returns:
        One row for each matrix, of the largest N, half A, at the lowest noise level.

    Source: Higham 1988 for the nearest.
    """
    some, errors, clean, noisy = found.largest(), [], [], []
    for one, x, y in zip(some, found.x.flatten(1), found.y(found.sigmas[0]).flatten(1), strict=True):
        (u, s, vt), e, c = torch.linalg.svd(one.j), one.eigenvectors.flatten(1), one.eigenvalues
        clean.append(e @ x)
        noisy.append(e @ y)
        read, written = vt.T @ (s * (vt @ y)), u @ (s * (u.T @ y))
        answers = one.j @ y, e.T @ (c * noisy[-1]), e.T @ (c.clamp(min=0) * noisy[-1]), read, written
        errors.append([(answer - x).square().mean().item() for answer in answers])
    network, *others = np.array(errors).T
    seen, wanted = torch.stack(noisy).double(), torch.stack(clean).double()
    factors = (seen * wanted).mean(0) / seen.square().mean(0)  # eigenvectors are a basis: errors are those of these
    best = (factors * seen - wanted).square().mean(1).numpy()
    names = "S", "S without negative eigenvalues", "(J'J)^1/2", "(JJ')^1/2", "S with the best factors"
    losses = [student(psnr_gap, network, error) for error in (*others, best)]
    return Table(tuple(Symmetric(found.study.name, *pair) for pair in zip(names, losses, strict=True)))


# Does it shrink as it should? ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Coefficients:
    """A group of ranks: what clean images and noise have there, and by which factors they are multiplied."""

    first: int  #: rank, from 1
    last: int  #: rank
    centre: float  #: geometric mean of both
    noise: Estimate  #: root mean square of the noise's coefficients, image units
    clean: Estimate  #: root mean square of the clean images' coefficients, image units
    eigenvalue: Estimate  #: mean factor of the denoiser
    best: Estimate  #: the factor that brings noisy coefficients nearest to clean ones, E[clean noisy] / E[noisy^2]


def coefficients(
    some: Sequence[Filter], x: Float[Tensor, "n c h w"], y: Float[Tensor, "n c h w"], groups: int = 13
) -> Table[Coefficients]:
    """Images and their noise in the denoiser's own basis at each, by rank.

    Args:
        some: filters, one for each image.
        x: clean images.
        y: noisy images, where the denoiser was differentiated.
        groups: of ranks, even in log rank; fewer where ranks do not suffice.

    Returns:
        One row for each group of ranks.
    """
    own = torch.stack([one.eigenvectors.flatten(1) for one in some])
    most = own.shape[1]
    ends = np.unique(np.geomspace(1, most + 1, groups + 1).round().astype(int))
    clean, seen = ((own @ images.flatten(1)[:, :, None])[..., 0].double().numpy() for images in (x, y))
    factors = torch.stack([one.eigenvalues for one in some]).double().numpy()
    rows = []
    for a, b in itertools.pairwise(ends.tolist()):
        group = slice(a - 1, b - 1)

        def mean(per_rank: np.ndarray, group=group) -> np.ndarray:
            return per_rank[:, group].mean(1)

        rows.append(
            Coefficients(
                first=a,
                last=b - 1,
                centre=float(np.sqrt(a * (b - 1))),
                noise=student(_rms, mean((seen - clean) ** 2)),
                clean=student(_rms, mean(clean**2)),
                eigenvalue=student(np.mean, mean(factors)),
                best=student(best_factor, mean(clean * seen), mean(seen**2)),
            )
        )
    return Table(tuple(rows))


def best_factor(products: np.ndarray, squares: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """The factor that brings noisy coefficients nearest to clean ones. ::

        argmin_a E(a noisy - clean)^2 = E[clean noisy] / E[noisy^2]

    Args:
        products: clean times noisy coefficients, image by image.
        squares: of the noisy coefficients.
        axis: of images.

    Returns:
        Factor, without unit.
    """
    return np.mean(products, axis) / np.mean(squares, axis)


def _rms(squares: np.ndarray, axis: int) -> np.ndarray | np.floating:
    return np.sqrt(np.mean(squares, axis))


# Whose basis is it? -------------------------------------------------------------------------------------------------


def alignments(
    first: Sequence[Float[Tensor, "_ c h w"]],
    second: Sequence[Float[Tensor, "_ c h w"]],
    counts: Sequence[int] | Int[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """How much of one subspace lies in another, image by image. ::

        (1/K) ||U'V||_F^2,     U, V: the first K vectors of either basis

    Args:
        first: basis of each image, orthonormal.
        second: another basis of each image, orthonormal.
        counts: K for each image.

    Returns:
        One value for each image; 1 for one subspace, 0 for perpendicular ones, about K / d by chance.

    Raises:
        ValueError: when there are not as many bases and counts as images.
    """
    pairs = zip(first, second, counts, strict=True)
    return np.array([harmonic.alignment(u[:k], v[:k]) for u, v, k in pairs])


@dataclass(frozen=True)
class Agreement:
    """Do networks of two halves find one basis? Mean over images."""

    images: str  #: image set
    network: str  #: key of ghr.recipes.NETWORKS
    n: int  #: training images of each half
    tested: int  #: images at which both networks were differentiated
    sigma: float  #: noise standard deviation, image units
    trace: Estimate  #: tr J of network A
    same: Estimate  #: alignment of A's with B's basis at the same image
    other: Estimate  #: alignment of A's basis with A's at the next image
    chance: float  #: mean K / d


def agreement(*found: Filters) -> Table[Agreement]:
    """Do two networks that share no training image find the same basis?

    Args:
        *found: filters of each study.

    Returns:
        One row for each N of which both networks were differentiated, at the lowest noise level.
    """
    rows = []
    for one, n in [(f, n) for f in found for n in f.study.sizes]:
        sigma = one.sigmas[0]
        if (n, "B", sigma) not in one.at:
            continue
        b = one.at[n, "B", sigma]
        a = one.at[n, "A", sigma][: len(b)]
        own, counts = vectors(a), kept(a)
        rows.append(
            Agreement(
                one.study.name,
                one.study.network,
                n,
                len(a),
                sigma,
                trace=student(np.mean, values(a, "trace")),
                same=student(np.mean, alignments(own, vectors(b), counts)),
                other=student(np.mean, alignments(own, [*own[1:], own[0]], counts)),
                chance=float(counts.mean() / one.x[0].numel()),
            )
        )
    return Table(tuple(rows))
