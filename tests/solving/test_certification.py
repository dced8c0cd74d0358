"""Certificates of given allocations: the best bound known, further constraints, and rounding."""

from __future__ import annotations

import numpy as np
import pytest

import adlopt as adl
from adlopt.solving import certification
from tests.support import Paper, Reference, random_allocation, random_case
from tests.typed import priced, untyped


@pytest.mark.parametrize("seed", range(12))
def test_the_best_bound_is_the_optimum(seed: int) -> None:
    """A poor allocation is judged by what the optimum proves, not by its own subgradient."""
    case = random_case(seed, "cross", one_factor=False, twist="plain", scenarios=30)
    problem = case.problem(adl.CVaR(0.8))
    table = random_allocation(case, np.random.default_rng(seed))
    optimum = Reference(case).optimum([(1.0, 0.8)])
    best = adl.certify(problem, table, bound="best")
    linearised = adl.certify(problem, table, bound="linearised")
    assert linearised.lower_bound <= best.lower_bound
    assert best.lower_bound == pytest.approx(optimum, rel=1e-6, abs=1e-9)
    assert best.lower_bound <= optimum * (1 + 1e-9)
    assert adl.certify(problem, table).lower_bound == best.lower_bound  # the default if quick


def test_large_problems_are_not_solved_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certification, "QUICK_PAIRS", 10)
    problem = adl.synthetic.problem(40, 3, scenarios=60, objective=adl.CVaR(0.8))
    table = adl.policies.MinimaxLeverage().allocate(problem)
    assert "solve" not in adl.certify(problem, table).source
    assert "solve" in adl.certify(problem, table, bound="best").source


def test_a_bound_that_does_not_exist_is_refused(paper: Paper) -> None:
    problem = paper.one_factor(-10.0)
    with pytest.raises(adl.InputError, match="use 'best' or 'linearised'"):
        untyped.certify(problem, adl.solve(problem), bound="tight")


def test_constraints_raise_the_bound(paper: Paper) -> None:
    """At most 40 % of each position: the bound is that of the constrained optimum."""
    problem = adl.Problem(paper.book, {"BTC": -10.0}, prices=paper.lognormal)
    limit = adl.constraints.at_most_fraction(problem, 0.4)
    free, limited = priced(adl.solve(problem)), adl.solve(problem, constraints=limit)
    proof = adl.certify(problem, limited, constraints=limit)
    assert proof.lower_bound == pytest.approx(limited.value, rel=1e-6)
    assert proof.lower_bound > free.value * 1.001
    assert adl.certify(problem, limited).lower_bound == pytest.approx(free.value, rel=1e-6)
    with pytest.raises(adl.InputError, match="violates constraint 1 of 1"):
        adl.certify(problem, free, constraints=limit)


@pytest.mark.parametrize("objective", [adl.ExpectedLoss(), adl.CVaR(0.9)])
def test_a_difference_of_rounding_is_no_gap(objective: adl.Objective) -> None:
    """The reduction closes every account that can lose: the value is zero to rounding, and so is
    the gap.
    """
    problem = adl.synthetic.problem(60, 2, scenarios=50, held=1, seed=3, objective=objective)
    book = problem.book
    small = adl.Scenarios(book.marks * (1 + np.linspace(-1e-3, 1e-3, 40))[:, None])
    calm = adl.Problem(book, problem.reduction, prices=small, objective=objective)
    proof = adl.certify(calm, adl.policies.ProRata().allocate(calm))
    money = book.equity.sum() + book.gross.sum()
    assert 0.0 < proof.rounding < 1e-12 * money
    tiny = adl.Certificate(7e-15, 0.0, shadow_prices=proof.shadow_prices, rounding=1e-12)
    assert tiny.gap == 0.0
    assert adl.Certificate(7e-3, 0.0, shadow_prices=proof.shadow_prices, rounding=1e-12).gap == 1.0
    assert priced(adl.solve(calm)).gap <= 1e-6


def test_it_prints_and_has_a_table(paper: Paper) -> None:
    problem = paper.one_factor(-10.0)
    proof = adl.certify(problem, adl.solve(problem))
    assert list(proof.to_frame()) == ["value", "lower_bound", "gap", "source"]
    assert "above the best possible" in repr(proof)
    assert "shadow_price" in proof._repr_html_()
