"""All allocations of least CVaR under isolated margin: their ranges, and the best of them by a
second criterion.

Water-filling is optimal path by path, so it forms a saddle point with any stressed measure w of
CVaR at its losses, and saddle points are interchangeable: an allocation x is optimal exactly if
w.L(x) is least and w is a stressed measure at L(x) too. The first condition is a box. With the
adverse move r_s in scenario s and G(l) = sum_s w_s (l r_s - 1)^+, positions reduced in part must
end on the linear piece of G, between two neighboring kinks 1/r_s, that holds the water level; on
it the stressed losses add up to the same. The second condition says that no unstressed loss rises
above the least stressed one. If every loss grows with r it holds automatically. If pools on other
sides lose in other scenarios it may bind, and then it couples the positions.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from html import escape

import numpy as np
import pandas as pd

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError, NotApplicable
from adlopt.methods import water_filling
from adlopt.model.allocation import AnyAllocation, as_table, read_allocation
from adlopt.model.losses import objective_value, scenario_losses
from adlopt.model.problem import Problem, require_problem
from adlopt.objectives import CVaR, ExpectedLoss
from adlopt.studies import _optimal_set_parts as parts
from adlopt.studies.table_result import MAX_ROWS

TOLERANCE = 1e-9  # relative to a position or a loss: what counts as inside
CRITERIA = ("fewest_accounts", "smallest_fraction")
_FORMAT = "{:,.6g}".format


@dataclass(frozen=True, eq=False, repr=False)
class OptimalSet:
    """The allocations of least CVaR: `low` <= |reductions| <= `high`, with the required sums, and
    with the losses of `binding_scenarios` at most `limit`.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.examples.paper_book().with_margin("isolated")
    >>> prices = adl.OneFactor({"BTC": 6654.0, "ETH": 200.6})
    >>> problem = adl.Problem(book, {"BTC": -3.0}, prices=prices, objective=adl.CVaR(0.99))
    >>> round(adl.optimal_set(problem).cutoff, 2)
    4.33
    """

    problem: Problem
    """The problem whose optima these are."""
    cutoff: float | pd.Series[float]
    """Leverage above which all reductions are equally good: 1 / VaR of the adverse return; by asset
    if several are reduced.
    """
    _: KW_ONLY
    interval: pd.DataFrame
    """By reduced asset, the leverages `low` to `high` between which every position reduced in part
    may end.
    """
    low: FloatArray
    """(e,) contracts that must come off each eligible position, unsigned."""
    high: FloatArray
    """(e,) contracts that may come off it, apart from the required sums."""
    binding_scenarios: IntArray
    """Scenarios whose loss may not exceed `limit`; none if the losses of all pools grow together.
    """
    limit: float
    """The least stressed loss in money, insurance fund included."""

    @cached_property
    def value(self) -> float:
        """The least CVaR, in money."""
        return objective_value(self.problem, water_filling.solve(self.problem).allocation)

    @cached_property
    def ranges(self) -> pd.DataFrame:
        """Row per eligible position: account, asset, margin_mode, size, and the `least` and `most`
        reduction over the set.
        """
        sign = np.sign(self.problem.max_reduction)
        least, most = self._ranges()
        return self.problem.positions.assign(least=sign * least + 0.0, most=sign * most + 0.0)

    @property
    def table(self) -> pd.DataFrame:
        """The same as `ranges`."""
        return self.ranges

    def to_frame(self) -> pd.DataFrame:
        """A copy of `ranges`."""
        return self.ranges.copy()

    @property
    def unique(self) -> bool:
        """Whether water-filling is the only optimum."""
        width = (self.ranges["most"] - self.ranges["least"]).abs()
        return bool((width <= TOLERANCE * self.ranges["size"].abs()).all())

    def contains(self, allocation: AnyAllocation) -> bool:
        """Whether a feasible allocation is optimal.

        Parameters
        ----------
        allocation : Solution, DataFrame or array

        Returns
        -------
        bool

        Raises
        ------
        InputError
            The allocation is not feasible.
        """
        reductions = read_allocation(self.problem, allocation)
        taken, slack = (
            np.abs(reductions),
            TOLERANCE * np.abs(self.problem.book.size[self.problem.eligible]),
        )
        if ((taken < self.low - slack) | (taken > self.high + slack)).any():
            return False
        losses = scenario_losses(self.problem, reductions)[self.binding_scenarios]
        return bool((losses <= self.limit * (1 + TOLERANCE)).all())

    def select(self, criterion: AnyAllocation) -> pd.DataFrame:
        """The member that is best by a second criterion, as an allocation table.

        Parameters
        ----------
        criterion : str, Solution, DataFrame or array
            "fewest_accounts" reduces as few accounts as possible. "smallest_fraction" minimizes
            the largest fraction that anybody loses of a position, beyond what must come off. An
            allocation, such as a venue's, selects the nearest member, by the sum of squared
            differences in notional.

        Returns
        -------
        DataFrame

        Raises
        ------
        InputError
            An unknown criterion or an allocation that is not feasible.
        """
        problem = self.problem
        wanted = None
        if not isinstance(criterion, str):
            wanted = np.abs(read_allocation(problem, criterion))
        elif criterion not in CRITERIA:
            raise InputError(
                f"select: {criterion!r} is unknown; use {' or '.join(map(repr, CRITERIA))}, or an "
                "allocation"
            )
        if self.binding_scenarios.size:
            from adlopt.studies import _coupled_optimal_set  # loads cvxpy

            name = criterion if isinstance(criterion, str) else "nearest"
            return self._table(_coupled_optimal_set.select(self, name, wanted))
        fewest = isinstance(criterion, str) and criterion == "fewest_accounts"
        high = (
            np.where(
                parts.fewest_accounts_mask(self, self._remaining_requirement()), self.high, self.low
            )
            if fewest
            else self.high
        )
        return self._table(self._spread(high, wanted))

    def _spread(self, high: FloatArray, wanted: FloatArray | None) -> FloatArray:
        """(e,) contracts between `low` and `high` with the required sums: nearest to `wanted`, or
        by default with the smallest largest fraction.
        """
        from adlopt.methods.water_level import drain  # compiled loops: loads numba

        taken = self.low.copy()
        for k, remaining in self._remaining_requirement().items():
            if not remaining > 0:
                continue
            rows = self.problem.rows_of(k)
            size = np.abs(self.problem.book.size[self.problem.eligible[rows]])
            # Each position gives clip(height - level * width, 0, room), with one common level.
            height, width = (
                (-self.low[rows], size)
                if wanted is None
                else ((wanted - self.low)[rows], np.ones(rows.size))
            )
            taken[rows] += drain(height, width, (high - self.low)[rows], remaining)[0]
        return taken

    def __repr__(self) -> str:
        return f"{self._heading}\n{self._shown().to_string(index=False, float_format=_FORMAT)}"

    def _repr_html_(self) -> str:
        table = self._shown().to_html(index=False, float_format=_FORMAT)
        return f"<p>{escape(self._heading)}</p>{table}"

    @property
    def _heading(self) -> str:
        least, most = self._box_ranges()
        size = np.abs(self.problem.book.size[self.problem.eligible])
        free = int((most - least > TOLERANCE * size).sum())
        kind = "one allocation" if free == 0 else f"{free:,} positions have a choice"
        cutoff = (
            f"{self.cutoff:.6g}"
            if isinstance(self.cutoff, float)
            else ", ".join(f"{asset} {value:.6g}" for asset, value in self.cutoff.items())
        )
        return (
            f"Optimal set of {self.problem.objective}, value {self.value:,.6g}: {kind}; "
            f"leverage cutoff {cutoff}"
        )

    def _shown(self) -> pd.DataFrame:
        """The first rows of the ranges by boxes and sums, which cost nothing to compute."""
        sign = np.sign(self.problem.max_reduction)
        least, most = self._box_ranges()
        table = self.problem.positions.assign(least=sign * least + 0.0, most=sign * most + 0.0)
        return table.head(MAX_ROWS)

    def _remaining_requirement(self) -> dict[int, float]:
        """Contracts of each reduced asset that remain to be taken beyond `low`."""
        given = np.bincount(self.problem.asset, self.low, minlength=self.problem.required.size)
        return {
            int(k): max(abs(self.problem.required[k]) - float(given[k]), 0.0)
            for k in self.problem.reduced_assets
        }

    def _table(self, taken: FloatArray) -> pd.DataFrame:
        cap = self.problem.max_reduction
        return as_table(self.problem, np.sign(cap) * np.minimum(taken, np.abs(cap)))

    def _ranges(self) -> tuple[FloatArray, FloatArray]:
        if self.binding_scenarios.size:
            from adlopt.studies import _coupled_optimal_set  # loads cvxpy

            return _coupled_optimal_set.ranges(self)
        return self._box_ranges()

    def _box_ranges(self) -> tuple[FloatArray, FloatArray]:
        """Least and most by boxes and sums alone."""
        least, most = self.low.copy(), self.high.copy()
        for k, rest in self._remaining_requirement().items():
            rows = self.problem.rows_of(k)
            room = (self.high - self.low)[rows]
            most[rows] = self.low[rows] + np.minimum(room, rest)
            least[rows] += np.clip(rest - (room.sum() - room), 0.0, room)
        return least, most


def optimal_set(problem: Problem) -> OptimalSet:
    """The set of all allocations of least CVaR under isolated margin.

    Works for any scenarios, insurance fund and caps.

    Parameters
    ----------
    problem : Problem
        With a price model and the objective `CVaR`, or expected loss by scenarios.

    Returns
    -------
    OptimalSet

    Raises
    ------
    NotApplicable
        The objective is not a CVaR by scenarios, or water-filling does not apply.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.examples.paper_book().with_margin("isolated")
    >>> prices = adl.OneFactor({"BTC": 6654.0, "ETH": 200.6})
    >>> problem = adl.Problem(book, {"BTC": -3.0}, prices=prices, objective=adl.CVaR(0.99))
    >>> optima = adl.optimal_set(problem)
    >>> round(optima.cutoff, 2)
    4.33
    >>> int((optima.select("fewest_accounts")["reduction"] != 0).sum())
    2
    """
    require_problem("optimal_set", problem)
    reason = water_filling.reason_not_applicable(problem)
    if reason is not None:
        raise NotApplicable(f"optimal_set: {reason}")
    return _optimal_set(problem, _level(problem))


def _optimal_set(problem: Problem, level: float) -> OptimalSet:
    """The set around the water-filling solution."""
    best = water_filling.solve(problem)
    assert best.water_level is not None
    losses = scenario_losses(problem, best.allocation)
    stressed, limit = parts.stressed_scenarios(problem, losses, level)
    # Scenarios that the fund covers do not count; without a fund, nothing lies below zero.
    counts = stressed & ((losses > problem.insurance_fund) | (problem.insurance_fund == 0))
    # (d, S) adverse returns r
    adverse = -np.sign(problem.required)[:, None] * problem.moves / problem.book.marks[:, None]
    low, high, intervals, cutoff = parts.boxes(problem, best.water_level, adverse, counts)
    names = problem.book.assets[problem.reduced_assets].rename("asset")
    candidates = np.flatnonzero(~counts & (problem.scenarios.weights > 0))
    if limit == 0:
        # No loss is allowed in these scenarios, pool by pool: that is a box again.
        low = parts.without_losses(problem, low, high, adverse[:, candidates])
        candidates = candidates[:0]
    found = OptimalSet(
        problem=problem,
        cutoff=float(cutoff[0])
        if cutoff.size == 1
        else pd.Series(cutoff, index=names, name="cutoff"),
        interval=pd.DataFrame(intervals, index=names, columns=["low", "high"]),
        low=low,
        high=high,
        binding_scenarios=candidates,
        limit=limit,
    )
    return replace(found, binding_scenarios=parts.binding_scenarios(found, adverse))


def _level(problem: Problem) -> float:
    if isinstance(problem.objective, CVaR):
        return problem.objective.level
    if (
        isinstance(problem.objective, ExpectedLoss)
        and problem.prices is not None
        and problem.closed_form is None
    ):
        return 0.0
    raise NotApplicable(
        f"optimal_set: the objective is {problem.objective} under {problem.prices!r}; "
        "it needs CVaR, or expected loss by scenarios, and a price model"
    )
