"""Proof of how far an allocation is from the best: a lower bound that needs a subgradient and a sort per asset.

For a feasible x and a subgradient g of the objective there, convexity gives for every feasible x'
rho(L(x')) >= rho(L(x)) - g.(x - x'). The largest g.(x - x') is a fractional knapsack per asset (Wolfe gap).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from adlopt import _tables as tables
from adlopt._tables import FloatArray
from adlopt.errors import InputError
from adlopt.evaluation import closed_form, closed_pool_loss, scenario_losses
from adlopt.methods.result import Multipliers
from adlopt.objectives import Objective
from adlopt.objectives.protocol import admissible
from adlopt.problem import Problem, match_positions

FEASIBILITY = 1e-9  # relative rounding allowed in a user's table
TINY = np.finfo(float).tiny


@dataclass(frozen=True, eq=False)
class Certificate:
    """A proven statement about one allocation.

    `value` and `lower_bound` in money, `gap` = (value - lower_bound) / |value|. `shadow_prices` by asset: money that one
    more contract of required reduction would save the exchange (negative where it would cost).
    """

    value: float
    lower_bound: float
    shadow_prices: pd.Series[float]

    @property
    def gap(self) -> float:
        """Relative gap: an upper bound on how far the value is from the optimum, as a fraction of the value."""
        return (self.value - self.lower_bound) / max(abs(self.value), TINY)

    @property
    def excess(self) -> float:
        """Most money by which the allocation can be worse than the best possible."""
        return self.value - self.lower_bound

    def __str__(self) -> str:
        return (
            f"value {self.value:,.6g}: at most {self.excess:,.3g} ({self.gap:.2g} of it) above the best possible; "
            f"no allocation has less than {self.lower_bound:,.6g}"
        )


def certify(problem: Problem, allocation: pd.DataFrame) -> Certificate:
    """Bound how far any feasible allocation is from optimal, whatever made it.

    Parameters
    ----------
    allocation : table with `account`, `asset`, `reduction` (contracts, signed like the position) and `margin_mode`
        where an account holds an asset under both; positions it leaves out are not reduced.

    Raises
    ------
    InputError : the allocation is not feasible; the message names the rows or the asset.
    NotApplicable : the problem has no price model.
    """
    return certify_array(problem, feasible_array(problem, allocation))


def certify_array(
    problem: Problem,
    allocation: FloatArray,
    multipliers: Multipliers | None = None,
) -> Certificate:
    """`certify` for feasible reductions (e,), with a solver's multipliers where it has them."""
    model = closed_form(problem)
    if model is not None:
        loss = closed_pool_loss(problem, model, allocation)
        value = float(loss.value[problem.book.solvent].sum())
        slope = loss.by_equity[problem.pool] * problem.settlement_offset[problem.asset] - loss.by_size
        bound_at_allocation = value
    else:
        value, bound_at_allocation, slope = _scenario_slope(problem, allocation, multipliers)
    gap, prices = wolfe_gap(problem, allocation, slope)
    # Losses are never negative, and neither is a monotone measure of them.
    floor = 0.0 if problem.objective.monotone and problem.objective.coherent else -np.inf
    lower_bound = min(max(bound_at_allocation - gap, floor), value)
    saved = pd.Series(prices, index=problem.book.assets[problem.reduced_assets], name="shadow_price").rename_axis("asset")
    return Certificate(value, lower_bound, saved)


def wolfe_gap(problem: Problem, allocation: FloatArray, slope: FloatArray) -> tuple[float, FloatArray]:
    """Largest g.(x - x') over feasible x', and by reduced asset the money saved per further contract.

    `slope` (e,) is the derivative of the objective by each signed reduction.
    """
    prices = np.zeros(problem.reduced_assets.size)
    gap = 0.0
    for at, k in enumerate(problem.reduced_assets):
        rows = np.flatnonzero(problem.asset == k)
        cost = np.sign(problem.target[k]) * slope[rows]
        taken, cap = np.abs(allocation[rows]), np.abs(problem.capacity[rows])
        order = np.argsort(cost, kind="stable")
        filled = np.cumsum(cap[order])
        last = min(int(np.searchsorted(filled, abs(problem.target[k]))), rows.size - 1)
        marginal = cost[order[last]]
        # Each term is >= 0, so that nothing cancels: the best x' is full below the marginal cost and empty above.
        reduced = cost - marginal
        gap += float(np.sum(np.where(reduced > 0, reduced * taken, reduced * (taken - cap))))
        prices[at] = -marginal
    return gap, prices


