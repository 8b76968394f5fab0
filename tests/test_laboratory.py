"""The laboratory: its graphs and files, and its page in headless Chromium, whose numbers must equal torch's.

Its site is that of `conftest.py`; $GHR_SCREENSHOTS names a folder for pictures of it.
"""

import base64
import io
import json
import re
import sys
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from bs4 import BeautifulSoup
from conftest import (
    CHROMIUM,
    COLOURS,
    DESK,
    DISCS,
    FLAGS,
    PHONE,
    SIZES,
    excite,
    hear,
    press,
    shoot,
    stroke,
    tmp_path_with_pins,
    violations,
)
from PIL import Image

from ghr import foreign, jacobian, networks, noise, recipes, runs, sampling, similarity
from ghr.book import export, laboratory, live

REPO = Path(__file__).resolve().parents[1]


# Graphs -----------------------------------------------------------------------------------------------------------


def test_the_graphs_are_the_network_its_jacobian_and_the_transpose(unet, images):
    y = images[:1]
    x_hat, gates = laboratory.Forward(unet)(y)
    torch.testing.assert_close(x_hat, unet(y))
    assert set(gates.unique().tolist()) == {0, 1}
    j = jacobian.jacobian(unet, y)
    v = torch.randn(y.shape, generator=torch.Generator().manual_seed(3), dtype=y.dtype)
    push, pull = laboratory.Products(unet)(gates, v)
    assert (j - j.T).norm() > 0.1 * j.norm()  # else J and J' could not be told apart
    torch.testing.assert_close(push.flatten(), j @ v.flatten())
    torch.testing.assert_close(pull.flatten(), j.T @ v.flatten())


def test_a_network_is_left_as_it_was(unet, images):
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    laboratory.Forward(unet)(images[:1])
    assert [type(layer) for layer in unet.modules() if "Bend" in type(layer).__name__] == []
    assert all(torch.equal(before[name], value) for name, value in unet.state_dict().items())


@pytest.mark.parametrize("graph", [laboratory.Forward, laboratory.Products])
def test_a_network_in_training_mode_is_refused(unet, graph):
    with pytest.raises(ValueError, match="training mode"):
        graph(unet.train())


def test_weights_are_kept_in_the_types_of_the_checkpoint():
    network = excite(networks.UNet(width=3, scales=1))
    data = laboratory.weights(network)
    place = 0
    for name, value in network.state_dict().items():
        kind = np.float16 if value.ndim > 1 else np.float32
        found = np.frombuffer(data, kind, value.numel(), place)
        np.testing.assert_array_equal(found, value.numpy().ravel().astype(kind), err_msg=name)
        place += -(-found.nbytes // 16) * 16
    assert place == len(data)


def test_graphs_tell_nothing_of_the_machine_that_made_them():
    for data in laboratory.graphs(excite(networks.UNet(width=3, scales=1)), 8).values():
        assert b"Conv" in data
        for path in (str(REPO), sys.prefix, "site-packages"):
            assert path.encode() not in data


# Files ------------------------------------------------------------------------------------------------------------


def test_the_static_figure_compares_networks_of_one_width(monkeypatch):
    chosen = [recipes.Run(images="discs", n=n, width=w, pool=400, held_out=20) for n, w in ((5, 8), (9, 8), (9, 32))]
    loaded = []

    def load(run):
        loaded.append((run.n, run.width))
        return excite(networks.UNet(width=3, scales=1))

    monkeypatch.setattr(runs, "load", load)
    page = laboratory.figure(chosen)
    assert "trained on 5 and 9 images" in page
    assert loaded[:2] == [(5, 8), (9, 8)]


def test_pixels_of_eight_bits_are_exact_and_others_keep_their_range(tmp_path):
    levels = torch.arange(256).float().div(255).view(1, 1, 16, 16)
    file = laboratory._pixels(tmp_path, "a.images", levels)
    data = (tmp_path / file["path"]).read_bytes()
    assert (file["low"], file["high"], file["bytes"], file["crc32"]) == (0, 1, 256, zlib.crc32(data))
    assert data == bytes(range(256))
    beyond = laboratory._pixels(tmp_path, "b.images", levels * 3 - 1)
    assert (beyond["low"], beyond["high"]) == (-1, 2)
    assert beyond["path"] != file["path"]


def test_only_trained_networks_without_biases_are_offered(tmp_path, monkeypatch):
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path))
    assert laboratory.networks("smoke") == []
    table = recipes.table("smoke")
    for run in table:
        runs.path(run).touch()
    offered = laboratory.networks("smoke")
    assert {run.network for run in offered} == {"UNet"}
    assert not set(offered) & {*recipes.controls("smoke"), *recipes.others("smoke")}
    assert set(recipes.flagship("smoke")) <= set(offered)
    assert {run.images for run in offered} == {run.images for run in table if run.network == "UNet"}
    faces = [(run.n, run.width, run.half) for run in offered if run.images == "avatars"]
    assert faces == sorted(faces)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("avatars", "cartoon faces"),
        ("photographs", "photographs"),
        ("avatars-shuffled", "cartoon faces, shuffled"),
        ("avatars-shuffled-4", "cartoon faces, shuffled in blocks of 4"),
        ("c_alpha-3-1", "regions with contours, α = 3, contour 1"),
        ("hoelder-2.5", "Hölder regions with contours, α = 2.5"),
        ("ray", "multiples of one image"),
    ],
)
def test_image_sets_are_called_by_words(name, label):
    assert laboratory.label(name) == label


def test_every_image_set_that_is_offered_is_explained_on_the_page():
    """By its label up to a comma, in bold."""
    page = (REPO / "book" / "laboratory.md").read_text()
    labels = {laboratory.label(run.images).partition(",")[0] for run in recipes.table("laptop")}
    assert [label for label in labels if f"**{label}**" not in page] == []


def test_a_book_without_networks_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path / "none"))
    listed = laboratory.export("smoke", tmp_path_with_pins(tmp_path))
    assert json.loads(listed.read_text())["sets"] == []
    assert (listed.parent / "figure.html").read_text() == ""


