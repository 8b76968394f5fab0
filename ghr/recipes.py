"""Recipes: everything that decides the weights of one network, and the tables of all networks that the book shows.

A name, a number of images and a half enter, a `Run` leaves. How it is trained, and where its file lies: `ghr.runs`. In
which order all runs of the book are trained: `ghr.plan`.
"""

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from ghr.images import names
from ghr.networks import BFCNN, MLP, ConditionalUNet, UNet
from ghr.training import OPTIMIZERS, SCHEDULES
from ghr.transformers import Transformer

SCALES = ("smoke", "laptop", "paper")  #: of the tables of runs
PATCH, WINDOW = 2, 5  #: of transformers: side of a patch, pixels; side of a local one's window, patches
#: for each channel of width: channels of a transformer's token, units of a perceptron's layer; width 16 has 480,120 and
#: 2,131,840 weights, the UNet 479,424
TOKEN, UNITS = 6, 40


def _mlp(run: "Run", bias: bool = False) -> MLP:
    return MLP(run.channels, UNITS * run.width, (run.size, run.size), bias)


def _transformer(run: "Run", window: int | None = None, bias: bool = False) -> Transformer:
    return Transformer(run.channels, TOKEN * run.width, (run.size, run.size), PATCH, window=window, bias=bias)


#: what makes the network of a run, by kind
NETWORKS = {
    "UNet": lambda run: UNet(run.channels, run.width, run.scales),
    "BFCNN": lambda run: BFCNN(run.channels, run.width),
    "BiasedUNet": lambda run: UNet(run.channels, run.width, run.scales, bias=True),
    "ConditionalUNet": lambda run: ConditionalUNet(run.channels, run.width, run.scales),
    "MLP": _mlp,
    "Transformer": _transformer,
    "LocalTransformer": lambda run: _transformer(run, WINDOW),
    "BiasedMLP": lambda run: _mlp(run, bias=True),
    "BiasedTransformer": lambda run: _transformer(run, bias=True),
}
ARCHITECTURES = ("MLP", "Transformer", "LocalTransformer", "BiasedMLP", "BiasedTransformer")  #: without convolutions


def _whole(least: int) -> tuple[str, Callable[[object], bool]]:
    fits = lambda x: isinstance(x, int) and not isinstance(x, bool) and x >= least  # noqa: E731
    return f"a whole number of at least {least}", fits


def _real(wanted: str, fits: Callable[[float], bool]) -> tuple[str, Callable[[object], bool]]:
    return wanted, lambda x: isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) and fits(x)


def _one_of(names: Collection[str]) -> tuple[str, Callable[[object], bool]]:
    return f"one of {', '.join(names)}", lambda x: x in names


_FIELDS = {  # what each field of a Run may be
    **dict.fromkeys(("size", "held_out", "n", "width", "scales", "images_seen", "batch"), _whole(1)),
    **dict.fromkeys(("seed", "warmup"), _whole(0)),
    **dict.fromkeys(("lr", "muon_lr", "sigma_law"), _real("a number above 0", lambda x: x > 0)),
    "pool": ("None or a whole number of at least 3", lambda x: x is None or _whole(3)[1](x)),
    "loss_weight": _real("a number", lambda x: True),
    "average": _real("a number from 0, below 1", lambda x: 0 <= x < 1),
    "float32_tail": _real("a share from 0 to 1", lambda x: 0 <= x <= 1),
    "images": ("the name of an image set", lambda x: isinstance(x, str)),
    "half": _one_of(("A", "B")),
    "network": _one_of(NETWORKS),
    "optimizer": _one_of(OPTIMIZERS),
    "schedule": _one_of(SCHEDULES),
}


