"""Hyperliquid: states of accounts as the info endpoint's `clearinghouseState` gives them (all
numbers are strings there).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adlopt.sources._assemble import Marks, assemble
from adlopt.sources._parsing import Holding, ParsedRecords, Row, gather
from adlopt.sources._records import Entry, Fields, RecordError, entries, read
from adlopt.sources.loaded import Loaded

KEYS = (
    "assetPositions",
    "marginSummary",
    "crossMarginSummary",
    "clearinghouseState",
    "withdrawable",
)
MODES = {"cross": False, "isolated": True}


def load(states: object, *, account: str = "account", marks: Marks | None = None) -> Loaded:
    """A book from the states that Hyperliquid's clearinghouse endpoint returns.

    Sizes are signed (`szi`); the mark is positionValue / |szi|; a cross account's equity is
    crossMarginSummary.accountValue, an isolated position's is its value plus leverage.rawUsd
    (marginUsed if that is left out). A state's entry `user` or `account` names its account; else a
    single state is `account`, and those of a list are numbered from 1.

    Parameters
    ----------
    states : mapping, list of mappings or path
        One state, a list of states, a mapping from account to state, or a file (.json, .jsonl) of
        these.
    account : str, default "account"
        Name of a single state that has none.
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
    >>> position = {"coin": "BTC", "szi": "-0.5", "positionValue": "30000", "entryPx": "61000",
    ...             "leverage": {"type": "cross", "value": 10}}
    >>> state = {"assetPositions": [{"position": position}],
    ...          "crossMarginSummary": {"accountValue": "10000"}}
    >>> adl.sources.hyperliquid.load(state).book.marks.tolist()
    [60000.0]
    """
    found, equity = _read_states(list(entries(read(states), account, KEYS)), account)
    return assemble(found, equity=equity, marks=marks)


def _read_states(states: list[Entry], account: str) -> tuple[ParsedRecords, dict[str, float]]:
    """The positions in all states, and the cross equity of each account."""
    found = ParsedRecords()
    equity: dict[Any, Any] = {}
    seen: set[Any] = set()
    index = 0
    for entry in _named(states, account):
        positions: list[object] = []
        try:
            if entry.account in seen:
                raise RecordError(
                    "there is an earlier state of this account, which was taken", keeps_account=True
                )
            seen.add(entry.account)
            state = Fields(entry.record)
            positions = _positions(state)
            equity[entry.account] = _cross_equity(state)
        except RecordError as error:
            found.reject(
                Row(index, entry.account, None, None, None),
                str(error),
                keeps_account=error.keeps_account,
            )
        part = gather(
            (Entry(index + i, entry.account, p) for i, p in enumerate(map(_inner, positions))),
            _holding,
            "coin",
            "",
            "szi",
        )
        found.holdings += part.holdings
        found.rejected += part.rejected
        for name, reason in part.unknown_accounts.items():
            found.unknown_accounts.setdefault(name, reason)
        index += max(len(positions), 1)
    return found, equity


def _named(states: list[Entry], account: str) -> list[Entry]:
    """States by the names that they state, or numbered where several state none."""
    found = []
    for index, entry in enumerate(states):
        record = entry.record if isinstance(entry.record, Mapping) else {}
        user, name = record.get("user"), entry.account
        if isinstance(user, str) and user.strip():
            name = user
        elif name == account and len(states) > 1:
            name = str(index + 1)
        # Subscriptions wrap the state.
        found.append(Entry(index, name, record.get("clearinghouseState", entry.record)))
    return found


def _positions(state: Fields) -> list[object]:
    positions = state.record.get("assetPositions")
    if not isinstance(positions, list | tuple):
        raise RecordError(
            "'assetPositions' is missing; a clearinghouseState has a list of positions there"
        )
    return list(positions)


def _cross_equity(state: Fields) -> float:
    try:
        return Fields(state.record.get("crossMarginSummary")).number("accountValue")
    except RecordError as error:
        raise RecordError(f"crossMarginSummary: {error}") from None


def _inner(position: object) -> object:
    return position.get("position") if isinstance(position, Mapping) else position


def _holding(position: Fields, row: Row) -> Holding:
    leverage = Fields(position.record.get("leverage"))
    position.isolated = leverage.one_of("type", MODES)
    size = position.number("szi")
    value = position.number("positionValue")
    if value <= 0:
        raise RecordError(f"'positionValue' is {value:g}, not > 0; it is unsigned")
    equity = None
    if position.isolated:
        raw = leverage.optional("rawUsd")
        equity = (
            position.number("marginUsed") if raw is None else (value if size > 0 else -value) + raw
        )
    return Holding(
        row=row,
        asset=position.text("coin"),
        size=size,
        isolated=position.isolated,
        mark=_mark(value, size),
        entry=position.price("entryPx"),
        equity=equity,
        paired=False,
    )


def _mark(value: float, size: float) -> float:
    """Mark price behind a position's value; RecordError where the two cannot both be right."""
    mark = value / abs(size)
    Fields({"mark": mark}).price("mark")
    return mark


__all__ = ["load"]
