"""Sliders over pictures: computed by the networks in Jupyter, carried by the page where there is no kernel.

Enters: a function from slider positions to a `Frame` of pictures and words. Leaves: an `Explorer`. In Jupyter it is a
widget that calls the function at every position; in the page it is HTML that carries the frames of some positions,
all their pictures in one lossless WebP. Both are drawn by `ghr/book/assets/explorer.js`.
"""

import base64
import html
import io
import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import anywidget
import matplotlib
import numpy as np
import traitlets
from jaxtyping import Float
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor

from ghr.book.live import ASSETS, inlined


@dataclass(frozen=True)
class Slider:
    """A quantity that the reader sets."""

    name: str  #: keyword by which the frame function gets the value
    label: str  #: what the reader sees
    values: Sequence  #: every position, for a kernel
    #: the values whose frames a page carries (all by default); a single one hides the slider
    page: Sequence | None = None
    start: Any = None  #: first shown, the page's first by default
    form: str = "{}"  #: of a value, e.g. "{:.2f}"

    @property
    def carried(self) -> Sequence:
        """The values whose frames a page carries."""
        return self.values if self.page is None else self.page

    @property
    def first(self) -> Any:
        """The value first shown."""
        return self.carried[0] if self.start is None else self.start


class Tile(NamedTuple):
    """One picture and its caption."""

    image: Float[Tensor, "1 h w"]  #: grey, image units, 0 black and 1 white; or signed, on a scale of its own
    title: str  #: what it is
    note: str = ""  #: a number, with unit
    half: str = ""  #: "A" or "B", its colour; or "drawing", which on a dark page turns round
    signed: bool = False  #: blue below zero, white, red above; one pixel in a hundred lies beyond the ends


class Frame(NamedTuple):
    """What is seen at one position: always equally many tiles, of one size."""

    tiles: Sequence[Tile]  #: equally many at every position, of one size
    words: str  #: what is seen, in a sentence, read out when a slider moves
    #: values over the explorer's axes, or several lists of them, a line each
    curve: Sequence[float] | Sequence[Sequence[float]] | None = None
    mark: int | None = None  #: which of them is marked, of several lines on the first


@dataclass(frozen=True)
class Axes:
    """What a frame's curve is drawn on."""

    x: Sequence[float]  #: abscissae, positive, drawn on a log axis
    y: tuple[float, float]  #: limits
    x_label: str  #: name and unit of x
    y_label: str  #: name and unit of y

    def __post_init__(self):
        if not (len(self.x) > 1 and 0 < self.x[0] < self.x[-1] and self.y[0] < self.y[1]):
            raise ValueError(f"Axes need two positive abscissae or more, and limits, that grow: {self.x}, {self.y}.")


class Explorer(anywidget.AnyWidget):
    """Pictures that follow sliders.

    Args:
        frame: called with one value for each slider, by name.
        sliders: in the order in which they are shown.
        columns: tiles in a row.
        axes: of a curve below the pictures, when frames have one.

    Raises:
        ValueError: when a slider shows or carries a value that it does not have.
    """

    _esm = inlined("explorer")
    _css = ASSETS / "explorer.css"
    sliders = traitlets.List().tag(sync=True)  # of each: name, label, texts of all positions, first position
    place = traitlets.List(traitlets.Int()).tag(sync=True)  # position of each slider, set by the reader
    shown = traitlets.Dict().tag(sync=True)  # the frame there
    form = traitlets.Dict().tag(sync=True)  # columns, and the curve's axes as SVG

    def __init__(
        self,
        frame: Callable[..., Frame],
        sliders: Sequence[Slider],
        columns: int = 4,
        axes: Axes | None = None,
    ):
        for slider in sliders:
            known = [*slider.values]
            if lost := [value for value in (*slider.carried, slider.first) if value not in known]:
                raise ValueError(f'The slider "{slider.label}" has no value {lost[0]}: its values are {known}.')
        self._frame, self._given, self._axes = frame, tuple(sliders), axes
        place = [[*slider.values].index(slider.first) for slider in sliders]
        form = {"columns": columns}
        if axes:
            form |= {"axes": _svg(axes), "x": [*axes.x], "labels": [axes.x_label, axes.y_label]}
        super().__init__(sliders=_controls(sliders, [s.values for s in sliders]), place=place, form=form)
        self.shown = self._at(place)

    @traitlets.observe("place")
    def _moved(self, change) -> None:
        if change.old:  # not the first
            self.shown = self._at(change.new)

    def _at(self, place: Sequence[int]) -> dict:
        values = {slider.name: slider.values[k] for slider, k in zip(self._given, place, strict=True)}
        return {"place": list(place), **pack([self._frame(**values)], self._axes)}

    def html(self) -> str:
        """The explorer without a kernel: its first frame as plain HTML, all that the page carries as data behind it.

        Returns:
            HTML.
        """
        carried = [slider.carried for slider in self._given]
        names = [slider.name for slider in self._given]
        frames = [self._frame(**dict(zip(names, values, strict=True))) for values in itertools.product(*carried)]
        controls = _controls(self._given, carried)
        data = {"sliders": controls, "form": self.form, **pack(frames, self._axes)}
        first = np.ravel_multi_index([c["start"] for c in controls], [len(c["texts"]) for c in controls])
        text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
        still = _still(frames[first], pack([frames[first]], self._axes), self.form)
        return f'<div class="explorer">{still}<script type="application/json">{text}</script></div>'

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        return {**data, "text/html": self.html()}, metadata


