"""What the tests share: signatures are checked, networks are excited, and files stay in temporary folders.

But for the smoke book's executed chapters, in `build`.
"""

import base64
import dataclasses
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace

if "PYTEST_XDIST_WORKER" in os.environ:  # one core for each: waiting threads would take the other's
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from beartype import BeartypeConf, FrozenDict, beartype
from filelock import FileLock
from jaxtyping import install_import_hook
from PIL import Image

# jsonschema tries to import this one, which compiles a grammar for a second in each process that builds or executes
STUBS = Path(__file__).parent / "stubs"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(STUBS), os.environ.get("PYTHONPATH")]))
sys.path.insert(0, str(STUBS))

# Shapes are the point: a numpy integer may stand for an int, an int for a float.
strict = beartype(
    conf=BeartypeConf(hint_overrides=FrozenDict({int: int | np.integer, float: float | int | np.floating}))
)
install_import_hook("ghr", f"{__name__}.strict")

from ghr import recipes, runs  # noqa: E402 (after the hook)
from ghr.networks import BFCNN, UNet  # noqa: E402


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder of all workers."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def _private_folders(shared):
    """Neither the user's cache nor the repository's checkpoints are read or written by any test.

    All workers share both: a set is built once, a network trained once.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHR_CACHE", str(shared / "cache"))
        patch.setenv("GHR_CHECKPOINTS", str(shared / "checkpoints"))
        patch.setattr(runs, "LOG_SEEDS", range(8))  # half of what a small run takes are the 64 samples of its log
        yield


#: Files that take minutes, in the order in which workers begin them. A worker holds two files: the second of the first
#: worker is a short one.
LONG = (
    "test_book.py",
    "test_laboratory.py",
    "test_tables.py",
    "test_widgets.py",
    "test_pages.py",
    "test_cluster.py",
    "test_live.py",
    "test_visits.py",  # late: it waits for what test_book.py builds
)
LAST = ("test_chapters.py",)  #: reads what test_book.py has executed


def pytest_collection_modifyitems(items):
    """Long files begin first, so that no worker is left alone with one; order inside a file stays."""

    def place(item) -> int:
        name = item.path.name
        return LONG.index(name) if name in LONG else len(LONG) + (name in LAST)

    items.sort(key=place)


def pytest_terminal_summary(terminalreporter):
    """What tests measured: a test's prints are not seen when it passes."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


def excite(network: torch.nn.Module) -> torch.nn.Module:
    """Gains of 1 and running deviations of real passes: on a fresh network the laws of a bias-free one are vacuous."""
    generator = torch.Generator().manual_seed(0)
    for name, weights in network.named_parameters():
        if name.endswith("gain"):
            torch.nn.init.ones_(weights)
        elif weights.ndim == 1:  # gains and biases of the controls
            torch.nn.init.uniform_(weights, 0.5, 1.5, generator=generator)
        else:  # keeps the size of what passes through
            weights.data = torch.randn(weights.shape, generator=generator) * (2 / weights[0].numel()) ** 0.5
    network.train()
    with torch.no_grad():
        for _ in range(5):
            network(torch.rand(4, 1, 16, 24, generator=generator))
    return network.eval()


def without_types(module: ModuleType) -> ModuleType:
    """A module as users have it: its own sentences are heard where here the types of arguments would be refused."""
    spec = importlib.util.spec_from_file_location(f"{module.__name__}_without_types", module.__file__)
    plain = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = plain  # dataclasses look their module up
    try:
        spec.loader.exec_module(plain)
    finally:
        del sys.modules[spec.name]
    return plain


@pytest.fixture
def unet() -> UNet:
    """A small excited UNet in evaluation mode, float64; sides divisible by 4."""
    return excite(UNet(width=6, scales=2)).double()


@pytest.fixture
def bfcnn() -> BFCNN:
    """A small excited BFCNN in evaluation mode, float64; any sides."""
    return excite(BFCNN(width=5, depth=6)).double()


