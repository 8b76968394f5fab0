"""Whose answers are a network's? A study enters with rivals, how far the network is from each leaves.

Rivals are denoisers without training behind the same call, and other networks: each an explanation of what a network
does, whose worth is how near it comes to the network, beside how near both come to the truth. What a mean and a
covariance explain is told apart from what lies beyond: Wiener is that of the largest N, as a filter of few images is a
poor denoiser, beside which anything explains much. Rivals that have few images cannot know as much as it does, so they
are held against the filter of their own images, too. Images and starts are few: intervals over them are
Student's, and two rivals are compared by paired intervals. Whole regions of photographs are drawn into bootstraps.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ghr import jacobian, sampling
from ghr.denoiser import denoise
from ghr.experiments import Study
from ghr.images.synthetic import permutation, shuffle
from ghr.measure import bases, harmonicity
from ghr.measure.shuffles import require_other_numbers, side
from ghr.noise import add_noise, mse
from ghr.references import (
    EmpiricalDenoiser,
    EquivariantLocalDenoiser,
    LocalDenoiser,
    PatchDenoiser,
    PrincipalLocalDenoiser,
    WienerDenoiser,
)
from ghr.references.local import Window, Windowed
from ghr.similarity import rho
from ghr.stats import Estimate, estimate, ratio, student
from ghr.tables import Table

IMAGES, SEEDS = 64, range(64)  #: held-out images that are denoised; sampling seeds
LEVELS = (0.05, 0.1, 0.2, 0.4, 0.8)  #: noise levels at which answers are compared, image units
FEW = 100  #: training images of ELS, whose time grows with the square of the number of places
ROWS_AT, NEAR = 0.3, 5  # noise level at which networks are differentiated, side of the windows that count as near
CALIBRATED, CALIBRATED_AT = 8, (0.03, 0.1, 0.3, 1.0)  # held-out images, the last ones; noise levels that have a window
GIVEN_AT = 0.1  #: noise level at which rivals are given more images
SIDES = {"LS": (3, 5, 7, 9, 13, 19, 31), "ELS": (3, 5, 9, 15), "PSPC": (3, 5, 8, 12, 17, 24, 32)}  #: to choose from
WIENER, PRINCIPAL = "Wiener", "PCA locality"
FEW_WIENER, PUBLISHED = "Wiener of few", "PCA at .02"  #: of a small N's images; with its authors' threshold
BASES_AT = 0.1  #: noise level at which bases are compared
OTHER = {"A": "B", "B": "A"}  #: the half that a network has not seen


@dataclass(frozen=True)
class Calibrated:
    """One rival with one window, on held-out images that serve for nothing else."""

    n: int  #: training images of the network
    half: str  #: label of the network
    network: str  #: kind of network, key of `recipes.NETWORKS`
    rival: str  #: "LS", "ELS", "PSPC" or "PCA locality"
    sigma: float  #: noise level, image units
    input_psnr: float  #: the same, dB
    window: int | float  #: side of its windows, pixels; of PCA locality, its threshold
    error: Estimate  #: its mean squared error per pixel, squared image units
    apart: Estimate  #: its mean squared distance to the network, same unit


def calibration(
    studies: Sequence[Study],
    n: int | None = None,
    half: str = "A",
    *,
    sides: Mapping[str, Sequence[int | float]] = MappingProxyType(SIDES),
    few: int = FEW,
    most: int | None = None,
    images: int = CALIBRATED,
    sigmas: Sequence[float] = CALIBRATED_AT,
    seed: int = 1,
) -> Table[Calibrated]:
    """Which window suits which noise level, to denoise, or to answer as the network does?

    Args:
        studies: networks that were trained on the same images, and held-out images, of which the first's last are used.
        n: training images of the networks (None: the largest N of the first study).
        half: label of the networks.
        sides: of windows to choose from, by name of the rival; of PCA locality, thresholds.
        few: training images of ELS.
        most: training images of the others, the first ones (None: all).
        images: held-out images.
        sigmas: noise standard deviations, image units.
        seed: of the noise.

    Returns:
        One row for each rival, noise level, window and network.
    """
    study = studies[0]
    n, x = n or study.largest, study.held_out[-images:]
    regions = study.regions and study.regions.held_out[-images:]
    rows = []
    first = {name: some[0] for name, some in sides.items()}
    for name, local in _windowed(study.training(n, half)[:most], first, few).items():
        for sigma in sigmas:
            y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
            answers = {each.runs[n, half].network: denoise(each.denoisers[n, half], y, sigma) for each in studies}
            for window in sides[name]:
                x_hat = denoise(local.with_window(window), y, sigma)
                for network, answer in answers.items():
                    means = (_interval(np.mean, mse(x_hat, other), regions=regions) for other in (x, answer))
                    level = float(sigma), float(-20 * np.log10(sigma))
                    rows.append(Calibrated(n, half, network, name, *level, window, *means))
    return Table(tuple(rows), Calibrated)


def _interval(statistic: Callable, *samples: np.ndarray | Tensor, regions: np.ndarray | None = None) -> Estimate:
    """Student's interval; of photographs, whose regions are drawn together, that of a bootstrap."""
    return student(statistic, *samples) if regions is None else estimate(statistic, *samples, regions=regions)


