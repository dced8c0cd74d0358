"""One call of a solver through cvxpy, with the package's errors."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from typing import Any

import cvxpy as cp

from adlopt._internal.quiet import no_banner
from adlopt.errors import InputError, SolverFailed


def solve_model(
    model: cp.Problem,
    solver: str | None,
    options: dict[str, Any],
    *,
    time_limit: float | None = None,
) -> None:
    """Solve a cvxpy problem or raise SolverFailed; an inaccurate answer passes, for the certificate
    to judge.
    """
    name = solver or cp.CLARABEL
    if time_limit is not None and name in (cp.CLARABEL, cp.HIGHS):
        options = {"time_limit": time_limit, **options}
    try:
        with (
            no_banner() if _may_print(name, options) else nullcontext(),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", message="Solution may be inaccurate")
            model.solve(solver=name, **options)
    except (cp.error.SolverError, TypeError, ValueError) as error:
        raise SolverFailed(
            f"{name}: {error} Is the solver installed, does it have these options, and the cones "
            "that this objective needs?"
        ) from error
    except cp.error.DCPError as error:
        raise InputError(f"cvxpy cannot use the problem: {error}") from error
    solved = model.status in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE, cp.USER_LIMIT)
    if not solved or model.value is None:
        cause = {
            cp.INFEASIBLE: "the constraints contradict each other; without your own the reduction "
            "is feasible",
            cp.UNBOUNDED: "the objective falls without bound; is it a nondecreasing function of "
            "the loss?",
            cp.USER_LIMIT: "no answer within its limits; allow more time or iterations",
        }.get(model.status, "try other tolerances, another solver, or presolve=True")
        raise SolverFailed(f"{name} ended with status {model.status!r}: {cause}")


def _may_print(solver: str | None, options: dict[str, Any]) -> bool:
    """Whether cvxpy may construct HiGHS and the user did not ask to see what it prints."""
    return solver in (None, cp.HIGHS) and not options.get("verbose")
