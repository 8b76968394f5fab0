"""Text chapter in, executed copy out: papermill runs each chapter once.

Enters: the percent scripts named in `_toc.yml`, each with a cell tagged "parameters" that sets `scale`. Leaves:
`build/executed/<key>.ipynb` and its note `build/executed/<identity>.json` (what was used and measured, the tables that
were kept, how long it took). Everything runs at the top of the repository.

A page shows outputs of exactly this code, these parameters, pins, library, data files and checkpoints, or the build
fails: identity = hash of all but the checkpoints, known before a run; key = hash of the identity and of the checkpoints
that the run loaded, known after it. A chapter whose key is there is not run. Prose, captions and other metadata of
cells are in neither: the page has those of today.

The kernel finds variables: GHR_SCALE; GHR_RESULTS and GHR_CHAPTER, by which `ghr.book.results.keep` knows where tables
go; GHR_DEPFILE, a file to which `ghr.book.kernel` appends the path of each checkpoint that is loaded.
"""

import ast
import functools
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path

import torch
from filelock import FileLock

from ghr import tables
from ghr.book import DEPFILE, SCALE, percent, results, schema, words
from ghr.book.percent import INJECTED, notebook, numbered
from ghr.files.cache import writable, write_whole
from ghr.recipes import SCALES

PACKAGE = Path(__file__).parents[1]
OF_PAGES = (".js", ".css")  #: data that no executed copy carries: pages get them when they are drawn
BUILD = ("build", "make it writable, or build in a copy of the repository")  #: as a message calls the folder


# -- what a chapter depends on


