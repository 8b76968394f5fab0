"""Decoding: odd metadata, wide values, suffixes, bombs and flat pictures; files as their writers make them."""

import errno
import os
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, TiffImagePlugin

from ghr import images
from ghr.images import decoding, pools


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GHR_CACHE", str(tmp_path / "cache"))


def unlike(n=3, h=19, w=23):
    """n unlike images with values from 0 to 1, both of which occur in each."""
    shares = np.random.default_rng(1).random((n, h, w))
    shares -= shares.min((1, 2), keepdims=True)
    return shares / shares.max((1, 2), keepdims=True)


def folder_of(tmp_path, shares, as_image, suffix=".tif", **options):
    """A folder of the images in another type."""
    folder = tmp_path / "set"
    folder.mkdir(exist_ok=True)
    for k, share in enumerate(shares):
        as_image(share).save(folder / f"{k:03d}{suffix}", **options)
    return folder


def ordered(folder, size=16):
    """Images in the order of their files' names."""
    x, files = images.load(f"folder:{folder}", size), images.files(f"folder:{folder}", size)
    return x[np.argsort(files), 0].numpy()


def plainly(shares, size=16):
    """What 8-bit files of the same images give."""
    h, w = shares.shape[1:]
    box = ((w - min(h, w)) / 2, (h - min(h, w)) / 2, (w + min(h, w)) / 2, (h + min(h, w)) / 2)
    grey = [Image.fromarray((255 * share).astype(np.float32)) for share in shares]
    small = [np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box)) for image in grey]
    return np.stack(small).clip(0, 255) / 255


# Ranges -----------------------------------------------------------------------------------------------------------


def integers(dtype, low, high):
    return lambda share: Image.fromarray(np.round(low + (high - low) * share).astype(dtype))


def floats(low, high):
    return lambda share: Image.fromarray((low + (high - low) * share).astype(np.float32))


WIDE = {
    "float 0 to 1": (floats(0, 1), "float values 0 to 1 became 0 to 1"),
    "float -1 to 1": (floats(-1, 1), "float values -1 to 1 became 0 to 1"),
    "float 0 to 255": (floats(0, 255), "float values 0 to 255 became 0 to 1"),
    "float of other units": (floats(-1000, 3000), "float values -1000 to 3000 became 0 to 1"),
    "float of a small part": (floats(0, 0.01), "float values 0 to 0.01 became 0 to 1"),
    "float a little over 1": (floats(0, 1.5), "float values 0 to 1.5 became 0 to 1"),
    "12 bits in 16": (integers(np.uint16, 0, 4095), "16-bit values 0 to 4095 became 0 to 1"),
    "10 bits in 16": (integers(np.uint16, 0, 1023), "16-bit values 0 to 1023 became 0 to 1"),
    "8 bits in 16": (integers(np.uint16, 0, 255), "16-bit values 0 to 255 became 0 to 1"),
    "16 bits": (integers(np.uint16, 0, 65535), "16-bit values 0 to 65535 became 0 to 1"),
    "few levels in 16": (integers(np.uint16, 0, 9), "16-bit values 0 to 9 became 0 to 1"),
    "a narrow band of 16": (integers(np.uint16, 30_000, 30_900), "16-bit values 30000 to 30900 became 0 to 1"),
    "big endian": (integers(">u2", 0, 4095), "16-bit values 0 to 4095 became 0 to 1"),
    "32 bits": (integers(np.int32, 0, 10**6), "32-bit values 0 to 1e+06 became 0 to 1"),
    "signed": (integers(np.int32, -1024, 3071), "32-bit values -1024 to 3071 became 0 to 1"),
}


@pytest.mark.parametrize("kind", WIDE)
def test_wide_values_use_the_range_of_the_set_and_say_so(kind, tmp_path):
    as_image, sentence = WIDE[kind]
    shares = unlike()
    folder = folder_of(tmp_path, shares, as_image)
    levels = 9 if kind == "few levels in 16" else 255
    assert np.abs(ordered(folder) - plainly(np.round(levels * shares) / levels)).max() < 3 / 255
    assert sentence in images.account(f"folder:{folder}", 16)


def test_the_range_is_that_of_the_set_never_of_one_file(tmp_path):
    """A dark picture stays dark beside a bright one, whatever its own largest value is."""
    shares = unlike(2)
    shares[1] *= 0.1
    x = ordered(folder_of(tmp_path, shares, integers(np.uint16, 0, 4095)))
    assert np.abs(x - plainly(shares)).max() < 2 / 255
    assert x[1].max() < 0.12 < 0.8 < x[0].max()


