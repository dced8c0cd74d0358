"""The book: accounts and positions as risk pools, in arrays."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field, fields
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import tables, validation
from adlopt._internal.arrays import BoolArray, FloatArray, IntArray, frozen
from adlopt.errors import InputError
from adlopt.model import book_changes, book_frames, margin
from adlopt.model.book_tables import Marks, read_tables
from adlopt.model.margin import Margin

__all__ = ["Book", "Margin"]


@dataclass(frozen=True, eq=False, repr=False)
class Book:
    """Risk pools and their positions at the marks; make one with `from_frame`, `read_csv` or
    `read_parquet`.

    A pool is what goes bankrupt as one: all cross positions of an account, or one isolated
    position. Arrays cannot be written to. With n pools, m positions sorted by pool and d assets, a
    singular name (`pool`, `asset`, `size`) is an array, and a plural one (`pools`, `accounts`) a
    table. Sizes are in contracts, long > 0; money is in one currency.

    Examples
    --------
    >>> import adlopt as adl
    >>> import pandas as pd
    >>> rows = [("a", "BTC", -2.0, 50.0), ("b", "BTC", 1.0, 80.0)]
    >>> positions = pd.DataFrame(rows, columns=["account", "asset", "size", "equity"])
    >>> book = adl.Book.from_frame(positions, marks={"BTC": 100.0})
    >>> book.equity.tolist()
    [50.0, 80.0]
    """

    assets: pd.Index
    """(d,) names of the assets."""
    marks: FloatArray
    """(d,) mark prices, > 0."""
    _: KW_ONLY
    account_names: pd.Index
    """Names of the accounts, each once."""
    pool_account: IntArray
    """(n,) account of each pool, as a position in `account_names`."""
    isolated: BoolArray
    """(n,) whether the pool is one isolated position."""
    equity: FloatArray
    """(n,) margin and unrealised profit at the marks; bankrupt where <= 0."""
    pool: IntArray
    """(m,) pool of each position, nondecreasing."""
    asset: IntArray
    """(m,) asset of each position, as a position in `assets`."""
    size: FloatArray
    """(m,) contracts, long > 0."""
    entry_price: FloatArray | None = field(default=None)
    """(m,) price at which each position was opened; NaN where unknown."""

    def __post_init__(self) -> None:
        n, m, d = self.equity.size, self.size.size, len(self.assets)
        for array, length, limit in (
            (self.pool_account, n, len(self.account_names)),
            (self.pool, m, n),
            (self.asset, m, d),
        ):
            if array.size != length or (m and (array.min() < 0 or array.max() >= limit)):
                raise InputError("Book: its arrays do not fit together; use Book.from_frame(...)")
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, entry.name, frozen(value))

    # ------------------------------------------------------------------ in

    @classmethod
    def from_frame(
        cls,
        positions: pd.DataFrame,
        accounts: pd.DataFrame | None = None,
        *,
        marks: Marks | None = None,
    ) -> Book:
        """Build a book from tables; whatever has `to_pandas` (polars, pyarrow) counts as one.

        Parameters
        ----------
        positions : DataFrame
            `account`, `asset`, `size` (contracts, long > 0); optional `entry_price`, `margin_mode`
            ("cross", the default, or "isolated"), `equity` or `collateral`, `mark`. Numbers may be
            written as text. A row without size states the equity of an account that holds nothing,
            or the mark of an asset that nobody holds.
        accounts : DataFrame, optional
            `account` and `equity`, or `collateral`: then equity is collateral plus the unrealised
            profit of the account's cross positions. Without it, `positions` needs a column
            `equity`, repeated for a cross account.
        marks : mapping or Series of float, optional
            Price by asset, > 0. Without it, `positions` needs a column `mark`.

        Returns
        -------
        Book

        Raises
        ------
        InputError
            The message names table, row and column.

        Examples
        --------
        >>> import pandas as pd
        >>> import adlopt as adl
        >>> positions = pd.DataFrame({"account": ["a", "b"], "asset": ["BTC", "BTC"],
        ...                           "size": [2.0, -2.0], "equity": [50.0, 20.0]})
        >>> adl.Book.from_frame(positions, marks={"BTC": 100.0}).pools["leverage"].tolist()
        [4.0, 10.0]
        """
        return cls(**read_tables(positions, accounts, marks)._asdict())

    @classmethod
    def read_csv(
        cls,
        positions: str | Path,
        accounts: str | Path | None = None,
        *,
        marks: Marks | None = None,
    ) -> Book:
        """Read the tables of `from_frame` from CSV files.

        Parameters
        ----------
        positions : str or Path
        accounts : str or Path, optional
        marks : mapping or Series of float, optional
            As in `from_frame`.

        Returns
        -------
        Book

        Raises
        ------
        InputError
            The message names file, line and column.
        """
        listed = None if accounts is None else tables.read_csv(accounts)
        return cls.from_frame(tables.read_csv(positions), listed, marks=marks)

    @classmethod
    def read_parquet(
        cls,
        positions: str | Path,
        accounts: str | Path | None = None,
        *,
        marks: Marks | None = None,
    ) -> Book:
        """Read the tables of `from_frame` from Parquet files.

        Parameters
        ----------
        positions : str or Path
        accounts : str or Path, optional
        marks : mapping or Series of float, optional
            As in `from_frame`.

        Returns
        -------
        Book

        Raises
        ------
        InputError
            The message names file, row and column.
        """
        listed = None if accounts is None else tables.read_parquet(accounts)
        return cls.from_frame(tables.read_parquet(positions), listed, marks=marks)

    # ------------------------------------------------------------------ out

    to_frame = book_frames.to_frame
    positions_frame = book_frames.positions_frame

    def to_csv(self, path: str | Path) -> None:
        """Write `to_frame` as CSV, floats in full.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        InputError
            The path cannot be written.
        """
        tables.write_csv(self.to_frame(), path)

    def to_parquet(self, path: str | Path) -> None:
        """Write `to_frame` as Parquet.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        InputError
            The path cannot be written.
        """
        tables.write_parquet(self.to_frame(), path)

    @property
    def accounts(self) -> pd.DataFrame:
        """Cross-margined accounts and their equity; isolated positions carry theirs in
        `to_frame`.
        """
        cross = np.flatnonzero(~self.isolated)
        return pd.DataFrame(
            {
                "account": self.account_names.take(self.pool_account[cross]),
                "equity": self.equity[cross],
            }
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
                "account": self.account_names.take(self.pool_account),
                "margin_mode": self.margin_mode(slice(None)),
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
    def first_position(self) -> IntArray:
        """(n + 1,) where each pool's positions begin and the last one's end."""
        return np.searchsorted(self.pool, np.arange(self.equity.size + 1))

    @cached_property
    def notional(self) -> FloatArray:
        """(m,) absolute value of each position at the marks, in money."""
        return frozen(np.abs(self.size) * self.marks[self.asset])

    @cached_property
    def gross(self) -> FloatArray:
        """(n,) gross notional of each pool: the sum over its positions of `notional`."""
        total = np.bincount(self.pool, self.notional, minlength=self.equity.size)
        return frozen(total.astype(np.float64))

    @cached_property
    def solvent(self) -> BoolArray:
        """(n,) mask of pools with equity > 0: only these take part in auto-deleveraging."""
        return self.equity > 0

    @property
    def bankrupt(self) -> pd.DataFrame:
        """Pools with equity <= 0: never counterparties, listed here, so none is dropped
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

    with_margin = margin.with_margin

    # ------------------------------------------------------------------ show

    def __repr__(self) -> str:
        bankrupt = int((~self.solvent).sum())
        return (
            f"Book({len(self.account_names):,} accounts, {self.equity.size:,} pools "
            f"({int(self.isolated.sum()):,} isolated, {bankrupt:,} bankrupt), "
            f"{self.size.size:,} positions in {validation.format_names(self.assets)})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.open_interest.to_html()}"

    def margin_mode(self, pools: IntArray | slice) -> pd.Categorical[Any]:
        """Margin mode of pools, as a column of a table.

        Parameters
        ----------
        pools : array of int or slice

        Returns
        -------
        Categorical
        """
        return pd.Categorical.from_codes(
            self.isolated[pools].astype(np.intp), categories=book_frames.MODES
        )
