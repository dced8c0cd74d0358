"""Exact proofs: true by an independent judge, equal to the float certificate, refused where there
is no rational value.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.model.losses import losses_beyond_fund
from adlopt.proof import checker
from adlopt.proof.exact import _measure, _minimum_over_boxes, decimal
from tests.proof.judge import false_claims, losses, measure
from tests.support import random_allocation, random_case
from tests.typed import untyped

OBJECTIVES = [
    adl.ExpectedLoss(),
    adl.CVaR(0.85),
    0.7 * adl.ExpectedLoss() + 0.6 * adl.CVaR(0.9),
    adl.Spectral([0.3, 0.8], [0.4, 0.6]),
    adl.WorstCase(),
    adl.Semideviation(0.6),
    0.5 * adl.Semideviation(1.0) + 0.5 * adl.WorstCase(),
]


def case_problem(seed: int, scenarios: int = 25) -> tuple[adl.Problem, pd.DataFrame]:
    case = random_case(
        seed,
        ("cross", "mixed", "isolated")[seed % 3],
        one_factor=seed % 4 == 0,
        reduced=1 + seed % 2,
        settlement=seed % 5 == 1,
        fund=seed % 7 == 2,
        scenarios=scenarios,
    )
    problem = case.problem(OBJECTIVES[seed // 2 % len(OBJECTIVES)])
    return problem, random_allocation(case, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(60))
def test_exact_gaps_equal_those_in_floats(seed: int) -> None:
    """Of random allocations, and of solutions, to the rounding of the floats."""
    problem, table = case_problem(seed)
    for given in (table, adl.solve(problem)):
        proof, certificate = adl.prove(problem, given), adl.certify(problem, given)
        assert float(proof.value) == pytest.approx(
            certificate.value, rel=1e-12, abs=certificate.rounding
        )
        assert proof.lower_bound <= proof.value
        money = max(abs(certificate.value), 1e3 * certificate.rounding)
        bound = max(certificate.lower_bound, getattr(given, "lower_bound", 0.0))
        assert abs(float(proof.lower_bound) - bound) <= 1e-9 * money


@pytest.mark.parametrize("seed", range(14))
def test_an_independent_judge_finds_every_claim_true(seed: int) -> None:
    problem, table = case_problem(seed, scenarios=8)
    for given in (table, adl.solve(problem)):
        assert false_claims(adl.prove(problem, given).document) == []


def test_one_account_by_hand() -> None:
    """One account, 4 long at 100 with equity 100: two must go. Prices fall to 0 or stay, each with
    probability a half. The loss is 200 - 100 = 100 in the crash: expected 50, without a choice.
    """
    book = adl.Book.from_frame(
        pd.DataFrame({"account": ["a"], "asset": ["X"], "size": [4.0], "equity": [100.0]}),
        marks={"X": 100.0},
    )
    problem = adl.Problem(book, {"X": 2.0}, prices=adl.Scenarios([[0.0], [100.0]]))
    proof = adl.prove(problem, np.array([2.0]))
    assert [proof.value, proof.lower_bound, proof.gap] == [50, 50, 0]
    worst = adl.Problem(
        book, {"X": 2.0}, prices=adl.Scenarios([[0.0], [100.0]]), objective=adl.WorstCase()
    )
    assert adl.prove(worst, np.array([2.0])).value == 100


def test_sums_that_floats_miss_are_met_exactly() -> None:
    """Three times 0.1 is not 0.3 in floats; the proof's allocation sums to the requirement."""
    frame = pd.DataFrame({"account": list("abc"), "asset": "X", "size": 0.2, "equity": 1.0})
    problem = adl.Problem(
        adl.Book.from_frame(frame, marks={"X": 10.0}),
        {"X": 0.3},
        prices=adl.Scenarios([[1.0], [9.0]]),
    )
    document = adl.prove(problem, np.array([0.1, 0.1, 0.1])).document
    assert sum(document["reduction"]) == document["required"][0]
    full = adl.Problem(problem.book, {"X": 0.6 * (1 + 1e-13)}, prices=problem.prices)
    document = adl.prove(full, adl.solve(full)).document
    assert document["reduction"] == document["cap"]  # a requirement above capacity by rounding
    assert document["required"] == [sum(document["cap"])]


