"""Executed copies in, pages out: Jupyter Book renders them, the committed ledger keeps what they measured.

Enters: the chapters, executed by `ghr.book.press`. Leaves: the pages, `_build/html`, drawn with `ghr.book.extension`,
and the ledger, `book/ledger.json`, into which a smoke run never writes.

A book that is published knows three variables: GHR_REPOSITORY, https://github.com/OWNER/NAME, switches on the buttons
that lead there and to Colab; GHR_BRANCH, main unless set, is what they show; GHR_ADDRESS is where the pages are served.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from ghr import experiments
from ghr.book import SCALE, hero, laboratory, ledger, percent, words
from ghr.book.contents import chapters, each_text, imported, number, schemas, texts, unanswered, unknown
from ghr.book.press import BUILD, execute, execute_all, kept, kept_text, not_executed, tables_of
from ghr.files.cache import writable, write_whole


def measured(scale: str, root: Path) -> list[ledger.Entry]:
    """What the tables of a scale's executed chapters give to the ledger.

    Args:
        scale: one of `ghr.recipes.SCALES`.
        root: top of the repository.

    Returns:
        Entries; nothing from chapters not executed.

    Raises:
        ValueError: when a question of a target finds several rows or no Estimate.
    """
    return ledger.measured(kept(scale, root), scale)


def told(scale: str, root: Path) -> words.Told:
    """What the texts of the book can ask for.

    Args:
        scale: one of `ghr.recipes.SCALES`.
        root: top of the repository.

    Returns:
        Tables, entries of the ledger and claims.

    Raises:
        ValueError: as `measured`.
    """
    there = kept(scale, root)
    return words.Told(scale, there, tuple(ledger.measured(there, scale)))


def hold(there: words.Told, root: Path, check: bool) -> None:
    """Say which sentences do not hold.

    Args:
        there: what was measured.
        root: top of the repository.
        check: refuse them.

    Raises:
        RuntimeError: naming each sentence, when check is set and one does not hold at the laptop's scale.
    """
    false = []
    for page in texts(root):
        each_text(page, root, lambda text, place, page=page: false.extend(words.broken(text, there)) or text)
    if false and check and there.scale == "laptop":
        raise RuntimeError(f"sentences that do not hold: {'; '.join(false)}")
    if false:
        print(f"do not hold at scale {there.scale}:", *false, sep="\n  ")


def book(scale: str = "laptop", root: Path = Path(), html: Path | None = None, check: bool = False) -> Path:
    """Executes the chapters that changed and builds the pages; old pages stay until new ones stand.

    Args:
        scale: one of `ghr.recipes.SCALES`.
        root: top of the repository.
        html: folder of the pages, `_build/html` unless said.
        check: refuse to change the ledger.

    Returns:
        The landing page.

    Raises:
        ModuleNotFoundError: as `ghr.book.press.execute`.
        ValueError: as `ghr.book.press.execute` and `published`, or where there is no book.
        RuntimeError: as `ghr.book.press.execute`, or when the pages give any warning, another build is running, or
            check is set and the ledger would change or a sentence does not hold.
        OSError: as `ghr.book.press.execute`, or when a folder cannot be written.
    """
    published()  # a wrong address is told before anything runs
    root = root.resolve()
    if not (root / "_toc.yml").is_file():
        raise ValueError(f"{root} holds no book, there is no _toc.yml: run this at the top of the repository")
    if faults := unknown(texts(root), root) + words.check_data(schemas(root)):
        raise ValueError(" ".join(faults))
    html = (html or root / "_build" / "html").resolve()
    for folder in (root / "build", html.parent):  # told now, not after the chapters
        writable(folder, *BUILD)
    try:
        with FileLock(root / "build" / "book.lock", timeout=0):
            if not html.exists() and _old(html).exists():  # killed while it swapped them
                _old(html).rename(html)
            if "ghr.experiments" in imported(not_executed(scale, root), root):
                experiments.prepare(scale)
            execute_all(scale, root)
            there = told(scale, root)
            if faults := unanswered(texts(root), there, root):
                raise ValueError(" ".join(faults))
            hold(there, root, check)
            if scale != "smoke":
                keep(list(there.entries), scale, root / "book" / "ledger.json", check)
            lay_out(kept_text(scale, root), root / "build" / "results" / scale)
            if (root / f"{laboratory.PAGE}.md").exists():
                laboratory.export(scale, root)
            if "```{hero}" in (root / "index.md").read_text("utf8"):
                hero.export(scale, root)
            render(scale, root, html)
    except Timeout as error:
        raise RuntimeError(f"another build of the book is running in {root}") from error
    print(f"the book: {html / 'index.html'}")
    return html / "index.html"


def chapter(name: str, scale: str, out: Path | None = None, root: Path = Path(), **parameters) -> Path:
    """One chapter executed, as a notebook with numbers in its text and captions below its figures, beside its tables.

    What is asked of other chapters is answered where these have been executed at this scale.

    Args:
        name: its number, e.g. "03", or its path.
        scale: one of `ghr.recipes.SCALES`.
        out: the notebook, `build/chapters/<scale>/<chapter>.ipynb` unless said.
        root: top of the repository.
        **parameters: more values for the chapter's cell tagged "parameters", e.g. seed=1.

    Returns:
        The notebook.

    Raises:
        ModuleNotFoundError: as `ghr.book.press.execute`.
        ValueError: as `ghr.book.press.execute`, or for an unknown chapter.
        RuntimeError: as `ghr.book.press.execute`.
        OSError: as `ghr.book.press.execute`.
    """
    import nbformat

    root, there = root.resolve(), chapters(root)
    chosen = [page for page in there if name in (page, number(page)) or Path(name).resolve() == root / page]
    if not chosen:
        raise ValueError(
            f"There is no chapter {name}: expected a number or a path of {', '.join(there) or 'none here'}."
        )
    (page,), text = chosen, (root / chosen[0]).read_text("utf8")
    out = (out or root / "build" / "chapters" / scale / f"{Path(page).stem}.ipynb").resolve()
    writable(out.parent, "chapters", "name another file")
    copy = nbformat.read(execute(page, scale, root, **parameters), as_version=4)
    own = tables_of(page, scale, root, **parameters)
    tables = kept(scale, root) | {number(page): own}
    part = bool(parameters) or any(number(other) not in tables for other in there)
    answers = words.Told(scale, tables, tuple(ledger.measured(tables, scale)), part=part)
    false: list[str] = []

    def fill(text: str, place: str) -> str:
        false.extend(words.broken(text, answers))
        return words.fill(text, answers, number(page), html=False)

    write_whole(out, nbformat.writes(percent.captioned(percent.rewrite(percent.combined(text, copy), fill))).encode())
    for name, table in own.items():
        write_whole(out.with_name(f"{number(page)}_{name}.csv"), table.csv().encode())
    if false:
        print(f"do not hold at scale {scale}:", *false, sep="\n  ")
    return out


def lay_out(there: dict[str, dict[str, str]], folder: Path) -> None:
    """Writes the tables of all chapters into a folder, where a reader of the repository finds them.

    Args:
        there: CSV by name by chapter.
        folder: made where it is missing; other tables in it are taken away.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for chapter, named in there.items():
        for name, text in named.items():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{chapter}_{name}.csv").write_text(text, "utf8")


