"""Experiments: which networks are compared, and on which images. A scale enters, a frozen `Study` leaves.

What is measured on a study goes elsewhere: into tables (`ghr.measure`). A network without a checkpoint is trained
first, after saying so.
"""

import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from jaxtyping import Float
from torch import Tensor, nn
from tqdm.auto import tqdm

from ghr import foreign, images, plan, recipes, runs
from ghr.foreign import authors
from ghr.images import Halves, archives, names
from ghr.images.photographs import Regions
from ghr.images.photographs import regions as regions_of
from ghr.networks import BFCNN
from ghr.recipes import Run
from ghr.tables import Table

#: N to work with; or what `papermill -p sizes "[100, 30000]"` hands on; None for all
Sizes = Collection[int] | str | None
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
        """The smallest N above one, or one where there is no other."""
        return min((n for n in self.sizes if n > 1), default=1)

    @property
    def largest(self) -> int:
        """The largest N."""
        return self.sizes[-1]

    @property
    def network(self) -> str:
        """Kind of network, key of `recipes.NETWORKS`; of several kinds, the first."""
        return next(iter(self.runs.values())).network

    def of(self, n: int) -> "Study":
        """The networks of one N.

        Args:
            n: that N.

        Returns:
            Study of the same images.
        """
        runs, denoisers = ({key: of for key, of in each.items() if key[0] == n} for each in (self.runs, self.denoisers))
        return replace(self, runs=MappingProxyType(runs), denoisers=MappingProxyType(denoisers))

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


def faces(scale: str, sizes: Sizes = None, like: str | None = None) -> Study:
    """UNets of cartoon faces, both halves of every N: keys (n, "A") and (n, "B").

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".
        sizes: work with those of these N that the table has (None: all).
        like: trained as the networks of this part of `recipes.table` are, to be compared with them (None: as its own).

    Returns:
        Study.

    Raises:
        ValueError: for another scale, an N that no table has, or none that this one has.
    """
    return _of_table(scale, "avatars", "UNet", sizes, like)


def photographs(scale: str, sizes: Sizes = None) -> Study:
    """UNets of patches of photographs, both halves of every N: keys (n, "A") and (n, "B").

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".
        sizes: work with those of these N that the table has (None: all).

    Returns:
        Study with the regions of its patches.

    Raises:
        ValueError: for another scale, an N that no table has, or none that this one has.
    """
    return _of_table(scale, "photographs", "UNet", sizes)


def chain(scale: str, sizes: Sizes = None) -> Study:
    """BF-CNNs of cartoon faces, a chain of convolutions without scales, both halves: keys (n, "A") and (n, "B").

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".
        sizes: work with those of these N that the table has (None: all).

    Returns:
        Study.

    Raises:
        ValueError: for another scale, an N that no table has, or none that this one has.
    """
    return _of_table(scale, "avatars", "BFCNN", sizes)


def controls(scale: str, sizes: Sizes = None) -> Study:
    """What do data and seed each do? UNets of faces, and the same with the seeds of the halves exchanged.

    Keys (n, "A"), (n, "B"), (n, "A, seed of B"), (n, "B, seed of A"): A and "A, seed of B" differ in their seed alone,
    A and "B, seed of A" in their images alone.

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".
        sizes: work with those of these N that the table has (None: all).

    Returns:
        Study.

    Raises:
        ValueError: for another scale, an N that no table has, or none that this one has.
    """
    exchanged = recipes.controls(scale)
    table = recipes.table(scale, "avatars", "UNet", "controls")
    own = [run for run in table if run.n in {other.n for other in exchanged}]
    seeds = {"A": "A, seed of B", "B": "B, seed of A"}
    named = {(run.n, run.half): run for run in own} | {(run.n, seeds[run.half]): run for run in exchanged}
    return study(_only(named, sizes, scale))


def flagship(scale: str, sizes: Sizes = None) -> Study:
    """The pair whose faces are shown: the largest N, wider where a scale has wider networks; keys (n, "A"), (n, "B").

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".
        sizes: work with those of these N that the table has (None: all); the pair of the table where its largest N is
            not among them.

    Returns:
        Study.

    Raises:
        ValueError: for another scale, an N that no table has, or none that this one has.
    """
    chosen = {(run.n, run.half): run for run in recipes.table(scale, "avatars")}
    widest = {(run.n, run.half): run for run in recipes.flagship(scale)}
    wanted = _only(chosen, sizes, scale)
    largest = max(n for n, _ in wanted)
    return study({key: widest.get(key, run) for key, run in wanted.items() if key[0] == largest})


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


