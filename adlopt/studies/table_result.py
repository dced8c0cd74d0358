"""The common style of results whose content is one table."""

from __future__ import annotations

from html import escape

import pandas as pd

MAX_ROWS = 40  # shown; the table itself has all


class TableResult:
    """Base of frozen dataclasses with a field `table`: how they print and convert."""

    table: pd.DataFrame

    @property
    def _heading(self) -> str:
        """One line above the table."""
        return type(self).__name__

    @property
    def _notes(self) -> list[str]:
        """Lines below the table."""
        return []

    @property
    def _indexed(self) -> bool:
        """Whether the index carries names that must be shown."""
        return not isinstance(self.table.index, pd.RangeIndex)

    def to_frame(self) -> pd.DataFrame:
        """A copy of the table."""
        return self.table.copy()

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        text = self.table.to_string(
            float_format="{:,.6g}".format, max_rows=MAX_ROWS, index=self._indexed
        )
        return "\n".join([self._heading, text, *self._notes])

    def _repr_html_(self) -> str:
        table = self.table.to_html(
            float_format="{:,.6g}".format, max_rows=MAX_ROWS, index=self._indexed
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self._notes)
        return f"<p>{escape(self._heading)}</p>{table}{notes}"
