"""The Sphinx extension of the book: what its pages show and say beside the text.

Enters: executed copies, their notes, CITATION.cff and the bibliography. Leaves, in pages: the copies, how each was
executed, sliders, the ledger, the library, citations, and a page for addresses that lead nowhere.
"""

import ast
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from ghr import recipes
from ghr.book import ledger, percent, speed, words
from ghr.book.pages import lay_out, measured, published, told
from ghr.book.percent import FORMAT, notebook
from ghr.book.press import (
    PACKAGE,
    SCALE,
    chapters,
    digest,
    find,
    kept_text,
    module_path,
    note_file,
    noted,
    number,
)
from ghr.tables import Shown

EXECUTED = "executed"  # branch of the repository with the executed notebooks: Colab opens no text, and none of a page


def executed(text: str, fmt: str = FORMAT):
    """What MyST-NB shows for a text chapter: its executed copy at scale $GHR_SCALE (laptop).

    A copy that is missing warns, and `-W` makes that fail the build.

    Args:
        text: of the chapter.
        fmt: jupytext's name of the text's format.

    Returns:
        Notebook.
    """
    import nbformat

    scale = os.environ.get(SCALE, "laptop")
    if copy := find(text, {"scale": scale}, Path()):
        page = next((c for c in chapters(Path()) if Path(c).read_text("utf8") == text), "")
        nb = percent.combined(text, nbformat.read(copy, as_version=4))
        return percent.rewrite(nb, lambda text, place: filled(text, page, f"{page}, {place}"))
    from sphinx.util import logging

    title = next((line for line in text.splitlines() if line.startswith("# # ")), "# # a chapter")
    logging.getLogger(__name__).warning(
        "%s has no executed copy: run make book SCALE=%s", title.removeprefix("# # "), scale
    )
    return notebook(text, fmt)


# -- what texts ask for

_told = functools.cache(told)  # once for a build


def filled(text: str, page: str, place: str, html: bool = True) -> str:
    """A text with the numbers, verdicts and marks that it asks for; what cannot be answered warns.

    Args:
        text: Markdown.
        page: on which it stands, as a path below the top of the repository.
        place: as a warning names it.
        html: as for `ghr.book.words.fill`.

    Returns:
        Markdown.
    """
    if not words.ROLE.search(text):
        return text
    file = Path("book/ledger.md")
    verdicts = os.path.relpath(file.with_suffix(".html"), Path(page).parent) if file.exists() else None
    try:
        return words.fill(text, _told(os.environ.get(SCALE, "laptop"), Path()), number(page), verdicts, html)
    except ValueError as error:
        from sphinx.util import logging

        logging.getLogger(__name__).warning("%s: %s", place, error)
        return text


def fill_page(app, docname: str, source: list[str]) -> None:
    """Puts words into a page of Markdown when Sphinx has read it; chapters are filled by `executed`.

    Args:
        app: Sphinx's application.
        docname: of the page.
        source: its text, the one item of a list, which is changed.
    """
    if app.env.doc2path(docname).endswith(".md"):
        source[0] = filled(source[0], f"{docname}.md", f"{docname}.md")


def download(text: str, page: str, executed):
    """The notebook that readers take away: numbers are in its text, and captions in sight.

    Args:
        text: of the chapter.
        page: the chapter, as a path below the top of the repository.
        executed: notebook of its executed copy.

    Returns:
        Notebook.
    """
    from nbformat.v4 import new_markdown_cell

    nb = percent.combined(text, executed)
    percent.rewrite(nb, lambda text, place: filled(text, page, f"{page}, {place}", html=False))
    cells = []
    for cell in nb.cells:
        cells.append(cell)
        if caption := cell.metadata.get("mystnb", {}).get("figure", {}).get("caption"):
            cells.append(new_markdown_cell(caption))
    nb.cells = cells
    return nb


def tables_of(note: dict, page: str) -> str:
    """Links to the tables that a chapter kept, as the last line of its page: HTML, empty where there are none.

    Args:
        note: of its executed copy.
        page: docname of the page.

    Returns:
        HTML.
    """
    up = "../" * page.count("/")
    names = (f"{number(f'{page}.py')}_{name}.csv" for name in note["tables"])
    links = ", ".join(f'<a href="{up}_static/results/{name}" download>{name}</a>' for name in names)
    return f'<p class="made">What this page measured, as tables: {links}.</p>' if links else ""


