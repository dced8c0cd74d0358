"""The scenario program in cvxpy: fractions of positions, hinges of pairs, losses, risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd
import scipy.sparse as sp

from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.methods.repair import typical_loss
from adlopt.model.problem import Problem
from adlopt.objectives import CVaR, ExpectedLoss, Spectral, WorstCase
from adlopt.objectives.quadratic_model import QuadraticModel
from adlopt.presolve.pairs import Pairs, Presolved
from adlopt.proof.multipliers import Multipliers

SWEPT = ("multiple", "insurance_fund", "level")


class Model(cp.Problem):  # type: ignore[misc]
    """A cvxpy.Problem that also knows what its variables mean.

    Add constraints as with any cvxpy problem: `cp.Problem(model.objective, model.constraints +
    [...]).solve()`.

    Attributes
    ----------
    allocation : cvxpy.Expression, shape (e,)
        Reductions in contracts, signed, row by row those of the table `positions`.
    loss : cvxpy.Expression, shape (S,)
        The exchange's loss by scenario beyond the insurance fund, in money; convex.
    positions : pandas.DataFrame
        The eligible positions.
    sold : cvxpy.Expression or None, shape (reduced assets,)
        Contracts sold in the market, signed like the requirement; None without a market.
    """

    def __init__(
        self,
        objective: cp.Minimize,
        constraints: list[cp.Constraint],
        allocation: cp.Expression,
        loss: cp.Expression,
        positions: pd.DataFrame,
    ) -> None:
        super().__init__(objective, constraints)
        self.allocation = allocation
        self.loss = loss
        self.positions = positions
        self.sold: cp.Expression | None = None


@dataclass(frozen=True, eq=False)
class Program:
    """A scaled scenario program, and its constraints whose dual variables make the certificate."""

    model: Model
    presolved: Presolved
    unit: float  # money per unit of the program
    hinges: cp.Constraint | None
    beyond_fund: cp.Constraint | None
    measures: tuple[cp.Constraint | None, ...]  # by term of the objective

    def multipliers(self, problem: Problem) -> Multipliers:
        """Dual variables, as probabilities and as fractions of them."""
        weights, terms = problem.scenarios.weights, problem.objective.terms
        stress = tuple(
            weights
            if measure is None
            else np.maximum(measure.dual_value, 0.0) / (self.unit * factor)
            for (factor, _), measure in zip(terms, self.measures, strict=True)
        )
        whole = sum(
            (factor * w for (factor, _), w in zip(terms, stress, strict=True)),
            np.zeros(weights.size),
        )
        uncovered = np.ones(weights.size)
        if self.beyond_fund is not None:
            uncovered = _fraction(self.beyond_fund.dual_value / self.unit, whole)
        linear, hinges = self.presolved.linear, self.presolved.hinges
        weight = np.empty(0)
        if self.hinges is not None:
            weight = _fraction(
                self.hinges.dual_value / self.unit, (whole * uncovered)[hinges.scenario]
            )
        pool = np.concatenate([linear.pool, hinges.pool])
        order = np.argsort(pool, kind="stable")
        return Multipliers(
            stress=stress,
            uncovered=uncovered,
            pool=pool[order],
            scenario=np.concatenate([linear.scenario, hinges.scenario])[order],
            weight=np.concatenate([np.ones(linear.pool.size), weight])[order],
        )


def build(
    problem: Problem,
    *,
    presolved: Presolved,
    merge: bool,
    swept: str = "",
    unit: float | None = None,
    models: Mapping[int, QuadraticModel] | None = None,
) -> Program:
    """The scenario program in fractions of positions and units of a typical loss.

    With `merge`, pools without hinges and linear pairs share one variable per asset: right only if
    no constraint of the user's tells them apart. `swept`, one of `SWEPT`, becomes the program's
    parameter. `models` replace terms of the objective, by number.
    """
    unit = typical_loss(problem) if unit is None else unit
    parameter = cp.Parameter(nonneg=True, name=swept) if swept else None
    fraction, allocation, column = _allocation(problem, presolved, merge)
    sale = market_sale(problem)
    constraints = _boxes_and_sums(problem, fraction, allocation, column, swept, parameter, sale)
    total, exact, hinges = _losses(problem, presolved, column, fraction, unit, constraints)
    beyond_fund = None
    if problem.insurance_fund > 0 or swept == "insurance_fund":
        fund = parameter if swept == "insurance_fund" else problem.insurance_fund / unit
        beyond = cp.Variable(exact.size, nonneg=True, name="loss_beyond_fund")
        beyond_fund = beyond >= total - fund
        constraints.append(beyond_fund)
        total, exact = beyond, cp.pos(exact - fund)
    risk: cp.Expression = 0.0
    measures: list[cp.Constraint | None] = []
    largest = largest_losses(problem, presolved) if models else np.zeros(0)
    for number, (factor, term) in enumerate(problem.objective.terms):
        measure, loss = None, total
        if not isinstance(term, ExpectedLoss):
            # A loss variable for each term: the dual of its definition is the term's stressed
            # probabilities.
            loss = cp.Variable(exact.size, name="loss")
            measure = loss >= total
            constraints.append(measure)
        measures.append(measure)
        if models and number in models:
            risk += factor * models[number].expression(loss, unit, largest)
        elif swept == "level" and isinstance(term, CVaR):
            risk += factor * term.expression(loss, problem.scenarios.weights, tail=parameter)
        else:
            risk += factor * term.scaled(unit).expression(loss, problem.scenarios.weights)
    cost: cp.Expression = unit * risk
    if sale is not None:
        cost = unit * (risk + sale.cost / unit)
    model = Model(cp.Minimize(cost), constraints, allocation, unit * exact, problem.positions)
    model.sold = None if sale is None else sale.contracts
    return Program(model, presolved, unit, hinges, beyond_fund, tuple(measures))


@dataclass(frozen=True, eq=False)
class Sale:
    """What is sold in the market instead of being taken from accounts."""

    part: cp.Variable  # (reduced assets,) of each requirement
    contracts: cp.Expression  # (reduced assets,) signed like the requirement
    cost: cp.Expression  # money, convex
    limits: list[cp.Constraint]


_PLAIN = (ExpectedLoss, CVaR, Spectral, WorstCase)


def market_sale(problem: Problem) -> Sale | None:
    """The market's side of the program, equation (M2); None without a market."""
    terms = problem.market_terms
    if terms is None:
        return None
    assets = problem.reduced_assets
    required = np.abs(problem.required[assets])
    part = cp.Variable(assets.size, nonneg=True, name="sold")
    linear, slope = terms.linear[assets] * required, terms.slope[assets] * required**2 / 2
    cost, limits = linear @ part, []
    plain = all(isinstance(term, _PLAIN) for _, term in problem.objective.terms)
    if slope.any() and plain:
        cost += slope @ cp.square(part)
    elif slope.any():
        # A cone: less accurate than a quadratic objective, but cvxpy reads no objective with both a
        # square and a measure that is the minimum over auxiliary variables, such as EVaR.
        square = cp.Variable(assets.size, nonneg=True, name="square_of_sold")
        limits.append(square >= cp.square(part))
        cost += slope @ square
    # Where the accounts must give all they have the market takes the rest, no more and no less.
    most = np.minimum(terms.depth[assets] / required, 1.0)
    least = np.where(problem.exhausted_assets[assets], most, 0.0)
    return Sale(
        part,
        cp.multiply(problem.required[assets], part),
        cost,
        [*limits, part >= least, part <= most],
    )


