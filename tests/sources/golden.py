"""One record of every format, as the venues' documentation shows it, and what must be read from
it.
"""

from __future__ import annotations

from typing import Any

HYPERLIQUID_POSITION: dict[str, Any] = {
    "type": "oneWay",
    "position": {
        "coin": "ETH",
        "szi": "0.0335",
        "entryPx": "2986.3",
        "leverage": {"type": "isolated", "value": 20, "rawUsd": "-95.059824"},
        "liquidationPx": "2866.26936529",
        "marginUsed": "4.967826",
        "maxLeverage": 50,
        "positionValue": "100.02765",
        "unrealizedPnl": "-0.0134",
    },
}
HYPERLIQUID = {
    "assetPositions": [HYPERLIQUID_POSITION],
    "crossMarginSummary": {"accountValue": "13104.514502"},
    "marginSummary": {
        "accountValue": "13109.482328",
        "totalNtlPos": "100.02765",
        "totalRawUsd": "13009.454678",
    },
    "time": 1708622398623,
}
CCXT = {
    "symbol": "BTC/USDT:USDT",
    "side": "long",
    "contracts": 5,
    "contractSize": 0.001,
    "entryPrice": 20000,
    "markPrice": 20050,
    "notional": 100.25,
    "leverage": 10,
    "collateral": 10.2,
    "initialMargin": 10,
    "maintenanceMargin": 0.5,
    "unrealizedPnl": 0.25,
    "marginMode": "cross",
    "hedged": False,
}
BINANCE = {
    "symbol": "ADAUSDT",
    "positionSide": "BOTH",
    "positionAmt": "30",
    "entryPrice": "0.385",
    "markPrice": "0.41047590",
    "unRealizedProfit": "0.76427700",
    "liquidationPrice": "0",
    "isolatedMargin": "0",
    "notional": "12.31427700",
    "marginAsset": "USDT",
    "isolatedWallet": "0",
    "initialMargin": "0.61571385",
    "maintMargin": "0.08004280",
    "adl": 2,
    "updateTime": 1720736417660,
}
BYBIT = {
    "symbol": "BTCUSDT",
    "side": "Sell",
    "size": "0.3",
    "avgPrice": "27464.5",
    "positionValue": "8239.35",
    "tradeMode": 1,
    "adlRankIndicator": 2,
    "leverage": "10",
    "positionBalance": "823.9",
    "markPrice": "28224.50",
    "liqPrice": "",
    "bustPrice": "999999.00",
    "positionMM": "41.2",
    "unrealisedPnl": "-228",
    "positionIdx": 0,
}
BYBIT_INVERSE = {
    "symbol": "BTCUSD",
    "side": "Sell",
    "size": "300",
    "avgPrice": "27464.50441675",
    "positionValue": "0.01092319",
    "tradeMode": 0,
    "adlRankIndicator": 2,
    "leverage": "10",
    "positionBalance": "0.00139186",
    "markPrice": "28224.50",
    "liqPrice": "",
    "bustPrice": "999999.00",
    "positionMM": "0.0000015",
    "unrealisedPnl": "-0.00029413",
}
HYPERREPLAY = {
    "user": "0xabc",
    "coin": "SOL",
    "time": 1760130900000,
    "adl_price": "180.5",
    "adl_size": "4",
    "adl_notional": "722",
    "closed_pnl": "158",
    "position_size": "-10",
    "entry_price": "220",
    "account_value_realtime": "900",
    "total_unrealized_pnl": "395",
    "total_equity": "1295",
    "is_negative_equity": "False",
    "leverage_realtime": "1.39",
    "position_unrealized_pnl": "395",
    "pnl_percent": "17.95",
    "liquidated_user": "0xdef",
}
TABLE = {
    "account": "a",
    "asset": "BTC",
    "size": -2.0,
    "equity": 50.0,
    "mark": 100.0,
    "margin_mode": "cross",
    "entry_price": 90.0,
}
