"""Common constraints beyond the boxes: each makes a function of the allocation expression for
`solve(constraints=...)`.

The expression (e,) holds the reductions in contracts, signed, in the row order of
`problem.positions`. Any function of it
that returns convex cvxpy constraints will do in the place of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.problem import Problem

if TYPE_CHECKING:
    import cvxpy as cp

    Constraints = Callable[[cp.Expression], "cp.Constraint | Iterable[cp.Constraint]"]
else:
    Constraints = Callable[[Any], Any]


def at_most_fraction(problem: Problem, fraction: float) -> Constraints:
    """No position loses more than `fraction` in [0, 1] of its size."""
    limit = _share("at_most_fraction: fraction", fraction) * np.abs(
        problem.book.size[problem.eligible]
    )
    return lambda allocation: _unsigned(problem, allocation) <= limit


def at_most_account_fraction(problem: Problem, fraction: float) -> Constraints:
    """No account loses more than `fraction` in [0, 1] of its gross notional at the marks, all its
    positions together.
    """
    book = problem.book
    owner = book.pool_account[book.pool]
    gross = np.bincount(owner, book.notional, minlength=len(book.names))
    return _by_account(
        problem, book.marks, _share("at_most_account_fraction: fraction", fraction) * gross
    )


def at_most_equity(problem: Problem, multiple: float) -> Constraints:
    """No account loses notional worth more than `multiple` >= 0 times its equity (that of its
    solvent pools).
    """
    book = problem.book
    z = validation.as_finite("at_most_equity: multiple", multiple)
    if z < 0:
        raise InputError(f"at_most_equity: multiple is {z:g}; a multiple of equity is >= 0")
    equity = np.bincount(
        book.pool_account, np.where(book.solvent, book.equity, 0.0), minlength=len(book.names)
    )
    return _by_account(problem, book.marks, z * equity)


def hedged_together(problem: Problem, pairs: Sequence[tuple[str, str]]) -> Constraints:
    """Pools that hold both assets of a pair on eligible sides lose the same fraction of both.

    Pairs of assets of which only one is reduced bind nothing: the other leg cannot move.
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
        codes = problem.book.assets.get_indexer(list(pair)) if named else np.array([-1])
        if codes.min() < 0:
            raise InputError(
                f"hedged_together: {pair!r} is not a pair of assets; there are {validation.format_names(problem.book.assets)}"
            )
        first, second = (int(code) for code in codes)
        rows += [
            (row, at[i, second]) for (i, k), row in at.items() if k == first and (i, second) in at
        ]
    size = problem.book.size[problem.eligible]
    index = np.array(rows, dtype=np.int64).reshape(-1, 2)
    line = np.repeat(np.arange(len(rows)), 2)
    sign = np.tile([1.0, -1.0], len(rows))
    difference = sp.csr_array(
        (sign / size[index.ravel()], (line, index.ravel())), shape=(len(rows), size.size)
    )
    return lambda allocation: [difference @ allocation == 0] if rows else []


def _by_account(
    problem: Problem, price: FloatArray, limit: npt.NDArray[np.floating[Any]]
) -> Constraints:
    """Sum of |reduction| * price over an account's eligible positions at most `limit`
    (accounts,).
    """
    owner, account = np.unique(problem.book.pool_account[problem.pool], return_inverse=True)
    value = np.sign(problem.max_reduction) * price[problem.asset]
    total = sp.csr_array((value, (account, np.arange(value.size))), shape=(owner.size, value.size))
    return lambda allocation: total @ allocation <= limit[owner]


def _unsigned(problem: Problem, allocation: cp.Expression) -> cp.Expression:
    return sp.diags_array(np.sign(problem.book.size[problem.eligible])) @ allocation


def _share(what: str, given: float) -> float:
    value = validation.as_finite(what, given)
    if not 0 <= value <= 1:
        raise InputError(f"{what} is {value:g}; it is a share in [0, 1]")
    return value
