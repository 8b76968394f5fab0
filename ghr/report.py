"""Pages of an answer: words, tables, pictures and numbers enter, one HTML file leaves that asks for nothing else.

It follows the reader's light or dark mode and fits a phone. Used by commands; the book has a press of its own.
"""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from ghr.files import cache
from ghr.stats import Estimate

BINS = 40  #: of a histogram
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --muted: #545b63; --paper: #ffffff; --line: #d5d5d5;
  --one: #0072b2; --other: #8c8c8c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --muted: #a9b1b9; --paper: #14171a; --line: #3c4247;
  --one: #56b4e9; --other: #9a9a9a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif; }
main { max-width: 50rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; font-weight: 600; text-wrap: balance; margin: .2em 0 .6em; }
h2 { font-size: 1.2rem; font-weight: 600; margin: 2.2em 0 .5em; }
p, li { text-wrap: pretty; max-width: 44rem; }
.kicker, figcaption, .small { color: var(--muted); font-size: .875rem; }
.kicker { margin: 0; }
figure { margin: 1rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: normal; }
tbody th { font-weight: 400; }
td { white-space: nowrap; }
.plot { position: relative; height: 15rem; margin: 1.2rem 0 0 2.6rem; border-left: 1px solid var(--muted);
  border-bottom: 1px solid var(--muted); }
.plot svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.plot .level { position: absolute; left: -2.6rem; width: 2.3rem; text-align: right; font-size: .8rem; line-height: 1;
  transform: translateY(50%); color: var(--muted); }
