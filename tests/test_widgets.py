"""Explorers: their frames, the page that carries them, in headless Chromium, and a real JupyterLab that computes."""

import contextlib
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import jupytext
import nbformat
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from conftest import DESK, canvases, cut, hear, new_project, press, serve, sheet, shoot
from PIL import Image

from ghr import harmonic, images, jacobian, noise, recipes, runs
from ghr.book import pages
from ghr.book.widgets import Axes, Explorer, Frame, Slider, Tile, pack, pixels
from ghr.denoiser import denoise

REPO = Path(__file__).resolve().parents[1]
X = torch.rand(1, 5, 7, generator=torch.Generator().manual_seed(0))


def frame(n, sigma):
    """Two tiles and a curve that tell where the sliders stand."""
    tiles = [Tile(X * sigma, "grey", f"{sigma} units", "A"), Tile(X - n / 10, "signed & <tall>", signed=True)]
    return Frame(tiles, f"n = {n} and sigma = {sigma}.", [n, 2.0, sigma], n % 3)


SLIDERS = [Slider("n", "images", range(6), (0, 4, 5), 4), Slider("sigma", "noise", (0.1, 0.5, 1.0), form="{:.2f}")]
AXES = Axes((1, 10, 100), (0, 4), "rank", "λ")


@pytest.fixture
def explorer():
    return Explorer(frame, SLIDERS, columns=2, axes=AXES)


def carried(html: str) -> dict:
    return json.loads(BeautifulSoup(html, "html.parser").select_one(".explorer > script").string)


# Frames -----------------------------------------------------------------------------------------------------------


def test_every_carried_frame_is_what_the_function_gives(explorer):
    packed = carried(explorer.html())
    places = [(n, sigma) for n in (0, 4, 5) for sigma in (0.1, 0.5, 1.0)]
    assert len(packed["frames"]) == len(places)
    for found, place in zip(packed["frames"], places, strict=True):
        wanted = frame(*place)
        assert found["words"] == wanted.words
        for (k, title, note, half), tile in zip(found["tiles"], wanted.tiles, strict=True):
            assert (title, note, half) == (tile.title, tile.note, tile.half)
            np.testing.assert_array_equal(cut(packed, k), pixels(tile))


def test_equal_pictures_are_carried_once(explorer):
    packed = carried(explorer.html())
    assert len({k for found in packed["frames"] for k, *_ in found["tiles"]}) == 3 + 3


def test_grey_is_rounded_and_clipped_and_signed_goes_from_blue_to_red():
    grey = pixels(Tile(torch.tensor([[[-1.0, 0.0, 0.5, 1.0, 2.0]]]), ""))
    assert grey[0].tolist() == [[0] * 3, [0] * 3, [128] * 3, [255] * 3, [255] * 3]
    (blue, white, red) = pixels(Tile(torch.tensor([[[-1.0, 0.0, 1.0]]]), "", signed=True))[0].astype(int)
    assert blue[2] > blue[0] + 50
    assert min(white) > 230
    assert red[0] > red[2] + 50
    assert pixels(Tile(torch.zeros(1, 2, 2), "", signed=True)).min() > 230  # nothing is neither


def test_a_curve_runs_from_left_to_right_on_a_log_axis_and_its_mark_lies_on_it():
    packed = pack([frame(1, 1.0)], AXES)
    points = [tuple(map(float, p.split())) for p in packed["curves"][0][1:].split("L")]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y0 == pytest.approx(y2)  # both are 1
    assert y1 < y0  # 2 is higher
    assert packed["frames"][0]["mark"] == list(points[1])


def test_several_curves_are_one_path_and_the_mark_lies_on_the_first():
    tiles = [Tile(X, "")]
    both = pack([Frame(tiles, "", ([1.0, 2.0, 3.0], [0.0, 1.0, 0.5]), 2)], AXES)
    alone = [pack([Frame(tiles, "", values, 2)], AXES) for values in ([1.0, 2.0, 3.0], [0.0, 1.0, 0.5])]
    assert both["curves"] == ["".join(one["curves"][0] for one in alone)]
    assert both["frames"][0]["mark"] == alone[0]["frames"][0]["mark"]


