"""Targets, from a plan older than the networks: a measured number enters, an entry with a verdict leaves.

A target says which number of which table it asks for (`Target.asked`), and the ledger is computed from the tables that
the chapters keep (`measured`); bounds are looked up here, so that no chapter can move one. The press shows the entries
beside their targets, and keeps those of the shipped book in `book/ledger.json`. A later build is compared with that
file (`changes`): no verdict may change, no value may leave its interval, up to rounding.
"""

import dataclasses
import json
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ghr.book.query import Kept, NoRow, ask, parse
from ghr.files.cache import write_whole
from ghr.recipes import NETWORKS, SCALES
from ghr.stats import Estimate

_NONE = (-math.inf, math.inf)
SECOND = frozenset(  #: set before the second edition's networks were trained, after the first one's were measured
    [
        *("T8d", "T9d", "T9e", "T11d", "T11e", "T13b", "T14b", "T16b", "T17d", "T18c", "T18d", "T22b", "T23d", "T23e"),
        *("T24", "T25", "T26", "T27"),
    ]
)
ROUNDING = 1e-6  #: what float32 may move on another processor; T10 is nothing but that


@dataclass(frozen=True)
class Target:
    """What should hold, and where."""

    statistic: str  #: in words, with its unit
    laptop: tuple[float, float]  #: the number should lie between these; 32x32, width 16
    paper: tuple[float, float]  #: the same at 80x80, width 64
    photographs: tuple[float, float] | None = None  #: laptop bounds for photographs, where they differ
    on: tuple[str, ...] = ("avatars", "photographs")  #: image sets of which it is asked
    #: the Estimate that is held against it (`ghr.book.query`, with its chapter), by image set, or by image set and
    #: network where that is not the UNet, ``{"avatars BFCNN": "04:homogeneity[network=BFCNN].largest"}``
    asked: Mapping[str, str] = field(default_factory=dict)
    waits: str = ""  #: what there is to be before it can be measured, in words; "" where it is asked


def _at_least(laptop: float, paper: float) -> tuple[tuple[float, float], tuple[float, float]]:
    return (laptop, math.inf), (paper, math.inf)


def _at_most(laptop: float, paper: float) -> tuple[tuple[float, float], tuple[float, float]]:
    return (-math.inf, laptop), (-math.inf, paper)


def _of_both(question: str) -> dict[str, str]:
    """A question that is put to a table of faces, and to the table of photographs beside it."""
    return {"avatars": question.replace("*", ""), "photographs": question.replace("*", "patch_")}


def _of_bases(table: str, where: str, column: str) -> dict[str, str]:
    """What chapter 4 is asked of each of its three studies."""
    subjects = {"avatars": "avatars UNet", "photographs": "photographs UNet", "avatars BFCNN": "avatars BFCNN"}
    return {
        subject: "04:{}[images={},network={},{}].{}".format(table, *words.split(), where, column)
        for subject, words in subjects.items()
    }


