"""Where one account stands: its rank under each rule, and what it would lose as more is to be
reduced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.model.problem import Problem
from adlopt.objectives import ExpectedLoss, Objective
from adlopt.policies.protocol import AnyPolicy, named
from adlopt.policies.protocol import reductions as reductions_of
from adlopt.policies.queues import ScoreQueue
from adlopt.policies.standard import standard
from adlopt.prices.protocol import PriceModel

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)


def exposure(
    book: Book,
    account: Any,
    reductions: Mapping[str, float | Sequence[float]]
    | Sequence[Mapping[str, float]]
    | Sequence[float]
    | None = None,
    policies: Mapping[str, AnyPolicy] | Iterable[AnyPolicy] | None = None,
    *,
    prices: PriceModel | None = None,
    objective: Objective | None = None,
    settlement: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Rank and loss of one account under each policy, along a ladder of reductions.

    Parameters
    ----------
    reductions : the ladder. A list of mappings asset -> contracts, each a rung; or one mapping
        asset -> contracts or list of
        contracts, each asset a ladder of its own; or a list of shares in (0, 1] of the open
        interest on the account's side, for
        each asset that it holds. Left out, such shares from 10 % to 90 %.
    policies : of any kind, perhaps by name; left out, all that the book has the data for.
    prices, objective, settlement : of the problems, where a policy looks at them.

    Returns
    -------
    A row per rung, policy and position of the account that may be reduced: `asset`, `margin_mode`,
    `size`, `required` and
    `share` of the eligible open interest; `policy`; `rank` (1 is hit first) `of` so many positions;
    `reduction`, `remaining`,
    `fraction`, `notional` closed and `paid`, what settling off the mark costs the account. A queue
    ranks by its score, in its
    order; another rule by the fraction it takes, equal fractions sharing the better rank.

    Raises
    ------
    InputError : an account that is not in the book or has nothing that the ladder reduces.
    """
    found = book.names.get_indexer([account])[0]
    if found < 0:
        raise InputError(
            f"exposure: account {account!r} is not in the book; it has {validation.format_names(book.names)}"
        )
    rows: list[dict[str, Any]] = []
    for required in _ladder(book, account, int(found), reductions):
        problem = Problem(
            book, required, prices, objective or ExpectedLoss(), settlement=settlement
        )
        own = np.flatnonzero(book.pool_account[problem.pool] == found)
        rules = named(standard(problem) if policies is None else policies)
        for name, policy in rules.items() if own.size else ():
            rows += _standing(problem, own, name, policy)
    if not rows:
        raise InputError(
            f"exposure: account {account!r} has no position that the reductions could take from"
        )
    return pd.DataFrame(rows)


def _standing(
    problem: Problem, own: IntArray, name: str, policy: AnyPolicy
) -> list[dict[str, Any]]:
    """The account's rows under one policy at one rung."""
    book = problem.book
    taken = reductions_of(policy, problem)
    size = book.size[problem.eligible]
    priority = policy.scores(problem) if isinstance(policy, ScoreQueue) else taken / size
    rows = []
    for at in own:
        k = problem.asset[at]
        rivals = problem.rows_of(k)
        interest = float(np.abs(problem.max_reduction[rivals]).sum())
        rows.append(
            {
                "asset": book.assets[k],
                "margin_mode": "isolated" if book.isolated[problem.pool[at]] else "cross",
                "size": size[at],
                "required": problem.required[k],
                "share": abs(problem.required[k]) / interest,
                "policy": name,
                "rank": _rank(priority, rivals, int(at), in_order=isinstance(policy, ScoreQueue)),
                "of": rivals.size,
                "reduction": taken[at] + 0.0,
                "remaining": size[at] - taken[at],
                "fraction": taken[at] / size[at] + 0.0,
                "notional": abs(taken[at]) * book.marks[k],
                "paid": -taken[at] * problem.settlement_offset[k] + 0.0,
            }
        )
    return rows


def _rank(priority: FloatArray, rivals: IntArray, at: int, *, in_order: bool) -> int:
    """Place of position `at`, from 1: behind all of higher priority and, in a queue, behind equal
    ones in earlier rows.
    """
    mine = priority[at]
    equal = in_order * np.count_nonzero((priority[rivals] == mine) & (rivals < at))
    ahead = priority[rivals] > mine if in_order else priority[rivals] > mine + 1e-12
    return 1 + int(np.count_nonzero(ahead)) + int(equal)


def _ladder(book: Book, account: Any, found: int, given: Any) -> list[dict[str, float]]:
    """The rungs as reductions by asset."""
    if isinstance(given, pd.Series):
        given = given.to_dict()
    if isinstance(given, Mapping):
        rungs = [
            {asset: amount}
            for asset, amounts in given.items()
            for amount in np.atleast_1d(np.asarray(amounts, object))
        ]
        return _nonempty(rungs)
    if given is not None and (isinstance(given, str) or not isinstance(given, Iterable)):
        given = [given]
    steps = list(SHARES if given is None else given)
    if steps and all(isinstance(step, Mapping | pd.Series) for step in steps):
        return [dict(step) for step in steps]
    shares = [validation.as_finite("exposure, reductions", step) for step in steps]
    for share in shares:
        if not 0 < share <= 1:
            raise InputError(
                f"exposure, reductions: {share:g} is not a share in (0, 1] of the open interest; give contracts by asset, "
                "such as {'BTC': [-1, -10]}"
            )
    held = (book.pool_account[book.pool] == found) & book.solvent[book.pool] & (book.size != 0)
    if not held.any():
        raise InputError(
            f"exposure: account {account!r} has no position of a solvent pool: nothing can be taken from it"
        )
    rungs = []
    for asset, side in dict.fromkeys(
        zip(book.asset[held].tolist(), np.sign(book.size[held]).tolist(), strict=True)
    ):
        name = book.assets[asset]
        interest = float(book.open_interest.loc[name, "short" if side < 0 else "long"])
        rungs += [{name: side * share * interest} for share in shares]
    return _nonempty(rungs)


def _nonempty(rungs: list[dict[str, float]]) -> list[dict[str, float]]:
    if not rungs:
        raise InputError("exposure: the ladder of reductions has no rungs")
    return rungs
