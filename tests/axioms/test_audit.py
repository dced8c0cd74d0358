"""Audits, re-verified from the printed numbers alone: the rules are written again here, in plain
Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.axioms.report import Counterexample, Step
from tests.typed import untyped

P = adl.policies

AXIOMS = [
    "feasible",
    "wash-trade resistant",
    "Sybil resistant",
    "path-independent",
    "leverage priority",
    "monotone",
    "anonymous",
    "scale-invariant",
    "distribution-free",
    "continuous",
]

Rule = Callable[[pd.DataFrame, float, float], dict[str, float]]
"""Positions, mark and requirement to contracts taken by account, unsigned."""


def bitmex(row: pd.Series[Any], mark: float) -> float:
    value, entry = row["size"] * mark, row["size"] * row["entry_price"]
    share, leverage = (value - entry) / abs(entry), abs(value) / row["equity"]
    return float(share * leverage if share > 0 else share / leverage)


def hyperliquid(row: pd.Series[Any], mark: float) -> tuple[bool, float]:
    gain = mark / row["entry_price"] if row["size"] > 0 else row["entry_price"] / mark
    return gain > 1, gain * abs(row["size"]) * mark / row["equity"]


def by_leverage(row: pd.Series[Any], mark: float) -> float:
    return float(abs(row["size"]) * mark / row["equity"])


def queue(score: Callable[[pd.Series[Any], float], Any]) -> Rule:
    def run(table: pd.DataFrame, mark: float, required: float) -> dict[str, float]:
        left, taken = abs(required), dict.fromkeys(table["account"], 0.0)
        side = [row for _, row in table.iterrows() if np.sign(row["size"]) == np.sign(required)]
        for row in sorted(
            side, key=lambda one: score(one, mark), reverse=True
        ):  # stable, as the rule says
            taken[row["account"]] = min(left, abs(row["size"]))
            left -= taken[row["account"]]
        return taken

    return run


def pro_rata(table: pd.DataFrame, mark: float, required: float) -> dict[str, float]:
    side = np.where(np.sign(table["size"]) == np.sign(required), table["size"].abs(), 0.0)
    return dict(zip(table["account"], side * abs(required) / side.sum(), strict=True))


def amounts(rule: Rule, step: Step) -> dict[str, float]:
    """What the rule takes in a step, checked against what is printed there."""
    (mark,), (required,) = step.marks.values(), step.reduction.values()
    taken = rule(step.positions, mark, required)
    printed = dict(zip(step.positions["account"], step.positions["reduction"].abs(), strict=True))
    assert taken == pytest.approx(printed, abs=1e-9 * abs(required))
    return taken


def verify(found: Counterexample, rule: Rule) -> None:
    """The violation that a counterexample claims, from its tables."""
    steps = [step.positions.set_index("account") for step in found.steps]
    taken = [amounts(rule, step) for step in found.steps]
    required = [abs(*step.reduction.values()) for step in found.steps]
    before, after = steps[0], steps[-1]
    if found.axiom == "wash-trade resistant":
        changed = before.index[before["entry_price"] != after["entry_price"]]
        assert len(changed) == 1
        assert after.loc[changed[0], "entry_price"] == next(iter(found.steps[0].marks.values()))
        assert (before[["size", "equity"]] == after[["size", "equity"]]).all(axis=None)
        assert (
            max(abs(taken[0][name] - taken[1][name]) for name in before.index) > 0.01 * required[0]
        )
    elif found.axiom == "Sybil resistant":
        (owner,) = set(before.index) - set(after.index)
        parts = [f"{owner}1", f"{owner}2"]
        assert after.loc[parts, "size"].sum() == pytest.approx(before.loc[owner, "size"])
        assert after.loc[parts, "equity"].sum() == pytest.approx(before.loc[owner, "equity"])
        assert (after.loc[parts, "entry_price"] == before.loc[owner, "entry_price"]).all()
        others = before.index.drop(owner)
        assert (
            before.loc[others, ["size", "equity"]] == after.loc[others, ["size", "equity"]]
        ).all(axis=None)
        assert sum(taken[1][part] for part in parts) < taken[0][owner] - 0.01 * required[0]
    elif found.axiom == "path-independent":
        assert required[1] + required[2] == pytest.approx(required[0])
        for name in steps[2].index:
            assert abs(steps[2].loc[name, "size"]) == pytest.approx(
                abs(before.loc[name, "size"]) - taken[1][name]
            )
        both = {name: taken[1][name] + taken[2].get(name, 0.0) for name in before.index}
        assert max(abs(both[name] - taken[0][name]) for name in before.index) > 0.01 * required[0]
    elif found.axiom == "leverage priority":
        mark = next(iter(found.steps[0].marks.values()))
        rows = list(zip(before.index, before["size"], before["equity"], strict=True))
        stands = {name: (abs(size) - taken[0][name]) * mark / equity for name, size, equity in rows}
        able = [name for name, size, _ in rows if taken[0][name] < abs(size)]
        hit = [name for name in before.index if taken[0][name] > 0]
        assert min(stands[name] for name in hit) < max(stands[name] for name in able)
    elif found.axiom == "monotone":
        leverage = before["size"].abs() / before["equity"]
        fraction = pd.Series(taken[0]) / before["size"].abs()
        assert any(
            leverage[a] > leverage[b] and fraction[a] < fraction[b] - 1e-6
            for a in before.index
            for b in before.index
        )
    elif found.axiom == "anonymous":
        assert list(after.index) == list(before.index)[::-1]
        assert (
            after.loc[before.index, ["size", "equity", "entry_price"]]
            == before[["size", "equity", "entry_price"]]
        ).all(axis=None)
        assert (
            max(abs(taken[0][name] - taken[1][name]) for name in before.index) > 0.01 * required[0]
        )
    elif found.axiom == "continuous":
        numbers = ["size", "equity", "entry_price"]
        np.testing.assert_allclose(before[numbers], after[numbers], rtol=2.1e-3)
        assert (
            max(abs(taken[0][name] - taken[1][name]) for name in before.index) > 0.01 * required[0]
        )
    else:
        pytest.fail(f"no one expected {found.axiom} to fail")


BROKEN_BY_QUEUES = {
    "wash-trade resistant",
    "Sybil resistant",
    "path-independent",
    "leverage priority",
    "monotone",
    "anonymous",
    "continuous",
}


@pytest.mark.parametrize(
    ("policy", "rule", "broken"),
    [
        (P.BitMEX(), queue(bitmex), BROKEN_BY_QUEUES),
        (P.Hyperliquid(), queue(hyperliquid), BROKEN_BY_QUEUES),
        (
            P.Queue(P.features.leverage),
            queue(by_leverage),
            BROKEN_BY_QUEUES - {"wash-trade resistant", "monotone"},
        ),
        (P.ProRata(), pro_rata, {"leverage priority"}),
    ],
    ids=["BitMEX", "Hyperliquid", "leverage queue", "contracts pro rata"],
)
def test_what_fails_is_verified_from_the_printed_numbers(
    policy: P.Policy, rule: Rule, broken: set[str]
) -> None:
    report = adl.audit(policy, trials=30)
    assert list(report.holds) == AXIOMS
    assert (
        {axiom for axiom, kept in report.holds.items() if not kept}
        == set(report.counterexamples)
        == broken
    )
    for axiom, found in report.counterexamples.items():
        assert found.axiom == axiom
        assert (
            max(
                len(step.positions)
                for step in found.steps[: 1 if axiom == "Sybil resistant" else None]
            )
            <= 4
        )
        verify(found, rule)
        for step in found.steps:  # the same by the package, from the tables
            again = policy.allocate(step.problem).set_index("account")["reduction"]
            printed = step.positions.set_index("account")["reduction"]
            np.testing.assert_allclose(again, printed[again.index], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "policy", [P.MinimaxLeverage(), P.FactorLeverage({"BTC": 2.0}), P.Optimal()], ids=str
)
def test_water_filling_passes_everything(policy: P.Policy) -> None:
    report = adl.audit(policy, trials=15)
    assert all(report.holds.values()), report
    assert report.counterexamples == {}


def test_where_there_is_a_proof_it_says_so() -> None:
    report = adl.audit(P.MinimaxLeverage(), trials=2)
    assert set(report.theory) == set(AXIOMS)
    text = repr(report)
    assert "10 of 10 axioms hold (2 books" in text
    assert text.count("no violation found in 2 books; proven: ") == 10
    assert "no violation found in 2 books\n" in repr(adl.audit(third, trials=2)) + "\n"


def third(problem: adl.Problem) -> np.ndarray:
    """Contracts pro rata, as a user would write it."""
    share = problem.required / problem.max_reduction.sum()
    return np.asarray(problem.max_reduction * share)


def test_a_plain_function_is_audited_as_the_rule_that_it_is() -> None:
    assert adl.audit(third, trials=8).holds == adl.audit(P.ProRata(), trials=8).holds


def test_units_and_price_models_are_found_out() -> None:
    """max(1, wallet) counts money; a rule by the volatility of the model looks at it; one that
    takes too much is infeasible.
    """
    money = adl.audit(P.Binance(), trials=60).counterexamples["scale-invariant"]
    assert "money" in money.finding
    one, other = (step.positions.set_index("account")["reduction"] for step in money.steps)
    assert np.abs(one - other).max() > 0.01

    def nosy(problem: adl.Problem) -> np.ndarray:
        wild = problem.scenarios.moves.std() > 20.0
        return (P.BitMEX() if wild else P.ProRata()).reductions(problem)

    assert not adl.audit(nosy, trials=20).holds["distribution-free"]
    assert not adl.audit(P.FactorLeverage(), trials=2).holds[
        "distribution-free"
    ]  # it asks the model for its direction
    greedy = adl.audit(lambda problem: 2.0 * P.ProRata().reductions(problem), trials=4)
    assert greedy.counterexamples["feasible"].finding.startswith("It takes 2 of 1 contracts")


def test_steep_is_not_a_jump() -> None:
    """Shares that turn over within a millionth of leverage are continuous all the same."""
    steep = P.RiskAware(
        lambda leverage: 1.0 / (1.0 + np.exp(-np.clip(1e4 * (leverage - 5.0), -500.0, 500.0)))
    )
    assert adl.audit(steep, trials=20, seed=1).holds["continuous"]


def test_same_seed_same_report() -> None:
    assert repr(adl.audit(P.BitMEX(), trials=10, seed=3)) == repr(
        adl.audit(P.BitMEX(), trials=10, seed=3)
    )


def test_shown_as_text_and_html() -> None:
    report = adl.audit(P.BitMEX(), trials=30)
    text = repr(report)
    assert "wash-trade resistant (closing and reopening at the mark changes nothing): FAILS" in text
    assert "score" in text
    assert "&lt;" not in text
    assert "<table" in report._repr_html_()
    assert report.to_frame()["holds"].to_dict() == report.holds


@pytest.mark.parametrize("trials", [0, 1.5, None])
def test_trials_are_counted(trials: object) -> None:
    with pytest.raises(adl.InputError, match="trials is"):
        untyped.audit(P.ProRata(), trials=trials)
