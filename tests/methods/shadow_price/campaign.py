"""python -m tests.methods.shadow_price.campaign [--books N] [--first SEED]

Random books of ten kinds, every objective that is a sum of tails, with and without an insurance
fund, with grouping and sampling forced on as well, against a linear program written apart from the
package. Prints a line per disagreement and the counts.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import adlopt as adl
from adlopt.methods.result import Result, Settings
from adlopt.methods.shadow_price.solve import ShadowPrice
from adlopt.methods.shadow_price.tuning import DEFAULTS, Tuning
from adlopt.proof.certificate import certify_array
from tests.methods.shadow_price.books import random_book
from tests.support import Case, Reference

OBJECTIVES: dict[str, tuple[adl.Objective, list[tuple[float, float]]]] = {
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
    DEFAULTS, groups=6, smallest_sample=3, sample_step=2.0, fewest_scenarios=3, unused=1
)
"""Few groups and scenarios, several sample levels, columns forgotten early: for small books."""


UNCOMPARED = "proven, but HiGHS cannot solve the linear program as it stands"


def with_fund(case: Case) -> Case:
    """The same book with an insurance fund of a third of the expected loss."""
    losses = Reference(case).losses(None)
    return replace(case, insurance_fund=float(case.weights @ losses) / 3)


def disagreement(
    case: Case, objective: adl.Objective, terms: list[tuple[float, float]], tuning: Tuning
) -> str:
    """What is wrong with the answer; empty if it is proven optimal and the program agrees."""
    problem = case.problem(objective)
    result: Result = ShadowPrice(problem, tuning).solve(Settings())
    proof = certify_array(problem, result.allocation, result.multipliers)
    equity = float(problem.book.equity[problem.book.solvent].sum())
    if proof.gap > 1e-8 and proof.excess > 1e-11 * equity:
        return f"gap {proof.gap:.1e}, excess {proof.excess / equity:.1e} of all equity"
    reference = Reference(case)
    try:
        optimum = reference.optimum(terms)
    except RuntimeError:  # numbers over twelve orders can be too much for the reference itself
        return UNCOMPARED
    before = reference.measure(reference.losses(None), terms)
    allowed = max(1e-7 * max(optimum, 1e-9 * before), 1e-11 * equity)
    # The reference is an allocation as well: it may be worse than ours, never better.
    if proof.value > optimum + allowed or proof.lower_bound > optimum + allowed:
        return f"value {proof.value!r}, bound {proof.lower_bound!r}, linear program {optimum!r}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--books", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    started, solved, wrong, uncompared = time.perf_counter(), 0, 0, 0
    for seed in range(given.first, given.first + given.books):
        case = random_book(seed)
        for name, (objective, terms) in OBJECTIVES.items():
            for fund in (False, True):
                # Every combination in turn: a book takes half of them.
                if (seed // 10 + fund + len(name)) % 2:
                    continue
                posed = with_fund(case) if fund else case
                for tuning in (DEFAULTS, FORCED):
                    solved += 1
                    found = disagreement(posed, objective, terms, tuning)
                    uncompared += found == UNCOMPARED
                    if found and found != UNCOMPARED:
                        wrong += 1
                        forced = "forced" if tuning is FORCED else "plain"
                        print(f"{case.label}, {name}, fund {fund}, {forced}: {found}", flush=True)
    seconds = time.perf_counter() - started
    print(
        f"{given.books} books, {solved} solves, {wrong} wrong, {uncompared} proven without the "
        f"linear program, {seconds:.0f} seconds"
    )


if __name__ == "__main__":
    main()
