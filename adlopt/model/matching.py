"""Rows of a user's table matched to positions of a book by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from adlopt.model.book import Book


def match_positions(
    book: Book, table: str, given: pd.DataFrame, column: str
) -> tuple[IntArray, FloatArray]:
    """Rows of the book that a user's table means, and its numbers in `column`.

    InputError for a row that names no position, one that could mean two, or one given twice.
    """
    validation.require_columns(table, given, ("account", "asset", column))
    value = validation.numbers(table, given, column)
    account = book.names.get_indexer(pd.Index(validation.labels(table, given, "account")))
    asset = book.assets.get_indexer(pd.Index(validation.labels(table, given, "asset")))
    validation.raise_for_rows(table, given, account < 0, "account", "{!r} is not in the book")
    validation.raise_for_rows(table, given, asset < 0, "asset", "{!r} is not an asset of the book")
    d = len(book.assets)
    key = book.pool_account[book.pool] * d + book.asset
    wanted = account * d + asset
    if "margin_mode" in given:
        mode = given["margin_mode"]
        isolated = mode.isin(["isolated"]).to_numpy(dtype=bool)
        unknown = ~isolated & ~mode.isin(["cross"]).to_numpy(dtype=bool)
        validation.raise_for_rows(
            table, given, unknown, "margin_mode", "{!r} is neither 'cross' nor 'isolated'"
        )
        key, wanted = key * 2 + book.isolated[book.pool], wanted * 2 + isolated
    order = np.argsort(key, kind="stable")
    at = np.searchsorted(key[order], wanted)
    found = (at < key.size) & (key[order][np.minimum(at, key.size - 1)] == wanted)
    validation.raise_for_rows(
        table, given, ~found, "asset", "this account has no such position in {!r}"
    )
    following = np.minimum(at + 1, key.size - 1)
    double = (following != at) & (key[order][following] == wanted)
    validation.raise_for_rows(
        table,
        given,
        double,
        "account",
        "{!r} holds this asset under both margin modes; add a column 'margin_mode'",
    )
    validation.raise_for_rows(
        table,
        given,
        pd.Series(wanted).duplicated(),
        "asset",
        "{!r} is given twice for this account; keep one row",
    )
    return order[at], value
