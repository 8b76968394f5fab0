"""How many images does a set need? A set enters, the N at which networks stop to memorize it, and how sure that is.

Pairs of small networks are trained on growing N, halves A and B, and three things are measured: the gap between
training and test images, copies among samples, and what two halves' samples have in common beyond the Wiener denoiser.
Each has a line that it crosses where memory gives way.

All networks that `ghr need` trains see equally many images. So the views of each image fall as N grows, and the N
found is one *for that length of training*: memory sets in after some number of views, which is told with it, and who
trains k times as long needs about k times as many images. With a fixed number of views instead there is no such N:
small sets have not begun to learn when large ones already remember.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ghr import experiments, images, recipes, report, runs
from ghr.copies import SMALLEST
from ghr.files import cache
from ghr.images import names
from ghr.measure import beyond, samples
from ghr.measure.copies import Copied, copied
from ghr.measure.errors import NAMED_PSNR, errors
from ghr.measure.samples import Samples
from ghr.recipes import Run
from ghr.stats import Estimate, estimate, psnr_gap, psnr_of_mean
from ghr.tables import Table

IMAGES_SEEN = 2**16  #: by each network, with repetition
SEEDS = 64  #: samples of each network
TESTED = 256  #: training and test images of each gap, at most
HELD_OUT = 512  #: test images, at most, and at most a fifth of the set
LEAST = 40  #: images that a set must have
FARTHEST = 10  #: times the largest N: no extrapolation goes beyond
FILES = PAGE, TABLE, CROSSINGS = "report.html", "need.csv", "crossings.csv"  #: what the output folder holds


@dataclass(frozen=True)
class Line:
    """What is measured against N, and where it says that memory gives way."""

    field: str  #: of `Row`
    words: str  #: what it is
    unit: str  #: "dB", or nothing
    level: float  #: where the line lies
    falling: bool  #: whether it falls as N grows


# own choice: a gap that is hardly seen; what chance and a few bad samples make; twice what other noise leaves in common
LINES = (
    Line("gap", "training images are denoised better than new ones by", "dB", 1.0, True),
    Line("copies", "share of samples that are copies", "", 0.05, True),
    Line("agreement", "agreement of two halves' samples beyond Wiener", "", 0.7, False),
)


@dataclass(frozen=True)
class Row:
    """Two networks of one N."""

    n: int  #: training images of each
    views: float  #: of each training image
    gap: Estimate  #: PSNR on training images less PSNR on new ones, input 21 dB, mean of both halves, dB
    psnr: Estimate  #: PSNR on new images at input 21 dB, mean of both halves, dB
    copies: Estimate  #: share of copies among samples, as `ghr.copies.judge` tells it, mean of both halves
    agreement: Estimate  #: median rho(A - W_A, B - W_B) of samples from the same noise; W: Wiener's samples
    floor: Estimate  #: the same of samples from other noise


@dataclass(frozen=True)
class Crossing:
    """Where one of LINES is crossed."""

    measure: str  #: field of `Row`
    level: float  #: where the line lies
    found: str  #: "crossed", "before the smallest N", "extrapolated" or "cannot say"
    n: float | None  #: training images; None where it cannot be said
    low: float | None  #: lower end of the interval; None: below the smallest N
    high: float | None  #: upper end; None: it cannot be said, or below the smallest N where n is
    views: float | None  #: of each training image at n


def sizes(most: int) -> list[int]:
    """Which N are tried: about two a decade, and the largest that there is.

    Args:
        most: the largest N that a set can give.

    Returns:
        N, increasing.
    """
    steps = [base * 10**k for k in range(1, 7) for base in (1, 3)]
    chosen = [n for n in steps if n <= most]
    return [*chosen, most] if not chosen or most >= 1.5 * chosen[-1] else chosen


def plan(
    name: str,
    size: int = 32,
    chosen: Sequence[int] | None = None,
    images_seen: int = IMAGES_SEEN,
    width: int = 16,
    colour: bool = False,
) -> dict[int, tuple[Run, Run]]:
    """What is trained to answer for a set.

    Args:
        name: of an image set, as `ghr.images.load` knows it, e.g. "folder:PATH".
        size: side in pixels.
        chosen: N (None: those of `sizes`).
        images_seen: by each network, with repetition.
        width: of the networks.
        colour: whether colours are kept.

    Returns:
        Runs of halves A and B by N, increasing.

    Raises:
        ValueError: for images that are too small, a set of too few or without colours, an N that it cannot give, or
            what makes no `Run`.
    """
    if size < SMALLEST:
        raise ValueError(f"size must be at least {SMALLEST}, below which copies cannot be told, got {size}.")
    name = names.coloured(name) if colour else name
    how = {"images_seen": images_seen, "width": width, "pool": None}
    dataclasses.replace(
        recipes.pair("laptop", 2, name, size=size)[0], **how
    )  # what makes no run is told before reading
    count = images.count(name, size)
    if count < LEAST:
        raise ValueError(f"{name} has {count} images: at least {LEAST} are needed, better some thousands.")
    spared = min(HELD_OUT, count // 5)
    most = images.most(name, size, spared)
    wanted = sorted(set(chosen)) if chosen is not None else sizes(most)
    if not wanted or wanted[0] < 2 or wanted[-1] > most:
        raise ValueError(
            f"N must be from 2 to {most:,}: the set has {count:,} images, {spared:,} of them are held out, and two "
            f"halves of N share none. Got {', '.join(map(str, wanted)) or 'none'}."
        )
    pairs = {}
    for n in wanted:
        pair = recipes.pair("laptop", n, name, size=size)
        pairs[n] = tuple(dataclasses.replace(run, **how, held_out=spared) for run in pair)
    return pairs


def answer(pairs: dict[int, tuple[Run, Run]], seed: int = 0) -> Iterator[Row]:
    """Train what is missing and measure, one N after another; interrupted, the next call goes on where it stopped.

    Args:
        pairs: of `plan`.
        seed: of the noise used for measuring and sampling.

    Yields:
        A row for each N.
    """
    for n, pair in pairs.items():
        for run in pair:
            runs.fit(run)
        study = experiments.study({(n, run.half): run for run in pair})
        drawn = samples.draw(study, {n: range(1000 * seed, 1000 * seed + SEEDS)})
        yield from measured(drawn, copied(drawn), seed)


def measured(drawn: Samples, copies: Table[Copied], seed: int = 0) -> Table[Row]:
    """Gap, copies and agreement of pairs of networks.

    Args:
        drawn: samples of halves A and B.
        copies: among them, as `ghr.measure.copies.copied` tells it.
        seed: of the noise of the gap.

    Returns:
        A row for each N above one, since one image has no second nearest, and no covariance.
    """
    study, sigma, rows = drawn.study, [10 ** (-NAMED_PSNR / 20)], []
    new, (_, near) = study.held_out[:TESTED], samples.compare(drawn)
    agreement, _ = beyond.compare(drawn, beyond.wiener(drawn), near)
    for both in agreement:
        n, gaps, levels = both.n, [], []
        for half in "AB":
            known = study.training(n, half)
            known = known[torch.arange(len(new)) % len(known)]  # small sets are repeated, with other noise
            (a,), (b,) = (errors(study.denoisers[n, half], x, sigma, seed) for x in (known, new))
            gaps.append(estimate(psnr_gap, a, b, paired=False))
            levels.append(estimate(psnr_of_mean, b))
        views = study.runs[n, "A"].images_seen / n
        found = copies.where(n=n)["found"]
        rows.append(Row(n, views, _mean(gaps), _mean(levels), _mean(found), both.residual, both.null))
    return Table(tuple(rows), Row)


def _mean(halves: Sequence[Estimate]) -> Estimate:
    """Of both halves, with the wider ends: they differ in their images, too."""
    ends = min(e.low for e in halves), max(e.high for e in halves)
    return Estimate(float(np.mean([e.value for e in halves])), *ends)


def crossings(rows: Table[Row], lines: Sequence[Line] = LINES) -> Table[Crossing]:
    """Where does memory give way?

    Between two N a straight line in log N is drawn; beyond the largest N that of the last two is drawn on, for both
    ends of the interval, up to FARTHEST times that N.

    Args:
        rows: of each N, increasing.
        lines: what is looked at.

    Returns:
        One row for each line.
    """
    found = []
    for line in lines:
        values = rows[line.field]
        signed = [
            np.array([(1 if line.falling else -1) * (get(e) - line.level) for e in values])
            for get in (lambda e: e.value, lambda e: e.low, lambda e: e.high)
        ]
        middle, *ends = (_crossed(rows["n"], part) for part in signed)
        low, high = ends if line.falling else ends[::-1]
        largest = rows["n"][-1]
        if middle is None:
            found.append(Crossing(line.field, line.level, "cannot say", None, low, high, None))
        elif middle == 0:
            found.append(Crossing(line.field, line.level, "before the smallest N", None, None, high or None, None))
        else:
            how = "extrapolated" if middle > largest else "crossed"
            low = low or None  # 0 is below the smallest N
            found.append(Crossing(line.field, line.level, how, middle, low, high, _views(rows, middle)))
    return Table(tuple(found), Crossing)


def _views(rows: Table[Row], n: float) -> float:
    """Of each image at an N between those that were tried; beyond the largest, by networks trained as long as its."""
    if n > rows["n"][-1]:
        return rows["views"][-1] * rows["n"][-1] / n
    return float(np.exp(np.interp(math.log(n), np.log(rows["n"]), np.log(rows["views"]))))


def _crossed(n: Sequence[int], over: np.ndarray) -> float | None:
    """Where what falls with N is below 0 for good; 0 where it always is, None where that cannot be said."""
    above = np.flatnonzero(over > 0)
    if not len(above):
        return 0.0
    last = int(above[-1])
    if last + 1 == len(n):
        if len(n) < 2:
            return None
        last -= 1
    a, b = over[last], over[last + 1]
    if not a > b:
        return None
    x, y = math.log(n[last]), math.log(n[last + 1])
    place = x + (y - x) * a / (a - b)
    return math.exp(place) if place <= math.log(FARTHEST * n[-1]) else None


# In words ---------------------------------------------------------------------------------------------------------


def verdict(rows: Table[Row], found: Table[Crossing]) -> str:
    """The answer in a sentence.

    Args:
        rows: of each N.
        found: of `crossings`.

    Returns:
        Sentence.
    """
    seen = sorted(row.views * row.n for row in rows)
    length = f"when each network sees {seen[0]:,.0f}{f' to {seen[-1]:,.0f}' * (seen[-1] > 1.01 * seen[0])} images"
    if early := untrained(rows):
        return (
            f"The networks have learned too little to tell {length}: at N = {', '.join(f'{n:,}' for n in early)} even "
            "training images leave them noisier than they came. Give a larger --images-seen."
        )
    known = [row for row in found if row.found in ("crossed", "extrapolated")]
    if any(row.found == "cannot say" for row in found):
        return (
            f"This set does not show how many images it needs {length}: at N = {rows['n'][-1]:,} "
            f"{_still(found)}, and no trend says where that ends."
        )
    if not known:
        return f"{rows['n'][0]:,} images are enough {length}: no network memorizes."
    needed = max(known, key=lambda row: row.n)
    high = f"{_round(needed.high)}" if needed.high is not None else "unknown"
    low = f"{_round(needed.low)}" if needed.low is not None else f"below {rows['n'][0]:,}"
    how = " by extrapolation" if needed.found == "extrapolated" else ""
    return f"About {_round(needed.n)} images are needed{how} {length} (interval {low} to {high})."


def untrained(rows: Table[Row]) -> list[int]:
    """At which N networks have not begun to learn: training images are no better for having been denoised.

    Args:
        rows: of each N.

    Returns:
        N, increasing.
    """
    return [row.n for row in rows if row.psnr.value + row.gap.value < NAMED_PSNR]


def _still(found: Table[Crossing]) -> str:
    return " and ".join(
        {
            "gap": "training images are still denoised better than new ones",
            "copies": "samples are still copies",
            "agreement": "two halves still draw different images",
        }[row.measure]
        for row in found
        if row.found == "cannot say"
    )


def _round(n: float) -> str:
    """Two digits: no more are known."""
    digits = 10 ** max(0, math.floor(math.log10(n)) - 1)
    return f"{round(n / digits) * digits:,.0f}"


def told(row: Row) -> str:
    """One N in a line.

    Args:
        row: of `answer`.

    Returns:
        Words.
    """
    return (
        f"N = {row.n:,}: gap {row.gap:.2f} dB, copies {row.copies:.0%}, agreement beyond Wiener "
        f"{row.agreement:.2f}, each image seen {row.views:,.0f} times"
    )


def advice(found: Table[Crossing]) -> list[str]:
    """What follows for the person who asked.

    Args:
        found: of `crossings`.

    Returns:
        Sentences.
    """
    said = []
    views = [row.views for row in found if row.views is not None]
    if views:
        said.append(
            f"Memory gives way where each image is seen about {min(views):,.0f} times or less. Networks that are "
            "trained longer need more images, about in proportion; networks that are stopped earlier need fewer."
        )
    said += [
        "Larger networks remember sooner, and other architectures at other N: this is one small UNet at one size.",
        "Duplicates of an image count as more views of it. Near-duplicates were left out here.",
        "The N at which two halves agree says how many images fix the density as this network sees it; it may lie "
        "beyond the N at which copies end.",
    ]
    return said


def write(name: str, rows: Table[Row], out: Path, how: Sequence[str] = ()) -> Path:
    """The page and both tables.

    Args:
        name: of the image set.
        rows: of each N.
        out: folder.
        how: sentences on what was trained, of `done`.

    Returns:
        Where the page is.
    """
    found = crossings(rows)
    for file, text in ((TABLE, rows.csv()), (CROSSINGS, found.csv()), (PAGE, _page(name, rows, found, how))):
        cache.write_whole(out / file, text.encode("utf8", "backslashreplace"))
    return out / PAGE


def done(pairs: dict[int, tuple[Run, Run]]) -> list[str]:
    """What was trained, and what was measured on, for the page.

    Args:
        pairs: of `plan`.

    Returns:
        Sentences.
    """
    run = next(iter(pairs.values()))[0]
    account = images.account(run.images, run.size)
    kind = f"{run.size}x{run.size}{' in colour' * (run.channels > 1)}"
    return [
        f"For each N two UNets of width {run.width} without a common training image, on images of {kind}; each sees "
        f"{run.images_seen:,} images, with repetition.",
        f"Gaps: at most {TESTED} training images and as many new ones, input {NAMED_PSNR} dB; {run.held_out:,} images "
        f"were held out. Copies and agreement: {SEEDS} samples of each network, from the same noise.",
        *([account] if account else []),
    ]


def _where(line: Line, crossing: Crossing) -> str:
    """Where a curve crosses its line, in a sentence."""
    if crossing.found == "before the smallest N":
        return f"{'Below' if line.falling else 'Above'} its line at every N."
    if crossing.n is None:
        return (
            f"Still {'above' if line.falling else 'below'} its line at the largest N, and no trend says where it ends."
        )
    return f"Crosses its line near N = {_round(crossing.n)}{', by extrapolation' * (crossing.found == 'extrapolated')}."


def _page(name: str, rows: Table[Row], found: Table[Crossing], how: Sequence[str]) -> str:
    shown = [
        report.curve(
            rows["n"],
            rows[line.field],
            line.level,
            f"{line.words}{f' ({line.unit})' if line.unit else ''}",
            "N, training images of each network",
            _where(line, found.one(measure=line.field)),
        )
        for line in LINES
    ]
    table = rows.show(
        "Two networks of each N",
        {"gap": "gap (dB)", "psnr": "new images (dB)"},
        n=",",
        views=",.0f",
        gap=".1f",
        psnr=".1f",
        copies=".0%",
        agreement=".2f",
    )
    body = report.section("What was measured", *shown)
    body += report.section("The numbers", table.html)
    body += report.section("What follows, and what does not", report.points(advice(found)))
    body += report.section("How it was done", report.points(how)) if how else ""
    named = names.parse(name)
    shown_name = named.path.name if named.path else named.base.text
    shown_name += " in colour" if named.colour else ""
    return report.page(verdict(rows, found), f"How many images does {shown_name} need?", body)
