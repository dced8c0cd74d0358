"""Reading columns of users' tables, with errors that name table, row and column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError


def read_csv(path: str | Path) -> pd.DataFrame:
    """A CSV file with names as text; the index counts the file's lines."""
    text = {"account": str, "asset": str, "margin_mode": str}
    try:
        # Blank lines are read, and dropped after counting.
        frame = pd.read_csv(
            path, dtype=text, keep_default_na=False, na_values=[""], skip_blank_lines=False
        )
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"cannot read {path}: {_one_line(error)}") from error
    if not isinstance(
        frame.index, pd.RangeIndex
    ):  # pandas takes leading columns that have no name for an index
        raise InputError(f"cannot read {path}: its rows have more fields than its header has names")
    frame.index = pd.RangeIndex(2, len(frame) + 2, name="line")
    return frame.dropna(how="all")


def read_parquet(path: str | Path) -> pd.DataFrame:
    """A Parquet file; errors name the file."""
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are among these
        raise InputError(f"cannot read {path}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def row_name(frame: pd.DataFrame, at: int) -> str:
    """How to call the row at position `at`: its index label, and its account and asset if it has
    them.
    """
    kind = frame.index.name or "row"
    about = [
        f"{column} {frame[column].iloc[at]!r}" for column in ("account", "asset") if column in frame
    ]
    return f"{kind} {frame.index[at]}" + (f" ({', '.join(about)})" if about else "")


def raise_for_rows(
    table: str, frame: pd.DataFrame, bad: npt.ArrayLike, column: str, problem: str
) -> None:
    """Raise InputError naming the first row of the mask `bad`, if there is one."""
    rows = np.flatnonzero(np.asarray(bad))
    if rows.size == 0:
        return
    at = int(rows[0])
    others = f" ({rows.size - 1} more such rows)" if rows.size > 1 else ""
    raise InputError(
        f"{table}, {row_name(frame, at)}, column '{column}': {problem.format(frame[column].iloc[at])}{others}"
    )


def as_frame(table: str, given: object, needed: tuple[str, ...]) -> pd.DataFrame:
    """The table as a pandas DataFrame with these columns; whatever has `to_pandas` is converted."""
    if not isinstance(given, pd.DataFrame) and hasattr(given, "to_pandas"):
        given = given.to_pandas()
    if not isinstance(given, pd.DataFrame):
        raise InputError(
            f"{table}: expected a pandas DataFrame with the columns {', '.join(needed)}, "
            f"got a {type(given).__name__}"
        )
    require_columns(table, given, needed)
    return given


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
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            f"{table}: a {type(frame).__name__} is no table; give a pandas DataFrame with {', '.join(needed)}"
        )
    for column in needed:
        if column not in frame.columns:
            raise InputError(
                f"{table}: column '{column}' is missing; the table has {', '.join(map(repr, frame.columns)) or 'no columns'}"
            )
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise InputError(f"{table}: column '{twice[0]}' stands there twice; keep one")


def labels(table: str, frame: pd.DataFrame, column: str) -> pd.Series[Any]:
    """A column of names; none may be missing or empty."""
    values = frame[column]
    raise_for_rows(
        table, frame, values.isna() | (values == ""), column, "is empty; a name is needed"
    )
    return values


def numbers(table: str, frame: pd.DataFrame, column: str, *, optional: bool = False) -> FloatArray:
    """A column of finite numbers; with `optional`, missing entries come back as NaN."""
    raw = frame[column]
    if raw.dtype == np.float64:
        values = raw.to_numpy(copy=True)
    else:
        missing = raw.isna()
        converted = pd.to_numeric(raw, errors="coerce")
        raise_for_rows(table, frame, converted.isna() & ~missing, column, "{!r} is not a number")
        values = converted.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    bad = np.isinf(values) if optional else ~np.isfinite(values)
    raise_for_rows(table, frame, bad, column, "{} is not a finite number")
    return np.asarray(values, dtype=np.float64)


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
    return pd.Index(list(names))


def vector_by_asset(
    what: str, given: object, assets: pd.Index, *, partial: bool = False
) -> FloatArray:
    """Numbers by asset, in the order of `assets`, from a mapping, a Series, or an array in that
    order.

    With `partial`, assets may be missing (NaN there), and names outside `assets` are refused.
    """
    if isinstance(given, pd.Series):
        given = require_unique(what, given).to_dict()
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in assets]
        if partial and unknown:
            raise InputError(
                f"{what}: unknown asset {unknown[0]!r}; the book has {format_names(assets)}"
            )
        missing = [name for name in assets if name not in given]
        if missing and not partial:
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
            f"{what}: {len(assets)} numbers are needed, in the order {format_names(assets)}, or a mapping by asset; "
            f"got shape {values.shape}"
        )
    return np.array(
        [
            as_finite(f"{what}, asset {name!r}", value)
            for name, value in zip(assets, values, strict=True)
        ]
    )


def require_unique(what: str, given: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers by asset in which every asset stands once."""
    twice = given.index[given.index.duplicated()]
    if len(twice):
        raise InputError(f"{what}: {twice[0]!r} stands there twice; give one number")
    return given


def require_integer(what: str, value: object, least: int) -> None:
    """Refuse what is not a whole number >= `least`."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise InputError(f"{what} is {value!r}; a whole number >= {least} is needed")


def as_finite(what: str, value: object) -> float:
    """One finite number, or an InputError that says which."""
    try:
        result = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{what}: {value!r} is not a number") from None
    if not np.isfinite(result):
        raise InputError(f"{what}: {value!r} is not a finite number")
    return result


def as_positive(what: str, value: object) -> float:
    """One finite number > 0, or an InputError that says which."""
    result = as_finite(what, value)
    if not result > 0:
        raise InputError(f"{what} is {value}; it must be > 0")
    return result


def number_duplicates(names: list[str]) -> list[str]:
    """Names of rows: one that occurs again gets its number."""
    return [
        f"{name} ({names[: at + 1].count(name)})" if names.count(name) > 1 else name
        for at, name in enumerate(names)
    ]


def format_names(assets: pd.Index) -> str:
    """The assets' names for a message, cut when there are many."""
    names = [str(name) for name in assets[:8]]
    return ", ".join(names) + (f", ... ({len(assets)} in all)" if len(assets) > 8 else "")
