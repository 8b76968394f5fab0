"""The Sphinx extension of the book: what its pages show and say beside the text.

Enters: executed copies, their notes, CITATION.cff and the bibliography. Leaves, in pages: the copies, how each was
executed, sliders, the ledger, the library, citations, and a page for addresses that lead nowhere.
"""

import base64
import io
import os
import re
from collections.abc import Mapping
from functools import cache, partial
from inspect import isclass, isfunction
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

from ghr import recipes
from ghr.book import SCALE, percent, speed, verdicts, words
from ghr.book.contents import chapters, number
from ghr.book.identity import digest
from ghr.book.live import ASSETS, inlined
from ghr.book.pages import lay_out, measured, published, told
from ghr.book.percent import FORMAT, notebook
from ghr.book.press import find, kept_text, note_file, noted

EXECUTED = "executed"  #: branch of the repository with the executed notebooks: Colab opens no text, and none of a page


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

_told = cache(told)  # once for a build


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
    nb = percent.combined(text, executed)
    return percent.captioned(
        percent.rewrite(nb, lambda text, place: filled(text, page, f"{page}, {place}", html=False))
    )


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
    fold = f"<details class='made'><summary>What this page measured, as tables</summary><p>{links}.</p></details>"
    return fold if links else ""


def ship(app, error) -> None:
    """Writes those tables beside the pages.

    Args:
        app: Sphinx's application.
        error: what ended the build, or None.
    """
    if not error and app.builder.format == "html":
        scale, folder = os.environ.get(SCALE, "laptop"), Path(app.outdir, "_static", "results")
        lay_out(kept_text(scale, Path()), folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ledger.csv").write_text(verdicts.ledger_csv(measured(scale, Path()), scale), "utf8")


# -- what a page says beside its text


def configure(app, config) -> None:
    """Tells the theme what `published` knows: no button leads nowhere.

    Args:
        app: Sphinx's application.
        config: its configuration, which is changed.
    """
    repository, branch, address = published()
    config.html_baseurl = address or config.html_baseurl
    config.notfound_urls_prefix = top = urlsplit(config.html_baseurl).path or "/"  # 404.html is shown at any depth
    title = "There is no such page"
    ways = f'the <a href="{top}index.html">front page</a> or <a href="{top}search.html">search</a>'
    body = f"<section><h1>{title}</h1>\n<p>The page has moved, or its address is mistyped. Try {ways}.</p></section>"
    config.notfound_context = {"title": title, "body": body}
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
    alone = re.findall(r'class="(explorer)"|class="live" data-script="(\w+)">', context.get("body", ""))
    for script in sorted({one or other for one, other in alone}):  # no other page gets heavier
        # written into the page: a module of its own would not be loaded where pages are opened as files
        app.add_js_file(None, body=inlined(script), type="module")
    if lively := 'class="live"' in context.get("body", ""):
        app.add_css_file("live.css", priority=600)  # after the one that follows
    if alone or lively:
        app.add_css_file("explorer.css")
    if pagename == app.config.notfound_pagename:
        context["content_root"] = app.config.notfound_urls_prefix
    if "body" in context:
        images = {name: Path(app.srcdir, source) for source, name in app.builder.images.items()}
        context["body"] = unbroken(sized(context["body"], images))
        changed = {'<div role="list" class="citation-list">': '<div class="citation-list">'}
        changed["<img "] = '<img loading="lazy" '  # figures further down are fetched when the reader comes near
        for old, new in changed.items():
            context["body"] = context["body"].replace(old, new)
        # the lines of a long signature, which Sphinx writes as a list of definitions without terms
        lines = partial(re.sub, r"<(/?)d[ld]>", r"<\1div>")
        context["body"] = re.sub(r'<dt class="sig .*?</dt>', lambda m: lines(m[0]), context["body"], flags=re.DOTALL)


FEW = 5  #: columns of images that a phone shows side by side
GROWTH = 1.9  #: to how many pixels a point of a grid of images may grow


def sized(body: str, files: Mapping[str, Path]) -> str:
    """A page whose pictures say how wide and high they are: what stands below is in its place before they are loaded.

    Drawings that hold images are of the class "tiles": they gain by being large. Those with many columns, and drawings
    without images, of the class "lines", stand in a box of the class "scrolls": on a phone it scrolls. That of images
    knows how many columns they have.

    Args:
        body: HTML.
        files: where the pictures are that it shows, by their name on the page.

    Returns:
        HTML; pictures elsewhere, and those that have a width, are as they were.
    """

    def size(match: re.Match) -> str:
        tag, source = match[0], match[1]
        if " width=" in tag:
            return tag
        if source.startswith("data:image/"):
            content = base64.b64decode(source.partition(";base64,")[2])
        elif file := files.get(source.rpartition("/")[2]):
            content = file.read_bytes()
        else:
            return tag
        found = re.search(rb'<svg[^>]* width="([\d.]+)(?:pt|px)?" height="([\d.]+)', content[:5000])
        pair = map(float, found.groups()) if found else Image.open(io.BytesIO(content)).size
        width, height = (round(side) for side in pair)
        tag = tag.replace("<img ", f'<img width="{width}" height="{height}" ', 1)
        tile = re.search(rb"<image [^>]*>", content)
        if not found:
            return tag
        kind, classed = "tiles" if tile else "lines", 'class="' in tag
        tag = tag.replace(*(('class="', f'class="{kind} ') if classed else ("<img ", f'<img class="{kind}" ')), 1)
        if not tile:
            return f'<div class="scrolls">{tag}</div>'
        grown = re.search(rb"matrix\(([\d.]+)", tile[0])  # matplotlib draws pixels, and enlarges them
        side = float(re.search(rb' width="([\d.]+)"', tile[0])[1]) * float(grown[1] if grown else 1)
        columns = int(float(found[1]) / side)
        tag = tag.replace("<img ", f'<img style="max-width: {GROWTH * width:.0f}px" ', 1)  # few columns stay small
        return f'<div class="scrolls" style="--columns: {columns}">{tag}</div>' if columns > FEW else tag

    return re.sub(r'<img [^>]*?src="([^"]*)"[^>]*>', size, body)


def unbroken(body: str) -> str:
    """A page on which no line begins with the comma after a formula, which is a box to the browser.

    Args:
        body: HTML.

    Returns:
        The same, with formulas and their points, commas and brackets in spans of the class "unbroken".
    """
    formula = r'<span class="math notranslate nohighlight">[^<]*</span>[,.;:)]+'
    return re.sub(formula, r'<span class="unbroken">\g<0></span>', body)


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


ICONS = re.compile(r'\s*<script src="[^"]*scripts/fontawesome\.js[^"]*"></script>')  #: 1.5 MB of drawings


def lighter(app, error) -> None:
    """Takes the theme's script of icons from the pages, whose style sheet draws them from a font as well.

    Args:
        app: Sphinx's application.
        error: what ended the build, or None.
    """
    if error or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        page.write_text(ICONS.sub("", page.read_text("utf8")), "utf8")
    for file in Path(app.outdir, "_static", "scripts").glob("fontawesome.js*"):
        file.unlink()


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


def overview(app, what: str, name: str, obj, options, lines: list[str]) -> None:
    """Fits a docstring to Sphinx: a module's gets a table of what it offers, a link and a sentence each.

    Args:
        app: Sphinx's application.
        what: kind of the object whose docstring it is, e.g. "module".
        name: of the object.
        obj: the object.
        options: of the directive that shows it.
        lines: of its docstring, which are changed.
    """
    if what == "module" and (own := offers(obj)):
        lines += ["", ".. autosummary::", "   :nosignatures:", "", *(f"   {each}" for each in own), ""]
    # the long form of a sentence that announces a formula: the short one leaves its colons in the table
    lines[:] = [part for x in lines for part in ([x[:-3], "", "::"] if x[:1].strip() and x.endswith(" ::") else [x])]
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]  # an empty comment, else napoleon reads words before a colon as a type


