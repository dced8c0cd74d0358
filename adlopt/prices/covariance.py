"""Covariances of price moves: validation, correlation, root, leading factor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError

# Asymmetry and negative eigenvalues that rounding explains, relative to the two variances.
COVARIANCE_ROUNDING = 1e-10
# Times the number of assets: smaller eigenvalues of a correlation matrix, relative to the largest,
# are zero.
RANK_TOLERANCE = 16 * float(np.finfo(float).eps)


def leading_factor(covariance: FloatArray, scale: FloatArray) -> tuple[FloatArray, float]:
    """Direction v (d,) of the leading factor, per standard deviation, and the share of the variance
    it explains.

    Moves are compared in units of `scale` (d,): the factor is the first principal component of the
    moves divided by it.
    """
    eigenvalue, axis = np.linalg.eigh(covariance / np.outer(scale, scale))
    total = float(np.maximum(eigenvalue, 0.0).sum())
    if total == 0:
        raise InputError("OneFactor: the covariance is zero: there is no factor")
    loading = axis[:, -1] * np.sqrt(eigenvalue[-1])
    # The shock is symmetric: choose the sign with which most prices rise.
    loading = loading if loading.sum() >= 0 else -loading
    return loading * scale, float(eigenvalue[-1]) / total


def covariance_matrix(
    model: str,
    matrix_name: str,
    given: pd.DataFrame | npt.ArrayLike,
    assets: Sequence[str] | pd.Index[Any] | None = None,
) -> tuple[FloatArray, pd.Index[Any] | None]:
    """(d, d) covariances, symmetric to the last bit, and the names of their rows if they have any.

    Raises InputError, in the name of `model` and calling the matrix `matrix_name`, with the row
    and the column at fault.
    """
    names = None if assets is None else validation.as_name_index(model, assets)
    if isinstance(given, pd.DataFrame):
        given, names = _in_order(model, matrix_name, given, names)
    try:
        matrix = np.atleast_2d(np.array(given, dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError(f"{model}: the {matrix_name} must be a square table of numbers") from None
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise InputError(
            f"{model}: the {matrix_name} must be square, a row and a column per asset; "
            f"got shape {matrix.shape}"
        )
    if names is not None and (len(names) != len(matrix) or not names.is_unique):
        raise InputError(
            f"{model}: {len(matrix)} rows need as many different asset names; got {list(names)}"
        )
    _check_entries(model, matrix_name, matrix, names)
    matrix = (matrix + matrix.T) / 2
    lowest = float(np.linalg.eigvalsh(correlation(matrix))[0])
    if lowest < -COVARIANCE_ROUNDING * len(matrix):
        raise InputError(
            f"{model}: the {matrix_name} is not positive semidefinite (its correlations have the "
            f"eigenvalue {lowest:.3g}); no set of prices has it"
        )
    return matrix, names


def _in_order(
    model: str, matrix_name: str, given: pd.DataFrame, names: pd.Index[Any] | None
) -> tuple[npt.ArrayLike, pd.Index[Any]]:
    """Entries of a table in the order of `names`, or of its rows, and those names."""
    if not given.index.is_unique or not given.columns.is_unique:
        raise InputError(f"{model}: an asset appears twice in the {matrix_name}'s rows or columns")
    if set(given.index) != set(given.columns):
        odd = next(iter(set(given.index) ^ set(given.columns)))
        raise InputError(
            f"{model}: {odd!r} does not name both a row and a column of the {matrix_name}"
        )
    names = given.index if names is None else names
    missing = [name for name in names if name not in given.index]
    if missing:
        raise InputError(f"{model}: the {matrix_name} has no row for {missing[0]!r}")
    return given.loc[names, names].to_numpy(), names


def _check_entries(
    model: str, matrix_name: str, matrix: FloatArray, names: pd.Index[Any] | None
) -> None:
    """Raise InputError at the first entry that no covariance has."""

    def entry(row: int, column: int) -> str:
        label = (int(row), int(column)) if names is None else (names[row], names[column])
        where = f"{model}: {matrix_name}, row {label[0]!r}, column {label[1]!r}"
        return f"{where}: {matrix[row, column]}"

    for row, column in np.argwhere(~np.isfinite(matrix))[:1]:
        raise InputError(f"{entry(row, column)} is not a finite number")
    variance = np.diag(matrix)
    for row in np.flatnonzero(variance < 0)[:1]:
        raise InputError(f"{entry(row, row)} is negative; a variance is >= 0")
    scale = np.sqrt(variance)
    bound = np.outer(scale, scale)
    for row, column in np.argwhere(np.abs(matrix - matrix.T) > COVARIANCE_ROUNDING * bound)[:1]:
        raise InputError(
            f"{entry(row, column)} differs from {matrix[column, row]}, its mirror image; "
            "it must be symmetric"
        )
    for row, column in np.argwhere(np.abs(matrix) > (1 + COVARIANCE_ROUNDING) * bound)[:1]:
        raise InputError(
            f"{entry(row, column)} is larger than the variances {variance[row]} and "
            f"{variance[column]} allow"
        )


def correlation(matrix: FloatArray) -> FloatArray:
    """Correlations (d, d) of a covariance; 0 in the rows and columns of what does not move."""
    scale = np.sqrt(np.diag(matrix))
    bound = np.outer(scale, scale)
    return np.asarray(np.divide(matrix, bound, out=np.zeros_like(matrix), where=bound > 0))


def correlation_root(matrix: FloatArray) -> FloatArray:
    """(d, r) root of a covariance, with root root' = matrix and r its rank.

    y' matrix y would lose half the digits of a hedged pool's volatility; |root' y| keeps them.
    Directions that only rounding gives a variance are left out. The factorisation is one of
    correlations, because prices of assets, and so their variances, differ by many orders.
    """
    eigenvalue, axis = np.linalg.eigh(correlation(matrix))
    kept = eigenvalue > RANK_TOLERANCE * len(matrix) * max(float(eigenvalue[-1]), 0.0)
    root = np.sqrt(np.diag(matrix))[:, None] * axis[:, kept] * np.sqrt(eigenvalue[kept])
    return np.ascontiguousarray(root)


def shift_correlation(matrix: FloatArray, shift: float) -> FloatArray | None:
    """Correlations rho + shift (1 - rho): moved towards one, or away from it if `shift` is
    negative; None if no assets have these.
    """
    moved = np.asarray((1.0 - shift) * matrix + shift)
    np.fill_diagonal(moved, 1.0)
    valid = float(np.linalg.eigvalsh(moved)[0]) >= -COVARIANCE_ROUNDING * len(moved)
    return moved if valid and np.abs(moved).max() <= 1.0 else None


def move_scale(marks: object, names: pd.Index[Any] | None, size: int) -> FloatArray:
    """(d,) marks > 0 as the unit of moves; ones without marks: moves are compared per contract."""
    if marks is None:
        return np.ones(size)
    scale = validation.vector_by_asset(
        "OneFactor: marks", marks, pd.RangeIndex(size) if names is None else names
    )
    if (scale <= 0).any():
        raise InputError("OneFactor: marks must be prices > 0")
    return scale
