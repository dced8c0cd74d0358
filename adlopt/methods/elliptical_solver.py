"""Shadow prices for smooth pool losses: no scenarios, every pool's loss in closed form.

At given prices of the reduced assets and a given barrier weight every pool solves a small convex
problem of its own, to
the end. Newton's method moves the prices until the answers add up to the reduction, and the barrier
weight falls. The
prices are the only unknowns in common, so that no pool can hold back another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.methods.repair import restore_feasibility
from adlopt.methods.result import Result
from adlopt.model.losses import objective_value
from adlopt.model.problem import Problem
from adlopt.prices.protocol import EllipticalForm, HasEllipticalForm
from adlopt.prices.student import student_constant

START = 10.0  # times the loss: what all barriers together weigh at first
FALL = 0.1  # of the barrier weight, from one point of the path to the next
ROUGH = 1e-4  # of the loss: what the barriers weigh when the loss itself is looked at
# gap that is always aimed at: without sampling errors it means something, and costs a few sweeps
# more
CLOSE = 1e-8
AIM = 0.5  # of the tolerance: what the barriers weigh at the end
POINTS, STEPS = 60, 40  # of the path; of Newton's method at each
CENTRED, MOST = (
    0.01,
    10.0,
)  # per barrier, and in all: decrement over barrier weight at which the next point is in reach
ACCURACY = 0.1  # of a block's gradient, relative to its barriers'
PATIENCE = 6  # steps that do not halve what the sums miss, after which rounding allows no more
CLOSED = 1e-11  # what the sums of fractions may miss at the end
NEWTON = 10  # elementary steps per entry of a pool's Hessian in one sweep
NODES, REACH = 2**15, 40.0  # of a table of tail probabilities: equal steps of asinh z


def radial(problem: Problem) -> EllipticalForm | None:
    """The price model as volatility and a scalar law, if that is all the objective needs."""
    model = problem.closed_form
    if not isinstance(model, HasEllipticalForm):
        return None
    return model.elliptical_form(problem.book.assets)


@dataclass(frozen=True, eq=False)
class Blocks:
    """The pools with a choice, in fractions of positions and units of money (see
    `_smooth_kernels`).
    """

    variable: IntArray
    entry: IntArray
    basis: FloatArray
    equity: FloatArray
    offset: FloatArray
    row: IntArray
    share: FloatArray
    df: float
    constant: float
    table: FloatArray
    reach: float
    position: IntArray  # (variables,) among the eligible positions

    @property
    def arrays(self) -> tuple[Any, ...]:
        return (
            self.variable,
            self.entry,
            self.basis,
            self.equity,
            self.offset,
            self.row,
            self.share,
            self.df,
            self.constant,
            self.table,
            self.reach,
        )


def solve(problem: Problem, law: EllipticalForm, *, tolerance: float = 1e-6) -> Result:
    """Follow the path until its barriers weigh less than `tolerance` of the loss, or `CLOSE` if
    that is less.
    """
    unit = _typical_loss(problem)
    tolerance = min(tolerance, CLOSE)
    fraction = np.ones(problem.eligible.size)
    blocks = build(problem, law, unit)
    if blocks is None:
        return Result(
            allocation=restore_feasibility(problem, problem.max_reduction),
            details={"algorithm": "every eligible position is taken whole"},
        )
    path = Path(blocks)
    path.follow(START / path.barriers, ROUGH / path.barriers, last=False)
    while True:
        fraction[blocks.position] = np.where(path.y < 0.5, path.y, 1.0 - path.yc)
        value = objective_value(problem, fraction * problem.max_reduction) / unit
        goal = AIM * tolerance / path.barriers * value
        # What the value falls from here on is no more than what the barriers weigh.
        if path.mu <= (1.0 + ROUGH) * goal or path.exhausted or value == 0.0:
            break
        path.follow(max(FALL * path.mu, goal), goal)
    allocation = restore_feasibility(problem, fraction * problem.max_reduction)
    return Result(
        allocation,
        details={
            "algorithm": "pool losses in closed form",
            "path_points": path.points,
            "sweeps": path.sweeps,
        },
    )


def build(problem: Problem, law: EllipticalForm, unit: float) -> Blocks | None:
    """Gather each pool's choices, and what it holds besides, in `unit` money; None if every
    position is taken whole.
    """
    from adlopt.methods import _elliptical_kernels as kernels

    cap = np.abs(problem.max_reduction)
    open_asset = (problem.required != 0) & ~problem.exhausted_assets
    number = np.cumsum(open_asset) - 1
    position = np.flatnonzero(open_asset[problem.asset] & (cap > 0))
    if not position.size:
        return None
    asset, capacity = problem.asset[position], problem.max_reduction[position]
    pools, first = np.unique(problem.pool[position], return_index=True)
    variable = np.append(first, position.size).astype(np.int64)
    columns = np.diff(variable) + 1
    entry = np.append(0, np.cumsum(columns * np.minimum(columns, law.root.shape[1]))).astype(
        np.int64
    )
    basis = np.empty(entry[-1])
    root = law.root / unit
    fixed = problem.size_matrix(problem.max_reduction)[pools] @ root
    kernels.compress(variable, entry, fixed, asset, root, capacity, basis)
    # Equity with the choices open: what is taken whole has settled.
    whole = problem.max_reduction.copy()
    whole[position] = 0.0
    finite = np.isfinite(law.df)
    tabled = finite and bool(problem.settlement_offset[asset].any())
    return Blocks(
        variable=variable,
        entry=entry,
        basis=basis,
        equity=problem.equity_after(whole)[pools] / unit,
        offset=problem.settlement_offset[asset] * capacity / unit,
        row=number[asset].astype(np.int64),
        share=np.abs(capacity / problem.required[asset]),
        df=law.df,
        constant=student_constant(law.df) if finite else 1.0 / np.sqrt(2 * np.pi),
        table=_table(law.df) if tabled else np.empty((2, 0)),
        reach=REACH,
        position=position,
    )


class Path:
    """The central path, and where we stand on it."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.rows = int(blocks.row.max()) + 1
        self.barriers = 2 * blocks.share.size
        self.prices = np.zeros(self.rows)
        self.y = np.full(blocks.share.size, 0.5)
        self.yc = self.y.copy()
        self.mu = np.inf
        self.drift, self.schur = np.zeros(self.rows), np.eye(self.rows)
        self.points = self.sweeps = self.steps = self.unsettled = 0
        from adlopt._internal.parallel import shares

        width = np.diff(blocks.variable)
        self.chunks = shares(width.size, int(NEWTON * (20 + width + width**2).mean()))

    @property
    def exhausted(self) -> bool:
        return self.points >= POINTS

    def follow(self, mu: float, goal: float, *, last: bool = True) -> None:
        """Walk down from barrier weight `mu` to `goal`."""
        while True:
            mu = max(mu, goal)
            before, self.mu = min(self.mu, mu / FALL), mu
            if self.points:  # where the prices go as the weight falls
                self.prices = self.prices + solve_prices(self.schur, self.drift) * (mu - before)
            self._centre(before, last=last and mu <= goal)
            self.points += 1
            if mu <= goal or self.exhausted:
                return
            mu *= FALL

    def _centre(self, before: float, *, last: bool) -> None:
        """Newton's method for the prices at this barrier weight."""
        total = self._relax(before)
        best, stalled = np.inf, 0
        centred = min(CENTRED * self.barriers, MOST) * self.mu
        for _ in range(STEPS):
            step = solve_prices(self.schur, total - 1.0)
            rise = float(step @ (total - 1.0))  # of the dual function along the step: concave
            missing = float(np.abs(total - 1.0).max())
            stalled = 0 if missing < best / 2 else stalled + 1
            if rise <= centred and (not last or missing <= CLOSED or stalled == PATIENCE):
                break
            best = min(best, missing)
            origin, far = self.prices, 1.0
            for _ in range(STEPS):
                self.prices = origin + far * step
                total = self._relax(self.mu)
                ahead = float(step @ (total - 1.0))
                if ahead >= -rise / 2:
                    break
                far *= max(rise / (rise - ahead), 0.1)

    def _relax(self, before: float) -> FloatArray:
        """Let every pool answer the prices, from where it stood at barrier weight `before`; sums of
        fractions (d,).
        """
        from adlopt._internal.parallel import on_all
        from adlopt.methods import _elliptical_kernels as kernels

        self.sweeps += 1
        d = self.rows
        arguments = (*self.blocks.arrays, self.prices, self.mu, before, ACCURACY, self.y, self.yc)
        total, self.drift, self.schur, work = on_all(
            kernels.relax, self.chunks, arguments, (d,), (d,), (d, d), (2,)
        )
        self.steps += int(work[0])
        self.unsettled = int(work[1])
        return total