def architectures(scale: str, sizes: Sizes = None) -> tuple[Study, ...]:
    """Networks of cartoon faces without convolutions: a study of each kind; keys (n, "A"), and (n, "B") where it is.

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".
        sizes: work with those of these N that the table has (None: all).

    Returns:
        Studies of those kinds of `recipes.ARCHITECTURES` that the table has.

    Raises:
        ValueError: for another scale, an N that no table has, or none that this one has.
    """
    table = recipes.architectures(scale)
    names = dict.fromkeys(run.network for run in table)
    kinds = [{(run.n, run.half): run for run in table if run.network == kind} for kind in names]
    return tuple(study(_only(some, sizes, scale), max(some.values(), key=lambda run: run.n)) for some in kinds)


def early(scale: str) -> tuple[Study, ...]:
    """UNets of the largest set of faces after shorter trainings: a study of one network each, key (n, "A").

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".

    Returns:
        Studies, from the shortest training to that of the table's own network, which has the other half too.

    Raises:
        ValueError: for another scale.
    """
    shorter = [study({(run.n, run.half): run}) for run in recipes.early(scale)]
    return (*shorter, study({(run.n, run.half): run for run in recipes.table(scale, "avatars")[-2:]}))


def equal_views(scale: str) -> tuple[Study, ...]:
    """What is remembered when each image was seen as often? UNets of faces at a constant rate; keys (n, half).

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".

    Returns:
        Studies, those of one number of views in one, from the fewest views to the most.

    Raises:
        ValueError: for another scale.
    """
    by_views: dict[float, dict[Key, Run]] = {}
    for run in recipes.equal_views(scale):  # of some N there are views and a fraction
        by_views.setdefault(round(run.images_seen / run.n, 1), {})[run.n, run.half] = run
    return tuple(study(chosen) for _, chosen in sorted(by_views.items()))


def onset(scale: str) -> Study:
    """When does memory set in? UNets of small sets of faces at a constant rate; keys (n, "width 8, seed 0").

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".

    Returns:
        Study, whose logs are what it is for.

    Raises:
        ValueError: for another scale.
    """
    return _watched(recipes.onset(scale))


def room(scale: str) -> Study:
    """How does memory depend on a network's size? More widths, trained as in `onset`; keys (n, "width 4, seed 0").

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".

    Returns:
        Study, whose logs are what it is for.

    Raises:
        ValueError: for another scale.
    """
    return _watched(recipes.room(scale))


def _watched(chosen: Collection[Run]) -> Study:
    return study({(run.n, f"width {run.width}, seed {run.seed}"): run for run in chosen})


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
    return _kinds(scale, recipes.classes(scale), kinds)


def scaling(scale: str, *kinds: str) -> tuple[Study, ...]:
    """What does a network gain as it sees more images? A study of one network each, key (n, "A").

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".
        kinds: how the names of the wanted image sets begin, e.g. "discs" (none: all).

    Returns:
        Studies, from the shortest training of each set to the longest; then the longest from another seed.

    Raises:
        ValueError: for another scale, or when the table has no set of a kind.
    """
    return _kinds(scale, recipes.scaling(scale), kinds)


def _kinds(scale: str, table: Collection[Run], kinds: tuple[str, ...]) -> tuple[Study, ...]:
    if absent := [kind for kind in kinds if not any(run.images.startswith(kind) for run in table)]:
        known = ", ".join(dict.fromkeys(run.images for run in table))
        raise ValueError(f"The table of scale {scale} has no {', '.join(absent)}: expected some of {known}.")
    chosen = [run for run in table if not kinds or run.images.startswith(kinds)]
    return tuple(study({(run.n, run.half): run}) for run in chosen)


def published(
    clone: str | Path | None = None,
    size: int = authors.SIZE,
    held_out: int = 256,
    sets: Mapping[str, str] | None = None,
) -> tuple[Study, ...]:
    """The networks that the paper's authors published, those of one architecture and image set in a study.

    Which images they were trained on is not known, so that a study has no training images; faces and bedrooms that are
    held out here may be among them. C^alpha images are drawn afresh by the rules of the authors' code.

    Args:
        clone: of their repository (default: `authors` in $GHR_DATA).
        size: side of the images, pixels.
        held_out: images to measure on.
        sets: names of image sets, of `ghr.images.load`, by those of the authors' folders, where these do not tell.

    Returns:
        Studies with keys (n, "A") and (n, "B"), B being their swapped half. Networks whose image set is neither known
        nor there are left out, after saying so.

    Raises:
        FileNotFoundError: with what to get, where there is no network, or none whose images are there.
    """
    groups: dict[tuple[str, str], list[authors.Published]] = {}
    for one in authors.published(clone):
        name = (sets or {}).get(one.data, one.images)
        if name is None or (names.parse(name).source == "files" and not archives.here(name)):
            tqdm.write(f"{one.file} is left out: " + _absent(one.data, name), file=sys.stderr)
            continue
        groups.setdefault((one.architecture, name), []).append(one)
    if not groups:
        raise FileNotFoundError("None of the authors' networks has its images here: see what was left out.")
    found = []
    for (_, name), some in groups.items():
        denoisers = {(one.n, one.half): runs.ready(foreign.load(one.file).network) for one in some}
        held = images.held_out(name, size, 1, held_out)
        described = {key: _described(f, name, size, *key) for key, f in denoisers.items()}
        found.append(Study(name, MappingProxyType(described), MappingProxyType(denoisers), _Unknown(), held))
    return tuple(found)


