"""Losses by scenario, under the scenarios' own names."""

from __future__ import annotations

import pandas as pd

from adlopt.model.allocation import read_allocation
from adlopt.model.losses import losses_beyond_fund
from adlopt.model.problem import Problem
from adlopt.prices.protocol import scenario_names


def scenario_table(problem: Problem, allocation: pd.DataFrame) -> pd.DataFrame:
    """One row per scenario, by name: probability, loss beyond the fund before any reduction and
    after, in money.

    Names are those of stress scenarios, the ends of historical windows, and numbers for drawn
    scenarios.
    `allocation` is a table as `certify` takes it.
    """
    model, book = problem.price_model, problem.book
    return pd.DataFrame(
        {
            "probability": problem.scenarios.weights,
            "before": losses_beyond_fund(problem, None),
            "after": losses_beyond_fund(problem, read_allocation(problem, allocation)),
        },
        index=scenario_names(model, book.assets, book.marks).rename("scenario"),
    )
