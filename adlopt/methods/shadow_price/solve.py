"""The method from a problem to a proven allocation: presolve, samples, decomposition, recovery."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt._internal.progress import Progress
from adlopt.errors import SolverFailed
from adlopt.methods import elliptical_solver
from adlopt.methods.result import Refusal, Result, Settings
from adlopt.methods.shadow_price import recover, tail
from adlopt.methods.shadow_price.decomposition import Decomposition, Objective, Outcome
from adlopt.methods.shadow_price.groups import Groups
from adlopt.methods.shadow_price.pools import PoolProgram, build, price_bounds
from adlopt.methods.shadow_price.sampling import draw, sample_sizes
from adlopt.methods.shadow_price.tuning import DEFAULTS, Tuning
from adlopt.model.losses import objective_value, scenario_losses
from adlopt.model.problem import NO_PRICES, Problem
from adlopt.presolve.pairs import Presolved, presolve


@dataclass(frozen=True, eq=False)
class ShadowPrice:
    """The plan: a decomposition of the scenario program."""

    problem: Problem
    tuning: Tuning = DEFAULTS
    presolved: Presolved | None = None

    def solve(self, settings: Settings) -> Result:
        return solve(self.problem, settings, self.presolved, self.tuning)


@dataclass(frozen=True, eq=False)
class EllipticalPlan:
    """The plan where pool losses have a closed form."""

    problem: Problem
    form: Any

    def solve(self, settings: Settings) -> Result:
        return elliptical_solver.solve(self.problem, self.form, tolerance=settings.tolerance)


def plan(problem: Problem) -> ShadowPrice | EllipticalPlan | Refusal:
    """The plan of this method, or why there is none."""
    if problem.prices is None:
        return Refusal(NO_PRICES, "give prices=...")
    if problem.market is not None:
        return Refusal("it does not sell in a market", "use method='conic'")
    form = elliptical_solver.radial(problem)
    if form is not None:
        return EllipticalPlan(problem, form)
    if tail.parts(problem.objective) is None:
        return Refusal(
            f"the objective {problem.objective} is not a sum of expected loss, CVaRs, spectral "
            "measures and worst case",
            "use method='conic'",
        )
    return ShadowPrice(problem)


@dataclass(eq=False)
class Level:
    """One round: the program over the live scenarios, and how its decomposition ended."""

    program: PoolProgram
    groups: Groups
    objective: Objective
    live: IntArray
    outcome: Outcome


def solve(
    problem: Problem,
    settings: Settings,
    presolved: Presolved | None = None,
    tuning: Tuning = DEFAULTS,
) -> Result:
    """Solve until the gap is closed or the time is up; the best allocation found by then."""
    started = time.perf_counter()
    deadline = started + (np.inf if settings.time_limit is None else settings.time_limit)
    with Progress("shadow prices") as progress:
        progress.report("presolve")
        presolved = presolve(problem) if presolved is None else presolved
        run = _Run(problem, presolved, settings.tolerance, deadline, tuning, progress)
        return run.solve()


class _Run:
    """One solve: its rounds of scenario generation."""

    def __init__(
        self,
        problem: Problem,
        presolved: Presolved,
        tolerance: float,
        deadline: float,
        tuning: Tuning,
        progress: Progress,
    ) -> None:
        self.problem, self.presolved, self.tuning = problem, presolved, tuning
        self.tolerance = min(tolerance, tuning.tolerance)
        self.deadline, self.progress = deadline, progress
        self.level: Level | None = None
        self.sweeps = self.rounds = self.pivot_limit = 0
        self.interrupted = False
        book = problem.book
        self.equity = float(book.equity[book.solvent].sum())

    def solve(self) -> Result:
        problem, tuning = self.problem, self.tuning
        members = []
        if tail.tail_parts(problem):
            losses = scenario_losses(problem, problem.pro_rata())
            members = tail.candidates(problem, losses, tuning.covered, tuning)
        while True:
            try:
                self._round(members)
            except KeyboardInterrupt:
                self.interrupted = True
            except SolverFailed:  # of the master: what was found before is still an answer
                pass
            allocation = self._allocation()
            if not members or self.level is None or not self.level.outcome.proven:
                break
            losses = scenario_losses(problem, allocation)
            value = problem.objective.value(
                np.maximum(losses - problem.insurance_fund, 0.0), problem.scenarios.weights
            )
            more = tail.candidates(problem, losses, 1.0, tuning)
            grown = [a | b for a, b in zip(members, more, strict=True)]
            complete = all((a == b).all() for a, b in zip(grown, members, strict=True))
            if complete or tail.missed(problem, losses, members) <= tuning.missed * value:
                break
            members = grown
        return self._result(allocation)

    def _round(self, members: list[BoolArray]) -> None:
        """Solve the program in which each tail has its member scenarios."""
        problem, tuning, before = self.problem, self.tuning, self.level
        self.rounds += 1
        self.progress.report(f"round {self.rounds}")
        base = tail.base_stress(problem)
        member = np.logical_or.reduce([base > 0, *members])
        live = np.flatnonzero(np.logical_or.reduce([np.zeros(base.size, bool), *members]))
        program = build(problem, self.presolved, tuning, member)
        tails = tail.tails(problem, live, members, program.unit)
        groups = Groups(
            program,
            base,
            live,
            price_bounds(problem, program),
            sum((one.cap for one in tails), np.zeros(live.size)),
            tuning,
        )
        objective = Objective(
            program.constant[live],
            float(base @ program.constant),
            tails,
            self.equity / program.unit,
        )
        stresses = tuple(_first_stress(one) for one in tails)
        point = np.append(np.zeros(groups.price_scale.size), sum(stresses, np.zeros(live.size)))
        self.level = Level(program, groups, objective, live, Outcome(point, stresses=stresses))
        width = tuning.box
        if before is None:
            width = self._sampled_start(self.level, width)
        else:
            self._start_from(self.level, before)
        everyone, R = np.arange(program.size), groups.price_scale.size
        outcome = self.level.outcome
        self.level.outcome = Outcome(outcome.point, stresses=outcome.stresses)
        groups.assign(everyone, np.ones(program.size), tuning.groups)
        self._decompose(self.level, np.ones(R), width, self.tolerance, keep_answers=True)

    def _decompose(
        self, level: Level, required: FloatArray, width: float, tolerance: float, keep_answers: bool
    ) -> None:
        decomposition = Decomposition(
            level.groups,
            level.objective,
            required,
            self.tuning,
            keep_answers=keep_answers,
            report=self.progress.report,
            deadline=self.deadline,
        )
        outcome = level.outcome
        try:
            decomposition.run(outcome.point, width, tolerance, outcome)
        finally:
            self.sweeps += outcome.sweeps
            self.pivot_limit += int(level.groups.totals.counts[:, 2].sum())

    def _sampled_start(self, level: Level, width: float) -> float:
        """Prices from nested samples of the pools, and how far to trust them (eq. 15)."""
        tuning, groups, pools = self.tuning, level.groups, level.program.pools
        R, generator = groups.price_scale.size, np.random.default_rng(0)
        available = np.bincount(pools.asset, pools.used, minlength=R)
        for size in sample_sizes(level.program.size, tuning):
            chosen, weight = draw(groups.largest, size, generator)
            groups.assign(chosen, weight, tuning.groups)
            counted = np.zeros(level.program.size)
            counted[chosen] = weight
            drawn = np.bincount(pools.asset, pools.used * counted[level.program.owner], R)
            required = drawn / np.where(available > 0, available, 1.0)
            start = level.outcome
            level.outcome = Outcome(start.point, stresses=start.stresses)
            self._decompose(level, required, width, tuning.sample_tolerance, keep_answers=False)
            spread = np.abs(level.outcome.point[:R] / groups.price_scale).max()
            width = max(spread, tuning.least_box) if not level.live.size else 1.0
            width /= float(np.sqrt(chosen.size))
        return width

    def _start_from(self, level: Level, before: Level) -> None:
        """Prices and stresses of the round before; new scenarios start without stress."""
        R, outcome = level.groups.price_scale.size, before.outcome
        stresses = []
        for stress in outcome.stresses:
            full = np.zeros(self.presolved.constant.size)
            full[before.live] = stress
            stresses.append(full[level.live])
        point = np.append(outcome.point[:R], sum(stresses, np.zeros(level.live.size)))
        level.outcome = Outcome(point, stresses=tuple(stresses))

    def _allocation(self) -> FloatArray:
        """The master's combination; unproven, the better of it and even shares."""
        problem, level = self.problem, self.level
        even = problem.pro_rata()
        if level is None or not level.outcome.theta.size or not level.outcome.snapshots:
            return even
        found = level.outcome
        y = recover.combine(level.groups, found.theta, found.group, found.sweep, found.snapshots)
        best = recover.allocation(problem, level.program, y)
        if not found.proven and objective_value(problem, even) < objective_value(problem, best):
            return even
        return best

    def _result(self, allocation: FloatArray) -> Result:
        level, multipliers = self.level, None
        if level is not None and np.isfinite(level.outcome.bound):
            terms, uncovered = recover.stressed_terms(
                self.problem, level.live, level.objective.tails, level.outcome.stresses
            )
            multipliers = recover.multipliers(level.groups, level.outcome.point, terms, uncovered)
        proven = level is not None and level.outcome.proven
        return Result(
            allocation=allocation,
            multipliers=multipliers,
            details={
                "presolve": str(self.presolved),
                "algorithm": "decomposition by groups of pools",
                "sweeps": self.sweeps,
                "rounds": self.rounds,
            },
            out_of_time=self.interrupted or (not proven and time.perf_counter() > self.deadline),
        )


def _first_stress(one: tail.Tail) -> FloatArray:
    """Stress in proportion to the caps; half of it if a fund may take the rest."""
    total = float(one.cap.sum())
    share = min(one.factor / total, 1.0) if total > 0 else 0.0
    return one.cap * (share if np.isinf(one.least) else share / 2)
