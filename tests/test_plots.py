"""Figures: one palette that follows the page, and nothing global is touched."""

import re

import matplotlib as mpl
import numpy as np
import pytest
import torch
from conftest import REPO

from ghr.book import plots
from ghr.stats import Estimate


@pytest.fixture
def figure():
    """A figure with a curve of each half."""
    figure, (left, right) = plots.panels(2)
    for axes, half in ((left, "A"), (right, "B")):
        plots.band(axes, [1, 2, 3], [Estimate(v, v - 0.5, v + 0.25) for v in (1, 3, 2)], color=plots.HALF[half])
    return figure


def test_a_picture_follows_the_page_from_light_to_dark(figure):
    """House colours are variables; each has a light and a dark value; none is left in the drawing itself."""
    svg = plots.Picture(figure).svg
    style = re.search("<style>:root.*?</style>", svg)[0]
    drawing = svg.replace(style, "")
    for half in "AB":
        (name,) = re.findall(rf"(--c\d):{plots.HALF[half]};", style)
        assert f"var({name})" in drawing
        assert plots.HALF[half] not in drawing
        assert style.count(f"{name}:") == 2
    light, dark = style.split("prefers-color-scheme: dark")
    assert plots.INK in light
    assert plots.INK not in dark


def test_a_picture_is_the_same_bytes_again():
    def picture():
        figure, (axes,) = plots.panels(1)
        axes.plot([0, 1], [0, 1], color=plots.INK)
        return plots.Picture(figure)._repr_svg_()

    assert picture() == picture()
    assert picture().lstrip().startswith("<?xml") or picture().lstrip().startswith("<svg")


def test_figures_leave_the_global_style_alone(figure):
    before = dict(mpl.rcParams)
    plots.Picture(figure)
    plots.image_grid([torch.rand(2, 1, 5, 7)], ["a"])
    assert dict(mpl.rcParams) == before


def test_figures_are_written_in_the_letters_of_the_pages():
    """And what these lack, in others: nothing is left out."""
    for title, others in (("face A − face B, α", False), ("A → B", True)):
        figure, (axes,) = plots.panels(1)
        axes.set(xlabel="noise, σ", title=title, xscale="log", xlim=(0.01, 1))  # with powers of ten
        drawing = plots.Picture(figure).svg
        assert "GhrSans" in drawing
        assert ("DejaVu" in drawing) == others


def test_an_image_of_a_grid_is_as_large_as_there_is_room():
    for columns, wanted in ((2, plots.TILE), (12, plots.WIDEST / 13)):
        svg = plots.image_grid([torch.rand(columns, 1, 6, 6)], ["a"]).svg
        tile = 6 * float(re.search(r"matrix\(([\d.]+)", svg)[1]) / 72
        assert 0.8 * wanted < tile < 1.2 * wanted


def test_panels_hide_what_is_left_over():
    figure, axes = plots.panels(3, columns=2)
    assert len(axes) == 3
    assert [a.axison for a in figure.axes] == [True, True, True, False]
    assert figure.get_size_inches()[0] == plots.WIDTH


def test_a_band_spans_its_intervals(figure):
    axes = figure.axes[0]
    assert axes.lines[0].get_ydata().tolist() == [1, 3, 2]
    edge = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (edge.min(), edge.max()) == (0.5, 3.25)
    assert mpl.colors.to_hex(axes.collections[0].get_facecolor()[0]) == plots.HALF["A"]


def test_a_band_leaves_out_what_was_not_measured():
    _, (axes,) = plots.panels(1)
    plots.band(axes, [1, 2, 3], [None, Estimate(2, 1, 3), Estimate(3, 2, 4)])
    assert axes.lines[0].get_xdata().tolist() == [2, 3]
    plots.band(axes, [1], [None])
    assert axes.lines[1].get_xdata().tolist() == []


def test_dots_stand_in_their_rows_with_their_intervals():
    """The first row is on top; a second series lies a little lower in the same rows."""
    _, (axes,) = plots.panels(1)
    plots.dots(axes, ["first", "second"], [Estimate(1, 0.5, 3), Estimate(2, 1.75, 2.5)], 0.1, color=plots.HALF["A"])
    plots.dots(axes, ["first", "second"], [Estimate(0, 0, 0), Estimate(1, 1, 1)], -0.1, color=plots.HALF["B"])
    assert [
        (tick, label.get_text()) for tick, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    ] == [
        (1, "first"),
        (0, "second"),
    ]
    dots = axes.containers[0]
    assert dots[0].get_xydata().tolist() == [[1, 1.1], [2, 0.1]]
    (arms,) = dots[2]
    assert np.allclose([segment[:, 0] for segment in arms.get_segments()], [[0.5, 3], [1.75, 2.5]])
    assert axes.containers[1][0].get_ydata().tolist() == [0.9, -0.1]


