"""Policies beside the optimum."""

from __future__ import annotations

import importlib
import re

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.support import Reference, close, random_case
from tests.typed import cell, priced, untyped

P = adl.policies


def gross_queue() -> P.Queue:
    return P.Queue(P.features.leverage, name="gross-leverage queue")


def with_entries(problem: adl.Problem) -> adl.Problem:
    """The same problem with entry prices, so that every rule can take part."""
    frame = problem.book.to_frame()
    frame["entry_price"] = frame["mark"] * np.linspace(0.7, 1.4, len(frame))
    return adl.Problem(
        adl.Book.from_frame(frame),
        problem.reduction,
        prices=problem.prices,
        objective=problem.objective,
        caps=problem.caps,
    )


@pytest.mark.parametrize("block", range(10))
def test_no_policy_beats_the_optimum(block: int) -> None:
    """200 random problems: closed forms, and every twentieth by the conic program."""
    for seed in range(20 * block, 20 * (block + 1)):
        conic = seed % 20 == 19
        case = random_case(
            seed, ("isolated", "cross", "mixed")[seed % 3], one_factor=not conic, scenarios=24
        )
        problem = with_entries(case.problem((adl.ExpectedLoss(), adl.CVaR(0.8))[seed % 2]))
        solution = priced(adl.solve(problem))
        best = P.Optimal().reductions(problem)
        for policy in P.standard(problem):
            taken = policy.reductions(problem)
            value = _value(problem, taken)
            assert value >= solution.lower_bound - 1e-12 * abs(value), (case.label, policy)
        before = _value(problem, np.zeros(best.size))
        value = _value(problem, best)
        assert value - solution.lower_bound <= 1e-6 * abs(value) + 1e-9 * before, case.label


def _value(problem: adl.Problem, taken: np.ndarray) -> float:
    """The objective, from the definition: hinges summed over pools, by scenario."""
    book, moves, weights = problem.book, problem.scenarios.moves, problem.scenarios.weights
    size = book.size.copy()
    size[problem.eligible] -= taken
    V = np.repeat(book.equity[:, None], weights.size, axis=1)
    np.add.at(V, book.pool, size[:, None] * moves.T[book.asset])
    return problem.objective.evaluate(np.maximum(-V[book.equity > 0], 0.0).sum(axis=0), weights)


@pytest.mark.parametrize("seed", range(4))
def test_risk_columns_against_their_definitions(seed: int) -> None:
    case = random_case(seed, "cross", one_factor=seed % 2 == 0, settlement=True, fund=seed > 1)
    problem = case.problem(adl.CVaR(0.7))
    table = adl.compare(problem, [P.ProRata(), P.MinMaxBurden()], level=0.9)
    assert table.policies == ["Optimal", "ProRata(contracts)", "MinMaxBurden"]
    reference = Reference(case)
    lower_bound = table.lower_bound
    assert lower_bound is not None
    for name in table.policies:
        joined = case.positions.merge(
            table.allocations[name][["account", "asset", "reduction"]],
            on=["account", "asset"],
            how="left",
        )
        losses = reference.losses(joined["reduction"].fillna(0.0).to_numpy())
        risk = table.risk.loc[name]
        assert risk["objective"] == pytest.approx(
            reference.measure(losses, [(1.0, 0.7)]), rel=1e-9, abs=1e-9
        )
        assert risk["expected_loss"] == pytest.approx(case.weights @ losses, rel=1e-9, abs=1e-9)
        assert risk["cvar"] == pytest.approx(
            reference.measure(losses, [(1.0, 0.9)]), rel=1e-9, abs=1e-9
        )
        assert risk["worst_case"] == pytest.approx(losses.max(), rel=1e-9, abs=1e-9)
        assert risk["excess"] == pytest.approx(risk["objective"] - lower_bound, rel=1e-9, abs=1e-9)
        assert bool(table.feasibility.loc[name, "feasible"])
    optimum = reference.optimum([(1.0, 0.7)])
    before = reference.measure(reference.losses(None), [(1.0, 0.7)])
    assert close(cell(table.risk, "Optimal", "objective"), optimum, before)
    assert table.before["objective"] == pytest.approx(before, rel=1e-9, abs=1e-9)


