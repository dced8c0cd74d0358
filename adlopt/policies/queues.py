"""Queues: rank the positions of each asset and close them in order, the last one in part.

Ties keep the order of the book, in which the positions table first names each account, so a queue
is not anonymous: `adl.audit` shows it with two accounts that differ only in their row.
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
        "feasible": "positions are closed in order, the last one in part, until the requirement is "
        "met",
        "distribution-free": "the price model never enters the score",
    }

    @abstractmethod
    def scores(self, problem: Problem) -> FloatArray:
        """(e,) rank of each eligible position: higher goes first."""

    def reductions(self, problem: Problem) -> FloatArray:
        return close_in_order(problem, self.scores(problem))


def close_in_order(problem: Problem, score: FloatArray) -> FloatArray:
    """Reductions (e,) that close positions of each asset in order, highest score first; of equal
    scores, the earlier row first.
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
    """A queue by a score of your own.

    Parameters
    ----------
    score : callable
        From the problem to a score for each row of `problem.positions`; the highest is reduced
        first. `adl.policies.features` has the usual ingredients. Infinite scores are allowed.
    name : str, optional
        Name in tables.

    Examples
    --------
    >>> import adlopt as adl
    >>> queue = adl.policies.Queue(adl.policies.features.leverage, name="by leverage")
    >>> queue.allocate(adl.examples.paper_problem())["reduction"].tolist()
    [0.0, 0.0, -3.0, -7.0]
    """

    score: Callable[[Problem], Any]
    name: str | None = None
    theory: ClassVar[Mapping[str, str]] = {"feasible": ScoreQueue.theory["feasible"]}

    def scores(self, problem: Problem) -> FloatArray:
        try:
            score = np.asarray(self.score(problem), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"{self}: the score is not an array of numbers ({error})") from error
        if score.shape != (problem.eligible.size,):
            raise InputError(
                f"{self}: expected {problem.eligible.size} scores, one for each row of "
                f"problem.positions; got shape {score.shape}"
            )
        if np.isnan(score).any():
            i = int(np.flatnonzero(np.isnan(score))[0])
            raise InputError(
                f"{self}: the score of {validation.row_name(problem.positions, i)} is NaN; give a "
                "number or -inf"
            )
        return score

    def __str__(self) -> str:
        return self.name or f"Queue({name_of(self.score)})"


@dataclass(frozen=True)
class BitMEX(ScoreQueue):
    """BitMEX: return times effective leverage; a negative return divided by it.

    The return is (mark value - entry value) / |entry value|, and effective leverage is
    |mark value| / (mark value - bankruptcy value). Mark value minus bankruptcy value is what the
    position can lose before it is bankrupt: the equity of its pool. Longs and shorts are ranked
    separately, and positions are closed in order at the bankruptcy price of the liquidated order
    (give it as the problem's `settlement`).

    Notes
    -----
    Source: support.bitmex.com, article 18589621443357, "What is Auto-Deleveraging". Delta Exchange
    publishes the same rule.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.BitMEX().allocate(problem)["reduction"].tolist()
    [0.0, 0.0, -3.0, -7.0]
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
    """Binance USD-M: max(0, profit) / max(1, wallet) * maintenance margin / (wallet + profit).

    Profit and wallet are those of the pool, and wallet = equity - profit, so the last divisor is
    the pool's equity. The exact scope under cross margin is not published. Losers tie at zero.

    Parameters
    ----------
    maintenance : float or mapping from asset to float
        Maintenance margin rate on notional, > 0. One rate for all assets does not affect the order.

    Notes
    -----
    Source: binance.com FAQ 360033525471 for the rule; the formula is second-hand, as quoted at
    dev.binance.vision/t/17801.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.Binance().allocate(problem)["reduction"].tolist()
    [0.0, 0.0, -3.0, -7.0]
    """

    maintenance: float | Mapping[str, float] = 0.005

    def __post_init__(self) -> None:
        given = self.maintenance
        rates = dict(given) if isinstance(given, Mapping) else {"all": given}
        for name, rate in rates.items():
            if not validation.as_finite(f"Binance: maintenance, {name}", rate) > 0:
                raise InputError(
                    f"Binance: maintenance, {name}, is {rate}; give a fraction of notional, > 0"
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
    """Hyperliquid: (mark / entry) * (notional / account value) among positions in profit, with
    entry / mark for shorts.

    No account is exempt; reductions execute at the previous mark price (the problem's
    `settlement`). If the positions in profit are not enough, the others follow by the same score;
    the published rule does not cover this case.

    Notes
    -----
    Source: hyperliquid.gitbook.io/hyperliquid-docs, "Auto-deleveraging".

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.Hyperliquid().allocate(problem)["reduction"].tolist()
    [0.0, -10.0, 0.0, 0.0]
    """

    def scores(self, problem: Problem) -> FloatArray:
        entry, mark = features.entry_price(problem, str(self)), problem.book.marks[problem.asset]
        gain = np.where(problem.book.size[problem.eligible] > 0, mark / entry, entry / mark)
        score = gain * features.position_leverage(problem)
        # Scores are positive, so -1 / score keeps the order of the others and puts them last.
        return np.asarray(np.where(gain > 1, score, -1.0 / score))

    def __str__(self) -> str:
        return "Hyperliquid"


@dataclass(frozen=True)
class DydxV4(ScoreQueue):
    """dYdX v4: no score; from a random start through the opposite subaccounts in their order, each
    closed in full.

    Parameters
    ----------
    seed : int
        Determines the start, separately for each asset. The chain draws it from the block.

    Notes
    -----
    Source: dydxprotocol/v4-chain, protocol/x/clob/keeper/deleveraging.go.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.DydxV4(seed=1).allocate(problem)["reduction"].tolist()
    [0.0, -10.0, 0.0, 0.0]
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
