"""Text chapter in, page out: papermill executes it once, Jupyter Book renders the executed copy.

Enters: the percent scripts named in `_toc.yml`, each with a cell tagged "parameters" that sets
`scale`. Leaves: `build/executed/<key>.ipynb`, its note `build/executed/<identity>.json` (what was
used and measured, how long it took), the pages, `_build/html`, and the ledger, `book/ledger.json`.
Everything runs at the top of the repository.

A page shows outputs of exactly this text, these parameters, pins, code and checkpoints, or the
build fails: identity = hash of the first four, known before a run; key = hash of the identity and
of the checkpoints that the run loaded, known after it. A chapter whose key is there is not run.

The kernel finds three variables: GHR_SCALE; GHR_DEPFILE, a file to which `ghr.runs.load` appends the
path of each checkpoint; GHR_LEDGER, one to which `ghr.ledger.enter` appends each entry. A smoke run
never writes into `book/`.
"""

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import resolve_name
from pathlib import Path
from types import SimpleNamespace

from filelock import FileLock, Timeout

from ghr import ledger, runs

PACKAGE = Path(__file__).parent
FORMAT = "py:percent"
SCALE = "GHR_SCALE"
DEPFILE = "GHR_DEPFILE"
LEDGER = "GHR_LEDGER"


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
    if not (note := note_file(text, parameters, root, package)).exists():
        return None
    used = json.loads(note.read_text("utf8"))["checkpoints"]
    copy = note.with_name(f"{key(note.stem, used, root)}.ipynb")
    return copy if copy.exists() else None


