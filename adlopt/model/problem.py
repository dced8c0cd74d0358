"""The statement of one auto-deleveraging problem: what must go, from whom it may come, what counts
as risk.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.errors import InfeasibleReduction, InputError, NotApplicable
from adlopt.model.bankrupt import (
    bankrupt_pools,
    bankruptcy_prices,
    net_positions,
    reduction_of,
    without,
)
from adlopt.model.book import Book
from adlopt.objectives import Custom, ExpectedLoss, Objective
from adlopt.prices.protocol import PriceModel, ScenarioSet

CAPACITY_ROUNDING = (
    1e-12  # a requirement above capacity by less, relatively, is the capacity itself
)


@dataclass(frozen=True, eq=False, repr=False)
class Problem:
    """Choose reductions x, x_ik between 0 and q_ik with sums Q_k, that minimise the risk of the
    exchange's loss.

    Parameters
    ----------
    book : the risk pools.
    reduction : contracts to take off the book, by asset, signed like the positions they shrink:
        {"BTC": -10.0}
        takes 10 contracts off shorts.
    prices : model of horizon prices; may be left out where the method needs none (isolated margin).
    objective : risk measure of the scenario losses, or a function of a cvxpy loss vector (see
        `Custom`).
    caps : most that may be taken: table with `account`, `asset`, `margin_mode` where an account has
        both, and `cap`
        (contracts, unsigned), `fraction` (of the position's size, in [0, 1]) or both. A row without
        asset caps the account:
        none of its positions loses more than that fraction. The tightest of a position's caps
        binds; positions that no row
        covers are bounded by their size alone. (Caps on an account's total:
        `adlopt.constraints.at_most_account_fraction`.)
    settlement : price at which reductions execute, by asset; the mark where left out.
    insurance_fund : money that absorbs losses first: the objective sees what exceeds it.

    Raises
    ------
    InputError, InfeasibleReduction
    """

    book: Book
    reduction: Mapping[str, float]
    prices: PriceModel | None = None
    objective: Objective = field(default_factory=ExpectedLoss)
    caps: pd.DataFrame | None = None
    settlement: Mapping[str, float] | None = None
    insurance_fund: float = 0.0

    required: FloatArray = field(init=False)  # (d,) Q, 0 where nothing is to be reduced
    eligible: IntArray = field(init=False)  # (e,) eligible positions, as rows of the book
    max_reduction: FloatArray = field(
        init=False
    )  # (e,) most that may be taken from each, signed like the position
    settlement_offset: FloatArray = field(init=False)  # (d,) s - p

    def __post_init__(self) -> None:
        if not isinstance(self.book, Book):
            raise InputError(
                f"Problem: book is a {type(self.book).__name__}; make a Book with Book.from_frame(...)"
            )
        if self.prices is not None and (
            isinstance(self.prices, type) or not hasattr(self.prices, "scenarios")
        ):
            raise InputError(
                f"Problem: prices {self.prices!r} is not a price model such as LogNormal(...) or Scenarios(...)"
            )
        self._check_parameters()
        put = object.__setattr__
        put(self, "required", self._target())
        put(self, "settlement_offset", self._settlement_offset())
        book = self.book
        wanted = self.required[book.asset]
        eligible = np.flatnonzero(
            book.solvent[book.pool] & (np.sign(book.size) == np.sign(wanted)) & (wanted != 0)
        )
        put(self, "eligible", eligible)
        put(self, "max_reduction", self._capacity(eligible))
        self._refuse_infeasible()
        if self.prices is not None:
            self.scenarios  # noqa: B018  (a model that does not fit the book is refused now)

    @classmethod
    def from_bankrupt(
        cls,
        book: Book,
        accounts: Iterable[str] | None = None,
        *,
        settlement: Literal["mark", "bankruptcy"] = "mark",
        remove: bool = False,
        prices: PriceModel | None = None,
        objective: Objective | None = None,
        caps: pd.DataFrame | None = None,
        insurance_fund: float = 0.0,
    ) -> Problem:
        """The problem that bankrupt accounts leave: their positions, longs and shorts offset, come
        off the other side.

        Parameters
        ----------
        accounts : whose bankrupt pools (equity <= 0 at the marks) to take over; all if left out.
        settlement : "mark": the exchange bears the deficits, outside the objective. "bankruptcy":
            counterparties do. A
            pool's deficit is split over its positions in proportion to notional (those in assets
            that offset to nothing
            take no part), and an asset settles at the price that makes up for its share of all
            deficits; for a single
            position that is the price at which the account's equity is zero.
        remove : take these pools out of the book; left there they are listed as bankrupt, and no
            part of the problem.

        Raises
        ------
        InputError : an account is not bankrupt, nothing is left to reduce, or a bankruptcy price
            would not be > 0.
        """
        if settlement not in ("mark", "bankruptcy"):
            raise InputError(
                f"from_bankrupt: settlement is {settlement!r}; use 'mark' or 'bankruptcy'"
            )
        pools = bankrupt_pools(book, accounts)
        net = net_positions(book, pools)
        reduction = reduction_of(book, net)
        return cls(
            without(book, pools) if remove else book,
            reduction,
            prices,
            ExpectedLoss() if objective is None else objective,
            caps=caps,
            settlement=bankruptcy_prices(book, pools, net) if settlement == "bankruptcy" else None,
            insurance_fund=insurance_fund,
        )

    # ------------------------------------------------------------------ derived

    def with_changes(
        self,
        *,
        multiple: float = 1.0,
        insurance_fund: float | None = None,
        objective: Objective | Callable[..., Any] | None = None,
    ) -> Problem:
        """The same problem with `multiple` > 0 times the reduction, another fund or another
        objective.

        Scenarios drawn already are kept: that is what makes a sweep cheaper than stating each
        problem anew.
        """
        if not validation.as_finite("multiple of the reduction", multiple) > 0:
            raise InputError(
                f"multiple of the reduction is {multiple}; it must be > 0: the side of a reduction is its sign"
            )
        self.positions  # noqa: B018  (cached before the copy, so that variants share it)
        other = copy.copy(self)
        put = object.__setattr__
        put(other, "required", self.required * multiple)
        put(
            other,
            "reduction",
            {self.book.assets[k]: float(other.required[k]) for k in self.reduced_assets},
        )
        put(
            other,
            "insurance_fund",
            self.insurance_fund if insurance_fund is None else insurance_fund,
        )
        put(other, "objective", self.objective if objective is None else objective)
        other._check_parameters()
        other._refuse_infeasible()
        return other

    @property
    def pool(self) -> IntArray:
        """(e,) pool of each eligible position."""
        return self.book.pool[self.eligible]

    @property
    def asset(self) -> IntArray:
        """(e,) asset of each eligible position."""
        return self.book.asset[self.eligible]

    @property
    def reduced_assets(self) -> IntArray:
        """Assets with a requirement, as positions in `book.assets`."""
        return np.flatnonzero(self.required)

    @cached_property
    def scenarios(self) -> ScenarioSet:
        """Weighted price moves of the book's assets; NotApplicable without a price model."""
        return self.price_model.scenarios(self.book.assets, self.book.marks)

    @property
    def price_model(self) -> PriceModel:
        if self.prices is None:
            raise NotApplicable(
                "the problem has no price model, and only water-filling under isolated margin does without one; "
                "give prices=LogNormal(...), OneFactor(...) or Scenarios(...)"
            )
        return self.prices

    @property
    def settles_at_mark(self) -> bool:
        return not self.settlement_offset.any()

    @cached_property
    def moves(self) -> FloatArray:
        """(d, S) scenario price moves, a contiguous row per asset."""
        return np.ascontiguousarray(self.scenarios.moves.T)

    def remaining(self, allocation: FloatArray | None) -> FloatArray:
        """(m,) sizes of all positions after reductions (e,); None stands for no reduction."""
        if allocation is None:
            return self.book.size
        size = self.book.size.copy()
        size[self.eligible] -= allocation
        return size

    def sizes(self, allocation: FloatArray | None) -> sp.csr_array:
        """(n, d) `remaining` by pool and asset."""
        book = self.book
        shape = (book.equity.size, len(book.assets))
        # A copy: scipy sorts a row's entries where they lie, which would shuffle the book's own
        # arrays.
        return sp.csr_array(
            (self.remaining(allocation), book.asset, book.start), shape=shape, copy=True
        )

    def equity_after(self, allocation: FloatArray | None) -> FloatArray:
        """(n,) equity at the marks after settling reductions (e,)."""
        if allocation is None or self.settles_at_mark:
            return self.book.equity
        paid = allocation * self.settlement_offset[self.asset]
        return self.book.equity + np.bincount(self.pool, paid, minlength=self.book.equity.size)

    @cached_property
    def positions(self) -> pd.DataFrame:
        """Eligible positions: account, asset, margin_mode, size; the rows of every allocation."""
        book = self.book
        return pd.DataFrame(
            {
                "account": book.names.take(book.pool_account[self.pool]),
                "asset": book.assets.take(self.asset),
                "margin_mode": book._margin_mode(self.pool),
                "size": book.size[self.eligible],
            }
        )

    # ------------------------------------------------------------------ validation

    def _check_parameters(self) -> None:
        if callable(self.objective) and not isinstance(self.objective, Objective | type):
            object.__setattr__(self, "objective", Custom(self.objective))
        if not isinstance(self.objective, Objective):
            raise InputError(
                f"Problem: objective {self.objective!r} is not an Objective such as ExpectedLoss() or CVaR(0.99)"
            )
        if not validation.as_finite("insurance_fund", self.insurance_fund) >= 0:
            raise InputError(f"insurance_fund is {self.insurance_fund}; it is money at hand, >= 0")

    def _target(self) -> FloatArray:
        reduction = self.reduction
        if isinstance(reduction, pd.Series):
            reduction = validation.require_unique("reduction", reduction).to_dict()
        if not isinstance(reduction, Mapping) or not reduction:
            raise InputError(
                "reduction: give contracts by asset, such as {'BTC': -10.0} to take 10 off the shorts"
            )
        target = np.nan_to_num(
            validation.vector_by_asset("reduction", reduction, self.book.assets, partial=True)
        )
        for name, amount in reduction.items():
            if float(amount) == 0:
                raise InputError(
                    f"reduction, asset {name!r}: is zero; leave the asset out, or give contracts: < 0 for shorts"
                )
        return target

    def _settlement_offset(self) -> FloatArray:
        if self.settlement is None:
            return np.zeros(len(self.book.assets))
        price = validation.vector_by_asset(
            "settlement", self.settlement, self.book.assets, partial=True
        )
        for name, value in zip(self.book.assets, price, strict=True):
            if value <= 0:
                raise InputError(f"settlement, asset {name!r}: {value} is not a price > 0")
        return np.nan_to_num(price - self.book.marks)

    def _capacity(self, eligible: IntArray) -> FloatArray:
        size = self.book.size[eligible]
        if self.caps is None:
            return size
        return np.asarray(
            np.sign(size) * np.minimum(np.abs(size), most_contracts(self.book, self.caps)[eligible])
        )

    def _refuse_infeasible(self) -> None:
        required = np.abs(self.required)
        available = np.bincount(self.asset, np.abs(self.max_reduction), minlength=required.size)
        short = np.flatnonzero(required > available * (1 + CAPACITY_ROUNDING))
        if short.size:
            raise InfeasibleReduction(
                [(str(self.book.assets[k]), required[k], available[k]) for k in short]
            )
        over = required > available
        if over.any():
            self.required[over] = np.sign(self.required[over]) * available[over]

    def __repr__(self) -> str:
        wanted = ", ".join(
            f"{self.book.assets[k]}: {self.required[k]:g}" for k in self.reduced_assets
        )
        return f"Problem({self.book!r}, reduction={{{wanted}}}, prices={self.prices!r}, objective={self.objective})"


