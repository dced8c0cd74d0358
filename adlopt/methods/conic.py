"""The problem as a cvxpy program: any scenario problem, any convex objective, any convex constraint
of the user's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cvxpy as cp
import numpy as np
import pandas as pd
import scipy.sparse as sp

from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt._internal.quiet import no_banner
from adlopt.errors import InputError, SolverFailed
from adlopt.methods.elliptical_solver import radial
from adlopt.methods.repair import restore_feasibility, typical_loss
from adlopt.methods.result import Refusal, Result, Settings
from adlopt.model.losses import losses_beyond_fund, objective_value
from adlopt.model.problem import NO_PRICES, Problem, require_problem
from adlopt.objectives import CVaR, ExpectedLoss
from adlopt.presolve.pairs import Pairs, Presolved, presolve
from adlopt.proof.multipliers import Multipliers

if TYPE_CHECKING:
    from adlopt.model.constraints import Constraints


SOLVER_TOLERANCE = 1e-8  # Clarabel's own default
UNEVEN, GOOD = (
    1e6,
    1e-7,
)  # largest loss over the typical one; gap at which no further attempt is made
MOST_REPEATED = 20_000  # hinges: with more, an inaccurate answer is not worth further attempts


class Model(cp.Problem):  # type: ignore[misc]
    """A cvxpy.Problem that also knows what its variables mean.

    `allocation` (e,): reductions in contracts, signed, an expression; row by row those of the table
    `positions`.
    `loss` (S,): the exchange's loss by scenario beyond the insurance fund, in money, a convex
    expression.
    Add constraints as with any cvxpy problem: cp.Problem(model.objective, model.constraints +
    [...]).solve().
    """

    def __init__(
        self,
        objective: cp.Minimize,
        constraints: list[cp.Constraint],
        allocation: cp.Expression,
        loss: cp.Expression,
        positions: pd.DataFrame,
    ) -> None:
        super().__init__(objective, constraints)
        self.allocation = allocation
        self.loss = loss
        self.positions = positions

    def solve(self, *arguments: Any, **options: Any) -> Any:
        """As `cvxpy.Problem.solve`; the banner of HiGHS stays off standard output."""
        solver = options.get("solver")
        with no_banner() if _may_print(solver, options) else nullcontext():
            return super().solve(*arguments, **options)


def _may_print(solver: str | None, options: dict[str, Any]) -> bool:
    """Whether cvxpy may construct HiGHS and the user did not ask to see what it prints."""
    return solver in (None, cp.HIGHS) and not options.get("verbose")


@dataclass(frozen=True, eq=False)
class Program:
    """A scaled scenario program with handles on what the certificate needs."""

    model: Model
    presolved: Presolved
    unit: float  # money per unit of the program
    hinges: cp.Constraint | None
    beyond_fund: cp.Constraint | None
    measures: tuple[cp.Constraint | None, ...]  # by term of the objective

    def multipliers(self, problem: Problem) -> Multipliers:
        """Dual variables, as probabilities and shares of them."""
        weights, terms = problem.scenarios.weights, problem.objective.terms
        stress = tuple(
            weights
            if measure is None
            else np.maximum(measure.dual_value, 0.0) / (self.unit * factor)
            for (factor, _), measure in zip(terms, self.measures, strict=True)
        )
        whole = sum(
            (factor * w for (factor, _), w in zip(terms, stress, strict=True)),
            np.zeros(weights.size),
        )
        uncovered = np.ones(weights.size)
        if self.beyond_fund is not None:
            uncovered = _share(self.beyond_fund.dual_value / self.unit, whole)
        linear, hinges = self.presolved.linear, self.presolved.hinges
        weight = np.empty(0)
        if self.hinges is not None:
            weight = _share(
                self.hinges.dual_value / self.unit, (whole * uncovered)[hinges.scenario]
            )
        pool = np.concatenate([linear.pool, hinges.pool])
        order = np.argsort(pool, kind="stable")
        return Multipliers(
            stress=stress,
            uncovered=uncovered,
            pool=pool[order],
            scenario=np.concatenate([linear.scenario, hinges.scenario])[order],
            weight=np.concatenate([np.ones(linear.pool.size), weight])[order],
        )


def build(
    problem: Problem,
    *,
    presolved: Presolved,
    merge: bool,
    swept: str = "",
    unit: float | None = None,
) -> Program:
    """The scenario program in fractions of positions and units of a typical loss.

    With `merge`, pools whose every pair is settled share one variable per asset: right only if no
    constraint of the
    user's tells them apart. `swept` ("multiple", "insurance_fund" or "level") becomes the program's
    `parameter`.
    """
    unit = typical_loss(problem) if unit is None else unit
    parameter = cp.Parameter(nonneg=True, name=swept) if swept else None
    fraction, allocation, column = _allocation(problem, presolved, merge)
    weights = problem.scenarios.weights
    shortfall, hinge_gather = _shortfall(problem, presolved.hinges, column, fraction.size, unit)
    linear_slope, linear_gather = _shortfall(problem, presolved.linear, column, fraction.size, unit)
    offset = presolved.constant / unit + linear_gather @ (presolved.linear.shortfall / unit)
    per_scenario = linear_gather @ linear_slope
    affine = offset + per_scenario @ fraction if per_scenario.nnz else cp.Constant(offset)

    least = np.zeros(fraction.size)
    if swept == "multiple":
        totals = _totals(problem, allocation, parameter)
    else:
        # Assets reduced in full are fixed at 1: the rounded shares may sum to slightly less.
        exhausted = problem.exhausted_assets
        least[column[exhausted[problem.asset]]] = 1.0
        totals = _totals(problem, allocation, kept=~exhausted)
    constraints = [fraction >= least, fraction <= 1, *totals]
    hinges = beyond_fund = None
    exact = total = affine
    if presolved.hinges.pool.size:
        inside = presolved.hinges.shortfall / unit + shortfall @ fraction
        cost = cp.Variable(presolved.hinges.pool.size, nonneg=True, name="shortfall")
        hinges = cost >= inside
        constraints.append(hinges)
        total = affine + hinge_gather @ cost
        exact = affine + hinge_gather @ cp.pos(inside)
    if problem.insurance_fund > 0 or swept == "insurance_fund":
        fund = parameter if swept == "insurance_fund" else problem.insurance_fund / unit
        beyond = cp.Variable(weights.size, nonneg=True, name="loss_beyond_fund")
        beyond_fund = beyond >= total - fund
        constraints.append(beyond_fund)
        total, exact = beyond, cp.pos(exact - fund)
    risk: cp.Expression = 0.0
    measures: list[cp.Constraint | None] = []
    for factor, term in problem.objective.terms:
        measure, loss = None, total
        if not isinstance(term, ExpectedLoss):
            # A loss variable of its own: the dual of its definition is the term's stressed
            # probabilities.
            loss = cp.Variable(weights.size, name="loss")
            measure = loss >= total
            constraints.append(measure)
        measures.append(measure)
        if swept == "level" and isinstance(term, CVaR):
            risk += factor * term.expression(loss, weights, tail=parameter)
        else:
            risk += factor * term.scaled(unit).expression(loss, weights)
    model = Model(
        cp.Minimize(unit * risk), constraints, allocation, unit * exact, problem.positions
    )
    return Program(model, presolved, unit, hinges, beyond_fund, tuple(measures))


def compiled(problem: Problem, swept: str) -> Callable[[Problem, float], Result]:
    """A function that solves variants of the problem, each at its point of a sweep, by one compiled
    program.
    """
    presolved = _presolve(problem)
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
            run(program.model, None, {})
        except SolverFailed:  # in this unit; others may do
            return solve(variant)
        return _result(variant, program)

    return solve_at


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
            gap=settings.gap,
        )


def plan(problem: Problem) -> Conic | Refusal:
    """The plan of this method, or why there is none."""
    return Conic(problem) if problem.prices is not None else Refusal(NO_PRICES, "give prices=...")


def to_cvxpy(problem: Problem, *, presolve: bool = True) -> Model:
    """The problem as a real cvxpy.Problem, with `allocation` and `loss` expressions, to be changed
    and solved at will.

    The presolve behind it is exact for every allocation within the boxes, whatever constraints are
    added.
    """
    require_problem("to_cvxpy", problem)
    return build(problem, presolved=_presolve(problem, enabled=presolve), merge=False).model


def solve(
    problem: Problem,
    *,
    constraints: Constraints | Sequence[Constraints] = (),
    solver: str | None = None,
    presolve: bool = True,
    options: dict[str, Any] | None = None,
    gap: Callable[[Result], float] | None = None,
) -> Result:
    """Solve by Clarabel, or by any installed cvxpy solver named, with further constraints of the
    user's.

    `gap` is what can be proven of an answer. Where losses differ by many orders solvers call
    answers optimal that are not:
    then it decides which attempt is good enough, and which was best.
    """
    presolved = _presolve(problem, enabled=presolve)
    judged = gap if gap is not None and not constraints and _uneven(problem) else None
    inaccurate: list[Result] = []
    failed: SolverFailed | None = None
    for unit, name, further_options in _attempts(problem, solver, options or {}):
        if (
            inaccurate
            and problem.objective.cone != "exponential"
            and presolved.hinges.pool.size > MOST_REPEATED
        ):
            break
        program = build(problem, presolved=presolved, merge=presolve and not constraints, unit=unit)
        model: cp.Problem = program.model
        if constraints:
            model = cp.Problem(
                model.objective, model.constraints + further(constraints, program.model.allocation)
            )
        try:
            run(model, name, further_options)
        except SolverFailed as error:
            failed = error if failed is None else failed
            continue
        result = _result(problem, program)
        if judged(result) <= GOOD if judged is not None else model.status == cp.OPTIMAL:
            return result
        inaccurate.append(result)
    if not inaccurate:
        assert failed is not None
        raise failed
    return min(
        inaccurate, key=judged or (lambda result: objective_value(problem, result.allocation))
    )


def _uneven(problem: Problem) -> bool:
    """Whether the largest loss is so far above the typical one that a solver's tolerances mean
    little.
    """
    return float(losses_beyond_fund(problem, None).max()) > UNEVEN * typical_loss(problem)


def _attempts(
    problem: Problem, solver: str | None, options: dict[str, Any]
) -> Iterator[tuple[float, str | None, dict[str, Any]]]:
    """Units of money, solvers and options to try in turn until an answer is accurate.

    Losses that differ by many orders, as in strata of heavy tails, stall Clarabel in units of the
    typical one: a simplex
    method does not mind, and cones get by in units of larger ones. Exponential cones stall it in
    some units and at long
    steps towards their boundary, and sail through in others.
    """
    unit = typical_loss(problem)
    if solver is not None or options:
        yield unit, solver, options
        return
    cone = problem.objective.cone
    if cone != "exponential":
        yield unit, None, {}
    losses = losses_beyond_fund(problem, None)
    risk = problem.objective.value(losses, problem.scenarios.weights)
    if cone != "exponential":
        if risk > unit:
            yield risk, None, {}
        if cone == "linear":
            yield unit, cp.HIGHS, {}
        for share in (1e-4, 1e-2):
            if losses.max() * share > unit:
                yield float(losses.max()) * share, None, {}
        return
    tight = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
    steps: list[dict[str, Any]] = [
        tight,
        {},
        {"max_step_fraction": 0.9},
        {"max_step_fraction": 0.6},
    ]
    yield from ((each, None, step) for step in steps for each in (max(risk, unit), unit, 3 * unit))


def _result(problem: Problem, program: Program) -> Result:
    details: dict[str, Any] = {"presolve": str(program.presolved)}
    if problem.closed_form is not None:
        drawn = problem.scenarios.weights.size
        details["scenarios"] = (
            f"solved on {drawn:,} scenarios, but valued and certified in closed form: more points "
            "narrow the gap"
            + (", method='shadow_price' needs none" if radial(problem) is not None else "")
        )
    return Result(
        allocation=restore_feasibility(problem, np.asarray(program.model.allocation.value)),
        multipliers=program.multipliers(problem),
        details=details,
    )


def multipliers_around(problem: Problem, local: Presolved) -> Multipliers | None:
    """Multipliers of the program that keeps only the hinges of `local`; None if it cannot be
    solved.
    """
    program = build(problem, presolved=local, merge=True)
    try:
        run(program.model, None, {})
    except SolverFailed:
        return None
    return program.multipliers(problem)


def further(
    constraints: Constraints | Sequence[Constraints], allocation: cp.Expression
) -> list[cp.Constraint]:
    """The constraints that the user's functions make of the allocation expression (e,), checked."""
    made: list[cp.Constraint] = []
    for function in constraints if isinstance(constraints, Iterable) else [constraints]:
        if not callable(function):
            raise InputError(
                f"constraints: {function!r} is not a function of the allocation; see adlopt.constraints"
            )
        given = function(allocation)
        for constraint in given if isinstance(given, Iterable) else [given]:
            if not isinstance(constraint, cp.Constraint):
                raise InputError(
                    f"constraints: {constraint!r} is not a cvxpy constraint; return one, or a list of them"
                )
            if not constraint.is_dcp():
                raise InputError(
                    f"constraints: {constraint} is not convex by cvxpy's rules (DCP): convex <= concave, affine == affine"
                )
            made.append(constraint)
    return made


