"""Records from Python objects and files, and their fields: a value is read as what it must be, or
the record is unusable.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from adlopt._internal import tables
from adlopt.errors import InputError

LARGEST = 1e60  # products of a few such numbers are still floats


class RecordError(Exception):
    """A record cannot be taken; with `keeps_account` the rest of its account can."""

    def __init__(self, reason: str, *, keeps_account: bool = False) -> None:
        super().__init__(reason)
        self.keeps_account = keeps_account


class Entry(NamedTuple):
    """One record: where it stood (counted from 0, or the line of a file), whose it is, and itself,
    whatever that may be.
    """

    at: int
    account: str
    record: object


# ---------------------------------------------------------------------- fields


class Fields:
    """A record's values, read one by one; RecordError says what is wrong with which.

    `isolated` is set once the margin mode is known: a bad isolated position leaves the rest of its
    account untouched.
    """

    def __init__(self, record: object) -> None:
        if not isinstance(record, Mapping):
            raise RecordError(
                f"is not a record: a mapping of names to values is needed, not {short_repr(record)}"
            )
        self.record: Mapping[str, Any] = record
        self.isolated = False

    def has(self, key: str) -> bool:
        """Whether there is a value: not left out, null, NaN or an empty string."""
        return not missing(self.record.get(key))

    def number(self, key: str) -> float:
        value = self.record.get(key)
        if missing(value):
            raise RecordError(
                f"'{key}' is {'empty' if key in self.record else 'missing'}; a number is needed"
            )
        return number(f"'{key}'", value)

    def optional(self, key: str) -> float | None:
        return self.number(key) if self.has(key) else None

    def price(self, key: str) -> float | None:
        """A price; None if it is missing."""
        value = self.optional(key)
        if value is not None and value <= 0:
            raise RecordError(f"'{key}' is {value:g}, not a price > 0")
        return value

    def entry_price(self, key: str) -> float | None:
        """An entry price; None if it is missing, or zero as venues write it then."""
        return self.price(key) if self.optional(key) else None

    def refuse_empty(self, key: str) -> None:
        """RecordError, which keeps the account, for a size of zero.

        Called first, because venues leave the rest of such rows empty.
        """
        try:
            size = self.optional(key)
        except RecordError:
            return  # read again, and refused, when the margin mode is known
        if size == 0:
            raise RecordError("empty size", keeps_account=True)

    def size_of_side(self, key: str, side: str, sides: Mapping[str, float]) -> float:
        """An unsigned size with the sign of its side; one that contradicts its side is refused."""
        size = self.number(key)
        sign: float = self.one_of(side, sides)
        if size < 0 < sign:
            raise RecordError(
                f"'{key}' is {size:g}, but '{side}' says {self.record[side]}: they contradict each "
                "other"
            )
        return sign * abs(size)

    def text(self, key: str) -> str:
        value = self.record.get(key)
        if missing(value):
            raise RecordError(f"'{key}' is {'empty' if key in self.record else 'missing'}")
        if not isinstance(value, str):
            raise RecordError(f"'{key}' is {short_repr(value)}, not text")
        return value.strip()

    def one_of(self, key: str, known: Mapping[str, Any]) -> Any:
        """What `known` has for this text, in whatever case it is written."""
        value = self.text(key).lower()
        if value not in known:
            raise RecordError(
                f"'{key}' is {short_repr(self.record[key])}; known are {', '.join(known)}"
            )
        return known[value]


def missing(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float) and math.isnan(value))
    )


def number(what: str, value: object) -> float:
    """A finite number from a number or the text of one; RecordError else."""
    # Python alone reads "1_000", and True as 1: no venue means that.
    if isinstance(value, bool | np.bool_) or not isinstance(
        value, int | float | str | Decimal | np.number
    ):
        raise RecordError(f"{what} is {short_repr(value)}, not a number")
    try:
        if isinstance(value, str) and ("_" in value or not value.isascii()):
            raise ValueError
        result = float(value)
    except OverflowError:
        result = math.inf
    except (ValueError, TypeError, ArithmeticError):
        raise RecordError(f"{what} is {short_repr(value)}, not a number") from None
    if not math.isfinite(result):
        raise RecordError(f"{what} is {short_repr(value)}, not a finite number")
    if abs(result) > LARGEST:
        raise RecordError(f"{what} is {short_repr(value)}, beyond anything a book can hold")
    return result


def short_repr(value: object) -> str:
    """A value in a message, cut when it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a list within itself
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


# ---------------------------------------------------------------------- records


def read(source: object) -> object:
    """What a file holds, by its name's ending: .json, .jsonl or .ndjson, .csv, .parquet; anything
    but a path as it is.

    Numbers of a CSV file stay text: nothing is guessed.
    """
    if isinstance(source, pd.DataFrame):
        return _rows(source)
    if not isinstance(source, str | Path):
        return source
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        return _rows(tables.read_parquet(path))
    readers: dict[str, Callable[[str], object]] = {
        ".json": _json,
        ".jsonl": _lines,
        ".ndjson": _lines,
        ".csv": _csv,
    }
    if suffix not in readers:
        raise InputError(
            f"cannot read {short_repr(str(source))}: its name must end in {', '.join(readers)} or "
            ".parquet"
        )
    try:
        return readers[suffix](path.read_text(encoding="utf-8-sig"))
    except (
        OSError,
        ValueError,
        RecursionError,
        csv.Error,
    ) as error:  # of json and of decoding: ValueErrors
        raise InputError(f"cannot read {path}: {' '.join(str(error).split())}") from error


def _rows(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    names = frame.columns.tolist()
    return [dict(zip(names, row, strict=True)) for row in frame.itertuples(index=False, name=None)]


def _json(text: str) -> object:
    return json.loads(text, object_pairs_hook=_unambiguous)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {repeated!r} appears twice in one object")
    return found


def _lines(text: str) -> object:
    found = []
    for index, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                found.append(_json(line))
            except ValueError as error:
                raise ValueError(f"line {index}: {error}") from error
    return found


def _csv(text: str) -> object:
    lines = csv.DictReader(text.splitlines(), restkey="", strict=True)
    found: list[dict[str, Any]] = []
    names = lines.fieldnames or []
    if len(set(names)) < len(names):
        raise ValueError("a column's name appears twice")
    for row in lines:
        if "" in row and "" not in names:
            raise ValueError(f"line {lines.line_num} has more fields than the header has names")
        found.append(dict(row))
    return found


def entries(source: object, account: str, keys: Collection[str]) -> Iterator[Entry]:
    """Every record of a source: one record, a list of records, or a mapping of accounts to either.

    A mapping that has one of the `keys` is a record. A record's own entry `account` names its
    account, else `account` does.
    """
    index = 0
    for name, records in _by_account(source, account, keys):
        for record in records:
            yield Entry(index, _account(record, name), record)
            index += 1


def _by_account(
    source: object, account: str, keys: Collection[str]
) -> Iterator[tuple[str, list[object]]]:
    if isinstance(source, Mapping) and not any(key in source for key in keys):
        for name, held in source.items():
            yield str(name), list(held) if isinstance(held, list | tuple) else [held]
    elif isinstance(source, list | tuple):
        yield account, list(source)
    elif isinstance(source, Mapping):
        yield account, [source]
    else:
        raise InputError(
            f"a record, a list of records or a file's name is needed, not {short_repr(source)}"
        )


def _account(record: object, name: str) -> str:
    own = record.get("account") if isinstance(record, Mapping) else None
    return str(own) if isinstance(own, str | int) and not missing(own) else name
