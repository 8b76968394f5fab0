"""The pages as a reader meets them, in headless Chromium.

The book is built at scale smoke into a temporary folder; `GHR_HTML=_build/html pytest -m browser`
looks at pages that stand already. Screenshots go to build/screenshots.
"""

import gzip
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from conftest import DESK, PHONE, canvases, cut, hear, serve

from ghr import recipes
from ghr.book import press
from ghr.book.pages import book

pytestmark = pytest.mark.browser

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def html(tmp_path_factory) -> Path:
    """Folder of the pages: built here at scale smoke, every chapter executed, unless GHR_HTML names one."""
    if folder := os.environ.get("GHR_HTML"):
        return Path(folder).resolve()
    return book("smoke", REPO, tmp_path_factory.mktemp("book") / "html").parent


@pytest.fixture(scope="session")
def pages(html) -> list[str]:
    """Every page that stands in the table of contents or is made beside it, as paths below the folder."""
    return sorted(str(path.relative_to(html)) for path in html.rglob("*.html") if "_static" not in path.parts)


@pytest.fixture(scope="session")
def soups(html, pages) -> dict[str, BeautifulSoup]:
    """Every page, parsed."""
    return {name: BeautifulSoup((html / name).read_text("utf8"), "html.parser") for name in pages}


@pytest.fixture(scope="session")
def opened(pages) -> list[str]:
    """Those that a browser opens: of the library's pages, which are all alike, a short one and the longest."""
    alike = {"book/api/jacobian.html", "book/api/machinery.html"}
    assert alike <= set(pages)
    return [name for name in pages if not name.startswith("book/api/") or name in alike]


@pytest.fixture(scope="session")
def site(html):
    """The address at which the pages are served, on loopback."""
    with serve(html) as address:
        yield address


@dataclass(frozen=True)
class Visit:
    """What one page did and showed: loaded in light mode, looked at on a phone, loaded again in dark mode."""

    first: set[str]  #: files asked for before anybody touched it, below the folder of the pages
    tips: int  #: hover tips that were shown
    complaints: list[str]  #: of the light mode, tips included
    themes: list[str]  #: of both modes
    grave: list[str]  #: what axe calls serious or critical in light mode
    grave_in_dark: list[str]  #: of its rules on colours: the dark page is the same document
    cut: list[str]  #: tables and code that a desk shows in part only, all folds open
    phone: int  #: width on a phone, CSS pixels


COLOURS = ["color-contrast", "link-in-text-block"]  # axe's category "color", but for level AAA
SHOW_TIPS = """async () => {
    const links = [...document.querySelectorAll("article a.reference.internal")];
    const tips = links.map(link => link._tippy).filter(tip => tip);
    for (const tip of tips) tip.show();
    await new Promise(resolve => setTimeout(resolve, 300));
    const shown = tips.filter(tip => tip.state.isShown || tip.state.isVisible).length;
    for (const tip of tips) tip.hide();
    await new Promise(resolve => setTimeout(resolve, 300));
    return shown;
}"""
CUT = """() => {
    for (const fold of document.querySelectorAll("article details")) fold.open = true;
    const cut = [];
    for (const part of document.querySelectorAll("article table, article pre")) {
        for (let box = part; box && box.matches("article *"); box = box.parentElement) {
            if (box.clientWidth && box.scrollWidth > box.clientWidth + 1) {
                cut.push(`${part.tagName} ${part.textContent.trim().slice(0, 60)}: ${box.scrollWidth} px`);
                break;
            }
        }
    }
    return cut;
}"""


@pytest.fixture(scope="session")
def visits(chromium, html, site, opened) -> dict[str, Visit]:
    """A visit of each opened page."""
    return {name: visit(chromium, html, site, name) for name in opened}


def visit(chromium, html: Path, site: str, name: str) -> Visit:
    """Loads a page twice and looks at it."""
    context = chromium.new_context(viewport=DESK, color_scheme="light")
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(unquote(urlsplit(request.url).path).lstrip("/")))
    complaints = hear(page, site, name)
    themes = [load(page, site + name)]
    first = {path for path in asked if (html / path).is_file()}
    for anchor in page.locator("article a.reference.internal:visible").all()[:3]:
        anchor.hover(timeout=5000)
    page.mouse.move(0, 0)
    tips = page.evaluate(SHOW_TIPS)
    page.wait_for_load_state("networkidle")
    heard = list(complaints)  # axe asks for style sheets at addresses of its own
    shoot(page, name, "light")
    grave = findings(page, name)
    cut = [f"{name}: {part}" for part in page.evaluate(CUT)]
    page.set_viewport_size(PHONE)
    phone = page.evaluate("document.documentElement.scrollWidth")
    shoot(page, name, "phone")
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="dark")
    themes.append(load(page))
    shoot(page, name, "dark")
    grave_in_dark = findings(page, name, runOnly={"type": "rule", "values": COLOURS})
    context.close()
    return Visit(first, tips, heard, themes, grave, grave_in_dark, cut, phone)


