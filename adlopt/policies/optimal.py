"""The optimal allocation as a policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.model.problem import Problem
from adlopt.model.statement import as_objective
from adlopt.objectives import Objective
from adlopt.policies.protocol import Policy
from adlopt.prices.protocol import PriceModel
from adlopt.solving.dispatch import METHODS, run_method


@dataclass(frozen=True)
class Optimal(Policy):
    """What `adl.solve` finds for the problem, or for it with another objective or price model.

    Parameters
    ----------
    objective : Objective, str or function, optional
        Minimised instead of the problem's own, as in `adl.Problem`.
    prices : price model, or function from a book to one, optional
        In place of the problem's own. In a simulation each wave has its own book and marks.
    method : str, default "auto"
        Of `adl.solve`.

    Raises
    ------
    InputError
        An unknown method, or an objective that cannot be read.
    NotApplicable
        No method solves the problem, as without a price model under cross margin.

    Examples
    --------
    >>> import adlopt as adl
    >>> print(adl.policies.Optimal("cvar:0.99"))
    Optimal(CVaR(level=0.99))
    """

    objective: Objective | str | Callable[..., Any] | None = None
    prices: PriceModel | Callable[[Book], PriceModel] | None = None
    method: str = field(default="auto", kw_only=True)

    def __post_init__(self) -> None:
        if self.objective is not None:
            object.__setattr__(self, "objective", as_objective(self.objective))
        if self.method not in METHODS:
            raise InputError(
                f"Optimal: method {self.method!r} is unknown; use one of {', '.join(METHODS)}"
            )

    def problem_for(self, problem: Problem) -> Problem:
        """The problem with this policy's own objective and price model.

        Parameters
        ----------
        problem : Problem

        Returns
        -------
        Problem
        """
        if self.prices is not None:
            model = self.prices
            if not hasattr(model, "scenarios"):
                model = model(problem.book)
            problem = replace(problem, prices=model)
        if self.objective is not None:
            problem = problem.with_changes(objective=self.objective)
        return problem

    def reductions(self, problem: Problem) -> FloatArray:
        return run_method(self.problem_for(problem), self.method).allocation

    def __str__(self) -> str:
        stated = [] if self.method == "auto" else [self.method]
        stated += [] if self.objective is None else [str(self.objective)]
        return f"Optimal({', '.join(stated)})" if stated else "Optimal"