# U, c_AB, c_NN: see ghr.similarity; J, H1-H4: ghr.jacobian, ghr.harmonic; controls of H2-H4: another image's basis, and
# principal components. "Largest N": of an image set. Of statistics that each half has, the half further from the target
# counts. A share of 0 has an interval, so that "none" is written "<= .01".
TARGETS = {
    "T2a": Target(
        "gap: training less test PSNR at input 21 dB, N = 10 (dB)",
        *_at_least(15, 30),
        asked=_of_both("02:*gaps[n=10,gap=min].gap"),
    ),
    "T2b": Target(
        "gap: training less test PSNR at input 21 dB, N = 100 (dB)",
        *_at_least(5, 25),
        asked=_of_both("02:*gaps[n=100,gap=min].gap"),
    ),
    "T4": Target(
        "gap averaged over noise levels, largest N (dB)",
        *_at_most(0.2, 0.1),
        photographs=(-math.inf, 1),
        asked=_of_both("02:*gaps[n=max,mean=max].mean"),
    ),
    "T5a": Target(
        "likeness of A's and B's samples from one noise (c_AB), N = 10",
        *_at_most(0.6, 0.5),
        asked=_of_both("03:*alike[n=10].same_noise"),
    ),
    "T5b": Target(
        "likeness of A's and B's samples from one noise (c_AB), largest N",
        *_at_least(0.90, 0.95),
        asked=_of_both("03:*alike[n=max].same_noise"),
    ),
    "T6a": Target(
        "likeness of samples to their nearest training images (c_NN), N = 10",
        *_at_least(0.97, 0.97),
        asked=_of_both("03:*near[n=10,nearest=min].nearest"),
    ),
    "T6b": Target(
        "how much nearer to the training set samples are than new images (c_NN - c_null), largest N",
        *_at_most(0.03, 0.02),
        asked=_of_both("03:*near[n=max,excess=max].excess"),
    ),
    "T6c": Target(
        "how much nearer samples are than new images, up to mirroring and shifts of 3 pixels, largest N",
        *_at_most(0.03, 0.02),
        asked=_of_both("03:*moved[excess=max].excess"),
    ),
    "T7a": Target(
        "share of seeds for which the other network's sample is nearer than any training image, N = 10",
        *_at_most(0.1, 0.1),
        asked=_of_both("03:*near[n=10,closer=max,half=min].closer"),
    ),
    "T7b": Target(
        "share of seeds for which the other network's sample is nearer than any training image, largest N",
        *_at_least(0.9, 0.98),
        asked=_of_both("03:*near[n=max,closer=min,half=min].closer"),
    ),
    "T8b": Target(
        "share of copies among samples (d1/d2 < 1/3), largest N",
        *_at_most(0.01, 0.01),
        asked=_of_both("03:*near[n=max,copies=max,half=min].copies"),
    ),
    "T8c": Target(
        "share of copies among held-out images, all of them false alarms, largest N",
        *_at_most(0.01, 0.01),
        asked=_of_both("03:*moved[false_positives=max,half=min].false_positives"),
    ),
    "T8d": Target(
        "share of samples that are copies of a training image in whatever tone (rays), N = 10",
        *_at_least(0.9, 0.9),
        asked=_of_both("03:*near[n=10,ray_copies=min,half=min].ray_copies"),
    ),
    "T9d": Target(
        "disagreement of A and B over that of the two exact memorizers (U), largest N, the worst σ in [.05, 1]",
        *_at_most(0.03, 0.03),
        asked=_of_both("03:*distance[n=max,sigma>=0.05,sigma<=1,u=max].u"),
    ),
    "T9e": Target(
        "disagreement of two halves over that of two seeds of one half, σ = .1, N = 10,000",
        *_at_most(1.5, 1.5),
        on=("avatars",),
        asked={"avatars": "03:chances[n=max,over_seed=max].over_seed"},
    ),
    "T10": Target(
        "f = J y: ||f - J y|| / ||f|| in float32, largest N, the worst noise level",
        *_at_most(1e-4, 1e-4),
        asked=_of_bases("anatomy", "n=max,hom=max", "hom"),
    ),
    "T11d": Target(
        "error over what shrinkage of noise leaves, MSE / (σ² E tr J), σ = .1, largest N",
        (0.85, 1.25),
        (0.9, 1.15),
        asked=_of_bases("levels", "n=max,sigma=0.1", "sc"),
    ),
    "T11e": Target(
        "error over what shrinkage of noise leaves, MSE / (σ² E tr J), σ = .1, N = 100",
        *_at_least(3, 3),
        asked=_of_bases("levels", "n=100,sigma=0.1", "sc"),
    ),
    "T13": Target(
        "PSNR above TI db4, mean of input 9 to 27 dB, the smallest over α (dB)",
        *_at_least(1, 1.5),
        on=("c_alpha",),
        asked={"c_alpha": "05:worst[network=UNet].least_lead", "c_alpha BFCNN": "05:worst[network=BFCNN].least_lead"},
    ),
    "T13b": Target(
        "PSNR above bandlets with mirrored borders, mean of input 9 to 27 dB, the smallest over α (dB)",
        *_at_least(1, 1),
        on=("c_alpha",),
        asked={
            "c_alpha": "05:worst[network=UNet].least_over_bandlets",
            "c_alpha BFCNN": "05:worst[network=BFCNN].least_over_bandlets",
        },
    ),
    "T14b": Target(
        "PSNR lost against the exact optimum, the worst σ in [.02, .7] (dB)",
        *_at_most(0.2, 0.2),
        on=("fields-2",),
        asked={"fields-2": "05:losses[loss=max].loss"},
    ),
    "T15": Target(
        "alignment of the five leading singular vectors with the tangent, σ = .04",
        *_at_least(0.95, 0.97),
        on=("discs",),
        asked={"discs": "06:parts[denoiser=UNet].left", "discs BFCNN": "06:parts[denoiser=BFCNN].left"},
    ),
    "T16": Target(
        "dimensions kept, tr J, σ = .04 (the optimum keeps 5)",
        (5.5, 15),
        (7.4, math.inf),
        on=("discs",),
        asked={"discs": "06:deficits[denoiser=UNet].trace", "discs BFCNN": "06:deficits[denoiser=BFCNN].trace"},
    ),
    "T16b": Target(
        "limit of the dimensions kept, tr J at σ = .04, as more and more images are seen (the optimum keeps 5)",
        (5.5, 15),
        (7.4, math.inf),
        on=("discs",),
        waits="longer trainings",
    ),
    "T17d": Target(
        "squared error over that of the exact optimum, σ = .04",
        *_at_least(1.2, 1.2),
        on=("discs",),
        asked={
            "discs": "06:levels[denoiser=UNet,sigma=0.04].ratio",
            "discs BFCNN": "06:levels[denoiser=BFCNN,sigma=0.04].ratio",
        },
    ),
    "T17c": Target(
        "slope of output on input PSNR, 21 to 40 dB",
        *_at_most(0.97, 0.97),
        on=("discs",),
        asked={"discs": "06:deficits[denoiser=UNet].slope", "discs BFCNN": "06:deficits[denoiser=BFCNN].slope"},
    ),
    "T18c": Target(
        "PSNR lost by shuffling all pixels, σ = .3 (dB)",
        *_at_least(1.5, 2),
        on=("avatars-shuffled",),
        asked={"avatars-shuffled": "07:losses[block=max,half=A,sigma=0.3].lost"},
    ),
    "T18d": Target(
        "all pixels shuffled: PSNR of the network less that of Wiener, σ = .3 (dB)",
        *_at_least(0, 0),
        on=("avatars-shuffled",),
        asked={"avatars-shuffled": "07:losses[block=max,half=A,sigma=0.3].over_wiener"},
    ),
    "T19": Target(
        "order of vectors against their frequency (H1), largest N, the lower of σ = .1 and .3",
        *_at_least(0.7, 0.8),
        asked=_of_bases("indices", 'basis="its own",h1=min', "h1"),
    ),
    "T20a": Target(
        "keeping to contours (H2) less that of the better control, largest N",
        *_at_least(0, 0),
        asked=_of_bases("margins", "h2=min", "h2"),
    ),
    "T20b": Target(
        "variation along edges over across (H3, less is better) less that of the better control, largest N",
        *_at_most(0, 0),
        asked=_of_bases("margins", "h3=max", "h3"),
    ),
    "T20c": Target(
        "share in functions that may jump at contours (H4) less that of the better control, largest N",
        *_at_least(0, 0),
        asked=_of_bases("margins", "h4=min", "h4"),
    ),
    "T21": Target(
        "likeness of A's and B's samples (c_AB), largest N, the lowest of three samplers (0 where a walk diverges)",
        *_at_least(0.85, 0.9),
        asked=_of_both("03:*samplers[network=UNet,same_noise=min].same_noise")
        | {"avatars BFCNN": "03:samplers[network=BFCNN,same_noise=min].same_noise"},
    ),
    "T22b": Target(
        "noise level that a network acts on, over the true one, σ = .1, largest N",
        (0.95, 1.05),
        (0.97, 1.03),
        asked=_of_bases("levels", "n=max,sigma=0.1", "seen"),
    ),
    "T23a": Target(
        "energy of gradients of samples over that of held-out images, largest N",
        (0.85, 1.15),
        (0.9, 1.1),
        asked={"avatars": "03:quality[width=max].energy", "photographs": "03:patch_quality.energy"},
    ),
    "T23c": Target(
        "distance of samples to held-out images (MMD) over that of two held-out sets, largest N",
        *_at_most(2, 2),
        asked={"avatars": "03:quality[width=max].discrepancy", "photographs": "03:patch_quality.discrepancy"},
    ),
    "T23d": Target(
        "samples told from held-out images by a classifier, largest N: area under its curve (.5: not at all)",
        *_at_most(0.75, 0.75),
        asked={
            "avatars": "03:realism[kind=samples,width=max].auc",
            "photographs": "03:patch_realism[kind=samples].auc",
        },
    ),
    "T23e": Target(
        "distance of samples to held-out images in features of another network, over that of two held-out sets",
        *_at_most(2, 2),
        asked={
            "avatars": "03:realism[kind=samples,width=max].distance",
            "photographs": "03:patch_realism[kind=samples].distance",
        },
    ),
    "T24": Target(
        "gap of N = 10,000 at σ = .1, after as many views as give N = 1,000 a gap of 3 dB (dB)",
        *_at_most(0.5, 0.5),
        on=("avatars",),
        asked={"avatars": "02:equal[gap=3].larger"},
    ),
    "T25": Target(
        "exponent of N in the number of steps until memory sets in",
        (0.85, 1.15),
        (0.85, 1.15),
        on=("avatars",),
        asked={"avatars": "02:law[networks=all].apart"},
    ),
    "T26": Target(
        "likeness of A's and B's samples beyond Wiener, one noise, largest N",
        *_at_least(0.85, 0.85),
        asked=_of_both("03:*beyond[n=max].residual"),
    ),
    "T27": Target(
        "images exchanged: likeness of UNet A to BF-CNN A less that to BF-CNN B, largest N",
        (-0.01, 0.01),
        (-0.01, 0.01),
        on=("avatars",),
        asked={"avatars": '03:costs[n=max,one="UNet A"].plain'},
    ),
}


