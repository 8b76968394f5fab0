"""Faults: power lost, disks full or locked, files that rot, two at once. Nothing half-written is ever taken for whole.

Those that are seen inside one module stand with its tests: kills in mid-training and of a cache's build, damaged
checkpoints and shards (test_runs, test_images, test_pools), non-finite pixels (test_training, test_pools).
"""

import dataclasses
import io
import itertools
import json
import os
import re
import signal
import struct
import subprocess
import sys
import textwrap
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REPO, race, same, until
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file

from ghr import images, recipes, runs
from ghr.book import ledger, pages, press
from ghr.files import cache, checkpoints
from ghr.recipes import Run

STEPS = 6


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Twelve images in a folder of their own."""
    folder = tmp_path_factory.mktemp("photographs")
    for k, image in enumerate(np.random.default_rng(0).integers(0, 256, (12, 20, 20)).astype(np.uint8)):
        Image.fromarray(image).save(folder / f"{k:02d}.png")
    return folder


@pytest.fixture(scope="module")
def run(photographs):
    """A run of a second."""
    return Run(
        images=f"folder:{photographs}",
        size=16,
        held_out=2,
        n=4,
        width=3,
        scales=1,
        images_seen=STEPS * 8,
        batch=8,
        warmup=2,
    )


@pytest.fixture(scope="module")
def trained(run, tmp_path_factory):
    """The checkpoint of the run when nothing goes wrong."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHR_CHECKPOINTS", str(tmp_path_factory.mktemp("checkpoints")))
        patch.setenv("GHR_CACHE", str(tmp_path_factory.mktemp("cache")))
        return runs.fit(run)


@pytest.fixture
def folders(monkeypatch, tmp_path):
    """Checkpoints and cache of this test."""
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GHR_CACHE", str(tmp_path / "cache"))
    return tmp_path


def counted(monkeypatch):
    """A list that fills with the steps that are trained in this process."""
    train, steps = runs.train, []

    def counting(*arguments, **options):
        for step in train(*arguments, **options):
            steps.append(step.step)
            yield step

    monkeypatch.setattr(runs, "train", counting)
    return steps


# Killed -----------------------------------------------------------------------------------------------------------

TRAINED_AND_KILLED = """
import io, json, os, signal, sys
import torch._dynamo  # the first optimizer of each child would take seconds to import it
from ghr import recipes, runs
from ghr.files import cache, checkpoints

run, write, replace = recipes.Run(**json.loads(sys.argv[1])), cache.write_whole, os.replace
runs.SAVE_EVERY = -1

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

class Half(io.FileIO):
    def write(self, content):
        super().write(content[: len(content) // 2])
        die()

def deadly(which, moment):
    written = []
    def write_whole(file, content):
        written.append(file)
        if len(written) == 3 if which == "state" else file == runs.path(run):
            if moment == "half":
                cache.open = Half
            elif moment == "before":
                os.replace = die
            else:
                os.replace = lambda *names: die(replace(*names))
        write(file, content)
    return write_whole

for which, moment in json.loads(sys.argv[2]):
    if not (child := os.fork()):
        for name in ("GHR_CHECKPOINTS", "GHR_CACHE"):
            os.environ[name] = os.path.join(sys.argv[3], which, moment, name)
        checkpoints.write_whole = deadly(which, moment)
        runs.fit(run)
        os._exit(0)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""
MOMENTS = list(itertools.product(("state", "checkpoint"), ("half", "before", "after")))  # the renaming of the file


@pytest.mark.slow
def test_a_run_killed_while_it_writes_loses_nothing_that_was_written(run, trained, monkeypatch, tmp_path):
    """SIGKILL half way through the third training state or the checkpoint, just before and just after its renaming."""
    words = [json.dumps(dataclasses.asdict(run)), json.dumps(MOMENTS), str(tmp_path)]
    result = subprocess.run([sys.executable, "-c", TRAINED_AND_KILLED, *words], capture_output=True, text=True)
    assert result.stdout.split() == [str(int(signal.SIGKILL))] * len(MOMENTS), result.stderr
    steps = counted(monkeypatch)
    for which, moment in MOMENTS:
        for name in ("GHR_CHECKPOINTS", "GHR_CACHE"):
            monkeypatch.setenv(name, str(tmp_path / which / moment / name))
        file, state = runs.path(run), cache.folder() / "training" / runs.path(run).name
        left = [*file.parent.glob("*.partial"), *state.parent.glob("*.partial")]
        assert len(left) == (moment != "after"), (which, moment)
        assert file.exists() == ((which, moment) == ("checkpoint", "after"))
        done = {"state": 2 + (moment == "after"), "checkpoint": STEPS - 1}[which]
        assert checkpoints.read(state, run)[0]["step"] == done, (which, moment)
        steps.clear()
        assert runs.fit(run) == file
        assert steps == ([] if (which, moment) == ("checkpoint", "after") else list(range(done + 1, STEPS + 1)))
        assert same(load_file(file), load_file(trained))
        assert [*file.parent.glob("*.partial"), *state.parent.glob("*.partial")] == []


def alive(process):
    """Whether a process, by its number, has not ended; one that has, but was not yet waited for, has."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


