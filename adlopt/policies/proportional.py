"""Proportional rules: min(bound, tau * weight), with one tau for each asset that meets the
requirement.

Sources: Chitra, arXiv 2512.01112; Chitra and others, arXiv 2602.15182. Those papers seize dollars
of profit; here the weights allocate contracts. If all positions of weight > 0 are exhausted, the
rest of the requirement is allocated by contracts.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.model.problem import Problem
from adlopt.policies import features
from adlopt.policies.protocol import Policy, name_of

By = Literal["contracts", "pnl", "equity", "levered", "squared"]

CONTRACTS_THEORY = {
    "feasible": "every position gives the same share of itself, the required share of all",
    "wash-trade resistant": "entry prices never enter",
    "Sybil resistant": "parts of a position give the same share as the whole",
    "path-independent": "equal shares of what equal shares have left are equal shares",
    "monotone": "all give the same share",
    "anonymous": "all give the same share",
    "scale-invariant": "shares have no unit",
    "distribution-free": "the price model never enters",
    "continuous": "the share is the requirement over the open interest",
}


class Proportional(Policy):
    """Reductions in proportion to `weight`, within the bounds of each position.

    Examples
    --------
    >>> import adlopt as adl
    >>> class ByEquity(adl.policies.Proportional):
    ...     def weight(self, problem):
    ...         return adl.policies.features.equity(problem)
    >>> ByEquity().allocate(adl.examples.paper_problem())["reduction"].round(2).tolist()
    [-3.55, -2.09, -2.65, -1.71]
    """

    @abstractmethod
    def weight(self, problem: Problem) -> FloatArray:
        """The weights that reductions are proportional to.

        Parameters
        ----------
        problem : Problem

        Returns
        -------
        array, shape (e,)
            Weights >= 0 of the eligible positions.
        """

    def reductions(self, problem: Problem) -> FloatArray:
        return allocate_proportionally(problem, self.weight(problem))


def allocate_proportionally(problem: Problem, weight: FloatArray) -> FloatArray:
    """Reductions (e,) proportional to weights (e,) within bounds, and then to contracts."""
    capacity, size = np.abs(problem.max_reduction), features.contracts(problem)
    taken = np.zeros(capacity.size)
    for k in problem.reduced_assets:
        rows = problem.rows_of(k)
        first = rows[(weight[rows] > 0) & (capacity[rows] > 0)]
        rest = rows[~(weight[rows] > 0) & (capacity[rows] > 0)]
        total = abs(problem.required[k])
        have = float(capacity[first].sum())
        if have >= total or rest.size == 0:
            _fill_asset(taken, first, weight, capacity, total)
        else:
            taken[first] = capacity[first]
            _fill_asset(taken, rest, size, capacity, total - have)
    return np.asarray(np.sign(problem.max_reduction) * taken)


def _fill_asset(
    taken: FloatArray, rows: IntArray, weight: FloatArray, capacity: FloatArray, total: float
) -> None:
    from adlopt.methods.water_level import drain  # compiled loops: loads numba

    if total <= 0.0 or rows.size == 0:
        return
    width = weight[rows] / weight[rows].max()
    # Water-filling with zero heights: the scale tau is minus the level. No sort is needed.
    taken[rows] = drain(
        np.zeros(rows.size), np.maximum(width, np.finfo(float).tiny), capacity[rows], total
    )[0]


@dataclass(frozen=True)
class ProRata(Proportional):
    """Pro rata by a measure of the position or its pool.

    Parameters
    ----------
    by : {"contracts", "pnl", "equity", "levered", "squared"}
        Size; positive part of the profit (needs entry prices); equity of the pool; gross leverage
        of the pool times size; size squared, the closed form of "vector mirror descent" as
        benchmarked in the second source.

    Notes
    -----
    Sources: Chitra, arXiv 2512.01112; Chitra and others, arXiv 2602.15182.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.ProRata().reductions(problem).round(2).tolist()
    [-2.42, -3.03, -2.42, -2.12]
    """

    by: By = "contracts"

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            raise InputError(
                f"ProRata: by is {self.by!r}; use one of {', '.join(map(repr, get_args(By)))}"
            )

    @property
    def theory(self) -> Mapping[str, str]:  # type: ignore[override]
        if self.by == "contracts":
            return CONTRACTS_THEORY
        free = {"distribution-free": "the price model never enters"}
        return (
            free
            if self.by == "pnl"
            else {"wash-trade resistant": "entry prices never enter", **free}
        )

    def weight(self, problem: Problem) -> FloatArray:
        size = features.contracts(problem)
        if self.by == "pnl":
            return np.maximum(features.profit(problem, str(self)), 0.0)
        if self.by == "equity":
            return features.equity(problem)
        if self.by == "levered":
            return features.leverage(problem) * size
        return np.asarray((size / size.max(initial=1e-300)) ** 2 if self.by == "squared" else size)

    def __str__(self) -> str:
        return f"ProRata({self.by})"


@dataclass(frozen=True)
class RiskAware(Proportional):
    """Risk-aware pro rata: weight = leverage * g(leverage) * size, with the pool's gross leverage.

    Parameters
    ----------
    g : callable, optional
        Nonnegative function of an array of leverages; the identity by default. The paper also uses
        powers and (l - l0)^+.
    name : str, optional
        Name in tables.

    Notes
    -----
    Source: Chitra and others, arXiv 2602.15182 (RAP).

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem()
    >>> adl.policies.RiskAware().reductions(problem).round(2).tolist()
    [-1.6, -2.39, -2.89, -3.12]
    """

    g: Callable[[FloatArray], Any] | None = None
    name: str | None = None
    theory: ClassVar[Mapping[str, str]] = {
        "wash-trade resistant": "entry prices never enter",
        "distribution-free": "the price model never enters",
    }

    def weight(self, problem: Problem) -> FloatArray:
        leverage = features.leverage(problem)
        try:
            g = (
                leverage
                if self.g is None
                else np.broadcast_to(np.asarray(self.g(leverage), dtype=float), leverage.shape)
            )
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{self}: g must return a number for each leverage ({error})"
            ) from error
        bad = np.flatnonzero(~(np.isfinite(g) & (g >= 0)))
        if bad.size:
            i = int(bad[0])
            where = validation.row_name(problem.positions, i)
            raise InputError(
                f"{self}: g({leverage[i]:g}) is {g[i]}, at {where}; it must be finite and >= 0"
            )
        return np.asarray(leverage * g * features.contracts(problem))

    def __str__(self) -> str:
        return self.name or ("RiskAware" if self.g is None else f"RiskAware({name_of(self.g)})")
