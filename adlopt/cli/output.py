"""What commands write: tables as files, JSON for programs."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import tables
from adlopt._internal.files import require_place, write_text
from adlopt.errors import InputError

ENDINGS = (".csv", ".parquet", ".json")  # of the files that `write` writes

ENCODE = json.JSONEncoder(allow_nan=False).encode


def check_writable(
    path: Path | None, flag: str = "--out", endings: Sequence[str] = ENDINGS
) -> None:
    """Refuse, before any work, a file that `write` could not write."""
    if path is None:
        return
    if path.suffix.lower() not in endings:
        raise InputError(f"{flag} {path}: the name must end in one of {', '.join(endings)}")
    require_place(flag, path)


def refuse_inputs(out: object, inputs: Iterable[object], flag: str = "--out") -> None:
    """Refuse to write into a file that is read; `inputs` may hold other values than paths."""
    if not isinstance(out, Path):
        return
    for each in inputs:
        if not isinstance(each, str | Path):
            continue
        try:
            same = Path(each).resolve() == out.resolve() or os.path.samefile(each, out)
        except (OSError, ValueError):  # one of them does not exist, or is not a path
            same = False
        if same:
            raise InputError(f"{flag} {out}: this file is an input; write to another one")


def write(frame: pd.DataFrame, path: Path, flag: str = "--out") -> None:
    """A table as CSV, Parquet or JSON records, by the file's name, with all digits.

    The file appears whole or not at all.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".csv":
            tables.write_csv(frame, path)
        elif suffix == ".parquet":
            tables.write_parquet(frame, path)
        else:
            write_text(path, to_json(records(frame)) + "\n")
    except InputError as error:
        raise InputError(f"{flag}: {error}") from error


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A dictionary per row."""
    names = frame.columns.tolist()  # an index of text is slow to walk
    return [
        dict(zip(names, row, strict=True))
        for row in zip(*(frame[name].tolist() for name in names), strict=True)
    ]


def to_json(given: object) -> str:
    """JSON with all digits, an entry a line; numbers that are not finite become null."""
    # json's own indentation would take a million rows out of the compiled encoder.
    if isinstance(given, dict):
        lines = (f" {_line(str(name))}: {_line(value)}" for name, value in given.items())
        return "{\n" + ",\n".join(lines) + "\n}"
    return _line(given)


def _line(given: object) -> str:
    try:
        return ENCODE(given)
    except (TypeError, ValueError):  # a value that JSON does not know
        return ENCODE(_plain(given))


def _plain(given: object) -> object:
    if isinstance(given, dict):
        return {str(key): _plain(value) for key, value in given.items()}
    if isinstance(given, list):
        return [_plain(value) for value in given]
    if isinstance(given, np.generic):
        return _plain(given.item())
    return None if isinstance(given, float) and not math.isfinite(given) else given
