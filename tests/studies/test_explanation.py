"""Explanations: every number is checked by another computation, every remedy by a re-solve."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.model.losses import objective_value
from adlopt.studies import remedies
from tests.typed import priced, untyped


def lognormal() -> adl.Problem:
    return adl.Problem(
        adl.examples.paper_book(), {"BTC": -10.0}, prices=adl.examples.paper_lognormal(points=128)
    )


def gaussian() -> adl.Problem:
    move = np.array([6_654.0, 200.6])
    covariance = np.outer(move, move) * np.array([[1.0, 0.5], [0.5, 1.0]])
    prices = adl.Gaussian(covariance, assets=["BTC", "ETH"])
    return adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices)


def isolated() -> adl.Problem:
    return adl.Problem(adl.examples.paper_book().with_margin("isolated"), {"BTC": -10.0})


PROBLEMS = {
    "water_filling": isolated,
    "factor_leverage": adl.examples.paper_problem,
    "gaussian": gaussian,
    "lognormal": lognormal,
}


def changed(
    problem: adl.Problem, account: str, *, equity: float = 0.0, smaller: float = 0.0
) -> adl.Problem:
    """The problem stated anew from tables, with one account changed."""
    frame = problem.book.to_frame()
    own = frame["account"] == account
    frame.loc[own & frame["equity"].notna(), "equity"] += equity
    frame.loc[own, "size"] *= 1 - smaller
    return dataclasses.replace(problem, book=adl.Book.from_frame(frame))


def is_spared(problem: adl.Problem, account: str, original: float) -> bool:
    """Whether some optimum takes nothing from the account, by solves of problems stated anew."""
    solution = adl.solve(problem, tolerance=1e-8)
    allocation = solution.allocation
    amount = float(allocation.loc[allocation["account"] == account, "reduction"].abs().sum())
    if solution.method in ("water_filling", "factor_leverage"):
        return amount <= 1e-9 * original  # exact, and the optimum is unique
    if amount <= 2e-4 * original:
        return True
    caps = pd.DataFrame({"account": [account], "asset": ["BTC"], "cap": [0.0]})
    without = priced(adl.solve(dataclasses.replace(problem, caps=caps), tolerance=1e-8))
    return bool(without.value <= priced(solution).value * (1 + 2e-7))


@pytest.mark.parametrize("name", PROBLEMS)
def test_remedies_by_solving_again(name: str) -> None:
    """With the stated equity or size the account is spared, with a hundredth less it is not."""
    problem = PROBLEMS[name]()
    solution = adl.solve(problem)
    reduced = solution.reduced
    assert len(reduced) >= 2
    for account, original in zip(reduced["account"], reduced["reduction"].abs(), strict=True):
        (remedy,) = adl.explain(solution, account).remedies.to_dict("records")
        extra, smaller = remedy["extra_equity"], remedy["size_reduction"]
        assert 0 < extra < np.inf
        assert 0 < smaller < 1
        assert is_spared(changed(problem, account, equity=extra), account, original)
        assert is_spared(changed(problem, account, smaller=smaller), account, original)
        assert not is_spared(changed(problem, account, equity=0.99 * extra), account, original)
        assert not is_spared(changed(problem, account, smaller=0.99 * smaller), account, original)


def test_remedies_in_closed_form() -> None:
    """An account is spared at the level that the others reach without it."""
    problem = adl.examples.paper_problem()
    frame = problem.book.to_frame()
    others = adl.Book.from_frame(frame[frame["account"] != "3"])
    level = adl.solve(dataclasses.replace(problem, book=others)).water_level
    explanation = adl.explain(adl.solve(problem), "3")
    ratio = explanation.table["factor_leverage_before"][0] / level
    (remedy,) = explanation.remedies.to_dict("records")
    assert remedy["extra_equity"] == pytest.approx((ratio - 1) * remedy["equity"], rel=2e-3)
    assert remedy["size_reduction"] == pytest.approx(1 - 1 / ratio, rel=2e-3)
    assert remedy["extra_equity"] >= (ratio - 1) * remedy["equity"]  # never too little


@pytest.mark.parametrize("name", ["factor_leverage", "gaussian", "lognormal"])
def test_marginal_saving_is_the_slope_of_the_objective(name: str) -> None:
    problem = PROBLEMS[name]()
    solution = adl.solve(problem)
    reductions = solution.allocation["reduction"].to_numpy()
    for i, account in enumerate(problem.positions["account"]):
        own = adl.explain(solution, account, what_if=False).table.iloc[0]
        untouched = reductions.copy()
        untouched[i] = 0.0
        step = untouched.copy()
        step[i] = 1e-5 * problem.max_reduction[i]
        slope = (objective_value(problem, untouched) - objective_value(problem, step)) / abs(
            step[i]
        )
        assert own["marginal_saving"] == pytest.approx(slope, rel=1e-3, abs=1e-4)
        if own["reduction"] != 0:
            assert own["marginal_saving"] >= own["shadow_price"] * (1 - 1e-6)
        else:
            assert own["marginal_saving"] <= own["shadow_price"] * (1 + 1e-6)


def test_marginal_saving_under_a_tail_objective_and_a_fund() -> None:
    """Reduced accounts save at least the shadow price, others at most, under stressed measures."""
    base = adl.synthetic.problem(30, assets=1, scenarios=200, seed=3, objective=adl.CVaR(0.9))
    problem = dataclasses.replace(base, insurance_fund=1.0)
    solution = priced(adl.solve(problem))
    price = float(solution.shadow_prices.iloc[0])
    for account in problem.positions["account"]:
        own = adl.explain(solution, account, what_if=False).table.iloc[0]
        if own["fraction"] > 1e-6:
            assert own["marginal_saving"] >= price * (1 - 1e-4)
        elif own["fraction"] == 0:
            assert own["marginal_saving"] <= price * (1 + 1e-4)


def test_the_table_has_the_facts() -> None:
    problem = adl.examples.paper_problem()
    solution = adl.solve(problem)
    explanation = adl.explain(solution, "3", what_if=False)
    (own,) = explanation.table.to_dict("records")
    direction = adl.examples.paper_direction()
    sizes = problem.book.to_frame().query("account == '3'").set_index("asset")["size"]
    equity = problem.book.accounts.set_index("account").loc["3", "equity"]
    before = -sum(sizes[asset] * direction[asset] for asset in sizes.index) / equity
    assert own["factor_leverage_before"] == pytest.approx(before)
    assert own["factor_leverage_after"] == pytest.approx(solution.water_level)
    assert own["level"] == solution.water_level
    assert own["queue_reduction"] == -3.0
    assert explanation.queue == "BitMEX's queue"
    for number in ("6.84511 BTC", f"{before:.4g}", f"{own['level']:.4g}", "3 BTC"):
        assert number in explanation.text
    assert explanation.remedies["extra_equity"].isna().all()
    assert "more equity" not in explanation.text
    assert "<table" in explanation._repr_html_()
    assert repr(explanation).count("\n") == len(explanation.sentences) - 1
    assert explanation.to_frame().equals(explanation.table)


def test_an_account_that_was_not_reduced() -> None:
    explanation = adl.explain(adl.solve(adl.examples.paper_problem()), "4")
    assert explanation.remedies.empty
    assert "nothing was taken from its short position of 7 BTC" in explanation.text
    assert "below the level of 0.4046" in explanation.text
    assert "would have saved 0 of the objective, less than the 125.1" in explanation.text


def book(*rows: tuple[str, float, float]) -> adl.Book:
    table = pd.DataFrame(rows, columns=["account", "size", "equity"]).assign(asset="X")
    return adl.Book.from_frame(table, marks={"X": 10.0})


def test_accounts_that_cannot_be_reduced() -> None:
    held = book(("a", -5.0, 10.0), ("b", 5.0, 10.0), ("c", -5.0, -1.0), ("d", -5.0, 20.0))
    solution = adl.solve(adl.Problem(held, {"X": -3.0}))
    for account in ("b", "c"):
        explanation = adl.explain(solution, account)
        assert explanation.table.empty
        assert "no solvent position on a side that had to be reduced" in explanation.text
    assert adl.explain(solution, "a").queue == "a queue by gross leverage"  # no entry prices


def test_an_account_that_nothing_could_have_spared() -> None:
    """The others hold less than is required."""
    solution = adl.solve(adl.Problem(book(("a", -5.0, 10.0), ("d", -5.0, 20.0)), {"X": -8.0}))
    explanation = adl.explain(solution, "a")
    assert explanation.remedies[["extra_equity", "size_reduction"]].isna().all(axis=None)
    assert "Neither more equity nor smaller positions" in explanation.text


def test_remedies_of_several_isolated_positions() -> None:
    frame = pd.DataFrame(
        {
            "account": ["a", "a", "b", "b"],
            "asset": ["X", "Y", "X", "Y"],
            "size": [-10.0, -20.0, -10.0, -10.0],
            "equity": [10.0, 10.0, 50.0, 50.0],
            "margin_mode": "isolated",
        }
    )
    held = adl.Book.from_frame(frame, marks={"X": 10.0, "Y": 10.0})
    solution = adl.solve(adl.Problem(held, {"X": -4.0, "Y": -5.0}))
    explanation = adl.explain(solution, "a")
    assert explanation.remedies["asset"].tolist() == ["X", "Y"]
    # X: spared at b's leverage after giving 4, which is 6 * 10 / 50
    assert explanation.remedies["extra_equity"][0] == pytest.approx(100 / 1.2 - 10, rel=2e-3)
    assert "from its isolated Y position" in explanation.text


def test_a_resolve_that_differs_offers_no_remedy() -> None:
    """Under a constraint of the user's the re-solve is another problem, so nothing is stated."""
    problem = lognormal()
    half = adl.constraints.at_most_fraction(problem, 0.5)
    solution = adl.solve(problem, constraints=half)
    pool = int(problem.pool[2])
    assert np.isnan(remedies.extra_equity(problem, solution, pool))
    assert np.isnan(remedies.size_reduction(problem, solution, pool))


def test_refusals() -> None:
    solution = adl.solve(adl.examples.paper_problem())
    with pytest.raises(adl.InputError, match="account '9' is not in the book; it has 1, 2, 3, 4"):
        adl.explain(solution, "9")
    with pytest.raises(adl.InputError, match="give the Solution"):
        untyped.explain(5, "1")