def _controls(sliders: Sequence[Slider], values: Sequence[Sequence]) -> list[dict]:
    return [
        {"name": s.name, "label": s.label, "texts": [s.form.format(v) for v in known], "start": [*known].index(s.first)}
        for s, known in zip(sliders, values, strict=True)
    ]


def pack(frames: Sequence[Frame], axes: Axes | None = None) -> dict:
    """Frames as a page holds them: every distinct picture once, in one sheet.

    Args:
        frames: equally many tiles in each, all of one size.
        axes: of their curves.

    Returns:
        A dict of sheet (WebP, as a data URL), side (height and width of a tile), columns (tiles in a row of the sheet),
        curves (distinct ones, as SVG paths), their values (a list for each line) and frames. Each frame has tiles
        (place in the sheet, title, note, half), words, and where there is a curve its place among them and the marked
        point.

    Raises:
        ValueError: when frames differ in their number of tiles, or tiles in size.
    """
    sides = {tuple(tile.image.shape) for frame in frames for tile in frame.tiles}
    counts = {len(frame.tiles) for frame in frames}
    if len(sides) != 1 or len(counts) != 1:
        raise ValueError(f"Frames need equally many tiles of one size, got {sorted(counts)} tiles of {sorted(sides)}.")
    pictures: dict[bytes, tuple[int, np.ndarray]] = {}
    curves: dict[str, tuple[int, list[list[float]]]] = {}
    listed = []
    for frame in frames:
        tiles = []
        for tile in frame.tiles:
            colours = pixels(tile)
            place, _ = pictures.setdefault(colours.tobytes(), (len(pictures), colours))
            tiles.append([place, tile.title, tile.note, tile.half])
        entry = {"tiles": tiles, "words": frame.words}
        if frame.curve is not None:
            numbers = [list(line) for line in (frame.curve if np.ndim(frame.curve) > 1 else [frame.curve])]
            lines = [_points(line, axes) for line in numbers]
            path = "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line) for line in lines)
            rounded = [[float(f"{v:.4g}") for v in line] for line in numbers]
            entry["curve"], _ = curves.setdefault(path, (len(curves), rounded))
            entry["mark"] = None if frame.mark is None else [round(v, 1) for v in lines[0][frame.mark]]
        listed.append(entry)
    h, w = colours.shape[:2]
    columns = math.ceil(math.sqrt(len(pictures)))
    sheet = np.zeros((h * math.ceil(len(pictures) / columns), w * columns, 3), np.uint8)
    for k, picture in pictures.values():
        sheet[k // columns * h :, k % columns * w :][:h, :w] = picture
    packed = {"sheet": _webp(sheet), "side": [h, w], "columns": columns, "frames": listed}
    return packed | ({"curves": list(curves), "values": [values for _, values in curves.values()]} if curves else {})


def pixels(tile: Tile) -> np.ndarray:
    """The colours in which a tile is shown.

    Grey: round(255 x), clipped. Signed: the map of `ghr.book.plots.image_grid`, from blue to red.

    Args:
        tile: grey or signed.

    Returns:
        Colours (h, w, 3), uint8.
    """
    image = tile.image[0].detach().cpu().numpy()
    if tile.signed:
        limit = max(np.quantile(np.abs(image), 0.99), 1e-12)
        return matplotlib.colormaps["RdBu_r"]((image / limit + 1) / 2, bytes=True)[..., :3]
    return np.repeat((image.clip(0, 1) * 255).round().astype(np.uint8)[..., None], 3, -1)


def _webp(colours: np.ndarray) -> str:
    file = io.BytesIO()
    # two milliseconds for one frame; method 6 takes a hundred times as long to save a twentieth at best
    Image.fromarray(colours).save(file, "WEBP", lossless=True, quality=100, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


# -- the curve and the still are HTML: without a script they are all there is

_BOX = (48, 8, 384, 132)  # left, top, width, height of the curve's axes, in units of its viewBox
_VIEW = (440, 180)


def _points(values: Sequence[float], axes: Axes) -> list[tuple[float, float]]:
    left, top, width, height = _BOX
    x, (low, high) = np.log(np.asarray(axes.x, float)), axes.y
    across = left + width * (x - x[0]) / (x[-1] - x[0])
    down = top + height * (high - np.asarray(values, float)) / (high - low)
    return list(zip(across.tolist(), down.tolist(), strict=True))


_LINE, _DOT = '<path class="explorer-line"/>', '<circle r="5"/>'  # where the curve and its mark go


def _svg(axes: Axes) -> str:
    """Axes, ticks and labels as SVG, and a line and a dot that are yet to be placed."""
    left, top, width, height = _BOX
    span = math.log(axes.x[-1] / axes.x[0])
    tens = [10**k for k in range(math.ceil(math.log10(axes.x[0])), math.floor(math.log10(axes.x[-1])) + 1)]
    parts = [f'<path class="explorer-axes" d="M{left} {top}V{top + height}H{left + width}"/>']
    for tick in tens:
        x = left + width * math.log(tick / axes.x[0]) / span
        parts.append(f'<text x="{x:.1f}" y="{top + height + 14}" text-anchor="middle">{tick:g}</text>')
    inside = [tick for tick in MaxNLocator(3).tick_values(*axes.y) if axes.y[0] <= tick <= axes.y[1]]
    for tick in inside:
        y = top + height * (axes.y[1] - tick) / (axes.y[1] - axes.y[0])
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:.3g}</text>')
    middle = left + width / 2
    parts.append(f'<text x="{middle}" y="{_VIEW[1] - 6}" text-anchor="middle">{html.escape(axes.x_label)}</text>')
    y = top + height / 2
    parts.append(
        f'<text transform="translate(12 {y}) rotate(-90)" text-anchor="middle">{html.escape(axes.y_label)}</text>'
    )
    box = f'<svg class="explorer-curve" viewBox="0 0 {_VIEW[0]} {_VIEW[1]}" aria-hidden="true">'
    return f"{box}{''.join(parts)}{_LINE}{_DOT}</svg>"


def _still(frame: Frame, packed: dict, form: dict) -> str:
    """One frame as HTML: what is seen before, or without, a script, and in print of a page without one."""
    figures = []
    for tile in frame.tiles:
        words = f"<b>{html.escape(tile.title)}</b> {html.escape(tile.note)}"
        alt = html.escape(f"{tile.title} {tile.note}".strip())
        picture = f'<img class="dark-light" alt="{alt}" src="{_webp(pixels(tile))}">'
        half = f' class="explorer-{tile.half}"' if tile.half else ""
        figures.append(f"<div{half}>{picture}<p>{words}</p></div>")
    tiles = f'<div class="explorer-tiles" style="--columns:{form["columns"]}">{"".join(figures)}</div>'
    curve = form.get("axes", "")
    if frame.curve is not None:
        curve = curve.replace(_LINE, f'<path class="explorer-line" d="{packed["curves"][0]}"/>')
        if mark := packed["frames"][0]["mark"]:
            curve = curve.replace(_DOT, f'<circle r="5" cx="{mark[0]}" cy="{mark[1]}"/>')
    return f'{tiles}{curve}<p class="explorer-words">{html.escape(frame.words)}</p>'
