"""Names of image sets: one parser, one way of writing each set, and the pixels that names have always meant."""

import dataclasses
import hashlib
import os
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from ghr import images, recipes, runs
from ghr.files import checkpoints
from ghr.images import avatars, names, synthetic


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("avatars", names.Name("avatars")),
        ("lsun-bedroom", names.Name("lsun-bedroom")),
        ("lsun-bedroom-shuffled-4", names.Name("lsun-bedroom", shuffled=True, block=4)),
        ("photographs-shuffled", names.Name("photographs", shuffled=True)),
        ("celeba-colour", names.Name("celeba", colour=True)),
        ("lsun-bedroom-colour-shuffled-4", names.Name("lsun-bedroom", colour=True, shuffled=True, block=4)),
        ("c_alpha-2-0", names.Name("c_alpha", (2.0, 0.0))),
        ("hoelder-0.5-shuffled-8", names.Name("hoelder", (0.5,), shuffled=True, block=8)),
    ],
)
def test_a_name_is_taken_apart_and_written_again(name, expected):
    assert names.parse(name) == expected
    assert expected.text == expected.words == name
    assert names.parse(name).base.text == name.partition("-shuffled")[0].removesuffix("-colour")
    assert names.parse(name).channels == (3 if "-colour" in name else 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c_alpha-2.0-1.50", "c_alpha-2-1.5"),
        ("avatars-shuffled-04", "avatars-shuffled-4"),
        ("fields-0.00001", "fields-0.00001"),
    ],
)
def test_numbers_are_written_in_one_way(name, text):
    assert names.parse(name).text == names.parse(text).text == text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("avatars-shuffled-0", '"avatars-shuffled-0" wants blocks of side 0: give a side of at least 1'),
        ("avatars-shuffled-5", "Blocks of side 5 do not tile an image of 32x32: give a divisor"),
        ("avatars-shuffled-64", "Blocks of side 64 do not tile"),
        ("avatars-shuffled-4-shuffled-2", 'Unknown image set "avatars-shuffled-4-shuffled-2": expected avatars, '),
        ("avatars-2", 'Unknown image set "avatars-2"'),
        ("avatars-colour", 'Unknown image set "avatars-colour"'),
        ("c_alpha-1-2-3", 'Unknown image set "c_alpha-1-2-3"'),
        ("c_alpha--1", 'Unknown image set "c_alpha--1"'),
        ("fields-1-2", 'Unknown image set "fields-1-2"'),
        ("fields-99999", "a number of at least 1000"),
        ("discs-1", 'Unknown image set "discs-1"'),
        ("folder", 'Unknown image set "folder"'),
        ("folder:", '"folder:" names no folder'),
        ("", 'Unknown image set ""'),
    ],
)
def test_a_name_that_means_nothing_is_refused_before_any_image_is_drawn(name, message, monkeypatch):
    monkeypatch.setattr(avatars, "pool", lambda *_: pytest.fail("avatars were drawn"))
    uses = (
        lambda: images.load(name, 32),
        lambda: images.split(name, 32, 5),
        lambda: images.held_out(name, 32, 5),
        lambda: images.half(name, 32, 5, "B"),
        lambda: recipes.Run(images=name),
        lambda: recipes.pair("smoke", 5, name, size=32),
    )
    for use in uses:
        with pytest.raises(ValueError, match=message) as error:
            use()
        assert "\n" not in str(error.value)


def test_a_contour_of_regularity_0_is_not_the_default():
    a, b = (synthetic.c_alpha(2, 16, 2.0, contour, generator=torch.Generator().manual_seed(0)) for contour in (0, 2))
    assert not torch.equal(a, b)
    same = synthetic.c_alpha(2, 16, 2.0, generator=torch.Generator().manual_seed(0))
    assert torch.equal(same, b)


GOLDEN = {  # thousandths of two images, so that rounding on another machine does not show
    "c_alpha-2": "d5baf9ffef1d6ce7",
    "c_alpha-2-1.5": "fe21ab7e0de2884d",
    "hoelder-1": "2307670304a9ae53",
    "fields-0.5": "79ef1faf519b723f",
    "discs": "2dee832412487d06",
    "ray": "caa06c070ae63314",
    "sines": "4cfbbbd36d1f3e90",
    "discs-shuffled": "29aac8a1a99f8b85",
    "discs-shuffled-4": "fe3e2b0ad058e90c",
}


