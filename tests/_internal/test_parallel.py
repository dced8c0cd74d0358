"""Loops on all processors can be interrupted."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

from adlopt._internal.parallel import on_all


def test_sums_of_chunks() -> None:
    def kernel(chunk: np.ndarray, factor: float, out: np.ndarray) -> None:
        out[0] += factor * chunk.sum()

    for chunks in ([np.arange(10)], np.array_split(np.arange(10), 4)):
        (total,) = on_all(kernel, chunks, (2.0,), (1,))
        assert total[0] == 90.0


def test_interruption_ends_with_the_chunks_under_way() -> None:
    ran = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs behind "&" ignore it

    def kernel(chunk: np.ndarray, out: np.ndarray) -> None:
        time.sleep(0.02)
        ran.append(chunk)

    threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            on_all(kernel, [np.arange(1)] * 500, (), (1,))
    finally:
        signal.signal(signal.SIGINT, before)
    done = len(ran)
    assert 0 < done < 500
    time.sleep(0.1)
    assert len(ran) == done  # nothing goes on behind the caller's back


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    def kernel(chunk: np.ndarray, out: np.ndarray) -> None:
        out[0] += chunk.sum()

    chunks = [np.arange(3)] * 4
    on_all(kernel, chunks, (), (1,))
    child = os.fork()
    if child == 0:
        os._exit(0 if on_all(kernel, chunks, (), (1,))[0][0] == 12.0 else 1)
    for _ in range(100):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert (pid, status) == (child, 0)
