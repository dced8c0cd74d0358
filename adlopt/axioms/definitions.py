"""The axioms, each as a change to a book and what the rule must then do.

Definitions and proofs are on the theory page "Axioms" of the documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from adlopt.axioms.axiom import (
    TOLERANCE,
    Axiom,
    Exhibit,
    Finding,
    Rule,
    amounts_differ,
    before_and_after,
    contracts,
)
from adlopt.axioms.continuity import Continuous
from adlopt.axioms.small_books import CRASH, NARROW, WIDE, SmallBook
from adlopt.errors import NotApplicable


class Feasible(Axiom):
    name = "feasible"
    promise = "amounts between 0 and the position, sum as required"

    def changes(
        self, rule: Rule, book: SmallBook, rng: np.random.Generator
    ) -> Iterator[tuple[SmallBook, Any]]:
        yield book, None
        yield replace(book, required=float(np.sign(book.required) * book.eligible.sum())), None

    def violated(self, rule: Rule, book: SmallBook, change: Any) -> Finding | None:
        took, required = rule(book), abs(book.required)
        unmet = abs(took.sum() - required) / required
        over = float(np.maximum(took - book.eligible, -took).max()) / required
        if max(unmet, over) <= TOLERANCE:
            return None
        text = f"It takes {contracts(took.sum())} of {contracts(required)} contracts"
        if over > TOLERANCE:
            i = int(np.argmax(np.maximum(took - book.eligible, -took)))
            text += (
                f", and {contracts(took[i])} of the {contracts(book.eligible[i])} that "
                f"{book.account[i]} may give"
            )
        return Finding(max(unmet, over), text + ".", (Exhibit("unchanged", book, took),))


class WashTrade(Axiom):
    name = "wash-trade resistant"
    promise = "closing and reopening at the mark changes nothing"

    def changes(
        self, rule: Rule, book: SmallBook, rng: np.random.Generator
    ) -> Iterator[tuple[SmallBook, Any]]:
        for name, own in zip(book.account, book.eligible, strict=True):
            if own > 0:
                yield book, name

    def protected_accounts(self, change: Any) -> set[str]:
        return {change}

    def violated(self, rule: Rule, book: SmallBook, change: Any) -> Finding | None:
        washed = book.with_number("entry", book.at(change), book.mark)
        before, after = rule(book), rule(washed)
        lead = (
            f"{change} closes and reopens at the mark: entry price {contracts(book.mark)}, size "
            "and equity as before."
        )
        shown = before_and_after(book, before, washed, after)
        return amounts_differ(book, before, after, lead, shown)


class Sybil(Axiom):
    name = "Sybil resistant"
    promise = "no split of size and equity over several accounts lowers what their owner gives"
    PARTS = (0.1, 0.25, 0.5, 0.75, 0.9)

    def changes(
        self, rule: Rule, book: SmallBook, rng: np.random.Generator
    ) -> Iterator[tuple[SmallBook, Any]]:
        owners = [name for name, own in zip(book.account, book.eligible, strict=True) if own > 0]
        for _ in range(4):
            part, equity = rng.choice(self.PARTS, 2)
            yield book, (str(rng.choice(owners)), float(part), float(equity))

    def protected_accounts(self, change: Any) -> set[str]:
        return {change[0]}

    def violated(self, rule: Rule, book: SmallBook, change: Any) -> Finding | None:
        owner, part, equity = change
        row = book.at(owner)
        split = replace(
            book,
            account=(*book.account[:row], f"{owner}1", *book.account[row + 1 :], f"{owner}2"),
            size=(
                *book.size[:row],
                book.size[row] * part,
                *book.size[row + 1 :],
                book.size[row] * (1 - part),
            ),
            entry=(*book.entry, book.entry[row]),
            equity=(
                *book.equity[:row],
                book.equity[row] * equity,
                *book.equity[row + 1 :],
                book.equity[row] * (1 - equity),
            ),
        )
        before, after = rule(book), rule(split)
        together = float(after[row] + after[-1])
        size = (before[row] - together) / abs(book.required)
        if size <= TOLERANCE:
            return None
        text = (
            f"{owner} moves {1 - part:.0%} of its position and {1 - equity:.0%} of its equity to "
            f"a second account, and gives {contracts(together)} ({contracts(after[row])} + "
            f"{contracts(after[-1])}) instead of {contracts(before[row])}."
        )
        return Finding(
            size,
            text,
            (Exhibit("one account", book, before), Exhibit("two accounts", split, after)),
        )


class PathIndependent(Axiom):
    name = "path-independent"
    promise = "Q1 and then Q2 gives what Q1 + Q2 gives at once"

    def changes(
        self, rule: Rule, book: SmallBook, rng: np.random.Generator
    ) -> Iterator[tuple[SmallBook, Any]]:
        yield book, float(rng.choice([0.25, 0.5, 0.75]))

    def violated(self, rule: Rule, book: SmallBook, change: Any) -> Finding | None:
        at_once = rule(book)
        first = replace(book, required=change * book.required)
        took = rule(first)
        if abs(took.sum() - abs(first.required)) > TOLERANCE * abs(first.required):
            return None  # another axiom's business
        left = np.where(took >= book.eligible * (1 - TOLERANCE), 0.0, book.eligible - took)
        rows = [
            index
            for index in range(len(book.account))
            if left[index] > 0 or book.eligible[index] == 0
        ]
        size = tuple(
            float(np.sign(value) * (left[index] or abs(value)))
            for index, value in enumerate(book.size)
        )
        second = replace(book, size=size, required=book.required - first.required).take(rows)
        if not second.possible:
            return None
        then = rule(second)
        both = took.copy()
        both[rows] += then
        shown = (
            Exhibit("at once", book, at_once),
            Exhibit("first", first, took),
            Exhibit("then", second, then),
        )
        found = amounts_differ(book, at_once, both, "", shown)
        if found is None:
            return None
        text = (
            found.text.replace(" before and ", " at once and ")
            .replace(" after", " in two steps")
            .strip()
        )
        return found._replace(text=text)


class LeveragePriority(Axiom):
    name = "leverage priority"
    promise = "a reduced account ends at no less leverage than any account that could still give"

    def violated(self, rule: Rule, book: SmallBook, change: Any) -> Finding | None:
        took = rule(book)
        left = book.eligible - took
        after = left * book.mark / np.array(book.equity)
        hit = np.flatnonzero(took > TOLERANCE * abs(book.required))
        able = np.flatnonzero(left > TOLERANCE * book.eligible)
        if hit.size == 0 or able.size == 0:
            return None
        low, high = hit[np.argmin(after[hit])], able[np.argmax(after[able])]
        size = float((after[high] - after[low]) / max(after[high], 1e-300))
        if size <= TOLERANCE:
            return None
        text = (
            f"{book.account[low]} is reduced by {contracts(took[low])} to leverage "
            f"{contracts(after[low])}, while {book.account[high]}, who could still give "
            f"{contracts(left[high])}, stands at {contracts(after[high])}."
        )
        return Finding(size, text, (Exhibit("unchanged", book, took),))


class Monotone(Axiom):
    name = "monotone"
    promise = "the fraction taken does not fall as leverage rises"

    def violated(self, rule: Rule, book: SmallBook, change: Any) -> Finding | None:
        took = rule(book)
        rows = np.flatnonzero(book.eligible > 0)
        leverage, fraction = book.leverage[rows], took[rows] / book.eligible[rows]
        rises = leverage[:, None] > leverage * (1 + TOLERANCE)
        drop = np.where(rises, fraction - fraction[:, None], 0.0)
        high, low = np.unravel_index(int(np.argmax(drop)), drop.shape)
        size = float(drop[high, low])
        if size <= TOLERANCE:
            return None
        text = (
            f"{book.account[rows[high]]} at leverage {contracts(leverage[high])} gives "
            f"{fraction[high]:.6g} of its position, {book.account[rows[low]]} at "
            f"{contracts(leverage[low])} gives {fraction[low]:.6g}."
        )
        return Finding(size, text, (Exhibit("unchanged", book, took),))


class Anonymous(Axiom):
    name = "anonymous"
    promise = "neither names nor the order of rows matter"
    ignore_ties = False

    def changes(
        self, rule: Rule, book: SmallBook, rng: np.random.Generator
    ) -> Iterator[tuple[SmallBook, Any]]:
        yield book, "rows"
        yield book, "names"

    def violated(self, rule: Rule, book: SmallBook, change: Any) -> Finding | None:
        before = rule(book)
        if change == "rows":
            other = book.take(list(range(len(book.account)))[::-1])
            after, lead = rule(other)[::-1], "The same accounts, listed in reverse:"
        else:
            other = replace(
                book, account=tuple(chr(ord("Z") - index) for index in range(len(book.account)))
            )
            after, lead = rule(other), "The same accounts, named Z, Y, ... instead of A, B, ...:"
        took = after[::-1] if change == "rows" else after
        shown = before_and_after(book, before, other, took)
        return amounts_differ(book, before, after, lead, shown)


class ScaleInvariant(Axiom):
    name = "scale-invariant"
    promise = "the units of money and of contracts do not matter"
    POWERS = (0.25, 4.0, 1 / 1024, 1024.0)  # of two: the unit changes, and no rounding

    def changes(
        self, rule: Rule, book: SmallBook, rng: np.random.Generator
    ) -> Iterator[tuple[SmallBook, Any]]:
        yield book, ("money", float(rng.choice(self.POWERS)))
        yield book, ("contracts", float(rng.choice(self.POWERS)))

    def violated(self, rule: Rule, book: SmallBook, change: Any) -> Finding | None:
        unit, factor = change
        money, amount = (factor, 1.0) if unit == "money" else (1.0, factor)
        price = money / amount
        other = replace(
            book,
            size=tuple(value * amount for value in book.size),
            entry=tuple(value * price for value in book.entry),
            equity=tuple(value * money for value in book.equity),
            mark=book.mark * price,
            required=book.required * amount,
        )
        before, after = rule(book), rule(other) / amount
        lead = (
            f"All {unit} counted in a unit {1 / factor:g} times as large; amounts in the old unit:"
        )
        shown = before_and_after(book, before, other, after * amount)
        return amounts_differ(book, before, after, lead, shown)


class DistributionFree(Axiom):
    name = "distribution-free"
    promise = "the price model does not enter"
    MODELS = {  # noqa: RUF012  (a constant)
        "returns within 90 % instead of 10 %": WIDE,
        "a crash of 50 % with probability 0.2": CRASH,
        "no price model": None,
    }

    def changes(
        self, rule: Rule, book: SmallBook, rng: np.random.Generator
    ) -> Iterator[tuple[SmallBook, Any]]:
        for words in self.MODELS:
            yield book, words

    def violated(self, rule: Rule, book: SmallBook, change: Any) -> Finding | None:
        other = replace(book, prices=self.MODELS[change])
        before = rule(replace(book, prices=NARROW))
        try:
            after = rule(other)
        except NotApplicable as error:
            return Finding(
                1.0,
                f"Without a price model it has no answer: {error}.",
                (Exhibit("with one", book, before),),
            )
        lead = f"Another price model, {change}:"
        shown = before_and_after(book, before, other, after)
        return amounts_differ(book, before, after, lead, shown)


AXIOMS: tuple[Axiom, ...] = (
    Feasible(),
    WashTrade(),
    Sybil(),
    PathIndependent(),
    LeveragePriority(),
    Monotone(),
    Anonymous(),
    ScaleInvariant(),
    DistributionFree(),
    Continuous(),
)
