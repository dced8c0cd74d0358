"""One master step against a dense linear program written apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.methods.shadow_price.master import Master
from adlopt.methods.shadow_price.tail import Part, Tail
from adlopt.methods.shadow_price.tuning import DEFAULTS

GROUPS, ASSETS, SCENARIOS = 3, 2, 6


def random_tails(count: int, fund: float) -> tuple[Tail, ...]:
    """Tails over fewer and fewer scenarios."""
    tails = []
    for j in range(count):
        member = np.arange(SCENARIOS) >= j
        cap = np.where(member, 0.5 + 0.2 * j, 0.0)
        part = Part(0, 1.0 + j, 0.5)
        least = fund if fund > 0 else -np.inf
        tails.append(Tail(part, 1.0 + j, cap, np.flatnonzero(member), least, member))
    return tuple(tails)


@pytest.mark.parametrize("tail_count", [0, 1, 2, 3])
@pytest.mark.parametrize("fund", [0.0, 0.3])
@pytest.mark.parametrize("ties", [False, True], ids=["general", "ties"])
@pytest.mark.parametrize("seed", range(5))
def test_the_master_against_a_dense_program(
    tail_count: int, fund: float, ties: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    tails = random_tails(tail_count, fund)
    L = SCENARIOS if tails else 0
    required, constant = np.ones(ASSETS), rng.random(L)
    master = Master(required, np.zeros(ASSETS, bool), constant, GROUPS, tails, DEFAULTS)
    added: list[tuple[FloatArray, FloatArray, FloatArray]] = []
    for sweep in range(3):
        columns = rng.random((GROUPS, ASSETS)), rng.random(GROUPS), rng.random((GROUPS, L))
        if ties:  # equal columns, and equal losses in many scenarios
            columns = np.round(columns[0]), np.round(columns[1]), np.round(columns[2])
        master.add(np.arange(GROUPS), *columns, sweep)
        added.append(columns)
    group = np.tile(np.arange(GROUPS), len(added))
    used, cost, loss = (np.concatenate(kept) for kept in zip(*added, strict=True))
    cap = sum((tail.cap for tail in tails), np.zeros(L))
    centre = np.append(rng.normal(size=ASSETS), cap / 2)
    low, high = centre - 0.3, centre + 0.3
    low[ASSETS:], high[ASSETS:] = np.maximum(low[ASSETS:], 0), np.minimum(high[ASSETS:], cap)
    if tails and fund == 0:  # the box must hold stresses that sum to the factors
        low[ASSETS:], high[ASSETS:] = 0.0, cap
    found = master.solve(low, high)

    expected = dense(tails, low, high, required, constant, group, used, cost, loss)
    assert found.value == pytest.approx(expected, rel=1e-8)
    # The dual point is in the box, and its value is the master's: strong duality.
    price, stress = found.point[:ASSETS], found.point[ASSETS:]
    assert (found.point >= low - 1e-8).all()
    assert (found.point <= high + 1e-8).all()
    reduced = cost + used @ price + loss @ stress
    least = sum(reduced[group == g].min() for g in range(GROUPS))
    support = sum(
        tail.least * (tail.factor - float(q.sum()))
        for tail, q in zip(tails, found.stresses, strict=True)
        if fund > 0
    )
    assert found.value == pytest.approx(least - price.sum() + stress @ constant + support, rel=1e-7)
    for tail, q in zip(tails, found.stresses, strict=True):
        assert (q <= tail.cap + 1e-8).all()
        assert q.sum() <= tail.factor + 1e-8
    if tails:
        np.testing.assert_allclose(sum(found.stresses), stress, atol=1e-8)
    total = np.bincount(group, found.theta)
    np.testing.assert_allclose(total, 1.0, atol=1e-8)
    np.testing.assert_allclose(found.losses, found.theta @ np.array(loss), atol=1e-8)


def dense(
    tails: tuple[Tail, ...],
    low: FloatArray,
    high: FloatArray,
    required: FloatArray,
    constant: FloatArray,
    group: IntArray,
    used: FloatArray,
    cost: FloatArray,
    loss: FloatArray,
) -> float:
    """The same program in its plain form: theta, u, v, e, f, losses, then t and h of each tail."""
    C, R, L = len(group), required.size, constant.size
    width = C + 2 * R + 3 * L + len(tails) * (1 + L)
    c = np.zeros(width)
    bounds: list[tuple[float | None, float | None]] = [(0.0, None)] * width
    equal, right, above, limit = [], [], [], []
    c[:C] = cost
    u, v, e, f, z = np.cumsum([C, R, R, L, L])
    c[u : u + R], c[v : v + R] = -low[:R], high[:R]
    c[e : e + L], c[f : f + L] = high[R:], -low[R:]
    for s in range(L):
        bounds[z + s] = (None, None)
    for k in range(R):
        row = np.zeros(width)
        row[:C], row[u + k], row[v + k] = used[:, k], 1.0, -1.0
        equal.append(row)
        right.append(required[k])
    for g in range(GROUPS):
        row = np.zeros(width)
        row[:C] = group == g
        equal.append(row)
        right.append(1.0)
    for s in range(L):
        row = np.zeros(width)
        row[:C], row[e + s], row[f + s], row[z + s] = loss[:, s], -1.0, 1.0, -1.0
        above.append(row)
        limit.append(-constant[s])
    for j, tail in enumerate(tails):
        t = z + L + j * (1 + L)
        c[t], bounds[t] = tail.factor, (None if np.isinf(tail.least) else tail.least, None)
        for s in tail.scenarios:
            row = np.zeros(width)
            row[z + s], row[t], row[t + 1 + s] = 1.0, -1.0, -1.0
            c[t + 1 + s] = tail.cap[s]
            above.append(row)
            limit.append(0.0)
    solved = linprog(
        c,
        A_ub=np.array(above) if above else None,
        b_ub=limit or None,
        A_eq=np.array(equal),
        b_eq=right,
        bounds=bounds,
        method="highs",
    )
    assert solved.status == 0, solved.message
    assert solved.fun is not None
    return float(solved.fun)


def test_forgetting_keeps_the_optimum_and_every_newest_column() -> None:
    rng = np.random.default_rng(1)
    none = np.zeros(0)
    master = Master(np.ones(2), np.zeros(2, bool), none, GROUPS, (), DEFAULTS)
    low, high = np.full(2, -50.0), np.full(2, 50.0)
    for sweep in range(12):
        some = np.arange(GROUPS) if sweep < 8 else np.arange(1)
        columns = rng.random((some.size, 2)), rng.random(some.size), np.zeros((some.size, 0))
        master.add(some, *columns, sweep)
        before = master.solve(low, high)
        theta = master.forget(before.theta)
        assert theta.size == master.group.size == master.sweep.size
        assert set(master.group) == set(range(GROUPS))
        assert master.solve(low, high).value == pytest.approx(before.value, rel=1e-9)
        if sweep >= 8:
            assert 7 in master.sweep[master.group == 2]
    assert master.group.size < 8 * GROUPS + 4
