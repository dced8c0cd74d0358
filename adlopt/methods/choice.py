"""Which method solves a problem, and why; the only place that chooses.

In order: `water_filling` where pools to be reduced hold one asset each; `factor_leverage` under
OneFactor; `shadow_price` for any book whose pool losses are smooth and in closed form, and for
large books under expected loss and mixtures of CVaRs; otherwise the conic program.
"""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

from adlopt.errors import InputError, NotApplicable
from adlopt.methods import factor_leverage, water_filling
from adlopt.methods.elliptical_solver import radial
from adlopt.methods.result import Plan, Refusal
from adlopt.model.problem import NO_PRICES, Problem
from adlopt.objectives import ExpectedLoss

METHODS = ("auto", "water_filling", "factor_leverage", "shadow_price", "conic")

CROSSOVER = 200_000  # pool-scenario pairs, under expected loss
# The conic program of a CVaR takes as long as the shadow-price method at about this size,
# compilation aside.
CROSSOVER_OF_TAILS = 500_000
NO_MARKET = "it does not sell in a market; use method='conic'"
NO_CONSTRAINTS = "it takes no further constraints; use method='conic'"


class Choice(NamedTuple):
    """The method picked, its plan, and why the faster ones before it were not."""

    method: str
    plan: Plan
    passed_over: dict[str, str]


def choose(problem: Problem, method: str = "auto", *, constrained: bool = False) -> Choice:
    """The plan of the method named, or of the one that `solve(problem)` would run.

    `constrained` says that the user adds constraints of their own. Raises NotApplicable with the
    method's own reason if it does not apply.
    """
    if method not in METHODS:
        raise InputError(f"method {method!r} is unknown; use one of {', '.join(METHODS)}")
    if problem.market is not None and method not in ("auto", "conic"):
        raise NotApplicable(f"{method}: {NO_MARKET}")
    if method == "auto":
        return _automatic(problem, constrained)
    if constrained and method != "conic":
        raise NotApplicable(f"{method}: {NO_CONSTRAINTS}")
    if method in ("shadow_price", "conic"):
        problem.require_prices()  # refuses before anything heavy is loaded
    found = _module(method).plan(problem)
    if isinstance(found, Refusal):
        raise NotApplicable(f"{method}: {found.reason}; {found.remedy}")
    return Choice(method, found, {})


def _automatic(problem: Problem, constrained: bool) -> Choice:
    passed_over: dict[str, str] = {}
    candidates = ("water_filling", "factor_leverage", "shadow_price")
    for name in () if constrained or problem.market is not None else candidates:
        if problem.prices is None and name == "shadow_price":
            reasons = "; ".join(f"{name}: {reason}" for name, reason in passed_over.items())
            raise NotApplicable(
                f"no method solves this problem without a price model ({reasons}); give prices=..."
            )
        reason = _too_small(problem) if name == "shadow_price" else None
        if reason is None:
            found = _module(name).plan(problem)
            if not isinstance(found, Refusal):
                return Choice(name, found, passed_over)
            reason = found.reason
        passed_over[name] = reason
    if problem.prices is None:
        raise NotApplicable(NO_PRICES)
    return Choice("conic", _module("conic").plan(problem), passed_over)


def _module(method: str) -> ModuleType:
    """The module of a method; the last two load numba or cvxpy."""
    if method == "water_filling":
        return water_filling
    if method == "factor_leverage":
        return factor_leverage
    if method == "shadow_price":
        from adlopt.methods.shadow_price import solve as shadow_price

        return shadow_price
    from adlopt.methods import conic

    return conic


def _too_small(problem: Problem) -> str | None:
    """Why the conic program is the better choice, or None."""
    if radial(problem) is not None:
        return None
    pairs = problem.book.equity.size * problem.scenarios.weights.size
    least = CROSSOVER if isinstance(problem.objective, ExpectedLoss) else CROSSOVER_OF_TAILS
    return (
        f"{pairs:,} pool-scenario pairs do not repay compiling its loops" if pairs < least else None
    )
