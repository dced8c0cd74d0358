"""From combinations and prices back to an allocation, and multipliers that prove it."""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.methods.repair import restore_feasibility
from adlopt.methods.shadow_price.groups import Groups
from adlopt.methods.shadow_price.pools import PoolProgram
from adlopt.methods.shadow_price.tail import Tail, base_stress, cap, parts
from adlopt.model.problem import Problem
from adlopt.proof.multipliers import Multipliers


def combine(
    groups: Groups,
    theta: FloatArray,
    group: IntArray,
    sweep: IntArray,
    answers: dict[int, FloatArray],
) -> FloatArray:
    """(v,) fractions: each group's convex combination of its answers (eq. 11).

    Column c is the answer of `group[c]` at `sweep[c]`, of which `answers` holds the fractions.
    """
    total = np.bincount(group, theta, minlength=groups.count)
    owner = groups.state.group[groups.program.owner]
    y = np.zeros(groups.state.y.size)
    for number, answer in answers.items():
        mine = (sweep == number) & (theta > 0)
        if mine.any():
            part = np.zeros(groups.count)
            part[group[mine]] = theta[mine] / total[group[mine]]
            y += part[owner] * answer
    return y


def allocation(problem: Problem, program: PoolProgram, y: FloatArray) -> FloatArray:
    """(e,) feasible reductions from fractions (v,)."""
    return restore_feasibility(problem, program.reductions(problem, y))


def multipliers(
    groups: Groups,
    point: FloatArray,
    terms: tuple[FloatArray, ...],
    uncovered: FloatArray,
) -> Multipliers:
    """Multipliers at a dual point, by one more sweep over all pools (eq. 16).

    `terms` are the stressed probabilities (S,) of each term of the objective, `uncovered` (S,) the
    share of their sum that the point's stresses amount to.
    """
    pools, presolved = groups.program.pools, groups.program.presolved
    weight = np.zeros(pools.scenario.size)
    groups.sweep(point, weight)
    linear, hinges = presolved.linear.count, presolved.hinges.count
    place_linear = _places(linear, np.cumsum(hinges) - hinges)
    place_hinge = _places(hinges, np.cumsum(linear))
    size = place_linear.size + place_hinge.size
    scenario, share = np.empty(size, dtype=np.int32), np.ones(size)
    scenario[place_linear] = pools.linear_scenario
    scenario[place_hinge] = pools.scenario
    share[place_hinge] = weight
    pool = np.repeat(np.arange(linear.size, dtype=np.int32), linear + hinges)
    return Multipliers(terms, uncovered, pool, scenario, share)


def _places(count: IntArray, before: IntArray) -> IntArray:
    """Where one kind's pairs go when each pool's linear pairs stand before its hinges."""
    return np.arange(int(count.sum())) + np.repeat(before, count)


def stressed_terms(
    problem: Problem,
    live: IntArray,
    tails: tuple[Tail, ...],
    stresses: tuple[FloatArray, ...],
) -> tuple[tuple[FloatArray, ...], FloatArray]:
    """Stressed probabilities (S,) of each term, and the share of them that a fund leaves.

    Stresses of a tail sum to less than its factor if a fund covers losses: what is missing goes to
    scenarios with room under their caps, and their uncovered share falls accordingly.
    """
    weights, terms = problem.scenarios.weights, problem.objective.terms
    found = [np.zeros(weights.size) for _ in terms]
    total = base_stress(problem)
    if problem.insurance_fund == 0:
        for part in parts(problem.objective) or []:
            if part.level == 0.0:
                found[part.term] += part.factor * weights
    for tail, stress in zip(tails, stresses, strict=True):
        full = np.zeros(weights.size)
        full[live] = stress
        total += full
        room = np.maximum(cap(tail.part, weights) - full, 0.0)
        missing = tail.factor - float(stress.sum())
        if missing > 0 and room.sum() > 0:
            full += room * min(missing / float(room.sum()), 1.0)
        found[tail.part.term] += full
    whole = sum(found, np.zeros(weights.size))
    uncovered = np.divide(total, whole, out=np.ones(weights.size), where=whole > 0)
    shares = (part / factor for part, (factor, _) in zip(found, terms, strict=True))
    return tuple(shares), np.minimum(uncovered, 1.0)