def ship(app, error) -> None:
    """Writes those tables beside the pages.

    Args:
        app: Sphinx's application.
        error: what ended the build, or None.
    """
    if not error and app.builder.format == "html":
        lay_out(kept_text(os.environ.get(SCALE, "laptop"), Path()), Path(app.outdir, "_static", "results"))


# -- what a page says beside its text


def configure(app, config) -> None:
    """Tells the theme what `published` knows: no button leads nowhere.

    Args:
        app: Sphinx's application.
        config: its configuration, which is changed.
    """
    repository, branch, address = published()
    config.html_baseurl = address or config.html_baseurl
    if repository:
        config.html_theme_options |= {"repository_url": repository, "repository_branch": branch, "path_to_docs": ""}
        config.html_theme_options |= {f"use_{kind}_button": True for kind in ("repository", "edit_page", "issues")}


def made(note: dict, python: str, pins: str) -> str:
    """How a chapter was executed, as a line of its page: HTML.

    Args:
        note: of its executed copy.
        python: the kernel's version.
        pins: text of the requirements, which are part of the copy's identity.

    Returns:
        HTML.
    """
    seconds = note["seconds"]
    took = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    torch = re.search(r"^torch==([^\s;#]+)", pins, re.MULTILINE)
    stack = f"Python {python}" + (f" and the pinned torch {torch[1]}" if torch else "")
    return f'<p class="made">Executed at scale {note["parameters"]["scale"]} in {took}, with {stack}.</p>'


def outside(repository: str, branch: str):
    """The first cell of a published notebook: where there is no copy of the repository, on Colab say, it gets one.

    Args:
        repository: its address.
        branch: which is cloned.

    Returns:
        Cell.
    """
    from nbformat.v4 import new_code_cell

    lines = (
        "# Outside a copy of the repository, on Colab say: get one, and what it needs.",
        "import importlib.util",
        "import sys",
        "",
        'if importlib.util.find_spec("ghr") is None:',
        f"    !git clone --quiet --depth 1 --branch {branch} {repository}.git",
        f"    %cd {repository.rpartition('/')[2]}",
        '    %pip install --quiet --editable ".[images,book]"',
        '    sys.path.insert(0, "")  # an editable package is found from the next start of a kernel on',
    )
    return new_code_cell("\n".join(lines))


def mend(app, pagename, templatename, context, doctree) -> None:
    """Offers the executed notebook, says how it was made, brings sliders to life, and mends what others wrote.

    Args:
        app: Sphinx's application.
        pagename: docname of the page.
        templatename: of the page.
        context: what its template is given, which is changed.
        doctree: of the page, or None.
    """
    import nbformat

    chapter, scale = Path(f"{pagename}.py"), {"scale": os.environ.get(SCALE, "laptop")}
    text = chapter.read_text("utf8") if chapter.exists() else ""
    if text and (copy := find(text, scale, Path())):
        nb = download(text, str(chapter), nbformat.read(copy, as_version=4))
        note = noted(note_file(text, scale, Path()))
        python, pins = nb.metadata["language_info"]["version"], Path("requirements.txt").read_text("utf8")
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{made(note, python, pins)}", 1)
        context["body"] += tables_of(note, pagename)
        repository, branch, _ = published()
        if repository:
            nb.cells.insert(0, outside(repository, branch))
        context["ipynb_source"] = f"{pagename}.ipynb"
        file = Path(app.outdir, "_sources", context["ipynb_source"])
        file.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(percent.numbered(nb), file)
    if 'class="explorer"' in context.get("body", ""):  # no other page gets heavier
        app.add_css_file("explorer.css")
        # written into the page: a module of its own would not be loaded where pages are opened as files
        app.add_js_file(None, body=(PACKAGE / "book" / "assets" / "explorer.js").read_text("utf8"), type="module")
    if "body" in context:
        changed = {'<div role="list" class="citation-list">': '<div class="citation-list">'}
        changed["<img "] = '<img loading="lazy" '  # figures further down are fetched when the reader comes near
        for old, new in changed.items():
            context["body"] = context["body"].replace(old, new)


