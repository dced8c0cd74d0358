"""A weighted union of scenario sets: regimes, or a history with stress scenarios added."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError
from adlopt.prices.protocol import (
    PriceModel,
    Refinable,
    Resampleable,
    ScenarioKind,
    ScenarioSet,
    probabilities,
    scenario_kind,
    scenario_names,
)


class Mixture:
    """Price moves drawn from each model with its probability.

    It holds all scenarios of all models, so its loss is known by scenarios even where its models
    have closed forms. Its fresh draws and its accuracy are those of its parts.

    Parameters
    ----------
    parts : iterable of (price model, float)
        The models and their probabilities, which sum to one.

    Examples
    --------
    >>> import adlopt as adl
    >>> crash = adl.Stress({"crash": {"BTC": -0.30, "ETH": -0.40}})
    >>> prices = adl.Mixture([(adl.examples.paper_lognormal(), 0.98), (crash, 0.02)])
    >>> prices.scenario_kind
    'drawn'
    """

    def __init__(self, parts: Iterable[tuple[PriceModel, float]]) -> None:
        try:
            given = [(model, float(probability)) for model, probability in parts]
        except (TypeError, ValueError):
            raise InputError(
                "Mixture: give pairs of a price model and its probability: [(model, 0.9), (other, "
                "0.1)]"
            ) from None
        if not given:
            raise InputError("Mixture: at least one price model is needed")
        for model, _ in given:
            if isinstance(model, type) or not hasattr(model, "scenarios"):
                raise InputError(
                    f"Mixture: {model!r} is not a price model such as LogNormal(...) or "
                    f"Scenarios(...)"
                )
        self.models = tuple(model for model, _ in given)
        self.probabilities = probabilities(
            "Mixture", [probability for _, probability in given], len(given)
        )

    def scenarios(self, assets: pd.Index, marks: FloatArray) -> ScenarioSet:
        """The scenarios of all models, weighted by their probabilities.

        Parameters
        ----------
        assets : Index of shape (d,)
        marks : array, shape (d,)

        Returns
        -------
        ScenarioSet
        """
        sets = [model.scenarios(assets, marks) for model in self.models]
        weights = [p * one.weights for p, one in zip(self.probabilities, sets, strict=True)]
        return ScenarioSet(np.concatenate([one.moves for one in sets]), np.concatenate(weights))

    def names(self, assets: pd.Index, marks: FloatArray) -> pd.Index:
        """The models' own names of their scenarios, and numbers where they have none.

        Parameters
        ----------
        assets : Index of shape (d,)
        marks : array, shape (d,)

        Returns
        -------
        Index of shape (S,)
        """
        named = [scenario_names(model, assets, marks) for model in self.models]
        together: pd.Index[Any] = pd.Index([n for names in named for n in names], dtype=object)
        return together

    @property
    def scenario_kind(self) -> ScenarioKind:
        """The kind of its least certain model: unknown, else drawn, else stratified, else given."""
        kinds = {scenario_kind(model) for model in self.models}
        order: tuple[ScenarioKind, ...] = ("unknown", "drawn", "stratified", "given")
        return next(kind for kind in order if kind in kinds)

    def map(self, change: Callable[[PriceModel], PriceModel]) -> Mixture:
        """The mixture with a change of each of its models.

        Parameters
        ----------
        change : callable
            From a price model to another.

        Returns
        -------
        Mixture
        """
        changed = [change(model) for model in self.models]
        return Mixture(zip(changed, self.probabilities, strict=True))

    def replicate(self, number: int) -> Mixture:
        """The mixture with fresh draws of the models that are drawn.

        Parameters
        ----------
        number : int
            Of the draw, >= 0; draws of different numbers are independent.

        Returns
        -------
        Mixture
        """
        return self.map(
            lambda model: model.replicate(number) if isinstance(model, Resampleable) else model
        )

    def refined(self, factor: int) -> Mixture:
        """The mixture with `factor` times as many points in the models that have points.

        Parameters
        ----------
        factor : int
            How many times as many points, >= 1.

        Returns
        -------
        the same kind of model
        """
        return self.map(
            lambda model: model.refined(factor) if isinstance(model, Refinable) else model
        )

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{p:g} {model!r}" for p, model in zip(self.probabilities, self.models, strict=True)
        )
        return f"Mixture({parts})"
