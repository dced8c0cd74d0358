"""What every loader returns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape

import pandas as pd

from adlopt.model.book import Book


@dataclass(frozen=True, eq=False, repr=False)
class Loaded:
    """A book, and the rows that were not taken.

    Examples
    --------
    >>> import adlopt as adl
    >>> rows = [{"account": "a", "asset": "BTC", "size": -0.5, "equity": 10.0},
    ...         {"account": "b", "asset": "BTC", "size": "half", "equity": 10.0}]
    >>> loaded = adl.sources.tables.load(rows, marks={"BTC": 100.0})
    >>> loaded.book.account_names.tolist(), loaded.rejected["account"].tolist()
    (['a'], ['b'])
    """

    book: Book
    """Empty if no row could be taken."""
    rejected: pd.DataFrame
    """A row each: `record` (its place in what was loaded); `account`, `symbol`, `side` and `size`,
    as they were there; and the `reason`.
    """

    def to_frame(self) -> pd.DataFrame:
        """The book as one table, as `Book.to_frame`."""
        return self.book.to_frame()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"

    def __repr__(self) -> str:
        reasons = Counter(self.rejected["reason"])
        lines = [f"  {count:,} x {reason}" for reason, count in reasons.most_common(8)]
        more = [f"  ... {len(reasons) - 8:,} more reasons in .rejected"] if len(reasons) > 8 else []
        return "\n".join([f"{self.book!r}, {len(self.rejected):,} rows rejected", *lines, *more])
