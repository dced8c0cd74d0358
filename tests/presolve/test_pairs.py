"""The presolve changes the program and not its value."""

from __future__ import annotations

import numpy as np
import pytest

import adlopt as adl
from adlopt.presolve.pairs import presolve
from tests.support import TAME, Case, Reference, close, random_case
from tests.typed import priced


def case_of(seed: int) -> Case:
    return random_case(
        seed,
        ("cross", "mixed", "isolated")[seed % 3],
        one_factor=False,
        twist=TAME[seed % len(TAME)],
        reduced=2,
        settlement=seed % 2 == 1,
        fund=seed % 5 == 4,
    )


@pytest.mark.parametrize("seed", range(36))
def test_same_value(seed: int) -> None:
    case = case_of(seed)
    objective, terms = ((adl.ExpectedLoss(), [(1.0, 0.0)]), (adl.CVaR(0.9), [(1.0, 0.9)]))[
        seed // 2 % 2
    ]
    problem = case.problem(objective)
    reference = Reference(case)
    before = reference.measure(reference.losses(None), terms)
    values = [
        priced(adl.solve(problem, "conic", presolve=enabled)).value for enabled in (True, False)
    ]
    assert close(values[0], values[1], before, relative=1e-7), case.label


@pytest.mark.parametrize("seed", range(36))
def test_pairs_are_classified(seed: int) -> None:
    """Against the range over the box, in numpy, pair by pair."""
    case = case_of(seed)
    problem, reference = case.problem(), Reference(case)
    found, plain = presolve(problem), presolve(problem, enabled=False)
    S = case.weights.size
    pools = np.unique(problem.pool).size
    assert found.dropped + found.linear.pool.size + found.hinges.pool.size == pools * S
    assert plain.dropped + plain.linear.pool.size == 0
    assert plain.hinges.pool.size == pools * S
    V = np.repeat(reference.equity[:, None], S, axis=1)
    np.add.at(V, reference.pool, reference.size[:, None] * case.moves.T[reference.asset])
    gain = reference.max_reduction[:, None] * (
        reference.offset[:, None] - case.moves.T[reference.asset]
    )
    low, high = V.copy(), V.copy()
    np.add.at(low, reference.pool, np.minimum(gain, 0.0))
    np.add.at(high, reference.pool, np.maximum(gain, 0.0))
    # Positions that count as eligible but may give nothing (cap zero) make their pool's pairs
    # constant, not idle.
    required = np.array([case.reduction.get(name, 0.0) for name in reference.asset_name])
    able = reference.solvent[reference.pool] & (reference.size * required > 0)
    touched = np.unique(reference.pool[able])
    edge = 1e-9 * np.abs(V[touched])  # pairs on the edge may fall on either side
    assert (low[touched] >= edge).sum() <= found.dropped <= (low[touched] >= -edge).sum()
    assert (low[touched] < -edge).sum() - (high[touched] <= edge).sum() <= found.hinges.pool.size
    idle = np.setdiff1d(np.flatnonzero(reference.solvent), touched)
    np.testing.assert_allclose(
        found.constant,
        np.maximum(-V[idle], 0).sum(axis=0),
        rtol=1e-9,
        atol=1e-9 * V[idle].max(initial=1),
    )


@pytest.mark.parametrize("seed", range(6))
def test_note_counts(seed: int) -> None:
    solution = adl.solve(case_of(seed).problem(), "conic")
    assert "pool-scenario pairs" in str(solution.details)
