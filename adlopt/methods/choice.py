"""Which method solves a problem, and why; the only place that chooses.

In order: `water_filling` where pools to be reduced hold one asset each; `factor_leverage` for one
reduced asset under
OneFactor, and for several where their requirements allow it; `shadow_price` for any book whose pool
losses are smooth and in
closed form, and for large books under expected loss and mixtures of CVaRs; otherwise the conic
program.
"""

from __future__ import annotations

from typing import NamedTuple

from adlopt.errors import NotApplicable
from adlopt.methods import factor_leverage, water_filling
from adlopt.methods.elliptical_solver import radial
from adlopt.model.problem import Problem
from adlopt.objectives import ExpectedLoss

CROSSOVER = 200_000  # pool-scenario pairs, under expected loss
# The conic program of a CVaR takes as long as the shadow-price method at about this size,
# compilation aside.
CROSSOVER_OF_TAILS = 500_000


class Choice(NamedTuple):
    """The method picked, and why the faster ones before it were not."""

    method: str
    passed_over: dict[str, str]


def choose(problem: Problem, *, constrained: bool = False) -> Choice:
    """The method that `solve(problem)` would run; `constrained` if the user adds constraints of
    their own.
    """
    passed_over: dict[str, str] = {}
    for name, module in (("water_filling", water_filling), ("factor_leverage", factor_leverage)):
        reason = (
            "closed forms know no further constraints" if constrained else module.obstacle(problem)
        )
        if reason is None:
            return Choice(name, passed_over)
        passed_over[name] = reason
    if problem.prices is None:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in passed_over.items())
        raise NotApplicable(
            f"no method solves this problem without a price model ({reasons}); give prices=..."
        )
    reason = "it knows no further constraints" if constrained else _too_small(problem)
    if reason is None:
        from adlopt.methods.interior_point import shadow_price  # loads numba

        reason = shadow_price.obstacle(problem)
    if reason is None:
        return Choice("shadow_price", passed_over)
    passed_over["shadow_price"] = reason
    return Choice("conic", passed_over)


def _too_small(problem: Problem) -> str | None:
    """Why the conic program is the better choice, or None."""
    if radial(problem) is not None:
        return None
    pairs = problem.book.equity.size * problem.scenarios.weights.size
    least = CROSSOVER if isinstance(problem.objective, ExpectedLoss) else CROSSOVER_OF_TAILS
    return (
        f"{pairs:,} pool-scenario pairs do not repay compiling its loops" if pairs < least else None
    )
