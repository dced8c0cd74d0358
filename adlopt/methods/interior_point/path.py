"""The central path of a program in blocks: each block's barrier problem is solved to the end, only
the prices are common.

Steps are corrected to second order (Mehrotra 1992): the same factors serve twice.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt._internal.parallel import on_all, processors
from adlopt.methods.interior_point import _shadow_kernels as kernels
from adlopt.methods.interior_point._shadow_kernels import BINS, Newton, Point, Program
from adlopt.methods.interior_point.blocks import Blocks
from adlopt.methods.interior_point.tail import Aim, Tail, solved

STEPS = 200  # of the interior-point method, at most
PATIENCE = 15  # steps without a smaller gap, after which rounding allows no more
START = 100.0  # times the typical loss per scenario: the path's first barrier weight
STEEPEST, GENTLE = (
    0.05,
    0.5,
)  # least factors by which the barrier weight falls in one step, however far it can go
PACE = 0.05, 15  # where the barrier weight falls by less in so many steps, the path is lost


class Manner(NamedTuple):
    """How to deal with blocks that cannot follow a common step."""

    lag: float  # share of the movement that they may miss
    behind: float  # those whose step was shorter get steps of their own,
    settling: int  # up to so many


# Steps of their own keep blocks near the path while stresses move, and disturb sums that nearly
# exhaust the book.
SWIFT, WITH_TAIL, CAREFUL = Manner(0.1, 0.5, 3), Manner(0.1, 0.9, 8), Manner(0.02, 0.5, 3)
# the lag is at most this over the number of assets, and at least that of CAREFUL: one's blocks
# would drown
PER_ASSET = 0.5
FEW = 1000  # blocks, which do not repay a thread
NEAR, AIM, FLOOR = (
    30.0,
    0.3,
    0.03,
)  # in tolerances: when to look at the gap, what is enough, what the path leaves at its end
SLACK = 1.0  # of the cost of closing the sums at shadow prices
CLOSED = 1e-6  # sums of fractions this near to one are closed without a thought to their cost


class Path:
    """The central path of a program, and where we stand on it."""

    def __init__(self, blocks: Blocks, tail: Tail, careful: bool = False) -> None:
        self.manner = CAREFUL if careful else WITH_TAIL if tail.mixture else SWIFT
        self.program, self.constant, self.tail, self.stress = (
            blocks.program,
            blocks.constant,
            tail,
            tail.stress,
        )
        program, stress = self.program, self.stress
        self.rows = int(program.asset.max()) + 1 if program.asset.size else 0
        self.lag = min(self.manner.lag, max(CAREFUL.lag, PER_ASSET / max(self.rows, 1)))
        self.value = self.slack = 1.0
        self.proven = False
        self.mu = START * float(np.median(stress[stress > 0]))
        tail.start(self.mu)
        self.prices = np.array(
            [_opening_price(program.share[program.asset == k], self.mu) for k in range(self.rows)],
            dtype=np.float64,
        )
        pull = self.prices[program.asset] * program.share / self.mu
        y, yc = _opening_fraction(pull), _opening_fraction(-pull)
        q = stress[program.scenario]
        self.point = Point(
            y, yc, self.mu / y, self.mu / yc, 2 * self.mu / q, 2 * self.mu / q, q / 2, q / 2
        )
        self.measures = (
            2 * y.size + 2 * int((program.pair[1:] - program.hinge).sum()) + 2 * tail.w.size
        )
        self.chunks = _chunks(program)
        width = np.diff(program.variable)
        corner = np.cumsum(width * (width + 1) // 2)
        self.newton = Newton(
            corner=np.append(0, corner[:-1]),
            factor=np.empty(corner[-1]),
            base=np.empty(y.size),
            turn=np.empty(y.size),
            twist=np.zeros((2, y.size)),
            bend=np.zeros((2, q.size)),
            dy=np.empty(y.size),
            dw=np.empty(q.size),
            reach=np.empty((2, width.size)),
        )
        self.most = int((width + np.diff(program.pair)).max()), int(width.max())

    # ------------------------------------------------------------------ the way

    @np.errstate(all="ignore")  # a path that is lost overflows, and is given up
    def follow(self, tolerance: float, report: Callable[[str], None] = lambda text: None) -> str:
        """Walk down the path until the relative gap is proven, or the numbers allow no more."""
        best, at, found = np.inf, STEPS, self._answer()
        weights = [np.inf] * PACE[1]
        for step in range(1, STEPS + 1):
            report(f"interior-point step {step}, gap about {self.measures * self.mu:.0e}")
            schur, ahead = self._assemble(self.chunks)
            if self.measures * self.mu < NEAR * tolerance:
                gap = self.gap()
                if gap < best:
                    best, found, at = gap, self._answer(), step
                    self.proven = best <= tolerance
                if gap <= AIM * tolerance or step > at + (1 if best <= tolerance else PATIENCE):
                    break
            if not (np.isfinite(schur).all() and np.isfinite(ahead).all()):
                break
            weights.append(self.mu)
            if not np.isfinite(best):
                found = self._answer()
                if self.mu > weights[step - 1] * (1 - PACE[0]):
                    break
            if self.tail.mixture:
                self.tail.assemble(schur, self._respond())
            change, goal, aim = self._newton(schur, ahead, 0.0)
            if not (np.isfinite(change).all() and np.isfinite(goal).all()):
                break
            reach = min(self._direct(self.chunks, change, goal, 0.0, aim))
            ahead[0] += on_all(
                kernels.correct,
                self.chunks,
                (self.program, self.point, self.newton, goal),
                (self.rows,),
            )[0]
            mu = self._target(tolerance, reach)
            change, goal, aim = self._newton(schur, ahead, mu, aim)
            if not (np.isfinite(change).all() and np.isfinite(goal).all()):
                break
            # At its end nothing is left to lag for: the sums would never close.
            self.slack = 0.5 * self.slack if mu == self.mu else 1.0
            far, far_dual = self._direct(self.chunks, change, goal, mu, aim)
            self._advance(self.chunks, goal, mu, far, far_dual)
            self.prices = self.prices + far_dual * change
            self.mu += min(far, far_dual) * (mu - self.mu)
            if aim is not None:
                self.tail.advance(aim, far, far_dual)
                self.stress = self.tail.stress
            self._settle()
        y, w, self.prices, self.tail.w, self.stress = found
        self.point = self.point._replace(y=y, w=w)
        return f"{step} interior-point steps"

    def _answer(self) -> tuple[FloatArray, ...]:
        return (
            self.point.y.copy(),
            self.point.w.copy(),
            self.prices.copy(),
            self.tail.w.copy(),
            self.stress.copy(),
        )

    def _target(self, tolerance: float, reach: float) -> float:
        """The next barrier weight: the smaller, the further a step can go; not below what the
        tolerance asks for.
        """
        floor = FLOOR * tolerance / self.measures * max(self.value, np.finfo(float).tiny)
        fall = min(max(STEEPEST, (1.0 - reach) ** 2), GENTLE if self.tail.mixture else 1.0)
        return max(self.mu * fall, min(self.mu, floor))

    def _settle(self) -> None:
        """Newton steps of their own, at the prices of all, for blocks that could not follow: they
        would hold back the next.
        """
        behind = self.chunks
        self.newton.twist[:] = 0.0
        self.newton.bend[:] = 0.0
        for _ in range(self.manner.settling):
            behind = [
                chunk[self.newton.reach[:, chunk].min(axis=0) < self.manner.behind]
                for chunk in behind
            ]
            count = sum(chunk.size for chunk in behind)
            if not count:
                break
            if count < FEW:
                behind = [np.concatenate(behind)]
            self._assemble(behind)
            self._direct(behind, np.zeros(self.rows), self.stress, self.mu)
            self._advance(behind, self.stress, self.mu, 1.0, 1.0)

    # ------------------------------------------------------------------ Newton's equations

    def _assemble(self, chunks: list[IntArray]) -> tuple[FloatArray, FloatArray]:
        """Newton's equations at the present point: Schur complement (d, d) and what comes of sum A
        y (2, d).
        """
        arguments = (self.program, self.point, self.newton, self.prices, self.stress)
        schur, ahead = on_all(
            kernels.assemble, chunks, arguments, (self.rows, self.rows), (2, self.rows)
        )
        return schur, ahead

    def _respond(self) -> FloatArray:
        """Answer of sums and candidates' losses to prices and stresses (d + L, d + L)."""
        from adlopt.methods.interior_point._tail_kernels import respond

        place = np.full(self.stress.size, -1)
        place[self.tail.live] = self.rows + np.arange(self.tail.live.size)
        size = self.rows + self.tail.live.size
        return on_all(
            respond,
            self.chunks,
            (self.program, self.point, self.newton, place, self.most),
            (size, size),
        )[0]

    def _newton(
        self, schur: FloatArray, ahead: FloatArray, mu: float, affine: Aim | None = None
    ) -> tuple[FloatArray, FloatArray, Aim | None]:
        """Change of prices (d,), stress it leads to (S,) and aim in the tail, corrected by the step
        to barrier weight zero.
        """
        residual = ahead[0] + mu * ahead[1] - 1.0
        if not self.tail.mixture:
            return _solve(schur, residual), self.stress, None
        from adlopt.methods.interior_point._tail_kernels import losses_ahead

        arguments = (self.program, self.point, self.newton, self.stress)
        loss = on_all(losses_ahead, self.chunks, arguments, (2, self.stress.size))[0]
        bend = None if affine is None else self.tail.bend(affine)
        return self.tail.direct(residual, loss[0] + mu * loss[1], mu, bend)

    def _direct(
        self,
        chunks: list[IntArray],
        change: FloatArray,
        goal: FloatArray,
        mu: float,
        aim: Aim | None = None,
    ) -> tuple[float, float]:
        """Direction to barrier weight mu and stress `goal` with prices changed; the common steps
        that it allows.
        """
        arguments = (
            self.program,
            self.point,
            self.newton,
            change,
            self.stress,
            goal,
            goal is not self.stress,
            mu,
        )
        lag = on_all(kernels.direct, chunks, arguments, (2, BINS))[0]
        far, far_dual = (common_step(part, self.slack * self.lag) for part in lag)
        if aim is not None:
            limit = (common_step(part, self.slack * self.manner.lag) for part in self.tail.lag(aim))
            far, far_dual = (
                min(step, most) for step, most in zip((far, far_dual), limit, strict=True)
            )
        return far, far_dual

    def _advance(
        self, chunks: list[IntArray], goal: FloatArray, mu: float, far: float, far_dual: float
    ) -> None:
        on_all(
            kernels.advance,
            chunks,
            (self.program, self.point, self.newton, goal, mu, far, far_dual),
        )

    # ------------------------------------------------------------------ both sides of the gap

    def bounds(self) -> tuple[float, float]:
        """Cost of the program at y, and the proven bound, in units."""
        arguments = (
            self.program,
            self.point.y,
            self.point.w,
            self.prices,
            self.stress,
            self.newton.dy,
        )
        least, loss = on_all(kernels.bounds, self.chunks, arguments, (1,), (self.stress.size,))
        self.value = self.tail.value(np.maximum(loss + self.constant, 0.0))
        return self.value, float(least[0] + self.stress @ self.constant - self.prices.sum())

    def gap(self) -> float:
        """Relative gap, the cost of closing the sums included: their shadow prices, and a share for
        the kinks on the way.

        And the share of the bound that is lost when stresses that do not quite sum to one are made
        to.
        """
        value, bound = self.bounds()
        missing = (
            np.bincount(self.program.asset, self.program.share * self.point.y, minlength=self.rows)
            - 1.0
        )
        if value == 0.0 and np.abs(missing).max() < CLOSED:
            return 0.0
        cost = self.prices * missing
        excess = abs(value + cost.sum() - bound) + SLACK * float(np.abs(cost).sum())
        return float(excess / max(abs(value), np.finfo(float).tiny)) + self.tail.missing

    def shares(self) -> FloatArray:
        """Multipliers of all pairs as shares of their scenario's stress."""
        share = np.clip(self.point.w / self.stress[self.program.scenario], 0.0, 1.0)
        linear = np.arange(share.size) < np.repeat(self.program.hinge, np.diff(self.program.pair))
        share[linear] = 1.0
        return share


