"""Image sets by name: a name and a size enter, images (n, 1, size, size) in [0,1] leave, grey unless told otherwise.

`avatars` are cartoon faces; `photographs` are patches of real photographs; `folder:PATH` is any folder of images;
`celeba` and `lsun-bedroom` are the paper's sets, once downloaded; `discs`, `c_alpha-2` and others are those of
`synthetic.load`, not all in [0,1]; `avatars-shuffled` has all its pixels permuted, `avatars-shuffled-4` inside blocks
of side 4; `folder:PATH-colour` keeps three colours. A set is split as in the paper: half A is the first n images of the
pool, half B the last n. Departure from the paper: test images are held out from the middle of the pool, so that they
belong to neither half (in the authors' code the test images of A are training images of B).
"""

import functools
import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ghr.images import avatars, names, photographs, pools, synthetic


class Halves(NamedTuple):
    """Two disjoint training sets and test images that belong to neither."""

    #: First n images of the pool.
    a: Float[Tensor, "n c h w"]
    #: Last n images of the pool.
    b: Float[Tensor, "n c h w"]
    #: From its middle.
    held_out: Float[Tensor, "m c h w"]


def load(name: str, size: int, n: int | None = None, distinct: bool = True) -> Float[Tensor, "n c h w"]:
    """The first n images of a set; built on first use, then read from the cache.

    Args:
        name: "avatars", "photographs", "folder:PATH" for a folder of images (searched with its subfolders), "celeba",
            "lsun-bedroom", or a synthetic set; "-shuffled" or "-shuffled-BLOCK" behind any of them, and before that
            "-colour" behind a set of files.
        size: side in pixels.
        n: number of images (default: 62,000 avatars, 202,000 synthetic ones; all of the others).
        distinct: whether near-duplicates are left out of a set of files: right for what a network learns from, wrong
            for samples, whose copies are to be counted.

    Returns:
        Images in [0,1] (synthetic ones may leave it), grey or in three colours, float32; changing them changes no later
        result.

    Raises:
        ValueError: for an unknown name or too few images.
        ImportError: when the extra `images` is missing.
        FileNotFoundError: with what to get when a downloaded set is not there.
    """
    if size < 1 or (n is not None and n < 1):
        raise ValueError(f"size and n must be at least 1, got size={size} and n={n}.")
    named = names.parse(name, size)
    if named.kind == "photographs":
        x = _unit(np.concatenate(photographs.patches(size))[:n])
    elif named.kind == "avatars":
        x = _unit(avatars.pool(size, n or avatars.POOL))
    else:
        count, read = _part(named, size, n, distinct)
        x = read(slice(0, count if n is None else n))
    if n is not None and len(x) < n:
        raise ValueError(f"{n} images wanted, but {name} has {len(x)} of {size} pixels: lower n or the size.")
    return _as_named(named, x)


def split(name: str, size: int, n: int, held_out: int = 2000, pool: int | None = None) -> Halves:
    """Both halves of a set, and its test images.

    Args:
        name: of an image set, any that `load` knows, e.g. "avatars" or "discs".
        size: side in pixels.
        n: images per half.
        held_out: test images wanted; fewer when the set has fewer.
        pool: images of the set that are used (default: all; photographs: always all).

    Returns:
        Halves(a, b, held_out), as in `load`. A half's photographs and the test's are patches of different regions.

    Raises:
        ValueError: when the set cannot give two disjoint halves and one test image; otherwise as `load`.
    """
    named = names.parse(name, size)
    if named.kind != "photographs":
        p, read = _part(named, size, pool)
        return Halves(*(_as_named(named, read(place)) for place in _places(p, n, held_out)))
    parts = photographs.patches(size)
    most = min(len(parts.a), len(parts.b))
    if not 1 <= n <= most:
        raise ValueError(f"n={n} photographs wanted in each half, but there are 1 to {most} at {size} pixels.")
    chosen = parts.a[:n], parts.b[:n], parts.held_out[:held_out]
    return Halves(*(_as_named(named, _unit(pixels)) for pixels in chosen))  # shuffling moves no pixel to another half


def held_out(name: str, size: int, n: int, held_out: int = 2000, pool: int | None = None) -> Float[Tensor, "m c h w"]:
    """The test images of `split` alone: of sets that are read or drawn in parts, no half is.

    Args:
        name: of an image set, any that `load` knows, e.g. "avatars" or "discs".
        size: side in pixels.
        n: images per half.
        held_out: test images wanted; fewer when the set has fewer.
        pool: images of the set that are used (default: all; photographs: always all).

    Returns:
        Test images, as in `load`.

    Raises:
        ValueError: as `split`.
    """
    return _one(2, name, size, n, held_out, pool)