def test_without_npm_the_locked_version_comes_from_a_cdn(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    found = laboratory.runtime(tmp_path_with_pins(tmp_path))
    wanted = json.loads((REPO / "package.json").read_text())["dependencies"]["onnxruntime-web"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", wanted)
    assert found["version"] == wanted
    base = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{wanted}/dist/"
    for file, (name, checksum) in zip((found["module"], found["wasm"]), laboratory.RUNTIME_FILES.items(), strict=True):
        assert file == {"url": base + name, "sha256": checksum}
    assert "cdn.jsdelivr.net" in capsys.readouterr().out


# A reader -----------------------------------------------------------------------------------------------------------


class Page:
    """The laboratory's page and what a reader does there."""

    def __init__(self, page, complaints, address, state=""):
        self.page, self.complaints, self.address = page, complaints, address
        page.goto(f"{address}book/laboratory.html{state}", wait_until="networkidle")

    def start(self):
        self.page.click(".lab-start")
        return self.settled()

    def settled(self) -> dict | None:
        """What the experiment found, once nothing is computed any more; None where there is a sentence instead."""
        self.page.wait_for_timeout(50)  # an event has begun its work by then
        self.page.wait_for_function(
            """() => document.querySelector(".lab-trouble").textContent ||
            !document.querySelector(".lab-app").hasAttribute("aria-busy") && document.querySelector("#lab").result?.mode
            === document.querySelector("[name=mode]:checked").value""",
            timeout=120_000,
        )
        if self.trouble():
            return None
        return self.page.evaluate(
            """() => JSON.parse(JSON.stringify(document.querySelector("#lab").result,
            (_, v) => ArrayBuffer.isView(v) ? Array.from(v) : v))"""
        )

    def choose(self, **controls) -> dict | None:
        """Sets controls by name as a reader would: a slider to a value, a radio button or an option to one of its."""
        for name, value in controls.items():
            target = self.page.locator(f"[name={name}]")
            if target.first.get_attribute("type") == "radio":
                self.page.locator(f'label:has([name={name}][value="{value}"])').click()
            elif target.evaluate("element => element.tagName") == "SELECT":
                target.select_option(str(value))
            else:
                target.fill(str(value))
        return self.settled()

    def trouble(self) -> str:
        return self.page.inner_text(".lab-trouble")

    def caption(self) -> str:
        return self.page.inner_text(".lab-stage > figcaption")

    def canvas(self, name: str) -> np.ndarray:
        """Red, green and blue of a picture's pixels."""
        pixels = self.page.evaluate(
            """name => { const canvas = document.querySelector(`[data-name="${name}"] canvas`);
            return Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data); }""",
            name,
        )
        side = int((len(pixels) / 4) ** 0.5)
        return np.array(pixels).reshape(side, side, 4)[..., :3]

    def shoot(self, kind: str):
        self.page.evaluate("scrollTo(0, 0)")
        shoot(self.page, f"laboratory-{kind}")


@pytest.fixture
def visit(chromium, address):
    """visit(viewport, mode) -> Page; what it complains about is looked at when the test ends, unless it was cleared."""
    opened = []

    def visit(viewport=DESK, mode="light", browser=chromium, prepare=lambda page: None, state="", **options) -> Page:
        context = browser.new_context(viewport=viewport, color_scheme=mode, **options)
        page = context.new_page()
        prepare(page)
        opened.append((context, Page(page, hear(page, address, "laboratory"), address, state)))
        return opened[-1][1]

    yield visit
    complaints = [complaint for _, page in opened for complaint in page.complaints]
    for context, _ in opened:
        context.close()
    assert complaints == []


RESET = """name => {
    const lab = document.querySelector("#lab"), of = name => lab.querySelector(`[name=${name}]`);
    const tell = element => element.dispatchEvent(new Event("input", { bubbles: true }));
    if (name === "set") {
        lab.querySelector("[name=mode][value=denoise]").checked = true;  // the quickest
        if (of("draw").getAttribute("aria-pressed") === "true") of("draw").click();
        of("set").value = 0;
        return tell(of("set"));
    }
    for (const [name, value] of [["trained", 0], ["sigma", -0.7], ["seed", 0], ["k", 14], ["step", 20], ["ink", 0]])
        of(name).value = value;
    for (const [name, value] of [["half", "A"], ["image", 0]])
        lab.querySelector(`[name=${name}][value="${value}"]`).checked = true;
    tell(of("image"));
    tell(of("trained"));
}"""


@pytest.fixture(scope="module")
def started(chromium, address):
    """A page on which the laboratory has been started: that takes as long as most of what is asked of it."""
    context = chromium.new_context(viewport=DESK, color_scheme="light")
    tab = context.new_page()
    page = Page(tab, hear(tab, address, "laboratory"), address)
    page.start()
    yield page
    context.close()


@pytest.fixture
def page(started):
    """That page with every control as it is at the start; it complains about nothing."""
    started.page.set_viewport_size(DESK)
    for name in ("set", "all"):  # the images of a set come before one of them can be chosen
        started.page.evaluate(RESET, name)
        started.settled()
    started.page.evaluate("scrollTo(0, 0)")
    yield started
    complaints = list(started.complaints)
    started.complaints.clear()
    assert complaints == []


def image(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 32, 32)


def grey(values) -> np.ndarray:
    levels = np.floor(255 * np.clip(np.asarray(values, np.float64), 0, 1) + 0.5)
    return np.repeat(levels.reshape(32, 32, 1), 3, -1)


# Equal to torch ---------------------------------------------------------------------------------------------------


@pytest.mark.browser
def test_denoised_images_equal_those_of_torch(page, lab):
    errors = []
    for n, half, sigma in ((1, "A", -1.3), (1, "B", -0.7), (0, "B", -0.04), (0, "A", -0.7)):
        found = page.choose(n=n, sigma=sigma, half=half)
        assert found["sigma"] == pytest.approx(10**sigma)
        y, network = image(found["y"]), lab.networks[SIZES[n], half]
        with torch.no_grad():
            x_hat = network(y)
        errors.append((x_hat - image(found["x_hat"])).abs().max().item())
        x = image(found["x"])
        torch.testing.assert_close(x, lab.data[4454].held_out[:1])
        assert found["before"] == pytest.approx(noise.psnr(x, y).item(), abs=1e-3)
        assert found["after"] == pytest.approx(noise.psnr(x, x_hat).item(), abs=1e-3)
        for name in ("x", "y", "x_hat"):
            shown = page.canvas({"x": "clean", "y": "noisy", "x_hat": "denoised"}[name])
            np.testing.assert_array_equal(shown, grey(found[name]))
        assert f"Network {half}, N = {SIZES[n]:,} photographs" in page.caption()
        assert f"{found['before']:.1f}\u00a0dB before, {found['after']:.1f}\u00a0dB after" in page.caption()
    print(f"denoised images differ from torch's by {max(errors):.1e}")
    assert max(errors) < 1e-5


@pytest.mark.browser
def test_noise_is_white_and_of_the_seed_alone(page):

    def z(**controls):
        found = page.choose(**controls)
        return (np.array(found["y"]) - np.array(found["x"])) / found["sigma"]

    first, other = z(sigma=-0.7, seed=0), z(seed=5)
    np.testing.assert_allclose(z(sigma=-0.02, seed=0), first, atol=1e-4)
    assert abs(np.corrcoef(first, other)[0, 1]) < 4 / 32
    for noise_image in (first, other):
        assert abs(noise_image.mean()) < 4 / 32
        assert abs(noise_image.var() - 1) < 4 * 2**0.5 / 32
        assert np.abs(noise_image).max() > 2.5


@pytest.mark.browser
@pytest.mark.parametrize("n", [0, 1])
def test_samples_equal_those_of_torch(page, lab, n):
    page.choose(mode="sample")
    found = page.choose(n=n, seed=3)
    start = sampling.gaussian_start(lab.data[4454].held_out, [3])
    torch.testing.assert_close(image(found["start"]), start)  # the start of the chapters
    with torch.no_grad():
        walks = [list(sampling.sample(lab.networks[SIZES[n], half], start)) for half in "AB"]
    assert len(found["moments"]) == len(walks[0]) == 20
    errors = []
    for moment, states in zip(found["moments"], zip(*walks, strict=True), strict=True):
        assert moment["sigma"] == pytest.approx(states[0].sigma.item())
        for here, there in zip(moment["walks"], states, strict=True):
            errors += [(image(here[name]) - getattr(there, name)).abs().max().item() for name in ("y", "x_hat")]
    print(f"N = {SIZES[n]}: samples and the way to them differ from torch's by {max(errors):.1e}")
    assert max(errors) < 1e-3
    a, b = (walk[-1].x_hat for walk in walks)
    assert found["rho"] == pytest.approx(similarity.rho(a, b).item(), abs=1e-3)
    assert f"ρ(A,\u00a0B)\u00a0=\u00a0{found['rho']:.2f}" in page.caption()
    for half, sample, known in zip("AB", (a, b), found["nearest"], strict=True):
        if SIZES[n] > laboratory.SHIPPED:
            assert known is None
            assert page.page.locator(f'[data-name="n {half}"]').count() == 0
            continue
        training = getattr(lab.data[SIZES[n]], half.lower())
        value, index = similarity.nearest(sample, training)
        assert known["index"] == index.item()
        assert known["rho"] == pytest.approx(value.item(), abs=1e-3)
        np.testing.assert_array_equal(page.canvas(f"n {half}"), grey(training[index].numpy()))
    np.testing.assert_array_equal(page.canvas("x B"), grey(found["moments"][-1]["walks"][1]["x_hat"]))


@pytest.mark.browser
@pytest.mark.parametrize(("n", "sigma", "k"), [(1, -1.0, 14), (0, -0.5, 6)])
def test_eigenpairs_equal_those_of_torch(page, lab, n, sigma, k):
    page.choose(mode="basis")
    found = page.choose(n=n, sigma=sigma, k=k)
    y, network = image(found["y"]), lab.networks[SIZES[n], "A"]
    exact = jacobian.leading(network, y, k, tolerance=1e-6)
    error = (torch.tensor(found["values"]) - exact.eigenvalues).abs().max().item()
    print(f"N = {SIZES[n]}: eigenvalues differ from torch's by {error:.1e}")
    assert len(found["values"]) == k
    assert error < 1e-3
    push, pull = jacobian.products(network, y)
    vectors = torch.tensor(found["vectors"], dtype=torch.float32)
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(k), atol=1e-5, rtol=0)
    for value, vector in zip(found["values"], vectors, strict=True):
        e = vector.view_as(y)
        assert ((push(e) + pull(e)) / 2 - value * e).norm() < 1e-3
    red, _, blue = np.moveaxis(page.canvas("e 1").astype(int), -1, 0)
    strong = np.abs(vectors[0].numpy().reshape(32, 32)) > vectors[0].abs().quantile(0.5).item()
    assert (np.sign(red - blue) == np.sign(vectors[0].numpy().reshape(32, 32)))[strong].all()
    assert f"λ runs from {found['values'][0]:.2f} to {found['values'][-1]:.2f}" in page.caption()


# What a reader does -----------------------------------------------------------------------------------------------


@pytest.mark.browser
def test_nothing_is_loaded_before_the_start_nor_on_other_pages(visit, lab, address):
    asked = []
    page = visit(prepare=lambda page: page.on("request", lambda r: asked.append(r.url)))
    heavy = re.compile(r"_static/laboratory/|worker\.js")
    assert [url for url in asked if heavy.search(url)] == []
    assert "14.2 MB" in page.page.inner_text(".lab-gate")
    assert page.page.locator(".lab-still").is_visible()
    page.start()
    loaded = [url.split("/")[-1] for url in asked if heavy.search(url)]
    assert len([name for name in loaded if name.endswith(".weights")]) == 1  # one network, not all
    assert set(laboratory.RUNTIME_FILES) <= set(loaded)
    assert not page.page.locator(".lab-still").is_visible()
    top = page.page.evaluate("document.querySelector('.lab-stage').getBoundingClientRect().top")
    assert 0 < top < DESK["height"] / 2  # what was found is in view, though the button was below it
    for name in ("index.html", "book/references.html"):
        assert "lab/" not in "".join(re.findall(r"<(?:script|link)[^>]*>", (lab.html / name).read_text()))


@pytest.mark.browser
def test_every_control_works_by_keyboard(visit):
    """Each is reached by Tab from the one before, has a name, and changes what is found."""
    page = visit()
    page.page.locator(".lab-start").focus()
    page.page.keyboard.press("Enter")
    found = page.settled()
    key = page.page.keyboard
    focused = """() => { const e = document.activeElement;
    return [e.name, e.getAttribute("aria-valuetext"), e.ariaLabel || e.labels?.[0]?.innerText || e.innerText]; }"""
    assert page.page.evaluate(focused)[0] == "mode"

    def press(name, *keys):
        while page.page.evaluate(focused)[0] != name:
            before = page.page.evaluate("document.activeElement.outerHTML")
            key.press("Tab")
            assert page.page.evaluate("document.activeElement.outerHTML") != before
        assert page.page.evaluate(focused)[2].strip()
        for k in keys:
            key.press(k)
        return page.settled()

    denoised = page.canvas("denoised")
    moved = press("half", "ArrowRight")
    assert "Network B" in page.caption()
    assert (page.canvas("denoised") != denoised).any()
    press("n", "Home")
    assert "N = 10 " in page.caption()
    assert page.page.evaluate(focused)[1] == "N = 10"
    press("n", "End")
    moved = press("sigma", "ArrowRight")
    assert moved["sigma"] == pytest.approx(found["sigma"] * 10**0.02, rel=1e-6)
    assert moved["x"] == found["x"]
    again = press("seed", "ArrowUp")
    assert again["y"] != moved["y"]
    assert press("next", "Enter")["y"] != again["y"]
    press("set", "ArrowDown")
    other = press("image", "ArrowRight")
    assert other["x"] != found["x"]
    press("draw", "Enter")
    press("ink", "End", "ArrowLeft")
    while not page.page.evaluate("document.activeElement.matches('.lab-drawable canvas')"):
        key.press("Shift+Tab")
    for k in ("ArrowUp", "ArrowLeft", " "):
        key.press(k)
    drawn = page.settled()["x"]
    changed = np.flatnonzero(np.array(drawn) != np.array(other["x"]))
    assert 15 * 32 + 15 in changed
    assert np.abs(changed // 32 - 15).max() <= 2
    np.testing.assert_allclose(np.array(drawn)[changed], 0.95)
    while page.page.evaluate(focused)[0] != "mode":
        key.press("Shift+Tab")
    press("mode", "ArrowRight")
    press("step", "ArrowLeft")
    assert page.page.evaluate(focused)[1] == "19 of 20"
    assert "step 19 of 20" in page.caption()
    press("seed", "ArrowUp")
    while page.page.evaluate(focused)[0] != "mode":
        key.press("Shift+Tab")
    basis = press("mode", "ArrowRight")
    assert len(basis["values"]) == 14
    assert len(press("k", "ArrowUp")["values"]) == 6
    press("trained", "ArrowDown")
    assert "N = 100 discs" in page.caption()


@pytest.mark.browser
def test_every_control_works_by_mouse(page):
    found = page.settled()

    def at(selector, x, y):
        page.page.locator(selector).scroll_into_view_if_needed()
        box = page.page.locator(selector).bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    press(page.page.locator("[name=sigma]"), 0.25)
    moved = page.settled()
    assert moved["sigma"] == pytest.approx(10**-1.5, rel=0.1)
    press(page.page.locator("[name=n]"), 0.01)
    page.settled()
    assert "N = 10 " in page.caption()
    press(page.page.locator('.lab-half label:has([value="B"])'), 0.5)
    assert page.settled()["x_hat"] != moved["x_hat"]
    assert "Network B" in page.caption()
    press(page.page.locator(".lab-thumbnails label:nth-child(5)"), 0.5)
    chosen = page.settled()
    assert chosen["x"] != found["x"]
    page.page.click("[name=draw]")
    page.settled()
    press(page.page.locator("[name=ink]"), 0.01)
    stroke(page.page, *(at("[data-name=clean] canvas", x, 0.75) for x in (0.2, 0.8)), steps=30)
    drawn = np.array(page.settled()["x"]).reshape(32, 32)
    assert (drawn[24, 8:24] == 0).all()
    assert (drawn[:20] == np.array(chosen["x"]).reshape(32, 32)[:20]).all()
    page.page.click("[name=blank]")
    assert len(set(page.settled()["x"])) == 1
    press(page.page.locator(".lab-thumbnails label:nth-child(5)"), 0.5)
    assert page.settled()["x"] == chosen["x"]


@pytest.mark.browser
def test_the_steps_of_a_sample_can_be_looked_at_again(page):
    found = page.choose(mode="sample")
    press(page.page.locator("[name=step]"), 0.17)  # of 0, 1/19, ...: nearest to 3/19
    np.testing.assert_array_equal(page.canvas("y A"), grey(found["moments"][3]["walks"][0]["y"]))
    assert "step 4 of 20" in page.caption()
    assert page.page.get_attribute("[name=step]", "aria-valuetext") == "4 of 20"


@pytest.mark.browser
def test_a_view_has_an_address_and_can_be_downloaded(visit):
    page = visit(state="?mode=basis&n=10&half=B&sigma=0.316&seed=7&k=6&image=3&set=photographs#lab")
    found = page.start()
    assert (found["mode"], len(found["values"])) == ("basis", 6)
    assert "Network B, N = 10 photographs, σ = 0.32" in page.caption()
    assert page.page.input_value("[name=seed]") == "7"
    assert page.page.locator('[name=image][value="3"]').is_checked()
    page.choose(mode="sample")
    page.page.wait_for_url("**/laboratory.html?mode=sample&trained=photographs&n=10&width=16&seed=7#lab")
    again = visit(state=f"?{page.page.url.partition('?')[2]}")
    assert again.start()["seed"] == 7
    with again.page.expect_download() as started:
        again.page.locator(".explorer-tools").get_by_text("CSV").click()
    assert started.value.suggested_filename == "lab_mode-sample_trained-photographs_n-10_width-16_seed-7.csv"
    rows = started.value.path().read_text().splitlines()
    assert rows[0] == "step,sigma,rho"
    assert len(rows) == 21
    nothing = visit(state="?mode=fly&trained=ducks&n=7&half=C&sigma=x&seed=x&k=5&image=99&set=ducks#lab")
    assert nothing.start()["mode"] == "denoise"


@pytest.mark.browser
def test_where_one_half_was_not_trained_the_other_is_shown(page):
    page.choose(half="B")
    page.choose(trained=1)
    assert page.page.locator('[name=half][value="B"]').is_disabled()
    assert "Network A, N = 100 discs" in page.caption()
    found = page.choose(mode="sample")
    assert len(found["moments"][0]["walks"]) == 1
    assert found["rho"] is None
    assert "ρ(A" not in page.caption()


@pytest.mark.browser
def test_no_picture_of_the_network_before_is_left_standing(page):
    page.choose(mode="sample")
    page.choose(n=0)
    assert page.page.locator('[data-name="y B"]').count() == 1
    page.choose(trained=1)  # as many columns, but no half B
    assert page.page.locator('[data-name="y A"]').count() == 1
    assert page.page.locator('[data-name="y B"]').count() == 0


@pytest.mark.browser
def test_images_of_one_set_are_given_to_networks_of_another(page):
    found = page.choose(set=1)
    disc = runs.data(DISCS).held_out[:1]
    assert (image(found["x"]) - disc).abs().max() < 0.6 / 255
    assert "N = 4,454 photographs" in page.caption()
    labels = page.page.locator(".lab-thumbnails input").evaluate_all("inputs => inputs.map(input => input.ariaLabel)")
    assert labels == [f"discs, image {k}" for k in range(1, 17)]


@pytest.mark.browser
def test_what_changes_during_a_computation_replaces_it(page):
    page.page.locator('label:has([value="sample"])').click()
    page.page.wait_for_function("document.querySelector('[name=step]').value < 20")
    page.page.locator("[name=seed]").fill("7")
    found = page.settled()
    assert found["seed"] == 7
    assert "seed 7, step 20 of 20" in page.caption()
    page.page.locator('label:has([value="basis"])').click()
    assert page.choose(mode="denoise")["mode"] == "denoise"


@pytest.mark.browser
def test_an_uploaded_image_is_prepared_and_never_sent(page, tmp_path):
    asked = []
    page.page.on("request", lambda r: asked.append((r.method, r.url.rpartition("/")[2])))
    assert "never leave this page" in (live.ASSETS / "lab" / "lab.js").read_text()
    ramp = np.zeros((64, 96, 4), np.uint8)
    ramp[:, 16:80, 0] = np.linspace(0, 252, 64).astype(np.uint8)  # red grows to the right; the margins are cut away
    ramp[..., 3] = 255
    ramp[:8, :, 3] = 0  # transparent: white
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    page.page.set_input_files("[name=upload]", tmp_path / "ramp.png")
    x = np.array(page.settled()["x"]).reshape(32, 32)
    np.testing.assert_allclose(x[0], 1)
    np.testing.assert_allclose(x[16, 1:-1], (np.arange(1, 31) + 0.25) * 8 / 765, atol=2 / 255)
    assert set(asked) <= {("GET", "favicon.svg")}  # for which the browser may look at any time
    (tmp_path / "words.png").write_text("no image")
    page.page.set_input_files("[name=upload]", tmp_path / "words.png")
    assert page.settled() is None
    assert page.trouble() == "The file words.png could not be read as an image."
    assert page.choose(image=2) is not None
    assert page.trouble() == ""
    for _ in range(2):  # the same file again is a choice again
        page.page.set_input_files("[name=upload]", tmp_path / "ramp.png")
        np.testing.assert_array_equal(np.array(page.settled()["x"]).reshape(32, 32), x)
        assert page.choose(image=1)["x"][0] != 1
    page.page.dispatch_event("[name=upload]", "input", {"bubbles": True})  # no file
    assert page.settled() is not None


@pytest.mark.browser
def test_seeds_and_uploads_that_make_no_sense_are_put_right_or_told(page, tmp_path):
    """A seed is one of those that there are, and the page shows it; what is too small is not blown up."""
    found = page.settled()
    for typed, used in (("-5", 0), ("1.7", 2), ("99", 63)):
        wrong, right = page.choose(seed=typed), page.choose(seed=used)
        assert wrong["y"] == right["y"], typed
        page.choose(seed=typed)
        page.page.locator("[name=seed]").blur()
        assert page.page.input_value("[name=seed]") == str(used)
    page.page.click("[name=next]")
    assert page.page.input_value("[name=seed]") == "0"
    assert page.settled()["y"] == found["y"]
    Image.new("L", (40, 31), 128).save(tmp_path / "small.png")
    page.page.set_input_files("[name=upload]", tmp_path / "small.png")
    assert page.settled() is None
    sentence = "The image small.png is 40 by 31 pixels: the networks take 32 by 32, choose a larger one."
    assert page.trouble() == sentence
    page.choose(image=1)
    assert page.trouble() == ""


@pytest.mark.browser
def test_a_server_that_knows_no_mjs_is_no_fault_of_the_network(visit):
    asked = []

    def as_text(route):
        asked.append(route.request.url)
        route.fulfill(response=route.fetch(), headers=headers(route, {"content-type": "text/plain"}))

    page = visit(prepare=lambda page: page.route("**/*.mjs", as_text))
    assert page.start() is not None
    assert len(asked) == 2  # as a script, which the browser refuses, and as bytes


@pytest.mark.browser
def test_a_computation_under_way_does_not_wipe_out_what_was_said_of_a_file(page, tmp_path):
    (tmp_path / "words.png").write_text("no image")
    page.page.locator('label:has([value="sample"])').click()
    page.page.wait_for_function("document.querySelector('[name=step]').value < 10")
    page.page.set_input_files("[name=upload]", tmp_path / "words.png")
    page.page.wait_for_function("document.querySelector('.lab-trouble').textContent")
    page.page.wait_for_function("document.querySelector('#lab').result?.mode === 'sample'", timeout=60_000)
    page.page.wait_for_timeout(50)
    assert page.trouble() == "The file words.png could not be read as an image."


@pytest.mark.browser
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_view_is_accessible_in_both_modes(visit, mode):
    page = visit(mode=mode)
    findings = []
    rules = {"runOnly": {"type": "rule", "values": COLOURS}} if mode == "dark" else {}  # the document is the same

    def look(view):
        page.shoot(f"{view}-{mode}")
        assert page.complaints == []
        for finding in violations(page.page, **rules):
            findings.extend(f"{view}: {finding['id']}: {node['html'][:200]}" for node in finding["nodes"])
        page.complaints.clear()  # axe itself asks for style sheets at addresses of its own

    look("still")
    page.start()
    look("denoise")
    page.page.click("[name=draw]")
    page.settled()
    look("draw")
    page.choose(mode="sample")
    page.choose(n=0)
    look("sample")
    page.choose(n=1)
    page.choose(mode="basis")
    look("basis")
    assert findings == []
    assert page.page.get_attribute(".lab-stage > figcaption", "aria-live") == "polite"
    names = page.page.evaluate(
        "() => [...document.querySelectorAll('.lab-tiles canvas')].map(canvas => canvas.getAttribute('aria-label'))"
    )
    assert names[:2] == ["noisy", "denoised"]
    assert re.fullmatch(r"λ14\s=\s\d\.\d\d", names[-1])


@pytest.mark.browser
def test_every_view_fits_a_phone(page):
    page.page.set_viewport_size(PHONE)
    for view, n in (("denoise", 1), ("sample", 0), ("basis", 1)):
        page.choose(mode=view)
        page.choose(n=n)
        page.shoot(f"{view}-phone")
        assert page.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], view
        sides = page.page.evaluate(
            "() => [...document.querySelectorAll('.lab-tiles canvas')].map(c => c.getBoundingClientRect().width)"
        )
        assert min(sides) >= 64


@pytest.mark.browser
def test_without_javascript_there_is_a_figure_and_a_sentence(visit):
    page = visit(java_script_enabled=False)
    assert page.page.locator(".lab-still img").count() == 3
    for picture in page.page.locator(".lab-still img").all():
        assert picture.bounding_box()["height"] > 50
        assert len(picture.get_attribute("alt")) > 40
    assert "the laboratory needs JavaScript" in " ".join(page.page.inner_text(".lab-still figcaption").split())
    assert page.page.locator(".lab-start").count() == 0
    page.shoot("still-no-javascript")
    assert {text.rpartition(" ")[2] for text in page.complaints} == {"csp"}  # scripts, which were not to run
    page.complaints.clear()


# A network of the reader's --------------------------------------------------------------------------------------------


def give(page, file: Path) -> dict | None:
    """Chooses a file by the button for networks."""
    page.page.set_input_files("[name=network]", file)
    return page.settled()


def white(page, seed: int, side: int) -> torch.Tensor:
    """The page's own noise."""
    script = "async ([seed, n]) => Array.from((await import('/_static/lab/maths.js')).gaussian(seed, n))"
    z = page.page.evaluate(script, [seed, side * side])
    return torch.tensor(z, dtype=torch.float32).view(1, 1, side, side)


@pytest.mark.browser
def test_an_exported_network_is_taken_beside_the_others_and_never_sent(visit, lab, tmp_path):
    """Its answers, samples and exact basis are those of torch; by keyboard."""
    network = lab.networks[10, "B"]
    (tmp_path / "mine.onnx").write_bytes(export.file(foreign.adapt(network), 32))
    asked = []
    page = visit(prepare=lambda page: page.on("request", lambda r: asked.append((r.method, r.url))))
    page.start()
    before = len(asked)
    with page.page.expect_file_chooser() as chooser:
        page.page.locator("[name=network]").press("Enter")
    chooser.value.set_files(tmp_path / "mine.onnx")
    page.page.get_by_text("mine.onnx runs here and is sent nowhere.").wait_for()
    found = page.settled()
    with torch.no_grad():
        assert (network(image(found["y"])) - image(found["x_hat"])).abs().max() < 1e-5
    assert page.caption().startswith("Your network, mine.onnx: σ = 0.20, ")
    assert not page.page.locator(".lab-half").is_visible()
    page.page.wait_for_function("!location.search.includes('trained=')")  # no address leads to a reader's file
    found = page.choose(mode="sample")
    start = 0.5 + white(page, 0, 32)
    torch.testing.assert_close(image(found["start"]), start)
    with torch.no_grad():
        x_hat = sampling.last(sampling.sample(network, start))
    assert (image(found["moments"][-1]["walks"][0]["x_hat"]) - x_hat).abs().max() < 1e-3
    assert found["rho"] is None
    page.choose(mode="basis")
    found = page.choose(k=6)
    exact = jacobian.leading(network, image(found["y"]), 6, tolerance=1e-6)
    assert (torch.tensor(found["values"]) - exact.eigenvalues).abs().max() < 1e-3
    assert "measured" not in page.caption()
    assert {method for method, _ in asked} == {"GET"}
    sent = [url.rpartition("/")[2] for _, url in asked[before:]]  # the browser looks for its icon, this test for noise
    assert set(sent) <= {"favicon.svg", "maths.js"}
    page.choose(mode="denoise")
    page.choose(trained=0)
    assert "Network A, N = 4,454 photographs" in page.caption()
    assert page.choose(trained="mine") is not None
    assert "Your network" in page.caption()


@pytest.mark.browser
def test_any_network_of_any_side_is_taken_and_its_basis_measured(visit, tmp_path):
    """With biases, so that it comes without products, of images of 16 pixels; dropped before the start."""
    network = excite(networks.UNet(width=3, scales=1, bias=True))
    data = export.file(foreign.adapt(network), 16)
    page = visit(mode="dark")
    drop(page, "other.onnx", data)
    found = page.settled()
    y = torch.tensor(found["y"], dtype=torch.float32).view(1, 1, 16, 16)
    with torch.no_grad():
        assert (network(y).flatten() - torch.tensor(found["x_hat"])).abs().max() < 1e-5
    assert page.canvas("denoised").shape == (16, 16, 3)
    said = page.page.inner_text(".lab-own")
    assert "It takes images of 16 by 16 pixels: those of this page are resized for it." in said
    found = page.choose(mode="basis")
    y = torch.tensor(found["y"], dtype=torch.float32).view(1, 1, 16, 16)
    matrix = jacobian.jacobian(network, y)
    values = torch.linalg.eigvalsh((matrix + matrix.T) / 2).flip(0)[:14]
    assert (torch.tensor(found["values"]) - values).abs().max() < 0.01
    assert page.caption().endswith("Its Jacobian was measured by differences, so λ is known to about 0.01.")
    assert [f["id"] for f in violations(page.page)] == []
    page.complaints.clear()  # axe itself asks for style sheets at addresses of its own
    page.shoot("own-dark")
    page.page.set_viewport_size(PHONE)
    page.shoot("own-phone")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.choose(mode="denoise")
    page.page.click("[name=draw]")
    page.settled()
    page.page.locator("[name=ink]").fill("1")
    drawing = page.page.locator(".lab-drawable canvas")
    drawing.focus()
    page.page.keyboard.press(" ")
    drawn = np.array(page.settled()["x"]).reshape(16, 16)
    assert drawn[8, 8] == 1
    drop(page, "ramp.png", png(np.tile(np.arange(0, 240, 5, np.uint8), (48, 1))))  # an image is looked at
    ramp = np.array(page.settled()["x"]).reshape(16, 16)
    assert (np.diff(ramp[8]) > 0).all()
    assert page.choose(trained=0)["x"][:32] != ramp.ravel()[:32].tolist()
    assert page.canvas("clean").shape == (32, 32, 3)


def png(levels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()


def drop(page, name: str, data: bytes) -> None:
    """A file is let go over the laboratory."""
    script = """([name, kind, text]) => { const dropped = new DataTransfer();
        dropped.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name, { type: kind }));
        const over = new DragEvent("drop", { dataTransfer: dropped, bubbles: true });
        document.querySelector("#lab").dispatchEvent(over); }"""
    kind = "image/png" if name.endswith(".png") else ""
    page.page.evaluate(script, [name, kind, base64.b64encode(data).decode()])


def model(shape, *, inputs=("y",), kind=None, answer=None, elsewhere=False) -> bytes:
    """A file whose network multiplies by a number, of float32 and called y unless told otherwise."""
    kind = kind or onnx.TensorProto.FLOAT
    numbers = {"nan": np.float32(np.nan), "double": np.float64(0.5), "more": np.float32(3)}.get(answer, np.float32(0.5))
    factor = onnx.numpy_helper.from_array(np.array(numbers), "c")
    if elsewhere:
        factor.ClearField("raw_data")
        factor.data_location = onnx.TensorProto.EXTERNAL
        factor.external_data.add(key="location", value="weights.bin")
    nodes = [onnx.helper.make_node("Mul", [inputs[0], "c"], ["x"])]
    if answer == "flat":
        nodes = [onnx.helper.make_node("Flatten", [inputs[0]], ["x"])]
    listed = [onnx.helper.make_tensor_value_info(name, kind, shape) for name in inputs]
    out = onnx.helper.make_tensor_value_info("x", kind, None)
    graph = onnx.helper.make_graph(nodes, "g", listed, [out], [] if answer == "flat" else [factor])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    return made.SerializeToString()


WRONG = {
    "text.onnx": (b"no network at all", r"The file text.onnx is no ONNX file: `ghr export` makes one of a network\."),
    "cut.onnx": (lambda: model([1, 1, 32, 32])[:-9], r"The file cut.onnx is no ONNX file: .*"),
    "empty.onnx": (b"", r"The file empty.onnx is no ONNX file: .*"),
    "rgb.onnx": (lambda: model([1, 3, 32, 32]), r".* images of 3 channels: those here are grey, of one\."),
    "two.onnx": (
        lambda: model([1, 1, 32, 32], inputs=("y", "sigma")),
        r"The network of two.onnx takes 2 inputs \(y, sigma\): those here take an image alone\.",
    ),
    "wide.onnx": (lambda: model([1, 1, 16, 24]), r".* images of 16 by 24 pixels: those here are square\."),
    "large.onnx": (lambda: model([1, 1, 256, 256]), r".* of 256 by 256 pixels: here they are at most 128 by 128\."),
    "eight.onnx": (lambda: model([8, 1, 32, 32]), r".* takes 8 images at a time: export it for one\."),
    "flat.onnx": (lambda: model([1, 32]), r".* takes inputs of 2 axes: expected four, .*\."),
    "double.onnx": (
        lambda: model([1, 1, 32, 32], kind=onnx.TensorProto.DOUBLE, answer="double"),
        r".* takes other numbers than float32, which those here take\.",
    ),
    "nan.onnx": (lambda: model([1, 1, 32, 32], answer="nan"), r".* answers with NaN or infinite numbers\."),
    "vector.onnx": (lambda: model([1, 1, 32, 32], answer="flat"), r".* an image of 1x1x32x32 with 1x1024 numbers\."),
    "pair.onnx": (
        lambda: model([1, 1, 32, 32], elsewhere=True),
        r"The weights of pair.onnx lie in a second file: export it into one, in torch with external_data=False\.",
    ),
}


@pytest.mark.browser
def test_files_that_are_no_network_for_the_page_are_told_in_a_sentence(visit, tmp_path):
    page = visit()
    before = page.start()
    for name, (data, sentence) in WRONG.items():
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data())
        assert give(page, tmp_path / name) is None, name
        assert re.fullmatch(sentence, page.trouble()), page.trouble()
        assert page.page.locator("[name=trained] [value=mine]").count() == 0
    page.complaints.clear()  # the runtime remarks on what it cannot open
    assert page.choose(sigma=-0.7)["x"] == before["x"]
    (tmp_path / "any side.onnx").write_bytes(model(["b", 1, "h", "w"], answer="more"))
    found = give(page, tmp_path / "any side.onnx")  # free axes: the page's own size
    np.testing.assert_allclose(found["x_hat"], np.array(found["y"]) * 3, rtol=1e-6)
    assert "worse than doing nothing" in page.page.inner_text(".lab-own")


# What goes wrong --------------------------------------------------------------------------------------------------


def fails(page, sentence):
    """One sentence says what happened, and the figure that was made with the book stands where pictures would."""
    assert page.settled() is None
    assert re.fullmatch(sentence, page.trouble()), page.trouble()
    assert page.page.locator(".lab-still").is_visible()
    assert page.page.locator(".lab-stage canvas").filter(visible=True).count() == 0
    page.complaints.clear()  # the browser remarks on the failure too


def wrong(data: bytes) -> bytes:
    """The same file with one bit flipped."""
    return data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]


