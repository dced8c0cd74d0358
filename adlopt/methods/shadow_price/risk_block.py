"""A term of the objective as a cone program over its loss vector, compiled once by cvxpy.

rho(L) = minimum of x'P x / 2 + c.x + offset  with  b - A x in K,  x[loss] = L       (eq. 20)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.objectives import Objective
from adlopt.objectives.quadratic_model import QuadraticModel

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
    offset: float

    @property
    def size(self) -> int:
        return int(self.c.size)


def compile_term(term: Objective, weights: FloatArray) -> RiskBlock:
    """The block of a measure."""
    return compile_risk(lambda loss: term.expression(loss, weights), weights.size)


def compile_model(model: QuadraticModel, largest: FloatArray) -> RiskBlock:
    """The block of a second-order model; `largest` (S,) are bounds of the losses."""
    return compile_risk(lambda loss: model.expression(loss, 1.0, largest), largest.size)


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
        offset=_offset(data, form),
    )


def _offset(data: dict[str, Any], form: Any) -> float:
    parts = form.apply_parameters(quad_obj=data.get("P") is not None)
    return float(parts[2] if data.get("P") is not None else parts[1])
