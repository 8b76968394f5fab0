"""Where image sets lie on the disk: a name enters, the names of its images leave, in order, and how to get each.

`folder:PATH` is any folder of images; `celeba` and `lsun-bedroom`, the paper's sets, are looked for in `$GHR_DATA`
(default: `data` in the cache folder). Nothing is unpacked: images are read by their names from the folder, zip or LMDB.
Departure from the paper: of the three million bedrooms only the first 202,000 are looked at.
"""

import collections
import hashlib
import io
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ghr.files import cache
from ghr.images import decoding, names

BEDROOMS = 202_000  #: of LSUN: two halves of 100,000 and 2,000 held out; comparing all would take days

Opened = tuple[list[str], Callable[[str], Path | io.BytesIO]]


class Source(NamedTuple):
    """Where a set lies."""

    #: As messages call it.
    place: Path
    #: What decides its pixels; the cache is built again when one changes.
    files: list[Path]
    #: Names of the members in order, and how to get one.
    open: Callable[[], AbstractContextManager[Opened]]
    #: Width and height that all have, pixels; None where they are of any kind.
    shape: tuple[int, int] | None = None
    #: Side of the central square that is used, None for the largest.
    crop: int | None = None
    #: Whether the members are files of any kind, of which little is known.
    mixed: bool = False
    #: How many files were found that are no image files.
    others: int = 0
    #: What these are, and sub-folders, each with its reason.
    passed: tuple[str, ...] = ()


def find(name: str) -> Source:
    """Where a set lies.

    Args:
        name: "folder:PATH", with its subfolders, in the order of a hash of each file's name below PATH (half A of a
            folder sorted by subject must not differ from B in subject; a file that is added moves no other);
            "celeba", in the order of its partition file; "lsun-bedroom", as a folder, or in the order of the keys
            (hashes) of its LMDB.

    Returns:
        Source. To open it raises ValueError when it is not whole, ImportError when the extra `lsun` is missing.

    Raises:
        FileNotFoundError: with what to get when a set is not there.
        ValueError: when it is not whole, or another set.
    """
    named = names.parse(name)
    if named.source != "files":
        raise ValueError(f'"{name}" lies on no disk: expected "celeba", "lsun-bedroom" or "folder:PATH".')
    if named.path is not None:
        return _folder(named.path)
    return _celeba() if named.kind == "celeba" else _bedrooms()


def here(name: str) -> bool:
    """Whether a set lies on this machine's disk.

    Args:
        name: of any set.

    Returns:
        False for sets that are drawn or shipped, and where something is missing.
    """
    try:
        return bool(find(name))
    except (FileNotFoundError, ValueError):
        return False


def data_folder() -> Path:
    """Where the sets lie that are downloaded by hand: $GHR_DATA, or `data` in the cache folder.

    Returns:
        The folder, whether it is there or not.
    """
    return Path(os.path.expanduser(os.environ.get("GHR_DATA") or cache.folder() / "data"))


def _folder(folder: Path) -> Source:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "is not there"
        raise ValueError(f"There is no folder {folder} (it {what}): give folder:PATH, where PATH holds image files.")
    files, reasons = [], collections.defaultdict(list)
    for path, reason in _walk(folder):
        if reason:
            reasons[reason].append(path.suffix.lower() if reason == "of other kinds" else str(path.relative_to(folder)))
        else:
            files.append(path)
    if not files:
        raise ValueError(f"The folder {folder} holds no image files ({', '.join(sorted(decoding.SUFFIXES))}).")
    files.sort(key=lambda path: hashlib.sha256(os.fsencode(path.relative_to(folder).as_posix())).digest())
    members = [str(path.relative_to(folder)) for path in files]
    return Source(
        folder,
        files,
        lambda: nullcontext((members, folder.joinpath)),
        mixed=True,
        others=sum(len(these) for reason, these in reasons.items() if not reason.startswith("sub-folders")),
        passed=tuple(f"{len(these)} {reason} ({_few(sorted(set(these)))})" for reason, these in reasons.items()),
    )


def _few(words: list[str], most: int = 5) -> str:
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def _walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """All that lies in a folder and its sub-folders, and why it is passed over ("" when it may be an image)."""
    closed: list[OSError] = []
    for top, below, found in os.walk(folder, onerror=closed.append):
        linked = [name for name in below if os.path.islink(os.path.join(top, name))]
        yield from ((Path(top, name), "sub-folders that are links") for name in linked)
        if "__MACOSX" in below:
            below.remove("__MACOSX")
            yield Path(top, "__MACOSX"), "sub-folders of macOS"
        for name in found:
            path = Path(top, name)
            if name.startswith("._") or name == ".DS_Store":
                yield path, "leftovers of macOS"
            elif path.suffix.lower() not in decoding.SUFFIXES and (path.suffix or name.startswith(".")):
                yield path, "of other kinds"
            else:
                yield path, "" if path.is_file() else "links to nothing, pipes or devices"
    yield from ((Path(error.filename), "sub-folders that cannot be read") for error in closed)


