"""Liquidation of accounts below their margin, and the sale of what they leave in the market."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.simulation.exchange import Exchange
from adlopt.simulation.state import State


@dataclass(slots=True)
class Sale:
    """What one step's market takes: sums over the rounds of a cascade."""

    depth: FloatArray  # (d,) contracts of this step
    basis: FloatArray  # (d,) market price over mark, minus one
    used: FloatArray  # (d,) contracts traded so far, unsigned
    sold: FloatArray  # (d,) of these, contracts sold, signed: long inventory sold is > 0
    cost: float = 0.0  # money: spread, impact, and the gap between mark and market


@dataclass(frozen=True, slots=True)
class Liquidation:
    """Sums over the rounds of one step."""

    pools: int
    deficit: float
    remainder: float  # positive equity that the fund has kept
    contracts: FloatArray  # (d,) taken over, unsigned


def liquidate_and_sell(
    state: State, exchange: Exchange, path_marks: FloatArray, sale: Sale, step: int
) -> Liquidation:
    """Liquidate, sell, let the sale move the marks, and repeat until no account is below margin.

    Each round but the last liquidates at least one pool, so there are at most as many as pools. A
    sale of a fixed depth ends after finitely many rounds as well.
    """
    pools, deficit, remainder = 0, 0.0, 0.0
    contracts = np.zeros(state.marks.size)
    while True:
        found = liquidate(state, exchange, step)
        pools += found.pools
        deficit += found.deficit
        remainder += found.remainder
        contracts += found.contracts
        if not sell(state, sale):
            break
        if not state.terms.permanent.any():
            break
        state.mark_to(path_marks * state.displacement)
    return Liquidation(pools, deficit, remainder, contracts)


def liquidate(state: State, exchange: Exchange, step: int) -> Liquidation:
    """Take over pools whose equity is below their maintenance margin, equation (S3)."""
    book = state.start
    notional = np.abs(state.size) * state.marks[book.asset]
    gross = state.by_pool(notional)
    margin = state.by_pool(state.terms.position_margin(notional, book.asset))
    weak = (state.equity < margin) | ((state.equity <= 0) & (gross > 0))
    if not weak.any():
        return Liquidation(0, 0.0, 0.0, np.zeros(state.marks.size))
    equity = state.equity[weak]
    returned = (
        np.maximum(equity, 0.0) if exchange.remainder == "returned" else np.zeros(equity.size)
    )
    to_fund = np.zeros(state.equity.size)
    to_fund[weak] = equity - returned
    rows = np.flatnonzero(weak[book.pool] & (state.size != 0))
    size, asset, pool = state.size[rows], book.asset[rows], book.pool[rows]
    d = state.marks.size
    share = notional[rows] / gross[pool]
    state.inventory += np.bincount(asset, size, minlength=d)
    state.inventory_equity += np.bincount(asset, to_fund[pool] * share, minlength=d)
    state.fund += float(to_fund.sum())
    state.deficit[weak] += np.maximum(-equity, 0.0)
    closed = weak & (gross > 0)
    state.liquidated_in[closed & ~state.liquidated] = step
    state.liquidated |= closed
    state.size[rows] = 0.0
    state.equity[weak] = returned
    state.drop_rounding()
    return Liquidation(
        pools=int(np.count_nonzero(closed)),
        deficit=float(np.maximum(-equity, 0.0).sum()),
        remainder=float(np.maximum(to_fund, 0.0).sum()),
        contracts=np.bincount(asset, np.abs(size), minlength=d).astype(np.float64),
    )


def sell(state: State, sale: Sale) -> bool:
    """Sell as much of the inventory as the step's depth allows, (S4); whether anything was sold."""
    held = state.open_inventory()
    amount = np.minimum(np.abs(held), np.maximum(sale.depth - sale.used, 0.0))
    if not amount.any():
        return False
    trade(state, sale, np.sign(held) * amount)
    return True


def trade(state: State, sale: Sale, sold: FloatArray) -> None:
    """Execute a sale of contracts (d,), signed like the inventory, and charge its cost to the fund.

    The cost (M1) counts the contracts traded earlier in the step: a sale in two parts costs what it
    costs at once.
    """
    terms, marks, amount = state.terms, state.marks, np.abs(sold)
    slope = np.divide(
        terms.impact * marks, sale.depth, out=np.zeros(marks.size), where=sale.depth > 0
    )
    after = sale.used + amount
    cost = terms.half_spread * marks * amount + slope * (after**2 - sale.used**2) / 2
    cost -= sold * marks * sale.basis  # a long sold below the mark costs the difference
    part = np.divide(sold, state.inventory, out=np.zeros(marks.size), where=sold != 0)
    state.inventory_equity *= 1.0 - part
    state.inventory -= sold
    state.drop_rounding()
    state.market_contracts += sold
    state.fund -= float(cost.sum())
    state.market_money += float(cost.sum())
    sale.used = after
    sale.sold += sold
    sale.cost += float(cost.sum())
    moved = np.divide(
        terms.permanent * sold, sale.depth, out=np.zeros(marks.size), where=sale.depth > 0
    )
    state.displacement *= np.exp(-moved)
