"""Shadow prices: the general cross-margin problem, taken apart by what one more contract of each asset costs.

At given prices of the reduced assets every pool has a small problem of its own. An interior-point path leads to the
prices at which their answers add up to the reduction: on it each pool's barrier problem is solved to the end, with steps
of its own length, and only the prices move by a common Newton step. One step length for all, as in a textbook
interior-point method, is set by the worst of a hundred thousand pools and stalls.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from adlopt._tables import FloatArray, IntArray
from adlopt.errors import NotApplicable
from adlopt.methods import _shadow_kernels as kernels
from adlopt.methods import merit_order
from adlopt.methods.feasible import repaired, typical_loss
from adlopt.methods.presolve import Presolved, presolve
from adlopt.methods.result import Multipliers, Result
from adlopt.methods.tail import Tail, parts
from adlopt.problem import Problem

STEPS = 200  # of the interior-point method, at most
PATIENCE = 15  # steps without a smaller gap, after which rounding allows no more
START = 100.0  # times the typical loss per scenario: the path's first barrier weight
STEEPEST, GENTLE = 0.05, 0.2  # least factors by which the barrier weight falls in one step
WELL_POSED = 1e8  # prices per residual, both scaled: beyond, the equations determine less than they seem to
LAG, LEAST_LAG, MOST_LAG = 0.5, 0.02, 0.1  # share of the movement that blocks unable to follow may miss: LAG over the assets
BEHIND, SETTLING = 0.5, 3  # blocks whose step was shorter get up to so many of their own
NEAR, AIM, FLOOR = 30.0, 0.3, 0.03  # in tolerances: when to look at the gap, what is enough, what the path leaves at its end
CLOSED = 1e-6  # sums of fractions this near to one are closed without a thought to their cost
FULL = 1e-13  # relative to capacity: a reduction this close to it takes all there is


@dataclass(frozen=True, eq=False)
class Blocks:
    """The presolved program by blocks, in fractions of positions and units of money (see `_shadow_kernels`)."""

    variable: IntArray
    pair: IntArray
    hinge: IntArray
    entry: IntArray
    asset: IntArray
    share: FloatArray
    scenario: IntArray
    level: FloatArray
    slope: FloatArray
    pool: IntArray  # (pairs,)
    column: IntArray  # (e,) variable of each eligible position, -1 if it is taken whole
    constant: FloatArray  # (S,) loss that nothing can change

    @property
    def arrays(self) -> tuple[Any, ...]:
        return (
            self.variable, self.pair, self.hinge, self.entry, self.asset, self.share, self.scenario, self.level, self.slope,
        )  # fmt: skip


def obstacle(problem: Problem) -> str | None:
    """Why the method does not apply, or None if it does."""
    if problem.prices is None:
        return "the problem has no price model"
    if parts(problem.objective) is None:
        return f"the objective {problem.objective} is not a mixture of expected loss and CVaRs"
    if problem.insurance_fund > 0:
        return "an insurance fund couples all pools in every scenario"
    return None


def solve(problem: Problem, *, tolerance: float = 1e-6, presolved: Presolved | None = None) -> Result:
    """Follow the central path until the relative gap is proven to be at most `tolerance`.

    `presolved` spares a sweep over reductions the presolve, which depends on the boxes alone.
    """
    reason = obstacle(problem)
    if reason is not None:
        raise NotApplicable(f"shadow_price: {reason}; use method='conic'")
    presolved = presolve(problem) if presolved is None else presolved
    tail = any(level > 0 for _, _, level in parts(problem.objective) or [])
    if problem.reduced_assets.size == 1 and not tail:
        return merit_order.solve(problem, presolved)
    unit = typical_loss(problem)
    weights = problem.scenarios.weights
    blocks = build(problem, presolved, weights, unit)
    if not blocks.share.size:  # every position is taken whole
        return Result(allocation=repaired(problem, problem.capacity), note=str(presolved))
    path = Path(blocks, Tail(problem.objective, weights, blocks.constant))
    note = path.follow(tolerance)
    fraction = np.ones(problem.position.size)
    inside = blocks.column >= 0
    fraction[inside] = path.y[blocks.column[inside]]
    return Result(
        allocation=repaired(problem, fraction * problem.capacity),
        multipliers=Multipliers(
            stress=path.tail.by_term(),
            uncovered=np.ones(weights.size),
            pool=blocks.pool,
            scenario=blocks.scenario,
            weight=path.shares(),
        ),
        note=f"{presolved}; {note}",
    )


def build(problem: Problem, presolved: Presolved, stress: FloatArray, unit: float) -> Blocks:
    """Sort what the presolve left into blocks; scenarios without stress drop out."""
    d = problem.target.size
    cap = np.abs(problem.capacity)
    available = np.bincount(problem.asset, cap, minlength=d)
    full = np.abs(problem.target) >= available * (1 - FULL)
    row = np.full(d, -1)
    row[problem.reduced_assets] = np.where(full[problem.reduced_assets], -1, 0)
    row[row == 0] = np.arange((row == 0).sum())
    free_asset = row[problem.asset] >= 0
    choice = free_asset & (cap > 0)

    linear, hinges = presolved.linear, presolved.hinges
    keep_l, keep_h = stress[linear.scenario] > 0, stress[hinges.scenario] > 0
    pool = np.concatenate([linear.pool[keep_l], hinges.pool[keep_h]])
    order = np.argsort(pool, kind="stable")
    pool = pool[order]
    scenario = np.concatenate([linear.scenario[keep_l], hinges.scenario[keep_h]])[order]
    level = np.concatenate([linear.shortfall[keep_l], hinges.shortfall[keep_h]])[order] / unit
    is_linear = order < keep_l.sum()

    pair = np.append(np.flatnonzero(np.diff(pool, prepend=-1)), pool.size)
    block_pool = pool[pair[:-1]]
    block_of_pair = np.repeat(np.arange(block_pool.size), np.diff(pair))
    hinge = pair[:-1] + np.bincount(block_of_pair[is_linear], minlength=block_pool.size)

    block = np.full(problem.book.equity.size, -1)
    block[block_pool] = np.arange(block_pool.size)
    own = choice & (block[problem.pool] >= 0)
    rows = np.flatnonzero(own)
    column = np.full(problem.position.size, -1)
    column[rows] = np.arange(rows.size)
    variable = np.searchsorted(problem.pool[rows], block_pool)
    share = cap[rows] / np.abs(problem.target[problem.asset[rows]])
    asset = row[problem.asset[rows]]
    slope, _ = _slopes(problem, rows, np.append(variable, rows.size), block_of_pair, scenario)
    taken = np.flatnonzero(~free_asset & (block[problem.pool] >= 0) & (cap > 0))
    if taken.size:
        start = np.searchsorted(problem.pool[taken], np.append(block_pool, problem.book.equity.size))
        shift, of_pair = _slopes(problem, taken, start, block_of_pair, scenario)
        level += np.bincount(of_pair, shift, minlength=level.size) / unit

    # Pools without pairs: all their positions in an asset are one variable, a block of its own.
    merged = np.flatnonzero(choice & ~own)
    weight = np.bincount(
        row[problem.asset[merged]],
        cap[merged] / np.abs(problem.target[problem.asset[merged]]),
        minlength=max(int(row.max()) + 1, 0),
    )
    lone = np.flatnonzero(weight)
    number = np.full(weight.size, -1)
    number[lone] = rows.size + np.arange(lone.size)
    column[merged] = number[row[problem.asset[merged]]]
    width = np.append(np.diff(np.append(variable, rows.size)), np.ones(lone.size, dtype=np.int64))
    return Blocks(
        variable=np.concatenate([variable, rows.size + np.arange(lone.size + 1)]),
        pair=np.append(pair, np.full(lone.size, pool.size)),
        hinge=np.append(hinge, np.full(lone.size, pool.size)),
        entry=np.append(
            np.concatenate([[0], np.cumsum(np.diff(pair) * width[: block_pool.size])]), np.zeros(lone.size, np.int64)
        ),
        asset=np.append(asset, lone),
        share=np.append(share, weight[lone]),
        scenario=scenario,
        level=level,
        slope=slope / unit,
        pool=pool,
        column=column,
        constant=presolved.constant / unit,
    )


def _slopes(
    problem: Problem, rows: IntArray, start: IntArray, block_of_pair: IntArray, scenario: IntArray
) -> tuple[FloatArray, IntArray]:
    """Change of each pair's shortfall if the whole of each eligible position in `rows` of its block is taken; its pair."""
    count = np.diff(start)[block_of_pair]
    of_pair = np.repeat(np.arange(count.size), count)
    first = np.cumsum(count) - count
    position = rows[start[block_of_pair][of_pair] + np.arange(of_pair.size) - first[of_pair]]
    asset = problem.asset[position]
    change = problem.moves[asset, scenario[of_pair]] - problem.settlement_offset[asset]
    return change * problem.capacity[position], of_pair


