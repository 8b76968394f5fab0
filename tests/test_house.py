"""The house rules that a machine can check."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ghr import checkpoints, runs
from ghr.press import imports, module_path

PACKAGE = Path(__file__).resolve().parents[1] / "ghr"
ORDER = [
    *("names", "synthetic", "photographs", "cache", "avatars", "decoding", "archives", "pools", "images"),
    *("denoiser", "noise", "denoisers", "references", "optimizer", "training", "sampling", "jacobian", "harmonic"),
    *("stats", "similarity", "tables", "checkpoints", "runs", "plan", "experiments", "measure"),
    *("ledger", "costs", "plots", "widgets", "press", "laboratory", "pages", "extension", "book"),
    *("cluster", "__main__"),
]
MODULES = sorted(".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts) for p in PACKAGE.rglob("*.py"))
CORE = {
    *("torch", "numpy", "scipy", "PIL", "safetensors", "tqdm", "jaxtyping"),
    *("platformdirs", "filelock", "threadpoolctl"),
}


def rank(module: str) -> int:
    return ORDER.index(module.split(".")[1])


@pytest.mark.parametrize("module", [m for m in MODULES if m != "ghr.__init__"])
def test_a_module_imports_only_from_modules_above_it(module):
    source = module_path(module).read_text()
    below = {m for m in imports(source, module) if m != "ghr" and rank(m) >= rank(module)}
    assert {m for m in below if m.split(".")[1] != module.split(".")[1] or module.count(".") == 1} == set()


def test_the_package_itself_imports_nothing_of_its_own():
    assert imports((PACKAGE / "__init__.py").read_text(), "ghr") == set()


def test_import_needs_the_core_dependencies_only():
    """What the measuring modules add to torch and its companions: no figure, notebook or book library."""
    measuring = [m for m in MODULES if m != "ghr.__init__" and rank(m) < ORDER.index("plots")]
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
            assert ast.unparse(node.func) not in {"torch.load", "joblib.load"}
            assert not any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords)


@pytest.mark.parametrize("run", runs.table("laptop"), ids=lambda run: run.name)
def test_the_networks_of_the_book_are_shipped(run):
    """A clean clone must not train for an hour: each file is there, whole, and holds the run of the table."""
    checkpoints.read(PACKAGE.parent / "checkpoints" / f"{run.name}.safetensors", run)


def test_local_links_of_the_readme_exist():
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", (PACKAGE.parent / "README.md").read_text())
    assert links
    assert [link for link in links if not (PACKAGE.parent / link).exists()] == []