def common_step(lag: FloatArray, most: float) -> float:
    """Longest common step, in bins, with which those who cannot follow miss at most `most` of the
    movement (BINS,).
    """
    steps = np.arange(2, lag.size + 1)
    missed = np.cumsum(
        np.cumsum(lag[:-1])
    )  # the movement of those whose way has ended, and for how long
    allowed = np.flatnonzero(missed <= most * steps * lag.sum())
    return float(steps[allowed[-1]] if allowed.size else 1) / lag.size


def _chunks(program: Program) -> list[IntArray]:
    """Runs of blocks of like work, one per processor; one run where threads would cost more than
    they save.
    """
    work = np.cumsum(np.diff(program.pair) + 1)
    runs = min(processors(), 1 + int(work[-1]) // 20_000)
    cut = np.searchsorted(work, work[-1] * np.arange(1, runs) / runs)
    edge = [0, *(int(c) for c in cut), work.size]
    return [np.arange(a, b) for a, b in pairwise(edge)]


def _opening_fraction(pull: FloatArray) -> FloatArray:
    """Minimiser over (0, 1) of pull y - log y - log(1 - y)."""
    return 2.0 / (pull + 2.0 + np.hypot(pull, 2.0))


def _opening_price(share: FloatArray, mu: float) -> float:
    """Price at which boxes alone, at barrier weight mu, roughly add up to the reduction: sum A
    y(price A / mu) = 1.
    """

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
    """Change of prices that closes the residual; least squares if an asset that no block can move
    has no equation.
    """
    scale = np.sqrt(np.maximum(np.diag(schur), np.finfo(float).tiny))
    return solved(schur / (scale[:, None] * scale), residual / scale) / scale
