"""The water level against a brute-force search over sorted breakpoints."""

from __future__ import annotations

import numpy as np
import pytest

from adlopt.methods.water_level import drain

KINDS = (
    "plain",
    "ties",
    "twelve orders",
    "wild widths",
    "caps",
    "tight caps",
    "zero caps",
    "capacity",
    "one",
    "negative heights",
    "almost nothing",
    "almost all",
)


def instance(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    kind, rng = KINDS[seed % len(KINDS)], np.random.default_rng(seed)
    n = 1 if kind == "one" else int(rng.integers(2, 200))
    width = rng.lognormal(size=n)
    height = width * rng.lognormal(1.0, 1.0, n)
    if kind == "ties":
        width, height = rng.integers(1, 4, n).astype(float), rng.integers(1, 6, n).astype(float)
    if kind == "twelve orders":
        height, width = (10.0 ** rng.uniform(-6, 6, n) for _ in range(2))
    if kind == "wild widths":
        width = 10.0 ** rng.uniform(-12, 0, n)
    cap = height.copy()
    if kind in ("caps", "tight caps"):
        cap = height * rng.uniform(0, 1 if kind == "caps" else 0.01, n)
    if kind == "zero caps":
        cap = np.where(rng.random(n) < 0.6, 0.0, height)
        cap[0] = height[0]
    if kind == "negative heights":  # hedged accounts: what they may give exceeds their exposure
        height = height - 2.0 * width
        cap = np.abs(rng.normal(2.0, 1.0, n)) * width
    share = {"capacity": 1.0, "almost nothing": 1e-9, "almost all": 1 - 1e-9}.get(
        kind, rng.uniform(0.01, 0.99)
    )
    return height, width, cap, float(cap.sum() * share)


def brute_force(height: np.ndarray, width: np.ndarray, cap: np.ndarray, total: float) -> float:
    """Level by bisection between breakpoints sorted, then the linear piece between two of them."""
    edges = np.unique(np.concatenate([height / width, (height - cap) / width]))
    sums = np.array([np.clip(height - eta * width, 0.0, cap).sum() for eta in edges])
    at = int(np.flatnonzero(sums >= total)[-1]) if (sums >= total).any() else 0
    if at == edges.size - 1:
        return float(edges[-1])
    low, high = edges[at], edges[at + 1]
    return float(low + (high - low) * (sums[at] - total) / (sums[at] - sums[at + 1]))


@pytest.mark.parametrize("seed", range(600))
def test_against_brute_force(seed: int) -> None:
    height, width, cap, total = instance(seed)
    taken, level = drain(height, width, cap, total)
    assert (taken >= 0).all()
    assert (taken <= cap).all()
    assert taken.sum() == pytest.approx(total, rel=1e-14)
    wanted = np.clip(height - brute_force(height, width, cap, total) * width, 0.0, cap)
    scale = np.maximum(np.abs(height), cap)
    assert (np.abs(taken - wanted) <= 1e-10 * scale + 1e-10 * total).all()
    # The rule itself: those partly drained stand at the level, others below it untouched or above
    # it at their caps.
    after = (height - taken) / width
    slack = 1e-9 * (np.abs(level) + scale / width)
    assert (after[taken < cap] <= level + slack[taken < cap]).all()
    assert (after[taken > 0] >= level - slack[taken > 0]).all()


@pytest.mark.parametrize("seed", range(60))
def test_pools_below_the_level_are_not_touched(seed: int) -> None:
    height, width, cap, total = instance(seed)
    taken, level = drain(height, width, cap, total)
    assert (taken[height / width < level * (1 - np.sign(level) * 1e-9)] == 0).all()


@pytest.mark.parametrize("seed", range(12))
def test_inputs_are_left_alone(seed: int) -> None:
    given = instance(seed)
    kept = [np.copy(part) for part in given[:3]]
    drain(*given)
    for part, copy in zip(given[:3], kept, strict=True):
        np.testing.assert_array_equal(part, copy)


def test_by_hand() -> None:
    """Leverages 8, 5, 2 with equity 1: six to take leaves 4.5, 4.5, 2 (3.5 + 0.5 = 4), and at most
    3 each: 3, 1, 0.
    """
    height, width = np.array([8.0, 5.0, 2.0]), np.ones(3)
    taken, level = drain(height, width, height, 4.0)
    assert taken.tolist() == [3.5, 0.5, 0.0]
    assert level == 4.5
    taken, level = drain(height, width, np.full(3, 3.0), 4.0)
    assert taken.tolist() == [3.0, 1.0, 0.0]
    assert level == 4.0
