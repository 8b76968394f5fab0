"""Which tables a chapter keeps and what is in them, read from its code before anything runs.

Enters: Python text with `results.keep(agreement=...)`. Leaves: for each name the dataclass of its rows, where the table
comes from a function of `ghr` that says so (`-> Table[Row]`, also in a tuple), else None.
"""

import ast
import importlib
import typing

from ghr.tables import Table


def kept(source: str) -> dict[str, type | None]:
    """Names of the tables that a text keeps, and of what class their rows are.

    Args:
        source: Python text: the code cells of a chapter.

    Returns:
        Dataclass by name, None where it cannot be known before the chapter runs.

    Raises:
        ValueError: when a name is kept twice, or names are not written out.
        SyntaxError: when this is no Python.
    """
    reader = _Reader()
    reader.visit(ast.parse(source))
    return reader.found


class _Reader(ast.NodeVisitor):
    """Follows names in the order of the text: of imports to their objects, others to the types of their tables."""

    def __init__(self):
        self.found: dict[str, type | None] = {}
        self.objects: dict[str, object] = {}
        self.types: dict[str, object] = {}

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.name if alias.asname else alias.name.split(".")[0]
            self._bind(alias.asname or name, name, None)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self._bind(alias.asname or alias.name, node.module or "", alias.name)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        given = self._type(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.types[target.id] = given
            elif isinstance(target, ast.Tuple):
                parts = typing.get_args(given) if typing.get_origin(given) is tuple else ()
                parts = parts if len(parts) == len(target.elts) else (None,) * len(target.elts)
                pairs = zip(target.elts, parts, strict=True)
                self.types |= {name.id: part for name, part in pairs if isinstance(name, ast.Name)}

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        called = ast.unparse(node.func)
        if called in ("results.keep", "keep"):
            for keyword in node.keywords:
                if keyword.arg is None:
                    raise ValueError(f"{ast.unparse(node)} hides names: write keep(agreement=...)")
                if keyword.arg in self.found:
                    raise ValueError(f"two tables are kept as {keyword.arg}")
                self.found[keyword.arg] = _row(self._type(keyword.value))

    def _bind(self, name: str, module: str, attribute: str | None) -> None:
        """What an import of this package gives; what it cannot give is told by the kernel, with its line."""
        self.objects.pop(name, None)
        if module.split(".")[0] != "ghr":
            return
        try:
            found = importlib.import_module(module)
            if attribute:
                found = getattr(found, attribute, None) or importlib.import_module(f"{module}.{attribute}")
        except ImportError:
            return
        self.objects[name] = found

    def _object(self, node: ast.expr) -> object:
        if isinstance(node, ast.Name):
            return self.objects.get(node.id)
        return getattr(self._object(node.value), node.attr, None) if isinstance(node, ast.Attribute) else None

    def _type(self, node: ast.expr) -> object:
        if isinstance(node, ast.Name):
            return self.types.get(node.id)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            parts, place = typing.get_args(self._type(node.value)), node.slice.value
            return parts[place] if isinstance(place, int) and -len(parts) <= place < len(parts) else None
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr == "where":
                return self._type(node.func.value)
            called = self._object(node.func)
            return typing.get_type_hints(called).get("return") if callable(called) else None
        return None


def _row(given: object) -> type | None:
    """Row of `Table[Row]`."""
    row = next(iter(typing.get_args(given)), None) if typing.get_origin(given) is Table else None
    return row if isinstance(row, type) else None
