"""Binance USD-M futures: positions as `positionRisk` gives them (version 3, and 2), with the
account's wallet beside.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from adlopt._internal import validation
from adlopt.errors import InputError
from adlopt.sources._assemble import Marks, Money, assemble, settlement
from adlopt.sources._parsing import Holding, Row, gather
from adlopt.sources._records import Fields, RecordError, entries, read
from adlopt.sources.loaded import Loaded

KEYS = ("symbol", "positionSide", "positionAmt", "markPrice", "entryPrice")
SIDES = {"both": 0.0, "long": 1.0, "short": -1.0}
MODES = {"cross": False, "isolated": True}
COIN_MARGINED = re.compile(r".*USD_(PERP|\d{6})")
QUOTE = re.compile(r".*?(USDT|USDC|BUSD|FDUSD|USD1)(_\d{6})?")


def load(
    positions: object,
    wallet: object = None,
    *,
    equity: Money | None = None,
    account: str = "account",
    currency: str | Iterable[str] | None = None,
    marks: Marks | None = None,
) -> Loaded:
    """A book from the answer of Binance's position endpoint.

    `positionAmt` is signed. A position is isolated if its isolatedMargin or isolatedWallet is not
    zero (version 2 states it in marginType); its equity is isolatedMargin, else isolatedWallet +
    unRealizedProfit.

    Parameters
    ----------
    positions : mapping, list of mappings, DataFrame or path
        One position, a list of them, a mapping from account to either, or a file (.json, .jsonl,
        .csv) of these.
    wallet : float, mapping or path, optional
        The cross wallet, without unrealised profit: a number, numbers by account, or the account
        endpoint's answer (`assets`, or the balance list), read for the settlement currency's
        crossWalletBalance; by account if there are several.
    equity : float or mapping from account to float, optional
        Of cross accounts, with unrealised profit, instead of `wallet`.
    account : str, default "account"
        Name of positions that state none (a list from one API key).
    currency : str or iterable of str, optional
        Settlement currency, or several that count as one; by default that of most positions.
    marks : mapping from symbol to float, optional
        Prices; the records' own if left out.

    Returns
    -------
    Loaded
        The book, and the rows that were not taken, each with its reason.

    Raises
    ------
    InputError
        There are no positions at all, marks of an asset differ by more than 10 %, or an argument is
        wrong.

    Examples
    --------
    >>> import adlopt as adl
    >>> position = {"symbol": "BTCUSDT", "positionAmt": "-0.5", "markPrice": "60000",
    ...             "entryPrice": "61000", "marginType": "cross"}
    >>> adl.sources.binance.load(position, equity=10_000.0).book.size.tolist()
    [-0.5]
    """
    records = entries(read(positions), account, KEYS)
    found = gather(records, _holding, "symbol", "positionSide", "positionAmt")
    settled = settlement(found, currency)
    wallet = _wallets(read(wallet), account, settled)
    remedy = "; give wallet or equity"
    return assemble(
        found, equity=equity, wallet=wallet, marks=marks, currency=settled, remedy=remedy
    )


def _holding(record: Fields, row: Row) -> Holding:
    record.isolated = _isolated(record)
    symbol = record.text("symbol")
    size = record.number("positionAmt")
    sign = record.one_of("positionSide", SIDES) if record.has("positionSide") else 0.0
    if sign * size < 0:
        raise RecordError(
            f"'positionAmt' is {size:g}, but 'positionSide' says "
            f"{record.record['positionSide']}: they contradict each other"
        )
    profit = record.optional("unRealizedProfit")
    return Holding(
        row=row,
        asset=symbol,
        size=size,
        isolated=record.isolated,
        mark=record.price("markPrice"),
        entry=record.entry_price("entryPrice"),
        profit=profit,
        equity=_isolated_equity(record) if record.isolated else None,
        currency=_currency(record, symbol),
        paired=sign != 0,
    )


def _isolated(record: Fields) -> bool:
    if record.has("marginType"):
        return bool(record.one_of("marginType", MODES))
    if not record.has("isolatedMargin") and not record.has("isolatedWallet"):
        raise RecordError(
            "'isolatedMargin' and 'isolatedWallet' are missing; they tell the margin mode"
        )
    return bool(record.optional("isolatedMargin")) or bool(record.optional("isolatedWallet"))


def _isolated_equity(record: Fields) -> float:
    margin = record.optional("isolatedMargin")
    return margin if margin else record.number("isolatedWallet") + record.number("unRealizedProfit")


def _currency(record: Fields, symbol: str) -> str:
    """Settlement currency: version 2 tells it by the symbol alone."""
    if COIN_MARGINED.fullmatch(symbol):
        raise RecordError(f"inverse contract: {symbol} is margined in coin", keeps_account=True)
    if record.has("marginAsset"):
        asset = record.text("marginAsset")
        if symbol.startswith(asset) and not symbol.endswith(asset):
            raise RecordError(f"inverse contract: {symbol} settles in {asset}", keeps_account=True)
        return asset
    parts = QUOTE.fullmatch(symbol)
    if parts is None:
        raise RecordError(
            f"'marginAsset' is missing, and {symbol!r} does not tell the settlement currency"
        )
    return parts[1]


def _wallets(given: object, account: str, currencies: Collection[str]) -> Money | None:
    """The cross wallet's balance by account, out of what the user has."""
    if given is None or isinstance(given, int | float | str):
        return None if given is None else validation.read_number("wallet", given)
    if isinstance(given, list | tuple) or (isinstance(given, Mapping) and "assets" in given):
        return {account: _balance("wallet", given, currencies)}
    if not isinstance(given, Mapping):
        raise InputError(
            "wallet: a number, numbers by account, or the account endpoint's answer is needed"
        )
    return {
        str(name): _balance(f"wallet, account {name!r}", held, currencies)
        if isinstance(held, Mapping | list)
        else held
        for name, held in given.items()
    }


def _balance(what: str, given: object, currencies: Collection[str]) -> float:
    """Sum of crossWalletBalance over the settlement currencies."""
    assets = given.get("assets") if isinstance(given, Mapping) else given
    rows = (
        [row for row in assets if isinstance(row, Mapping)]
        if isinstance(assets, list | tuple)
        else []
    )
    held = [row for row in rows if row.get("asset") in set(currencies)]
    if not held and currencies:
        raise InputError(f"{what}: there is no entry for {' or '.join(currencies)}")
    return sum(
        validation.read_number(
            f"{what}, {row['asset']}, crossWalletBalance", row.get("crossWalletBalance")
        )
        for row in held
    )
