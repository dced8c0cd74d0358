"""Claim: crashes are cheap enough to try rules on. A thousand paths of ten steps with a thousand
accounts under six rules take at most three minutes on two processors, a hundred thousand accounts
over twenty steps ten seconds, and the optimum of ten waves at most five times one solve.

A path changes arrays in place and builds no table; a rule is given a real problem in each wave.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import adlopt as adl
from adlopt import policies as rules
from adlopt.simulation.run import run as play
from benchmarks.measure import Row, Size

MANY = 180.0  # seconds
LARGE = 10.0  # seconds
WAVES = 5.0  # times one solve


def run(size: Size) -> Iterator[Row]:
    yield _many_paths(*size.pick((60, 4), (1000, 100), (1000, 1000)), full=size.full)
    yield _large_book(size.pick(1000, 20_000, 100_000), full=size.full)
    yield _optimum(*size.pick((60, 50), (1000, 500), (10_000, 1000)), full=size.full)


def _six_rules(book: adl.Book) -> list[rules.Policy]:
    return [
        rules.Hyperliquid(),
        rules.BitMEX(),
        rules.ProRata(),
        rules.RiskAware(),
        rules.MinimaxLeverage(),
        rules.FactorLeverage(direction=dict(zip(book.assets, book.marks, strict=True))),
    ]


def _many_paths(accounts: int, count: int, *, full: bool) -> Row:
    book = adl.synthetic.crash(accounts, 3, seed=1)
    paths = adl.paths.flash_crash(book, fall=0.4, steps=10, count=count)
    exchange = adl.Exchange(fund=1e5, depth={"A0": 0.5, "A1": 10.0}, permanent_impact=0.02)
    started = time.perf_counter()
    test = adl.stress_test(book, paths, _six_rules(book), exchange=exchange, workers=2)
    seconds = time.perf_counter() - started
    waves = test.outcomes["waves"].sum()
    return Row(
        "six rules, two processes",
        f"{count:,} paths x 10 steps x {accounts:,} accounts",
        seconds,
        {"waves": f"{waves:,.0f}"},
        holds=seconds <= MANY if full else None,
    )


def _large_book(accounts: int, *, full: bool) -> Row:
    book = adl.synthetic.crash(accounts, 5, seed=1)
    path = adl.paths.staircase(book, fall=0.5, stairs=10, steps=20)
    rule = rules.Hyperliquid()
    started = time.perf_counter()
    crash = adl.simulate(book, path, rule, exchange=adl.Exchange(fund=1e6))
    seconds = time.perf_counter() - started
    return Row(
        str(rule),
        f"{accounts:,} accounts x 20 steps",
        seconds,
        {"waves": f"{crash.totals['waves']:.0f}"},
        holds=seconds <= LARGE if full else None,
    )


def _optimum(accounts: int, scenarios: int, *, full: bool) -> Row:
    """Ten waves of one book, against the first of them solved alone."""
    book = adl.synthetic.crash(accounts, 3, fall=0.2, seed=1)
    model = adl.LogNormal(
        dict.fromkeys(book.assets, 1.0),
        0.8,
        horizon=1 / 52,
        points=2 ** (scenarios - 1).bit_length(),
    )
    path = adl.paths.slow_bleed(book, fall=0.4, steps=10)
    rule = rules.Optimal(prices=model)
    first: list[adl.Problem] = []

    def noted(problem: adl.Problem) -> object:
        first.append(problem)
        return rules.ProRata().reductions(problem)

    play(book, path[:1], noted, adl.Exchange())
    posed = rule.problem_for(first[0])
    adl.solve(posed)  # compiles
    started = time.perf_counter()
    adl.solve(posed)
    once = time.perf_counter() - started
    started = time.perf_counter()
    crash = adl.simulate(book, path, rule)
    seconds = time.perf_counter() - started
    return Row(
        "optimum of each wave",
        f"{accounts:,} accounts x {model.points:,} scenarios x {crash.totals['waves']:.0f} waves",
        seconds,
        {"one solve": f"{once:.2f} s", "ratio": f"{seconds / once:.1f}"},
        holds=seconds <= WAVES * once if full else None,
    )