def _typical_loss(problem: Problem) -> float:
    """Money unit: the loss when every position gives the same share, or before any reduction."""
    equity = float(problem.book.equity[problem.book.solvent].sum())
    for allocation in (problem.pro_rata(), None):
        value = objective_value(problem, allocation)
        if value > 1e-13 * equity:
            return value
    return equity


def _table(df: float) -> FloatArray:
    """(2, nodes) logarithm of P(X > z) and its slope per node, on equal steps of asinh z."""
    from scipy.special import stdtr

    x = np.linspace(-REACH, REACH, NODES)
    z = np.sinh(x)
    tail = np.maximum(stdtr(df, -z), np.finfo(float).tiny)
    density = student_constant(df) * np.exp(-0.5 * (df + 1) * np.log1p(z * z / df))
    return np.array([np.log(tail), -density / tail * np.cosh(x) * (x[1] - x[0])])


def solve_prices(schur: FloatArray, residual: FloatArray) -> FloatArray:
    """Change of prices that answers the residual; the barriers make the matrix positive definite,
    rounding aside.
    """
    scale = np.sqrt(np.maximum(np.diag(schur), np.finfo(float).tiny))
    return np.asarray(
        np.linalg.lstsq(schur / (scale[:, None] * scale), residual / scale)[0] / scale
    )