def test_kinds_of_values_have_ranges_of_their_own(tmp_path):
    shares = unlike(3)
    folder = folder_of(tmp_path, shares[:1], floats(0, 1))
    integers(np.uint16, 0, 4095)(shares[1]).save(folder / "001.png")
    integers(np.uint8, 0, 255)(shares[2]).save(folder / "002.png")
    assert np.abs(ordered(folder) - plainly(shares)).max() < 3 / 255
    assert images.account(f"folder:{folder}", 16).endswith(
        "3 files found, 3 used; 16-bit values 0 to 4095 became 0 to 1; float values 0 to 1 became 0 to 1."
    )


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_white_may_be_zero(dtype, tmp_path):
    shares = unlike()
    top = 1 if dtype == np.float32 else 4095
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[262] = 0
    folder = folder_of(tmp_path, 1 - shares, lambda share: Image.fromarray((top * share).astype(dtype)), tiffinfo=info)
    with Image.open(folder / "000.tif") as image:
        assert image.tag_v2[262] == 0
    assert np.abs(ordered(folder) - plainly(shares)).max() < 2 / 255


def test_32_bits_without_a_sign_have_none(tmp_path):
    """Pillow reads them as if they had one."""
    shares = unlike()
    folder = folder_of(tmp_path, shares, integers(np.int32, 0, 1000))
    for k, share in enumerate(shares):
        pixels = np.round(share * (2**32 - 1)).astype(np.uint32)
        file = folder / f"{k:03d}.tif"
        Image.fromarray(pixels.view(np.int32)).save(file)
        sample_format = struct.pack("<HHI", 339, 3, 1)
        file.write_bytes(file.read_bytes().replace(sample_format + b"\2", sample_format + b"\1"))
    with Image.open(folder / "000.tif") as image:
        assert np.asarray(image).min() < 0
    assert np.abs(ordered(folder) - plainly(shares)).max() < 2 / 255


def test_what_says_nothing_of_the_range_is_not_asked(tmp_path):
    """A file that is too small, and one that is not finite: neither is used, neither stretches the others."""
    shares = unlike()
    folder = folder_of(tmp_path, shares, floats(0, 1))
    Image.fromarray(np.full((9, 9), 1e6, np.float32)).save(folder / "small.tif")
    Image.fromarray(np.full((20, 20), np.inf, np.float32)).save(folder / "inf.tif")
    with pytest.warns(UserWarning, match="2 of 5 files skipped"):
        assert np.abs(ordered(folder) - plainly(shares)).max() < 2 / 255


def test_8_bits_of_which_hardly_any_are_used_are_refused(tmp_path):
    """Training would report an excellent PSNR."""
    folder = folder_of(tmp_path, unlike(), integers(np.uint8, 3, 12), ".png")
    with pytest.raises(
        ValueError, match="use the grey values . to 1. of 0 to 255 only, less than a twentieth"
    ) as error:
        images.load(f"folder:{folder}", 16)
    assert "\n" not in str(error.value)


def test_one_hot_pixel_does_not_hide_that_the_rest_is_empty(tmp_path):
    shares = unlike(60) * 0.02
    shares[0, 9, 9] = 1
    folder = folder_of(tmp_path, shares, floats(0, 1))
    with pytest.raises(ValueError, match="less than a twentieth"):
        images.load(f"folder:{folder}", 16)


def test_only_black_pictures_are_called_black(tmp_path):
    folder = folder_of(tmp_path, unlike(), floats(0, 1))
    Image.fromarray(np.zeros((20, 20), np.float32)).save(folder / "black.tif")
    Image.fromarray(np.full((20, 20), 1e-3, np.float32)).save(folder / "dark.tif")
    with pytest.warns(UserWarning, match="2 of 5 files skipped") as record:
        images.load(f"folder:{folder}", 16)
    message = str(record[0].message)
    assert "black.tif: all its pixels are black" in message
    assert "dark.tif: its pixels are darker than half a grey value" in message


def test_signed_8_bits_are_skipped_by_name(tmp_path):
    folder = folder_of(tmp_path, unlike(), integers(np.uint8, 0, 255), ".png")
    Image.fromarray(np.eye(20, dtype=np.uint8)).save(folder / "signed.tif", tiffinfo={339: 2})
    with pytest.warns(UserWarning, match="1 of 4 files skipped: signed.tif: signed 8-bit values"):
        images.load(f"folder:{folder}", 16)


# Metadata ---------------------------------------------------------------------------------------------------------


