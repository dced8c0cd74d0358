"""Numbers that policies rank by: (e,) one for each row of `problem.positions`."""

from __future__ import annotations

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import BoolArray, FloatArray
from adlopt.errors import InputError
from adlopt.model.allocation import gross_leverage
from adlopt.model.problem import Problem
from adlopt.prices.one_factor import OneFactor


def contracts(problem: Problem) -> FloatArray:
    """Size of each eligible position, unsigned.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    array, shape (e,)
        Contracts.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.features.contracts(problem).round(1).tolist()
    [8.0, 10.0, 8.0, 7.0]
    """
    return np.abs(problem.book.size[problem.eligible])


def notional(problem: Problem) -> FloatArray:
    """Value of each eligible position at the mark, unsigned.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    array, shape (e,)
        Money.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.features.notional(problem).round(0).tolist()
    [536000.0, 670000.0, 536000.0, 469000.0]
    """
    return np.asarray(contracts(problem) * problem.book.marks[problem.asset])


def equity(problem: Problem) -> FloatArray:
    """Equity of each position's pool, > 0.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    array, shape (e,)
        Money.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.features.equity(problem).round(0).tolist()
    [242100.0, 143000.0, 180705.0, 116901.0]
    """
    return problem.book.equity[problem.pool]


def leverage(problem: Problem) -> FloatArray:
    """Gross leverage of each position's pool: notional of all its positions over its equity.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    array, shape (e,)

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.features.leverage(problem).round(2).tolist()
    [4.75, 5.2, 6.4, 7.1]
    """
    return gross_leverage(problem, None)[problem.pool]


def position_leverage(problem: Problem) -> FloatArray:
    """Notional of each position over the equity of its pool.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    array, shape (e,)

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.features.position_leverage(problem).round(2).tolist()
    [2.21, 4.69, 2.97, 4.01]
    """
    return notional(problem) / equity(problem)


def entry_price(problem: Problem, rule: str) -> FloatArray:
    """Entry price of each eligible position.

    Parameters
    ----------
    problem : Problem
    rule : str
        Who asks, for messages.

    Returns
    -------
    array, shape (e,)
        Money per contract.

    Raises
    ------
    InputError
        The book lacks an entry price that is needed.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.features.entry_price(problem, "my rule").round(0).tolist()
    [72000.0, 73544.0, 80000.0, 80143.0]
    """
    return _entry_prices(problem, rule, _eligible(problem))[problem.eligible]


def profit(problem: Problem, rule: str) -> FloatArray:
    """Unrealised profit of each eligible position at the mark, negative for a loss.

    Parameters
    ----------
    problem : Problem
    rule : str
        Who asks, for messages.

    Returns
    -------
    array, shape (e,)
        Money.

    Raises
    ------
    InputError
        The book lacks an entry price that is needed.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.features.profit(problem, "my rule").round(0).tolist()
    [40000.0, 65440.0, 104000.0, 92001.0]
    """
    gain = problem.book.marks[problem.asset] - entry_price(problem, rule)
    return np.asarray(problem.book.size[problem.eligible] * gain)


def pool_profit(problem: Problem, rule: str) -> FloatArray:
    """Unrealised profit of all positions of each position's pool.

    Parameters
    ----------
    problem : Problem
    rule : str
        Who asks, for messages.

    Returns
    -------
    array, shape (e,)
        Money.

    Raises
    ------
    InputError
        The book lacks an entry price that is needed.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.features.pool_profit(problem, "my rule").round(0).tolist()
    [104600.0, 57700.0, 105305.0, 73001.0]
    """
    book = problem.book
    has_eligible = np.zeros(book.equity.size, dtype=bool)
    has_eligible[problem.pool] = True
    rows = has_eligible[book.pool] & (book.size != 0)
    gain = np.where(
        rows, book.size * (book.marks[book.asset] - _entry_prices(problem, rule, rows)), 0.0
    )
    return np.bincount(book.pool, gain, minlength=book.equity.size)[problem.pool].astype(float)


def factor(problem: Problem) -> FloatArray:
    """The leading factor of prices.

    It is the direction of a `OneFactor` model. Of another model, it is the leading principal
    component of its scenarios, times the square root of its eigenvalue. Without a price model it is
    the marks: all prices move by the same fraction.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    array, shape (d,)
        Money per contract and standard deviation.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.features.factor(problem).round(0).tolist()
    [6654.0, 201.0]
    """
    book = problem.book
    if problem.prices is None:
        return book.marks
    if isinstance(problem.prices, OneFactor):
        return problem.prices.vector(book.assets)
    weights = problem.scenarios.weights
    centred = problem.moves - (problem.moves @ weights)[:, None]
    eigenvalue, axis = np.linalg.eigh((centred * weights) @ centred.T)
    leading = axis[:, -1] * np.sqrt(max(eigenvalue[-1], 0.0))
    return np.asarray(leading if leading.sum() >= 0 else -leading)


def _eligible(problem: Problem) -> BoolArray:
    mask = np.zeros(problem.book.size.size, dtype=bool)
    mask[problem.eligible] = True
    return mask


def _entry_prices(problem: Problem, rule: str, needed: BoolArray) -> FloatArray:
    """(m,) entry prices of the book, present where `needed`."""
    entry = problem.book.entry_price
    if entry is None:
        raise InputError(
            f"{rule}: it ranks by profit, and the book has no entry prices; add the column "
            "'entry_price' to positions"
        )
    if np.isnan(entry[needed]).any():
        wanted = (
            f"is missing, and {rule} ranks by profit; give the price at which the position was "
            "opened"
        )
        validation.raise_for_rows(
            "positions",
            problem.book.positions_frame(),
            needed & np.isnan(entry),
            "entry_price",
            wanted,
        )
    return entry