@pytest.mark.browser
def test_a_network_that_cannot_be_had_is_told_and_the_others_go_on(visit):
    page = visit()
    page.start()
    for answer, sentence in (
        (lambda route: route.fulfill(body=wrong(route.fetch().body())), r"The file \S+ is damaged: its checksum .*\."),
        (lambda route: route.fulfill(status=404), r"The file \S+ is missing on the server \(status 404\)\."),
        (lambda route: route.abort(), r"The file \S+ could not be loaded: is there a connection to the network\?"),
    ):
        page.page.route("**/photographs-32px-n10-*.weights", answer)
        page.choose(n=0)
        fails(page, sentence)
        assert "n10-A" in page.trouble()
        assert page.choose(n=1) is not None
        assert not page.page.locator(".lab-still").is_visible()
        page.page.unroute("**/photographs-32px-n10-*.weights")
    assert page.choose(n=0) is not None


@pytest.mark.browser
def test_images_that_cannot_be_had_are_told_and_the_others_stay(visit):
    page = visit()
    before = page.start()
    page.page.route("**/discs-*.images", lambda route: route.fulfill(status=404))
    for mode in ("denoise", "basis"):
        page.page.locator(f'label:has([value="{mode}"])').click()  # perhaps under way when the images are asked for
        page.page.select_option("[name=set]", "1")
        fails(page, r"The file \S+\.images is missing on the server \(status 404\)\.")
        page.page.wait_for_function("!document.querySelector('.lab-app').hasAttribute('aria-busy')")
        assert page.page.input_value("[name=set]") == "0"
        assert page.choose(mode="denoise", sigma=-0.5)["x"] == before["x"]
    page.page.unroute("**/discs-*.images")
    assert page.choose(set=1)["x"] != before["x"]


