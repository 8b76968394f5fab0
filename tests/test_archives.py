"""CelebA and LSUN: small archives of the same formats are read as the paper reads the large ones, or told apart."""

import io
import os
import shutil
import sys
import zipfile

import lmdb
import numpy as np
import pytest
import torch
from PIL import Image

from ghr import images, recipes, runs
from ghr.images import archives, pools

COPY, ORIGINAL = 7, 3  # the copy is the darker


@pytest.fixture(autouse=True)
def data(monkeypatch, tmp_path):
    """An empty data folder and an empty cache."""
    monkeypatch.setenv("GHR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GHR_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def jpeg(pixels, form="JPEG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, quality=92)
    return file.getvalue()


def faces(w=178, h=218, n=40):
    """n unlike colour images as JPEG by name; one is a near-duplicate."""
    pixels = np.random.default_rng(0).integers(0, 256, (n, h // 9 + 1, w // 9 + 1, 3)).repeat(9, 1).repeat(9, 2)
    pixels = pixels[:, :h, :w].astype(np.uint8)
    pixels[COPY] = 20 + 0.7 * pixels[ORIGINAL]
    return {f"{k:06d}.jpg": jpeg(image) for k, image in enumerate(pixels, 1)}


def partition(data, names):
    (data / "celeba").mkdir(parents=True, exist_ok=True)
    lines = (f"{name} {k * 3 // len(names)}\n" for k, name in enumerate(names))
    (data / "celeba" / "list_eval_partition.txt").write_text("".join(lines))


def zipped(data, members, folder="img_align_celeba/"):
    """Stored in reverse order, with what a Mac adds."""
    path = data / "celeba" / "img_align_celeba.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__MACOSX/img_align_celeba/._000001.jpg", b"of no use")
        for name, content in reversed(members.items()):
            archive.writestr(folder + name, content)
    return path


def unpacked(data, members):
    folder = data / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    for name, content in members.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def celeba(data):
    members = faces()
    partition(data, members)
    zipped(data, members)
    return members


def plainly(content, size):
    """The authors' recipe in their words: [29:-29, 9:-9], bicubic, /255, mean of the colours."""
    pixels = np.asarray(Image.open(io.BytesIO(content)))[29:-29, 9:-9]
    assert pixels.shape == (160, 160, 3)
    return (np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)) / 255).mean(-1)


@pytest.mark.parametrize("size", [80, 33])
@pytest.mark.parametrize("kind", [zipped, unpacked])
def test_celeba_is_prepared_as_in_the_paper_in_its_order_without_near_duplicates(data, kind, size):
    members = faces()
    partition(data, members)
    kind(data, members)
    x = images.load("celeba", size)
    expected = np.stack([plainly(content, size) for k, content in enumerate(members.values()) if k != COPY])
    assert x.shape == (39, 1, size, size)
    assert x.dtype == torch.float32
    assert np.abs(x[:, 0].numpy() - expected).max() <= 0.5 / 255 + 1e-6  # kept as whole grey values
    assert torch.equal(images.load("celeba", size, 5), x[:5])


def test_a_zip_of_another_folder_depth_is_the_same(data, celeba):
    x = images.load("celeba", 20)
    zipped(data, celeba, "img_align_celeba/img_align_celeba/")
    assert torch.equal(images.load("celeba", 20), x)


def test_the_order_is_that_of_the_partition_file(data, celeba):
    x = images.load("celeba", 20)
    partition(data, [*list(celeba)[20:], *list(celeba)[:20]])
    assert torch.equal(images.load("celeba", 20), torch.cat([x[19:], x[:19]]))


def test_a_run_on_celeba_reads_two_halves_and_test_images_and_no_more(celeba, monkeypatch):
    x = images.load("celeba", 20)
    read, getitem = [], pools.Pool.__getitem__
    monkeypatch.setattr(
        pools.Pool, "__getitem__", lambda pool, at: read.append((at.start, at.stop)) or getitem(pool, at)
    )
    run = recipes.Run(images="celeba", size=20, scales=2, n=10, held_out=5)
    a, b, held_out = runs.data(run)
    assert run.name.startswith("celeba-20px-n10-A-")
    assert torch.equal(a, x[:10])
    assert torch.equal(b, x[29:])
    assert torch.equal(held_out, x[17:22])
    assert read == [(0, 10), (29, 39), (17, 22)]
    read.clear()
    assert torch.equal(images.held_out("celeba", 20, 10, 5), held_out)
    assert read == [(17, 22)]
    assert torch.equal(images.split("celeba", 20, 10, 5, pool=30).b, x[20:30])
    with pytest.raises(
        ValueError, match="40 images wanted: .*img_align_celeba.zip: 40 files found, 39 used; passed over: 1 near-dupl"
    ):
        images.split("celeba", 20, 10, 5, pool=40)
    with pytest.raises(ValueError, match="need 41 images, but the pool has 39"):
        images.split("celeba", 20, 20)


