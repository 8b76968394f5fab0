"""Image sets: halves that share nothing, avatars decided by their index, a cache that survives, folders of anything."""

import hashlib
import os
import random
import subprocess
import sys
import textwrap
import time
import warnings

import joblib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ghr import avatars, cache, images, synthetic

# Halves -----------------------------------------------------------------------------------------------------------


def ids(x):
    return x.flatten().int().tolist()


def numbered(p):
    return torch.arange(p).float().view(p, 1, 1, 1)


@given(data=st.data())
def test_halves_are_first_and_last_and_held_out_in_neither(data):
    p = data.draw(st.integers(3, 60))
    n = data.draw(st.integers(1, (p - 1) // 2))
    wanted = data.draw(st.integers(1, 60))
    a, b, held_out = map(ids, images.halves(numbered(p), n, wanted))
    assert a == list(range(n))
    assert b == list(range(p - n, p))
    assert not set(held_out) & set(a + b)
    assert len(set(held_out)) == len(held_out) == min(wanted, p - 2 * n)


def test_held_out_images_are_the_same_for_every_n():
    pool = numbered(101)
    expected = ids(images.halves(pool, 1, 20).held_out)
    assert all(ids(images.halves(pool, n, 20).held_out) == expected for n in range(1, 41))


@pytest.mark.parametrize(("p", "n"), [(10, 5), (9, 5), (3, 0), (0, 1)])
def test_a_pool_too_small_for_its_halves_is_refused(p, n):
    with pytest.raises(ValueError, match=f"n={n} images .* need {2 * n + 1} images, but the pool has {p}"):
        images.halves(numbered(p), n)


@pytest.mark.parametrize(
    ("name", "size", "n", "message"),
    [
        ("celeba", 32, 1, 'Unknown image set "celeba": expected "avatars", "photographs", "folder:PATH" or'),
        ("c_alpha", 32, 1, 'Unknown image set "c_alpha"'),
        ("discs-shuffled-3", 32, 1, "Blocks of side 3 do not tile an image of 32x32"),
        ("avatars", 0, 1, "size=0"),
        ("avatars", 8, 0, "n=0"),
        ("folder:/nowhere", 8, 1, "no folder /nowhere"),
    ],
)
def test_what_cannot_be_loaded_is_told(name, size, n, message):
    with pytest.raises(ValueError, match=message):
        images.load(name, size, n)


# Synthetic sets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["c_alpha-2", "c_alpha-2-1.5", "hoelder-1", "fields-0.5", "discs", "ray", "sines"])
def test_a_synthetic_set_is_the_same_whatever_n_is(name):
    x = images.load(name, 8, 1300)
    assert x.shape == (1300, 1, 8, 8)
    assert torch.equal(images.load(name, 8, 1002), x[:1002])
    assert len(torch.unique(x.flatten(1), dim=0)) == 1300  # no block repeats another
    a, b, held_out = images.split(name, 8, 500, held_out=100, pool=1300)
    assert torch.equal(a, x[:500])
    assert torch.equal(b, x[800:])
    assert torch.equal(held_out, x[600:700])


def test_shuffled_sets_are_their_sets_shuffled_half_by_half():
    assert torch.equal(images.load("discs-shuffled-4", 8, 5), synthetic.shuffle(images.load("discs", 8, 5), 4))
    plain, shuffled = (images.split(f"photographs{mark}", 32, 3, 4) for mark in ("", "-shuffled"))
    for x, y in zip(plain, shuffled, strict=True):
        assert torch.equal(synthetic.shuffle(y, inverse=True), x)
        assert not torch.equal(x, y)


# Avatars ----------------------------------------------------------------------------------------------------------


def test_an_avatar_is_decided_by_its_index():
    first = avatars.avatar(3, 16)
    assert first.shape == (16, 16)
    assert first.dtype == np.uint8
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002 (the global generator is the point)
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert np.array_equal(avatars.avatar(3, 16), first)
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert not np.array_equal(avatars.avatar(4, 16), first)


def test_avatars_have_not_drifted():
    """A new version of python-avatars, resvg or numpy that moves a pixel needs a new VERSION, and training."""
    assert avatars.avatar(0, 32)[::8, ::8].tolist() == [
        [155, 153, 153, 153],
        [145, 153, 153, 146],
        [150, 143, 90, 146],
        [153, 138, 68, 123],
    ]
    assert hashlib.sha256(avatars.avatar(0, 32).tobytes()).hexdigest()[:16] == "69fb614b04b43777"
    assert avatars.VERSION == 1


def test_the_default_pool_holds_two_halves_of_30000_and_2000_held_out():
    assert avatars.POOL >= 62_000


def test_avatars_are_far_from_each_other():
    """Else copies could not be told from inventions: centred cosine of 100 faces to the nearest of 100 others."""
    faces = np.stack([avatars.avatar(i, 32) for i in range(200)]).reshape(200, -1).astype(float)
    faces -= faces.mean(1, keepdims=True)
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    nearest = (faces[:100] @ faces[100:].T).max(1)
    assert 0.45 < np.median(nearest) < 0.70
    assert nearest.max() < 0.95


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(ImportError, match=r"Avatars need resvg_py: pip install 'ghr\[images\]'"):
        avatars.avatar(0, 8)


# Cache ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """An empty cache of shards of 4 avatars; the list of indices that were drawn, in this process."""
    indices = []
    avatar = avatars.avatar

    def spy(index, size):
        indices.append(index)
        return avatar(index, size)

    monkeypatch.setattr(avatars, "SHARD", 4)
    monkeypatch.setattr(avatars, "avatar", spy)
    monkeypatch.setenv("GHR_CACHE", str(tmp_path / "cache"))
    with joblib.parallel_config(backend="sequential"):
        yield indices


def shards():
    return sorted((cache.folder() / f"avatars-v{avatars.VERSION}-8").glob("*.npz"))


def test_avatars_are_drawn_once_and_only_as_many_shards_as_needed(drawn):
    x = images.load("avatars", 8, 6)
    assert x.shape == (6, 1, 8, 8)
    assert x.dtype == torch.float32
    assert drawn == list(range(8))
    assert [path.name for path in shards()] == ["0000.npz", "0001.npz"]
    expected = torch.from_numpy(np.stack([avatars.avatar(i, 8) for i in range(6)])).float() / 255
    assert torch.equal(x[:, 0], expected)
    drawn.clear()
    assert torch.equal(images.load("avatars", 8, 6), x)
    assert torch.equal(images.load("avatars", 8, 3), x[:3])
    assert drawn == []
    assert torch.equal(images.load("avatars", 8, 9)[:6], x)
    assert drawn == [8, 9, 10, 11]


def truncate(path):
    path.write_bytes(path.read_bytes()[:-30])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip, empty])
