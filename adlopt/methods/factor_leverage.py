"""Cross margin under one factor: drain factor leverage v.(q - x) / E instead of gross leverage (paper, section 3).

Optimal shock by shock for either sign of the shock, hence for every monotone objective. Isolated pools take part as
they are: their factor leverage is that of their one position.
"""

from __future__ import annotations

import numpy as np

from adlopt.errors import NotApplicable
from adlopt.methods.result import Result
from adlopt.prices.one_factor import OneFactor
from adlopt.problem import Problem


def obstacle(problem: Problem) -> str | None:
    """Why the rule does not apply, or None if it does."""
    if not isinstance(problem.prices, OneFactor):
        return "it needs prices=OneFactor(...); under other models accounts differ in more than one risk"
    if not problem.objective.monotone:
        return f"the objective {problem.objective} is not monotone"
    assets = problem.reduced_assets
    if assets.size > 1:
        return f"{assets.size} assets are to be reduced; targets in factor leverage fix the reductions of one asset only"
    if problem.settlement_offset[assets].any():
        return "reductions settle off the mark, so that they change equity and not leverage alone"
    if problem.prices.vector(problem.book.assets)[assets[0]] == 0:
        return f"the factor does not move {problem.book.assets[assets[0]]!r}: every allocation has the same risk"
    return None


def solve(problem: Problem) -> Result:
    """Reductions that bring factor leverage to clip(level, least reachable, before) in every pool."""
    from adlopt.methods.level import drain  # compiled loops: loads numba

    reason = obstacle(problem)
    if reason is not None:
        raise NotApplicable(f"factor_leverage: {reason}; use method='conic'")
    assert isinstance(problem.prices, OneFactor)
    book = problem.book
    v = problem.prices.vector(book.assets)
    k = int(problem.reduced_assets[0])
    # Count exposure in contracts of the reduced asset, positive on the side that reductions shrink.
    unit = np.sign(problem.target[k]) * v[k]
    exposure = (problem.sizes(None) @ v) / unit
    width = book.equity[problem.pool] / abs(v[k])
    taken, level = drain(exposure[problem.pool], width, np.abs(problem.capacity), abs(problem.target[k]))
    return Result(np.sign(problem.target[k]) * taken, water_level=np.array([level]))
