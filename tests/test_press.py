"""The press, on a project made for the test: nothing here touches the book."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import nbformat
import pytest
from conftest import edit, executions

from ghr.book import contents, identity, percent, press, results

REPO = Path(__file__).resolve().parents[1]


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
    assert identity.code(source, package).keys() == modules


def test_a_bare_import_depends_on_the_whole_package(package):
    assert {"ghr.a", "ghr.b", "ghr.d", "ghr.references.c"} <= identity.code("import ghr", package).keys()


def test_docstrings_and_comments_change_nothing_but_code_does(package):
    before = identity.code("from ghr import a", package)
    edit(package / "a.py", '"""Twice."""', '"""Two times, said at length."""')
    edit(package / "b.py", "# twice", "# two times")
    assert identity.code("from ghr import a", package) == before
    edit(package / "b.py", "2 * x", "3 * x")
    assert identity.code("from ghr import a", package) != before


def test_data_that_a_module_names_are_part_of_its_code(package):
    def files():
        return identity.code("from ghr import d", package)

    (package / "d.py").write_text('FOLDER = "data"\nOTHER = "references"\n')
    assert files().keys() == {"ghr", "ghr.d"}
    (package / "data").mkdir()
    (package / "data" / "x.webp").write_bytes(b"grey")
    before = files()
    assert before.keys() == {"ghr", "ghr.d", "data"}
    (package / "data" / "x.webp").write_bytes(b"black")
    assert files() != before
    assert identity.code("from ghr import b", package).keys() == {"ghr", "ghr.b"}


def test_scripts_and_styles_are_no_part_of_it_for_no_copy_carries_them(package):
    (package / "d.py").write_text('FOLDER = "data"\n')
    (package / "data" / "lab").mkdir(parents=True)
    (package / "data" / "x.webp").write_bytes(b"grey")
    before = identity.code("from ghr import d", package)
    (package / "data" / "lab" / "x.js").write_text("export const x = 1;")
    (package / "data" / "x.css").write_text(".x {}")
    assert identity.code("from ghr import d", package) == before


PROSE = """\
# %% [markdown]
# Said.

# %% tags=["parameters"]
scale = "laptop"

# %% mystnb={"figure": {"caption": "A line."}}
x = 1  # a number

