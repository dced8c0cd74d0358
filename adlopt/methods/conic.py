"""The problem as a cvxpy program: any scenario problem, any convex objective, any convex constraint of the user's."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import scipy.sparse as sp

from adlopt._tables import FloatArray, IntArray
from adlopt.errors import SolverFailed
from adlopt.methods.feasible import repaired, typical_loss
from adlopt.methods.presolve import Pairs, Presolved, presolve
from adlopt.methods.result import Multipliers, Result
from adlopt.objectives import ExpectedLoss
from adlopt.problem import Problem


class Model(cp.Problem):  # type: ignore[misc]
    """A cvxpy.Problem that also knows what its variables mean.

    `allocation` (e,): reductions in contracts, signed, an expression; row by row those of the table `positions`.
    `loss` (S,): the exchange's loss by scenario beyond the insurance fund, in money, a convex expression.
    Add constraints as with any cvxpy problem: cp.Problem(model.objective, model.constraints + [...]).solve().
    """

    def __init__(
        self, objective: cp.Minimize, constraints: list[cp.Constraint], allocation: cp.Expression, loss: cp.Expression,
        positions: pd.DataFrame,
    ) -> None:  # fmt: skip
        super().__init__(objective, constraints)
        self.allocation = allocation
        self.loss = loss
        self.positions = positions


@dataclass(frozen=True, eq=False)
class Program:
    """A scaled scenario program with handles on what the certificate needs."""

    model: Model
    presolved: Presolved
    unit: float  # money per unit of the program
    hinges: cp.Constraint | None
    beyond_fund: cp.Constraint | None
    measures: tuple[cp.Constraint | None, ...]  # by term of the objective

    def multipliers(self, problem: Problem) -> Multipliers:
        """Dual variables, as probabilities and shares of them."""
        weights, terms = problem.scenarios.weights, problem.objective.terms
        stress = tuple(
            weights if measure is None else np.maximum(measure.dual_value, 0.0) / (self.unit * factor)
            for (factor, _), measure in zip(terms, self.measures, strict=True)
        )
        whole = sum((factor * w for (factor, _), w in zip(terms, stress, strict=True)), np.zeros(weights.size))
        uncovered = np.ones(weights.size)
        if self.beyond_fund is not None:
            uncovered = _share(self.beyond_fund.dual_value / self.unit, whole)
        linear, hinges = self.presolved.linear, self.presolved.hinges
        weight = np.empty(0)
        if self.hinges is not None:
            weight = _share(self.hinges.dual_value / self.unit, (whole * uncovered)[hinges.scenario])
        pool = np.concatenate([linear.pool, hinges.pool])
        order = np.argsort(pool, kind="stable")
        return Multipliers(
            stress=stress,
            uncovered=uncovered,
            pool=pool[order],
            scenario=np.concatenate([linear.scenario, hinges.scenario])[order],
            weight=np.concatenate([np.ones(linear.pool.size), weight])[order],
        )


def build(problem: Problem, *, presolved: Presolved, merge: bool) -> Program:
    """The scenario program in fractions of positions and units of a typical loss.

    With `merge`, pools whose every pair is settled share one variable per asset: right only if no constraint of the
    user's tells them apart.
    """
    unit = typical_loss(problem)
    fraction, allocation, column = _allocation(problem, presolved, merge)
    weights = problem.scenarios.weights
    shortfall, hinge_gather = _shortfall(problem, presolved.hinges, column, fraction.size, unit)
    linear_slope, linear_gather = _shortfall(problem, presolved.linear, column, fraction.size, unit)
    offset = presolved.constant / unit + linear_gather @ (presolved.linear.shortfall / unit)
    per_scenario = linear_gather @ linear_slope
    affine = offset + per_scenario @ fraction if per_scenario.nnz else cp.Constant(offset)

    constraints = [fraction >= 0, fraction <= 1, *_totals(problem, allocation)]
    hinges = beyond_fund = None
    exact = total = affine
    if presolved.hinges.pool.size:
        inside = presolved.hinges.shortfall / unit + shortfall @ fraction
        cost = cp.Variable(presolved.hinges.pool.size, nonneg=True, name="shortfall")
        hinges = cost >= inside
        constraints.append(hinges)
        total = affine + hinge_gather @ cost
        exact = affine + hinge_gather @ cp.pos(inside)
    if problem.insurance_fund > 0:
        fund = problem.insurance_fund / unit
        beyond = cp.Variable(weights.size, nonneg=True, name="loss_beyond_fund")
        beyond_fund = beyond >= total - fund
        constraints.append(beyond_fund)
        total, exact = beyond, cp.pos(exact - fund)
    risk: cp.Expression = 0.0
    measures: list[cp.Constraint | None] = []
    for factor, term in problem.objective.terms:
        measure, loss = None, total
        if not isinstance(term, ExpectedLoss):
            # A loss variable of its own: the dual of its definition is the term's stressed probabilities.
            loss = cp.Variable(weights.size, name="loss")
            measure = loss >= total
            constraints.append(measure)
        measures.append(measure)
        risk += factor * term.scaled(unit).expression(loss, weights)
    model = Model(cp.Minimize(unit * risk), constraints, allocation, unit * exact, problem.positions)
    return Program(model, presolved, unit, hinges, beyond_fund, tuple(measures))


def to_cvxpy(problem: Problem, *, presolve: bool = True) -> Model:
    """The problem as a real cvxpy.Problem, with `allocation` and `loss` expressions, to be changed and solved at will.

    The presolve behind it is exact for every allocation within the boxes, whatever constraints are added.
    """
    return build(problem, presolved=_presolve(problem, enabled=presolve), merge=False).model


def solve(
    problem: Problem, *, solver: str | None = None, presolve: bool = True, options: dict[str, Any] | None = None
) -> Result:
    """Solve by Clarabel, or by any installed cvxpy solver named."""
    presolved = _presolve(problem, enabled=presolve)
    program = build(problem, presolved=presolved, merge=presolve)
    run(program.model, solver, options or {})
    return Result(
        allocation=repaired(problem, np.asarray(program.model.allocation.value)),
        multipliers=program.multipliers(problem),
        note=str(presolved),
    )


_presolve = presolve  # the keyword argument `presolve` hides the function


def run(model: cp.Problem, solver: str | None, options: dict[str, Any]) -> None:
    """Solve a cvxpy problem or raise SolverFailed; an inaccurate answer passes, for the certificate to judge."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Solution may be inaccurate")
            model.solve(solver=solver or cp.CLARABEL, **options)
    except cp.error.SolverError as error:
        raise SolverFailed(
            f"{solver or cp.CLARABEL}: {error}; is the solver installed, and does it know the cones this objective needs?"
        ) from error
    if model.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE, cp.USER_LIMIT) or model.value is None:
        cause = {
            cp.INFEASIBLE: "the constraints contradict each other; without your own the reduction is feasible",
            cp.UNBOUNDED: "the objective falls without bound; is it a nondecreasing function of the loss?",
        }.get(model.status, "try other tolerances, another solver, or presolve=True")
        raise SolverFailed(f"{solver or cp.CLARABEL} ended with status {model.status!r}: {cause}")