def sums(
    problem: Problem,
    allocation: cp.Expression,
    multiple: Any = 1.0,
    kept: BoolArray | None = None,
    sale: Sale | None = None,
) -> list[cp.Constraint]:
    """Required reductions, each relative to its size; of the assets marked `kept` (d,), if not of
    all. What is sold counts.
    """
    assets = problem.reduced_assets
    row = np.searchsorted(assets, problem.asset)
    relative = sp.csr_array(
        (1.0 / problem.required[problem.asset], (row, np.arange(row.size))),
        shape=(assets.size, row.size),
    )
    if kept is not None:
        if not kept[assets].any():
            return []
        relative = relative[kept[assets]]
    given = relative @ allocation
    if sale is not None:
        given += sale.part if kept is None else sale.part[np.flatnonzero(kept[assets])]
    return [given == multiple]


def largest_losses(problem: Problem, presolved: Presolved) -> FloatArray:
    """(S,) bounds of the losses over all allocations within the boxes, in money."""
    total = presolved.constant.copy()
    column = np.arange(problem.max_reduction.size)
    for pairs in (presolved.linear, presolved.hinges):
        slope, by_scenario = _shortfall(problem, pairs, column, column.size, 1.0)
        most = pairs.shortfall + np.asarray(slope.maximum(0.0).sum(axis=1)).ravel()
        total += by_scenario @ np.maximum(most, 0.0)
    return np.asarray(total)


