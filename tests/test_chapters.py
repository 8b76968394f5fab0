"""Chapters: what they ask for is measured, what they claim is guarded, and they define no function of their own."""

import ast
import re
import symtable
from pathlib import Path

import jupytext
import pytest

from ghr import experiments
from ghr.book import claims, contents, ledger, percent, press, query, schema, words

REPO = Path(__file__).resolve().parents[1]
TEXTS = {f"book/{path.name}": path.read_text("utf8") for path in sorted((REPO / "book").glob("*.py"))}
SOURCES = {name: "\n".join(percent.cells(text)) for name, text in TEXTS.items()}
MEASURED = [name for name, source in SOURCES.items() if schema.kept(source)]  # by functions of the library
KNOWN = {id: target for id, target in ledger.TARGETS.items() if not {"avatars", "photographs"} & set(target.on)}


def numbered(number: str) -> str:
    """The chapter of a number."""
    return next(name for name in TEXTS if contents.number(name) == number)


def test_targets_on_images_whose_optimum_is_known_ask_for_what_chapters_keep():
    asked = [text for target in KNOWN.values() for text in target.asked.values()]
    assert asked
    for question in map(query.parse, asked):
        words.require(question, {question.chapter: schema.kept(SOURCES[numbered(question.chapter)])})


@pytest.mark.parametrize("name", MEASURED)
def test_a_chapter_asks_for_what_it_keeps(name):
    assert contents.unknown([name], REPO) == []


@pytest.mark.parametrize("name", MEASURED)
def test_a_chapter_defines_no_function_but_frames_of_explorers(name):
    tree = ast.parse(SOURCES[name])
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Explorer"]
    assert defined == {ast.unparse(call.args[0]) for call in calls}


