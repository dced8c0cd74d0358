"""Objectives as an expected loss plus tails, and the scenarios that can be in a tail.

A tail is factor x CVaR (eq. 4): min over t of factor t + sum_s cap_s (loss_s - t)^+. Its stresses q
lie in [0, cap] and sum to factor. The worst case is a tail whose caps never bind. An insurance fund
F is the constraint t >= F: then the tail measures (L - F)^+, less a constant factor F, and sum q
may be less than factor.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adlopt._internal.arrays import BoolArray, FloatArray, IntArray
from adlopt.methods.shadow_price.tuning import Tuning
from adlopt.model.problem import Problem
from adlopt.objectives import CVaR, ExpectedLoss, Objective, Spectral, WorstCase


class Part(NamedTuple):
    """factor x CVaR(level), of term `term` of the objective; level 1 is the worst case."""

    term: int
    factor: float
    level: float


class Tail(NamedTuple):
    """A part in the master program; scenarios numbered among the live ones."""

    part: Part
    factor: float
    cap: FloatArray  # (L,) largest stress, 0 outside `scenarios`
    scenarios: IntArray  # live scenarios that can be in this tail
    least: float  # lower bound of the threshold t
    member: BoolArray  # (S,) its scenarios among all

    def admissible(self, stress: FloatArray) -> FloatArray:
        """(L,) stresses near `stress` that this tail's dual set holds: without them in its box the
        master would be unbounded.
        """
        stress = np.clip(stress, 0.0, self.cap)
        total = float(stress.sum())
        if total > self.factor:
            return np.asarray(stress * (self.factor / total))
        room = self.cap - stress
        if np.isfinite(self.least) or room.sum() <= 0:
            return stress
        return np.asarray(stress + room * min((self.factor - total) / float(room.sum()), 1.0))

    def first_stress(self) -> FloatArray:
        """(L,) stress in proportion to the caps; half of it if a fund may take the rest."""
        total = float(self.cap.sum())
        share = min(self.factor / total, 1.0) if total > 0 else 0.0
        return self.cap * (share if np.isinf(self.least) else share / 2)


def parts(objective: Objective) -> list[Part] | None:
    """The objective as a sum of CVaRs, level 0 being the expected loss; None if it is none."""
    found: list[Part] = []
    for number, (factor, term) in enumerate(objective.terms):
        if isinstance(term, ExpectedLoss):
            found.append(Part(number, factor, 0.0))
        elif isinstance(term, CVaR):
            found.append(Part(number, factor, term.level))
        elif isinstance(term, WorstCase):
            found.append(Part(number, factor, 1.0))
        elif isinstance(term, Spectral):
            found += [
                Part(number, factor * share, measure.level) for share, measure in term.mixture
            ]
        else:
            return None
    return found


def cap(part: Part, weights: FloatArray) -> FloatArray:
    """Largest stress of each scenario in a tail."""
    if part.level < 1.0:
        return np.asarray(part.factor * weights / (1.0 - part.level))
    return np.where(weights > 0, part.factor, 0.0)


def base_stress(problem: Problem) -> FloatArray:
    """(S,) stress that never changes: that of expected losses, unless a fund comes first."""
    if problem.insurance_fund > 0:
        return np.zeros(problem.scenarios.weights.size)
    factor = sum(part.factor for part in parts(problem.objective) or [] if part.level == 0.0)
    return np.asarray(factor * problem.scenarios.weights)


def tail_parts(problem: Problem) -> list[Part]:
    fund = problem.insurance_fund > 0
    return [part for part in parts(problem.objective) or [] if part.level > 0.0 or fund]


def candidates(
    problem: Problem, losses: FloatArray, covered: float, spread: float, tuning: Tuning
) -> list[BoolArray]:
    """(S,) scenarios that each tail may need: those with the largest losses (S,).

    They have `spread` times the tail's probability, and losses above `covered` x insurance fund.
    """
    weights = problem.scenarios.weights
    order = np.argsort(-losses, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    likely = weights > 0
    rank = np.cumsum(likely[order]) - 1
    found = []
    for part in tail_parts(problem):
        chosen = np.zeros(losses.size, dtype=bool)
        mass = spread * (1.0 - part.level)
        chosen[order] = (before < mass) | (rank < tuning.fewest_scenarios)
        if problem.insurance_fund > 0:
            chosen &= losses > covered * problem.insurance_fund
        found.append(chosen & likely)
    return found


def tails(
    problem: Problem, live: IntArray, members: list[BoolArray], unit: float
) -> tuple[Tail, ...]:
    """The tails of the objective over the live scenarios."""
    weights = problem.scenarios.weights[live]
    made = []
    for part, member in zip(tail_parts(problem), members, strict=True):
        inside = member[live]
        least = problem.insurance_fund / unit if problem.insurance_fund > 0 else -np.inf
        made.append(
            Tail(
                part,
                part.factor,
                np.where(inside, cap(part, weights), 0.0),
                np.flatnonzero(inside),
                least,
                member,
            )
        )
    return tuple(made)


def missed(problem: Problem, losses: FloatArray, members: list[BoolArray]) -> float:
    """How much more the objective is at `losses` (S,) than with each tail's scenarios alone."""
    weights, fund = problem.scenarios.weights, problem.insurance_fund
    beyond = np.maximum(losses - fund, 0.0)
    total = 0.0
    for part, member in zip(tail_parts(problem), members, strict=True):
        measure = WorstCase() if part.level == 1.0 else CVaR(part.level)
        inside = np.where(member, beyond, 0.0)
        total += part.factor * (measure.value(beyond, weights) - measure.value(inside, weights))
    return total
