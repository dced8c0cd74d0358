"""A problem with one thing changed, sharing what the change does not touch; these functions are
methods of `Problem`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, frozen
from adlopt.errors import InputError
from adlopt.model import statement
from adlopt.objectives import Objective
from adlopt.prices.protocol import PriceModel

if TYPE_CHECKING:
    from adlopt.model.problem import Problem


def with_changes(
    problem: Problem,
    *,
    multiple: float = 1.0,
    insurance_fund: float | None = None,
    objective: Objective | str | Callable[..., Any] | None = None,
) -> Problem:
    """The same problem with a multiple of the reduction, another fund or another objective.

    Scenarios drawn already are kept, so a sweep is cheaper than stating each problem anew.

    Parameters
    ----------
    multiple : float, default 1
        Multiple of the reduction, > 0.
    insurance_fund : float, optional
    objective : Objective, str or function, optional

    Returns
    -------
    Problem

    Raises
    ------
    InfeasibleReduction
        The multiple requires more than the eligible positions hold.
    """
    factor = validation.as_finite("multiple of the reduction", multiple)
    if not factor > 0:
        raise InputError(
            f"multiple of the reduction is {multiple}; it must be > 0: the side of a reduction "
            "is its sign"
        )
    for shared in ("positions", "_rows_by_asset", "available"):  # by all variants
        getattr(problem, shared)
    other = copy.copy(problem)
    for name in ("reduced_assets", "exhausted_assets", "closed_form"):
        other.__dict__.pop(name, None)  # cached facts that the changes touch
    if insurance_fund is not None:
        other._put(insurance_fund=statement.as_fund(insurance_fund))
    if objective is not None:
        other._put(objective=statement.as_objective(objective))
    required = other._within_capacity(problem.required * factor)
    names = problem.book.assets
    reduction = {names[int(k)]: float(required[k]) for k in np.flatnonzero(required)}
    other._put(required=frozen(required), reduction=reduction)
    return other


def with_prices(problem: Problem, prices: PriceModel) -> Problem:
    """The same problem under another price model, such as a fresh draw of this one.

    Everything that does not depend on prices is shared, and nothing is validated again.

    Parameters
    ----------
    prices : PriceModel

    Returns
    -------
    Problem
    """
    other = copy.copy(problem)
    for name in ("scenarios", "moves", "closed_form"):
        other.__dict__.pop(name, None)  # cached facts that depend on prices
    object.__setattr__(other, "prices", prices)
    return other


def with_max_reduction(problem: Problem, max_reduction: FloatArray) -> Problem:
    """The same problem with other bounds on what may be taken from each position.

    Parameters
    ----------
    max_reduction : array, shape (e,)
        Contracts, signed like the positions.

    Returns
    -------
    Problem

    Raises
    ------
    InfeasibleReduction
        They leave too little to take.
    """
    other = copy.copy(problem)
    for name in ("available", "exhausted_assets"):
        other.__dict__.pop(name, None)  # cached facts that depend on caps
    other._put(max_reduction=frozen(max_reduction))
    other._put(required=frozen(other._within_capacity(problem.required)))
    return other