WAITING = """\
# %% [markdown]
# # A chapter
# After {cite:t}`stein1981estimation`.

# %% tags=["parameters"]
scale = "laptop"

# %%
import os, pathlib, time

pathlib.Path("begun.partial").write_text(f"{os.getpid()} {os.getppid()}")
os.rename("begun.partial", "begun")
while pathlib.Path("wait").exists():
    time.sleep(0.05)
print("finished at", scale)
"""


@pytest.mark.slow
def test_a_build_killed_in_a_chapter_leaves_the_old_pages_and_no_kernel(project, monkeypatch):
    (project / "book" / "00_x.py").write_text(WAITING)
    html, wait, begun = project / "_build" / "html", project / "wait", project / "begun"
    html.mkdir(parents=True)
    (html / "index.html").write_text("old")
    wait.touch()
    with open(project / "said", "w") as said:  # no pipe: who outlives the build would keep it open
        build = subprocess.Popen(
            [sys.executable, "-m", "ghr", "book", "--scale", "smoke"],
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(REPO)},
            stdout=said,
            stderr=said,
        )
    until(begun.exists, 200)
    kernel, worker = begun.read_text().split()
    assert alive(kernel)
    assert alive(worker)
    build.kill()
    build.wait()
    until(lambda: not alive(worker) and not alive(kernel), 20)
    assert (html / "index.html").read_text() == "old"
    assert press.find(WAITING, {"scale": "smoke"}, project) is None

    wait.unlink()
    monkeypatch.setattr(pages, "render", lambda scale, root, html: None)
    pages.book("smoke", project)
    assert "finished at smoke" in press.find(WAITING, {"scale": "smoke"}, project).read_text()
    assert not [path for path in (project / "build" / "executed").iterdir() if "partial" in path.name]