@pytest.mark.browser
def test_an_error_of_a_worker_that_was_loaded_keeps_its_words(visit, lab):
    page = visit()
    script = (lab.html / "_static" / "lab" / "worker.js").read_text()
    line = "setTimeout(() => { self.postMessage({}); throw new Error('one of memory lane'); }, 0);"
    page.page.route("**/worker.js", partial(fulfill, body=f"{script}\n{line}", content_type="text/javascript"))
    page.page.click(".lab-start")
    fails(page, r"The networks could not be run: .*one of memory lane")


@pytest.mark.browser
def test_a_runtime_that_cannot_be_had_is_told_and_can_be_tried_again(visit):
    page = visit()
    page.page.reload(wait_until="networkidle")  # else the page itself would have maths.js by now
    for name in ("maths.js", "worker.js", *laboratory.RUNTIME_FILES):
        page.page.route(f"**/{name}", lambda route: route.abort())
        page.page.click(".lab-start")
        what = "script that runs the networks" if name in ("worker.js", "maths.js") else f"file {re.escape(name)}"
        fails(page, rf"The {what} could not be loaded: is there a connection to the network\?")
        assert page.page.inner_text(".lab-start") == "Try again"
        page.page.unroute(f"**/{name}")
    assert page.start() is not None


def fulfill(route, **answer) -> None:
    route.fulfill(**answer)


