"""`ghr check` as a user types it: two folders of files in, a share of copies and a page out."""

import csv
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import DESK, PHONE, hear
from PIL import Image

from ghr import check, copies, report

SIZE = 20


def pictures(n, seed=0, channels=1):
    """Smooth images, 24 by 22, 8 bits."""
    coarse = torch.rand(n, channels, 6, 7, generator=torch.Generator().manual_seed(seed))
    return (255 * torch.nn.functional.interpolate(coarse, (22, 24), mode="bilinear")).round().byte()


def save(x, folder, prefix=""):
    folder.mkdir(exist_ok=True)
    for k, image in enumerate(x.permute(0, 2, 3, 1).numpy()):
        Image.fromarray(image.squeeze()).save(folder / f"{prefix}{k:03d}.png")
    return folder


@pytest.fixture
def folders(tmp_path):
    """150 training images, 150 held out; of 60 samples 30 are copies of the first ten, mirrored, each three times."""
    x = pictures(360)
    train, held_out = save(x[:150], tmp_path / "train"), save(x[150:300], tmp_path / "held out")
    samples = save(x[300:330], tmp_path / "samples", "new")
    save(x[:10].flip(-1).repeat(3, 1, 1, 1), samples, "copy")
    return samples, train, held_out


def rows(out):
    return list(csv.DictReader(io.StringIO((out / "copies.csv").read_text())))


@pytest.fixture
def checked(ghr, folders, tmp_path):
    """checked(words) -> status, output, errors, output folder."""

    def run(*words, held_out=True):
        samples, train, others = folders
        given = ["--held-out", others] if held_out else []
        out = tmp_path / "out"
        found = ghr("check", samples, "--train", train, *given, "--size", SIZE, "--out", out, *words)
        return *found, out

    return run


def test_copies_are_counted_each_of_them_and_named(checked):
    """Half the samples are copies; that three are the same image loses none."""
    status, out, err, folder = checked()
    assert status == 0
    assert "60 files found, 60 used" in err
    first, null, verdict, page = out.splitlines()
    assert first == "No training image of 150 has a duplicate in the training set."
    assert null.startswith("150 held-out images cannot be copies. Of such images 0.66% (95% interval 0.0")
    low, value, high = (int(re.search(p, verdict)[1]) for p in (r"interval (\d+)%", r"About (\d+)%", r"to (\d+)%"))
    assert low <= 50 <= high
    assert value in (49, 50, 51)
    assert page == str(folder / "report.html")
    found = rows(folder)
    assert len(found) == 60
    assert {row["sample"][:4] for row in found[:30]} == {"copy"}
    for row in found[:30]:
        assert int(row["training"][:3]) == int(row["sample"][4:7]) % 10
        assert (row["suspicious"], row["mirrored"], row["down"], row["right"]) == ("True", "True", "0", "0")
        assert float(row["ratio"]) < 0.05
    assert (folder / "duplicates.csv").read_text() == "group,file\n"


@pytest.mark.parametrize(("limit", "status"), [(0, 1), (0.3, 1), (0.5, 0), (1, 0)])
def test_the_exit_status_tells_whether_the_interval_is_above_a_limit(checked, limit, status):
    found, _, err, folder = checked("--fail-above", limit)
    assert found == status
    said = f"ghr: more than {limit:.3g} of the samples are copies: see {folder / 'report.html'}."
    assert (err.splitlines()[-1] == said) == bool(status)


def test_without_copies_there_is_no_sign_of_any(ghr, folders, tmp_path):
    samples, train, _ = folders
    for file in samples.glob("copy*"):
        file.unlink()
    status, out, _ = ghr("check", samples, "--train", train, "--size", SIZE, "--fail-above", 0, "--out", tmp_path / "o")
    assert status == 0
    assert "No sign of copies: " in out
    assert "are copies that this test can see" in out


def test_without_held_out_images_training_images_stand_for_them(checked):
    status, out, _, _ = checked(held_out=False)
    assert status == 0
    assert "There are no held-out images: 150 random training images stand for them, each compared with the" in out
    assert re.search("About (49|50|51)% of the samples are copies", out)


