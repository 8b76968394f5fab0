"""One denoiser measured in all the book's ways: it enters with a folder or a name of images; tables and pictures leave.

`of` measures, step by step; `write` keeps tables as CSV and pictures as PNG. Images are read as everywhere in the book,
grey, or in colour where the denoiser takes three channels. How long it will take is estimated from a few calls first.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ghr import images as sets
from ghr.denoiser import denoise
from ghr.files import cache
from ghr.foreign import Foreign
from ghr.images import names
from ghr.measure import single
from ghr.noise import SIGMAS, add_noise
from ghr.sampling import gaussian_start, sample
from ghr.tables import Table

DENSE = 4096  #: numbers in an image up to which Jacobians are made whole
LEVELS = (0.1, 0.3)  #: noise levels at which a denoiser is differentiated, image units
OTHERS = 2000  #: images whose moments count, and training images that are measured against
STEPS = 20  #: of a sample
PROBES = 8  #: of a trace, where Jacobians are too large
RANKS = (1, 2, 4, 8, 16, 32, 64)  #: of eigenvectors that are shown
SHOWN = 4  #: images whose eigenvectors are shown
ENLARGED = 96  #: pixels of a tile's side, at least
EXPENSIVE = 600  #: seconds from which on the advice is to measure less


@dataclass(frozen=True)
class Images:
    """What a denoiser is measured on."""

    x: Float[Tensor, "n c h w"]  #: clean images, which it is not known to have seen
    training: Float[Tensor, "m c h w"] | None  #: images that it was trained on, where they are given
    others: Float[Tensor, "k c h w"]  #: images whose moments count: training images, or those of the set that are not x


@dataclass
class Portrait:
    """What was measured, table by table, and pictures."""

    tables: dict[str, Table] = field(default_factory=dict)  #: by name
    pictures: dict[str, np.ndarray] = field(default_factory=dict)  #: by name, 8 bits, grey or colour
    missing: list[str] = field(default_factory=list)  #: what could not be measured, a sentence each


def load(name: str, size: int, channels: int, many: int, train: str | None = None) -> Images:
    """The images of a folder or of a set: some to measure on, others for their moments.

    Of a folder, they are spread over its files; of a set that is drawn, they come from its middle, as the book's test
    images do. Near-duplicates are left out.

    Args:
        name: of a set, as of `ghr.images.load`, or the path of a folder.
        size: side in pixels.
        channels: 1 for grey images, 3 for colour.
        many: images to measure on.
        train: the same for the training images, of which the first 2,000 count.

    Returns:
        Images.

    Raises:
        ValueError: for channels that images do not have, or fewer than four images.
    """
    if channels not in (1, 3):
        raise ValueError(f"This denoiser takes images of {channels} channels: only grey ones, or 3 colours, are read.")
    pool = _read(name, size, channels, many + OTHERS)
    training = None if train is None else _read(train, size, channels, OTHERS)
    if len(pool) < 4 or (training is not None and len(training) < 2):
        short, found = (name, pool) if len(pool) < 4 else (train, training)
        raise ValueError(f"At least four images are needed, and two to train on: {short} has {len(found)}.")
    # without training images half of a small folder is left for the moments
    count = min(many, len(pool) if training is not None else (len(pool) + 1) // 2)
    chosen = np.linspace(0, len(pool) - 1, count).round().astype(int)
    rest = np.setdiff1d(np.arange(len(pool)), chosen)
    return Images(pool[chosen], training, pool[rest] if training is None else training)


def _read(name: str, size: int, channels: int, most: int) -> Tensor:
    name = names.spelled(name)
    named = names.parse(name, size)
    if named.source == "files":
        name = names.coloured(name) if channels == 3 else name
        return sets.load(name, size, min(most, sets.count(name, size)))
    x = sets.held_out(name, size, 1, most)
    return x.expand(-1, channels, -1, -1).contiguous()


def tried(f: Foreign, channels: int, size: int) -> None:
    """Refuses, before any work, a denoiser that cannot take such images or does not answer with numbers.

    Args:
        f: denoiser.
        channels: of the images.
        size: side in pixels.

    Raises:
        ValueError: in one sentence.
    """
    sigma = min(max(LEVELS[0], f.convention.levels[0]), f.convention.levels[1])
    shape, grey = f"{channels}x{size}x{size}", torch.full((2, channels, size, size), 0.5)
    try:
        x_hat = denoise(f, add_noise(grey, sigma, torch.Generator().manual_seed(0)), sigma)
    except (ValueError, TypeError):
        raise
    except Exception as error:  # what a network raises at images of another size is in no list
        lines = str(error).strip().splitlines() or [type(error).__name__]
        said = lines[-1 if "TorchScript" in lines[0] else 0].rstrip(".")  # its own words come last there
        raise ValueError(
            f"This denoiser does not take images of {shape} with noise {sigma:g} ({said}): another --size, --channels "
            "or what it is told may be meant."
        ) from error
    if not x_hat.isfinite().all():
        raise ValueError(
            f"This denoiser answers with NaN or infinite numbers to images of {shape} with noise {sigma:g}."
        )


@dataclass(frozen=True)
class Plan:
    """What will be measured, and how long that takes."""

    sigmas: tuple[float, ...]  #: of the denoising curve, image units
    levels: tuple[float, ...]  #: of the Jacobians
    bases: int  #: images at which Jacobians are made, 0 where they are too large
    traced: int  #: images at which traces are estimated instead
    seeds: int  #: samples
    seconds: float  #: estimated
    parts: int  #: steps of the bar

    def words(self, on: "Images") -> str:
        """What will be done, and about how long it takes, in a sentence.

        Args:
            on: images.

        Returns:
            The sentence.
        """
        length = f"{self.seconds:.0f} seconds" if self.seconds < 100 else f"{self.seconds / 60:.0f} minutes"
        advice = " Fewer --bases, or a smaller --size, take less." if self.seconds > EXPENSIVE else ""
        c, h, w = on.x.shape[1:]
        return (
            f"{len(on.x)} images of {h}x{w}{' in colour' if c == 3 else ''} at {len(self.sigmas)} noise levels, "
            f"{self.bases * len(self.levels)} Jacobians, {self.seeds} samples: about {length} on "
            f"{torch.get_num_threads()} CPU threads.{advice}"
        )


def plan(f: Foreign, on: Images, bases: int = 8, seeds: int = 16) -> Plan:
    """What can be measured of a denoiser on some images, and what it costs, from two timed calls.

    Args:
        f: denoiser.
        on: images.
        bases: images at which Jacobians are wanted.
        seeds: samples.

    Returns:
        Plan.
    """
    low, high = f.convention.levels
    sigmas = tuple(float(sigma) for sigma in SIGMAS if low <= sigma <= high)
    levels = tuple(sigma for sigma in LEVELS if low <= sigma <= high)
    d = on.x[0].numel()
    traced = min(bases, len(on.x)) if d > DENSE and f.smooth else 0
    bases = 0 if d > DENSE else min(bases, len(on.x))
    some = on.x[:1].expand(min(16, 4 * len(on.x)), -1, -1, -1).contiguous()
    denoise(f, some, levels[0] if levels else sigmas[0])
    begun = time.perf_counter()
    denoise(f, some, levels[0] if levels else sigmas[0])
    each = (time.perf_counter() - begun) / len(some)
    calls = len(sigmas) * (len(on.x) + (0 if on.training is None else len(_few(on)))) + 4 * len(levels) * len(on.x)
    calls += seeds * (2 * STEPS + 1)
    # a backward pass costs about two forward ones; of differences, two answers a column
    jacobians = len(levels) * 3 * (bases * d + traced * PROBES)
    factorized = len(levels) * bases * (d / 1024) ** 3 * 1.5
    parts = len(sigmas) + len(levels) * (1 + bases + bool(traced)) + STEPS + 1
    return Plan(sigmas, levels, bases, traced, seeds, each * (calls + jacobians) + factorized, parts)


def _few(on: Images) -> Tensor:
    """As many training images as others, or all of fewer."""
    return on.training[: len(on.x)]


def of(
    f: Foreign, on: Images, how: Plan, tell: Callable[[int], object] = lambda parts: None, seed: int = 0
) -> Portrait:
    """Measure a denoiser.

    Args:
        f: denoiser, in evaluation mode.
        on: images.
        how: what is measured, of `plan`.
        tell: is told of each part that is done.
        seed: of the noise.

    Returns:
        Portrait.

    Raises:
        ValueError: as `ghr.denoiser.denoise`.
    """
    done, training = Portrait(), None if on.training is None else _few(on)

    def counted(rows: Iterator) -> tuple:
        found = []
        for row in rows:
            found.append(row)
            tell(1)
        return tuple(found)

    done.tables["curve"] = Table(counted(single.curve(f, on.x, how.sigmas, training, seed)), single.Curve)
    responses = counted(single.response(f, on.x[: 2 * 8], sigma, seed) for sigma in how.levels)
    done.tables["response"] = Table(responses, single.Response)
    if how.bases:
        _jacobians(done, f, on, how, counted, seed)
    else:
        many = on.x[0].numel()
        done.missing.append(
            f"No Jacobians, so no bases: images of {many:,} numbers, more than {DENSE:,}; a smaller --size has them."
        )
        if f.smooth:
            some = on.x[: how.traced]
            rows = counted(single.dimensions(f, some, sigma, seed, PROBES) for sigma in how.levels)
            done.tables["dimensions"] = Table(rows, single.Kept)
    _samples(done, f, on, how, counted)
    tell(1)
    return done


def _jacobians(done: Portrait, f: Foreign, on: Images, how: Plan, counted: Callable, seed: int) -> None:
    x = on.x[: how.bases]
    found = {}
    for sigma in how.levels:
        found[sigma] = counted(single.matrix(f, one, sigma, seed, f.smooth) for one in x.split(1))
    done.tables |= {"geometry": single.geometry(found), "spectra": single.spectra(found)}
    if x.shape[1] > 1:
        done.missing.append("No H1 to H4: they are defined on grey images.")
    elif len(x) < 3 or len(on.others) < 4:
        done.missing.append("No H1 to H4: their controls need three images, and four others.")
    else:
        done.tables["indices"], done.tables["ahead"] = single.adapted(found, x, on.others)
    for sigma, some in found.items():
        rows = []
        for one, matrix in list(zip(x.split(1), some, strict=True))[:SHOWN]:
            y = add_noise(one, sigma, torch.Generator().manual_seed(seed))
            own = matrix.filter.eigenvectors
            tiles = [_tile(image[0]) for image in (one, y, denoise(f, y, sigma))]
            rows.append([*tiles, *(_signed(own[rank - 1]) for rank in RANKS if rank <= len(own))])
        done.pictures[f"eigenvectors_{sigma:g}"] = _sheet(rows)


def _samples(done: Portrait, f: Foreign, on: Images, how: Plan, counted: Callable) -> None:
    if how.seeds < 2:
        return
    low, high = f.convention.levels
    start = gaussian_start(on.others, range(how.seeds), min(1.0, high))
    ends = {"sigma_0": min(1.0, high), "sigma_end": max(0.01, low)}
    try:
        *_, end = counted(sample(f, start, steps=STEPS, **ends))
    except FloatingPointError as error:
        done.missing.append(f"No samples. {error}")
        return
    done.tables["drawn"] = single.drawn(end.x_hat, on.x, on.training)
    side = math.ceil(how.seeds**0.5)
    tiles = [_tile(one) for one in end.x_hat]
    done.pictures["samples"] = _sheet([tiles[k : k + side] for k in range(0, len(tiles), side)])


# Pictures and files -------------------------------------------------------------------------------------------------


def _tile(x: Float[Tensor, "c h w"]) -> np.ndarray:
    pixels = (x.float().clamp(0, 1) * 255).round().byte().cpu().numpy()
    return np.moveaxis(pixels.repeat(3, 0) if len(pixels) == 1 else pixels, 0, -1)


def _signed(vector: Float[Tensor, "c h w"]) -> np.ndarray:
    """An eigenvector on a symmetric scale: blue below 0, white at 0, orange above; the mean of colours."""
    v = vector.mean(0).double().cpu().numpy()
    v = v / max(np.abs(v).max(), 1e-12)
    ends = np.where(v[..., None] > 0, np.array([213, 94, 0]), np.array([0, 114, 178]))
    return np.round(255 + np.abs(v)[..., None] * (ends - 255.0)).astype(np.uint8)


def _sheet(rows: Sequence[Sequence[np.ndarray]], gap: int = 4) -> np.ndarray:
    """Tiles in rows, enlarged without smoothing."""
    h, w, _ = rows[0][0].shape
    zoom = max(1, math.ceil(ENLARGED / min(h, w)))
    h, w = h * zoom, w * zoom
    columns = max(map(len, rows))
    sheet = np.full((len(rows) * (h + gap) - gap, columns * (w + gap) - gap, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for k, tile in enumerate(row):
            top, left = i * (h + gap), k * (w + gap)
            sheet[top : top + h, left : left + w] = tile.repeat(zoom, 0).repeat(zoom, 1)
    return sheet


def write(done: Portrait, folder: Path) -> list[Path]:
    """Keep tables as CSV and pictures as PNG.

    Args:
        done: what was measured.
        folder: where to, made where it is missing.

    Returns:
        Files.

    Raises:
        OSError: when they cannot be written.
    """
    cache.writable(folder, "output", "give another --out")
    files = []
    for name, table in done.tables.items():
        files.append(folder / f"{name}.csv")
        files[-1].write_text(table.csv(), encoding="utf-8")
    for name, pixels in done.pictures.items():
        files.append(folder / f"{name}.png")
        Image.fromarray(pixels).save(files[-1])
    return files


def text(done: Portrait) -> str:
    """What was measured, in short, for a terminal.

    Args:
        done: what was measured.

    Returns:
        Lines.
    """
    return "\n\n".join([*_parts(done), *done.missing])


def _parts(done: Portrait) -> Iterator[str]:
    tables = done.tables
    told = tables["curve"]["training"][0] is not None
    heads = {"sigma": "sigma", "noisy": "noisy dB", "test": "denoised dB", "training": "training dB", "gap": "gap dB"}
    shown = [one for k, one in enumerate(tables["curve"]) if k % 2 == 0]
    yield _lines("Denoising", shown, {k: v for k, v in heads.items() if told or k not in ("training", "gap")})
    heads = {"sigma": "sigma", "half": "told half", "twice": "told twice", "scaling": "both doubled"}
    yield _lines("Change of the answer, relative", tables["response"], heads)
    if "dimensions" in tables:
        heads = {"sigma": "sigma", "trace": "tr J", "dimension": "error/sigma^2"}
        yield _lines("Dimensions that are kept", tables["dimensions"], heads)
    if "geometry" in tables:
        heads = {"sigma": "sigma", "trace": "tr J", "dimension": "error/sigma^2", "hom": "|f-Jy|/|f|", "asym": "asym"}
        yield _lines("Dimensions that are kept, and symmetry", tables["geometry"], heads)
        heads = {"sigma": "sigma", "top": "top eigenvalue", "two_sides": "left-right", "eigen_right": "eigen-right"}
        yield _lines(
            "Alignment of singular vectors, and with eigenvectors", tables["geometry"], heads | {"chance": "chance"}
        )
    if "indices" in tables:
        heads = {"sigma": "sigma", "basis": "basis", "h1": "H1", "h2": "H2", "h3": "H3 (less)", "h4": "H4"}
        yield _lines("Is its basis harmonic (H1), and adapted to the image (H2 to H4)?", tables["indices"], heads)
    if "drawn" in tables:
        heads = {"images": "", "many": "many", "contrast": "contrast", "detail": "detail"}
        known = {"nearest": "nearest training image", "copies": "copies"} if told else {}
        yield _lines("Samples", tables["drawn"], heads | known)


def _lines(title: str, rows, heads: dict[str, str]) -> str:
    cells = [list(heads.values()), *([_cell(getattr(row, name)) for name in heads] for row in rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(heads))]
    return "\n".join(
        [title, *("  " + "  ".join(c.rjust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in cells)]
    )


def _cell(value) -> str:
    if value is None:
        return "-"
    if isinstance(value, str | int):
        return str(value)
    number = getattr(value, "value", value)
    digits = max(0, 2 - max(0, math.floor(math.log10(abs(number))))) if number else 2
    return f"{value:.{digits if abs(number) >= 0.1 or not number else 4}f}"
