"""Executed copies in, pages out: Jupyter Book renders them, the committed ledger keeps what they measured.

Enters: the chapters, executed by `ghr.press`. Leaves: the pages, `_build/html`, and the ledger,
`book/ledger.json`, into which a smoke run never writes. This module is also the Sphinx extension that
reads executed copies and draws the ledger and the library.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from ghr import laboratory, ledger, runs
from ghr.press import FORMAT, PACKAGE, SCALE, chapters, execute_all, find, module_path, note_file, notebook


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


def measured(scale: str, root: Path) -> list[ledger.Entry]:
    """What the executed chapters of a scale measured, in reading order; nothing from those not executed."""
    notes = [note_file((root / c).read_text("utf8"), {"scale": scale}, root) for c in chapters(root)]
    return [ledger.Entry(**e) for note in notes if note.exists() for e in json.loads(note.read_text("utf8"))["ledger"]]


def book(scale: str = "laptop", root: Path = Path(), html: Path | None = None, check: bool = False) -> Path:
    """Executes the chapters that changed and builds the pages; old pages stay until new ones stand.

    scale: one of `ghr.runs.SCALES`.  root: top of the repository.  html: folder of the pages,
    `_build/html` unless said.  check: refuse to change the ledger.
    Returns: the landing page.
    Raises: as `ghr.press.execute`; RuntimeError when the pages give any warning, another build is running, or
    check is set and the ledger would change.
    """
    root = root.resolve()
    html = (html or root / "_build" / "html").resolve()
    (root / "build").mkdir(exist_ok=True)
    try:
        with FileLock(root / "build" / "book.lock", timeout=0):
            execute_all(scale, root)
            if scale != "smoke":
                keep(measured(scale, root), scale, root / "book" / "ledger.json", check)
            if (root / f"{laboratory.PAGE}.md").exists():
                laboratory.export(scale, root)
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
    if 'class="explorer"' in context.get("body", ""):  # no other page gets heavier
        app.add_css_file("explorer.css")
        # written into the page: a module of its own would not be loaded where pages are opened as files
        app.add_js_file(None, body=(PACKAGE / "assets" / "explorer.js").read_text("utf8"), type="module")
    if "body" in context:
        context["body"] = context["body"].replace(
            '<div role="list" class="citation-list">', '<div class="citation-list">'
        )


def ledger_table(entries: list[ledger.Entry], scale: str) -> ledger.Table:
    """Targets on faces and photographs: what is wanted, what each set gives, what would be wanted at the paper's scale.

    entries: measured at this scale.  A target without an entry is shown as not measured; networks other than the UNet,
    which have few of the targets, are shown once they have an entry.
    """
    found = {(entry.id, entry.images, entry.network): entry for entry in entries}
    studies = [key for key in runs.STUDIES if key[1] == "UNet" or key in {(e.images, e.network) for e in entries}]
    rows = []
    for id, target in ledger.TARGETS.items():
        if not {images for images, _ in studies} & set(target.on):
            continue
        cells = []
        for images, network in studies:
            low, high = ledger.bounds(id, images, scale)
            other = f" (target {ledger.words(low, high)})" if (low, high) != ledger.bounds(id, "avatars", scale) else ""
            missing = f"not measured{other}" if network == "UNet" else "-"
            cells.append(_cell(found.get((id, images, network)), other, missing))
        wanted, at_paper = ledger.words(*ledger.bounds(id, "avatars", scale)), ledger.words(*target.paper)
        rows.append((id, target.statistic, wanted, *cells, at_paper))
    names = (images if network == "UNet" else f"{images}, {network}" for images, network in studies)
    heads = ("id", "statistic", "target", *names, "target at the paper's scale")
    return ledger.Table("The ledger: targets on faces and photographs, and verdicts", heads, rows)


def classes_table(entries: list[ledger.Entry], scale: str) -> ledger.Table:
    """Targets on image sets whose best denoiser is known and on shuffled faces: a row for each set and network.

    entries: measured at this scale.  A target without an entry is shown as not measured.
    """
    found = {(entry.id, entry.images, entry.network): entry for entry in entries}
    rows = []
    for id, target in ledger.TARGETS.items():
        for images in target.on:
            if images in {name for name, _ in runs.STUDIES}:
                continue
            wanted, at_paper = ledger.words(*ledger.bounds(id, images, scale)), ledger.words(*target.paper)
            others = sorted(network for i, j, network in found if (i, j) == (id, images) and network != "UNet")
            for network in ("UNet", *others):
                name = images if network == "UNet" else f"{images}, {network}"
                cell = _cell(found.get((id, images, network)))
                rows.append((id, name, target.statistic, wanted, cell, at_paper))
    heads = ("id", "images", "statistic", "target", "measured", "target at the paper's scale")
    return ledger.Table("The ledger: targets on images whose best denoiser is known, and verdicts", heads, rows)


def _cell(entry: ledger.Entry | None, other: str = "", missing: str = "not measured") -> str:
    return f"{entry.verdict}: {entry.measured:.3g}{other}" if entry else missing


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
    """Sphinx extension: `ghr.pages` in `_config.yml`."""
    from docutils import nodes
    from sphinx.util.docutils import SphinxDirective

    class Ledger(SphinxDirective):
        """```{ledger}```: what this build measured."""

        def run(self):
            scale = os.environ.get(SCALE, "laptop")
            entries = measured(scale, Path())
            tables = ledger_table(entries, scale), classes_table(entries, scale)
            return [nodes.raw("", table.html, format="html") for table in tables]

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
    app.connect("config-inited", lambda app, config: config.html_static_path.append(str(PACKAGE / "assets")))
    app.connect("html-page-context", mend, priority=400)  # before the theme draws its download menu
    # Jupyter Book always loads sphinx-thebe, which would put its scripts twice on every page
    for listener in [x for group in app.events.listeners.values() for x in group]:
        if listener.handler.__module__.startswith("sphinx_thebe"):
            app.disconnect(listener.id)
    app.registry.css_files[:] = [file for file in app.registry.css_files if "thebe" not in file[0]]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
