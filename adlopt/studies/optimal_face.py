"""All allocations of least CVaR under isolated margin: their ranges, and the best of them by a
second criterion.

Water-filling is optimal path by path, so together with any stressed measure w of CVaR at its losses
it is a saddle point, and
saddle points are interchangeable: an allocation x is optimal exactly if w.L(x) is least and w is a
stressed measure at L(x)
too. The first is a box. With the adverse move r_s in scenario s and G(l) = sum_s w_s (l r_s - 1)^+,
positions must end on the
flat of G, between two neighbouring kinks 1/r_s, that holds the water level; on it no stressed
scenario's loss changes. The
second then says that no unstressed scenario's loss rises above the least stressed one. Where every
loss grows with r that
follows of itself; where pools on other sides lose in other scenarios it may bind, and couples the
positions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError, NotApplicable, SolverFailed
from adlopt.methods import water_filling
from adlopt.model.allocation import as_table, read_allocation
from adlopt.model.losses import objective_value, scenario_losses
from adlopt.model.problem import Problem, require_problem
from adlopt.objectives import CVaR, ExpectedLoss

TOLERANCE = 1e-9  # of a position, or of a loss: what counts as inside
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class OptimalSet:
    """The allocations of least CVaR: `low` <= |reductions| <= `high`, with the required sums, and
    the limits on losses.
    """

    problem: Problem
    cutoff: float | pd.Series[float]
    """Leverage above which all reductions are equally good: 1 / VaR of the adverse return; by asset
    if several are reduced.
    """
    flat: pd.DataFrame
    """By reduced asset the leverages, `low` to `high`, between which every position reduced in part
    may end.
    """
    low: FloatArray
    """(e,) contracts that must come off each eligible position, unsigned."""
    high: FloatArray
    """(e,) contracts that may come off it, were it not for the sums."""
    limited: IntArray
    """Scenarios whose loss may not exceed `limit`; none where the losses of all pools grow
    together.
    """
    limit: float
    """Money: the least stressed loss, fund included."""

    @cached_property
    def value(self) -> float:
        """The least CVaR, in money."""
        return objective_value(self.problem, water_filling.solve(self.problem).allocation)

    @cached_property
    def ranges(self) -> pd.DataFrame:
        """Row per eligible position: account, asset, margin_mode, size, and `least` and `most`
        reduction over the set.
        """
        sign = np.sign(self.problem.max_reduction)
        least, most = self._ranges()
        return self.problem.positions.assign(least=sign * least + 0.0, most=sign * most + 0.0)

    @property
    def unique(self) -> bool:
        """Whether water-filling is the only optimum."""
        width = (self.ranges["most"] - self.ranges["least"]).abs()
        return bool((width <= TOLERANCE * self.ranges["size"].abs()).all())

    def contains(self, allocation: pd.DataFrame) -> bool:
        """Whether a feasible allocation, a table as `certify` takes it, is optimal. InputError if
        it is not feasible.
        """
        reductions = read_allocation(self.problem, allocation)
        taken, slack = (
            np.abs(reductions),
            TOLERANCE * np.abs(self.problem.book.size[self.problem.eligible]),
        )
        if ((taken < self.low - slack) | (taken > self.high + slack)).any():
            return False
        losses = scenario_losses(self.problem, reductions)[self.limited]
        return bool((losses <= self.limit * (1 + TOLERANCE)).all())

    def select(self, criterion: str | pd.DataFrame) -> pd.DataFrame:
        """The member that is best by a second criterion, as an allocation table.

        Parameters
        ----------
        criterion : "fewest_accounts": reduce as few accounts as possible. "smallest_fraction": make
            the largest fraction
            that anybody loses of a position as small as possible, beyond what must come off. Or an
            allocation table, such as a
            venue's: the nearest member, by the sum of squared differences in notional.
        """
        from adlopt.methods.water_level import drain  # compiled loops: loads numba

        problem = self.problem
        if isinstance(criterion, pd.DataFrame):
            wanted = np.abs(read_allocation(problem, criterion))
        elif criterion not in ("fewest_accounts", "smallest_fraction"):
            raise InputError(
                f"select: {criterion!r} is unknown; use 'fewest_accounts', 'smallest_fraction', or an allocation table"
            )
        else:
            wanted = None
        if self.limited.size:
            from adlopt.studies import _coupled_optimal_set  # loads cvxpy

            return self._table(
                _coupled_optimal_set.select(
                    self, criterion if isinstance(criterion, str) else "nearest", wanted
                )
            )
        high = self.high
        if isinstance(criterion, str) and criterion == "fewest_accounts":
            high = np.where(self._fewest(), high, self.low)
        taken = self.low.copy()
        for k, rest in self._rest().items():
            rows = problem.rows_of(k)
            size, room = np.abs(problem.book.size[problem.eligible[rows]]), (high - self.low)[rows]
            if not rest > 0:
                continue
            # Each takes clip(height - level * width, 0, room), at one level for all.
            height, width = (
                (-self.low[rows], size)
                if wanted is None
                else ((wanted - self.low)[rows], np.ones(rows.size))
            )
            taken[rows] += drain(height, width, room, rest)[0]
        return self._table(taken)

    def __repr__(self) -> str:
        least, most = self._box_ranges()
        free = int(
            (most - least > TOLERANCE * np.abs(self.problem.book.size[self.problem.eligible])).sum()
        )
        kind = "one allocation" if free == 0 else f"{free:,} positions have a choice"
        return f"OptimalSet({kind}; {self.problem.objective} {self.value:,.6g}; leverage cutoff {self.cutoff})"

    # ------------------------------------------------------------------ inside

    def _rest(self) -> dict[int, float]:
        """Contracts still to be spread over each reduced asset once everybody has given `low`."""
        given = np.bincount(self.problem.asset, self.low, minlength=self.problem.required.size)
        return {
            int(k): max(abs(self.problem.required[k]) - float(given[k]), 0.0)
            for k in self.problem.reduced_assets
        }

    def _table(self, taken: FloatArray) -> pd.DataFrame:
        cap = self.problem.max_reduction
        return as_table(self.problem, np.sign(cap) * np.minimum(taken, np.abs(cap)))

    def _ranges(self) -> tuple[FloatArray, FloatArray]:
        if self.limited.size:
            from adlopt.studies import _coupled_optimal_set  # loads cvxpy

            return _coupled_optimal_set.ranges(self)
        return self._box_ranges()

    def _box_ranges(self) -> tuple[FloatArray, FloatArray]:
        """Least and most by boxes and sums alone."""
        least, most = self.low.copy(), self.high.copy()
        for k, rest in self._rest().items():
            rows = self.problem.asset == k
            room = (self.high - self.low)[rows]
            most[rows] = self.low[rows] + np.minimum(room, rest)
            least[rows] += np.clip(rest - (room.sum() - room), 0.0, room)
        return least, most

    def _fewest(self) -> np.ndarray:
        """(e,) mask of positions whose accounts are touched: those that must be, and of the others
        as few as can be.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp

        problem, room = self.problem, self.high - self.low
        _, account = np.unique(problem.book.pool_account[problem.pool], return_inverse=True)
        forced = np.bincount(account, self.low) > 0
        rest = self._rest()
        supply = np.array(
            [np.bincount(account, np.where(problem.asset == k, room, 0.0)) for k in rest]
        )
        needed = np.array(list(rest.values())) * (1 - ROUNDING)
        if len(rest) == 1:
            # The widest first: no other set of so many accounts can give more.
            order = np.lexsort((-supply[0], ~forced))
            count = max(
                int(forced.sum()), int(np.searchsorted(np.cumsum(supply[0, order]), needed[0])) + 1
            )
            touched = np.zeros(forced.size, dtype=bool)
            touched[order[: count if needed[0] > 0 else int(forced.sum())]] = True
            return np.asarray(touched[account])
        touched = forced
        unit = np.maximum(needed, 1.0 if not needed.any() else needed.max() * ROUNDING)
        rules = [LinearConstraint(supply / unit[:, None], needed / unit)]
        while (supply[:, touched].sum(axis=1) < needed).any():
            found = milp(
                np.ones(forced.size),
                integrality=1,
                bounds=Bounds(forced.astype(float), 1.0),
                constraints=rules,
                options={"mip_rel_gap": 0.0},
            )
            if found.x is None:
                raise SolverFailed(f"optimal_set: HiGHS says {found.message}")
            touched = found.x > 0.5
            # Within the solver's tolerance these may be too few: then one of the others is needed.
            rules.append(LinearConstraint(~touched[None, :], 1.0))
        return np.asarray(touched[account])