.plot .mark { position: absolute; top: -1.3rem; font-size: .8rem; line-height: 1.2; white-space: nowrap; }
.axis { display: flex; justify-content: space-between; margin-left: 2.6rem; font-size: .8rem; color: var(--muted); }
.places { position: relative; height: 1.3rem; margin-left: 2.6rem; font-size: .8rem; color: var(--muted); }
.places span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.places span:last-child:not(:only-child) { transform: translateX(-85%); }
.axis + .axis { justify-content: center; text-align: center; }
.key { display: flex; flex-wrap: wrap; gap: 0 1.2rem; font-size: .9rem; margin: 0 0 .6rem 2.6rem; }
.key span::before { content: ""; display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
.key .one::before { background: var(--one); opacity: .75; }
.key .other::before { background: var(--other); opacity: .75; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1.2rem; margin: 1rem 0; }
.pairs figure { margin: 0; }
.pairs div { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; }
.pairs img { width: 100%; height: auto; image-rendering: pixelated; display: block; }
details { margin: 1rem 0; }
summary { cursor: pointer; }
.pairs figcaption { margin-top: .3rem; line-height: 1.4; }
"""


def require_out(out: Path, *files: str) -> None:
    """Refuses an output folder that holds an answer, or cannot be written.

    Args:
        out: the folder, made where it is missing.
        files: names of what will be written.

    Raises:
        ValueError: when one of them is there.
        OSError: when it cannot be made or written.
    """
    if held := [name for name in files if (out / name).exists()]:
        raise ValueError(f"There is {held[0]} in {out}: give another --out, or take it away.")
    cache.writable(out, "output", "give another --out")


def page(title: str, about: str, body: str) -> str:
    """A page.

    Args:
        title: what it says, a sentence.
        about: what it is, a few words.
        body: HTML below the title.

    Returns:
        HTML.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{escape(about)}</title>
<style>{STYLE}</style>
</head>
<body><main>
<p class="kicker">{escape(about)}</p>
<h1>{escape(title)}</h1>
{body}
</main></body>
</html>
"""


def section(head: str, *parts: str) -> str:
    """A part of a page.

    Args:
        head: its title.
        parts: HTML of its paragraphs.

    Returns:
        HTML.
    """
    return f"<section><h2>{escape(head)}</h2>\n" + "\n".join(parts) + "</section>\n"


def paragraph(text: str, small: bool = False) -> str:
    """A paragraph.

    Args:
        text: plain words.
        small: whether it is an aside.

    Returns:
        HTML.
    """
    return f'<p class="small">{escape(text)}</p>' if small else f"<p>{escape(text)}</p>"


def points(texts: Iterable[str]) -> str:
    """A list.

    Args:
        texts: plain words of each point.

    Returns:
        HTML.
    """
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def histogram(
    values: Float[np.ndarray, " n"],
    reference: Float[np.ndarray, " m"],
    mark: float,
    names: tuple[str, str],
    axis: str,
    marked: str,
) -> str:
    """Two histograms over [0,1], one upon the other, as shares of each set on a root scale: few are seen, too.

    Args:
        values: numbers of one set.
        reference: of another.
        mark: where a line stands.
        names: of both sets.
        axis: what the numbers are.
        marked: what the line is.

    Returns:
        HTML.
    """
    shares = [np.histogram(each, BINS, (0, 1))[0] / len(each) for each in (reference, values)]
    top = np.sqrt(max(share.max() for share in shares))
    bars = ""
    for share, colour in zip(shares, ("other", "one"), strict=True):
        heights = 100 * np.sqrt(share) / top
        boxes = "".join(f"M{k} 100V{100 - h:.2f}H{k + 1}V100Z" for k, h in enumerate(heights) if h)
        bars += f'<path d="{boxes}" fill="var(--{colour})" fill-opacity=".75"/>'
    line = f'<path d="M{BINS * mark:.3f} 0V100" stroke="var(--ink)" stroke-dasharray="5 3" fill="none"'
    bars += line + ' vector-effect="non-scaling-stroke"/>'
    levels = [level for level in (0.01, 0.05, 0.2, 0.5, 1) if np.sqrt(level) <= 1.001 * top]
    ticks = "".join(
        f'<span class="level" style="bottom:{100 * np.sqrt(level) / top:.2f}%">{level:.0%}</span>' for level in levels
    )
    side = f"left:{100 * mark:.2f}%" if mark < 0.5 else f"right:{100 - 100 * mark:.2f}%"
    words = f"{names[0]}: {_spread(values)}; {names[1]}: {_spread(reference)}; {marked}."
    return f"""<figure>
<div class="key"><span class="one">{escape(names[0])}</span><span class="other">{escape(names[1])}</span></div>
<div class="plot" role="img" aria-label="{escape(words)}">
<svg viewBox="0 0 {BINS} 100" preserveAspectRatio="none" aria-hidden="true">{bars}</svg>{ticks}
<span class="mark" style="{side}">{escape(marked)}</span></div>
<div class="axis"><span>0</span><span>0.25</span><span>0.5</span><span>0.75</span><span>1</span></div>
<div class="axis"><span>{escape(axis)}</span></div>
<figcaption>Share of images in each bin, on a root scale.</figcaption>
</figure>"""


def curve(x: Sequence[float], values: Sequence[Estimate], mark: float, what: str, axis: str, caption: str = "") -> str:
    """A measured number with its intervals, against a number on a log scale.

    Args:
        x: positive, increasing.
        values: what was measured, one for each.
        mark: where a line stands.
        what: what was measured, with its unit.
        axis: what x is.
        caption: what is to be seen.

    Returns:
        HTML.
    """
    places = np.log([*x]) - np.log(x[0])
    places = 100 * places / places[-1] if len(x) > 1 else np.array([50.0])
    places = 3 + 0.94 * places  # the ends of intervals are seen whole
    low, high = min(0.0, mark, *(e.low for e in values)), max(mark, *(e.high for e in values))
    top, bottom = high + 0.05 * (high - low), low - 0.05 * (high - low) * (low < 0)

    def height(value: float) -> float:
        return 100 * (value - bottom) / (top - bottom)

    line = "M" + "L".join(f"{a:.2f} {100 - height(e.value):.2f}" for a, e in zip(places, values, strict=True))
    ends = "".join(
        f"M{a:.2f} {100 - height(e.low):.2f}V{100 - height(e.high):.2f}" for a, e in zip(places, values, strict=True)
    )
    still = 'vector-effect="non-scaling-stroke" fill="none"'
    points = "".join(f"M{a:.2f} {100 - height(e.value):.2f}h0" for a, e in zip(places, values, strict=True))
    drawn = (
        f'<path d="M0 {100 - height(mark):.2f}H100" stroke="var(--ink)" stroke-dasharray="5 3" {still}/>'
        f'<path d="{line}" stroke="var(--one)" stroke-width="2" {still}/>'
        f'<path d="{ends}" stroke="var(--one)" stroke-width="2" {still}/>'
        f'<path d="{points}" stroke="var(--one)" stroke-width="8" stroke-linecap="round" {still}/>'
    )
    levels = sorted(v for v in {0.0, mark, float(f"{high:.1g}")} if bottom <= v <= top)
    ticks = "".join(f'<span class="level" style="bottom:{height(v):.2f}%">{v:g}</span>' for v in levels)
    below = "".join(f'<span style="left:{a:.2f}%">{n:,.0f}</span>' for a, n in zip(places, x, strict=True))
    words = "; ".join(f"{n:,.0f}: {e:.2f}" for n, e in zip(x, values, strict=True))
    return f"""<figure>
<div class="key"><span class="one">{escape(what)}</span></div>
<div class="plot" role="img" aria-label="{escape(f"{what}, by {axis}: {words}. The line is at {mark:g}.")}">
<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">{drawn}</svg>{ticks}</div>
<div class="places">{below}</div>
<div class="axis"><span></span><span>{escape(axis)}</span><span></span></div>
<figcaption>{escape(f"{caption} " if caption else "")}With 95% intervals; dashed: the line at {mark:g}.</figcaption>
</figure>"""


def _spread(values: Float[np.ndarray, " n"]) -> str:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return f"median {middle:.2f}, nine in ten between {low:.2f} and {high:.2f}"


def pairs(each: Iterable[tuple[Mapping[str, UInt8[np.ndarray, "h w *channels"]], str]]) -> str:
    """Pictures side by side.

    Args:
        each: pictures by what they show, for those who cannot see them, and a caption.

    Returns:
        HTML.
    """
    found = ""
    for pictures, caption in each:
        images = "".join(picture(pixels, alt) for alt, pixels in pictures.items())
        found += f"<figure><div>{images}</div><figcaption>{escape(caption)}</figcaption></figure>\n"
    return f'<div class="pairs">{found}</div>'


def folded(head: str, body: str) -> str:
    """What opens when it is asked for.

    Args:
        head: plain words that are always seen.
        body: HTML.

    Returns:
        HTML.
    """
    return f"<details><summary>{escape(head)}</summary>{body}</details>"


def picture(pixels: UInt8[np.ndarray, "h w *channels"], alt: str) -> str:
    """A picture, held by the page itself.

    Args:
        pixels: 0-255, grey or with red, green and blue on the last axis.
        alt: what it shows.

    Returns:
        HTML.
    """
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", optimize=True)
    data = base64.b64encode(file.getvalue()).decode()
    h, w = pixels.shape[:2]
    return f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}" width="{w}" height="{h}">'
