"""Cross margin under one factor: drain factor leverage v.(q - x) / E instead of gross leverage.

Optimal shock by shock for either sign of the shock, hence for every monotone objective, however
many assets are reduced (docs/theory/one_factor.md, theorem 3). Isolated pools take part as they
are: their factor leverage is that of their one position.

Source: Campbell, Hey, Moallemi, Nutz, arXiv 2603.15963, section 3, for one reduced asset; several
are this package's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adlopt.errors import NotApplicable
from adlopt.methods.result import Refusal, Result, Settings
from adlopt.model.problem import Problem
from adlopt.prices.one_factor import OneFactor

REMEDY = "use method='shadow_price' or 'conic'"


def reason_not_applicable(problem: Problem) -> str | None:
    """Why the rule does not apply, or None if it does."""
    if not isinstance(problem.prices, OneFactor):
        return (
            "it needs prices=OneFactor(...); under other models accounts differ in more than one "
            "risk"
        )
    if not problem.objective.monotone:
        return f"the objective {problem.objective} is not monotone"
    assets = problem.reduced_assets
    if problem.settlement_offset[assets].any():
        return "reductions settle off the mark, so they change equity and not leverage alone"
    if not problem.prices.vector(problem.book.assets)[assets].any():
        name = problem.book.assets[assets[0]]
        return f"the factor does not move {name!r}: every allocation has the same risk"
    return None


@dataclass(frozen=True)
class FactorLeverage:
    """The plan: level factor leverage."""

    problem: Problem

    def solve(self, settings: Settings) -> Result:
        """Reductions that leave factor leverage as even as can be.

        For one asset, clip(level, least reachable, before) in every pool.
        """
        from adlopt.methods.exposure_levels import level_problem  # loads numba

        problem = self.problem
        assert isinstance(problem.prices, OneFactor)
        v = problem.prices.vector(problem.book.assets)
        unit = np.where(problem.required != 0, np.sign(problem.required) * v, 0.0)
        reductions, level = level_problem(problem, problem.factor_exposure(v), unit)
        details: dict[str, Any] = {}
        if problem.reduced_assets.size > 1:
            groups = np.unique(np.abs(level[np.isfinite(level)])).size
            details["levels"] = f"{problem.reduced_assets.size} assets, {groups} levels"
        return Result(reductions, water_level=level, details=details)


def plan(problem: Problem) -> FactorLeverage | Refusal:
    """The plan of this method, or why there is none."""
    reason = reason_not_applicable(problem)
    return FactorLeverage(problem) if reason is None else Refusal(reason, REMEDY)


def solve(problem: Problem) -> Result:
    """Reductions that leave factor leverage as even as can be.

    Raises NotApplicable with the reason where the rule is not optimal or not defined.
    """
    found = plan(problem)
    if isinstance(found, Refusal):
        raise NotApplicable(f"factor_leverage: {found.reason}; {found.remedy}")
    return found.solve(Settings())
