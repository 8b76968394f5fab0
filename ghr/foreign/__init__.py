"""Anybody's denoiser behind the book's call: a file or a name enters, f(y, sigma) in units of [0,1] leaves.

`load` reads one; `adapt` takes one that is already there. What a code means by noise and by pixels is a `Convention`.
"""

import dataclasses

from ghr.foreign.conventions import PREDICTIONS, UNITS, Convention, Foreign, alpha_bars
from ghr.foreign.files import read, wanted_size

__all__ = ["PREDICTIONS", "UNITS", "Convention", "Foreign", "adapt", "alpha_bars", "load", "wanted_size"]


def load(
    where: str,
    units: str | None = None,
    told: str | None = None,
    predicts: str | None = None,
    schedule: str | None = None,
    sigma_data: float | None = None,
    first_linear: bool | None = None,
) -> Foreign:
    """A denoiser from a file, a folder or a name; what is not given is as the format says.

    Args:
        where: as of `ghr.foreign.files.read`.
        units: range of the network's pixels, a key of UNITS.
        told: what it is told of the noise, a key of PREDICTIONS.
        predicts: what it answers with, of PREDICTIONS.
        schedule: of the steps that it is told, of `alpha_bars`.
        sigma_data: of a raw network of EDM.
        first_linear: of the authors' BF-CNN, as in `ghr.foreign.authors.network`.

    Returns:
        Denoiser, in evaluation mode.

    Raises:
        FileNotFoundError: when there is none.
        ImportError: without what the format needs.
        ValueError: for files that hold code, are damaged or of something else, and as `Convention`.
    """
    given = {"units": units, "told": told, "predicts": predicts, "sigma_data": sigma_data}
    given = {name: value for name, value in given.items() if value is not None}
    if schedule is not None:
        given["bars"] = alpha_bars(schedule)

    def meant(found: Convention) -> Convention:
        changed = dict(given)
        if told is not None and told != found.told and predicts is None:
            changed["predicts"] = PREDICTIONS[told][0] if told in PREDICTIONS else found.predicts
        return dataclasses.replace(found, **changed)

    return read(where, meant, first_linear=first_linear)


def adapt(network, **convention) -> Foreign:
    """A network that is already there behind the book's call.

    Args:
        network: as of `Foreign`, in evaluation mode.
        **convention: fields of `Convention`.

    Returns:
        Denoiser.

    Raises:
        ValueError: as `Convention`.
    """
    return Foreign(network, Convention(**convention))
