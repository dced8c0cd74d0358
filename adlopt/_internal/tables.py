"""Reading and writing tables, with errors that name the file."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from adlopt._internal.files import replacing
from adlopt.errors import InputError

# pandas 2 reads decimals exactly on request only; pandas 3 always does.
EXACT: dict[str, Any] = {"float_precision": "round_trip"} if pd.__version__ < "3" else {}

NAMES = {"account": str, "asset": str, "margin_mode": str}  # columns read as text


def read_csv(path: str | Path) -> pd.DataFrame:
    """A CSV file with names as text; the index counts the file's lines."""
    name = require_path(path)
    try:
        header = pd.read_csv(name, header=None, nrows=1, dtype=str, keep_default_na=False)
        # Blank lines are read, and dropped after counting.
        frame = pd.read_csv(
            name,
            dtype=NAMES,
            keep_default_na=False,
            na_values=[""],
            skip_blank_lines=False,
            **EXACT,
        )
    except (OSError, ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"cannot read {name}: {_one_line(error)}") from error
    names = header.iloc[0]
    repeated = names[names.duplicated() & (names != "")]
    if len(repeated):  # pandas would call the second one 'mark.1'
        raise InputError(f"{name}: column {repeated.iloc[0]!r} appears twice; keep one")
    if not isinstance(frame.index, pd.RangeIndex):
        # pandas takes leading columns that have no name for an index
        raise InputError(f"cannot read {name}: its rows have more fields than its header has names")
    frame.index = pd.RangeIndex(2, len(frame) + 2, name="line")
    rows: pd.DataFrame = frame.dropna(how="all")
    return rows


def read_parquet(path: str | Path) -> pd.DataFrame:
    """A Parquet file; errors name the file."""
    name = require_path(path)
    try:
        return pd.read_parquet(name)
    except (OSError, ValueError) as error:  # pyarrow's errors are among these
        raise InputError(f"cannot read {name}: {_one_line(error)}") from error


def write_csv(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as CSV, floats in full; names with line breaks are quoted."""
    name = require_path(path)
    text = frame.select_dtypes(exclude="number")
    # Python quotes line feeds by itself, but not always carriage returns, which readers take for
    # the end of a line.
    broken = any(text[column].astype(str).str.contains("\r", regex=False).any() for column in text)
    quoting: Literal[0, 2] = csv.QUOTE_NONNUMERIC if broken else csv.QUOTE_MINIMAL
    with replacing(name) as beside:
        frame.to_csv(beside, index=False, quoting=quoting)


def write_parquet(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as Parquet."""
    name = require_path(path)
    with replacing(name) as beside:
        try:
            frame.to_parquet(beside, index=False)
        except (ValueError, TypeError) as error:  # pyarrow's errors are among these
            raise InputError(f"cannot write {name}: {_one_line(error)}") from error


def require_path(path: object) -> str:
    """The path as text; InputError for what is none, and for addresses on the web."""
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"expected the path of a file, got a {type(path).__name__}")
    name = os.fspath(path)
    if not isinstance(name, str):
        raise InputError(f"expected the path of a file as text, got a {type(name).__name__}")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name):
        raise InputError(f"{name} is an address, not a file; download it first")
    return name


def _one_line(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None  # str() repeats number and path
    return " ".join((reason or str(error)).split())
