"""Speed and memory, against the published recipe written plainly (`plain.py`); the book shows what this writes.

python benchmarks/run.py [--only step32 discs] [--repeats 4] [--output benchmarks/results.json] [--tiny] [--device cuda]

Each pair first checks that both ways agree. Then both are called in turn, each first as often as second, after one
untimed call; the pair on time to a PSNR and the growth of leading pairs run once. Run it on idle cores: whatever else
runs is timed too. On a GPU only training steps are timed, the paper's own among them.
"""

import argparse
import collections
import copy
import datetime
import functools
import itertools
import json
import math
import multiprocessing
import os
import platform
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import plain
import torch
from PIL import Image
from torch import nn

from ghr import costs, images, jacobian, noise, recipes, runs, sampling, training
from ghr.book import speed
from ghr.book.press import environment
from ghr.files.cache import write_whole
from ghr.images import archives, pools, synthetic
from ghr.networks import UNet

COMPILER = shutil.which(os.environ.get("CXX", "c++")) is not None
BOOKS = {  # the recipe of the book's networks, as `training.train` takes it
    name: getattr(recipes.pair("laptop", 1000)[0], name)
    for name in ("batch", "optimizer", "schedule", "lr", "muon_lr", "warmup", "sigma_law", "loss_weight", "average")
}
DEVICE = torch.device("cpu")  # of training steps; --device chooses another
PAIRS_WANTED = 50  # leading eigenpairs


@dataclass
class Pair:
    """Two ways to one result."""

    title: str
    plain: Callable[[], object]
    ours: Callable[[], object]
    check: Callable[[], str]  # raises AssertionError where the two disagree; else says how they agree
    aim: float | None = None  # wanted: seconds of the plain way over ours
    part: Callable[[], object] | None = None  # what is profiled where the aim is missed (default: ours)
    rates: Callable[[float], dict] | None = None  # from the median seconds of ours
    once: bool = False  # too long to be called more than once, or before the clock runs


def photographs(size, n=1):
    return images.split("photographs", size, n).a


def noisy(size):
    clean = images.split("photographs", size, 1).held_out[:1]
    return noise.add_noise(clean, 0.1, torch.Generator().manual_seed(0))


@functools.cache
def denoiser():
    return runs.load(recipes.table("laptop", "photographs")[-2])


@functools.cache
def plain_denoiser():
    return copy.deepcopy(denoiser()).to(memory_format=torch.contiguous_format)


# Training ---------------------------------------------------------------------------------------------------------


def step(size, width, batch, seeds, steps):
    """One optimizer step. Trained for as many images from as many seeds, both must reach the same test PSNR."""
    x, held_out = photographs(size, 100), images.split("photographs", size, 100, 256).held_out.to(DEVICE)
    torch.manual_seed(0)
    network = UNet(width=width)

    def steps_of_theirs(network):
        """Its images are on the CPU: a DataLoader brings them."""
        return plain.train(copy.deepcopy(network).to(DEVICE), x, batch)

    def steps_of_ours(network, seed=0):
        """The paper's noise law, loss and rate, as the plain way has them; the schedule's fall is far off."""
        return training.train(network, x.to(DEVICE), steps=100_000, seed=seed, batch=batch, compiled=COMPILER)

    def reached(seed):
        torch.manual_seed(seed)
        start = UNet(width=width)
        *_, trained = itertools.islice(steps_of_theirs(start), steps)
        *_, last = itertools.islice(steps_of_ours(start, seed), steps)
        return [psnr(f, held_out) for f in (trained, last.denoiser)]

    def check():
        both = list(zip(*map(reached, range(seeds)), strict=True))
        (a, b), noise_of_both = map(statistics.mean, both), sum(map(statistics.variance, both)) / seeds
        said = f"After {steps * batch:,} images each, {seeds} seeds: test PSNR {a:.2f} and {b:.2f} dB (σ = .1)"
        assert abs(a - b) <= 4 * noise_of_both**0.5, said
        return f"{said}, standard error of the difference {noise_of_both**0.5:.2f} dB."

    begun = time.perf_counter()
    ours = steps_of_ours(network)
    next(ours)
    compiling = time.perf_counter() - begun
    for _ in range(3 if DEVICE.type == "cuda" else 0):  # the third is recorded
        next(ours)

    def rates(seconds):
        work = batch * costs.flops(network, size, size, training=True)
        alone = convolutions(network, size, batch)
        return {
            "images_per_second": batch / seconds,
            "flop_per_second": work / seconds,
            "convolutions_flop_per_second": work / alone,
            "convolutions_share": alone / seconds,
            "aim": 0.5,
            "compile_seconds": max(0, compiling - seconds),
        }

    theirs = steps_of_theirs(network)
    title = f"training step, {size}x{size}, width {width}, batch {batch}"
    aim = 5 if training.bf16_helps(DEVICE) else 2
    return Pair(title, lambda: next(theirs), lambda: next(ours), check, aim, rates=rates)


