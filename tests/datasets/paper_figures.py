"""The paper's four accounts and what is known of them.

The accounts are those of Campbell, Hey, Moallemi and Nutz, arXiv 2603.15963, section 4, with signs
flipped to long > 0. The optima for one factor are the figures of the authors' notebook
(adl-solver, examples/numerical_example.ipynb, MIT license); the losses for lognormal prices were
computed for this project by one-dimensional integration.
"""

from __future__ import annotations

from typing import Any

ACCOUNTS = [  # account, collateral, BTC size and entry price, ETH size and entry price
    ("1", 137_500.0, (-8.0, 72_000.0), (-323.0, 2_100.0)),
    ("2", 85_300.0, (-10.0, 73_544.0), (38.7, 2_100.0)),
    ("3", 75_400.0, (-8.0, 80_000.0), (-326.2, 1_904.0)),
    ("4", 43_900.0, (-7.0, 80_143.0), (190.0, 2_000.0)),
]
ASSETS = ("BTC", "ETH")
MARKS = (67_000.0, 1_900.0)
VOLATILITY = (0.60, 0.75)
CORRELATION = 0.85
HORIZON = 10 / 365

FACTS: dict[str, Any] = {
    "equity": [242_100.0, 143_000.0, 180_704.8, 116_901.0],
    "gross_leverage": [4.74886411, 5.19951049, 6.39595628, 7.10002481],
    "factor_direction": [6_653.95029235, 200.55736389],
    "factor_leverage": [0.48744994, 0.4110345, 0.65661462, 0.07246946],
    "one_factor": {
        "-5": {
            "expected_loss": 1_539.6968,
            "btc": [-0.2324, 0.0, -4.7676, 0.0],
            "water_level": 0.48106193,
            "shadow_price": 305.9614,
        },
        "-10": {
            "expected_loss": 500.4633,
            "btc": [-3.0158, -0.1391, -6.8451, 0.0],
            "water_level": 0.40456263,
            "shadow_price": 125.1004,
        },
        "-20": {
            "expected_loss": 57.9695,
            "btc": [-8.0, -4.0, -8.0, 0.0],
            "water_level": 0.22491,
        },
    },
    "lognormal_exact": {
        "before any reduction, per account": [2_162.4908, 345.6623, 5_660.7769, 0.0755],
        "-10, optimum": {"expected_loss": 2_194.8896, "btc": [-2.7598, 0.0, -7.2402, 0.0]},
    },
}
