"""The subcommand convert: which loader a format's name means, and the flags that it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from adlopt._internal import validation
from adlopt.cli import render
from adlopt.cli.command import OUTPUT, Json, app
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


@app.command(epilog="Example: adlopt convert ccxt positions.json book.csv --accounts balance.json")
def convert(
    format: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help=f"One of {', '.join(FORMATS)}.",
            autocompletion=lambda: list(FORMATS),
        ),
    ],
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Records: .json, .jsonl, .csv or .parquet.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The book: .csv or .parquet.")],
    accounts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The accounts' money: ccxt's fetch_balance, Binance's account, Bybit's wallet-balance, a table of accounts.",
        ),
    ] = None,
    equity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[ACCOUNT=]MONEY",
            help="Of a cross account, with unrealised profit. Repeatable.",
        ),
    ] = None,
    wallet: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[ACCOUNT=]MONEY", help="The same without unrealised profit. Repeatable."
        ),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of records that bring none. [default: account]"),
    ] = None,
    currency: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Settlement currency; several count as one. [default: the most frequent]",
        ),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(metavar="cross|isolated", help="Margin mode of positions that do not tell."),
    ] = None,
    contract_size: Annotated[
        list[str] | None,
        typer.Option(metavar="ASSET=SIZE", help="Where records leave it out. Repeatable."),
    ] = None,
    mark: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ASSET=PRICE", help="Mark price; overrides --marks and the records. Repeatable."
        ),
    ] = None,
    marks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Mark prices: asset, mark.")
    ] = None,
    rejected: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the rows not taken: .csv, .parquet or .json.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Turn a venue's records into a book, and name every row that was not taken and why."""
    render.check_writable(out, "OUT", (".csv", ".parquet"))
    render.check_writable(rejected, "--rejected")
    loaded = load_records(
        format,
        source,
        accounts=accounts,
        equity=equity,
        wallet=wallet,
        account=account,
        currency=currency,
        margin=margin,
        contract_size=contract_size,
        mark=mark,
        marks=marks,
    )
    if rejected is not None:
        texts = {name: str for name in ("symbol", "side", "size")}
        render.write(loaded.rejected.astype(texts), rejected, "--rejected")
    if loaded.book.size.size == 0:
        reasons = loaded.rejected["reason"]
        raise InputError(
            f"{source}: no position could be taken"
            + (f"; the first: {reasons.iloc[0]}" if len(reasons) else "")
        )
    render.write(loaded.book.to_frame(), out, "OUT")
    if json:
        print(render.loaded_json(loaded, out))
    else:
        render.show_loaded(render.console(), loaded, out)


def load_records(
    format: str,
    source: Path,
    *,
    accounts: Path | None,
    equity: list[str] | None,
    wallet: list[str] | None,
    account: str | None,
    currency: list[str] | None,
    margin: str | None,
    contract_size: list[str] | None,
    mark: list[str] | None,
    marks: Path | None,
) -> Loaded:
    """Load a file by the flags of `adlopt convert`; those that the format's loader does not know
    are refused.
    """
    if format not in FORMATS:
        raise InputError(f"format {format!r} is unknown; use one of {', '.join(FORMATS)}")
    if margin not in (None, "cross", "isolated"):
        raise InputError(f"--margin {margin!r} is neither 'cross' nor 'isolated'")
    price = (read_marks(marks) if marks else {}) | numbers("--mark", mark or [])
    given: dict[str, tuple[str, Any]] = {
        "account": ("--account", account),
        "currency": ("--currency", currency),
        "margin": ("--margin", margin),
        "contract_sizes": ("--contract-size", numbers("--contract-size", contract_size or [])),
        "equity": ("--equity", _money("--equity", equity)),
        "wallet": ("--wallet", _money("--wallet", wallet)),
        "marks": ("--mark", price),
    }
    options = {
        name: (flag, value) for name, (flag, value) in given.items() if value not in (None, {}, [])
    }
    if accounts is not None:
        name = ACCOUNTS.get(format, "accounts")
        if name in options:
            raise InputError(f"--accounts and {options[name][0]} say the same; give one")
        options[name] = ("--accounts", str(accounts))
    known = inspect.signature(FORMATS[format]).parameters
    for name, (flag, _) in options.items():
        if name not in known:
            raise InputError(f"{flag} has no effect on {format}, whose records tell; leave it out")
    return FORMATS[format](source, **{name: value for name, (_, value) in options.items()})


def _money(flag: str, entries: list[str] | None) -> float | dict[str, float] | None:
    """A number, or numbers by account."""
    if entries is not None and len(entries) == 1 and "=" not in entries[0]:
        return validation.read_number(flag, entries[0])
    return numbers(flag, entries, "account") if entries else None