@pytest.mark.browser
def test_a_browser_that_cannot_run_networks_is_told(visit, lab):
    page = visit()
    script = (lab.html / "_static" / "lab" / "worker.js").read_text()
    for line, sentence in (
        ("delete self.WebAssembly;", r"This browser has no WebAssembly, which the networks need\."),
        ("WebAssembly.validate = () => false;", r"This browser is too old .* WebAssembly has no SIMD instructions\."),
    ):
        answer = {"body": f"{line}\n{script}", "content_type": "text/javascript"}
        page.page.route("**/worker.js", partial(fulfill, **answer))
        page.page.click(".lab-start")
        fails(page, sentence)
        page.page.unroute("**/worker.js")


@pytest.mark.browser
def test_a_browser_without_memory_is_told(playwright, visit):
    flags = [*FLAGS, "--js-flags=--wasm-max-mem-pages=100"]
    browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
    page = visit(browser=browser)
    page.page.click(".lab-start")
    fails(page, r"The browser ran out of memory: close other pages, then start again\. \(.*memory.*\)")
    browser.close()


@pytest.mark.browser
def test_a_page_that_forbids_webassembly_is_told(visit):
    policy = {"Content-Security-Policy": "script-src 'self' 'unsafe-inline'"}
    page = visit()
    page.page.route("**/worker.js", lambda route: route.fulfill(response=route.fetch(), headers=headers(route, policy)))
    page.page.click(".lab-start")
    fails(page, r"This browser or server does not allow WebAssembly here, which the networks need\. \(.*\)")


