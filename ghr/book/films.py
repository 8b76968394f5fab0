"""Trainings as their logs saw them, for a figure with a slider through time.

Runs enter, whose logs hold small pictures of the same test images and of samples at each of their entries; films leave,
and what `ghr/book/assets/scrub.js` is told of them.
"""

import base64
import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ghr import runs
from ghr.book import plots, told
from ghr.measure.errors import LOG_SIGMA
from ghr.noise import add_noise
from ghr.recipes import Run
from ghr.similarity import nearest


@dataclass(frozen=True)
class Film:
    """One training, entry by entry of its log."""

    run: Run  #: what was trained
    images_seen: tuple[int, ...]  #: with repetition, rising
    gaps: tuple[float, ...]  #: training less test PSNR at sigma = LOG_SIGMA, dB
    #: WebP files in base64: above test images, denoised, below as many samples
    pictures: tuple[str, ...]

    def frames(self) -> Float[Tensor, "t 2 k 1 h w"]:
        """The pictures, decoded.

        Returns:
            Image units, by entry; denoised test images, then samples.
        """
        size, sheets = self.run.size, []
        for text in self.pictures:
            with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
                sheets.append(torch.from_numpy(np.asarray(picture.convert("L")) / np.float32(255)))
        sheet = torch.stack(sheets)
        return sheet.unflatten(1, (2, size)).unflatten(3, (-1, size)).transpose(2, 3)[:, :, :, None]


def ends(candidates: Iterable[Run]) -> tuple[Film, Film]:
    """The trainings of the smallest N above one and of the largest whose logs hold pictures.

    Args:
        candidates: runs, trained or not; older checkpoints hold none.

    Returns:
        Two films; where only one N has pictures, the same twice.

    Raises:
        ValueError: where no log has pictures.
    """
    found = []
    for run in candidates:
        if not runs.path(run).exists():
            continue
        log = runs.log(run)
        if pictures := log.get("pictures"):
            at = runs.LOG_SIGMAS.index(LOG_SIGMA)
            gaps = [round(training[at] - test[at], 3) for training, test in zip(log["train"], log["test"], strict=True)]
            there = [k for k, picture in enumerate(pictures) if picture]
            columns = ([column[k] for k in there] for column in (log["images_seen"], gaps, pictures))
            found.append(Film(run, *map(tuple, columns)))
    if not found:
        raise ValueError("No log holds pictures: train a network of the tables with `ghr train`.")
    found.sort(key=lambda film: film.run.n)
    chosen = next((film for film in found if film.run.n > 1), found[0]), found[-1]
    for film in chosen:
        sys.audit("ghr.load", str(runs.path(film.run)))  # whoever wants to know which checkpoints are used can listen
    return chosen


def told_of(films: Sequence[Film]) -> dict:
    """What the figure is told of some trainings on the same test images.

    Args:
        films: of networks of different N.

    Returns:
        Side of the images; the test images, clean and noisy; and of each training N, a colour, images seen, gaps,
        pictures and the training images nearest to its last samples, with their similarity.
    """
    x = runs.held_out(films[0].run)[: runs.PICTURES]
    y = add_noise(x, runs.PICTURES_SIGMA, torch.Generator().manual_seed(0))  # as the log has them
    trainings = []
    for film in films:
        training = runs.training(film.run)
        similarity, which = nearest(film.frames()[-1, 1], training)
        shade = plots.shade(film.run.n, [other.run.n for other in films])
        trainings.append(
            {
                "n": film.run.n,
                "colour": matplotlib.colors.to_hex(shade),
                "seen": film.images_seen,
                "gaps": film.gaps,
                "pictures": film.pictures,
                "near": told.grey(training[which]),
                "alike": [round(value, 3) for value in similarity.tolist()],
            }
        )
    shown = {"size": x.shape[-1], "sigma": runs.PICTURES_SIGMA, "level": LOG_SIGMA}
    return {**shown, "clean": told.grey(x), "noisy": told.grey(y), "trainings": trainings}