def keep(entries: list[ledger.Entry], scale: str, file: Path, check: bool) -> None:
    """Writes a scale's entries into the committed ledger if they say something else, or refuses to.

    Args:
        entries: measured at this scale.
        scale: one of `ghr.recipes.SCALES`.
        file: the committed ledger.
        check: refuse to change it.

    Raises:
        RuntimeError: when check is set and the ledger would change.
    """
    committed = ledger.read(file)
    others = [entry for entry in committed if entry.scale != scale]
    found = ledger.changes([entry for entry in committed if entry.scale == scale], entries)
    if found and check:
        raise RuntimeError(f"{file} says something else than this build: " + " ".join(found))
    if found:
        ledger.write(file, others + entries)
        print(f"{file} is new:", *found, sep="\n  ")


def render(scale: str, root: Path, html: Path) -> None:
    """Builds the pages aside, warnings being errors, and swaps them in once they are whole.

    Args:
        scale: one of `ghr.recipes.SCALES`.
        root: top of the repository.
        html: folder of the pages.

    Raises:
        RuntimeError: when the pages give any warning.
    """
    aside, old = html.with_name(f"{html.name}.new"), _old(html)
    # this interpreter's jupyter-book, whatever is on PATH
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", "."]
    command += ["--path-output", str(aside), "--all", "-W", "-n", "--keep-going", "-q"]
    shutil.rmtree(aside, ignore_errors=True)
    variables = {**os.environ, SCALE: scale}
    result = subprocess.run(command, cwd=root, env=variables, stdout=subprocess.PIPE, text=True)
    if result.returncode:
        print(result.stdout)
        raise RuntimeError(f"the pages have the problems named above; {html} is as it was")
    shutil.rmtree(old, ignore_errors=True)  # left by a build that was killed while it swapped
    if html.exists():
        html.rename(old)
    (aside / "_build" / "html").rename(html)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(aside)


def _old(html: Path) -> Path:
    """Where the pages that stood are while new ones take their place."""
    return html.with_name(f"{html.name}.old")


def published() -> tuple[str, str, str]:
    """Address of the repository, its branch, and address of the pages; addresses are empty while they are unknown.

    Returns:
        Repository, branch and pages.

    Raises:
        ValueError: for what can be no such address.
    """
    repository = os.environ.get("GHR_REPOSITORY", "").removesuffix("/").removesuffix(".git")
    if repository and not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", repository):
        raise ValueError(f"GHR_REPOSITORY is {repository!r}: expected https://github.com/OWNER/NAME, or nothing")
    address = os.environ.get("GHR_ADDRESS", "")
    if address and not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", address):
        raise ValueError(f"GHR_ADDRESS is {address!r}: expected an address like https://host/folder/, or nothing")
    return repository, os.environ.get("GHR_BRANCH") or "main", address and f"{address.removesuffix('/')}/"