def test_points_are_hollow_and_have_their_intervals_as_bars():
    _, (axes,) = plots.panels(1)
    plots.points(axes, [10, 100], [Estimate(1.0, 0.5, 3.0), Estimate(2.0, 1.75, 2.5)], color=plots.INK)
    (line, _, (arms,)) = axes.containers[0]
    assert line.get_xydata().tolist() == [[10, 1.0], [100, 2.0]]
    assert line.get_markerfacecolor() == "none"
    assert np.allclose([segment[:, 1] for segment in arms.get_segments()], [[0.5, 3], [1.75, 2.5]])


@pytest.mark.parametrize(("low", "high", "written"), [(1.2, 7, True), (2e-3, 7e-3, False), (100, 9e5, False)])
def test_ticks_of_log_axes_between_one_and_ten_thousand_are_plain_numbers(low, high, written):
    figure, (axes,) = plots.panels(1)
    axes.set(yscale="log", ylim=(low, high))
    plots.Picture(figure)
    axes.figure.canvas.draw()
    both = [*axes.get_yticklabels(), *axes.get_yticklabels(minor=True)]
    words = {label.get_text() for label in both if low <= label.get_position()[1] <= high} - {""}
    assert words
    assert all(word.replace(".", "").isdigit() == written for word in words)


def test_legends_write_bf_cnn_as_the_text_does():
    figure, (axes,) = plots.panels(1)
    axes.plot([0, 1], [0, 1], label="BFCNN")
    for owner in (axes, figure):
        plots.legend(owner)
    found = [text.get_text() for legend in (axes.get_legend(), *figure.legends) for text in legend.get_texts()]
    assert found == ["BF-CNN"] * 2


def test_shades_are_distinct_and_ordered_in_n():
    """Darker as N grows, in equal steps, so that 10,000 and 30,000 are told apart as 10 and 1,000 are."""
    colours, sizes = mpl.colormaps["plasma"](np.arange(256)), [30_000, 10, 1000, 10_000, 1000]
    places = [np.abs(colours - plots.shade(n, sizes)).sum(1).argmin() for n in (10, 1000, 10_000, 30_000)]
    assert all(step < -30 for step in np.diff(places))
    assert np.ptp(np.diff(places)) <= 1
    assert plots.shade(7, [7]) == plots.shade(10, [10, 100])


def test_curves_of_every_n_are_seen_on_a_dark_page():
    """In dark mode all stand out from the page, three to one at least, and those of more images the more."""
    css = (REPO / "book" / "assets" / "custom.css").read_text()
    (page,) = re.findall(r'html\[data-theme="dark"\] \{[^}]*--pst-color-background: (#\w+);', css)
    sizes = [1, 10, 100, 1000, 10_000, 30_000]
    figure, (axes,) = plots.panels(1)
    for n in sizes:
        axes.plot([0, 1], [0, n], color=plots.shade(n, sizes))
    svg = plots.Picture(figure).svg
    style = re.search("<style>:root.*?</style>", svg)[0]
    light, dark = (dict(re.findall(r"(--c\d+):(#\w+);", half)) for half in style.split("prefers-color-scheme: dark"))
    shades = [mpl.colors.to_hex(plots.shade(n, sizes)) for n in sizes]
    named = {colour: name for name, colour in light.items()}
    contrasts = [contrast(dark[named[shade]], page) for shade in shades]
    assert min(contrasts) >= 3
    assert contrasts == sorted(contrasts)
    assert not any(shade in svg.replace(style, "") for shade in shades)


