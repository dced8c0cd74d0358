"""Plain tables: CSV, Parquet, JSON and JSON lines with the columns of `Book.from_frame`, row by
row.
"""

from __future__ import annotations

from collections.abc import Mapping

from adlopt._internal import validation
from adlopt.errors import InputError
from adlopt.sources._assemble import Marks, assemble
from adlopt.sources._parsing import Holding, ParsedRecords, Row, gather
from adlopt.sources._records import Fields, RecordError, entries, missing, read
from adlopt.sources.loaded import Loaded

KEYS = ("account", "asset", "size")
MODES = {"cross": False, "isolated": True}


def load(positions: object, accounts: object = None, *, marks: Marks | None = None) -> Loaded:
    """A book from a table of positions, and of accounts.

    Columns are those of `Book.from_frame`, which raises for the first bad row of a table; here such
    rows are rejected.

    Parameters
    ----------
    positions : DataFrame, list of rows or path
        A file is .csv, .parquet, .json or .jsonl.
    accounts : DataFrame, list of rows or path, optional
        Equity or collateral by account.
    marks : mapping from asset to float, optional
        Prices; the column `mark` if left out.

    Returns
    -------
    Loaded
        The book, and the rows that were not taken, each with its reason.

    Raises
    ------
    InputError
        A column that is needed is missing, the table of accounts is wrong, or marks of an asset
        differ by more than 10 %.

    Examples
    --------
    >>> import adlopt as adl
    >>> rows = [{"account": "a", "asset": "BTC", "size": -0.5, "equity": 10.0},
    ...         {"account": "b", "asset": "BTC", "size": "half", "equity": 10.0}]
    >>> loaded = adl.sources.tables.load(rows, marks={"BTC": 100.0})
    >>> len(loaded.book.size), len(loaded.rejected)
    (1, 1)
    """
    rows = list(entries(read(positions), "", KEYS))
    for column in KEYS:
        if rows and not any(
            isinstance(row.record, Mapping) and column in row.record for row in rows
        ):
            raise InputError(f"positions: column {column!r} is missing")
    equity, wallet = _accounts(read(accounts)) if accounts is not None else ({}, {})
    found = gather(rows, _holding, "asset", "margin_mode", "size")
    return assemble(
        found,
        equity=_stated(found, equity, wallet),
        wallet=wallet,
        marks=marks,
        remedy="; give it in a column 'equity' or in the accounts",
    )


def _holding(record: Fields, row: Row) -> Holding:
    if record.has("margin_mode"):
        record.isolated = record.one_of("margin_mode", MODES)
    if not row.account:
        raise RecordError("'account' is missing", keeps_account=True)
    asset, size = record.text("asset"), record.number("size")
    mark, entry = record.price("mark"), record.price("entry_price")
    equity, valued_at = record.optional("equity"), mark
    if record.has("collateral") and not record.isolated:
        raise RecordError(
            "'collateral' is given for a cross position; put the collateral of a cross account "
            "into the accounts"
        )
    if record.isolated and equity is None:
        equity, valued_at = record.number("collateral"), entry
        if entry is None:
            raise RecordError("'entry_price' is missing; equity from collateral needs it")
    return Holding(
        row=row,
        asset=asset,
        size=size,
        isolated=record.isolated,
        mark=mark,
        entry=entry,
        equity=equity,
        equity_at=valued_at,
    )


def _stated(
    found: ParsedRecords, equity: dict[str, float], wallet: dict[str, float]
) -> dict[str, float]:
    """Equity by cross account, from the accounts and from the positions' rows, which must not
    contradict each other.
    """
    stated = dict(equity)
    for h in found.holdings:
        if h.isolated or h.equity is None or h.account in found.unknown_accounts:
            continue
        if h.account in wallet:
            found.unknown_accounts[h.account] = (
                "the positions give the account an equity, and the accounts a collateral; keep one"
            )
        elif stated.setdefault(h.account, h.equity) != h.equity:
            found.unknown_accounts[h.account] = (
                f"the account has equity {stated[h.account]:g} and {h.equity:g}; a cross account "
                "has one equity"
            )
    return {name: value for name, value in stated.items() if name not in wallet}


def _accounts(rows: object) -> tuple[dict[str, float], dict[str, float]]:
    """Equity, and collateral of those that give no equity."""
    equity: dict[str, float] = {}
    wallet: dict[str, float] = {}
    for index, account, record in entries(rows, "", ("account",)):
        what = f"accounts, row {index}"
        if not isinstance(record, Mapping) or not account:
            raise InputError(f"{what}: 'account' is missing")
        if account in equity or account in wallet:
            raise InputError(f"{what}: {account!r} appears twice; give each account one row")
        own = [key for key in ("equity", "collateral") if not missing(record.get(key))]
        if not own:
            raise InputError(f"{what}: 'equity' or 'collateral' of {account!r} is needed")
        target = equity if own[0] == "equity" else wallet
        target[account] = validation.read_number(f"{what}, {own[0]} of {account!r}", record[own[0]])
    return equity, wallet