def test_a_damaged_shard_is_built_again_with_one_warning(drawn, damage):
    x = images.load("avatars", 8, 10)
    drawn.clear()
    damage(shards()[1])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        assert torch.equal(images.load("avatars", 8, 10), x)
    assert [str(w.message).split(" (")[0] for w in caught] == [f"The cache file {shards()[1]} is damaged"]
    assert drawn == [4, 5, 6, 7]
    assert torch.equal(images.load("avatars", 8, 10), x)


def test_no_flipped_bit_of_a_cache_file_changes_a_pixel(tmp_path):
    """One bit of each byte in turn, zip structures included: the same pixels, or None and a warning."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7)).astype(np.uint8)
    path = tmp_path / "a.npz"
    cache.write(path, pixels)
    content = path.read_bytes()
    outcomes = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(len(content)):
            path.write_bytes(content[:k] + bytes([content[k] ^ 1 << k % 8]) + content[k + 1 :])
            found = cache.read(path)
            assert found is None or np.array_equal(found, pixels)
            outcomes.add(found is None)
    assert outcomes == {True, False}


def test_an_interrupted_build_goes_on_with_the_missing_shards(drawn):
    x = images.load("avatars", 8, 12)
    drawn.clear()
    shards()[1].rename(shards()[1].with_name("0001.npz.12345.partial"))  # killed before the rename
    assert torch.equal(images.load("avatars", 8, 12), x)
    assert drawn == [4, 5, 6, 7]


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space left"):
        cache.write(tmp_path / "a.npz", np.zeros((1, 2, 2), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_two_writers_at_once_share_the_work(tmp_path):
    """Two processes start together on an empty cache: each shard is drawn once, both see whole shards."""
    script = textwrap.dedent("""
        import hashlib, sys, time, warnings
        from pathlib import Path
        import joblib
        from ghr import avatars, images
        warnings.simplefilter("error")
        avatars.SHARD, drawn, avatar = 10, [], avatars.avatar
        avatars.avatar = lambda index, size: drawn.append(index) or avatar(index, size)
        meeting = Path(sys.argv[1])
        (meeting / sys.argv[2]).touch()
        while len(list(meeting.iterdir())) < 2:
            time.sleep(0.01)
        with joblib.parallel_config(backend="sequential"):
            x = images.load("avatars", 8, 40)
        print(len(drawn), hashlib.sha256(x.numpy().tobytes()).hexdigest())
    """)
    (tmp_path / "meeting").mkdir()
    environment = {**os.environ, "GHR_CACHE": str(tmp_path / "cache")}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "meeting"), name],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name in "ab"
    ]
    outputs = [process.communicate(timeout=100) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    (drawn_a, sum_a), (drawn_b, sum_b) = (output.split() for output, _ in outputs)
    assert sum_a == sum_b
    assert int(drawn_a) + int(drawn_b) == 40
    assert not list((tmp_path / "cache").rglob("*.partial"))
    expected = np.stack([avatars.avatar(i, 8) for i in range(40)])[:, None].astype(np.float32) / 255
    assert hashlib.sha256(expected.tobytes()).hexdigest() == sum_a


def test_a_cache_folder_that_cannot_be_made_is_told_in_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GHR_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OSError, match=r"The cache folder .*file/cache is unusable .*: set GHR_CACHE to a writable one"):
        images.load("avatars", 8, 1)


def test_a_cache_folder_that_cannot_be_written_still_serves_what_it_holds(drawn, monkeypatch):
    x = images.load("avatars", 8, 4)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # what a user without permission meets
    assert torch.equal(images.load("avatars", 8, 4), x)
    with pytest.raises(OSError, match=r"is unusable .no permission to write.: set GHR_CACHE to a writable one"):
        images.load("avatars", 8, 5)


# Folders ----------------------------------------------------------------------------------------------------------

COLOURS = np.array([[[200, 40, 60], [30, 30, 30]], [[255, 255, 255], [10, 150, 200]]], dtype=np.uint8)
GREY = COLOURS.mean(-1)  # 100, 30; 255, 120


def scene(w=41, h=37):
    """Four quarters of one colour each, RGB."""
    return COLOURS[(np.arange(h) * 2 // h)[:, None], np.arange(w) * 2 // w]


def quarters(path):
    """What the reader makes of the middles of the four quarters."""
    pixels = images.read_image(path, 16)
    assert pixels.shape == (16, 16)
    assert pixels.dtype == np.uint8
    return pixels[4::8, 4::8].astype(float)


def grey(dtype=np.uint8, scale=1):
    return (scene().mean(-1) * scale).astype(dtype)


def transparent(colour):
    """The scene with its upper right quarter fully and its lower left half transparent, on white."""
    return np.array([[colour[0, 0], 255], [255, colour[1, 1]]])


def rgba():
    alpha = np.full((37, 41), 255, np.uint8)
    alpha[:19, 20:] = 0
    alpha[19:, :20] = 128
    return np.dstack([scene(), alpha])


def palette(path):
    image = Image.fromarray(scene()).quantize(8)
    image.save(path, transparency=image.getpixel((30, 5)))


FORMATS = {
    "rgb.png": (lambda p: Image.fromarray(scene()).save(p), GREY, 0.5),
    "rgb.jpg": (lambda p: Image.fromarray(scene()).save(p, quality=95), GREY, 3),
    "rgb.webp": (lambda p: Image.fromarray(scene()).save(p, lossless=True), GREY, 0.5),
    "rgb.bmp": (lambda p: Image.fromarray(scene()).save(p), GREY, 0.5),
    "grey.png": (lambda p: Image.fromarray(grey()).save(p), GREY, 0.5),
    "rgba.png": (lambda p: Image.fromarray(rgba()).save(p), transparent(GREY), 0.5),
    "la.png": (lambda p: Image.fromarray(np.dstack([grey(), rgba()[..., 3]])).save(p), transparent(GREY), 0.5),
    "palette.gif": (lambda p: Image.fromarray(scene()).quantize(8).save(p), GREY, 4),
    "palette-transparency.png": (palette, transparent(GREY), 4),
    "16-bit.png": (lambda p: Image.fromarray(grey(np.uint16, 257)).save(p), GREY, 0.5),
    "16-bit.tif": (lambda p: Image.fromarray(grey(np.uint16, 257)).save(p), GREY, 0.5),
    "16-bit.pgm": (lambda p: Image.fromarray(grey(np.uint16, 257)).save(p), GREY, 0.5),
    "cmyk.jpg": (lambda p: Image.fromarray(scene()).convert("CMYK").save(p, quality=95), GREY, 4),
    "float.tif": (lambda p: Image.fromarray(grey(np.float32)).save(p), GREY, 0.5),
    "1-bit.png": (lambda p: Image.fromarray(grey() > 110).save(p), 255.0 * (GREY > 110), 0.5),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_mean_of_its_colours(name, tmp_path):
    save, expected, tolerance = FORMATS[name]
    save(tmp_path / name)
    assert quarters(tmp_path / name) == pytest.approx(expected, abs=tolerance)


STORED = {  # what lies in the file for an orientation, by the EXIF standard
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_exif_rotation_is_undone(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](scene())))
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert quarters(tmp_path / "a.jpg") == pytest.approx(GREY, abs=3)


@pytest.mark.parametrize(("w", "h"), [(61, 20), (20, 61), (33, 16), (16, 17)])
def test_the_centre_is_cropped(w, h, tmp_path):
    """White in the central square, black outside: all that is left is white, up to a pixel cut by half."""
    side = min(w, h)
    image = np.zeros((h, w), np.uint8)
    image[(h - side) // 2 : (h + side + 1) // 2, (w - side) // 2 : (w + side + 1) // 2] = 255
    Image.fromarray(image).save(tmp_path / "a.png")
    assert (images.read_image(tmp_path / "a.png", 16) == 255).all()


def test_resizing_is_antialiased(tmp_path):
    Image.fromarray((np.indices((80, 80)).sum(0) % 2 * 255).astype(np.uint8)).save(tmp_path / "a.png")
    assert abs(images.read_image(tmp_path / "a.png", 16) - 127.5).max() <= 8


def photographs(folder, n, size=24):
    """n unlike PNG images in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for k in range(n):
        Image.fromarray(rng.integers(0, 256, (size, size + 1)).astype(np.uint8)).save(folder / f"{k:03d}.png")
    return folder


