"""Named shapes of a crash. To add one, write a function here and list it in `paths.SHAPES`.

A shape is a path of log prices; `_varied` scales it by a random severity of mean one and adds
normal noise, so that a set of paths is not the same path many times.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.simulation.price_paths import Paths, check_sizes, generators

Fall = float | Mapping[str, float]

VOLATILITY = 0.01  # of the log price per step, in sets of several paths
DISPERSION = 0.25  # standard deviation of the severity, whose mean is one
CORRELATION = 0.8  # of the noise between assets, as in `adl.synthetic`
DEPTH_LEFT = 284 / 1124
"""Depth at 100 basis points fell from $1,124M to $284M within 36 hours (arXiv 2603.09164)."""
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
    trough = max(1, steps // 3)
    share = np.interp(
        np.arange(1, steps + 1), [0, trough, max(steps, trough + 1)], [0, 1, 1 - recovery]
    )
    shape = np.outer(share, _log_fall(book, fall))
    return _varied(book, "flash_crash", shape, count, volatility, dispersion, seed)


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
    """Prices fall by the same share in every step. Parameters as in `flash_crash`.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(40, 1, seed=1)
    >>> path = adl.paths.slow_bleed(book, steps=6)
    >>> (path.prices[0, :, 0] / book.marks[0]).round(2).tolist()
    [0.92, 0.84, 0.77, 0.71, 0.65, 0.6]
    """
    check_sizes(steps, count, seed)
    shape = np.outer(np.arange(1, steps + 1) / steps, _log_fall(book, fall))
    return _varied(book, "slow_bleed", shape, count, volatility, dispersion, seed)


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
    """Prices fall in `stairs` equal jumps with pauses between them. Others as in `flash_crash`.

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
    shape = np.outer(share, _log_fall(book, fall))
    return _varied(book, "staircase", shape, count, volatility, dispersion, seed)


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
    """Prices fall until half time, then rise above where they started, by `overshoot` of the fall
    in log prices. Whoever was deleveraged at the trough misses the recovery. Others as in
    `flash_crash`.

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
    share = np.interp(np.arange(1, steps + 1), [0, half, max(steps, half + 1)], [0, 1, -overshoot])
    shape = np.outer(share, _log_fall(book, fall))
    return _varied(book, "whipsaw", shape, count, volatility, dispersion, seed)


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

    `asset` is the book's last one if left out. Others as in `flash_crash`.

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
    if chosen not in book.assets:
        raise InputError(
            f"decoupling: asset {chosen!r} is not in the book, which has "
            f"{validation.format_names(book.assets)}"
        )
    moves = np.full(len(book.assets), np.log1p(validation.as_finite("decoupling: rise", rise)))
    moves[book.assets.get_loc(chosen)] = _log_fall(book, fall)[0]
    shape = np.outer(np.arange(1, steps + 1) / steps, moves)
    return _varied(book, "decoupling", shape, count, volatility, dispersion, seed)


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
    """Every price moves against one large account until it owes `overshoot` times its equity.

    The move is the same share of all its prices, reached at half time, and stays. `account` is the
    solvent one of the largest gross notional if left out. Others as in `flash_crash`.

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
    move = min((1 + overshoot) * float(book.equity[pool]) / gross, LARGEST_MOVE)
    share = np.minimum(np.arange(1, steps + 1) / max(1, steps // 2), 1.0)
    shape = np.log1p(-np.sign(net) * move * share[:, None])
    return _varied(book, "whale_default", shape, count, volatility, dispersion, seed)


def thin_depth(
    book: Book,
    *,
    fall: Fall = 0.4,
    depth_left: float = DEPTH_LEFT,
    steps: int = 10,
    count: int = 1,
    volatility: float | None = None,
    dispersion: float | None = None,
    seed: int = 0,
) -> Paths:
    """A slow fall in which the market's depth goes down to the share `depth_left` by half time.

    The default is what remained of the depth at 100 basis points on 10 October 2025 (arXiv
    2603.09164). It matters only for an exchange with `depth`. Others as in `flash_crash`.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(40, 1, seed=1)
    >>> path = adl.paths.thin_depth(book, steps=6)
    >>> (path.prices[0, :, 0] / book.marks[0]).round(2).tolist()
    [0.92, 0.84, 0.77, 0.71, 0.65, 0.6]
    """
    paths = slow_bleed(
        book,
        fall=fall,
        steps=steps,
        count=count,
        volatility=volatility,
        dispersion=dispersion,
        seed=seed,
    )
    share = np.minimum(np.arange(1, steps + 1) / max(1, steps // 2), 1.0)
    factor = 1 - share * (1 - _share("thin_depth: depth_left", depth_left))
    return Paths(
        paths.assets,
        paths.prices,
        depth=np.broadcast_to(factor[:, None], paths.prices.shape),
        name="thin_depth",
    )


def oracle_gap(
    book: Book,
    *,
    fall: Fall = 0.3,
    gap: float = 0.05,
    steps: int = 10,
    count: int = 1,
    volatility: float | None = None,
    dispersion: float | None = None,
    seed: int = 0,
) -> Paths:
    """A slow fall in which the market trades at a share `gap` below the marks, until the last step.

    Accounts are liquidated at the marks, and the engine sells at the market, so the fund bears the
    gap. It matters only for an exchange with `depth`. Others as in `flash_crash`.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(40, 1, seed=1)
    >>> path = adl.paths.oracle_gap(book, steps=6)
    >>> (path.prices[0, :, 0] / book.marks[0]).round(2).tolist()
    [0.94, 0.89, 0.84, 0.79, 0.74, 0.7]
    """
    paths = slow_bleed(
        book,
        fall=fall,
        steps=steps,
        count=count,
        volatility=volatility,
        dispersion=dispersion,
        seed=seed,
    )
    below = np.full(steps, -_share("oracle_gap: gap", gap))
    below[-1] = 0.0
    return Paths(
        paths.assets,
        paths.prices,
        basis=np.broadcast_to(below[:, None], paths.prices.shape),
        name="oracle_gap",
    )


def funding_squeeze(
    book: Book,
    *,
    rise: float = 0.3,
    rate: float = 0.005,
    steps: int = 10,
    count: int = 1,
    volatility: float | None = None,
    dispersion: float | None = None,
    seed: int = 0,
) -> Paths:
    """Prices rise, and shorts pay longs a share `rate` of notional in every step as well.

    Others as in `flash_crash`.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(40, 1, seed=1)
    >>> path = adl.paths.funding_squeeze(book, steps=6)
    >>> (path.prices[0, :, 0] / book.marks[0]).round(2).tolist()
    [1.04, 1.09, 1.14, 1.19, 1.24, 1.3]
    """
    check_sizes(steps, count, seed)
    moves = np.full(
        len(book.assets), np.log1p(validation.as_positive("funding_squeeze: rise", rise))
    )
    shape = np.outer(np.arange(1, steps + 1) / steps, moves)
    paths = _varied(book, "funding_squeeze", shape, count, volatility, dispersion, seed)
    paid = np.full(paths.prices.shape, -_share("funding_squeeze: rate", rate))
    return Paths(paths.assets, paths.prices, funding=paid, name="funding_squeeze")


def _log_fall(book: Book, fall: Fall) -> FloatArray:
    """(d,) log price change at the trough; zero for assets that a mapping leaves out."""
    names = book.assets
    given = fall if isinstance(fall, Mapping) else dict.fromkeys(names, fall)
    values = np.nan_to_num(validation.vector_by_asset("fall", given, names, allow_missing=True))
    for name, value in zip(names, values, strict=True):
        if not 0 <= value < 1:
            raise InputError(f"fall, asset {name!r}: {value} is not a share of the price in [0, 1)")
    return np.log1p(-values)


def _share(what: str, value: float) -> float:
    if not 0 <= validation.as_finite(what, value) < 1:
        raise InputError(f"{what} is {value}; it is a share, in [0, 1)")
    return float(value)


def _whale(book: Book, account: str | None) -> int:
    """The pool of this account, or of the solvent one, with the largest gross notional."""
    notional = np.abs(book.size) * book.marks[book.asset]
    gross = np.bincount(book.pool, notional, minlength=book.equity.size)
    gross = np.where(book.solvent, gross, -1.0)
    if account is not None:
        code = book.names.get_indexer(pd.Index([account]))[0]
        if code < 0:
            raise InputError(f"whale_default: account {account!r} is not in the book")
        gross = np.where(book.pool_account == code, gross, -1.0)
    pool = int(np.argmax(gross))
    if not gross[pool] > 0:
        raise InputError("whale_default: there is no solvent account with a position to default")
    return pool


def _varied(
    book: Book,
    name: str,
    shape: FloatArray,  # (steps, d) log price relative to the mark
    count: int,
    volatility: float | None,
    dispersion: float | None,
    seed: int,
) -> Paths:
    """The shape's path, or several: scaled by a log-normal severity, plus correlated noise."""
    single = count == 1
    sigma = (0.0 if single else VOLATILITY) if volatility is None else volatility
    spread = (0.0 if single else DISPERSION) if dispersion is None else dispersion
    for what, value in (("volatility", sigma), ("dispersion", spread)):
        if not validation.as_finite(f"{name}: {what}", value) >= 0:
            raise InputError(f"{name}: {what} is {value}; it must be >= 0")
    deviation = np.sqrt(np.log1p(spread**2))  # of the log severity, so that its mean is one
    steps, d = shape.shape
    logs = np.empty((count, steps, d))
    for path, rng in enumerate(generators(seed, count)):
        severity = np.exp(deviation * rng.normal() - deviation**2 / 2)
        common, own = rng.normal(size=(steps, 1)), rng.normal(size=(steps, d))
        noise = np.sqrt(CORRELATION) * common + np.sqrt(1 - CORRELATION) * own
        logs[path] = severity * shape + sigma * np.cumsum(noise, axis=0)
    return Paths(book.assets, book.marks * np.exp(logs), name=name)
