"""What makes no sense is refused by name, or simulated right at any scale."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl

SENSELESS: list[Any] = [
    float("nan"),
    float("-inf"),
    -1e300,
    "x",
    "\x00",
    b"a",
    [],
    {},
    {"A0": float("nan")},
    {"DOGE": 1.0},
    1j,
    np.array([1.0, 2.0]),
    pd.Series({"A0": -1.0}),
    object(),
]


@pytest.fixture(scope="module")
def book() -> adl.Book:
    return adl.synthetic.crash(30, 2, seed=1)


def outcome(book: adl.Book, path: Any, **exchange: Any) -> np.ndarray:
    done = adl.simulate(book, path, adl.policies.ProRata(), exchange=adl.Exchange(**exchange))
    return done.totals.to_numpy(dtype=float)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("field", list(inspect.signature(adl.Exchange).parameters))
def test_exchanges_that_make_no_sense(book: adl.Book, field: str) -> None:
    """Refused by name, or simulated: a table without rates, say, means the rate zero."""
    path = adl.paths.flash_crash(book, steps=2)
    for value in SENSELESS:
        message, found = field, np.zeros(1)
        try:
            found = outcome(book, path, **{field: value})
        except adl.InputError as error:
            message = str(error)
        assert field in message
        assert np.isfinite(found).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", list(adl.paths.SHAPES))
def test_shapes_that_make_no_sense(book: adl.Book, shape: str) -> None:
    make = adl.paths.SHAPES[shape]
    for name in list(inspect.signature(make).parameters)[1:]:
        for value in SENSELESS:
            try:
                made = make(book, **({"steps": 2} | {name: value}))
            except adl.InputError:
                continue
            assert np.isfinite(made.prices).all()
            assert (made.prices > 0).all()


def test_moves_beyond_the_range_of_numbers(book: adl.Book) -> None:
    with pytest.raises(adl.InputError, match="moves are too large"):
        adl.paths.flash_crash(book, recovery=1e300)
    with pytest.raises(adl.InputError, match=r"\[0, 10\]"):
        adl.paths.slow_bleed(book, dispersion=1e300)
    with pytest.raises(adl.InputError, match="above -1"):
        adl.paths.decoupling(book, rise=-1.0)
    with pytest.raises(adl.InputError, match="appears twice"):
        adl.simulate(book, pd.DataFrame([[1.0, 2.0]], columns=["A0", "A0"]), adl.policies.ProRata())


@pytest.mark.parametrize("money", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("contracts", [1e-12, 1.0, 1e12])
def test_units_change_nothing(book: adl.Book, money: float, contracts: float) -> None:
    table = book.to_frame()[["account", "asset", "size", "equity"]]
    table = table.assign(size=table["size"] * contracts, equity=table["equity"] * money)
    marks = dict(zip(book.assets, book.marks / contracts * money, strict=True))
    other = adl.Book.from_frame(table, marks=marks)
    both = []
    for given, m, c in ((book, 1.0, 1.0), (other, money, contracts)):
        done = adl.simulate(
            given,
            adl.paths.flash_crash(given, steps=3),
            adl.policies.ProRata(),
            exchange=adl.Exchange(depth=c, spread=0.001, fund=1e3 * m, permanent_impact=0.01),
        )
        both.append(done.totals[["deficit", "sold", "cost", "deleveraged"]].to_numpy() / m)
    assert np.allclose(both[0], both[1], rtol=1e-6)
