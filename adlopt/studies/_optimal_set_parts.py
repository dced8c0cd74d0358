"""Parts of `optimal_set`: stressed scenarios, boxes, binding scenarios, fewest accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import SolverFailed
from adlopt.model.losses import scenario_losses
from adlopt.model.problem import Problem
from adlopt.objectives import CVaR

if TYPE_CHECKING:
    from adlopt.studies.optimal_face import OptimalSet

ROUNDING = 1e-12


def stressed_scenarios(
    problem: Problem, losses: FloatArray, level: float
) -> tuple[BoolArray, float]:
    """(S,) mask of a stressed measure of CVaR at these losses, and the least stressed loss.

    Any stressed measure will do. Of equal losses, those that are larger without any reduction
    come first, because they bind nothing.
    """
    weights, before = problem.scenarios.weights, scenario_losses(problem, None)
    beyond_fund = np.maximum(losses - problem.insurance_fund, 0.0)
    order = np.lexsort((-before, -beyond_fund))
    stress = np.empty(weights.size)
    stress[order] = CVaR(level).tail(weights[order])
    # A smaller weight is rounding at the edge of the tail.
    stressed = stress > ROUNDING * weights / (1.0 - level)
    return stressed, problem.insurance_fund + float(beyond_fund[stressed].min())


def boxes(
    problem: Problem, water_level: FloatArray, adverse: FloatArray, counts: BoolArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(e,) low and high, (reduced assets, 2) leverage intervals and (reduced assets,) cutoffs.

    The interval is the linear piece of G, between two kinks 1/r_s, that holds the water level.
    """
    book = problem.book
    size, equity = np.abs(book.size[problem.eligible]), book.equity[problem.pool]
    cap = np.abs(problem.max_reduction)
    low, high = np.zeros(size.size), np.zeros(size.size)
    intervals = np.zeros((problem.reduced_assets.size, 2))
    cutoff = np.zeros(problem.reduced_assets.size)
    for i, k in enumerate(problem.reduced_assets):
        kinks = np.unique(1.0 / adverse[k, counts & (adverse[k] > 0)])
        place = int(np.searchsorted(kinks, water_level[k] * (1 + ROUNDING), side="right"))
        intervals[i] = (
            kinks[place - 1] if place else 0.0,
            kinks[place] if place < kinks.size else np.inf,
        )
        cutoff[i] = kinks[-1] if kinks.size else 0.0
        rows = problem.rows_of(int(k))
        unit = equity[rows] / book.marks[k]  # contracts at leverage 1
        high[rows] = np.clip(size[rows] - intervals[i, 0] * unit, 0.0, cap[rows])
        if place < kinks.size:
            low[rows] = np.clip(size[rows] - intervals[i, 1] * unit, 0.0, cap[rows])
    low[low <= ROUNDING * size] = 0.0
    return low, high, intervals, cutoff


def without_losses(
    problem: Problem, low: FloatArray, high: FloatArray, adverse: FloatArray
) -> FloatArray:
    """(e,) low, raised until no pool loses under the adverse returns (d, scenarios)."""
    book, raised = problem.book, low.copy()
    size, equity = np.abs(book.size[problem.eligible]), book.equity[problem.pool]
    for k in problem.reduced_assets:
        rows, worst = problem.rows_of(int(k)), float(adverse[k].max(initial=0.0))
        if worst > 0:
            free = np.clip(size[rows] - equity[rows] / (worst * book.marks[k]), 0.0, high[rows])
            raised[rows] = np.maximum(raised[rows], free)
    return raised


def binding_scenarios(found: OptimalSet, adverse: FloatArray) -> IntArray:
    """Unstressed scenarios whose loss could rise above the limit within the box and sums."""
    problem = found.problem
    sign = np.sign(problem.max_reduction)
    most = scenario_losses(problem, sign * found.low)
    suspects = found.binding_scenarios[most[found.binding_scenarios] > found.limit * (1 + ROUNDING)]
    size, equity = np.abs(problem.book.size[problem.eligible]), problem.book.equity[problem.pool]
    mark, room, rest = (
        problem.book.marks[problem.asset],
        found.high - found.low,
        found._remaining_requirement(),
    )
    kept = []
    for s in suspects:
        # Losses are convex, so they lie below their chords; the sum of chords is largest where the
        # flattest chords are used first.
        r = adverse[problem.asset, s]
        lost = [
            np.maximum((size - taken) * mark * r - equity, 0.0) for taken in (found.low, found.high)
        ]
        bound = most[s]
        for k, contracts in rest.items():
            rows = (problem.asset == k) & (room > 0)
            fall = (lost[0] - lost[1])[rows] / room[rows]
            order = np.argsort(fall, kind="stable")
            used = np.diff(np.minimum(np.cumsum(room[rows][order]), contracts), prepend=0.0)
            bound -= float(fall[order] @ used)
        if bound > found.limit * (1 + ROUNDING):
            kept.append(s)
    return np.array(kept, dtype=np.intp)


def fewest_accounts_mask(optima: OptimalSet, remaining: Mapping[int, float]) -> BoolArray:
    """(e,) mask of positions whose accounts are reduced: those that must be, and as few others as
    possible to take the contracts by asset that remain beyond `low`.
    """
    problem, room = optima.problem, optima.high - optima.low
    _, account = np.unique(problem.book.pool_account[problem.pool], return_inverse=True)
    forced = np.bincount(account, optima.low) > 0
    supply = np.array(
        [np.bincount(account, np.where(problem.asset == k, room, 0.0)) for k in remaining]
    )
    needed = np.array(list(remaining.values())) * (1 - ROUNDING)
    if len(remaining) > 1:
        return np.asarray(_fewest_by_program(forced, supply, needed)[account])
    # Largest first: no other set of so many accounts can give more.
    order = np.lexsort((-supply[0], ~forced))
    enough = int(np.searchsorted(np.cumsum(supply[0, order]), needed[0])) + 1
    count = int(forced.sum())
    if needed[0] > 0:
        count = max(count, enough)
    reduced = np.zeros(forced.size, dtype=bool)
    reduced[order[:count]] = True
    return np.asarray(reduced[account])


def _fewest_by_program(forced: BoolArray, supply: FloatArray, needed: FloatArray) -> BoolArray:
    """Smallest superset of `forced` (accounts,) whose supply (assets, accounts) meets `needed`."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    unit = np.maximum(needed, needed.max() * ROUNDING if needed.any() else 1.0)
    constraints = [LinearConstraint(supply / unit[:, None], needed / unit)]
    reduced = forced
    while (supply[:, reduced].sum(axis=1) < needed).any():
        solution = milp(
            np.ones(forced.size),
            integrality=np.ones(forced.size, dtype=np.intp),
            bounds=Bounds(forced.astype(float), 1.0),
            constraints=constraints,
            options={"mip_rel_gap": 0.0},
        )
        if solution.x is None:
            raise SolverFailed(f"optimal_set: HiGHS says {solution.message}")
        reduced = solution.x > 0.5
        # Within the solver's tolerance these may be too few; then one of the others is needed.
        constraints.append(LinearConstraint(~reduced[None, :], 1.0))
    return np.asarray(reduced)
