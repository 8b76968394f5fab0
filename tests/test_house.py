"""The house rules that a machine can check."""

import ast
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import shipped

from ghr import recipes
from ghr.book import DEPFILE, SCALE, results
from ghr.book.identity import imports, module_path
from ghr.files import checkpoints

PACKAGE = Path(__file__).resolve().parents[1] / "ghr"
ORDER = [
    *("files", "images"),
    *(
        "denoiser",
        "noise",
        "networks",
        "transformers",
        "references",
        "optimizer",
        "training",
        "sampling",
        "jacobian",
        "harmonic",
    ),
    *("stats", "similarity", "copies", "tables", "recipes", "runs", "plan", "foreign", "experiments", "measure"),
    *("report", "check", "need", "portrait", "costs", "cluster", "book", "__main__"),
]
BOOK = [
    *("__init__", "query", "results", "percent", "schema", "ledger", "claims", "words", "plots", "answers", "live"),
    *("told", "films", "widgets", "guesses", "yours", "identity", "contents", "press", "kernel", "laboratory"),
    *("export", "hero", "pages", "speed", "verdicts", "extension"),
]
MODULES = sorted(".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts) for p in PACKAGE.rglob("*.py"))
CORE = {
    *("torch", "numpy", "scipy", "PIL", "safetensors", "tqdm", "jaxtyping"),
    *("platformdirs", "filelock", "threadpoolctl", "pywt"),
}


def rank(module: str) -> float:
    _, first, *rest = module.split(".")
    return ORDER.index(first) + (BOOK.index(rest[0]) / 100 if first == "book" and rest else 0)


@pytest.mark.parametrize("module", [m for m in MODULES if m != "ghr.__init__"])
def test_a_module_imports_only_from_modules_above_it(module):
    source = module_path(module).read_text()
    below = {m for m in imports(source, module) if m != "ghr" and rank(m) >= rank(module)}
    part = module.split(".")[1]  # inside one, order is free, but for the book's
    assert {m for m in below if m.split(".")[1] != part or part == "book" or module.count(".") == 1} == set()


def test_only_the_command_line_knows_the_book_and_only_when_asked():
    """Nothing outside `ghr/book` imports it, in a chapter's kernel or elsewhere, nor reads what the press sets."""
    outside = [m for m in MODULES if not m.startswith("ghr.book")]
    sources = {m: module_path(m).read_text() for m in outside}
    assert [m for m in outside if any(i.startswith("ghr.book") for i in imports(sources[m], m))] == ["ghr.__main__"]
    eager = [node for node in ast.parse(sources["ghr.__main__"]).body if "ghr.book" in ast.unparse(node)]
    assert [node.name for node in eager] == ["export", "book", "chapter"]
    variables = {SCALE, DEPFILE, results.FOLDER, results.CHAPTER}
    assert [m for m in outside if any(name in sources[m] for name in variables)] == []


def test_the_package_itself_imports_nothing_of_its_own():
    assert imports((PACKAGE / "__init__.py").read_text(), "ghr") == set()


def test_import_needs_the_core_dependencies_only():
    """What the measuring modules add to torch and its companions: no figure, notebook or book library."""
    measuring = [m for m in MODULES if m != "ghr.__init__" and rank(m) < ORDER.index("cluster")]
    script = f"""
import sys, {", ".join(sorted(CORE))}, scipy.stats, safetensors.torch, tqdm.auto, PIL.Image, numpy.random
before = {{name.split(".")[0] for name in sys.modules}}
import ghr, {", ".join(measuring)}
print(*sorted({{name.split(".")[0] for name in sys.modules}} - before - sys.stdlib_module_names - {{"ghr"}}))
print(*sorted({{"matplotlib", "IPython", "jupyter_core", "ipykernel", "nbformat"}} & sys.modules.keys()))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    added, banned = result.stdout.split("\n")[:2]
    assert added == ""
    assert banned == ""


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_ever_unpickled(module):
    """Neither a pickle module nor a call that unpickles a file."""
    for node in ast.walk(ast.parse(module_path(module).read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not names & {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
        if isinstance(node, ast.Call):
            weights_only = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)
            assert ast.unparse(node.func) != "torch.load" or weights_only
            assert ast.unparse(node.func) not in {"joblib.load", "torch.export.load"}
            assert not any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords)


@pytest.mark.parametrize("run", recipes.table("laptop"), ids=lambda run: run.name)
def test_the_networks_of_the_book_are_shipped(run):
    """A clean clone must not train for an hour: each file is there, whole, and holds the run of the table."""
    file = PACKAGE.parent / "checkpoints" / f"{run.name}.safetensors"
    train = f"ghr train --only '{run.name}', git add -f, make manifest"
    assert file.exists(), f"{run.name} is in the laptop's table and not shipped: {train}"
    checkpoints.read(file, run)


def test_the_manifest_names_every_shipped_checkpoint_with_its_checksum():
    """Who changed networks makes it anew: `make manifest`."""
    folder = PACKAGE.parent / "checkpoints"
    listed = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in shipped()}
    assert listed == found


def test_local_links_of_the_readme_exist():
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", (PACKAGE.parent / "README.md").read_text())
    assert links
    assert [link for link in links if not (PACKAGE.parent / link).exists()] == []


def test_the_layout_of_the_repository_is_as_contributors_are_told():
    """Every part of the package in the order of imports, and no file or folder that is not there."""
    tree = (PACKAGE.parent / "CONTRIBUTING.md").read_text().split("```")[1]
    parts = [line.split()[0].removesuffix("/").removesuffix(".py") for line in tree.splitlines() if line[:2] == "  "]
    assert [part for part in parts if part != "data"] == ORDER
    top = [name for line in tree.splitlines() if line[:1].strip() for name in re.split(r"\s{2,}", line)]
    assert [name for name in top if re.fullmatch(r"[\w.]+/?", name) and not (PACKAGE.parent / name).exists()] == []
