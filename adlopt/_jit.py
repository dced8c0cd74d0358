"""Compilation of the inner loops; import this only where such loops run."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile at the first call, and keep the machine code beside the source."""
    return cast(Callable[P, R], numba.njit(cache=True, error_model="numpy")(function))


def jit_sums(function: Callable[P, R]) -> Callable[P, R]:
    """As `jit`, and sums may be taken in any order, so that they use the processor's vector units."""
    fastmath = {"reassoc", "contract", "nsz"}
    return cast(Callable[P, R], numba.njit(cache=True, error_model="numpy", fastmath=fastmath)(function))


def jit_parallel(function: Callable[P, R]) -> Callable[P, R]:
    """As `jit_sums`, and without the interpreter's lock, so that threads may share the work."""
    fastmath = {"reassoc", "contract", "nsz"}
    return cast(Callable[P, R], numba.njit(cache=True, error_model="numpy", fastmath=fastmath, nogil=True)(function))