@dataclass(frozen=True)
class Run:
    """One trained network: everything that decides its weights, and nothing else."""

    images: str = "avatars"  #: name understood by ghr.images.load
    size: int = 32  #: side in pixels (80 in the paper)
    pool: int | None = None  #: images in the pool, None for all of the set
    held_out: int = 2000  #: test images, from the middle of the pool
    n: int = 1000  #: training images
    half: str = "A"  #: "A" is the first n of the pool, "B" the last n; disjoint
    seed: int = 0  #: initial weights and training noise; A and B of one pair differ in it
    network: str = "UNet"  #: key of NETWORKS
    width: int = 16  #: channels of the first scale (64 in the paper); layers without scales in proportion
    scales: int = 3  #: poolings of the UNet (3 in the paper); without effect on networks of other kinds
    images_seen: int = 2**20  #: with repetition (2.5e8 in the paper)
    batch: int = 64  #: images a step (512 in the paper)
    optimizer: str = "muon"  #: of training.OPTIMIZERS (Adam in the paper)
    schedule: str = "linear"  #: how rates fall, of training.SCHEDULES (halved every 100 epochs in the paper)
    lr: float = 3e-3  #: peak of AdamW's learning rate (1e-3 in the paper)
    muon_lr: float = 0.01  #: peak of Muon's, which moves all kernels but the first and the last (none in the paper)
    warmup: int = 300  #: steps of linear rise (none in the paper)
    sigma_law: float = 1.5  #: sigma = u^a, u uniform in [0,1] (paper's text 1, its code 2)
    loss_weight: float = 1.0  #: squared error times (sigma + .02)^-c (0 in the paper)
    average: float = 0.999  #: decay of the weight average (none in the paper)
    float32_tail: float = 0.0  #: last fraction of the steps in float32, as memorizers are more exact than bf16

    def __post_init__(self):
        for name, (wanted, fits) in _FIELDS.items():
            if not fits(value := getattr(self, name)):
                raise ValueError(f"Run.{name} is {value!r}: expected {wanted}.")
        if self.network.endswith("UNet") and self.size % 2**self.scales:
            raise ValueError(
                f"Run.size is {self.size}: a UNet with {self.scales} scales needs sides divisible by {2**self.scales}."
            )
        if self.network.endswith("Transformer") and self.size % PATCH:
            raise ValueError(f"Run.size is {self.size}: a transformer needs sides divisible by {PATCH}, its patches.")
        # one set, one run, however it is spelled
        object.__setattr__(self, "images", names.parse(self.images, self.size).text)

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return math.ceil(self.images_seen / self.batch)

    @property
    def channels(self) -> int:
        """Of its images: 1, or 3 where the name of the set asks for colour."""
        return names.parse(self.images).channels

    @property
    def name(self) -> str:
        """File name: what a reader needs to find it, and a hash of what else differs from the defaults."""
        shown = ("images", "size", "n", "half", "seed", "width")
        rest = {
            f.name: value
            for f in dataclasses.fields(self)
            if f.name not in shown and (value := getattr(self, f.name)) != f.default
        }
        words = names.parse(self.images).words
        tail = "-" + hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:6] if rest else ""
        return f"{words}-{self.size}px-n{self.n}-{self.half}-seed{self.seed}-w{self.width}{tail}"


