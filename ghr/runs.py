"""Runs: everything that decides the weights of one network, the file that holds them, and the tables of runs.

The table of runs is the list of experiments. A run enters, its checkpoint is found or trained, a denoiser leaves.
Weights are kept in fp16.
"""

import base64
import dataclasses
import glob
import hashlib
import io
import json
import math
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from PIL import Image
from torch import Tensor, nn
from tqdm.auto import tqdm

from ghr import images, sampling, similarity
from ghr.denoiser import denoise
from ghr.files import cache, checkpoints
from ghr.images import archives, names
from ghr.networks import BFCNN, ConditionalUNet, UNet, lent
from ghr.noise import add_noise, denoising_mse, sample_sigma
from ghr.training import DECAY, OPTIMIZERS, SCHEDULES, train

SCALES = ("smoke", "laptop", "paper")
LOG_SIGMAS = (0.05, 0.1, 0.2, 0.5)  # noise levels of the training log, image units
LOG_SEEDS = range(64)  # samples of the training log
PICTURES, PICTURES_SIGMA = 4, 0.3  # test images shown by the training log, and their noise level, image units
SAVE_EVERY = 60  # seconds between two saved training states, unless $GHR_SAVE_EVERY says otherwise
NETWORKS = {
    "UNet": lambda run: UNet(width=run.width, scales=run.scales),
    "BFCNN": lambda run: BFCNN(width=run.width),
    "BiasedUNet": lambda run: UNet(width=run.width, scales=run.scales, bias=True),
    "ConditionalUNet": lambda run: ConditionalUNet(width=run.width, scales=run.scales),
}


def _whole(least: int) -> tuple[str, Callable[[object], bool]]:
    fits = lambda x: isinstance(x, int) and not isinstance(x, bool) and x >= least  # noqa: E731
    return f"a whole number of at least {least}", fits


def _real(wanted: str, fits: Callable[[float], bool]) -> tuple[str, Callable[[object], bool]]:
    return wanted, lambda x: isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) and fits(x)


def _one_of(names: Iterable[str]) -> tuple[str, Callable[[object], bool]]:
    names = tuple(names)
    return f"one of {', '.join(names)}", lambda x: x in names


_FIELDS = {  # what each field of a Run may be
    **dict.fromkeys(("size", "held_out", "n", "width", "scales", "images_seen", "batch"), _whole(1)),
    **dict.fromkeys(("seed", "warmup"), _whole(0)),
    **dict.fromkeys(("lr", "muon_lr", "sigma_law"), _real("a number above 0", lambda x: x > 0)),
    "pool": ("None or a whole number of at least 3", lambda x: x is None or _whole(3)[1](x)),
    "loss_weight": _real("a number", lambda x: True),
    "average": _real("a number from 0, below 1", lambda x: 0 <= x < 1),
    "float32_tail": _real("a share from 0 to 1", lambda x: 0 <= x <= 1),
    "images": ("the name of an image set", lambda x: isinstance(x, str)),
    "half": _one_of("AB"),
    "network": _one_of(NETWORKS),
    "optimizer": _one_of(OPTIMIZERS),
    "schedule": _one_of(SCHEDULES),
}


