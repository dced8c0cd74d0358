"""What a risk objective is: a convex, nondecreasing function of the scenario losses, with three faces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from adlopt import _tables as tables
from adlopt._tables import FloatArray
from adlopt.errors import InputError
from adlopt.prices.protocol import probabilities

if TYPE_CHECKING:
    import cvxpy as cp


class Objective(ABC):
    """A risk measure rho of scenario losses (S,), in money, with scenario probabilities (S,).

    A subclass gives `expression` (cvxpy), `value` (numpy) and `stress` (a subgradient: the stressed probabilities);
    users call `evaluate` and `weights`, which check their arguments. Objectives add, and multiply by numbers >= 0.
    """

    coherent: bool = True
    """Monotone, convex, positively homogeneous and translation invariant."""
    monotone: bool = True
    """More loss is never better. Closed forms need nothing else."""
    cone: str = "linear"
    """What the conic solver must support: 'linear', 'second-order' or 'exponential'."""

    @abstractmethod
    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        """The measure as a convex cvxpy expression of the loss expression (S,)."""

    @abstractmethod
    def value(self, loss: FloatArray, weights: FloatArray) -> float:
        """The measure of numbers."""

    @abstractmethod
    def stress(self, loss: FloatArray, weights: FloatArray) -> FloatArray:
        """(S,) a subgradient at `loss`: the probabilities under which the expected loss is the measure."""

    def admits(self, stress: FloatArray, weights: FloatArray) -> bool:
        """Whether a coherent measure is the largest expectation over a set of probabilities that holds `stress`."""
        return False

    def scaled(self, unit: float) -> Objective:
        """The measure for losses counted in `unit` money: rho(unit * loss) / unit. A homogeneous one is its own."""
        return self

    def evaluate(self, loss: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
        """The measure of scenario losses (S,), equally likely unless `weights` are given."""
        return self.value(*_checked(loss, weights))

    def weights(self, loss: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> FloatArray:
        """(S,) stressed probabilities at scenario losses: a subgradient of the measure."""
        return self.stress(*_checked(loss, weights))

    @property
    def terms(self) -> tuple[tuple[float, Objective], ...]:
        """The measure as a sum of factors times measures."""
        return ((1.0, self),)

    def __add__(self, other: object) -> Objective:
        if not isinstance(other, Objective):
            return NotImplemented
        return Combination((*self.terms, *other.terms))

    def __mul__(self, factor: object) -> Objective:
        if not isinstance(factor, int | float | np.number):
            return NotImplemented
        return Combination(tuple((float(factor) * weight, term) for weight, term in self.terms))

    __rmul__ = __mul__


@dataclass(frozen=True)
class Combination(Objective):
    """A weighted sum of objectives with nonnegative factors, as `ExpectedLoss() + 0.5 * CVaR(0.99)` makes it."""

    parts: tuple[tuple[float, Objective], ...]

    @property
    def terms(self) -> tuple[tuple[float, Objective], ...]:
        return self.parts

    def __post_init__(self) -> None:
        for factor, term in self.terms:
            if not np.isfinite(factor) or factor < 0:
                raise InputError(f"objective: the factor {factor} of {term} must be finite and >= 0, or the sum is not convex")
        if not any(factor > 0 for factor, _ in self.terms):
            raise InputError("objective: at least one factor must be > 0, or there is nothing to minimise")

    @property
    def coherent(self) -> bool:  # type: ignore[override]
        return all(term.coherent for _, term in self.terms) and abs(sum(factor for factor, _ in self.terms) - 1) < 1e-12

    @property
    def monotone(self) -> bool:  # type: ignore[override]
        return all(term.monotone for _, term in self.terms)

    @property
    def cone(self) -> str:  # type: ignore[override]
        needed = {term.cone for _, term in self.terms}
        return next(cone for cone in ("exponential", "second-order", "linear") if cone in needed or cone == "linear")

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        return sum(factor * term.expression(loss, weights) for factor, term in self.terms)

    def value(self, loss: FloatArray, weights: FloatArray) -> float:
        return float(sum(factor * term.value(loss, weights) for factor, term in self.terms))

    def stress(self, loss: FloatArray, weights: FloatArray) -> FloatArray:
        total = np.zeros(loss.size)
        for factor, term in self.terms:
            total += factor * term.stress(loss, weights)
        return total

    def scaled(self, unit: float) -> Objective:
        return Combination(tuple((factor, term.scaled(unit)) for factor, term in self.terms))

    def __str__(self) -> str:
        return " + ".join(str(term) if factor == 1 else f"{factor:g} * {term}" for factor, term in self.terms)


def admissible(objective: Objective, stress: FloatArray, weights: FloatArray) -> FloatArray:
    """Of the probabilities between `weights` and a solver's `stress`, the nearest to it that a coherent measure admits.

    `weights` themselves are always admitted, and what is admitted is convex: bisection finds its edge.
    """
    stress = np.maximum(stress, 0.0)
    total = float(stress.sum())
    stress = stress / total if total > 0 else weights
    if objective.admits(stress, weights):
        return stress
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        inside = objective.admits(weights + middle * (stress - weights), weights)
        low, high = (middle, high) if inside else (low, middle)
    return weights + low * (stress - weights)


def _checked(loss: npt.ArrayLike, weights: npt.ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    try:
        losses = np.asarray(loss, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("losses must be numbers, one per scenario") from None
    if losses.ndim != 1 or losses.size == 0 or not np.isfinite(losses).all():
        raise InputError("losses must be a nonempty list of finite numbers, one per scenario")
    return losses, probabilities("losses", weights, losses.size)


def level(what: str, given: Any, low: float, high: float) -> float:
    """A parameter in [low, high), or an InputError that says so."""
    value = tables.number(what, given)
    if not low <= value < high:
        raise InputError(f"{what} is {value:g}; it must lie in [{low:g}, {high:g})")
    return value
