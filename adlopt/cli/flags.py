"""Flags that state a problem: every command takes the same ones, and gets the Problem they mean."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, cast, get_origin

import typer

from adlopt.cli import problem_file as toml
from adlopt.cli import render
from adlopt.cli.reading import (
    MODELS,
    numbers,
    read_book,
    read_objective,
    read_prices,
    read_reduction,
    read_table,
)
from adlopt.errors import InputError, NotApplicable
from adlopt.model.book import Margin
from adlopt.model.problem import Problem
from adlopt.objectives.parsing import BY_NAME

BOOK, MODEL, RISK = "Book", f"Price model (one of {', '.join(MODELS)})", "Risk"
RISKS = f"One of {', '.join(BY_NAME)}, with a number as in cvar:0.99; or a sum, such as expected-loss + 0.5*cvar:0.99."


def states_problem(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of `problem`, and the Problem they state as its first argument."""
    stated = inspect.signature(problem, eval_str=True).parameters
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

    flags = [
        parameter
        for parameter in [*stated.values(), *own]
        if get_origin(parameter.annotation) is Annotated
    ]
    toml.PARAMETERS.update(
        {parameter.name: parameter for parameter in flags if parameter.name != "config"}
    )

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
            raise NotApplicable(f"{error} (flags: {', '.join(MODELS)})") from error

    keyword = (
        inspect.Parameter.KEYWORD_ONLY
    )  # so that a flag without default may follow one that has it
    signature = inspect.Signature(
        [parameter.replace(kind=keyword) for parameter in (*stated.values(), *own)]
    )
    stating.__annotations__ = {
        name: parameter.annotation for name, parameter in signature.parameters.items()
    }
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
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Accounts: account, and equity or collateral.",
            rich_help_panel=BOOK,
        ),
    ] = None,
    mark: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ASSET=PRICE",
            help="Mark price; overrides --marks. Repeatable.",
            rich_help_panel=BOOK,
        ),
    ] = None,
    marks: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Mark prices: asset, mark. Without any, BOOK's column mark.",
            rich_help_panel=BOOK,
        ),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(
            metavar="cross|isolated",
            help="Re-declare the whole book under one margin mode.",
            rich_help_panel=BOOK,
        ),
    ] = None,
    caps: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Most to take: account, asset, and cap (contracts) or fraction.",
            rich_help_panel=BOOK,
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
            metavar="ASSET=V",
            help="One factor: money per contract and standard deviation. Repeatable.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    volatility: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ASSET=V",
            help="Lognormal prices: annualised volatility. Repeatable.",
            rich_help_panel=MODEL,
        ),
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
        float | None,
        typer.Option(
            metavar="DAYS", help="Of the volatilities. [default: 1]", rich_help_panel=MODEL
        ),
    ] = None,
    covariance: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Normal prices: a .csv matrix with asset names on both sides, money squared per contract squared.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    degrees: Annotated[
        float | None,
        typer.Option(
            metavar="NU",
            help="Student-t prices: --covariance is their scale matrix.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Past prices: a .csv with times first and a column per asset.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            metavar="ROWS|SPAN",
            help="Of the history, such as 10 or 10D. [default: 1]",
            rich_help_panel=MODEL,
        ),
    ] = None,
    scenarios: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Horizon prices, a column per asset; optional column weight.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    points: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT", help="Scenarios to draw. [default: 16384]", rich_help_panel=MODEL
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="SEED", help="Of a drawn sample. [default: 0]", rich_help_panel=MODEL),
    ] = None,
    objective: Annotated[
        str,
        typer.Option(
            metavar="RISK",
            help=RISKS,
            rich_help_panel=RISK,
        ),
    ] = "expected-loss",
    insurance_fund: Annotated[
        float, typer.Option(metavar="MONEY", help="Absorbs losses first.", rich_help_panel=RISK)
    ] = 0.0,
) -> Problem:
    """The problem that the flags state; InputError or InfeasibleReduction if they state none.

    `config` has been read by then: its entries are the other parameters' defaults.
    """
    if book.suffix.lower() == ".toml":
        raise InputError(
            f"{book} is no table of positions; a problem in TOML is given as --config {book}"
        )
    held = read_book(book, accounts, mark, marks)
    if margin is not None:
        held = held.with_margin(cast(Margin, margin))
    if (not reduce) == (from_bankrupt is None):
        raise InputError(
            "give --reduce ASSET=CONTRACTS, such as --reduce BTC=-10, or --from-bankrupt mark|bankruptcy"
        )
    if from_bankrupt is not None and settlement:
        raise InputError(
            "--settlement has no effect with --from-bankrupt, which settles at the mark or the bankruptcy price"
        )
    common: dict[str, Any] = {
        "prices": read_prices(
            direction,
            volatility,
            covariance,
            history,
            scenarios,
            correlation=correlation,
            horizon_days=horizon_days,
            degrees=degrees,
            window=window,
            points=points,
            seed=seed,
        ),
        "objective": read_objective(objective),
        "caps": None if caps is None else read_table(caps),
        "insurance_fund": insurance_fund,
    }
    if from_bankrupt is not None:
        return Problem.from_bankrupt(held, settlement=cast(Any, from_bankrupt), **common)
    price = numbers("--settlement", settlement) if settlement else None
    return Problem(held, read_reduction(held, reduce or []), settlement=price, **common)
