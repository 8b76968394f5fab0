"""The command line: `ghr train`, `ghr runs`, `ghr images`, `ghr book`. Help texts are the docstrings."""

import fnmatch
import sys
from typing import Literal

from tqdm.auto import tqdm

from ghr import runs

Scale = Literal["smoke", "laptop", "paper"]


def train(
    scale: Scale = "laptop",
    only: str = "*",
    images: str | None = None,
    n: int | None = None,
    size: int | None = None,
    cluster: str | None = None,
) -> None:
    """Train what is missing from a table of runs, or a pair of halves of your own images.

    Interrupted at any moment, the same command goes on from the last minute.

    Args:
        scale: Table of runs, and the recipe for your own images.
        only: Train only the runs whose name matches this pattern, e.g. "*-n1000-*".
        images: Your own image set, e.g. folder:PATH, celeba, or discs; trains its two halves instead of the table.
        n: Images in each half of your own set.
        size: Side of your own images in pixels (default: the scale's).
        cluster: Train many runs at a time on a Ray cluster: local (this machine), auto (the one this machine is a node
            of) or its HOST:PORT.
    """
    if images is None:
        if n is not None or size is not None:
            raise ValueError("--n and --size go with --images: the runs of a table have theirs.")
        chosen = runs.table(scale)
    else:
        if n is None:
            raise ValueError("--images needs --n, the number of images in each half.")
        chosen = runs.pair(scale, images=images, n=n, size=size)
    chosen = [run for run in chosen if fnmatch.fnmatch(run.name, only)]
    if not chosen:
        raise ValueError(f"No run of scale {scale} matches {only}: `ghr runs --scale {scale}` lists them.")
    if cluster is None:
        trained = map(runs.fit, chosen)
    else:
        from ghr import cluster as machines

        trained = machines.fit(chosen, cluster)
    for file in trained:
        tqdm.write(str(file))


def show(scale: Scale = "laptop") -> None:
    """List the runs of a table: name, whether trained, and train and test PSNR at sigma = .1.

    Args:
        scale: Table of runs.
    """
    for run in runs.table(scale):
        if runs.path(run).exists():
            log = runs.log(run)
            column = runs.LOG_SIGMAS.index(0.1)
            state = f"train {log['train'][-1][column]:.1f} dB, test {log['test'][-1][column]:.1f} dB at sigma=.1"
        else:
            state = "not trained"
        print(f"{run.name:45} {state}")


def images(name: str = "avatars", size: int = 32, n: int | None = None) -> None:
    """Build an image set into the cache, or check that it is there.

    Args:
        name: avatars, photographs, celeba, lsun-bedroom, folder:PATH, or a synthetic set, e.g. discs or c_alpha-2.
        size: Side in pixels.
        n: Number of images (default: all of the set).
    """
    from ghr.images import load

    x = load(name, size, n)
    print(f"{name}: {len(x):,} images of {size}x{size}, mean {x.mean():.3f}, standard deviation {x.std():.3f}")


def book(scale: Scale = "laptop", check: bool = False) -> None:
    """Execute the chapters that changed and render the book into _build/html.

    Args:
        scale: Table of runs that the chapters show.
        check: Fail when a measured number leaves its interval in book/ledger.json or a verdict changes.
    """
    from ghr.book import pages

    pages.book(scale, check=check)


def main() -> None:
    """Entry point; an expected error is one sentence on standard error and exit status 1."""
    try:
        import tyro
    except ImportError:
        sys.exit("ghr: the command line needs tyro: pip install 'ghr[book]'.")
    commands = {"train": train, "runs": show, "images": images, "book": book}
    try:
        tyro.extras.subcommand_cli_from_dict(commands, prog="ghr", description=__doc__)
    except (ValueError, OSError, ImportError, FloatingPointError, RuntimeError) as error:
        sys.exit(f"ghr: {error}")
    except KeyboardInterrupt:
        sys.exit("ghr: interrupted; the same command goes on where it stopped.")


if __name__ == "__main__":
    main()
