"""Try the package on random problems and hostile input, for as long as you like.

    python tools/fuzz.py --minutes 1 --seed 0
    python tools/fuzz.py --only solve --seed 1234 --count 1     # repeat one trial

Trials take turns between four kinds. A `solve` is compared with a linear program that shares no
code with the package. A `study` calls what takes a problem and compares the answers with each
other. A `loader` reads damaged records. A `command` runs the command line on hostile files and
flags. Refusals by the package's own errors are counted; anything else is a finding, which is
printed with its seed. Exit code 1 if there is a finding.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import adlopt as adl  # noqa: E402
from tests.support import NEGLIGIBLE, TAME, Case, Reference, close, random_allocation, random_case  # noqa: E402  # noqa: E402
from tools.fuzz_commands import Finding, fuzz_command, records, require  # noqa: E402

MOST_FINDINGS = 10

# Objectives, each with the weighted sum of CVaRs that it is: the reference knows no others.
MEASURES: tuple[tuple[adl.Objective, list[tuple[float, float]]], ...] = (
    (adl.ExpectedLoss(), [(1.0, 0.0)]),
    (adl.CVaR(0.9), [(1.0, 0.9)]),
    (adl.CVaR(0.5), [(1.0, 0.5)]),
    (adl.ExpectedLoss() + 0.5 * adl.CVaR(0.8), [(1.0, 0.0), (0.5, 0.8)]),
)
# The bound, the value and the sums of every other objective are checked without a reference.
OTHERS = (
    adl.EVaR(0.9),
    adl.Entropic(1e-3),
    adl.Expectile(0.8),
    adl.Semideviation(0.5),
    adl.WorstCase(),
    adl.ChiSquareRobust(0.2),
    adl.Spectral((0.0, 0.9), (0.5, 0.5)),
)


# ---------------------------------------------------------------------- solves


def case_of(rng: np.random.Generator) -> Case:
    """A random problem in plain tables."""
    twists = [None, *TAME]
    return random_case(
        int(rng.integers(1 << 30)),
        str(rng.choice(["isolated", "cross", "mixed"])),
        twist=twists[int(rng.integers(len(twists)))],
        one_factor=bool(rng.random() < 0.5),
        settlement=bool(rng.random() < 0.3),
        fund=bool(rng.random() < 0.3),
        reduced=int(rng.integers(1, 3)),
    )


def check_allocation(case: Case, table: pd.DataFrame) -> None:
    """Within the boxes, and the sums are met."""
    room = table["size"].abs().to_numpy()
    if case.caps is not None:
        cap = case.caps.set_index(["account", "asset", "margin_mode"])["cap"].to_dict()
        keys = zip(table["account"], table["asset"], table["margin_mode"], strict=True)
        room = np.minimum(room, [cap.get(key, np.inf) for key in keys])
    taken = table["reduction"].to_numpy()
    require((taken * np.sign(table["size"].to_numpy()) >= 0).all(), "a reduction has a wrong sign")
    require((np.abs(taken) <= room).all(), "a reduction is beyond its bound")
    sums = table.groupby("asset")["reduction"].sum()
    for name, required in case.reduction.items():
        missed = abs(sums.get(name, 0.0) - required)
        require(missed <= 1e-9 * abs(required), f"{name}: the sum is off by {missed:g}")


def by_row(case: Case, table: pd.DataFrame) -> np.ndarray:
    """An allocation in the order of the case's positions."""
    keys = ["account", "asset", "margin_mode"]
    taken = table.set_index(keys)["reduction"].to_dict()
    rows = case.positions[keys].itertuples(index=False, name=None)
    return np.array([taken.get(key, 0.0) for key in rows])


