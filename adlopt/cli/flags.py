"""Flags that state a problem: every command takes the same ones, and gets the Problem they mean."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, cast, get_origin

import numpy as np
import pandas as pd
import typer

from adlopt import _tables as tables
from adlopt.book import Book, Margin
from adlopt.cli import config as toml
from adlopt.cli import render
from adlopt.errors import InputError, NotApplicable
from adlopt.objectives import CVaR, ExpectedLoss, Objective
from adlopt.policies import DydxV4, Policy, ProRata, RiskAware
from adlopt.policies.proportional import By
from adlopt.policies.standard import BY_NAME
from adlopt.prices import LogNormal, OneFactor, PriceModel, Scenarios
from adlopt.problem import Problem

OBJECTIVES: dict[str, Callable[..., Objective]] = {"expected-loss": ExpectedLoss, "cvar": CVaR}
"""By name on the command line; what follows a colon is passed on as a number."""

BOOK, MODEL, RISK = "Book", "Price model (one of --direction, --volatility, --scenarios)", "Risk"


def states_problem(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of `problem`, and the Problem they state as its first argument."""
    stated = inspect.signature(problem, eval_str=True).parameters
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

    flags = [parameter for parameter in [*stated.values(), *own] if get_origin(parameter.annotation) is Annotated]
    toml.PARAMETERS.update({parameter.name: parameter for parameter in flags if parameter.name != "config"})

    @wraps(command)
    def stating(**given: Any) -> None:
        statement = {name: given.pop(name) for name in stated}
        with render.working("reading the book"):
            posed = problem(**statement)
        try:
            command(posed, **given)
        except NotApplicable as error:
            if posed.prices is not None:
                raise
            raise NotApplicable(f"{error} (flags: --direction, --volatility or --scenarios)") from error

    keyword = inspect.Parameter.KEYWORD_ONLY  # so that a flag without default may follow one that has it
    signature = inspect.Signature([parameter.replace(kind=keyword) for parameter in (*stated.values(), *own)])
    stating.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    stating.__dict__.update(__signature__=signature)
    del stating.__dict__["__wrapped__"]  # its signature is not the command line's
    return stating


def problem(
    book: Annotated[
        Path,
        typer.Argument(
            metavar="BOOK",
            help="Positions as .csv or .parquet: account, asset, size (long > 0); equity and mark if not given below.",
        ),
    ],
    reduce: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ASSET=CONTRACTS",
            help="Contracts to take off the book, signed like the positions: BTC=-10 takes 10 from shorts, "
            "BTC=-30% takes 30 % of the solvent shorts. Repeatable.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A problem in TOML: BOOK as book, and flags by their names; those given here win.",
            is_eager=True,
            callback=toml.use,
            rich_help_panel=BOOK,
        ),
    ] = None,
    from_bankrupt: Annotated[
        str | None,
        typer.Option(
            metavar="mark|bankruptcy",
            help="Instead of --reduce: take what the bankrupt accounts hold off the other side, and settle at the mark or at "
            "the prices that make up for their deficits.",
        ),
    ] = None,
    accounts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Accounts: account, and equity or collateral.", rich_help_panel=BOOK)
    ] = None,
    mark: Annotated[
        list[str] | None,
        typer.Option(metavar="ASSET=PRICE", help="Mark price; overrides --marks. Repeatable.", rich_help_panel=BOOK),
    ] = None,
    marks: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Mark prices: asset, mark. Without any, BOOK's column mark.", rich_help_panel=BOOK),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(metavar="cross|isolated", help="Re-declare the whole book under one margin mode.", rich_help_panel=BOOK),
    ] = None,
    caps: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Most to take: account, asset, and cap (contracts) or fraction.", rich_help_panel=BOOK
        ),
    ] = None,
    settlement: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ASSET=PRICE",
            help="Price at which reductions execute; the mark by default. Repeatable.",
            rich_help_panel=BOOK,
        ),
    ] = None,
    direction: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ASSET=V", help="One factor: money per contract and standard deviation. Repeatable.", rich_help_panel=MODEL
        ),
    ] = None,
    volatility: Annotated[
        list[str] | None,
        typer.Option(metavar="ASSET=V", help="Lognormal prices: annualised volatility. Repeatable.", rich_help_panel=MODEL),
    ] = None,
    correlation: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|FILE",
            help="Of all pairs, or a .csv matrix with asset names on both sides. [default: 0]",
            rich_help_panel=MODEL,
        ),
    ] = None,
    horizon_days: Annotated[
        float | None, typer.Option(metavar="DAYS", help="Of the volatilities. [default: 1]", rich_help_panel=MODEL)
    ] = None,
    scenarios: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Horizon prices, a column per asset; optional column weight.", rich_help_panel=MODEL),
    ] = None,
    points: Annotated[
        int | None, typer.Option(metavar="COUNT", help="Scenarios to draw. [default: 16384]", rich_help_panel=MODEL)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="SEED", help="Of the lognormal sample. [default: 0]", rich_help_panel=MODEL)
    ] = None,
    objective: Annotated[
        str,
        typer.Option(
            metavar="RISK",
            help='expected-loss, cvar:LEVEL, or a sum such as "expected-loss + 0.5*cvar:0.99".',
            rich_help_panel=RISK,
        ),
    ] = "expected-loss",
    insurance_fund: Annotated[float, typer.Option(metavar="MONEY", help="Absorbs losses first.", rich_help_panel=RISK)] = 0.0,
) -> Problem:
    """The problem that the flags state; InputError or InfeasibleReduction if they state none.

    `config` has been read by then: its entries are the other parameters' defaults.
    """
    if book.suffix.lower() == ".toml":
        raise InputError(f"{book} is no table of positions; a problem in TOML is given as --config {book}")
    held = read_book(book, accounts, mark, marks)
    if margin is not None:
        held = held.with_margin(cast(Margin, margin))
    if (not reduce) == (from_bankrupt is None):
        raise InputError("give --reduce ASSET=CONTRACTS, such as --reduce BTC=-10, or --from-bankrupt mark|bankruptcy")
    if from_bankrupt is not None and settlement:
        raise InputError("--settlement has no effect with --from-bankrupt, which settles at the mark or the bankruptcy price")
    common: dict[str, Any] = {
        "prices": read_prices(direction, volatility, correlation, horizon_days, scenarios, points, seed),
        "objective": read_objective(objective),
        "caps": None if caps is None else read_table(caps),
        "insurance_fund": insurance_fund,
    }
    if from_bankrupt is not None:
        return Problem.from_bankrupt(held, settlement=cast(Any, from_bankrupt), **common)
    price = numbers("--settlement", settlement) if settlement else None
    return Problem(held, read_reduction(held, reduce or []), settlement=price, **common)


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


