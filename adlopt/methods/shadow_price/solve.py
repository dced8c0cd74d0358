"""The method from a problem to a proven allocation: presolve, samples, decomposition, recovery."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from adlopt._internal.arrays import BoolArray, FloatArray
from adlopt._internal.progress import Progress
from adlopt.errors import SolverFailed
from adlopt.methods import elliptical_solver
from adlopt.methods.result import Plan, Refusal, Result, Settings
from adlopt.methods.shadow_price import recover, tail
from adlopt.methods.shadow_price.decomposition import Decomposition, Objective, Outcome
from adlopt.methods.shadow_price.groups import Groups
from adlopt.methods.shadow_price.market_groups import market_groups
from adlopt.methods.shadow_price.pools import PoolProgram, build, price_bounds
from adlopt.methods.shadow_price.sampled_start import sampled_start
from adlopt.methods.shadow_price.tuning import DEFAULTS, Tuning
from adlopt.methods.shadow_price.warm_start import Level, WarmStart
from adlopt.model.losses import objective_value, scenario_losses
from adlopt.model.problem import Problem
from adlopt.model.problem_facts import NO_PRICES
from adlopt.presolve.pairs import presolve


@dataclass(frozen=True, eq=False)
class ShadowPrice:
    """The plan: a decomposition of the scenario program."""

    problem: Problem
    tuning: Tuning = DEFAULTS

    def solve(self, settings: Settings) -> Result:
        """Solve until the gap is closed or the time is up; the best allocation found by then."""
        started = time.perf_counter()
        limit = np.inf if settings.time_limit is None else settings.time_limit
        warm = settings.start.warm_start if settings.start is not None else None
        with Progress("shadow prices") as progress:
            progress.report("presolve")
            tolerance = min(settings.tolerance, self.tuning.tolerance)
            warm = warm if isinstance(warm, WarmStart) else None
            return _Run(
                self.problem, tolerance, started + limit, self.tuning, progress.report, warm
            ).solve()


@dataclass(frozen=True, eq=False)
class EllipticalPlan:
    """The plan where pool losses have a closed form."""

    problem: Problem
    form: Any

    def solve(self, settings: Settings) -> Result:
        return elliptical_solver.solve(self.problem, self.form, tolerance=settings.tolerance)


def plan(problem: Problem) -> Plan | Refusal:
    """The plan of this method, or why there is none."""
    if problem.prices is None:
        return Refusal(NO_PRICES, "give prices=...")
    form = elliptical_solver.elliptical_form(problem)
    selling = problem.market is not None
    if selling and (form is not None or tail.parts(problem.objective) is None):
        return Refusal(ONLY_POLYHEDRAL, "use method='conic'")
    if selling and not problem.eligible.size:
        return Refusal("there is no account to reduce", "use method='conic'")
    if form is not None:
        return EllipticalPlan(problem, form)
    if tail.parts(problem.objective) is None:
        from adlopt.methods.shadow_price.conic_solve import ConicDecompositionPlan

        return ConicDecompositionPlan(problem)
    if find_spec("highspy") is None:
        return Refusal("its linear programs need HiGHS", "install highspy, or use method='conic'")
    return ShadowPrice(problem)


Tails = tuple[tail.Tail, ...]
ONLY_POLYHEDRAL = (
    "with a market it takes expected loss, CVaR, Spectral, WorstCase and their sums over scenarios"
)


class _Run:
    """One solve: rounds of scenario generation, each a decomposition."""

    def __init__(
        self,
        problem: Problem,
        tolerance: float,
        deadline: float,
        tuning: Tuning,
        report: Callable[[str], None],
        warm: WarmStart | None,
    ) -> None:
        self.problem, self.tolerance, self.tuning = problem, tolerance, tuning
        self.deadline, self.report, self.warm = deadline, report, warm
        known = warm.presolved_for(problem) if warm is not None else None
        self.presolved = presolve(problem) if known is None else known
        self.needed = np.abs(problem.required[problem.reduced_assets])
        self.level: Level | None = None
        self.sweeps = self.rounds = 0
        self.interrupted = False
        self.failure = ""

    def solve(self) -> Result:
        problem, tuning = self.problem, self.tuning
        level = self.warm.take_level(problem) if self.warm is not None else None
        members: list[BoolArray] = []
        if level is not None:
            members = [one.member for one in level.decomposition.objective.tails]
        elif tail.tail_parts(problem):
            losses = scenario_losses(problem, problem.pro_rata())
            members = tail.candidates(problem, losses, tuning.covered, tuning)
        while True:
            try:
                self._round(members, level)
            except KeyboardInterrupt:
                self.interrupted = True
            except SolverFailed as error:  # what was found before is still an answer
                self.failure = str(error)
            level = None
            allocation = self._allocation()
            more = self._further_scenarios(members, allocation)
            if more is None:
                return self._result(allocation)
            members = more

    def _further_scenarios(
        self, members: list[BoolArray], allocation: FloatArray
    ) -> list[BoolArray] | None:
        """Scenarios with those that reach a tail at the allocation; None if none is missing."""
        problem, tuning = self.problem, self.tuning
        if not members or self.interrupted or time.perf_counter() > self.deadline:
            return None
        losses = scenario_losses(problem, allocation)
        beyond = np.maximum(losses - problem.insurance_fund, 0.0)
        value = problem.objective.value(beyond, problem.scenarios.weights)
        found = tail.candidates(problem, losses, 1.0, tuning)
        grown = [a | b for a, b in zip(members, found, strict=True)]
        complete = all((a == b).all() for a, b in zip(grown, members, strict=True))
        if complete or tail.missed(problem, losses, members) <= tuning.missed * value:
            return None
        return grown

    def _round(self, members: list[BoolArray], level: Level | None) -> None:
        """Solve the program in which each tail has its member scenarios."""
        tuning, before = self.tuning, self.level
        self.rounds += 1
        if level is not None:
            self.level = level
            ratio = self.needed / level.required
            spread = np.abs(
                level.decomposition.outcome.point
                / np.where(level.decomposition.scale > 0, level.decomposition.scale, 1.0)
            )
            width = float(spread.max() * np.abs(ratio - 1.0).max())
            level.decomposition.require(ratio)
            self._run(level.decomposition, max(width, tuning.least_box), self.tolerance)
            return
        program, groups, objective, start = self._state_program(members)
        width = tuning.box
        if before is not None:
            self._start_from(start, before, groups, objective.tails)
        elif self.warm is not None:
            self._start_warm(start, groups, objective.tails)
        else:
            start, width = sampled_start(groups, objective, start, tuning, self._run)
        groups.assign(np.arange(program.size), np.ones(program.size), tuning.groups)
        ones = np.ones(self.needed.size)
        decomposition = Decomposition(groups, objective, ones, start, tuning)
        self.level = Level(program, groups, groups.live, decomposition, self.needed)
        self._run(decomposition, width, self.tolerance)

    def _run(self, decomposition: Decomposition, width: float, tolerance: float) -> None:
        before = decomposition.sweeps
        try:
            decomposition.run(width, tolerance, report=self.report, deadline=self.deadline)
        finally:
            self.sweeps += decomposition.sweeps - before

    def _state_program(
        self, members: list[BoolArray]
    ) -> tuple[PoolProgram, Groups, Objective, Outcome]:
        """The program with the scenarios of the base stress and of the tails; where to start."""
        problem, tuning = self.problem, self.tuning
        base = tail.base_stress(problem)
        live_mask = np.logical_or.reduce([np.zeros(base.size, dtype=bool), *members])
        live = np.flatnonzero(live_mask)
        program = build(problem, self.presolved, tuning, live_mask | (base > 0))
        tails = tail.tails(problem, live, members, program.unit)
        cap = sum((one.cap for one in tails), np.zeros(live.size))
        market = market_groups(problem, program.unit)
        bounds = np.maximum(price_bounds(problem, program), market.least_price)
        groups = Groups(program, base, live, bounds, cap, tuning)
        equity = float(problem.book.equity[problem.book.solvent].sum()) / program.unit
        fixed = float(base @ program.constant) + market.fixed
        objective = Objective(program.constant[live], fixed, tails, equity, market)
        stresses = tuple(one.first_stress() for one in tails)
        point = np.append(np.zeros(bounds.size), sum(stresses, np.zeros(live.size)))
        return program, groups, objective, Outcome(point, stresses)

    def _start_from(self, start: Outcome, before: Level, groups: Groups, tails: Tails) -> None:
        """Prices and stresses of the round before; new scenarios start without stress."""
        outcome = before.decomposition.outcome
        full = np.zeros((len(tails), self.presolved.constant.size))
        full[:, before.live] = np.reshape(outcome.stresses, (len(tails), before.live.size))
        self._set_start(start, outcome.point[: self.needed.size], full, groups, tails)

    def _start_warm(self, start: Outcome, groups: Groups, tails: Tails) -> None:
        """Prices and stresses of an earlier solve, as far as they fit."""
        assert self.warm is not None
        per_unit = self.needed / groups.program.unit
        price = self.warm.price[self.problem.reduced_assets] * per_unit
        # Prices of another objective or fund may lie beyond this one's bounds.
        price = np.clip(price, -groups.price_scale, groups.price_scale)
        stress = self.warm.stress
        if stress.shape != (len(tails), self.presolved.constant.size):
            start.point[: price.size] = price
            return
        self._set_start(start, price, stress, groups, tails)

    def _set_start(
        self, start: Outcome, price: FloatArray, stress: FloatArray, groups: Groups, tails: Tails
    ) -> None:
        start.stresses = tuple(
            one.admissible(row[groups.live]) for one, row in zip(tails, stress, strict=True)
        )
        start.point = np.append(price, sum(start.stresses, np.zeros(groups.live.size)))

    def _allocation(self) -> FloatArray:
        """The master's combination; unproven, the better of it and even shares."""
        problem, level = self.problem, self.level
        even = problem.pro_rata()
        if level is None or not level.decomposition.outcome.theta.size:
            return even
        found = level.decomposition.outcome
        y = recover.combine(
            level.groups, found.theta, found.group, found.sweep, level.decomposition.answers
        )
        best = recover.allocation(problem, level.program, y)
        if not found.proven and objective_value(problem, even) < objective_value(problem, best):
            return even
        return best

    def _result(self, allocation: FloatArray) -> Result:
        problem, level = self.problem, self.level
        multipliers = warm = None
        proven = False
        if level is not None and np.isfinite(level.decomposition.outcome.bound):
            outcome, tails = level.decomposition.outcome, level.decomposition.objective.tails
            proven = outcome.proven
            terms, uncovered = recover.stressed_terms(problem, level.live, tails, outcome.stresses)
            multipliers = recover.multipliers(level.groups, outcome.point, terms, uncovered)
            price = np.zeros(problem.required.size)
            per_contract = outcome.point[: self.needed.size] * level.program.unit / level.required
            price[problem.reduced_assets] = per_contract
            stress = np.zeros((len(tails), problem.scenarios.weights.size))
            stress[:, level.live] = np.reshape(outcome.stresses, (len(tails), level.live.size))
            warm = WarmStart(problem, self.presolved, price, stress, level)
        return Result(
            allocation=allocation,
            multipliers=multipliers,
            details={
                "presolve": str(self.presolved),
                "algorithm": "decomposition by groups of pools",
                "sweeps": self.sweeps,
                "rounds": self.rounds,
                **({"stopped": self.failure} if self.failure else {}),
            },
            out_of_time=self.interrupted or (not proven and time.perf_counter() > self.deadline),
            warm_start=warm,
        )
