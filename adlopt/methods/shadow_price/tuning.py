"""Every tuning number of the method, with unit, effect, and the measurement that chose it.

Measurements name the case of `python -m benchmarks shadow_price` that shows the effect. A number
out of its range is refused: `within(low, high, default)` states both. Any number within may be
changed safely: it costs time or leaves a gap, which the certificate, computed apart, shows.

>>> from dataclasses import replace
>>> few = replace(DEFAULTS, groups=50, pivoting=Pivoting(optimality=1e-10))
>>> few = replace(few, master=MasterSolver(strategies=(1, 4)))  # dual simplex method first
>>> replace(DEFAULTS, groups=0)
Traceback (most recent call last):
adlopt.errors.InputError: Tuning.groups is 0; a whole number >= 1 is needed
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from adlopt._internal.validation import as_finite, as_integer
from adlopt.errors import InputError

MANY = 10**12


def within(low: float, high: float, default: float) -> Any:
    """A field of a settings object and the range of its values, ends included."""
    return field(default=default, metadata={"range": (low, high)})


def require_ranges(settings: Any) -> None:
    """Raise InputError for a number of a settings object that is out of its range."""
    for one in fields(settings):
        if "range" in one.metadata:
            name = f"{type(settings).__name__}.{one.name}"
            _require(name, getattr(settings, one.name), one.default, *one.metadata["range"])


def _require(name: str, value: object, default: object, low: float, high: float) -> None:
    if isinstance(default, int):
        number: float = as_integer(name, value, int(low))
    else:
        number = as_finite(name, value)
    if not low <= number <= high:
        raise InputError(f"{name} is {value}; it must lie in [{low:g}, {high:g}]")


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


PIVOTING_RANGES: dict[str, tuple[float, float]] = {
    "optimality": (1e-15, 1e-6),
    "direction": (1e-15, 1e-6),
    "scan": (1, 10**6),
    "pivots": (1, 10**6),
    "perturbation": (0.0, 1e-6),
}


@dataclass(frozen=True)
class MasterSolver:
    """How HiGHS solves the linear master."""

    strategies: tuple[int, ...] = (4, 1)
    """Values of `simplex_strategy`, tried in turn until one ends with an optimum. 4 is the primal
    simplex method: its last basis stays feasible as columns come. 1 is the dual method, which after
    a failure starts without a basis (5 of 100 assets: twice as many iterations as primal)."""
    scaling: int = within(0, 4, 0)
    """`simplex_scale_strategy`; 0 is none, since the program has units near 1 already. With
    HiGHS's own choice, 2, masters take 2.3 times as long (5 of 100 assets)."""
    tolerance: float = within(1e-10, 1e-6, 1e-10)
    """Feasibility tolerances, in the units of the program: requirements are 1, money 1e-3 of the
    reduction's notional."""
    iterations: int = within(1, MANY, 10)
    """Most simplex iterations per row and column, in case they cycle; then the next strategy is
    tried. The benchmark takes at most 2."""

    def __post_init__(self) -> None:
        require_ranges(self)
        if not self.strategies or not set(self.strategies) <= {1, 4}:
            raise InputError(
                f"MasterSolver.strategies is {self.strategies!r}; give a tuple of 1 (dual simplex) "
                "and 4 (primal simplex)"
            )


@dataclass(frozen=True)
class Selling:
    """Numbers of the market's groups."""

    nearer: float = within(1e-6, 0.5, 0.05)
    """New columns lie this share of the way from the mixture to its neighbours, so the gap falls by
    a factor of 400 where the mixture stands still. Bisection takes 15 sweeps to 1e-9."""
    narrow: float = within(1e-15, 1e-3, 1e-10)
    """Of the requirement: columns nearer than this cost the same."""
    flat: float = within(0.0, 1e-3, 1e-11)
    """Relative gap down to which sweeps go on while a price differs from the marginal cost of what
    is sold. A gap of 1e-9 leaves differences of up to 1e-4 where several assets are sold, 1e-11
    leaves 1e-5."""

    def __post_init__(self) -> None:
        require_ranges(self)


