"""The CVaR-optimal set where limits on unstressed losses couple the positions: ranges and
selections by small programs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from adlopt._internal.arrays import FloatArray
from adlopt._internal.quiet import no_banner
from adlopt.errors import NotApplicable, SolverFailed
from adlopt.model.losses import scenario_losses

if TYPE_CHECKING:
    from adlopt.studies.optimal_face import OptimalSet

MAX_COUPLED_PAIRS = 200_000  # position-scenario pairs, times programs to be solved


class CoupledOptimalSet:
    """The set in cvxpy. `share` (f,) in [0, 1] places each position that has room between `low`
    and `high`.
    """

    def __init__(self, found: OptimalSet) -> None:
        problem = found.problem
        self.found = found
        self.free = np.flatnonzero(found.high > found.low)
        self.room = (found.high - found.low)[self.free]
        self.share = cp.Variable(self.free.size)
        asset, book = problem.asset[self.free], problem.book
        self.constraints: list[Any] = [self.share >= 0, self.share <= 1]
        for k, rest in found._remaining_requirement().items():
            contracts = np.where(asset == k, self.room, 0.0)
            unit = max(rest, float(contracts.max(initial=0.0)))
            if unit > 0:
                self.constraints.append((contracts / unit) @ self.share == rest / unit)
        size, equity = np.abs(book.size[problem.eligible]), book.equity[problem.pool]
        most = scenario_losses(problem, np.sign(problem.max_reduction) * found.low)
        for s in found.binding_scenarios:
            r = -np.sign(problem.required[asset]) * problem.moves[asset, s]  # money per contract
            start = (size - found.low)[self.free] * r - equity[self.free]
            at_risk = start > 0
            fixed = most[s] - float(start[at_risk].sum())
            loss = cp.sum(
                cp.pos((start - cp.multiply(self.room * r, self.share))[at_risk] / found.limit)
            )
            self.constraints.append(loss + fixed / found.limit <= 1.0)

    def solve(self, goal: Any, *extra: Any, solver: str = cp.HIGHS) -> FloatArray:
        program = cp.Problem(goal, [*self.constraints, *extra])
        return self.run(program, solver)

    def run(self, program: cp.Problem, solver: str = cp.HIGHS) -> FloatArray:
        """(e,) contracts, unsigned, of a solved program."""
        tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
        with no_banner():
            program.solve(solver=solver, **(tight if solver == cp.HIGHS else {}))
        if program.status != cp.OPTIMAL:
            raise SolverFailed(f"optimal_set: {solver} ended with status {program.status!r}")
        taken = self.found.low.copy()
        taken[self.free] += np.clip(self.share.value, 0.0, 1.0) * self.room
        return taken


def ranges(found: OptimalSet) -> tuple[FloatArray, FloatArray]:
    """Least and most contracts off each position: two linear programs per position."""
    face = CoupledOptimalSet(found)
    if 2 * face.free.size * face.free.size * found.binding_scenarios.size > MAX_COUPLED_PAIRS:
        raise NotApplicable(
            f"optimal_set: limits on {found.binding_scenarios.size} unstressed losses couple "
            f"{face.free.size} positions, too many to compute their ranges; `contains` and "
            "`select` work"
        )
    least, most = found.low.copy(), found.low.copy()
    which = cp.Parameter(face.free.size)
    program = cp.Problem(cp.Minimize(which @ face.share), face.constraints)
    for index, row in enumerate(face.free):
        for sign, into in ((1.0, least), (-1.0, most)):
            which.value = sign * (np.arange(face.free.size) == index)
            into[row] = face.run(program)[row]
    return least, most


def select(found: OptimalSet, criterion: str, wanted: FloatArray | None) -> FloatArray:
    """(e,) contracts of the best member by a criterion of `OptimalSet.select`."""
    face, problem = CoupledOptimalSet(found), found.problem
    if criterion == "fewest_accounts":
        _, account = np.unique(problem.book.pool_account[problem.pool], return_inverse=True)
        forced = np.bincount(account, found.low) > 0
        touched = cp.Variable(forced.size, boolean=True)
        owner = sp.csr_array(
            (np.ones(face.free.size), (np.arange(face.free.size), account[face.free])),
            shape=(face.free.size, forced.size),
        )
        return face.solve(
            cp.Minimize(cp.sum(touched)),
            face.share <= owner @ touched,
            touched >= forced.astype(float),
        )
    size = np.abs(problem.book.size[problem.eligible])
    if criterion == "smallest_fraction":
        fraction = cp.Variable()
        lost = (found.low[face.free] + cp.multiply(face.room, face.share)) / size[face.free]
        return face.solve(cp.Minimize(fraction), lost <= fraction)
    assert wanted is not None
    notional = problem.book.marks[problem.asset[face.free]]
    unit = float((notional * face.room).max())
    gap = cp.multiply(
        notional / unit,
        found.low[face.free] + cp.multiply(face.room, face.share) - wanted[face.free],
    )
    return face.solve(cp.Minimize(cp.sum_squares(gap)), solver=cp.CLARABEL)
