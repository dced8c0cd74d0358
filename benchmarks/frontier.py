"""Claim: a sweep of 100 reductions takes at most a fifth of the time of 100 separate builds, with
equal values.

The alternative states each problem anew, builds its cvxpy program and solves it by Clarabel.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

import adlopt as adl
from adlopt.datasets import synthetic
from benchmarks.measure import Row, Size

RATIO, SAME_VALUE = 5.0, 1e-6


def run(size: Size) -> Iterator[Row]:
    accounts, scenarios, points = size.pick((20, 50, 3), (200, 500, 20), (200, 500, 100))
    problem = synthetic.problem(accounts, scenarios=scenarios)
    multiples = np.linspace(0.1, 2.5, points)
    adl.frontier(problem, multiples=[1.0])
    adl.solve(problem, "conic")
    started = time.perf_counter()
    values = []
    for multiple in multiples:
        reduction = {asset: multiple * contracts for asset, contracts in problem.reduction.items()}
        values.append(
            adl.solve(adl.Problem(problem.book, reduction, prices=problem.prices), "conic").value
        )
    alone = time.perf_counter() - started
    at = f"{accounts} x {scenarios} x 5, {points} points"
    yield Row("a build per point", at, alone)
    for method in ("auto", "conic"):
        started = time.perf_counter()
        table = adl.frontier(problem, multiples=multiples, method=method).table
        seconds = time.perf_counter() - started
        difference = float(np.abs(table["value"] / np.array(values) - 1).max())
        proven = bool((table["status"] == "optimal").all())
        figures = {
            "method": ", ".join(table["method"].unique()),
            "times faster": f"{alone / seconds:.1f}",
            "relative difference": f"{difference:.1e}",
            "proven": str(proven),
        }
        met = alone >= RATIO * seconds and difference <= SAME_VALUE and proven
        yield Row(
            f"frontier, {method}", at, seconds, figures, holds=met if method == "auto" else None
        )
