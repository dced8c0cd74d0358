"""Policies compared with the optimum of one problem."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt._internal.executors import check_executor, run_tasks
from adlopt.errors import InputError, NotApplicable
from adlopt.model.allocation import as_table, read_allocation
from adlopt.model.constraints import Constraints, read_all
from adlopt.model.problem import Problem, require_problem
from adlopt.objectives import CVaR
from adlopt.policies import features
from adlopt.policies.optimal import Optimal
from adlopt.policies.protocol import AnyPolicy, apply_policy, by_name
from adlopt.policies.standard import standard
from adlopt.solving.dispatch import solve
from adlopt.solving.solution import Solution
from adlopt.studies import policy_measures

OPTIMUM = "Optimal"
BLOCKS = ("feasibility", "risk", "concentration", "hedges")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Policies compared with the optimum; each table has a row per policy.

    Risk columns that need a price model are NaN without one.

    Examples
    --------
    >>> import adlopt as adl
    >>> comparison = adl.compare(adl.examples.paper_problem(), [adl.policies.ProRata()])
    >>> comparison.risk["expected_loss"].round(1).to_dict()
    {'Optimal': 500.5, 'ProRata(contracts)': 1905.8}
    >>> adl.Comparison.from_json(comparison.to_json()).table.equals(comparison.table)
    True
    """

    feasibility: pd.DataFrame
    """`feasible`; `sum_violation` and `bound_violation`, relative to the required sum."""
    risk: pd.DataFrame
    """`objective` of the problem; `expected_loss`, `cvar` (at `level`) and `worst_case` beyond the
    insurance fund; `insolvency_probability` that some pool ends below zero; quantiles of gross
    leverage of the eligible pools afterwards; `excess` over the proven lower bound in money,
    `excess_percent` of that bound, and `gap` = excess / objective.
    """
    concentration: pd.DataFrame
    """`accounts` reduced; positions `fully_closed`; `max_fraction` of a position; `max_burden`,
    notional taken over equity of a pool; `hhi` (Herfindahl index) and `gini` of the notional taken
    by account.
    """
    hedges: pd.DataFrame
    """`gross_closed`, notional; `net_before` and `net_after`, factor exposure |v.q| summed over
    eligible pools; `unhedged`, the accounts whose factor exposure rises.
    """
    unhedged: pd.DataFrame
    """Pools whose factor exposure rises: policy, account, before, after; largest rise first."""
    allocations: dict[str, pd.DataFrame]
    """The allocation table of each policy."""
    before: pd.Series[float]
    """The risk columns before any reduction."""
    lower_bound: float | None
    """Proven lower bound on the optimal value; None without a price model."""
    level: float
    """Level of the column `cvar`."""
    direction: pd.Series[float]
    """Factor v of the hedge columns: money per contract and standard deviation, by asset."""
    problem: Problem | None = None
    """The problem compared on; None after `from_json`, which does not store it."""

    @property
    def table(self) -> pd.DataFrame:
        """All columns of the four blocks in one table."""
        blocks: list[pd.DataFrame] = [getattr(self, block) for block in BLOCKS]
        return pd.concat(blocks, axis=1)

    def to_frame(self) -> pd.DataFrame:
        """A copy of `table`."""
        return self.table

    @property
    def policies(self) -> list[str]:
        """Names of the rows."""
        return [str(name) for name in self.risk.index]

    @property
    def fractions(self) -> pd.DataFrame:
        """Fraction taken of each eligible position; a column per policy."""
        keys = ["account", "asset", "margin_mode"]
        return pd.DataFrame(
            {name: table.set_index(keys)["fraction"] for name, table in self.allocations.items()}
        )

    def to_json(self) -> str:
        """The comparison as JSON text, floats in full; numbers that are not finite become null."""
        blocks = {block: getattr(self, block).to_dict("index") for block in BLOCKS}
        policies = {
            name: {block: blocks[block][name] for block in BLOCKS}
            | {"allocation": self.allocations[name].to_dict("records")}
            for name in self.policies
        }
        content = {
            "level": self.level,
            "lower_bound": self.lower_bound,
            "before": self.before.to_dict(),
            "direction": self.direction.to_dict(),
            "policies": policies,
            "unhedged": self.unhedged.to_dict("records"),
        }
        return json.dumps(_plain(content), indent=1)

    @classmethod
    def from_json(cls, text: str, *, problem: Problem | None = None) -> Comparison:
        """Read what `to_json` wrote.

        Parameters
        ----------
        text : str
        problem : Problem, optional
            Stored as the attribute `problem`, which JSON does not hold.

        Raises
        ------
        InputError
            The text is not JSON of a comparison.
        """
        try:
            content = json.loads(text)
            policies = content["policies"]
            blocks = {
                block: _table_of({name: row[block] for name, row in policies.items()})
                for block in BLOCKS
            }
            return cls(
                **blocks,
                unhedged=pd.DataFrame(
                    content["unhedged"], columns=["policy", "account", "before", "after"]
                ),
                allocations={
                    name: _allocation_of(row["allocation"]) for name, row in policies.items()
                },
                before=pd.Series(content["before"], dtype=float, name="before"),
                lower_bound=content["lower_bound"],
                level=content["level"],
                direction=pd.Series(content["direction"], dtype=float, name="direction"),
                problem=problem,
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"Comparison.from_json: expected the text that to_json writes ({error!r})"
            ) from error

    def __repr__(self) -> str:
        blocks = [f"{name}\n{_as_text(getattr(self, name)).to_string()}" for name in BLOCKS]
        return "\n\n".join(blocks)

    def _repr_html_(self) -> str:
        return "".join(
            f"<h4>{escape(name)}</h4>{_as_text(getattr(self, name)).to_html()}" for name in BLOCKS
        )


