"""Figures, nothing else: measured arrays enter, a picture leaves that follows the reader's light or dark page.

One palette everywhere, safe for colour-blind readers: half A blue, half B orange, training set grey, optimum or
reference in ink, dashed; N by a sequential map, which ends dark on a light page and bright on a dark one.
Pictures are SVG whose colours are styles of the page's colour scheme; pixel images are grey, enlarged unsmoothed.
"""

import base64
import html
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from jaxtyping import Float
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogFormatterSciNotation
from PIL import Image, ImageDraw
from torch import Tensor

from ghr.stats import Estimate

HALF = {"A": "#0072b2", "B": "#d55e00"}  #: Okabe & Ito 2008
TRAINING = "#8c8c8c"
INK = "#1b1b1b"  #: text, axes and references; light in dark mode
FAINT = "#c9c9c9"  #: noisy input, grid; dark in dark mode
WIENER = "#007a5c"  #: the affine rival
_DARK = {
    INK: "#e8e8e8",
    FAINT: "#4d4d4d",
    HALF["A"]: "#56b4e9",
    HALF["B"]: "#f0954f",
    TRAINING: "#9a9a9a",
    WIENER: "#2fbf96",
}
_MAP = matplotlib.colormaps["plasma"]  # no green, no blue: those are Wiener and half A
_SEQUENCE = [matplotlib.colors.to_hex(_MAP(step)) for step in range(160, 31, -1)]  # few training images to many
_SEQUENCE_IN_DARK = {colour: matplotlib.colors.to_hex(_MAP(110 + step)) for step, colour in enumerate(_SEQUENCE)}
font_manager.fontManager.addfont(Path(__file__).parent / "fonts" / "ghr-sans.ttf")
_LETTERS = "Ghr Sans"  # those of the pages
_STYLE = {
    "font.family": [_LETTERS, "DejaVu Sans"],  # the second for signs that the first lacks
    "mathtext.fontset": "custom",
    **{f"mathtext.{kind}": _LETTERS for kind in ("rm", "it", "bf", "bfit", "sf", "tt", "cal")},
    "mathtext.default": "regular",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.4,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "svg.hashsalt": "ghr",
    "svg.fonttype": "path",
}
LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  #: noise levels that are named above an axis in dB
WIDTH = 5.2  #: inches: text stays readable when a phone shrinks the figure to its width
TILE, WIDEST = 1.1, 8.0  #: inches: an image of a grid, and the whole grid, where it has many columns


_SMOOTH = "smooth"  # how ids of images begin that are


