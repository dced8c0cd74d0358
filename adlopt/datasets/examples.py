"""Worked examples as embedded data: the paper's four accounts (Campbell, Hey, Moallemi, Nutz, arXiv
2603.15963, section 4).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from adlopt.model.book import Book
from adlopt.model.problem import Problem
from adlopt.prices import LogNormal, OneFactor

PAPER_MARKS = {"BTC": 67_000.0, "ETH": 1_900.0}
PAPER_VOLATILITY = {"BTC": 0.60, "ETH": 0.75}  # annualised
PAPER_CORRELATION = 0.85
PAPER_HORIZON = 10 / 365  # years
PAPER_REDUCTION = {"BTC": -10.0}

# account, collateral, BTC size, BTC entry price, ETH size, ETH entry price; long > 0
_PAPER_ACCOUNTS = (
    ("1", 137_500.0, -8.0, 72_000.0, -323.0, 2_100.0),
    ("2", 85_300.0, -10.0, 73_544.0, 38.7, 2_100.0),
    ("3", 75_400.0, -8.0, 80_000.0, -326.2, 1_904.0),
    ("4", 43_900.0, -7.0, 80_143.0, 190.0, 2_000.0),
)


def paper_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `positions` and `accounts` that `Book.from_frame` takes.

    Returns
    -------
    tuple of DataFrame
        Positions with account, asset, size and entry_price; accounts with their collateral.

    Examples
    --------
    >>> import adlopt as adl
    >>> positions, accounts = adl.examples.paper_tables()
    >>> positions.shape, accounts.shape
    ((8, 4), (4, 2))
    """
    positions = pd.DataFrame(
        [
            {"account": account, "asset": asset, "size": size, "entry_price": entry}
            for account, _, btc, btc_entry, eth, eth_entry in _PAPER_ACCOUNTS
            for asset, size, entry in (("BTC", btc, btc_entry), ("ETH", eth, eth_entry))
        ]
    )
    accounts = pd.DataFrame([{"account": row[0], "collateral": row[1]} for row in _PAPER_ACCOUNTS])
    return positions, accounts


def paper_book() -> Book:
    """Four cross-margined accounts, all short BTC: two short ETH as well, two long ETH as a hedge.

    Returns
    -------
    Book

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.examples.paper_book().account_names.tolist()
    ['1', '2', '3', '4']
    """
    return Book.from_frame(*paper_tables(), marks=PAPER_MARKS)


def paper_direction() -> dict[str, float]:
    """The factor behind both prices.

    It is the leading principal component of the price covariance, whose entries are rho vol vol'
    mark mark' horizon.

    Returns
    -------
    dict from asset to float
        Money per contract and standard deviation, over the horizon of ten days.

    Examples
    --------
    >>> import adlopt as adl
    >>> {asset: round(move) for asset, move in adl.examples.paper_direction().items()}
    {'BTC': 6654, 'ETH': 201}
    """
    assets = list(PAPER_MARKS)
    deviation = np.array(
        [PAPER_MARKS[asset] * PAPER_VOLATILITY[asset] for asset in assets]
    ) * np.sqrt(PAPER_HORIZON)
    correlation = np.where(np.eye(len(assets), dtype=bool), 1.0, PAPER_CORRELATION)
    eigenvalue, axis = np.linalg.eigh(correlation * np.outer(deviation, deviation))
    leading = np.abs(axis[:, -1]) * np.sqrt(
        eigenvalue[-1]
    )  # all correlations are positive, and so are its entries
    return dict(zip(assets, leading.tolist(), strict=True))


def paper_problem(points: int = 2**12) -> Problem:
    """Ten BTC off the shorts of the four accounts, under one factor.

    Parameters
    ----------
    points : int, default 4096
        Strata of the factor, where scenarios are needed.

    Returns
    -------
    Problem

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.examples.paper_problem().required.tolist()
    [-10.0, 0.0]
    """
    return Problem(
        paper_book(), PAPER_REDUCTION, prices=OneFactor(paper_direction(), points=points)
    )


def paper_lognormal(points: int = 2**14, seed: int = 0) -> LogNormal:
    """The paper's price model: correlated geometric Brownian motion over ten days.

    Parameters
    ----------
    points : int, default 16384
        Scenarios to draw.
    seed : int, default 0

    Returns
    -------
    LogNormal

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.examples.paper_lognormal(points=256).points
    256
    """
    return LogNormal(
        PAPER_VOLATILITY, PAPER_CORRELATION, horizon=PAPER_HORIZON, points=points, seed=seed
    )
