"""In which basis does a denoiser shrink, and whose basis is it? A study enters, its networks as matrices leave.

`of_study` differentiates the networks of a study at some noisy test images, once; the other functions read what it
found. Departure from the paper: bases are those of the symmetric part of J, and what that leaves out is measured.
"""

import itertools
from collections.abc import Mapping, Sequence
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
from ghr.stats import Estimate, estimate, psnr_gap, psnr_of_mean
from ghr.tables import Table


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


def filters(
    denoiser,
    x: Float[Tensor, "n c h w"],
    y: Float[Tensor, "n c h w"],
    sigma: float | None = None,
    most: int | None = None,
) -> tuple[Filter, ...]:
    """A denoiser as a matrix, at each of some noisy images.

    Args:
        denoiser: called f(y, sigma), in evaluation mode.
        x: clean images, [0,1] units.
        y: the same with noise.
        sigma: noise standard deviation of y; blind denoisers need none.
        most: eigenvectors that are kept of each (default: half of all).

    Returns:
        One Filter for each image.

    Raises:
        ValueError: for a module in training mode.
    """
    return tuple(
        of_matrix(jacobian.jacobian(denoiser, seen, sigma), clean[None], seen, denoise(denoiser, seen, sigma), most)
        for clean, seen in zip(x, y.split(1), strict=True)
    )


def of_matrix(
    j: Float[Tensor, "d d"],
    x: Float[Tensor, "1 c h w"],
    y: Float[Tensor, "1 c h w"],
    x_hat: Float[Tensor, "1 c h w"],
    most: int | None = None,
) -> Filter:
    """What a denoiser's Jacobian at one noisy image says.

    Args:
        j: the Jacobian.
        x: clean image, [0,1] units.
        y: the same with noise.
        x_hat: the same denoised.
        most: eigenvectors that are kept (default: half of all).

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
    """The networks of one study as matrices, at the same noisy test images."""

    study: Study  #: networks of halves A and B, and images
    x: Float[Tensor, "m c h w"]  #: clean test images; of photographs, one from each of the first regions
    sigmas: tuple[float, ...]  #: noise levels, image units, lowest first
    seed: int  #: of the noise
    #: by N, half and noise level; the largest N at every level, smaller N at the lowest and at half of the images
    at: Mapping[tuple[int, str, float], tuple[Filter, ...]]
    #: by noise level; the largest N's network of half A before its training
    untrained: Mapping[float, tuple[Filter, ...]]

    @property
    def few(self) -> Float[Tensor, "k c h w"]:
        """The images at which there are filters of every N."""
        return self.x[: len(self.x) // 2]

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

    def row(
        self, image: int, ranks: Sequence[int], n: int | None = None, sigma: float | None = None, half: str = "A"
    ) -> Float[Tensor, "k c h w"]:
        """What a reader wants to see of one filter.

        Args:
            image: place among the images.
            ranks: of eigenvectors, from 1.
            n: training images of the network (default: the largest).
            sigma: noise level (default: the lowest).
            half: of the training images.

        Returns:
            Noisy image, denoised image, and the eigenvectors.
        """
        n = self.study.largest if n is None else n
        sigma = self.sigmas[0] if sigma is None else sigma
        y = self.y(sigma)[image : image + 1]
        x_hat = denoise(self.study.denoisers[n, half], y, sigma)
        chosen = self.at[n, half, sigma][image].eigenvectors[[rank - 1 for rank in ranks]]
        return torch.cat([y, x_hat, chosen])


def of_study(study: Study, many: int = 8, sigmas: Sequence[float] = (0.1, 0.3), seed: int = 0) -> Filters:
    """Every network of a study as a matrix, at some of its test images.

    Args:
        study: networks of halves A and B, and images.
        many: test images; smaller N are differentiated at half as many, at least 2.
        sigmas: noise standard deviations, image units, lowest first; smaller N are differentiated at the first.
        seed: of the noise, the same for every network.

    Returns:
        Filters of trained networks, and of the untrained one.
    """
    x, top = first_images(study, many), study.largest
    many = len(x)
    noisy = {sigma: _noisy(x, sigma, seed) for sigma in sigmas}
    at = {}
    for (n, half), denoiser in study.denoisers.items():
        for sigma in sigmas if n == top else sigmas[:1]:
            some = slice(many if n == top else many // 2)
            at[n, half, sigma] = filters(denoiser, x[some], noisy[sigma][some])
    before = runs.untrained(study.runs[top, "A"], study.training(top, "A"), seed)
    untrained = {sigma: filters(before, x, y) for sigma, y in noisy.items()}
    return Filters(study, x, tuple(sigmas), seed, MappingProxyType(at), MappingProxyType(untrained))


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
    psnr: Estimate  #: of f(y), dB
    loss: Estimate  #: PSNR of f(y) over that of S y, dB


def anatomy(*found: Filters) -> Table[Anatomy]:
    """How far are Jacobians symmetric, and what does the asymmetry do?

    Args:
        *found: filters of each study.

    Returns:
        One row for each network and noise level.
    """
    rows = []
    for one, (n, half, sigma), some in [(f, *item) for f in found for item in f.at.items()]:
        fields = ("hom", "asym", "rows", "columns", "trace")
        means = {field: estimate(np.mean, values(some, field)) for field in fields}
        means["top"] = estimate(np.mean, np.array([each.eigenvalues[0].item() for each in some]))
        errors = values(some, "error"), values(some, "symmetric_error")
        gains = {"psnr": estimate(psnr_of_mean, errors[0]), "loss": estimate(psnr_gap, *errors)}
        rows.append(Anatomy(one.study.name, one.study.network, n, half, sigma, len(some), **means, **gains))
    return Table(tuple(rows))


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
                noise=estimate(_rms, mean((seen - clean) ** 2)),
                clean=estimate(_rms, mean(clean**2)),
                eigenvalue=estimate(np.mean, mean(factors)),
                best=estimate(best_factor, mean(clean * seen), mean(seen**2)),
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


@dataclass(frozen=True)
class Approximation:
    """How well a basis holds images, by as many of its vectors as the network keeps."""

    basis: str  #: whose
    left: Estimate  #: share of the clean image, less the mean image, that K vectors leave out
    psnr: Estimate  #: of the best shrinkage in these vectors, were the clean coefficients known, dB


@dataclass(frozen=True)
class Remainder:
    """How much of images a number of a basis' vectors leaves out."""

    basis: str  #: whose
    k: int  #: vectors, the first of the basis
    left: float  #: share of the clean image, less the mean image; mean over images


