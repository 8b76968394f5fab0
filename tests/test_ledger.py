"""The ledger: bounds that no chapter can move, verdicts of whole intervals, a file that notices a change."""

import dataclasses
import math
import re
from pathlib import Path

import pytest

from ghr.book import ledger, words
from ghr.stats import Estimate

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture
def entries():
    measured = {"T2a": Estimate(30, 29, 31), "T4": Estimate(0.1, -0.1, 0.3), "T9d": Estimate(0.2, 0.15, 0.25)}
    return [ledger.enter(id, "avatars", "laptop", number, "02") for id, number in measured.items()]


@pytest.mark.parametrize(
    ("interval", "expected"),
    [((1, 2), "met"), ((2.1, 3), "missed"), ((0.1, 0.9), "missed"), ((1.5, 2.5), "undecided"), ((0, 1), "undecided")],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(interval, expected):
    assert ledger.verdict(Estimate(sum(interval) / 2, *interval), 1, 2) == expected


def test_an_interval_that_contains_both_bounds_is_undecided():
    assert ledger.verdict(Estimate(1.5, 0, 3), 1, 2) == "undecided"


@pytest.mark.parametrize(
    ("bounds", "expected"), [((15, math.inf), ">= 15"), ((-math.inf, 0.1), "<= 0.1"), ((0.9, 1.05), "0.9 to 1.05")]
)
def test_bounds_in_words(bounds, expected):
    assert ledger.words(*bounds) == expected


def test_bounds_depend_on_scale_and_set():
    assert ledger.bounds("T2a", "avatars", "laptop") == ledger.bounds("T2a", "avatars", "smoke") == (15, math.inf)
    assert ledger.bounds("T2a", "avatars", "paper") == (30, math.inf)
    assert ledger.bounds("T4", "photographs", "laptop") == (-math.inf, 1)
    assert ledger.bounds("T5b", "photographs", "laptop") == ledger.bounds("T5b", "avatars", "laptop")


def test_every_target_leaves_room_and_says_what_it_wants():
    for id in ledger.TARGETS:
        for scale in ("laptop", "paper"):
            low, high = ledger.bounds(id, "photographs", scale)
            assert low < high
            assert math.isfinite(low) or math.isfinite(high)


def test_a_target_is_asked_of_a_table_or_says_what_it_waits_for():
    for id, target in ledger.TARGETS.items():
        assert {subject.split()[0] for subject in target.asked} == (set() if target.waits else set(target.on)), id


def test_entries_carry_their_verdict(entries):
    assert [(e.id, e.target, e.verdict) for e in entries] == [
        ("T2a", ">= 15", "met"),
        ("T4", "<= 0.2", "undecided"),
        ("T9d", "<= 0.03", "missed"),
    ]


def test_an_unknown_id_is_refused():
    with pytest.raises(KeyError, match="T99"):
        ledger.enter("T99", "avatars", "laptop", Estimate(1, 0, 2), "02")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"images": "avtars"}, "T4 is not asked of images 'avtars': images is one of avatars, photographs"),
        ({"scale": "laptopp"}, "T4 is not asked of scale 'laptopp': scale is one of smoke, laptop, paper"),
        ({"network": "Unet"}, "T4 is not asked of network 'Unet': network is one of UNet, BFCNN"),
    ],
)
def test_what_no_target_is_asked_of_is_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        ledger.enter(
            **{"id": "T4", "images": "avatars", "scale": "laptop"} | change, measured=Estimate(1, 0, 2), chapter="02"
        )


@pytest.mark.parametrize("number", [(math.nan, 0, 1), (1, 0, math.inf), (2, 0, 1)])  # `estimate` gives none of them
def test_a_number_outside_its_interval_is_refused(number):
    with pytest.raises(ValueError, match="T4 on avatars: .* is no number inside its interval"):
        ledger.enter("T4", "avatars", "laptop", Estimate(*number), "02")


