"""Checkpoint files: weights, the run that decides them and its log enter one safetensors file; nothing is unpickled."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ghr.files.cache import write_whole

# what fields are in files that lack them because there was no choice yet
_FIRST_EDITION = {"optimizer": "adamw", "schedule": "cosine"}


def digest(tensors: dict[str, Tensor], header: dict[str, str]) -> str:
    """Checksum of all that a checkpoint says: weights with their names, types and shapes, the run, the log, the images.

    Args:
        tensors: weights by name.
        header: "run", "log" and, in files that know it, "images".

    Returns:
        64 hexadecimal digits.
    """
    total = hashlib.sha256(repr((header["run"], header["log"])).encode())
    total.update(header.get("images", "").encode())
    for name in sorted(tensors):
        total.update(repr((name, tensors[name].dtype, tuple(tensors[name].shape))).encode())
        total.update(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def write(file: Path, tensors: dict[str, Tensor], run, entries: dict[str, list], images: str | None = None) -> None:
    """Write whole or not at all, with the run, the log and a checksum in the header.

    Args:
        file: where to.
        tensors: weights by name.
        run: the dataclass that decides them.
        entries: the log.
        images: digest of the training images (default: unknown).

    Raises:
        OSError: when the file cannot be written.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    header = {"run": json.dumps(dataclasses.asdict(run)), "log": json.dumps(entries)}
    header |= {"images": images} if images else {}
    header["sha256"] = digest(tensors, header)
    write_whole(file, save(tensors, header))


def read(file: Path, run, images: str | None = None) -> tuple[dict[str, Tensor], dict[str, list]]:
    """Weights and log of a file that must hold this run; a field that is newer than the file has its default there.

    Args:
        file: which.
        run: the run that it must hold.
        images: digest of its training images as they are now (default: not compared). Files of the first edition know
            none.

    Returns:
        Weights by name, and the log.

    Raises:
        ValueError: when it is damaged, no checkpoint, or holds another run or one of other images.
        OSError: when it cannot be read.
    """
    advice = "Take the file away and train the run again."
    try:
        with safe_open(file, framework="pt") as opened:
            header = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(f"{file} is damaged or no checkpoint ({error}). {advice}") from error
    except OSError as error:  # its own words name no file
        raise OSError(f"{file} cannot be read ({error}).") from error
    if not {"run", "log", "sha256"} <= header.keys():
        raise ValueError(f"{file} is no checkpoint of ghr: its header names no run. {advice}")
    if digest(tensors, header) != header["sha256"]:
        raise ValueError(f"{file} is damaged: its contents do not match their checksum. {advice}")
    found = {f.name: f.default for f in dataclasses.fields(run)} | held(header)
    wanted = dataclasses.asdict(run)
    found["images"] = _set(found["images"], run)
    if found != wanted:
        differences = ", ".join(
            f"{k} {found.get(k)} not {wanted.get(k)}" for k in found if found.get(k) != wanted.get(k)
        )
        raise ValueError(f"{file} holds another run ({differences}). {advice}")
    if images and header.get("images", images) != images:
        raise ValueError(
            f"{file} was trained on other images: what {run.images} gives has changed since. Put the images back as "
            "they were, or take the file away and train the run again."
        )
    return tensors, json.loads(header["log"])


def held(header: dict[str, str]) -> dict:
    """What a file says of its run, with what went without saying when there was no choice yet.

    Args:
        header: of a checkpoint.

    Returns:
        Value by field of the run; fields that are newer than the file are missing.
    """
    return _FIRST_EDITION | json.loads(header["run"])


def _set(held: str, run) -> str:
    """The one way of writing an image set's name, a run's; the first edition's files held it as it was typed."""
    path = held.removeprefix("folder:")
    if path != held and run.images.startswith("folder:") and not os.path.isabs(os.path.expanduser(path)):
        return run.images  # relative to a folder that nobody noted; the file's name holds a hash of the whole path
    return dataclasses.replace(run, images=held).images
