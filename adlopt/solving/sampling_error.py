"""The sampling error of a value: what fresh draws of the scenarios say, and drawing more points
until the error is small enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.allocation import AnyAllocation, read_allocation
from adlopt.model.losses import objective_value
from adlopt.model.problem import Problem
from adlopt.prices.protocol import Refinable, Resampleable, ScenarioKind, scenario_kind
from adlopt.solving.solution import Solution

Valuation = Literal["closed form"] | ScenarioKind
"""How a problem's value is computed: "closed form", or from scenarios of one of the four kinds."""


@dataclass(frozen=True)
class SamplingSettings:
    """Effort spent on sampling errors."""

    replicates: int = 16
    """Independent draws behind a standard error. With 16, its own relative error is 18 %."""
    min_replicates: int = 8
    """Fewer draws than this say too little (27 % at 8): `solve` then leaves the error unknown."""
    max_pairs: int = 2_000_000_000
    """(position, scenario) pairs that `solve` spends on the error, 1 to 2 seconds on two cores."""
    max_scenarios: int = 2**18
    """Scenarios beyond which `solve(sampling_tolerance=)` draws no more."""
    refinement: int = 16
    """Factor between the two numbers of strata that are compared where nothing is random. With 4,
    the phase of a kink within its stratum can hide three quarters of the error."""


SETTINGS = SamplingSettings()
TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class SamplingError:
    """What is known about the sampling error of one allocation's value."""

    valuation: Valuation
    standard_error: float | None
    """In money; 0.0 where the value is exact, None where the error is unknown."""
    fresh_value: float | None = None
    """Mean value of the allocation over the fresh draws, where there are any."""
    replicates: int = 0

    def describe(self) -> str:
        """One sentence for the solution's details; empty where the value is exact."""
        if self.valuation in ("closed form", "given"):
            return ""
        if self.standard_error is None:
            return "sampling error unknown"
        if self.valuation == "stratified":
            return f"discretisation error {self.standard_error:,.3g}, from a finer stratification"
        return (
            f"standard error {self.standard_error:,.3g} over {self.replicates} fresh draws, "
            f"which average {self.fresh_value:,.8g}"
        )


def valuation(problem: Problem) -> Valuation:
    """How the objective is computed: in closed form or from scenarios, and what kind those are."""
    return "closed form" if problem.closed_form else scenario_kind(problem.price_model)


def standard_error(
    problem: Problem,
    allocation: AnyAllocation,
    *,
    replicates: int = SETTINGS.replicates,
) -> float | None:
    """Sampling error of an allocation's objective, in money.

    Parameters
    ----------
    problem : Problem
        With a price model.
    allocation : Solution, DataFrame or array
        A solution, its table, or reductions (e,) in contracts by eligible position.
    replicates : int
        Independent draws, at least 2.

    Returns
    -------
    float or None
        Drawn scenarios: the standard deviation of the objective over independent draws of as many
        scenarios. Strata of a continuous shock, where nothing is random: the change of the
        objective with 16 times as many strata. Exactly 0.0 for closed forms and for scenarios
        that are given. None if the model has drawn its scenarios and cannot draw again.

    Raises
    ------
    InputError
        Fewer than two replicates, or a table that does not fit the problem.
    NotApplicable
        The problem has no price model.

    Examples
    --------
    >>> import adlopt as adl
    >>> prices = adl.examples.paper_lognormal(points=4096)
    >>> problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices)
    >>> error = adl.standard_error(problem, adl.solve(problem))
    >>> 0 < error < 0.05 * adl.solve(problem).value
    True
    """
    if validation.as_finite("standard_error: replicates", replicates) < 2:
        raise InputError(
            f"standard_error: replicates is {replicates}; comparing draws takes at least two"
        )
    return estimate(problem, read_allocation(problem, allocation), int(replicates)).standard_error


def estimate(problem: Problem, reductions: FloatArray, replicates: int) -> SamplingError:
    """The sampling error at reductions (e,), from this many fresh draws."""
    kind, model = valuation(problem), problem.price_model
    if kind in ("closed form", "given"):
        return SamplingError(kind, 0.0)
    if kind == "stratified" and isinstance(model, Refinable):
        finer = problem.with_prices(model.refined(SETTINGS.refinement))
        change = objective_value(finer, reductions) - objective_value(problem, reductions)
        return SamplingError(kind, abs(change))
    # A mixture with a model that says nothing is unknown, although it has fresh draws of the rest.
    if kind == "unknown" or not isinstance(model, Resampleable):
        return SamplingError(kind, None)
    draws = (problem.with_prices(model.replicate(number)) for number in range(replicates))
    values = np.array([objective_value(draw, reductions) for draw in draws])
    error = float(np.std(values, ddof=1))
    return SamplingError(kind, error, float(values.mean()), replicates)