@pytest.fixture
def images() -> torch.Tensor:
    """Five smooth images, 12 by 20, float64, in [0,1]."""
    coarse = torch.rand(5, 1, 3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.nn.functional.interpolate(coarse, (12, 20), mode="bilinear")


@pytest.fixture
def odd_images() -> torch.Tensor:
    """Five smooth images, 7 by 13, float64, in [0,1]."""
    coarse = torch.rand(5, 1, 3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return torch.nn.functional.interpolate(coarse, (7, 13), mode="bilinear")


# The command line ---------------------------------------------------------------------------------------------------


@pytest.fixture
def ghr(monkeypatch, tmp_path, capsys):
    """ghr(words) -> (exit status, standard output, standard error); checkpoints and cache of this test."""
    from ghr import __main__ as command

    monkeypatch.setenv("GHR_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("GHR_CACHE", str(tmp_path / "cache"))
    smoke = dataclasses.replace(recipes._RECIPES["smoke"], images_seen=20 * 64, held_out=5, width=4)
    monkeypatch.setitem(recipes._RECIPES, "smoke", smoke)

    def type_in(*words):
        monkeypatch.setattr(sys, "argv", ["ghr", *map(str, words)])
        try:
            command.main()
            status = 0
        except SystemExit as stop:  # as the interpreter does: a sentence goes to standard error, with status 1
            status = stop.code or 0
            if isinstance(status, str):
                print(status, file=sys.stderr)
                status = 1
        output = capsys.readouterr()
        return status, output.out, output.err

    return type_in


# A book of one chapter ---------------------------------------------------------------------------------------------

REPO = Path(__file__).resolve().parents[1]


def shipped() -> list[Path]:
    """Checkpoints of the repository, without those that were trained here and belong to nobody else."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "checkpoints"], cwd=REPO, capture_output=True, text=True, check=True
    )
    return [REPO / name for name in listed.stdout.split("\0") if name.endswith(".safetensors")]


CHAPTER = """\
# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A chapter
# Its gap is {glue:text}`gap:.1f` dB, that of N = {num}`gaps[n=max].n:,` is {num}`gaps[n=100].gap:.2f` ({target}`T2a`).
# Then {numref}`fig-line` shows {eq}`eq-line`, after {cite:t}`stein1981estimation`.
#
# ```{math}
# :label: eq-line
# f(y) = y
# ```

# %% tags=["parameters"]
scale = "laptop"
seed = 0

# %%
import os
import sys
import matplotlib.pyplot as plt
from myst_nb import glue

with open("runs.txt", "a") as file:
    _ = file.write(f"{scale} {seed}\\n")
for _ in range(2):
    sys.audit("ghr.load", "checkpoints/a.bin")
from dataclasses import dataclass

from ghr import stats


@dataclass(frozen=True)
class Gap:
    n: int
    gap: stats.Estimate


glue("gap", 1.25 + seed, display=False)

# %%
from ghr.book import results
from ghr.tables import Table

results.keep(gaps=Table((Gap(10, stats.Estimate(30.25, 29, 31.5)), Gap(100, stats.Estimate(6.5, 6, 7)))))

# %% mystnb={"figure": {"caption": "A line of N = {num}`gaps[n=min].n`.", "name": "fig-line"}, "image": {"alt": "Up"}}
_ = plt.figure().subplots().plot([0, 1], [0, 1])

# %%
from tqdm.auto import tqdm

for _ in tqdm(range(2)):
    print(scale, seed, os.environ["GHR_SCALE"])
    break
"""


@pytest.fixture
def project(tmp_path) -> Path:
    """A repository with one chapter, one checkpoint and this book's own configuration."""
    return new_project(tmp_path)


def new_project(folder: Path) -> Path:
    """The same in a folder, for fixtures that several tests share."""
    (folder / "book").mkdir()
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "a.bin").write_bytes(b"weights")
    (folder / "book" / "00_x.py").write_text(CHAPTER)
    (folder / "index.md").write_text("# Front\n\nRead [the chapter](book/00_x.py).\n")
    (folder / "requirements.txt").write_text("torch==2.13.0  # networks\n")
    (folder / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nchapters: [{file: book/00_x}, {file: book/references}]\n"
    )
    shutil.copy(REPO / "_config.yml", folder)
    for name in ("references.bib", "references.md"):
        shutil.copy(REPO / "book" / name, folder / "book")
    shutil.copytree(REPO / "book" / "assets", folder / "book" / "assets")
    return folder


@pytest.fixture
def package(tmp_path) -> Path:
    """A package named ghr: a imports b inside a function, references.c imports a, d stands alone."""
    root = tmp_path / "package" / "ghr"
    (root / "references").mkdir(parents=True)
    (root / "__init__.py").write_text('"""Package."""\n')
    (root / "a.py").write_text('"""A."""\n\n\ndef f(x):\n    """Twice."""\n    from ghr.b import g\n    return g(x)\n')
    (root / "b.py").write_text("def g(x):\n    return 2 * x  # twice\n")
    (root / "d.py").write_text("d = 1\n")
    (root / "references" / "__init__.py").write_text("")
    (root / "references" / "c.py").write_text("from ..a import f\n")
    return root


def edit(path: Path, old: str, new: str) -> None:
    """Replaces a text that must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def executions(project: Path) -> list[str]:
    """Scale and seed of every time that the project's chapter ran."""
    return (project / "runs.txt").read_text().split("\n")[:-1]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether both hold the same tensors, to the bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def until(condition, seconds: float = 100):
    """What a condition says once it says something; fails when it does not in time."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)
    return found


def race(script: str, folder: Path, *arguments: str, **variables: str) -> list[list[str]]:
    """What two processes print that run a script at once: words, of each.

    script: Python text; after it has called meet() both have begun, and its arguments are sys.argv[1:].
    folder: where they meet, made here.
    """
    meet = """
import sys, time
from pathlib import Path

def meet():
    folder = Path(sys.argv.pop(1))
    (folder / sys.argv.pop(1)).touch()
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.01)
"""
    folder.mkdir()
    both = [
        subprocess.Popen(
            [sys.executable, "-c", meet + script, str(folder), name, *arguments],
            env={**os.environ, **variables},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name in "ab"
    ]
    outputs = [process.communicate(timeout=100) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    return [output.split() for output, _ in outputs]


# A browser ---------------------------------------------------------------------------------------------------------

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PHONE = {"width": 390, "height": 844}
COLOURS = ["color-contrast", "link-in-text-block"]  # axe's category "color", but for level AAA
DESK = {"width": 1280, "height": 900}


class Quiet(SimpleHTTPRequestHandler):
    """A file server that does not narrate."""

    def log_message(self, *arguments):
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The address, on loopback, at which a folder's files are served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def playwright():
    """What drives browsers; a machine without one skips, but the continuous integration must have it."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM.exists():
        assert not os.environ.get("CI"), f"{CHROMIUM} is missing"
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright):
    """A browser."""
    browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
    yield browser
    browser.close()


