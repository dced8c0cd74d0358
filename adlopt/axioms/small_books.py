"""Small books of one asset that try a rule: round numbers first, then random ones; and how to make
one simplifications.

Every account holds one position, so cross and isolated margin are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal.arrays import FloatArray
from adlopt.model.book import Book
from adlopt.model.problem import Problem
from adlopt.policies.protocol import AnyPolicy, apply_policy
from adlopt.prices.protocol import PriceModel
from adlopt.prices.scenarios import Scenarios

ASSET = "BTC"
MARK = 100.0
NAMES = "ABCDEFGH"

SIZES = (1.0, 2.0, 5.0, 10.0, 20.0)
LEVERAGES = (1.0, 2.0, 5.0, 10.0, 20.0)
GAINS = (0.5, 0.2, 0.1, 0.0, -0.1)  # entry away from the mark, in favour of the position
SHARES = (0.25, 0.5, 0.75)  # of the open interest to be reduced


def moves(scale: float) -> PriceModel:
    """Five equally spaced returns within +- scale; relative, so units do not matter."""
    return Scenarios(returns=scale * np.linspace(-1.0, 1.0, 5)[:, None])


NARROW, WIDE = moves(0.1), moves(0.9)
CRASH = Scenarios(returns=np.array([[-0.5], [0.1]]), weights=[0.2, 0.8])


@dataclass(frozen=True)
class SmallBook:
    """A book of one asset and the contracts to be taken off it; tuples by account."""

    account: tuple[str, ...]
    size: tuple[float, ...]
    entry: tuple[float, ...]
    equity: tuple[float, ...]
    required: float  # signed like the positions it shrinks
    mark: float = MARK
    prices: PriceModel | None = NARROW

    @property
    def problem(self) -> Problem:
        n = len(self.account)
        book = Book(
            assets=_index((ASSET,)),
            marks=np.array([self.mark]),
            account_names=_index(self.account),
            pool_account=np.arange(n),
            isolated=np.zeros(n, dtype=bool),
            equity=np.array(self.equity),
            pool=np.arange(n),
            asset=np.zeros(n, dtype=np.intp),
            size=np.array(self.size),
            entry_price=np.array(self.entry),
        )
        return Problem(book, {ASSET: self.required}, prices=self.prices)

    @property
    def eligible(self) -> FloatArray:
        """(accounts,) contracts that may be taken."""
        size = np.array(self.size)
        return np.where(np.sign(size) == np.sign(self.required), np.abs(size), 0.0)

    @property
    def leverage(self) -> FloatArray:
        return np.asarray(np.abs(np.array(self.size)) * self.mark / np.array(self.equity))

    @property
    def possible(self) -> bool:
        return bool(
            self.required != 0
            and abs(self.required) <= self.eligible.sum()
            and min(self.equity) > 0
        )

    def at(self, name: str) -> int:
        return self.account.index(name)

    def with_number(self, field: str, index: int, value: float) -> SmallBook:
        """The same book with one number of one account, or the requirement, changed."""
        if field == "required":
            return replace(self, required=value)
        values = list(getattr(self, field))
        values[index] = value
        changed: dict[str, Any] = {field: tuple(values)}
        return replace(self, **changed)

    def number(self, field: str, index: int) -> float:
        return float(self.required if field == "required" else getattr(self, field)[index])

    def take(self, rows: list[int]) -> SmallBook:
        """The accounts in `rows`, in that order."""
        names = ("account", "size", "entry", "equity")
        columns: dict[str, Any] = {
            name: tuple(getattr(self, name)[row] for row in rows) for name in names
        }
        return replace(self, **columns)


@lru_cache(maxsize=1024)
def _index(names: tuple[str, ...]) -> pd.Index:
    """pandas takes longer to make one than a rule takes to answer."""
    return pd.Index(list(names))


def taken(policy: AnyPolicy, book: SmallBook) -> FloatArray:
    """(accounts,) contracts that the rule takes from each account of a book, unsigned; what it may
    not touch gets zero.
    """
    problem = book.problem
    amounts = np.zeros(len(book.account))
    amounts[problem.pool] = np.sign(book.required) * apply_policy(policy, problem)
    return amounts


def small_books(rng: np.random.Generator, trials: int) -> Iterator[SmallBook]:
    """Books to try: the first half of two to four accounts with round numbers, the rest random."""
    for trial in range(trials):
        yield _round_numbers(rng) if trial < (trials + 1) // 2 else _random(rng)


def _round_numbers(rng: np.random.Generator) -> SmallBook:
    n = int(rng.choice([2, 3, 4], p=[0.7, 0.2, 0.1]))
    side = float(rng.choice([-1.0, -1.0, 1.0]))
    size, leverage, gain = rng.choice(SIZES, n), rng.choice(LEVERAGES, n), rng.choice(GAINS, n)
    twin = rng.random()  # ties are made on purpose
    if twin < 0.25:
        size[1], leverage[1], gain[1] = size[0], leverage[0], gain[0]
    elif twin < 0.4:
        leverage[1], gain[1] = leverage[0], gain[0]
    return _small_book(side * size, leverage, gain, side * float(rng.choice(SHARES)) * size.sum())


def _random(rng: np.random.Generator) -> SmallBook:
    n = int(rng.integers(2, 7))
    side = float(rng.choice([-1.0, 1.0]))
    size = side * 10.0 ** rng.uniform(-1.0, 2.0, n)
    size[2:] *= rng.choice([-1.0, 1.0, 1.0, 1.0], n - 2)  # some stand on the other side
    leverage, gain = 10.0 ** rng.uniform(-1.0, 1.7, n), rng.uniform(-0.3, 0.6, n)
    eligible = np.abs(size[np.sign(size) == side]).sum()
    return _small_book(size, leverage, gain, side * eligible * rng.uniform(0.05, 0.95))


def _small_book(
    size: FloatArray, leverage: FloatArray, gain: FloatArray, required: float
) -> SmallBook:
    entry = MARK * (1.0 - np.sign(size) * gain)
    equity = np.abs(size) * MARK / leverage
    return SmallBook(
        tuple(NAMES[: size.size]), _floats(size), _floats(entry), _floats(equity), required
    )


def _floats(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(f"{value:.12g}") for value in values)


def simplifications(book: SmallBook, keep: set[str]) -> Iterator[SmallBook]:
    """Scenes with fewer accounts (never without those in `keep`) or rounder numbers, the greatest
    steps first.
    """
    for row, name in enumerate(book.account):
        if name not in keep and len(book.account) > 1:
            rest = book.take([index for index in range(len(book.account)) if index != row])
            for required in (book.required, np.sign(book.required) * rest.eligible.sum() / 2):
                yield replace(rest, required=float(required))
    for digits in (1, 2):
        yield _rounded(book, digits)
    yield replace(book, entry=(book.mark,) * len(book.account))
    numbers = [
        (field, index)
        for field in ("size", "equity", "entry")
        for index in range(len(book.account))
    ] + [("required", 0)]
    for field, index in numbers:
        value = book.number(field, index)
        for digits in (1, 2):
            if significant(value, digits) != value:
                yield book.with_number(field, index, significant(value, digits))


def _rounded(book: SmallBook, digits: int) -> SmallBook:
    columns: dict[str, Any] = {
        name: tuple(significant(value, digits) for value in getattr(book, name))
        for name in ("size", "entry", "equity")
    }
    return replace(book, **columns, required=significant(book.required, digits))


def significant(value: float, digits: int) -> float:
    """`value` rounded to so many significant digits."""
    return float(f"{value:.{digits}g}")
