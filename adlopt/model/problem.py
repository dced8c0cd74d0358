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
from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import InfeasibleReduction, InputError, NotApplicable
from adlopt.model.bankrupt import (
    bankrupt_pools,
    bankruptcy_prices,
    net_positions,
    reduction_of,
    without,
)
from adlopt.model.book import Book
from adlopt.model.caps import most_contracts
from adlopt.model.market import Market, MarketTerms, least_from_accounts
from adlopt.objectives import Custom, ExpectedLoss, Objective, parse_objective
from adlopt.prices.protocol import ClosedForm, PriceModel, ScenarioSet

CAPACITY_ROUNDING = (
    1e-12  # a requirement above capacity by less, relatively, is the capacity itself
)

NO_PRICES = (
    "the problem has no price model, and only water-filling under isolated margin does without "
    "one; give prices=LogNormal(...), OneFactor(...) or Scenarios(...)"
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
    market : where contracts can be sold at a cost instead of being taken from accounts. The cost is
        added to the objective, and what the accounts do not give is sold.

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
    market: Market | None = None

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
        self.positions, self._rows_by_asset, self.available  # noqa: B018  (variants share them)
        other = copy.copy(self)
        for name in ("reduced_assets", "exhausted_assets", "closed_form"):
            other.__dict__.pop(name, None)  # cached facts that the changes touch
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

    def with_prices(self, prices: PriceModel) -> Problem:
        """The same problem under another price model, such as a fresh draw of this one.

        Everything that does not depend on prices is shared, and nothing is validated again.
        """
        other = copy.copy(self)
        for name in ("scenarios", "moves", "closed_form"):
            other.__dict__.pop(name, None)  # cached facts that depend on prices
        object.__setattr__(other, "prices", prices)
        return other

    @cached_property
    def pool(self) -> IntArray:
        """(e,) pool of each eligible position, nondecreasing."""
        return self.book.pool[self.eligible]

    @cached_property
    def asset(self) -> IntArray:
        """(e,) asset of each eligible position."""
        return self.book.asset[self.eligible]

    @cached_property
    def reduced_assets(self) -> IntArray:
        """Assets with a requirement, as positions in `book.assets`."""
        return np.flatnonzero(self.required)

    @cached_property
    def available(self) -> FloatArray:
        """(d,) contracts that the eligible positions of each asset can give, unsigned."""
        total = np.bincount(self.asset, np.abs(self.max_reduction), minlength=self.required.size)
        return total.astype(np.float64)

    @cached_property
    def market_terms(self) -> MarketTerms | None:
        """Depth and cost of the market by asset; None without one."""
        if self.market is None:
            return None
        return self.market.terms(self.book.assets, self.book.marks)

    @cached_property
    def exhausted_assets(self) -> BoolArray:
        """(d,) mask of reduced assets whose eligible positions must all give what they can."""
        required = least_from_accounts(self)
        return (required > 0) & (required >= self.available * (1.0 - CAPACITY_ROUNDING))

    @cached_property
    def first_eligible(self) -> IntArray:
        """(n + 1,) where each pool's eligible positions begin and the last one's end."""
        return np.searchsorted(self.pool, np.arange(self.book.equity.size + 1))

    @cached_property
    def eligible_row(self) -> IntArray:
        """(m,) row of each position of the book among the eligible ones; -1 if it is not."""
        row = np.full(self.book.size.size, -1, dtype=np.int64)
        row[self.eligible] = np.arange(self.eligible.size)
        return row

    @cached_property
    def _rows_by_asset(self) -> list[IntArray]:
        order = np.argsort(self.asset, kind="stable")
        return np.split(
            order, np.cumsum(np.bincount(self.asset, minlength=self.required.size))[:-1]
        )

    def rows_of(self, asset: int) -> IntArray:
        """Rows among the eligible positions of one asset (its position in `book.assets`), in
        order.
        """
        return self._rows_by_asset[asset]

    def pro_rata(self) -> FloatArray:
        """(e,) reductions if every position of an asset gives the same share of what it can give."""
        required, available = np.abs(self.required), self.available
        share = np.divide(required, available, out=np.zeros(available.size), where=available > 0)
        share = np.minimum(share, 1.0)  # with a market more may be required than there is
        return self.max_reduction * share[self.asset]

    def factor_exposure(
        self, direction: FloatArray, allocation: FloatArray | None = None
    ) -> FloatArray:
        """(n,) exposure of each pool to a factor that moves the assets by `direction` (d,), in
        money, after reductions (e,); None stands for no reduction.
        """
        return np.asarray(self.sizes(allocation) @ direction)

    @cached_property
    def closed_form(self) -> ClosedForm | None:
        """The price model, if it gives this problem's value without scenarios: expected loss, and
        no fund in between.
        """
        plain = isinstance(self.objective, ExpectedLoss) and self.insurance_fund == 0
        return self.prices if plain and isinstance(self.prices, ClosedForm) else None

    @cached_property
    def scenarios(self) -> ScenarioSet:
        """Weighted price moves of the book's assets; NotApplicable without a price model."""
        return self.price_model.scenarios(self.book.assets, self.book.marks)

    @property
    def price_model(self) -> PriceModel:
        if self.prices is None:
            raise NotApplicable(NO_PRICES)
        return self.prices

    def require_prices(self) -> None:
        """Raise NotApplicable if the problem has no price model."""
        self.price_model  # noqa: B018

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
                "margin_mode": book.margin_mode(self.pool),
                "size": book.size[self.eligible],
            }
        )

    # ------------------------------------------------------------------ validation

    def _check_parameters(self) -> None:
        if isinstance(self.objective, str):
            object.__setattr__(self, "objective", parse_objective(self.objective))
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
            validation.vector_by_asset("reduction", reduction, self.book.assets, allow_missing=True)
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
            "settlement", self.settlement, self.book.assets, allow_missing=True
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
        available = self.available
        if self.market_terms is not None:
            available = available + self.market_terms.depth
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
