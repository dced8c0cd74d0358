"""The expected loss under fixed stresses: first prices and columns, and exact prices at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.methods.shadow_price import recover
from adlopt.methods.shadow_price.decomposition import Decomposition, Objective, Outcome
from adlopt.methods.shadow_price.groups import Groups
from adlopt.methods.shadow_price.pools import PoolProgram, price_bounds
from adlopt.methods.shadow_price.sampling import draw, sample_sizes
from adlopt.methods.shadow_price.tuning import Tuning
from adlopt.model.problem import Problem


@dataclass(frozen=True, eq=False)
class LinearSolution:
    """Where the decomposition under fixed stresses ended."""

    groups: Groups
    outcome: Outcome

    @property
    def price(self) -> FloatArray:
        """(R,)"""
        return self.outcome.point

    def fractions(self) -> FloatArray:
        """(v,) the master's combination."""
        found = self.outcome
        return recover.combine(self.groups, found.theta, found.group, found.sweep, found.snapshots)


@dataclass(frozen=True, eq=False)
class LinearSolver:
    """Decompositions of one program under one stress after another."""

    problem: Problem
    program: PoolProgram
    equity: float  # of all pools, in money
    tuning: Tuning
    report: Callable[[str], None]
    deadline: float

    def solve(
        self,
        stress: FloatArray,
        tolerance: float,
        before: Groups | None = None,
        price: FloatArray | None = None,
    ) -> LinearSolution:
        """Minimise stress.L; from the vertices of `before` and `price` (R,), or from samples."""
        program, tuning = self.program, self.tuning
        # Bounds on prices hold for these stresses. Those for the scenario probabilities would cut
        # off the optimum.
        bounds = price_bounds(self.problem, program, stress)
        none = np.empty(0, dtype=np.int64)
        groups = Groups(program, stress, none, bounds, np.empty(0), tuning)
        objective = Objective(
            np.empty(0), float(stress @ program.constant), (), self.equity / program.unit
        )
        width, start = tuning.box, np.zeros(bounds.size)
        if before is None or price is None:
            start, width = self._from_samples(groups, objective)
        else:
            groups.state.active[:] = before.state.active
            start = price
        groups.assign(np.arange(program.size), np.ones(program.size), tuning.groups)
        outcome = Outcome(start)
        self._run(groups, objective, np.ones(bounds.size), width, tolerance, outcome, True)
        return LinearSolution(groups, outcome)

    def _run(
        self,
        groups: Groups,
        objective: Objective,
        required: FloatArray,
        width: float,
        tolerance: float,
        outcome: Outcome,
        keep_answers: bool,
    ) -> None:
        Decomposition(
            groups,
            objective,
            required,
            self.tuning,
            keep_answers=keep_answers,
            report=self.report,
            deadline=self.deadline,
        ).run(outcome.point, width, tolerance, outcome)

    def _from_samples(self, groups: Groups, objective: Objective) -> tuple[FloatArray, float]:
        """Prices from nested samples of the pools, and how far to trust them (eq. 15)."""
        tuning, program = self.tuning, self.program
        pools, R = program.pools, groups.price_scale.size
        generator, price, width = np.random.default_rng(0), np.zeros(R), tuning.box
        available = np.bincount(pools.asset, pools.used, minlength=R)
        for size in sample_sizes(program.size, tuning):
            chosen, weight = draw(groups.largest, size, generator)
            groups.assign(chosen, weight, tuning.groups)
            counted = np.zeros(program.size)
            counted[chosen] = weight
            drawn = np.bincount(pools.asset, pools.used * counted[program.owner], R)
            required = drawn / np.where(available > 0, available, 1.0)
            outcome = Outcome(price)
            self._run(groups, objective, required, width, tuning.sample_tolerance, outcome, False)
            price = outcome.point
            spread = max(float(np.abs(price / groups.price_scale).max()), tuning.least_box)
            width = spread / float(np.sqrt(chosen.size))
        return price, width
