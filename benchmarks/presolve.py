"""Claim: the exact presolve makes the scenario program hundreds of times faster to solve, with the
same optimum.

The alternative is the same program with a hinge for every pool-scenario pair, built by cvxpy and
solved by Clarabel.
Then, on the presolved program, Clarabel against HiGHS: equal values, both proven, within a memory
budget.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import adlopt as adl
from adlopt.datasets import synthetic
from benchmarks.measure import Row, Size, alone

SPEED_UP, SAME_OPTIMUM, GAP, MEMORY_MIB = 200.0, 1e-7, 1e-6, 1536.0


def run(size: Size) -> Iterator[Row]:
    pools, scenarios = size.pick((50, 50), (200, 300), (1000, 1000))
    (fast, seconds), fast_memory = alone(solved, pools, scenarios, None, True)
    (slow, slow_seconds), slow_memory = alone(solved, pools, scenarios, None, False)
    ratio, difference = slow_seconds / seconds, abs(fast.value / slow.value - 1)
    at = f"{pools:,} x {scenarios:,} x 5"
    yield Row(
        "every pair a hinge",
        at,
        slow_seconds,
        {"value": f"{slow.value:.10g}", "MiB": f"{slow_memory:.0f}"},
    )
    yield Row(
        "presolved",
        at,
        seconds,
        {
            "value": f"{fast.value:.10g}",
            "gap": f"{fast.gap:.1e}",
            "MiB": f"{fast_memory:.0f}",
            "times faster": f"{ratio:.0f}",
            "relative difference": f"{difference:.1e}",
        },
        holds=ratio >= SPEED_UP and difference <= SAME_OPTIMUM
        if size.full
        else difference <= SAME_OPTIMUM,
    )
    for name, method, solver in (
        ("presolved, HIGHS", "conic", "HIGHS"),
        ("shadow_price", "shadow_price", None),
    ):
        (other, seconds), memory = alone(solved, pools, scenarios, solver, True, method)
        difference = abs(other.value / slow.value - 1)
        figures = {
            "value": f"{other.value:.10g}",
            "gap": f"{other.gap:.1e}",
            "MiB": f"{memory:.0f}",
        }
        figures |= {
            "times faster": f"{slow_seconds / seconds:.0f}",
            "relative difference": f"{difference:.1e}",
        }
        yield Row(name, at, seconds, figures)
    pools, scenarios = size.pick((100, 300), (2000, 1000), (10_000, 1000))
    at = f"{pools:,} x {scenarios:,} x 5"
    values = []
    for solver in ("HIGHS", "CLARABEL"):
        (answer, seconds), memory = alone(solved, pools, scenarios, solver, True)
        values.append(answer.value)
        difference = abs(answer.value / values[0] - 1)
        figures = {
            "value": f"{answer.value:.10g}",
            "gap": f"{answer.gap:.1e}",
            "MiB": f"{memory:.0f}",
        }
        figures["relative difference"] = f"{difference:.1e}"
        holds = answer.gap <= GAP and difference <= SAME_OPTIMUM and memory <= MEMORY_MIB
        yield Row(f"presolved, {solver}", at, seconds, figures, holds=holds)


def solved(
    pools: int, scenarios: int, solver: str | None, presolve: bool, method: str = "conic"
) -> tuple[adl.Solution, float]:
    """A solution of the benchmark book, and its seconds once imports and compilation are done."""
    adl.solve(synthetic.problem(20, scenarios=200), method, solver=solver, presolve=presolve)
    problem = synthetic.problem(pools, scenarios=scenarios)
    started = time.perf_counter()
    answer = adl.solve(problem, method, solver=solver, presolve=presolve)
    return answer, time.perf_counter() - started