def load(page, address: str | None = None) -> str:
    """Loads a page, or loads it again, its formulas too.  Returns: its theme."""
    page.goto(address, wait_until="networkidle") if address else page.reload(wait_until="networkidle")
    page.evaluate("window.MathJax?.startup?.promise")
    return page.evaluate("document.documentElement.dataset.theme")


def findings(page, name: str, **options) -> list[str]:
    """What axe finds on a page and calls serious or critical."""
    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    grave = [f for f in found if f["impact"] in ("serious", "critical")]
    return [f"{name}: {f['id']}: {node['html'][:200]}" for f in grave for node in f["nodes"]]


def test_pages_ask_only_this_host_and_complain_about_nothing(visits):
    """Nor does a hover tip load anything."""
    assert "index.html" in visits
    assert sum(visit.tips for visit in visits.values()) > 100
    assert [complaint for visit in visits.values() for complaint in visit.complaints] == []


def test_the_first_view_of_a_page_is_light(visits, html):
    """What a page asks for before anybody touches it, compressed as servers do: below 1.5 MB."""
    for name, visit in visits.items():
        assert name in visit.first
        assert sum(len(gzip.compress((html / path).read_bytes())) for path in visit.first) < 1.5e6, name


def test_links_and_anchors_inside_the_book_resolve(html, soups):
    ids = {name: Counter(tag["id"] for tag in soup.find_all(id=True)) for name, soup in soups.items()}
    broken = []
    for name, soup in soups.items():
        broken += [f"{name}: id {i} stands twice" for i, count in ids[name].items() if count > 1]
        targets = [tag.get("href") or tag.get("src") for tag in soup.find_all(["a", "link", "img", "script"])]
        for target in filter(None, targets):
            if urlsplit(target).scheme:
                continue
            path, anchor = urldefrag(urljoin(f"/{name}", target))
            path = unquote(path.split("?")[0]).lstrip("/")
            if not (html / path).is_file():
                broken.append(f"{name}: {target} leads nowhere")
            elif anchor and path in ids and unquote(anchor) not in ids[path]:
                broken.append(f"{name}: {target} has no such place")
    assert broken == []


def test_the_page_on_speed_shows_what_was_timed(soups):
    soup = soups["book/speed.html"]
    assert "Not timed yet" not in soup.text
    counted = {row.th.text: [cell.text for cell in row.find_all("td")] for row in soup.select("tbody tr")}
    assert counted["all"][0] == str(len(recipes.table("paper")))


def test_every_image_says_what_it_shows(soups):
    for name, soup in soups.items():
        for image in soup.select("article img"):
            alt = image.get("alt", "")  # without one, docutils writes the file's name
            assert alt not in ("", image["src"]), f"{name}: {image['src']} has no alt text"


def test_every_place_that_a_page_names_is_where_the_reader_lands(chromium, site, soups):
    """After a fresh load, pictures unseen so far: their width and height keep their room. Then one after the other."""
    far, asked = [], 0
    for name, soup in soups.items():
        if not soup.select("article img"):
            continue
        page = chromium.new_page(viewport=DESK)
        # below all pictures
        last = [*soup.select("article section[id]")[-1:], *soup.select("article figure[id]")[-1:]]
        for place in [tag["id"] for tag in last]:
            page.goto("about:blank")
            page.goto(f"{site}{name}#{place}", wait_until="networkidle")
            settled = (
                "() => scrollY === (window.before ?? -1) || (window.before = scrollY, false)"  # pages scroll smoothly
            )
            page.wait_for_function(settled, polling=300)
            far += landed(page, name, [place], go=False)
        places = [tag["id"] for tag in soup.select("article :is(section, figure)[id]")]
        far += landed(page, name, places)
        asked += len(places)
        page.close()
    assert asked > 100
    assert far == []


