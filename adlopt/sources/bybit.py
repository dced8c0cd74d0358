"""Bybit: positions as `/v5/position/list` gives them (unsigned sizes and a side, numbers as
strings, some of them empty).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial

from adlopt._internal import validation
from adlopt.errors import InputError
from adlopt.model.book import Margin
from adlopt.sources._assemble import Marks, Money, assemble
from adlopt.sources._parsing import Holding, Row, gather
from adlopt.sources._records import Fields, RecordError, entries, read
from adlopt.sources.loaded import Loaded

KEYS = ("symbol", "side", "size", "positionIdx", "avgPrice", "markPrice")
SIDES = {"buy": 1.0, "sell": -1.0}
INVERSE = re.compile(
    r"[A-Z0-9]+USD([FGHJKMNQUVXZ]\d{2})?"
)  # a month's letter and a year: a dated future
OPTION = re.compile(r".+-\d+[A-Z]{3}\d{2}-[\d.]+-[CP](-[A-Z]+)?")
USDT, USDC = (
    re.compile(r".+USDT(-\d+[A-Z]{3}\d{2})?"),
    re.compile(r".+PERP|[A-Z0-9]+-\d+[A-Z]{3}\d{2}|.+USDC"),
)


def load(
    positions: object,
    equity: object = None,
    *,
    wallet: Money | None = None,
    account: str = "account",
    currency: str | Iterable[str] | None = None,
    margin: Margin | None = None,
    marks: Marks | None = None,
) -> Loaded:
    """A book from the answer of Bybit's position endpoint.

    Only linear contracts are taken: inverse ones are valued in coin. An isolated position's equity
    is positionBalance + unrealisedPnl.

    Parameters
    ----------
    positions : mapping, list of mappings or path
        The endpoint's answer, a position, a list of them, a mapping from account to any, or a .json
        or .jsonl file.
    equity : float, mapping or path, optional
        Of cross accounts, with unrealised profit: a number, numbers by account, or the answer of
        `/v5/account/wallet-balance` (its totalEquity), by account if there are several.
    wallet : float or mapping from account to float, optional
        The same without unrealised profit, instead of `equity`.
    account : str, default "account"
        Name of positions that state none (a list from one API key).
    currency : str or iterable of str, optional
        Settlement currency, or several that count as one; by default that of most positions.
    margin : {"cross", "isolated"}, optional
        Margin mode of all. A unified account in isolated mode needs it: its tradeMode is 0 too.
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
    >>> position = {"symbol": "BTCUSDT", "side": "Sell", "size": "0.5", "markPrice": "60000",
    ...             "avgPrice": "61000", "tradeMode": 0}
    >>> adl.sources.bybit.load(position, 10_000.0).book.size.tolist()
    [-0.5]
    """
    records = entries(_unwrapped(read(positions)), account, KEYS)
    found = gather(records, partial(_holding, margin=margin), "symbol", "side", "size")
    equity = _equities(read(equity), account)
    remedy = "; give equity or wallet"
    return assemble(
        found, equity=equity, wallet=wallet, marks=marks, currency=currency, remedy=remedy
    )


def _holding(record: Fields, row: Row, margin: Margin | None) -> Holding:
    record.isolated = _isolated(record, margin)
    symbol = record.text("symbol")
    size = _size(record)
    return Holding(
        row=row,
        asset=symbol,
        size=size,
        isolated=record.isolated,
        mark=record.price("markPrice"),
        entry=record.entry_price("avgPrice"),
        profit=record.optional("unrealisedPnl"),
        equity=record.number("positionBalance") + record.number("unrealisedPnl")
        if record.isolated
        else None,
        currency=_currency(record, symbol),
        paired=_paired(record),
    )


def _unwrapped(source: object) -> object:
    """The positions within an answer, each with the answer's category; answers by account, or
    several, likewise.
    """
    if isinstance(source, Mapping):
        result = source.get("result", source)
        if isinstance(result, Mapping) and isinstance(result.get("list"), list | tuple):
            told = {"category": result["category"]} if "category" in result else {}
            return [told | dict(row) if isinstance(row, Mapping) else row for row in result["list"]]
        if "retCode" in source:
            raise InputError(
                "bybit: the answer has no list of positions: "
                f"{source.get('retMsg') or 'no message'}"
            )
        if not any(key in source for key in KEYS):
            return {name: _unwrapped(held) for name, held in source.items()}
    return source


def _isolated(record: Fields, margin: Margin | None) -> bool:
    if margin is not None:
        return margin == "isolated"
    mode = record.number("tradeMode")
    if mode not in (0, 1):
        raise RecordError(f"'tradeMode' is {mode:g}, neither 0 (cross) nor 1 (isolated)")
    return mode == 1


def _size(record: Fields) -> float:
    if record.number("size") < 0:
        raise RecordError(
            f"'size' is {record.number('size'):g}, and a size is unsigned beside 'side'"
        )
    return record.size_of_side("size", "side", SIDES)


def _paired(record: Fields) -> bool | None:
    """Whether the position is one of a hedge-mode pair, and on its own side of it."""
    if not record.has("positionIdx"):
        return None
    index = record.number("positionIdx")
    if index not in (0, 1, 2):
        raise RecordError(f"'positionIdx' is {index:g}, none of 0, 1, 2")
    if index and SIDES[record.text("side").lower()] != (1 if index == 1 else -1):
        raise RecordError(
            f"'positionIdx' is {index:g}, but 'side' says {record.text('side')}: they contradict "
            "each other"
        )
    return index != 0


def _currency(record: Fields, symbol: str) -> str:
    category = record.text("category").lower() if record.has("category") else ""
    if category == "inverse" or INVERSE.fullmatch(symbol):
        raise RecordError(f"inverse contract: {symbol} is valued in coin", keeps_account=True)
    if category == "option" or OPTION.fullmatch(symbol):
        raise RecordError("an option: its value is not linear in the price")
    for name, pattern in (("USDT", USDT), ("USDC", USDC)):
        if pattern.fullmatch(symbol):
            return name
    raise RecordError(f"{symbol!r} does not state the settlement currency")


def _equities(given: object, account: str) -> Money | None:
    """Equity by account, out of what the user has."""
    if given is None or isinstance(given, int | float | str):
        return None if given is None else validation.read_number("equity", given)
    if not isinstance(given, Mapping):
        raise InputError(
            "equity: expected a number, numbers by account, or the answer of "
            "/v5/account/wallet-balance"
        )
    if "result" in given or "totalEquity" in given or "list" in given:
        return {account: _total("equity", given)}
    return {
        str(name): _total(f"equity, account {name!r}", held) if isinstance(held, Mapping) else held
        for name, held in given.items()
    }


def _total(what: str, given: Mapping[str, object]) -> float:
    result = given.get("result", given)
    held = result.get("list", [result]) if isinstance(result, Mapping) else None
    first = held[0] if isinstance(held, list) and held else None
    if not isinstance(first, Mapping) or "totalEquity" not in first:
        raise InputError(f"{what}: there is no totalEquity")
    return validation.read_number(f"{what}, totalEquity", first["totalEquity"])
