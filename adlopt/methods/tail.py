"""Objectives that are mixtures of CVaRs, inside the shadow-price method: the stresses are unknowns of the path too.

CVaR_a(L) = min_t t + sum_s c_s (L_s - t)^+ with c = p / (1 - a): one more hinge per scenario, on the loss of all pools, with
multiplier q_s in [0, c_s] and sum q = 1. Pools see q as the stress of the scenario. Notation of `_shadow_kernels`.
"""

from __future__ import annotations

import numpy as np

from adlopt._tables import FloatArray
from adlopt.objectives import CVaR, ExpectedLoss, Objective, Spectral

LOOSE = 1e-3  # answer of a scenario's loss to its stress, in terms of what its hinge answers


def parts(objective: Objective) -> list[tuple[int, float, float]] | None:
    """The objective as (term, factor, level) of CVaRs, level 0 being the expected loss; None if it is none."""
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


class Tail:
    """Thresholds t (J,) and hinges (J, L) of J CVaRs over the L scenarios that can happen."""

    def __init__(self, objective: Objective, weights: FloatArray, constant: FloatArray) -> None:
        self.objective, self.weights = objective, weights
        self.live = np.flatnonzero(weights)
        self.constant = constant[self.live]  # loss that nothing can change, in units
        mixture = parts(objective) or []
        p = weights[self.live]
        self.fixed = sum((factor for _, factor, level in mixture if level == 0.0), 0.0)
        self.mixture = [part for part in mixture if part[2] > 0.0]
        self.total = np.array([factor for _, factor, _ in self.mixture])
        self.w = np.outer(self.total, p)
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

    def by_term(self) -> tuple[FloatArray, ...]:
        """(S,) stressed probabilities of each term of the objective."""
        share = [np.zeros(self.weights.size) for _ in self.objective.terms]
        for at, factor, level in parts(self.objective) or []:
            if level == 0.0:
                share[at] += factor * self.weights
        for (at, _, _), w in zip(self.mixture, self.w, strict=True):
            share[at][self.live] += w
        return tuple(part / factor for part, (factor, _) in zip(share, self.objective.terms, strict=True))

    def direct(
        self, schur: FloatArray, residual: FloatArray, response: FloatArray, loss: FloatArray, mu: float
    ) -> tuple[FloatArray, FloatArray]:
        """Newton's change of prices (d,) and the stress (S,) it leads to.

        `residual` (d,) of the sums; `response` (d + S, d + S) and `loss` (S,) of the pools, as `couple` gives them.
        """
        w, v, u, s = self.w, self.v, self.u, self.s
        h = v * w / (u * w + s * v)
        pull = mu * (v - w) / (w * v)
        eta = h.sum(axis=0)
        own = np.diag(response)[schur.shape[0] + self.live]
        # Where the hinge hardly yields, losses move by themselves alone: those scenarios leave the system.
        near = own * eta > LOOSE
        d, L, J = schur.shape[0], int(near.sum()), self.total.size
        diagonal = own + 1.0 / eta
        part = h / eta
        load = self.constant + loss[self.live] + (part * pull).sum(axis=0)
        far, rows = ~near, d + self.live[near]
        K = np.zeros((d + L + J, d + L + J))
        K[:d, :d] = schur
        K[d : d + L, :d] = response[rows, :d]
        lower = response[np.ix_(rows, rows)]
        K[d : d + L, d : d + L] = lower + np.tril(lower, -1).T + np.diag(1.0 / eta[near])
        K[d + L :, d : d + L] = part[:, near]
        K[d + L :, d + L :] = part @ h.T - np.diag(h.sum(axis=1)) - (part[:, far] / diagonal[far]) @ part[:, far].T
        K[:d, d:] = K[d:, :d].T
        K[d : d + L, d + L :] = K[d + L :, d : d + L].T
        need = self.total - w.sum(axis=1) - (h * pull).sum(axis=1) + h @ (part * pull).sum(axis=0)
        b = np.concatenate([residual, load[near], need - part[:, far] @ (load[far] / diagonal[far])])
        scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(K)), np.finfo(float).tiny))
        scale[d + L :] = 1.0
        x = scale * np.linalg.solve(K * scale[:, None] * scale, b * scale)
        self.t_new = x[d + L :]
        dq = (load - self.t_new @ part) / diagonal
        dq[near] = x[d : d + L]
        after = dq / eta + self.t_new @ part - (part * pull).sum(axis=0)
        self.dw = h * (after - self.t_new[:, None] + pull)
        self.ds = mu / w - s - s * self.dw / w
        self.du = mu / v - u + u * self.dw / v
        goal = self.stress
        goal[self.live] += self.dw.sum(axis=0)
        return x[:d], goal

    def reach(self, boundary: float) -> tuple[float, float]:
        """Longest steps of the slacks and of their multipliers, at most one."""
        primal = max(float((-self.ds / self.s).max()), float((-self.du / self.u).max()), boundary)
        dual = max(float((-self.dw / self.w).max()), float((self.dw / self.v).max()), boundary)
        return boundary / primal, boundary / dual

    def advance(self, far: float, far_dual: float) -> None:
        self.t = self.t + far * (self.t_new - self.t)
        self.u, self.s = self.u + far * self.du, self.s + far * self.ds
        self.w, self.v = self.w + far_dual * self.dw, self.v - far_dual * self.dw
