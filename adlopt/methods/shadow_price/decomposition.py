"""Dantzig-Wolfe decomposition in a trust region: sweeps and masters in turn (eq. 11 to 14)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.methods.shadow_price import recover
from adlopt.methods.shadow_price.groups import Groups
from adlopt.methods.shadow_price.market_groups import MarketColumns, MarketGroups
from adlopt.methods.shadow_price.master import Master, MasterSolution
from adlopt.methods.shadow_price.tail import Tail
from adlopt.methods.shadow_price.tuning import Tuning


@dataclass(frozen=True, eq=False)
class Objective:
    """What the master minimises, in units of money."""

    constant: FloatArray  # (L,) loss in the live scenarios that no variable changes
    base: float  # cost that no variable changes
    tails: tuple[Tail, ...]
    equity: float  # of all pools: the scale of rounding
    market: MarketGroups

    @property
    def fund_cost(self) -> FloatArray:
        """(L,) what one unit of stress saves because a fund absorbs losses first."""
        least = max((tail.least for tail in self.tails), default=0.0)
        return np.full(self.constant.size, max(least, 0.0))

    @property
    def offset(self) -> float:
        """What the master's value lacks."""
        return self.base - sum(
            tail.factor * tail.least for tail in self.tails if np.isfinite(tail.least)
        )


@dataclass(eq=False)
class Outcome:
    """Where a run of the decomposition stands."""

    point: FloatArray  # best dual point: prices and stresses
    stresses: tuple[FloatArray, ...]  # of the tails there
    losses: FloatArray = field(default_factory=lambda: np.empty(0))  # (L,) of the combination
    bound: float = -np.inf  # dual function there
    value: float = np.inf  # of the master: an upper bound of the optimum once the gap is closed
    proven: bool = False  # the gap was closed
    theta: FloatArray = field(default_factory=lambda: np.empty(0))  # of the columns:
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    sweep: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.intp))

    @property
    def gap(self) -> float:
        difference, value = float(self.value - self.bound), abs(float(self.value))
        return difference / value if value > 0 else np.inf


