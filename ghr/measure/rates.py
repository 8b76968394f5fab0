"""How steeply does output rise with input, and at what level? Images of known regularity.

Denoisers and images enter; slopes and levels leave, each beside rivals on the same noisy images. Errors are
arrays whose first axis runs over noise levels and whose last one runs over images; in a mapping they are keyed by image
set and denoiser. PSNR is always that of the mean squared error. Departures from the paper: intervals, rivals, and the
regularity that the exponents give in the sense of Hoelder beside the one in the images' name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import harmonic, images
from ghr.experiments import Study
from ghr.images import synthetic
from ghr.measure import bases
from ghr.measure.errors import errors
from ghr.noise import add_noise
from ghr.references import BandletDenoiser, WaveletDenoiser, WienerDenoiser
from ghr.stats import Estimate, estimate, psnr_gap, psnr_of_mean, slope
from ghr.tables import Table

INPUT_PSNR = np.arange(9.0, 34, 3)  #: dB
SIGMAS = 10 ** (-INPUT_PSNR / 20)  #: the same as noise levels, image units
WINDOWS = ((9, 33), (15, 30))  #: input PSNR, dB: where slopes are fitted
LEVEL = (9, 27)  #: where levels are compared
SOME = 0.1  #: noise level at which kinds of bandlets are compared
BEYOND = np.arange(36.0, 55, 6)  #: input PSNR at noise weaker than any contour, dB
SHIFTS = 5  #: of the bandlets, in each direction: six gain .05 dB, and eight neighbouring ones no more
RIVALS = ("TI db4", "bandlets", "Wiener")
BASELINE = "TI db4"
PAPER = {1: 0.46, 2: 0.61, 3: 0.75, 5: 0.83}  #: its slopes by alpha, at 80 by 80 pixels; the window is not stated

Errors = Mapping[tuple[str, str], np.ndarray]  #: by image set and denoiser: noise levels by images


@dataclass(frozen=True)
class Regularity:
    """What the name of a set of C^alpha images says."""

    alpha: float  #: of the regions
    contour: float  #: of the contour
    hoelder: bool  #: whether the exponents are those of Hoelder regularity, or the authors'

    @property
    def even(self) -> bool:
        """Whether regions and contour are named alike."""
        return self.alpha == self.contour

    @property
    def authors(self) -> bool:
        """Whether these are the paper's images: its exponents, regions and contour named alike."""
        return self.even and not self.hoelder

    @property
    def named(self) -> float:
        """The slope that theory has for the numbers in the name, the smaller one deciding."""
        return rate(min(self.alpha, self.contour))

    @property
    def true(self) -> float:
        """The slope that theory has for the regularity that the exponents give."""
        return self.named if self.hoelder else rate(min(self.alpha - 1, self.contour - 0.5))

    @property
    def label(self) -> str:
        """As figures name it."""
        words = f"α = {self.alpha:g}" + ("" if self.even else f", contour {self.contour:g}")
        return words + (", Hölder" if self.hoelder else "")


def regularity(name: str) -> Regularity:
    """What the name of a set of C^alpha images says.

    Args:
        name: e.g. "c_alpha-2", "c_alpha-3-1", "hoelder-2" or "published-2".

    Returns:
        Regularity.

    Raises:
        ValueError: for the name of another set.
    """
    kind, *numbers = name.split("-")
    if kind not in ("c_alpha", "hoelder", "published"):
        raise ValueError(f'"{name}" is no set of C^alpha images: expected e.g. c_alpha-2 or hoelder-2.')
    return Regularity(float(numbers[0]), float(numbers[-1]), kind == "hoelder")


def rate(alpha: float | np.ndarray) -> float | np.ndarray:
    """The slope of output on input PSNR that theory has in the limit of weak noise. ::

        MSE ~ sigma^(2 alpha / (alpha + 1)):   alpha / (alpha + 1)

    Args:
        alpha: regularity.

    Returns:
        Slope, dB per dB.

    Source: Korostelev & Tsybakov 1993; paper, Section 3.2.
    """
    return alpha / (alpha + 1)