RENDERED_AND_KILLED = """
import os, signal, subprocess, sys
from pathlib import Path
from types import SimpleNamespace
from ghr.book import pages

rename, calls = os.rename, []

def deadly(*names):
    calls.append(names)
    if len(calls) > last:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(*names)

def build(command, **_):
    html = Path(command[command.index("--path-output") + 1], "_build", "html")
    html.mkdir(parents=True)
    (html / "index.html").write_text("new")
    return SimpleNamespace(returncode=0)

for last in range(2):
    root = Path(sys.argv[1], str(last))
    if not (child := os.fork()):
        os.rename, subprocess.run = deadly, build
        pages.render("smoke", root, root / "_build" / "html")
        os._exit(0)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""


def test_a_build_killed_while_it_swaps_the_pages_loses_none(tmp_path, monkeypatch):
    """SIGKILL before the old pages are set aside, and between that and the coming of the new ones."""
    for last in "01":
        (tmp_path / last / "_build" / "html").mkdir(parents=True)
        (tmp_path / last / "_build" / "html" / "index.html").write_text("old")
        (tmp_path / last / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    result = subprocess.run([sys.executable, "-c", RENDERED_AND_KILLED, tmp_path], capture_output=True, text=True)
    assert result.stdout.split() == [str(int(signal.SIGKILL))] * 2, result.stderr
    assert not (tmp_path / "1" / "_build" / "html").exists()

    def failing(*_):
        raise RuntimeError("a cell failed")

    for last in "01":
        page = tmp_path / last / "_build" / "html" / "index.html"
        with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="a cell failed"):
            patch.setattr(pages, "execute_all", failing)
            pages.book("smoke", tmp_path / last)
        assert page.read_text() == "old"


# Full -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mounted():
    """mounted(folder, size) -> the folder, now a disk of its own of some kilobytes, in memory."""
    disks = []

    def mount(folder, kilobytes):
        folder.mkdir(parents=True, exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
        result = subprocess.run(words, capture_output=True, text=True)
        if result.returncode:
            assert not os.environ.get("CI"), result.stderr
            pytest.skip(f"only root may mount a disk: {result.stderr}")
        disks.append(folder)
        return folder

    yield mount
    for disk in disks:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk, leave=0):
    """Fills a disk but for some kilobytes.  Returns: the file to take away."""
    ballast = disk / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        with pytest.raises(OSError, match="No space left"):
            while True:
                file.write(bytes(4096))
        file.truncate(file.tell() - leave * 1024)
    return ballast


SENTENCE = r"cannot be written (No space left on device; it takes {} MB). Once it can, the same command goes on"


def told(err, file, megabytes):
    """Whether the last line of standard error says what is full, how much is wanted, and that nothing is lost."""
    return err.splitlines()[-1].startswith(f"ghr: {file} {SENTENCE.format(megabytes)}")


@pytest.mark.parametrize("full", ["cache", "checkpoints"])
def test_a_disk_that_fills_in_training_keeps_the_last_state_and_the_same_command_goes_on(
    ghr, mounted, monkeypatch, photographs, tmp_path, full
):
    words = ["train", "--scale", "smoke", "--images", f"folder:{photographs}", "--n", 3, "--only", "*-A-*"]
    disk = mounted(tmp_path / full, 1000)
    monkeypatch.setattr(runs, "SAVE_EVERY", -1)
    run, _ = recipes.pair("smoke", n=3, images=f"folder:{photographs}")
    state = tmp_path / "cache" / "training" / runs.path(run).name
    write, sizes, ballast = checkpoints.write_whole, [], []

    def filling(file, content):
        sizes.append(len(content))
        if len(sizes) == 3 if full == "cache" else file == runs.path(run):
            ballast.append(fill(disk, leave=len(content) // 2048))
        write(file, content)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "write_whole", filling)
        status, out, err = ghr(*words)
    assert (status, out) == (1, "")
    assert told(err, state if full == "cache" else runs.path(run), f"{sizes[-1] / 1e6:.1f}"), err
    done = 2 if full == "cache" else run.steps - 1
    assert checkpoints.read(state, run)[0]["step"] == done
    assert not runs.path(run).exists()
    assert not list(disk.rglob("*.partial"))

    ballast[0].unlink()
    steps = counted(monkeypatch)
    status, out, _ = ghr(*words)
    assert (status, out) == (0, f"{runs.path(run)}\n")
    assert steps == list(range(done + 1, run.steps + 1))


def test_a_disk_that_fills_while_a_cache_is_built_keeps_its_shards(ghr, mounted, monkeypatch, photographs, tmp_path):
    monkeypatch.setattr("ghr.images.pools.SHARD", 4)
    disk = mounted(tmp_path / "cache", 200)
    write, read, ballast = cache.write_whole, [], []
    read_image = images.pools.read_image
    monkeypatch.setattr("ghr.images.pools.read_image", lambda file, *rest: read.append(file) or read_image(file, *rest))

    def filling(file, content):
        if file.name == "0002.npy":
            ballast.append(fill(disk))
        write(file, content)

    with monkeypatch.context() as patch:
        patch.setattr(cache, "write_whole", filling)
        status, out, err = ghr("images", "--name", f"folder:{photographs}", "--size", 16)
    (shards,) = disk.glob("folder-*")
    assert (status, out) == (1, "")
    assert told(err, shards / "0002.npy", "0.0"), err
    assert sorted(path.name for path in shards.glob("*.npy")) == ["0000.npy", "0001.npy"]
    ballast[0].unlink()
    read.clear()
    status, out, _ = ghr("images", "--name", f"folder:{photographs}", "--size", 16)
    assert status == 0
    assert "12 images of 16x16" in out
    assert len(read) == 4


@pytest.mark.parametrize("kilobytes", [4, 600])
def test_a_disk_that_fills_while_a_chapter_is_executed_is_told_and_nothing_is_kept(project, mounted, kilobytes):
    """Full at papermill's first line, and with room for its notebook but not for the copy beside it."""
    text = '# %% tags=["parameters"]\nscale = "laptop"\n\n# %%\nprint("many words " * 40_000)\n'
    (project / "book" / "00_x.py").write_text(text)
    disk = mounted(project / "build", 1000)
    ballast = fill(disk, leave=kilobytes)
    with pytest.raises(OSError, match="No space left on device.* Once it can, the same command goes on: ") as caught:
        press.execute("book/00_x.py", "smoke", project)
    assert ("00_x.py cannot be executed" if kilobytes == 4 else "ipynb cannot be written") in str(caught.value)
    assert press.find(text, {"scale": "smoke"}, project) is None
    assert not list(disk.rglob("*.json"))
    ballast.unlink()
    assert "many words" in press.execute("book/00_x.py", "smoke", project).read_text()


