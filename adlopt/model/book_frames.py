"""The tables of a book; these functions are methods of `Book`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from adlopt.model.book import Book

MODES = pd.Index(["cross", "isolated"])


def to_frame(book: Book) -> pd.DataFrame:
    """The book as one table that `from_frame` reads back exactly.

    A row per position; then, without a size, a row per cross account that holds nothing and a
    row per asset that nobody holds.
    """
    held = positions_frame(book)
    empty = np.flatnonzero(~book.isolated & (np.diff(book.first_position) == 0))
    unused = np.flatnonzero(np.bincount(book.asset, minlength=len(book.assets)) == 0)
    if not empty.size and not unused.size:
        return held
    idle = pd.DataFrame(
        {
            "account": book.account_names.take(book.pool_account[empty]),
            "margin_mode": book.margin_mode(empty),
            "equity": book.equity[empty],
        }
    )
    spare = pd.DataFrame({"asset": book.assets.take(unused), "mark": book.marks[unused]})
    parts = [part.reindex(columns=held.columns) for part in (held, idle, spare)]
    columns: dict[Any, Any] = {}
    for name in held:
        kind = float if name in ("size", "equity", "mark", "entry_price") else object
        columns[name] = np.concatenate([part[name].to_numpy(dtype=kind) for part in parts])
    columns["margin_mode"] = pd.Categorical(columns["margin_mode"], categories=MODES)
    return pd.DataFrame(columns)


def positions_frame(book: Book) -> pd.DataFrame:
    """A row per position, in the order of the arrays."""
    frame = pd.DataFrame(
        {
            "account": book.account_names.take(book.pool_account[book.pool]),
            "asset": book.assets.take(book.asset),
            "size": book.size,
            "margin_mode": book.margin_mode(book.pool),
            "equity": book.equity[book.pool],
            "mark": book.marks[book.asset],
        }
    )
    if book.entry_price is not None:
        frame["entry_price"] = book.entry_price
    return frame
