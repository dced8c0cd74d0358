"""Closed forms under Gaussian and Student-t prices against integration; scenarios against the
closed form; bad input.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.special import gammaln

import adlopt as adl
from adlopt.prices.protocol import ClosedForm, PoolLoss
from tests.typed import untyped

ASSETS = pd.Index(["A", "B", "C"])
SCALE = np.array([50.0, 2.0, 0.01])
CORRELATION = np.array([[1.0, 0.6, -0.3], [0.6, 1.0, 0.1], [-0.3, 0.1, 1.0]])
COVARIANCE = CORRELATION * np.outer(SCALE, SCALE)

Law = adl.Gaussian | adl.StudentT
MODELS: dict[str, Law] = {
    "Gaussian": adl.Gaussian(COVARIANCE, ASSETS),
    **{
        f"t {df}": adl.StudentT(COVARIANCE, df, assets=ASSETS)
        for df in (1.1, 1.5, 3.0, 12.0, 180.0, 1e4)
    },
}


def loss(model: ClosedForm, equity: np.ndarray, sizes: np.ndarray) -> PoolLoss:
    pool, asset = (part.ravel() for part in np.indices(sizes.shape))
    return model.pool_loss(ASSETS[: sizes.shape[1]], equity, sp.csr_array(sizes), pool, asset)


def log_density(model: Law, x: float) -> float:
    """Of one coordinate, from its definition."""
    if isinstance(model, adl.Gaussian):
        return float(-0.5 * x * x - 0.5 * np.log(2 * np.pi))
    nu = model.df
    with np.errstate(over="ignore"):
        return float(
            gammaln((nu + 1) / 2)
            - gammaln(nu / 2)
            - 0.5 * np.log(np.pi * nu)
            - (nu + 1) / 2 * np.log1p(x * x / nu)
        )


def reference(model: Law, z: float) -> tuple[float, float, float]:
    """E[(X - z)^+], P(X > z), E[X; X > z] for z > 0, each as a multiple of the density at z.

    Integrated over w = log(x - z), cell by cell by Gauss's rule, with the logarithm of the ratio of
    densities.
    """
    node, weight = np.polynomial.legendre.leggauss(30)
    reach = 40.0 if isinstance(model, adl.Gaussian) else 40.0 / min(model.df - 1, 1.0) + 40.0
    edge = np.arange(-45.0, reach, 0.5)
    w = (edge[:, None] + 0.25 * (node + 1)).ravel()
    u = np.exp(w)
    if isinstance(model, adl.Gaussian):
        ratio = -u * (z + 0.5 * u)
    else:
        nu = model.df
        ratio = -(nu + 1) / 2 * np.logaddexp(0.0, w + np.log(2 * z + u) - np.log(nu + z * z))
    excess, tail = (
        float(np.tile(0.25 * weight, edge.size) @ np.exp(ratio + power * w)) for power in (2, 1)
    )
    return excess, tail, excess + z * tail


@pytest.mark.parametrize("name", MODELS)
def test_moments_over_ten_orders_of_magnitude(name: str) -> None:
    model = MODELS[name]
    z = np.geomspace(1e-5, 1e5, 21)
    excess, tail, moment = model.moments(z)
    low_excess, low_tail, low_moment = model.moments(-z)
    checked = 0
    for at, point in enumerate(z):
        height = log_density(model, point)
        if height < -650:
            assert excess[at] <= 1e-280
            continue
        density = np.exp(height)
        e, t, m = (density * part for part in reference(model, point))
        assert [excess[at], tail[at], moment[at]] == pytest.approx([e, t, m], rel=1e-10, abs=0)
        # The other side of the centre: E(X + z)^+ = z + E(X - z)^+, and the density is even.
        assert [low_excess[at], low_tail[at], low_moment[at]] == pytest.approx(
            [e + point, 1 - t, m], rel=1e-10, abs=0
        )
        checked += 1
    assert checked >= 13


@pytest.mark.parametrize("name", ["Gaussian", "t 3.0"])
def test_value_is_homogeneous_and_gradients_are_derivatives(name: str) -> None:
    model = MODELS[name]
    rng = np.random.default_rng(0)
    sizes = rng.normal(size=(40, 3)) / SCALE * 10 ** rng.uniform(-3, 3, (40, 1))
    equity = np.sqrt(np.einsum("ij,jk,ik->i", sizes, COVARIANCE, sizes)) * rng.uniform(-3, 4, 40)
    here = loss(model, equity, sizes)
    by_size = here.by_size.reshape(sizes.shape)
    # Euler: a homogeneous function is its gradient times its arguments.
    assert here.by_equity * equity + np.einsum("ij,ij->i", by_size, sizes) == pytest.approx(
        here.value, rel=1e-9
    )
    step = 1e-5
    up, down = loss(model, equity * (1 + step), sizes), loss(model, equity * (1 - step), sizes)
    assert (up.value - down.value) / (2 * step * equity) == pytest.approx(here.by_equity, rel=1e-6)
    for k in range(3):
        shift = np.zeros_like(sizes)
        shift[:, k] = step * np.linalg.norm(sizes * SCALE, axis=1) / SCALE[k]
        change = (
            loss(model, equity, sizes + shift).value - loss(model, equity, sizes - shift).value
        ) / (2 * shift[:, k])
        assert change == pytest.approx(by_size[:, k], rel=1e-6, abs=1e-7 * SCALE[k])


def test_hedged_pools() -> None:
    """Without volatility the shortfall is certain; nearly without, it keeps its digits."""
    v = np.array([67_000.0, 1_900.0])
    hedge = np.array([1.9, -67.0])  # v . hedge is zero in exact arithmetic
    sizes = np.array([hedge, hedge, hedge, hedge * (1 + 1e-13), [0.0, 0.0], [0.0, 0.0]])
    sizes[3, 0] = 1.9 * (1 + 1e-9)
    equity = np.array([1.0, 0.0, -2.0, 1e-6, 5.0, -5.0])
    found = loss(adl.Gaussian(np.outer(v, v)), equity, sizes)
    assert np.isfinite(found.value).all()
    assert np.isfinite(found.by_size).all()
    assert found.value[[0, 2, 4, 5]] == pytest.approx([0.0, 2.0, 0.0, 5.0], abs=1e-9)
    c = abs(v @ sizes[3])
    assert found.value[3] == pytest.approx(
        c * adl.Gaussian([[1.0]]).moments(np.array([1e-6 / c]))[0][0], rel=1e-5
    )
    assert found.by_equity[[0, 2]].tolist() == [0.0, -1.0]


@pytest.mark.parametrize("df", [None, 3.0])
def test_rank_one_is_one_factor(df: float | None) -> None:
    from scipy import stats

    rng = np.random.default_rng(1)
    v = np.array([3.0, -1.5, 40.0])
    sizes, equity = rng.normal(size=(30, 3)), rng.uniform(-5, 100, 30)
    matrix = np.outer(v, v)
    one = adl.OneFactor(v) if df is None else adl.OneFactor(v, stats.t(df))
    elliptical = adl.Gaussian(matrix) if df is None else adl.StudentT(matrix, df)
    for ours, theirs in zip(loss(elliptical, equity, sizes), loss(one, equity, sizes), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize(
    "model", [adl.Gaussian(COVARIANCE, ASSETS), adl.StudentT(COVARIANCE, 5.0, assets=ASSETS)]
)
def test_scenarios_have_the_covariance_and_the_closed_form(model: Law) -> None:
    moves, weights = model.scenarios(ASSETS, np.array([1000.0, 50.0, 0.2]))
    assert weights.sum() == pytest.approx(1.0)
    times = 1.0 if isinstance(model, adl.Gaussian) else 5.0 / 3.0
    assert moves.T * weights @ moves == pytest.approx(
        times * COVARIANCE, rel=0.02, abs=0.02 * SCALE.prod() ** (2 / 3)
    )
    assert model.scenarios(ASSETS, np.ones(3)).moves == pytest.approx(
        model.scenarios(ASSETS, np.ones(3)).moves
    )
    sizes = np.array([[1.0, -10.0, 300.0]])
    equity = 30.0
    sampled = float(weights @ np.maximum(-equity - moves @ sizes[0], 0.0))
    assert sampled == pytest.approx(loss(model, np.array([equity]), sizes).value[0], rel=2e-3)


def test_frames_are_matched_by_name() -> None:
    table = pd.DataFrame(COVARIANCE, ASSETS, ASSETS)
    order = ["C", "A"]
    shuffled = adl.Gaussian(table.loc[["B", "C", "A"], ["A", "C", "B"]])
    assert shuffled.covariance_of(pd.Index(order)) == pytest.approx(
        table.loc[order, order].to_numpy()
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.full((2, 3), 1.0), "square"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), r"row 0, column 1: nan is not a finite"),
        (
            pd.DataFrame([[1.0, 0.2], [0.3, 1.0]], ["A", "B"], ["A", "B"]),
            "row 'A', column 'B': 0.2 differs from 0.3",
        ),
        (np.diag([1.0, -1.0]), "row 1, column 1: -1.0 is negative"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), "row 0, column 1: 2.0 is larger than the variances"),
        (
            np.array([[1.0, -0.9, -0.9], [-0.9, 1.0, -0.9], [-0.9, -0.9, 1.0]]),
            "not positive semidefinite",
        ),
        (pd.DataFrame(np.eye(2), ["A", "B"], ["A", "X"]), "does not name both a row and a column"),
        ("many", "must be a square table of numbers"),
    ],
)
def test_bad_covariances_are_refused(given: object, message: str) -> None:
    with pytest.raises(adl.InputError, match=message):
        untyped.Gaussian(given)


def test_other_bad_input_is_refused() -> None:
    for df in (1.0, 0.0, np.nan, -3.0):
        with pytest.raises(adl.InputError, match="df"):
            adl.StudentT(COVARIANCE, df)
    with pytest.raises(adl.InputError, match="points"):
        adl.Gaussian(COVARIANCE, points=0)
    with pytest.raises(adl.InputError, match="no row for asset 'D'"):
        adl.Gaussian(COVARIANCE, ASSETS).covariance_of(pd.Index(["A", "D"]))
    with pytest.raises(adl.InputError, match="book's 2 assets"):
        adl.Gaussian(COVARIANCE).covariance_of(pd.Index(["A", "D"]))
