"""Tables of frozen rows: selecting, CSV there and back, showing."""

from dataclasses import dataclass

import numpy as np
import pytest
from bs4 import BeautifulSoup

from ghr import tables
from ghr.stats import Estimate
from ghr.tables import Shown, Table


@dataclass(frozen=True)
class Gap:
    """How much better training images come out.

    More is told here.
    """

    n: int  #: training images
    pair: str  #: what is compared
    gap: Estimate | None  #: dB
    sigma: float | None = None  #: image units
    kept: bool = True


ROWS = (
    Gap(10, "A, B", Estimate(15.5, 14.25, 16.125), 0.1),
    Gap(10, "B", None, None, False),
    Gap(100, 'said "so"', Estimate(1 / 3, 0.0, 2 / 3), 1e-9),
)


@pytest.fixture
def table():
    return Table(ROWS)


def test_rows_are_selected_by_equality_and_grouped_in_order_of_appearance(table):
    assert [row.n for row in table.where(n=10, kept=False)] == [10]
    assert table.where(n=10, pair="nobody").rows == ()
    assert [(n, len(rows)) for n, rows in Table(ROWS[::-1]).by("n")] == [(100, 1), (10, 2)]
    assert table["pair"] == ["A, B", "B", 'said "so"']


def test_one_row_is_one(table):
    assert table.one(n=100) is ROWS[2]
    with pytest.raises(ValueError, match=r"^2 rows of Gap have n=10, not one: n is 10, 100\.$"):
        table.one(n=10)
    with pytest.raises(
        ValueError, match=r"^No rows of Gap have n=7, kept=True, not one: n is 10, 100; kept is True, F"
    ):
        table.one(n=7, kept=True)
    with pytest.raises(
        ValueError, match=r"^No rows of an empty table have nothing in particular, not one: it has 0 row"
    ):
        Table(()).one()


@pytest.mark.parametrize(
    "ask",
    [lambda t: t["m"], lambda t: t.where(m=1), lambda t: t.show(m=""), lambda t: list(t.by("m")), lambda t: t.one(m=1)],
)
def test_a_field_that_is_not_there_is_named(table, ask):
    with pytest.raises(ValueError, match=r"^Gap has no field m: its fields are n, pair, gap, sigma, kept\.$"):
        ask(table)


def test_rows_of_two_classes_are_refused():
    with pytest.raises(ValueError, match=r"^Rows of one table are of one class, not of "):
        Table((ROWS[0], Estimate(1, 0, 2)))
    with pytest.raises(ValueError, match=r"of one class"):
        Table((ROWS[0],), Estimate)


@pytest.mark.parametrize("rows", [ROWS, ROWS[1:2], ()])
def test_csv_comes_back_to_the_last_digit(rows):
    table = Table(rows, Gap)
    assert table.csv().splitlines()[0] == "n,pair,gap,gap_low,gap_high,sigma,kept"
    assert tables.read(table.csv(), Gap) == table


def test_csv_can_be_read_by_who_does_not_know_its_class(table):
    found = tables.read(table.csv())
    assert [tuple(getattr(row, f) for f in found.fields) for row in found] == [
        (row.n, row.pair, row.gap, row.sigma, row.kept) for row in ROWS
    ]
    assert type(found["n"][0]) is int


def test_numbers_of_numpy_are_kept_as_numbers():
    row = Gap(np.int64(3), "x", Estimate(np.float64(1), 0.5, 2), np.float64(0.1), np.bool_(True))
    assert tables.read(Table((row,)).csv(), Gap) == Table((Gap(3, "x", Estimate(1, 0.5, 2), 0.1),))


def test_a_column_of_estimates_is_wide_whatever_its_class_says():
    @dataclass(frozen=True)
    class Any:
        value: object

    assert Table((Any(1), Any(Estimate(2, 1, 3)))).csv() == "value,value_low,value_high\n1,1,1\n2,1,3\n"


def test_what_is_no_cell_and_what_is_no_table_is_refused():
    with pytest.raises(ValueError, match=r"^Cells hold numbers, words and Estimates; sigma holds a list\.$"):
        Table((Gap(1, "x", None, [1]),)).csv()
    with pytest.raises(ValueError, match="unequal numbers of cells, n, m above them"):
        tables.read("n,m\n1\n")
    with pytest.raises(ValueError, match=r"^This table has the fields n; Gap has n, pair, gap, sigma, kept\.$"):
        tables.read("n\n1\n", Gap)


def text(shown: Shown) -> list[list[str]]:
    soup = BeautifulSoup(shown._repr_html_(), "html.parser")
    return [[cell.text for cell in row.find_all(["th", "td"])] for row in soup.find_all("tr")]


def test_chosen_fields_are_shown_with_formats_and_heads(table):
    shown = table.show("", {"gap": "gap (dB)", "n": "N"}, pair="", n=",", gap=".1f")
    assert text(shown) == [
        ["pair", "N", "gap (dB)"],
        ["A, B", "10", "15.5 [14.2, 16.1]"],
        ["B", "10", "–"],
        ['said "so"', "100", "0.3 [0.0, 0.7]"],
    ]
    assert 'aria-label="How much better training images come out"' in shown.html
    assert 'aria-label="Told"' in table.show("Told", n="").html


def test_a_table_shows_all_it_has_and_an_empty_one_its_heads(table):
    assert text(Table((), Gap).show()) == [["n", "pair", "gap", "sigma", "kept"]]
    assert text(Table(()).show()) == [[]]
    assert len(text(table.show())) == 4


@dataclass(frozen=True)
class Judged(Gap):
    """A gap and what is thought of it."""

    #: whether it is "large", in
    #: the opinion of `judge`
    large: bool = False
    bare: int = 0


def test_what_columns_are_stands_beneath_them_by_their_heads():
    assert tables.meanings(Judged) == {
        "n": "training images",
        "pair": "what is compared",
        "gap": "dB",
        "sigma": "image units",
        "large": 'whether it is "large", in the opinion of `judge`',
    }
    shown = Table((Judged(10, "A, B", None),)).show("", {"gap": "gain"}, gap=".1f", large="", bare="")
    found = [part.get_text() for part in BeautifulSoup(shown.html, "html.parser").select(".meanings div")]
    assert found == ["gain dB", 'large whether it is "large", in the opinion of judge']
    assert "<code>judge</code>" in shown.html
    made = tables.read("a,b\n1,2\n")
    assert tables.meanings(made.kind) == {}
    assert "meanings" not in made.show().html


def test_a_ragged_row_is_refused():
    with pytest.raises(ValueError, match=r'^"Told" has 2 columns, but a row has 1 cells: x\.$'):
        Shown("Told", ["a", "b"], [["x"]])