def test_a_folder_is_read_with_its_subfolders_whatever_the_case_of_its_suffixes(tmp_path):
    photographs(tmp_path / "photos", 3)
    photographs(tmp_path / "photos" / "b" / "c", 5)  # of which three are copies
    (tmp_path / "photos" / "000.png").rename(tmp_path / "photos" / "000.PNG")
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    (tmp_path / "photos" / "folder.png").mkdir()
    x = images.load(f"folder:{tmp_path}/photos", 16)
    assert x.shape == (5, 1, 16, 16)
    assert x.dtype == torch.float32
    assert 0 <= x.min() < 0.1 < 0.9 < x.max() <= 1


def test_order_is_shuffled_but_decided_by_the_file_names(tmp_path):
    """Else the halves of a folder sorted by subject would differ in subject."""
    x = images.load(f"folder:{photographs(tmp_path / 'a', 40)}", 16)
    copy = images.load(f"folder:{photographs(tmp_path / 'elsewhere' / 'b', 40)}", 16)
    assert torch.equal(x, copy)
    place = [
        int((x[:, 0] - torch.from_numpy(images.read_image(path, 16)) / 255).abs().sum((1, 2)).argmin())
        for path in sorted((tmp_path / "a").iterdir())
    ]
    assert sorted(place) == list(range(40))
    assert abs(np.corrcoef(place, range(40))[0, 1]) < 0.5
    assert torch.equal(images.load(f"folder:{tmp_path / 'a'}", 16, 7), x[:7])


