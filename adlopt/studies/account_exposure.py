"""Where one account stands: its rank and its reduction under each rule, as more is required."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError, NotApplicable
from adlopt.model.book import Book
from adlopt.model.problem import Problem
from adlopt.objectives import ExpectedLoss, Objective
from adlopt.policies.optimal import Optimal
from adlopt.policies.protocol import AnyPolicy, Policies, apply_policy
from adlopt.policies.queues import ScoreQueue
from adlopt.policies.reading import by_name
from adlopt.policies.standard import omission_notes, omitted, standard
from adlopt.prices.protocol import PriceModel
from adlopt.studies.table_result import TableResult

FRACTIONS = (0.1, 0.25, 0.5, 0.75, 0.9)
SAME_PRIORITY = 1e-12  # fractions that differ by less share a rank


@dataclass(frozen=True, eq=False, repr=False)
class Exposure(TableResult):
    """Rank and reduction of one account under each policy, along a ladder of reductions.

    Examples
    --------
    >>> import adlopt as adl
    >>> book, rules = adl.examples.paper_book(), [adl.policies.BitMEX()]
    >>> standing = adl.exposure(book, "4", ladder=[{"BTC": -5.0}], policies=rules)
    >>> standing.table["rank"].tolist()
    [1]
    """

    account: Any
    """Its name."""
    table: pd.DataFrame
    """A row per rung, policy and eligible position of the account: `asset`, `margin_mode`, `size`;
    `required` contracts and `open_interest_fraction`, what they are of the eligible open interest;
    `policy`; `rank` (1 is reduced first) `of` so many positions; `reduction`, `remaining`,
    `fraction`; `notional` closed and `paid`, what settlement off the mark costs the account.
    """
    _: KW_ONLY
    omitted: dict[str, str] = field(default_factory=dict)
    """Default rules that the problem lacks the data for, each with what it lacks."""

    @property
    def _heading(self) -> str:
        return f"Account {self.account}: rank and reduction under each policy"

    @property
    def _notes(self) -> list[str]:
        return omission_notes(self.omitted)


def exposure(
    book: Book,
    account: Any,
    *,
    ladder: Sequence[Mapping[str, float]] | Mapping[str, float] | None = None,
    fractions: Sequence[float] | None = None,
    policies: Policies | None = None,
    prices: PriceModel | None = None,
    objective: Objective | None = None,
    settlement: Mapping[str, float] | None = None,
) -> Exposure:
    """Rank and reduction of one account under each policy, along a ladder of reductions.

    A queue ranks by its score and breaks ties by row. Another policy ranks by the fraction it
    takes; equal fractions share the better rank.

    Parameters
    ----------
    book : Book
    account : str
        Its name in the book.
    ladder : sequence of mappings from asset to contracts, optional
        The rungs, signed like the positions they shrink. A single mapping is one rung.
    fractions : sequence of floats in (0, 1], optional
        In place of `ladder`: for each asset the account holds, these fractions of the open
        interest on its side. By default 10 % to 90 %.
    policies : Policy, iterable or mapping from name to policy, optional
        By default all rules that the book has the data for; `Exposure.omitted` says what the others
        lack. The optimum is added wherever `prices` are given and a method applies.
    prices, objective, settlement : optional
        As in `Problem`.

    Returns
    -------
    Exposure

    Raises
    ------
    InputError
        The account is not in the book, or no rung can take anything from it.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.examples.paper_book()
    >>> standing = adl.exposure(
    ...     book, "4", ladder=[{"BTC": -5.0}, {"BTC": -10.0}], policies=[adl.policies.BitMEX()]
    ... )
    >>> standing.table[["required", "rank", "reduction"]].to_numpy().tolist()
    [[-5.0, 1.0, -5.0], [-10.0, 1.0, -7.0]]
    """
    code = _account_code(book, account)
    risk = objective or ExpectedLoss()
    state = partial(Problem, book, prices=prices, objective=risk, settlement=settlement)
    rungs = list(_rungs(book, account, code, ladder, fractions))
    rows = [row for rung in rungs for row in _rung(state(rung), code, policies)]
    if not rows:
        raise InputError(f"exposure: the reductions can take nothing from account {account!r}")
    lacking = omitted(state(rungs[0])) if policies is None else {}
    return Exposure(account, pd.DataFrame(rows), omitted=lacking)


def _account_code(book: Book, account: Any) -> int:
    """The account's place in `book.account_names`."""
    if not isinstance(book, Book):
        raise InputError(f"exposure: expected a Book, got a {type(book).__name__}")
    code = int(book.account_names.get_indexer(pd.Index([account]))[0])
    if code < 0:
        raise InputError(
            f"exposure: account {account!r} is not in the book; "
            f"it has {validation.format_names(book.account_names)}"
        )
    return code


