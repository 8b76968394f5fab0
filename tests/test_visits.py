"""The pages of the book as a reader meets them, in headless Chromium, in light and dark mode and on a phone.

The pages are those of `test_book.py`, `GHR_HTML` too; $GHR_SCREENSHOTS names a folder for pictures of them.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from conftest import COLOURS, DESK, PHONE, hear, load, shoot, until, violations

pytestmark = pytest.mark.browser


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
def opened(smoke_pages) -> list[str]:
    """Those that a browser opens: of the library's pages, which are all alike, a short one and a long one."""
    alike = {"book/api/jacobian.html", "book/api/measure/rivals.html"}
    assert alike <= set(smoke_pages)
    return [name for name in smoke_pages if not name.startswith("book/api/") or name in alike]


@pytest.fixture(scope="session")
def visits(chromium, html, smoke_site, opened) -> dict[str, Visit]:
    """A visit of each opened page."""
    return {name: visit(chromium, html, smoke_site, name) for name in opened}


def visit(chromium, html: Path, site: str, name: str) -> Visit:
    """Loads a page twice and looks at it."""
    flat = name.removesuffix(".html").replace("/", "-")
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
    shoot(page, f"{flat}-light")
    grave = findings(page, name)
    cut = [f"{name}: {part}" for part in page.evaluate(CUT)]
    page.set_viewport_size(PHONE)
    phone = page.evaluate("document.documentElement.scrollWidth")
    shoot(page, f"{flat}-phone")
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="dark")
    themes.append(load(page))
    shoot(page, f"{flat}-dark")
    grave_in_dark = findings(page, name, runOnly={"type": "rule", "values": COLOURS})
    context.close()
    return Visit(first, tips, heard, themes, grave, grave_in_dark, cut, phone)


def findings(page, name: str, **options) -> list[str]:
    """What axe finds on a page and calls serious or critical."""
    return [f"{name}: {f['id']}: {node['html'][:200]}" for f in violations(page, **options) for node in f["nodes"]]


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


def test_tables_and_code_are_seen_whole_on_a_desk(visits):
    assert [part for visit in visits.values() for part in visit.cut] == []


def test_figures_stay_readable_on_a_phone(chromium, smoke_site, soups):
    """Grids of many columns and drawings of lines scroll by themselves, also by keyboard."""
    grids = {name: soup.select(".scrolls:has(img.tiles)") for name, soup in soups.items()}
    drawn = {name for name, soup in soups.items() if soup.select(".scrolls img.lines")}
    assert sum(map(len, grids.values())) >= 3
    assert len(drawn) >= 3
    page = chromium.new_page(viewport=PHONE)
    for name in sorted({name for name, boxes in grids.items() if boxes} | drawn):
        load(page, smoke_site + name)
        page.evaluate("for (const fold of document.querySelectorAll('article details')) fold.open = true")
        columns = "box.getAttribute('style').split(':')[1]"  # a live figure may have taken the place of its still
        tiles = f"boxes => boxes.map(box => box.querySelector('img.tiles').clientWidth / parseInt({columns}))"
        assert all(each >= 60 for each in page.eval_on_selector_all(".scrolls:has(img.tiles)", tiles)), name
        width = "images => images.map(image => image.clientWidth)"
        assert all(each >= 600 for each in page.eval_on_selector_all(".scrolls img.lines", width)), name
        page.wait_for_function("[...document.querySelectorAll('.scrolls')].every(box => box.tabIndex === 0)")
    page.close()


def test_equations_are_not_covered_by_their_numbers_on_a_phone(chromium, smoke_site, soups):
    """A number stands below its equation, which is on the screen."""
    page, seen = chromium.new_page(viewport=PHONE), 0
    for name, soup in soups.items():
        if not soup.select("article div.math .eqno"):
            continue
        load(page, smoke_site + name)
        places = page.eval_on_selector_all(
            "article div.math:has(> .eqno)",
            """blocks => blocks.map(block => [".eqno", "mjx-container"].map(name => {
                const { left, right, top, bottom } = block.querySelector(name).getBoundingClientRect();
                return { left, right, top, bottom };
            }))""",
        )
        for number, equation in places:
            assert number["top"] >= equation["bottom"] - 1, name
            assert 0 <= equation["left"] < equation["right"] <= PHONE["width"], name
        seen += len(places)
    page.close()
    assert seen >= 5


def test_a_way_to_what_is_in_a_fold_opens_the_fold(chromium, smoke_site, soups):
    """An address, a link, and the same link again after the reader has closed the fold; nothing else opens."""
    name, figure = next((name, f) for name, soup in soups.items() for f in soup.select("article details figure[id]"))
    page = chromium.new_page(viewport=DESK)
    load(page, smoke_site + name)
    folds = page.locator("article details:has(figure[id])")
    assert not any(folds.evaluate_all("folds => folds.map(fold => fold.open)"))
    load(page, f"{smoke_site}{name}?a=1#{figure['id']}")
    box = page.locator(f"#{figure['id']}")
    fold = page.locator(f"article details:has(#{figure['id']})")
    link = f"document.body.append(Object.assign(document.createElement('a'), {{ href: '#{figure['id']}', id: 'way' }}))"
    page.evaluate(link)
    for _ in range(2):
        assert box.is_visible()
        # within a second or two: what stands above gets its height while the page loads
        until(lambda: -5 <= box.evaluate("figure => figure.getBoundingClientRect().top") < DESK["height"], 10)
        fold.evaluate("fold => { fold.open = false; scrollTo(0, 0) }")
        assert not box.is_visible()
        page.evaluate("document.querySelector('#way').click()")
    assert sum(page.locator("article details").evaluate_all("folds => folds.map(fold => fold.open)")) == 1
    page.close()


def test_figures_in_a_fold_are_printed_without_their_code_and_folded_again(chromium, smoke_site, soups):
    name = next(name for name, soup in soups.items() if soup.select("article details figure[id]"))
    page = chromium.new_page(viewport=DESK)
    load(page, smoke_site + name)
    figures = page.locator("article details figure[id]")
    seen = "figures => figures.map(figure => figure.checkVisibility())"
    assert not any(figures.evaluate_all(seen))
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert all(figures.evaluate_all(seen))
    hidden = "article .cell_input, article details.hide > summary"
    assert not any(page.locator(hidden).evaluate_all("parts => parts.map(part => part.checkVisibility())"))
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert not any(figures.evaluate_all(seen))
    page.close()


def test_pages_fit_a_phone_without_sideways_scroll(visits):
    assert {name: visit.phone for name, visit in visits.items() if visit.phone > PHONE["width"]} == {}


def test_pages_are_accessible_in_both_modes(visits):
    assert {tuple(visit.themes) for visit in visits.values()} == {("light", "dark")}
    assert [finding for visit in visits.values() for finding in (*visit.grave, *visit.grave_in_dark)] == []