def test_files_that_cannot_be_read_are_skipped_in_one_warning(tmp_path):
    folder = photographs(tmp_path / "photos", 4)
    (folder / "sub").mkdir()
    (folder / "sub" / "text.png").write_text("no image")
    (folder / "none.gif").touch()
    (folder / "cut.png").write_bytes((folder / "000.png").read_bytes()[:200])
    Image.fromarray(scene(15, 40)).save(folder / "small.png")
    Image.fromarray(np.full((20, 20), np.nan, np.float32)).save(folder / "nan.tif")
    with pytest.warns(UserWarning, match="5 of 9 files skipped") as record:
        x = images.load(f"folder:{folder}", 16)
    assert len(x) == 4
    assert len(record) == 1
    message = str(record[0].message)
    assert all(name in message for name in ("sub/text.png: ", "none.gif: ", "cut.png: ", "nan.tif: "))
    assert "small.png: 15x40 pixels, smaller than 16" in message


def test_a_long_list_of_skipped_files_is_cut(tmp_path):
    folder = photographs(tmp_path / "photos", 1)
    for k in range(13):
        (folder / f"bad{k}.png").touch()
    with pytest.warns(UserWarning, match="13 of 14 files skipped: .*; and 3 more$"):
        images.load(f"folder:{folder}", 16)


