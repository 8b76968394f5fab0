"""What a network costs: a network and a size enter; floating point operations, bytes and projected hours leave.

Also the tables of the page on speed and cost: what `benchmarks/results.json` says was timed, and what follows for the
runs of the paper's scale on the GPU of `benchmarks/results-gpu.json`.
"""

import copy
import json
import math
import statistics
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ghr import runs
from ghr.denoiser import call
from ghr.ledger import Table

RESULTS = Path("benchmarks/results.json")  # written by `make bench`, below the top of the repository
RESULTS_ON_GPU = Path("benchmarks/results-gpu.json")  # the same, of training steps on a GPU
PAPERS_STEP = "step80-512"  # the pair of RESULTS_ON_GPU whose network, size and batch are the paper's


def flops(network: nn.Module, h: int, w: int, training: bool = False) -> int:
    """Floating point operations of one image: those of convolutions and products of matrices.

    A multiplication and an addition count 2. The network runs without numbers (torch's device "meta"); what it would
    multiply is counted, the gradient of the image aside, which nobody asks for.

    Args:
        network: denoiser of any kind; grey images, or as many channels as its attribute `channels` says.
        h: height of the image, pixels.
        w: width of the image, pixels.
        training: forward and backward.

    Returns:
        Operations.
    """
    network = copy.deepcopy(network).to("meta").eval()
    y = torch.empty(1, getattr(network, "channels", 1), h, w, device="meta")
    with torch.set_grad_enabled(training), FlopCounterMode(display=False) as counter:
        x_hat = call(network, y, 1.0)
        if training:
            x_hat.square().mean().backward()
    return counter.get_total_flops()


def training_memory(network: nn.Module, h: int, w: int) -> tuple[int, int]:
    """Bytes that a training step in float32 holds: what an image keeps for the backward pass, what there is once.

    The first is counted: the step runs without numbers (torch's device "meta"), and what autograd keeps is added up.
    The buffers of single operations come on top. The second is weights, gradients, two moments and the weight average.

    Args:
        network: denoiser of grey images.
        h: height of the image, pixels.
        w: width of the image, pixels.

    Returns:
        Bytes per image, bytes per network.
    """
    network = copy.deepcopy(network).to("meta").train()
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage  # two views of one storage hold it once
        return tensor

    def step(images: int) -> int:
        kept.clear()
        clean = torch.empty(images, 1, h, w, device="meta")
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            x_hat = call(network, clean, clean[:, :, :1, :1])
            (x_hat - clean).square().mean()
        return sum(storage.nbytes() for storage in kept.values())

    weights = sum(4 * weights.numel() for weights in network.parameters())
    return step(2) - step(1), 5 * weights  # the difference: weights and gains are kept too, once


def _unfilled(run: runs.Run) -> nn.Module:
    """The network of a run without numbers: only its shapes count here."""
    with torch.device("meta"):
        return runs.network(run)


def networks_table() -> Table:
    """What an image costs: operations and memory of the networks of each scale, those of the controls aside."""
    rows = []
    for scale in runs.SCALES:
        kinds = {(run.network, run.size, run.width, run.scales): run for run in runs.table(scale)}
        for name, size, width, scales in sorted(kinds, reverse=True):
            if name not in ("UNet", "BFCNN"):
                continue
            run = kinds[name, size, width, scales]
            network = _unfilled(run)
            image, once = training_memory(network, size, size)
            rows.append(
                (
                    f"{scale}: {name} of width {width}" + (f", {scales} scales" if name == "UNet" else ""),
                    f"{size}x{size}",
                    f"{sum(weights.numel() for weights in network.parameters()):,}",
                    f"{flops(network, size, size) / 1e9:.3g}",
                    f"{flops(network, size, size, training=True) / 1e9:.3g}",
                    f"{image / 2**20:.3g}",
                    f"{(run.batch * image + once) / 2**30:.2g} ({run.batch})",
                )
            )
    heads = (
        *("network", "image", "weights", "GFLOP to denoise", "GFLOP to train on"),
        *("MiB kept for the backward pass", "GiB of a step (batch)"),
    )
    return Table("Operations and memory of each network", heads, rows)