def gps_as_text():
    """A latitude of three digits as text, where EXIF wants three fractions: Pillow cannot write it back."""
    entry = struct.pack("<HHI4s", 2, 2, 4, b"48N\0")
    gps = struct.pack("<H", 1) + entry + bytes(4)
    head = b"II*\0" + struct.pack("<I", 8)
    tags = struct.pack("<H", 2) + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHII", 0x8825, 4, 1, 38)
    return b"Exif\0\0" + head + tags + bytes(4) + gps


def text_orientation():
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHI4s", 0x0112, 2, 4, b"six\0") + bytes(4)


@pytest.mark.parametrize(
    ("exif", "turned"), [(gps_as_text(), True), (text_orientation(), False), (b"Exif\0\0II*", False)]
)
def test_a_picture_that_decodes_is_used_whatever_its_metadata_are(exif, turned, tmp_path):
    pixels = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (64, 1))  # dark at the left
    stored = np.ascontiguousarray(np.rot90(pixels, 1)) if turned else pixels
    folder = tmp_path / "set"
    folder.mkdir()
    Image.fromarray(stored).save(folder / "odd.jpg", exif=exif, quality=95)
    x = images.load(f"folder:{folder}", 16)
    assert x.shape == (1, 1, 16, 16)
    assert (x[0, 0, :, 1:] - x[0, 0, :, :-1] > 0).all()


def test_whatever_a_decoder_raises_concerns_one_file(tmp_path, monkeypatch):
    folder = folder_of(tmp_path, unlike(12), integers(np.uint8, 0, 255), ".png")
    kinds = [TypeError, KeyError, IndexError, ZeroDivisionError, AttributeError, struct.error, OverflowError, OSError]
    read = pools.read_image

    def sometimes(file, *rest):
        if int(file.stem) < len(kinds):
            raise kinds[int(file.stem)]("odd")
        return read(file, *rest)

    monkeypatch.setattr(pools, "read_image", sometimes)
    with pytest.warns(UserWarning, match="8 of 12 files skipped: .*odd"):
        assert len(images.load(f"folder:{folder}", 16)) == 4


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), MemoryError("no memory")])
def test_the_machines_trouble_is_no_fault_of_a_file(error, tmp_path, monkeypatch):
    """Else a picture would be left out for ever."""
    folder = folder_of(tmp_path, unlike(), integers(np.uint8, 0, 255), ".png")
    with monkeypatch.context() as patch:
        patch.setattr(pools, "read_image", lambda *_: (_ for _ in ()).throw(error))
        with pytest.raises(type(error), match="Too many open files|no memory"):
            images.load(f"folder:{folder}", 16)
    assert len(images.load(f"folder:{folder}", 16)) == 3


