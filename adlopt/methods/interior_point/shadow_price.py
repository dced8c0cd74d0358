"""Shadow prices: the general cross-margin problem, taken apart by what one more contract of each
asset costs.

At given prices of the reduced assets every pool has a small problem of its own. An interior-point
path leads to the
prices at which their answers add up to the reduction: on it each pool's barrier problem is solved
to the end, with steps
of its own length, and only the prices move by a common Newton step. One step length for all, as in
a textbook
interior-point method, is set by the worst of a hundred thousand pools and stalls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adlopt._internal.arrays import BoolArray
from adlopt._internal.progress import Progress
from adlopt.errors import NotApplicable
from adlopt.methods import elliptical_solver, merit_order
from adlopt.methods.interior_point.blocks import build
from adlopt.methods.interior_point.path import Path
from adlopt.methods.interior_point.tail import Tail, candidates, parts
from adlopt.methods.repair import restore_feasibility, typical_loss
from adlopt.methods.result import Refusal, Result, Settings
from adlopt.model.losses import scenario_losses
from adlopt.model.problem import Problem
from adlopt.presolve.pairs import Presolved, presolve
from adlopt.proof.multipliers import Multipliers

REMEDY = "use method='conic'"

ROUGH = 1e-2  # relative gap at which candidates for the tail are told from the rest
MISSED = 0.1  # in tolerances: what scenarios that are no candidates may add to the value


def reason_not_applicable(problem: Problem) -> str | None:
    """Why the method does not apply, or None if it does."""
    if problem.prices is None:
        return "the problem has no price model"
    if parts(problem.objective) is None:
        return f"the objective {problem.objective} is not a mixture of expected loss and CVaRs"
    if problem.insurance_fund > 0:
        return "an insurance fund couples all pools in every scenario"
    return None


@dataclass(frozen=True)
class ShadowPrice:
    """The plan: find the shadow prices."""

    problem: Problem

    def solve(self, settings: Settings) -> Result:
        return solve(self.problem, tolerance=settings.tolerance)


def plan(problem: Problem) -> ShadowPrice | Refusal:
    """The plan of this method, or why there is none."""
    reason = reason_not_applicable(problem)
    return ShadowPrice(problem) if reason is None else Refusal(reason, REMEDY)


def solve(
    problem: Problem, *, tolerance: float = 1e-6, presolved: Presolved | None = None
) -> Result:
    """Follow the central path until the relative gap is proven to be at most `tolerance`.

    `presolved` spares a sweep over reductions the presolve, which depends on the boxes alone.
    """
    reason = reason_not_applicable(problem)
    if reason is not None:
        raise NotApplicable(f"shadow_price: {reason}; {REMEDY}")
    law = elliptical_solver.radial(problem)
    if law is not None:
        return elliptical_solver.solve(problem, law, tolerance=tolerance)
    with Progress("shadow prices") as progress:
        progress.report("presolve")
        presolved = presolve(problem) if presolved is None else presolved
        tail = any(level > 0 for _, _, level in parts(problem.objective) or [])
        if problem.reduced_assets.size == 1 and not tail:
            return merit_order.solve(problem, presolved)
        unit = typical_loss(problem)
        if not tail:
            return _follow(
                problem,
                presolved,
                unit,
                np.zeros(presolved.constant.size, dtype=bool),
                tolerance,
                progress,
            )
        return _with_candidates(problem, presolved, unit, tolerance, progress)


def _with_candidates(
    problem: Problem, presolved: Presolved, unit: float, tolerance: float, progress: Progress
) -> Result:
    """Solve with few scenarios in the tail, add those that reach it nevertheless, and again."""
    objective, weights = problem.objective, problem.scenarios.weights
    live = candidates(objective, scenario_losses(problem, problem.pro_rata()), weights)
    aim = tolerance if live[weights > 0].all() else max(tolerance, ROUGH)
    while True:
        result = _follow(problem, presolved, unit, live, aim, progress)
        losses = scenario_losses(problem, result.allocation)
        value = objective.value(losses, weights)
        missed = value - Tail(objective, weights, losses, live).value(losses)
        reached = live | candidates(objective, losses, weights)
        complete = bool(
            (reached == live).all()
        )  # what is missed then is rounding, of a value that may be zero
        if aim == tolerance and (complete or missed <= MISSED * tolerance * value):
            return result
        if complete or missed <= MISSED * aim * value:
            aim = tolerance
        live = reached


def _follow(
    problem: Problem,
    presolved: Presolved,
    unit: float,
    live: BoolArray,
    tolerance: float,
    progress: Progress,
) -> Result:
    """The end of the path with the scenarios `live` (S,) as candidates for the tail."""
    weights = problem.scenarios.weights
    notes = []
    for careful in (False, True):
        tail = Tail(problem.objective, weights, presolved.constant / unit, live)
        blocks = build(problem, presolved, tail.stress, unit)
        if not blocks.program.share.size:  # every position is taken whole
            return Result(
                allocation=restore_feasibility(problem, problem.max_reduction),
                details={"presolve": str(presolved)},
            )
        path = Path(blocks, tail, careful)
        notes.append(path.follow(tolerance, progress.report))
        if path.proven:
            break
    fraction = np.ones(problem.eligible.size)
    inside = blocks.column >= 0
    fraction[inside] = path.point.y[blocks.column[inside]]
    return Result(
        allocation=restore_feasibility(problem, fraction * problem.max_reduction),
        multipliers=Multipliers(
            stress=path.tail.by_term(),
            uncovered=np.ones(weights.size),
            pool=blocks.pool,
            scenario=blocks.program.scenario,
            weight=path.shares(),
        ),
        details={"presolve": str(presolved), "path": ", then ".join(notes)},
    )