def _scenario_slope(
    problem: Problem, allocation: FloatArray, multipliers: Multipliers | None
) -> tuple[float, float, FloatArray]:
    """Value, the linear minorant's value at the allocation, and its slope (e,), from scenario losses."""
    from adlopt import _kernels

    book, weights, objective = problem.book, problem.scenarios.weights, problem.objective
    losses = scenario_losses(problem, allocation)
    excess = np.maximum(losses - problem.insurance_fund, 0.0)
    value = objective.value(excess, weights)
    stress, penalty = _stress(objective, excess, weights, multipliers)
    given = np.zeros(book.equity.size, dtype=bool)
    start = np.zeros(book.equity.size + 1, dtype=np.int64)
    scenario, weight = np.empty(0, dtype=np.int64), np.empty(0)
    if multipliers is None:
        # Chain rule of (L - F)^+: scenarios that the fund covers do not count.
        stress = np.where(losses > problem.insurance_fund, stress, 0.0)
    else:
        stress = stress * np.clip(multipliers.uncovered, 0.0, 1.0)
        given[problem.pool] = True
        start = np.searchsorted(multipliers.pool, np.arange(book.equity.size + 1))
        scenario = multipliers.scenario
        weight = np.clip(multipliers.weight, 0.0, 1.0) * stress[scenario]
    shortfall, mass, by_size = _kernels.stressed_shortfall(
        book.solvent, problem.equity_after(allocation), book.start, book.asset, problem.remaining(allocation),
        problem.moves, stress, given, start, scenario, weight,
    )  # fmt: skip
    slope = by_size[problem.position] - mass[problem.pool] * problem.settlement_offset[problem.asset]
    minorant = float(shortfall.sum()) - problem.insurance_fund * float(stress.sum()) - penalty
    return value, minorant, slope


def _stress(
    objective: Objective, losses: FloatArray, weights: FloatArray, multipliers: Multipliers | None
) -> tuple[FloatArray, float]:
    """Stressed weights w (S,) and penalty c with rho(l) >= w.l - c for all losses l >= 0 no riskier than `losses`."""
    stress, penalty = np.zeros(losses.size), 0.0
    none = np.zeros(losses.size)
    for at, (factor, term) in enumerate(objective.terms):
        w, c = None, np.inf
        if multipliers is not None:
            w = admissible(term, multipliers.stress[at], weights)
            if not term.admits(w, weights):
                # No term of a sum that does not exceed its value here can rise by more than the whole sum has.
                rise = objective.value(losses, weights) - objective.value(none, weights)
                ceiling = term.value(none, weights) + rise / factor
                c = term.penalty(w, weights, ceiling)
            else:
                c = 0.0
        if w is None or not np.isfinite(c):
            w = term.stress(losses, weights)
            c = float(w @ losses) - term.value(losses, weights)
        stress += factor * w
        penalty += factor * c
    return stress, penalty


def feasible_array(problem: Problem, allocation: pd.DataFrame) -> FloatArray:
    """Reductions (e,) from a user's table, or an InputError that names the violated rows."""
    table = "allocation"
    row, amount = match_positions(problem.book, table, allocation, "reduction")
    where = np.full(problem.book.size.size, -1)
    where[problem.position] = np.arange(problem.position.size)
    eligible = where[row]
    tables.refuse(
        table, allocation, (eligible < 0) & (amount != 0), "reduction",
        "{} is taken from a position that is not eligible: another side, an asset not to be reduced, or a bankrupt account",
    )  # fmt: skip
    listed = eligible >= 0
    cap = np.zeros(amount.size)
    cap[listed] = problem.capacity[eligible[listed]]
    allowed = np.abs(cap) * (1 + FEASIBILITY)
    signed = amount * np.where(cap < 0, -1.0, 1.0)
    tables.refuse(
        table, allocation, listed & ((signed < -FEASIBILITY * np.abs(cap)) | (signed > allowed)), "reduction",
        "{} does not lie between 0 and what may be taken from the position, signed like it",
    )  # fmt: skip
    reductions = np.zeros(problem.position.size)
    reductions[eligible[listed]] = (np.sign(cap) * np.clip(signed, 0.0, np.abs(cap)))[listed]
    total = np.bincount(problem.asset, reductions, minlength=problem.target.size)
    for k in problem.reduced_assets:
        if abs(total[k] - problem.target[k]) > FEASIBILITY * abs(problem.target[k]):
            raise InputError(
                f"allocation: reductions of {problem.book.assets[k]!r} sum to {total[k]:.12g}, "
                f"required {problem.target[k]:.12g}"
            )
    return reductions
