"""Named stress scenarios: what if BTC fell by 30 % and ETH by 40 %?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.prices.protocol import ScenarioKind, ScenarioSet, probabilities


class Stress:
    """Scenarios given one by one, by name; `Mixture` adds them to another model with a probability.

    Parameters
    ----------
    returns : mapping of mappings
        By scenario, simple returns to the horizon by asset: {"crash": {"BTC": -0.30}}.
    weights : array or mapping, optional
        Probabilities of the scenarios, given that one of them happens; equal if left out.
    others : float, optional
        Return of assets that a scenario does not name; left out, it must name all of the book's.

    Examples
    --------
    >>> import adlopt as adl
    >>> adl.Stress({"crash": {"BTC": -0.30}, "squeeze": {"BTC": 0.25}}, others=0.0)
    Stress(crash, squeeze)
    """

    scenario_kind: ScenarioKind = "given"

    def __init__(
        self,
        returns: Mapping[str, Mapping[str, float]],
        *,
        weights: npt.ArrayLike | Mapping[str, float] | None = None,
        others: float | None = None,
    ) -> None:
        if not isinstance(returns, Mapping) or not returns:
            raise InputError(
                "Stress: give returns by scenario and asset, such as {'crash': {'BTC': -0.3}}"
            )
        self.returns = {name: _returns(name, moves) for name, moves in returns.items()}
        if isinstance(weights, Mapping):
            odd = next(iter(set(weights) ^ set(returns)), None)
            if odd is not None:
                raise InputError(
                    f"Stress: scenario {odd!r} has no {'return' if odd in weights else 'weight'}; "
                    f"give it both"
                )
            weights = [
                validation.as_finite(f"Stress, weight of {name!r}", weights[name])
                for name in returns
            ]
        self.weights = probabilities("Stress", weights, len(returns))
        self.others = None if others is None else _return("Stress: others", others)

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        """The named scenarios.

        Parameters
        ----------
        assets : Index of shape (d,)
        marks : array, shape (d,)

        Returns
        -------
        ScenarioSet
        """
        table = np.full(
            (len(self.returns), len(assets)), np.nan if self.others is None else self.others
        )
        for row, (name, moves) in enumerate(self.returns.items()):
            missing = [asset for asset in assets if asset not in moves]
            if missing and self.others is None:
                raise InputError(
                    f"Stress, scenario {name!r}: no return of asset {missing[0]!r}; add it, or "
                    f"give others=0.0 for all the rest"
                )
            for column, asset in enumerate(assets):
                table[row, column] = moves.get(asset, table[row, column])
        return ScenarioSet(table * marks, self.weights)

    def names(self, assets: pd.Index, marks: FloatArray) -> pd.Index:
        """The scenarios' names.

        Parameters
        ----------
        assets : Index of shape (d,)
        marks : array, shape (d,)

        Returns
        -------
        Index of shape (S,)
        """
        return pd.Index(list(self.returns))

    def __repr__(self) -> str:
        return f"Stress({', '.join(map(str, self.returns))})"


def _returns(name: str, moves: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(moves, Mapping | pd.Series):
        raise InputError(
            f"Stress, scenario {name!r}: {moves!r} is not a mapping of returns by asset"
        )
    return {
        asset: _return(f"Stress, scenario {name!r}, asset {asset!r}", value)
        for asset, value in moves.items()
    }


def _return(what: str, given: float) -> float:
    value = validation.as_finite(what, given)
    if value < -1:
        raise InputError(
            f"{what}: a simple return of {value:g} means a negative price; is it percent? divide "
            f"by 100"
        )
    return value
