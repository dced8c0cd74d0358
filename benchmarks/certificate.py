"""Claim: any allocation of an exchange-sized book is certified in seconds, without an array of
pools x scenarios.

There is no alternative to compare with but solving the problem; the row below certifies contract
pro rata.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import adlopt as adl
from adlopt.datasets import synthetic
from benchmarks.measure import Row, Size, alone

SECONDS, MEMORY_MIB = 5.0, 2048.0


def run(size: Size) -> Iterator[Row]:
    for pools in size.pick((100,), (10_000,), (10_000, 100_000)):
        (proof, seconds), memory = alone(certified, pools)
        yield Row(
            "certify pro rata",
            f"{pools:,} x 1,000 x 5",
            seconds,
            {
                "value": f"{proof.value:.8g}",
                "lower bound": f"{proof.lower_bound:.8g}",
                "MiB": f"{memory:.0f}",
            },
            holds=seconds <= SECONDS and memory <= MEMORY_MIB,
        )


def certified(pools: int) -> tuple[adl.Certificate, float]:
    """Certificate of taking the same fraction of every eligible position, and its seconds after
    compilation.
    """
    for count in (20, pools):
        problem = synthetic.problem(count)
        table = problem.positions.assign(reduction=0.3 * problem.max_reduction)
        started = time.perf_counter()
        proof = adl.certify(problem, table)
    return proof, time.perf_counter() - started
