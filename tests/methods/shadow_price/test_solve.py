"""The method as a whole: right on random books, steady under limits, threads and warm starts."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import adlopt as adl
from adlopt._internal import parallel
from adlopt.methods.result import Result, Settings, Start
from adlopt.methods.shadow_price import decomposition
from adlopt.methods.shadow_price.solve import ShadowPrice
from adlopt.methods.shadow_price.tuning import DEFAULTS
from adlopt.proof.certificate import Certificate, certify_array
from tests.methods.shadow_price.books import KINDS, random_book
from tests.methods.shadow_price.campaign import (
    FORCED,
    OBJECTIVES,
    UNCOMPARED,
    disagreement,
    linear_optimum,
    with_fund,
)
from tests.typed import priced

TAILS = (
    adl.ExpectedLoss(),
    adl.CVaR(0.99),
    adl.ExpectedLoss() + adl.Spectral([0.5, 0.9, 0.99], [0.3, 0.3, 0.4]),
    adl.WorstCase(),
)


def solved(problem: adl.Problem, *, start: Result | None = None, **settings: Any) -> Result:
    before = None
    if start is not None:
        before = Start(start.allocation, start.multipliers, None, start.warm_start)
    return ShadowPrice(problem).solve(Settings(start=before, **settings))


def proof_of(problem: adl.Problem, result: Result) -> Certificate:
    return certify_array(problem, result.allocation, result.multipliers)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("kind", KINDS)
def test_random_books_against_a_linear_program(kind: str, name: str) -> None:
    """A sample of `campaign`: ordinary sizes, and few groups and several samples forced on."""
    objective, terms = OBJECTIVES[name]
    for seed in (1000 + KINDS.index(kind), 2000 + KINDS.index(kind)):
        case = random_book(seed, kind=kind, pools=int(10 + 20 * (seed > 1999)))
        posed = with_fund(case) if seed > 1999 else case
        optimum = linear_optimum(posed, terms)
        for tuning in (DEFAULTS, FORCED):
            assert disagreement(posed, objective, terms, optimum, tuning) in ("", UNCOMPARED)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "one scenario"])
def test_large_degenerate_books_are_proven(kind: str) -> None:
    """Groups and samples at their real sizes."""
    problem = random_book(31, kind=kind, pools=6000).problem()
    result = solved(problem)
    proof = proof_of(problem, result)
    assert proof.gap <= 1e-8 or proof.excess <= 1e-11 * problem.book.equity.sum()


@pytest.mark.parametrize("reduce", [1.0, 0.99999, 0.01, 1e-6])
@pytest.mark.parametrize("objective", [adl.ExpectedLoss(), adl.CVaR(0.95)], ids=str)
def test_extreme_reductions_are_proven(reduce: float, objective: adl.Objective) -> None:
    problem = adl.synthetic.problem(5000, scenarios=200, reduce=reduce, objective=objective)
    proof = proof_of(problem, solved(problem))
    assert proof.gap <= 1e-8 or proof.excess <= 1e-11 * problem.book.equity.sum()


@pytest.mark.parametrize("objective", TAILS, ids=str)
def test_bits_do_not_depend_on_the_number_of_threads(
    objective: adl.Objective, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = adl.synthetic.problem(8000, scenarios=300, objective=objective, seed=3)
    results = []
    for threads in (1, 2, 4):
        monkeypatch.setattr(parallel, "processors", lambda threads=threads: threads)
        parallel._workers.cache_clear()
        results.append(solved(problem))
    parallel._workers.cache_clear()
    first = results[0]
    for other in results[1:]:
        assert first.allocation.tobytes() == other.allocation.tobytes()
        assert first.multipliers is not None
        assert other.multipliers is not None
        assert first.multipliers.weight.tobytes() == other.multipliers.weight.tobytes()


@pytest.mark.parametrize("objective", TAILS, ids=str)
def test_the_time_limit_returns_the_best_answer_so_far(objective: adl.Objective) -> None:
    problem = adl.synthetic.problem(3000, scenarios=300, objective=objective)
    full = priced(adl.solve(problem, "shadow_price"))
    short = priced(adl.solve(problem, "shadow_price", time_limit=1e-6))
    assert short.status == "time_limit"
    assert short.value >= full.value * (1 - 1e-9)
    assert short.lower_bound <= full.value * (1 + 1e-9)
    even = certify_array(problem, problem.pro_rata()).value
    assert short.value <= even * (1 + 1e-9)
    total = np.bincount(problem.asset, short.allocation["reduction"], problem.required.size)
    np.testing.assert_allclose(total, problem.required, rtol=1e-12)


@pytest.mark.parametrize("sweep", [0, 2, 6])
def test_an_interruption_returns_the_best_answer_so_far(
    sweep: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = adl.synthetic.problem(3000, scenarios=200, seed=5)
    full = priced(adl.solve(problem, "shadow_price"))
    plain = decomposition.Decomposition._sweep

    def interrupted(self: decomposition.Decomposition, point: np.ndarray) -> float:
        if self.keep_answers and self.sweeps == sweep:
            monkeypatch.setattr(decomposition.Decomposition, "_sweep", plain)
            raise KeyboardInterrupt
        return plain(self, point)

    monkeypatch.setattr(decomposition.Decomposition, "_sweep", interrupted)
    answer = priced(adl.solve(problem, "shadow_price"))
    assert answer.status in ("time_limit", "optimal")
    assert (answer.status == "optimal") == (answer.gap <= 1e-6)
    assert full.value * (1 - 1e-9) <= answer.value
    assert answer.lower_bound <= full.value * (1 + 1e-9)


@pytest.mark.parametrize("objective", TAILS, ids=str)
def test_a_warm_start_gives_the_same_value_and_its_proof(objective: adl.Objective) -> None:
    problem = adl.synthetic.problem(1500, scenarios=300, objective=objective, seed=2)
    last = solved(problem)
    changes: list[dict[str, Any]] = [{"multiple": m} for m in (1.01, 0.99, 0.5, 1.6)]
    before = proof_of(problem, last).value
    changes += [{"insurance_fund": 0.3 * before}, {"objective": adl.CVaR(0.9)}, {"multiple": 1.0}]
    for change in changes:
        variant = problem.with_changes(**change)
        last = solved(variant, start=last)
        warm, cold = proof_of(variant, last), proof_of(variant, solved(variant))
        assert warm.gap <= 1e-8
        assert warm.value == pytest.approx(cold.value, rel=1e-8)


def test_a_warm_start_serves_two_solves_and_keeps_its_work() -> None:
    problem = adl.synthetic.problem(4000, scenarios=300, seed=2)
    first = adl.solve(problem, "shadow_price")
    near = problem.with_changes(multiple=1.0001)
    again = [priced(adl.solve(near, "shadow_price", warm_start=first)) for _ in range(2)]
    cold = adl.solve(near, "shadow_price")
    for answer in again:
        assert answer.gap <= 1e-8
        assert answer.value == pytest.approx(cold.value, rel=1e-8)
        assert answer.details["sweeps"] < cold.details["sweeps"]


def test_warm_starts_offer_the_answers_that_multipliers_were_read_from() -> None:
    """The last sweep of a solve, at its best prices, may return to answers whose columns have been
    forgotten; the next solve found nothing new in them and stopped 4e-4 above the optimum.
    """
    problem = adl.synthetic.problem(200, scenarios=500)
    last = None
    for multiple in np.linspace(0.2, 2.0, 100)[74:50:-1]:
        variant = problem.with_changes(multiple=float(multiple))
        last = solved(variant, start=last)
        assert proof_of(variant, last).gap <= 1e-9


def test_a_tighter_tolerance_is_never_worse() -> None:
    problem = adl.synthetic.problem(
        200, 10, held=3, scenarios=2000, objective=adl.CVaR(0.99), seed=7
    )
    loose = priced(adl.solve(problem, method="shadow_price"))
    tight = priced(adl.solve(problem, method="shadow_price", tolerance=1e-9))
    assert tight.value <= loose.value
    assert loose.gap <= 1e-9
    assert tight.status == "optimal"


@pytest.mark.parametrize("objective", [adl.ExpectedLoss(), adl.CVaR(0.9)], ids=str)
def test_a_cvar_of_level_zero_inside_a_sum_is_an_expected_loss(objective: adl.Objective) -> None:
    base = adl.synthetic.problem(150, scenarios=80, seed=1)
    values = [
        adl.solve(base.with_changes(objective=objective + other), "shadow_price").value
        for other in (adl.CVaR(0.0), adl.ExpectedLoss())
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-9)


def test_other_objectives_and_missing_prices_are_refused_by_name() -> None:
    base = adl.synthetic.problem(5, scenarios=5)
    with pytest.raises(adl.NotApplicable, match="prices"):
        adl.solve(adl.Problem(base.book, base.reduction), "shadow_price")


def test_no_loss_at_all_is_proven_at_once() -> None:
    base = adl.synthetic.problem(300, scenarios=100, seed=4)
    calm = adl.Problem(
        base.book, base.reduction, prices=adl.Scenarios(returns=np.full((3, 5), 1e-9))
    )
    started = time.perf_counter()
    solution = adl.solve(calm, "shadow_price")
    assert solution.value == 0.0
    assert solution.gap == 0.0
    assert time.perf_counter() - started < 60


def test_a_conic_solve_before_changes_nothing() -> None:
    """In one process HiGHS keeps the number of threads of its first instance, such as cvxpy's."""
    code = (
        "import sys, adlopt as adl\n"
        "if sys.argv[1] == 'conic': adl.solve(adl.examples.paper_problem(64), 'conic')\n"
        "prices = adl.examples.paper_lognormal(points=256)\n"
        "problem = adl.Problem(adl.examples.paper_book(), {'BTC': -10.0}, prices=prices,"
        " objective=adl.CVaR(0.95))\n"
        "solution = adl.solve(problem, 'shadow_price')\n"
        "print(solution.status, repr(solution.value))"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", code, before], capture_output=True, text=True, check=True
        ).stdout
        for before in ("conic", "nothing")
    ]
    assert answers[0] == answers[1]
    assert answers[0].startswith("optimal")


