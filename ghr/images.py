"""Image sets by name: a name and a size enter, grey images (n, 1, size, size) in [0,1] leave.

`avatars` are cartoon faces; `photographs` are patches of real photographs; `folder:PATH` is any folder of images;
`discs`, `c_alpha-2` and others are those of `synthetic.load`, not all in [0,1]; `avatars-shuffled` has all its pixels
permuted, `avatars-shuffled-4` inside blocks of side 4. A set is split as in the paper: half A is the first n images of
the pool, half B the last n. Departure from the paper: test images are held out from the middle of the pool, so that
they belong to neither half (in the authors' code the test images of A are training images of B).
"""

import functools
import hashlib
import os
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from filelock import FileLock
from jaxtyping import Float
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from tqdm.auto import tqdm

from ghr import avatars, cache, photographs, synthetic

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}


class Halves(NamedTuple):
    """Two disjoint training sets and test images that belong to neither."""

    a: Float[Tensor, "n 1 h w"]
    b: Float[Tensor, "n 1 h w"]
    held_out: Float[Tensor, "m 1 h w"]


def load(name: str, size: int, n: int | None = None) -> Float[Tensor, "n 1 h w"]:
    """The first n images of a set; built on first use, then read from the cache.

    name: "avatars", "photographs", "folder:PATH" for a folder of images (searched with its subfolders), or a synthetic
    set; "-shuffled" or "-shuffled-BLOCK" behind any of them.
    size: side in pixels.  n: number of images (default: 62,000 avatars, 202,000 synthetic ones; all of the others).
    Returns: grey images in [0,1] (synthetic ones may leave it), float32.
    Raises: ValueError for an unknown name or too few images; ImportError when the extra `images` is missing.
    """
    if size < 1 or (n is not None and n < 1):
        raise ValueError(f"size and n must be at least 1, got size={size} and n={n}.")
    base, shuffled, block = _shuffled(name)
    if shuffled:
        return synthetic.shuffle(load(base, size, n), block)
    if synthetic.known(name):
        return synthetic.load(name, size, n or synthetic.POOL)
    if name == "avatars":
        pixels = avatars.pool(size, n or avatars.POOL)
    elif name == "photographs":
        pixels = np.concatenate(photographs.patches(size))[:n]
    elif name.startswith("folder:"):
        pixels = _folder_pool(Path(name.removeprefix("folder:")).expanduser(), size, n)
    else:
        raise ValueError(
            f'Unknown image set "{name}": expected "avatars", "photographs", "folder:PATH" or one like "discs".'
        )
    if n is not None and len(pixels) < n:
        raise ValueError(f"{n} images wanted, but {name} has {len(pixels)} of {size} pixels: lower n or the size.")
    return _unit(pixels)


def _shuffled(name: str) -> tuple[str, bool, int | None]:
    """Name of the set whose pixels are shuffled, whether they are, and the side of the blocks."""
    match = re.fullmatch(r"(.+?)-shuffled(?:-(\d+))?", name)
    return (match[1], True, int(match[2]) if match[2] else None) if match else (name, False, None)


def _unit(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).float().div_(255).unsqueeze(1)


def split(name: str, size: int, n: int, held_out: int = 2000, pool: int | None = None) -> Halves:
    """Both halves of a set, and its test images.

    name, size: as in `load`.  n: images per half.  held_out: test images wanted; fewer when the set has fewer.
    pool: images of the set that are used (default: all; photographs: always all).
    Returns: Halves(a, b, held_out). Photographs: a half's patches and the test's come from different regions.
    Raises: ValueError when the set cannot give two disjoint halves and one test image.
    """
    base, shuffled, block = _shuffled(name)
    if shuffled:  # a permutation moves no pixel from one half to the other
        return Halves(*(synthetic.shuffle(part, block) for part in split(base, size, n, held_out, pool)))
    if synthetic.known(name):  # drawn where they are wanted, not the whole pool
        places = _places(pool or synthetic.POOL, n, held_out)
        return Halves(*(synthetic.load(name, size, place.stop - place.start, place.start) for place in places))
    if name != "photographs":
        return halves(_kept(name, size, pool), n, held_out)
    parts = photographs.patches(size)
    most = min(len(parts.a), len(parts.b))
    if not 1 <= n <= most:
        raise ValueError(f"n={n} photographs wanted in each half, but there are 1 to {most} at {size} pixels.")
    return Halves(_unit(parts.a[:n]), _unit(parts.b[:n]), _unit(parts.held_out[:held_out]))


def held_out(name: str, size: int, n: int, held_out: int = 2000, pool: int | None = None) -> Float[Tensor, "m 1 h w"]:
    """The test images of `split` alone: of synthetic sets no half is drawn.

    Arguments, errors: as in `split`.
    """
    if not synthetic.known(name):
        return split(name, size, n, held_out, pool).held_out
    place = _places(pool or synthetic.POOL, n, held_out)[2]
    return synthetic.load(name, size, place.stop - place.start, place.start)


_kept = functools.lru_cache(maxsize=2)(load)  # the halves of every n are views of one pool


