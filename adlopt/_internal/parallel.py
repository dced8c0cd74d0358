"""Compilation of the inner loops, and running them on all processors; import this only where such
loops run.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

try:
    import numba
except ImportError:  # where numba cannot be installed, a browser for one, loops stay Python
    numba = None

from adlopt._internal.arrays import FloatArray, IntArray

P = ParamSpec("P")
R = TypeVar("R")

# elementary steps: what one thread does between two chances to interrupt it, some hundredths of a
# second
SHARE = 8_000_000


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile at the first call, store the machine code, and run without the interpreter's lock."""
    return _compiled(function, fastmath=False)


def jit_loop(function: Callable[P, None]) -> Callable[P, None]:
    """As `jit`, for a loop over its first argument that may be split at any item: it runs in Python
    until that has cost enough to compile it. The results agree but for the last bits.
    """
    if numba is None:
        return _interpreted(function)
    from adlopt._internal import compiled_cache
    from adlopt._internal.delayed_compilation import DelayedLoop

    dispatcher = numba.njit(error_model="numpy", nogil=True, no_cfunc_wrapper=True)(function)
    if numba.config.DISABLE_JIT:
        return cast(Callable[P, None], dispatcher)
    compiled_cache.enable(dispatcher)
    _compile_without_collection(dispatcher)
    return cast(Callable[P, None], DelayedLoop(dispatcher))


def jit_sums(function: Callable[P, R]) -> Callable[P, R]:
    """As `jit`, and sums may be taken in any order, so they use the processor's vector
    units.
    """
    return _compiled(function, fastmath={"reassoc", "contract", "nsz"})


def _compiled(function: Callable[P, R], fastmath: bool | set[str]) -> Callable[P, R]:
    if numba is None:
        return _interpreted(function)
    from adlopt._internal import compiled_cache

    dispatcher = numba.njit(error_model="numpy", nogil=True, fastmath=fastmath)(function)
    if not numba.config.DISABLE_JIT:
        compiled_cache.enable(dispatcher)
        _compile_without_collection(dispatcher)
    return cast(Callable[P, R], dispatcher)


def _compile_without_collection(dispatcher: Any) -> None:
    """Compiling makes millions of objects that stay; looking for garbage takes a tenth of it."""
    compile_now = dispatcher.compile

    def compile_signature(signature: Any) -> Any:
        enabled = gc.isenabled()
        gc.disable()
        try:
            return compile_now(signature)
        finally:
            if enabled:
                gc.enable()

    dispatcher.compile = compile_signature


def jit_inner(function: Callable[P, R]) -> Callable[P, R]:
    """As `jit`, for functions that compiled functions call: without the wrappers that make them
    callable from Python and without reference counts, which halves the time to compile.

    They may not make arrays. Tests call `numba.njit(function.py_func)`.
    """
    if numba is None:
        return _interpreted(function)
    options: dict[str, Any] = {
        "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True,
        "_nrt": False,
    }
    return cast(Callable[P, R], numba.njit(error_model="numpy", nogil=True, **options)(function))


def jit_inline(function: Callable[P, R]) -> Callable[P, R]:
    """As `jit_inner`, and merged into its caller: for short loops over tuples of arrays, which take
    half as long again where the tuples are passed on (benchmarks/elliptical.py).
    """
    if numba is None:
        return _interpreted(function)
    options: dict[str, Any] = {
        "forceinline": True,
        "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True,
        "_nrt": False,
    }
    return cast(Callable[P, R], numba.njit(error_model="numpy", nogil=True, **options)(function))


def _interpreted(function: Callable[P, R]) -> Callable[P, R]:
    """The loop in Python: fast enough for small books. 1 / 0 is infinite, as when compiled."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)

    return run


def processors() -> int:
    return os.cpu_count() or 1


@cache
def _workers() -> ThreadPoolExecutor:
    """Threads that stay: starting them for every loop costs more than the loops of a small book."""
    return ThreadPoolExecutor(processors(), thread_name_prefix="adlopt")


if hasattr(os, "register_at_fork"):  # threads do not survive a fork
    os.register_at_fork(after_in_child=_workers.cache_clear)


def shares(items: int, steps: int) -> list[IntArray]:
    """The numbers below `items`, each worth `steps` elementary steps, in runs that threads take in
    turn.
    """
    return np.array_split(np.arange(items), max(1, min(items, -(-items * steps // SHARE))))


def on_all(
    kernel: Callable[..., None],
    chunks: Sequence[IntArray],
    arguments: tuple[Any, ...],
    *shapes: tuple[int, ...],
) -> list[FloatArray]:
    """Run kernel(chunk, *arguments, *outputs) over all chunks; the sums of its outputs, which have
    these shapes.

    An interruption ends it with the chunks that are under way: no thread goes on working.
    """
    if len(chunks) == 1 or numba is None:  # interpreted loops gain nothing from threads
        out = [np.zeros(shape) for shape in shapes]
        for chunk in chunks:
            kernel(chunk, *arguments, *out)
        return out

    def run(chunk: IntArray) -> list[FloatArray]:
        own = [np.zeros(shape) for shape in shapes]
        kernel(chunk, *arguments, *own)
        return own

    tasks = [_workers().submit(run, chunk) for chunk in chunks]
    try:
        parts = [task.result() for task in tasks]
    except BaseException:
        for task in tasks:
            task.cancel()
        wait(tasks)
        raise
    return [np.sum(part, axis=0) for part in zip(*parts, strict=True)]
