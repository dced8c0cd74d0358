"""python -m tests.methods.shadow_price.campaign tails|convex|degenerate [--books N] [--first SEED]

Campaigns that are too long for the tests. Each prints a line per finding and the counts, and exits
with 1 if anything was found. Book number SEED is the same in every run.

tails       Random books of ten kinds with 1 to 300 pools, under every objective that is a sum of
            tails, with and without an insurance fund, with grouping and sampling forced on as well,
            against a linear program written apart from the package (2,000 books: --books 2000).
convex      The same books with up to 60 pools under other convex objectives, entropic risk over
            twelve orders of theta, with few groups as well, against Clarabel on the whole program
            (300 books: --books 300).
degenerate  Books of 10,000 to 30,000 pools, reductions of 1e-6 to 100 % among them, against the
            certificate (40 books: --books 40).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

import adlopt as adl
from adlopt.methods.result import Settings
from adlopt.methods.shadow_price import conic_solve
from adlopt.methods.shadow_price.conic_tuning import CONIC_MASTER_DEFAULTS
from adlopt.methods.shadow_price.solve import ShadowPrice
from adlopt.methods.shadow_price.tuning import DEFAULTS, Tuning
from adlopt.proof.certificate import Certificate, certify_array
from tests.methods.shadow_price import convex_reference as convex
from tests.methods.shadow_price.books import KINDS, random_book
from tests.support import Case, Reference

Terms = list[tuple[float, float]]

OBJECTIVES: dict[str, tuple[adl.Objective, Terms]] = {
    "expected loss": (adl.ExpectedLoss(), [(1.0, 0.0)]),
    "CVaR 50 %": (adl.CVaR(0.5), [(1.0, 0.5)]),
    "CVaR 95 %": (adl.CVaR(0.95), [(1.0, 0.95)]),
    "sum": (adl.ExpectedLoss() + 0.5 * adl.CVaR(0.8), [(1.0, 0.0), (0.5, 0.8)]),
    "spectral": (
        adl.Spectral([0.0, 0.5, 0.9], [0.2, 0.3, 0.5]),
        [(0.2, 0.0), (0.3, 0.5), (0.5, 0.9)],
    ),
    "worst case": (adl.WorstCase(), [(1.0, 1.0 - 1e-9)]),
}

FORCED = replace(
    DEFAULTS,
    groups=6,
    sample_groups=4,
    smallest_sample=3,
    sample_step=2.0,
    fewest_scenarios=3,
    unused=1,
)
"""Few groups and scenarios, several sample levels, columns forgotten early: for small books."""

UNCOMPARED = "proven, but no other solver can solve the program as it stands"
PROVEN, EXCESS = 1e-8, 1e-11  # relative gap, and share of all equity below which a gap is rounding
CONVEX_PROVEN = 1e-6

Finding = tuple[str, str]  # what was solved, what is wrong with the answer


# ---------------------------------------------------------------------- sums of tails


def with_fund(case: Case) -> Case:
    """The same book with an insurance fund of a third of the expected loss."""
    losses = Reference(case).losses(None)
    return replace(case, insurance_fund=float(case.weights @ losses) / 3)


def linear_optimum(case: Case, terms: Terms) -> float | None:
    """Optimum of the independent linear program; None where HiGHS cannot solve it."""
    try:
        return Reference(case).optimum(terms)
    except RuntimeError:  # numbers over twelve orders can be too much for the reference itself
        return None


def disagreement(
    case: Case, objective: adl.Objective, terms: Terms, optimum: float | None, tuning: Tuning
) -> str:
    """What is wrong with the answer; empty if it is proven optimal and the program agrees."""
    problem = case.problem(objective)
    result = ShadowPrice(problem, tuning).solve(Settings())
    proof = certify_array(problem, result.allocation, result.multipliers)
    if not proven(problem, proof, PROVEN):
        return _open(problem, proof)
    if optimum is None:
        return UNCOMPARED
    reference = Reference(case)
    before = reference.measure(reference.losses(None), terms)
    allowed = max(1e-7 * max(optimum, 1e-9 * before), EXCESS * _equity(problem))
    # The reference is an allocation as well: it may be worse than ours, never better.
    if proof.value > optimum + allowed or proof.lower_bound > optimum + allowed:
        return f"value {proof.value!r}, bound {proof.lower_bound!r}, linear program {optimum!r}"
    return ""


def proven(problem: adl.Problem, proof: Certificate, gap: float) -> bool:
    return proof.gap <= gap or proof.excess <= EXCESS * _equity(problem)


def _open(problem: adl.Problem, proof: Certificate) -> str:
    return f"gap {proof.gap:.1e}, excess {proof.excess / _equity(problem):.1e} of all equity"


def _equity(problem: adl.Problem) -> float:
    return float(problem.book.equity[problem.book.solvent].sum())


def tails(seed: int) -> list[Finding]:
    """One book under every objective, in turn with and without a fund."""
    case, found = random_book(seed), []
    for name, (objective, terms) in OBJECTIVES.items():
        fund = (seed // 10 + len(name)) % 2 == 1
        posed = with_fund(case) if fund else case
        optimum = linear_optimum(posed, terms)
        for tuning in (DEFAULTS, FORCED):
            forced = "forced" if tuning is FORCED else "plain"
            what = f"{case.label}, {name}, fund {fund}, {forced}"
            found.append((what, disagreement(posed, objective, terms, optimum, tuning)))
    return found


# ---------------------------------------------------------------------- other convex objectives


def _fraction(number: float) -> float:
    """A draw from [0, 1] that depends on the number alone."""
    return float(np.random.default_rng(int(number) % 997).random())


MEASURES: tuple[Callable[[float], convex.Measure], ...] = (
    lambda _: convex.evar(0.9),
    lambda _: convex.chi_square(0.5),
    lambda _: convex.semideviation(1.0, 2),
    lambda _: convex.expectile(0.8),
    lambda _: convex.cubic_norm(),
    # theta times the loss, over twelve orders
    lambda u: convex.entropic(10.0 ** (-8 + 12 * _fraction(u)) / u),
    lambda _: convex.evar(0.99),
    lambda _: convex.semideviation(0.7, 1),
    lambda _: convex.weighted_sum(convex.expectile(0.6), 0.3, convex.chi_square(2.0)),
    lambda _: convex.weighted_sum(convex.evar(0.8), 0.5, convex.semideviation(0.5, 1)),
)
"""Measures, given a typical loss of the book."""


def convex_disagreement(
    case: Case, measure: convex.Measure, optimum: float | None, *, few_groups: bool
) -> str:
    """As `disagreement`, for an objective that needs the conic master."""
    problem = case.problem(measure.objective)
    tuning = replace(CONIC_MASTER_DEFAULTS, groups=3) if few_groups else CONIC_MASTER_DEFAULTS
    result = conic_solve.solve(problem, Settings(), tuning=tuning)
    proof = certify_array(problem, result.allocation, result.multipliers)
    if not proven(problem, proof, CONVEX_PROVEN):
        return _open(problem, proof)
    if optimum is None:
        return UNCOMPARED
    allowed = CONVEX_PROVEN * abs(optimum) + EXCESS * _equity(problem)
    if proof.value > optimum + allowed or proof.lower_bound > optimum + allowed:
        return f"value {proof.value!r}, bound {proof.lower_bound!r}, Clarabel {optimum!r}"
    return ""


def convex_measures(seed: int) -> list[Finding]:
    """One book under three of the measures in turn."""
    pools = int(np.random.default_rng([seed, 5]).integers(1, 61))
    case, found = random_book(seed, pools=pools), []
    if seed % 5 == 4:
        case = with_fund(case)
    reference = Reference(case)
    unit = max(float(reference.losses(None).mean()), 1e-9 * float(reference.equity.clip(0).sum()))
    for turn in range(3):
        measure = MEASURES[(3 * (seed + seed // 10) + turn) % len(MEASURES)](unit)
        optimum = convex.value_of_cvxpy_optimum(case, measure, unit)
        for few in (False, True):
            what = f"{case.label}, {measure.objective}, few groups {few}"
            found.append((what, convex_disagreement(case, measure, optimum, few_groups=few)))
    return found


# ---------------------------------------------------------------------- degenerate at scale

REDUCTIONS = (1e-6, 1e-3, 0.01, 0.5, 0.9, 0.99, 0.999, 0.99999, 1.0 - 1e-9, 1.0)
LARGE_OBJECTIVES = (adl.ExpectedLoss(), adl.CVaR(0.95))


def large_problem(seed: int) -> tuple[str, adl.Problem]:
    """Each of the ten kinds, and synthetic books from almost nothing to everything reduced, of 1 or
    20 assets.
    """
    pools = (10_000, 17_000, 30_000)[seed % 3]
    objective = LARGE_OBJECTIVES[seed // 20 % 2]
    number = seed // 2 % 10
    if seed % 2:
        case = random_book(seed, pools=pools, kind=KINDS[number])
        return f"{case.label}, {objective}", case.problem(objective)
    reduce, assets = REDUCTIONS[number], (1, 20)[seed // 4 % 2]
    problem = adl.synthetic.problem(
        pools,
        assets,
        held=min(assets, 5),
        scenarios=300,
        reduce=reduce,
        objective=objective,
        seed=seed,
    )
    return (
        f"{seed} synthetic, {pools} pools, {assets} assets, {reduce} reduced, {objective}",
        problem,
    )


def degenerate(seed: int) -> list[Finding]:
    """One large book."""
    what, problem = large_problem(seed)
    result = ShadowPrice(problem).solve(Settings())
    proof = certify_array(problem, result.allocation, result.multipliers)
    return [(what, "" if proven(problem, proof, PROVEN) else _open(problem, proof))]


CAMPAIGNS = {"tails": tails, "convex": convex_measures, "degenerate": degenerate}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("campaign", choices=list(CAMPAIGNS))
    parser.add_argument("--books", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    started, solved, wrong, uncompared = time.perf_counter(), 0, 0, 0
    for seed in range(given.first, given.first + given.books):
        for what, finding in CAMPAIGNS[given.campaign](seed):
            solved += 1
            uncompared += finding == UNCOMPARED
            if finding and finding != UNCOMPARED:
                wrong += 1
                print(f"{what}: {finding}", flush=True)
    print(
        f"{given.campaign}: books {given.first} to {given.first + given.books - 1}, {solved} "
        f"solves, {wrong} wrong, {uncompared} proven without comparison, "
        f"{time.perf_counter() - started:.0f} seconds"
    )
    sys.exit(int(wrong > 0))


if __name__ == "__main__":
    main()