def _absent(data: str, name: str | None) -> str:
    if name is None:
        return f'this package has no images called "{data}"; sets={{"{data}": NAME}} names some.'
    return f"there are no images {name}; ghr.images.load says what to get."


def _described(f: nn.Module, name: str, size: int, n: int, half: str) -> Run:
    """What is known of a published network, in the fields of a run: theirs was Adam, its rate halved now and then."""
    kind = {"network": "BFCNN"} if isinstance(f, BFCNN) else {"network": "UNet", "scales": f.scales}
    width = next(f.parameters()).shape[0]
    seen = max(1, 250_000 // n) * n * 1000  # repeated to 250,000 images, for 1,000 epochs (the authors' main.py)
    law = {"optimizer": "adamw", "schedule": "constant", "sigma_law": 2.0, "batch": 512, "average": 0.0, "warmup": 0}
    return Run(images=name, size=size, n=n, half=half, width=width, images_seen=seen, lr=1e-3, **kind, **law)


class _Unknown(Mapping[int, Halves]):
    """Training images that nobody knows but those who trained."""

    def __getitem__(self, n: int) -> Halves:
        raise LookupError("The training images of the authors' networks are not known: measure on held-out images.")

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


def prepare(scale: str, sizes: Sizes = None) -> None:
    """Draw the images that studies of a scale need, with a bar, and say which networks they will train first.

    Args:
        scale: table of runs: "smoke", "laptop" or "paper".
        sizes: which N are worked with (None: all).

    Raises:
        ValueError: for another scale, or an N that no table has.
    """
    chosen = [run for run in recipes.table(scale) if sizes is None or run.n in _wanted(sizes, scale)]
    for run in {(run.size, run.pool): run for run in chosen if run.images == "avatars"}.values():
        images.load(run.images, run.size, run.pool)
    _tell(chosen)


def _tell(chosen: Collection[Run]) -> None:
    """Say which runs have no checkpoint, and what it takes to train them."""
    if missing := [run for run in chosen if not runs.path(run).exists()]:
        kinds: dict[tuple[str, str], set[int]] = {}
        for run in missing:
            kinds.setdefault((run.network, run.images), set()).add(run.n)
        wanted = [
            f"{network} of {', '.join(f'{n:,}' for n in sorted(of))} {name}" for (network, name), of in kinds.items()
        ]
        told = f"Without a checkpoint in {runs.folder()}: {'; '.join(wanted)}. {plan.cost(missing)}"
        tqdm.write(told, file=sys.stderr)


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
    held_out = runs.held_out(run)
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


def _of_table(scale: str, name: str, network: str, sizes: Sizes, like: str | None = None) -> Study:
    table = {(run.n, run.half): run for run in recipes.table(scale, name, network, like)}
    return study(_only(table, sizes, scale), max(table.values(), key=lambda run: run.n))


def _only(chosen: Mapping[Key, Run], sizes: Sizes, scale: str) -> Mapping[Key, Run]:
    if sizes is None:
        return chosen
    wanted = _wanted(sizes, scale)
    if not (found := {key: run for key, run in chosen.items() if key[0] in wanted}):
        known = sorted({n for n, _ in chosen})
        raise ValueError(f"No networks of N = {sorted(wanted)} in this table: expected some of {known}.")
    return found


def _wanted(sizes: Collection[int] | str, scale: str) -> set[int]:
    """N that a person asked for, each of which some table of the scale must have."""
    try:
        wanted = set(json.loads(sizes) if isinstance(sizes, str) else sizes)
    except (TypeError, ValueError) as error:
        raise ValueError(f"sizes is {sizes!r}: expected a list of N, e.g. [100, 30000].") from error
    known = {run.n for run in recipes.table(scale)}
    if unknown := wanted - known:
        named = ", ".join(map(str, sorted(unknown, key=str)))
        raise ValueError(f"No table of scale {scale} has N = {named}: expected some of {sorted(known)}.")
    return wanted