_RECIPES = {
    "smoke": Run(
        size=16, pool=1000, held_out=200, width=8, scales=2, images_seen=2048, batch=32, warmup=10, average=0.9
    ),
    # batches of 32: mean test PSNR of faces .14 dB above that of batches of 64 after as many images
    "laptop": Run(batch=32),
    # a tenth of the images that the paper's networks saw: about an hour a network on one current GPU
    "paper": Run(size=80, width=64, images_seen=25_000_000, batch=512, lr=1e-3, warmup=1000),
}
_SIZES = {
    ("avatars", "UNet"): {
        "smoke": (1, 10, 300),
        "laptop": (1, 10, 100, 1000, 10_000, 30_000),
        "paper": (1, 10, 100, 1000, 10_000, 30_000),
    },
    # the largest n is (about) what the pool gives
    ("photographs", "UNet"): {"smoke": (10, 100, 300), "laptop": (1, 10, 100, 1000, 4454), "paper": (1, 10, 100, 930)},
    ("avatars", "BFCNN"): {"smoke": (300,), "laptop": (100, 30_000), "paper": (100, 30_000)},
}
STUDIES = tuple(_SIZES)  #: image set and network
_CONTROLS = {"smoke": (300,), "laptop": (100, 10_000), "paper": (100, 10_000)}
# how it differs from the table's largest pair
_FLAGSHIP = {"smoke": {"width": 12}, "laptop": {"width": 32, "images_seen": 4_000_000}, "paper": {}}
# a part of the laptop's table whose networks are not trained anew yet shows those of the first edition, as a whole;
# other parts are "flagship", "controls", "others" and "classes"
_FIRST_EDITION = {"optimizer": "adamw", "schedule": "cosine", "images_seen": 1_000_000, "batch": 64}
_FIRST_EDITION_KINDS = {"avatars", "photographs", "c_alpha", "hoelder", "fields", "discs", "ray", "sines"}
_TRAINED_ANEW = frozenset({"avatars UNet", "photographs UNet"})
_OTHERS = dict.fromkeys(SCALES, ("BiasedUNet", "ConditionalUNet"))
_SHUFFLED = ("avatars-shuffled-2", "avatars-shuffled-4", "avatars-shuffled-8", "avatars-shuffled")
_SYNTHETIC = (
    *("c_alpha-1", "c_alpha-2", "c_alpha-3", "c_alpha-5", "c_alpha-3-1", "hoelder-1", "hoelder-2", "hoelder-4"),
    *("fields-2", "discs", "ray", "sines"),
)
_CLASSES = {  # half A of each; shuffled faces: as many and as often seen as the table's largest set, the others as here
    "smoke": ("c_alpha-1", "c_alpha-3", "hoelder-2", "fields-2", "discs", "ray", "sines", *_SHUFFLED[1::2]),
    "laptop": (*_SYNTHETIC, *_SHUFFLED),
    "paper": (*_SYNTHETIC, *_SHUFFLED),
}
_CLASSES_SIZE = {"smoke": {"n": 1000}, "laptop": {"n": 100_000}, "paper": {"n": 100_000}}
#: small sets at a constant rate, until each image was seen so often: N, widths, seeds, views
_ONSET = {
    "smoke": ((8, 32), (8,), 2, 256),
    "laptop": ((32, 64, 128, 256), (8, 16), 3, 512),  # N = 1,000 has a gap of 1 dB after fewer than 200 views
    "paper": ((128, 256, 512, 1024), (64,), 3, 4096),
}
#: halves by N; views of each image at a constant rate, before a short decay; images seen: more than the first, as fewer
#: teach too little, and at most the second
_EQUAL_VIEWS = {
    "smoke": ({10: "A", 30: "AB"}, (8, 32), (0, 2**20)),
    "laptop": ({1000: "A", 10_000: "A"}, (16, 31, 62, 125, 250, 500), (2**14, 6 * 2**20)),
    "paper": ({1000: "AB", 10_000: "AB"}, (62, 250, 1000, 4000), (2**19, 2**26)),
}
#: narrower and wider networks, as long as others take to begin to remember: N by width, seeds, images seen
_ROOM = {
    "smoke": ({4: (8, 32)}, 2, 2**11),
    "laptop": ({4: (32, 64, 128), 32: (256, 512)}, 3, 2**15),
    "paper": ({32: (128, 256, 512), 128: (512, 1024)}, 3, 2**19),
}
#: images seen by the largest set's network at the end of shorter trainings
_EARLY = {"smoke": (512,), "laptop": (2**14, 2**16, 2**18), "paper": (2**18, 2**20, 2**22)}
#: images drawn by formula, and one set with contours that the scale's classes have; images seen: the table's over these
_SCALING = ("discs", "ray", "fields-2")
_SCALING_ALPHA = {"smoke": "c_alpha-1", "laptop": "c_alpha-2", "paper": "c_alpha-2"}
_SCALING_DIVISORS = {"smoke": (8, 4, 2, 1), "laptop": (64, 16, 4, 1), "paper": (64, 16, 4, 1)}
#: kinds of networks without convolutions, N, halves
_ARCHITECTURES = {
    "smoke": (("Transformer",), (300,), "A"),
    "laptop": (("Transformer",), (30_000,), "A"),
    "paper": (("Transformer",), (100, 30_000), "AB"),
}
_CLASSES_BFCNN = {"smoke": ("discs",), "laptop": ("c_alpha-2", "discs"), "paper": ("c_alpha-2", "discs")}


