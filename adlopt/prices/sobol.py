"""Standard normal vectors from scrambled Sobol points: the sampling that all drawn models share."""

from __future__ import annotations

import numpy as np

from adlopt._internal.arrays import FloatArray
from adlopt.errors import InputError

HALF_STEP = 2.0**-31  # points are multiples of 2^-30, zero included, whose quantile is infinite


def uniform_points(model: str, dimensions: int, points: int, seed: int) -> FloatArray:
    """(points, dimensions) scrambled Sobol points inside the unit cube; `points` is rounded up to
    a power of two. Raises InputError in the name of `model` beyond the dimensions that Sobol
    points exist for.
    """
    from scipy.stats import qmc

    if dimensions > qmc.Sobol.MAXDIM:
        raise InputError(
            f"{model}: the book has too many assets; Sobol points have at most "
            f"{qmc.Sobol.MAXDIM:,} dimensions, and this takes {dimensions:,}"
        )
    sobol = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    exponent = int(np.ceil(np.log2(points)))
    return np.asarray(sobol.random_base2(exponent) + HALF_STEP, dtype=np.float64)


def principal_root(covariance: FloatArray) -> FloatArray:
    """(d, d) root of a covariance by principal axes, the largest variance in the first column.

    Cholesky's root would spread the largest risks over all Sobol coordinates; of these the first
    are distributed most evenly.
    """
    eigenvalue, axis = np.linalg.eigh(covariance)
    return np.asarray((axis * np.sqrt(np.maximum(eigenvalue, 0.0)))[:, ::-1])
