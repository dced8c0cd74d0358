"""The checker: alone, short, and refusing whatever is false, malformed or hostile."""

from __future__ import annotations

import ast
import copy
import gzip
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import adlopt as adl
from adlopt.proof import checker
from tools.mutate_proofs import mutate, proofs

SOURCE = Path(checker.__file__)


@pytest.fixture(scope="module")
def file() -> dict[str, Any]:
    return proofs(2, 5)[1]


def run(path: Path, program: Path = SOURCE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(program), str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_it_is_short_and_needs_the_standard_library_alone() -> None:
    text = SOURCE.read_text()
    assert len(text.splitlines()) <= 150
    imported = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {str(name).split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_a_copy_outside_the_package_checks_a_saved_proof(tmp_path: Path) -> None:
    problem = adl.synthetic.problem(12, 2, scenarios=15, objective=adl.CVaR(0.8))
    proof = adl.prove(problem, adl.solve(problem))
    copied = tmp_path / "copy.py"
    copied.write_text(SOURCE.read_text())
    for name in ("proof.json", "proof.json.gz"):
        proof.save(tmp_path / name)
        done = run(tmp_path / name, copied)
        assert done.returncode == 0, done.stderr
        lines = dict(line.split(" = ", 1) for line in done.stdout.splitlines())
        decimal, exact = lines["value"].split(", exactly ")
        top, bottom = (int(part, 16) for part in exact.split("/"))
        assert Fraction(top, bottom) == proof.value
        assert float(decimal) == pytest.approx(float(proof.value), rel=1e-15)
        assert set(lines) == {"value", "lower_bound", "gap"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f["claims"].update(value="0x1/0x1"), "claimed value"),
        (lambda f: f["claims"].update(gap="0x1/0x3"), "claimed gap"),
        (lambda f: f["reduction"].__setitem__(0, 10 * f["size"][0]), "within bounds"),
        (lambda f: f["required"].__setitem__(0, f["required"][0] + 1), "sum to what is required"),
        (lambda f: f["equity"].__setitem__(0, -5), "equity: integers >= 1"),
        (lambda f: f["stress"].__setitem__(0, 1 << 130), "dual feasible"),
        (lambda f: f.update(format="adlopt exact proof 2"), "the format is"),
        (lambda f: f["moves"].pop(), "sizes agree"),
        (lambda f: f["fund"].__setitem__(0, 0.5), "fund: integers"),
        (lambda f: f["fund"].__setitem__(0, True), "fund: integers"),
        (lambda f: f["fund"].__setitem__(0, 1 << 5000), "fund: integers"),
        (lambda f: f["objective"][0].__setitem__(0, "evar"), "a cvar or a semideviation"),
        (lambda f: f["objective"][0].__setitem__(1, "-0x1p+0"), "convex and monotone"),
    ],
)
def test_the_first_false_statement_is_named(
    file: dict[str, Any], change: Any, message: str
) -> None:
    changed = copy.deepcopy(file)
    change(changed)
    with pytest.raises(ValueError, match=message):
        checker.check(changed)
    assert checker.check(file)


def test_stress_where_nothing_can_happen_is_refused(file: dict[str, Any]) -> None:
    changed = copy.deepcopy(file)
    changed["weight"][3], changed["stress"][3] = 0, 1
    with pytest.raises(ValueError, match="what cannot happen"):
        checker.check(changed)


def test_negative_indices_do_not_reach_around(file: dict[str, Any]) -> None:
    """In Python index -1 is the last entry: a position there would escape the sums."""
    for column in ("asset", "pool"):
        changed = copy.deepcopy(file)
        changed[column][0] = -1
        with pytest.raises(ValueError, match=r"sides agree|sum to what|within bounds"):
            checker.check(changed)


def test_work_beyond_the_limit_is_refused(file: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="within the limits"):
        checker.check(file, limit=1000)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xff",
        b"[" * 2_000_000,
        b'{"a":' * 500_000,
        gzip.compress(b"0" * (1 << 28), mtime=0),
        gzip.compress(b'{"format": 1}', mtime=0)[:-5],
        b'{"fund": [' + b"9" * 1_000_000 + b"]}",
        b'{"format": "adlopt exact proof 1", "units": [1000000000000, 1, 1, 1], "fund": [1]}',
    ],
    ids=lambda content: f"{content[:12]!r}",
)
def test_malformed_files_are_refused_without_a_traceback(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "proof.json"
    path.write_bytes(content)
    done = run(path)
    assert done.returncode == 1
    assert done.stderr.startswith("REFUSED: ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert run(tmp_path / "none.json").returncode == 1


def test_mutations_that_make_a_claim_false_are_refused() -> None:
    """`tools/mutate_proofs.py` does this ten thousand times."""
    outcomes = mutate(250, seed=11)
    assert sum(outcomes.values()) == 250
    assert outcomes["accepted, and true"] < 125


def test_text_survives_a_round_trip(file: dict[str, Any]) -> None:
    assert checker.check(json.loads(json.dumps(file))) == checker.check(file)
