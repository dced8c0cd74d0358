"""Checks of what users give, with errors that name the argument, or table, row and column.

One rule for numbers everywhere: a real number of Python or numpy, a Decimal or a Fraction is
converted to a finite float; everything else (text, bool, complex, dates, bytes) is refused by name.
Columns of tables may also hold numbers as text, as CSV files do.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError


def _plain(value: object) -> object:
    """The value without numpy's name around it when it is shown."""
    return value.item() if isinstance(value, np.generic) else value


def row_name(frame: pd.DataFrame, index: int) -> str:
    """How to call the row at position `at`: its index label, and its account and asset if it has
    them.
    """
    kind = frame.index.name or "row"
    about = [
        f"{column} {_plain(frame[column].iloc[index])!r}"
        for column in ("account", "asset")
        if column in frame
    ]
    return f"{kind} {frame.index[index]}" + (f" ({', '.join(about)})" if about else "")


def raise_for_rows(
    table: str, frame: pd.DataFrame, bad: npt.ArrayLike, column: str, problem: str
) -> None:
    """Raise InputError naming the first row of the mask `bad`, if there is one."""
    rows = np.flatnonzero(np.asarray(bad))
    if rows.size == 0:
        return
    index = int(rows[0])
    others = f" ({rows.size - 1} more such rows)" if rows.size > 1 else ""
    said = problem.format(_plain(frame[column].iloc[index]))
    raise InputError(f"{table}, {row_name(frame, index)}, column '{column}': {said}{others}")


def as_frame(table: str, given: object, needed: tuple[str, ...]) -> pd.DataFrame:
    """The table as a pandas DataFrame with these columns; whatever has `to_pandas` is converted."""
    frame = given.to_pandas() if hasattr(given, "to_pandas") else given
    require_columns(table, frame, needed)  # type: ignore[arg-type]
    return frame  # type: ignore[return-value]


def as_vector(what: str, given: object) -> FloatArray:
    """A one-dimensional array of finite numbers."""
    values = np.asarray(given)
    if values.dtype == object or not np.issubdtype(values.dtype, np.number):
        values = np.array(
            [as_finite(f"{what}, entry {i}", value) for i, value in enumerate(values.ravel())]
        ).reshape(values.shape)
    if np.iscomplexobj(values) or values.ndim != 1:
        raise InputError(f"{what}: expected one number per position, got {type(given).__name__}")
    result = values.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(result))
    if bad.size:
        raise InputError(f"{what}, entry {bad[0]}: {result[bad[0]]} is not a finite number")
    return result


