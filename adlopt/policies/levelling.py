"""Rules that level: pools end as even as can be in leverage, in leverage along a factor, or in the
burden they bear.

What one asset can take from the pools is a box cut by a sum, the bases of a polymatroid; what
several assets take together is
a sum of such sets, and so again one. Of all bases y, the one that minimises sum_i y_i^2 / E_i is
lexicographically the min-max
of y_i / E_i, and minimises sum_i E_i phi(y_i / E_i) for every convex phi at once (Fujishige 1980).
So no linear program is
needed, and what water-filling is for one reduced asset these rules are for any number of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import NotApplicable, SolverFailed
from adlopt.model.problem import Problem
from adlopt.policies import features
from adlopt.policies.proportional import share_out
from adlopt.policies.protocol import Policy

SETTLED = (
    1e-11  # change of a reduction, relative to the requirement, at which sweeps over the assets end
)
ROUNDING = 1e-14  # of the largest exposure: no smaller change means anything
SWEEPS = 10_000

WATER_FILLING_THEORY = {
    "feasible": "amounts above the level lie in the boxes, and the level is the one that meets the requirement",
    "wash-trade resistant": "entry prices never enter: size, mark and equity decide",
    "Sybil resistant": "x -> max(x, 0) is subadditive, so parts stand above the level by at least as much as the whole, "
    "and a higher total lowers nobody's owner; a split at equal leverage changes nothing",
    "path-independent": "draining to one level and then to a lower one is draining to the lower one",
    "leverage priority": "whoever is reduced ends at the level, and nobody who could still give stands above it",
    "monotone": "the share taken is 1 - level / leverage",
    "anonymous": "size and equity decide, not the row",
    "scale-invariant": "leverage has no unit",
    "distribution-free": "no price model enters; the rule is optimal price path by price path",
    "continuous": "the level is the root of a continuous decreasing function of the book",
}


@dataclass(frozen=True)
class MinimaxLeverage(Policy):
    """Water-filling: reduce the most levered pools to one level of gross leverage at the marks
    (paper, section 2).

    It minimises the highest leverage, and under isolated margin every monotone risk measure. Gross
    leverage counts all
    positions of a pool.
    Source: Campbell, Hey, Moallemi, Nutz, arXiv 2603.15963.
    """

    theory: ClassVar[Mapping[str, str]] = WATER_FILLING_THEORY

    def reductions(self, problem: Problem) -> FloatArray:
        book = problem.book
        return drain_exposure(problem, book.gross, book.marks)

    def __str__(self) -> str:
        return "MinimaxLeverage"


@dataclass(frozen=True)
class FactorLeverage(Policy):
    """Water-filling in factor leverage v.(q - x) / equity, so that hedges count (paper, section 3).

    Optimal shock by shock under prices driven by v alone, and so for every monotone objective,
    however many assets are
    reduced. Assets that the factor does not move are reduced by contracts pro rata.

    Parameters
    ----------
    direction : v, money per contract and unit of the factor, by asset; left out, that of the
        problem's price model: its own
        under OneFactor, otherwise the leading principal component of its scenarios.

    Source: Campbell, Hey, Moallemi, Nutz, arXiv 2603.15963.
    """

    direction: Mapping[str, float] | Any = None

    def reductions(self, problem: Problem) -> FloatArray:
        book = problem.book
        if self.direction is not None:
            v = validation.vector_by_asset("FactorLeverage, direction", self.direction, book.assets)
        elif problem.prices is not None:
            v = features.factor(problem)
        else:
            raise NotApplicable(
                "FactorLeverage: give its direction, or the problem a price model that has one"
            )
        exposure = problem.factor_exposure(v)
        return drain_exposure(problem, exposure, np.sign(problem.required) * v)

    def __str__(self) -> str:
        return "FactorLeverage"


@dataclass(frozen=True)
class MinMaxBurden(Policy):
    """Minimise the largest burden: min z such that sum_k g_k |x_ik| <= z E_i for every pool i.

    g is |mark - settlement|, what a contract closed costs its holder; where every reduced asset
    settles at its mark nothing
    costs anything, and g is the mark: notional closed, over equity. Of the program's optima it
    takes the one that goes on to
    minimise the second largest burden, and so on: for one asset, pro rata by equity.
    Source: Chitra and others, arXiv 2602.15182.
    """

    theory: ClassVar[Mapping[str, str]] = {
        "wash-trade resistant": "entry prices never enter",
        "distribution-free": "the price model never enters",
    }

    def reductions(self, problem: Problem) -> FloatArray:
        cost = np.abs(problem.settlement_offset)
        if not cost[problem.reduced_assets].any():
            cost = problem.book.marks
        return drain_exposure(problem, np.zeros(problem.book.equity.size), -cost)

    def __str__(self) -> str:
        return "MinMaxBurden"


def drain_exposure(problem: Problem, exposure: FloatArray, unit: FloatArray) -> FloatArray:
    """Reductions (e,) that make exposure / equity of pools most even.

    `exposure` (n,) money by pool; a contract taken of asset k lowers it by `unit` (d,), of either
    sign. Assets take turns,
    each drained exactly given the others, until nothing moves: descent on sum exposure^2 / equity,
    whose blocks no
    constraint couples.
    """
    from adlopt.methods.water_level import drain  # compiled loops: loads numba

    capacity = np.abs(problem.max_reduction)
    taken = np.zeros(capacity.size)
    if not unit[problem.reduced_assets].all():
        still = unit[problem.asset] == 0
        taken[still] = np.abs(share_out(problem, features.contracts(problem)))[still]
    equity = problem.book.equity[problem.pool]
    moving = [int(k) for k in problem.reduced_assets if unit[k] != 0]
    rows = {k: problem.rows_of(k) for k in moving}
    coupled = len(moving) > 1 and np.unique(problem.pool).size < problem.pool.size
    left = exposure.copy()
    for _ in range(SWEEPS):
        change = 0.0  # in units of what counts as settled
        for k in moving:
            at = rows[k]
            pool = problem.pool[at]
            height = left[pool] / unit[k] + taken[at]
            amount, _level = drain(
                height, equity[at] / abs(unit[k]), capacity[at], abs(problem.required[k])
            )
            left[pool] -= (amount - taken[at]) * unit[k]
            settled = SETTLED * abs(problem.required[k]) + ROUNDING * float(np.abs(height).max())
            change = max(change, float(np.abs(amount - taken[at]).max()) / settled)
            taken[at] = amount
        if not coupled or change <= 1.0:
            return np.asarray(np.sign(problem.max_reduction) * taken)
    moved = change * SETTLED
    raise SolverFailed(
        f"sweeps over {len(moving)} assets still move reductions by {moved:.1g} after {SWEEPS:,} rounds"
    )
