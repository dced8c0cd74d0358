"""Covariances of price moves: what a matrix must be to be one, and the factor that explains most of
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError

# relative to the two variances: asymmetry and negative eigenvalues that rounding explains
ROUNDING = 1e-10


def leading(covariance: FloatArray, scale: FloatArray) -> tuple[FloatArray, float]:
    """Direction v (d,) of the leading factor, per standard deviation, and the share of the variance
    it explains.

    Shares are those of the covariance of moves divided by `scale` (d,): moves are compared in that
    unit.
    """
    eigenvalue, axis = np.linalg.eigh(covariance / np.outer(scale, scale))
    total = float(np.maximum(eigenvalue, 0.0).sum())
    if total == 0:
        raise InputError("OneFactor: the covariance is zero: there is no factor")
    loading = axis[:, -1] * np.sqrt(eigenvalue[-1])
    loading = (
        loading if loading.sum() >= 0 else -loading
    )  # the shock is symmetric: most prices rise with it
    return loading * scale, float(eigenvalue[-1]) / total


def covariance_matrix(
    model: str, what: str, given: pd.DataFrame | npt.ArrayLike, assets: Sequence[str] | None = None
) -> tuple[FloatArray, pd.Index[Any] | None]:
    """(d, d) covariances, symmetric to the last bit, and the names of their rows if they have any.

    Raises InputError, in the name of `model` and calling the matrix `what`, with the row and the
    column at fault.
    """
    names = None if assets is None else validation.as_name_index(model, assets)
    if isinstance(given, pd.DataFrame):
        if not given.index.is_unique or not given.columns.is_unique:
            raise InputError(f"{model}: the {what} names an asset twice in its rows or columns")
        if set(given.index) != set(given.columns):
            odd = next(iter(set(given.index) ^ set(given.columns)))
            raise InputError(
                f"{model}: {odd!r} does not name both a row and a column of the {what}"
            )
        names = given.index if names is None else names
        if not set(names) <= set(given.index):
            raise InputError(
                f"{model}: the {what} has no row for {next(iter(set(names) - set(given.index)))!r}"
            )
        given = given.loc[names, names].to_numpy()
    try:
        matrix = np.atleast_2d(np.array(given, dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError(f"{model}: the {what} must be a square table of numbers") from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise InputError(
            f"{model}: the {what} must be square, a row and a column per asset; got shape {matrix.shape}"
        )
    if names is not None and (len(names) != len(matrix) or not names.is_unique):
        raise InputError(
            f"{model}: {len(matrix)} rows need as many different asset names; got {list(names)}"
        )

    def at(row: int, column: int) -> str:
        label = (int(row), int(column)) if names is None else (names[row], names[column])
        return f"{model}: {what}, row {label[0]!r}, column {label[1]!r}: {matrix[row, column]}"

    for row, column in np.argwhere(~np.isfinite(matrix))[:1]:
        raise InputError(f"{at(row, column)} is not a finite number")
    variance = np.diag(matrix)
    for row in np.flatnonzero(variance < 0)[:1]:
        raise InputError(f"{at(row, row)} is negative; a variance is >= 0")
    scale = np.sqrt(variance)
    spread = np.outer(scale, scale)
    for row, column in np.argwhere(np.abs(matrix - matrix.T) > ROUNDING * spread)[:1]:
        raise InputError(
            f"{at(row, column)} differs from {matrix[column, row]}, its mirror image; it must be symmetric"
        )
    for row, column in np.argwhere(np.abs(matrix) > (1 + ROUNDING) * spread)[:1]:
        raise InputError(
            f"{at(row, column)} is larger than the variances {variance[row]} and {variance[column]} allow"
        )
    matrix = (matrix + matrix.T) / 2
    lowest = float(np.linalg.eigvalsh(correlation(matrix))[0])
    if lowest < -ROUNDING * len(matrix):
        raise InputError(
            f"{model}: the {what} is not positive semidefinite (its correlations have the eigenvalue {lowest:.3g}); "
            "no set of prices has it"
        )
    return matrix, names


def correlation(matrix: FloatArray) -> FloatArray:
    """A covariance by correlations, so that a cheap asset's entries count as much as a dear one's;
    0 where nothing moves.
    """
    scale = np.sqrt(np.diag(matrix))
    spread = np.outer(scale, scale)
    return np.asarray(np.divide(matrix, spread, out=np.zeros_like(matrix), where=spread > 0))


def scale_of(marks: object, names: pd.Index | None, size: int) -> FloatArray:
    """(d,) marks > 0 as the unit of moves; ones without marks: moves are compared per contract."""
    if marks is None:
        return np.ones(size)
    scale = validation.vector_by_asset(
        "OneFactor: marks", marks, pd.RangeIndex(size) if names is None else names
    )
    if (scale <= 0).any():
        raise InputError("OneFactor: marks must be prices > 0")
    return scale