def _celeba() -> Source:
    """The partition file is what tells that the set is whole: it names the images that must be there, in their order.

    Its partitions (training, validation, test) are not used: as in the paper, halves are made of all images.
    """
    folder = data_folder() / "celeba" / "img_align_celeba"
    archive, partition = folder.with_suffix(".zip"), folder.with_name("list_eval_partition.txt")
    place = archive if archive.is_file() else folder
    for path in (place, partition):
        if not path.exists():
            raise FileNotFoundError(
                f"There is no {path}: get img_align_celeba.zip and list_eval_partition.txt from "
                f"https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html and put both into {folder.parent}."
            )
    lines = partition.read_text("utf8", errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if not re.fullmatch(r"\w+\.jpg [012]", line.strip()):
            raise ValueError(f'Line {number} of {partition} is "{line[:40]}", not like "000001.jpg 0": get it again.')
    listed = [line.split()[0] for line in lines]

    def check(found: Iterable[str]) -> None:
        missing, extra = sorted(set(listed).difference(found)), sorted(set(found).difference(listed))
        if missing:
            raise ValueError(f"{place} lacks {len(missing)} of {len(listed)} images, first {missing[0]}: get it again.")
        if extra or not listed or len(set(listed)) < len(listed):
            what = f"lacks {len(extra)} images of {place}, first {extra[0]}" if extra else "is empty or repeats a name"
            raise ValueError(f"{partition} {what}: get it again.")

    @contextmanager
    def opened() -> Iterator[Opened]:
        try:
            images = zipfile.ZipFile(archive)
        except (zipfile.BadZipFile, ValueError) as error:
            raise ValueError(f"{archive} is cut short or no zip file ({error}): get it again.") from error
        with images:
            jpegs = (m for m in images.namelist() if m.endswith(".jpg") and not m.startswith("__MACOSX/"))
            members = {PurePosixPath(member).name: member for member in jpegs}
            check(members)
            yield listed, lambda name: io.BytesIO(images.read(members[name]))

    if place == archive:
        return Source(archive, [archive, partition], opened, (178, 218), 160)
    check([path.name for path in folder.glob("*.jpg")])
    files = [partition, *(folder / name for name in listed)]
    return Source(folder, files, lambda: nullcontext((listed, folder.joinpath)), (178, 218), 160)


def _bedrooms() -> Source:
    folder = data_folder() / "lsun-bedroom"
    data = folder / "bedroom_train_lmdb" / "data.mdb"

    @contextmanager
    def opened() -> Iterator[Opened]:
        try:
            import lmdb
        except ImportError as error:
            raise ImportError(f"Reading {data.parent} needs {error.name}: pip install -e '.[lsun]'.") from error
        try:
            with lmdb.open(str(data.parent), readonly=True, lock=False, readahead=False) as database:
                # beyond the end of a file that was cut short lies a bus error
                if data.stat().st_size < (database.info()["last_pgno"] + 1) * database.stat()["psize"]:
                    raise lmdb.Error("it is cut short")

                def get(name: str) -> io.BytesIO:
                    with database.begin() as transaction:
                        return io.BytesIO(transaction.get(name.encode("latin1")))

                with database.begin() as transaction:
                    stored = islice(transaction.cursor().iternext(values=False), BEDROOMS)
                    keys = [key.decode("latin1") for key in stored]
                if not keys:
                    raise lmdb.Error("it is empty")
                yield keys, get
        except lmdb.Error as error:
            raise ValueError(f"{data} cannot be read ({error}): get it again.") from error

    if data.is_file():
        return Source(data.parent, [data], opened)
    try:
        source = _folder(folder)
    except ValueError as error:
        raise FileNotFoundError(
            f"There is neither {data} nor any image in {folder}: get the bedrooms from https://www.yf.io/p/lsun and "
            "put bedroom_train_lmdb (unpacked), or a folder of its images, there."
        ) from error
    members = [str(path.relative_to(folder)) for path in source.files[:BEDROOMS]]
    return source._replace(files=source.files[:BEDROOMS], open=lambda: nullcontext((members, folder.joinpath)))
