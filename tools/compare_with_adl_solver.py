"""The paper's example by adlopt and by the authors' solver, side by side.

`python tools/compare_with_adl_solver.py PATH` takes a clone of nataschahey/adl-solver. Both
allocations are valued by adlopt: under one factor in closed form, under lognormal prices by an
integral and on a large sample.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

import adlopt as adl
from adlopt.model.losses import objective_value


def main(clone: str) -> None:
    """Print a row per price model and solver."""
    sys.path.insert(0, clone)
    from adl import solver  # type: ignore[import-not-found]

    positions, accounts = adl.examples.paper_tables()
    wide = positions.pivot_table(index="account", columns="asset", values=["size", "entry_price"])
    # The authors write short positions as positive.
    q = -wide["size"].to_numpy()
    entry = wide["entry_price"].to_numpy()
    margin = accounts.set_index("account")["collateral"].loc[wide.index].to_numpy()
    marks = np.array([67_000.0, 1_900.0])
    v = np.array(list(adl.examples.paper_direction().values()))
    common: dict[str, Any] = {
        "v": v,
        "sigma": np.array([0.6, 0.75]),
        "Delta": 10 / 365,
        "rho": 0.85,
    }
    book = adl.examples.paper_book()
    models: dict[str, adl.PriceModel] = {
        "one_factor": adl.OneFactor(dict(zip(("BTC", "ETH"), v, strict=True))),
        "gbm": adl.examples.paper_lognormal(),
    }
    for mode, prices in models.items():
        problem = adl.Problem(book, {"BTC": -10.0}, prices=prices)
        started = time.perf_counter()
        ours = adl.solve(problem)
        mine = time.perf_counter() - started
        started = time.perf_counter()
        x, *_ = solver.solve_adl(
            np.array([10.0, 0.0]), q, entry, marks, margin, mode=mode, **common
        )
        theirs = time.perf_counter() - started
        names = problem.positions["account"].tolist()
        reductions = np.array([-x[list(wide.index).index(name), 0] for name in names])
        print(f"{mode}: values by adlopt's {type(prices).__name__}")
        print(f"  adlopt      {ours.value:14.6f}  {mine:8.3f} s  proven gap {ours.gap:.1e}")
        value = objective_value(problem, reductions)
        missing = abs(reductions.sum() + 10.0)
        print(f"  adl-solver  {value:14.6f}  {theirs:8.3f} s  misses the sum by {missing:.1e}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/compare_with_adl_solver.py PATH_OF_THE_CLONE")
    main(sys.argv[1])
