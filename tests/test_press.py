"""The press, on chapters and a project made for the test: nothing here touches the book."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

from ghr import press

REPO = Path(__file__).resolve().parents[1]

CHAPTER = """\
# %% [markdown]
# # A chapter
# Its gap is {glue:text}`gap:.1f` dB; {numref}`fig-line` shows {eq}`eq-line`, after {cite:t}`stein1981estimation`.
#
# ```{math}
# :label: eq-line
# f(y) = y
# ```

# %% tags=["parameters"]
scale = "laptop"
seed = 0

# %%
import os
import matplotlib.pyplot as plt
from myst_nb import glue

with open("runs.txt", "a") as file:
    _ = file.write(f"{scale} {seed}\\n")
with open(os.environ["GHR_DEPFILE"], "a") as file:
    _ = file.write("checkpoints/a.bin\\n" * 2)
if seed == 0:
    from ghr import compare, ledger

    gap = compare.Estimate(30 + (scale == "smoke"), 29, 31.5)
    _ = ledger.enter("T2a", "avatars", scale, gap, "02")
glue("gap", 1.25 + seed, display=False)

# %% mystnb={"figure": {"caption": "A line.", "name": "fig-line"}, "image": {"alt": "A rising line"}}
_ = plt.figure().subplots().plot([0, 1], [0, 1])

# %%
from tqdm.auto import tqdm

for _ in tqdm(range(2)):
    print(scale, seed, os.environ["GHR_SCALE"])
    break
"""


@pytest.fixture
def project(tmp_path) -> Path:
    """A repository with one chapter, one checkpoint and this book's own configuration."""
    (tmp_path / "book").mkdir()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "a.bin").write_bytes(b"weights")
    (tmp_path / "book" / "02_x.py").write_text(CHAPTER)
    (tmp_path / "index.md").write_text("# Front\n\nRead [the chapter](book/02_x.py).\n")
    (tmp_path / "requirements.txt").write_text("torch==2.13.0  # networks\n")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nchapters: [{file: book/02_x}, {file: book/references}]\n"
    )
    shutil.copy(REPO / "_config.yml", tmp_path)
    for name in ("references.bib", "references.md"):
        shutil.copy(REPO / "book" / name, tmp_path / "book")
    shutil.copytree(REPO / "book" / "assets", tmp_path / "book" / "assets")
    return tmp_path


@pytest.fixture
def package(tmp_path) -> Path:
    """A package named ghr: a imports b inside a function, references.c imports a, d stands alone."""
    root = tmp_path / "package" / "ghr"
    (root / "references").mkdir(parents=True)
    (root / "__init__.py").write_text('"""Package."""\n')
    (root / "a.py").write_text('"""A."""\n\n\ndef f(x):\n    """Twice."""\n    from ghr.b import g\n    return g(x)\n')
    (root / "b.py").write_text("def g(x):\n    return 2 * x  # twice\n")
    (root / "d.py").write_text("d = 1\n")
    (root / "references" / "__init__.py").write_text("")
    (root / "references" / "c.py").write_text("from ..a import f\n")
    return root


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def runs(project: Path) -> list[str]:
    return (project / "runs.txt").read_text().split("\n")[:-1]


# -- what a chapter depends on


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("from ghr.references import c", {"ghr", "ghr.references", "ghr.references.c", "ghr.a", "ghr.b"}),
        ("import ghr.d as d", {"ghr", "ghr.d"}),
        ("if True:\n    from ghr import b", {"ghr", "ghr.b"}),
        ("import torch\nfrom math import pi", {"ghr"}),
    ],
)
def test_a_chapter_depends_on_what_it_imports_directly_or_not(package, source, modules):
    assert press.code(source, package).keys() == modules


def test_a_bare_import_depends_on_the_whole_package(package):
    assert {"ghr.a", "ghr.b", "ghr.d", "ghr.references.c"} <= press.code("import ghr", package).keys()


def test_docstrings_and_comments_change_nothing_but_code_does(package):
    before = press.code("from ghr import a", package)
    edit(package / "a.py", '"""Twice."""', '"""Two times, said at length."""')
    edit(package / "b.py", "# twice", "# two times")
    assert press.code("from ghr import a", package) == before
    edit(package / "b.py", "2 * x", "3 * x")
    assert press.code("from ghr import a", package) != before


def test_identity_follows_text_parameters_pins_and_code(project, package):
    def identity(text="from ghr import a", **parameters):
        return press.identity(text, parameters, project, package)

    seen = [identity(), identity("from ghr import a\n"), identity(scale="smoke"), identity(scale="laptop")]
    edit(project / "requirements.txt", "# networks", "# Jacobians")
    assert identity() == seen[0]
    edit(project / "requirements.txt", "2.13.0", "2.14.0")
    seen.append(identity())
    edit(package / "b.py", "2 * x", "x + x")
    seen.append(identity())
    assert len(set(seen)) == len(seen)


