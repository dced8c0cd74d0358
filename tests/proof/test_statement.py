"""Problems as integers: nothing is lost, and what is rounded stays feasible."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import adlopt as adl
from adlopt.proof.statement import (
    STRESS_BITS,
    Term,
    _scaled_into_dual_set,
    bits_after_point,
    integers,
    listed_shares,
    polyhedral_terms,
    state,
)
from tests.support import random_case


def test_integers_lose_nothing() -> None:
    values = [0.1, -3.0, 1e-300, 2.5e12, 0.0, 5e-324]
    bits = bits_after_point(values)
    assert [Fraction(n, 2**bits) for n in integers(values, bits)] == [Fraction(x) for x in values]
    assert bits_after_point([], []) == 0
    assert bits_after_point([4.0]) == 0


def test_a_problem_is_stated_in_full() -> None:
    case = random_case(11, "mixed", settlement=True, fund=True, reduced=2)
    problem = case.problem()
    given = adl.policies.ProRata().reductions(problem)
    data = state(problem, given, given)
    contract, price = (Fraction(1, 2**bits) for bits in data["units"][:2])
    solvent = problem.book.solvent
    assert [float(x * contract * price) for x in data["equity"]] == problem.book.equity[
        solvent
    ].tolist()
    rows = solvent[problem.book.pool]
    assert [float(x * contract) for x in data["size"]] == problem.book.size[rows].tolist()
    assert [[float(x * price) for x in row] for row in data["moves"]] == problem.moves.tolist()
    assert float(data["fund"][0] * contract * price) == problem.insurance_fund
    assert data["reference"] == data["reduction"]


def test_terms_of_sums() -> None:
    problem = random_case(1, "cross", one_factor=False).problem(
        2.0 * adl.Spectral([0.0, 0.5], [0.25, 0.75]) + adl.WorstCase() + adl.Semideviation(0.3)
    )
    assert polyhedral_terms(problem) == [
        Term("cvar", 0.5, 0.0, 0),
        Term("cvar", 1.5, 0.5, 0),
        Term("cvar", 1.0, 1.0, 1),
        Term("semideviation", 1.0, 0.3, 2),
    ]


@pytest.mark.parametrize("seed", range(30))
def test_stresses_hold_for_every_set_of_scenarios(seed: int) -> None:
    """All 2^7 sets, after scaling stresses that exceed their limits."""
    rng = np.random.default_rng(seed)
    weight = [int(x) for x in rng.integers(0, 5, 7)]
    weight[2] += 1
    tails = [Term("cvar", 0.7, float(rng.random()), 0), Term("cvar", 0.3, 1.0, 1)][: 1 + seed % 2]
    stress = rng.random(7) * rng.choice([0.01, 1.0, 3.0])
    found = _scaled_into_dual_set(stress, weight, tails)
    total = sum(weight)
    for chosen in range(2**7):
        sets = [s for s in range(7) if chosen >> s & 1]
        mass = Fraction(sum(weight[s] for s in sets), total)
        limit = Fraction(0)
        for term in tails:
            tail = 1 - Fraction(term.parameter)
            share = min(mass / tail, Fraction(1)) if tail else Fraction(int(mass > 0))
            limit += Fraction(term.factor) * share
        assert Fraction(sum(found[s] for s in sets), 2**STRESS_BITS) <= limit


def test_feasible_stresses_are_kept() -> None:
    weight = [1, 1, 2]
    kept = _scaled_into_dual_set(np.array([0.5, 0.5, 0.0]), weight, [Term("cvar", 1.0, 0.5, 0)])
    assert kept == [1 << (STRESS_BITS - 1), 1 << (STRESS_BITS - 1), 0]


def test_shares_are_listed_where_the_sign_does_not_tell() -> None:
    """The multipliers of an optimum at a kink: the listed pairs with the sign rule for the rest
    give the multipliers back.
    """
    problem = adl.synthetic.problem(25, 2, scenarios=30, objective=adl.CVaR(0.8), seed=4)
    solution = adl.solve(problem, "conic")
    multipliers = solution._multipliers
    assert multipliers is not None
    at = solution.allocation["reduction"].to_numpy()
    pools, scenarios, shares = listed_shares(problem, at, multipliers)
    V = problem.equity_after(at)[:, None] + problem.size_matrix(at) @ problem.moves
    found = (V < 0).astype(float)
    solvent = np.flatnonzero(problem.book.solvent)
    for i, s, share in zip(pools, scenarios, shares, strict=True):
        found[solvent[i], s] = share / 2.0**64
    wanted = np.zeros(V.shape)
    wanted[multipliers.pool, multipliers.scenario] = multipliers.weight
    eligible = np.unique(problem.pool)
    np.testing.assert_allclose(found[eligible], wanted[eligible], atol=1e-15)
    assert listed_shares(problem, at, None) == ([], [], [])
