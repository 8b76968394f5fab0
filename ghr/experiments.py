"""Experiments: which networks are compared, and on which images. A scale enters, a frozen `Study` leaves.

What is measured on a study goes elsewhere: into tables (`ghr.measure`). A network without a checkpoint is trained
first, after saying so.
"""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from ghr import images, plan, recipes, runs
from ghr.images import Halves
from ghr.images.photographs import Regions
from ghr.images.photographs import regions as regions_of
from ghr.recipes import Run
from ghr.tables import Table

Key = tuple[int, str]  #: N, and what tells a network from the others of this N: its half, or a longer label


@dataclass(frozen=True)
class Study:
    """Networks of one image set, and its images; nothing in it can be changed."""

    name: str  #: image set, e.g. "avatars"
    runs: Mapping[Key, Run]  #: how each network was trained, by N and label
    denoisers: Mapping[Key, Callable]  #: the trained networks, under the same keys
    data: Mapping[int, Halves]  #: training images of both halves, by N; read when asked for
    held_out: Float[Tensor, "m c h w"]  #: test images, the same for every N
    regions: Regions | None = None  #: where photographs were cut from; None where images are independent

    @property
    def sizes(self) -> list[int]:
        """Every N, increasing."""
        return sorted({n for n, _ in self.denoisers})

    @property
    def few(self) -> int:
        """The smallest N above one."""
        return min(n for n in self.sizes if n > 1)

    @property
    def largest(self) -> int:
        """The largest N."""
        return self.sizes[-1]

    @property
    def network(self) -> str:
        """Kind of network, key of `recipes.NETWORKS`; of several kinds, the first."""
        return next(iter(self.runs.values())).network

    def training(self, n: int, label: str = "A") -> Float[Tensor, "n c h w"]:
        """Training images of one network.

        Args:
            n: its N.
            label: its half, or a longer label.

        Returns:
            The images of its half.
        """
        halves = self.data[n]
        return halves.a if self.runs[n, label].half == "A" else halves.b


@dataclass(frozen=True)
class Network:
    """A trained network, for those who read about it."""

    images: str  #: image set
    n: int  #: training images
    label: str  #: its half, or a longer label
    network: str  #: kind, key of `recipes.NETWORKS`
    width: int  #: channels of its first scale
    parameters: int  #: learned numbers
    size: int  #: side of an image, pixels
    pixels: int  #: d
    images_seen: int  #: in training, with repetition
    views: float  #: of each training image
    held_out: int  #: test images


def faces(scale: str, sizes: Collection[int] | None = None) -> Study:
    """UNets of cartoon faces, both halves of every N: keys (n, "A") and (n, "B").

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".
        sizes: work with these N only (None: all of the table).

    Returns:
        Study.

    Raises:
        ValueError: for another scale, or an N that the table lacks.
    """
    return _of_table(scale, "avatars", "UNet", sizes)


def photographs(scale: str, sizes: Collection[int] | None = None) -> Study:
    """UNets of patches of photographs, both halves of every N: keys (n, "A") and (n, "B").

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".
        sizes: work with these N only (None: all of the table).

    Returns:
        Study with the regions of its patches.

    Raises:
        ValueError: for another scale, or an N that the table lacks.
    """
    return _of_table(scale, "photographs", "UNet", sizes)


def chain(scale: str, sizes: Collection[int] | None = None) -> Study:
    """BF-CNNs of cartoon faces, a chain of convolutions without scales, both halves: keys (n, "A") and (n, "B").

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".
        sizes: work with these N only (None: all of the table).

    Returns:
        Study.

    Raises:
        ValueError: for another scale, or an N that the table lacks.
    """
    return _of_table(scale, "avatars", "BFCNN", sizes)


def controls(scale: str, sizes: Collection[int] | None = None) -> Study:
    """What do data and seed each do? UNets of faces, and the same with the seeds of the halves exchanged.

    Keys (n, "A"), (n, "B"), (n, "A, seed of B"), (n, "B, seed of A"): A and "A, seed of B" differ in their seed alone,
    A and "B, seed of A" in their images alone.

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".
        sizes: work with these N only (None: all of the table).

    Returns:
        Study.

    Raises:
        ValueError: for another scale, or an N that the table lacks.
    """
    exchanged = recipes.controls(scale)
    own = [run for run in recipes.table(scale, "avatars") if run.n in {other.n for other in exchanged}]
    seeds = {"A": "A, seed of B", "B": "B, seed of A"}
    named = {(run.n, run.half): run for run in own} | {(run.n, seeds[run.half]): run for run in exchanged}
    return study(_only(named, sizes))


def flagship(scale: str) -> Study:
    """The pair whose faces are shown: the largest N, wider where a scale has wider networks; keys (n, "A"), (n, "B").

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".

    Returns:
        Study.

    Raises:
        ValueError: for another scale.
    """
    return study({(run.n, run.half): run for run in recipes.flagship(scale)})


