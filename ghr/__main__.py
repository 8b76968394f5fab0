"""The command line: `ghr train`, `runs`, `images`, `check`, `need`, `measure`, `export`, `book` and
`chapter`.

Help texts are the docstrings.
"""

import fnmatch
import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import tyro
from tqdm.auto import tqdm

from ghr import check as checks
from ghr import images as sets
from ghr import need as needs
from ghr import plan, recipes, report, runs
from ghr.files import cache
from ghr.images import archives, names
from ghr.tables import Table

Scale = Literal["smoke", "laptop", "paper"]
Units = Literal["unit", "signed", "bytes"]
Told = Literal["sigma", "step", "edm"]
Predicts = Literal["clean", "residual", "noise", "score", "v"]
Schedule = Literal["linear", "cosine"]


def train(
    scale: Scale = "laptop",
    only: str = "*",
    images: str | None = None,
    n: int | None = None,
    size: int | None = None,
    colour: bool = False,
    cluster: str | None = None,
) -> None:
    """Train what is missing of the book's networks, in the order of the plan, or a pair of halves of your own images.

    Interrupted at any moment, the same command goes on where it stopped.

    Args:
        scale: Table of runs, and the recipe for your own images.
        only: Train only the runs whose name matches this pattern, e.g. "*-n1000-*".
        images: Your own image set, e.g. folder:PATH, celeba, or discs; trains its two halves instead of the table.
        n: Images in each half of your own set.
        size: Side of your own images in pixels (default: the scale's).
        colour: Keep the colours of your own images.
        cluster: Train many runs at a time on a Ray cluster: local (this machine), auto (the one this machine is a node
            of) or its HOST:PORT.
    """
    if images is None:
        if n is not None or size is not None or colour:
            raise ValueError("--n, --size and --colour go with --images: the runs of a table have theirs.")
        chosen = _planned(scale)
    else:
        if n is None:
            raise ValueError("--images needs --n, the number of images in each half.")
        chosen = recipes.pair(scale, images=names.coloured(images) if colour else images, n=n, size=size)
    chosen = [run for run in chosen if fnmatch.fnmatch(run.name, only)]
    if not chosen:
        raise ValueError(f"No run of scale {scale} matches {only}: `ghr runs --scale {scale}` lists them.")
    if images is not None and (missing := [run for run in chosen if not runs.path(run).exists()]):
        runs.training(missing[0])  # what is wrong with a set is said before anything else; what is trained needs none
    if said := plan.cost(chosen):
        tqdm.write(said, file=sys.stderr)
    if cluster is None:
        trained = map(runs.fit, chosen) if images is None else _in_turn(chosen)
    else:
        from ghr import cluster as machines

        if images is not None:
            _account(chosen[0])
        trained = machines.fit(chosen, cluster)
    for file in trained:
        tqdm.write(str(file))


def _in_turn(chosen: list[recipes.Run]) -> Iterator[Path]:
    """Train one run after another; its set may change meanwhile, so that those that are done are compared with it."""

    @contextmanager
    def progress(run: recipes.Run) -> Iterator[runs.Tell]:
        _account(run)
        with runs.bar(run) as tell:
            yield tell

    for k, run in enumerate(chosen):
        for done in chosen[:k]:
            runs.fit(done)
        yield runs.fit(run, progress=progress)


def _account(run: recipes.Run) -> None:
    """Say what a set of files gives a run, in one line."""
    if archives.here(run.images):
        held_out = len(sets.held_out(run.images, run.size, run.n, run.held_out, run.pool))
        told = f"{sets.account(run.images, run.size)} Half {run.half} learns from {run.n}, {held_out} are held out."
        tqdm.write(told, file=sys.stderr)