@pytest.mark.parametrize("objective", [adl.CVaR(0.97), adl.ExpectedLoss() + adl.CVaR(0.9)])
def test_scenarios_that_a_sample_missed_are_added(objective: adl.Objective) -> None:
    """With a few scenarios chosen by a few pools, later rounds must find the others."""
    problem = adl.synthetic.problem(600, scenarios=300, seed=3, objective=objective)
    tuning = replace(
        DEFAULTS, smallest_sample=4, sample_step=20.0, tail_spread=1.0, fewest_scenarios=1
    )
    result = ShadowPrice(problem, tuning).solve(Settings())
    assert result.details["rounds"] > 1
    assert proof_of(problem, result).gap < 1e-8


@pytest.mark.parametrize("seed", range(3))
def test_pools_with_caps_of_zero_keep_their_losses(seed: int) -> None:
    case = random_book(seed, pools=30, kind="plain")
    caps = case.positions[["account", "asset", "margin_mode"]].assign(
        cap=case.positions["size"].abs()
    )
    caps.loc[caps["account"].isin([f"u{i}" for i in range(0, 30, 4)]), "cap"] = 0.0
    reduction = {asset: 0.1 * size for asset, size in case.reduction.items()}
    posed = replace(case, caps=caps, reduction=reduction)
    for objective, terms in (OBJECTIVES["expected loss"], OBJECTIVES["CVaR 95 %"]):
        optimum = linear_optimum(posed, terms)
        for tuning in (DEFAULTS, FORCED):
            assert disagreement(posed, objective, terms, optimum, tuning) == ""
