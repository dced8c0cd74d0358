"""Several reduced assets under one factor: exact where the transportation problem allows it, and
recognised where not.
"""

from __future__ import annotations

import numpy as np
import pytest

import adlopt as adl
from adlopt.methods import choice, factor_leverage
from adlopt.model.losses import objective_value
from tests import support

TWISTS = tuple(
    twist for twist in support.TWISTS if twist != "one account"
)  # which has no choice left


def one_factor(seed: int) -> adl.Problem:
    """Three reduced assets, directions and sides of either sign; in every other book the
    requirements suit the rule.
    """
    twist = TWISTS[seed % len(TWISTS)]
    case = next(
        case
        for case in (
            support.random_case(s, ["cross", "mixed"][s % 2], twist=twist, reduced=3)
            for s in range(seed, 9999, 100)
        )
        if len(case.reduction) > 2
    )
    rng = np.random.default_rng(seed)
    names = list(case.marks)
    direction = {
        k: case.marks[k] * rng.uniform(0.03, 0.12) * rng.choice([-1.0, 1.0]) for k in names
    }
    problem = adl.Problem(case.book, case.reduction, prices=adl.OneFactor(direction), caps=case.caps)
    if seed % 2:
        reductions = at_a_level(problem, rng.uniform(0.1, 0.9))
        total = np.bincount(problem.asset, reductions, minlength=len(names))
        wanted = {names[k]: total[k] for k in range(len(names)) if total[k] != 0}
        if len(wanted) > 2:
            problem = adl.Problem(case.book, wanted, prices=adl.OneFactor(direction), caps=case.caps)
    return problem


def at_a_level(problem: adl.Problem, share: float) -> np.ndarray:
    """Reductions (e,) that bring every pool as near as it can come to one exposure over equity."""
    assert isinstance(problem.prices, adl.OneFactor)
    v = problem.prices.vector(problem.book.assets)
    gives = v[problem.asset] * problem.max_reduction
    exposure, equity = problem.size_matrix(None) @ v, problem.book.equity
    level = np.quantile(exposure[problem.pool] / equity[problem.pool], share)
    taken = np.zeros(gives.size)
    for i in np.unique(problem.pool):
        rows = np.flatnonzero(problem.pool == i)
        missing = exposure[i] - level * equity[i]
        for j in rows[np.sign(gives[rows]) == np.sign(missing)]:
            taken[j] = min(max(missing / gives[j], 0.0), 1.0)
            missing -= taken[j] * gives[j]
    return taken * problem.max_reduction


def test_a_hundred_books() -> None:
    exact = 0
    for seed in range(100):
        problem = one_factor(seed)
        before = objective_value(problem, None)
        priced = adl.solve(problem, "shadow_price", tolerance=1e-9)
        rule = factor_leverage.rule(problem)
        assert rule.bound <= priced.value * (1 + 1e-9) + 1e-9 * before
        if rule.fraction is None:
            with pytest.raises(adl.NotApplicable, match="add up asset by asset"):
                adl.solve(problem, "factor_leverage")
            assert choice.choose(problem).method in ("shadow_price", "water_filling")
            continue
        exact += 1
        claimed = adl.solve(problem, "factor_leverage", tolerance=1e-8)
        assert "exactly" in str(claimed.details)
        assert support.close(claimed.value, priced.value, before, 1e-8)
        assert support.close(claimed.value, rule.bound, before, 1e-8)
    assert 20 <= exact <= 80, exact


def test_handing_over_says_so() -> None:
    problem = next(
        p for p in map(one_factor, range(0, 100, 2)) if factor_leverage.rule(p).fraction is None
    )
    solution = adl.solve(problem)
    assert solution.method == "shadow_price"
    assert "factor_leverage does not apply" in str(solution.details)
    assert "lower bound" in str(solution.details)


def test_exact_answers_hold_for_other_objectives() -> None:
    """The rule is optimal shock by shock: also for CVaR, which the certificate proves on the
    strata.
    """
    proven = 0
    for seed in range(1, 100, 22):
        problem = one_factor(seed)
        if factor_leverage.rule(problem).fraction is None:
            continue
        varied = adl.Problem(
            problem.book,
            problem.reduction,
            prices=adl.OneFactor(problem.prices.direction, points=200),
            objective=adl.CVaR(0.9),
        )  # type: ignore[union-attr]
        if factor_leverage.reason_not_applicable(varied) is None:
            solution = adl.solve(varied)
            assert solution.method == "factor_leverage"
            assert support.close(
                solution.value, adl.solve(varied, "conic").value, objective_value(varied, None)
            )
            proven += 1
        if proven == 1:
            return
    pytest.fail("no exact book among them")
