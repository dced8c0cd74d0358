"""Maximum-likelihood fit of a centred multivariate Student-t law."""

from __future__ import annotations

import numpy as np

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError

DF_RANGE = (1.05, 200.0)  # below 1 there is no mean; from 200 on the law is practically normal
MAX_STEPS = 1_000
FIT_TOLERANCE = 1e-10  # relative change of the scale matrix at which the iteration stops


def fit_student(
    returns: FloatArray, weights: FloatArray, df: float | None = None
) -> tuple[FloatArray, float]:
    """Scale matrix (d, d) and degrees of freedom of weighted returns (S, d) with mean zero.

    For given degrees of freedom nu the scale matrix is a fixed point: the covariance with each
    return weighted by (nu + d) / (nu + its squared distance), the EM iteration of Liu and Rubin
    (1995). A search over nu maximises the likelihood where `df` is None.
    """
    if len(returns) < returns.shape[1] + 1:
        raise InputError(
            f"StudentT.from_history: {len(returns)} windows do not determine the scale matrix of "
            f"{returns.shape[1]} assets; give a longer history or a shorter horizon"
        )
    covariance = (returns.T * weights) @ returns
    if np.linalg.matrix_rank(covariance, hermitian=True) < len(covariance):
        raise InputError(
            "StudentT.from_history: the returns of some assets are constant or copies of others, "
            "so no scale matrix fits best; leave those assets out"
        )
    if df is not None:
        number = validation.as_finite("StudentT, df", df)
        if not number > 1:
            raise InputError(
                f"StudentT: df is {df}; it must be > 1, or the expected loss is infinite"
            )
        return _scale_matrix(returns, weights, number, covariance), number
    from scipy.optimize import minimize_scalar

    def loss(log_df: float) -> float:
        nu = float(np.exp(log_df))
        return -_likelihood(returns, weights, nu, _scale_matrix(returns, weights, nu, covariance))

    found = minimize_scalar(loss, bounds=tuple(np.log(DF_RANGE)), method="bounded")
    nu = float(np.exp(found.x))
    return _scale_matrix(returns, weights, nu, covariance), nu


def _distances(returns: FloatArray, scale: FloatArray) -> FloatArray:
    """(S,) squared distances r' scale^-1 r."""
    half = np.linalg.solve(np.linalg.cholesky(scale), returns.T)
    return np.asarray(np.sum(half**2, axis=0))


def _scale_matrix(
    returns: FloatArray, weights: FloatArray, nu: float, start: FloatArray
) -> FloatArray:
    """The scale matrix that maximises the likelihood at nu degrees of freedom."""
    scale = start
    for _ in range(MAX_STEPS):
        pull = (nu + returns.shape[1]) / (nu + _distances(returns, scale))
        updated = (returns.T * (weights * pull)) @ returns
        change = np.abs(updated - scale).max() / np.abs(scale).max()
        scale = (updated + updated.T) / 2
        if change < FIT_TOLERANCE:
            break
    return scale


def _likelihood(returns: FloatArray, weights: FloatArray, nu: float, scale: FloatArray) -> float:
    """Mean log-likelihood per window."""
    from scipy.special import gammaln

    d = returns.shape[1]
    constant = gammaln((nu + d) / 2) - gammaln(nu / 2) - d / 2 * np.log(nu * np.pi)
    _, log_determinant = np.linalg.slogdet(scale)
    spread = weights @ np.log1p(_distances(returns, scale) / nu)
    return float(constant - log_determinant / 2 - (nu + d) / 2 * spread)
