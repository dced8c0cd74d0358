"""Values of options: tables, price models, objectives, policies, sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal import tables, validation
from adlopt.cli.options import MODELS
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.model.statement import read_size
from adlopt.objectives import Objective, parse_objective
from adlopt.prices import Gaussian, History, LogNormal, OneFactor, PriceModel, Scenarios, StudentT
from adlopt.prices.horizon import horizon_in_years


def read_table(path: Path) -> pd.DataFrame:
    """A CSV or Parquet table, accounts and assets as text."""
    if path.suffix.lower() not in (".parquet", ".pq"):
        return tables.read_csv(path)
    frame = tables.read_parquet(path)
    for column in {"account", "asset"} & set(frame.columns):
        if pd.api.types.is_string_dtype(frame[column]):
            continue  # text already: mapping a million accounts takes a second
        frame[column] = frame[column].map(str, na_action="ignore")
    return frame


def read_book(
    book: Path, accounts: Path | None, mark: list[str] | None, marks: Path | None
) -> Book:
    """The book of the tables, at the marks given, or else at those in its column `mark`."""
    positions = read_table(book)
    price = (read_marks(marks) if marks else {}) | numbers("--mark", mark or [])
    if not price and "mark" not in positions:
        raise InputError(
            "marks: give --mark ASSET=PRICE for every asset, --marks FILE, or a column 'mark' in "
            "BOOK"
        )
    listed = read_table(accounts) if accounts else None
    return Book.from_frame(positions, listed, marks=price or None)


def read_marks(path: Path) -> dict[str, float]:
    """Prices by asset from a table with columns `asset` and `mark`."""
    frame = read_table(path)
    validation.require_columns("marks", frame, ("asset", "mark"))
    asset, price = (
        validation.labels("marks", frame, "asset"),
        validation.numbers("marks", frame, "mark"),
    )
    validation.raise_for_rows(
        "marks",
        frame,
        asset.duplicated(),
        "asset",
        "{!r} appears twice; give each asset one price",
    )
    return dict(zip(asset, price.tolist(), strict=True))


def read_reduction(book: Book, entries: list[str]) -> dict[str, float]:
    """Contracts by asset from ASSET=CONTRACTS and ASSET=SHARE%, a signed share of one side's
    eligible open interest.
    """
    return {
        asset: read_size(f"--reduce, asset {asset!r}", text, book, asset)
        for asset, text in pairs("--reduce", entries).items()
    }


def read_prices(
    direction: list[str] | None,
    volatility: list[str] | None,
    covariance: Path | None,
    history: Path | None,
    scenarios: Path | None,
    *,
    correlation: str | None,
    horizon: str | None,
    horizon_days: float | None,
    degrees: float | None,
    window: str | None,
    points: int | None,
    seed: int | None,
) -> PriceModel | None:
    """The one price model that the flags describe, or None; flags that would have no effect are
    refused.
    """
    given = (direction, volatility, covariance, history, scenarios)
    chosen = [flag for flag, value in zip(MODELS, given, strict=True) if value]
    if len(chosen) > 1:
        raise InputError(f"{' and '.join(chosen)} are different price models; give one")
    for flag, value, users in (
        ("--correlation", correlation, ["--volatility"]),
        ("--horizon", horizon, ["--volatility"]),
        ("--horizon-days", horizon_days, ["--volatility"]),
        ("--degrees", degrees, ["--covariance"]),
        ("--window", window, ["--history"]),
        ("--seed", seed, ["--volatility", "--covariance"]),
        ("--points", points, ["--direction", "--volatility", "--covariance"]),
    ):
        if value is not None and not set(users) & set(chosen):
            raise InputError(f"{flag} has no effect without {' or '.join(users)}; leave it out")
    sampling: dict[str, Any] = {
        name: value for name, value in (("points", points), ("seed", seed)) if value is not None
    }
    if direction:
        return OneFactor(numbers("--direction", direction), **sampling)
    if volatility:
        if horizon is not None and horizon_days is not None:
            raise InputError("--horizon and --horizon-days both state the horizon; give one")
        days = (1.0 if horizon_days is None else horizon_days) / 365
        years = days if horizon is None else horizon_in_years("--horizon", horizon)
        matrix = 0.0 if correlation is None else read_correlation(correlation)
        return LogNormal(numbers("--volatility", volatility), matrix, horizon=years, **sampling)
    if covariance:
        matrix = read_matrix("--covariance", covariance)
        return (
            Gaussian(matrix, **sampling)
            if degrees is None
            else StudentT(matrix, degrees, **sampling)
        )
    if history:
        return read_history(history, window or "1")
    return None if scenarios is None else read_scenarios(scenarios)


def read_history(path: Path, window: str) -> History:
    """Past prices from a table whose first column holds the times; a window is a number of rows, or
    a span of time.
    """
    frame = read_table(path)
    times = pd.Index(frame.iloc[:, 0])
    if not pd.api.types.is_numeric_dtype(times) and not pd.api.types.is_datetime64_any_dtype(times):
        try:
            times = pd.to_datetime(times, format="ISO8601")
        except (TypeError, ValueError) as error:
            raise InputError(
                f"--history: expected times such as 2025-10-10T21:16 in the first column of {path} "
                f"({error})"
            ) from error
    return History(
        frame.iloc[:, 1:].set_axis(times, axis=0), int(window) if window.isdecimal() else window
    )


def read_scenarios(path: Path) -> Scenarios:
    """Horizon prices from a table with a column per asset and perhaps `weight`."""
    frame = read_table(path)
    weights = validation.numbers("scenarios", frame, "weight") if "weight" in frame else None
    return Scenarios(frame.drop(columns="weight", errors="ignore"), weights=weights)


def read_correlation(text: str) -> float | pd.DataFrame:
    """One number for all pairs, or a CSV matrix whose first row and first column name the
    assets.
    """
    try:
        return float(text)
    except ValueError:
        return read_matrix("--correlation", text, "neither a number nor ")


def read_matrix(flag: str, path: str | Path, nor: str = "not ") -> pd.DataFrame:
    """A CSV matrix whose first row and first column name the assets."""
    try:
        frame: pd.DataFrame = pd.read_csv(path, index_col=0, dtype={0: str}, **tables.EXACT)
    except (OSError, ValueError) as error:  # the parser's errors are ValueErrors
        raise InputError(
            f"{flag}: {str(path)!r} is {nor}a readable .csv matrix ({error})"
        ) from error
    return frame


def read_objective(text: str) -> Objective:
    """The objective of --objective."""
    return parse_objective(text, what="--objective")


def read_sweep(flag: str, text: str) -> list[float]:
    """Numbers as A,B,... or evenly spaced as FROM:TO:COUNT."""
    if ":" not in text:
        return [validation.read_number(flag, part.strip()) for part in text.split(",")]
    parts = text.split(":")
    if len(parts) != 3 or not parts[2].strip().isdecimal() or int(parts[2]) < 1:
        raise InputError(f"{flag} {text!r}: write A,B,... or FROM:TO:COUNT, such as 0.1:1:10")
    first, last = (validation.read_number(flag, part) for part in parts[:2])
    return [float(point) for point in np.linspace(first, last, int(parts[2]))]


def numbers(flag: str, entries: list[str], kind: str = "asset") -> dict[str, float]:
    """Numbers by asset (or account) from repeated ASSET=NUMBER."""
    return {
        name: validation.read_number(f"{flag}, {kind} {name!r}", text)
        for name, text in pairs(flag, entries, kind).items()
    }


def pairs(flag: str, entries: list[str], kind: str = "asset") -> dict[str, str]:
    """Texts by asset from repeated ASSET=TEXT."""
    found: dict[str, str] = {}
    for entry in entries:
        name, equals, text = (part.strip() for part in entry.rpartition("="))
        if not equals or not name:
            raise InputError(f"{flag} {entry!r}: write {kind.upper()}=NUMBER, such as {flag} BTC=1")
        if name in found:
            raise InputError(f"{flag}: {kind} {name!r} is given twice; give it once")
        found[name] = text
    return found
