"""Seconds and peak memory of one job in a process of its own, and the table that the claims are
printed in.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One measured line: what ran, on what, and the figures the claim is about."""

    what: str
    size: str
    seconds: float
    figures: dict[str, str] = field(default_factory=dict)
    holds: bool | None = (
        None  # whether the claim's target is met; None where the row only gives the comparison
    )


@dataclass(frozen=True)
class Size:
    """How much a case may take: 'smoke' proves that it runs, 'normal' takes a minute, 'full' is the
    claim itself. Rows whose description lacks `rows` are left out, in the cases that are long.
    """

    smoke: bool
    full: bool
    rows: str = ""

    def wants(self, what: str) -> bool:
        return self.rows.casefold() in what.casefold()

    def pick(self, smoke: Any, normal: Any, full: Any) -> Any:
        return smoke if self.smoke else full if self.full else normal


def fastest(job: Callable[..., Any], *arguments: Any, repeats: int = 5) -> float:
    """Least seconds of several runs, after one to warm up."""
    job(*arguments)
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        job(*arguments)
        best = min(best, time.perf_counter() - started)
    return best


def alone(job: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """What `job` returns, and the peak memory in MiB of the fresh process that it ran in."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(_with_peak, job, arguments).result()


def _with_peak(job: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, float]:
    result = job(*arguments)
    return result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
