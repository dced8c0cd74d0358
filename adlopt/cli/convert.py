"""The subcommand convert: the formats, their loaders, and the options that these take."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from adlopt._internal import validation
from adlopt.cli import options as opt
from adlopt.cli import output, render
from adlopt.cli.command import app
from adlopt.cli.options import option
from adlopt.cli.reading import numbers, read_marks
from adlopt.errors import InputError
from adlopt.sources import Loaded, binance, bybit, ccxt, hyperliquid, hyperreplay
from adlopt.sources import tables as table

FORMATS: dict[str, Callable[..., Loaded]] = {
    "hyperliquid": hyperliquid.load,
    "ccxt": ccxt.load,
    "binance": binance.load,
    "bybit": bybit.load,
    "hyperreplay": hyperreplay.load,
    "tables": table.load,
}
ACCOUNTS = {"ccxt": "balances", "binance": "wallet", "bybit": "equity", "tables": "accounts"}
"""The parameter that takes the venue's own answer about an account's money."""


Format = Annotated[
    str,
    typer.Argument(
        metavar="FORMAT",
        help=f"One of {', '.join(FORMATS)}.",
        autocompletion=lambda: list(FORMATS),
    ),
]
Source = Annotated[
    Path, typer.Argument(metavar="IN", help="Records: .json, .jsonl, .csv or .parquet.")
]
Book = Annotated[Path, typer.Argument(metavar="OUT", help="The book: .csv or .parquet.")]
AccountFile = Annotated[
    Path | None,
    option(
        "FILE",
        "The accounts' money: ccxt's fetch_balance, Binance's account, Bybit's "
        "wallet-balance, or a table of accounts.",
    ),
]
Equity = Annotated[
    list[str] | None,
    option("[ACCOUNT=]MONEY", "Equity of a cross account, with unrealized profit. Repeatable."),
]
Wallet = Annotated[
    list[str] | None,
    option("[ACCOUNT=]MONEY", "Equity of a cross account, without unrealized profit. Repeatable."),
]
AccountName = Annotated[
    str | None,
    option("NAME", "Account of records that name none. [default: account]"),
]
Currency = Annotated[
    list[str] | None,
    option(
        "NAME",
        "Settlement currency; if repeated, the currencies count as one. "
        "[default: the most frequent]",
    ),
]
MarginMode = Annotated[
    str | None,
    option("cross|isolated", "Margin mode of positions whose records do not state it."),
]
ContractSize = Annotated[
    list[str] | None,
    option("ASSET=SIZE", "Contract size of records that do not state it. Repeatable."),
]
MarkPrice = Annotated[
    list[str] | None,
    option("ASSET=PRICE", "Mark price; overrides --marks and the records. Repeatable."),
]
MarkFile = Annotated[Path | None, option("FILE", "Table of mark prices: asset, mark.")]
Rejected = Annotated[
    Path | None,
    option("FILE", "Write the rows that were not taken: .csv, .parquet or .json.", opt.OUTPUT),
]


@app.command(epilog="Example: adlopt convert ccxt positions.json book.csv --accounts balance.json")
def convert(
    format: Format,
    source: Source,
    out: Book,
    accounts: AccountFile = None,
    equity: Equity = None,
    wallet: Wallet = None,
    account: AccountName = None,
    currency: Currency = None,
    margin: MarginMode = None,
    contract_size: ContractSize = None,
    mark: MarkPrice = None,
    marks: MarkFile = None,
    rejected: Rejected = None,
    json: opt.Json = False,
) -> None:
    """Turn a venue's records into a book, and state for every other row why it was not taken."""
    output.check_writable(out, "OUT", (".csv", ".parquet"))
    output.check_writable(rejected, "--rejected")
    inputs = (source, accounts, marks)
    output.refuse_inputs(out, inputs, "OUT")
    output.refuse_inputs(rejected, (*inputs, out), "--rejected")
    price = (read_marks(marks) if marks else {}) | numbers("--mark", mark or [])
    loaded = load_records(
        format,
        source,
        accounts=accounts,
        options={
            "account": ("--account", account),
            "currency": ("--currency", currency),
            "margin": ("--margin", margin),
            "contract_sizes": ("--contract-size", numbers("--contract-size", contract_size or [])),
            "equity": ("--equity", _money("--equity", equity)),
            "wallet": ("--wallet", _money("--wallet", wallet)),
            "marks": ("--mark", price),
        },
    )
    _write(loaded, source, out, rejected)
    if json:
        print(render.loaded_json(loaded, out))
    else:
        render.show_loaded(render.console(), loaded, out)


def _write(loaded: Loaded, source: Path, out: Path, rejected: Path | None) -> None:
    """The book, and the rows that were not taken."""
    if rejected is not None:
        texts = {name: str for name in ("symbol", "side", "size")}
        output.write(loaded.rejected.astype(texts), rejected, "--rejected")
    if loaded.book.size.size == 0:
        reasons = loaded.rejected["reason"]
        raise InputError(
            f"{source}: no position could be taken"
            + (f"; the first: {reasons.iloc[0]}" if len(reasons) else "")
        )
    output.write(loaded.book.to_frame(), out, "OUT")


def load_records(
    format: str, source: Path, *, accounts: Path | None, options: dict[str, tuple[str, Any]]
) -> Loaded:
    """Load a file with the loader of its format.

    Parameters
    ----------
    options
        Arguments of the loader: the flag and the value of each. Values that are None or empty were
        not given; those that the loader does not take are refused.
    """
    if format not in FORMATS:
        raise InputError(f"format {format!r} is unknown; use one of {', '.join(FORMATS)}")
    _, margin = options["margin"]
    if margin not in (None, "cross", "isolated"):
        raise InputError(f"--margin {margin!r}: expected 'cross' or 'isolated'")
    given = {name: entry for name, entry in options.items() if entry[1] not in (None, {}, [])}
    if accounts is not None:
        name = ACCOUNTS.get(format, "accounts")
        if name in given:
            raise InputError(f"--accounts and {given[name][0]} are alternatives; give one")
        given[name] = ("--accounts", str(accounts))
    known = inspect.signature(FORMATS[format]).parameters
    for name, (flag, _) in given.items():
        if name not in known:
            raise InputError(f"{flag} has no effect on {format}: its records state this; omit it")
    return FORMATS[format](source, **{name: value for name, (_, value) in given.items()})


def _money(flag: str, entries: list[str] | None) -> float | dict[str, float] | None:
    """A number, or numbers by account."""
    if entries is not None and len(entries) == 1 and "=" not in entries[0]:
        return validation.read_number(flag, entries[0])
    return numbers(flag, entries, "account") if entries else None
