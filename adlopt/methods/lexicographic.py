"""One stage of a lexicographic optimisation: the next criterion, with limits on the earlier ones.

    minimise g(x)   subject to   rho_j(L(x)) <= v_j + slack_j   for the earlier objectives j,

over the feasible allocations x. Each is a cvxpy program of the problem's scenarios. The multiplier
mu_j >= 0 of a limit turns the stage into min g(x) + sum_j mu_j rho_j(L(x)): if g is a risk measure
too, that is a problem of the package's own form, and a lower bound of its optimum less
sum_j mu_j (v_j + slack_j) is one of the stage (Lagrangian duality).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from adlopt._internal.arrays import BoolArray, FloatArray
from adlopt.errors import SolverFailed
from adlopt.methods.cvxpy_solver import solve_model
from adlopt.methods.repair import restore_feasibility, typical_loss
from adlopt.methods.scenario_program import Model, build
from adlopt.methods.user_constraints import read_constraints
from adlopt.model.constraints import Constraints
from adlopt.model.problem import Problem
from adlopt.objectives import Objective
from adlopt.presolve.pairs import presolve

Rule = Literal["fewest_accounts", "smallest_fraction"]


@dataclass(frozen=True)
class LexicographicTuning:
    """Numbers of the method."""

    max_accounts: int = 2_000
    """Accounts up to which their fewest are sought by a mixed-integer program."""
    integer_seconds: float = 60.0
    """Time for that program; it ends with the best answer and bound so far."""
    reweightings: int = 6
    """Linear programs of the heuristic for the fewest accounts; later ones change little."""
    touched: float = 1e-6
    """Fraction of a position from which a solver's answer counts as touching it."""
    simplex_hinges: int = 20_000
    """Hinges up to which the simplex method is tried first: its vertices are exact."""
    precision: float = 1e-9
    """Feasibility tolerance asked of HiGHS, in fractions and units of a typical loss."""
    bound_margin: float = 1e-7
    """Relative: taken off an optimum that a solver states, as its tolerance."""


TUNING = LexicographicTuning()


class Limit(NamedTuple):
    """An earlier objective and the most it may become, in money."""

    objective: Objective
    most: float


class Stage(NamedTuple):
    """What one stage found."""

    allocation: FloatArray  # (e,)
    prices: FloatArray  # (limits,) multipliers mu_j
    bound: float  # of criteria that are no risk measure; -inf if unknown


