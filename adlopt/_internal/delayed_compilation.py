"""Loops that run as Python until that has cost a good part of what compiling them would.

Compiling a loop takes up to some seconds, which a small book does not repay. Compiled code neither
reorders sums nor fuses a multiplication with an addition (parallel.py compiles these loops without
"fastmath"), so the two agree to the bit in nearly all cases, and to the last bits in all
(tools/compare_values.py: the value of 1 solve of 248 differs by 2e-16 of itself).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from adlopt._internal.arrays import IntArray


@dataclass(frozen=True)
class Patience:
    """When a loop is worth compiling."""

    compiling: float = 1e-3
    """Seconds to compile one bytecode instruction (`python -m benchmarks shadow_price`, first
    call)."""
    share: float = 0.4
    """Of the time to compile: what a process spends on running the loop in Python."""
    largest: int = 4_000_000
    """Bytes of all arguments. With more, one item alone may take seconds in Python."""


class DelayedLoop:
    """A compiled loop kernel(items, *arguments) whose items may be split between calls."""

    def __init__(self, dispatcher: Any, patience: Patience = Patience()) -> None:
        self.dispatcher = dispatcher
        self.py_func = dispatcher.py_func
        self.__doc__, self.__name__ = self.py_func.__doc__, self.py_func.__name__
        self.compiled = False  # from now on
        self._patience = patience
        self._left: float | None = None  # seconds that Python may still take; set at the first call
        self._python: Callable[..., None] = self.py_func

    def __call__(self, items: IntArray, *arguments: Any) -> None:
        if not self.compiled:
            items = self._interpret(items, arguments)
        if items.size:
            self.compiled = True
            self.dispatcher(items, *arguments)

    def _interpret(self, items: IntArray, arguments: tuple[Any, ...]) -> IntArray:
        """Run the items in Python, as long as that pays; those that are left."""
        patience = self._patience
        if size(arguments) > patience.largest:
            return items
        if self._left is None:
            if self._is_stored(items, arguments):
                return items
            self._python = as_python(self.py_func)
            self._left = patience.share * patience.compiling * length(self.py_func)
        started, budget = time.perf_counter(), self._left
        with np.errstate(all="ignore"):  # 1 / 0 is infinite, as when compiled
            for done in range(items.size):
                spent = time.perf_counter() - started
                self._left = budget - spent
                if spent * items.size > budget * max(done, 1):  # all of them would exceed it
                    return items[done:]
                self._python(items[done : done + 1], *arguments)
        self._left = budget - (time.perf_counter() - started)
        return items[items.size :]

    def _is_stored(self, items: IntArray, arguments: tuple[Any, ...]) -> bool:
        """Whether machine code for these arguments is in the cache: loading it is faster."""
        signature = tuple(map(self.dispatcher.typeof_pyval, (items, *arguments)))
        return bool(self.dispatcher._cache.holds(signature, self.dispatcher.targetctx.codegen()))


def size(arguments: Iterable[Any]) -> int:
    """Bytes of all arrays, those in tuples included."""
    return sum(
        size(one) if isinstance(one, tuple) else getattr(one, "nbytes", 0) for one in arguments
    )


def called(function: Any) -> dict[str, Any]:
    """The compiled functions that a Python function calls, by the names it calls them by."""
    scope = function.__globals__
    return {
        name: scope[name].py_func
        for name in function.__code__.co_names
        if hasattr(scope.get(name), "py_func")
    }


def as_python(function: Any) -> Callable[..., Any]:
    """The function with every compiled function that it calls, however deep, as Python."""
    own = {name: as_python(inner) for name, inner in called(function).items()}
    return FunctionType(
        function.__code__, {**function.__globals__, **own}, function.__name__, function.__defaults__
    )


def length(function: Any) -> int:
    """Bytecode instructions of a function and of all that it calls: what there is to compile."""
    seen, pending = set(), [function]
    while pending:
        current = pending.pop()
        if current not in seen:
            seen.add(current)
            pending += called(current).values()
    return sum(len(one.__code__.co_code) // 2 for one in seen)
