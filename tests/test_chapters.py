"""Chapters that wait for their networks: no page shows them yet, they run at scale smoke all the same."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from ghr import ledger, press

REPO = Path(__file__).resolve().parents[1]
WAITING = sorted({f"book/{path.name}" for path in (REPO / "book").glob("*.py")} - set(press.chapters(REPO)))
KNOWN = [id for id, target in ledger.TARGETS.items() if not {"avatars", "photographs"} & set(target.on)]


@pytest.fixture(scope="module", params=WAITING)
def executed(request):
    """A chapter, its executed copy and its note."""
    text = (REPO / request.param).read_text("utf8")
    copy = nbformat.read(press.execute(request.param, "smoke", REPO), as_version=4)
    note = press.note_file(text, {"scale": "smoke"}, REPO)
    return text, copy, json.loads(note.read_text("utf8"))


def test_every_number_of_its_text_is_computed_and_none_for_nothing(executed):
    text, copy, _ = executed
    metadata = [output.get("metadata", {}) for cell in copy.cells for output in cell.get("outputs", [])]
    computed = {data["scrapbook"]["name"] for data in metadata if "scrapbook" in data}
    assert computed == set(re.findall(r"\{glue:text\}`(\w+)`", text))


def test_it_enters_its_targets(executed):
    text, _, note = executed
    promised = set(re.findall(r'"(T\d+[a-c]?)"', text))
    assert promised
    assert {entry["id"] for entry in note["ledger"]} == promised


def test_every_target_on_images_whose_optimum_is_known_has_a_chapter():
    texts = "".join(path.read_text("utf8") for path in (REPO / "book").glob("*.py"))
    assert [id for id in KNOWN if f'"{id}"' not in texts] == []
