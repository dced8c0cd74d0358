"""Risk objectives: convex, nondecreasing functions of the scenario losses, with a cvxpy expression,
a numeric value and a subgradient.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.objectives import dual_set

if TYPE_CHECKING:
    import cvxpy as cp

    from adlopt.objectives.quadratic_model import QuadraticModel


class Objective(ABC):
    """A risk measure rho of scenario losses (S,) >= 0, in money, with scenario probabilities (S,).

    A subclass must give `expression` (cvxpy). `value`, `subgradient` and `conjugate` then come from
    small cvxpy programs; numpy versions of them are faster and exact to rounding. Users call
    `evaluate` and `stressed_probabilities`, which check their arguments. Objectives add, and
    multiply by numbers >= 0. By default an objective is assumed monotone and nothing else.

    Examples
    --------
    >>> import adlopt as adl
    >>> mixed = adl.ExpectedLoss() + 0.5 * adl.CVaR(0.5)
    >>> mixed.evaluate([0.0, 10.0, 2.0, 4.0])
    7.5
    """

    coherent: bool = False
    """Monotone, convex, positively homogeneous and translation invariant."""
    cash_additive: bool = False
    """Cash invariant: rho(L + c) = rho(L) + c, so subgradients are probabilities. Coherent measures
    are.
    """
    monotone: bool = True
    """More loss is never better. Closed forms need nothing else."""
    cone: str = "exponential"
    """What the conic solver must support: 'linear', 'second-order' or 'exponential', which includes
    those before.
    """
    smooth: bool = False
    """The subgradient is given exactly, and varies continuously where the losses differ."""

    @abstractmethod
    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        """The measure as a convex cvxpy expression of the loss expression.

        Parameters
        ----------
        loss : cvxpy.Expression, shape (S,)
            Affine, in money.
        weights : array, shape (S,)
            Probabilities of the scenarios.

        Returns
        -------
        cvxpy.Expression
        """

    def value(self, loss: FloatArray, weights: FloatArray) -> float:
        """The measure of numbers.

        Parameters
        ----------
        loss, weights : arrays, shape (S,)
            Losses >= 0 in money, and probabilities of the scenarios.

        Returns
        -------
        float
            Money.
        """
        from adlopt.objectives import numeric_fallback

        return numeric_fallback.value(self, loss, weights)

    def subgradient(self, loss: FloatArray, weights: FloatArray) -> FloatArray:
        """A subgradient at `loss`.

        Parameters
        ----------
        loss, weights : arrays, shape (S,)
            Losses >= 0 in money, and probabilities of the scenarios.

        Returns
        -------
        array, shape (S,)
            Of a coherent measure, probabilities under which the mean loss is the measure.
        """
        from adlopt.objectives import numeric_fallback

        return numeric_fallback.subgradient(self, loss, weights)

    def in_dual_set(self, stress: FloatArray, weights: FloatArray) -> bool:
        """Whether the measure is known to be at least the mean under `stress` for all losses; slack
        only for rounding.

        Parameters
        ----------
        stress, weights : arrays, shape (S,)
            A candidate subgradient, and probabilities of the scenarios.

        Returns
        -------
        bool
        """
        return False

    def conjugate(self, stress: FloatArray, weights: FloatArray, ceiling: float) -> float:
        """The conjugate: a c with rho(l) >= stress . l - c for all losses l >= 0 with rho(l) <=
        ceiling.

        Parameters
        ----------
        stress, weights : arrays, shape (S,)
            A candidate subgradient, and probabilities of the scenarios.
        ceiling : float
            Only losses of at most this measure count.

        Returns
        -------
        float
            Money; may be infinite.
        """
        if self.in_dual_set(stress, weights):
            return 0.0
        from adlopt.objectives import numeric_fallback

        return numeric_fallback.conjugate(self, stress, weights, ceiling)

    def local_model(self, loss: FloatArray, weights: FloatArray) -> QuadraticModel | None:
        """A second-order model at `loss`, of measures that need one in place of their cone.

        Parameters
        ----------
        loss, weights : arrays, shape (S,)
            Losses >= 0 in money, and probabilities of the scenarios.

        Returns
        -------
        QuadraticModel or None
        """
        return None

    def scaled(self, unit: float) -> Objective:
        """The measure for losses counted in `unit` money: rho(unit * loss) / unit.

        Parameters
        ----------
        unit : float
            Money.

        Returns
        -------
        Objective
        """
        return self if self.coherent else Scaled(self, unit)

    def evaluate(self, loss: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
        """The measure of scenario losses.

        Parameters
        ----------
        loss : array_like, shape (S,)
            Losses in money.
        weights : array_like, shape (S,), optional
            Scenario probabilities; equally likely if left out.

        Returns
        -------
        float
            Money.

        Raises
        ------
        InputError
            Losses or weights are not finite numbers, or weights do not sum to one.

        Examples
        --------
        >>> import adlopt as adl
        >>> adl.CVaR(0.9).evaluate([0.0, 10.0, 2.0], weights=[0.5, 0.2, 0.3])
        10.0
        """
        return self.value(*dual_set.read_losses(loss, weights))

    def stressed_probabilities(
        self, loss: npt.ArrayLike, weights: npt.ArrayLike | None = None
    ) -> FloatArray:
        """The probabilities under which the mean loss is the measure: a subgradient of it.

        Parameters
        ----------
        loss : array_like, shape (S,)
            Losses in money.
        weights : array_like, shape (S,), optional
            Scenario probabilities; equally likely if left out.

        Returns
        -------
        numpy.ndarray, shape (S,)
            Probabilities, if the measure is cash invariant; else weights >= 0.

        Raises
        ------
        InputError
            Losses or weights are not finite numbers, or weights do not sum to one.

        Examples
        --------
        >>> import adlopt as adl
        >>> adl.CVaR(0.5).stressed_probabilities([0.0, 10.0, 2.0, 4.0]).tolist()
        [0.0, 0.5, 0.0, 0.5]
        """
        return self.subgradient(*dual_set.read_losses(loss, weights))

    def weights(self, loss: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> FloatArray:
        """Deprecated name of `stressed_probabilities`.

        Parameters
        ----------
        loss, weights : as in `stressed_probabilities`

        Returns
        -------
        array, shape (S,)
        """
        warnings.warn(
            "Objective.weights is now Objective.stressed_probabilities",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.stressed_probabilities(loss, weights)

    def _set(self, name: str, value: object) -> None:
        """Store a validated parameter of a frozen dataclass."""
        object.__setattr__(self, name, value)

    @property
    def terms(self) -> tuple[tuple[float, Objective], ...]:
        """The measure as a sum of factors times measures."""
        return ((1.0, self),)

    def __add__(self, other: object) -> Objective:
        if not isinstance(other, Objective):
            return NotImplemented
        return Combination((*self.terms, *other.terms))

    def __mul__(self, factor: object) -> Objective:
        if not isinstance(factor, Real | Decimal | np.number):
            return NotImplemented
        number = validation.as_finite("factor of an objective", factor)
        return Combination(tuple((number * weight, term) for weight, term in self.terms))

    __rmul__ = __mul__


@dataclass(frozen=True)
class Scaled(Objective):
    """A measure for losses counted in `unit` money."""

    measure: Objective
    unit: float

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        from adlopt.objectives import numeric_fallback

        # Auxiliary variables of a homogeneous measure keep the scale of the losses.
        if numeric_fallback.homogeneous(self.measure, weights):
            return self.measure.expression(loss, weights)
        return self.measure.expression(self.unit * loss, weights) / self.unit


@dataclass(frozen=True)
class Combination(Objective):
    """A weighted sum of objectives with nonnegative factors, as `ExpectedLoss() + 0.5 * CVaR(0.99)`
    makes it.
    """

    parts: tuple[tuple[float, Objective], ...]

    @property
    def terms(self) -> tuple[tuple[float, Objective], ...]:
        return tuple((factor, term) for factor, term in self.parts if factor > 0)

    def __post_init__(self) -> None:
        for factor, term in self.parts:
            if not np.isfinite(factor) or factor < 0:
                raise InputError(
                    f"objective: the factor {factor} of {term} must be finite and >= 0, or the sum "
                    "is not convex"
                )
        if not self.terms:
            raise InputError("objective: give a factor > 0, or there is nothing to minimise")

    @property
    def coherent(self) -> bool:  # type: ignore[override]
        return all(term.coherent for _, term in self.terms) and self._averages

    @property
    def cash_additive(self) -> bool:  # type: ignore[override]
        return all(term.cash_additive for _, term in self.terms) and self._averages

    @property
    def _averages(self) -> bool:
        return abs(sum(factor for factor, _ in self.terms) - 1) < dual_set.ROUNDING

    @property
    def monotone(self) -> bool:  # type: ignore[override]
        return all(term.monotone for _, term in self.terms)

    @property
    def cone(self) -> str:  # type: ignore[override]
        needed = {term.cone for _, term in self.terms}
        return next((cone for cone in ("exponential", "second-order") if cone in needed), "linear")

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        return sum(factor * term.expression(loss, weights) for factor, term in self.terms)

    def value(self, loss: FloatArray, weights: FloatArray) -> float:
        return float(sum(factor * term.value(loss, weights) for factor, term in self.terms))

    def subgradient(self, loss: FloatArray, weights: FloatArray) -> FloatArray:
        total = np.zeros(loss.size)
        for factor, term in self.terms:
            total += factor * term.subgradient(loss, weights)
        return total

    def scaled(self, unit: float) -> Objective:
        return Combination(tuple((factor, term.scaled(unit)) for factor, term in self.terms))

    def __str__(self) -> str:
        return " + ".join(
            str(term) if factor == 1 else f"{factor:g} * {term}" for factor, term in self.terms
        )