def entries():
    return [ledger.Entry("T2a", "avatars", "laptop", 30 + k / 8, 29.0, 31.5, ">= 15", "met", f"{k}") for k in range(6)]


def test_a_ledger_on_a_full_disk_stays_as_it_was(mounted, tmp_path):
    disk = mounted(tmp_path / "disk", 100)
    ledger.write(disk / "ledger.json", entries()[:1])
    fill(disk)
    with pytest.raises(OSError, match="ledger.json cannot be written .No space left on device; it takes 0.0 MB"):
        ledger.write(disk / "ledger.json", entries())
    assert ledger.read(disk / "ledger.json") == entries()[:1]
    assert {path.name for path in disk.iterdir()} == {"ledger.json", "ballast"}


def test_a_ledger_on_a_locked_disk_stays_as_it_was(mounted, locked, tmp_path):
    disk = mounted(tmp_path / "disk", 100)
    ledger.write(disk / "ledger.json", entries()[:1])
    locked(disk)
    with pytest.raises(OSError, match=r"ledger.json cannot be written .Read-only file system; it takes 0.0 MB"):
        ledger.write(disk / "ledger.json", entries())
    assert ledger.read(disk / "ledger.json") == entries()[:1]


# Locked -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def locked(mounted):
    """locked(folder) -> nothing; a folder made with `mounted` can be read, and not written, even by root."""
    return lambda folder: subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def test_a_cache_that_cannot_be_written_gives_what_it_holds_and_says_what_it_cannot(
    ghr, run, trained, mounted, locked, photographs, tmp_path
):
    """A checkpoint is found without it: the shipped book needs no cache that can be written."""
    disk = mounted(tmp_path / "cache", 1000)
    x = images.load(run.images, 16)
    locked(disk)
    assert torch.equal(images.load(run.images, 16), x)
    runs.path(run).parent.mkdir()
    runs.path(run).write_bytes(trained.read_bytes())
    assert runs.fit(run) == runs.path(run)
    runs.load(run)
    commands = ["images", "--name", run.images, "--size", 8], ["train", "--images", run.images, "--n", 3]
    for words in commands:
        status, out, err = ghr(*words)
        assert (status, out) == (1, "")
        why = "no permission to write|.*Read-only file system.*"
        sentence = f"ghr: The cache folder {disk}/.* is unusable \\(({why})\\): set GHR_CACHE to a writable one."
        assert re.fullmatch(sentence, err.splitlines()[-1])