def table(scale: str, images: str | None = None, network: str = "UNet", like: str | None = None) -> tuple[Run, ...]:
    """The runs of a scale, in the order in which they are trained: for each N, halves A and B.

    Args:
        scale: "smoke" (minutes, for tests), "laptop" (the shipped book), "paper" (80x80, width 64, for a GPU).
        images: one image set, "avatars" or "photographs" (default: everything, with `flagship`, `controls`, `others`,
            `classes`, `onset`, `room`, `early`, `scaling`, `equal_views` and `architectures`).
        network: "UNet", or of avatars "BFCNN".
        like: trained as the networks of this part are, to be compared with them: "controls", "classes" ... (default:
            as those of its own part).

    Returns:
        Runs.

    Raises:
        ValueError: for another name.
    """
    _require_scale(scale)
    if images is None:
        if network != "UNet":
            raise ValueError(f"A table of {network} alone is one of an image set: name it, e.g. avatars.")
        sets = [run for key in STUDIES for run in table(scale, *key)]
        rest = (flagship(scale), controls(scale), others(scale), classes(scale), onset(scale))
        rest = (*rest, room(scale), early(scale), scaling(scale), equal_views(scale), architectures(scale))
        return tuple(dict.fromkeys([*sets, *itertools.chain.from_iterable(rest)]))
    if (images, network) not in _SIZES:
        known = ", ".join(" ".join(key) for key in _SIZES)
        raise ValueError(f'No table of "{images} {network}": expected one of {known}.')
    chosen = tuple(run for n in _SIZES[images, network][scale] for run in pair(scale, n, images, network=network))
    return _shown(scale, like or f"{images} {network}", chosen)


def _shown(scale: str, part: str, chosen: Iterable[Run]) -> tuple[Run, ...]:
    """The runs of a part of a table, or their predecessors."""
    if scale != "laptop" or part in _TRAINED_ANEW:
        return tuple(chosen)
    old = lambda run: names.parse(run.images).kind in _FIRST_EDITION_KINDS  # noqa: E731
    return tuple(dataclasses.replace(run, **_FIRST_EDITION) if old(run) else run for run in chosen)


def flagship(scale: str) -> tuple[Run, Run]:
    """The pair whose faces are shown: the largest set of avatars, with wider networks where a scale has them.

    Args:
        scale: one of SCALES.

    Returns:
        Half A and half B.

    Raises:
        ValueError: for another scale.
    """
    widest = (dataclasses.replace(run, **_FLAGSHIP[scale]) for run in table(scale, "avatars")[-2:])
    if scale != "laptop" or "flagship" in _TRAINED_ANEW:
        return tuple(widest)
    return tuple(dataclasses.replace(run, **_FIRST_EDITION | _FLAGSHIP[scale]) for run in widest)


def controls(scale: str) -> tuple[Run, ...]:
    """What do data and seed each do? Avatars, the seeds of the halves exchanged: A with B's seed, B with A's.

    A of the table and this A differ in their seed alone; A of the table and this B in their data alone.

    Args:
        scale: one of SCALES.

    Returns:
        Runs.

    Raises:
        ValueError: for another scale.
    """
    _require_scale(scale)
    pairs = [pair(scale, n=n) for n in _CONTROLS[scale]]
    crossed = (dataclasses.replace(run, seed=other.seed) for a, b in pairs for run, other in ((a, b), (b, a)))
    return _shown(scale, "controls", crossed)