def test_duplicates_in_the_training_set_are_told_first_and_hide_no_copies(checked, folders):
    """Exact, mirrored and nearly; their copies are copies all the same, with and without a null of one's own."""
    _, train, _ = folders
    x = pictures(360)
    save(torch.cat([x[:1], x[1:2].flip(-1)]), train, "again")
    Image.fromarray(x[2, 0].numpy()).save(train / "again.jpg", quality=60)
    _, out, _, folder = checked(held_out=False)
    assert out.startswith("6 of 153 training images have a duplicate in the training set, in 3 groups: what is seen")
    assert "9 of " in out.splitlines()[0]  # suspicious samples
    groups = {}
    for row in csv.DictReader(io.StringIO((folder / "duplicates.csv").read_text())):
        groups.setdefault(row["group"], set()).add(row["file"])
    assert sorted(map(sorted, groups.values())) == [
        ["000.png", "again000.png"],
        ["001.png", "again001.png"],
        ["002.png", "again.jpg"],
    ]
    assert re.search("About (49|50|51)% of the samples are copies", out)
    assert rows(folder)[0]["copies"] in "12"
    page = (folder / "report.html").read_text()
    assert "000.png = again000.png" in page or "again000.png = 000.png" in page


def test_colours_are_compared_when_asked(ghr, tmp_path):
    """Images that differ in their colours alone: grey, they all are one."""
    grey, tint = pictures(1).int() // 2 + 64, pictures(40, 1).int() // 4
    x = torch.cat([grey + tint, grey.expand_as(tint), grey - tint], 1).byte()
    train, samples = save(x[:30], tmp_path / "train"), save(x[25:], tmp_path / "samples")
    words = ("check", samples, "--train", train, "--size", SIZE)
    status, _, err = ghr(*words, "--out", tmp_path / "grey")
    assert status == 1
    assert "are the same: nothing can be told apart." in err
    assert ghr(*words, "--colour", "--out", tmp_path / "colour")[0] == 0
    found = rows(tmp_path / "colour")
    assert sorted(row["sample"] for row in found if row["suspicious"] == "True") == [f"{k:03d}.png" for k in range(5)]
    assert all(int(row["training"][:3]) == int(row["sample"][:3]) + 25 for row in found[:5])


@pytest.mark.filterwarnings("default")
def test_what_cannot_be_read_is_named_and_the_rest_is_used(checked, folders):
    (folders[0] / "cut.png").write_bytes(b"no image")
    (folders[0] / "notes.txt").touch()
    status, _, err, folder = checked()
    assert status == 0
    assert "ghr: 1 of 61 files skipped: cut.png" in err
    assert "62 files found, 60 used; passed over: 1 that cannot be used (cut.png: not in a format" in err
    assert len(rows(folder)) == 60
    assert "cut.png: not in a format" in (folder / "report.html").read_text()


@pytest.mark.filterwarnings("default")
def test_mixed_sizes_are_cropped_and_resized_and_small_ones_named(checked, folders):
    with Image.open(folders[0] / "new000.png") as image:
        image.resize((90, 60)).save(folders[0] / "wide.png")
        image.resize((19, 40)).save(folders[0] / "small.png")
    _, _, err, folder = checked()
    assert "small.png: 19x40 pixels, smaller than 20" in err
    names = {row["sample"] for row in rows(folder)}
    assert "wide.png" in names
    assert "small.png" not in names


# Bad input: one sentence each, before anything is compared ------------------------------------------------------------


@pytest.fixture
def refused(ghr, folders, tmp_path, monkeypatch):
    """refused(change) -> the sentence, when folders or words were changed; nothing is compared or written."""

    def none(*_, **__):
        raise AssertionError("compared")

    monkeypatch.setattr(copies, "search", none)

    def run(*words, samples=folders[0], train=folders[1], out=tmp_path / "out"):
        words = ("check", samples, "--train", train, "--out", out, *(words or ("--size", SIZE)))
        status, printed, err = ghr(*words)
        assert (status, printed) == (1, "")
        assert not (out / "report.html").exists() or (out / "report.html").read_text() == ""
        return [line for line in err.splitlines() if line.startswith("ghr: ")][-1]

    return run


def test_a_missing_folder(refused, tmp_path):
    assert refused(samples=tmp_path / "nowhere") == f"ghr: The samples folder {tmp_path / 'nowhere'} is not there."
    assert refused("--held-out", tmp_path / "no") == f"ghr: The held-out folder {tmp_path / 'no'} is not there."
    (tmp_path / "file").touch()
    assert refused(train=tmp_path / "file") == f"ghr: The training folder {tmp_path / 'file'} is a file."