def digest(*parts: str) -> str:
    """16 hexadecimal digits that tell these texts, in this order, from others.

    Args:
        *parts: texts.

    Returns:
        Digits.
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Text:
    """What a Python text says, wherever it stands; a build asks for that of each module many times."""

    digest: str  #: of its syntax tree without docstrings
    imported: frozenset[str]  #: dotted names, from wherever they come
    strings: frozenset[str]  #: in it, that may be names of folders


@functools.lru_cache(maxsize=1024)
def _read_python(text: str, module: str, inside: str) -> _Text:
    tree, imported = ast.parse(text, filename=module), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), inside)
            # `from package import module` asks for the module alone
            imported |= {f"{base}.{alias.name}" for alias in node.names} | ({base} if "." in base else set())
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    strings = frozenset(value for value in constants if isinstance(value, str) and value.isidentifier())
    # unparsed rather than dumped: the dump's form changes with the Python version
    return _Text(digest(ast.unparse(tree)), frozenset(imported), strings)


def _python(text: str, module: str, package: Path) -> _Text:
    inside = module if module_path(module, package).name == "__init__.py" else module.rpartition(".")[0]
    return _read_python(text, module, inside)


def imports(source: str, module: str, package: Path = PACKAGE) -> set[str]:
    """Modules of the package that a source text imports, wherever the statement stands.

    Args:
        source: Python text.
        module: its dotted name, against which relative imports are resolved.
        package: folder of the package.

    Returns:
        Dotted names; all of the package after a bare `import ghr`, whose attributes may be any.
    """
    name = package.name
    found = set(_python(source, module, package).imported)
    if found & {name, f"{name}.*"}:
        found |= {".".join(path.with_suffix("").relative_to(package.parent).parts) for path in package.rglob("*.py")}
    return {m for m in found if m.split(".")[0] == name and module_path(m, package).is_file()}


def module_path(module: str, package: Path = PACKAGE) -> Path:
    """File of a module of the package, whether it exists or not.

    Args:
        module: dotted name.
        package: folder of the package.

    Returns:
        File.
    """
    path = package.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def code(source: str, package: Path = PACKAGE) -> dict[str, str]:
    """Hash of each module that a chapter imports, directly or not.

    Args:
        source: text of the chapter.
        package: folder of the package.

    Returns:
        Digest of the syntax tree without docstrings, by dotted name.
    """
    hashes: dict[str, str] = {}
    waiting = imports(source, "chapter", package) | {package.name}
    while waiting:
        module = waiting.pop()
        text = module_path(module, package).read_text("utf8")
        said = _python(text, module, package)
        hashes[module] = said.digest
        hashes |= data(said.strings, module, package)
        parents = {module.rsplit(".", k)[0] for k in range(1, module.count(".") + 1)}
        waiting |= (imports(text, module, package) | parents) - hashes.keys()
    return hashes


def data(named: Collection[str], module: str, package: Path = PACKAGE) -> dict[str, str]:
    """Hash of each folder of data that a module names, beside itself or at the top of the package.

    Args:
        named: strings in it, e.g. of `Path(__file__).parent / "data"`.
        module: its dotted name.
        package: folder of the package.

    Returns:
        Digest of names and bytes by folder; a folder that holds modules is no data, nor are scripts and styles.
    """
    places = {module_path(module, package).parent, package}
    folders = {place / name for place in places for name in named}
    found = {}
    for folder in folders:
        if folder.is_dir() and not any(folder.glob("*.py")):
            files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in OF_PAGES)
            found[str(folder.relative_to(package))] = digest(*(f"{path.name} {file_digest(path)}" for path in files))
    return found


def identity(text: str, parameters: dict, root: Path, package: Path = PACKAGE) -> str:
    """What decides a chapter's outputs and is known before it runs: no word of its prose.

    Args:
        text: the chapter.
        parameters: those injected.
        root: top of the repository, for its pins.
        package: folder of the package.

    Returns:
        Digest.
    """
    lines = (root / "requirements.txt").read_text("utf8").splitlines()
    pins = [line.split("#")[0].strip() for line in lines]
    cells = percent.cells(text)
    parts = [sorted(parameters.items()), sorted(filter(None, pins)), code("\n".join(cells), package)]
    return digest(
        f"Python {sys.version_info.major}.{sys.version_info.minor}", *cells, json.dumps(parts, sort_keys=True)
    )


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


def key(identity: str, checkpoints: list[str], root: Path) -> str:
    """Name of an executed copy.

    Args:
        identity: of the chapter.
        checkpoints: their paths, relative to root or absolute.
        root: top of the repository.

    Returns:
        Digest.
    """
    return digest(identity, *(f"{path} {file_digest(root / path)}" for path in sorted(checkpoints)))


def file_digest(path: Path) -> str:
    """Hash of a file's bytes; "missing" is a value too: a run that appears later is news.

    Args:
        path: of the file, whether it exists or not.

    Returns:
        64 hexadecimal digits, or "missing".
    """
    if not path.is_file():
        return "missing"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- text to executed notebook


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


def number(chapter: str) -> str:
    """Two digits of a chapter: "02" of "book/02_x.py"; "" where there are none.

    Args:
        chapter: path of its text.

    Returns:
        Digits.
    """
    found = re.match(r"\d\d(?=_)", Path(chapter).name)
    return found[0] if found else ""


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


def chapters(root: Path) -> list[str]:
    """Text chapters of the book in reading order, as paths below root.

    Args:
        root: top of the repository.

    Returns:
        Paths.
    """
    return [page for page in contents(root) if page.endswith(".py")]


def contents(root: Path) -> list[str]:
    """Text chapters and pages of Markdown in reading order, as paths below root.

    Args:
        root: top of the repository.

    Returns:
        Paths of those files that there are.
    """
    import yaml

    def files(entry) -> Iterator[str]:
        for name, value in entry.items() if isinstance(entry, dict) else []:
            yield from [value] if name in ("root", "file") else []
            for child in value if isinstance(value, list) else []:
                yield from files(child)

    toc = yaml.safe_load((root / "_toc.yml").read_text("utf8"))
    names = (f"{re.sub(r'[.](py|md)$', '', file)}.{suffix}" for file in files(toc) for suffix in ("py", "md"))
    return [name for name in names if (root / name).is_file()]


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


def imported(pages: list[str], root: Path = Path()) -> set[str]:
    """Modules of the library that some chapters import, directly or not.

    Args:
        pages: chapters, as paths below root.
        root: top of the repository.

    Returns:
        Dotted names.
    """
    return {module for page in pages for module in code("\n".join(percent.cells((root / page).read_text("utf8"))))}


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


# -- what texts ask for


def schemas(root: Path) -> words.Schemas:
    """Which tables each chapter keeps, as its code says.

    Args:
        root: top of the repository.

    Returns:
        Dataclass of the rows by name of the table by chapter.

    Raises:
        ValueError: when a chapter keeps two tables under one name.
    """
    found = {}
    for chapter in chapters(root):
        try:
            found[number(chapter)] = schema.kept("\n".join(percent.cells((root / chapter).read_text("utf8"))))
        except SyntaxError:  # its cell is named when it runs
            found[number(chapter)] = {}
        except ValueError as error:
            raise ValueError(f"{chapter}: {str(error).rstrip('.')}.") from error
    return found


def unknown(pages: list[str], root: Path) -> list[str]:
    """What pages ask for and no chapter keeps, known before anything runs.

    Args:
        pages: chapters or Markdown, as paths below root.
        root: top of the repository.

    Returns:
        A sentence for each fault, with page and place.
    """
    known = functools.cache(functools.partial(schemas, root))
    return _faults(pages, root, lambda text, here: words.check(text, known(), here))


def unanswered(pages: list[str], told: words.Told, root: Path) -> list[str]:
    """What pages ask for and the tables that were kept cannot answer.

    Args:
        pages: chapters or Markdown, as paths below root.
        told: what there is.
        root: top of the repository.

    Returns:
        A sentence for each fault, with page and place.
    """
    return _faults(pages, root, lambda text, here: words.unanswered(text, told, here))


def _faults(pages: list[str], root: Path, faults_of: Callable[[str, str], list[str]]) -> list[str]:
    found = []

    def look(page: str, text: str, place: str) -> str:
        if words.ROLE.search(text):
            found.extend(f"{page}, {place}, {fault}." for fault in faults_of(text, number(page)))
        return text

    for page in pages:
        each_text(page, root, functools.partial(look, page))
    return found


def each_text(page: str, root: Path, change: Callable[[str, str], str]) -> object:
    """Change the words of a page, or look at them.

    Args:
        page: chapter or Markdown, as a path below root.
        root: top of the repository.
        change: called with words and the place where they stand.

    Returns:
        Notebook of a chapter, or Markdown.
    """
    text = (root / page).read_text("utf8")
    return percent.rewrite(notebook(text), change) if page.endswith(".py") else change(text, "its text")


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
