"""What a user states of a problem, read into arrays: reductions, settlement prices, bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray, IntArray
from adlopt._internal.warn import warn_user
from adlopt.errors import InputError, ScaleWarning
from adlopt.model.book import Book
from adlopt.model.caps import most_contracts
from adlopt.objectives import Custom, Objective, parse_objective

UNLIKELY_RATIO = 3.0
"""Of a settlement price to the mark: beyond it, or below its inverse, the unit is probably another.
"""


def read_size(what: str, value: object, book: Book, asset: object) -> float:
    """Contracts of one asset, signed: a number, or text such as "-10" or "-30%".

    A percentage is a signed share of the open interest of one side, that of solvent accounts:
    "-30%" is 30 % of the shorts.
    """
    if not isinstance(value, str) or not value.strip().endswith("%"):
        return validation.read_number(what, value)
    share = validation.read_number(what, value.strip().removesuffix("%")) / 100
    if asset not in book.assets:
        known = validation.format_names(book.assets)
        raise InputError(f"{what}: unknown asset; the book has {known}")
    side = "short" if share < 0 else "long"
    held = float(book.open_interest[side].to_numpy()[book.assets.get_loc(asset)])
    if held == 0:
        raise InputError(
            f"{what}: {value} of nothing: no solvent account is {side}; a negative share takes "
            "from shorts"
        )
    return share * held


def read_reduction(book: Book, reduction: object) -> dict[Any, float]:
    """Contracts by asset, signed and not zero, from a mapping or Series of sizes."""
    if isinstance(reduction, pd.Series):
        reduction = validation.require_unique("reduction", reduction).to_dict()
    if not isinstance(reduction, Mapping) or not reduction:
        raise InputError(
            "reduction: give contracts by asset, such as {'BTC': -10.0} to take 10 off the shorts, "
            "or {'BTC': '-30%'}"
        )
    unknown = [name for name in reduction if name not in book.assets]
    if unknown:
        known = validation.format_names(book.assets)
        raise InputError(f"reduction: unknown asset {unknown[0]!r}; the book has {known}")
    found = {
        name: read_size(f"reduction, asset {name!r}", value, book, name)
        for name, value in reduction.items()
    }
    for name, amount in found.items():
        if amount == 0:
            raise InputError(
                f"reduction, asset {name!r}: is zero; leave the asset out, or give contracts: "
                "< 0 for shorts"
            )
    return found


def settlement_offset(book: Book, settlement: object) -> FloatArray:
    """(d,) settlement price minus mark; zero for assets that `settlement` leaves out."""
    if settlement is None:
        return np.zeros(len(book.assets))
    price = validation.vector_by_asset("settlement", settlement, book.assets, allow_missing=True)
    for name, value in zip(book.assets, price, strict=True):
        if value <= 0:
            raise InputError(f"settlement, asset {name!r}: {value} is not a price > 0")
    _warn_of_scale(book, price)
    return np.nan_to_num(price - book.marks)


def _warn_of_scale(book: Book, price: FloatArray) -> None:
    """Warn of settlement prices that are probably something else, or in another unit."""
    ratio = price / book.marks
    odd = np.flatnonzero((ratio >= UNLIKELY_RATIO) | (ratio <= 1.0 / UNLIKELY_RATIO))
    if odd.size:
        k = int(odd[0])
        warn_user(
            f"settlement, asset {book.assets[k]!r}: {price[k]:g} is {ratio[k]:.3g} times the mark "
            f"{book.marks[k]:g}; expected a price per contract, in the currency of the marks",
            ScaleWarning,
        )


def eligible_positions(book: Book, required: FloatArray) -> IntArray:
    """(e,) rows of the book that may be reduced: solvent, and on the side of the requirement."""
    wanted = required[book.asset]
    same_side = (np.sign(book.size) == np.sign(wanted)) & (wanted != 0)
    return np.flatnonzero(book.solvent[book.pool] & same_side)


def max_reduction(book: Book, eligible: IntArray, caps: pd.DataFrame | None) -> FloatArray:
    """(e,) most that may be taken from each eligible position, signed like it."""
    size = book.size[eligible]
    if caps is None:
        return size
    limit = most_contracts(book, caps)[eligible]
    return np.asarray(np.sign(size) * np.minimum(np.abs(size), limit))


def as_objective(objective: Objective | str | Callable[..., Any]) -> Objective:
    """The objective that an instance, a name such as "cvar:0.99", or a function stands for."""
    if isinstance(objective, str):
        return parse_objective(objective)
    if isinstance(objective, Objective):
        return objective
    if callable(objective) and not isinstance(objective, type):
        return Custom(objective)
    raise InputError(
        f"Problem: objective {objective!r} is not an Objective such as ExpectedLoss() or CVaR(0.99)"
    )


def check_overflow(book: Book, moves: FloatArray) -> None:
    """Raise InputError if losses under the moves (S, d) could exceed what a float holds."""
    with np.errstate(over="ignore", invalid="ignore"):
        held = np.bincount(book.asset, np.abs(book.size), minlength=len(book.assets))
        most = float(np.abs(moves).max(axis=0, initial=0.0) @ held)
        total = float(np.abs(book.equity).sum()) + most
    if not np.isfinite(total):
        raise InputError(
            "prices: under the largest price move the positions are worth more than a float can "
            "hold; check the units of sizes and prices"
        )


def as_fund(value: object) -> float:
    """Money of the insurance fund, >= 0."""
    fund = validation.as_finite("insurance_fund", value)
    if not fund >= 0:
        raise InputError(f"insurance_fund is {value}; it is money at hand, >= 0")
    return fund