def hear(page, site: str, name: str) -> list[str]:
    """A list that fills with whatever the page complains about: requests elsewhere, failures, errors, warnings."""
    complaints = []

    def note(event, complaint):
        page.on(event, lambda x: complaints.append(f"{name}: {text}") if (text := complaint(x)) else None)

    local = (site, "data:", "blob:")
    note("request", lambda r: None if r.url.startswith(local) else f"asks {r.url}")
    note("requestfailed", lambda r: f"{r.url} failed: {r.failure}")
    note("response", lambda r: f"{r.url} answers {r.status}" if r.status >= 400 else None)
    note("console", lambda m: f"{m.type}: {m.text}" if m.type in ("error", "warning") else None)
    note("pageerror", lambda e: f"throws {e}")
    return complaints


def load(page, address: str | None = None) -> str:
    """Loads a page, or loads it again, its formulas too.  Returns: its theme."""
    page.goto(address, wait_until="networkidle") if address else page.reload(wait_until="networkidle")
    page.evaluate("window.MathJax?.startup?.promise")
    return page.evaluate("document.documentElement.dataset.theme")


def violations(page, **options) -> list[dict]:
    """What axe finds on a page and calls serious or critical, once no colour is on its way to another."""
    moving = "document.getAnimations().filter((one) => one instanceof CSSTransition)"
    page.evaluate(f"Promise.all({moving}.map((one) => one.finished.catch(() => null)))")
    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [one for one in found if one["impact"] in ("serious", "critical")]


