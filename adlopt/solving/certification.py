"""Certificates of allocations that others made."""

from __future__ import annotations

from adlopt._internal.arrays import FloatArray
from adlopt.model.allocation import AnyAllocation, read_allocation
from adlopt.model.problem import Problem
from adlopt.objectives import ExpectedLoss
from adlopt.proof.certificate import CLOSED, Certificate, certify_array

MAX_KINKS, MAX_PAIRS = 20_000, 200_000  # a second or two of Clarabel


def certify(problem: Problem, allocation: AnyAllocation) -> Certificate:
    """Bound how far any feasible allocation is from optimal, whatever made it.

    A subgradient and a sort per asset prove the bound. Where pools stand at the kink (equity
    exactly zero in a scenario, as at most optima) the subgradient is chosen by a small program over
    those kinks alone, if there are few enough of them.

    Parameters
    ----------
    problem : Problem
    allocation : Solution, DataFrame or array
        A Solution, an array (e,) in the row order of `problem.positions`, or a table with
        `account`, `asset`, `reduction` (contracts, signed like the position) and `margin_mode`
        where an account holds an asset under both; positions it leaves out are not reduced.

    Returns
    -------
    Certificate

    Raises
    ------
    InputError
        The allocation is not feasible; the message names the rows or the asset.
    NotApplicable
        The problem has no price model.
    """
    reductions = read_allocation(problem, allocation)
    proof = certify_array(problem, reductions)
    if problem.closed_form is not None or proof.gap <= CLOSED:
        return proof
    at_kinks = _certify_kinks(problem, reductions)
    return proof if at_kinks is None or at_kinks.lower_bound <= proof.lower_bound else at_kinks


def _certify_kinks(problem: Problem, allocation: FloatArray) -> Certificate | None:
    """Certificate by the best subgradient at the kinks; None if there are none, or too many for a
    quick answer.
    """
    from adlopt.methods import conic
    from adlopt.presolve.pairs import around

    local = around(problem, allocation)
    kinked = local.hinges.pool.size > 0 or not isinstance(problem.objective, ExpectedLoss)
    if not kinked or local.hinges.pool.size > MAX_KINKS or local.linear.pool.size > MAX_PAIRS:
        return None
    multipliers = conic.multipliers_around(problem, local)
    return None if multipliers is None else certify_array(problem, allocation, multipliers)
