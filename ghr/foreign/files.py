"""A file, a folder or a name that Python can import enters; the network in it leaves, with what the file says of it.

Nothing is unpickled: weights are read with weights_only, and files that hold code are refused. Code that a user names
(`module:attribute`, `file.py:name`) runs, since that is what was asked for.
"""

import importlib
import importlib.util
import inspect
import json
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ghr import recipes, runs
from ghr.denoiser import TOLD
from ghr.files import checkpoints
from ghr.foreign import authors
from ghr.foreign.conventions import Convention, Foreign

EXTRA = "pip install -e '.[foreign]' in a clone of this repository brings it"
SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".onnx", ".pt2")
KINDS = (
    "module:attribute, file.py:name, a folder of diffusers, or a file of TorchScript (.pt), ONNX (.onnx) or weights of "
    "the authors' networks (.pt, .safetensors)"
)


def read(where: str, convention: Callable[[Convention], Convention] = lambda found: found, **options) -> Foreign:
    """The denoiser that a file, a folder or a name stands for.

    Args:
        where: module:attribute or file.py:name of a denoiser, or of a class or function without arguments that makes
            one; a folder written by diffusers; a file of TorchScript, ONNX, this package's or the authors' weights.
        convention: makes of the convention that a format has the one that is meant.
        **options: of `authors.network`.

    Returns:
        Denoiser, in evaluation mode.

    Raises:
        FileNotFoundError: when there is none.
        ImportError: without what the format needs, or when a module has no such name.
        ValueError: for files that hold code, are damaged or of something else.
    """
    path = Path(where).expanduser()
    if path.is_dir():
        network, found, facts = _diffusers(path)
    elif path.exists():
        network, found, facts = _file(path, options)
    elif ":" in where and not where.endswith(SUFFIXES):
        network, found, facts = _python(where)
    else:
        raise FileNotFoundError(f"There is no {where}: expected {KINDS}.")
    return Foreign(network, convention(found), **facts)


Found = tuple[object, Convention, dict]  # network, its convention, and further arguments of Foreign


def _file(path: Path, options: dict) -> Found:
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return _onnx(path)
    if suffix == ".py":
        raise ValueError(f"{path} is Python: name the denoiser in it, {path}:NAME.")
    if suffix == ".pt2":
        raise ValueError(f"{path} is a program of torch.export, which is opened by unpickling: export it to ONNX.")
    members = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
    if any(name.partition("/")[2].startswith("code/") for name in members):
        return _torchscript(path)
    header, state = _safetensors(path) if suffix == ".safetensors" else ({}, _weights(path))
    if "run" in header:
        run = recipes.Run(**checkpoints.held(header))
        network = runs.network(run)
        network.load_state_dict(state)
        return (
            network.eval(),
            Convention(),
            {"channels": run.channels, "words": f"{run.network} of {run.n} {run.images}"},
        )
    network = authors.network(state, **options)
    numbers = sum(weights.numel() for weights in network.parameters())
    words = f"the authors' {type(network).__name__}, {numbers:,} parameters"
    return network, Convention(), {"channels": network.channels, "words": words}


