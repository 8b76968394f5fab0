"""Grey patches of real photographs: a photograph is cut into regions, each region belongs to one half or to the test.

The photographs (`ghr/data`, grey WebP; who took them and under which licence: ghr/data/ATTRIBUTION.md) have a long side
of 1,200, 700 or 400 pixels and are used at each of these that they reach. A region is the square that makes one patch
at 400, four overlapping ones at 700 and nine at 1,200. All that is cut from a region, at any scale, stays on its side,
and regions are cut out before they are resized, so that halves and test images never share a pixel.

Patches are not independent: up to 14 come from one region. Intervals resample regions (`regions`). Regions of one
photograph resemble each other too, so test images are nearer to the training images than those of new photographs.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

LONG_SIDES = (400, 700, 1200)  #: pixels; the scales at which photographs are cut into patches
CONTRAST = 0.06  #: patches with a smaller standard deviation are dropped: sky, walls, blur (image units)
HELD_OUT = 0.1  #: share of the regions whose patches are test images
FOLDER = Path(__file__).parents[1] / "data"


class Patches(NamedTuple):
    """Patches that share no pixel with those of another part, 0-255."""

    a: UInt8[np.ndarray, "n size size"]  #: of half A
    b: UInt8[np.ndarray, "m size size"]  #: of half B
    held_out: UInt8[np.ndarray, "k size size"]  #: of the test


class Regions(NamedTuple):
    """Which region each patch was cut from, in the order of the patches."""

    a: Int[np.ndarray, " n"]  #: of half A
    b: Int[np.ndarray, " m"]  #: of half B
    held_out: Int[np.ndarray, " k"]  #: of the test


def patches(size: int) -> Patches:
    """All patches of both halves and of the test, each part in random order: its first n come from all photographs.

    Args:
        size: side of a patch in pixels.

    Returns:
        Patches; at 32 pixels 4,454, 4,511 and 1,009.

    Raises:
        ValueError: when a region would be larger than a photograph.

    Source: own choice; the paper's photographs (CelebA, LSUN) cannot be shipped.
    """
    return _parts(size)[0]


def regions(size: int) -> Regions:
    """The region of each patch of `patches`: patches of one region are resampled together (`ghr.stats.estimate`).

    Args:
        size: side of a patch in pixels.

    Returns:
        Regions.

    Raises:
        ValueError: when a region would be larger than a photograph.
    """
    return _parts(size)[1]


@functools.lru_cache(maxsize=2)
def _parts(size: int) -> tuple[Patches, Regions]:
    rng = np.random.default_rng(0)
    parts: list[list[np.ndarray]] = [[], [], []]
    labels: list[list[int]] = [[], [], []]
    for path in sorted(FOLDER.glob("*.webp")):
        with Image.open(path) as opened:
            photograph = opened.convert("L")
        scale = max(photograph.size) / LONG_SIDES[0]
        side = int(size * scale)  # of a region
        w, h = photograph.width // side, photograph.height // side
        if not w or not h:
            raise ValueError(f"Patches of {size} pixels are larger than {path.stem}: use a smaller size.")
        # the same shares of every photograph
        owners = np.searchsorted([(1 - HELD_OUT) / 2, 1 - HELD_OUT], (rng.permutation(w * h) + 0.5) / (w * h))
        for k, owner in enumerate(owners):
            x, y = k % w * side, k // w * side
            region = photograph.crop((x, y, x + side, y + side))
            kept = [patch for patch in _cut(region, size, scale) if patch.std() >= 255 * CONTRAST]
            parts[owner] += kept
            labels[owner] += len(kept) * [1 + labels[owner][-1] if labels[owner] else 0]
    if not all(parts):
        raise ValueError(f"Patches of {size} pixels are too large for two halves and a test: use a smaller size.")
    orders = [rng.permutation(len(part)) for part in parts]
    pixels = (np.stack([part[i] for i in order]) for part, order in zip(parts, orders, strict=True))
    found = Patches(*pixels), Regions(*(np.array(part)[order] for part, order in zip(labels, orders, strict=True)))
    for array in (*found[0], *found[1]):  # one array for all who ask
        array.flags.writeable = False
    return found


def _cut(region: Image.Image, size: int, scale: float) -> list[np.ndarray]:
    """Patches of a region at every scale that the photograph reaches: as few as cover it, evenly spaced."""
    found = []
    for long_side in LONG_SIDES:
        side = region.width * long_side / (scale * LONG_SIDES[0])
        if side <= region.width + 1e-6:
            resized = np.asarray(region.resize([round(side)] * 2, Image.Resampling.LANCZOS))
            places = np.linspace(0, len(resized) - size, -(-len(resized) // size)).astype(int)
            found += [resized[y : y + size, x : x + size] for y in places for x in places]
    return found