def keep_calls(app, what: str, name: str, obj, skip: bool, options) -> bool | None:
    """Shows how networks and other denoisers are called, though their classes say what this does.

    Args:
        app: Sphinx's application.
        what: kind of the object that has the member, e.g. "class".
        name: of the member.
        obj: the member.
        skip: whether it would be left out.
        options: of the directive that shows the object.

    Returns:
        False to show it, None where nothing is decided here.
    """
    return False if what == "class" and name == "forward" else None


def offers(module) -> list[str]:
    """Public functions and classes that a module defines, or names in its `__all__`.

    Args:
        module: imported.

    Returns:
        Names, in the order in which they are defined; of what a module inside defines with that module's.
    """
    named = getattr(module, "__all__", ())
    own = [
        (each, x.__module__)
        for each, x in vars(module).items()
        if not each.startswith("_") and (isclass(x) or isfunction(x))
    ]
    return [
        each if place == module.__name__ else f"~{place.removeprefix(module.__name__ + '.')}.{each}"
        for each, place in own
        if place == module.__name__ or each in named
    ]


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
            both = (verdicts.ledger_table(entries, scale), verdicts.classes_table(entries, scale))
            tables = "".join(verdicts.marked(table.html, entries, verdicts.figures(Path())) for table in both)
            file = "../" * self.env.docname.count("/") + "_static/results/ledger.csv"
            link = f'<p class="made">As a table: <a href="{file}" download>ledger.csv</a>.</p>'
            return [nodes.raw("", f"{verdicts.counted(tables)}{tables}{link}", format="html")]

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
    app.add_directive("speed", Speed)
    app.add_directive("cost", Cost)
    app.connect("config-inited", lambda app, config: config.html_static_path.append(str(ASSETS)))
    app.add_directive("bibtex", Bibtex)
    app.connect("config-inited", configure)
    app.connect("source-read", fill_page)
    app.connect("autodoc-process-docstring", overview, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", keep_calls)
    app.connect("build-finished", ship)
    app.connect("html-page-context", mend, priority=400)  # before the theme draws its download menu
    app.connect("html-page-context", launch, priority=502)  # after it has drawn it
    app.connect("build-finished", lighter)
    app.connect("build-finished", steady, priority=400)  # before sphinx-tippy writes them
    # Jupyter Book always loads sphinx-thebe, which would put its scripts twice on every page
    for listener in [x for group in app.events.listeners.values() for x in group]:
        if listener.handler.__module__.startswith("sphinx_thebe"):
            app.disconnect(listener.id)
    app.registry.css_files[:] = [file for file in app.registry.css_files if "thebe" not in file[0]]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
