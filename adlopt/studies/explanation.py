"""Why an account was reduced, or was not, in sentences that can be sent to its owner."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.model.losses import expected_pool_loss, scenario_losses
from adlopt.model.problem import Problem
from adlopt.policies import features
from adlopt.policies.protocol import Policy
from adlopt.policies.queues import BitMEX, Queue
from adlopt.prices.one_factor import OneFactor
from adlopt.solving.solution import Solution
from adlopt.studies import remedies
from adlopt.studies._sentences import sentences


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Why one account was reduced, or was not.

    Examples
    --------
    >>> import adlopt as adl
    >>> solution = adl.solve(adl.examples.paper_problem())
    >>> adl.explain(solution, "2", what_if=False).sentences[0]
    'Account 2: 0.139087 BTC (1.39 %) were taken from its short position of 10 BTC.'
    """

    account: Any
    """Its name."""
    table: pd.DataFrame
    """A row per eligible position of the account: asset, margin_mode, size, reduction, remaining,
    fraction, leverage_before, leverage_after; factor_leverage_before, factor_leverage_after
    (under a `OneFactor` model, per unit of the factor against the reduced side); level, at which
    positions reduced in part end; marginal_saving, what the first contract taken from the
    position saves, and shadow_price, what the last contract saves anywhere, in money of the
    objective; queue_reduction, what a queue would have taken. What does not apply is NaN.
    """
    _: KW_ONLY
    remedies: pd.DataFrame
    """A row per reduced pool of the account: margin_mode, asset (of an isolated position), equity,
    extra_equity, with which nothing would have been taken from the pool, and size_reduction, the
    fraction by which smaller positions would have had the same effect. NaN if neither would.
    """
    queue: str
    """Name of the queue that `queue_reduction` refers to."""
    sentences: tuple[str, ...]
    """The explanation in words."""

    @property
    def text(self) -> str:
        """The sentences in one paragraph."""
        return " ".join(self.sentences)

    def to_frame(self) -> pd.DataFrame:
        """A copy of the table."""
        return self.table.copy()

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.text)}</p>{self.table.to_html(index=False)}"


def explain(solution: Solution, account: Any, *, what_if: bool = True) -> Explanation:
    """Explain to the owner of an account why it was reduced, or was not.

    Parameters
    ----------
    solution : Solution
        Of `adl.solve`, without further constraints.
    account : str
        Its name in the book.
    what_if : bool, default True
        Also find the extra equity, or the smaller size, with which nothing would have been taken.
        Each is found by solving the changed problem again, some forty times for each reduced pool.

    Returns
    -------
    Explanation

    Raises
    ------
    InputError
        The solution does not carry its problem, or the account is not in the book.

    Examples
    --------
    >>> import adlopt as adl
    >>> solution = adl.solve(adl.examples.paper_problem())
    >>> explanation = adl.explain(solution, "2")
    >>> explanation.sentences[0]
    'Account 2: 0.139087 BTC (1.39 %) were taken from its short position of 10 BTC.'
    >>> explanation.remedies["extra_equity"].round().tolist()
    [3081.0]
    """
    problem = getattr(solution, "_problem", None)
    if not isinstance(problem, Problem):
        raise InputError(
            "explain: give the Solution that adl.solve returned, which holds its problem"
        )
    position = int(problem.book.account_names.get_indexer(pd.Index([account]))[0])
    if position < 0:
        raise InputError(
            f"explain: account {account!r} is not in the book; "
            f"it has {validation.format_names(problem.book.account_names)}"
        )
    rows = np.flatnonzero(problem.book.pool_account[problem.pool] == position)
    queue, queue_name = queue_of(problem)
    table = _facts(problem, solution, rows, queue)
    pools = np.unique(problem.pool[rows[table["reduction"].to_numpy() != 0]])
    found = (
        remedies.find(problem, solution, pools) if what_if else remedies.none_found(problem, pools)
    )
    return Explanation(
        account=account,
        table=table,
        remedies=found,
        queue=queue_name,
        sentences=sentences(account, table, found, queue_name, what_if=what_if),
    )


