"""Text chapter in, executed copy out: papermill runs each chapter once.

Enters: the percent scripts named in `_toc.yml`, each with a cell tagged "parameters" that sets
`scale`. Leaves: `build/executed/<key>.ipynb` and its note `build/executed/<identity>.json` (what was
used and measured, how long it took). Everything runs at the top of the repository.

A page shows outputs of exactly this text, these parameters, pins, code and checkpoints, or the
build fails: identity = hash of the first four, known before a run; key = hash of the identity and
of the checkpoints that the run loaded, known after it. A chapter whose key is there is not run.

The kernel finds three variables: GHR_SCALE; GHR_DEPFILE, a file to which `ghr.book.kernel` appends the path of each
checkpoint that is loaded; GHR_LEDGER, one to which `ghr.book.ledger.enter` appends each entry.
"""

import ast
import hashlib
import json
import multiprocessing
import os
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from importlib.util import resolve_name
from pathlib import Path
from types import SimpleNamespace

import torch
from filelock import FileLock

from ghr.cache import writable, write_whole
from ghr.runs import SCALES

PACKAGE = Path(__file__).parents[1]
FORMAT = "py:percent"
SCALE = "GHR_SCALE"
DEPFILE = "GHR_DEPFILE"
LEDGER = "GHR_LEDGER"
BUILD = ("build", "make it writable, or build in a copy of the repository")  # as a message calls the folder


# -- what a chapter depends on


def digest(*parts: str) -> str:
    """16 hexadecimal digits that tell these texts, in this order, from others."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def imports(source: str, module: str, package: Path = PACKAGE) -> set[str]:
    """Modules of the package that a source text imports, wherever the statement stands.

    source: Python text.  module: its dotted name, against which relative imports are resolved.
    Returns: dotted names; all of the package after a bare `import ghr`, whose attributes may be any.
    """
    name = package.name
    inside = module if module_path(module, package).name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(source, filename=module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), inside)
            found |= ({base} - {name}) | {f"{base}.{alias.name}" for alias in node.names}
    if found & {name, f"{name}.*"}:
        found |= {".".join(path.with_suffix("").relative_to(package.parent).parts) for path in package.rglob("*.py")}
    return {m for m in found if m.split(".")[0] == name and module_path(m, package).is_file()}


def module_path(module: str, package: Path = PACKAGE) -> Path:
    """File of a module of the package, whether it exists or not."""
    path = package.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def code(source: str, package: Path = PACKAGE) -> dict[str, str]:
    """Hash of each module that a chapter imports, directly or not.

    source: text of the chapter.
    Returns: dotted name -> digest of the syntax tree without docstrings.
    """
    hashes: dict[str, str] = {}
    waiting = imports(source, "chapter", package) | {package.name}
    while waiting:
        module = waiting.pop()
        text = module_path(module, package).read_text("utf8")
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                node.body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        # unparsed rather than dumped: the dump's form changes with the Python version
        hashes[module] = digest(ast.unparse(tree))
        parents = {module.rsplit(".", k)[0] for k in range(1, module.count(".") + 1)}
        waiting |= (imports(text, module, package) | parents) - hashes.keys()
    return hashes


def identity(text: str, parameters: dict, root: Path, package: Path = PACKAGE) -> str:
    """What decides a chapter's outputs and is known before it runs.

    text: the chapter.  parameters: those injected.  root: top of the repository, for its pins.
    """
    lines = (root / "requirements.txt").read_text("utf8").splitlines()
    pins = [line.split("#")[0].strip() for line in lines]
    parts = [sorted(parameters.items()), sorted(filter(None, pins)), code(text, package)]
    return digest(text, json.dumps(parts, sort_keys=True))


def find(text: str, parameters: dict, root: Path, package: Path = PACKAGE) -> Path | None:
    """The executed copy of exactly this chapter, if there is one and its checkpoints still match."""
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
    """Where the note of exactly this chapter is, whether it exists or not."""
    return root / "build" / "executed" / f"{identity(text, parameters, root, package)}.json"


def noted(file: Path) -> dict | None:
    """What a note says, or None when it is absent or damaged: it carries a checksum."""
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


def key(identity: str, checkpoints: list[str], root: Path) -> str:
    """Name of an executed copy.  checkpoints: their paths, relative to root or absolute."""
    return digest(identity, *(f"{path} {file_digest(root / path)}" for path in sorted(checkpoints)))


def file_digest(path: Path) -> str:
    """Hash of a file's bytes; "missing" is a value too: a run that appears later is news."""
    if not path.is_file():
        return "missing"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- text to executed notebook


def notebook(text: str, fmt: str = FORMAT):
    """The notebook that a text chapter is: with a kernel's name and reproducible cell ids."""
    import jupytext

    nb = jupytext.reads(text, fmt=fmt)
    nb.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3", "language": "python"})
    return numbered(nb)


def numbered(nb):
    """The same notebook with ids counted through instead of drawn at random."""
    for index, cell in enumerate(nb.cells):
        cell["id"] = f"cell-{index}"
    return nb


def read(path: str) -> str:
    """What papermill reads at a path below `book/`: text chapters become notebooks."""
    import nbformat

    text = Path(path).read_text("utf8")
    return text if path.endswith(".ipynb") else nbformat.writes(notebook(text))


def write(buf: str, path: str) -> None:
    """Papermill's own way to write, should somebody want an output below `book/`."""
    from papermill.iorw import LocalHandler

    LocalHandler().write(buf, path)


