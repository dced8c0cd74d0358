"""Realised reductions beside what the rules would have done."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.support import DATA

P = adl.policies
WAVE = DATA / "hyperliquid_20251010_wave.csv"


def student(book: adl.Book) -> adl.StudentT:
    """Multivariate t prices with 3 degrees of freedom: scale 15 % of each mark, correlation 0.7."""
    d = len(book.assets)
    correlation = 0.7 + 0.3 * np.eye(d)
    return adl.StudentT(0.15**2 * correlation * np.outer(book.marks, book.marks), 3, points=2**9)


@pytest.fixture(scope="module")
def wave() -> adl.Replay:
    if not WAVE.exists():
        pytest.skip(f"the wave is not at {WAVE}")
    return adl.replay(WAVE, [P.Hyperliquid(), P.MinimaxLeverage()], prices=student)


def test_first_wave_of_10_october_2025(wave: adl.Replay) -> None:
    """Ten coins: 240 of 250 positions closed in full; draining leverage instead meets the same
    requirement with less risk.
    """
    by_asset = wave.by_asset
    realised = by_asset.xs("realised", level="policy")
    assert len(realised) == 10
    assert realised["positions"].sum() == 250
    assert realised["fully_closed"].sum() == 240
    level = by_asset.xs("MinimaxLeverage", level="policy")
    assert level["fully_closed"].sum() < 0.2 * realised["fully_closed"].sum()
    np.testing.assert_allclose(level["required"], realised["required"], rtol=1e-9)
    listed = pd.read_csv(WAVE).groupby("asset")["realised_reduction"].sum()
    np.testing.assert_allclose(realised["required"].droplevel("wave").sort_index(), listed)
    risk = wave.risk.loc[1]
    objective, saved = risk["objective"], risk["saved"]
    assert objective["MinimaxLeverage"] < objective["realised"]
    assert saved["realised"] == 0.0
    assert risk["gap"]["Optimal"] <= 1e-6
    lower_bound = wave.comparisons[1].lower_bound
    assert lower_bound is not None
    for name in ("MinimaxLeverage", "Hyperliquid", "realised"):
        assert saved[name] == pytest.approx(objective["realised"] - objective[name])
        assert objective[name] >= lower_bound * (1 - 1e-12)
    assert "MinimaxLeverage" in repr(wave)
    assert "saved" in wave._repr_html_()


def test_minimax_leverage_reduces_in_order_of_leverage(wave: adl.Replay) -> None:
    """Coin by coin: nobody who could still give stands above anybody who was reduced and has
    something left.
    """
    table = wave.comparisons[1].allocations["MinimaxLeverage"]
    for _, part in table.groupby("asset"):
        able = part["fraction"] < 1 - 1e-9
        reduced = (part["fraction"] > 1e-9) & able
        if reduced.any():
            assert part.loc[able, "leverage_after"].max() <= part.loc[
                reduced, "leverage_after"
            ].min() * (1 + 1e-6)
    happened = wave.comparisons[1].allocations[
        "realised"
    ]  # what happened did not: many low leverages were closed
    able = happened["fraction"] < 1 - 1e-9
    assert (
        happened.loc[~able, "leverage_before"] < happened.loc[able, "leverage_after"].max()
    ).any()


def test_positions_are_listed_by_leverage(wave: adl.Replay) -> None:
    rows = wave.positions
    assert len(rows) == 250
    assert list(rows.columns[:5]) == ["wave", "account", "asset", "size", "leverage"]
    for _, part in rows.groupby("asset"):
        assert part["leverage"].is_monotonic_decreasing


def rows(**changed: Any) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "account": list("abc"),
            "asset": "X",
            "size": [-10.0, -10.0, -10.0],
            "entry_price": [12.0, 11.0, 10.0],
            "equity": [20.0, 50.0, 100.0],
            "mark": 10.0,
            "realised_reduction": [0.0, 6.0, 4.0],
        }
    )
    return table.assign(**changed)


def test_by_hand() -> None:
    """Leverages 5, 2, 1. Draining a alone would take all of it, to 0 and so below b: both end at
    (200 - 100) / 70.
    """
    answer = adl.replay(rows(), [P.MinimaxLeverage(), P.BitMEX()])
    table = answer.positions.set_index("account")
    assert table["realised"].tolist() == [0.0, 0.6, 0.4]
    level = (200.0 - 100.0) / 70.0
    np.testing.assert_allclose(
        table["MinimaxLeverage"], [1 - level / 5, 1 - level / 2, 0.0], atol=1e-12
    )
    assert table["BitMEX"].tolist() == [1.0, 0.0, 0.0]
    counts = answer.by_asset.loc[(1, "X", "realised"), :]
    columns = ("positions", "reduced", "fully_closed", "required")
    assert [counts[name] for name in columns] == [3, 2, 0, -10.0]
    assert counts["median_leverage_reduced"] == 1.5
    assert counts["max_leverage_remaining"] == 5.0
    assert answer.risk["objective"].isna().all()


def test_waves_and_other_names(tmp_path: object) -> None:
    table = pd.concat(
        [
            rows(moment="first"),
            rows(moment="second", closed=[3.0, 0.0, 0.0]).drop(columns="realised_reduction"),
        ]
    )
    table["closed"] = table["closed"].fillna(table["realised_reduction"])
    path = f"{tmp_path}/waves.parquet"
    table.drop(columns="realised_reduction").to_parquet(path)
    answer = adl.replay(path, [P.ProRata()], column="closed", wave="moment")
    assert list(answer.comparisons) == ["first", "second"]
    required = answer.by_asset.xs("ProRata(contracts)", level="policy")["required"]
    assert required.tolist() == [-10.0, -3.0]


def test_hyper_replay_file_as_it_is(tmp_path: object) -> None:
    """Two fills of one position at one time are one reduction; another time is another wave."""
    table = pd.DataFrame(
        {
            "user": ["u", "u", "w", "u"],
            "coin": "BTC",
            "time": [1, 1, 1, 2],
            "adl_price": 100.0,
            "adl_size": [1.0, 2.0, 4.0, 1.0],
            "adl_notional": 1.0,
            "position_size": [-5.0, -4.0, -4.0, -2.0],
            "entry_price": 110.0,
            "total_equity": [300.0, 300.0, 100.0, 300.0],
        }
    )
    path = f"{tmp_path}/adl_detailed_analysis_REALTIME.csv"
    table.to_csv(path, index=False)
    answer = adl.replay(path, [P.ProRata()])
    assert list(answer.comparisons) == [1, 2]
    assert answer.positions.set_index(["wave", "account"])["realised"].to_dict() == {
        (1, "u"): 0.6,
        (1, "w"): 1.0,
        (2, "u"): 0.5,
    }


def test_not_one_snapshot_takes_the_first() -> None:
    table = pd.concat([rows(), rows(asset="Y", equity=[21.0, 51.0, 99.0])])
    problem = adl.replay(table, [P.ProRata()]).comparisons[1].problem
    assert problem is not None
    assert problem.book.equity.tolist() == [20.0, 50.0, 100.0]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (rows().iloc[:0], "the table has no rows"),
        (rows().drop(columns="mark"), "column 'mark' is missing"),
        (
            rows(realised_reduction=[0.0, 16.0, 4.0]),
            r"row 1 \(account 'b'.*-16.0 is more than the position had",
        ),
        (rows(realised_reduction=[0.0, np.nan, 4.0]), r"row 1 .*nan is not a finite number"),
        (rows(realised_reduction=0.0), "nothing was taken"),
        (rows(size=[-10.0, 10.0, -10.0]), "reduced on both sides"),
        ("nowhere.csv", "cannot read nowhere.csv"),
    ],
)
def test_refusals(table: Any, message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        adl.replay(table, [P.ProRata()])
