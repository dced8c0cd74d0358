"""Losses by scenario, under the scenarios' own names."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from adlopt.model.allocation import AnyAllocation, read_allocation
from adlopt.model.losses import losses_beyond_fund
from adlopt.model.problem import Problem, require_problem
from adlopt.prices.protocol import scenario_names
from adlopt.studies.table_result import TableResult


@dataclass(frozen=True, eq=False, repr=False)
class ScenarioLosses(TableResult):
    """Losses of the exchange by scenario, before and after an allocation.

    Examples
    --------
    >>> import adlopt as adl
    >>> prices = adl.Stress({"calm": {"BTC": 0.0, "ETH": 0.0}, "rally": {"BTC": 0.3, "ETH": 0.1}})
    >>> problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices)
    >>> adl.scenario_table(problem, adl.solve(problem)).table.index.tolist()
    ['calm', 'rally']
    """

    table: pd.DataFrame
    """A row per scenario, by name: `probability`, and the loss beyond the fund `before` any
    reduction and `after` it, in money.
    """

    @property
    def _heading(self) -> str:
        return f"Loss beyond the fund in {len(self.table):,} scenarios, in money"


def scenario_table(problem: Problem, allocation: AnyAllocation) -> ScenarioLosses:
    """Loss in each scenario before any reduction and after an allocation.

    Parameters
    ----------
    problem : Problem
        With a price model. Rows are named by stress scenarios or the ends of historical windows,
        and numbered for drawn scenarios.
    allocation : Solution, DataFrame or array
        A feasible allocation, as `adl.certify` takes it.

    Returns
    -------
    ScenarioLosses

    Raises
    ------
    InputError
        The allocation is not feasible.
    NotApplicable
        The problem has no price model.

    Examples
    --------
    >>> import adlopt as adl
    >>> prices = adl.Stress({"calm": {"BTC": 0.0, "ETH": 0.0}, "rally": {"BTC": 0.3, "ETH": 0.1}})
    >>> problem = adl.Problem(adl.examples.paper_book(), {"BTC": -10.0}, prices=prices)
    >>> losses = adl.scenario_table(problem, adl.solve(problem).allocation)
    >>> losses.table.index.tolist()
    ['calm', 'rally']
    """
    require_problem("scenario_table", problem)
    model, book = problem.price_model, problem.book
    table = pd.DataFrame(
        {
            "probability": problem.scenarios.weights,
            "before": losses_beyond_fund(problem, None),
            "after": losses_beyond_fund(problem, read_allocation(problem, allocation)),
        },
        index=scenario_names(model, book.assets, book.marks).rename("scenario"),
    )
    return ScenarioLosses(table)
