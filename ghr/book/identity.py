"""The text of a chapter enters, a name for everything that decides its numbers leaves.

identity = hash of its code cells, parameters, pins, and of the library and data files that it uses, known before a run;
key = hash of the identity and of the checkpoints that the run has loaded, known after it. Prose, captions, docstrings
and other metadata of cells are in neither: a changed comma executes nothing again.
"""

import ast
import functools
import hashlib
import json
import sys
from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path

from ghr.book import percent

PACKAGE = Path(__file__).parents[1]
OF_PAGES = (".js", ".css")  #: data that no executed copy carries: pages get them when they are drawn


def digest(*parts: str) -> str:
    """16 hexadecimal digits that tell these texts, in this order, from others.

    Args:
        *parts: texts.

    Returns:
        Digits.
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Text:
    """What a Python text says, wherever it stands; a build asks for that of each module many times."""

    digest: str  #: of its syntax tree without docstrings
    imported: frozenset[str]  #: dotted names, from wherever they come
    strings: frozenset[str]  #: in it, that may be names of folders


@functools.lru_cache(maxsize=1024)
def _read_python(text: str, module: str, inside: str) -> _Text:
    tree, imported = ast.parse(text, filename=module), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), inside)
            # `from package import module` asks for the module alone
            imported |= {f"{base}.{alias.name}" for alias in node.names} | ({base} if "." in base else set())
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    strings = frozenset(value for value in constants if isinstance(value, str) and value.isidentifier())
    # unparsed rather than dumped: the dump's form changes with the Python version
    return _Text(digest(ast.unparse(tree)), frozenset(imported), strings)


def _python(text: str, module: str, package: Path) -> _Text:
    inside = module if module_path(module, package).name == "__init__.py" else module.rpartition(".")[0]
    return _read_python(text, module, inside)


def imports(source: str, module: str, package: Path = PACKAGE) -> set[str]:
    """Modules of the package that a source text imports, wherever the statement stands.

    Args:
        source: Python text.
        module: its dotted name, against which relative imports are resolved.
        package: folder of the package.

    Returns:
        Dotted names; all of the package after a bare `import ghr`, whose attributes may be any.
    """
    name = package.name
    found = set(_python(source, module, package).imported)
    if found & {name, f"{name}.*"}:
        found |= {".".join(path.with_suffix("").relative_to(package.parent).parts) for path in package.rglob("*.py")}
    return {m for m in found if m.split(".")[0] == name and module_path(m, package).is_file()}


def module_path(module: str, package: Path = PACKAGE) -> Path:
    """File of a module of the package, whether it exists or not.

    Args:
        module: dotted name.
        package: folder of the package.

    Returns:
        File.
    """
    path = package.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def code(source: str, package: Path = PACKAGE) -> dict[str, str]:
    """Hash of each module that a chapter imports, directly or not.

    Args:
        source: text of the chapter.
        package: folder of the package.

    Returns:
        Digest of the syntax tree without docstrings, by dotted name.
    """
    hashes: dict[str, str] = {}
    waiting = imports(source, "chapter", package) | {package.name}
    while waiting:
        module = waiting.pop()
        text = module_path(module, package).read_text("utf8")
        said = _python(text, module, package)
        hashes[module] = said.digest
        hashes |= data(said.strings, module, package)
        parents = {module.rsplit(".", k)[0] for k in range(1, module.count(".") + 1)}
        waiting |= (imports(text, module, package) | parents) - hashes.keys()
    return hashes


def data(named: Collection[str], module: str, package: Path = PACKAGE) -> dict[str, str]:
    """Hash of each folder of data that a module names, beside itself or at the top of the package.

    Args:
        named: strings in it, e.g. of `Path(__file__).parent / "data"`.
        module: its dotted name.
        package: folder of the package.

    Returns:
        Digest of names and bytes by folder; a folder that holds modules is no data, nor are scripts and styles.
    """
    places = {module_path(module, package).parent, package}
    folders = {place / name for place in places for name in named}
    found = {}
    for folder in folders:
        if folder.is_dir() and not any(folder.glob("*.py")):
            files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in OF_PAGES)
            found[str(folder.relative_to(package))] = digest(*(f"{path.name} {file_digest(path)}" for path in files))
    return found


def identity(text: str, parameters: dict, root: Path, package: Path = PACKAGE) -> str:
    """What decides a chapter's outputs and is known before it runs: no word of its prose.

    Args:
        text: the chapter.
        parameters: those injected.
        root: top of the repository, for its pins.
        package: folder of the package.

    Returns:
        Digest.
    """
    lines = (root / "requirements.txt").read_text("utf8").splitlines()
    pins = [line.split("#")[0].strip() for line in lines]
    cells = percent.cells(text)
    parts = [sorted(parameters.items()), sorted(filter(None, pins)), code("\n".join(cells), package)]
    return digest(
        f"Python {sys.version_info.major}.{sys.version_info.minor}", *cells, json.dumps(parts, sort_keys=True)
    )


def key(identity: str, checkpoints: list[str], root: Path) -> str:
    """Name of an executed copy.

    Args:
        identity: of the chapter.
        checkpoints: their paths, relative to root or absolute.
        root: top of the repository.

    Returns:
        Digest.
    """
    return digest(identity, *(f"{path} {file_digest(root / path)}" for path in sorted(checkpoints)))


def file_digest(path: Path) -> str:
    """Hash of a file's bytes; "missing" is a value too: a run that appears later is news.

    Args:
        path: of the file, whether it exists or not.

    Returns:
        64 hexadecimal digits, or "missing".
    """
    if not path.is_file():
        return "missing"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
