"""Price paths for simulated crashes, available as `adl.paths`.

Three sources: a price model applied step by step (`from_model`), a block bootstrap of past prices
(`bootstrap`), and named shapes such as `flash_crash`. Path number i draws from its own random
generator, the i-th child of one `numpy.random.SeedSequence`, so the first hundred of two hundred
paths are those of a set of one hundred.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.prices.protocol import PriceModel
from adlopt.simulation.market_shapes import funding_squeeze, oracle_gap, thin_depth
from adlopt.simulation.price_paths import Paths, check_sizes, generators
from adlopt.simulation.shapes import (
    decoupling,
    flash_crash,
    slow_bleed,
    staircase,
    whale_default,
    whipsaw,
)

__all__ = [
    "SHAPES",
    "Paths",
    "bootstrap",
    "decoupling",
    "flash_crash",
    "from_model",
    "funding_squeeze",
    "oracle_gap",
    "slow_bleed",
    "staircase",
    "thin_depth",
    "whale_default",
    "whipsaw",
]

SHAPES = {
    shape.__name__: shape
    for shape in (
        flash_crash,
        slow_bleed,
        staircase,
        whipsaw,
        decoupling,
        whale_default,
        thin_depth,
        oracle_gap,
        funding_squeeze,
    )
}
"""The named shapes by name; each takes a book, and `steps`, `count` and `seed`."""


def from_model(
    book: Book, model: PriceModel, *, steps: int = 10, count: int = 1, seed: int = 0
) -> Paths:
    """Draw paths from a price model, one independent draw per step.

    Parameters
    ----------
    book : Book
    model : price model such as LogNormal or History
        Its horizon is the length of a step. Moves from the book's marks are turned into simple
        returns, which are drawn with the scenarios' probabilities and compounded.
    steps, count : int, default 10 and 1
        Steps of a path, and paths.
    seed : int, default 0

    Returns
    -------
    Paths

    Raises
    ------
    InputError
        A scenario in which a price falls to zero or below: it cannot be compounded.

    Examples
    --------
    >>> import adlopt as adl
    >>> book = adl.synthetic.crash(40, 2, seed=1)
    >>> model = adl.LogNormal({"A0": 0.6, "A1": 0.8}, 0.7, horizon=1 / 365, points=1024)
    >>> adl.paths.from_model(book, model, steps=5, count=3)
    Paths(from_model: 3 x 5 steps of A0, A1)
    """
    check_sizes(steps, count, seed)
    if isinstance(model, type) or not hasattr(model, "scenarios"):
        raise InputError(f"from_model: {model!r} is not a price model such as LogNormal(...)")
    moves, weights = model.scenarios(book.assets, book.marks)
    growth = 1.0 + moves / book.marks
    if not (growth[weights > 0] > 0).all():
        raise InputError(
            "from_model: in one of the model's scenarios a price falls to zero or below; use "
            "LogNormal, History or Scenarios(returns=...)"
        )
    last = np.cumsum(weights)
    prices = np.empty((count, steps, len(book.assets)))
    for path, rng in enumerate(generators(seed, count)):
        drawn = np.searchsorted(last, rng.random(steps) * last[-1], side="right")
        prices[path] = book.marks * np.cumprod(growth[drawn], axis=0)
    return Paths(book.assets, prices, name="from_model")


def bootstrap(
    book: Book,
    history: pd.DataFrame,
    *,
    steps: int = 10,
    count: int = 1,
    block: int = 5,
    seed: int = 0,
) -> Paths:
    """Draw paths from past returns in blocks, so neighbouring returns stay together.

    The circular block bootstrap: blocks of consecutive returns start anywhere, and the last return
    is followed by the first. Source: Politis and Romano (1992), "A circular block-resampling
    procedure for stationary data".

    Parameters
    ----------
    book : Book
    history : DataFrame
        Past prices > 0 in the order of time, a column per asset of the book; a row is a step.
    steps, count : int, default 10 and 1
        Steps of a path, and paths.
    block : int, default 5
        Returns in a block.
    seed : int, default 0

    Returns
    -------
    Paths

    Raises
    ------
    InputError
        An asset without history, or prices that are not finite numbers > 0.

    Examples
    --------
    >>> import pandas as pd
    >>> import adlopt as adl
    >>> table = pd.DataFrame({"account": ["a"], "asset": ["BTC"], "size": [2.0], "equity": [50.0]})
    >>> book = adl.Book.from_frame(table, marks={"BTC": 100.0})
    >>> past = pd.DataFrame({"BTC": [80.0, 88.0, 92.4, 83.16]})
    >>> adl.paths.bootstrap(book, past, steps=4, block=2)
    Paths(bootstrap: 1 x 4 steps of BTC)
    """
    check_sizes(steps, count, seed)
    validation.require_integer("bootstrap: block", block, 1)
    growth = _past_growth(book, history)
    blocks = -(-steps // block)
    prices = np.empty((count, steps, len(book.assets)))
    for path, rng in enumerate(generators(seed, count)):
        start = rng.integers(0, len(growth), blocks)
        rows = (start[:, None] + np.arange(block)).ravel()[:steps] % len(growth)
        prices[path] = book.marks * np.cumprod(growth[rows], axis=0)
    return Paths(book.assets, prices, name="bootstrap")


def _past_growth(book: Book, history: pd.DataFrame) -> FloatArray:
    """(rows - 1, d) each past price over the one before it."""
    validation.require_columns("bootstrap: history", history, tuple(book.assets))
    past = np.column_stack(
        [validation.numbers("bootstrap: history", history, name) for name in book.assets]
    )
    if len(past) < 2 or not (past > 0).all():
        raise InputError("bootstrap: history needs at least two rows, and prices > 0")
    return np.asarray(past[1:] / past[:-1])
