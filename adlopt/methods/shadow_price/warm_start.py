"""What a solve leaves for the next one: the presolve, prices, vertices and columns."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.methods.shadow_price.decomposition import Decomposition
from adlopt.methods.shadow_price.pools import PoolProgram, largest_reductions
from adlopt.model.problem import Problem
from adlopt.presolve.pairs import Presolved


@dataclass(eq=False)
class WarmStart:
    """The state of a finished solve. The next solve of a similar problem takes over its vertices
    and columns, which it changes; later ones still find the presolve, prices and stresses.
    """

    problem: Problem
    presolved: Presolved
    price: FloatArray  # (d,) change of the objective per contract of required reduction, money
    stress: FloatArray  # (tails, S)
    decomposition: Decomposition | None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def presolved_for(self, problem: Problem) -> Presolved | None:
        """The presolve, if `problem` has the same pools, price moves and boxes."""
        old = self.problem
        same = _same_book(old, problem) and all(
            a is b or np.array_equal(a, b)
            for a, b in (
                (old.max_reduction, problem.max_reduction),
                (old.settlement_offset, problem.settlement_offset),
                (old.moves, problem.moves),
                (old.scenarios.weights, problem.scenarios.weights),
            )
        )
        return self.presolved if same else None

    def take_decomposition(self, problem: Problem) -> Decomposition | None:
        """The decomposition with its vertices and columns, if `problem` differs by its reduction
        alone; only one solve gets it.
        """
        old, kept = self.problem, self.decomposition
        if kept is None or not self.fits(problem, kept.groups.program):
            return None
        if problem.objective != old.objective or problem.insurance_fund != old.insurance_fund:
            return None
        with self._lock:
            taken, self.decomposition = self.decomposition, None
        return taken

    def fits(self, problem: Problem, program: PoolProgram) -> bool:
        """Whether `program`, which this solve built, holds `problem`'s pools and reductions."""
        if problem.market is not None or self.problem.market is not None:
            return False  # its groups are scaled to the old requirement
        if self.presolved_for(problem) is None or program.exhausted.any():
            return False
        if not np.array_equal(problem.reduced_assets, self.problem.reduced_assets):
            return False
        larger = largest_reductions(problem) > np.abs(program.most) * (1 + 1e-12)
        return not (problem.exhausted_assets.any() or larger.any())


def _same_book(old: Problem, new: Problem) -> bool:
    if old.book is new.book:
        return True
    pairs = (
        (old.book.equity, new.book.equity),
        (old.book.first_position, new.book.first_position),
        (old.book.asset, new.book.asset),
        (old.book.size, new.book.size),
    )
    return all(np.array_equal(a, b) for a, b in pairs)
