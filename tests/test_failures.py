"""The failure contract: bad input ends in the named error, and its message says what to mend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.typed import priced, untyped

MARKS = {"BTC": 100.0, "ETH": 10.0}


def positions(**changed: Any) -> pd.DataFrame:
    """Three rows; `changed` maps a column to (row, value)."""
    table = pd.DataFrame(
        {
            "account": ["a", "b", "c"],
            "asset": ["BTC", "BTC", "ETH"],
            "size": [-1.0, -2.0, 3.0],
            "equity": [50.0, 60.0, 7.0],
            "entry_price": [100.0, 90.0, 11.0],
            "mark": [100.0, 100.0, 10.0],
            "margin_mode": "cross",
        }
    )
    for column, (row, value) in changed.items():
        table[column] = table[column].astype(object)
        table.loc[row, column] = value
    return table


def book(**changed: Any) -> adl.Book:
    return adl.Book.from_frame(positions(**changed), marks=MARKS)


def with_accounts(**columns: Any) -> adl.Book:
    return adl.Book.from_frame(
        positions().drop(columns="equity"), pd.DataFrame(columns), marks=MARKS
    )


def prices(values: Any = ((90.0, 9.0), (110.0, 11.0)), **options: Any) -> adl.Scenarios:
    return adl.Scenarios(values, **options)


BAD: list[tuple[str, Callable[[], object], str]] = [
    (
        "NaN size",
        lambda: book(size=(1, np.nan)),
        r"positions, row 1 \(account 'b', asset 'BTC'\), column 'size': nan is not a",
    ),
    ("infinite size", lambda: book(size=(2, np.inf)), r"row 2 .*'size': inf is not a finite"),
    ("NaN equity", lambda: book(equity=(0, np.nan)), r"row 0 .*'equity': nan"),
    ("infinite equity", lambda: book(equity=(0, -np.inf)), r"row 0 .*'equity': -inf"),
    ("infinite entry", lambda: book(entry_price=(0, np.inf)), r"row 0 .*'entry_price': inf"),
    (
        "entry of zero",
        lambda: book(entry_price=(2, 0.0)),
        r"row 2 .*'entry_price': 0.0 is not a price > 0",
    ),
    ("text size", lambda: book(size=(1, "two")), r"row 1 .*'size': 'two' is not a number"),
    (
        "text equity",
        lambda: book(equity=(2, "1,000")),
        r"row 2 .*'equity': '1,000' is not a number",
    ),
    (
        "NaN mark",
        lambda: untyped.Book.from_frame(positions(), marks={**MARKS, "ETH": np.nan}),
        r"marks, asset 'ETH': nan is not a",
    ),
    (
        "infinite mark",
        lambda: untyped.Book.from_frame(positions(), marks={**MARKS, "ETH": np.inf}),
        r"marks, asset 'ETH': inf",
    ),
    (
        "mark of zero",
        lambda: untyped.Book.from_frame(positions(), marks={**MARKS, "ETH": 0.0}),
        r"marks, asset 'ETH'.*price > 0",
    ),
    (
        "negative mark",
        lambda: untyped.Book.from_frame(positions(), marks={**MARKS, "BTC": -1}),
        r"marks, asset 'BTC'.*price > 0",
    ),
    (
        "text mark",
        lambda: untyped.Book.from_frame(positions(), marks={**MARKS, "BTC": "x"}),
        r"marks, asset 'BTC': 'x' is not",
    ),
    (
        "NaN mark column",
        lambda: untyped.Book.from_frame(positions(mark=(1, np.nan))),
        r"row 1 .*'mark': nan",
    ),
    (
        "mark column of zero",
        lambda: untyped.Book.from_frame(positions(mark=(2, 0.0))),
        r"row 2 .*'mark': 0.0 is not a price > 0",
    ),
    (
        "marks that differ",
        lambda: untyped.Book.from_frame(positions(mark=(1, 99.0))),
        r"row 1 .*'mark': 99.0 differs",
    ),
    (
        "no marks",
        lambda: untyped.Book.from_frame(positions().drop(columns="mark")),
        r"marks: give a price for every asset",
    ),
    (
        "asset without mark",
        lambda: untyped.Book.from_frame(positions(), marks={"BTC": 1.0}),
        r"row 2 .*'asset': .*'ETH'; add it",
    ),
    (
        "duplicate",
        lambda: book(account=(1, "a")),
        r"row 1 \(account 'a', asset 'BTC'\).*already has a position in 'BTC'",
    ),
    (
        "empty table",
        lambda: untyped.Book.from_frame(positions().iloc[:0], marks=MARKS),
        r"positions: the table has no rows",
    ),
    (
        "no size",
        lambda: untyped.Book.from_frame(positions().drop(columns="size"), marks=MARKS),
        r"column 'size' is missing",
    ),
    (
        "no account",
        lambda: untyped.Book.from_frame(positions().drop(columns="account"), marks=MARKS),
        r"column 'account' is missing",
    ),
    (
        "no asset",
        lambda: untyped.Book.from_frame(positions().drop(columns="asset"), marks=MARKS),
        r"column 'asset' is missing",
    ),
    (
        "no equity",
        lambda: untyped.Book.from_frame(positions().drop(columns="equity"), marks=MARKS),
        r"row 0.*no equity.*'equity'",
    ),
    ("empty account", lambda: book(account=(1, None)), r"row 1 .*'account': is empty"),
    ("empty asset", lambda: book(asset=(1, "")), r"row 1 .*'asset': is empty"),
    (
        "margin mode",
        lambda: book(margin_mode=(1, "portfolio")),
        r"row 1 .*'margin_mode': 'portfolio' is neither",
    ),
    (
        "two equities",
        lambda: book(account=(2, "a")),
        r"row 2 .*'equity': 7.0 differs from an earlier row",
    ),
    (
        "account not listed",
        lambda: with_accounts(account=["a", "b"], equity=[1.0, 2.0]),
        r"row 2 .*'account': .*'c'",
    ),
    (
        "account twice",
        lambda: with_accounts(account=["a", "b", "c", "a"], equity=1.0),
        r"accounts, row 3 .*'a' appears twice",
    ),
    (
        "account NaN",
        lambda: with_accounts(account=["a", "b", "c"], equity=[1, np.nan, 1]),
        r"accounts, row 1 .*'equity': nan",
    ),
    (
        "account text",
        lambda: with_accounts(account=["a", "b", "c"], collateral=[1, 2, "x"]),
        r"accounts, row 2 .*'collateral': 'x'",
    ),
    (
        "accounts bare",
        lambda: with_accounts(account=["a", "b", "c"]),
        r"accounts: a column 'equity' or 'collateral'",
    ),
    (
        "zero reduction",
        lambda: untyped.Problem(book(), {"BTC": 0.0}),
        r"reduction, asset 'BTC': is zero",
    ),
    (
        "NaN reduction",
        lambda: untyped.Problem(book(), {"BTC": np.nan}),
        r"reduction, asset 'BTC': nan is not a finite",
    ),
    (
        "text reduction",
        lambda: untyped.Problem(book(), {"BTC": "x"}),
        r"reduction, asset 'BTC': 'x' is not a number",
    ),
    ("no reduction", lambda: untyped.Problem(book(), {}), r"reduction: give contracts by asset"),
    (
        "unknown asset",
        lambda: untyped.Problem(book(), {"SOL": -1.0}),
        r"reduction: unknown asset 'SOL'; the book has BTC, ETH",
    ),
    ("CVaR of one", lambda: untyped.CVaR(1.0), r"CVaR: the level is 1; it must lie in \[0, 1\)"),
    ("CVaR below zero", lambda: untyped.CVaR(-0.1), r"CVaR: the level is -0.1"),
    ("CVaR in percent", lambda: untyped.CVaR(99), r"CVaR: the level is 99"),
    ("CVaR NaN", lambda: untyped.CVaR(np.nan), r"CVaR: the level"),
    ("negative factor", lambda: -1 * adl.CVaR(0.5), r"factor -1"),
    (
        "correlation not PSD",
        lambda: untyped.LogNormal([0.5] * 3, [[1, 0.9, 0.9], [0.9, 1, -0.9], [0.9, -0.9, 1]]),
        r"not positive semid",
    ),
    (
        "correlation asymmetric",
        lambda: untyped.LogNormal([0.5] * 2, [[1, 0.2], [0.3, 1]]),
        r"symmetric with ones",
    ),
    (
        "correlation shape",
        lambda: untyped.LogNormal([0.5] * 2, np.eye(3)),
        r"must be 2 x 2 .*got shape \(3, 3\)",
    ),
    (
        "correlation NaN",
        lambda: untyped.LogNormal([0.5] * 2, [[1, np.nan], [np.nan, 1]]),
        r"not finite",
    ),
    (
        "negative volatility",
        lambda: untyped.LogNormal({"BTC": -0.5, "ETH": 1}),
        r"volatility of 'BTC' is negative",
    ),
    (
        "volatility missing",
        lambda: untyped.Problem(book(), {"BTC": -1}, prices=adl.LogNormal({"BTC": 0.5})),
        r"no volatility for asset 'ETH'",
    ),
    ("horizon", lambda: untyped.LogNormal({"BTC": 0.5}, horizon=0), r"horizon is 0; .*> 0"),
    (
        "scenario assets",
        lambda: untyped.Problem(book(), {"BTC": -1}, prices=prices(assets=["BTC", "SOL"])),
        r"no prices for asset 'ETH'",
    ),
    (
        "scenario columns",
        lambda: untyped.Problem(book(), {"BTC": -1}, prices=prices(np.ones((4, 3)))),
        r"3 columns for the book's 2 assets",
    ),
    (
        "NaN price",
        lambda: prices([[1.0, np.nan]], assets=["X", "Y"]),
        r"row 0, column 'Y': nan is not a finite",
    ),
    (
        "infinite price",
        lambda: prices(pd.DataFrame({"X": [1.0, np.inf]})),
        r"row 1, column 'X': inf",
    ),
    (
        "text price",
        lambda: prices(pd.DataFrame({"X": [1.0, "high"]})),
        r"row 1, column 'X': 'high' is not a number",
    ),
    ("negative weight", lambda: prices(weights=[1.5, -0.5]), r"weight 1 is -0.5"),
    ("NaN weight", lambda: prices(weights=[1.0, np.nan]), r"weight 1 is nan"),
    (
        "weights that do not sum",
        lambda: prices(weights=[0.5, 0.4]),
        r"weights sum to 0.9, not to one",
    ),
    ("number of weights", lambda: prices(weights=[1.0]), r"expected 2 weights"),
    ("no prices", adl.Scenarios, r"give either prices or returns"),
    ("returns in percent", lambda: untyped.Scenarios(returns=[[-5.0]]), r"below -1 .*percent"),
    (
        "direction missing",
        lambda: untyped.Problem(book(), {"BTC": -1}, prices=adl.OneFactor({"BTC": 1.0})),
        r"direction: no entry for asset 'ETH'",
    ),
    ("direction NaN", lambda: untyped.OneFactor({"BTC": np.nan}), r"direction, asset 'BTC': nan"),
    (
        "sample NaN",
        lambda: untyped.OneFactor({"BTC": 1.0}, [0.0, np.nan]),
        r"nonempty list of finite numbers",
    ),
    (
        "sample weights",
        lambda: untyped.OneFactor({"BTC": 1.0}, [0.0, 1.0], weights=[0.5, 0.6]),
        r"weights sum to 1.1",
    ),
    (
        "weights of a normal",
        lambda: untyped.OneFactor({"BTC": 1.0}, weights=[1.0]),
        r"weights belong to a sample",
    ),
    (
        "negative fund",
        lambda: untyped.Problem(book(), {"BTC": -1}, insurance_fund=-1.0),
        r"insurance_fund is -1.0",
    ),
    (
        "settlement asset",
        lambda: untyped.Problem(book(), {"BTC": -1}, settlement={"SOL": 1.0}),
        r"settlement: unknown asset 'SOL'",
    ),
    (
        "settlement price",
        lambda: untyped.Problem(book(), {"BTC": -1}, settlement={"BTC": 0.0}),
        r"settlement, asset 'BTC'.*> 0",
    ),
    (
        "not an objective",
        lambda: untyped.Problem(book(), {"BTC": -1}, objective="CVaR"),
        r"CVaR takes a number after a colon",
    ),
    ("not a book", lambda: untyped.Problem(positions(), {"BTC": -1}), r"make a Book"),
    (
        "unknown method",
        lambda: untyped.solve(adl.Problem(book(), {"BTC": -1}), "simplex"),
        r"method 'simplex' is unknown; use one of",
    ),
    (
        "margin",
        lambda: untyped.Book.with_margin(book(), "portfolio"),
        r"'portfolio' is not a margin mode",
    ),
    (
        "positions no table",
        lambda: untyped.Book.from_frame([("a", "BTC", 1.0)], marks=MARKS),
        r"positions: expected a pandas DataFrame .* got a list",
    ),
    (
        "accounts no table",
        lambda: untyped.Book.from_frame(positions(), {"a": 1.0}, marks=MARKS),
        r"accounts: expected a pandas DataFrame .* got a dict",
    ),
    (
        "caps no table",
        lambda: untyped.Problem(book(), {"BTC": -1}, caps={"a": 1}),
        r"caps: expected a pandas DataFrame .* got a dict",
    ),
    (
        "marks without names",
        lambda: untyped.Book.from_frame(positions(), marks=[1.0, 2.0]),
        r"does not name assets",
    ),
    (
        "mark twice",
        lambda: untyped.Book.from_frame(
            positions(), marks=pd.Series([1.0, 2.0, 3.0], index=["BTC", "ETH", "BTC"])
        ),
        r"marks: 'BTC' appears twice",
    ),
    (
        "reduction twice",
        lambda: untyped.Problem(book(), pd.Series([-1.0, -2.0], index=["BTC", "BTC"])),
        r"reduction: 'BTC' appears twice",
    ),
    (
        "settlement twice",
        lambda: untyped.Problem(
            book(), {"BTC": -1}, settlement=pd.Series([1.0, 2.0], index=["BTC"] * 2)
        ),
        r"twice",
    ),
    (
        "prices not made",
        lambda: untyped.Problem(book(), {"BTC": -1}, prices=adl.Gaussian),
        r"is not a price model",
    ),
    (
        "mixture not made",
        lambda: untyped.Mixture([(adl.Gaussian, 1.0)]),
        r"Mixture: .* is not a price model",
    ),
    (
        "negative seed",
        lambda: untyped.LogNormal({"BTC": 1.0}, seed=-1),
        r"LogNormal: seed is -1; a whole number >= 0",
    ),
    (
        "text seed",
        lambda: untyped.Gaussian([[1.0]], seed="x"),
        r"Gaussian: seed is 'x'; a whole number",
    ),
    ("no volatility", lambda: untyped.LogNormal({}), r"volatility names no asset"),
    (
        "correlation of 2",
        lambda: untyped.LogNormal({"BTC": 1.0}, 2.0),
        r"correlation is 2.0; it must lie in \[-1, 1\]",
    ),
    (
        "one text of assets",
        lambda: untyped.Gaussian([[1.0]], assets="BTC"),
        r"Gaussian: assets is 'BTC'; give a list",
    ),
    (
        "one text of names",
        lambda: untyped.Scenarios([[1.0]], assets="BTC"),
        r"Scenarios: assets is 'BTC'; give a list",
    ),
    (
        "no scenarios",
        lambda: untyped.Scenarios(pd.DataFrame()),
        r"a row per scenario and a column per asset; got shape",
    ),
    (
        "exact of a number",
        lambda: untyped.ExactLogNormal.from_lognormal(3, MARKS),
        r"3 is not a LogNormal",
    ),
    ("levels no list", lambda: untyped.Spectral(0.5, 1.0), r"Spectral: give a list of levels"),
    (
        "weight of another scenario",
        lambda: untyped.Stress({"crash": {"BTC": 0.0}}, weights={"crash": 1.0, "boom": 3.0}),
        r"Stress: scenario 'boom' has no return",
    ),
    (
        "scenario without weight",
        lambda: untyped.Stress({"crash": {"BTC": 0.0}}, weights={}),
        r"scenario 'crash' has no weight",
    ),
    (
        "one share",
        lambda: untyped.exposure(book(), "a", fractions="half"),
        r"'half' is not a number",
    ),
    (
        "replay of nothing",
        lambda: untyped.replay(None),
        r"expected a DataFrame or a path, got a NoneType",
    ),
    *(
        (
            f"{run.__name__} tolerance",
            lambda run=run: run(adl.Problem(book(), {"BTC": -1}, prices=prices()), tolerance=0.0),
            r"tolerance is 0",
        )
        for run in (adl.solve, adl.verify)
    ),
    *(
        (
            f"{run.__name__} of no problem",
            lambda run=run: run(None),
            r"expected a Problem, got a NoneType",
        )
        for run in (adl.solve, adl.verify, adl.frontier, adl.compare, adl.optimal_set, adl.to_cvxpy)
    ),
    (
        "certify a book",
        lambda: untyped.certify(book(), pd.DataFrame()),
        r"expected a Problem, got a Book",
    ),
    (
        "explore a book",
        lambda: untyped.explore(book(), [adl.CVaR(0.5)]),
        r"expected a Problem, got a Book",
    ),
    (
        "frontier of text",
        lambda: untyped.frontier(adl.Problem(book(), {"BTC": -1}, prices=prices()), "x"),
        r"'x' is not a number",
    ),
    (
        "constraint no function",
        lambda: untyped.solve(adl.Problem(book(), {"BTC": -1}, prices=prices()), constraints=3),
        r"constraints: 3 is not a function",
    ),
    (
        "audit seed",
        lambda: untyped.audit(adl.policies.BitMEX(), trials=1, seed=-1),
        r"audit: seed is -1; a whole number",
    ),
    ("dYdX seed", lambda: untyped.policies.DydxV4(-1), r"DydxV4: seed is -1"),
    ("synthetic seed", lambda: untyped.synthetic.problem(3, seed=-1), r"synthetic: seed is -1"),
    (
        "optimal method",
        lambda: untyped.policies.Optimal(method="simplex"),
        r"Optimal: method 'simplex' is unknown",
    ),
    (
        "explore a number",
        lambda: untyped.explore(adl.Problem(book(), {"BTC": -1}, prices=prices()), 5),
        r"explore: objectives is 5; give a list",
    ),
    (
        "compare a number",
        lambda: untyped.compare(adl.Problem(book(), {"BTC": -1}, prices=prices()), 5),
        r"policies is 5; give a policy",
    ),
    (
        "losses of a number",
        lambda: untyped.scenario_table(5, None),
        r"scenario_table: .*int",
    ),
    (
        "hedged by nothing",
        lambda: untyped.constraints.hedged_together(
            adl.Problem(book(), {"BTC": -1}, prices=prices()), None
        ),
        r"hedged_together: pairs is None; give a list",
    ),
    (
        "hedged by a number",
        lambda: untyped.constraints.hedged_together(
            adl.Problem(book(), {"BTC": -1}, prices=prices()), [3]
        ),
        r"hedged_together: 3 is not a pair of assets",
    ),
    (
        "policy by name",
        lambda: untyped.compare(adl.Problem(book(), {"BTC": -1}, prices=prices()), "FIFO"),
        r"policy 'FIFO' is unknown; use bitmex",
    ),
]


@pytest.mark.parametrize(("make", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_input_error(make: Callable[[], object], message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "BTC", -1.0)], r"caps, row 0 .*'cap': -1.0 is negative"),
        ([("a", "BTC", np.nan)], r"caps, row 0 .*'cap': nan"),
        ([("a", "ETH", 1.0)], r"caps, row 0 .*no such position in 'ETH'"),
        ([("z", "BTC", 1.0)], r"caps, row 0 .*'z' is not in the book"),
        ([("a", "BTC", 1.0), ("a", "BTC", 2.0)], r"caps, row 1 .*given twice"),
    ],
)
def test_caps(rows: list[tuple[str, str, float]], message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        adl.Problem(
            book(), {"BTC": -1.0}, caps=pd.DataFrame(rows, columns=["account", "asset", "cap"])
        )


@pytest.mark.parametrize(
    ("reduction", "shortfalls"),
    [
        ({"BTC": -3.5}, [("BTC", 3.5, 3.0)]),
        ({"BTC": 1.0}, [("BTC", 1.0, 0.0)]),
        ({"BTC": -4.0, "ETH": 5.0}, [("BTC", 4.0, 3.0), ("ETH", 5.0, 3.0)]),
    ],
)
def test_beyond_capacity(
    reduction: dict[str, float], shortfalls: list[tuple[str, float, float]]
) -> None:
    with pytest.raises(adl.InfeasibleReduction) as caught:
        adl.Problem(book(), reduction)
    assert caught.value.shortfalls == shortfalls
    for asset, required, available in shortfalls:
        assert f"{asset}: required {required:g} contracts, available {available:g}" in str(
            caught.value
        )


def test_bankrupt_and_capped_positions_are_no_capacity() -> None:
    with pytest.raises(adl.InfeasibleReduction, match="required 3 contracts, available 1"):
        adl.Problem(book(equity=(1, -5.0)), {"BTC": -3.0})
    caps = pd.DataFrame({"account": ["b"], "asset": ["BTC"], "cap": [0.5]})
    with pytest.raises(adl.InfeasibleReduction, match=r"required 3 contracts, available 1\.5"):
        adl.Problem(book(), {"BTC": -3.0}, caps=caps)


@pytest.mark.parametrize("equity", [0.0, -5.0])
def test_bankrupt_accounts_are_listed_and_take_no_part(equity: float) -> None:
    holding = book(equity=(1, equity))
    assert holding.bankrupt["account"].tolist() == ["b"]
    assert holding.bankrupt["equity"].tolist() == [equity]
    problem = adl.Problem(holding, {"BTC": -1.0}, prices=prices())
    solution = adl.solve(problem)
    assert solution.allocation["account"].tolist() == ["a"]
    # Only a's loss counts: short 1 with equity 50 never loses it all here.
    assert solution.value == 0.0
    assert holding.open_interest.loc["BTC"].to_numpy().tolist() == [0.0, 1.0, 0.0, 2.0]


@pytest.mark.parametrize(
    "error", [adl.InputError, adl.InfeasibleReduction, adl.NotApplicable, adl.SolverFailed]
)
def test_one_roof(error: type[Exception]) -> None:
    assert issubclass(error, adl.AdlError)


def test_fast_paths_refuse() -> None:
    hedged = adl.Book.from_frame(
        pd.DataFrame(
            {"account": "a", "asset": ["BTC", "ETH"], "size": [-1.0, 3.0], "equity": 50.0}
        ),
        marks=MARKS,
    )
    with pytest.raises(
        adl.NotApplicable, match=r"more than one asset under cross margin.*account 'a'"
    ):
        adl.solve(adl.Problem(hedged, {"BTC": -1.0}), "water_filling")
    with pytest.raises(adl.NotApplicable, match="OneFactor"):
        adl.solve(adl.Problem(hedged, {"BTC": -1.0}, prices=prices()), "factor_leverage")
    with pytest.raises(adl.NotApplicable, match="price model"):
        adl.solve(adl.Problem(hedged, {"BTC": -1.0}))
    with pytest.raises(adl.NotApplicable, match="price model"):
        adl.solve(adl.Problem(hedged, {"BTC": -1.0}), "conic")
    one = adl.OneFactor({"BTC": 5.0, "ETH": 0.0})
    apart = adl.Book.from_frame(
        pd.DataFrame(
            {
                "account": ["a", "b"],
                "asset": ["BTC", "ETH"],
                "size": [-10.0, -10.0],
                "equity": [50.0, 5000.0],
            }
        ),
        marks=MARKS,
    )
    both = adl.OneFactor({"BTC": 5.0, "ETH": 5.0})
    apart_problem = adl.Problem(apart, {"BTC": -1.0, "ETH": -5.0}, prices=both)
    assert (
        priced(adl.solve(apart_problem, "factor_leverage")).gap <= 1e-9
    )  # with a level for each asset
    with pytest.raises(adl.NotApplicable, match="does not move 'ETH'"):
        adl.solve(adl.Problem(hedged, {"ETH": 1.0}, prices=one), "factor_leverage")
    with pytest.raises(adl.NotApplicable, match="off the mark"):
        adl.solve(
            adl.Problem(hedged, {"BTC": -1.0}, prices=one, settlement={"BTC": 90.0}),
            "factor_leverage",
        )
    with pytest.raises(adl.NotApplicable, match="off the mark"):
        adl.solve(adl.Problem(book(), {"BTC": -1.0}, settlement={"BTC": 90.0}), "water_filling")


def test_solver_failures_are_named() -> None:
    problem = adl.Problem(book(), {"BTC": -1.0}, prices=prices([[150.0, 9.0], [110.0, 11.0]]))
    with pytest.raises(adl.SolverFailed, match="NO_SUCH"):
        adl.solve(problem, "conic", solver="NO_SUCH")
    with pytest.raises(adl.InputError, match="method='conic'"):
        adl.solve(problem, "water_filling", solver="HIGHS")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "account,asset,size,equity\na,BTC,-1,50\nb,BTC,x,60\n",
            r"line 3 \(account 'b', asset 'BTC'\), column 'size': 'x'",
        ),
        ("account,asset,size,equity\na,BTC,-1,50\nb,BTC,,60\n", r"line 3 .*'size': nan"),
        ("account,asset,size\na,BTC,-1\n", r"line 2 .*no equity"),
        ("account,asset,equity\na,BTC,-1\n", r"column 'size' is missing"),
        ("", r"cannot read"),
    ],
)
def test_csv_errors_count_lines(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "book.csv"
    path.write_text(text)
    with pytest.raises(adl.InputError, match=message):
        adl.Book.read_csv(path, marks=MARKS)


@pytest.mark.parametrize("read", [adl.Book.read_csv, adl.Book.read_parquet])
def test_a_file_that_is_not_there(read: Callable[..., adl.Book], tmp_path: Path) -> None:
    with pytest.raises(adl.InputError, match="cannot read"):
        read(tmp_path / "none.table", marks=MARKS)


def test_tables_of_nullable_columns() -> None:
    """A missing margin mode is cross in pandas' own kinds of columns too."""
    table = positions(margin_mode=(1, "isolated")).convert_dtypes()
    table.loc[0, "margin_mode"] = pd.NA
    holding = adl.Book.from_frame(table, marks=MARKS)
    assert holding.to_frame()["margin_mode"].tolist() == ["cross", "isolated", "cross"]
    caps = pd.DataFrame(
        {"account": ["b"], "asset": ["BTC"], "margin_mode": ["isolated"], "cap": [0.5]}
    ).convert_dtypes()
    assert adl.Problem(holding, {"BTC": -1.0}, caps=caps).max_reduction.tolist() == [-1.0, -0.5]


def test_caps_beside_positions_of_size_zero() -> None:
    caps = pd.DataFrame({"account": ["b"], "fraction": [0.5]})
    problem = adl.Problem(book(size=(2, 0.0)), {"BTC": -1.0}, caps=caps)  # no warning
    assert problem.max_reduction.tolist() == [-1.0, -1.0]