def approximation(found: Filters) -> tuple[Table[Approximation], Table[Remainder]]:
    """How well do test images lie in the network's own basis, and in bases that do not know the image?

    Args:
        found: filters of a study; those of the largest N, half A, at the lowest noise level count.

    Returns:
        One row for each basis of `rivals`, by as many vectors as the network keeps, and the curve of each over K.
    """
    sigma, some = found.sigmas[0], found.largest()
    mean = found.study.training(found.study.largest, "A").mean(0)
    return approximate(rivals(found), kept(some), found.x, found.y(sigma), sigma, mean)


def approximate(
    bases: Mapping[str, Sequence[Float[Tensor, "_ c h w"]]],
    counts: Sequence[int] | Int[np.ndarray, " n"],
    x: Float[Tensor, "n c h w"],
    y: Float[Tensor, "n c h w"],
    sigma: float,
    mean: Float[Tensor, "c h w"],
) -> tuple[Table[Approximation], Table[Remainder]]:
    """How well do the first vectors of each basis hold clean images? ::

        left(K) = 1 - sum_{k<=K} <x - m, e_k>^2 / ||x - m||^2

    Args:
        bases: by name, orthonormal vectors for each image.
        counts: K for each image, how many vectors may be used in the shrinkage.
        x: clean images.
        y: noisy images.
        sigma: their noise standard deviation, image units.
        mean: image m that is taken off first, since what all images share counts for no basis.

    Returns:
        One row for each basis, and the curve of each over K.

    Source: best factors: `ghr.jacobian.oracle`.
    """
    rows, curves = [], []
    for name, own in bases.items():
        shares, errors = [], []
        for clean, seen, basis, count in zip(x, y, own, counts, strict=True):
            clean, seen = ((image - mean).flatten().double() for image in (clean, seen))
            flat = basis.flatten(1).double()
            c = flat @ clean
            shares.append(1 - c.square().cumsum(0) / clean.square().sum())
            factors, _ = jacobian.oracle(c[:count], sigma)
            shrunk = (factors * (flat[:count] @ seen)) @ flat[:count]
            errors.append((shrunk - clean).square().mean().item())
        at_k = np.array([share[count - 1].item() for share, count in zip(shares, counts, strict=True)])
        rows.append(Approximation(name, estimate(np.mean, at_k), estimate(psnr_of_mean, np.array(errors))))
        curves += [Remainder(name, k, left) for k, left in enumerate(torch.stack(shares).mean(0).tolist(), 1)]
    return Table(tuple(rows)), Table(tuple(curves))


