"""The expected loss under fixed stresses: first prices and columns, and exact prices at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.methods.shadow_price.decomposition import Decomposition, Objective, Outcome
from adlopt.methods.shadow_price.groups import Groups
from adlopt.methods.shadow_price.market_groups import market_groups
from adlopt.methods.shadow_price.pools import PoolProgram, price_bounds
from adlopt.methods.shadow_price.sampling import sampled_start
from adlopt.methods.shadow_price.tuning import Tuning
from adlopt.model.problem import Problem


@dataclass(frozen=True, eq=False)
class LinearSolver:
    """Decompositions of one program under one stress after another."""

    problem: Problem
    program: PoolProgram
    required: FloatArray  # (R,) in the program's units: 1, unless it was built for another problem
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
    ) -> Decomposition:
        """Minimise stress.L, from the vertices of `before` and `price` (R,), or from samples."""
        program, tuning = self.program, self.tuning
        # Bounds on prices must hold for these stresses: those for the scenario probabilities can
        # cut off the optimum.
        bounds = price_bounds(self.problem, program, stress)
        none = np.empty(0, dtype=np.intp)
        groups = Groups(program, stress, none, bounds, np.empty(0), tuning)
        base, equity = float(stress @ program.constant), self.equity / program.unit
        market = market_groups(self.problem, program.unit)  # none: `plan` refuses one
        objective = Objective(np.empty(0), base, (), equity, market)
        width, start = tuning.box, Outcome(np.zeros(bounds.size), ())
        if price is None:
            start, width = sampled_start(groups, objective, start, tuning, self._run)
        else:
            start = Outcome(np.clip(price, -bounds, bounds), ())
        if before is not None:
            groups.state.active[:] = before.state.active
        groups.assign(np.arange(program.size), np.ones(program.size), tuning.groups)
        decomposition = Decomposition(groups, objective, self.required, start, tuning)
        self._run(decomposition, width, tolerance)
        return decomposition

    def _run(self, decomposition: Decomposition, width: float, tolerance: float) -> None:
        decomposition.run(width, tolerance, report=self.report, deadline=self.deadline)
