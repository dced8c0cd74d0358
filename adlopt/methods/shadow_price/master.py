"""The master program: the best convex combination of each group's columns, by HiGHS (eq. 11 to 13).

    minimise  sum theta cost + sum_j factor_j t_j + sum_js cap_js h_js  + box costs
    rows      sum theta used + u - v = required                 dual -price
              sum theta loss - loss_s - e + f <= -constant      dual -stress
              loss_s - t_j - h_js <= 0                          dual -(stress of tail j)
              sum theta = 1                                     for each group

Costs -low and high of u and v, and high and -low of e and f, keep prices and stresses in a box.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import SolverFailed
from adlopt.methods.shadow_price.tail import Tail
from adlopt.methods.shadow_price.tuning import Tuning


class MasterSolution(NamedTuple):
    """What one master program answers."""

    value: float
    point: FloatArray  # (R + L,) prices and stresses
    theta: FloatArray  # (columns,)
    held: float  # total of the variables by which the box holds the point back
    stresses: tuple[FloatArray, ...]  # (L,) of each tail
    losses: FloatArray  # (L,) of the combination, without constants


class Master:
    """Columns by group in a linear program that grows; its basis is kept."""

    def __init__(
        self,
        required: FloatArray,
        free: BoolArray,
        constant: FloatArray,
        groups: int,
        tails: tuple[Tail, ...],
        tuning: Tuning,
    ) -> None:
        from adlopt._internal.quiet import silent_highs

        self.tuning, self.tails = tuning, tails
        self.R, self.L, self.groups = required.size, constant.size, groups
        self.cap = sum((tail.cap for tail in tails), np.zeros(constant.size))
        self.highs: Any = silent_highs()
        # No option "threads": HiGHS refuses to run with another number than its first instance in
        # the process had, such as one that cvxpy made.
        numbers = tuning.master
        for name, value in (
            ("presolve", "off"),
            ("solver", "simplex"),
            ("primal_feasibility_tolerance", numbers.tolerance),
            ("dual_feasibility_tolerance", numbers.tolerance),
            ("simplex_scale_strategy", numbers.scaling),
        ):
            self.highs.setOptionValue(name, value)
        self._add_rows(
            np.where(free, -np.inf, required), np.where(free, np.inf, required), constant
        )
        self._add_box()
        for tail in tails:
            self._add_tail(tail)
        self.group = np.empty(0, dtype=np.intp)  # of each column
        self.sweep = np.empty(0, dtype=np.intp)  # that gave it
        self.idle = np.empty(0, dtype=np.intp)  # solutions since it was last used
        self.free = free
        self.iterations = 0

    def set_required(self, required: FloatArray) -> None:
        """Change the right sides of the coupling."""
        for k in np.flatnonzero(~self.free):
            self.highs.changeRowBounds(int(k), float(required[k]), float(required[k]))

    def _add_rows(self, low: FloatArray, high: FloatArray, constant: FloatArray) -> None:
        """Coupling, losses, convexity, then the tails' rows; all empty yet."""
        tail_rows = sum(tail.scenarios.size for tail in self.tails) if len(self.tails) > 1 else 0
        ones, none = np.ones(self.groups), np.zeros(tail_rows)
        lower = np.concatenate([low, np.full(self.L, -np.inf), ones, none - np.inf])
        upper = np.concatenate([high, -constant, ones, none])
        start = np.zeros(lower.size, dtype=np.int32)
        nothing = np.empty(0, dtype=np.int32), np.empty(0)
        self.highs.addRows(lower.size, lower, upper, 0, start, *nothing)
        self.next_tail_row = self.R + self.L + self.groups
        self.fixed = 0  # columns that are no answers of groups

    def _columns(
        self,
        cost: FloatArray,
        low: FloatArray,
        start: IntArray,
        row: IntArray,
        entry: FloatArray,
    ) -> None:
        self.highs.addCols(
            cost.size,
            cost,
            low,
            np.full(cost.size, np.inf),
            row.size,
            start.astype(np.int32),
            row.astype(np.int32),
            entry.astype(float),
        )

    def _add_box(self) -> None:
        """u, v of each coupling row, e and f of each loss row."""
        R, L = self.R, self.L
        row = np.concatenate([np.arange(R), np.arange(R), R + np.arange(L), R + np.arange(L)])
        entry = np.concatenate([np.ones(R), -np.ones(R), -np.ones(L), np.ones(L)])
        self._columns(np.zeros(row.size), np.zeros(row.size), np.arange(row.size), row, entry)
        self.fixed = row.size
        if len(self.tails) > 1:
            self._columns(
                np.zeros(L), np.full(L, -np.inf), np.arange(L), R + np.arange(L), -np.ones(L)
            )
            self.fixed += L

    def _add_tail(self, tail: Tail) -> None:
        """The threshold t of a tail; with several tails also rows and excesses h of its scenarios.

        A single tail needs neither: its threshold enters the loss rows, and e is its excess.
        """
        R, L, count = self.R, self.L, tail.scenarios.size
        single = len(self.tails) == 1
        rows = R + tail.scenarios if single else self.next_tail_row + np.arange(count)
        cost, low = np.array([tail.factor]), np.array([tail.least])
        self._columns(cost, low, np.zeros(1, dtype=np.intp), rows, -np.ones(count))
        self.fixed += 1
        if single:
            return
        for at, s in enumerate(tail.scenarios):
            self.highs.changeCoeff(int(rows[at]), int(2 * R + 2 * L + s), 1.0)
        self._columns(
            tail.cap[tail.scenarios], np.zeros(count), np.arange(count), rows, -np.ones(count)
        )
        self.fixed += count
        self.next_tail_row += count

    def add(
        self,
        groups: IntArray,
        used: FloatArray,
        cost: FloatArray,
        loss: FloatArray,
        sweep: int | IntArray,
    ) -> None:
        """Answers of some groups as columns; `sweep` numbers where they come from."""
        n, width = groups.size, self.R + self.L
        entry = np.concatenate([used, loss, np.ones((n, 1))], axis=1)
        row = np.empty((n, width + 1), dtype=np.int32)
        row[:, :width] = np.arange(width)
        row[:, width] = width + groups
        kept = entry != 0
        start = np.append(0, np.cumsum(kept.sum(axis=1)))[:-1]
        self._columns(cost, np.zeros(n), start, row[kept], entry[kept])
        self.group = np.append(self.group, groups)
        self.sweep = np.append(self.sweep, np.full(n, sweep))
        self.idle = np.append(self.idle, np.zeros(n, dtype=np.intp))

    def solve(self, low: FloatArray, high: FloatArray) -> MasterSolution:
        """Best combination and dual point in the box from low to high (R + L,) (eq. 12)."""
        R, L = self.R, self.L
        cost = np.concatenate([-low[:R], high[:R], high[R:], -low[R:]])
        self.highs.changeColsCost(cost.size, np.arange(cost.size, dtype=np.int32), cost)
        self._run_simplex()
        solution = self.highs.getSolution()
        x, dual = np.array(solution.col_value), -np.array(solution.row_dual)
        box = x[: 2 * R + 2 * L]
        # A bound that the true program has as well does not hold anything back.
        real = np.concatenate([np.ones(2 * R), high[R:] < self.cap * (1 - 1e-9), low[R:] > 0])
        self.iterations += int(self.highs.getInfo().simplex_iteration_count)
        return MasterSolution(
            value=float(self.highs.getInfo().objective_function_value),
            point=np.append(dual[:R], np.clip(dual[R : R + L], 0.0, self.cap)),
            theta=x[self.fixed :],
            held=float(box @ real),
            stresses=self._stresses(dual),
            losses=self._losses(x, np.array(solution.row_value)),
        )

    def _losses(self, x: FloatArray, row: FloatArray) -> FloatArray:
        """sum theta loss, from the loss rows and the columns in them that are no answers."""
        R, L = self.R, self.L
        e, f, rest = x[2 * R : 2 * R + L], x[2 * R + L : 2 * R + 2 * L], np.zeros(L)
        if len(self.tails) == 1:
            rest[self.tails[0].scenarios] = x[2 * R + 2 * L]
        elif self.tails:
            rest = x[2 * R + 2 * L : 2 * R + 3 * L]
        return np.asarray(row[R : R + L] + rest + e - f)

    def _run_simplex(self) -> None:
        """The simplex method from the last basis; if it fails, the next strategy from none."""
        numbers, size = self.tuning.master, self.highs.getNumCol() + self.highs.getNumRow()
        limit = min(numbers.iterations * size, np.iinfo(np.int32).max)
        self.highs.setOptionValue("simplex_iteration_limit", limit)
        for strategy in numbers.strategies:
            self.highs.setOptionValue("simplex_strategy", strategy)
            self.highs.run()
            status = self.highs.modelStatusToString(self.highs.getModelStatus())
            if status == "Optimal":
                return
            self.highs.clearSolver()
        raise SolverFailed(f"HiGHS ended the master program with status {status!r}")

    def _stresses(self, dual: FloatArray) -> tuple[FloatArray, ...]:
        if len(self.tails) < 2:
            return tuple(np.maximum(dual[self.R : self.R + self.L], 0.0) for _ in self.tails)
        row, found = self.R + self.L + self.groups, []
        for tail in self.tails:
            stress = np.zeros(self.L)
            stress[tail.scenarios] = np.maximum(dual[row : row + tail.scenarios.size], 0.0)
            row += tail.scenarios.size
            found.append(stress)
        return tuple(found)

    def forget(self, theta: FloatArray) -> FloatArray:
        """Delete columns that no recent solution used, once they are many; theta of the others.

        Only columns outside the basis are deleted, so the basis stays, and no group's newest one:
        while the group's answer does not change, no other column would replace it.
        """
        self.idle = np.where(theta > 0, 0, self.idle + 1)
        old = np.flatnonzero(self.idle > self.tuning.unused)
        if old.size <= self.tuning.purge * self.idle.size:
            return theta
        basic = np.array(self.highs.getBasicVariables()[1])
        kept = np.ones(self.idle.size, dtype=bool)
        kept[old] = False
        newest = self.group.size - 1 - np.unique(self.group[::-1], return_index=True)[1]
        kept[newest] = True
        kept[basic[basic >= self.fixed] - self.fixed] = True
        gone = np.flatnonzero(~kept)
        self.highs.deleteCols(gone.size, (self.fixed + gone).astype(np.int32))
        self.group, self.sweep = self.group[kept], self.sweep[kept]
        self.idle = self.idle[kept]
        return theta[kept]
