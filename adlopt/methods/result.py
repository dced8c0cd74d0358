"""What a method is asked for and what it hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from adlopt._internal import validation
from adlopt._internal.arrays import FloatArray
from adlopt.proof.multipliers import Multipliers

if TYPE_CHECKING:
    from adlopt.model.constraints import Constraints


class Result(NamedTuple):
    """Outcome of one method on one problem, in arrays."""

    allocation: FloatArray  # (e,) reductions, signed, in contracts
    # (d,) by asset, or (1,) common to all; NaN where there is none
    water_level: FloatArray | None = None
    multipliers: Multipliers | None = None
    # how it was solved, for `Solution.details`: short snake_case keys; values are text or numbers
    details: Mapping[str, Any] = MappingProxyType({})
    out_of_time: bool = False  # the time limit ended the work: the best allocation found by then
    warm_start: object = None  # what this method's next solve of a similar problem can take over


class Start(NamedTuple):
    """An earlier answer to start from; it need not be feasible or close."""

    allocation: FloatArray  # (e,)
    multipliers: Multipliers | None
    shadow_prices: FloatArray | None  # (d,), 0 for assets without a requirement
    warm_start: object = None  # `Result.warm_start` of that answer


@dataclass(frozen=True, eq=False)
class Settings:
    """What a caller asks of a method; a method ignores what it has no use for."""

    tolerance: float = 1e-6  # relative gap at which to stop
    time_limit: float | None = None  # seconds for the whole solve; None for no limit
    start: Start | None = None
    constraints: tuple[Constraints, ...] = ()
    solver: str | None = None  # cvxpy's name, of the conic method
    presolve: bool = True  # of the conic method
    options: Mapping[str, Any] = field(default_factory=dict)  # of the conic solver
    # the relative gap that is proven of a result, for methods that choose among several
    gap: Callable[[Result], float] | None = None

    def __post_init__(self) -> None:
        tolerance = validation.as_positive("tolerance", self.tolerance)
        object.__setattr__(self, "tolerance", tolerance)
        if self.time_limit is not None:
            limit = validation.as_positive("time_limit", self.time_limit)
            object.__setattr__(self, "time_limit", limit)


class Plan(Protocol):
    """A method that applies to a problem, with what it found while looking."""

    def solve(self, settings: Settings) -> Result:
        """Carry the plan out."""


class Refusal(NamedTuple):
    """A method that does not apply, why, and what does."""

    reason: str
    remedy: str
