"""A denoiser and a folder go in at the command line, tables and pictures come out; or one sentence."""

import numpy as np
import pytest
import torch
from PIL import Image

from ghr import foreign, portrait

SOURCE = """
import torch

def half(y):
    return y / 2

def told(y, sigma):
    return y / (1 + sigma)

def smaller(y):
    return y[..., 1:]

def nothing(y):
    return y * float("nan")

def grey(y):
    assert y.shape[1] == 1, "one channel is wanted"
    return y / 2

def worse(y):
    return y + 10

"""


@pytest.fixture
def here(tmp_path):
    """A folder of colourful images, another one, and a file with denoisers."""
    draw = np.random.default_rng(0)
    for name in ("images", "training"):
        (tmp_path / name).mkdir()
        for k in range(9):
            coarse = draw.integers(0, 256, (4, 5, 3)).astype(np.uint8)
            Image.fromarray(coarse).resize((20, 16)).save(tmp_path / name / f"{k}.png")
    (tmp_path / "mine.py").write_text(SOURCE)
    return tmp_path


def words(here, name, *more):
    where = ["--images", here / "images", "--size", 8, "--many", 4, "--bases", 3, "--samples", 2]
    return ["measure", f"{here}/mine.py:{name}", *where, *more]


def test_a_denoiser_is_measured_end_to_end(ghr, here):
    """f = y / 2: half of the dimensions, symmetric, blind, 6 dB of the noise and more; files for all of it."""
    status, out, err = ghr(*words(here, "half", "--out", here / "out", "--train", here / "training"))
    assert status == 0
    assert "mine.py:half: 4 images of 8x8 at 15 noise levels, 6 Jacobians, 2 samples: about " in err
    tables = ("curve", "response", "geometry", "spectra", "indices", "ahead", "drawn")
    names = [f"{name}.csv" for name in tables] + [
        f"{n}.png" for n in ("eigenvectors_0.1", "eigenvectors_0.3", "samples")
    ]
    assert out.splitlines()[-len(names) :] == [str(here / "out" / name) for name in names]
    assert all((here / "out" / name).stat().st_size for name in names)
    heads, first, *_ = (here / "out" / "geometry.csv").read_text().splitlines()
    row = dict(zip(heads.split(","), map(float, first.split(",")), strict=True))
    assert (row["sigma"], row["tested"], row["asym"]) == (0.1, 3, 0)
    assert row["trace"] == pytest.approx(32)
    assert row["hom"] == pytest.approx(0, abs=1e-6)
    assert "training dB" in out
    assert "copies" in out
    h, w = np.array(Image.open(here / "out" / "eigenvectors_0.1.png")).shape[:2]
    assert (h, w) == (3 * 100 - 4, (3 + 6) * 100 - 4)


def test_colours_are_measured_where_three_channels_are_asked_for(ghr, here):
    status, out, err = ghr(*words(here, "told", "--colour"))
    assert status == 0
    assert "8x8 in colour" in err
    assert "No H1 to H4: they are defined on grey images." in out
    assert "training dB" not in out


def test_python_measures_what_the_command_does(here):
    f = foreign.load(f"{here}/mine.py:told")
    on = portrait.load(str(here / "images"), 8, 1, 4)
    found = portrait.of(f, on, portrait.plan(f, on, bases=3, seeds=2))
    assert found.tables["geometry"]["trace"][0].value == pytest.approx(64 / 1.1, rel=1e-4)
    assert found.tables["response"]["half"][0] == pytest.approx(1.1 / 1.05 - 1, rel=1e-3)


def test_the_bar_ends_where_its_work_does(here):
    f, told = foreign.load(f"{here}/mine.py:half"), []
    on = portrait.load(str(here / "images"), 8, 1, 4)
    how = portrait.plan(f, on, bases=2, seeds=2)
    found = portrait.of(f, on, how, told.append)
    assert sum(told) == how.parts
    assert found.missing == ["No H1 to H4: their controls need three images, and four others."]


def test_images_whose_moments_count_are_not_those_that_are_measured(here):
    on = portrait.load(str(here / "images"), 8, 1, 64)
    assert (len(on.x), len(on.others), on.training) == (5, 4, None)
    assert not any((one == on.others).flatten(1).all(1).any() for one in on.x)
    on = portrait.load(str(here / "images"), 8, 3, 64, str(here / "training"))
    assert (on.x.shape, on.training.shape) == ((9, 3, 8, 8), (9, 3, 8, 8))
    assert on.others is on.training


