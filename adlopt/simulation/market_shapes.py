"""Named shapes that change more than prices: the market's depth, its price, or funding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from adlopt._internal import validation
from adlopt.model.book import Book
from adlopt.simulation.price_paths import Paths, check_sizes
from adlopt.simulation.variation import Fall, log_fall, share, straight, varied

DEPTH_LEFT = 284 / 1124
"""Depth at 100 basis points fell from $1,124M to $284M within 36 hours (arXiv 2603.09164)."""


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
    """A slow fall in which the market loses most of its depth by half time.

    It matters only for an exchange with `depth`.

    Parameters
    ----------
    depth_left : float, default 284 / 1124
        Share of the depth that remains, in [0, 1). The default is what remained at 100 basis points
        on 10 October 2025 (arXiv 2603.09164).
    book, fall, steps, count, volatility, dispersion, seed : as in `flash_crash`

    Returns
    -------
    Paths

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(40, 1, seed=1)
    >>> path = adl.paths.thin_depth(book, steps=6)
    >>> (path.prices[0, :, 0] / book.marks[0]).round(2).tolist()
    [0.92, 0.84, 0.77, 0.71, 0.65, 0.6]
    """
    check_sizes(steps, count, seed)
    shape = straight(steps, log_fall(book, fall))
    paths = varied(book, "thin_depth", shape, count, volatility, dispersion, seed)
    elapsed = np.minimum(np.arange(1, steps + 1) / max(1, steps // 2), 1.0)
    factor = 1 - elapsed * (1 - share("thin_depth: depth_left", depth_left))
    return replace(paths, depth=np.broadcast_to(factor[:, None], paths.prices.shape))


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
    """A slow fall in which the market trades below the marks until the last step.

    Accounts are liquidated at the marks, and the engine sells at the market, so the fund bears the
    gap. It matters only for an exchange with `depth`.

    Parameters
    ----------
    gap : float, default 0.05
        Share by which the market is below the marks, in [0, 1).
    book, fall, steps, count, volatility, dispersion, seed : as in `flash_crash`

    Returns
    -------
    Paths

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(40, 1, seed=1)
    >>> path = adl.paths.oracle_gap(book, steps=6)
    >>> (path.prices[0, :, 0] / book.marks[0]).round(2).tolist()
    [0.94, 0.89, 0.84, 0.79, 0.74, 0.7]
    """
    check_sizes(steps, count, seed)
    shape = straight(steps, log_fall(book, fall))
    paths = varied(book, "oracle_gap", shape, count, volatility, dispersion, seed)
    below = np.full(steps, -share("oracle_gap: gap", gap))
    below[-1] = 0.0
    return replace(paths, basis=np.broadcast_to(below[:, None], paths.prices.shape))


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
    """Prices rise, and shorts pay longs funding in every step as well.

    Parameters
    ----------
    rise : float, default 0.3
        Share by which prices rise, > 0.
    rate : float, default 0.005
        Funding in each step, as a share of notional in [0, 1).
    book, steps, count, volatility, dispersion, seed : as in `flash_crash`

    Returns
    -------
    Paths

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
    shape = straight(steps, moves)
    paths = varied(book, "funding_squeeze", shape, count, volatility, dispersion, seed)
    paid = np.full(paths.prices.shape, -share("funding_squeeze: rate", rate))
    return replace(paths, funding=paid)
