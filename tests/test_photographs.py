"""Photographs: halves and test images that share no pixel, patches with contrast, whole attribution."""

import re

import numpy as np
import pytest
from PIL import Image

from ghr import images
from ghr.images import photographs


def ramp(w, h):
    """A photograph whose every pixel says where it is: its column, at every scale."""
    return Image.fromarray(np.tile(np.linspace(0, 255, w, dtype=np.float32), (h, 1)).astype(np.uint8))


def test_every_photograph_has_a_line_that_says_who_took_it():
    text = (photographs.FOLDER / "ATTRIBUTION.md").read_text()
    licence = r"(?:CC BY(?:-SA)? [234]\.0|CC0 1\.0|public domain)"
    lines = re.findall(rf"^\| (\w+\.webp) \| .+ \| .+ \| {licence} \| .+ \|$", text, re.MULTILINE)
    assert sorted(lines) == sorted(path.name for path in photographs.FOLDER.glob("*.webp"))


def test_photographs_have_one_of_the_long_sides():
    for path in photographs.FOLDER.glob("*.webp"):
        with Image.open(path) as opened:
            assert max(opened.size) in photographs.LONG_SIDES


def test_parts_share_no_pixel(tmp_path, monkeypatch):
    """New pixels in the regions of one part leave every patch of the others as it was."""
    rng = np.random.default_rng(1)
    drawing = rng.integers(0, 255, (90, 120), dtype=np.uint8)
    monkeypatch.setattr(photographs, "FOLDER", tmp_path)
    monkeypatch.setattr(photographs, "LONG_SIDES", (40, 70, 120))

    def cut():
        Image.fromarray(drawing).save(tmp_path / "a.webp", lossless=True)
        photographs._parts.cache_clear()
        return photographs.patches(8)

    before = cut()
    places = (np.random.default_rng(0).permutation(5 * 3) + 0.5) / 15
    owners = np.searchsorted([0.45, 0.9], places).reshape(3, 5)
    for part in range(3):
        kept = drawing.copy()
        for row, column in np.argwhere(owners == part):
            drawing[24 * row : 24 * row + 24, 24 * column : 24 * column + 24] = rng.integers(0, 255, (24, 24))
        after = cut()
        assert all(np.array_equal(before[k], after[k]) for k in range(3) if k != part)
        assert not np.array_equal(before[part], after[part])
        drawing = kept
    photographs._parts.cache_clear()


def test_regions_say_which_patches_were_cut_together(tmp_path, monkeypatch):
    """Each region of this photograph has one grey of its own, between black lines: nine patches with contrast."""
    monkeypatch.setattr(photographs, "FOLDER", tmp_path)
    monkeypatch.setattr(photographs, "LONG_SIDES", (40, 120))
    greys = np.arange(60, 60 + 12 * 15, 12, dtype=np.uint8).reshape(3, 5)
    drawing = greys.repeat(24, 0).repeat(24, 1)
    drawing[::2] = 0
    Image.fromarray(drawing).save(tmp_path / "a.webp", lossless=True)
    photographs._parts.cache_clear()
    parts, labels = photographs.patches(8), photographs.regions(8)
    photographs._parts.cache_clear()
    found = []
    for part, region in zip(parts, labels, strict=True):
        assert len(part) == len(region)
        for label in np.unique(region):
            (grey,) = {patch.max() for patch in part[region == label] if patch.min() == 0}
            found.append(grey)
    assert sorted(found) == greys.ravel().tolist()


def test_a_region_gives_patches_that_cover_it_at_every_scale_of_its_photograph():
    """One at 400, four at 700, nine at 1,200; none at a scale larger than the photograph."""
    assert len(photographs._cut(ramp(96, 96), 32, 3)) == 1 + 4 + 9
    assert len(photographs._cut(ramp(56, 56), 32, 1.75)) == 1 + 4
    assert len(photographs._cut(ramp(32, 32), 32, 1)) == 1
    nine = photographs._cut(ramp(96, 96), 32, 3)[-9:]
    assert np.array_equal(np.block([[nine[0], nine[1], nine[2]]]), np.asarray(ramp(96, 96))[:32])


@pytest.mark.parametrize("size", [16, 32])
def test_patches_have_contrast_and_are_not_repeated(size):
    a, b, held_out = photographs.patches(size)
    for part in (a, b, held_out):
        assert part.std((1, 2)).min() >= 255 * photographs.CONTRAST
        assert len(np.unique(part.reshape(len(part), -1), axis=0)) == len(part)


def test_counts_of_the_laptop_scale():
    """As the docstring and the table of runs say; other pixels would be other runs."""
    assert [len(part) for part in photographs.patches(32)] == [4454, 4511, 1009]


def test_halves_are_the_first_patches_in_the_order_of_their_regions():
    """Labels are cut as images are: image k of a half is patch k, whose region is label k."""
    for n in (10, 1000):
        split = images.split("photographs", 32, n)
        for part, patches in zip(split, photographs.patches(32), strict=True):
            assert np.array_equal((255 * part[:, 0]).round().byte().numpy(), patches[: len(part)])
        assert [len(part) for part in split] == [n, n, 1009]


@pytest.mark.parametrize("n", [0, 100_000])
def test_more_photographs_than_there_are_is_refused(n):
    with pytest.raises(ValueError, match=f"n={n} photographs wanted in each half, but there are 1 to"):
        images.split("photographs", 32, n)


def test_patches_too_large_for_the_test_part_are_refused():
    """At 160 pixels a photograph has two or four regions, none for the test; far larger ones do not fit at all."""
    for size in (160, 500):
        with pytest.raises(ValueError, match=f"{size} pixels .*: use a smaller size"):
            photographs.patches(size)
