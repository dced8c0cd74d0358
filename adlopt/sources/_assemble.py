"""From parsed positions to a book: currency, marks, hedge-mode pairs, equity."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from adlopt._internal import validation
from adlopt.errors import InputError
from adlopt.model.book import Book
from adlopt.sources._parsing import Holding, ParsedRecords, Row
from adlopt.sources.loaded import Loaded

SPREAD = 1.1  # marks of one asset further apart than this are no snapshot of one moment
Marks: TypeAlias = "Mapping[str, float] | pd.Series[float]"
Money: TypeAlias = float | Mapping[str, Any]


UNKNOWN = "no equity is known for this cross account"


def assemble(
    found: ParsedRecords,
    *,
    equity: Money | None = None,
    wallet: Money | None = None,
    marks: Marks | None = None,
    currency: str | Iterable[str] | None = None,
    remedy: str = "",
) -> Loaded:
    """The book of what was read, by the rules that `adlopt.sources` states.

    Money is the cross accounts', by name, or one number for the only account; `equity` includes
    unrealised profit, `wallet` does not. `remedy` ends the reason of a rejection where there is
    none.
    """
    holdings = _in_one_currency(found, currency)
    holdings, mark = _marked(found, holdings, marks)
    held = _netted(found, holdings)
    accounts = list(dict.fromkeys(h.account for h in holdings if not h.isolated))
    pools = _equities(found, accounts, held, mark, equity, wallet, UNKNOWN + remedy)
    taken: list[Holding] = []
    for group in held:
        _take(found, group, pools, taken)
    for account in found.unknown_accounts:
        pools.pop(account, None)
    return Loaded(_book(taken, mark, pools), _rejected(found))


# ---------------------------------------------------------------------- currency and marks


def settlement(found: ParsedRecords, wanted: str | Iterable[str] | None) -> set[str]:
    """Settlement currencies of the book: those asked for, else the one that most positions settle
    in.
    """
    if wanted is not None:
        return {wanted} if isinstance(wanted, str) else set(wanted)
    currencies = Counter(h.currency for h in found.holdings if h.currency is not None)
    return {name for name, _ in currencies.most_common(1)}  # of equals the first


def _in_one_currency(found: ParsedRecords, wanted: str | Iterable[str] | None) -> list[Holding]:
    kept, left = settlement(found, wanted), []
    for h in found.holdings:
        if h.currency is None or h.currency in kept:
            left.append(h)
        else:
            reason = (
                f"settles in {h.currency}, not in {' or '.join(sorted(kept))}; load it by itself "
                f"with currency={h.currency!r}"
            )
            found.reject(h.row, reason, keeps_account=True)
    return left


def _marked(
    found: ParsedRecords, holdings: list[Holding], marks: Marks | None
) -> tuple[list[Holding], dict[str, float]]:
    """Holdings with a mark of their own or a common one, and the common marks."""
    given = (
        {} if marks is None else {str(name): _price(name, value) for name, value in marks.items()}
    )
    seen: dict[str, list[float]] = defaultdict(list)
    for h in holdings:
        if h.mark is not None:
            seen[h.asset].append(h.mark)
    mark = dict(given)
    for asset, prices in seen.items():
        if asset in given:
            continue
        if max(prices) > SPREAD * min(prices):
            raise InputError(
                f"the records' marks of {asset!r} run from {min(prices):g} to {max(prices):g}: the "
                "records are not of one moment; give the mark with "
                f"marks={{{asset!r}: ...}}"
            )
        mark[asset] = prices[-1]
    left = []
    for h in holdings:
        if h.asset in mark:
            left.append(h if h.mark is not None else replace(h, mark=mark[h.asset]))
        else:
            found.reject(
                h.row,
                f"no mark price of {h.asset!r} is known; give it with marks=",
                keeps_account=h.isolated,
            )
    return left, mark


def _price(name: object, value: object) -> float:
    price = validation.read_number(f"marks, asset {name!r}", value)
    if price <= 0:
        raise InputError(f"marks, asset {name!r}: {price:g} is not a price > 0")
    return price


# ---------------------------------------------------------------------- one position per account,
# asset and margin mode


class Group(NamedTuple):
    """What becomes one position: one holding, or both sides of a hedge-mode pair."""

    legs: list[Holding]

    @property
    def size(self) -> float:
        return sum(leg.size for leg in self.legs)


def _netted(found: ParsedRecords, holdings: list[Holding]) -> list[Group]:
    same: dict[tuple[str, str, bool], list[Holding]] = defaultdict(list)
    for h in holdings:
        same[h.account, h.asset, h.isolated].append(h)
    groups = []
    for (_, asset, isolated), legs in same.items():
        if len(legs) == 1:
            groups.append(Group(legs))
            continue
        pair = (
            len(legs) == 2
            and legs[0].size * legs[1].size < 0
            and all(leg.paired is not False for leg in legs)
        )
        if pair and not isolated:
            groups.append(Group(legs))
            continue
        reason = (
            f"hedge-mode pair: the venue keeps a long and a short of {asset!r}, each isolated; a "
            "book has one such position"
            if pair
            else f"{asset!r} appears {len(legs)} times for this account; the records do not say "
            "which one is current"
        )
        for leg in legs:
            found.reject(leg.row, reason, keeps_account=isolated)
    return groups


def _take(
    found: ParsedRecords, group: Group, pools: Mapping[str, float], taken: list[Holding]
) -> None:
    """Put a group's position among those taken, or its rows among those rejected."""
    first = group.legs[0]
    if not first.isolated and (
        first.account in found.unknown_accounts or first.account not in pools
    ):
        for leg in group.legs:
            found.reject(leg.row, found.unknown_accounts[first.account], keeps_account=True)
        return
    if len(group.legs) == 1:
        taken.append(first)
        return
    small, large = sorted(group.legs, key=lambda leg: abs(leg.size))
    sizes = " and ".join(f"{leg.size:+.12g}" for leg in group.legs)
    reason = (
        f"hedge-mode pair, kept as two positions by the venue: {sizes} count as "
        f"{group.size:+.12g} in their cross account"
    )
    found.reject(small.row, reason, keeps_account=True)
    if group.size != 0:
        taken.append(replace(large, size=group.size, entry=None))
    else:
        found.reject(large.row, reason, keeps_account=True)


