"""Whose answers are a network's? A study enters with rivals, how far the network is from each leaves.

Rivals are denoisers without training behind the same call, and other networks: each an explanation of what a network
does, whose worth is how near it comes to the network, beside how near both come to the truth. What a mean and a
covariance explain (Wiener) is told apart from what lies beyond. Intervals are over images or sampling seeds; whole
regions of photographs are drawn into them.
"""

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
from ghr.measure.shuffles import side
from ghr.noise import add_noise, mse
from ghr.references import (
    EmpiricalDenoiser,
    EquivariantLocalDenoiser,
    LocalDenoiser,
    PatchDenoiser,
    PrincipalLocalDenoiser,
    WienerDenoiser,
)
from ghr.references.local import Window
from ghr.similarity import rho
from ghr.stats import Estimate, estimate, ratio
from ghr.tables import Table

IMAGES, SEEDS = 64, range(64)  #: held-out images that are denoised; sampling seeds
LEVELS = (0.05, 0.1, 0.2, 0.4, 0.8)  #: noise levels at which answers are compared, image units
FEW = 100  #: training images of ELS, whose time grows with the square of the number of places
ROWS_AT, NEAR = 0.3, 5  # noise level at which networks are differentiated, side of the windows that count as near
CALIBRATED, CALIBRATED_AT = 8, (0.03, 0.1, 0.3, 1.0)  # held-out images, the last ones; noise levels that have a window
GIVEN_AT = 0.1  #: noise level at which rivals are given more images
SIDES = {"LS": (3, 5, 7, 9, 13, 19, 31), "ELS": (3, 5, 9, 15), "PSPC": (3, 5, 8, 12, 17, 24, 32)}  #: to choose from
WIENER, PRINCIPAL = "Wiener", "PCA locality"
OTHER = {"A": "B", "B": "A"}  #: the half that a network has not seen


@dataclass(frozen=True)
class Calibrated:
    """One rival with one window, on held-out images that serve for nothing else."""

    n: int  #: training images of the network
    half: str  #: label of the network
    rival: str  #: "LS", "ELS" or "PSPC"
    sigma: float  #: noise level, image units
    input_psnr: float  #: the same, dB
    window: int  #: side of its windows, pixels
    error: Estimate  #: its mean squared error per pixel, squared image units
    apart: Estimate  #: its mean squared distance to the network, same unit


def calibration(
    study: Study,
    n: int | None = None,
    half: str = "A",
    *,
    sides: Mapping[str, Sequence[int]] = MappingProxyType(SIDES),
    few: int = FEW,
    most: int | None = None,
    images: int = CALIBRATED,
    sigmas: Sequence[float] = CALIBRATED_AT,
    seed: int = 1,
) -> Table[Calibrated]:
    """Which window suits which noise level, to denoise, or to answer as the network does?

    Args:
        study: networks, and held-out images, of which the last are used.
        n: training images of the network (None: the largest N).
        half: label of the network.
        sides: of windows to choose from, by name of the rival.
        few: training images of ELS.
        most: training images of LS and PSPC, the first ones (None: all).
        images: held-out images.
        sigmas: noise standard deviations, image units.
        seed: of the noise.

    Returns:
        One row for each rival, noise level and window.
    """
    n, x = n or study.largest, study.held_out[-images:]
    regions = study.regions and study.regions.held_out[-images:]
    rows = []
    first = {name: some[0] for name, some in sides.items()}
    for name, local in _windowed(study.training(n, half)[:most], first, few).items():
        for sigma in sigmas:
            y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
            answer = denoise(study.denoisers[n, half], y, sigma)
            for window in sides[name]:
                x_hat = denoise(local.with_window(window), y, sigma)
                means = (estimate(np.mean, mse(x_hat, other), regions=regions) for other in (x, answer))
                rows.append(Calibrated(n, half, name, float(sigma), float(-20 * np.log10(sigma)), window, *means))
    return Table(tuple(rows), Calibrated)