def test_pixels_are_shuffled_as_those_of_any_set(celeba):
    assert torch.equal(
        images.load("celeba-shuffled", 20).flatten(1).sort().values, images.load("celeba", 20).flatten(1).sort().values
    )


def test_what_cannot_be_read_is_skipped_by_name(data, celeba):
    """In a zip: a flipped byte, found by the checksum of the member; text instead of an image."""
    content = {**celeba, "000012.jpg": b"no image"}
    path = zipped(data, content)
    raw = bytearray(path.read_bytes())
    raw[raw.index(celeba["000020.jpg"]) + 2000] ^= 1
    path.write_bytes(raw)
    with pytest.warns(UserWarning, match="2 of 40 files") as record:
        x = images.load("celeba", 20)
    (message,) = (str(w.message) for w in record)
    assert message.startswith(
        "2 of 40 files skipped: 000012.jpg: not in a format that Pillow knows; 000020.jpg: Bad CRC"
    )
    assert len(x) == 37
    images.load("celeba", 20)  # told once


def truncated(path):
    path.write_bytes(path.read_bytes()[:-5000])


def replaced(data, name, pixels):
    members = faces()
    partition(data, members)
    zipped(data, {**members, name: jpeg(pixels)})


def without(mapping, *names):
    return {name: content for name, content in mapping.items() if name not in names}


