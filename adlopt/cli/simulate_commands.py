"""The subcommand simulate: a book through crashes, rule by rule."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from adlopt.cli import flags, problem_file, render, render_simulation
from adlopt.cli.command import Json, app
from adlopt.cli.reading import numbers, read_book, read_objective, read_policy, read_prices
from adlopt.errors import InputError
from adlopt.model.book import Book, Margin
from adlopt.objectives import Objective
from adlopt.policies import Optimal, Policy
from adlopt.policies.standard import BY_NAME
from adlopt.prices import PriceModel
from adlopt.simulation import Exchange, Paths, simulate, stress_test
from adlopt.simulation.paths import SHAPES

EXCHANGE, CRASH = "Exchange", "Crash"
NAMES = [name.replace("_", "-") for name in SHAPES]
BOOK_FLAGS = ("book", "config", "accounts", "mark", "marks", "margin")
MODEL_FLAGS = (
    "direction",
    "volatility",
    "covariance",
    "history",
    "scenarios",
    "correlation",
    "horizon_days",
    "degrees",
    "window",
    "points",
    "seed",
)


def _takes_book_and_model(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of book, price model and objective that all commands share."""
    shared = inspect.signature(flags.problem, eval_str=True).parameters
    stated = {name: shared[name] for name in (*BOOK_FLAGS, *MODEL_FLAGS, "objective")}
    own = list(inspect.signature(command, eval_str=True).parameters.values())[3:]
    problem_file.PARAMETERS.update(
        {one.name: one for one in own if one.name not in problem_file.PARAMETERS}
    )

    def stating(**given: Any) -> None:
        statement = {name: given.pop(name) for name in stated}
        with render.working("reading the book"):
            book = read_book(*(statement[name] for name in ("book", "accounts", "mark", "marks")))
            if statement["margin"] is not None:
                book = book.with_margin(cast(Margin, statement["margin"]))
            model = read_prices(
                *(statement[name] for name in MODEL_FLAGS[:5]),
                **{name: statement[name] for name in MODEL_FLAGS[5:]},
            )
        command(book, model, read_objective(statement["objective"]), **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    signature = inspect.Signature(
        [parameter.replace(kind=keyword) for parameter in (*stated.values(), *own)]
    )
    stating.__name__, stating.__doc__ = command.__name__, command.__doc__
    stating.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
    stating.__dict__["__signature__"] = signature
    return stating


@app.command(
    name=problem_file.SIMULATION,
    epilog="Example: adlopt simulate book.csv --shape flash-crash --policy hyperliquid --policy "
    "optimal --fund 1e6 --paths 200",
)
@_takes_book_and_model
def simulate_crashes(
    book: Book,
    model: PriceModel | None,
    objective: Objective,
    shape: Annotated[
        str,
        typer.Option(metavar="NAME", help=f"One of {', '.join(NAMES)}.", rich_help_panel=CRASH),
    ] = "flash-crash",
    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"One of {', '.join(BY_NAME)}; a parameter follows a colon, as in pro-rata:pnl. "
            "Repeatable. [default: pro-rata, minimax-leverage]",
        ),
    ] = None,
    paths: Annotated[
        int,
        typer.Option(
            metavar="COUNT", help="Random paths; 1 shows it step by step.", rich_help_panel=CRASH
        ),
    ] = 1,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="COUNT", help="Of a path. [default: the shape's]", rich_help_panel=CRASH
        ),
    ] = None,
    fall: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Of the prices. [default: the shape's]", rich_help_panel=CRASH
        ),
    ] = None,
    path_seed: Annotated[
        int, typer.Option(metavar="SEED", help="Of the paths.", rich_help_panel=CRASH)
    ] = 0,
    fund: Annotated[
        float, typer.Option(metavar="MONEY", help="Insurance fund.", rich_help_panel=EXCHANGE)
    ] = 0.0,
    maintenance: Annotated[
        float,
        typer.Option(
            metavar="RATE", help="Maintenance margin of notional.", rich_help_panel=EXCHANGE
        ),
    ] = Exchange().maintenance,  # type: ignore[assignment]
    depth: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ASSET=CONTRACTS",
            help="What the market takes per step. Repeatable. [default: nothing]",
            rich_help_panel=EXCHANGE,
        ),
    ] = None,
    spread: Annotated[
        float, typer.Option(metavar="SHARE", help="Bid-ask spread.", rich_help_panel=EXCHANGE)
    ] = 0.0,
    impact: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Of the mark, by which selling the whole depth moves the price.",
            rich_help_panel=EXCHANGE,
        ),
    ] = 0.01,
    permanent_impact: Annotated[
        float,
        typer.Option(metavar="SHARE", help="As --impact, for good.", rich_help_panel=EXCHANGE),
    ] = 0.0,
    inventory_limit: Annotated[
        float,
        typer.Option(
            metavar="MONEY",
            help="Worth of contracts that the engine may carry over.",
            rich_help_panel=EXCHANGE,
        ),
    ] = 0.0,
    floor: Annotated[
        float,
        typer.Option(
            metavar="MONEY",
            help="Of the fund, below which deleveraging starts.",
            rich_help_panel=EXCHANGE,
        ),
    ] = 0.0,
    settle: Annotated[
        str,
        typer.Option(
            metavar="mark|bankruptcy", help="Price of deleveraging.", rich_help_panel=EXCHANGE
        ),
    ] = "mark",
    workers: Annotated[
        int | None,
        typer.Option(metavar="COUNT", help="Processes. [default: as many as repay]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the outcomes of every path: .csv or .parquet."),
    ] = None,
    json: Json = False,
) -> None:
    """Play crashes through: liquidations, sales, the fund, and deleveraging by each rule."""
    exchange = Exchange(
        maintenance=maintenance,
        depth=numbers("--depth", depth or []),
        spread=spread,
        impact=impact,
        permanent_impact=permanent_impact,
        fund=fund,
        floor=floor,
        inventory_limit=inventory_limit,
        settlement=cast(Any, settle),
    )
    given = read_paths(book, shape, count=paths, steps=steps, fall=fall, seed=path_seed)
    chosen = [
        _with_model(read_policy(name), given, model)
        for name in policy or ("pro-rata", "minimax-leverage")
    ]
    console = render.console()
    if paths == 1 and out is None:
        crashes = [
            simulate(book, given, one, exchange=exchange, prices=model, objective=objective)
            for one in chosen
        ]
        render_simulation.show_crashes(console, crashes, as_json=json)
        return
    test = stress_test(
        book,
        given,
        chosen,
        exchange=exchange,
        prices=model,
        objective=objective,
        workers=workers,
    )
    if out is not None:
        render_simulation.write_outcomes(out, test)
    render_simulation.show_stress_test(console, test, as_json=json)


def read_paths(
    book: Book, shape: str, *, count: int, steps: int | None, fall: float | None, seed: int
) -> Paths:
    """The paths that the flags describe."""
    name = shape.replace("-", "_")
    if name not in SHAPES:
        raise InputError(f"--shape {shape!r} is unknown; use one of {', '.join(NAMES)}")
    make = SHAPES[name]
    options: dict[str, Any] = {"count": count, "seed": seed}
    if steps is not None:
        options["steps"] = steps
    if fall is not None:
        if "fall" not in inspect.signature(make).parameters:
            raise InputError(f"--fall has no effect with --shape {shape}; leave it out")
        options["fall"] = fall
    return cast(Paths, make(book, **options))


def _with_model(policy: Policy, paths: Paths, model: PriceModel | None) -> Policy:
    """The optimum needs a price model: without one it takes the paths' own moves of one step."""
    if isinstance(policy, Optimal) and model is None and paths.steps > 1:
        return replace(policy, prices=paths.model())
    return policy
