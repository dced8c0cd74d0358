"""A constraint with one parameter, which can say how far it must be relaxed."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

import scipy.sparse as sp

from adlopt._internal.arrays import FloatArray

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True, eq=False)
class ProportionalLimit:
    """A constraint with one parameter: matrix @ allocation <= parameter * base.

    It is a function of the allocation expression, as `solve(constraints=...)` takes them, and it
    knows what it would say with a looser parameter.

    Examples
    --------
    >>> import adlopt as adl
    >>> limit = adl.constraints.at_most_fraction(adl.examples.paper_problem(), 0.5)
    >>> limit.relaxed_sentence(0.6)
    'at least 60 % of each position must be allowed'
    """

    name: str
    """Name of the function that made it."""
    matrix: sp.sparray
    """(r, e)"""
    _: KW_ONLY
    base: FloatArray
    """(r,)"""
    parameter: float
    """Fraction or multiple."""
    sentence: str
    """What must be allowed, with a place for the parameter."""
    percent: bool
    """Whether the sentence gives the parameter in per cent."""

    def __call__(self, allocation: cp.Expression) -> cp.Constraint:
        return self.with_parameter(allocation, self.parameter)

    def with_parameter(
        self, allocation: cp.Expression, parameter: float | cp.Variable
    ) -> cp.Constraint:
        """The constraint with another parameter.

        Parameters
        ----------
        allocation : cvxpy.Expression, shape (e,)
        parameter : float or cvxpy.Variable

        Returns
        -------
        cvxpy.Constraint
        """
        return self.matrix @ allocation <= self.base * parameter

    def relaxed_sentence(self, parameter: float) -> str:
        """Says that `parameter` must be allowed, rounded up to four digits.

        Parameters
        ----------
        parameter : float

        Returns
        -------
        str
        """
        value = parameter * 100 if self.percent else parameter
        if value > 0:
            step = 10.0 ** (math.floor(math.log10(value)) - 3)
            value = math.ceil(value / step - 1e-4) * step  # a solver's rounding adds no digit
        return self.sentence.format(f"{value:.4g}")

    def __repr__(self) -> str:
        return f"{self.name}({self.parameter:g})"
