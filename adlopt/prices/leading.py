"""The leading factor of a covariance: the one direction that explains most of its variance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from adlopt import _tables as tables
from adlopt._tables import FloatArray
from adlopt.errors import InputError

ROUNDING = 1e-8  # relative asymmetry or negative eigenvalue that arithmetic may have left


def leading(covariance: FloatArray, scale: FloatArray) -> tuple[FloatArray, float]:
    """Direction v (d,) of the leading factor, per standard deviation, and the share of the variance it explains.

    Shares are those of the covariance of moves divided by `scale` (d,): moves are compared in that unit.
    """
    eigenvalue, axis = np.linalg.eigh(covariance / np.outer(scale, scale))
    total = float(np.maximum(eigenvalue, 0.0).sum())
    if total == 0:
        raise InputError("OneFactor: the covariance is zero: there is no factor")
    loading = axis[:, -1] * np.sqrt(eigenvalue[-1])
    loading = loading if loading.sum() >= 0 else -loading  # the shock is symmetric: most prices rise with it
    return loading * scale, float(eigenvalue[-1]) / total


def covariance_matrix(what: str, given: pd.DataFrame | npt.ArrayLike) -> tuple[FloatArray, pd.Index | None]:
    """(d, d) covariances, checked to be symmetric and positive semidefinite, and the assets if they are named."""
    names = None
    if isinstance(given, pd.DataFrame):
        names = given.columns
        if not names.is_unique or set(names) != set(given.index) or len(given) != len(names):
            raise InputError(f"{what}: rows and columns must name the same assets, each once")
        given = given.loc[names].to_numpy()
    try:
        matrix = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what}: covariances must be numbers") from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise InputError(f"{what}: a covariance matrix has a row and a column per asset; got shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise InputError(f"{what}: the covariance matrix has entries that are not finite numbers")
    deviation = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    unit = np.outer(deviation, deviation)
    if (np.abs(matrix - matrix.T) > ROUNDING * unit).any():
        raise InputError(f"{what}: a covariance matrix is symmetric")
    # As correlations, so that a cheap asset's entries count as much as a dear one's.
    inverse = np.divide(1.0, unit, out=np.zeros_like(unit), where=unit > 0)
    if (np.diag(matrix) < 0).any() or (matrix[unit == 0] != 0).any() or np.linalg.eigvalsh(matrix * inverse)[0] < -ROUNDING:
        raise InputError(f"{what}: the covariance matrix is not positive semidefinite; no price moves have these covariances")
    return (matrix + matrix.T) / 2, names


def scale_of(marks: object, names: pd.Index | None, size: int) -> FloatArray:
    """(d,) marks > 0 as the unit of moves; ones without marks: moves are compared per contract."""
    if marks is None:
        return np.ones(size)
    scale = tables.by_asset("OneFactor: marks", marks, pd.RangeIndex(size) if names is None else names)
    if (scale <= 0).any():
        raise InputError("OneFactor: marks must be prices > 0")
    return scale
