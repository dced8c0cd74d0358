"""Every tuning number of the method, with unit, effect, and the measurement that chose it.

Measurements name the case of `python -m benchmarks shadow_price` that shows the effect.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Pivoting(NamedTuple):
    """Numbers of the pools' simplex method (a NamedTuple, because compiled loops take it)."""

    optimality: float = 1e-12
    """Relative to the terms of a multiplier's sum: violations below it are rounding. At 1e-10 pools
    of the degenerate books stop early and gaps stay at 1e-9; below 1e-14 pivots cycle."""
    direction: float = 1e-11
    """Relative to the largest component: components of a direction below it count as zero."""
    scan: int = 24
    """Kinks. With more the next one is found by partition, else by a scan (case 1e5 x 5: 10 to 50
    make no difference)."""
    pivots: int = 20
    """Most pivots are this times (variables + 5); a pool that needs more is perturbed. Never met in
    2,000 random books."""
    perturbation: float = 1e-10
    """Relative to a hinge's slopes: shift of its level against cycling, in such a pool only."""


class Selling(NamedTuple):
    """Numbers of the market's groups."""

    nearer: float = 0.05
    """New columns lie this share of the way from the mixture to its neighbours, so the gap falls by
    a factor of 400 where the mixture stands still. Bisection takes 15 sweeps to 1e-9."""
    narrow: float = 1e-10
    """Of the requirement: columns nearer than this cost the same."""
    flat: float = 1e-11
    """Relative gap down to which sweeps go on while a price differs from the marginal cost of what
    is sold. A gap of 1e-9 leaves differences of up to 1e-4 where several assets are sold, 1e-11
    leaves 1e-5."""


@dataclass(frozen=True)
class Tuning:
    """Numbers of the method."""

    groups: int = 200
    """Groups of pools, each with its own convex combination in the master. Fewer need more sweeps,
    more a larger master: 50, 100, 400, 800 take 1.2, 1.05, 1.2, 1.3 times as long (1e5 x 5)."""
    alone: float = 0.5
    """Share of the groups that are single pools, those that hold the most of an asset."""
    box: float = 0.05
    """Half-width of the first trust region, relative to the bounds of prices and stresses."""
    no_box: float = 4.0
    """Half-width that restricts nothing: twice the bounds to either side."""
    least_width: float = 1e-12
    """Half-width at which rounding in the master, not the box, keeps the gap open: the end."""
    rise: float = 0.25
    """The box halves when the dual function rises by less than this share of the prediction, as it
    does after a step that fails; it doubles after a good step to its edge."""
    sample_step: float = 25.0
    """Ratio of sizes between nested samples of the pools. None: 1.9 times as long (1e5 x 5)."""
    smallest_sample: int = 500
    """Pools. Smaller samples say nothing about the prices of the next."""
    sample_tolerance: float = 1e-4
    """Relative gap to which samples are solved; their sampling error is larger."""
    least_box: float = 1e-3
    """Smallest price, relative to its bound, that sets the box after a sample."""
    tolerance: float = 1e-9
    """Relative gap at which iterations end, unless the user asks for less. It costs one or two
    sweeps of sixteen more than 1e-6 (1e5 x 5)."""
    negligible: float = 1e-15
    """Of all equity: a gap in money below it is rounding, whatever the value (which may be 0)."""
    box_slack: float = 1e-9
    """Amount of a box variable (relative to the requirement) that counts as none."""
    iterations: int = 200
    """Most sweeps at one level."""
    unused: int = 3
    """Master solutions after which a column outside the basis is forgotten (100 assets: a quarter
    fewer simplex iterations)."""
    purge: float = 0.25
    """Share of the columns that must be unused before any is deleted."""
    master_tolerance: float = 1e-10
    """Feasibility tolerances of HiGHS, in the units of the program: requirements are 1, money 1e-3
    of the reduction's notional."""
    tail_spread: float = 4.0
    """Probability of the scenarios in the program, per unit of the widest tail."""
    fewest_scenarios: int = 20
    """Scenarios in the program at least."""
    covered: float = 0.5
    """Of an insurance fund: scenarios whose proportional loss is below it start outside."""
    missed: float = 1e-10
    """Of the value: what scenarios outside the program may add to it."""
    work_per_run: int = 200_000
    """Hinges x variables that one thread takes at a time. A run is whole groups, so sums do not
    depend on the number of threads."""
    money: float = 1e-3
    """Unit of money, as a share of the notional to be reduced."""
    least_money: float = 1e-6
    """Unit of money at least, as a share of the loss before any reduction. Reductions of a
    millionth of what is available would make losses of 1e8 units, beyond HiGHS's tolerances."""
    pivoting: Pivoting = field(default_factory=Pivoting)
    selling: Selling = field(default_factory=Selling)


DEFAULTS = Tuning()
