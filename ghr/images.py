"""Image sets by name: a name and a size enter, grey images (n, 1, size, size) in [0,1] leave.

`avatars` are cartoon faces; `photographs` are patches of real photographs; `folder:PATH` is any folder of images;
`celeba` and `lsun-bedroom` are the paper's sets, once downloaded; `discs`, `c_alpha-2` and others are those of
`synthetic.load`, not all in [0,1]; `avatars-shuffled` has all its pixels permuted, `avatars-shuffled-4` inside blocks
of side 4. A set is split as in the paper: half A is the first n images of the pool, half B the last n. Departure from
the paper: test images are held out from the middle of the pool, so that they belong to neither half (in the authors'
code the test images of A are training images of B).
"""

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ghr import archives, avatars, photographs, pools, synthetic


class Halves(NamedTuple):
    """Two disjoint training sets and test images that belong to neither."""

    a: Float[Tensor, "n 1 h w"]
    b: Float[Tensor, "n 1 h w"]
    held_out: Float[Tensor, "m 1 h w"]


def load(name: str, size: int, n: int | None = None) -> Float[Tensor, "n 1 h w"]:
    """The first n images of a set; built on first use, then read from the cache.

    name: "avatars", "photographs", "folder:PATH" for a folder of images (searched with its subfolders), "celeba",
    "lsun-bedroom", or a synthetic set; "-shuffled" or "-shuffled-BLOCK" behind any of them.
    size: side in pixels.  n: number of images (default: 62,000 avatars, 202,000 synthetic ones; all of the others).
    Returns: grey images in [0,1] (synthetic ones may leave it), float32.
    Raises: ValueError for an unknown name or too few images; ImportError when the extra `images` is missing;
    FileNotFoundError with what to get when a downloaded set is not there.
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
    elif archives.known(name):
        pixels = _pool(name, size, n)[:n]
    else:
        raise ValueError(
            f'Unknown image set "{name}": expected "avatars", "photographs", "celeba", "lsun-bedroom", '
            '"folder:PATH" or one like "discs".'
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
    if part := _part(name, size, pool):
        p, read = part
        return Halves(*(read(place) for place in _places(p, n, held_out)))
    if name != "photographs":
        return halves(_kept(name, size, pool), n, held_out)
    parts = photographs.patches(size)
    most = min(len(parts.a), len(parts.b))
    if not 1 <= n <= most:
        raise ValueError(f"n={n} photographs wanted in each half, but there are 1 to {most} at {size} pixels.")
    return Halves(_unit(parts.a[:n]), _unit(parts.b[:n]), _unit(parts.held_out[:held_out]))


def held_out(name: str, size: int, n: int, held_out: int = 2000, pool: int | None = None) -> Float[Tensor, "m 1 h w"]:
    """The test images of `split` alone: of sets that are read or drawn in parts, no half is.

    Arguments, errors: as in `split`.
    """
    if part := _part(name, size, pool):
        p, read = part
        return read(_places(p, n, held_out)[2])
    return split(name, size, n, held_out, pool).held_out


def _part(name: str, size: int, pool: int | None) -> tuple[int, Callable[[slice], Tensor]] | None:
    """Images in a pool, and how to get some of them without the others; None for sets that are loaded whole."""
    if synthetic.known(name):
        return pool or synthetic.POOL, lambda at: synthetic.load(name, size, at.stop - at.start, at.start)
    if archives.known(name):
        stored = _pool(name, size, pool)
        return pool or len(stored), lambda at: _unit(stored[at])
    return None


def _pool(name: str, size: int, n: int | None) -> pools.Pool:
    stored = pools.pool(name, size)
    if n is not None and len(stored) < n:
        raise ValueError(
            f"{n} images wanted, but {stored.source.place} gives {len(stored)} that are readable, at least {size} "
            f"pixels wide and no near-duplicates (of {len(stored.kept)} files): lower n or the size, or add images."
        )
    return stored


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