def others(scale: str) -> tuple[Run, ...]:
    """Is it the blindness, or the lack of biases? Half A of the largest set of avatars, with a UNet of another kind.

    Args:
        scale: one of SCALES.

    Returns:
        Runs.

    Raises:
        ValueError: for another scale.
    """
    a, _ = table(scale, "avatars")[-2:]
    return _shown(scale, "others", (dataclasses.replace(a, network=network) for network in _OTHERS[scale]))


def classes(scale: str) -> tuple[Run, ...]:
    """Images whose best denoiser is known, and faces with shuffled pixels: one network each, half A.

    Args:
        scale: one of SCALES.

    Returns:
        Runs.

    Raises:
        ValueError: for another scale.
    """
    _require_scale(scale)
    kinds = [*((name, "UNet") for name in _CLASSES[scale]), *((name, "BFCNN") for name in _CLASSES_BFCNN[scale])]
    chosen = (pair(scale, table(scale, "avatars")[-2].n, name, network=network)[0] for name, network in kinds)
    sized = (run if run.images in _SHUFFLED else dataclasses.replace(run, **_CLASSES_SIZE[scale]) for run in chosen)
    return _shown(scale, "classes", sized)


def architectures(
    scale: str, kinds: Collection[str] | None = None, sizes: Collection[int] | None = None, halves: str | None = None
) -> tuple[Run, ...]:
    """Which networks have the basis? Avatars, networks without convolutions; those without biases first.

    All see equally many images at the laptop's scale, a quarter of a million: a transformer's take half an hour.

    Args:
        scale: one of SCALES.
        kinds: some of ARCHITECTURES (None: those of the book).
        sizes: training images of each half (None: those of the book).
        halves: "A" or "AB" (None: those of the book).

    Returns:
        Runs.

    Raises:
        ValueError: for another scale.
    """
    _require_scale(scale)
    shown, counts, labels = _ARCHITECTURES[scale]
    pairs = [pair(scale, n, network=network) for network in kinds or shown for n in sizes or counts]
    seen = {"images_seen": 2**18} if scale == "laptop" else {}
    chosen = (run for run in itertools.chain.from_iterable(pairs) if run.half in (halves or labels))
    return tuple(dataclasses.replace(run, **seen) for run in chosen)


def early(scale: str) -> tuple[Run, ...]:
    """What does a network resemble before it is trained to the end? Half A of the largest set of avatars.

    Args:
        scale: one of SCALES.

    Returns:
        Runs, from the shortest training; each has a schedule of its own.

    Raises:
        ValueError: for another scale.
    """
    a, _ = table(scale, "avatars")[-2:]
    return tuple(dataclasses.replace(a, images_seen=seen) for seen in _EARLY[scale])


