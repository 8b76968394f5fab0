"""Live figures as chapters carry them, in headless Chromium: by mouse, touch and keyboard, against torch's numbers."""

import base64
import csv
import io
import json
import re
import shutil
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from conftest import (
    COLOURS,
    DESK,
    DISC,
    FIVE,
    PHONE,
    RIVAL,
    SIZES,
    canvases,
    cut,
    directions,
    fly_told,
    guess_told,
    hear,
    placed,
    press,
    scrub_told,
    serve,
    stroke,
    until,
    violations,
)
from PIL import Image

from ghr import denoiser, harmonic, jacobian, recipes, sampling, similarity
from ghr.book import hero, laboratory, live
from ghr.experiments import Study
from ghr.images import Halves, synthetic
from ghr.measure.samples import Alike, Nearness
from ghr.noise import psnr
from ghr.references import EmpiricalDenoiser, LocalDenoiser, PatchDenoiser, WaveletDenoiser
from ghr.stats import Estimate
from ghr.tables import Table

REPO = Path(__file__).resolve().parents[1]
#: what a page may load for its figures before one of them is used
LIGHT = 250_000


# Scripts ----------------------------------------------------------------------------------------------------------


INLINED = ["explorer", "plane", "scrub", "guess"]
ASKING = ["draw", "rebuild", "disc", "fly", "rival", "contour"]


@pytest.mark.parametrize("name", INLINED)
def test_a_script_in_a_page_imports_nothing(name):
    text = live.inlined(name)
    assert not re.search(r"^(import|export (?!default))", text, re.MULTILINE)
    assert "function png" in text
    assert len(text.encode()) < 30_000


@pytest.mark.parametrize("name", [*INLINED[1:], *ASKING])
def test_a_script_in_a_cell_has_each_part_once_and_knows_no_page(name):
    text = live.inlined(name, cell=True)
    assert not re.search(r"^(import|export)", text, re.MULTILINE)
    assert not re.search(r"new Worker|getElementById|history\.", text)
    parts = re.findall(r"^const \$(\w+) =", text, re.MULTILINE)
    assert len(parts) == len(set(parts))
    assert ("kernel" in parts) == (name in ASKING)


def test_a_figure_is_a_still_with_a_word_until_its_script_runs(lab):
    page = BeautifulSoup((lab.html / "book" / "figures.html").read_text(), "html.parser")
    plane, draw, rebuild, *_ = page.select(".live")
    assert [figure.select_one("img")["alt"] for figure in (plane, draw)] == ["Still of the plane", "Still of samples"]
    whys = [figure.select_one(".live-why").text for figure in (plane, draw, rebuild)]
    assert whys == [live.ALONE, live.SERVED, live.SERVED]
    assert json.loads(plane.script.string)["points"] == FIVE
    listed = json.loads(page.select_one("#networks").string)
    assert [images["name"] for images in listed["sets"]] == ["photographs", "discs"]  # no others than it asks for


def test_groups_hold_every_training_image_once(tmp_path):
    x = torch.rand(450, 1, 4, 6, generator=torch.Generator().manual_seed(0)).mul(255).round().div(255)
    file = laboratory._groups(tmp_path, "x", x)
    listed = json.loads((tmp_path / file["path"]).read_text())
    found = []
    for group in listed["groups"]:
        levels = laboratory.zlib.decompress((tmp_path / group["path"]).read_bytes())
        found.append(np.frombuffer(levels, np.uint8).reshape(-1, 4, 6))
    wanted = x.mul(255).round().to(torch.uint8).numpy()[:, 0]
    assert 1 < len(found) <= 450 // laboratory.GROUP + 1
    assert listed["centres"]["bytes"] == 24 * len(found)
    np.testing.assert_array_equal(*(np.unique(a, axis=0) for a in (np.concatenate(found), wanted)))
    for group in found:
        images = torch.from_numpy(group[:, None] / 255.0)
        assert (
            similarity.rho(images, images.mean(0, keepdim=True).expand_as(images)).mean() > 0.2
        )  # unrelated: half of it


# Pages ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def visit(chromium, address):
    """visit(state, viewport, mode) -> the page with the figures; what it complains about fails the test."""
    opened, heard = [], []

    def visit(state="", viewport=DESK, mode="light", **options):
        context = chromium.new_context(viewport=viewport, color_scheme=mode, accept_downloads=True, **options)
        page = context.new_page()
        opened.append(context)
        page.complaints = hear(page, address, "figures")
        heard.append(page.complaints)
        page.goto(f"{address}book/figures.html{state}", wait_until="networkidle")
        return page

    yield visit
    for context in opened:
        context.close()
    assert [complaint for complaints in heard for complaint in complaints] == []


def plane(page):
    return page.locator('[data-script="plane"]')


def points(page) -> list[list[float]]:
    return page.evaluate("document.querySelector('[data-script=plane]').live.points()")


def sentences(page) -> list[str]:
    return plane(page).locator(".live-planes p").all_text_contents()


def at(page, point, panel=0) -> tuple[float, float]:
    """Where a point of the plane is on the screen."""
    box = placed(plane(page).locator("canvas").nth(panel))
    across, up = ((v + 0.12) / 1.24 for v in point)
    return box["x"] + across * box["width"], box["y"] + (1 - up) * box["height"]


def view(page) -> tuple[dict, str]:
    """State and figure in the address, once it has been written."""
    page.wait_for_timeout(400)
    address = urlsplit(page.url)
    return {name: value[0] for name, value in parse_qs(address.query).items()}, address.fragment