def half(
    name: str, size: int, n: int, which: str, held_out: int = 2000, pool: int | None = None
) -> Float[Tensor, "n c h w"]:
    """One half of `split` alone: of sets that are read or drawn in parts, neither the other is, nor test images.

    Args:
        name: of an image set, any that `load` knows, e.g. "avatars" or "discs".
        size: side in pixels.
        n: images per half.
        which: "A" or "B".
        held_out: test images wanted; fewer when the set has fewer.
        pool: images of the set that are used (default: all; photographs: always all).

    Returns:
        Training images, as in `load`.

    Raises:
        ValueError: as `split`, or for another half.
    """
    if which not in ("A", "B"):
        raise ValueError(f'A set has the halves "A" and "B", not "{which}".')
    return _one("AB".index(which), name, size, n, held_out, pool)


def _one(k: int, name: str, size: int, n: int, held_out: int, pool: int | None) -> Float[Tensor, "m c h w"]:
    """Part k of `split`."""
    named = names.parse(name, size)
    if named.kind == "photographs":
        return split(name, size, n, held_out, pool)[k]
    p, read = _part(named, size, pool)
    return _as_named(named, read(_places(p, n, held_out)[k]))


def count(name: str, size: int) -> int:
    """How many images a set has.

    Args:
        name: of an image set, any that `load` knows, e.g. "avatars" or "discs".
        size: side in pixels.

    Returns:
        Number; of formulas, the usual one.

    Raises:
        ValueError: as `load`.
    """
    named = names.parse(name, size)
    return sum(map(len, photographs.patches(size))) if named.kind == "photographs" else _part(named, size, None)[0]


def most(name: str, size: int, held_out: int) -> int:
    """The largest n that `split` can give beside so many test images.

    Args:
        name: of an image set, any that `load` knows, e.g. "avatars" or "discs".
        size: side in pixels.
        held_out: test images.

    Returns:
        Images per half; 0 for a set of too few.

    Raises:
        ValueError: as `load`.
    """
    if names.parse(name, size).kind == "photographs":
        return min(map(len, photographs.patches(size)[:2]))
    return max(0, (count(name, size) - held_out) // 2)


def account(name: str, size: int, distinct: bool = True) -> str | None:
    """What was found, used and passed over in a set of files, each with its reason, in one line.

    Args:
        name: of an image set, any that `load` knows, e.g. "avatars" or "discs".
        size: side in pixels.
        distinct: whether near-duplicates are left out.

    Returns:
        One line, or None for a set that does not lie on the disk.

    Raises:
        ValueError: as `load`.
    """
    named = names.parse(name, size)
    return pools.pool(named.base.text, size, distinct, named.colour).account if named.source == "files" else None


def files(name: str, size: int, distinct: bool = True) -> list[str]:
    """Which file each image of a set of files comes from, in the order of `load`.

    Args:
        name: of an image set, any that `load` knows, e.g. "avatars" or "discs".
        size: side in pixels.
        distinct: whether near-duplicates are left out.

    Returns:
        Names below the folder, or in the archive.

    Raises:
        ValueError: for a set that does not lie on the disk; otherwise as `load`.
    """
    named = names.parse(name, size)
    return pools.pool(named.base.text, size, distinct, named.colour).files()


def digest(x: Float[Tensor, "n c h w"]) -> str:
    """Checksum of images: two sets with one digest are the same pixels in the same order.

    Args:
        x: images.

    Returns:
        64 hexadecimal digits.
    """
    total = hashlib.sha256(repr(tuple(x.shape)).encode())
    total.update(x.detach().cpu().float().contiguous().numpy().data)
    return total.hexdigest()


def _as_named(named: names.Name, x: Tensor) -> Tensor:
    return synthetic.shuffle(x, named.block) if named.shuffled else x


def _unit(pixels: UInt8[np.ndarray, "n h w *channels"]) -> Tensor:
    """Images of their own, whatever cache the pixels belong to."""
    x = torch.from_numpy(pixels.astype(np.float32)).div_(255)
    return x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2).contiguous()


def _part(
    named: names.Name, size: int, n: int | None, distinct: bool = True
) -> tuple[int, Callable[[slice], Float[Tensor, "k c h w"]]]:
    """Images in a pool, and how to get some of them without the others."""
    if named.source == "formula":
        name = named.base.text
        return n or synthetic.POOL, lambda at: synthetic.load(name, size, at.stop - at.start, at.start)
    if named.kind == "avatars":
        pixels = _avatars(size, n or avatars.POOL)
        return len(pixels), lambda at: _unit(pixels[at])
    stored = pools.pool(named.base.text, size, distinct, named.colour)
    if n is not None and len(stored) < n:
        raise ValueError(f"{n} images wanted: lower n or the size, or add images. {stored.account}")
    return n or len(stored), lambda at: _unit(stored[at])


_avatars = functools.lru_cache(maxsize=2)(avatars.pool)  # the halves of every n are parts of one pool


def halves(pool: Float[Tensor, "p c h w"], n: int, held_out: int = 2000) -> Halves:
    """Split a pool: A = its first n images, B = its last n, and test images from its middle.

    The test images are the same for every n as long as 2 n + held_out <= p; a smaller pool leaves fewer of them.

    Args:
        pool: images.
        n: images per half.
        held_out: test images wanted.

    Returns:
        Halves(a, b, held_out), views of the pool.

    Raises:
        ValueError: when the pool cannot give two disjoint halves and one test image.
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