def show(scale: Scale = "laptop") -> None:
    """List the book's runs in the order of training: name, whether trained, train and test PSNR at sigma = .1.

    Args:
        scale: Table of runs.
    """
    print(f"checkpoints: {runs.folder()}")
    missing = 0
    for run in dict.fromkeys([*_planned(scale), *recipes.table(scale)]):
        if runs.path(run).exists():
            log = runs.log(run)
            column = runs.LOG_SIGMAS.index(0.1)
            state = f"train {log['train'][-1][column]:.1f} dB, test {log['test'][-1][column]:.1f} dB at sigma=.1"
        else:
            state = "not trained"
            missing += run.steps * run.batch
        print(f"{run.name:60} {state}")
    listed = {f"{run.name}.safetensors" for run in (*_planned(scale), *recipes.table(scale))}
    for file in sorted(runs.folder().glob("*.safetensors")):
        if file.name not in listed:
            print(f"{file.stem:60} of another table, or your own")
    if missing:
        print(f"`ghr train --scale {scale}` has {missing / 1e6:,.1f} million images to show to what is not trained.")


def _planned(scale: Scale) -> tuple[recipes.Run, ...]:
    """What is trained at a scale, in its order."""
    return plan.laptop() if scale == "laptop" else recipes.table(scale)


def images(name: str = "avatars", size: int = 32, n: int | None = None) -> None:
    """Build an image set into the cache, or check that it is there: `ghr images avatars`.

    Args:
        name: avatars, photographs, celeba, lsun-bedroom, folder:PATH, or a synthetic set, e.g. discs or c_alpha-2;
            may stand without --name.
        size: Side in pixels.
        n: Number of images (default: all of the set).
    """
    x = sets.load(name, size, n)
    print(f"{name}: {len(x):,} images of {size}x{size}, mean {x.mean():.3f}, standard deviation {x.std():.3f}")
    if account := sets.account(name, size):
        print(account)


def check(
    samples: tyro.conf.Positional[Path],
    train: Path,
    held_out: Path | None = None,
    size: int = 64,
    colour: bool = False,
    fail_above: float | None = None,
    out: Path = Path("ghr-check"),
) -> None:
    """Are samples copies of training images? Writes report.html, copies.csv and duplicates.csv.

    Each image's central square is resized; mirroring, shifts up to three pixels, brightness and contrast hide no copy.

    Args:
        samples: Folder of samples, of any model.
        train: Folder of the images that it learned from.
        held_out: Folder of images like these that it did not learn from: what is no copy. Without it, a random part of
            the training images is compared with the rest.
        size: Side in pixels at which images are compared; smaller ones are skipped.
        colour: Compare colours, too.
        fail_above: End with status 1 when more than this share are copies, e.g. .01; the lower end of the 95% interval
            is compared, so that chance alone seldom fails.
        out: Folder for the page and the tables.
    """
    if fail_above is not None and not 0 <= fail_above <= 1:
        raise ValueError(f"--fail-above is a share from 0 to 1, got {fail_above:g}.")
    if size < checks.SMALLEST:
        raise ValueError(f"--size must be at least {checks.SMALLEST} pixels, got {size}.")
    checks.require_apart(samples=samples, training=train, held_out=held_out)
    report.require_out(out, *checks.FILES)
    folders = {"samples": samples, "training": train} | ({"held-out": held_out} if held_out else {})
    read = [checks.read(path, what, size, colour) for what, path in folders.items()]
    for folder in read:
        tqdm.write(folder.account, file=sys.stderr)
    found = checks.answer(*read)
    page = checks.write(found, out)
    for line in (checks.duplicates(found), checks.null(found), checks.verdict(found), page):
        print(line)
    if fail_above is not None and found.judged.share.low > fail_above:
        raise ValueError(f"more than {fail_above:.3g} of the samples are copies: see {page}.")


def need(
    images: str,
    size: int = 32,
    sizes: list[int] | None = None,
    images_seen: int = needs.IMAGES_SEEN,
    width: int = 16,
    colour: bool = False,
    out: Path = Path("ghr-need"),
) -> None:
    """How many images does a set need, before networks stop to memorize it? `ghr need PHOTOGRAPHS` trains and answers.

    Pairs of small networks learn from growing numbers of images. Interrupted, the same command goes on where it
    stopped. Writes report.html, need.csv and crossings.csv.

    Args:
        images: Folder of images, or the name of a set, e.g. avatars; may stand without --images.
        size: Side of the images in pixels.
        sizes: Numbers of images to try, e.g. --sizes 30 300 (default: two a decade, as far as the set goes).
        images_seen: Images that each network sees, with repetition: longer trainings memorize more.
        width: Channels of the networks' first scale.
        colour: Learn from colours, of a folder or a set that was downloaded.
        out: Folder for the page and the tables.
    """
    report.require_out(out, *needs.FILES)
    name = names.spelled(images)
    pairs = needs.plan(name, size, sizes, images_seen, width, colour)
    name = next(iter(pairs.values()))[0].images
    if account := sets.account(name, size):
        tqdm.write(account, file=sys.stderr)
    told = f"N = {', '.join(f'{n:,}' for n in pairs)}. {plan.cost([run for pair in pairs.values() for run in pair])}"
    tqdm.write(told, file=sys.stderr)
    rows = []
    for row in needs.answer(pairs):
        rows.append(row)
        print(needs.told(row), flush=True)
    table = Table(tuple(rows))
    page = needs.write(name, table, out, needs.done(pairs))
    print(needs.verdict(table, needs.crossings(table)))
    print(page)


