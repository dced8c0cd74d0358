"""The flags that state a problem, for every command that takes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, cast, get_args, get_origin

import typer

from adlopt.cli import options as opt
from adlopt.cli import output, problem_file, render
from adlopt.cli.reading import (
    numbers,
    read_book,
    read_objective,
    read_prices,
    read_reduction,
    read_table,
)
from adlopt.errors import InputError, NotApplicable
from adlopt.model import book as model_book
from adlopt.model.problem import Problem

Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A problem in TOML: BOOK as book, and options by their names. Options given here "
        "override the file.",
        is_eager=True,
        callback=problem_file.use,
        rich_help_panel=opt.BOOK,
    ),
]


def files_read(context: typer.Context, written: Path) -> list[Path]:
    """The files that a command was given to read: its paths, without the one it writes.

    The oldest versions of typer allowed keep the text of a path in `context.params`.
    """
    known = problem_file.PARAMETERS | problem_file.SIMULATION_PARAMETERS
    stated = {name: get_args(parameter.annotation)[0] for name, parameter in known.items()}
    stated["config"] = Path
    paths = [
        Path(value)
        for name, value in context.params.items()
        if value and Path in (stated.get(name), *get_args(stated.get(name)))
    ]
    return [path for path in paths if path.is_file() and path != written]


def with_problem_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of `read_problem`, and its problem as the first argument."""
    stated = inspect.signature(read_problem, eval_str=True).parameters
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    problem_file.PARAMETERS.update(
        {
            parameter.name: parameter
            for parameter in [*stated.values(), *own]
            if get_origin(parameter.annotation) is Annotated and parameter.name != "config"
        }
    )

    @wraps(command)
    def wrapper(**given: Any) -> None:
        statement = {name: given.pop(name) for name in stated}
        output.refuse_inputs(given.get("out"), statement.values())
        with render.spinner("reading the book"):
            problem = read_problem(**statement)
        try:
            command(problem, **given)
        except NotApplicable as error:
            if problem.prices is not None:
                raise
            raise NotApplicable(f"{error} (flags: {', '.join(opt.MODELS)})") from error

    return with_parameters(wrapper, [*stated.values(), *own])


def with_parameters(
    wrapper: Callable[..., None], parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    """The wrapper of a command with the parameters that the command line offers."""
    # Keyword-only: an option without a default may follow one that has a default.
    kind = inspect.Parameter.KEYWORD_ONLY
    signature = inspect.Signature([parameter.replace(kind=kind) for parameter in parameters])
    wrapper.__annotations__ = {one.name: one.annotation for one in parameters}
    wrapper.__dict__.update(__signature__=signature)
    del wrapper.__dict__["__wrapped__"]  # its signature is not the command line's
    return wrapper


def read_problem(
    book: opt.BookFile,
    reduce: opt.Reduce = None,
    config: Config = None,
    from_bankrupt: opt.FromBankrupt = None,
    accounts: opt.Accounts = None,
    mark: opt.Mark = None,
    marks: opt.Marks = None,
    margin: opt.Margin = None,
    caps: opt.Caps = None,
    settlement: opt.Settlement = None,
    direction: opt.Direction = None,
    volatility: opt.Volatility = None,
    correlation: opt.Correlation = None,
    horizon: opt.HorizonText = None,
    horizon_days: opt.HorizonDays = None,
    covariance: opt.Covariance = None,
    degrees: opt.Degrees = None,
    history: opt.History = None,
    window: opt.Window = None,
    scenarios: opt.ScenarioFile = None,
    points: opt.Points = None,
    seed: opt.Seed = None,
    objective: opt.ObjectiveText = "expected-loss",
    insurance_fund: opt.InsuranceFund = 0.0,
) -> Problem:
    """The problem that the flags state; InputError or InfeasibleReduction if they state none.

    The entries of `config` are the other parameters' defaults: its callback has read it already.
    """
    _refuse_contradictions(book, reduce, from_bankrupt, settlement)
    held = read_book(book, accounts, mark, marks)
    if margin is not None:
        held = held.with_margin(cast(model_book.Margin, margin))
    common: dict[str, Any] = {
        "prices": read_prices(
            direction,
            volatility,
            covariance,
            history,
            scenarios,
            correlation=correlation,
            horizon=horizon,
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


def _refuse_contradictions(
    book: Path, reduce: list[str] | None, from_bankrupt: str | None, settlement: list[str] | None
) -> None:
    if book.suffix.lower() == ".toml":
        raise InputError(
            f"{book}: expected a table of positions; a problem in TOML is given as --config {book}"
        )
    if (not reduce) == (from_bankrupt is None):
        raise InputError(
            "give --reduce ASSET=CONTRACTS, such as --reduce BTC=-10, or --from-bankrupt "
            "mark|bankruptcy"
        )
    if from_bankrupt is not None and settlement:
        raise InputError(
            "--settlement has no effect with --from-bankrupt, which settles at the mark or the "
            "bankruptcy price"
        )