def placed(element) -> dict[str, float]:
    """Where an element is on the screen, once it is in view."""
    element.scroll_into_view_if_needed()
    return element.bounding_box()


def press(element, x: float, y: float = 0.5) -> None:
    """Clicks an element at a share of its width and height, once it is in view and stands still."""
    box = placed(element)
    element.click(position={"x": x * box["width"], "y": y * box["height"]})


def stroke(page, *places, steps: int = 10) -> None:
    """Presses the mouse at the first place of a page and lets it go at the last, with many moves between."""
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=steps)
    page.mouse.up()


def shoot(page, name: str, **options) -> None:
    """A picture of a page for whoever wants to look, in the folder that $GHR_SCREENSHOTS names."""
    if folder := os.environ.get("GHR_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", **{"full_page": True, **options})


def canvases(explorer) -> list[np.ndarray]:
    """What an explorer in a page shows, pixel by pixel."""
    script = """element => [...element.querySelectorAll("canvas")].map(canvas => {
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
        return [canvas.height, canvas.width, btoa(data.reduce((text, value) => text + String.fromCharCode(value), ""))];
    })"""
    found = explorer.evaluate(script)
    return [np.frombuffer(base64.b64decode(data), np.uint8).reshape(h, w, 4)[..., :3] for h, w, data in found]


