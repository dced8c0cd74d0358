"""Who holds what: accounts and positions become risk pools, validated once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from adlopt._internal import tables, validation
from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.model import book_changes

Margin = Literal["cross", "isolated"]


@dataclass(frozen=True, eq=False, repr=False)
class Book:
    """Risk pools and their positions at the marks; make one with `from_frame`, `read_csv` or
    `read_parquet`.

    A pool is what goes bankrupt as one: all cross positions of an account, or one isolated
    position.
    Arrays: n pools, m positions sorted by pool, d assets. Sizes in contracts, long > 0; money in
    one currency.
    """

    assets: pd.Index
    marks: FloatArray  # (d,)
    names: pd.Index  # accounts, each once
    pool_account: IntArray  # (n,) into names
    isolated: BoolArray  # (n,)
    equity: FloatArray  # (n,)
    pool: IntArray  # (m,) nondecreasing
    asset: IntArray  # (m,) into assets
    size: FloatArray  # (m,)
    entry_price: FloatArray | None = field(default=None)  # (m,), NaN where unknown

    # ------------------------------------------------------------------ in

    @classmethod
    def from_frame(
        cls,
        positions: pd.DataFrame,
        accounts: pd.DataFrame | None = None,
        marks: Mapping[str, float] | pd.Series[float] | None = None,
    ) -> Book:
        """Build a book from tables.

        Parameters
        ----------
        positions : `account`, `asset`, `size` (contracts, long > 0); optional `entry_price`,
            `margin_mode`
            ("cross", the default, or "isolated"), `equity` or `collateral`, `mark`.
        accounts : `account` and `equity`, or `collateral`: then equity is collateral plus the
            unrealised profit of
            the account's cross positions. Without it, `equity` stands in `positions`, repeated for
            a cross account.
        marks : price by asset, > 0. Without it, `positions` needs a column `mark`.

        Raises
        ------
        InputError : naming table, row and column.
        """
        table = "positions"
        validation.require_columns(table, positions, ("account", "asset", "size"))
        if len(positions) == 0:
            raise InputError("positions: the table has no rows; a book needs at least one position")
        account = validation.labels(table, positions, "account")
        asset_names = validation.labels(table, positions, "asset")
        size = validation.numbers(table, positions, "size")
        isolated = _isolated(positions)
        entry = _entry_price(positions)
        assets, mark = _marks(positions, asset_names, marks)

        asset = assets.get_indexer(pd.Index(asset_names))
        validation.raise_for_rows(
            table, positions, asset < 0, "asset", "there is no mark for {!r}; add it to the marks"
        )
        account_code, names = pd.factorize(account)
        if accounts is not None:
            names = _with_further(names, accounts)
        _refuse_duplicates(positions, account_code, asset, isolated)

        # A pool's key: its account, or for an isolated position its own row.
        rows = np.arange(len(positions))
        key = np.where(isolated, len(names) + rows, account_code)
        pool, pool_key = pd.factorize(key)
        pool_isolated = pool_key >= len(names)
        first_row = np.empty(pool_key.size, dtype=np.int64)
        first_row[pool[::-1]] = rows[::-1]
        pool_account = account_code[first_row]

        profit = size * (mark[asset] - entry) if entry is not None else None
        equity = np.full(pool_key.size, np.nan)
        own = _position_equity(positions, isolated, profit, given_elsewhere=accounts is not None)
        if own is not None:
            equity = own[first_row]
            repeated = ~isolated & np.isfinite(own)
            validation.raise_for_rows(
                table,
                positions,
                repeated & (own != equity[pool]),
                "equity",
                "{} differs from an earlier row of the same cross account; a cross account has one equity",
            )
        if accounts is not None:
            by_name = _account_equity(accounts, names, account_code, ~isolated, profit, positions)
            cross = ~pool_isolated
            given = by_name[pool_account]
            conflict = np.zeros(len(positions), dtype=bool)
            if own is not None:
                conflict = (
                    ~isolated & np.isfinite(own) & np.isfinite(given[pool]) & (own != given[pool])
                )
            validation.raise_for_rows(
                table, positions, conflict, "equity", "{} contradicts the accounts table"
            )
            equity = np.where(cross & np.isfinite(given), given, equity)
            idle = np.isfinite(by_name)
            idle[pool_account[cross]] = False
            pool_account = np.concatenate([pool_account, np.flatnonzero(idle)])
            pool_isolated = np.concatenate([pool_isolated, np.zeros(idle.sum(), dtype=bool)])
            equity = np.concatenate([equity, by_name[idle]])
        lacking = np.isnan(equity)[pool]
        where = (
            "'equity' or 'collateral' in the accounts table"
            if accounts is not None
            else "a column 'equity'"
        )
        validation.raise_for_rows(
            table,
            positions,
            lacking & ~isolated,
            "account",
            f"no equity is known for {{!r}}; give it as {where}",
        )
        validation.raise_for_rows(
            table,
            positions,
            lacking,
            "account",
            "no equity is known for this isolated position of {!r}; give 'equity', or 'collateral' and 'entry_price'",
        )

        order = np.argsort(pool, kind="stable")
        return cls(
            assets=assets,
            marks=mark,
            names=names,
            pool_account=pool_account.astype(np.int64),
            isolated=pool_isolated,
            equity=equity,
            pool=pool[order].astype(np.int64),
            asset=asset[order].astype(np.int64),
            size=size[order],
            entry_price=None if entry is None else entry[order],
        )

    @classmethod
    def read_csv(
        cls,
        positions: str | Path,
        accounts: str | Path | None = None,
        marks: Mapping[str, float] | pd.Series[float] | None = None,
    ) -> Book:
        """Read the tables of `from_frame` from CSV files; errors count lines as an editor does."""
        return cls.from_frame(
            tables.read_csv(positions),
            None if accounts is None else tables.read_csv(accounts),
            marks,
        )

    @classmethod
    def read_parquet(
        cls,
        positions: str | Path,
        accounts: str | Path | None = None,
        marks: Mapping[str, float] | pd.Series[float] | None = None,
    ) -> Book:
        """Read the tables of `from_frame` from Parquet files."""
        listed = None if accounts is None else tables.read_parquet(accounts)
        return cls.from_frame(tables.read_parquet(positions), listed, marks)

    # ------------------------------------------------------------------ out

    def to_frame(self) -> pd.DataFrame:
        """One row per position, with everything `from_frame` needs: the round trip is exact."""
        frame = pd.DataFrame(
            {
                "account": self.names.take(self.pool_account[self.pool]),
                "asset": self.assets.take(self.asset),
                "size": self.size,
                "margin_mode": self._margin_mode(self.pool),
                "equity": self.equity[self.pool],
                "mark": self.marks[self.asset],
            }
        )
        if self.entry_price is not None:
            frame["entry_price"] = self.entry_price
        return frame

    def to_csv(self, path: str | Path) -> None:
        """Write `to_frame` as CSV, floats in full."""
        self.to_frame().to_csv(path, index=False)

    def to_parquet(self, path: str | Path) -> None:
        """Write `to_frame` as Parquet."""
        self.to_frame().to_parquet(path, index=False)

    @property
    def accounts(self) -> pd.DataFrame:
        """Cross-margined accounts and their equity; isolated positions carry theirs in
        `to_frame`.
        """
        cross = np.flatnonzero(~self.isolated)
        return pd.DataFrame(
            {"account": self.names.take(self.pool_account[cross]), "equity": self.equity[cross]}
        )

    @cached_property
    def pools(self) -> pd.DataFrame:
        """One row per pool: account, margin_mode, asset (of an isolated one), equity, notional,
        leverage, bankrupt.
        """
        notional = self.gross
        asset = np.full(self.equity.size, None, dtype=object)
        alone = self.isolated[self.pool]
        asset[self.pool[alone]] = self.assets.take(self.asset[alone])
        solvent = self.solvent
        return pd.DataFrame(
            {
                "account": self.names.take(self.pool_account),
                "margin_mode": self._margin_mode(slice(None)),
                "asset": asset,
                "equity": self.equity,
                "notional": notional,
                "leverage": np.divide(
                    notional, self.equity, out=np.full(notional.shape, np.nan), where=solvent
                ),
                "bankrupt": ~solvent,
            }
        )

    @cached_property
    def start(self) -> IntArray:
        """(n + 1,) where each pool's positions begin and the last one's end."""
        return np.searchsorted(self.pool, np.arange(self.equity.size + 1))

    @cached_property
    def notional(self) -> FloatArray:
        """(m,) absolute value of each position at the marks, in money."""
        return np.abs(self.size) * self.marks[self.asset]

    @cached_property
    def gross(self) -> FloatArray:
        """(n,) gross notional of each pool: the sum over its positions of `notional`."""
        total = np.bincount(self.pool, self.notional, minlength=self.equity.size)
        return total.astype(np.float64)

    @cached_property
    def solvent(self) -> BoolArray:
        """(n,) mask of pools with equity > 0: only these take part in auto-deleveraging."""
        return self.equity > 0

    @property
    def bankrupt(self) -> pd.DataFrame:
        """Pools with equity <= 0: never counterparties, listed here so that none is dropped
        unseen.
        """
        out = self.pools.loc[
            self.pools["bankrupt"], ["account", "margin_mode", "asset", "equity", "notional"]
        ]
        return out.reset_index(drop=True)

    @property
    def open_interest(self) -> pd.DataFrame:
        """Contracts by asset: long and short of solvent pools (eligible), and of bankrupt ones."""
        able = self.solvent[self.pool]
        columns = {
            "long": able & (self.size > 0),
            "short": able & (self.size < 0),
            "bankrupt_long": ~able & (self.size > 0),
            "bankrupt_short": ~able & (self.size < 0),
        }
        sums = {
            name: np.bincount(
                self.asset[rows], np.abs(self.size[rows]), minlength=len(self.assets)
            ).astype(float)
            for name, rows in columns.items()
        }
        return pd.DataFrame(sums, index=self.assets.rename("asset"))

    # ------------------------------------------------------------------ change

    at = book_changes.at
    after = book_changes.after
    merged = book_changes.merged

    def with_margin(self, mode: Margin) -> Book:
        """The same holdings under one margin mode.

        To isolated: each pool's equity is split over its positions by notional (pools without
        positions vanish); where an
        account holds an asset under both modes, the two become one position, netted, with the
        equity of both.
        To cross: an account's pools are merged, their equity added, positions in one asset netted.
        """
        if mode == "isolated":
            notional, total = self.notional, self.gross[self.pool]
            count = np.bincount(self.pool, minlength=self.equity.size)[self.pool]
            share = np.divide(notional, total, out=1.0 / count, where=total > 0)
            split = replace(
                self,
                pool_account=self.pool_account[self.pool],
                isolated=np.ones(self.size.size, dtype=bool),
                equity=self.equity[self.pool] * share,
                pool=np.arange(self.size.size),
            )
            twice = pd.Series(split.pool_account * len(self.assets) + self.asset).duplicated().any()
            marks = dict(zip(self.assets, self.marks, strict=True))
            return (
                Book.from_frame(split._netted().assign(margin_mode="isolated"), marks=marks)
                if twice
                else split
            )
        if mode == "cross":
            merged = self._netted().drop(columns="equity")
            equity = np.bincount(self.pool_account, self.equity, minlength=len(self.names))
            accounts = pd.DataFrame({"account": self.names, "equity": equity})
            return Book.from_frame(
                merged, accounts, dict(zip(self.assets, self.marks, strict=True))
            )
        raise InputError(f"with_margin: {mode!r} is not a margin mode; use 'cross' or 'isolated'")

    def _netted(self) -> pd.DataFrame:
        """A row per account and asset: sizes and the pools' equities added, the entry price their
        mean by size.
        """
        frame = self.to_frame()
        frame["money"] = frame["size"] * frame.get("entry_price", np.nan)
        merged = frame.groupby(["account", "asset"], sort=False, as_index=False).agg(
            size=("size", "sum"),
            equity=("equity", "sum"),
            money=("money", lambda column: column.sum(skipna=False)),
        )
        money = merged.pop("money")
        if self.entry_price is not None:
            entry = money / merged["size"]
            merged["entry_price"] = entry.where(
                (entry > 0) & np.isfinite(entry)
            )  # netted legs may have no meaningful entry
        return merged

    # ------------------------------------------------------------------ show

    def __repr__(self) -> str:
        bankrupt = int((~self.solvent).sum())
        return (
            f"Book({len(self.names):,} accounts, {self.equity.size:,} pools ({int(self.isolated.sum()):,} isolated, "
            f"{bankrupt:,} bankrupt), {self.size.size:,} positions in {validation.format_names(self.assets)})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.open_interest.to_html()}"

    def _margin_mode(self, pools: IntArray | slice) -> pd.Categorical:
        return pd.Categorical.from_codes(
            self.isolated[pools].astype(np.int8), categories=["cross", "isolated"]
        )


def _isolated(positions: pd.DataFrame) -> BoolArray:
    if "margin_mode" not in positions:
        return np.zeros(len(positions), dtype=bool)
    mode = positions["margin_mode"]
    isolated: BoolArray = mode.isin(["isolated"]).to_numpy(dtype=bool)
    known = isolated | (mode.isin(["cross"]) | mode.isna()).to_numpy(dtype=bool)
    validation.raise_for_rows(
        "positions", positions, ~known, "margin_mode", "{!r} is neither 'cross' nor 'isolated'"
    )
    return isolated


def _entry_price(positions: pd.DataFrame) -> FloatArray | None:
    if "entry_price" not in positions:
        return None
    entry = validation.numbers("positions", positions, "entry_price", optional=True)
    validation.raise_for_rows(
        "positions", positions, entry <= 0, "entry_price", "{} is not a price > 0"
    )
    return entry


def _marks(
    positions: pd.DataFrame,
    asset_names: pd.Series[Any],
    marks: Mapping[str, float] | pd.Series[float] | None,
) -> tuple[pd.Index, FloatArray]:
    if marks is None:
        if "mark" not in positions:
            raise InputError(
                "marks: give a price for every asset, as marks={...} or as a column 'mark' of positions"
            )
        price = validation.numbers("positions", positions, "mark")
        validation.raise_for_rows(
            "positions", positions, price <= 0, "mark", "{} is not a price > 0"
        )
        code, assets = pd.factorize(asset_names)
        first = np.empty(len(assets))
        first[code[::-1]] = price[::-1]
        validation.raise_for_rows(
            "positions",
            positions,
            price != first[code],
            "mark",
            "{} differs from an earlier mark of the same asset",
        )
        return pd.Index(assets), first
    if not validation.has_asset_names(marks):
        raise InputError(
            f"marks: {marks!r} does not name assets; give a mapping, such as {{'BTC': 67000.0}}"
        )
    given = dict(
        (
            validation.require_unique("marks", marks) if isinstance(marks, pd.Series) else marks
        ).items()
    )
    assets = pd.Index(list(given))
    price = np.array(
        [validation.as_finite(f"marks, asset {name!r}", value) for name, value in given.items()]
    )
    for name, value in zip(assets, price, strict=True):
        if value <= 0:
            raise InputError(f"marks, asset {name!r}: {value} is not a price > 0")
    return assets, price


def _with_further(names: pd.Index, accounts: pd.DataFrame) -> pd.Index:
    """Names of the positions table, then those that only the accounts table has."""
    validation.require_columns("accounts", accounts, ("account",))
    listed = validation.labels("accounts", accounts, "account")
    validation.raise_for_rows(
        "accounts",
        accounts,
        listed.duplicated(),
        "account",
        "{!r} appears twice; give each account one row",
    )
    further = pd.Index(listed)
    return pd.Index(names).append(further[~further.isin(names)])


def _refuse_duplicates(
    positions: pd.DataFrame, account: IntArray, asset: IntArray, isolated: BoolArray
) -> None:
    key = (account * (int(asset.max()) + 1) + asset) * 2 + isolated
    validation.raise_for_rows(
        "positions",
        positions,
        pd.Series(key).duplicated(),
        "asset",
        "this account already has a position in {!r} under the same margin mode; give one row",
    )


def _position_equity(
    positions: pd.DataFrame,
    isolated: BoolArray,
    profit: FloatArray | None,
    *,
    given_elsewhere: bool,
) -> FloatArray | None:
    """(m,) equity that the positions table states: given, or for isolated positions from
    collateral; NaN where unknown.
    """
    if "equity" not in positions and "collateral" not in positions:
        return None
    equity = np.full(len(positions), np.nan)
    if "equity" in positions:
        optional = given_elsewhere or "collateral" in positions
        equity = validation.numbers("positions", positions, "equity", optional=optional)
    if "collateral" in positions:
        collateral = validation.numbers("positions", positions, "collateral", optional=True)
        validation.raise_for_rows(
            "positions",
            positions,
            np.isfinite(collateral) & ~isolated,
            "collateral",
            "{} belongs to a cross position; the collateral of a cross account goes into the accounts table",
        )
        wanted = isolated & np.isnan(equity) & np.isfinite(collateral)
        if wanted.any():
            if profit is None:
                raise InputError(
                    "positions: equity from 'collateral' needs the column 'entry_price'"
                )
            validation.raise_for_rows(
                "positions",
                positions,
                wanted & np.isnan(profit),
                "entry_price",
                "is missing; equity from collateral needs it",
            )
            equity[wanted] = collateral[wanted] + profit[wanted]
    return equity


def _account_equity(
    accounts: pd.DataFrame,
    names: pd.Index,
    account_code: IntArray,
    cross: BoolArray,
    profit: FloatArray | None,
    positions: pd.DataFrame,
) -> FloatArray:
    """(names,) equity from the accounts table; NaN for accounts it does not list."""
    if "equity" not in accounts and "collateral" not in accounts:
        raise InputError("accounts: a column 'equity' or 'collateral' is needed")
    both = "equity" in accounts and "collateral" in accounts
    listed = names.get_indexer(pd.Index(accounts["account"]))
    equity = np.full(len(accounts), np.nan)
    if "equity" in accounts:
        equity = validation.numbers("accounts", accounts, "equity", optional=both)
    if "collateral" in accounts:
        collateral = validation.numbers("accounts", accounts, "collateral", optional=both)
        wanted = np.isnan(equity)
        rows = np.zeros(len(names), dtype=bool)
        rows[listed[wanted]] = True
        needing = cross & rows[account_code]
        if profit is None and needing.any():
            raise InputError("positions: equity from 'collateral' needs the column 'entry_price'")
        unrealised = np.zeros(len(names))
        if profit is not None:
            validation.raise_for_rows(
                "positions",
                positions,
                needing & np.isnan(profit),
                "entry_price",
                "is missing; equity from collateral needs it",
            )
            unrealised += np.bincount(account_code[needing], profit[needing], minlength=len(names))
        equity[wanted] = collateral[wanted] + unrealised[listed[wanted]]
        validation.raise_for_rows(
            "accounts",
            accounts,
            np.isnan(equity),
            "collateral",
            "neither equity nor collateral is given",
        )
    by_name = np.full(len(names), np.nan)
    by_name[listed] = equity
    return by_name
