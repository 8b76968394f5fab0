"""Chapters on images whose best denoiser is known: in the table of contents or not, they run at scale smoke."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from ghr import tables
from ghr.book import claims, ledger, press, words

REPO = Path(__file__).resolve().parents[1]
KNOWN = {id for id, target in ledger.TARGETS.items() if not {"avatars", "photographs"} & set(target.on)}


def promised(name: str, text: str) -> set[str]:
    """Targets of a chapter: those that ask its tables, and those that it enters itself."""
    number = press.number(name)
    asked = {id for id, t in ledger.TARGETS.items() if any(q.startswith(f"{number}:") for q in t.asked.values())}
    return asked | set(re.findall(r'"(T\d+[a-c]?)"', text))


TEXTS = {f"book/{path.name}": path.read_text("utf8") for path in sorted((REPO / "book").glob("*.py"))}
CHAPTERS = [name for name, text in TEXTS.items() if promised(name, text) & KNOWN]


@pytest.fixture(scope="module", params=CHAPTERS)
def executed(request):
    """A chapter, its text, its executed copy and its note: the book's own, where that has been built."""
    text = TEXTS[request.param]
    copy = nbformat.read(press.execute(request.param, "smoke", REPO), as_version=4)
    note = press.note_file(text, {"scale": "smoke"}, REPO)
    return request.param, text, copy, json.loads(note.read_text("utf8"))


@pytest.mark.slow
def test_every_number_of_its_text_is_computed_and_none_for_nothing(executed):
    _, text, copy, _ = executed
    metadata = [output.get("metadata", {}) for cell in copy.cells for output in cell.get("outputs", [])]
    computed = {data["scrapbook"]["name"] for data in metadata if "scrapbook" in data}
    assert computed == set(re.findall(r"\{glue:text\}`(\w+)`", text))


@pytest.mark.slow
def test_it_enters_its_targets(executed):
    name, text, _, note = executed
    kept = {press.number(name): {table: tables.read(csv) for table, csv in note["tables"].items()}}
    asked = {entry.id for entry in ledger.measured(kept, "smoke")}
    assert {entry["id"] for entry in note["ledger"]} | asked == promised(name, text)


def test_every_target_on_images_whose_optimum_is_known_has_a_chapter():
    assert KNOWN
    assert set().union(*(promised(name, text) for name, text in TEXTS.items())) >= KNOWN


def test_a_chapter_is_in_the_table_of_contents_unless_its_targets_are_not_measured_yet():
    measured = {entry.id for entry in ledger.read(REPO / "book" / "ledger.json")}
    waiting = {name for name, text in TEXTS.items() if (promised(name, text) & KNOWN) - measured}
    assert set(press.chapters(REPO)) == TEXTS.keys() - waiting


def test_every_number_verdict_and_claim_that_the_book_asks_for_is_there():
    """Also those of targets and claims; and no claim guards a sentence that is gone."""
    contents = press.contents(REPO)
    assert press.unknown(contents, REPO) == []
    schemas = press.schemas(REPO)
    assert words.check_data(schemas) == []
    said = "".join((REPO / page).read_text("utf8") for page in contents)
    assert {body for kind, body in words.ROLE.findall(said) if kind == "claim"} == {
        claim.name for claim in claims.CLAIMS.values() if schemas[claim.chapter]
    }