def require_problem(what: str, problem: object) -> None:
    """Refuse what is not a problem, in the name of the function `what` that was given it."""
    if not isinstance(problem, Problem):
        raise InputError(
            f"{what}: a {type(problem).__name__} is no problem; state it with Problem(book, reduction, ...)"
        )


def match_positions(
    book: Book, table: str, given: pd.DataFrame, column: str
) -> tuple[IntArray, FloatArray]:
    """Rows of the book that a user's table means, and its numbers in `column`.

    InputError for a row that names no position, one that could mean two, or one given twice.
    """
    validation.require_columns(table, given, ("account", "asset", column))
    value = validation.numbers(table, given, column)
    account = book.names.get_indexer(pd.Index(validation.labels(table, given, "account")))
    asset = book.assets.get_indexer(pd.Index(validation.labels(table, given, "asset")))
    validation.raise_for_rows(table, given, account < 0, "account", "{!r} is not in the book")
    validation.raise_for_rows(table, given, asset < 0, "asset", "{!r} is not an asset of the book")
    d = len(book.assets)
    key = book.pool_account[book.pool] * d + book.asset
    wanted = account * d + asset
    if "margin_mode" in given:
        mode = given["margin_mode"]
        isolated = mode.isin(["isolated"]).to_numpy(dtype=bool)
        unknown = ~isolated & ~mode.isin(["cross"]).to_numpy(dtype=bool)
        validation.raise_for_rows(
            table, given, unknown, "margin_mode", "{!r} is neither 'cross' nor 'isolated'"
        )
        key, wanted = key * 2 + book.isolated[book.pool], wanted * 2 + isolated
    order = np.argsort(key, kind="stable")
    at = np.searchsorted(key[order], wanted)
    found = (at < key.size) & (key[order][np.minimum(at, key.size - 1)] == wanted)
    validation.raise_for_rows(
        table, given, ~found, "asset", "this account has no such position in {!r}"
    )
    following = np.minimum(at + 1, key.size - 1)
    double = (following != at) & (key[order][following] == wanted)
    validation.raise_for_rows(
        table,
        given,
        double,
        "account",
        "{!r} holds this asset under both margin modes; add a column 'margin_mode'",
    )
    validation.raise_for_rows(
        table,
        given,
        pd.Series(wanted).duplicated(),
        "asset",
        "{!r} is given twice for this account; keep one row",
    )
    return order[at], value


