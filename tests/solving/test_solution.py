"""What a solution carries, and what of it travels."""

from __future__ import annotations

import pickle

import adlopt as adl


def test_a_solution_travels_without_the_solvers_state() -> None:
    problem = adl.synthetic.problem(60, 2, scenarios=40, reduce=0.1)
    solution = adl.solve(problem, method="shadow_price")
    received = pickle.loads(pickle.dumps(solution))
    assert received.value == solution.value
    assert received.allocation.equals(solution.allocation)
    again = adl.solve(problem, method="shadow_price", warm_start=received)
    assert again.status == "optimal"
