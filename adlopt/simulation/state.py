"""What changes during a crash: positions, equities, fund and inventory; and what is conserved.

Equation numbers are those of docs/theory/simulation.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.errors import ConservationError
from adlopt.model.book import Book
from adlopt.simulation.exchange import Exchange, ExchangeTerms

NETTED = 1e-10  # of an asset's open interest: contracts below it are rounding, not an inventory
EXACTLY_CLOSED = 1e-13  # of an asset's open interest: what summation leaves of a closed inventory
CONSERVED = 1e-9  # relative error of contracts and money that rounding may explain


@dataclass(slots=True)
class State:
    """The exchange between two steps. Arrays are changed in place, so no table is built per step.

    Besides the book's pools three parties hold contracts: the liquidation engine (`inventory`), the
    market it has sold to, and the other side of a book whose sizes do not sum to zero (`outside`,
    constant). Their money counts profit since the start.
    """

    start: Book
    terms: ExchangeTerms
    marks: FloatArray  # (d,)
    size: FloatArray  # (m,)
    equity: FloatArray  # (n,)
    fund: float
    inventory: FloatArray  # (d,) contracts of the engine, long > 0
    # (d,) equity that liquidated pools brought along, and the inventory's profit since, by asset
    inventory_equity: FloatArray
    market_contracts: FloatArray  # (d,)
    market_money: float
    outside: FloatArray  # (d,)
    outside_money: float
    displacement: FloatArray  # (d,) factor on the path's prices: permanent impact so far
    socialised: float  # loss of the venue so far
    fund_history: list[float]  # at the ends of steps, the start first
    liquidated: BoolArray  # (n,)
    liquidated_in: IntArray  # (n,) step, 0 if not
    deficit: FloatArray  # (n,)
    taken: FloatArray  # (m,) contracts deleveraged so far, signed
    paid_for: FloatArray  # (n,) money: contracts deleveraged times settlement price
    given_up: FloatArray  # (n,) money: (next mark - settlement) x contracts deleveraged
    unhedged: FloatArray  # (n,) money: rise of |net exposure at the marks| by deleveraging
    last_taken: FloatArray | None  # (m,) of the deleveraging whose next mark is not known yet
    last_settlement: FloatArray  # (d,)
    open_interest: FloatArray = field(init=False)  # (d,) at the start, longs and shorts together
    total_money: float = field(init=False)

    def __post_init__(self) -> None:
        book = self.start
        gross = np.bincount(book.asset, np.abs(book.size), minlength=len(book.assets))
        self.open_interest = gross.astype(np.float64)
        self.total_money = self.money()

    @classmethod
    def at_start(cls, book: Book, exchange: Exchange) -> State:
        """The book before the first step."""
        n, d = book.equity.size, len(book.assets)
        net = np.bincount(book.asset, book.size, minlength=d).astype(np.float64)
        return cls(
            start=book,
            terms=exchange.terms(book),
            marks=book.marks.copy(),
            size=book.size.copy(),
            equity=book.equity.copy(),
            fund=float(exchange.fund),
            inventory=np.zeros(d),
            inventory_equity=np.zeros(d),
            market_contracts=np.zeros(d),
            market_money=0.0,
            outside=-net,
            outside_money=0.0,
            displacement=np.ones(d),
            socialised=0.0,
            fund_history=[float(exchange.fund)],
            liquidated=np.zeros(n, dtype=bool),
            liquidated_in=np.zeros(n, dtype=np.intp),
            deficit=np.zeros(n),
            taken=np.zeros(book.size.size),
            paid_for=np.zeros(n),
            given_up=np.zeros(n),
            unhedged=np.zeros(n),
            last_taken=None,
            last_settlement=book.marks.copy(),
        )

    def by_pool(self, amounts: FloatArray) -> FloatArray:
        """(n,) sums of amounts (m,) over each pool's positions."""
        total = np.bincount(self.start.pool, amounts, minlength=self.equity.size)
        return total.astype(np.float64)

    def by_asset(self, amounts: FloatArray) -> FloatArray:
        """(d,) sums of amounts (m,) over each asset's positions."""
        total = np.bincount(self.start.asset, amounts, minlength=self.marks.size)
        return total.astype(np.float64)

    def mark_to(self, marks: FloatArray) -> None:
        """Move the marks: everybody gains contracts x change, equation (S1)."""
        change = marks - self.marks
        self.equity += self.by_pool(self.size * change[self.start.asset])
        gain = self.inventory * change
        self.inventory_equity += gain
        self.fund += float(gain.sum())
        self.market_money += float(self.market_contracts @ change)
        self.outside_money += float(self.outside @ change)
        self.marks = marks.copy()
        self._settle_given_up()

    def _settle_given_up(self) -> None:
        """Profit given up by the last deleveraging, once the next marks are known, (S8)."""
        if self.last_taken is not None:
            missed = self.marks - self.last_settlement
            self.given_up += self.by_pool(self.last_taken * missed[self.start.asset])
            self.last_taken = None

    def pay_funding(self, rates: FloatArray) -> None:
        """Longs pay shorts a share (d,) of notional, equation (S2)."""
        per_contract = rates * self.marks
        self.equity -= self.by_pool(self.size * per_contract[self.start.asset])
        paid = self.inventory * per_contract
        self.inventory_equity -= paid
        self.fund -= float(paid.sum())
        self.market_money -= float(self.market_contracts @ per_contract)
        self.outside_money -= float(self.outside @ per_contract)

    def open_inventory(self) -> FloatArray:
        """(d,) the engine's contracts, without what rounding leaves."""
        held = np.abs(self.inventory) > NETTED * self.open_interest
        return np.where(held, self.inventory, 0.0)

    def drop_rounding(self) -> None:
        """Take an inventory that summation has left for none; its past profit stays in the fund."""
        closed = np.abs(self.inventory) <= EXACTLY_CLOSED * self.open_interest
        self.inventory[closed] = 0.0
        self.inventory_equity[closed] = 0.0

    def socialise(self) -> float:
        """Record a fund below zero as the venue's loss, and start again from zero, (S7)."""
        loss = max(0.0, -self.fund)
        self.socialised += loss
        self.fund += loss
        self.fund_history.append(self.fund)
        return loss

    def book(self) -> Book:
        """The pools as a book, sharing no array with the state."""
        book = replace(
            self.start, marks=self.marks.copy(), equity=self.equity.copy(), size=self.size.copy()
        )
        book.__dict__["first_position"] = (
            self.start.first_position
        )  # the same rows: the cached bounds hold
        return book

    def money(self) -> float:
        """Everybody's money and profit, which nothing but rounding can change, equation (S9)."""
        others = self.fund + self.market_money + self.outside_money - self.socialised
        return float(self.equity.sum()) + others

    def check_conserved(self, step: int) -> None:
        """Raise ConservationError if contracts or money have appeared or vanished, (S9)."""
        held = self.by_asset(self.size) + self.inventory + self.market_contracts + self.outside
        scale = self.open_interest + np.abs(self.outside)
        wrong = np.flatnonzero(np.abs(held) > CONSERVED * scale)
        if wrong.size:
            raise ConservationError(
                f"step {step}: {held[wrong[0]]:g} contracts of "
                f"{self.start.assets[wrong[0]]!r} have appeared"
            )
        notional = float(np.abs(self.size) @ self.marks[self.start.asset])
        traded = float((np.abs(self.inventory) + np.abs(self.market_contracts)) @ self.marks)
        parties = abs(self.fund) + abs(self.market_money) + abs(self.outside_money)
        size = float(np.abs(self.equity).sum()) + notional + traded + parties + self.socialised
        difference = self.money() - self.total_money
        if not abs(difference) <= CONSERVED * max(size, abs(self.total_money)):
            raise ConservationError(f"step {step}: {difference:g} of money has appeared")
