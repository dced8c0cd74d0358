"""Equity of each pool, from the tables of positions and accounts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.model.position_columns import POSITIONS, PositionColumns

ACCOUNTS = "accounts"  # what errors call the table


class Pools(NamedTuple):
    """Pools in the order of their first positions; further ones hold nothing."""

    of_row: IntArray  # pool of each row of the positions table
    first_row: IntArray  # of each pool
    account: IntArray
    isolated: BoolArray


def pool_equity(
    rows: PositionColumns, pools: Pools, accounts: pd.DataFrame | None, names: pd.Index
) -> FloatArray:
    """Equity of each pool from both tables; NaN where it is unknown."""
    equity = np.full(pools.first_row.size, np.nan)
    own = _position_equity(rows, given_elsewhere=accounts is not None)
    if own is not None:
        equity = own[pools.first_row]
        repeated = ~rows.isolated & np.isfinite(own)
        validation.raise_for_rows(
            POSITIONS,
            rows.frame,
            repeated & (own != equity[pools.of_row]),
            "equity",
            "{} differs from an earlier row of the same cross account; "
            "a cross account has one equity",
        )
    if accounts is None:
        return equity
    given = _account_equity(accounts, names, rows)[pools.account]
    if own is not None:
        conflict = ~rows.isolated & np.isfinite(own) & np.isfinite(given[pools.of_row])
        validation.raise_for_rows(
            POSITIONS,
            rows.frame,
            conflict & (own != given[pools.of_row]),
            "equity",
            "{} contradicts the accounts table",
        )
    return np.where(~pools.isolated & np.isfinite(given), given, equity)


def require_equity(
    rows: PositionColumns, pools: Pools, equity: FloatArray, accounts_given: bool
) -> None:
    lacking = np.isnan(equity)[pools.of_row]
    where = (
        "'equity' or 'collateral' in the accounts table"
        if accounts_given
        else ("a column 'equity'")
    )
    validation.raise_for_rows(
        POSITIONS,
        rows.frame,
        lacking & ~rows.isolated,
        "account",
        f"no equity is known for {{!r}}; give it as {where}",
    )
    validation.raise_for_rows(
        POSITIONS,
        rows.frame,
        lacking,
        "account",
        "no equity is known for this isolated position of {!r}; give 'equity', or 'collateral' and "
        "'entry_price'",
    )


def idle_equity(
    idle: pd.DataFrame,
    accounts: pd.DataFrame | None,
    names: pd.Index,
    rows: PositionColumns,
    pools: Pools,
) -> FloatArray:
    """(names,) equity of cross accounts without positions; NaN for all others."""
    equity = np.full(len(names), np.nan)
    if accounts is not None:
        equity = _account_equity(accounts, names, rows)
    if len(idle):
        listed = names.get_indexer(pd.Index(idle["account"]))
        value = validation.numbers(POSITIONS, idle, "equity")
        holds = np.zeros(len(names), dtype=bool)
        holds[pools.account[~pools.isolated]] = True
        repeated = holds[listed] | pd.Series(listed).duplicated().to_numpy()
        validation.raise_for_rows(
            POSITIONS, idle, repeated, "account", "{!r} has other rows under cross margin"
        )
        conflict = np.isfinite(equity[listed]) & (equity[listed] != value)
        validation.raise_for_rows(
            POSITIONS, idle, conflict, "equity", "{} contradicts the accounts table"
        )
        equity[listed] = value
    equity[pools.account[~pools.isolated]] = np.nan
    return equity


def _position_equity(rows: PositionColumns, *, given_elsewhere: bool) -> FloatArray | None:
    """(m,) equity that the positions table states: given, or for isolated positions from
    collateral; NaN where unknown.
    """
    positions, isolated = rows.frame, rows.isolated
    if "equity" not in positions and "collateral" not in positions:
        return None
    equity = np.full(len(positions), np.nan)
    if "equity" in positions:
        optional = given_elsewhere or "collateral" in positions
        equity = validation.numbers(POSITIONS, positions, "equity", optional=optional)
    if "collateral" in positions:
        collateral = validation.numbers(POSITIONS, positions, "collateral", optional=True)
        validation.raise_for_rows(
            POSITIONS,
            positions,
            np.isfinite(collateral) & ~isolated,
            "collateral",
            "{} belongs to a cross position; the collateral of a cross account goes into the "
            "accounts table",
        )
        wanted = isolated & np.isnan(equity) & np.isfinite(collateral)
        if wanted.any():
            profit = _require_profit(rows, wanted)
            equity[wanted] = collateral[wanted] + profit[wanted]
    return equity


def _require_profit(rows: PositionColumns, wanted: BoolArray) -> FloatArray:
    """Unrealised profits, or an InputError if one of the rows wanted has none."""
    if rows.profit is None:
        raise InputError("positions: equity from 'collateral' needs the column 'entry_price'")
    validation.raise_for_rows(
        POSITIONS,
        rows.frame,
        wanted & np.isnan(rows.profit),
        "entry_price",
        "is missing; equity from collateral needs it",
    )
    return rows.profit


def _account_equity(accounts: pd.DataFrame, names: pd.Index, rows: PositionColumns) -> FloatArray:
    """(names,) equity from the accounts table; NaN for accounts it does not list."""
    if "equity" not in accounts and "collateral" not in accounts:
        raise InputError("accounts: a column 'equity' or 'collateral' is needed")
    both = "equity" in accounts and "collateral" in accounts
    listed = names.get_indexer(pd.Index(accounts["account"]))
    equity = np.full(len(accounts), np.nan)
    if "equity" in accounts:
        equity = validation.numbers(ACCOUNTS, accounts, "equity", optional=both)
    if "collateral" in accounts:
        collateral = validation.numbers(ACCOUNTS, accounts, "collateral", optional=both)
        wanted = np.isnan(equity)
        by_collateral = np.zeros(len(names), dtype=bool)
        by_collateral[listed[wanted]] = True
        needing = ~rows.isolated & by_collateral[rows.account]
        unrealised = np.zeros(len(names))
        if needing.any():
            profit = _require_profit(rows, needing)
            unrealised += np.bincount(rows.account[needing], profit[needing], minlength=len(names))
        equity[wanted] = collateral[wanted] + unrealised[listed[wanted]]
        validation.raise_for_rows(
            ACCOUNTS,
            accounts,
            np.isnan(equity),
            "collateral",
            "neither equity nor collateral is given",
        )
    by_name = np.full(len(names), np.nan)
    by_name[listed] = equity
    return by_name
