"""Objectives that are mixtures of CVaRs, inside the shadow-price method: the stresses are unknowns
of the path too.

CVaR_a(L) = min_t t + sum_s c_s (L_s - t)^+ with c = p / (1 - a): one more hinge per scenario, on
the loss of all pools, with
multiplier q_s in [0, c_s] and sum q = 1. Pools see q as the stress of the scenario. Notation of
`_shadow_kernels`.

Most scenarios never reach the tail. Without the hinges of any set of scenarios the program is a
lower bound; with the
hinges of those that reach the tail at its optimum it is exact. So only candidates have hinges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adlopt._internal.arrays import BoolArray, FloatArray
from adlopt.methods.interior_point._shadow_kernels import BINS
from adlopt.objectives import CVaR, ExpectedLoss, Objective, Spectral

# share of the way to the nearest bound that a step may go: closer, one scenario holds up all
BOUNDARY = 0.95
LOOSE = 1e-3  # answer of a scenario's loss to its stress, in terms of what its hinge answers
# unknowns per residual, both scaled: beyond, the equations determine less than they seem to
WELL_POSED = 1e8
SPREAD = 4.0  # candidates, in probability, for every unit of the tail


def parts(objective: Objective) -> list[tuple[int, float, float]] | None:
    """The objective as (term, factor, level) of CVaRs, level 0 being the expected loss; None if it
    is none.
    """
    found: list[tuple[int, float, float]] = []
    for at, (factor, term) in enumerate(objective.terms):
        if isinstance(term, ExpectedLoss):
            found.append((at, factor, 0.0))
        elif isinstance(term, CVaR):
            found.append((at, factor, term.level))
        elif isinstance(term, Spectral):
            found += [(at, factor * share, measure.level) for share, measure in term.mixture]
        else:
            return None
    return found


def solved(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solution of scaled equations; least squares where they determine less than they seem to; NaN
    where floats end.
    """
    if not (np.isfinite(matrix).all() and np.isfinite(right).all()):
        return np.full(right.size, np.nan)
    try:
        found = np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        found = np.full(right.size, np.inf)
    # Least squares would do for all, at several times the cost of a small step.
    if not np.abs(found).max() <= WELL_POSED * np.abs(right).max():
        found = np.linalg.lstsq(matrix, right)[0]
    return np.asarray(found)