def read_book(book: Path, accounts: Path | None, mark: list[str] | None, marks: Path | None) -> Book:
    """The book of the tables, at the marks given, or else at those in its column `mark`."""
    positions = read_table(book)
    price = (read_marks(marks) if marks else {}) | numbers("--mark", mark or [])
    if not price and "mark" not in positions:
        raise InputError("marks: give --mark ASSET=PRICE for every asset, --marks FILE, or a column 'mark' in BOOK")
    return Book.from_frame(positions, read_table(accounts) if accounts else None, price or None)


def read_marks(path: Path) -> dict[str, float]:
    """Prices by asset from a table with columns `asset` and `mark`."""
    frame = read_table(path)
    tables.require_columns("marks", frame, ("asset", "mark"))
    asset, price = tables.labels("marks", frame, "asset"), tables.numbers("marks", frame, "mark")
    tables.refuse("marks", frame, asset.duplicated(), "asset", "{!r} stands there twice; give each asset one price")
    return dict(zip(asset, price.tolist(), strict=True))


def read_reduction(book: Book, entries: list[str]) -> dict[str, float]:
    """Contracts by asset from ASSET=CONTRACTS and ASSET=SHARE%, a signed share of one side's eligible open interest."""
    reduction: dict[str, float] = {}
    for asset, text in pairs("--reduce", entries).items():
        what = f"--reduce, asset {asset!r}"
        if not text.endswith("%"):
            reduction[asset] = tables.number(what, text)
            continue
        share = tables.number(what, text.removesuffix("%")) / 100
        if asset not in book.assets:
            raise InputError(f"{what}: unknown asset; the book has {tables.known(book.assets)}")
        side = "short" if share < 0 else "long"
        held = float(book.open_interest.loc[asset, side])
        if held == 0:
            raise InputError(f"{what}: {text} of nothing: no solvent account is {side}; a negative share takes from shorts")
        reduction[asset] = share * held
    return reduction