class Decomposition:
    """The decomposition over the pools that `groups` holds, all or a sample.

    It may run several times: columns and vertices stay, also when the requirement changes.
    """

    def __init__(
        self,
        groups: Groups,
        objective: Objective,
        required: FloatArray,
        outcome: Outcome,
        tuning: Tuning,
        *,
        keep_answers: bool = True,
    ) -> None:
        self.groups, self.objective, self.tuning = groups, objective, tuning
        self.outcome, self.keep_answers = outcome, keep_answers
        self.answers: dict[int, FloatArray] = {}  # fractions by sweep, of the columns in use
        self.sweeps, self.width = 0, tuning.box
        self.offered = np.full(groups.totals.table.shape, np.nan)  # totals of each last column
        self.required = required
        exhausted = groups.program.exhausted
        self.sales = MarketColumns(objective.market.scaled(required), tuning.selling)
        count = groups.count + self.sales.market.count
        self.master = Master(
            required, exhausted, objective.constant, count, objective.tails, tuning
        )
        self.scale = np.append(groups.price_scale, groups.stress_scale[groups.live])

    def require(self, required: FloatArray) -> None:
        """Change the right sides of the coupling; the best point so far starts the next run."""
        self.required = required
        self.master.set_required(required)
        self.outcome = Outcome(self.outcome.point, self.outcome.stresses)

    def run(
        self,
        width: float,
        tolerance: float,
        *,
        report: Callable[[str], None],
        deadline: float = np.inf,
    ) -> None:
        """Close the relative gap to `tolerance`; `outcome` always holds the best so far."""
        outcome, fractions = self.outcome, f"{self.groups.state.y.size:,} fractions"
        point, stresses, self.width = outcome.point, outcome.stresses, width
        for step in range(self.tuning.iterations):
            bound = self._sweep(point)
            if step > 0:
                self._resize(point, bound)
            if bound > outcome.bound:
                outcome.bound, outcome.point, outcome.stresses = bound, point, stresses
            solution, outcome.proven = self._solve(tolerance)
            self._remember(solution)
            report(f"{fractions}, gap {outcome.gap:.1e}")
            stalled = self.width < self.tuning.least_width
            finished = outcome.proven and self._match_market(tolerance)
            if finished or stalled or time.perf_counter() > deadline:
                return
            point, stresses = solution.point, solution.stresses

    def combination(self) -> FloatArray:
        """(v,) fractions of the best combination (eq. 11)."""
        best = self.outcome
        return recover.combine(self.groups, best.theta, best.group, best.sweep, self.answers)

    def _sweep(self, point: FloatArray) -> float:
        """Answers to a point, as columns of the master; the dual function (eq. 3) there."""
        groups, objective = self.groups, self.objective
        groups.sweep(point)
        # Not what this sweep changed: the one that writes multipliers adds no columns.
        changed = np.flatnonzero((groups.totals.table != self.offered).any(axis=1))
        self.offered[changed] = groups.totals.table[changed]
        table = groups.used[changed], groups.cost[changed], groups.loss[changed]
        self.master.add(changed, *table, self.sweeps)
        price, stress = np.split(point, [groups.price_scale.size])
        self._sell(price)
        if self.keep_answers:
            self.answers[self.sweeps] = groups.state.y.copy()
        self.sweeps += 1
        constant = float(np.maximum(stress, 0.0) @ (objective.constant - objective.fund_cost))
        market = self.sales.market.dual_value(price)
        return groups.dual_value(point, self.required) + market + constant + objective.base

    def _sell(self, price: FloatArray) -> None:
        """Columns of the market's groups, which come after those of the pools."""
        sales, master = self.sales, self.master
        if not sales.market.count:
            return
        group, share = sales.next(price)
        used = np.zeros((share.size, master.R))
        used[np.arange(share.size), sales.market.asset[group]] = share
        cost, loss = sales.market.cost(group, share), np.zeros((share.size, master.L))
        number = sales.number(group, share)
        master.add(self.groups.count + group, used, cost, loss, -1 - number)

    def _resize(self, point: FloatArray, bound: float) -> None:
        """Set the trust region's width by how the prediction for `point` turned out."""
        tuning, outcome = self.tuning, self.outcome
        rise, predicted = bound - outcome.bound, outcome.value - outcome.bound
        edge = np.abs(point - outcome.point) >= 0.99 * self.width * self.scale
        if rise < max(tuning.rise * predicted, 0.0):
            self.width /= 2
        elif (edge & (self.scale > 0)).any():
            self.width *= tuning.stride if rise > tuning.exact * predicted else 2.0

    def _solve(self, tolerance: float) -> tuple[MasterSolution, bool]:
        """The master in the box around the best point; whether it proves that point optimal.

        Where the box holds the master back it proves nothing: then the box grows.
        """
        tuning, outcome = self.tuning, self.outcome
        while True:
            solution = self.master.solve(*self._box(self.width))
            value = solution.value + self.objective.offset
            closed = self._closed(value, outcome.bound, tolerance)
            if not closed or solution.held <= tuning.box_slack:
                return solution, closed
            if self.width >= tuning.no_box:
                return solution, False
            self.width = min(self.width * tuning.stride, tuning.no_box)

    def _box(self, width: float) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest prices and stresses of the trust region around the best point."""
        outcome, R = self.outcome, self.groups.price_scale.size
        reach, limit = width * self.scale, 2.0 * self.scale[:R]
        low, high = outcome.point - reach, outcome.point + reach
        low[:R], high[:R] = np.maximum(low[:R], -limit), np.minimum(high[:R], limit)
        low[R:], high[R:] = np.maximum(low[R:], 0.0), np.minimum(high[R:], self.master.cap)
        return low, high

    def _closed(self, value: float, bound: float, tolerance: float) -> bool:
        gap = value - bound
        rounding = self.tuning.negligible * self.objective.equity
        return gap <= tolerance * abs(bound) or gap < rounding

    def _match_market(self, tolerance: float) -> bool:
        """Make prices equal to the marginal cost of what is sold, where that proves as much.

        The objective is flat in them, so a closed gap leaves a difference. False if it is worth
        another sweep.
        """
        outcome, R = self.outcome, self.groups.price_scale.size
        price = self.sales.marginal_price(outcome.point[:R])
        fixed = np.flatnonzero(price != outcome.point[:R])
        if not fixed.size or self._accept(fixed, price, tolerance):
            return True
        if fixed.size > 1:
            for k in fixed:
                self._accept(np.array([k]), price, tolerance)
        return self._closed(outcome.value, outcome.bound, self.tuning.selling.flat)

    def _accept(self, fixed: IntArray, price: FloatArray, tolerance: float) -> bool:
        """Move the prices of these assets to `price` (R,) if the gap stays closed."""
        outcome = self.outcome
        low, high = self._box(self.tuning.no_box)
        low[fixed] = high[fixed] = price[fixed]
        point, stresses = outcome.point.copy(), outcome.stresses
        for stressed_anew in (False, True):
            if stressed_anew:  # the best stresses, and other prices, at these prices
                solution = self.master.solve(low, high)
                point, stresses = solution.point, solution.stresses
            point[fixed] = price[fixed]
            bound = self._sweep(point)
            if self._closed(outcome.value, bound, tolerance):
                outcome.point, outcome.bound, outcome.stresses = point, bound, stresses
                return True
        return False

    def _remember(self, solution: MasterSolution) -> None:
        outcome, master = self.outcome, self.master
        outcome.value = solution.value + self.objective.offset
        outcome.losses = solution.losses + self.objective.constant
        theta = master.forget(solution.theta)
        pools = master.group < self.groups.count
        outcome.theta, outcome.group = theta[pools], master.group[pools]
        outcome.sweep = master.sweep[pools]
        self.sales.remember(theta[~pools], -1 - master.sweep[~pools])
        used = set(outcome.sweep.tolist())
        for sweep in [sweep for sweep in self.answers if sweep not in used]:
            del self.answers[sweep]
