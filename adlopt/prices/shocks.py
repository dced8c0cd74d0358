"""Distributions of a scalar shock, with the tail probabilities and partial moments that closed
forms need.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.prices.density_table import DensityTable, IntegrationError
from adlopt.prices.protocol import probabilities
from adlopt.prices.student import normal_excess, student_excess

TOTAL_TOLERANCE = 1e-7  # of total probability, and of the mean in standard deviations
STRATA_RANGE = (
    8.5  # strata are equally wide on a normal scale between these quantiles; beyond lies 2e-17
)


class Shock(Protocol):
    """A scalar random variable eps."""

    @property
    def student(self) -> tuple[float, float] | None:
        """Scale and degrees of freedom, if it is Student-t about zero (infinite ones: normal)."""
        ...

    def below(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """P(eps < t) and E[(t - eps)^+]."""
        ...

    def above(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        """P(eps > t) and E[(eps - t)^+]."""
        ...

    @property
    def variance(self) -> float:
        """Possibly infinite."""
        ...

    def strata(self, points: int) -> tuple[FloatArray, FloatArray]:
        """Representative values and their probabilities."""
        ...


@dataclass(frozen=True)
class StudentShock:
    """Location plus scale times a Student-t variable; normal with infinite degrees of freedom."""

    df: float = np.inf
    location: float = 0.0
    scale: float = 1.0

    @property
    def student(self) -> tuple[float, float] | None:
        """Scale and degrees of freedom, if it is centred at zero."""
        return (self.scale, self.df) if self.location == 0 else None

    def below(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        mirror = StudentShock(self.df, -self.location, self.scale)
        return mirror.above(-t)

    def above(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        from scipy.special import ndtr, stdtr

        z = (t - self.location) / self.scale
        if np.isinf(self.df):
            return ndtr(-z), self.scale * normal_excess(z)
        tail = np.asarray(stdtr(self.df, -z), dtype=np.float64)
        return tail, self.scale * student_excess(z, self.df)

    def strata(self, points: int) -> tuple[FloatArray, FloatArray]:
        from scipy.special import ndtr, stdtrit

        normal = np.linspace(-STRATA_RANGE, STRATA_RANGE, points - 1)
        # The law is symmetric: the upper edges mirror the lower, whose probabilities keep digits.
        edge = normal if np.isinf(self.df) else stdtrit(self.df, ndtr(-np.abs(normal)))
        edge = self.location + self.scale * np.copysign(edge, normal)
        return strata_between(self, edge)

    @property
    def variance(self) -> float:
        """Infinite up to two degrees of freedom."""
        if np.isinf(self.df):
            return self.scale**2
        return self.scale**2 * self.df / (self.df - 2.0) if self.df > 2 else np.inf

    def __repr__(self) -> str:
        if self == StudentShock():
            return "standard normal"
        law = "normal" if np.isinf(self.df) else f"t({self.df:g})"
        return f"{law}, location {self.location:g}, scale {self.scale:g}"


class DensityShock:
    """A frozen scipy.stats distribution, by piecewise integration of its density.

    Raises InputError if the integral does not converge, or contradicts what the distribution says
    about itself.
    """

    student: tuple[float, float] | None = None

    def __init__(self, distribution: Any) -> None:
        self.distribution = distribution
        self.name = _distribution_name(distribution)
        mean, variance = _moments(distribution)
        self.variance = variance
        self.table = _checked_table(distribution, self.name, mean, variance)

    def below(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.table.below(t)

    def above(self, t: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.table.above(t)

    def strata(self, points: int) -> tuple[FloatArray, FloatArray]:
        from scipy.special import ndtr

        normal = np.linspace(-STRATA_RANGE, STRATA_RANGE, points - 1)
        edge = self.table.quantile(ndtr(normal), ndtr(-normal))
        return strata_between(self, np.maximum.accumulate(edge))

    def __repr__(self) -> str:
        return self.name


class SampleShock:
    """A weighted sample."""

    student: tuple[float, float] | None = None

    def __init__(self, sample: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> None:
        try:
            values = np.array(sample, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(
                "OneFactor: the shock must be a frozen scipy.stats distribution or a sample of "
                "numbers"
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

    @property
    def variance(self) -> float:
        """Of the weighted sample."""
        return float(self.weights @ (self.sample - self.weights @ self.sample) ** 2)

    def __repr__(self) -> str:
        return f"sample of {self.sample.size:,}"


def as_shock(given: Any, weights: npt.ArrayLike | None = None) -> Shock:
    """The shock from what a user gives: nothing, a frozen scipy.stats distribution or a sample."""
    if given is None:
        return StudentShock()
    if not hasattr(given, "ppf"):
        return SampleShock(given, weights)
    name = getattr(getattr(given, "dist", None), "name", None)
    if name in ("norm", "t"):
        shapes, location, scale = given.dist._parse_args(*given.args, **given.kwds)
        df = shapes[0] if shapes else np.inf
        if np.ndim(df) == np.ndim(location) == np.ndim(scale) == 0 and df > 1 and scale > 0:
            return StudentShock(float(df), float(location), float(scale))
    return DensityShock(given)


def _distribution_name(distribution: Any) -> str:
    name = getattr(getattr(distribution, "dist", distribution), "name", None)
    return f"{name}{getattr(distribution, 'args', '')}" if name else repr(distribution)


def _moments(distribution: Any) -> tuple[float, float]:
    """Mean and variance as the distribution states them; the variance may be infinite."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        mean = distribution.mean() if hasattr(distribution, "pdf") else np.zeros(1)
        if np.ndim(mean) != 0:
            raise InputError(
                "OneFactor: the shock must be one continuous distribution; give a discrete one as "
                "a sample with weights"
            )
        variance = float(distribution.var())
    if not np.isfinite(mean):
        raise InputError(
            "OneFactor: the shock has no finite mean, so the expected loss is infinite under any "
            "allocation"
        )
    return float(mean), variance if variance > 0 else np.inf


