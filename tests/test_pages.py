"""Pages of a project made for the test, and the ledger: nothing here touches the book."""

import base64
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import CHAPTER, DESK, PHONE, edit, executions, hear, new_project, serve, shoot, violations
from IPython.core.inputtransformer2 import TransformerManager
from PIL import Image
from sphinx.util.inventory import InventoryFile

from ghr import references, stats, tables
from ghr.book import claims, extension, identity, ledger, pages, press, verdicts, words
from ghr.book.claims import Claim

REPO = Path(__file__).resolve().parents[1]


def test_book_builds_shows_this_scale_and_survives_a_failing_cell(project, capfd):
    page = pages.book("smoke", project)
    html = page.parent
    assert page == project / "_build" / "html" / "index.html"
    text = (html / "book" / "00_x.html").read_text()
    assert "smoke 0 smoke" in text
    assert "gap is 1.2 dB" in BeautifulSoup(text, "html.parser").get_text()  # 1.25, rounded to even
    assert "thebe" not in text
    assert "fontawesome.js" not in text  # signs are drawn from a font of 4 kB
    assert not (html / "_static" / "scripts" / "fontawesome.js").exists()
    assert "image/png" in (html / "_sources" / "book" / "00_x.ipynb").read_text()
    assert (html / "_sources" / "book" / "00_x.py").exists()
    soup = BeautifulSoup(text, "html.parser")
    assert "that of N = 100 is 6.50 [6.00, 7.00] (T2a: not at this scale)." in soup.get_text().replace(
        "\N{NO-BREAK SPACE}", " "
    )
    (link,) = soup.select("a[download]")
    kept = (html / "book" / link["href"]).read_text()
    assert kept == (project / "build" / "results" / "smoke" / "00_gaps.csv").read_text()
    assert kept.startswith("n,gap,gap_low,gap_high\n10,30.25,29,31.5\n")
    taken = nbformat.read(html / "_sources" / "book" / "00_x.ipynb", as_version=4)
    assert "that of N = 100 is 6.50 [6.00, 7.00] (T2a: not at this scale)." in taken.cells[0].source
    assert "A line of N = 10." in [cell.source for cell in taken.cells]

    edit(project / "book" / "00_x.py", "# Then", "# Thereafter")  # prose and captions: nothing runs
    edit(project / "book" / "00_x.py", "A line of", "This line is of")
    assert pages.book("smoke", project) == page
    assert executions(project) == ["smoke 0"]
    text = (html / "book" / "00_x.html").read_text()
    assert "Thereafter" in text
    assert "This line is of N = 10." in text

    before = {path: path.read_bytes() for path in sorted(html.rglob("*")) if path.is_file()}
    edit(project / "book" / "00_x.py", "from tqdm", "1 / 0\nfrom tqdm")
    with pytest.raises(RuntimeError, match=r"book/00_x.py, cell 6 \(`1 / 0`\) failed with ZeroDivisionError: division"):
        pages.book("smoke", project)

    edit(project / "book" / "00_x.py", "1 / 0\n", "")
    edit(project / "index.md", "book/00_x.py", "book/03_y.py")  # a broken link is a warning, hence an error
    with pytest.raises(RuntimeError, match="is as it was"):
        pages.book("smoke", project)
    assert "03_y" in capfd.readouterr().err
    assert {path: path.read_bytes() for path in sorted(html.rglob("*")) if path.is_file()} == before


def test_images_are_drawn_before_the_first_chapter_that_studies_networks_runs(project, monkeypatch):
    def stop(scale):
        raise RuntimeError(f"drawn for {scale}")

    monkeypatch.setattr(pages.experiments, "prepare", stop)
    monkeypatch.setattr(pages, "render", lambda scale, root, html: None)
    pages.book("smoke", project)  # a chapter that studies nothing needs nothing
    assert executions(project) == ["smoke 0"]
    edit(project / "book" / "00_x.py", "from ghr import stats", "from ghr import experiments, stats")
    with pytest.raises(RuntimeError, match="drawn for smoke"):
        pages.book("smoke", project)
    assert executions(project) == ["smoke 0"]


