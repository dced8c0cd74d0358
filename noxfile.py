"""The project's checks. `nox` runs all of them, `nox -s lint types` some, `nox -l` lists them.

Each session installs what it needs into an environment of its own. `.ci/run` runs them one by one
with `--no-venv` in a single environment that holds the extra `dev`.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import nox
from nox.virtualenv import PassthroughEnv

nox.options.default_venv_backend = "uv|virtualenv"

HERE = Path(__file__).resolve().parent
PYTHON = "3.11"  # the oldest supported: the lowest declared versions have wheels for it

# What the lowest declared versions are tried with: the parts that call dependencies directly.
# Newer versions of indirect dependencies deprecate what the lowest versions still call. Tests that
# read numbers back from CSV are left out: pandas reads them to the last bit since version 3.
LOWEST = (
    "tests/_internal/test_quiet.py",
    "tests/cli",
    "tests/methods/test_conic.py",
    "tests/methods/test_water_filling.py",
    "tests/model",
    "tests/sources",
)
OLD = ("-W", "ignore::DeprecationWarning", "-W", "ignore::PendingDeprecationWarning")

SITE = "docs/_build/html"

# The core and the kernel agree on a version of Pyodide; the server reads the list of notebooks.
LITE = (
    "jupyterlite-core==0.8.6",
    "jupyterlite-pyodide-kernel==0.8.6",
    "jupyter-server",
    "nbformat",
)

HEAVY = ("cvxpy", "numba", "matplotlib", "highspy", "scipy.stats")  # not by `import adlopt`


def prepare(session: nox.Session) -> None:
    """Install the project for development, unless nox runs with `--no-venv`."""
    if not isinstance(session.virtualenv, PassthroughEnv):
        session.install("-e", ".[dev]")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and layout of the code."""
    prepare(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    prepare(session)
    session.run("mypy")


@nox.session
def imports(session: nox.Session) -> None:
    """`import adlopt` stays light."""
    prepare(session)
    code = (
        f"import sys, adlopt; loaded = set({HEAVY}) & set(sys.modules); assert not loaded, loaded"
    )
    session.run("python", "-c", code)


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite, on all processors."""
    prepare(session)
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def doctests(session: nox.Session) -> None:
    """The examples in docstrings."""
    prepare(session)
    session.run("python", "-m", "pytest", "--doctest-modules", "adlopt", *session.posargs)


@nox.session
def notebooks(session: nox.Session) -> None:
    """The notebooks print what is committed."""
    prepare(session)
    session.run("python", "notebooks/execute.py", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Every benchmark runs, on small problems."""
    prepare(session)
    session.run("python", "-m", "benchmarks", "--smoke")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Random problems and hostile input for a minute: `nox -s fuzz -- --minutes 30 --seed 7`."""
    prepare(session)
    session.run("python", "tools/fuzz.py", *(session.posargs or ("--minutes", "1")))


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, with warnings as errors."""
    prepare(session)
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", SITE)
    session.run("python", "tools/check_site.py", SITE)


@nox.session
def wheel(session: nox.Session) -> None:
    """The wheel as users get it: built, installed alone, and run outside the checkout."""
    with TemporaryDirectory() as folder:
        session.run("uv", "build", "--quiet", "--wheel", "--out-dir", f"{folder}/dist", str(HERE))
        (built,) = Path(folder, "dist").glob("*.whl")
        python = environment(session, Path(folder, "installed"), f"{built}[plots]")
        session.env["PYTHONPATH"] = ""
        with session.chdir(folder):
            session.run(python, "-c", f"import adlopt; assert {folder!r} in adlopt.__file__")
            session.run(str(Path(python).parent / "adlopt"), "demo")


@nox.session
def lite(session: nox.Session) -> None:
    """A JupyterLite site of the notebooks, in docs/_build/lite. Not among the checks: its packages
    are for nothing else.
    """
    with TemporaryDirectory() as folder:
        session.run("uv", "build", "--quiet", "--wheel", "--out-dir", f"{folder}/dist", str(HERE))
        (built,) = Path(folder, "dist").glob("*.whl")
        python = environment(session, Path(folder, "lite"), *LITE)
        session.run(python, "tools/browser_notebooks.py", f"{folder}/notebooks")
        where = ("--contents", "notebooks", "--output-dir", str(HERE / "docs/_build/lite"))
        command = (python, "-m", "jupyterlite_core", "build", "--no-sourcemaps")
        with session.chdir(folder):
            session.run(*command, *where, "--piplite-wheels", str(built))


@nox.session
def lowest(session: nox.Session) -> None:
    """Parts of the test suite with the lowest declared versions of all direct dependencies."""
    with TemporaryDirectory() as folder:
        python = environment(
            session, Path(folder, "lowest"), f"{HERE}[test]", "--resolution=lowest-direct"
        )
        session.run(python, "-m", "pytest", *OLD, *LOWEST)


def environment(session: nox.Session, folder: Path, *what: str) -> str:
    """A fresh environment with these packages in it; the path of its interpreter."""
    session.run("uv", "venv", "--quiet", "--clear", "--python", PYTHON, str(folder))
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    session.run("uv", "pip", "install", "--quiet", "--python", str(python), *what)
    return str(python.absolute())