def convolutions(network, size, batch):
    """Seconds of the convolutions of a step alone, forward and backward, in the layout and precision of training."""
    layout, dtype = torch.channels_last, torch.bfloat16 if training.bf16_helps(DEVICE) else torch.float32
    network = copy.deepcopy(network).to(DEVICE, dtype, memory_format=layout)
    shapes = []

    def note(layer, inputs, output):
        shapes.append((layer, inputs[0].shape[1:], output.shape[1:]))

    kinds = nn.Conv2d | nn.ConvTranspose2d
    handles = [layer.register_forward_hook(note) for layer in network.modules() if isinstance(layer, kinds)]
    with torch.no_grad():
        network(torch.rand(1, 1, size, size, device=DEVICE, dtype=dtype))
    for handle in handles:
        handle.remove()

    def some(shape):
        return torch.rand(batch, *shape, device=DEVICE, dtype=dtype).contiguous(memory_format=layout)

    work = [(layer, some(a).requires_grad_(k > 0), some(b)) for k, (layer, a, b) in enumerate(shapes)]

    def all_of_them():
        for layer, x, gradient in work:
            torch.autograd.grad(layer(x), [layer.weight, x][: 1 + x.requires_grad], gradient)

    # on a GPU recorded too, else the time of asking for them is what is measured
    call = training._Recorded(all_of_them) if DEVICE.type == "cuda" else all_of_them
    for _ in range(3):
        call()
    return statistics.median(seconds(call) for _ in range(3))


def psnr(network, x):
    """PSNR of the mean squared error at sigma = .1, dB."""
    mode = network.training
    network.eval()
    error = noise.denoising_mse(network, x, 0.1).mean().item()
    network.train(mode)
    return -10 * math.log10(error)


