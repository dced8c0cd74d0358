"""The pools' simplex method: against brute force, against fresh solves, and its parts alone."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from adlopt.methods.shadow_price import line_search, vertex
from adlopt.methods.shadow_price.tuning import Pivoting
from tests.methods.shadow_price import kernels


def compiled(function: Any) -> Any:
    """A loop that only compiled loops call, so that it has no wrapper of its own."""
    return numba.njit(function.py_func)


pass_kinks = compiled(line_search.pass_kinks)
partition = compiled(line_search.partition)
pivot = compiled(vertex.pivot)


def prices_and_stresses(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    stress = rng.random(12) * (rng.random(12) < 0.8)  # some are exactly zero
    return rng.normal(size=3) * 3, stress


@pytest.mark.parametrize("integers", [False, True], ids=["general", "ties"])
@pytest.mark.parametrize("seed", range(8))
def test_answers_against_brute_force_over_all_vertices(seed: int, integers: bool) -> None:
    rng = np.random.default_rng([seed, integers])
    pools = kernels.random_pools(rng, 40, integers=integers)
    state, base = kernels.fresh_state(pools), rng.random(12)
    totals = kernels.totals_for(pools, base)
    odometer, before = 0.0, np.zeros(15)
    for _ in range(3):  # the second and third start from the vertices of the one before
        price, stress = prices_and_stresses(rng)
        if integers:
            price = np.round(price)
            stress = np.round(2 * stress) / 2
        now = np.append(price, stress)
        odometer += np.abs(now - before).max()
        before = now
        kernels.answer_all(pools, state, kernels.point_at(price, stress, odometer), totals)
        for i in range(40):
            y = state.y[slice(*pools.variable[i : i + 2])]
            assert ((y >= 0) & (y <= 1)).all()
            least = kernels.least_cost(pools, i, price, stress)
            assert kernels.cost(pools, i, y, price, stress) == pytest.approx(least, abs=1e-10)
            loss = kernels.losses(pools, i, y)
            used = np.zeros(3)
            v = slice(*pools.variable[i : i + 2])
            np.add.at(used, pools.asset[v], pools.used[v] * y)
            expected = np.concatenate([used, [base @ loss], loss])
            np.testing.assert_allclose(totals.table[i], expected, atol=1e-12)
    assert totals.counts[:, 2].sum() == 0  # the limit of pivots is never met


@pytest.mark.parametrize("integers", [False, True], ids=["general", "ties"])
@pytest.mark.parametrize("seed", range(3))
def test_answers_of_larger_pools_against_linear_programs(seed: int, integers: bool) -> None:
    """Up to 6 variables and 90 hinges, so that the line search partitions its kinks."""
    rng = np.random.default_rng([seed, integers, 9])
    pools = kernels.random_pools(rng, 30, assets=6, most_hinges=90, integers=integers)
    state, totals = kernels.fresh_state(pools), kernels.totals_for(pools, np.zeros(12))
    for step in range(3):
        price, stress = 9 * rng.normal(size=6), prices_and_stresses(rng)[1]
        if integers:
            price, stress = np.round(price), np.round(2 * stress) / 2
        kernels.answer_all(pools, state, kernels.point_at(price, stress, 99.0 * step), totals)
        for i in range(30):
            y = state.y[slice(*pools.variable[i : i + 2])]
            assert ((y >= -1e-12) & (y <= 1 + 1e-12)).all()
            least = kernels.least_cost_by_program(pools, i, price, stress)
            assert kernels.cost(pools, i, y, price, stress) == pytest.approx(least, abs=1e-7)
    assert totals.counts[:, 1].sum() > 100
    assert totals.counts[:, 2].sum() == 0


def test_a_pool_that_met_the_limit_of_pivots_is_visited_until_it_is_solved() -> None:
    """Its totals are those of where it stands, and it has no radius of stability."""
    rng = np.random.default_rng(8)
    pools = kernels.random_pools(rng, 60)
    price, stress = prices_and_stresses(rng)
    at = kernels.point_at(price, stress, 1.0)
    state, totals = kernels.fresh_state(pools), kernels.totals_for(pools, np.zeros(12))
    kernels.answer_all(pools, state, at, totals, Pivoting(pivots=0))
    assert (totals.counts[:, 2] == 1).all()
    assert (state.deadline == at.odometer).all()
    kernels.answer_all(pools, state, at, totals)
    assert (totals.counts[:, 0] == 2).all()
    for i in range(60):
        y = state.y[slice(*pools.variable[i : i + 2])]
        least = kernels.least_cost(pools, i, price, stress)
        assert kernels.cost(pools, i, y, price, stress) == pytest.approx(least, abs=1e-10)
        np.testing.assert_allclose(totals.table[i, 4:], kernels.losses(pools, i, y), atol=1e-12)


@pytest.mark.parametrize("integers", [False, True], ids=["general", "ties"])
def test_the_radius_of_stability_against_fresh_solves(integers: bool) -> None:
    """Within the radius the vertex stays optimal wherever prices and stresses go."""
    rng = np.random.default_rng(5)
    pools = kernels.random_pools(rng, 60, integers=integers)
    price, stress = prices_and_stresses(rng)
    state, totals = kernels.fresh_state(pools), kernels.totals_for(pools, np.zeros(12))
    kernels.answer_all(pools, state, kernels.point_at(price, stress), totals)
    radius = state.deadline.copy()
    assert (radius > 0).mean() > 0.3
    for i in np.flatnonzero(radius > 0).tolist():
        length = min(radius[i], 1.0)
        for _ in range(5):
            near = price + length * rng.choice([-1.0, 1.0], 3)
            pressed = np.maximum(stress + length * rng.uniform(-1.0, 1.0, 12), 0.0)
            y = state.y[slice(*pools.variable[i : i + 2])]
            least = kernels.least_cost(pools, i, near, pressed)
            assert kernels.cost(pools, i, y, near, pressed) == pytest.approx(least, abs=1e-10)


def test_a_pool_within_its_radius_is_not_visited() -> None:
    rng = np.random.default_rng(6)
    pools = kernels.random_pools(rng, 60)
    price, stress = prices_and_stresses(rng)
    state, totals = kernels.fresh_state(pools), kernels.totals_for(pools, np.zeros(12))
    kernels.answer_all(pools, state, kernels.point_at(price, stress), totals)
    before = totals.counts[:, 0].copy()
    step = float(np.median(state.deadline))
    kernels.answer_all(pools, state, kernels.point_at(price + step, stress, step), totals)
    visited = totals.counts[:, 0] > before
    np.testing.assert_array_equal(visited, ~(state.deadline > step) | visited)
    assert 0 < visited.sum() < 60


def test_multipliers_are_a_subgradient() -> None:
    """Shares of the stresses that make zero a subgradient of each pool's problem at its answer."""
    rng = np.random.default_rng(7)
    pools = kernels.random_pools(rng, 60)
    price, stress = prices_and_stresses(rng)
    state, totals = kernels.fresh_state(pools), kernels.totals_for(pools, np.zeros(12))
    weight = kernels.answer_all(pools, state, kernels.point_at(price, stress), totals)
    assert ((weight >= 0) & (weight <= 1)).all()
    for i in range(60):
        v, h = slice(*pools.variable[i : i + 2]), slice(*pools.hinge[i : i + 2])
        linear = pools.linear_scenario[slice(*pools.linear[i : i + 2])]
        moves = pools.moves[:, pools.asset[v]] * pools.contracts[v]
        slope = price[pools.asset[v]] * pools.used[v] + stress[linear] @ moves[linear]
        slope = slope + (stress[pools.scenario[h]] * weight[h]) @ moves[pools.scenario[h]]
        y = state.y[v]
        free, at_zero, at_one = (y > 1e-12) & (y < 1 - 1e-12), y <= 1e-12, y >= 1 - 1e-12
        assert np.abs(slope[free]).max(initial=0.0) < 1e-9
        assert slope[at_zero].min(initial=0.0) > -1e-9
        assert slope[at_one].max(initial=0.0) < 1e-9


