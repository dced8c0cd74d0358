"""Caps: the most contracts that may be taken from each position."""

from __future__ import annotations

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.model.matching import match_positions


def most_contracts(book: Book, caps: pd.DataFrame) -> FloatArray:
    """(m,) contracts that a user's table of caps lets go from each position, unsigned; infinite
    where it says nothing.
    """
    table = "caps"
    validation.require_columns(table, caps, ("account",))
    if not {"cap", "fraction"} & set(caps.columns):
        raise InputError(
            "caps: column 'cap' is missing (contracts), or 'fraction' (of the position's size)"
        )
    if "asset" not in caps:
        caps = caps.assign(asset=None)
    of_account = caps["asset"].isna().to_numpy()
    given = np.zeros(len(caps), dtype=bool)
    most = np.full(book.size.size, np.inf)
    for column, unit in (("cap", 1.0), ("fraction", np.abs(book.size))):
        if column not in caps:
            continue
        value = validation.numbers(
            table, caps, column, optional=len({"cap", "fraction"} & set(caps.columns)) == 2
        )
        listed = ~np.isnan(value)
        given |= listed
        if column == "cap":
            validation.raise_for_rows(
                table,
                caps,
                listed & (value < 0),
                column,
                "{} is negative; a cap is a number of contracts, >= 0",
            )
            validation.raise_for_rows(
                table,
                caps,
                listed & of_account,
                column,
                "{} contracts of what? add the asset, or give a 'fraction'",
            )
        else:
            validation.raise_for_rows(
                table,
                caps,
                listed & ~((value >= 0) & (value <= 1)),
                column,
                "{} is not a fraction in [0, 1]",
            )
        row, limit = match_positions(book, table, caps[listed & ~of_account], column)
        capped = np.full(book.size.size, np.inf)
        capped[row] = limit
        if column == "fraction":
            by_account = np.full(len(book.account_names), np.inf)
            by_account[_accounts(book, table, caps[of_account])] = value[of_account]
            capped = np.minimum(capped, by_account[book.pool_account[book.pool]])
        np.minimum(most, np.multiply(capped, unit, where=np.isfinite(capped), out=capped), out=most)
    validation.raise_for_rows(
        table, caps, ~given, "account", "neither 'cap' nor 'fraction' is given for this row of {!r}"
    )
    return most


def _accounts(book: Book, table: str, given: pd.DataFrame) -> IntArray:
    """The accounts, as positions in `book.account_names`, that rows without asset mean."""
    account = book.account_names.get_indexer(pd.Index(validation.labels(table, given, "account")))
    validation.raise_for_rows(table, given, account < 0, "account", "{!r} is not in the book")
    validation.raise_for_rows(
        table,
        given,
        pd.Series(account).duplicated(),
        "account",
        "{!r} is given twice; keep one row",
    )
    if "margin_mode" in given:
        validation.raise_for_rows(
            table,
            given,
            given["margin_mode"].notna(),
            "margin_mode",
            "{!r}: without an asset the row covers all; leave it empty",
        )
    return np.asarray(account, dtype=np.intp)