@dataclass(frozen=True)
class Run:
    """One trained network: everything that decides its weights, and nothing else."""

    images: str = "avatars"  #: name understood by ghr.images.load
    size: int = 32  #: side in pixels (80 in the paper)
    pool: int | None = None  #: images in the pool, None for all of the set
    held_out: int = 2000  #: test images, from the middle of the pool
    n: int = 1000  #: training images
    half: str = "A"  #: "A" is the first n of the pool, "B" the last n; disjoint
    seed: int = 0  #: initial weights and training noise; A and B of one pair differ in it
    network: str = "UNet"  #: key of NETWORKS
    width: int = 16  #: channels of the first scale (64 in the paper)
    scales: int = 3  #: poolings of the UNet (3 in the paper)
    images_seen: int = 2**20  #: with repetition (2.5e8 in the paper)
    batch: int = 64  #: images a step (512 in the paper)
    optimizer: str = "muon"  #: of training.OPTIMIZERS (Adam in the paper)
    schedule: str = "linear"  #: how rates fall, of training.SCHEDULES (halved every 100 epochs in the paper)
    lr: float = 3e-3  #: peak of AdamW's learning rate (1e-3 in the paper)
    muon_lr: float = 0.01  #: peak of Muon's, which moves all kernels but the first and the last (none in the paper)
    warmup: int = 300  #: steps of linear rise (none in the paper)
    sigma_law: float = 1.5  #: sigma = u^a, u uniform in [0,1] (paper's text 1, its code 2)
    loss_weight: float = 1.0  #: squared error times (sigma + .02)^-c (0 in the paper)
    average: float = 0.999  #: decay of the weight average (none in the paper)
    float32_tail: float = 0.0  #: last fraction of the steps in float32, as memorizers are more exact than bf16

    def __post_init__(self):
        for name, (wanted, fits) in _FIELDS.items():
            if not fits(value := getattr(self, name)):
                raise ValueError(f"Run.{name} is {value!r}: expected {wanted}.")
        if self.network != "BFCNN" and self.size % 2**self.scales:
            raise ValueError(
                f"Run.size is {self.size}: a UNet with {self.scales} scales needs sides divisible by {2**self.scales}."
            )
        # one set, one run, however it is spelled
        object.__setattr__(self, "images", names.parse(self.images, self.size).text)

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return math.ceil(self.images_seen / self.batch)

    @property
    def name(self) -> str:
        """File name: what a reader needs to find it, and a hash of what else differs from the defaults."""
        shown = ("images", "size", "n", "half", "seed", "width")
        rest = {
            f.name: value
            for f in dataclasses.fields(self)
            if f.name not in shown and (value := getattr(self, f.name)) != f.default
        }
        words = names.parse(self.images).words
        tail = "-" + hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:6] if rest else ""
        return f"{words}-{self.size}px-n{self.n}-{self.half}-seed{self.seed}-w{self.width}{tail}"


_RECIPES = {
    "smoke": Run(
        size=16, pool=1000, held_out=200, width=8, scales=2, images_seen=16_000, batch=64, warmup=50, average=0.99
    ),
    # test PSNR at sigma=.1 after 65,536 images of 18,000 avatars: 26.75 dB; at batch 128 with lr 3e-3 26.21, with 6e-3
    # 26.37, and with sigma = u 26.07: at so short a training, more steps are worth more than larger batches
    "laptop": Run(),
    # a tenth of the images that the paper's networks saw: about an hour a network on one current GPU
    "paper": Run(size=80, width=64, images_seen=25_000_000, batch=512, lr=1e-3, warmup=1000),
}
_SIZES = {
    ("avatars", "UNet"): {
        "smoke": (1, 10, 300),
        "laptop": (1, 10, 100, 1000, 10_000, 30_000),
        "paper": (1, 10, 100, 1000, 10_000, 30_000),
    },
    # the largest n is (about) what the pool gives
    ("photographs", "UNet"): {"smoke": (10, 100, 300), "laptop": (1, 10, 100, 1000, 4454), "paper": (1, 10, 100, 930)},
    ("avatars", "BFCNN"): {"smoke": (300,), "laptop": (100, 30_000), "paper": (100, 30_000)},
}
STUDIES = tuple(_SIZES)  # image set and network
_CONTROLS = {"smoke": (300,), "laptop": (100, 10_000), "paper": (100, 10_000)}
# how it differs from the table's largest pair
_FLAGSHIP = {"smoke": {"width": 12}, "laptop": {"width": 32, "images_seen": 4_000_000}, "paper": {}}
# a part of the laptop's table whose networks are not trained anew yet shows those of the first edition, as a whole
_FIRST_EDITION = {"optimizer": "adamw", "schedule": "cosine", "images_seen": 1_000_000}
_TRAINED_ANEW: frozenset[str] = frozenset()  # of: "avatars UNet" ..., "flagship", "controls", "others", "classes"
_OTHERS = dict.fromkeys(SCALES, ("BiasedUNet", "ConditionalUNet"))
_SHUFFLED = ("avatars-shuffled-2", "avatars-shuffled-4", "avatars-shuffled-8", "avatars-shuffled")
_SYNTHETIC = (
    *("c_alpha-1", "c_alpha-2", "c_alpha-3", "c_alpha-5", "c_alpha-3-1", "hoelder-1", "hoelder-2", "hoelder-4"),
    *("fields-2", "discs", "ray", "sines"),
)
_CLASSES = {  # half A of each; shuffled faces: as many and as often seen as the table's largest set, the others as here
    "smoke": ("c_alpha-1", "c_alpha-3", "hoelder-2", "fields-2", "discs", "ray", "sines", *_SHUFFLED[1::2]),
    "laptop": (*_SYNTHETIC, *_SHUFFLED),
    "paper": (*_SYNTHETIC, *_SHUFFLED),
}
_CLASSES_SIZE = {"smoke": {"n": 1000}, "laptop": {"n": 100_000}, "paper": {"n": 100_000}}
_CLASSES_BFCNN = {"smoke": ("discs",), "laptop": ("c_alpha-2", "discs"), "paper": ("c_alpha-2", "discs")}


