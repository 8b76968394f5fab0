"""Are these samples copies of those training images? Folders of image files enter, a page, tables, a sentence leave.

Nothing is left out of a folder but what cannot be read: copies among samples, and duplicates among training images, are
what is asked for.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from tqdm.auto import tqdm

from ghr import copies, report
from ghr.files import cache
from ghr.images import pools
from ghr.stats import Estimate, share
from ghr.tables import Table

NULL = 2000  #: training images that stand for held-out ones where there are none
PLANTED = 100  #: training images that are altered to see what the test sees
SMALLEST = copies.SMALLEST  #: side at which images can be compared, pixels
SHOWN, OPEN = 24, 9  #: pairs on the page; those that are open
OF_ONE = 2  # of them at most so many of one training image
LISTED = 20  # groups of duplicates that the page names
FILES = PAGE, TABLE, DUPLICATES = "report.html", "copies.csv", "duplicates.csv"  #: what the output folder holds


@dataclass(frozen=True)
class Folder:
    """The images of a folder, each of them."""

    path: Path  #: where they lie
    pixels: UInt8[Tensor, "n c h w"]  #: 0-255
    files: list[str]  #: names below the folder, in order
    account: str  #: what was found, used and passed over


@dataclass(frozen=True)
class Copy:
    """A sample and the training image that it is nearest to."""

    sample: str  #: its file
    suspicious: bool  #: whether its ratio is below the threshold
    p: float  #: share of images that cannot be copies whose ratio is as small
    ratio: float  #: distance to the nearest training image over distance to the second nearest
    nearness: float  #: correlation with the nearest, at most 1
    training: str  #: file of the nearest
    copies: int  #: training images that are the same as it, itself included
    mirrored: bool  #: whether the sample is its mirror image
    down: int  #: pixels by which it is moved
    right: int  #: pixels by which it is moved, before it is mirrored


@dataclass(frozen=True)
class Duplicate:
    """A training image that the training set holds more than once."""

    group: int  #: those of one number are the same
    file: str  #: its name


@dataclass(frozen=True)
class Seen:
    """How many planted copies the test finds in this training set."""

    alteration: str  #: what was done to training images
    found: Estimate  #: share of them below the threshold


@dataclass(frozen=True)
class Answer:
    """What was found."""

    samples: Folder  #: what was asked about
    training: Folder  #: what may have been copied
    held_out: Folder | None  #: what cannot have been
    near: copies.Nearest  #: training image nearest to each sample
    null: Float[Tensor, " m"]  #: ratios of images that cannot be copies
    judged: copies.Judged  #: threshold and share
    groups: Int[Tensor, " n"]  #: label of each training image; duplicates have one
    seen: Table[Seen]  #: what the test can see
    seconds: float  #: that it took, without reading

    @property
    def duplicates(self) -> list[np.ndarray]:
        """Places of training images that are the same, the largest group first."""
        order = np.argsort(self.groups.numpy(), kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(self.groups.numpy()[order])) + 1)
        return sorted((part for part in parts if len(part) > 1), key=lambda part: (-len(part), part[0]))


def require_apart(**folders: Path | None) -> None:
    """Refuses folders that are not there, the same, or one inside the other: sub-folders are read, too.

    Args:
        **folders: by what they hold; None where there is none.

    Raises:
        ValueError: in one sentence.
    """
    there: dict[str, Path] = {}
    for what, path in folders.items():
        if path is None:
            continue
        path, what = path.expanduser(), what.replace("_", "-")
        if not path.is_dir():
            raise ValueError(f"The {what} folder {path} is {'a file' if path.exists() else 'not there'}.")
        path = path.resolve()
        for other, placed in there.items():
            if path == placed:
                raise ValueError(f"The {what} and the {other} folder are one, {path}: give two.")
            if path.is_relative_to(placed) or placed.is_relative_to(path):
                (inner, which), (outer, its) = sorted([(path, what), (placed, other)], reverse=True)
                raise ValueError(
                    f"The {which} folder {inner} lies inside the {its} folder {outer}, whose sub-folders are read, "
                    "too: move it."
                )
        there[what] = path


def read(path: Path, what: str, size: int, colour: bool = False) -> Folder:
    """All images of a folder and its sub-folders, duplicates included; read once, then kept in the cache.

    Args:
        path: the folder.
        what: what it holds, as messages call it.
        size: side in pixels: each image's central square is resized.
        colour: whether colours are kept.

    Returns:
        Folder.

    Raises:
        ValueError: when it is not there or holds fewer than two images of use.
    """
    path = path.expanduser().resolve()
    try:
        pool = pools.pool(f"folder:{path}", size, distinct=False, colour=colour)
    except ValueError as error:
        hint = " Lower --size." if "smaller than" in str(error) else ""
        raise ValueError(
            f"{str(error).replace('give folder:PATH, where PATH holds', 'give one that holds')}{hint}"
        ) from error
    if len(pool) < 2:
        raise ValueError(f"The {what} folder needs at least 2 images of use, but has {len(pool)}. {pool.account}")
    pixels = torch.from_numpy(pool[0 : len(pool)])
    pixels = pixels.permute(0, 3, 1, 2).contiguous() if colour else pixels[:, None]
    return Folder(path, pixels, pool.files(), pool.account)


def answer(samples: Folder, training: Folder, held_out: Folder | None = None, seed: int = 0) -> Answer:
    """Which samples are copies: duplicates in the training set first, then the null, samples, and planted copies.

    Without held-out images, up to 2,000 random training images stand for them: each is compared with the others, its
    own duplicates left out.

    Args:
        samples: what is asked about.
        training: what may have been copied.
        held_out: images of the same kind that cannot have been copied.
        seed: of what is random: the choice of training images, and alterations.

    Returns:
        Answer.

    Raises:
        ValueError: when held-out images are training images, or all training images are the same.
    """
    _require_held_out(held_out, training)
    start, (n, known) = time.monotonic(), (len(training.pixels), training.pixels)
    generator = torch.Generator().manual_seed(seed)
    hows = [how for how in copies.ALTERATIONS if how != "unchanged"]
    most = n + min(n, NULL) if held_out is None else n + len(held_out.pixels)
    with _bar(most + len(samples.pixels) + len(hows) * min(n, PLANTED)) as told:
        everyone = torch.arange(n)
        near = told("looking for duplicates", copies.search(known, known, own=everyone))
        groups = copies.groups(known, near)
        if len(groups.unique()) < 2:
            raise ValueError(f"All {n} images of {training.path} are the same: nothing can be told apart.")
        single = torch.from_numpy(np.unique(groups.numpy(), return_index=True)[1])  # one of each group
        single = single[torch.randperm(len(single), generator=generator)]
        if held_out is None:
            chosen = single[:NULL]
            null = copies.search(known[chosen], known, groups, own=groups[chosen])
        else:
            null = copies.search(held_out.pixels, known, groups)
        null = told("comparing images that are no copies", null).ratio
        near = told("comparing samples", copies.search(samples.pixels, known, groups))
        judged, chosen = copies.judge(near.ratio, null), single[:PLANTED]
        others = known[chosen.roll(1)]
        planted = torch.cat([copies.alter(known[chosen], how, others, seed) for how in hows])
        found = told("comparing planted copies", copies.search(planted, known, groups)).ratio < judged.threshold
        parts = found.view(len(hows), -1).numpy()
        seen = tuple(Seen(how, share(part)) for how, part in zip(hows, parts, strict=True))
    took = time.monotonic() - start
    return Answer(samples, training, held_out, near, null, judged, groups, Table(seen), took)


def _require_held_out(held_out: Folder | None, training: Folder) -> None:
    if held_out is None:
        return
    same = copies.twins(held_out.pixels, training.pixels)
    if (found := np.flatnonzero(same >= 0)).size:
        some = ", ".join(f"{held_out.files[k]} is {training.files[same[k]]}" for k in found[:3])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise ValueError(f"{len(found)} held-out images are training images ({some}{more}): take them out of one.")


@contextmanager
def _bar(total: int) -> Iterator:
    """One bar for all searches."""
    with tqdm(total=total, unit="image") as bar:

        def told(title: str, parts: Iterator[copies.Nearest]) -> copies.Nearest:
            bar.set_description(title)
            found = []
            for part in parts:
                found.append(part)
                bar.update(len(part.ratio))
            return copies.joined(found)

        yield told
        bar.total = bar.n


def verdict(found: Answer) -> str:
    """The answer in a sentence.

    Args:
        found: answer.

    Returns:
        Sentence.
    """
    n, below, of = len(found.samples.pixels), int(found.judged.below.sum()), found.judged.share
    if of.low > 0:
        return (
            f"About {_percent(of.value)} of the samples are copies of training images (95% interval "
            f"{_percent(of.low)} to {_percent(of.high)})."
        )
    expected = found.judged.false_positives.value * n
    return (
        f"No sign of copies: {below:,} of {n:,} samples are suspicious, where chance makes about {expected:,.0f}; "
        f"at most {_percent(of.high)} are copies that this test can see."
    )


def duplicates(found: Answer) -> str:
    """What is said of duplicates in the training set.

    Args:
        found: answer.

    Returns:
        Sentences.
    """
    groups, n = found.duplicates, len(found.training.pixels)
    if not groups:
        return f"No training image of {n:,} has a duplicate in the training set."
    count = sum(map(len, groups))
    own = {int(k) for part in groups for k in part}
    said = (
        f"{count:,} of {n:,} training images have a duplicate in the training set, in {len(groups):,} "
        f"group{'s' * (len(groups) > 1)}: what is seen more often is copied sooner. Keep one of each."
    )
    hit = [int(k) in own for k in found.near.index[found.judged.below]]
    if found.judged.share.low > 0:
        said += f" {sum(hit):,} of {len(hit):,} suspicious samples are nearest to one of them."
    return said


def null(found: Answer) -> str:
    """What the null is and what the threshold stands for.

    Args:
        found: answer.

    Returns:
        Sentences.
    """
    m, rate = len(found.null), found.judged.false_positives
    if found.held_out is None:
        what = (
            f"There are no held-out images: {m:,} random training images stand for them, each compared with the "
            "others, its own duplicates left out."
        )
        if sum(map(len, found.duplicates)) > copies.FALSE_POSITIVES * len(found.training.pixels):
            what += (
                " More than 1% of the training images are left out so. Where images of this kind are naturally that "
                "alike, the share of copies comes out too high: give held-out images."
            )
    else:
        what = f"{m:,} held-out images cannot be copies."
    what += (
        f" Of such images {_percent(rate.value)} (95% interval {_percent(rate.low)} to {_percent(rate.high)}) have a "
        f"ratio below the threshold, {found.judged.threshold:.3f}; what samples have beyond that are copies."
    )
    return what + (f" With {m} such images no lower rate can be promised; 99 or more make it 1%." if m < 99 else "")


def _percent(value: float) -> str:
    text = f"{100 * value:.0f}" if value >= 0.1 or value == 0 else f"{100 * value:.2g}"
    return f"{text}%"


def tables(found: Answer) -> tuple[Table[Copy], Table[Duplicate]]:
    """All samples, the most suspicious first; and the training images that are there more than once.

    Args:
        found: answer.

    Returns:
        Both tables.
    """
    near, sizes = found.near, torch.bincount(found.groups)
    rows = []
    for k in near.ratio.argsort(stable=True).tolist():
        i = int(near.index[k])
        down, right = near.shift[k].tolist()
        numbers = (round(float(x[k]), 6) for x in (found.judged.p, near.ratio, near.nearness))
        twins, mirrored = int(sizes[found.groups[i]]), bool(near.mirrored[k])
        rows.append(
            Copy(
                found.samples.files[k],
                bool(found.judged.below[k]),
                *numbers,
                found.training.files[i],
                twins,
                mirrored,
                down,
                right,
            )
        )
    same = [Duplicate(number, found.training.files[k]) for number, part in enumerate(found.duplicates, 1) for k in part]
    return Table(tuple(rows), Copy), Table(tuple(same), Duplicate)


def write(found: Answer, out: Path) -> Path:
    """The page and both tables.

    Args:
        found: answer.
        out: folder.

    Returns:
        Where the page is.
    """
    rows, same = tables(found)
    for name, text in ((TABLE, rows.csv()), (DUPLICATES, same.csv()), (PAGE, _page(found, rows))):
        cache.write_whole(out / name, text.encode("utf8", "backslashreplace"))
    return out / PAGE


def _page(found: Answer, rows: Table[Copy]) -> str:
    groups = found.duplicates
    listed = [" = ".join(found.training.files[k] for k in part[:6]) + " ..." * (len(part) > 6) for part in groups]
    more = f"{len(groups) - LISTED:,} more groups are in {DUPLICATES}." if len(groups) > LISTED else ""
    body = report.section(
        "Duplicates in the training set",
        report.paragraph(duplicates(found)),
        report.points(listed[:LISTED] + [more] * bool(more)) if groups else "",
    )
    body += report.section(
        "Samples beside images that cannot be copies",
        report.histogram(
            found.near.ratio.numpy(),
            found.null.numpy(),
            found.judged.threshold,
            ("samples", "held-out images" if found.held_out else "training images, each against the others"),
            "distance to the nearest training image / distance to the second nearest",
            f"threshold {found.judged.threshold:.2f}",
        ),
        report.paragraph(null(found)),
    )
    some = list(_suspicious(found))
    body += report.section(
        "The most suspicious samples",
        report.paragraph(
            f"Each beside its nearest training image, the most suspicious first, at most {OF_ONE} of one training "
            f"image. All samples are in {TABLE}. A ratio of 0 is an exact copy, 1 is as near to another image."
        ),
        report.pairs(some[:OPEN]),
        report.folded(f"{len(some) - OPEN} more", report.pairs(some[OPEN:])) if len(some) > OPEN else "",
    )
    shown = found.seen.show(
        "Planted copies that this test finds",
        {"alteration": "training images, altered", "found": "found [95%]"},
        alteration="",
        found=".0%",
    )
    body += report.section(
        "What this test can see here, and what it cannot",
        report.paragraph(
            f"Up to {PLANTED} of your training images were altered and given to the test as if they were samples. It "
            "found these shares of them:"
        ),
        shown.html,
        report.points(
            [
                "It does not see copies of a part of an image, or images that are turned, bent, enlarged, or moved by "
                "more than three pixels; what is found rarely in the table is missed in samples, too.",
                "A copy of an image that has a near relative in the training set, nearer than a duplicate but not one, "
                "is missed when it is altered more than the two differ.",
                "It compares images at the size that it is given. Detail that a smaller size loses is not compared.",
                "The share is one of samples, not of training images: few training images may be copied often.",
                "No sign of copies is no proof that the model has learned more than its training set.",
            ]
        ),
    )
    c, h, w = found.samples.pixels.shape[1:]
    accounts = [folder.account for folder in (found.samples, found.training, found.held_out) if folder]
    body += report.section(
        "How it was done",
        report.paragraph(
            "The distance of two images does not change when one is mirrored, moved by up to three pixels, brightened, "
            f"or given more or less contrast. Images are compared at {w}x{h} pixels, "
            f"{'in colour' if c == 3 else 'in grey'}, blurred by a pixel, without a border of four pixels. "
            f"Near-duplicates are training images whose nearness is at least {copies.DUPLICATE}. It took "
            f"{_duration(found.seconds)}, without reading."
        ),
        report.points(accounts),
    )
    return report.page(verdict(found), f"Copies: {found.samples.path.name} against {found.training.path.name}", body)


def _suspicious(found: Answer) -> Iterator[tuple[dict[str, np.ndarray], str]]:
    taken: dict[int, int] = {}
    shown = 0
    for k in found.near.ratio.argsort(stable=True).tolist():
        i = int(found.near.index[k])
        label = int(found.groups[i])
        taken[label] = taken.get(label, 0) + 1
        if taken[label] > OF_ONE:
            continue
        sample, training = found.samples.files[k], found.training.files[i]
        down, right = found.near.shift[k].tolist()
        moved = [f"moved by {down} down, {right} right"] if down or right else []
        moved += ["mirrored"] if found.near.mirrored[k] else []
        words = [f"{sample} | {training}", f"ratio {found.near.ratio[k]:.3f}", *moved]
        words += [] if found.judged.below[k] else ["not suspicious"]
        pixels = found.samples.pixels[k], found.training.pixels[i]
        alts = f"Sample {sample}", f"Training image {training}"
        yield dict(zip(alts, map(_shown, pixels), strict=True)), ", ".join(words)
        shown += 1
        if shown == SHOWN:
            return


def _shown(pixels: UInt8[Tensor, "c h w"]) -> UInt8[np.ndarray, "h w *channels"]:
    return (pixels[0] if len(pixels) == 1 else pixels.permute(1, 2, 0)).numpy()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