# The handler behind papermill's entry point: `papermill book/02_x.py out.ipynb -p scale smoke`.
text_chapters = SimpleNamespace(read=read, write=write, listdir=lambda path: sorted(os.listdir(path)), pretty_path=str)


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Environment variables for as long as the block lasts: a kernel inherits them."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def execute(chapter: str, scale: str, root: Path = Path(), package: Path = PACKAGE, **parameters):
    """Executes a chapter with its parameters, unless a copy of exactly this is there.

    chapter: path below root, e.g. "book/02_x.py".  scale: one of `ghr.runs.SCALES`.
    parameters: more values for the chapter's cell tagged "parameters", e.g. seed=1.
    Returns: path of the executed notebook.
    Raises: ValueError for an unknown scale or parameter; RuntimeError when a cell fails, naming
    chapter, cell and error; what had run until then is kept as `<identity>.partial.ipynb`. OSError when the
    copy cannot be written.
    """
    try:
        import papermill
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"the book needs {error.name}: pip install 'ghr[book]'") from error

    if scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}: it is one of {', '.join(SCALES)}")
    root, parameters = root.resolve(), {"scale": scale, **parameters}
    text = (root / chapter).read_text("utf8")
    nb = notebook(text)
    known = papermill.inspect_notebook(nb)
    if unknown := parameters.keys() - known.keys():
        raise ValueError(
            f"{chapter} has no parameter {', '.join(sorted(unknown))}: "
            f'its cell tagged "parameters" sets {", ".join(known) or "none"}'
        )
    if copy := find(text, parameters, root, package):
        return copy

    folder = writable(root / "build" / "executed", *BUILD)
    name = identity(text, parameters, root, package)
    with FileLock(folder / f"{name}.lock"):  # a second process waits here, then finds the work done
        return find(text, parameters, root, package) or _run(chapter, nb, parameters, folder / name, root)


def _run(chapter: str, nb, parameters: dict, stem: Path, root: Path) -> Path:
    """Executes a notebook; files are named stem and a suffix until all is done."""
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError

    partial, deps, entries = (stem.with_name(f"{stem.name}.{kind}") for kind in ("partial.ipynb", "deps", "ledger"))
    start = time.monotonic()
    try:
        deps.unlink(missing_ok=True)  # the kernel makes it
        entries.write_text("")
        with environment(**{SCALE: parameters["scale"], DEPFILE: str(deps), LEDGER: str(entries)}):
            done = papermill.execute_notebook(
                nb,
                partial,
                parameters=parameters,
                cwd=root,
                progress_bar={"desc": chapter},
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
        raise RuntimeError(f"{chapter}: the kernel died (out of memory, or interrupted?)") from error
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
        "ledger": [json.loads(line) for line in entries.read_text().splitlines()],
        "seconds": round(time.monotonic() - start, 1),
        "sha256": hashlib.sha256(text).hexdigest(),
    }
    copy = stem.with_name(f"{key(stem.name, used, root)}.ipynb")
    write_whole(copy, text)
    note["checksum"] = digest(json.dumps(note))
    write_whole(stem.with_name(f"{stem.name}.json"), json.dumps(note, indent=1).encode())
    for made in (partial, deps, entries):
        made.unlink()
    return copy


def place(index: int, nb) -> int:
    """Number of a cell in the chapter, from 1: papermill counts from 0 and injects one of its own."""
    tagged = [i for i, c in enumerate(nb.cells) if "parameters" in c.metadata.get("tags", [])]
    return index + (index <= tagged[0])


def relative(path: str, root: Path) -> str:
    """A path below root, or an absolute one: notes can move with the repository."""
    full = (root / path).resolve()
    return str(full.relative_to(root) if full.is_relative_to(root) else full)


def stripped(nb):
    """An executed notebook without clocks, progress bars, kernel and machine: two equal runs give equal files.

    A widget keeps the HTML that it has for pages (`ghr.book.widgets.Explorer`); one that has none, a progress bar,
    goes.
    """
    view = "application/vnd.jupyter.widget-view+json"
    nb.metadata.pop("papermill", None)
    nb.metadata.pop("widgets", None)
    for cell in nb.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("hide-input")
        if outputs := cell.get("outputs"):
            cell.outputs = [o for o in outputs if view not in o.get("data", {}) or "text/html" in o.data]
            for output in cell.outputs:
                output.get("data", {}).pop(view, None)
    return numbered(nb)


def chapters(root: Path) -> list[str]:
    """Text chapters of the book in reading order, as paths below root."""
    import yaml

    def files(entry) -> Iterator[str]:
        for name, value in entry.items() if isinstance(entry, dict) else []:
            yield from [value] if name in ("root", "file") else []
            for child in value if isinstance(value, list) else []:
                yield from files(child)

    toc = yaml.safe_load((root / "_toc.yml").read_text("utf8"))
    names = (file.removesuffix(".py") + ".py" for file in files(toc))
    return [name for name in names if (root / name).is_file()]


def execute_all(scale: str, root: Path = Path(), package: Path = PACKAGE) -> None:
    """Executes the chapters that have no copy, several at a time: each kernel gets its share of torch's threads.

    On one core a chapter is nearly as fast as on two, so two at a time are nearly twice as fast as one after the other.
    Networks that are missing are trained by the chapter that meets them first; `ghr train` before it uses all cores.

    scale: one of `ghr.runs.SCALES`.
    Raises: as `execute`, for the first chapter that fails; no other begins, those that had begun end and are kept.
    """
    waiting = [c for c in chapters(root) if not find((root / c).read_text("utf8"), {"scale": scale}, root, package)]
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
