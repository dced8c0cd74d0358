"""What solvers of the scenario program share: its unit of money, and feasibility to rounding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.model.losses import losses_beyond_fund
from adlopt.model.market import least_from_accounts
from adlopt.model.problem import Problem

ZERO_LOSS = 1e-13  # of all equity: a loss below is rounding and cannot serve as a unit
SNAP_THRESHOLDS = (1e-4, 1e-6, 1e-8, 1e-10)  # fractions of a position, tried in turn


def typical_loss(problem: Problem) -> float:
    """Money unit of the program: the objective when every position gives the same share, or before
    any reduction.
    """
    equity = float(problem.book.equity[problem.book.solvent].sum())
    for allocation in (problem.pro_rata(), None):
        value = float(problem.scenarios.weights @ losses_beyond_fund(problem, allocation))
        if value > ZERO_LOSS * equity:
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
    """The allocation with fractions near 0 and 1 rounded to them, by ever smaller thresholds.

    Interior-point steps leave such fractions on accounts that an optimum does not touch. The caller
    stops at the first allocation that costs no more than the gap that the solver has left open.
    """
    fraction = np.divide(
        allocation,
        problem.max_reduction,
        out=np.zeros(allocation.size),
        where=problem.max_reduction != 0,
    )
    for negligible in SNAP_THRESHOLDS:
        high = np.where(fraction > 1.0 - negligible, 1.0, fraction)
        rounded = np.where(fraction < negligible, 0.0, high)
        yield restore_feasibility(problem, rounded * problem.max_reduction)
