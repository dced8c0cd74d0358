"""What solvers of the scenario program share: its unit of money, and feasibility to rounding."""

from __future__ import annotations

import numpy as np

from adlopt._tables import FloatArray
from adlopt.evaluation import excess_losses
from adlopt.problem import Problem

ROUNDING = 1e-13


def typical_loss(problem: Problem) -> float:
    """Money unit of the program: the objective when every position gives the same share, or before any reduction."""
    total = np.bincount(problem.asset, np.abs(problem.capacity), minlength=problem.target.size)
    share = np.divide(np.abs(problem.target), total, out=np.zeros(total.size), where=total > 0)
    # What rounding leaves of a loss that is zero is no unit.
    equity = float(problem.book.equity[problem.book.solvent].sum())
    for allocation in (problem.capacity * share[problem.asset], None):
        value = float(problem.scenarios.weights @ excess_losses(problem, allocation))
        if value > ROUNDING * equity:
            return value
    return equity


def repaired(problem: Problem, allocation: FloatArray) -> FloatArray:
    """The solver's allocation with boxes kept exactly and sums to rounding.

    What is left of a sum is spread over the positions taken in part, which are those at the margin; then over the room that
    all have. Not by rescaling: that would push reductions over their caps.
    """
    taken = np.clip(allocation / np.where(problem.capacity == 0, 1.0, problem.capacity), 0.0, 1.0) * np.abs(problem.capacity)
    cap = np.abs(problem.capacity)
    for k in problem.reduced_assets:
        rows = np.flatnonzero(problem.asset == k)
        for attempt in range(4):
            residual = abs(problem.target[k]) - taken[rows].sum()
            room = cap[rows] - taken[rows] if residual > 0 else taken[rows]
            if attempt == 0:
                room = np.minimum(cap[rows] - taken[rows], taken[rows])
            if residual == 0 or room.sum() == 0:
                continue
            change = np.clip(room * (residual / room.sum()), -taken[rows], cap[rows] - taken[rows])
            taken[rows] += change
    return np.sign(problem.capacity) * taken
