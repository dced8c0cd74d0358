"""Settings: what is refused, and that what is accepted changes the speed and not the answer."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

import adlopt as adl
from adlopt.methods.result import Settings
from adlopt.methods.shadow_price.solve import ShadowPrice
from adlopt.methods.shadow_price.tuning import DEFAULTS, MasterSolver, Pivoting, Tuning
from adlopt.proof.certificate import certify_array

NUMBERS = [one.name for one in fields(Tuning) if "range" in one.metadata]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, float("nan"), 1e30, "200", None, True])
def test_a_number_out_of_its_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(adl.InputError, match=rf"Tuning\.{name}\b"):
        replace(DEFAULTS, **{name: value})  # type: ignore[arg-type]


def test_no_groups_are_refused() -> None:
    with pytest.raises(adl.InputError, match=r"Tuning\.groups is 0; a whole number >= 1"):
        Tuning(groups=0)


@pytest.mark.parametrize("name", Pivoting._fields)
@pytest.mark.parametrize("value", [-1, float("nan"), 1e30])
def test_pivoting_numbers_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    changed: dict[str, Any] = {name: value}
    with pytest.raises(adl.InputError, match=rf"Pivoting\.{name}\b"):
        Tuning(pivoting=Pivoting()._replace(**changed))


def test_master_settings_out_of_range_are_refused_by_name() -> None:
    with pytest.raises(adl.InputError, match=r"MasterSolver\.strategies .* 4 \(primal"):
        MasterSolver(strategies=(7,))
    with pytest.raises(adl.InputError, match=r"MasterSolver\.strategies"):
        MasterSolver(strategies=())
    with pytest.raises(adl.InputError, match=r"MasterSolver\.tolerance"):
        MasterSolver(tolerance=0.0)
    with pytest.raises(adl.InputError, match=r"Tuning\.master must be a MasterSolver"):
        Tuning(master="simplex")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "tuning",
    [
        Tuning(groups=1),
        Tuning(groups=40, alone=0.0),
        Tuning(groups=10**6),
        Tuning(smallest_sample=10**12),
        Tuning(smallest_sample=5, sample_step=3.0, sample_groups=1),
        Tuning(box=1.0, stride=2.0, exact=1.0),
        Tuning(smallest_sample=20, sample_spread=1.0, tail_spread=1.0, fewest_scenarios=1),
        Tuning(smallest_sample=20, sample_spread=1000.0),
        Tuning(work_per_run=1),
        Tuning(pivoting=Pivoting(optimality=1e-10, scan=1)),
        Tuning(master=MasterSolver(strategies=(1,), scaling=2)),
        Tuning(master=MasterSolver(iterations=1)),
    ],
    ids=str,
)
def test_the_settings_change_the_speed_and_not_the_answer(tuning: Tuning) -> None:
    for objective in (adl.ExpectedLoss(), adl.CVaR(0.9)):
        value, gap = solved(objective, tuning)
        assert gap < 1e-7
        np.testing.assert_allclose(value, solved(objective, DEFAULTS)[0], rtol=1e-7)


@cache
def solved(objective: adl.Objective, tuning: Tuning) -> tuple[float, float]:
    """Value and proven gap on a book of 400 accounts."""
    problem = adl.synthetic.problem(400, scenarios=100, seed=8, objective=objective)
    result = ShadowPrice(problem, tuning).solve(Settings())
    proof = certify_array(problem, result.allocation, result.multipliers)
    return proof.value, proof.gap
