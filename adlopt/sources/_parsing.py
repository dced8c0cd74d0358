"""Positions as parsed from a venue's records, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from adlopt.sources._records import Entry, Fields, RecordError


class Row(NamedTuple):
    """What identifies a record that is rejected."""

    record: int
    account: str
    symbol: object
    side: object
    size: object


@dataclass(frozen=True, slots=True)
class Holding:
    """One position as read: size > 0 for a long, money at the record's own mark."""

    row: Row
    asset: str
    size: float
    isolated: bool
    mark: float | None = None
    entry: float | None = None
    profit: float | None = None  # unrealised, if the record states it
    equity: float | None = None  # of an isolated position
    equity_at: float | None = None  # price at which that is its equity, if not its mark
    currency: str | None = None
    # Whether the venue keeps longs and shorts of one symbol apart; None if that is unknown.
    paired: bool | None = None

    @property
    def account(self) -> str:
        return self.row.account


@dataclass
class ParsedRecords:
    """Positions that could be read, rows that could not, and accounts of unknown risk."""

    holdings: list[Holding] = field(default_factory=list)
    rejected: list[tuple[Row, str]] = field(default_factory=list)
    unknown_accounts: dict[str, str] = field(default_factory=dict)  # account: why

    def reject(self, row: Row, reason: str, *, keeps_account: bool) -> None:
        self.rejected.append((row, reason))
        if not keeps_account:
            self.unknown_accounts.setdefault(
                row.account,
                f"another position of this account is not known (record {row.record}: {reason})",
            )


def gather(
    entries: Iterable[Entry],
    parse: Callable[[Fields, Row], Holding],
    symbol: str,
    side: str,
    size: str,
) -> ParsedRecords:
    """Read every record; `symbol`, `side` and `size` are the keys that identify one."""
    found = ParsedRecords()
    for index, account, record in entries:
        get = record.get if isinstance(record, Mapping) else lambda key: None
        row = Row(index, account, get(symbol), get(side), get(size))
        fields = None
        try:
            fields = Fields(record)
            fields.refuse_empty(size)
            holding = parse(fields, row)
            if holding.size == 0:  # the product of two small numbers
                raise RecordError("empty size", keeps_account=True)
            found.holdings.append(holding)
        except RecordError as error:
            found.reject(
                row,
                str(error),
                keeps_account=error.keeps_account or (fields is not None and fields.isolated),
            )
    return found
