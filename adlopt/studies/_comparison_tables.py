"""Tables of a comparison: from measures, from and to JSON, and as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def table_of(rows: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row per policy, a column per measure, each of its own type; None becomes NaN."""
    names = next(iter(rows.values())).keys()
    columns = {
        column: [np.nan if row[column] is None else row[column] for row in rows.values()]
        for column in names
    }
    return pd.DataFrame(columns, index=pd.Index(list(rows), name="policy"))


def allocation_of(records: list[dict[str, Any]]) -> pd.DataFrame:
    """An allocation table from its rows, with the column types of `Solution.allocation`."""
    table = pd.DataFrame(records)
    margin_mode = pd.Categorical(table["margin_mode"], categories=["cross", "isolated"])
    return table.assign(margin_mode=margin_mode)


def as_json_values(value: Any) -> Any:
    """Values that JSON has: no numpy types, no NaN or infinity."""
    if isinstance(value, dict):
        return {str(key): as_json_values(part) for key, part in value.items()}
    if isinstance(value, list):
        return [as_json_values(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_text(block: pd.DataFrame) -> pd.DataFrame:
    """The numbers of a block, with as few digits as distinguish the rows."""
    columns = {name: [_format_cell(value) for value in block[name]] for name in block.columns}
    return pd.DataFrame(columns, index=block.index)


def _format_cell(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "NO"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if np.isnan(value):
        return "-"
    value = value + 0.0  # no negative zero
    if abs(value) >= 1e5:
        return f"{value:,.0f}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.1f}"
