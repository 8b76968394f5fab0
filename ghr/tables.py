"""Results: frozen rows, all of one dataclass, in a table that can be selected from, kept as CSV and shown.

Rows hold numbers, words and estimates, or None where there is nothing to hold; what a field is and its unit stands
beside it in the dataclass. Nothing here is formatted before it is shown.
"""

import ast
import csv
import dataclasses
import functools
import inspect
import io
import itertools
import re
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Generic, TypeVar

from ghr.stats import Estimate

Row = TypeVar("Row")
MISSING = "–"  #: how a cell without a value is shown
NUMBERS = (int, float, str, bool)


@dataclass(frozen=True)
class Table(Generic[Row]):
    """Rows of one dataclass, in order; nothing in it can be changed.

    Raises:
        ValueError: when rows are of different classes.
    """

    rows: tuple[Row, ...]  #: in order
    kind: type | None = None  #: their dataclass, which an empty table has to be told if it is to have columns

    def __post_init__(self):
        kinds = {type(row) for row in self.rows} | ({self.kind} if self.kind else set())
        if len(kinds) > 1:
            raise ValueError(f"Rows of one table are of one class, not of {_words(k.__name__ for k in kinds)}.")
        object.__setattr__(self, "kind", next(iter(kinds), None))

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, field: str) -> list:
        """Values of a field, in order."""
        self._require(field)
        return [getattr(row, field) for row in self.rows]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, in the order of the dataclass; none of an empty table of no known class."""
        return tuple(field.name for field in dataclasses.fields(self.kind)) if self.kind else ()

    def where(self, **wanted) -> "Table[Row]":
        """The rows whose fields have these values.

        Args:
            **wanted: value by field.

        Returns:
            Those rows in order, perhaps none.

        Raises:
            ValueError: when there is no such field.
        """
        self._require(*wanted)
        rows = [row for row in self.rows if all(getattr(row, field) == value for field, value in wanted.items())]
        return Table(tuple(rows), self.kind)

    def one(self, **wanted) -> Row:
        """The one row whose fields have these values.

        Args:
            **wanted: value by field.

        Returns:
            The row.

        Raises:
            ValueError: when no row has them, or several have, or there is no such field.
        """
        found = self.where(**wanted)
        if len(found) != 1:
            asked = _words(f"{field}={value}" for field, value in wanted.items()) or "nothing in particular"
            known = "; ".join(f"{f} is {_words(dict.fromkeys(self[f]))}" for f in wanted) or f"it has {len(self)} rows"
            raise ValueError(f"{len(found) or 'No'} rows of {self.name} have {asked}, not one: {known}.")
        return found.rows[0]

    def by(self, field: str) -> Iterator[tuple[object, "Table[Row]"]]:
        """Each value of a field, in order of appearance, with the rows that have it.

        Args:
            field: its name.

        Yields:
            Value, table.
        """
        for value in dict.fromkeys(self[field]):
            yield value, self.where(**{field: value})

    @property
    def name(self) -> str:
        """What the rows are, as messages call them."""
        return self.kind.__name__ if self.kind else "an empty table"

    def columns(self) -> tuple[list[str], list[list]]:
        """The table with plain cells: an estimate takes three columns, its own and those of its interval.

        Returns:
            Heads, e.g. n, largest, largest_low, largest_high; and a list of cells for each row.

        Raises:
            ValueError: when a cell holds anything but a number, a word, an Estimate or None.
        """
        wide = {f for f in self.fields if self._wide(f)}
        heads = [h for f in self.fields for h in ((f, f"{f}_low", f"{f}_high") if f in wide else (f,))]
        return heads, [[x for f in self.fields for x in _spread(f, getattr(r, f), f in wide)] for r in self.rows]

    def csv(self) -> str:
        """The table as comma-separated values with a line of heads; numbers keep all their digits, None is empty.

        Returns:
            Text.
        """
        heads, rows = self.columns()
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([heads, *rows])
        return file.getvalue()

    def show(self, title: str = "", heads: Mapping[str, str] = types.MappingProxyType({}), /, **forms: str) -> "Shown":
        """The table as Jupyter and the page show it, and beneath it what its columns are.

        Args:
            title: what it holds, for those who cannot see it (default: the first line of the rows' docstring).
            heads: head by field, with its unit, e.g. {"gap": "gap (dB)"}; others are shown by their name.
            **forms: fields to show, in this order, each with its format, e.g. largest=".2f"; an Estimate takes the
                format of a number. Without any, all fields as they are.

        Returns:
            What can be shown.

        Raises:
            ValueError: when there is no such field.
        """
        forms = forms or dict.fromkeys(self.fields, "")
        self._require(*forms)
        title = title or ((self.kind and self.kind.__doc__) or self.name).strip().splitlines()[0].rstrip(".")
        rows = [[_formatted(getattr(row, field), spec) for field, spec in forms.items()] for row in self.rows]
        names = {field: heads.get(field, field.replace("_", " ")) for field in forms}
        known = meanings(self.kind) if self.kind else {}
        return Shown(title, [*names.values()], rows, {names[field]: known[field] for field in names if field in known})

    def _require(self, *fields: str) -> None:
        if self.kind and (unknown := [field for field in fields if field not in self.fields]):
            raise ValueError(f"{self.name} has no field {_words(unknown)}: its fields are {_words(self.fields)}.")

    def _wide(self, field: str) -> bool:
        values = [getattr(row, field) for row in self.rows]
        return Estimate in kinds(self.kind, field) or any(isinstance(value, Estimate) for value in values)


class Shown:
    """Words in rows and columns, shown by Jupyter and by the page; wider than a phone, it scrolls in its own box.

    Args:
        title: what it holds, for those who cannot see it.
        heads: of the columns.
        rows: each begins with its own head.
        meanings: what columns are, by head; words between backticks are code.

    Raises:
        ValueError: when a row has more or fewer cells than there are heads.
    """

    def __init__(
        self,
        title: str,
        heads: Sequence[str],
        rows: Sequence[Sequence[str]],
        meanings: Mapping[str, str] = types.MappingProxyType({}),
    ):
        for row in rows:
            if len(row) != len(heads):
                raise ValueError(f'"{title}" has {len(heads)} columns, but a row has {len(row)} cells: {_words(row)}.')
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in heads)
        body = ""
        for first, *rest in rows:
            cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
            body += f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>'
        table = f'<table class="table numbers"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        # a box that scrolls must be reachable by keyboard
        self.html = f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">{table}</div>'
        if meanings:
            terms = "".join(
                f"<div><dt>{escape(name)}</dt> <dd>{_marked(of)}</dd></div>" for name, of in meanings.items()
            )
            self.html += f'<dl class="meanings">{terms}</dl>'

    def _repr_html_(self) -> str:
        return self.html


def read(text: str, kind: type | None = None) -> Table:
    """A table from its CSV.

    Args:
        text: as `Table.csv` writes it.
        kind: dataclass of the rows; without one, rows are of a class made for them, whose cells are integers, floats
            or words as they look, and Estimates where there are columns `_low` and `_high`.

    Returns:
        Table; an empty cell is None, or "" where the class wants a word.

    Raises:
        ValueError: when the text is no such table.
    """
    heads, *lines = list(csv.reader(io.StringIO(text))) or [[]]
    if any(len(line) != len(heads) for line in lines):
        raise ValueError(f"This is no table: its lines have unequal numbers of cells, {_words(heads)} above them.")
    wide = [head for head in heads if {f"{head}_low", f"{head}_high"} <= {*heads}]
    names = [h for h in heads if not any(h in (f"{w}_low", f"{w}_high") for w in wide)]
    if kind is None:
        kind = dataclasses.make_dataclass("Row", [(name, object) for name in names], frozen=True)
        kind.__doc__ = "A row."
    elif names != (wanted := [field.name for field in dataclasses.fields(kind)]):
        raise ValueError(f"This table has the fields {_words(names)}; {kind.__name__} has {_words(wanted)}.")
    types_of = {name: kinds(kind, name) for name in names}
    rows = []
    for line in lines:
        cell = dict(zip(heads, line, strict=True))
        values = {name: _cell(cell[name], types_of[name]) for name in names}
        for name in wide:
            if values[name] is not None:
                values[name] = Estimate(*(float(cell[head]) for head in (name, f"{name}_low", f"{name}_high")))
        rows.append(kind(**values))
    return Table(tuple(rows), kind)


def kinds(kind: type | None, field: str) -> tuple[type, ...]:
    """What a field of a row may be.

    Args:
        kind: dataclass of the row.
        field: name of the field.

    Returns:
        Types, e.g. (Estimate, NoneType); none where the class does not say.
    """
    hint = typing.get_type_hints(kind).get(field, object) if kind else object
    if hint is object:
        return ()
    return typing.get_args(hint) if isinstance(hint, types.UnionType) or typing.get_origin(hint) else (hint,)


@functools.cache
def meanings(kind: type) -> Mapping[str, str]:
    """What the fields of a dataclass are, as the comments ``#:`` beside or above them in its source say.

    Args:
        kind: dataclass of rows.

    Returns:
        Words by field, those of its parents first; none of a class that has no source.
    """
    found = {}
    for one in (one for one in reversed(kind.__mro__) if dataclasses.is_dataclass(one)):
        try:
            source = textwrap.dedent(inspect.getsource(one))
        except OSError:  # made while running, as `read` makes one
            continue
        lines = source.splitlines()
        for field in (part for part in ast.parse(source).body[0].body if isinstance(part, ast.AnnAssign)):
            above = itertools.takewhile(lambda line: line.lstrip().startswith("#:"), lines[field.lineno - 2 :: -1])
            beside = [lines[field.end_lineno - 1][field.end_col_offset :]]
            said = " ".join(line.split("#:")[1].strip() for line in (*[*above][::-1], *beside) if "#:" in line)
            found |= {field.target.id: said} if said else {}
    return types.MappingProxyType(found)


def _marked(text: str) -> str:
    return re.sub("`+(.+?)`+", r"<code>\1</code>", escape(text))


def _cell(text: str, wanted: tuple[type, ...]) -> object:
    if text == "" and (not wanted or str not in wanted or types.NoneType in wanted):
        return None
    if bool in wanted:
        return text == "True"
    for kind in (int, float):
        if not wanted or kind in wanted or (kind is float and Estimate in wanted):
            try:
                return kind(text)
            except ValueError:
                pass
    return {"True": True, "False": False}.get(text, text) if not wanted else text


def _spread(field: str, value: object, wide: bool) -> tuple:
    if wide:
        if value is None:
            return (None, None, None)
        if isinstance(value, Estimate):
            return (value.value, value.low, value.high)
    value = value.item() if hasattr(value, "item") else value  # a number of numpy's
    if value is not None and not isinstance(value, NUMBERS):
        raise ValueError(f"Cells hold numbers, words and Estimates; {field} holds a {type(value).__name__}.")
    return (value, value, value) if wide else (value,)


def _formatted(value: object, spec: str) -> str:
    return MISSING if value is None else format(value, spec)


def _words(items) -> str:
    return ", ".join(map(str, items))