@dataclass(frozen=True)
class Entry:
    """A measured number beside its target."""

    id: str  #: key of TARGETS
    images: str  #: image set
    scale: str  #: table of runs
    value: float  #: what was measured
    low: float  #: lower end of the 95% interval
    high: float  #: upper end of it
    target: str  #: e.g. ">= 15"
    verdict: str  #: "met", "missed" or "undecided"
    chapter: str  #: where it was measured
    network: str = "UNet"  #: key of ghr.recipes.NETWORKS

    def __post_init__(self):
        words = [getattr(self, f.name) for f in dataclasses.fields(self) if f.type is str]
        numbers = [self.low, self.value, self.high]
        if not all(isinstance(word, str) for word in words):
            raise ValueError(f"{words} are not all words.")
        if not all(isinstance(x, float | int) and math.isfinite(x) for x in numbers) or numbers != sorted(numbers):
            number = f"{self.value} ({self.low} to {self.high})"
            raise ValueError(f"{self.id} on {self.images}: {number} is no number inside its interval.")

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What was measured on what: no two entries of a ledger share it."""
        return self.id, self.images, self.network, self.scale

    @property
    def measured(self) -> Estimate:
        """The number with its interval."""
        return Estimate(self.value, self.low, self.high)


def bounds(id: str, images: str, scale: str) -> tuple[float, float]:
    """Between which numbers a target wants its statistic; a smoke run is held against the laptop's.

    Args:
        id: key of TARGETS.
        images: image set of which the target is asked.
        scale: one of `ghr.recipes.SCALES`.

    Returns:
        Lower and upper bound, infinite where there is none.

    Raises:
        KeyError: for an unknown id.
    """
    target = TARGETS[id]
    if scale == "paper":
        return target.paper
    return target.photographs if images == "photographs" and target.photographs else target.laptop


def verdict(measured: Estimate, low: float, high: float) -> str:
    """Where the whole interval lies: inside the bounds "met", outside "missed", across one "undecided".

    Args:
        measured: the number with its interval.
        low: lower bound.
        high: upper bound.

    Returns:
        "met", "missed" or "undecided".
    """
    if low <= measured.low and measured.high <= high:
        return "met"
    return "missed" if measured.high < low or high < measured.low else "undecided"


def words(low: float, high: float) -> str:
    """Bounds as a reader writes them: ">= 15", "<= 0.2", "0.85 to 1.15".

    Args:
        low: lower bound.
        high: upper bound.

    Returns:
        Words.
    """
    if math.isinf(high):
        return f">= {low:g}"
    return f"<= {high:g}" if math.isinf(low) else f"{low:g} to {high:g}"


def enter(id: str, images: str, scale: str, measured: Estimate, chapter: str, network: str = "UNet") -> Entry:
    """Hold a measured number against its target.

    Args:
        id: key of TARGETS.
        images: image set of which the target is asked.
        scale: one of `ghr.recipes.SCALES`.
        measured: the number.
        chapter: two digits, e.g. "02".
        network: key of `ghr.recipes.NETWORKS`.

    Returns:
        Entry.

    Raises:
        KeyError: for an unknown id.
        ValueError: for a number that is not finite or outside its own interval; or an image set, scale or network of
            which the target is not asked.
    """
    for name, value, known in (
        ("images", images, TARGETS[id].on),
        ("scale", scale, SCALES),
        ("network", network, NETWORKS),
    ):
        if value not in known:
            raise ValueError(f"{id} is not asked of {name} {value!r}: {name} is one of {', '.join(known)}.")
    target = bounds(id, images, scale)
    value, low, high = (float(f"{x:.6g}") for x in (measured.value, measured.low, measured.high))
    return Entry(id, images, scale, value, low, high, words(*target), verdict(measured, *target), chapter, network)


def measured(kept: Kept, scale: str, targets: Mapping[str, Target] = types.MappingProxyType(TARGETS)) -> list[Entry]:
    """The entries that tables give.

    Args:
        kept: table by name by chapter; a question to a chapter that is not there is not put.
        scale: of the tables, one of `ghr.recipes.SCALES`.
        targets: by id.

    Returns:
        An entry for each question that finds a row, and in it a number; not every scale has them all.

    Raises:
        ValueError: when a question finds several rows or no Estimate, naming target and question.
    """
    entries = []
    for id, target in targets.items():
        for subject, question in target.asked.items():
            query = parse(question)
            if query.chapter not in kept:
                continue
            try:
                found = ask(query, kept)
            except NoRow:
                continue
            except ValueError as error:
                raise ValueError(f"{id} asks {question}: {error}") from error
            if found is None:  # could not be measured there
                continue
            if not isinstance(found, Estimate):
                raise ValueError(f"{id} asks {question}: {found!r} is no Estimate, hence has no verdict")
            images, _, network = subject.partition(" ")
            entries.append(enter(id, images, scale, found, query.chapter, network or "UNet"))
    return entries


def read(file: Path) -> list[Entry]:
    """Entries of a ledger, none when there is no such file.

    Args:
        file: the ledger.

    Returns:
        Entries.

    Raises:
        ValueError: when it is no ledger.
    """
    if not file.exists():
        return []
    try:
        found = json.loads(file.read_text("utf8"))
        if not isinstance(found, list):
            raise ValueError("it is no list")
        return [Entry(**entry) for entry in found]
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} is no ledger ({error}): take it back from version control.") from error


def write(file: Path, entries: list[Entry]) -> None:
    """Write a ledger, whole or not at all, sorted, one entry a line: a changed number is a changed line.

    Args:
        file: the ledger.
        entries: in any order.
    """
    order = {id: k for k, id in enumerate(TARGETS)}  # a retired target's entry of another scale comes last
    entries = sorted(entries, key=lambda e: (e.scale, e.network, e.images, order.get(e.id, len(order)), e.id))
    lines = ",\n".join(json.dumps(dataclasses.asdict(entry)) for entry in entries)
    write_whole(file, f"[\n{lines}\n]\n".encode())


def changes(committed: list[Entry], measured: list[Entry]) -> list[str]:
    """What a reader of the committed ledger would be told wrongly, one sentence each.

    An entry that is missing or new, another target or verdict, a value outside its committed interval by more than
    ROUNDING.

    Args:
        committed: entries of a scale.
        measured: entries of the same scale.

    Returns:
        Sentences, none when all is as it was.
    """
    found = []
    old, new = ({e.key: e for e in entries} for entries in (committed, measured))
    for key in sorted(old.keys() | new.keys()):
        name = "{} on {}, {}, at scale {}".format(*key)
        if key not in new:
            found.append(f"{name} is not measured any more.")
        elif key not in old:
            found.append(f"{name} is new.")
        else:
            a, b = old[key], new[key]
            if (a.target, a.verdict) != (b.target, b.verdict):
                found.append(f"{name}: {a.target} was {a.verdict}, now {b.target} is {b.verdict}.")
            if not a.low - ROUNDING <= b.value <= a.high + ROUNDING:
                found.append(f"{name}: {b.value:g} lies outside the committed interval [{a.low:g}, {a.high:g}].")
    return found