def table(scale: str, images: str | None = None, network: str = "UNet") -> tuple[Run, ...]:
    """The runs of a scale, in the order in which they are trained: for each N, halves A and B.

    Args:
        scale: "smoke" (minutes, for tests), "laptop" (the shipped book), "paper" (80x80, width 64, for a GPU).
        images: one image set, "avatars" or "photographs" (default: everything, with `flagship`, `controls`, `others`
            and `classes`).
        network: "UNet", or of avatars "BFCNN".

    Returns:
        Runs.

    Raises:
        ValueError: for another name.
    """
    _require_scale(scale)
    if images is None:
        sets = [run for key in STUDIES for run in table(scale, *key)]
        return tuple(dict.fromkeys([*sets, *flagship(scale), *controls(scale), *others(scale), *classes(scale)]))
    if (images, network) not in _SIZES:
        known = ", ".join(" ".join(key) for key in _SIZES)
        raise ValueError(f'No table of "{images} {network}": expected one of {known}.')
    chosen = tuple(run for n in _SIZES[images, network][scale] for run in pair(scale, n, images, network=network))
    return _shown(scale, f"{images} {network}", chosen)


def _shown(scale: str, part: str, chosen: Iterable[Run]) -> tuple[Run, ...]:
    """The runs of a part of a table, or their predecessors."""
    if scale != "laptop" or part in _TRAINED_ANEW:
        return tuple(chosen)
    return tuple(dataclasses.replace(run, **_FIRST_EDITION) for run in chosen)


def flagship(scale: str) -> tuple[Run, Run]:
    """The pair whose faces are shown: the largest set of avatars, with wider networks where a scale has them.

    Args:
        scale: one of SCALES.

    Returns:
        Half A and half B.

    Raises:
        ValueError: for another scale.
    """
    widest = (dataclasses.replace(run, **_FLAGSHIP[scale]) for run in table(scale, "avatars")[-2:])
    if scale != "laptop" or "flagship" in _TRAINED_ANEW:
        return tuple(widest)
    return tuple(dataclasses.replace(run, **_FIRST_EDITION | _FLAGSHIP[scale]) for run in widest)


def controls(scale: str) -> tuple[Run, ...]:
    """What do data and seed each do? Avatars, the seeds of the halves exchanged: A with B's seed, B with A's.

    A of the table and this A differ in their seed alone; A of the table and this B in their data alone.

    Args:
        scale: one of SCALES.

    Returns:
        Runs.

    Raises:
        ValueError: for another scale.
    """
    _require_scale(scale)
    pairs = [pair(scale, n=n) for n in _CONTROLS[scale]]
    crossed = (dataclasses.replace(run, seed=other.seed) for a, b in pairs for run, other in ((a, b), (b, a)))
    return _shown(scale, "controls", crossed)


