"""A chapter as text: a percent script enters, a notebook leaves; prose of today meets outputs of the last execution.

Also what papermill reads chapters with: `papermill book/02_x.py out.ipynb -p scale smoke`.
"""

import ast
import os
import re
from collections.abc import Callable
from pathlib import Path

from ghr.book import results

FORMAT = "py:percent"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
INJECTED = "injected-parameters"  #: papermill's tag of the cell that it adds


def notebook(text: str, fmt: str = FORMAT):
    """The notebook that a text chapter is: with a kernel's name and reproducible cell ids.

    Args:
        text: of the chapter.
        fmt: jupytext's name of its format.

    Returns:
        Notebook (nbformat).
    """
    import jupytext

    nb = jupytext.reads(text, fmt=fmt)
    nb.metadata.setdefault("kernelspec", dict(KERNEL))
    return numbered(nb)


def numbered(nb):
    """The same notebook with ids counted through instead of drawn at random.

    Args:
        nb: notebook, which is changed.

    Returns:
        The notebook.
    """
    for index, cell in enumerate(nb.cells):
        cell["id"] = f"cell-{index}"
    return nb


def cells(text: str) -> list[str]:
    """The code of a chapter: what decides its outputs, cell by cell, without comments and layout.

    Args:
        text: of the chapter.

    Returns:
        Python of each code cell; a mark before the one tagged "parameters", behind which papermill writes, and behind
        one that ends in a semicolon, which silences its output. A cell that is no Python stays as it is.
    """
    found = []
    for cell in notebook(text).cells:
        if cell.cell_type == "code":
            try:
                source = ast.unparse(ast.parse(cell.source)) + ";" * cell.source.rstrip().endswith(";")
            except SyntaxError:  # a line of IPython's
                source = cell.source
            found.append("# parameters\n" * ("parameters" in cell.metadata.get("tags", [])) + source)
    return found


def combined(text: str, executed):
    """The chapter as it is written now, with the outputs of its executed copy.

    Args:
        text: of the chapter; its code is that of the copy, its prose and the cells' metadata may be others.
        executed: notebook of the copy.

    Returns:
        Notebook, with the cell of the injected parameters.
    """
    nb = notebook(text)
    nb.metadata.update(executed.metadata)
    done = [cell for cell in executed.cells if cell.cell_type == "code"]
    found = []
    for cell in nb.cells:
        found.append(cell)
        if cell.cell_type == "code":
            cell.update({name: done[0][name] for name in ("outputs", "execution_count")})
            done.pop(0)
            if done and INJECTED in done[0].metadata.get("tags", []):
                found.append(done.pop(0))
    nb.cells = found
    return numbered(nb)


def rewrite(nb, change: Callable[[str, str], str]):
    """Change the words of a notebook: its prose, and captions and alternative texts of its figures.

    Args:
        nb: notebook, which is changed.
        change: called with words and the place where they stand, e.g. "cell 3", counted from 1.

    Returns:
        The same notebook.
    """

    def leaves(value, place):
        if isinstance(value, str):
            return change(value, place)
        return {key: leaves(inner, place) for key, inner in value.items()} if isinstance(value, dict) else value

    for index, cell in enumerate(nb.cells, 1):
        if cell.cell_type == "markdown":
            cell.source = change(cell.source, f"cell {index}")
        if "mystnb" in cell.metadata:
            cell.metadata["mystnb"] = leaves(cell.metadata["mystnb"], f"cell {index}")
    return nb


def captioned(nb):
    """Captions of figures as text below their cells, for those who read a notebook and no page.

    Args:
        nb: notebook, which is changed.

    Returns:
        The same notebook.
    """
    from nbformat.v4 import new_markdown_cell

    cells = []
    for cell in nb.cells:
        cells.append(cell)
        if caption := cell.metadata.get("mystnb", {}).get("figure", {}).get("caption"):
            cells.append(new_markdown_cell(caption))
    nb.cells = cells
    return numbered(nb)


# -- papermill


def is_chapter(path: str, text: str) -> bool:
    """Whether a file is a text notebook of ours: its header says percent.

    Args:
        path: of the file.
        text: what it holds.

    Returns:
        Whether it is.
    """
    header = re.match(r"# ---\n(?:#.*\n)*?# ---\n", text)
    return path.endswith(".py") and bool(header) and "format_name: percent" in header[0]


class Chapters:
    """Papermill's handler of paths that may be chapters: those become notebooks, others are read as ever.

    papermill picks a handler by how a path begins, so that this one is asked for every path below `book/`, for absolute
    and relative ones, and for those that begin with a digit. The kernel that runs a chapter learns its number, by which
    its tables are named.
    """

    def read(self, path: str) -> str:
        if not (path.endswith(".py") and Path(path).is_file()):
            return self._usual().read(path)
        import nbformat

        text = Path(path).read_text("utf8")
        if not is_chapter(path, text):
            return self._usual().read(path)
        if digits := re.match(r"\d\d(?=_)", Path(path).name):
            os.environ[results.CHAPTER] = digits[0]
        return nbformat.writes(notebook(text))

    def write(self, buf: str, path: str) -> None:
        self._usual().write(buf, path)

    def listdir(self, path: str) -> list[str]:
        return self._usual().listdir(path)

    def pretty_path(self, path: str) -> str:
        return path

    def _usual(self):
        from papermill.iorw import papermill_io

        return papermill_io.get_handler("local")


chapters = Chapters()
