"""The authors' published networks: their state dicts enter, the same denoisers in this package's layers leave.

Two architectures in three ways of writing: the UNet and BF-CNN of the paper's repository (normalizations named
`BN_layers.i`, or counted among a block's layers), and the BF-CNN of 2020 and 2021 (`gammas.i`, `running_sd.i`). All are
blind, take images in [0,1] and predict the residual. Their code is not used; sizes are read off the weights.
`published` finds them in a clone of that repository.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from ghr.images import archives, names
from ghr.networks import BFCNN, BiasFreeNorm, UNet

EXPECTED = (
    "expected the UNet (encoder.0.0.weight, mid_block.0.weight, upsample.0.weight, decoder.0.0.weight, ... with "
    "gammas and running_sd) or the BF-CNN (conv_layers.0.weight, ... with gammas.0 and running_sd.0, or "
    "BN_layers.0.gammas and BN_layers.0.running_sd)"
)


def network(state: dict[str, Tensor], first_linear: bool | None = None) -> nn.Module:
    """The denoiser of one of their state dicts.

    Args:
        state: weights by name, with or without the prefix `module.` of nn.DataParallel.
        first_linear: whether no ReLU follows a BF-CNN's first convolution, which no file says (default: as their code
            has it, none in the files that name BN_layers, one in the older ones).

    Returns:
        Blind denoiser of images in [0,1], in evaluation mode.

    Raises:
        ValueError: for a state dict of something else, with the keys found and expected.

    Source: the authors' code (UNet, BF_CNN, BF_CNN_RF of its network.py); Kadkhodaie & Simoncelli 2021 (older BF_CNN).
    """
    state = {name.removeprefix("module."): value for name, value in state.items()}
    try:
        if "conv_layers.0.weight" in state:
            built, renamed = _chain(state, first_linear)
        elif "encoder.0.0.weight" in state:
            built, renamed = _unet(state)
        else:
            raise KeyError("conv_layers.0.weight")
        built.load_state_dict(renamed)
    except (KeyError, IndexError, RuntimeError) as error:
        raise ValueError(
            f"This state dict is none of the authors' networks: found {_shown(state)}; {EXPECTED}."
        ) from error
    return built.eval()


REPOSITORY = "https://github.com/LabForComputationalVision/memorization_generalization_in_diffusion_models"
SIZE = 80  #: side of their images, pixels
N = 100_000  #: training images where a folder's name gives none: those of their C^alpha networks


@dataclass(frozen=True)
class Published:
    """One network in a clone of their repository, as the names of its folders describe it."""

    architecture: str  #: e.g. "UNet"
    data: str  #: what it was trained on, in their words
    images: str | None  #: the same as a name of `ghr.images.load`; None where this package has no such set
    n: int  #: training images
    half: str  #: "A" for their first n images, "B" for their last (swapped)
    file: str  #: its weights


def published(clone: str | Path | None = None) -> tuple[Published, ...]:
    """The networks in a clone of the authors' repository. ::

        denoisers/ARCHITECTURE/DATA/0to255_RF_90x90_set_size_N[_swapped]/model.pt

    Args:
        clone: its folder (default: `authors` in $GHR_DATA).

    Returns:
        Networks in the order of architecture, data, N and half.

    Raises:
        FileNotFoundError: with what to get, where there are none.
    """
    clone = archives.data_folder() / "authors" if clone is None else Path(clone).expanduser()
    found = []
    for file in clone.glob("denoisers/*/*/**/model.pt"):
        architecture, *data, run = file.relative_to(clone / "denoisers").parts[:-1]
        if data:
            size = re.search(r"set_size_(\d+)", run)
            half = "B" if run.endswith("_swapped") else "A"
            words = "/".join(data)
            n = int(size[1]) if size else N
            found.append(Published(architecture, words, images_of(words), n, half, str(file)))
    if not found:
        raise FileNotFoundError(
            f"There is no denoisers/ARCHITECTURE/DATA/RUN/model.pt in {clone}: clone {REPOSITORY} there, or say where "
            "its clone is."
        )
    return tuple(sorted(found, key=lambda one: (one.architecture, one.data, one.n, one.half)))


def images_of(data: str) -> str | None:
    """The image set that a folder of theirs is named after.

    Args:
        data: e.g. "C_alpha2_beta2" or "celeba".

    Returns:
        Name of `ghr.images.load`, e.g. "published-2"; None for what this package does not have.
    """
    number = r"_?(\d+(?:\.\d+)?)"
    if match := re.search(rf"alpha{number}(?:_?beta{number})?", data, re.IGNORECASE):
        contour, regions = match[1], match[2] or match[1]
        return names.parse(f"published-{regions}" + (f"-{contour}" if contour != regions else "")).text
    kinds = {"celeba": r"celeb_?a(?!.?hq)", "lsun-bedroom": "bedroom"}
    return next((name for name, pattern in kinds.items() if re.search(pattern, data, re.IGNORECASE)), None)


def _shown(state: dict[str, Tensor], most: int = 4) -> str:
    names = [f"{name} {tuple(value.shape)}" for name, value in list(state.items())[:most]]
    return ", ".join(names) + (f" and {len(state) - most} more" if len(state) > most else "")


def _norms(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gains and deviations of shape (1, C, 1, 1) as this package has them."""
    return {
        name.replace("gammas", "gain"): value.flatten() if name.endswith(("gammas", "running_sd")) else value
        for name, value in state.items()
    }


def _unet(state: dict[str, Tensor]) -> tuple[nn.Module, dict[str, Tensor]]:
    """Their blocks are named by scale, the finest 0; this package's ways up are listed from the coarsest."""
    scales = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("encoder."))
    width, channels = state["encoder.0.0.weight"].shape[:2]
    renamed = {}
    for name, value in _norms(state).items():
        part, *rest = name.split(".")
        if part in ("upsample", "decoder"):
            rest[0] = str(scales - 1 - int(rest[0]))
        renamed[".".join([{"mid_block": "middle", "upsample": "up"}.get(part, part), *rest])] = value
    return UNet(channels, width, scales), renamed


def _chain(state: dict[str, Tensor], first_linear: bool | None) -> tuple[nn.Module, dict[str, Tensor]]:
    """Convolutions of 3x3, some of them 1x1 in networks of smaller receptive fields, as their shapes say."""
    older = "gammas.0" in state
    if first_linear is None:
        first_linear = not older
    depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("conv_layers."))
    layers, renamed, known = [], {}, set()
    for k in range(depth):
        kernel = state[key := f"conv_layers.{k}.weight"]
        known.add(key)
        renamed[f"layers.{len(layers)}.weight"] = kernel
        layers.append(nn.Conv2d(*kernel.shape[1::-1], kernel.shape[-2:], padding=kernel.shape[-1] // 2, bias=False))
        if 0 < k < depth - 1:
            for theirs, ours in (("gammas", "gain"), ("running_sd", "running_sd")):
                key = f"{theirs}.{k - 1}" if older else f"BN_layers.{k - 1}.{theirs}"
                known.add(key)
                renamed[f"layers.{len(layers)}.{ours}"] = state[key].flatten()
            layers.append(BiasFreeNorm(len(kernel)))
        if k < depth - 1 and (k or not first_linear):
            layers.append(nn.ReLU())
    if set(state) - known:
        raise KeyError(*(set(state) - known))
    width, channels = state["conv_layers.0.weight"].shape[:2]
    if kernel.shape[0] != channels:
        raise KeyError("as many channels that leave as enter")
    built = BFCNN(channels, width, depth)
    built.layers = nn.Sequential(*layers)
    return built, renamed
