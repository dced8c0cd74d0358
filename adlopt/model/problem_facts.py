"""Facts about a problem that methods, proofs and studies ask for, each computed once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd
import scipy.sparse as sp

from adlopt._internal.arrays import BoolArray, FloatArray, IntArray, frozen
from adlopt.errors import NotApplicable
from adlopt.model.book import Book
from adlopt.model.market import Market, MarketTerms, least_from_accounts
from adlopt.objectives import ExpectedLoss, Objective
from adlopt.prices.protocol import ClosedForm, PriceModel, ScenarioSet

# a requirement above capacity by less, relatively, is the capacity itself
CAPACITY_ROUNDING = 1e-12

NO_PRICES = (
    "the problem has no price model, and only water-filling under isolated margin does without "
    "one; give prices=LogNormal(...), OneFactor(...) or Scenarios(...)"
)


class ProblemFacts:
    """What follows from the statement of a problem; `Problem` inherits it."""

    book: Book
    prices: PriceModel | None
    objective: Objective
    insurance_fund: float
    market: Market | None
    required: FloatArray
    eligible: IntArray
    max_reduction: FloatArray
    settlement_offset: FloatArray

    @cached_property
    def pool(self) -> IntArray:
        """(e,) pool of each eligible position, nondecreasing."""
        return frozen(self.book.pool[self.eligible])

    @cached_property
    def asset(self) -> IntArray:
        """(e,) asset of each eligible position."""
        return frozen(self.book.asset[self.eligible])

    @cached_property
    def reduced_assets(self) -> IntArray:
        """Assets with a requirement, as positions in `book.assets`."""
        return frozen(np.flatnonzero(self.required))

    @cached_property
    def available(self) -> FloatArray:
        """(d,) contracts that the eligible positions of each asset can give, unsigned."""
        total = np.bincount(self.asset, np.abs(self.max_reduction), minlength=self.required.size)
        return frozen(total.astype(np.float64))

    @cached_property
    def market_terms(self) -> MarketTerms | None:
        """Depth and cost of the market by asset; None without one."""
        if self.market is None:
            return None
        return self.market.terms(self.book.assets, self.book.marks)

    @cached_property
    def exhausted_assets(self) -> BoolArray:
        """(d,) mask of reduced assets whose eligible positions must all give what they can."""
        required = least_from_accounts(self)  # type: ignore[arg-type]
        return frozen((required > 0) & (required >= self.available * (1.0 - CAPACITY_ROUNDING)))

    @cached_property
    def first_eligible(self) -> IntArray:
        """(n + 1,) where each pool's eligible positions begin and the last one's end."""
        return frozen(np.searchsorted(self.pool, np.arange(self.book.equity.size + 1)))

    @cached_property
    def eligible_row(self) -> IntArray:
        """(m,) row of each position of the book among the eligible ones; -1 if it is not."""
        row = np.full(self.book.size.size, -1, dtype=np.intp)
        row[self.eligible] = np.arange(self.eligible.size)
        return frozen(row)

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
        """(e,) reductions if all positions of an asset give the same share of what they can."""
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
        return np.asarray(self.size_matrix(allocation) @ direction)

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
        return frozen(np.ascontiguousarray(self.scenarios.moves.T))

    def sizes_after(self, allocation: FloatArray | None) -> FloatArray:
        """(m,) sizes of all positions after reductions (e,); None stands for no reduction."""
        if allocation is None:
            return self.book.size
        size = self.book.size.copy()
        size[self.eligible] -= allocation
        return frozen(size)

    def size_matrix(self, allocation: FloatArray | None) -> sp.csr_array:
        """(n, d) `sizes_after` by pool and asset."""
        book = self.book
        shape = (book.equity.size, len(book.assets))
        # A copy: scipy sorts a row's entries where they lie, which would shuffle the book's own
        # arrays.
        return sp.csr_array(
            (self.sizes_after(allocation), book.asset, book.first_position), shape=shape, copy=True
        )

    def equity_after(self, allocation: FloatArray | None) -> FloatArray:
        """(n,) equity at the marks after settling reductions (e,)."""
        if allocation is None or self.settles_at_mark:
            return self.book.equity
        paid = allocation * self.settlement_offset[self.asset]
        gained = np.bincount(self.pool, paid, minlength=self.book.equity.size)
        return frozen(self.book.equity + gained)

    def to_frame(self) -> pd.DataFrame:
        """`positions`, with the most that may be taken of each: `max_reduction`."""
        return self.positions.assign(max_reduction=self.max_reduction)

    @cached_property
    def positions(self) -> pd.DataFrame:
        """Eligible positions: account, asset, margin_mode, size; the rows of every allocation."""
        book = self.book
        return pd.DataFrame(
            {
                "account": book.account_names.take(book.pool_account[self.pool]),
                "asset": book.assets.take(self.asset),
                "margin_mode": book.margin_mode(self.pool),
                "size": book.size[self.eligible],
            }
        )
