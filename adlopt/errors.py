"""Every error a user can meet, under one roof."""

from __future__ import annotations


class AdlError(Exception):
    """Base of all errors raised by adlopt."""


class InputError(AdlError, ValueError):
    """Bad input: the message names the table, row and column, and what would be right."""


class InfeasibleReduction(AdlError, ValueError):
    """More is to be reduced than the eligible positions hold, or not in whole lots.

    `shortfalls` lists (asset, required, available), in contracts, both unsigned; of lots, the
    nearest possible.
    """

    def __init__(self, shortfalls: list[tuple[str, float, float]], *, lots: bool = False) -> None:
        self.shortfalls = shortfalls
        if lots:
            lines = [
                f"{asset}: required {required:.12g} contracts, nearest {near:.12g}"
                for asset, required, near in shortfalls
            ]
            super().__init__(
                f"no whole lots make up the reduction; require the nearest possible ({'; '.join(lines)})"
            )
            return
        lines = [
            f"{asset}: required {required:.12g} contracts, available {available:.12g}"
            for asset, required, available in shortfalls
        ]
        super().__init__(
            "the reduction is larger than the eligible open interest of solvent accounts ("
            + "; ".join(lines)
            + "); reduce less, loosen the caps, or check the sign: a negative reduction takes from shorts"
        )


class NotApplicable(AdlError):
    """The chosen method cannot solve this problem; the message says why and what can."""


class SolverFailed(AdlError):
    """The conic solver gave no usable answer; the message has its status and likely causes."""


class ConservationError(AdlError, ArithmeticError):
    """In a simulation contracts or money appeared or vanished: a defect, never the user's input."""
