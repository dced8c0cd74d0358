"""Claim: a million accounts are put in a queue, or given their share, within 20 times one numpy
argsort of the scores.

The alternative is that argsort, which any queue needs. Seconds are those of `allocate`, its table
included.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

import adlopt as adl
from adlopt import policies as rules
from benchmarks.measure import Row, Size, fastest

TARGET = 20.0  # times the argsort
REDUCED = 0.3

RULES = (
    rules.BitMEX(),
    rules.Binance(),
    rules.Hyperliquid(),
    rules.DydxV4(),
    rules.Queue(rules.features.leverage),
    rules.ProRata("contracts"),
    rules.ProRata("pnl"),
    rules.ProRata("equity"),
    rules.ProRata("levered"),
    rules.ProRata("squared"),
    rules.RiskAware(),
    rules.MinMaxBurden(),
    rules.MinimaxLeverage(),
)


def run(size: Size) -> Iterator[Row]:
    for accounts in size.pick((10**4,), (10**5,), (10**5, 10**6)):
        problem = shorts(accounts)
        score = rules.BitMEX().scores(problem)
        sorting = fastest(np.argsort, score, repeats=3)
        for rule in RULES:
            seconds = fastest(rule.allocate, problem, repeats=2)
            ratio = seconds / sorting
            yield Row(
                str(rule),
                f"{accounts:,} accounts",
                seconds,
                {"argsorts": f"{ratio:.1f}", "error of the sum": f"{_error(problem, rule):.1g}"},
                holds=ratio <= TARGET if accounts >= 10**6 else None,
            )


def shorts(accounts: int) -> adl.Problem:
    """One asset, every account short, entries around the mark; 30 % of the open interest must
    go.
    """
    rng = np.random.default_rng(0)
    equity = np.exp(rng.normal(9.0, 2.0, accounts))
    leverage = np.clip(np.exp(rng.normal(0.7, 1.0, accounts)), 0.05, 40.0)
    book = adl.Book(
        assets=pd.Index(["BTC"]),
        marks=np.array([100.0]),
        account_names=pd.RangeIndex(accounts),
        pool_account=np.arange(accounts),
        isolated=np.zeros(accounts, dtype=bool),
        equity=equity,
        pool=np.arange(accounts),
        asset=np.zeros(accounts, dtype=np.int64),
        size=-equity * leverage / 100.0,
        entry_price=100.0 * np.exp(rng.normal(0.05, 0.2, accounts)),
    )
    return adl.Problem(book, {"BTC": REDUCED * float(book.size.sum())})


def _error(problem: adl.Problem, rule: rules.Policy) -> float:
    return abs(float(rule.reductions(problem).sum()) / float(problem.required.sum()) - 1.0)
