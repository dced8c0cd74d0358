"""Which method solves a problem, and why; the only place that chooses.

In order: `water_filling` where pools to be reduced hold one asset each; `factor_leverage` for one reduced asset under
OneFactor; otherwise the conic program.
"""

from __future__ import annotations

from typing import NamedTuple

from adlopt.errors import NotApplicable
from adlopt.methods import factor_leverage, water_filling
from adlopt.problem import Problem


class Choice(NamedTuple):
    """The method picked, and why the faster ones before it were not."""

    method: str
    passed_over: dict[str, str]


def choose(problem: Problem, *, constrained: bool = False) -> Choice:
    """The method that `solve(problem)` would run; `constrained` if the user adds constraints of their own."""
    passed_over: dict[str, str] = {}
    for name, module in (("water_filling", water_filling), ("factor_leverage", factor_leverage)):
        reason = "closed forms know no further constraints" if constrained else module.obstacle(problem)
        if reason is None:
            return Choice(name, passed_over)
        passed_over[name] = reason
    if problem.prices is None:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in passed_over.items())
        raise NotApplicable(f"no method solves this problem without a price model ({reasons}); give prices=...")
    return Choice("conic", passed_over)