def launch(app, pagename, templatename, context, doctree) -> None:
    """A button that opens the executed notebook in Colab, from the branch on which it is published.

    Args:
        app: Sphinx's application.
        pagename: docname of the page.
        templatename: of the page.
        context: what its template is given, which is changed.
        doctree: of the page, or None.
    """
    repository, _, _ = published()
    if repository and "ipynb_source" in context:
        place = f"{repository.removeprefix('https://github.com/')}/blob/{EXECUTED}/{context['ipynb_source']}"
        button = {"type": "link", "text": "Colab", "tooltip": "Open the executed notebook in Colab"}
        button |= {"icon": "_static/images/logo_colab.png", "url": f"https://colab.research.google.com/github/{place}"}
        group = {"type": "group", "tooltip": "Run this chapter", "icon": "fas fa-rocket", "label": "launch-buttons"}
        context["header_buttons"].insert(0, {**group, "buttons": [button]})


def lost(app) -> Iterator[tuple[str, dict, str]]:
    """The page `404.html`, which hosts like GitHub Pages show for every address that leads nowhere.

    Args:
        app: Sphinx's application.

    Yields:
        Name, context and template of the page.
    """
    title = "There is no such page"
    ways = 'the <a href="index.html">front page</a> or <a href="search.html">search</a>'
    body = f"<section><h1>{title}</h1>\n<p>The page has moved, or its address is mistyped. Try {ways}.</p></section>"
    yield "404", {"title": title, "body": body}, "page.html"


def anchor(app, error) -> None:
    """Makes the addresses in `404.html` absolute: it is shown at any depth.

    Args:
        app: Sphinx's application.
        error: what ended the build, or None.
    """
    page = Path(app.outdir, "404.html")
    if error or not page.exists():
        return
    from bs4 import BeautifulSoup

    base = urlsplit(app.config.html_baseurl).path or "/"
    soup = BeautifulSoup(page.read_text("utf8"), "html.parser")
    for tag in soup.find_all(True):
        for name in {"href", "src", "action", "data-content_root"} & tag.attrs.keys():
            if not tag[name].startswith("#"):
                tag[name] = urljoin(base, tag[name])
    page.write_text(str(soup), "utf8")


def steady(app, error) -> None:
    """Names the scripts of hover tips by what they hold: sphinx-tippy draws their names, and their order, at random.

    Args:
        app: Sphinx's application.
        error: what ended the build, or None.
    """
    tips = {} if error else getattr(app.env, "tippy_data", {}).get("pages", {})
    for page in tips.values():
        page["refs_in_page"] = sorted(page["refs_in_page"], key=str)
    mark = digest(*(f"{name} {page['refs_in_page']} {page['id_to_html']}" for name, page in tips.items()))
    for name, page in tips.items():
        drawn, html = page["js_path"], Path(app.outdir, f"{name}.html")
        page["js_path"] = drawn.with_name(f"{Path(name).name}.{mark}.js")
        html.write_text(html.read_text("utf8").replace(drawn.name, page["js_path"].name), "utf8")


# -- what it tells about the book


def citation(cff: str) -> str:
    """BibTeX of the work that a CITATION.cff describes, in the fields that it has.

    Args:
        cff: text of the file.

    Returns:
        One entry.
    """
    import yaml

    work = yaml.safe_load(cff)
    people = work["authors"]
    authors = [f"{{{x['name']}}}" if "name" in x else f"{x['family-names']}, {x['given-names']}" for x in people]
    fields = {"author": " and ".join(authors), "title": f"{{{work['title']}}}", "version": work.get("version")}
    fields |= {"year": str(work.get("date-released", ""))[:4], "doi": work.get("doi")}
    fields["url"] = work.get("url") or work.get("repository-code")
    lines = [f"  {name:<7} = {{{value}}}" for name, value in fields.items() if value]
    return "@software{ghr,\n" + ",\n".join(lines) + "\n}"


