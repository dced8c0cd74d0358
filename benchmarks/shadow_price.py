"""Claim: shadow prices solve the cross-margin problem at exchange scale in seconds, each answer
proven.

The alternatives are HiGHS and Clarabel on the presolved program, in the same run, where they end
within minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from os import environ

import numpy as np

import adlopt as adl
from adlopt.datasets import examples, synthetic
from benchmarks.measure import Row, Size, alone

SCENARIOS = 1000
SLOPE = 1.1
FIRST_CALL, NEXT_CALL = 8.0, 0.02  # seconds, the paper's example
PAPER = """
import time; started = time.perf_counter()
from benchmarks.shadow_price import paper
paper(); print(time.perf_counter() - started)
"""


def run(size: Size) -> Iterator[Row]:
    scenarios = size.pick(100, SCENARIOS, SCENARIOS)
    compared: list[tuple[str, adl.Objective, float, dict[str, float]]] = [
        ("expected loss", adl.ExpectedLoss(), 1e-6, {"HIGHS": 5.0, "CLARABEL": 8.0}),
        ("CVaR 99 %", adl.CVaR(0.99), 1e-5, {"HIGHS": 2.0}),
    ]
    for name, objective, tolerance, floor in compared:
        pools = size.pick(100, 2000, 10_000)
        (ours, seconds), memory = alone(
            solved, "shadow_price", None, pools, scenarios, 5, 5, 5, objective, tolerance
        )
        faster = {}
        at = f"{pools:,} x {scenarios:,} x 5"
        for solver in floor:
            (other, slow), slow_memory = alone(
                solved, "conic", solver, pools, scenarios, 5, 5, 5, objective, tolerance
            )
            faster[solver] = slow / seconds
            yield Row(
                f"{name}, {solver}",
                at,
                slow,
                {"gap": f"{other.gap:.1e}", "MiB": f"{slow_memory:.0f}"},
            )
        figures = {"gap": f"{ours.gap:.1e}", "MiB": f"{memory:.0f}"}
        figures |= {f"times {solver}": f"{ratio:.1f}" for solver, ratio in faster.items()}
        met = ours.gap <= tolerance and all(
            faster[solver] >= least for solver, least in floor.items()
        )
        yield Row(name, at, seconds, figures, holds=met if size.full else None)

    # what, pools, assets, held, reduced, objective, gap, seconds, MiB
    large: list[tuple[str, int, int, int, int, adl.Objective, float, float, float]] = [
        ("expected loss", 100_000, 5, 5, 5, adl.ExpectedLoss(), 1e-6, 10.0, 3 * 1024),
        (
            "expected loss, 5 of 100 assets held",
            100_000,
            100,
            5,
            100,
            adl.ExpectedLoss(),
            1e-5,
            30.0,
            np.inf,
        ),
        ("CVaR 99 %", 100_000, 5, 5, 5, adl.CVaR(0.99), 1e-4, 60.0, np.inf),
        ("one reduced asset", 1_000_000, 5, 5, 1, adl.ExpectedLoss(), 1e-6, 30.0, np.inf),
        ("expected loss", 1_000_000, 5, 5, 5, adl.ExpectedLoss(), 1e-5, 120.0, 14 * 1024),
    ]
    for name, pools, assets, held, reduced, measure, tolerance, limit, memory_limit in large:
        count = size.pick(pools // 1000, pools // 50, pools)
        arguments = (
            "shadow_price",
            None,
            count,
            scenarios,
            assets,
            held,
            reduced,
            measure,
            tolerance,
        )
        (ours, seconds), memory = alone(solved, *arguments)
        met = ours.gap <= tolerance and seconds <= limit and memory <= memory_limit
        at = f"{count:,} x {scenarios:,} x {assets}"
        yield Row(
            name,
            at,
            seconds,
            {"gap": f"{ours.gap:.1e}", "MiB": f"{memory:.0f}"},
            holds=met if size.full else None,
        )

    counts = size.pick((100, 200), (1000, 3000, 10_000), (1000, 10_000, 100_000, 1_000_000))
    times = []
    for count in counts:
        arguments = ("shadow_price", None, count, scenarios, 5, 5, 5, adl.ExpectedLoss(), 1e-5)
        times.append(alone(solved, *arguments)[0][1])
    slope = float(np.polyfit(np.log(counts), np.log(times), 1)[0])
    at = f"{counts[0]:,} to {counts[-1]:,} pools"
    yield Row(
        "growth",
        at,
        times[-1],
        {"slope": f"{slope:.2f}"},
        holds=slope <= SLOPE if size.full else None,
    )

    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-c", PAPER]
        said = subprocess.run(
            command,
            env={**environ, "NUMBA_CACHE_DIR": cache},
            capture_output=True,
            text=True,
            check=True,
        )
    first = float(said.stdout)
    yield Row(
        "paper's example, first call, nothing compiled",
        "4 accounts",
        first,
        holds=first <= FIRST_CALL,
    )
    again = min(paper()[1] for _ in range(6))
    yield Row("paper's example", "4 accounts", again, holds=again <= NEXT_CALL)


def paper() -> tuple[adl.Solution, float]:
    """The paper's four accounts under its lognormal prices, and the seconds that the call took."""
    problem = adl.Problem(
        examples.paper_book(), examples.PAPER_REDUCTION, prices=examples.paper_lognormal()
    )
    started = time.perf_counter()
    answer = adl.solve(problem, "shadow_price")
    return answer, time.perf_counter() - started


def solved(
    method: str,
    solver: str | None,
    pools: int,
    scenarios: int,
    assets: int,
    held: int,
    reduced: int,
    objective: adl.Objective,
    tolerance: float,
) -> tuple[adl.Solution, float]:
    """A solution of the benchmark book, and its seconds once imports and compilation are done."""

    def problem(pools: int, scenarios: int) -> adl.Problem:
        return synthetic.problem(
            pools,
            assets,
            held=held,
            scenarios=scenarios,
            reduced_assets=reduced,
            objective=objective,
        )

    adl.solve(problem(200, 100), method, solver=solver)
    stated = problem(pools, scenarios)
    started = time.perf_counter()
    answer = adl.solve(stated, method, solver=solver, tolerance=tolerance)
    return answer, time.perf_counter() - started
