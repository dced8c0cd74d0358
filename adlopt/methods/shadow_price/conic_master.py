"""The master program of any convex objective: the best convex combination of each group's columns.

    minimise  sum_j factor_j rho_j(L_j)
    rows      sum theta used = required                       dual price
              constant + sum theta loss - T <= 0              dual stress q
              T - fund - L_j <= 0,  -L_j <= 0                 dual factor_j w_j (their sum)
              sum theta = 1 for each group                                             (eq. 21)

Each rho_j is a block of a cone program (eq. 20). Clarabel solves the stacked program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import SolverFailed
from adlopt.methods.shadow_price.conic_tuning import ConicMasterTuning
from adlopt.methods.shadow_price.risk_block import RiskBlock


@dataclass(frozen=True, eq=False)
class ConicAnswer:
    """What one master program answers; prices and stresses per unit of the master's money."""

    theta: FloatArray  # (columns,) >= 0, summing to one in each group
    price: FloatArray  # (R,)
    stress: FloatArray  # (S,) q
    terms: tuple[FloatArray, ...]  # (S,) factor_j w_j


class ConicMaster:
    """Columns by group, and the cone program over them."""

    def __init__(
        self,
        required: FloatArray,
        kept: BoolArray,
        constant: FloatArray,
        groups: int,
        factors: tuple[float, ...],
        fund: float | None,
    ) -> None:
        self.required, self.kept = required, kept
        self.constant, self.groups, self.factors, self.fund = constant, groups, factors, fund
        R, S = required.size, constant.size
        self.used, self.loss = np.empty((0, R)), np.empty((0, S))
        self.group, self.sweep = np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
        self.needed = np.empty(0, dtype=np.intp)  # last sweep at which a column had weight

    def add(self, groups: IntArray, used: FloatArray, loss: FloatArray, sweep: int) -> None:
        """A column for each of the groups."""
        self.used, self.loss = np.vstack([self.used, used]), np.vstack([self.loss, loss])
        self.group = np.append(self.group, groups)
        self.sweep = np.append(self.sweep, np.full(groups.size, sweep))
        self.needed = np.append(self.needed, np.full(groups.size, sweep))

    def take_columns(self, other: ConicMaster, ratio: float) -> None:
        """The columns of a master of the same groups, whose unit of money is `ratio` of ours."""
        self.used, self.loss = other.used.copy(), other.loss * ratio
        self.group, self.sweep = other.group.copy(), other.sweep.copy()
        self.needed = other.needed.copy()

    def forget(self, theta: FloatArray, sweep: int, patience: int, weight: float) -> BoolArray:
        """Drop columns below `weight` for `patience` sweeps; the mask of those kept."""
        self.needed[theta > weight] = sweep
        kept = (self.needed >= sweep - patience) | (theta > weight)
        self.keep(kept)
        return np.asarray(kept)

    def keep(self, kept: BoolArray) -> None:
        """Drop the columns that are not marked."""
        self.used, self.loss = self.used[kept], self.loss[kept]
        self.group, self.sweep = self.group[kept], self.sweep[kept]
        self.needed = self.needed[kept]

    def losses(self, theta: FloatArray) -> FloatArray:
        """(S,) losses of a combination."""
        return np.asarray(self.constant + theta @ self.loss)

    def largest(self) -> FloatArray:
        """(S,) largest losses that combinations of the columns can have."""
        most = np.zeros((self.groups, self.constant.size))
        np.maximum.at(most, self.group, self.loss)
        return np.asarray(self.constant + most.sum(axis=0))

    def relative_columns(self) -> tuple[FloatArray, FloatArray]:
        """Losses relative to one column of each group, which are sparser, and that column's."""
        base = np.zeros((self.groups, self.constant.size))
        base[self.group] = self.loss
        relative = self.loss - base[self.group]
        relative[np.abs(relative) < 1e-13] = 0.0
        return relative, base.sum(axis=0)

    def missing(self, theta: FloatArray) -> FloatArray:
        """(R,) how far a combination is from the required sums."""
        return np.where(self.kept, np.abs(theta @ self.used - self.required), 0.0)

    def solve(self, blocks: tuple[RiskBlock, ...], tuning: ConicMasterTuning) -> ConicAnswer:
        """The best combination under the blocks."""
        program = _Program(self, blocks)
        answer = solve_cone_program(
            program.P, program.c, program.A, program.b, program.cones, tuning
        )
        return program.read(answer)