def test_the_denoiser_of_the_plane_is_that_of_torch(visit):
    page = visit()
    y = torch.rand(40, 1, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 1.4 - 0.2
    world = torch.tensor(FIVE, dtype=torch.float64).view(5, 1, 1, 2)
    for sigma in (0.02, 0.05, 0.2, 1.0):
        script = "([ys, sigma]) => ys.map(y => document.querySelector('[data-script=plane]').live.denoise(y, sigma))"
        found = torch.tensor(page.evaluate(script, [y.view(-1, 2).tolist(), sigma]), dtype=torch.float64)
        torch.testing.assert_close(found.view_as(y), EmpiricalDenoiser(world)(y, sigma), atol=1e-5, rtol=0)


def test_the_first_state_shows_the_point(visit):
    left, right = sentences(visit())
    assert left == "σ = 0.50: everything flows to one place, the mean of all 5 images."
    assert right == "σ = 0.05: everything falls into one of the 5 training images: they are known by heart."


def test_training_images_are_dragged_by_the_mouse_and_the_view_can_be_linked(visit):
    page = visit()
    plane(page).scroll_into_view_if_needed()
    # no pixel is brighter than 1
    stroke(page, *(at(page, place, panel=1) for place in (FIVE[1], (0.6, 0.6), (0.9, 1.5))))
    found = points(page)
    assert found[1] == pytest.approx([0.9, 1], abs=0.01)
    assert found[:1] + found[2:] == FIVE[:1] + FIVE[2:]
    slider = plane(page).locator("input").last
    press(slider, 0.99)
    assert re.match(r"σ = (1\.00|0\.9\d): .* one place, the mean of all 5 images", sentences(page)[1])
    plane(page).get_by_text("Add an image").click()
    plane(page).get_by_text("Add an image").click()
    plane(page).get_by_text("Remove one").click()
    assert len(points(page)) == 6
    assert view(page)[1] == "fig-plane"
    again = visit(f"?{urlsplit(page.url).query}#fig-plane")
    assert points(again) == pytest.approx(np.array(points(page)), abs=0.006)
    assert sentences(again) == sentences(page)
    assert sentences(visit(f"?{urlsplit(page.url).query}#fig-draw"))[1].startswith("σ = 0.05")  # another figure's view
    page.mouse.move(*at(page, (0.9, 1.0)))
    plane(page).get_by_text("Start again").click()
    assert points(page) == FIVE


def test_training_images_are_moved_by_the_keyboard(visit):
    page = visit()
    handle = plane(page).locator(".live-handle").nth(2)
    handle.focus()
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowUp"):
        page.keyboard.press(key)
    assert points(page)[2] == pytest.approx([FIVE[2][0] - 0.02, FIVE[2][1] + 0.12])
    assert handle.get_attribute("aria-label") == "Training image 3: first pixel 0.78, second pixel 0.87"
    page.keyboard.press("Delete")
    assert points(page) == [FIVE[k] for k in (0, 1, 3, 4)]
    for _ in range(9):
        page.keyboard.press("Delete")
    assert len(points(page)) == 1
    assert sentences(page)[0].endswith("there is one training image, and everything falls into it.")
    assert plane(page).get_by_text("Remove one").is_disabled()
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    assert plane(page).locator("input").first.get_attribute("aria-valuetext") == "0.02"
    page.wait_for_timeout(600)
    assert plane(page).locator("[aria-live]").text_content().startswith("Left, σ = 0.02: there is one training image")


def touch(page, *places) -> None:
    """One finger goes down at the first place, through the others, and up."""
    session = page.context.new_cdp_session(page)
    kinds = ["touchStart", *["touchMove"] * (len(places) - 1)]
    for kind, (x, y) in zip(kinds, places, strict=True):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_on_a_training_image_moves_it_and_elsewhere_the_page(visit):
    page = visit(viewport=PHONE, has_touch=True)
    plane(page).scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    (x, y), (_, top) = at(page, FIVE[2]), at(page, (0.8, 0.95))
    touch(page, (x, y), (x, y + (top - y) / 2), (x, top))
    assert points(page)[2] == pytest.approx([0.8, 0.95], abs=0.02)
    assert page.evaluate("scrollY") == before
    x, y = at(page, (0.55, 0.5))
    touch(page, (x, y), *((x, y - 20 * k) for k in range(1, 8)))
    page.wait_for_timeout(300)
    assert points(page)[2] == pytest.approx([0.8, 0.95], abs=0.02)
    assert page.evaluate("scrollY") > before


def test_what_moves_keeps_pace_and_can_be_stopped(visit, record_property):
    page = visit()
    frames = "document.querySelector('[data-script=plane]').live.frames"
    plane(page).scroll_into_view_if_needed()
    begin, start = page.evaluate(frames), time.monotonic()
    page.wait_for_timeout(1500)
    pace = (page.evaluate(frames) - begin) / (time.monotonic() - start)
    record_property("frames a second of the plane", f"{pace:.0f}")
    assert pace > 25  # 60 on an idle machine
    plane(page).get_by_text("Pause").click()
    page.wait_for_timeout(100)
    begin = page.evaluate(frames)
    page.wait_for_timeout(300)
    assert page.evaluate(frames) == begin
    still = visit(reduced_motion="reduce")
    still.wait_for_timeout(300)
    assert still.evaluate(frames) < 10
    assert plane(still).get_by_text("Play").is_visible()
    drawn = """() => { const canvas = document.querySelector("[data-script=plane] canvas");
        return canvas.getContext("2d").getImageData(0, 0, 200, 200).data.some(v => v > 0); }"""
    assert still.evaluate(drawn)


def test_files_show_the_plane_alive_and_the_networks_still(chromium, lab):
    page = chromium.new_page()
    page.goto((lab.html / "book" / "figures.html").as_uri() + "?left=0.1")
    assert sentences(page)[0].startswith("σ = 0.10")
    draw = page.locator('[data-script="draw"]')
    assert draw.locator("img").is_visible()
    assert draw.locator(".live-why").inner_text() == live.SERVED
    assert draw.locator("button").count() == 0
    page.close()


def download(page, figure, kind: str):
    with page.expect_download() as found:
        figure.locator(".explorer-tools").get_by_text(kind, exact=True).click()
    return found.value.suggested_filename, found.value.path().read_bytes()


def test_what_is_shown_can_be_downloaded(visit):
    page = visit()
    name, data = download(page, plane(page), "PNG")
    assert name == "fig-plane_left-0.500_right-0.050_points-5.png"
    picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert picture.shape[1] > 1200
    assert len(np.unique(picture[::7, ::7].reshape(-1, 3), axis=0)) > 30


# Networks ---------------------------------------------------------------------------------------------------------


def result_of(page, script: str) -> dict:
    """What a live figure has found, once it is done."""
    figure = f"document.querySelector('[data-script={script}]')"
    page.wait_for_function(f"() => {{ const el = {figure}; return el.result && !el.ariaBusy; }}", timeout=60_000)
    told = f"() => JSON.stringify({figure}.result, (_, v) => ArrayBuffer.isView(v) ? [...v] : v)"
    return json.loads(page.evaluate(told))


class Draw:
    """The figure in which two networks draw, and what a reader does there."""

    def __init__(self, page):
        self.page, self.figure = page, page.locator('[data-script="draw"]')

    def begin(self):
        self.figure.get_by_text("Draw from a noise of your own").click()
        self.figure.locator("canvas").first.wait_for()
        return self

    def guess(self, words: str) -> dict:
        self.figure.get_by_text(words).click()
        return self.drawn()

    def drawn(self) -> dict:
        return result_of(self.page, "draw")

    def words(self) -> str:
        return self.figure.locator(".explorer-words").text_content()


def image(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 32, 32)


def test_nothing_heavy_is_loaded_before_a_figure_is_used(visit, lab):
    page = visit()
    script = "() => performance.getEntriesByType('resource').map(e => [e.name, e.decodedBodySize])"
    loaded = {name.rpartition("/")[2].partition("?")[0]: size for name, size in page.evaluate(script)}
    ours = {f"{name}.js" for name in ("engine", "browser", "asking", "maths", "figure", "inpage", "told", *ASKING)}
    ours |= {"explorer.css", "live.css"}
    assert ours <= set(loaded)
    assert not [name for name in loaded if re.search(r"worker|ort|\.(weights|starts|onnx)", name)]
    html = BeautifulSoup((lab.html / "book" / "figures.html").read_text(), "html.parser")
    scripts = sum(loaded[name] for name in ours) + max(len(live.inlined(name)) for name in INLINED[1:])
    for figure in html.select(".live"):
        assert len(str(figure)) + len(str(html.select_one("#networks"))) + scripts < LIGHT


@pytest.mark.parametrize("n", SIZES)
def test_both_networks_draw_as_torch_and_the_nearest_images_are_found(visit, lab, n):
    """From a noise of the chapters, and half way from it to the next."""
    draw = Draw(visit(f"?n={n}&seed=3#fig-draw")).begin()
    start = sampling.gaussian_start(lab.data[4454].held_out, [3, 4])
    mean = lab.data[4454].held_out.mean(0, keepdim=True)
    half_way = mean + ((start - mean).sum(0, keepdim=True)) / 2**0.5
    found = draw.guess("Two images")
    for wanted in (start[:1], half_way):
        torch.testing.assert_close(image(found["start"]), wanted, atol=1e-5, rtol=0)
        samples = [sampling.last(sampling.sample(lab.networks[n, half], wanted)) for half in "AB"]
        for half, sample, there, near in zip("AB", samples, found["samples"], found["nearest"], strict=True):
            assert (image(there) - sample).abs().max() < 1e-3
            value, index = similarity.nearest(sample, getattr(lab.data[n], half.lower()))
            assert near["rho"] == pytest.approx(value.item(), abs=1e-3)
            assert (image(near["image"]) - getattr(lab.data[n], half.lower())[index]).abs().max() < 1e-6
        assert found["rho"] == pytest.approx(similarity.rho(*samples).item(), abs=1e-3)
        draw.figure.locator("input").last.fill("10")
        draw.page.wait_for_function("document.querySelector('[data-script=draw]').result?.blend === .5", timeout=60_000)
        found = draw.drawn()
    assert found["verdict"] == ("two" if n == SIZES[0] else "one")
    assert draw.words().startswith("Two images" if n == SIZES[0] else "One new image, drawn twice")


def test_a_guess_comes_before_the_answer_and_is_counted(visit):
    page = visit()
    draw = Draw(page)
    draw.figure.get_by_text("Draw from a noise of your own").focus()
    page.keyboard.press("Enter")
    draw.figure.locator("canvas").first.wait_for()
    assert "Guess." in draw.words()
    assert draw.figure.locator("canvas").nth(1).get_attribute("aria-label") == "A draws: not yet drawn"
    assert page.evaluate("document.activeElement.textContent") == "One image"
    assert draw.figure.locator("input").last.is_disabled()  # a blend of what nobody has guessed shows nothing
    page.keyboard.press("Enter")
    found = draw.drawn()
    assert draw.words().endswith(f"You guessed {int(found['verdict'] == 'one')} of 1 right.")
    assert draw.figure.locator("input").last.is_enabled()
    assert draw.figure.locator("canvas").nth(1).get_attribute("aria-label") == "A draws"
    assert draw.figure.get_by_text("One image").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # new noise
    assert "Guess." in draw.words()
    other = draw.guess("Two images")
    assert other["seed"] == found["seed"] + 1
    assert draw.words().endswith(" of 2 right.")
    state, figure = view(page)
    assert (state, figure) == ({"n": "10", "seed": "1", "blend": "0.00"}, "fig-draw")
    name, data = download(page, draw.figure, "CSV")
    assert name == "fig-draw_n-10_seed-1_blend-0.00.csv"
    (row,) = csv.DictReader(io.StringIO(data.decode()))
    assert float(row["rho of A and B"]) == pytest.approx(other["rho"])
    draw.figure.locator("input").first.press("End")
    assert "4,454 images" in draw.words()
    assert "Guess." in draw.words()


def test_noises_beyond_those_of_the_chapters_have_their_law(visit, lab):
    draw = Draw(visit("?seed=1000#fig-draw")).begin()
    held_out = lab.data[4454].held_out.flatten(1).double()
    covariance = held_out.T.cov() + torch.eye(1024, dtype=torch.float64)
    found = [draw.guess("One image")["start"]]
    z = torch.tensor(found[0], dtype=torch.float64) - held_out.mean(0)
    assert z @ torch.linalg.solve(covariance, z) == pytest.approx(1024, abs=5 * 2048**0.5)


class Rebuild:
    """The figure that rebuilds an image from few vectors, and what a reader does there."""

    def __init__(self, page):
        self.page, self.figure = page, page.locator('[data-script="rebuild"]')

    def begin(self) -> dict:
        self.figure.get_by_text("Rebuild images, your own too").click()
        return self.found()

    def found(self) -> dict:
        self.page.wait_for_timeout(30)
        return result_of(self.page, "rebuild")


def psnr_of_sum(x, mean, vectors, k: int, largest: bool) -> float:
    """PSNR of an image that is rebuilt from its mean and k coefficients."""
    off = (x - mean).flatten().double()
    coefficients = vectors.flatten(1).double() @ off
    chosen = coefficients.abs().argsort(descending=True)[:k] if largest else torch.arange(k)
    near = mean.flatten().double() + coefficients[chosen] @ vectors.flatten(1).double()[chosen]
    return -10 * torch.log10((near - x.flatten()).square().mean()).item()


@pytest.mark.parametrize(("n", "k"), [(4454, 32), (10, 8)])
def test_an_image_is_rebuilt_as_torch_rebuilds_it_and_filters_are_rows_of_the_jacobian(visit, lab, n, k):
    rebuild = Rebuild(visit(f"?n={n}&k={k}&image=2&x=20&y=9#fig-rebuild"))
    found = rebuild.begin()
    x, y, network = image(found["x"]), image(found["y"]), lab.networks[n, "A"]
    torch.testing.assert_close(x, lab.data[4454].held_out[1:2])
    assert (y - x).std().item() == pytest.approx(0.1, rel=0.1)
    training = lab.data[4454].a
    mean = training.mean(0, keepdim=True)
    j = jacobian.jacobian(network, y)
    _, vectors = torch.linalg.eigh((j + j.T).double() / 2)
    wanted = {
        "eigenvectors": psnr_of_sum(x, mean, vectors.flip(1).T, k, largest=False),
        "cosines": psnr_of_sum(x, mean, harmonic.dct(32, 32), k, largest=True),
        "wavelets": psnr_of_sum(x, mean, harmonic.wavelets(32, 32), k, largest=True),
        "principal": psnr_of_sum(x, mean, harmonic.principal(training, laboratory.COMPONENTS), k, largest=True),
    }
    leading = vectors.flip(1).T[:100]
    wanted["chosen"] = psnr_of_sum(x, mean, leading, k, largest=True)
    assert found["quality"] == pytest.approx(wanted, abs=0.1)
    exact = ("cosines", "wavelets", "principal")
    assert {name: found["quality"][name] for name in exact} == pytest.approx(
        {name: wanted[name] for name in exact}, abs=1e-3
    )
    before, after = (rebuild.figure.get_by_role("img", name=name) for name in ("noisy", "denoised"))
    assert before.count() == after.count() == 1
    answered = -10 * torch.log10((denoiser.denoise(network, y) - x).square().mean()).item()
    assert after.get_attribute("aria-label") == f"denoised {answered:.1f}\N{NO-BREAK SPACE}dB"
    pixel = 9 * 32 + 20
    np.testing.assert_allclose(found["row"], j[pixel], atol=1e-5)
    np.testing.assert_allclose(found["column"], j[:, pixel], atol=1e-5)
    assert not np.allclose(j[pixel], j[:, pixel], atol=1e-3)  # else they could not be told apart


def test_pixels_are_picked_by_mouse_and_keyboard_and_vectors_counted_by_a_slider(visit, tmp_path):
    page = visit("?k=8#fig-rebuild")
    rebuild = Rebuild(page)
    before = rebuild.begin()
    canvas = rebuild.figure.locator("canvas").first
    press(canvas, 4.5 / 32, 7.5 / 32)
    picked = rebuild.found()
    assert picked["pixel"] == [4, 7]
    assert np.argmax(picked["row"]) % 32 == pytest.approx(4, abs=2)  # a filter looks where its pixel is
    assert picked["quality"] == before["quality"]
    for key in ("ArrowRight", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert rebuild.found()["pixel"] == [5, 9]
    assert "column 6, row 10" in canvas.get_attribute("aria-label")
    rebuild.figure.locator("input").first.press("End")
    assert rebuild.found()["quality"]["cosines"] > before["quality"]["cosines"]
    assert "first 100 eigenvectors" in rebuild.figure.locator(".explorer-words").text_content()
    assert view(page) == ({"n": "4454", "k": "100", "image": "1", "x": "5", "y": "9"}, "fig-rebuild")
    _, data = download(page, rebuild.figure, "CSV")
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert float(rows[3]["cosines"]) == pytest.approx(before["quality"]["cosines"])
    Image.new("L", (64, 64), 128).save(tmp_path / "own.png")
    rebuild.figure.locator("[type=file]").set_input_files(tmp_path / "own.png")
    grey = "document.querySelector('[data-script=rebuild]').result?.x[0] === Math.fround(128 / 255)"
    page.wait_for_function(grey, timeout=60_000)
    assert rebuild.figure.locator(".explorer-tiles p").first.inner_text() == "your image"


def test_with_ink_the_image_is_drawn_upon_and_rebuilt(visit, lab):
    page = visit("?n=10&k=8#fig-rebuild")
    rebuild = Rebuild(page)
    rebuild.begin()
    rebuild.figure.get_by_text("Empty page").click()
    rebuild.found()
    ink = rebuild.figure.get_by_role("slider", name="ink, to draw with")
    ink.press("ArrowRight")
    assert ink.get_attribute("aria-valuetext") == "0.0"
    canvas = rebuild.figure.locator("canvas").first
    box = placed(canvas)
    places = [(box["x"] + box["width"] * (k + 0.5) / 32, box["y"] + box["height"] * 8.5 / 32) for k in (4, 9)]
    stroke(page, *places)
    black = "document.querySelector('[data-script=rebuild]').result?.x[8 * 32 + 9] === 0"
    page.wait_for_function(black, timeout=60_000)
    found = rebuild.found()
    drawn = np.reshape(found["x"], (32, 32))
    assert (drawn[8:10, 4:11] == 0).all()
    assert (drawn == 0.5).sum() == 1024 - 14
    assert found["pixel"] == [9, 8]
    j = jacobian.jacobian(lab.networks[10, "A"], image(found["y"]))
    np.testing.assert_allclose(found["row"], j[8 * 32 + 9], atol=1e-5)
    canvas.press(" ")
    ink.press("Home")
    press(canvas, 20.5 / 32, 3.5 / 32)  # picks again, and draws no more
    page.wait_for_function("document.querySelector('[data-script=rebuild]').result?.pixel[0] === 20", timeout=60_000)
    assert np.reshape(rebuild.found()["x"], (32, 32))[3, 20] == 0.5


class Disc:
    """The figure of a disc and directions there, and what a reader does with it."""

    def __init__(self, page):
        self.page, self.figure = page, page.locator('[data-script="disc"]')

    def found(self) -> dict:
        self.page.wait_for_timeout(30)
        return result_of(self.page, "disc")

    def at(self, across: float, down: float) -> tuple[float, float]:
        """Where a place of the image, in pixels, is on the screen."""
        box = placed(self.figure.locator(".live-box"))
        return box["x"] + across / 32 * box["width"], box["y"] + down / 32 * box["height"]


def disc_shares(parameters, vectors) -> dict[str, float]:
    """How much of the first and of the next five directions lies in the tangent, and in waves along the contour."""
    p = torch.tensor(parameters, dtype=torch.float64)
    tangent, waves = synthetic.disc_tangent(p, 32), synthetic.contour_waves(p, 32)
    waves = torch.linalg.qr((waves - waves @ tangent.T @ tangent).T).Q.T
    first, following = vectors.flatten(1).double().split(5)
    pairs = {"first": (first, tangent), "next": (following, tangent), "waves": (following, waves)}
    return {name: ((u @ v.T).square().sum() / len(u)).item() for name, (u, v) in pairs.items()}


def test_a_disc_shows_its_directions_before_any_network_is_loaded(visit):
    page = visit()
    disc = Disc(page)
    found = disc.found()
    assert found["shares"] == pytest.approx(disc_shares(DISC, directions()), abs=0.002)  # vectors have 8 bits
    assert "λ = 0.95" in disc.figure.inner_text()
    assert not page.evaluate("performance.getEntriesByType('resource').some(e => /weights|wasm/.test(e.name))")


def test_a_disc_is_dragged_by_its_middle_and_by_its_edge_and_the_network_answers_as_torch(visit, lab):
    page = visit()
    disc = Disc(page)
    disc.figure.scroll_into_view_if_needed()
    for start, end in (((15, 14), (19.3, 12.1)), ((19.3, 12.1 + 6.5), (19.3, 12.1 + 8))):
        stroke(page, disc.at(*start), disc.at(*end))
    found = disc.found()
    assert found["parameters"] == pytest.approx([19.3, 12.1, 8, 0.8, 0.3], abs=0.1)
    clean = synthetic.draw_discs(torch.tensor(found["parameters"])[:, None], 32)
    y = image(found["y"])
    assert (y - clean).std().item() == pytest.approx(0.04, rel=0.1)
    basis = jacobian.eigenbasis(jacobian.jacobian(lab.networks[4454, "B"], y).double(), (1, 32, 32))
    vectors = torch.tensor(found["vectors"]).view(-1, 1, 32, 32).double()
    np.testing.assert_allclose(found["values"], basis.eigenvalues[:10], atol=0.01)
    assert harmonic.alignment(vectors, basis.eigenvectors[:10]) > 0.9  # the last ones may be others nearly as large
    assert found["shares"] == pytest.approx(disc_shares(found["parameters"], vectors), abs=1e-3)
    assert view(page)[0] == {
        **dict(
            zip(("across", "down", "radius", "level", "ground"), (f"{x:.2f}" for x in found["parameters"]), strict=True)
        ),
        "sigma": "0.04",
    }
    _, data = download(page, disc.figure, "CSV")
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert [float(row["eigenvalue"]) for row in rows] == pytest.approx(found["values"])


def test_a_disc_is_moved_by_keys_and_stays_one_that_the_network_knows(visit):
    page = visit("?across=14&down=16&radius=5&level=0.5&ground=0.3&sigma=0.10#fig-disc")
    disc = Disc(page)
    centre, edge = disc.figure.locator(".live-handle").all()
    for key in ("ArrowLeft", "Shift+ArrowDown"):
        centre.press(key)
    edge.press("ArrowUp")
    found = disc.found()
    assert (found["parameters"], found["sigma"]) == (pytest.approx([13.5, 18, 5.5, 0.5, 0.3]), 0.1)
    assert edge.get_attribute("aria-label") == "Edge of the disc: radius 5.5 pixels"
    for _ in range(10):
        centre.press("Shift+ArrowDown")  # no further than the disc fits
        edge.press("Shift+ArrowRight")
    ground = disc.figure.locator("input").nth(1)
    for _ in range(5):
        ground.press("ArrowRight")  # through the level of the disc, which gives way
    *place, level, ground = disc.found()["parameters"]
    assert place == pytest.approx([13.5, 32 - 9.6, 9.6])
    assert ground == pytest.approx(0.55)
    assert abs(level - ground) == pytest.approx(0.1)


def test_a_finger_on_a_disc_moves_it_and_elsewhere_the_page(visit):
    page = visit(viewport=PHONE, has_touch=True)
    disc = Disc(page)
    disc.figure.locator(".live-box").scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    touch(page, disc.at(15, 14), disc.at(16, 16), disc.at(17, 18))
    found = disc.found()
    assert found["parameters"][:2] == pytest.approx([17, 18], abs=0.3)
    assert page.evaluate("scrollY") == before
    x, y = disc.at(30, 30)
    touch(page, (x, y), *((x, y - 20 * k) for k in range(1, 8)))
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") > before
    assert disc.found()["parameters"] == found["parameters"]


def test_directions_swing_and_stand_still_for_those_who_want_that(visit, record_property):
    page = visit()
    disc = Disc(page)
    disc.figure.scroll_into_view_if_needed()
    frames = "document.querySelector('[data-script=disc]').frames"
    begin, start = page.evaluate(frames), time.monotonic()
    page.wait_for_timeout(1000)
    pace = (page.evaluate(frames) - begin) / (time.monotonic() - start)
    record_property("frames a second of a disc's directions", f"{pace:.0f}")
    assert pace > 25  # 60 on an idle machine
    still = Disc(visit(reduced_motion="reduce"))
    first = canvases(still.figure)
    still.page.wait_for_timeout(200)
    np.testing.assert_array_equal(first, canvases(still.figure))
    ground = first[5]  # the direction of its ground: 1 outside, 0 within, blue below zero and red above
    assert tuple(ground[0, 0]) == (103, 0, 31)
    assert tuple(ground[14, 15]) == (247, 247, 247)
    still.figure.get_by_text("Play").click()
    still.page.wait_for_timeout(200)
    assert not np.array_equal(first[5], canvases(still.figure)[5])


class Fly:
    """The figure of flying pixels, and what a reader does with it."""

    def __init__(self, page):
        self.page, self.figure = page, page.locator('[data-script="fly"]')

    def found(self) -> dict:
        self.page.wait_for_timeout(30)
        return result_of(self.page, "fly")

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """What is seen above and below, a dot for each pixel."""
        script = """element => [...element.querySelectorAll("canvas")].map(canvas => {
            const small = new OffscreenCanvas(32, 32).getContext("2d", { willReadFrequently: true });
            small.imageSmoothingEnabled = false;
            small.drawImage(canvas, 0, 0, 32, 32);
            return [...small.getImageData(0, 0, 32, 32).data];
        })"""
        seen = np.array(self.figure.evaluate(script), np.uint8).reshape(-1, 32, 32, 4)[..., :3]
        return tuple(np.split(seen, 2))

    def home(self) -> bool:
        return self.page.evaluate("document.querySelector('[data-script=fly]').result?.back === 1")


def test_pixels_fly_back_by_themselves_and_no_network_is_loaded(visit, record_property):
    page = visit()
    fly = Fly(page)
    fly.found()
    before, _ = fly.rows()
    fly.figure.locator(".explorer-words").scroll_into_view_if_needed()
    until(fly.home)
    above, below = fly.rows()
    np.testing.assert_array_equal(above[:2], below[:2])  # one face, one noise, one answer
    for k, seen in enumerate(before):
        back = synthetic.shuffle(torch.from_numpy(seen).permute(2, 0, 1)[None].float(), 32, inverse=True)
        np.testing.assert_array_equal(above[k], back[0].permute(1, 2, 0).numpy())
    assert "put back, as we see it" in fly.figure.inner_text()
    assert fly.found()["share"] == 1  # the vectors of this network are those of faces, moved along
    frames = "document.querySelector('[data-script=fly]').frames"
    fly.figure.get_by_text("Shuffle the pixels").click()
    begin, start = page.evaluate(frames), time.monotonic()
    page.wait_for_timeout(1200)
    pace = (page.evaluate(frames) - begin) / (time.monotonic() - start)
    record_property("frames a second of flying pixels", f"{pace:.0f}")
    assert pace > 25  # 60 on an idle machine
    page.wait_for_timeout(1500)
    np.testing.assert_array_equal(fly.rows()[0], before)
    assert not page.evaluate("performance.getEntriesByType('resource').some(e => /weights|wasm/.test(e.name))")


def test_blocks_are_chosen_and_the_way_back_is_stepped_by_keys(visit):
    page = visit("?blocks=4&sigma=0.30&face=2&back=0#fig-fly", reduced_motion="reduce")
    fly = Fly(page)
    found = fly.found()
    assert found["share"] < 0.1  # these vectors were not moved along
    told = {one["block"]: one for one in fly_told()["known"]}
    assert found["psnr"] == told[4]["psnr"]
    away, below = fly.rows()
    way, blocks, *_ = fly.figure.locator("input").all()
    way.press("ArrowRight")
    assert way.get_attribute("aria-valuetext") == "5%"
    way.press("End")
    above, _ = fly.rows()
    np.testing.assert_array_equal(above[0], below[0])
    fly.figure.get_by_text("Shuffle the pixels").click()  # at once, for those who want no motion
    np.testing.assert_array_equal(fly.rows()[0], away)
    blocks.press("End")
    assert fly.found()["share"] == 1
    assert "Shuffled as a whole" in fly.figure.locator(".explorer-words").text_content()
    assert view(page) == ({"blocks": "32", "sigma": "0.30", "face": "2", "back": "0"}, "fig-fly")
    whole = Fly(visit(reduced_motion="reduce"))
    assert whole.found()["back"] == 1  # what is to be seen is seen without motion
    first = whole.rows()
    whole.page.wait_for_timeout(300)
    np.testing.assert_array_equal(first, whole.rows())


def test_another_face_asks_both_networks_which_answer_as_torch(visit, lab):
    page = visit("?blocks=4#fig-fly")
    fly = Fly(page)
    fly.found()
    fly.figure.get_by_label("face", exact=True).press("Home")
    page.wait_for_function("document.querySelector('[data-script=fly]').result?.face === 1", timeout=60_000)
    found = fly.found()
    x, network = lab.data[4454].held_out[:1], lab.networks[4454, "A"]
    y, plain = image(found["noisy"]), image(found["faces"]["noisy"])
    torch.testing.assert_close(synthetic.shuffle(plain, 4), y)
    assert (plain - x).std().item() == pytest.approx(0.3, rel=0.1)
    bases = [jacobian.eigenbasis(jacobian.jacobian(network, seen).double(), (1, 32, 32)) for seen in (y, plain)]
    ranks = torch.tensor(fly_told()["ranks"]) - 1
    for part, basis, seen in zip((found, found["faces"]), bases, (y, plain), strict=True):
        assert part["values"] == pytest.approx(basis.eigenvalues[ranks].tolist(), abs=0.01)
        torch.testing.assert_close(image(part["answer"]), network(seen), atol=1e-4, rtol=0)
    back = synthetic.shuffle(bases[0].eigenvectors[:20], 4, inverse=True)
    assert found["share"] == pytest.approx(harmonic.alignment(back, bases[1].eigenvectors[:20]), abs=0.02)
    _, data = download(page, fly.figure, "CSV")
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert [float(row["eigenvalue, shuffled faces"]) for row in rows] == pytest.approx(found["values"])


class RivalFigure:
    """The figure of a network beside a rival, and what a reader does there."""

    def __init__(self, page):
        self.page, self.figure = page, page.locator('[data-script="rival"]')

    def begin(self) -> dict:
        self.figure.get_by_text("Compare them on an image of your own").click()
        return self.found()

    def found(self) -> dict:
        self.page.wait_for_timeout(30)
        return result_of(self.page, "rival")


@pytest.mark.parametrize(("n", "rival", "sigma"), [(10, "memorizer", 0.3), (10, "PSPC", 0.1), (4454, "LS", 0.3)])
def test_a_rival_answers_as_torch_beside_its_network(visit, lab, n, rival, sigma):
    found = RivalFigure(visit(f"?n={n}&rival={rival}&sigma={sigma}&image=3#fig-rival")).begin()
    x, y, training = image(found["x"]), image(found["y"]), lab.data[n].a
    torch.testing.assert_close(x, lab.data[n].held_out[2:3])
    assert (y - x).std().item() == pytest.approx(sigma, rel=0.1)
    if rival == "memorizer":
        exact = EmpiricalDenoiser(training)
    else:
        exact = {"LS": LocalDenoiser, "PSPC": PatchDenoiser}[rival](training.double(), RIVAL["windows"][rival][sigma])
    wanted, answer = exact(y.double() if rival != "memorizer" else y, sigma).float(), lab.networks[n, "A"](y)
    torch.testing.assert_close(image(found["rival"]), wanted, atol=1e-4, rtol=0)
    torch.testing.assert_close(image(found["answer"]), answer, atol=1e-4, rtol=0)
    assert found["quality"]["rival"] == pytest.approx(psnr(x, wanted).item(), abs=0.01)
    assert found["apart"] == pytest.approx((answer - wanted).square().mean().sqrt().item(), abs=1e-4)


def test_a_reader_draws_by_mouse_and_keyboard_or_brings_an_image(visit, tmp_path):
    page = visit("?n=10#fig-rival")
    rival = RivalFigure(page)
    rival.begin()
    rival.figure.get_by_text("Empty page").click()
    assert set(rival.found()["x"]) == {0.5}
    canvas = rival.figure.locator("canvas").first
    box = placed(canvas)
    at = [(box["x"] + box["width"] * (k + 0.5) / 32, box["y"] + box["height"] * 8.5 / 32) for k in (4, 9)]
    stroke(page, *at)
    drawn = np.reshape(rival.found()["x"], (32, 32))
    assert (drawn[8:10, 4:11] == 0).all()
    assert (drawn == 0.5).sum() == 1024 - 14
    canvas.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", " "):
        page.keyboard.press(key)
    assert np.reshape(rival.found()["x"], (32, 32))[11, 9] == 0
    assert "column 10, row 12" in canvas.get_attribute("aria-label")
    Image.new("L", (64, 64), 128).save(tmp_path / "own.png")
    rival.figure.locator("[type=file]").set_input_files(tmp_path / "own.png")
    grey = "document.querySelector('[data-script=rival]').result?.x[0] === Math.fround(128 / 255)"
    page.wait_for_function(grey, timeout=60_000)
    assert rival.figure.locator(".explorer-tiles p").first.inner_text() == "your image"
    assert view(page) == ({"n": "10", "sigma": "0.1", "rival": "PSPC"}, "fig-rival")


def test_a_finger_draws(visit):
    page = visit(viewport=PHONE, has_touch=True)
    rival = RivalFigure(page)
    rival.begin()
    rival.figure.get_by_text("Empty page").click()
    rival.found()
    canvas = rival.figure.locator("canvas").first
    box, before = placed(canvas), page.evaluate("scrollY")
    places = [(box["x"] + box["width"] / 2, box["y"] + box["height"] * (k + 0.5) / 32) for k in range(20, 4, -2)]
    touch(page, *places)
    drawn = np.reshape(rival.found()["x"], (32, 32))
    assert (drawn[6:22, 16] == 0).all()
    assert page.evaluate("scrollY") == before


class Contour:
    """The figure of regions along a contour, and what a reader does there."""

    def __init__(self, page):
        self.page, self.figure = page, page.locator('[data-script="contour"]')

    def begin(self) -> dict:
        self.figure.get_by_text("Draw such images").click()
        return self.found()

    def found(self) -> dict:
        self.page.wait_for_timeout(30)
        return result_of(self.page, "contour")


def by_chance(patch, chance: dict, alpha: float, contour: float) -> torch.Tensor:
    """The library's image of these random numbers: what it would draw is handed to it, in its order."""
    normal = [torch.tensor(chance[name], dtype=torch.float32) for name in ("field", "waves")]
    uniform = [torch.tensor(chance[name], dtype=torch.float32) for name in ("levels", "angle", "offset")]
    with patch.context() as patched:
        patched.setattr(torch, "randn", lambda *shape, generator=None: normal.pop(0).view(shape))
        patched.setattr(torch, "rand", lambda *shape, generator=None: uniform.pop(0).view(shape))
        x = synthetic.c_alpha(1, 32, alpha, contour)
    assert normal == uniform == []
    return x


@pytest.mark.parametrize(
    ("seed", "alpha", "contour", "sigma", "network"),
    [(0, 3, 5, "0.30", "photographs"), (3, 1, 1.5, "0.10", "discs"), (12, 2, 1, "0.02", "photographs")],
)
def test_an_image_of_two_regions_and_what_is_made_of_it_are_those_of_torch(
    visit, lab, monkeypatch, seed, alpha, contour, sigma, network
):
    state = {"seed": seed, "alpha": alpha, "contour": contour, "sigma": sigma, "network": network}
    page = visit(f"?{'&'.join(f'{name}={value}' for name, value in state.items())}#fig-contour")
    found = Contour(page).begin()
    x, y = image(found["x"]), image(found["y"])
    torch.testing.assert_close(x, by_chance(monkeypatch, found["chance"], alpha, contour), atol=2e-5, rtol=0)
    torch.testing.assert_close((y - x) / float(sigma), image(found["chance"]["noise"]), atol=1e-4, rtol=0)
    numbers = np.concatenate([np.ravel(found["chance"][name]) for name in ("field", "waves", "noise")])
    assert [numbers.mean(), numbers.std()] == pytest.approx([0, 1], abs=0.06)
    answer = lab.networks[4454, "A" if network == "photographs" else "B"](y)
    wavelets = WaveletDenoiser()(y, float(sigma))
    torch.testing.assert_close(image(found["answer"]), answer, atol=1e-4, rtol=0)
    torch.testing.assert_close(image(found["wavelets"]), wavelets, atol=1e-5, rtol=0)
    quality = {"noisy": y, "network": answer, "wavelets": wavelets}
    assert found["quality"] == pytest.approx({name: psnr(x, z).item() for name, z in quality.items()}, abs=0.01)
    rough, smooth = found["curves"][0], found["curves"][-1]
    assert found["gains"]["wavelets"] == pytest.approx(smooth["wavelets"] - rough["wavelets"])
    assert view(page) == ({name: f"{value}" for name, value in state.items()}, "fig-contour")


def test_a_contour_is_smoothed_by_keys_and_all_else_stays(visit):
    page = visit()
    contour = Contour(page)
    button = contour.figure.get_by_text("Draw such images")
    assert contour.figure.locator("img").get_attribute("alt") == "Still of contours"
    button.focus()
    page.keyboard.press("Enter")
    smooth = contour.found()
    assert (smooth["contour"], smooth["network"]) == ("5", "photographs")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "regularity of the contour"
    page.keyboard.press("Home")
    rough = contour.found()
    assert (rough["contour"], rough["alpha"], rough["chance"]) == ("1", "3", smooth["chance"])
    assert rough["curves"] == smooth["curves"]  # those were known
    assert rough["x"] != smooth["x"]
    circles = contour.figure.locator("circle").all()
    assert [float(c.get_attribute("cx")) for c in circles] == pytest.approx([44, 44])
    words = contour.figure.locator(".explorer-words").text_content()
    assert f"wavelets {rough['quality']['wavelets']:.1f}\N{NO-BREAK SPACE}dB" in words
    gain = rough["gains"]["wavelets"]
    assert words.endswith(f"{'−' if gain < -0.05 else '+'}{abs(gain):.1f}\N{NO-BREAK SPACE}dB for wavelets.")
    tiles = contour.figure.locator("canvas")
    assert tiles.first.get_attribute("aria-label") == "clean"
    assert tiles.last.get_attribute("aria-label").startswith("wavelets ")
    _, data = download(page, contour.figure, "CSV")
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert [float(row["wavelets (dB)"]) for row in rows] == pytest.approx([q["wavelets"] for q in rough["curves"]])
    contour.figure.get_by_role("slider", name="network of images with").press("Home")
    other = contour.found()
    assert other["network"] == "discs"
    assert other["x"] == rough["x"]


def test_a_new_image_comes_at_a_finger_s_touch_on_a_phone(visit):
    page = visit("?seed=4&alpha=2&contour=2#fig-contour", viewport=PHONE, has_touch=True)
    contour = Contour(page)
    contour.figure.get_by_text("Draw such images").tap()
    before = contour.found()
    contour.figure.get_by_text("New image").tap()
    page.wait_for_function("document.querySelector('[data-script=contour]').result?.seed === 5", timeout=60_000)
    after = contour.found()
    assert (after["alpha"], after["contour"]) == (before["alpha"], before["contour"])
    assert after["x"] != before["x"]
    boxes = [tile.bounding_box() for tile in contour.figure.locator("canvas").all()]
    assert boxes[0]["y"] == boxes[1]["y"] < boxes[2]["y"]  # two and two
    slider = contour.figure.get_by_role("slider", name="regularity of the contour")
    box = placed(slider)
    page.touchscreen.tap(box["x"] + 3, box["y"] + box["height"] / 2)
    page.wait_for_function("document.querySelector('[data-script=contour]').result?.contour === '1'", timeout=60_000)


class Scrub:
    """The slider through training, and what a reader does with it."""

    def __init__(self, page):
        self.page, self.figure = page, page.locator('[data-script="scrub"]')

    def found(self) -> dict:
        return result_of(self.page, "scrub")

    def drag(self, *moments: float) -> None:
        """A pointer is put on the curves and moved; moments are shares of the way through training."""
        box = placed(self.figure.locator("svg"))
        x = [box["x"] + (44 + share * (460 - 44 - 76)) / 460 * box["width"] for share in moments]
        height = box["y"] + box["height"] / 2
        stroke(self.page, (x[0], height), *((place, box["y"] + 20) for place in x[1:]), steps=1)


def test_a_slider_goes_through_both_trainings_and_the_dots_follow(visit):
    page = visit("?face=1#fig-scrub")
    scrub = Scrub(page)
    assert scrub.found()["gaps"] == [9.5, 2]  # the end, where the smaller set's training had ended before
    assert "images (N = 10 had ended): of N = 10, each seen" in scrub.figure.inner_text()
    time_, face = scrub.figure.locator("input").all()
    pictures = [
        [np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")) for text in one["pictures"]]
        for one in scrub_told()["trainings"]
    ]
    for moment, places in ((0, [0, 0]), (1, [1, 1]), (2, [1, 2])):
        time_.press("Home")
        for _ in range(moment):
            time_.press("ArrowRight")
        found, tiles = scrub.found(), canvases(scrub.figure)
        assert found["places"] == places
        for k, place in enumerate(places):
            np.testing.assert_array_equal(tiles[2 + k], pictures[k][place][:32, :32])
            np.testing.assert_array_equal(tiles[6 + k], pictures[k][place][32:, :32])
    face.press("ArrowRight")
    np.testing.assert_array_equal(canvases(scrub.figure)[3], pictures[1][2][:32, 32:])
    assert view(page) == ({"seen": "16384", "face": "2"}, "fig-scrub")
    _, data = download(page, scrub.figure, "CSV")
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert [float(row["gap (dB)"]) for row in rows] == [0, 9.5, -0.2, 0, 2]
    assert [float(row["views of each"]) for row in rows[:2]] == [102.4, 409.6]


def test_dots_are_dragged_and_the_slider_follows(visit):
    page = visit()
    scrub = Scrub(page)
    scrub.found()
    scrub.figure.locator("svg").scroll_into_view_if_needed()
    scrub.drag(0.9, 0.6, 0.52)
    assert scrub.found()["seen"] == 4096
    assert scrub.figure.locator("input").first.get_attribute("aria-valuetext") == "4,096"
    circles = [float(c.get_attribute("cx")) for c in scrub.figure.locator("circle").all()]
    assert circles == pytest.approx([44 + (460 - 44 - 76) / 2] * 2)
    scrub.drag(0.02)
    assert scrub.found()["gaps"] == [0, -0.2]
    assert "each seen 1.0 times, the network denoises its own images 0.2\xa0dB worse" in scrub.figure.inner_text()
    scrub.figure.get_by_text("Play").click()
    page.wait_for_function("document.querySelector('[data-script=scrub]').result.seen === 16384", timeout=10_000)
    assert scrub.figure.get_by_text("Play").is_visible()


def test_a_finger_drags_the_dots_sideways_and_the_page_up(visit):
    page = visit(viewport=PHONE, has_touch=True)
    scrub = Scrub(page)
    scrub.found()
    scrub.figure.locator("svg").scroll_into_view_if_needed()
    box = placed(scrub.figure.locator("svg"))
    y = box["y"] + box["height"] / 2
    touch(page, *((box["x"] + box["width"] * share, y) for share in (0.8, 0.6, 0.4, 0.2)))
    assert scrub.found()["seen"] == 1024
    before = page.evaluate("scrollY")
    touch(page, *((box["x"] + box["width"] * 0.2, y - 20 * k) for k in range(8)))
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") > before


class Guess:
    """The question which of two images a network has seen, and what a reader does with it."""

    def __init__(self, page):
        self.page, self.figure = page, page.locator('[data-script="guess"]')
        self.told = guess_told()

    def found(self) -> dict:
        return result_of(self.page, "guess")

    def words(self) -> str:
        return self.figure.locator(".explorer-words").text_content()

    def pictures(self, frame: int) -> list[np.ndarray]:
        """The six pictures of a pair: clean, noisy, answer, twice."""
        return [cut(self.told, tile[0]) for tile in self.told["frames"][frame]["tiles"]]

    def captions(self) -> list[str]:
        return [canvas.get_attribute("aria-label") for canvas in self.figure.locator("canvas").all()]


def test_which_image_was_seen_is_guessed_by_keys_and_told_only_then(visit):
    page = visit()
    guess = Guess(page)
    assert guess.found() == {"n": 3, "pair": 1, "guess": None}
    assert "Which one has it seen? Guess." in guess.words()
    np.testing.assert_array_equal(canvases(guess.figure), guess.pictures(0))
    assert guess.captions() == ["first face", "noisy", "answer", "second face", "noisy", "answer"]  # not which is which
    seen, psnr = (guess.told["questions"][0][name][0] for name in ("seen", "psnr"))
    guess.figure.get_by_text("The first").focus()
    page.keyboard.press("Enter")
    assert guess.found() == {"n": 3, "pair": 1, "guess": 0, "seen": seen, "scores": [[1 - seen, 1], [0, 0]]}
    assert guess.captions()[3 * seen] == "seen in training"
    assert guess.captions()[3 - 3 * seen] == "new"
    assert guess.captions()[5] == f"answer {psnr[1]:.1f}\N{NO-BREAK SPACE}dB"
    verdict = f"{'No' if seen else 'Right'}: it has seen the {('first', 'second')[seen]}."
    assert guess.words().startswith(f"{verdict} Of that it makes {psnr[seen]:.1f}")
    assert guess.figure.get_by_role("button", name="The first").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # once is enough
    assert guess.found()["guess"] == 0
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert guess.found() == {"n": 3, "pair": 2, "guess": None}
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert guess.found() == {"n": 8, "pair": 1, "guess": None}
    np.testing.assert_array_equal(canvases(guess.figure), guess.pictures(3))
    assert view(page) == ({"n": "8", "pair": "1"}, "fig-guess")
    name, data = download(page, guess.figure, "CSV")
    assert name == "fig-guess_n-8_pair-1.csv"
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert len(rows) == 7
    assert float(rows[0]["training image (dB)"]) == psnr[seen]


def test_guesses_are_made_by_a_finger_and_counted_for_each_n(visit):
    page = visit("?n=8&pair=4#fig-guess", viewport=PHONE, has_touch=True)
    guess = Guess(page)
    seen = guess.told["questions"][1]["seen"]
    assert guess.found()["pair"] == 4
    guess.figure.get_by_text(f"The {('first', 'second')[seen[3]]}").tap()
    assert guess.words().endswith("You guessed right 1 of 1 at N = 8; chance is one half.")
    guess.figure.get_by_text("Another pair").tap()
    assert guess.found()["pair"] == 1  # after the last the first
    guess.figure.get_by_text(f"The {('second', 'first')[seen[0]]}").tap()
    assert guess.found()["scores"] == [[0, 0], [1, 2]]
    assert guess.words().startswith("No: ")


def test_a_denoiser_answers_at_once(visit, record_property):
    draw = Draw(visit()).begin()
    draw.guess("One image")
    script = """async () => {
        const { list, seat, spec } = await import(new URL("../_static/lab/engine.js", location));
        const [network, ask, y] = [spec(list.sets[0].networks[0]), seat(), new Float32Array(1024)];
        await ask("denoise", { network, size: 32, y });
        const start = performance.now();
        for (let k = 0; k < 10; k++) await ask("denoise", { network, size: 32, y });
        return (performance.now() - start) / 10;
    }"""
    milliseconds = draw.page.evaluate(script)
    record_property("milliseconds of a denoiser's answer", f"{milliseconds:.0f}")
    assert milliseconds < 100


def test_a_file_that_is_missing_is_told_and_can_be_tried_again(chromium, address):
    page = chromium.new_page()
    page.route("**/*.starts", lambda route: route.fulfill(status=404))
    page.goto(f"{address}book/figures.html", wait_until="networkidle")
    draw = Draw(page)
    draw.figure.get_by_text("Draw from a noise of your own").click()
    page.wait_for_selector("[data-script=draw] [role=alert]:not(:empty)")
    told = draw.figure.locator("[role=alert]").inner_text()
    assert re.fullmatch(r"The file \S+ is missing on the server \(status 404\)\.", told)
    assert draw.figure.locator("img").is_visible()
    page.unroute("**/*.starts")
    draw.figure.get_by_text("Try again").click()
    draw.figure.locator("canvas").first.wait_for()
    page.close()


@pytest.mark.parametrize(("viewport", "mode"), [(DESK, "light"), (PHONE, "dark")])
def test_figures_are_accessible_and_fit(visit, viewport, mode):
    page = visit(viewport=viewport, mode=mode)
    draw = Draw(page).begin()
    draw.guess("Two images")
    Rebuild(page).begin()
    Disc(page).found()
    Fly(page).found()
    RivalFigure(page).begin()
    Contour(page).begin()
    Guess(page).found()
    Scrub(page).found()
    plane(page).get_by_text("Pause").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    rules = {"runOnly": {"type": "rule", "values": COLOURS}} if mode == "dark" else {}  # the document is the same
    found = violations(page, **rules)
    page.complaints.clear()  # axe itself asks for style sheets at addresses of its own
    assert [f"{x['id']}: {node['html'][:200]}" for x in found for node in x["nodes"]] == []


# The front page's figure --------------------------------------------------------------------------------------------


def front(n: int = 3) -> Study:
    """Two memorizing optima of n images each, 12 by 20, in the place of networks."""
    x = torch.rand(2 * n + 9, 1, 12, 20, generator=torch.Generator().manual_seed(n))
    halves = Halves(x[:n], x[n : 2 * n], x[2 * n :])
    both = {(n, half): EmpiricalDenoiser(getattr(halves, half.lower())) for half in "AB"}
    run = {key: recipes.Run(n=n, half=key[1], pool=400, held_out=9) for key in both}
    return Study("avatars", run, both, {n: halves}, halves.held_out)


def test_a_sheet_goes_from_the_common_noise_to_what_the_networks_draw_and_their_training_images():
    study = front()
    start = sampling.gaussian_start(study.held_out, range(2 * hero.COLUMNS))
    sheets, sigmas = hero.walks(study, 3, start)
    assert (len(sheets), len(sigmas), sigmas[0]) == (2, 21, 1)
    assert (np.diff(sigmas) < 0).all()
    for k, sheet in enumerate(sheets):
        tiles = sheet.reshape(22, 12, 2, hero.COLUMNS, 20).transpose(0, 2, 3, 1, 4)
        noises = start[hero.COLUMNS * k :][: hero.COLUMNS, 0].clamp(0, 1).numpy()
        for half, name in enumerate("AB"):
            np.testing.assert_array_equal(tiles[0, half], noises)
            known = study.training(3, name)[:, 0].numpy()
            for column in range(hero.COLUMNS):  # an optimum of three images draws one of them
                (which,) = np.flatnonzero((known == tiles[21, half, column]).all((1, 2)))
                np.testing.assert_allclose(tiles[20, half, column], known[which], atol=1e-3)


@pytest.fixture
def hero_page(tmp_path, monkeypatch):
    """A page with the figure of two N, and the data of its script."""
    studies = {3: front(3), 5: front(5)}
    both = Study(
        "avatars",
        studies[3].runs | studies[5].runs,
        studies[3].denoisers | studies[5].denoisers,
        studies[3].data | studies[5].data,
        studies[3].held_out,
    )
    monkeypatch.setattr(hero.experiments, "faces", lambda scale: both)
    listed = hero.export("smoke", tmp_path)
    before = listed.stat().st_mtime_ns
    assert hero.export("smoke", tmp_path).stat().st_mtime_ns == before  # nothing is new
    monkeypatch.setattr(hero, "digest", lambda text: "another key")
    assert hero.export("smoke", tmp_path).stat().st_mtime_ns > before

    def estimates(*values):
        return [Estimate(value, value - 0.01, value + 0.01) for value in values]

    alike = Table(tuple(Alike(n, 9, *estimates(c, 0)) for n, c in ((3, 0.25), (5, 0.75))))
    near = Table(tuple(Nearness(n, half, *estimates(c, 0.5, 0, 0, 0), None, None) for n, half, c in NEAR))
    figure = hero.figure(listed.parent, {"alike": alike, "near": near}, "build/hero/smoke/")
    for name in ("custom.css", "hero.css", "hero.js"):
        shutil.copy(REPO / "book" / "assets" / name, tmp_path)
    shutil.copytree(REPO / "book" / "assets" / "fonts", tmp_path / "fonts")
    style = "".join(f'<link rel="stylesheet" href="{name}.css">' for name in ("custom", "hero"))
    style += '<link rel="icon" href="data:,">'
    page = tmp_path / "page.html"
    head = f'<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>x</title>{style}'
    page.write_text(f'{head}<main><h1>x</h1>{figure}</main><script src="hero.js"></script></html>', "utf8")
    return page, figure


NEAR = ((3, "A", 0.99), (3, "B", 0.1), (5, "A", 0.6), (5, "B", 0.2))


def test_without_a_script_the_front_page_shows_the_end_of_a_walk(hero_page):
    _, figure = hero_page
    soup = BeautifulSoup(figure, "html.parser")
    assert [row.p.text for row in soup.select(".hero-row")] == [
        "nearest among A’s training images",
        "A draws",
        "B draws",
        "nearest among B’s training images",
    ]
    assert len({image["alt"] for image in soup.select("img")}) == 4 * hero.COLUMNS
    assert [b.text for b in soup.select("dd b")] == ["0.75", "0.60", "0.50"]  # of the largest N, half A
    assert soup.select_one('[data-number="n"]').text == "5"


@pytest.mark.browser
def test_the_front_page_plays_stops_and_answers_mouse_and_keyboard(hero_page, chromium):
    path, _ = hero_page
    with serve(path.parent) as site:
        for motion in ("no-preference", "reduce"):
            watch(chromium, f"{site}page.html", motion)
        watch(chromium, path.as_uri(), "reduce")  # opened as a file


def watch(chromium, address: str, motion: str) -> None:
    """Plays with the figure as a reader would."""
    page = chromium.new_page(viewport=DESK, reduced_motion=motion)
    complaints = hear(page, address.rpartition("/")[0], "hero")
    page.goto(address)
    figure, pause = page.locator(".hero"), page.locator(".hero-tools button").first
    page.wait_for_function("document.querySelector('.hero').dataset.step !== undefined")
    if motion == "reduce":  # it stands still until it is asked to move
        assert figure.get_attribute("data-step") == "20"
        page.wait_for_timeout(500)
        assert figure.get_attribute("data-step") == "20"
        page.locator(".hero-sizes input").last.focus()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("document.querySelector('.hero').dataset.n === '3'")
        assert figure.get_attribute("data-step") == "20"
        assert "N = 3. Similarity" in page.inner_text(".hero-heard")
        page.keyboard.press("ArrowRight")
        pause.click()  # whoever asks for it sees it move
    page.wait_for_function("+document.querySelector('.hero').dataset.step < 10")
    pause.click()
    at = figure.get_attribute("data-step")
    assert pause.inner_text() == "Play"
    page.wait_for_timeout(500)
    assert figure.get_attribute("data-step") == at
    slider = page.locator(".hero-tools input")
    slider.press("End")
    assert slider.get_attribute("aria-valuetext").startswith("step 20 of 20")
    readable = address.startswith("http")  # a page that is a file keeps its pixels
    drawn = canvases(figure) if readable else None
    page.locator(".hero-sizes label").first.click()
    page.wait_for_function("document.querySelector('.hero').dataset.n === '3'")
    slider.press("End")
    assert [b.inner_text() for b in page.locator("dd b").all()] == ["0.25", "0.99", "0.50"]
    if readable:
        until(lambda: not np.array_equal(drawn, canvases(figure)))
        few = canvases(figure)
    page.locator(".hero-tools button").nth(1).press("Enter")  # new noise
    page.wait_for_function("document.querySelector('.hero').dataset.round === '1'")
    if readable:
        slider.press("End")
        until(lambda: not np.array_equal(few, canvases(figure)))

        def remembered() -> bool:
            """Memories draw their training images; canvases are drawn one after the other."""
            near_a, a, b, near_b = np.split(np.array(canvases(figure)), 4)
            return np.allclose(a, near_a, atol=1) and np.allclose(b, near_b, atol=1)

        until(remembered)
        end = canvases(figure)[4:8]
        slider.press("Home")
        until(lambda: not np.array_equal(end, canvases(figure)[4:8]))
        until(lambda: np.array_equal(canvases(figure)[4:8], canvases(figure)[8:12]))  # A and B begin with one noise
    assert complaints == []  # axe asks for style sheets at addresses of its own
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert [f["id"] for f in violations(page)] == []
    page.close()
