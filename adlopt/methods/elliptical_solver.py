"""Pool losses under elliptical prices: no scenarios, every pool's loss in closed form.

At given prices of the reduced assets and a given barrier parameter every pool solves a small convex
problem of its own, to the end. Newton's method moves the prices until the answers add up to the
reduction, and the barrier parameter falls. The prices are the only unknowns in common, so no pool
can hold back another (docs/theory/elliptical.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.methods.repair import restore_feasibility
from adlopt.methods.result import Result
from adlopt.model.losses import objective_value
from adlopt.model.problem import Problem
from adlopt.prices.protocol import EllipticalForm, HasEllipticalForm
from adlopt.prices.student import student_constant

if TYPE_CHECKING:
    from adlopt.methods._elliptical_blocks import EllipticalBlocks


@dataclass(frozen=True)
class EllipticalSettings:
    """Tuning numbers: unit, effect and origin of each. "Measured" means benchmarks/elliptical.py.

    Barrier shares are what all barriers together weigh, relative to the loss.
    """

    max_tolerance: float = 1e-8
    """Relative gap: a looser tolerance is tightened to this. There is no sampling error beside it,
    and it costs few sweeps more (measured).
    """
    initial_barrier_share: float = 10.0
    """At first: large enough that half of every position is nearly central."""
    coarse_barrier_share: float = 1e-4
    """When the loss itself is evaluated for the first time, to fix the final share."""
    barrier_share_of_tolerance: float = 0.5
    """At the end, of the tolerance: the other half is left for rounding and repair."""
    barrier_reduction: float = 0.1
    """Of the barrier parameter from one point of the path to the next; 0.1 needs the fewest sweeps
    (measured: 0.2 takes a third more).
    """
    max_centres: int = 60
    """Points of the path; ten suffice, so more mean that rounding holds it up."""
    max_newton: int = 40
    """Newton steps for the prices at one point."""
    max_line_search: int = 40
    """Trials along one of these steps."""
    centred_per_barrier: float = 0.01
    """Squared Newton decrement over the barrier parameter, per barrier, at which the next point is
    within reach of Newton's method.
    """
    centred_max: float = 10.0
    """The same in all."""
    max_stalled: int = 6
    """Steps that do not halve what the sums miss, after which rounding allows no more."""
    sum_tolerance: float = 1e-11
    """What the sums of fractions may miss at the end; the rest is repaired exactly."""
    block_gradient_tolerance: float = 0.1
    """Of a block's gradient, relative to the pull of its barriers: what the last Newton step leaves
    is far below.
    """
    block_max_newton: int = 60
    """Newton steps of a block; ten are typical."""
    block_max_backtracks: int = 30
    """Shorter steps tried in one of them."""
    step_to_boundary: float = 0.995
    """Share of the way to the nearest bound that a step may go (fraction to the boundary, Nocedal
    and Wright, section 19.2).
    """
    curvature_condition: float = 0.5
    """Slope up after a step, relative to the slope down before it, beyond which the step is too
    long (strong Wolfe, Nocedal and Wright, section 3.1).
    """
    shortest_backtrack: float = 0.1
    longest_backtrack: float = 0.9
    """Bounds of a backtrack by the secant, as shares of the step before."""
    multiplier_safeguard: float = 1e3
    """Factor within which a bound's multiplier stays of mu over its slack."""
    flops_per_hessian_entry: int = 10
    """Elementary steps per entry of a pool's Hessian in one sweep, to split the work."""
    table_nodes: int = 2**15
    """Of a table of Student-t tail probabilities: errors are below 1e-13 (tested)."""
    table_range: float = 40.0
    """asinh of its last z, about 1e17."""
    rounding: float = 1e-13
    """Of the equity: a smaller loss before any reduction is zero, and no unit of money."""


SETTINGS = EllipticalSettings()


def elliptical_form(problem: Problem) -> EllipticalForm | None:
    """The price model as volatility and a scalar law, if that is all the objective needs."""
    model = problem.closed_form
    if not isinstance(model, HasEllipticalForm):
        return None
    return model.elliptical_form(problem.book.assets)