def equal_views(scale: str, halves: Mapping[int, str] | None = None) -> tuple[Run, ...]:
    """Do small sets differ from large ones when each image is seen as often? Faces, at a constant rate, then a decay.

    Runs of one set are one trunk, from which each branches off where its decay begins.

    Args:
        scale: one of SCALES.
        halves: "A" or "AB" by N (None: those of the book).

    Returns:
        Runs of each set, from the fewest views of each image to the most.

    Raises:
        ValueError: for another scale.
    """
    _require_scale(scale)
    shown, views, (least, longest) = _EQUAL_VIEWS[scale]
    common = {"schedule": "trapezoid", "float32_tail": 0.0}  # a tail in another precision would be no trunk
    every = (
        (run, count * n * 11 // 10)
        for n, labels in (halves or shown).items()
        for run in pair(scale, n)
        if run.half in labels
        for count in views
    )
    inside = range(least + 1, longest + 1)
    return tuple(dataclasses.replace(run, images_seen=seen, **common) for run, seen in every if seen in inside)


def scaling(scale: str) -> tuple[Run, ...]:
    """What does a network gain as it sees more images? Half A of images drawn by formula, the longest from two seeds.

    Args:
        scale: one of SCALES.

    Returns:
        Runs, from the shortest training of each set to the longest, each with a schedule of its own; then the longest
        from another seed.

    Raises:
        ValueError: for another scale.
    """
    _require_scale(scale)
    longest = [pair(scale, _CLASSES_SIZE[scale]["n"], kind)[0] for kind in (*_SCALING, _SCALING_ALPHA[scale])]
    every = itertools.product(_SCALING_DIVISORS[scale], longest)
    first = (dataclasses.replace(run, images_seen=run.images_seen // divisor) for divisor, run in every)
    return (*first, *(dataclasses.replace(run, seed=1) for run in longest))


def onset(scale: str, sizes: Collection[int] | None = None) -> tuple[Run, ...]:
    """When does memory set in? Small sets of faces, half A, of some widths and seeds, at a constant rate.

    Args:
        scale: one of SCALES.
        sizes: N (None: those of the book).

    Returns:
        Runs, whose logs tell.

    Raises:
        ValueError: for another scale.
    """
    _require_scale(scale)
    shown, widths, seeds, views = _ONSET[scale]
    every = itertools.product(sizes or shown, widths, range(seeds))
    return tuple(_watched(scale, n, width, seed, views * n) for n, width, seed in every)


def room(scale: str) -> tuple[Run, ...]:
    """How does memory depend on a network's size? More widths than `onset` has, trained as it, to one number of images.

    Args:
        scale: one of SCALES.

    Returns:
        Runs, all of one length, whose logs tell.

    Raises:
        ValueError: for another scale.
    """
    _require_scale(scale)
    widths, seeds, seen = _ROOM[scale]
    every = ((n, width, seed) for width, sizes in widths.items() for n in sizes for seed in range(seeds))
    return tuple(_watched(scale, n, width, seed, seen) for n, width, seed in every)


def _watched(scale: str, n: int, width: int, seed: int, seen: int) -> Run:
    """Half A of faces at a constant rate: at each moment a network that was trained so far and no further."""
    common = {"width": width, "seed": seed, "images_seen": seen, "schedule": "constant", "float32_tail": 0.0}
    return dataclasses.replace(pair(scale, n)[0], **common)


def _require_scale(scale: str) -> None:
    if scale == "authors":
        raise ValueError(
            "The authors' networks are no scale of a chapter: book/notebooks/authors.py asks of them what chapters 2 "
            "to 5 ask."
        )
    if scale not in SCALES:
        raise ValueError(f'Unknown scale "{scale}": expected one of {", ".join(SCALES)}.')


def pair(
    scale: str, n: int, images: str = "avatars", size: int | None = None, network: str = "UNet"
) -> tuple[Run, Run]:
    """The two runs of one set size, half A and half B, with a scale's recipe.

    They differ in data, initial weights and training noise. Memorizers end in float32.

    Args:
        scale: one of SCALES.
        n: images in each half.
        images: name understood by ghr.images.load.
        size: side in pixels (default: the scale's).
        network: key of NETWORKS.

    Returns:
        Half A and half B.

    Raises:
        ValueError: for another scale, or what makes no `Run`.
    """
    _require_scale(scale)
    recipe = _RECIPES[scale]
    common = dataclasses.replace(  # refuses, in a sentence, what makes no sense
        recipe, images=images, n=n, size=recipe.size if size is None else size, network=network
    )
    pool = recipe.pool if common.images == recipe.images or common.images in _SHUFFLED else None
    tail = 0.1 if n <= 10 else 0.0
    seen = _seen_at_laptop(common) if scale == "laptop" else recipe.images_seen
    common = dataclasses.replace(common, images_seen=seen, pool=pool, float32_tail=tail)
    return dataclasses.replace(common, half="A", seed=0), dataclasses.replace(common, half="B", seed=1)


def _seen_at_laptop(run: Run) -> int:
    """Images that it sees: memory sets in after some hundred views, and large sets may be seen more before it does."""
    if run.network in ("BFCNN", *ARCHITECTURES) or run.n <= 100:
        return 2**19
    if run.images == "photographs":
        return 2**20 if run.n <= 1000 else 2**19  # 118 views of the largest set
    return 2**20 if run.n < 30_000 or run.images in _SYNTHETIC else 2**21
