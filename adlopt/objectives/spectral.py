"""Spectral risk: averages of CVaR over levels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.objectives.cvar import CVaR
from adlopt.objectives.dual_set import ROUNDING, is_distribution
from adlopt.objectives.protocol import Objective
from adlopt.prices.protocol import probabilities

if TYPE_CHECKING:
    import cvxpy as cp

SPECTRUM_TOLERANCE = 1e-6  # of a spectrum's integral and order, which quadrature gives


@dataclass(frozen=True, init=False, repr=False)
class Spectral(Objective):
    """A mixture of CVaRs: sum_j weight_j CVaR_level_j.

    Coherent; linear program. Dual set: the sums sum_j weight_j w_j of probabilities
    w_j <= p / (1 - level_j).

    Parameters
    ----------
    levels : sequence of float
        In [0, 1).
    weights : sequence of float
        >= 0, one per level, summing to one.

    Raises
    ------
    InputError
        The lists have different lengths, or a number is out of its range.

    References
    ----------
    Acerbi, Spectral measures of risk, Journal of Banking and Finance 26 (2002).

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.Spectral([0.0, 0.5], [0.5, 0.5]).evaluate([0.0, 10.0, 2.0, 4.0])
    5.5
    """

    mixture: tuple[tuple[float, CVaR], ...]
    """Weights > 0 and the CVaRs that they belong to."""

    coherent = cash_additive = True
    cone = "linear"

    def __init__(self, levels: Sequence[float], weights: Sequence[float]) -> None:
        if np.ndim(levels) != 1 or np.size(levels) == 0:
            raise InputError("Spectral: give a list of levels, at least one, and a weight for each")
        shares = probabilities("Spectral", weights, len(levels))
        measures = [CVaR(level) for level in levels]
        kept = tuple(
            (float(share), measure)
            for share, measure in zip(shares, measures, strict=True)
            if share > 0
        )
        object.__setattr__(self, "mixture", kept)

    @classmethod
    def from_spectrum(cls, spectrum: Callable[[float], float], points: int = 50) -> Spectral:
        """The measure that weights the u-quantile of the loss by spectrum(u).

        The spectrum is replaced by its means over `points` cells, finer towards u = 1: a step
        function is a mixture of CVaRs at its steps. If your spectrum is a step function already,
        use Spectral(levels, weights).

        Parameters
        ----------
        spectrum : callable
            From u in [0, 1] to a weight >= 0; nondecreasing, with integral one.
        points : int
            Cells.

        Returns
        -------
        Spectral

        Raises
        ------
        InputError
            The spectrum is negative, falls, or does not integrate to one.

        Examples
        --------
        >>> import adlopt as adl
        >>> measure = adl.Spectral.from_spectrum(lambda u: 2 * u, points=100)
        >>> round(measure.evaluate([0.0, 3.0]), 3)
        2.25
        """
        from scipy.integrate import IntegrationWarning, quad

        if not isinstance(points, int | np.integer) or points < 1:
            raise InputError(f"Spectral: points is {points!r}; a whole number >= 1 is needed")
        edge = 1.0 - (1.0 - np.arange(points + 1) / points) ** 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IntegrationWarning)  # the integral is checked below
            cells = [quad(spectrum, low, high)[0] for low, high in pairwise(edge)]
        mass = np.array(cells, dtype=float)
        if not abs(mass.sum() - 1) <= SPECTRUM_TOLERANCE:
            raise InputError(
                f"Spectral: the spectrum integrates to {mass.sum():.8g} over [0, 1]; it must be "
                "one: divide by it"
            )
        height = mass / np.diff(edge)
        step = np.diff(height, prepend=0.0)
        falls = np.flatnonzero(step < -SPECTRUM_TOLERANCE * max(1.0, abs(height[0])))
        if falls.size:
            where = f"near u = {edge[falls[0]]:.4g}" if falls[0] else "at u = 0, below zero"
            raise InputError(
                f"Spectral: the spectrum falls {where}; it must be >= 0 and nondecreasing, or the "
                "measure is not convex"
            )
        share = np.maximum(step, 0.0) * (1.0 - edge[:-1])
        return cls(edge[:-1].tolist(), (share / share.sum()).tolist())

    def expression(self, loss: cp.Expression, weights: FloatArray) -> cp.Expression:
        return sum(share * measure.expression(loss, weights) for share, measure in self.mixture)

    def value(self, loss: FloatArray, weights: FloatArray) -> float:
        return float(self.subgradient(loss, weights) @ loss)

    def subgradient(self, loss: FloatArray, weights: FloatArray) -> FloatArray:
        order = np.argsort(-loss, kind="stable")
        p = weights[order]
        stressed = np.zeros(loss.size)
        for share, measure in self.mixture:
            stressed[order] += share * measure.tail(p)
        return stressed

    def in_dual_set(self, stress: FloatArray, weights: FloatArray) -> bool:
        if not is_distribution(stress, weights):
            return False
        # Of all sets of scenarios of a given probability, those that w / p ranks first hold the
        # most of w. None may
        # hold more than the mixture of min(P / (1 - level), 1), which is concave in P: only such
        # sets can break it.
        likely = weights > 0
        w, p = stress[likely], weights[likely]
        order = np.argsort(-w / p, kind="stable")
        P = np.cumsum(p[order])
        most = sum(
            share * np.minimum(P / (1 - measure.level), 1.0) for share, measure in self.mixture
        )
        return bool((np.cumsum(w[order]) <= most + ROUNDING).all())

    def __repr__(self) -> str:
        return (
            "Spectral("
            + " + ".join(f"{share:g} * {measure}" for share, measure in self.mixture)
            + ")"
        )