def halves(pool: Float[Tensor, "p 1 h w"], n: int, held_out: int = 2000) -> Halves:
    """Split a pool: A = its first n images, B = its last n, and test images from its middle.

    The test images are the same for every n as long as 2 n + held_out <= p; a smaller pool leaves fewer of them.

    pool: images.  n: images per half.  held_out: test images wanted.
    Returns: Halves(a, b, held_out), views of the pool.
    Raises: ValueError when the pool cannot give two disjoint halves and one test image.
    """
    return Halves(*(pool[place] for place in _places(len(pool), n, held_out)))


def _places(p: int, n: int, held_out: int) -> tuple[slice, slice, slice]:
    """Where A, B and the test images are in a pool of p."""
    if n < 1 or 2 * n >= p:
        raise ValueError(
            f"Two disjoint halves of n={n} images and at least one test image need {2 * n + 1} images, but the pool "
            f"has {p}: lower n or add images."
        )
    held_out = min(held_out, p - 2 * n)
    middle = (p - held_out) // 2
    return slice(0, n), slice(p - n, p), slice(middle, middle + held_out)


# Folders ----------------------------------------------------------------------------------------------------------


def read_image(path: Path, size: int) -> np.ndarray:
    """One image file as the paper prepares its photographs: centre crop, antialiased resize, mean of the colours.

    path: any format Pillow reads: grey, 16-bit, palette, RGB(A), CMYK; EXIF rotation is undone, alpha goes on white.
    size: side in pixels.
    Returns: (size, size) uint8, 0-255.
    Raises: OSError or ValueError when the file cannot be read or is smaller than size.
    """
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
    w, h = image.size
    side = min(w, h)
    if side < size:
        raise ValueError(f"{w}x{h} pixels, smaller than {size}")
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


def _folder_pool(folder: Path, size: int, n: int | None) -> np.ndarray:
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}: give folder:PATH, where PATH holds image files.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise ValueError(f"The folder {folder} holds no image files ({', '.join(sorted(SUFFIXES))}).")
    files = [files[i] for i in np.random.default_rng(0).permutation(len(files))]  # halves of equal distribution

    state = [(str(path.resolve()), path.stat().st_mtime_ns, path.stat().st_size) for path in files]
    key = hashlib.sha256(repr((state, size)).encode()).hexdigest()[:16]
    cached = cache.folder() / f"folder-{key}.npz"
    pixels = cache.read(cached)
    if pixels is None:
        pixels = _read_folder(folder, files, size)
        pixels = pixels[distinct(pixels)]
        with FileLock(cache.writable(cached.parent) / f"{cached.name}.lock"):
            cache.write(cached, pixels)
    if n is not None and len(pixels) < n:
        raise ValueError(
            f"{n} images wanted, but {folder} gives {len(pixels)} that are readable, at least {size} pixels wide and "
            f"no near-duplicates (of {len(files)} files): lower n or the size, or add images."
        )
    return pixels[:n]


def _read_folder(folder: Path, files: list[Path], size: int) -> np.ndarray:
    def read(path):
        try:
            return read_image(path, size)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as bomb:
            raise ValueError(f"{path} is too large to open safely ({bomb}): shrink it or take it away.") from bomb
        except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:  # what Pillow's decoders raise
            return f"{path.relative_to(folder)}: {error}"

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata; what it cannot read is told below
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        results = list(tqdm(pool.map(read, files), total=len(files), desc=f"reading {folder}", unit="image"))
    skipped = [r for r in results if isinstance(r, str)]
    images = [r for r in results if not isinstance(r, str)]
    if skipped:
        shown = "; ".join(skipped[:10]) + (f"; and {len(skipped) - 10} more" if len(skipped) > 10 else "")
        warnings.warn(f"{len(skipped)} of {len(files)} files skipped: {shown}", stacklevel=2)
    if not images:
        raise ValueError(f"None of the {len(files)} image files in {folder} could be used: {skipped[0]}.")
    return np.stack(images)


def distinct(pixels: np.ndarray, threshold: float = 0.95, block: int = 1024) -> np.ndarray:
    """Which images are no near-duplicate of an earlier kept one, in blocks so that memory stays bounded.

    i is dropped when |centred correlation| with some kept j < i, both averaged down to 20x20, exceeds the threshold.

    pixels: (n, h, w).  threshold: on the absolute correlation.  block: rows compared at once.
    Returns: indices kept, ascending.  Memory: (400 + block) n floats.
    Source: the paper, Appendix A (there with a dense n x n matrix).
    """
    small = [Image.fromarray(image).resize((20, 20), Image.Resampling.BOX) for image in pixels]
    features = np.stack([np.asarray(image, dtype=np.float32).ravel() for image in small])
    features -= features.mean(1, keepdims=True)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
    kept = np.empty_like(features)
    indices: list[int] = []
    for start in range(0, len(features), block):
        rows = features[start : start + block]
        new = len(indices)
        old = (np.abs(rows @ kept[:new].T) > threshold).any(1)
        within = np.abs(rows @ rows.T) > threshold
        for i in np.flatnonzero(~old):
            if not within[i, np.array(indices[new:], dtype=int) - start].any():
                indices.append(start + int(i))
        kept[new : len(indices)] = features[indices[new:]]
    return np.array(indices)