def require_columns(table: str, frame: pd.DataFrame, needed: tuple[str, ...]) -> None:
    """Raise InputError unless `frame` is a DataFrame with these columns, each once."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            f"{table}: expected a pandas DataFrame with the columns {', '.join(needed)}, "
            f"got a {type(frame).__name__}"
        )
    if isinstance(frame.columns, pd.MultiIndex):
        raise InputError(f"{table}: the columns have several levels; expected plain names")
    for column in needed:
        if column not in frame.columns:
            there = ", ".join(map(repr, frame.columns)) or "no columns"
            hint = "; it is in the index, use reset_index()" if column in frame.index.names else ""
            raise InputError(f"{table}: column '{column}' is missing; the table has {there}{hint}")
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise InputError(f"{table}: column '{repeated[0]}' appears twice; keep one")


def labels(table: str, frame: pd.DataFrame, column: str) -> pd.Series[Any]:
    """A column of names; none may be missing, empty, or a collection."""
    values = frame[column]
    raise_for_rows(
        table, frame, values.isna() | (values == ""), column, "is empty; a name is needed"
    )
    if pd.api.types.infer_dtype(values) not in ("string", "integer", "categorical"):
        odd = [isinstance(value, bytes | tuple) or not _hashable(value) for value in values]
        raise_for_rows(table, frame, odd, column, "{!r} is not a name; use text or a whole number")
    return values


def _hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def numbers(table: str, frame: pd.DataFrame, column: str, *, optional: bool = False) -> FloatArray:
    """A column of finite numbers; with `optional`, missing entries come back as NaN.

    Numbers written as text are read; dates, bools, complex numbers and bytes are refused.
    """
    raw = frame[column]
    if raw.dtype == np.float64:
        values = raw.to_numpy(copy=True)
    elif getattr(raw.dtype, "kind", "O") in "iuf":
        values = raw.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    else:
        values = _numbers_of_objects(table, frame, column)
    bad = np.isinf(values) if optional else ~np.isfinite(values)
    raise_for_rows(table, frame, bad, column, "{} is not a finite number")
    return np.asarray(values, dtype=np.float64)


def _numbers_of_objects(table: str, frame: pd.DataFrame, column: str) -> FloatArray:
    raw = frame[column]
    entries = raw.to_numpy(dtype=object)
    missing = np.array([_is_missing(entry) for entry in entries], dtype=bool)
    values = np.full(entries.size, np.nan)
    if all(isinstance(entry, str) for entry in entries[~missing]):
        converted = pd.to_numeric(raw, errors="coerce")
        values = converted.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    else:
        for i in np.flatnonzero(~missing):
            values[i] = _entry(entries[i])
    raise_for_rows(table, frame, np.isnan(values) & ~missing, column, "{!r} is not a number")
    return values


def _is_missing(value: object) -> bool:
    if isinstance(value, Decimal):  # pandas cannot look at a signalling NaN
        return value.is_qnan()
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return value is None or value is pd.NA or value is pd.NaT


def _entry(value: object) -> float:
    """An entry of a table as a float; NaN for what is not a real number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return math.nan
    if isinstance(value, float) and math.isinf(value):
        return value
    try:
        return as_finite("", value)
    except InputError:
        return math.nan


def has_asset_names(given: object) -> bool:
    """Whether numbers by asset carry the assets' names."""
    return isinstance(given, Mapping | pd.Series)


def asset_names(given: Any) -> pd.Index:
    """The assets that numbers by asset are given for; positions if they carry no names."""
    return pd.Index(list(given.keys())) if has_asset_names(given) else pd.RangeIndex(np.size(given))


def as_name_index(what: str, names: object) -> pd.Index:
    """Assets' names from a list of them."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise InputError(
            f"{what}: assets is {names!r}; give a list of names, such as ['BTC', 'ETH']"
        )
    found: pd.Index = pd.Index(list(names))
    return found


def vector_by_asset(
    what: str, given: object, assets: pd.Index, *, allow_missing: bool = False
) -> FloatArray:
    """Numbers by asset, in the order of `assets`, from a mapping, a Series, or an array in that
    order.

    With `allow_missing`, assets may be missing (NaN there), and names outside `assets` are refused.
    """
    if isinstance(given, pd.Series):
        given = require_unique(what, given).to_dict()
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in assets]
        if allow_missing and unknown:
            raise InputError(
                f"{what}: unknown asset {unknown[0]!r}; the book has {format_names(assets)}"
            )
        missing = [name for name in assets if name not in given]
        if missing and not allow_missing:
            raise InputError(
                f"{what}: no entry for asset {missing[0]!r}; every asset of the book needs one"
            )
        return np.array(
            [
                as_finite(f"{what}, asset {name!r}", given[name]) if name in given else np.nan
                for name in assets
            ]
        )
    values = np.asarray(given, dtype=object)
    if values.shape != (len(assets),):
        raise InputError(
            f"{what}: {len(assets)} numbers are needed, in the order {format_names(assets)}, or a "
            f"mapping by asset; got shape {values.shape}"
        )
    return np.array(
        [
            as_finite(f"{what}, asset {name!r}", value)
            for name, value in zip(assets, values, strict=True)
        ]
    )


def require_unique(what: str, given: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers by asset in which every asset appears once."""
    twice = given.index[given.index.duplicated()]
    if len(twice):
        raise InputError(f"{what}: {twice[0]!r} appears twice; give one number")
    return given


