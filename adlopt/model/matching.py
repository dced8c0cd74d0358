"""Rows of a user's table matched to positions of a book by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from adlopt.model.book import Book


def match_names(names: pd.Index, given: pd.Series[Any]) -> IntArray:
    """Positions in `names` of the names given; -1 for those that are not there.

    A table written to CSV and read back has 1 for the account "1", and 7 for "007": a number stands
    for the one name that spells it, if no name is that number itself.
    """
    found = names.get_indexer(pd.Index(given))
    missing = np.flatnonzero(found < 0)
    if missing.size == 0:
        return np.asarray(found, dtype=np.intp)
    spelled: dict[float, list[int]] = {}
    texts: dict[str, int] = {}
    for position, name in enumerate(names):
        texts[str(name)] = position
        value = _spelled_number(name)
        if value is not None:
            spelled.setdefault(value, []).append(position)
    entries = given.to_numpy(dtype=object)
    for row in missing:
        entry = entries[row]
        if str(entry) in texts:
            found[row] = texts[str(entry)]
            continue
        value = _spelled_number(entry)
        candidates = [] if value is None else spelled.get(value, [])
        if len(candidates) == 1 and not isinstance(entry, str):
            found[row] = candidates[0]
    return np.asarray(found, dtype=np.intp)


def _spelled_number(name: object) -> float | None:
    """The number that a name is or spells, or None."""
    if isinstance(name, bool | np.bool_) or not isinstance(name, str | int | float | np.number):
        return None
    try:
        return float(name)
    except (ValueError, OverflowError):
        return None


def match_positions(
    book: Book, table: str, given: pd.DataFrame, column: str
) -> tuple[IntArray, FloatArray]:
    """Rows of the book that a user's table means, and its numbers in `column`.

    InputError for a row that names no position, one that could mean two, or one given twice.
    """
    validation.require_columns(table, given, ("account", "asset", column))
    value = validation.numbers(table, given, column)
    account = match_names(book.account_names, validation.labels(table, given, "account"))
    asset = match_names(book.assets, validation.labels(table, given, "asset"))
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
    index = np.searchsorted(key[order], wanted)
    found = (index < key.size) & (key[order][np.minimum(index, key.size - 1)] == wanted)
    validation.raise_for_rows(
        table, given, ~found, "asset", "this account has no such position in {!r}"
    )
    following = np.minimum(index + 1, key.size - 1)
    double = (following != index) & (key[order][following] == wanted)
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
    return order[index], value
