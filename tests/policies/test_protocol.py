"""Any kind of policy: objects, functions, tables, arrays; and answers that are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.model.allocation import read_allocation
from adlopt.policies.protocol import apply_policy, name_of, violations
from adlopt.policies.reading import by_name
from tests.support import random_case

P = adl.policies


def third(problem: adl.Problem) -> np.ndarray:
    """10 of the 33 BTC that the paper's accounts are short."""
    return problem.max_reduction * (10 / 33)


class Third:
    def allocate(self, problem: adl.Problem) -> pd.DataFrame:
        return problem.positions.assign(reduction=third(problem)).sample(frac=1, random_state=0)


def test_users_copies_of_a_rule_give_its_numbers() -> None:
    problem = adl.examples.paper_problem()
    expected = P.ProRata().reductions(problem)
    for policy in (
        third,
        Third(),
        lambda posed: list(third(posed)),
        lambda posed: pd.Series(third(posed)),
    ):
        np.testing.assert_allclose(apply_policy(policy, problem), expected, rtol=1e-12)
    assert P.ProRata().allocate(problem)["reduction"].tolist() == expected.tolist()


@pytest.mark.parametrize("seed", range(24))
def test_every_rule_is_feasible_everywhere(seed: int) -> None:
    """Ties, caps, bankrupt pools, reductions of everything, orders of magnitude: boxes exactly,
    sums to rounding.
    """
    case = random_case(
        seed,
        ("isolated", "cross", "mixed")[seed % 3],
        reduced=1 + seed % 2,
        one_factor=seed % 4 > 0,
    )
    posed = case.problem()
    entries = posed.book.to_frame().assign(
        entry_price=lambda table: table["mark"] * np.linspace(0.7, 1.4, len(table))
    )
    problem = adl.Problem(
        adl.Book.from_frame(entries), case.reduction, prices=case.prices, caps=case.caps
    )
    for policy in P.standard(problem):
        taken = policy.reductions(problem)
        unmet, overstepped = violations(problem, taken)
        assert unmet <= 1e-12, policy
        assert overstepped == 0.0, policy
        assert read_allocation(problem, policy.allocate(problem)).size == taken.size


def test_optimal_is_what_solve_says() -> None:
    problem = adl.examples.paper_problem()
    np.testing.assert_array_equal(
        P.Optimal().reductions(problem), adl.solve(problem).allocation["reduction"]
    )
    other = P.Optimal(objective=adl.CVaR(0.999))
    assert str(other) == "Optimal(CVaR(level=0.999))"
    assert P.Optimal("cvar:0.999") == P.Optimal(adl.CVaR(0.999))
    assert str(P.Optimal(method="conic")) == "Optimal(conic)"
    with pytest.raises(adl.NotApplicable):
        P.Optimal().allocate(adl.Problem(problem.book, {"BTC": -1.0}))


def test_standard_leaves_out_what_the_book_cannot_serve() -> None:
    book = adl.examples.paper_book()
    full = [str(policy) for policy in P.standard(adl.examples.paper_problem())]
    bare = adl.Book.from_frame(book.to_frame().drop(columns="entry_price"))
    poor = [str(policy) for policy in P.standard(adl.Problem(bare, {"BTC": -1.0}))]
    assert set(full) - set(poor) == {
        "BitMEX",
        "Binance",
        "Hyperliquid",
        "ProRata(pnl)",
        "FactorLeverage",
    }
    assert P.omitted(adl.examples.paper_problem()) == {}
    missing = P.omitted(adl.Problem(bare, {"BTC": -1.0}))
    assert set(missing) == set(full) - set(poor)
    assert "add the column 'entry_price'" in missing["BitMEX"]
    table = book.to_frame()
    table.loc[3, "entry_price"] = np.nan
    factor = adl.OneFactor({"BTC": 1.0, "ETH": 1.0})
    some = P.omitted(adl.Problem(adl.Book.from_frame(table), {"BTC": -1.0}, prices=factor))
    assert set(some) == {"BitMEX", "Binance", "Hyperliquid", "ProRata(pnl)"}
    assert "1 of 8 positions" in some["Binance"]
    assert f"account {table['account'][3]!r} in {table['asset'][3]}" in some["Binance"]


def test_names() -> None:
    assert [name_of(policy) for policy in (P.BitMEX(), third, P.DydxV4(4))] == [
        "BitMEX",
        "third",
        "DydxV4(seed=4)",
    ]
    assert list(by_name([third, P.ProRata(), third])) == [
        "third (1)",
        "ProRata(contracts)",
        "third (2)",
    ]
    assert list(by_name(P.ProRata())) == ["ProRata(contracts)"]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (P.BitMEX, r"make one: BitMEX\(\)"),
        (42, "no method allocate"),
        (lambda problem: "all of it", "got a str"),
        (lambda problem: np.zeros(3), r"expected 4 reductions.*shape \(3,\)"),
        (lambda problem: np.array([np.nan, -10.0, 0.0, 0.0]), r"row 0 \(account '1'.* is nan"),
        (lambda problem: problem.positions, "column 'reduction' is missing"),
        (
            lambda problem: pd.DataFrame({"account": ["4"], "asset": ["ETH"], "reduction": [5.0]}),
            "row 0 .*not eligible",
        ),
    ],
)
def test_answers_that_are_none(policy: Any, message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        apply_policy(policy, adl.examples.paper_problem())


def test_violations_are_measured() -> None:
    problem = adl.examples.paper_problem()
    assert violations(problem, np.array([-8.0, 0.0, 0.0, -7.0])) == pytest.approx(
        (0.5, 0.0), abs=0.0
    )
    assert violations(problem, np.array([-9.0, 1.0, -2.0, 0.0])) == pytest.approx(
        (0.0, 0.1), abs=1e-15
    )