class Picture:
    """A finished figure, shown by Jupyter and by the page as SVG that knows light and dark.

    Args:
        figure: drawn in the house style.
    """

    def __init__(self, figure: Figure):
        file = io.BytesIO()
        _write_out(figure)
        with matplotlib.rc_context(_STYLE):
            figure.savefig(file, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
        # matplotlib keeps the pixels of every image; functions of either sign are shown smooth
        rough = re.compile(' style="image-rendering[^"]*"')
        svg = re.sub(rf'<image [^>]*id="{_SMOOTH}[^>]*>', lambda tag: rough.sub("", tag[0]), file.getvalue().decode())
        sequence = {colour: dark for colour, dark in _SEQUENCE_IN_DARK.items() if colour in svg}
        shades = _DARK | sequence
        names = {colour: f"--c{k}" for k, colour in enumerate(shades)}
        light = "".join(f"{name}:{colour};" for colour, name in names.items())
        dark = "".join(f"{names[colour]}:{shade};" for colour, shade in shades.items())
        for colour, name in names.items():
            svg = svg.replace(colour, f"var({name})")
        style = f"<style>:root{{{light}}}@media (prefers-color-scheme: dark){{:root{{{dark}}}}}</style>"
        self.svg = svg.replace("<defs>", f"<defs>{style}", 1)

    def _repr_svg_(self) -> str:
        return self.svg

    def html(self, alt: str) -> str:
        """An image element that carries the picture, for pages that quote another page's figure.

        Args:
            alt: what the picture shows, for those who cannot see it.

        Returns:
            HTML.
        """
        data = base64.b64encode(self.svg.encode()).decode()
        return f'<img class="dark-light" alt="{html.escape(alt)}" src="data:image/svg+xml;base64,{data}">'


def _write_out(figure: Figure) -> None:
    """Ticks of log axes from 1 to 10,000 as numbers: 6, not 6 times a power of ten."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) if axis.get_scale() == "log"):
        low, high = sorted(axis.get_view_interval())
        if low >= 0.9 and high <= 2e4 and isinstance(axis.get_major_formatter(), LogFormatterSciNotation):
            axis.set_major_formatter(LogFormatter())
            axis.set_minor_formatter(LogFormatter())


def shade(n: int, sizes: Sequence[int]) -> tuple[float, ...]:
    """The colour of a set size: equal steps on a sequential map, half of plasma; in dark mode another half.

    Args:
        n: set size, one of them.
        sizes: all that are shown.

    Returns:
        Red, green, blue and opacity, from 0 to 1.
    """
    known = sorted(set(sizes))
    step = round((len(_SEQUENCE) - 1) * known.index(n) / max(len(known) - 1, 1))
    return matplotlib.colors.to_rgba(_SEQUENCE[step])


def panels(count: int, columns: int | None = None, height: float = 2.2, **kwargs) -> tuple[Figure, list[Axes]]:
    """Small multiples: a figure with so many axes, row by row, in the house style.

    Args:
        count: of axes.
        columns: default one for one or two axes, three for three, then two. Three are drawn on a wider sheet.
        height: of a row, inches.
        **kwargs: as matplotlib's subplots takes them.

    Returns:
        Figure, and its axes.
    """
    columns = columns or {1: 1, 2: 1, 3: 3}.get(count, 2)
    rows = math.ceil(count / columns)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH * (1.3 if columns == 3 else 1), height * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, **kwargs).ravel()
        for axes in grid[count:]:
            axes.set_axis_off()
    return figure, list(grid[:count])


def band(axes: Axes, x: Sequence[float], estimates: Sequence[Estimate | None], **style) -> None:
    """A curve of estimates with its 95% intervals as a band of the same colour.

    Args:
        axes: where it is drawn.
        x: abscissae.
        estimates: one for each; None where nothing was measured, which the curve leaves out.
        **style: of the line, as matplotlib's plot takes it.
    """
    there = [(place, e) for place, e in zip(x, estimates, strict=True) if e is not None]
    places = [place for place, _ in there]
    (line,) = axes.plot(places, [e.value for _, e in there], **style)
    low, high = [e.low for _, e in there], [e.high for _, e in there]
    axes.fill_between(places, low, high, color=line.get_color(), alpha=0.2, linewidth=0)


def dots(axes: Axes, labels: Sequence[str], estimates: Sequence[Estimate], shift: float = 0.0, **style) -> None:
    """Estimates as dots with their 95% intervals, one row each, the first on top.

    Args:
        axes: where they are drawn.
        labels: of the rows.
        estimates: one for each row.
        shift: of the dots above the middle of their row, so that two series do not cover each other.
        **style: of matplotlib, e.g. color, label.
    """
    places = np.arange(len(labels))[::-1]
    values, arms = _with_arms(estimates)
    axes.errorbar(values, places + shift, xerr=arms, fmt="o", markersize=4, elinewidth=1.2, **style)
    axes.set_yticks(places, labels)


def points(axes: Axes, x: Sequence[float], estimates: Sequence[Estimate], **style) -> None:
    """Estimates as hollow points with their 95% intervals as bars: what stands beside a curve and is not on it.

    Args:
        axes: where they are drawn.
        x: abscissae.
        estimates: one for each.
        **style: of matplotlib, e.g. color, label.
    """
    values, arms = _with_arms(estimates)
    axes.errorbar(x, values, yerr=arms, fmt="o", markersize=5, markerfacecolor="none", elinewidth=1.2, **style)


def _with_arms(estimates: Sequence[Estimate]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Values, and how far their intervals reach below and above."""
    values = np.array([e.value for e in estimates])
    return values, [values - [e.low for e in estimates], [e.high for e in estimates] - values]


def legend(owner: Axes | Figure, above: bool = False, **kwargs) -> None:
    """The legend of an axes; or above a whole figure, with the labels of all its axes, each once.

    What a table calls BFCNN is called BF-CNN, as in the text.

    Args:
        owner: axes or figure.
        above: whether the legend of an axes stands above it, where no curve runs through it.
        **kwargs: as matplotlib's legend takes them.
    """
    if above:
        kwargs = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2, **kwargs}
    whole = isinstance(owner, Figure)
    pairs = [axes.get_legend_handles_labels() for axes in (owner.axes if whole else [owner])]
    found = {label: handle for handles, labels in pairs for handle, label in zip(handles, labels, strict=True)}
    shown = _in_order(list(found)) if whole else list(found)
    kwargs = {"handles": [found[label] for label in shown], "labels": [_written(label) for label in shown], **kwargs}
    if whole:
        kwargs = {"loc": "outside upper center", **kwargs}
    with matplotlib.rc_context(_STYLE):
        owner.legend(**kwargs)


def _written(label: str) -> str:
    return label.replace("BFCNN", "BF-CNN")


def _in_order(labels: list[str]) -> list[str]:
    """Labels as they come, but those that name an N by rising N."""
    numbers = {label: int(label[4:].replace(",", "")) for label in labels if re.fullmatch(r"N = [\d,]+", label)}
    rising = iter(sorted(numbers, key=numbers.get))
    return [next(rising) if label in numbers else label for label in labels]


