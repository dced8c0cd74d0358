"""The conic method: the scenario program solved by Clarabel or another solver of cvxpy's.

Any scenario problem, any convex objective, any convex constraint of the user's. Every answer is
judged by its certificate: a solver's word that it is optimal is not relied on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cvxpy as cp
import numpy as np

from adlopt.errors import SolverFailed
from adlopt.methods import sequential_quadratic
from adlopt.methods.cvxpy_solver import solve_model
from adlopt.methods.elliptical_solver import elliptical_form
from adlopt.methods.repair import restore_feasibility, typical_loss
from adlopt.methods.result import Refusal, Result, Settings
from adlopt.methods.scenario_program import Model, Program, build
from adlopt.methods.user_constraints import certified_gap, read_constraints, violation
from adlopt.model.losses import losses_beyond_fund
from adlopt.model.problem import Problem, require_problem
from adlopt.model.problem_facts import NO_PRICES
from adlopt.objectives import ExpectedLoss
from adlopt.objectives.quadratic_model import QuadraticModel
from adlopt.presolve.pairs import Presolved
from adlopt.presolve.pairs import presolve as presolve_pairs
from adlopt.proof.multipliers import Multipliers

if TYPE_CHECKING:
    from adlopt.model.constraints import Constraints

TIGHT = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-9)  # of Clarabel


@dataclass(frozen=True)
class ConicTuning:
    """Numbers of the method."""

    good: float = 1e-7
    """Proven relative gap at which no further attempt is made."""
    large: int = 20_000
    """Hinges. With more, an attempt takes minutes: two are made, not all."""
    violation: float = 1e-6
    """Most by which an answer may violate the user's constraints, relative to their size."""
    units: tuple[float, ...] = (1e-4, 1e-2)
    """Of the largest loss: units of money to try where losses differ by many orders."""


TUNING = ConicTuning()
Gap = Callable[[Result], float]


@dataclass(frozen=True, eq=False)
class Conic:
    """The plan: a cvxpy program."""

    problem: Problem

    def solve(self, settings: Settings) -> Result:
        return solve(
            self.problem,
            constraints=settings.constraints,
            solver=settings.solver,
            presolve=settings.presolve,
            options=dict(settings.options),
            time_limit=settings.time_limit,
            gap=settings.gap,
        )


def plan(problem: Problem) -> Conic | Refusal:
    """The plan of this method, or why there is none."""
    return Conic(problem) if problem.prices is not None else Refusal(NO_PRICES, "give prices=...")


def to_cvxpy(problem: Problem, *, presolve: bool = True) -> Model:
    """The problem as a real cvxpy.Problem, to be changed and solved at will.

    Parameters
    ----------
    problem : Problem
    presolve : bool
        Drop pool-scenario pairs that never cost. Exact for every allocation within the boxes,
        whatever constraints are added.

    Returns
    -------
    Model
        A cvxpy.Problem with the expressions `allocation` (e,) in contracts and `loss` (S,) in
        money, and the table `positions`.

    Raises
    ------
    NotApplicable
        The problem has no price model.

    Examples
    --------
    >>> import adlopt as adl
    >>> model = adl.to_cvxpy(adl.synthetic.problem(20, 2, scenarios=50, seed=0))
    >>> model.is_dcp(), model.allocation.shape == (len(model.positions),)
    (True, True)
    """
    require_problem("to_cvxpy", problem)
    return build(problem, presolved=presolve_pairs(problem, enabled=presolve), merge=False).model


