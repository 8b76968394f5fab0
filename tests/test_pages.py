"""Pages of a project made for the test, and the ledger: nothing here touches the book."""

from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from conftest import edit, executions

from ghr import ledger, pages, press

REPO = Path(__file__).resolve().parents[1]


def test_book_builds_shows_this_scale_and_survives_a_failing_cell(project, capfd):
    page = pages.book("smoke", project)
    html = page.parent
    assert page == project / "_build" / "html" / "index.html"
    text = (html / "book" / "02_x.html").read_text()
    assert "smoke 0 smoke" in text
    assert "gap is 1.2 dB" in BeautifulSoup(text, "html.parser").get_text()  # 1.25, rounded to even
    assert "thebe" not in text
    assert "image/png" in (html / "_sources" / "book" / "02_x.ipynb").read_text()
    assert (html / "_sources" / "book" / "02_x.py").exists()
    assert pages.book("smoke", project) == page
    assert executions(project) == ["smoke 0"]

    before = {path: path.read_bytes() for path in sorted(html.rglob("*")) if path.is_file()}
    edit(project / "book" / "02_x.py", "from tqdm", "1 / 0\nfrom tqdm")
    with pytest.raises(RuntimeError, match=r"book/02_x.py, cell 5 \(`1 / 0`\) failed with ZeroDivisionError: division"):
        pages.book("smoke", project)

    edit(project / "book" / "02_x.py", "1 / 0\n", "")
    edit(project / "index.md", "book/02_x.py", "book/03_y.py")  # a broken link is a warning, hence an error
    with pytest.raises(RuntimeError, match="is as it was"):
        pages.book("smoke", project)
    assert "03_y" in capfd.readouterr().err
    assert {path: path.read_bytes() for path in sorted(html.rglob("*")) if path.is_file()} == before


def test_a_page_without_its_executed_copy_fails_the_build(project, capfd):
    press.execute("book/02_x.py", "smoke", project)
    with pytest.raises(RuntimeError, match="problems named above"):
        pages.render("laptop", project, project / "_build" / "html")
    assert "A chapter has no executed copy: run make book SCALE=laptop" in capfd.readouterr().err
    assert not (project / "_build" / "html").exists()


# The ledger -------------------------------------------------------------------------------------------------------


def test_what_a_chapter_measured_is_kept_with_its_executed_copy(project):
    """Also when the copy is found instead of made again."""
    assert pages.measured("laptop", project) == []
    for _ in range(2):
        press.execute("book/02_x.py", "laptop", project)
        (entry,) = pages.measured("laptop", project)
        assert (entry.id, entry.value, entry.verdict, entry.chapter) == ("T2a", 30, "met", "02")
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
        pages.keep([replace(entry, value=14)], "laptop", file, check=True)
    assert file.read_text() == before


def test_the_ledger_table_shows_every_target_and_what_is_not_measured(entry):
    soup = BeautifulSoup(pages.ledger_table([entry], "laptop").html, "html.parser")
    rows = {row.th.text: [cell.text for cell in row.find_all("td")] for row in soup.tbody.find_all("tr")}
    assert rows.keys() == {id for id, target in ledger.TARGETS.items() if "avatars" in target.on}
    assert rows["T2a"][1:] == [">= 15", "met: 30 [29, 31]", "not measured", ">= 30"]
    assert rows["T4"][1:4] == ["<= 0.2", "not measured", "not measured (target <= 1)"]


def test_the_ledger_table_has_a_column_for_another_network_once_there_is_an_entry(entry):
    table = pages.ledger_table([entry, replace(entry, network="BFCNN", verdict="missed")], "laptop")
    soup = BeautifulSoup(table.html, "html.parser")
    rows = {row.th.text: [cell.text for cell in row.find_all("td")] for row in soup.find_all("tr")}
    assert rows["id"] == []
    assert "avatars, BFCNN" in table.html
    assert rows["T2a"][1:5] == [">= 15", "met: 30 [29, 31]", "not measured", "missed: 30 [29, 31]"]
    assert rows["T4"][4] == "-"


def test_the_second_table_has_the_other_targets_and_a_row_for_each_network(entry):
    disc = replace(entry, id="T16", images="discs", value=7, low=6, high=8, target="5.5 to 15")
    soup = BeautifulSoup(pages.classes_table([disc, replace(disc, network="BFCNN")], "laptop").html, "html.parser")
    rows = [[row.th.text, *(cell.text for cell in row.find_all("td"))] for row in soup.tbody.find_all("tr")]
    assert {row[0] for row in rows} == {id for id, target in ledger.TARGETS.items() if "avatars" not in target.on}
    assert [[row[1], *row[3:]] for row in rows if row[0] == "T16"] == [
        ["discs", "5.5 to 15", "met: 7 [6, 8]", ">= 7.4"],
        ["discs, BFCNN", "5.5 to 15", "met: 7 [6, 8]", ">= 7.4"],
    ]
    assert [row[4] for row in rows if row[0] == "T14"] == ["not measured"]


# The library ------------------------------------------------------------------------------------------------------


def test_the_library_page_reads_signatures_and_docstrings_from_the_source(package):
    lines = [
        *('"""Module."""', "def f(x: int, *, y=2):", '    """Adds."""', "def _hidden():", "    pass"),
        *("class C:", '    """Keeps."""', "    def __init__(self, z: int = 3):", "        pass"),
        *("class D:", "    a: int = 1"),
    ]
    (package / "c.py").write_text("\n".join(lines))
    assert pages.public(f"{package.name}.c", package) == [
        (f"{package.name}.c", "Module."),
        ("f(x: int, *, y=2)", "Adds."),
        ("C(z: int=3)", "Keeps."),
        ("D(a: int = 1)", ""),
    ]


def test_every_module_of_the_library_is_on_its_page():
    text = (REPO / "book" / "api.md").read_text()
    shown = set(text.split("{api} ")[1].split("\n")[0].split())
    modules = {".".join(p.relative_to(press.PACKAGE).with_suffix("").parts) for p in press.PACKAGE.rglob("*.py")}
    assert shown == {m for m in modules if not m.split(".")[-1].startswith("__")}