def linear_minimum(
    problem: Problem, slope: FloatArray, constraints: Constraints | Sequence[Constraints]
) -> tuple[float, FloatArray]:
    """Smallest slope.x over allocations x that keep the user's constraints too, and money saved per
    further contract.

    The certificate's knapsack where the user's constraints couple positions: a small program
    without scenarios, less
    the solver's tolerance, so that this cannot make the bound optimistic.
    """
    fraction = cp.Variable(problem.max_reduction.size)
    allocation = sp.diags_array(problem.max_reduction) @ fraction
    totals = _totals(problem, allocation)
    unit = float(np.abs(slope * problem.max_reduction).max()) or 1.0
    model = cp.Problem(
        cp.Minimize((slope * problem.max_reduction / unit) @ fraction),
        [fraction >= 0, fraction <= 1, *totals, *further(constraints, allocation)],
    )
    run(model, None, {})
    saved = (
        unit
        * np.atleast_1d(totals[0].dual_value)
        / np.abs(problem.required[problem.reduced_assets])
    )
    return unit * (float(model.value) - SOLVER_TOLERANCE * (1.0 + abs(float(model.value)))), saved


_presolve = presolve  # the keyword argument `presolve` hides the function


def run(model: cp.Problem, solver: str | None, options: dict[str, Any]) -> None:
    """Solve a cvxpy problem or raise SolverFailed; an inaccurate answer passes, for the certificate
    to judge.
    """
    name = solver or cp.CLARABEL
    try:
        with (
            no_banner() if _may_print(name, options) else nullcontext(),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", message="Solution may be inaccurate")
            model.solve(solver=name, **options)
    except (cp.error.SolverError, TypeError, ValueError) as error:
        raise SolverFailed(
            f"{name}: {error} Is the solver installed, does it have these options, and the cones that this objective needs?"
        ) from error
    except cp.error.DCPError as error:
        raise InputError(f"cvxpy cannot use the problem: {error}") from error
    if (
        model.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE, cp.USER_LIMIT)
        or model.value is None
    ):
        cause = {
            cp.INFEASIBLE: "the constraints contradict each other; without your own the reduction is feasible",
            cp.UNBOUNDED: "the objective falls without bound; is it a nondecreasing function of the loss?",
        }.get(model.status, "try other tolerances, another solver, or presolve=True")
        raise SolverFailed(f"{name} ended with status {model.status!r}: {cause}")