def solve(
    problem: Problem,
    law: EllipticalForm,
    *,
    tolerance: float = 1e-6,
    settings: EllipticalSettings = SETTINGS,
) -> Result:
    """Follow the central path until its barriers weigh less than `tolerance` of the loss.

    Parameters
    ----------
    problem : Problem
    law : EllipticalForm
        From `elliptical_form(problem)`.
    tolerance : float
        Relative gap; tightened to `settings.max_tolerance`.
    settings : EllipticalSettings

    Returns
    -------
    Result
        Without multipliers: the allocation is its own proof.
    """
    unit = _typical_loss(problem, settings)
    tolerance = min(tolerance, settings.max_tolerance)
    fraction = np.ones(problem.eligible.size)
    built = build_blocks(problem, law, unit, settings)
    if built is None:
        return Result(
            allocation=restore_feasibility(problem, problem.max_reduction),
            details={"algorithm": "every eligible position is taken whole"},
        )
    blocks, position = built
    path = EllipticalSolver(blocks, settings)
    n_barriers = path.n_barriers
    path.follow(
        settings.initial_barrier_share / n_barriers,
        settings.coarse_barrier_share / n_barriers,
        last=False,
    )
    while True:
        fraction[position] = np.where(path.y < 0.5, path.y, 1.0 - path.yc)
        value = objective_value(problem, fraction * problem.max_reduction) / unit
        goal = settings.barrier_share_of_tolerance * tolerance / n_barriers * value
        # The remaining suboptimality is at most mu * n_barriers.
        reached = path.mu <= (1.0 + settings.coarse_barrier_share) * goal
        if reached or path.out_of_iterations or value == 0.0:
            break
        path.follow(max(settings.barrier_reduction * path.mu, goal), goal)
    allocation = restore_feasibility(problem, fraction * problem.max_reduction)
    details = {
        "algorithm": "pool losses in closed form",
        "path_points": path.centres,
        "sweeps": path.sweeps,
    }
    return Result(allocation, details=details)


def build_blocks(
    problem: Problem, law: EllipticalForm, unit: float, settings: EllipticalSettings = SETTINGS
) -> tuple[EllipticalBlocks, IntArray] | None:
    """Each pool's choices and what it holds besides, in `unit` money, and the choices' rows among
    the eligible positions; None if every position is taken whole.
    """
    from adlopt.methods._elliptical_blocks import EllipticalBlocks, rotate_to_span

    cap = np.abs(problem.max_reduction)
    not_exhausted = (problem.required != 0) & ~problem.exhausted_assets
    coupling_row = np.cumsum(not_exhausted) - 1
    position = np.flatnonzero(not_exhausted[problem.asset] & (cap > 0))
    if not position.size:
        return None
    asset, capacity = problem.asset[position], problem.max_reduction[position]
    pools, first = np.unique(problem.pool[position], return_index=True)
    variable = np.append(first, position.size).astype(np.intp)
    columns = np.diff(variable) + 1
    lengths = columns * np.minimum(columns, law.root.shape[1])
    entry = np.append(0, np.cumsum(lengths)).astype(np.intp)
    basis = np.empty(entry[-1])
    root = law.root / unit
    fixed = problem.size_matrix(problem.max_reduction)[pools] @ root
    scratch = np.empty((columns.max(), root.shape[1])), np.empty(root.shape[1])
    everyone = np.arange(pools.size)
    rotate_to_span(everyone, variable, entry, fixed, asset, root, capacity, basis, *scratch)
    # Equity before the variables act: exhausted assets are already settled.
    settled = problem.max_reduction.copy()
    settled[position] = 0.0
    finite = np.isfinite(law.df)
    tabled = finite and bool(problem.settlement_offset[asset].any())
    blocks = EllipticalBlocks(
        variable=variable,
        entry=entry,
        basis=basis,
        equity=problem.equity_after(settled)[pools] / unit,
        offset=problem.settlement_offset[asset] * capacity / unit,
        row=coupling_row[asset].astype(np.intp),
        share=np.abs(capacity / problem.required[asset]),
        df=float(law.df),
        constant=float(student_constant(law.df) if finite else 1.0 / np.sqrt(2 * np.pi)),
        table=log_tail_table(law.df, settings) if tabled else np.empty((2, 0)),
        table_range=settings.table_range,
    )
    return blocks, position


