"""Names of image sets: a name enters, what it names leaves, one way of writing it for each set, wherever it is used.

This is the registry: every kind of set, how many numbers its name takes, and where its images come from.
"""

import dataclasses
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ghr.files import cache

SHOWN = 60  #: bytes of a folder's name that the names of its files repeat; file systems take 255 in all


class Kind(NamedTuple):
    """What one kind of set is like."""

    #: "drawn" or "shipped" for exact pixels, decided by the name; "formula" likewise, up to rounding; "files" for
    #: whatever lies there.
    source: str
    #: Least and largest count of the numbers in a name.
    numbers: tuple[int, int] = (0, 0)


KINDS = {
    "avatars": Kind("drawn"),
    "photographs": Kind("shipped"),
    "celeba": Kind("files"),
    "lsun-bedroom": Kind("files"),
    "folder": Kind("files"),
    "c_alpha": Kind("formula", (1, 2)),
    "hoelder": Kind("formula", (1, 2)),
    "published": Kind("formula", (1, 2)),
    "fields": Kind("formula", (1, 1)),
    "discs": Kind("formula"),
    "ray": Kind("formula"),
    "sines": Kind("formula"),
}


COLOUR = "-colour"  #: behind the name of a set of files: red, green and blue are kept

# what a wrong name is told
EXPECTED = "expected {}, folder:PATH; -shuffled or -shuffled-4 may follow.".format(
    ", ".join(kind + "-2" * of.numbers[0] for kind, of in KINDS.items() if kind != "folder")
)


@dataclass(frozen=True)
class Name:
    """An image set by what its name says."""

    #: Key of KINDS.
    kind: str
    #: Of a set by formula, e.g. its regularity.
    numbers: tuple[float, ...] = ()
    #: Of a folder, absolute, without links.
    path: Path | None = None
    #: Whether red, green and blue are kept, of a set of files.
    colour: bool = False
    #: Whether one permutation moves all pixels of each image.
    shuffled: bool = False
    #: Side of the blocks inside which it moves them, pixels, None for the whole image.
    block: int | None = None

    @property
    def source(self) -> str:
        """Where the images come from, as `Kind.source`."""
        return KINDS[self.kind].source

    @property
    def base(self) -> "Name":
        """The set before its pixels were shuffled, in grey."""
        return Name(self.kind, self.numbers, self.path)

    @property
    def channels(self) -> int:
        """Of its images: 1, or 3 in colour."""
        return 3 if self.colour else 1

    @property
    def text(self) -> str:
        """The one way of writing this name: what is equal in it is the same set. `parse` reads it."""
        tail = COLOUR if self.colour else ""
        tail += "-shuffled" + (f"-{self.block}" if self.block else "") if self.shuffled else ""
        if self.path is not None:  # below the folder, lest a neighbour be called so
            return f"folder:{self.path}" + (f"{os.sep if self.path.name else ''}{tail}" if tail else "")
        return "-".join([self.kind, *(np.format_float_positional(number, trim="-") for number in self.numbers)]) + tail

    @property
    def words(self) -> str:
        """The name as part of a file's name: a folder's last part, what can be shown of it, and a hash of the whole."""
        if self.path is None:
            return self.text
        shown = "".join(c if c.isprintable() else "_" for c in self.path.name).encode()[:SHOWN].decode(errors="ignore")
        return f"{shown}-{hashlib.sha256(os.fsencode(self.text.removeprefix('folder:'))).hexdigest()[:6]}"


def spelled(text: str) -> str:
    """The name of a set that a person named by its name or, where a folder is there, by its path alone.

    Args:
        text: e.g. "avatars", "folder:PATH" or "PATH".

    Returns:
        Name, for `parse`.

    Raises:
        FileNotFoundError: for a path at which there is no folder.
    """
    if Path(text).expanduser().is_dir():
        if text.partition("-")[0] not in KINDS:
            return f"folder:{text}"
        cache.warn(f"{text} is the set of this name. The folder here that is called so is ./{text}")
    if os.sep in text and not text.startswith("folder:"):
        raise FileNotFoundError(f"There is no folder {text}.")
    return text


def coloured(name: str) -> str:
    """The name of a set whose colours are kept.

    Args:
        name: of a set of files, as `parse` reads it.

    Returns:
        Name, for `parse`.

    Raises:
        ValueError: for a set that has no colours.
    """
    named = parse(name)
    if named.source != "files":
        raise ValueError(f'"{name}" has no colours: folders do, and sets that were downloaded.')
    return dataclasses.replace(named, colour=True).text


def parse(name: str, size: int | None = None) -> Name:
    """What a name of an image set says.

    A folder is one set however it is spelled: relative, absolute, with ~, through a link. A path that is there is that
    path, even if it ends as `-shuffled` does; such a neighbour leaves `folder:PATH/-shuffled` for the shuffled images.

    Args:
        name: "avatars", "photographs", "celeba", "lsun-bedroom", "folder:PATH", or a set by formula, e.g. "discs" or
            "c_alpha-2"; "-shuffled" or "-shuffled-BLOCK" behind any of them, and before that "-colour" behind sets of
            files.
        size: side of the images in pixels, which blocks must tile (default: that is not asked).

    Returns:
        Name. Whether a folder is there is asked by those who read it.

    Raises:
        ValueError: what was expected, in one sentence.
    """
    found = _folder(name.removeprefix("folder:")) if name.startswith("folder:") else _named(name)
    if found.block == 0:
        raise ValueError(f'"{name}" wants blocks of side 0: give a side of at least 1, or none for the whole image.')
    if size and found.block and size % found.block:
        raise ValueError(
            f"Blocks of side {found.block} do not tile an image of {size}x{size}: give a divisor of both sides."
        )
    return found


def _folder(text: str) -> Name:
    if not text:
        raise ValueError('"folder:" names no folder: expected folder:PATH, where PATH holds image files.')
    there, colour, shuffled, block = os.path.expanduser(text), False, False, None
    if not os.path.lexists(there) and (match := _shuffled(there)):
        there, shuffled, block = match
    if not os.path.lexists(there) and there.endswith(COLOUR):
        there, colour = there.removesuffix(COLOUR), True
    return Name("folder", path=Path(os.path.realpath(there)), colour=colour, shuffled=shuffled, block=block)


def _named(name: str) -> Name:
    base, shuffled, block = _shuffled(name) or (name, False, None)
    plain = base.removesuffix(COLOUR)
    if colour := plain != base and plain in KINDS and KINDS[plain].source == "files":
        base = plain
    kind, *numbers = base.split("-") if base not in KINDS else [base]
    least, most = KINDS[kind].numbers if kind in KINDS and kind != "folder" else (1, 0)
    if not (least <= len(numbers) <= most and all(re.fullmatch(r"\d+(\.\d+)?", number) for number in numbers)):
        hint = f" It is a folder here: folder:{name} names it." if os.path.isdir(os.path.expanduser(name)) else ""
        raise ValueError(f'Unknown image set "{name}": {EXPECTED}{hint}')
    if not all(float(number) < 1000 for number in numbers):
        raise ValueError(f'"{name}" holds a number of at least 1000: expected regularities such as 0.5 or 2.')
    return Name(kind, tuple(map(float, numbers)), None, colour, shuffled, block)


def _shuffled(text: str) -> tuple[str, bool, int | None] | None:
    """What is shuffled, that it is, and the side of the blocks; None when nothing says so."""
    match = re.fullmatch(r"(.+?)-shuffled(?:-(\d+))?", text, re.DOTALL)
    return match and (match[1], True, int(match[2]) if match[2] else None)