def chosen(calibrated: Table[Calibrated], column: str = "error") -> dict[str, dict[float, int | float]]:
    """The best window of each rival and noise level; of equals, the first.

    Args:
        calibrated: of one network.
        column: what is to be least: "error", or "apart" as Kamb & Ganguli calibrate on a network.

    Returns:
        Window by name and noise level, for `rivals`.
    """
    best: dict[str, dict[float, int | float]] = {}
    for name, some in calibrated.by("rival"):
        for sigma, rows in some.by("sigma"):
            best.setdefault(name, {})[sigma] = min(rows, key=lambda row: getattr(row, column).value).window
    return best


def rivals(
    study: Study,
    windows: Mapping[str, Window],
    n: int | None = None,
    half: str = "A",
    *,
    few: int = FEW,
) -> dict[str, Callable]:
    """The rivals of one network, made of its own training images.

    Args:
        study: networks, and their training images.
        windows: of "LS", "ELS", "PSPC" and "PCA locality", e.g. of `chosen`.
        n: training images of the network (None: the largest N).
        half: label of the network.
        few: training images of ELS.

    Returns:
        Denoisers by name, the Wiener denoiser of the largest N first; for a smaller N, its own is another rival. PCA
        locality with the threshold of its authors is there in any case.
    """
    n = n or study.largest
    x = study.training(n, half)
    published = PrincipalLocalDenoiser(x)  # holds the Wiener denoiser of the same images
    wieners = {WIENER: published.wiener}
    if n != study.largest:
        wieners = {WIENER: WienerDenoiser(study.training(study.largest, half)), FEW_WIENER: published.wiener}
    windowed = _windowed(x, {name: window for name, window in windows.items() if name != PRINCIPAL}, few)
    fitted = {PRINCIPAL: published.with_window(windows[PRINCIPAL])} if PRINCIPAL in windows else {}
    return {
        **wieners,
        **windowed,
        **fitted,
        PUBLISHED: published,
        "memorizer": EmpiricalDenoiser(x),
    }


def fitted(study: Study, calibrated: Table[Calibrated], *, few: int = FEW) -> list[dict[str, Callable]]:
    """The rivals of each of several networks, with the windows that come nearest to it.

    Args:
        study: of one of the networks; all have its training images.
        calibrated: of networks of one N and half.
        few: training images of ELS.

    Returns:
        Denoisers by name, as `rivals`, one mapping for each kind of network in the order of the table.
    """
    return [
        rivals(study, chosen(some, "apart"), some.rows[0].n, some.rows[0].half, few=few)
        for _, some in calibrated.by("network")
    ]


def _windowed(x: Tensor, windows: Mapping[str, Window], few: int) -> dict[str, Windowed]:
    """Rivals that have a window, in the order in which windows are given."""
    kinds = {"LS": LocalDenoiser, "ELS": EquivariantLocalDenoiser, "PSPC": PatchDenoiser, PRINCIPAL: _principal}
    return {name: kinds[name](x[:few] if name == "ELS" else x, window) for name, window in windows.items()}


