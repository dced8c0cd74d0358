"""Every tuning number of the conic master, with unit, effect, and the measurement that chose it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConicMasterTuning:
    """Numbers of the conic master and its decomposition.

    Measurements name the case of `python -m benchmarks shadow_price` that shows the effect.
    """

    groups: int = 40
    """Groups of pools. More need fewer sweeps and a larger cone program: EVaR, 1e5 x 5, takes four
    times as long with 100."""
    first: float = 1e-4
    """Relative gap of the two linear solves that give the first prices, stresses and columns."""
    tolerance: float = 1e-8
    """Proven relative gap at which iterations end, unless the user asks for less."""
    negligible: float = 1e-15
    """Of all equity: a gap in money below it is rounding, whatever the value (which may be 0)."""
    solver_tolerance: float = 1e-9
    """Of Clarabel, throughout: loose early masters cost more sweeps than they save."""
    steps: tuple[float, ...] = (0.99, 0.9, 0.7)
    """Fractions of the step to the cones' boundary, tried in turn where Clarabel stalls."""
    useless: float = 1e-2
    """Relative residual above which an unfinished answer of Clarabel is discarded."""
    iterations: int = 80
    """Most sweeps. Cases of the benchmark need 5 to 20."""
    stalled: int = 12
    """Sweeps without progress after which iterations end. With three groups a book of the campaign
    (`convex`, 42) needs eleven to leave the first gap; at 4 it stayed 3e-5 above its bound."""
    progress: float = 0.1
    """Of the tolerance: a smaller improvement does not count as progress."""
    patience: int = 4
    """Sweeps after which a column without weight is forgotten."""
    weight: float = 1e-4
    """Weight below which a column of an interior solution counts as unused."""
    models: int = 3
    """Most quadratic models per master (EVaR, entropic risk)."""
    gain: float = 0.1
    """Of the open gap: a model that gains less is the last of its master."""
    shortest_step: float = 1e-4
    """Of a model's step: where no longer one improves the objective, it is not taken."""
    bounds: int = 8
    """Most rounds of adding violated bounds on single losses to a quadratic model."""
    near_fund: float = 1e-6
    """Relative: a loss this close to the insurance fund is at the kink of (L - F)^+."""
    polish: float = 1e-10
    """Relative gap of the linear solve that gives exact prices at the end."""


CONIC_MASTER_DEFAULTS = ConicMasterTuning()
