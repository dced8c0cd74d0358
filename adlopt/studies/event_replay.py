"""What was reduced, beside what each rule would have reduced at the same requirement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.model.matching import match_positions
from adlopt.model.problem import Problem
from adlopt.objectives import ExpectedLoss, Objective
from adlopt.policies.protocol import ROUNDING, AnyPolicy, named
from adlopt.policies.standard import standard
from adlopt.prices.protocol import PriceModel
from adlopt.studies.comparison import Comparison, compare

REALISED = "realised"
HYPER_REPLAY = {
    "user": "account",
    "coin": "asset",
    "time": "wave",
    "position_size": "size",
    "adl_size": "realised_reduction",
    "adl_price": "mark",
    "total_equity": "equity",
}
"""Columns of HyperReplay's `adl_detailed_analysis_REALTIME.csv`, and what they are called here;
`entry_price` is the same.
"""

PriceModels = PriceModel | Callable[[Book], PriceModel]


class Replay:
    """Realised reductions beside what policies would have done, by wave.

    `comparisons` has each wave's `Comparison`, whose row "realised" is what happened; `by_asset`
    counts per wave, asset and
    policy; `risk` has the risk block of all waves and how it differs from the realised one;
    `positions` the reductions
    themselves, a column per policy, in order of leverage.
    """

    def __init__(self, comparisons: dict[Any, Comparison]) -> None:
        self.comparisons = comparisons

    @property
    def positions(self) -> pd.DataFrame:
        """Row per position: wave, account, asset, size, leverage; fraction taken by each policy;
        highest leverage first.
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
        """Row per wave, asset and policy: positions, touched, closed, contracts required, leverage
        of those reduced and not.
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
        """Row per wave and policy: the risk block, and `less than realised`, money of the
        objective.
        """
        parts = {}
        for wave, comparison in self.comparisons.items():
            block = comparison["risk"].copy()
            block["less than realised"] = block.loc[REALISED, "objective"] - block["objective"]
            parts[wave] = block
        return pd.concat(parts, names=["wave"])

    def __repr__(self) -> str:
        by_asset = self.by_asset
        shown = by_asset.to_string(float_format="{:,.4g}".format, max_rows=_ROWS)
        return (
            f"{shown}\n\nrisk\n{self.risk.to_string(float_format='{:,.5g}'.format, max_rows=_ROWS)}"
        )

    def _repr_html_(self) -> str:
        return str(self.by_asset.to_html(max_rows=_ROWS)) + str(self.risk.to_html(max_rows=_ROWS))


_ROWS = 100


def replay(
    realised: pd.DataFrame | str | Path,
    policies: Mapping[str, AnyPolicy] | Iterable[AnyPolicy] | None = None,
    *,
    prices: PriceModels | None = None,
    objective: Objective | None = None,
    column: str = "realised_reduction",
    wave: str = "wave",
    level: float = 0.99,
) -> Replay:
    """Compare realised reductions with each policy at the same requirement, wave by wave.

    Parameters
    ----------
    realised : table, CSV or Parquet file with `account`, `asset`, `size` (before, long > 0),
        `equity`, `mark` and the realised
        reduction in contracts; optional `entry_price`, and `wave`, anything that tells reductions
        of one moment apart. Or
        HyperReplay's `adl_detailed_analysis_REALTIME.csv` as it is, each `time` a wave. Positions
        that were not reduced
        belong into the table, with zero: rules choose among the positions they are given, and no
        others.
    policies : of any kind, perhaps by name; left out, all that the table has the data for.
    prices : price model of the risk numbers, or a function from each wave's book to one.
    column : where the realised reductions stand; their sign is that of the position.
    wave : column that tells waves apart; without it all rows are one wave.
    level : of the CVaR column.

    An account's rows of one wave that state different equities or an asset's that state different
    marks are not one
    snapshot: the first is taken. Bankrupt accounts take no part, and what was taken from them is
    left out of the requirement.
    """
    table = _normalised(realised, column, wave)
    waves = {None: table} if "wave" not in table else dict(list(table.groupby("wave", sort=False)))
    comparisons = {}
    for name, rows in waves.items():
        problem, happened = _stated(rows, prices, objective)
        rules = named(standard(problem) if policies is None else policies)
        comparisons[1 if name is None else name] = compare(
            problem, {REALISED: _as_it_was(happened), **rules}, level=level
        )
    return Replay(comparisons)


def _as_it_was(happened: FloatArray) -> Callable[[Problem], FloatArray]:
    return lambda _: happened


def _counts(part: pd.DataFrame) -> dict[str, Any]:
    reduced = part["fraction"] > 0
    able = part["fraction"] < 1 - ROUNDING
    return {
        "positions": len(part),
        "touched": int(reduced.sum()),
        "closed": int((~able).sum()),
        "required": float(part["reduction"].sum()),
        "share of interest": float(part["reduction"].sum() / part["size"].sum()),
        "median leverage hit": float(part.loc[reduced, "leverage_before"].median())
        if reduced.any()
        else np.nan,
        "max leverage left": float(part.loc[able, "leverage_after"].max()) if able.any() else 0.0,
    }


def _normalised(given: pd.DataFrame | str | Path, column: str, wave: str) -> pd.DataFrame:
    """A table of positions with `realised_reduction`, signed, and perhaps `wave`."""
    if not isinstance(given, pd.DataFrame | str | Path):
        raise InputError(
            f"realised: a {type(given).__name__} is neither a table nor the name of a file"
        )
    if not isinstance(given, pd.DataFrame):
        path = Path(given)
        given = (
            validation.read_parquet(path)
            if path.suffix.lower() in (".parquet", ".pq")
            else validation.read_csv(path)
        )
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
    over = np.abs(table["realised_reduction"]) > np.abs(table["size"]) * (1 + ROUNDING)
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
    mixed = np.flatnonzero(sides > np.abs(required) * (1 + ROUNDING))
    if mixed.size:
        raise InputError(
            f"realised: {book.assets[mixed[0]]!r} is reduced on both sides in one wave; tell the waves apart by a column 'wave'"
        )
    if not required.any():
        raise InputError(
            "realised: nothing was taken from solvent accounts in one of the waves; leave it out"
        )
    reduction = {book.assets[k]: float(required[k]) for k in np.flatnonzero(required)}
    model = prices(book) if callable(prices) and not hasattr(prices, "scenarios") else prices
    problem = Problem(book, reduction, model, objective or ExpectedLoss())
    return problem, by_position[problem.eligible]