def test_folders_that_overlap(refused, folders, tmp_path):
    samples, train, _ = folders
    assert refused(samples=train) == f"ghr: The training and the samples folder are one, {train}: give two."
    (tmp_path / "link").symlink_to(train)
    assert "are one" in refused("--held-out", tmp_path / "link")
    shutil.move(samples, train / "samples")
    said = f"ghr: The samples folder {train / 'samples'} lies inside the training folder {train}, whose sub-folders"
    assert refused(samples=train / "samples").startswith(said)


def test_no_images_and_one_image(refused, folders, tmp_path):
    (tmp_path / "empty").mkdir()
    assert refused(samples=tmp_path / "empty").startswith(f"ghr: The folder {tmp_path / 'empty'} holds no image files")
    save(pictures(1), tmp_path / "one")
    said = "ghr: The samples folder needs at least 2 images of use, but has 1. "
    assert refused(samples=tmp_path / "one").startswith(said)


@pytest.mark.filterwarnings("ignore")
def test_images_that_are_all_unreadable_or_too_small(refused, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no image")
    assert "could be used: a.png: not in a format" in refused(samples=tmp_path / "broken")
    assert refused("--size", 64).endswith("24x22 pixels, smaller than 64. Lower --size.")


def test_held_out_images_that_are_training_images(refused, folders):
    """Mirrored ones, too; they are named."""
    _, train, held_out = folders
    shutil.copy(train / "003.png", held_out / "taken.png")
    said = "ghr: 1 held-out images are training images (taken.png is 003.png): take them out of one."
    assert refused("--held-out", held_out, "--size", SIZE) == said


def test_numbers_out_of_range(refused):
    assert refused("--fail-above", 1.5) == "ghr: --fail-above is a share from 0 to 1, got 1.5."
    assert refused("--fail-above", -0.1) == "ghr: --fail-above is a share from 0 to 1, got -0.1."
    assert refused("--size", 15) == "ghr: --size must be at least 16 pixels, got 15."


def test_an_answer_is_not_written_over(refused, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").touch()
    said = f"ghr: There is report.html in {tmp_path / 'out'}: give another --out, or take it away."
    assert refused() == said
    (tmp_path / "file").touch()
    assert refused(out=tmp_path / "file").startswith(f"ghr: The output folder {tmp_path / 'file'} is unusable")


# The page -----------------------------------------------------------------------------------------------------------


def test_the_page_asks_for_nothing_and_fits(checked, folders, chromium):
    """In light and dark, on a desk and a phone; odd names are words, not markup; pictures are there."""
    odd = "<b>&é a name that is long enough to need several lines on a phone.png"
    shutil.move(folders[1] / "000.png", folders[1] / odd)
    _, _, _, folder = checked()
    for viewport in (DESK, PHONE):
        for mode in ("light", "dark"):
            context = chromium.new_context(viewport=viewport, color_scheme=mode)
            page = context.new_page()
            complaints = hear(page, "file:", mode)
            page.goto((folder / "report.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
            assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth)")
            assert page.locator("img").count() == 2 * page.locator(".pairs figure").count() > 40
            assert page.locator("h1").inner_text().startswith("About ")
            assert odd in " ".join(page.locator(".pairs").all_text_contents())
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}[mode]
            assert complaints == []
            context.close()


def test_a_histogram_has_a_bar_where_images_are():
    html = report.histogram(np.array([0.01, 0.99]), np.array([0.99] * 3), 0.5, ("a", "b"), "ratio", "here")
    other, one, _ = re.findall(r'<path d="([^"]*)"', html)
    assert other == "M39 100V0.00H40V100Z"
    assert one == "M0 100V29.29H1V100ZM39 100V29.29H40V100Z"  # half of them, on a root scale
    assert "right:50.00%" in html


def test_a_picture_is_held_by_the_page():
    assert report.picture(np.zeros((3, 5), np.uint8), '"a"').startswith('<img src="data:image/png;base64,')
    assert report.picture(np.zeros((3, 5), np.uint8), '"a"').endswith('alt="&quot;a&quot;" width="5" height="3">')


def test_folders_are_read_with_their_duplicates(folders):
    read = check.read(Path(folders[0]), "samples", SIZE)
    assert read.pixels.shape == (60, 1, SIZE, SIZE)
    assert len(read.files) == 60
