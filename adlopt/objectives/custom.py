"""Objectives of the user's own: convex nondecreasing functions written in cvxpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.objectives.protocol import Objective

if TYPE_CHECKING:
    import cvxpy as cp

PROBES = 3  # losses at which a function that DCP cannot prove monotone is tried


@dataclass(frozen=True)
class Custom(Objective):
    """Your own objective: a convex nondecreasing function of the cvxpy loss vector.

    `Problem(..., objective=function)` wraps a plain function in this. The function may make
    variables of its own, over which it is minimised. It says itself how much each scenario counts:
    scenario weights do not enter. Its numbers come from small cvxpy programs, so its bounds rest on
    a solver's accuracy.

    Parameters
    ----------
    function : callable
        From a cvxpy expression (S,), losses >= 0 in money by scenario, to a cvxpy scalar.

    Raises
    ------
    InputError
        When first used, if cvxpy cannot verify that the function is a convex scalar (with its
        explanation), or if the function falls as the loss of some scenario rises.

    Examples
    --------
    >>> import adlopt as adl
    >>> import cvxpy as cp
    >>> def second_worst(loss):
    ...     return cp.sum_largest(loss, 2) / 2
    >>> round(adl.Custom(second_worst).evaluate([0.0, 10.0, 2.0, 4.0]), 6)
    7.0
    """

    function: Callable[[cp.Expression], Any]

    def __post_init__(self) -> None:
        if isinstance(self.function, type) or not callable(self.function):
            raise InputError(
                f"objective: {self.function!r} is not a function of a cvxpy loss vector; did you "
                "mean to call it?"
            )

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        _refuse_unfit(self, loss.size)
        return self.apply(loss)

    def apply(self, loss: cp.Expression) -> cp.Expression:
        """The function's value.

        Parameters
        ----------
        loss : cvxpy.Expression, shape (S,)

        Returns
        -------
        cvxpy.Expression

        Raises
        ------
        InputError
            The function does not return a real scalar.
        """
        import cvxpy as cp

        made = self.function(loss)
        if not isinstance(made, cp.Expression) or made.size != 1 or made.is_complex():
            got = (
                f"an expression of shape {made.shape}"
                if isinstance(made, cp.Expression)
                else repr(made)
            )
            raise InputError(
                f"objective {self}: it must return one real cvxpy number; it returned {got}"
            )
        return cp.reshape(made, (), order="F") if made.shape else made

    def __str__(self) -> str:
        return f"Custom({getattr(self.function, '__name__', repr(self.function))})"


@lru_cache(maxsize=64)
def _refuse_unfit(measure: Custom, scenarios: int) -> None:
    """Raise InputError unless the function is convex by cvxpy's rules, and nondecreasing by them or
    at random losses.
    """
    import cvxpy as cp
    from cvxpy.error import DCPError

    from adlopt.objectives import numeric_fallback

    loss = cp.Variable(scenarios, name="loss")
    try:
        cp.Problem(cp.Minimize(measure.apply(loss))).get_problem_data(cp.CLARABEL)
    except DCPError as error:
        raise InputError(
            f"objective {measure}: cvxpy cannot see that it is convex "
            f"(https://www.cvxpy.org/tutorial/dcp). {error}"
        ) from None
    # If the rules accept the function of a convex loss >= 0, it is nondecreasing.
    if measure.apply(cp.pos(loss)).is_dcp():
        return
    trusted = _Unchecked(measure)
    generator = np.random.default_rng(0)
    for _ in range(PROBES):
        losses = generator.exponential(size=scenarios) * (generator.random(scenarios) < 0.5)
        numeric_fallback.subgradient(trusted, losses, np.full(scenarios, 1.0 / scenarios))


@dataclass(frozen=True)
class _Unchecked(Objective):
    measure: Custom

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        return self.measure.apply(loss)

    def __str__(self) -> str:
        return str(self.measure)