def measure(
    denoiser: str,
    images: str,
    train: str | None = None,
    size: int | None = None,
    channels: int | None = None,
    colour: bool = False,
    many: int = 64,
    bases: int = 8,
    samples: int = 16,
    units: Units | None = None,
    told: Told | None = None,
    predicts: Predicts | None = None,
    schedule: Schedule | None = None,
    sigma_data: float | None = None,
    out: str | None = None,
    anyway: bool = False,
) -> None:
    """Measure any denoiser as the book measures its networks: `ghr measure network.pt --images PHOTOGRAPHS`.

    How well it denoises, whether it uses the noise level that it is told, how many dimensions it keeps, how symmetric
    its Jacobian is, whether its basis is harmonic and adapted to the image, and what it draws. Code runs only where it
    is named, as module:attribute or file.py:name.

    Args:
        denoiser: module:attribute or file.py:name of f(y, sigma); a folder of diffusers; a file of TorchScript or ONNX,
            a checkpoint of this book, or a state dict of the paper's authors. May stand without --denoiser.
        images: Folder of images that it was not trained on, or the name of a set, e.g. avatars.
        train: Folder or set that it was trained on: measures what it gains there, and copies.
        size: Side of the images in pixels (default: what the denoiser says, or 32).
        channels: 1 for grey images, 3 for colour (default: what the denoiser says, or 1).
        colour: The same as --channels 3.
        many: Images to measure on.
        bases: Images at which it is differentiated, the longest part.
        samples: Samples to draw.
        units: Range of its pixels: unit [0,1], signed [-1,1] or bytes [0,255].
        told: What it is told of the noise: sigma (or nothing), step t of a diffusion, or EDM's raw network.
        predicts: What it answers with: clean image, residual, unit noise, score or v.
        schedule: Of the steps that it is told.
        sigma_data: Of EDM's raw network.
        out: Folder for tables (CSV) and pictures (PNG).
        anyway: Measure a denoiser that is worse than doing nothing, too.
    """
    from ghr import foreign, portrait

    f = foreign.load(denoiser, units, told, predicts, schedule, sigma_data)
    if colour and channels not in (None, 3):
        raise ValueError(f"--colour means 3 channels: leave out --channels {channels}.")
    if min(many, bases, samples) < 2:
        raise ValueError("--many, --bases and --samples must be at least 2: one value has no interval.")
    if min(value for value in (size, channels, 1) if value is not None) < 1:
        raise ValueError(f"size and channels must be at least 1, got size={size} and channels={channels}.")
    size = size or foreign.wanted_size(denoiser) or (f.size or (32,))[0]
    channels = channels or (3 if colour else f.channels or 1)
    portrait.tried(f, channels, size)  # before images are read or drawn, which may take minutes
    on = portrait.load(images, size, channels, many, train)
    good, hint = portrait.single.meant(f, on.x[:8])
    if not good and not anyway:
        raise ValueError(f"{denoiser}: {hint} With --anyway it is measured all the same.")
    how = portrait.plan(f, on, bases, samples)
    tqdm.write(f"{f.words}: {how.words(on)}", file=sys.stderr)
    if out is not None:
        portrait.write(portrait.Portrait(), Path(out))  # whether it can be written is known before the work
    with tqdm(total=how.parts, desc="measuring", unit="part") as bar:
        found = portrait.of(f, on, how, bar.update)
    print(portrait.text(found))
    for file in portrait.write(found, Path(out)) if out is not None else []:
        print(file)