def test_a_rule_is_bounded_by_the_optimum() -> None:
    problem = adl.synthetic.problem(30, 3, scenarios=50, objective=adl.CVaR(0.9), seed=2)
    rule = adl.policies.ProRata().allocate(problem)
    best, own = adl.prove(problem, rule), adl.prove(problem, rule, bound="linearised")
    optimum = adl.prove(problem, adl.solve(problem))
    assert best.value == own.value > optimum.value
    assert own.lower_bound < best.lower_bound <= optimum.value
    assert optimum.gap < Fraction(1, 10**6)
    assert best.document["reference"] != best.document["reduction"]


def test_bankrupt_pools_are_left_out() -> None:
    frame = pd.DataFrame(
        {"account": list("abc"), "asset": "X", "size": 1.0, "equity": [-1.0, 2.0, 3.0]}
    )
    book = adl.Book.from_frame(frame, marks={"X": 10.0})
    problem = adl.Problem(book, {"X": 1.0}, prices=adl.Scenarios([[1.0], [9.0]]))
    proof = adl.prove(problem, adl.solve(problem))
    assert proof.document["accounts"] == ["b", "c"]
    assert float(proof.value) == pytest.approx(adl.solve(problem).value, rel=1e-14)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"objective": adl.EVaR(0.9)}, "not polyhedral"),
        ({"objective": adl.Semideviation(0.5, order=2)}, "not polyhedral"),
        ({"objective": adl.ExpectedLoss() + adl.Entropic(1e-4)}, "not polyhedral"),
        ({"prices": adl.OneFactor({"BTC": 6_654.0, "ETH": 200.6})}, "an integral, not a sum"),
        ({"prices": None}, "no price model"),
    ],
)
def test_what_has_no_rational_value_is_not_applicable(change: dict[str, Any], reason: str) -> None:
    prices = adl.Scenarios([[60_000.0, 1_700.0], [74_000.0, 2_100.0]])
    facts: dict[str, Any] = {"prices": prices} | change
    book = adl.examples.paper_book().with_margin("isolated")
    problem = adl.Problem(book, {"BTC": -10.0}, **facts)
    with pytest.raises(adl.NotApplicable, match=reason):
        adl.prove(problem, adl.solve(adl.Problem(book, {"BTC": -10.0})))


def test_bad_arguments() -> None:
    with pytest.raises(adl.InputError, match="prove"):
        untyped.prove(3, None)
    problem, _ = case_problem(1)
    with pytest.raises(adl.InputError, match="reductions"):
        adl.prove(problem, [1.0])


def test_it_is_frozen_and_prints() -> None:
    problem, table = case_problem(4)
    proof = adl.prove(problem, table)
    with pytest.raises(dataclasses.FrozenInstanceError):
        proof.value = Fraction(0)  # type: ignore[misc]
    assert repr(proof).startswith("ExactProof: value ")
    assert proof._repr_html_().startswith("<p>ExactProof")
    assert isinstance(proof.gap, Fraction)


