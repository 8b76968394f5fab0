"""Image sets: halves that share nothing, avatars decided by their index, a cache that survives."""

import hashlib
import os
import random
import sys
import textwrap
import warnings

import joblib
import numpy as np
import pytest
import torch
from conftest import race
from hypothesis import given
from hypothesis import strategies as st

from ghr import images
from ghr.files import cache
from ghr.images import avatars, synthetic

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
        ("mnist", 32, 1, 'Unknown image set "mnist": expected avatars, .*celeba, lsun-bedroom, .*folder:PATH; '),
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
    with pytest.raises(ImportError, match=r"Avatars need resvg_py: pip install -e '\.\[images\]'"):
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


@pytest.mark.parametrize(("name", "expected"), [("a.npz", {True, False}), ("a.npy", {True})])
def test_no_flipped_bit_of_a_cache_file_changes_a_pixel(tmp_path, name, expected):
    """One bit of each byte in turn, headers included: None, or (bytes that a zip does not use) the same pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7)).astype(np.uint8)
    path = tmp_path / name
    cache.write(path, pixels)
    assert np.array_equal(cache.read(path), pixels)
    content = path.read_bytes()
    outcomes = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(len(content)):
            path.write_bytes(content[:k] + bytes([content[k] ^ 1 << k % 8]) + content[k + 1 :])
            found = cache.read(path)
            assert found is None or np.array_equal(found, pixels)
            outcomes.add(found is None)
        for part in (b"", content[:3], content[:-1], content[: len(content) // 2], content + b"0"):
            path.write_bytes(part)
            assert cache.read(path) is None or name == "a.npz"
    assert outcomes == expected


def test_a_mapped_file_stays_on_the_disk(tmp_path):
    cache.write(tmp_path / "a.npy", np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    found = cache.read(tmp_path / "a.npy")
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable


def test_an_interrupted_build_goes_on_with_the_missing_shards(drawn):
    x = images.load("avatars", 8, 12)
    drawn.clear()
    shards()[1].rename(shards()[1].with_name("0001.npz.12345.partial"))  # killed before the rename
    assert torch.equal(images.load("avatars", 8, 12), x)
    assert drawn == [4, 5, 6, 7]


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        cache.write(tmp_path / "a.npz", np.zeros((1, 2, 2), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_two_writers_at_once_share_the_work(tmp_path):
    """Two processes start together on an empty cache: each shard is drawn once, both see whole shards."""
    script = textwrap.dedent("""
        import hashlib, sys, time, warnings
        from pathlib import Path
        import joblib
        from ghr import images
        from ghr.images import avatars
        warnings.simplefilter("error")
        avatars.SHARD, drawn, avatar = 10, [], avatars.avatar
        avatars.avatar = lambda index, size: drawn.append(index) or avatar(index, size)
        meet()
        with joblib.parallel_config(backend="sequential"):
            x = images.load("avatars", 8, 40)
        print(len(drawn), hashlib.sha256(x.numpy().tobytes()).hexdigest())
    """)
    (drawn_a, sum_a), (drawn_b, sum_b) = race(script, tmp_path / "meeting", GHR_CACHE=str(tmp_path / "cache"))
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


# Test images alone ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["discs", "ray-shuffled-4"])
def test_test_images_can_be_had_without_the_halves(name, monkeypatch):
    expected = images.split(name, 8, 1000, 50).held_out
    load, drawn = synthetic.load, []
    monkeypatch.setattr(synthetic, "load", lambda *key: drawn.append(key[2]) or load(*key))
    assert torch.equal(images.held_out(name, 8, 1000, 50), expected)
    assert name != "discs" or drawn == [50]