def optimal_set(problem: Problem) -> OptimalSet:
    """The whole set of allocations of least CVaR under isolated margin, for any scenarios,
    insurance fund and caps.

    Raises
    ------
    NotApplicable : the objective is not a CVaR by scenarios, or water-filling does not apply (see
        its reasons).
    """
    require_problem("optimal_set", problem)
    reason = water_filling.reason_not_applicable(problem)
    if reason is not None:
        raise NotApplicable(f"optimal_set: {reason}")
    level = _level(problem)
    best = water_filling.solve(problem)
    book, weights = problem.book, problem.scenarios.weights
    losses, before = scenario_losses(problem, best.allocation), scenario_losses(problem, None)
    excess = np.maximum(losses - problem.insurance_fund, 0.0)
    # Any stressed measure will do. Of equal losses those first that are larger without any
    # reduction: they limit nothing.
    order = np.lexsort((-before, -excess))
    stress = np.empty(weights.size)
    stress[order] = CVaR(level).tail(weights[order])
    stressed = stress > 0
    limit = problem.insurance_fund + float(excess[stressed].min())
    # Scenarios that the fund covers do not count; without a fund, nothing lies below zero.
    counts = stressed & ((losses > problem.insurance_fund) | (problem.insurance_fund == 0))

    adverse = -np.sign(problem.required)[:, None] * problem.moves / book.marks[:, None]  # (d, S) r
    size, equity = np.abs(book.size[problem.eligible]), book.equity[problem.pool]
    cap = np.abs(problem.max_reduction)
    low, high = np.zeros(size.size), np.zeros(size.size)
    flats = np.zeros((problem.reduced_assets.size, 2))
    cutoff = np.zeros(problem.reduced_assets.size)
    assert best.water_level is not None
    for at, k in enumerate(problem.reduced_assets):
        kinks = np.unique(1.0 / adverse[k, counts & (adverse[k] > 0)])
        place = int(np.searchsorted(kinks, best.water_level[k] * (1 + ROUNDING), side="right"))
        flats[at] = (
            kinks[place - 1] if place else 0.0,
            kinks[place] if place < kinks.size else np.inf,
        )
        cutoff[at] = kinks[-1] if kinks.size else 0.0
        rows = problem.asset == k
        unit = equity[rows] / book.marks[k]
        high[rows] = np.clip(size[rows] - flats[at, 0] * unit, 0.0, cap[rows])
        if place < kinks.size:
            low[rows] = np.clip(size[rows] - flats[at, 1] * unit, 0.0, cap[rows])
    low[low <= ROUNDING * size] = 0.0
    names = book.assets[problem.reduced_assets].rename("asset")
    candidates = np.flatnonzero(~counts & (weights > 0))
    if limit == 0:
        # No loss at all is allowed there, pool by pool: that is a box again.
        for k in problem.reduced_assets:
            rows, worst = problem.asset == k, float(adverse[k, candidates].max(initial=0.0))
            if worst > 0:
                free = np.clip(size[rows] - equity[rows] / (worst * book.marks[k]), 0.0, high[rows])
                low[rows] = np.maximum(low[rows], free)
        candidates = candidates[:0]
    found = OptimalSet(
        problem=problem,
        cutoff=float(cutoff[0])
        if cutoff.size == 1
        else pd.Series(cutoff, index=names, name="cutoff"),
        flat=pd.DataFrame(flats, index=names, columns=["low", "high"]),
        low=low,
        high=high,
        limited=candidates,
        limit=limit,
    )
    return replace(found, limited=_limited(found, adverse))


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
        f"optimal_set: it knows CVaR, and expected loss by scenarios, not {problem.objective} under {problem.prices!r}; "
        "use objective=CVaR(...) and a price model"
    )