class EllipticalSolver:
    """The central path of the coupled problem, and where it stands.

    Attributes
    ----------
    y, yc : (variables,) fractions taken, and one minus them
    prices : (d,) of the coupling sums
    mu : barrier parameter
    centres, sweeps : points of the path so far, and solves of all blocks
    """

    def __init__(self, blocks: EllipticalBlocks, settings: EllipticalSettings = SETTINGS) -> None:
        from adlopt._internal.parallel import shares

        self.blocks, self.settings = blocks, settings
        d = int(blocks.row.max()) + 1
        self.n_barriers = 2 * blocks.share.size
        self.prices = np.zeros(d)
        self.y = np.full(blocks.share.size, 0.5)
        self.yc = self.y.copy()
        self.mu = np.inf
        self.d_sums_d_mu, self.schur = np.zeros(d), np.eye(d)
        self.centres = self.sweeps = 0
        width = np.diff(blocks.variable)
        steps = settings.flops_per_hessian_entry * (20 + width + width**2).mean()
        self.chunks = shares(width.size, int(steps))

    @property
    def out_of_iterations(self) -> bool:
        return self.centres >= self.settings.max_centres

    def follow(self, mu: float, goal: float, *, last: bool = True) -> None:
        """Decrease the barrier parameter from `mu` to `goal`; the `last` point is centred to
        `sum_tolerance`.
        """
        reduction = self.settings.barrier_reduction
        while True:
            mu = max(mu, goal)
            previous, self.mu = min(self.mu, mu / reduction), mu
            if self.centres:  # where the prices go as the parameter falls
                predicted = solve_prices(self.schur, self.d_sums_d_mu) * (mu - previous)
                self.prices = self.prices + predicted
            self._newton_on_prices(previous, last=last and mu <= goal)
            self.centres += 1
            if mu <= goal or self.out_of_iterations:
                return
            mu *= reduction

    def _newton_on_prices(self, previous: float, *, last: bool) -> None:
        """Newton's method for the prices at this barrier parameter."""
        settings = self.settings
        total = self._solve_blocks(previous)
        best, stalled = np.inf, 0
        per_barrier = settings.centred_per_barrier * self.n_barriers
        centred = min(per_barrier, settings.centred_max) * self.mu
        for _ in range(settings.max_newton):
            direction = solve_prices(self.schur, total - 1.0)
            newton_decrement = float(direction @ (total - 1.0))  # squared; the dual is concave
            missing = float(np.abs(total - 1.0).max())
            stalled = 0 if missing < best / 2 else stalled + 1
            summed = missing <= settings.sum_tolerance or stalled == settings.max_stalled
            if newton_decrement <= centred and (not last or summed):
                break
            best = min(best, missing)
            origin, step = self.prices, 1.0
            for _ in range(settings.max_line_search):
                self.prices = origin + step * direction
                total = self._solve_blocks(self.mu)
                directional_derivative = float(direction @ (total - 1.0))
                if directional_derivative >= -newton_decrement / 2:
                    break
                step *= max(newton_decrement / (newton_decrement - directional_derivative), 0.1)

    def _solve_blocks(self, previous: float) -> FloatArray:
        """Let every pool answer the prices, from where it stood at barrier parameter `previous`;
        sums of fractions (d,).
        """
        from adlopt._internal.parallel import on_all
        from adlopt.methods import _elliptical_kernels as kernels
        from adlopt.methods._elliptical_blocks import Barrier

        self.sweeps += 1
        d, settings = self.prices.size, self.settings
        barrier = Barrier(
            mu=float(self.mu),
            previous=float(previous),
            gradient_tolerance=settings.block_gradient_tolerance,
            step_to_boundary=settings.step_to_boundary,
            curvature_condition=settings.curvature_condition,
            max_newton=settings.block_max_newton,
            max_backtracks=settings.block_max_backtracks,
            shortest_backtrack=settings.shortest_backtrack,
            longest_backtrack=settings.longest_backtrack,
            multiplier_safeguard=settings.multiplier_safeguard,
        )
        arguments = (self.blocks, self.prices, barrier, self.y, self.yc)
        total, self.d_sums_d_mu, self.schur = on_all(
            kernels.solve_block_barriers, self.chunks, arguments, (d,), (d,), (d, d)
        )
        return total


def _typical_loss(problem: Problem, settings: EllipticalSettings) -> float:
    """Money unit: the loss when every position gives the same share, or before any reduction."""
    equity = float(problem.book.equity[problem.book.solvent].sum())
    for allocation in (problem.pro_rata(), None):
        value = objective_value(problem, allocation)
        if value > settings.rounding * equity:
            return value
    return equity


def log_tail_table(df: float, settings: EllipticalSettings = SETTINGS) -> FloatArray:
    """(2, nodes) logarithm of P(X > z) and its slope per node, on equal steps of asinh z."""
    from scipy.special import stdtr

    x = np.linspace(-settings.table_range, settings.table_range, settings.table_nodes)
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
