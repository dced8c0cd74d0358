"""What a solve with the conic master leaves for the next one, also under other objectives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adlopt._internal.arrays import FloatArray, IntArray
from adlopt.methods.shadow_price.conic_decomposition import ConicDecomposition
from adlopt.methods.shadow_price.groups import Groups
from adlopt.methods.shadow_price.warm_start import WarmStart
from adlopt.model.problem import Problem


@dataclass(eq=False)
class ConicWarmStart(WarmStart):
    """The state of a finished solve. `price` is common to all, `stress` (1, S) that of the sum."""

    conic: ConicDecomposition | None = None

    def take_conic(
        self, problem: Problem, live: IntArray, groups: int
    ) -> ConicDecomposition | None:
        """The decomposition, if `problem` differs by its reduction, objective or fund alone; only
        one solve gets it.

        A column is what a group of pools loses in each scenario, whatever measures these losses.
        """
        kept = self.conic
        if kept is None or not self.fits(problem, kept.groups.program):
            return None
        if kept.groups.count != min(groups, kept.groups.program.size):
            return None
        if not np.array_equal(kept.groups.live, live):
            return None
        with self._lock:
            taken, self.conic = self.conic, None
        return taken


def adapted(y: FloatArray, groups: Groups, required: FloatArray) -> FloatArray:
    """(v,) fractions moved in proportion towards 0 or 1 until they meet `required` (R,)."""
    pools = groups.program.pools
    supplied = np.bincount(pools.asset, pools.used * y, minlength=required.size)
    room = np.bincount(pools.asset, pools.used * (1.0 - y), minlength=required.size)
    down = np.divide(required, supplied, out=np.ones(required.size), where=supplied > 0)
    up = np.divide(required - supplied, room, out=np.zeros(required.size), where=room > 0)
    less, more = np.minimum(down, 1.0)[pools.asset], np.clip(up, 0.0, 1.0)[pools.asset]
    return np.asarray(y * less + (1.0 - y) * more)