@dataclass(frozen=True)
class Tuning:
    """Numbers of the method."""

    groups: int = within(1, 10**6, 200)
    """Groups of pools, each with its own convex combination in the master. Fewer need more sweeps,
    more a larger master: 50, 100, 400, 800 take 1.2, 1.05, 1.2, 1.3 times as long (1e5 x 5)."""
    alone: float = within(0.0, 1.0, 0.5)
    """Share of the groups that are single pools, those that hold the most of an asset."""
    box: float = within(1e-6, 4.0, 0.05)
    """Half-width of the first trust region, relative to the bounds of prices and stresses."""
    no_box: float = within(4.0, 1e6, 4.0)
    """Half-width that restricts nothing: twice the bounds to either side."""
    least_width: float = within(0.0, 1e-3, 1e-12)
    """Half-width at which rounding in the master, not the box, keeps the gap open: the end."""
    rise: float = within(0.0, 1.0, 0.25)
    """The box halves when the dual function rises by less than this share of the prediction, as it
    does after a step that fails; it doubles after a good step to its edge."""
    exact: float = within(0.0, 1.0, 0.9)
    """Share of the prediction from which it counts as exact, so that only the box limits the step:
    then the box grows by `stride`."""
    stride: float = within(1.01, 1e6, 8.0)
    """Growth of a box that alone keeps the gap open. At 2 CVaR 99 % and spectral (1e5 x 5) need up
    to ten sweeps more, which change nothing."""
    sample_groups: int = within(1, 10**6, 40)
    """Groups of a sample, at least two per asset."""
    sample_step: float = within(1.5, 1e6, 16.0)
    """Ratio of sizes between nested samples of the pools. Without samples the method takes 1.9
    times as long (1e5 x 5), with 10 it takes 1.2 times as long (spectral)."""
    smallest_sample: int = within(2, MANY, 200)
    """Pools. Smaller samples say nothing about the prices of the next."""
    sample_tolerance: float = within(0.0, 1e3, 1.0)
    """Relative gap to which a sample is solved, times its pools."""
    least_box: float = within(1e-9, 4.0, 1e-3)
    """Smallest price, relative to its bound, that sets the box after a sample."""
    tolerance: float = within(1e-15, 1.0, 1e-9)
    """Relative gap at which iterations end, unless the user asks for less. It costs one or two
    sweeps of sixteen more than 1e-6 (1e5 x 5)."""
    negligible: float = within(0.0, 1e-6, 1e-15)
    """Of all equity: a gap in money below it is rounding, whatever the value (which may be 0)."""
    box_slack: float = within(0.0, 1e-3, 1e-9)
    """Amount of a box variable (relative to the requirement) that counts as none."""
    iterations: int = within(1, MANY, 200)
    """Most sweeps at one level."""
    unused: int = within(1, MANY, 3)
    """Master solutions after which a column outside the basis is forgotten (100 assets: a quarter
    fewer simplex iterations)."""
    purge: float = within(0.0, 1.0, 0.25)
    """Share of the columns that must be unused before any is deleted."""
    tail_spread: float = within(1.0, 1e6, 4.0)
    """Probability of the scenarios in the program, per unit of the widest tail."""
    sample_spread: float = within(1.0, 1e6, 16.0)
    """The same in samples, whose losses show which scenarios reach a tail."""
    fewest_scenarios: int = within(1, MANY, 20)
    """Scenarios in the program at least."""
    covered: float = within(0.0, 1.0, 0.5)
    """Of an insurance fund: scenarios whose proportional loss is below it start outside."""
    missed: float = within(0.0, 1e-3, 1e-10)
    """Of the value: what scenarios outside the program may add to it."""
    work_per_run: int = within(1, MANY, 50_000)
    """Hinges x variables that one thread takes at a time. A run is whole groups, so sums do not
    depend on the number of threads. Shorter runs cost more hand-offs, longer ones leave a thread
    without work: 10,000 and 200,000 take 1.1 and 1.3 times as long (1e4 x 5)."""
    money: float = within(1e-9, 1e9, 1e-3)
    """Unit of money, as a share of the notional to be reduced."""
    least_money: float = within(1e-12, 1.0, 1e-6)
    """Unit of money at least, as a share of the loss before any reduction. Reductions of a
    millionth of what is available would make losses of 1e8 units, beyond HiGHS's tolerances."""
    pivoting: Pivoting = field(default_factory=Pivoting)
    master: MasterSolver = field(default_factory=MasterSolver)
    selling: Selling = field(default_factory=Selling)

    def __post_init__(self) -> None:
        require_ranges(self)
        for name, own in (("pivoting", Pivoting), ("master", MasterSolver), ("selling", Selling)):
            if not isinstance(getattr(self, name), own):
                raise InputError(f"Tuning.{name} must be a {own.__name__}")
        for number, ends in PIVOTING_RANGES.items():
            value, default = getattr(self.pivoting, number), getattr(Pivoting(), number)
            _require(f"Pivoting.{number}", value, default, *ends)


DEFAULTS = Tuning()
