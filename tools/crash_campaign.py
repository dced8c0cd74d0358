"""Two campaigns that are too long for the tests: conservation, and the optimum against rules.

python tools/crash_campaign.py conservation [COUNT]    10,000 random crashes by default
python tools/crash_campaign.py ordering [COUNT]        200 synthetic crashes by default

"ordering": after one wave the optimum under the true model has no larger expected loss at the
horizon it optimises than any rule; expected losses are estimated on fresh draws, paired. Then the
same books go through later steps, where a rule may win.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import adlopt as adl
from adlopt import policies as rules
from adlopt.policies.protocol import name_of
from tests.simulation.random_crashes import conservation_error, random_crash

VOLATILITY, CORRELATION, HORIZON = 1.2, 0.7, 1 / 52
RULES = (
    rules.Hyperliquid(),
    rules.BitMEX(),
    rules.ProRata(),
    rules.RiskAware(),
    rules.MinimaxLeverage(),
)


def conservation(count: int) -> None:
    worst = max((conservation_error(random_crash(seed)), seed) for seed in range(count))
    print(f"{count:,} crashes: largest relative error {worst[0]:.2g} (seed {worst[1]})")
    assert worst[0] < 1e-9


def model(book: adl.Book, points: int, seed: int) -> adl.LogNormal:
    return adl.LogNormal(
        dict.fromkeys(book.assets, VOLATILITY), CORRELATION, HORIZON, points=points, seed=seed
    )


def ordering(count: int, later: int = 2, paths: int = 10) -> None:
    rows = []
    for seed in range(count):
        book = adl.synthetic.crash(120, 3, seed=seed)
        best = rules.Optimal(prices=model(book, 1024, 0))
        still = pd.DataFrame([book.marks], columns=book.assets)
        exchange = adl.Exchange(maintenance=0.0)
        ahead = adl.paths.from_model(
            book, model(book, 4096, 1), steps=1 + later, count=paths, seed=seed
        )
        for rule in (best, *RULES):
            first = adl.simulate(book, still, rule, exchange=exchange).book
            fresh = first.solvent
            moves, weights = model(book, 8192, 2).scenarios(first.assets, first.marks)
            equity = first.equity[fresh][:, None] + _sizes(first)[fresh] @ moves.T
            loss = np.maximum(-equity, 0.0).sum(axis=0)
            rows.append((seed, name_of(rule), float(weights @ loss), loss))
        chosen = {name_of(rule): rule for rule in (best, *RULES)}
        test = adl.stress_test(book, ahead, chosen, exchange=exchange, workers=1)
        wins = test.outcomes["deficit"].unstack("policy").mean()
        rows[-len(chosen) :] = [(*row, wins[row[1]]) for row in rows[-len(chosen) :]]
    violated, ratios, later_wins = 0, {}, {}
    for at in range(0, len(rows), len(RULES) + 1):
        optimum, *others = rows[at : at + len(RULES) + 1]
        for _, name, mean, loss, total in others:
            gap = loss - optimum[3]
            error = gap.std(ddof=1) / np.sqrt(gap.size)
            violated += gap.mean() < -3 * error
            ratios.setdefault(name, []).append(mean / max(optimum[2], 1e-300))
            later_wins.setdefault(name, []).append(total < optimum[4])
    print(f"{count} crashes: the optimum is beaten beyond 3 standard errors {violated} times")
    table = pd.DataFrame(
        {
            "median_loss_over_optimum": {name: np.median(part) for name, part in ratios.items()},
            "wins_over_all_steps": {name: np.mean(part) for name, part in later_wins.items()},
        }
    )
    print(table.round(4).to_string())
    assert violated == 0


def _sizes(book: adl.Book) -> np.ndarray:
    dense = np.zeros((book.equity.size, len(book.assets)))
    np.add.at(dense, (book.pool, book.asset), book.size)
    return dense


if __name__ == "__main__":
    campaign = {"conservation": (conservation, 10_000), "ordering": (ordering, 200)}
    work, default = campaign[sys.argv[1]]
    work(int(sys.argv[2]) if len(sys.argv) > 2 else default)
