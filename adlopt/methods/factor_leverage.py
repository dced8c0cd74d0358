"""Cross margin under one factor: drain factor leverage v.(q - x) / E instead of gross leverage
(paper, section 3).

Optimal shock by shock for either sign of the shock, hence for every monotone objective. Isolated
pools take part as
they are: their factor leverage is that of their one position. With several reduced assets the rule
fixes how much exposure
every pool gives up; it is optimal if reductions within the boxes exist that do just that and add up
asset by asset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse as sp

from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import NotApplicable
from adlopt.methods.repair import restore_feasibility
from adlopt.methods.result import Refusal, Result, Settings
from adlopt.model.problem import Problem
from adlopt.prices.one_factor import OneFactor

REMEDY = "use method='shadow_price' or 'conic'"

EXACT = 1e-10  # of a requirement or an exposure: what the linear program may miss
ROUNDING = 1e-12  # of a pool's reach: targets this near to its ends leave it no choice


class Rule(NamedTuple):
    """What the rule asks of several assets, and whether reductions can follow it."""

    fraction: (
        FloatArray | None
    )  # (e,) of the capacities; None if the requirements of single assets cannot be met
    level: float
    bound: float  # the objective if they could


_rules: WeakKeyDictionary[Problem, Rule] = WeakKeyDictionary()


def reason_not_applicable(problem: Problem) -> str | None:
    """Why the rule does not apply, or None if it does."""
    if not isinstance(problem.prices, OneFactor):
        return "it needs prices=OneFactor(...); under other models accounts differ in more than one risk"
    if not problem.objective.monotone:
        return f"the objective {problem.objective} is not monotone"
    assets = problem.reduced_assets
    if problem.settlement_offset[assets].any():
        return "reductions settle off the mark, so that they change equity and not leverage alone"
    still = assets[problem.prices.vector(problem.book.assets)[assets] == 0]
    if still.size == assets.size:
        return f"the factor does not move {problem.book.assets[still[0]]!r}: every allocation has the same risk"
    if assets.size > 1 and rule(problem).fraction is None:
        return (
            f"{assets.size} assets are to be reduced, and no reductions that bring all accounts to one factor leverage add up "
            f"asset by asset; that level gives only a lower bound, {rule(problem).bound:.10g}"
        )
    return None


@dataclass(frozen=True)
class FactorLeverage:
    """The plan: level factor leverage."""

    problem: Problem

    def solve(self, settings: Settings) -> Result:
        return _level(self.problem)


def plan(problem: Problem) -> FactorLeverage | Refusal:
    """The plan of this method, or why there is none."""
    reason = reason_not_applicable(problem)
    return FactorLeverage(problem) if reason is None else Refusal(reason, REMEDY)


def solve(problem: Problem) -> Result:
    """Reductions that bring factor leverage to clip(level, least reachable, before) in every
    pool.
    """
    found = plan(problem)
    if isinstance(found, Refusal):
        raise NotApplicable(f"factor_leverage: {found.reason}; {found.remedy}")
    return found.solve(Settings())


def _level(problem: Problem) -> Result:
    from adlopt.methods.water_level import drain  # compiled loops: loads numba

    assert isinstance(problem.prices, OneFactor)
    if problem.reduced_assets.size > 1:
        fraction, level, _ = rule(problem)
        assert fraction is not None
        return Result(
            restore_feasibility(problem, fraction * problem.max_reduction),
            water_level=np.array([level]),
            details={"levels": f"{problem.reduced_assets.size} assets follow one level exactly"},
        )
    book = problem.book
    v = problem.prices.vector(book.assets)
    k = int(problem.reduced_assets[0])
    # Count exposure in contracts of the reduced asset, positive on the side that reductions shrink.
    unit = np.sign(problem.required[k]) * v[k]
    exposure = problem.factor_exposure(v) / unit
    width = book.equity[problem.pool] / abs(v[k])
    taken, level = drain(
        exposure[problem.pool], width, np.abs(problem.max_reduction), abs(problem.required[k])
    )
    return Result(np.sign(problem.required[k]) * taken, water_level=np.array([level]))


def rule(problem: Problem) -> Rule:
    """The rule for several reduced assets; found once per problem."""
    if problem not in _rules:
        _rules[problem] = _rule(problem)
    return _rules[problem]


def _rule(problem: Problem) -> Rule:
    """Targets by one level of exposure over equity, then reductions that meet them: a
    transportation problem.

    Spreading each target over the assets in proportion and clipping would not add up.
    """
    from adlopt.methods.water_level import drain

    assert isinstance(problem.prices, OneFactor)
    v = problem.prices.vector(problem.book.assets)
    n = problem.book.equity.size
    exposure = problem.factor_exposure(v)
    gives = (
        v[problem.asset] * problem.max_reduction
    )  # exposure that goes with the whole of a position
    upward = np.bincount(problem.pool, np.maximum(-gives, 0.0), minlength=n)
    reach = np.bincount(problem.pool, np.abs(gives), minlength=n).astype(np.float64)
    pools = np.flatnonzero(reach > 0)
    total = float(upward.sum() + v @ problem.required)
    taken, level = np.zeros(n), np.inf
    if total > ROUNDING * reach.sum():
        taken[pools], level = drain(
            (exposure + upward)[pools], problem.book.equity[pools], reach[pools], total
        )
    after = exposure + upward - taken
    fraction = _reductions(
        problem, gives, taken - upward, taken <= ROUNDING * reach, taken >= (1 - ROUNDING) * reach
    )
    return Rule(fraction, float(level), _value(problem, after))


def _reductions(
    problem: Problem, gives: FloatArray, target: FloatArray, highest: BoolArray, lowest: BoolArray
) -> FloatArray | None:
    """Fractions (e,) with sums of `gives` by pool equal to `target` (n,) and of contracts equal to
    the requirements.

    Pools that end at the `highest` or `lowest` exposure within reach, and those with one position,
    have no choice.
    """
    from scipy.optimize import linprog

    pool, asset, cap = problem.pool, problem.asset, np.abs(problem.max_reduction)
    fraction = np.where(np.where(highest[pool], gives < 0, gives > 0), 1.0, 0.0)
    choices = np.bincount(pool, (gives != 0) & (cap > 0), minlength=target.size)
    middle = ~(highest | lowest)[pool] & (gives != 0)
    lone = middle & (choices[pool] == 1)
    fraction[lone] = np.clip(target[pool[lone]] / gives[lone], 0.0, 1.0)
    free = np.flatnonzero((middle & ~lone) | ((gives == 0) & (cap > 0)))
    taken = fraction * cap
    taken[free] = 0.0
    assets = problem.reduced_assets
    required = np.abs(problem.required)[assets]
    missing = required - np.bincount(asset, taken, minlength=problem.required.size)[assets]
    if not free.size:
        return fraction if (np.abs(missing) <= EXACT * required).all() else None
    tied = np.flatnonzero(gives[free])
    pools, of_pool = np.unique(pool[free[tied]], return_inverse=True)
    size = np.bincount(pool[free], np.abs(gives[free]), minlength=target.size)[pools]
    by_pool = sp.csr_array(
        (gives[free[tied]] / size[of_pool], (of_pool, tied)), shape=(pools.size, free.size)
    )
    of_asset = np.searchsorted(assets, asset[free])
    by_asset = sp.csr_array(
        (cap[free] / required[of_asset], (of_asset, np.arange(free.size))),
        shape=(assets.size, free.size),
    )
    found = linprog(
        np.zeros(free.size),
        A_eq=sp.vstack([by_asset, by_pool]),
        b_eq=np.append(missing / required, target[pools] / size),
        bounds=(0.0, 1.0),
        method="highs",
        options={"primal_feasibility_tolerance": EXACT, "dual_feasibility_tolerance": EXACT},
    )
    if found.status != 0:
        return None
    fraction[free] = np.clip(found.x, 0.0, 1.0)
    return fraction


def _value(problem: Problem, exposure: FloatArray) -> float:
    """The objective if the pools had these exposures (n,): no allocation has less."""
    from adlopt.model import _loss_kernels as _kernels

    book, model = problem.book, problem.prices
    assert isinstance(model, OneFactor)
    if problem.closed_form is not None:
        k = int(np.flatnonzero(model.vector(book.assets))[0])
        size = sp.csr_array(
            (
                exposure / model.vector(book.assets)[k],
                (np.arange(exposure.size), np.full(exposure.size, k)),
            ),
            shape=(exposure.size, len(book.assets)),
        )
        none: IntArray = np.empty(0, dtype=np.int64)
        loss = model.pool_loss(book.assets, book.equity, size, none, none)
        return float(loss.value[book.solvent].sum())
    shock, weights = model.shock.strata(model.points)
    one = np.arange(exposure.size + 1)
    losses = _kernels.scenario_losses(
        book.solvent, book.equity, one, np.zeros_like(one[:-1]), exposure, shock[None, :]
    )
    return problem.objective.value(np.maximum(losses - problem.insurance_fund, 0.0), weights)
