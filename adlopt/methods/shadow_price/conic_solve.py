"""From a problem with any convex objective to a proven allocation: start, decomposition, polish."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt._internal.progress import Progress
from adlopt.errors import SolverFailed
from adlopt.methods.repair import typical_loss
from adlopt.methods.result import Result, Settings
from adlopt.methods.shadow_price import recover
from adlopt.methods.shadow_price.conic_decomposition import ConicDecomposition, DualPoint
from adlopt.methods.shadow_price.conic_tuning import CONIC_MASTER_DEFAULTS, ConicMasterTuning
from adlopt.methods.shadow_price.conic_warm_start import ConicWarmStart, adapted
from adlopt.methods.shadow_price.decomposition import Decomposition
from adlopt.methods.shadow_price.groups import Groups
from adlopt.methods.shadow_price.linear_start import LinearSolver
from adlopt.methods.shadow_price.pools import PoolProgram, build, price_bounds
from adlopt.methods.shadow_price.tuning import DEFAULTS, Tuning
from adlopt.methods.shadow_price.warm_start import WarmStart
from adlopt.model.losses import losses_beyond_fund, objective_value
from adlopt.model.problem import Problem
from adlopt.objectives import Custom
from adlopt.presolve.pairs import Presolved, presolve
from adlopt.proof.multipliers import Multipliers

LAST = -1  # number of the polish among the answers, which has no columns


@dataclass(frozen=True, eq=False)
class ConicDecompositionPlan:
    """The plan for an objective that no linear master can take."""

    problem: Problem
    tuning: ConicMasterTuning = CONIC_MASTER_DEFAULTS
    pool_tuning: Tuning = DEFAULTS

    def solve(self, settings: Settings) -> Result:
        """Solve until the gap is closed or the time is up; the best allocation found by then."""
        return solve(self.problem, settings, self.tuning, self.pool_tuning)


def solve(
    problem: Problem,
    settings: Settings,
    tuning: ConicMasterTuning = CONIC_MASTER_DEFAULTS,
    pool_tuning: Tuning = DEFAULTS,
) -> Result:
    """`ConicDecompositionPlan.solve` with other numbers."""
    started = time.perf_counter()
    deadline = started + (np.inf if settings.time_limit is None else settings.time_limit)
    warm = settings.start.warm_start if settings.start is not None else None
    warm = warm if isinstance(warm, WarmStart) else None
    with Progress("shadow prices") as progress:
        progress.report("presolve")
        presolved = warm.presolved_for(problem) if warm is not None else None
        if presolved is None:
            presolved = presolve(problem)
        run = _Run(problem, presolved, tuning, pool_tuning, progress.report, deadline, warm)
        return run.solve(min(settings.tolerance, tuning.tolerance))


class _Run:
    """One solve."""

    def __init__(
        self,
        problem: Problem,
        presolved: Presolved,
        tuning: ConicMasterTuning,
        pool_tuning: Tuning,
        report: Callable[[str], None],
        deadline: float,
        warm: WarmStart | None = None,
    ) -> None:
        self.problem, self.presolved, self.warm = problem, presolved, warm
        self.tuning, self.pool_tuning = tuning, pool_tuning
        self.report, self.deadline = report, deadline
        weights = problem.scenarios.weights
        # Only a function of the losses alone counts scenarios of probability zero.
        own = any(isinstance(term, Custom) for _, term in problem.objective.terms)
        self.live = np.arange(weights.size) if own else np.flatnonzero(weights)
        self.kept: ConicDecomposition | None = None
        if isinstance(warm, ConicWarmStart):
            self.kept = warm.take_conic(problem, self.live, tuning.groups)
        self.program = self._program() if self.kept is None else self.kept.groups.program
        needed = np.abs(problem.required[problem.reduced_assets])
        self.required = needed / self.program.needed
        self.weights = weights[self.live]
        book = problem.book
        self.equity = float(book.equity[book.solvent].sum())
        self.linear = LinearSolver(
            problem, self.program, self.required, self.equity, pool_tuning, report, deadline
        )
        self.decomposition: ConicDecomposition | None = None
        self.linear_start: Decomposition | None = None
        self.interrupted = False

    def _program(self) -> PoolProgram:
        """The program with pairs in the live scenarios."""
        member = np.zeros(self.problem.scenarios.weights.size, dtype=bool)
        member[self.live] = True
        return build(self.problem, self.presolved, self.pool_tuning, member)

    def solve(self, tolerance: float) -> Result:
        try:
            start = self._start()
            assert self.decomposition is not None
            self.decomposition.run(start, tolerance)
            if not self.decomposition.outcome.proven and time.perf_counter() < self.deadline:
                self._polish(self.decomposition)
        except KeyboardInterrupt:
            self.interrupted = True
        except SolverFailed:  # of a master: what was found before is still an answer
            pass
        return self._result()

    # ------------------------------------------------------------------ start

    def _start(self) -> DualPoint:
        """Expected loss, the objective's subgradient there, and expected loss under it (eq. 26).

        The combinations of both are the master's first columns, so that it is feasible from the
        first sweep; bounds, scales and prices come from the second. Columns of an earlier solve
        take the place of the first.
        """
        problem, program, tuning = self.problem, self.program, self.tuning
        price, kept, combinations = None, self.kept, []
        if self.warm is not None:
            price = self.warm.price[problem.reduced_assets] * program.needed / program.unit
        if kept is None:
            self.report("expected loss")
            first = self.linear.solve(problem.scenarios.weights, tuning.first, price=price)
            self.linear_start = first
            combinations.append(first.combination())
            groups, price = first.groups, first.outcome.point
        else:
            groups = kept.groups
            combinations.append(adapted(kept.combination(), groups, self.required))
        stress = self._stress(recover.allocation(problem, program, combinations[0]))
        self.report("expected loss under stress")
        second = self.linear.solve(stress, tuning.first, groups, price)
        self.linear_start = second
        combinations.append(second.combination())
        unit = typical_loss(problem) / program.unit
        self.decomposition = self._decomposition(self._groups(stress, second.groups), unit)
        if kept is not None:
            self.decomposition.take_columns(kept)
        losses = self.decomposition.offer_combinations(combinations)
        return self.decomposition.dual_point(second.outcome.point / unit, losses, None)

    def _stress(self, allocation: FloatArray) -> FloatArray:
        """(S,) subgradient of the objective at an allocation."""
        losses = losses_beyond_fund(self.problem, allocation)[self.live]
        stress = np.zeros(self.problem.scenarios.weights.size)
        for factor, term in self.problem.objective.terms:
            stress[self.live] += factor * term.subgradient(losses, self.weights)
        return stress

    def _groups(self, stress: FloatArray, before: Groups) -> Groups:
        """Groups whose stresses all move, from the vertices of `before`."""
        program, weights = self.program, self.problem.scenarios.weights
        bounds = price_bounds(self.problem, program, stress)
        # Prices of exhausted assets stand at twice their bound, which must hold for all stresses.
        worst = np.abs(program.pools.moves).max(axis=0) * max(float(stress.sum()), 1.0)
        needed = program.needed / program.unit
        bounds = np.where(program.exhausted, needed * worst, bounds)
        scale = np.maximum(weights, stress)[self.live]
        groups = Groups(program, np.zeros(stress.size), self.live, bounds, scale, self.pool_tuning)
        groups.state.active[:] = before.state.active
        groups.assign(np.arange(program.size), np.ones(program.size), self.tuning.groups)
        return groups

    def _decomposition(self, groups: Groups, unit: float) -> ConicDecomposition:
        problem, program = self.problem, self.program
        money = unit * program.unit
        return ConicDecomposition(
            groups,
            self.required,
            program.constant[self.live],
            tuple((factor, term.scaled(money)) for factor, term in problem.objective.terms),
            self.weights,
            fund=problem.insurance_fund / money if problem.insurance_fund > 0 else None,
            unit=unit,
            equity=self.equity / money,
            tuning=self.tuning,
            report=self.report,
            deadline=self.deadline,
        )

    # ------------------------------------------------------------------ end

    def _polish(self, decomposition: ConicDecomposition) -> None:
        """Exact prices for the best stresses, by one more linear solve (eq. 27).

        The master's dual variables are accurate to Clarabel's tolerance only.
        """
        dual = decomposition.outcome.dual
        if dual is None:
            return
        stress = np.zeros(self.problem.scenarios.weights.size)
        stress[self.live] = dual.stress(decomposition.factors)
        price = dual.price * decomposition.unit
        exact = self.linear.solve(stress, self.tuning.polish, decomposition.groups, price)
        decomposition.offer(dual.at_price(exact.outcome.point / decomposition.unit), LAST)

    def _result(self) -> Result:
        decomposition = self.decomposition
        proven = decomposition is not None and decomposition.outcome.proven
        late = time.perf_counter() > self.deadline
        return Result(
            allocation=self._allocation(),
            multipliers=None if decomposition is None else self._multipliers(decomposition),
            details={
                "presolve": str(self.presolved),
                "algorithm": "decomposition with a conic master",
                "sweeps": 0 if decomposition is None else decomposition.outcome.sweeps,
            },
            out_of_time=self.interrupted or (not proven and late),
            warm_start=self._warm_start(),
        )

    def _warm_start(self) -> WarmStart | None:
        """Prices and stresses for the next solve."""
        decomposition, problem = self.decomposition, self.problem
        if decomposition is None or decomposition.outcome.dual is None:
            return None
        dual = decomposition.outcome.dual
        stress = np.zeros((1, problem.scenarios.weights.size))
        stress[0, self.live] = dual.stress(decomposition.factors)
        price = np.zeros(problem.required.size)
        money = decomposition.unit * self.program.unit
        price[problem.reduced_assets] = dual.price * money / self.program.needed
        return ConicWarmStart(problem, self.presolved, price, stress, None, conic=decomposition)

    def _allocation(self) -> FloatArray:
        """The best of the master's combination, the start, and even shares."""
        problem, candidates = self.problem, [self.problem.pro_rata()]
        decomposition = self.decomposition
        if decomposition is not None and decomposition.outcome.theta.size:
            y = decomposition.combination()
            best = recover.allocation(problem, self.program, y)
            if decomposition.outcome.proven:
                return best
            candidates.append(best)
        if self.linear_start is not None and self.linear_start.outcome.theta.size:
            y = self.linear_start.combination()
            candidates.append(recover.allocation(problem, self.program, y))
        return min(candidates, key=lambda each: objective_value(problem, each))

    def _multipliers(self, decomposition: ConicDecomposition) -> Multipliers | None:
        dual = decomposition.outcome.dual
        if dual is None:
            return None
        size = self.problem.scenarios.weights.size
        terms = []
        for w in dual.terms:
            terms.append(np.zeros(size))
            terms[-1][self.live] = w
        uncovered = np.ones(size)
        uncovered[self.live] = dual.uncovered
        point = np.append(dual.price * decomposition.unit, dual.stress(decomposition.factors))
        return recover.multipliers(decomposition.groups, point, tuple(terms), uncovered)
