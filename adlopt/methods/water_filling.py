"""Isolated margin: drain the leverage of every pool above one water level per asset.

Optimal price path by price path, hence for every monotone objective and without a price model
(docs/theory/water_filling.md).

Source: Campbell, Hey, Moallemi, Nutz, arXiv 2603.15963, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adlopt.errors import NotApplicable
from adlopt.methods.result import Refusal, Result, Settings
from adlopt.model.problem import Problem

REMEDY = "use method='conic', or book.with_margin('isolated')"


def reason_not_applicable(problem: Problem) -> str | None:
    """Why water-filling does not apply, or None if it does."""
    if not problem.objective.monotone:
        return f"the objective {problem.objective} is not monotone"
    if problem.settlement_offset[problem.reduced_assets].any():
        return "reductions settle off the mark, so they change equity and not leverage alone"
    held = np.diff(problem.book.first_position)
    several = np.flatnonzero(held[problem.pool] > 1)
    if several.size:
        count = np.unique(problem.pool[several]).size
        account = problem.book.account_names[problem.book.pool_account[problem.pool[several[0]]]]
        return (
            f"pools to be reduced hold more than one asset under cross margin (the first of "
            f"{count:,} is account {account!r}), where gross leverage ignores hedges"
        )
    return None


@dataclass(frozen=True)
class WaterFilling:
    """The plan: fill asset by asset."""

    problem: Problem

    def solve(self, settings: Settings) -> Result:
        return _drain_all(self.problem)


def plan(problem: Problem) -> WaterFilling | Refusal:
    """The plan of this method, or why there is none."""
    reason = reason_not_applicable(problem)
    return WaterFilling(problem) if reason is None else Refusal(reason, REMEDY)


def solve(problem: Problem) -> Result:
    """Reductions that leave every pool at min(leverage before, level); caps permitting."""
    found = plan(problem)
    if isinstance(found, Refusal):
        raise NotApplicable(f"water_filling: {found.reason}; {found.remedy}")
    return _drain_all(problem)


def _drain_all(problem: Problem) -> Result:
    from adlopt.methods.water_level import drain  # compiled loops: loads numba

    book = problem.book
    allocation = np.zeros(problem.eligible.size)
    levels = np.full(len(book.assets), np.nan)
    for k in problem.reduced_assets:
        rows = problem.rows_of(k)
        size = np.abs(book.size[problem.eligible[rows]])
        width = book.equity[problem.pool[rows]] / book.marks[k]
        taken, levels[k] = drain(
            size, width, np.abs(problem.max_reduction[rows]), abs(problem.required[k])
        )
        allocation[rows] = np.sign(problem.required[k]) * taken
    return Result(allocation, water_level=levels)
