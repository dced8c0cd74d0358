"""The market in the master program: a group per asset, whose answer to a price is a formula.

Selling the share s of an asset's requirement costs linear s + slope s^2 / 2, so the answer to the
price lambda minimises that plus lambda s over 0 <= s <= most (M5 of docs/theory/simulation.md). A
master is linear: it takes answers as columns and mixes them, which overstates the cost between two
columns by at most slope width^2 / 8. Columns around the mixture in use close that gap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.methods.shadow_price.tuning import Selling
from adlopt.model.problem import Problem


@dataclass(frozen=True, eq=False)
class MarketGroups:
    """Sales of K assets as shares of what is required, in the program's unit of money."""

    asset: IntArray  # (K,) rows of the coupling
    most: FloatArray  # (K,)
    linear: FloatArray  # (K,)
    slope: FloatArray  # (K,)
    least_price: FloatArray  # (R,) least bound on prices that sales beyond the accounts need
    fixed: float  # cost of sales that are no decision: all accounts give all they can

    @property
    def count(self) -> int:
        return int(self.asset.size)

    def scaled(self, required: FloatArray) -> MarketGroups:
        """The market of a sample that stands for the shares `required` (R,) of the requirements."""
        part = required[self.asset]
        slope = np.divide(self.slope, part, out=np.zeros(part.size), where=part > 0)
        return replace(self, most=self.most * part, slope=slope)

    def cost(self, groups: IntArray, share: FloatArray) -> FloatArray:
        """Cost of the share that each of these groups sells."""
        return np.asarray(self.linear[groups] * share + self.slope[groups] * share**2 / 2)

    def answer(self, price: FloatArray) -> FloatArray:
        """(K,) cheapest shares at prices (R,) of the coupling."""
        worth = -price[self.asset] - self.linear
        curved = self.slope > 0
        share = np.divide(worth, self.slope, out=np.zeros(self.count), where=curved)
        share = np.where(curved, share, np.where(worth > 0, self.most, 0.0))
        return np.clip(share, 0.0, self.most)

    def dual_value(self, price: FloatArray) -> float:
        """What the market adds to the dual function (eq. 3) at prices (R,)."""
        share = self.answer(price)
        cost = self.cost(np.arange(self.count), share)
        return float(cost.sum() + price[self.asset] @ share)


def market_groups(problem: Problem, unit: float) -> MarketGroups:
    """The market of a problem, without any group if it has none; `unit` is money."""
    assets, terms = problem.reduced_assets, problem.market_terms
    if terms is None:
        none = np.empty(0)
        least = np.zeros(assets.size)
        return MarketGroups(np.empty(0, dtype=np.intp), none, none, none, least, 0.0)
    needed = np.abs(problem.required[assets])
    linear = terms.linear[assets] * needed / unit
    slope = terms.slope[assets] * needed**2 / unit
    most = np.minimum(terms.depth[assets] / needed, 1.0)
    short = np.maximum(1.0 - problem.available[assets] / needed, 0.0)  # beyond the accounts
    exhausted = problem.exhausted_assets[assets]
    fixed = np.where(exhausted, linear * short + slope * short**2 / 2, 0.0)
    asset = np.flatnonzero((most > 0) & ~exhausted)
    return MarketGroups(
        asset,
        most[asset],
        linear[asset],
        slope[asset],
        np.where(short > 0, linear + slope * short, 0.0),
        float(fixed.sum()),
    )


class MarketColumns:
    """The market's columns in one master: their shares by number, and which to add next."""

    def __init__(self, market: MarketGroups, tuning: Selling) -> None:
        self.market, self.tuning = market, tuning
        self.group = np.empty(0, dtype=np.intp)  # of every column there has been
        self.share = np.empty(0)
        self.theta = np.empty(0)  # weights of the columns in the master,
        self.column = np.empty(0, dtype=np.intp)  # and their numbers

    def number(self, groups: IntArray, shares: FloatArray) -> IntArray:
        """Numbers for new columns."""
        first = self.share.size
        self.group, self.share = np.append(self.group, groups), np.append(self.share, shares)
        return np.arange(first, self.share.size)

    def remember(self, theta: FloatArray, column: IntArray) -> None:
        """Weights `theta` of the columns that are left in the master."""
        self.theta, self.column = theta, column

    @property
    def mixture(self) -> FloatArray:
        """(K,) shares sold by the master's combination."""
        sold = self.theta * self.share[self.column]
        total = np.bincount(self.group[self.column], sold, minlength=self.market.count)
        return total.astype(np.float64)

    def marginal_price(self, price: FloatArray) -> FloatArray:
        """Prices (R,) to which the sales of the master's combination are the answers, where it
        sells neither nothing nor all; `price` elsewhere.
        """
        market, share, narrow = self.market, self.mixture, self.tuning.narrow
        inside = (share > narrow) & (share < market.most - narrow) & (market.slope > 0)
        exact = price.copy()
        exact[market.asset[inside]] = -(market.linear + market.slope * share)[inside]
        return exact

    def next(self, price: FloatArray) -> tuple[IntArray, FloatArray]:
        """Groups and shares to add: answers to prices (R,), and columns near the mixture.

        At first there are none, and each group begins with nothing and with as much as it can.
        """
        market = self.market
        groups = np.arange(market.count)
        if not self.column.size:
            return np.append(groups, groups), np.append(np.zeros(groups.size), market.most)
        of_group, share = self.group[self.column], self.share[self.column]
        answer, mixture, found = market.answer(price), self.mixture, []
        for k in groups:
            known = share[of_group == k]
            wanted = [float(answer[k])]
            if market.slope[k] > 0:
                wanted += self._near(float(mixture[k]), known)
            new = [one for one in wanted if np.abs(known - one).min() > self.tuning.narrow]
            found.append(np.array(new))
        return np.repeat(groups, [more.size for more in found]), np.concatenate(found)

    def _near(self, mixture: float, known: FloatArray) -> list[float]:
        """The share in use, and one on each side between it and the next column's."""
        found, narrow = [mixture], self.tuning.narrow
        below, above = known[known < mixture - narrow], known[known > mixture + narrow]
        if below.size:
            found.append(mixture - self.tuning.nearer * (mixture - float(below.max())))
        if above.size:
            found.append(mixture + self.tuning.nearer * (float(above.min()) - mixture))
        return found
