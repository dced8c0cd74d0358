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
    bound: float = -np.inf  # dual function there
    value: float = np.inf  # of the master: an upper bound of the optimum once the gap is closed
    proven: bool = False  # the gap was closed
    theta: FloatArray = field(default_factory=lambda: np.empty(0))  # of the columns:
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    sweep: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.intp))

    @property
    def gap(self) -> float:
        return (self.value - self.bound) / max(abs(self.value), np.finfo(float).tiny)


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
        self.sweeps = 0
        self.required = required
        exhausted = groups.program.exhausted
        self.master = Master(
            required, exhausted, objective.constant, groups.count, objective.tails, tuning
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
        groups, outcome = self.groups, self.outcome
        point, stresses = outcome.point, outcome.stresses
        for step in range(self.tuning.iterations):
            bound = self._sweep(point)
            if step > 0:
                width = self._resize(width, point, bound)
            if bound > outcome.bound:
                outcome.bound, outcome.point, outcome.stresses = bound, point, stresses
            solution, outcome.proven = self._solve(width, tolerance)
            self._remember(solution)
            report(f"{groups.state.y.size:,} fractions, gap {outcome.gap:.1e}")
            stalled = width < self.tuning.least_width
            if outcome.proven or stalled or time.perf_counter() > deadline:
                return
            point, stresses = solution.point, solution.stresses

    def _sweep(self, point: FloatArray) -> float:
        """Answers to a point, as columns of the master; the dual function (eq. 3) there."""
        groups, objective = self.groups, self.objective
        changed = groups.sweep(point)
        if self.sweeps == 0:
            changed = np.arange(groups.count)
        table = groups.used[changed], groups.cost[changed], groups.loss[changed]
        self.master.add(changed, *table, self.sweeps)
        if self.keep_answers:
            self.answers[self.sweeps] = groups.state.y.copy()
        self.sweeps += 1
        stress = np.maximum(point[groups.price_scale.size :], 0.0)
        constant = float(stress @ (objective.constant - objective.fund_cost))
        return groups.dual_value(point, self.required) + constant + objective.base

    def _resize(self, width: float, point: FloatArray, bound: float) -> float:
        """The next trust region's width, from how the prediction turned out."""
        outcome = self.outcome
        rise, predicted = bound - outcome.bound, outcome.value - outcome.bound
        if rise < max(self.tuning.rise * predicted, 0.0):
            return width / 2
        edge = np.abs(point - outcome.point) >= 0.99 * width * self.scale
        return 2 * width if (edge & (self.scale > 0)).any() else width

    def _solve(self, width: float, tolerance: float) -> tuple[MasterSolution, bool]:
        """The master in the box around the best point; whether it proves that point optimal.

        Where the box holds the master back it proves nothing: then it is solved without the box.
        """
        tuning, outcome, R = self.tuning, self.outcome, self.groups.price_scale.size
        while True:
            low, high = outcome.point - width * self.scale, outcome.point + width * self.scale
            limit = 2.0 * self.scale[:R]
            low[:R], high[:R] = np.maximum(low[:R], -limit), np.minimum(high[:R], limit)
            low[R:], high[R:] = np.maximum(low[R:], 0.0), np.minimum(high[R:], self.master.cap)
            solution = self.master.solve(low, high)
            difference = solution.value + self.objective.offset - outcome.bound
            closed = (
                difference <= tolerance * abs(outcome.bound)
                or difference < tuning.negligible * self.objective.equity
            )
            if not closed or solution.held <= tuning.box_slack:
                return solution, closed
            if width >= tuning.no_box:
                return solution, False
            width = tuning.no_box

    def _remember(self, solution: MasterSolution) -> None:
        outcome, master = self.outcome, self.master
        outcome.value = solution.value + self.objective.offset
        outcome.theta = master.forget(solution.theta)
        outcome.group, outcome.sweep = master.group, master.sweep
        used = set(master.sweep.tolist())
        for sweep in [sweep for sweep in self.answers if sweep not in used]:
            del self.answers[sweep]
