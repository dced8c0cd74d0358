"""Sales in a market, in exact arithmetic: their cost, and what one more contract costs at least.

Prices of sums are integers in units of 2^-(price + stress + share bits), as in the proof's file.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any


def cost_and_least_cost(data: dict[str, Any]) -> tuple[Fraction, Fraction]:
    """What the sales cost (M1), and the least of cost less price times contracts over what can be
    sold; both in money, summed over assets.
    """
    contracts, price_bits, stress, share, _ = data["units"]
    paid = least = Fraction(0)
    for k, price in enumerate(data["price"]):
        linear, slope = _rates(data, k)
        z = Fraction(abs(data["sold"][k]), 1 << contracts)
        paid += linear * z + slope * z**2 / 2
        side = -1 if data["required"][k] < 0 else 1
        saved = Fraction(side * price, 1 << (price_bits + stress + share)) - linear
        most = Fraction(data["depth"][k], 1 << contracts)
        best = most if saved > 0 else Fraction(0)
        if slope:
            best = min(max(saved / slope, Fraction(0)), most)
        least += slope * best**2 / 2 - saved * best
    return paid, least


def marginal_cost(data: dict[str, Any], k: int, positions: list[tuple[int, int]]) -> int:
    """Cost of one more contract of asset k, from positions (cost, contracts) in order of cost or
    from the market; rounded down.
    """
    _, price_bits, stress, share, _ = data["units"]
    linear, slope = _rates(data, k)
    unit = 1 << (price_bits + stress + share)
    left, depth, price = abs(data["required"][k]), data["depth"][k], 0

    def in_the_market(amount: int) -> int:
        z = Fraction(amount, 1 << data["units"][0])
        return int(unit * (linear + slope * z))

    for cost, contracts in positions:
        if 0 < left <= depth and in_the_market(left) <= cost:
            return in_the_market(left)
        price, left = cost, left - contracts
        if left <= 0 or (left <= depth and in_the_market(left) <= cost):
            return price
    return in_the_market(left) if 0 < left <= depth else price


def _rates(data: dict[str, Any], k: int) -> tuple[Fraction, Fraction]:
    """Cost of the first contract, and by how much it rises per contract."""
    _, price_bits, _, _, slope_bits = data["units"]
    linear = Fraction(data["linear"][k], 1 << price_bits)
    return linear, Fraction(data["slope"][k], 1 << slope_bits)
