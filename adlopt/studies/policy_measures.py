"""What an allocation does, in numbers: feasibility, risk, concentration, hedges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal.arrays import BoolArray, FloatArray
from adlopt.model.allocation import FEASIBILITY, gross_leverage
from adlopt.model.constraints import Constraints
from adlopt.model.losses import objective_value, scenario_losses
from adlopt.model.problem import Problem
from adlopt.objectives import CVaR, ExpectedLoss
from adlopt.policies.protocol import violations

TINY = np.finfo(float).tiny
INSOLVENT = 1e-9  # of the solvent equity: a smaller loss is rounding at zero equity
VIOLATION = 1e-7  # relative: a user's constraint counts as met, as solvers leave it
QUANTILES = {"leverage_p50": 0.5, "leverage_p90": 0.9, "leverage_p99": 0.99, "leverage_max": 1.0}
RISK_COLUMNS = ("objective", "expected_loss", "cvar", "insolvency_probability", "worst_case")


def measures(
    problem: Problem,
    taken: FloatArray,
    tail: CVaR,
    v: FloatArray,
    bound: float | None,
    constraints: tuple[Constraints, ...] = (),
) -> dict[str, dict[str, Any]]:
    """All blocks of one allocation: feasibility, risk, concentration, hedges."""
    unmet, overstepped = violations(problem, taken)
    beyond = violation_of(problem, taken, constraints)
    feasible = unmet <= FEASIBILITY and overstepped <= FEASIBILITY and beyond <= VIOLATION
    numbers = risk(problem, taken, tail)
    # A rule that takes less than required may leave less risk: its excess would mislead.
    comparable = bound is not None and feasible
    value, least = numbers["objective"], bound if bound is not None else np.nan
    excess = max(value - least, 0.0) if comparable else np.nan
    numbers["excess"] = excess
    numbers["excess_percent"] = _ratio(excess, least) * 100
    numbers["gap"] = _ratio(excess, value)
    return {
        "feasibility": {
            "feasible": feasible,
            "sum_violation": unmet,
            "bound_violation": overstepped,
            "constraint_violation": beyond,
        },
        "risk": numbers,
        "concentration": concentration(problem, taken),
        "hedges": hedges(problem, taken, v),
    }


def violation_of(
    problem: Problem, taken: FloatArray, constraints: tuple[Constraints, ...]
) -> float:
    """Largest violation of the user's constraints, relative to their size."""
    if not constraints:
        return 0.0
    from adlopt.methods.user_constraints import violation  # loads cvxpy

    return violation(problem, taken, constraints)


def _ratio(part: float, whole: float) -> float:
    """part / |whole|; 0/0 counts as 0."""
    if part == 0:
        return 0.0
    if whole == 0:
        return float("inf") if np.isfinite(part) else np.nan
    return part / abs(whole)


def risk(problem: Problem, taken: FloatArray | None, tail: CVaR) -> dict[str, float]:
    """Measures of the loss after reductions (e,), and quantiles of gross leverage.

    Measures are NaN without a price model. With None, before any reduction.
    """
    numbers = dict.fromkeys(RISK_COLUMNS, np.nan)
    if problem.prices is not None:
        losses, weights = scenario_losses(problem, taken), problem.scenarios.weights
        beyond_fund = np.maximum(losses - problem.insurance_fund, 0.0)
        negligible = INSOLVENT * problem.book.equity[problem.book.solvent].sum()
        expected = problem.with_changes(objective=ExpectedLoss())
        numbers |= {
            "objective": objective_value(problem, taken),
            "expected_loss": objective_value(expected, taken),
            "cvar": tail.value(beyond_fund, weights),
            "insolvency_probability": float(weights[losses > negligible].sum()),
            "worst_case": float(beyond_fund[weights > 0].max()),
        }
    leverage = gross_leverage(problem, taken)[np.unique(problem.pool)]
    # Settlement off the mark may leave a pool without equity, and so without a leverage.
    leverage = leverage[np.isfinite(leverage)]
    return numbers | {name: _quantile(leverage, q) for name, q in QUANTILES.items()}


def _quantile(values: FloatArray, q: float) -> float:
    return float(np.quantile(values, q)) if values.size else np.nan


def concentration(problem: Problem, taken: FloatArray) -> dict[str, Any]:
    """How few accounts and positions carry the reductions (e,)."""
    book = problem.book
    fraction = taken / book.size[problem.eligible]
    money = np.abs(taken) * book.marks[problem.asset]
    owner, account = np.unique(book.pool_account[problem.pool], return_inverse=True)
    by_account = np.bincount(account, money, minlength=owner.size).astype(float)
    by_pool = np.bincount(problem.pool, money, minlength=book.equity.size)[problem.pool]
    part = by_account / max(by_account.sum(), TINY)  # avoid 0/0 if nothing is taken
    return {
        "accounts": int(np.count_nonzero(by_account)),
        "fully_closed": int(np.count_nonzero(fraction >= 1 - FEASIBILITY)),
        "max_fraction": float(fraction.max()),
        "max_burden": float((by_pool / book.equity[problem.pool]).max()),
        "hhi": float(part @ part),
        "gini": gini(by_account),
    }


def gini(values: FloatArray) -> float:
    """Gini coefficient of amounts >= 0: 0 if all are equal, 1 - 1/n if one has everything."""
    ordered = np.sort(values)
    n = ordered.size
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / max(n * ordered.sum(), TINY))


def hedges(problem: Problem, taken: FloatArray, v: FloatArray) -> dict[str, Any]:
    """What reductions (e,) do to factor exposure; v (d,) is money per contract and unit."""
    before, after = problem.factor_exposure(v, None), problem.factor_exposure(v, taken)
    pools = np.unique(problem.pool)
    unhedged = problem.book.pool_account[exposure_has_risen(problem, before, after)]
    return {
        "gross_closed": float(np.abs(taken) @ problem.book.marks[problem.asset]),
        "net_before": float(np.abs(before[pools]).sum()),
        "net_after": float(np.abs(after[pools]).sum()),
        "unhedged": int(np.unique(unhedged).size),
    }


def exposure_has_risen(problem: Problem, before: FloatArray, after: FloatArray) -> BoolArray:
    """(n,) mask of solvent pools whose absolute exposure has grown by more than rounding."""
    grown = np.abs(after) > np.abs(before) * (1 + FEASIBILITY) + FEASIBILITY * np.abs(after)
    return np.asarray(problem.book.solvent & grown)


def unhedged_pools(
    problem: Problem, taken: Mapping[str, FloatArray], v: FloatArray
) -> pd.DataFrame:
    """Pools whose factor exposure rises, by policy: before and after, largest rise first."""
    before = problem.factor_exposure(v, None)
    parts = []
    for name, amounts in taken.items():
        after = problem.factor_exposure(v, amounts)
        worse = np.flatnonzero(exposure_has_risen(problem, before, after))
        parts.append(
            pd.DataFrame(
                {
                    "policy": name,
                    "account": problem.book.account_names.take(problem.book.pool_account[worse]),
                    "before": before[worse],
                    "after": after[worse],
                }
            )
        )
    listed = pd.concat(parts, ignore_index=True)
    rise = (listed["after"].abs() - listed["before"].abs()).to_numpy()
    return listed.iloc[np.argsort(-rise, kind="stable")].reset_index(drop=True)
