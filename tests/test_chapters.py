"""Chapters on images whose best denoiser is known: in the table of contents or not, they run at scale smoke."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from ghr.book import ledger, press

REPO = Path(__file__).resolve().parents[1]
KNOWN = {id for id, target in ledger.TARGETS.items() if not {"avatars", "photographs"} & set(target.on)}


def promised(text: str) -> set[str]:
    """Targets that a chapter names."""
    return set(re.findall(r'"(T\d+[a-c]?)"', text))


TEXTS = {f"book/{path.name}": path.read_text("utf8") for path in sorted((REPO / "book").glob("*.py"))}
CHAPTERS = [name for name, text in TEXTS.items() if promised(text) & KNOWN]


@pytest.fixture(scope="module", params=CHAPTERS)
def executed(request):
    """A chapter, its executed copy and its note: the book's own, where that has been built."""
    text = TEXTS[request.param]
    copy = nbformat.read(press.execute(request.param, "smoke", REPO), as_version=4)
    note = press.note_file(text, {"scale": "smoke"}, REPO)
    return text, copy, json.loads(note.read_text("utf8"))


@pytest.mark.slow
def test_every_number_of_its_text_is_computed_and_none_for_nothing(executed):
    text, copy, _ = executed
    metadata = [output.get("metadata", {}) for cell in copy.cells for output in cell.get("outputs", [])]
    computed = {data["scrapbook"]["name"] for data in metadata if "scrapbook" in data}
    assert computed == set(re.findall(r"\{glue:text\}`(\w+)`", text))


@pytest.mark.slow
def test_it_enters_its_targets(executed):
    text, _, note = executed
    assert {entry["id"] for entry in note["ledger"]} == promised(text)


def test_every_target_on_images_whose_optimum_is_known_has_a_chapter():
    assert KNOWN
    assert set().union(*map(promised, TEXTS.values())) >= KNOWN


def test_a_chapter_is_in_the_table_of_contents_unless_its_targets_are_not_measured_yet():
    measured = {entry.id for entry in ledger.read(REPO / "book" / "ledger.json")}
    waiting = {name for name, text in TEXTS.items() if (promised(text) & KNOWN) - measured}
    assert set(press.chapters(REPO)) == TEXTS.keys() - waiting
