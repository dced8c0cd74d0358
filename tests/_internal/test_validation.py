"""One conversion: what is a real number is accepted, and what is not is named."""

from __future__ import annotations

import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adlopt as adl
from adlopt._internal import validation

NUMBERS = [
    (3, 3.0),
    (2.5, 2.5),
    (np.float32(0.5), 0.5),
    (np.int8(-3), -3.0),
    (np.array(7.0), 7.0),
    (Decimal("0.1"), 0.1),
    (Fraction(1, 4), 0.25),
    (10**300, 1e300),
]
NOT_NUMBERS = [
    ("0.5", "text"),
    (b"0.5", "bytes"),
    (True, "a bool"),
    (np.bool_(True), "a bool"),
    (1 + 2j, "a complex number"),
    (np.complex128(1), "a complex number"),
    (datetime.datetime(2025, 10, 10), "a date"),
    (datetime.timedelta(days=1), "a time span"),
    (np.datetime64("2025-10-10"), "a date"),
    (np.timedelta64(1, "D"), "a time span"),
    (pd.Timestamp("2025-10-10"), "a date"),
    (pd.NaT, "not a number"),
    (None, "None"),
    ([1.0], "a list"),
    (np.ones(2), "a ndarray"),
]
NOT_FINITE = [np.nan, np.inf, 10**400, Decimal("sNaN"), Decimal("1e999"), Fraction(10**400)]


@pytest.mark.parametrize(("given", "wanted"), NUMBERS, ids=repr)
def test_real_numbers(given: object, wanted: float) -> None:
    found = validation.as_finite("it", given)
    assert found == wanted
    assert type(found) is float


@pytest.mark.parametrize(("given", "kind"), NOT_NUMBERS, ids=repr)
def test_what_is_no_number_is_named(given: object, kind: str) -> None:
    with pytest.raises(adl.InputError, match=rf"^it: .*{kind}"):
        validation.as_finite("it", given)


@pytest.mark.parametrize("given", NOT_FINITE, ids=[str(type(x)) for x in NOT_FINITE])
def test_what_is_not_finite(given: object) -> None:
    with pytest.raises(adl.InputError, match=r"^it: .*not a finite number"):
        validation.as_finite("it", given)


def test_text_where_it_is_documented() -> None:
    assert validation.read_number("it", " 1e3 ") == 1000.0
    assert validation.read_number("it", 5) == 5.0
    for bad in ("x", "", "nan", "inf", "1e400"):
        with pytest.raises(adl.InputError, match=r"^it: "):
            validation.read_number("it", bad)


def column(values: Any) -> np.ndarray:
    return validation.numbers("t", pd.DataFrame({"size": values}), "size")


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 2.0],
        ["1", "2.0"],
        [1, "2"],
        [Decimal(1), Fraction(2)],
        pd.array([1, 2], dtype="Int64"),
        pd.array([1.0, 2.0], dtype="Float64"),
        np.array([1, 2], dtype=np.uint8),
    ],
    ids=repr,
)
def test_columns_of_numbers(values: Any) -> None:
    np.testing.assert_array_equal(column(values), [1.0, 2.0])


@pytest.mark.parametrize(
    "values",
    [
        [1.0, "x"],
        [True, False],
        pd.array([True, False], dtype="boolean"),
        [1 + 0j, 2],
        pd.to_datetime(["2025-10-10", "2025-10-11"]),
        pd.to_timedelta([1, 2], unit="D"),
        [datetime.datetime(2025, 10, 10), 1.0],
        [b"1", 2],
        [1.0, 10**400],
        [Decimal("sNaN"), 1],
        [1.0, np.inf],
        ["1", "1e400"],
        [[1], 2],
    ],
    ids=repr,
)
def test_columns_of_other_things(values: Any) -> None:
    with pytest.raises(adl.InputError, match=r"t, row \d, column 'size': .* not a "):
        column(values)


def book() -> adl.Book:
    table = pd.DataFrame({"account": ["a", "b"], "asset": "X", "size": [2.0, 3.0], "equity": 9.0})
    return adl.Book.from_frame(table, marks={"X": 10.0})


STORED = [
    ("CVaR level", lambda x: adl.CVaR(x).level, 0.5),
    ("EVaR level", lambda x: adl.EVaR(x).level, 0.5),
    ("Entropic theta", lambda x: adl.Entropic(x).theta, 0.5),
    ("Expectile tau", lambda x: adl.Expectile(x).tau, 0.75),
    ("Semideviation c", lambda x: adl.Semideviation(x).c, 0.5),
    ("ChiSquareRobust radius", lambda x: adl.ChiSquareRobust(x).radius, 0.5),
    ("factor", lambda x: (x * adl.CVaR(0.5)).terms[0][0], 0.5),
    ("fund", lambda x: adl.Problem(book(), {"X": 1}, insurance_fund=x).insurance_fund, 5.0),
    ("reduction", lambda x: adl.Problem(book(), {"X": x}).reduction["X"], 1.5),
    ("required", lambda x: adl.Problem(book(), {"X": x}).required[0].item(), 1.5),
    (
        "settlement",
        lambda x: adl.Problem(book(), {"X": 1}, settlement={"X": x}).settlement_offset[0].item(),
        10.5,
    ),
    ("mark", lambda x: book().with_margin("cross").at({"X": x}).marks[0].item(), 1.5),
    ("StudentT df", lambda x: adl.StudentT([[1.0]], x).df, 3.0),
    ("LogNormal horizon", lambda x: adl.LogNormal({"X": 0.5}, horizon=x).years, 0.5),
]


@pytest.mark.parametrize(("make", "value"), [row[1:] for row in STORED], ids=[r[0] for r in STORED])
def test_parameters_are_stored_as_floats(make: Any, value: float) -> None:
    for number in (Decimal(str(value)), np.float64(value), Fraction(value)):
        assert type(make(number)) is float
    for other in (True, 1j, b"1", datetime.datetime(2025, 1, 1), 10**400, "x", None):
        # a factor that is no number at all is Python's own error
        with pytest.raises((adl.InputError, TypeError)):
            make(other)
