"""Problems and solutions as text: read back exactly, or refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.typed import priced

MODELS: dict[str, Any] = {
    "LogNormal": lambda: adl.LogNormal({"BTC": 0.6, "ETH": 0.8}, 0.5, points=64),
    "Gaussian": lambda: adl.Gaussian(
        pd.DataFrame([[4e7, 1e6], [1e6, 9e4]], index=["BTC", "ETH"], columns=["BTC", "ETH"]),
        points=64,
    ),
    "StudentT": lambda: adl.StudentT([[4e7, 1e6], [1e6, 9e4]], 4.0, points=64),
    "OneFactor": lambda: adl.OneFactor({"BTC": 6000.0, "ETH": 200.0}, points=64),
    "sample": lambda: adl.OneFactor({"BTC": 1.0, "ETH": 0.1}, shock=[-1.0, 0.5, 2.0]),
    "Scenarios": lambda: adl.Scenarios(
        [[60_000.0, 1_700.0], [74_000.0, 2_100.0]], weights=[0.25, 0.75]
    ),
    "Stress": lambda: adl.Stress(
        {"crash": {"BTC": -0.3, "ETH": -0.4}, "rally": {"BTC": 0.2}}, others=0.1
    ),
    "History": lambda: adl.History(
        pd.DataFrame(
            {"BTC": [60e3, 61e3, 58e3, 66e3], "ETH": [1.8e3, 1.9e3, 1.7e3, 2.0e3]},
            index=pd.date_range("2025-10-10", periods=4, freq="D"),
        )
    ),
    "Mixture": lambda: adl.Mixture(
        [(adl.OneFactor({"BTC": 6000.0, "ETH": 200.0}, points=16), 0.9), (MODELS["Stress"](), 0.1)]
    ),
}
OBJECTIVES: list[Any] = [
    adl.ExpectedLoss(),
    adl.CVaR(0.9),
    adl.ExpectedLoss() + 0.3 * adl.CVaR(0.95),
    adl.Spectral([0.0, 0.9], [0.4, 0.6]),
    adl.EVaR(0.9),
    adl.ChiSquareRobust(0.2),
]


@pytest.mark.parametrize("name", MODELS)
def test_problems_are_read_back_exactly(name: str) -> None:
    book = adl.examples.paper_book()
    problem = adl.Problem(
        book,
        {"BTC": -10.0},
        prices=MODELS[name](),
        caps=pd.DataFrame({"account": ["1"], "fraction": [0.9]}),
        settlement={"BTC": 66_000.0},
        insurance_fund=100.0,
    )
    again = adl.Problem.from_json(problem.to_json())
    np.testing.assert_array_equal(again.scenarios.moves, problem.scenarios.moves)
    np.testing.assert_array_equal(again.scenarios.weights, problem.scenarios.weights)
    np.testing.assert_array_equal(again.max_reduction, problem.max_reduction)
    np.testing.assert_array_equal(again.settlement_offset, problem.settlement_offset)
    pd.testing.assert_frame_equal(again.book.to_frame(), book.to_frame(), check_exact=True)
    assert again.insurance_fund == 100.0
    assert again.to_json() == problem.to_json()
    json.loads(problem.to_json())


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_objectives(objective: Any) -> None:
    problem = adl.Problem(
        adl.examples.paper_book(), {"BTC": -10.0}, prices=MODELS["Scenarios"](), objective=objective
    )
    assert adl.Problem.from_json(problem.to_json()).objective == objective


def test_solutions() -> None:
    problem = adl.Problem(
        adl.examples.paper_book(),
        {"BTC": -10.0},
        prices=MODELS["Scenarios"](),
        objective=adl.CVaR(0.5),
    )
    solution = priced(adl.solve(problem, then="fewest_accounts"))
    again = priced(adl.Solution.from_json(solution.to_json()))
    pd.testing.assert_frame_equal(again.allocation, solution.allocation, check_exact=True)
    pd.testing.assert_series_equal(again.shadow_prices, solution.shadow_prices, check_exact=True)
    assert (again.value, again.gap, again.status) == (solution.value, solution.gap, solution.status)
    assert again.details == solution.details
    assert again.stages is not None
    assert solution.stages is not None
    assert again.stages["criterion"].tolist() == solution.stages["criterion"].tolist()
    assert adl.certify(problem, again).gap <= 1e-6
    plain = adl.solve(problem, "conic")
    back = adl.Solution.from_json(plain.to_json())
    assert back._multipliers is not None
    assert plain._multipliers is not None
    np.testing.assert_array_equal(back._multipliers.weight, plain._multipliers.weight)
    assert repr(back) == repr(plain)


def test_what_text_cannot_hold() -> None:
    from scipy import stats

    book = adl.examples.paper_book()
    factor = {"BTC": 6000.0, "ETH": 200.0}
    heavy = adl.OneFactor(factor, shock=stats.t(4, scale=0.7), points=16)
    with pytest.raises(adl.InputError, match=r"prices\._given: a rv_continuous_frozen"):
        adl.Problem(book, {"BTC": -1.0}, prices=heavy).to_json()
    custom = adl.Problem(book, {"BTC": -1.0}, objective=lambda loss: loss[0])
    with pytest.raises(adl.InputError, match="cannot be written"):
        custom.to_json()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '{"adlopt": "Problem", "format": 1}',
        '{"adlopt": "Problem", "format": 99}',
        '{"adlopt": "Problem", "format": 1, "book": {"type": "os.system", "attributes": {}}}',
        '{"adlopt": "Problem", "format": 1, "book": {"type": "Book", "attributes": 3}}',
        "[" * 100_000,
    ],
    ids=range(8),
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(adl.InputError):
        adl.Problem.from_json(text)
    with pytest.raises(adl.InputError):
        adl.Solution.from_json(text)


def test_damaged_books_are_refused() -> None:
    text = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}).to_json()
    content = json.loads(text)
    content["book"]["attributes"]["pool"]["array"][0] = 99
    with pytest.raises(adl.InputError, match="do not fit together"):
        adl.Problem.from_json(json.dumps(content))
