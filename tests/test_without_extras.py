"""Without numba, pyarrow, highspy and rich, and without processes and threads, as in a browser,
small books are solved too.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

BLOCKED = """
import sys
import threading

def no_thread(self):
    raise RuntimeError("can't start new thread")

for name in ("numba", "llvmlite", "pyarrow", "highspy", "rich", "_multiprocessing"):
    sys.modules[name] = None  # as if it were not installed
threading.Thread.start = no_thread
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
    "work for several processes": """
from adlopt._internal.executors import run_tasks
assert run_tasks(divmod, [(7, 2), (9, 4)], workers=2) == [(3, 1), (2, 1)]
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


def test_indices_have_the_width_of_the_platform() -> None:
    # Python in a browser has 32 bits, and there numpy refuses indices of 64
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "adlopt").rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(r"\bnp\.int64\b", line)
    ]
    assert found == [], "write np.intp"