def _allocation(problem: Problem, presolved: Presolved, merge: bool) -> tuple[cp.Variable, cp.Expression, IntArray]:
    """Fractions in [0, 1], the allocation in contracts, and each eligible position's column."""
    e = problem.position.size
    column = np.arange(e)
    if merge:
        involved = np.zeros(problem.book.equity.size, dtype=bool)
        involved[presolved.linear.pool] = True
        involved[presolved.hinges.pool] = True
        free = ~involved[problem.pool]
        column[~free] = np.arange(e - free.sum())
        _, block = np.unique(problem.asset[free], return_inverse=True)
        column[free] = (e - free.sum()) + block
    width = int(column.max()) + 1
    fraction = cp.Variable(width, name="fraction")
    spread = sp.csr_array((problem.capacity, (np.arange(e), column)), shape=(e, width))
    return fraction, spread @ fraction, column


def _totals(problem: Problem, allocation: cp.Expression) -> list[cp.Constraint]:
    """Required reductions, each relative to its size."""
    assets = problem.reduced_assets
    row = np.searchsorted(assets, problem.asset)
    share = sp.csr_array((1.0 / problem.target[problem.asset], (row, np.arange(row.size))), shape=(assets.size, row.size))
    return [share @ allocation == 1]


def _shortfall(problem: Problem, pairs: Pairs, column: IntArray, width: int, unit: float) -> tuple[sp.csr_array, sp.csr_array]:
    """Slope of each pair's shortfall in the fractions (pairs, width), and the sum over pairs by scenario (S, pairs)."""
    eligible = np.searchsorted(problem.pool, np.arange(problem.book.equity.size + 1))
    count = np.diff(eligible)[pairs.pool]
    pair = np.repeat(np.arange(count.size), count)
    first = np.cumsum(count) - count
    position = eligible[pairs.pool][pair] + np.arange(pair.size) - first[pair]
    asset = problem.asset[position]
    change = problem.moves[asset, pairs.scenario[pair]] - problem.settlement_offset[asset]
    slope = sp.csr_array((change * (problem.capacity[position] / unit), (pair, column[position])), shape=(count.size, width))
    S = problem.moves.shape[1]
    gather = sp.csr_array((np.ones(count.size), (pairs.scenario, np.arange(count.size))), shape=(S, count.size))
    return slope, gather


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.clip(np.divide(part, whole, out=np.zeros(whole.size), where=whole > 0), 0.0, 1.0)
