"""The cache folder and its files: pixels enter, and leave the next time; a file is whole or it is not there."""

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

    Raises: OSError with what to do when the folder cannot be made.
    """
    path = Path(os.environ.get("GHR_CACHE") or platformdirs.user_cache_dir("ghr"))
    return path if path.is_dir() else writable(path)


def writable(folder: Path) -> Path:
    """The same folder, made where it is missing.

    Raises: OSError with what to do when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("no permission to write")
    except OSError as error:
        raise OSError(f"The cache folder {folder} is unusable ({error}): set GHR_CACHE to a writable one.") from error
    return folder


def write(path: Path, pixels: np.ndarray) -> None:
    """Write whole or not at all: a file of its own first, then an atomic rename.

    path: `.npz`, compressed, for few or flat images; or `.npy`, mapped into memory when it is read, its last four bytes
    the CRC-32 of those before.
    pixels: any array of numbers.
    """
    content = io.BytesIO()
    if path.suffix == ".npz":
        np.savez_compressed(content, pixels=pixels)
    else:
        np.save(content, pixels, allow_pickle=False)
        content.write(_checksum(content.getbuffer()))
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> np.ndarray | None:
    """Pixels of a cache file, or None when it is absent or damaged (both formats carry checksums).

    Returns: an array; of a `.npy` file one that stays on the disk, read-only.
    """
    if not path.exists():
        return None
    try:
        if path.suffix == ".npz":  # np.load(path) leaks damaged files
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                return arrays["pixels"]
        content = np.memmap(path, np.uint8, "r")
        if _checksum(content[:-4]) != content[-4:].tobytes():
            raise ValueError("its checksum does not fit")
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, OSError, EOFError, RuntimeError) as error:
        # RuntimeError: a flipped bit can claim encryption or an unknown compression
        warnings.warn(f"The cache file {path} is damaged ({error}) and is built again.", stacklevel=1)
        return None


def _checksum(content) -> bytes:
    return zlib.crc32(content).to_bytes(4, "little")


def built(paths: list[Path], build: Callable[[list[Path]], object]) -> list[np.ndarray]:
    """Pixels of cache files of one folder; what is absent or damaged is built first, once for all processes.

    paths: the files.  build: is called with the files that are to be written, in order; it writes each with `write`.
    What it has written when it is interrupted is not built again.
    Returns: as `read`, in the order of the paths.
    Raises: OSError with what to do when something is to be built and the folder cannot be written.
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