def reference(key: str, bibliography: str) -> str:
    """An entry of a bibliography as it is written there.

    Args:
        key: of the entry.
        bibliography: BibTeX.

    Returns:
        The entry.

    Raises:
        ValueError: when there is none of this key.
    """
    entry = re.search(rf"^@\w+\{{{re.escape(key)},.*?^\}}", bibliography, re.MULTILINE | re.DOTALL)
    if not entry:
        raise ValueError(f"the bibliography has no entry {key!r}")
    return entry[0]


def ledger_table(entries: list[ledger.Entry], scale: str) -> Shown:
    """Targets on faces and photographs: what is wanted, what each set gives, what would be wanted at the paper's scale.

    A target without an entry is shown as not measured; networks other than the UNet, which have few of the targets, are
    shown once they have an entry.

    Args:
        entries: measured at this scale.
        scale: one of `ghr.recipes.SCALES`.

    Returns:
        A row for each target.
    """
    found = {(entry.id, entry.images, entry.network): entry for entry in entries}
    studies = [key for key in recipes.STUDIES if key[1] == "UNet" or key in {(e.images, e.network) for e in entries}]
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
        rows.append((id, target.statistic, *map(_tied, (wanted, *cells, at_paper))))
    names = (images if network == "UNet" else f"{images}, {network}" for images, network in studies)
    heads = ("id", "statistic", "target", *names, "target at the paper's scale")
    return Shown("The ledger: targets on faces and photographs, and verdicts", heads, rows)


def classes_table(entries: list[ledger.Entry], scale: str) -> Shown:
    """Targets on image sets whose best denoiser is known and on shuffled faces: a row for each set and network.

    A target without an entry is shown as not measured.

    Args:
        entries: measured at this scale.
        scale: one of `ghr.recipes.SCALES`.

    Returns:
        A row for each target, set and network.
    """
    found = {(entry.id, entry.images, entry.network): entry for entry in entries}
    rows = []
    for id, target in ledger.TARGETS.items():
        for images in target.on:
            if images in {name for name, _ in recipes.STUDIES}:
                continue
            wanted, at_paper = ledger.words(*ledger.bounds(id, images, scale)), ledger.words(*target.paper)
            others = sorted(network for i, j, network in found if (i, j) == (id, images) and network != "UNet")
            for network in ("UNet", *others):
                name = images if network == "UNet" else f"{images}, {network}"
                cell = _cell(found.get((id, images, network)))
                rows.append((id, name, target.statistic, *map(_tied, (wanted, cell, at_paper))))
    heads = ("id", "images", "statistic", "target", "measured", "target at the paper's scale")
    return Shown("The ledger: targets on images whose best denoiser is known, and verdicts", heads, rows)


def marked(html: str) -> str:
    """The first row of each target in a table's HTML made a place to which links can lead.

    Args:
        html: of the table.

    Returns:
        HTML.
    """
    for id in ledger.TARGETS:
        html = html.replace(f'<th scope="row">{id}</th>', f'<th scope="row" id="{id}">{id}</th>', 1)
    return html


def _tied(text: str) -> str:
    """Bounds and intervals that no line break divides."""
    return re.sub(r"(?<=[,<>=]) ", "\N{NO-BREAK SPACE}", text)


def _cell(entry: ledger.Entry | None, other: str = "", missing: str = "not measured") -> str:
    return f"{entry.verdict}: {entry.measured:.3g}{other}" if entry else missing


def public(module: str, package: Path = PACKAGE) -> list[tuple[str, str]]:
    """What a module offers: its own docstring first, then those of public functions, classes and methods.

    Args:
        module: dotted name.
        package: folder of the package.

    Returns:
        (signature, docstring) pairs, read from the source text; that of the module is its name, that of a property is
        without parentheses.
    """
    tree = ast.parse(module_path(module, package).read_text("utf8"))
    found = [(module, ast.get_docstring(tree) or "")]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            methods = [f for f in node.body if isinstance(f, ast.FunctionDef)] if isinstance(node, ast.ClassDef) else []
            init = next((f for f in methods if f.name == "__init__"), None)
            fields = [ast.unparse(field) for field in node.body if isinstance(field, ast.AnnAssign)]
            inside = _arguments(init or node) if init or isinstance(node, ast.FunctionDef) else ", ".join(fields)
            found.append((f"{node.name}({inside}){_returned(node)}", ast.get_docstring(node) or ""))
            for f in methods:
                if not f.name.startswith("_") and (text := ast.get_docstring(f)):  # `forward` has its class's words
                    inside = "" if any(ast.unparse(d) == "property" for d in f.decorator_list) else f"({_arguments(f)})"
                    found.append((f"{node.name}.{f.name}{inside}{_returned(f)}", text))
    return found