class StageProgram:
    """The program of one stage before its criterion is set."""

    def __init__(
        self,
        problem: Problem,
        limits: Sequence[Limit],
        *,
        constraints: tuple[Constraints, ...] = (),
        largest_fraction: float | None = None,
        allowed: BoolArray | None = None,
        time_limit: float | None = None,
        tuning: LexicographicTuning = TUNING,
    ) -> None:
        self.problem, self.tuning, self.time_limit = problem, tuning, time_limit
        self.unit = typical_loss(problem)
        presolved = presolve(problem)
        self.hinges = presolved.hinges.pool.size
        program = build(problem, presolved=presolved, merge=False, unit=self.unit)
        self.model: Model = program.model
        self.linear = problem.market is None and all(
            objective.cone == "linear"
            for objective in (problem.objective, *(limit.objective for limit in limits))
        )
        size = np.where(problem.max_reduction == 0, 1.0, problem.max_reduction)
        self.fraction = sp.diags_array(1.0 / size) @ self.model.allocation
        self.limits = [self._limit(limit) for limit in limits]
        self.further = list(self.model.constraints)
        for limited in self.limits:
            self.further += limited
        if constraints:
            self.further += read_constraints(constraints, self.model.allocation)
        if largest_fraction is not None:
            self.further.append(self._share() <= largest_fraction)
        self.allowed = np.ones(size.size, dtype=bool) if allowed is None else allowed
        if not self.allowed.all():
            self.further.append(self.fraction[np.flatnonzero(~self.allowed)] == 0)

    def _limit(self, limit: Limit) -> list[cp.Constraint]:
        """The limit, last, after the definition of the losses it is about."""
        weights = self.problem.scenarios.weights
        loss = cp.Variable(weights.size)
        risk = limit.objective.scaled(self.unit).expression(loss, weights)
        return [loss >= self.model.loss / self.unit, risk <= limit.most / self.unit]

    def _share(self) -> cp.Expression:
        """(e,) reductions as fractions of the positions' sizes."""
        size = self.problem.book.size[self.problem.eligible]
        return sp.diags_array(1.0 / size) @ self.model.allocation

    def risk(self) -> Stage:
        """Minimise the problem's objective."""
        self._solve(self.model.objective.args[0] / self.unit)
        prices = [float(np.maximum(limit[-1].dual_value, 0.0)) for limit in self.limits]
        return Stage(self._allocation(), np.array(prices), -np.inf)

    def smallest_fraction(self) -> Stage:
        """Minimise the largest fraction that anybody loses of a position."""
        largest = cp.Variable()
        value = self._solve(largest, self._share() <= largest)
        return Stage(self._allocation(), np.zeros(0), value - self.tuning.bound_margin)

    def fewest_accounts(self) -> tuple[BoolArray, float]:
        """(e,) mask of the positions of accounts to touch, as few as were found, and a lower bound
        of their number.
        """
        problem, tuning = self.problem, self.tuning
        names, owner = np.unique(problem.book.pool_account[problem.pool], return_inverse=True)
        of_row = sp.csr_array(
            (np.ones(owner.size), (np.arange(owner.size), owner)), shape=(owner.size, names.size)
        )
        part = cp.Variable(names.size)
        weight = np.ones(names.size)
        bound, best = 0.0, np.ones(names.size, dtype=bool)
        for number in range(tuning.reweightings):
            value = self._solve(weight @ part, self.fraction <= of_row @ part, part <= 1)
            if number == 0:  # the number of accounts is at least the sum of their fractions
                bound = float(np.ceil(value - tuning.bound_margin * max(value, 1.0)))
            used = np.asarray(part.value)
            touched = np.zeros(names.size, dtype=bool)
            touched[owner[self._fractions() > tuning.touched]] = True
            if touched.sum() < best.sum():
                best = touched
            weight = 1.0 / (np.maximum(used, 0.0) + 0.01)  # reweighted l1 norm
        if best.sum() > bound and self.linear and names.size <= tuning.max_accounts:
            best, bound = self._integer(of_row, best, bound)
        return best[owner], bound

    def _integer(
        self, of_row: sp.csr_array, best: BoolArray, bound: float
    ) -> tuple[BoolArray, float]:
        """Improve on `best` (accounts,) and on the bound by a mixed-integer program."""
        touched = cp.Variable(best.size, boolean=True)
        left = self.tuning.integer_seconds
        seconds = left if self.time_limit is None else min(left, self.time_limit)
        model = cp.Problem(
            cp.Minimize(cp.sum(touched)),
            [*self.further, self.fraction <= of_row @ touched, cp.sum(touched) >= bound],
        )
        try:
            solve_model(model, cp.HIGHS, {"mip_rel_gap": 0.0}, time_limit=max(seconds, 1.0))
        except SolverFailed:
            return best, bound
        found = np.asarray(touched.value) > 0.5
        if model.status == cp.OPTIMAL:
            bound = max(bound, float(found.sum()))
        return (found if found.sum() < best.sum() else best), min(bound, float(best.sum()))

    def _solve(self, goal: Any, *extra: cp.Constraint) -> float:
        """Solve with this goal; its value."""
        model = cp.Problem(cp.Minimize(goal), [*self.further, *extra])
        precise = dict.fromkeys(
            ("primal_feasibility_tolerance", "dual_feasibility_tolerance"), self.tuning.precision
        )
        attempts: list[tuple[str | None, dict[str, Any]]] = [(None, {})]
        if self.linear:
            simplex = self.hinges <= self.tuning.simplex_hinges
            attempts.insert(0 if simplex else 1, (cp.HIGHS, precise))
        failure: SolverFailed | None = None
        for solver, options in attempts:
            try:
                solve_model(model, solver, options, time_limit=self.time_limit)
                return float(model.value)
            except SolverFailed as error:
                failure = failure or error
        assert failure is not None
        raise failure

    def _fractions(self) -> FloatArray:
        return np.asarray(self.fraction.value, dtype=np.float64)

    def _allocation(self) -> FloatArray:
        fraction = np.where(self.allowed, self._fractions(), 0.0)
        return restore_feasibility(self.problem, fraction * self.problem.max_reduction)
