"""The closed-form pool loss against integration, and its gradient against finite differences."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats
from scipy.integrate import quad

import adlopt as adl
from adlopt.prices.protocol import PoolLoss

ASSETS = pd.Index(["A", "B"])
V = np.array([3.0, -1.5])
SIZES = np.array([[4.0, 0.0], [-3.0, 2.0], [0.0, 5.0], [1.0, 2.0], [0.0, 0.0], [-1e-9, 0.0], [2.0, 1.0]])
EQUITY = np.array(
    [10.0, 4.0, 2.0, 1.0, 3.0, 1.0, -0.5]
)  # the fourth pool is hedged to zero exposure, the last settled below zero


def loss(model: adl.OneFactor, equity: np.ndarray, sizes: np.ndarray) -> PoolLoss:
    pool, asset = (part.ravel() for part in np.indices(SIZES.shape))
    return model.pool_loss(ASSETS, equity, sp.csr_array(sizes), pool, asset)


def expectation(shock: object, equity: float, exposure: float) -> float:
    if exposure == 0:
        return max(-equity, 0.0)
    kink = -equity / exposure
    edges = np.unique(np.clip([-np.inf, -60.0, -8.0, -2.0, kink, 2.0, 8.0, 60.0, np.inf], -np.inf, np.inf))
    return sum(
        quad(lambda e: max(-equity - exposure * e, 0.0) * shock.pdf(e), a, b, epsabs=1e-14, epsrel=1e-11, limit=200)[0]  # type: ignore[attr-defined]
        for a, b in pairwise(edges)
    )


@pytest.mark.parametrize("shock", [None, stats.t(4), stats.norm(0.2, 1.5)], ids=["normal", "t4", "shifted"])
def test_value(shock: object) -> None:
    found = loss(adl.OneFactor(dict(zip(ASSETS, V, strict=True)), shock), EQUITY, SIZES).value
    density = stats.norm() if shock is None else shock
    wanted = [expectation(density, E, b) for E, b in zip(EQUITY, SIZES @ V, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-12)


SAMPLE = np.random.default_rng(3).standard_t(3, 50)


@pytest.mark.parametrize("shock", [None, stats.t(4), SAMPLE], ids=["normal", "t4", "sample"])
def test_gradient(shock: object) -> None:
    model = adl.OneFactor(dict(zip(ASSETS, V, strict=True)), shock)
    base, step = loss(model, EQUITY, SIZES), 1e-6
    exposed = SIZES @ V != 0  # at no exposure there is a kink for nobody: the loss is constant around E > 0
    by_equity = (loss(model, EQUITY + step, SIZES).value - loss(model, EQUITY - step, SIZES).value) / (2 * step)
    np.testing.assert_allclose(base.by_equity, by_equity, atol=1e-6)
    by_size = base.by_size.reshape(SIZES.shape)
    for k in range(2):
        shift = np.zeros_like(SIZES)
        shift[exposed, k] = step
        difference = (loss(model, EQUITY, SIZES + shift).value - loss(model, EQUITY, SIZES - shift).value) / (2 * step)
        # Near a sample's kinks the difference straddles two slopes; none of these pools stands on one.
        np.testing.assert_allclose(by_size[exposed, k], difference[exposed], rtol=1e-4, atol=1e-6)


def test_sample_value_is_the_scenario_mean() -> None:
    weights = np.random.default_rng(4).dirichlet(np.ones(50))
    model = adl.OneFactor(dict(zip(ASSETS, V, strict=True)), SAMPLE, weights=weights)
    moves, probability = model.scenarios(ASSETS, np.ones(2))
    shortfall = np.maximum(-(EQUITY[:, None] + SIZES @ moves.T), 0.0)
    np.testing.assert_allclose(loss(model, EQUITY, SIZES).value, shortfall @ probability, rtol=1e-12, atol=1e-13)


def test_strata_approach_the_closed_form() -> None:
    errors = []
    for points in (2**6, 2**8, 2**10):
        model = adl.OneFactor(dict(zip(ASSETS, V, strict=True)), points=points)
        moves, probability = model.scenarios(ASSETS, np.ones(2))
        shortfall = np.maximum(-(EQUITY[:, None] + SIZES @ moves.T), 0.0) @ probability
        errors.append(np.abs(shortfall - loss(model, EQUITY, SIZES).value).max())
    assert errors[2] < 1e-4
    assert errors[2] < errors[0] / 50  # second order: 256 in theory


def test_direction_in_any_form() -> None:
    forms = [{"B": -1.5, "A": 3.0}, pd.Series({"B": -1.5, "A": 3.0}), [3.0, -1.5], np.array([3.0, -1.5])]
    for direction in forms:
        np.testing.assert_array_equal(adl.OneFactor(direction).vector(ASSETS), V)