def test_says_which_default_rules_are_left_out_and_why() -> None:
    bare = adl.Book.from_frame(adl.examples.paper_book().to_frame().drop(columns="entry_price"))
    problem = adl.Problem(bare, {"BTC": -10.0})
    comparison = adl.compare(problem)
    assert set(comparison.omitted) == {*P.omitted(problem), "Optimal"}
    assert not set(comparison.omitted) & set(comparison.policies)
    for text in (repr(comparison), comparison._repr_html_()):
        assert "left out: BitMEX, Binance, Hyperliquid, ProRata(pnl): they rank by profit" in text
        assert "left out: Optimal: no method solves this problem without a price model" in text
    assert adl.Comparison.from_json(comparison.to_json()).omitted == comparison.omitted
    priced = adl.Problem(bare, {"BTC": -10.0}, prices=adl.examples.paper_problem().prices)
    assert set(adl.compare(priced).omitted) == {"BitMEX", "Binance", "Hyperliquid", "ProRata(pnl)"}
    assert adl.compare(priced, [P.ProRata()]).omitted == {}
    standing = adl.exposure(bare, "4", ladder=[{"BTC": -5.0}])
    assert standing.omitted == P.omitted(problem)
    assert "left out: BitMEX" in repr(standing)


def test_shows_the_level_of_cvar() -> None:
    comparison = adl.compare(adl.examples.paper_problem(64), [P.ProRata()], level=0.95)
    assert "cvar_95%" in repr(comparison)
    assert "cvar" in comparison.risk


def test_paper_example() -> None:
    """The queue by gross leverage hits the hedged account 4 first and leaves it naked; factor
    leverage leaves it alone.
    """
    table = adl.compare(
        adl.examples.paper_problem(), [gross_queue(), P.FactorLeverage(), P.Optimal()]
    )
    assert table.policies == ["gross-leverage queue", "FactorLeverage", "Optimal"]
    taken = pd.DataFrame(
        {name: rows.set_index("account")["reduction"] for name, rows in table.allocations.items()}
    )
    assert taken.loc["4"].to_numpy().tolist() == [-7.0, 0.0, 0.0]
    assert taken["gross-leverage queue"].tolist() == [0.0, 0.0, -3.0, -7.0]
    risk = table.risk
    assert cell(risk, "gross-leverage queue", "objective") > 4 * cell(risk, "Optimal", "objective")
    assert (risk.loc[["FactorLeverage", "Optimal"], "gap"] <= 1e-6).all()
    assert table.hedges["unhedged"].tolist() == [1, 0, 0]
    naked = table.unhedged
    assert naked[["policy", "account"]].to_numpy().tolist() == [["gross-leverage queue", "4"]]
    v = adl.examples.paper_direction()
    assert naked["before"][0] == pytest.approx(-7 * v["BTC"] + 190 * v["ETH"], rel=1e-9)
    assert naked["after"][0] == pytest.approx(190 * v["ETH"], rel=1e-9)
    shares = table.fractions["gross-leverage queue"]
    assert shares.tolist() == [0.0, 0.0, 0.375, 1.0]


def test_concentration_by_hand() -> None:
    """10 taken as 6, 3 and 1 of 6, 6, 6 and 2: shares 0.6, 0.3, 0.1 and nothing."""
    frame = pd.DataFrame(
        {
            "account": list("abcd"),
            "asset": "X",
            "size": [-6.0, -6.0, -6.0, -2.0],
            "equity": [3.0, 6.0, 1.0, 1.0],
        }
    )
    problem = adl.Problem(adl.Book.from_frame(frame, marks={"X": 2.0}), {"X": -10.0})
    table = adl.compare(problem, {"mine": lambda _: [-6.0, -3.0, -1.0, 0.0]})
    assert table.policies == ["Optimal", "mine"]  # water-filling needs no price model
    row = table.concentration.loc["mine"]
    assert row["accounts"] == 3
    assert row["fully_closed"] == 1
    assert row["max_fraction"] == 1.0
    assert row["max_burden"] == pytest.approx(4.0)  # a: 12 of notional over 3
    assert row["hhi"] == pytest.approx(0.46)
    pairs = np.array([12.0, 6.0, 2.0, 0.0])
    assert row["gini"] == pytest.approx(
        np.abs(pairs[:, None] - pairs).sum() / (2 * 4 * pairs.sum())
    )
    leverage = [0.0, 1.0, 10.0, 4.0]
    assert table.risk.loc["mine", "leverage_p50"] == pytest.approx(np.median(leverage))
    assert table.risk.loc["mine", "leverage_max"] == 10.0
    assert np.isnan(cell(table.risk, "mine", "objective"))
    assert table.hedges.loc["mine", "gross_closed"] == 20.0
    assert (
        table.hedges.loc["mine", "net_before"] == 40.0
    )  # without a model, all prices move by the same share
    assert table.lower_bound is None


