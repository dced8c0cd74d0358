"""One crash: the seven steps, repeated along a price path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.model.allocation import FEASIBILITY
from adlopt.model.book import Book
from adlopt.model.losses import objective_value
from adlopt.objectives import Objective
from adlopt.policies.protocol import AnyPolicy, violations
from adlopt.proof.certificate import certify_array
from adlopt.simulation.deleveraging import Deleveraging, PriceModels, deleverage, triggered
from adlopt.simulation.exchange import Exchange
from adlopt.simulation.liquidation import Sale, liquidate_and_sell
from adlopt.simulation.price_paths import Paths
from adlopt.simulation.state import State


@dataclass(frozen=True, slots=True)
class Step:
    """What happened in one step; money unless said otherwise."""

    step: int
    marks: FloatArray  # (d,) after impact
    liquidated: int  # pools
    deficit: float
    remainder: float
    taken_over: FloatArray  # (d,) contracts, unsigned
    sold: FloatArray  # (d,) contracts, signed like the inventory
    cost: float
    deleveraged: FloatArray  # (d,) contracts, signed like the positions reduced
    deleveraged_money: float
    pools_deleveraged: int
    unmet: float
    inventory: FloatArray  # (d,) contracts after the step
    fund: float
    socialised: float
    wave: Deleveraging | None


def run(
    book: Book,
    path: Paths,
    policy: AnyPolicy,
    exchange: Exchange,
    *,
    prices: PriceModels | None = None,
    objective: Objective | None = None,
) -> tuple[State, list[Step]]:
    """Play one path (a set of one) of the book's assets through."""
    state = State.at_start(book, exchange)
    steps = []
    for number in range(1, path.steps + 1):
        steps.append(_step(state, path, number, policy, exchange, prices, objective))
        state.check_conserved(number)
    return state, steps


def _step(
    state: State,
    path: Paths,
    number: int,
    policy: AnyPolicy,
    exchange: Exchange,
    prices: PriceModels | None,
    objective: Objective | None,
) -> Step:
    row = (0, number - 1)
    d = state.marks.size
    state.mark_to(path.prices[row] * state.displacement)
    if path.funding is not None:
        state.pay_funding(path.funding[row])
    factor = np.ones(d) if path.depth is None else path.depth[row]
    sale = Sale(
        depth=np.where(factor > 0, state.terms.depth * np.where(factor > 0, factor, 1.0), 0.0),
        basis=np.zeros(d) if path.basis is None else path.basis[row],
        used=np.zeros(d),
        sold=np.zeros(d),
    )
    liquidation = liquidate_and_sell(state, exchange, path.prices[row], sale, number)
    wave = None
    if triggered(state, exchange, number):
        wave = deleverage(state, policy, exchange, prices, objective, number)
    socialised = state.socialise()
    deleveraged = np.zeros(d)
    if wave is not None:
        deleveraged = np.bincount(wave.problem.asset, wave.taken, minlength=d).astype(np.float64)
    return Step(
        step=number,
        marks=state.marks.copy(),
        liquidated=liquidation.pools,
        deficit=liquidation.deficit,
        remainder=liquidation.remainder,
        taken_over=liquidation.contracts,
        sold=sale.sold,
        cost=sale.cost,
        deleveraged=deleveraged,
        deleveraged_money=0.0 if wave is None else wave.notional,
        pools_deleveraged=0 if wave is None else wave.pools,
        unmet=0.0 if wave is None else wave.unmet,
        inventory=state.open_inventory(),
        fund=state.fund,
        socialised=socialised,
        wave=wave,
    )


def expected_loss(wave: Deleveraging | None) -> tuple[float, float]:
    """The objective of what a wave has left, and the proven gap; NaN without wave or price model.

    The gap is NaN as well where the policy took less than required: no bound applies to that.
    """
    if wave is None or wave.problem.prices is None:
        return np.nan, np.nan
    unmet, overstepped = violations(wave.problem, wave.taken)
    if max(unmet, overstepped) > FEASIBILITY:
        return objective_value(wave.problem, wave.taken), np.nan
    proof = certify_array(wave.problem, wave.taken)
    return proof.value, proof.gap


TOTALS = (
    "socialised_loss",
    "deficit",
    "second_round_deficit",
    "fund_needed",
    "fund_left",
    "liquidated",
    "sold",
    "cost",
    "deleveraged",
    "pools_deleveraged",
    "waves",
    "profit_given_up",
    "unhedged",
    "inventory_left",
)
"""Numbers that sum a crash up, in the order of `totals`."""


def totals(state: State, steps: list[Step]) -> FloatArray:
    """(len(TOTALS),) what `TOTALS` lists, of one crash.

    `fund_needed` is what the fund has paid out at most, losses socialised included, had every
    decision been the same, equation (S10). `second_round_deficit` counts deficits after the step of
    the first deleveraging.
    """
    waves = [step.step for step in steps if step.wave is not None]
    first = waves[0] if waves else steps[-1].step
    flow = np.array([step.fund for step in steps])
    flow -= np.cumsum([step.socialised for step in steps])
    values = {
        "socialised_loss": state.socialised,
        "deficit": sum(step.deficit for step in steps),
        "second_round_deficit": sum(step.deficit for step in steps if step.step > first),
        "fund_needed": max(0.0, state.fund_history[0] - float(flow.min())),
        "fund_left": state.fund,
        "liquidated": np.count_nonzero(state.liquidated),
        "sold": sum(float(np.abs(step.sold) @ step.marks) for step in steps),
        "cost": sum(step.cost for step in steps),
        "deleveraged": float(state.paid_for.sum()),
        "pools_deleveraged": np.count_nonzero(state.paid_for),
        "waves": len(waves),
        "profit_given_up": float(state.given_up.sum()),
        "unhedged": float(state.unhedged.sum()),
        "inventory_left": float(np.abs(steps[-1].inventory) @ state.marks),
    }
    return np.array([float(values[name]) for name in TOTALS])
