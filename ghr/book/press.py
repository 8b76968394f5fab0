"""Text chapter in, executed copy out: papermill runs each chapter once.

Enters: the percent scripts named in `_toc.yml`, each with a cell tagged "parameters" that sets `scale`. Leaves:
`build/executed/<key>.ipynb` and its note `build/executed/<identity>.json` (what was used and measured, the tables that
were kept, how long it took). Everything runs at the top of the repository.

A page shows outputs of exactly this code, these parameters, pins, library, data files and checkpoints, or the build
fails. A chapter whose key (`ghr.book.identity`) is there is not run; its page has today's prose and captions.

The kernel finds variables: GHR_SCALE; GHR_RESULTS and GHR_CHAPTER, by which `ghr.book.results.keep` knows where tables
go; GHR_DEPFILE, a file to which `ghr.book.kernel` appends the path of each checkpoint that is loaded.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock

from ghr import tables
from ghr.book import DEPFILE, SCALE, results, words
from ghr.book.contents import chapters, number, unanswered, unknown
from ghr.book.identity import PACKAGE, digest, file_digest, identity, key
from ghr.book.percent import INJECTED, notebook, numbered
from ghr.files.cache import writable, write_whole
from ghr.recipes import SCALES

BUILD = ("build", "make it writable, or build in a copy of the repository")  #: as a message calls the folder


def find(text: str, parameters: dict, root: Path, package: Path = PACKAGE) -> Path | None:
    """The executed copy of exactly this chapter, if there is one and its checkpoints still match.

    Args:
        text: the chapter.
        parameters: those injected.
        root: top of the repository.
        package: folder of the package.

    Returns:
        Path of the executed notebook, or None.
    """
    file = note_file(text, parameters, root, package)
    if (note := noted(file)) is None:
        return None
    copy = file.with_name(f"{key(file.stem, note['checkpoints'], root)}.ipynb")
    if not copy.exists():
        return None
    if file_digest(copy) != note["sha256"]:
        warnings.warn(f"{copy} is damaged: {note['chapter']} is executed again.", stacklevel=1)
        return None
    return copy


def note_file(text: str, parameters: dict, root: Path, package: Path = PACKAGE) -> Path:
    """Where the note of exactly this chapter is, whether it exists or not.

    Args:
        text: the chapter.
        parameters: those injected.
        root: top of the repository.
        package: folder of the package.

    Returns:
        File.
    """
    return root / "build" / "executed" / f"{identity(text, parameters, root, package)}.json"


def noted(file: Path) -> dict | None:
    """What a note says, or None when it is absent or damaged: it carries a checksum.

    Args:
        file: the note.

    Returns:
        What it says, or None.
    """
    if not file.exists():
        return None
    try:
        note = json.loads(file.read_text("utf8"))
        if note.pop("checksum") != digest(json.dumps(note)):
            raise ValueError("its checksum does not fit")
        return note
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        warnings.warn(f"{file} is damaged ({error}): its chapter is executed again.", stacklevel=1)
        return None


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Environment variables for as long as the block lasts: a kernel inherits them.

    Args:
        **variables: their values.

    Yields:
        Nothing.
    """
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def execute(chapter: str, scale: str, root: Path = Path(), package: Path = PACKAGE, **parameters):
    """Executes a chapter with its parameters, unless a copy of exactly this is there.

    When a cell fails, what had run until then is kept as `<identity>.partial.ipynb`.

    Args:
        chapter: path below root, e.g. "book/02_x.py".
        scale: one of `ghr.recipes.SCALES`.
        root: top of the repository.
        package: folder of the package.
        **parameters: more values for the chapter's cell tagged "parameters", e.g. seed=1.

    Returns:
        Path of the executed notebook.

    Raises:
        ModuleNotFoundError: without the extra `book`.
        ValueError: for an unknown scale or parameter, or a text that asks for what no chapter keeps.
        RuntimeError: when a cell fails, naming chapter, cell and error.
        OSError: when the copy cannot be written.
    """
    try:
        import papermill
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"the book needs {error.name}: pip install -e '.[book]'") from error

    if scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}: it is one of {', '.join(SCALES)}")
    root, parameters = root.resolve(), {"scale": scale, **parameters}
    text = (root / chapter).read_text("utf8")
    nb = notebook(text)
    known = papermill.inspect_notebook(nb)
    if strange := parameters.keys() - known.keys():
        raise ValueError(
            f"{chapter} has no parameter {', '.join(sorted(strange))}: "
            f'its cell tagged "parameters" sets {", ".join(known) or "none"}'
        )
    if faults := unknown([chapter], root):
        raise ValueError(" ".join(faults))
    copy = find(text, parameters, root, package)
    if copy is None:
        folder = writable(root / "build" / "executed", *BUILD)
        name = identity(text, parameters, root, package)
        with FileLock(folder / f"{name}.lock"):  # a second process waits here, then finds the work done
            copy = find(text, parameters, root, package) or _run(chapter, nb, parameters, folder / name, root)
    own = {number(chapter): tables_of(chapter, root=root, package=package, **parameters)}
    if faults := unanswered([chapter], words.Told(scale, own, part=len(parameters) > 1), root):
        raise ValueError(" ".join(faults))  # the copy is kept: once the text is mended, nothing runs again
    return copy