# %%
x;
"""


def test_identity_follows_code_and_no_word_of_prose(project, package):
    def of(old, new):
        assert old in PROSE
        return identity.identity(PROSE.replace(old, new), {}, project, package)

    as_it_is = of("x", "x")
    for old, new in [
        *[("Said.", "Said, with a comma."), ("A line.", "A rising line."), ("  # a number", ""), ("x = 1", "x  =  1")],
        *[("# %% [markdown]\n# Said.\n\n", ""), ('mystnb={"figure": {"caption": "A line."}}', 'tags=["hide-input"]')],
    ]:
        assert of(old, new) == as_it_is
    others = [("x = 1", "x = 2"), ("x;", "x"), ("\n# %%\nx;", "x;"), (' tags=["parameters"]', "")]
    assert len({as_it_is, *(of(*other) for other in others)}) == 1 + len(others)


def test_identity_follows_code_parameters_pins_and_library(project, package):
    def of(text="from ghr import a", **parameters):
        return identity.identity(text, parameters, project, package)

    seen = [of(), of("from ghr import a\na.f(1)"), of(scale="smoke"), of(scale="laptop")]
    edit(project / "requirements.txt", "# networks", "# Jacobians")
    assert of() == seen[0]
    edit(project / "requirements.txt", "2.13.0", "2.14.0")
    seen.append(of())
    edit(package / "b.py", "2 * x", "x + x")
    seen.append(of())
    assert len(set(seen)) == len(seen)


def test_key_follows_the_bytes_of_checkpoints_and_their_appearance(project):
    def key():
        return identity.key("identity", ["checkpoints/a.bin", "checkpoints/b.bin"], project)

    seen = [key()]
    (project / "checkpoints" / "b.bin").write_bytes(b"new")
    seen.append(key())
    (project / "checkpoints" / "a.bin").write_bytes(b"trained longer")
    seen.append(key())
    assert len(set(seen)) == 3


# -- execution


def test_papermill_executes_a_text_chapter_as_typed_beside_it(project):
    words = ["papermill", "00_x.py", "../out.ipynb", "-p", "scale", "smoke", "-p", "seed", "3"]
    environment = {**os.environ, "GHR_SCALE": "smoke", results.FOLDER: str(project)}
    command = [sys.executable, "-m", *words]
    subprocess.run(command, cwd=project / "book", env=environment, check=True, capture_output=True)
    assert nbformat.read(project / "out.ipynb", 4).cells[-1].outputs[-1].text == "smoke 3 smoke\n"
    assert (project / "00_gaps.csv").exists()


def test_papermill_finds_chapters_by_any_path_and_leaves_other_files_alone(project, monkeypatch):
    from papermill.iorw import papermill_io

    read = partial(papermill_io.read, extensions=[".py", ".ipynb"])  # else papermill wonders at a text
    chapter, other = project / "book" / "00_x.py", project / "book" / "setup.py"
    monkeypatch.setenv(results.CHAPTER, "")  # reading a chapter sets it, for the kernel
    other.write_text("# %%\nx = 1\n")
    (project / "book" / "0.ipynb").write_text("{}")
    monkeypatch.chdir(project)
    for path in ("book/00_x.py", "./book/00_x.py", str(chapter)):
        assert json.loads(read(path))["cells"][0]["source"][0].startswith("# A chapter")
    monkeypatch.chdir(project / "checkpoints")
    assert json.loads(read("../book/00_x.py"))["metadata"]["kernelspec"]["name"] == "python3"
    monkeypatch.chdir(project / "book")
    assert json.loads(read("00_x.py"))["cells"]
    assert read(str(other)) == other.read_text()
    assert read("0.ipynb") == "{}"
    with pytest.raises(FileNotFoundError):
        read("./gone.py")
    papermill_io.write("{}", "../book/0.out.ipynb")
    assert (project / "book" / "0.out.ipynb").read_text() == "{}"


@pytest.mark.parametrize(
    ("scale", "parameters", "sentence"),
    [
        ("huge", {}, "unknown scale 'huge': it is one of smoke, laptop, paper"),
        ("smoke", {"sede": 1}, 'no parameter sede: its cell tagged "parameters" sets scale, seed'),
    ],
)
def test_unknown_scales_and_parameters_are_refused_before_anything_runs(project, scale, parameters, sentence):
    with pytest.raises(ValueError, match=sentence):
        press.execute("book/00_x.py", scale, project, **parameters)
    assert not (project / "build").exists()


def test_execution_is_cached_reproducible_and_follows_checkpoints(project):
    source = sorted(path.name for path in (project / "book").rglob("*"))
    copy = press.execute("book/00_x.py", "smoke", project)
    bytes_of_first = copy.read_bytes()
    assert press.execute("book/00_x.py", "smoke", project) == copy
    assert executions(project) == ["smoke 0"]

    copy.unlink()
    assert press.execute("book/00_x.py", "smoke", project).read_bytes() == bytes_of_first
    (project / "checkpoints" / "a.bin").write_bytes(b"trained longer")
    assert press.execute("book/00_x.py", "smoke", project) != copy
    assert executions(project) == ["smoke 0"] * 3

    notes = [json.loads(path.read_text()) for path in copy.parent.glob("*.json")]
    assert all(note["checkpoints"] == ["checkpoints/a.bin"] and note["seconds"] > 0 for note in notes)
    assert {path.suffix for path in copy.parent.iterdir()} == {".ipynb", ".json", ".lock"}
    assert not list(copy.parent.glob("*.partial.ipynb"))
    assert sorted(path.name for path in (project / "book").rglob("*")) == source
    assert press.DEPFILE not in os.environ


def test_tables_are_kept_with_the_copy_and_what_a_text_asks_for_is_checked_before_and_after(project):
    def execute():
        return press.execute("book/00_x.py", "smoke", project)

    file = project / "book" / "00_x.py"
    edit(file, "gaps[n=max].n", "gasp[n=max].n")
    with pytest.raises(ValueError, match=r"00_x.py, cell 1, {num}`gasp.*`: chapter 00 keeps no table gasp; it keeps "):
        execute()
    assert not (project / "build").exists()
    edit(file, "gasp[n=max].n", "gaps[n=max].m")  # its rows are of a class that the chapter defines: seen when it ran
    with pytest.raises(ValueError, match=r"00_x.py, cell 1, {num}`gaps.*`: Row has no field m: its fields are n, gap"):
        execute()
    edit(file, "gaps[n=max].m", "gaps[n=min].n")
    execute()
    assert executions(project) == ["smoke 0"]
    (table,) = press.kept("smoke", project)["00"].values()
    assert [(row.n, f"{row.gap:g}") for row in table] == [(10, "30.25 [29, 31.5]"), (100, "6.5 [6, 7]")]
    file.write_text(file.read_text("utf8") + "\n# %%\nanother = 1\n", "utf8")
    with pytest.raises(RuntimeError, match="00_x.py, or what it is made of, has changed since it was executed: run it"):
        press.tables_of("book/00_x.py", "smoke", project)


def test_executed_copies_hide_the_injected_cell_and_carry_no_clock_and_bars_reach_who_waits(project, capsys):
    nb = nbformat.read(press.execute("book/00_x.py", "smoke", project), 4)
    (injected,) = [cell for cell in nb.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert "hide-input" in injected.metadata.tags
    assert "papermill" not in nb.metadata
    assert not any({"papermill", "execution"} & cell.metadata.keys() for cell in nb.cells)
    assert "0/2 [" in capsys.readouterr().err  # the bar of a cell
    assert not any(
        "widget" in str(o) or o.get("name") == "stderr" for cell in nb.cells for o in cell.get("outputs", [])
    )


def test_chapters_are_the_text_notebooks_of_the_toc_in_order():
    names = contents.chapters(REPO)
    assert names == sorted(names)
    assert "book/01_denoising.py" in names
    assert set(names) <= {f"book/{path.name}" for path in (REPO / "book").glob("[0-9]*.py")}


# -- several chapters at a time

PATIENT = """\
# %% tags=["parameters"]
scale = "laptop"

