"""Rules beside the optimum: what each costs in risk, whom it hits, whose hedges it takes apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError, NotApplicable
from adlopt.model.allocation import as_table, gross_leverage, read_allocation
from adlopt.model.losses import objective_value, scenario_losses
from adlopt.model.problem import Problem, require_problem
from adlopt.objectives import CVaR, ExpectedLoss
from adlopt.policies import features
from adlopt.policies.optimal import Optimal
from adlopt.policies.protocol import ROUNDING, AnyPolicy, named, reductions, violations
from adlopt.policies.standard import standard
from adlopt.solving.dispatch import solve
from adlopt.solving.solution import Solution

OPTIMUM = "Optimal"
TINY = np.finfo(float).tiny
INSOLVENT = 1e-9  # of the solvent equity: losses beyond it count, rounding at the kink does not
QUANTILES = {"leverage 50 %": 0.5, "leverage 90 %": 0.9, "leverage 99 %": 0.99, "leverage max": 1.0}


class Comparison(pd.DataFrame):  # type: ignore[misc]
    """Row, a policy; columns in the blocks feasibility, risk, concentration and hedges.

    feasibility: `feasible`; `unmet`, the largest miss of a required sum, and `overstepped`, of a
    box, relative to the sum.
    risk: `objective` of the problem; `expected loss`, `CVaR` and `worst case` beyond the insurance
    fund; `P(insolvency)`, that
        any pool ends below zero; quantiles of gross leverage of the eligible pools afterwards;
        `excess`, money above the
        proven lower bound of the best possible, `excess %` of that bound, `gap` = excess /
        objective.
    concentration: `accounts` reduced; positions `closed` in full; `max fraction` of a position;
    `max burden`, notional taken
        over equity of a pool; `HHI`, sum of squared shares of accounts in the notional taken;
        `Gini` of it over eligible
        accounts.
    hedges: `gross closed`, notional; `net before` and `net after`, factor exposure |v.q| summed
    over eligible pools, v being
        money per standard deviation of the factor; `left naked`, accounts whose factor leverage has
        risen.

    Without a price model the risk numbers that need one are NaN. `allocations` has each policy's
    table, `before` the numbers
    before any reduction, `lower_bound` what is proven of the optimum, `direction` the factor by
    asset.
    """

    _metadata = ["allocations", "before", "lower_bound", "direction", "problem"]  # noqa: RUF012  (pandas' own protocol)
    allocations: dict[str, pd.DataFrame]
    before: pd.Series[float]
    lower_bound: float | None
    direction: pd.Series[float]
    problem: Problem

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame

    @property
    def fractions(self) -> pd.DataFrame:
        """Fraction taken of each eligible position, by account, asset and margin mode; a column per
        policy.
        """
        keys = ["account", "asset", "margin_mode"]
        return pd.DataFrame(
            {name: table.set_index(keys)["fraction"] for name, table in self.allocations.items()}
        )

    @property
    def naked(self) -> pd.DataFrame:
        """Factor exposure of pools that a policy left naked: policy, account, before, after
        (money); largest rise first.
        """
        problem, v = self.problem, self.direction.to_numpy()
        before = _exposure(problem, None, v)
        parts = []
        for name, table in self.allocations.items():
            after = _exposure(problem, table["reduction"].to_numpy(), v)
            worse = np.flatnonzero(_risen(problem, before, after))
            account = problem.book.names.take(problem.book.pool_account[worse])
            parts.append(
                pd.DataFrame(
                    {
                        "policy": name,
                        "account": account,
                        "before": before[worse],
                        "after": after[worse],
                    }
                )
            )
        listed = pd.concat(parts, ignore_index=True)
        rise = (listed["after"].abs() - listed["before"].abs()).to_numpy()
        return listed.iloc[np.argsort(-rise, kind="stable")].reset_index(drop=True)

    def __repr__(self) -> str:
        if not isinstance(self.columns, pd.MultiIndex):
            return str(super().__repr__())
        blocks = [f"{block}\n{_text(self[block]).to_string()}" for block in self.columns.unique(0)]
        return "\n\n".join(blocks)

    def _repr_html_(self) -> str:
        if not isinstance(self.columns, pd.MultiIndex):
            return str(super()._repr_html_())
        return "".join(
            f"<h4>{block}</h4>{_text(self[block]).to_html()}" for block in self.columns.unique(0)
        )


def compare(
    problem: Problem,
    policies: Mapping[str, AnyPolicy] | Iterable[AnyPolicy] | None = None,
    *,
    level: float = 0.99,
    direction: Mapping[str, float] | None = None,
    method: str = "auto",
    solution: Solution | None = None,
) -> Comparison:
    """Put policies beside the optimum of one problem.

    Parameters
    ----------
    policies : of any kind, perhaps by name; left out, all that the problem has the data for. The
        optimum is added as the
        first row unless `Optimal()` is among them; it is left out only where no method solves the
        problem.
    level : of the CVaR column.
    direction : factor of the hedge columns, money per contract by asset; left out, that of the
        price model (see
        `policies.features.factor`).
    method : of `adl.solve`, for the optimum.
    solution : of this problem, without further constraints, if it is known already: it is not
        solved for again.

    Raises
    ------
    InputError : no policies; a policy that lacks data or does not answer with an allocation.
    """
    require_problem("compare", problem)
    tail = CVaR(level)
    chosen = named(standard(problem) if policies is None else policies)
    if not chosen:
        raise InputError("compare: give at least one policy, such as adl.policies.BitMEX()")
    v = (
        features.factor(problem)
        if direction is None
        else validation.vector_by_asset("compare: direction", direction, problem.book.assets)
    )
    best = _optimum(problem, method, solution)
    bound: float | None = None
    taken: dict[str, FloatArray] = {}
    if best is not None:
        optimum, bound = best
        if not any(
            isinstance(policy, Optimal) and policy.objective is None for policy in chosen.values()
        ):
            name = OPTIMUM if OPTIMUM not in chosen else f"{OPTIMUM} (of the problem)"
            taken[name] = optimum
    for name, policy in chosen.items():
        solved = best is not None and isinstance(policy, Optimal) and policy == Optimal(method)
        taken[name] = optimum if solved else reductions(policy, problem)
    rows = {name: _row(problem, amounts, tail, v, bound) for name, amounts in taken.items()}
    table = Comparison(pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy"))
    table.columns = pd.MultiIndex.from_tuples(table.columns)
    table.allocations = {name: as_table(problem, amounts) for name, amounts in taken.items()}
    table.before = pd.Series(_risk(problem, None, tail), name="before")
    table.lower_bound = bound
    table.direction = pd.Series(v, index=problem.book.assets, name="direction")
    table.problem = problem
    return table


def _optimum(
    problem: Problem, method: str, known: Solution | None
) -> tuple[FloatArray, float | None] | None:
    """The best allocation and the proven bound on its value; None where no method solves the
    problem.
    """
    if known is not None:
        return read_allocation(problem, known.allocation), known.lower_bound
    try:
        solution = solve(problem, method)
    except NotApplicable:
        return None
    return solution.allocation["reduction"].to_numpy(), solution.lower_bound


def _row(
    problem: Problem, taken: FloatArray, tail: CVaR, v: FloatArray, bound: float | None
) -> dict[tuple[str, str], Any]:
    unmet, overstepped = violations(problem, taken)
    feasible = unmet <= ROUNDING and overstepped <= ROUNDING
    risk = _risk(problem, taken, tail)
    # What takes less than required may well have less risk: its distance from the optimum says
    # nothing.
    known = bound is not None and feasible
    value, least = risk["objective"], bound if bound is not None else np.nan
    excess = max(value - least, 0.0) if known else np.nan
    risk["excess"] = excess
    risk["excess %"] = _share(excess, least) * 100
    risk["gap"] = _share(excess, value)
    blocks: dict[str, dict[str, Any]] = {
        "feasibility": {"feasible": feasible, "unmet": unmet, "overstepped": overstepped},
        "risk": risk,
        "concentration": _concentration(problem, taken),
        "hedges": _hedges(problem, taken, v),
    }
    return {
        (block, name): number
        for block, numbers in blocks.items()
        for name, number in numbers.items()
    }


def _share(part: float, whole: float) -> float:
    """part / whole; nothing of nothing is nothing."""
    if part == 0:
        return 0.0
    return part / abs(whole) if whole != 0 else float("inf") if np.isfinite(part) else np.nan


def _risk(problem: Problem, taken: FloatArray | None, tail: CVaR) -> dict[str, float]:
    numbers = dict.fromkeys(
        (
            "objective",
            "expected loss",
            f"CVaR {100 * tail.level:g} %",
            "P(insolvency)",
            "worst case",
        ),
        np.nan,
    )
    if problem.prices is not None:
        losses, weights = scenario_losses(problem, taken), problem.scenarios.weights
        excess = np.maximum(losses - problem.insurance_fund, 0.0)
        negligible = INSOLVENT * problem.book.equity[problem.book.solvent].sum()
        numbers = dict(
            zip(
                numbers,
                (
                    objective_value(problem, taken),
                    objective_value(problem.with_changes(objective=ExpectedLoss()), taken),
                    tail.value(excess, weights),
                    float(weights[losses > negligible].sum()),
                    float(excess[weights > 0].max()),
                ),
                strict=True,
            )
        )
    leverage = gross_leverage(problem, taken)[np.unique(problem.pool)]
    after = leverage[
        np.isfinite(leverage)
    ]  # settlement off the mark may leave a pool without equity
    return {**numbers, **{name: _quantile(after, share) for name, share in QUANTILES.items()}}


def _quantile(values: FloatArray, share: float) -> float:
    return float(np.quantile(values, share)) if values.size else np.nan


def _concentration(problem: Problem, taken: FloatArray) -> dict[str, Any]:
    book = problem.book
    fraction = taken / book.size[problem.eligible]
    money = np.abs(taken) * book.marks[problem.asset]
    owner, account = np.unique(book.pool_account[problem.pool], return_inverse=True)
    by_account = np.bincount(account, money, minlength=owner.size).astype(float)
    by_pool = np.bincount(problem.pool, money, minlength=book.equity.size)[problem.pool]
    share = by_account / max(
        by_account.sum(), TINY
    )  # a rule that takes nothing concentrates nothing
    return {
        "accounts": np.count_nonzero(by_account),
        "closed": np.count_nonzero(fraction >= 1 - ROUNDING),
        "max fraction": float(fraction.max()),
        "max burden": float((by_pool / book.equity[problem.pool]).max()),
        "HHI": float(share @ share),
        "Gini": _gini(by_account),
    }


def _gini(values: FloatArray) -> float:
    """Gini coefficient of amounts >= 0: 0 if all are equal, 1 - 1/n if one has everything."""
    ordered = np.sort(values)
    n = ordered.size
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / max(n * ordered.sum(), TINY))


def _hedges(problem: Problem, taken: FloatArray, v: FloatArray) -> dict[str, Any]:
    before, after = _exposure(problem, None, v), _exposure(problem, taken, v)
    pools = np.unique(problem.pool)
    naked = problem.book.pool_account[_risen(problem, before, after)]
    return {
        "gross closed": float(np.abs(taken) @ problem.book.marks[problem.asset]),
        "net before": float(np.abs(before[pools]).sum()),
        "net after": float(np.abs(after[pools]).sum()),
        "left naked": np.unique(naked).size,
    }


def _exposure(problem: Problem, taken: FloatArray | None, v: FloatArray) -> FloatArray:
    """(n,) money that each pool gains per unit of the factor."""
    return problem.factor_exposure(v, taken)


def _risen(problem: Problem, before: FloatArray, after: FloatArray) -> FloatArray:
    """(n,) mask of pools whose exposure has grown, by more than rounding."""
    return np.asarray(
        problem.book.solvent
        & (np.abs(after) > np.abs(before) * (1 + ROUNDING) + ROUNDING * np.abs(after))
    )


def _text(block: pd.DataFrame) -> pd.DataFrame:
    """A block's numbers as few digits as tell rows apart by eye."""
    return block.apply(lambda column: [_figure(value) for value in column])


def _figure(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "NO"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if np.isnan(value):
        return "-"
    value = value + 0.0  # no negative zero
    return (
        f"{value:,.0f}"
        if abs(value) >= 1e5
        else f"{value:,.4g}"
        if abs(value) < 1e4
        else f"{value:,.1f}"
    )
