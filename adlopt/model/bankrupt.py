"""What the bankrupt leave behind: the positions that must go, and the prices at which they would
break even.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from adlopt._internal.arrays import BoolArray, FloatArray
from adlopt.errors import InputError
from adlopt.model.book import Book

# of an asset's gross bankrupt positions: what rounding leaves where long and short cancel
NETTED = 1e-12


def bankrupt_pools(book: Book, accounts: Iterable[str] | None) -> BoolArray:
    """(n,) mask of the bankrupt pools of these accounts, or of all."""
    bankrupt = ~book.solvent
    if accounts is not None:
        named = (
            list(accounts)
            if isinstance(accounts, Iterable) and not isinstance(accounts, str)
            else [accounts]
        )
        code = book.account_names.get_indexer(pd.Index(named))
        for name, index in zip(named, code, strict=True):
            if index < 0:
                raise InputError(f"from_bankrupt: account {name!r} is not in the book")
            own = book.pool_account == index
            if not (own & bankrupt).any():
                least = book.equity[own].min()
                raise InputError(
                    f"from_bankrupt: account {name!r} is not bankrupt: its equity at the marks is "
                    f"{least:g} > 0"
                )
        bankrupt &= np.isin(book.pool_account, code)
    if not (bankrupt[book.pool] & (book.size != 0)).any():
        raise InputError(
            "from_bankrupt: no bankrupt account holds a position; state the reduction with "
            "Problem(...)"
        )
    return bankrupt


def net_positions(book: Book, pools: BoolArray) -> FloatArray:
    """(d,) sum of the pools' positions by asset, longs and shorts offset; exactly zero where they
    cancel.
    """
    rows = pools[book.pool]
    size, asset, d = book.size[rows], book.asset[rows], len(book.assets)
    net = np.bincount(asset, size, minlength=d)
    gross = np.bincount(asset, np.abs(size), minlength=d)
    return np.where(np.abs(net) > NETTED * gross, net, 0.0)


def bankruptcy_prices(book: Book, pools: BoolArray, net: FloatArray) -> dict[str, float]:
    """By asset with a net position, the price at which settling it makes up for the pools'
    deficits.

    A pool's deficit is split over its positions in assets with a net position, in proportion to
    notional. For one pool with one position it is the price at which its equity is zero: mark -
    equity / size.
    """
    rows = np.flatnonzero(pools[book.pool] & (net[book.asset] != 0))
    pool, asset = book.pool[rows], book.asset[rows]
    notional = np.abs(book.size[rows]) * book.marks[asset]
    total = np.bincount(pool, notional, minlength=book.equity.size)[pool]
    share = np.divide(notional, total, out=np.zeros(rows.size), where=total > 0)
    deficit = np.bincount(asset, -book.equity[pool] * share, minlength=net.size)
    prices: dict[str, float] = {}
    for k in np.flatnonzero(net):
        name, price = book.assets[int(k)], float(book.marks[k] + deficit[k] / net[k])
        if not price > 0:
            raise InputError(
                f"from_bankrupt: the bankruptcy price of {name!r} would be {price:g}: a deficit of "
                f"{deficit[k]:g} is more than {abs(net[k]):g} contracts can make up for; settle at "
                "'mark', or give Problem(..., settlement=...)"
            )
        prices[name] = price
    return prices


def remove_pools(book: Book, pools: BoolArray) -> Book:
    """The book without these pools; accounts keep their names."""
    kept = ~pools
    number = np.cumsum(kept) - 1
    rows = kept[book.pool]
    return replace(
        book,
        pool_account=book.pool_account[kept],
        isolated=book.isolated[kept],
        equity=book.equity[kept],
        pool=number[book.pool[rows]],
        asset=book.asset[rows],
        size=book.size[rows],
        entry_price=None if book.entry_price is None else book.entry_price[rows],
    )


def required_reduction(book: Book, net: FloatArray) -> dict[str, float]:
    """Q = -W by asset: who holds the other side of the bankrupt positions W must be reduced."""
    found = {book.assets[int(k)]: float(-net[k]) for k in np.flatnonzero(net)}
    if not found:
        raise InputError(
            "from_bankrupt: the bankrupt positions offset each other in every asset: there is "
            "nothing to reduce"
        )
    return found