def _principal(x: Tensor, threshold: Window) -> PrincipalLocalDenoiser:
    return PrincipalLocalDenoiser(x, threshold=threshold)


@dataclass(frozen=True)
class Given:
    """One rival that was given some of a network's training images only, at one noise level."""

    n: int  #: training images of the network
    half: str  #: label of the network
    rival: str  #: name of the rival
    sigma: float  #: noise level, image units
    images: int  #: training images of the rival
    apart: Estimate  #: its mean squared distance to the network per pixel, squared image units
    error: Estimate  #: its mean squared error, same unit


def given(
    study: Study,
    windows: Mapping[str, Window],
    counts: Mapping[str, Sequence[int]],
    n: int | None = None,
    half: str = "A",
    *,
    images: int = CALIBRATED,
    sigma: float = GIVEN_AT,
    seed: int = 1,
) -> Table[Given]:
    """Would a rival come nearer to the network if it were given more images?

    Args:
        study: networks, and held-out images, of which the last are used.
        windows: of the rivals that are tried, e.g. of `chosen`.
        counts: training images to try, by name of the rival; those that a network has not are left out.
        n: training images of the network (None: the largest N).
        half: label of the network.
        images: held-out images.
        sigma: noise standard deviation, image units.
        seed: of the noise.

    Returns:
        One row for each rival and number of images.
    """
    n, x = n or study.largest, study.held_out[-images:]
    regions = study.regions and study.regions.held_out[-images:]
    y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
    answer, training = denoise(study.denoisers[n, half], y, sigma), study.training(n, half)
    rows = []
    for name, several in counts.items():
        for count in sorted({count for count in several if count <= n}):
            local = _windowed(training[:count], {name: windows[name]}, count)[name]
            x_hat = denoise(local, y, sigma)
            means = (_interval(np.mean, mse(x_hat, other), regions=regions) for other in (answer, x))
            rows.append(Given(n, half, name, sigma, count, *means))
    return Table(tuple(rows), Given)


# Denoised images --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Explained:
    """One network and one rival on the same noisy held-out images, at one noise level."""

    n: int  #: training images of the network
    half: str  #: label of the network
    network: str  #: kind of network, key of `recipes.NETWORKS`
    rival: str  #: name of the rival
    sigma: float  #: noise level, image units
    input_psnr: float  #: the same, dB
    apart: Estimate  #: mean squared distance of their answers per pixel, squared image units
    network_error: Estimate  #: mean squared error of the network, same unit
    rival_error: Estimate  #: mean squared error of the rival, same unit
    errs_more: Estimate  #: the rival's error less the network's, on the same images, same unit
    beyond: Estimate  #: share that the rival explains of what the network does beyond Wiener; 1 is all, 0 Wiener's
    beyond_own: Estimate  #: share explained beyond the Wiener denoiser of the network's own images, which may be few


@dataclass(frozen=True)
class Pair:
    """Two rivals of one network on the same images, or from the same starts."""

    n: int  #: training images of the network
    half: str  #: label of the network
    network: str  #: kind of network, key of `recipes.NETWORKS`
    sigma: float | None  #: noise level, image units; None of samples
    one: str  #: name of a rival
    other: str  #: name of a rival that stands after it
    ahead: Estimate  #: beyond of the one less beyond of the other


