"""The cache folder and its files: pixels enter, and leave the next time; a file is whole or it is not there."""

import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import platformdirs


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
    """Write whole or not at all: a file of its own first, then an atomic rename."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            np.savez_compressed(file, pixels=pixels)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> np.ndarray | None:
    """Pixels of a cache file, or None when it is absent or damaged (the zip format carries checksums)."""
    if not path.exists():
        return None
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:  # np.load(path) leaks damaged files
            return arrays["pixels"]
    except (zipfile.BadZipFile, zipfile.zlib.error, ValueError, KeyError, OSError, EOFError, RuntimeError) as error:
        # RuntimeError: a flipped bit can claim encryption or an unknown compression
        warnings.warn(f"The cache file {path} is damaged ({error}) and is built again.", stacklevel=1)
        return None
