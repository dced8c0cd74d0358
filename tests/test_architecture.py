"""Imports run one way, `import adlopt` stays light, and functions and files stay short."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "adlopt"

# Every folder and every module of the root, from the ground up: each imports itself and what stands
# before it.
ORDER = (
    "errors",
    "_internal",
    "prices",
    "objectives",
    "model",
    "presolve",
    "proof",
    "methods",
    "solving",
    "policies",
    "axioms",
    "studies",
    "simulation",
    "datasets",
    "teaching",
    "sources",
    "plots",
    "report",
    "explorer",
    "cli",
    "__main__",
)
HEIGHT = {name: height for height, name in enumerate(ORDER)}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, anywhere in it, other than for type checking."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inside)
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
        for part in node.body
        for inside in ast.walk(part)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            base = node.module or ""
            inner = {f"{base}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or {base}
    return found & MODULES.keys()


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py")}


def height(module: str) -> int:
    """The place in `ORDER`; `adlopt` itself gathers names and stands above all."""
    parts = module.split(".")
    return len(ORDER) if len(parts) == 1 else HEIGHT[parts[1]]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_run_one_way(module: str) -> None:
    above = {
        other for other in imports(MODULES[module]) - {"adlopt"} if height(other) > height(module)
    }
    assert not above, f"{module} imports {sorted(above)}, which stand above it"


def test_there_are_no_circles() -> None:
    """Functions' imports count too; packages are left out, since they only gather names."""
    graph = {
        name: imports(path) - {"adlopt"}
        for name, path in MODULES.items()
        if path.name != "__init__.py"
    }
    TopologicalSorter(graph).prepare()


def test_statement_and_methods_do_not_know_each_other() -> None:
    assert not {
        other
        for other in imports(MODULES["adlopt.model.problem"])
        if other.startswith("adlopt.methods")
    }


def test_every_folder_has_its_place() -> None:
    assert {name.split(".")[1] for name in MODULES if "." in name} <= set(ORDER)


@pytest.mark.parametrize("heavy", ["cvxpy", "numba", "matplotlib", "scipy.stats"])
def test_import_is_light(heavy: str) -> None:
    code = f"import sys, adlopt; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0, (
        f"import adlopt loads {heavy}"
    )


MAX_FUNCTION, MAX_FILE, MAX_LINE = 60, 350, 100  # lines, docstrings included; columns


@pytest.mark.parametrize("module", sorted(MODULES))
def test_functions_and_files_are_short(module: str) -> None:
    lines = MODULES[module].read_text(encoding="utf-8").splitlines()
    too_long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse("\n".join(lines)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= MAX_FUNCTION
    ]
    too_wide = [number for number, line in enumerate(lines, 1) if len(line) > MAX_LINE]
    directives = [
        number for number, line in enumerate(lines, 1) if re.search(r"#\s*fmt:|# ruff: noqa", line)
    ]
    assert not too_long
    assert not too_wide, "lines of more than 100 columns"
    assert not directives, "formatter and linter directives for a whole file"
    assert len(lines) <= MAX_FILE
