"""What an axiom is, and what a violation is. All amounts are contracts, unsigned.

A `Finding` is a violation: its size relative to the requirement, in words, and the books that show
it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.axioms.small_books import SmallBook

Rule = Callable[[SmallBook], FloatArray]

TOLERANCE = 1e-6  # of the requirement, or of a leverage


class Exhibit(NamedTuple):
    """A book of a counterexample, and what the rule took there."""

    label: str
    book: SmallBook
    taken: FloatArray


class Finding(NamedTuple):
    size: float
    text: str
    shown: tuple[Exhibit, ...]


class Axiom(ABC):
    """A promise; `changes` proposes what could break it in a book, `violated` looks."""

    name: str
    promise: str
    ignore_ties: bool = True
    """Whether a counterexample in which the order of rows decides is the worse one."""

    def changes(
        self, rule: Rule, book: SmallBook, rng: np.random.Generator
    ) -> Iterator[tuple[SmallBook, Any]]:
        """Books and changes to try; by default the book unchanged."""
        yield book, None

    @abstractmethod
    def violated(self, rule: Rule, book: SmallBook, change: Any) -> Finding | None:
        """A violation, if it is larger than rounding."""

    def protected_accounts(self, change: Any) -> set[str]:
        """Accounts without which the change makes no sense."""
        return set()


def amounts_differ(
    book: SmallBook, before: FloatArray, after: FloatArray, lead: str, shown: tuple[Exhibit, ...]
) -> Finding | None:
    """A finding if amounts by account differ."""
    size = float(np.abs(after - before).max() / abs(book.required))
    if size <= TOLERANCE:
        return None
    moved = [
        f"{name} gives {contracts(b)} before and {contracts(a)} after"
        for name, b, a in zip(book.account, before, after, strict=True)
        if abs(a - b) > TOLERANCE * abs(book.required)
    ]
    return Finding(size, f"{lead} {'; '.join(moved)}.", shown)


def before_and_after(
    book: SmallBook, before: FloatArray, changed: SmallBook, after: FloatArray
) -> tuple[Exhibit, Exhibit]:
    """What the rule took in a book, and in the changed one."""
    return Exhibit("before", book, before), Exhibit("after", changed, after)


def contracts(amount: float) -> str:
    return f"{amount + 0.0:.6g}"
