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
from adlopt.methods.shadow_price.pools import build, price_bounds
from adlopt.methods.shadow_price.sampling import sample_sizes, sampled_start
from adlopt.methods.shadow_price.tuning import DEFAULTS, Tuning
from adlopt.methods.shadow_price.warm_start import WarmStart
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
        self.decomposition: Decomposition | None = None  # of the last round
        self.sweeps = self.rounds = 0
        self.interrupted = False
        self.failure = ""

    def solve(self) -> Result:
        problem, tuning = self.problem, self.tuning
        kept = self.warm.take_decomposition(problem) if self.warm is not None else None
        members: list[BoolArray] = []
        if kept is not None:
            members = [one.member for one in kept.objective.tails]
        elif tail.tail_parts(problem):
            losses = scenario_losses(problem, problem.pro_rata())
            pools = np.count_nonzero(self.presolved.linear.count + self.presolved.hinges.count)
            sampled = self.warm is None and sample_sizes(int(pools), tuning)
            spread = tuning.sample_spread if sampled else tuning.tail_spread
            members = tail.candidates(problem, losses, tuning.covered, spread, tuning)
        while True:
            try:
                self._round(members, kept)
            except KeyboardInterrupt:
                self.interrupted = True
            except SolverFailed as error:  # what was found before is still an answer
                self.failure = str(error)
            allocation = self._allocation()
            more = self._further_scenarios(allocation)
            if more is None:
                return self._result(allocation)
            kept, members = None, more

    def _further_scenarios(self, allocation: FloatArray) -> list[BoolArray] | None:
        """The round's scenarios and those that reach a tail at the allocation; None if none is
        missing.
        """
        problem, tuning, last = self.problem, self.tuning, self.decomposition
        if last is None or self.interrupted or time.perf_counter() > self.deadline:
            return None
        members = [one.member for one in last.objective.tails]
        if not members:
            return None
        losses = scenario_losses(problem, allocation)
        beyond = np.maximum(losses - problem.insurance_fund, 0.0)
        value = problem.objective.value(beyond, problem.scenarios.weights)
        found = tail.candidates(problem, losses, 1.0, tuning.tail_spread, tuning)
        grown = [a | b for a, b in zip(members, found, strict=True)]
        complete = all((a == b).all() for a, b in zip(grown, members, strict=True))
        if complete or tail.missed(problem, losses, members) <= tuning.missed * value:
            return None
        return grown

    def _round(self, members: list[BoolArray], kept: Decomposition | None) -> None:
        """Solve the program in which each tail has its member scenarios, as `kept` has already."""
        self.rounds += 1
        if kept is None:
            kept, width = self._decomposition(members, self._state() or self.warm, self.tuning.box)
        else:
            ratio = self.needed / kept.groups.program.needed
            spread = np.abs(kept.outcome.point / np.where(kept.scale > 0, kept.scale, 1.0))
            width = float(spread.max() * np.abs(ratio - 1.0).max())
            width = max(width, self.tuning.least_box)
            kept.require(ratio)
        self.decomposition = kept
        self._run(kept, width, self.tolerance)

    def _run(self, decomposition: Decomposition, width: float, tolerance: float) -> None:
        before = decomposition.sweeps
        try:
            decomposition.run(width, tolerance, report=self.report, deadline=self.deadline)
        finally:
            self.sweeps += decomposition.sweeps - before

    def _decomposition(
        self, members: list[BoolArray], known: WarmStart | None, width: float
    ) -> tuple[Decomposition, float]:
        """All pools from prices and stresses that are known, or from those of samples."""
        groups, objective = self._program(members)
        start = self._start(known, groups, objective.tails)
        if known is None:
            start, width = sampled_start(groups, objective, start, self.tuning, self._run)
            if members and start.losses.size:
                found = self._state_at(groups, start)
                return self._decomposition(self._in_tails(groups, start), found, width)
        size, ones = groups.program.size, np.ones(self.needed.size)
        groups.assign(np.arange(size), np.ones(size), self.tuning.groups)
        return Decomposition(groups, objective, ones, start, self.tuning), width

    def _in_tails(self, groups: Groups, sample: Outcome) -> list[BoolArray]:
        """Scenarios that reach a tail at the combination of a sample."""
        losses, tuning = np.zeros(self.problem.scenarios.weights.size), self.tuning
        losses[groups.live] = sample.losses * groups.program.unit
        return tail.candidates(self.problem, losses, tuning.covered, tuning.tail_spread, tuning)

    def _program(self, members: list[BoolArray]) -> tuple[Groups, Objective]:
        """The program with the scenarios of the base stress and of the tails."""
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
        return groups, Objective(program.constant[live], fixed, tails, equity, market)

    def _start(
        self, known: WarmStart | None, groups: Groups, tails: tuple[tail.Tail, ...]
    ) -> Outcome:
        """Prices and stresses that are known, as far as they fit."""
        price, stresses = np.zeros(self.needed.size), tuple(one.first_stress() for one in tails)
        if known is not None:
            price = known.price[self.problem.reduced_assets] * self.needed / groups.program.unit
            # Prices of another objective or fund may lie beyond this one's bounds.
            price = np.clip(price, -groups.price_scale, groups.price_scale)
            if known.stress.shape == (len(tails), groups.base.size):
                rows = zip(tails, known.stress, strict=True)
                stresses = tuple(one.admissible(row[groups.live]) for one, row in rows)
        return Outcome(np.append(price, sum(stresses, np.zeros(groups.live.size))), stresses)

    def _allocation(self) -> FloatArray:
        """The master's combination; unproven, the better of it and even shares."""
        problem, decomposition = self.problem, self.decomposition
        even = problem.pro_rata()
        if decomposition is None or not decomposition.outcome.theta.size:
            return even
        program = decomposition.groups.program
        best = recover.allocation(problem, program, decomposition.combination())
        proven = decomposition.outcome.proven
        if not proven and objective_value(problem, even) < objective_value(problem, best):
            return even
        return best

    def _state(self) -> WarmStart | None:
        """What the last round leaves for the next one and for the next solve."""
        last = self.decomposition
        if last is None or not np.isfinite(last.outcome.bound):
            return None
        return self._state_at(last.groups, last.outcome, last)

    def _state_at(
        self, groups: Groups, outcome: Outcome, decomposition: Decomposition | None = None
    ) -> WarmStart:
        """Prices per contract and stresses of all scenarios."""
        problem, program = self.problem, groups.program
        price = np.zeros(problem.required.size)
        per_contract = outcome.point[: self.needed.size] * program.unit / program.needed
        price[problem.reduced_assets] = per_contract
        stress = np.zeros((len(outcome.stresses), problem.scenarios.weights.size))
        for row, one in zip(stress, outcome.stresses, strict=True):
            row[groups.live] = one
        return WarmStart(problem, self.presolved, price, stress, decomposition)

    def _result(self, allocation: FloatArray) -> Result:
        state, multipliers, proven = self._state(), None, False
        if state is not None and self.decomposition is not None:
            groups, tails = self.decomposition.groups, self.decomposition.objective.tails
            outcome = self.decomposition.outcome
            proven = outcome.proven
            terms = recover.stressed_terms(self.problem, groups.live, tails, outcome.stresses)
            multipliers = recover.multipliers(groups, outcome.point, *terms)
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
            warm_start=state,
        )