def one_variable(levels: np.ndarray, slopes: np.ndarray, stress: float) -> vertex.Workspace:
    """A workspace at y = 0 that leaves the lower face, with hinges that all lie ahead."""
    h = levels.size
    work = vertex.workspace(1, h)
    work.slope[0], work.level[:], work.stress[:] = slopes, levels, stress
    work.direction[:], work.rate[:] = 1.0, slopes
    work.side[:], work.shortfall[:] = np.where(levels > 0, 1, -1), levels
    work.gradient[:] = 0.0
    work.which[:] = np.arange(h)
    return work


@pytest.mark.parametrize("count", [1, 5, 24, 25, 100, 1000])
@pytest.mark.parametrize("ties", [False, True])
def test_kinks_are_passed_until_the_derivative_turns(count: int, ties: bool) -> None:
    """Few kinks by scan, many by partition: the same stop as sorting them all."""
    rng = np.random.default_rng([count, ties])
    when = rng.integers(1, 4, count) / 4.0 if ties else rng.random(count)
    slopes = rng.uniform(0.5, 2.0, count)
    work = one_variable(-when * slopes, slopes, 1.0)
    work.when[:] = when
    order = np.argsort(when, kind="stable")
    turn = np.cumsum(slopes[order])
    for slope in (-0.3 * turn[-1], -1e-9, -2 * turn[-1]):
        copy = vertex.Workspace._make(array.copy() for array in work)
        hinge, step = pass_kinks(copy, 1, 0, count, slope, 24)
        if slope + turn[-1] < 0:
            assert hinge == -1
            assert (copy.side == 1).all()
            continue
        stop = int(np.searchsorted(slope + turn, 0.0))
        assert step == when[order[stop]]
        assert step == when[hinge]
        assert copy.side[hinge] == 0
        passed = copy.side == 1
        assert (when[passed] <= step).all()
        assert passed[when < step].all()
        assert copy.gradient[0] == pytest.approx(slopes[passed].sum(), rel=1e-12)


def test_a_pivot_makes_the_entering_constraint_the_only_one_to_move() -> None:
    rng = np.random.default_rng(0)
    edge, normal = rng.normal(size=(4, 4)), rng.normal(size=4)
    row = edge @ normal
    pivoted = edge.copy()
    pivot(4, pivoted, row, 2)
    np.testing.assert_allclose(pivoted @ normal, [0, 0, 1, 0], atol=1e-12)
    # The other constraints' rates along the other edges do not change.
    others = np.linalg.inv(edge)[:, [0, 1, 3]]
    np.testing.assert_allclose((pivoted @ others)[[0, 1, 3]], np.eye(3), atol=1e-9)


def test_partition_keeps_all_kinks_and_adds_up_their_turn() -> None:
    rng = np.random.default_rng(1)
    when = rng.integers(0, 5, 50) / 5.0
    work = one_variable(-(when + 0.1), np.ones(50), 2.0)
    work.when[:] = when
    middle, turn = partition(work, 0, 50)
    assert (work.when[:middle] <= work.when[middle:].min(initial=np.inf)).all()
    np.testing.assert_array_equal(np.sort(work.which), np.arange(50))
    assert turn == pytest.approx(2.0 * middle)
