"""Random crashes with every kind of degenerate case, for the tests and for the campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import adlopt as adl


@dataclass(frozen=True)
class RandomCrash:
    """What `adl.simulate` is given."""

    book: adl.Book
    path: adl.paths.Paths
    policy: Any
    exchange: adl.Exchange


def random_book(rng: np.random.Generator, assets: pd.Index, marks: np.ndarray) -> adl.Book:
    """Cross and isolated pools of very different sizes; perhaps one side of an asset is empty."""
    accounts = int(rng.integers(1, 30))
    scale = 10.0 ** rng.integers(-3, 7)
    rows = []
    for account in range(accounts):
        equity = scale * np.exp(rng.normal(0, 2)) * rng.choice([1.0, 1.0, 1.0, -0.2, 0.0])
        for k in rng.permutation(len(assets))[: rng.integers(1, len(assets) + 1)]:
            size = rng.normal() * 3 * abs(equity) / marks[k] * rng.choice([0.0, 1.0, 1.0, 5.0])
            isolated = rng.random() < 0.3
            own = equity if not isolated else scale * np.exp(rng.normal())
            rows.append((account, assets[k], size, own, "isolated" if isolated else "cross"))
    table = pd.DataFrame(rows, columns=["account", "asset", "size", "equity", "margin_mode"])
    if rng.random() < 0.15:  # only longs: nobody stands opposite to them
        table["size"] = table["size"].abs()
    table["entry_price"] = marks[assets.get_indexer(pd.Index(table["asset"]))] * np.exp(
        rng.normal(0, 0.3, len(table))
    )
    return adl.Book.from_frame(table, marks=dict(zip(assets, marks, strict=True)))


def random_exchange(rng: np.random.Generator, book: adl.Book) -> adl.Exchange:
    interest = np.bincount(book.asset, np.abs(book.size), minlength=len(book.assets))
    share = rng.choice([0.0, 0.01, 0.1, np.inf], size=len(book.assets))
    depth = np.where(share == 0, 0.0, np.where(np.isinf(share), np.inf, share * (interest + 1e-9)))
    money = float(np.abs(book.equity).sum())
    return adl.Exchange(
        maintenance=[(0.0, 0.01), (money / 10 + 1e-9, 0.03)]
        if rng.random() < 0.3
        else rng.choice([0.0, 0.01, 0.1]),
        depth={name: float(value) for name, value in zip(book.assets, depth, strict=True)},
        spread=rng.choice([0.0, 0.002]),
        impact=rng.choice([0.0, 0.01]),
        permanent_impact=rng.choice([0.0, 0.0, 0.05]),
        fund=rng.choice([0.0, 0.01, 1.0]) * money,
        floor=rng.choice([0.0, 0.005]) * money,
        drawdown=(None, 0.3)[rng.integers(2)],
        inventory_limit=rng.choice([0.0, 0.1 * money, np.inf]),
        settlement=rng.choice(["mark", "bankruptcy"]),
        remainder=rng.choice(["fund", "returned"]),
        adl_interval=int(rng.choice([1, 1, 2])),
    )


def capped(problem: adl.Problem) -> np.ndarray:
    """Pro rata, but nobody gives more than half of the position: takes less than required."""
    half = np.abs(problem.max_reduction) / 2
    total = np.bincount(problem.asset, half, minlength=problem.required.size)
    share = np.minimum(
        np.divide(np.abs(problem.required), total, out=np.zeros(total.size), where=total > 0), 1.0
    )
    return np.sign(problem.max_reduction) * half * share[problem.asset]


POLICIES = (
    adl.policies.ProRata(),
    adl.policies.Hyperliquid(),
    adl.policies.BitMEX(),
    adl.policies.MinimaxLeverage(),
    adl.policies.RiskAware(),
    adl.policies.MinMaxBurden(),
    capped,
)


def random_crash(seed: int) -> RandomCrash:
    """Crash number `seed`."""
    rng = np.random.default_rng(seed)
    assets = pd.Index([f"A{k}" for k in range(rng.integers(1, 4))])
    marks = 10.0 ** rng.uniform(-3, 5, len(assets))
    book = random_book(rng, assets, marks)
    steps = int(rng.integers(1, 8))
    # Jumps of half the price and more take accounts far through bankruptcy.
    logs = np.cumsum(rng.normal(0, rng.choice([0.02, 0.2, 0.7]), (1, steps, len(assets))), axis=1)
    shape = logs.shape
    path = adl.paths.Paths(
        assets,
        marks * np.exp(logs),
        depth=rng.choice([0.0, 0.3, 1.0], shape) if rng.random() < 0.4 else None,
        basis=rng.normal(0, 0.02, shape).clip(-0.5, 0.5) if rng.random() < 0.3 else None,
        funding=rng.normal(0, 0.01, shape).clip(-0.5, 0.5) if rng.random() < 0.3 else None,
    )
    policy = POLICIES[int(rng.integers(len(POLICIES)))]
    return RandomCrash(book, path, policy, random_exchange(rng, book))


def conservation_error(crash: RandomCrash) -> float:
    """Largest relative error of contracts and money over the whole crash, from the answer alone.

    The simulation checks every step by itself; this adds up its tables independently.
    """
    done = adl.simulate(crash.book, crash.path, crash.policy, exchange=crash.exchange)
    book, end, d = crash.book, done.book, len(crash.book.assets)
    by_asset = done.by_asset
    sold = by_asset["sold"].to_numpy().reshape(-1, d)
    left = by_asset["inventory"].to_numpy().reshape(-1, d)[-1]
    before = np.bincount(book.asset, book.size, minlength=d)
    after = np.bincount(end.asset, end.size, minlength=d)
    interest = np.bincount(book.asset, np.abs(book.size), minlength=d) + 1e-300
    contracts = float((np.abs(after + left + sold.sum(axis=0) - before) / interest).max())
    if np.any(np.asarray(crash.exchange.permanent_impact)):
        return contracts  # marks move within steps: the money is left to the check of the engine
    # Money: what pools, fund and venue have lost, the market, payers of funding and those outside
    # of the book have gained.
    marks = np.vstack([book.marks, crash.path.prices[0]])
    held = np.vstack([np.zeros(d), np.cumsum(sold, axis=0)])  # by the market, before each step
    others = float(done.steps["cost"].sum())
    for step in range(crash.path.steps):
        holders = held[step] - before
        others += float(holders @ (marks[step + 1] - marks[step]))
        if crash.path.funding is not None:
            others -= float((holders * crash.path.funding[0, step]) @ marks[step + 1])
    gained = end.equity.sum() - book.equity.sum() + done.totals["fund_left"] - crash.exchange.fund
    total = gained - done.totals["socialised_loss"] + others
    gross = float(np.abs(book.size) @ marks.max(axis=0)[book.asset]) + np.abs(book.equity).sum()
    return float(max(contracts, abs(total) / max(gross + crash.exchange.fund, 1e-300)))
