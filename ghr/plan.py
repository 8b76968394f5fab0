"""What is trained for the book at the laptop's scale, in which order: every network, each once.

Parts, in order: the tables of faces and photographs; shorter trainings of the largest set of faces; narrower and wider
networks of small sets; images drawn by formula, by images seen; faces by views of each, at a constant rate; small sets
and two widths, for the time at which memory sets in; other images, other networks, exchanged seeds; networks without
convolutions; and the longest runs last.
"""

import dataclasses
import itertools
import time
from collections.abc import Iterable

import torch

from ghr import recipes, runs
from ghr.recipes import Run
from ghr.training import train

M = 2**20  #: images
ONSET = (32, 64, 128, 256, 512)  #: N whose time to memorize is watched
EQUAL_VIEWS = {100: "A", 316: "A", 1000: "AB", 3162: "A", 10_000: "AB"}  #: halves by N
ARCHITECTURES = (30_000, 100)  #: N of networks without convolutions
CLASSES = (
    *("c_alpha-1", "c_alpha-3", "c_alpha-5", "c_alpha-3-1", "hoelder-1", "hoelder-2", "hoelder-4", "sines"),
    *("avatars-shuffled-2", "avatars-shuffled-4", "avatars-shuffled-8", "avatars-shuffled"),
)


def laptop() -> tuple[Run, ...]:
    """All runs of the second edition, in the order in which they are trained.

    Returns:
        Runs, each once.
    """
    parts = (
        tables(),
        recipes.early("laptop"),
        recipes.room("laptop"),
        recipes.scaling("laptop"),
        equal_views(),
        recipes.onset("laptop", ONSET),
    )
    parts = (*parts, others(), recipes.architectures("laptop", recipes.ARCHITECTURES, ARCHITECTURES, "AB"), longest())
    return tuple(dict.fromkeys(itertools.chain(*parts)))


def tables() -> list[Run]:
    """Both halves of faces and photographs at each N: 1,000 to 500,000 views at N <= 1,000, about 70 to 120 above.

    Returns:
        Runs.
    """
    faces = [run for n in (1, 10, 100, 1000, 10_000, 30_000) for run in recipes.pair("laptop", n)]
    return faces + [run for n in (1, 10, 100, 1000, 4454) for run in recipes.pair("laptop", n, "photographs")]


def longest() -> list[Run]:
    """Images drawn by formula, four times as long as the book's longest trainings.

    Returns:
        Runs.
    """
    again = [run for run in recipes.scaling("laptop") if run.seed == 1]
    return [dataclasses.replace(run, images_seen=4 * M, seed=0) for run in again]


def equal_views() -> list[Run]:
    """Faces by views of each image, each set with its trunk, which goes on to 600 views for the sake of its log.

    Returns:
        Runs.
    """
    chosen = []
    every = recipes.equal_views("laptop", EQUAL_VIEWS)
    for (n, _), some in itertools.groupby(every, key=lambda run: (run.n, run.half)):
        chosen += some
        chosen.append(dataclasses.replace(chosen[-1], schedule="constant", images_seen=600 * n))
    return chosen


def others() -> list[Run]:
    """Other classes of images, other networks, exchanged seeds.

    Returns:
        Runs.
    """
    chosen = [recipes.pair("laptop", 30_000 if "shuffled" in name else 100_000, name)[0] for name in CLASSES]
    whole = next(run for run in chosen if run.images == "avatars-shuffled")
    chosen.append(dataclasses.replace(whole, images_seen=4 * M))  # to beat Wiener, or to show that it cannot
    chosen += [run for n in (10, 100, 1000, 30_000) for run in recipes.pair("laptop", n, network="BFCNN")]
    chosen += [recipes.pair("laptop", 100_000, name, network="BFCNN")[0] for name in ("discs", "c_alpha-2")]
    for pair in (*(recipes.pair("laptop", n) for n in (100, 10_000, 30_000)), tables()[-2:]):
        chosen += [dataclasses.replace(run, seed=other.seed) for run, other in itertools.permutations(pair)]
    largest, _ = recipes.pair("laptop", 30_000)
    return chosen + [dataclasses.replace(largest, network=network) for network in ("BiasedUNet", "ConditionalUNet")]


def cost(chosen: Iterable[Run], device: torch.device | str | None = None) -> str:
    """What training would take here, in a sentence; empty when all checkpoints are there.

    A few steps of each kind of network are timed, not compiled, so that a long training takes less.

    Args:
        chosen: runs, trained or not.
        device: to train on (default: CUDA when there is one, else the CPU).

    Returns:
        How many networks and images, and about how many hours.
    """
    missing = [run for run in chosen if not runs.path(run).exists()]
    if not missing:
        return ""
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    kinds: dict[tuple, list[Run]] = {}
    for run in missing:
        kinds.setdefault((run.network, run.channels, run.size, run.width, run.scales, run.optimizer), []).append(run)
    seconds = sum(
        _seconds_an_image(group[0], device) * sum(run.steps * run.batch for run in group) for group in kinds.values()
    )
    images = sum(run.steps * run.batch for run in missing)
    threads = torch.get_num_threads()
    place = f"{threads} idle CPU thread{'s' * (threads > 1)} (no GPU was found)"
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else place
    length = f"{seconds / 3600:.1f} hours" if seconds > 3600 else f"{max(seconds / 60, 1):.0f} min"
    return (
        f"{len(missing)} network{'s' * (len(missing) > 1)} to train, {images / 1e6:,.2f} million images: at most about "
        f"{length} on {place}."
    )


def _seconds_an_image(run: Run, device: torch.device) -> float:
    batch = min(run.batch, 16)
    x = torch.zeros(1, run.channels, run.size, run.size, device=device)
    steps = train(runs.network(run), x, steps=5, seed=0, batch=batch, optimizer=run.optimizer)
    on_gpu = device.type == "cuda"
    # of a CPU the work that is done, not the time that passes: what else runs now is no measure of the hours to come
    clock, share = (time.perf_counter, 1) if on_gpu else (time.process_time, torch.get_num_threads())
    times = [clock() for _ in steps]
    return min(b - a for a, b in itertools.pairwise(times)) / batch / share  # the first steps choose kernels