def explains(
    studies: Sequence[Study],
    known: Sequence[Mapping[str, Callable]],
    n: int | None = None,
    half: str = "A",
    *,
    images: int = IMAGES,
    sigmas: Sequence[float] = LEVELS,
    seed: int = 0,
) -> tuple[Table[Explained], Table[Pair]]:
    """Which rival answers as a network does? And does another network?

    Args:
        studies: one or two, of one kind of network each, trained on the same images; held-out images are the first's.
        known: rivals of each study's network by name, Wiener among them; those of one name are made of the same images,
            and may have other windows.
        n: training images of the networks (None: the largest N of the first study).
        half: label of the networks that are explained.
        images: held-out images.
        sigmas: noise standard deviations, image units.
        seed: of the noise, which all see.

    Returns:
        One row for each noise level, study and rival. Rivals of a network are, after those that are given, the network
        of its kind that was trained on the other half, and that of the other kind that was trained on the same images.
        And one row for each pair of rivals but Wiener.

    Raises:
        ValueError: without Wiener.
    """
    for each in known:
        _require_wiener(each)
    first, rows, pairs = studies[0], [], []
    n, x = n or first.largest, first.held_out[:images]
    regions = first.regions and first.regions.held_out[:images]
    for sigma in sigmas:
        y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
        answers = _answers(known, y, sigma)
        networks = _networks(studies, n, half, lambda f, y=y, sigma=sigma: denoise(f, y, sigma))
        for (study, answer, others), known_answers in zip(networks, answers, strict=True):
            of, level = (n, half, study.runs[n, half].network), (float(sigma), float(-20 * np.log10(sigma)))
            own = mse(answer, x)
            apart = {name: mse(answer, x_hat) for name, x_hat in (known_answers | others).items()}
            for name, x_hat in (known_answers | others).items():
                error = mse(x_hat, x)
                means = [_interval(np.mean, some, regions=regions) for some in (apart[name], own, error, error - own)]
                wieners = apart[WIENER], apart.get(FEW_WIENER, apart[WIENER])
                means += [_interval(explained, apart[name], wiener, regions=regions) for wiener in wieners]
                rows.append(Explained(*of, name, *level, *means))
            for one, other in itertools.combinations((name for name in apart if name != WIENER), 2):
                ahead = _interval(_ahead, apart[one], apart[other], apart[WIENER], regions=regions)
                pairs.append(Pair(*of, level[0], one, other, ahead))
    return Table(tuple(rows), Explained), Table(tuple(pairs), Pair)


def _answers(several: Sequence[Mapping[str, Callable]], y: Tensor, sigma: float) -> list[dict[str, Tensor]]:
    """What the rivals of each network answer; those of one name and window answer once."""
    done: dict[object, Tensor] = {}
    found = []
    for known in several:
        keys = {name: (name, f.window_at(sigma)) if isinstance(f, Windowed) else f for name, f in known.items()}
        for name, key in keys.items():
            if key not in done:
                done[key] = denoise(known[name], y, sigma)
        found.append({name: done[key] for name, key in keys.items()})
    return found