def short(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("name", GOLDEN)
def test_what_a_name_means_has_not_drifted(name):
    """Shipped checkpoints were trained on these pixels."""
    x = images.load(name, 8, 1003)[[0, 1002]]
    assert short((1000 * x).round().int().numpy()) == GOLDEN[name]


def test_photographs_have_not_drifted():
    parts = images.split("photographs", 32, 5, 4)
    expected = ["f96c0ce8c959b103", "87bd7060e4337f74", "11082772c14bc099"]
    assert [short((255 * part).round().byte().numpy()) for part in parts] == expected


@pytest.mark.parametrize("name", ["discs", "photographs-shuffled", "folder"])
def test_what_is_done_to_images_changes_no_later_ones(name, tmp_path):
    name = f"folder:{noise(tmp_path / 'set', range(9))}" if name == "folder" else name
    uses = (
        lambda: images.load(name, 16, 4),
        lambda: images.split(name, 16, 3, 2),
        lambda: images.held_out(name, 16, 3),
        lambda: images.half(name, 16, 3, "B"),
    )
    for use in uses:
        first = [part.clone() for part in (use() if isinstance(use(), tuple) else [use()])]
        for part in use() if isinstance(use(), tuple) else [use()]:
            part.zero_()
        again = use() if isinstance(use(), tuple) else [use()]
        assert all(map(torch.equal, first, again))


def test_avatars_handed_out_are_ones_own(monkeypatch):
    monkeypatch.setattr(images, "_avatars", lambda size, n: pixels)
    pixels = np.random.default_rng(0).integers(0, 256, (9, 8, 8)).astype(np.uint8)
    a = images.split("avatars", 8, 3, 2).a
    expected = a.clone()
    a.zero_()
    assert torch.equal(images.split("avatars", 8, 3, 2).a, expected)


# Folders ----------------------------------------------------------------------------------------------------------


def noise(folder, seeds, size=(17, 16)):
    """Unlike images, one for each seed, called by it."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        pixels = np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed:03d}.png")
    return folder


def test_a_folder_has_one_name_however_it_is_spelled(tmp_path, monkeypatch):
    home = tmp_path / "home"
    folder = noise(home / "faces", [])
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    spellings = [
        "faces",
        "faces/",
        "./faces",
        "../home/faces",
        str(folder),
        f"{folder}/",
        "~/faces",
        "../link",
        "../link/.",
    ]
    assert {names.parse(f"folder:{path}").text for path in spellings} == {f"folder:{folder}"}
    found = {recipes.Run(images=f"folder:{path}") for path in spellings}
    assert len(found) == 1
    assert len({recipes.Run(images=f"folder:{path}-shuffled") for path in ("faces", "faces/", str(folder))}) == 1
    assert names.parse(found.pop().images).path == folder


@pytest.mark.parametrize("tail", ["-shuffled", "-shuffled-4"])
def test_a_path_that_is_there_is_that_path(tail, tmp_path):
    plain, other = noise(tmp_path / "faces", range(5)), tmp_path / f"faces{tail}"
    block = 4 if tail[-1] == "4" else None
    x = images.load(f"folder:{plain}", 16)
    assert torch.equal(images.load(f"folder:{other}", 16), synthetic.shuffle(x, block))
    before = names.parse(f"folder:{other}")
    noise(other, range(20, 25))
    assert names.parse(f"folder:{other}") == names.Name("folder", path=other)
    assert not torch.equal(images.load(f"folder:{other}", 16).sum((1, 2, 3)), x.sum((1, 2, 3)))
    assert torch.equal(images.load(before.text, 16), synthetic.shuffle(x, block))
    assert before.text == f"folder:{plain}/{tail}"
    assert before.words != names.parse(f"folder:{other}").words


def test_a_folder_given_as_a_name_is_recognized(tmp_path):
    with pytest.raises(ValueError, match=f'Unknown image set "{tmp_path}": .* It is a folder here: folder:{tmp_path}'):
        names.parse(str(tmp_path))


@pytest.mark.parametrize(
    "called", [b"x" * 200, "gesichter-\u00e4\u00f6\u00fc-\u7167".encode() * 8, b"caf\xe9", b"a\nb", b"my faces"]
)
def test_any_folder_gives_a_file_name_that_can_be_written(called, tmp_path):
    folder = os.path.join(os.fsencode(tmp_path), called)
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("this file system knows no such names")
    noise(tmp_path / os.fsdecode(called), range(7))
    run = recipes.Run(images=f"folder:{os.fsdecode(folder)}", size=16, n=2)
    (tmp_path / f"{run.name}.safetensors.1234567.partial").write_text("x")
    assert run.name.isprintable()
    assert len(images.split(run.images, 16, 2).a) == 2
    checkpoints.write(tmp_path / "a.safetensors", {"w": torch.zeros(2)}, run, {})
    checkpoints.read(tmp_path / "a.safetensors", run)


def test_files_that_are_added_move_no_others(tmp_path):
    """A is the first n in the order of hashes, B the last n: a tenth more files moves about a tenth of either."""
    folder = noise(tmp_path / "faces", range(100))
    before = images.files(f"folder:{folder}", 16)
    noise(folder, range(100, 110))
    after = images.files(f"folder:{folder}", 16)
    assert [name for name in after if name in before] == before
    assert before != sorted(before)
    for old, new in ((before[:45], after[:45]), (before[-45:], after[-45:])):
        assert len(set(old) & set(new)) >= 35
    assert not set(before[:45]) & set(after[-45:])
    assert not set(before[-45:]) & set(after[:45])


def test_the_files_of_images_are_known(tmp_path):
    folder = noise(tmp_path / "faces", range(6))
    x, files = images.load(f"folder:{folder}", 16), images.files(f"folder:{folder}", 16)
    one = noise(tmp_path / "one", [int(files[4][:3])])
    assert torch.equal(images.load(f"folder:{one}", 16)[0], x[4])


# What a network was trained on ------------------------------------------------------------------------------------


def small(images, half="A"):
    return recipes.Run(
        images=images, size=16, width=4, scales=1, n=3, held_out=4, half=half, images_seen=32, batch=8, warmup=1
    )


@pytest.fixture
def checkpoint_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("GHR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path / "checkpoints"))


def header(file):
    with checkpoints.safe_open(file, framework="pt") as opened:
        return opened.metadata()


OTHERS = "was trained on other images: what .* gives has changed since. Put the images back as they were, or "


def exchange(folder, a, b):
    """Two files of one size and one date change places."""
    one, other = folder / a, folder / b
    other.rename(folder / "x.tmp")
    one.rename(other)
    (folder / "x.tmp").rename(one)
    for path in (one, other):
        os.utime(path, ns=(10**18, 10**18))


@pytest.mark.parametrize("name", ["discs", "photographs", "folder"])
def test_a_checkpoint_names_the_images_it_was_trained_on(name, checkpoint_folders, tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "POOL", 2000)
    run = small(f"folder:{noise(tmp_path / 'set', range(12))}" if name == "folder" else name, "B")
    file = runs.fit(run)
    assert header(file)["images"] == images.digest(runs.data(run).b) != images.digest(runs.data(run).a)
    runs.load(run)
    if name != "folder":
        monkeypatch.setattr(images, "split", lambda *_: pytest.fail("images were drawn to be compared"))
        runs.load(run)
        runs.fit(run)


@pytest.mark.parametrize("change", ["exchanged", "added", "removed", "altered", "too few"])
def test_a_folder_that_changed_after_training_is_refused(change, checkpoint_folders, tmp_path):
    folder = noise(tmp_path / "set", range(12))
    run = small(f"folder:{folder}")
    file = runs.fit(run)
    trained, others = images.files(run.images, 16)[:3], images.files(run.images, 16)[3:]
    exchange(folder, others[1], others[2])  # neither was learned from
    runs.load(run)
    if change == "exchanged":
        exchange(folder, trained[0], others[-1])
    elif change == "added":
        noise(folder, range(100, 130))
    elif change == "altered":
        Image.fromarray(np.eye(16, dtype=np.uint8) * 255).save(folder / trained[2])
    else:
        for path in trained if change == "removed" else [*trained, *others[2:]]:
            (folder / path).unlink()
    content = file.read_bytes()
    for use in (runs.load, runs.fit):
        with pytest.raises(ValueError, match=OTHERS) as error:
            use(run)
        assert "\n" not in str(error.value)
    assert file.read_bytes() == content
    runs.log(run)


def test_a_network_can_be_loaded_where_its_folder_is_not(checkpoint_folders, tmp_path):
    folder = noise(tmp_path / "set", range(12))
    run = small(f"folder:{folder}")
    runs.fit(run)
    folder.rename(tmp_path / "elsewhere")
    runs.load(run)
    runs.fit(run)


def test_a_folder_that_changed_between_an_interruption_and_its_continuation_is_refused(
    checkpoint_folders, tmp_path, monkeypatch
):
    folder = noise(tmp_path / "set", range(12))
    run = small(f"folder:{folder}")
    monkeypatch.setattr(runs, "SAVE_EVERY", -1)
    train = runs.train

    def interrupted(*arguments, **options):
        for step in train(*arguments, **options):
            if step.step == 3:
                raise KeyboardInterrupt
            yield step

    with monkeypatch.context() as patch:
        patch.setattr(runs, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            runs.fit(run)
    files = images.files(run.images, 16)
    exchange(folder, files[0], files[-1])
    with pytest.raises(ValueError, match=OTHERS):
        runs.fit(run)
    assert not runs.path(run).exists()
    exchange(folder, files[0], files[-1])
    runs.fit(run)


def test_a_folder_that_changed_between_a_and_b_is_told_before_b_is_trained(
    checkpoint_folders, ghr, tmp_path, monkeypatch
):
    folder = noise(tmp_path / "set", range(12))
    fit = runs.fit
    files = images.files(f"folder:{folder}", 16)
    monkeypatch.setattr(recipes, "pair", lambda *_, images, **__: (small(images), small(images, "B")))
    trained = []
    monkeypatch.setattr(runs, "train", lambda *a, train=runs.train, **o: trained.append(1) or train(*a, **o))
    monkeypatch.setattr(runs, "fit", lambda run, **_: (fit(run), exchange(folder, files[0], files[-1]))[0])
    status, _, err = ghr("train", "--images", f"folder:{folder}", "--n", 3)
    assert status == 1
    assert "was trained on other images" in err.splitlines()[-1]
    assert len(trained) == 1


def test_files_of_the_first_edition_are_accepted(checkpoint_folders, tmp_path, monkeypatch):
    """They name no digest, and hold a folder's name as it was typed."""
    folder = noise(tmp_path / "set", range(12))
    run = small(f"folder:{folder}")
    file = runs.fit(run)
    monkeypatch.chdir(tmp_path / "cache")
    weights, log = checkpoints.read(file, run)
    for typed in ("set/", "./set", f"{folder}/", str(folder)):
        old = dataclasses.replace(run)
        object.__setattr__(old, "images", f"folder:{typed}")
        checkpoints.write(file, weights, old, log)
        assert "images" not in header(file)
        assert runs.fit(run) == file
        runs.load(run)
    with pytest.raises(ValueError, match=r"holds another run \(images folder:.*/set not discs\)"):
        checkpoints.read(file, dataclasses.replace(run, images="discs"))


def test_equal_images_have_one_digest():
    x = torch.rand(3, 1, 4, 6)
    assert images.digest(x) == images.digest(x.clone()) == images.digest(x.transpose(2, 3).contiguous().transpose(2, 3))
    others = (x.flip(0), x[:2], x.transpose(2, 3), x + 1e-6)
    assert images.digest(x) not in map(images.digest, others)


def test_a_cache_in_the_home_folder_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GHR_CACHE", "~/x")
    monkeypatch.setenv("GHR_CHECKPOINTS", "~/y")
    monkeypatch.chdir(tmp_path)
    folder = noise(tmp_path / "set", range(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.load(f"folder:{folder}", 16)
    assert (tmp_path / "x").is_dir()
    assert not (tmp_path / "~").exists()
    assert runs.folder() == tmp_path / "y"


def test_colours_of_a_folder_are_asked_for_behind_its_name(tmp_path):
    """A folder that is called so is that folder; the colours of a set are another set, with files of its own."""
    plain = f"folder:{tmp_path}"
    asked = names.parse(names.coloured(plain))
    assert (asked.path, asked.colour, asked.base) == (names.parse(plain).path, True, names.parse(plain))
    assert names.parse(asked.text) == names.parse(f"{plain}-colour") == asked
    assert names.coloured(asked.text) == asked.text
    assert asked.words != names.parse(plain).words
    both = names.parse(f"{plain}-colour-shuffled-4")
    assert (both.colour, both.block, names.parse(both.text)) == (True, 4, both)
    neighbour = tmp_path.with_name(f"{tmp_path.name}-colour")
    neighbour.mkdir()
    assert names.parse(f"{plain}-colour") == names.Name("folder", path=neighbour)
    assert names.parse(asked.text) == asked
    with pytest.raises(ValueError, match='"avatars" has no colours: folders do'):
        names.coloured("avatars")


def test_a_folder_that_is_called_as_a_set_is_told_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "avatars").mkdir()
    with pytest.warns(UserWarning, match=r"avatars is the set of this name. The folder here .* is ./avatars"):
        assert names.spelled("avatars") == "avatars"
    assert names.spelled("./avatars") == "folder:./avatars"