def headers(route, more: dict) -> dict:
    return {**route.fetch().headers, **more}


@pytest.fixture
def cdn(visit, lab, tmp_path, monkeypatch):
    """cdn(change) -> a page made without npm: its runtime comes from a CDN, here npm's files after a change."""
    monkeypatch.setenv("PATH", "")
    engine = laboratory.runtime(tmp_path_with_pins(tmp_path))
    folder = lab.html / "_static" / "laboratory" / f"onnxruntime-web-{engine['version']}"

    def listed(route):
        soup = BeautifulSoup(route.fetch().text(), "html.parser")
        script = soup.select_one("#networks")
        script.string = json.dumps({**json.loads(script.string), "runtime": engine})
        route.fulfill(body=str(soup), content_type="text/html")

    def cdn(change=lambda name, data: data, prepare=lambda page: None):
        def routes(page):
            page.route("**/laboratory.html", listed)
            allowed = {"Access-Control-Allow-Origin": "*"}
            for file, kind in ((engine["module"], "text/javascript"), (engine["wasm"], "application/wasm")):
                name = file["url"].rpartition("/")[2]
                body = change(name, (folder / name).read_bytes())
                page.route(file["url"], partial(fulfill, body=body, content_type=kind, headers=allowed))
            prepare(page)

        page = visit(prepare=routes)
        page.elsewhere = [engine["wasm"]["url"], engine["module"]["url"]]
        return page

    return cdn