def test_infeasible_answers_are_shown_as_such() -> None:
    problem = adl.examples.paper_problem()
    table = adl.compare(
        problem,
        {
            "half": lambda posed: 0.5 * P.ProRata().reductions(posed),
            "over": lambda _: [2.0, 0, 0, -12.0],
        },
    )
    assert table.feasibility["feasible"].tolist() == [True, False, False]
    assert table.feasibility.loc["half", "sum_violation"] == pytest.approx(0.5)
    assert table.feasibility.loc["over", "bound_violation"] == pytest.approx(0.5)
    assert table.risk["gap"].isna().tolist() == [False, True, True]


def test_without_any_method_the_optimum_is_left_out() -> None:
    problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0})
    table = adl.compare(problem)
    assert "Optimal" not in table.policies
    assert table.risk["objective"].isna().all()
    assert table.risk["leverage_max"].notna().all()


def test_another_objective_has_a_row_of_its_own() -> None:
    problem = adl.examples.paper_problem(64)
    table = adl.compare(problem, [P.Optimal(objective=adl.CVaR(0.9)), P.Optimal()])
    assert table.policies == ["Optimal(CVaR(level=0.9))", "Optimal"]


def test_shown_as_text_and_html() -> None:
    table = adl.compare(adl.examples.paper_problem(), [P.BitMEX()])
    text = repr(table)
    for word in ("feasibility", "risk", "concentration", "hedges", "BitMEX", "yes"):
        assert word in text
    assert table._repr_html_().count("<table") == 4
    assert list(table.table.columns) == [
        column
        for block in (table.feasibility, table.risk, table.concentration, table.hedges)
        for column in block.columns
    ]
    assert all(re.fullmatch("[a-z0-9_]+", column) for column in table.to_frame().columns)


def test_json_and_back() -> None:
    """Every table and number survives, whatever the accounts are called; NaN becomes null."""
    problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0})  # no prices: NaN columns
    for given in (problem, adl.examples.paper_problem(64)):
        first = adl.compare(given, [P.BitMEX(), P.ProRata()], level=0.9)
        text = first.to_json()
        assert "NaN" not in text
        second = adl.Comparison.from_json(text, problem=given)
        pd.testing.assert_frame_equal(second.table, first.table)
        pd.testing.assert_frame_equal(second.unhedged, first.unhedged)
        for name, allocation in first.allocations.items():
            pd.testing.assert_frame_equal(second.allocations[name], allocation)
        pd.testing.assert_series_equal(second.before, first.before)
        pd.testing.assert_series_equal(second.direction, first.direction)
        assert (second.lower_bound, second.level) == (first.lower_bound, first.level)
        assert second.to_json() == text
        assert second.problem is given
    for bad in ("", "{}", "[1]", '{"policies": 3}'):
        with pytest.raises(adl.InputError, match="to_json"):
            adl.Comparison.from_json(bad)


def test_refusals() -> None:
    problem = adl.examples.paper_problem()
    with pytest.raises(adl.InputError, match="at least one policy"):
        adl.compare(problem, [])
    with pytest.raises(adl.InputError, match="compare: direction: no entry for asset 'ETH'"):
        adl.compare(problem, [P.ProRata()], direction={"BTC": 1.0})
    with pytest.raises(adl.InputError, match="policies is 5; give a policy"):
        untyped.compare(problem, 5)
    with pytest.raises(adl.InputError, match="CVaR"):
        adl.compare(problem, [P.ProRata()], level=1.0)


def test_a_rule_that_takes_nothing() -> None:
    """It is infeasible and concentrates nothing; no number becomes NaN on the way, and nothing
    warns.
    """
    table = adl.compare(
        adl.examples.paper_problem(), {"nothing": lambda problem: np.zeros(problem.eligible.size)}
    )
    assert not table.feasibility.loc["nothing", "feasible"]
    assert table.concentration.loc["nothing"].to_numpy().tolist() == [0, 0, 0.0, 0.0, 0.0, 0.0]


def test_a_known_solution_is_not_solved_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = adl.examples.paper_problem()
    rules = [adl.policies.ProRata()]
    fresh, solution = adl.compare(problem, rules), adl.solve(problem)
    monkeypatch.setattr(
        importlib.import_module("adlopt.studies.comparison"),
        "solve",
        lambda *_, **__: pytest.fail("solved again"),
    )
    known = adl.compare(problem, rules, solution=solution)
    pd.testing.assert_frame_equal(known.table, fresh.table)
    with pytest.raises(adl.InputError):
        adl.compare(problem.with_changes(multiple=0.5), rules, solution=solution)