def _rung(
    problem: Problem,
    code: int,
    policies: Policies | None,
) -> list[dict[str, Any]]:
    """The account's rows at one rung; none if the reduction cannot take from it."""
    own = np.flatnonzero(problem.book.pool_account[problem.pool] == code)
    if not own.size:
        return []
    rows: list[dict[str, Any]] = []
    for name, policy in _policies(problem, policies).items():
        rows += _standing(problem, own, name, policy)
    return rows


def _policies(problem: Problem, given: Policies | None) -> dict[str, AnyPolicy]:
    """The policies by name, the optimum first where prices are given."""
    chosen = by_name(standard(problem) if given is None else given)
    if problem.prices is None or any(policy == Optimal() for policy in chosen.values()):
        return chosen
    try:
        taken = Optimal().reductions(problem)
    except NotApplicable:
        return chosen
    return {"Optimal": lambda _: taken, **chosen}


def _standing(
    problem: Problem, own: IntArray, name: str, policy: AnyPolicy
) -> list[dict[str, Any]]:
    """The account's rows under one policy at one rung."""
    book = problem.book
    taken = apply_policy(policy, problem)
    size = book.size[problem.eligible]
    in_order = isinstance(policy, ScoreQueue)
    priority = policy.scores(problem) if isinstance(policy, ScoreQueue) else taken / size
    rows = []
    for i in own:
        k = problem.asset[i]
        rivals = problem.rows_of(k)
        interest = float(np.abs(problem.max_reduction[rivals]).sum())
        rows.append(
            {
                "asset": book.assets[k],
                "margin_mode": "isolated" if book.isolated[problem.pool[i]] else "cross",
                "size": size[i],
                "required": problem.required[k],
                "open_interest_fraction": abs(problem.required[k]) / interest,
                "policy": name,
                "rank": _rank(priority, rivals, int(i), in_order=in_order),
                "of": rivals.size,
                "reduction": taken[i] + 0.0,
                "remaining": size[i] - taken[i],
                "fraction": taken[i] / size[i] + 0.0,
                "notional": abs(taken[i]) * book.marks[k],
                "paid": -taken[i] * problem.settlement_offset[k] + 0.0,
            }
        )
    return rows


def _rank(priority: FloatArray, rivals: IntArray, i: int, *, in_order: bool) -> int:
    """Place of position `i`, from 1: after all of higher priority and, in a queue, after equal
    ones in earlier rows.
    """
    own = priority[i]
    equal = in_order * np.count_nonzero((priority[rivals] == own) & (rivals < i))
    ahead = priority[rivals] > (own if in_order else own + SAME_PRIORITY)
    return 1 + int(np.count_nonzero(ahead)) + int(equal)


def _rungs(
    book: Book, account: Any, code: int, ladder: Any, fractions: Sequence[float] | None
) -> list[dict[str, float]]:
    """The rungs as reductions by asset."""
    if ladder is None:
        return _rungs_of_open_interest(book, account, code, fractions)
    if fractions is not None:
        raise InputError("exposure: give ladder or fractions, not both")
    steps = [ladder] if isinstance(ladder, Mapping | pd.Series) else ladder
    if isinstance(steps, str) or not isinstance(steps, Iterable):
        raise InputError(
            f"exposure: ladder is {ladder!r}; give a list such as "
            "[{'BTC': -5.0}, {'BTC': -10.0}]"
        )
    rungs = list(steps)
    for rung in rungs:
        if not isinstance(rung, Mapping | pd.Series):
            raise InputError(
                f"exposure: ladder has the rung {rung!r}; a rung is a mapping such as "
                "{'BTC': -5.0} (for parts of the open interest use fractions=[0.1, 0.5])"
            )
    if not rungs:
        raise InputError("exposure: the ladder has no rungs")
    return [dict(rung) for rung in rungs]


def _rungs_of_open_interest(
    book: Book, account: Any, code: int, fractions: Sequence[float] | None
) -> list[dict[str, float]]:
    """For each asset and side the account holds, fractions of the open interest on that side."""
    given = FRACTIONS if fractions is None else fractions
    if isinstance(given, str) or not isinstance(given, Iterable):
        given = [given]
    parts = [validation.as_finite("exposure, fractions", part) for part in given]
    if not parts:
        raise InputError("exposure: fractions is empty, so there are no rungs")
    for part in parts:
        if not 0 < part <= 1:
            raise InputError(
                f"exposure, fractions: {part:g} is not in (0, 1]; for contracts use ladder="
            )
    held = (book.pool_account[book.pool] == code) & book.solvent[book.pool] & (book.size != 0)
    if not held.any():
        raise InputError(
            f"exposure: account {account!r} has no position in a solvent pool, so nothing can be "
            "taken from it"
        )
    sides = zip(book.asset[held].tolist(), np.sign(book.size[held]).tolist(), strict=True)
    rungs = []
    for asset, side in dict.fromkeys(sides):
        name = book.assets[asset]
        interest = float(book.open_interest.loc[name, "short" if side < 0 else "long"])
        rungs += [{name: side * part * interest} for part in parts]
    return rungs
