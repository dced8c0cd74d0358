"""Rules of oss_adl and of adlopt on the same books, side by side.

`python tools/compare_with_oss_adl.py PATH` takes a clone of
pluriholonomic/autodeleveraging-analysis. Two of its rules allocate in contracts: pro rata in whole
contracts, and a queue by any score. Both answer for the paper's four accounts and for a synthetic
crash; adlopt values all answers.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import adlopt as adl
from adlopt.model.losses import objective_value
from adlopt.policies import features


def main(clone: str) -> None:
    """Print a row per book and rule."""
    sys.path.insert(0, str(Path(clone) / "src"))
    from oss_adl.adl_contract_pro_rata import (  # type: ignore[import-not-found]
        ContractPosition,
        contracts_pro_rata_close_integer,
    )
    from oss_adl.queue_overshoot import allocate_priority  # type: ignore[import-not-found]

    books = {
        "paper's four accounts": (adl.examples.paper_problem(), "BTC"),
        "400 accounts, a crash": (crash_in_whole_contracts(), "A0"),
    }
    for name, (problem, contract) in books.items():
        sizes = problem.book.size[problem.eligible]
        required, sign = abs(problem.reduction[contract]), np.sign(problem.reduction[contract])
        whole, *_ = contracts_pro_rata_close_integer(
            [ContractPosition(str(row), size) for row, size in enumerate(sizes)],
            required_contracts=required,
            loss_per_contract_usd=1.0,
            eligible_side="long" if problem.reduction[contract] > 0 else "short",
        )
        queue = allocate_priority(
            budget=required, capacities=np.abs(sizes), scores=features.leverage(problem)
        )
        ours = adl.policies.Queue(features.leverage).reductions(problem)
        pro_rata = adl.policies.ProRata().reductions(problem)
        rows = {
            "oss_adl: pro rata, whole contracts": sign * whole,
            "adlopt:  pro rata, fractional": pro_rata,
            "oss_adl: queue by leverage": sign * queue,
            "adlopt:  queue by leverage": ours,
            "adlopt:  optimum": adl.solve(problem).allocation["reduction"].to_numpy(),
        }
        print(f"{name}: {required:,.6g} contracts")
        for rule, reductions in rows.items():
            value = objective_value(problem, reductions)
            missing = abs(abs(reductions.sum()) - required)
            print(f"  {rule:36} {value:14,.2f}   misses the sum by {missing:.1g}")


def crash_in_whole_contracts() -> adl.Problem:
    """Half of the shorts of a synthetic book, in contracts of a thousandth."""
    table = adl.synthetic.crash(400, 1, seed=1).to_frame()
    table["size"] = (1_000 * table["size"]).round()
    table["mark"] /= 1_000
    book = adl.Book.from_frame(table[table["size"] != 0])
    shorts = -table["size"][(table["size"] < 0) & (table["equity"] > 0)].sum()
    prices = adl.OneFactor({"A0": 0.3 * float(book.marks[0])})
    return adl.Problem(book, {"A0": -float(round(0.5 * shorts))}, prices=prices)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/compare_with_oss_adl.py PATH_OF_CLONE")
    main(sys.argv[1])
