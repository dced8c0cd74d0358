"""Water-filling pictures: areas are money, heights leverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import StepPatch

import adlopt as adl
from adlopt import plots
from adlopt.datasets.examples import PAPER_REDUCTION, paper_book
from adlopt.plots import filling
from tests.plots.reading import assert_readable, legend, line, stairs, texts
from tests.typed import untyped, water_levels

Solved = tuple[adl.Problem, adl.Solution]


@pytest.fixture(scope="module")
def four() -> Solved:
    problem = adl.Problem(paper_book().with_margin("isolated"), PAPER_REDUCTION)
    return problem, adl.solve(problem)


@pytest.fixture(scope="module")
def thousands() -> Solved:
    problem = adl.synthetic.problem(6000, assets=1, scenarios=3, reduce=0.4, seed=1)
    assert len(problem.positions) > 4000
    return problem, adl.solve(problem)


def test_four_accounts(four: Solved) -> None:
    problem, solution = four
    ax = plots.water_filling(problem, solution)
    rows = solution.allocation.sort_values("leverage_before", ascending=False)
    equity = rows["size"].abs() * 67_000 / rows["leverage_before"]
    remaining, taken = stairs(ax, "remaining"), stairs(ax, "taken")
    np.testing.assert_allclose(remaining.edges, np.append(0, equity.cumsum()), rtol=1e-12)
    np.testing.assert_allclose(remaining.values, rows["leverage_after"], rtol=1e-12)
    np.testing.assert_allclose(taken.values, rows["leverage_before"], rtol=1e-12)
    np.testing.assert_array_equal(taken.baseline, remaining.values)
    # The area is what is taken: 10 BTC in money.
    assert np.diff(taken.edges) @ (taken.values - taken.baseline) == pytest.approx(
        10 * 67_000, rel=1e-12
    )
    level = f"water level {solution.water_level:.4g}"
    assert line(ax, level)[:, 1].tolist() == [solution.water_level] * 2
    assert legend(ax) == ["remaining", "taken", level]
    assert [text.get_text() for text in ax.texts] == rows["account"].tolist()
    assert ax.get_xlabel() == "Equity of accounts short BTC, highest leverage first"
    assert ax.get_ylabel() == "Leverage (notional / equity)"
    assert_readable(ax.figure)


def test_thousands_of_accounts(thousands: Solved) -> None:
    problem, solution = thousands
    ax = plots.water_filling(problem, solution)
    remaining, taken = stairs(ax, "remaining"), stairs(ax, "taken")
    width = np.diff(taken.edges)
    mark = problem.book.marks[0]
    assert width.size <= 4001
    assert width @ (taken.values - taken.baseline) == pytest.approx(
        abs(problem.required[0]) * mark, rel=1e-9
    )
    assert width @ taken.values == pytest.approx(
        problem.positions["size"].abs().sum() * mark, rel=1e-9
    )
    assert isinstance(solution.water_level, float)
    assert remaining.values.max() <= solution.water_level * (1 + 1e-9)
    assert (np.diff(taken.values) <= 1e-9).all()
    rows = solution.allocation
    top, right = ax.get_ylim()[1], ax.get_xlim()[1]
    above = int((rows["leverage_before"] > top).sum())
    assert f"{above:,} bars end above the frame, the highest at 40" in ax.get_xlabel()
    untouched = rows[rows["reduction"] == 0].sort_values("leverage_before", ascending=False)
    equity = (rows["size"].abs() * mark / rows["leverage_before"]).sort_index()
    order = rows["leverage_before"].sort_values(ascending=False, kind="stable").index
    left = equity[order].cumsum() - equity[order]
    beyond = int((left >= right * (1 - 1e-12)).sum())
    assert 0 < beyond <= len(untouched)
    assert f"{beyond:,} further accounts, untouched" in ax.get_xlabel()
    assert not ax.texts
    assert_readable(ax.figure)


def test_any_allocation_and_one_asset_of_several() -> None:
    problem = adl.Problem(paper_book().with_margin("isolated"), {"BTC": -10.0, "ETH": -100.0})
    with pytest.raises(adl.InputError, match=r"2 are reduced \(BTC, ETH\)"):
        plots.water_filling(problem, adl.solve(problem))
    with pytest.raises(adl.InputError, match="'SOL' is not reduced"):
        plots.water_filling(problem, adl.solve(problem), asset="SOL")
    solution = adl.solve(problem)
    ax = plots.water_filling(problem, solution, asset="ETH")
    assert f"water level {water_levels(solution)['ETH']:.4g}" in legend(ax)
    side = problem.positions["asset"].map({"BTC": 10 / 33, "ETH": 100 / (323 + 326.2)})
    rule = problem.positions.assign(reduction=problem.positions["size"] * side)
    ax = plots.water_filling(problem, rule, asset="BTC", ax=ax)
    shape = [patch for patch in ax.patches if patch.get_label() == "taken"][-1]
    assert isinstance(shape, StepPatch)
    values, _, baseline = shape.get_data()
    np.testing.assert_allclose(baseline / values, 23 / 33)
    with pytest.raises(adl.InputError, match="expected a Solution, a table"):
        untyped.plots.water_filling(problem, {"1": 3.0}, asset="BTC")


def test_names_are_text_and_fit() -> None:
    names = ["$x_{", "_hidden", "<b>", "a name far too long for its bar\nin two lines", "thin"]
    table = pd.DataFrame(
        {
            "account": names,
            "asset": "A",
            "size": [3.0, 5, 4, 1, 0.01],
            "equity": [1.0, 2, 2, 1, 0.003],
            "mark": 1.0,
        }
    )
    problem = adl.Problem(adl.Book.from_frame(table), {"A": 3.0})
    ax = plots.water_filling(problem, adl.solve(problem))
    assert_readable(ax.figure)
    written = [text.get_text() for text in texts(ax.figure)]
    assert {r"\$x_{", "\u200b_hidden", "<b>"} < set(written)
    assert "thin" not in written


@pytest.mark.parametrize("count", [4, 4000])
def test_volatility(count: int) -> None:
    rng = np.random.default_rng(count)
    equity, before = np.exp(rng.normal(9, 1, count)), np.exp(rng.normal(-2, 0.8, count))
    after = np.minimum(before, 0.15)
    names = [f"account {at}" for at in range(count)]
    ax = plots.volatility_filling(pd.Series(equity), pd.Series(before, names), after, level=0.15)
    taken = stairs(ax, "taken")
    order = np.argsort(-before)
    np.testing.assert_allclose(taken.values, before[order])
    np.testing.assert_allclose(taken.baseline, after[order])
    np.testing.assert_allclose(np.diff(taken.edges), equity[order], rtol=1e-7)
    assert ax.get_ylabel() == "Portfolio volatility / equity"
    assert_readable(ax.figure)


@pytest.mark.parametrize(
    ("equity", "before", "message"),
    [
        ([1.0, 2.0], [0.1], "one number per account"),
        ([1.0, 0.0], [0.1, 0.2], "equity must be > 0"),
        ([1.0, np.nan], [0.1, 0.2], "row 1, column 'equity': nan"),
        ([], [], "one number per account"),
    ],
)
def test_volatility_refuses(equity: list[float], before: list[float], message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        plots.volatility_filling(equity, before, before)


@pytest.mark.parametrize(
    ("above", "beyond", "said"),
    [
        (0, 0, []),
        (
            1,
            1,
            [
                "1 bar ends above the frame, at 40",
                "1 further account, untouched, stands to the right",
            ],
        ),
        (
            2,
            1200,
            [
                "2 bars end above the frame, the highest at 40",
                "1,200 further accounts, untouched, stand to the right",
            ],
        ),
    ],
)
def test_notes_on_bars_outside_agree_in_number(above: int, beyond: int, said: list[str]) -> None:
    assert filling._outside(above, 40.0, beyond) == said
