"""Chapters: what they ask for is measured, what they claim is guarded, and they define no function of their own."""

import ast
import re
from pathlib import Path

import pytest

from ghr.book import claims, ledger, percent, press, query, schema, words

REPO = Path(__file__).resolve().parents[1]
TEXTS = {f"book/{path.name}": path.read_text("utf8") for path in sorted((REPO / "book").glob("*.py"))}
SOURCES = {name: "\n".join(percent.cells(text)) for name, text in TEXTS.items()}
MEASURED = [name for name, source in SOURCES.items() if schema.kept(source)]  # by functions of the library
KNOWN = {id: target for id, target in ledger.TARGETS.items() if not {"avatars", "photographs"} & set(target.on)}


def numbered(number: str) -> str:
    """The chapter of a number."""
    return next(name for name in TEXTS if press.number(name) == number)


def test_every_target_on_images_whose_optimum_is_known_is_asked_of_a_table():
    assert KNOWN
    for id, target in KNOWN.items():
        assert {asked.partition(" ")[0] for asked in target.asked} == set(target.on), id
        for text in target.asked.values():
            question = query.parse(text)
            words.require(question, {question.chapter: schema.kept(SOURCES[numbered(question.chapter)])})


@pytest.mark.parametrize("name", MEASURED)
def test_a_chapter_asks_for_what_it_keeps(name):
    assert press.unknown([name], REPO) == []


@pytest.mark.parametrize("name", MEASURED)
def test_a_chapter_defines_no_function_but_frames_of_explorers(name):
    tree = ast.parse(SOURCES[name])
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Explorer"]
    assert defined == {ast.unparse(call.args[0]) for call in calls}


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_a_chapter_keeps_its_tables_at_scale_smoke(name):
    """The book's own executed copy, where that has been built."""
    press.execute(name, "smoke", REPO)
    assert set(press.kept("smoke", REPO)[press.number(name)]) == set(schema.kept(SOURCES[name]))


def test_a_chapter_is_in_the_table_of_contents_unless_its_targets_are_not_measured_yet():
    measured = {entry.id for entry in ledger.read(REPO / "book" / "ledger.json")}
    asked = {name: {id for id in KNOWN if press.number(name) in _chapters(id)} for name in TEXTS}
    waiting = {name for name, ids in asked.items() if ids - measured}
    assert set(press.chapters(REPO)) == TEXTS.keys() - waiting


def _chapters(id: str) -> set[str]:
    return {query.parse(text).chapter for text in KNOWN[id].asked.values()}


def test_every_number_verdict_and_claim_that_the_book_asks_for_is_there():
    """Also those of targets and claims; and no claim guards a sentence that is gone."""
    contents = press.contents(REPO)
    assert press.unknown(contents, REPO) == []
    assert words.check_data(press.schemas(REPO)) == []
    said = "".join((REPO / page).read_text("utf8") for page in contents)
    assert {body for kind, body in words.ROLE.findall(said) if kind == "claim"} == claims.CLAIMS.keys()


def test_no_two_figures_or_equations_of_the_book_have_one_label():
    """Links between pages would lead to either; Sphinx says so only after everything was executed."""
    labels = [label for text in TEXTS.values() for label in re.findall(r'"name": "([\w-]+)"|\$\$ \(([\w-]+)\)', text)]
    found = [a or b for a, b in labels]
    assert len(found) > 50
    assert sorted(found) == sorted(set(found))
