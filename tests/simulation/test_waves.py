"""Waves replayed with the state carried on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt.simulation.waves import cluster_waves
from tests.typed import cell


def fills() -> pd.DataFrame:
    """Two shorts; three contracts go at 50 and four at 40, all from a in what happened."""
    return pd.DataFrame(
        {
            "wave": [1, 1, 2, 2],
            "account": ["a", "b", "a", "b"],
            "asset": "BTC",
            "size": [-8.0, -4.0, -5.0, -4.0],
            "equity": [100.0, 100.0, 150.0, 140.0],
            "mark": [50.0, 50.0, 40.0, 40.0],
            "realised_reduction": [-3.0, 0.0, -4.0, 0.0],
        }
    )


def test_by_hand() -> None:
    done = adl.replay(fills(), [adl.policies.ProRata()], carry=True)
    assert isinstance(done, adl.WaveReplay)
    # Pro rata takes 2 and 1, then of 6 and 3 it takes 8/3 and 4/3.
    name = "ProRata(contracts)"
    assert np.allclose(done.books[name].size, [-10 / 3, -5 / 3])
    # At 40 the 6 and 3 contracts that are left have gained 10 each.
    assert np.allclose(done.books[name].equity, [160.0, 130.0])
    assert np.allclose(done.books["realised"].size, [-1.0, -4.0])
    assert np.allclose(done.books["realised"].equity, [150.0, 140.0])
    table = done.table
    assert np.allclose(table["required"], [150.0, 150.0, 160.0, 160.0])
    assert np.allclose(table["unmet"], 0.0)
    assert table.loc[(1, "realised"), "accounts"] == 1
    assert table.loc[(1, name), "accounts"] == 2
    assert np.allclose(done.reductions[name]["reduction"], [-14 / 3, -7 / 3])
    assert "realised" in repr(done)


def test_a_rule_that_repeats_what_happened_ends_where_it_ended() -> None:
    amounts = iter([np.array([-3.0, 0.0]), np.array([-4.0, 0.0])])
    done = adl.replay(fills(), {"same": lambda problem: next(amounts)}, carry=True)
    assert np.allclose(done.books["same"].size, done.books["realised"].size)
    assert np.allclose(done.books["same"].equity, done.books["realised"].equity)


def test_water_filling_in_waves_ends_as_in_one_while_marks_stand_still() -> None:
    still = fills().assign(mark=50.0)
    once = fills().iloc[:2].assign(realised_reduction=[-7.0, 0.0])
    rule = adl.policies.MinimaxLeverage()
    in_two, in_one = (
        adl.replay(table, [rule], carry=True).books["MinimaxLeverage"].size
        for table in (still, once)
    )
    assert np.allclose(in_two, in_one)


def test_what_is_no_longer_there_is_unmet() -> None:
    table = fills().assign(realised_reduction=[0.0, -4.0, -5.0, 0.0], size=[-8.0, -4.0, -8.0, 0.0])
    table = table.iloc[:3]
    queue = adl.policies.Queue(lambda problem: problem.positions["account"] == "a")
    done = adl.replay(table, {"queue": queue}, carry=True)
    assert done.table.loc[(2, "queue"), "unmet"] == 0.0
    larger = pd.concat([table, table.iloc[2:].assign(wave=3)])
    done = adl.replay(larger, {"queue": queue}, carry=True)
    assert cell(done.table, (3, "queue"), "unmet") > 0


def test_gaps_tell_waves_apart() -> None:
    times = fills().assign(wave=[0.0, 400.0, 9_000.0, 9_100.0])
    clustered = cluster_waves(times.iloc[::-1], 5_000.0)
    assert clustered["wave"].tolist() == [1, 1, 2, 2]
    joined = adl.replay(times, [adl.policies.ProRata()], carry=True, gap=5_000.0)
    apart = adl.replay(fills(), [adl.policies.ProRata()], carry=True)
    assert np.array_equal(
        joined.books["ProRata(contracts)"].size, apart.books["ProRata(contracts)"].size
    )


def test_hyperreplay_as_it_is() -> None:
    columns = {
        "account": "user",
        "asset": "coin",
        "wave": "time",
        "size": "position_size",
        "realised_reduction": "adl_size",
        "mark": "adl_price",
        "equity": "total_equity",
    }
    raw = fills().rename(columns=columns).assign(time=[0, 300, 8_000, 8_000])
    done = adl.replay(raw, [adl.policies.ProRata()], carry=True, gap=5_000)
    assert np.allclose(done.books["ProRata(contracts)"].size, [-10 / 3, -5 / 3])
    separate = adl.replay(raw, [adl.policies.ProRata()], gap=5_000)
    assert isinstance(separate, adl.Replay)
    assert len(separate.comparisons) == 2


def test_the_default_rules_and_a_price_model() -> None:
    prices = adl.OneFactor({"BTC": 10.0})
    done = adl.replay(fills(), carry=True, prices=prices)
    expected = done.table["expected_loss"].xs("MinimaxLeverage", level="policy")
    assert (expected >= 0).all()
    assert set(done.books) >= {"realised", "MinimaxLeverage", "FactorLeverage"}


def test_both_sides_in_one_wave_are_refused() -> None:
    table = fills().assign(size=[-8.0, 4.0, -5.0, 4.0], realised_reduction=[-3.0, 1.0, -4.0, 0.0])
    with pytest.raises(adl.InputError, match=r"wave 1.*both sides"):
        adl.replay(table, [adl.policies.ProRata()], carry=True)
    with pytest.raises(adl.InputError, match="'level' has no meaning"):
        adl.replay(fills(), carry=True, level=0.9)
    with pytest.raises(adl.InputError, match="gap needs a column"):
        adl.replay(fills().drop(columns="wave"), carry=True, gap=1.0)
