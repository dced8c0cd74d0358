"""ccxt: unified positions as `fetch_positions()` returns them, and balances as `fetch_balance()`
does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import partial

from adlopt._internal import validation
from adlopt.errors import InputError
from adlopt.model.book import Margin
from adlopt.sources._assemble import Marks, Money, assemble, settlement
from adlopt.sources._parsing import Holding, Row, gather
from adlopt.sources._records import Fields, RecordError, entries, read
from adlopt.sources.loaded import Loaded

KEYS = ("symbol", "side", "contracts", "contractSize", "notional", "marginMode", "info")
SIDES = {"long": 1.0, "short": -1.0, "buy": 1.0, "sell": -1.0}
MODES = {"cross": False, "crossed": False, "isolated": True}
SYMBOL = re.compile(
    r"(?P<base>[^/:]+)/(?P<quote>[^/:]+):(?P<settle>[^/:-]+)(?P<option>-\d+-[\d.]+-[CP])?(?:-\d+)?"
)

REMEDY = "; give balances, equity or wallet"


def load(
    positions: object,
    balances: object = None,
    *,
    equity: Money | None = None,
    wallet: Money | None = None,
    account: str = "account",
    currency: str | Iterable[str] | None = None,
    margin: Margin | None = None,
    contract_sizes: Mapping[str, float] | None = None,
    marks: Marks | None = None,
) -> Loaded:
    """A book from the positions that ccxt returns; assets are its symbols ("BTC/USDT:USDT").

    Size is |contracts| x contractSize with the sign of `side`. An isolated position's equity is its
    `collateral`, which includes unrealised profit.

    Parameters
    ----------
    positions : mapping, list of mappings or path
        One position, a list of them, a mapping from account to either, or a .json or .jsonl file.
    balances : mapping or path, optional
        The result of fetch_balance, or a mapping from account to such: the settlement currency's
        `total` is the cross equity. If it leaves unrealised profit out, give `wallet` instead.
    equity, wallet : float or mapping from account to float, optional
        Of cross accounts, with or without unrealised profit.
    account : str, default "account"
        Name of positions that state none (a list from one API key).
    currency : str or iterable of str, optional
        Settlement currency, or several that count as one; by default that of most positions.
    margin, contract_sizes : {"cross", "isolated"} and mapping from symbol to float, optional
        For records without a margin mode or contractSize.
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
    >>> position = {"symbol": "BTC/USDT:USDT", "side": "short", "contracts": 5, "contractSize": 0.1,
    ...             "markPrice": 60_000.0, "marginMode": "cross"}
    >>> adl.sources.ccxt.load(position, equity=10_000.0).book.size.tolist()
    [-0.5]
    """
    holding = partial(_holding, margin=margin, multipliers=_contract_sizes(contract_sizes))
    found = gather(entries(read(positions), account, KEYS), holding, "symbol", "side", "contracts")
    settled = settlement(found, currency)
    equity = _equity(equity, balances, account, settled)
    money = {"equity": equity, "wallet": wallet}
    return assemble(found, **money, marks=marks, currency=settled, remedy=REMEDY)


def _equity(
    equity: Money | None, balances: object, account: str, settled: set[str]
) -> Money | None:
    """The equity given, or that in balances."""
    if balances is None:
        return equity
    if equity is not None:
        raise InputError("ccxt: balances and equity are alternatives; give one")
    return _totals(read(balances), account, settled)


def _holding(
    record: Fields, row: Row, margin: Margin | None, multipliers: Mapping[str, float]
) -> Holding:
    record.isolated = _isolated(record, margin)
    symbol = record.text("symbol")
    settle = _settle(symbol)
    contracts = record.size_of_side("contracts", "side", SIDES)
    size = contracts * _multiplier(record, multipliers.get(symbol))
    hedged = record.record.get("hedged")
    return Holding(
        row=row,
        asset=symbol,
        size=size,
        isolated=record.isolated,
        mark=record.price("markPrice"),
        entry=record.entry_price("entryPrice"),
        profit=record.optional("unrealizedPnl"),
        equity=record.number("collateral") if record.isolated else None,
        currency=settle,
        paired=hedged if isinstance(hedged, bool) else None,
    )


def _contract_sizes(given: Mapping[str, float] | None) -> dict[str, float]:
    sizes = {
        name: validation.read_number(f"contract_sizes, {name!r}", size)
        for name, size in (given or {}).items()
    }
    for name, size in sizes.items():
        if size <= 0:
            raise InputError(f"contract_sizes, {name!r}: {size:g} is not > 0")
    return sizes


def _isolated(record: Fields, margin: Margin | None) -> bool:
    """Margin mode as told; older versions of ccxt have a flag `isolated` instead."""
    if record.has("marginMode"):
        return bool(record.one_of("marginMode", MODES))
    flag = record.record.get("isolated")
    if isinstance(flag, bool):
        return flag
    if margin is None:
        raise RecordError(
            "'marginMode' is missing; give margin='cross' or margin='isolated' if you know it"
        )
    return margin == "isolated"


def _settle(symbol: str) -> str:
    """Settlement currency of a linear contract's symbol."""
    parts = SYMBOL.fullmatch(symbol)
    if parts is None:
        raise RecordError(
            f"{symbol!r} is not the symbol of a swap or future, such as BTC/USDT:USDT"
        )
    if parts["option"]:
        raise RecordError("an option: its value is not linear in the price")
    if parts["settle"] == parts["base"]:
        raise RecordError(
            f"inverse contract: {symbol} settles in the {parts['base']} that it is on",
            keeps_account=True,
        )
    if parts["settle"] != parts["quote"]:
        raise RecordError(
            f"quanto contract: {symbol} is quoted in {parts['quote']} but settles in "
            f"{parts['settle']}"
        )
    return parts["settle"]


def _multiplier(record: Fields, given: float | None) -> float:
    if given is not None and not record.has("contractSize"):
        return given
    if not record.has("contractSize"):
        raise RecordError("'contractSize' is missing; give contract_sizes")
    size = record.number("contractSize")
    if size <= 0:
        raise RecordError(f"'contractSize' is {size:g}, not > 0")
    return size


def _totals(balances: object, account: str, currencies: Collection[str]) -> dict[str, float]:
    """Total of the settlement currencies by account."""
    if not isinstance(balances, Mapping):
        raise InputError(
            "ccxt: balances must be what fetch_balance() returns, or a mapping of accounts to such"
        )
    if not currencies:  # nothing to settle
        return {}
    given = (
        {account: balances}
        if any(key in balances for key in ("total", "info", *currencies))
        else balances
    )
    return {
        str(name): _total(f"balances, account {name!r}", balance, currencies)
        for name, balance in given.items()
    }


def _total(what: str, balance: object, currencies: Collection[str]) -> float:
    """Sum over the currencies of `total`, which stands by currency and within each currency's
    entry.
    """
    amounts = []
    for currency in currencies:
        totals = balance.get("total") if isinstance(balance, Mapping) else None
        own = balance.get(currency) if isinstance(balance, Mapping) else None
        for amount in (
            totals.get(currency) if isinstance(totals, Mapping) else None,
            own.get("total") if isinstance(own, Mapping) else None,
        ):
            if amount is not None:
                amounts.append(validation.read_number(f"{what}, {currency}", amount))
                break
    if not amounts:
        raise InputError(f"{what}: there is no total of {' or '.join(currencies)}")
    return sum(amounts)
