"""What if the exchange minimised something else: every objective's optimum under every other
measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from adlopt._internal import validation
from adlopt.errors import InputError
from adlopt.model.losses import losses_beyond_fund
from adlopt.model.problem import Problem, require_problem
from adlopt.objectives import Objective
from adlopt.solving.dispatch import solve
from adlopt.solving.solution import Solution


class Exploration(pd.DataFrame):  # type: ignore[misc]
    """Cross-evaluation: row, the objective that was minimised; column, the measure of its optimum,
    in money.

    The diagonal is smallest in its column, up to the proven gaps. `solutions` has what was solved
    by row; `fractions` who
    is reduced by how much of the position under each.
    """

    _metadata = ["solutions"]  # noqa: RUF012  (pandas' own protocol for attributes of a subclass)
    solutions: dict[str, Solution]

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame

    @property
    def fractions(self) -> pd.DataFrame:
        """Fraction of each eligible position that is taken, by account, asset and margin mode; a
        column per objective.
        """
        keys = ["account", "asset", "margin_mode"]
        return pd.DataFrame(
            {
                name: solution.allocation.set_index(keys)["fraction"]
                for name, solution in self.solutions.items()
            }
        )

    @property
    def reduced(self) -> pd.DataFrame:
        """By objective: accounts reduced, positions closed in full, largest fraction, proven gap,
        status.
        """
        rows = {}
        for name, solution in self.solutions.items():
            touched = solution.reduced
            rows[name] = {
                "accounts reduced": touched["account"].nunique(),
                "closed in full": int((touched["fraction"] >= 1).sum()),
                "largest fraction": touched["fraction"].max(),
                "gap": solution.gap,
                "status": solution.status,
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("minimised")


def explore(
    problem: Problem, objectives: Sequence[Objective] | Objective, **options: Any
) -> Exploration:
    """Solve the problem for each objective and evaluate every optimum under all of them, on the
    same scenarios.

    `options` go to `solve`. Raises InputError without objectives, NotApplicable without a price
    model.
    """
    require_problem("explore", problem)
    tried = (
        [objectives]
        if isinstance(objectives, Objective) or callable(objectives)
        else list(objectives or ())
    )
    if not tried:
        raise InputError("explore: give at least one objective")
    problem.require_prices()
    variants = [problem.with_changes(objective=objective) for objective in tried]
    names = validation.number_duplicates([str(variant.objective) for variant in variants])
    solutions = {
        name: solve(variant, **options) for name, variant in zip(names, variants, strict=True)
    }
    weights = problem.scenarios.weights
    values = {}
    for name, solution in solutions.items():
        losses = losses_beyond_fund(problem, solution.allocation["reduction"].to_numpy())
        values[name] = [variant.objective.value(losses, weights) for variant in variants]
    table = Exploration(
        pd.DataFrame.from_dict(values, orient="index", columns=names).rename_axis("minimised")
    )
    table.solutions = solutions
    return table
