"""Policies compared with the optimum of one problem."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import KW_ONLY, dataclass, field, replace
from html import escape
from typing import Any

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
from adlopt.policies.protocol import AnyPolicy, Policies, apply_policy
from adlopt.policies.reading import by_name
from adlopt.policies.standard import omission_notes, omitted, standard
from adlopt.solving.dispatch import solve
from adlopt.solving.solution import Solution
from adlopt.studies import _comparison_tables as tables
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
    _: KW_ONLY
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
    omitted: dict[str, str] = field(default_factory=dict)
    """Default rules, and the optimum, that the problem lacks the data for, each with the reason."""

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
        """The comparison as JSON text, floats in full; numbers that are not finite become null.

        Returns
        -------
        str
        """
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
            "omitted": self.omitted,
        }
        return json.dumps(tables.as_json_values(content), indent=1)

    @classmethod
    def from_json(cls, text: str, *, problem: Problem | None = None) -> Comparison:
        """Read what `to_json` wrote.

        Parameters
        ----------
        text : str
        problem : Problem, optional
            Stored as the attribute `problem`, which JSON does not hold.

        Returns
        -------
        Comparison

        Raises
        ------
        InputError
            The text is not JSON of a comparison.
        """
        try:
            content = json.loads(text)
            policies = content["policies"]
            blocks = {
                block: tables.table_of({name: row[block] for name, row in policies.items()})
                for block in BLOCKS
            }
            return cls(
                **blocks,
                unhedged=pd.DataFrame(
                    content["unhedged"], columns=["policy", "account", "before", "after"]
                ),
                allocations={
                    name: tables.allocation_of(row["allocation"]) for name, row in policies.items()
                },
                before=pd.Series(content["before"], dtype=float, name="before"),
                lower_bound=content["lower_bound"],
                level=content["level"],
                direction=pd.Series(content["direction"], dtype=float, name="direction"),
                problem=problem,
                omitted=content.get("omitted", {}),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"Comparison.from_json: expected the text that to_json writes ({error!r})"
            ) from error

    def __repr__(self) -> str:
        blocks = [f"{name}\n{self._as_text(name).to_string()}" for name in BLOCKS]
        return "\n\n".join([*blocks, *omission_notes(self.omitted)])

    def _repr_html_(self) -> str:
        blocks = [f"<h4>{escape(name)}</h4>{self._as_text(name).to_html()}" for name in BLOCKS]
        notes = [f"<p>{escape(note)}</p>" for note in omission_notes(self.omitted)]
        return "".join([*blocks, *notes])

    def _as_text(self, name: str) -> pd.DataFrame:
        """A block as it is printed; CVaR with its level."""
        shown = tables.as_text(getattr(self, name))
        return shown.rename(columns={"cvar": f"cvar_{100 * self.level:g}%"})


def compare(
    problem: Problem,
    policies: Policies | None = None,
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
        By default all that the problem has the data for; `Comparison.omitted` says what others
        lack. The optimum is added as the first row if `Optimal()` is not given.
    level : float, default 0.99
        Level of the column `cvar`, in [0, 1).
    direction : mapping from asset to float, optional
        Factor of the hedge columns, in money per contract; by default `policies.features.factor`.
    method : str, default "auto"
        Method of `adl.solve` for the optimum.
    solution : Solution, optional
        A known solution of this problem, which is then not solved again.
    constraints : function, str, or sequence of them
        As for `adl.solve`, which the optimum and the bound obey. Policies need not: the column
        `constraint_violation` shows by how much they break them, relative to a constraint's size.
    executor : concurrent.futures.Executor, optional
        Applies the policies in parallel, with the same answers.

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
    tail, v = CVaR(level), _factor(problem, direction)
    chosen = _chosen(problem, policies)
    limits = read_all(problem, constraints)
    check_executor("compare", executor)
    lacking = omitted(problem) if policies is None else {}
    best = _optimum(problem, method, solution, limits, lacking)
    known = None if best is None or limits else Optimal(method=method)
    taken, bound = _allocations(chosen, best, _answers(problem, chosen, known, executor))
    measured = _measured(problem, taken, bound, tail=tail, v=v, constraints=limits)
    return replace(measured, omitted=lacking)


def _chosen(problem: Problem, policies: Policies | None) -> dict[str, AnyPolicy]:
    """The policies by row name, at least one."""
    chosen = by_name(standard(problem) if policies is None else policies)
    if not chosen:
        raise InputError("compare: give at least one policy, such as adl.policies.BitMEX()")
    return chosen


def _factor(problem: Problem, direction: Mapping[str, float] | None) -> FloatArray:
    """(d,) factor of the hedge columns, in money per contract."""
    if direction is None:
        return features.factor(problem)
    return validation.vector_by_asset("compare: direction", direction, problem.book.assets)


def _answers(
    problem: Problem,
    chosen: Mapping[str, AnyPolicy],
    known: Optimal | None,
    executor: Executor | None,
) -> dict[str, FloatArray]:
    """Reductions (e,) of every policy by name, but for the one whose answer is known."""
    asked = {name: p for name, p in chosen.items() if not isinstance(p, Optimal) or p != known}
    tasks = [(policy, problem) for policy in asked.values()]
    return dict(zip(asked, run_tasks(apply_policy, tasks, executor=executor), strict=True))


def _measured(
    problem: Problem,
    taken: Mapping[str, FloatArray],
    bound: float | None,
    *,
    tail: CVaR,
    v: FloatArray,
    constraints: tuple[Constraints, ...],
) -> Comparison:
    """The result from the reductions (e,) of each row."""
    rows = {
        name: policy_measures.measures(problem, amounts, tail, v, bound, constraints)
        for name, amounts in taken.items()
    }
    blocks: dict[str, Any] = {
        block: tables.table_of({name: row[block] for name, row in rows.items()}) for block in BLOCKS
    }
    return Comparison(
        **blocks,
        unhedged=policy_measures.unhedged_pools(problem, taken, v),
        allocations={name: as_table(problem, amounts) for name, amounts in taken.items()},
        before=pd.Series(policy_measures.risk(problem, None, tail), name="before"),
        lower_bound=bound,
        level=tail.level,
        direction=pd.Series(v, index=problem.book.assets, name="direction"),
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
    lacking: dict[str, str],
) -> tuple[FloatArray, float | None] | None:
    """The optimal reductions and the lower bound; None if no method solves the problem, with the
    reason put into `lacking`.
    """
    if known is not None:
        return read_allocation(problem, known.allocation), known.lower_bound
    try:
        solution = solve(problem, method, constraints=constraints)
    except NotApplicable as error:
        lacking[OPTIMUM] = str(error)
        return None
    return solution.allocation["reduction"].to_numpy(), solution.lower_bound
