"""Pools: folders of anything are read, near-duplicates dropped, shards survive what may happen to them."""

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import race
from PIL import Image

from ghr import images
from ghr.files import cache
from ghr.images import archives, pools

# Folders ----------------------------------------------------------------------------------------------------------

COLOURS = np.array([[[200, 40, 60], [30, 30, 30]], [[255, 255, 255], [10, 150, 200]]], dtype=np.uint8)
GREY = COLOURS.mean(-1)  # 100, 30; 255, 120


def scene(w=41, h=37):
    """Four quarters of one colour each, RGB."""
    return COLOURS[(np.arange(h) * 2 // h)[:, None], np.arange(w) * 2 // w]


def quarters(path):
    """What the reader makes of the middles of the four quarters."""
    pixels = pools.read_image(path, 16)
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
    assert (pools.read_image(tmp_path / "a.png", 16) == 255).all()


def test_resizing_is_antialiased(tmp_path):
    Image.fromarray((np.indices((80, 80)).sum(0) % 2 * 255).astype(np.uint8)).save(tmp_path / "a.png")
    assert abs(pools.read_image(tmp_path / "a.png", 16) - 127.5).max() <= 8


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
        int((x[:, 0] - torch.from_numpy(pools.read_image(path, 16)) / 255).abs().sum((1, 2)).argmin())
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
    with pytest.raises(ValueError, match="4 images wanted: .*photos: 4 files found, 3 used; passed over: 1 near-"):
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
        patch.setattr(pools, "read_image", lambda *_: pytest.fail("read again"))
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
    assert pools.distinct(at(*degrees), block=block).tolist() == kept


def test_brightness_and_contrast_do_not_hide_a_duplicate():
    (a,) = at(20).astype(float)
    assert pools.distinct(np.stack([a, 30 + 0.4 * a, 150 - 0.3 * a]).astype(np.uint8)).tolist() == [0]


def test_images_are_compared_at_20x20():
    """Fine texture that averages away does not tell two images apart."""
    base = np.kron(np.random.default_rng(0).integers(60, 196, (20, 20)), np.ones((4, 4)))
    texture = 50 * (-1) ** np.indices((80, 80)).sum(0)
    assert abs(np.corrcoef(base.ravel(), (base + texture).ravel())[0, 1]) < 0.95
    assert pools.distinct(np.stack([base, base + texture]).astype(np.uint8)).tolist() == [0]


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
    assert pools.distinct(pixels, block=block).tolist() == kept


@pytest.mark.slow
def test_thirty_thousand_images_are_compared_below_a_gigabyte():
    """Peak memory of a whole process; the dense matrix alone would take 3.6 GB."""
    script = textwrap.dedent(r"""
        import re, numpy as np
        from pathlib import Path
        from ghr.images import pools
        pixels = np.random.default_rng(0).integers(0, 256, (30_000, 20, 20)).astype(np.uint8)
        pixels[-1] = pixels[0]
        kept = len(pools.distinct(pixels))
        # its own peak: that of getrusage is the parent's where this is larger
        print(kept, int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 2**20)
    """)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    kept, gigabytes = result.stdout.split()
    assert int(kept) == 29_999
    assert float(gigabytes) < 1


# Shards -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """14 images in shards of 4, an empty cache."""
    monkeypatch.setattr(pools, "SHARD", 4)
    monkeypatch.setenv("GHR_CACHE", str(tmp_path / "cache"))
    return photographs(tmp_path / "photos", 14)


@pytest.fixture
def looked_at(monkeypatch):
    """Names of the files that are read, in this process."""
    names, read_image = [], pools.read_image
    monkeypatch.setattr(pools, "read_image", lambda file, *rest: names.append(file.name) or read_image(file, *rest))
    return names


def shards():
    return sorted(cache.folder().glob("folder-*/*.npy"))


def members(folder, place):
    """Names of the files of some shards, sorted: threads may exchange them inside a shard."""
    return sorted(path.name for path in archives.find(f"folder:{folder}").files[place])


def expected(folder):
    pixels = np.stack([pools.read_image(path, 16) for path in archives.find(f"folder:{folder}").files])
    return torch.from_numpy(pixels)[:, None].float() / 255


def test_only_the_shards_of_what_is_wanted_are_read(folder, looked_at):
    x = images.load(f"folder:{folder}", 16)
    assert torch.equal(x, expected(folder))
    assert [path.name for path in shards()] == ["0000.npy", "0001.npy", "0002.npy", "0003.npy"]
    flip(shards()[3])  # warnings are errors
    looked_at.clear()
    assert torch.equal(images.load(f"folder:{folder}", 16, 9), x[:9])
    pool = pools.pool(f"folder:{folder}", 16)
    assert np.array_equal(pool[3:10], (255 * x[3:10, 0]).round().numpy())
    assert looked_at == []
    with pytest.warns(UserWarning, match="0003.npy is damaged"):
        images.load(f"folder:{folder}", 16, 13)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
def test_a_damaged_shard_is_told_and_alone_built_again(folder, looked_at, damage):
    x = images.load(f"folder:{folder}", 16)
    assert len(looked_at) == 14
    looked_at.clear()
    damage(shards()[1])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        assert torch.equal(images.load(f"folder:{folder}", 16), x)
    told = [str(w.message).split(" (")[0] for w in caught]
    assert told == ([] if damage is Path.unlink else [f"The cache file {shards()[1]} is damaged"])
    assert sorted(looked_at) == members(folder, slice(4, 8))
    assert torch.equal(images.load(f"folder:{folder}", 16), x)


def test_a_shard_that_can_no_longer_be_built_is_told(folder, monkeypatch):
    """The file rots: nothing that its folder says of it changes."""
    monkeypatch.setattr(pools, "_state", str)
    images.load(f"folder:{folder}", 16)
    path = archives.find(f"folder:{folder}").files[5]
    path.write_bytes(bytes(100))
    shards()[1].unlink()
    with pytest.raises(
        ValueError, match=r"Images of .*photos can no longer be read: get it again, then delete .*folder-"
    ):
        images.load(f"folder:{folder}", 16)


def test_an_error_inside_a_shard_loses_this_shard_alone(folder, monkeypatch, looked_at):
    with monkeypatch.context() as patch:

        def full(*_):
            if len(shards()) == 2:
                raise OSError("No space left on device")

        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            images.load(f"folder:{folder}", 16)
    assert [path.name for path in shards()] == ["0000.npy", "0001.npy"]
    looked_at.clear()
    assert torch.equal(images.load(f"folder:{folder}", 16), expected(folder))
    assert sorted(looked_at[:6]) == members(folder, slice(8, 14))
    assert len(looked_at) == 6 + 14  # `expected` reads all


@pytest.mark.parametrize(("where", "finished"), [("read", 2), ("write", 1)])
def test_a_killed_build_goes_on_with_the_next_shard(folder, looked_at, where, finished):
    """SIGKILL while an image of the third shard is read, or while the second is written."""
    script = textwrap.dedent("""
        import os, signal, sys
        from ghr.images import pools
        pools.SHARD, calls = 4, []
        def deadly(function, last):
            def call(*arguments):
                calls.append(None)
                if len(calls) == last:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments)
            return call
        if sys.argv[2] == "read":
            pools.read_image = deadly(pools.read_image, 10)
        else:
            os.fsync = deadly(os.fsync, 3)  # the first is of the survey
        pools.pool("folder:" + sys.argv[1], 16)
    """)
    process = subprocess.run([sys.executable, "-c", script, str(folder), where], capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert [path.name for path in shards()] == ["0000.npy", "0001.npy"][:finished]
    leftovers = list(shards()[0].parent.glob("*.partial"))
    assert len(leftovers) == (where == "write")
    x = images.load(f"folder:{folder}", 16)
    assert sorted(looked_at) == members(folder, slice(4 * finished, 14))
    assert torch.equal(x, expected(folder))
    assert not list(shards()[0].parent.glob("*.partial"))


def test_what_was_skipped_before_an_interruption_is_told_after_it(folder, monkeypatch):
    files = archives.find(f"folder:{folder}").files
    for path in (files[2], files[9]):
        path.write_bytes(path.read_bytes()[:100])
    with monkeypatch.context() as patch:
        patch.setattr(pools, "distinct", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.warns(UserWarning, match="2 of 14 files skipped"), pytest.raises(KeyboardInterrupt):
            images.load(f"folder:{folder}", 16)
    with pytest.warns(UserWarning, match=f"2 of 14 files skipped: {files[2].name}: .*{files[9].name}: ") as record:
        x = images.load(f"folder:{folder}", 16)
    assert len(record) == 1
    assert len(x) == 12


def test_two_processes_build_once(folder, tmp_path):
    script = textwrap.dedent("""
        import hashlib, sys, time, warnings
        from pathlib import Path
        from ghr.images import pools
        warnings.simplefilter("error")
        pools.SHARD, read, read_image = 4, [], pools.read_image
        pools.read_image = lambda *arguments: time.sleep(0.02) or read.append(None) or read_image(*arguments)
        meet()
        x = pools.pool("folder:" + sys.argv[1], 16)[:]
        print(len(read), hashlib.sha256(x.tobytes()).hexdigest())
    """)
    (read_a, sum_a), (read_b, sum_b) = race(script, tmp_path / "meeting", str(folder))
    assert sorted([int(read_a), int(read_b)]) == [0, 14]
    pixels = (255 * expected(folder)[:, 0]).round().numpy().astype(np.uint8)
    assert sum_a == sum_b == hashlib.sha256(pixels.tobytes()).hexdigest()


def test_a_cache_that_cannot_be_written_serves_what_is_whole(folder, monkeypatch):
    x = images.load(f"folder:{folder}", 16)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # what a user without permission meets
    assert torch.equal(images.load(f"folder:{folder}", 16), x)
    with pytest.raises(OSError, match=r"is unusable .no permission to write.: set GHR_CACHE to a writable one"):
        images.load(f"folder:{folder}", 8)
    shards()[2].unlink()
    with pytest.raises(OSError, match="is unusable"):
        images.load(f"folder:{folder}", 16)


def test_black_images_are_skipped_as_they_show_nothing(folder):
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(folder / "black.png")
    with pytest.warns(UserWarning, match="1 of 15 files skipped: black.png: all its pixels are black"):
        assert len(images.load(f"folder:{folder}", 16)) == 14