def note_file(text: str, parameters: dict, root: Path, package: Path = PACKAGE) -> Path:
    """Where the note of exactly this chapter is, whether it exists or not."""
    return root / "build" / "executed" / f"{identity(text, parameters, root, package)}.json"


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
    chapter, cell and error; what had run until then is kept as `<identity>.partial.ipynb`.
    """
    try:
        import nbformat
        import papermill
        from nbclient.exceptions import DeadKernelError
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"the book needs {error.name}: pip install 'ghr[book]'") from error
    from ghr.runs import SCALES

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

    name = identity(text, parameters, root, package)
    folder = root / "build" / "executed"
    folder.mkdir(parents=True, exist_ok=True)
    partial, deps, entries = (folder / f"{name}.{kind}" for kind in ("partial.ipynb", "deps", "ledger"))
    deps.write_text("")
    entries.write_text("")
    start = time.monotonic()
    try:
        with environment(**{SCALE: scale, DEPFILE: str(deps), LEDGER: str(entries)}):
            done = papermill.execute_notebook(
                nb,
                partial,
                parameters=parameters,
                cwd=root,
                progress_bar={"desc": chapter},
                extra_arguments=["--IPKernelApp.log_level=40"],  # no word about local TCP
            )
    except papermill.PapermillExecutionError as error:
        first = next(iter(error.source.strip().splitlines()), "")
        raise RuntimeError(
            f"{chapter}, cell {place(error.cell_index, nb)} (`{first}`) failed with "
            f"{error.ename}: {error.evalue} (run so far: {partial.relative_to(root)})"
        ) from error
    except DeadKernelError as error:
        raise RuntimeError(f"{chapter}: the kernel died (out of memory?)") from error

    used = sorted({relative(line, root) for line in deps.read_text().splitlines() if line})
    note = {
        "chapter": chapter,
        "parameters": parameters,
        "checkpoints": used,
        "ledger": [json.loads(line) for line in entries.read_text().splitlines()],
        "seconds": round(time.monotonic() - start, 1),
    }
    copy = folder / f"{key(name, used, root)}.ipynb"
    nbformat.write(stripped(done), partial)
    partial.replace(copy)
    deps.write_text(json.dumps(note, indent=1))
    deps.replace(folder / f"{name}.json")
    entries.unlink()
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
    """An executed notebook without clocks, progress bars and machine: two equal runs give equal files."""
    view = "application/vnd.jupyter.widget-view+json"
    nb.metadata.pop("papermill", None)
    for cell in nb.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("hide-input")
        if outputs := cell.get("outputs"):  # tqdm's bars, whose text is like "run:  40%|████"
            bars = [o for o in outputs if view in o.get("data", {}) and "%|" in o.data.get("text/plain", "")]
            cell.outputs = [o for o in outputs if o not in bars]
    if not any(view in output.get("data", {}) for cell in nb.cells for output in cell.get("outputs", [])):
        nb.metadata.pop("widgets", None)
    return numbered(nb)


# -- executed notebooks to pages


def executed(text: str, fmt: str = FORMAT):
    """What MyST-NB shows for a text chapter: its executed copy at scale $GHR_SCALE (laptop).

    A copy that is missing warns, and `-W` makes that fail the build.
    """
    import nbformat

    scale = os.environ.get(SCALE, "laptop")
    if copy := find(text, {"scale": scale}, Path()):
        return nbformat.read(copy, as_version=4)
    from sphinx.util import logging

    title = next((line for line in text.splitlines() if line.startswith("# # ")), "# # a chapter")
    logging.getLogger(__name__).warning(
        "%s has no executed copy: run make book SCALE=%s", title.removeprefix("# # "), scale
    )
    return notebook(text, fmt)


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


def measured(scale: str, root: Path) -> list[ledger.Entry]:
    """What the executed chapters of a scale measured, in reading order; nothing from those not executed."""
    notes = [note_file((root / c).read_text("utf8"), {"scale": scale}, root) for c in chapters(root)]
    return [ledger.Entry(**e) for note in notes if note.exists() for e in json.loads(note.read_text("utf8"))["ledger"]]


def book(scale: str = "laptop", root: Path = Path(), html: Path | None = None, check: bool = False) -> Path:
    """Executes the chapters that changed and builds the pages; old pages stay until new ones stand.

    scale: one of `ghr.runs.SCALES`.  root: top of the repository.  html: folder of the pages,
    `_build/html` unless said.  check: refuse to change the ledger.
    Returns: the landing page.
    Raises: as `execute`; RuntimeError when the pages give any warning, another build is running, or
    check is set and the ledger would change.
    """
    root = root.resolve()
    html = (html or root / "_build" / "html").resolve()
    (root / "build").mkdir(exist_ok=True)
    try:
        with FileLock(root / "build" / "book.lock", timeout=0):
            for chapter in chapters(root):
                copy = execute(chapter, scale, root)
                print(f"{chapter} at scale {scale}: {copy.relative_to(root)}", flush=True)
            if scale != "smoke":
                keep(measured(scale, root), scale, root / "book" / "ledger.json", check)
            render(scale, root, html)
    except Timeout as error:
        raise RuntimeError(f"another build of the book is running in {root}") from error
    print(f"the book: {html / 'index.html'}")
    return html / "index.html"


def keep(entries: list[ledger.Entry], scale: str, file: Path, check: bool) -> None:
    """Writes a scale's entries into the committed ledger if they say something else, or refuses to."""
    committed = ledger.read(file)
    others = [entry for entry in committed if entry.scale != scale]
    found = ledger.changes([entry for entry in committed if entry.scale == scale], entries)
    if found and check:
        raise RuntimeError(f"{file} says something else than this build: " + " ".join(found))
    if found:
        ledger.write(file, others + entries)
        print(f"{file} is new:", *found, sep="\n  ")


def render(scale: str, root: Path, html: Path) -> None:
    """Builds the pages aside, warnings being errors, and swaps them in once they are whole."""
    aside, old = html.with_name(f"{html.name}.new"), html.with_name(f"{html.name}.old")
    # this interpreter's jupyter-book, whatever is on PATH
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", "."]
    command += ["--path-output", str(aside), "--all", "-W", "-n", "--keep-going", "-q"]
    shutil.rmtree(aside, ignore_errors=True)
    variables = {**os.environ, SCALE: scale}
    result = subprocess.run(command, cwd=root, env=variables, stdout=subprocess.PIPE, text=True)
    if result.returncode:
        print(result.stdout)
        raise RuntimeError(f"the pages have the problems named above; {html} is as it was")
    shutil.rmtree(old, ignore_errors=True)  # left by a build that was killed while it swapped
    if html.exists():
        html.rename(old)
    (aside / "_build" / "html").rename(html)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(aside)