def export(
    denoiser: str,
    size: int | None = None,
    out: Path | None = None,
    units: Units | None = None,
    predicts: Predicts | None = None,
) -> None:
    """Write a blind denoiser of grey images as one ONNX file, which the book's laboratory runs: `ghr export net.pt`.

    Of the book's networks and those of its authors the file also holds products with the Jacobian and its transpose.

    Args:
        denoiser: What `ghr measure` reads, or the name of a trained run of `ghr runs`. May stand without --denoiser.
        size: Side of the images in pixels (default: what the denoiser says, or 32).
        out: The file (default: the denoiser's name with .onnx, in this folder).
        units: Range of its pixels: unit [0,1], signed [-1,1] or bytes [0,255]; the file's own are [0,1].
        predicts: What it answers with: clean image or residual; the file answers with the clean image.
    """
    from ghr import foreign
    from ghr.book import export as exports

    checkpoint = runs.folder() / f"{denoiser}.safetensors"
    where = str(checkpoint) if checkpoint.exists() else denoiser
    if out is None:
        stem = Path(where).stem if not where.rpartition(":")[0] else where.rpartition(":")[2]
        out = Path(f"{stem}.onnx")
    if out.exists():
        raise ValueError(f"{out} is there already: give another --out, or take it away.")
    f = foreign.load(where, units, None, predicts)
    size = size or foreign.wanted_size(where) or (f.size or (32,))[0]
    data = exports.file(f, size)
    cache.write_whole(out, data)
    more = ", with products of its Jacobian" if exports.exact(f) is not None else ""
    print(f"{out}: {f.words or denoiser}, for grey images of {size}x{size}{more}, {len(data) / 1e6:.1f} MB")


def book(scale: Scale = "laptop", check: bool = False) -> None:
    """Execute the chapters that changed and render the book into _build/html.

    Args:
        scale: Table of runs that the chapters show.
        check: Fail when a measured number leaves its interval in book/ledger.json or a verdict changes.
    """
    from ghr.book import pages

    pages.book(scale, check=check)


def chapter(
    name: str, scale: Scale = "laptop", sizes: list[int] | None = None, seed: int = 0, out: Path | None = None
) -> None:
    """Execute one chapter and write it as a notebook with its numbers in its text: `ghr chapter 03 --scale smoke`.

    Sentences that do not hold at this scale are named.

    Args:
        name: Its number, or its path; may stand without --name.
        scale: Table of runs that it shows.
        sizes: Work with networks of these N only, e.g. --sizes 100 30000 (default: all of the table).
        seed: Of the noise used for measuring.
        out: The notebook (default: build/chapters/SCALE/CHAPTER.ipynb).
    """
    from ghr.book import pages

    told = {"sizes": sizes} if sizes is not None else {}
    tqdm.write(str(pages.chapter(name, scale, out, **told, **({"seed": seed} if seed else {}))))


def _say(message, *_) -> None:
    """A warning as a sentence, without the line of our source."""
    tqdm.write(f"ghr: {message}", file=sys.stderr)


def main() -> None:
    """Entry point; an expected error is one sentence on standard error and exit status 1."""
    commands = {"train": train, "runs": show, "images": images, "check": check, "need": need, "measure": measure}
    commands |= {"export": export, "book": book, "chapter": chapter}
    words = sys.argv[1:]
    first = {
        "images": "--name",
        "chapter": "--name",
        "measure": "--denoiser",
        "export": "--denoiser",
        "need": "--images",
    }.get(words[0] if words else "")
    if first and not (words[1:] or ["-"])[0].startswith("-"):
        words.insert(1, first)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files in other encodings
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _say
            tyro.extras.subcommand_cli_from_dict(commands, prog="ghr", description=__doc__, args=words)
    except BrokenPipeError:  # `ghr runs | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (ValueError, OSError, ImportError, FloatingPointError, RuntimeError) as error:
        sys.exit(f"ghr: {error}")
    except KeyboardInterrupt:
        lost = words[:1] == ["measure"]
        sys.exit(f"ghr: interrupted; {'nothing was written' if lost else 'the same command goes on where it stopped'}.")


if __name__ == "__main__":
    main()
