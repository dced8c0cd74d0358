"""Books under one margin mode."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from adlopt.errors import InputError

if TYPE_CHECKING:
    from adlopt.model.book import Book

Margin = Literal["cross", "isolated"]


def with_margin(book: Book, mode: Margin) -> Book:
    """The same holdings under one margin mode.

    To isolated: each pool's equity is split over its positions by notional (pools without positions
    vanish); where an account holds an asset under both modes, the two become one position, netted,
    with the equity of both. To cross: an account's pools are merged, their equity added, positions
    in one asset netted.

    Parameters
    ----------
    mode : str
        "cross" or "isolated".

    Returns
    -------
    Book

    Raises
    ------
    InputError
        Another mode.

    Examples
    --------
    >>> import pandas as pd
    >>> import adlopt as adl
    >>> table = pd.DataFrame({"account": ["a", "a"], "asset": ["BTC", "ETH"], "size": [1.0, -10.0],
    ...                       "equity": [30.0, 30.0]})
    >>> book = adl.Book.from_frame(table, marks={"BTC": 100.0, "ETH": 5.0})
    >>> book.with_margin("isolated").equity.tolist()
    [20.0, 10.0]
    """
    if mode == "isolated":
        return _to_isolated(book)
    if mode == "cross":
        return _to_cross(book)
    raise InputError(f"with_margin: {mode!r} is not a margin mode; use 'cross' or 'isolated'")


def _to_isolated(book: Book) -> Book:
    notional, total = book.notional, book.gross[book.pool]
    count = np.bincount(book.pool, minlength=book.equity.size)[book.pool]
    share = np.divide(notional, total, out=1.0 / count, where=total > 0)
    split = replace(
        book,
        pool_account=book.pool_account[book.pool],
        isolated=np.ones(book.size.size, dtype=bool),
        equity=book.equity[book.pool] * share,
        pool=np.arange(book.size.size),
    )
    repeated = pd.Series(split.pool_account * len(book.assets) + book.asset).duplicated()
    if not repeated.any():
        return split
    table = _netted(split).assign(margin_mode="isolated")
    return type(book).from_frame(table, marks=dict(zip(book.assets, book.marks, strict=True)))


def _to_cross(book: Book) -> Book:
    positions = _netted(book).drop(columns="equity")
    equity = np.bincount(book.pool_account, book.equity, minlength=len(book.account_names))
    accounts = pd.DataFrame({"account": book.account_names, "equity": equity})
    marks = dict(zip(book.assets, book.marks, strict=True))
    return type(book).from_frame(positions, accounts, marks=marks)


def _netted(book: Book) -> pd.DataFrame:
    """A row per account and asset: sizes and the pools' equities added, the entry price their mean
    by size.
    """
    frame = book.positions_frame()
    frame["money"] = frame["size"] * frame.get("entry_price", np.nan)
    merged = frame.groupby(["account", "asset"], sort=False, as_index=False).agg(
        size=("size", "sum"),
        equity=("equity", "sum"),
        money=("money", lambda column: column.sum(skipna=False)),
    )
    money = merged.pop("money")
    if book.entry_price is not None:
        entry = money / merged["size"]
        # netted legs may have no meaningful entry
        merged["entry_price"] = entry.where((entry > 0) & np.isfinite(entry))
    return merged
