"""Lexicographic optimisation: further criteria, each among the optima of those before it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd

from adlopt._internal.arrays import BoolArray, FloatArray
from adlopt.errors import InputError, NotApplicable
from adlopt.methods.result import Settings
from adlopt.model.allocation import as_table
from adlopt.model.losses import objective_value
from adlopt.model.problem import Problem
from adlopt.model.statement import as_objective
from adlopt.objectives import Objective
from adlopt.prices.protocol import ScenarioSet
from adlopt.proof.certificate import GAP_CLOSED
from adlopt.solving.certification import certify
from adlopt.solving.solution import Solution

RULES = ("fewest_accounts", "smallest_fraction")
"""Criteria that are no risk measure: the fewest accounts touched, and the smallest largest fraction
that anybody loses of a position.
"""


@dataclass(frozen=True)
class StagesTuning:
    """Numbers of the stages."""

    slack: float = 1e-7
    """Relative rise of a criterion that later ones may cause. It lets solvers move at all, and is
    below the tolerance to which values are proven.
    """
    slack_of_unit: float = 1e-9
    """The same for a criterion whose value is zero, as a fraction of the problem's typical loss."""
    bisections: int = 50
    """Steps to bring an answer back within the limits."""


TUNING = StagesTuning()


class _Criterion(NamedTuple):
    name: str
    objective: Objective | None  # None for a rule
    value: float
    bound: float
    slack: float
    seconds: float


def read_criteria(then: Any) -> tuple[Objective | str, ...]:
    """Objectives and names of `RULES`, from one of them or a sequence."""
    single = isinstance(then, str | Objective) or callable(then)
    given = (then,) if single else then
    if not isinstance(given, Iterable):
        raise InputError(
            f"solve: then: {then!r} is not a criterion; use an objective, or one of "
            f"{', '.join(RULES)}"
        )
    return tuple(_read_criterion(one) for one in given)


def _read_criterion(given: Any) -> Objective | str:
    name = given.strip().replace("-", "_") if isinstance(given, str) else None
    return name if name in RULES else as_objective(given)


def solve_stages(
    first: Solution, criteria: tuple[Objective | str, ...], settings: Settings
) -> Solution:
    """The best allocation by further criteria among those as good as the solution by all before.

    As good means within the slack that the table `Solution.stages` states.
    """
    problem = first._problem
    assert problem is not None
    problem.require_prices()
    if problem.market is not None:
        raise NotApplicable("solve: then: further criteria do not apply to a problem with a market")
    if problem.closed_form is not None:
        problem = problem.with_prices(_Known(problem.scenarios))
    return _Stages(problem, first, settings).run(criteria)