def projection_table(table: tuple[runs.Run, ...], timed: dict) -> Table:
    """What a table of runs would take on one GPU, were all networks trained at the rate of the paper's: a projection.

    hours = images seen x FLOP to train on one / rate

    table: runs, e.g. of `runs.table`.  timed: of `results`, on a GPU: its pair PAPERS_STEP has the rate, FLOP/s.
    Returns: a row for each kind of network, and one for all.
    """
    rate = timed["pairs"][PAPERS_STEP]["rates"]["flop_per_second"]
    groups: dict[tuple, list[runs.Run]] = {}
    for run in table:
        groups.setdefault((run.network, run.width, run.size, run.scales), []).append(run)
    cost = {kind: flops(_unfilled(group[0]), kind[2], kind[2], training=True) for kind, group in groups.items()}
    work = {kind: cost[kind] * sum(run.steps * run.batch for run in group) for kind, group in groups.items()}
    names = {kind: f"{kind[0]} of width {kind[1]}, {kind[2]}x{kind[2]}" for kind in groups}
    rows = [
        (
            name,
            f"{len(group)}",
            f"{sum(run.steps * run.batch for run in group) / len(group) / 1e6:.3g} million",
            f"{total / 1e18:.3g}",
            f"{total / rate / 3600:.3g}",
        )
        for name, group, total in [
            *((names[kind], groups[kind], work[kind]) for kind in groups),
            ("all", table, sum(work.values())),
        ]
    ]
    hours = f"hours at {rate / 1e12:.0f} TFLOP/s"
    heads = ("networks", "how many", "images seen by each", "EFLOP in all", hours)
    return Table(f"Projected hours of the runs of the paper's scale on one {timed['machine']['GPU']}", heads, rows)


# -- what was timed


def results(file: Path = RESULTS) -> dict | None:
    """What `make bench` wrote, or None while it has not been run."""
    return json.loads(file.read_text("utf8")) if file.exists() else None


def verdict(ratio: float, aim: float | None) -> str:
    """Whether a ratio reaches what was aimed at; without an aim nothing is said."""
    return "" if aim is None else "met" if ratio >= aim else "missed"


def speed_table(timed: dict) -> Table:
    """Pairs: seconds of the published recipe and of ours (median, least to most), their ratio, and the aim.

    timed: of `results`.
    """
    rows = []
    for pair in timed["pairs"].values():
        spans = [
            f"{statistics.median(pair[way]):.3g} ({min(pair[way]):.3g} to {max(pair[way]):.3g})"
            for way in ("plain", "ours")
        ]
        ratio = statistics.median(pair["plain"]) / statistics.median(pair["ours"])
        aim = "none" if pair["aim"] is None else f"{pair['aim']:g} times: {verdict(ratio, pair['aim'])}"
        rows.append((pair["title"], f"{ratio:.3g}", aim, *spans))
    return Table("Seconds of the published recipe and of ours", ("what", "times", "aim", "plain, s", "ours, s"), rows)


def rates_table(timed: dict) -> Table:
    """Training steps: throughput, and the share of the rate at which the convolutions alone run.

    timed: of `results`.
    """
    rows = []
    for pair in timed["pairs"].values():
        if rates := pair["rates"]:
            share, aim = rates["convolutions_share"], rates["aim"]
            rows.append(
                (
                    pair["title"],
                    f"{rates['images_per_second']:,.0f}",
                    f"{rates['flop_per_second'] / 1e9:,.0f}",
                    f"{share:.0%} (aim {aim:.0%}: {verdict(share, aim)})",
                    f"{rates['convolutions_flop_per_second'] / 1e9:,.0f}",
                    f"{rates['compile_seconds']:.0f}",
                )
            )
    heads = (
        *("what", "images/s", "GFLOP/s", "share of the convolutions' rate"),
        *("convolutions alone, GFLOP/s", "compiling, once, s"),
    )
    return Table("Throughput of training on this machine", heads, rows)


def growth_table(timed: dict) -> Table:
    """Leading eigenpairs as images grow: seconds and memory at each size, and the exponents of d.

    timed: of `results`.
    """
    growth = timed["growth"]
    sizes = sorted({size for way in growth.values() for size in way["sizes"]})
    rows = []
    for name, way in growth.items():
        for unit, form in (("seconds", ".3g"), ("MiB", ".0f")):
            at = dict(zip(way["sizes"], way[unit], strict=True))
            cells = [f"{at[size]:{form}}" if size in at else "not run" for size in sizes]
            rows.append((f"{name}: {unit}", *cells, f"{exponent(way['sizes'], way[unit]):.2f}"))
    heads = ("50 leading pairs", *(f"{size}x{size}" for size in sizes), "exponent of d")
    return Table("Leading eigenpairs as the image grows", heads, rows)


def exponent(sizes: list[int], values: list[float]) -> float:
    """p of values ~ d^p, d = size^2, by least squares of the logarithms.

    A zero, memory too little to be seen, is left out; with fewer than two others p is not a number.
    """
    seen = [(size, value) for size, value in zip(sizes, values, strict=True) if value > 0]
    if len(seen) < 2:
        return math.nan
    sizes, values = zip(*seen, strict=True)
    return float(np.polyfit(2 * np.log(sizes), np.log(values), 1)[0])
