"""Where image sets lie on the disk: a name enters, the names of its images leave, in order, and how to get each.

`folder:PATH` is any folder of images; `celeba` and `lsun-bedroom`, the paper's sets, are looked for in `$GHR_DATA`
(default: `data` in the cache folder). Nothing is unpacked: images are read by their names from the folder, zip or LMDB.
Departure from the paper: of the three million bedrooms only the first 202,000 are looked at.
"""

import io
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from ghr import cache

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
BEDROOMS = 202_000  # of LSUN: two halves of 100,000 and 2,000 held out; comparing all would take days

Opened = tuple[list[str], Callable[[str], Path | io.BytesIO]]


class Source(NamedTuple):
    """Where a set lies."""

    place: Path  # as messages call it
    files: list[Path]  # what decides its pixels: the cache is built again when one changes
    open: Callable[[], AbstractContextManager[Opened]]  # names of the members in order, and how to get one
    shape: tuple[int, int] | None = None  # width and height that all have, pixels
    crop: int | None = None  # side of the central square that is used (None: the largest)


def known(name: str) -> bool:
    """Whether `find` understands a name."""
    return name in {"celeba", "lsun-bedroom"} or name.startswith("folder:")


def find(name: str) -> Source:
    """Where a set lies.

    name: "folder:PATH", with its subfolders, in an order that is random but decided by the file names (half A of a
    folder sorted by subject must not differ from B in subject); "celeba", in the order of its partition file;
    "lsun-bedroom", as a folder, or in the order of the keys (hashes) of its LMDB.
    Returns: Source.
    Raises: FileNotFoundError with what to get when a set is not there; ValueError when it is not whole. When it is
    opened: ValueError when it is not whole; ImportError when the extra `lsun` is missing.
    """
    if name == "celeba":
        return _celeba()
    if name == "lsun-bedroom":
        return _bedrooms()
    return _folder(Path(name.removeprefix("folder:")).expanduser())


def data_folder() -> Path:
    """Where the sets lie that are downloaded by hand: $GHR_DATA, or `data` in the cache folder."""
    return Path(os.environ.get("GHR_DATA") or cache.folder() / "data").expanduser()


def _folder(folder: Path) -> Source:
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}: give folder:PATH, where PATH holds image files.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise ValueError(f"The folder {folder} holds no image files ({', '.join(sorted(SUFFIXES))}).")
    files = [files[i] for i in np.random.default_rng(0).permutation(len(files))]  # halves of equal distribution
    return Source(folder, files, lambda: nullcontext(([str(f.relative_to(folder)) for f in files], folder.joinpath)))


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
    names = [line.split()[0] for line in lines]

    def check(found: Iterable[str]) -> None:
        missing, extra = sorted(set(names).difference(found)), sorted(set(found).difference(names))
        if missing:
            raise ValueError(f"{place} lacks {len(missing)} of {len(names)} images, first {missing[0]}: get it again.")
        if extra or not names or len(set(names)) < len(names):
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
            yield names, lambda name: io.BytesIO(images.read(members[name]))

    if place == archive:
        return Source(archive, [archive, partition], opened, (178, 218), 160)
    check([path.name for path in folder.glob("*.jpg")])
    files = [partition, *(folder / name for name in names)]
    return Source(folder, files, lambda: nullcontext((names, folder.joinpath)), (178, 218), 160)


def _bedrooms() -> Source:
    folder = data_folder() / "lsun-bedroom"
    data = folder / "bedroom_train_lmdb" / "data.mdb"

    @contextmanager
    def opened() -> Iterator[Opened]:
        try:
            import lmdb
        except ImportError as error:
            raise ImportError(f"Reading {data.parent} needs {error.name}: pip install 'ghr[lsun]'.") from error
        try:
            with lmdb.open(str(data.parent), readonly=True, lock=False, readahead=False) as database:
                # beyond the end of a file that was cut short lies a bus error
                if data.stat().st_size < (database.info()["last_pgno"] + 1) * database.stat()["psize"]:
                    raise lmdb.Error("it is cut short")

                def get(name: str) -> io.BytesIO:
                    with database.begin() as transaction:
                        return io.BytesIO(transaction.get(name.encode("latin1")))

                with database.begin() as transaction:
                    keys = islice(transaction.cursor().iternext(values=False), BEDROOMS)
                    names = [key.decode("latin1") for key in keys]
                if not names:
                    raise lmdb.Error("it is empty")
                yield names, get
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
    names = [str(path.relative_to(folder)) for path in source.files[:BEDROOMS]]
    return source._replace(files=source.files[:BEDROOMS], open=lambda: nullcontext((names, folder.joinpath)))