class Path:
    """The central path of a program in blocks, and where we stand on it."""

    def __init__(self, blocks: Blocks, tail: Tail) -> None:
        self.blocks, self.tail, self.stress = blocks, tail, tail.stress
        stress = self.stress
        self.rows = int(blocks.asset.max()) + 1 if blocks.asset.size else 0
        self.lag = min(MOST_LAG, max(LEAST_LAG, LAG / max(self.rows, 1)))
        self.value = 1.0
        self.mu = START * float(np.median(stress[stress > 0]))
        tail.start(self.mu)
        self.prices = np.array(
            [_opening_price(blocks.share[blocks.asset == k], self.mu) for k in range(self.rows)], dtype=np.float64
        )
        pull = self.prices[blocks.asset] * blocks.share / self.mu
        self.y, self.yc = _opening_fraction(pull), _opening_fraction(-pull)
        self.low, self.high = self.mu / self.y, self.mu / self.yc
        q = stress[blocks.scenario]
        self.u, self.s = 2 * self.mu / q, 2 * self.mu / q
        self.w, self.v = q / 2, q / 2
        self.measures = 2 * blocks.share.size + 2 * int((blocks.pair[1:] - blocks.hinge).sum()) + 2 * tail.w.size
        self.chunks = _chunks(blocks)
        width = np.diff(blocks.variable)
        corner = np.cumsum(width * (width + 1) // 2)
        self.corner = np.append(0, corner[:-1])
        self.factor = np.empty(corner[-1])
        self.base = np.empty((2, blocks.share.size))
        self.dy = np.empty(blocks.share.size)
        self.twist = np.zeros((2, blocks.share.size))
        self.bend = np.zeros((2, blocks.level.size))
        self.dw = np.empty(blocks.level.size)
        self.reach = np.empty((2, width.size))

    def _assemble(self, chunks: list[IntArray] | None = None) -> tuple[FloatArray, FloatArray]:
        """Newton's equations at the present point: Schur complement (d, d) and what comes of sum A y (2, d)."""
        d = self.rows
        arguments = (*self.blocks.arrays, self.prices, self.stress, *self.state, self.corner, self.factor, self.base)
        schur, ahead = _each(kernels.assemble, chunks or self.chunks, arguments, (d, d), (2, d))
        return schur, ahead

    def _predict(self, change: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Second-order terms of the step to the end of the path: what they add to sum A y (d,), and the lag (2, BINS)."""
        arguments = (
            *self.blocks.arrays, change, self.stress, 0.0, *self.state, self.corner, self.factor, self.base,
            self.dy, self.dw, self.twist, self.bend,
        )  # fmt: skip
        ahead, lag = _each(kernels.predict, self.chunks, arguments, (self.rows,), (2, kernels.BINS))
        return ahead, lag

    def _direct(self, chunks: list[IntArray], change: FloatArray, goal: FloatArray, mu: float) -> FloatArray:
        """Direction to barrier weight mu and stress `goal` with prices changed; the lag (2, BINS)."""
        arguments = (
            *self.blocks.arrays, change, self.stress, goal, goal is not self.stress, mu, *self.state,
            self.corner, self.factor, self.base, self.twist, self.bend, self.dy, self.dw, self.reach,
        )  # fmt: skip
        return _each(kernels.direct, chunks, arguments, (2, kernels.BINS))[0]

    def _advance(self, chunks: list[IntArray], goal: FloatArray, mu: float, far: float, far_dual: float) -> None:
        b = self.blocks
        arguments = (
            b.variable, b.pair, b.hinge, b.scenario, goal, mu, far, far_dual, *self.state,
            self.twist, self.bend, self.dy, self.dw, self.reach,
        )  # fmt: skip
        _each(kernels.advance, chunks, arguments)

    @property
    def state(self) -> tuple[FloatArray, ...]:
        return self.y, self.yc, self.low, self.high, self.u, self.s, self.w, self.v

    def bounds(self) -> tuple[float, float]:
        """Cost of the program at y, and the proven bound, in units."""
        arguments = (*self.blocks.arrays, self.prices, self.stress, self.y, self.w)
        least, loss = _each(kernels.bounds, self.chunks, arguments, (1,), (self.stress.size,))
        loss += self.blocks.constant
        self.value = self.tail.objective.value(np.maximum(loss, 0.0), self.tail.weights)
        return self.value, float(least[0] + self.stress @ self.blocks.constant - self.prices.sum())

    def shares(self) -> FloatArray:
        """Multipliers of all pairs as shares of their scenario's stress."""
        share = np.clip(self.w / self.stress[self.blocks.scenario], 0.0, 1.0)
        linear = np.arange(share.size) < np.repeat(self.blocks.hinge, np.diff(self.blocks.pair))
        share[linear] = 1.0
        return share

    def follow(self, tolerance: float) -> str:
        """Walk down the path until the relative gap is proven, or the numbers allow no more."""
        best, at, reach = np.inf, STEPS, 0.5
        for step in range(1, STEPS + 1):
            schur, ahead = self._assemble()
            if self.measures * self.mu < NEAR * tolerance:
                gap = self.gap()
                if gap < best:
                    best, found, at = gap, self._answer(), step
                if gap <= AIM * tolerance or step > at + PATIENCE:
                    break
            if not np.isfinite(schur).all() or not np.isfinite(ahead).all():
                break
            if self.tail.mixture:
                response, loss = self._couple()
                mu = self._target(tolerance, reach)
                change, goal = self.tail.direct(schur, ahead[0] + mu * ahead[1] - 1.0, response, loss[0] + mu * loss[1], mu)
                limit = self.tail.reach(kernels.BOUNDARY)
            else:
                affine, lag = self._predict(_solve(schur, ahead[0] - 1.0))
                ahead[0] += affine
                mu = self._target(tolerance, min(kernels.common_step(part, self.lag) for part in lag))
                change, goal = _solve(schur, ahead[0] + mu * ahead[1] - 1.0), self.stress
                limit = 1.0, 1.0
            lag = self._direct(self.chunks, change, goal, mu)
            far, far_dual = (min(kernels.common_step(part, self.lag), most) for part, most in zip(lag, limit, strict=True))
            self._advance(self.chunks, goal, mu, far, far_dual)
            self.prices = self.prices + far_dual * change
            reach = min(far, far_dual)
            self.mu += reach * (mu - self.mu)
            if self.tail.mixture:
                self.tail.advance(far, far_dual)
                self.stress = self.tail.stress
            self._settle()
        if np.isfinite(best):
            self.y, self.w, self.prices, self.tail.w, self.stress = found
        return f"{step} interior-point steps"

    def _answer(self) -> tuple[FloatArray, ...]:
        return self.y.copy(), self.w.copy(), self.prices.copy(), self.tail.w.copy(), self.stress.copy()

    def gap(self) -> float:
        """Relative gap, the cost of closing the sums included at twice the shadow prices."""
        value, bound = self.bounds()
        missing = np.bincount(self.blocks.asset, self.blocks.share * self.y, minlength=self.rows) - 1.0
        if value == 0.0 and np.abs(missing).max() < CLOSED:
            return 0.0
        excess = abs(value - bound) + 2.0 * float(np.abs(self.prices * missing).sum())
        return excess / max(abs(value), np.finfo(float).tiny)

    def _target(self, tolerance: float, reach: float) -> float:
        """The next barrier weight: the smaller, the further a step can go; not below what the tolerance asks for."""
        floor = FLOOR * tolerance / self.measures * max(self.value, np.finfo(float).tiny)
        # Steps corrected to second order bear a steeper path.
        fall = max(GENTLE, 1.0 - reach) if self.tail.mixture else max(STEEPEST, (1.0 - reach) ** 2)
        return max(self.mu * fall, min(self.mu, floor))

    def _couple(self) -> tuple[FloatArray, FloatArray]:
        """Answer of sums and losses to prices and stresses (d + S, d + S), and the losses (2, S)."""
        S = self.stress.size
        arguments = (
            *self.blocks.arrays, self.stress, self.y, self.u, self.s, self.w, self.v, self.corner, self.factor, self.base
        )  # fmt: skip
        response, loss = _each(kernels.couple, self.chunks, arguments, (self.rows + S, self.rows + S), (2, S))
        return response, loss

    def _settle(self) -> None:
        """Newton steps of their own, at the prices of all, for blocks that could not follow: they would hold back the next."""
        behind = self.chunks
        self.twist[:] = 0.0
        self.bend[:] = 0.0
        for _ in range(SETTLING):
            behind = [chunk[self.reach[:, chunk].min(axis=0) < BEHIND] for chunk in behind]
            if not sum(chunk.size for chunk in behind):
                break
            self._assemble(behind)
            self._direct(behind, np.zeros(self.rows), self.stress, self.mu)
            self._advance(behind, self.stress, self.mu, 1.0, 1.0)


def _each(
    kernel: Callable[..., None], chunks: list[IntArray], arguments: tuple[Any, ...], *shapes: tuple[int, ...]
) -> list[FloatArray]:
    """Run a kernel over chunks of blocks, a thread each; what they add up, by the shapes of its outputs."""
    out = [[np.zeros(shape) for shape in shapes] for _ in chunks]
    if len(chunks) == 1:
        kernel(chunks[0], *arguments, *out[0])
        return out[0]
    with ThreadPoolExecutor(len(chunks)) as executor:
        list(executor.map(lambda chunk, own: kernel(chunk, *arguments, *own), chunks, out))
    return [np.sum(part, axis=0) for part in zip(*out, strict=True)]


def _chunks(blocks: Blocks) -> list[IntArray]:
    """Runs of blocks of like work, one per processor; one run where threads would cost more than they save."""
    work = np.cumsum(np.diff(blocks.pair) + 1)
    processors = min(os.cpu_count() or 1, 1 + int(work[-1]) // 20_000)
    cut = np.searchsorted(work, work[-1] * np.arange(1, processors) / processors)
    edge = [0, *(int(c) for c in cut), work.size]
    return [np.arange(a, b) for a, b in pairwise(edge)]


def _opening_fraction(pull: FloatArray) -> FloatArray:
    """Minimiser over (0, 1) of pull y - log y - log(1 - y)."""
    return 2.0 / (pull + 2.0 + np.hypot(pull, 2.0))


def _opening_price(share: FloatArray, mu: float) -> float:
    """Price at which boxes alone, at barrier weight mu, roughly add up to the reduction: sum A y(price A / mu) = 1."""

    def excess(pull: float) -> float:
        return float(share @ _opening_fraction(pull * share)) - 1.0

    sign = 1.0 if excess(0.0) > 0 else -1.0
    near, beyond = 0.0, sign / float(share.max())
    while excess(beyond) * sign > 0:
        near, beyond = beyond, 2 * beyond
    for _ in range(12):
        middle = (near + beyond) / 2
        if excess(middle) * sign > 0:
            near = middle
        else:
            beyond = middle
    return mu * (near + beyond) / 2


def _solve(schur: FloatArray, residual: FloatArray) -> FloatArray:
    """Change of prices that closes the residual; least squares if an asset that no block can move has no equation."""
    scale = np.sqrt(np.maximum(np.diag(schur), np.finfo(float).tiny))
    matrix, right = schur / (scale[:, None] * scale), residual / scale
    try:
        found = np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        found = np.full(right.size, np.inf)
    # Least squares would do for all, at several times the cost of a small step.
    if not np.abs(found).max() <= WELL_POSED * np.abs(right).max():
        found = np.linalg.lstsq(matrix, right)[0]
    return np.asarray(found / scale)
