"""Named shapes of a crash. To add one, write a function here and list it in `paths.SHAPES`.

A shape is a path of log prices; `varied` scales it by a random severity of mean one and adds normal
noise, so the paths of a set differ.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.simulation.price_paths import Paths, check_sizes
from adlopt.simulation.variation import Fall, is_among, log_fall, straight, varied

LARGEST_MOVE = 0.95  # of the mark: the farthest that `whale_default` lets a price go


def flash_crash(
    book: Book,
    *,
    fall: Fall = 0.4,
    recovery: float = 0.5,
    steps: int = 10,
    count: int = 1,
    volatility: float | None = None,
    dispersion: float | None = None,
    seed: int = 0,
) -> Paths:
    """Prices fall within the first third of the steps, then make up for a part of it.

    Parameters
    ----------
    book : Book
        Paths start at its marks.
    fall : float or mapping by asset, default 0.4
        Share of the price lost at the trough, in [0, 1).
    recovery : float, default 0.5
        Share of the fall, in log prices, made up for by the last step.
    steps, count : int, default 10 and 1
        Steps of a path, and paths.
    volatility : float, optional
        Standard deviation of the noise in log prices per step; zero for a single path, 0.01 for
        several. The same two options exist for every shape.
    dispersion : float, optional
        Standard deviation of the factor, of mean one, on each path's log moves; zero for a single
        path, 0.25 for several.
    seed : int, default 0

    Returns
    -------
    Paths

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(40, 1, seed=1)
    >>> path = adl.paths.flash_crash(book, fall=0.5, steps=6)
    >>> (path.prices[0, :, 0] / book.marks[0]).round(3).tolist()
    [0.707, 0.5, 0.545, 0.595, 0.648, 0.707]
    """
    check_sizes(steps, count, seed)
    recovery = validation.as_finite("flash_crash: recovery", recovery)
    trough = max(1, steps // 3)
    share = np.interp(
        np.arange(1, steps + 1), [0, trough, max(steps, trough + 1)], [0, 1, 1 - recovery]
    )
    shape = np.outer(share, log_fall(book, fall))
    return varied(book, "flash_crash", shape, count, volatility, dispersion, seed)


def slow_bleed(
    book: Book,
    *,
    fall: Fall = 0.4,
    steps: int = 20,
    count: int = 1,
    volatility: float | None = None,
    dispersion: float | None = None,
    seed: int = 0,
) -> Paths:
    """Prices fall by the same share in every step.

    Parameters
    ----------
    book, fall, steps, count, volatility, dispersion, seed : as in `flash_crash`

    Returns
    -------
    Paths

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(40, 1, seed=1)
    >>> path = adl.paths.slow_bleed(book, steps=6)
    >>> (path.prices[0, :, 0] / book.marks[0]).round(2).tolist()
    [0.92, 0.84, 0.77, 0.71, 0.65, 0.6]
    """
    check_sizes(steps, count, seed)
    shape = straight(steps, log_fall(book, fall))
    return varied(book, "slow_bleed", shape, count, volatility, dispersion, seed)


def staircase(
    book: Book,
    *,
    fall: Fall = 0.4,
    stairs: int = 3,
    steps: int = 12,
    count: int = 1,
    volatility: float | None = None,
    dispersion: float | None = None,
    seed: int = 0,
) -> Paths:
    """Prices fall in equal jumps with pauses between them.

    Parameters
    ----------
    stairs : int, default 3
        Number of jumps.
    book, fall, steps, count, volatility, dispersion, seed : as in `flash_crash`

    Returns
    -------
    Paths

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(40, 1, seed=1)
    >>> path = adl.paths.staircase(book, steps=6)
    >>> (path.prices[0, :, 0] / book.marks[0]).round(2).tolist()
    [0.84, 0.84, 0.71, 0.71, 0.6, 0.6]
    """
    check_sizes(steps, count, seed)
    validation.require_integer("staircase: stairs", stairs, 1)
    share = np.ceil(np.arange(1, steps + 1) * stairs / steps) / stairs
    shape = np.outer(share, log_fall(book, fall))
    return varied(book, "staircase", shape, count, volatility, dispersion, seed)


def whipsaw(
    book: Book,
    *,
    fall: Fall = 0.4,
    overshoot: float = 0.25,
    steps: int = 10,
    count: int = 1,
    volatility: float | None = None,
    dispersion: float | None = None,
    seed: int = 0,
) -> Paths:
    """Prices fall until half time, then rise above where they started.

    Accounts that were deleveraged at the trough miss the recovery.

    Parameters
    ----------
    overshoot : float, default 0.25
        How far prices end above their start, as a share of the fall in log prices.
    book, fall, steps, count, volatility, dispersion, seed : as in `flash_crash`

    Returns
    -------
    Paths

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(40, 1, seed=1)
    >>> path = adl.paths.whipsaw(book, steps=6)
    >>> (path.prices[0, :, 0] / book.marks[0]).round(2).tolist()
    [0.84, 0.71, 0.6, 0.74, 0.92, 1.14]
    """
    check_sizes(steps, count, seed)
    half = max(1, steps // 2)
    overshoot = validation.as_finite("whipsaw: overshoot", overshoot)
    share = np.interp(np.arange(1, steps + 1), [0, half, max(steps, half + 1)], [0, 1, -overshoot])
    shape = np.outer(share, log_fall(book, fall))
    return varied(book, "whipsaw", shape, count, volatility, dispersion, seed)


def decoupling(
    book: Book,
    *,
    asset: str | None = None,
    fall: float = 0.5,
    rise: float = 0.05,
    steps: int = 10,
    count: int = 1,
    volatility: float | None = None,
    dispersion: float | None = None,
    seed: int = 0,
) -> Paths:
    """One asset falls while the others rise: hedges between them lose on one leg or on both.

    Parameters
    ----------
    asset : str, optional
        The one that falls; the book's last one if left out.
    fall : float, default 0.5
        Share of its price that it loses, in [0, 1).
    rise : float, default 0.05
        Share by which the others rise.
    book, steps, count, volatility, dispersion, seed : as in `flash_crash`

    Returns
    -------
    Paths

    Raises
    ------
    InputError
        The asset is not in the book.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(40, 1, seed=1)
    >>> path = adl.paths.decoupling(book, steps=6)
    >>> (path.prices[0, :, 0] / book.marks[0]).round(2).tolist()
    [0.89, 0.79, 0.71, 0.63, 0.56, 0.5]
    """
    check_sizes(steps, count, seed)
    chosen = book.assets[-1] if asset is None else asset
    if not is_among(book.assets, chosen):
        raise InputError(
            f"decoupling: asset {chosen!r} is not in the book, which has "
            f"{validation.format_names(book.assets)}"
        )
    if not validation.as_finite("decoupling: rise", rise) > -1:
        raise InputError(f"decoupling: rise is {rise}; it is a share of the price, above -1")
    moves = np.full(len(book.assets), np.log1p(rise))
    moves[book.assets.get_loc(chosen)] = log_fall(book, fall)[0]
    shape = straight(steps, moves)
    return varied(book, "decoupling", shape, count, volatility, dispersion, seed)


def whale_default(
    book: Book,
    *,
    account: str | None = None,
    overshoot: float = 0.25,
    steps: int = 10,
    count: int = 1,
    volatility: float | None = None,
    dispersion: float | None = None,
    seed: int = 0,
) -> Paths:
    """Every price moves against one large account until it is bankrupt.

    The move is the same share of all its prices, reached at half time, and stays.

    Parameters
    ----------
    account : str, optional
        The solvent one of the largest gross notional if left out.
    overshoot : float, default 0.25
        What the account then owes, as a share of its equity before.
    book, steps, count, volatility, dispersion, seed : as in `flash_crash`

    Returns
    -------
    Paths

    Raises
    ------
    InputError
        The account is not in the book or has no position.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(40, 1, seed=1)
    >>> path = adl.paths.whale_default(book, steps=6)
    >>> (path.prices[0, :, 0] / book.marks[0]).round(2).tolist()
    [1.32, 1.63, 1.95, 1.95, 1.95, 1.95]
    """
    check_sizes(steps, count, seed)
    pool = _whale(book, account)
    rows = book.pool == pool
    net = np.bincount(book.asset[rows], book.size[rows], minlength=len(book.assets))
    gross = float(np.abs(net) @ book.marks)
    if gross == 0:
        raise InputError("whale_default: this account has no position")
    if not validation.as_finite("whale_default: overshoot", overshoot) > -1:
        raise InputError(f"whale_default: overshoot is {overshoot}; it must be above -1")
    move = min((1 + overshoot) * float(book.equity[pool]) / gross, LARGEST_MOVE)
    share = np.minimum(np.arange(1, steps + 1) / max(1, steps // 2), 1.0)
    shape = np.log1p(-np.sign(net) * move * share[:, None])
    return varied(book, "whale_default", shape, count, volatility, dispersion, seed)


def _whale(book: Book, account: str | None) -> int:
    """The pool of this account, or of the solvent one, with the largest gross notional."""
    notional = np.abs(book.size) * book.marks[book.asset]
    gross = np.bincount(book.pool, notional, minlength=book.equity.size)
    gross = np.where(book.solvent, gross, -1.0)
    if account is not None:
        known = is_among(book.account_names, account)
        code = book.account_names.get_indexer(pd.Index([account]))[0] if known else -1
        if code < 0:
            raise InputError(f"whale_default: account {account!r} is not in the book")
        gross = np.where(book.pool_account == code, gross, -1.0)
    pool = int(np.argmax(gross))
    if not gross[pool] > 0:
        raise InputError("whale_default: there is no solvent account with a position to default")
    return pool
