"""The options of the command line: name, value and help of each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adlopt.objectives.parsing import BY_NAME as OBJECTIVES
from adlopt.policies.standard import BY_NAME as POLICIES
from adlopt.solving.dispatch import METHODS

# Flags that name a price model; a problem has one of them.
MODELS = ("--direction", "--volatility", "--covariance", "--history", "--scenarios")

BOOK, RISK, SOLVING, OUTPUT = "Book", "Risk", "Solving", "Output"
MODEL = "Price model (at most one)"
SWEEP = "A,B,...|FROM:TO:COUNT"

ASSET_PRICE = "ASSET=PRICE"

# ---------------------------------------------------------------------- the book and what is taken

BookFile = Annotated[
    Path,
    typer.Argument(
        metavar="BOOK",
        help="Positions as .csv or .parquet, with columns account, asset and size (long > 0), and "
        "equity and mark unless given by options.",
    ),
]
Reduce = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ASSET=CONTRACTS",
        help="Contracts to take off the book, signed like the positions: BTC=-10 takes 10 "
        "contracts from shorts, BTC=-30% takes 30 % of the solvent shorts. Repeatable.",
    ),
]
FromBankrupt = Annotated[
    str | None,
    typer.Option(
        metavar="mark|bankruptcy",
        help="Instead of --reduce: close the positions of the bankrupt accounts against the other "
        "side, at the mark or at the prices that cover their deficits.",
    ),
]
Accounts = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Table of accounts: account, and equity or collateral.",
        rich_help_panel=BOOK,
    ),
]
Mark = Annotated[
    list[str] | None,
    typer.Option(
        metavar=ASSET_PRICE, help="Mark price; overrides --marks. Repeatable.", rich_help_panel=BOOK
    ),
]
Marks = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Table of mark prices: asset, mark. [default: the column mark of BOOK]",
        rich_help_panel=BOOK,
    ),
]
Margin = Annotated[
    str | None,
    typer.Option(
        metavar="cross|isolated",
        help="Treat the whole book as held under one margin mode.",
        rich_help_panel=BOOK,
    ),
]
Caps = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Largest reductions: account, asset, and cap (contracts) or fraction.",
        rich_help_panel=BOOK,
    ),
]
Settlement = Annotated[
    list[str] | None,
    typer.Option(
        metavar=ASSET_PRICE,
        help="Price at which reductions execute. Repeatable. [default: the mark]",
        rich_help_panel=BOOK,
    ),
]

# ---------------------------------------------------------------------- price model

Direction = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ASSET=MONEY",
        help="One factor moves all prices: the standard deviation per contract. Repeatable.",
        rich_help_panel=MODEL,
    ),
]
Volatility = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ASSET=VOLATILITY",
        help="Lognormal prices: annualized volatility, such as 0.6. Repeatable.",
        rich_help_panel=MODEL,
    ),
]
Correlation = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBER|FILE",
        help="Correlation of all pairs, or a .csv matrix with asset names in its first row and "
        "column. [default: 0]",
        rich_help_panel=MODEL,
    ),
]
HorizonText = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Horizon of --volatility: a time span such as 10D or 8h, or years such as 0.25. "
        "[default: 1D]",
        rich_help_panel=MODEL,
    ),
]
HorizonDays = Annotated[
    float | None,
    typer.Option(metavar="DAYS", help="The same in days.", rich_help_panel=MODEL),
]
Covariance = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Normal prices: a .csv matrix with asset names in its first row and column, in money "
        "squared per contract squared.",
        rich_help_panel=MODEL,
    ),
]
Degrees = Annotated[
    float | None,
    typer.Option(
        metavar="NUMBER",
        help="Student-t prices with these degrees of freedom; --covariance is the scale matrix.",
        rich_help_panel=MODEL,
    ),
]
History = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Past prices: a .csv file with times in the first column and a column per asset.",
        rich_help_panel=MODEL,
    ),
]
Window = Annotated[
    str | None,
    typer.Option(
        metavar="ROWS|SPAN",
        help="Length of the past moves of --history, such as 10 (rows) or 10D. [default: 1]",
        rich_help_panel=MODEL,
    ),
]
ScenarioFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Prices at the horizon: a column per asset, and optionally a column weight.",
        rich_help_panel=MODEL,
    ),
]
Points = Annotated[
    int | None,
    typer.Option(
        metavar="COUNT",
        help="Number of scenarios to draw. [default: 16384]",
        rich_help_panel=MODEL,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        metavar="SEED", help="Seed of the drawn scenarios. [default: 0]", rich_help_panel=MODEL
    ),
]

# ---------------------------------------------------------------------- risk

ObjectiveText = Annotated[
    str,
    typer.Option(
        metavar="RISK",
        help=f"One of {', '.join(OBJECTIVES)}, with a number as in cvar:0.99; or a sum, such as "
        "expected-loss + 0.5*cvar:0.99.",
        rich_help_panel=RISK,
    ),
]
InsuranceFund = Annotated[
    float,
    typer.Option(
        metavar="MONEY",
        help="Insurance fund, which absorbs losses first.",
        rich_help_panel=RISK,
    ),
]

# ---------------------------------------------------------------------- solving and output

Method = Annotated[
    str,
    typer.Option(
        metavar="METHOD",
        help=f"One of {', '.join(METHODS)}.",
        autocompletion=lambda: list(METHODS),
        rich_help_panel=SOLVING,
    ),
]
SamplingTolerance = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Draw scenarios until the sampling error is at most this share of the value.",
        rich_help_panel=SOLVING,
    ),
]
Tolerance = Annotated[
    float,
    typer.Option(
        metavar="GAP",
        help="Relative gap below which the answer counts as optimal.",
        rich_help_panel=SOLVING,
    ),
]
Solver = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Solver of the conic method, by cvxpy's name. [default: CLARABEL]",
        rich_help_panel=SOLVING,
    ),
]
ConstraintTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--constraint",
        metavar="NAME:NUMBER",
        help="at-most-fraction:0.3 (of each position), at-most-account-fraction:0.3, "
        "at-most-equity:2 or hedged-together:BTC/ETH. May be repeated.",
        rich_help_panel=SOLVING,
    ),
]
Then = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CRITERION",
        help="Among the optima: fewest-accounts, smallest-fraction, or another objective such as "
        "expected-loss. May be repeated, in order of priority.",
        rich_help_panel=SOLVING,
    ),
]
Policies = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help=f"One of {', '.join(POLICIES)}; a parameter follows a colon, as in pro-rata:pnl. "
        "Repeatable. [default: all that the book has the data for]",
        rich_help_panel=SOLVING,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object, with all digits.", rich_help_panel=OUTPUT),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the allocation: .csv, .parquet or .json.",
        rich_help_panel=OUTPUT,
    ),
]
