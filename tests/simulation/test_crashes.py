"""What holds in every crash."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from tests.simulation.random_crashes import conservation_error, random_crash
from tests.typed import untyped

RULES = (
    adl.policies.ProRata(),
    adl.policies.Hyperliquid(),
    adl.policies.BitMEX(),
    adl.policies.MinimaxLeverage(),
    adl.policies.RiskAware(),
    adl.policies.MinMaxBurden(),
)


@pytest.mark.parametrize("block", range(4))
def test_contracts_and_money_are_conserved(block: int) -> None:
    for seed in range(50 * block, 50 * (block + 1)):
        assert conservation_error(random_crash(seed)) < 1e-9, seed


def test_random_crashes_contain_the_hard_cases() -> None:
    crashes = [random_crash(seed) for seed in range(200)]
    done = [
        adl.simulate(one.book, one.path, one.policy, exchange=one.exchange) for one in crashes[:80]
    ]
    assert any(one.totals["waves"] > 1 for one in done)
    assert any(one.steps["unmet"].sum() > 0 for one in done)  # an empty side, or caps
    assert any(one.totals["socialised_loss"] > 0 for one in done)
    assert any(one.totals["sold"] > 0 for one in done)
    given = [one.exchange.depth for one in crashes]
    depths = np.concatenate([list(depth.values()) for depth in given if isinstance(depth, dict)])
    assert np.isinf(depths).any()
    assert (depths == 0).any()
    assert any(one.path.prices.min() < 0.3 * one.book.marks.min() for one in crashes)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("settlement", ["mark", "bankruptcy"])
def test_one_step_without_a_market_is_the_single_problem(rule: Any, settlement: Any) -> None:
    for seed in range(5):
        book = adl.synthetic.crash(200, 2, hedged=0.0, seed=seed)
        exchange = adl.Exchange(maintenance=0.0, settlement=settlement)
        still = pd.DataFrame([book.marks], columns=book.assets)
        crash = adl.simulate(book, still, rule, exchange=exchange)
        problem = adl.Problem.from_bankrupt(book, settlement=settlement)
        taken = np.zeros(book.size.size)
        taken[problem.eligible] = rule.reductions(problem)
        solvent = book.solvent[book.pool]
        expected = book.after(taken, problem.settlement)
        assert np.allclose(crash.book.size[solvent], expected.size[solvent], rtol=1e-9, atol=1e-9)
        assert np.allclose(crash.book.equity[book.solvent], expected.equity[book.solvent])
        assert not crash.book.size[~solvent].any()


def test_the_fund_after_bankruptcy_settlement_is_what_it_was() -> None:
    book = adl.synthetic.crash(200, 2, hedged=0.0, seed=1)
    exchange = adl.Exchange(maintenance=0.0, settlement="bankruptcy", fund=1e6)
    still = pd.DataFrame([book.marks], columns=book.assets)
    crash = adl.simulate(book, still, adl.policies.ProRata(), exchange=exchange)
    assert crash.totals["deficit"] > 0
    assert np.isclose(crash.totals["fund_left"], 1e6, rtol=1e-9)


def waves_of(book: adl.Book, rule: Any, reduction: dict[str, float], waves: int) -> adl.Book:
    for _ in range(waves):
        part = {name: amount / waves for name, amount in reduction.items()}
        book = book.after(rule.allocate(adl.Problem(book, part)))
    return book


def isolated_shorts(seed: int) -> tuple[adl.Book, dict[str, float]]:
    book = adl.synthetic.crash(100, 2, seed=seed).with_margin("isolated")
    short = book.open_interest["short"]
    return book, {name: -0.3 * short[name] for name in book.assets}


def test_waves_of_water_filling_make_one_wave_and_those_of_a_leverage_queue_do_not() -> None:
    water = adl.policies.MinimaxLeverage()
    queue = adl.policies.Queue(adl.policies.features.leverage, name="by leverage")
    differ = []
    for seed in range(5):
        book, reduction = isolated_shorts(seed)
        once = waves_of(book, water, reduction, 1)
        for waves in (2, 5):
            assert np.allclose(waves_of(book, water, reduction, waves).size, once.size, atol=1e-9)
        first, second = (waves_of(book, queue, reduction, waves).size for waves in (1, 5))
        differ.append(not np.allclose(first, second, atol=1e-6))
    assert all(differ)


def test_waves_in_the_engine_make_one_wave_while_marks_stand_still() -> None:
    """A market of depth zero; the inventory of step 1 is deleveraged in step 1 or in step 3."""
    book = adl.synthetic.crash(100, 1, seed=2)
    still = np.tile(book.marks, (3, 1))
    early = adl.Exchange(maintenance=0.0)
    late = dataclasses.replace(early, adl_interval=3)
    first, second = (
        adl.simulate(book, still, adl.policies.MinimaxLeverage(), exchange=one).book.size
        for one in (early, late)
    )
    assert np.allclose(first, second, atol=1e-9)


def test_infinite_depth_leaves_nothing_to_deleverage() -> None:
    book = adl.synthetic.crash(100, 2, seed=4)
    path = adl.paths.flash_crash(book, fall=0.3)
    exchange = adl.Exchange(depth=np.inf, spread=0.002)
    crash = adl.simulate(book, path, adl.policies.ProRata(), exchange=exchange)
    assert crash.totals["deleveraged"] == 0
    assert np.isclose(crash.totals["cost"], 0.001 * crash.totals["sold"])


def test_an_empty_side_leaves_the_inventory_with_the_engine() -> None:
    table = pd.DataFrame({"account": ["a"], "asset": ["X"], "size": [10.0], "equity": [100.0]})
    book = adl.Book.from_frame(table, marks={"X": 100.0})
    crash = adl.simulate(book, pd.DataFrame({"X": [80.0, 70.0]}), adl.policies.ProRata())
    assert crash.totals["waves"] == 0
    assert crash.totals["inventory_left"] == 700.0
    assert crash.totals["socialised_loss"] == 200.0  # 100 of deficit, then 10 x 10 on the inventory


def test_expected_loss_of_what_is_left_is_that_of_the_problem() -> None:
    book = adl.synthetic.crash(100, 2, seed=5)
    prices = adl.LogNormal({"A0": 1.0, "A1": 1.2}, 0.7, horizon=1 / 52, points=1024)
    exchange = adl.Exchange(maintenance=0.0)
    still = pd.DataFrame([book.marks], columns=book.assets)
    rule = adl.policies.MinimaxLeverage()
    crash = adl.simulate(book, still, rule, exchange=exchange, prices=prices)
    problem = adl.Problem.from_bankrupt(book, prices=prices, remove=True)
    proof = adl.certify(problem, rule.allocate(problem))
    assert np.isclose(crash.steps["expected_loss"].item(), proof.value)
    assert 0 <= crash.steps["expected_loss_gap"].item() < 1


def test_a_policy_that_takes_too_much_is_named() -> None:
    book = adl.synthetic.crash(60, 1, seed=0)
    still = pd.DataFrame([book.marks], columns=book.assets)

    def greedy(problem: adl.Problem) -> np.ndarray:
        return problem.max_reduction

    def wrong_sign(problem: adl.Problem) -> np.ndarray:
        return -problem.max_reduction

    with pytest.raises(adl.InputError, match=r"policy greedy, step 1.*are required"):
        adl.simulate(book, still, greedy)
    with pytest.raises(adl.InputError, match=r"policy wrong_sign, step 1.*account"):
        adl.simulate(book, still, wrong_sign)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"maintenance": 1.5}, "share of notional"),
        ({"maintenance": {"A0": [(10, 0.1)]}}, "start at notional 0"),
        ({"depth": -1.0}, "negative"),
        ({"depth": float("nan")}, "finite"),
        ({"fund": -1.0}, "money at hand"),
        ({"drawdown": 2.0}, "share of the fund"),
        ({"inventory_limit": -1.0}, "money, >= 0"),
        ({"settlement": "entry"}, "'mark' or 'bankruptcy'"),
        ({"adl_interval": 0}, "whole number"),
    ],
)
def test_exchanges_that_make_no_sense(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        adl.Exchange(**arguments)


def test_inputs_that_do_not_fit() -> None:
    book = adl.synthetic.crash(60, 1, seed=0)
    rule = adl.policies.ProRata()
    with pytest.raises(adl.InputError, match="not a Book"):
        untyped.simulate("book", np.ones((1, 1)), rule)
    with pytest.raises(adl.InputError, match="'DOGE' is not in the book"):
        adl.simulate(book, pd.DataFrame({"DOGE": [1.0]}), rule)
    with pytest.raises(adl.InputError, match="price > 0"):
        adl.simulate(book, pd.DataFrame({"A0": [1.0, -1.0]}), rule)
    with pytest.raises(adl.InputError, match="2 paths"):
        adl.simulate(book, adl.paths.flash_crash(book, count=2), rule)
    with pytest.raises(adl.InputError, match="unknown asset 'DOGE'"):
        adl.simulate(book, np.ones((1, 1)), rule, exchange=adl.Exchange(depth={"DOGE": 1.0}))


def test_it_prints() -> None:
    book = adl.synthetic.crash(60, 1, seed=0)
    crash = adl.simulate(book, adl.paths.flash_crash(book), adl.policies.ProRata())
    assert "ProRata(contracts) on flash_crash" in repr(crash)
    assert "<table" in crash._repr_html_()


def test_the_optimum_is_solved_anew_in_each_wave() -> None:
    book = adl.synthetic.crash(60, 2, seed=6)
    volatility = {name: 1.5 for name in book.assets}
    rule = adl.policies.Optimal(
        objective=adl.CVaR(0.9),
        prices=lambda wave: adl.LogNormal(volatility, 0.7, horizon=1 / 52, points=256),
    )
    path = adl.paths.staircase(book, fall=0.4, stairs=2, steps=2)
    crash = adl.simulate(book, path, rule, exchange=adl.Exchange(maintenance=0.01))
    assert crash.totals["waves"] == 2
    assert crash.policy == "Optimal(CVaR(level=0.9))"
    problem = adl.Problem.from_bankrupt(book.at(path.prices[0, 0]), prices=None)
    assert problem.reduced_assets.size  # the first wave takes over the bankrupt
    other = adl.simulate(
        book, path, adl.policies.ProRata(), exchange=adl.Exchange(maintenance=0.01)
    )
    assert not np.allclose(crash.book.size, other.book.size)