def candidates(objective: Objective, losses: FloatArray, weights: FloatArray) -> BoolArray:
    """(S,) scenarios of the largest losses, with several times the probability of the widest
    tail.
    """
    levels = [level for _, _, level in parts(objective) or [] if level > 0.0]
    mass = SPREAD * (1.0 - min(levels, default=1.0))
    order = np.argsort(-losses, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    chosen = np.zeros(losses.size, dtype=bool)
    chosen[order] = before < mass
    return chosen & (weights > 0)


@dataclass(frozen=True, eq=False)
class Aim:
    """Where Newton's step leads: thresholds (J,), and changes of the tail's hinges (J, L)."""

    t: FloatArray
    u: FloatArray
    s: FloatArray
    w: FloatArray


class Tail:
    """Thresholds t (J,) and hinges (J, L) of J CVaRs over L candidate scenarios."""

    def __init__(
        self, objective: Objective, weights: FloatArray, constant: FloatArray, live: BoolArray
    ) -> None:
        self.objective, self.weights = objective, weights
        self.live = np.flatnonzero(live)
        self.constant = constant[self.live]  # loss that nothing can change, in units
        mixture = parts(objective) or []
        p = weights[self.live]
        self.fixed = sum((factor for _, factor, level in mixture if level == 0.0), 0.0)
        self.mixture = [part for part in mixture if part[2] > 0.0]
        self.total = np.array([factor for _, factor, _ in self.mixture])
        self.w = np.outer(self.total, p / max(p.sum(), np.finfo(float).tiny))
        ceiling = np.array([factor / (1.0 - level) for _, factor, level in self.mixture])
        self.v = np.outer(ceiling, p) - self.w
        self.u = self.s = np.empty(0)
        self.t = np.zeros(self.total.size)

    def start(self, mu: float) -> None:
        self.u, self.s = mu / self.v, mu / self.w

    @property
    def stress(self) -> FloatArray:
        """(S,) what the pools see."""
        stress = self.fixed * self.weights
        stress[self.live] += self.w.sum(axis=0)
        return stress

    @property
    def missing(self) -> float:
        """What the stressed probabilities lack of one, or have beyond, at most."""
        return float(np.abs(self.w.sum(axis=1) / self.total - 1.0).max(initial=0.0))

    def value(self, loss: FloatArray) -> float:
        """The objective of losses (S,), those of other scenarios than candidates never being in a
        tail.
        """
        inside = np.zeros(loss.size)
        inside[self.live] = loss[self.live]
        worst = sum(
            factor * CVaR(level).value(inside, self.weights) for _, factor, level in self.mixture
        )
        return self.fixed * float(self.weights @ loss) + worst

    def by_term(self) -> tuple[FloatArray, ...]:
        """(S,) stressed probabilities of each term of the objective."""
        share = [np.zeros(self.weights.size) for _ in self.objective.terms]
        for at, factor, level in parts(self.objective) or []:
            if level == 0.0:
                share[at] += factor * self.weights
        for (at, _, _), w in zip(self.mixture, self.w, strict=True):
            share[at][self.live] += w
        return tuple(
            part / factor for part, (factor, _) in zip(share, self.objective.terms, strict=True)
        )

    def assemble(self, schur: FloatArray, response: FloatArray) -> None:
        """Newton's equations of prices, stresses and thresholds, factored; `response` (d + L, d +
        L) as `respond` gives it.
        """
        w, v, u, s = self.w, self.v, self.u, self.s
        d, J = schur.shape[0], self.total.size
        self.h = v * w / (u * w + s * v)
        self.eta = self.h.sum(axis=0)
        self.part = part = self.h / self.eta
        own = np.diag(response)[d:]
        # Where the hinge hardly yields, losses move by themselves alone: those scenarios leave the
        # system.
        self.near = near = own * self.eta > LOOSE
        self.diagonal = own + 1.0 / self.eta
        L, far, rows = int(near.sum()), ~near, d + np.flatnonzero(near)
        K = np.zeros((d + L + J, d + L + J))
        K[:d, :d] = schur
        K[d : d + L, :d] = response[rows, :d]
        lower = response[np.ix_(rows, rows)]
        K[d : d + L, d : d + L] = lower + np.tril(lower, -1).T + np.diag(1.0 / self.eta[near])
        K[d + L :, d : d + L] = part[:, near]
        K[d + L :, d + L :] = part @ self.h.T - np.diag(self.h.sum(axis=1))
        K[d + L :, d + L :] -= (part[:, far] / self.diagonal[far]) @ part[:, far].T
        K[:d, d:] = K[d:, :d].T
        K[d : d + L, d + L :] = K[d + L :, d : d + L].T
        self.scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(K)), np.finfo(float).tiny))
        self.scale[d + L :] = 1.0
        self.matrix = K * self.scale[:, None] * self.scale

    def direct(
        self,
        residual: FloatArray,
        loss: FloatArray,
        mu: float,
        bend: tuple[FloatArray, FloatArray] | None = None,
    ) -> tuple[FloatArray, FloatArray, Aim]:
        """Newton's change of prices (d,), the stress (S,) it leads to, and its aim in the tail, to
        barrier weight mu.

        `residual` (d,) of the sums; `loss` (S,) of the pools as `losses_ahead` gives it; `bend` the
        tail's second-order terms.
        """
        w, v, u, s, h, part, near = self.w, self.v, self.u, self.s, self.h, self.part, self.near
        d, L, far = residual.size, int(near.sum()), ~near
        of_w, of_v = (mu, mu) if bend is None else (mu - bend[0], mu - bend[1])
        pull = of_w / w - of_v / v
        load = self.constant + loss[self.live] + (part * pull).sum(axis=0)
        need = self.total - w.sum(axis=1) - (h * pull).sum(axis=1) + h @ (part * pull).sum(axis=0)
        b = np.concatenate(
            [residual, load[near], need - part[:, far] @ (load[far] / self.diagonal[far])]
        )
        x = self.scale * solved(self.matrix, b * self.scale)
        t = x[d + L :]
        dq = (load - t @ part) / self.diagonal
        dq[near] = x[d : d + L]
        dw = h * (dq / self.eta + t @ part - (part * pull).sum(axis=0) - t[:, None] + pull)
        goal = self.stress
        goal[self.live] += dw.sum(axis=0)
        return x[:d], goal, Aim(t, of_v / v - u + u * dw / v, of_w / w - s - s * dw / w, dw)

    def reach(self, aim: Aim) -> tuple[FloatArray, FloatArray]:
        """Longest steps (J, L) of the slacks and of their multipliers, at most one."""
        primal = np.maximum(np.maximum(-aim.s / self.s, -aim.u / self.u), BOUNDARY)
        dual = np.maximum(np.maximum(-aim.w / self.w, aim.w / self.v), BOUNDARY)
        return BOUNDARY / primal, BOUNDARY / dual

    def lag(self, aim: Aim) -> FloatArray:
        """(2, BINS) movement of the multipliers by length of their longest steps."""
        movement = np.abs(aim.w).ravel()
        bins = [
            np.minimum((reach.ravel() * BINS).astype(np.int64), BINS - 1)
            for reach in self.reach(aim)
        ]
        return np.stack([np.bincount(at, movement, minlength=BINS) for at in bins])

    def bend(self, aim: Aim) -> tuple[FloatArray, FloatArray]:
        """Second-order terms of s w and u v, for as far as each can follow."""
        far, far_dual = self.reach(aim)
        return far * far_dual * aim.w * aim.s, -far * far_dual * aim.w * aim.u

    def advance(self, aim: Aim, far: float, far_dual: float) -> None:
        """Go along: as far as asked, or where a scenario cannot, as far as it can."""
        primal, dual = (
            np.minimum(asked, own)
            for asked, own in zip((far, far_dual), self.reach(aim), strict=True)
        )
        self.t = self.t + far * (aim.t - self.t)
        self.u, self.s = self.u + primal * aim.u, self.s + primal * aim.s
        self.w, self.v = self.w + dual * aim.w, self.v - dual * aim.w
