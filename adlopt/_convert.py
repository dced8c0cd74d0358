"""Which loader a format's name means, and the flags that it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adlopt import _tables as tables
from adlopt._flags import numbers, read_marks
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
    """Load a file by the flags of `adlopt convert`; those that the format's loader does not know are refused."""
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
    options = {name: (flag, value) for name, (flag, value) in given.items() if value not in (None, {}, [])}
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
        return tables.number(flag, entries[0])
    return numbers(flag, entries, "account") if entries else None
