"""The cache folder and its files: pixels enter, and leave the next time; a file is whole or it is not there."""

import contextlib
import io
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs
from filelock import FileLock


def folder() -> Path:
    """Where image sets are kept: $GHR_CACHE, or the user's cache folder.

    Returns:
        The folder, which is there.

    Raises:
        OSError: with what to do when the folder cannot be made.
    """
    path = Path(os.path.expanduser(os.environ.get("GHR_CACHE") or platformdirs.user_cache_dir("ghr")))
    return path if path.is_dir() else writable(path)


def writable(folder: Path, kind: str = "cache", remedy: str = "set GHR_CACHE to a writable one") -> Path:
    """The same folder, made where it is missing.

    Args:
        folder: any.
        kind: what it is, as the message says it.
        remedy: what to do, as the message says it.

    Returns:
        The folder.

    Raises:
        OSError: with what to do when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("no permission to write")
    except OSError as error:
        raise OSError(f"The {kind} folder {folder} is unusable ({error}): {remedy}.") from error
    return folder


def warn(message: str) -> None:
    """Warn with a sentence alone: the line of our source that a warning shows helps no one.

    Args:
        message: the sentence.
    """
    warnings.warn_explicit(message, UserWarning, "ghr", 0, registry=_WARNED)


_WARNED: dict = {}  # where Python notes what it said, to say it once


def write_whole(file: Path, content: bytes | memoryview) -> None:
    """Write whole or not at all: a file of its own first, then an atomic rename.

    Args:
        file: any; what it held before is kept until all is on the disk.
        content: its bytes.

    Raises:
        OSError: that says how much was to be written, when it cannot be.
    """
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        os.replace(partial, file)
    except OSError as error:
        raise OSError(
            f"{file} cannot be written ({error.strerror or error}; it takes {len(content) / 1e6:.1f} MB). Once it can, "
            "the same command goes on: what was saved before is kept."
        ) from error
    finally:
        with contextlib.suppress(OSError):  # a disk that became read-only: the sentence above says more
            partial.unlink(missing_ok=True)


def write(path: Path, pixels: np.ndarray) -> None:
    """Write an array, whole or not at all.

    Args:
        path: `.npz`, compressed, for few or flat images; or `.npy`, mapped into memory when it is read, its last four
            bytes the CRC-32 of those before.
        pixels: any array of numbers.
    """
    content = io.BytesIO()
    if path.suffix == ".npz":
        np.savez_compressed(content, pixels=pixels)
    else:
        np.save(content, pixels, allow_pickle=False)
        content.write(_checksum(content.getbuffer()))
    write_whole(path, content.getbuffer())


def read(path: Path) -> np.ndarray | None:
    """Pixels of a cache file, or None when it is absent or damaged (both formats carry checksums).

    Args:
        path: of a file that `write` wrote.

    Returns:
        An array; of a `.npy` file one that stays on the disk, read-only.
    """
    if not path.exists():
        return None
    try:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as members:
                return _array(np.frombuffer(members.read("pixels.npy"), np.uint8))
        content = np.memmap(path, np.uint8, "r")
        if _checksum(content[:-4]) != content[-4:].tobytes():
            raise ValueError("its checksum does not fit")
        return _array(content[:-4])
    except Exception as error:  # what zipfile, its decoders and numpy's header parser raise at garbage is in no list
        warn(f"The cache file {path} is damaged ({error}) and is built again.")
        return None


def _array(content: np.ndarray) -> np.ndarray:
    """The array of an `.npy` file's bytes, a view of them: a header that claims more than is there gets no memory."""
    start = io.BytesIO(content[:4096].tobytes())
    if np.lib.format.read_magic(start) != (1, 0):
        raise ValueError("another version of the format")
    shape, columns_first, dtype = np.lib.format.read_array_header_1_0(start)
    return content[start.tell() :].view(dtype).reshape(shape, order="F" if columns_first else "C")


def _checksum(content) -> bytes:
    return zlib.crc32(content).to_bytes(4, "little")


def built(paths: list[Path], build: Callable[[list[Path]], object]) -> list[np.ndarray]:
    """Pixels of cache files of one folder; what is absent or damaged is built first, once for all processes.

    Args:
        paths: the files.
        build: is called with the files that are to be written, in order; it writes each with `write`. What it has
            written when it is interrupted is not built again.

    Returns:
        As `read`, in the order of the paths.

    Raises:
        OSError: with what to do when something is to be built and the folder cannot be written.
    """
    found = {path: read(path) for path in paths}
    if any(pixels is None for pixels in found.values()):
        place = writable(paths[0].parent)
        # a second writer waits here, then finds the work done; one who builds may ask for other files of the folder
        with FileLock(place / ".lock", is_singleton=True):
            for leftover in place.glob("*.partial"):  # of a process that was killed
                leftover.unlink(missing_ok=True)
            missing = [path for path in paths if found[path] is None and read(path) is None]
            if missing:
                build(missing)
        found = {path: read(path) if pixels is None else pixels for path, pixels in found.items()}
    return list(found.values())