def _allocation(
    problem: Problem, presolved: Presolved, merge: bool
) -> tuple[cp.Variable, cp.Expression, IntArray]:
    """Fractions in [0, 1], the allocation in contracts, and each eligible position's column."""
    e = problem.eligible.size
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
    spread = sp.csr_array((problem.max_reduction, (np.arange(e), column)), shape=(e, width))
    return fraction, spread @ fraction, column


def _boxes_and_sums(
    problem: Problem,
    fraction: cp.Variable,
    allocation: cp.Expression,
    column: IntArray,
    swept: str,
    parameter: cp.Parameter | None,
    sale: Sale | None,
) -> list[cp.Constraint]:
    least = np.zeros(fraction.size)
    if swept == "multiple":
        totals = sums(problem, allocation, parameter, sale=sale)
    else:
        # Assets reduced in full are fixed at 1: the rounded shares may sum to slightly less.
        exhausted = problem.exhausted_assets
        least[column[exhausted[problem.asset]]] = 1.0
        totals = sums(problem, allocation, kept=~exhausted, sale=sale)
    limits = [] if sale is None else sale.limits
    return [fraction >= least, fraction <= 1, *totals, *limits]


def _losses(
    problem: Problem,
    presolved: Presolved,
    column: IntArray,
    fraction: cp.Variable,
    unit: float,
    constraints: list[cp.Constraint],
) -> tuple[cp.Expression, cp.Expression, cp.Constraint | None]:
    """Losses (S,) with a variable per hinge, the same without, and the hinges' constraint, which
    is added to `constraints`.
    """
    slope, by_scenario = _shortfall(problem, presolved.linear, column, fraction.size, unit)
    offset = presolved.constant / unit + by_scenario @ (presolved.linear.shortfall / unit)
    per_scenario = by_scenario @ slope
    affine = offset + per_scenario @ fraction if per_scenario.nnz else cp.Constant(offset)
    if not presolved.hinges.pool.size:
        return affine, affine, None
    slope, by_scenario = _shortfall(problem, presolved.hinges, column, fraction.size, unit)
    inside = presolved.hinges.shortfall / unit + slope @ fraction
    cost = cp.Variable(presolved.hinges.pool.size, nonneg=True, name="shortfall")
    hinges = cost >= inside
    constraints.append(hinges)
    return affine + by_scenario @ cost, affine + by_scenario @ cp.pos(inside), hinges


def _shortfall(
    problem: Problem, pairs: Pairs, column: IntArray, width: int, unit: float
) -> tuple[sp.csr_array, sp.csr_array]:
    """Slope of each pair's shortfall in the fractions (pairs, width), and the sum over pairs by
    scenario (S, pairs).
    """
    eligible = problem.first_eligible
    count = np.diff(eligible)[pairs.pool]
    pair = np.repeat(np.arange(count.size), count)
    first = np.cumsum(count) - count
    position = eligible[pairs.pool][pair] + np.arange(pair.size) - first[pair]
    asset = problem.asset[position]
    change = problem.moves[asset, pairs.scenario[pair]] - problem.settlement_offset[asset]
    slope = sp.csr_array(
        (change * (problem.max_reduction[position] / unit), (pair, column[position])),
        shape=(count.size, width),
    )
    S = problem.moves.shape[1]
    by_scenario = sp.csr_array(
        (np.ones(count.size), (pairs.scenario, np.arange(count.size))), shape=(S, count.size)
    )
    return slope, by_scenario


def _fraction(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.clip(np.divide(part, whole, out=np.zeros(whole.size), where=whole > 0), 0.0, 1.0)