def queue_of(problem: Problem) -> tuple[Policy, str]:
    """BitMEX's queue if the book has the entry prices it needs, otherwise one by gross leverage."""
    entry = problem.book.entry_price
    if entry is not None and not np.isnan(entry[problem.eligible]).any():
        return BitMEX(), "BitMEX's queue"
    return Queue(features.leverage), "a queue by gross leverage"


def _facts(problem: Problem, solution: Solution, rows: IntArray, queue: Policy) -> pd.DataFrame:
    """The columns of `Explanation.table` for these eligible rows."""
    taken = solution.allocation["reduction"].to_numpy()
    own = solution.allocation.iloc[rows].reset_index(drop=True)
    before, after = _factor_leverage(problem, None, rows), _factor_leverage(problem, taken, rows)
    assets = problem.book.assets.take(problem.asset[rows])
    own = own.assign(
        factor_leverage_before=before,
        factor_leverage_after=after,
        level=[_level(solution, asset) for asset in assets],
        marginal_saving=_marginal_saving(problem, solution, taken, rows),
        shadow_price=[
            np.nan if solution.shadow_prices is None else float(solution.shadow_prices[asset])
            for asset in assets
        ],
        queue_reduction=queue.reductions(problem)[rows] + 0.0,
    )
    return own


def _level(solution: Solution, asset: Any) -> float:
    level = solution.water_level
    if level is None:
        return np.nan
    return level if isinstance(level, float) else float(level.get(asset, np.nan))


def _factor_leverage(problem: Problem, taken: FloatArray | None, rows: IntArray) -> FloatArray:
    """(rows,) factor leverage of the rows' pools, positive against the reduced side."""
    if not isinstance(problem.prices, OneFactor):
        return np.full(rows.size, np.nan)
    v = problem.prices.vector(problem.book.assets)
    adverse = np.sign(problem.required * v)[problem.asset[rows]]
    exposure = problem.factor_exposure(v, taken) / problem.equity_after(taken)
    return np.asarray(adverse * exposure[problem.pool[rows]])


def _marginal_saving(
    problem: Problem, solution: Solution, taken: FloatArray, rows: IntArray
) -> FloatArray:
    """(rows,) money of the objective that the first contract taken from each position saves, with
    all others at the optimum and nothing taken from the rows' own pools.
    """
    if problem.prices is None:
        return np.full(rows.size, np.nan)
    untouched = np.where(np.isin(problem.pool, problem.pool[rows]), 0.0, taken)
    side, asset = np.sign(problem.book.size[problem.eligible[rows]]), problem.asset[rows]
    offset = problem.settlement_offset[asset]
    model = problem.closed_form
    if model is not None:
        loss = expected_pool_loss(problem, model, untouched)
        by_equity = loss.by_equity[problem.pool[rows]]
        return np.asarray(side * (loss.by_size[rows] - by_equity * offset) + 0.0)
    stress = _stress(problem, solution, taken)
    equity, sizes = problem.equity_after(untouched), problem.size_matrix(untouched)
    savings = np.empty(rows.size)
    for i, row in enumerate(rows):
        pool = problem.pool[row]
        insolvent = equity[pool] + problem.scenarios.moves @ sizes[[pool]].toarray()[0] < 0
        # dV/dx = settlement price - horizon price, in the scenarios where V < 0
        gain = offset[i] - problem.moves[asset[i]]
        savings[i] = side[i] * float((stress * insolvent) @ gain)
    return savings + 0.0


def _stress(problem: Problem, solution: Solution, taken: FloatArray) -> FloatArray:
    """(S,) stressed probabilities at the optimum: the solver's multipliers, or a subgradient."""
    losses = scenario_losses(problem, taken)
    beyond = np.maximum(losses - problem.insurance_fund, 0.0)
    multipliers = solution._multipliers
    if multipliers is None:
        stress = problem.objective.subgradient(beyond, problem.scenarios.weights)
        return np.asarray(np.where(losses > problem.insurance_fund, stress, 0.0))
    terms = zip(problem.objective.terms, multipliers.stress, strict=True)
    stress = np.sum([factor * part for (factor, _), part in terms], axis=0)
    return np.asarray(stress * multipliers.uncovered)