def rivals(found: Filters) -> dict[str, list[Float[Tensor, "k c h w"]]]:
    """Bases that could hold test images: the network's own, and four that do not know the image.

    Args:
        found: filters of a study; those of the largest N, half A, at the lowest noise level count.

    Returns:
        Vectors for each image by name, "its own", "another image's", "principal", "cosines" and "db4 wavelets", these
        three in the order of their mean energy in training images.
    """
    own = vectors(found.largest())
    most, many = len(own[0]), len(own)
    training = found.study.training(found.study.largest, "A")
    sides = training.shape[-2:]
    fixed = {
        "principal": harmonic.principal(training, min(most, len(training) - 1)),
        "cosines": harmonic.by_energy(harmonic.dct(*sides), training)[:most],
        "db4 wavelets": harmonic.by_energy(harmonic.wavelets(*sides), training)[:most],
    }
    return {
        "its own": own,
        "another image's": [*own[1:], own[0]],
        **{name: [basis] * many for name, basis in fixed.items()},
    }


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
        One row for each N, at the lowest noise level and the images that every N has.
    """
    rows = []
    for one, n in [(f, n) for f in found for n in f.study.sizes]:
        sigma = one.sigmas[0]
        a, b = (one.at[n, half, sigma][: len(one.few)] for half in "AB")
        own, counts = vectors(a), kept(a)
        rows.append(
            Agreement(
                one.study.name,
                one.study.network,
                n,
                sigma,
                trace=estimate(np.mean, values(a, "trace")),
                same=estimate(np.mean, alignments(own, vectors(b), counts)),
                other=estimate(np.mean, alignments(own, [*own[1:], own[0]], counts)),
                chance=float(counts.mean() / one.x[0].numel()),
            )
        )
    return Table(tuple(rows))


@dataclass(frozen=True)
class Span:
    """Is a basis made of training images? Shares of its energy in their span, mean over images."""

    images: str  #: image set
    network: str  #: key of ghr.recipes.NETWORKS
    n: int  #: training images
    at: str  #: which noisy images the network was differentiated at, "test" or "training"
    own: Estimate  #: in the span of its N training images
    other: Estimate  #: in the span of the other half's N images
    more: Estimate  #: own less other, image by image
    chance: float  #: N / d


def spans(*found: Filters, most: int = 100) -> Table[Span]:
    """Is the basis of a network with few images made of these?

    Args:
        *found: filters of each study.
        most: the largest N that is asked.

    Returns:
        Rows of half A at the lowest noise level, for each N up to `most`, at test images and at training images.
    """
    rows = []
    for one, n in [(f, n) for f in found for n in f.study.sizes if n <= most]:
        study, sigma = one.study, one.sigmas[0]
        a, b = (study.training(n, half) for half in "AB")
        seen = a[torch.arange(len(one.few)) % n]
        at_seen = filters(study.denoisers[n, "A"], seen, _noisy(seen, sigma, one.seed))
        for at, some in (("test", one.at[n, "A", sigma]), ("training", at_seen)):
            own, other = inside(some, a), inside(some, b)
            estimates = (estimate(np.mean, shares) for shares in (own, other, own - other))
            rows.append(Span(study.name, study.network, n, at, *estimates, chance=n / one.x[0].numel()))
    return Table(tuple(rows))


def inside(some: Sequence[Filter], training: Float[Tensor, "n c h w"]) -> Float[np.ndarray, " m"]:
    """Share of the first vectors of each basis that lies in the span of some images. ::

        (1/K) ||Q'U||_F^2,     Q: orthonormal basis of the span, U: the first K vectors, K = tr J but at most n

    Args:
        some: filters, one for each image.
        training: images whose span counts.

    Returns:
        One share for each filter; 1 for a basis made of these images, about n / d by chance.
    """
    span = torch.linalg.qr(training.flatten(1).T).Q
    counts = np.minimum(kept(some), len(training))
    return np.array(
        [
            (one.eigenvectors[:k].flatten(1) @ span).square().sum().item() / k
            for one, k in zip(some, counts, strict=True)
        ]
    )
