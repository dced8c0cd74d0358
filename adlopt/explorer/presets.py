"""The books that the explorer offers."""

from __future__ import annotations

from typing import Any

BTC, ETH = 67_000.0, 1_900.0

Account = tuple[str, float, dict[str, float], dict[str, float]]
"""Name, equity, and contracts and entry prices by asset."""


def presets() -> list[dict[str, Any]]:
    """Four books of growing interest, each with a setting to start from."""
    return [
        _preset(
            "A crash, three accounts",
            {"BTC": BTC},
            [
                ("A", 60_000.0, {"BTC": -4.0}, {"BTC": 82_000.0}),
                ("B", 110_000.0, {"BTC": -5.0}, {"BTC": 78_000.0}),
                ("C", 200_000.0, {"BTC": -6.0}, {"BTC": 90_000.0}),
                ("long", 150_000.0, {"BTC": 15.0}, {"BTC": 70_000.0}),
            ],
            reduction=330,
        ),
        _preset(
            "Six accounts",
            {"BTC": BTC},
            [
                ("A", 30_000.0, {"BTC": -3.0}, {"BTC": 71_000.0}),
                ("B", 50_000.0, {"BTC": -3.5}, {"BTC": 88_000.0}),
                ("C", 80_000.0, {"BTC": -4.0}, {"BTC": 69_000.0}),
                ("D", 120_000.0, {"BTC": -4.0}, {"BTC": 95_000.0}),
                ("E", 200_000.0, {"BTC": -4.5}, {"BTC": 84_000.0}),
                ("F", 300_000.0, {"BTC": -5.0}, {"BTC": 101_000.0}),
                ("long", 400_000.0, {"BTC": 24.0}, {"BTC": 66_000.0}),
            ],
            reduction=300,
        ),
        _preset(
            "The paper's four accounts",
            {"BTC": BTC, "ETH": ETH},
            [
                _paper("1", 137_500.0, -8.0, 72_000.0, -323.0, 2_100.0),
                _paper("2", 85_300.0, -10.0, 73_544.0, 38.7, 2_100.0),
                _paper("3", 75_400.0, -8.0, 80_000.0, -326.2, 1_904.0),
                _paper("4", 43_900.0, -7.0, 80_143.0, 190.0, 2_000.0),
            ],
            reduction=303,
        ),
        _preset(
            "A hedge that breaks",
            {"BTC": BTC, "ETH": ETH},
            [
                _pair("hedged", 60_000.0, -6.0, 75_000.0, 160.0, 1_950.0),
                _pair("half", 90_000.0, -6, 79_000, 80, 2_000),
                ("naked", 150_000.0, {"BTC": -6.0}, {"BTC": 72_000.0}),
                _pair("twice", 160_000.0, -3.0, 81_000.0, -120.0, 2_300.0),
            ],
            reduction=300,
        ),
    ]


def _paper(
    name: str, collateral: float, btc: float, btc_entry: float, eth: float, eth_entry: float
) -> Account:
    """An account of Campbell, Hey, Moallemi, Nutz, arXiv 2603.15963, section 4."""
    equity = collateral + btc * (BTC - btc_entry) + eth * (ETH - eth_entry)
    return _pair(name, equity, btc, btc_entry, eth, eth_entry)


def _pair(
    name: str, equity: float, btc: float, btc_entry: float, eth: float, eth_entry: float
) -> Account:
    """An account with positions in both coins."""
    return name, equity, {"BTC": btc, "ETH": eth}, {"BTC": btc_entry, "ETH": eth_entry}


def _preset(
    name: str,
    marks: dict[str, float],
    accounts: list[Account],
    *,
    reduction: int,
) -> dict[str, Any]:
    """A book, with its reduction in thousandths of the open interest of its shorts."""
    return {
        "name": name,
        "asset": "BTC",
        "side": -1,
        "reduction": reduction,
        "days": 10,
        "correlation": 0.85,
        "marks": marks,
        "volatility": {"BTC": 0.60, "ETH": 0.75},
        "accounts": [
            {"name": account, "equity": equity, "positions": positions, "entry": entry}
            for account, equity, positions, entry in accounts
        ],
    }