def most_contracts(book: Book, caps: pd.DataFrame) -> FloatArray:
    """(m,) contracts that a user's table of caps lets go from each position, unsigned; infinite
    where it says nothing.
    """
    table = "caps"
    validation.require_columns(table, caps, ("account",))
    if not {"cap", "fraction"} & set(caps.columns):
        raise InputError(
            "caps: column 'cap' is missing (contracts), or 'fraction' (of the position's size)"
        )
    if "asset" not in caps:
        caps = caps.assign(asset=None)
    of_account = caps["asset"].isna().to_numpy()
    given = np.zeros(len(caps), dtype=bool)
    most = np.full(book.size.size, np.inf)
    for column, unit in (("cap", 1.0), ("fraction", np.abs(book.size))):
        if column not in caps:
            continue
        value = validation.numbers(
            table, caps, column, optional=len({"cap", "fraction"} & set(caps.columns)) == 2
        )
        listed = ~np.isnan(value)
        given |= listed
        if column == "cap":
            validation.raise_for_rows(
                table,
                caps,
                listed & (value < 0),
                column,
                "{} is negative; a cap is a number of contracts, >= 0",
            )
            validation.raise_for_rows(
                table,
                caps,
                listed & of_account,
                column,
                "{} contracts of what? add the asset, or give a 'fraction'",
            )
        else:
            validation.raise_for_rows(
                table,
                caps,
                listed & ~((value >= 0) & (value <= 1)),
                column,
                "{} is not a fraction in [0, 1]",
            )
        row, limit = match_positions(book, table, caps[listed & ~of_account], column)
        capped = np.full(book.size.size, np.inf)
        capped[row] = limit
        if column == "fraction":
            by_account = np.full(len(book.names), np.inf)
            by_account[_accounts(book, table, caps[of_account])] = value[of_account]
            capped = np.minimum(capped, by_account[book.pool_account[book.pool]])
        np.minimum(most, np.multiply(capped, unit, where=np.isfinite(capped), out=capped), out=most)
    validation.raise_for_rows(
        table, caps, ~given, "account", "neither 'cap' nor 'fraction' is given for this row of {!r}"
    )
    return most