def test_sets_have_names(here):
    on = portrait.load("discs", 8, 1, 6)
    assert (len(on.x), len(on.others)) == (6, portrait.OTHERS)
    assert portrait.load("discs", 8, 3, 6).x.shape[1] == 3


def test_images_with_too_many_numbers_have_no_jacobian(here, monkeypatch):
    monkeypatch.setattr(portrait, "DENSE", 63)
    f, on = foreign.load(f"{here}/mine.py:half"), portrait.load(str(here / "images"), 8, 1, 4)
    found = portrait.of(f, on, portrait.plan(f, on, seeds=2))
    (missing,) = found.missing
    assert missing == "No Jacobians, so no bases: images of 64 numbers, more than 63; a smaller --size has them."
    assert set(found.tables) == {"curve", "response", "dimensions", "drawn"}
    assert found.tables["dimensions"]["trace"][0].value == pytest.approx(32)
    assert "Dimensions that are kept" in portrait.text(found)


def test_a_diffusion_is_asked_only_for_noise_that_it_knows(here):
    f = foreign.adapt(lambda x, t: 0 * x, told="step", predicts="noise", bars=(0.96, 0.9, 0.8))
    on = portrait.load(str(here / "images"), 8, 1, 4)
    how = portrait.plan(f, on, bases=3, seeds=2)
    assert min(how.sigmas) > 0.2
    assert how.levels == (0.3,)
    assert portrait.of(f, on, how).tables["geometry"]["trace"][0].value == pytest.approx(64)


@pytest.mark.parametrize(
    ("name", "more", "sentence"),
    [
        ("smaller", [], r"A denoiser must answer with images of the shape it was asked for"),
        ("nothing", [], "answers with NaN or infinite numbers to images of 1x8x8"),
        (
            "grey",
            ["--channels", 3],
            "does not take images of 3x8x8 with noise 0.1 (one channel is wanted)",
        ),
        ("worse", [], "worse than doing nothing at every noise level"),
        ("half", ["--colour", "--channels", 1], "--colour means 3 channels: leave out --channels 1"),
        ("half", ["--channels", 2], "takes images of 2 channels: only grey ones, or 3 colours"),
        ("half", ["--size", 0], "size and channels must be at least 1"),
        ("half", ["--images", "/nowhere/at/all"], "There is no folder /nowhere/at/all"),
        ("half", ["--images", "mnist"], 'Unknown image set "mnist"'),
        ("half", ["--train", "/nowhere/at/all"], "There is no folder /nowhere/at/all"),
        ("half", ["--many", 1], "--many, --bases and --samples must be at least 2"),
        ("half", ["--told", "step", "--predicts", "residual"], 'a network told "step" predicts one of'),
        ("third", [], "mine.py has no third"),
    ],
)
def test_bad_input_is_one_sentence_before_any_work(ghr, here, name, more, sentence):
    status, out, err = ghr(*words(here, name, "--out", here / "out", *more))
    assert (status, out) == (1, "")
    assert sentence in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("ghr: ")
    assert not (here / "out").exists()


def test_a_size_that_a_denoiser_cannot_take_is_told_before_images_are_drawn(ghr, here, monkeypatch):
    monkeypatch.setattr(portrait, "load", lambda *_: pytest.fail("images were read"))
    (here / "mine.py").write_text("from ghr.networks import UNet\nf = UNet(width=2)\n")
    status, _, err = ghr("measure", f"{here}/mine.py:f", "--images", "avatars", "--size", 30)
    assert status == 1
    assert err.startswith("ghr: A UNet with 3 scales needs sides divisible by 8, got 30x30")


def test_what_is_worse_than_nothing_is_measured_all_the_same_when_asked(ghr, here):
    assert ghr(*words(here, "worse", "--anyway"))[0] == 0


def test_pictures_have_signs():
    blue, white, orange = portrait._signed(torch.tensor([[[-2.0, 0.0, 2.0]]]))[0]
    assert white.tolist() == [255, 255, 255]
    assert blue.tolist() == [0, 114, 178]
    assert orange.tolist() == [213, 94, 0]
