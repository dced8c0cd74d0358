"""The options of the command line: name, value and help of each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
POLICY_NAMES = f"One of {', '.join(POLICIES)}; a parameter follows a colon, as in pro-rata:pnl."


def option(
    metavar: str, text: str, panel: str | None = None, *, flag: str | None = None, **more: Any
) -> Any:
    """An option: the placeholder of its value, its help, and the panel that lists it."""
    names = () if flag is None else (flag,)
    return typer.Option(*names, metavar=metavar, help=text, rich_help_panel=panel, **more)


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
    option(
        "ASSET=CONTRACTS",
        "Contracts to take off the book, signed like the positions: BTC=-10 takes 10 "
        "contracts from shorts, BTC=-30% takes 30 % of the solvent shorts. Repeatable.",
    ),
]
FromBankrupt = Annotated[
    str | None,
    option(
        "mark|bankruptcy",
        "Instead of --reduce: close the positions of the bankrupt accounts against the other "
        "side, at the mark or at the prices that cover their deficits.",
    ),
]
Accounts = Annotated[
    Path | None,
    option("FILE", "Table of accounts: account, and equity or collateral.", BOOK),
]
Mark = Annotated[
    list[str] | None,
    option(ASSET_PRICE, "Mark price; overrides --marks. Repeatable.", BOOK),
]
Marks = Annotated[
    Path | None,
    option("FILE", "Table of mark prices: asset, mark. [default: the column mark of BOOK]", BOOK),
]
Margin = Annotated[
    str | None,
    option("cross|isolated", "Treat the whole book as held under one margin mode.", BOOK),
]
Caps = Annotated[
    Path | None,
    option("FILE", "Largest reductions: account, asset, and cap (contracts) or fraction.", BOOK),
]
Settlement = Annotated[
    list[str] | None,
    option(ASSET_PRICE, "Price at which reductions execute. Repeatable. [default: the mark]", BOOK),
]

# ---------------------------------------------------------------------- price model

Direction = Annotated[
    list[str] | None,
    option(
        "ASSET=MONEY",
        "One factor moves all prices: the standard deviation per contract. Repeatable.",
        MODEL,
    ),
]
Volatility = Annotated[
    list[str] | None,
    option(
        "ASSET=VOLATILITY",
        "Lognormal prices: annualized volatility, such as 0.6. Repeatable.",
        MODEL,
    ),
]
Correlation = Annotated[
    str | None,
    option(
        "NUMBER|FILE",
        "Correlation of all pairs, or a .csv matrix with asset names in its first row and "
        "column. [default: 0]",
        MODEL,
    ),
]
HorizonText = Annotated[
    str | None,
    option(
        "TIME",
        "Horizon of --volatility: a time span such as 10D or 8h, or years such as 0.25. "
        "[default: 1D]",
        MODEL,
    ),
]
HorizonDays = Annotated[
    float | None,
    option("DAYS", "The same in days.", MODEL),
]
Covariance = Annotated[
    Path | None,
    option(
        "FILE",
        "Normal prices: a .csv matrix with asset names in its first row and column, in money "
        "squared per contract squared.",
        MODEL,
    ),
]
Degrees = Annotated[
    float | None,
    option(
        "NUMBER",
        "Student-t prices with these degrees of freedom; --covariance is the scale matrix.",
        MODEL,
    ),
]
History = Annotated[
    Path | None,
    option(
        "FILE",
        "Past prices: a .csv file with times in the first column and a column per asset.",
        MODEL,
    ),
]
Window = Annotated[
    str | None,
    option(
        "ROWS|SPAN",
        "Length of the past moves of --history, such as 10 (rows) or 10D. [default: 1]",
        MODEL,
    ),
]
ScenarioFile = Annotated[
    Path | None,
    option(
        "FILE", "Prices at the horizon: a column per asset, and optionally a column weight.", MODEL
    ),
]
Points = Annotated[
    int | None,
    option("COUNT", "Number of scenarios to draw. [default: 16384]", MODEL),
]
Seed = Annotated[
    int | None,
    option("SEED", "Seed of the drawn scenarios. [default: 0]", MODEL),
]

# ---------------------------------------------------------------------- risk

ObjectiveText = Annotated[
    str,
    option(
        "RISK",
        f"One of {', '.join(OBJECTIVES)}, with a number as in cvar:0.99; or a sum, such as "
        "expected-loss + 0.5*cvar:0.99.",
        RISK,
    ),
]
InsuranceFund = Annotated[
    float,
    option("MONEY", "Insurance fund, which absorbs losses first.", RISK),
]

# ---------------------------------------------------------------------- solving and output

Method = Annotated[
    str,
    option(
        "METHOD", f"One of {', '.join(METHODS)}.", SOLVING, autocompletion=lambda: list(METHODS)
    ),
]
SamplingTolerance = Annotated[
    float | None,
    option(
        "SHARE",
        "Draw scenarios until the sampling error is at most this share of the value.",
        SOLVING,
    ),
]
Tolerance = Annotated[
    float,
    option("GAP", "Relative gap below which the answer counts as optimal.", SOLVING),
]
Solver = Annotated[
    str | None,
    option("NAME", "Solver of the conic method, by cvxpy's name. [default: CLARABEL]", SOLVING),
]
ConstraintTexts = Annotated[
    list[str] | None,
    option(
        "NAME:NUMBER",
        "at-most-fraction:0.3 (of each position), at-most-account-fraction:0.3, "
        "at-most-equity:2 or hedged-together:BTC/ETH. May be repeated.",
        SOLVING,
        flag="--constraint",
    ),
]
Then = Annotated[
    list[str] | None,
    option(
        "CRITERION",
        "Among the optima: fewest-accounts, smallest-fraction, or another objective such as "
        "expected-loss. May be repeated, in order of priority.",
        SOLVING,
    ),
]
Policies = Annotated[
    list[str] | None,
    option(
        "NAME",
        f"{POLICY_NAMES} Repeatable. [default: all that the book has the data for]",
        SOLVING,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object, with all digits.", rich_help_panel=OUTPUT),
]
Out = Annotated[
    Path | None,
    option("FILE", "Write the allocation: .csv, .parquet or .json.", OUTPUT),
]
