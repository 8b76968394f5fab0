"""The authors' published networks: their state dicts enter, the same denoisers in this package's layers leave.

Two architectures in three ways of writing: the UNet and BF-CNN of the paper's repository (normalizations named
`BN_layers.i`, or counted among a block's layers), and the BF-CNN of 2020 and 2021 (`gammas.i`, `running_sd.i`). All are
blind, take images in [0,1] and predict the residual. Their code is not used; sizes are read off the weights.
"""

from torch import Tensor, nn

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
