"""State changes of a book: new marks, settled reductions, two books netted into one.

Each function takes a book and returns another one; they are methods of `Book`. Contracts and money
are conserved, and `after` checks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.model.matching import match_positions

if TYPE_CHECKING:
    from adlopt.model.book import Book

BOUND_ROUNDING = 1e-9  # of the position: how far a reduction may overstep it and count as all of it


def at(book: Book, marks: Mapping[str, float] | pd.Series[float] | FloatArray) -> Book:
    """Mark the book to other prices: each pool gains size x (new mark - old mark).

    Parameters
    ----------
    marks : mapping or Series of float by asset, or array (d,) in the order of `book.assets`
        New prices, > 0. Assets that a mapping leaves out keep their marks.

    Returns
    -------
    Book
        The same positions at the new marks. Pools may be bankrupt there.

    Raises
    ------
    InputError
        An unknown asset, or a price that is not a finite number > 0.

    Examples
    --------
    >>> import pandas as pd
    >>> import adlopt as adl
    >>> table = pd.DataFrame({"account": ["a"], "asset": ["BTC"], "size": [2.0], "equity": [50.0]})
    >>> book = adl.Book.from_frame(table, marks={"BTC": 100.0})
    >>> book.at({"BTC": 90.0}).accounts["equity"].item()
    30.0
    """
    given = validation.vector_by_asset("marks", marks, book.assets, allow_missing=True)
    prices = np.where(np.isnan(given), book.marks, given)
    for name, price in zip(book.assets, prices, strict=True):
        if not price > 0:
            raise InputError(f"marks, asset {name!r}: {price} is not a price > 0")
    gain = book.size * (prices - book.marks)[book.asset]
    equity = book.equity + np.bincount(book.pool, gain, minlength=book.equity.size)
    return replace(book, marks=prices, equity=equity)


def after(
    book: Book,
    allocation: Any,
    settlement: Mapping[str, float] | pd.Series[float] | FloatArray | None = None,
) -> Book:
    """Execute reductions: positions shrink, and pools settle at the settlement price.

    Parameters
    ----------
    allocation : Solution, DataFrame or array
        What is taken, in contracts, signed like the positions: a result with the attribute
        `allocation`; a table with `account`, `asset`, `reduction` (and `margin_mode` where an
        account holds an asset under both); or an array with a number per position of the book.
        Positions that a table leaves out keep their size, and a reduction may be partial.
    settlement : mapping, Series or array by asset, optional
        Prices > 0 at which reductions execute; the mark where left out.

    Returns
    -------
    Book
        Same rows and marks. Each pool gains reduction x (settlement - mark), so at the mark no
        equity changes. A position closed completely stays with size zero; `merged()` drops it.

    Raises
    ------
    InputError
        A reduction outside of its position, or a row that is not in the book.

    Examples
    --------
    >>> import pandas as pd
    >>> import adlopt as adl
    >>> table = pd.DataFrame({"account": ["a"], "asset": ["BTC"], "size": [-2.0], "equity": [50.0]})
    >>> book = adl.Book.from_frame(table, marks={"BTC": 100.0})
    >>> taken = pd.DataFrame({"account": ["a"], "asset": ["BTC"], "reduction": [-0.5]})
    >>> reduced = book.after(taken, settlement={"BTC": 110.0})
    >>> reduced.size.item(), reduced.accounts["equity"].item()
    (-1.5, 45.0)
    """
    taken = _reductions(book, allocation)
    offset = np.zeros(len(book.assets))
    if settlement is not None:
        price = validation.vector_by_asset(
            "settlement", settlement, book.assets, allow_missing=True
        )
        for name, value in zip(book.assets, price, strict=True):
            if value <= 0:
                raise InputError(f"settlement, asset {name!r}: {value} is not a price > 0")
        offset = np.nan_to_num(price - book.marks)
    paid = np.bincount(book.pool, taken * offset[book.asset], minlength=book.equity.size)
    return replace(book, size=book.size - taken, equity=book.equity + paid)


def _reductions(book: Book, allocation: Any) -> FloatArray:
    """(m,) reductions within the positions, from whatever holds an allocation."""
    given = getattr(allocation, "allocation", allocation)
    if isinstance(given, pd.DataFrame):
        row, amount = match_positions(book, "allocation", given, "reduction")
        validation.raise_for_rows(
            "allocation",
            given,
            _outside(book.size[row], amount),
            "reduction",
            "{} does not lie between 0 and the position's size, signed like it",
        )
        taken = np.zeros(book.size.size)
        taken[row] = amount
    else:
        try:
            taken = np.array(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(
                f"allocation: a {type(given).__name__} is not an allocation; give a Solution, a "
                "table or an array"
            ) from None
        if taken.shape != book.size.shape:
            raise InputError(
                f"allocation: an array needs a number per position of the book, {book.size.size} "
                f"in all; got shape {taken.shape}"
            )
        bad = np.flatnonzero(~np.isfinite(taken) | _outside(book.size, taken))
        if bad.size:
            raise InputError(
                f"allocation: the reduction {taken[bad[0]]} of position {bad[0]} does not lie "
                f"between 0 and its size {book.size[bad[0]]}"
            )
    return np.asarray(np.sign(book.size) * np.clip(np.sign(book.size) * taken, 0, abs(book.size)))


def _outside(size: FloatArray, taken: FloatArray) -> BoolArray:
    inside, slack = np.sign(size) * taken, BOUND_ROUNDING * np.abs(size)
    return np.asarray(
        (inside < -slack) | (inside > np.abs(size) + slack) | ((size == 0) & (taken != 0))
    )


def merged(book: Book, other: Book | None = None) -> Book:
    """Net a book, or two, into one: a pool per account and margin, closed positions dropped.

    Parameters
    ----------
    other : Book, optional
        Further positions and equities, such as those of a second venue or of a backstop vault. Its
        marks of common assets must be the same.

    Returns
    -------
    Book
        Sizes of one asset in one pool are added, and so are equities. The entry price of a netted
        position is the mean by size, unknown where that is not a price. What is left in an isolated
        pool after its position closed goes to the account's cross pool if it is positive.

    Raises
    ------
    InputError
        The books disagree on a mark.

    Examples
    --------
    >>> import pandas as pd
    >>> import adlopt as adl
    >>> table = pd.DataFrame({"account": ["a"], "asset": ["BTC"], "size": [2.0], "equity": [50.0]})
    >>> book = adl.Book.from_frame(table, marks={"BTC": 100.0})
    >>> hedge = adl.Book.from_frame(table.assign(size=-1.5, equity=20.0), marks={"BTC": 100.0})
    >>> netted = book.merged(hedge)
    >>> netted.size.item(), netted.equity.item()
    (0.5, 70.0)
    """
    if other is not None:
        book = _side_by_side(book, other)
    return _without_closed(_netted(book))


def _side_by_side(book: Book, other: Book) -> Book:
    """One book with the pools of both, names and assets joined, nothing netted."""
    new = other.account_names[~other.account_names.isin(book.account_names)]
    names = book.account_names.append(new)
    assets = book.assets.append(other.assets[~other.assets.isin(book.assets)])
    where = book.assets.get_indexer(other.assets)
    common = where >= 0
    differ = np.flatnonzero(common & (book.marks[where] != other.marks))
    if differ.size:
        k = int(differ[0])
        raise InputError(
            f"merged: the books mark {other.assets[k]!r} at {book.marks[where[k]]:g} and "
            f"{other.marks[k]:g}; bring both to one price with book.at(marks)"
        )
    account, asset = names.get_indexer(other.account_names), assets.get_indexer(other.assets)
    entry = None
    if book.entry_price is not None or other.entry_price is not None:
        entry = np.concatenate([_entries(book), _entries(other)])
    return replace(
        book,
        assets=assets,
        marks=np.concatenate([book.marks, other.marks[~common]]),
        account_names=names,
        pool_account=np.concatenate([book.pool_account, account[other.pool_account]]),
        isolated=np.concatenate([book.isolated, other.isolated]),
        equity=np.concatenate([book.equity, other.equity]),
        pool=np.concatenate([book.pool, other.pool + book.equity.size]),
        asset=np.concatenate([book.asset, asset[other.asset]]),
        size=np.concatenate([book.size, other.size]),
        entry_price=entry,
    )


def _entries(book: Book) -> FloatArray:
    return np.full(book.size.size, np.nan) if book.entry_price is None else book.entry_price


def _netted(book: Book) -> Book:
    """Pools of one account and margin (and asset, if isolated) joined; positions of one asset
    added.
    """
    d = len(book.assets)
    held = np.zeros(book.equity.size, dtype=np.intp)  # 0: cross; 1 + asset: isolated
    alone = book.isolated[book.pool]
    held[book.pool[alone]] = 1 + book.asset[alone]
    code, key = pd.factorize(book.pool_account * (d + 1) + held)
    pool = code[book.pool]
    order = np.lexsort((book.asset, pool))
    pair = pool[order] * d + book.asset[order]
    first = np.flatnonzero(np.diff(pair, prepend=-1))
    size = _sums(book.size[order], first)
    entry = None
    if book.entry_price is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = _sums((book.size * book.entry_price)[order], first) / size
        single = np.diff(np.append(first, pair.size)) == 1
        mean = np.where(single, book.entry_price[order][first], mean)
        entry = np.where((mean > 0) & np.isfinite(mean), mean, np.nan)
    return replace(
        book,
        pool_account=key // (d + 1),
        isolated=key % (d + 1) > 0,
        equity=np.bincount(code, book.equity, minlength=key.size).astype(np.float64),
        pool=pool[order][first],
        asset=book.asset[order][first],
        size=size,
        entry_price=entry,
    )


def _sums(values: FloatArray, first: IntArray) -> FloatArray:
    return np.add.reduceat(values, first) if first.size else np.zeros(0)


def _without_closed(book: Book) -> Book:
    """Drop positions of size zero; what a closed isolated position leaves goes to the account."""
    closed = book.size == 0
    emptied = np.zeros(book.equity.size, dtype=bool)
    emptied[book.pool[closed & book.isolated[book.pool]]] = True
    owing = emptied & (book.equity < 0)  # a deficit: it stays listed under its position
    emptied &= ~owing
    rows = ~closed | owing[book.pool]
    equity = book.equity.copy()
    cross = np.full(len(book.account_names), -1, dtype=np.intp)
    cross[book.pool_account[~book.isolated]] = np.flatnonzero(~book.isolated)
    released = np.bincount(
        book.pool_account[emptied], book.equity[emptied], minlength=len(book.account_names)
    )
    held = cross >= 0
    equity[cross[held]] += released[held]
    kept = ~emptied
    new = np.flatnonzero(~held & (released > 0))
    return replace(
        book,
        pool_account=np.concatenate([book.pool_account[kept], new]),
        isolated=np.concatenate([book.isolated[kept], np.zeros(new.size, dtype=bool)]),
        equity=np.concatenate([equity[kept], released[new]]),
        pool=(np.cumsum(kept) - 1)[book.pool[rows]],
        asset=book.asset[rows],
        size=book.size[rows],
        entry_price=None if book.entry_price is None else book.entry_price[rows],
    )
