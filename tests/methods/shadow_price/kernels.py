"""Random pools for the kernels, and their optimum by brute force over all vertices."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.optimize import linprog

from adlopt.methods.shadow_price.pools import Pools
from adlopt.methods.shadow_price.sweep import Point, State, Totals, answer
from adlopt.methods.shadow_price.tuning import Pivoting
from adlopt.methods.shadow_price.vertex import workspace

PIVOTING = Pivoting()


def random_pools(
    rng: np.random.Generator,
    count: int,
    *,
    assets: int = 3,
    most_hinges: int = 7,
    integers: bool = False,
) -> Pools:
    """Pools of 1 to `assets` variables in 12 scenarios; with `integers` full of ties."""
    width = rng.integers(1, assets + 1, count)
    hinges = rng.integers(0, most_hinges + 1, count)
    pairs = rng.integers(0, 3, count)
    variable, linear, hinge = (np.append(0, np.cumsum(n)) for n in (width, pairs, hinges))

    def draw(*shape: int) -> np.ndarray:
        if integers:
            return rng.integers(-3, 4, shape).astype(float)
        return rng.normal(size=shape)

    variables = int(variable[-1])
    asset = np.concatenate([rng.permutation(assets)[:w] for w in width])
    return Pools(
        variable=variable,
        linear=linear,
        hinge=hinge,
        asset=asset.astype(np.int32),
        used=rng.integers(1, 4, variables) / 10.0,
        contracts=np.where(rng.random(variables) < 0.5, -1.0, 1.0) * (1.0 + integers),
        linear_scenario=rng.integers(0, 12, int(pairs.sum())).astype(np.int32),
        scenario=rng.integers(0, 12, int(hinges.sum())).astype(np.int32),
        level=draw(int(hinges.sum())),
        moves=draw(12, assets),
    )


def fresh_state(pools: Pools) -> State:
    n, width = pools.variable.size - 1, np.diff(pools.variable)
    position = np.arange(pools.asset.size) - np.repeat(pools.variable[:-1], width)
    return State(
        active=(-1 - 2 * position).astype(np.int32),
        y=np.zeros(pools.asset.size),
        deadline=np.full(n, -1.0),
        group=np.arange(n),
        weight=np.ones(n),
    )


def point_at(
    price: np.ndarray, stress: np.ndarray, odometer: float = 0.0, moving: bool = True
) -> Point:
    scale = np.ones(stress.size) if moving else np.zeros(stress.size)
    return Point(price, stress, odometer, np.ones(price.size), scale)


def totals_for(pools: Pools, base: np.ndarray) -> Totals:
    """One group per pool, all scenarios live."""
    n, S = pools.variable.size - 1, pools.moves.shape[0]
    R = pools.moves.shape[1]
    table, counts = np.zeros((n, R + 1 + S)), np.zeros((n, 3), dtype=np.int64)
    return Totals(base, np.arange(S), table, counts)


def answer_all(
    pools: Pools, state: State, point: Point, totals: Totals, numbers: Pivoting = PIVOTING
) -> np.ndarray:
    """Run the kernel over all pools; the multipliers as shares of stress."""
    weight = np.zeros(pools.scenario.size)
    h = max(int(np.diff(pools.hinge).max(initial=1)), 1)
    n, m = pools.variable.size - 1, int(np.diff(pools.variable).max())
    answer(np.arange(n), pools, state, point, totals, numbers, True, weight, workspace(m, h))
    return weight


def losses(pools: Pools, i: int, y: np.ndarray) -> np.ndarray:
    """(S,) loss of pool i in every scenario, without constants."""
    v, h = slice(*pools.variable[i : i + 2]), slice(*pools.hinge[i : i + 2])
    change = pools.moves[:, pools.asset[v]] * pools.contracts[v] @ y
    loss = np.zeros(pools.moves.shape[0])
    s = pools.scenario[h]
    np.add.at(loss, s, np.maximum(pools.level[h] + change[s], 0.0))
    s = pools.linear_scenario[slice(*pools.linear[i : i + 2])]
    np.add.at(loss, s, change[s])
    return loss


def cost(pools: Pools, i: int, y: np.ndarray, price: np.ndarray, stress: np.ndarray) -> float:
    v = slice(*pools.variable[i : i + 2])
    return float(stress @ losses(pools, i, y) + price[pools.asset[v]] * pools.used[v] @ y)


def least_cost_by_program(pools: Pools, i: int, price: np.ndarray, stress: np.ndarray) -> float:
    """Minimum by a linear program with one epigraph variable per hinge, for larger pools."""
    v, h = slice(*pools.variable[i : i + 2]), slice(*pools.hinge[i : i + 2])
    linear = pools.linear_scenario[slice(*pools.linear[i : i + 2])]
    moves = pools.moves[:, pools.asset[v]] * pools.contracts[v]
    m, count = moves.shape[1], pools.scenario[h].size
    slope = price[pools.asset[v]] * pools.used[v] + stress[linear] @ moves[linear]
    solved = linprog(
        np.append(slope, stress[pools.scenario[h]]),
        A_ub=np.hstack([moves[pools.scenario[h]], -np.eye(count)]) if count else None,
        b_ub=-pools.level[h] if count else None,
        bounds=[(0, 1)] * m + [(0, None)] * count,
        method="highs-ds",
    )
    assert solved.fun is not None, solved.message
    return float(solved.fun)


def least_cost(pools: Pools, i: int, price: np.ndarray, stress: np.ndarray) -> float:
    """Minimum over all vertices: intersections of m of the faces and kinks."""
    v, h = slice(*pools.variable[i : i + 2]), slice(*pools.hinge[i : i + 2])
    m = pools.asset[v].size
    slope = pools.moves[np.ix_(pools.scenario[h], pools.asset[v])] * pools.contracts[v]
    rows = np.vstack([np.eye(m), np.eye(m), slope])
    right = np.concatenate([np.zeros(m), np.ones(m), -pools.level[h]])
    best = np.inf
    for chosen in combinations(range(rows.shape[0]), m):
        matrix = rows[list(chosen)]
        if abs(np.linalg.det(matrix)) < 1e-9:
            continue
        y = np.linalg.solve(matrix, right[list(chosen)])
        if (y >= -1e-9).all() and (y <= 1 + 1e-9).all():
            best = min(best, cost(pools, i, np.clip(y, 0, 1), price, stress))
    return best
