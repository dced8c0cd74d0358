"""What a method hands back: reductions, and whatever helps to prove them."""

from __future__ import annotations

from typing import NamedTuple

from adlopt._tables import FloatArray, IntArray


class Multipliers(NamedTuple):
    """Dual variables of a scenario program; any shares in [0, 1] prove a lower bound, the optimal ones a tight one."""

    stress: tuple[FloatArray, ...]  # (S,) stressed probabilities of each term of the objective
    uncovered: FloatArray  # (S,) in [0, 1]: share of a scenario's stress that the insurance fund leaves
    pool: IntArray  # (pairs,) nondecreasing; pairs of eligible pools not listed have weight zero
    scenario: IntArray  # (pairs,)
    weight: FloatArray  # (pairs,) in [0, 1]: share of the scenario's stress that falls on the pool's shortfall


class Result(NamedTuple):
    """Outcome of one method on one problem, in arrays."""

    allocation: FloatArray  # (e,) reductions, signed, in contracts
    water_level: FloatArray | None = None  # (d,) by asset, or (1,) common to all; NaN where there is none
    multipliers: Multipliers | None = None
    note: str = ""  # what the user should know of how it was solved