def contrast(one: str, other: str) -> float:
    """Of two colours, by WCAG 2: relative luminances (L1 + .05) / (L2 + .05)."""
    channels = np.array([mpl.colors.to_rgb(one), mpl.colors.to_rgb(other)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    low, high = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (high + 0.05) / (low + 0.05)


def test_a_legend_names_every_n_in_order_whichever_panel_it_came_from():
    figure, (left, right) = plots.panels(2)
    for axes, labels in (
        (left, ("noisy input", "N = 1,000", "N = 30,000")),
        (right, ("N = 4,454", "N = 10", "Wiener")),
    ):
        for label in labels:
            axes.plot([0, 1], label=label)
    plots.legend(figure)
    found = [text.get_text() for text in figure.legends[0].get_texts()]
    assert found == ["noisy input", "N = 10", "N = 1,000", "N = 4,454", "N = 30,000", "Wiener"]
    shown = dict(zip(found, (line.get_color() for line in figure.legends[0].get_lines()), strict=True))
    assert shown == {line.get_label(): line.get_color() for axes in (left, right) for line in axes.get_lines()}


def test_three_panels_stand_side_by_side_and_a_legend_above_leaves_curves_alone():
    figure, axes = plots.panels(3, height=2)
    for each in axes:
        each.plot([0, 1], [0, 1], label="a curve")
        plots.legend(each, above=True)
    plots.Picture(figure)
    places = [each.get_window_extent() for each in axes]
    assert len({box.y0 for box in places}) == 1
    assert places[0].x1 < places[1].x0 < places[1].x1 < places[2].x0
    assert all(each.get_legend().get_window_extent().y0 >= box.y1 for each, box in zip(axes, places, strict=True))


def test_an_image_grid_has_one_scale_and_no_smoothing(monkeypatch):
    monkeypatch.setattr(plots.Picture, "__init__", lambda self, figure: setattr(self, "figure", figure))
    rows = [2 * torch.rand(3, 1, 5, 7) - 0.5, torch.rand(3, 1, 5, 7)]
    figure = plots.image_grid(rows, ["noisy", "clean"], ["1", "2", "3"]).figure
    assert len(figure.axes) == 6
    assert [axes.get_title() for axes in figure.axes[:3]] == ["1", "2", "3"]
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == ["noisy", "clean"]
    for axes, image in zip(figure.axes, torch.cat(rows), strict=True):
        (shown,) = axes.images
        assert (*shown.get_clim(), shown.get_interpolation()) == (0, 1, "none")
        assert np.array_equal(shown.get_array(), image[0].clamp(0, 1))
    with pytest.raises(ValueError, match="shorter"):
        plots.image_grid(rows, ["one label"])


def test_signed_columns_have_limits_of_their_own_about_zero(monkeypatch):
    monkeypatch.setattr(plots.Picture, "__init__", lambda self, figure: setattr(self, "figure", figure))
    row = torch.rand(3, 1, 5, 7) * torch.tensor([1, 0.1, -3])[:, None, None, None]
    limits = [axes.images[0].get_clim() for axes in plots.image_grid([row], ["a"], signed=2).figure.axes]
    assert limits[0] == (0, 1)
    assert limits[1:] == [(-m, m) for m in (image.abs().quantile(0.99).item() for image in row[1:])]


def test_contours_are_drawn_over_functions_alone_and_functions_are_smooth(monkeypatch):
    row, image = torch.rand(3, 1, 5, 7), torch.linspace(0, 1, 35).view(1, 5, 7)
    assert plots.image_grid([row], ["a"], signed=2).svg.count("image-rendering:") == 2 * 1  # of the grey one, twice
    monkeypatch.setattr(plots.Picture, "__init__", lambda self, figure: setattr(self, "figure", figure))
    grey, *signed = plots.image_grid([row], ["a"], signed=2, contours=[image]).figure.axes
    assert not grey.collections
    for axes in signed:
        (drawn,) = axes.collections
        assert drawn.levels.tolist() == [0.25, 0.5, 0.75]
        assert mpl.colors.to_hex(drawn.get_edgecolor()[0]) not in plots._DARK  # a white map has no light contours
    flat = plots.image_grid([row], ["a"], signed=2, contours=[image * 0]).figure.axes
    assert not any(axes.collections for axes in flat)


def test_noise_levels_stand_where_their_psnr_is():
    _, (axes,) = plots.panels(1)
    axes.set_xlim(5, 30)
    plots.noise_axis(axes)
    (above,) = axes.child_axes
    named = dict(zip([tick.get_text() for tick in above.get_xticklabels()], above.get_xticks(), strict=True))
    assert list(named) == ["0.05", "0.1", "0.2", "0.5"]
    assert named["0.1"] == pytest.approx(20)


def test_a_sketch_has_its_lines_where_they_are():
    """A dark line along the diagonal and a grey dot in the upper left corner."""
    line, dot = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.1, 0.9]])
    (picture,) = plots.sketch([(line, 0.0, 3), (dot, 0.5, 6)], side=64)
    assert picture.shape == (64, 64)
    assert max(picture[63 - k, k] for k in range(5, 59)) < 0.1
    assert picture[6, 6].item() == pytest.approx(0.5, abs=0.01)
    assert picture[50, 6] == picture[32, 60] == 1


def test_an_arrow_ends_where_it_points_and_its_head_lies_back_on_both_sides():
    start, end = torch.tensor([0.1, 0.2]), torch.tensor([0.5, 0.5])  # of length 0.5
    points = plots.arrow(start, end)
    assert torch.equal(points[[0, 1, 3]], torch.stack([start, end, end]))
    along, across = torch.tensor([0.8, 0.6]), torch.tensor([-0.6, 0.8])
    wanted = [end - 0.125 * along + sign * 0.0625 * across for sign in (1, -1)]
    torch.testing.assert_close(points[[2, 4]], torch.stack(wanted))
    assert plots.arrow(start, start).isfinite().all()


def test_shares_of_a_histogram_add_to_one():
    _, (axes,) = plots.panels(1)
    plots.histogram(axes, torch.tensor([0.1, 0.1, 0.6, 0.9]), np.linspace(0, 1, 3))
    heights = np.unique(axes.patches[0].get_path().vertices[:, 1])
    assert heights.tolist() == [0, 0.5]
