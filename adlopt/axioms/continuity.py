"""The axiom of continuity: bisect to where amounts jump."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from adlopt.axioms.axiom import Axiom, Exhibit, Finding, Rule, amounts_differ, contracts
from adlopt.axioms.small_books import SmallBook, significant

JUMP = 1e-3  # of the requirement: a change that remains as its cause vanishes counts as a jump
VANISHING = (1e-3, 1e-6, 1e-9)  # relative sizes of the cause


@dataclass(frozen=True)
class _Number:
    """One number of a book: that of an account, or the requirement."""

    field: str
    account: str

    def of(self, book: SmallBook) -> float:
        return book.number(self.field, book.at(self.account))

    def set(self, book: SmallBook, value: float) -> SmallBook:
        return book.with_number(self.field, book.at(self.account), value)

    @property
    def words(self) -> str:
        return (
            "the requirement" if self.field == "required" else f"the {self.field} of {self.account}"
        )


class Continuous(Axiom):
    name = "continuous"
    promise = "a small change of the book changes amounts a little"
    ignore_ties = False
    STEPS = (0.5, 0.8, 1.25, 2.0)

    def changes(
        self, rule: Rule, book: SmallBook, rng: np.random.Generator
    ) -> Iterator[tuple[SmallBook, Any]]:
        """Where one number moves between two values, bisect to where the amounts jump, if they
        do.
        """
        row = int(rng.choice(np.flatnonzero(book.eligible)))
        number = _Number(
            str(rng.choice(["size", "entry", "equity", "required"])), book.account[row]
        )
        low = number.of(book)
        high = low * float(rng.choice(self.STEPS))
        if not (book.possible and number.set(book, high).possible):
            return
        jump = self._jump(rule, book, number, low, high)
        if jump is not None:
            for digits in range(1, 8):
                yield number.set(book, significant(jump, digits)), number
            yield number.set(book, jump), number

    def _jump(
        self, rule: Rule, book: SmallBook, number: _Number, low: float, high: float
    ) -> float | None:
        limit = JUMP * abs(book.required)
        below, above = rule(number.set(book, low)), rule(number.set(book, high))
        while np.abs(above - below).max() > limit:
            middle = (low + high) / 2
            if middle in (low, high):
                return middle
            between = rule(number.set(book, middle))
            if np.abs(between - below).max() >= np.abs(above - between).max():
                high, above = middle, between
            else:
                low, below = middle, between
        return None

    def protected_accounts(self, change: Any) -> set[str]:
        return {change.account}

    def violated(self, rule: Rule, book: SmallBook, change: Any) -> Finding | None:
        """A jump across the number that is as large for a billionth of it as for a thousandth."""
        value = change.of(book)
        jumps, pairs = [], []
        for share in VANISHING:
            below, above = (change.set(book, value * (1 + sign * share)) for sign in (-1, 1))
            if not (below.possible and above.possible):
                return None
            pairs.append((below, rule(below), above, rule(above)))
            jumps.append(float(np.abs(pairs[-1][3] - pairs[-1][1]).max()))
        smallest = jumps[-1] / abs(book.required)
        if smallest <= JUMP or jumps[-1] < 0.5 * jumps[0]:
            return None
        below, before, above, after = pairs[0]
        sizes = ", ".join(contracts(jump) for jump in jumps)
        lead = (
            f"As {change.words} passes {value:.10g}, amounts jump: by {sizes} contracts across "
            "0.1 %, a millionth and a billionth of it to either side. Across 0.1 %:"
        )
        shown = (Exhibit("just below", below, before), Exhibit("just above", above, after))
        found = amounts_differ(book, before, after, lead, shown)
        return None if found is None else found._replace(size=smallest)
