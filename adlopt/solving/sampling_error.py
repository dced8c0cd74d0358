"""How far drawn scenarios can be trusted: the standard error of the objective, and drawing until it
is small enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt.errors import InputError
from adlopt.model.allocation import read_allocation
from adlopt.model.losses import objective_value
from adlopt.model.problem import Problem
from adlopt.prices.lognormal import LogNormal
from adlopt.prices.protocol import Resampleable
from adlopt.solving.solution import Solution

TINY = np.finfo(float).tiny
REPLICATES = 16
MOST_POINTS = 2**18


def standard_error(
    problem: Problem, allocation: pd.DataFrame, *, replicates: int = REPLICATES
) -> float:
    """Standard deviation, in money, of an allocation's objective over independent draws of as many
    scenarios.

    Zero where nothing is drawn: closed forms, scenarios given outright. `allocation` is a table as
    `certify` takes it.
    """
    model, reductions = problem.price_model, read_allocation(problem, allocation)
    if validation.as_finite("standard_error: replicates", replicates) < 2:
        raise InputError(
            f"standard_error: {replicates} replicates; two draws at least are needed to compare"
        )
    if problem.closed_form is not None or not isinstance(model, Resampleable):
        return 0.0
    draws = (replace(problem, prices=model.replicate(number)) for number in range(int(replicates)))
    return float(np.std([objective_value(draw, reductions) for draw in draws], ddof=1))


def sampled_enough(
    problem: Problem, solve: Callable[[Problem], Solution], tolerance: float
) -> Solution:
    """Solve with ever more points until the standard error at the answer is at most `tolerance`
    times the value.
    """
    model = problem.prices
    assert isinstance(model, LogNormal)
    seconds = 0.0
    while True:
        solution = solve(problem)
        seconds += solution.seconds
        assert solution.value is not None
        error = standard_error(problem, solution.allocation)
        allowed = tolerance * abs(solution.value)
        if error > allowed and model.points < MOST_POINTS:
            # At best the error falls as fast as the points grow.
            doublings = max(1, int(np.log2(min(error / max(allowed, TINY), MOST_POINTS))))
            model = replace(model, points=min(model.points * 2**doublings, MOST_POINTS))
            problem = replace(problem, prices=model)
            continue
        share = error / max(abs(solution.value), TINY)
        said = (
            f"standard error {error:,.3g} ({share:.2g} of the value) with {model.points:,} points"
        )
        if error > allowed:
            said += f": still above the tolerance {tolerance:g}, and no more are drawn; ask for less accuracy"
        return replace(
            solution,
            standard_error=error,
            details={**solution.details, "sampling": said},
            status=solution.status if error <= allowed else "unproven",
            seconds=seconds,
        )