def solve(
    problem: Problem,
    *,
    constraints: Constraints | Sequence[Constraints] = (),
    solver: str | None = None,
    presolve: bool = True,
    options: dict[str, Any] | None = None,
    time_limit: float | None = None,
    gap: Callable[[Result], float] | None = None,
    tuning: ConicTuning = TUNING,
) -> Result:
    """Solve by Clarabel, or by any installed cvxpy solver named, with further constraints of the
    user's.

    Attempts are made until the gap that `gap` proves of an answer (by default, its certificate's)
    is small; the best is returned. Raises SolverFailed if no attempt gives an answer that keeps the
    user's constraints.
    """
    search = _Search(problem, constraints, presolve, time_limit, gap, tuning)
    if solver is not None or options:
        search.attempt(typical_loss(problem), solver, options or {})
        return search.answer()
    if problem.objective.cone == "exponential" and sequential_quadratic.applies(problem):
        search.by_sequential_quadratic()
    large = search.presolved.hinges.pool.size > tuning.large
    for tries, (unit, name, further) in enumerate(_attempts(problem, tuning)):
        if search.done or (large and tries >= 2 and search.best is not None):
            break
        search.attempt(unit, name, further)
    return search.answer()


class _Search:
    """Attempts at one problem, and the best answer among them."""

    def __init__(
        self,
        problem: Problem,
        constraints: Constraints | Sequence[Constraints],
        presolve: bool,
        time_limit: float | None,
        gap: Callable[[Result], float] | None,
        tuning: ConicTuning,
    ) -> None:
        self.problem, self.constraints, self.tuning = problem, constraints, tuning
        self.presolved = presolve_pairs(problem, enabled=presolve)
        self.merge = presolve and not constraints
        self.deadline = None if time_limit is None else time.perf_counter() + time_limit
        self.gap: Gap = gap or certified_gap(problem, constraints)
        self.best: Result | None = None
        self.best_gap = np.inf
        self.failure: SolverFailed | None = None

    @property
    def seconds_left(self) -> float | None:
        return None if self.deadline is None else self.deadline - time.perf_counter()

    @property
    def out_of_time(self) -> bool:
        return self.deadline is not None and time.perf_counter() >= self.deadline

    @property
    def done(self) -> bool:
        return self.out_of_time or self.best_gap <= self.tuning.good

    def attempt(self, unit: float, solver: str | None, options: dict[str, Any]) -> None:
        """One program, in one unit of money, by one solver."""
        try:
            self.offer(self.run(unit, solver, options)[1])
        except SolverFailed as error:
            self.failure = self.failure or error

    def run(
        self,
        unit: float,
        solver: str | None,
        options: dict[str, Any],
        models: dict[int, QuadraticModel] | None = None,
    ) -> tuple[Program, Result]:
        """A solved program and its answer; SolverFailed if there is none."""
        left = self.seconds_left
        if left is not None and left <= 0:
            raise SolverFailed("no answer within the time limit; allow more seconds")
        program = build(
            self.problem, presolved=self.presolved, merge=self.merge, unit=unit, models=models
        )
        further = (
            read_constraints(self.constraints, program.model.allocation) if self.constraints else []
        )
        model: cp.Problem = program.model
        if further:
            model = cp.Problem(model.objective, model.constraints + further)
        solve_model(model, solver, options, time_limit=left)
        result = _result(self.problem, program)
        excess = violation(self.problem, result.allocation, self.constraints)
        if excess > self.tuning.violation:
            raise SolverFailed(
                f"{solver or cp.CLARABEL}: its answer violates your constraints by {excess:.1e} of "
                "their size; try another solver, or state them in similar units"
            )
        return program, result

    def offer(self, result: Result) -> None:
        """Keep the result if it is the best so far."""
        proven = self.gap(result)
        if self.best is None or proven < self.best_gap:
            self.best, self.best_gap = result, proven

    def by_sequential_quadratic(self) -> None:
        """Improve the optimum of the expected loss by quadratic programs (Clarabel's)."""
        mean = self.problem.with_changes(objective=ExpectedLoss())
        unit = typical_loss(self.problem)

        def step(models: dict[int, QuadraticModel]) -> tuple[Program, Result]:
            return self.run(unit, None, TIGHT, models)

        try:
            start = solve(
                mean,
                constraints=self.constraints,
                presolve=self.merge or bool(self.constraints),
                time_limit=self.seconds_left,
            )._replace(multipliers=None)
        except SolverFailed as error:
            self.failure = error
            return
        self.offer(sequential_quadratic.solve(self.problem, start, step, self.gap))

    def answer(self) -> Result:
        """The best answer, or SolverFailed."""
        late = self.out_of_time and self.best_gap > self.tuning.good
        if self.best is None and late and not self.constraints:
            self.best = Result(self.problem.pro_rata())
        if self.best is None:
            assert self.failure is not None
            raise self.failure
        return self.best._replace(out_of_time=late)