def others(scale: str) -> tuple[Run, ...]:
    """Is it the blindness, or the lack of biases? Half A of the largest set of avatars, with a UNet of another kind.

    Args:
        scale: one of SCALES.

    Returns:
        Runs.

    Raises:
        ValueError: for another scale.
    """
    a, _ = table(scale, "avatars")[-2:]
    return _shown(scale, "others", (dataclasses.replace(a, network=network) for network in _OTHERS[scale]))


def classes(scale: str) -> tuple[Run, ...]:
    """Images whose best denoiser is known, and faces with shuffled pixels: one network each, half A.

    Args:
        scale: one of SCALES.

    Returns:
        Runs.

    Raises:
        ValueError: for another scale.
    """
    _require_scale(scale)
    kinds = [*((name, "UNet") for name in _CLASSES[scale]), *((name, "BFCNN") for name in _CLASSES_BFCNN[scale])]
    chosen = (pair(scale, table(scale, "avatars")[-2].n, name, network=network)[0] for name, network in kinds)
    sized = (run if run.images in _SHUFFLED else dataclasses.replace(run, **_CLASSES_SIZE[scale]) for run in chosen)
    return _shown(scale, "classes", sized)


def _require_scale(scale: str) -> None:
    if scale not in SCALES:
        raise ValueError(f'Unknown scale "{scale}": expected one of {", ".join(SCALES)}.')


def pair(
    scale: str, n: int, images: str = "avatars", size: int | None = None, network: str = "UNet"
) -> tuple[Run, Run]:
    """The two runs of one set size, half A and half B, with a scale's recipe.

    They differ in data, initial weights and training noise. Memorizers end in float32.

    Args:
        scale: one of SCALES.
        n: images in each half.
        images: name understood by ghr.images.load.
        size: side in pixels (default: the scale's).
        network: key of NETWORKS.

    Returns:
        Half A and half B.

    Raises:
        ValueError: for another scale.
    """
    _require_scale(scale)
    recipe, images = _RECIPES[scale], names.parse(images).text
    pool = recipe.pool if images == recipe.images or images in _SHUFFLED else None
    tail = 0.1 if n <= 10 else 0.0
    seen = recipe.images_seen
    if scale == "laptop":  # memory sets in after some hundred views: large sets may be seen more often before it does
        seen = 2**19 if n <= 100 else 2**20 if n < 30_000 else 2**21
    common = dataclasses.replace(
        recipe,
        images_seen=seen,
        images=images,
        size=size or recipe.size,
        pool=pool,
        n=n,
        network=network,
        float32_tail=tail,
    )
    return dataclasses.replace(common, half="A", seed=0), dataclasses.replace(common, half="B", seed=1)


def data(run: Run) -> images.Halves:
    """Training images of both halves at this run's n, and its held-out images.

    Args:
        run: trained or not.

    Returns:
        Halves, as of `ghr.images.split`.
    """
    return images.split(run.images, run.size, run.n, run.held_out, run.pool)


def _trained_on(run: Run) -> str | None:
    """Digest of a run's training images as they are now; None for a set that is not here, or decided by its name."""
    if not archives.here(run.images):
        return None
    try:
        return images.digest(getattr(data(run), run.half.lower()))
    except ValueError:  # what is left of them does not make two halves
        return "none"


