"""What a chapter measured is kept: tables enter, one CSV each leaves, for text, targets, claims and readers.

A chapter calls `keep` and asks for numbers by name in its text (`ghr.book.words`). The press names the folder and the
chapter; a chapter that is run by hand, as a script or in JupyterLab, writes into `build/results/<scale>` of the
repository, or into `results/<scale>` where there is no repository.
"""

import os
import re
import sys
from pathlib import Path

from ghr.files.cache import writable, write_whole
from ghr.tables import Table

FOLDER = "GHR_RESULTS"  #: variable: where the tables go
CHAPTER = "GHR_CHAPTER"  #: variable: two digits


def keep(**tables) -> None:
    """Keep tables of this chapter under names by which text, targets and claims ask for them.

    Args:
        **tables: `ghr.tables.Table` by name: `keep(agreement=rows)` in chapter 03 writes `03_agreement.csv`.

    Raises:
        ValueError: for what is no `ghr.tables.Table`.
        OSError: when a file cannot be written.
    """
    place, number = writable(folder(), "results", f"set {FOLDER} to a writable one"), chapter()
    for name, table in tables.items():
        if not isinstance(table, Table):
            raise ValueError(f"keep({name}=...) takes a ghr.tables.Table, not a {type(table).__name__}.")
        write_whole(place / (f"{number}_{name}.csv" if number else f"{name}.csv"), table.csv().encode())


def folder() -> Path:
    """Where tables are kept: $GHR_RESULTS, else `build/results` of the repository, else `results`; there, by scale.

    Returns:
        Folder, whether it exists or not.
    """
    if told := os.environ.get(FOLDER):
        return Path(told)
    repository = Path(__file__).parents[2]
    place = repository / "build" / "results" if (repository / "_toc.yml").exists() else Path("results")
    return place / str(getattr(sys.modules["__main__"], "scale", ""))  # the chapter's own parameter


def chapter() -> str:
    """Two digits of the chapter that runs: $GHR_CHAPTER, else those of the script or notebook; "" while unknown.

    Returns:
        Digits.
    """
    script = getattr(sys.modules["__main__"], "__file__", None) or os.environ.get("JPY_SESSION_NAME", "")
    found = re.match(r"\d\d(?=_)", Path(script).name)
    return os.environ.get(CHAPTER) or (found[0] if found else "")
