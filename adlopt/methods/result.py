"""What a method hands back: reductions, and whatever helps to prove them."""

from __future__ import annotations

from typing import NamedTuple

from adlopt._internal.arrays import FloatArray
from adlopt.proof.multipliers import Multipliers


class Result(NamedTuple):
    """Outcome of one method on one problem, in arrays."""

    allocation: FloatArray  # (e,) reductions, signed, in contracts
    water_level: FloatArray | None = (
        None  # (d,) by asset, or (1,) common to all; NaN where there is none
    )
    multipliers: Multipliers | None = None
    note: str = ""  # what the user should know of how it was solved
