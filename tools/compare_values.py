"""Values of 200 seeded problems, to show that a change of the code changes no number.

    python tools/compare_values.py values before.json     # with the old package on the path
    python tools/compare_values.py values after.json      # with the new one
    python tools/compare_values.py differences before.json after.json

The first form uses public names alone, so that it runs against any version. Floats are written with
`float.hex`: equal text means equal bits.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import adlopt as adl

PROBLEMS = 200
POINTS = 64  # scenarios
ASSETS = ("BTC", "ETH", "SOL")
MARKS = {"BTC": 60_000.0, "ETH": 2_500.0, "SOL": 150.0}
CORRELATION = [[1.0, 0.7, 0.6], [0.7, 1.0, 0.65], [0.6, 0.65, 1.0]]
VOLATILITY = dict(zip(ASSETS, (0.6, 0.8, 1.1), strict=True))
OBJECTIVES: tuple[Callable[[], Any], ...] = (
    adl.ExpectedLoss,
    lambda: adl.CVaR(0.9),
    adl.WorstCase,
    lambda: adl.ExpectedLoss() + 0.5 * adl.CVaR(0.95),
    lambda: adl.Semideviation(0.5),
    lambda: adl.EVaR(0.9),
)


def book(rng: np.random.Generator, margin: str) -> adl.Book:
    """Some twenty accounts with one to three positions each, some of them bankrupt."""
    rows = []
    for account in range(int(rng.integers(8, 24))):
        equity = float(np.round(rng.lognormal(9.0, 1.0), 2)) * (-1 if rng.random() < 0.05 else 1)
        for asset in rng.permutation(ASSETS)[: rng.integers(1, 4)]:
            notional = abs(equity) * rng.uniform(0.5, 12.0) * rng.choice([-1.0, 1.0])
            rows.append((f"a{account}", str(asset), round(notional / MARKS[asset], 6), equity))
    table = pd.DataFrame(rows, columns=["account", "asset", "size", "equity"])
    made = adl.Book.from_frame(table, marks=MARKS)
    if margin == "isolated":
        return made.with_margin("isolated")
    if margin == "mixed":
        frame = made.with_margin("isolated").to_frame()
        frame["margin_mode"] = np.where(rng.random(len(frame)) < 0.5, "isolated", "cross")
        cross = frame["margin_mode"] == "cross"
        total = frame[cross].groupby("account")["equity"].transform("sum")
        frame.loc[cross, "equity"] = total
        return adl.Book.from_frame(frame)
    return made


def prices(rng: np.random.Generator, kind: int, seed: int) -> Any:
    """One of five price models."""
    if kind == 0:
        return adl.LogNormal(
            VOLATILITY, correlation=CORRELATION, horizon=10 / 365, points=POINTS, seed=seed
        )
    if kind == 1:
        direction = {a: MARKS[a] * rng.uniform(0.1, 0.4) for a in ASSETS}
        return adl.OneFactor(direction, points=POINTS)
    covariance = np.diag([MARKS[a] * 0.15 for a in ASSETS])
    covariance = covariance @ np.array(CORRELATION) @ covariance
    if kind == 2:
        return adl.Gaussian(covariance, points=POINTS)
    if kind == 3:
        return adl.StudentT(covariance, 4.0, points=POINTS)
    moves = rng.standard_t(3.0, size=(50, 3)) * 0.15 * np.array([MARKS[a] for a in ASSETS])
    return adl.Scenarios(np.maximum(moves, -0.95 * np.array([MARKS[a] for a in ASSETS])))


def problems() -> Iterator[tuple[str, adl.Problem, str]]:
    """Name, problem and method."""
    for seed in range(PROBLEMS if len(sys.argv) < 4 else int(sys.argv[3])):
        rng = np.random.default_rng(seed)
        margin = ("cross", "isolated", "mixed")[seed % 3]
        made = book(rng, margin)
        interest = made.open_interest
        reduction = {}
        for asset in rng.permutation(interest.index)[: rng.integers(1, 4)]:
            side = rng.choice(["long", "short"])
            amount = float(interest.loc[asset, side]) * rng.uniform(0.1, 0.9)
            if amount > 0:
                reduction[str(asset)] = amount if side == "long" else -amount
        if not reduction:
            continue
        objective = OBJECTIVES[seed % len(OBJECTIVES)]()
        fund = 500.0 if seed % 7 == 3 else 0.0
        model = prices(rng, seed % 5, seed)
        problem = adl.Problem(
            made, reduction, prices=model, objective=objective, insurance_fund=fund
        )
        for method in ("auto", "conic") if seed % 4 == 0 else ("auto",):
            yield f"{seed} {margin} {objective} {type(model).__name__} {method}", problem, method


def values() -> dict[str, dict[str, Any]]:
    """By problem: method, status, value, bound and the allocation, or the error."""
    found: dict[str, dict[str, Any]] = {}
    for name, problem, method in problems():
        try:
            answer = adl.solve(problem, method)
        except adl.AdlError as error:
            found[name] = {"error": f"{type(error).__name__}: {error}"}
            continue
        assert answer.value is not None
        assert answer.lower_bound is not None
        found[name] = {
            "method": answer.method,
            "status": answer.status,
            "value": float(answer.value).hex(),
            "lower_bound": float(answer.lower_bound).hex(),
            "reduction": [float(x).hex() for x in answer.allocation["reduction"]],
        }
    return found


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """One line per problem that differs, with the relative change of its value."""
    lines = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if old is None or new is None or "error" in old or "error" in new:
            lines.append(f"{name}: {old} -> {new}"[:400])
            continue
        changed = [key for key in old if old[key] != new[key]]
        was, is_now = float.fromhex(old["value"]), float.fromhex(new["value"])
        bound = float.fromhex(new["lower_bound"]) - float.fromhex(old["lower_bound"])
        lines.append(
            f"{name}: {', '.join(changed)}; value {was:.10g} changed by {is_now - was:.3g}, "
            f"bound by {bound:.3g}; {old['method']} -> {new['method']}, "
            f"{old['status']} -> {new['status']}"
        )
    return lines


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["values"]:
        found = values()
        with open(arguments[1], "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)
        return
    before, after = (json.loads(Path(path).read_text(encoding="utf-8")) for path in arguments[1:3])
    lines = differences(before, after)
    print("\n".join(lines))
    print(f"{len(before)} solves, {len(lines)} differ")


if __name__ == "__main__":
    main(sys.argv[1:])
