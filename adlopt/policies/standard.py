"""The default rules of comparisons, and the names of rules on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from adlopt.model.book import Book
from adlopt.model.problem import Problem
from adlopt.policies.levelling import FactorLeverage, MinimaxLeverage, MinMaxBurden
from adlopt.policies.optimal import Optimal
from adlopt.policies.proportional import ProRata, RiskAware
from adlopt.policies.protocol import Policy
from adlopt.policies.queues import Binance, BitMEX, DydxV4, Hyperliquid

BY_NAME: dict[str, Callable[..., Policy]] = {
    "bitmex": BitMEX,
    "binance": Binance,
    "hyperliquid": Hyperliquid,
    "dydx-v4": DydxV4,
    "pro-rata": ProRata,
    "risk-aware": RiskAware,
    "min-max-burden": MinMaxBurden,
    "minimax-leverage": MinimaxLeverage,
    "factor-leverage": FactorLeverage,
    "optimal": Optimal,
}


NO_ENTRY_PRICES = (
    "they rank by profit, and the book has no entry prices; add the column 'entry_price' to "
    "positions"
)
NO_PRICE_MODEL = "it needs the factor that moves prices; give the problem a price model"


def standard(problem: Problem) -> list[Any]:
    """Every rule, with its defaults, for which the problem has the data (entry prices, a price
    model).

    `omitted` names the others.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    list of Policy

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> [str(rule) for rule in adl.policies.standard(problem)][:3]
    ['BitMEX', 'Binance', 'Hyperliquid']
    """
    lacking = omitted(problem)
    return [rule for rule in _rules() if str(rule) not in lacking]


def omitted(problem: Problem) -> dict[str, str]:
    """The rules that `standard` leaves out, each with what the problem lacks for it.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    dict from name to str

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0})
    >>> adl.policies.omitted(problem)
    {'FactorLeverage': 'it needs the factor that moves prices; give the problem a price model'}
    """
    lacking: dict[str, str] = {}
    reason = _no_entry_prices(problem.book)
    if reason:
        lacking |= {str(rule): reason for rule in _by_profit()}
    if problem.prices is None:
        lacking[str(FactorLeverage())] = NO_PRICE_MODEL
    return lacking


def omission_notes(lacking: Mapping[str, str]) -> list[str]:
    """A line for each reason in what `omitted` returns, with the rules that it concerns."""
    reasons = dict.fromkeys(lacking.values())
    return [
        f"left out: {', '.join(name for name, why in lacking.items() if why == reason)}: {reason}"
        for reason in reasons
    ]


def _by_profit() -> list[Policy]:
    return [BitMEX(), Binance(), Hyperliquid(), ProRata("pnl")]


def _rules() -> list[Policy]:
    return [
        *_by_profit(),
        DydxV4(),
        ProRata(),
        ProRata("equity"),
        ProRata("levered"),
        ProRata("squared"),
        RiskAware(),
        MinMaxBurden(),
        MinimaxLeverage(),
        FactorLeverage(),
    ]


def _no_entry_prices(book: Book) -> str:
    """Why rules that rank by profit cannot be applied; empty if they can."""
    if book.entry_price is None:
        return NO_ENTRY_PRICES
    missing = np.flatnonzero(np.isnan(book.entry_price))
    if not missing.size:
        return ""
    row = book.to_frame().iloc[missing[0]]
    return (
        f"they rank by profit, and {missing.size:,} of {book.size.size:,} positions have no "
        f"'entry_price'; the first is that of account {row['account']!r} in {row['asset']}"
    )