def _accounts(book: Book, table: str, given: pd.DataFrame) -> IntArray:
    """The accounts, as positions in `book.names`, that rows without asset mean."""
    account = book.names.get_indexer(pd.Index(validation.labels(table, given, "account")))
    validation.raise_for_rows(table, given, account < 0, "account", "{!r} is not in the book")
    validation.raise_for_rows(
        table,
        given,
        pd.Series(account).duplicated(),
        "account",
        "{!r} is given twice; keep one row",
    )
    if "margin_mode" in given:
        validation.raise_for_rows(
            table,
            given,
            given["margin_mode"].notna(),
            "margin_mode",
            "{!r}: without an asset the row covers all; leave it empty",
        )
    return np.asarray(account, dtype=np.int64)


def as_table(problem: Problem, allocation: FloatArray) -> pd.DataFrame:
    """The public allocation table of reductions (e,): a row per eligible position, in the book's
    order.
    """
    size = problem.book.size[problem.eligible]
    before, after = gross_leverage(problem, None), gross_leverage(problem, allocation)
    numbers = {
        "reduction": allocation + 0.0,  # no negative zeros
        "remaining": size - allocation,
        "fraction": allocation / size,
        "leverage_before": before[problem.pool],
        "leverage_after": after[problem.pool],
    }
    return pd.DataFrame({**dict(problem.positions.items()), **numbers})


def gross_leverage(problem: Problem, allocation: FloatArray | None) -> FloatArray:
    """(n,) sum of |size| * mark / equity per pool; NaN for bankrupt pools."""
    notional = abs(problem.sizes(allocation)) @ problem.book.marks
    equity = problem.equity_after(allocation)
    leverage = np.full(equity.shape, np.nan)
    np.divide(notional, equity, out=leverage, where=equity > 0)
    return leverage
