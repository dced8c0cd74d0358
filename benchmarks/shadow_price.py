"""Claim: shadow prices solve any scenario problem at exchange scale in a few passes over its pairs,
each answer proven.

A pass is one run of the presolve, which looks at every pool and scenario once. Times are those of
the method alone, after compilation; its answer is certified afterwards. Alternatives, in the same
run: HiGHS and Clarabel on the presolved program, and a plain sample-average ADMM.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import environ

import numpy as np

import adlopt as adl
from adlopt.datasets import examples, synthetic
from adlopt.solving.dispatch import run_method
from benchmarks import admm
from benchmarks.measure import Row, Size, alone

SCENARIOS = 1000
GIB = 1024.0
FIRST_CALL, CACHED_CALL = 4.0, 1.5
SPECTRAL = adl.ExpectedLoss() + adl.Spectral([0.5, 0.9, 0.99], [0.3, 0.3, 0.4])
OTHERS: dict[str, adl.Objective] = {
    "entropic": adl.Entropic(1e-8),
    "EVaR 90 %": adl.EVaR(0.9),
    "chi-square-robust": adl.ChiSquareRobust(0.5),
    "semideviation": adl.Semideviation(1.0, order=2),
    "expectile 0.8": adl.Expectile(0.8),
    "worst case": adl.WorstCase(),
}
TEN: tuple[adl.Objective, ...] = (
    adl.ExpectedLoss(),
    adl.CVaR(0.99),
    adl.CVaR(0.9),
    adl.Spectral([0.5, 0.9, 0.99], [0.3, 0.3, 0.4]),
    *OTHERS.values(),
)
FIRST = """
import time; started = time.perf_counter()
from benchmarks.shadow_price import paper
paper(); print(time.perf_counter() - started)
"""


@dataclass(frozen=True)
class Book:
    """One synthetic problem, and what must be true of its solution."""

    what: str
    pools: int
    objective: adl.Objective = field(default_factory=adl.ExpectedLoss)
    assets: int = 5
    scenarios: int = SCENARIOS
    fund: float = 0.0  # as a share of the expected loss before any reduction
    gap: float = 1e-9
    passes: float = np.inf
    seconds: float = np.inf
    mib: float = np.inf
    against: tuple[tuple[str, float], ...] = ()  # solvers of the presolved program, times slower

    def problem(self, pools: int) -> adl.Problem:
        stated = synthetic.problem(
            pools, self.assets, held=5, scenarios=self.scenarios, objective=self.objective
        )
        if self.fund == 0:
            return stated
        before = certified_value(stated.with_changes(objective=adl.ExpectedLoss()))
        return stated.with_changes(insurance_fund=self.fund * before)


BOOKS = (
    Book("expected loss", 10_000, against=(("HIGHS", 20.0), ("CLARABEL", 60.0))),
    Book("expected loss", 100_000, passes=6),
    Book("expected loss", 1_000_000, passes=8, mib=2.5 * GIB),
    Book("expected loss", 10_000_000, gap=1e-8, seconds=100, mib=16 * GIB),
    Book("expected loss, 5 of 100 assets held", 100_000, assets=100, gap=1e-8, passes=20),
    Book("CVaR 99 %", 10_000, adl.CVaR(0.99), against=(("HIGHS", 20.0),)),
    Book("CVaR 99 %", 100_000, adl.CVaR(0.99), passes=12),
    Book("CVaR 90 %", 100_000, adl.CVaR(0.9), passes=40),
    Book("expected loss + spectral", 100_000, SPECTRAL, passes=20),
    Book("insurance fund", 100_000, fund=0.3, passes=20),
    *(Book(name, 10_000, one, gap=1e-7, seconds=6) for name, one in OTHERS.items()),
    *(Book(name, 100_000, one, gap=1e-7, seconds=12) for name, one in OTHERS.items()),
    *(
        Book(name, 10_000, one, scenarios=5000, gap=1e-6, seconds=60)
        for name, one in OTHERS.items()
    ),
)


def run(size: Size) -> Iterator[Row]:
    for book in BOOKS:
        pools = size.pick(min(book.pools // 100, 500), book.pools // 20, book.pools)
        if size.wants(f"{book.what}, {pools:,} x {book.scenarios:,} x {book.assets}"):
            yield from compared(book, pools, size)
    for what, case in FURTHER.items():
        if size.wants(what):
            yield from case(size)


def certified_value(problem: adl.Problem) -> float:
    from adlopt.model.losses import objective_value

    return objective_value(problem, None)


def measured(book: Book, pools: int) -> tuple[float, float, float, dict[str, tuple[float, float]]]:
    """Seconds of the method and of a pass, gap, and seconds and gap of each alternative."""
    from adlopt.presolve.pairs import presolve
    from adlopt.proof.certificate import certify_array

    small = book.problem(200)
    run_method(small, "shadow_price")
    problem = book.problem(pools)
    repeats = 3 if pools <= 100_000 else 1
    single, own = np.inf, np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        presolve(problem)
        single = min(single, time.perf_counter() - started)
        started = time.perf_counter()
        result = run_method(problem, "shadow_price")
        own = min(own, time.perf_counter() - started)
    proof = certify_array(problem, result.allocation, result.multipliers)
    others = {}
    for solver, _ in book.against:
        run_method(small, "conic", solver=solver)
        started = time.perf_counter()
        other = run_method(problem, "conic", solver=solver)
        seconds = time.perf_counter() - started
        others[solver] = seconds, certify_array(problem, other.allocation, other.multipliers).gap
    return own, single, proof.gap, others


def compared(book: Book, pools: int, size: Size) -> Iterator[Row]:
    at = f"{pools:,} x {book.scenarios:,} x {book.assets}"
    try:
        (own, single, gap, others), mib = alone(measured, book, pools)
    except adl.NotApplicable as refusal:
        yield Row(f"{book.what}: {refusal}", at, float("nan"), holds=False if size.full else None)
        return
    ratios = {}
    for solver, (seconds, other_gap) in others.items():
        ratios[solver] = seconds / own
        yield Row(f"{book.what}, {solver}", at, seconds, {"gap": f"{other_gap:.1e}"})
    met = (
        gap <= book.gap
        and own <= book.seconds
        and own / single <= book.passes
        and mib <= book.mib
        and all(ratios[solver] >= least for solver, least in book.against)
    )
    figures = {"gap": f"{gap:.1e}", "MiB": f"{mib:.0f}", "passes": f"{own / single:.1f}"}
    figures |= {f"times {solver}": f"{ratio:.0f}" for solver, ratio in ratios.items()}
    yield Row(book.what, at, own, figures, holds=met if size.full else None)


def admm_row(size: Size) -> Iterator[Row]:
    """For comparison: the general scheme, to a gap of 1e-4."""
    pools = size.pick(100, 1000, 10_000)
    seconds, gap, steps = admm.seconds_to_gap(synthetic.problem(pools), 1e-4, limit=300.0)
    figures = {"gap": f"{gap:.1e}", "steps": f"{steps:,}"}
    yield Row("expected loss, sample-average ADMM", f"{pools:,} x 1,000 x 5", seconds, figures)


def explored(size: Size) -> Iterator[Row]:
    pools = size.pick(50, 1000, 10_000)
    problem = synthetic.problem(pools, scenarios=size.pick(50, 200, SCENARIOS))
    started = time.perf_counter()
    adl.explore(problem, list(TEN))
    seconds = time.perf_counter() - started
    yield Row(
        "explore ten objectives",
        f"{pools:,} x {problem.scenarios.weights.size:,} x 5",
        seconds,
        holds=seconds <= 60 if size.full else None,
    )


def automatic(size: Size) -> Iterator[Row]:
    """A few accounts and many scenarios: what `auto` picks against each method that applies."""
    scenarios = size.pick(100, 1000, 4776)
    problem = synthetic.problem(231, 10, scenarios=scenarios, objective=adl.CVaR(0.975))
    seconds = {}
    for name, method, solver in (
        ("auto", "auto", None),
        ("shadow_price", "shadow_price", None),
        ("conic", "conic", None),
        ("conic, HIGHS", "conic", "HIGHS"),
    ):
        run_method(problem, method, solver=solver)
        started = time.perf_counter()
        run_method(problem, method, solver=solver)
        seconds[name] = time.perf_counter() - started
    ratio = seconds["auto"] / min(seconds.values())
    figures = {"times the best": f"{ratio:.2f}"}
    figures |= {name: f"{value:.2f} s" for name, value in seconds.items() if name != "auto"}
    at = f"231 x {scenarios:,} x 10"
    holds = ratio <= 1.5 if size.full else None
    yield Row("auto, CVaR 97.5 %", at, seconds["auto"], figures, holds=holds)


def sweep(size: Size) -> Iterator[Row]:
    """A sweep of the reduction against separate builds of the conic program."""
    points = size.pick(3, 10, 100)
    problem = synthetic.problem(200, scenarios=500)
    multiples = np.linspace(0.2, 2.0, points)
    adl.frontier(problem, multiples=multiples[:2])
    started = time.perf_counter()
    swept = adl.frontier(problem, multiples=multiples)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    for multiple in multiples:
        adl.to_cvxpy(problem.with_changes(multiple=float(multiple))).solve(solver="CLARABEL")
    separate = time.perf_counter() - started
    ratio = separate / seconds
    figures = {"gap": f"{swept.table['gap'].max():.1e}", "times faster": f"{ratio:.1f}"}
    at = f"{points} points, 200 x 500 x 5"
    yield Row("sweep", at, seconds, figures, holds=ratio >= 20 if size.full else None)


def changed(size: Size) -> Iterator[Row]:
    """A problem whose reduction changes by 1 %."""
    pools = size.pick(300, 5000, 100_000)
    first, again = alone(changed_by_one_percent, pools)[0]
    yield Row(
        "the same problem, reduction changed by 1 %",
        f"{pools:,} x 1,000 x 5",
        again,
        {"times faster": f"{first / again:.1f}"},
        holds=first / again >= 5 if size.full else None,
    )


def changed_by_one_percent(pools: int) -> tuple[float, float]:
    """Seconds of the first solve, and median seconds of further ones."""
    from adlopt.methods.result import Start

    run_method(synthetic.problem(200), "shadow_price")
    problem = synthetic.problem(pools)
    started = time.perf_counter()
    result = run_method(problem, "shadow_price")
    first, again = time.perf_counter() - started, []
    for multiple in (1.01, 1.0, 0.99, 1.0, 1.01):
        variant = problem.with_changes(multiple=multiple)
        start = Start(result.allocation, result.multipliers, None, result.warm_start)
        started = time.perf_counter()
        result = run_method(variant, "shadow_price", start=start)
        again.append(time.perf_counter() - started)
    return first, float(np.median(again))


def growth(size: Size) -> Iterator[Row]:
    counts = size.pick((100, 200), (1000, 3000, 10_000), (1000, 10_000, 100_000, 1_000_000))
    seconds = [alone(measured, Book("", count), count)[0][0] for count in counts]
    slope = float(np.polyfit(np.log(counts), np.log(seconds), 1)[0])
    yield Row(
        "growth",
        f"{counts[0]:,} to {counts[-1]:,} pools",
        seconds[-1],
        {"slope": f"{slope:.2f}"},
        holds=slope <= 1.05 if size.full else None,
    )


def first_call(size: Size) -> Iterator[Row]:
    """Seconds of a fresh process from its start, imports included."""
    with tempfile.TemporaryDirectory() as cache:
        for what, limit in (("nothing compiled", FIRST_CALL), ("compiled before", CACHED_CALL)):
            said = subprocess.run(
                [sys.executable, "-c", FIRST],
                env={**environ, "NUMBA_CACHE_DIR": cache},
                capture_output=True,
                text=True,
                check=True,
            )
            seconds = float(said.stdout)
            holds = seconds <= limit if size.full else None
            yield Row(f"paper's example, first call, {what}", "4 accounts", seconds, holds=holds)


def paper() -> adl.Solution:
    """The paper's four accounts under its lognormal prices."""
    problem = adl.Problem(
        examples.paper_book(), examples.PAPER_REDUCTION, prices=examples.paper_lognormal()
    )
    return adl.solve(problem)


FURTHER = {
    "sample-average ADMM": admm_row,
    "explore ten objectives": explored,
    "auto": automatic,
    "sweep": sweep,
    "reduction changed by 1 %": changed,
    "growth": growth,
    "first call": first_call,
}
