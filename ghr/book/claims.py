"""Sentences that could become false: a condition on the tables that chapters keep guards each of them.

A sentence is written by hand and followed by {claim}`name`. Where its condition holds nothing is seen of that; where it
does not, `make check` fails at the laptop's scale, and a page of another scale marks the sentence "not at this scale".
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ghr.book.query import Kept, Query, ask, parse
from ghr.stats import Estimate

_BRACES = re.compile(r"\{(\*?)([^{}]+)\}")
_ALLOWED = {"abs": abs, "min": min, "max": max, "all": all, "any": any, "sum": sum, "len": len}


@dataclass(frozen=True)
class Claim:
    """A condition by name."""

    name: str  #: words joined by hyphens, as the text writes it
    chapter: str  #: two digits: whose tables its questions are put to, where they name no other
    #: Python, with questions (`ghr.book.query`) in braces: {table[...].column.low} is a number, {*table[...].column} a
    #: list of those of all rows
    condition: str

    @property
    def questions(self) -> list[Query]:
        """What it asks of tables.

        Raises:
            ValueError: when one of them is no question.
        """
        return [parse(question) for _, question in _BRACES.findall(self.condition)]

    def check(self) -> None:
        """Say what is wrong with it, whatever is measured.

        Raises:
            ValueError: when its condition is none.
        """
        if not self.questions:
            raise ValueError("its condition asks nothing of any table")
        try:
            tree = ast.parse(_BRACES.sub("x", self.condition), mode="eval")
        except SyntaxError as error:
            raise ValueError(f"its condition is no Python: {error.msg}") from error
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if unknown := names - _ALLOWED.keys() - _bound(tree) - {"x"}:
            raise ValueError(f"its condition has the unknown name {', '.join(sorted(unknown))}")

    def holds(self, kept: Kept) -> tuple[bool, str]:
        """Whether it is so.

        Args:
            kept: table by name by chapter.

        Returns:
            Whether it holds; and the condition with its numbers.

        Raises:
            NoRow: when a question finds nothing.
            ValueError: when a question finds several rows and no star is before it, or words or an Estimate where a
                number is compared.
        """
        values: dict[str, object] = {}
        told = []

        def put(match: re.Match) -> str:
            query = parse(match[2])
            found = ask(query, kept, self.chapter, Query.all if match[1] else Query.one)
            for value in found if match[1] else [found]:
                if isinstance(value, Estimate):
                    raise ValueError(f"{query.text} is an Estimate: say which of value, low and high is meant")
            name = f"_{len(values)}"
            values[name] = found
            told.append(f"[{', '.join(map(_shown, found))}]" if match[1] else _shown(found))
            return name

        code = _BRACES.sub(put, self.condition)
        words = iter(told)
        numbers = _BRACES.sub(lambda match: next(words), self.condition)
        return bool(eval(code, {"__builtins__": {}, **_ALLOWED, **values})), numbers


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _bound(tree: ast.AST) -> set[str]:
    """Names that a comprehension binds."""
    return {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.comprehension)
        for name in ast.walk(node.target)
        if isinstance(name, ast.Name)
    }


def named(claims: Iterable[Claim]) -> dict[str, Claim]:
    """Claims by name.

    Raises:
        ValueError: when two have one name.
    """
    found: dict[str, Claim] = {}
    for claim in claims:
        if claim.name in found:
            raise ValueError(f"two claims are called {claim.name}")
        found[claim.name] = claim
    return found


CLAIMS = named(())
