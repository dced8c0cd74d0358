"""Certificates of allocations that others made: the best lower bound known against their value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError, SolverFailed
from adlopt.model.allocation import AnyAllocation, read_allocation
from adlopt.model.constraints import Constraints, read_all
from adlopt.model.problem import Problem, require_problem
from adlopt.objectives import ExpectedLoss
from adlopt.proof.certificate import GAP_CLOSED, Certificate, certify_array, over_scenarios
from adlopt.proof.exact import ExactProof, prove_exactly
from adlopt.proof.multipliers import Multipliers
from adlopt.proof.statement import polyhedral_terms
from adlopt.solving.running import choose_method, linear_minimum, run_method

Bound = Literal["best", "linearised"]

MAX_KINKS, MAX_PAIRS = 20_000, 200_000  # a second or two of Clarabel
QUICK_PAIRS = 2_000_000  # pool-scenario pairs: the solve takes a second or two
QUICK_POOLS = 20_000  # of losses in closed form: likewise
VIOLATION = 1e-7  # relative: a user's constraint counts as met, as solvers leave it


class Minorant(NamedTuple):
    """Where a lower bound comes from: an affine function below the objective."""

    certificate: Certificate  # of the allocation `reference`
    reference: FloatArray  # (e,) reductions at which the objective is linearised
    multipliers: Multipliers | None  # which subgradient there; None for the plain one


def certify(
    problem: Problem,
    allocation: AnyAllocation,
    *,
    constraints: Constraints | str | Sequence[Constraints | str] = (),
    bound: Bound | None = None,
) -> Certificate:
    """Bound how far any allocation is from optimal.

    Convexity, one subgradient and a sort per asset prove a bound. The subgradient at the allocation
    itself may prove little if the allocation is poor; the one at an optimum proves most.

    Parameters
    ----------
    problem : Problem
    allocation : Solution, DataFrame or array
        A Solution, an array (e,) in the row order of `problem.positions`, or a table with
        `account`, `asset`, `reduction` (contracts, signed like the position) and `margin_mode`
        where an account holds an asset under both; positions it leaves out are not reduced.
    constraints : function, str, or sequence of them
        As for `solve`: the bound is then that of the best allocation that meets them too, and the
        given one must meet them. The bound rests on a solver's optimum of a linear program.
    bound : {"best", "linearised"}, optional
        "linearised" takes a subgradient at the allocation, chosen by a small program where pools
        are at zero equity. "best" also solves the problem once and takes the better bound. Left
        out: "best" where the solve is quick. `Certificate.source` says what was used.

    Returns
    -------
    Certificate

    Raises
    ------
    InputError
        The allocation is not feasible; the message names the rows, the asset or the constraint.
    NotApplicable
        The problem has no price model.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.certify(problem, adl.policies.ProRata().allocate(problem)).gap > 0.1
    True
    >>> adl.certify(problem, adl.solve(problem)).gap < 1e-9
    True
    """
    require_problem("certify", problem)
    if bound not in (None, "best", "linearised"):
        raise InputError(f"bound is {bound!r}; use 'best' or 'linearised'")
    reductions = read_allocation(problem, allocation)
    limits = read_all(problem, constraints)
    if limits:
        require_constraints(problem, reductions, limits)
    own, *others = minorants(problem, reductions, constraints=limits, bound=bound)
    best = max((own, *others), key=lambda one: one.certificate.lower_bound).certificate
    value = own.certificate.value
    return replace(best, value=value, lower_bound=min(best.lower_bound, value))


def prove(problem: Problem, allocation: AnyAllocation, *, bound: Bound | None = None) -> ExactProof:
    """Prove in exact arithmetic how far an allocation is from optimal, for anyone to check.

    Value, lower bound and gap are rational numbers. The saved proof is checked by
    `adlopt check FILE`, or by the one file `adlopt/proof/checker.py`, which needs Python alone. The
    allocation is moved by rounding until its sums are exact; the values are those of the moved
    one.

    Parameters
    ----------
    problem : Problem
        Over scenarios, with an objective made of expected loss, CVaR, Spectral, WorstCase and
        Semideviation of order 1.
    allocation : Solution, DataFrame or array
        Of any method or rule, as for `certify`.
    bound : {"best", "linearised"}, optional
        As for `certify`.

    Returns
    -------
    ExactProof
        With `value`, `lower_bound` and `gap` (`fractions.Fraction`), and `save(path)`.

    Raises
    ------
    NotApplicable
        The value is not a rational function of the data: another objective, or prices with a closed
        form.
    InputError
        The allocation is not feasible.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.examples.paper_book()
    >>> prices = adl.Scenarios([[60_000.0, 1_700.0], [74_000.0, 2_100.0], [67_000.0, 1_900.0]])
    >>> problem = adl.Problem(book, {"BTC": -10.0}, prices=prices)
    >>> proof = adl.prove(problem, adl.solve(problem))
    >>> float(proof.gap) <= 1e-12
    True
    """
    require_problem("prove", problem)
    polyhedral_terms(problem)
    reductions = read_allocation(problem, allocation)
    known = getattr(allocation, "_multipliers", None)
    found = minorants(problem, reductions, bound=bound, known=known)
    best = max(found, key=lambda one: one.certificate.lower_bound)
    return prove_exactly(problem, reductions, best.reference, best.multipliers)


def minorants(
    problem: Problem,
    allocation: FloatArray,
    *,
    constraints: tuple[Constraints, ...] = (),
    bound: Bound | None = None,
    known: Multipliers | None = None,
) -> list[Minorant]:
    """Affine minorants of the objective, the plain one at the allocation (e,) first, until one
    closes the gap.

    `known` are multipliers that came with the allocation.
    """
    oracle = linear_minimum(problem, constraints)
    own = certify_array(problem, allocation, None, oracle)
    found = [Minorant(own, allocation, None)]
    if own.gap <= GAP_CLOSED:
        return found
    candidates = [known]
    if over_scenarios(problem) and not constraints:
        candidates += [_multipliers_at_kinks(problem, allocation)]
    for multipliers in candidates:
        if multipliers is not None:
            proof = certify_array(problem, allocation, multipliers, oracle)
            found.append(
                Minorant(replace(proof, source="subgradient at kinks"), allocation, multipliers)
            )
            if proof.gap <= GAP_CLOSED:
                return found
    if bound == "best" or (bound is None and _quick(problem)):
        found += _from_solve(problem, constraints)
    return found


def _from_solve(problem: Problem, constraints: tuple[Constraints, ...]) -> list[Minorant]:
    """The minorants at an optimum; none if the solver fails."""
    try:
        method = "conic" if constraints else choose_method(problem)
        result = run_method(problem, method, constraints=constraints)
    except SolverFailed:
        return []
    oracle = linear_minimum(problem, constraints)
    given = (None,) if result.multipliers is None else (result.multipliers, None)
    proofs = ((certify_array(problem, result.allocation, each, oracle), each) for each in given)
    source = f"solve by {method}"
    return [Minorant(replace(p, source=source), result.allocation, each) for p, each in proofs]


def _quick(problem: Problem) -> bool:
    pools = problem.book.equity.size
    if choose_method(problem) in ("water_filling", "factor_leverage"):
        return True
    if problem.closed_form is not None:
        return pools <= QUICK_POOLS
    return pools * problem.scenarios.weights.size <= QUICK_PAIRS


def _multipliers_at_kinks(problem: Problem, allocation: FloatArray) -> Multipliers | None:
    """The best subgradient where pools are at zero equity; None if there are none, or too many for
    a quick answer.
    """
    from adlopt.methods import conic
    from adlopt.presolve.pairs import presolve_at

    local = presolve_at(problem, allocation)
    kinked = local.hinges.pool.size > 0 or not isinstance(problem.objective, ExpectedLoss)
    if not kinked or local.hinges.pool.size > MAX_KINKS or local.linear.pool.size > MAX_PAIRS:
        return None
    return conic.multipliers_around(problem, local)


def require_constraints(
    problem: Problem, allocation: FloatArray, constraints: tuple[Constraints, ...]
) -> None:
    """Raise InputError if reductions (e,) violate one of the user's constraints by more than
    rounding.
    """
    from adlopt.methods.user_constraints import violation

    for number, function in enumerate(constraints, start=1):
        missed = violation(problem, allocation, (function,))
        if missed > VIOLATION:
            raise InputError(
                f"allocation: violates constraint {number} of {len(constraints)} by {missed:.3g} "
                "of its size"
            )
