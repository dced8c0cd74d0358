"""The algorithm behind factor leverage: feasible, most even, and a minimum cut where it splits."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from adlopt.methods import exposure_levels
from adlopt.methods.exposure_levels import Network, level_exposures


def instance(seed: int) -> tuple[np.ndarray, ...]:
    """pool, asset, capacity, height, width, total; with ties, empty pools and full totals."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 9)), int(rng.integers(2, 6))
    held = rng.random((n, d)) < rng.choice([0.4, 0.7, 1.0])
    held[0, 0] = True
    pool, asset = np.nonzero(held)
    whole = seed % 2 == 0
    capacity = (
        rng.integers(1, 6, pool.size).astype(float) if whole else rng.exponential(1.0, pool.size)
    )
    height = rng.integers(-3, 9, n).astype(float) if seed % 3 else 3.0 * rng.exponential(1.0, n)
    width = rng.integers(1, 4, n).astype(float) if whole else rng.exponential(1.0, n) + 0.05
    share = rng.choice([0.0, 0.3, 0.7, 1.0], d) if seed % 5 == 0 else rng.random(d)
    return pool, asset, capacity, height, width, np.bincount(asset, capacity, minlength=d) * share


def receivable(
    pools: np.ndarray, pool: np.ndarray, asset: np.ndarray, capacity: np.ndarray, total: np.ndarray
) -> float:
    """f(A): the most that a set of pools can be given; the rank function of the polymatroid."""
    inside = np.isin(pool, pools)
    most = np.bincount(asset[inside], capacity[inside], minlength=total.size)
    return float(np.minimum(most, total).sum())


def lexicographic_levels(
    pool: np.ndarray,
    asset: np.ndarray,
    capacity: np.ndarray,
    height: np.ndarray,
    width: np.ndarray,
    total: np.ndarray,
) -> np.ndarray:
    """What the pools are given, by the decomposition over all their subsets.

    Of all sets the one with the highest sum(h - f) / sum(w) per step ends highest: it gets all that
    it can be given, and the rest is a problem of its own (Fujishige 1980).
    """
    n = height.size
    given, fixed = np.zeros(n), np.zeros(0, dtype=int)
    while fixed.size < n:
        rest = np.setdiff1d(np.arange(n), fixed)
        base = receivable(fixed, pool, asset, capacity, total)
        best, chosen, extra = -np.inf, rest, 0.0
        for size in range(rest.size, 0, -1):
            for some in combinations(rest, size):
                more = receivable(
                    np.append(fixed, some), pool, asset, capacity, total
                ) - base  # fmt: skip
                level = (height[list(some)].sum() - more) / width[list(some)].sum()
                if level > best + 1e-12:
                    best, chosen, extra = level, np.array(some), more
        given[chosen] = height[chosen] - best * width[chosen]
        assert abs(given[chosen].sum() - extra) < 1e-9
        fixed = np.append(fixed, chosen)
    return given


@pytest.mark.parametrize("seed", range(120))
def test_most_even_by_the_definition(seed: int) -> None:
    """Against the decomposition over all subsets of pools, which uses the rank function alone."""
    pool, asset, capacity, height, _, total = data = instance(seed)
    found = level_exposures(*data)
    assert (found.taken >= 0).all()
    assert (found.taken <= capacity * (1 + 1e-15)).all()
    sums = np.bincount(asset, found.taken, minlength=total.size)
    np.testing.assert_allclose(sums, total, rtol=1e-11, atol=1e-11)
    given = np.bincount(pool, found.taken, minlength=height.size)
    np.testing.assert_allclose(given, lexicographic_levels(*data), atol=1e-8)


@pytest.mark.parametrize("seed", range(120))
def test_levels_explain_who_gives(seed: int) -> None:
    """A position of an asset is untouched below the asset's level and taken in full above it."""
    pool, asset, capacity, height, width, total = data = instance(seed)
    found = level_exposures(*data)
    after = (height - np.bincount(pool, found.taken, minlength=height.size)) / width
    for j in np.flatnonzero(total[asset] > 0):
        level = found.level[asset[j]]
        if after[pool[j]] < level - 1e-9:
            assert found.taken[j] <= 1e-9
        if after[pool[j]] > level + 1e-9:
            assert found.taken[j] >= capacity[j] - 1e-9
    assert np.isnan(found.level[total == 0]).all()


def test_by_hand() -> None:
    """Pools 1 and 2 at 10 and 2. Asset X is held by pool 1 alone, Y by both. Two of X and four of Y
    in all bring pool 1 to 4; pool 2 is not touched. Asked for nine of Y, which pool 1 holds three
    of, Y must drain pool 2 by six, far below the level of X.
    """
    pool, asset = np.array([0, 0, 1]), np.array([0, 1, 1])
    height, width = np.array([10.0, 2.0]), np.ones(2)
    even = level_exposures(
        pool, asset, np.array([5.0, 5.0, 9.0]), height, width, np.array([2.0, 4.0])
    )
    np.testing.assert_allclose(even.taken, [2.0, 4.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(even.level, [4.0, 4.0])
    apart = level_exposures(
        pool, asset, np.array([5.0, 3.0, 9.0]), height, width, np.array([2.0, 9.0])
    )
    np.testing.assert_allclose(apart.taken, [2.0, 3.0, 6.0], atol=1e-12)
    np.testing.assert_allclose(apart.level, [5.0, -4.0])


def test_a_path_through_a_third_asset() -> None:
    """Pool 1 holds A and B, pool 2 holds B and C: what A lacks reaches C through B alone."""
    network = Network(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2]), np.full(4, 4.0))
    flow, high = network.route(np.array([4.0, 4.0]), np.array([4.0, 3.0, 1.0]))
    assert high is None
    np.testing.assert_allclose(flow, [4.0, 0.0, 3.0, 1.0], atol=1e-12)


def test_a_minimum_cut() -> None:
    """Pool 1 can be given no more than what A has and all that it holds of B."""
    network = Network(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([5.0, 1.0, 5.0]))
    _, high = network.route(np.array([4.0, 2.0]), np.array([2.0, 4.0]))
    assert high is not None
    assert high.tolist() == [0]


def test_augmentations_stay_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty assets, three thousand pools of six positions each, far from even at first."""
    rng = np.random.default_rng(2)
    n, d = 3_000, 30
    asset = np.concatenate([np.sort(rng.choice(d, 6, replace=False)) for _ in range(n)])
    pool = np.repeat(np.arange(n), 6)
    capacity = rng.lognormal(0.0, 2.0, pool.size)
    total = np.bincount(asset, capacity) * rng.uniform(0.05, 0.95, d)
    monkeypatch.setattr(exposure_levels, "MAX_AUGMENTATIONS", 1_000)
    height = np.bincount(pool, capacity) * rng.uniform(-1.0, 2.0, n)
    found = level_exposures(pool, asset, capacity, height, rng.lognormal(size=n), total)
    np.testing.assert_allclose(np.bincount(asset, found.taken), total, rtol=1e-10)
