"""Tables of positions and accounts read into the arrays of a `Book`, validated once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.model.pool_equity import ACCOUNTS, Pools, idle_equity, pool_equity, require_equity
from adlopt.model.position_columns import POSITIONS, PositionColumns, position_columns, read_marks

Marks = Mapping[str, float] | pd.Series  # by asset


class BookArrays(NamedTuple):
    """The fields of a `Book`; see there."""

    assets: pd.Index
    marks: FloatArray
    account_names: pd.Index
    pool_account: IntArray
    isolated: BoolArray
    equity: FloatArray
    pool: IntArray
    asset: IntArray
    size: FloatArray
    entry_price: FloatArray | None


def read_tables(positions: object, accounts: object, marks: object) -> BookArrays:
    """Arrays of a book from the tables of `Book.from_frame`."""
    frame = validation.as_frame(POSITIONS, positions, ("account", "asset", "size"))
    held, idle, unused = _set_aside(frame)
    if len(held) == 0:
        raise InputError("positions: the table has no rows; a book needs at least one position")
    holders = validation.labels(POSITIONS, held, "account")
    asset_names = validation.labels(POSITIONS, held, "asset")
    assets, mark = read_marks(held, asset_names, unused, marks)
    account, found = pd.factorize(holders)
    names = pd.Index(found)
    listed = None
    if accounts is not None:
        listed = validation.as_frame(ACCOUNTS, accounts, ("account",))
        names = _append_names(names, _account_names(listed))
    names = _append_names(names, pd.Index(idle["account"]))
    rows = position_columns(held, account, assets, asset_names, mark)
    pools = _pools(rows, len(names))
    equity = pool_equity(rows, pools, listed, names)
    require_equity(rows, pools, equity, listed is not None)
    spare = idle_equity(idle, listed, names, rows, pools)
    more = np.flatnonzero(~np.isnan(spare))
    order = np.argsort(pools.of_row, kind="stable")
    return BookArrays(
        assets=assets,
        marks=mark,
        account_names=names,
        pool_account=np.concatenate([pools.account, more]).astype(np.intp),
        isolated=np.concatenate([pools.isolated, np.zeros(more.size, dtype=bool)]),
        equity=np.concatenate([equity, spare[more]]),
        pool=pools.of_row[order].astype(np.intp),
        asset=rows.asset[order].astype(np.intp),
        size=rows.size[order],
        entry_price=None if rows.entry is None else rows.entry[order],
    )


def _set_aside(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The positions; rows for accounts that hold nothing; rows for assets that nobody holds.

    `Book.to_frame` writes the latter two without a size: an account with its equity, or an asset
    with its mark.
    """
    bare = frame["size"].isna().to_numpy(dtype=bool)
    no_account = frame["account"].isna().to_numpy(dtype=bool)
    no_asset = frame["asset"].isna().to_numpy(dtype=bool)
    idle = bare & no_asset & ~no_account & _given(frame, "equity")
    unused = bare & no_account & ~no_asset & _given(frame, "mark")
    return frame[~idle & ~unused], frame[idle], frame[unused]


def _given(frame: pd.DataFrame, column: str) -> BoolArray:
    if column not in frame:
        return np.zeros(len(frame), dtype=bool)
    return np.asarray(frame[column].notna(), dtype=bool)


def _pools(rows: PositionColumns, accounts: int) -> Pools:
    """Group rows: all cross positions of an account, or one isolated position."""
    number = np.arange(rows.size.size)
    # A pool's key: its account, or for an isolated position its own row.
    of_row, key = pd.factorize(np.where(rows.isolated, accounts + number, rows.account))
    first_row = np.empty(key.size, dtype=np.intp)
    first_row[of_row[::-1]] = number[::-1]
    return Pools(of_row, first_row, rows.account[first_row], key >= accounts)


def _account_names(accounts: pd.DataFrame) -> pd.Index:
    listed = validation.labels(ACCOUNTS, accounts, "account")
    validation.raise_for_rows(
        ACCOUNTS,
        accounts,
        listed.duplicated(),
        "account",
        "{!r} appears twice; give each account one row",
    )
    names: pd.Index = pd.Index(listed)
    return names


def _append_names(names: pd.Index, further: pd.Index) -> pd.Index:
    """The names, then those of `further` that are new."""
    return names.append(further[~further.isin(names)].unique()) if len(further) else names