# ---------------------------------------------------------------------- equity


def _equities(
    found: ParsedRecords,
    accounts: list[str],
    groups: list[Group],
    mark: Mapping[str, float],
    equity: Money | None,
    wallet: Money | None,
    unknown: str,
) -> dict[str, float]:
    """Equity at the common marks of every cross account for which it is known."""
    at_own_marks, without_profit = (
        money("equity", equity, accounts),
        money("wallet", wallet, accounts),
    )
    both = at_own_marks.keys() & without_profit.keys()
    if both:
        raise InputError(f"account {min(both)!r} has both equity and wallet; give one")
    legs: dict[str, list[Holding]] = defaultdict(list)
    for group in groups:
        if not group.legs[0].isolated:
            legs[group.legs[0].account] += group.legs
    known = {}
    for account in accounts:
        if account in at_own_marks:
            known[account] = at_own_marks[account] + sum(_shift(leg, mark) for leg in legs[account])
        elif account in without_profit:
            profits = [_profit(leg, mark) for leg in legs[account]]
            if None in profits:
                found.unknown_accounts.setdefault(
                    account, "a position has no entry price; equity from a wallet needs all"
                )
            else:
                known[account] = without_profit[account] + sum(
                    profit for profit in profits if profit is not None
                )
        else:
            found.unknown_accounts.setdefault(account, unknown)
    idle = {
        account: value
        for account, value in at_own_marks.items()
        if account not in known and account not in found.unknown_accounts
    }
    return known | idle


def money(what: str, given: Money | None, accounts: list[str]) -> dict[str, float]:
    """Numbers by account; a single number stands for the only one."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {
            str(name): validation.read_number(f"{what}, account {name!r}", value)
            for name, value in given.items()
        }
    if len(accounts) > 1:
        raise InputError(
            f"{what}: one number for {len(accounts)} cross accounts; give a mapping by account"
        )
    value = validation.read_number(what, given)
    return {name: value for name in accounts}


def _shift(leg: Holding, mark: Mapping[str, float]) -> float:
    """Profit from the price at which the record's money counts to the common mark."""
    price = leg.mark if leg.equity_at is None else leg.equity_at
    return 0.0 if price is None else leg.size * (mark[leg.asset] - price)


def _profit(leg: Holding, mark: Mapping[str, float]) -> float | None:
    """Unrealised profit at the common mark."""
    if leg.entry is not None:
        return leg.size * (mark[leg.asset] - leg.entry)
    return None if leg.profit is None else leg.profit + _shift(leg, mark)


# ---------------------------------------------------------------------- out


def _book(taken: list[Holding], mark: Mapping[str, float], pools: Mapping[str, float]) -> Book:
    """Cross accounts and isolated positions as pools, in the order in which they were read;
    accounts that hold nothing last.

    All that `Book.from_frame` would check holds by now, and of few records its tables would cost
    most of the time.
    """
    names: dict[str, int] = {}
    assets: dict[str, int] = {}
    cross: dict[str, int] = {}
    account: list[int] = []
    isolated: list[bool] = []
    equity: list[float] = []
    pool: list[int] = []
    for h in taken:
        if h.isolated or h.account not in cross:
            cross |= {} if h.isolated else {h.account: len(equity)}
            account.append(names.setdefault(h.account, len(names)))
            isolated.append(h.isolated)
            own = 0.0 if h.equity is None else h.equity
            equity.append(own + _shift(h, mark) if h.isolated else pools[h.account])
        pool.append(len(equity) - 1 if h.isolated else cross[h.account])
        assets.setdefault(h.asset, len(assets))
    for name in [name for name in pools if name not in cross]:
        account.append(names.setdefault(name, len(names)))
        isolated.append(False)
        equity.append(pools[name])
    order = np.argsort(np.array(pool, dtype=np.intp), kind="stable")
    entry = [np.nan if h.entry is None else h.entry for h in taken]
    return Book(
        assets=pd.Index(list(assets), dtype=object),
        marks=np.array([mark[name] for name in assets], dtype=float),
        account_names=pd.Index(list(names), dtype=object),
        pool_account=np.array(account, dtype=np.intp),
        isolated=np.array(isolated, dtype=bool),
        equity=np.array(equity, dtype=float),
        pool=np.array(pool, dtype=np.intp)[order],
        asset=np.array([assets[h.asset] for h in taken], dtype=np.intp)[order],
        size=np.array([h.size for h in taken], dtype=float)[order],
        entry_price=None if np.isnan(entry).all() else np.array(entry, dtype=float)[order],
    )


def _rejected(found: ParsedRecords) -> pd.DataFrame:
    rows = sorted(found.rejected, key=lambda entry: entry[0].record)
    frame = pd.DataFrame(
        [(*row, reason) for row, reason in rows], columns=[*Row._fields, "reason"], dtype=object
    )
    frame["record"] = frame["record"].astype(np.intp)
    return frame
