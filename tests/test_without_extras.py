"""Without numba, pyarrow, highspy and rich, as in a browser, small books are solved too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

BLOCKED = """
import sys

for name in ("numba", "llvmlite", "pyarrow", "highspy", "rich"):
    sys.modules[name] = None  # as if it were not installed
import adlopt as adl

problem = adl.examples.paper_problem(points=4096)
"""

CASES = {
    "factor_leverage": """
solution = adl.solve(problem)
assert solution.method == "factor_leverage" and abs(solution.value - 500.463260134) < 1e-6
""",
    "conic": """
solution = adl.solve(problem, method="conic")
assert abs(solution.value - 500.46326) < 1e-2
""",
    "water_filling": """
isolated = adl.Problem(problem.book.with_margin("isolated"), {"BTC": -10.0})
assert adl.solve(isolated).method == "water_filling"
""",
    "cvar and auto": """
scenarios = adl.Gaussian([[4.4e7, 8e5], [8e5, 5.6e4]], points=128)
tail = adl.Problem(problem.book, {"BTC": -10.0}, prices=scenarios, objective=adl.CVaR(0.9))
solution = adl.solve(tail)
assert solution.status == "optimal", solution
assert abs(solution.value - adl.solve(tail, method="conic").value) < 1e-5 * solution.value
""",
    "elliptical": """
prices = adl.Gaussian([[4.4e7, 8e5], [8e5, 5.6e4]])
normal = adl.Problem(problem.book, {"BTC": -10.0}, prices=prices)
assert adl.solve(normal).status == "optimal"
""",
    "compare and certify": """
table = adl.compare(problem, [adl.policies.ProRata(), adl.policies.Hyperliquid()])
assert len(table.to_frame()) == 3
assert adl.certify(problem, adl.solve(problem).allocation).gap < 1e-9
""",
}


@pytest.mark.parametrize("case", CASES)
def test_small_books_are_solved(case: str) -> None:
    code = BLOCKED + CASES[case]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