def with_standard_error(problem: Problem, solution: Solution) -> Solution:
    """The solution with the standard error of its value, if that costs little; else None."""
    if solution.value is None:
        return solution
    kind = valuation(problem)
    if kind in ("closed form", "given"):
        return replace(solution, standard_error=0.0)
    pairs = problem.book.size.size * problem.scenarios.weights.size
    if kind == "stratified":
        pairs *= SETTINGS.refinement // SETTINGS.min_replicates  # one finer value
    replicates = min(SETTINGS.replicates, SETTINGS.max_pairs // max(pairs, 1))
    if replicates < SETTINGS.min_replicates:
        return _noted(solution, SamplingError(kind, None))
    started = time.perf_counter()
    error = estimate(problem, solution.allocation["reduction"].to_numpy(np.float64), replicates)
    seconds = solution.seconds + time.perf_counter() - started
    return _noted(replace(solution, seconds=seconds), error)


def solve_with_enough_points(
    problem: Problem, solve: Callable[[Problem], Solution], sampling_tolerance: Any
) -> Solution:
    """Solve with more and more points until the sampling error at the answer is at most
    `sampling_tolerance` times its value.

    Where the value has a closed form and the allocation alone comes from drawn scenarios, the
    relative gap is what sampling costs, and takes the place of the error.
    """
    tolerance = validation.as_positive("solve: sampling_tolerance", sampling_tolerance)
    if problem.prices is None:  # nothing is sampled
        return solve(problem)
    model = problem.price_model
    exact_value = valuation(problem) in ("closed form", "given")
    if not exact_value and not isinstance(model, Refinable):
        raise InputError(
            f"solve: sampling_tolerance needs a price model that can draw more points; "
            f"{type(model).__name__} has no method refined(factor)"
        )
    seconds = 0.0
    while True:
        solution = solve(problem)
        seconds += solution.seconds
        if solution.value is None:
            return solution
        reductions = solution.allocation["reduction"].to_numpy(dtype=np.float64)
        error = estimate(problem, reductions, SETTINGS.replicates)
        share = _relative_error(solution, error)
        factor = _refinement(problem, share, tolerance)
        if share <= tolerance or factor < 2 or not isinstance(model, Refinable):
            break
        model = model.refined(factor)
        problem = problem.with_prices(model)
    return _judged(replace(solution, seconds=seconds), problem, error, share, tolerance)


def _relative_error(solution: Solution, error: SamplingError) -> float:
    """Sampling error as a share of the value; infinite where it is unknown."""
    assert solution.value is not None
    if error.valuation == "closed form":
        return float(solution.gap or 0.0)
    if error.standard_error is None:
        return np.inf
    return error.standard_error / max(abs(solution.value), TINY)


def _refinement(problem: Problem, share: float, tolerance: float) -> int:
    """How many times as many points to draw next: a power of two, 1 if there is no room left.

    At best the error falls as fast as the number of points grows.
    """
    room = SETTINGS.max_scenarios // max(problem.scenarios.weights.size, 1)
    needed = min(share / tolerance, float(SETTINGS.max_scenarios))
    doublings = max(1, int(np.log2(max(needed, 1.0))))
    return int(2 ** min(doublings, int(np.log2(max(room, 1)))))


def _judged(
    solution: Solution, problem: Problem, error: SamplingError, share: float, tolerance: float
) -> Solution:
    """The solution with its error, and "unproven" if that exceeds the tolerance."""
    solution = _noted(solution, error)
    if share <= tolerance:
        return solution
    count = problem.scenarios.weights.size
    said = (
        f"with {count:,} scenarios the sampling error is {share:.2g} of the value, still above "
        f"the tolerance {tolerance:g}, and no more are drawn; allow a larger sampling_tolerance"
    )
    details = {**solution.details, "sampling": said}
    return replace(solution, status="unproven", details=details)


def _noted(solution: Solution, error: SamplingError) -> Solution:
    sentence = error.describe()
    details = {**solution.details, "sampling": sentence} if sentence else solution.details
    return replace(solution, standard_error=error.standard_error, details=details)
