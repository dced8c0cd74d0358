"""Run independent tasks on any `concurrent.futures.Executor`, or on processes of our own.

Results come back in the order of the tasks, so they do not depend on who computed them.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any, TypeVar

from adlopt.errors import InputError

R = TypeVar("R")
CHUNKS_PER_WORKER = 4  # a slow chunk then leaves few workers idle at the end


def worker_count(executor: Executor | None, workers: int | None) -> int:
    """How many tasks are likely to run at once."""
    if executor is None:
        return workers or os.cpu_count() or 1
    return int(getattr(executor, "_max_workers", None) or 2 * (os.cpu_count() or 1))


def check_executor(what: str, executor: object) -> None:
    """Refuse what cannot run tasks."""
    if executor is not None and not hasattr(executor, "submit"):
        raise InputError(
            f"{what}: executor {executor!r} is not a concurrent.futures.Executor, such as "
            "ProcessPoolExecutor() or Dask's client.get_executor()"
        )


def run_tasks(
    function: Callable[..., R],
    tasks: Sequence[tuple[Any, ...]],
    *,
    executor: Executor | None = None,
    workers: int | None = 1,
    done: Callable[[int], None] = lambda _: None,
) -> list[R]:
    """`function(*task)` of every task, in their order.

    Parameters
    ----------
    function : callable
        Defined in a module, where other processes find it.
    tasks : sequence of tuples
        What is passed to the function, and so travels to the workers.
    executor : Executor, optional
        Runs the tasks. Without it they run in `workers` new processes, or in this one if `workers`
        is one, if something in the tasks cannot be pickled (a lambda, say), or if the platform
        has no processes (Python in a browser).
    workers : int, optional
        Number of new processes; all processors if None.
    done : callable
        Told how many tasks are finished.
    """
    if executor is not None:
        return list(collected(executor, function, tasks, done))
    count = min(worker_count(None, workers), len(tasks))
    if count <= 1 or not _travels((function, tasks)):
        return [_told(function(*task), index, done) for index, task in enumerate(tasks)]
    finished: list[R] = []
    with suppress(ImportError):  # a browser: Pyodide's Python lacks the module `_multiprocessing`
        _in_new_processes(count, function, tasks, done, finished)
    # Whatever is not finished is computed here. Tasks change nothing outside, so none counts twice.
    for index in range(len(finished), len(tasks)):
        finished.append(_told(function(*tasks[index]), index, done))
    return finished


def _in_new_processes(
    count: int,
    function: Callable[..., R],
    tasks: Sequence[tuple[Any, ...]],
    done: Callable[[int], None],
    finished: list[R],
) -> None:
    """Append results in order, all of them unless a worker breaks."""
    import multiprocessing
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor

    # Not fork: threads of compiled loops may hold locks that a forked child would wait for.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(count, mp_context=context) as own:
            for result in collected(own, function, tasks, done):
                finished.append(result)
    except BrokenProcessPool:
        # A worker was killed, or the main script runs its work while it is imported.
        pass


def collected(
    executor: Executor,
    function: Callable[..., R],
    tasks: Sequence[tuple[Any, ...]],
    done: Callable[[int], None] = lambda _: None,
) -> Iterator[R]:
    """Results of an executor as they are asked for, in the order of the tasks."""
    futures: list[Future[R]] = [executor.submit(function, *task) for task in tasks]
    try:
        for index, future in enumerate(futures):
            yield _told(future.result(), index, done)
    finally:
        for future in futures:
            future.cancel()


def _told(result: R, index: int, done: Callable[[int], None]) -> R:
    done(index + 1)
    return result


def _travels(given: object) -> bool:
    """Whether other processes can be sent this."""
    try:
        pickle.dumps(given)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True
