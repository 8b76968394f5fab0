"""The command line as a user types it."""

import dataclasses
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ghr import plan, recipes, runs


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "my photographs"
    folder.mkdir()
    for k, image in enumerate(np.random.default_rng(0).integers(0, 256, (25, 20, 24)).astype(np.uint8)):
        Image.fromarray(image).save(folder / f"{k}.png")
    return folder


def test_a_folder_of_ones_own_is_trained_end_to_end(ghr, photographs):
    """Two halves, two checkpoints; the same command again trains nothing."""
    words = ["train", "--scale", "smoke", "--images", f"folder:{photographs}", "--n", 6]
    status, out, _ = ghr(*words)
    assert status == 0
    a, b = recipes.pair("smoke", n=6, images=f"folder:{photographs}")
    assert out.split("\n") == [str(runs.path(a)), str(runs.path(b)), ""]
    assert len(runs.data(a).held_out) == 5
    before = [runs.path(r).stat().st_mtime_ns for r in (a, b)]
    runs.load(a)
    runs.load(b)
    assert ghr(*words)[:2] == (0, out)
    assert [runs.path(r).stat().st_mtime_ns for r in (a, b)] == before


def test_what_is_trained_needs_its_folder_no_more(ghr, photographs):
    words = ["train", "--scale", "smoke", "--images", f"folder:{photographs}", "--n", 6, "--only", "*-A-*"]
    done = ghr(*words)
    assert done[0] == 0
    photographs.rename(photographs.with_name("elsewhere"))
    assert ghr(*words) == (0, done[1], "")
    status, _, err = ghr(*words[:-1], "*-B-*")
    assert status == 1
    assert err.startswith(f"ghr: There is no folder {photographs} ")


def test_only_trains_what_matches(ghr, photographs):
    words = ["train", "--scale", "smoke", "--images", f"folder:{photographs}", "--n", 6, "--size", 8]
    status, out, _ = ghr(*words, "--only", "*-B-*")
    assert status == 0
    (line,) = out.split()[-1:]
    assert "-8px-n6-B-seed1" in line
    assert len(list(runs.folder().iterdir())) == 1


def test_runs_lists_the_table_and_what_is_trained(ghr, monkeypatch, photographs):
    pair = recipes.pair("smoke", n=6, images=f"folder:{photographs}")
    monkeypatch.setattr(recipes, "table", lambda scale: pair)
    runs.fit(pair[0])
    runs.fit(dataclasses.replace(pair[0], images="discs"))
    status, out, _ = ghr("runs", "--scale", "smoke")
    assert status == 0
    where, first, second, other, said = out.splitlines()
    assert where == f"checkpoints: {runs.folder()}"
    log, column = runs.log(pair[0]), runs.LOG_SIGMAS.index(0.1)
    assert first.startswith(pair[0].name)
    assert f"train {log['train'][-1][column]:.1f} dB, test {log['test'][-1][column]:.1f} dB at sigma=.1" in first
    assert second.split() == [*pair[1].name.split(), "not", "trained"]
    assert re.fullmatch("discs-.* of another table, or your own", other)
    assert said == "`ghr train --scale smoke` has 0.0 million images to show to what is not trained."


def test_runs_lists_every_table(ghr):
    for scale in recipes.SCALES:
        status, out, _ = ghr("runs", "--scale", scale)
        assert status == 0
        planned = plan.laptop() if scale == "laptop" else ()
        names = [run.name for run in dict.fromkeys([*planned, *recipes.table(scale)])]
        assert [line.split()[0] for line in out.splitlines()[1:-1]] == names


def test_images_builds_a_set(ghr, photographs):
    status, out, _ = ghr("images", "--name", f"folder:{photographs}", "--size", 16)
    assert status == 0
    first, line = out.splitlines()
    assert first.startswith(f"folder:{photographs}: 25 images of 16x16, mean 0.5")
    assert line == f"{photographs}: 25 files found, 25 used."
    assert ghr("images", f"folder:{photographs}", "--size", 16) == (status, out, "")
    assert ghr("images", "avtars")[2].startswith('ghr: Unknown image set "avtars": expected avatars')