def to_psnr(wanted, n, most, schedule, look):
    """Until the test PSNR is reached; both look at it after as many images.  schedule: images after which ours ends."""
    parts = images.split("photographs", 32, n, 256)

    def until(walk):
        for network, images_seen in walk:
            if images_seen % look == 0 and psnr(network, parts.held_out) >= wanted:
                return images_seen
            if images_seen >= most:
                raise RuntimeError(f"{wanted} dB were not reached after {images_seen} images.")
        raise RuntimeError(f"{wanted} dB were not reached.")

    def theirs():
        torch.manual_seed(0)
        return until((network, 512 * k) for k, network in enumerate(plain.train(UNet(width=16), parts.a), 1))

    def steps_of_ours():
        torch.manual_seed(0)
        short = dict(warmup=25, average=0.99)  # of a schedule some hundred steps long
        return training.train(UNet(width=16), parts.a, steps=schedule // BOOKS["batch"], seed=0, **BOOKS | short)

    def ours():
        return until((state.denoiser, state.images_seen) for state in steps_of_ours())

    title = f"time to a test PSNR of {wanted} dB (σ = .1), 32x32, width 16"
    said = f"Both look every {look:,} images at 256 held-out patches, and stop when these reach it; none is compiled."
    return Pair(title, theirs, ours, lambda: said, 30, part=lambda: [*itertools.islice(steps_of_ours(), 20)], once=True)


def muon(size, width, steps):
    """A step of the book's recipe against one of the same with AdamW, which must learn less from as many images."""
    parts = images.split("photographs", size, 100 if size < 32 else 4454, 256)
    torch.manual_seed(0)
    network = UNet(width=width)

    def steps_of(optimizer, steps=100_000, **options):
        recipe = BOOKS | {"optimizer": optimizer} | options
        return training.train(network, parts.a.to(DEVICE), steps=steps, seed=0, compiled=COMPILER, **recipe)

    def check():
        short = dict(warmup=steps // 10, average=0.99)
        a, b = (psnr([*steps_of(name, steps, **short)][-1].denoiser, parts.held_out) for name in ("adamw", "muon"))
        said = (
            f"After {steps * BOOKS['batch']:,} images: test PSNR {a:.2f} dB with AdamW, {b:.2f} dB with Muon (σ = .1)"
        )
        assert b > a, said
        return f"{said}."

    theirs, ours = (steps_of(name) for name in ("adamw", "muon"))
    for _ in range(3):  # compiled, and on a GPU recorded
        next(theirs), next(ours)
    title = f"training step with Muon, {size}x{size}, width {width}, batch {BOOKS['batch']}: with AdamW, with Muon"
    return Pair(title, lambda: next(theirs), lambda: next(ours), check, 1 / 1.1)


# Jacobians --------------------------------------------------------------------------------------------------------


def whole_jacobian(size):
    y = noisy(size)

    def check():
        off = (theirs() - ours()).abs().max().item()
        assert off < 1e-3, f"entries differ by up to {off}"
        return f"Their entries agree to {off:.1g}."

    theirs, ours = (lambda: plain.jacobian(plain_denoiser(), y)), (lambda: jacobian.jacobian(denoiser(), y))
    return Pair(f"whole Jacobian, {size}x{size}", theirs, ours, check, 4)


WAYS = {
    "whole Jacobian, plainly": lambda y, k: plain.leading(plain_denoiser(), y, k),
    "ours, by products": lambda y, k: jacobian.leading(denoiser(), y, k).eigenvalues,
}


def growth(tiny):
    """Seconds and memory of the leading eigenpairs at growing sizes, each in a process of its own."""
    sizes = ([16, 24], [16, 24]) if tiny else ([16, 24, 32], [16, 32, 48, 64, 80])
    k = 5 if tiny else PAIRS_WANTED
    a, b = (way(noisy(16), k) for way in WAYS.values())
    torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)
    found = {}
    for name, sizes_of_way in zip(WAYS, sizes, strict=True):
        both = []
        for size in sizes_of_way:
            with multiprocessing.get_context("spawn").Pool(1) as process:
                both.append(process.apply(once, (name, size, k)))
        found[name] = {"sizes": sizes_of_way, "seconds": [s for s, _ in both], "MiB": [m for _, m in both]}
    return found


def once(name, size, k):
    """Seconds and peak memory of one call: MiB above those held before it."""
    WAYS[name](noisy(16), 2)  # everything is loaded and has run once
    y = noisy(size)
    held = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    took = seconds(lambda: WAYS[name](y, k))
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return took, (int(peak.split()[1]) * 1024 - held) / 2**20


# Samples and images ------------------------------------------------------------------------------------------------


def starts(n):
    held_out = images.split("photographs", 32, 1).held_out
    return held_out, range(n), sampling.gaussian_start(held_out, range(n), covariance=False)


def algorithm_1(n):
    """The same algorithm, constants and noise: all images at once against one after the other."""
    _, seeds, y = starts(n)
    theirs = functools.partial(plain.sample, plain_denoiser(), y, seeds)
    walk = functools.partial(sampling.sample_stochastic, denoiser(), y, seeds, sigma_end=0.05)

    def check():
        off = (theirs() - sampling.last(walk())).abs().max().item()
        assert off < 1e-2, f"samples differ by up to {off}"
        return f"The same images from the same noise, to {off:.1g}."

    title = f"{n} samples by Algorithm 1, 32x32: one after the other, all at once"
    return Pair(title, theirs, lambda: sampling.last(walk()), check, 10)


def heun(n):
    """As the book draws them: another sampler, which must leave no less detail."""
    held_out, seeds, y = starts(n)
    start = sampling.gaussian_start(held_out, seeds)
    theirs = functools.partial(plain.sample, plain_denoiser(), y, seeds)

    def ours():
        return sampling.last(sampling.sample(denoiser(), start))

    def check():
        a, b = (energy(x) / energy(held_out) for x in (theirs(), ours()))
        said = f"Other images, by another sampler; gradient energy over that of held-out patches: {a:.2f} and {b:.2f}"
        assert b >= a, said
        return f"{said}."

    return Pair(f"{n} samples as the book draws them (Heun, 20 steps), 32x32", theirs, ours, check)


def energy(x):
    return (x.diff(dim=-1).square().mean() + x.diff(dim=-2).square().mean()).item()


def c_alpha(n, size):
    def seeded(function, n, seed):
        return function(n, size, 2.0, generator=torch.Generator().manual_seed(seed))

    def check():
        for seed in range(20):  # a set of one image draws its numbers in the same order both ways
            a, b = (seeded(function, 1, seed) for function in (plain.c_alpha, synthetic.c_alpha))
            torch.testing.assert_close(a, b, rtol=0, atol=1e-3)
        return "20 images from the same seeds agree to .001."

    theirs, ours = (functools.partial(seeded, f, n, 0) for f in (plain.c_alpha, synthetic.c_alpha))
    return Pair(f"{n:,} C^alpha images, {size}x{size}", theirs, ours, check, 8)


def discs(n, size):
    parameters = synthetic.disc_parameters(n, size, torch.Generator().manual_seed(0))

    def check():
        off = (plain.discs(parameters[:, :20], size) - synthetic.draw_discs(parameters[:, :20], size)).abs()
        said = f"Of the same discs, pixels differ by {off.mean():.4f} in the mean and {off.max():.2f} at most (edges)."
        # anti-aliasing rules differ: a coverage by at most an eighth, a grey value by rounding
        assert off.max() < 1 / 8 + 1 / 255, said
        return said

    theirs, ours = (functools.partial(draw, parameters, size) for draw in (plain.discs, synthetic.draw_discs))
    return Pair(f"{n:,} discs, {size}x{size}: a plotting library, a formula", theirs, ours, check, 100)


def image_set(n, size, folder):
    """JPEG files of the size of CelebA's (patches of photographs, enlarged), made small and distinct."""
    files = folder / "files"
    files.mkdir()
    for k, patch in enumerate(photographs(32, n)[:, 0]):
        colours = Image.fromarray((255 * patch).byte().numpy()).resize((178, 218)).convert("RGB")
        colours.save(files / f"{k:05d}.jpg")
    name = f"folder:{files}"
    with archives.find(name).open() as (names, _):
        order = [files / name for name in names]
    count = itertools.count()

    def ours():
        with environment(GHR_CACHE=str(folder / f"cache-{next(count)}")):  # an empty one: nothing is found made
            return pools.pool(name, size)[:]

    def check():
        a, b = plain.read(order, size), ours()
        assert a.shape == b.shape, f"{len(a)} and {len(b)} images are kept"
        assert (abs(a.astype(int) - b.astype(int)) <= 1).all(), "grey values differ"
        return f"Both keep the same {len(a):,} images, grey values alike to 1/255."

    return Pair(f"image set of {n:,} files, {size}x{size}", lambda: plain.read(order, size), ours, check)


PAIRS: dict[str, Callable[[bool, Path], Pair]] = {
    "step32": lambda tiny, _: step(*((16, 4, 8, 2, 3) if tiny else (32, 16, 128, 3, 16))),
    "step80": lambda tiny, _: step(*((24, 4, 4, 2, 3) if tiny else (80, 64, 16, 2, 3))),
    "muon": lambda tiny, _: muon(*((16, 4, 60) if tiny else (32, 16, 512))),
    "psnr": lambda tiny, _: to_psnr(*((15.0, 50, 16_384, 16_384, 512) if tiny else (23.5, 4454, 65_536, 16_384, 1024))),
    "psnr25": lambda tiny, _: to_psnr(
        *((16.0, 50, 16_384, 16_384, 512) if tiny else (25.0, 4454, 262_144, 16_384, 1024))
    ),
    "jacobian": lambda tiny, _: whole_jacobian(8 if tiny else 32),
    "algorithm1": lambda tiny, _: algorithm_1(2 if tiny else 64),
    "heun": lambda tiny, _: heun(2 if tiny else 64),
    "c_alpha": lambda tiny, _: c_alpha(*((5, 16) if tiny else (1000, 80))),
    "discs": lambda tiny, _: discs(*((5, 32) if tiny else (300, 80))),
    "images": lambda tiny, folder: image_set(*((6, 32) if tiny else (1000, 80)), folder),
}
PAIRS_ON_GPU = {
    **{name: PAIRS[name] for name in ("step32", "step80", "muon")},
    "step80-512": lambda tiny, _: step(*((24, 4, 8, 2, 3) if tiny else (80, 64, 512, 2, 3))),
}


def seconds(function):
    start = time.perf_counter()
    function()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def profile(function):
    """The operations that take most of the time, with their shares of it."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        function()
    took = collections.Counter()
    for event in seen.key_averages():
        # what was compiled has a hash for a name
        name = "compiled code" if "CompiledFxGraph" in event.key else event.key.removeprefix("aten::")
        took[name] += event.self_cpu_time_total
    most = sorted(took, key=took.get, reverse=True)[:4]
    return ", ".join(f"{name} ({took[name] / sum(took.values()):.0%})" for name in most)


def timed(pair, repeats):
    """What a pair gives, as it is written: both in turn, each first as often as second."""
    said = pair.check()
    both = {"plain": pair.plain, "ours": pair.ours}
    for function in [] if pair.once else both.values():
        function()
    took = {name: [] for name in both}
    for k in range(1 if pair.once else repeats):
        for name in list(both)[:: 1 if k % 2 else -1]:
            took[name].append(seconds(both[name]))
    medians = {name: statistics.median(values) for name, values in took.items()}
    ratio = medians["plain"] / medians["ours"]
    rates = pair.rates(medians["ours"]) if pair.rates else None
    verdict = speed.verdict(ratio, pair.aim)
    why = ""
    if verdict == "missed":
        why = f"Convolutions alone take {rates['convolutions_share']:.0%} of our step." if rates else ""
        why = why or f"Profiled, ours spends its time on {profile(pair.part or pair.ours)}."
    return {
        "title": pair.title,
        **took,
        "medians": medians,
        "ratio": ratio,
        "aim": pair.aim,
        "verdict": verdict,
        "check": said,
        "why": why,
        "rates": rates,
    }


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    card = {"GPU": torch.cuda.get_device_name()} if DEVICE.type == "cuda" else {}
    return card | {
        "processor": next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine()),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16": "used" if training.bf16_helps(DEVICE) else "not used",
        "compiler": "used" if COMPILER else "none",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "Python": platform.python_version(),
    }


def main(arguments=None):
    global DEVICE
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of training steps")
    names = dict.fromkeys([*PAIRS, *PAIRS_ON_GPU, "growth"])
    parser.add_argument("--only", nargs="+", choices=list(names), help="pairs to time (default: all of the device)")
    parser.add_argument("--repeats", type=int, default=4, help="an even number")
    parser.add_argument("--output", type=Path, help="other pairs in this file stay")
    parser.add_argument("--tiny", action="store_true", help="does it run? The numbers mean nothing; needs --output")
    chosen = parser.parse_args(arguments)
    DEVICE = torch.device(chosen.device)
    if DEVICE.type == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no GPU here")
    pairs = PAIRS_ON_GPU if DEVICE.type == "cuda" else PAIRS
    every = [*pairs, *(["growth"] if pairs is PAIRS else [])]
    chosen.only = chosen.only or every
    if strange := [name for name in chosen.only if name not in every]:
        known = ", ".join(every)
        parser.error(f"{', '.join(strange)} cannot be timed with --device {chosen.device}: choose from {known}")
    usual = speed.RESULTS_ON_GPU if DEVICE.type == "cuda" else speed.RESULTS
    chosen.output = chosen.output or usual
    if chosen.repeats < 2 or chosen.repeats % 2:
        parser.error(f"--repeats is {chosen.repeats}: an even number is needed, each way is first as often as second")
    if chosen.tiny and chosen.output == usual:
        parser.error(f"--tiny would put numbers that mean nothing into {usual}: give another --output")
    found = {"machine": machine(), "date": "", "pairs": {}, "growth": None}
    before = speed.results(chosen.output)
    if before and before["machine"] == found["machine"]:
        found = before
    elif before and set(chosen.only) != set(every):
        parser.error(f"{chosen.output} was timed on another machine: time all pairs, or give another --output")
    found["date"] = datetime.date.today().isoformat()
    for name in chosen.only:
        start = time.perf_counter()
        if name == "growth":
            found["growth"] = growth(chosen.tiny)
            powers = (f"{w}: d^{speed.exponent(g['sizes'], g['seconds']):.2f}" for w, g in found["growth"].items())
            said = ", ".join(powers)
        else:
            with tempfile.TemporaryDirectory() as folder:
                pair = timed(pairs[name](chosen.tiny, Path(folder)), chosen.repeats)
            all_pairs = found["pairs"] | {name: pair}
            found["pairs"] = {n: all_pairs[n] for n in pairs if n in all_pairs}
            said = f"{pair['title']}: {pair['ratio']:.1f} times {pair['verdict']}"
        # after each, so that what was timed stays when the rest is interrupted
        write_whole(chosen.output, (json.dumps(found, indent=1) + "\n").encode())
        print(f"{said} ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