OTHER = np.full((200, 178, 3), 9, np.uint8)
LIST, ZIP, FOLDER = "celeba/list_eval_partition.txt", "celeba/img_align_celeba.zip", "celeba/img_align_celeba"
GET = "get img_align_celeba.zip and list_eval_partition.txt from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
BROKEN = {
    "no images": (lambda d: (d / ZIP).unlink(), f"There is no .*{FOLDER}: {GET} and put both into .*celeba.$"),
    "no partition file": (lambda d: (d / LIST).unlink(), f"There is no .*{LIST}: {GET}"),
    "nothing at all": (lambda d: shutil.rmtree(d), f"There is no .*{FOLDER}: {GET}"),
    "zip cut short": (lambda d: truncated(d / ZIP), r"celeba.zip is cut short or no zip file .*: get it again"),
    "no zip": (lambda d: (d / ZIP).write_text("<html>quota exceeded</html>"), "is cut short or no zip file"),
    "a line less": (lambda d: partition(d, list(faces())[:-1]), f"{LIST} lacks 1 images of .*, first 000040.jpg"),
    "no lines": (lambda d: partition(d, []), f"{LIST} lacks 40 images of .*, first 000001.jpg"),
    "a line twice": (lambda d: partition(d, [*faces(), "000001.jpg"]), f"{LIST} is empty or repeats a name"),
    "a line cut short": (
        lambda d: (d / LIST).write_text((d / LIST).read_text()[:-7]),
        'Line 40 of .* is "000040", not like "000001.jpg 0"',
    ),
    "a path as a name": (lambda d: (d / LIST).write_text("../../secret.jpg 0\n"), "Line 1 of .* is"),
    "an image less": (
        lambda d: zipped(d, without(faces(), "000005.jpg", "000031.jpg")),
        "celeba.zip lacks 2 of 40 images, first 000005.jpg: get it again",
    ),
    "another size": (
        lambda d: replaced(d, "000009.jpg", OTHER),
        "000009.jpg in .*celeba.zip is 178x200 pixels, but all should be 178x218",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_celeba_that_is_not_whole_is_told_in_one_sentence(data, celeba, how):
    damage, message = BROKEN[how]
    damage(data)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        images.load("celeba", 20)
    assert "\n" not in str(error.value)


def test_an_unpacked_celeba_that_is_not_whole_is_told(data):
    members = faces()
    partition(data, members)
    folder = unpacked(data, without(members, "000005.jpg"))
    with pytest.raises(ValueError, match="img_align_celeba lacks 1 of 40 images, first 000005.jpg"):
        images.load("celeba", 20)
    (folder / "000005.jpg").write_bytes(members["000005.jpg"])
    (folder / "000041.jpg").write_bytes(members["000005.jpg"])
    with pytest.raises(ValueError, match="lacks 1 images of .*, first 000041.jpg"):
        images.load("celeba", 20)


def test_more_pixels_than_the_crop_has_are_refused(celeba):
    assert images.load("celeba", 160, 1).shape == (1, 1, 160, 160)
    with pytest.raises(ValueError, match="161 pixels wanted, but of celeba the central 160 are used"):
        images.load("celeba", 161)


def test_data_lie_in_the_cache_folder_unless_told_otherwise(data, celeba, monkeypatch, tmp_path):
    x = images.load("celeba", 20)
    monkeypatch.delenv("GHR_DATA")
    with pytest.raises(FileNotFoundError, match=f"put both into {tmp_path}/cache/data/celeba"):
        images.load("celeba", 20)
    shutil.copytree(data, tmp_path / "cache" / "data")
    assert torch.equal(images.load("celeba", 20), x)


# LSUN -------------------------------------------------------------------------------------------------------------


def rooms():
    """As the LMDB holds them: webp by hash, 256 pixels on the shorter side."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (12, 32, 40, 3)).repeat(8, 1).repeat(8, 2).astype(np.uint8)
    return {rng.bytes(20).hex(): jpeg(image, "WEBP") for image in pixels}


def database(data, values):
    folder = data / "lsun-bedroom" / "bedroom_train_lmdb"
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=2**24) as environment, environment.begin(write=True) as transaction:
        for key, value in values.items():
            transaction.put(key.encode(), value)
    return folder / "data.mdb"


def test_bedrooms_of_the_database_come_in_the_order_of_their_keys(data, monkeypatch):
    values = rooms()
    database(data, values)
    x = images.load("lsun-bedroom", 32)
    expected = np.stack([pools.read_image(io.BytesIO(values[key]), 32) for key in sorted(values)])
    assert torch.equal(x[:, 0], torch.from_numpy(expected).float() / 255)
    monkeypatch.setitem(sys.modules, "lmdb", None)  # the cache does not need it
    assert torch.equal(images.load("lsun-bedroom", 32), x)
    with pytest.raises(ImportError, match=r"Reading .*bedroom_train_lmdb needs lmdb: pip install -e '\.\[lsun\]'"):
        images.load("lsun-bedroom", 16)


def test_only_the_first_bedrooms_are_looked_at(data, monkeypatch):
    database(data, rooms())
    x = images.load("lsun-bedroom", 32)
    monkeypatch.setattr(archives, "BEDROOMS", 5)
    shutil.rmtree(os.environ["GHR_CACHE"])
    assert torch.equal(images.load("lsun-bedroom", 32), x[:5])


def test_bedrooms_of_a_folder_are_those_of_any_folder(data):
    for k, content in enumerate(rooms().values()):
        folder = data / "lsun-bedroom" / str(k % 3) / "deep"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{k}.webp").write_bytes(content)
    x = images.load("lsun-bedroom", 32)
    assert len(x) == 12
    assert torch.equal(x, images.load(f"folder:{data}/lsun-bedroom", 32))


def test_a_bedroom_that_cannot_be_read_is_skipped_by_its_key(data):
    values = rooms()
    key = sorted(values)[4]
    database(data, {**values, key: values[key][:300]})
    with pytest.warns(UserWarning, match=f"1 of 12 files skipped: {key}: "):
        assert len(images.load("lsun-bedroom", 32)) == 11


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty"])
def test_a_database_that_is_not_whole_is_told(data, damage):
    """LMDB itself would die of a bus error behind the end of a file that was cut short."""
    path = database(data, {} if damage == "empty" else rooms())
    if damage != "empty":
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else bytes(len(content)))
    with pytest.raises(ValueError, match=r"data.mdb cannot be read \(.*\): get it again"):
        images.load("lsun-bedroom", 32)


@pytest.mark.parametrize("packed", [False, True])
def test_missing_bedrooms_are_told(data, packed):
    if packed:
        (data / "lsun-bedroom").mkdir(parents=True)
        (data / "lsun-bedroom" / "bedroom_train_lmdb.zip").write_bytes(b"still packed")
    words = "There is neither .*data.mdb nor any image in .*: get .* from https://www.yf.io/p/lsun and put .* there"
    with pytest.raises(FileNotFoundError, match=words):
        images.load("lsun-bedroom", 32)
