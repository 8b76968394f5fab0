"""What all pages of the book have to hold: links, alternative texts, places and sliders, in headless Chromium.

The book is built at scale smoke into a temporary folder; `GHR_HTML=_build/html pytest -m browser`
looks at pages that stand already.
"""

import json
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import numpy as np
import pytest
from conftest import DESK, canvases, cut, hear, load

from ghr import recipes
from ghr.book import contents

pytestmark = pytest.mark.browser

REPO = Path(__file__).resolve().parents[1]


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


def test_every_place_that_a_page_names_is_where_the_reader_lands(chromium, smoke_site, soups):
    """After a fresh load, pictures unseen so far: their width and height keep their room. Then one after the other."""
    far, asked = [], 0
    for name, soup in soups.items():
        places = [tag["id"] for tag in soup.select("article :is(section, figure)[id]")]
        if not places or not soup.select("article img"):
            continue
        page = chromium.new_page(viewport=DESK)
        page.goto(f"{smoke_site}{name}#{places[-1]}", wait_until="networkidle")  # below all pictures
        settled = "() => scrollY === (window.before ?? -1) || (window.before = scrollY, false)"  # pages scroll smoothly
        page.wait_for_function(settled, polling=300)
        far += landed(page, name, places[-1:], go=False)
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


def test_every_slider_of_every_page_shows_what_the_page_carries(chromium, smoke_site, soups):
    """By keyboard, from end to end: the pixels are those of the sheet, the words those of the frame."""
    seen = set()
    for name, soup in soups.items():
        scripts = soup.select(".explorer > script")
        if not scripts:
            continue
        page = chromium.new_page(viewport=DESK)
        complaints = hear(page, smoke_site, name)
        load(page, smoke_site + name)
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
    explored = [chapter for chapter in contents.chapters(REPO) if "Explorer(" in (REPO / chapter).read_text("utf8")]
    assert len(explored) >= 6
    assert seen == {*(f"{chapter.removesuffix('.py')}.html" for chapter in explored)}
