"""Dantzig-Wolfe decomposition in a trust region: sweeps and masters in turn (eq. 11 to 14)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.methods.shadow_price.groups import Groups
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

    @property
    def fund_cost(self) -> FloatArray:
        """(L,) what one unit of stress saves because a fund absorbs losses first."""
        least = max((tail.least for tail in self.tails), default=0.0)
        return np.full(self.constant.size, max(least, 0.0))


@dataclass(eq=False)
class Outcome:
    """Where a run of the decomposition ended."""

    point: FloatArray  # best dual point: prices and stresses
    bound: float = -np.inf  # dual function there
    value: float = np.inf  # of the master: an upper bound of the optimum if `held` is zero
    proven: bool = False  # the gap was closed
    theta: FloatArray = field(default_factory=lambda: np.empty(0))
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    sweep: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    snapshots: dict[int, FloatArray] = field(default_factory=dict)
    stresses: tuple[FloatArray, ...] = ()  # of the tails at `point`
    sweeps: int = 0

    @property
    def gap(self) -> float:
        return (self.value - self.bound) / max(abs(self.value), 1e-300)


class Decomposition:
    """One level: the pools that `groups` holds, all or a sample."""

    def __init__(
        self,
        groups: Groups,
        objective: Objective,
        required: FloatArray,
        tuning: Tuning,
        *,
        keep_answers: bool,
        report: Callable[[str], None],
        deadline: float,
    ) -> None:
        self.groups, self.objective, self.tuning = groups, objective, tuning
        self.keep_answers, self.report, self.deadline = keep_answers, report, deadline
        groups.required = required
        exhausted = groups.program.exhausted
        self.master = Master(
            required, exhausted, objective.constant, groups.count, objective.tails, tuning
        )
        self.scale = np.append(groups.price_scale, groups.stress_scale[groups.live])

    def run(self, start: FloatArray, width: float, tolerance: float, outcome: Outcome) -> None:
        """Close the relative gap to `tolerance`; `outcome` always holds the best so far."""
        numbers, groups = self.tuning, self.groups
        point, tails = start, outcome.stresses
        outcome.point = start
        for sweep in range(numbers.iterations):
            changed = groups.sweep(point)
            outcome.sweeps += 1
            bound = self._dual_value(point)
            if self.keep_answers:
                outcome.snapshots[sweep] = groups.state.y.copy()
            if sweep == 0:
                changed = np.arange(groups.count)
            table = groups.used[changed], groups.cost[changed], groups.loss[changed]
            self.master.add(changed, *table, sweep)
            width = self._resize(width, sweep, point, bound, outcome)
            if bound > outcome.bound:
                outcome.bound, outcome.point, outcome.stresses = bound, point, tails
            solution, done = self._solve(width, tolerance, outcome)
            self._remember(solution, outcome)
            self.report(f"{groups.state.y.size:,} fractions, gap {outcome.gap:.1e}")
            if done:
                outcome.proven = True
                return
            if time.perf_counter() > self.deadline:
                return
            point, tails = solution.point, solution.stresses

    def _dual_value(self, point: FloatArray) -> float:
        R, objective = self.groups.price_scale.size, self.objective
        stress = np.maximum(point[R:], 0.0)
        constant = float(stress @ (objective.constant - objective.fund_cost))
        return self.groups.dual_value(point) + constant + objective.base

    def _resize(
        self, width: float, sweep: int, point: FloatArray, bound: float, outcome: Outcome
    ) -> float:
        """The next trust region's width, from how the prediction turned out."""
        if sweep == 0:
            return width
        rise, predicted = bound - outcome.bound, outcome.value - outcome.bound
        if rise < max(self.tuning.rise * predicted, 0.0):
            return width / 2
        edge = np.abs(point - outcome.point) >= 0.99 * width * self.scale
        return 2 * width if (edge & (self.scale > 0)).any() else width

    def _solve(
        self, width: float, tolerance: float, outcome: Outcome
    ) -> tuple[MasterSolution, bool]:
        """The master in the box around the best point; whether it proves that point optimal.

        Where the box holds the master back it proves nothing: then it is solved without the box.
        """
        numbers, R = self.tuning, self.groups.price_scale.size
        while True:
            low, high = outcome.point - width * self.scale, outcome.point + width * self.scale
            limit = 2.0 * self.scale[:R]
            low[:R], high[:R] = np.maximum(low[:R], -limit), np.minimum(high[:R], limit)
            low[R:], high[R:] = np.maximum(low[R:], 0.0), np.minimum(high[R:], self.master.cap)
            solution = self.master.solve(low, high)
            difference = solution.value + self._offset() - outcome.bound
            closed = (
                difference <= tolerance * abs(outcome.bound)
                or difference < numbers.negligible * self.objective.equity
            )
            if not closed or solution.held <= numbers.box_slack:
                return solution, closed
            if width >= numbers.no_box:
                return solution, False
            width = numbers.no_box

    def _offset(self) -> float:
        """Constant of the objective that the master does not see."""
        return self.objective.base - sum(
            tail.factor * tail.least for tail in self.objective.tails if np.isfinite(tail.least)
        )

    def _remember(self, solution: MasterSolution, outcome: Outcome) -> None:
        theta = self.master.forget(solution.theta)
        outcome.value = solution.value + self._offset()
        outcome.theta, outcome.group, outcome.sweep = theta, self.master.group, self.master.sweep
        used = set(self.master.sweep.tolist())
        for sweep in [sweep for sweep in outcome.snapshots if sweep not in used]:
            del outcome.snapshots[sweep]
