"""Certificates: a lower bound on the optimum that needs one subgradient and a sort per asset.

For a feasible x and a subgradient g of the objective there, convexity gives for every feasible x'
rho(L(x')) >= rho(L(x)) - g.(x - x'). The largest g.(x - x') is a fractional knapsack per asset: the
Frank-Wolfe gap (docs/theory/certificate.md, equations 1 to 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd

from adlopt._internal.arrays import FloatArray
from adlopt.model.losses import expected_pool_loss, scenario_losses
from adlopt.model.market import cheapest_mix, market_cost
from adlopt.model.problem import Problem
from adlopt.objectives import Objective
from adlopt.objectives.dual_set import project_to_dual_set
from adlopt.prices.one_factor import OneFactor
from adlopt.prices.shocks import SampleShock
from adlopt.proof.multipliers import Multipliers

GAP_CLOSED = 1e-9  # a relative gap not worth another pass
GAP_UNCONVERGED = 3e-7  # a solver's multipliers may leave more; the plain subgradient is tried then
# of the money in the book (equity and notional): what rounding may leave of a sum over its pools
ROUNDING_OF_MONEY = 1e-15
TINY = np.finfo(float).tiny

LinearMinimum = Callable[[FloatArray], tuple[float, FloatArray]]


@dataclass(frozen=True, eq=False, repr=False)
class Certificate:
    """A proven statement about one allocation.

    Attributes
    ----------
    value : float
        The objective of the allocation, in money.
    lower_bound : float
        No feasible allocation has a smaller objective, in money.
    shadow_prices : Series
        By reduced asset: money that one more contract of required reduction would save the
        exchange (negative where it would cost).
    source : str
        Where the bound comes from: a subgradient at the allocation, one chosen where pools are at
        zero equity, or a solve of the problem.
    rounding : float
        Money below which a difference of value and bound means nothing in floating point.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> certificate = adl.certify(problem, adl.policies.ProRata().allocate(problem))
    >>> round(certificate.value, 1), round(certificate.lower_bound, 1), round(certificate.gap, 3)
    (1905.8, 500.5, 0.737)
    """

    value: float
    lower_bound: float
    _: KW_ONLY
    shadow_prices: pd.Series[float]
    source: str = "subgradient at the allocation"
    rounding: float = 0.0

    @property
    def gap(self) -> float:
        """(value - lower_bound) / |value|; zero if the two differ by rounding alone."""
        if self.excess <= self.rounding:
            return 0.0
        return self.excess / max(abs(self.value), TINY)

    @property
    def excess(self) -> float:
        """Most money by which the allocation can be worse than the best possible."""
        return self.value - self.lower_bound

    def to_frame(self) -> pd.DataFrame:
        """One row: value, lower_bound, gap and source."""
        facts = {
            "value": self.value,
            "lower_bound": self.lower_bound,
            "gap": self.gap,
            "source": self.source,
        }
        return pd.DataFrame([facts])

    def __repr__(self) -> str:
        return (
            f"value {self.value:,.6g}: at most {self.excess:,.3g} ({self.gap:.2g} of it) above the "
            f"best possible; no allocation has less than {self.lower_bound:,.6g} ({self.source})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.shadow_prices.to_frame().to_html()}"


def over_scenarios(problem: Problem) -> bool:
    """Whether the problem's scenarios are the whole distribution, so its value is a function
    of their losses: no closed form, or one over a sample.
    """
    model = problem.prices
    sampled = isinstance(model, OneFactor) and isinstance(model.shock, SampleShock)
    return problem.closed_form is None or sampled


def certify_array(
    problem: Problem,
    allocation: FloatArray,
    multipliers: Multipliers | None = None,
    linear_minimum: LinearMinimum | None = None,
) -> Certificate:
    """The certificate of feasible reductions (e,), with a solver's multipliers where it has them.

    `linear_minimum` gives the smallest slope.x and its prices where more than boxes and sums
    constrain the allocation.
    """
    model, cost = problem.closed_form, market_cost(problem, allocation)
    if model is not None and (multipliers is None or not over_scenarios(problem)):
        loss = expected_pool_loss(problem, model, allocation)
        value = cost + float(loss.value[problem.book.solvent].sum())
        slope = (
            loss.by_equity[problem.pool] * problem.settlement_offset[problem.asset] - loss.by_size
        )
        gap, prices = _gap(problem, allocation, slope, linear_minimum)
        lower_bound, floor = value - gap, 0.0
    else:
        objective, weights = problem.objective, problem.scenarios.weights
        losses = scenario_losses(problem, allocation)
        value = cost + objective.value(np.maximum(losses - problem.insurance_fund, 0.0), weights)
        lower_bound, prices = _linearised_bound(
            problem, allocation, losses, multipliers, linear_minimum
        )
        if multipliers is not None and value - lower_bound > GAP_UNCONVERGED * abs(value):
            # Where the solver's multipliers are rough the plain subgradient may prove more.
            plain = _linearised_bound(problem, allocation, losses, None, linear_minimum)
            lower_bound, prices = max((lower_bound, prices), plain, key=lambda bound: bound[0])
        # Losses are never negative, and a monotone measure of them is never below that of none.
        floor = objective.value(np.zeros(losses.size), weights) if objective.monotone else -np.inf
    lower_bound = min(max(lower_bound, floor), value)
    saved = pd.Series(
        prices, index=problem.book.assets[problem.reduced_assets], name="shadow_price"
    ).rename_axis("asset")
    book = problem.book
    money = float(book.equity[book.solvent].sum() + book.gross[book.solvent].sum())
    return Certificate(value, lower_bound, shadow_prices=saved, rounding=ROUNDING_OF_MONEY * money)


def _gap(
    problem: Problem,
    allocation: FloatArray,
    slope: FloatArray,
    linear_minimum: LinearMinimum | None,
) -> tuple[float, FloatArray]:
    """`frank_wolfe_gap`, over what `linear_minimum` knows to be feasible where it is given."""
    if linear_minimum is None and problem.market is None:
        return frank_wolfe_gap(problem, allocation, slope)
    least, prices = (
        cheapest_mix(problem, slope) if linear_minimum is None else linear_minimum(slope)
    )
    here = float(slope @ allocation) + market_cost(problem, allocation)
    return max(here - least, 0.0), prices


def frank_wolfe_gap(
    problem: Problem, allocation: FloatArray, slope: FloatArray
) -> tuple[float, FloatArray]:
    """Largest g.(x - x') over feasible x', and by reduced asset the money saved per further
    contract.

    `slope` (e,) is the derivative of the objective by each signed reduction.
    """
    prices = np.zeros(problem.reduced_assets.size)
    gap = 0.0
    for index, k in enumerate(problem.reduced_assets):
        rows = problem.rows_of(k)
        cost = np.sign(problem.required[k]) * slope[rows]
        taken, cap = np.abs(allocation[rows]), np.abs(problem.max_reduction[rows])
        order = np.argsort(cost, kind="stable")
        filled = np.cumsum(cap[order])
        last = min(int(np.searchsorted(filled, abs(problem.required[k]))), rows.size - 1)
        marginal = cost[order[last]]
        # Each term is >= 0, so nothing cancels: the best x' is full below the marginal cost
        # and empty above.
        reduced = cost - marginal
        gap += float(np.sum(np.where(reduced > 0, reduced * taken, reduced * (taken - cap))))
        prices[index] = -marginal
    return gap, prices


class Linearisation(NamedTuple):
    """An affine function of equity, reductions and fund below the objective, at one allocation."""

    shortfall: FloatArray  # (n,) stressed expected shortfall, in money
    mass: FloatArray  # (n,) stressed probability of bankruptcy: minus the derivative by equity
    by_size: FloatArray  # (m,) derivative by remaining size, in money per contract
    stress: FloatArray  # (S,) stressed probabilities that the fund leaves
    penalty: float


def linearise(
    problem: Problem, allocation: FloatArray, losses: FloatArray, multipliers: Multipliers | None
) -> Linearisation:
    """Stress the scenarios of reductions (e,), whose losses (S,) are given, by the objective's
    subgradient, or by a solver's multipliers.
    """
    from adlopt.model import _loss_kernels as _kernels

    book, weights = problem.book, problem.scenarios.weights
    excess = np.maximum(losses - problem.insurance_fund, 0.0)
    stress, penalty = np.zeros(losses.size), 0.0
    by_term = term_stresses(problem.objective, excess, weights, multipliers)
    for (factor, _), (w, c) in zip(problem.objective.terms, by_term, strict=True):
        stress += factor * w
        penalty += factor * c
    given = np.zeros(book.equity.size, dtype=bool)
    start = np.zeros(book.equity.size + 1, dtype=np.intp)
    scenario, weight = np.empty(0, dtype=np.intp), np.empty(0)
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
        book.solvent,
        problem.equity_after(allocation),
        book.first_position,
        book.asset,
        problem.sizes_after(allocation),
        problem.moves,
        stress,
        given,
        start,
        scenario,
        weight,
    )
    return Linearisation(shortfall, mass, by_size, stress, penalty)


def _linearised_bound(
    problem: Problem,
    allocation: FloatArray,
    losses: FloatArray,
    multipliers: Multipliers | None,
    linear_minimum: LinearMinimum | None,
) -> tuple[float, FloatArray]:
    """Lower bound from the linear minorant at the allocation, whose scenario losses (S,) are given,
    and shadow prices.
    """
    plane = linearise(problem, allocation, losses, multipliers)
    slope = plane.by_size[problem.eligible]
    slope -= plane.mass[problem.pool] * problem.settlement_offset[problem.asset]
    covered = problem.insurance_fund * float(plane.stress.sum())
    minorant = float(plane.shortfall.sum()) - covered - plane.penalty
    gap, prices = _gap(problem, allocation, slope, linear_minimum)
    return minorant + market_cost(problem, allocation) - gap, prices


def term_stresses(
    objective: Objective, losses: FloatArray, weights: FloatArray, multipliers: Multipliers | None
) -> list[tuple[FloatArray, float]]:
    """By term rho of the objective: stresses w (S,) and a penalty c with rho(l) >= w.l - c for all
    losses l >= 0 that are no riskier than `losses`.
    """
    found: list[tuple[FloatArray, float]] = []
    none = np.zeros(losses.size)
    for number, (factor, term) in enumerate(objective.terms):
        w, c = None, np.inf
        if multipliers is not None:
            w = project_to_dual_set(term, multipliers.stress[number], weights)
            if not term.in_dual_set(w, weights):
                # No term of a sum that does not exceed its value here can rise by more than the
                # whole sum has.
                rise = objective.value(losses, weights) - objective.value(none, weights)
                ceiling = term.value(none, weights) + rise / factor
                c = term.conjugate(w, weights, ceiling)
            else:
                c = 0.0
        if w is None or not np.isfinite(c):
            w = term.subgradient(losses, weights)
            c = float(w @ losses) - term.value(losses, weights)
        found.append((w, c))
    return found