def landed(page, name: str, places: list[str], go: bool = True) -> list[str]:
    """Which places the reader does not see within 40 px of where they should be, below the header.

    go: whether to go there, as by a click, or to look where the page is.
    """
    found = page.evaluate(
        """([places, go]) => places.map(id => {
            const root = document.documentElement;
            if (go) {
                root.style.scrollBehavior = "auto";
                location.hash = "";
                location.hash = id;
            }
            const top = document.getElementById(id).getBoundingClientRect().top;
            const below = root.scrollHeight - scrollY - innerHeight; // the page may end there
            return [top - parseFloat(getComputedStyle(root).scrollPaddingTop), below];
        })""",
        [places, go],
    )
    pairs = zip(places, found, strict=True)
    return [
        f"{name}#{place}: {off:.0f} px"
        for place, (off, below) in pairs
        if abs(off) > 40 and not (below < 40 and off > 0)
    ]


def test_every_slider_of_every_page_shows_what_the_page_carries(chromium, site, soups):
    """By keyboard, from end to end: the pixels are those of the sheet, the words those of the frame."""
    seen = set()
    for name, soup in soups.items():
        scripts = soup.select(".explorer > script")
        if not scripts:
            continue
        page = chromium.new_page(viewport=DESK)
        complaints = hear(page, site, name)
        load(page, site + name)
        for k, script in enumerate(scripts):
            seen.add(name)
            packed, explorer = json.loads(script.string), page.locator(".explorer").nth(k)
            explorer.locator("canvas").first.wait_for()
            counts = [len(slider["texts"]) for slider in packed["sliders"]]
            for place in (i for i, count in enumerate(counts) if count > 1):
                control, ends = explorer.locator("input").nth(place), []
                for key, position in (("Home", 0), ("ArrowRight", 1), ("End", counts[place] - 1)):
                    control.press(key)
                    at = [int(i) for i in explorer.get_attribute("data-place").split(",")]
                    assert at[place] == position
                    assert control.get_attribute("aria-valuetext") == packed["sliders"][place]["texts"][position]
                    frame = packed["frames"][np.ravel_multi_index(at, counts)]
                    assert explorer.locator(".explorer-words").text_content() == frame["words"]
                    ends.append(canvases(explorer))
                    for found, (picture, *_) in zip(ends[-1], frame["tiles"], strict=True):
                        np.testing.assert_array_equal(found, cut(packed, picture))
                assert any((first != last).any() for first, last in zip(ends[0], ends[-1], strict=True))
        assert complaints == []
        page.close()
    explored = [chapter for chapter in press.chapters(REPO) if "Explorer(" in (REPO / chapter).read_text("utf8")]
    assert len(explored) >= 6
    assert seen == {*(f"{chapter.removesuffix('.py')}.html" for chapter in explored)}


def test_tables_and_code_are_seen_whole_on_a_desk(visits):
    assert [part for visit in visits.values() for part in visit.cut] == []


def test_grids_of_images_stay_readable_on_a_phone(chromium, site, soups):
    """Of many columns, they scroll by themselves, also by keyboard."""
    grids = {name: soup.select(".scrolls") for name, soup in soups.items()}
    assert sum(map(len, grids.values())) >= 3
    page = chromium.new_page(viewport=PHONE)
    for name, boxes in grids.items():
        if not boxes:
            continue
        load(page, site + name)
        columns = [int(box["style"].split(":")[1]) for box in boxes]
        widths = page.eval_on_selector_all(".scrolls img", "images => images.map(image => image.clientWidth)")
        assert all(width / count >= 60 for width, count in zip(widths, columns, strict=True)), name
        assert set(page.eval_on_selector_all(".scrolls", "boxes => boxes.map(box => box.tabIndex)")) == {0}, name
    page.close()


def test_pages_fit_a_phone_without_sideways_scroll(visits):
    assert {name: visit.phone for name, visit in visits.items() if visit.phone > PHONE["width"]} == {}


def test_pages_are_accessible_in_both_modes(visits):
    assert {tuple(visit.themes) for visit in visits.values()} == {("light", "dark")}
    assert [finding for visit in visits.values() for finding in (*visit.grave, *visit.grave_in_dark)] == []


def shoot(page, name: str, kind: str) -> None:
    folder = REPO / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name.removesuffix('.html').replace('/', '-')}-{kind}.png", full_page=True)
