"""Partial moments of the normal and the Student-t law, accurate in the far tail."""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import FloatArray

# Degrees of freedom from which on the plain formula cancels too much between t = 5 and the series.
NEARLY_NORMAL = 100.0


def normal_excess(t: FloatArray) -> FloatArray:
    """E[(eps - t)^+] = pdf(t) - t sf(t) for a standard normal, without cancellation in the far
    tail.
    """
    from scipy.special import erfcx, ndtr

    density = np.exp(-0.5 * t * t) / np.sqrt(2 * np.pi)
    mills = np.sqrt(np.pi / 2) * erfcx(np.maximum(t, 0.0) / np.sqrt(2))  # sf(t) / pdf(t)
    # 1 - t mills(t) cancels as t grows: 1/t^2 is left of two numbers near one. Its asymptotic
    # series takes over.
    inverse = 1.0 / np.maximum(t, 1.0) ** 2
    series = inverse * (
        1 - inverse * (3 - inverse * (15 - inverse * (105 - inverse * (945 - inverse * 10395))))
    )
    with np.errstate(invalid="ignore"):
        upper = density * np.where(t > 30, series, 1.0 - np.where(np.isfinite(t), t, 0.0) * mills)
        lower = density - np.where(np.isfinite(t), t, 0.0) * ndtr(-t)
    return np.asarray(np.where(t > 0, upper, lower))


def student_constant(nu: float) -> float:
    """Density at zero of Student's t: Gamma((nu + 1) / 2) / (Gamma(nu / 2) sqrt(pi nu))."""
    from math import gamma

    a = nu / 2
    if a < 100:
        return float(gamma(a + 0.5) / gamma(a) / np.sqrt(np.pi * nu))
    # Stirling's series of the ratio: logarithms of the two would lose the digits that they share.
    h = 1.0 / a
    ratio = 1 - h / 8 * (1 - h / 16 * (1 + h * 5 / 8 * (1 - h * 21 / 160 * (1 + h * 19 / 8))))
    return float(ratio / np.sqrt(2 * np.pi))


def student_excess(t: FloatArray, nu: float) -> FloatArray:
    """E[(eps - t)^+] for Student's t with nu > 1 degrees of freedom, without cancellation in the
    far tail.

    With w = nu / (nu + t^2), t > 0: the density times (1 / (nu - 1) + sum_k b_k w^k / (nu + 2k)) /
    w, where b_1 = 1 and b_{k+1} / b_k = (nu + 2k - 1) / (nu + 2k): the hypergeometric series of the
    tail, contracted with the density's term so that all its own are positive. It takes over where w
    < 1/2; nearer the centre E[eps; eps > t] - t P(eps > t) loses little, but for a nearly normal
    law, whose tail at t > 5 is integrated instead.
    """
    from scipy.special import roots_laguerre, stdtr

    z = np.minimum(np.abs(t), 1e150)
    square = (z / np.sqrt(nu)) ** 2
    power = np.exp(-0.5 * (nu - 1) * np.log1p(square))  # density / (constant w)
    w = 1.0 / (1.0 + square)
    far = w < 0.5
    total, term = np.full(z[far].shape, 1.0 / (nu - 1)), np.ones(z[far].shape)
    for k in range(1, 60):  # 2^-60 is below rounding
        term = term * w[far]
        total += term / (nu + 2 * k)
        term = term * ((nu + 2 * k - 1) / (nu + 2 * k))
    excess = power * nu / (nu - 1) * student_constant(nu) - z * stdtr(nu, -z)
    excess[far] = student_constant(nu) * power[far] * total
    if nu > NEARLY_NORMAL:
        # E(eps - t)^+ = density(t) int u(s)^2 / 2 exp(-s) ds, where the density at t + u(s) is
        # exp(-s) times that at t.
        near = (w >= 0.5) & (z > 5)
        u, total = z[near], np.zeros(z[near].shape)
        for node, weight in zip(*roots_laguerre(40), strict=True):
            q = (nu + u * u) * np.expm1(2 * node / (nu + 1))
            total += weight / 2 * (q / (np.sqrt(u * u + q) + u)) ** 2
        excess[near] = student_constant(nu) * power[near] * w[near] * total
    # E(eps - t)^+ = E(-eps + t)^+ - t
    return np.asarray(np.where(np.isposinf(t), 0.0, excess + np.where(t < 0, -t, 0.0)))
