"""A sequence of auto-deleveraging waves replayed: what happened, and what each rule would have
done, each from the book that its own earlier waves have left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.model.losses import objective_value
from adlopt.model.matching import match_positions
from adlopt.model.problem import Problem
from adlopt.objectives import ExpectedLoss, Objective
from adlopt.policies.protocol import AnyPolicy, Policies
from adlopt.policies.reading import by_name
from adlopt.policies.standard import omission_notes, omitted, standard
from adlopt.prices.protocol import PriceModel
from adlopt.simulation.deleveraging import feasible_reductions
from adlopt.studies.event_replay import REALISED, Replay, read_realised, read_table
from adlopt.studies.event_replay import replay as replay_separately

GAP = 5_000
"""Milliseconds: on 10 October 2025 the waves at Hyperliquid came about five seconds apart
(pluriholonomic/autodeleveraging-analysis).
"""


@dataclass(frozen=True, eq=False, repr=False)
class WaveReplay:
    """Waves in their order, each rule with a book of its own.

    Examples
    --------
    >>> import adlopt as adl
    >>> import pandas as pd
    >>> fills = pd.DataFrame({"wave": [1, 2], "account": "a", "asset": "BTC", "mark": 50.0})
    >>> fills = fills.assign(size=[-4, -3], equity=100.0, realised_reduction=-1)
    >>> done = adl.replay(fills, [adl.policies.ProRata()], carry=True)
    >>> done.books["ProRata(contracts)"].size.tolist()
    [-2.0]
    """

    table: pd.DataFrame
    """A row per wave and policy: contracts' value required, taken and unmet; accounts; solvent
    accounts left bankrupt by the move of the marks since; expected loss of what is left where a
    price model is given.
    """
    books: dict[str, Book]
    """After the last wave, by policy; "realised" is what happened."""
    _: KW_ONLY
    reductions: dict[str, pd.DataFrame]
    """By policy: account, asset and the contracts taken in all waves together."""
    omitted: dict[str, str] = field(default_factory=dict)
    """Default rules that the table lacks the data for, each with what it lacks."""

    def to_frame(self) -> pd.DataFrame:
        """A copy of `table`."""
        return self.table.copy()

    def __repr__(self) -> str:
        text = self.table.to_string(float_format="{:,.6g}".format, max_rows=100)
        return "\n".join([text, *omission_notes(self.omitted)])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{escape(note)}</p>" for note in omission_notes(self.omitted))
        return str(self.table.to_html(float_format="{:,.6g}".format, max_rows=100)) + notes


@overload
def replay(
    realised: pd.DataFrame | str | Path,
    policies: Policies | None = None,
    *,
    carry: Literal[False] = False,
    gap: float | None = None,
    **options: Any,
) -> Replay: ...
@overload
def replay(
    realised: pd.DataFrame | str | Path,
    policies: Policies | None = None,
    *,
    carry: Literal[True],
    gap: float | None = None,
    **options: Any,
) -> WaveReplay: ...
def replay(
    realised: pd.DataFrame | str | Path,
    policies: Policies | None = None,
    *,
    carry: bool = False,
    gap: float | None = None,
    **options: Any,
) -> Replay | WaveReplay:
    """Compare realised reductions with each policy at the same requirement, wave by wave.

    Parameters
    ----------
    realised : DataFrame, or path of a CSV or Parquet file
        `account`, `asset`, `size` (before, long > 0), `equity`, `mark` and the realised reduction
        in contracts; optional `entry_price` and `wave`. Or HyperReplay's
        `adl_detailed_analysis_REALTIME.csv` as it is. Positions that were not reduced belong in
        the table, with zero: rules choose among the positions they are given, and no others.
    policies : policies of any kind, perhaps by name
        Left out: all that the table has the data for.
    carry : bool, default False
        Carry each rule's book from wave to wave: its own earlier reductions stay, and equities move
        with the marks. Otherwise each wave starts from what the table states.
    gap : float, optional
        Join rows into waves: a new one starts where the wave column, a time, rises by more than
        this (`waves.GAP` is five seconds in HyperReplay's milliseconds).
    **options
        `prices`, `objective`, `column`, `wave` and, without `carry`, `level`; see
        `adlopt.studies.event_replay.replay`.

    Returns
    -------
    Replay, or WaveReplay with `carry`

    Raises
    ------
    InputError
        A table that cannot be read, or a wave that reduces both sides of an asset.

    Examples
    --------
    >>> import pandas as pd
    >>> import adlopt as adl
    >>> fills = pd.DataFrame({"wave": [1, 1, 2, 2], "account": ["a", "b"] * 2, "asset": "BTC"})
    >>> fills = fills.assign(size=[-4, -4, -3, -4], equity=100.0, mark=[50.0, 50.0, 40.0, 40.0])
    >>> fills["realised_reduction"] = [-1, 0, -3, 0]
    >>> done = adl.replay(fills, [adl.policies.ProRata()], carry=True)
    >>> done.books["ProRata(contracts)"].size.tolist()
    [-2.0, -2.0]
    """
    if gap is not None:
        realised = cluster_waves(realised, gap, str(options.get("wave", "wave")))
    if not carry:
        return replay_separately(realised, policies, **options)
    unknown = set(options) - {"prices", "objective", "column", "wave"}
    if unknown:
        raise InputError(f"replay: {sorted(unknown)[0]!r} has no meaning with carry=True")
    table = read_realised(
        realised, options.get("column", "realised_reduction"), options.get("wave", "wave")
    )
    return _carried(table, policies, options.get("prices"), options.get("objective"))


def cluster_waves(
    realised: pd.DataFrame | str | Path, gap: float, column: str = "wave"
) -> pd.DataFrame:
    """The table in the order of time, its times replaced by the number of the wave they belong to.

    A new wave starts where the time is more than `gap` after the row before. HyperReplay's column
    `time` is used where there is none called `column`.
    """
    table = read_table(realised)
    validation.as_positive("replay: gap", gap)
    name = column if column in table else "time"
    if name not in table:
        raise InputError(f"replay: gap needs a column {column!r} or 'time' with the times")
    times = validation.numbers("realised", table, name)
    order = np.argsort(times, kind="stable")
    number = np.cumsum(np.diff(times[order], prepend=times[order][:1]) > gap) + 1
    return table.iloc[order].assign(**{name: number})


def _carried(
    table: pd.DataFrame,
    policies: Policies | None,
    prices: PriceModel | Callable[[Book], PriceModel] | None,
    objective: Objective | None,
) -> WaveReplay:
    if "wave" not in table:
        table = table.assign(wave=1)
    book = _first_book(table)
    rules, lacking = _rules(book, policies, prices)
    books: dict[str, Book] = dict.fromkeys([REALISED, *rules], book)
    taken = {name: np.zeros(book.size.size) for name in books}
    rows = []
    for wave, part in table.groupby("wave", sort=False):
        first = part.drop_duplicates("asset")
        marks = pd.Series(first["mark"].to_numpy(dtype=float), index=first["asset"].to_numpy())
        happened = _by_position(book, part)
        required = np.bincount(book.asset, happened, minlength=len(book.assets)).astype(float)
        _refuse_both_sides(wave, book, happened, required)
        for name, before in list(books.items()):
            marked = before.at(marks)
            if name == REALISED:
                limit = np.abs(marked.size)
                reductions = np.sign(happened) * np.minimum(np.abs(happened), limit)
                loss = np.nan
            else:
                reductions, loss = _wave(marked, required, rules[name], prices, objective)
            books[name] = marked.after(reductions)
            taken[name] += reductions
            rows.append(
                {
                    "wave": wave,
                    "policy": name,
                    **_counts(before, marked, required, reductions),
                    "expected_loss": loss,
                }
            )
    keys = book.to_frame()[["account", "asset"]]
    return WaveReplay(
        table=pd.DataFrame(rows).set_index(["wave", "policy"]),
        books=books,
        reductions={name: keys.assign(reduction=amounts) for name, amounts in taken.items()},
        omitted=lacking,
    )


def _first_book(table: pd.DataFrame) -> Book:
    """Every position as its first row states it, with the account's first equity."""
    keys = [name for name in ("account", "asset", "margin_mode") if name in table]
    first = table.drop_duplicates(keys)
    of_account = first.groupby("account", sort=False)["equity"].transform("first")
    if "margin_mode" in first:  # an isolated position has an equity of its own
        of_account = first["equity"].where(first["margin_mode"] == "isolated", of_account)
    first = first.assign(
        equity=of_account, mark=first.groupby("asset", sort=False)["mark"].transform("first")
    )
    wanted = ("account", "asset", "size", "equity", "mark", "entry_price", "margin_mode")
    return Book.from_frame(first[[name for name in wanted if name in first]])


def _rules(
    book: Book,
    policies: Policies | None,
    prices: PriceModel | Callable[[Book], PriceModel] | None,
) -> tuple[dict[str, AnyPolicy], dict[str, str]]:
    """The rules by name, and the default ones that are left out, each with the reason."""
    if policies is not None:
        return by_name(policies), {}
    k = int(book.asset[np.flatnonzero(book.solvent[book.pool])[0]])
    rows = np.flatnonzero((book.asset == k) & book.solvent[book.pool])
    any_reduction = {book.assets[k]: float(book.size[rows[0]])}
    problem = Problem(book, any_reduction, prices=_model(prices, book))
    return by_name(standard(problem)), omitted(problem)


def _by_position(book: Book, part: pd.DataFrame) -> FloatArray:
    row, amount = match_positions(book, "realised", part, "realised_reduction")
    happened = np.zeros(book.size.size)
    happened[row] = amount
    return happened


def _refuse_both_sides(wave: Any, book: Book, happened: FloatArray, required: FloatArray) -> None:
    gross = np.bincount(book.asset, np.abs(happened), minlength=required.size)
    mixed = [int(k) for k in np.flatnonzero(gross > np.abs(required) * (1 + 1e-9))]
    if mixed:
        raise InputError(
            f"realised, wave {wave}: {book.assets[mixed[0]]!r} is reduced on both sides; tell the "
            "waves apart by a column 'wave', or use a smaller gap"
        )


def _wave(
    book: Book,
    required: FloatArray,
    policy: AnyPolicy,
    prices: PriceModel | Callable[[Book], PriceModel] | None,
    objective: Objective | None,
) -> tuple[FloatArray, float]:
    """(m,) what a policy takes of a book, at most what solvent pools hold; and the objective."""
    able = book.solvent[book.pool] & (book.size * required[book.asset] > 0)
    held = np.bincount(book.asset, np.where(able, np.abs(book.size), 0.0), minlength=required.size)
    amount = np.sign(required) * np.minimum(np.abs(required), held)
    wanted = [int(k) for k in np.flatnonzero(amount)]
    reductions = np.zeros(book.size.size)
    if not wanted:
        return reductions, np.nan
    problem = Problem(
        book,
        {book.assets[k]: float(amount[k]) for k in wanted},
        prices=_model(prices, book),
        objective=ExpectedLoss() if objective is None else objective,
    )
    taken = feasible_reductions(policy, problem, 1)
    reductions[problem.eligible] = taken
    return reductions, np.nan if prices is None else objective_value(problem, taken)


def _model(
    prices: PriceModel | Callable[[Book], PriceModel] | None, book: Book
) -> PriceModel | None:
    if prices is None or hasattr(prices, "scenarios"):
        return prices
    return prices(book)


def _counts(
    before: Book, marked: Book, required: FloatArray, reductions: FloatArray
) -> dict[str, Any]:
    taken = np.bincount(marked.asset, reductions, minlength=required.size)
    rows: IntArray = np.flatnonzero(reductions)
    return {
        "required": float(np.abs(required) @ marked.marks),
        "taken": float(np.abs(taken) @ marked.marks),
        "unmet": float(np.maximum(np.abs(required) - np.abs(taken), 0.0) @ marked.marks),
        "accounts": int(np.unique(marked.pool_account[marked.pool[rows]]).size),
        "newly_bankrupt": int(np.count_nonzero(before.solvent & ~marked.solvent)),
    }
