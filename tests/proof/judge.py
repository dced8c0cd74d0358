"""An independent judge of what a proof file claims: slow, in fractions, and a linear program.

It shares no code with the package: neither with the writer nor with the checker.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from scipy.optimize import linprog

Document = dict[str, Any]
CHORDS = 500  # of the market's cost


def scale(bits: int) -> Fraction:
    return Fraction(1, 2**bits)


def losses(file: Document, reductions: list[int]) -> list[Fraction]:
    """(S,) loss beyond the fund of exact reductions, scenario by scenario as the model reads."""
    contract, price = scale(file["units"][0]), scale(file["units"][1])
    out = []
    for s in range(len(file["weight"])):
        total = Fraction(0)
        for i, equity in enumerate(file["equity"]):
            V = equity * contract * price
            for j, pool in enumerate(file["pool"]):
                if pool == i:
                    k, x = file["asset"][j], reductions[j] * contract
                    V += x * file["offset"][k] * price
                    V += (file["size"][j] * contract - x) * file["moves"][k][s] * price
            total += max(-V, Fraction(0))
        out.append(max(total - file["fund"][0] * contract * price, Fraction(0)))
    return out


def mean(p: list[Fraction], x: list[Fraction]) -> Fraction:
    return sum((u * y for u, y in zip(p, x, strict=True)), Fraction(0))


def measure(file: Document, loss: list[Fraction]) -> Fraction:
    """The objective; CVaR as the least over all thresholds that are losses."""
    total = sum(file["weight"])
    p = [Fraction(w, total) for w in file["weight"]]
    value = Fraction(0)
    for kind, factor, parameter, _ in file["objective"]:
        f, a = Fraction(float.fromhex(factor)), Fraction(float.fromhex(parameter))
        if kind == "semideviation":
            m = mean(p, loss)
            value += f * (m + a * mean(p, [max(x - m, Fraction(0)) for x in loss]))
        elif a == 1:
            value += f * max(x for x, u in zip(loss, p, strict=True) if u)
        else:
            tails = ((t, mean(p, [max(x - t, Fraction(0)) for x in loss])) for t in set(loss))
            value += f * min(t + tail / (1 - a) for t, tail in tails)
    return value


class Program:
    """A linear program, built entry by entry."""

    def __init__(self) -> None:
        self.cost: list[float] = []
        self.bounds: list[tuple[float | None, float | None]] = []
        self.rows: list[tuple[dict[int, float], float]] = []

    def variable(
        self, cost: float = 0.0, low: float | None = 0.0, high: float | None = None
    ) -> int:
        self.cost.append(cost)
        self.bounds.append((low, high))
        return len(self.cost) - 1

    def at_most(self, entries: dict[int, float], limit: float) -> None:
        self.rows.append((entries, limit))

    def add_measure(self, term: list[Any], p: np.ndarray, loss: list[int]) -> None:
        kind, f, a = term[0], float.fromhex(term[1]), float.fromhex(term[2])
        S = range(len(loss))
        if kind == "semideviation":
            for s in S:
                self.cost[loss[s]] += f * p[s]
                above = self.variable(f * a * p[s])
                over_mean = {loss[t]: -p[t] for t in S} | {loss[s]: 1.0 - p[s], above: -1.0}
                self.at_most(over_mean, 0.0)
            return
        threshold = self.variable(f, None)
        for s in S:
            if a < 1:
                tail = self.variable(f * p[s] / (1 - a))
                self.at_most({loss[s]: 1.0, threshold: -1.0, tail: -1.0}, 0.0)
            elif p[s]:
                self.at_most({loss[s]: 1.0, threshold: -1.0}, 0.0)

    def minimum(self, equal: np.ndarray) -> float:
        """With rows that equal one."""
        A = np.zeros((len(self.rows), len(self.cost)))
        for number, (entries, _) in enumerate(self.rows):
            for column, x in entries.items():
                A[number, column] = x
        b_eq, limits = np.ones(len(equal)), [limit for _, limit in self.rows]
        wide = np.zeros((len(equal), len(self.cost)))
        wide[:, : equal.shape[1]] = equal
        found = linprog(self.cost, A, limits, wide, b_eq, self.bounds, method="highs")
        if found.status != 0:
            raise RuntimeError(found.message)
        assert found.fun is not None
        return float(found.fun)


def optimum(file: Document) -> float:
    """The least objective over all feasible reductions: a linear program, by HiGHS."""

    def numbers(values: list[int], bits: int) -> np.ndarray:
        return np.array([float(Fraction(x, 2**bits)) for x in values])

    contract, price = file["units"][0], file["units"][1]
    size, cap = numbers(file["size"], contract), numbers(file["cap"], contract)
    required, offset = numbers(file["required"], contract), numbers(file["offset"], price)
    moves = np.array([numbers(row, price) for row in file["moves"]])
    equity = numbers(file["equity"], contract + price)
    p = np.array([float(w) for w in file["weight"]]) / float(sum(file["weight"]))
    pool, asset = np.array(file["pool"], int), np.array(file["asset"], int)
    V = np.repeat(equity[:, None], p.size, axis=1)
    np.add.at(V, pool, size[:, None] * moves[asset])
    unit = float(p @ np.maximum(-V, 0).sum(axis=0)) or float(np.median(equity))
    program = Program()
    for _ in cap:
        program.variable(high=1.0)
    loss = [program.variable() for _ in p]
    for s in range(p.size):
        total: dict[int, float] = {loss[s]: -1.0}
        for i in range(equity.size):
            gains = {
                int(j): cap[j] * (moves[asset[j], s] - offset[asset[j]]) / unit
                for j in np.flatnonzero(pool == i)
            }
            if V[i, s] / unit >= sum(max(x, 0.0) for x in gains.values()):
                continue  # this pool cannot lose
            hinge = program.variable()
            total[hinge] = 1.0
            program.at_most(gains | {hinge: -1.0}, V[i, s] / unit)
        program.at_most(total, float(Fraction(file["fund"][0], 2 ** (contract + price))) / unit)
    for term in file["objective"]:
        program.add_measure(term, p, loss)
    reduced = np.flatnonzero(required)
    equal = [np.where(asset == k, cap, 0.0) / required[k] for k in reduced]
    rows = np.array(equal).reshape(-1, cap.size)
    return program.minimum(_with_sales(file, program, rows, reduced, unit)) * unit


def rates(file: Document, k: int) -> tuple[Fraction, Fraction]:
    """Cost of the first contract that the market takes, and its rise per contract."""
    return file["linear"][k] * scale(file["units"][1]), file["slope"][k] * scale(file["units"][4])


def cost(file: Document) -> Fraction:
    """Of the sales."""
    total = Fraction(0)
    for k, z in enumerate(file["sold"]):
        linear, slope = rates(file, k)
        amount = abs(z) * scale(file["units"][0])
        total += linear * amount + slope * amount**2 / 2
    return total


def _with_sales(
    file: Document, program: Program, rows: np.ndarray, reduced: np.ndarray, unit: float
) -> np.ndarray:
    """Sales as variables, a chord of the cost each, and the rows of sums with their shares.

    Chords lie above the cost, by a share of 1e-6 of it at most.
    """
    blocks = [rows, np.zeros((len(rows), len(program.cost) - rows.shape[1]))]
    for row, k in enumerate(reduced.tolist()):
        depth, required = file["depth"][k], abs(file["required"][k])
        if not depth:
            continue
        linear, slope = (float(rate) for rate in rates(file, k))
        part = float(depth * scale(file["units"][0])) / CHORDS
        block = np.zeros((len(rows), CHORDS))
        block[row] = float(Fraction(depth, required)) / CHORDS
        for chord in range(CHORDS):
            program.variable(part * (linear + slope * part * (chord + 0.5)) / unit, high=1.0)
        blocks.append(block)
    return np.hstack(blocks)


def false_claims(file: Document, *, slack: float = 1e-7) -> list[str]:
    """What a well-formed file claims and is not true."""
    wrong = []
    sums = [0] * len(file["required"])
    for j, k in enumerate(file["asset"]):
        x, cap, q = file["reduction"][j], file["cap"][j], file["size"][j]
        sums[k] += x
        if not (min(0, cap) <= x <= max(0, cap) and abs(cap) <= abs(q) and cap * q >= 0):
            wrong.append("bounds")
        if cap and cap * file["required"][k] <= 0:
            wrong.append("side")
    for k, z in enumerate(file["sold"]):
        sums[k] += z
        side = 1 if file["required"][k] > 0 else -1
        if not 0 <= side * z <= file["depth"][k] or min(file["linear"][k], file["slope"][k]) < 0:
            wrong.append("sales")
    if sums != file["required"]:
        wrong.append("sums")
    if min(file["equity"]) <= 0 or min(file["weight"]) < 0 or file["fund"][0] < 0:
        wrong.append("signs")
    claims = {
        name: Fraction(*(int(part, 16) for part in text.split("/")))
        for name, text in file["claims"].items()
    }
    value = measure(file, losses(file, file["reduction"])) + cost(file)
    if claims["value"] != value:
        wrong.append("value")
    excess = claims["value"] - claims["lower_bound"]
    if claims["gap"] != excess / max(value, Fraction(1, 2**1022)):
        wrong.append("gap")
    if not wrong:
        best = optimum(file)
        if float(claims["lower_bound"]) > best + slack * (abs(best) + float(value)):
            wrong.append("lower_bound")
    return wrong
