"""The built-in measures, several parameters each, and random weighted losses with degenerate cases
made on purpose.
"""

from __future__ import annotations

import numpy as np

import adlopt as adl

COHERENT: tuple[adl.Objective, ...] = (
    adl.ExpectedLoss(),
    adl.CVaR(0.0),
    adl.CVaR(0.8),
    adl.EVaR(0.0),
    adl.EVaR(0.05),
    adl.EVaR(0.8),
    adl.Spectral([0.0, 0.5, 0.9], [0.3, 0.3, 0.4]),
    adl.Spectral.from_spectrum(lambda u: 3 * u**2, points=8),
    adl.WorstCase(),
    adl.Semideviation(0.6, 1),
    adl.Semideviation(1.0, 2),
    adl.Expectile(0.5),
    adl.Expectile(0.9),
    adl.ChiSquareRobust(0.0),
    adl.ChiSquareRobust(0.3),
    adl.ChiSquareRobust(4.0),
)
NOT_HOMOGENEOUS: tuple[adl.Objective, ...] = (adl.Entropic(0.02), adl.Entropic(3.0))
BUILT_IN = COHERENT + NOT_HOMOGENEOUS


def losses(seed: int, size: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """Losses >= 0 (size,), some tied, many zero, and weights of which some are zero; the worst loss
    may have none.
    """
    rng = np.random.default_rng(seed)
    loss = rng.exponential(size=size) * (rng.random(size) < 0.7)
    if seed % 3 == 0:
        loss = np.round(loss, 1)
    weights = rng.random(size) * (rng.random(size) < 0.8)
    weights[rng.integers(size)] += 0.1
    if seed % 4 == 0:
        weights[np.argmax(loss)] = 0.0
        weights[np.argmin(loss)] += 0.1
    return loss, weights / weights.sum()
