"""Which method solves a problem, and why; the only place that chooses.

In order: `water_filling` where pools to be reduced hold one asset each; `factor_leverage` under
OneFactor; `shadow_price` wherever it applies, because it was the fastest on every row of the
benchmark from 4 to ten million pools, compilation aside; otherwise the conic program. With a market
only the last two are candidates.
"""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

from adlopt.errors import InputError, NotApplicable
from adlopt.methods import factor_leverage, water_filling
from adlopt.methods.result import Plan, Refusal
from adlopt.model.problem import Problem
from adlopt.model.problem_facts import NO_PRICES

METHODS = ("auto", "water_filling", "factor_leverage", "shadow_price", "conic")

NO_MARKET = "it does not sell in a market; use method='shadow_price' or 'conic'"
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
        given = repr(method) if isinstance(method, str) else f"of type {type(method).__name__}"
        raise InputError(f"method {given} is unknown; use one of {', '.join(METHODS)}")
    if problem.market is not None and method in ("water_filling", "factor_leverage"):
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
    candidates = ["shadow_price"]
    if problem.market is None:  # closed forms do not sell in one
        candidates = ["water_filling", "factor_leverage", "shadow_price"]
    for name in () if constrained else candidates:
        if problem.prices is None and name == "shadow_price":
            reasons = "; ".join(f"{name}: {reason}" for name, reason in passed_over.items())
            raise NotApplicable(
                f"no method solves this problem without a price model ({reasons}); give prices=..."
            )
        found = _module(name).plan(problem)
        if not isinstance(found, Refusal):
            return Choice(name, found, passed_over)
        passed_over[name] = found.reason
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
