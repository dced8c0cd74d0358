"""Policies are read alike from Python and the command line."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import adlopt as adl
from adlopt.policies.reading import as_policy, by_name, read_policy
from adlopt.policies.standard import BY_NAME

P = adl.policies


@pytest.mark.parametrize("name", BY_NAME)
def test_every_name_stands_for_its_rule(name: str) -> None:
    assert str(as_policy(name)) == str(BY_NAME[name]())
    assert str(as_policy(f" {name.upper().replace('-', '_')} ")) == str(BY_NAME[name]())


def test_parameters() -> None:
    assert read_policy("pro-rata:pnl") == P.ProRata("pnl")
    assert read_policy("dydx-v4:7") == P.DydxV4(7)
    assert str(read_policy("risk-aware:2")) == "RiskAware(power 2)"


def test_a_rule_with_a_power_is_that_of_the_function_and_travels_to_other_processes() -> None:
    problem = adl.examples.paper_problem()
    squared = P.RiskAware(lambda leverage: leverage**2).reductions(problem)
    rule = pickle.loads(pickle.dumps(read_policy("risk-aware:2")))
    np.testing.assert_array_equal(rule.reductions(problem), squared)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("fifo", r"policy 'fifo' is unknown; use bitmex, .*, with a parameter as in pro-rata:pnl"),
        ("", r"policy '' is unknown"),
        ("hyperliquid:2", r"hyperliquid takes no parameter"),
        ("dydx-v4:-1", r"the seed is a whole number >= 0"),
        ("risk-aware:x", r"policy risk-aware"),
        (P.ProRata, r"make one: ProRata\(\)"),
        (7, r"policy 7 has no method allocate"),
    ],
)
def test_what_is_no_policy_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        as_policy(wrong)
    with pytest.raises(adl.InputError, match=message):
        by_name({"own name": wrong})


def test_studies_and_simulations_take_names() -> None:
    problem = adl.examples.paper_problem()
    named = adl.compare(problem, ["hyperliquid", "pro-rata:equity"])
    rules = adl.compare(problem, [P.Hyperliquid(), P.ProRata("equity")])
    assert named.policies == rules.policies
    book = adl.synthetic.crash(60, 2, seed=3)
    paths = adl.paths.slow_bleed(book, fall=0.3, steps=4, count=2)
    first = adl.simulate(book, paths[0], "minimax-leverage")
    assert first.policy == "MinimaxLeverage"
    assert adl.stress_test(book, paths, ["pro-rata"], workers=1).policies == ("ProRata(contracts)",)
    with pytest.raises(adl.InputError, match="policy 'fifo' is unknown"):
        adl.simulate(book, paths[0], "fifo")
    assert adl.audit("pro-rata", trials=2).policy == "ProRata(contracts)"