def network(run: Run) -> nn.Module:
    """The run's network with its initial weights.

    Args:
        run: trained or not.

    Returns:
        Network, in training mode.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        return NETWORKS[run.network](run)


def folder() -> Path:
    """Where checkpoints are.

    $GHR_CHECKPOINTS; else `checkpoints/` of the repository that we work in, or of the one that this package lies in;
    else the cache folder. So command and chapters find the same ones, also where the package was installed elsewhere.

    Returns:
        Folder, whether it exists or not.
    """
    if told := os.environ.get("GHR_CHECKPOINTS"):
        return Path(told).expanduser()
    here = Path.cwd()
    for place in (here, *here.parents, Path(__file__).parents[1]):
        if (place / "checkpoints").is_dir() and (place / "ghr" / "runs.py").is_file():
            return place / "checkpoints"
    return cache.folder() / "checkpoints"


def path(run: Run) -> Path:
    """The run's checkpoint, whether it exists or not.

    Args:
        run: trained or not.

    Returns:
        File.
    """
    return folder() / f"{run.name}.safetensors"


def load(run: Run, device: torch.device | str | None = None) -> nn.Module:
    """The trained denoiser of a run, in evaluation mode; images may be elsewhere, they are sent to it and back.

    Args:
        run: a trained one.
        device: where it computes, float32 without exception (default: CUDA when there is one, else the CPU).

    Returns:
        Denoiser.

    Raises:
        FileNotFoundError: when it has not been trained.
        ValueError: when its file is damaged or holds another run.
    """
    file = path(run)
    if not file.exists():
        raise FileNotFoundError(f"{file} does not exist: train it with `ghr train`, or ghr.runs.fit.")
    weights, _ = checkpoints.read(file, run, _trained_on(run))
    sys.audit("ghr.load", str(file))  # whoever wants to know which checkpoints are used can listen
    denoiser = network(run)
    denoiser.load_state_dict(weights)
    return lent(denoiser.eval(), _device(device))


def untrained(run: Run, x: Tensor, seed: int = 0) -> nn.Module:
    """The network of a run before its first step, in evaluation mode: only its normalization has seen noisy images.

    Args:
        run: what was to be trained.
        x: training images, of which 50 batches are shown.
        seed: of their noise.

    Returns:
        Denoiser.
    """
    denoiser, generator = lent(network(run).train(), _device(None)), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in x[: 50 * run.batch].split(run.batch):
            sigma = sample_sigma(len(part), run.sigma_law, generator)
            denoiser(add_noise(part, sigma, generator), sigma)
    return denoiser.eval()


def _device(device: torch.device | str | None) -> torch.device:
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cuda":  # unless told, torch lets convolutions of float32 round to TF32
        torch.backends.cudnn.allow_tf32 = False
    return device


def log(run: Run) -> dict[str, list]:
    """What was measured while the run was trained.

    Args:
        run: a trained one.

    Returns:
        Columns by name. images_seen, loss and seconds; train and test, the PSNR of the mean squared error, dB, one
        column for each of LOG_SIGMAS; copies, the share f_mem of samples that are copies of a training image (None at N
        = 1); pictures, PICTURES test images (or all of fewer) denoised from PICTURES_SIGMA above as many samples, a
        WebP file in base64.
    """
    return checkpoints.read(path(run), run)[1]


Tell = Callable[[int, dict[str, list]], None]  # is told the images seen and the log, after each step


@contextmanager
def bar(run: Run) -> Iterator[Tell]:
    """A progress bar of one run, for `fit`.

    Args:
        run: what is trained.

    Yields:
        What is told how far it is.
    """
    with tqdm(desc=run.name, total=run.steps * run.batch, unit="image", unit_scale=True) as shown:
        told: list[int] = []

        def tell(images_seen: int, entries: dict[str, list]) -> None:
            if entries["train"]:
                psnr = f"train {entries['train'][-1][1]:.1f} dB, test {entries['test'][-1][1]:.1f} dB"
                shown.set_postfix_str(psnr, refresh=False)
            if not told:  # where a resumed run begins counts for no speed
                shown.initial = shown.n = images_seen
                told.append(images_seen)
            shown.update(images_seen - shown.n)

        yield tell


def fit(
    run: Run,
    device: torch.device | str | None = None,
    progress: Callable[[Run], AbstractContextManager[Tell]] = bar,
) -> Path:
    """Train a run unless its checkpoint exists; interrupted at any moment, the next call goes on from the last minute.

    Args:
        run: what to train.
        device: default CUDA when there is one, else the CPU.
        progress: what shows how far it is.

    Returns:
        The checkpoint's path.

    Raises:
        FloatingPointError: on a non-finite loss (the last good state is kept).
        OSError: when a file cannot be written (the last good state is kept).
        ValueError: when a file is damaged or holds another run, or $GHR_SAVE_EVERY is no number of seconds.
    """
    try:
        save_every = float(os.environ.get("GHR_SAVE_EVERY") or SAVE_EVERY)
    except ValueError as error:
        raise ValueError(f"GHR_SAVE_EVERY is {os.environ['GHR_SAVE_EVERY']}: expected seconds, e.g. 60.") from error
    file = path(run)
    if file.exists():  # needs no folder that can be written
        checkpoints.read(file, run, _trained_on(run))
        return file
    # told now, not after hours of training
    cache.writable(file.parent, "checkpoint", "set GHR_CHECKPOINTS to a writable one")
    started = cache.writable(cache.folder() / "training") / file.name
    with FileLock(f"{started}.lock"):  # a second process waits here, then finds the work done
        if file.exists():
            checkpoints.read(file, run)
            return file
        for place in (file, started):
            for leftover in place.parent.glob(f"{glob.escape(place.name)}.*.partial"):  # of a process that was killed
                leftover.unlink(missing_ok=True)
        a, b, held_out = data(run)
        x = a if run.half == "A" else b
        digest = images.digest(x)
        compared = None if names.parse(run.images).source == "formula" else digest  # formulas are exact up to rounding
        if started.exists():
            resume, entries = checkpoints.read(started, run, compared)
        else:
            resume, entries = _trunk(run, compared) or (None, _EMPTY_LOG)
        # a state saved by an earlier version of the log lacks its newer columns
        known = len(entries["images_seen"])
        entries = {name: list(entries.get(name, [None] * known)) for name in _EMPTY_LOG}
        device = _device(device)
        x, held_out = x.to(device), held_out.to(device)
        training = train(
            network(run),
            x,
            steps=run.steps,
            seed=run.seed,
            batch=run.batch,
            optimizer=run.optimizer,
            schedule=run.schedule,
            lr=run.lr,
            muon_lr=run.muon_lr,
            warmup=run.warmup,
            sigma_law=run.sigma_law,
            loss_weight=run.loss_weight,
            average=run.average,
            float32_tail=run.float32_tail,
            compiled=run.steps >= 2000 and shutil.which(os.environ.get("CXX", "c++")) is not None,
            parts=_parts(run, x) if device.type == "cuda" else 1,
            resume=resume,
        )
        begun = time.monotonic() - (entries["seconds"][-1] if entries["seconds"] else 0)
        saved = time.monotonic()
        start = sampling.gaussian_start(held_out, LOG_SEEDS)
        with progress(run) as tell, _asked_to_stop() as asked:
            tell(int(resume["step"]) * run.batch if resume else 0, entries)
            for step in training:
                if (step.images_seen >= 1024 and _noted(run, step.step)) or step.step == run.steps:
                    _note(entries, step, x, held_out, start, seconds=time.monotonic() - begun)
                if step.step == _fork(run):
                    checkpoints.write(
                        _trunk_file(run, step.step), step.state(), _trunk_run(run, step.step), entries, digest
                    )
                tell(step.images_seen, entries)
                if step.step < run.steps and (asked or time.monotonic() - saved > save_every):
                    checkpoints.write(started, step.state(), run, entries, digest)
                    saved = time.monotonic()
                if asked:
                    raise asked[0]
        weights = {
            name: value.half() if value.ndim > 1 else value  # gains and running deviations stay float32: they are few
            for name, value in step.denoiser.state_dict().items()
        }
        checkpoints.write(file, weights, run, entries, digest)
        started.unlink(missing_ok=True)
    return file


@contextmanager
def _asked_to_stop() -> Iterator[list[BaseException]]:
    """What a first Ctrl-C or SIGTERM asks for: its caller raises it between two steps; a second one is obeyed at once.

    In a thread other than the main one signals are not ours.
    """
    asked: list[BaseException] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number, frame):
        asked.append(KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number))
        signal.signal(number, before[number])

    heard = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    try:
        for number in heard:
            signal.signal(number, note)
        yield asked
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _parts(run: Run, x: Tensor) -> int:
    """In how many parts a batch must pass so that its device's memory holds it: one step is tried, and forgotten."""
    parts = 1
    while True:
        try:
            # a tail in float32 keeps about twice as much
            bf16 = False if run.float32_tail else None
            next(train(network(run), x, steps=1, seed=run.seed, batch=run.batch, bf16=bf16, parts=parts))
        except torch.OutOfMemoryError:
            if parts >= run.batch:
                raise
            parts *= 2
        else:
            break
    torch.cuda.empty_cache()  # training computes in another stream, which does not see what this one keeps
    if parts > 1:
        cache.warn(
            f"{run.name}: the device's memory does not hold a batch of {run.batch} images. It passes in {parts} parts, "
            "each with a normalization of its own, so the weights will not be those of a larger device."
        )
    return parts


