"""A cache of compiled code that cannot be written or read costs time, and never the answer."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

KERNEL = """
from adlopt._internal.parallel import jit

@jit
def double(x):
    return {factor} * x
"""

CALLER = """
from adlopt._internal.parallel import jit
from kernel import double

@jit
def double_and_one(x):
    return double(x) + 1.0
"""

DELAYED = """
import sys
import numpy as np
from fill import fill
out = np.zeros(3)
fill.compiled = "compile" in sys.argv
fill(np.arange(3), out)
assert (out == 1.0).all()
print(fill.compiled, sum(fill.dispatcher.stats.cache_hits.values()))
"""

FILL = """
from adlopt._internal.parallel import jit_loop

@jit_loop
def fill(items, out):
    for i in items:
        out[i] += 1.0
"""

RUN = """
import sys, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from caller import double, double_and_one
    assert (double_and_one(2.0), double(3)) == ({expected}), double_and_one(2.0)
    assert double_and_one(3) == double_and_one(3.0)  # a second signature
for warning in caught:
    print(f"{{warning.category.__name__}}: {{warning.message}}")
print("hits", sum(double_and_one.stats.cache_hits.values()), double_and_one.stats.cache_path)
"""


class Place:
    """A folder with two small modules of compiled functions, and the directories numba may use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user, self.temporary, self.own = folder / "user", folder / "tmp", folder / "own"
        for each in (self.user, self.temporary):
            each.mkdir()
        self.write(factor=2)
        (folder / "caller.py").write_text(CALLER)

    def write(self, factor: int) -> None:
        (self.folder / "kernel.py").write_text(KERNEL.format(factor=factor))

    def block(self, *paths: Path) -> None:
        """Put a file where a directory is wanted: not even root can write into it."""
        for path in paths:
            if path.exists():
                path.rmdir()
            path.write_text("")

    @property
    def in_tree(self) -> Path:
        return self.folder / "__pycache__"

    def run(self, expected: str = "5.0, 6", limit: bool = False, **environment: str) -> list[str]:
        """Lines printed: warnings, then the number of cache hits and the directory."""
        code = RUN.format(expected=expected)
        if limit:  # as on a full disk: files can be created, and nothing written into them
            code = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n{code}"
        done = subprocess.run(
            [sys.executable, "-B", "-c", code],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT}:{self.folder}",
                "XDG_CACHE_HOME": str(self.user),
                "HOME": str(self.user),
                "TMPDIR": str(self.temporary),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_machine_code_is_stored_beside_the_source(place: Place) -> None:
    assert place.run() == [f"hits 0 {place.in_tree}"]
    assert place.run() == [f"hits 2 {place.in_tree}"]


def test_a_change_of_a_called_function_is_noticed(place: Place) -> None:
    """The calling function's own file stays as it was."""
    place.run()
    place.write(factor=3)
    assert place.run(expected="7.0, 9")[0].startswith("hits 0")


def test_a_delayed_loop_runs_in_python_unless_its_machine_code_is_stored(tmp_path: Path) -> None:
    (tmp_path / "fill.py").write_text(FILL)

    def run(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-B", "-c", DELAYED, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}", "NUMBA_DISABLE_JIT": "0"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert run() == "False 0"
    assert run("compile") == "True 0"
    assert run() == "True 1"


def test_directory_given_by_the_user_cannot_be_written(place: Place) -> None:
    place.block(place.own)
    assert place.run(NUMBA_CACHE_DIR=str(place.own)) == [f"hits 0 {place.in_tree}"]


def test_package_cannot_be_written(place: Place) -> None:
    place.block(place.in_tree)
    (line,) = place.run()
    assert str(place.user) in line


def test_neither_package_nor_home_can_be_written(place: Place) -> None:
    place.block(place.in_tree, place.user)
    warning, line = place.run()
    assert warning.startswith(
        "RuntimeWarning: Machine code cannot be stored in numba's directories"
    )
    assert "NUMBA_CACHE_DIR" in warning
    assert str(place.temporary / "adlopt-numba-") in line
    (directory,) = place.temporary.glob("adlopt-numba-*")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert place.run()[1].startswith("hits 2")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no owners of files")
def test_stored_code_of_others_is_not_trusted(place: Place) -> None:
    """Reading stored code executes it: a directory that others can write is not used."""
    place.block(place.in_tree, place.user)
    directory = place.temporary / f"adlopt-numba-{os.getuid()}"
    directory.mkdir()
    directory.chmod(0o777)
    assert place.run()[1] == "hits 0 None"
    assert not list(directory.iterdir())


def test_nothing_can_be_written(place: Place) -> None:
    place.block(place.in_tree, place.user)
    (place.temporary / f"adlopt-numba-{os.getuid()}").write_text("")
    warning, line = place.run()
    assert warning.startswith("RuntimeWarning")
    assert line == "hits 0 None"


def test_full_disk(place: Place) -> None:
    warning, line = place.run(limit=True)
    assert warning.startswith(f"RuntimeWarning: Machine code cannot be stored in {place.in_tree}")
    assert line == "hits 0 None"


@pytest.mark.parametrize("ending", ["*.nbi", "*.nbc"])
def test_damaged_files_are_replaced(place: Place, ending: str) -> None:
    place.run()
    stored = sorted(place.in_tree.glob(ending))
    assert len(stored) >= 2
    for path, content in zip(stored, (b"", stored[1].read_bytes()[:-100], b"x"), strict=False):
        path.write_bytes(content)
    warning, _ = place.run()
    assert warning.startswith(f"RuntimeWarning: Stored machine code in {place.in_tree} cannot be")
    assert place.run() == [f"hits 2 {place.in_tree}"]
