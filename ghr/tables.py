"""Results: frozen rows, all of one dataclass, in a table that can be selected from, saved as CSV and shown."""

import csv
import dataclasses
import io
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Generic, TypeVar

from ghr.stats import Estimate

Row = TypeVar("Row")


@dataclass(frozen=True)
class Table(Generic[Row]):
    """Rows of one dataclass, in order; nothing in it can be changed."""

    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def where(self, **wanted) -> "Table[Row]":
        return Table(tuple(r for r in self.rows if all(getattr(r, k) == v for k, v in wanted.items())))

    def by(self, field: str) -> Iterator[tuple[object, "Table[Row]"]]:
        for value in dict.fromkeys(getattr(r, field) for r in self.rows):
            yield value, self.where(**{field: value})

    def __getitem__(self, field: str) -> list:
        return [getattr(r, field) for r in self.rows]

    def columns(self) -> tuple[list[str], list[list]]:
        names = [f.name for f in dataclasses.fields(self.rows[0])]
        wide = [n for n in names if isinstance(getattr(self.rows[0], n), Estimate)]
        heads = [h for n in names for h in ((n, f"{n}_low", f"{n}_high") if n in wide else (n,))]
        return heads, [[x for n in names for x in _spread(getattr(r, n))] for r in self.rows]

    def csv(self) -> str:
        heads, values = self.columns()
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([heads, *values])
        return file.getvalue()

    def show(self, **forms: str) -> str:
        """HTML of some fields, each with its format."""
        head = "".join(f"<th>{escape(name)}</th>" for name in forms)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(format(getattr(r, n), spec))}</td>" for n, spec in forms.items()) + "</tr>"
            for r in self.rows
        )
        return f"<table><tr>{head}</tr>{body}</table>"


def _spread(value: object) -> tuple:
    return (value.value, value.low, value.high) if isinstance(value, Estimate) else (value,)