_EMPTY_LOG: dict[str, list] = {
    name: [] for name in ("images_seen", "loss", "seconds", "train", "test", "copies", "pictures")
}


def _note(entries: dict[str, list], step, x: Tensor, held_out: Tensor, start: Tensor, seconds: float) -> None:
    entries["images_seen"].append(step.images_seen)
    entries["loss"].append(step.loss)
    entries["seconds"].append(round(seconds, 1))
    for name, clean in (("train", x), ("test", held_out)):
        errors = [denoising_mse(step.denoiser, clean[:256], sigma).mean().item() for sigma in LOG_SIGMAS]
        entries[name].append([round(-10 * math.log10(error), 3) for error in errors])
    samples = sampling.last(sampling.sample(step.denoiser, start, steps=20))
    copies = (similarity.distance_ratio(samples, x) < 1 / 3).float().mean().item() if len(x) > 1 else None
    entries["copies"].append(copies)
    y = add_noise(held_out[:PICTURES], PICTURES_SIGMA, torch.Generator(held_out.device).manual_seed(0))
    entries["pictures"].append(_picture(torch.cat([denoise(step.denoiser, y, PICTURES_SIGMA), samples[: len(y)]])))


def _picture(images: Tensor) -> str:
    """Grey images in two rows as one WebP file, in base64: about two kilobytes for eight of 32x32."""
    pixels = (images[:, 0].float().clamp(0, 1) * 255).round().byte().cpu()
    rows = torch.cat([torch.cat(list(row), 1) for row in pixels.chunk(2)])
    file = io.BytesIO()
    Image.fromarray(rows.numpy()).save(file, "WebP", quality=80)
    return base64.b64encode(file.getvalue()).decode()