def solve_cone_program(
    P: Any, c: FloatArray, A: Any, b: FloatArray, cones: list[Any], tuning: ConicMasterTuning
) -> Any:
    """Clarabel's answer; shorter steps where it stalls, and the attempt with the least residual.

    SolverFailed if none is of use.
    """
    import clarabel

    best: Any = None
    for step in tuning.steps:
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.tol_gap_abs = settings.tol_gap_rel = tuning.solver_tolerance
        settings.tol_feas = tuning.solver_tolerance
        settings.max_step_fraction = step
        answer = clarabel.DefaultSolver(P, c, A, b, cones, settings).solve()
        if best is None or residual_of(answer) < residual_of(best):
            best = answer
        if str(answer.status) == "Solved":
            break
    residual = residual_of(best)
    if not np.isfinite(residual) or residual > tuning.useless:
        raise SolverFailed(f"CLARABEL: the master program ended with status {best.status}")
    return best


class _Program:
    """The stacked program: variables are the blocks', T where it is needed, and theta."""

    def __init__(self, master: ConicMaster, blocks: tuple[RiskBlock, ...]) -> None:
        import clarabel

        self.master, self.blocks = master, blocks
        S, C, G = master.constant.size, master.group.size, master.groups
        self.first = np.append(0, np.cumsum([block.size for block in blocks]))
        # With one term and no fund its loss variables serve as T.
        self.direct = len(blocks) == 1 and master.fund is None
        self.total = blocks[0].loss if self.direct else self.first[-1] + np.arange(S)
        self.theta = int(self.first[-1]) + (0 if self.direct else S)
        self.size = self.theta + C
        relative, base = master.relative_columns()
        combine = (np.ones(C), (master.group, self.theta + np.arange(C)))
        equal = [
            self._at(master.used[:, master.kept].T, self.theta),
            sp.csc_array(combine, shape=(G, self.size)),
        ]
        below = [self._at(relative.T, self.theta) - self._pick(self.total)]
        right = [-(master.constant + base)]
        fund = master.fund or 0.0
        for j, block in enumerate(blocks if not self.direct else ()):
            loss = self._pick(self.first[j] + block.loss)
            below.append(self._pick(self.total) - loss)
            right.append(np.full(S, fund))
            if master.fund is not None:
                below.append(-loss)
                right.append(np.zeros(S))
        below.append(-self._pick(self.theta + np.arange(C)))
        right.append(np.zeros(C))
        own = [
            self._at(block.A, int(first)) for block, first in zip(blocks, self.first, strict=False)
        ]
        self.A = sp.csc_matrix(sp.vstack([*equal, *below, *own]))
        kept = master.required[master.kept]
        self.b = np.concatenate([kept, np.ones(G), *right, *(block.b for block in blocks)])
        self.equalities = int(kept.size) + G
        inequalities = sum(part.size for part in right)
        self.cones = [clarabel.ZeroConeT(self.equalities), clarabel.NonnegativeConeT(inequalities)]
        for block in blocks:
            self.cones += block.cones
        factors = master.factors
        self.c = np.zeros(self.size)
        for j, block in enumerate(blocks):
            self.c[self.first[j] : self.first[j + 1]] = factors[j] * block.c
        parts = [factor * block.P for factor, block in zip(factors, blocks, strict=True)]
        rest = self.size - int(self.first[-1])
        self.P = sp.csc_matrix(sp.block_diag([*parts, sp.csc_array((rest, rest))]))

    def _pick(self, columns: IntArray) -> sp.csc_array:
        rows = np.arange(columns.size)
        return sp.csc_array((np.ones(rows.size), (rows, columns)), shape=(rows.size, self.size))

    def _at(self, part: Any, column: int) -> sp.csc_array:
        """A block of columns in its place."""
        part = sp.coo_array(part)
        place = (part.coords[0], part.coords[1] + column)
        return sp.csc_array((part.data, place), shape=(part.shape[0], self.size))

    def read(self, answer: Any) -> ConicAnswer:
        master, S, R = self.master, self.master.constant.size, self.master.required.size
        x, dual = np.array(answer.x), np.array(answer.z)
        theta = np.maximum(x[self.theta :], 0.0)
        whole = np.bincount(master.group, theta, minlength=master.groups)
        price = np.zeros(R)
        price[master.kept] = dual[: int(master.kept.sum())]
        at = self.equalities
        stress = np.maximum(dual[at : at + S], 0.0)
        terms: list[FloatArray] = [] if not self.direct else [stress]
        width = S if master.fund is None else 2 * S
        for j in range(0 if self.direct else len(self.blocks)):
            part = dual[at + S + j * width : at + S + (j + 1) * width]
            terms.append(np.maximum(part, 0.0).reshape(-1, S).sum(axis=0))
        return ConicAnswer(
            theta=theta / whole[master.group],
            price=price,
            stress=stress,
            terms=tuple(terms),
        )


def residual_of(answer: Any) -> float:
    """Largest residual or relative gap that Clarabel reports."""
    gap = abs(answer.obj_val - answer.obj_val_dual) / max(1e-3, abs(answer.obj_val))
    return float(max(gap, answer.r_prim, answer.r_dual))
