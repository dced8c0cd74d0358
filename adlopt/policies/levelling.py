"""Levelling rules: water-filling, factor leverage, min-max burden.

Pools end as even as they can in gross leverage, in leverage along a factor, or in what reductions
cost them. All three share the algorithm of the method `factor_leverage`, which is exact for any
number of reduced assets (docs/theory/one_factor.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import NotApplicable
from adlopt.model.problem import Problem
from adlopt.policies import features
from adlopt.policies.protocol import Policy

WATER_FILLING_THEORY = {
    "feasible": (
        "amounts above the level lie in the boxes, and the level is the one that meets the "
        "requirement"
    ),
    "wash-trade resistant": "entry prices never enter: size, mark and equity decide",
    "Sybil resistant": (
        "x -> max(x, 0) is subadditive, so parts stand above the level by at least as much as the "
        "whole, and a higher total lowers nobody's owner; a split at equal leverage changes nothing"
    ),
    "path-independent": (
        "draining to one level and then to a lower one is draining to the lower one"
    ),
    "leverage priority": (
        "a reduced account ends at the level, and no account that could still give is above it"
    ),
    "monotone": "the share taken is 1 - level / leverage",
    "anonymous": "size and equity decide, not the row",
    "scale-invariant": "leverage has no unit",
    "distribution-free": "no price model enters; the rule is optimal price path by price path",
    "continuous": "the level is the root of a continuous decreasing function of the book",
}


@dataclass(frozen=True)
class MinimaxLeverage(Policy):
    """Water-filling: reduce the most levered pools to one level of gross leverage at the marks.

    It minimises the highest leverage, and under isolated margin every monotone risk measure. Gross
    leverage counts all positions of a pool.

    Source: Campbell, Hey, Moallemi, Nutz, arXiv 2603.15963, section 2.

    Examples
    --------
    >>> import adlopt as adl
    >>> after = adl.policies.MinimaxLeverage().allocate(adl.examples.paper_problem())
    >>> after["leverage_after"].round(2).tolist()
    [4.7, 4.7, 4.7, 4.7]
    """

    theory: ClassVar[Mapping[str, str]] = WATER_FILLING_THEORY

    def reductions(self, problem: Problem) -> FloatArray:
        book = problem.book
        return level_exposure(problem, book.gross, book.marks)

    def __str__(self) -> str:
        return "MinimaxLeverage"


@dataclass(frozen=True)
class FactorLeverage(Policy):
    """Water-filling in factor leverage v.(q - x) / equity, so hedges count.

    Optimal shock by shock under prices driven by v alone, and so for every monotone objective,
    however many assets are reduced. Assets that the factor does not move are reduced pro rata.

    Source: Campbell, Hey, Moallemi, Nutz, arXiv 2603.15963, section 3, for one reduced asset.

    Parameters
    ----------
    direction : mapping of float by asset, or array in the book's order, optional
        v, money per contract and unit of the factor. Left out, that of the problem's price model:
        its own under OneFactor, otherwise the leading principal component of its scenarios.

    Examples
    --------
    >>> import adlopt as adl
    >>> taken = adl.policies.FactorLeverage().allocate(adl.examples.paper_problem())
    >>> taken["reduction"].round(4).tolist()
    [-3.0158, -0.1391, -6.8451, 0.0]
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
        return level_exposure(problem, exposure, np.sign(problem.required) * v)

    def __str__(self) -> str:
        return "FactorLeverage"


@dataclass(frozen=True)
class MinMaxBurden(Policy):
    """Minimise the largest burden: min z such that sum_k g_k |x_ik| <= z E_i for every pool i.

    g is |mark - settlement|, what a contract closed costs its holder; where every reduced asset
    settles at its mark nothing costs anything, and g is the mark: notional closed, over equity. Of
    the program's optima it takes the one that goes on to minimise the second largest burden, and so
    on: for one asset, pro rata by equity.

    Source: Chitra and others, arXiv 2602.15182.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> taken = adl.policies.MinMaxBurden().allocate(problem)["reduction"].abs()
    >>> (taken / problem.book.equity).round(8).nunique()
    1
    """

    theory: ClassVar[Mapping[str, str]] = {
        "wash-trade resistant": "entry prices never enter",
        "distribution-free": "the price model never enters",
    }

    def reductions(self, problem: Problem) -> FloatArray:
        cost = np.abs(problem.settlement_offset)
        if not cost[problem.reduced_assets].any():
            cost = problem.book.marks
        return level_exposure(problem, np.zeros(problem.book.equity.size), -cost)

    def __str__(self) -> str:
        return "MinMaxBurden"


def level_exposure(problem: Problem, exposure: FloatArray, unit: FloatArray) -> FloatArray:
    """Reductions (e,) that make exposure / equity of the pools most even.

    `exposure` (n,) is money by pool; a contract taken of asset k lowers it by `unit` (d,), of
    either sign. Assets of unit zero are reduced pro rata.
    """
    from adlopt.methods.exposure_levels import level_problem  # compiled loops: loads numba

    return level_problem(problem, exposure, unit)[0]