@pytest.mark.browser
def test_the_runtime_of_a_cdn_is_loaded_from_there_once_it_is_checked(cdn):
    page = cdn()
    assert page.start() is not None
    assert [text.split(" asks ")[1] for text in page.complaints] == page.elsewhere
    page.complaints.clear()


@pytest.mark.browser
@pytest.mark.parametrize("damaged", laboratory.RUNTIME_FILES)
def test_a_cdn_that_sends_something_else_is_not_run(cdn, damaged):
    page = cdn(lambda name, data: wrong(data) if name == damaged else data)
    page.page.click(".lab-start")
    fails(page, rf"The file {re.escape(damaged)} is damaged: its checksum is not the one that was published\.")


@pytest.mark.browser
def test_a_cdn_that_cannot_be_checked_is_not_asked(cdn, lab):
    """Browsers offer checksums to pages from https and from this machine only."""
    script = "Object.defineProperty(crypto, 'subtle', {value: undefined});\n"
    script += (lab.html / "_static" / "lab" / "worker.js").read_text()
    answer = {"body": script, "content_type": "text/javascript"}
    page = cdn(prepare=lambda page: page.route("**/worker.js", partial(fulfill, **answer)))
    page.page.click(".lab-start")
    page.page.wait_for_selector(".lab-trouble:not(:empty)")
    assert page.complaints == []
    fails(page, r"The file \S+ comes from another server and can be checked over https only: open the page there\.")
