"""The options of `adlopt simulate` beside those of book, price model and objective."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adlopt.policies.standard import BY_NAME
from adlopt.simulation.paths import SHAPES

EXCHANGE, CRASH = "Exchange", "Crash"
SHAPE_NAMES = [name.replace("_", "-") for name in SHAPES]

Shape = Annotated[
    str,
    typer.Option(metavar="NAME", help=f"One of {', '.join(SHAPE_NAMES)}.", rich_help_panel=CRASH),
]
Policies = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help=f"One of {', '.join(BY_NAME)}; a parameter follows a colon, as in pro-rata:pnl. "
        "Repeatable. [default: pro-rata, minimax-leverage]",
    ),
]
PathCount = Annotated[
    int,
    typer.Option(
        metavar="COUNT", help="Number of paths. One is shown step by step.", rich_help_panel=CRASH
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        metavar="COUNT", help="Steps of a path. [default: the shape's]", rich_help_panel=CRASH
    ),
]
Fall = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Share of the price lost at the trough. [default: the shape's]",
        rich_help_panel=CRASH,
    ),
]
PathSeed = Annotated[
    int, typer.Option(metavar="SEED", help="Seed of the paths.", rich_help_panel=CRASH)
]
Fund = Annotated[
    float,
    typer.Option(metavar="MONEY", help="Insurance fund at the start.", rich_help_panel=EXCHANGE),
]
MaintenanceRate = Annotated[
    float,
    typer.Option(
        metavar="RATE",
        help="Maintenance margin as a share of notional.",
        rich_help_panel=EXCHANGE,
    ),
]
Depth = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ASSET=CONTRACTS",
        help="Contracts that the market takes per step. Repeatable. [default: none]",
        rich_help_panel=EXCHANGE,
    ),
]
Spread = Annotated[
    float,
    typer.Option(
        metavar="SHARE", help="Bid-ask spread as a share of the mark.", rich_help_panel=EXCHANGE
    ),
]
Impact = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        help="Share of the mark by which selling the whole depth moves the price.",
        rich_help_panel=EXCHANGE,
    ),
]
PermanentImpact = Annotated[
    float,
    typer.Option(metavar="SHARE", help="As --impact, on later marks.", rich_help_panel=EXCHANGE),
]
InventoryLimit = Annotated[
    float,
    typer.Option(
        metavar="MONEY",
        help="Value of contracts above which the engine deleverages.",
        rich_help_panel=EXCHANGE,
    ),
]
Floor = Annotated[
    float,
    typer.Option(
        metavar="MONEY",
        help="Fund below which the engine deleverages.",
        rich_help_panel=EXCHANGE,
    ),
]
Settle = Annotated[
    str,
    typer.Option(
        metavar="mark|bankruptcy", help="Price of deleveraging.", rich_help_panel=EXCHANGE
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(metavar="COUNT", help="Processes. [default: all, if the work repays them]"),
]
OutcomesFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the outcome of every path: .csv, .parquet or .json."),
]
