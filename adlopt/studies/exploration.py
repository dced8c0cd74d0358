"""Cross-evaluation: the optimum of every objective, measured by every other one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import pandas as pd

from adlopt._internal import validation
from adlopt._internal.executors import check_executor, run_tasks
from adlopt.errors import InputError
from adlopt.model.losses import losses_beyond_fund
from adlopt.model.problem import Problem, require_problem
from adlopt.objectives import Objective
from adlopt.solving.dispatch import solve
from adlopt.solving.solution import Solution
from adlopt.studies.table_result import TableResult


@dataclass(frozen=True, eq=False, repr=False)
class Exploration(TableResult):
    """Cross-evaluation of objectives.

    The smallest value of each column lies on the diagonal, up to the proven gaps.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem(64)
    >>> study = adl.explore(problem, [adl.ExpectedLoss(), adl.CVaR(0.9)])
    >>> study.table.columns.tolist()
    ['ExpectedLoss()', 'CVaR(level=0.9)']
    """

    table: pd.DataFrame
    """Row: the objective that was minimised. Column: the measure of its optimum, in money."""
    solutions: dict[str, Solution]
    """The solution of each row."""

    @property
    def fractions(self) -> pd.DataFrame:
        """Fraction taken of each eligible position; a column per objective."""
        keys = ["account", "asset", "margin_mode"]
        return pd.DataFrame(
            {
                name: solution.allocation.set_index(keys)["fraction"]
                for name, solution in self.solutions.items()
            }
        )

    @property
    def reduced(self) -> pd.DataFrame:
        """By objective: accounts_reduced, fully_closed, max_fraction, gap, status."""
        rows = {}
        for name, solution in self.solutions.items():
            touched = solution.reduced
            rows[name] = {
                "accounts_reduced": touched["account"].nunique(),
                "fully_closed": int((touched["fraction"] >= 1).sum()),
                "max_fraction": touched["fraction"].max(),
                "gap": solution.gap,
                "status": solution.status,
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("minimised")

    @property
    def _heading(self) -> str:
        return "Each optimum (row), measured by each objective (column), in money"


def explore(
    problem: Problem,
    objectives: Iterable[Objective | Callable[..., Any]] | Objective | Callable[..., Any],
    *,
    executor: Executor | None = None,
    **options: Any,
) -> Exploration:
    """Minimise each objective and measure every optimum by all of them, on the same scenarios.

    Parameters
    ----------
    problem : Problem
        With a price model; its own objective is replaced.
    objectives : objective or iterable of objectives
        Objects such as `CVaR(0.99)`, or functions of a cvxpy loss vector.
    executor : concurrent.futures.Executor, optional
        Solves the problems in parallel; in this process if left out. Answers do not depend on it.
    **options
        Passed to `adl.solve`.

    Returns
    -------
    Exploration

    Raises
    ------
    InputError
        No objectives, or something that is not an objective.
    NotApplicable
        The problem has no price model.

    Examples
    --------
    >>> import adlopt as adl
    >>> problem = adl.examples.paper_problem(64)
    >>> study = adl.explore(problem, [adl.ExpectedLoss(), adl.CVaR(0.9)])
    >>> study.table.shape
    (2, 2)
    """
    require_problem("explore", problem)
    candidates = _as_objectives(objectives)
    problem.require_prices()
    variants = [problem.with_changes(objective=objective) for objective in candidates]
    names = validation.number_duplicates([str(variant.objective) for variant in variants])
    check_executor("explore", executor)
    tasks = [(variant, options) for variant in variants]
    solutions = dict(zip(names, run_tasks(_solve, tasks, executor=executor), strict=True))
    weights = problem.scenarios.weights
    values = {}
    for name, solution in solutions.items():
        losses = losses_beyond_fund(problem, solution.allocation["reduction"].to_numpy())
        values[name] = [variant.objective.value(losses, weights) for variant in variants]
    table = pd.DataFrame.from_dict(values, orient="index", columns=names)
    return Exploration(table.rename_axis("minimised"), solutions)


def _solve(problem: Problem, options: dict[str, Any]) -> Solution:
    return solve(problem, **options)


def _as_objectives(given: object) -> list[Any]:
    """The objectives as a list, or an InputError."""
    if isinstance(given, Objective) or callable(given):
        return [given]
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(
            f"explore: objectives is {given!r}; give a list such as [ExpectedLoss(), CVaR(0.99)]"
        )
    listed = list(given)
    if not listed:
        raise InputError("explore: give at least one objective, such as CVaR(0.99)")
    return listed
