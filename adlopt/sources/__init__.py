"""Books from the records that users hold: venues' position endpoints, ccxt, HyperReplay and plain tables. No network calls.

Every module has a `load(...)` that returns a `Loaded`: the book, and the rows that were not taken, each with its reason.
"""

from adlopt.sources import binance, bybit, ccxt, hyperliquid, hyperreplay, tables
from adlopt.sources._assemble import Loaded

__all__ = ["Loaded", "binance", "bybit", "ccxt", "hyperliquid", "hyperreplay", "tables"]