def test_decimal_digits_beyond_floats() -> None:
    assert decimal(Fraction(1, 3), 5) == "0.33333"
    assert decimal(Fraction(10) ** 400, 3) == "1E+400"


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("level", [0.0, 0.3, 0.9, 0.999, 1.0])
def test_measures_equal_those_of_the_checker(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    loss = [int(x) for x in rng.integers(0, 6, 9)]
    weight = [int(x) for x in rng.integers(0, 4, 9)]
    weight[0] += 1
    exact = Fraction(level)
    assert _measure("cvar", exact, loss, weight) == checker.cvar(loss, weight, exact)
    file = {"weight": weight, "objective": [["cvar", "0x1p+0", level.hex(), []]]}
    assert measure(file, [Fraction(x) for x in loss]) == checker.cvar(loss, weight, exact)


@pytest.mark.parametrize("seed", range(20))
def test_the_knapsack_is_the_best_vertex(seed: int) -> None:
    """Against all allocations of whole units."""
    rng = np.random.default_rng(seed)
    side = int(rng.choice([-1, 1]))
    cap = [side * int(x) for x in rng.integers(0, 4, 4)]
    slope = [int(x) for x in rng.integers(-5, 6, 4)]
    required = side * int(rng.integers(1, max(2, abs(sum(cap)))))
    if abs(sum(cap)) < abs(required):
        required = sum(cap)
    data = {"required": [required], "asset": [0] * 4, "cap": cap, "units": [0] * 5}
    data |= {"depth": [0], "linear": [0], "slope": [0]}
    price, minimum = _minimum_over_boxes(data, slope)
    amounts = np.array(np.meshgrid(*(range(abs(c) + 1) for c in cap))).reshape(4, -1) * side
    amounts = amounts[:, amounts.sum(axis=0) == required]
    assert minimum == min(np.array(slope) @ amounts)
    assert minimum == price[0] * required + sum(
        min(0, (s - price[0]) * c) for s, c in zip(slope, cap, strict=True)
    )


def market_problem(seed: int) -> adl.Problem:
    """Hedged shorts, a market that may be free, shallow or infinitely deep."""
    rng = np.random.default_rng(seed)
    accounts = int(rng.integers(2, 8))
    size = -np.exp(rng.normal(0, 1, accounts))
    hedge = -10 * size * rng.uniform(0.5, 1.5, accounts) * (rng.random(accounts) < 0.8)
    frame = pd.DataFrame(
        {
            "account": np.repeat(np.arange(accounts), 2),
            "asset": ["A0", "A1"] * accounts,
            "size": np.column_stack([size, hedge]).ravel(),
            "equity": np.repeat(np.abs(size) * 100 * np.exp(rng.normal(-2, 0.5, accounts)), 2),
        }
    )
    returns = np.expm1(rng.normal(0, 0.15, (12, 1)) + rng.normal(0, 0.03, (12, 2)))
    return adl.Problem(
        adl.Book.from_frame(frame, marks={"A0": 100.0, "A1": 10.0}),
        {"A0": float(rng.choice([0.6, 1.0]) * size.sum())},
        prices=adl.Scenarios(returns=returns, assets=["A0", "A1"]),
        objective=OBJECTIVES[seed % len(OBJECTIVES)],
        market=adl.Market(
            depth={"A0": float(rng.choice([0.5, 3.0, np.inf]))},
            spread=float(rng.choice([0.0, 0.002, 0.02])),
            impact=float(rng.choice([0.0, 0.01, 0.1])),
        ),
    )


@pytest.mark.parametrize("seed", range(40))
def test_sales_in_a_market_are_proven(seed: int) -> None:
    """Of optima, of rules, and of allocations that leave as much as they may to the market; the
    judge's value and its linear program know nothing of the package.
    """
    problem = market_problem(seed)
    assert problem.market_terms is not None
    rule = adl.policies.ProRata().reductions(problem)
    left = np.maximum(np.abs(problem.required) - problem.market_terms.depth, 0.0)
    least = rule * (left / np.abs(problem.required[0]))[problem.asset]
    solution = adl.solve(problem)
    for given in (solution, rule, least):
        proof, certificate = adl.prove(problem, given), adl.certify(problem, given)
        assert float(proof.value) == pytest.approx(certificate.value, rel=1e-11, abs=1e-9)
        bound = max(certificate.lower_bound, getattr(given, "lower_bound", 0.0))
        assert float(proof.lower_bound) == pytest.approx(bound, rel=1e-9, abs=1e-8)
        if seed < 14:
            assert false_claims(proof.document) == []
    assert solution.sold is not None
    proven = adl.prove(problem, solution)
    sold = proven.document["sold"][0] * Fraction(1, 1 << proven.document["units"][0])
    assert float(sold) == pytest.approx(solution.sold["A0"], abs=1e-8)


def test_a_sale_by_hand() -> None:
    """One account, 4 long at 100 with equity 100, of which two must go. Prices fall to 0 or stay.
    Selling one contract costs 5 + 3 / 2, and the account keeps one more: it owes 200 with
    probability a half.
    """
    book = adl.Book.from_frame(
        pd.DataFrame({"account": ["a"], "asset": ["X"], "size": [4.0], "equity": [100.0]}),
        marks={"X": 100.0},
    )
    problem = adl.Problem(
        book,
        {"X": 2.0},
        prices=adl.Scenarios([[0.0], [100.0]]),
        market=adl.Market(depth=1.0, spread=0.1, impact=0.03),
    )
    proof = adl.prove(problem, np.array([1.0]))
    assert float(proof.value) == pytest.approx(106.5, rel=1e-15)  # 0.1 and 0.03 are no dyadics
    assert proof.lower_bound == 50
    assert adl.prove(problem, np.array([2.0])).gap == 0


def test_losses_of_the_judge_are_those_of_the_model() -> None:
    problem, table = case_problem(6, scenarios=8)
    document = adl.prove(problem, table).document
    after = losses_beyond_fund(problem, table["reduction"].to_numpy()[problem.eligible])
    assert [float(x) for x in losses(document, document["reduction"])] == pytest.approx(
        after.tolist(), rel=1e-9, abs=1e-9 * problem.book.gross.sum()
    )