def as_finite(what: str, value: object) -> float:
    """One finite number as a float, or an InputError that names it.

    Accepts real numbers of Python and numpy, Decimal and Fraction.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    # numpy counts a time span among its integers
    if isinstance(value, bool | np.bool_ | np.timedelta64) or not isinstance(
        value, Real | Decimal | np.floating | np.integer
    ):
        raise InputError(f"{what}: {_short(value)} is not a number but {_kind(value)}")
    try:
        result = float(value)
    except (OverflowError, ValueError):  # 10**400, Decimal("sNaN")
        raise InputError(f"{what}: {_short(value)} is not a finite number") from None
    if not math.isfinite(result):
        raise InputError(f"{what}: {_short(value)} is not a finite number")
    return result


def as_positive(what: str, value: object) -> float:
    """One finite number > 0, or an InputError that names it."""
    return _within(what, value, "be > 0", lambda number: number > 0)


def as_nonnegative(what: str, value: object) -> float:
    """One finite number >= 0, or an InputError that names it."""
    return _within(what, value, "be >= 0", lambda number: number >= 0)


def as_fraction(what: str, value: object) -> float:
    """One number in [0, 1], or an InputError that names it."""
    return _within(what, value, "lie in [0, 1]", lambda number: 0 <= number <= 1)


def as_open_fraction(what: str, value: object) -> float:
    """One number in (0, 1), or an InputError that names it."""
    return _within(what, value, "lie in (0, 1)", lambda number: 0 < number < 1)


def _within(what: str, value: object, rule: str, holds: Callable[[float], bool]) -> float:
    """One finite number that keeps a rule, or an InputError that states the rule."""
    result = as_finite(what, value)
    if not holds(result):
        raise InputError(f"{what} is {value}; it must {rule}")
    return result


def read_number(what: str, value: object) -> float:
    """One finite number, or text that spells one, as on command lines and in exchanges' records."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise InputError(f"{what}: {value!r} is not a number") from None
    return as_finite(what, value)


def as_integer(what: str, value: object, least: int) -> int:
    """One whole number >= `least` as an int, or an InputError that names it."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or int(value) < least:  # type: ignore[call-overload]
        raise InputError(f"{what} is {_short(value)}; a whole number >= {least} is needed")
    return int(value)  # type: ignore[call-overload, no-any-return]


def require_integer(what: str, value: object, least: int) -> None:
    """Raise InputError for what is not a whole number >= `least`."""
    as_integer(what, value, least)


def _kind(value: object) -> str:
    """What a value is, for the end of a message."""
    names: tuple[tuple[Any, str], ...] = (
        (str, "text"),
        (bytes, "bytes"),
        (bool | np.bool_, "a bool"),
        (complex | np.complexfloating, "a complex number"),
        (np.datetime64 | datetime.date, "a date"),
        (np.timedelta64 | datetime.timedelta, "a time span"),
    )
    for kind, name in names:
        if isinstance(value, kind):
            return name
    return "None" if value is None else f"a {type(value).__name__}"


def _short(value: object) -> str:
    """A value for a message, cut when it is long."""
    try:
        text = repr(value)
    except ValueError:  # an int of more digits than Python converts
        return "a number with thousands of digits"
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"


def number_duplicates(names: list[str]) -> list[str]:
    """Names of rows: one that occurs again gets its number."""
    return [
        f"{name} ({names[: index + 1].count(name)})" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]


def format_names(assets: pd.Index) -> str:
    """The assets' names for a message, cut when there are many."""
    names = [str(name) for name in assets[:8]]
    return ", ".join(names) + (f", ... ({len(assets)} in all)" if len(assets) > 8 else "")
