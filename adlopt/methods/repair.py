"""What solvers of the scenario program share: its unit of money, and feasibility to rounding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.model.losses import losses_beyond_fund
from adlopt.model.market import least_from_accounts
from adlopt.model.problem import Problem

ROUNDING = 1e-13
NEXT_TO_NOTHING = (1e-4, 1e-6, 1e-8, 1e-10)  # shares of a position, tried in turn


def typical_loss(problem: Problem) -> float:
    """Money unit of the program: the objective when every position gives the same share, or before
    any reduction.
    """
    # If the loss is zero up to rounding, it cannot serve as a unit.
    equity = float(problem.book.equity[problem.book.solvent].sum())
    for allocation in (problem.pro_rata(), None):
        value = float(problem.scenarios.weights @ losses_beyond_fund(problem, allocation))
        if value > ROUNDING * equity:
            return value
    return equity


def restore_feasibility(problem: Problem, allocation: FloatArray) -> FloatArray:
    """The solver's allocation with boxes kept exactly and sums to rounding.

    What is left of a sum is spread over the positions at the margin, those taken about half; then
    over what all that are partly reduced can give, and only then over all. Not by rescaling: that
    would push reductions over their caps.
    """
    taken = np.clip(
        allocation / np.where(problem.max_reduction == 0, 1.0, problem.max_reduction), 0.0, 1.0
    ) * np.abs(problem.max_reduction)
    cap = np.abs(problem.max_reduction)
    least = least_from_accounts(problem)
    for k in problem.reduced_assets:
        rows = problem.rows_of(k)
        for attempt in range(4):
            total = float(taken[rows].sum())
            residual = min(max(total, least[k]), abs(problem.required[k])) - total
            room = cap[rows] - taken[rows] if residual > 0 else taken[rows]
            margin = np.minimum(cap[rows] - taken[rows], taken[rows])
            partly = np.where(margin > 0, room, 0.0)
            room = margin if attempt == 0 else partly if partly.sum() >= abs(residual) else room
            if residual == 0 or room.sum() == 0:
                continue
            change = np.clip(room * (residual / room.sum()), -taken[rows], cap[rows] - taken[rows])
            taken[rows] += change
    return np.sign(problem.max_reduction) * taken


def snapped_to_bounds(problem: Problem, allocation: FloatArray) -> Iterator[FloatArray]:
    """The allocation without the traces that interior-point steps leave on accounts that nothing is
    to be taken from.

    Reductions of next to nothing become none, those of nearly all become all: ever smaller ones,
    for the caller to stop at the first that costs no more than the solver has left open anyway.
    """
    share = np.divide(
        allocation,
        problem.max_reduction,
        out=np.zeros(allocation.size),
        where=problem.max_reduction != 0,
    )
    for negligible in NEXT_TO_NOTHING:
        rounded = np.where(share < negligible, 0.0, np.where(share > 1.0 - negligible, 1.0, share))
        yield restore_feasibility(problem, rounded * problem.max_reduction)