def _limited(found: OptimalSet, adverse: FloatArray) -> IntArray:
    """Of the unstressed scenarios, those whose loss could rise above the limit somewhere in the box
    and on the sums.
    """
    problem = found.problem
    sign = np.sign(problem.max_reduction)
    most = scenario_losses(problem, sign * found.low)
    suspects = found.limited[most[found.limited] > found.limit * (1 + ROUNDING)]
    size, equity = np.abs(problem.book.size[problem.eligible]), problem.book.equity[problem.pool]
    mark, room, rest = problem.book.marks[problem.asset], found.high - found.low, found._rest()
    kept = []
    for s in suspects:
        # Losses are convex, hence below their chords; the sum of chords is largest where the
        # flattest ones are used up.
        r = adverse[problem.asset, s]
        lost = [
            np.maximum((size - taken) * mark * r - equity, 0.0) for taken in (found.low, found.high)
        ]
        bound = most[s]
        for k, contracts in rest.items():
            rows = (problem.asset == k) & (room > 0)
            fall = (lost[0] - lost[1])[rows] / room[rows]
            order = np.argsort(fall, kind="stable")
            used = np.diff(np.minimum(np.cumsum(room[rows][order]), contracts), prepend=0.0)
            bound -= float(fall[order] @ used)
        if bound > found.limit * (1 + ROUNDING):
            kept.append(s)
    return np.array(kept, dtype=np.int64)
