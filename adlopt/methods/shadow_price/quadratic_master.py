"""The master with a second-order model of one smooth measure, without variables for the losses.

The model (eq. 22) is quadratic in the weights theta of the columns, whatever the number of
scenarios: with M the columns' losses less their means under q,

    minimise  (q.loss) theta + slope dt + |sqrt(q / t) M(theta, dt)|^2 / 2                  (eq. 23)

Bounds on single losses enter only where the solution violates them.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.methods.shadow_price.conic_master import (
    ConicAnswer,
    ConicMaster,
    solve_cone_program,
)
from adlopt.methods.shadow_price.conic_tuning import ConicMasterTuning
from adlopt.objectives.quadratic_model import LEAST_STEP, SLACK, QuadraticModel


def solve(
    master: ConicMaster,
    model: QuadraticModel,
    factor: float,
    tuning: ConicMasterTuning,
) -> ConicAnswer:
    """The best combination under factor x model."""
    program = _Program(master, model, factor)
    limited = np.empty(0, dtype=np.intp)
    for _ in range(tuning.bounds):
        x, dual = program.solve(limited, tuning)
        more = np.setdiff1d(program.violated(x), limited)
        if not more.size:
            break
        limited = np.append(limited, more)
    C, R = master.group.size, master.required.size
    theta = np.maximum(x[:C], 0.0)
    price = np.zeros(R)
    price[master.kept] = dual[: int(master.kept.sum())]
    return ConicAnswer(
        theta=theta / np.bincount(master.group, theta, minlength=master.groups)[master.group],
        price=price,
        stress=model.stress,
        terms=(factor * model.stress,),
    )


class _Program:
    """A dense quadratic program over theta, and dt if t is free."""

    def __init__(self, master: ConicMaster, model: QuadraticModel, factor: float) -> None:
        self.master, self.model = master, model
        C, G = master.group.size, master.groups
        free = model.radius is not None
        self.size = C + int(free)
        self.relative, base = master.relative_columns()
        self.base = master.constant + base
        q, t = model.stress, model.scale
        mean = self.relative @ q
        some = np.flatnonzero(q > 0)
        rows = self.relative[:, some] - mean[:, None]
        linear = mean
        if free:
            centred = (model.loss - q @ model.loss)[some] / t
            rows = np.vstack([rows, -centred])
            linear = np.append(mean, model.slope)
        offset = self.base - model.loss
        offset = (offset - q @ offset)[some]
        weighted = rows * (q[some] / t)
        self.P = sp.csc_matrix(sp.triu(factor * (weighted @ rows.T)))
        self.c = factor * (linear + weighted @ offset)
        combine = (np.ones(C), (master.group, np.arange(C)))
        equal = np.zeros((int(master.kept.sum()), self.size))
        equal[:, :C] = master.used[:, master.kept].T
        self.equal = sp.vstack([sp.csr_array(equal), sp.csr_array(combine, shape=(G, self.size))])
        self.right = np.append(master.required[master.kept], np.ones(G))
        least = np.zeros(self.size)
        least[C:] = LEAST_STEP * t
        self.least = least
        self.limits = model.limited(master.largest())

    def _rate(self, scenarios: IntArray) -> FloatArray:
        return np.log(self.model.weights[scenarios]) + (self.model.radius or 0.0)

    def violated(self, x: FloatArray) -> IntArray:
        """Scenarios whose loss alone would exceed the present value."""
        model, C = self.model, self.master.group.size
        scenarios = self.limits
        moved = model.scale + float(x[C:].sum())
        loss = self.base[scenarios] + x[:C] @ self.relative[:, scenarios]
        excess = loss + self._rate(scenarios) * moved - model.value * (1.0 + 2 * SLACK)
        return scenarios[excess > 0]

    def solve(self, limited: IntArray, tuning: ConicMasterTuning) -> tuple[FloatArray, FloatArray]:
        """Primal and dual solution with bounds on the losses of `limited` scenarios."""
        import clarabel

        C, model = self.master.group.size, self.model
        above = np.zeros((limited.size, self.size))
        above[:, :C] = self.relative[:, limited].T
        rate = self._rate(limited)
        above[:, C:] = rate[:, None]
        most = model.value * (1.0 + SLACK) - self.base[limited] - rate * model.scale
        A = sp.csc_matrix(sp.vstack([self.equal, sp.csr_array(above), -sp.eye_array(self.size)]))
        b = np.concatenate([self.right, most, -self.least])
        cones = [
            clarabel.ZeroConeT(self.right.size),
            clarabel.NonnegativeConeT(limited.size + self.size),
        ]
        answer = solve_cone_program(self.P, self.c, A, b, cones, tuning)
        return np.array(answer.x), np.array(answer.z)