def test_checkpoints_that_cannot_be_written_are_told_before_anything_is_trained(
    ghr, mounted, locked, monkeypatch, photographs, tmp_path
):
    disk = mounted(tmp_path / "checkpoints", 100)
    locked(disk)
    steps = counted(monkeypatch)
    status, out, err = ghr("train", "--scale", "smoke", "--images", f"folder:{photographs}", "--n", 3)
    sentence = (
        f"The checkpoint folder {disk} is unusable (no permission to write): set GHR_CHECKPOINTS to a writable one."
    )
    assert (status, out, err.splitlines()[-1]) == (1, "", f"ghr: {sentence}")
    assert steps == []


@pytest.mark.parametrize("name", ["build", "_build"])
def test_a_book_that_cannot_be_written_is_told_before_a_chapter_runs(ghr, project, mounted, locked, monkeypatch, name):
    disk = mounted(project / name, 100)
    locked(disk)
    monkeypatch.chdir(project)
    status, out, err = ghr("book", "--scale", "smoke")
    remedy = "make it writable, or build in a copy of the repository"
    sentence = f"The build folder {disk} is unusable (no permission to write): {remedy}."
    assert (status, out, err.splitlines()[-1]) == (1, "", f"ghr: {sentence}")
    assert not (project / "runs.txt").exists()


# Two at once ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_processes_train_a_run_once(run, trained, folders):
    script = textwrap.dedent("""
        import json
        from ghr import recipes, runs
        train, steps = runs.train, []
        def counting(*arguments, **options):
            for step in train(*arguments, **options):
                steps.append(step.step)
                yield step
        runs.train = counting
        meet()
        print(runs.fit(recipes.Run(**json.loads(sys.argv[1]))), len(steps))
    """)
    (file, a), (other, b) = race(script, folders / "meeting", json.dumps(dataclasses.asdict(run)))
    assert file == other == str(runs.path(run))
    assert sorted([int(a), int(b)]) == [0, STEPS]
    assert same(load_file(file), load_file(trained))


# Rotten -----------------------------------------------------------------------------------------------------------


def damaged(content):
    """What may become of a file: bits flipped, its end lost, bytes put in, another end, or anything at all."""

    def flip(bits):
        changed = bytearray(content)
        for bit in bits:
            changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)

    place, junk = st.integers(0, len(content) - 1), st.binary(min_size=1, max_size=300)
    return st.one_of(
        st.lists(st.integers(0, 8 * len(content) - 1), min_size=1, max_size=4, unique=True).map(flip),
        place.map(lambda k: content[:k]),
        st.builds(lambda k, more: content[:k] + more + content[k:], place, junk),
        st.builds(lambda k, more: content[:k] + more, place, junk),
        st.binary(max_size=300),
    )


def answer(sentence, read, *arguments):
    """What a reader gives, or None when it refuses, with nothing but a ValueError that says so."""
    try:
        return read(*arguments)
    except ValueError as error:
        refusal = str(error)
    assert re.match(sentence, refusal), refusal
    return None


