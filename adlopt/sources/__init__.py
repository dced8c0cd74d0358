"""Books from the records that users hold: venues' position endpoints, ccxt, HyperReplay and plain
tables. No network calls.

Every module has a `load(...)` that returns a `Loaded`: the book, and the rows that were not taken,
each with its reason. An InputError is raised for input that is not such a source, for marks that
contradict each other, and for wrong arguments.

- Linear contracts in one settlement currency: the one given, or that of most positions. Others are
  rejected.
- One mark per asset: the one given, or that of the last record that has one. Equity moves with it:
  a position recorded at another mark is revalued, exactly, because contracts are linear. Records'
  marks more than 10 % apart are an InputError.
- A hedge-mode pair of a cross account becomes one position, its sum, because the account's equity
  covers both. The smaller side is listed as rejected. Of an isolated pair neither side is taken: a
  book has one such position per account and asset.
- If a position of a cross account cannot be read, none of that account's cross positions is taken,
  because its risk is unknown without it. Empty positions, other currencies and inverse contracts,
  which are margined apart, do not have this effect.
- If nothing could be taken the book is empty.
"""

from adlopt.sources import binance, bybit, ccxt, hyperliquid, hyperreplay, tables
from adlopt.sources.loaded import Loaded

__all__ = ["Loaded", "binance", "bybit", "ccxt", "hyperliquid", "hyperreplay", "tables"]
