"""Distributions of a scalar shock, with the tail probabilities and partial moments that closed
forms need.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.prices.protocol import probabilities

NEARLY_NORMAL = 100.0  # degrees of freedom
STRATA_RANGE = (
    8.5  # strata are equally wide on a normal scale between these quantiles; beyond lies 2e-17
)


class Shock(Protocol):
    """A scalar random variable eps."""

    student: tuple[float, float] | None
    """Scale and degrees of freedom, if it is Student-t about zero (infinite ones: normal)."""

    def below(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """P(eps < t) and E[(t - eps)^+]."""
        ...

    def above(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """P(eps > t) and E[(eps - t)^+]."""
        ...

    def strata(self, points: int) -> tuple[FloatArray, FloatArray]:
        """Representative values and their probabilities."""
        ...


class NormalShock:
    """Standard normal."""

    student: tuple[float, float] | None = (1.0, np.inf)

    def below(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.above(-t)

    def above(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        from scipy.special import ndtr

        return ndtr(-t), normal_excess(t)

    def strata(self, points: int) -> tuple[FloatArray, FloatArray]:
        from scipy.special import ndtr

        edge = np.linspace(-STRATA_RANGE, STRATA_RANGE, points - 1)
        return _strata(self, edge, ndtr(edge), ndtr(-edge))

    def __repr__(self) -> str:
        return "standard normal"


class FrozenShock:
    """A frozen scipy.stats distribution; partial moments by numerical integration of its tails."""

    def __init__(self, distribution: Any) -> None:
        self.distribution = distribution
        if not hasattr(distribution, "pdf") or np.ndim(distribution.mean()) != 0:
            raise InputError(
                "OneFactor: the shock must be one continuous distribution; give a discrete one as a sample with weights"
            )
        self.student = _student(distribution)
        self._mean = float(distribution.mean())
        self._median = float(distribution.median())
        self._spread = float(distribution.ppf(0.75) - distribution.ppf(0.25))
        if not np.isfinite(self._mean):
            raise InputError(
                "OneFactor: the shock has no finite mean, so the expected loss is infinite under any allocation"
            )

    def below(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.distribution.cdf(t), self._excess(t, upper=False)

    def above(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.distribution.sf(t), self._excess(t, upper=True)

    def _excess(self, t: FloatArray, *, upper: bool) -> FloatArray:
        """E[(eps - t)^+] if `upper`, else E[(t - eps)^+]: each from the tail on its side of the
        median.
        """
        sign = 1.0 if upper else -1.0
        outward = sign * (t - self._median) >= 0
        tail = np.empty(t.shape)
        tail[outward] = self._integrate(t[outward], upper=upper)
        # From the other side of the median the small moment is that of the other tail: E(eps - t)^+
        # - E(t - eps)^+ = mean - t.
        tail[~outward] = sign * (self._mean - t[~outward]) + self._integrate(
            t[~outward], upper=not upper
        )
        return np.maximum(tail, 0.0)

    def _integrate(self, t: FloatArray, *, upper: bool) -> FloatArray:
        """Integral of the tail probability from t outward, by parts equal to the partial moment."""
        from scipy.integrate import tanhsinh

        distinct, back = np.unique(t, return_inverse=True)
        result = np.zeros(distinct.shape)
        finite = np.isfinite(distinct)
        if finite.any():
            start = distinct[finite]
            # A power-law tail is smooth on the scale of its distance from the centre.
            scale = np.maximum(self._spread, np.abs(start - self._median))
            tail, sign = (self.distribution.sf, 1.0) if upper else (self.distribution.cdf, -1.0)
            # Up to the end of the support: past it the tail is zero with a corner, which costs half
            # the digits.
            end = float(self.distribution.ppf(1.0 if upper else 0.0))
            reach = np.maximum(sign * (end - start), 0.0) / scale
            found = tanhsinh(
                lambda z, a, s: tail(a + sign * s * z), 0.0, reach, args=(start, scale), rtol=1e-12
            )
            result[finite] = found.integral * scale
        return result[back].reshape(t.shape)

    def strata(self, points: int) -> tuple[FloatArray, FloatArray]:
        from scipy.special import ndtr

        normal = np.linspace(-STRATA_RANGE, STRATA_RANGE, points - 1)
        # isf for the upper half: ppf loses the digits of probabilities near one.
        edge = np.where(
            normal <= 0, self.distribution.ppf(ndtr(normal)), self.distribution.isf(ndtr(-normal))
        )
        return _strata(self, edge, self.distribution.cdf(edge), self.distribution.sf(edge))

    def __repr__(self) -> str:
        name = getattr(getattr(self.distribution, "dist", None), "name", None)
        return (
            f"{name}{getattr(self.distribution, 'args', '')}" if name else repr(self.distribution)
        )


class SampleShock:
    """A weighted sample."""

    student: tuple[float, float] | None = None

    def __init__(self, sample: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> None:
        try:
            values = np.array(sample, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(
                "OneFactor: the shock must be a frozen scipy.stats distribution or a sample of numbers"
            ) from None
        if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
            raise InputError(
                "OneFactor: a sample of the shock is a nonempty list of finite numbers"
            )
        self.sample = values
        self.weights = probabilities("OneFactor", weights, values.size)

    @cached_property
    def _sorted(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Sorted values, with the probability and first moment of the sample from each value on,
        and zero past the last.
        """
        order = np.argsort(self.sample, kind="stable")
        value, weight = self.sample[order], self.weights[order]
        upward = [np.append(np.cumsum(part[::-1])[::-1], 0.0) for part in (weight, weight * value)]
        return value, upward[0], upward[1]

    def below(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        return SampleShock(-self.sample, self.weights).above(-t)

    def above(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        value, probability, first = self._sorted
        start = np.searchsorted(value, t, side="right")
        finite = np.where(np.isfinite(t), t, 0.0)
        return probability[start], np.maximum(first[start] - finite * probability[start], 0.0)

    def strata(self, points: int) -> tuple[FloatArray, FloatArray]:
        return self.sample, self.weights

    def __repr__(self) -> str:
        return f"sample of {self.sample.size:,}"


def _student(distribution: Any) -> tuple[float, float] | None:
    """Scale and degrees of freedom of scipy's frozen norm or t, if its location is zero."""
    name = getattr(getattr(distribution, "dist", None), "name", None)
    if name not in ("norm", "t"):
        return None
    shapes, location, scale = distribution.dist._parse_args(*distribution.args, **distribution.kwds)
    df = float(shapes[0]) if shapes else np.inf
    return (float(scale), df) if location == 0 else None


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
    w, where b_1 = 1 and
    b_{k+1} / b_k = (nu + 2k - 1) / (nu + 2k): the hypergeometric series of the tail, contracted
    with the density's term so
    that all its own are positive. It takes over where w < 1/2; nearer the centre E[eps; eps > t] -
    t P(eps > t) loses little,
    but for a nearly normal law, whose tail at t > 5 is integrated instead.
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


def _strata(
    shock: Shock, edge: FloatArray, cdf: FloatArray, sf: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Conditional mean and probability of each interval between edges, tails included.

    Conditional means, not midpoints: a loss that is linear on a stratum is then integrated exactly.
    """
    middle = len(edge) // 2
    zero = np.zeros(1)
    mean = float(shock.above(zero)[1][0] - shock.below(zero)[1][0])
    lower, upper = edge[:middle], edge[middle:]
    # E[eps; eps < t] = t F(t) - E[(t - eps)^+] below the middle stratum, E[eps; eps > t] = t S(t) +
    # E[(eps - t)^+] above it.
    first_below = lower * cdf[:middle] - shock.below(lower)[1]
    first_above = upper * sf[middle:] + shock.above(upper)[1]
    mass = _differences(cdf[:middle], sf[middle:], 1.0)
    first = _differences(first_below, first_above, mean)
    held = mass > 0
    value = np.divide(first, mass, out=np.zeros_like(first), where=held)
    value = np.clip(value, np.append(-np.inf, edge), np.append(edge, np.inf))  # rounding only
    return value[held], mass[held] / mass[held].sum()


def _differences(below: FloatArray, above: FloatArray, whole: float) -> FloatArray:
    """Increments of a measure over the strata, from its values below the lower edges and above the
    upper ones.
    """
    return np.concatenate(
        [np.diff(below, prepend=0.0), [whole - below[-1] - above[0]], -np.diff(above, append=0.0)]
    )
