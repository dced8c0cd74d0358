"""Two campaigns that are too long for the tests: conservation, and the optimum against rules.

python tools/crash_campaign.py conservation [COUNT]    10,000 random crashes by default
python tools/crash_campaign.py ordering [COUNT]        200 synthetic crashes by default
python tools/crash_campaign.py later [COUNT]           20 synthetic crashes by default

"ordering": after one wave the optimum under the true model has no larger expected loss at the
horizon it optimises than any rule; expected losses are estimated on fresh draws, paired. "later":
the same books go through further steps drawn from the model, where a rule may win.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import adlopt as adl
from adlopt import policies as rules
from adlopt._internal.arrays import FloatArray
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
        dict.fromkeys(book.assets, VOLATILITY),
        CORRELATION,
        horizon=HORIZON,
        points=points,
        seed=seed,
    )


def ordering(count: int) -> None:
    violated: int = 0
    ratios: dict[str, list[float]] = {name_of(rule): [] for rule in RULES}
    exchange = adl.Exchange(maintenance=0.0)
    for seed in range(count):
        book = adl.synthetic.crash(120, 3, seed=seed)
        still = pd.DataFrame([book.marks], columns=book.assets)
        moves, weights = model(book, 8192, 2).scenarios(book.assets, book.marks)

        def losses(rule: rules.Policy) -> FloatArray:
            end = adl.simulate(book, still, rule, exchange=exchange).book  # noqa: B023
            equity = end.equity[end.solvent][:, None] + _sizes(end)[end.solvent] @ moves.T  # noqa: B023
            return np.asarray(np.maximum(-equity, 0.0).sum(axis=0))

        least = losses(rules.Optimal(prices=model(book, 1024, 0)))
        for rule in RULES:
            gap = losses(rule) - least
            violated += bool(gap.mean() < -3 * gap.std(ddof=1) / np.sqrt(gap.size))
            ratios[name_of(rule)].append(float(weights @ (gap + least) / (weights @ least)))
    print(f"{count} crashes: the optimum is beaten beyond 3 standard errors {violated} times")
    print("median of rule's expected loss over the optimum's:")
    print({name: round(float(np.median(part)), 4) for name, part in ratios.items()})
    assert violated == 0


def later(count: int, steps: int = 3, paths: int = 10) -> None:
    wins: dict[str, list[bool]] = {name_of(rule): [] for rule in RULES}
    for seed in range(count):
        book = adl.synthetic.crash(120, 3, seed=seed)
        best = rules.Optimal(prices=model(book, 1024, 0))
        ahead = adl.paths.from_model(
            book, model(book, 4096, 1), steps=steps, count=paths, seed=seed
        )
        exchange = adl.Exchange(maintenance=0.0)
        test = adl.stress_test(book, ahead, [best, *RULES], exchange=exchange, workers=1)
        deficit = test.outcomes["deficit"].unstack("policy").mean()
        for name, part in wins.items():
            part.append(bool(deficit[name] < deficit["Optimal"]))
    print(f"share of {count} crashes of {steps} steps on which a rule leaves smaller deficits:")
    print({name: float(np.mean(part)) for name, part in wins.items()})


def _sizes(book: adl.Book) -> np.ndarray:
    dense = np.zeros((book.equity.size, len(book.assets)))
    np.add.at(dense, (book.pool, book.asset), book.size)
    return dense


if __name__ == "__main__":
    campaign = {
        "conservation": (conservation, 10_000),
        "ordering": (ordering, 200),
        "later": (later, 20),
    }
    work, default = campaign[sys.argv[1]]
    work(int(sys.argv[2]) if len(sys.argv) > 2 else default)