def _arguments(node: ast.FunctionDef) -> str:
    """Arguments of a function as they are written, without self."""
    return re.sub(r"^self(, |$)", "", ast.unparse(node.args))


def _returned(node: ast.AST) -> str:
    """What a function says that it returns."""
    return f" -> {ast.unparse(node.returns)}" if getattr(node, "returns", None) else ""


def setup(app) -> dict:
    """Sphinx extension: `ghr.book.extension` in `_config.yml`.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx asks of an extension.
    """
    from docutils import nodes
    from sphinx.util.docutils import SphinxDirective

    class Ledger(SphinxDirective):
        """```{ledger}```: what this build measured."""

        def run(self):
            scale = os.environ.get(SCALE, "laptop")
            entries = measured(scale, Path())
            tables = ledger_table(entries, scale), classes_table(entries, scale)
            return [nodes.raw("", marked(table.html), format="html") for table in tables]

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
                    section += nodes.paragraph("", "", nodes.strong("", re.split(r"[( ]", signature)[0]))
                    section += nodes.literal_block("", f"{signature}\n\n{doc}", language="none")
                sections.append(section)
            return sections

    class Speed(SphinxDirective):
        """```{speed}``` or ```{speed} gpu```: what `make bench` timed, on a CPU or a GPU."""

        optional_arguments = 1

        def run(self):
            file = speed.RESULTS_ON_GPU if self.arguments == ["gpu"] else speed.RESULTS
            return [nodes.raw("", speed.page(speed.results(file)), format="html")]

    class Cost(SphinxDirective):
        """```{cost} networks``` or ```{cost} projection```: what is counted, not timed."""

        required_arguments = 1

        def run(self):
            (which,) = self.arguments
            if which == "networks":
                shown = speed.networks_table().html
            elif which == "projection":
                timed = speed.results(speed.RESULTS_ON_GPU)
                shown = speed.projection_table(recipes.table("paper"), timed).html if timed else speed.NOT_TIMED
            else:
                raise self.error(f"Unknown table of costs: {which}.")
            return [nodes.raw("", shown, format="html")]

    class Bibtex(SphinxDirective):
        """```{bibtex} key```: how to cite an entry of the bibliography; without a key, this book."""

        optional_arguments = 1

        def run(self):
            file = Path("book/references.bib" if self.arguments else "CITATION.cff")
            text = file.read_text("utf8")
            try:
                entry = reference(self.arguments[0], text) if self.arguments else citation(text)
            except ValueError as error:
                raise self.error(f"{file}: {error}") from error
            return [nodes.literal_block("", entry, language="bibtex")]

    app.add_directive("ledger", Ledger)
    app.add_directive("api", Api)
    app.add_directive("speed", Speed)
    app.add_directive("cost", Cost)
    app.connect("config-inited", lambda app, config: config.html_static_path.append(str(PACKAGE / "book" / "assets")))
    app.add_directive("bibtex", Bibtex)
    app.connect("config-inited", configure)
    app.connect("source-read", fill_page)
    app.connect("build-finished", ship)
    app.connect("html-page-context", mend, priority=400)  # before the theme draws its download menu
    app.connect("html-page-context", launch, priority=502)  # after it has drawn it
    app.connect("html-collect-pages", lost)
    app.connect("build-finished", anchor)
    app.connect("build-finished", steady, priority=400)  # before sphinx-tippy writes them
    # Jupyter Book always loads sphinx-thebe, which would put its scripts twice on every page
    for listener in [x for group in app.events.listeners.values() for x in group]:
        if listener.handler.__module__.startswith("sphinx_thebe"):
            app.disconnect(listener.id)
    app.registry.css_files[:] = [file for file in app.registry.css_files if "thebe" not in file[0]]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