@lru_cache(maxsize=2)
def sheet(address: str) -> np.ndarray:
    """The pictures of a packed explorer, decoded from its sheet's address."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))


def cut(packed: dict, k: int) -> np.ndarray:
    h, w = packed["side"]
    row, column = divmod(k, packed["columns"])
    return sheet(packed["sheet"])[row * h :, column * w :][:h, :w]


# The smoke book --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def html(shared) -> Path:
    """Folder of the pages: built by one worker at scale smoke, every chapter executed, unless GHR_HTML names one."""
    from ghr.book import pages

    if folder := os.environ.get("GHR_HTML"):
        return Path(folder).resolve()
    folder = shared / "book" / "html"
    with FileLock(shared / "book.lock"):
        return folder if folder.exists() else pages.book("smoke", REPO, folder).parent


@pytest.fixture(scope="session")
def smoke_pages(html) -> list[str]:
    """Every page that stands in the table of contents or is made beside it, as paths below the folder."""
    return sorted(str(path.relative_to(html)) for path in html.rglob("*.html") if "_static" not in path.parts)


@pytest.fixture(scope="session")
def soups(html, smoke_pages) -> dict:
    """Every page, parsed."""
    from bs4 import BeautifulSoup

    return {name: BeautifulSoup((html / name).read_text("utf8"), "html.parser") for name in smoke_pages}


@pytest.fixture(scope="session")
def smoke_site(html):
    """The address at which the pages are served, on loopback."""
    with serve(html) as address:
        yield address


# A site of networks ------------------------------------------------------------------------------------------------

SIZES = (10, 4454)  #: of its networks of photographs
DISCS = recipes.Run(images="discs", n=100, pool=400, held_out=20)  #: there is no half B


FIVE = [[0.2, 0.25], [0.35, 0.8], [0.8, 0.75], [0.75, 0.3], [0.5, 0.15]]  #: images of two pixels


#: what the figure of a rival is told
RIVAL = {"sigma": 0.1, "face": 1, "windows": {"LS": {0.1: 5, 0.3: 11}, "PSPC": {0.1: 6, 0.3: 9}}}
#: the networks that the figure of contours is told: those that stand for ones of its images
CONTOUR = {"sets": {"α = 3, contour 1": "discs", "α = 3": "photographs"}, "first": "photographs"}
DISC = [15.0, 14.0, 6.5, 0.8, 0.3]  #: centre, radius, levels


def tmp_path_with_pins(folder: Path) -> Path:
    """A folder with the files that say which versions are used."""
    for name in ("requirements.txt", "package.json", "package-lock.json"):
        shutil.copy(REPO / name, folder)
    return folder


@pytest.fixture(scope="session")
def lab(shared):
    """A site of few networks, where the last network of photographs also stands for one that was trained on discs.

    Its pages: a front page, the laboratory, and live figures as a chapter would carry them. One worker builds it.

    Returns html, listed (the list of its networks), networks by (n, half), data by n.
    """
    if not shutil.which("npm"):
        assert not os.environ.get("CI"), "npm is missing"
        pytest.skip("npm is missing: apt-get install npm")
    root = shared / "lab"
    chosen = {(run.n, run.half): run for run in recipes.table("laptop", "photographs") if run.n in SIZES}
    with FileLock(shared / "lab.lock"):
        if not (root / "_build" / "html").exists():
            build_lab(root, list(chosen.values()))
    listed = json.loads((root / "build" / "laboratory" / "laptop" / "laboratory.json").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHR_CHECKPOINTS", str(root / "checkpoints"))
        networks = {key: runs.load(run) for key, run in chosen.items()}
    data = {n: runs.data(chosen[n, "A"]) for n in SIZES}
    return SimpleNamespace(root=root, html=root / "_build" / "html", listed=listed, networks=networks, data=data)


def directions(count: int = 10) -> torch.Tensor:
    """Directions of images of 32 pixels a side, orthonormal."""
    random = torch.randn(1024, count, generator=torch.Generator().manual_seed(0))
    return torch.linalg.qr(random).Q.T.reshape(count, 1, 32, 32)


def disc_told() -> dict:
    """What the figure of a disc is told: five numbers, and eigenvectors there."""
    from ghr.book import told

    values = [1 - k / 20 for k in range(10)]
    return {"parameters": DISC, "sigma": 0.04, "values": values, "vectors": told.signed(directions())}


def fly_told() -> dict:
    """What the figure of flying pixels is told: the network of the whole shuffle has moved the vectors along."""
    from ghr.book import told
    from ghr.images.synthetic import shuffle
    from ghr.jacobian import Basis

    x = torch.linspace(0.2, 0.8, 1024).view(1, 1, 32, 32)
    y, values, zero = x + 0.3 * directions(1), torch.linspace(1.2, 0.25, 20), torch.zeros(20)
    bases = {block: Basis(values, directions(20), zero) for block in (1, 4)}
    bases[32] = Basis(values, shuffle(directions(20), 32), zero)
    shown = told.shuffled(x, y, dict.fromkeys(bases, lambda y, sigma=None: y / 2), bases, 0.3)
    return {**shown, "face": 1, "sets": {"1": "photographs", "4": "photographs", "32": "discs"}}


def scrub_told() -> dict:
    """What the slider through training is told: two trainings on two test images."""
    from ghr.book import told

    generator = torch.Generator().manual_seed(0)
    trainings = []
    for n, seen, gaps in ((10, (1024, 4096), (0, 9.5)), (1000, (1024, 4096, 16384), (-0.2, 0, 2))):
        sheets = torch.randint(256, (len(seen), 64, 64), generator=generator, dtype=torch.uint8)
        pictures = []
        for sheet in sheets:
            Image.fromarray(sheet.numpy()).save(file := io.BytesIO(), "WebP", lossless=True)
            pictures.append(base64.b64encode(file.getvalue()).decode())
        near = told.grey(torch.rand(2, 1, 32, 32, generator=generator))
        shown = {"n": n, "colour": "#31688e", "seen": seen, "gaps": gaps, "pictures": pictures}
        trainings.append({**shown, "near": near, "alike": [0.99, 0.5]})
    clean, noisy = (told.grey(torch.rand(2, 1, 32, 32, generator=generator)) for _ in range(2))
    return {"size": 32, "sigma": 0.3, "level": 0.1, "clean": clean, "noisy": noisy, "trainings": trainings}


def guess_told() -> dict:
    """What the figure of guesses is told: of random images, a network that halves them and one that does nothing."""
    from ghr.book import guesses
    from ghr.experiments import Study
    from ghr.images import Halves

    x = torch.rand(16, 1, 12, 20, generator=torch.Generator().manual_seed(0))
    data = {3: Halves(x[:3], x[:3], x[8:]), 8: Halves(x[:8], x[:8], x[8:])}
    denoisers = {(3, "A"): lambda y, sigma=None: y / 2, (8, "A"): lambda y, sigma=None: y}
    run_of = {key: recipes.Run(n=key[0], pool=400, held_out=9) for key in denoisers}
    return guesses.told_of(Study("avatars", run_of, denoisers, data, x[8:]), (3, 8), 0.1, pairs=4)


def build_lab(root: Path, chosen: list[recipes.Run]) -> None:
    """Makes the site, its pages last."""
    from ghr.book import laboratory, live, pages, plots
    from ghr.files import checkpoints

    shutil.rmtree(root, ignore_errors=True)  # of a worker that failed
    root.mkdir()
    tmp_path_with_pins(root)
    (root / "checkpoints").mkdir()
    for run in chosen:
        shutil.copy(REPO / "checkpoints" / f"{run.name}.safetensors", root / "checkpoints")
    weights, log = checkpoints.read(root / "checkpoints" / f"{run.name}.safetensors", run)
    checkpoints.write(root / "checkpoints" / f"{DISCS.name}.safetensors", weights, DISCS, log)
    shutil.copy(REPO / "_config.yml", root)
    shutil.copytree(REPO / "book" / "assets", root / "book" / "assets")
    for name in ("references.bib", "references.md"):
        shutil.copy(REPO / "book" / name, root / "book")
    text = (REPO / "book" / "laboratory.md").read_text()
    (root / "book" / "laboratory.md").write_text(re.sub(r"\[(.+?)\]\(\w+\.py\)", r"\1", text, flags=re.DOTALL))
    (root / "index.md").write_text("# Front\n\nThis page is here to be light.\n")
    still = plots.image_grid([torch.full((2, 1, 8, 8), 0.5)], ["a still"])
    figures = {
        "plane": live.Live("plane", still, "Still of the plane", points=FIVE, sigmas=[0.5, 0.05]),
        "draw": live.Live("draw", still, "Still of samples", networks="photographs"),
        "rebuild": live.Live("rebuild", still, "Still of rebuilt images", networks="photographs"),
        "disc": live.Live("disc", still, "Still of a disc", networks="discs", **disc_told()),
        "fly": live.Live("fly", still, "Still of shuffled faces", networks="photographs discs", **fly_told()),
        "rival": live.Live("rival", still, "Still of a rival", networks="photographs", **RIVAL),
        "contour": live.Live("contour", still, "Still of contours", networks="photographs discs", **CONTOUR),
        "guess": live.Live("guess", still, "Still of pairs", **guess_told()),
        "scrub": live.Live("scrub", still, "Still of two trainings", **scrub_told()),
    }
    page = "".join(
        f'```{{raw}} html\n<figure id="fig-{name}">{figure.html}<figcaption>Caption.</figcaption></figure>\n```\n\n'
        for name, figure in figures.items()
    )
    (root / "book" / "figures.md").write_text(f"# Figures\n\n{page}")
    chapters = "[{file: book/laboratory}, {file: book/figures}, {file: book/references}]"
    (root / "_toc.yml").write_text(f"format: jb-book\nroot: index\nchapters: {chapters}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GHR_CHECKPOINTS", str(root / "checkpoints"))
        photographs = laboratory.networks("laptop")
        patch.setattr(laboratory, "networks", lambda scale: [*photographs, DISCS])
        listed = laboratory.export("laptop", root)
        before = listed.stat().st_mtime_ns
        assert laboratory.export("laptop", root).stat().st_mtime_ns == before  # nothing is new
        pages.render("laptop", root, root / "_build" / "html")


@pytest.fixture(scope="session")
def address(lab):
    with serve(lab.html) as address:
        yield address
