"""Convex measures by their textbook definitions, and the whole program, solved by Clarabel.

Nothing here uses the package's measures, presolve or matrices: only `Reference`, which reads plain
tables.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import logsumexp

import adlopt as adl
from tests.support import Case, Reference

Array = np.ndarray


@dataclass(frozen=True)
class Measure:
    """One measure three times: the package's, its definition, and a cvxpy expression of it."""

    objective: adl.Objective
    value: Callable[[Array, Array], float]  # of losses and probabilities
    # of losses in a unit of money, probabilities and that unit: an expression in the unit, and
    # constraints on what it introduces
    expression: Callable[[Any, Array, float], tuple[Any, list[Any]]]


def evar(level: float) -> Measure:
    """min over t > 0 of t log(E exp(L / t) / (1 - level))."""
    radius = -np.log(1.0 - level)

    def value(loss: Array, p: Array) -> float:
        likely = p > 0
        loss, p = loss[likely], p[likely]
        spread = float(np.ptp(loss))
        if spread == 0:
            return float(loss.max())

        def at(log_t: float) -> float:
            t = spread * np.exp(log_t)
            return float(t * (logsumexp(loss / t, b=p) + radius))

        found = minimize_scalar(at, bounds=(-25, 25), method="bounded", options={"xatol": 1e-10})
        return float(min(found.fun, loss.max()))

    def expression(loss: Any, p: Array, unit: float) -> tuple[Any, list[Any]]:
        likely = np.flatnonzero(p)
        t, z, u = cp.Variable(nonneg=True), cp.Variable(), cp.Variable(likely.size)
        one = np.ones(likely.size)
        cone = cp.ExpCone(loss[likely] - z * one, t * one, u)
        return z + radius * t, [cone, p[likely] @ u <= t]

    return Measure(adl.EVaR(level), value, expression)


def entropic(theta: float) -> Measure:
    """log E exp(theta L) / theta."""

    def value(loss: Array, p: Array) -> float:
        mean = float(p @ loss)
        spread = theta * (loss - mean)
        if np.abs(spread).max() < 1e-3:  # four terms of the series: no cancellation
            second, third, fourth = (float(p @ spread**k) for k in (2, 3, 4))
            cumulant = second / 2 + third / 6 + (fourth - 3 * second**2) / 24
            return mean + cumulant / theta
        likely = p > 0
        return mean + float(logsumexp(spread[likely], b=p[likely])) / theta

    def expression(loss: Any, p: Array, unit: float) -> tuple[Any, list[Any]]:
        likely, scaled = np.flatnonzero(p), theta * unit
        return cp.log_sum_exp(scaled * loss[likely] + np.log(p[likely])) / scaled, []

    return Measure(adl.Entropic(theta), value, expression)


def chi_square(radius: float) -> Measure:
    """min over t of t + sqrt(1 + radius) sqrt(E[((L - t)^+)^2])."""
    root = np.sqrt(1.0 + radius)

    def value(loss: Array, p: Array) -> float:
        likely = p > 0
        loss, p = loss[likely], p[likely]
        spread = max(float(np.ptp(loss)), 1e-300)

        def at(t: float) -> float:
            return float(t + root * np.sqrt(p @ np.maximum(loss - t, 0.0) ** 2))

        low = float(loss.min()) - 10 * spread / max(radius, 1e-3)
        inside = minimize_scalar(
            at, bounds=(low, float(loss.max())), method="bounded", options={"xatol": 1e-12 * spread}
        )
        return float(min(inside.fun, at(float(loss.max()))))

    def expression(loss: Any, p: Array, unit: float) -> tuple[Any, list[Any]]:
        t = cp.Variable()
        return t + root * cp.norm(cp.multiply(np.sqrt(p), cp.pos(loss - t)), 2), []

    return Measure(adl.ChiSquareRobust(radius), value, expression)


def semideviation(c: float, order: int) -> Measure:
    """E[L] + c E[((L - E[L])^+)^order]^(1 / order)."""

    def value(loss: Array, p: Array) -> float:
        mean = float(p @ loss)
        above = float(p @ np.maximum(loss - mean, 0.0) ** order)
        return mean + c * float(above ** (1.0 / order))

    def expression(loss: Any, p: Array, unit: float) -> tuple[Any, list[Any]]:
        mean = p @ loss
        return mean + c * cp.norm(cp.multiply(p ** (1.0 / order), cp.pos(loss - mean)), order), []

    return Measure(adl.Semideviation(c, order), value, expression)