def test_the_widget_computes_each_position_that_the_reader_sets(explorer):
    assert explorer.place == [4, 0]
    for place in ([1, 2], [5, 0]):
        explorer.place = place
        assert explorer.shown["place"] == place
        (found,) = explorer.shown["frames"]
        wanted = frame(place[0], (0.1, 0.5, 1.0)[place[1]])
        assert found["words"] == wanted.words
        np.testing.assert_array_equal(cut(explorer.shown, found["tiles"][0][0]), pixels(wanted.tiles[0]))


def test_without_a_script_the_first_frame_stands_there(explorer):
    soup = BeautifulSoup(explorer.html(), "html.parser")
    assert soup.select_one(".explorer-words").text == frame(4, 0.1).words
    for image, tile in zip(soup.select("img"), frame(4, 0.1).tiles, strict=True):
        assert image["alt"].startswith(tile.title)
        np.testing.assert_array_equal(sheet(image["src"]), pixels(tile))
    mark = soup.select_one("circle")
    assert [float(mark["cx"]), float(mark["cy"])] == pack([frame(4, 0.1)], AXES)["frames"][0]["mark"]


@pytest.mark.parametrize("wrong", [{"page": (0, 7)}, {"start": 7}])
def test_a_slider_without_a_value_that_it_carries_is_refused(wrong):
    with pytest.raises(ValueError, match=re.escape('The slider "images" has no value 7: its values are [0, 1].')):
        Explorer(lambda n: frame(n, 1.0), [Slider("n", "images", (0, 1), **wrong)], axes=AXES)


@pytest.mark.parametrize(("x", "y"), [((1,), (0, 4)), ((0, 10), (0, 4)), ((10, 1), (0, 4)), ((1, 10), (4, 4))])
def test_axes_on_which_nothing_can_be_drawn_are_refused(x, y):
    with pytest.raises(ValueError, match="Axes need two positive abscissae or more, and limits, that grow"):
        Axes(x, y, "rank", "λ")


@pytest.mark.parametrize("second", [[Tile(X, "")], [Tile(X, ""), Tile(X[:, 1:], "")]])
def test_frames_of_other_shapes_are_refused(second):
    with pytest.raises(ValueError, match="equally many tiles of one size"):
        pack([Frame([Tile(X, ""), Tile(X, "")], ""), Frame(second, "")])


# A page -----------------------------------------------------------------------------------------------------------

CELL = """
# %% mystnb={"figure": {"caption": "Two sliders.", "name": "fig-sliders"}}
import sys

sys.path.insert(0, "TESTS")
from IPython.display import HTML
from test_widgets import AXES, SLIDERS, Explorer, frame

explorer = Explorer(frame, SLIDERS, columns=2, axes=AXES)
glue("sliders", HTML(explorer.html()), display=False)
explorer
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A book of one chapter with an explorer, and a front page that quotes it."""
    project = new_project(tmp_path_factory.mktemp("explorer"))
    with (project / "book" / "00_x.py").open("a") as file:
        file.write(CELL.replace("TESTS", str(REPO / "tests")))
    with (project / "index.md").open("a") as file:
        file.write("\n```{glue:} sliders\n:doc: book/00_x.py\n```\n")
    pages.book("smoke", project)
    return project


def see(page, wanted: Frame) -> None:
    """The page shows exactly this frame, and says so."""
    for found, tile in zip(canvases(page.locator(".explorer").first), wanted.tiles, strict=True):
        np.testing.assert_array_equal(found, pixels(tile))
    assert page.locator(".explorer-words").first.text_content() == wanted.words
    assert page.locator(".explorer-words").first.get_attribute("aria-live") == "polite"
    notes = page.locator(".explorer-tiles p").all_text_contents()
    assert [note.strip() for note in notes] == [f"{tile.title} {tile.note}".strip() for tile in wanted.tiles]