def _safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as opened:
            return opened.metadata() or {}, {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged or holds no weights ({error}).") from error


def _weights(path: Path) -> dict[str, Tensor]:
    """A state dict that torch.save wrote, itself or as the one entry of a dict that holds one."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what its readers raise at garbage is in no list
        if "weights only" in str(error).lower():
            raise ValueError(
                f"{path} holds code, which could do anything once it is unpickled, and is not opened: save the "
                "network's state_dict() alone, or export it to TorchScript or ONNX."
            ) from error
        raise ValueError(f"{path} is damaged or holds no weights ({type(error).__name__}).") from error
    if isinstance(state, dict) and not all(isinstance(value, Tensor) for value in state.values()):
        inner = [value for value in state.values() if isinstance(value, dict) and value]
        inner = [one for one in inner if all(isinstance(value, Tensor) for value in one.values())]
        state = inner[0] if len(inner) == 1 else state
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no state dict: expected weights by name, got {_kind(state)}.")
    return state


def _kind(thing) -> str:
    return f"a dict of {', '.join(map(str, list(thing)[:4]))}" if isinstance(thing, dict) else type(thing).__name__


def _python(where: str) -> Found:
    """What a module or a file calls by a name; a class, or a function without arguments, is called to make it."""
    place, _, name = where.rpartition(":")
    if place.endswith(".py"):
        path = Path(place).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"There is no {place}: expected {KINDS}.")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, str(path.resolve().parent))  # its neighbours, as if it were run
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.pop(0)
    else:
        sys.path.insert(0, "")
        try:
            module = importlib.import_module(place)
        finally:
            sys.path.pop(0)
    thing = module
    for part in name.split("."):
        if not hasattr(thing, part):
            raise ImportError(f"{place} has no {name}.")
        thing = getattr(thing, part)
    if inspect.isclass(thing) or (inspect.isfunction(thing) and not inspect.signature(thing).parameters):
        thing = thing()
    if not callable(thing):
        raise ValueError(f"{where} is no denoiser: expected a callable f(y, sigma), got {type(thing).__name__}.")
    if isinstance(thing, nn.Module):
        thing.eval()
    if isinstance(thing, Foreign):  # its file knows its convention
        facts = {"channels": thing.channels, "size": thing.size, "smooth": thing.smooth}
        return thing.network, thing.convention, {**facts, "words": where}
    return thing, Convention(), {"words": where}


class _Parts(nn.Module):
    """A network that is called as its file was written: so many images at a time, with or without a number."""

    def __init__(self, run: Callable, batch: int | None, told: str):
        super().__init__()
        self.run, self.batch, self.told, self.training = run, batch, told, False

    def forward(self, y: Tensor, sigma: float | Tensor | None = None) -> Tensor:
        if self.told == "needed" and sigma is None:
            raise ValueError(TOLD)
        if self.told == "blind" or sigma is None:
            sigma = None
        elif not isinstance(sigma, Tensor):
            sigma = y.new_full((1, 1, 1, 1), sigma)
        if self.batch is None:
            return self.run(y, sigma)
        parts = []
        for k in range(0, len(y), self.batch):
            part = y[k : k + self.batch]
            full = torch.cat([part, part[-1:].expand(self.batch - len(part), *y.shape[1:])])
            level = sigma if sigma is None or len(sigma) == 1 else sigma[k : k + self.batch]
            if level is not None and len(level) > 1:
                level = torch.cat([level, level[-1:].expand(self.batch - len(level), *level.shape[1:])])
            parts.append(self.run(full, level)[: len(part)])
        return torch.cat(parts)


def _torchscript(path: Path) -> Found:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch 2.13 says so of its own format
        try:
            network = torch.jit.load(str(path), map_location="cpu").eval()
        except RuntimeError as error:
            raise ValueError(f"{path} is damaged or no TorchScript ({str(error).splitlines()[0]}).") from error
    for weights in network.parameters():
        weights.requires_grad_(False)
    _, image, *others = network.forward.schema.arguments
    if any(not one.has_default_value() for one in others[1:]):
        wants = ", ".join([image.name, *(one.name for one in others)])
        raise ValueError(f"{path} wants {wants}: expected images, and at most one number beside them.")
    kind = str(others[0].type) if others else ""
    told = "blind" if not others else "if known" if others[0].has_default_value() else "needed"

    def run(y: Tensor, sigma: Tensor | None) -> Tensor:
        if sigma is None:
            return network(y)
        return network(y, sigma if "Tensor" in kind else _one(sigma))

    return _Parts(run, None, told), Convention(), {"words": f"TorchScript, {path.name}"}


def _one(sigma: Tensor) -> float:
    if len(sigma.unique()) > 1:
        raise ValueError("This denoiser is told one noise level for all images.")
    return float(sigma.flatten()[0])


def _onnx(path: Path) -> Found:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f"{path} needs onnxruntime: {EXTRA}.") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its classes of errors are not public
        raise ValueError(f"{path} is damaged or no ONNX file ({str(error).splitlines()[0]}).") from error
    image, *others = session.get_inputs()
    if len(image.shape) != 4 or len(others) > 1:
        shapes = ", ".join(f"{one.name} {one.shape}" for one in (image, *others))
        raise ValueError(f"{path} wants {shapes}: expected images (b, c, h, w), and at most one number beside them.")
    batch, channels, *sides = (axis if isinstance(axis, int) and axis > 0 else None for axis in image.shape)
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
    kinds |= {"tensor(int64)": np.int64}

    def run(y: Tensor, sigma: Tensor | None) -> Tensor:
        given = {image.name: y.detach().cpu().numpy().astype(kinds[image.type])}
        if others:
            rank = len(others[0].shape)
            fixed = rank and isinstance(others[0].shape[0], int) and others[0].shape[0] == 1
            one = fixed or not rank
            level = np.array([_one(sigma)]) if one else sigma.flatten().expand(len(y)).detach().cpu().numpy()
            kind = kinds[others[0].type]
            level = (np.rint(level) if kind is np.int64 else level).astype(kind)  # whole steps, the nearest
            given[others[0].name] = level.reshape([-1, *[1] * (rank - 1)]) if rank else level.reshape(())
        return torch.from_numpy(np.asarray(session.run(None, given)[0])).to(y)

    size = (sides[0], sides[1]) if all(sides) else None
    facts = {"channels": channels, "size": size, "smooth": False, "words": f"ONNX, {path.name}"}
    return _Parts(run, batch, "needed" if others else "blind"), Convention(), facts


class _Unconditional(nn.Module):
    """A UNet2DModel called with images and a step for each; a learned variance is left out of its answer."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.training = network, False

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.network(x, t).sample[:, : x.shape[1]]


def _diffusers(folder: Path) -> Found:
    """A UNet2DModel and its scheduler: of a pipeline's folder, or of one model with a scheduler in or beside it."""
    inside = folder / "unet" if (folder / "unet" / "config.json").exists() else folder
    config = _json(inside / "config.json")
    if config.get("_class_name") != "UNet2DModel":
        kind = config.get("_class_name", "no model of diffusers")
        raise ValueError(
            f"{folder} holds {kind}: of diffusers, UNet2DModel is read, which needs images and a step alone."
        )
    if config.get("num_class_embeds") or config.get("class_embed_type"):
        raise ValueError(f"{folder} holds a UNet2DModel that is told a class as well, which is not read.")
    places = (folder / "scheduler", inside, inside.parent / "scheduler")
    schedulers = [file for place in places if (file := place / "scheduler_config.json").exists()]
    if not schedulers:
        raise ValueError(
            f"{folder} has no scheduler_config.json, which says what the network predicts: save its scheduler there, "
            "scheduler.save_pretrained(FOLDER)."
        )
    convention = _scheduler(_json(schedulers[0]), schedulers[0])
    try:
        import diffusers
    except ImportError as error:
        raise ImportError(f"{folder} needs diffusers: {EXTRA}.") from error
    if not list(inside.glob("*.safetensors")):
        raise ValueError(f"{inside} has no weights as safetensors: save_pretrained(FOLDER) writes them.")
    try:
        network = diffusers.UNet2DModel.from_pretrained(
            str(inside), local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{inside} is damaged ({str(error).splitlines()[0]}).") from error
    network.requires_grad_(False)
    words = f"UNet2DModel, {network.num_parameters():,} parameters, predicts {convention.predicts}"
    facts = {"channels": config.get("in_channels", 3), "words": words}
    return _Unconditional(network.eval().float()), convention, facts


def wanted_size(where: str) -> int | None:
    """The side of the images that a denoiser was made for, where its files say so without loading it.

    Args:
        where: as of `read`.

    Returns:
        Pixels, or None.
    """
    path = Path(where).expanduser()
    for place in (path / "unet", path):
        if (place / "config.json").exists():
            size = _json(place / "config.json").get("sample_size")
            return size if isinstance(size, int) else min(size) if size else None
    if path.suffix == ".safetensors" and path.exists():
        header, _ = _safetensors(path)
        return json.loads(header["run"])["size"] if "run" in header else None
    return None


def _json(file: Path) -> dict:
    try:
        found = json.loads(file.read_text())
    except FileNotFoundError as error:
        raise ValueError(f"{file.parent} has no {file.name}: expected {KINDS}.") from error
    except (ValueError, OSError) as error:
        raise ValueError(f"{file} is damaged ({error}).") from error
    return found if isinstance(found, dict) else {}


def _scheduler(config: dict, file: Path) -> Convention:
    """What a scheduler's file says of the network that it was trained with."""
    kind = str(config.get("_class_name", ""))
    predicts = config.get("prediction_type", "epsilon")
    if kind.startswith("EDM"):
        if predicts != "epsilon":
            raise ValueError(f'{file} wants EDM\'s network to predict "{predicts}": "epsilon" is read.')
        return Convention("signed", "edm", "clean", sigma_data=config.get("sigma_data", 0.5))
    names = {"epsilon": "noise", "sample": "clean", "v_prediction": "v"}
    if "beta_schedule" not in config or predicts not in names:
        raise ValueError(
            f"{file} is of {kind or 'no known scheduler'}, predicting {predicts}: schedulers with betas and one of "
            f"{', '.join(names)}, and EDM's, are read."
        )
    return Convention("signed", "step", names[predicts], _bars(config, file))


def _bars(config: dict, file: Path) -> tuple[float, ...]:
    steps, low, high = (
        config.get("num_train_timesteps", 1000),
        config.get("beta_start", 0.0001),
        config.get("beta_end", 0.02),
    )
    schedule = config["beta_schedule"]
    if config.get("trained_betas") is not None:
        betas = np.array(config["trained_betas"], dtype=np.float64)
    elif schedule == "linear":
        betas = np.linspace(low, high, steps)
    elif schedule == "scaled_linear":
        betas = np.linspace(low**0.5, high**0.5, steps) ** 2
    elif schedule == "sigmoid":
        betas = (high - low) / (1 + np.exp(-np.linspace(-6, 6, steps))) + low
    elif schedule == "squaredcos_cap_v2":
        from ghr.foreign.conventions import alpha_bars

        return alpha_bars("cosine", steps)
    else:
        raise ValueError(f'{file} has the schedule "{schedule}": linear, scaled_linear, sigmoid and cosine are read.')
    bars = np.cumprod(1 - betas)
    if config.get("rescale_betas_zero_snr"):
        roots = np.sqrt(bars)
        bars = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
    return tuple(bars.tolist())