def fuzz_solve(seed: int) -> str:
    rng = np.random.default_rng([seed, 1])
    case = case_of(rng)
    known = bool(rng.random() < 0.7)
    objective, terms = MEASURES[int(rng.integers(len(MEASURES)))]
    if not known:
        objective = OTHERS[int(rng.integers(len(OTHERS)))]
    methods = ["auto", "conic", "shadow_price", "water_filling", "factor_leverage"]
    method = str(rng.choice(methods, p=[0.4, 0.2, 0.3, 0.05, 0.05]))
    problem = case.problem(objective)
    solution = adl.solve(problem, method)
    check_allocation(case, solution.allocation)
    if solution.value is None or solution.lower_bound is None or solution.gap is None:
        raise Finding("a problem with prices has no value, no bound or no gap")
    reference = Reference(case)
    losses = reference.losses(by_row(case, solution.allocation))
    before = reference.measure(reference.losses(None), [(1.0, 0.0)])
    slack = NEGLIGIBLE * before + 1e-9 * abs(solution.value)
    require(solution.lower_bound <= solution.value + slack, "the bound is above the value")
    if solution.status == "optimal":
        small = solution.value - solution.lower_bound <= slack
        require(solution.gap <= solution.tolerance or small, "'optimal' with an open gap")
    if not known:
        value = objective.value(losses, case.weights)
        require(close(solution.value, value, before, 1e-7), f"value {solution.value}, not {value}")
        return method
    value = reference.measure(losses, terms)
    before = reference.measure(reference.losses(None), terms)
    require(close(solution.value, value, before, 1e-8), f"value {solution.value}, not {value}")
    optimum = reference.optimum(terms)
    limit = optimum + 1e-7 * optimum + NEGLIGIBLE * before
    require(solution.lower_bound <= limit, f"bound {solution.lower_bound} above {optimum}")
    if solution.status == "optimal":
        right = close(solution.value, optimum, before, 3e-6)
        require(right, f"'optimal' at {solution.value}, the linear program has {optimum}")
    return method


# ---------------------------------------------------------------------- studies


def study_certify(case: Case, problem: adl.Problem, rng: np.random.Generator) -> None:
    table = random_allocation(case, rng)
    found = adl.certify(problem, table)
    value = Reference(case).measure(Reference(case).losses(table["reduction"].to_numpy()), TERMS)
    optimum = Reference(case).optimum(TERMS)
    before = Reference(case).measure(Reference(case).losses(None), TERMS)
    require(close(found.value, value, before, 1e-8), f"certify: {found.value}, not {value}")
    limit = optimum * (1 + 1e-7) + NEGLIGIBLE * before
    require(found.lower_bound <= limit, f"certify: bound {found.lower_bound} above {optimum}")


def study_compare(case: Case, problem: adl.Problem, rng: np.random.Generator) -> None:
    found = adl.compare(problem)
    bound = found.lower_bound
    feasible = found.feasibility["feasible"]
    values = found.risk["objective"][feasible]
    slack = 1e-7 * abs(bound or 0.0) + NEGLIGIBLE * found.before["objective"]
    require(bound is None or (values >= bound - slack).all(), "compare: a rule below the bound")


def study_frontier(case: Case, problem: adl.Problem, rng: np.random.Generator) -> None:
    table = adl.frontier(problem, [0.25, 0.5, 1.0]).table
    last = adl.solve(problem).value or 0.0
    before = Reference(case).measure(Reference(case).losses(None), TERMS)
    require(
        close(table["value"].iloc[-1], last, before, 3e-6), "frontier: not the solution's value"
    )
    fine = table["lower_bound"] <= table["value"] * (1 + 1e-9) + NEGLIGIBLE * before
    require(fine.all(), "frontier: a bound above its value")


def study_rounding(case: Case, problem: adl.Problem, rng: np.random.Generator) -> None:
    lots = {name: abs(amount) / int(rng.integers(3, 40)) for name, amount in case.reduction.items()}
    found = adl.round_to_lots(problem, adl.solve(problem), lots=lots)
    before = Reference(case).measure(Reference(case).losses(None), TERMS)
    if found.cost is None or found.cost_bound is None:
        raise Finding("rounding: a problem with prices has no cost")
    slack = 1e-9 * abs(found.cost_bound) + NEGLIGIBLE * before
    require(found.cost <= found.cost_bound + slack, "rounding: costs more than its bound")


