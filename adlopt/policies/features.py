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
    """Size of the position, unsigned."""
    return np.abs(problem.book.size[problem.eligible])


def notional(problem: Problem) -> FloatArray:
    """Value of the position at the mark, unsigned."""
    return np.asarray(contracts(problem) * problem.book.marks[problem.asset])


def equity(problem: Problem) -> FloatArray:
    """Equity of the position's pool, > 0."""
    return problem.book.equity[problem.pool]


def leverage(problem: Problem) -> FloatArray:
    """Gross leverage of the position's pool: notional of all its positions over its equity."""
    return gross_leverage(problem, None)[problem.pool]


def position_leverage(problem: Problem) -> FloatArray:
    """Notional of this one position over the equity of its pool."""
    return notional(problem) / equity(problem)


def entry_price(problem: Problem, rule: str) -> FloatArray:
    """Entry price; InputError in the name of `rule` if the book lacks one that is needed."""
    return _entry_prices(problem, rule, _eligible(problem))[problem.eligible]


def profit(problem: Problem, rule: str) -> FloatArray:
    """Unrealised profit of the position at the mark, negative for a loss."""
    gain = problem.book.marks[problem.asset] - entry_price(problem, rule)
    return np.asarray(problem.book.size[problem.eligible] * gain)


def pool_profit(problem: Problem, rule: str) -> FloatArray:
    """Unrealised profit of all positions of the pool."""
    book = problem.book
    has_eligible = np.zeros(book.equity.size, dtype=bool)
    has_eligible[problem.pool] = True
    rows = has_eligible[book.pool] & (book.size != 0)
    gain = np.where(
        rows, book.size * (book.marks[book.asset] - _entry_prices(problem, rule, rows)), 0.0
    )
    return np.bincount(book.pool, gain, minlength=book.equity.size)[problem.pool].astype(float)


def factor(problem: Problem) -> FloatArray:
    """(d,) by asset, money per contract and standard deviation of the leading factor of prices.

    The direction of a `OneFactor` model. Of another model, the leading principal component of its
    scenarios, times the square root of its eigenvalue. Without a price model the marks: all prices
    move by the same fraction.
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