def test_odd_metadata_is_no_news(tmp_path):
    """Pillow warns of corrupt EXIF data, file by file; the image is there."""
    folder = photographs(tmp_path / "photos", 2)
    garbage = b"Exif\0\0II*\0\x08\0\0\0\x09\0\x12\x01"
    Image.fromarray(scene()).save(folder / "odd.jpg", exif=garbage)
    with pytest.warns(UserWarning, match="Corrupt EXIF"), Image.open(folder / "odd.jpg") as image:
        image.getexif()
    assert len(images.load(f"folder:{folder}", 16)) == 3


@pytest.mark.parametrize("side", [38, 60])
def test_a_decompression_bomb_stops_with_one_sentence(tmp_path, monkeypatch, side):
    """Above Pillow's limit (38^2) as above twice the limit (60^2), where Pillow itself only warns or raises."""
    folder = photographs(tmp_path / "photos", 2)
    Image.fromarray(scene(side, side)).save(folder / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match=r"photos/bomb.png is too large to open safely .*: shrink it or take it away"):
        images.load(f"folder:{folder}", 16)


def test_an_empty_folder_is_told(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=f"The folder {tmp_path} holds no image files"):
        images.load(f"folder:{tmp_path}", 16)


@pytest.mark.filterwarnings("ignore:1 of 1 files skipped")
def test_a_folder_of_unreadable_files_is_told(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match=r"None of the 1 image files in .* could be used: a.png: "):
        images.load(f"folder:{tmp_path}", 16)


def test_too_few_images_are_told_with_the_reason(tmp_path):
    folder = photographs(tmp_path / "photos", 3)
    (folder / "copy.png").write_bytes((folder / "001.png").read_bytes())
    with pytest.raises(ValueError, match=r"4 images wanted, but .* gives 3 .* near-duplicates \(of 4 files\)"):
        images.load(f"folder:{folder}", 16, 4)


def test_near_duplicates_of_a_folder_are_dropped(tmp_path):
    folder = photographs(tmp_path / "photos", 3)
    with Image.open(folder / "000.png") as image:
        image.save(folder / "copy.jpg", quality=90)
        image.point(lambda v: 255 - v).save(folder / "negative.png")
    assert len(images.load(f"folder:{folder}", 20)) == 3


def test_a_folder_is_read_again_only_when_its_files_change(tmp_path, monkeypatch):
    folder = photographs(tmp_path / "photos", 3)
    x = images.load(f"folder:{folder}", 16)
    with monkeypatch.context() as patch:
        patch.setattr(images, "read_image", lambda *_: pytest.fail("read again"))
        assert torch.equal(images.load(f"folder:{folder}", 16), x)
    Image.fromarray(scene()).save(folder / "000.png")
    os.utime(folder / "000.png", (time.time() + 5, time.time() + 5))
    assert not torch.equal(images.load(f"folder:{folder}", 16), x)


