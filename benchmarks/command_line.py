"""Claim: `adlopt solve` on a Parquet book of a million isolated positions takes under 15 seconds
and 3 GiB, start to end.

The alternative reads the same table with pandas, and does nothing with it.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measure import Row, Size, alone

SECONDS, MEMORY_MIB = 15.0, 3072.0


def run(size: Size) -> Iterator[Row]:
    positions = size.pick(1_000, 1_000_000, 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        path = write_book(positions, Path(folder))
        solve = ["-m", "adlopt", "solve", str(path), "--reduce", "BTC=-30%"]
        commands = {
            "pandas reads the table": ["-c", f"import pandas; pandas.read_parquet({str(path)!r})"],
            "adlopt solve": solve,
            "adlopt solve --json": [*solve, "--json"],
            "adlopt solve --out": [*solve, "--out", str(path.with_name("allocation.parquet"))],
        }
        for what, arguments in commands.items():
            (seconds, memory), _ = alone(finished, arguments)
            met = seconds <= SECONDS and memory <= MEMORY_MIB if what == "adlopt solve" else None
            yield Row(
                what, f"{positions:,} positions", seconds, {"MiB": f"{memory:.0f}"}, holds=met
            )


def finished(arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak MiB of a Python process with these arguments."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def write_book(positions: int, folder: Path) -> Path:
    """Isolated positions in five assets, leverages and equities over orders of magnitude, accounts
    named like wallets.
    """
    rng = np.random.default_rng(0)
    marks = pd.Series({"BTC": 67_000.0, "ETH": 1_900.0, "SOL": 150.0, "XRP": 0.5, "DOGE": 0.1})
    asset = rng.integers(0, len(marks), positions)
    equity = np.exp(rng.normal(9.0, 2.0, positions))
    notional = equity * np.clip(np.exp(rng.normal(0.7, 1.0, positions)), 0.05, 40.0)
    mark = marks.to_numpy()[asset]
    table = {
        "account": [f"0x{at:040x}" for at in range(positions)],
        "asset": marks.index[asset],
        "size": np.where(rng.random(positions) < 0.5, -1.0, 1.0) * notional / mark,
        "margin_mode": "isolated",
        "equity": equity,
        "mark": mark,
    }
    path = folder / "book.parquet"
    pd.DataFrame(table).to_parquet(path, index=False)
    return path