fuzzed = settings(max_examples=200, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder for the files of all examples of a test."""
    return tmp_path_factory.mktemp("damaged")


@pytest.fixture(scope="module")
def kinds(run, trained, place):
    """Bytes of a checkpoint and of a training state, and what they hold."""
    step = next(runs.train(runs.network(run), torch.zeros(1, 1, 16, 16), steps=2, seed=0, batch=1))
    checkpoints.write(place / "state", step.state(), run, runs._EMPTY_LOG)
    return [(file.read_bytes(), checkpoints.read(file, run)) for file in (trained, place / "state")]


@given(data=st.data())
@fuzzed
def test_a_checkpoint_or_training_state_comes_back_whole_or_is_refused(run, kinds, place, data):
    content, (tensors, log) = data.draw(st.sampled_from(kinds))
    file = place / "a.safetensors"
    file.write_bytes(data.draw(damaged(content)))
    if found := answer(f"{file} .* Take the file away and train the run again", checkpoints.read, file, run):
        assert found[1] == log
        assert found[0].keys() == tensors.keys()
        assert all(torch.equal(found[0][name], tensors[name]) for name in tensors)


HUGE = [10**12, 2**63, 10**30]


@given(
    st.sampled_from(["F64", "F32", "F16", "BF16", "F8_E4M3", "I64", "U16", "BOOL", "C64", "F4", "F6_E2M3", "X"]),
    st.lists(st.sampled_from([0, 1, 3, *HUGE]), max_size=4),
    st.tuples(st.sampled_from([0, 5, *HUGE]), st.sampled_from([0, 8, *HUGE])),
    st.sampled_from([None, 10**8, 2**63]),
)
@fuzzed
def test_a_checkpoint_that_claims_to_be_huge_is_refused(run, place, dtype, shape, offsets, length):
    tensor = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
    header = json.dumps({"__metadata__": {"run": "{}", "log": "{}", "sha256": ""}, "a": tensor}).encode()
    file = place / "a.safetensors"
    file.write_bytes(struct.pack("<Q", length or len(header)) + header + bytes(8))
    with pytest.raises(ValueError, match=f"{file} is damaged"):
        checkpoints.read(file, run)


PIXELS = np.random.default_rng(0).integers(0, 256, (3, 5, 7)).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_a_cache_file_comes_back_whole_or_as_nothing_with_a_warning(place, suffix):
    file = place / f"a.{suffix}"
    cache.write(file, PIXELS)

    @given(damaged(file.read_bytes()))
    @fuzzed
    def law(content):
        file.write_bytes(content)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = cache.read(file)
        if found is None:
            assert [str(w.message).startswith(f"The cache file {file} is damaged") for w in caught] == [True]
        else:
            assert np.array_equal(found, PIXELS)

    law()


@pytest.mark.parametrize("suffix", ["npz", "npy"])
@pytest.mark.parametrize("shape", ["(1000000000000,)", f"({10**30}, 0)", "(3, 5", "(" * 200 + ")" * 200, "None"])
def test_a_cache_file_that_claims_another_shape_is_nothing_with_a_warning(place, suffix, shape):
    """Its checksum is right."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + PIXELS.tobytes()
    file = place / f"b.{suffix}"
    if suffix == "npz":
        with cache.zipfile.ZipFile(file, "w", cache.zipfile.ZIP_DEFLATED) as members:
            members.writestr("pixels.npy", content)
    else:
        file.write_bytes(content + cache._checksum(content))
    with pytest.warns(UserWarning, match=f"The cache file {file} is damaged"):
        assert cache.read(file) is None


def encoded(name):
    """Bytes of a smooth image in a format."""
    coarse = np.random.default_rng(1).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(coarse).resize((24, 24), Image.Resampling.BICUBIC).save(content, name)
    return content.getvalue()


@given(files=st.data())
@settings(fuzzed, max_examples=10)
def test_garbage_in_a_folder_of_images_is_skipped_and_harms_no_other_image(tmp_path_factory, files):
    """Twenty damaged files at a time: what a decoder lets pass is an image, what it refuses is told once."""
    folder = tmp_path_factory.mktemp("garbage")
    whole = np.random.default_rng(2).integers(0, 256, (16, 16)).astype(np.uint8)
    Image.fromarray(whole).save(folder / "whole.png")
    for k in range(20):
        name = files.draw(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"]))
        (folder / f"{k}.{name.lower()}").write_bytes(files.draw(damaged(encoded(name))))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x = answer(f"{folder}/.* is too large|. files are too large", images.load, f"folder:{folder}", 16)
    if x is None:
        return
    assert (255 * x[:, 0] == torch.from_numpy(whole)).flatten(1).all(1).any()
    assert all("files skipped: " in str(w.message) for w in caught)
    assert len(caught) <= 1
    assert 0 <= x.min() <= x.max() <= 1


def test_a_hundred_bytes_that_claim_a_million_million_pixels_are_told(tmp_path):
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 10**6, 10**6, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(9)))]
    parts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    with (
        pytest.warns(UserWarning, match="1 of 1 files skipped"),
        pytest.raises(ValueError, match="None of the 1 .* bomb.png: broken, or too large to open safely"),
    ):
        images.load(f"folder:{tmp_path}", 16)