class _Stages:
    """The allocation so far, and the criteria it is optimal for."""

    def __init__(self, problem: Problem, first: Solution, settings: Settings) -> None:
        from adlopt.methods.repair import typical_loss

        self.problem, self.first, self.settings = problem, first, settings
        self.started = time.perf_counter()
        self.unit = typical_loss(problem)
        self.allocation = first.allocation["reduction"].to_numpy(dtype=np.float64)
        self.allowed: BoolArray | None = None
        self.largest_fraction: float | None = None
        value = objective_value(problem, self.allocation)
        stated = first.lower_bound is not None and problem is first._problem
        bound = cast(float, first.lower_bound) if stated else np.nan
        self.done = [
            _Criterion(
                str(problem.objective),
                problem.objective,
                value,
                bound,
                self._slack(value),
                first.seconds,
            )
        ]

    def run(self, criteria: tuple[Objective | str, ...]) -> Solution:
        for criterion in criteria:
            started = time.perf_counter()
            if criterion == "fewest_accounts":
                name, objective, (value, bound) = criterion, None, self._fewest_accounts()
            elif criterion == "smallest_fraction":
                name, objective, (value, bound) = criterion, None, self._smallest_fraction()
            else:
                objective = cast(Objective, criterion)
                name, (value, bound) = str(objective), self._risk(objective)
            slack = self._slack(value) if objective is not None else 0.0
            seconds = time.perf_counter() - started
            self.done.append(_Criterion(name, objective, value, bound, slack, seconds))
        return self._solution()

    def _slack(self, value: float) -> float:
        return TUNING.slack * abs(value) + TUNING.slack_of_unit * self.unit

    def _program(self, objective: Objective) -> Any:
        from adlopt.methods.lexicographic import Limit, StageProgram

        limits = [Limit(c.objective, c.value + c.slack) for c in self.done if c.objective]
        left = self.settings.time_limit
        if left is not None:
            left = max(left - (time.perf_counter() - self.started) - self.first.seconds, 1.0)
        return StageProgram(
            self.problem.with_changes(objective=objective),
            limits,
            constraints=self.settings.constraints,
            largest_fraction=self.largest_fraction,
            allowed=self.allowed,
            time_limit=left,
        )

    def _risk(self, objective: Objective) -> tuple[float, float]:
        """Minimise a risk measure; its value and a lower bound."""
        stage = self._program(objective).risk()
        variant = self.problem.with_changes(objective=objective)
        before = objective_value(variant, self.allocation)
        found = self._within_limits(stage.allocation)
        value = objective_value(variant, found)
        if value > before:  # the answer before is the better one
            found, value = self.allocation, before
        bound = self._lagrangian_bound(objective, stage.prices, found)
        self.allocation = found
        return value, min(bound, value)

    def _lagrangian_bound(
        self, objective: Objective, prices: FloatArray, allocation: FloatArray
    ) -> float:
        """Lower bound of the stage from its multipliers; NaN where positions are barred."""
        if self.allowed is not None or self.largest_fraction is not None:
            return np.nan
        total, most = objective, 0.0
        limited = [one for one in self.done if one.objective is not None]
        for price, one in zip(prices, limited, strict=True):
            if price > 0:
                total = total + float(price) * cast(Objective, one.objective)
                most += float(price) * (one.value + one.slack)
        variant = self.problem.with_changes(objective=total)
        proof = certify(variant, allocation, constraints=self.settings.constraints, bound="best")
        return proof.lower_bound - most

    def _smallest_fraction(self) -> tuple[float, float]:
        stage = self._program(self.problem.objective).smallest_fraction()
        self.allocation = self._within_limits(stage.allocation)
        value = float(_fractions(self.problem, self.allocation).max(initial=0.0))
        self.largest_fraction = value + TUNING.slack
        return value, max(min(stage.bound, value), 0.0)

    def _fewest_accounts(self) -> tuple[float, float]:
        before = _accounts_touched(self.problem, self.allocation)
        allowed, bound = self._program(self.problem.objective).fewest_accounts()
        if self.allowed is not None:
            allowed = allowed & self.allowed
        previous, self.allowed = self.allowed, allowed
        found = self._program(self.problem.objective).risk().allocation
        touched = _accounts_touched(self.problem, found)
        if touched < before and self._meets_limits(found):
            self.allocation = found
        else:
            self.allowed = (self.allocation != 0) if previous is None else previous
        value = float(_accounts_touched(self.problem, self.allocation))
        return value, min(bound, value)

    def _meets_limits(self, allocation: FloatArray) -> bool:
        for one in self.done:
            if one.objective is not None:
                variant = self.problem.with_changes(objective=one.objective)
                if objective_value(variant, allocation) > one.value + one.slack:
                    return False
        own = cast(Problem, self.first._problem)
        if own is not self.problem:  # the value in closed form, and not on scenarios alone
            before = cast(float, self.first.value)
            if objective_value(own, allocation) > before + self._slack(before):
                return False
        if self.largest_fraction is not None:
            return bool((_fractions(self.problem, allocation) <= self.largest_fraction).all())
        return True

    def _within_limits(self, allocation: FloatArray) -> FloatArray:
        """The allocation, moved towards the previous one until the limits hold exactly.

        The previous one meets them, and they are convex: bisection finds the last point that does.
        """
        if self._meets_limits(allocation):
            return allocation
        low, high = 0.0, 1.0  # of the way to the new allocation
        for _ in range(TUNING.bisections):
            middle = (low + high) / 2
            inside = self._meets_limits(self.allocation + middle * (allocation - self.allocation))
            low, high = (middle, high) if inside else (low, middle)
        return np.asarray(self.allocation + low * (allocation - self.allocation))

    def _solution(self) -> Solution:
        problem = cast(Problem, self.first._problem)
        value = objective_value(problem, self.allocation)
        bound = cast(float, self.first.lower_bound)
        gap = max(value - bound, 0.0) / max(abs(value), np.finfo(float).tiny)
        if self.first.gap == 0.0 and value - bound <= self.done[0].slack:
            gap = min(gap, TUNING.slack)
        return replace(
            self.first,
            allocation=as_table(problem, self.allocation),
            value=value,
            lower_bound=min(bound, value),
            gap=gap,
            seconds=self.first.seconds + time.perf_counter() - self.started,
            details={**self.first.details, "stages": self._sentence()},
            stages=self._table(),
            _multipliers=None,
        )

    def _table(self) -> pd.DataFrame:
        rows = []
        for one in self.done:
            if one.objective is not None:
                variant = self.problem.with_changes(objective=one.objective)
                final = objective_value(variant, self.allocation)
            elif one.name == "fewest_accounts":
                final = float(_accounts_touched(self.problem, self.allocation))
            else:
                final = float(_fractions(self.problem, self.allocation).max(initial=0.0))
            open_gap = one.value - one.bound
            size = max(abs(one.value), np.finfo(float).tiny)
            gap = 0.0 if open_gap <= GAP_CLOSED * self.unit and one.objective else open_gap / size
            tolerance = self.settings.tolerance + TUNING.slack
            rows.append(
                {
                    "criterion": one.name,
                    "value": one.value,
                    "lower_bound": one.bound,
                    "gap": gap,
                    "slack": one.slack,
                    "final_value": final,
                    "status": "optimal" if gap <= tolerance else "unproven",
                    "seconds": one.seconds,
                }
            )
        return pd.DataFrame(rows).rename_axis("stage")

    def _sentence(self) -> str:
        """What the stages were, in one line."""
        return "then ".join(
            f"{row.criterion} {row.value:.6g} ({row.status}) " for row in self._table().itertuples()
        ).strip()


def _fractions(problem: Problem, allocation: FloatArray) -> FloatArray:
    return np.asarray(allocation / problem.book.size[problem.eligible])


def _accounts_touched(problem: Problem, allocation: FloatArray) -> int:
    return np.unique(problem.book.pool_account[problem.pool[allocation != 0]]).size


class _Known:
    """The scenarios of a problem whose value has a closed form, as a price model."""

    def __init__(self, scenarios: ScenarioSet) -> None:
        self._scenarios = scenarios

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        return self._scenarios
