"""Queues: rank the positions of each asset, close them in full down the queue, the last one in
part.

Ties keep the order of the book, which is that in which the positions table first names each
account. That is where
anonymity ends: `adl.audit` shows it with two accounts that differ in nothing but their row.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.problem import Problem
from adlopt.policies import features
from adlopt.policies.protocol import Policy, name_of


class ScoreQueue(Policy):
    """A queue by `scores`."""

    theory: ClassVar[Mapping[str, str]] = {
        "feasible": "positions are taken whole down the queue, the last one in part, until the requirement is met",
        "distribution-free": "the price model never enters the score",
    }

    @abstractmethod
    def scores(self, problem: Problem) -> FloatArray:
        """(e,) rank of each eligible position: higher goes first."""

    def reductions(self, problem: Problem) -> FloatArray:
        return close_in_order(problem, self.scores(problem))


def close_in_order(problem: Problem, score: FloatArray) -> FloatArray:
    """Reductions (e,) that go down the queue of each asset, highest score first; of equal scores,
    the earlier row.
    """
    taken = np.zeros(problem.eligible.size)
    for k in problem.reduced_assets:
        rows = problem.rows_of(k)
        order = rows[np.argsort(-score[rows], kind="stable")]
        capacity = np.abs(problem.max_reduction[order])
        before = np.cumsum(capacity) - capacity
        taken[order] = np.clip(abs(problem.required[k]) - before, 0.0, capacity)
        _close_sum(taken, order, capacity, abs(problem.required[k]))
    return np.asarray(np.sign(problem.max_reduction) * taken)


def _close_sum(taken: FloatArray, order: Any, capacity: FloatArray, total: float) -> None:
    """Rounding of the running sum belongs to the last position that is touched."""
    last = order[np.flatnonzero(taken[order] > 0)[-1]]
    most = capacity[np.flatnonzero(order == last)[0]]
    taken[last] = min(max(taken[last] + total - taken[order].sum(), 0.0), most)


@dataclass(frozen=True)
class Queue(ScoreQueue):
    """A queue by the user's score.

    Parameters
    ----------
    score : function from the problem to a score per row of `problem.positions`, higher goes first;
        `adl.policies.features` has
        the usual ingredients. Infinite scores are fine, NaN is not.
    name : what tables call it.
    """

    score: Callable[[Problem], Any]
    name: str | None = None
    theory: ClassVar[Mapping[str, str]] = {"feasible": ScoreQueue.theory["feasible"]}

    def scores(self, problem: Problem) -> FloatArray:
        try:
            score = np.asarray(self.score(problem), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"{self}: its score is not a list of numbers ({error})") from error
        if score.shape != (problem.eligible.size,):
            raise InputError(
                f"{self}: {problem.eligible.size} scores are needed, one per row of problem.positions; got shape {score.shape}"
            )
        if np.isnan(score).any():
            at = int(np.flatnonzero(np.isnan(score))[0])
            raise InputError(
                f"{self}: the score of {validation.row_name(problem.positions, at)} is NaN; give a number, or -inf"
            )
        return score

    def __str__(self) -> str:
        return self.name or f"Queue({name_of(self.score)})"


@dataclass(frozen=True)
class BitMEX(ScoreQueue):
    """BitMEX: profit share times effective leverage; a loss share divided by it.

    PnL% = (mark value - entry value) / |entry value|, effective leverage = |mark value| / (mark
    value - bankruptcy value);
    longs and shorts are ranked apart, positions closed in full down the queue at the bankruptcy
    price of the liquidated
    order (give it as the problem's `settlement`). Mark value - bankruptcy value is what the
    position can lose before it is
    bankrupt: the equity of its pool, all of it under cross margin.
    Source: support.bitmex.com, article 18589621443357, "What is Auto-Deleveraging". Delta Exchange
    publishes the same rule.
    """

    def scores(self, problem: Problem) -> FloatArray:
        entry = features.entry_price(problem, str(self))
        side = np.sign(problem.book.size[problem.eligible])
        share = side * (problem.book.marks[problem.asset] - entry) / entry
        leverage = features.position_leverage(problem)
        return np.asarray(np.where(share > 0, share * leverage, share / leverage))

    def __str__(self) -> str:
        return "BitMEX"


@dataclass(frozen=True)
class Binance(ScoreQueue):
    """Binance USD-M: LeveragePnL = max(0, profit) / max(1, wallet) x maintenance margin / (wallet +
    profit). Second-hand.

    Profit and wallet are those of the pool, wallet = equity - profit, so that the divisor is the
    pool's equity. The exact
    scope under cross margin is not published. Losers tie at zero.

    Parameters
    ----------
    maintenance : maintenance margin rate on notional, one for all assets (which does not change the
        ranking), or by asset.

    Source: binance.com FAQ 360033525471 for the rule; the formula as quoted at
    dev.binance.vision/t/17801.
    """

    maintenance: float | Mapping[str, float] = 0.005

    def __post_init__(self) -> None:
        given = self.maintenance
        rates = dict(given) if isinstance(given, Mapping) else {"all": given}
        for name, rate in rates.items():
            if not validation.as_finite(f"Binance: maintenance, {name}", rate) > 0:
                raise InputError(
                    f"Binance: maintenance, {name}, is {rate}; it is a share of notional, > 0"
                )

    def scores(self, problem: Problem) -> FloatArray:
        book = problem.book
        profit = features.pool_profit(problem, str(self))
        if isinstance(self.maintenance, Mapping):
            rate = validation.vector_by_asset("Binance: maintenance", self.maintenance, book.assets)
        else:
            rate = np.full(len(book.assets), self.maintenance)
        margin = np.bincount(
            book.pool,
            np.abs(book.size) * (book.marks * rate)[book.asset],
            minlength=book.equity.size,
        )
        equity = features.equity(problem)
        ratio = margin[problem.pool] / equity  # eligible pools are solvent
        return np.asarray(np.maximum(profit, 0.0) / np.maximum(1.0, equity - profit) * ratio)

    def __str__(self) -> str:
        return "Binance"


@dataclass(frozen=True)
class Hyperliquid(ScoreQueue):
    """Hyperliquid: (mark / entry) x (notional / account value) among positions in profit; entry /
    mark for shorts.

    Nobody is exempt, market makers included; reductions execute at the previous mark price (the
    problem's `settlement`).
    Where those in profit do not suffice, the others follow by the same score: the published rule
    does not say.
    Source: hyperliquid.gitbook.io/hyperliquid-docs, "Auto-deleveraging".
    """

    def scores(self, problem: Problem) -> FloatArray:
        entry, mark = features.entry_price(problem, str(self)), problem.book.marks[problem.asset]
        gain = np.where(problem.book.size[problem.eligible] > 0, mark / entry, entry / mark)
        score = gain * features.position_leverage(problem)
        # Positive throughout, so that -1 / score ranks the others among themselves and behind.
        return np.asarray(np.where(gain > 1, score, -1.0 / score))

    def __str__(self) -> str:
        return "Hyperliquid"


@dataclass(frozen=True)
class DydxV4(ScoreQueue):
    """dYdX v4: no score; from a random start through the opposite subaccounts in their order, each
    used in full.

    The chain draws the start from the block; here it is drawn from `seed`, for each asset anew.
    Source: dydxprotocol/v4-chain, protocol/x/clob/keeper/deleveraging.go.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        validation.require_integer("DydxV4: seed", self.seed, 0)

    theory: ClassVar[Mapping[str, str]] = {
        **ScoreQueue.theory,
        "wash-trade resistant": "entry prices never enter",
    }

    def scores(self, problem: Problem) -> FloatArray:
        score = np.zeros(problem.eligible.size)
        for k in problem.reduced_assets:
            rows = problem.rows_of(k)
            start = np.random.default_rng([self.seed, int(k)]).integers(rows.size)
            score[rows] = -((np.arange(rows.size) - start) % rows.size)
        return score

    def __str__(self) -> str:
        return f"DydxV4(seed={self.seed})"
