"""Common constraints beyond the boxes: each makes a function of the allocation expression for
`solve(constraints=...)`.

The expression (e,) holds the reductions in contracts, signed, in the row order of
`problem.positions`. Any function of it
that returns convex cvxpy constraints will do in the place of these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.model.problem import Problem

if TYPE_CHECKING:
    import cvxpy as cp

    Constraints = Callable[[cp.Expression], "cp.Constraint | Iterable[cp.Constraint]"]
else:
    Constraints = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class ProportionalLimit:
    """A constraint with one parameter: matrix @ allocation <= parameter * base.

    It is a function of the allocation expression, as `solve(constraints=...)` takes them, and it
    knows what it would say with a looser parameter.

    Examples
    --------
    >>> import adlopt as adl
    >>> limit = adl.constraints.at_most_fraction(adl.examples.paper_problem(), 0.5)
    >>> limit.relaxed_sentence(0.6)
    'at least 60 % of each position must be allowed'
    """

    name: str
    matrix: sp.sparray
    """(r, e)"""
    base: FloatArray
    """(r,)"""
    parameter: float
    sentence: str
    """What must be allowed, with a place for the parameter."""
    percent: bool
    """Whether the sentence gives the parameter in per cent."""

    def __call__(self, allocation: cp.Expression) -> cp.Constraint:
        return self.with_parameter(allocation, self.parameter)

    def with_parameter(
        self, allocation: cp.Expression, parameter: float | cp.Variable
    ) -> cp.Constraint:
        """The constraint for another parameter, which may be a variable."""
        return self.matrix @ allocation <= self.base * parameter

    def relaxed_sentence(self, parameter: float) -> str:
        """Says that `parameter` must be allowed, rounded up to four digits."""
        value = parameter * 100 if self.percent else parameter
        if value > 0:
            step = 10.0 ** (math.floor(math.log10(value)) - 3)
            value = math.ceil(value / step - 1e-4) * step  # a solver's rounding adds no digit
        return self.sentence.format(f"{value:.4g}")

    def __repr__(self) -> str:
        return f"{self.name}({self.parameter:g})"


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
        np.abs(size),
        validation.as_fraction("at_most_fraction: fraction", fraction),
        "at least {} % of each position must be allowed",
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
    gross = np.bincount(owner, book.notional, minlength=len(book.names))
    matrix, accounts = _by_account(problem)
    return ProportionalLimit(
        "at_most_account_fraction",
        matrix,
        gross[accounts].astype(np.float64),
        validation.as_fraction("at_most_account_fraction: fraction", fraction),
        "at least {} % of each account's notional must be allowed",
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
    equity = np.bincount(book.pool_account, solvent, minlength=len(book.names))
    matrix, accounts = _by_account(problem)
    return ProportionalLimit(
        "at_most_equity",
        matrix,
        equity[accounts].astype(np.float64),
        validation.as_nonnegative("at_most_equity: multiple of equity", multiple),
        "at least {} times each account's equity must be allowed",
        percent=False,
    )


def hedged_together(problem: Problem, pairs: Sequence[tuple[str, str]]) -> Constraints:
    """Pools that hold both assets of a pair on eligible sides lose the same fraction of both.

    Pairs of assets of which only one is reduced bind nothing: the other leg cannot move.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> hedge = adl.constraints.hedged_together(problem, [("BTC", "ETH")])
    >>> callable(hedge)
    True
    """
    rows: list[tuple[int, int]] = []
    at = {
        (int(i), int(k)): row
        for row, (i, k) in enumerate(zip(problem.pool, problem.asset, strict=True))
    }
    if isinstance(pairs, str) or not isinstance(pairs, Iterable):
        raise InputError(
            f"hedged_together: pairs is {pairs!r}; give a list such as [('BTC', 'ETH')]"
        )
    for pair in pairs:
        named = isinstance(pair, tuple | list) and len(pair) == 2
        codes = problem.book.assets.get_indexer(pd.Index(pair)) if named else np.array([-1])
        if codes.min() < 0:
            raise InputError(
                f"hedged_together: {pair!r} is not a pair of assets; there are "
                f"{validation.format_names(problem.book.assets)}"
            )
        first, second = (int(code) for code in codes)
        rows += [
            (row, at[i, second]) for (i, k), row in at.items() if k == first and (i, second) in at
        ]
    size = problem.book.size[problem.eligible]
    index = np.array(rows, dtype=np.intp).reshape(-1, 2)
    line = np.repeat(np.arange(len(rows)), 2)
    sign = np.tile([1.0, -1.0], len(rows))
    difference = sp.csr_array(
        (sign / size[index.ravel()], (line, index.ravel())), shape=(len(rows), size.size)
    )
    return lambda allocation: [difference @ allocation == 0] if rows else []


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
    """Functions of the allocation from one or a sequence of functions and texts.

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
