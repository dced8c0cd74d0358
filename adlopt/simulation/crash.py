"""Simulate one crash, and what it shows."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.objectives import Objective
from adlopt.policies.protocol import AnyPolicy, name_of
from adlopt.policies.reading import as_policy
from adlopt.simulation.deleveraging import PriceModels
from adlopt.simulation.exchange import Exchange
from adlopt.simulation.price_paths import Paths, as_paths
from adlopt.simulation.run import TOTALS, Step, expected_loss, run, totals
from adlopt.simulation.state import State

_ROWS = 20


@dataclass(frozen=True, eq=False, repr=False)
class Simulation:
    """One crash under one rule.

    Money is in the currency of the book; `deleveraged` and `sold` are money at the settlement price
    and at the mark.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(60, 2, seed=3)
    >>> path = adl.paths.slow_bleed(book, fall=0.3, steps=4)
    >>> crash = adl.simulate(book, path, adl.policies.ProRata())
    >>> crash.steps["step"].tolist()
    [1, 2, 3, 4]
    """

    steps: pd.DataFrame
    """A row per step: `mark_<asset>`; liquidated pools, their deficit and the remainder kept; sold
    and its cost; deleveraged, pools touched, unmet; inventory, fund and socialised loss after the
    step; expected loss of what was left and its proven gap where a price model was given.
    """
    by_asset: pd.DataFrame
    """A row per step and asset: mark, contracts taken over, sold, deleveraged, left in the
    inventory.
    """
    _: KW_ONLY
    accounts: pd.DataFrame
    """A row per pool: equity and leverage before and after, whether and when liquidated, its
    deficit, money deleveraged, profit given up, exposure left unhedged.
    """
    totals: pd.Series[float]
    """The crash in numbers, as `stress_test` compares them."""
    book: Book
    """After the last step; its rows are those of `start`."""
    start: Book
    """Before the first step."""
    path: Paths
    """The one path that was played through."""
    policy: str
    """Name of the rule."""
    exchange: Exchange
    """Its parameters."""

    def to_frame(self) -> pd.DataFrame:
        """A copy of `steps`."""
        return self.steps.copy()

    def __repr__(self) -> str:
        shown = self.steps.drop(columns=[c for c in self.steps if str(c).startswith("mark_")])
        table = shown.to_string(index=False, float_format="{:,.6g}".format, max_rows=_ROWS)
        return f"{self._headline()}\n\n{table}"

    def _repr_html_(self) -> str:
        table = self.steps.to_html(index=False, float_format="{:,.6g}".format, max_rows=_ROWS)
        return f"<p>{escape(self._headline())}</p>{table}"

    def _headline(self) -> str:
        total = self.totals
        return (
            f"{self.policy} on {self.path.name}: {total['liquidated']:,.0f} pools liquidated, "
            f"deficit {total['deficit']:,.6g}, deleveraged {total['deleveraged']:,.6g} from "
            f"{total['pools_deleveraged']:,.0f} pools in {total['waves']:.0f} waves, "
            f"fund left {total['fund_left']:,.6g}, socialised loss {total['socialised_loss']:,.6g}"
        )


def simulate(
    book: Book,
    path: Any,
    policy: AnyPolicy | str,
    *,
    exchange: Exchange | None = None,
    prices: PriceModels | None = None,
    objective: Objective | None = None,
) -> Simulation:
    """Play a crash through: at each step prices move, accounts are liquidated, the market takes
    what it can, the fund pays, and the rule deleverages the rest.

    Parameters
    ----------
    book : Book
    path : Paths of one path, DataFrame or array (steps, d)
        Prices after each step; `adl.paths` makes them. Assets that a DataFrame leaves out keep
        their mark.
    policy : policy, its name, function of the problem, or object with `allocate(problem)`
        The rule of every wave. It may take less than required: the engine keeps the rest.
    exchange : Exchange, optional
        `Exchange()` if left out: no market and no fund.
    prices : price model, or function from the wave's book to one, optional
        For rules that need one, and for the expected loss of what each wave leaves.
    objective : Objective, optional
        Of the problems of the waves; expected loss if left out.

    Returns
    -------
    Simulation

    Raises
    ------
    InputError
        A path that does not fit the book, or a rule that takes what it may not.
    ConservationError
        Contracts or money have appeared or vanished: a defect of this package.

    Source: the seven steps are those of docs/theory/simulation.md, equations (S1) to (S7).

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(60, 2, seed=3)
    >>> path = adl.paths.slow_bleed(book, fall=0.3, steps=4)
    >>> crash = adl.simulate(book, path, adl.policies.ProRata(), exchange=adl.Exchange(fund=1e4))
    >>> crash.steps["step"].tolist()
    [1, 2, 3, 4]
    """
    require_book("simulate", book)
    rule, rules = as_policy(policy), exchange_or_default("simulate", exchange)
    paths = as_paths(path, book)
    if len(paths) != 1:
        raise InputError(
            f"simulate: {len(paths)} paths were given; take one, as in paths[0], or use stress_test"
        )
    state, steps = run(book, paths, rule, rules, prices=prices, objective=objective)
    return _simulation(state, steps, paths, rule, rules)


def _simulation(
    state: State, steps: list[Step], path: Paths, policy: AnyPolicy, exchange: Exchange
) -> Simulation:
    book = state.start
    return Simulation(
        steps=_steps_table(book, steps),
        by_asset=_asset_table(book, steps),
        accounts=_accounts_table(state),
        totals=pd.Series(totals(state, steps), index=list(TOTALS), name=name_of(policy)),
        book=state.book(),
        start=book,
        path=path,
        policy=name_of(policy),
        exchange=exchange,
    )


def require_book(what: str, book: object) -> None:
    """Refuse what is not a book, in the name of the function that was given it."""
    if not isinstance(book, Book):
        raise InputError(
            f"{what}: a {type(book).__name__} is not a Book; make one with Book.from_frame(...)"
        )


def exchange_or_default(what: str, exchange: Exchange | None) -> Exchange:
    """The exchange given, or one with the defaults; InputError for anything else."""
    if exchange is None:
        return Exchange()
    if not isinstance(exchange, Exchange):
        raise InputError(f"{what}: exchange {exchange!r} is not an Exchange(...)")
    return exchange


def _steps_table(book: Book, steps: list[Step]) -> pd.DataFrame:
    rows = []
    for one in steps:
        loss, gap = expected_loss(one.wave)
        rows.append(
            {
                "step": one.step,
                **{f"mark_{name}": one.marks[k] for k, name in enumerate(book.assets)},
                "liquidated": one.liquidated,
                "deficit": one.deficit,
                "remainder": one.remainder,
                "sold": float(np.abs(one.sold) @ one.marks),
                "cost": one.cost,
                "deleveraged": one.deleveraged_money,
                "pools_deleveraged": one.pools_deleveraged,
                "unmet": one.unmet,
                "inventory": float(np.abs(one.inventory) @ one.marks),
                "fund": one.fund,
                "socialised_loss": one.socialised,
                "expected_loss": loss,
                "expected_loss_gap": gap,
            }
        )
    return pd.DataFrame(rows)


def _asset_table(book: Book, steps: list[Step]) -> pd.DataFrame:
    index = pd.MultiIndex.from_product(
        [[one.step for one in steps], book.assets], names=["step", "asset"]
    )
    columns = {
        "mark": [one.marks for one in steps],
        "taken_over": [one.taken_over for one in steps],
        "sold": [one.sold for one in steps],
        "deleveraged": [one.deleveraged for one in steps],
        "inventory": [one.inventory for one in steps],
    }
    return pd.DataFrame(
        {name: np.concatenate(parts) for name, parts in columns.items()}, index=index
    )


def _accounts_table(state: State) -> pd.DataFrame:
    start, end = state.start, state.book()
    pools = start.pools
    return pd.DataFrame(
        {
            "account": pools["account"],
            "margin_mode": pools["margin_mode"],
            "asset": pools["asset"],
            "equity_before": start.equity,
            "equity_after": end.equity,
            "leverage_before": _leverage(start),
            "leverage_after": _leverage(end),
            "liquidated": state.liquidated,
            "liquidated_in_step": pd.array(
                np.where(state.liquidated, state.liquidated_in, 0), dtype="Int64"
            ),
            "deficit": state.deficit,
            "deleveraged": state.paid_for,
            "profit_given_up": state.given_up,
            "unhedged": state.unhedged,
        }
    ).assign(
        liquidated_in_step=lambda table: table["liquidated_in_step"].mask(~table["liquidated"])
    )


def _leverage(book: Book) -> FloatArray:
    gross, equity = book.gross, book.equity
    return np.asarray(np.divide(gross, equity, out=np.full(equity.size, np.nan), where=equity > 0))