def tables_of(
    chapter: str, scale: str, root: Path = Path(), package: Path = PACKAGE, **parameters
) -> dict[str, tables.Table]:
    """The tables that an executed chapter kept.

    Args:
        chapter: path below root, executed.
        scale: one of `ghr.recipes.SCALES`.
        root: top of the repository.
        package: folder of the package.
        **parameters: as for `execute`.

    Returns:
        Table by name.

    Raises:
        RuntimeError: when no copy of exactly this is there: what it was made of may have changed while it ran.
    """
    text = (root / chapter).read_text("utf8")
    note = noted(note_file(text, {"scale": scale, **parameters}, root, package))
    if note is None:
        raise RuntimeError(f"{chapter}, or what it is made of, has changed since it was executed: run it again")
    return _read(note["tables"])


def _run(chapter: str, nb, parameters: dict, stem: Path, root: Path) -> Path:
    """Executes a notebook; files are named stem and a suffix until all is done."""
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError

    suffixes = ("partial.ipynb", "deps", "results")
    partial, deps, kept = (stem.with_name(f"{stem.name}.{suffix}") for suffix in suffixes)
    variables = {SCALE: parameters["scale"], DEPFILE: str(deps)}
    variables |= {results.FOLDER: str(kept), results.CHAPTER: number(chapter), "TQDM_MININTERVAL": "1"}
    start = time.monotonic()
    try:
        deps.unlink(missing_ok=True)  # the kernel makes it
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        with environment(**variables):
            done = papermill.execute_notebook(
                nb,
                partial,
                parameters=parameters,
                cwd=root,
                progress_bar={"desc": chapter},
                stderr_file=sys.stderr,  # bars and warnings of a chapter reach whoever waits for it
                # no word about local TCP; and what notes the checkpoints
                extra_arguments=["--IPKernelApp.log_level=40", "--IPKernelApp.extra_extensions=ghr.book.kernel"],
            )
    except papermill.PapermillExecutionError as error:
        first = next(iter(error.source.strip().splitlines()), "")
        raise RuntimeError(
            f"{chapter}, cell {place(error.cell_index, nb)} (`{first}`) failed with "
            f"{error.ename}: {error.evalue} (run so far: {partial.relative_to(root)})"
        ) from error
    except DeadKernelError as error:
        # papermill notes in the file what it has begun, and counts the cell that killed the kernel among it
        states = [c.metadata.get("papermill", {}).get("status") for c in nbformat.read(partial, as_version=4).cells]
        begun = [k for k, state in enumerate(states) if state not in (None, "pending")]
        where = f", cell {place(begun[-1], nb)}" if begun else ""
        raise RuntimeError(f"{chapter}{where}: the kernel died (out of memory, or interrupted?)") from error
    except OSError as error:  # papermill writes what has run so far after every cell
        raise OSError(
            f"{chapter} cannot be executed into {stem.parent} ({error.strerror or error}). Once it can, the same "
            "command goes on: chapters that were done are kept."
        ) from error

    text = nbformat.writes(stripped(done)).encode()
    used = sorted({relative(line, root) for line in deps.read_text().splitlines() if line})
    note = {
        "chapter": chapter,
        "parameters": parameters,
        "checkpoints": used,
        "tables": {file.stem.partition("_")[2]: file.read_text("utf8") for file in sorted(kept.glob("*.csv"))},
        "seconds": round(time.monotonic() - start, 1),
        "sha256": hashlib.sha256(text).hexdigest(),
    }
    copy = stem.with_name(f"{key(stem.name, used, root)}.ipynb")
    write_whole(copy, text)
    note["checksum"] = digest(json.dumps(note))
    write_whole(stem.with_name(f"{stem.name}.json"), json.dumps(note, indent=1).encode())
    for made in (partial, deps):
        made.unlink()
    shutil.rmtree(kept)
    return copy


def place(index: int, nb) -> int:
    """Number of a cell in the chapter, from 1: papermill counts from 0 and injects one of its own.

    Args:
        index: papermill's.
        nb: executed notebook.

    Returns:
        Number.
    """
    tagged = [i for i, c in enumerate(nb.cells) if "parameters" in c.metadata.get("tags", [])]
    return index + (index <= tagged[0])


