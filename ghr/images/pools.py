"""Pools: a set of images on the disk enters, small distinct ones leave, grey or coloured; kept in the cache, in shards.

All is read once, on first use; of what is wanted later only that leaves the disk. Departures from the paper: grey
values are rounded to 1/255, and bedrooms are cropped in the centre (in the authors' code in the upper left corner).
"""

import errno
import hashlib
import io
import json
import os
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image, UnidentifiedImageError
from tqdm.auto import tqdm

from ghr.files import cache
from ghr.images import archives
from ghr.images.decoding import BOMBS, look, read_image, value_range

SHARD = 4000  #: images per cache file: what an interruption loses, some seconds; few enough to map all of a set at once
UNUSABLE, DUPLICATE, KEPT = range(3)  # what became of a member
NO_IMAGE = "no image, and no suffix that says so"
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}  #: the machine's trouble, not the file's


@dataclass(frozen=True, eq=False)
class Pool:
    """The images of a set that can be used; pool[5:9] reads four of them."""

    #: Where they lie.
    source: archives.Source
    #: Side in pixels.
    size: int
    #: Of the shards.
    folder: Path
    #: Places in the source of the images, in order.
    members: Int[np.ndarray, " n"]
    #: What was found, used and passed over, in one line.
    account: str
    #: Whether the images have red, green and blue on a last axis.
    colour: bool = False

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, place: slice) -> UInt8[np.ndarray, "n size size *channels"]:
        members = self.members[place]
        pixels = np.empty((len(members), *_shape_of(self.size, self.colour)), np.uint8)
        numbers = np.unique(members // SHARD)
        shards = _shards(self.source, self.folder, self.size, numbers, {}, self.colour)
        for k, shard in zip(numbers, shards, strict=True):
            here = members // SHARD == k
            pixels[here] = shard[members[here] % SHARD]
        if (
            not pixels.reshape(len(members), -1).any(1).all()
        ):  # black stands for unreadable: a shard was lost, and its images are gone too
            raise ValueError(
                f"Images of {self.source.place} can no longer be read: get it again, then delete {self.folder}."
            )
        return pixels

    def files(self) -> list[str]:
        """Names of the images' files.

        Returns:
            Names, in the images' order.
        """
        with self.source.open() as (names, _):
            return [names[i] for i in self.members]


def pool(name: str, size: int, distinct: bool = True, colour: bool = False) -> Pool:
    """The images of a set; on first use all are read, resized and compared.

    Interrupted at any moment, the next call goes on with the first shard that is missing. Memory: that of `distinct`.

    Args:
        name: of a set of files, "folder:PATH", "celeba" or "lsun-bedroom".
        size: side in pixels.
        distinct: whether near-duplicates of earlier images are left out, as training sets want it and samples do not.
        colour: whether images are kept in colour; duplicates are found among grey ones.

    Returns:
        Pool. What cannot be read or is too small is skipped with one warning.

    Raises:
        ValueError: when an image is not what it should be, or none is of use; otherwise as `archives.find`.
    """
    source = archives.find(name)
    if source.crop and size > source.crop:
        raise ValueError(f"{size} pixels wanted, but of {name} the central {source.crop} are used: lower the size.")
    what = [_state(p) for p in source.files], size, SHARD, *(["colour"] if colour else [])
    key = hashlib.sha256(repr(what).encode()).hexdigest()[:16]
    folder = cache.folder() / f"{name.partition(':')[0]}-{key}"
    paths = [folder / ("outcome.npz" if distinct else "readable.npz"), folder / "account.npz"]
    outcome, told = cache.built(paths, lambda _: _compare(source, folder, size, distinct, colour))
    members = np.flatnonzero(outcome == KEPT)
    account = _account(source, outcome, json.loads(told.tobytes()))
    return Pool(source, size, folder, members, account, colour)


def _shape_of(size: int, colour: bool) -> tuple[int, ...]:
    return (size, size, 3) if colour else (size, size)


def _state(path: Path) -> tuple[str, int, int, int, int]:
    """What changes when a file does, be it by a swap with one of the same size and date."""
    found = path.stat()
    return os.path.abspath(path), found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _account(source: archives.Source, outcome: UInt8[np.ndarray, " members"], told: dict) -> str:
    duplicates = int((outcome == DUPLICATE).sum())
    used = int((outcome == KEPT).sum())
    passed = [f"{duplicates} near-duplicates"] if duplicates else []
    if skipped := told["skipped"]:
        passed.append(f"{len(skipped)} that cannot be used ({_listed(skipped)})")
    if bare := len(outcome) - used - len(skipped) - duplicates:
        passed.append(f"{bare} without a suffix that are no images")
    line = f"{source.place}: {len(outcome) + source.others} files found, {used} used"
    line += f"; passed over: {', '.join([*passed, *source.passed])}" if passed or source.passed else ""
    if told["frames"]:
        line += f"; of {told['frames']} files with several pages or frames the first is used"
    for kind, (black, white) in told["ranges"].items():
        line += f"; {kind} values {black:g} to {white:g} became 0 to 1"
    return line + "."


def _listed(skipped: list[str]) -> str:
    return "; ".join(skipped[:10]) + (f"; and {len(skipped) - 10} more" if len(skipped) > 10 else "")


def _compare(source: archives.Source, folder: Path, size: int, apart: bool, colour: bool) -> None:
    """Write what becomes of each member of a source, near-duplicates apart or not, and what is to be told of it."""
    reasons: dict[str, str] = {}
    with source.open() as (names, _):
        numbers = np.arange(-(-len(names) // SHARD))
    shards = _shards(source, folder, size, numbers, reasons, colour)
    readable = np.concatenate([shard.reshape(len(shard), -1).any(1) for shard in shards])
    told = _survey(source, folder, size)
    forgotten = [names[i] for i in np.flatnonzero(~readable) if names[i] not in reasons]
    if forgotten:  # their shards were built before an interruption
        with source.open() as (_, get), warnings.catch_warnings():
            _quiet()
            for name in forgotten:
                read = _member(source, get, name, size, told["ranges"], colour)
                reasons[name] = read if isinstance(read, str) else "could not be read at first"
    skipped = [f"{name}: {reasons[name]}" for name in names if reasons.get(name, NO_IMAGE) != NO_IMAGE]
    if skipped:
        cache.warn(f"{len(skipped)} of {len(names)} files skipped: {_listed(skipped)}")
    if not readable.any():
        why = f"could be used: {skipped[0]}" if skipped else "is one"
        raise ValueError(f"None of the {len(names)} image files in {source.place} {why}.")
    _require_range(source, shards, readable)
    outcome = np.where(readable, DUPLICATE, UNUSABLE).astype(np.uint8)
    kept = distinct(chain(*shards)) if apart else np.arange(len(outcome))
    outcome[kept[readable[kept]]] = KEPT
    cache.write(folder / ("outcome.npz" if apart else "readable.npz"), outcome)
    cache.write(folder / "account.npz", _bytes(told | {"skipped": skipped}))


def _bytes(told: dict) -> UInt8[np.ndarray, " length"]:
    return np.frombuffer(json.dumps(told).encode(), np.uint8)


def _require_range(source: archives.Source, shards: list[np.ndarray], readable: np.ndarray) -> None:
    """Refuse a set whose pixels, but for one in 1,000 at either end, lie in a twentieth of the range.

    Else training would report a high PSNR of all but empty images.
    """
    counts = sum(np.bincount(shard.reshape(-1), minlength=256) for shard in shards)
    counts[0] -= int((~readable).sum()) * shards[0][0].size  # unusable members are black
    share = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(share, [1e-3, 1 - 1e-3])
    if high - low < 255 / 20:
        raise ValueError(
            f"The images of {source.place} use the grey values {low} to {high} of 0 to 255 only, less than a "
            "twentieth: nothing can be learned of them. Stretch them to the whole range first."
        )


def _survey(source: archives.Source, folder: Path, size: int) -> dict:
    """What must be known of a set of any files before the first is converted: ranges of wide values, frames, bombs."""
    if not source.mixed:
        return {"ranges": {}, "frames": 0}

    def build(paths: list[Path]) -> None:
        with source.open() as (names, get), ThreadPoolExecutor(os.cpu_count()) as threads, warnings.catch_warnings():
            _quiet()
            title = f"looking at the files of {source.place}"
            seen = threads.map(lambda name: look(get(name), size), names)
            found = list(tqdm(seen, desc=title, total=len(names), unit="file", disable=len(names) < 10_000))
        bombs = [f"{source.place / name} ({it.bomb})" for name, it in zip(names, found, strict=True) if it.bomb]
        if bombs:
            what = f"{bombs[0].replace(' (', ' is too large to open safely (', 1)}: shrink it or take it away."
            many = f"{len(bombs)} files are too large to open safely: {_listed(bombs)}. Shrink them or take them away."
            raise ValueError(what if len(bombs) == 1 else many)
        wide = {it.kind: [other for other in found if other.kind == it.kind] for it in found if it.kind}
        ranges = {
            kind: value_range(kind, min(it.low for it in these), max(it.high for it in these))
            for kind, these in sorted(wide.items())
        }
        cache.write(paths[0], _bytes({"ranges": ranges, "frames": sum(it.frames > 1 for it in found)}))

    (told,) = cache.built([folder / "survey.npz"], build)
    told = json.loads(told.tobytes())
    return told | {"ranges": {kind: tuple(ends) for kind, ends in told["ranges"].items()}}


def _quiet() -> None:
    """Pillow's remarks on odd metadata are no news, what it finds too large is an error; for all threads."""
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def _shards(
    source: archives.Source,
    folder: Path,
    size: int,
    numbers: Int[np.ndarray, " k"],
    reasons: dict[str, str],
    colour: bool,
) -> list[np.ndarray]:
    """Shards of a source, black where a member cannot be used; why is noted under its name when a shard is built."""

    def build(missing: list[Path]) -> None:
        ranges = _survey(source, folder, size)["ranges"]
        with source.open() as (names, get), ThreadPoolExecutor(os.cpu_count()) as threads, warnings.catch_warnings():
            _quiet()
            parts = {path: names[int(path.stem) * SHARD :][:SHARD] for path in missing}
            title = f"reading {source.place}, once, into {folder}"
            with tqdm(total=sum(map(len, parts.values())), desc=title, unit="image") as bar:
                for path, part in parts.items():
                    pixels = np.zeros((len(part), *_shape_of(size, colour)), np.uint8)
                    done = threads.map(lambda name: _member(source, get, name, size, ranges, colour), part)
                    for i, read in enumerate(done):
                        if isinstance(read, str):
                            reasons[part[i]] = read
                        else:
                            pixels[i] = read
                        bar.update()
                    cache.write(path, pixels)

    return cache.built([folder / f"{k:04d}.npy" for k in numbers], build)


def _member(
    source: archives.Source, get: Callable[[str], Path | io.BytesIO], name: str, size: int, ranges: dict, colour: bool
) -> np.ndarray | str:
    """Pixels, or why there are none."""
    try:
        file = get(name)
        if source.shape is None or (shape := _shape(file)) == source.shape:
            return read_image(file, size, source.crop, ranges, colour)
    except UnidentifiedImageError:
        return "not in a format that Pillow knows" if Path(name).suffix or not source.mixed else NO_IMAGE
    except BOMBS as bomb:
        return f"broken, or too large to open safely ({bomb})"
    except MemoryError:
        raise
    except Exception as error:  # what decoders and their metadata raise is in no list, and concerns this file alone
        if isinstance(error, OSError) and error.errno in EXHAUSTED:
            raise OSError(f"{source.place / name} cannot be read now ({error}): try again.") from error
        return " ".join(str(error).split())[:200] or type(error).__name__
    w, h = source.shape
    raise ValueError(
        f"{name} in {source.place} is {shape[0]}x{shape[1]} pixels, but all should be {w}x{h}: this is another set."
    )


def _shape(file: Path | io.BytesIO) -> tuple[int, int]:
    with Image.open(file) as opened:
        return opened.size


def distinct(
    pixels: Iterable[UInt8[np.ndarray, "h w *channels"]], threshold: float = 0.95, block: int = 1024
) -> Int[np.ndarray, " kept"]:
    """Which images are no near-duplicate of an earlier kept one, in blocks so that memory stays bounded.

    i is dropped when ``|centred correlation|`` with some kept j < i, both averaged down to 20x20, exceeds the
    threshold. Images that are flat there have no correlation: they are dropped when an earlier one has the same level.

    Args:
        pixels: n images, taken one by one.
        threshold: on the absolute correlation.
        block: rows compared at once.

    Returns:
        Indices kept, ascending, in a memory of (400 + block) n floats.

    Source: the paper, Appendix A (there with a dense n x n matrix); flat images: own choice.
    """
    grey = (Image.fromarray(image).convert("L") for image in pixels)
    small = [np.asarray(image.resize((20, 20), Image.Resampling.BOX)) for image in grey]
    features = np.stack(small).reshape(-1, 400).astype(np.float32)
    del small
    levels = features.mean(1)
    features -= levels[:, None]
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    flat = np.flatnonzero(norms[:, 0] == 0)
    repeated = np.setdiff1d(flat, flat[np.unique(levels[flat], return_index=True)[1]])
    features /= np.maximum(norms, 1e-6)
    indices: list[int] = []
    starts = range(0, len(features), block)
    for start in tqdm(starts, desc="comparing images", unit="block", disable=len(features) <= 10_000):
        rows = features[start : start + block]
        new = len(indices)
        old = rows @ features[:new].T
        old = (np.abs(old, out=old) > threshold).any(1)
        within = np.abs(rows @ rows.T) > threshold
        for i in np.flatnonzero(~old):
            if not within[i, np.array(indices[new:], dtype=int) - start].any():
                indices.append(start + int(i))
        features[new : len(indices)] = features[indices[new:]]  # the kept ones move to the front, over rows done with
    return np.setdiff1d(np.array(indices), repeated)
