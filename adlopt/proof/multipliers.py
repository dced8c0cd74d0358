"""Dual variables of a scenario program, from which a lower bound is computed."""

from __future__ import annotations

from typing import NamedTuple

from adlopt._internal.arrays import AnyIntArray, FloatArray


class Multipliers(NamedTuple):
    """Dual variables of a scenario program; any shares in [0, 1] prove a lower bound, the optimal
    ones a tight one.
    """

    stress: tuple[FloatArray, ...]  # (S,) stressed probabilities of each term of the objective
    uncovered: (
        FloatArray  # (S,) in [0, 1]: share of a scenario's stress that the insurance fund leaves
    )
    pool: AnyIntArray  # (pairs,) nondecreasing; pairs of eligible pools not listed have weight zero
    scenario: AnyIntArray  # (pairs,)
    # (pairs,) in [0, 1]: share of the scenario's stress that falls on the pool's shortfall
    weight: FloatArray
