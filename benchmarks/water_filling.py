"""Claim: water-filling costs a small multiple of one pass over the accounts, and grows linearly.

The alternative is one numpy pass computing notional / equity over the same arrays, which any rule
by leverage needs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from adlopt.methods.water_level import drain
from benchmarks.measure import Row, Size, fastest

TARGET = {10**6: 25.0, 10**7: 15.0}  # times one numpy pass


def run(size: Size) -> Iterator[Row]:
    for accounts in size.pick((10**4,), (10**5, 10**6), (10**5, 10**6, 10**7)):
        rng = np.random.default_rng(0)
        equity = np.exp(rng.normal(9.0, 2.0, accounts))
        notional = equity * np.clip(np.exp(rng.normal(0.7, 1.0, accounts)), 0.05, 40.0)
        total = 0.3 * float(notional.sum())
        one_pass = fastest(np.divide, notional, equity)
        taken, level = drain(notional, equity, notional, total)
        seconds = fastest(drain, notional, equity, notional, total)
        ratio = seconds / one_pass
        yield Row(
            "water-filling",
            f"{accounts:,} accounts",
            seconds,
            {
                "numpy passes": f"{ratio:.1f}",
                "ns per account": f"{1e9 * seconds / accounts:.0f}",
                "error of the sum": f"{abs(taken.sum() / total - 1):.1g}",
                "level": f"{level:.6g}",
            },
            holds=ratio <= TARGET[accounts] if accounts in TARGET else None,
        )
