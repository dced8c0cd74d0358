"""What an allocation costs: scenario losses and the objective's value."""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.model.market import market_cost
from adlopt.model.problem import Problem
from adlopt.prices.protocol import ClosedForm, PoolLoss


def scenario_losses(problem: Problem, allocation: FloatArray | None) -> FloatArray:
    """(S,) exchange loss in each scenario, before the insurance fund, after reductions (e,)."""
    from adlopt.model import _loss_kernels as _kernels

    book = problem.book
    return _kernels.scenario_losses(
        book.solvent,
        problem.equity_after(allocation),
        book.first_position,
        book.asset,
        problem.sizes_after(allocation),
        problem.moves,
    )


def expected_pool_loss(
    problem: Problem, model: ClosedForm, allocation: FloatArray | None
) -> PoolLoss:
    """Expected shortfall by pool after reductions (e,), with its gradient at the eligible
    positions.
    """
    equity = problem.equity_after(allocation)
    return model.pool_loss(
        problem.book.assets, equity, problem.size_matrix(allocation), problem.pool, problem.asset
    )


def losses_beyond_fund(problem: Problem, allocation: FloatArray | None) -> FloatArray:
    """(S,) losses beyond the insurance fund."""
    return np.maximum(scenario_losses(problem, allocation) - problem.insurance_fund, 0.0)


def objective_value(problem: Problem, allocation: FloatArray | None) -> float:
    """The objective after reductions (e,), in money, with the cost of what is sold in the market;
    before any reduction with None.
    """
    cost = 0.0 if allocation is None else market_cost(problem, allocation)
    model = problem.closed_form
    if model is not None:
        loss = expected_pool_loss(problem, model, allocation)
        return cost + float(loss.value[problem.book.solvent].sum())
    return cost + problem.objective.value(
        losses_beyond_fund(problem, allocation), problem.scenarios.weights
    )
