"""The tables of the page on speed and cost: timings and counts enter, tables leave.

What `benchmarks/results.json` says was timed, what images and networks cost (`ghr.costs`), and what follows for the
runs of the paper's scale on the GPU of `benchmarks/results-gpu.json`.
"""

import json
import math
import statistics
from html import escape
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ghr import costs, recipes, runs
from ghr.tables import Shown

RESULTS = Path("benchmarks/results.json")  #: written by `make bench`, below the top of the repository
RESULTS_ON_GPU = Path("benchmarks/results-gpu.json")  #: the same, of training steps on a GPU
PAPERS_STEP = "step80-512"  #: the pair of RESULTS_ON_GPU whose network, size and batch are the paper's


def _unfilled(run: recipes.Run) -> nn.Module:
    """The network of a run without numbers: only its shapes count here."""
    with torch.device("meta"):
        return runs.network(run)


def networks_table() -> Shown:
    """What an image costs: operations and memory of the networks of each scale, those of the controls aside.

    Returns:
        A row for each network.
    """
    rows = []
    for scale in recipes.SCALES:
        kinds = {(run.network, run.size, run.width, run.scales): run for run in recipes.table(scale)}
        for name, size, width, scales in sorted(kinds, reverse=True):
            if name not in ("UNet", "BFCNN"):
                continue
            run = kinds[name, size, width, scales]
            network = _unfilled(run)
            image, once = costs.training_memory(network, size, size)
            rows.append(
                (
                    f"{scale}: {name} of width {width}" + (f", {scales} scales" if name == "UNet" else ""),
                    f"{size}x{size}",
                    f"{sum(weights.numel() for weights in network.parameters()):,}",
                    f"{costs.flops(network, size, size) / 1e9:.3g}",
                    f"{costs.flops(network, size, size, training=True) / 1e9:.3g}",
                    f"{image / 2**20:.3g}",
                    f"{(run.batch * image + once) / 2**30:.2g} ({run.batch})",
                )
            )
    heads = (
        *("network", "image", "weights", "GFLOP to denoise", "GFLOP to train on"),
        *("MiB kept for the backward pass", "GiB of a step (batch)"),
    )
    return Shown("Operations and memory of each network", heads, rows)


def projection_table(table: tuple[recipes.Run, ...], timed: dict) -> Shown:
    """What a table of runs would take on one GPU, a projection: all networks trained at the rate of the paper's. ::

        hours = images seen x FLOP to train on one / rate

    Args:
        table: runs, e.g. of `recipes.table`.
        timed: of `results`, on a GPU; its pair PAPERS_STEP has the rate, FLOP/s.

    Returns:
        A row for each kind of network, and one for all.
    """
    rate = timed["pairs"][PAPERS_STEP]["rates"]["flop_per_second"]
    groups: dict[tuple, list[recipes.Run]] = {}
    for run in table:
        groups.setdefault((run.network, run.width, run.size, run.scales), []).append(run)
    cost = {kind: costs.flops(_unfilled(group[0]), kind[2], kind[2], training=True) for kind, group in groups.items()}
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
    return Shown(f"Projected hours of the runs of the paper's scale on one {timed['machine']['GPU']}", heads, rows)


# -- what was timed


def results(file: Path = RESULTS) -> dict | None:
    """What `make bench` wrote, or None while it has not been run.

    Args:
        file: of results.

    Returns:
        Machine, pairs and growth, as they lie in the file, or None.
    """
    return json.loads(file.read_text("utf8")) if file.exists() else None


def verdict(ratio: float, aim: float | None) -> str:
    """Whether a ratio reaches what was aimed at; without an aim nothing is said.

    Args:
        ratio: measured.
        aim: what it should be at least, or None.

    Returns:
        "met", "missed" or "".
    """
    return "" if aim is None else "met" if ratio >= aim else "missed"


def speed_table(timed: dict) -> Shown:
    """Pairs: seconds of the published recipe and of ours (median, least to most), their ratio, and the aim.

    Args:
        timed: of `results`.

    Returns:
        A row for each pair.
    """
    rows = []
    for pair in timed["pairs"].values():
        spans = [
            f"{statistics.median(pair[way]):.3g} ({min(pair[way]):.3g} to {max(pair[way]):.3g})"
            for way in ("plain", "ours")
        ]
        ratio = statistics.median(pair["plain"]) / statistics.median(pair["ours"])
        aim = "none" if pair["aim"] is None else f"{pair['aim']:.3g} times: {verdict(ratio, pair['aim'])}"
        rows.append((pair["title"], f"{ratio:.3g}", aim, *spans))
    return Shown("Seconds of the published recipe and of ours", ("what", "times", "aim", "plain, s", "ours, s"), rows)


def rates_table(timed: dict) -> Shown:
    """Training steps: throughput, and the share of the rate at which the convolutions alone run.

    Args:
        timed: of `results`.

    Returns:
        A row for each pair that has rates.
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
    return Shown("Throughput of training on this machine", heads, rows)


def growth_table(timed: dict) -> Shown:
    """Leading eigenpairs as images grow: seconds and memory at each size, and the exponents of d.

    Args:
        timed: of `results`.

    Returns:
        Two rows for each way, seconds and MiB.
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
    return Shown("Leading eigenpairs as the image grows", heads, rows)


def exponent(sizes: list[int], values: list[float]) -> float:
    """p of values ~ d^p, d = size^2, by least squares of the logarithms.

    A zero, memory too little to be seen, is left out; with fewer than two others p is not a number.

    Args:
        sizes: sides in pixels.
        values: one for each.

    Returns:
        p, without unit.
    """
    seen = [(size, value) for size, value in zip(sizes, values, strict=True) if value > 0]
    if len(seen) < 2:
        return math.nan
    sizes, values = zip(*seen, strict=True)
    return float(np.polyfit(2 * np.log(sizes), np.log(values), 1)[0])


# -- the page

NOT_TIMED = (
    "<p>Not timed yet: <code>make bench</code>, on a GPU <code>python benchmarks/run.py --device cuda</code>.</p>"
)


def page(timed: dict | None) -> str:
    """What `make bench` timed, as HTML: on which machine, three tables, and why aims were missed.

    Args:
        timed: of `results`; while it has not been run, the page says so.

    Returns:
        HTML.
    """
    if timed is None:
        return NOT_TIMED
    where = ", ".join(f"{name} {value}" for name, value in timed["machine"].items())
    parts = [f"<p>Timed here: {escape(where)}.</p>"]
    if timed["pairs"]:
        parts.append(speed_table(timed).html)
    if any(pair["rates"] for pair in timed["pairs"].values()):
        parts.append(rates_table(timed).html)
    if timed["growth"]:
        parts.append(growth_table(timed).html)
    words = (f"<em>{escape(p['title'])}.</em> {escape(p['check'])} {escape(p['why'])}" for p in timed["pairs"].values())
    return "\n".join([*parts, *(f"<p>{said}</p>" for said in words)])