def compare(
    problem: Problem,
    policies: Mapping[str, AnyPolicy] | Iterable[AnyPolicy] | None = None,
    *,
    level: float = 0.99,
    direction: Mapping[str, float] | None = None,
    method: str = "auto",
    solution: Solution | None = None,
    constraints: Constraints | str | Sequence[Constraints | str] = (),
    executor: Executor | None = None,
) -> Comparison:
    """Compare policies with the optimum of one problem.

    Parameters
    ----------
    problem : Problem
    policies : Policy, iterable of policies or mapping from name to policy, optional
        By default all rules that the problem has the data for. The optimum is added as the first
        row unless `Optimal()` is given; it is left out only if no method solves the problem.
    level : float, default 0.99
        Level of the column `cvar`, in [0, 1).
    direction : mapping from asset to float, optional
        Factor of the hedge columns, in money per contract. By default the factor of the price
        model (see `adl.policies.features.factor`).
    method : str, default "auto"
        Method of `adl.solve` for the optimum.
    solution : Solution, optional
        A known solution of this problem, so that it is not solved again.
    constraints : function, str, or sequence of them
        As for `adl.solve`: the optimum and the bound are those under them. Policies need not meet
        them; the column `constraint_violation` says by how much they do not, relative to the size
        of a constraint.
    executor : concurrent.futures.Executor, optional
        Applies the policies in parallel; in this process if left out. Answers do not depend on it.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        No policies, or a policy that lacks data or does not return an allocation.

    Examples
    --------
    >>> import adlopt as adl
    >>> comparison = adl.compare(adl.examples.paper_problem(), [adl.policies.BitMEX()])
    >>> comparison.unhedged["account"].tolist()
    ['4']
    """
    require_problem("compare", problem)
    tail = CVaR(level)
    chosen = by_name(standard(problem) if policies is None else policies)
    if not chosen:
        raise InputError("compare: give at least one policy, such as adl.policies.BitMEX()")
    assets = problem.book.assets
    v = (
        features.factor(problem)
        if direction is None
        else validation.vector_by_asset("compare: direction", direction, assets)
    )
    limits = read_all(problem, constraints)
    check_executor("compare", executor)
    best = _optimum(problem, method, solution, limits)
    known = None if best is None or limits else Optimal(method=method)
    asked = {name: p for name, p in chosen.items() if not isinstance(p, Optimal) or p != known}
    tasks = [(policy, problem) for policy in asked.values()]
    answers = run_tasks(apply_policy, tasks, executor=executor)
    taken, bound = _allocations(chosen, best, dict(zip(asked, answers, strict=True)))
    rows = {
        name: policy_measures.measures(problem, amounts, tail, v, bound, limits)
        for name, amounts in taken.items()
    }
    return Comparison(
        **{block: _table_of({name: row[block] for name, row in rows.items()}) for block in BLOCKS},
        unhedged=policy_measures.unhedged_pools(problem, taken, v),
        allocations={name: as_table(problem, amounts) for name, amounts in taken.items()},
        before=pd.Series(policy_measures.risk(problem, None, tail), name="before"),
        lower_bound=bound,
        level=tail.level,
        direction=pd.Series(v, index=assets, name="direction"),
        problem=problem,
    )


def _allocations(
    chosen: Mapping[str, AnyPolicy],
    best: tuple[FloatArray, float | None] | None,
    answers: Mapping[str, FloatArray],
) -> tuple[dict[str, FloatArray], float | None]:
    """Reductions (e,) by row name, the optimum first unless it is given, and the lower bound."""
    if best is None:
        return dict(answers), None
    optimum, bound = best
    taken: dict[str, FloatArray] = {}
    if not any(
        isinstance(p, Optimal) and p.objective is None and p.prices is None for p in chosen.values()
    ):
        taken[OPTIMUM if OPTIMUM not in chosen else f"{OPTIMUM} (of the problem)"] = optimum
    return taken | {name: answers.get(name, optimum) for name in chosen}, bound


def _optimum(
    problem: Problem,
    method: str,
    known: Solution | None,
    constraints: tuple[Constraints, ...],
) -> tuple[FloatArray, float | None] | None:
    """The optimal reductions and the lower bound; None if no method solves the problem."""
    if known is not None:
        return read_allocation(problem, known.allocation), known.lower_bound
    try:
        solution = solve(problem, method, constraints=constraints)
    except NotApplicable:
        return None
    return solution.allocation["reduction"].to_numpy(), solution.lower_bound


def _table_of(rows: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row per policy, a column per measure, each of its own type; None becomes NaN."""
    names = next(iter(rows.values())).keys()
    columns = {
        column: [np.nan if row[column] is None else row[column] for row in rows.values()]
        for column in names
    }
    return pd.DataFrame(columns, index=pd.Index(list(rows), name="policy"))


def _allocation_of(records: list[dict[str, Any]]) -> pd.DataFrame:
    """An allocation table from its rows, with the column types of `Solution.allocation`."""
    table = pd.DataFrame(records)
    margin_mode = pd.Categorical(table["margin_mode"], categories=["cross", "isolated"])
    return table.assign(margin_mode=margin_mode)


def _plain(value: Any) -> Any:
    """Values that JSON has: no numpy types, no NaN or infinity."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _as_text(block: pd.DataFrame) -> pd.DataFrame:
    """The numbers of a block, with as few digits as distinguish the rows."""
    columns = {name: [_format_cell(value) for value in block[name]] for name in block.columns}
    return pd.DataFrame(columns, index=block.index)


def _format_cell(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "NO"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if np.isnan(value):
        return "-"
    value = value + 0.0  # no negative zero
    if abs(value) >= 1e5:
        return f"{value:,.0f}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.1f}"