def _noted(run: Run, step: int) -> bool:
    """Whether the log has a step: powers of two; at a constant rate, where times are read, of two's fourth root."""
    fine = 4 if run.schedule in ("constant", "trapezoid") else 1
    return math.floor(fine * math.log2(step)) > (math.floor(fine * math.log2(step - 1)) if step > 1 else -1)


# A trunk at a constant rate, from which runs branch off: the same steps are not made twice --------------------------


def _fork(run: Run) -> int:
    """Steps of a run that are those of a constant rate, whatever comes after; 0 where none are shared."""
    if run.float32_tail or run.schedule not in ("constant", "trapezoid"):
        return 0
    return run.steps if run.schedule == "constant" else math.floor((1 - DECAY) * run.steps)


def _trunk_run(run: Run, step: int) -> Run:
    return dataclasses.replace(run, schedule="constant", images_seen=step * run.batch)


def _trunk_file(run: Run, step: int | str) -> Path:
    trunk = dataclasses.replace(run, schedule="constant", images_seen=Run.images_seen)
    return cache.folder() / "training" / f"{trunk.name}-after-{step}.safetensors"


def _trunk(run: Run, digest: str | None = None) -> tuple[dict[str, Tensor], dict[str, list]] | None:
    """State and log of the longest saved trunk that a run shares, which must have the digest of its images."""
    if not (fork := _fork(run)):
        return None
    pattern = _trunk_file(run, "*")
    known = [int(file.stem.rpartition("-")[2]) for file in pattern.parent.glob(pattern.name)]
    shared = [step for step in known if step <= fork and step < run.steps]
    if not shared:
        return None
    step = max(shared)
    return checkpoints.read(_trunk_file(run, step), _trunk_run(run, step), digest)