# Near-duplicates --------------------------------------------------------------------------------------------------


def at(*degrees):
    """20x20 images whose centred cosines are the cosines of the angles between them."""
    u = np.where(np.indices((20, 20))[0] % 2, 1.0, -1.0)
    v = np.where(np.indices((20, 20))[1] % 2, 1.0, -1.0)
    angles = np.radians(degrees)[:, None, None]
    return np.round(127 + 85 * (np.cos(angles) * u + np.sin(angles) * v)).astype(np.uint8)


@pytest.mark.parametrize(
    ("degrees", "kept"),
    [
        ((0, 0, 90), [0, 2]),
        ((0, 17, 19), [0, 2]),  # cos 18.2 degrees = .95
        ((0, 15, 30), [0, 2]),  # the second is dropped, so the third has no kept neighbour
        ((15, 0, 30), [0]),
        ((0, 180, 90, 269), [0, 2]),  # negatives count
        ((0, 60, 120), [0, 1, 2]),
    ],
)
@pytest.mark.parametrize("block", [1, 2, 1024])
def test_an_image_near_an_earlier_kept_one_is_dropped(degrees, kept, block):
    assert images.distinct(at(*degrees), block=block).tolist() == kept


def test_brightness_and_contrast_do_not_hide_a_duplicate():
    (a,) = at(20).astype(float)
    assert images.distinct(np.stack([a, 30 + 0.4 * a, 150 - 0.3 * a]).astype(np.uint8)).tolist() == [0]


def test_images_are_compared_at_20x20():
    """Fine texture that averages away does not tell two images apart."""
    base = np.kron(np.random.default_rng(0).integers(60, 196, (20, 20)), np.ones((4, 4)))
    texture = 50 * (-1) ** np.indices((80, 80)).sum(0)
    assert abs(np.corrcoef(base.ravel(), (base + texture).ravel())[0, 1]) < 0.95
    assert images.distinct(np.stack([base, base + texture]).astype(np.uint8)).tolist() == [0]


@pytest.mark.parametrize("block", [1, 7, 64, 1024])
def test_blocks_give_what_the_dense_matrix_gives(block):
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 40, (60, 400))
    noisy = centres[rng.integers(60, size=300)] * rng.choice([-1, 1], (300, 1)) + rng.normal(0, 9.5, (300, 400))
    pixels = (128 + noisy).clip(0, 255).astype(np.uint8).reshape(300, 20, 20)
    correlation = np.abs(np.corrcoef(pixels.reshape(300, -1)))
    assert np.abs(correlation - 0.95).min() > 1e-6
    kept = []
    for i in range(300):
        if not kept or correlation[i, kept].max() <= 0.95:
            kept.append(i)
    assert 60 < len(kept) < 250
    assert images.distinct(pixels, block=block).tolist() == kept


@pytest.mark.slow
def test_a_hundred_thousand_images_are_compared_below_two_gigabytes():
    """Peak memory of a whole process; the dense matrix would take 40 GB."""
    script = textwrap.dedent("""
        import resource, numpy as np
        from ghr import images
        pixels = np.random.default_rng(0).integers(0, 256, (100_000, 20, 20)).astype(np.uint8)
        pixels[-1] = pixels[0]
        print(len(images.distinct(pixels)), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    """)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    kept, gigabytes = result.stdout.split()
    assert int(kept) == 99_999
    assert float(gigabytes) < 2


@pytest.mark.parametrize("name", ["discs", "ray-shuffled-4"])
def test_test_images_can_be_had_without_the_halves(name, monkeypatch):
    expected = images.split(name, 8, 1000, 50).held_out
    load, drawn = synthetic.load, []
    monkeypatch.setattr(synthetic, "load", lambda *key: drawn.append(key[2]) or load(*key))
    assert torch.equal(images.held_out(name, 8, 1000, 50), expected)
    assert name != "discs" or drawn == [50]