def relative(path: str, root: Path) -> str:
    """A path below root, or an absolute one: notes can move with the repository.

    Args:
        path: absolute, or relative to root.
        root: top of the repository.

    Returns:
        Path.
    """
    full = (root / path).resolve()
    return str(full.relative_to(root) if full.is_relative_to(root) else full)


def stripped(nb):
    """An executed notebook without clocks, progress bars, kernel and machine: two equal runs give equal files.

    A widget keeps the HTML that it has for pages (`ghr.book.widgets.Explorer`). What was written to standard error
    goes: the terminal had it.

    Args:
        nb: executed notebook, which is changed.

    Returns:
        The same notebook.
    """
    view = "application/vnd.jupyter.widget-view+json"
    nb.metadata.pop("papermill", None)
    nb.metadata.pop("widgets", None)
    for cell in nb.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if INJECTED in cell.metadata.get("tags", []):
            cell.metadata.tags.append("hide-input")
        if outputs := cell.get("outputs"):
            kept = [o for o in outputs if view not in o.get("data", {}) or "text/html" in o.data]
            cell.outputs = [o for o in kept if o.get("name") != "stderr"]
            for output in cell.outputs:
                output.get("data", {}).pop(view, None)
    return numbered(nb)


def not_executed(scale: str, root: Path = Path(), package: Path = PACKAGE) -> list[str]:
    """Chapters that have no copy of exactly what they are now.

    Args:
        scale: one of `ghr.recipes.SCALES`.
        root: top of the repository.
        package: folder of the package.

    Returns:
        Paths below root, in reading order.
    """
    return [c for c in chapters(root) if not find((root / c).read_text("utf8"), {"scale": scale}, root, package)]


def execute_all(scale: str, root: Path = Path(), package: Path = PACKAGE) -> None:
    """Executes the chapters that have no copy, several at a time: each kernel gets its share of torch's threads.

    On one core a chapter is nearly as fast as on two, so two at a time are nearly twice as fast as one after the other.

    When a chapter fails no other begins; those that had begun end and are kept.

    Args:
        scale: one of `ghr.recipes.SCALES`.
        root: top of the repository.
        package: folder of the package.

    Raises:
        ModuleNotFoundError: as `execute`, for the first chapter that fails.
        ValueError: as `execute`, for the first chapter that fails.
        RuntimeError: as `execute`, for the first chapter that fails.
        OSError: as `execute`, for the first chapter that fails.
    """
    waiting = not_executed(scale, root, package)
    if not waiting:
        return
    waiting.sort(key=lambda chapter: -(root / chapter).stat().st_size)  # the longest first, so that none is left over
    at_a_time = min(len(waiting), torch.get_num_threads())
    # OpenBLAS's threads spin while they wait, and take the cores from torch's
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads() // at_a_time), "OPENBLAS_NUM_THREADS": "1"}
    context = multiprocessing.get_context("spawn")
    with environment(**threads), ProcessPoolExecutor(at_a_time, context, initializer=end_with_parent) as pool:
        running = set()
        while waiting or running:
            # never more than there are workers: what a pool holds in its queue it starts even after a failure
            while waiting and len(running) < at_a_time:
                running.add(pool.submit(execute, waiting.pop(0), scale, root, package))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()


def end_with_parent() -> None:
    """Makes a worker end when the build is killed, and not only when it is told to; its kernel then ends by itself."""

    def wait_and_end():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait_and_end, daemon=True).start()


def kept_text(scale: str, root: Path) -> dict[str, dict[str, str]]:
    """The tables that executed chapters of a scale kept, as CSV.

    Args:
        scale: one of `ghr.recipes.SCALES`.
        root: top of the repository.

    Returns:
        CSV by name by chapter; nothing of chapters not executed.
    """
    notes = {c: noted(note_file((root / c).read_text("utf8"), {"scale": scale}, root)) for c in chapters(root)}
    return {number(chapter): note["tables"] for chapter, note in notes.items() if note}


def kept(scale: str, root: Path) -> dict[str, dict[str, tables.Table]]:
    """The tables that executed chapters of a scale kept.

    Args:
        scale: one of `ghr.recipes.SCALES`.
        root: top of the repository.

    Returns:
        Table by name by chapter; nothing of chapters not executed.
    """
    return {chapter: _read(named) for chapter, named in kept_text(scale, root).items()}


def _read(named: dict[str, str]) -> dict[str, tables.Table]:
    return {name: tables.read(text) for name, text in named.items()}
