"""Pools: a set of images on the disk enters, small grey distinct ones leave; kept in the cache, in shards.

All is read once, on first use; of what is wanted later only that leaves the disk. Departures from the paper: grey
values are rounded to 1/255, and bedrooms are cropped in the centre (in the authors' code in the upper left corner).
"""

import hashlib
import io
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm.auto import tqdm

from ghr import archives, cache

SHARD = 4000  # images per cache file: what an interruption loses, some seconds; few enough to map all of a set at once
UNREADABLE = (OSError, ValueError, SyntaxError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class Pool:
    """The images of a set that can be read and are no near-duplicates of earlier ones; pool[5:9] reads four of them."""

    source: archives.Source
    size: int  # side in pixels
    folder: Path  # of the shards
    kept: Bool[np.ndarray, " members"]  # by place in the source

    def __len__(self) -> int:
        return int(self.kept.sum())

    def __getitem__(self, place: slice) -> UInt8[np.ndarray, "n size size"]:
        members = np.flatnonzero(self.kept)[place]
        pixels = np.empty((len(members), self.size, self.size), np.uint8)
        numbers = np.unique(members // SHARD)
        for k, shard in zip(numbers, _shards(self.source, self.folder, self.size, numbers, {}), strict=True):
            here = members // SHARD == k
            pixels[here] = shard[members[here] % SHARD]
        if not pixels.any((1, 2)).all():  # black stands for unreadable: a shard was lost, and its images are gone too
            raise ValueError(
                f"Images of {self.source.place} can no longer be read: get it again, then delete {self.folder}."
            )
        return pixels


def pool(name: str, size: int) -> Pool:
    """The distinct images of a set; on first use all are read, resized and compared.

    Interrupted at any moment, the next call goes on with the first shard that is missing. Memory: that of `distinct`.

    name: as in `archives.find`.  size: side in pixels.
    Returns: Pool.  What cannot be read or is too small is skipped with one warning.
    Raises: as `archives.find`; ValueError when an image is not what it should be, or none is of use.
    """
    source = archives.find(name)
    if source.crop and size > source.crop:
        raise ValueError(f"{size} pixels wanted, but of {name} the central {source.crop} are used: lower the size.")
    state = [(os.path.abspath(p), (found := p.stat()).st_mtime_ns, found.st_size) for p in source.files]
    key = hashlib.sha256(repr((state, size, SHARD)).encode()).hexdigest()[:16]
    folder = cache.folder() / f"{name.partition(':')[0]}-{key}"
    (kept,) = cache.built([folder / "kept.npz"], lambda paths: cache.write(paths[0], _compare(source, folder, size)))
    return Pool(source, size, folder, kept)


def _compare(source: archives.Source, folder: Path, size: int) -> Bool[np.ndarray, " members"]:
    """Which members of a source are kept."""
    with source.open() as (names, _):
        numbers = np.arange(-(-len(names) // SHARD))
    reasons: dict[str, str] = {}
    shards = _shards(source, folder, size, numbers, reasons)
    readable = np.concatenate([shard.any((1, 2)) for shard in shards])
    if not readable.all():
        skipped = [f"{names[i]}: {reasons.get(names[i], 'could not be read')}" for i in np.flatnonzero(~readable)]
        shown = "; ".join(skipped[:10]) + (f"; and {len(skipped) - 10} more" if len(skipped) > 10 else "")
        warnings.warn(f"{len(skipped)} of {len(names)} files skipped: {shown}", stacklevel=2)
        if not readable.any():
            raise ValueError(f"None of the {len(names)} image files in {source.place} could be used: {skipped[0]}.")
    kept = np.zeros(len(names), bool)
    kept[distinct(chain(*shards))] = True
    return kept & readable


def _shards(
    source: archives.Source, folder: Path, size: int, numbers: Int[np.ndarray, " k"], reasons: dict[str, str]
) -> list[np.ndarray]:
    """Shards of a source, black where a member cannot be read; why is noted under its name when a shard is built."""

    def build(missing: list[Path]) -> None:
        with source.open() as (names, get), ThreadPoolExecutor(os.cpu_count()) as threads, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata; what it cannot read is told later
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            parts = {path: names[int(path.stem) * SHARD :][:SHARD] for path in missing}
            title = f"reading {source.place}, once, into {folder}"
            with tqdm(total=sum(map(len, parts.values())), desc=title, unit="image") as bar:
                for path, part in parts.items():
                    pixels = np.zeros((len(part), size, size), np.uint8)
                    for i, read in enumerate(threads.map(lambda name: _member(source, get, name, size), part)):
                        if isinstance(read, str):
                            reasons[part[i]] = read
                        else:
                            pixels[i] = read
                        bar.update()
                    cache.write(path, pixels)

    return cache.built([folder / f"{k:04d}.npy" for k in numbers], build)


def _member(source: archives.Source, get: Callable[[str], Path | io.BytesIO], name: str, size: int) -> np.ndarray | str:
    """Pixels, or why there are none."""
    try:
        file = get(name)
        if source.shape is None or (shape := _shape(file)) == source.shape:
            pixels = read_image(file, size, source.crop)
            return pixels if pixels.any() else "all its pixels are black"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as bomb:
        raise ValueError(
            f"{source.place / name} is too large to open safely ({bomb}): shrink it or take it away."
        ) from bomb
    except UnidentifiedImageError:
        return "not in a format that Pillow knows"
    except UNREADABLE as error:  # what Pillow's decoders and zipfile raise
        return str(error)
    w, h = source.shape
    raise ValueError(
        f"{name} in {source.place} is {shape[0]}x{shape[1]} pixels, but all should be {w}x{h}: this is another set."
    )


def _shape(file: Path | io.BytesIO) -> tuple[int, int]:
    with Image.open(file) as opened:
        return opened.size


def read_image(file: Path | io.BytesIO, size: int, crop: int | None = None) -> np.ndarray:
    """One image file as the paper prepares its photographs: centre crop, antialiased resize, mean of the colours.

    file: any format Pillow reads: grey, 16-bit, palette, RGB(A), CMYK; EXIF rotation is undone, alpha goes on white.
    size: side in pixels.  crop: side of the central square that is cut out and resized (default: the largest), pixels.
    Returns: (size, size) uint8, 0-255.
    Raises: OSError or ValueError when the file cannot be read or is smaller than size or crop.
    """
    with Image.open(file) as opened:
        image = ImageOps.exif_transpose(opened)
    w, h = image.size
    if min(w, h) < max(size, crop or 0):
        raise ValueError(f"{w}x{h} pixels, smaller than {max(size, crop or 0)}")
    if crop:  # cut out first, as the paper does: resizing a part of an image looks beyond the part's border
        left, top = (w - crop) // 2, (h - crop) // 2
        image, w, h = image.crop((left, top, left + crop, top + crop)), crop, crop
    side = min(w, h)
    box = ((w - side) / 2, (h - side) / 2, (w + side) / 2, (h + side) / 2)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip instead of scaling
        image = Image.fromarray(np.asarray(image, dtype=np.float32) / 65535 * 255)
    elif image.mode != "F":
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    small = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box), dtype=np.float32)
    if not np.isfinite(small).all():
        raise ValueError("its pixels are not all finite")
    return np.round(small if small.ndim == 2 else small.mean(-1)).clip(0, 255).astype(np.uint8)


def distinct(
    pixels: Iterable[UInt8[np.ndarray, "h w"]], threshold: float = 0.95, block: int = 1024
) -> Int[np.ndarray, " kept"]:
    """Which images are no near-duplicate of an earlier kept one, in blocks so that memory stays bounded.

    i is dropped when |centred correlation| with some kept j < i, both averaged down to 20x20, exceeds the threshold.

    pixels: n images, taken one by one.  threshold: on the absolute correlation.  block: rows compared at once.
    Returns: indices kept, ascending.  Memory: (400 + block) n floats.
    Source: the paper, Appendix A (there with a dense n x n matrix).
    """
    small = [np.asarray(Image.fromarray(image).resize((20, 20), Image.Resampling.BOX)) for image in pixels]
    features = np.stack(small).reshape(-1, 400).astype(np.float32)
    del small
    features -= features.mean(1, keepdims=True)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
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
    return np.array(indices)
