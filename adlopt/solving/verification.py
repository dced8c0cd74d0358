"""The fast path against the general conic solver, on the same scenarios, side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.model.constraints import Constraints, read_all
from adlopt.model.losses import losses_beyond_fund
from adlopt.model.problem import Problem, require_problem
from adlopt.solving.running import choose_method, run_method

NEGLIGIBLE = 1e-9  # of the objective before any reduction: values below it count as zero


@dataclass(frozen=True, eq=False, repr=False)
class Verification:
    """Values of two independent solutions of one scenario problem.

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.verify(adl.examples.paper_problem(64)).agree
    True
    """

    method: str
    """The method that was checked."""
    value: float
    """Its objective, in money."""
    _: KW_ONLY
    check: str
    """The method that checked it."""
    check_value: float
    """Its objective, in money."""
    seconds: tuple[float, float]
    """Time that each took."""
    before: float
    """The objective before any reduction, in money."""
    scenarios: int
    """Scenarios that both were judged on."""
    tolerance: float
    """Largest relative difference at which they agree."""

    @property
    def difference(self) -> float:
        """(value - check_value), relative to the larger of the two; positive where the fast path is
        worse.

        Zero if both are below `NEGLIGIBLE` of the objective before any reduction.
        """
        larger = max(abs(self.value), abs(self.check_value))
        return (
            (self.value - self.check_value) / larger
            if larger > NEGLIGIBLE * abs(self.before)
            else 0.0
        )

    @property
    def agree(self) -> bool:
        """Whether the values differ by at most `tolerance`."""
        return bool(abs(self.difference) <= self.tolerance)

    def to_frame(self) -> pd.DataFrame:
        """A row per method: value in money, seconds."""
        return pd.DataFrame(
            {"value": [self.value, self.check_value], "seconds": self.seconds},
            index=pd.Index([self.method, self.check], name="method"),
        )

    def __repr__(self) -> str:
        verdict = "agree" if self.agree else "DISAGREE"
        return (
            f"{self.to_frame().to_string(float_format='{:,.10g}'.format)}\n"
            f"relative difference {self.difference:.2g}: they {verdict} within {self.tolerance:g} "
            f"on the same {self.scenarios:,} scenarios (before any reduction: {self.before:,.6g})"
        )

    def _repr_html_(self) -> str:
        return f"<pre>{self!r}</pre>"


def verify(
    problem: Problem,
    method: str = "auto",
    *,
    constraints: Constraints | str | Sequence[Constraints | str] = (),
    tolerance: float = 1e-6,
) -> Verification:
    """Solve by the fast path and by Clarabel and compare the objective on the same scenarios.

    Where `auto` has no fast path and picks the conic program itself, that program is checked
    against the one without presolve.

    Parameters
    ----------
    problem : Problem
    method : str
        Of `adl.solve`: the path to check.
    constraints : function, str, or sequence of them
        As for `adl.solve`.
    tolerance : float
        Relative difference up to which the two agree.

    Returns
    -------
    Verification

    Raises
    ------
    NotApplicable
        The problem has no price model: there is nothing to evaluate.
    InfeasibleConstraints
        No allocation meets the constraints.

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.verify(adl.examples.paper_problem(64)).agree
    True
    """
    require_problem("verify", problem)
    validation.as_positive("verify: tolerance", tolerance)
    limits = read_all(problem, constraints)
    fast = choose_method(problem, method, constrained=bool(limits))
    problem.require_prices()
    started = time.perf_counter()
    allocation = run_method(problem, fast, constraints=limits).allocation
    between = time.perf_counter()
    presolve = fast != "conic"
    checked = run_method(problem, "conic", constraints=limits, presolve=presolve).allocation
    ended = time.perf_counter()
    return Verification(
        method=fast,
        value=_on_scenarios(problem, allocation),
        check="conic" if fast != "conic" else "conic, no presolve",
        check_value=_on_scenarios(problem, checked),
        seconds=(between - started, ended - between),
        before=_on_scenarios(problem, None),
        scenarios=problem.scenarios.weights.size,
        tolerance=tolerance,
    )


def _on_scenarios(problem: Problem, allocation: FloatArray | None) -> float:
    return problem.objective.value(
        losses_beyond_fund(problem, allocation), problem.scenarios.weights
    )
