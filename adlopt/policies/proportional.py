"""Proportional rules: min(what may be taken, tau x weight), with one tau per asset that meets the
requirement.

Sources: Chitra, arXiv 2512.01112; Chitra and others, arXiv 2602.15182. They seize dollars of
profit; here the weights share
out contracts. Where all positions of weight > 0 are exhausted, the rest of the requirement goes by
contracts.
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
    """Reductions in proportion to `weight`, no position beyond what may be taken from it."""

    @abstractmethod
    def weight(self, problem: Problem) -> FloatArray:
        """(e,) weights >= 0 of the eligible positions."""

    def reductions(self, problem: Problem) -> FloatArray:
        return share_out(problem, self.weight(problem))


def share_out(problem: Problem, weight: FloatArray) -> FloatArray:
    """Reductions (e,) proportional to weights (e,) within the boxes; then, if need be, to
    contracts.
    """
    capacity, size = np.abs(problem.max_reduction), features.contracts(problem)
    taken = np.zeros(capacity.size)
    for k in problem.reduced_assets:
        rows = problem.rows_of(k)
        first = rows[(weight[rows] > 0) & (capacity[rows] > 0)]
        rest = rows[~(weight[rows] > 0) & (capacity[rows] > 0)]
        total = abs(problem.required[k])
        have = float(capacity[first].sum())
        if have >= total or rest.size == 0:
            _fill(taken, first, weight, capacity, total)
        else:
            taken[first] = capacity[first]
            _fill(taken, rest, size, capacity, total - have)
    return np.asarray(np.sign(problem.max_reduction) * taken)


def _fill(
    taken: FloatArray, rows: IntArray, weight: FloatArray, capacity: FloatArray, total: float
) -> None:
    from adlopt.methods.water_level import drain  # compiled loops: loads numba

    if total <= 0.0 or rows.size == 0:
        return
    width = weight[rows] / weight[rows].max()
    # Water-filling of empty vessels: minus the level is tau. No sort.
    taken[rows] = drain(
        np.zeros(rows.size), np.maximum(width, np.finfo(float).tiny), capacity[rows], total
    )[0]


@dataclass(frozen=True)
class ProRata(Proportional):
    """Pro rata by contracts (size), profit (its positive part), equity, leverage x size, or size
    squared.

    "contracts" is what venues mean by socialised loss in kind; "pnl" needs entry prices; "equity"
    is pro rata by wealth;
    "squared" is the closed form of "vector mirror descent" as benchmarked there. Leverage is gross,
    of the pool.
    Sources: Chitra, arXiv 2512.01112; Chitra and others, arXiv 2602.15182.
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
    """Risk-aware pro rata: weight leverage x g(leverage) x size, leverage gross, of the pool.

    Parameters
    ----------
    g : nonnegative function of an array of leverages; the identity if left out. The papers also use
        powers and (l - l0)^+.
    name : what tables call it.

    Source: Chitra and others, arXiv 2602.15182 (RAP).
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
            raise InputError(f"{self}: g must give a number per leverage ({error})") from error
        bad = np.flatnonzero(~(np.isfinite(g) & (g >= 0)))
        if bad.size:
            at = int(bad[0])
            where = validation.row_name(problem.positions, at)
            raise InputError(
                f"{self}: g({leverage[at]:g}) is {g[at]}, at {where}; it must be finite and >= 0"
            )
        return np.asarray(leverage * g * features.contracts(problem))

    def __str__(self) -> str:
        return self.name or ("RiskAware" if self.g is None else f"RiskAware({name_of(self.g)})")
