"""HyperReplay: reconstructed auto-deleveraging events of Hyperliquid (its `adl_detailed_analysis`
table).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from adlopt.errors import InputError
from adlopt.sources._assemble import Marks, assemble
from adlopt.sources._parsing import Holding, ParsedRecords, Row, gather
from adlopt.sources._records import Entry, Fields, RecordError, entries, missing, read
from adlopt.sources.loaded import Loaded

NEEDED = ("user", "coin", "position_size", "adl_price")


def load(events: object, *, marks: Marks | None = None) -> Loaded:
    """A book of the accounts that were reduced, as their first events found them.

    Accounts are cross-margined, with equity total_equity, else account_value_realtime +
    total_unrealized_pnl. The mark of a coin is the adl_price of its first event unless `marks` has
    it. Events are not a snapshot of one moment: of a position and of an account the first row
    counts, and later ones are rejected. Filter by `time` first for a book that is consistent.

    Parameters
    ----------
    events : DataFrame or path of a .csv file
        HyperReplay's table adl_detailed_analysis; the one by user has no sizes.
    marks : mapping from coin to float, optional

    Returns
    -------
    Loaded
        The book, and the rows that were not taken, each with its reason.

    Raises
    ------
    InputError
        The table is not adl_detailed_analysis.

    Examples
    --------
    >>> import adlopt as adl
    >>> import pandas as pd
    >>> events = pd.DataFrame({"user": ["a"], "coin": "BTC", "position_size": -0.5, "adl_size": 0.1,
    ...                        "adl_price": 60_000.0, "total_equity": 10_000.0})
    >>> adl.sources.hyperreplay.load(events).book.size.tolist()
    [-0.5]
    """
    rows = list(entries(read(events), "account", NEEDED))
    _require_columns(rows)
    found = ParsedRecords()
    part = gather(_first(rows, found), _holdings_at_first_price(), "coin", "side", "position_size")
    found.holdings, found.unknown_accounts = part.holdings, part.unknown_accounts
    found.rejected += part.rejected
    return assemble(found, equity=_equity(rows, found), marks=marks)


def _require_columns(rows: list[Entry]) -> None:
    """Raise InputError unless the records have the columns of adl_detailed_analysis."""
    names = [row.record.keys() for row in rows if isinstance(row.record, Mapping)]
    for column in NEEDED:
        if names and not any(column in keys for keys in names):
            raise InputError(
                f"hyperreplay: column {column!r} is missing; the table adl_detailed_analysis has "
                f"{', '.join(NEEDED)}"
            )


def _holdings_at_first_price() -> Callable[[Fields, Row], Holding]:
    """Reads an event as a position, marked at the price of its coin's first event."""
    price: dict[str, float] = {}

    def holding(event: Fields, row: Row) -> Holding:
        size = event.number("position_size")
        coin, mark = event.text("coin"), event.price("adl_price")
        if mark is None:
            raise RecordError("'adl_price' is missing; a number is needed")
        return Holding(
            row=row,
            asset=coin,
            size=size,
            isolated=False,
            mark=price.setdefault(coin, mark),
            entry=event.entry_price("entry_price"),
            profit=event.optional("position_unrealized_pnl"),
            paired=False,
        )

    return holding


def _first(rows: list[Entry], found: ParsedRecords) -> Iterator[Entry]:
    """The first event of every position, under its user's name; later ones are rejected."""
    seen = set()
    for index, _, record in rows:
        event = record if isinstance(record, Mapping) else {}
        user, coin = event.get("user"), event.get("coin")
        if missing(user) or not isinstance(user, str):
            found.reject(
                Row(index, "", coin, None, event.get("position_size")),
                "'user' is missing",
                keeps_account=True,
            )
        elif isinstance(coin, str) and (user, coin) in seen:
            row = Row(index, user, coin, None, event.get("position_size"))
            found.reject(
                row, "a later event of the same position; the first one counts", keeps_account=True
            )
        else:
            if isinstance(coin, str):
                seen.add((user, coin))
            yield Entry(index, user, record)


def _equity(rows: list[Entry], found: ParsedRecords) -> dict[str, float]:
    """Equity by user, at the first event that was not rejected."""
    taken = {h.row.record for h in found.holdings}
    equity: dict[str, float] = {}
    for index, _, record in rows:
        user = record.get("user") if isinstance(record, Mapping) else None
        if (
            index not in taken
            or not isinstance(user, str)
            or user in equity
            or user in found.unknown_accounts
        ):
            continue
        try:
            equity[user] = _total(Fields(record))
        except RecordError as error:
            found.unknown_accounts[user] = str(error)
    return equity


def _total(event: Fields) -> float:
    if event.has("total_equity"):
        return event.number("total_equity")
    return event.number("account_value_realtime") + event.number("total_unrealized_pnl")