def others(scale: str) -> Study:
    """UNets of the largest set of faces that are not bias-free or not blind; keys (n, kind of network).

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".

    Returns:
        Study.

    Raises:
        ValueError: for another scale.
    """
    return study({(run.n, run.network): run for run in recipes.others(scale)})


def classes(scale: str, *kinds: str) -> tuple[Study, ...]:
    """Images whose best denoiser is known, and faces with shuffled pixels: a study of one network each, key (n, "A").

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".
        kinds: how the names of the wanted image sets begin, e.g. "discs" (none: all).

    Returns:
        Studies in the order of the table; of one image set there may be a UNet and a BF-CNN.

    Raises:
        ValueError: for another scale, or when the table has no set of a kind.
    """
    table = recipes.classes(scale)
    if absent := [kind for kind in kinds if not any(run.images.startswith(kind) for run in table)]:
        known = ", ".join(dict.fromkeys(run.images for run in table))
        raise ValueError(f"The table of scale {scale} has no {', '.join(absent)}: expected some of {known}.")
    chosen = [run for run in table if not kinds or run.images.startswith(kinds)]
    return tuple(study({(run.n, run.half): run}) for run in chosen)


def prepare(scale: str) -> None:
    """Draw the images that studies of a scale need, with a bar, and say which networks they will train first.

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".

    Raises:
        ValueError: for another scale.
    """
    chosen = recipes.table(scale)
    for run in {(run.size, run.pool): run for run in chosen if run.images == "avatars"}.values():
        images.load(run.images, run.size, run.pool)
    _tell(chosen)


def _tell(chosen: Collection[Run]) -> None:
    """Say which runs have no checkpoint, and what it takes to train them."""
    if missing := [run for run in chosen if not runs.path(run).exists()]:
        wanted = "; ".join(
            f"{run.network} of {run.n:,} {run.images}, half {run.half}, {run.images_seen:,} images seen"
            for run in missing
        )
        tqdm.write(f"Without a checkpoint in {runs.folder()}: {wanted}. {plan.cost(missing)}", file=sys.stderr)


def study(chosen: Mapping[Key, Run], largest: Run | None = None) -> Study:
    """A study of any runs of one image set. Those without a checkpoint are trained first, after saying which.

    Args:
        chosen: runs by N and label.
        largest: the run whose test images are used (None: that of the largest N).

    Returns:
        Study.
    """
    _tell(chosen.values())
    for run in chosen.values():
        runs.fit(run)  # returns at once where the checkpoint is there
    run = largest or max(chosen.values(), key=lambda run: run.n)
    held_out = images.held_out(run.images, run.size, run.n, run.held_out, run.pool)
    regions = regions_of(run.size) if run.images == "photographs" else None
    return Study(
        name=run.images,
        runs=MappingProxyType(dict(chosen)),
        denoisers=MappingProxyType({key: runs.load(of_key) for key, of_key in chosen.items()}),
        data=_Data(MappingProxyType({n: of_key for (n, _), of_key in chosen.items()})),
        held_out=held_out,
        regions=regions and regions._replace(held_out=regions.held_out[: len(held_out)]),
    )


def networks(*studies: Study) -> Table[Network]:
    """What the networks of some studies are, and how long they were trained.

    Args:
        studies: whose networks are modules.

    Returns:
        One row for each network.
    """
    rows = []
    for some in studies:
        for (n, label), run in some.runs.items():
            count = sum(p.numel() for p in some.denoisers[n, label].parameters())
            kind = (run.network, run.width, count, run.size, some.held_out[0].numel())
            rows.append(Network(run.images, n, label, *kind, run.images_seen, run.images_seen / n, len(some.held_out)))
    return Table(tuple(rows))


@dataclass(frozen=True)
class _Data(Mapping[int, Halves]):
    """Both halves of each N, read when asked for: of some sets they are large, and not every chapter needs them."""

    runs: Mapping[int, Run]  #: one run of each N

    def __getitem__(self, n: int) -> Halves:
        return runs.data(self.runs[n])

    def __iter__(self) -> Iterator[int]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)


def _of_table(scale: str, name: str, network: str, sizes: Collection[int] | None) -> Study:
    table = {(run.n, run.half): run for run in recipes.table(scale, name, network)}
    return study(_only(table, sizes), max(table.values(), key=lambda run: run.n))


def _only(chosen: Mapping[Key, Run], sizes: Collection[int] | None) -> Mapping[Key, Run]:
    if sizes is None:
        return chosen
    known = sorted({n for n, _ in chosen})
    if unknown := set(sizes) - set(known):
        raise ValueError(f"No networks of N = {sorted(unknown)} in this table: expected some of {known}.")
    return {key: run for key, run in chosen.items() if key[0] in sizes}
