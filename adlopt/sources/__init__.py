"""Books from the records that users hold: venues' position endpoints, ccxt, HyperReplay and plain
tables. No network calls.

Every module has a `load(...)` that returns a `Loaded`: the book, and the rows that were not taken,
each with its reason.
InputError is left for what is no such source at all, for marks that contradict each other and for
wrong arguments.

- Linear contracts in one settlement currency: the one asked for, or that of most positions. Others
are rejected.
- One mark per asset: the one given, or that of the last record that has one. Equity moves with it:
a position seen at another
  mark is revalued, exactly, since contracts are linear. Records' marks more than 10 % apart are an
  InputError.
- A hedge-mode pair of a cross account becomes one position, its sum: the account's equity knows no
other. The smaller side is
  listed as rejected. Of an isolated pair neither side is taken, since a book has one such position
  of an account and asset.
- If a position of a cross account cannot be read, none of that account's cross positions is taken:
its risk is not known
  without it. Empty positions, other currencies and inverse contracts, which are margined apart, are
  no such obstacle.
- If nothing could be taken the book is empty.
"""

from adlopt.sources import binance, bybit, ccxt, hyperliquid, hyperreplay, tables
from adlopt.sources.loaded import Loaded

__all__ = ["Loaded", "binance", "bybit", "ccxt", "hyperliquid", "hyperreplay", "tables"]
