"""Realised reductions compared with what each rule would have done at the same requirement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import tables, validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.allocation import FEASIBILITY
from adlopt.model.book import Book
from adlopt.model.matching import match_positions
from adlopt.model.problem import Problem
from adlopt.objectives import ExpectedLoss, Objective
from adlopt.policies.protocol import AnyPolicy, Policies
from adlopt.policies.reading import by_name
from adlopt.policies.standard import omission_notes, omitted, standard
from adlopt.prices.protocol import PriceModel
from adlopt.studies.comparison import Comparison, compare

REALISED = "realised"
MAX_ROWS = 100  # shown
HYPER_REPLAY = {
    "user": "account",
    "coin": "asset",
    "time": "wave",
    "position_size": "size",
    "adl_size": "realised_reduction",
    "adl_price": "mark",
    "total_equity": "equity",
}
"""Columns of HyperReplay's `adl_detailed_analysis_REALTIME.csv` and their names here;
`entry_price` is the same.
"""

PriceModels = PriceModel | Callable[[Book], PriceModel]


@dataclass(frozen=True, eq=False, repr=False)
class Replay:
    """Realised reductions and what policies would have done, by wave.

    Examples
    --------
    >>> import adlopt as adl
    >>> import pandas as pd
    >>> fills = pd.DataFrame({"wave": 1, "account": ["a", "b"], "asset": "BTC", "mark": 50.0})
    >>> fills = fills.assign(size=[-4, -4], equity=100.0, realised_reduction=[-2, 0])
    >>> study = adl.replay(fills, [adl.policies.ProRata()])
    >>> study.by_asset["reduced"].droplevel(["wave", "asset"]).to_dict()  # accounts reduced
    {'Optimal': 2, 'realised': 1, 'ProRata(contracts)': 2}
    """

    comparisons: dict[Any, Comparison]
    """The `Comparison` of each wave; its row "realised" is what happened."""

    @property
    def table(self) -> pd.DataFrame:
        """The same as `by_asset`."""
        return self.by_asset

    def to_frame(self) -> pd.DataFrame:
        """The same as `by_asset`."""
        return self.by_asset

    @property
    def positions(self) -> pd.DataFrame:
        """Row per position: wave, account, asset, size, leverage, and the fraction taken by each
        policy; highest leverage first.
        """
        parts = []
        for wave, comparison in self.comparisons.items():
            allocations = comparison.allocations
            happened = allocations[REALISED]
            part = happened[["account", "asset", "size"]].assign(
                leverage=happened["leverage_before"]
            )
            part.insert(0, "wave", wave)
            parts.append(
                part.assign(**{name: table["fraction"] for name, table in allocations.items()})
            )
        joined = pd.concat(parts, ignore_index=True)
        order = np.lexsort(
            (
                -joined["leverage"].to_numpy(),
                pd.factorize(joined["asset"])[0],
                pd.factorize(joined["wave"])[0],
            )
        )
        return joined.iloc[order].reset_index(drop=True)

    @property
    def by_asset(self) -> pd.DataFrame:
        """Row per wave, asset and policy: positions, reduced, fully_closed, required contracts,
        open_interest_fraction, median_leverage_reduced and max_leverage_remaining.
        """
        rows = []
        for wave, comparison in self.comparisons.items():
            parts = {
                name: table.groupby("asset", sort=False)
                for name, table in comparison.allocations.items()
            }
            for asset in comparison.allocations[REALISED]["asset"].unique():
                rows += [
                    {"wave": wave, "asset": asset, "policy": name, **_counts(part.get_group(asset))}
                    for name, part in parts.items()
                ]
        return pd.DataFrame(rows).set_index(["wave", "asset", "policy"])

    @property
    def risk(self) -> pd.DataFrame:
        """Row per wave and policy: the risk columns of `Comparison`, and `saved`, the objective of
        what happened minus that of the policy, in money.
        """
        parts: dict[Any, pd.DataFrame] = {}
        for wave, comparison in self.comparisons.items():
            risk = comparison.risk
            objective = risk["objective"]
            parts[wave] = risk.assign(saved=objective[REALISED] - objective)
        return pd.DataFrame(pd.concat(parts, names=["wave"]))

    def __repr__(self) -> str:
        by_asset = self.by_asset
        shown = by_asset.to_string(float_format="{:,.4g}".format, max_rows=MAX_ROWS)
        risk = self.risk.to_string(float_format="{:,.5g}".format, max_rows=MAX_ROWS)
        return "\n\n".join([shown, f"risk\n{risk}", *self._notes()])

    def _repr_html_(self) -> str:
        parts = [self.by_asset.to_html(max_rows=MAX_ROWS), self.risk.to_html(max_rows=MAX_ROWS)]
        return "".join(map(str, parts)) + "".join(
            f"<p>{escape(note)}</p>" for note in self._notes()
        )

    def _notes(self) -> list[str]:
        """What rules were left out of any wave, and why."""
        notes = [omission_notes(each.omitted) for each in self.comparisons.values()]
        return list(dict.fromkeys(note for wave in notes for note in wave))


def replay(
    realised: pd.DataFrame | str | Path,
    policies: Policies | None = None,
    *,
    prices: PriceModels | None = None,
    objective: Objective | None = None,
    column: str = "realised_reduction",
    wave: str = "wave",
    level: float = 0.99,
) -> Replay:
    """Compare realised reductions with each policy at the same requirement, wave by wave.

    Positions that were not reduced belong in the table too, with a reduction of zero: a rule can
    choose only among the positions it is given. The first equity that a wave states for an
    account counts, as does the first mark of an asset. Bankrupt accounts take no part, and what
    was taken from them is left out of the requirement.

    Parameters
    ----------
    realised : DataFrame or path of a CSV or Parquet file
        Columns `account`, `asset`, `size` (before the reduction, long > 0), `equity`, `mark` and
        the realised reduction in contracts; optional `entry_price` and `wave`. HyperReplay's
        `adl_detailed_analysis_REALTIME.csv` is read as it is, with each `time` a wave.
    policies : Policy, iterable or mapping from name to policy, optional
        By default all rules that the table has the data for.
    prices : price model, or function from a wave's book to one, optional
        For the risk columns.
    objective : Objective, optional
        Expected loss by default.
    column : str
        Column of the realised reductions; their sign is that of the position.
    wave : str
        Column that separates reductions of different moments; without it they are one wave.
    level : float
        Level of the column `cvar`.

    Returns
    -------
    Replay

    Raises
    ------
    InputError
        A missing column, a bad number, or reductions on both sides of one asset in one wave.

    Examples
    --------
    >>> import adlopt as adl, pandas as pd
    >>> realised = pd.DataFrame({
    ...     "account": ["a", "b"], "asset": "X", "size": [-10.0, -10.0], "mark": 10.0,
    ...     "equity": [20.0, 50.0], "realised_reduction": [0.0, 4.0],
    ... })
    >>> study = adl.replay(realised, [adl.policies.MinimaxLeverage()])
    >>> study.positions[["account", "realised", "MinimaxLeverage"]].to_numpy().tolist()
    [['a', 0.0, 0.4], ['b', 0.4, 0.0]]
    """
    table = read_realised(realised, column, wave)
    waves = {1: table} if "wave" not in table else dict(list(table.groupby("wave", sort=False)))
    stated = {name: _stated(rows, prices, objective) for name, rows in waves.items()}
    return Replay({name: _compared(*wave, policies, level) for name, wave in stated.items()})


def _compared(
    problem: Problem,
    happened: FloatArray,
    policies: Policies | None,
    level: float,
) -> Comparison:
    """What happened in one wave (e,), beside the policies."""
    rules = by_name(standard(problem) if policies is None else policies)
    beside: dict[str, AnyPolicy] = {REALISED: _fixed_policy(happened), **rules}
    comparison = compare(problem, beside, level=level)
    if policies is not None:
        return comparison
    return replace(comparison, omitted=omitted(problem) | comparison.omitted)


def _fixed_policy(reductions: FloatArray) -> Callable[[Problem], FloatArray]:
    """A policy that answers with these reductions (e,)."""
    return lambda _: reductions


def _counts(part: pd.DataFrame) -> dict[str, Any]:
    reduced = part["fraction"] > 0
    remains = part["fraction"] < 1 - FEASIBILITY
    return {
        "positions": len(part),
        "reduced": int(reduced.sum()),
        "fully_closed": int((~remains).sum()),
        "required": float(part["reduction"].sum()),
        "open_interest_fraction": float(part["reduction"].sum() / part["size"].sum()),
        "median_leverage_reduced": float(part.loc[reduced, "leverage_before"].median())
        if reduced.any()
        else np.nan,
        "max_leverage_remaining": float(part.loc[remains, "leverage_after"].max())
        if remains.any()
        else 0.0,
    }


def read_table(given: pd.DataFrame | str | Path) -> pd.DataFrame:
    """The table of realised reductions as it is, from a file if it is one."""
    if not isinstance(given, pd.DataFrame | str | Path):
        raise InputError(f"realised: expected a DataFrame or a path, got a {type(given).__name__}")
    if isinstance(given, pd.DataFrame):
        return given
    path = Path(given)
    if path.suffix.lower() in (".parquet", ".pq"):
        return tables.read_parquet(path)
    return tables.read_csv(path)


def read_realised(given: pd.DataFrame | str | Path, column: str, wave: str) -> pd.DataFrame:
    """A table of positions with `realised_reduction`, signed, and perhaps `wave`."""
    given = read_table(given)
    if {"user", "coin", "adl_size"} <= set(given.columns):
        table = given.rename(columns=HYPER_REPLAY)
    else:
        table = given.rename(columns={column: "realised_reduction", wave: "wave"})
    validation.require_columns(
        "realised", table, ("account", "asset", "size", "equity", "mark", "realised_reduction")
    )
    if len(table) == 0:
        raise InputError("realised: the table has no rows")
    size, taken = (
        validation.numbers("realised", table, "size"),
        validation.numbers("realised", table, "realised_reduction"),
    )
    table = table.assign(size=size, realised_reduction=np.sign(size) * np.abs(taken))
    # Several fills of one position in one wave are one reduction, of the position before the first
    # of them.
    key = [name for name in ("wave", "account", "asset", "margin_mode") if name in table]
    total = table.groupby(key, sort=False, observed=True)["realised_reduction"].transform("sum")
    table = table.assign(realised_reduction=total)[~table.duplicated(key)]
    over = np.abs(table["realised_reduction"]) > np.abs(table["size"]) * (1 + FEASIBILITY)
    validation.raise_for_rows(
        "realised", table, over, "realised_reduction", "{} is more than the position had"
    )
    return table


def _stated(
    rows: pd.DataFrame, prices: PriceModels | None, objective: Objective | None
) -> tuple[Problem, FloatArray]:
    """The problem of one wave, and what was taken of its eligible positions."""
    isolated = (
        rows["margin_mode"] == "isolated"
        if "margin_mode" in rows
        else pd.Series(False, index=rows.index)
    )
    snapshot = rows.assign(
        equity=rows["equity"].where(
            isolated, rows.groupby("account", sort=False)["equity"].transform("first")
        ),
        mark=rows.groupby("asset", sort=False)["mark"].transform("first"),
    )
    wanted = ("account", "asset", "size", "equity", "mark", "entry_price", "margin_mode")
    book = Book.from_frame(snapshot[[name for name in wanted if name in snapshot]])
    row, taken = match_positions(book, "realised", snapshot, "realised_reduction")
    by_position = np.zeros(book.size.size)
    by_position[row] = taken
    by_position[~book.solvent[book.pool]] = 0.0
    required = np.bincount(book.asset, by_position, minlength=len(book.assets))
    sides = np.bincount(book.asset, np.abs(by_position), minlength=len(book.assets))
    mixed = np.flatnonzero(sides > np.abs(required) * (1 + FEASIBILITY))
    if mixed.size:
        raise InputError(
            f"realised: {book.assets[int(mixed[0])]!r} is reduced on both sides in one wave; "
            "separate the waves by a column 'wave'"
        )
    if not required.any():
        raise InputError(
            "realised: nothing was taken from solvent accounts in one of the waves; leave it out"
        )
    reduction = {book.assets[int(k)]: float(required[k]) for k in np.flatnonzero(required)}
    model = prices(book) if callable(prices) and not hasattr(prices, "scenarios") else prices
    problem = Problem(book, reduction, prices=model, objective=objective or ExpectedLoss())
    return problem, by_position[problem.eligible]