def _allocation(
    problem: Problem, presolved: Presolved, merge: bool
) -> tuple[cp.Variable, cp.Expression, IntArray]:
    """Fractions in [0, 1], the allocation in contracts, and each eligible position's column."""
    e = problem.eligible.size
    column = np.arange(e)
    if merge:
        involved = np.zeros(problem.book.equity.size, dtype=bool)
        involved[presolved.linear.pool] = True
        involved[presolved.hinges.pool] = True
        free = ~involved[problem.pool]
        column[~free] = np.arange(e - free.sum())
        _, block = np.unique(problem.asset[free], return_inverse=True)
        column[free] = (e - free.sum()) + block
    width = int(column.max()) + 1
    fraction = cp.Variable(width, name="fraction")
    spread = sp.csr_array((problem.max_reduction, (np.arange(e), column)), shape=(e, width))
    return fraction, spread @ fraction, column


def _totals(
    problem: Problem, allocation: cp.Expression, multiple: Any = 1.0, kept: BoolArray | None = None
) -> list[cp.Constraint]:
    """Required reductions, each relative to its size; of the assets marked `kept` (d,), if not of
    all.
    """
    assets = problem.reduced_assets
    row = np.searchsorted(assets, problem.asset)
    share = sp.csr_array(
        (1.0 / problem.required[problem.asset], (row, np.arange(row.size))),
        shape=(assets.size, row.size),
    )
    if kept is not None:
        if not kept[assets].any():
            return []
        share = share[kept[assets]]
    return [share @ allocation == multiple]


def _shortfall(
    problem: Problem, pairs: Pairs, column: IntArray, width: int, unit: float
) -> tuple[sp.csr_array, sp.csr_array]:
    """Slope of each pair's shortfall in the fractions (pairs, width), and the sum over pairs by
    scenario (S, pairs).
    """
    eligible = problem.first_eligible
    count = np.diff(eligible)[pairs.pool]
    pair = np.repeat(np.arange(count.size), count)
    first = np.cumsum(count) - count
    position = eligible[pairs.pool][pair] + np.arange(pair.size) - first[pair]
    asset = problem.asset[position]
    change = problem.moves[asset, pairs.scenario[pair]] - problem.settlement_offset[asset]
    slope = sp.csr_array(
        (change * (problem.max_reduction[position] / unit), (pair, column[position])),
        shape=(count.size, width),
    )
    S = problem.moves.shape[1]
    gather = sp.csr_array(
        (np.ones(count.size), (pairs.scenario, np.arange(count.size))), shape=(S, count.size)
    )
    return slope, gather


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.clip(np.divide(part, whole, out=np.zeros(whole.size), where=whole > 0), 0.0, 1.0)
