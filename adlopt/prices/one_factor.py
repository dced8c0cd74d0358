"""One risk factor drives all prices: P - p = direction * shock."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from adlopt import _tables as tables
from adlopt._tables import FloatArray, IntArray
from adlopt.errors import InputError
from adlopt.prices.protocol import PoolLoss, Radial, ScenarioSet
from adlopt.prices.shocks import FrozenShock, NormalShock, SampleShock, Shock


class OneFactor:
    """P - p = v * eps with one random shock eps.

    Parameters
    ----------
    direction : v, money per contract and unit of shock, by asset (mapping, Series, or array in the book's order).
    shock : a frozen scipy.stats distribution or a sample of eps; standard normal if left out.
    weights : probabilities of a sample; equal if left out.
    points : strata of a continuous shock where scenarios are needed; each is represented by its conditional mean.
    """

    def __init__(
        self,
        direction: Mapping[str, float] | pd.Series[float] | npt.ArrayLike,
        shock: Any = None,
        *,
        weights: npt.ArrayLike | None = None,
        points: int = 2**14,
    ) -> None:
        self.direction = direction
        tables.by_asset("OneFactor, direction", direction, tables.names_of(direction))
        if not isinstance(points, int | np.integer) or points < 3:
            raise InputError(f"OneFactor: points is {points!r}; a whole number >= 3 is needed: two tails and a middle")
        self.points = int(points)
        self._given = shock
        if weights is not None and (shock is None or hasattr(shock, "ppf")):
            raise InputError("OneFactor: weights belong to a sample of the shock; a distribution has its own")
        self._weights = weights
        self.shock  # noqa: B018  (validates now, not at the first solve)

    @cached_property
    def shock(self) -> Shock:
        """The shock's distribution, with the partial moments that closed forms need."""
        if self._given is None:
            return NormalShock()
        if hasattr(self._given, "ppf"):
            return FrozenShock(self._given)
        return SampleShock(self._given, self._weights)

    def vector(self, assets: pd.Index) -> FloatArray:
        """(d,) direction in the order of `assets`."""
        return tables.by_asset("OneFactor, direction", self.direction, assets)

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        shock, weights = self.shock.strata(self.points)
        return ScenarioSet(np.outer(shock, self.vector(assets)), weights)

    def pool_loss(self, assets: pd.Index, equity: FloatArray, sizes: sp.csr_array, pool: IntArray, asset: IntArray) -> PoolLoss:
        """E[(-E - b eps)^+] with exposure b = v . size: exact, from the shock's partial moments."""
        v = self.vector(assets)
        exposure = sizes @ v
        # Loss sets in where -b eps > E: below the threshold -E/b for b > 0, above it for b < 0.
        with np.errstate(divide="ignore", over="ignore"):
            threshold = np.where(exposure != 0, -equity / exposure, np.inf)
        falling = exposure > 0
        probability = np.zeros(equity.size)
        moment = np.zeros(equity.size)  # E[(threshold - eps)^+] if falling, E[(eps - threshold)^+] if rising
        probability[falling], moment[falling] = self.shock.below(threshold[falling])
        rising = exposure < 0
        probability[rising], moment[rising] = self.shock.above(threshold[rising])
        mean = np.abs(exposure) * moment
        # d/db E[(-E - b eps)^+] = -E[eps; loss], and E[eps; eps < t] = t F(t) - E[(t - eps)^+].
        at = np.where((probability > 0) & np.isfinite(threshold), threshold, 0.0)
        tail = at * probability + np.where(falling, -moment, moment)
        # Without exposure the shortfall is certain: nothing, or what settlement has left below zero.
        certain = (exposure == 0) & (equity < 0)
        probability[certain] = 1.0
        mean[certain] = -equity[certain]
        return PoolLoss(value=mean, by_equity=-probability, by_size=-tail[pool] * v[asset])

    def radial(self, assets: pd.Index) -> Radial | None:
        """Volatility |v . size| and a normal or Student-t law, where the shock has one centred at zero; None elsewhere."""
        law = self.shock.student
        return None if law is None else Radial(self.vector(assets)[:, None] * law[0], law[1])

    def __repr__(self) -> str:
        return f"OneFactor({self.direction!r}, shock={self.shock!r})"