def names(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """Global names that a statement reads from before it, and those that it binds."""
    tables = [symtable.symtable(ast.unparse(statement), "cell", "exec")]
    for table in tables:
        tables += table.get_children()
    bound = {s.get_name() for s in tables[0].get_symbols() if s.is_assigned()}
    used = [s for t in tables for s in t.get_symbols() if s.is_referenced() and (t is tables[0] or s.is_global())]
    read = {s.get_name() for s in used}
    if not isinstance(statement, ast.Assign | ast.AugAssign):  # a loop binds what it reads
        read -= bound
    return read, bound


def bound_again(cells: list[str]) -> set[str]:
    """Names that are bound anew after a cell has read them from an earlier one."""
    before, taken, again = set(), set(), set()
    for cell in cells:
        here = set()
        for statement in ast.parse(cell).body:
            read, bound = names(statement)
            taken |= (read & before) - here
            again |= bound & taken
            here |= bound
        before |= here
    return again


@pytest.mark.parametrize(
    ("cells", "again"),
    [
        (["x = 1", "y = x", "x = 2"], {"x"}),  # the second cell would see another x
        (["x = 1", "x = x + 1"], {"x"}),
        (["x = 1", "f = lambda y: x + y", "for x in (1, 2): print(x)"], {"x"}),
        (["x = 1", "def f(y): return x + y", "(a, x) = 1, 2"], {"x"}),
        (["x = 1", "x = 2; y = x", "y = [x for x in (1, 2)]", "for y in (1, 2): print(y)"], set()),
        (["x = 1; y = x", "x = 2"], set()),
        (["x = 1; y = 2", "y = [x for x in y]"], {"y"}),
    ],
)
def test_names_that_are_used_for_two_things_are_found(cells, again):
    assert bound_again(cells) == again


@pytest.mark.parametrize("name", TEXTS)
def test_every_cell_can_be_run_again(name):
    """After the others: what it read from earlier ones is what it was."""
    assert bound_again(percent.cells(TEXTS[name])) == set()


@pytest.mark.parametrize("name", TEXTS)
def test_other_tools_take_a_chapter_for_a_notebook(name):
    """jupytext and JupyterLab find its kernel and no cell of raw YAML; who saves it there changes no meaning."""
    nb = jupytext.reads(TEXTS[name], fmt="py")
    assert nb.metadata.kernelspec == percent.KERNEL
    assert nb.cells[0].cell_type == "markdown"
    saved = jupytext.writes(nb, fmt="py:percent")
    assert [(c.cell_type, c.source, c.metadata) for c in percent.notebook(saved).cells] == [
        (c.cell_type, c.source, c.metadata) for c in percent.notebook(TEXTS[name]).cells
    ]
    assert percent.cells(saved) == percent.cells(TEXTS[name])  # so that nothing is executed again


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_a_chapter_keeps_its_tables_at_scale_smoke(name):
    """The book's own executed copy, where that has been built."""
    press.execute(name, "smoke", REPO)
    assert set(press.kept("smoke", REPO)[contents.number(name)]) == set(schema.kept(SOURCES[name]))


def test_a_chapter_is_in_the_table_of_contents_unless_its_targets_are_not_measured_yet():
    measured = {entry.id for entry in ledger.read(REPO / "book" / "ledger.json")}
    asked = {name: {id for id in KNOWN if contents.number(name) in _chapters(id)} for name in TEXTS}
    waiting = {name for name, ids in asked.items() if ids - measured}
    assert set(contents.chapters(REPO)) == TEXTS.keys() - waiting


def _chapters(id: str) -> set[str]:
    return {query.parse(text).chapter for text in KNOWN[id].asked.values()}


def test_every_number_verdict_and_claim_that_the_book_asks_for_is_there():
    """Also those of targets and claims; and no claim guards a sentence that is gone."""
    pages = contents.texts(REPO)
    assert contents.unknown(pages, REPO) == []
    assert words.check_data(contents.schemas(REPO)) == []
    said = "".join((REPO / page).read_text("utf8") for page in pages)
    assert {body for kind, body in words.ROLE.findall(said) if kind == "claim"} == claims.CLAIMS.keys()


def test_no_line_of_text_begins_with_a_number_that_makes_a_list_of_it():
    """Markdown takes `1. So` at the beginning of a line for the first item of a list; `0.85. So` is none."""
    whole = re.compile(r"^(?:# )?(?:\{num\}`(?![^`]*\.[1-9]f`)[^`]*`|\d+)[.)] .*", re.MULTILINE)
    assert [line for page in contents.texts(REPO) for line in whole.findall((REPO / page).read_text("utf8"))] == []
    assert whole.findall("# {num}`table.count`. So it ends\n# {num}`table.rho:.2f`. Not so") != []


@pytest.mark.parametrize("name", TEXTS)
def test_figures_are_numbered_as_they_come_and_have_words_for_who_cannot_see(name):
    """Explorers and live figures make their alternative text themselves."""
    cells = jupytext.reads(TEXTS[name], fmt="py").cells
    figures = [cell for cell in cells if "figure" in cell.metadata.get("mystnb", {})]
    own = ("Explorer(", "Live(")
    silent = [cell for cell in figures if not cell.source.splitlines()[-1].startswith(own)]
    assert [cell.source for cell in silent if not cell.metadata["mystnb"].get("image", {}).get("alt")] == []
    labels = [(k, cell.metadata["mystnb"].get("code_prompt_show", "")) for k, cell in enumerate(figures, 1)]
    counted = {k: label.removeprefix("Code: Fig. ") for k, label in labels if label.startswith("Code: Fig. ")}
    assert counted == {k: f"{int(contents.number(name))}.{k}" for k in counted}


def test_no_two_figures_or_equations_of_the_book_have_one_label():
    """Links between pages would lead to either; Sphinx says so only after everything was executed."""
    labels = [label for text in TEXTS.values() for label in re.findall(r'"name": "([\w-]+)"|\$\$ \(([\w-]+)\)', text)]
    found = [a or b for a, b in labels]
    assert len(found) > 50
    assert sorted(found) == sorted(set(found))


@pytest.mark.parametrize("name", MEASURED)
def test_a_chapter_that_is_told_n_hands_them_to_every_study_that_takes_them(name):
    """Or a list of its own."""
    takes = {name for name in vars(experiments) if "sizes" in getattr(vars(experiments)[name], "__annotations__", {})}
    tree = ast.parse(SOURCES[name])
    told = {"sizes"} & {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Name)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    studies = [call for call in calls if ast.unparse(call.func).removeprefix("experiments.") in takes]
    if told:
        assert studies
        assert [ast.unparse(call) for call in studies if len(call.args) + len(call.keywords) < 2] == []