# %%
import os, pathlib, time

pathlib.Path("NAME").touch()
for _ in range(1200):
    if pathlib.Path("OTHER").exists():
        break
    time.sleep(0.05)
else:
    raise TimeoutError("the other chapter never began")
"""


@pytest.fixture
def patient(project, monkeypatch) -> Path:
    """A project of two chapters, each of which waits until the other one has begun."""
    for name, other in ("ab", "ba"):
        text = PATIENT.replace("NAME", f"{name}.begun").replace("OTHER", f"{other}.begun")
        (project / "book" / f"{name}.py").write_text(text)
    (project / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters: [{file: book/a}, {file: book/b}]\n")
    monkeypatch.setattr(press.torch, "get_num_threads", lambda: 4)
    return project


def test_chapters_run_at_the_same_time_and_share_the_threads(patient):
    with (patient / "book" / "a.py").open("a") as file:
        file.write("print(os.environ['OMP_NUM_THREADS'])\n")
    before = dict(os.environ)
    press.execute_all("smoke", patient)
    (a, b) = (press.execute(f"book/{name}.py", "smoke", patient) for name in "ab")
    assert nbformat.read(a, 4).cells[-1].outputs[-1].text == "2\n"
    written = [copy.stat().st_mtime_ns for copy in (a, b)]
    press.execute_all("smoke", patient)
    assert [copy.stat().st_mtime_ns for copy in (a, b)] == written
    assert dict(os.environ) == before


def test_a_kernel_that_dies_is_told_with_its_cell(project):
    """As when memory runs out: no Python is left that could say where."""
    with (project / "book" / "00_x.py").open("a") as file:
        file.write("\n# %%\nimport os, signal\n\nos.kill(os.getpid(), signal.SIGKILL)\n")
    last = len(percent.notebook((project / "book" / "00_x.py").read_text()).cells)
    with pytest.raises(RuntimeError, match=rf"^book/00_x.py, cell {last}: the kernel died \(out of memory, or interr"):
        press.execute("book/00_x.py", "smoke", project)


def test_after_a_failure_no_chapter_begins_and_the_work_of_those_that_had_begun_is_kept(patient, monkeypatch):
    with (patient / "book" / "a.py").open("a") as file:
        file.write("1 / 0\n")
    with (patient / "book" / "b.py").open("a") as file:
        file.write("time.sleep(5)\n")  # a has failed by then
    (patient / "book" / "c.py").write_text('# %% tags=["parameters"]\nscale = "laptop"\n')
    edit(patient / "_toc.yml", "{file: book/b}", "{file: book/b}, {file: book/c}")
    monkeypatch.setattr(press.torch, "get_num_threads", lambda: 2)
    with pytest.raises(RuntimeError, match=r"book/a.py, cell 2 .* failed with ZeroDivisionError"):
        press.execute_all("smoke", patient)
    done = {
        name: press.find((patient / "book" / f"{name}.py").read_text(), {"scale": "smoke"}, patient) for name in "abc"
    }
    assert done["a"] is None
    assert done["b"] is not None
    assert done["c"] is None