def bandlets(size: int, **options) -> BandletDenoiser:
    """The rival that follows contours: bandlets with mirrored borders, as wide as makes the image periodic.

    Args:
        size: side of the images, pixels.
        **options: others than those of the rival, see `BandletDenoiser`.

    Returns:
        Denoiser.
    """
    return BandletDenoiser(**{"shifts": SHIFTS, "border": size // 2} | options)


def beside_rivals(studies: Sequence[Study], tested: int = 64, fitted: int = 20_000, seed: int = 0) -> Errors:
    """Errors of networks and of their rivals on the same noisy test images.

    Args:
        studies: of one network each; of one image set there may be several.
        tested: test images of each set.
        fitted: training images of the Wiener denoiser at most, the first of half A.
        seed: of the noise.

    Returns:
        For each set its networks, then RIVALS.
    """
    found = {}
    for study in studies:
        (denoiser,) = study.denoisers.values()
        found[study.name, study.network] = errors(denoiser, study.held_out[:tested], SIGMAS, seed)
    for study in studies:
        if (study.name, BASELINE) not in found:
            x, training = study.held_out[:tested], min(study.largest, fitted)
            wiener = WienerDenoiser(images.load(study.name, x.shape[-1], training))
            for name, rival in zip(RIVALS, (WaveletDenoiser(), bandlets(x.shape[-1]), wiener), strict=True):
                found[study.name, name] = errors(rival, x, SIGMAS, seed)
    return found


# Slopes and levels ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Output:
    """One denoiser at one noise level."""

    images: str  #: image set
    denoiser: str  #: network, or one of RIVALS
    input_psnr: float  #: dB
    output_psnr: Estimate  #: dB
    over_wavelets: Estimate  #: output PSNR less that of TI db4 on the same noisy images, dB


def curves(measured: Errors, input_psnr: Float[np.ndarray, " k"] = INPUT_PSNR) -> Table[Output]:
    """Output PSNR against input PSNR, of every denoiser on every image set.

    Args:
        measured: errors, among them those of TI db4 on each set.
        input_psnr: dB.

    Returns:
        One row for each image set, denoiser and noise level.
    """
    rows = []
    for (name, denoiser), own in measured.items():
        baseline = measured[name, BASELINE]
        for level, a, b in zip(input_psnr, own, baseline, strict=True):
            rows.append(Output(name, denoiser, float(level), estimate(psnr_of_mean, a), estimate(psnr_gap, a, b)))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Slope:
    """Slope of output on input PSNR of one denoiser on one image set."""

    images: str  #: image set
    alpha: float  #: regularity in its name, of the regions
    contour: float  #: and of the contour
    hoelder: bool  #: whether the exponents give that regularity, or are the authors'
    denoiser: str  #: network, or one of RIVALS
    tested: int  #: test images
    low: float  #: where the window begins, input PSNR, dB
    high: float  #: where it ends, input PSNR, dB
    slope: Estimate  #: dB per dB
    named: float  #: theory, for the regularity in the name
    true: float  #: theory, for the regularity that the exponents give
    nearer: float  #: by how much the slope is nearer to the latter than to the former


def slopes(
    measured: Errors,
    windows: Sequence[tuple[float, float]] = WINDOWS,
    input_psnr: Float[np.ndarray, " k"] = INPUT_PSNR,
) -> Table[Slope]:
    """Slopes beside those of theory.

    Args:
        measured: errors, on C^alpha images.
        windows: lowest and highest input PSNR of a fit, dB.
        input_psnr: of the errors, dB.

    Returns:
        One row for each image set, denoiser and window.
    """
    rows = []
    for (name, denoiser), own in measured.items():
        r = regularity(name)
        for low, high in windows:
            inside = within((low, high), input_psnr)
            fit = estimate(partial(slope, input_psnr=input_psnr[inside]), own[inside])
            nearer = abs(fit.value - r.named) - abs(fit.value - r.true)
            kind = (name, r.alpha, r.contour, r.hoelder, denoiser, own.shape[1])
            rows.append(Slope(*kind, low, high, fit, r.named, r.true, nearer))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Lead:
    """A network beside one rival on the same noisy images."""

    images: str  #: image set
    network: str  #: key of ghr.recipes.NETWORKS
    rival: str  #: one of RIVALS
    steeper: Estimate  #: slope of the network less that of the rival, over the first window
    lead: Estimate  #: output PSNR of the network less that of the rival, mean over LEVEL, dB
    level: float  #: output PSNR of the network, mean over LEVEL, dB


def leads(measured: Errors) -> Table[Lead]:
    """How do networks stand to their rivals, in slope and in level?

    Args:
        measured: errors, at INPUT_PSNR.

    Returns:
        One row for each image set, network and rival.
    """
    rows = []
    for (name, network), own in measured.items():
        if network in RIVALS:
            continue
        level = float(psnr_of_mean(own)[within(LEVEL)].mean())
        for rival in RIVALS:
            pair = own, measured[name, rival]
            rows.append(Lead(name, network, rival, estimate(steeper, *pair), estimate(lead, *pair), level))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Worst:
    """A network beside wavelets and bandlets on the paper's images, at the regularity where it stands worst."""

    images: str  #: "c_alpha" for all sets of that kind whose regions and contour are named alike
    network: str  #: key of ghr.recipes.NETWORKS
    alphas: str  #: which, in words
    least_slope: Estimate  #: smallest difference of slopes, network less TI db4
    least_lead: Estimate  #: smallest difference of levels, network less TI db4, dB
    least_over_bandlets: Estimate  #: and network less bandlets, dB


def worst(measured: Errors) -> Table[Worst]:
    """Is a network at every regularity as steep as TI db4, and better than TI db4 and bandlets?

    Args:
        measured: errors, at INPUT_PSNR; equally many images of each set.

    Returns:
        One row for each network; the bootstrap draws the same images of every set.
    """
    paper = [(name, network) for name, network in measured if network not in RIVALS and regularity(name).authors]
    rows = []
    for network in dict.fromkeys(network for _, network in paper):
        names = [name for name, other in paper if other == network]
        own, wavelets, along = (
            np.stack([measured[name, denoiser] for name in names], 1) for denoiser in (network, BASELINE, "bandlets")
        )
        alphas = ", ".join(f"{regularity(name).alpha:g}" for name in names)
        least = (estimate(_least_steeper, own, wavelets), estimate(_least_lead, own, wavelets))
        rows.append(Worst("c_alpha", network, alphas, *least, estimate(_least_lead, own, along)))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Passing:
    """How often a denoiser's slope agrees with theory as well as the paper's own slopes do."""

    denoiser: str  #: network, or one of RIVALS
    passed: int  #: regularities
    of: int  #: regularities
    tolerance: float  #: largest distance of the paper's slopes from theory
    off_named: float  #: mean distance from theory for the regularity in the name
    off_true: float  #: mean distance from theory for the regularity that the exponents give


def passing(found: Table[Slope], network: str = "UNet") -> Table[Passing]:
    """Can slopes tell a network from denoisers that follow no contour?

    Args:
        found: of `slopes`.
        network: which of the networks.

    Returns:
        One row for the network and each rival, over the paper's images and the first window.
    """
    tolerance = max(abs(theirs - rate(alpha)) for alpha, theirs in PAPER.items())
    low, high = WINDOWS[0]
    known = {row.images for row in found if row.denoiser == network and regularity(row.images).authors}
    rows = []
    for denoiser in (network, *RIVALS):
        own = [row for row in found.where(denoiser=denoiser, low=low, high=high) if row.images in known]
        off = np.array([[abs(row.slope.value - row.named), abs(row.slope.value - row.true)] for row in own])
        passed, means = int((off[:, 0] <= tolerance).sum()), off.mean(0).tolist()
        rows.append(Passing(denoiser, passed, len(own), tolerance, *means))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Variant:
    """Bandlets of another kind on one image set."""

    images: str  #: image set
    moments: int  #: vanishing moments of the transform along a direction; Haar has one
    border: int  #: mirrored pixels at each side; 0 takes the image for periodic
    output_psnr: Estimate  #: dB, at SOME
    over_wavelets: Estimate  #: output PSNR less that of TI db4 on the same noisy images, dB


def variants(study: Study, tested: int = 32, seed: int = 0) -> Table[Variant]:
    """Do mirrored borders and more vanishing moments help bandlets?

    Args:
        study: of C^alpha images.
        tested: test images.
        seed: of the noise.

    Returns:
        One row for each number of moments with mirrored borders, and one with periodic ones.
    """
    x, rows = study.held_out[:tested], []
    (baseline,) = errors(WaveletDenoiser(), x, [SOME], seed)
    half = x.shape[-1] // 2
    for moments, border in ((1, 0), (1, half), (2, half), (4, half)):
        (own,) = errors(bandlets(x.shape[-1], moments=moments, border=border), x, [SOME], seed)
        level, over = estimate(psnr_of_mean, own), estimate(psnr_gap, own, baseline)
        rows.append(Variant(study.name, moments, border, level, over))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Beyond:
    """Slope of TI db4 at noise that is weaker still, where theory with ever finer pixels has it fall to 1/2."""

    images: str  #: image set
    alpha: float  #: regularity in its name
    before: float  #: over the first window, on the same images
    after: Estimate  #: over input BEYOND
    rise: float  #: lower end of `after` less `before`, above 0 when it certainly rises


def beyond(studies: Sequence[Study], tested: int = 64, seed: int = 0) -> Table[Beyond]:
    """Does the slope of wavelets fall or rise when the noise gets weaker than any contour?

    Args:
        studies: of C^alpha images.
        tested: test images.
        seed: of the noise.

    Returns:
        One row for each study.
    """
    windows, rows = (INPUT_PSNR[within(WINDOWS[0])], BEYOND), []
    for study in studies:
        before, after = (
            estimate(
                partial(slope, input_psnr=psnr),
                errors(WaveletDenoiser(), study.held_out[:tested], 10 ** (-psnr / 20), seed),
            )
            for psnr in windows
        )
        rise = after.low - before.value
        rows.append(Beyond(study.name, regularity(study.name).alpha, before.value, after, rise))
    return Table(tuple(rows))


@dataclass(frozen=True)
class Mixture:
    """A network on images whose regions and contour differ in regularity, beside images that share one of them."""

    images: str  #: image set
    network: str  #: key of ghr.recipes.NETWORKS
    slope: Estimate  #: of output on input PSNR, over the first window
    over_regions: Estimate  #: less the slope where the contour is as regular as the regions here
    over_contour: Estimate  #: less the slope where the regions are as regular as the contour here
    off_middle: Estimate  #: less the mean of both, 0 when it is as near to one as to the other


def mixtures(measured: Errors) -> Table[Mixture]:
    """Which regularity decides, that of the regions or that of the contour?

    Args:
        measured: errors, at INPUT_PSNR.

    Returns:
        One row for each network on a set of mixed regularity, where both sets to compare it with are there too.
    """
    rows = []
    for (name, network), own in measured.items():
        kind = name.partition("-")[0]
        r = regularity(name)
        parts = [measured.get((f"{kind}-{alpha:g}", network)) for alpha in (r.alpha, r.contour)]
        if network in RIVALS or r.even or any(part is None for part in parts):
            continue
        apart = (estimate(steeper, own, part, paired=False) for part in parts)
        lean = estimate(_off_middle, own, *parts, paired=False)
        rows.append(Mixture(name, network, estimate(_steepness, own), *apart, lean))
    return Table(tuple(rows), Mixture)


def within(window: tuple[float, float], input_psnr: Float[np.ndarray, " k"] = INPUT_PSNR) -> np.ndarray:
    """Which noise levels lie in a window.

    Args:
        window: lowest and highest input PSNR, dB.
        input_psnr: dB.

    Returns:
        One boolean for each noise level.
    """
    return (window[0] <= input_psnr) & (input_psnr <= window[1])


def steeper(own: np.ndarray, other: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Slope of the first errors less that of the second, over the first window.

    Args:
        own: squared errors, at INPUT_PSNR along the first axis.
        other: the same of the rival.
        axis: that of the images.

    Returns:
        dB per dB.
    """
    return _steepness(own, axis) - _steepness(other, axis)


def lead(own: np.ndarray, other: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """By how many dB the first errors are below the second, mean over the noise levels of LEVEL.

    Args:
        own: squared errors, at INPUT_PSNR along the first axis.
        other: the same of the rival.
        axis: that of the images.

    Returns:
        dB.
    """
    inside = within(LEVEL)
    return psnr_gap(own[inside], other[inside], axis).mean(0)


def _steepness(own: np.ndarray, axis: int) -> np.ndarray | np.floating:
    inside = within(WINDOWS[0])
    return slope(own[inside], INPUT_PSNR[inside], axis)


def _least_steeper(own: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray | np.floating:
    return steeper(own, other, axis).min(0)


def _least_lead(own: np.ndarray, other: np.ndarray, axis: int) -> np.ndarray | np.floating:
    return lead(own, other, axis).min(0)


def _off_middle(own: np.ndarray, a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray | np.floating:
    return _steepness(own, axis) - (_steepness(a, axis) + _steepness(b, axis)) / 2


# Along the contour ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Adaptation:
    """Does a network's basis know its image? Means over scenes."""

    images: str  #: image set
    network: str  #: key of ghr.recipes.NETWORKS
    trace: Estimate  #: tr J, dimensions
    h2: Estimate  #: share of energy across the contours of the image, less that across another's
    h2_third: Estimate  #: the same of the network's basis at a third image
    h4: Estimate  #: share in the smoothest functions on the image, less that in another's
    h4_third: Estimate  #: the same of the network's basis at a third image


@dataclass(frozen=True)
class Gain:
    """An index of the own basis less that of the third image's."""

    images: str  #: image set, or "c_alpha" for the mean of all networks on C^alpha images, scene by scene
    index: str  #: "H2" or "H4"
    gain: Estimate  #: own less third
    positive: int  #: scenes where it is above 0
    scenes: int  #: scenes in all
    low: float  #: the smallest mean of a network
    high: float  #: the largest mean of a network


def adaptation(
    filters: Mapping[tuple[str, str], Sequence[bases.Filter]], scenes: Mapping[str, Float[Tensor, "n 1 h w"]]
) -> tuple[Table[Adaptation], Table[Gain]]:
    """Do bases follow contours where there are contours, and not where the best basis knows no image?

    Args:
        filters: of each image set and network, at each scene.
        scenes: the clean images of each set.

    Returns:
        One row for each network; and own less third for H2 and H4, pooled over networks on C^alpha images (all scenes
        are the same but for their regularity, so that networks that meet one scene are not independent) and for each
        other set.
    """
    rows, differences = [], {}
    for (name, network), some in filters.items():
        own, counts, clean = bases.vectors(some), bases.kept(some), scenes[name]
        at_own, at_third = (harmonic.indices(basis, counts, clean) for basis in (own, [*own[2:], *own[:2]]))
        found = (estimate(np.mean, values[index]) for index in ("H2", "H4") for values in (at_own, at_third))
        rows.append(Adaptation(name, network, estimate(np.mean, bases.values(some, "trace")), *found))
        pool = "c_alpha" if name.startswith(("c_alpha-", "hoelder-")) else name
        for index in ("H2", "H4"):
            differences.setdefault((pool, index), []).append(at_own[index] - at_third[index])
    gains = []
    for (pool, index), found in differences.items():
        pooled, means = np.mean(found, 0), [float(values.mean()) for values in found]
        positive = int((pooled > 0).sum())
        gains.append(Gain(pool, index, estimate(np.mean, pooled), positive, len(pooled), min(means), max(means)))
    return Table(tuple(rows)), Table(tuple(gains))


def scenes(n: int, size: int, kind: Regularity, seed: int = 0) -> Float[Tensor, "n 1 h w"]:
    """The same scenes at every regularity.

    Args:
        n: scenes.
        size: side in pixels.
        kind: their regularity.
        seed: of the scenes; not that of the noise, since fields begin with as many normal numbers.

    Returns:
        C^alpha images.
    """
    generator = torch.Generator().manual_seed(seed + 1)
    return synthetic.c_alpha(n, size, kind.alpha, kind.contour, hoelder=kind.hoelder, generator=generator)


def differentiated(
    studies: Sequence[Study], sigma: float = 0.1, many: int = 6, seed: int = 0
) -> tuple[dict[str, Float[Tensor, "n 1 h w"]], dict[tuple[str, str], tuple[bases.Filter, ...]]]:
    """Networks as matrices, at the same noisy scenes of every regularity, or at test images of other sets.

    Args:
        studies: of one network each.
        sigma: noise standard deviation, image units.
        many: scenes.
        seed: of the noise and of the scenes.

    Returns:
        Clean scenes by image set; filters by image set and network.
    """
    clean, filters = {}, {}
    for study in studies:
        known = study.name.startswith(("c_alpha-", "hoelder-"))
        size = study.held_out.shape[-1]
        x = scenes(many, size, regularity(study.name), seed) if known else study.held_out[:many]
        (denoiser,) = study.denoisers.values()
        y = add_noise(x, sigma, torch.Generator().manual_seed(seed))
        clean[study.name], filters[study.name, study.network] = x, bases.filters(denoiser, x, y, sigma)
    return clean, filters