@pytest.mark.browser
@pytest.mark.parametrize("name", ["book/00_x.html", "index.html"])
def test_sliders_of_a_page_show_their_frames_by_keyboard_and_by_mouse(chromium, site, name):
    html = site / "_build" / "html"
    page = chromium.new_page(viewport=DESK)
    with serve(html) as address:
        complaints = hear(page, address, name)
        page.goto(address + name, wait_until="networkidle")
        page.wait_for_selector(".explorer canvas")
        see(page, frame(4, 0.1))
        first, second = page.locator(".explorer input").all()
        first.focus()
        page.keyboard.press("ArrowRight")
        see(page, frame(5, 0.1))
        page.keyboard.press("Home")
        see(page, frame(0, 0.1))
        assert first.get_attribute("aria-valuetext") == "0"
        page.keyboard.press("Tab")
        page.keyboard.press("End")
        see(page, frame(0, 1.0))
        assert second.get_attribute("aria-valuetext") == "1.00"
        press(first, 0.99)
        see(page, frame(5, 1.0))
        dot, line = page.locator(".explorer circle"), page.locator(".explorer-line")
        packed = pack([frame(5, 1.0)], AXES)
        assert [float(dot.get_attribute(c)) for c in ("cx", "cy")] == packed["frames"][0]["mark"]
        assert line.get_attribute("d") == packed["curves"][0]
    assert complaints == []
    page.close()


@pytest.mark.browser
def test_a_view_has_an_address_and_can_be_downloaded(chromium, site):
    page = chromium.new_page(viewport=DESK)
    with serve(site / "_build" / "html") as address:
        page.goto(f"{address}book/00_x.html?n=5&sigma=0.6#fig-sliders", wait_until="networkidle")
        page.wait_for_selector(".explorer canvas")
        see(page, frame(5, 0.5))  # the nearest that the page carries
        page.locator(".explorer input").last.press("End")
        page.wait_for_url("**/00_x.html?n=5&sigma=1.00#fig-sliders")
        found = {}
        for kind in ("PNG", "CSV"):
            with page.expect_download() as started:
                page.locator(".explorer-tools").get_by_text(kind, exact=True).click()
            assert started.value.suggested_filename == f"fig-sliders_n-5_sigma-1.00.{kind.lower()}"
            found[kind] = started.value.path().read_bytes()
        head, *rows = csv.reader(io.StringIO(found["CSV"].decode()))
        assert head == ["rank", "λ"]
        np.testing.assert_allclose(np.array(rows, float), np.stack([AXES.x, frame(5, 1.0).curve], 1))
        stage = page.locator(".explorer > div").first.bounding_box()
        picture = np.asarray(Image.open(io.BytesIO(found["PNG"])).convert("RGB"))
        assert picture.shape[:2] == (int(3 * (stage["height"] + 20)), int(3 * (stage["width"] + 20)))
        tile = page.locator(".explorer canvas").first.bounding_box()
        place = [int(3 * (tile[a] - stage[a] + 10 + tile[b] / 14)) for a, b in (("y", "height"), ("x", "width"))]
        assert abs(picture[place[0], place[1]].astype(int) - pixels(frame(5, 1.0).tiles[0])[0, 0]).max() <= 1
    page.close()


@pytest.mark.browser
def test_sliders_work_in_pages_opened_as_files_and_stills_without_scripts(chromium, site):
    page = chromium.new_page(viewport=DESK)
    page.goto((site / "_build" / "html" / "book" / "00_x.html").as_uri())
    page.wait_for_selector(".explorer canvas")
    page.locator(".explorer input").last.press("End")
    see(page, frame(4, 1.0))
    page.close()
    bare = chromium.new_page(java_script_enabled=False)
    bare.goto((site / "_build" / "html" / "book" / "00_x.html").as_uri())
    assert bare.locator(".explorer img").count() == 2
    assert bare.locator(".explorer-words").text_content() == frame(4, 0.1).words
    bare.close()