def _ahead(apart: np.ndarray, other: np.ndarray, without: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """By how much one rival explains more than the other."""
    return explained(apart, without, axis) - explained(other, without, axis)


def _networks(
    studies: Sequence[Study], n: int, half: str, run: Callable[[Callable], Tensor]
) -> list[tuple[Study, Tensor, dict[str, Tensor]]]:
    """What each study's network gives, and what the networks beside it do, by what they are to it."""
    own = [run(study.denoisers[n, half]) for study in studies]
    found = []
    for place, (study, result) in enumerate(zip(studies, own, strict=True)):
        others = {"other half": run(study.denoisers[n, OTHER[half]])} if (n, OTHER[half]) in study.denoisers else {}
        others |= {"other architecture": own[1 - place]} if len(studies) == 2 else {}
        found.append((study, result, others))
    return found


def explained(apart: np.ndarray, without: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Share of what is left without a rival that the rival explains. ::

        1 - E||f - g||^2 / E||f - g_0||^2

    Args:
        apart: ||f - g||^2 / d of network and rival, one per image.
        without: ||f - g_0||^2 / d of network and the simpler rival.
        axis: that of the images.

    Returns:
        1 when the rival is the network, 0 when it is no nearer than the simpler one, below 0 when it is farther.
    """
    return 1 - ratio(apart, without, axis)


def _require_wiener(known: Mapping[str, object]) -> None:
    if WIENER not in known:
        raise ValueError(f"What lies beyond Wiener needs a rival of the name {WIENER}, got {', '.join(known)}.")


# Samples ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Walks:
    """Samples of a network and its rivals from the same starts."""

    n: int  #: training images of the network
    half: str  #: label of the network
    kind: str  #: of network, key of `recipes.NETWORKS`
    network: Float[Tensor, "b c h w"]  #: its samples, image units
    rivals: Mapping[str, Float[Tensor, "b c h w"]]  #: those of the rivals, by name


@dataclass(frozen=True)
class Sampled:
    """Samples of one network and one rival from the same start; centred cosines, means over seeds."""

    n: int  #: training images of the network
    half: str  #: label of the network
    network: str  #: kind of network, key of `recipes.NETWORKS`
    rival: str  #: name of the rival
    seeds: int  #: sampling seeds
    similarity: Estimate  #: rho of the two samples
    r_squared: Estimate  #: square of rho, the share of the pixels' variance that a straight line explains
    null: Estimate  #: rho of the network's sample and the rival's from other starts, mean of all of them
    beyond: Estimate | None  #: rho of what is left of both when Wiener's sample is subtracted; None of Wiener
    #: the same with the rival's samples from other starts, less Wiener's from the network's start, as in
    #: `ghr.measure.beyond`: what is subtracted is in both
    beyond_null: Estimate | None
    over_null: Estimate | None  #: beyond less beyond_null, start by start


def walks(
    studies: Sequence[Study],
    known: Mapping[str, Callable],
    n: int | None = None,
    half: str = "A",
    *,
    seeds: Sequence[int] = SEEDS,
    steps: int = 20,
) -> tuple[Walks, ...]:
    """Samples by the probability-flow ODE of `ghr.sampling.sample`, from the start that all samples of the book have.

    Args:
        studies: one or two, of one kind of network each, trained on the same images; the start has the moments of the
            held-out images of the first.
        known: rivals by name.
        n: training images of the networks (None: the largest N of the first study).
        half: label of the networks that are explained.
        seeds: sampling seeds.
        steps: of Heun's method, the same for all.

    Returns:
        Samples of each study's network, beside those of all rivals and other networks, as in `explains`.

    Raises:
        FloatingPointError: when a walk diverges.
    """
    n = n or studies[0].largest
    start = sampling.gaussian_start(studies[0].held_out, seeds)

    def end(f: Callable) -> Tensor:
        return sampling.last(sampling.sample(f, start, steps=steps))

    ends = {name: end(f) for name, f in known.items()}
    networks = _networks(studies, n, half, end)
    return tuple(
        Walks(n, half, study.runs[n, half].network, own, MappingProxyType(ends | others))
        for study, own, others in networks
    )


def samples_explained(*several: Walks) -> tuple[Table[Sampled], Table[Pair]]:
    """Which rival draws the network's image? And which explains what Wiener does not?

    Args:
        several: samples of networks and rivals, Wiener among them.

    Returns:
        One row for each network and rival; and one for each pair of rivals but Wiener.

    Raises:
        ValueError: without Wiener.
    """
    rows, pairs = [], []
    for some in several:
        _require_wiener(some.rivals)
        of, wiener, beyond = (some.n, some.half, some.kind), some.rivals[WIENER], {}
        own = some.network - wiener
        for name, x in some.rivals.items():
            alike = rho(some.network, x)
            numbers = [alike, alike.square(), _elsewhere(some.network, x)]
            if name != WIENER:
                beyond[name], null = rho(own, x - wiener), _elsewhere(own, x, wiener)
                numbers += [beyond[name], null, beyond[name] - null]
            means = [student(np.mean, values) for values in numbers] + [None] * (6 - len(numbers))
            rows.append(Sampled(*of, name, len(x), *means))
        for one, other in itertools.combinations(beyond, 2):
            pairs.append(Pair(*of, None, one, other, student(np.mean, beyond[one] - beyond[other])))
    return Table(tuple(rows), Sampled), Table(tuple(pairs), Pair)


def _elsewhere(own: Tensor, x: Tensor, wiener: Tensor | float = 0.0) -> Tensor:
    """Mean rho of each sample with those of all other starts, less what is subtracted of its own."""
    return torch.stack([rho(own, x.roll(k, 0) - wiener) for k in range(1, len(x))]).mean(0)


# Bases --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Basis:
    """The Jacobians of one denoiser at some noisy images, beside a network's; means over images.

    H1 to H4 are those of `ghr.measure.harmonicity.Indices`, of as many vectors as the network keeps.
    """

    n: int  #: training images of the network
    half: str  #: label of the network
    denoiser: str  #: "the network", or the name of a rival
    sigma: float  #: noise level, image units
    tested: int  #: noisy images
    asym: Estimate  #: ||J - J'||_F / ||J||_F
    trace: Estimate  #: tr J
    h1: Estimate  #: rank correlation of rank and frequency
    h2: Estimate  #: share of energy across the image's contours, less that across another image's
    h3: Estimate  #: variation along over across contours, over that of cosines; less is better
    h4: Estimate  #: share in the smoothest functions on the image, less that in another image's
    alike: Estimate | None  #: alignment with the network's basis, of as many vectors; None of the network
    elsewhere: Estimate  #: the same with the denoiser's basis at the next image
    knows: Estimate | None  #: alike less elsewhere, image by image; None of the network
    chance: float  #: alignment of random subspaces, mean K / d


def adapted(
    study: Study,
    known: Mapping[str, Callable],
    n: int | None = None,
    half: str = "A",
    *,
    networks: Mapping[str, Callable] = MappingProxyType({}),
    images: int = 8,
    sigma: float = BASES_AT,
    seed: int = 0,
) -> Table[Basis]:
    """Do machines without trained weights, and other networks, have the network's adaptive basis?

    Args:
        study: networks and held-out images, of which the first are used.
        known: rivals by name; those that know their Jacobian, as `ghr.references.local.LocalDenoiser` does, are
            measured.
        n: training images of the network (None: the largest N).
        half: label of the network.
        networks: others by name, which are differentiated as the network is.
        images: held-out images, at least two.
        sigma: noise standard deviation, image units.
        seed: of the noise.

    Returns:
        One row for the network, one for the network of the other half, if there is one, and one for each other network
        and each such rival.
    """
    n, x = n or study.largest, study.held_out[:images]
    y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
    found = {"the network": bases.filters(study.denoisers[n, half], x, y, sigma)}
    if (n, OTHER[half]) in study.denoisers:
        found["other half"] = bases.filters(study.denoisers[n, OTHER[half]], x, y, sigma)
    found |= {name: bases.filters(f, x, y, sigma) for name, f in networks.items()}
    for name, f in known.items():
        if hasattr(f, "jacobian"):
            cut = zip(f.jacobian(y, sigma), x, y.split(1), denoise(f, y, sigma).split(1), strict=True)
            found[name] = tuple(bases.of_matrix(j, clean[None], *pair) for j, clean, *pair in cut)
    network = found["the network"]
    counts = bases.kept(network)
    own = bases.vectors(network)
    every = {name: bases.vectors(some) for name, some in found.items()}
    indices = harmonicity.indices(every, counts, x)
    rows = []
    for name, some in found.items():
        foreign = bases.alignments(own, [*every[name][1:], every[name][0]], counts)
        alike = bases.alignments(own, every[name], counts)
        means = {field: student(np.mean, bases.values(some, field)) for field in ("asym", "trace")}
        means |= {index.lower(): student(np.mean, values) for index, values in indices[name].items()}
        pair = (None, None) if some is network else (student(np.mean, v) for v in (alike, alike - foreign))
        same, knows = pair
        chance = float(counts.mean() / x[0].numel())
        row = (n, half, name, float(sigma), len(x))
        rows.append(Basis(*row, **means, alike=same, elsewhere=student(np.mean, foreign), knows=knows, chance=chance))
    return Table(tuple(rows), Basis)


# Rows of the Jacobian -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Locality:
    """Where a denoiser of shuffled faces looks: energy of the rows of its matrix, each row's own pixel left out."""

    block: int  #: side of the blocks, pixels; 1 for faces as they are
    denoiser: str  #: "network" or "Wiener"
    sigma: float  #: noise level, image units
    window: int  #: side of the window that is near, pixels
    near_seen: Estimate  #: share of the energy near on the grid that it sees
    near_faces: Estimate  #: share near on the grid of faces
    null_seen: Estimate  #: share in windows around other pixels of the grid that it sees
    null_faces: Estimate  #: the same on the grid of faces
    fewest: Estimate  #: share of pixels that hold half of the energy of a row, the strongest first
    as_wiener: Estimate  #: cosine with the Wiener filter's matrix, entry by entry; 1 for Wiener


def locality(
    studies: Sequence[Study],
    x: Float[Tensor, "n c h w"],
    *,
    sigma: float = ROWS_AT,
    window: int = NEAR,
    seed: int = 1,
) -> Table[Locality]:
    """Does a network look where it can, or where the data tell it to?

    A network of shuffled faces sees a grid on which neighbours are strangers. If locality came with convolutions, its
    rows would hold their energy near on this grid; if it came from the data, near on the grid of faces, as Wiener's
    do, which knows no grid.

    Args:
        studies: networks of half A, one shuffle each.
        x: clean faces, as they are.
        sigma: noise standard deviation, image units.
        window: side of the window that is near, pixels.
        seed: of the noise, not 0, and of the other pixels.

    Returns:
        Two rows for each study, the network's and Wiener's; intervals are over faces, on which Wiener's do not depend,
        and of two faces reach from one to the other.

    Raises:
        ValueError: for seed 0, whose random numbers made the permutation.
    """
    require_other_numbers(seed)
    y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
    rows = []
    for study in studies:
        n, block = study.largest, side(study)
        reference = WienerDenoiser(study.training(n))
        wiener = jacobian.jacobian(reference, y[:1].double(), sigma)
        seen = [jacobian.jacobian(study.denoisers[n, "A"], one, sigma) for one in shuffle(y, block).split(1)]
        near = neighbours(*x.shape[-2:], window)
        order = permutation(*x.shape[-2:], block)
        grids = near, near[order][:, order]
        for name, matrices in (("network", seen), ("Wiener", [wiener] * len(x))):
            numbers = zip(*(_looks(j, wiener, grids, x.shape[1], seed) for j in matrices), strict=True)
            means = (estimate(np.mean, np.array(values)) for values in numbers)
            rows.append(Locality(block, name, sigma, window, *means))
    return Table(tuple(rows), Locality)


def neighbours(h: int, w: int, window: int) -> Bool[Tensor, "d d"]:
    """Which pixels of an image lie in the window around each.

    Args:
        h: rows.
        w: columns.
        window: odd side, pixels.

    Returns:
        Whether, by pixel and pixel; the window is cut at the border.
    """
    row, column = torch.arange(h * w) // w, torch.arange(h * w) % w
    return torch.maximum((row[:, None] - row).abs(), (column[:, None] - column).abs()) <= window // 2


def _looks(j: Tensor, wiener: Tensor, grids: Sequence[Tensor], channels: int, seed: int) -> list[float]:
    """Shares of energy near and elsewhere, on each grid; concentration; likeness to Wiener."""
    others = ~torch.eye(len(j), dtype=torch.bool)
    j, wiener = j.double().cpu() * others, wiener.double().cpu() * others
    energy = j.square()
    elsewhere = torch.randperm(len(j) // channels, generator=torch.Generator().manual_seed(seed))
    numbers = []
    for moved in (slice(None), elsewhere):
        for near in grids:
            inside = near[moved].repeat(channels, channels)
            numbers.append((energy[inside].sum() / energy.sum()).item())
    ordered = energy.sort(1, descending=True).values.cumsum(1)
    held = (ordered < ordered[:, -1:] / 2).sum(1) + 1
    weights = energy.sum(1) / energy.sum()
    numbers.append((weights @ held.double() / len(j)).item())
    numbers.append(((j * wiener).sum() / (j.norm() * wiener.norm())).item())
    return numbers
