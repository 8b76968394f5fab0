"""Decoding: one image file of any kind enters, small grey pixels leave, or coloured ones.

Values wider than 8 bits (scientific TIFF, 16-bit PNG) say nothing about what is white: their range is a property of the
whole set, measured before the first file is converted, never that of one file.
"""

import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageFile

SUFFIXES = {
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".avif", ".avifs", ".heic", ".heif", ".jp2", ".j2k", ".j2c", ".jpc"),
    *(".jpf", ".jpx", ".tga", ".qoi"),
}
UNTRIED = {"EPS", "WMF"}  #: Pillow hands them to other programs
RANGES = {
    "16-bit": (0.0, 65535.0),
    "32-bit": (0.0, 65535.0),
    "float": (0.0, 255.0),
}  # of files about which no more is said
BROKEN = 10_000  #: pixels that a header claims for each byte of the file: a picture has fewer
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
TURNS = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Look(NamedTuple):
    """What must be known of each file before a set is read."""

    #: "16-bit", "32-bit" or "float" when its values are wider than 8 bits, else "".
    kind: str = ""
    #: Least of these values, as stored.
    low: float = np.inf
    #: Largest of them.
    high: float = -np.inf
    #: Pages or frames.
    frames: int = 1
    #: What Pillow says when the file is too large to open safely, else "".
    bomb: str = ""


def look(file: Path, size: int) -> Look:
    """What one file is like; only wide values are decoded.

    Args:
        file: any file.
        size: side in pixels; what is smaller is not used, so that its values say nothing about the set.

    Returns:
        Look; of a file that cannot be read, the one of an ordinary file.
    """
    try:
        with _opened(file) as opened:
            frames = getattr(opened, "n_frames", 1)
            if _kind(opened) and min(opened.size) >= size:
                values = _values(opened)
                if np.isfinite(values).all():
                    return Look(_kind(opened), float(values.min()), float(values.max()), frames)
            return Look(frames=frames)
    except BOMBS as error:
        claimed = re.search(r"\((\d+) pixels\)", str(error))
        broken = claimed and int(claimed[1]) > BROKEN * file.stat().st_size
        return Look(bomb="" if broken else str(error))
    except MemoryError:
        raise
    except Exception:  # what decoders raise at garbage is in no list; it is told, by name, when the file is read
        return Look()


def value_range(kind: str, low: float, high: float) -> tuple[float, float]:
    """Which values are black and white in a set: the narrowest usual range that holds them.

    Integers: 8, 10, 12, 14 or 16 bits; floats: [0,1], [-1,1] or [0,255]. Where the set uses less than a twentieth of
    it, or none holds them: from its least to its largest value.

    Args:
        kind: as `Look.kind`.
        low: least value of all files.
        high: largest value of all files.

    Returns:
        Values of black and white.
    """
    usual = [(0, 1), (-1, 1), (0, 255)] if kind == "float" else [(0, 2**bits - 1) for bits in (8, 10, 12, 14, 16)]
    for black, white in usual:
        if black <= low and high <= white and (high - low >= (white - black) / 20 or high == low):
            return float(black), float(white)
    return (low, high) if high > low else RANGES[kind]


def read_image(
    file: Path | io.BytesIO,
    size: int,
    crop: int | None = None,
    ranges: dict[str, tuple[float, float]] = RANGES,
    colour: bool = False,
) -> UInt8[np.ndarray, "size size *channels"]:
    """One image file as the paper prepares its photographs: centre crop, antialiased resize, mean of the colours.

    EXIF rotation is undone, alpha goes on white, of several pages or frames the first is used.

    Args:
        file: any format Pillow reads: grey, 16-bit, float, palette, RGB(A), CMYK.
        size: side in pixels.
        crop: side of the central square that is cut out and resized, pixels (default: the largest).
        ranges: values of black and white for each kind of wide values, those of the set.
        colour: whether red, green and blue are kept, on a last axis, instead of their mean.

    Returns:
        Values, 0-255.

    Raises:
        Exception: whatever a decoder raises when the file cannot be read.
        ValueError: when it is smaller than size or crop, or shows nothing.
    """
    with _opened(file) as opened:
        w, h = opened.size
        if min(w, h) < max(size, crop or 0):
            raise ValueError(f"{w}x{h} pixels, smaller than {max(size, crop or 0)}")
        if kind := _kind(opened):
            image = Image.fromarray(_scaled(opened, *ranges.get(kind, RANGES[kind])))
        elif opened.mode == "L" and _tag(opened, 339) == 2:
            raise ValueError("signed 8-bit values, which Pillow reads as if they had no sign")
        else:
            opened.load()
            image = opened.copy()
        image = _turned(image, opened)
    w, h = image.size
    if crop:  # cut out first, as the paper does: resizing a part of an image looks beyond the part's border
        left, top = (w - crop) // 2, (h - crop) // 2
        image, w, h = image.crop((left, top, left + crop, top + crop)), crop, crop
    side = min(w, h)
    box = ((w - side) / 2, (h - side) / 2, (w + side) / 2, (h + side) / 2)
    if image.mode != "F":
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    small = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box), dtype=np.float32)
    if not np.isfinite(small).all():
        raise ValueError("its pixels are not all finite")
    if colour:
        small = small if small.ndim == 3 else np.repeat(small[..., None], 3, -1)
    else:
        small = small if small.ndim == 2 else small.mean(-1)
    values = np.round(small).clip(0, 255).astype(np.uint8)
    if not values.any():
        raise ValueError(
            "its pixels are darker than half a grey value of 255" if small.any() else "all its pixels are black"
        )
    return values


def _opened(file: Path | io.BytesIO) -> ImageFile.ImageFile:
    """An image file, opened; one without a suffix must be known by its first bytes."""
    Image.init()
    sure = isinstance(file, Path) and not file.suffix
    return Image.open(file, formats=[f for f in Image.ID if f not in UNTRIED and (Image.OPEN[f][1] or not sure)])


def _kind(opened: ImageFile.ImageFile) -> str:
    return "16-bit" if opened.mode.startswith("I;16") else {"I": "32-bit", "F": "float"}.get(opened.mode, "")


def _tag(opened: ImageFile.ImageFile, number: int) -> int | None:
    """A tag of a TIFF file, of its first channel."""
    value = getattr(opened, "tag_v2", {}).get(number)
    return value[0] if isinstance(value, tuple) and value else value


def _values(opened: ImageFile.ImageFile) -> np.ndarray:
    """Wide values, as stored."""
    values = np.asarray(opened)
    unsigned = opened.mode == "I" and _tag(opened, 258) == 32 and _tag(opened, 339) in (None, 1)
    return values.view(np.uint32) if unsigned else values  # Pillow knows no unsigned 32 bits


def _scaled(opened: ImageFile.ImageFile, black: float, white: float) -> Float[np.ndarray, "h w"]:
    """Wide values as grey values, 0-255."""
    share = (_values(opened).astype(np.float32) - np.float32(black)) / np.float32(white - black)
    return 255 * (1 - share if _tag(opened, 262) == 0 else share)  # PhotometricInterpretation: white is zero


def _turned(image: Image.Image, opened: ImageFile.ImageFile) -> Image.Image:
    """The image as its EXIF entry says it is to be seen; nothing is written back, as other entries may be odd."""
    try:
        orientation = opened.getexif().get(0x0112)
    except Exception:  # what its parsers raise at garbage is in no list; the picture is used as it lies
        orientation = None
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image
