"""The presolve in blocks of like scenarios against the range of every pair."""

from __future__ import annotations

import numpy as np
import pytest

import adlopt as adl
from adlopt.presolve import pairs
from adlopt.presolve.pairs import (
    Presolved,
    PresolveSettings,
    presolve,
    presolve_at,
    scenario_blocks,
)
from tests.methods.shadow_price.books import KINDS, random_book
from tests.support import random_case


def every_pair(
    problem: adl.Problem, first: np.ndarray, last: np.ndarray, slack: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(n, S) shortfall and masks of linear pairs and hinges, (S,) constants; by dense arrays."""
    book, moves = problem.book, problem.moves
    n, S = book.equity.size, moves.shape[1]
    V = np.repeat(book.equity[:, None], S, axis=1)
    np.add.at(V, book.pool, book.size[:, None] * moves[book.asset])
    change = moves[problem.asset] - problem.settlement_offset[problem.asset][:, None]
    ends = np.stack([change * first[:, None], change * last[:, None]])
    low, high = np.repeat(-slack[:, None], S, axis=1), np.repeat(slack[:, None], S, axis=1)
    np.add.at(low, problem.pool, ends.min(axis=0))
    np.add.at(high, problem.pool, ends.max(axis=0))
    reducible = np.bincount(problem.pool, minlength=n) > 0
    able = (book.solvent & reducible)[:, None]
    costs = able & (high > V)
    constant = np.maximum(-V[book.solvent & ~reducible], 0.0).sum(axis=0)
    return -V, costs & (low >= V), costs & ~(low >= V), constant


def assert_same(
    problem: adl.Problem, found: Presolved, first: np.ndarray, last: np.ndarray, slack: np.ndarray
) -> None:
    shortfall, linear, hinges, constant = every_pair(problem, first, last, slack)
    n, S = shortfall.shape
    size = np.bincount(
        problem.book.pool,
        np.abs(problem.book.size)
        * (problem.book.marks + np.abs(problem.moves).max(axis=1))[problem.book.asset],
        minlength=n,
    )
    rounding = 1e-12 * (np.abs(problem.book.equity) + size)
    for pairs_found, expected in ((found.linear, linear), (found.hinges, hinges)):
        mask = np.zeros((n, S), dtype=bool)
        mask[pairs_found.pool, pairs_found.scenario] = True
        assert mask.sum() == pairs_found.size  # none twice
        value = np.zeros((n, S))
        value[pairs_found.pool, pairs_found.scenario] = pairs_found.shortfall
        tolerance = np.broadcast_to(rounding[:, None], (n, S))
        assert (np.abs(value - shortfall)[mask] <= tolerance[mask]).all()
        differ = mask != expected
        # A different order of summation may move a pair that stands at its edge exactly.
        edges = np.stack([shortfall + end for end in _ranges(problem, first, last, slack)])
        assert (np.abs(edges).min(axis=0)[differ] <= tolerance[differ]).all()
    np.testing.assert_allclose(found.constant, constant, atol=1e-12 * size.sum())


def _ranges(
    problem: adl.Problem, first: np.ndarray, last: np.ndarray, slack: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    S = problem.moves.shape[1]
    offset = problem.settlement_offset[problem.asset][:, None]
    ends = (problem.moves[problem.asset] - offset)[None] * np.stack([first, last])[:, :, None]
    low, high = np.repeat(-slack[:, None], S, axis=1), np.repeat(slack[:, None], S, axis=1)
    np.add.at(low, problem.pool, ends.min(axis=0))
    np.add.at(high, problem.pool, ends.max(axis=0))
    return low, high


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_find_the_pairs_of_every_kind_of_book(kind: str) -> None:
    for seed in range(6):
        problem = random_book(100 + seed, kind=kind).problem()
        nothing, slack = np.zeros(problem.max_reduction.size), np.zeros(problem.book.equity.size)
        assert_same(problem, presolve(problem), nothing, problem.max_reduction, slack)


@pytest.mark.parametrize("margin", ["isolated", "cross", "mixed"])
def test_blocks_find_the_pairs_with_caps_settlement_and_bankrupt_pools(margin: str) -> None:
    for seed in range(24):
        case = random_case(seed, margin, one_factor=False, reduced=2, settlement=True)
        problem = case.problem()
        nothing, slack = np.zeros(problem.max_reduction.size), np.zeros(problem.book.equity.size)
        assert_same(problem, presolve(problem), nothing, problem.max_reduction, slack)


def test_blocks_find_the_pairs_near_one_allocation() -> None:
    problem = adl.synthetic.problem(300, scenarios=100, seed=3)
    x = problem.pro_rata()
    book = problem.book
    gross = np.bincount(book.pool, np.abs(book.size) * book.marks[book.asset])
    slack = pairs.DEFAULTS.near_kink * (book.equity + gross)
    assert_same(problem, presolve_at(problem, x), x, x, slack)


@pytest.mark.parametrize("block", [1, 7, 32, 1000])
@pytest.mark.parametrize("buffer", [100, 500_000])
def test_sizes_of_blocks_and_buffers_do_not_change_the_pairs(block: int, buffer: int) -> None:
    problem = adl.synthetic.problem(250, scenarios=90, seed=5)
    found = presolve(problem, settings=PresolveSettings(block=block, buffer=buffer))
    nothing, slack = np.zeros(problem.max_reduction.size), np.zeros(problem.book.equity.size)
    assert_same(problem, found, nothing, problem.max_reduction, slack)


def test_disabled_every_pair_of_a_reducible_pool_is_a_hinge() -> None:
    problem = adl.synthetic.problem(50, scenarios=40, seed=6)
    found = presolve(problem, enabled=False)
    reducible = np.bincount(problem.pool, minlength=50) > 0
    assert found.linear.size == 0
    assert found.hinges.size == 40 * (reducible & problem.book.solvent).sum()


@pytest.mark.parametrize("scenarios", [1, 31, 32, 33, 1000])
def test_blocks_hold_each_scenario_once(scenarios: int) -> None:
    rng = np.random.default_rng(scenarios)
    order, edge = scenario_blocks(rng.normal(size=(3, scenarios)), np.ones(3), 32)
    np.testing.assert_array_equal(np.sort(order), np.arange(scenarios))
    assert edge[0] == 0
    assert edge[-1] == scenarios
    assert (np.diff(edge) > 0).all()
    assert (np.diff(edge) <= 32).all()