def test_an_executed_copy_keeps_the_html_and_no_kernels_view(site):
    (copy,) = (site / "build" / "executed").glob("*.ipynb")
    nb = nbformat.read(copy, 4)
    outputs = [output for cell in nb.cells for output in cell.get("outputs", [])]
    (shown,) = [o for o in outputs if "explorer" in o.get("data", {}).get("text/html", "") and "metadata" in o]
    assert set(shown["data"]) == {"text/html", "text/plain"}
    assert "widgets" not in nb.metadata


# JupyterLab -------------------------------------------------------------------------------------------------------

#: a reader's denoiser and images
OWN = """\
import torch
from ghr.book import yours

images = torch.linspace(0, 1, 5 * 96).view(5, 1, 8, 12)
yours.answers({"mine": lambda y, sigma: y / (1 + sigma)}, images)
"""


#: live figures: of the book's networks, of none, and of a reader's denoisers, of which gradients pass the second
FIGURES = """\
import os

os.environ["GHR_CHECKPOINTS"] = "FOLDER"
import torch
from ghr.book import live, plots, yours

still = plots.image_grid([torch.full((2, 1, 8, 8), 0.5)], ["a still"])
live.Live("rebuild", still, "Still of rebuilt images", networks="photographs")
# %%
live.Live("plane", still, "Still of the plane", points=[[0.2, 0.3], [0.7, 0.8]], sigmas=[0.5, 0.05])
# %%
images = torch.linspace(0, 1, 4 * 144).view(4, 1, 12, 12).sin()
denoisers = {"array": lambda y: torch.from_numpy(y.detach().numpy() / 2), "told": lambda y, sigma: y / (1 + sigma)}
yours.figure("rebuild", denoisers, images)
"""
BOOKS = [run for run in recipes.table("laptop", "photographs") if run.n == 10 and run.network == "UNet"]


@pytest.fixture
def jupyter(tmp_path):
    """A JupyterLab whose root holds chapter 1 as a notebook of scale smoke, and two of a reader's: its address."""
    nb = jupytext.read(REPO / "book" / "01_denoising.py")
    nb.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (parameters,) = [cell for cell in nb.cells if "parameters" in cell.metadata.get("tags", [])]
    parameters.source = parameters.source.replace('scale = "laptop"', 'scale = "smoke"')
    nbformat.write(nb, tmp_path / "01.ipynb")
    own = nbformat.v4.new_notebook(metadata=nb.metadata, cells=[nbformat.v4.new_code_cell(OWN)])
    nbformat.write(own, tmp_path / "own.ipynb")
    (tmp_path / "checkpoints").mkdir()
    for run in BOOKS:
        shutil.copy(REPO / "checkpoints" / f"{run.name}.safetensors", tmp_path / "checkpoints")
    cells = FIGURES.replace("FOLDER", str(tmp_path / "checkpoints")).split("# %%\n")
    figures = nbformat.v4.new_notebook(metadata=nb.metadata, cells=[*map(nbformat.v4.new_code_cell, cells)])
    nbformat.write(figures, tmp_path / "figures.ipynb")
    settings = tmp_path / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += ["--expose-app-in-browser", "--LabApp.extension_manager=readonly"]
    command += [f"--ServerApp.root_dir={tmp_path}", "--IdentityProvider.token="]
    folders = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    folders["JUPYTERLAB_SETTINGS_DIR"] = str(tmp_path / "settings")
    log = tmp_path / "log.txt"
    with log.open("w") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | folders)
    try:
        address, deadline = None, time.monotonic() + 120
        while not address:  # it names its address some time before it answers there
            assert time.monotonic() < deadline, log.read_text()
            assert server.poll() is None, log.read_text()
            time.sleep(0.5)
            if found := re.search(r"http://(?:localhost|127\.0\.0\.1):\d+/", log.read_text()):
                with contextlib.suppress(URLError):
                    urlopen(found[0] + "api", timeout=60).read()
                    address = found[0]
        yield address
    finally:
        server.terminate()
        server.wait(60)