def image_grid(
    rows: Sequence[Float[Tensor, "k 1 h w"]],
    labels: Sequence[str],
    titles: Sequence[str] | None = None,
    signed: int = 0,
    contours: Sequence[Float[Tensor, "1 h w"]] | None = None,
) -> Picture:
    """Rows of grey images on one scale from 0 to 1, a label at the left of each row, titles above the columns.

    Args:
        rows: equally many images each, image units; values outside [0,1] are clipped for display only.
        labels: of the rows.
        titles: of the columns.
        signed: so many columns at the right show functions of either sign, e.g. eigenvectors, each on a scale of its
            own from blue (below zero) over white to red, smoothed; one pixel in a hundred lies beyond its ends.
        contours: an image for each row, whose contours are drawn thin over its functions.

    Returns:
        Picture.
    """
    columns = len(rows[0])
    with matplotlib.rc_context(_STYLE):
        side = min(TILE, WIDEST / (columns + 1))
        size = (side * (columns + 1), side * len(rows) + (0.2 if titles else 0))
        figure = Figure(figsize=size, layout="constrained")
        figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.01)
        grid = figure.subplots(len(rows), columns, squeeze=False)
        drawn = [None] * len(rows) if contours is None else contours
        for number, (axes_row, images, label, over) in enumerate(zip(grid, rows, labels, drawn, strict=True)):
            for place, (axes, image) in enumerate(zip(axes_row, images, strict=True)):
                limit = image.abs().quantile(0.99).item()
                low, high, colours = (0, 1, "gray") if place < columns - signed else (-limit, limit, "RdBu_r")
                shown = image[0].detach().clamp(low, high).cpu().numpy()
                picture = axes.imshow(shown, cmap=colours, vmin=low, vmax=high, interpolation="none")
                if place >= columns - signed:
                    picture.set_gid(f"{_SMOOTH}-{number}-{place}")
                    if over is not None:
                        _outline(axes, over)
                axes.set(xticks=[], yticks=[])
                axes.grid(False)
                axes.spines[:].set_visible(False)
            axes_row[0].set_ylabel(label, rotation=0, ha="right", va="center")
        for axes, title in zip(grid[0], titles or [], strict=False):
            axes.set_title(title)
    return Picture(figure)


def _outline(axes: Axes, image: Tensor) -> None:
    """The contours of an image, thin, where it steps from dark to bright."""
    grey = image[0].detach().cpu().numpy()
    levels = np.linspace(grey.min(), grey.max(), 5)[1:-1]
    if levels[0] < levels[-1]:
        axes.contour(grey, levels, colors="#222222", alpha=0.6, linewidths=0.35)  # dark in dark mode, too


def noise_axis(axes: Axes) -> None:
    """Noise levels above an axis of input PSNR in dB. ::

        p = -20 log10 sigma

    Args:
        axes: whose x axis is input PSNR, with its limits.
    """
    low, high = axes.get_xlim()
    there = [(-20 * math.log10(sigma), f"{sigma:g}") for sigma in LEVELS]
    there = [(place, name) for place, name in there if low <= place <= high]
    with matplotlib.rc_context(_STYLE):
        above = axes.secondary_xaxis("top")
        above.set_xticks([place for place, _ in there], [name for _, name in there])
        above.set_xlabel("noise, σ")
        above.spines[:].set_visible(False)


def sketch(lines: Sequence[tuple[Float[Tensor, "_ 2"], float, float]], side: int = 192) -> Float[Tensor, "1 side side"]:
    """Lines in the unit square as a grey picture, for a tile of an explorer.

    Args:
        lines: of each, its points (across, up), each from 0 to 1, its grey, 0 black and 1 white, and its width in
            pixels; a line of one point is a dot of this radius. Later ones lie above.
        side: pixels.

    Returns:
        Picture on white, image units.
    """
    fine = 4  # drawn so much larger, and averaged
    picture = Image.new("L", (side * fine, side * fine), 255)
    draw = ImageDraw.Draw(picture)
    for points, grey, width in lines:
        places = [(x * side * fine, (1 - y) * side * fine) for x, y in points.tolist()]
        if len(places) == 1:
            ((x, y),), r = places, width * fine
            draw.ellipse((x - r, y - r, x + r, y + r), fill=round(255 * grey))
        else:
            draw.line(places, round(255 * grey), round(width * fine), "curve")
    shrunk = np.asarray(picture.reduce(fine), np.float32) / 255
    return torch.from_numpy(shrunk)[None]


def arrow(start: Float[Tensor, "2"], end: Float[Tensor, "2"]) -> Float[Tensor, "5 2"]:
    """An arrow as one line of a `sketch`, with a head of a quarter of its length, a little of it at least.

    Args:
        start: where it begins (across, up).
        end: where its head is.

    Returns:
        Points.
    """
    way = end - start
    back = way / way.norm().clamp_min(1e-6) * max(0.25 * way.norm().item(), 0.015)
    side = 0.5 * back.flip(0) * torch.tensor([-1.0, 1.0])
    return torch.stack([start, end, end - back + side, end, end - back - side])


def histogram(axes: Axes, values: Tensor, bins: np.ndarray, **style) -> None:
    """Share of values per bin, as an outline; values beyond the bins count in the last ones, so shares add to one.

    Args:
        axes: where it is drawn.
        values: of any shape, as one list.
        bins: their edges, ascending.
        **style: of the outline, as matplotlib's hist takes it.
    """
    shares = np.full(len(values), 1 / len(values))
    axes.hist(values.detach().cpu().numpy().clip(bins[0], bins[-1]), bins, weights=shares, histtype="step", **style)
