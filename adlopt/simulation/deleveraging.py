"""When auto-deleveraging is triggered, what it must take, and its execution."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.errors import AdlError, InputError, ScaleWarning
from adlopt.model.allocation import FEASIBILITY
from adlopt.model.book import Book
from adlopt.model.problem import Problem
from adlopt.objectives import ExpectedLoss, Objective
from adlopt.policies.protocol import AnyPolicy, apply_policy, name_of
from adlopt.prices.protocol import PriceModel
from adlopt.simulation.exchange import Exchange
from adlopt.simulation.state import State

PriceModels = PriceModel | Callable[[Book], PriceModel]


@dataclass(frozen=True, slots=True)
class Deleveraging:
    """One wave: its problem, and what the policy took (e,)."""

    problem: Problem
    taken: FloatArray
    notional: float  # money at the settlement price
    pools: int
    unmet: float  # money at the marks: required, and not available or not taken


def triggered(state: State, exchange: Exchange, step: int) -> bool:
    """Whether auto-deleveraging acts in this step, equation (S5)."""
    held = state.open_inventory()
    if step % exchange.adl_interval or not held.any():
        return False
    if float(np.abs(held) @ state.marks) > exchange.inventory_limit or state.fund < exchange.floor:
        return True
    if exchange.drawdown is None:
        return False
    recent = [*state.fund_history, state.fund][-exchange.window :]
    return state.fund <= (1.0 - exchange.drawdown) * max(recent)


def deleverage(
    state: State,
    policy: AnyPolicy,
    exchange: Exchange,
    prices: PriceModels | None,
    objective: Objective | None,
    step: int,
) -> Deleveraging | None:
    """Let the policy reduce the side opposite to the inventory, equation (S6).

    At most what solvent pools hold is required; the engine keeps the rest. None if they hold
    nothing on that side.
    """
    held = state.open_inventory()
    book = state.book()
    opposite = book.solvent[book.pool] & (book.size * held[book.asset] < 0)
    available = state.by_asset(np.where(opposite, np.abs(book.size), 0.0))
    required = np.minimum(np.abs(held), available)
    wanted = [int(k) for k in np.flatnonzero(required > 0)]
    if not wanted:
        return None
    settlement = settlement_prices(state, exchange)
    problem = _computed_problem(
        book,
        {book.assets[k]: float(-np.sign(held[k]) * required[k]) for k in wanted},
        prices=prices(book) if callable(prices) and not hasattr(prices, "scenarios") else prices,
        objective=ExpectedLoss() if objective is None else objective,
        settlement=None
        if exchange.settlement == "mark"
        else {book.assets[k]: float(settlement[k]) for k in wanted},
    )
    taken = feasible_reductions(policy, problem, step)
    return execute(state, problem, taken, settlement, np.abs(held))


def _computed_problem(book: Book, reduction: dict[Any, float], **others: Any) -> Problem:
    """A problem whose numbers the simulation computed: far from the marks, they are no typos."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScaleWarning)
        return Problem(book, reduction, **others)


def settlement_prices(state: State, exchange: Exchange) -> FloatArray:
    """(d,) mark, or the price at which closing the inventory makes up for what it cost the fund.

    With inventory W and the equity A that it came with and has earned since, that is mark - A / W:
    for a single position the price at which its account's equity was zero.
    """
    if exchange.settlement == "mark":
        return state.marks
    held = state.open_inventory()
    per_contract = np.divide(state.inventory_equity, held, out=np.zeros(held.size), where=held != 0)
    price = state.marks - per_contract
    return np.where(price > 0, price, state.marks)


def feasible_reductions(policy: AnyPolicy, problem: Problem, step: int) -> FloatArray:
    """(e,) what the policy takes; InputError if it takes more than there is, or than required."""
    try:
        taken = apply_policy(policy, problem)
    except AdlError as error:
        error.add_note(f"policy {name_of(policy)}, step {step} of the path")
        raise
    inside, most = np.sign(problem.max_reduction) * taken, np.abs(problem.max_reduction)
    slack = FEASIBILITY * np.abs(problem.required)[problem.asset]
    bad = np.flatnonzero((inside < -slack) | (inside > most + slack))
    if bad.size:
        row = problem.positions.iloc[int(bad[0])]
        raise InputError(
            f"policy {name_of(policy)}, step {step}: it takes {taken[bad[0]]:g} of account "
            f"{row['account']!r}, asset {row['asset']!r}, which holds {row['size']:g}"
        )
    taken = np.sign(problem.max_reduction) * np.clip(inside, 0.0, most)
    total = np.bincount(problem.asset, np.abs(taken), minlength=problem.required.size)
    over = np.flatnonzero(total > np.abs(problem.required) * (1.0 + FEASIBILITY))
    if over.size:
        raise InputError(
            f"policy {name_of(policy)}, step {step}: it takes {total[over[0]]:g} contracts of "
            f"{problem.book.assets[over[0]]!r}; {abs(problem.required[over[0]]):g} are required"
        )
    return np.asarray(taken)


def execute(
    state: State,
    problem: Problem,
    taken: FloatArray,
    settlement: FloatArray,
    required: FloatArray,
) -> Deleveraging:
    """Close what the policy took against the inventory; `required` (d,) contracts, unsigned."""
    book = state.start
    whole = np.zeros(state.size.size)
    whole[problem.eligible] = taken
    before = state.by_pool(state.size * state.marks[book.asset])
    state.size -= whole
    after = state.by_pool(state.size * state.marks[book.asset])
    state.unhedged += np.maximum(np.abs(after) - np.abs(before), 0.0)
    by_asset = state.by_asset(whole)
    offset = settlement - state.marks
    state.equity += state.by_pool(whole * offset[book.asset])
    state.fund -= float(by_asset @ offset)
    part = np.divide(by_asset, state.inventory, out=np.zeros(offset.size), where=by_asset != 0)
    state.inventory_equity *= 1.0 + part  # by_asset has the other sign
    state.inventory += by_asset
    state.drop_rounding()
    state.taken += whole
    paid = state.by_pool(np.abs(whole) * settlement[book.asset])
    state.paid_for += paid
    state.last_taken, state.last_settlement = whole, settlement.copy()
    unmet = required - np.abs(by_asset)
    unmet = np.where(unmet > FEASIBILITY * required, unmet, 0.0)
    return Deleveraging(
        problem, taken, float(paid.sum()), int(np.count_nonzero(paid)), float(unmet @ state.marks)
    )