def run_all(page, address: str) -> None:
    """Opens a notebook and runs its cells."""
    page.goto(address)
    page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel", timeout=120_000)
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")


@pytest.mark.browser
@pytest.mark.slow
def test_in_jupyterlab_a_slider_shows_what_the_network_computes(chromium, jupyter):
    page = chromium.new_page(viewport=DESK)
    run_all(page, jupyter + "lab/tree/01.ipynb")
    page.wait_for_selector(".explorer canvas", timeout=600_000)
    idle = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
    page.wait_for_function(idle, timeout=600_000)  # a kernel answers no slider before it has run all cells
    words = page.locator(".explorer-words").text_content()
    image, sigma = page.locator(".explorer input").all()
    assert int(sigma.get_attribute("max")) == 40  # every noise level: a page carries a quarter of them
    sigma.click()  # its middle, the 20th
    for key, place in (("", "0,20"), ("ArrowLeft", "0,19")):  # to one that no page carries; JupyterLab knows arrows too
        page.keyboard.press(key) if key else None
        page.wait_for_function(f"document.querySelector('.explorer').dataset.place === '{place}'", timeout=60_000)
    image.press("End")
    page.wait_for_function("document.querySelector('.explorer').dataset.place === '31,19'", timeout=60_000)
    assert page.locator(".explorer-words").text_content() != words

    run = max((r for r in recipes.table("smoke", "avatars") if r.half == "A"), key=lambda r: r.n)
    photographs = images.split("photographs", run.size, 1).held_out[:100]
    x = photographs[14:15]
    y = noise.add_noise(x, np.geomspace(0.01, 1, 41).tolist()[19], torch.Generator().manual_seed(0))
    with torch.no_grad():
        x_hat = runs.load(run)(y)
    clean, noisy, denoised = canvases(page.locator(".explorer").first)
    np.testing.assert_array_equal(clean, pixels(Tile(x[0], "")))
    np.testing.assert_array_equal(noisy, pixels(Tile(y[0], "")))
    # another process may add in another order
    assert np.abs(denoised.astype(int) - pixels(Tile(x_hat[0], ""))).max() <= 1
    page.locator(".explorer").scroll_into_view_if_needed()
    shoot(page, "jupyterlab", full_page=False)
    page.close()


@pytest.mark.browser
@pytest.mark.slow
def test_in_jupyterlab_a_denoiser_of_ones_own_answers_at_any_noise(chromium, jupyter):
    page = chromium.new_page(viewport=DESK)
    run_all(page, jupyter + "lab/tree/own.ipynb")
    page.wait_for_selector(".explorer canvas", timeout=120_000)
    image, sigma = page.locator(".explorer input").all()
    image.press("End")
    sigma.press("ArrowRight")
    page.wait_for_function("document.querySelector('.explorer').dataset.place === '4,21'", timeout=60_000)
    level = np.geomspace(0.01, 1, 41).tolist()[21]
    x = torch.linspace(0, 1, 5 * 96).view(5, 1, 8, 12)[4:]
    y = noise.add_noise(x, level, torch.Generator().manual_seed(0))
    for found, wanted in zip(canvases(page.locator(".explorer")), (x, y, y / (1 + level)), strict=True):
        np.testing.assert_array_equal(found, pixels(Tile(wanted[0], "")))
    assert f"σ = {level:.2f}" in page.locator(".explorer-words").text_content()
    shoot(page, "jupyterlab-own", full_page=False)
    page.close()


def found(figure, wanted: str = "true") -> dict:
    """What a live figure has found, once it is done and that is so of its result."""
    deadline = time.monotonic() + 120
    while not figure.evaluate(f"el => Boolean(el.result && !el.ariaBusy && (({{ result }}) => {wanted})(el))"):
        assert time.monotonic() < deadline, figure.inner_text()
        time.sleep(0.2)
    return json.loads(figure.evaluate("el => JSON.stringify(el.result, (_, v) => ArrayBuffer.isView(v) ? [...v] : v)"))


