"""Sequential quadratic programming for exponential measures (entropic risk, EVaR) of small books.

Interior-point solvers stall on exponential cones when losses differ by orders of magnitude, or when
theta times the loss is tiny or huge. Here the cones are replaced by second-order models of the
measures at the current losses (`objectives.quadratic_model`): every step is a convex quadratic
program over the exact hinges, and a line search on the exact objective makes it a descent method.
The hinges' multipliers of a step prove its answer, as those of the cone program would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.errors import SolverFailed
from adlopt.methods.result import Result
from adlopt.methods.scenario_program import Program
from adlopt.model.losses import losses_beyond_fund, objective_value
from adlopt.model.problem import Problem
from adlopt.objectives.quadratic_model import QuadraticModel


@dataclass(frozen=True)
class SequentialTuning:
    """Numbers of the method."""

    iterations: int = 40
    """Most quadratic programs. Books of real accounts need 1 to 3; more where EVaR is a worst case
    at the optimum, so its t tends to zero."""
    decrease: float = 1e-12
    """Relative to the value: a predicted decrease below it ends the iterations."""
    shortest_step: float = 1e-6
    """Relative step of the line search below which the direction is of no use."""
    gap: float = 1e-9
    """Proven relative gap at which the iterations end."""


Step = Callable[[dict[int, QuadraticModel]], tuple[Program, Result]]


def applies(problem: Problem) -> bool:
    """Whether every term that needs an exponential cone has a second-order model."""
    losses = np.arange(problem.scenarios.weights.size, dtype=np.float64)
    return all(
        term.local_model(losses, problem.scenarios.weights) is not None
        for _, term in problem.objective.terms
        if term.cone == "exponential"
    )


def solve(
    problem: Problem,
    start: Result,
    step: Step,
    gap: Callable[[Result], float],
    tuning: SequentialTuning | None = None,
) -> Result:
    """Improve a feasible start; the best answer by its gap.

    `step` solves the program with models in place of terms of the objective. It raises SolverFailed
    if it cannot, or if the time is up.
    """
    numbers = tuning or SequentialTuning()
    allocation, value = start.allocation, objective_value(problem, start.allocation)
    best, best_gap = start, gap(start)
    for _ in range(numbers.iterations):
        models = _models(problem, losses_beyond_fund(problem, allocation))
        if best_gap <= numbers.gap or models is None:
            break
        try:
            program, found = step(models)
        except SolverFailed:
            break
        length = _line_search(problem, allocation, found.allocation, value, numbers)
        moved = allocation + length * (found.allocation - allocation)
        for candidate in _candidates(problem, found._replace(allocation=moved)):
            proven = gap(candidate)
            if proven < best_gap:
                best, best_gap = candidate, proven
        predicted = value - float(program.model.value)
        if length == 0.0 or predicted <= numbers.decrease * abs(value):
            break
        allocation, value = moved, objective_value(problem, moved)
    return best


def _models(problem: Problem, losses: FloatArray) -> dict[int, QuadraticModel] | None:
    """Models of the exponential terms by number; None if one has none at these losses."""
    models: dict[int, QuadraticModel] = {}
    for number, (_, term) in enumerate(problem.objective.terms):
        if term.cone == "exponential":
            model = term.local_model(losses, problem.scenarios.weights)
            if model is None:
                return None
            models[number] = model
    return models


def _candidates(problem: Problem, result: Result) -> list[Result]:
    """The result with the program's stresses, and with exact subgradients at its losses."""
    if result.multipliers is None:
        return [result]
    losses = losses_beyond_fund(problem, result.allocation)
    exact = tuple(
        term.subgradient(losses, problem.scenarios.weights) if term.smooth else stress
        for (_, term), stress in zip(
            problem.objective.terms, result.multipliers.stress, strict=True
        )
    )
    return [result, result._replace(multipliers=result.multipliers._replace(stress=exact))]


def _line_search(
    problem: Problem,
    start: FloatArray,
    end: FloatArray,
    value: float,
    numbers: SequentialTuning,
) -> float:
    """The first of 1, 1/2, 1/4, ... at which the objective does not rise; 0 if there is none."""
    length = 1.0
    while length >= numbers.shortest_step:
        if objective_value(problem, start + length * (end - start)) <= value:
            return length
        length /= 2
    return 0.0