def _checked_table(distribution: Any, name: str, mean: float, variance: float) -> DensityTable:
    """The integrated density, if its total and its mean are right.

    A probe can miss a narrow peak: then the pieces are cut at quantiles as well.
    """
    support = (float(distribution.support()[0]), float(distribution.support()[1]))
    kinks = np.asarray(getattr(distribution, "_hbins", ()), dtype=np.float64)  # of rv_histogram
    found = "the density has no quantiles"
    for quantiles in (0, 64):
        try:
            kinks = np.concatenate([kinks, _quantiles(distribution, quantiles)])
            centre, scale = _centre(distribution, support, mean, variance)
            table = DensityTable(distribution.pdf, support, centre, scale, kinks)
        except IntegrationError as error:
            found = str(error)
            continue
        except Exception as error:  # scipy's own errors are of any kind
            found = f"scipy says: {' '.join(str(error).split())[:200]}"
            continue
        spread = max(scale, abs(mean - centre))
        if (
            abs(table.total - 1.0) <= TOTAL_TOLERANCE
            and abs(table.mean - mean) <= TOTAL_TOLERANCE * spread
            and table.error <= TOTAL_TOLERANCE
        ):
            return table
        found = f"its probabilities sum to {table.total:.9g} and its mean comes out as "
        found += f"{table.mean:.9g}, where the distribution states {mean:.9g}"
    raise InputError(
        f"OneFactor: integrating the density of the shock {name} does not converge: {found}; "
        "give a sample of the shock instead"
    )


def _centre(
    distribution: Any, support: tuple[float, float], mean: float, variance: float
) -> tuple[float, float]:
    """A point inside the support where much of the probability is, and the width around it."""
    if np.isfinite(variance):
        return mean, float(np.sqrt(variance))
    quarter, median, three_quarters = _quantiles(distribution, 3)
    return float(median), float(three_quarters - quarter)


def _quantiles(distribution: Any, count: int) -> FloatArray:
    """`count` evenly spaced quantiles; they only guide where to cut, so warnings do not matter."""
    if not count:
        return np.empty(0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = np.asarray(distribution.ppf(np.arange(1, count + 1) / (count + 1)), np.float64)
    return found[np.isfinite(found)]


def strata_between(shock: Shock, edge: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Conditional mean and probability of each interval between edges, tails included.

    Conditional means, not midpoints: a loss that is linear on a stratum is then integrated exactly.
    """
    middle = len(edge) // 2
    zero = np.zeros(1)
    mean = float(shock.above(zero)[1][0] - shock.below(zero)[1][0])
    lower, upper = edge[:middle], edge[middle:]
    (below, lack), (above, excess) = shock.below(lower), shock.above(upper)
    # E[eps; eps < t] = t F(t) - E[(t - eps)^+] below the middle stratum, E[eps; eps > t] = t S(t) +
    # E[(eps - t)^+] above it.
    mass = _increments(below, above, 1.0)
    first = _increments(lower * below - lack, upper * above + excess, mean)
    held = mass > 0
    value = np.divide(first, mass, out=np.zeros_like(first), where=held)
    value = np.clip(value, np.append(-np.inf, edge), np.append(edge, np.inf))  # rounding only
    return value[held], mass[held] / mass[held].sum()


def _increments(below: FloatArray, above: FloatArray, whole: float) -> FloatArray:
    """Increments of a measure over the strata, from its values below the lower edges and above the
    upper ones.
    """
    return np.concatenate(
        [np.diff(below, prepend=0.0), [whole - below[-1] - above[0]], -np.diff(above, append=0.0)]
    )
