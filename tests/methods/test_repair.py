"""What solvers leave behind is put right: sums, boxes, and traces on accounts that nothing is taken
from.
"""

from __future__ import annotations

import numpy as np
import pytest

import adlopt as adl
from adlopt.methods import repair
from adlopt.solving.dispatch import run_method
from tests.typed import priced


@pytest.fixture(scope="module")
def problem() -> adl.Problem:
    return adl.synthetic.problem(pools=300, assets=3, held=2, scenarios=100, reduce=0.3, seed=4)


@pytest.mark.parametrize("method", ["conic"])
def test_accounts_that_a_solver_left_traces_on_are_not_reduced(
    problem: adl.Problem, method: str
) -> None:
    raw = run_method(problem, method).allocation
    solution = priced(adl.solve(problem, method))
    fraction = solution.allocation["fraction"].to_numpy()
    assert not ((fraction > 0) & (fraction < 1e-6)).any()
    assert (fraction > 0).sum() < 0.8 * (raw != 0).sum()
    proof = adl.certify(problem, solution.allocation)
    assert solution.status == "optimal"
    assert proof.value == pytest.approx(solution.value, rel=1e-12)
    assert proof.lower_bound <= solution.value


def test_tidying_keeps_boxes_and_sums(problem: adl.Problem) -> None:
    candidates = list(repair.snapped_to_bounds(problem, run_method(problem, "conic").allocation))
    touched = [np.count_nonzero(tidy) for tidy in candidates]
    assert touched == sorted(touched)
    assert touched[0] < touched[-1]
    for tidy in candidates:
        assert (np.abs(tidy) <= np.abs(problem.max_reduction)).all()
        sums = np.bincount(problem.asset, tidy, minlength=problem.required.size)
        np.testing.assert_allclose(sums, problem.required, rtol=1e-12)


def test_a_missing_sum_is_taken_from_those_already_reduced(problem: adl.Problem) -> None:
    solution = adl.solve(problem, "shadow_price")
    exact = solution.allocation["reduction"].to_numpy()
    mended = repair.restore_feasibility(problem, exact * (1 - 1e-9))
    np.testing.assert_array_equal(mended == 0, exact == 0)
    assert (np.abs(mended - exact) <= 1e-7 * np.abs(problem.max_reduction)).all()