def _attempts(
    problem: Problem, tuning: ConicTuning
) -> Iterator[tuple[float, str | None, dict[str, Any]]]:
    """Units of money, solvers and options to try in turn until an answer is accurate.

    Losses that differ by many orders, as in strata of heavy tails, stall Clarabel in units of the
    typical one. A simplex method does not mind, and cones get by in units of larger losses.
    Exponential cones stall in some units and at long steps towards their boundary, and are solved
    in others.
    """
    unit, cone = typical_loss(problem), problem.objective.cone
    losses = losses_beyond_fund(problem, None)
    risk = problem.objective.value(losses, problem.scenarios.weights)
    if cone == "exponential":
        steps: list[dict[str, Any]] = [TIGHT, {}, {"max_step_fraction": 0.9}]
        yield from ((each, None, step) for step in steps for each in (max(risk, unit), unit))
        return
    yield unit, None, {}
    if cone == "linear":
        yield unit, cp.HIGHS, {}
    if risk > unit:
        yield risk, None, {}
    for share in tuning.units:
        if losses.max() * share > unit:
            yield float(losses.max()) * share, None, {}


def _result(problem: Problem, program: Program) -> Result:
    details: dict[str, Any] = {"presolve": str(program.presolved)}
    if problem.closed_form is not None:
        drawn = problem.scenarios.weights.size
        details["scenarios"] = (
            f"solved on {drawn:,} scenarios, but valued and certified in closed form: more points "
            "narrow the gap"
            + (", method='shadow_price' needs none" if elliptical_form(problem) is not None else "")
        )
    return Result(
        allocation=restore_feasibility(problem, np.asarray(program.model.allocation.value)),
        multipliers=program.multipliers(problem),
        details=details,
    )


def compile_sweep(problem: Problem, swept: str) -> Callable[[Problem, float], Result]:
    """A function that solves variants of the problem, each at its point of a sweep, by one compiled
    program.

    Where that program is not accurate, the variant is solved alone; so is every variant whose
    objective needs exponential cones.
    """
    if problem.objective.cone == "exponential":
        return lambda variant, _: solve(variant)
    presolved = presolve_pairs(problem)
    program = build(problem, presolved=presolved, merge=True, swept=swept)

    def solve_at(variant: Problem, point: float) -> Result:
        if swept == "multiple":
            value = float(np.abs(variant.required).sum() / np.abs(problem.required).sum())
        elif swept == "insurance_fund":
            value = point / program.unit
        else:
            value = 1.0 / (1.0 - point)
        program.model.param_dict[swept].value = value
        try:
            solve_model(program.model, None, {})
        except SolverFailed:  # in this unit; others may do
            return solve(variant)
        result = _result(variant, program)
        gap = certified_gap(variant, ())
        proven = gap(result)
        if proven <= TUNING.good:
            return result
        alone = solve(variant)
        return alone if gap(alone) < proven else result

    return solve_at


def multipliers_around(problem: Problem, local: Presolved) -> Multipliers | None:
    """Multipliers of the program that keeps only the hinges of `local`; None if it cannot be
    solved.
    """
    program = build(problem, presolved=local, merge=True)
    try:
        solve_model(program.model, None, {})
    except SolverFailed:
        return None
    return program.multipliers(problem)
