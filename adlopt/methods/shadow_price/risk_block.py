"""A term of the objective as a cone program over its loss vector, compiled once by cvxpy.

rho(L) = constant + minimum of x'P x / 2 + c.x  with  b - A x in K,  x[loss] = L      (eq. 20)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.objectives import Objective
from adlopt.objectives.quadratic_model import LEAST_STEP, SLACK, QuadraticModel

if TYPE_CHECKING:
    import cvxpy as cp


@dataclass(frozen=True, eq=False)
class RiskBlock:
    """Data of one cone program, in the form that Clarabel takes."""

    P: sp.csc_array  # (N, N) upper triangle
    c: FloatArray  # (N,)
    A: sp.csc_array  # (rows, N)
    b: FloatArray  # (rows,)
    cones: list[Any]  # of the rows, in order
    loss: IntArray  # (S,) variables that are the losses

    @property
    def size(self) -> int:
        return int(self.c.size)


def compile_term(term: Objective, weights: FloatArray) -> RiskBlock:
    """The block of a measure."""
    return compile_risk(lambda loss: term.expression(loss, weights), weights.size)


def model_block(model: QuadraticModel, largest: FloatArray) -> RiskBlock:
    """The block of a second-order model (eq. 22); `largest` (S,) are bounds of the losses.

    Written down directly: it changes with every master, and compiling it takes longer than solving.
    Variables: the losses, their mean change m, the step d of t if t is free, and deviations.
    """
    import clarabel

    q, t, start = model.stress, model.scale, model.loss
    S, some, limited = start.size, np.flatnonzero(q), model.limited(largest)
    free = int(model.radius is not None)
    mean, first = S, S + 1 + free
    size = first + some.size
    rows = np.arange(some.size)
    centred = (start - q @ start)[some] / t
    # m = q.(L - L0), and deviation = L - L0 - m - (L0 / t) d.
    equal = sp.lil_array((1 + some.size, size))
    equal[0, :S] = q
    equal[0, mean] = -1.0
    equal[1 + rows, some] = 1.0
    equal[1 + rows, mean] = -1.0
    if free:
        equal[1 + rows, S + 1] = -centred
    equal[1 + rows, first + rows] = -1.0
    # d >= LEAST_STEP t, and a limited loss alone does not exceed the present value.
    rate = np.log(model.weights[limited]) + (model.radius or 0.0)
    below = sp.lil_array((free + limited.size, size))
    if free:
        below[0, S + 1] = -1.0
        below[1 + np.arange(limited.size), S + 1] = rate
    below[free + np.arange(limited.size), limited] = 1.0
    most = model.value * (1.0 + SLACK) - rate * t
    curvature = np.zeros(size)
    curvature[first:] = q[some] / t
    c = np.zeros(size)
    c[mean], c[S + 1 : first] = 1.0, model.slope
    return RiskBlock(
        P=sp.csc_array(sp.diags_array(curvature)),
        c=c,
        A=sp.csc_array(sp.vstack([equal, below])),
        b=np.concatenate([[q @ start], start[some], np.full(free, -LEAST_STEP * t), most]),
        cones=[
            clarabel.ZeroConeT(1 + some.size),
            clarabel.NonnegativeConeT(free + limited.size),
        ],
        loss=np.arange(S),
    )


def compile_risk(expression: Callable[[cp.Expression], cp.Expression], scenarios: int) -> RiskBlock:
    """The block of a convex cvxpy function of a loss vector (scenarios,)."""
    import cvxpy as cp
    from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import dims_to_solver_cones

    loss = cp.Variable(scenarios)
    program = cp.Problem(cp.Minimize(expression(loss)))
    data, _, _ = program.get_problem_data(cp.CLARABEL)
    form = data["param_prob"]
    first = form.var_id_to_col[loss.id]
    size = data["c"].size
    quadratic = data.get("P")
    return RiskBlock(
        P=sp.csc_array((size, size)) if quadratic is None else sp.csc_array(sp.triu(quadratic)),
        c=np.asarray(data["c"], dtype=np.float64),
        A=sp.csc_array(data["A"]),
        b=np.asarray(data["b"], dtype=np.float64),
        cones=dims_to_solver_cones(data["dims"]),
        loss=first + np.arange(scenarios),
    )
