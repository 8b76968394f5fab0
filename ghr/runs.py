"""Runs: a run enters, its checkpoint is found or trained, a denoiser leaves. Weights are kept in fp16."""

import base64
import dataclasses
import glob
import io
import math
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import torch
from filelock import FileLock
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn
from tqdm.auto import tqdm

from ghr import images, sampling, similarity
from ghr.denoiser import denoise
from ghr.files import cache, checkpoints
from ghr.images import archives, names
from ghr.networks import lent
from ghr.noise import add_noise, denoising_mse, sample_sigma
from ghr.recipes import NETWORKS, Run
from ghr.training import DECAY, train

LOG_SIGMAS = (0.05, 0.1, 0.2, 0.5)  #: noise levels of the training log, image units
LOG_SEEDS = range(64)  #: samples of the training log
PICTURES, PICTURES_SIGMA = 4, 0.3  # test images shown by the training log, and their noise level, image units
SAVE_EVERY = 60  #: seconds between two saved training states, unless $GHR_SAVE_EVERY says otherwise


def data(run: Run) -> images.Halves:
    """Training images of both halves at this run's n, and its held-out images.

    Args:
        run: trained or not.

    Returns:
        Halves, as of `ghr.images.split`.
    """
    return images.split(run.images, run.size, run.n, run.held_out, run.pool)


def training(run: Run) -> Float[Tensor, "n c h w"]:
    """The images that a run is trained on: of sets by formula, no others are drawn.

    Args:
        run: trained or not.

    Returns:
        Its half, as of `ghr.images.split`.
    """
    return images.half(run.images, run.size, run.n, run.half, run.held_out, run.pool)


def held_out(run: Run) -> Float[Tensor, "m c h w"]:
    """The test images of a run: of sets by formula, no others are drawn.

    Args:
        run: trained or not.

    Returns:
        Test images, as of `ghr.images.split`.
    """
    return images.held_out(run.images, run.size, run.n, run.held_out, run.pool)


def _trained_on(run: Run) -> str | None:
    """Digest of a run's training images as they are now; None for a set that is not here, or decided by its name."""
    if not archives.here(run.images):
        return None
    try:
        return images.digest(training(run))
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
    return ready(denoiser, device)


def ready(denoiser: nn.Module, device: torch.device | str | None = None) -> nn.Module:
    """A network as measurements want it: in evaluation mode, where there is most to compute with.

    Args:
        denoiser: moved in place.
        device: where it computes, float32 without exception (default: CUDA when there is one, else the CPU).

    Returns:
        The denoiser; images may be elsewhere, they are sent to it and back.
    """
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


Tell = Callable[[int, dict[str, list]], None]  #: is told the images seen and the log, after each step


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
        x, test = training(run), held_out(run)
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
        x, test = x.to(device), test.to(device)
        steps = train(
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
        start = sampling.gaussian_start(test, LOG_SEEDS)
        with progress(run) as tell, _asked_to_stop() as asked, _tiny_numbers_as_zero():
            tell(int(resume["step"]) * run.batch if resume else 0, entries)
            for step in steps:
                if (step.images_seen >= 1024 and _noted(run, step.step)) or step.step == run.steps:
                    _note(entries, step, x, test, start, seconds=time.monotonic() - begun)
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
def _tiny_numbers_as_zero() -> Iterator[None]:
    """Below 1e-38, where gradients of a memorizer end, a CPU computes several times as slowly."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


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
    count = min(PICTURES, len(held_out), len(samples))
    y = add_noise(held_out[:count], PICTURES_SIGMA, torch.Generator(held_out.device).manual_seed(0))
    entries["pictures"].append(_picture(torch.cat([denoise(step.denoiser, y, PICTURES_SIGMA), samples[:count]])))


def _picture(images: Tensor) -> str:
    """Images in two rows as one WebP file, in base64: about two kilobytes for eight grey ones of 32x32."""
    pixels = (images.float().clamp(0, 1) * 255).round().byte().cpu().permute(0, 2, 3, 1)
    rows = torch.cat([torch.cat(list(row), 1) for row in pixels.chunk(2)])
    file = io.BytesIO()
    Image.fromarray(rows.numpy().squeeze(-1) if rows.shape[-1] == 1 else rows.numpy()).save(file, "WebP", quality=80)
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
