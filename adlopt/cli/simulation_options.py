"""The options of `adlopt simulate` beside those of book, price model and objective."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from adlopt.cli.options import POLICY_NAMES, option
from adlopt.simulation.paths import SHAPES

EXCHANGE, CRASH = "Exchange", "Crash"
SHAPE_NAMES = [name.replace("_", "-") for name in SHAPES]

Shape = Annotated[
    str,
    option("NAME", f"One of {', '.join(SHAPE_NAMES)}.", CRASH),
]
Policies = Annotated[
    list[str] | None,
    option("NAME", f"{POLICY_NAMES} Repeatable. [default: pro-rata, minimax-leverage]"),
]
PathCount = Annotated[
    int,
    option("COUNT", "Number of paths. One is shown step by step.", CRASH),
]
Steps = Annotated[
    int | None,
    option("COUNT", "Steps of a path. [default: the shape's]", CRASH),
]
Fall = Annotated[
    float | None,
    option("SHARE", "Share of the price lost at the trough. [default: the shape's]", CRASH),
]
PathSeed = Annotated[int, option("SEED", "Seed of the paths.", CRASH)]
Fund = Annotated[
    float,
    option("MONEY", "Insurance fund at the start.", EXCHANGE),
]
MaintenanceRate = Annotated[
    float,
    option("RATE", "Maintenance margin as a share of notional.", EXCHANGE),
]
Depth = Annotated[
    list[str] | None,
    option(
        "ASSET=CONTRACTS",
        "Contracts that the market takes per step. Repeatable. [default: none]",
        EXCHANGE,
    ),
]
Spread = Annotated[
    float,
    option("SHARE", "Bid-ask spread as a share of the mark.", EXCHANGE),
]
Impact = Annotated[
    float,
    option(
        "SHARE", "Share of the mark by which selling the whole depth moves the price.", EXCHANGE
    ),
]
PermanentImpact = Annotated[
    float,
    option("SHARE", "As --impact, on later marks.", EXCHANGE),
]
InventoryLimit = Annotated[
    float,
    option("MONEY", "Value of contracts above which the engine deleverages.", EXCHANGE),
]
Floor = Annotated[
    float,
    option("MONEY", "Fund below which the engine deleverages.", EXCHANGE),
]
Settle = Annotated[
    str,
    option("mark|bankruptcy", "Price of deleveraging.", EXCHANGE),
]
Workers = Annotated[
    int | None,
    option("COUNT", "Processes. [default: all, if the work repays them]"),
]
OutcomesFile = Annotated[
    Path | None,
    option("FILE", "Write the outcome of every path: .csv, .parquet or .json."),
]
ReportFile = Annotated[
    Path | None,
    option("FILE", "Write a report: .html, one page with pictures, or .md, without."),
]
