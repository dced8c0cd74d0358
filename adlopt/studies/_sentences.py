"""The sentences of an explanation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

NEGLIGIBLE = 1e-9  # of the shadow price: a smaller saving is printed as zero


def sentences(
    account: Any,
    table: pd.DataFrame,
    remedies: pd.DataFrame,
    queue: str,
    *,
    what_if: bool,
) -> tuple[str, ...]:
    """What the tables of an `Explanation` say, in plain English."""
    if table.empty:
        return (
            f"Account {account}: nothing could be taken from it, because it has no solvent "
            "position on a side that had to be reduced.",
        )
    lines = []
    for _, row in table.iterrows():
        lines += [_taken(account, row), _leverage(row)]
        if np.isfinite(row["marginal_saving"]):
            lines.append(_marginal(row))
        amount = _contracts(row["queue_reduction"], row) if row["queue_reduction"] else "nothing"
        lines.append(f"{queue[:1].upper()}{queue[1:]} would have taken {amount}.")
    for _, row in remedies.iterrows():
        if what_if:
            lines.append(_remedy(row, several=len(remedies) > 1))
    return tuple(lines)


def _taken(account: Any, row: pd.Series[Any]) -> str:
    side = "short" if row["size"] < 0 else "long"
    held = f"{side} position of {_contracts(row['size'], row)}"
    if row["reduction"] == 0:
        return f"Account {account}: nothing was taken from its {held}."
    part = f"{100 * row['fraction']:.3g} %"
    taken = _contracts(row["reduction"], row)
    return f"Account {account}: {taken} ({part}) were taken from its {held}."


def _leverage(row: pd.Series[Any]) -> str:
    by_factor = np.isfinite(row["factor_leverage_before"])
    prefix, name = (
        (
            "factor_leverage",
            "factor leverage, the fraction of its equity that is lost per unit of the factor,",
        )
        if by_factor
        else ("leverage", "leverage, the value of its positions over its equity,")
    )
    before, after = row[f"{prefix}_before"], row[f"{prefix}_after"]
    level = row["level"]
    if row["reduction"] == 0:
        below = (
            f", below the level of {level:.4g} to which the accounts reduced in part were brought"
            if np.isfinite(level) and before < level
            else ""
        )
        return f"Its {name} is {before:.4g}{below}."
    text = f"Its {name} fell from {before:.4g} to {after:.4g}"
    if np.isfinite(level) and np.isclose(after, level, rtol=1e-6):
        text += ", the level to which all accounts reduced in part were brought"
    return text + "."


def _marginal(row: pd.Series[Any]) -> str:
    saving, price, asset = row["marginal_saving"], row["shadow_price"], row["asset"]
    if abs(saving) < NEGLIGIBLE * abs(price):
        saving = 0.0
    if row["reduction"] == 0:
        return (
            f"The first {asset} taken from it would have saved {saving:,.4g} of the objective, "
            f"{'less than' if saving < price else 'no more than'} the {price:,.4g} that the last "
            f"{asset} saved elsewhere."
        )
    return (
        f"The first {asset} taken from it saved {saving:,.4g} of the objective; the last {asset} "
        f"taken from any account saved {price:,.4g}."
    )


def _remedy(row: pd.Series[Any], *, several: bool) -> str:
    where = f" from its isolated {row['asset']} position" if several and row["asset"] else ""
    ways = []
    if np.isfinite(row["extra_equity"]):
        ways.append(f"{row['extra_equity']:,.6g} more equity")
    if np.isfinite(row["size_reduction"]):
        ways.append(f"positions {100 * row['size_reduction']:.4g} % smaller")
    if not ways:
        return (
            "Neither more equity nor smaller positions of this account alone could be shown to "
            f"avoid the reduction{where}."
        )
    return f"With {', or with '.join(ways)}, nothing would have had to be taken{where}."


def _contracts(amount: float, row: pd.Series[Any]) -> str:
    return f"{abs(amount):,.6g} {row['asset']}"
