"""Common constraints beyond the boxes: each makes a function of the allocation expression for
`solve(constraints=...)`.

The expression (e,) holds the reductions in contracts, signed, in the row order of
`problem.positions`. Any function of it that returns convex cvxpy constraints will do in the place
of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from adlopt._internal import validation
from adlopt._internal.arrays import IntArray
from adlopt.errors import InputError
from adlopt.model.problem import Problem
from adlopt.model.proportional_limit import ProportionalLimit

__all__ = [
    "ProportionalLimit",
    "at_most_account_fraction",
    "at_most_equity",
    "at_most_fraction",
    "hedged_together",
    "parse_constraint",
    "read_all",
]

if TYPE_CHECKING:
    import cvxpy as cp

    Constraints = Callable[[cp.Expression], "cp.Constraint | Iterable[cp.Constraint]"]
else:
    Constraints = Callable[[Any], Any]


def at_most_fraction(problem: Problem, fraction: float) -> ProportionalLimit:
    """No position loses more than `fraction` of its size.

    Parameters
    ----------
    problem : Problem
    fraction : float
        In [0, 1].

    Returns
    -------
    ProportionalLimit
        For `solve(problem, constraints=...)`.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> limit = adl.constraints.at_most_fraction(problem, 0.5)
    >>> bool(adl.solve(problem, constraints=limit).allocation["fraction"].max() < 0.5001)
    True
    """
    size = problem.book.size[problem.eligible]
    return ProportionalLimit(
        "at_most_fraction",
        sp.diags_array(np.sign(size)),
        base=np.abs(size),
        parameter=validation.as_fraction("at_most_fraction: fraction", fraction),
        sentence="at least {} % of each position must be allowed",
        percent=True,
    )


def at_most_account_fraction(problem: Problem, fraction: float) -> ProportionalLimit:
    """No account loses more than `fraction` of its gross notional at the marks, all its positions
    together.

    Parameters
    ----------
    problem : Problem
    fraction : float
        In [0, 1].

    Returns
    -------
    ProportionalLimit
        For `solve(problem, constraints=...)`.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.constraints.at_most_account_fraction(problem, 0.5)
    at_most_account_fraction(0.5)
    """
    book = problem.book
    owner = book.pool_account[book.pool]
    gross = np.bincount(owner, book.notional, minlength=len(book.account_names))
    matrix, accounts = _by_account(problem)
    return ProportionalLimit(
        "at_most_account_fraction",
        matrix,
        base=gross[accounts].astype(np.float64),
        parameter=validation.as_fraction("at_most_account_fraction: fraction", fraction),
        sentence="at least {} % of each account's notional must be allowed",
        percent=True,
    )


def at_most_equity(problem: Problem, multiple: float) -> ProportionalLimit:
    """No account loses notional worth more than `multiple` times its equity (that of its solvent
    pools).

    Parameters
    ----------
    problem : Problem
    multiple : float
        >= 0.

    Returns
    -------
    ProportionalLimit
        For `solve(problem, constraints=...)`.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.constraints.at_most_equity(problem, 2)
    at_most_equity(2)
    """
    book = problem.book
    solvent = np.where(book.solvent, book.equity, 0.0)
    equity = np.bincount(book.pool_account, solvent, minlength=len(book.account_names))
    matrix, accounts = _by_account(problem)
    return ProportionalLimit(
        "at_most_equity",
        matrix,
        base=equity[accounts].astype(np.float64),
        parameter=validation.as_nonnegative("at_most_equity: multiple of equity", multiple),
        sentence="at least {} times each account's equity must be allowed",
        percent=False,
    )


def hedged_together(problem: Problem, pairs: Sequence[tuple[str, str]]) -> Constraints:
    """Pools that hold both assets of a pair on eligible sides lose the same fraction of both.

    Parameters
    ----------
    problem : Problem
    pairs : sequence of pairs of str
        Names of assets. A pair of which only one is reduced has no effect: the other leg cannot
        move.

    Returns
    -------
    callable
        Function of the allocation, for `solve(problem, constraints=...)`.

    Raises
    ------
    InputError
        A pair does not name two assets of the book.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0, "ETH": -100.0},
    ...                       prices=adl.examples.paper_lognormal(64))
    >>> hedge = adl.constraints.hedged_together(problem, [("BTC", "ETH")])
    >>> table = adl.solve(problem, constraints=hedge).allocation
    >>> table[table["account"] == "1"]["fraction"].round(4).nunique()
    1
    """
    rows: list[tuple[int, int]] = []
    row_of = {
        (int(i), int(k)): row
        for row, (i, k) in enumerate(zip(problem.pool, problem.asset, strict=True))
    }
    for first, second in _asset_pairs(problem, pairs):
        rows += [
            (row, row_of[i, second])
            for (i, k), row in row_of.items()
            if k == first and (i, second) in row_of
        ]
    size = problem.book.size[problem.eligible]
    index = np.array(rows, dtype=np.intp).reshape(-1, 2)
    line = np.repeat(np.arange(len(rows)), 2)
    sign = np.tile([1.0, -1.0], len(rows))
    difference = sp.csr_array(
        (sign / size[index.ravel()], (line, index.ravel())), shape=(len(rows), size.size)
    )
    return lambda allocation: [difference @ allocation == 0] if rows else []


def _asset_pairs(problem: Problem, pairs: object) -> list[tuple[int, int]]:
    """Pairs of assets, as positions in the book's assets."""
    if isinstance(pairs, str) or not isinstance(pairs, Iterable):
        raise InputError(
            f"hedged_together: pairs is {pairs!r}; give a list such as [('BTC', 'ETH')]"
        )
    assets, found = problem.book.assets, []
    for pair in pairs:
        named = isinstance(pair, tuple | list) and len(pair) == 2
        codes = assets.get_indexer(pd.Index(pair)) if named else np.array([-1])
        if codes.min() < 0:
            raise InputError(
                f"hedged_together: {pair!r} is not a pair of assets; there are "
                f"{validation.format_names(assets)}"
            )
        found.append((int(codes[0]), int(codes[1])))
    return found


