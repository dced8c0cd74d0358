"""Objectives of the user's own: plain functions of a cvxpy loss vector, and subclasses with nothing
but an expression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import adlopt as adl
from adlopt._internal.arrays import FloatArray
from adlopt.model.losses import losses_beyond_fund
from tests.objectives.families import losses
from tests.objectives.test_theorem import Stated, isolated, one_factor, random_book, reductions
from tests.typed import priced, untyped

Function = Callable[[cp.Expression], Any]

S = 60


def cvar_by_hand(loss: cp.Expression) -> cp.Expression:
    threshold = cp.Variable()
    return threshold + cp.sum(cp.pos(loss - threshold)) / (0.1 * loss.size)


def cvar_of_cvxpy(loss: cp.Expression) -> cp.Expression:
    return cp.cvar(loss, 0.9)


def cross(
    objective: adl.Objective | str | Function, seed: int = 5, unit: float = 1.0
) -> adl.Problem:
    rng = np.random.default_rng(seed)
    book = random_book(rng, "cross")
    frame = book.to_frame()
    frame["mark"] *= unit
    frame["equity"] *= unit
    prices = adl.Scenarios(returns=rng.normal(0, 0.35, (S, 3)).clip(-0.95))
    return adl.Problem(
        adl.Book.from_frame(frame),
        reductions(rng, book, ["X", "Y"]),
        prices=prices,
        objective=objective,
    )


@pytest.mark.parametrize("function", [cvar_by_hand, cvar_of_cvxpy])
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e7])
def test_a_copy_of_cvar_gives_its_optimum_and_proof(function: Function, unit: float) -> None:
    for seed in range(3):
        own, built_in = (
            priced(adl.solve(cross(function, seed, unit))),
            priced(adl.solve(cross(adl.CVaR(0.9), seed, unit))),
        )
        assert own.value == pytest.approx(built_in.value, rel=1e-7)
        assert own.status == "optimal"
        assert own.gap <= 1e-6
        assert own.lower_bound <= built_in.value * (1 + 1e-9)


@dataclass(frozen=True)
class WeightedCVaR(adl.Objective):
    """CVaR with weights, of which nothing but the cvxpy expression is known."""

    level: float

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        threshold = cp.Variable()
        return threshold + weights @ cp.pos(loss - threshold) / (1 - self.level)


@dataclass(frozen=True)
class Exponential(adl.Objective):
    """Entropic risk of which nothing but the cvxpy expression is known: it is not homogeneous."""

    theta: float

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        some = np.flatnonzero(weights)
        return cp.log_sum_exp(self.theta * loss[some] + np.log(weights[some])) / self.theta


@pytest.mark.parametrize(
    ("own", "built_in"),
    [(WeightedCVaR(0.7), adl.CVaR(0.7)), (Exponential(0.02), adl.Entropic(0.02))],
    ids=str,
)
def test_an_expression_alone_gives_value_stress_and_penalty(
    own: adl.Objective, built_in: adl.Objective
) -> None:
    assert not own.coherent
    for seed in range(4):
        loss, weights = losses(seed)
        for unit in (1e-6, 1.0, 1e6) if isinstance(own, WeightedCVaR) else (1.0, 1e2):
            value = built_in.value(unit * loss, weights)
            assert own.evaluate(unit * loss, weights) == pytest.approx(value, rel=1e-7)
            stress = own.stressed_probabilities(unit * loss, weights)
            penalty = own.conjugate(stress, weights, value)
            assert stress @ (unit * loss) - penalty == pytest.approx(value, rel=1e-6)
    problem = cross(own)
    solution = adl.solve(problem)
    assert solution.status == "optimal"
    assert solution.value == pytest.approx(adl.solve(cross(built_in)).value, rel=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda loss: cp.sum_squares(loss) / S,
        lambda loss: cp.norm(loss, 3),
        lambda loss: (
            cp.mean(loss) + 0.5 * cp.mean(cp.pos(loss - cp.mean(loss)))
        ),  # monotone, unknown to DCP
        lambda loss: cp.sum_largest(loss, 4) + cp.mean(cp.pos(loss - 30)),
        lambda loss: 5 + cp.max(loss),
        lambda loss: cp.reshape(cp.max(loss), (1, 1), order="F"),
    ],
    ids=["squares", "norm", "semideviation", "mixed", "shifted", "matrix"],
)
def test_other_functions_are_solved_and_proven(function: Function) -> None:
    solution = priced(adl.solve(cross(function)))
    assert solution.status == "optimal"
    assert solution.gap <= 1e-6
    rng = np.random.default_rng(0)
    problem = cross(function)
    for _ in range(20):  # no other allocation beats the bound
        fractions = rng.random(problem.max_reduction.size)
        taken = np.zeros(problem.max_reduction.size)
        for k in problem.reduced_assets:
            rows = np.flatnonzero(problem.asset == k)
            left = problem.required[k]
            for row in rows[np.argsort(fractions[rows])]:
                taken[row] = min(left, problem.max_reduction[row])
                left -= taken[row]
        excess = losses_beyond_fund(problem, taken)
        assert problem.objective.evaluate(excess) >= solution.lower_bound * (1 - 1e-9)


@pytest.mark.parametrize(
    ("stated", "method"), [(isolated, "water_filling"), (one_factor, "factor_leverage")]
)
def test_path_by_path_rules_serve_custom_objectives(stated: Stated, method: str) -> None:
    problem = stated(2, cvar_by_hand)
    solution = adl.solve(problem)
    assert solution.method == method
    assert solution.value == pytest.approx(adl.solve(problem, method="conic").value, rel=1e-6)


def test_sums_with_built_ins() -> None:
    mixed = 0.5 * adl.Custom(cvar_by_hand) + 0.5 * adl.CVaR(0.9)
    solution = adl.solve(cross(mixed))
    assert solution.status == "optimal"
    assert solution.value == pytest.approx(adl.solve(cross(adl.CVaR(0.9))).value, rel=1e-7)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda loss: cp.sqrt(cp.sum(loss)), "cannot see that it is convex.*not DCP"),
        (lambda loss: cp.sum(loss) * cp.max(loss), r"not DCP.*Sum\(loss.*max\(loss"),
        (
            lambda loss: cp.sum(cp.square(loss - 5) + cp.sqrt(cp.pos(loss))),
            r"subexpressions are not:\s*Power\w*\(maximum",
        ),
        (lambda loss: loss, r"one real cvxpy number; it returned an expression of shape \(60,\)"),
        (lambda loss: 3.0, "it returned 3.0"),
        (
            lambda loss: cp.sum_squares(loss - 5),
            "not monotone: .* more loss in scenario .* lowers it",
        ),
        (lambda loss: cp.max(loss) - 2 * loss[0], "not monotone: .* scenario 0 lowers it"),
    ],
    ids=["concave", "product", "part", "vector", "number", "distance", "difference"],
)
def test_unfit_functions_are_refused_with_what_cvxpy_objects_to(
    function: Function, reason: str
) -> None:
    with pytest.raises(adl.InputError, match=f"(?s){reason}"):
        adl.solve(cross(function))


def test_no_function_is_refused() -> None:
    with pytest.raises(adl.InputError, match="cvar takes a number after a colon"):
        cross("cvar")
    with pytest.raises(adl.InputError, match="is not an Objective"):
        cross(adl.CVaR)
    with pytest.raises(
        adl.InputError, match="is not a function of a cvxpy loss vector; did you mean to call it"
    ):
        untyped.Custom(adl.CVaR)


def test_a_problem_takes_objectives_as_text() -> None:
    assert cross("cvar:0.9").objective == adl.CVaR(0.9)


def test_a_problem_takes_functions_wherever_it_takes_objectives() -> None:
    problem = cross(cvar_by_hand)
    assert isinstance(problem.objective, adl.Custom)
    assert str(problem.objective) == "Custom(cvar_by_hand)"
    assert isinstance(problem.with_changes(objective=cvar_of_cvxpy).objective, adl.Custom)
    table = adl.explore(problem, [cvar_by_hand, adl.CVaR(0.9)]).table
    assert table is not None