def expectile(tau: float) -> Measure:
    """The root m of tau E[(L - m)^+] = (1 - tau) E[(m - L)^+]."""

    def value(loss: Array, p: Array) -> float:
        loss = loss[p > 0]
        p = p[p > 0]
        if np.ptp(loss) == 0:
            return float(loss[0])

        def balance(m: float) -> float:
            above, below = np.maximum(loss - m, 0.0), np.maximum(m - loss, 0.0)
            return float(tau * (p @ above) - (1 - tau) * (p @ below))

        return float(brentq(balance, loss.min(), loss.max(), xtol=1e-14 * float(loss.max())))

    def expression(loss: Any, p: Array, unit: float) -> tuple[Any, list[Any]]:
        m = cp.Variable()
        above = (2 * tau - 1) * (p @ cp.pos(loss - m))
        return m, [above <= (1 - tau) * (m - p @ loss)]

    return Measure(adl.Expectile(tau), value, expression)


def cubic_norm() -> Measure:
    """A user's own function: (sum of L^3)^(1/3), scenario probabilities not used."""

    def own(loss: cp.Variable) -> cp.Expression:
        return cp.norm(loss, 3)

    def value(loss: Array, p: Array) -> float:
        return float(np.linalg.norm(loss, 3))

    return Measure(adl.Custom(own), value, lambda loss, *_: (cp.norm(loss, 3), []))


def weighted_sum(one: Measure, share: float, other: Measure) -> Measure:
    """share x one + (1 - share) x other."""

    def value(loss: Array, p: Array) -> float:
        return share * one.value(loss, p) + (1 - share) * other.value(loss, p)

    def expression(loss: Any, p: Array, unit: float) -> tuple[Any, list[Any]]:
        a, first = one.expression(loss, p, unit)
        b, second = other.expression(loss, p, unit)
        return share * a + (1 - share) * b, first + second

    return Measure(share * one.objective + (1 - share) * other.objective, value, expression)


def value_of_cvxpy_optimum(case: Case, measure: Measure, unit: float) -> float | None:
    """The measure, by its definition, of the allocation that Clarabel finds; None without one.

    That is an upper bound of the optimum, whatever Clarabel's accuracy.
    """
    reference = Reference(case)
    weights = case.weights
    rows = np.flatnonzero(reference.max_reduction)
    touched = np.unique(reference.pool[rows])
    idle = np.setdiff1d(np.flatnonzero(reference.solvent), touched)
    V = np.repeat(reference.equity[:, None], weights.size, axis=1)
    np.add.at(V, reference.pool, reference.size[:, None] * case.moves.T[reference.asset])
    most = reference.max_reduction[rows]
    gain = most[:, None] * (reference.offset[rows, None] - case.moves.T[reference.asset[rows]])
    member = np.zeros((touched.size, rows.size))
    member[np.searchsorted(touched, reference.pool[rows]), np.arange(rows.size)] = 1.0

    y = cp.Variable(rows.size)
    equity = (V[touched] + member @ cp.multiply(y[:, None], gain)) / unit
    total = cp.sum(cp.pos(-equity), axis=0)
    total = total + np.maximum(-V[idle], 0.0).sum(axis=0) / unit
    loss = cp.Variable(weights.size)
    beyond = [loss >= total - case.insurance_fund / unit, loss >= 0]
    risk, further = measure.expression(loss, weights, unit)
    coupling = []
    for name, amount in case.reduction.items():
        share = np.where(reference.asset_name[rows] == name, most / amount, 0.0)
        coupling.append(share @ y == min(1.0, share.sum()))
    program = cp.Problem(cp.Minimize(risk), [*beyond, *further, *coupling, y >= 0, y <= 1])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program.solve(solver=cp.CLARABEL)
    except cp.error.SolverError:
        return None
    if y.value is None:
        return None
    allocation = np.zeros(reference.size.size)
    allocation[rows] = most * np.clip(y.value, 0.0, 1.0)
    return measure.value(reference.losses(allocation), weights)