def _by_account(problem: Problem) -> tuple[sp.sparray, IntArray]:
    """Matrix (accounts, e) that sums notional taken off each account with eligible positions, and
    those accounts.
    """
    accounts, row = np.unique(problem.book.pool_account[problem.pool], return_inverse=True)
    value = np.sign(problem.max_reduction) * problem.book.marks[problem.asset]
    shape = (accounts.size, value.size)
    return sp.csr_array((value, (row, np.arange(value.size))), shape=shape), accounts


NAMED: dict[str, Callable[[Problem, float], ProportionalLimit]] = {
    "at-most-fraction": at_most_fraction,
    "at-most-account-fraction": at_most_account_fraction,
    "at-most-equity": at_most_equity,
}
"""Constraints that text names, as in "at-most-fraction:0.3"."""


def parse_constraint(problem: Problem, text: str, *, what: str = "constraints") -> Constraints:
    """The constraint that a text describes: "at-most-fraction:0.3", "at-most-account-fraction:0.3",
    "at-most-equity:2" or "hedged-together:BTC/ETH".

    Parameters
    ----------
    problem : Problem
    text : str
        A name, a colon and its parameter; "_" is accepted for "-".
    what : str
        How messages name the input.

    Returns
    -------
    callable
        Function of the allocation, for `solve(problem, constraints=...)`.

    Raises
    ------
    InputError
        The name is unknown or the parameter is not right.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.constraints.parse_constraint(problem, "at-most-equity:2")
    at_most_equity(2)
    """
    name, _, parameter = text.partition(":")
    key = name.strip().replace("_", "-")
    if key == "hedged-together":
        pair: Any = tuple(parameter.strip().split("/"))
        return hedged_together(problem, [pair])
    if key not in NAMED:
        known = ", ".join([*NAMED, "hedged-together"])
        raise InputError(f"{what}: {text!r} is unknown; use {known}, such as at-most-fraction:0.3")
    return NAMED[key](problem, validation.read_number(f"{what}, {key}", parameter.strip()))


def read_all(problem: Problem, constraints: object) -> tuple[Constraints, ...]:
    """Functions of the allocation from functions and texts.

    Parameters
    ----------
    problem : Problem
    constraints : function, str, or sequence of them
        Functions of the allocation, or their names such as "at-most-fraction:0.3".

    Returns
    -------
    tuple of callable

    Raises
    ------
    InputError
        An entry is neither a function nor the name of one.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.constraints.read_all(problem, ["at-most-fraction:0.3", "at-most-equity:2"])
    (at_most_fraction(0.3), at_most_equity(2))
    """
    single = isinstance(constraints, str) or callable(constraints)
    given = (constraints,) if single else constraints
    if not isinstance(given, Iterable):
        raise InputError(_not_a_function(constraints))
    functions: list[Constraints] = []
    for one in given:
        if isinstance(one, str):
            functions.append(parse_constraint(problem, one))
        elif callable(one):
            functions.append(one)
        else:
            raise InputError(_not_a_function(one))
    return tuple(functions)


def _not_a_function(given: object) -> str:
    return (
        f"constraints: {given!r} is not a function of the allocation; see adlopt.constraints, or "
        "name one, such as 'at-most-fraction:0.3'"
    )