def chosen(calibrated: Table[Calibrated], column: str = "error") -> dict[str, dict[float, int]]:
    """The best window of each rival and noise level; of equals, the first.

    Args:
        calibrated: of one network.
        column: what is to be least: "error", or "apart" as Kamb & Ganguli calibrate on a network.

    Returns:
        Side by name and noise level, for `rivals`.
    """
    best: dict[str, dict[float, int]] = {}
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
        windows: of "LS", "ELS" and "PSPC", e.g. of `chosen`.
        n: training images of the network (None: the largest N).
        half: label of the network.
        few: training images of ELS.

    Returns:
        Denoisers by name, Wiener first.
    """
    x = study.training(n or study.largest, half)
    principal = PrincipalLocalDenoiser(x)  # holds the Wiener denoiser of the same images
    return {
        WIENER: principal.wiener,
        **_windowed(x, windows, few),
        PRINCIPAL: principal,
        "memorizer": EmpiricalDenoiser(x),
    }


def _windowed(x: Tensor, windows: Mapping[str, Window], few: int) -> dict[str, Callable]:
    """Rivals that have a window, in the order in which windows are given."""
    kinds = {"LS": LocalDenoiser, "ELS": EquivariantLocalDenoiser, "PSPC": PatchDenoiser}
    return {name: kinds[name](x[:few] if name == "ELS" else x, window) for name, window in windows.items()}


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
        windows: of "LS", "ELS" and "PSPC", e.g. of `chosen`.
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
            some = training[:count]
            if name == PRINCIPAL:
                local = PrincipalLocalDenoiser(some)
            else:
                local = _windowed(some, {name: windows[name]}, count)[name]
            x_hat = denoise(local, y, sigma)
            means = (estimate(np.mean, mse(x_hat, other), regions=regions) for other in (answer, x))
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
    beyond: Estimate  #: share that the rival explains of what the network does beyond Wiener; 1 is all, 0 Wiener's


def explains(
    studies: Sequence[Study],
    known: Mapping[str, Callable],
    n: int | None = None,
    half: str = "A",
    *,
    images: int = IMAGES,
    sigmas: Sequence[float] = LEVELS,
    seed: int = 0,
) -> Table[Explained]:
    """Which rival answers as a network does? And does another network?

    Args:
        studies: one or two, of one kind of network each, trained on the same images; held-out images are the first's.
        known: rivals by name, Wiener among them.
        n: training images of the networks (None: the largest N of the first study).
        half: label of the networks that are explained.
        images: held-out images.
        sigmas: noise standard deviations, image units.
        seed: of the noise, which all see.

    Returns:
        One row for each noise level, study and rival. Rivals of a network are, after those that are given, the network
        of its kind that was trained on the other half, and that of the other kind that was trained on the same images.

    Raises:
        ValueError: without Wiener.
    """
    _require_wiener(known)
    first, rows = studies[0], []
    n, x = n or first.largest, first.held_out[:images]
    regions = first.regions and first.regions.held_out[:images]
    for sigma in sigmas:
        y = add_noise(x, sigma, torch.Generator(x.device).manual_seed(seed))
        answers = {name: denoise(f, y, sigma) for name, f in known.items()}
        networks = _networks(studies, n, half, lambda f, y=y, sigma=sigma: denoise(f, y, sigma))
        for study, answer, others in networks:
            apart = {name: mse(answer, x_hat) for name, x_hat in (answers | others).items()}
            for name, x_hat in (answers | others).items():
                errors = apart[name], mse(answer, x), mse(x_hat, x)
                means = [estimate(np.mean, error, regions=regions) for error in errors]
                beyond = estimate(explained, apart[name], apart[WIENER], regions=regions)
                kind = (n, half, study.runs[n, half].network, name, float(sigma), float(-20 * np.log10(sigma)))
                rows.append(Explained(*kind, *means, beyond))
    return Table(tuple(rows))


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
    """Samples of one network and one rival from the same start; centred cosines, medians over seeds."""

    n: int  #: training images of the network
    half: str  #: label of the network
    network: str  #: kind of network, key of `recipes.NETWORKS`
    rival: str  #: name of the rival
    seeds: int  #: sampling seeds
    similarity: Estimate  #: rho of the two samples
    r_squared: Estimate  #: its square, the share of the pixels' variance that is explained by a straight line
    null: Estimate  #: rho of the network's sample and the rival's from another start
    beyond: Estimate | None  #: rho of what is left of both when Wiener's sample is subtracted; None of Wiener
    beyond_null: Estimate | None  #: the same with what is left of the rival's from another start


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


def samples_explained(*several: Walks) -> Table[Sampled]:
    """Which rival draws the network's image? And which explains what Wiener does not?

    Args:
        several: samples of networks and rivals, Wiener among them.

    Returns:
        One row for each network and rival.

    Raises:
        ValueError: without Wiener.
    """
    rows = []
    for some in several:
        _require_wiener(some.rivals)
        wiener = some.rivals[WIENER]
        for name, x in some.rivals.items():
            alike = rho(some.network, x)
            numbers = [alike, alike.square(), rho(some.network, x.roll(1, 0))]
            if name != WIENER:
                own, left = some.network - wiener, x - wiener
                numbers += [rho(own, left), rho(own, left.roll(1, 0))]
            medians = [estimate(np.median, values) for values in numbers] + [None] * (5 - len(numbers))
            rows.append(Sampled(some.n, some.half, some.kind, name, len(x), *medians))
    return Table(tuple(rows), Sampled)


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
    seed: int = 0,
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
        seed: of the noise, and of the other pixels.

    Returns:
        Two rows for each study, the network's and Wiener's; intervals are over faces, on which Wiener's do not depend.
    """
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
