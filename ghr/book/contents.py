"""The table of contents enters; which texts there are, what chapters keep, and what texts ask for in vain leave."""

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ghr.book import percent, schema, words
from ghr.book.identity import code
from ghr.book.percent import notebook


def number(chapter: str) -> str:
    """Two digits of a chapter: "02" of "book/02_x.py"; "" where there are none.

    Args:
        chapter: path of its text.

    Returns:
        Digits.
    """
    found = re.match(r"\d\d(?=_)", Path(chapter).name)
    return found[0] if found else ""


def chapters(root: Path) -> list[str]:
    """Text chapters of the book in reading order, as paths below root.

    Args:
        root: top of the repository.

    Returns:
        Paths.
    """
    return [page for page in texts(root) if page.endswith(".py")]


def texts(root: Path) -> list[str]:
    """Text chapters and pages of Markdown in reading order, as paths below root.

    Args:
        root: top of the repository.

    Returns:
        Paths of those files that there are.
    """
    import yaml

    def files(entry) -> Iterator[str]:
        for name, value in entry.items() if isinstance(entry, dict) else []:
            yield from [value] if name in ("root", "file") else []
            for child in value if isinstance(value, list) else []:
                yield from files(child)

    toc = yaml.safe_load((root / "_toc.yml").read_text("utf8"))
    names = (f"{re.sub(r'[.](py|md)$', '', file)}.{suffix}" for file in files(toc) for suffix in ("py", "md"))
    return [name for name in names if (root / name).is_file()]


def imported(pages: list[str], root: Path = Path()) -> set[str]:
    """Modules of the library that some chapters import, directly or not.

    Args:
        pages: chapters, as paths below root.
        root: top of the repository.

    Returns:
        Dotted names.
    """
    return {module for page in pages for module in code("\n".join(percent.cells((root / page).read_text("utf8"))))}


def schemas(root: Path) -> words.Schemas:
    """Which tables each chapter keeps, as its code says.

    Args:
        root: top of the repository.

    Returns:
        Dataclass of the rows by name of the table by chapter.

    Raises:
        ValueError: when a chapter keeps two tables under one name.
    """
    found = {}
    for chapter in chapters(root):
        try:
            found[number(chapter)] = schema.kept("\n".join(percent.cells((root / chapter).read_text("utf8"))))
        except SyntaxError:  # its cell is named when it runs
            found[number(chapter)] = {}
        except ValueError as error:
            raise ValueError(f"{chapter}: {str(error).rstrip('.')}.") from error
    return found


def unknown(pages: list[str], root: Path) -> list[str]:
    """What pages ask for and no chapter keeps, known before anything runs.

    Args:
        pages: chapters or Markdown, as paths below root.
        root: top of the repository.

    Returns:
        A sentence for each fault, with page and place.
    """
    known = functools.cache(functools.partial(schemas, root))
    return _faults(pages, root, lambda text, here: words.check(text, known(), here))


def unanswered(pages: list[str], told: words.Told, root: Path) -> list[str]:
    """What pages ask for and the tables that were kept cannot answer.

    Args:
        pages: chapters or Markdown, as paths below root.
        told: what there is.
        root: top of the repository.

    Returns:
        A sentence for each fault, with page and place.
    """
    return _faults(pages, root, lambda text, here: words.unanswered(text, told, here))


def _faults(pages: list[str], root: Path, faults_of: Callable[[str, str], list[str]]) -> list[str]:
    found = []

    def look(page: str, text: str, place: str) -> str:
        if words.ROLE.search(text):
            found.extend(f"{page}, {place}, {fault}." for fault in faults_of(text, number(page)))
        return text

    for page in pages:
        each_text(page, root, functools.partial(look, page))
    return found


def each_text(page: str, root: Path, change: Callable[[str, str], str]) -> object:
    """Change the words of a page, or look at them.

    Args:
        page: chapter or Markdown, as a path below root.
        root: top of the repository.
        change: called with words and the place where they stand.

    Returns:
        Notebook of a chapter, or Markdown.
    """
    text = (root / page).read_text("utf8")
    return percent.rewrite(notebook(text), change) if page.endswith(".py") else change(text, "its text")
