"""Campaigns that are too long for the tests: conservation, the optimum against rules, fund sizes.

python tools/crash_campaign.py conservation [COUNT]    10,000 random crashes by default
python tools/crash_campaign.py ordering [COUNT]        200 synthetic crashes by default
python tools/crash_campaign.py later [COUNT]          200 synthetic crashes by default
python tools/crash_campaign.py fund [COUNT]           200 replications by default

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
from adlopt.simulation.fund_size import exceeded_with, quantile_interval
from adlopt.simulation.run import run
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


def later(count: int, steps: int = 5, paths: int = 4) -> None:
    """Deficits after each step: the optimum looks one step ahead, so step 2 is its horizon."""
    names = ["Optimal", *(name_of(rule) for rule in RULES)]
    total = np.zeros((count, len(names), paths, steps))  # deficits up to each step
    rise = np.zeros((count, paths))  # of the mean price, over the whole path
    exchange = adl.Exchange(maintenance=0.0)
    for seed in range(count):
        book = adl.synthetic.crash(120, 3, seed=seed)
        best = rules.Optimal(prices=model(book, 1024, 0))
        ahead = adl.paths.from_model(
            book, model(book, 4096, 1), steps=steps, count=paths, seed=seed
        )
        rise[seed] = np.log(ahead.prices[:, -1] / book.marks).mean(axis=1)
        for at, rule in enumerate((best, *RULES)):
            for path in range(paths):
                _, played = run(book, ahead[path], rule, exchange)
                total[seed, at, path] = np.cumsum([step.deficit for step in played])
    # In units of each crash's deficit under the optimum, so that no large book decides.
    unit = total[:, 0, :, -1].mean(axis=1)[:, None, None, None]
    gap = np.divide(total - total[:, :1], unit, where=unit > 0, out=np.zeros(total.shape))
    print(f"{count} crashes of {steps} steps, {paths} paths each")
    print("further deficit than under the optimum, share of the optimum's whole deficit; (error)")
    for at, name in enumerate(names[1:], start=1):
        parts = []
        for step in range(1, steps):
            mean = gap[:, at, :, step].mean(axis=1)
            parts.append(f"{mean.mean():+.4f} ({mean.std(ddof=1) / np.sqrt(count):.4f})")
        final = gap[:, at, :, -1]
        by_crash = final.mean(axis=1)
        print(f"{name:32} after step 2 to {steps}: {'  '.join(parts)}")
        print(
            f"{'':32} smaller on {np.mean(by_crash < 0):.0%} of crashes, larger on "
            f"{np.mean(by_crash > 0):.0%}; prices rise: {final[rise > 0].mean():+.4f}, "
            f"fall: {final[rise <= 0].mean():+.4f}"
        )


def fund(count: int, paths: int = 100, probability: float = 0.1) -> None:
    """How often the 90 % interval of a fund size covers the quantile that 20,000 other paths of the
    same crash have; replications share no path.
    """
    book = adl.synthetic.crash(30, 1, seed=1)
    reference = 20_000
    ahead = adl.paths.flash_crash(book, steps=3, count=reference + count * paths, seed=7)
    for rule in (rules.ProRata(), rules.Hyperliquid()):
        needs = adl.stress_test(book, ahead, [rule]).outcomes["fund_needed"].to_numpy()
        true = exceeded_with(needs[:reference], probability)
        covered, width = 0, []
        for part in np.split(needs[reference:], count):
            low, high = quantile_interval(part, probability, 0.9)
            covered += int(low <= true <= high)
            width.append((high - low) / true)
        print(
            f"{name_of(rule)}: the 90 % interval covers {true:,.0f} in {covered} of {count} "
            f"replications of {paths} paths; median width {np.median(width):.1%} of it"
        )


def _sizes(book: adl.Book) -> np.ndarray:
    dense = np.zeros((book.equity.size, len(book.assets)))
    np.add.at(dense, (book.pool, book.asset), book.size)
    return dense


if __name__ == "__main__":
    campaign = {
        "conservation": (conservation, 10_000),
        "ordering": (ordering, 200),
        "later": (later, 200),
        "fund": (fund, 200),
    }
    work, default = campaign[sys.argv[1]]
    work(int(sys.argv[2]) if len(sys.argv) > 2 else default)