@pytest.fixture(scope="module")
def kept(place):
    """A ledger's file and its bytes."""
    ledger.write(place / "ledger.json", entries())
    return place / "ledger.json", (place / "ledger.json").read_bytes()


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "value", "low"]), inner),
    max_leaves=5,
)


@given(data=st.data())
@fuzzed
def test_a_ledger_is_a_ledger_or_is_refused(kept, data):
    """Plain text under version control has no checksum: a digit may change, but what is read is sound."""
    file, content = kept
    file.write_bytes(data.draw(damaged(content) | ANY_JSON.map(lambda value: json.dumps(value).encode())))
    for entry in answer(f"{file} is no ledger ", ledger.read, file) or []:
        assert entry.low <= entry.value <= entry.high
        assert all(isinstance(word, str) for word in (*entry.key, entry.target, entry.verdict, entry.chapter))


def unsound(**changes):
    return json.dumps([dataclasses.asdict(entries()[0]) | changes])


@pytest.mark.parametrize(
    "content",
    [
        *("[" * 2000, "{}", '""', "[{}]", "[5]", "\0"),
        *(unsound(value=99), unsound(high=float("nan")), unsound(low="29"), unsound(images=5), unsound(more=1)),
    ],
)
def test_what_is_no_ledger_is_refused(tmp_path, content):
    (tmp_path / "ledger.json").write_text(content)
    with pytest.raises(ValueError, match="(?s)ledger.json is no ledger .*: take it back from version control"):
        ledger.read(tmp_path / "ledger.json")


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """A repository with one executed chapter: (its top, the chapter's text, note, copy)."""
    root, text = tmp_path_factory.mktemp("repository"), '# %% tags=["parameters"]\nscale = "laptop"\n'
    (root / "book").mkdir()
    (root / "book" / "a.py").write_text(text)
    (root / "requirements.txt").touch()
    copy = press.execute("book/a.py", "smoke", root)
    return root, text, press.note_file(text, {"scale": "smoke"}, root), copy


@pytest.mark.parametrize("which", ["note", "copy"])
def test_an_executed_chapter_is_found_whole_or_executed_again(executed, which):
    root, text, note, copy = executed
    said, file = press.noted(note), {"note": note, "copy": copy}[which]
    content = file.read_bytes()

    @given(damaged(content) | ANY_JSON.map(lambda value: json.dumps(value).encode()) | st.just(b"[" * 2000))
    @fuzzed
    def law(changed):
        file.write_bytes(changed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = press.find(text, {"scale": "smoke"}, root)
            assert press.noted(note) in (None, said)
        if changed != content and which == "copy":
            assert found is None
        assert found is None or (found == copy and press.noted(note) == said)
        if found is None:
            assert str(caught[0].message).startswith(f"{file} is damaged")

    try:
        law()
    finally:
        file.write_bytes(content)
    assert press.find(text, {"scale": "smoke"}, root) == copy