def mend(app, pagename, templatename, context, doctree) -> None:
    """Offers the executed notebook for download; takes from the bibliography a list role without items."""
    executed_copy = Path(app.outdir).with_name("jupyter_execute") / f"{pagename}.ipynb"
    if executed_copy.exists():
        context["ipynb_source"] = f"{pagename}.ipynb"
        download = Path(app.outdir, "_sources", context["ipynb_source"])
        download.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(executed_copy, download)
    if "body" in context:
        context["body"] = context["body"].replace(
            '<div role="list" class="citation-list">', '<div class="citation-list">'
        )


def ledger_table(entries: list[ledger.Entry], scale: str) -> ledger.Table:
    """All targets: what is wanted, what each image set gives, what would be wanted at the paper's scale.

    entries: measured at this scale.  A target without an entry is shown as not measured; networks other than the UNet,
    which have few of the targets, are shown once they have an entry.
    """
    found = {(entry.id, entry.images, entry.network): entry for entry in entries}
    studies = [key for key in runs.STUDIES if key[1] == "UNet" or key in {(e.images, e.network) for e in entries}]
    rows = []
    for id, target in ledger.TARGETS.items():
        cells = []
        for images, network in studies:
            entry = found.get((id, images, network))
            low, high = ledger.bounds(id, images, scale)
            other = f" (target {ledger.words(low, high)})" if (low, high) != ledger.bounds(id, "avatars", scale) else ""
            missing = f"not measured{other}" if network == "UNet" else "-"
            cells.append(f"{entry.verdict}: {entry.measured:.3g}{other}" if entry else missing)
        wanted, at_paper = ledger.words(*ledger.bounds(id, "avatars", scale)), ledger.words(*target.paper)
        rows.append((id, target.statistic, wanted, *cells, at_paper))
    names = (images if network == "UNet" else f"{images}, {network}" for images, network in studies)
    heads = ("id", "statistic", "target", *names, "target at the paper's scale")
    return ledger.Table("The ledger: targets and verdicts", heads, rows)


def public(module: str, package: Path = PACKAGE) -> list[tuple[str, str]]:
    """What a module offers: its own docstring first, then signature and docstring of each public function and class.

    module: dotted name.
    Returns: (signature, docstring) pairs, read from the source text; the signature of the module is its name.
    """
    tree = ast.parse(module_path(module, package).read_text("utf8"))
    found = [(module, ast.get_docstring(tree) or "")]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            init = next((f for f in node.body if getattr(f, "name", "") == "__init__"), None)
            arguments = ast.unparse((init or node).args) if init or isinstance(node, ast.FunctionDef) else ""
            fields = [ast.unparse(field) for field in node.body if isinstance(field, ast.AnnAssign)]
            signature = f"{node.name}({arguments.removeprefix('self, ') or ', '.join(fields)})"
            found.append((signature, ast.get_docstring(node) or ""))
    return found


def setup(app) -> dict:
    """Sphinx extension: `ghr.press` in `_config.yml`."""
    from docutils import nodes
    from sphinx.util.docutils import SphinxDirective

    class Ledger(SphinxDirective):
        """```{ledger}```: what this build measured."""

        def run(self):
            scale = os.environ.get(SCALE, "laptop")
            return [nodes.raw("", ledger_table(measured(scale, Path()), scale).html, format="html")]

    class Api(SphinxDirective):
        """```{api} images noise```: the public docstrings of modules, as they stand in the source."""

        has_content = False
        required_arguments, final_argument_whitespace = 1, True

        def run(self):
            sections = []
            for module in self.arguments[0].split():
                (name, text), *offers = public(f"ghr.{module}")
                section = nodes.section("", nodes.title("", name), ids=[nodes.make_id(name)], names=[name])
                section += nodes.paragraph("", " ".join(text.partition("\n\n")[0].split()))
                for signature, doc in offers:
                    section += nodes.paragraph("", "", nodes.strong("", signature.partition("(")[0]))
                    section += nodes.literal_block("", f"{signature}\n\n{doc}", language="none")
                sections.append(section)
            return sections

    app.add_directive("ledger", Ledger)
    app.add_directive("api", Api)
    app.connect("html-page-context", mend, priority=400)  # before the theme draws its download menu
    # Jupyter Book always loads sphinx-thebe, which would put its scripts twice on every page
    for listener in [x for group in app.events.listeners.values() for x in group]:
        if listener.handler.__module__.startswith("sphinx_thebe"):
            app.disconnect(listener.id)
    app.registry.css_files[:] = [file for file in app.registry.css_files if "thebe" not in file[0]]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
