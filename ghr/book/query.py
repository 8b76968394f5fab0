"""How a number is asked for by name: a line such as `agreement[n=max,pair=A-B].largest:.2f` enters, a number leaves.

03:agreement[n=max,pair="same images"].largest.low:.2f
|  |         |                         |       |   format, as Python's
|  |         |                         |       of an Estimate: value, low or high; without it, value and interval
|  |         |                         column
|  |         selection: field=value, field=min, field=max, field~number (the nearest), and <, <=, >, >=, !=,
|  |         one after the other
|  table, as the chapter keeps it
chapter, where it is another one
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ghr.stats import Estimate
from ghr.tables import MISSING, Table, kinds

_QUERY = re.compile(
    r"(?:(?P<chapter>\d\d):)?(?P<table>[A-Za-z]\w*)(?:\[(?P<where>(?:[^\]\"]|\"[^\"]*\")*)\])?"
    r"\.(?P<column>[A-Za-z]\w*)(?:\.(?P<part>value|low|high))?(?::(?P<form>.+))?"
)
_CONDITION = re.compile(r"\s*(?P<field>\w+)\s*(?P<sign><=|>=|!=|=|~|<|>)\s*(?P<value>\"[^\"]*\"|[^,\"]+?)\s*(?:,|$)")
_SIGNS = {
    **{"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
}
_SAMPLES = {int: 1, float: 1.5, bool: True, str: "x", Estimate: Estimate(1.5, 1.0, 2.0)}


class NoRow(LookupError):
    """A selection that finds no row, or a table that was not kept: this scale may not have it."""


@dataclass(frozen=True)
class Query:
    """What is asked for."""

    text: str  #: as it was written
    chapter: str  #: two digits, or "" for the chapter that asks
    table: str  #: name under which it is kept
    where: tuple[tuple[str, str, str], ...]  #: field, sign and value of each condition
    column: str  #: field whose value is wanted
    part: str  #: "value", "low" or "high" of an Estimate, or "" for all of it
    form: str  #: format specification

    def rows(self, table: Table) -> Table:
        """The rows that the selection leaves.

        Args:
            table: the one that is asked.

        Returns:
            Table of perhaps no rows.

        Raises:
            ValueError: when it has no such field, or a field is no number where one is compared.
        """
        for field, sign, wanted in self.where:
            values = [value.value if isinstance(value, Estimate) else value for value in table[field]]
            there = [value for value in values if value is not None]
            if there and sign == "~":
                nearest = min(there, key=lambda value: abs(value - self._number(wanted, field)))
                keep = [value == nearest for value in values]
            elif there and (sign, wanted) in (("=", "min"), ("=", "max")):
                extreme = (min if wanted == "min" else max)(there)
                keep = [value == extreme for value in values]
            else:
                keep = [value is not None and self._compare(value, sign, wanted, field) for value in values]
            table = Table(tuple(row for row, kept in zip(table, keep, strict=True) if kept), table.kind)
        return table

    def all(self, table: Table) -> list:
        """Values of every row that the selection leaves.

        Args:
            table: the one that is asked.

        Returns:
            Numbers, Estimates or words, in order.

        Raises:
            ValueError: as `rows`, or when a part is asked of what is no Estimate.
        """
        values = self.rows(table)[self.column]
        if self.part and (other := next((v for v in values if v is not None and not isinstance(v, Estimate)), None)):
            raise ValueError(f"{self.column} is {other!r}, which has no {self.part}.")
        return [getattr(value, self.part) if self.part and value is not None else value for value in values]

    def one(self, table: Table) -> object:
        """The value of the one row that the selection leaves.

        Args:
            table: the one that is asked.

        Returns:
            Number, Estimate, word or None.

        Raises:
            NoRow: when no row is left.
            ValueError: when several are, or as `all`.
        """
        found = self.all(table)
        if not found:
            known = "; ".join(f"{f} is {', '.join(map(str, dict.fromkeys(table[f])))}" for f, _, _ in self.where)
            raise NoRow(f"it finds no row of {self.table} ({known or 'which is empty'})")
        if len(found) > 1:
            raise ValueError(f"it finds {len(found)} rows of {self.table}, not one: select by more fields")
        return found[0]

    def words(self, table: Table) -> str:
        """The one value as it is written in a text.

        Args:
            table: the one that is asked.

        Returns:
            Words.

        Raises:
            NoRow, ValueError: as `one`; ValueError when the format does not fit.
        """
        value = self.one(table)
        return MISSING if value is None else format(value, self.form)

    def check(self, kind: type | None) -> None:
        """Say what cannot be, before anything is measured.

        Args:
            kind: dataclass of the table's rows, or None while it is not known.

        Raises:
            ValueError: for a field that there is not, a part of what is no Estimate, a format that does not fit.
        """
        if kind is None:
            return
        Table((), kind).where(**dict.fromkeys([self.column, *(field for field, _, _ in self.where)]))
        for field, sign, wanted in self.where:
            if {*kinds(kind, field)} & {int, float, Estimate} and not (sign == "=" and wanted in ("min", "max")):
                self._number(wanted, field)
        possible = {*kinds(kind, self.column)} & _SAMPLES.keys()
        if possible and self.part and Estimate not in possible:
            raise ValueError(f"{self.column} is no Estimate, so that it has no {self.part}")
        samples = [_SAMPLES[float if self.part else k] for k in possible]
        if samples and not any(_formats(sample, self.form) for sample in samples):
            raise ValueError(f"the format {self.form!r} does not fit {self.column}")

    def _compare(self, value: object, sign: str, wanted: str, field: str) -> bool:
        if isinstance(value, str | bool):
            return _SIGNS[sign](str(value), wanted)
        number = self._number(wanted, field)
        same = abs(value - number) <= 1e-9 * max(abs(value), abs(number))
        return same if sign == "=" else not same if sign == "!=" else _SIGNS[sign](value, number)

    def _number(self, text: str, field: str) -> float:
        try:
            return float(text.replace("_", ""))
        except ValueError as error:
            raise ValueError(f"{field} is compared with {text!r}, which is no number") from error


def parse(text: str) -> Query:
    """What a line asks for.

    Args:
        text: e.g. `agreement[n=max].largest:.2f`.

    Returns:
        Query.

    Raises:
        ValueError: when it is none.
    """
    found = _QUERY.fullmatch(text.strip())
    if not found:
        raise ValueError("this is no question to a table: write table[field=value].column:format")
    where, at = [], 0
    selection = found["where"] or ""
    while at < len(selection):
        condition = _CONDITION.match(selection, at)
        if not condition:
            raise ValueError(f"[{selection}] is no selection: write field=value, field=max or field~number")
        where.append((condition["field"], condition["sign"], condition["value"].strip('"')))
        at = condition.end()
    rest = (found[name] or "" for name in ("column", "part", "form"))
    return Query(text, found["chapter"] or "", found["table"], tuple(where), *rest)


Kept = Mapping[str, Mapping[str, Table]]  #: chapter -> name -> table


def ask(query: Query, kept: Kept, here: str = "", how: Callable[[Query, Table], object] = Query.one) -> object:
    """Put a question to the tables of all chapters.

    Args:
        query: what is asked.
        kept: table by name by chapter.
        here: chapter that asks, two digits.
        how: what is wanted of the table: `Query.one`, `Query.words` or `Query.all`.

    Returns:
        What `how` gives.

    Raises:
        NoRow: when the chapter kept no such table; else as `how`.
    """
    number = query.chapter or here
    if number not in kept:
        raise NoRow(f"nothing of chapter {number} is kept" if number else "a page is no chapter: write 03:table...")
    if query.table not in kept[number]:
        raise NoRow(f"chapter {number} kept no table {query.table}; it kept {', '.join(kept[number]) or 'none'}")
    return how(query, kept[number][query.table])


def _formats(sample: object, form: str) -> bool:
    try:
        format(sample, form)
    except (ValueError, TypeError):
        return False
    return True