def test_one_chapter_becomes_a_notebook_with_its_numbers(project, capsys, monkeypatch):
    monkeypatch.setitem(claims.CLAIMS, "gap-is-large", Claim("gap-is-large", "00", "{gaps[n=100].gap.low} > 6.5"))
    edit(project / "book" / "00_x.py", "# Then {numref}", "# It is large. {claim}`gap-is-large` Then {numref}")
    edit(project / "book" / "00_x.py", "{target}`T2a`", "{target}`T2a`, {num}`09:gaps[n=max].gap:.1f` elsewhere")
    shutil.copy(project / "book" / "00_x.py", project / "book" / "09_y.py")  # keeps tables too, and is not executed
    edit(project / "_toc.yml", "{file: book/00_x}", "{file: book/00_x}, {file: book/09_y}")
    file = pages.chapter("00", "smoke", project / "out" / "x.ipynb", project, seed=2)
    nb = nbformat.read(file, 4)
    assert "is 6.50 [6.00, 7.00]" in nb.cells[0].source
    assert f"{words.NOT_HERE}) elsewhere" in nb.cells[0].source
    assert "A line of N = 10." in [cell.source for cell in nb.cells]
    assert executions(project) == ["smoke 2"]
    assert '"It is large." (gap-is-large: ' in capsys.readouterr().out
    assert file.with_name("00_gaps.csv").read_text().startswith("n,gap")
    with pytest.raises(
        ValueError, match=r"There is no chapter 07: expected a number or a path of book/00_x.py, book/09"
    ):
        pages.chapter("07", "smoke", root=project)