def test_a_ledger_comes_back_as_it_was_in_the_order_of_the_targets(tmp_path, entries):
    ledger.write(tmp_path / "ledger.json", entries[::-1])
    assert ledger.read(tmp_path / "ledger.json") == entries
    assert len((tmp_path / "ledger.json").read_text().splitlines()) == len(entries) + 2


def test_no_file_is_an_empty_ledger_and_another_file_is_refused(tmp_path):
    assert ledger.read(tmp_path / "ledger.json") == []
    (tmp_path / "ledger.json").write_text('[{"id": "T4"}]')
    with pytest.raises(ValueError, match=r"ledger\.json is no ledger"):
        ledger.read(tmp_path / "ledger.json")


def test_a_value_inside_its_committed_interval_is_no_change(entries):
    assert ledger.changes(entries, [dataclasses.replace(e, value=e.low) for e in entries]) == []
    beyond = 0.9 * ledger.ROUNDING
    rounded = [dataclasses.replace(e, value=e.high + beyond, high=e.high + beyond) for e in entries]
    assert ledger.changes(entries, rounded) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"value": 32.0, "high": 33.0}, r"32 lies outside the committed interval \[29, 31\]"),
        ({"verdict": "missed"}, ">= 15 was met, now >= 15 is missed"),
        ({"target": ">= 10"}, ">= 15 was met, now >= 10 is met"),
    ],
)
def test_a_change_that_a_reader_would_notice_is_told(entries, change, sentence):
    (found,) = ledger.changes(entries, [dataclasses.replace(entries[0], **change), *entries[1:]])
    assert re.search(f"T2a on avatars, UNet, at scale laptop: {sentence}", found)


def test_networks_of_one_image_set_have_entries_of_their_own(entries):
    first = entries[0]
    other = ledger.enter("T2a", "avatars", "laptop", Estimate(3, 2, 4), "02", "BFCNN")
    assert other.verdict == "missed"
    assert ledger.changes([first, other], [other, first]) == []
    assert ledger.changes([first], [first, other]) == ["T2a on avatars, BFCNN, at scale laptop is new."]


def test_entries_that_come_or_go_are_told(entries):
    assert ledger.changes(entries[:1], []) == ["T2a on avatars, UNet, at scale laptop is not measured any more."]
    assert ledger.changes([], entries[:1]) == ["T2a on avatars, UNet, at scale laptop is new."]


def test_the_front_pages_words_are_those_of_the_ledger():
    """Yes: all targets of a row are met; no: none is; partly, undecided: a claim guards it. No row stands alone."""
    committed = {e.key: e.verdict for e in ledger.read(REPO / "book" / "ledger.json")}
    rows = re.findall(
        r"^(\| [^|]+ \| \*\*(Yes|Partly|No|Not decided)\.\*\*.*)$", (REPO / "index.md").read_text("utf8"), re.MULTILINE
    )
    assert len(rows) >= 7
    for line, word in rows:
        asked = [words._subject(body, words.Told("laptop", {})) for body in re.findall(r"\{target\}`([^`]+)`", line)]
        verdicts = {committed[id, images, network, "laptop"] for id, images, network in asked}
        claimed = re.findall(r"\{claim\}`", line)
        assert asked or claimed, line
        if word == "Yes":
            assert verdicts == {"met"}, line
        elif word == "No":
            assert claimed, line
            assert "met" not in verdicts, line
        else:
            assert claimed, line


def test_targets_that_were_set_late_are_marked_and_told():
    """The page of deviations lists those that the ledger marks: after most networks on the pages were measured."""
    text = (REPO / "book" / "deviations.md").read_text("utf8")
    told = re.search(r"after those of the first were measured: (.*?)\. Each", text, re.DOTALL)[1]
    listed = set(re.findall(r"T\d+[a-e]?", told)) | {"T25", "T26"}  # "T24 to T27"
    assert listed == ledger.SECOND <= ledger.TARGETS.keys()