@pytest.mark.filterwarnings("default")
def test_what_is_passed_over_is_told_at_every_command(ghr, photographs):
    """In one line without a line of our source; Apple's own files are one word."""
    (photographs / "notes.txt").touch()
    (photographs / "._000.png").write_bytes(b"of no use")
    (photographs / "cut.png").write_bytes(b"no image")
    line = "28 files found, 25 used; passed over: 1 that cannot be used (cut.png: not in a format that Pillow knows), "
    _, out, err = ghr("images", f"folder:{photographs}", "--size", 16)
    told = [text for text in err.splitlines() if "Pillow" in text]
    assert told == ["ghr: 1 of 26 files skipped: cut.png: not in a format that Pillow knows"]
    assert out.splitlines()[1].startswith(f"{photographs}: {line}")
    assert all(word in out for word in ("1 leftovers of macOS (._000.png)", "1 of other kinds (.txt)"))
    _, _, err = ghr("train", "--scale", "smoke", "--images", f"folder:{photographs}", "--n", 12)
    told = [text for text in err.splitlines() if "files found" in text]
    assert [text.split(". ")[-1] for text in told] == [f"Half {h} learns from 12, 1 are held out." for h in "AB"]
    assert all(line in text for text in told)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "--n", 5], "--n, --size and --colour go with --images"),
        (["train", "--images", "avatars"], "--images needs --n"),
        (["train", "--images", "folder:/nowhere", "--n", 5, "--scale", "smoke"], "There is no folder /nowhere"),
        (["train", "--images", "mnist", "--n", 5, "--scale", "smoke"], 'Unknown image set "mnist"'),
        (["train", "--only", "nothing*"], "No run of scale laptop matches nothing*: `ghr runs --scale laptop`"),
        (["images", "--name", "mnist"], 'Unknown image set "mnist"'),
        (["train", "--images", "discs", "--n", 5, "--size", 0], "Run.size is 0: expected a whole number"),
        (["images", "--size", 0], "size and n must be at least 1"),
    ],
)
def test_bad_input_is_one_sentence_and_status_1(ghr, words, sentence):
    status, out, err = ghr(*words)
    assert (status, out) == (1, "")
    assert err.startswith(f"ghr: {sentence}")
    assert err.count("\n") == 1


def test_too_few_images_are_one_sentence(ghr, photographs):
    status, _, err = ghr("train", "--scale", "smoke", "--images", f"folder:{photographs}", "--n", 13)
    assert status == 1
    assert "ghr: Two disjoint halves of n=13 images and at least one test image need 27 images" in err


def test_a_damaged_checkpoint_is_one_sentence(ghr):
    run = recipes.table("smoke")[0]
    runs.path(run).parent.mkdir()
    runs.path(run).write_bytes(b"damaged")
    status, _, err = ghr("runs", "--scale", "smoke")
    assert status == 1
    assert err.startswith(f"ghr: {runs.path(run)} is damaged")
    assert err.count("\n") == 1


def test_an_interruption_says_how_to_go_on(ghr, monkeypatch):
    def interrupted(run):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "fit", interrupted)
    status, _, err = ghr("train")
    assert status == 1
    assert err.splitlines()[-1] == "ghr: interrupted; the same command goes on where it stopped."
    assert f"{len(plan.laptop())} networks to train, " in err


@pytest.mark.parametrize("words", [["train", "--scale", "huge"], ["fly"], ["runs", "--n", 3]])
def test_unknown_words_are_a_usage_error(ghr, words):
    status, out, err = ghr(*words)
    assert status == 2
    assert "ghr" in out + err


def test_help_is_the_docstring(ghr):
    status, out, _ = ghr("train", "--help")
    assert status == 0
    assert "Train what is missing of the book's networks, in the order of the plan" in " ".join(out.split())
    assert "Images in each half of your own set" in " ".join(out.replace("│", " ").split())


def test_the_module_runs_as_a_program(tmp_path):
    """python -m ghr: the sentence and the status come out of a real process."""
    words = [sys.executable, "-m", "ghr", "train", "--n", "5"]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == "ghr: --n, --size and --colour go with --images: the runs of a table have theirs.\n"