@pytest.mark.browser
@pytest.mark.slow
def test_in_jupyterlab_a_kernel_answers_the_books_figures(chromium, jupyter, tmp_path):
    page = chromium.new_page(viewport=DESK)
    run_all(page, jupyter + "lab/tree/figures.ipynb")
    first, own = (page.locator(f'.live[data-script="rebuild"] >> nth={k}') for k in (0, 1))
    own.wait_for(timeout=120_000)
    first.get_by_text("Asks the kernel").wait_for(timeout=60_000)
    assert first.locator("img").get_attribute("alt") == "Still of rebuilt images"

    first.get_by_role("button").click()
    result = found(first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHR_CHECKPOINTS", str(tmp_path / "checkpoints"))
        network = runs.load(BOOKS[0])
    data = runs.data(BOOKS[0])
    x, y = (torch.tensor(result[name]).view(1, 1, 32, 32) for name in "xy")
    torch.testing.assert_close(x, data.held_out[:1])
    j = jacobian.jacobian(network, y)
    _, vectors = torch.linalg.eigh((j + j.T).double() / 2)
    off = (x - data.a.mean(0)).flatten().double()
    bases = {"eigenvectors": vectors.flip(1).T[:64], "cosines": harmonic.dct(32, 32).flatten(1)}
    bases["principal"] = harmonic.principal(data.a, 9).flatten(1)
    for name, basis in bases.items():
        c = basis.double() @ off
        kept = c.abs().argsort(descending=True)[: 64 if name == "cosines" else len(c)]
        near = data.a.mean(0).flatten() + c[kept] @ basis.double()[kept]
        wanted = noise.psnr(x.double(), near.view(1, 1, 32, 32)).item()
        assert result["quality"][name] == pytest.approx(wanted, abs=0.05), name
    answered = noise.psnr(x, denoise(network, y)).item()
    assert first.get_by_role("img", name=f"denoised {answered:.1f}\xa0dB").count() == 1

    canvas = first.locator("canvas").first
    side = canvas.bounding_box()["width"]
    canvas.click(position={"x": 4.5 / 32 * side, "y": 7.5 / 32 * side})
    picked = found(first, "result.pixel[0] === 4 && result.pixel[1] === 7")
    np.testing.assert_allclose(picked["row"], j[7 * 32 + 4], atol=1e-5)
    np.testing.assert_allclose(picked["column"], j[:, 7 * 32 + 4], atol=1e-5)
    canvas.press("ArrowRight")
    picked = found(first, "result.pixel[0] === 5")
    np.testing.assert_allclose(picked["row"], j[7 * 32 + 5], atol=1e-5)
    assert page.url == jupyter + "lab/tree/figures.ipynb"
    shoot(page, "jupyterlab-rebuild", full_page=False)

    own.get_by_role("button").click()
    result = found(own)
    assert own.locator(".explorer-sliders span").all_text_contents()[2:] == [
        "denoiser",
        "noise, σ",
        "ink, to draw with",
    ]
    denoiser, sigma = own.locator("input[type=range]").all()[2:4]
    sigma.press("End")  # to 1, which no page has
    result = found(own, "result.y[0] !== " + repr(result["y"][0]))
    middle = 6 * 12 + 6
    np.testing.assert_allclose(result["row"], np.eye(144)[middle] / 2, atol=1e-6)
    denoiser.press("Home")
    own.get_by_text("The kernel has no answer: ").wait_for(timeout=60_000)
    denoiser.press("End")
    found(own)
    assert own.locator(".live-trouble").inner_text() == ""

    plane = page.locator('.live[data-script="plane"]')
    plane.get_by_text("Add an image").click()
    assert plane.locator(".live-handle").count() == 3
    shoot(page, "jupyterlab-figures", full_page=False)
    page.close()
