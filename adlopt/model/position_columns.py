"""Columns of the positions table, checked."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import InputError

POSITIONS = "positions"  # what errors call the table


class PositionColumns(NamedTuple):
    """Columns of the positions table, a row per position."""

    frame: pd.DataFrame
    account: IntArray
    asset: IntArray
    size: FloatArray
    isolated: BoolArray
    entry: FloatArray | None
    profit: FloatArray | None  # unrealised, in money


def position_columns(
    frame: pd.DataFrame,
    account: IntArray,
    assets: pd.Index,
    asset_names: pd.Series[Any],
    mark: FloatArray,
) -> PositionColumns:
    """The columns of the positions table, checked; `account` and `asset` as codes."""
    size = validation.numbers(POSITIONS, frame, "size")
    isolated = _isolated(frame)
    entry = _entry_price(frame)
    asset = assets.get_indexer(pd.Index(asset_names))
    validation.raise_for_rows(
        POSITIONS, frame, asset < 0, "asset", "there is no mark for {!r}; add it to the marks"
    )
    _refuse_duplicates(frame, account, asset, isolated)
    with np.errstate(over="ignore"):
        notional = np.abs(size) * mark[asset]
        profit = None if entry is None else size * (mark[asset] - entry)
        total = float(notional.sum())
    too_large = ~np.isfinite(notional)
    if profit is not None:
        too_large |= np.isinf(profit)
    validation.raise_for_rows(
        POSITIONS, frame, too_large, "size", "{} contracts are worth more than a float can hold"
    )
    if not np.isfinite(total):
        raise InputError("positions: all together are worth more than a float can hold")
    return PositionColumns(frame, account, asset, size, isolated, entry, profit)


def _isolated(positions: pd.DataFrame) -> BoolArray:
    if "margin_mode" not in positions:
        return np.zeros(len(positions), dtype=bool)
    mode = positions["margin_mode"]
    isolated: BoolArray = mode.isin(["isolated"]).to_numpy(dtype=bool)
    known = isolated | (mode.isin(["cross"]) | mode.isna()).to_numpy(dtype=bool)
    validation.raise_for_rows(
        POSITIONS, positions, ~known, "margin_mode", "{!r} is neither 'cross' nor 'isolated'"
    )
    return isolated


def _entry_price(positions: pd.DataFrame) -> FloatArray | None:
    if "entry_price" not in positions:
        return None
    entry = validation.numbers(POSITIONS, positions, "entry_price", optional=True)
    validation.raise_for_rows(
        POSITIONS, positions, entry <= 0, "entry_price", "{} is not a price > 0"
    )
    return entry


def _refuse_duplicates(
    positions: pd.DataFrame, account: IntArray, asset: IntArray, isolated: BoolArray
) -> None:
    key = (account * (int(asset.max()) + 1) + asset) * 2 + isolated
    validation.raise_for_rows(
        POSITIONS,
        positions,
        pd.Series(key).duplicated(),
        "asset",
        "this account already has a position in {!r} under the same margin mode; give one row",
    )


def read_marks(
    positions: pd.DataFrame, asset_names: pd.Series[Any], unused: pd.DataFrame, marks: object
) -> tuple[pd.Index, FloatArray]:
    """Assets and their marks: from `marks`, or else from the column of the positions table."""
    if marks is None:
        if "mark" not in positions:
            raise InputError(
                "marks: give a price for every asset, as marks={...} or as a column 'mark' of "
                "positions"
            )
        rows = pd.concat([positions, unused]) if len(unused) else positions
        further = validation.labels(POSITIONS, unused, "asset") if len(unused) else None
        all_names = asset_names if further is None else pd.concat([asset_names, further])
        return _marks_of_rows(rows, all_names)
    if not validation.has_asset_names(marks):
        raise InputError(
            f"marks: {marks!r} does not name assets; give a mapping, such as {{'BTC': 67000.0}}"
        )
    assets = validation.asset_names(marks)
    price = validation.vector_by_asset("marks", marks, assets)
    for name, value in zip(assets, price, strict=True):
        if value <= 0:
            raise InputError(f"marks, asset {name!r}: {value} is not a price > 0")
    return assets, price


def _marks_of_rows(rows: pd.DataFrame, asset_names: pd.Series[Any]) -> tuple[pd.Index, FloatArray]:
    price = validation.numbers(POSITIONS, rows, "mark")
    validation.raise_for_rows(POSITIONS, rows, price <= 0, "mark", "{} is not a price > 0")
    code, assets = pd.factorize(asset_names)
    first = np.empty(len(assets))
    first[code[::-1]] = price[::-1]
    validation.raise_for_rows(
        POSITIONS,
        rows,
        price != first[code],
        "mark",
        "{} differs from an earlier mark of the same asset",
    )
    return pd.Index(assets), first