def study_optimal_set(case: Case, problem: adl.Problem, rng: np.random.Generator) -> None:
    found = adl.optimal_set(problem)
    require(found.contains(found.select("smallest_fraction")), "optimal_set: not its own member")


def study_others(case: Case, problem: adl.Problem, rng: np.random.Generator) -> None:
    solution = adl.solve(problem)
    adl.scenario_table(problem, solution)
    account = problem.positions["account"].iloc[0]
    adl.exposure(problem.book, account, ladder=[case.reduction], prices=case.prices)
    adl.explore(problem, [adl.ExpectedLoss(), adl.CVaR(0.9)])
    require(adl.verify(problem).agree, "verify: the methods disagree")
    for each in (solution, problem, problem.book):
        repr(each)


STUDIES = (
    study_certify,
    study_compare,
    study_frontier,
    study_rounding,
    study_optimal_set,
    study_others,
)
TERMS = [(1.0, 0.9)]  # of the objective of all studies


def fuzz_study(seed: int) -> str:
    rng = np.random.default_rng([seed, 2])
    case = case_of(rng)
    study = STUDIES[int(rng.integers(len(STUDIES)))]
    study(case, case.problem(adl.CVaR(0.9)), rng)
    return study.__name__.removeprefix("study_")


# ---------------------------------------------------------------------- loaders


def fuzz_loader(seed: int) -> str:
    rng = random.Random(f"loader {seed}")
    name = rng.choice(list(records.FORMATS))
    load, documented, symbol, sign = records.FORMATS[name]
    held: dict[str, Any] = {}
    for index in range(rng.randint(1, 20)):
        record = json.loads(json.dumps(rng.choice(documented)))
        position = records.position_of(record)
        position[symbol] = {"ccxt": f"A{index}/USDT:USDT"}.get(name, f"A{index}USDT")
        if name in records.NAMES:
            record[records.NAMES[name]] = f"a{index}"
        records.mutate(rng, record)
        held[f"a{index}"] = record
    records.check(load(held), held, symbol, sign)
    return str(name)


# ---------------------------------------------------------------------- the loop

KINDS: dict[str, Callable[[int], str]] = {
    "solve": fuzz_solve,
    "study": fuzz_study,
    "loader": fuzz_loader,
    "command": fuzz_command,
}


def trial(kind: str, seed: int, counts: Counter[str]) -> bool:
    """Run one trial and count its outcome; False if it is a finding."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome = KINDS[kind](seed)
    except adl.AdlError as error:
        counts[f"{kind}: refused, {type(error).__name__}"] += 1
        return True
    except Exception:
        counts[f"{kind}: FINDING"] += 1
        print(f"\nFINDING: python tools/fuzz.py --only {kind} --seed {seed} --count 1")
        traceback.print_exc(file=sys.stdout)
        return False
    counts[f"{kind}: {outcome}"] += 1
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Random problems and hostile input.")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, help="stop after so many trials")
    parser.add_argument("--only", choices=KINDS, help="one kind of trial")
    asked = parser.parse_args()
    kinds = [asked.only] if asked.only else list(KINDS)
    counts: Counter[str] = Counter()
    done = findings = 0
    end = time.monotonic() + 60 * asked.minutes
    while time.monotonic() < end and findings < MOST_FINDINGS:
        if asked.count is not None and done >= asked.count:
            break
        findings += not trial(kinds[done % len(kinds)], asked.seed + done, counts)
        done += 1
    print(f"\n{done:,} trials from seed {asked.seed}, {findings} findings")
    for outcome, count in sorted(counts.items()):
        print(f"{count:8,}  {outcome}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