@pytest.mark.parametrize("suffix", [".tif", ".png", ".webp"])
def test_other_formats_are_turned_too(suffix, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    pixels = np.tile(np.linspace(0, 255, 40).astype(np.uint8), (64, 1))
    Image.fromarray(np.ascontiguousarray(np.rot90(pixels, 1))).save(tmp_path / f"a{suffix}", exif=exif)
    x = decoding.read_image(tmp_path / f"a{suffix}", 16).astype(int)
    assert (np.diff(x, axis=1) > 0).all()


# What is found ----------------------------------------------------------------------------------------------------


def test_files_of_many_suffixes_and_of_none_are_read(tmp_path):
    shares = unlike(7)
    folder = tmp_path / "set"
    folder.mkdir()
    forms = {
        ".png": "PNG",
        ".avif": "AVIF",
        ".jfif": "JPEG",
        ".jp2": "JPEG2000",
        "": "PNG",
        ".TGA": "TGA",
        ".mpo": "JPEG",
    }
    for k, (suffix, form) in enumerate(forms.items()):
        integers(np.uint8, 0, 255)(shares[k]).save(folder / f"{k}{suffix}", form)
    (folder / "README").write_text("Photographs by their owner. " * 50)
    assert len(images.load(f"folder:{folder}", 16)) == 7
    line = images.account(f"folder:{folder}", 16)
    assert line == f"{folder}: 8 files found, 7 used; passed over: 1 without a suffix that are no images."


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_all_that_is_passed_over_is_counted_with_its_reason(tmp_path):
    shares = unlike(6)
    folder = folder_of(tmp_path, shares, integers(np.uint8, 0, 255), ".png")
    other = tmp_path / "other"
    other.mkdir()
    (folder / "linked").symlink_to(other)
    (folder / "gone.png").symlink_to(tmp_path / "nowhere")
    (folder / "notes.txt").touch()
    (folder / "more.txt").touch()
    (folder / "table.csv").touch()
    for name in ("._000.png", "._001.png", ".DS_Store"):
        (folder / name).write_bytes(b"\0\5\x16\7")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "002.png").write_bytes(b"no image")
    (folder / "copy.png").write_bytes((folder / "003.png").read_bytes())
    integers(np.uint8, 0, 255)(shares[0][:9]).save(folder / "small.png")
    pages = [integers(np.uint8, 0, 255)(share) for share in unlike(8)[6:]]
    pages[0].save(folder / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.warns(UserWarning, match="1 of 9 files skipped"):
        x = images.load(f"folder:{folder}", 16)
    assert len(x) == 7
    line = images.account(f"folder:{folder}", 16)
    assert line.startswith(f"{folder}: 16 files found, 7 used; passed over: 1 near-duplicates, 1 that cannot be used ")
    for words in (
        "(small.png: 23x9 pixels, smaller than 16)",
        "3 of other kinds (.csv, .txt)",
        "1 links to nothing, pipes or devices (gone.png)",
        "3 leftovers of macOS (.DS_Store, ._000.png, ._001.png)",
        "1 sub-folders of macOS (__MACOSX)",
        "1 sub-folders that are links (linked)",
        "of 1 files with several pages or frames the first is used",
    ):
        assert words in line
    assert "\n" not in line


def test_a_sub_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    folder = folder_of(tmp_path, unlike(), integers(np.uint8, 0, 255), ".png")
    (folder / "closed").mkdir()
    scandir = os.scandir

    def closed(path):
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert "1 sub-folders that cannot be read (closed)" in images.account(f"folder:{folder}", 16)


def test_samples_keep_their_copies(tmp_path):
    """A training set wants distinct images; of samples the copies are what is counted."""
    shares = np.repeat(unlike(3), 4, axis=0) * np.linspace(0.9, 1, 12)[:, None, None]
    folder = folder_of(tmp_path, shares, integers(np.uint8, 0, 255), ".png")
    assert len(images.load(f"folder:{folder}", 16)) == 3
    assert len(images.load(f"folder:{folder}", 16, distinct=False)) == 12
    assert len(images.files(f"folder:{folder}", 16, distinct=False)) == 12
    assert "12 files found, 3 used; passed over: 9 near-duplicates" in images.account(f"folder:{folder}", 16)
    assert images.account(f"folder:{folder}", 16, distinct=False).endswith("12 files found, 12 used.")


def test_flat_pictures_of_one_level_are_duplicates_of_each_other():
    levels = [255, 255, 40, 255, 41, 40]
    flat = [np.full((9, 13), level, np.uint8) for level in levels]
    texture = np.random.default_rng(0).integers(0, 256, (9, 13)).astype(np.uint8)
    assert pools.distinct([*flat, texture, flat[2], texture]).tolist() == [0, 2, 4, 6]
    assert pools.distinct([*flat, texture, flat[2], texture], block=2).tolist() == [0, 2, 4, 6]


# Bombs ------------------------------------------------------------------------------------------------------------


def claiming(w, h, more=9):
    """A PNG file whose header claims w x h pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 0, 0, 0, 0)), (b"IDAT", bytes(more))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.mark.parametrize("side", [10_000, 10**6])
def test_a_small_broken_file_that_claims_gigabytes_is_skipped(side, tmp_path):
    folder = folder_of(tmp_path, unlike(), integers(np.uint8, 0, 255), ".png")
    (folder / "broken.png").write_bytes(claiming(side, side))
    with pytest.warns(UserWarning, match="1 of 4 files skipped: broken.png: broken, or too large to open safely"):
        assert len(images.load(f"folder:{folder}", 16)) == 3


def test_all_files_that_are_too_large_are_named_at_once(tmp_path):
    folder = folder_of(tmp_path, unlike(), integers(np.uint8, 0, 255), ".png")
    for k in range(12):
        (folder / f"huge{k:02d}.png").write_bytes(claiming(10_000, 20_000, more=30_000))
    with pytest.raises(ValueError, match="12 files are too large to open safely: .*; and 2 more. Shrink them") as error:
        images.load(f"folder:{folder}", 16)
    assert str(error.value).count("huge") == 10
    assert "\n" not in str(error.value)


def test_postscript_is_handed_to_no_other_program(tmp_path):
    folder = folder_of(tmp_path, unlike(), integers(np.uint8, 0, 255), ".png")
    (folder / "program.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n")
    with pytest.warns(UserWarning, match="program.png: not in a format that Pillow knows"):
        images.load(f"folder:{folder}", 16)


def test_a_set_is_read_without_a_word_when_all_is_well(tmp_path):
    folder = folder_of(tmp_path, unlike(), integers(np.uint8, 0, 255), ".png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = images.load(f"folder:{folder}", 16)
    assert isinstance(x, torch.Tensor)
