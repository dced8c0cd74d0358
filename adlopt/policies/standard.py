"""The default rules of comparisons, and the names of rules on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

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


def standard(problem: Problem) -> list[Any]:
    """Every rule, with its defaults, for which the problem has the data (entry prices, a price
    model).

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> [str(rule) for rule in adl.policies.standard(problem)][:3]
    ['BitMEX', 'Binance', 'Hyperliquid']
    """
    entry = problem.book.entry_price
    rules: list[Policy] = []
    if entry is not None and not np.isnan(entry).any():
        rules += [BitMEX(), Binance(), Hyperliquid(), ProRata("pnl")]
    rules += [
        DydxV4(),
        ProRata(),
        ProRata("equity"),
        ProRata("levered"),
        ProRata("squared"),
        RiskAware(),
        MinMaxBurden(),
    ]
    rules.append(MinimaxLeverage())
    if problem.prices is not None:
        rules.append(FactorLeverage())
    return rules