def test_where_there_is_no_book_nothing_is_made(tmp_path):
    with pytest.raises(ValueError, match=r"holds no book, there is no _toc.yml: run this at the top of the repository"):
        pages.book("smoke", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_sentence_that_does_not_hold_fails_a_check_at_the_laptops_scale(project, capsys):
    kept = {"02": {"gaps": tables.read("n,gap\n10,3\n100,5\n")}}
    known = claims.named([Claim("falls", "02", "{gaps[n=100].gap} < {gaps[n=10].gap}")])
    with (project / "index.md").open("a") as file:
        file.write("\nMore images help. {claim}`falls` Others not.\n")
    sentence = r'"More images help." (falls: 5 < 3)'
    with pytest.raises(RuntimeError, match=f"^sentences that do not hold: {re.escape(sentence)}$"):
        pages.hold(words.Told("laptop", kept, (), known), project, check=True)
    pages.hold(words.Told("laptop", kept, (), known), project, check=False)
    pages.hold(words.Told("smoke", kept, (), known), project, check=True)
    assert capsys.readouterr().out.count(sentence) == 2


# What a page says beside its text ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The project, executed once; its landing page says how to cite, pages outside its contents show more."""
    project = new_project(tmp_path_factory.mktemp("executed"))
    shutil.copy(REPO / "CITATION.cff", project)
    with (project / "index.md").open("a") as file:
        file.write("\n```{bibtex} stein1981estimation\n```\n\n```{bibtex}\n```\n")
    (project / "book" / "api").mkdir()
    for name, modules in (("a", ("ghr.references.gaussian", "ghr.stats")), ("b", ("ghr.denoiser", "ghr.tables"))):
        text = "".join(f"\n{m}\n{'-' * len(m)}\n\n.. automodule:: {m}\n" for m in modules)
        (project / "book" / "api" / f"{name}.rst").write_text(f"{name}\n=\n{text}")
    shutil.copy(REPO / "book" / "speed.md", project / "book")
    press.execute("book/00_x.py", "smoke", project)
    return project


def rendered(project: Path, folder: str, **variables: str) -> Path:
    """Its pages in a folder, made with some variables of where it is published."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PUBLISHED:
            patch.delenv(name, raising=False)
        for name, value in variables.items():
            patch.setenv(name, value)
        pages.render("smoke", project, project / folder)
    return project / folder


PUBLISHED = {
    "GHR_REPOSITORY": "https://github.com/someone/a-book",
    "GHR_BRANCH": "next",
    "GHR_ADDRESS": "https://someone.example/a-book",
}


@pytest.fixture(scope="module")
def unpublished(executed):
    """Its pages, while nobody knows where they will be."""
    return rendered(executed, "html")


@pytest.fixture(scope="module")
def published(executed):
    """Its pages, published below /a-book/, with those of the library and of what was timed, which take seconds."""
    contents = executed / "_toc.yml"
    few = contents.read_text()
    more = "{file: book/speed}, {file: book/api/a}, {file: book/api/b}"
    edit(contents, "{file: book/references}", f"{{file: book/references}}, {more}")
    html = rendered(executed, "host/a-book", **PUBLISHED)
    contents.write_text(few)
    return html


def links(page: Path) -> list[str]:
    """Every address that a page leads to or loads."""
    tags = BeautifulSoup(page.read_text(), "html.parser").find_all(["a", "link", "script", "img", "form"])
    return [tag[name] for tag in tags for name in ("href", "src", "action") if name in tag.attrs]


def test_a_page_without_its_executed_copy_is_a_warning_hence_an_error(executed, monkeypatch, caplog):
    monkeypatch.chdir(executed)
    monkeypatch.setenv("GHR_SCALE", "laptop")
    shown = extension.executed((executed / "book" / "00_x.py").read_text())
    assert "A chapter has no executed copy: run make book SCALE=laptop" in caplog.text
    assert not any(cell.get("outputs") for cell in shown.cells)


def test_a_book_of_unknown_address_says_how_it_was_made_and_has_no_button_that_leads_nowhere(executed, unpublished):
    html, again = unpublished, rendered(executed, "again")
    chapter = html / "book" / "00_x.html"
    note = press.note_file((executed / "book" / "00_x.py").read_text(), {"scale": "smoke"}, executed)
    seconds = json.loads(note.read_text())["seconds"]
    (line,) = BeautifulSoup(chapter.read_text(), "html.parser").select("h1 + .made")
    assert line.text.startswith(f"Executed at scale smoke in {seconds:.0f} s, with Python 3.")
    assert line.text.endswith(" and the pinned torch 2.13.0.")
    assert ".made" in (html / "_static" / "custom.css").read_text()
    assert 'class="made"' not in (html / "index.html").read_text()
    built, twice = (
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (html, again)
    )
    assert {"404.html", "book/00_x.html", "_sources/book/00_x.ipynb", "_static/custom.css"} <= built.keys()
    assert any(name.startswith("_static/tippy/book/00_x.") for name in built)
    assert built.keys() == twice.keys()
    assert [name for name in built if built[name] != twice[name]] == []

    for page in html.rglob("*.html"):
        assert [link for link in links(page) if re.search(r"github\.com/(?!executablebooks)|colab", link)] == [], page
        assert 'rel="canonical"' not in page.read_text()
    assert "git clone" not in (html / "_sources" / "book" / "00_x.ipynb").read_text()
    for link in links(html / "404.html"):
        assert link.startswith(("/", "#", "http")), link
    assert 'data-content_root="/"' in (html / "404.html").read_text()


def test_pictures_say_how_large_they_are(tmp_path):
    def coded(kind, content):
        return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"

    Image.new("L", (7, 5)).save(tmp_path / "a.png")
    svg = b'<?xml version="1.0"?>\n<!-- width="1" --><svg id="x" width="85.6pt" height="41.2pt" viewBox="0 0 9 9"/>'
    for source, size in (
        ("../_images/a.png", (7, 5)),
        (coded("png", (tmp_path / "a.png").read_bytes()), (7, 5)),
        (coded("svg+xml", svg), (86, 41)),
    ):
        page = extension.sized(f'<p><img alt="a" src="{source}"/></p>', {"a.png": tmp_path / "a.png"})
        image = BeautifulSoup(page, "html.parser").img
        assert (image["alt"], image["src"]) == ("a", source)
        assert (int(image["width"]), int(image["height"])) == size
        drawn = "svg" in source  # without images: on a phone it scrolls as well
        assert (image.get("class"), image.parent.get("class")) == ((["lines"], ["scrolls"]) if drawn else (None, None))
    for width, columns in ((20, 2), (5, 8)):  # a grid of images gains by being large, and on a phone it may scroll
        grid = (
            svg
            + f'<image xlink:href="data:," transform="matrix(2 0 0 2 5 5)" width="{width}" height="9"/></svg>'.encode()
        )
        for opening, wanted in (("<img", ["tiles"]), ('<img class="dark-light"', ["tiles", "dark-light"])):
            page = extension.sized(f'<p>{opening} src="{coded("svg+xml", grid)}"/></p>', {})
            image = BeautifulSoup(page, "html.parser").img
            assert image["class"] == wanted
            assert image.parent.get("style") == (f"--columns: {columns}" if columns > 5 else None)
    for known in ('<img src="../_images/a.png" width="3">', '<img src="https://elsewhere/b.png">'):
        assert extension.sized(known, {"a.png": tmp_path / "a.png"}) == known


def test_no_line_begins_with_the_comma_after_a_formula():
    formula = '<span class="math notranslate nohighlight">\\(a &lt; b\\)</span>'
    for end in (",", ").", ";"):
        assert extension.unbroken(f"<p>of {formula}{end} more</p>") == (
            f'<p>of <span class="unbroken">{formula}{end}</span> more</p>'
        )
    for end in (" more", "", " (1),"):
        assert extension.unbroken(f"<p>of {formula}{end}</p>") == f"<p>of {formula}{end}</p>"


def test_a_published_book_leads_to_its_repository_and_to_colab(published):
    html, repository = published, PUBLISHED["GHR_REPOSITORY"]
    chapter, front = links(html / "book" / "00_x.html"), links(html / "index.html")
    assert f"{repository}/edit/next/book/00_x.py" in chapter
    assert f"{repository}/edit/next/index.md" in front
    assert repository in chapter
    assert any(link.startswith(f"{repository}/issues/new?") and "book/00_x.html" in link for link in chapter)
    notebook = "https://colab.research.google.com/github/someone/a-book/blob/executed/book/00_x.ipynb"
    assert [link for link in chapter if "colab" in link and ":" in link] == [notebook]
    assert not any("colab" in link for link in front)
    assert f"{PUBLISHED['GHR_ADDRESS']}/book/00_x.html" in chapter  # the canonical address

    nb = nbformat.read(html / "_sources" / "book" / "00_x.ipynb", as_version=4)
    nbformat.validate(nb)
    assert nb.cells[0].source == extension.outside(repository, "next").source
    assert nb.cells[1].source.startswith("# A chapter")
    assert "image/png" in str(nb.cells)
    assert [cell["id"] for cell in nb.cells] == [f"cell-{i}" for i in range(len(nb.cells))]


@pytest.mark.parametrize("there", [True, False])
def test_a_published_notebook_fetches_the_repository_only_where_there_is_none(monkeypatch, there):
    asked = []

    class Shell:
        def system(self, line):
            asked.append(line)

        def run_line_magic(self, name, line):
            asked.append(f"{name} {line}")

    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if there else None)
    monkeypatch.setattr("sys.path", ["first"])
    source = extension.outside("https://github.com/someone/a-book", "next").source
    exec(TransformerManager().transform_cell(source), {"get_ipython": Shell})
    fetch = "git clone --quiet --depth 1 --branch next https://github.com/someone/a-book.git"
    assert asked == ([] if there else [fetch, "cd a-book", 'pip install --quiet --editable ".[images,book]"'])
    assert sys.path == (["first"] if there else ["", "first"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GHR_REPOSITORY", "someone/a-book"),
        ("GHR_REPOSITORY", "https://github.com/someone"),
        ("GHR_REPOSITORY", "https://elsewhere.example/someone/a-book"),
        ("GHR_ADDRESS", "/a-book/"),
        ("GHR_ADDRESS", "https://someone.example/?a-book"),
    ],
)
def test_a_wrong_address_is_refused_before_anything_runs(project, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"{name} is '{re.escape(value)}': expected .* or nothing"):
        pages.book("smoke", project)
    assert not (project / "runs.txt").exists()


def test_addresses_are_taken_as_people_write_them(monkeypatch):
    monkeypatch.setenv("GHR_REPOSITORY", "https://github.com/someone/a-book.git")
    monkeypatch.setenv("GHR_ADDRESS", "https://someone.example")
    monkeypatch.delenv("GHR_BRANCH", raising=False)
    assert pages.published() == ("https://github.com/someone/a-book", "main", "https://someone.example/")


@pytest.mark.parametrize(("seconds", "words"), [(4.2, "4 s"), (99.4, "99 s"), (424.4, "7 min")])
def test_the_time_of_a_chapter_is_told_in_seconds_or_minutes(seconds, words):
    line = extension.made(
        {"parameters": {"scale": "laptop"}, "seconds": seconds}, "3.11.7", "numpy==2\ntorch==2.13.0  # x\n"
    )
    wanted = f"Executed at scale laptop in {words}, with Python 3.11.7 and the pinned torch 2.13.0."
    assert BeautifulSoup(line, "html.parser").text == wanted


@pytest.mark.browser
def test_the_page_of_a_lost_reader_works_at_any_depth(published, chromium):
    """The host is played: it serves the pages below /a-book/ and answers with 404.html what it does not have."""
    html = published
    with serve(html.parent) as address:
        for viewport, mode in ((DESK, "light"), (DESK, "dark"), (PHONE, "dark")):
            context = chromium.new_context(viewport=viewport, color_scheme=mode)
            page = context.new_page()
            lost = f"{address}a-book/far/away/nowhere.html"
            page.route(lost, lambda route: route.fulfill(status=404, path=html / "404.html", content_type="text/html"))
            complaints = hear(page, address, "404")
            page.goto(lost, wait_until="networkidle")
            own = [f"404: {lost} answers 404", "404: error: Failed to load resource"]
            assert [text for text in complaints if not text.startswith(tuple(own))] == []
            assert page.inner_text("article h1") == "There is no such page"
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
            assert [f["id"] for f in violations(page)] == []
            shoot(page, f"404-{mode}-{viewport['width']}", full_page=False)
            for link in links(html / "404.html"):
                if not urlsplit(link).scheme and not link.startswith("#"):
                    answer = page.request.get(address + link.lstrip("/"))
                    assert (link[:8], answer.status) == ("/a-book/", 200), link
            page.click("article a:has-text('front page')")
            assert page.url == f"{address}a-book/index.html"
            shoot(page, f"front-{mode}-{viewport['width']}", full_page=False)
            page.goto(f"{address}a-book/book/00_x.html", wait_until="networkidle")
            assert [f["id"] for f in violations(page)] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
            page.click(".dropdown-launch-buttons > button")
            assert page.locator(".dropdown-launch-buttons a").get_attribute("href").endswith("executed/book/00_x.ipynb")
            shoot(page, f"chapter-{mode}-{viewport['width']}", full_page=False)
            context.close()


def test_the_page_on_speed_is_built_before_anything_was_timed(published):
    soup = BeautifulSoup((published / "book" / "speed.html").read_text(), "html.parser")
    assert soup.text.count("Not timed yet: make bench, on a GPU python benchmarks/run.py --device cuda.") == 3
    counted = {row.th.text: [cell.text for cell in row.find_all("td")] for row in soup.select("tbody tr")}
    assert counted["paper: UNet of width 64, 3 scales"][1] == "7,659,264"


# How to cite ------------------------------------------------------------------------------------------------------


def fields(bibtex: str) -> dict[str, str]:
    return dict(re.findall(r"^  (\w+) *= \{(.*)\},?$", bibtex, re.MULTILINE))


def test_this_book_is_cited_as_its_citation_file_says():
    text = (REPO / "CITATION.cff").read_text()
    work = yaml.safe_load(text)
    found = fields(extension.citation(text))
    assert found["title"] == f"{{{work['title']}}}"
    assert found["version"] == work["version"]
    assert found["author"] == " and ".join(f"{{{author['name']}}}" for author in work["authors"])
    assert found.get("year", "") == str(work.get("date-released", ""))[:4]


def test_what_a_citation_file_has_is_cited_and_nothing_else():
    cff = """
        title: A title
        authors: [{family-names: Curie, given-names: Marie}, {name: The others}]
        date-released: 2026-11-25
        doi: 10.1/x
        repository-code: https://github.com/someone/a-book
    """
    assert extension.citation(cff).startswith("@software{ghr,\n")
    assert fields(extension.citation(cff)) == {
        "author": "Curie, Marie and {The others}",
        "title": "{A title}",
        "year": "2026",
        "doi": "10.1/x",
        "url": "https://github.com/someone/a-book",
    }


def test_the_landing_page_cites_the_paper_as_the_bibliography_has_it_and_readers_can_copy_both(unpublished):
    soup = BeautifulSoup((unpublished / "index.html").read_text(), "html.parser")
    paper, book = (block.get_text().strip() for block in soup.select("div.highlight-bibtex pre"))
    assert paper in (REPO / "book" / "references.bib").read_text()
    assert paper.startswith("@article{stein1981estimation,")
    assert paper.endswith("\n}")
    assert book == extension.citation((REPO / "CITATION.cff").read_text())
    assert any("copybutton.js" in tag.get("src", "") for tag in soup.find_all("script"))
    front = (REPO / "index.md").read_text()
    assert re.findall(r"```\{bibtex\} ?(.*)", front) == ["kadkhodaie2024generalization", ""]


def test_an_entry_that_the_bibliography_has_not_is_refused():
    bibliography = (REPO / "book" / "references.bib").read_text()
    assert extension.reference("kadkhodaie2024generalization", bibliography).count("@") == 1
    with pytest.raises(ValueError, match="no entry 'kadkhodaie'"):
        extension.reference("kadkhodaie", bibliography)


# Publishing -------------------------------------------------------------------------------------------------------


def test_the_workflow_publishes_what_the_pages_lead_to():
    text = (REPO / ".github" / "workflows" / "pages.yml").read_text()
    workflow = yaml.safe_load(text)
    assert workflow[True] == {"push": {"branches": ["main"]}, "workflow_dispatch": None}  # "on" is true in YAML 1.1
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    jobs = workflow["jobs"]
    steps = {name: {step.get("uses", step.get("run")): step for step in job["steps"]} for name, job in jobs.items()}
    writes = {(name, what) for name, job in jobs.items() for what, how in job["permissions"].items() if how == "write"}
    assert writes == {("executed", "contents"), ("deploy", "pages"), ("deploy", "id-token")}
    assert set(jobs["deploy"]["needs"]) == {"build", "executed"}
    for action in re.findall(r"uses: (\S+)", text):
        assert re.fullmatch(r"actions/[\w-]+@v\d+", action), action
    commands = [run for run in steps["build"] if run.startswith("make ")]
    targets = re.search(r"^\.PHONY: (.*)$", (REPO / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert commands == ["make book"]
    assert {command.split()[1] for command in commands} <= set(targets)
    given = set(jobs["build"]["env"]) | set(steps["build"]["make book"]["env"])
    assert given == set(PUBLISHED)
    assert steps["build"]["actions/upload-pages-artifact@v3"]["with"]["path"] == "_build/html"
    assert steps["build"]["actions/upload-artifact@v4"]["with"]["path"] == "_build/html/_sources/book/*.ipynb"
    assert steps["executed"]["actions/download-artifact@v4"]["with"]["path"] == "book"
    assert f"--initial-branch {extension.EXECUTED}\n" in text


# The ledger -------------------------------------------------------------------------------------------------------


def test_what_a_chapter_measured_is_kept_with_its_executed_copy(project, monkeypatch):
    """Also when the copy is found instead of made again."""
    monkeypatch.setitem(ledger.TARGETS, "T2a", replace(ledger.TARGETS["T2a"], asked={"avatars": "00:gaps[n=10].gap"}))
    assert pages.measured("laptop", project) == []
    for _ in range(2):
        press.execute("book/00_x.py", "laptop", project)
        (entry,) = pages.measured("laptop", project)
        assert (entry.id, entry.value, entry.verdict, entry.chapter) == ("T2a", 30.25, "met", "00")
    assert pages.measured("smoke", project) == []


@pytest.fixture
def entry():
    return ledger.Entry("T2a", "avatars", "laptop", 30, 29, 31, ">= 15", "met", "02")


def test_a_new_ledger_is_written_and_other_scales_stay(tmp_path, entry, capsys):
    file = tmp_path / "ledger.json"
    paper = replace(entry, scale="paper", target=">= 30", verdict="undecided")
    pages.keep([paper], "paper", file, check=False)
    pages.keep([entry], "laptop", file, check=False)
    assert ledger.read(file) == [entry, paper]
    assert "T2a on avatars, UNet, at scale laptop is new." in capsys.readouterr().out


def test_a_value_inside_its_interval_leaves_the_ledger_as_it_is(tmp_path, entry, capsys):
    file = tmp_path / "ledger.json"
    pages.keep([entry], "laptop", file, check=False)
    before = file.read_text()
    pages.keep([replace(entry, value=30.5)], "laptop", file, check=True)
    assert file.read_text() == before


def test_a_check_refuses_to_change_the_ledger(tmp_path, entry):
    file = tmp_path / "ledger.json"
    pages.keep([entry], "laptop", file, check=False)
    before = file.read_text()
    with pytest.raises(RuntimeError, match=r"says something else than this build: T2a .* 14 lies outside"):
        pages.keep([replace(entry, value=14, low=13)], "laptop", file, check=True)
    assert file.read_text() == before


def test_links_of_verdicts_lead_to_the_first_row_of_their_target(entry):
    html = verdicts.marked(verdicts.ledger_table([entry], "laptop").html + verdicts.classes_table([], "laptop").html)
    ids = [row["id"] for row in BeautifulSoup(html, "html.parser").select("th[id]")]
    assert sorted(ids) == sorted(ledger.TARGETS)


def test_each_verdict_of_the_ledger_has_a_badge_and_leads_to_the_figure_of_its_table(entry):
    open_ = replace(entry, images="photographs", value=15, low=14, high=16, verdict="undecided")
    html = verdicts.ledger_table([entry, open_], "laptop").html
    addresses = {("02", "gaps"): "02.html#fig-gap"}
    html = verdicts.marked(html, [entry, open_], addresses)
    row = BeautifulSoup(html, "html.parser").find(id="T2a").parent
    first, second = row.select("td[data-verdict]")
    assert (first["data-verdict"], first.span["class"], read(first)) == ("met", ["verdict", "met"], "met 30 [29, 31]")
    assert (first.a["href"], read(first.a)) == ("02.html#fig-gap", "30 [29, 31]")
    assert (second.span.text, second.a, read(second)) == ("undecided", None, "undecided 15 [14, 16]")
    assert [read(cell) for cell in row.select("td")][1:2] == ["≥ 15"]
    counts = BeautifulSoup(verdicts.counted(html), "html.parser").select("li")
    found = BeautifulSoup(html, "html.parser").select('[data-verdict="none"]')
    assert [item.text for item in counts] == ["met 1", "missed 0", "undecided 1", f"not measured {len(found)}"]


def test_a_table_is_seen_in_the_first_figure_that_is_drawn_from_it():
    chapter = CHAPTER.replace("results.keep(gaps=Table(", "table = Table(").replace(
        "stats.Estimate(6.5, 6, 7)))))",
        "stats.Estimate(6.5, 6, 7))))\nresults.keep(gaps=table, other=Table(()), first=Table(()))",
    )
    assert verdicts.places(chapter) == {"gaps": "", "other": "", "first": ""}
    chapter = chapter.replace("_ = plt.figure()", "print(table)\n_ = plt.figure()")
    chapter = chapter.replace("# %%\nfrom ghr.book", "# %% [markdown]\n# ## How *far*?\n\n# %%\nfrom ghr.book")
    assert verdicts.places(chapter) == {"gaps": "fig-line", "other": "how-far", "first": "how-far"}


def test_the_ledger_can_be_taken_away_as_a_table(entry):
    lines = verdicts.ledger_csv([entry, replace(entry, network="BFCNN", verdict="missed")], "laptop").splitlines()
    assert lines[0] == "id,statistic,images,network,target,value,low,high,verdict,target_at_paper_scale"
    rows = [line.rsplit(",", 8) for line in lines[1:]]
    first = [row[1:] for row in rows if row[0].startswith("T2a,")]
    assert first == [
        ["avatars", "UNet", ">= 15", "30", "29", "31", "met", ">= 30"],
        ["avatars", "BFCNN", ">= 15", "30", "29", "31", "missed", ">= 30"],
        ["photographs", "UNet", ">= 15", "", "", "", "not measured", ">= 30"],
    ]
    assert len(rows) == 1 + sum(len(target.on) for target in ledger.TARGETS.values())


def read(cell) -> str:
    """Its text, whatever keeps lines from breaking."""
    return cell.text.replace("\N{NO-BREAK SPACE}", " ")


def test_the_ledger_table_shows_every_target_and_what_is_not_measured(entry):
    soup = BeautifulSoup(verdicts.ledger_table([entry], "laptop").html, "html.parser")
    rows = {row.th.text: [read(cell) for cell in row.find_all("td")] for row in soup.tbody.find_all("tr")}
    assert rows.keys() == {id for id, target in ledger.TARGETS.items() if "avatars" in target.on}
    assert rows["T2a"][1:] == [">= 15", "met: 30 [29, 31]", "not measured", ">= 30"]
    assert rows["T4"][1:4] == ["<= 0.2", "not measured", "not measured (target <= 1)"]
    assert rows["T24"][2:4] == ["not measured", "-"]


def test_the_ledger_table_has_a_column_for_another_network_once_there_is_an_entry(entry):
    table = verdicts.ledger_table([entry, replace(entry, network="BFCNN", verdict="missed")], "laptop")
    soup = BeautifulSoup(table.html, "html.parser")
    rows = {row.th.text: [read(cell) for cell in row.find_all("td")] for row in soup.find_all("tr")}
    assert rows["id"] == []
    assert "faces, BF-CNN" in table.html
    assert rows["T2a"][1:5] == [">= 15", "met: 30 [29, 31]", "not measured", "missed: 30 [29, 31]"]
    assert rows["T4"][4] == "-"


def test_the_second_table_has_the_other_targets_and_a_column_for_each_network(entry):
    disc = replace(entry, id="T16", images="discs", value=7, low=6, high=8, target="5.5 to 15")
    soup = BeautifulSoup(verdicts.classes_table([disc, replace(disc, network="BFCNN")], "laptop").html, "html.parser")
    rows = [[row.th.text, *(read(cell) for cell in row.find_all("td"))] for row in soup.tbody.find_all("tr")]
    assert {row[0] for row in rows} == {id for id, target in ledger.TARGETS.items() if "avatars" not in target.on}
    assert [row[1::2] for row in rows if row[0] == "T16"] == [["discs", "5.5 to 15", "met: 7 [6, 8]"]]
    assert [row[4:] for row in rows if row[0] == "T16"] == [["met: 7 [6, 8]", "met: 7 [6, 8]", ">= 7.4"]]
    assert [row[4:6] for row in rows if row[0] == "T15"] == [["not measured", "-"]]
    assert {row[1] for row in rows if row[0].startswith("T18")} == {"shuffled faces"}
    waiting = next(id for id, target in ledger.TARGETS.items() if target.waits and "avatars" not in target.on)
    told = f"not measured yet: waits for {ledger.TARGETS[waiting].waits}"
    assert [row[4] for row in rows if row[0] == waiting] == [told]


# The library ------------------------------------------------------------------------------------------------------


def test_a_module_offers_what_it_defines_and_what_it_names():
    assert extension.offers(stats)[:2] == ["Estimate", "estimate"]  # as defined, not by the alphabet
    assert not {"Tensor", "_array", "dataclass", "BLOCK"} & set(extension.offers(stats))
    assert "~gaussian.WienerDenoiser" in extension.offers(references)


def test_every_module_of_the_library_is_on_one_page_and_in_the_table_of_contents():
    shown = [
        (module, str(page.relative_to(REPO).with_suffix("")))
        for page in (REPO / "book" / "api").rglob("*.rst")
        for module in re.findall(r"^\.\. automodule:: (.*)$", page.read_text(), re.MULTILINE)
    ]
    files = [path.relative_to(REPO) for path in identity.PACKAGE.rglob("*.py") if not path.name.startswith("__")]
    packages = {"ghr.images", "ghr.references", "ghr.foreign", "ghr.measure"}
    modules = {".".join(file.with_suffix("").parts) for file in files}
    assert sorted(module for module, _ in shown) == sorted(modules | packages)
    for module, page in shown:
        own = f"book/api/{module.removeprefix('ghr.').replace('.', '/')}"
        machinery = module.split(".")[1] in ("files", "cluster", "book")
        assert page == ("book/api/machinery" if machinery else own)
    listed = re.findall(r"file: (book/api/\S+)", (REPO / "_toc.yml").read_text())
    assert sorted(listed) == sorted({page for _, page in shown})
    front = re.findall(r"^   (ghr[.]\S+)$", (REPO / "book" / "api.md").read_text(), re.MULTILINE)
    pages = [f"book/api/{module.removeprefix('ghr.').replace('.', '/')}" for module in front]
    assert [*pages, "book/api/machinery"] == listed  # in one order


def test_pages_of_the_library_link_what_docstrings_name(published):
    """Two modules, of which one names the other: the first formula, fields, calls and arguments without a network."""
    soup = BeautifulSoup((published / "book" / "api" / "a.html").read_text(), "html.parser")
    field = soup.find(id="ghr.stats.Estimate.low")
    assert field.find_next("dd").text.strip() == "lower end of the interval"
    assert soup.find(id="ghr.references.gaussian.WienerDenoiser.forward").text.strip().startswith("forward(")
    rows = {row.a.text: row.find_all("td")[1].text for row in soup.select("table.autosummary tr")}
    assert rows["share"].startswith("Share of true values")
    assert not any("::" in row for row in rows.values())
    (returned,) = soup.find(id="ghr.stats.share").select(".sig-return-typehint a")
    assert returned["href"] == "#ghr.stats.Estimate"
    assert not soup.select("dt.sig dl")
    other = BeautifulSoup((published / "book" / "api" / "b.html").read_text(), "html.parser")
    assert "'b c h w'" in other.find(id="ghr.denoiser.denoise").text
    with (published / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, uri: uri)
    assert inventory["py:function"]["ghr.denoiser.denoise"][2] == "book/api/b.html#ghr.denoiser.denoise"