def test_key_follows_the_bytes_of_checkpoints_and_their_appearance(project):
    def key():
        return press.key("identity", ["checkpoints/a.bin", "checkpoints/b.bin"], project)

    seen = [key()]
    (project / "checkpoints" / "b.bin").write_bytes(b"new")
    seen.append(key())
    (project / "checkpoints" / "a.bin").write_bytes(b"trained longer")
    seen.append(key())
    assert len(set(seen)) == 3


# -- execution


def test_papermill_reads_a_text_chapter_as_typed(project):
    command = [
        sys.executable,
        "-m",
        "papermill",
        "book/02_x.py",
        "out.ipynb",
        "-p",
        "scale",
        "smoke",
        "-p",
        "seed",
        "3",
    ]
    environment = {**os.environ, "GHR_DEPFILE": "deps", "GHR_SCALE": "smoke"}
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    assert nbformat.read(project / "out.ipynb", 4).cells[-1].outputs[-1].text == "smoke 3 smoke\n"


@pytest.mark.parametrize(
    ("scale", "parameters", "sentence"),
    [
        ("huge", {}, "unknown scale 'huge': it is one of smoke, laptop, paper"),
        ("smoke", {"sede": 1}, 'no parameter sede: its cell tagged "parameters" sets scale, seed'),
    ],
)
def test_unknown_scales_and_parameters_are_refused_before_anything_runs(project, scale, parameters, sentence):
    with pytest.raises(ValueError, match=sentence):
        press.execute("book/02_x.py", scale, project, **parameters)
    assert not (project / "build").exists()


def test_execution_is_cached_reproducible_and_follows_checkpoints(project):
    source = sorted(path.name for path in (project / "book").rglob("*"))
    copy = press.execute("book/02_x.py", "smoke", project)
    bytes_of_first = copy.read_bytes()
    assert press.execute("book/02_x.py", "smoke", project) == copy
    assert runs(project) == ["smoke 0"]

    copy.unlink()
    assert press.execute("book/02_x.py", "smoke", project).read_bytes() == bytes_of_first
    assert press.execute("book/02_x.py", "smoke", project, seed=1) != copy
    (project / "checkpoints" / "a.bin").write_bytes(b"trained longer")
    assert press.execute("book/02_x.py", "smoke", project) != copy
    assert runs(project) == ["smoke 0", "smoke 0", "smoke 1", "smoke 0"]

    notes = [json.loads(path.read_text()) for path in copy.parent.glob("*.json")]
    assert all(note["checkpoints"] == ["checkpoints/a.bin"] and note["seconds"] > 0 for note in notes)
    assert not list(copy.parent.glob("*.deps")) + list(copy.parent.glob("*.partial.ipynb"))
    assert sorted(path.name for path in (project / "book").rglob("*")) == source
    assert "GHR_DEPFILE" not in os.environ


