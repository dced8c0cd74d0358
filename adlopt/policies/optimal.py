"""The best allocation there is, as a policy."""

from __future__ import annotations

from dataclasses import dataclass

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.problem import Problem
from adlopt.objectives import Objective
from adlopt.policies.protocol import Policy
from adlopt.solving.dispatch import METHODS, run_method


@dataclass(frozen=True)
class Optimal(Policy):
    """What `adl.solve` finds for the problem's objective, or for another one.

    Parameters
    ----------
    method : of `adl.solve`.
    objective : minimised instead of the problem's own.

    Raises NotApplicable where no method solves the problem, as without a price model under cross
    margin.
    """

    method: str = "auto"
    objective: Objective | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(
                f"Optimal: method {self.method!r} is unknown; use one of {', '.join(METHODS)}"
            )

    def reductions(self, problem: Problem) -> FloatArray:
        posed = (
            problem if self.objective is None else problem.with_changes(objective=self.objective)
        )
        return run_method(posed, self.method).allocation

    def __str__(self) -> str:
        stated = [] if self.method == "auto" else [self.method]
        stated += [] if self.objective is None else [str(self.objective)]
        return f"Optimal({', '.join(stated)})" if stated else "Optimal"