def read_prices(
    direction: list[str] | None,
    volatility: list[str] | None,
    correlation: str | None,
    horizon_days: float | None,
    scenarios: Path | None,
    points: int | None,
    seed: int | None,
) -> PriceModel | None:
    """The one price model that the flags describe, or None; flags that would have no effect are refused."""
    models = {"--direction": direction, "--volatility": volatility, "--scenarios": scenarios}
    chosen = [flag for flag, value in models.items() if value]
    if len(chosen) > 1:
        raise InputError(f"{' and '.join(chosen)} are different price models; give one")
    for flag, value, users in (
        ("--correlation", correlation, ["--volatility"]),
        ("--horizon-days", horizon_days, ["--volatility"]),
        ("--seed", seed, ["--volatility"]),
        ("--points", points, ["--direction", "--volatility"]),
    ):
        if value is not None and not set(users) & set(chosen):
            raise InputError(f"{flag} has no effect without {' or '.join(users)}; leave it out")
    sampling = {name: value for name, value in (("points", points), ("seed", seed)) if value is not None}
    if direction:
        return OneFactor(numbers("--direction", direction), **sampling)
    if volatility:
        years = (1.0 if horizon_days is None else horizon_days) / 365
        matrix = 0.0 if correlation is None else read_correlation(correlation)
        return LogNormal(numbers("--volatility", volatility), matrix, years, **sampling)
    return None if scenarios is None else read_scenarios(scenarios)


def read_scenarios(path: Path) -> Scenarios:
    """Horizon prices from a table with a column per asset and perhaps `weight`."""
    frame = read_table(path)
    weights = tables.numbers("scenarios", frame, "weight") if "weight" in frame else None
    return Scenarios(frame.drop(columns="weight", errors="ignore"), weights=weights)


def read_correlation(text: str) -> float | pd.DataFrame:
    """One number for all pairs, or a CSV matrix whose first row and first column name the assets."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return pd.read_csv(text, index_col=0, dtype={0: str})
    except (OSError, ValueError) as error:  # the parser's errors are ValueErrors
        raise InputError(f"--correlation: {text!r} is neither a number nor a readable .csv matrix ({error})") from error


def read_objective(text: str) -> Objective:
    """An objective from its name, with a parameter after a colon; or a sum of such, each with a factor if need be."""
    terms = [_term(part.strip()) for part in text.split("+")]
    return sum(terms[1:], start=terms[0])


def _term(text: str) -> Objective:
    factor, times, measure = text.rpartition("*")
    name, colon, parameter = measure.strip().partition(":")
    if name not in OBJECTIVES:
        raise InputError(f"--objective: {text!r} is unknown; use {', '.join(OBJECTIVES)}, such as cvar:0.99, or a sum of them")
    arguments = [tables.number(f"--objective, {name}", parameter)] if colon else []
    try:
        inspect.signature(OBJECTIVES[name]).bind(*arguments)
    except TypeError:
        wanted = "no number" if arguments else "a number after a colon, such as cvar:0.99"
        raise InputError(f"--objective: {name} takes {wanted}") from None
    objective = OBJECTIVES[name](*arguments)
    return tables.number("--objective, factor", factor) * objective if times else objective


def read_sweep(flag: str, text: str) -> list[float]:
    """Numbers as A,B,... or evenly spaced as FROM:TO:COUNT."""
    if ":" not in text:
        return [tables.number(flag, part.strip()) for part in text.split(",")]
    parts = text.split(":")
    if len(parts) != 3 or not parts[2].strip().isdecimal() or int(parts[2]) < 1:
        raise InputError(f"{flag} {text!r}: write A,B,... or FROM:TO:COUNT, such as 0.1:1:10")
    first, last = (tables.number(flag, part) for part in parts[:2])
    return [float(point) for point in np.linspace(first, last, int(parts[2]))]


def read_policy(text: str) -> Policy:
    """A policy from its name, with a parameter after a colon: pro-rata:pnl, risk-aware:2 (the power of g), dydx-v4:7."""
    name, colon, parameter = text.strip().partition(":")
    if name not in BY_NAME:
        raise InputError(f"policy {text!r} is unknown; use {', '.join(BY_NAME)}, with a parameter as in pro-rata:pnl")
    if not colon:
        return BY_NAME[name]()
    if name == "pro-rata":
        return ProRata(cast(By, parameter))
    if name == "risk-aware":
        power = tables.number(f"policy {name}", parameter)
        return RiskAware(lambda leverage: leverage**power, name=f"RiskAware(power {power:g})")
    if name == "dydx-v4":
        if not parameter.isdecimal():
            raise InputError(f"policy {text!r}: the seed is a whole number >= 0, as in dydx-v4:7")
        return DydxV4(int(parameter))
    raise InputError(f"policy {text!r}: {name} takes no parameter on the command line")


def numbers(flag: str, entries: list[str], kind: str = "asset") -> dict[str, float]:
    """Numbers by asset (or account) from repeated ASSET=NUMBER."""
    return {name: tables.number(f"{flag}, {kind} {name!r}", text) for name, text in pairs(flag, entries, kind).items()}


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