def test_executed_copies_hide_the_injected_cell_and_carry_no_clock(project):
    nb = nbformat.read(press.execute("book/02_x.py", "smoke", project), 4)
    (injected,) = [cell for cell in nb.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert "hide-input" in injected.metadata.tags
    assert "papermill" not in nb.metadata
    assert not any({"papermill", "execution"} & cell.metadata.keys() for cell in nb.cells)
    assert "widget" not in nbformat.writes(nb)  # the progress bar left nothing behind


# -- pages


def test_book_builds_shows_this_scale_and_survives_a_failing_cell(project, capfd):
    page = press.book("smoke", project)
    html = page.parent
    assert page == project / "_build" / "html" / "index.html"
    text = (html / "book" / "02_x.html").read_text()
    assert "smoke 0 smoke" in text
    assert "gap is 1.2 dB" in BeautifulSoup(text, "html.parser").get_text()  # 1.25, rounded to even
    assert "thebe" not in text
    assert "image/png" in (html / "_sources" / "book" / "02_x.ipynb").read_text()
    assert (html / "_sources" / "book" / "02_x.py").exists()
    assert press.book("smoke", project) == page
    assert runs(project) == ["smoke 0"]

    before = {path: path.read_bytes() for path in sorted(html.rglob("*")) if path.is_file()}
    edit(project / "book" / "02_x.py", "from tqdm", "1 / 0\nfrom tqdm")
    with pytest.raises(RuntimeError, match=r"book/02_x.py, cell 5 \(`1 / 0`\) failed with ZeroDivisionError: division"):
        press.book("smoke", project)

    edit(project / "book" / "02_x.py", "1 / 0\n", "")
    edit(project / "index.md", "book/02_x.py", "book/03_y.py")  # a broken link is a warning, hence an error
    with pytest.raises(RuntimeError, match="is as it was"):
        press.book("smoke", project)
    assert "03_y" in capfd.readouterr().err
    assert {path: path.read_bytes() for path in sorted(html.rglob("*")) if path.is_file()} == before


def test_a_page_without_its_executed_copy_fails_the_build(project, capfd):
    press.execute("book/02_x.py", "smoke", project)
    with pytest.raises(RuntimeError, match="problems named above"):
        press.render("laptop", project, project / "_build" / "html")
    assert "A chapter has no executed copy: run make book SCALE=laptop" in capfd.readouterr().err
    assert not (project / "_build" / "html").exists()


def test_chapters_are_the_text_notebooks_of_the_toc_in_order():
    names = press.chapters(REPO)
    assert names == sorted(names)
    assert set(names) == {f"book/{path.name}" for path in (REPO / "book").glob("[0-9]*.py")}


# The ledger -------------------------------------------------------------------------------------------------------


def test_what_a_chapter_measured_is_kept_with_its_executed_copy(project):
    """Also when the copy is found instead of made again."""
    assert press.measured("laptop", project) == []
    for _ in range(2):
        press.execute("book/02_x.py", "laptop", project)
        (entry,) = press.measured("laptop", project)
        assert (entry.id, entry.value, entry.verdict, entry.chapter) == ("T2a", 30, "met", "02")
    assert press.measured("smoke", project) == []


@pytest.fixture
def entry():
    return press.ledger.Entry("T2a", "avatars", "laptop", 30, 29, 31, ">= 15", "met", "02")


def test_a_new_ledger_is_written_and_other_scales_stay(tmp_path, entry, capsys):
    file = tmp_path / "ledger.json"
    paper = replace(entry, scale="paper", target=">= 30", verdict="undecided")
    press.keep([paper], "paper", file, check=False)
    press.keep([entry], "laptop", file, check=False)
    assert press.ledger.read(file) == [entry, paper]
    assert "T2a on avatars, UNet, at scale laptop is new." in capsys.readouterr().out


def test_a_value_inside_its_interval_leaves_the_ledger_as_it_is(tmp_path, entry, capsys):
    file = tmp_path / "ledger.json"
    press.keep([entry], "laptop", file, check=False)
    before = file.read_text()
    press.keep([replace(entry, value=30.5)], "laptop", file, check=True)
    assert file.read_text() == before


def test_a_check_refuses_to_change_the_ledger(tmp_path, entry):
    file = tmp_path / "ledger.json"
    press.keep([entry], "laptop", file, check=False)
    before = file.read_text()
    with pytest.raises(RuntimeError, match=r"says something else than this build: T2a .* 14 lies outside"):
        press.keep([replace(entry, value=14)], "laptop", file, check=True)
    assert file.read_text() == before


def test_the_ledger_table_shows_every_target_and_what_is_not_measured(entry):
    soup = BeautifulSoup(press.ledger_table([entry], "laptop").html, "html.parser")
    rows = {row.th.text: [cell.text for cell in row.find_all("td")] for row in soup.tbody.find_all("tr")}
    assert rows.keys() == press.ledger.TARGETS.keys()
    assert rows["T2a"][1:] == [">= 15", "met: 30 [29, 31]", "not measured", ">= 30"]
    assert rows["T4"][1:4] == ["<= 0.2", "not measured", "not measured (target <= 1)"]


def test_the_ledger_table_has_a_column_for_another_network_once_there_is_an_entry(entry):
    table = press.ledger_table([entry, replace(entry, network="BFCNN", verdict="missed")], "laptop")
    soup = BeautifulSoup(table.html, "html.parser")
    rows = {row.th.text: [cell.text for cell in row.find_all("td")] for row in soup.find_all("tr")}
    assert rows["id"] == []
    assert "avatars, BFCNN" in table.html
    assert rows["T2a"][1:5] == [">= 15", "met: 30 [29, 31]", "not measured", "missed: 30 [29, 31]"]
    assert rows["T4"][4] == "-"


# The library ------------------------------------------------------------------------------------------------------


def test_the_library_page_reads_signatures_and_docstrings_from_the_source(package):
    lines = [
        *('"""Module."""', "def f(x: int, *, y=2):", '    """Adds."""', "def _hidden():", "    pass"),
        *("class C:", '    """Keeps."""', "    def __init__(self, z: int = 3):", "        pass"),
        *("class D:", "    a: int = 1"),
    ]
    (package / "c.py").write_text("\n".join(lines))
    assert press.public(f"{package.name}.c", package) == [
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
